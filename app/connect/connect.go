// Package connect goes from an address to a bound stream: discover, dial, follow
// redirects but never to less security, negotiate.
//
// Connect returns a Session: a framing.Conn that is ready for stanzas. Its error is an
// *Error with the phase, the condition and the server's own text. Explain turns an
// *Error into plain sentences; Retry reports whether to retry without asking the person.
//
// Request.Remember asks for a Credential, which replaces the password at the next
// sign-in. A Credential with a token (XEP-0484) is pipelined: <authenticate/> is sent
// together with <open/>, if the same endpoint has offered everything in it before.
// XEP-0388 §2.1 allows clients to keep the offer, and RFC 6120 §4.3.5 forbids only
// stanzas before the negotiation is complete. XEP-0305 defines a feature by which a
// server announces that it can read this, but no server announces it. So the features
// are compared with the kept offer, and if the server misunderstands, the sign-in is
// repeated over a new socket without pipelining, and never pipelined again.
//
// Surprises: an endpoint is protected if it is wss or on this machine. The address
// (from on <open/>), SASL2 and PLAIN are used on protected endpoints only. A redirect
// is checked against the first endpoint and against the one that sent it. Features and
// mechanisms of one endpoint are never assumed for the next.
package connect

import (
	"context"
	"fmt"
	"strings"
	"time"

	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/framing"
)

// Connector makes sessions. Its fields are set before the first call of Connect
// and not changed after.
type Connector struct {
	Find *discover.Finder

	// Dial opens one WebSocket with the subprotocol xmpp.
	Dial func(ctx context.Context, url string) (framing.Socket, error)

	Crypto sasl.Crypto

	// Pins remembers which accounts have used SCRAM, so that PLAIN is never
	// accepted for them again (XEP-0474 §7).
	Pins Pins

	// UserAgent is sent with SASL2 (XEP-0388 §2.3); its ID is a UUIDv4 that stays
	// the same for one installation.
	UserAgent UserAgent

	// StepTimeout is the deadline of every single step: dial, open, features, each
	// answer of the authentication, bind. Zero means 10 seconds. Servers do hang in
	// the middle of a negotiation.
	StepTimeout time.Duration

	// Trace, if set, sees every document sent and received, with passwords, tokens and
	// SASL messages blanked out.
	Trace func(out bool, doc string)

	// NewID returns an id for a request, with at least 128 random bits. Nil means
	// rand.Text.
	NewID func() string

	// Lang is the xml:lang of our streams, in which the server may word its errors.
	// Empty means English.
	Lang string

	// Now is the clock that tokens expire by; nil means time.Now.
	Now func() time.Time

	nonce func() string // SCRAM's, fixed in tests
}

// UserAgent is what SASL2 tells the server about this installation.
type UserAgent struct{ ID, Software, Device string }

// Pins remembers per account that SCRAM has been used.
type Pins interface {
	SCRAMSeen(account jid.JID) bool
	SetSCRAMSeen(account jid.JID)
}

// Request describes the session to make.
type Request struct {
	Account    jid.JID // bare; the account the session must be of, only its domain with Anonymous
	User       string  // name to sign in with, "" for the account's: see IdentityError
	Password   string
	Credential *Credential // used instead of Password if not nil; then there is no fallback to Password
	Remember   bool        // ask for a Credential
	Anonymous  bool
	Server     string  // the endpoint the person entered, "" to discover one
	Resume     *Resume // the stream to resume, nil for a new one

	// Redirect is how the last session ended, if its server redirected us: an *Error with
	// the endpoint of that session and the redirect as its cause.
	Redirect error

	invalidate bool // sign in only to make the server invalidate Credential
}

// Resume is what XEP-0198 needs to resume a stream.
type Resume struct {
	ID  string  // the SM-ID, sent as previd
	H   uint32  // stanzas of the server that we have handled
	JID jid.JID // the full address the stream is bound to
	// At is the host, or host:port, where the server prefers the stream to be resumed, ""
	// for anywhere. It is not a WebSocket address, so it only decides which of the domain's
	// endpoints is tried first.
	At string
}

