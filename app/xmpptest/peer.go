//go:build !js

package xmpptest

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"natter/framing"
)

// patience is how long a script waits for its client before the test fails: long
// enough for a loaded machine, short enough to say what was missing.
const patience = time.Minute

// Peer is an XMPP server that does what its script says, once per connection.
// It answers nothing by itself but the closing handshake of the WebSocket.
type Peer struct {
	URL string         // ws://127.0.0.1:port/ws or wss://localhost:port/ws
	CA  *x509.CertPool // what to trust, nil without TLS

	t      testing.TB
	script func(*PeerConn)
	server *httptest.Server
	ctx    context.Context
	count  atomic.Int32

	mu    sync.Mutex
	conns map[*PeerConn]bool
	wg    sync.WaitGroup
}

// NewPeer starts a peer without TLS on a free port of 127.0.0.1. The script runs
// on a goroutine of its own for every connection; PeerConn.N tells them apart.
// When it returns the connection is dropped. The end of the test ends everything,
// scripts that still wait included.
func NewPeer(t testing.TB, script func(*PeerConn)) *Peer {
	return newPeer(t, nil, script)
}

// NewTLSPeer is NewPeer with TLS, for localhost, 127.0.0.1 and the names given,
// by an authority made for this peer.
func NewTLSPeer(t testing.TB, script func(*PeerConn), names ...string) *Peer {
	return newPeer(t, func(p *Peer) {
		ca := NewAuthority()
		p.CA = ca.Pool()
		p.server.TLS = ca.ServerTLS(names...)
	}, script)
}

func newPeer(t testing.TB, secure func(*Peer), script func(*PeerConn)) *Peer {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Peer{t: t, script: script, ctx: ctx, conns: map[*PeerConn]bool{}}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.server.Config.ErrorLog = quiet
	if secure == nil {
		p.server.Start()
		p.URL = "ws://" + p.server.Listener.Addr().String() + "/ws"
	} else {
		secure(p)
		p.server.StartTLS()
		_, port, _ := net.SplitHostPort(p.server.Listener.Addr().String())
		p.URL = "wss://localhost:" + port + "/ws"
	}
	t.Cleanup(func() {
		cancel()
		p.mu.Lock()
		for c := range p.conns {
			c.cut()
		}
		p.mu.Unlock()
		p.wg.Wait()
		p.server.Close()
	})
	return p
}

// Connections returns how many clients have come so far, gone ones included.
func (p *Peer) Connections() int { return int(p.count.Load()) }

func (p *Peer) serve(w http.ResponseWriter, r *http.Request) {
	p.wg.Add(1)
	defer p.wg.Done()
	c := &PeerConn{N: int(p.count.Add(1)) - 1, Request: r, Domain: "peer.test", peer: p, w: &hijack{ResponseWriter: w}}
	p.mu.Lock()
	p.conns[c] = true
	p.mu.Unlock()
	defer func() {
		c.cut()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	}()
	// On a goroutine of its own, so that a failed expectation can end the script
	// by Goexit without taking net/http's goroutine along.
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.script(c)
	}()
	<-done
}

// PeerConn is one client's connection as the script sees it. Its methods belong
// to the script's goroutine. Where the client does not do what was expected they
// fail the test and end the script.
type PeerConn struct {
	N       int           // 0 for the peer's first connection, 1 for the next …
	Request *http.Request // the handshake
	Domain  string        // what the client opened a stream to
	JID     string        // the address bound by Login, Bind or Resume
	Handled uint32        // stanzas received since <enable/> or as Resume said: our h (XEP-0198)

	peer     *Peer
	w        *hijack
	ws       *websocket.Conn
	counting bool
	opened   int
	early    chan reading // what LiveUntil has begun to read, nil if nothing
	mu       sync.Mutex   // guards ws against cut
}

// reading is what one read of the WebSocket returned.
type reading struct {
	raw string
	err error
}

