// Package receipts asks for and gives delivery receipts (XEP-0184).
package receipts

import (
	"natter/app/feature"
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
		Decorate: func(_ feature.Client, st *framing.Element) {
			if st.Is(framing.NSClient, "message") && st.Child(framing.NSClient, "body") != nil {
				st.Add(framing.New(NS, "request"))
			}
		},
	}
}

// give answers a request, once, to people who may see our presence anyway: to
// anybody else a receipt would tell that we are there.
func give(c feature.Client, st *feature.Stanza) {
	if st.Source != feature.Live || st.ID == "" || st.Mine(c) || !c.State().Contact(st.From).SeesUs() {
		return
	}
	c.Send(framing.New(framing.NSClient, "message").
		Set("type", st.Type).Set("to", st.From.String()).Set("id", c.NewID()).
		Add(framing.New(NS, "received").Set("id", st.ID)))
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
