package connect

import (
	"context"

	"natter/app/connect/sasl"
	"natter/framing"
)

// sasl1 is authentication as in RFC 6120 §6. After it the stream is opened anew.
func (n *negotiation) sasl1(ctx context.Context, m sasl.Mechanism) *Error {
	auth := framing.New(nsSASL, "auth").Set("mechanism", m.Name())
	initial, err := m.Start(ctx)
	if err != nil {
		return n.distrust(err)
	}
	if initial != nil {
		auth.AddText(sasl.EncodeInitial(initial))
	}
	n.exchange = nsSASL
	if err := n.send(ctx, ToAuthenticate, auth); err != nil {
		return err
	}
	success, failure := n.converse(ctx, m, nsSASL)
	if failure != nil {
		return failure
	}
	n.exchange = ""
	data, present, err := sasl.DecodeOptional(success.Text())
	if err == nil {
		err = m.Done(ctx, data, present)
	}
	if err != nil {
		return n.distrust(err)
	}
	n.authenticated(m.Name())
	n.keep(m, nil, nil, Inline{})
	return nil
}
