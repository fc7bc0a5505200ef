package trial

import (
	"natter/app/jid"
	"natter/framing"
)

// iq carries out a request to the server or the account, or passes it on
// (RFC 6120 §8.2.3, RFC 6121 §8.5). Every get and set is answered.
func (s *Server) iq(x *session, iq *framing.Element, to jid.JID) {
	payload := iq.First()
	switch iq.Attr("type") {
	case "get", "set":
		if len(iq.Elements()) != 1 || iq.Attr("id") == "" {
			x.refuse(iq, "bad-request")
			return
		}
	case "result", "error":
		if to == x.account.jid && s.learnCaps(x, iq) {
			return
		}
		if s.foreign(to) && s.o.Others != nil {
			s.abroad(iq)
		}
		if a := s.find(to); a != nil && a.sessions[to.Resource()] != nil {
			s.count(x, a)
			a.sessions[to.Resource()].send(iq)
		}
		return
	default:
		x.refuse(iq, "bad-request")
		return
	}
	a := s.find(to)
	switch {
	case to == "" || to == x.account.jid:
		s.ask(x, iq, payload, own)
	case to == s.domain && s.foreign(x.jid):
		s.ask(x, iq, payload, public)
	case to == s.domain:
		s.ask(x, iq, payload, server)
	case s.foreign(to) && s.o.Others == nil:
		x.refuse(iq, "remote-server-not-found")
	case s.foreign(to):
		s.abroad(iq)
	case a == nil:
		x.refuse(iq, "service-unavailable")
	case to.IsBare() && a.sharesWith(x.jid):
		s.ask(x, iq, payload, contacts)
	case to.IsBare() || a.sessions[to.Resource()] == nil || !a.sessions[to.Resource()].known(x.jid):
		// The same answer whether the account or the client is there or not
		// (RFC 6121 §8.5.3.1).
		x.refuse(iq, "service-unavailable")
	default:
		s.count(x, a)
		a.sessions[to.Resource()].send(iq)
	}
}

// known reports whether the session shares its presence with j, by subscription
// or directly.
func (x *session) known(j jid.JID) bool {
	_, full := x.directed[j]
	_, bare := x.directed[j.Bare()]
	return full || bare || x.account.sharesWith(j)
}

// service is whom a request is for. The zero answers nothing.
type service map[framing.Name]map[string]func(s *Server, x *session, iq, payload *framing.Element)

// ask carries out a request, or refuses what nobody here understands.
func (s *Server) ask(x *session, iq, payload *framing.Element, who service) {
	f := who[payload.Name][iq.Attr("type")]
	if f == nil {
		x.refuse(iq, "service-unavailable")
		return
	}
	f(s, x, iq, payload)
}

type handlers = map[string]func(s *Server, x *session, iq, payload *framing.Element)

func get(f func(s *Server, x *session, iq, p *framing.Element)) handlers { return handlers{"get": f} }
func set(f func(s *Server, x *session, iq, p *framing.Element)) handlers { return handlers{"set": f} }
func both(f func(s *Server, x *session, iq, p *framing.Element)) handlers {
	return handlers{"get": f, "set": f}
}

// own are requests of an account to itself.
var own = service{
	{Space: nsRoster, Local: "query"}:       both((*Server).rosterQuery),
	{Space: nsArchive, Local: "query"}:      both((*Server).history),
	{Space: nsArchive, Local: "metadata"}:   get(metadata),
	{Space: nsArchive, Local: "prefs"}:      both(preferences),
	{Space: nsCarbons, Local: "enable"}:     set(carbonsOn),
	{Space: nsCarbons, Local: "disable"}:    set(carbonsOff),
	{Space: nsSession, Local: "session"}:    set(nothing), // RFC 3921; it has long had no meaning
	{Space: nsBind, Local: "bind"}:          set(boundAlready),
	{Space: nsPing, Local: "ping"}:          get(nothing),
	{Space: nsVersion, Local: "query"}:      get(version),
	{Space: nsInfo, Local: "query"}:         get(accountInfo),
	{Space: nsItems, Local: "query"}:        get(accountItems),
	{Space: nsPubSub, Local: "pubsub"}:      both((*Server).pubsub),
	{Space: nsPubSubOwner, Local: "pubsub"}: both((*Server).pubsubOwner),
}

// contacts are requests to the account of somebody who shares presence.
var contacts = service{
	{Space: nsInfo, Local: "query"}:    get(accountInfo),
	{Space: nsItems, Local: "query"}:   get(accountItems),
	{Space: nsPubSub, Local: "pubsub"}: get((*Server).nodeItems),
}

// public are requests to the domain by anybody. What it has is for its own people.
var public = service{
	{Space: nsPing, Local: "ping"}:     get(nothing),
	{Space: nsVersion, Local: "query"}: get(version),
	{Space: nsTime, Local: "time"}:     get(clock),
	{Space: nsInfo, Local: "query"}:    get(serverInfo),
}

