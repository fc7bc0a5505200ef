package trial

import (
	"slices"

	"natter/framing"
)

// voice handles the form with which a visitor asks for voice, and the one with which a
// moderator answers (XEP-0045 §7.13, §8.6), and the one with which an admin lets somebody become a
// member (§9.9). It returns the condition to refuse it with.
func (s *Server) voice(r *room, o *occupant, x *framing.Element) string {
	fields := readForm(x)
	switch {
	case o == nil:
		return "not-acceptable"
	case slices.Equal(fields["FORM_TYPE"], []string{nsMUC + "#register"}):
		return s.decide(r, o, fields["muc#register_roomnick"], fields["muc#register_allow"])
	case !slices.Equal(fields["FORM_TYPE"], []string{nsVoice}):
		return "bad-request"
	}
	if answer := fields["muc#request_allow"]; answer != nil {
		return s.giveVoice(r, o, fields["muc#roomnick"], answer)
	}
	if o.role != visitor {
		return "not-allowed" // they have it
	}
	asked := form("form", nsVoice,
		field("muc#role", "list-single", participant.String()),
		field("muc#jid", "jid-single", o.client().String()),
		field("muc#roomnick", "text-single", o.nick),
		flag("muc#request_allow", false))
	m := framing.New(framing.NSClient, "message").Set("id", s.o.NewID()).Add(asked)
	for client, other := range r.clients {
		if other.role == moderator {
			s.fanout++
			s.post(addressed(m, r.jid, client))
		}
	}
	return ""
}

func (s *Server) giveVoice(r *room, by *occupant, nick, answer []string) string {
	if len(nick) != 1 || len(answer) != 1 {
		return "bad-request"
	}
	target := r.occupants[nick[0]]
	allowed, ok := boolean(answer[0])
	switch {
	case by.role < moderator:
		return "forbidden"
	case !ok:
		return "bad-request"
	case target == nil:
		return "item-not-found"
	case allowed && target.role == visitor:
		s.setRole(r, target, participant, change{actor: by.nick})
	}
	return ""
}
