package stream

import (
	"errors"
	"fmt"
	"time"
)

// ErrDisconnected ends a Request whose stream could not be resumed: no answer can come.
var ErrDisconnected = errors.New("the connection was lost before the answer came")

// ErrClosed is the error of Send after Close or the end of Run.
var ErrClosed = errors.New("the stream is closed")

// TooLargeError reports a stanza that can never be sent: the server would end the stream
// because of its size (RFC 6120 §13.12, XEP-0478 §3).
type TooLargeError struct{ Size, Max int }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the stanza has %d bytes, the server takes %d", e.Size, e.Max)
}

// ErrStale reports a message that was written more than Stale ago, when the connection
// seemed to work: it is not sent, because the conversation has moved on. A message with a
// <delay/> (XEP-0203) was written offline, where the person knew that it would be late. It
// is sent at any age.
var ErrStale = errors.New("the message has become too old to be sent")

// Stale is the age from which a message is not sent without asking the person.
const Stale = time.Hour

// ErrMiscounted reports a stream that was ended because the server confirmed stanzas that
// were never sent (XEP-0198 §6).
var ErrMiscounted = errors.New("the server confirmed more than it was sent")

// ErrSilent reports a session that was ended because the server did not answer.
var ErrSilent = errors.New("the server does not answer any more")
