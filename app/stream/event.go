package stream

import (
	"time"

	"natter/app/connect"
	"natter/framing"
)

// Event is what a Stream tells its owner.
type Event interface{ event() }

// Online: there is a session. With Resumed nothing was lost and nothing has to be
// asked again; otherwise everything starts over. The Conn of the session belongs
// to the stream.
type Online struct {
	Session *connect.Session
	Resumed bool
}

// Redelivered: all has come that was under way to the socket that was lost, and that the
// server has sent again to the resumed stream. What comes from now on is new.
type Redelivered struct{}

// Received is a stanza for the owner. After it has been dealt with, Handled must
// be called once; the server is not told before (XEP-0198 §4).
type Received struct{ Stanza *framing.Element }

// Replied: the answer to a Request. The owner calls Done on its own goroutine. Err is
// a *framing.StanzaError, ErrDisconnected or a context error; then Reply may be nil. If it is not,
// Handled must be called as for Received.
type Replied struct {
	Reply *framing.Element
	Err   error
	Done  func(reply *framing.Element, err error)
}

// Acknowledged: the server has these stanzas of ours, in this order. It said so
// itself (XEP-0198), or, where it cannot, by answering a ping sent after them: it
// takes the stanzas of a stream one after the other (RFC 6120 §10.1).
type Acknowledged struct{ Stanzas []*framing.Element }

// Unsent: the stream could not be resumed and it is not known whether the server
// has these messages and presences. The owner decides what becomes of them, and says
// so with Settle: until then no message leaves that was queued after them, or they
// would come out of order. With Err the server does not take them, and sending them
// once more would end the next connection too: it is a *TooLargeError, with a Max that is
// a guess if it has cost two connections, or the *framing.StreamError it has cost twice;
// or too much time has gone by, and it is ErrStale. Then nothing waits.
type Unsent struct {
	Stanzas []*framing.Element
	Loss    int // for Settle
	Err     error
}

// Offline: the session is gone. The next try is at RetryAt; when that is zero the
// stream waits for Wake(Manual). Err says why; it is a *connect.Error.
type Offline struct {
	Err     error
	RetryAt time.Time
}

// Trying: a connection is being made.
type Trying struct{}

func (Online) event()       {}
func (Redelivered) event()  {}
func (Received) event()     {}
func (Replied) event()      {}
func (Acknowledged) event() {}
func (Unsent) event()       {}
func (Offline) event()      {}
func (Trying) event()       {}
