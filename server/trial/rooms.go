package trial

import (
	"slices"
	"strings"

	"natter/app/jid"
	"natter/framing"
)

const conferenceName = "Rooms"

// muc carries a stanza to the service that has the rooms, or to one of them
// (XEP-0045). Who sent it is in its from, a full address.
func (s *Server) muc(st *framing.Element, to jid.JID) {
	r := s.rooms[to.Bare()]
	switch {
	case st.Attr("type") == "error":
		s.bounced(r, st)
	case st.Name.Local == "presence":
		s.roomPresence(r, st, to)
	case st.Name.Local == "iq":
		s.roomIQ(r, st, to)
	case r == nil:
		s.refuse(st, "item-not-found")
	default:
		if condition := s.roomMessage(r, st, to); condition != "" {
			s.refuse(st, condition)
		}
	}
}

// unreachable are the errors that say that a client is not there any more.
var unreachable = []string{"gone", "item-not-found", "recipient-unavailable", "redirect", "remote-server-not-found", "remote-server-timeout"}

// bounced lets a client out that what the room sends does not reach (XEP-0045 §18.2).
func (s *Server) bounced(r *room, st *framing.Element) {
	from := jid.JID(st.Attr("from"))
	if r == nil || r.clients[from] == nil {
		return
	}
	for _, condition := range st.Child(framing.NSClient, "error").Elements() {
		if condition.Name.Space == framing.NSStanzaError && slices.Contains(unreachable, condition.Name.Local) {
			s.leave(r, from, unavailable, "333")
			return
		}
	}
}

// post delivers a stanza of a room to the one client it is for; a client that is gone
// misses it.
func (s *Server) post(st *framing.Element) {
	if x := s.session(jid.JID(st.Attr("to"))); x != nil {
		x.send(st)
	}
}

// refuse answers a stanza to a room with an error.
func (s *Server) refuse(st *framing.Element, condition string) { s.post(errorReply(st, condition)) }

// request is how a room, nil for the service, carries out a request of a client. It
// returns what is in the result, or the condition to refuse it with.
type request func(s *Server, r *room, iq, payload *framing.Element) (answer *framing.Element, condition string)

type requests map[framing.Name]map[string]request

// ofService are requests to the service.
var ofService = requests{
	{Space: nsInfo, Local: "query"}:    {"get": conferenceInfo},
	{Space: nsItems, Local: "query"}:   {"get": conferenceItems},
	{Space: nsPing, Local: "ping"}:     {"get": pong},
	{Space: nsVersion, Local: "query"}: {"get": roomVersion},
}

// ofRoom are requests to a room.
var ofRoom = requests{
	{Space: nsInfo, Local: "query"}:        {"get": roomInfo},
	{Space: nsItems, Local: "query"}:       {"get": roomItems},
	{Space: nsPing, Local: "ping"}:         {"get": pong},
	{Space: nsArchive, Local: "query"}:     {"get": roomHistory, "set": roomHistory},
	{Space: nsArchive, Local: "metadata"}:  {"get": roomMetadata},
	{Space: nsModerate, Local: "moderate"}: {"set": moderation},
	{Space: nsFasten, Local: "apply-to"}:   {"set": oldModeration},
	{Space: nsRegister, Local: "query"}:    {"get": nickForm, "set": registerNick},
	{Space: nsAdmin, Local: "query"}:       {"get": adminQuery, "set": adminQuery},
	{Space: nsOwner, Local: "query"}:       {"get": ownerQuery, "set": ownerQuery},
	{Space: nsCard, Local: "vCard"}:        {"get": roomCard, "set": setRoomCard},
}

// ofOccupant are requests to an occupant, which the room answers.
var ofOccupant = requests{
	{Space: nsPing, Local: "ping"}: {"get": selfPing},
}

// roomIQ answers a request. What is sent to others than the service, a room or an
// occupant is for nobody.
func (s *Server) roomIQ(r *room, iq *framing.Element, to jid.JID) {
	kind := iq.Attr("type")
	if kind == "result" {
		return
	}
	payload := iq.First()
	known := ofRoom
	switch {
	case kind != "get" && kind != "set", len(iq.Elements()) != 1, iq.Attr("id") == "":
		s.refuse(iq, "bad-request")
		return
	case to == s.conference:
		known = ofService
	case r == nil && !to.IsBare():
		s.refuse(iq, "not-acceptable") // item-not-found would say that one is in the room, XEP-0410 §3.2
		return
	case r == nil:
		s.refuse(iq, "item-not-found")
		return
	case !to.IsBare():
		known = ofOccupant
	}
	do := known[payload.Name][kind]
	if do == nil {
		s.refuse(iq, "service-unavailable")
		return
	}
	answer, condition := do(s, r, iq, payload)
	if condition != "" {
		s.refuse(iq, condition)
		return
	}
	s.post(result(iq).Add(answer))
}

