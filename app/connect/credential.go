package connect

import (
	"context"
	"errors"
	"strings"
	"time"

	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/framing"
)

// maxKept is how long a credential is good for at most, whatever the server allows: a
// computer that nobody comes back to should not stay signed in for months. Who does
// come back is given more time: servers hand out a new token every day or so that one
// is used, and keys we extend as often ourselves.
//
// It is our clock that says when, and a clock may be wrong: what has expired is not used,
// and is kept. It is gone when the server says so.
const (
	maxKept     = 14 * 24 * time.Hour
	extendAfter = 24 * time.Hour
)

// Credential is what is kept instead of a password: a token (XEP-0484), or SCRAM's
// keys where the server has no tokens. Either signs in to the account until it
// expires or the password changes, so it is a secret. It may be stored as JSON,
// encrypted; in a log it shows neither token nor keys.
//
// It is used as it is and never changed. What replaces it comes with a Session and
// has to be stored before the session is used.
type Credential struct {
	Account   jid.JID // bare
	User      string  `json:",omitempty"` // Request.User
	UserAgent string  // the installation it was given to, which is who we are when we use it
	Mechanism string  // the only one it is good for
	Expiry    time.Time

	Token    string
	Previous string // the token this one replaced, which works until this one has been used

	Keys *sasl.Keys

	// Seen is what the server offered when the credential was last used.
	Seen Seen
}

// Seen is what an endpoint offered to do along with a sign-in by token. It is stable
// enough to be kept (XEP-0388 §2.1), so the next sign-in need not wait for it.
type Seen struct {
	Endpoint string // "" if there is nothing to go by
	Inline   Inline
	Wait     bool // the server cannot bear it when we do not wait
}

// Inline is what can be asked for inside <authenticate/>.
type Inline struct {
	Token   bool // XEP-0484, with our mechanism
	Resume  bool // XEP-0198 §9.2
	Bind    bool // XEP-0386
	Carbons bool // with Bind
	Manage  bool // with Bind: Stream Management
}

// String names the credential without what is secret in it.
func (c Credential) String() string {
	return "credential of " + string(c.Account) + " for " + c.Mechanism
}

// GoString is String.
func (c Credential) GoString() string { return c.String() }

// Binding is what an encrypted copy is to be bound to, so that it cannot be taken for
// that of another account, installation or mechanism.
func (c Credential) Binding() []byte {
	return []byte(string(c.Account) + "|" + c.UserAgent + "|" + c.Mechanism)
}

// Unfit is why a Credential cannot be used.
type Unfit string

const (
	Missing    Unfit = "there is none"
	Foreign    Unfit = "it is not one of this account"
	Expired    Unfit = "it has expired"
	Refused    Unfit = "the server no longer accepts it"
	Changed    Unfit = "the password has been changed"
	NotOffered Unfit = "the server does not offer what it is for"
)

// CredentialError reports that a Credential did not do, so that the person has to
// type the password. Nothing else was tried in its place.
type CredentialError struct {
	Reason Unfit
	Err    error // the server's refusal, nil if it was not asked
}

