package connect

import (
	"context"

	"natter/app/connect/sasl"
	"natter/framing"
)

// sasl1 authenticates as in RFC 6120 §6. After it the stream is opened again.
func (n *negotiation) sasl1(ctx context.Context, m sasl.Mechanism) *Error {
	auth := framing.New(nsSASL, "auth").Set("mechanism", m.Name())
	initial, err := m.Start(ctx)
	if err != nil {
		return n.signInError(err)
	}
	if initial != nil {
		auth.AddText(sasl.EncodeInitial(initial))
	}
	n.inSASL = nsSASL
	if err := n.send(ctx, ToAuthenticate, auth); err != nil {
		return err
	}
	success, failure := n.answerChallenges(ctx, m, nsSASL)
	if failure != nil {
		return failure
	}
	n.inSASL = ""
	data, present, err := sasl.DecodeOptional(success.Text())
	if err == nil {
		err = m.Done(ctx, data, present)
	}
	if err != nil {
		return n.signInError(err)
	}
	n.pinMechanism(m.Name())
	n.updateCredential(m, nil, nil, Inline{})
	return nil
}
