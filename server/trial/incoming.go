package trial

import (
	"crypto/hmac"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"natter/app/jid"
	"natter/framing"
)

const nsDialbackFeature = "urn:xmpp:features:dialback"

// maxProofs bounds how many domains another server shows at the same time on one stream.
const maxProofs = 5

// incoming is a stream that another server has opened. It says what people of domains say for
// which it has shown that it may (RFC 6120 §8.1.2.2), and asks about keys of ours.
type incoming struct {
	s    *Server
	conn net.Conn
	in   *framing.StreamReader
	id   string

	stanzas, bytes, fanout *bucket
	handled                uint32 // stanzas
	counts                 bool   // the other server has asked us to count them (XEP-0198)

	mu      sync.Mutex // guards writing and what follows
	valid   map[string]bool
	proving int
}

// Servers returns a stream that another server is about to open. It is the other end of
// Options.Others.
func (s *Server) Servers() net.Conn {
	ours, theirs := net.Pipe()
	v := &incoming{s: s, conn: ours, id: s.o.NewID(), valid: map[string]bool{},
		in: framing.NewStreamReader(ours, framing.Limits{Bytes: s.lim.BytesAfter, Depth: s.lim.Depth})}
	full := false
	s.do(func() {
		full = s.closing || len(s.incoming) >= s.lim.Servers
		if full {
			return
		}
		now := s.o.Now()
		v.stanzas = newBucket(s.lim.Stanzas, s.lim.StanzaBurst, now)
		v.bytes = newBucket(s.lim.Bytes, s.lim.ByteBurst, now)
		v.fanout = newBucket(s.lim.Fanout, s.lim.FanoutBurst, now)
		s.incoming[v] = struct{}{}
		s.between.Add(1)
	})
	if full {
		_ = ours.Close()
		return theirs
	}
	go func() {
		defer s.between.Done()
		defer ours.Close()
		v.carry()
		s.do(func() { delete(s.incoming, v) })
	}()
	return theirs
}

// carry handles what comes to the end of the stream. It runs without the mutex.
func (v *incoming) carry() {
	_ = v.conn.SetReadDeadline(time.Now().Add(v.s.lim.Login))
	err := v.open()
	for err == nil {
		var e *framing.Element
		if e, err = v.in.Next(); err == nil {
			err = v.handle(e)
		}
	}
	var wrong *framing.StreamError
	var broken *framing.SyntaxError
	if errors.As(err, &broken) {
		wrong = &framing.StreamError{Condition: broken.Condition}
	}
	v.end(wrong, err)
}

// end says how much came, and why the stream ends if something is wrong.
func (v *incoming) end(wrong *framing.StreamError, err error) {
	if errors.As(err, &wrong) || wrong != nil {
		_ = v.write(wrong.Element())
	} else if v.counts {
		_ = v.write(smElement("a").Set("h", count(v.handled)))
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = v.s.hangUp(v.conn, nil)
}

// open answers the header of the other server.
func (v *incoming) open() error {
	e, err := v.in.Next()
	if err != nil {
		return err
	}
	o, ok := framing.ReadHeader(e)
	if !ok || v.in.Space() != framing.NSServer {
		return errors.New("no header of a stream between servers")
	}
	answer := framing.Open{From: v.s.domain.String(), To: o.From, ID: v.id, Lang: "en", Version: "1.0"}
	v.mu.Lock()
	_, err = v.conn.Write(answer.AppendHeader(nil, framing.NSServer))
	v.mu.Unlock()
	switch {
	case err != nil:
		return err
	case !sameHost(o.To, v.s.domain):
		return &framing.StreamError{Condition: framing.HostUnknown}
	case framing.MajorVersion(o.Version) < 1:
		return &framing.StreamError{Condition: framing.UnsupportedVersion}
	}
	return v.write(framing.New(framing.NSStream, "features").Add(
		framing.New(nsDialbackFeature, "dialback").Add(framing.New(nsDialbackFeature, "errors")),
		framing.New(nsSM, "sm")))
}

func (v *incoming) write(all ...*framing.Element) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.s.writeAll(v.conn, all...)
}

// handle carries one element to its end.
func (v *incoming) handle(e *framing.Element) error {
	from, to := domainOf(e.Attr("from")), domainOf(e.Attr("to"))
	here := to == v.s.domain.String()
	switch {
	case e.Name.Space == nsSM:
		return v.count(e)
	case e.Is(framing.NSDialback, "result") && e.Attr("type") == "":
		return v.prove(e, here)
	case e.Is(framing.NSDialback, "verify") && e.Attr("type") == "":
		return v.judge(e, here)
	case e.Name.Space == framing.NSDialback:
		return &framing.StreamError{Condition: framing.PolicyViolation, Text: "a dialback that nobody asked for"}
	case e.Name.Space != framing.NSServer || !isStanza(inSpace(e, framing.NSServer, framing.NSClient)):
		return &framing.StreamError{Condition: framing.UnsupportedStanzaType}
	case from == "" || to == "":
		return &framing.StreamError{Condition: framing.ImproperAddressing}
	case !v.speaksFor(from):
		return &framing.StreamError{Condition: framing.InvalidFrom, Text: "this stream is not for stanzas from there"}
	case !here:
		return &framing.StreamError{Condition: framing.HostUnknown}
	}
	return v.stanza(e)
}

