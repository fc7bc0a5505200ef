// Package markers sends and receives read marks (XEP-0333).
package markers

import (
	"slices"
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// NS is the namespace of XEP-0333.
const NS = "urn:xmpp:chat-markers:0"

const nsHints = "urn:xmpp:hints"

// New returns the feature.
func New() *feature.Feature {
	r := &reader{}
	return &feature.Feature{
		Name:  "chat markers (XEP-0333)",
		Disco: []string{NS},
		Messages: map[framing.Name]feature.Handler{
			{Space: NS, Local: "displayed"}: displayed,
			{Space: NS, Local: "markable"}:  markable,
		},
		Decorate: func(_ feature.Client, st *framing.Element) {
			if st.Is(framing.NSClient, "message") && st.Attr("type") != "groupchat" && st.Child(framing.NSClient, "body") != nil {
				st.Add(framing.New(NS, "markable"))
			}
		},
		Observe: r.observe,
		Lost:    r.resend,
		Do: func(c feature.Client, in state.Intent) bool {
			set, ok := in.(state.SetDiscreet)
			if ok {
				c.Emit(state.DiscretionChanged(set))
			}
			return ok
		},
	}
}

// displayed notes a read mark: a contact has read our messages, or another client of this account has read those of a
// contact. It counts only for the conversation with that contact, and also if it comes from the archive.
func displayed(c feature.Client, st *feature.Stanza) {
	id := st.Only(NS, "displayed").Attr("id")
	if st.Conv.Kind() == state.Groupchat {
		inRoom(c, st, id)
		return
	}
	if id == "" || st.Conv.Kind() != state.Direct || st.Type == "error" {
		return
	}
	author := c.State().Account()
	if st.By.Mine {
		author = st.Conv.JID()
	}
	st.Then(func() { c.Emit(st.Says(state.ReadMark, author, id, "")) })
}

// inRoom notes the read mark of an occupant of a small room. It names a message by its archive id (XEP-0333 §4.3). Only a
// live one counts, because the nick belongs to somebody now.
func inRoom(c feature.Client, st *feature.Stanza, id string) {
	room := c.State().Room(st.Conv.JID())
	if id == "" || st.Type != "groupchat" || st.Source != feature.Live || st.Earlier || st.By.Mine || st.By.Nick == "" || room == nil || !room.TellsReaders() {
		return
	}
	c.Emit(state.RoomReadTo{Room: room.JID, Nick: strings.Clone(st.By.Nick), By: jid.JID(strings.Clone(string(st.By.JID))), ID: id})
}

// markable notes that the author of a message has requested a read mark.
func markable(c feature.Client, st *feature.Stanza) {
	st.Then(func() {
		chat := c.State().Chat(st.Conv)
		if chat == nil || st.By.Mine || chat.Timeline.ByID(st.By.JID, st.ID) == nil {
			return // the stanza has no text, so it is no message
		}
		c.Emit(st.Says(state.Markable, st.By.JID, st.ID, ""))
	})
}

// reader sends read marks; told has the id of the last one in each conversation.
type reader struct{ told map[state.ConvID]string }

// observe sends a marker for the newest message whose author requested one, once, and only to
// contacts who may see our presence: a marker tells that we are online.
func (r *reader) observe(c feature.Client, ev state.Event) {
	switch ev := ev.(type) {
	case state.ChatRead:
		if ev.Conv.Kind() == state.Groupchat {
			r.tellRoom(c, ev.Conv)
			return
		}
		peer := ev.Conv.JID()
		m := lastMarkable(c.State().Chat(ev.Conv))
		if m == nil || m.ID == "" || r.told[ev.Conv] == m.ID || c.State().Discreet || !c.State().Contact(peer).SeesUs() {
			return
		}
		// The bare address reaches all clients of the contact, and the archive keeps it for
		// those that are offline.
		err := c.Send(framing.New(framing.NSClient, "message").
			Set("type", "chat").Set("to", peer.String()).Set("id", c.NewID()).
			Add(framing.New(NS, "displayed").Set("id", m.ID), framing.New(nsHints, "store")))
		if err != nil {
			return // it is sent when the conversation is opened the next time
		}
		if r.told == nil {
			r.told = map[state.ConvID]string{}
		}
		r.told[ev.Conv] = m.ID
	}
}

// tellRoom sends a read mark to a small room, once for each message, with the archive id of the message (XEP-0333 §4.3).
// An occupant without voice sends none.
func (r *reader) tellRoom(c feature.Client, conv state.ConvID) {
	room, chat := c.State().Room(conv.JID()), c.State().Chat(conv)
	if room == nil || chat == nil || c.State().Discreet || !room.TellsReaders() {
		return
	}
	if me := room.Myself(); me == nil || me.Role < state.Participant {
		return
	}
	for _, m := range slices.Backward(chat.Timeline.Newest(50)) {
		if m.Mine {
			return // the person has written after all messages of others
		}
		if m.ArchiveID == "" {
			continue
		}
		if r.told[conv] == m.ArchiveID || c.Send(feature.About(c, conv, framing.New(NS, "displayed").Set("id", m.ArchiveID))) != nil {
			return
		}
		if r.told == nil {
			r.told = map[state.ConvID]string{}
		}
		r.told[conv] = m.ArchiveID
		return
	}
}

// resend retries a marker that may have been lost with the stream, unless a newer one has been
// sent since, markers have been turned off, or the contact may no longer see our presence.
func (r *reader) resend(c feature.Client, st *framing.Element, err error) {
	peer, id := jid.JID(st.Attr("to")).Bare(), st.Child(NS, "displayed").Attr("id")
	if err != nil || !st.Is(framing.NSClient, "message") || id == "" || c.State().Discreet || !c.State().Contact(peer).SeesUs() {
		return
	}
	if told := r.told[state.Direct.With(peer)]; told == "" || told == id {
		_ = c.Send(st)
	}
}

// lastMarkable returns the last message whose author requested a marker, nil if there is none
// among the last ones.
func lastMarkable(chat *state.Chat) *state.Message {
	if chat == nil {
		return nil
	}
	page := chat.Timeline.Newest(50)
	for i := len(page) - 1; i >= 0; i-- {
		if !page[i].Mine && page[i].Asks {
			return page[i]
		}
	}
	return nil
}
