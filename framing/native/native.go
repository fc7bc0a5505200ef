//go:build !js

// Package native is the framing.Socket of everything that is not a page: tests,
// the trial server, gateways and the command line. It is coder/websocket with the
// habits XMPP needs: the subprotocol is checked on both sides, messages may be as
// long as the parser takes, nothing is compressed, and a peer that ignores a
// close is dropped.
//
// Surprises: a goroutine reads ahead, up to a megabyte, so that pings and
// closes are answered whether or not anybody calls Read, and so that the context
// of a Read ends only that Read. On a socket that was accepted, a Read whose context cannot
// end takes over from that goroutine, which spares each message the way from one to the
// other. Until the next Read nobody reads then, but while a ping waits for its answer. The
// context of a Write that is under way ends the connection, for half a message cannot be
// taken back.
package native

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"natter/framing"
)

const subprotocol = "xmpp"

// Options tune Dial and Accept. The zero value is fine.
type Options struct {
	ReadLimit    int64         // bytes of one message; that of framing.DefaultLimits if zero
	CloseTimeout time.Duration // how long a peer may take to answer a close; 2 s if zero

	TLSConfig *tls.Config // Dial only
	Header    http.Header // Dial only

	// Dial, for the function of that name only, makes the TCP connection if it is not nil.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Ping is how often the peer is asked for a sign of life, and Pong how long it
	// may take to give it before the connection is dropped. Never if zero.
	Ping, Pong time.Duration

	// ReadAhead is how many bytes may wait for Read, besides one message, before the
	// peer is left waiting; a megabyte if zero.
	ReadAhead int

	// The rest is for Accept only.

	// Origins are the hosts whose pages may connect besides our own, as patterns
	// of path.Match.
	Origins []string

	// Alive is called when the peer has sent a ping or a pong. It must not block.
	Alive func()

	// Write is how long the peer may take to take a message, besides PerByte for each of its bytes.
	// One that is slower is dropped, and Write fails with os.ErrDeadlineExceeded. For ever if zero.
	Write time.Duration
}

// PerByte is what a slow connection gets for each byte of a message: it takes 16 KB a second.
const PerByte = time.Second / (16 << 10)

// Dial opens a WebSocket. It fails with framing.ErrSubprotocol when the server
// does not speak XMPP there (RFC 7395 §3.1). HTTP redirects are not followed, as
// browsers do not.
func Dial(ctx context.Context, url string, o Options) (framing.Socket, error) {
	transport := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		TLSClientConfig:   o.TLSConfig,
		DialContext:       o.Dial,
		DisableKeepAlives: true, // an abandoned dial must not stay open as an idle connection
	}
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		HTTPHeader:   o.Header,
		Subprotocols: []string{subprotocol},
	})
	if err != nil {
		return nil, fmt.Errorf("native: dial %s: %w", url, err)
	}
	if conn.Subprotocol() != subprotocol {
		_ = conn.CloseNow()
		return nil, fmt.Errorf("native: dial %s: %w", url, framing.ErrSubprotocol)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return newSocket(ctx, cancel, conn, o), nil
}

// Accept upgrades a request. Clients that did not ask for XMPP are refused with
// status 400 and framing.ErrSubprotocol; whatever it fails with, the request has
// been answered.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (framing.Socket, error) {
	if !asksForXMPP(r.Header) {
		http.Error(w, "WebSocket subprotocol xmpp only", http.StatusBadRequest)
		return nil, fmt.Errorf("native: accept: %w", framing.ErrSubprotocol)
	}
	taken := &takeover{ResponseWriter: w, within: o.Write}
	conn, err := websocket.Accept(taken, r, &websocket.AcceptOptions{
		Subprotocols:   []string{subprotocol},
		OriginPatterns: o.Origins,
		OnPingReceived: func(context.Context, []byte) bool {
			if o.Alive != nil {
				o.Alive()
			}
			return true
		},
	})
	if err != nil {
		return nil, fmt.Errorf("native: accept: %w", err)
	}
	// The library closes the connection when the context of a Read or Write ends, for which it
	// has to prepare each time. Closing the connection does the same.
	s := newSocket(context.Background(), func() { _ = taken.wire.Close() }, conn, o)
	s.wire = taken.wire
	return s, nil
}

// takeover remembers the connection that a WebSocket takes over. The library reads to the end of a
// frame before it closes, with no bound: one that says it has 2^62 bytes would keep its connection
// for ever.
type takeover struct {
	http.ResponseWriter
	within time.Duration
	wire   *wire
}

func (t *takeover) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	t.wire = &wire{Conn: c, within: t.within}
	rw.Writer.Reset(t.wire)
	return t.wire, rw, nil
}

// wire is a connection that was accepted.
type wire struct {
	net.Conn
	within time.Duration // for a write, 0 for ever

	mu    sync.Mutex
	until time.Time // the deadline
	hold  bool
	held  []byte // waits to be written with what follows
}

