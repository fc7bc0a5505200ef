package trial

import (
	"strconv"
	"strings"

	"natter/app/jid"
	"natter/framing"
)

// presence handles a presence stanza of a session (RFC 6121 §3 and §4).
func (s *Server) presence(x *session, p *framing.Element, to jid.JID) {
	switch k := p.Attr("type"); k {
	case "subscribe", "subscribed", "unsubscribe", "unsubscribed":
		if !s.foreign(x.jid) {
			s.subscription(x.account, k, p, to.Bare())
		} else if a := s.find(to); a != nil {
			s.receive(a, x.account.jid, k, addressed(p, x.account.jid, a.jid))
		}
	case "probe":
		a := s.find(to)
		switch {
		case a != nil && a.sharesWith(x.account.jid):
			s.tell(a, x)
		case s.foreign(x.jid): // it forgets what it wrongly believed (RFC 6121 §4.3.2)
			x.send(framing.New(framing.NSClient, "presence").Set("type", "unsubscribed").
				Set("from", to.Bare().String()).Set("to", x.account.jid.String()))
		}
	case "", "unavailable":
		switch {
		case to != "":
			s.direct(x, p, to)
		case k == "":
			s.available(x, p)
		default:
			s.unavailable(x, p)
		}
	case "error":
		if a := s.find(to); a != nil && a.sessions[to.Resource()] != nil {
			a.sessions[to.Resource()].send(p)
		}
	default:
		x.refuse(p, "bad-request")
	}
}

// available broadcasts presence (RFC 6121 §4.2, §4.4). The first one also brings
// what was missed: the contacts' presence, open requests, waiting messages.
func (s *Server) available(x *session, p *framing.Element) {
	first := x.presence == nil
	x.presence, x.priority = p, priority(p)
	s.broadcast(x, p)
	s.askCaps(x, p)
	if first {
		for _, other := range x.account.sessions {
			if other != x && other.available() {
				x.send(addressed(other.presence, other.jid, x.account.jid))
			}
		}
		for _, i := range x.account.contacts() {
			if i.sub.pendingIn {
				x.send(i.request)
			}
			switch a := s.find(i.jid); {
			case !i.sub.to:
			case a != nil:
				s.tell(a, x)
			case s.foreign(i.jid):
				s.pass(x, framing.New(framing.NSClient, "presence").Set("type", "probe").
					Set("from", x.account.jid.String()).Set("to", i.jid.String()), i.jid)
			}
		}
	}
	s.catchUp(x)
}

// unavailable takes presence back, for the client, or for one that is gone when p
// is nil. Whoever was sent presence directly hears of it too (RFC 6121 §4.5,
// §4.6.3).
func (s *Server) unavailable(x *session, p *framing.Element) {
	if p == nil {
		p = framing.New(framing.NSClient, "presence").Set("type", "unavailable").Set("from", x.jid.String())
	}
	if x.available() {
		x.presence = nil
		s.broadcast(x, p)
	}
	for to := range x.directed {
		s.pass(x, addressed(p, x.jid, to), to)
	}
	clear(x.directed)
	for r := range x.rooms {
		s.leave(s.rooms[r], x.jid, p)
	}
}

// broadcast sends presence to all who may see it: those subscribed, and all
// clients of the account itself, this one included.
func (s *Server) broadcast(x *session, p *framing.Element) {
	for _, i := range x.account.contacts() {
		if i.sub.from {
			delete(x.directed, i.jid)
			s.pass(x, addressed(p, x.jid, i.jid), i.jid)
		}
	}
	own := addressed(p, x.jid, x.account.jid)
	for _, other := range x.account.sessions {
		if other.available() {
			other.send(own)
		}
	}
}

// direct sends presence to one address, subscribed or not (RFC 6121 §4.6).
func (s *Server) direct(x *session, p *framing.Element, to jid.JID) {
	if s.find(to) == nil && !s.foreign(to) {
		return // silently, RFC 6121 §8.5.1
	}
	if p.Attr("type") == "unavailable" {
		delete(x.directed, to)
	} else if len(x.directed) < s.lim.Roster {
		x.directed[to] = struct{}{}
	}
	s.pass(x, p, to)
}

// pass delivers presence to one resource, or to all available ones of a bare
// address. Where others are is for their own server to know.
func (s *Server) pass(x *session, p *framing.Element, to jid.JID) {
	a := s.find(to)
	if a == nil {
		if s.foreign(to) && s.o.Others != nil {
			s.abroad(p)
		}
		return
	}
	for _, other := range a.sessions {
		if other.available() && to.IsBare() || other.jid == to {
			s.count(x, a)
			other.send(p)
		}
	}
}

