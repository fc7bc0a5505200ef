// Package moderation changes who may do what in rooms (XEP-0045 §8 and §9): roles, which occupants have for
// as long as they are there, and affiliations, which people have for good. Package rooms reads who is what.
//
// A room does it and says so to all, or answers with an error, and then nothing has changed.
package moderation

import (
	"natter/app/feature"
	"natter/app/state"
	"natter/framing"
)

const ns = "http://jabber.org/protocol/muc#admin"

// New returns the feature.
func New() *feature.Feature {
	return &feature.Feature{Name: "moderation of rooms (XEP-0045)", Do: do}
}

var roles = map[state.Role]string{
	state.NoRole: "none", state.Visitor: "visitor", state.Participant: "participant", state.Moderator: "moderator",
}

var affiliations = map[state.Affiliation]string{
	state.NoAffiliation: "none", state.Outcast: "outcast", state.Member: "member", state.Admin: "admin", state.Owner: "owner",
}

func do(c feature.Client, in state.Intent) bool {
	switch in := in.(type) {
	case state.ChangeRole:
		what := "The role was not changed."
		if in.Role == state.NoRole {
			what = "Nobody was kicked."
		}
		change(c, c.State().Room(in.Room), state.NewRole, what, in.Reason,
			framing.New(ns, "item").Set("nick", in.Nick).Set("role", roles[in.Role]))
	case state.ChangeAffiliation:
		what := "The rights were not changed."
		if in.Affiliation == state.Outcast {
			what = "Nobody was banned."
		}
		change(c, c.State().Room(in.Room), state.NewAffiliation, what, in.Reason,
			framing.New(ns, "item").Set("jid", string(in.Who.Bare())).Set("affiliation", affiliations[in.Affiliation]))
	default:
		return false
	}
	return true
}

// change has a room do something to somebody, and says what has become of it.
func change(c feature.Client, room *state.Room, to state.Wish, what, reason string, item *framing.Element) {
	if !room.In() {
		return
	}
	if reason != "" {
		item.Add(framing.New(ns, "reason").AddText(reason))
	}
	iq := framing.New(framing.NSClient, "iq").Set("type", "set").Set("to", string(room.JID)).Add(framing.New(ns, "query").Add(item))
	c.Request(iq, func(_ *framing.Element, err error) {
		feature.AnswerRoom(c, room.JID, to, err, what, map[string]string{
			"not-allowed":    "They have rights here that you may not change.",
			"conflict":       "You cannot do that to yourself.",
			"item-not-found": "They are not in the room any more.",
			"not-acceptable": "They are not in the room any more.",
		})
	})
}