// mostHeld is how much is written at once, as one TLS record.
const mostHeld = 16 << 10

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.hold && len(w.held) == 0 {
		return w.write(p)
	}
	w.held = append(w.held, p...)
	if w.hold && len(w.held) < mostHeld {
		return len(p), nil
	}
	return len(p), w.flush()
}

// flush writes what is held. The caller holds w.mu.
func (w *wire) flush() error {
	p := w.held
	w.held = nil // most have nothing to hold for long
	if len(p) == 0 {
		return nil
	}
	_, err := w.write(p)
	return err
}

// write puts the deadline off when it is too near, by half as much again: not at each write. The
// caller holds w.mu.
func (w *wire) write(p []byte) (int, error) {
	if w.within > 0 {
		if needed := time.Now().Add(w.within + time.Duration(len(p))*PerByte); w.until.Before(needed) {
			w.until = needed.Add(w.within / 2)
			if err := w.Conn.SetWriteDeadline(w.until); err != nil {
				return 0, err
			}
		}
	}
	return w.Conn.Write(p)
}

// Hold makes what is written to a socket that Accept returned wait until there are 16 KB of it, or
// Flush is called.
func Hold(s framing.Socket) {
	w := s.(*socket).wire
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold = true
}

// Flush writes what waits since Hold, and fails as Write does.
func Flush(s framing.Socket) error {
	w := s.(*socket).wire
	w.mu.Lock()
	w.hold = false
	err := w.flush()
	w.mu.Unlock()
	if err != nil {
		return s.(*socket).failed(context.Background(), err)
	}
	return nil
}

// ping asks the peer for a sign of life, now and then, until the socket has ended.
func (s *socket) ping(o Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isOver() {
		return
	}
	s.next = time.AfterFunc(o.Ping, func() {
		s.mu.Lock()
		s.start() // or nobody sees the answer while whoever reads is busy
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), o.Pong)
		defer cancel()
		if err := s.conn.Ping(ctx); err != nil {
			s.drop()
			return
		}
		if o.Alive != nil {
			o.Alive()
		}
		s.ping(o)
	})
}

func asksForXMPP(h http.Header) bool {
	return slices.ContainsFunc(h.Values("Sec-WebSocket-Protocol"), func(line string) bool {
		return slices.ContainsFunc(strings.Split(line, ","), func(p string) bool {
			return strings.EqualFold(strings.TrimSpace(p), subprotocol)
		})
	})
}

type socket struct {
	conn         *websocket.Conn
	wire         *wire // what was accepted; nil if it was dialled
	readAhead    int
	closeTimeout time.Duration
	ctx          context.Context // of the library's reading
	drop         func()          // ends the connection at once
	over         chan struct{}   // closed when nothing is read any more
	writing      atomic.Int64

	mu      sync.Mutex
	queue   []string
	size    int
	next    *time.Timer   // of the next ping, nil without
	end     error         // what Read returns after the queue
	reading bool          // somebody reads the connection: the pump, or a Read by itself
	taker   bool          // a Read waits for the pump, and will read by itself from then on
	closing bool          // nobody may read any more, so the pump must not wait
	changed chan struct{} // closed and replaced at every change
}

func newSocket(ctx context.Context, drop func(), conn *websocket.Conn, o Options) *socket {
	if o.ReadLimit == 0 {
		o.ReadLimit = int64(framing.DefaultLimits.Bytes)
	}
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 2 * time.Second
	}
	if o.ReadAhead == 0 {
		o.ReadAhead = 1 << 20
	}
	conn.SetReadLimit(o.ReadLimit)
	s := &socket{
		conn:         conn,
		readAhead:    o.ReadAhead,
		closeTimeout: o.CloseTimeout,
		ctx:          ctx,
		drop:         drop,
		over:         make(chan struct{}),
		changed:      make(chan struct{}),
		reading:      true,
	}
	go s.pump()
	if o.Ping > 0 {
		s.ping(o)
	}
	return s
}

// SetReadLimit changes Options.ReadLimit of a socket that Dial or Accept returned. It holds for
// messages that begin from here on.
func SetReadLimit(s framing.Socket, n int64) { s.(*socket).conn.SetReadLimit(n) }

// start starts the pump unless somebody reads, or nothing is left to read. The caller holds s.mu.
func (s *socket) start() {
	if !s.reading && !s.isOver() {
		s.reading = true
		go s.pump()
	}
}

func (s *socket) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// pump reads messages into the queue until the connection ends, or a Read goes on by itself.
func (s *socket) pump() {
	for {
		message, ok := s.receive()
		if !ok || !s.push(message) {
			return
		}
	}
}

