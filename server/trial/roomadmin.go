package trial

import (
	"slices"

	"natter/app/jid"
	"natter/framing"
)

// adminQuery lists or changes roles, of occupants, and affiliations, of people
// (XEP-0045 §8 and §9). A list of changes ends at the first that may not be.
func adminQuery(s *Server, r *room, iq, q *framing.Element) (*framing.Element, string) {
	from := jid.JID(iq.Attr("from"))
	switch {
	case r.locked && r.affiliation(from) < owner:
		return nil, "item-not-found"
	case len(q.Elements()) == 0:
		return nil, "bad-request"
	case iq.Attr("type") == "get":
		return r.list(from, q.First())
	}
	for _, item := range q.Elements() {
		if condition := s.change(r, from, item); condition != "" {
			return nil, condition
		}
	}
	return nil, ""
}

// list names those who have a role or an affiliation.
func (r *room) list(from jid.JID, wanted *framing.Element) (*framing.Element, string) {
	answer := framing.New(nsAdmin, "query")
	o, by := r.clients[from], r.affiliation(from)
	if named, ok := roleNamed(wanted.Attr("role")); ok {
		if o == nil || o.role < moderator {
			return nil, "forbidden"
		}
		for _, other := range r.occupants {
			if other.role == named {
				answer.Add(framing.New(nsAdmin, "item").Set("role", named.String()).Set("nick", other.nick).
					Set("affiliation", r.affiliation(other.person).String()).Set("jid", other.client().String()))
			}
		}
		return answer, ""
	}
	named, ok := affiliationNamed(wanted.Attr("affiliation"))
	switch {
	case !ok:
		return nil, "bad-request"
	case named >= member && by >= member && r.membersOnly && r.nonAnonymous:
		// They all know each other.
	case by < admin, named >= admin && by < owner:
		return nil, "forbidden"
	}
	var people []jid.JID
	for person, a := range r.affiliations {
		if a == named {
			people = append(people, person)
		}
	}
	slices.Sort(people)
	for _, person := range people {
		answer.Add(framing.New(nsAdmin, "item").Set("affiliation", named.String()).Set("jid", person.String()))
	}
	return answer, ""
}

// change does what an item of a list says, or returns the condition to refuse it with.
func (s *Server) change(r *room, from jid.JID, item *framing.Element) string {
	actor, target := r.clients[from], r.occupants[item.Attr("nick")]
	why := change{reason: item.Child(nsAdmin, "reason").Text()}
	if actor != nil {
		why.actor = actor.nick
	}
	if !item.Is(nsAdmin, "item") || len(why.reason) > s.lim.Note {
		return "bad-request"
	}
	if name := item.Attr("role"); name != "" {
		to, ok := roleNamed(name)
		if !ok {
			return "bad-request"
		}
		if condition := r.mayChangeRole(actor, target, to); condition != "" {
			return condition
		}
		s.setRole(r, target, to, why)
		return ""
	}
	to, ok := affiliationNamed(item.Attr("affiliation"))
	person, err := jid.Parse(item.Attr("jid"))
	if item.Attr("jid") == "" && target != nil {
		person, err = target.person, nil
	}
	if !ok || err != nil {
		return "bad-request"
	}
	person = person.Bare()
	if condition := r.mayChangeAffiliation(from.Bare(), person, to, s.lim.Affiliations); condition != "" {
		return condition
	}
	s.setAffiliation(r, person, to, why)
	return ""
}

// mayChangeRole returns the condition that forbids a change of role, "" if it may be
// (XEP-0045 §8.2 to §8.4, §9.6, §9.7).
func (r *room) mayChangeRole(actor, target *occupant, to role) string {
	switch {
	case actor == nil || actor.role < moderator:
		return "forbidden"
	case target == nil:
		return "item-not-found"
	case r.affiliation(target.person) > r.affiliation(actor.person):
		return "not-allowed"
	case to == absent:
		return ""
	case (to == moderator || target.role == moderator) && r.affiliation(actor.person) < admin:
		return "forbidden"
	case to < moderator && r.affiliation(target.person) >= admin:
		return "not-allowed" // they are moderators always
	}
	return ""
}

// mayChangeAffiliation does the same for an affiliation (XEP-0045 §9.1 to §9.4, §10.3
// to §10.7).
func (r *room) mayChangeAffiliation(actor, person jid.JID, to affiliation, most int) string {
	by, now := r.affiliation(actor), r.affiliation(person)
	owners := 0
	for _, a := range r.affiliations {
		if a == owner {
			owners++
		}
	}
	switch {
	case by < admin, to >= admin && by < owner:
		return "forbidden"
	case now >= admin && by < owner:
		return "not-allowed"
	case actor == person && to == outcast, now == owner && to != owner && owners == 1:
		return "conflict"
	case now == none && to != none && len(r.affiliations) >= most:
		return "resource-constraint"
	}
	return ""
}

// setRole gives an occupant another role, or puts it out of the room.
func (s *Server) setRole(r *room, o *occupant, to role, why change) {
	if to == absent {
		why.codes = []string{"307"}
		s.putOut(r, o, why)
		return
	}
	o.role = to
	s.present(r, o, o.presence(), why)
}

// setAffiliation changes how somebody stands with the room, and what that means for
// them if they are in it.
func (s *Server) setAffiliation(r *room, person jid.JID, to affiliation, why change) {
	if r.affiliation(person) == to {
		return
	}
	r.forgetRequest(person)
	r.affiliations[person] = to
	if to == none {
		delete(r.affiliations, person)
	}
	for _, o := range r.occupants {
		if o.person != person {
			continue
		}
		switch {
		case to == outcast:
			why.codes = []string{"301"}
			s.putOut(r, o, why)
		case r.membersOnly && to < member:
			why.codes = []string{"321"}
			s.putOut(r, o, why)
		default:
			o.role = r.roleOf(person)
			s.present(r, o, o.presence(), why)
		}
	}
}

// putOut makes an occupant leave.
func (s *Server) putOut(r *room, o *occupant, why change) {
	s.takeOut(r, o, s.reflected(r, o, unavailable), why)
}

// unavailable is what somebody would say who leaves.
var unavailable = framing.New(framing.NSClient, "presence").Set("type", "unavailable")

func roleNamed(name string) (role, bool) {
	for r := absent; r <= moderator; r++ {
		if r.String() == name {
			return r, true
		}
	}
	return absent, false
}

func affiliationNamed(name string) (affiliation, bool) {
	for a := outcast; a <= owner; a++ {
		if a.String() == name {
			return a, true
		}
	}
	return none, false
}
