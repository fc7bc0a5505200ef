package trial

import (
	"natter/app/jid"
	"natter/framing"
)

// nickForm says which nick is reserved for somebody in this room, or asks for one
// (XEP-0045 §7.10).
func nickForm(_ *Server, r *room, iq, _ *framing.Element) (*framing.Element, string) {
	from := jid.JID(iq.Attr("from"))
	if r.entry(from) != "" {
		return nil, "not-allowed"
	}
	answer := framing.New(nsRegister, "query")
	if nick := r.reserved(from); nick != "" {
		answer.Add(framing.New(nsRegister, "registered"), framing.New(nsRegister, "username").AddText(nick))
	}
	return answer.Add(form("form", nsMUC+"#register",
		field("muc#register_roomnick", "text-single", "").Set("label", "Nick").Add(framing.New(nsForm, "required")))), ""
}

// registerNick reserves a nick for somebody who may come in, instead of the one they
// had, or gives that up. It makes nobody a member.
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
	case r.entry(from) != "":
		return nil, "not-allowed"
	case err != nil || nick == "":
		return nil, "bad-request"
	case r.taken(nick, from) || o != nil && o.person != from.Bare():
		return nil, "conflict"
	case len(r.nicks) >= s.lim.Affiliations:
		return nil, "resource-constraint"
	}
	delete(r.nicks, r.reserved(from))
	r.nicks[nick] = from.Bare()
	return nil, ""
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

// taken reports whether a nick is reserved for somebody else.
func (r *room) taken(nick string, from jid.JID) bool {
	person, ok := r.nicks[nick]
	return ok && person != from.Bare()
}
