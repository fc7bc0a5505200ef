// Package displayed keeps how far the person has read the same on all their devices (XEP-0490).
//
// Each conversation has an item in a node of the account, which nobody else may read: it names the
// newest message that was read, by the id that the archive of the conversation gave it. A server that
// cannot keep such a node from others has none.
//
// Reading never goes backwards: an item of an older message changes nothing here, and where we know
// that another device is further nothing is published.
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
	// pause is how long the next item of a conversation waits: somebody may be reading as others write.
	pause = 5 * time.Second
	// most is of how many conversations items are remembered, and longest how long an id may be.
	most, longest = 10_000, 256
	// newest is among how many messages of a conversation that is looked for that was read last.
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
	unsaid  map[state.ConvID]bool   // those that were read here, and no item says so yet
	pauses  map[state.ConvID]func() // those whose item was published just now; each stops its timer
}

// load asks what is published, and whether anything may be.
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

// event takes what another device has read. Only our own account says that: from anybody else it
// would hide what has not been read (CVE-2023-28686).
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

// item takes one item. Whose id it has says which kind of conversation it is about.
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

// read counts as read what comes up to the message of an item.
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
	case state.RoomSettled, state.CaughtUp:
		d.publishAll(c)
	}
}

func (d *displayed) publishAll(c feature.Client) {
	for conv := range d.unsaid {
		d.publish(c, conv)
	}
}

// publish says how far a conversation was read, when it is known what there is to read.
func (d *displayed) publish(c feature.Client, conv state.ConvID) {
	switch {
	case d.items == nil:
		d.load(c) // and what is unsaid is said then
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

// lastRead is the newest message of others that was read and that an archive has, nil if there is none
// among the last ones.
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
