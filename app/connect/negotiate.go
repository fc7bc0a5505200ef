package connect

import (
	"context"
	"errors"
	"strconv"
	"time"

	"natter/app/jid"
	"natter/framing"
)

const (
	nsBind    = "urn:ietf:params:xml:ns:xmpp-bind"
	nsBind2   = "urn:xmpp:bind:0"
	nsSession = "urn:ietf:params:xml:ns:xmpp-session"
	nsSM      = "urn:xmpp:sm:3"
	nsCarbons = "urn:xmpp:carbons:2"
	nsLimits  = "urn:xmpp:stream-limits:0"
	nsTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
)

// negotiation turns one open socket into a bound stream (RFC 6120 §4.3): open, features,
// authentication, then bind or resume.
type negotiation struct {
	*Connector
	req       Request
	wantID    jid.JID // the account the session must be of, see identity
	endpoint  string
	protected bool // nobody between us and the endpoint can read or write
	conn      *framing.Conn
	session   Session
	phase     Phase
	inSASL    string // namespace of the SASL exchange that is under way, "" for none
}

func (n *negotiation) run(ctx context.Context) (*Session, *Error) {
	features, err := n.openAndAuthenticate(ctx)
	if err != nil {
		return nil, err
	}
	n.phase = Binding
	if n.session.JID == "" && !n.req.invalidate {
		err = n.bindOrResume(ctx, features)
	}
	if err != nil {
		return nil, err
	}
	s := &n.session
	s.Conn, s.Endpoint = n.conn, n.endpoint
	s.Delegated = delegated(n.endpoint, n.req.Account.Domain())
	n.conn.SetMaxWrite(s.MaxBytes)
	return s, nil
}

// openAndAuthenticate opens the stream and authenticates. It returns the features after
// that, nil after an inline resume.
func (n *negotiation) openAndAuthenticate(ctx context.Context) (*framing.Element, *Error) {
	n.phase = Opening
	if n.canPipeline() {
		return n.pipeline(ctx)
	}
	features, err := n.open(ctx, ToOpen, ToFeatures)
	if err != nil {
		return nil, err
	}
	return n.authenticate(ctx, features)
}

// open opens the stream, or opens it again after SASL (RFC 6120 §6.4.6), and returns the
// features. Nothing else is sent before they have come.
func (n *negotiation) open(ctx context.Context, toOpen, toFeatures Step) (*framing.Element, *Error) {
	if err := n.send(ctx, toOpen, n.header()); err != nil {
		return nil, err
	}
	return n.receiveOpen(ctx, toOpen, toFeatures)
}

func (n *negotiation) header() *framing.Element {
	header := framing.Open{To: n.req.Account.Domain(), Lang: n.Lang, Version: "1.0"}
	if header.Lang == "" {
		header.Lang = "en"
	}
	if n.protected && !n.req.Anonymous {
		// The address is sent only where nobody else can read it (RFC 6120 §4.7.1). Prosody 13
		// and ejabberd 24 offer some mechanisms only to clients that send it.
		header.From = n.req.user() + "@" + n.req.Account.Domain()
	}
	return header.Element(n.conn.Namespace())
}

// opened reads the answer to <open/> and the features that follow.
func (n *negotiation) receiveOpen(ctx context.Context, toOpen, toFeatures Step) (*framing.Element, *Error) {
	e, failure := n.receive(ctx, toOpen)
	if failure != nil {
		return nil, failure
	}
	answer, err := framing.ReadOpen(e, n.conn.Namespace())
	switch {
	case err != nil:
		return nil, n.protocolError(framing.BadFormat, "the server did not begin with <open/>")
	case framing.MajorVersion(answer.Version) != 1:
		return nil, n.protocolError(framing.UnsupportedVersion, "the server does not speak XMPP 1.0")
	case answer.ID == "": // RFC 6120 §4.7.3
		return nil, n.protocolError(framing.BadFormat, "the server gave the stream no id")
	}
	return n.receiveFeatures(ctx, toFeatures)
}

