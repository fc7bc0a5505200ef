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

// maxLifetime is how long a credential works at most, even if the server allows more: a
// computer that nobody uses should not stay signed in for months. Each use extends it:
// servers issue a new token about once a day, and SCRAM's keys are extended as often.
//
// Our clock decides, and it may be wrong. So an expired credential is not used but stays
// stored; it is deleted when the server refuses it.
const (
	maxLifetime = 14 * 24 * time.Hour
	extendAfter = 24 * time.Hour
)

// Credential signs in without the password: with a token (XEP-0484), or with SCRAM's keys
// if the server has no tokens. It works until it expires or the password changes, so it
// is a secret. It may be stored as encrypted JSON; in a log it shows neither token nor
// keys.
//
// A Credential is never changed. Its replacement comes with a Session and must be stored
// before that session is used.
type Credential struct {
	Account   jid.JID // bare
	User      string  `json:",omitempty"` // Request.User
	UserAgent string  // the id of the installation it was issued to, sent when it is used
	Mechanism string  // the only mechanism it works with
	Expiry    time.Time

	Token    string
	Previous string // the token this one replaced, which works until this one has been used

	Keys *sasl.Keys

	// Seen is what the server offered when the credential was last used.
	Seen Seen
}

// Seen is what an endpoint offered at the last sign-in by token. It rarely changes and
// may be kept (XEP-0388 §2.1), so the next sign-in need not wait for the features.
type Seen struct {
	Endpoint string // "" if nothing is known
	Inline   Inline
	Wait     bool // never pipeline: the server has misunderstood it before
}

// Inline says which requests the server accepts inside <authenticate/>.
type Inline struct {
	Token   bool // XEP-0484, with our mechanism
	Resume  bool // XEP-0198 §9.2
	Bind    bool // XEP-0386
	Carbons bool // with Bind
	Manage  bool // with Bind: Stream Management
}

// String names the credential without its secrets.
func (c Credential) String() string {
	return "credential of " + string(c.Account) + " for " + c.Mechanism
}

// GoString is String.
func (c Credential) GoString() string { return c.String() }

// Binding is the additional data for encrypting the credential, so that its ciphertext
// cannot be used for another account, installation or mechanism.
func (c Credential) Binding() []byte {
	return []byte(string(c.Account) + "|" + c.UserAgent + "|" + c.Mechanism)
}

// Unusable says why a Credential cannot be used.
type Unusable string

const (
	Missing    Unusable = "there is none"
	Foreign    Unusable = "it is not one of this account"
	Expired    Unusable = "it has expired"
	Refused    Unusable = "the server no longer accepts it"
	Changed    Unusable = "the password has been changed"
	NotOffered Unusable = "the server does not offer what it is for"
)

