package trial

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"natter/app/jid"
	"natter/framing"
)

// outgoing is how stanzas get to another domain: over one stream at a time, which is opened for
// the first of them. Stanzas go to the other server on streams of ours and come from it on
// streams of its own (RFC 6120 §4.2).
type outgoing struct {
	s      *Server
	domain string
	wake   chan struct{}

	waiting []*framing.Element // not written yet
	batch   []*framing.Element // being written
	replies int                // <a/> that the other server is due
	sm      *acks              // nil unless the other server counts (XEP-0198)
	marked  uint32             // how many had been written when we last asked for its count
	conn    net.Conn
	ended   bool // nothing more is written on the stream there is
}

// undelivered is why stanzas come back to their authors: a stanza error and a sentence.
type undelivered struct{ condition, text string }

func (u *undelivered) Error() string { return u.condition + ": " + u.text }

// foreign reports whether an address is of a domain of others.
func (s *Server) foreign(j jid.JID) bool {
	return j != "" && j.Domain() != s.domain.String() && j.Domain() != s.conference.String()
}

// abroad sends a stanza to another domain, or back to its author if that cannot be done.
func (s *Server) abroad(st *framing.Element) {
	domain := jid.JID(st.Attr("to")).Domain()
	r := s.outgoing[domain]
	switch {
	case s.o.Others == nil:
		s.giveBack(st, &undelivered{"remote-server-not-found", "this server reaches no others"})
		return
	case r == nil && (s.ctx.Err() != nil || len(s.outgoing) >= s.lim.Servers):
		s.giveBack(st, &undelivered{"resource-constraint", "this server has streams to too many others"})
		return
	case r == nil:
		r = &outgoing{s: s, domain: domain, wake: make(chan struct{}, 1)}
		s.outgoing[domain] = r
		s.between.Add(1)
		go r.carry()
	case len(r.waiting) >= s.lim.Queue:
		s.giveBack(st, &undelivered{"resource-constraint", "too much waits for " + domain})
		return
	}
	r.waiting = append(r.waiting, inSpace(st, framing.NSClient, framing.NSServer))
	r.ring()
}

func (r *outgoing) ring() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// carry opens streams until nothing waits for one. It runs without the mutex.
func (r *outgoing) carry() {
	defer r.s.between.Done()
	for again := true; again; {
		established, err := r.stream()
		r.s.do(func() { again = r.over(established, err) })
	}
}

// over gives back what a stream did not deliver. It returns true if another stream is needed:
// what had not been written when one that once worked was lost.
func (r *outgoing) over(established bool, err error) (again bool) {
	var why *undelivered
	if !errors.As(err, &why) {
		why = &undelivered{"remote-server-timeout", "the stream to " + r.domain + " was lost"}
	}
	var back []*framing.Element
	if r.sm != nil {
		back, r.sm = r.sm.unacked, nil
	} else {
		back = r.batch // as far as is known
	}
	r.batch, r.conn, r.ended, r.replies = nil, nil, false, 0
	again = established && len(r.waiting) > 0 && r.s.ctx.Err() == nil
	if !again {
		back, r.waiting = append(back, r.waiting...), nil
		delete(r.s.outgoing, r.domain)
	}
	for _, st := range back {
		r.s.giveBack(inSpace(st, framing.NSServer, framing.NSClient), why)
	}
	return again
}

// giveBack tells the author of a stanza that it could not be delivered (RFC 6120 §8.3). Answers
// are not answered, and nobody waits for one to presence that only says that they leave.
func (s *Server) giveBack(st *framing.Element, why *undelivered) {
	switch kind := st.Attr("type"); {
	case kind == "error", st.Name.Local == "iq" && kind == "result":
		return
	case st.Name.Local == "presence" && kind != "" && kind != "subscribe" && kind != "probe":
		return
	}
	e := errorReply(st, why.condition)
	e.Child(framing.NSClient, "error").Add(framing.New(framing.NSStanzaError, "text").AddText(why.text))
	author := jid.JID(st.Attr("from"))
	a := s.find(author)
	if a == nil {
		return
	}
	for _, x := range a.sessions {
		if x.jid == author || author.IsBare() && x.available() {
			x.send(e)
		}
	}
}

