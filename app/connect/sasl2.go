package connect

import (
	"context"

	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/framing"
)

// tag is the beginning of the resource that the server generates. Contacts can see it, so
// it says nothing about the person (XEP-0386 §4).
const tag = "Natter"

// sasl2 authenticates and, in the same request, resumes the old stream or, if that
// fails, binds a new one (XEP-0388, XEP-0386 §3.2, XEP-0198 §9.2). It returns the features
// after that, nil after a resume. The stream is not opened again.
func (n *negotiation) sasl2(ctx context.Context, m sasl.Mechanism, offer *framing.Element) (*framing.Element, *Error) {
	in := inlineOf(offer)
	request, failure := n.authenticateElement(ctx, m, in)
	if failure != nil {
		return nil, failure
	}
	n.inSASL = nsSASL2
	if err := n.send(ctx, ToAuthenticate, request); err != nil {
		return nil, err
	}
	return n.finishSASL2(ctx, m, request, in)
}

// pipeline sends <open/> and <authenticate/> with a token together, in one round trip (see
// canPipeline). If the endpoint no longer offers what was assumed, the sign-in is stopped.
func (n *negotiation) pipeline(ctx context.Context) (*framing.Element, *Error) {
	assumed := n.req.Credential.Seen.Inline
	m, err := sasl.New(sasl.HTSHA256None, n.login(), n.Crypto)
	if err != nil {
		return nil, n.asCredentialError(n.signInError(err))
	}
	request, failure := n.authenticateElement(ctx, m, assumed)
	if failure != nil {
		return nil, failure
	}
	if err := n.send(ctx, ToOpen, n.header()); err != nil {
		return nil, err
	}
	n.session.RoundTrips-- // both travel together
	n.inSASL = nsSASL2
	if err := n.send(ctx, ToOpen, request); err != nil {
		return nil, err
	}
	features, failure := n.receiveOpen(ctx, ToOpen, ToFeatures)
	if failure != nil {
		return nil, failure
	}
	n.phase = Authenticate
	in := inlineOf(features.Child(nsSASL2, "authentication"))
	if !in.covers(assumed) {
		return nil, &Error{Phase: n.phase, Endpoint: n.endpoint, Condition: framing.UnsupportedFeature, Err: errNotOfferedAnymore}
	}
	return n.finishSASL2(ctx, m, request, in)
}

// authenticateElement returns <authenticate/> with all that we want and the server offers.
func (n *negotiation) authenticateElement(ctx context.Context, m sasl.Mechanism, in Inline) (*framing.Element, *Error) {
	request := framing.New(nsSASL2, "authenticate").Set("mechanism", m.Name())
	initial, err := m.Start(ctx)
	if err != nil {
		return nil, n.signInError(err)
	}
	if initial != nil { // an empty one is not the same as none (XEP-0388 §2.2)
		request.Add(framing.New(nsSASL2, "initial-response").AddText(sasl.Encode(initial)))
	}
	request.Add(n.userAgent())
	switch {
	case n.req.invalidate:
		return request.Add(framing.New(nsFAST, "fast").Set("invalidate", "true")), nil
	case m.Name() == sasl.HTSHA256None:
		request.Add(framing.New(nsFAST, "fast"))
	case n.req.Remember && in.Token && n.protected && n.userAgentID() != "":
		request.Add(framing.New(nsFAST, "request-token").Set("mechanism", sasl.HTSHA256None))
	}
	switch {
	case n.req.Resume == nil:
	case in.Resume:
		request.Add(n.resumeElement())
	default:
		// A bound stream can no longer be resumed, so no bind here: see bindOrResume.
		return request, nil
	}
	return request.Add(bind2Element(in)), nil
}

// finishSASL2 answers the challenges and reads from <success/> what came of the request:
// the token, the resumed stream, or the new address.
func (n *negotiation) finishSASL2(ctx context.Context, m sasl.Mechanism, request *framing.Element, in Inline) (*framing.Element, *Error) {
	success, failure := n.answerChallenges(ctx, m, nsSASL2)
	if failure != nil {
		return nil, failure
	}
	n.inSASL = ""
	if err := finishMechanism(ctx, m, success); err != nil {
		return nil, n.signInError(err)
	}

	// The server has proven that it knows the secret.
	n.pinMechanism(m.Name())
	n.updateCredential(m, request, success, in)
	n.phase = Binding
	me, said := jid.JID(""), success.Child(nsSASL2, "authorization-identifier").Text()
	if said != "" && !n.req.invalidate {
		if me, failure = n.identity(said); failure != nil {
			return nil, failure
		}
	}
	if request.Child(nsSM, "resume") != nil {
		if e := success.Child(nsSM, "resumed"); e != nil {
			return nil, n.takeResumed(e, me)
		}
		n.resumeFailed(success.Child(nsSM, "failed"))
		n.req.Resume = nil // bindOrResume must not request it again
	}
	bind := request.Child(nsBind2, "bind")
	if bound := success.Child(nsBind2, "bound"); bound != nil && bind != nil {
		s := &n.session
		if s.JID, failure = n.boundAddress(said); failure != nil {
			return nil, failure
		}
		s.Bound = bound
		s.Carbons = bind.Child(nsCarbons, "enable") != nil // cannot fail (XEP-0386 §3.2.1)
		if bind.Child(nsSM, "enable") != nil {
			s.SM = bound.Child(nsSM, "enabled")
		}
	}
	return n.receiveFeatures(ctx, ToRefeatures)
}

// finishMechanism gives the mechanism the data of <success/>.
func finishMechanism(ctx context.Context, m sasl.Mechanism, success *framing.Element) error {
	additional := success.Child(nsSASL2, "additional-data")
	if additional == nil {
		return m.Done(ctx, nil, false)
	}
	data, err := sasl.Decode(additional.Text())
	if err != nil {
		return err
	}
	return m.Done(ctx, data, true)
}

// userAgentID returns the id of this installation. A Credential has its own, because a
// token works only with the id that it was given to (XEP-0484 §4.1).
func (n *negotiation) userAgentID() string {
	if k := n.req.Credential; k != nil && k.UserAgent != "" {
		return k.UserAgent
	}
	return n.UserAgent.ID
}

func (n *negotiation) userAgent() *framing.Element {
	id := n.userAgentID()
	if id == "" && n.UserAgent == (UserAgent{}) {
		return nil
	}
	e := framing.New(nsSASL2, "user-agent").Set("id", id)
	if n.UserAgent.Software != "" {
		e.Add(framing.New(nsSASL2, "software").AddText(n.UserAgent.Software))
	}
	if n.UserAgent.Device != "" {
		e.Add(framing.New(nsSASL2, "device").AddText(n.UserAgent.Device))
	}
	return e
}

// bind2Element returns the <bind/> of Bind 2, which also turns on carbons and Stream
// Management if the server offers that; nil if the server has no Bind 2.
func bind2Element(in Inline) *framing.Element {
	if !in.Bind {
		return nil
	}
	bind := framing.New(nsBind2, "bind").Add(framing.New(nsBind2, "tag").AddText(tag))
	if in.Carbons {
		bind.Add(framing.New(nsCarbons, "enable"))
	}
	if in.Manage {
		bind.Add(framing.New(nsSM, "enable").Set("resume", "true"))
	}
	return bind
}
