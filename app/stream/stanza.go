package stream

import (
	"errors"
	"fmt"
	"time"

	"natter/framing"
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

// StanzaError is an answer of type error (RFC 6120 §8.3).
type StanzaError struct {
	Type      string           // auth, cancel, continue, modify or wait; cancel if it is none of them
	Condition string           // undefined-condition if it is none of RFC 6120 §8.3.3
	Text      string           // the other side's words, never shown as ours
	App       *framing.Element // application-specific condition, nil if none
}

func (e *StanzaError) Error() string {
	if e.Text == "" {
		return "stanza error " + e.Condition
	}
	return "stanza error " + e.Condition + ": " + e.Text
}

// readStanzaError reads the error of a stanza. What is missing or unknown becomes
// undefined-condition, and an application's own condition only ever adds to it
// (RFC 6120 §8.3.3.21, §8.3.4).
func readStanzaError(st *framing.Element) *StanzaError {
	e := &StanzaError{Type: "cancel", Condition: "undefined-condition"}
	el := st.Child(framing.NSClient, "error")
	switch t := el.Attr("type"); t {
	case "auth", "continue", "modify", "wait":
		e.Type = t
	}
	for _, c := range el.Elements() {
		switch {
		case c.Name.Space != framing.NSStanzaError:
			if e.App == nil {
				e.App = c
			}
		case c.Name.Local == "text":
			e.Text = c.Text()
		case conditions[c.Name.Local]:
			e.Condition = c.Name.Local
		}
	}
	return e
}

// conditions are those of RFC 6120 §8.3.3.
var conditions = map[string]bool{
	"bad-request": true, "conflict": true, "feature-not-implemented": true,
	"forbidden": true, "gone": true, "internal-server-error": true,
	"item-not-found": true, "jid-malformed": true, "not-acceptable": true,
	"not-allowed": true, "not-authorized": true, "policy-violation": true,
	"recipient-unavailable": true, "redirect": true, "registration-required": true,
	"remote-server-not-found": true, "remote-server-timeout": true,
	"resource-constraint": true, "service-unavailable": true,
	"subscription-required": true, "undefined-condition": true,
	"unexpected-request": true,
}
