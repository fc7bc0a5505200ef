package stream

import (
	"time"

	"natter/app/connect"
	"natter/framing"
)

// Event reports something that happened to a Stream.
type Event interface{ event() }

// Online reports a session. With Resumed the stream was resumed, and nothing has to be requested again.
// With Lost, stanzas are lost that an earlier page had queued and not stored; without it nothing is.
// Without Resumed it is a new stream. The Conn of the session belongs to the stream.
type Online struct {
	Session       *connect.Session
	Resumed, Lost bool
}

// Redelivered reports that a resumed stream has received all stanzas that the lost socket
// had not delivered. Stanzas after it are new.
type Redelivered struct{}

// Received is a stanza for the owner. It may be an answer that no request waits for, because those have a
// number too. N is that number. The stanza is acknowledged to the server only after the owner has
// committed a Snapshot with N (XEP-0198 §4).
type Received struct {
	Stanza *framing.Element
	N      uint64
}

// Replied is the answer to a Request. The owner calls Done on its own goroutine. Err is a
// *framing.StanzaError, ErrDisconnected or a context error; then Reply may be nil. If Reply
// is not nil, N is as in Received.
type Replied struct {
	Reply *framing.Element
	N     uint64
	Err   error
	Done  func(reply *framing.Element, err error)
}

// Acknowledged reports stanzas of ours that the server has, in this order. The server has
// confirmed them (XEP-0198) or, without Stream Management, answered a ping that was sent
// after them: a server processes the stanzas of a stream in order (RFC 6120 §10.1).
type Acknowledged struct{ Stanzas []*framing.Element }

// Unsent reports messages and presences of a stream that could not be resumed: nobody knows whether the
// server has them. Messages to rooms are among them even if they were not written, because a new stream is
// in no room. The owner decides with Decide which of them to retry. Until then no later message leaves,
// to keep the order.
//
// With Err they can never be sent, and nothing waits for Decide. Err is a *TooLargeError
// (with an estimated Max, if the stanza has ended two connections), the
// *framing.StreamError that has ended two connections, or ErrStale.
type Unsent struct {
	Stanzas []*framing.Element
	Loss    int // for Decide
	Err     error
}

// Reordered reports that stanzas of ours leave in another order than that of the Snapshots
// before. The messages among them wait until it is committed.
type Reordered struct{}

// Offline reports the end of the session. Err is a *connect.Error with the reason. The next
// attempt is at RetryAt; if that is zero, the stream waits for Wake(Manual).
type Offline struct {
	Err     error
	RetryAt time.Time
}

// Trying reports that Config.Connect has been called.
type Trying struct{}

func (Online) event()       {}
func (Redelivered) event()  {}
func (Received) event()     {}
func (Replied) event()      {}
func (Acknowledged) event() {}
func (Unsent) event()       {}
func (Reordered) event()    {}
func (Offline) event()      {}
func (Trying) event()       {}