// Accept completes the WebSocket handshake with this subprotocol, none if it is
// empty. What reads or writes first accepts with "xmpp".
func (c *PeerConn) Accept(subprotocol string) {
	opts := &websocket.AcceptOptions{InsecureSkipVerify: true}
	if subprotocol != "" {
		opts.Subprotocols = []string{subprotocol}
		c.Request.Header.Set("Sec-WebSocket-Protocol", subprotocol)
	}
	ws, err := websocket.Accept(c.w, c.Request, opts)
	if err != nil {
		c.fail("the handshake: %v", err)
	}
	ws.SetReadLimit(-1)
	c.mu.Lock()
	c.ws = ws
	c.mu.Unlock()
}

// Refuse answers the handshake with an HTTP status instead, and with this Location
// if it is not empty.
func (c *PeerConn) Refuse(status int, location string) {
	if location != "" {
		c.w.Header().Set("Location", location)
	}
	c.w.WriteHeader(status)
}

// Stall keeps the handshake, or whatever comes next, unanswered until the client
// hangs up or the test ends. What the client sends meanwhile, a WebSocket close
// included, is never answered.
func (c *PeerConn) Stall() {
	if c.w.conn == nil {
		if _, _, err := c.w.Hijack(); err != nil {
			c.fail("hijack: %v", err)
		}
	}
	_, _ = io.Copy(io.Discard, c.w.conn)
}

// Send sends each string as one text message, whatever it is.
func (c *PeerConn) Send(messages ...string) {
	for _, m := range messages {
		c.write(websocket.MessageText, m)
	}
}

// Sendf is Send of one formatted message.
func (c *PeerConn) Sendf(format string, args ...any) { c.Send(fmt.Sprintf(format, args...)) }

// SendBinary sends one binary message, which XMPP forbids (RFC 7395 §3.2).
func (c *PeerConn) SendBinary(message string) { c.write(websocket.MessageBinary, message) }

// SendSplit sends one text message in frames of these pieces: legal, and what
// some servers and proxies do.
func (c *PeerConn) SendSplit(pieces ...string) {
	for i, piece := range pieces {
		op := byte(0) // continuation
		if i == 0 {
			op = 1 // text
		}
		c.Raw(frame(op, i == len(pieces)-1, piece))
	}
}

// Ping sends a WebSocket ping, which needs no answer of the XMPP layer.
func (c *PeerConn) Ping() { c.Raw(frame(9, true, "")) }

// Raw writes bytes under the WebSocket.
func (c *PeerConn) Raw(b []byte) {
	c.ready()
	if _, err := c.w.conn.Write(b); err != nil {
		c.fail("write: %v", err)
	}
}

// Close sends a WebSocket close frame with any code, also one that is forbidden on
// the wire, and waits until the client has answered it or is gone. Code 0 sends a frame without code.
func (c *PeerConn) Close(code int, reason string) {
	payload := ""
	if code != 0 {
		payload = string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
	}
	c.Raw(frame(8, true, payload))
	for {
		if _, err := c.Read(); err != nil {
			return
		}
	}
}

// Drop ends the connection without a closing handshake, as a lost network would.
// TLS is not closed properly either.
func (c *PeerConn) Drop() {
	c.ready()
	c.cut()
}

// CloseStream ends the stream as RFC 7395 §3.6 says: <close/>, the client's
// <close/> if the client did not begin, then the WebSocket, which is closed by who
// began.
func (c *PeerConn) CloseStream() {
	c.Send(`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`)
	for {
		raw, err := c.Read()
		if err != nil {
			return
		}
		if strings.HasPrefix(raw, "<close ") {
			c.Close(1000, "")
			return
		}
	}
}

// Read returns the client's next message as it came. It does not fail the test:
// the error is that of the WebSocket, a websocket.CloseError if the client closed.
func (c *PeerConn) Read() (string, error) {
	ctx, cancel := context.WithTimeout(c.peer.ctx, patience)
	defer cancel()
	return c.read(ctx)
}

