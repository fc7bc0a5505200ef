package rooms

import (
	"slices"

	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// explain returns the problem for an error that keeps us out of a room (XEP-0045 §7.2), and the new address if the room
// has moved. room is nil if the error is about the address only.
func explain(err *framing.StanzaError, to string, room *state.Room) (p *state.Problem, moved jid.JID) {
	p = &state.Problem{Kind: err.Condition, Detail: err.Error()}
	switch err.Condition {
	case "not-authorized":
		p.Kind, p.Field = "password", "password"
		p.Text, p.Advice = "This room asks for a password.", "Ask somebody who is in it."
		if room != nil && room.Password != "" {
			p.Text, p.Advice = "This is not the room's password.", "Check it, and type it again."
		}
	case "conflict":
		p.Kind, p.Field = "nick-taken", "nick"
		p.Text, p.Advice = "Somebody in this room has this nickname.", "Join under another one."
	case "not-acceptable":
		p.Kind, p.Field = "nick-locked", "nick"
		p.Text, p.Advice = "This room does not let you have this nickname.", "Join under another one."
	case "registration-required":
		p.Kind = state.MembersOnly
		p.Text, p.Advice = "Only members may enter this room.", "Ask one of its admins to make you a member."
	case "forbidden":
		p.Kind = "banned"
		p.Text, p.Advice = "You are banned from this room.", "Only its admins can change that."
	case "service-unavailable":
		p.Kind = "full"
		p.Text, p.Advice = "This room is full, or closed for now.", "Try again later."
	case "resource-constraint":
		p.Kind = "full"
		p.Text, p.Advice = "This room is full.", "Try again later."
	case "item-not-found":
		p.Kind = "locked"
		p.Text, p.Advice = "This room is locked: whoever made it has not opened it yet.", "Try again later."
	case "not-allowed":
		p.Kind = "not-allowed"
		p.Text, p.Advice = "You may not make a room there.", "Check the address, or ask who runs the server."
	case "gone":
		p.Kind = "gone"
		p.Text, p.Advice = "This room no longer exists.", ""
		if link, ok := jid.ParseLink(to); ok {
			moved = link.Peer.Bare()
		}
	case "remote-server-not-found":
		p.Text, p.Advice = "There is no such server.", "Check the address."
	case "remote-server-timeout":
		p.Text, p.Advice = "The room's server does not answer.", "Try again later."
	case "jid-malformed":
		p.Text, p.Advice = "This is no address of a room.", "Check the address."
	default:
		p.Text, p.Advice = "The room does not let you in.", "Try again later."
	}
	if moved != "" {
		p.Text, p.Advice = "This room has moved.", "Join it at its new address."
	}
	return p, moved
}

const again = "It is joined again in a moment."

// parted returns the problem that says why we are no longer in a room (XEP-0045 §15.6), and the new address if the room
// has moved.
func parted(x *framing.Element, codes []string) (p *state.Problem, moved jid.JID) {
	has := func(code string) bool { return slices.Contains(codes, code) }
	destroyed := x.Only(NSUser, "destroy")
	p = &state.Problem{Detail: short(x.Only(NSUser, "item").Child(NSUser, "reason").Text(), longestSubject)}
	switch {
	case destroyed != nil:
		p.Kind, p.Text = "gone", "This room no longer exists."
		p.Detail = short(destroyed.Child(NSUser, "reason").Text(), longestSubject)
		if to, err := jid.Parse(destroyed.Attr("jid")); err == nil {
			moved = to.Bare()
			p.Text, p.Advice = "This room has moved.", "Join it at its new address."
		}
	case has("301"):
		p.Kind, p.Text, p.Advice = "banned", "You were banned from this room.", "Only its admins can change that."
	case has("333"):
		p.Kind, p.Text, p.Advice = "lost", "The connection with this room was lost.", again
	case has("307"):
		p.Kind, p.Text, p.Advice = "kicked", "You were removed from this room.", "You can join it again."
	case has("321"), has("322"):
		p.Kind, p.Text, p.Advice = state.MembersOnly, "Only members may be in this room now.", "Ask one of its admins to make you a member."
	case has("332"):
		p.Kind, p.Text, p.Advice = "shut-down", "The room's server is being shut down.", again
	default:
		p.Kind, p.Text, p.Advice = "lost", "You are no longer in this room.", again
	}
	return p, moved
}
