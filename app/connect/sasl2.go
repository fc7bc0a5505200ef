package connect

import (
	"context"

	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/framing"
)

// tag begins the resource that the server makes up. Others can see it, so it says
// nothing about the person (XEP-0386 §4).
const tag = "Natter"

// sasl2 is authentication with all that can be asked for along with it: to resume
// the old stream, and should that fail, to bind a new one (XEP-0388, XEP-0386 §3.2,
// XEP-0198 §9.2). It returns the features that follow, for which the stream is not
// opened again, and nil after a resume, which has none.
func (n *negotiation) sasl2(ctx context.Context, m sasl.Mechanism, offer *framing.Element) (*framing.Element, *Error) {
	in := inlineOf(offer)
	request, failure := n.request2(ctx, m, in)
	if failure != nil {
		return nil, failure
	}
	n.exchange = nsSASL2
	if err := n.send(ctx, ToAuthenticate, request); err != nil {
		return nil, err
	}
	return n.conclude(ctx, m, request, in)
}

// rushed opens the stream and authenticates by token in one go, for an endpoint that
// is known to offer what it takes (see rush). If it no longer does, the sign-in is
// broken off.
func (n *negotiation) rushed(ctx context.Context) (*framing.Element, *Error) {
	assumed := n.req.Credential.Seen.Inline
	m, err := sasl.New(sasl.HTSHA256None, n.login(), n.Crypto)
	if err != nil {
		return nil, n.spurned(n.distrust(err))
	}
	request, failure := n.request2(ctx, m, assumed)
	if failure != nil {
		return nil, failure
	}
	if err := n.send(ctx, ToOpen, n.header()); err != nil {
		return nil, err
	}
	n.session.RoundTrips-- // one flight
	n.exchange = nsSASL2
	if err := n.send(ctx, ToOpen, request); err != nil {
		return nil, err
	}
	features, failure := n.opened(ctx, ToOpen, ToFeatures)
	if failure != nil {
		return nil, failure
	}
	n.phase = Authenticate
	in := inlineOf(features.Child(nsSASL2, "authentication"))
	if !in.covers(assumed) {
		return nil, &Error{Phase: n.phase, Endpoint: n.endpoint, Condition: framing.UnsupportedFeature, Err: errUnseen}
	}
	return n.conclude(ctx, m, request, in)
}

// request2 is <authenticate/> with all that is wanted and on offer.
func (n *negotiation) request2(ctx context.Context, m sasl.Mechanism, in Inline) (*framing.Element, *Error) {
	request := framing.New(nsSASL2, "authenticate").Set("mechanism", m.Name())
	initial, err := m.Start(ctx)
	if err != nil {
		return nil, n.distrust(err)
	}
	if initial != nil { // empty but there is not the same as absent (XEP-0388 §2.2)
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
		// A stream that is bound can no longer be resumed: that comes first, see settle.
		return request, nil
	}
	return request.Add(bind2(in)), nil
}

// conclude sees the exchange to its end and takes over what came of the request.
func (n *negotiation) conclude(ctx context.Context, m sasl.Mechanism, request *framing.Element, in Inline) (*framing.Element, *Error) {
	success, failure := n.converse(ctx, m, nsSASL2)
	if failure != nil {
		return nil, failure
	}
	n.exchange = ""
	if err := finish(ctx, m, success); err != nil {
		return nil, n.distrust(err)
	}

	// From here on the server is believed.
	n.authenticated(m.Name())
	n.keep(m, request, success, in)
	n.phase = Binding
	me, said := jid.JID(""), success.Child(nsSASL2, "authorization-identifier").Text()
	if said != "" && !n.req.invalidate {
		if me, failure = n.whom(said); failure != nil {
			return nil, failure
		}
	}
	if request.Child(nsSM, "resume") != nil {
		if e := success.Child(nsSM, "resumed"); e != nil {
			return nil, n.resumed(e, me)
		}
		n.resumeFailed(success.Child(nsSM, "failed"))
		n.req.Resume = nil // it is gone: not to be asked for twice
	}
	bind := request.Child(nsBind2, "bind")
	if bound := success.Child(nsBind2, "bound"); bound != nil && bind != nil {
		s := &n.session
		if s.JID, failure = n.bound(said); failure != nil {
			return nil, failure
		}
		s.Bound = bound
		s.Carbons = bind.Child(nsCarbons, "enable") != nil // cannot fail (XEP-0386 §3.2.1)
		if bind.Child(nsSM, "enable") != nil {
			s.SM = bound.Child(nsSM, "enabled")
		}
	}
	return n.features(ctx, ToRefeatures)
}

// finish lets the mechanism see what came with success.
func finish(ctx context.Context, m sasl.Mechanism, success *framing.Element) error {
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

// userAgentID is the installation we are: that of the credential, for which alone the
// server takes it (XEP-0484 §4.1), else ours.
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

// bind2 asks for an address and for those of carbons and Stream Management that can
// be had along with it; nil if the server does not do Bind 2.
func bind2(in Inline) *framing.Element {
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
