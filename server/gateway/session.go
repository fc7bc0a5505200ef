package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"natter/framing"
	"natter/framing/native"
)

const (
	nsSASL  = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2 = "urn:xmpp:sasl:2"
	nsSM    = "urn:xmpp:sm:3"
	nsBind2 = "urn:xmpp:bind:0"
)

// session is one WebSocket and the TCP connection behind it.
type session struct {
	g        *Gateway
	log      *slog.Logger
	client   netip.AddrPort
	local    net.Addr // where the client's connection arrived
	place    netip.Prefix
	host     string // that the client has asked for, with the port if it named one
	sentHere bool   // by another gateway
	secure   bool   // came by TLS, as far as we know
	started  time.Time

	socket framing.Socket
	conn   *framing.Conn
	domain *domain                  // once the client has said which
	up     atomic.Pointer[upstream] // once it is there

	authenticated atomic.Bool
	resumable     atomic.Bool // Stream Management is on
	size          atomic.Int64

	mu         sync.Mutex
	mayRestart bool   // the client may send another header
	restarting bool   // and the backend shall answer it
	left       bool   // the client has sent <close/>
	moved      bool   // it has been sent elsewhere, its session stays
	goTo       string // where it is sent when the backend has ended the stream
	reason     string // why it ends: the first that was noted

	ready chan struct{} // closed when up is there
	tail  chan struct{} // closed when nothing more comes from the backend
	over  chan struct{} // closed when all is over
}

// note says why the session ends, for the log and the meter.
func (s *session) note(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reason == "" {
		s.reason = reason
	}
}

// alive is called when the client has shown that it lives.
func (s *session) alive() {
	if u := s.up.Load(); u != nil {
		u.keepAlive(s.g.lim.KeepAlive)
	}
}

// serve carries the session to its end and returns why it ended.
func (s *session) serve(ctx context.Context, socket framing.Socket) string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn := framing.NewConn(socket, framing.ConnOptions{
		Server: true, CloseTimeout: s.g.lim.Close,
		Limits:  framing.Limits{Bytes: s.g.lim.BytesAfter},
		Closing: s.closing,
		Trace: func(out bool, doc string) {
			if !out {
				s.size.Store(int64(len(doc)))
			}
		},
	})
	s.mu.Lock()
	s.socket, s.conn = socket, conn
	s.mu.Unlock()
	login := time.AfterFunc(s.g.lim.Login, func() {
		if !s.authenticated.Load() {
			s.fail(framing.ConnectionTimeout, "nobody has signed in", "slow-login")
		}
	})
	defer login.Stop()
	if s.open(ctx) {
		s.relay(ctx)
	}
	conn.Drop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.Info("stream ended", "reason", s.reason)
	return s.reason
}

// fail ends the stream with an error.
func (s *session) fail(condition, text, reason string) {
	s.note(reason)
	_ = s.conn.Fail(context.Background(), &framing.StreamError{Condition: condition, Text: text})
}

// endless is the context of reading and writing, which end with the socket: then nothing has to be
// prepared for each message in case that the context ends (native).
var endless = context.Background()

// open reads the client's header and opens a stream with a backend. It returns false
// if there is none, and the client has been told why.
func (s *session) open(ctx context.Context) bool {
	late := time.AfterFunc(s.g.lim.Handshake, func() {
		s.fail(framing.ConnectionTimeout, "no stream header came", "slow-header")
	})
	e, err := s.conn.Read(endless)
	late.Stop()
	if err != nil {
		s.note(kindOf(err))
		return false
	}
	open, err := framing.ReadOpen(e, framing.NSFraming)
	if err != nil {
		s.fail(framing.NotAuthorized, "a stream begins with its header", "no-header")
		return false
	}
	s.domain = s.g.domains[lower(open.To)]
	switch {
	case open.To == "":
		s.fail(framing.ImproperAddressing, "the header does not say which domain it is for", "no-domain")
		return false
	case s.domain == nil:
		s.fail(framing.HostUnknown, "", "unknown-domain")
		return false
	case framing.MajorVersion(open.Version) < 1:
		s.fail(framing.UnsupportedVersion, "", "old-version")
		return false
	}
	s.log = s.log.With("domain", s.domain.Name)
	if s.g.sendsOn(s) && s.redirectNewcomer(ctx) {
		return false
	}
	u, err := s.caller().reach(ctx, s.domain, framing.Open{To: s.domain.Name, From: open.From, Lang: open.Lang, Version: "1.0"})
	if err != nil {
		s.fail(framing.RemoteConnectionFailed, "the server of "+s.domain.Name+" cannot be reached at the moment", "backend-unreachable")
		return false
	}
	s.up.Store(u)
	defer close(s.ready)
	if err := s.conn.Write(endless, opened(u.header)); err != nil {
		s.note("lost")
		_ = u.conn.Close()
		return false
	}
	return true
}