func (v *incoming) speaksFor(domain string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.valid[domain]
}

// stanza lets a stanza in, and makes the other server wait if it sends many.
func (v *incoming) stanza(e *framing.Element) error {
	s := v.s
	var wait time.Duration
	ok := s.do(func() {
		v.handled++
		s.fanout = 0
		s.sweep()
		s.arrive(inSpace(e, framing.NSServer, framing.NSClient))
		now := s.o.Now()
		wait = max(v.stanzas.take(now, 1), v.bytes.take(now, float64(v.in.Size())), v.fanout.take(now, float64(s.fanout)))
	})
	if !ok {
		return &framing.StreamError{Condition: framing.InternalServerError}
	}
	if wait > 0 {
		return s.o.Sleep(s.ctx, wait)
	}
	return nil
}

// count is the Stream Management of a stream that brings stanzas and takes none.
func (v *incoming) count(e *framing.Element) error {
	switch e.Name.Local {
	case "enable":
		if v.counts {
			return v.write(smFailed("unexpected-request"))
		}
		v.counts, v.handled = true, 0
		return v.write(smElement("enabled"))
	case "r":
		if v.counts {
			return v.write(smElement("a").Set("h", count(v.handled)))
		}
	case "a":
		return nil // of nothing
	}
	return v.write(smFailed("unexpected-request"))
}

// judge says whether a key is ours (XEP-0220 §2.2.2).
func (v *incoming) judge(e *framing.Element, here bool) error {
	verdict := "invalid"
	switch own := v.s.domain.String(); {
	case !here:
		return v.write(refused(e, "item-not-found"))
	case hmac.Equal([]byte(strings.TrimSpace(e.Text())), []byte(v.s.key(domainOf(e.Attr("from")), own, e.Attr("id")))):
		verdict = "valid"
	}
	_ = v.conn.SetReadDeadline(time.Time{}) // it was of use
	return v.write(answered(e, verdict))
}

// prove asks the server of a domain whether this stream is one of its own (XEP-0220 §2.2.1).
// Others may go on meanwhile.
func (v *incoming) prove(e *framing.Element, here bool) error {
	domain := domainOf(e.Attr("from"))
	j, err := jid.Parse(domain)
	v.mu.Lock()
	busy := v.proving >= maxProofs || len(v.valid) >= v.s.lim.Servers
	if !busy {
		v.proving++
	}
	v.mu.Unlock()
	condition := ""
	switch {
	case err != nil || j.Local() != "" || !v.s.foreign(j):
		condition = "not-acceptable"
	case !here:
		condition = "item-not-found"
	case busy:
		condition = "resource-constraint"
	}
	if condition != "" {
		if !busy {
			v.proved("")
		}
		return v.write(refused(e, condition))
	}
	v.s.between.Add(1)
	go func() {
		defer v.s.between.Done()
		verdict := v.s.verify(domain, strings.TrimSpace(e.Text()), v.id)
		if verdict == "valid" {
			v.proved(domain)
			_ = v.conn.SetReadDeadline(time.Time{})
			_ = v.write(answered(e, verdict))
			return
		}
		v.proved("")
		v.s.log.Warn("dialback of another server failed", "verdict", verdict)
		if verdict == "invalid" {
			_ = v.write(answered(e, verdict))
			v.leave()
			return
		}
		_ = v.write(refused(e, "remote-server-timeout"))
	}()
	return nil
}

// leave ends a stream that is for nobody.
func (v *incoming) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.valid) == 0 {
		_ = v.s.hangUp(v.conn, nil)
		_ = v.conn.Close()
	}
}

// proved counts a dialback as done, of a domain unless it failed.
func (v *incoming) proved(domain string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.proving--
	if domain != "" {
		v.valid[domain] = true
	}
}

func answered(e *framing.Element, verdict string) *framing.Element {
	return dialback(e.Name.Local, e.Attr("to"), e.Attr("from"), e.Attr("id")).Set("type", verdict)
}

func refused(e *framing.Element, condition string) *framing.Element {
	return answered(e, "error").Add(framing.New(framing.NSServer, "error").Set("type", errorTypes[condition]).
		Add(framing.New(framing.NSStanzaError, condition)))
}

// arrive carries a stanza of another domain to where it belongs. Its author is a session of
// nobody here, and what that gets goes abroad.
func (s *Server) arrive(e *framing.Element) {
	from, err := jid.Parse(e.Attr("from"))
	if err != nil {
		from = jid.JID(e.Attr("from"))
	}
	x := &session{s: s, account: &account{jid: from.Bare()}, jid: from, directed: map[jid.JID]struct{}{}, bot: s.abroad}
	if err != nil {
		x.refuse(e, "jid-malformed")
		return
	}
	s.route(x, clean(e, x))
}
