package framing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ConnOptions configures a Conn. The zero value is a client's.
type ConnOptions struct {
	Server       bool          // we are the receiving entity
	Namespace    string        // of open and close: NSFraming, also if empty, or NSFramingServer
	Limits       Limits        // of what is read
	MaxWrite     int           // bytes of one message; 0 is no limit
	CloseTimeout time.Duration // how long to wait for the peer's <close/>; 2 s if zero

	// Closing is called when the peer has sent <close/> first, before that is
	// answered: what is written until it returns still goes before ours.
	Closing func(ctx context.Context)

	// Encode writes elements as documents; Element.String if nil.
	Encode func(*Element) string

	// Trace sees every message, credentials included, before it is parsed or
	// sent. It must not call back into the Conn.
	Trace func(out bool, doc string)
}

// Conn reads and writes the elements of one XMPP stream, one message each, and
// keeps the rules of opening, failing and closing of RFC 7395 for either side.
// Conn does not interpret elements: headers, features and stanzas are all returned by Read.
//
// One goroutine may Read while any number Write, Close or Fail.
type Conn struct {
	socket       Socket
	server       bool
	ns           string
	limits       Limits
	closeTimeout time.Duration
	closing      func(ctx context.Context)
	encode       func(*Element) string
	trace        func(out bool, doc string)
	maxWrite     atomic.Int64
	peer         atomic.Pointer[Element] // the latest header received

	// Locks that can be waited for with a context.
	reading lock // guards heard, late and the right to read the socket
	writing lock // guards openSent, closeSent and the order of messages

	heard bool       // a message has arrived
	late  []*Element // read by Close, kept for Read

	openSent, closeSent bool

	once    sync.Once
	err     error         // what Read returns once ended is closed
	ended   chan struct{} // nothing will be read any more
	dropped chan struct{} // the socket has been closed
}

type lock chan struct{}

func (l lock) acquire(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lock) release() { <-l }

// NewConn returns a Conn that owns the socket from here on.
func NewConn(s Socket, o ConnOptions) *Conn {
	c := &Conn{
		socket:       s,
		server:       o.Server,
		ns:           o.Namespace,
		limits:       o.Limits,
		closeTimeout: o.CloseTimeout,
		closing:      o.Closing,
		encode:       o.Encode,
		trace:        o.Trace,
		reading:      make(lock, 1),
		writing:      make(lock, 1),
		ended:        make(chan struct{}),
		dropped:      make(chan struct{}),
	}
	if c.ns == "" {
		c.ns = NSFraming
	}
	if c.encode == nil {
		c.encode = (*Element).String
	}
	if c.closeTimeout == 0 {
		c.closeTimeout = 2 * time.Second
	}
	c.SetMaxWrite(o.MaxWrite)
	return c
}

// Namespace returns the namespace of this stream's open and close.
func (c *Conn) Namespace() string { return c.ns }

// SetMaxWrite sets how many bytes a message may have, for when the peer announces
// it (XEP-0478); 0 is no limit.
func (c *Conn) SetMaxWrite(n int) { c.maxWrite.Store(int64(n)) }

// Buffered returns how many bytes wait to be sent.
func (c *Conn) Buffered() int { return c.socket.Buffered() }

// Read returns the next element: a stream header, features, a stanza or
// whatever else the peer sent at the first level. Its errors end the stream,
// except for the context's own:
//
//   - ErrClosed after <close/>, *RedirectError if it said where to go; it has
//     been answered.
//   - *StreamError when the peer sent one; it has been answered with <close/>.
//   - *SyntaxError, or ErrOldDraft, when the peer broke the rules of the
//     stream; it has been told with a stream error and <close/>.
//   - ErrBinary, or *CloseError when the socket went away without <close/>, which
//     closes the stream too (RFC 7395 §3.6); only such a stream can be resumed.
//
// The error is the same however often Read is called. After our own Close, what
// arrived before the peer's <close/> is still returned first.
func (c *Conn) Read(ctx context.Context) (*Element, error) {
	if err := c.reading.acquire(ctx); err != nil {
		return nil, err
	}
	defer c.reading.release()
	if len(c.late) > 0 {
		e := c.late[0]
		c.late = c.late[1:]
		return e, nil
	}
	return c.next(ctx)
}

// Write sends an element as one message. It fails with ErrClosed when a <close/>
// was sent before or the stream has ended, *SizeError when the message is longer
// than the peer takes, ErrName when there is nothing to send; the stream is not
// harmed by any of these.
func (c *Conn) Write(ctx context.Context, e *Element) error {
	return c.write(ctx, e.String(), e.Is(c.ns, "open"), e.Is(c.ns, "close"))
}

