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
	condition := ""
	switch st.Name.Local {
	case "presence":
		s.roomPresence(r, st, to)
	case "message":
		if r == nil {
			condition = "item-not-found"
		} else {
			condition = s.roomMessage(r, st, to)
		}
		if condition != "" {
			s.refuse(st, condition)
		}
	case "iq":
		s.roomIQ(r, st, to)
	}
}

// post delivers a stanza of a room to the one client it is for; a client that is gone
// misses it.
func (s *Server) post(st *framing.Element) {
	if x := s.session(jid.JID(st.Attr("to"))); x != nil {
		x.send(st)
	}
}

// refuse answers a stanza to a room with an error, unless it is one.
func (s *Server) refuse(st *framing.Element, condition string) {
	if st.Attr("type") != "error" {
		s.post(errorReply(st, condition))
	}
}

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
	{Space: nsInfo, Local: "query"}:    {"get": roomInfo},
	{Space: nsItems, Local: "query"}:   {"get": roomItems},
	{Space: nsPing, Local: "ping"}:     {"get": pong},
	{Space: nsArchive, Local: "query"}: {"get": roomHistory, "set": roomHistory},
	{Space: nsAdmin, Local: "query"}:   {"get": adminQuery, "set": adminQuery},
	{Space: nsOwner, Local: "query"}:   {"get": ownerQuery, "set": ownerQuery},
}

// ofOccupant are requests to an occupant, which the room answers.
var ofOccupant = requests{
	{Space: nsPing, Local: "ping"}: {"get": selfPing},
}

// roomIQ answers a request. What is sent to others than the service, a room or an
// occupant is for nobody.
func (s *Server) roomIQ(r *room, iq *framing.Element, to jid.JID) {
	kind := iq.Attr("type")
	if kind == "result" || kind == "error" {
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
func roomInfo(s *Server, r *room, _, q *framing.Element) (*framing.Element, string) {
	if q.Attr("node") != "" || r.locked {
		return nil, "item-not-found"
	}
	answer := described("conference", "text", r.title(), nsInfo, nsItems, nsPing, nsMUC, nsStanzaID, nsOccupant, nsSelfPing)
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