func (s *session) caller() caller {
	return caller{framing.NSClient, s.client, s.local, s.g.lim, s.g.c.Roots, s.log, s.g.c.Meter.Dialled}
}

// opened is the header of the backend in the words of RFC 7395.
func opened(h framing.Open) *framing.Element { return h.Element(framing.NSFraming) }

// relay passes on what either side says until it is over. A session that ends without
// a word is left for the client to resume.
func (s *session) relay(ctx context.Context) {
	u := s.up.Load()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.fromBackend(ctx, u)
	}()
	s.fromClient(u)
	_ = u.conn.Close()
	<-done
}

// fromClient passes on what the client says.
func (s *session) fromClient(u *upstream) {
	for {
		e, err := s.conn.Read(endless)
		var failed *framing.StreamError
		if errors.As(err, &failed) {
			// RFC 6120 §4.9.1.1: who sends an error closes the stream too.
			_, _ = u.write(failed.Element())
			_ = u.end()
		}
		if err != nil {
			s.note(kindOf(err))
			s.mu.Lock()
			s.left = true
			s.mu.Unlock()
			return
		}
		if n := int(s.size.Load()); !s.authenticated.Load() && n > s.g.lim.BytesBefore {
			s.fail(framing.PolicyViolation, "too much before authentication", "too-large")
			return
		}
		if e.Is(framing.NSFraming, "open") {
			if !s.restart(e, u) {
				return
			}
			continue
		}
		n, err := u.write(e)
		if err == framing.ErrClosed {
			continue // the stream ends; what the client still says has no place any more
		}
		if err != nil {
			s.lost("backend-lost")
			return
		}
		s.g.c.Meter.Relayed(true, n)
	}
}

// restart passes on another header. It is due after SASL alone (RFC 6120 §6.4.6), and
// for the same domain: a stream does not change it (CVE-2018-10847), and a WebSocket
// carries one stream (RFC 7395 §3.4).
func (s *session) restart(e *framing.Element, u *upstream) bool {
	open, err := framing.ReadOpen(e, framing.NSFraming)
	s.mu.Lock()
	due := s.mayRestart
	s.mayRestart = false
	s.restarting = due
	s.mu.Unlock()
	if err != nil || !due {
		s.fail(framing.PolicyViolation, "one WebSocket carries one stream", "second-header")
		return false
	}
	if lower(open.To) != s.domain.Name {
		s.fail(framing.PolicyViolation, "a stream does not change its domain", "other-domain")
		return false
	}
	open.To, open.ID = s.domain.Name, ""
	if err := u.writeHeader(open); err != nil {
		s.lost("backend-lost")
		return false
	}
	return true
}

// closing is called when the client has sent <close/>. The backend ends the stream
// then, and what it still has to say comes first.
func (s *session) closing(ctx context.Context) {
	s.mu.Lock()
	s.left = true
	moved := s.moved
	s.mu.Unlock()
	u := s.up.Load()
	if u == nil || moved {
		return
	}
	if u.end() != nil {
		return
	}
	select {
	case <-s.tail:
	case <-time.After(s.g.lim.Close):
	case <-ctx.Done():
	}
}

// fromBackend passes on what the backend says.
func (s *session) fromBackend(ctx context.Context, u *upstream) {
	err := s.listen(u)
	close(s.tail)
	s.mu.Lock()
	left, moved := s.left, s.moved
	s.mu.Unlock()
	var bad *framing.SyntaxError
	switch {
	case moved || left || errors.Is(err, errClientGone):
		return
	case errors.Is(err, framing.ErrClosed):
		s.note("closed-by-server")
		_ = u.end()
		s.mu.Lock()
		to := s.goTo
		s.mu.Unlock()
		_ = s.conn.Redirect(ctx, to) // an ordinary close if that is nowhere
	case errors.As(err, &bad):
		s.log.Error("the backend broke the rules", "error", bad)
		s.fail(framing.InternalServerError, "the server said something that is no XMPP", "backend-broken")
	default:
		s.lost("backend-lost")
	}
}