// CredentialError reports a Credential that cannot be used, so the person has to type the
// password. No other way to sign in was tried.
type CredentialError struct {
	Reason Unusable
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

// ErrUnread reports that the storage of the Credential cannot be read at the moment. The
// Credential may be there the next time.
var ErrUnread = errors.New("what is kept instead of the password cannot be read")

// Gone reports whether the credential will never work again, so that it can be deleted. A
// server that does not offer tokens today may offer them tomorrow, and a clock that is
// ahead today may be right tomorrow.
func (e *CredentialError) Gone() bool { return e.Reason != NotOffered && e.Reason != Expired }

// check refuses a credential that is foreign or expired, without asking the server.
func (c *Connector) check(req Request) *Error {
	k := req.Credential
	switch {
	case k == nil:
		return nil
	case k.Account != req.Account.Bare() || req.Anonymous:
		return credentialError(Foreign)
	case !c.now().Before(k.Expiry):
		return credentialError(Expired)
	}
	return nil
}

func credentialError(reason Unusable) *Error {
	return &Error{Phase: Authenticate, Err: &CredentialError{Reason: reason}}
}

func (c *Connector) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// Invalidate makes the server forget the token of Request.Credential: it signs in once
// more for only this purpose (XEP-0484 §3.6). A session that is open is not affected. The
// previous token of the credential is invalidated too, if it may still work: Prosody 13
// forgets only the one it is shown.
//
// It does nothing and returns no error for a token that the server no longer accepts, and
// for SCRAM's keys, which only a new password invalidates. Any other error, an *Error,
// means that the token still works.
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

// inlineOf reads the offers of <inline/> that we use.
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

// covers reports whether in has everything that was assumed.
func (in Inline) covers(assumed Inline) bool {
	return (in.Token || !assumed.Token) && (in.Resume || !assumed.Resume) && (in.Bind || !assumed.Bind) &&
		(in.Carbons || !assumed.Carbons) && (in.Manage || !assumed.Manage)
}

// offersToken reports whether a token can be used on this stream, which must be protected
// (XEP-0484 §6).
func (n *negotiation) offersToken(offer *framing.Element) bool {
	return n.protected && offer != nil && inlineOf(offer).Token
}

// canPipeline reports whether <authenticate/> can be sent together with <open/>, before
// the features have come: if this endpoint offered all of it the last time.
func (n *negotiation) canPipeline() bool {
	k := n.req.Credential
	return n.protected && k != nil && k.Mechanism == sasl.HTSHA256None && !k.Seen.Wait &&
		k.Seen.Endpoint == n.endpoint && k.Seen.Inline.Token
}

// updateCredential sets Session.Credential for the next sign-in: the token that came with
// <success/>, SCRAM's keys if there are no tokens, or the credential that was used, if its
// expiry or the server's offer has changed.
func (n *negotiation) updateCredential(m sasl.Mechanism, request, success *framing.Element, in Inline) {
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
	latest := n.now().Add(maxLifetime).UTC().Truncate(time.Second)
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

// token reads the token in <success/>. It returns "" if it cannot be used, or if it was
// not requested, since its mechanism is unknown then.
func (n *negotiation) token(request, success *framing.Element) (string, time.Time) {
	if request.Child(nsFAST, "request-token") == nil && request.Child(nsFAST, "fast") == nil {
		return "", time.Time{}
	}
	e := success.Child(nsFAST, "token")
	expiry, err := time.Parse(time.RFC3339, e.Attr("expiry"))
	if err != nil || !n.protected {
		return "", time.Time{}
	}
	// The token is new: if it has expired by our clock, our clock is ahead.
	if latest := n.now().Add(maxLifetime); expiry.After(latest) || !expiry.After(n.now()) {
		expiry = latest
	}
	return strings.Clone(e.Attr("token")), expiry.UTC().Truncate(time.Second)
}

// asCredentialError turns an Error into a CredentialError, if a Credential was used and
// is the reason.
func (n *negotiation) asCredentialError(e *Error) *Error {
	if n.req.Credential == nil {
		return e
	}
	var (
		reason Unusable
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

// pipeliningFailed reports whether a pipelined sign-in may have failed because it was
// pipelined. An answer to the sign-in itself is final, and a redirect is followed.
func pipeliningFailed(err *Error) bool {
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
		return rejectsWhatWeSent[broken.Condition]
	}
	return errors.As(err, &timeout) || errors.As(err, &protocol) || errors.Is(err, framing.ErrClosed)
}

// rejectsWhatWeSent has the stream errors about something that we sent.
var rejectsWhatWeSent = map[string]bool{
	framing.BadFormat:             true,
	framing.InvalidXML:            true,
	framing.NotAuthorized:         true,
	framing.NotWellFormed:         true,
	framing.RestrictedXML:         true,
	framing.UnsupportedFeature:    true,
	framing.UnsupportedStanzaType: true,
}

// errNotOfferedAnymore reports an offer that a pipelined sign-in assumed and that is gone.
var errNotOfferedAnymore = &ProtocolError{"the server no longer offers what it did"}
