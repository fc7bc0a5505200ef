// Package bookmarks keeps the rooms in which the person is the same on all their devices
// (XEP-0402).
//
// A room that was entered is published, one that was left is retracted, and what another client has
// published or retracted is entered or left here. What a server has no private nodes for stays on
// this device: bookmarks are never published where others could read them (XEP-0223 §5,
// CVE-2018-6591).
//
// A page that has resumed the stream of another one asks only when there is something to say or to
// hear: the other page has seen what was published before.
package bookmarks

import (
	"errors"
	"slices"
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// Namespaces of XEP-0402 and XEP-0060.
const (
	NS        = "urn:xmpp:bookmarks:1"
	nsPubSub  = "http://jabber.org/protocol/pubsub"
	nsEvent   = "http://jabber.org/protocol/pubsub#event"
	nsOptions = "http://jabber.org/protocol/pubsub#publish-options"
	nsInfo    = "http://jabber.org/protocol/disco#info"
	nsForm    = "jabber:x:data"
)

// longest is how many bytes of a name, a nick or a password are read.
const longest = 1023

// New returns the feature.
func New() *feature.Feature {
	b := &bookmarks{}
	return &feature.Feature{
		Name:  "bookmarks (XEP-0402)",
		Disco: []string{NS + "+notify"},
		Messages: map[framing.Name]feature.Handler{
			{Space: nsEvent, Local: "event"}: b.event,
		},
		Start: func(c feature.Client) {
			*b = bookmarks{}
			b.load(c)
		},
		Observe: b.observe,
	}
}

type bookmarks struct {
	asked   bool                         // what is published is on its way
	items   map[jid.JID]*framing.Element // what is published, by room; nil until that is known
	private bool                         // the server keeps what is published from others
}

// load asks what is published, and whether anything may be.
func (b *bookmarks) load(c feature.Client) {
	if b.asked {
		return
	}
	b.asked = true
	me := string(c.State().Account())
	info := framing.New(framing.NSClient, "iq").Set("type", "get").Set("to", me).Add(framing.New(nsInfo, "query"))
	c.Request(info, func(reply *framing.Element, err error) {
		for _, el := range reply.Child(nsInfo, "query").Elements() {
			b.private = b.private || err == nil && el.Is(nsInfo, "feature") && el.Attr("var") == nsOptions
		}
	})
	get := framing.New(framing.NSClient, "iq").Set("type", "get").
		Add(framing.New(nsPubSub, "pubsub").Add(framing.New(nsPubSub, "items").Set("node", NS)))
	c.Request(get, func(reply *framing.Element, err error) {
		b.asked = false
		var refused *framing.StanzaError
		switch {
		case err == nil:
			b.loaded(c, reply.Child(nsPubSub, "pubsub").Child(nsPubSub, "items"))
		case errors.As(err, &refused) && refused.Condition == "item-not-found":
			b.items = map[jid.JID]*framing.Element{} // nothing was ever published, or all of it is lost
			for r := range c.State().Rooms {
				b.publish(c, r)
			}
		}
	})
}

// loaded takes what is published.
func (b *bookmarks) loaded(c feature.Client, items *framing.Element) {
	b.items = map[jid.JID]*framing.Element{}
	for _, item := range items.Elements() {
		b.item(c, item)
	}
	for room := range c.State().Left {
		if b.items[room] != nil {
			b.retract(c, room)
		} else {
			c.Emit(state.RoomForgotten{Room: room})
		}
	}
	for r := range c.State().Rooms {
		switch {
		case !r.Kept:
		case joins(b.items[r.JID]):
			if r.Notify != r.Synced {
				b.publish(c, r)
			}
		case !r.Saved:
			b.publish(c, r)
		default:
			b.gone(c, r.JID)
		}
	}
}

// event takes what another client has published or retracted. Only our own account says that: from
// anybody else it would make us enter rooms (CVE-2023-28686).
func (b *bookmarks) event(c feature.Client, st *feature.Stanza) {
	items := st.Only(nsEvent, "event").Child(nsEvent, "items")
	if st.From != c.State().Account() || st.Source != feature.Live || st.Type == "error" || items.Attr("node") != NS {
		return
	}
	if b.items == nil {
		b.load(c)
		return
	}
	for _, item := range items.Elements() {
		room := jid.JID(item.Attr("id"))
		switch {
		case item.Is(nsEvent, "retract") && b.items[room] != nil:
			delete(b.items, room)
			b.gone(c, room)
		case item.Is(nsEvent, "item"):
			b.item(c, item)
			if r := c.State().Room(room); r != nil && r.Saved && !joins(b.items[room]) {
				b.gone(c, room)
			}
		}
	}
}

// item takes one bookmark, and enters its room if it says so.
func (b *bookmarks) item(c feature.Client, item *framing.Element) {
	conference := item.Child(NS, "conference")
	room, err := jid.Parse(item.Attr("id"))
	if conference == nil || err != nil || !room.IsBare() || room.Local() == "" || len(b.items) >= state.MostRooms && b.items[room] == nil {
		return
	}
	b.items[room] = conference
	if !joins(conference) {
		return
	}
	for left := range c.State().Left {
		if left == room {
			return // the person has left it here, and that is still to be said
		}
	}
	ev := state.RoomBookmarked{
		Room: room, Label: text(conference.Attr("name")),
		Nick: text(conference.Child(NS, "nick").Text()), Password: text(conference.Child(NS, "password").Text()),
		Notify: notify(conference),
	}
	if r := c.State().Room(room); r == nil || !r.Saved || r.Label != ev.Label || r.Synced != ev.Notify {
		c.Emit(ev)
	}
}

// joins reports whether a bookmark says that its room is to be entered.
func joins(conference *framing.Element) bool {
	auto := conference.Attr("autojoin")
	return auto == "true" || auto == "1"
}

// gone leaves a room that is no longer to be entered.
func (b *bookmarks) gone(c feature.Client, room jid.JID) {
	if c.State().Room(room) != nil {
		c.Emit(state.RoomLeft{Room: room})
	}
	c.Emit(state.RoomForgotten{Room: room})
}

func (b *bookmarks) observe(c feature.Client, ev state.Event) {
	switch ev := ev.(type) {
	case state.RoomEntered:
		if r := c.State().Room(ev.Room); r != nil && !r.Saved {
			b.publish(c, r)
		}
	case state.NickChanged:
		b.publish(c, c.State().Room(ev.Room))
	case state.NotifyChanged:
		if r := c.State().Room(ev.Room); r != nil && r.Notify != r.Synced {
			b.publish(c, r)
		}
	case state.RoomLeft:
		if b.items == nil && slices.Contains(slices.Collect(c.State().Left), ev.Room) {
			b.load(c)
		}
		if joins(b.items[ev.Room]) { // else another client has said so
			b.retract(c, ev.Room)
		}
	}
}

// publish publishes that a room is to be entered, with all that other clients have said of it.
func (b *bookmarks) publish(c feature.Client, r *state.Room) {
	if b.items == nil {
		b.load(c) // and what is not published is then
	}
	if b.items == nil || !b.private || r == nil || !r.Kept {
		return
	}
	room := r.JID
	conference := framing.New(NS, "conference")
	if r.Label != "" {
		conference.Set("name", r.Label)
	}
	conference.Set("autojoin", "true").Add(framing.New(NS, "nick").AddText(r.Nick))
	for _, el := range b.items[room].Elements() {
		if !el.Is(NS, "nick") && !el.Is(NS, "extensions") {
			conference.Add(el)
		}
	}
	if extensions := notifying(b.items[room].Child(NS, "extensions"), r.Notify); extensions != nil {
		conference.Add(extensions)
	}
	c.Request(framing.New(framing.NSClient, "iq").Set("type", "set").Add(framing.New(nsPubSub, "pubsub").Add(
		framing.New(nsPubSub, "publish").Set("node", NS).Add(framing.New(nsPubSub, "item").Set("id", string(room)).Add(conference)),
		framing.New(nsPubSub, "publish-options").Add(options()))),
		func(_ *framing.Element, err error) {
			if err == nil {
				b.items[room] = conference
				c.Emit(state.RoomSaved{Room: room, Notify: notify(conference)})
			}
		})
}

// options say that nobody else may read the bookmarks (XEP-0223 §4).
func options() *framing.Element {
	form := framing.New(nsForm, "x").Set("type", "submit")
	for _, f := range [][2]string{
		{"FORM_TYPE", nsOptions}, {"pubsub#persist_items", "true"}, {"pubsub#max_items", "max"},
		{"pubsub#send_last_published_item", "never"}, {"pubsub#access_model", "whitelist"},
	} {
		field := framing.New(nsForm, "field").Set("var", f[0]).Add(framing.New(nsForm, "value").AddText(f[1]))
		if f[0] == "FORM_TYPE" {
			field.Set("type", "hidden")
		}
		form.Add(field)
	}
	return form
}

// retract takes a bookmark back.
func (b *bookmarks) retract(c feature.Client, room jid.JID) {
	delete(b.items, room)
	c.Request(framing.New(framing.NSClient, "iq").Set("type", "set").Add(framing.New(nsPubSub, "pubsub").Add(
		framing.New(nsPubSub, "retract").Set("node", NS).Set("notify", "true").
			Add(framing.New(nsPubSub, "item").Set("id", string(room))))),
		func(_ *framing.Element, err error) {
			var refused *framing.StanzaError
			if err == nil || errors.As(err, &refused) {
				c.Emit(state.RoomForgotten{Room: room})
			}
		})
}

// text is what somebody has written into a bookmark, as a copy; "" if it is longer than anything that
// is meant.
func text(s string) string {
	if len(s) > longest {
		return ""
	}
	return strings.Clone(s)
}