// server are requests to the domain.
var server = service{
	{Space: nsPing, Local: "ping"}:       get(nothing),
	{Space: nsVersion, Local: "query"}:   get(version),
	{Space: nsTime, Local: "time"}:       get(clock),
	{Space: nsInfo, Local: "query"}:      get(serverInfo),
	{Space: nsItems, Local: "query"}:     get(serverItems),
	{Space: nsCarbons, Local: "enable"}:  set(carbonsOn),
	{Space: nsCarbons, Local: "disable"}: set(carbonsOff),
	{Space: nsSession, Local: "session"}: set(nothing),
}

func nothing(_ *Server, x *session, iq, _ *framing.Element) { x.send(result(iq)) }

func boundAlready(_ *Server, x *session, iq, _ *framing.Element) { x.refuse(iq, "not-allowed") }

func carbonsOn(_ *Server, x *session, iq, _ *framing.Element) {
	x.carbons = true
	x.send(result(iq))
}

func carbonsOff(_ *Server, x *session, iq, _ *framing.Element) {
	x.carbons = false
	x.send(result(iq))
}

// preferences answers what holds for everybody: all is archived.
func preferences(_ *Server, x *session, iq, _ *framing.Element) {
	x.send(result(iq).Add(framing.New(nsArchive, "prefs").Set("default", "always").
		Add(framing.New(nsArchive, "always"), framing.New(nsArchive, "never"))))
}

// metadata says from where to where the account's archive reaches.
func metadata(_ *Server, x *session, iq, _ *framing.Element) {
	x.send(result(iq).Add(x.account.archive.metadata()))
}

func version(_ *Server, x *session, iq, _ *framing.Element) {
	x.send(result(iq).Add(versionOfUs()))
}

func versionOfUs() *framing.Element {
	return framing.New(nsVersion, "query").Add(
		framing.New(nsVersion, "name").AddText("Natter trial server"),
		framing.New(nsVersion, "version").AddText("1"))
}

func clock(s *Server, x *session, iq, _ *framing.Element) {
	x.send(result(iq).Add(framing.New(nsTime, "time").Add(
		framing.New(nsTime, "tzo").AddText("+00:00"),
		framing.New(nsTime, "utc").AddText(stamp(s.o.Now())))))
}

// accountInfo and serverInfo advertise what there is, and nothing else.
func accountInfo(_ *Server, x *session, iq, q *framing.Element) {
	if q.Attr("node") != "" {
		x.refuse(iq, "item-not-found")
		return
	}
	answer := described("account", "registered", "",
		nsInfo, nsItems, nsArchive, nsArchive+"#extended", nsStanzaID, nsPing, nsVersion, nsPubSub)
	for _, f := range pubsubFeatures {
		answer.Add(framing.New(nsInfo, "feature").Set("var", nsPubSub+"#"+f))
	}
	pep := framing.New(nsInfo, "identity").Set("category", "pubsub").Set("type", "pep")
	answer.Children = append([]framing.Node{{Element: pep}}, answer.Children...) // before the features
	x.send(result(iq).Add(answer))
}

func serverInfo(_ *Server, x *session, iq, q *framing.Element) {
	if q.Attr("node") != "" {
		x.refuse(iq, "item-not-found")
		return
	}
	x.send(result(iq).Add(described("server", "im", "Natter trial server",
		nsInfo, nsItems, nsPing, nsVersion, nsTime, nsRoster, nsCarbons, nsOffline)))
}

func described(category, kind, name string, features ...string) *framing.Element {
	answer := framing.New(nsInfo, "query").Add(
		framing.New(nsInfo, "identity").Set("category", category).Set("type", kind).Set("name", name))
	for _, f := range features {
		answer.Add(framing.New(nsInfo, "feature").Set("var", f))
	}
	return answer
}

// serverItems names the service that has the rooms.
func serverItems(s *Server, x *session, iq, q *framing.Element) {
	if q.Attr("node") != "" {
		x.refuse(iq, "item-not-found")
		return
	}
	x.send(result(iq).Add(framing.New(nsItems, "query").Add(
		framing.New(nsItems, "item").Set("jid", s.conference.String()).Set("name", conferenceName))))
}

// accountItems names the nodes of an account that the client may see.
func accountItems(s *Server, x *session, iq, q *framing.Element) {
	if q.Attr("node") != "" {
		x.refuse(iq, "item-not-found")
		return
	}
	a := x.account
	if other := s.find(jid.JID(iq.Attr("to"))); other != nil {
		a = other
	}
	answer := framing.New(nsItems, "query")
	for name, n := range a.nodes {
		if a.shares(n, x.jid) {
			answer.Add(framing.New(nsItems, "item").Set("jid", a.jid.String()).Set("node", name))
		}
	}
	x.send(result(iq).Add(answer))
}
