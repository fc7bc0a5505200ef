package connect

import (
	"context"
	"crypto/rand"
	"strconv"

	"natter/app/jid"
	"natter/framing"
)

// maxConflicts is how many resources are tried before giving up (RFC 6120 §7.7.2.2).
const maxConflicts = 3

var errNoBinding = &ProtocolError{"the server offers no resource binding"}

// settle gives the authenticated stream its address: that of the stream that is
// resumed, else a new one. Only one of the two is possible (XEP-0198 §5).
func (n *negotiation) settle(ctx context.Context, features *framing.Element) *Error {
	if n.req.Resume != nil && features.Child(nsSM, "sm") != nil {
		resumed, err := n.resume(ctx)
		if err != nil || resumed {
			return err
		}
	}
	if features.Child(nsBind, "bind") == nil {
		err := n.broken(framing.UnsupportedFeature, "")
		err.Err = errNoBinding
		return err
	}
	if err := n.bind(ctx); err != nil {
		return err
	}
	// RFC 3921's session: a formality some servers insist on.
	if s := features.Child(nsSession, "session"); s != nil && s.Child(nsSession, "optional") == nil {
		_, err := n.request(ctx, framing.New(nsSession, "session"))
		return err
	}
	return nil
}

// resume asks for the old stream. If the server no longer has it, that is no error:
// the new stream is bound like any other.
func (n *negotiation) resume(ctx context.Context) (resumed bool, err *Error) {
	if err := n.send(ctx, ToResume, n.resumeElement()); err != nil {
		return false, err
	}
	deadline, cancel := context.WithTimeout(ctx, n.patience())
	defer cancel()
	for {
		e, err := n.read(ctx, deadline, ToResume)
		if err != nil {
			return false, err
		}
		switch {
		case e.Is(nsSM, "resumed"):
			return true, n.resumed(e, "")
		case e.Is(nsSM, "failed"):
			n.resumeFailed(e)
			return false, nil
		}
		// Whatever else comes is for a stream that does not exist yet.
	}
}

func (n *negotiation) resumeElement() *framing.Element {
	r := n.req.Resume
	return framing.New(nsSM, "resume").Set("previd", r.ID).Set("h", strconv.FormatUint(uint64(r.H), 10))
}

// resumed takes note that the old stream goes on. The server may say under which
// address; else it is the one we had.
func (n *negotiation) resumed(e *framing.Element, as jid.JID) *Error {
	h, err := strconv.ParseUint(e.Attr("h"), 10, 32)
	if err != nil || e.Attr("previd") != n.req.Resume.ID {
		return n.broken(framing.BadFormat, "the server resumed another stream than was asked for")
	}
	if as.Resource() == "" {
		as = n.req.Resume.JID
	}
	s := &n.session
	s.Resumed, s.ResumedH, s.JID = true, uint32(h), as
	s.Features = nil
	s.MaxBytes, s.Idle = 0, 0 // said before login, of which it held
	return nil
}

func (n *negotiation) resumeFailed(e *framing.Element) {
	if h, err := strconv.ParseUint(e.Attr("h"), 10, 32); err == nil {
		h := uint32(h)
		n.session.FailedH = &h
	}
}

// bind asks for an address (RFC 6120 §7). The server makes up the resource: it knows
// best which are taken. Should it find a conflict all the same it is given others.
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
		n.session.JID, err = n.bound(answer.Child(nsBind, "bind").Child(nsBind, "jid").Text())
		return err
	}
}

func (c *Connector) newID() string {
	if c.NewID == nil {
		return rand.Text()
	}
	return c.NewID()
}

// request sends an IQ to the server and waits for its answer. What else arrives is
// dropped: nobody can know the address yet that it would be for.
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
			return nil, n.refused(e)
		}
	}
}

// fromServer reports whether a stanza is the server's or the account's own (RFC 6120
// §8.1.2.1), judged by the address that is being bound.
func (n *negotiation) fromServer(e *framing.Element) bool {
	from := jid.JID(e.Attr("from"))
	return from == "" || from == jid.JID(n.req.Account.Domain()) || from.Bare() == n.req.Account.Bare() ||
		n.session.JID != "" && from.Bare() == n.session.JID.Bare()
}

// refused is the Error for an IQ that came back.
func (n *negotiation) refused(iq *framing.Element) *Error {
	why := framing.ReadStanzaError(iq)
	return &Error{Phase: n.phase, Endpoint: n.endpoint, Condition: why.Condition, Text: why.Text, Err: why}
}