func (e *CredentialError) Error() string {
	s := "what was kept instead of the password cannot be used: " + string(e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *CredentialError) Unwrap() error { return e.Err }

// ErrUnread reports that it cannot be told at the moment whether there is a Credential, or
// that it cannot be read: it may be there the next time.
var ErrUnread = errors.New("what is kept instead of the password cannot be read")

// Gone reports whether the credential will never work again and should be deleted. A
// server that does not offer tokens today may do so tomorrow, and a clock that is ahead
// today may be right tomorrow.
func (e *CredentialError) Gone() bool { return e.Reason != NotOffered && e.Reason != Expired }

// check looks for what can be known without asking the server.
func (c *Connector) check(req Request) *Error {
	k := req.Credential
	switch {
	case k == nil:
		return nil
	case k.Account != req.Account.Bare() || req.Anonymous:
		return unusable(Foreign)
	case !c.now().Before(k.Expiry):
		return unusable(Expired)
	}
	return nil
}

func unusable(reason Unfit) *Error {
	return &Error{Phase: Authenticate, Err: &CredentialError{Reason: reason}}
}

func (c *Connector) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// Invalidate makes a token worthless: it signs in anew with Request.Credential for
// nothing but that (XEP-0484 §3.6). The session that is going on, if any, is not
// touched. The token that the credential replaced goes too, if it may still work:
// Prosody 13 forgets only the one that it is shown.
//
// There is nothing to do, and no error, for a token that the server no longer
// accepts, and for SCRAM's keys, which only a new password makes worthless. Any other
// error, an *Error, means that the token still works.
func (c *Connector) Invalidate(ctx context.Context, req Request) error {
	if req.Credential == nil || req.Credential.Token == "" {
		return nil
	}
	latest := *req.Credential
	req.Resume, req.Remember, req.invalidate = nil, false, true
	err := c.invalidate(ctx, req, latest)
	if latest.Previous == "" {
		return err
	}
	latest.Token = latest.Previous
	return errors.Join(err, c.invalidate(ctx, req, latest))
}

func (c *Connector) invalidate(ctx context.Context, req Request, k Credential) error {
	req.Credential = &k
	s, err := c.Connect(ctx, req)
	var unusable *CredentialError
	if errors.As(err, &unusable) && unusable.Gone() {
		return nil
	}
	if err != nil {
		return err
	}
	_ = s.Conn.Close(ctx) // the server has confirmed already
	return nil
}

// inlineOf reads what <inline/> offers, as far as we ask for it.
func inlineOf(offer *framing.Element) Inline {
	e := offer.Child(nsSASL2, "inline")
	in := Inline{
		Resume: e.Child(nsSM, "sm") != nil,
		Bind:   e.Child(nsBind2, "bind") != nil,
	}
	for _, m := range e.Child(nsFAST, "fast").Elements() {
		in.Token = in.Token || m.Is(nsFAST, "mechanism") && strings.TrimSpace(m.Text()) == sasl.HTSHA256None
	}
	for _, f := range e.Child(nsBind2, "bind").Child(nsBind2, "inline").Elements() {
		if f.Is(nsBind2, "feature") {
			in.Carbons = in.Carbons || f.Attr("var") == nsCarbons
			in.Manage = in.Manage || f.Attr("var") == nsSM
		}
	}
	return in
}

// covers reports whether everything that was assumed is on offer.
func (in Inline) covers(assumed Inline) bool {
	return (in.Token || !assumed.Token) && (in.Resume || !assumed.Resume) && (in.Bind || !assumed.Bind) &&
		(in.Carbons || !assumed.Carbons) && (in.Manage || !assumed.Manage)
}

// offersToken reports whether the server takes tokens on this stream. They go over
// protected streams only (XEP-0484 §6).
func (n *negotiation) offersToken(offer *framing.Element) bool {
	return n.protected && offer != nil && inlineOf(offer).Token
}

// rush reports whether the sign-in can be sent right behind <open/>, before the
// server has said what it offers: when this very endpoint has offered all of it
// before.
func (n *negotiation) rush() bool {
	k := n.req.Credential
	return n.protected && k != nil && k.Mechanism == sasl.HTSHA256None && !k.Seen.Wait &&
		k.Seen.Endpoint == n.endpoint && k.Seen.Inline.Token
}

// keep takes note of what to use instead of the password next time: the token that
// came with success, SCRAM's keys where there are no tokens, or what was used with
// what is new about the server.
func (n *negotiation) keep(m sasl.Mechanism, request, success *framing.Element, in Inline) {
	used := n.req.Credential
	if n.req.invalidate || n.req.Anonymous || used == nil && !n.req.Remember {
		return
	}
	k := Credential{
		Account:   n.req.Account.Bare(),
		User:      n.req.User,
		UserAgent: n.userAgentID(),
		Seen:      Seen{Endpoint: n.endpoint, Inline: in, Wait: used != nil && used.Seen.Wait},
	}
	if used != nil {
		k.User = used.User
	}
	token, expiry := n.token(request, success)
	keys := sasl.KeysOf(m)
	latest := n.now().Add(maxKept).UTC().Truncate(time.Second)
	switch {
	case token != "":
		keys.Wipe()
		k.Mechanism, k.Token, k.Expiry = sasl.HTSHA256None, token, expiry
		if used != nil && used.Token != token {
			k.Previous = used.Token
		}
	case keys != nil:
		k.Mechanism, k.Keys, k.Expiry = m.Name(), keys, latest
	case used == nil:
		return
	case used.Keys != nil:
		if latest.Sub(used.Expiry) < extendAfter {
			return
		}
		k.Mechanism, k.Keys, k.Expiry = used.Mechanism, used.Keys, latest
	default:
		if used.Previous == "" && used.Seen == k.Seen {
			return
		}
		k.Mechanism, k.Token, k.Expiry = used.Mechanism, used.Token, used.Expiry
	}
	n.session.Credential = &k
}

// token reads what the server sent along with success, "" if it is no token that can
// be used, or that nothing in the request has called for: its mechanism is unknown
// then.
func (n *negotiation) token(request, success *framing.Element) (string, time.Time) {
	if request.Child(nsFAST, "request-token") == nil && request.Child(nsFAST, "fast") == nil {
		return "", time.Time{}
	}
	e := success.Child(nsFAST, "token")
	expiry, err := time.Parse(time.RFC3339, e.Attr("expiry"))
	if err != nil || !n.protected {
		return "", time.Time{}
	}
	// The server has made it just now: if it has expired by our clock, our clock is ahead.
	if latest := n.now().Add(maxKept); expiry.After(latest) || !expiry.After(n.now()) {
		expiry = latest
	}
	return strings.Clone(e.Attr("token")), expiry.UTC().Truncate(time.Second)
}

// spurned turns the server's no to a Credential into the Error that says so, if the
// credential is what it is about.
func (n *negotiation) spurned(e *Error) *Error {
	if n.req.Credential == nil {
		return e
	}
	var (
		reason Unfit
		no     *sasl.FailureError
		prep   *sasl.PrepError
	)
	switch {
	case errors.Is(e.Err, sasl.ErrOtherSalt):
		reason = Changed
	case errors.As(e.Err, &prep) && prep.What != "name":
		reason = Foreign
	case !errors.As(e.Err, &no):
		return e
	case no.Condition == sasl.NotAuthorized, no.Condition == sasl.CredentialsExpired:
		reason = Refused
	case no.Condition == sasl.InvalidMechanism, no.Condition == sasl.MechanismTooWeak, no.Condition == sasl.MalformedRequest:
		reason = NotOffered
	default:
		return e
	}
	e.Err = &CredentialError{Reason: reason, Err: e.Err}
	return e
}

// hasty reports whether an attempt that did not wait may have failed because of just
// that. The answer to the sign-in itself is believed in any case, and a redirect is
// followed.
func hasty(err *Error) bool {
	var (
		unusable *CredentialError
		failure  *sasl.FailureError
		server   *sasl.ServerError
		timeout  *TimeoutError
		broken   *framing.StreamError
		protocol *ProtocolError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &unusable):
		return !unusable.Gone()
	case errors.As(err, &failure), errors.As(err, &server):
		return false
	case errors.As(err, &broken):
		return confused[broken.Condition]
	}
	return errors.As(err, &timeout) || errors.As(err, &protocol) || errors.Is(err, framing.ErrClosed)
}

// confused are the stream errors that complain about what we have sent.
var confused = map[string]bool{
	framing.BadFormat:             true,
	framing.InvalidXML:            true,
	framing.NotAuthorized:         true,
	framing.NotWellFormed:         true,
	framing.RestrictedXML:         true,
	framing.UnsupportedFeature:    true,
	framing.UnsupportedStanzaType: true,
}

// errUnseen: the server no longer offers what was assumed.
var errUnseen = &ProtocolError{"the server no longer offers what it did"}
