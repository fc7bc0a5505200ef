package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"natter/framing"
	"natter/framing/native"
)

// link is a stream between two servers: near, over TCP, is ours; far, over WebSocket, is
// the other's.
type link struct {
	f         *Federation
	direction string // in if the other server opened it, out if ours did
	id        uint64
	log       *slog.Logger

	client netip.AddrPort       // of the other server, or the gateway in front of it
	local  net.Addr             // where it arrived
	tls    *tls.ConnectionState // by which it came, nil if a proxy ended that
	place  netip.Prefix         // as which it counts, if at all

	domain   *domain    // of ours
	pair     domainPair // as the header names it
	said     *dialogue
	external bool // the other server has signed in with its certificate
	near     *upstream

	order   sync.Mutex         // of what our server says while natter signs in
	sasl    signing            // in its place
	waiting []*framing.Element // for that to end

	mu     sync.Mutex
	socket framing.Socket
	far    *framing.Conn
	left   bool   // the other side has ended the stream
	reason string // why it ends: the first that was noted
	size   int    // bytes of the latest message from afar

	ready chan struct{} // closed when both sides are there
	tail  chan struct{} // closed when nothing more comes from our server
}

func (l *link) note(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reason == "" {
		l.reason = reason
	}
}

// carry carries the stream to its end. begin opens both sides, or returns false.
func (l *link) carry(ctx context.Context, begin func(context.Context) bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.f.c.Meter.Opened(l.direction)
	if begin(ctx) {
		close(l.ready)
		l.relay(ctx)
	}
	l.drop()
	l.mu.Lock()
	reason := l.reason
	l.mu.Unlock()
	l.f.c.Meter.Closed(l.direction, reason)
	l.log.Info("stream between servers ended", "direction", l.direction, "peer", l.peer(), "reason", reason)
}

// peer is the domain at the other side, as far as it has been said.
func (l *link) peer() string {
	if l.direction == "in" {
		return l.pair.from
	}
	return l.pair.to
}

// attach makes a stream of the WebSocket.
func (l *link) attach(socket framing.Socket) *framing.Conn {
	far := framing.NewConn(&tolerant{Socket: socket, note: l.tolerated}, framing.ConnOptions{
		Server: l.direction == "in", Namespace: framing.NSFramingServer,
		CloseTimeout: l.f.lim.Close, Limits: framing.Limits{Bytes: l.f.lim.BytesAfter},
		Closing: l.closing, Encode: standalone,
		Trace: func(out bool, doc string) {
			if !out {
				l.mu.Lock()
				l.size = len(doc)
				l.mu.Unlock()
			}
			if l.f.c.Trace != nil {
				l.f.c.Trace(l.peer(), out, doc)
			}
		},
	})
	l.mu.Lock()
	l.socket, l.far = socket, far
	l.mu.Unlock()
	return far
}

// standalone writes an element as a message, with the prefixes that it would have on TCP:
// behind xmpp-proxy, which reads no XML, ejabberd knows it by these alone.
func standalone(e *framing.Element) string {
	doc := string(e.AppendWithin(nil, framing.NSServer))
	for prefix, space := range map[string]string{"<stream:": framing.NSStream, "<db:": framing.NSDialback} {
		if strings.HasPrefix(doc, prefix) {
			name := strings.IndexAny(doc, " >")
			return doc[:name] + ` xmlns="` + framing.NSServer + `" xmlns:` + strings.Trim(prefix, "<:") + `="` + space + `"` + doc[name:]
		}
	}
	return e.String()
}

func (l *link) tolerated(exception string) {
	l.f.c.Meter.Tolerated(exception)
	l.log.Debug("the other server deviates from XEP-0468 and was understood", "peer", l.peer(), "exception", exception)
}

// fail ends the stream of the other server with an error.
func (l *link) fail(condition, text, reason string) {
	l.note(reason)
	l.log.Warn("stream of another server refused", "peer", l.peer(), "condition", condition, "why", text)
	_ = l.far.Fail(context.Background(), &framing.StreamError{Condition: condition, Text: text})
}