// stream opens a stream, and writes what waits until that is over. It runs without the mutex.
func (r *outgoing) stream() (established bool, err error) {
	s := r.s
	conn := s.o.Others()
	defer conn.Close()
	s.do(func() { r.conn = conn })
	unready := context.AfterFunc(s.ctx, func() { _ = conn.Close() })
	defer unready()
	in, id, features, err := s.call(conn, r.domain)
	if err == nil {
		err = s.prove(conn, in, r.domain, id)
	}
	counts := false
	if err == nil && features.Child(nsSM, "sm") != nil {
		counts, err = r.enable(conn, in)
	}
	if err != nil {
		return false, err
	}
	unready()
	_ = conn.SetDeadline(time.Time{})
	s.do(func() {
		if counts {
			r.sm, r.marked = &acks{most: s.lim.Queue}, 0
		}
	})
	lost := make(chan error, 1)
	go func() { lost <- r.listen(in) }()
	idle := time.NewTimer(s.lim.Idle)
	defer idle.Stop()
	for {
		var batch []*framing.Element
		ending := false
		s.do(func() {
			batch, ending = r.take()
			r.batch = batch
		})
		if len(batch) > 0 {
			idle.Reset(s.lim.Idle)
		}
		if err := s.writeAll(conn, batch...); err != nil {
			return true, err
		}
		s.do(func() { r.batch = nil })
		if ending {
			return true, s.hangUp(conn, lost)
		}
		select {
		case err := <-lost:
			_ = s.hangUp(conn, nil)
			return true, err
		case <-idle.C:
			s.do(func() { r.ended = len(r.waiting) == 0 })
			r.ring()
		case <-r.wake:
		}
	}
}

// take returns what can be written now, and whether the stream ends after that: not yet while a
// server that shuts down still has people, whose leaving is to be told.
func (r *outgoing) take() (batch []*framing.Element, ending bool) {
	for len(r.waiting) > 0 && !r.ended && (r.sm == nil || r.sm.sent(r.waiting[0])) {
		batch = append(batch, r.waiting[0])
		r.waiting = r.waiting[1:]
	}
	for ; r.replies > 0; r.replies-- {
		batch = append(batch, smElement("a").Set("h", "0")) // it sends no stanzas on this stream
	}
	if r.sm != nil && !r.sm.asked && r.sm.out != r.marked {
		r.sm.asked, r.marked = true, r.sm.out
		batch = append(batch, smElement("r"))
	}
	return batch, r.ended || r.s.ctx.Err() != nil && len(r.waiting) == 0
}

// listen reads what the other server says on a stream on which it has nothing to say but
// counts. It runs without the mutex.
func (r *outgoing) listen(in *framing.StreamReader) error {
	for {
		e, err := in.Next()
		if err != nil {
			return err
		}
		if failed := framing.ReadStreamError(e); failed != nil {
			return asUndelivered(failed)
		}
		wrong := false
		r.s.do(func() {
			switch {
			case r.sm == nil:
			case e.Is(nsSM, "r"):
				r.replies++
				r.ring()
			case e.Is(nsSM, "a"):
				h, ok := counted(e.Attr("h"))
				wrong = !ok || !r.sm.ack(h)
				r.sm.asked = false
				r.ring()
			}
		})
		if wrong {
			return fmt.Errorf("%s counts stanzas that it was not sent", r.domain)
		}
	}
}

// enable lets the other server count what it gets (XEP-0198 §3). A stream that is lost is not
// resumed: what it has not counted goes back to its author.
func (r *outgoing) enable(conn net.Conn, in *framing.StreamReader) (bool, error) {
	if err := r.s.writeAll(conn, smElement("enable")); err != nil {
		return false, err
	}
	e, err := in.Next()
	if err != nil {
		return false, err
	}
	return e.Is(nsSM, "enabled"), nil
}

// hangUp ends a stream and waits a little for the other end, if lost tells of it.
func (s *Server) hangUp(conn net.Conn, lost <-chan error) error {
	_ = conn.SetDeadline(time.Now().Add(s.lim.Write))
	_, err := conn.Write([]byte(framing.StreamEnd))
	if err == nil && lost != nil {
		err = <-lost
	}
	return err
}

// call opens a stream to the server of another domain, up to its features.
func (s *Server) call(conn net.Conn, domain string) (in *framing.StreamReader, id string, features *framing.Element, err error) {
	_ = conn.SetDeadline(time.Now().Add(2 * s.lim.Login)) // the other server calls back meanwhile
	in = framing.NewStreamReader(conn, framing.Limits{Bytes: s.lim.BytesBefore, Depth: s.lim.Depth})
	header := framing.Open{From: s.domain.String(), To: domain, Version: "1.0"}
	if _, err := conn.Write(header.AppendHeader(nil, framing.NSServer)); err != nil {
		return nil, "", nil, err
	}
	e, err := in.Next()
	if err != nil {
		return nil, "", nil, err
	}
	open, ok := framing.ReadHeader(e)
	if !ok || in.Space() != framing.NSServer {
		return nil, "", nil, errors.New("no header of a stream between servers")
	}
	features, err = in.Next()
	if err != nil {
		return nil, "", nil, err
	}
	if failed := framing.ReadStreamError(features); failed != nil {
		return nil, "", nil, asUndelivered(failed)
	}
	if !features.Is(framing.NSStream, "features") {
		return nil, "", nil, errors.New("no features")
	}
	return in, open.ID, features, nil
}

