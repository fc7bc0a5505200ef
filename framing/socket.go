package framing

import (
	"context"
	"errors"
	"fmt"
)

// Socket is one WebSocket that has been opened with the subprotocol xmpp. The
// browser's and coder/websocket's both fit behind it; a contract test
// (framing/sockettest) holds them to what is written here.
type Socket interface {
	// Read returns the next text message. Messages that arrived before the close
	// are returned before the close is: it comes last, as a *CloseError. A binary
	// message closes the socket and is reported as ErrBinary.
	// Only one Read may run at a time. When ctx ends Read returns its error and
	// the socket stays open; the message it waited for is not lost.
	Read(ctx context.Context) (string, error)

	// Write sends one text message, unfragmented. It may buffer; see Buffered.
	// It may be called from several goroutines.
	Write(ctx context.Context, message string) error

	// Buffered returns how many bytes were written and not yet handed to the
	// network.
	Buffered() int

	// Close starts the closing handshake and returns when the peer has answered
	// or after its own short deadline, then drops the connection. The code is
	// 1000 or 3000-4999: a page may send no other. Close may be called twice.
	Close(code int, reason string) error
}

// ErrBinary reports a binary message. XMPP has none (RFC 7395 §3.2).
var ErrBinary = errors.New("the peer sent a binary message")

// ErrUnmasked reports a frame that a client has not masked. The socket was closed with
// 1002 (RFC 6455 §5.1).
var ErrUnmasked = errors.New("the peer sent a frame that is not masked")

// ErrSubprotocol reports a WebSocket whose other side did not name the
// subprotocol xmpp: whatever it is, it is not XMPP (RFC 7395 §3.1).
var ErrSubprotocol = errors.New("the other side does not speak the WebSocket subprotocol xmpp")

// CloseError is how a Socket reports its end.
type CloseError struct {
	Code   int    // 1006 when the connection was lost without a closing handshake
	Reason string // the peer's words, never shown as ours
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("socket closed with code %d", e.Code)
	}
	return fmt.Sprintf("socket closed with code %d: %s", e.Code, e.Reason)
}

// ValidCloseCode reports whether a page may close a WebSocket with this code; the
// other implementations keep to the same.
func ValidCloseCode(code int) bool {
	return code == 1000 || code >= 3000 && code <= 4999
}
