// Package nicks changes the nick of the person in rooms (XEP-0045 §7.6), and registers one in rooms that keep
// nicks, which is also how one asks to become a member (§7.10). Package rooms reads the nicks.
//
// A room sends the new nick to all, or an error to us. Until then the old nick is shown.
package nicks

import (
	"time"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

const (
	// patience is how long a room may take to answer.
	patience = 30 * time.Second
	// longest is how many bytes a nick has (RFC 7622 §3.4).
	longest = 1023
)

// New returns the feature.
func New() *feature.Feature {
	n := nicks{}
	return &feature.Feature{
		Name:      "nicks in rooms (XEP-0045)",
		Presences: map[framing.Name]feature.Handler{{Space: framing.NSClient, Local: "error"}: n.refused},
		Observe: func(c feature.Client, ev state.Event) {
			if ev, ok := ev.(state.NickChanged); ok {
				n.end(c, ev.Room, nil)
			}
		},
		Do: n.do,
	}
}

// nicks has the changes without an answer, by room.
type nicks map[jid.JID]*change

type change struct {
	id, nick string
	stop     func() // stops the timer
}

func (n nicks) do(c feature.Client, in state.Intent) bool {
	switch want := in.(type) {
	case state.RegisterNick:
		register(c, c.State().Room(want.Room), want.Nick)
		return true
	case state.AskMembership:
		askMembership(c, c.State().Room(want.Room))
		return true
	}
	want, ok := in.(state.ChangeNick)
	if !ok {
		return false
	}
	room := c.State().Room(want.Room)
	if !room.In() || room.Nick == want.Nick {
		return true
	}
	if old := n[room.JID]; old != nil {
		old.stop()
	}
	now := &change{id: c.NewID(), nick: want.Nick}
	n[room.JID] = now
	to, err := jid.Parse(string(room.JID) + "/" + want.Nick)
	if err != nil || len(want.Nick) > longest {
		now.stop = func() {}
		n.end(c, room.JID, &framing.StanzaError{Condition: "jid-malformed"})
		return true
	}
	now.nick = to.Resource()
	now.stop = c.After(patience, func() { n.end(c, room.JID, feature.ErrSilent) })
	st := framing.New(framing.NSClient, "presence").Set("to", string(to)).Set("id", now.id)
	c.Decorate(st)
	_ = c.Send(st)
	return true
}

// refused handles the error for a change, which some rooms send from the new nick.
func (n nicks) refused(c feature.Client, st *feature.Stanza) {
	room := c.State().Room(st.From)
	if now := n[st.From.Bare()]; room.In() && now != nil && (st.ID == now.id || st.ID == "" && st.From.Resource() == now.nick) {
		n.end(c, room.JID, framing.ReadStanzaError(st.Element))
	}
}

// end emits the answer of a room to the change of our nick, if there is one.
func (n nicks) end(c feature.Client, room jid.JID, err error) {
	now := n[room]
	if now == nil {
		return
	}
	now.stop()
	delete(n, room)
	feature.AnswerRoom(c, room, state.NewNick, err, "Your nickname was not changed.", map[string]string{
		"conflict":       "Somebody in this room has this nickname. Choose another one.",
		"not-acceptable": "This room does not let you have it.",
		"not-allowed":    "This room does not let anybody change nicknames.",
		"forbidden":      "You may not change it in this room.",
		"jid-malformed":  "Nobody can be called that in a room. Choose another one.",
	})
}