// lost drops the client as the backend has dropped us: without <close/>, and with the
// code that asks it to come again (RFC 6455 §7.4.1 in the IANA registry).
func (s *session) lost(reason string) {
	s.note(reason)
	_ = s.socket.Close(1013, "the server was lost; try again")
}

// errClientGone reports that the client takes nothing more.
var errClientGone = errors.New("the client is gone")

func (s *session) listen(u *upstream) error {
	u.waits = func() { _ = s.told(native.Flush(s.socket)) }
	defer u.waits()
	failed := false
	for {
		e, err := u.in.Next()
		if err != nil && failed {
			return framing.ErrClosed // after its error a stream is over, said or not
		}
		if err != nil {
			return err
		}
		switch {
		case e.Is(framing.NSStream, "stream"):
			s.mu.Lock()
			due := s.restarting
			s.restarting = false
			s.mu.Unlock()
			if !due {
				return &framing.SyntaxError{Condition: framing.BadFormat, Msg: "a header that nobody asked for"}
			}
			h, _ := framing.ReadHeader(e)
			e = opened(h)
		case e.Is(framing.NSStream, "features"):
			e = features(e)
		case e.Is(framing.NSStream, "error"):
			failed = true
			s.note("error-by-server")
		default:
			s.learn(e)
		}
		if u.in.Buffered() > 0 {
			native.Hold(s.socket) // what is there already goes in the same packet
		}
		if err := s.told(s.conn.Write(endless, e)); err != nil {
			return err
		}
		s.g.c.Meter.Relayed(false, u.in.Size())
	}
}

// learn sees how far the session is.
func (s *session) learn(e *framing.Element) {
	switch {
	case e.Is(nsSASL, "success"):
		s.mu.Lock()
		s.mayRestart = true
		s.mu.Unlock()
		s.signedIn()
	case e.Is(nsSASL2, "success"):
		enabled := e.Child(nsBind2, "bound").Child(nsSM, "enabled")
		if e.Child(nsSM, "resumed") != nil || enabled != nil {
			s.resumable.Store(true)
		}
		s.relocate(enabled)
		s.signedIn()
	case e.Is(nsSM, "enabled"), e.Is(nsSM, "resumed"):
		s.resumable.Store(true)
		s.relocate(e)
	}
}

// relocate puts the place that the client came to where the backend names one to come back to
// (XEP-0198 §3). That one is for TCP, and likely inside the service; through here the client
// gets to the same backend again.
func (s *session) relocate(enabled *framing.Element) {
	if enabled != nil && enabled.Attr("location") != "" {
		enabled.Set("location", s.host)
	}
}

func (s *session) signedIn() {
	if !s.authenticated.Swap(true) {
		native.SetReadLimit(s.socket, 2*int64(s.g.lim.BytesAfter))
		s.g.c.Meter.Authenticated(time.Since(s.started))
	}
}

// features takes out what is about the connection and not about the stream.
func features(e *framing.Element) *framing.Element {
	out := framing.New(e.Name.Space, e.Name.Local)
	out.Attrs = e.Attrs
	for _, c := range e.Elements() {
		if !c.Is(nsTLS, "starttls") && !c.Is(nsCompress, "compression") {
			out.Add(c)
		}
	}
	return out
}

// told returns whether the client has taken what was written. One that does not is dropped
// (native.Options.Write).
func (s *session) told(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.mu.Lock()
		s.reason = "client-does-not-read" // whoever reads may have noted a lost socket
		s.mu.Unlock()
	default:
		s.note(kindOf(err))
	}
	if !errors.Is(err, framing.ErrClosed) {
		s.conn.Drop()
	}
	return errClientGone
}

// kindOf says how a stream ended, without the other side's words.
func kindOf(err error) string {
	var closed *framing.CloseError
	var failed *framing.StreamError
	var broken *framing.SyntaxError
	switch {
	case errors.Is(err, framing.ErrClosed):
		return "closed"
	case errors.Is(err, framing.ErrBinary):
		return "binary"
	case errors.Is(err, framing.ErrUnmasked):
		return "unmasked"
	case errors.As(err, &closed) && closed.Code == 1009:
		return "too-large"
	case errors.As(err, &closed):
		return "lost"
	case errors.As(err, &failed):
		return "error-by-client"
	case errors.As(err, &broken):
		return broken.Condition
	}
	return fmt.Sprintf("%T", err)
}

// lower maps ASCII letters only: what else a domain is made of is not ours to fold.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
