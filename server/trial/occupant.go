package trial

import (
	"slices"

	"natter/app/jid"
	"natter/framing"
)

// affiliation is how somebody stands with a room for long (XEP-0045 §5.2).
type affiliation int

const (
	outcast affiliation = iota - 1
	none
	member
	admin
	owner
)

func (a affiliation) String() string {
	return [...]string{"outcast", "none", "member", "admin", "owner"}[a+1]
}

// role is what an occupant may do while in the room (XEP-0045 §5.1).
type role int

const (
	absent role = iota
	visitor
	participant
	moderator
)

func (r role) String() string {
	return [...]string{"none", "visitor", "participant", "moderator"}[r]
}

// occupant is somebody who is in a room, with one or several clients.
type occupant struct {
	nick    string
	person  jid.JID // bare
	role    role
	clients []seat // the one whose presence is seen is the last
}

// seat is a client of an occupant.
type seat struct {
	client   jid.JID // full
	presence *framing.Element
}

func (o *occupant) seat(client jid.JID) int {
	return slices.IndexFunc(o.clients, func(c seat) bool { return c.client == client })
}

func (o *occupant) presence() *framing.Element { return o.clients[len(o.clients)-1].presence }
func (o *occupant) client() jid.JID            { return o.clients[len(o.clients)-1].client }

func (r *room) affiliation(of jid.JID) affiliation { return r.affiliations[of.Bare()] }

// entry returns the condition that keeps somebody out, "" if they may come in. A
// password is another matter.
func (r *room) entry(who jid.JID) string {
	switch a := r.affiliation(who); {
	case a == outcast:
		return "forbidden"
	case r.locked && a < owner:
		return "item-not-found"
	case r.membersOnly && a < member:
		return "registration-required"
	}
	return ""
}

// roleOf is the role somebody has who comes in (XEP-0045 §5.1.2).
func (r *room) roleOf(who jid.JID) role {
	switch a := r.affiliation(who); {
	case a >= admin:
		return moderator
	case a == member || !r.moderated:
		return participant
	}
	return visitor
}

// roomPresence lets a client in or out, or changes its nick or presence.
func (s *Server) roomPresence(r *room, p *framing.Element, to jid.JID) {
	from := jid.JID(p.Attr("from"))
	var o *occupant
	if r != nil {
		o = r.clients[from]
	}
	wanted := p.Child(nsMUC, "x")
	switch k := p.Attr("type"); {
	case k == "unavailable" && o != nil:
		s.leave(r, from, p)
	case k != "":
	case to.IsBare():
		s.turnAway(p, "jid-malformed") // XEP-0045 §7.2.1: a nick is needed
	case len(p.String()) > s.lim.Note:
		s.turnAway(p, "not-acceptable")
	case o == nil && wanted == nil:
		// A client that thinks it is in has missed that it is not.
		s.turnAway(p, "not-acceptable")
	case o != nil && o.nick != to.Resource() && !s.changeNick(r, o, p, to.Resource()):
	case o == nil || wanted != nil:
		s.join(r, p, to, wanted)
	default:
		s.update(r, o, p)
	}
}

// changeNick gives an occupant another nick, which all hear of from the old one, or refuses
// it (XEP-0045 §7.6).
func (s *Server) changeNick(r *room, o *occupant, p *framing.Element, nick string) bool {
	if r.occupants[nick] != nil || r.taken(nick, o.person) {
		s.turnAway(p, "conflict")
		return false
	}
	s.present(r, o, s.reflected(r, o, unavailable), change{nick: nick, codes: []string{"303"}})
	delete(r.occupants, o.nick)
	o.nick = nick
	r.occupants[nick] = o
	return true
}

// turnAway refuses presence with an error that names the protocol (XEP-0045 §7.2).
func (s *Server) turnAway(p *framing.Element, condition string) {
	e := errorReply(p, condition)
	if condition == "service-unavailable" { // a room that is full, XEP-0045 §7.2.9
		e.Child(framing.NSClient, "error").Set("type", "wait")
	}
	s.post(with(e, framing.New(nsMUC, "x")))
}

// join lets a client in: it sees who is there, they see it, and then it sees itself,
// what was said lately, and the subject (XEP-0045 §7.1). One that is in already sees
// all this again.
func (s *Server) join(r *room, p *framing.Element, to jid.JID, wanted *framing.Element) {
	from := jid.JID(p.Attr("from"))
	var codes []string
	if g, moved := s.graves[to.Bare()]; moved && r == nil {
		e := errorReply(p, "gone")
		e.Child(framing.NSClient, "error").First().AddText("xmpp:" + g.to.String() + "?join")
		s.post(with(e, framing.New(nsMUC, "x")))
		return
	}
	if r == nil {
		made, condition := s.create(to.Bare(), from)
		if condition != "" {
			s.turnAway(p, condition)
			return
		}
		r, codes = made, append(codes, "201")
	}
	o := r.occupants[to.Resource()]
	if condition := s.admission(r, to.Resource(), from, wanted); condition != "" {
		if len(r.occupants) == 0 && r.locked {
			s.close(r) // it was made for this
		}
		s.turnAway(p, condition)
		return
	}
	if o == nil {
		o = &occupant{nick: to.Resource(), person: from.Bare(), role: r.roleOf(from)}
		r.occupants[o.nick] = o
		delete(r.invited, o.person)
	}
	if r.clients[from] == nil {
		r.clients[from] = o
		o.clients = append(o.clients, seat{client: from})
		if x := s.session(from); x != nil {
			x.rooms[r.jid] = struct{}{}
		}
	}
	for _, other := range r.occupants {
		if other != o {
			s.post(addressed(r.sight(other, other.presence(), change{}, r.trusts(o)), r.address(other), from))
		}
	}
	if r.nonAnonymous {
		codes = append(codes, "100")
	}
	if r.archived {
		codes = append(codes, "170")
	}
	s.update(r, o, p, codes...)
	s.recent(r, from, wanted.Child(nsMUC, "history"))
	if r.affiliation(from) >= admin {
		for nick := range r.requests {
			s.tellOf(r, nick, from)
		}
	}
}

