// Package markers tells what has been read, here and by others (XEP-0333).
package markers

import (
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
		},
		Decorate: func(_ feature.Client, st *framing.Element) {
			if st.Is(framing.NSClient, "message") && st.Child(framing.NSClient, "body") != nil {
				st.Add(framing.New(NS, "markable"))
			}
		},
		Observe: r.observe,
		Lost:    r.again,
		Do: func(c feature.Client, in state.Intent) bool {
			set, ok := in.(state.SetDiscreet)
			if ok {
				c.Emit(state.DiscretionChanged(set))
			}
			return ok
		},
	}
}

// displayed takes what a peer has read of ours, or another client of our account of
// theirs. One from the archive counts too. It speaks of nobody else's conversation.
func displayed(c feature.Client, st *feature.Stanza) {
	id, peer, mine := st.Only(NS, "displayed").Attr("id"), st.Peer(c), st.Mine(c)
	if id == "" || peer == "" || st.Type == "groupchat" || st.Type == "error" {
		return
	}
	st.Then(func() { c.Emit(state.Displayed{Peer: peer.Bare(), ID: id, Mine: mine}) })
}

// reader tells others how far the person has read.
type reader struct{ told map[jid.JID]string }

// observe tells of the newest message whose author asked, once, and only people who may
// see our presence: to anybody else it would tell that we are there.
func (r *reader) observe(c feature.Client, ev state.Event) {
	switch ev := ev.(type) {
	case state.Cleared:
		r.told = nil
	case state.ChatRead:
		peer := ev.Peer.Bare()
		m := newest(c.State().Chat(peer))
		if m == nil || m.ID == "" || r.told[peer] == m.ID || c.State().Discreet || !c.State().Contact(peer).SeesUs() {
			return
		}
		// It goes to all their clients, and the archive has it for those that are not there.
		err := c.Send(framing.New(framing.NSClient, "message").
			Set("type", "chat").Set("to", peer.String()).Set("id", c.NewID()).
			Add(framing.New(NS, "displayed").Set("id", m.ID), framing.New(nsHints, "store")))
		if err != nil {
			return // it is told when the conversation is looked at the next time
		}
		if r.told == nil {
			r.told = map[jid.JID]string{}
		}
		r.told[peer] = m.ID
	}
}

// again tells once more what may have been lost with the stream, unless something newer has
// been told since, or it is not to be told any more.
func (r *reader) again(c feature.Client, st *framing.Element, err error) {
	peer, id := jid.JID(st.Attr("to")).Bare(), st.Child(NS, "displayed").Attr("id")
	if err != nil || !st.Is(framing.NSClient, "message") || id == "" || c.State().Discreet || !c.State().Contact(peer).SeesUs() {
		return
	}
	if told := r.told[peer]; told == "" || told == id {
		_ = c.Send(st)
	}
}

// newest returns the last message whose author asked, nil if there is none among the last
// ones.
func newest(chat *state.Chat) *state.Message {
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
