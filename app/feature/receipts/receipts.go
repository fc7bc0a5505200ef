// Package receipts asks for and gives delivery receipts (XEP-0184).
package receipts

import (
	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// NS is the namespace of XEP-0184.
const NS = "urn:xmpp:receipts"

// New returns the feature.
func New() *feature.Feature {
	return &feature.Feature{
		Name:  "delivery receipts (XEP-0184)",
		Disco: []string{NS},
		Messages: map[framing.Name]feature.Handler{
			{Space: NS, Local: "request"}:  give,
			{Space: NS, Local: "received"}: take,
		},
		Lost: again,
		Decorate: func(_ feature.Client, st *framing.Element) {
			if st.Is(framing.NSClient, "message") && st.Child(framing.NSClient, "body") != nil {
				st.Add(framing.New(NS, "request"))
			}
		},
	}
}

// give answers a request, once, to people who may see our presence anyway: to
// anybody else a receipt would tell that we are there. What the archive has from while we
// were away is received then (XEP-0184 §5.5), by whatever client of theirs is there now.
func give(c feature.Client, st *feature.Stanza) {
	if st.ID == "" || st.Type == "groupchat" || st.Mine(c) || !c.State().Contact(st.From).SeesUs() {
		return
	}
	to := st.From
	switch {
	case st.Source == feature.Live:
	case st.Page == nil || st.Page.Past || known(c, st):
		return
	default:
		to = to.Bare()
	}
	_ = c.Send(framing.New(framing.NSClient, "message").
		Set("type", st.Type).Set("to", to.String()).Set("id", c.NewID()).
		Add(framing.New(NS, "received").Set("id", st.ID)))
}

// known reports whether a message is here already.
func known(c feature.Client, st *feature.Stanza) bool {
	chat := c.State().Chat(st.From)
	return chat != nil && chat.Timeline.ByID(st.From.Bare(), st.ID) != nil
}

// again sends a receipt that may have been lost with the stream. Twice it says no more than
// once, and it may be that meanwhile it is not to be told any more.
func again(c feature.Client, st *framing.Element, err error) {
	if err == nil && st.Is(framing.NSClient, "message") && st.Child(NS, "received") != nil && c.State().Contact(jid.JID(st.Attr("to"))).SeesUs() {
		_ = c.Send(st)
	}
}

// take marks our message, in the conversation with whoever acknowledges it: a
// receipt speaks for nobody else's messages. One from the archive counts too.
func take(c feature.Client, st *feature.Stanza) {
	id := st.Only(NS, "received").Attr("id")
	if id == "" || st.Mine(c) {
		return
	}
	st.Then(func() {
		c.Emit(state.MessageMarked{Peer: st.From.Bare(), ID: id, Delivery: state.Delivered})
	})
}
