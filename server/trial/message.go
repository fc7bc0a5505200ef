package trial

import (
	"natter/app/jid"
	"natter/framing"
)

// message delivers a message (RFC 6121 §8.5), shows it to the other clients of
// both sides (XEP-0280) and keeps it for them (XEP-0313).
func (s *Server) message(x *session, m *framing.Element, to jid.JID) {
	if to == "" {
		to = x.account.jid // RFC 6120 §10.3.1
	}
	abroad := s.foreign(to)
	switch {
	case abroad && s.o.Others == nil:
		x.refuse(m, "remote-server-not-found")
		return
	case to.Local() == "" && !abroad:
		return // nobody reads what is written to the server itself
	}
	a := s.find(to)
	if a == nil && !abroad {
		// Real servers say so too. Who may ask has signed in and is slowed down.
		if kind(m) != "headline" {
			x.refuse(m, "service-unavailable")
		}
		return
	}
	if a != x.account && !s.foreign(x.jid) {
		sent := m
		if keep(m) {
			sent = with(m, s.record(&x.account.archive, x.account.jid, m, to))
		}
		if copies(m) {
			s.carbons(x.account, "sent", sent, x)
		}
	}
	if abroad {
		s.abroad(m)
		return
	}
	if condition := s.deliver(x, a, m, to); condition != "" {
		x.refuse(m, condition)
	}
}

// deliver brings a message to an account and returns the condition to refuse it
// with, "" if it was taken or may be forgotten silently. See the table of
// RFC 6121 §8.5.4.
func (s *Server) deliver(x *session, a *account, m *framing.Element, to jid.JID) string {
	var targets []*session
	match := a.sessions[to.Resource()]
	k := kind(m)
	switch {
	case match != nil && !to.IsBare():
		targets = []*session{match}
	case k == "error":
		return ""
	case k == "groupchat", k == "normal" && !to.IsBare():
		return "service-unavailable"
	case k == "headline" && !to.IsBare():
		return ""
	case k == "headline":
		targets = a.listening(false)
	default:
		targets = a.listening(true)
	}
	kept := keep(m)
	if k != "headline" && len(targets) == 0 && kept && len(a.offline) >= s.lim.Offline {
		return "resource-constraint"
	}
	if kept {
		m = with(m, s.record(&a.archive, a.jid, m, jid.JID(m.Attr("from"))))
	}
	if len(targets) == 0 {
		if kept {
			a.offline = append(a.offline, with(m, s.delay()))
		}
		return ""
	}
	for _, t := range targets {
		s.count(x, a)
		t.send(m)
	}
	if copies(m) {
		s.carbons(a, "received", m, targets...)
	}
	return ""
}

// count charges a delivery to somebody else to the client that caused it.
func (s *Server) count(x *session, a *account) {
	if x != nil && x.account != a {
		s.fanout++
	}
}

// kind is the type of a message; what is unknown is normal (RFC 6121 §5.2.2).
func kind(m *framing.Element) string {
	switch k := m.Attr("type"); k {
	case "chat", "groupchat", "headline", "error":
		return k
	}
	return "normal"
}

// listening returns the sessions that take messages to the bare address: those
// with a priority that is not negative, with most only the highest of them.
func (a *account) listening(most bool) []*session {
	var all, top []*session
	highest := 0
	for _, x := range a.sessions {
		if !x.available() || x.priority < 0 {
			continue
		}
		all = append(all, x)
		switch {
		case x.priority > highest || len(top) == 0:
			top, highest = []*session{x}, x.priority
		case x.priority == highest:
			top = append(top, x)
		}
	}
	if most {
		return top
	}
	return all
}

// keep reports whether a message of a conversation is worth storing.
func keep(m *framing.Element) bool {
	k := kind(m)
	return (k == "chat" || k == "normal") && says(m)
}

// says reports whether a message is more than a sign of typing. Its sender has the
// last word (XEP-0334).
func says(m *framing.Element) bool {
	if m.Child(nsHints, "no-store") != nil || m.Child(nsHints, "no-permanent-store") != nil {
		return false
	}
	for _, p := range m.Elements() {
		switch p.Name.Space {
		case nsStates, nsStanzaID, nsDelay:
		case nsHints:
			if p.Name.Local == "store" {
				return true
			}
		case framing.NSClient:
			if p.Name.Local != "thread" {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// copies reports whether a message is shown to the other clients of an account
// (XEP-0280 §6.1).
func copies(m *framing.Element) bool {
	if m.Child(nsCarbons, "private") != nil || m.Child(nsHints, "no-copy") != nil {
		return false
	}
	k := kind(m)
	return k == "chat" || k == "normal" && m.Child(framing.NSClient, "body") != nil
}

// carbons sends copies of a message to the clients of an account that want them,
// but not to those it came from or was delivered to.
func (s *Server) carbons(a *account, direction string, m *framing.Element, not ...*session) {
next:
	for _, x := range a.sessions {
		if !x.carbons {
			continue
		}
		for _, n := range not {
			if x == n {
				continue next
			}
		}
		x.send(framing.New(framing.NSClient, "message").Set("type", kind(m)).
			Set("from", a.jid.String()).Set("to", x.jid.String()).
			Add(framing.New(nsCarbons, direction).Add(framing.New(nsForward, "forwarded").Add(m))))
	}
}

// catchUp delivers the messages that have waited, now that the session listens. A
// client that has read the archive has them already.
func (s *Server) catchUp(x *session) {
	if x.priority < 0 || len(x.account.offline) == 0 {
		return
	}
	waiting := x.account.offline
	x.account.offline = nil
	if x.archived {
		return
	}
	for _, m := range waiting {
		x.send(m)
	}
}

// redeliver brings a message that a lost session never acknowledged to the
// clients that are left, or lets it wait. It is in the archive already; what the
// server itself sent, such as copies and archive pages, is not repeated.
func (s *Server) redeliver(a *account, st *framing.Element) {
	if st.Name.Local != "message" || !keep(st) || jid.JID(st.Attr("from")) == a.jid {
		return
	}
	if st.Child(nsDelay, "delay") == nil {
		st = with(st, s.delay())
	}
	targets := a.listening(true)
	for _, t := range targets {
		if !t.carbons { // else it has its copy
			t.send(st)
		}
	}
	if len(targets) == 0 && len(a.offline) < s.lim.Offline {
		a.offline = append(a.offline, st)
	}
}

// delay says that this server had the message since now (XEP-0203).
func (s *Server) delay() *framing.Element {
	return framing.New(nsDelay, "delay").Set("from", s.domain.String()).Set("stamp", stamp(s.o.Now()))
}