// receiveFeatures reads <stream:features/>, which replaces all features before it. A
// required feature that we do not know ends the stream (RFC 6120 §4.3.2).
func (n *negotiation) receiveFeatures(ctx context.Context, step Step) (*framing.Element, *Error) {
	e, err := n.receive(ctx, step)
	if err != nil {
		return nil, err
	}
	if !e.Is(framing.NSStream, "features") {
		return nil, n.protocolError(framing.BadFormat, "the server sent <"+shorten(e.Name.Local)+"> where its features belong")
	}
	for _, f := range e.Elements() {
		if f.Child(f.Name.Space, "required") != nil && !isNegotiable(f) {
			return nil, n.protocolError(framing.UnsupportedFeature, "the server requires "+shorten(f.Name.Space))
		}
	}
	n.readLimits(e)
	n.session.Features = e
	return e, nil
}

// isNegotiable reports whether we can negotiate a required feature. STARTTLS is accepted
// and ignored, because it does not exist over WebSocket (RFC 7395 §3.9).
func isNegotiable(f *framing.Element) bool {
	switch f.Name.Space {
	case nsSASL, nsSASL2, nsBind, nsSession, nsSM, nsTLS:
		return true
	}
	return false
}

// readLimits reads the server's limits (XEP-0478). Numbers that make no sense are
// ignored: with a size below the minimum of RFC 6120 §13.12 nothing could be sent.
func (n *negotiation) readLimits(features *framing.Element) {
	n.session.MaxBytes, n.session.Idle = 0, 0
	limits := features.Child(nsLimits, "limits")
	if max, err := strconv.Atoi(limits.Child(nsLimits, "max-bytes").Text()); err == nil && max >= 10000 {
		n.session.MaxBytes = max
	}
	const day = 24 * 60 * 60
	if idle, err := strconv.Atoi(limits.Child(nsLimits, "idle-seconds").Text()); err == nil && idle > 0 && idle <= day {
		n.session.Idle = time.Duration(idle) * time.Second
	}
	n.conn.SetMaxWrite(n.session.MaxBytes)
}

// send writes one element that needs an answer, and counts the round trip. A write that
// times out is the same failure as an answer that does not come.
func (n *negotiation) send(ctx context.Context, step Step, e *framing.Element) *Error {
	n.session.RoundTrips++
	deadline, cancel := context.WithTimeout(ctx, n.stepTimeout())
	defer cancel()
	if err := n.conn.Write(deadline, e); err != nil {
		return n.readError(ctx, step, err)
	}
	return nil
}

// answerTimeout returns how long an answer may take. A resume gets twice the time: a
// server that has not noticed the end of the old connection first waits for it, ejabberd
// for 15 seconds. A second attempt to resume within that time would end both.
func (n *negotiation) answerTimeout() time.Duration {
	if n.req.Resume != nil {
		return 2 * n.stepTimeout()
	}
	return n.stepTimeout()
}

// receive waits for the next element.
func (n *negotiation) receive(ctx context.Context, step Step) (*framing.Element, *Error) {
	deadline, cancel := context.WithTimeout(ctx, n.answerTimeout())
	defer cancel()
	return n.read(ctx, deadline, step)
}

// read returns the next element before the deadline, which belongs to the step.
func (n *negotiation) read(ctx, deadline context.Context, step Step) (*framing.Element, *Error) {
	e, err := n.conn.Read(deadline)
	if err != nil {
		return nil, n.readError(ctx, step, err)
	}
	return e, nil
}

// readError is the Error for an error of Conn: the caller cancelled, the step timed out,
// or the stream ended.
func (n *negotiation) readError(ctx context.Context, step Step, err error) *Error {
	e := &Error{Phase: n.phase, Endpoint: n.endpoint, Err: err}
	var broken *framing.StreamError
	switch {
	case ctx.Err() != nil:
		e.Err = ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		e.Condition, e.Err = Timeout, &TimeoutError{step}
	case errors.As(err, &broken):
		e.Condition, e.Text = broken.Condition, broken.Text
	}
	return e
}

// protocolError is the Error for a server that broke the rules. The server is sent a
// stream error with the same condition.
func (n *negotiation) protocolError(condition, msg string) *Error {
	return &Error{Phase: n.phase, Endpoint: n.endpoint, Condition: condition, Err: &ProtocolError{msg}, streamError: condition}
}
