package connect

import (
	"context"
	"errors"
	"slices"
	"strings"

	"natter/app/connect/sasl"
	"natter/framing"
)

const nsBindings = "urn:xmpp:sasl-cb:0"

// profile is one way to exchange SASL messages: RFC 6120 §6 or SASL2 (XEP-0388).
type profile struct {
	ns      string
	offered []string // mechanisms, as listed
}

// authenticate signs in by the better of the two profiles on offer. It returns the
// features after that, nil after an inline resume.
func (n *negotiation) authenticate(ctx context.Context, features *framing.Element) (*framing.Element, *Error) {
	n.phase = Authenticate
	p, name, err := n.choose(features)
	if err != nil {
		return nil, n.signInError(err)
	}
	login := n.login()
	login.Offered, login.Bindings = p.offered, bindings(features)
	m, err := sasl.New(name, login, n.Crypto)
	if err != nil {
		return nil, n.asCredentialError(n.signInError(err))
	}
	if p.ns == nsSASL2 {
		return n.sasl2(ctx, m, features.Child(nsSASL2, "authentication"))
	}
	if err := n.sasl1(ctx, m); err != nil {
		return nil, err
	}
	n.phase = Opening
	return n.open(ctx, ToReopen, ToRefeatures)
}

// login returns the name and the secret to sign in with.
func (n *negotiation) login() sasl.Login {
	login := sasl.Login{User: n.req.user(), Nonce: n.nonce}
	if k := n.req.Credential; k != nil {
		login.Token, login.Keys = k.Token, k.Keys
		return login
	}
	login.Password, login.Keep = n.req.Password, n.req.Remember
	return login
}

// chooseForCredential chooses the profile for a Credential, which has one mechanism only.
func (n *negotiation) chooseForCredential(features *framing.Element) (profile, string, error) {
	name := n.req.Credential.Mechanism
	offer := features.Child(nsSASL2, "authentication")
	two := profile{nsSASL2, mechanisms(offer)}
	one := profile{nsSASL, mechanisms(features.Child(nsSASL, "mechanisms"))}
	switch {
	case name == sasl.HTSHA256None && n.offersToken(offer),
		sasl.IsSCRAM(name) && n.protected && slices.Contains(two.offered, name):
		return two, name, nil
	case sasl.IsSCRAM(name) && slices.Contains(one.offered, name):
		return one, name, nil
	}
	return one, "", &CredentialError{Reason: NotOffered}
}

// choose chooses the profile and the mechanism. On a protected connection SASL2 is
// preferred (XEP-0388 §3), except where it would send the password itself while the other
// profile has SCRAM.
func (n *negotiation) choose(features *framing.Element) (profile, string, error) {
	if n.req.Credential != nil {
		return n.chooseForCredential(features)
	}
	policy := sasl.Policy{
		Anonymous: n.req.Anonymous,
		Protected: n.protected,
		SCRAMSeen: !n.req.Anonymous && n.Pins != nil && n.Pins.SCRAMSeen(n.req.Account.Bare()),
	}
	one := profile{nsSASL, mechanisms(features.Child(nsSASL, "mechanisms"))}
	name, err := sasl.Choose(one.offered, policy)
	if !n.protected {
		return one, name, err
	}
	two := profile{nsSASL2, mechanisms(features.Child(nsSASL2, "authentication"))}
	name2, err2 := sasl.Choose(two.offered, policy)
	switch {
	case len(two.offered) == 0,
		err2 != nil && err == nil,
		err2 == nil && !sasl.IsSCRAM(name2) && sasl.IsSCRAM(name):
		return one, name, err
	}
	return two, name2, err2
}

// pinMechanism stores that the account has used SCRAM. It is called after the server has
// proven that it knows the password too.
func (n *negotiation) pinMechanism(mechanism string) {
	n.session.Mechanism = mechanism
	if n.Pins != nil && sasl.IsSCRAM(mechanism) {
		n.Pins.SetSCRAMSeen(n.req.Account.Bare())
	}
}

// answerChallenges answers challenges until <success/>, which it returns; the data in it
// is still to be checked by the mechanism. Only answers are sent during this time
// (RFC 6120 §6.3.5, XEP-0388 §2.4).
func (n *negotiation) answerChallenges(ctx context.Context, m sasl.Mechanism, ns string) (*framing.Element, *Error) {
	for {
		e, failure := n.receive(ctx, ToAuthenticate)
		if failure != nil {
			return nil, failure
		}
		switch {
		case e.Is(ns, "challenge"):
			response, err := answer(ctx, m, ns, e)
			if err != nil {
				return nil, n.asCredentialError(n.signInError(err))
			}
			r := framing.New(ns, "response").AddText(sasl.Encode(response))
			if failure := n.send(ctx, ToAuthenticate, r); failure != nil {
				return nil, failure
			}
		case e.Is(ns, "success"):
			return e, nil
		case e.Is(ns, "failure"):
			n.inSASL = ""
			return nil, n.saslFailure(e)
		case e.Is(nsSASL2, "continue") && ns == nsSASL2:
			return nil, n.signInError(&TaskError{tasks(e)})
		default:
			return nil, n.protocolError(framing.NotAuthorized, "the server sent <"+shorten(e.Name.Local)+"> in the middle of the authentication")
		}
	}
}

func answer(ctx context.Context, m sasl.Mechanism, ns string, e *framing.Element) ([]byte, error) {
	challenge, err := sasl.Decode(e.Text())
	if ns == nsSASL && err != nil {
		challenge, _, err = sasl.DecodeOptional(e.Text()) // "=" is an empty one
	}
	if err != nil {
		return nil, err
	}
	return m.Next(ctx, challenge)
}

// saslFailure is the Error for <failure/>. Only the condition decides, and it is the same
// in both profiles; the text is for the person (RFC 6120 §6.5).
func (n *negotiation) saslFailure(e *framing.Element) *Error {
	condition, text := "", ""
	for _, c := range e.Elements() {
		switch {
		case c.Name.Local == "text" && (c.Name.Space == nsSASL || c.Name.Space == nsSASL2):
			text = strings.Clone(c.Text())
		case c.Name.Space == nsSASL && condition == "":
			condition = strings.Clone(c.Name.Local)
		}
	}
	return n.asCredentialError(n.signInError(sasl.NewFailure(condition, text)))
}

// signInError is the Error for an authentication that failed.
func (n *negotiation) signInError(err error) *Error {
	e := &Error{Phase: n.phase, Endpoint: n.endpoint, Err: err}
	var no *sasl.FailureError
	if errors.As(err, &no) {
		e.Condition, e.Text = no.Condition, no.Text
	}
	return e
}

func mechanisms(list *framing.Element) []string {
	var names []string
	for _, m := range list.Elements() {
		if m.Is(list.Name.Space, "mechanism") {
			names = append(names, strings.TrimSpace(m.Text()))
		}
	}
	return names
}

// bindings returns the server's channel-binding types (XEP-0440), nil if it does not
// list any.
func bindings(features *framing.Element) []string {
	list := features.Child(nsBindings, "sasl-channel-binding")
	if list == nil {
		return nil
	}
	types := []string{}
	for _, b := range list.Elements() {
		if b.Is(nsBindings, "channel-binding") {
			types = append(types, b.Attr("type"))
		}
	}
	return types
}

func tasks(e *framing.Element) []string {
	var names []string
	for _, t := range e.Child(nsSASL2, "tasks").Elements() {
		if t.Is(nsSASL2, "task") {
			names = append(names, shorten(t.Text()))
		}
	}
	return names
}