func (c *PeerConn) read(ctx context.Context) (string, error) {
	c.ready()
	if c.early == nil {
		return c.receive(ctx)
	}
	select {
	case m := <-c.early:
		c.early = nil
		return m.raw, m.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// receive reads the WebSocket, on any goroutine but on one at a time.
func (c *PeerConn) receive(ctx context.Context) (string, error) {
	kind, b, err := c.ws.Read(ctx)
	if err != nil {
		return "", err
	}
	if kind != websocket.MessageText {
		return "", errors.New("a binary message")
	}
	return string(b), nil
}

// Next returns the client's next element. The test fails if the message is not
// exactly one element of XML that begins with its first character (RFC 7395
// §3.3.3), or if a stanza is not in jabber:client.
func (c *PeerConn) Next() *framing.Element {
	_, e := c.next()
	return e
}

func (c *PeerConn) next() (string, *framing.Element) {
	raw, err := c.Read()
	if err != nil {
		c.fail("waiting for the client: %v", err)
	}
	return raw, c.take(raw)
}

// take judges one message of the client and counts it.
func (c *PeerConn) take(raw string) *framing.Element {
	e, err := parse(raw)
	if err != nil {
		c.fail("the client sent %q: %v", raw, err)
	}
	switch e.Name.Local {
	case "message", "presence", "iq":
		if e.Name.Space != framing.NSClient {
			c.fail("the client sent a stanza that is not in jabber:client: %s", raw)
		}
		if c.counting {
			c.Handled++
		}
	case "enable":
		if e.Name.Space == nsSM {
			c.counting, c.Handled = true, 0
		}
	}
	return e
}

// Expect returns the client's next element, as Next does, and fails the test if
// the message does not contain every part.
func (c *PeerConn) Expect(parts ...string) *framing.Element {
	raw, e := c.next()
	for _, part := range parts {
		if !strings.Contains(raw, part) {
			c.fail("the client sent %s; expected %q in it", raw, part)
		}
	}
	return e
}

// ExpectGone waits until the client has closed or dropped the WebSocket and
// returns the code it gave, 1006 if none. What it says before is read over.
func (c *PeerConn) ExpectGone() int {
	for {
		_, err := c.Read()
		if err == nil {
			continue
		}
		if errors.Is(err, context.DeadlineExceeded) {
			c.fail("the client did not hang up")
		}
		if code := websocket.CloseStatus(err); code >= 0 {
			return int(code)
		}
		return 1006
	}
}

// Wait lives as a plain server would until the client sends an element that is
// wanted, and returns it unanswered. Meanwhile requests get an empty result if a
// server of this kind would give one (roster, carbons, ping, session, archive) and
// service-unavailable otherwise, <r/> and <enable/> get their answers, and
// messages and presences are taken in.
func (c *PeerConn) Wait(wanted func(*framing.Element) bool) *framing.Element {
	for {
		e := c.Next()
		if wanted(e) {
			return e
		}
		c.Answer(e)
	}
}

// Live is Wait for nothing in particular: it ends when the client closes its
// stream, which is answered, or is gone, or the test ends.
func (c *PeerConn) Live() { c.LiveUntil(nil) }

// LiveUntil is Live, and ends also when done is closed: what the script does then
// comes in the middle of a session.
func (c *PeerConn) LiveUntil(done <-chan struct{}) {
	c.ready()
	for {
		if c.early == nil {
			next := make(chan reading, 1)
			go func() {
				raw, err := c.receive(c.peer.ctx) // a client may be silent for long
				next <- reading{raw, err}
			}()
			c.early = next
		}
		select {
		case <-done:
			return
		case m := <-c.early:
			c.early = nil
			if m.err != nil {
				return
			}
			e := c.take(m.raw)
			if e.Is(framing.NSFraming, "close") {
				c.CloseStream()
				return
			}
			c.Answer(e)
		}
	}
}

// Answer gives one element the answer Wait describes.
func (c *PeerConn) Answer(e *framing.Element) {
	switch {
	case e.Is(nsSM, "r"):
		c.Sendf(`<a xmlns='%s' h='%d'/>`, nsSM, c.Handled)
	case e.Is(nsSM, "enable"):
		c.Sendf(`<enabled xmlns='%s' id='sm-%d' resume='true' max='300'/>`, nsSM, c.N)
	case e.Is(framing.NSClient, "iq") && (e.Attr("type") == "get" || e.Attr("type") == "set"):
		c.answerIQ(e)
	}
}

func (c *PeerConn) answerIQ(e *framing.Element) {
	from := ""
	if to := e.Attr("to"); to != "" {
		from = ` from='` + escape(to) + `'`
	}
	head := `<iq xmlns='jabber:client' id='` + escape(e.Attr("id")) + `' to='` + escape(c.JID) + `'` + from
	switch p := e.First(); {
	case p.Is("jabber:iq:roster", "query"):
		c.Send(head + ` type='result'><query xmlns='jabber:iq:roster'/></iq>`)
	case p.Is("urn:xmpp:mam:2", "query"):
		c.Send(head + ` type='result'><fin xmlns='urn:xmpp:mam:2' complete='true'><set xmlns='http://jabber.org/protocol/rsm'><count>0</count></set></fin></iq>`)
	case p.Is("urn:xmpp:carbons:2", "enable"), p.Is("urn:xmpp:ping", "ping"), p.Is("urn:ietf:params:xml:ns:xmpp-session", "session"):
		c.Send(head + ` type='result'/>`)
	default:
		c.Send(head + ` type='error'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
	}
}

func (c *PeerConn) write(kind websocket.MessageType, message string) {
	c.ready()
	ctx, cancel := context.WithTimeout(c.peer.ctx, patience)
	defer cancel()
	if err := c.ws.Write(ctx, kind, []byte(message)); err != nil {
		c.fail("sending %.80q: %v", message, err)
	}
}

func (c *PeerConn) ready() {
	if c.ws == nil {
		c.Accept("xmpp")
	}
}

// cut may be called from any goroutine.
func (c *PeerConn) cut() {
	c.mu.Lock()
	ws := c.ws
	c.mu.Unlock()
	if conn := c.w.hijacked(); conn != nil {
		if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
			conn = t.NetConn() // no close_notify
		}
		_ = conn.Close()
	}
	if ws != nil {
		_ = ws.CloseNow()
	}
}

// fail reports and ends the script. Once the test is over everything fails, and
// that is nobody's fault.
func (c *PeerConn) fail(format string, args ...any) {
	if c.peer.ctx.Err() == nil {
		c.peer.t.Errorf("peer, connection %d: %s", c.N, fmt.Sprintf(format, args...))
	}
	runtime.Goexit()
}

// hijack remembers the connection under the WebSocket, for those who misbehave.
type hijack struct {
	http.ResponseWriter
	mu   sync.Mutex
	conn net.Conn
}

func (h *hijack) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.mu.Lock()
	h.conn = conn
	h.mu.Unlock()
	return conn, rw, err
}

func (h *hijack) hijacked() net.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conn
}

// frame is one WebSocket frame of a server (RFC 6455 §5.2: not masked).
func frame(op byte, last bool, payload string) []byte {
	if last {
		op |= 0x80
	}
	b := []byte{op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// parse reads one message with encoding/xml, on purpose not with ours: what our
// writer makes is judged by a stranger.
func parse(message string) (*framing.Element, error) {
	if !strings.HasPrefix(message, "<") {
		return nil, errors.New("it does not begin with <")
	}
	var root *framing.Element
	var open []*framing.Element
	d := xml.NewDecoder(strings.NewReader(message))
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := framing.New(token.Name.Space, token.Name.Local)
			for _, a := range token.Attr {
				if a.Name.Space == "xmlns" || a.Name == (xml.Name{Local: "xmlns"}) {
					continue
				}
				e.Attrs = append(e.Attrs, framing.Attr{Name: framing.Name(a.Name), Value: a.Value})
			}
			if len(open) > 0 {
				open[len(open)-1].Add(e)
			} else if root != nil {
				return nil, errors.New("it holds more than one element")
			} else {
				root = e
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].AddText(string(token))
			} else {
				return nil, errors.New("it holds text outside of its element")
			}
		default:
			return nil, fmt.Errorf("it holds a %T", token)
		}
	}
	if root == nil {
		return nil, errors.New("it holds no element")
	}
	return root, nil
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