// failNear ends the stream of our server with an error, which reaches the authors of what
// it has not delivered.
func (l *link) failNear(wrong *framing.StreamError, reason string) {
	l.note(reason)
	l.log.Warn("stream of our server refused", "peer", l.peer(), "condition", wrong.Condition, "why", wrong.Text)
	_, _ = l.near.write(wrong.Element())
	_ = l.near.end()
}

// relay passes on what either side says until it is over.
func (l *link) relay(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.fromNear(ctx)
	}()
	l.fromFar(ctx)
	_ = l.near.conn.Close()
	<-done
}

// fromFar passes on what the other server says.
func (l *link) fromFar(ctx context.Context) {
	for {
		e, err := l.far.Read(ctx)
		if err != nil {
			l.farEnded(err)
			return
		}
		l.mu.Lock()
		size := l.size
		l.mu.Unlock()
		if size > l.f.lim.BytesBefore && !l.said.inUse() {
			l.fail(framing.PolicyViolation, "too much before authentication", "too-large")
			return
		}
		if l.direction == "out" {
			part, err := l.signIn(ctx, e)
			if err != nil {
				l.note("sign-in-failed")
				l.far.Drop()
				return
			}
			if part {
				continue
			}
		}
		if l.external && isResult(e) {
			if l.write(ctx, oneDomainOnly(e), 0) != nil {
				return
			}
			continue
		}
		if wrong := l.check(e, l.direction == "in"); wrong != nil {
			l.fail(wrong.Condition, wrong.Text, wrong.Condition)
			if l.direction == "out" {
				l.failNear(&framing.StreamError{Condition: framing.RemoteConnectionFailed, Text: "the other server broke the rules: " + wrong.Condition}, wrong.Condition)
			}
			return
		}
		n, err := l.near.write(e)
		if err == framing.ErrClosed {
			continue // the stream ends; what the other still says has no place any more
		}
		if err != nil {
			l.lost("backend-lost")
			return
		}
		l.f.c.Meter.Relayed(false, n)
	}
}

// farEnded tells our server how the other side has ended the stream.
func (l *link) farEnded(err error) {
	l.note(kindOf(err))
	l.mu.Lock()
	l.left = true
	l.mu.Unlock()
	var failed *framing.StreamError
	var moved *framing.RedirectError
	switch {
	case errors.As(err, &failed):
		l.log.Info("the other server ended the stream with an error", "peer", l.peer(), "condition", failed.Condition)
		_, _ = l.near.write(failed.Element())
		_ = l.near.end()
	case errors.As(err, &moved):
		// Our server opens another stream when it needs one, and that goes the new way.
		_ = l.near.end()
	case errors.Is(err, framing.ErrUnmasked):
		l.log.Warn("the other server does not mask its frames, and was dropped with 1002 (RFC 6455 5.1)", "peer", l.peer())
	}
}

// check judges an element of the initiating or the receiving server.
func (l *link) check(e *framing.Element, initiating bool) *framing.StreamError {
	if !initiating {
		wrong := l.said.answers(e)
		if wrong == nil && e.Is(framing.NSDialback, "result") {
			l.judged(e)
		}
		return wrong
	}
	if wrong := l.said.initiates(e); wrong != nil {
		return wrong
	}
	if e.Name.Space != framing.NSDialback && !isStanza(e) {
		return nil
	}
	from, to := domainOf(e.Attr("from")), domainOf(e.Attr("to"))
	switch {
	case l.direction == "in" && l.f.serves(from):
		return &framing.StreamError{Condition: framing.InvalidFrom, Text: "that is a domain of ours"}
	case l.direction == "in" && l.f.ours(to) == nil:
		return &framing.StreamError{Condition: framing.HostUnknown}
	case l.direction == "out" && l.f.ours(from) == nil:
		return &framing.StreamError{Condition: framing.InvalidFrom, Text: "natter does not speak for that domain"}
	}
	return nil
}

// judged notes the verdict of a dialback.
func (l *link) judged(e *framing.Element) {
	if e.Attr("type") != "valid" {
		l.log.Warn("dialback failed", "direction", l.direction, "peer", l.peer(), "verdict", e.Attr("type"))
		return
	}
	l.authenticated("dialback")
}