// tell shows a session how an account is (RFC 6121 §4.3.2).
func (s *Server) tell(a *account, x *session) {
	there := false
	for _, other := range a.sessions {
		if other.available() {
			there = true
			x.send(addressed(other.presence, other.jid, x.account.jid))
		}
	}
	if !there {
		x.send(framing.New(framing.NSClient, "presence").Set("type", "unavailable").
			Set("from", a.jid.String()).Set("to", x.account.jid.String()))
	}
}

// subscription handles a request between two people: first at the sender's side,
// then, if it is to be passed on, at the other.
func (s *Server) subscription(a *account, kind string, p *framing.Element, to jid.JID) {
	if to == "" || to == a.jid {
		return
	}
	i := a.roster[to]
	if i == nil {
		if len(a.roster) >= s.lim.Roster {
			return
		}
		i = &contact{jid: to}
	}
	before := i.sub
	next, route := before.outbound(kind)
	if next == before && a.roster[to] == nil && kind != "subscribe" {
		return // says nothing new to somebody we do not know
	}
	i.sub = next
	if kind == "subscribe" || kind == "subscribed" && route {
		i.listed = true
	}
	if !next.pendingIn {
		i.request = nil
	}
	a.put(i)
	if i.listed && next.shown() != before.shown() {
		s.push(a, i)
	}
	other := s.find(to)
	if !route || other == nil && !s.foreign(to) {
		return // whether there is such an account is not for the sender to know
	}
	if other != nil {
		s.receive(other, a.jid, kind, addressed(p, a.jid, to))
	} else {
		s.abroad(addressed(p, a.jid, to))
	}
	if next.from == before.from {
		return
	}
	if !next.from {
		s.hide(a, to)
		return
	}
	s.show(a, to)
}

// show makes an account visible to somebody who may see it.
func (s *Server) show(a *account, to jid.JID) {
	for _, x := range a.sessions {
		if x.available() {
			s.pass(x, addressed(x.presence, x.jid, to), to)
		}
	}
}

// hide makes an account disappear for somebody who may no longer see it.
func (s *Server) hide(a *account, from jid.JID) {
	gone := framing.New(framing.NSClient, "presence").Set("type", "unavailable")
	for _, x := range a.sessions {
		if x.available() {
			s.pass(x, addressed(gone, x.jid, from), from)
		}
	}
}

// receive is the contact's side of subscription.
func (s *Server) receive(a *account, sender jid.JID, kind string, p *framing.Element) {
	i := a.roster[sender]
	if i == nil {
		if len(a.roster) >= s.lim.Roster || a.strangers() >= s.lim.Requests {
			return
		}
		i = &contact{jid: sender}
	}
	before := i.sub
	next, deliver, answer := before.inbound(kind)
	i.sub = next
	switch {
	case kind == "subscribe" && deliver:
		i.request = p
	case !next.pendingIn:
		i.request = nil
	}
	a.put(i)
	if i.listed && next.shown() != before.shown() {
		s.push(a, i)
	}
	for _, x := range a.sessions {
		if deliver && (x.interested || kind == "subscribe" && x.available()) {
			x.send(p)
		}
	}
	if before.from && !next.from {
		s.hide(a, sender)
	}
	if answer == "" {
		return
	}
	reply := framing.New(framing.NSClient, "presence").Set("type", answer).
		Set("from", a.jid.String()).Set("to", sender.String())
	if other := s.find(sender); other != nil {
		s.receive(other, a.jid, answer, reply)
		return
	}
	s.abroad(reply)
	if answer == "subscribed" { // its server has forgotten, and so knows nothing of our presence
		s.show(a, sender)
	}
}

// sharesWith reports whether j may see the account's presence.
func (a *account) sharesWith(j jid.JID) bool {
	i := a.roster[j.Bare()]
	return j.Bare() == a.jid || i != nil && i.sub.from
}

// priority reads a presence's priority (RFC 6121 §4.7.2.3). What is no number in
// range counts as 0.
func priority(p *framing.Element) int {
	n, err := strconv.Atoi(strings.TrimSpace(p.Child(framing.NSClient, "priority").Text()))
	if err != nil || n < -128 || n > 127 {
		return 0
	}
	return n
}
