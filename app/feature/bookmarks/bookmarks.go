// Package bookmarks keeps the list of rooms the same on all devices of the person (XEP-0402).
//
// When we enter a room, its bookmark is published; when we leave it, the bookmark is retracted. When another client
// publishes or retracts a bookmark, we enter or leave the room. If the server has no private nodes, nothing is
// published, because others could read it (XEP-0223 §5, CVE-2018-6591).
//
// There are older bookmarks too (XEP-0048, XEP-0049): one item with all rooms, which each client writes as a whole. They
// are used if the server does not say that it shows the new ones to clients that only know the older ones.
//
// A page that has resumed the stream of an earlier page requests the bookmarks only when it needs them, because the
// earlier page has handled what was published before.
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
	NS       = "urn:xmpp:bookmarks:1"
	nsPubSub = "http://jabber.org/protocol/pubsub"
	nsEvent  = "http://jabber.org/protocol/pubsub#event"
)

// longest is how many bytes of a name, a nick or a password are read.
const longest = 1023

// New returns the feature.
func New() *feature.Feature {
	b := &bookmarks{}
	return &feature.Feature{
		Name:  "bookmarks (XEP-0402, XEP-0048)",
		Disco: []string{NS + "+notify", nsStorage + "+notify"},
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
	private bool                         // the server can publish items that nobody else may read
	storage *framing.Element             // all bookmarks of a server that has them in one piece, see storage.go; nil of another
}

// load asks the account for its features, and requests the bookmarks from where it has them.
func (b *bookmarks) load(c feature.Client) {
	if b.asked {
		return
	}
	b.asked = true
	compat := false
	feature.Account(c, func(has map[string]bool) { b.private, compat = has[feature.Private], has[NS+"#compat"] })
	feature.Items(c, NS, func(items *framing.Element, err error) {
		if compat {
			b.found(c, items, err)
			return
		}
		b.loadStorage(c, func() { b.found(c, items, err) })
	})
}

// found handles the answer to the request for the items of the node.
func (b *bookmarks) found(c feature.Client, items *framing.Element, err error) {
	b.asked = false
	var refused *framing.StanzaError
	switch {
	case err == nil:
		b.loaded(c, items)
	case errors.As(err, &refused) && refused.Condition == "item-not-found":
		b.publishAll(c) // nothing was ever published, or all of it is lost
	}
}

// publishAll publishes the bookmarks of all rooms, when the server has none.
func (b *bookmarks) publishAll(c feature.Client) {
	b.items = map[jid.JID]*framing.Element{}
	for r := range c.State().Rooms {
		b.publish(c, r)
	}
}

// loaded handles the published bookmarks.
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

// event handles a bookmark that another client has published or retracted. It must come from our own account, because
// anybody else could make us enter rooms (CVE-2023-28686).
func (b *bookmarks) event(c feature.Client, st *feature.Stanza) {
	items := st.Only(nsEvent, "event").Child(nsEvent, "items")
	if st.From != c.State().Account() || st.Source != feature.Live || st.Type == "error" {
		return
	}
	if items.Attr("node") == nsStorage && b.storage != nil {
		b.stored(c, items.Child(nsEvent, "item").Child(nsStorage, "storage"))
		return
	}
	if items.Attr("node") != NS || b.storage != nil {
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

// item handles one bookmark, and enters its room if the bookmark says so.
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
			return // the person has left it here, and the bookmark is not retracted yet
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

// joins reports whether a bookmark says that its room is entered automatically.
func joins(conference *framing.Element) bool {
	auto := conference.Attr("autojoin")
	return auto == "true" || auto == "1"
}

// gone leaves a room that has no bookmark any more, or one without autojoin.
func (b *bookmarks) gone(c feature.Client, room jid.JID) {
	if c.State().Room(room) != nil {
		c.Emit(state.RoomLeft{Room: room})
	}
	c.Emit(state.RoomForgotten{Room: room})
}

func (b *bookmarks) observe(c feature.Client, ev state.Event) {
	switch ev := ev.(type) {
	case state.RoomEntered:
		// A room that we have just created is locked until RoomMade: our other clients could not enter it.
		if r := c.State().Room(ev.Room); r != nil && !r.Saved && r.Group == nil && !r.Locked {
			b.publish(c, r)
		}
	case state.RoomMade:
		b.publish(c, c.State().Room(ev.Room))
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

// publish publishes the bookmark of a room, with everything that other clients have put into it.
func (b *bookmarks) publish(c feature.Client, r *state.Room) {
	if b.items == nil {
		b.load(c) // loaded publishes what is not published yet
	}
	if b.items == nil || !b.private && b.storage == nil || r == nil || !r.Kept {
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
	done := func(err error) {
		if err == nil {
			b.items[room] = conference
			c.Emit(state.RoomSaved{Room: room, Notify: notify(conference)})
		}
	}
	if b.storage != nil {
		b.store(c, room, conference, done)
		return
	}
	feature.Publish(c, NS, string(room), conference, done)
}

// retract retracts the bookmark of a room.
func (b *bookmarks) retract(c feature.Client, room jid.JID) {
	delete(b.items, room)
	done := func(err error) {
		if refused := (*framing.StanzaError)(nil); err == nil || errors.As(err, &refused) {
			c.Emit(state.RoomForgotten{Room: room})
		}
	}
	if b.storage != nil {
		b.store(c, room, nil, done)
		return
	}
	c.Request(framing.New(framing.NSClient, "iq").Set("type", "set").Add(framing.New(nsPubSub, "pubsub").Add(
		framing.New(nsPubSub, "retract").Set("node", NS).Set("notify", "true").
			Add(framing.New(nsPubSub, "item").Set("id", string(room))))),
		func(_ *framing.Element, err error) { done(err) })
}

// text returns a copy of a text in a bookmark, "" if it is longer than longest.
func text(s string) string {
	if len(s) > longest {
		return ""
	}
	return strings.Clone(s)
}