// Session is a bound stream. Only the negotiation has been read from and written to
// Conn.
type Session struct {
	Conn       *framing.Conn
	JID        jid.JID          // full, as the server says
	Features   *framing.Element // the features after authentication, nil after an inline resume
	Endpoint   string           // URL of the WebSocket
	Delegated  bool             // the endpoint's host is neither the domain nor below it
	Resumed    bool             // the stream of Request.Resume was resumed
	ResumedH   uint32           // with Resumed: stanzas of ours that the server has handled
	FailedH    *uint32          // the same, if the resume failed and the server gave the number
	SM         *framing.Element // <enabled/> that came inline with Bind 2, or nil
	Bound      *framing.Element // <bound/> of Bind 2, which may say where the archive ends, or nil
	Carbons    bool             // carbons are on already, through Bind 2
	MaxBytes   int              // largest stanza the server accepts (XEP-0478), 0 if unknown
	Idle       time.Duration    // silence after which the server disconnects (XEP-0478), 0 if unknown
	Mechanism  string           // the SASL mechanism that was used
	RoundTrips int              // round trips since the socket was open
	Credential *Credential      // to be stored from now on; nil if there is none or the one used is still right
}

// Phase is the part of a connection attempt in which it failed.
type Phase string

const (
	Discovery    Phase = "discovery"
	Dial         Phase = "dial"
	Opening      Phase = "open"
	Redirected   Phase = "redirect"
	Authenticate Phase = "authenticate"
	Binding      Phase = "bind"
	Established  Phase = "session" // used by package stream
)

// Error reports why there is no session.
type Error struct {
	Phase     Phase
	Endpoint  string // "" in discovery
	Condition string // condition of the protocol, "" if there is none: "not-authorized", "host-unknown", "timeout" …
	Text      string // the server's own text
	Err       error  // the cause: *discover.Error, *framing.StreamError, *sasl.FailureError, *RedirectError …

	// Attempts are the errors of the endpoints that were tried before, in order.
	Attempts []*Error

	streamError string // condition of the stream error to send to the server, "" for none
}

// Timeout is the Condition of an Error whose cause is a *TimeoutError.
const Timeout = "timeout"

// TimeoutError reports a step that took longer than Connector.StepTimeout.
type TimeoutError struct{ Step Step }

func (e *TimeoutError) Error() string { return "no answer to: " + string(e.Step) }

// Unwrap makes it a context.DeadlineExceeded.
func (e *TimeoutError) Unwrap() error { return context.DeadlineExceeded }

// Step is one request of the negotiation that waits for the server.
type Step string

const (
	ToDial         Step = "dial"
	ToOpen         Step = "open"
	ToFeatures     Step = "features"
	ToAuthenticate Step = "authenticate"
	ToReopen       Step = "open after authentication"
	ToRefeatures   Step = "features after authentication"
	ToResume       Step = "resume"
	ToBind         Step = "bind"
)

// ProtocolError reports a server that broke the rules of the negotiation (RFC 6120 §4.3).
type ProtocolError struct{ Msg string }

func (e *ProtocolError) Error() string { return e.Msg }

// TaskError reports an account that needs more than the password, such as a second
// factor (XEP-0388 §2.6.3).
type TaskError struct{ Tasks []string }

func (e *TaskError) Error() string {
	return "the server also asks for " + strings.Join(e.Tasks, ", ")
}

func (e *Error) Error() string {
	s := string(e.Phase)
	if e.Endpoint != "" {
		s += " " + e.Endpoint
	}
	if e.Condition != "" {
		s += ": " + e.Condition
	}
	if e.Text != "" {
		s += fmt.Sprintf(" (%s)", e.Text)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }
