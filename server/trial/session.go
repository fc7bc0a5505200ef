package trial

import (
	"time"

	"natter/app/jid"
	"natter/framing"
)

// session is a bound resource. It outlives its connection when Stream Management
// says so.
type session struct {
	s       *Server
	account *account
	jid     jid.JID // full
	conn    *conn   // nil while it waits to be resumed, and for echo
	client  string  // the installation it runs in, "" if unknown
	lost    time.Time
	bot     func(*framing.Element) // takes what is sent to it instead of a connection

	presence   *framing.Element // the latest that made it available, nil if it is not
	priority   int
	directed   map[jid.JID]struct{} // who was sent presence and must hear of its end
	rooms      map[jid.JID]struct{} // it is in
	interested bool                 // has asked for the roster, so is told of changes
	carbons    bool
	caps       capabilities
	archived   bool // has read the archive, so needs no waiting messages

	sm *acks // nil until Stream Management is enabled
}

// available reports whether the session has sent presence and not taken it back.
func (x *session) available() bool { return x.presence != nil }

// send queues a stanza for the session.
func (x *session) send(st *framing.Element) {
	if x.bot != nil {
		x.s.later = append(x.s.later, func() { x.bot(st) })
		return
	}
	if x.sm != nil && !x.sm.sent(st) {
		x.overflow()
		return
	}
	if x.conn == nil {
		return
	}
	x.conn.send(st)
	if x.sm != nil && !x.sm.asked {
		x.sm.asked = true
		x.conn.send(framing.New(nsSM, "r"))
	}
}

// overflow gives up a session that acknowledges nothing.
func (x *session) overflow() {
	if x.conn != nil {
		x.conn.fail(framing.PolicyViolation, "too many stanzas are not acknowledged")
	}
	x.s.later = append(x.s.later, func() { x.s.end(x) })
}

// end takes a session off: its contacts see it leave, it can no longer be
// resumed, and messages it has not acknowledged are delivered as if it had not
// been there. Ending it again does nothing.
func (s *Server) end(x *session) {
	a := x.account
	if a.sessions[x.jid.Resource()] != x {
		return
	}
	delete(a.sessions, x.jid.Resource())
	s.unavailable(x, nil)
	if x.sm == nil {
		return
	}
	if x.sm.id != "" {
		delete(s.streams, x.sm.id)
		if len(a.expired) >= s.lim.Sessions {
			clear(a.expired)
		}
		a.expired[x.sm.id] = x.sm.in
	}
	for _, st := range x.sm.unacked {
		s.redeliver(a, st)
	}
	x.sm.unacked = nil
}

// sweep forgets what is too old. It runs before every element, which is when it
// can make a difference, and when a lost session's time is up.
func (s *Server) sweep() {
	now := s.o.Now()
	for _, x := range s.streams {
		if x.conn == nil && now.Sub(x.lost) >= s.lim.Resume {
			s.end(x)
		}
	}
	for _, a := range s.accounts {
		s.stored -= a.archive.dropBefore(now.Add(-s.lim.Retention))
	}
	for _, r := range s.rooms {
		s.stored -= r.archive.dropBefore(now.Add(-s.lim.Retention))
	}
	for address, g := range s.graves {
		if now.Sub(g.at) >= s.lim.Retention {
			delete(s.graves, address)
		}
	}
	for remote, b := range s.failures {
		b.fill(now)
		if b.tokens >= b.burst {
			delete(s.failures, remote)
		}
	}
}

// hibernate keeps a session whose connection was lost. Its contacts see it still,
// until it is resumed or given up.
func (s *Server) hibernate(x *session) {
	x.lost = s.o.Now()
	time.AfterFunc(s.lim.Resume, func() { s.do(s.sweep) })
}