// WriteStanza is Write for a stanza that Element.String has put into a document already.
func (c *Conn) WriteStanza(ctx context.Context, doc string) error {
	return c.write(ctx, doc, false, false)
}

func (c *Conn) write(ctx context.Context, doc string, opens, closes bool) error {
	if doc == "" {
		return ErrName
	}
	if limit := int(c.maxWrite.Load()); limit > 0 && len(doc) > limit {
		return &SizeError{Size: len(doc), Max: limit}
	}
	if err := c.writing.acquire(ctx); err != nil {
		return err
	}
	defer c.writing.release()
	if c.closeSent || isClosed(c.ended) {
		return ErrClosed
	}
	c.openSent = c.openSent || opens
	c.closeSent = closes
	return c.send(ctx, doc)
}

// Close ends the stream in good order: it sends <close/> unless that has been
// done, waits until the peer has sent its own, at most CloseTimeout or until ctx
// ends, and closes the socket. What arrives in between is kept for Read. It
// returns nil if the stream had ended before. When the peer did not answer in
// time it returns the context's error; the socket is closed nevertheless.
func (c *Conn) Close(ctx context.Context) error {
	return c.shut(ctx, Close(c.ns, ""))
}

// Redirect is Close with the URI of where the peer should go instead.
func (c *Conn) Redirect(ctx context.Context, uri string) error {
	return c.shut(ctx, Close(c.ns, uri))
}

// Fail ends the stream with an error: the error document, <close/> and the end of
// the socket, in this order; on a server's stream that is not open yet, the
// header comes before them (RFC 7395 §3.5). Whoever reads gets ErrClosed. It
// returns ErrClosed when the stream is closed already.
func (c *Conn) Fail(ctx context.Context, e *StreamError) error {
	return c.fail(ctx, e, ErrClosed)
}

// Drop closes the socket without a <close/>, which leaves the stream unfinished:
// the server keeps it for a while and it can be resumed over another socket
// (XEP-0198 §7). Whoever reads gets a *CloseError. It returns when the socket is
// closed, and does nothing more on a stream that has ended.
func (c *Conn) Drop() {
	_ = c.end(&CloseError{Code: 1006}, false)
	<-c.dropped
}

// next reads one message. The caller holds c.reading.
func (c *Conn) next(ctx context.Context) (*Element, error) {
	if isClosed(c.ended) {
		return nil, c.err
	}
	doc, err := c.socket.Read(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil, err
	}
	if err != nil {
		return nil, c.end(err, false)
	}
	if c.trace != nil {
		c.trace(false, doc)
	}
	first := !c.heard
	c.heard = true
	e, err := Parse(doc, c.limits)
	if err != nil {
		condition := NotWellFormed
		var bad *SyntaxError
		if errors.As(err, &bad) {
			condition = bad.Condition
		}
		if first && !c.server && isOldDraft(doc) {
			err = ErrOldDraft
		}
		return nil, c.refuse(ctx, condition, err)
	}
	if err := c.admit(e); err != nil {
		return nil, c.refuse(ctx, err.Condition, err)
	}
	switch {
	case e.Is(c.ns, "open"):
		c.peer.Store(e)
	case e.Is(c.ns, "close"):
		return nil, c.closedBy(ctx, e)
	case e.Is(NSStream, "error"):
		c.answerClose(ctx)
		return nil, c.end(ReadStreamError(e), true)
	}
	return e, nil
}

// admit refuses elements that have no place at the first level of this stream.
func (c *Conn) admit(e *Element) *SyntaxError {
	foreign := [2]string{NSServer, NSFramingServer}
	if c.ns == NSFramingServer {
		foreign = [2]string{NSClient, NSFraming}
	}
	space, local := e.Name.Space, e.Name.Local
	opened := c.peer.Load() != nil
	switch {
	case space == foreign[0] || space == foreign[1],
		!opened && space != c.ns && (local == "open" || local == "close"):
		// RFC 7395 §3.3.2, RFC 6120 §4.8.3. The answer names the host asked for.
		if !opened {
			c.peer.Store(e)
		}
		return &SyntaxError{Condition: InvalidNamespace, Msg: fmt.Sprintf("%s in the namespace %q", local, space)}
	case c.server && !opened && space != c.ns && space != NSStream:
		return &SyntaxError{Condition: NotAuthorized, Msg: "a stream begins with its header"}
	}
	return nil
}

// closedBy handles the peer's <close/>.
func (c *Conn) closedBy(ctx context.Context, e *Element) error {
	if c.closing != nil {
		c.closing(ctx)
	}
	ours := c.answerClose(ctx)
	if uri := e.Attr("see-other-uri"); uri != "" && !c.server {
		return c.end(&RedirectError{URI: uri}, !ours)
	}
	return c.end(ErrClosed, !ours)
}

