package trial

import (
	"natter/app/jid"
	"natter/framing"
)

// nickForm says which nick is reserved for somebody in this room, or asks for one
// (XEP-0045 §7.10).
func nickForm(_ *Server, r *room, iq, _ *framing.Element) (*framing.Element, string) {
	from := jid.JID(iq.Attr("from"))
	if !r.registers(from) {
		return nil, "not-allowed"
	}
	answer := framing.New(nsRegister, "query")
	if nick := r.reserved(from); nick != "" {
		answer.Add(framing.New(nsRegister, "registered"), framing.New(nsRegister, "username").AddText(nick))
	}
	return answer.Add(form("form", nsMUC+"#register",
		field("muc#register_roomnick", "text-single", "").Set("label", "Nick").Add(framing.New(nsForm, "required")))), ""
}

// registers reports whether somebody may register: who may come in gets a nick, and whom the room keeps out
// because only members may come in asks to become one.
func (r *room) registers(who jid.JID) bool {
	condition := r.entry(who)
	return condition == "" || condition == "registration-required"
}

// registerNick reserves a nick for somebody who may come in, instead of the one they
// had, or gives that up. Of others it asks the admins whether they may become members.
func registerNick(s *Server, r *room, iq, q *framing.Element) (*framing.Element, string) {
	from := jid.JID(iq.Attr("from"))
	if q.Child(nsRegister, "remove") != nil {
		delete(r.nicks, r.reserved(from))
		return nil, ""
	}
	values := readForm(q.Child(nsForm, "x"))["muc#register_roomnick"]
	if len(values) != 1 {
		return nil, "bad-request"
	}
	address, err := jid.Parse(r.jid.String() + "/" + values[0])
	nick := address.Resource()
	o := r.occupants[nick]
	switch {
	case !r.registers(from):
		return nil, "not-allowed"
	case err != nil || nick == "":
		return nil, "bad-request"
	case r.taken(nick, from) || o != nil && o.person != from.Bare():
		return nil, "conflict"
	case len(r.nicks)+len(r.requests) >= s.lim.Affiliations:
		return nil, "resource-constraint"
	case r.entry(from) != "":
		s.request(r, nick, from.Bare())
		return nil, ""
	}
	delete(r.nicks, r.reserved(from))
	r.nicks[nick] = from.Bare()
	return nil, ""
}

// request notes that somebody asks to become a member, and tells the admins who are in the room (XEP-0045 §9.9).
func (s *Server) request(r *room, nick string, from jid.JID) {
	r.forgetRequest(from)
	r.requests[nick] = from
	for client, o := range r.clients {
		if r.affiliation(o.person) >= admin {
			s.fanout++
			s.tellOf(r, nick, client)
		}
	}
}

func (r *room) forgetRequest(of jid.JID) {
	for nick, person := range r.requests {
		if person == of {
			delete(r.requests, nick)
		}
	}
}

// tellOf sends the form with which an admin decides about a request.
func (s *Server) tellOf(r *room, nick string, admin jid.JID) {
	asked := form("form", nsMUC+"#register",
		field("muc#register_roomnick", "text-single", nick),
		field("muc#jid", "jid-single", r.requests[nick].String()),
		flag("muc#register_allow", false))
	s.post(addressed(framing.New(framing.NSClient, "message").Set("id", s.o.NewID()).Add(asked), r.jid, admin))
}

// decide handles the form with which an admin answers a request. It returns the condition to refuse it with.
func (s *Server) decide(r *room, by *occupant, nick, answer []string) string {
	if len(nick) != 1 || len(answer) != 1 {
		return "bad-request"
	}
	person, asked := r.requests[nick[0]]
	allowed, ok := boolean(answer[0])
	switch {
	case r.affiliation(by.person) < admin:
		return "forbidden"
	case !ok:
		return "bad-request"
	case !asked:
		return "item-not-found"
	}
	delete(r.requests, nick[0])
	if allowed && r.affiliation(person) == none {
		delete(r.nicks, r.reserved(person))
		r.nicks[nick[0]] = person
		s.setAffiliation(r, person, member, change{actor: by.nick})
	}
	return ""
}

// reserved is the nick that is reserved for somebody, "" if none is.
func (r *room) reserved(of jid.JID) string {
	for nick, person := range r.nicks {
		if person == of.Bare() {
			return nick
		}
	}
	return ""
}

// taken reports whether a nick is reserved for somebody else, or will be if the admins agree.
func (r *room) taken(nick string, from jid.JID) bool {
	for _, all := range []map[string]jid.JID{r.nicks, r.requests} {
		if person, ok := all[nick]; ok && person != from.Bare() {
			return true
		}
	}
	return false
}
