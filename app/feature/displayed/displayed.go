// Package displayed keeps, on all devices of the person, up to which message they have read (XEP-0490).
//
// Each conversation has an item in a private node of the account. The item names the newest message that was read, by
// the archive id in the archive of the conversation. If the server has no private nodes, nothing is published.
//
// The place up to which the person has read never goes back: an item of an older message changes nothing here, and
// nothing is published if another device is known to be further.
package displayed

import (
	"errors"
	"slices"
	"strings"
	"time"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// NS is the namespace of XEP-0490, and the name of the node.
const NS = "urn:xmpp:mds:displayed:0"

const (
	nsEvent = "http://jabber.org/protocol/pubsub#event"
	nsSID   = "urn:xmpp:sid:0"
)

const (
	// pause is the least time between two items of a conversation: the person may read while others write.
	pause = 5 * time.Second
	// most bounds the items that are remembered, longest the bytes of an id.
	most, longest = 10_000, 256
	// newest bounds the newest messages among which the last one that was read is looked for.
	newest = 50
)

// New returns the feature.
func New() *feature.Feature {
	d := &displayed{unsaid: map[state.ConvID]bool{}, pauses: map[state.ConvID]func(){}}
	return &feature.Feature{
		Name:  "read marks of all devices (XEP-0490)",
		Disco: []string{NS + "+notify"},
		Messages: map[framing.Name]feature.Handler{
			{Space: nsEvent, Local: "event"}: d.event,
		},
		Start: func(c feature.Client) {
			d.items, d.asked = nil, false
			d.load(c)
		},
		Observe: d.observe,
	}
}

type displayed struct {
	asked   bool                    // what is published is on its way
	private bool                    // the server keeps what is published from others
	items   map[state.ConvID]string // the archive's id of the message that an item names; nil until they are known
	unsaid  map[state.ConvID]bool   // the conversations that were read further here than their items say
	pauses  map[state.ConvID]func() // the conversations whose item was published just now, with what stops the timer
}

// load asks the account whether it has private nodes, and requests the items.
func (d *displayed) load(c feature.Client) {
	if d.asked {
		return
	}
	d.asked = true
	feature.Account(c, func(has map[string]bool) { d.private = has[feature.Private] })
	feature.Items(c, NS, func(items *framing.Element, err error) {
		d.asked = false
		if refused := (*framing.StanzaError)(nil); err != nil && !errors.As(err, &refused) {
			return // the next stream asks again
		}
		d.items = map[state.ConvID]string{}
		for _, item := range items.Elements() {
			d.item(c, item)
		}
		d.publishAll(c)
	})
}

// event handles an item that another device has published. It must come from our own account, because anybody else could
// mark unread messages as read (CVE-2023-28686).
func (d *displayed) event(c feature.Client, st *feature.Stanza) {
	items := st.Only(nsEvent, "event").Child(nsEvent, "items")
	if st.From != c.State().Account() || st.Source != feature.Live || st.Type == "error" || items.Attr("node") != NS {
		return
	}
	if d.items == nil {
		d.load(c)
		return
	}
	for _, item := range items.Elements() {
		if item.Is(nsEvent, "item") {
			d.item(c, item)
		}
	}
}

// item handles one item. The archive that has given its id shows of which kind the conversation is.
func (d *displayed) item(c feature.Client, item *framing.Element) {
	peer, err := jid.Parse(item.Attr("id"))
	named := item.Child(NS, "displayed").Only(nsSID, "stanza-id")
	id, by := named.Attr("id"), jid.JID(named.Attr("by"))
	if err != nil || id == "" || len(id) > longest {
		return
	}
	conv := state.Direct.With(peer)
	switch {
	case by == peer && by != c.State().Account():
		conv = state.Groupchat.With(peer)
	case by != c.State().Account():
		return
	case !peer.IsBare():
		conv = state.Private.With(peer)
	}
	if _, known := d.items[conv]; !known && len(d.items) >= most {
		return
	}
	d.items[conv] = strings.Clone(id)
	d.read(c, conv)
}

// read marks the messages up to that of an item as read.
func (d *displayed) read(c feature.Client, conv state.ConvID) {
	chat, id := c.State().Chat(conv), d.items[conv]
	if chat == nil || id == "" {
		return
	}
	m := chat.Timeline.Archived(id)
	if m != nil && chat.ReadTo.Before(m.Key) || m == nil && chat.Unread > 0 {
		c.Emit(state.ReadUpTo{Conv: conv, ArchiveID: id})
	}
}

func (d *displayed) observe(c feature.Client, ev state.Event) {
	switch ev := ev.(type) {
	case state.ChatRead:
		d.unsaid[ev.Conv] = true
		d.publish(c, ev.Conv)
	case state.MessageAdded:
		if id := ev.Message.ArchiveID; id != "" && d.items[ev.Conv] == id {
			d.read(c, ev.Conv)
		}
	case state.ArchivePage:
		d.read(c, ev.Conv)
	case state.RoomInside, state.CaughtUp:
		d.publishAll(c)
	}
}

func (d *displayed) publishAll(c feature.Client) {
	for conv := range d.unsaid {
		d.publish(c, conv)
	}
}

// publish publishes the item of a conversation, when its messages are known.
func (d *displayed) publish(c feature.Client, conv state.ConvID) {
	switch {
	case d.items == nil:
		d.load(c) // the unsaid conversations are published then
		return
	case d.pauses[conv] != nil || !c.State().CaughtUp:
		return
	case conv.Kind() == state.Groupchat && c.State().Room(conv.JID()) != nil && c.State().Room(conv.JID()).Step != state.Inside:
		return
	}
	delete(d.unsaid, conv)
	chat := c.State().Chat(conv)
	m := lastRead(chat)
	if !d.private || m == nil || m.ArchiveID == d.items[conv] {
		return
	}
	if further := chat.Timeline.Archived(d.items[conv]); further != nil && m.Key.Before(further.Key) {
		return
	}
	d.items[conv] = m.ArchiveID
	by := c.State().Account()
	if conv.Kind() == state.Groupchat {
		by = conv.JID()
	}
	payload := framing.New(NS, "displayed").Add(framing.New(nsSID, "stanza-id").Set("by", string(by)).Set("id", m.ArchiveID))
	feature.Publish(c, NS, string(conv.JID()), payload, func(err error) {
		switch refused := (*framing.StanzaError)(nil); {
		case errors.As(err, &refused):
			d.private = false // until the next stream: it is the same for all conversations
		case err != nil:
			d.unsaid[conv] = true
		}
	})
	d.pauses[conv] = c.After(pause, func() {
		delete(d.pauses, conv)
		if d.unsaid[conv] {
			d.publish(c, conv)
		}
	})
}

// lastRead returns the newest message of others that was read and has an archive id, nil if it is not among the newest.
func lastRead(chat *state.Chat) *state.Message {
	if chat == nil {
		return nil
	}
	for _, m := range slices.Backward(chat.Timeline.Newest(newest)) {
		if !m.Mine && m.ArchiveID != "" && !chat.ReadTo.Before(m.Key) {
			return m
		}
	}
	return nil
}
