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

// negotiation takes one socket from its opening to a bound stream (RFC 6120 §4.3):
// open, features, authentication, and what it takes to have an address.
type negotiation struct {
	*Connector
	req       Request
	want      jid.JID // who the session must be, see whom
	endpoint  string
	protected bool // nobody between us and the endpoint can read or write
	conn      *framing.Conn
	session   Session
	phase     Phase
	exchange  string // the SASL namespace while an exchange is under way
}

func (n *negotiation) run(ctx context.Context) (*Session, *Error) {
	features, err := n.prove(ctx)
	if err != nil {
		return nil, err
	}
	n.phase = Binding
	if n.session.JID == "" && !n.req.invalidate {
		err = n.settle(ctx, features)
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

// prove opens the stream and authenticates. It returns the features that hold then.
func (n *negotiation) prove(ctx context.Context) (*framing.Element, *Error) {
	n.phase = Opening
	if n.rush() {
		return n.rushed(ctx)
	}
	features, err := n.open(ctx, ToOpen, ToFeatures)
	if err != nil {
		return nil, err
	}
	return n.authenticate(ctx, features)
}

// open begins the stream, or begins it anew after SASL (RFC 6120 §6.4.6), and
// returns the features that follow. Nothing is sent before the server has answered.
func (n *negotiation) open(ctx context.Context, toOpen, toFeatures Step) (*framing.Element, *Error) {
	if err := n.send(ctx, toOpen, n.header()); err != nil {
		return nil, err
	}
	return n.opened(ctx, toOpen, toFeatures)
}

func (n *negotiation) header() *framing.Element {
	header := framing.Open{To: n.req.Account.Domain(), Lang: n.Lang, Version: "1.0"}
	if header.Lang == "" {
		header.Lang = "en"
	}
	if n.protected && !n.req.Anonymous {
		// Not where others could read it (RFC 6120 §4.7.1). Prosody 13 and ejabberd 24
		// offer the best they have only to those who say who they are.
		header.From = n.req.user() + "@" + n.req.Account.Domain()
	}
	return header.Element(n.conn.Namespace())
}

// opened reads the answer to <open/> and the features that follow.
func (n *negotiation) opened(ctx context.Context, toOpen, toFeatures Step) (*framing.Element, *Error) {
	e, failure := n.receive(ctx, toOpen)
	if failure != nil {
		return nil, failure
	}
	answer, err := framing.ReadOpen(e, n.conn.Namespace())
	switch {
	case err != nil:
		return nil, n.broken(framing.BadFormat, "the server did not begin with <open/>")
	case framing.MajorVersion(answer.Version) != 1:
		return nil, n.broken(framing.UnsupportedVersion, "the server does not speak XMPP 1.0")
	case answer.ID == "": // RFC 6120 §4.7.3
		return nil, n.broken(framing.BadFormat, "the server gave the stream no id")
	}
	return n.features(ctx, toFeatures)
}

// features reads <stream:features/>, which replaces all that were offered before. A
// feature that we do not know and must negotiate ends the stream (RFC 6120 §4.3.2).
func (n *negotiation) features(ctx context.Context, step Step) (*framing.Element, *Error) {
	e, err := n.receive(ctx, step)
	if err != nil {
		return nil, err
	}
	if !e.Is(framing.NSStream, "features") {
		return nil, n.broken(framing.BadFormat, "the server sent <"+shorten(e.Name.Local)+"> where its features belong")
	}
	for _, f := range e.Elements() {
		if f.Child(f.Name.Space, "required") != nil && !known(f) {
			return nil, n.broken(framing.UnsupportedFeature, "the server requires "+shorten(f.Name.Space))
		}
	}
	n.limits(e)
	n.session.Features = e
	return e, nil
}

// known reports whether a required feature is one we negotiate, or STARTTLS, which
// WebSocket has no place for (RFC 7395 §3.9).
func known(f *framing.Element) bool {
	switch f.Name.Space {
	case nsSASL, nsSASL2, nsBind, nsSession, nsSM, nsTLS:
		return true
	}
	return false
}

// limits takes over what the server says about itself (XEP-0478). Numbers that make
// no sense count as not said: less than RFC 6120 §13.12 allows would keep us from
// sending anything.
func (n *negotiation) limits(features *framing.Element) {
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

// send writes one element, the answer to which is waited for: one more round trip. A
// server that does not even read has no answer either.
func (n *negotiation) send(ctx context.Context, step Step, e *framing.Element) *Error {
	n.session.RoundTrips++
	deadline, cancel := context.WithTimeout(ctx, n.stepTimeout())
	defer cancel()
	if err := n.conn.Write(deadline, e); err != nil {
		return n.lost(ctx, step, err)
	}
	return nil
}

// patience is how long an answer may take: twice as long when a stream is to be resumed.
// A server that has not noticed the end of the old connection first tries to take the
// stream from it, ejabberd for 15 seconds; who comes back before that is a second
// claimant and is thrown out with the first.
func (n *negotiation) patience() time.Duration {
	if n.req.Resume != nil {
		return 2 * n.stepTimeout()
	}
	return n.stepTimeout()
}

// receive waits for what the server says next.
func (n *negotiation) receive(ctx context.Context, step Step) (*framing.Element, *Error) {
	deadline, cancel := context.WithTimeout(ctx, n.patience())
	defer cancel()
	return n.read(ctx, deadline, step)
}

// read returns the next element before the deadline, which belongs to the step.
func (n *negotiation) read(ctx, deadline context.Context, step Step) (*framing.Element, *Error) {
	e, err := n.conn.Read(deadline)
	if err != nil {
		return nil, n.lost(ctx, step, err)
	}
	return e, nil
}

// lost is the Error for what Conn returned: the end of the caller's patience, of
// ours, or of the stream.
func (n *negotiation) lost(ctx context.Context, step Step, err error) *Error {
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

// broken is the Error for a server that broke the rules, which it is told by a
// stream error.
func (n *negotiation) broken(condition, msg string) *Error {
	return &Error{Phase: n.phase, Endpoint: n.endpoint, Condition: condition, Err: &ProtocolError{msg}, tell: condition}
}
