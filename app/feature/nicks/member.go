package nicks

import (
	"natter/app/feature"
	"natter/app/state"
)

// memberWhy has the sentences for the stanza errors with which a room answers a request to become a member.
var memberWhy = map[string]string{
	"conflict":                "There is a request under this nickname already, yours or that of somebody else. Its admins decide.",
	"registration-required":   closed,
	"not-allowed":             closed,
	"forbidden":               closed,
	"not-authorized":          closed,
	"bad-request":             "It wants to know more than a nickname. Ask one of its admins to make you a member.",
	"service-unavailable":     unable,
	"feature-not-implemented": unable,
	"item-not-found":          unable,
}

const (
	closed = "It takes no requests. Ask one of its admins to make you a member."
	unable = "Its server does not know such requests. Ask one of its admins to make you a member."
)

// askMembership asks a room that only members may enter to become one, which is to register there (XEP-0045 §7.10).
// The answer takes the place of the problem for which the room did not let us in.
func askMembership(c feature.Client, room *state.Room) {
	if room == nil || room.In() || room.Problem == nil || room.Problem.Kind != state.MembersOnly {
		return
	}
	var last *state.Problem
	says := func(kind, text, advice string) {
		if now := c.State().Room(room.JID); now != nil && !now.In() && (last == nil || now.Problem == last) {
			last = &state.Problem{Kind: kind, Text: text, Advice: advice}
			c.Emit(state.RoomClosed{Room: room.JID, Problem: last})
		}
	}
	const only = "Only members may enter this room."
	says("asking", only, "Asking to become a member…")
	fill(c, room.JID, room.Nick, func(registered bool) bool {
		if registered {
			says("asked", "You have asked to become a member of this room before.", "If somebody has agreed, you can join.")
		}
		return !registered
	}, func(err error) {
		if err == nil {
			says("asked", "You have asked to become a member of this room.", "You can join when somebody has agreed.")
			return
		}
		says("not-asked", only, feature.WhyNot(err, memberWhy))
	})
}
