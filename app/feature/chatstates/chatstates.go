// Package chatstates shows that a contact is typing, and tells contacts that we are
// (XEP-0085).
package chatstates

import (
	"time"

	"natter/app/feature"
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
	s := &states{stops: map[state.ConvID]func(){}}
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
			if st.Is(framing.NSClient, "message") && st.Attr("type") != "groupchat" && st.Child(framing.NSClient, "body") != nil {
				st.Add(framing.New(NS, "active"))
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
	stops map[state.ConvID]func() // cancels the typingTimeout of a contact
}

func (s *states) composing(c feature.Client, st *feature.Stanza) {
	if st.Source != feature.Live || st.By.Mine || st.Conv.Kind() != state.Direct {
		return
	}
	s.clearTimeout(st.Conv)
	c.Emit(state.TypingChanged{Conv: st.Conv, Typing: true})
	s.stops[st.Conv] = c.After(typingTimeout, func() {
		delete(s.stops, st.Conv)
		c.Emit(state.TypingChanged{Conv: st.Conv})
	})
}

func (s *states) stopped(c feature.Client, st *feature.Stanza) {
	if st.Source != feature.Live || st.By.Mine {
		return
	}
	s.clearTimeout(st.Conv)
	c.Emit(state.TypingChanged{Conv: st.Conv})
}

func (s *states) clearTimeout(conv state.ConvID) {
	if stop := s.stops[conv]; stop != nil {
		stop()
		delete(s.stops, conv)
	}
}

// sendState sends our chat state to contacts who may see our presence and are online. While we
// are offline nothing is sent, because a chat state is worthless later.
func sendState(c feature.Client, in state.Typing) {
	contact := c.State().Contact(in.Conv.JID())
	if !contact.SeesUs() || contact.Presence().Show == state.Unavailable || c.State().Connection.Phase != state.Online {
		return
	}
	name := "paused"
	if in.Typing {
		name = "composing"
	}
	to := in.Conv.JID()
	if chat := c.State().Chat(in.Conv); chat != nil {
		to = to.WithResource(chat.Resource)
	}
	c.Send(framing.New(framing.NSClient, "message").
		Set("type", "chat").Set("to", to.String()).Set("id", c.NewID()).
		Add(framing.New(NS, name), framing.New("urn:xmpp:hints", "no-store")))
}
