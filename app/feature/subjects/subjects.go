// Package subjects changes the subjects of rooms (XEP-0045 §8.1). Package rooms reads them.
//
// A room answers with the new subject, which it sends to all, or with an error. Until then the old one is shown.
package subjects

import (
	"time"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// patience is how long a room may take to answer.
const patience = 30 * time.Second

// New returns the feature.
func New() *feature.Feature {
	s := subjects{}
	return &feature.Feature{
		Name:     "changing the subject (XEP-0045)",
		Messages: map[framing.Name]feature.Handler{{Space: framing.NSClient, Local: "error"}: s.refused},
		Observe: func(c feature.Client, ev state.Event) {
			if ev, ok := ev.(state.SubjectChanged); ok {
				s.end(c, ev.Room, nil)
			}
		},
		Do: s.do,
	}
}

// subjects has the changes without an answer, by room.
type subjects map[jid.JID]*change

type change struct {
	id   string
	stop func() // stops the timer
}

func (s subjects) do(c feature.Client, in state.Intent) bool {
	want, ok := in.(state.ChangeSubject)
	if !ok {
		return false
	}
	room := c.State().Room(want.Room)
	if room == nil || room.Subject == want.Subject {
		return true
	}
	if old := s[room.JID]; old != nil {
		old.stop()
	}
	now := &change{id: want.ID}
	s[room.JID] = now
	now.stop = c.After(patience, func() { s.end(c, room.JID, feature.ErrSilent) })
	_ = c.Send(framing.New(framing.NSClient, "message").Set("type", "groupchat").Set("to", string(room.JID)).Set("id", now.id).
		Add(framing.New(framing.NSClient, "subject").AddText(want.Subject))) // without a connection it waits for the next one
	return true
}

// refused handles the error for a change, from the room or from our own address in it.
func (s subjects) refused(c feature.Client, st *feature.Stanza) {
	room := c.State().Room(st.From)
	if room == nil || !st.From.IsBare() && !room.Me(st.From.Resource()) || st.Source != feature.Live {
		return
	}
	if now := s[room.JID]; now != nil && now.id == st.ID {
		s.end(c, room.JID, framing.ReadStanzaError(st.Element))
	}
}

// end emits the answer of a room to the change of its subject, if there is one.
func (s subjects) end(c feature.Client, room jid.JID, err error) {
	now := s[room]
	if now == nil {
		return
	}
	now.stop()
	delete(s, room)
	feature.AnswerRoom(c, room, state.NewSubject, err, "The subject was not changed.", map[string]string{
		"forbidden":      "Only moderators may change it in this room.",
		"not-acceptable": "It is too long.",
	})
}