// receive reads one message, or the end, of which it tells everybody.
func (s *socket) receive() (message string, ok bool) {
	kind, r, err := s.conn.Reader(s.ctx)
	if err == nil && kind == websocket.MessageText {
		if message, err = readAll(r); err == nil {
			return message, true
		}
	}
	switch {
	case err == nil:
		s.finish(framing.ErrBinary)
		s.closeWithin(websocket.StatusUnsupportedData, "text only, RFC 7395 3.2")
	case strings.Contains(err.Error(), "unmasked frame"): // the library has no name for it
		s.finish(framing.ErrUnmasked)
		s.closeWithin(websocket.StatusProtocolError, "frames of a client are masked, RFC 6455 5.1")
	default:
		s.finish(closeError(err))
		_ = s.conn.CloseNow()
	}
	s.drop()
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.over)
	if s.next != nil {
		s.next.Stop() // it would keep all there is of a socket until it is due
	}
	return "", false
}

// buffers are for messages while they arrive or leave. A string of its own is made of one only when all of
// it is there, so that floods of messages that are too long leave little behind.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func readAll(r io.Reader) (string, error) {
	b := buffers.Get().(*bytes.Buffer)
	defer putBack(b)
	if _, err := b.ReadFrom(r); err != nil {
		return "", err
	}
	return b.String(), nil
}

func putBack(b *bytes.Buffer) {
	if b.Cap() <= 64<<10 {
		b.Reset()
		buffers.Put(b)
	}
}

// closeError is what a failed read means to the other layers.
func closeError(err error) *framing.CloseError {
	var peer websocket.CloseError
	switch {
	case errors.As(err, &peer):
		return &framing.CloseError{Code: int(peer.Code), Reason: peer.Reason}
	case errors.Is(err, websocket.ErrMessageTooBig):
		return &framing.CloseError{Code: int(websocket.StatusMessageTooBig)}
	}
	return &framing.CloseError{Code: 1006}
}

// push adds a message to the queue, and waits while that is too long. It reports whether the pump
// goes on.
func (s *socket) push(message string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing && s.size > s.readAhead {
		return true // nobody makes room any more
	}
	s.queue = append(s.queue, message)
	s.size += len(message)
	s.wake()
	for s.size > s.readAhead && !s.closing {
		s.wait(context.Background())
	}
	s.reading = s.closing || !s.taker
	return s.reading
}

func (s *socket) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		s.end = err
		s.wake()
	}
}

// wake tells everybody who waits. The caller holds s.mu.
func (s *socket) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait unlocks s.mu until something changed or ctx ends, whose error it returns.
func (s *socket) wait(ctx context.Context) error {
	changed := s.changed
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Read implements framing.Socket.
func (s *socket) Read(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case len(s.queue) > 0:
			m := s.queue[0]
			s.queue[0] = "" // the array lives on
			s.queue = s.queue[1:]
			s.size -= len(m)
			s.wake()
			return m, nil
		case s.end != nil:
			return "", s.end
		case s.wire != nil && !s.reading && ctx.Done() == nil:
			if m, ok := s.take(); ok {
				return m, nil
			}
			continue
		}
		s.start()
		s.taker = s.wire != nil && ctx.Done() == nil
		err := s.wait(ctx)
		s.taker = false
		if err != nil {
			return "", err
		}
	}
}

// take reads a message without the pump. The caller holds s.mu.
func (s *socket) take() (message string, ok bool) {
	s.reading = true
	s.mu.Unlock()
	message, ok = s.receive()
	s.mu.Lock()
	s.reading = false
	if s.closing {
		s.start() // who closes waits for the end
	}
	return message, ok
}

// Write implements framing.Socket. When ctx ends while it sends, the connection
// is lost.
func (s *socket) Write(ctx context.Context, message string) error {
	s.writing.Add(int64(len(message)))
	defer s.writing.Add(-int64(len(message)))
	b := buffers.Get().(*bytes.Buffer)
	b.WriteString(message)
	err := s.conn.Write(ctx, websocket.MessageText, b.Bytes())
	putBack(b)
	if err == nil {
		return nil
	}
	return s.failed(ctx, err)
}

// failed returns what the error of a write means to the other layers.
func (s *socket) failed(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.drop()
		return os.ErrDeadlineExceeded
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.end != nil:
		return s.end
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return &framing.CloseError{Code: 1006}
}

// Buffered implements framing.Socket: the messages being written right now.
func (s *socket) Buffered() int { return int(s.writing.Load()) }

// Close implements framing.Socket. A socket that was accepted may also be closed
// with a server's codes: 1001 going away, 1012 restart, 1013 try again later.
func (s *socket) Close(code int, reason string) error {
	if !framing.ValidCloseCode(code) && !(s.wire != nil && (code == 1001 || code == 1012 || code == 1013)) {
		return fmt.Errorf("native: close: the code %d is not ours to send", code)
	}
	s.closeWithin(websocket.StatusCode(code), reason)
	<-s.over
	return nil
}

// closeWithin does the closing handshake and drops the connection when the peer
// has not done its part in time.
func (s *socket) closeWithin(code websocket.StatusCode, reason string) {
	s.mu.Lock()
	s.closing = true
	s.start()
	s.wake()
	s.mu.Unlock()
	late := time.AfterFunc(s.closeTimeout, s.drop)
	defer late.Stop()
	_ = s.conn.Close(code, reason) // fails when the other side was first, or is gone
}
