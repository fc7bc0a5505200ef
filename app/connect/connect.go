// Package connect goes from an address to a bound stream: discover, dial, follow
// redirects but never to less security, negotiate.
//
// What comes out is a Session: a framing.Conn on which stanzas may flow. What
// goes wrong is an *Error that says in which phase, with which condition, and in
// the server's own words where it gave any; Explain puts it in plain sentences and
// Retry says whether trying again without the person makes sense.
//
// Who is to be remembered asks for a Credential, which signs in from then on in place
// of the password. By token (XEP-0484), at an endpoint that has offered all of it
// before, the sign-in goes out right behind <open/>. XEP-0388 §2.1 lets clients keep
// what was offered, and RFC 6120 §4.3.5 forbids only stanzas before the negotiation is
// complete. XEP-0305 has a feature that says a server can take this; none has it, so
// what it then offers is checked all the same, and one that is confused is asked again
// the slow way over a new socket, and always waited for from then on.
//
// What surprises: an endpoint is protected when it is wss or on this machine, and
// only there are the address (from on <open/>), SASL2 and PLAIN used. Redirects are
// judged by the first endpoint as well as by the one they come from. Nothing that
// one endpoint said, its features and mechanisms included, is believed of the next.
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

	// Trace, if set, sees every document sent and received. What authenticates is
	// blanked out.
	Trace func(out bool, doc string)

	// NewID makes the ids of our requests, of at least 128 random bits; nil means
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

// Request is what a session is wanted for.
type Request struct {
	Account    jid.JID // bare; who the session must be, only the domain with Anonymous
	User       string  // the name to sign in with, "" for that of the account: see IdentityError
	Password   string
	Credential *Credential // used instead of Password if not nil, and nothing else then
	Remember   bool        // the session is to come with a Credential
	Anonymous  bool
	Server     string  // the person's own endpoint, "" to discover
	Resume     *Resume // the stream to take up again, nil for a new one

	// Away is the end of a session whose server sent us elsewhere: an *Error with the endpoint
	// that did, whose rules apply, and a redirect as its cause.
	Away error

	invalidate bool // sign in only to make the server forget Credential
}

// Resume is what XEP-0198 needs to take a stream up again.
type Resume struct {
	ID  string  // the SM-ID, sent as previd
	H   uint32  // stanzas handled by us
	JID jid.JID // the full address the stream is bound to
	// At is the host, or host:port, where the server would like the stream to be taken up
	// again, "" for anywhere. It names no WebSocket, so of the endpoints that the domain has it
	// says which to try first, and no other.
	At string
}

// Session is a bound stream. Nothing but the negotiation has been read from or
// written to Conn.
type Session struct {
	Conn       *framing.Conn
	JID        jid.JID          // full, as the server says
	Features   *framing.Element // those after authentication, nil after an inline resume
	Endpoint   string           // the URL the session runs over
	Delegated  bool             // its host is neither the domain nor below it
	Resumed    bool             // the stream of Request.Resume goes on
	ResumedH   uint32           // with Resumed: stanzas handled by the server
	FailedH    *uint32          // resume failed and the server said how far it had come
	SM         *framing.Element // <enabled/> that came inline with Bind 2, nil if not
	Bound      *framing.Element // <bound/> of Bind 2, which may tell where the archive ends; nil if not
	Carbons    bool             // already on, through Bind 2
	MaxBytes   int              // largest stanza the server takes (XEP-0478), 0 if it did not say
	Idle       time.Duration    // after which silence the server hangs up (XEP-0478), 0 if it did not say
	Mechanism  string           // what authenticated
	RoundTrips int              // flights we waited for since the socket was open
	Credential *Credential      // to be kept from now on; nil if there is none, or the one used still holds
}

// Phase is where a connection attempt stood when it failed.
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

// Error is why there is no session.
type Error struct {
	Phase     Phase
	Endpoint  string // "" in discovery
	Condition string // the protocol's word for it, "" if there is none: "not-authorized", "host-unknown", "timeout" …
	Text      string // the server's own words
	Err       error  // the cause: *discover.Error, *framing.StreamError, *sasl.FailureError, *RedirectError …

	// Attempts are the candidates that had failed before, in order.
	Attempts []*Error

	tell string // the stream error condition the server is to be told
}

// Timeout is the Condition of an Error whose cause is a *TimeoutError.
const Timeout = "timeout"

// TimeoutError reports that the server did not take a step within
// Connector.StepTimeout.
type TimeoutError struct{ Step Step }

func (e *TimeoutError) Error() string { return "no answer to: " + string(e.Step) }

// Unwrap makes it a context.DeadlineExceeded.
func (e *TimeoutError) Unwrap() error { return context.DeadlineExceeded }

// Step is what a server can leave unanswered.
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

// ProtocolError reports a server that did not keep to the negotiation of RFC 6120.
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
