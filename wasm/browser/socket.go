//go:build js && wasm

package browser

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall/js"
	"time"

	"natter/framing"
)

// closeTimeout is how long a peer has for its part of the closing handshake. A
// page cannot drop a connection; after this time it only stops listening to it.
const closeTimeout = 3 * time.Second

// Socket is the browser's WebSocket as a framing.Socket.
//
// The browser delivers events whether somebody reads or not, so they are queued, the
// close behind the messages that came before it. That order is the point: stream
// errors and redirects arrive right before a close.
type Socket struct {
	ws      js.Value
	release []js.Func

	mu     sync.Mutex
	queue  []string
	ended  error         // why no more messages come, nil while the socket is open
	wake   chan struct{} // has room for one: something was queued
	opened chan error    // has room for one: how the handshake ended
	closed chan struct{} // closed with ended
}

// DialSocket opens a WebSocket with the subprotocol xmpp. When ctx ends first, the
// attempt is abandoned for good: a connection that is made later is closed
// unused. Why a handshake failed is not known to a page.
func DialSocket(ctx context.Context, url string) (framing.Socket, error) {
	// Mixed content and a forbidding connect-src throw right here.
	ws, err := try(func() js.Value { return global.Get("WebSocket").New(url, "xmpp") })
	if err != nil {
		return nil, fmt.Errorf("the browser refused to connect: %w", err)
	}
	s := &Socket{
		ws:     ws,
		wake:   make(chan struct{}, 1),
		opened: make(chan error, 1),
		closed: make(chan struct{}),
	}
	s.on("open", func(js.Value) { s.opened <- nil })
	s.on("message", s.message)
	s.on("close", s.close)
	select {
	case err = <-s.opened:
	case <-ctx.Done():
		err = ctx.Err()
		s.abandon(err)
	}
	if err != nil {
		return nil, err
	}
	// Browsers fail the handshake themselves when the server does not choose xmpp
	// (RFC 7395 §3.1); a page that runs elsewhere may not.
	if got := ws.Get("protocol").String(); got != "xmpp" {
		s.abandon(framing.ErrClosed)
		return nil, fmt.Errorf("%w: the server chose %q", framing.ErrSubprotocol, got)
	}
	return s, nil
}

func (s *Socket) on(event string, f func(js.Value)) {
	callback := js.FuncOf(func(_ js.Value, args []js.Value) any {
		f(args[0])
		return nil
	})
	s.release = append(s.release, callback)
	s.ws.Set("on"+event, callback)
}

func (s *Socket) message(ev js.Value) {
	data := ev.Get("data")
	if data.Type() != js.TypeString {
		s.end(framing.ErrBinary)
		s.ws.Call("close", 3003, "only text, RFC 7395 section 3.2")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return
	}
	s.queue = append(s.queue, data.String())
	s.notify()
}

func (s *Socket) close(ev js.Value) {
	err := &framing.CloseError{Code: ev.Get("code").Int(), Reason: ev.Get("reason").String()}
	select {
	case s.opened <- err:
	default:
	}
	s.end(err)
	s.detach()
}

// end makes err what Read returns after the queued messages. The first end counts.
func (s *Socket) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return
	}
	s.ended = err
	close(s.closed)
	s.notify()
}

func (s *Socket) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// detach lets go of the callbacks, so that a late event of a socket nobody wants
// finds nobody.
func (s *Socket) detach() {
	for _, event := range []string{"onopen", "onmessage", "onclose"} {
		s.ws.Set(event, js.Null())
	}
	for _, f := range s.release {
		f.Release()
	}
	s.release = nil
}

// abandon gives the socket up. Closing one that is still connecting makes the
// browser drop the attempt; otherwise the next dial to the same host would wait
// behind it.
func (s *Socket) abandon(err error) {
	s.end(err)
	s.detach()
	s.ws.Call("close")
}

// Read implements framing.Socket.
func (s *Socket) Read(ctx context.Context) (string, error) {
	for {
		Breathe()
		s.mu.Lock()
		if len(s.queue) > 0 {
			m := s.queue[0]
			s.queue[0] = ""
			s.queue = s.queue[1:]
			s.mu.Unlock()
			return m, nil
		}
		ended := s.ended
		s.mu.Unlock()
		if ended != nil {
			return "", ended
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// Write implements framing.Socket. The browser buffers what it cannot send yet.
func (s *Socket) Write(_ context.Context, message string) error {
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	if ended != nil {
		return ended
	}
	if s.ws.Get("readyState").Int() != 1 {
		return &framing.CloseError{Code: 1006, Reason: "the socket is closing"}
	}
	_, err := try(func() js.Value { return s.ws.Call("send", message) })
	return err
}

// Buffered implements framing.Socket.
func (s *Socket) Buffered() int { return s.ws.Get("bufferedAmount").Int() }

// Close implements framing.Socket. Codes a page may not send throw and would leave
// the socket open, so they are refused before the browser sees them.
func (s *Socket) Close(code int, reason string) error {
	if code != 1000 && (code < 3000 || code > 4999) {
		return errors.New("a page may only close with 1000 or 3000-4999")
	}
	select {
	case <-s.closed:
		return nil
	default:
	}
	if _, err := try(func() js.Value { return s.ws.Call("close", code, reason) }); err != nil {
		return err
	}
	select {
	case <-s.closed:
	case <-time.After(closeTimeout):
		s.end(&framing.CloseError{Code: 1006, Reason: "the server did not answer the close"})
		s.detach()
	}
	return nil
}