// asUndelivered is what a stream error comes to for the author of a stanza. Who opens streams
// for us says which stanza error it is.
func asUndelivered(failed *framing.StreamError) *undelivered {
	why := &undelivered{"remote-server-timeout", failed.Text}
	if failed.App.Is(framing.NSStanzaError, "remote-server-not-found") || failed.Condition == framing.HostUnknown {
		why.condition = "remote-server-not-found"
	}
	if why.text == "" {
		why.text = "the other server ended the stream: " + failed.Condition
	}
	return why
}

// prove shows by dialback that a stream is ours (XEP-0220 §2.1.1).
func (s *Server) prove(conn net.Conn, in *framing.StreamReader, domain, id string) error {
	own := s.domain.String()
	result := dialback("result", own, domain, "").AddText(s.key(domain, own, id))
	if err := s.writeAll(conn, result); err != nil {
		return err
	}
	e, err := in.Next()
	if err != nil {
		return err
	}
	if failed := framing.ReadStreamError(e); failed != nil {
		return asUndelivered(failed)
	}
	switch {
	case !e.Is(framing.NSDialback, "result") || domainOf(e.Attr("from")) != domain || domainOf(e.Attr("to")) != own:
		return errors.New("no result of dialback")
	case e.Attr("type") == "valid":
		return nil
	case e.Attr("type") == "invalid": // XEP-0220 §2.1.1
		return &undelivered{"internal-server-error", domain + " does not believe that this is " + own}
	}
	return &undelivered{"remote-server-timeout", domain + " could not find out whether this is " + own}
}

// verify asks the server of a domain whether it has made a key for a stream, on a stream of
// its own (XEP-0220 §2.1.2). It runs without the mutex.
func (s *Server) verify(domain, key, id string) (verdict string) {
	conn := s.o.Others()
	defer conn.Close()
	defer context.AfterFunc(s.ctx, func() { _ = conn.Close() })()
	in, _, _, err := s.call(conn, domain)
	if err != nil {
		return "error"
	}
	own := s.domain.String()
	if s.writeAll(conn, dialback("verify", own, domain, id).AddText(key)) != nil {
		return "error"
	}
	e, err := in.Next()
	if err != nil || !e.Is(framing.NSDialback, "verify") || domainOf(e.Attr("from")) != domain || domainOf(e.Attr("to")) != own || e.Attr("id") != id {
		return "error"
	}
	_ = s.hangUp(conn, nil)
	if verdict = e.Attr("type"); verdict != "valid" && verdict != "invalid" {
		return "error"
	}
	return verdict
}

// key is what this server says in a dialback. It need not remember it (XEP-0185).
func (s *Server) key(receiving, originating, id string) string {
	mac := hmac.New(sha256.New, s.keys)
	mac.Write([]byte(receiving + " " + originating + " " + id))
	return hex.EncodeToString(mac.Sum(nil))
}

func dialback(local, from, to, id string) *framing.Element {
	return framing.New(framing.NSDialback, local).Set("from", from).Set("to", to).Set("id", id)
}

// writeAll sends elements to another server, which has its time for each of them.
func (s *Server) writeAll(conn net.Conn, all ...*framing.Element) error {
	for _, e := range all {
		if err := conn.SetWriteDeadline(time.Now().Add(s.lim.Write)); err != nil {
			return err
		}
		if _, err := conn.Write(e.AppendWithin(nil, framing.NSServer)); err != nil {
			return err
		}
	}
	return nil
}

// inSpace returns a stanza, and what of it is in the same namespace, in another one: stanzas
// of clients and of servers differ by that alone (RFC 6120 §4.8.3). One that is within
// something else, as in a forwarded message, stays as it is.
func inSpace(e *framing.Element, from, to string) *framing.Element {
	if e.Name.Space != from {
		return e
	}
	moved := &framing.Element{Name: framing.Name{Space: to, Local: e.Name.Local}, Attrs: e.Attrs, Children: make([]framing.Node, len(e.Children))}
	for i, n := range e.Children {
		if n.Element != nil {
			n.Element = inSpace(n.Element, from, to)
		}
		moved.Children[i] = n
	}
	return moved
}

// domainOf returns the domain of an address as it may have come.
func domainOf(address string) string {
	j, err := jid.Parse(address)
	if err != nil { // the rest of it may be what is wrong
		return strings.ToLower(jid.JID(address).Domain())
	}
	return j.Domain()
}
