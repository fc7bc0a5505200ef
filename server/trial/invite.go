package trial

import (
	"natter/app/jid"
	"natter/framing"
)

// mediate handles a message to a room that is for somebody else: a request for voice,
// an invitation, or the answer to one (XEP-0045 §7.8.2). It returns the condition to refuse it with.
func (s *Server) mediate(r *room, o *occupant, m *framing.Element) string {
	if x := m.Only(nsForm, "x"); x != nil {
		return s.voice(r, o, x)
	}
	x := m.Child(nsUser, "x")
	from := jid.JID(m.Attr("from"))
	if decline := x.Only(nsUser, "decline"); decline != nil {
		return s.decline(r, from, decline)
	}
	invite := x.Only(nsUser, "invite")
	to, err := jid.Parse(invite.Attr("to"))
	a := r.affiliation(from)
	switch {
	case o == nil:
		return "not-acceptable"
	case invite == nil:
		return "bad-request"
	case err != nil:
		return "jid-malformed"
	case o.role < participant, r.membersOnly && a < admin && (!r.openInvites || a < member), r.affiliation(to) == outcast && a < admin:
		return "forbidden"
	case len(m.String()) > s.lim.Note:
		return "not-acceptable"
	case len(r.invited) >= s.lim.Affiliations, r.membersOnly && len(r.affiliations) >= s.lim.Affiliations:
		return "resource-constraint"
	}
	if r.membersOnly && r.affiliation(to) < member {
		s.setAffiliation(r, to.Bare(), member, change{actor: o.nick})
	}
	told := framing.New(nsUser, "x").Add(carried(invite).Set("from", from.Bare().String()))
	if r.protected {
		told.Add(framing.New(nsUser, "password").AddText(r.password))
	}
	r.invited[to.Bare()] = from.Bare()
	return s.write(r, to, told)
}

// decline tells the one who has invited somebody that they do not come. Who was not
// invited has nothing to say.
func (s *Server) decline(r *room, from jid.JID, decline *framing.Element) string {
	by, ok := r.invited[from.Bare()]
	if !ok {
		return "not-acceptable"
	}
	delete(r.invited, from.Bare())
	return s.write(r, by, framing.New(nsUser, "x").Add(carried(decline).Set("from", from.Bare().String())))
}

// carried is an invitation or an answer with its reason and nothing else.
func carried(e *framing.Element) *framing.Element {
	return framing.New(nsUser, e.Name.Local).Add(e.Child(nsUser, "reason"), e.Child(nsUser, "continue"))
}

// write sends a person a message of the room.
func (s *Server) write(r *room, to jid.JID, payload *framing.Element) string {
	m := framing.New(framing.NSClient, "message").Set("id", s.o.NewID()).
		Set("from", r.jid.String()).Set("to", to.String()).Add(payload)
	a := s.find(to)
	if a == nil {
		return "item-not-found"
	}
	s.fanout++
	return s.deliver(nil, a, m, to)
}

// whisper brings a message to one occupant (XEP-0045 §7.5). It is in the archives of
// the two people, not in that of the room.
func (s *Server) whisper(r *room, o *occupant, m *framing.Element, to jid.JID) string {
	target := r.occupants[to.Resource()]
	most := map[string]role{"anyone": visitor, "participants": participant, "moderators": moderator}[r.whispers]
	switch {
	case target == nil:
		return "item-not-found"
	case most == absent || o.role < most:
		return "forbidden"
	}
	if x := s.session(jid.JID(m.Attr("from"))); x != nil {
		sent := m
		if keep(m) {
			sent = with(m, s.record(&x.account.archive, x.account.jid, m, to))
		}
		if copies(m) {
			s.carbons(x.account, "sent", sent, x)
		}
	}
	from := r.address(o)
	seen := with(s.reflected(r, o, m), framing.New(nsUser, "x"))
	if a := s.find(target.person); a != nil && keep(m) {
		seen = with(seen, s.record(&a.archive, a.jid, addressed(seen, from, target.clients[0].client), from))
	}
	for _, c := range target.clients {
		s.fanout++
		s.post(addressed(seen, from, c.client))
	}
	return ""
}