// answerClose sends <close/> unless ours came first, which it reports.
func (c *Conn) answerClose(ctx context.Context) (ours bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.closeTimeout)
	defer cancel()
	if c.writing.acquire(ctx) != nil {
		return false // stuck on a peer that does not read: it will see the end of the socket
	}
	defer c.writing.release()
	if c.closeSent {
		return true
	}
	c.closeSent = true
	_ = c.send(ctx, Close(c.ns, "").String()) // a failure shows as the end of the socket
	return false
}

// refuse tells the peer that what it sent ended the stream, and returns err.
func (c *Conn) refuse(ctx context.Context, condition string, err error) error {
	_ = c.fail(context.WithoutCancel(ctx), &StreamError{Condition: condition}, err)
	return c.end(err, false)
}

func (c *Conn) fail(ctx context.Context, e *StreamError, reason error) error {
	ctx, cancel := context.WithTimeout(ctx, c.closeTimeout)
	defer cancel()
	err := c.sendFailure(ctx, e)
	if err == ErrClosed {
		return err
	}
	_ = c.end(reason, false)
	<-c.dropped
	return err
}

func (c *Conn) sendFailure(ctx context.Context, e *StreamError) error {
	if err := c.writing.acquire(ctx); err != nil {
		return err
	}
	defer c.writing.release()
	if c.closeSent || isClosed(c.ended) {
		return ErrClosed
	}
	c.closeSent = true
	docs := []*Element{e.Element(), Close(c.ns, "")}
	if !c.openSent {
		if !c.server {
			return nil // nothing is sent before our header (RFC 6120 §4.2)
		}
		open := Open{ID: rand.Text(), From: c.peer.Load().Attr("to"), Version: "1.0"}
		docs = append([]*Element{open.Element(c.ns)}, docs...)
	}
	for _, d := range docs {
		if err := c.send(ctx, c.encode(d)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) shut(ctx context.Context, e *Element) error {
	ctx, cancel := context.WithTimeout(ctx, c.closeTimeout)
	defer cancel()
	err := c.sendClose(ctx, e)
	if err == nil {
		err = c.awaitClose(ctx)
	}
	_ = c.end(ErrClosed, false)
	<-c.dropped
	return err
}

func (c *Conn) sendClose(ctx context.Context, e *Element) error {
	if err := c.writing.acquire(ctx); err != nil {
		return err
	}
	defer c.writing.release()
	if c.closeSent || isClosed(c.ended) {
		return nil
	}
	c.closeSent = true
	return c.send(ctx, e.String())
}

// awaitClose reads on until the stream has ended, or lets whoever is reading
// already do so.
func (c *Conn) awaitClose(ctx context.Context) error {
	for !isClosed(c.ended) {
		select {
		case <-c.ended:
		case <-ctx.Done():
			return ctx.Err()
		case c.reading <- struct{}{}:
			e, err := c.next(ctx)
			if e != nil {
				c.late = append(c.late, e)
			}
			c.reading.release()
			if err != nil && !isClosed(c.ended) {
				return err
			}
		}
	}
	return nil
}

// send hands a document to the socket. The caller holds c.writing.
func (c *Conn) send(ctx context.Context, doc string) error {
	if c.trace != nil {
		c.trace(true, doc)
	}
	return c.socket.Write(ctx, doc)
}

// end settles what Read returns, for the first caller, and lets the socket go. To
// linger is to wait a while for the peer to close it: who closes the stream also
// starts the closing handshake (RFC 7395 §3.6). It returns what was settled.
func (c *Conn) end(err error, linger bool) error {
	c.once.Do(func() {
		c.err = err
		close(c.ended)
		go c.hangUp(linger)
	})
	return c.err
}

func (c *Conn) hangUp(linger bool) {
	defer close(c.dropped)
	if linger {
		ctx, cancel := context.WithTimeout(context.Background(), c.closeTimeout)
		defer cancel()
		for {
			if _, err := c.socket.Read(ctx); err != nil {
				break
			}
		}
	}
	_ = c.socket.Close(1000, "") // it is over either way
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// isOldDraft recognises the header of a stream that is no document. It is not
// more than a better explanation for what failed to parse.
func isOldDraft(doc string) bool {
	if strings.HasPrefix(doc, "<?xml") {
		_, doc, _ = strings.Cut(doc, "?>")
	}
	return strings.HasPrefix(strings.TrimLeft(doc, " \t\r\n"), "<stream:stream")
}
