package connect

import (
	"context"
	"crypto/rand"
	"strconv"

	"natter/app/jid"
	"natter/framing"
)

// maxConflicts is how many resources of ours are tried at most (RFC 6120 §7.7.2.2).
const maxConflicts = 3

var errNoBinding = &ProtocolError{"the server offers no resource binding"}

// bindOrResume resumes the old stream, or binds a new one if there is none or the resume
// failed. A stream can only do one of the two (XEP-0198 §5).
func (n *negotiation) bindOrResume(ctx context.Context, features *framing.Element) *Error {
	if n.req.Resume != nil && features.Child(nsSM, "sm") != nil {
		resumed, err := n.resume(ctx)
		if err != nil || resumed {
			return err
		}
	}
	if features.Child(nsBind, "bind") == nil {
		err := n.protocolError(framing.UnsupportedFeature, "")
		err.Err = errNoBinding
		return err
	}
	if err := n.bind(ctx); err != nil {
		return err
	}
	// The session of RFC 3921 does nothing, but some servers require it.
	if s := features.Child(nsSession, "session"); s != nil && s.Child(nsSession, "optional") == nil {
		_, err := n.request(ctx, framing.New(nsSession, "session"))
		return err
	}
	return nil
}

// resume requests the old stream. It is no error if the server no longer has that: then a
// new stream is bound.
func (n *negotiation) resume(ctx context.Context) (resumed bool, err *Error) {
	if err := n.send(ctx, ToResume, n.resumeElement()); err != nil {
		return false, err
	}
	deadline, cancel := context.WithTimeout(ctx, n.answerTimeout())
	defer cancel()
	for {
		e, err := n.read(ctx, deadline, ToResume)
		if err != nil {
			return false, err
		}
		switch {
		case e.Is(nsSM, "resumed"):
			return true, n.takeResumed(e, "")
		case e.Is(nsSM, "failed"):
			n.resumeFailed(e)
			return false, nil
		}
		// Other elements are dropped: they belong to no stream.
	}
}

func (n *negotiation) resumeElement() *framing.Element {
	r := n.req.Resume
	return framing.New(nsSM, "resume").Set("previd", r.ID).Set("h", strconv.FormatUint(uint64(r.H), 10))
}

// takeResumed fills the session from <resumed/>. The address is the one the server names
// (as), else the one of before.
func (n *negotiation) takeResumed(e *framing.Element, as jid.JID) *Error {
	h, err := strconv.ParseUint(e.Attr("h"), 10, 32)
	if err != nil || e.Attr("previd") != n.req.Resume.ID {
		return n.protocolError(framing.BadFormat, "the server resumed another stream than was asked for")
	}
	if as.Resource() == "" {
		as = n.req.Resume.JID
	}
	s := &n.session
	s.Resumed, s.ResumedH, s.JID = true, uint32(h), as
	s.Features = nil
	s.MaxBytes, s.Idle = 0, 0 // those were for the time before the sign-in
	return nil
}

func (n *negotiation) resumeFailed(e *framing.Element) {
	if h, err := strconv.ParseUint(e.Attr("h"), 10, 32); err == nil {
		h := uint32(h)
		n.session.FailedH = &h
	}
}

// bind requests an address (RFC 6120 §7). The server generates the resource, because it
// knows which are in use. If it reports a conflict nevertheless, we generate one.
func (n *negotiation) bind(ctx context.Context) *Error {
	b := framing.New(nsBind, "bind")
	for try := 0; ; try++ {
		answer, err := n.request(ctx, b)
		if err != nil && err.Condition == "conflict" && try < maxConflicts {
			if _, refused := err.Err.(*framing.StanzaError); refused {
				b = framing.New(nsBind, "bind").Add(framing.New(nsBind, "resource").AddText("Natter." + n.newID()))
				continue
			}
		}
		if err != nil {
			return err
		}
		n.session.JID, err = n.boundAddress(answer.Child(nsBind, "bind").Child(nsBind, "jid").Text())
		return err
	}
}

func (c *Connector) newID() string {
	if c.NewID == nil {
		return rand.Text()
	}
	return c.NewID()
}

// request sends an IQ to the server and waits for its answer. Everything else that
// arrives is dropped: nobody can know the new address yet.
func (n *negotiation) request(ctx context.Context, payload *framing.Element) (*framing.Element, *Error) {
	id := n.newID()
	iq := framing.New(framing.NSClient, "iq").Set("type", "set").Set("id", id).Add(payload)
	if err := n.send(ctx, ToBind, iq); err != nil {
		return nil, err
	}
	deadline, cancel := context.WithTimeout(ctx, n.stepTimeout())
	defer cancel()
	for {
		e, err := n.read(ctx, deadline, ToBind)
		if err != nil {
			return nil, err
		}
		if !e.Is(framing.NSClient, "iq") || e.Attr("id") != id || !n.fromServer(e) {
			continue
		}
		switch e.Attr("type") {
		case "result":
			return e, nil
		case "error":
			return nil, n.iqError(e)
		}
	}
}

// fromServer reports whether the server or the account itself sent a stanza (RFC 6120
// §8.1.2.1).
func (n *negotiation) fromServer(e *framing.Element) bool {
	from := jid.JID(e.Attr("from"))
	return from == "" || from == jid.JID(n.req.Account.Domain()) || from.Bare() == n.req.Account.Bare() ||
		n.session.JID != "" && from.Bare() == n.session.JID.Bare()
}

// iqError is the Error for an IQ of type error.
func (n *negotiation) iqError(iq *framing.Element) *Error {
	why := framing.ReadStanzaError(iq)
	return &Error{Phase: n.phase, Endpoint: n.endpoint, Condition: why.Condition, Text: why.Text, Err: why}
}
