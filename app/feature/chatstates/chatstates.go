// Package chatstates shows that a contact or an occupant of a room is typing, and tells others that we are typing
// (XEP-0085).
package chatstates

import (
	"strings"
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
	s := &states{stops: map[writer]func(){}}
	return &feature.Feature{
		Name:  "chat states (XEP-0085)",
		Disco: []string{NS},
		Messages: map[framing.Name]feature.Handler{
			{Space: NS, Local: "composing"}: s.composing,
			{Space: NS, Local: "paused"}:    s.stopped,
			{Space: NS, Local: "active"}:    s.stopped,
			{Space: NS, Local: "inactive"}:  s.stopped,
			{Space: NS, Local: "gone"}:      s.gone,
		},
		Observe: s.observe,
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
	stops map[writer]func() // cancels the typingTimeout of somebody who types
}

// writer is somebody who types: in a room with their nick.
type writer struct {
	conv state.ConvID
	nick string
}

// writerOf returns who types. It returns false if that does not count: in a room it must be an occupant other than we.
func writerOf(c feature.Client, st *feature.Stanza) (w writer, ok bool) {
	w = writer{conv: state.ConvID(strings.Clone(string(st.Conv)))}
	if st.Source != feature.Live || st.Earlier || st.By.Mine {
		return w, false
	}
	if st.Conv.Kind() == state.Groupchat {
		r := c.State().Room(st.Conv.JID())
		if st.Type != "groupchat" || !r.In() {
			return w, false
		}
		o, there := r.Occupants.Get(st.By.Nick)
		if !there || r.Me(o.Nick) {
			return w, false
		}
		w.nick = o.Nick
	}
	return w, true
}

func (s *states) composing(c feature.Client, st *feature.Stanza) {
	w, ok := writerOf(c, st)
	if !ok {
		return
	}
	s.clearTimeout(w)
	c.Emit(state.TypingChanged{Conv: w.conv, Nick: w.nick, Typing: true})
	if chat := c.State().Chat(w.conv); w.nick != "" && (chat == nil || !chat.Writes(w.nick)) {
		return // too many are typing
	}
	s.stops[w] = c.After(typingTimeout, func() {
		delete(s.stops, w)
		c.Emit(state.TypingChanged{Conv: w.conv, Nick: w.nick})
	})
}

func (s *states) stopped(c feature.Client, st *feature.Stanza) {
	if w, ok := writerOf(c, st); ok {
		s.stop(c, w)
	}
}

// gone handles <gone/>, which counts between two people only (XEP-0085 §5.5).
func (s *states) gone(c feature.Client, st *feature.Stanza) {
	if st.Conv.Kind() != state.Groupchat {
		s.stopped(c, st)
	}
}

func (s *states) stop(c feature.Client, w writer) {
	s.clearTimeout(w)
	c.Emit(state.TypingChanged{Conv: w.conv, Nick: w.nick})
}

// observe forgets who writes in a room when they leave it, or we do.
func (s *states) observe(c feature.Client, ev state.Event) {
	switch ev := ev.(type) {
	case state.OccupantLeft:
		w := writer{state.Groupchat.With(ev.Room), ev.Nick}
		if chat := c.State().Chat(w.conv); chat != nil && chat.Writes(ev.Nick) {
			s.stop(c, w)
		}
	case state.RoomClosed:
		s.closed(c, ev.Room)
	case state.RoomLeft:
		s.closed(c, ev.Room)
	}
}

func (s *states) closed(c feature.Client, room jid.JID) {
	conv := state.Groupchat.With(room)
	if chat := c.State().Chat(conv); chat == nil || !chat.Typing {
		return
	}
	for w := range s.stops {
		if w.conv == conv {
			s.clearTimeout(w)
		}
	}
	c.Emit(state.WritersGone{Room: room})
}

func (s *states) clearTimeout(w writer) {
	if stop := s.stops[w]; stop != nil {
		stop()
		delete(s.stops, w)
	}
}

// sendState sends our chat state to contacts who may see our presence and are online, to all in a small
// room, and to an occupant with whom we speak alone. While we are offline nothing is sent, because a
// chat state is worthless later.
func sendState(c feature.Client, in state.Typing) {
	if c.State().Connection.Phase != state.Online || !hears(c.State(), in.Conv) {
		return
	}
	name := "paused"
	if in.Typing {
		name = "composing"
	}
	st := feature.About(c, in.Conv, framing.New(NS, name), framing.New("urn:xmpp:hints", "no-store"))
	if chat := c.State().Chat(in.Conv); chat != nil && in.Conv.Kind() == state.Direct {
		st.Set("to", in.Conv.JID().WithResource(chat.Resource).String())
	}
	c.Send(st)
}

// smallRoom is how many occupants a room may have in which all are told that we type, because each chat state goes to
// all of them (XEP-0085 §5.5).
const smallRoom = 20

// hears reports whether we tell the others in a conversation that we type.
func hears(s *state.State, conv state.ConvID) bool {
	switch conv.Kind() {
	case state.Groupchat:
		r := s.Room(conv.JID())
		if !r.In() || r.Occupants.Len() > smallRoom {
			return false
		}
		us, there := r.Occupants.Get(r.Nick)
		return there && us.Role >= state.Participant
	case state.Private:
		o, other := s.Partner(conv)
		return o != nil && !other
	}
	contact := s.Contact(conv.JID())
	return contact.SeesUs() && contact.Presence().Show != state.Unavailable
}
