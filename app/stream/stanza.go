package stream

import (
	"errors"
	"fmt"
	"time"
)

// ErrDisconnected is what a Request gets when the stream it was sent on is gone
// for good: nobody will answer it any more.
var ErrDisconnected = errors.New("the connection was lost before the answer came")

// ErrClosed is what Send returns once the stream has been closed or Run is over.
var ErrClosed = errors.New("the stream is closed")

// TooLargeError reports a stanza that can never be sent: the server would end the
// stream over it (RFC 6120 §13.12, XEP-0478 §3).
type TooLargeError struct{ Size, Max int }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the stanza has %d bytes, the server takes %d", e.Size, e.Max)
}

// ErrStale is why a message is not sent that was written more than Stale ago, while all
// seemed well: the conversation has moved on. Who writes without a connection knows that
// it will be late, and gives it a <delay/> (XEP-0203): that goes out whenever there is one.
var ErrStale = errors.New("the message has become too old to be sent")

// Stale is the age from which nothing goes out without asking.
const Stale = time.Hour

// ErrMiscounted is why a stream was ended on which the server confirmed stanzas
// that were never sent (XEP-0198 §6).
var ErrMiscounted = errors.New("the server confirmed more than it was sent")

// ErrSilent is why a stream was given up whose server did not answer any more.
var ErrSilent = errors.New("the server does not answer any more")