// admission returns the condition that keeps a client out of a room, "" if it may
// come in with that nick.
func (s *Server) admission(r *room, nick string, from jid.JID, wanted *framing.Element) string {
	o, now := r.occupants[nick], r.clients[from]
	a := r.affiliation(from)
	switch {
	case r.entry(from) != "":
		return r.entry(from)
	case r.protected && wanted.Child(nsMUC, "password").Text() != r.password && a < owner:
		return "not-authorized"
	case o != nil && o.person != from.Bare(), o == nil && r.taken(nick, from):
		return "conflict"
	case now != nil:
		return ""
	case len(r.clients) >= s.lim.Occupants, a < admin && len(r.occupants) >= r.mostOccupants:
		return "service-unavailable"
	}
	if x := s.session(from); x != nil && len(x.rooms) >= s.lim.Joined {
		return "resource-constraint"
	}
	return ""
}

// update takes a client's presence for that of its occupant and shows it to all, those
// codes to the client alone.
func (s *Server) update(r *room, o *occupant, p *framing.Element, codes ...string) {
	from := jid.JID(p.Attr("from"))
	if nick := jid.JID(p.Attr("to")).Resource(); nick != o.nick {
		codes = append(codes, "210")
	}
	i := o.seat(from)
	o.clients = append(slices.Delete(o.clients, i, i+1), seat{from, ownMemory(s.reflected(r, o, p).String())})
	s.present(r, o, o.presence(), change{}, codes...)
}

// leave lets a client out. If it was the last of its occupant, all see that leave, with
// those codes.
func (s *Server) leave(r *room, client jid.JID, p *framing.Element, codes ...string) {
	o := r.clients[client]
	p = s.reflected(r, o, p)
	if len(o.clients) == 1 {
		s.takeOut(r, o, p, change{codes: codes})
		return
	}
	s.forget(r, client)
	gone := *o
	gone.role = absent
	s.post(addressed(r.sight(&gone, p, change{codes: append([]string{"110"}, codes...)}, true), r.address(o), client))
	i := o.seat(client)
	o.clients = slices.Delete(o.clients, i, i+1)
	if i == len(o.clients) {
		s.present(r, o, o.presence(), change{})
	}
}

// takeOut takes an occupant out of the room with all its clients, and the room away if
// it is not to stay without anybody.
func (s *Server) takeOut(r *room, o *occupant, p *framing.Element, why change) {
	o.role = absent
	s.present(r, o, p, why)
	for _, c := range o.clients {
		s.forget(r, c.client)
	}
	delete(r.occupants, o.nick)
	if len(r.occupants) == 0 && !r.persistent {
		s.close(r)
	}
}

func (s *Server) forget(r *room, client jid.JID) {
	delete(r.clients, client)
	if x := s.session(client); x != nil {
		delete(x.rooms, r.jid)
	}
}

// session returns the session of a full address, nil if there is none here.
func (s *Server) session(j jid.JID) *session {
	if a := s.find(j); a != nil {
		return a.sessions[j.Resource()]
	}
	return nil
}

// change is what presence says beside how an occupant is now.
type change struct {
	codes  []string // of status
	nick   string   // it will have
	actor  string   // the nick of the one who wanted it
	reason string
}

// present sends presence of an occupant to all in the room: to a room of n clients n
// stanzas. The client it came from, the last one, sees those codes as well.
func (s *Server) present(r *room, o *occupant, p *framing.Element, c change, codes ...string) {
	from := r.address(o)
	open, closed := r.sight(o, p, c, true), r.sight(o, p, c, false)
	for _, other := range r.occupants {
		if other == o {
			continue
		}
		seen := closed
		if r.trusts(other) {
			seen = open
		}
		for _, client := range other.clients {
			s.post(addressed(seen, from, client.client))
		}
	}
	s.fanout += len(r.clients) - 1
	for i, client := range o.clients {
		c := c
		c.codes = append([]string{"110"}, c.codes...)
		if i == len(o.clients)-1 {
			c.codes = append(c.codes, codes...)
		}
		s.post(addressed(r.sight(o, p, c, true), from, client.client))
	}
}

// trusts reports whether an occupant sees the addresses of others.
func (r *room) trusts(o *occupant) bool { return r.nonAnonymous || o.role == moderator }

// sight is presence of an occupant with what the room says about it.
func (r *room) sight(o *occupant, p *framing.Element, c change, open bool) *framing.Element {
	x := framing.New(nsUser, "x").Add(r.item(o, c, open))
	for _, code := range c.codes {
		x.Add(framing.New(nsUser, "status").Set("code", code))
	}
	return with(p, x)
}

// item says how an occupant stands, with its address to whom that is open.
func (r *room) item(o *occupant, c change, open bool) *framing.Element {
	e := framing.New(nsUser, "item").Set("affiliation", r.affiliation(o.person).String()).Set("role", o.role.String()).Set("nick", c.nick)
	if open {
		e.Set("jid", o.client().String())
	}
	if c.actor != "" {
		e.Add(framing.New(nsUser, "actor").Set("nick", c.actor))
	}
	if c.reason != "" {
		e.Add(framing.New(nsUser, "reason").AddText(c.reason))
	}
	return e
}
