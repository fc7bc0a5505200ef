package trial

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"natter/app/jid"
	"natter/framing"
)

// ErrBusy reports a connection that was turned away because there are too many,
// or the server is stopping.
var ErrBusy = errors.New("the server takes no more connections")

// conn is one WebSocket: first what is negotiated on it, then the session it
// carries.
type conn struct {
	s      *Server
	stream *framing.Conn
	remote string // address without port: what rate limits count by
	drop   context.CancelCauseFunc

	stanzas, bytes, fanout *bucket
	size                   atomic.Int64 // of the latest message read

	phase    phase
	from     jid.JID  // who the client says it is, to be believed when it has proven it
	login    *login   // the exchange going on, nil if none
	account  *account // once authenticated; never changes after
	session  *session // once bound
	client   string   // the installation, as SASL2's user-agent names it
	failures int      // failed logins on this stream
	bindings int      // failed bindings

	out outbox
}

// Serve carries one connection to its end: that of the stream, or of ctx. It must
// be called without the mutex.
func (s *Server) Serve(ctx context.Context, socket framing.Socket) error {
	return s.serve(ctx, socket, "")
}

func (s *Server) serve(ctx context.Context, socket framing.Socket, remote string) error {
	ctx, drop := context.WithCancelCause(ctx)
	defer drop(nil)
	c := &conn{s: s, remote: remote, drop: drop, out: outbox{wake: make(chan struct{}, 1), most: s.lim.Outbox}}
	c.stream = framing.NewConn(socket, framing.ConnOptions{
		Server: true,
		Limits: framing.Limits{Bytes: s.lim.BytesAfter, Depth: s.lim.Depth},
		Trace: func(out bool, doc string) {
			if !out {
				c.size.Store(int64(len(doc)))
			}
		},
	})
	if !s.admit(c) {
		_ = socket.Close(3013, "try again later") // the error that counts is ErrBusy
		return ErrBusy
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write(ctx)
	}()
	err := c.read(ctx)
	s.release(c, err)
	<-written
	drop(nil)
	_ = c.stream.Close(ctx) // a stream that is over already; else the socket is dropped
	return err
}

// admit counts a connection in. It is called without the mutex.
func (s *Server) admit(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	same := 0
	for o := range s.conns {
		if o.remote == c.remote {
			same++
		}
	}
	if s.closing || len(s.conns) >= s.lim.Connections || same >= s.lim.PerAddress {
		return false
	}
	now := s.o.Now()
	c.stanzas = newBucket(s.lim.Stanzas, s.lim.StanzaBurst, now)
	c.bytes = newBucket(s.lim.Bytes, s.lim.ByteBurst, now)
	c.fanout = newBucket(s.lim.Fanout, s.lim.FanoutBurst, now)
	s.conns[c] = struct{}{}
	return true
}

// release counts a connection out and decides what becomes of its session: a
// stream that ended in good order, or by an error, is over; one whose socket was
// lost may be resumed (XEP-0198 §7). It is called without the mutex.
func (s *Server) release(c *conn, err error) {
	s.do(func() {
		lost := !c.out.ended && !finished(err)
		c.out.end(nil)
		delete(s.conns, c)
		if s.closing && len(s.conns) == 0 {
			close(s.empty)
		}
		x := c.session
		switch {
		case x == nil || x.conn != c:
		case lost && x.resumable():
			x.conn = nil
			s.hibernate(x)
		default:
			x.conn = nil
			s.end(x)
		}
	})
}

// do runs f with the mutex, and then what f put off. A panic ends nothing but f,
// which it reports. It is called without the mutex.
func (s *Server) do(f func()) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if r := recover(); r != nil {
			s.later = nil
			s.log.Error("panic in the trial server", "type", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
		}
	}()
	f()
	for len(s.later) > 0 {
		next := s.later[0]
		s.later = s.later[1:]
		next()
	}
	return true
}

// finished reports whether err is how a stream ends for good.
func finished(err error) bool {
	var failed *framing.StreamError
	var broken *framing.SyntaxError
	return errors.Is(err, framing.ErrClosed) || errors.As(err, &failed) || errors.As(err, &broken)
}