func pong(*Server, *room, *framing.Element, *framing.Element) (*framing.Element, string) {
	return nil, ""
}

// selfPing says whether a client is in the room with the nick it thinks it has
// (XEP-0410 §3.3). Others are not pinged.
func selfPing(_ *Server, r *room, iq, _ *framing.Element) (*framing.Element, string) {
	o := r.clients[jid.JID(iq.Attr("from"))]
	to, _ := jid.Parse(iq.Attr("to"))
	switch {
	case o == nil:
		return nil, "not-acceptable"
	case o.nick != to.Resource():
		return nil, "service-unavailable"
	}
	return nil, ""
}

func roomVersion(*Server, *room, *framing.Element, *framing.Element) (*framing.Element, string) {
	return versionOfUs(), ""
}

func conferenceInfo(_ *Server, _ *room, _, q *framing.Element) (*framing.Element, string) {
	if q.Attr("node") != "" {
		return nil, "item-not-found"
	}
	return described("conference", "text", conferenceName,
		nsInfo, nsItems, nsPing, nsVersion, nsPaging, nsMUC, nsOccupant), ""
}

// conferenceItems lists the rooms that may be found, in a stable order, a page at a
// time if asked (XEP-0045 §6.3).
func conferenceItems(s *Server, _ *room, _, q *framing.Element) (*framing.Element, string) {
	if q.Attr("node") != "" {
		return nil, "item-not-found"
	}
	var found []*room
	for _, r := range s.rooms {
		if r.public && !r.locked {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *room) int { return strings.Compare(a.jid.String(), b.jid.String()) })
	answer := framing.New(nsItems, "query")
	all := page{to: len(found)}
	set := q.Child(nsPaging, "set")
	if set != nil {
		id := func(i int) string { return found[i].jid.String() }
		wanted, ok := readPaging(set)
		if !ok {
			return nil, "bad-request"
		}
		if all, ok = wanted.cut(len(found), s.lim.Page, id); !ok {
			return nil, "item-not-found"
		}
		set = all.set(len(found), id)
	}
	for _, r := range found[all.from:all.to] {
		answer.Add(framing.New(nsItems, "item").Set("jid", r.jid.String()).Set("name", r.title()))
	}
	return answer.Add(set), ""
}

// roomInfo says of which kind a room is (XEP-0045 §6.4).
func roomInfo(_ *Server, r *room, iq, q *framing.Element) (*framing.Element, string) {
	switch {
	case r.locked:
		return nil, "item-not-found"
	case q.Attr("node") == "x-roomuser-item": // XEP-0045 §7.12
		answer := framing.New(nsInfo, "query").Set("node", q.Attr("node"))
		if nick := r.reserved(jid.JID(iq.Attr("from"))); nick != "" {
			answer.Add(framing.New(nsInfo, "identity").Set("category", "conference").Set("type", "text").Set("name", nick))
		}
		return answer, ""
	case q.Attr("node") != "":
		return nil, "item-not-found"
	}
	answer := described("conference", "text", r.title(), nsInfo, nsItems, nsPing, nsMUC, nsStanzaID, nsOccupant, nsSelfPing,
		nsModerate, nsModerateOld, nsRegister, nsMUC+"#stable_id", nsVoice, nsCard)
	for _, kind := range []struct {
		is       bool
		yes, not string
	}{
		{r.membersOnly, "muc_membersonly", "muc_open"},
		{r.public, "muc_public", "muc_hidden"},
		{r.persistent, "muc_persistent", "muc_temporary"},
		{r.protected, "muc_passwordprotected", "muc_unsecured"},
		{r.moderated, "muc_moderated", "muc_unmoderated"},
		{r.nonAnonymous, "muc_nonanonymous", "muc_semianonymous"},
		{r.archived, nsArchive, ""},
		{r.archived, nsArchive + "#extended", ""},
	} {
		feature := kind.not
		if kind.is {
			feature = kind.yes
		}
		if feature != "" {
			answer.Add(framing.New(nsInfo, "feature").Set("var", feature))
		}
	}
	return answer.Add(r.facts()), ""
}

// roomItems lists the occupants to each other, and to nobody else.
func roomItems(_ *Server, r *room, iq, q *framing.Element) (*framing.Element, string) {
	answer := framing.New(nsItems, "query")
	switch {
	case q.Attr("node") != "" || r.locked:
		return nil, "item-not-found"
	case r.clients[jid.JID(iq.Attr("from"))] == nil:
		return answer, ""
	}
	for nick := range r.occupants {
		answer.Add(framing.New(nsItems, "item").Set("jid", r.jid.WithResource(nick).String()))
	}
	return answer, ""
}
