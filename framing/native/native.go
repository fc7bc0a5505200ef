//go:build !js

// Package native is the framing.Socket of everything that is not a page: tests,
// the trial server, gateways and the command line. It is coder/websocket with the
// habits XMPP needs: the subprotocol is checked on both sides, messages may be as
// long as the parser takes, nothing is compressed, and a peer that ignores a
// close is dropped.
//
// Surprises: a goroutine reads ahead, up to a megabyte, so that pings and
// closes are answered whether or not anybody calls Read, and so that the context
// of a Read ends only that Read. The context of a Write that is under way ends the
// connection, for half a message cannot be taken back.
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
}

// Dial opens a WebSocket. It fails with framing.ErrSubprotocol when the server
// does not speak XMPP there (RFC 7395 §3.1). HTTP redirects are not followed, as
// browsers do not.
func Dial(ctx context.Context, url string, o Options) (framing.Socket, error) {
	transport := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		TLSClientConfig:   o.TLSConfig,
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
	return newSocket(conn, o), nil
}

// Accept upgrades a request. Clients that did not ask for XMPP are refused with
// status 400 and framing.ErrSubprotocol; whatever it fails with, the request has
// been answered.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (framing.Socket, error) {
	if !asksForXMPP(r.Header) {
		http.Error(w, "WebSocket subprotocol xmpp only", http.StatusBadRequest)
		return nil, fmt.Errorf("native: accept: %w", framing.ErrSubprotocol)
	}
	taken := &takeover{ResponseWriter: w}
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
	s := newSocket(conn, o)
	s.accepted = true
	s.mu.Lock()
	s.wire = taken.conn
	s.mu.Unlock()
	return s, nil
}

// takeover remembers the connection that a WebSocket takes over. The library reads to the end of a
// frame before it closes, with no bound: one that says it has 2^62 bytes would keep its connection
// for ever.
type takeover struct {
	http.ResponseWriter
	conn net.Conn
}

func (t *takeover) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	t.conn = c
	return c, rw, err
}

// ping asks the peer for a sign of life, now and then, until the socket has ended.
func (s *socket) ping(o Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.pumped:
		return
	default:
	}
	s.next = time.AfterFunc(o.Ping, func() {
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
	accepted     bool
	readAhead    int
	closeTimeout time.Duration
	drop         context.CancelFunc // ends the connection at once
	pumped       chan struct{}      // closed when the pump has ended
	writing      atomic.Int64

	mu      sync.Mutex
	queue   []string
	size    int
	wire    net.Conn      // what was accepted; nil if it was dialled
	next    *time.Timer   // of the next ping, nil without
	end     error         // what Read returns after the queue
	closing bool          // nobody may read any more, so the pump must not wait
	changed chan struct{} // closed and replaced at every change
}

func newSocket(conn *websocket.Conn, o Options) *socket {
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
	ctx, cancel := context.WithCancel(context.Background())
	s := &socket{
		conn:         conn,
		readAhead:    o.ReadAhead,
		closeTimeout: o.CloseTimeout,
		drop:         cancel,
		pumped:       make(chan struct{}),
		changed:      make(chan struct{}),
	}
	go s.pump(ctx)
	if o.Ping > 0 {
		s.ping(o)
	}
	return s
}

// SetReadLimit changes Options.ReadLimit of a socket that Dial or Accept returned. It holds for
// messages that begin from here on.
func SetReadLimit(s framing.Socket, n int64) { s.(*socket).conn.SetReadLimit(n) }

// pump reads messages into the queue until the connection ends.
func (s *socket) pump(ctx context.Context) {
	defer s.over()
	defer s.drop()
	for {
		kind, r, err := s.conn.Reader(ctx)
		if err == nil && kind != websocket.MessageText {
			s.finish(framing.ErrBinary)
			s.closeWithin(websocket.StatusUnsupportedData, "text only, RFC 7395 3.2")
			return
		}
		message := ""
		if err == nil {
			message, err = readAll(r)
		}
		if err != nil && strings.Contains(err.Error(), "unmasked frame") { // the library has no name for it
			s.finish(framing.ErrUnmasked)
			s.closeWithin(websocket.StatusProtocolError, "frames of a client are masked, RFC 6455 5.1")
			return
		}
		if err != nil {
			s.finish(closeError(err))
			_ = s.conn.CloseNow()
			return
		}
		s.push(message)
	}
}

// over notes that nothing is read any more. The timer would keep all there is of a socket until it
// is due.
func (s *socket) over() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.pumped)
	if s.next != nil {
		s.next.Stop()
	}
}

// buffers are for messages while they arrive. A string of its own is made of one only when all of
// it is there, so that floods of messages that are too long leave little behind.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func readAll(r io.Reader) (string, error) {
	b := buffers.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= 64<<10 {
			b.Reset()
			buffers.Put(b)
		}
	}()
	if _, err := b.ReadFrom(r); err != nil {
		return "", err
	}
	return b.String(), nil
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

func (s *socket) push(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, message)
	s.size += len(message)
	s.wake()
	for s.size > s.readAhead && !s.closing {
		s.wait(context.Background())
	}
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
		}
		if err := s.wait(ctx); err != nil {
			return "", err
		}
	}
}

// Write implements framing.Socket. When ctx ends while it sends, the connection
// is lost.
func (s *socket) Write(ctx context.Context, message string) error {
	s.writing.Add(int64(len(message)))
	defer s.writing.Add(-int64(len(message)))
	err := s.conn.Write(ctx, websocket.MessageText, []byte(message))
	if err == nil {
		return nil
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
	if !framing.ValidCloseCode(code) && !(s.accepted && (code == 1001 || code == 1012 || code == 1013)) {
		return fmt.Errorf("native: close: the code %d is not ours to send", code)
	}
	s.closeWithin(websocket.StatusCode(code), reason)
	<-s.pumped
	return nil
}

// closeWithin does the closing handshake and drops the connection when the peer
// has not done its part in time.
func (s *socket) closeWithin(code websocket.StatusCode, reason string) {
	s.mu.Lock()
	s.closing = true
	s.wake()
	s.mu.Unlock()
	late := time.AfterFunc(s.closeTimeout, func() {
		s.drop()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.wire != nil {
			_ = s.wire.Close()
		}
	})
	defer late.Stop()
	_ = s.conn.Close(code, reason) // fails when the other side was first, or is gone
}
