package trial

import (
	"regexp"
	"strconv"
	"time"

	"natter/app/jid"
	"natter/framing"
)

const (
	greeting = "I am echo. Write to me and I answer with your words."
	welcome  = "This is the lounge. Name me, echo, and I answer."
)

// demo makes the accounts somebody can try things with: two people who know each
// other, and echo, whom both know. It runs before the server is used.
func (s *Server) demo() {
	for _, a := range []struct{ local, password string }{{"ada", "analytical"}, {"grace", "compiler"}} {
		if err := s.AddAccount(a.local, a.password); err != nil {
			panic(err) // only without randomness, or with limits that leave no room
		}
	}
	s.do(s.introduce)
}

func (s *Server) introduce() {
	echo := s.add("echo@"+s.domain, nil)
	ada, grace := s.accounts["ada"], s.accounts["grace"]
	acquaint(ada, grace, "Ada", "Grace")
	acquaint(ada, echo, "Ada", "Echo")
	acquaint(grace, echo, "Grace", "Echo")

	x := s.stand(echo, "echo")
	x.interested = true
	x.bot = func(st *framing.Element) { s.echo(x, st) }
	for i := range s.o.Crowd {
		n := strconv.Itoa(i + 1)
		friend := s.add("friend"+jid.JID(n)+"@"+s.domain, nil)
		acquaint(ada, friend, "Ada", "Friend "+n)
		s.stand(friend, "friend").bot = func(*framing.Element) {}
	}
	for _, a := range []*account{ada, grace} {
		s.route(x, x.message(a.jid.String(), greeting))
	}
	s.openLounge(x)
}

// openLounge makes the room of the demo, with echo in it, and lets ada and grace join
// it when they sign in.
func (s *Server) openLounge(echo *session) {
	r := s.newRoom("lounge@"+s.conference, s.accounts["ada"].jid)
	r.name, r.description = "Lounge", "Where ada, grace and echo meet"
	r.persistent, r.openSubject = true, true
	r.affiliations[s.accounts["grace"].jid] = admin
	r.affiliations[echo.account.jid] = member
	for _, a := range []*account{s.accounts["ada"], s.accounts["grace"]} {
		n, _ := s.newNode(a, nsBookmarks, map[string][]string{"pubsub#max_items": {"max"},
			"pubsub#access_model": {"whitelist"}, "pubsub#send_last_published_item": {"never"}})
		a.nodes[nsBookmarks] = n
		a.bookmark(r)
	}
	for i := range s.o.Rooms {
		club := s.newRoom("room"+jid.JID(strconv.Itoa(i+1))+"@"+s.conference, s.accounts["grace"].jid)
		club.persistent = true
		s.chatter(club, 20)
		s.accounts["ada"].bookmark(club)
	}
	s.chatter(r, s.o.History)
	s.route(echo, framing.New(framing.NSClient, "presence").Set("from", echo.jid.String()).
		Set("to", r.jid.WithResource("echo").String()).Add(framing.New(nsMUC, "x")))
	for i := range s.o.Occupants {
		nick := "guest" + strconv.Itoa(i+1)
		o := &occupant{nick: nick, person: jid.JID(nick) + "@" + s.domain, role: participant}
		client := o.person.WithResource("guest")
		o.clients = []seat{{client, s.reflected(r, o, framing.New(framing.NSClient, "presence"))}}
		r.occupants[nick], r.clients[client] = o, o
	}
	s.route(echo, echo.signal(r.jid.String()).Set("type", "groupchat").
		Add(framing.New(framing.NSClient, "subject").AddText("Everybody is welcome")))
	s.route(echo, echo.message(r.jid.String(), welcome).Set("type", "groupchat"))
}

// bookmark adds a room to those that an account joins when it signs in.
func (a *account) bookmark(r *room) {
	n := a.nodes[nsBookmarks]
	one := newItem(r.jid.String(), framing.New(nsBookmarks, "conference").Set("name", r.title()).Set("autojoin", "true").
		Add(framing.New(nsBookmarks, "nick").AddText(a.jid.Local())))
	n.items = append(n.items, one)
	a.published += one.size
}

// chatter has grace say something in a room each minute until now.
func (s *Server) chatter(r *room, minutes int) {
	grace := s.accounts["grace"].jid
	o, now := &occupant{nick: grace.Local(), person: grace}, s.o.Now()
	for i := range minutes {
		n := strconv.Itoa(i)
		m := framing.New(framing.NSClient, "message").Set("type", "groupchat").Set("id", "past"+n).Add(framing.New(framing.NSClient, "body").AddText("message " + n))
		s.recordAt(now.Add(time.Duration(i-minutes)*time.Minute), &r.archive, r.jid, s.reflected(r, o, m), grace.WithResource("past"))
	}
}