var errIdle = errors.New("the client has been silent for too long")

// read handles what arrives until nothing will. It runs without the mutex.
func (c *conn) read(ctx context.Context) error {
	deadline := time.AfterFunc(c.s.lim.Login, func() {
		c.s.do(func() {
			if c.phase != bound {
				c.fail(framing.ConnectionTimeout, "no session was made in time")
			}
		})
	})
	defer deadline.Stop()
	asked := false
	for {
		waiting, cancel := context.WithTimeout(ctx, c.s.lim.Idle/2)
		e, err := c.stream.Read(waiting)
		cancel()
		switch {
		case err == nil:
			asked = false
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case waiting.Err() != nil && errors.Is(err, waiting.Err()) && !asked:
			asked = true
			c.s.do(c.areYouThere)
			continue
		case waiting.Err() != nil && errors.Is(err, waiting.Err()):
			return errIdle
		default:
			return err
		}
		if wait := c.handle(e); wait > 0 {
			if err := c.s.o.Sleep(ctx, wait); err != nil {
				return context.Cause(ctx)
			}
		}
	}
}

// handle carries one element to its end and returns how long to leave the client
// unread because of it. A panic ends this connection and no other. It is called
// without the mutex.
func (c *conn) handle(e *framing.Element) (wait time.Duration) {
	s := c.s
	ok := s.do(func() {
		if c.out.ended {
			return
		}
		s.fanout = 0
		s.sweep()
		c.step(e)
		now := s.o.Now()
		wait = max(
			c.stanzas.take(now, 1),
			c.bytes.take(now, float64(c.size.Load())),
			c.fanout.take(now, float64(s.fanout)),
		)
	})
	if !ok {
		s.do(func() { c.fail(framing.InternalServerError, "") })
	}
	return wait
}

// areYouThere asks a silent client for a sign of life.
func (c *conn) areYouThere() {
	x := c.session
	switch {
	case x == nil:
	case x.sm != nil:
		c.send(framing.New(nsSM, "r"))
	default:
		ping := framing.New(framing.NSClient, "iq").Set("type", "get").Set("id", c.s.o.NewID()).
			Set("from", c.s.domain.String()).Set("to", x.jid.String()).Add(framing.New(nsPing, "ping"))
		x.send(ping)
	}
}

// send queues an element. A client that does not read is dropped before its
// queue grows without bound.
func (c *conn) send(e *framing.Element) {
	if !c.out.add(e) {
		c.drop(errors.New("the client does not read"))
	}
}

// fail ends the stream with an error, after what was queued before it.
func (c *conn) fail(condition, text string) {
	c.out.end(&framing.StreamError{Condition: condition, Text: text})
}

// write sends what is queued, and then ends the stream if that is wanted. It runs
// without the mutex.
func (c *conn) write(ctx context.Context) {
	for {
		elements, end := c.out.take()
		for _, e := range elements {
			one, cancel := context.WithTimeout(ctx, c.s.lim.Write)
			err := c.stream.Write(one, e)
			cancel()
			if err != nil && !errors.Is(err, framing.ErrClosed) {
				c.drop(err)
				return
			}
		}
		if end != nil && end.reason != nil {
			_ = c.stream.Fail(ctx, end.reason) // the reader sees how it ended
			return
		}
		if end != nil {
			return
		}
		select {
		case <-c.out.wake:
		case <-ctx.Done():
			return
		}
	}
}

// errorKind describes how a connection ended without the peer's words.
func errorKind(err error) string {
	var closed *framing.CloseError
	var failed *framing.StreamError
	var broken *framing.SyntaxError
	switch {
	case errors.Is(err, framing.ErrClosed):
		return "closed in order"
	case errors.As(err, &closed):
		return fmt.Sprintf("socket closed with %d", closed.Code)
	case errors.As(err, &failed):
		return failed.Condition
	case errors.As(err, &broken):
		return broken.Condition
	}
	return fmt.Sprintf("%T", err)
}
