// Package chatstates shows that a contact is typing, and tells contacts that we are
// (XEP-0085).
package chatstates

import (
	"time"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// NS is the namespace of XEP-0085.
const NS = "http://jabber.org/protocol/chatstates"

// typingTimeout is how long a contact counts as typing after its last message about it: its
// client may have disconnected.
const typingTimeout = 60 * time.Second

// New returns the feature.
func New() *feature.Feature {
	s := &states{stops: map[jid.JID]func(){}}
	return &feature.Feature{
		Name:  "chat states (XEP-0085)",
		Disco: []string{NS},
		Messages: map[framing.Name]feature.Handler{
			{Space: NS, Local: "composing"}: s.composing,
			{Space: NS, Local: "paused"}:    s.stopped,
			{Space: NS, Local: "active"}:    s.stopped,
			{Space: NS, Local: "inactive"}:  s.stopped,
			{Space: NS, Local: "gone"}:      s.stopped,
		},
		Decorate: func(_ feature.Client, st *framing.Element) {
			if st.Is(framing.NSClient, "message") && st.Child(framing.NSClient, "body") != nil {
				st.Add(framing.New(NS, "active"))
			}
		},
		Observe: func(_ feature.Client, ev state.Event) {
			if _, ok := ev.(state.Cleared); ok {
				for peer := range s.stops {
					s.clearTimeout(peer)
				}
			}
		},
		Do: func(c feature.Client, in state.Intent) bool {
			typing, ok := in.(state.Typing)
			if ok {
				sendState(c, typing)
			}
			return ok
		},
	}
}

type states struct {
	stops map[jid.JID]func() // cancels the typingTimeout of a contact
}

func (s *states) composing(c feature.Client, st *feature.Stanza) {
	if st.Source != feature.Live || st.Mine(c) || st.Type == "groupchat" {
		return
	}
	peer := st.From.Bare()
	s.clearTimeout(peer)
	c.Emit(state.TypingChanged{Peer: peer, Typing: true})
	s.stops[peer] = c.After(typingTimeout, func() {
		delete(s.stops, peer)
		c.Emit(state.TypingChanged{Peer: peer})
	})
}

func (s *states) stopped(c feature.Client, st *feature.Stanza) {
	if st.Source != feature.Live || st.Mine(c) {
		return
	}
	s.clearTimeout(st.From.Bare())
	c.Emit(state.TypingChanged{Peer: st.From.Bare()})
}

func (s *states) clearTimeout(peer jid.JID) {
	if stop := s.stops[peer]; stop != nil {
		stop()
		delete(s.stops, peer)
	}
}

// sendState sends our chat state to contacts who may see our presence and are online. While we
// are offline nothing is sent, because a chat state is worthless later.
func sendState(c feature.Client, in state.Typing) {
	contact := c.State().Contact(in.Peer)
	if !contact.SeesUs() || contact.Presence().Show == state.Unavailable || c.State().Connection.Phase != state.Online {
		return
	}
	name := "paused"
	if in.Typing {
		name = "composing"
	}
	to := in.Peer.Bare()
	if chat := c.State().Chat(in.Peer); chat != nil {
		to = to.WithResource(chat.Resource)
	}
	c.Send(framing.New(framing.NSClient, "message").
		Set("type", "chat").Set("to", to.String()).Set("id", c.NewID()).
		Add(framing.New(NS, name), framing.New("urn:xmpp:hints", "no-store")))
}