// stand makes a session of an account that is online without a connection.
func (s *Server) stand(a *account, resource string) *session {
	x := &session{
		s:        s,
		account:  a,
		jid:      a.jid.WithResource(resource),
		directed: make(map[jid.JID]struct{}),
		rooms:    make(map[jid.JID]struct{}),
		presence: framing.New(framing.NSClient, "presence"),
	}
	a.sessions[resource] = x
	return x
}

// acquaint makes two accounts contacts of each other.
func acquaint(a, b *account, nameA, nameB string) {
	both := subscription{to: true, from: true}
	a.roster[b.jid] = &contact{jid: b.jid, name: nameB, sub: both, listed: true}
	b.roster[a.jid] = &contact{jid: a.jid, name: nameA, sub: both, listed: true}
}

// echo is what echo does with what it is sent: it repeats messages, in rooms those that
// name it, says that it has received them when asked to, and lets itself be added as a
// contact.
func (s *Server) echo(x *session, st *framing.Element) {
	switch st.Name.Local {
	case "message":
		s.repeatMessage(x, st)
	case "presence":
		if st.Attr("type") == "subscribe" {
			s.route(x, framing.New(framing.NSClient, "presence").Set("type", "subscribed").
				Set("from", x.jid.String()).Set("to", st.Attr("from")))
		}
	case "iq":
		switch p := st.First(); {
		case st.Attr("type") != "get" && st.Attr("type") != "set":
		case st.Attr("type") == "get" && p.Is(nsInfo, "query"):
			s.route(x, result(st).Add(framing.New(nsInfo, "query").Add(
				framing.New(nsInfo, "identity").Set("category", "client").Set("type", "bot").Set("name", "Echo"),
				framing.New(nsInfo, "feature").Set("var", nsInfo),
				framing.New(nsInfo, "feature").Set("var", nsStates),
				framing.New(nsInfo, "feature").Set("var", nsPing),
				framing.New(nsInfo, "feature").Set("var", nsReceipts),
				framing.New(nsInfo, "feature").Set("var", nsMarkers))))
		case st.Attr("type") == "get" && p.Is(nsPing, "ping"):
			s.route(x, result(st))
		default:
			s.route(x, errorReply(st, "service-unavailable"))
		}
	}
}

func (s *Server) repeatMessage(x *session, m *framing.Element) {
	body := m.Child(framing.NSClient, "body")
	if body == nil {
		return
	}
	to := m.Attr("from")
	switch kind(m) {
	case "groupchat":
		s.answerInRoom(x, m, body.Text())
		return
	case "headline", "error":
		return
	}
	if m.Child(nsReceipts, "request") != nil && m.Attr("id") != "" {
		s.route(x, x.signal(to).Add(framing.New(nsReceipts, "received").Set("id", m.Attr("id"))))
	}
	if m.Child(nsMarkers, "markable") != nil && m.Attr("id") != "" {
		s.route(x, x.signal(to).Add(framing.New(nsMarkers, "displayed").Set("id", m.Attr("id"))))
	}
	s.route(x, x.signal(to).Add(framing.New(nsStates, "composing")))
	s.answer(x, x.message(to, body.Text()))
}

var echosName = regexp.MustCompile(`(?i)\becho\b`)

// answerInRoom repeats what somebody else says in a room, if echo is named in it, as a
// reply to them (XEP-0461).
func (s *Server) answerInRoom(x *session, m *framing.Element, text string) {
	author := jid.JID(m.Attr("from"))
	if author.Resource() == "echo" || m.Child(nsDelay, "delay") != nil || !echosName.MatchString(text) {
		return
	}
	room := author.Bare().String()
	s.route(x, x.signal(room).Set("type", "groupchat").Add(framing.New(nsStates, "composing")))
	s.answer(x, x.message(room, author.Resource()+": "+text).Set("type", "groupchat").Add(
		framing.New(nsReply, "reply").Set("to", author.String()).Set("id", m.Child(nsStanzaID, "stanza-id").Attr("id"))))
}

// answer sends what echo says, after a pause. Timers that end together fire in any
// order; the answers keep theirs.
func (s *Server) answer(x *session, m *framing.Element) {
	if s.o.EchoPause <= 0 {
		s.route(x, m)
		return
	}
	s.answers = append(s.answers, m)
	time.AfterFunc(s.o.EchoPause, func() {
		s.do(func() {
			next := s.answers[0]
			s.answers = s.answers[1:]
			s.route(x, next)
		})
	})
}

// signal is a message without words.
func (x *session) signal(to string) *framing.Element {
	return framing.New(framing.NSClient, "message").Set("type", "chat").Set("id", x.s.o.NewID()).
		Set("from", x.jid.String()).Set("to", to)
}

func (x *session) message(to, text string) *framing.Element {
	return x.signal(to).Add(
		framing.New(framing.NSClient, "body").AddText(text),
		framing.New(nsStates, "active"))
}