func (l *link) authenticated(how string) {
	l.f.c.Meter.Authenticated(l.direction, how)
	l.log.Info("stream between servers authenticated", "direction", l.direction, "peer", l.peer(), "by", how)
}

// closing is called when the other side has sent <close/>: what our server still has to
// say comes before ours.
func (l *link) closing(ctx context.Context) {
	l.mu.Lock()
	l.left = true
	l.mu.Unlock()
	select {
	case <-l.ready:
	default:
		return
	}
	if l.near.end() != nil {
		return
	}
	select {
	case <-l.tail:
	case <-time.After(l.f.lim.Close):
	case <-ctx.Done():
	}
}

// fromNear passes on what our server says.
func (l *link) fromNear(ctx context.Context) {
	err := l.listen(ctx)
	close(l.tail)
	l.mu.Lock()
	left := l.left
	l.mu.Unlock()
	var failed *framing.StreamError
	var bad *framing.SyntaxError
	switch {
	case left || errors.Is(err, errClientGone):
		return
	case errors.As(err, &failed):
		l.note("error-by-server")
		_ = l.near.end()
		_ = l.far.Fail(ctx, failed)
	case errors.Is(err, framing.ErrClosed):
		l.note("closed-by-server")
		_ = l.near.end()
		_ = l.far.Redirect(ctx, l.elsewhere()) // an ordinary close if that is nowhere
	case errors.As(err, &bad):
		l.log.Error("our server broke the rules", "error", bad)
		l.fail(framing.InternalServerError, "the server said something that is no XMPP", "backend-broken")
	default:
		l.lost("backend-lost")
	}
}

// listen reads what our server says until it ends the stream.
func (l *link) listen(ctx context.Context) error {
	for {
		e, err := l.near.in.Next()
		if err != nil {
			return err
		}
		if failed := framing.ReadStreamError(e); failed != nil {
			return failed
		}
		if l.direction == "out" {
			err = l.initiate(ctx, e)
		} else {
			err = l.pass(ctx, e)
		}
		if err != nil {
			return err
		}
	}
}

func pairOf(e *framing.Element) domainPair {
	return domainPair{domainOf(e.Attr("from")), domainOf(e.Attr("to"))}
}

// write sends an element to the other side. One that does not read is dropped.
func (l *link) write(ctx context.Context, e *framing.Element, size int) error {
	within, cancel := context.WithTimeout(ctx, l.f.lim.Write+time.Duration(size)*native.PerByte)
	defer cancel()
	err := l.far.Write(within, e)
	switch {
	case err == nil:
		return nil
	case within.Err() != nil:
		l.note("peer-does-not-read")
	default:
		l.note(kindOf(err))
	}
	if !errors.Is(err, framing.ErrClosed) {
		l.far.Drop()
	}
	return errClientGone
}

// lost drops the other side as our server has dropped us.
func (l *link) lost(reason string) {
	l.note(reason)
	if l.direction == "in" {
		_ = l.socket.Close(1013, "the server was lost; try again")
		return
	}
	l.far.Drop()
}

// elsewhere returns where another server may go when natter stops, "" if there is no such
// place.
func (l *link) elsewhere() string {
	if l.direction == "out" || len(l.domain.Elsewhere) == 0 || !l.f.stopping() {
		return ""
	}
	return l.domain.Elsewhere[rand.IntN(len(l.domain.Elsewhere))]
}

func (f *Federation) stopping() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.draining
}

// move ends the stream in good order because natter stops.
func (l *link) move(ctx context.Context) {
	select {
	case <-l.ready:
		l.note("drained")
		_ = l.near.end() // fromNear does the rest
	case <-ctx.Done():
	}
}

// drop ends the stream without a word.
func (l *link) drop() {
	l.mu.Lock()
	far := l.far
	l.mu.Unlock()
	if far != nil {
		far.Drop()
	}
	select {
	case <-l.ready:
		_ = l.near.conn.Close()
	default:
	}
}
