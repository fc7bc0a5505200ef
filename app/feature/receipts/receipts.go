// Package receipts requests and sends delivery receipts (XEP-0184).
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
			{Space: NS, Local: "request"}:  acknowledge,
			{Space: NS, Local: "received"}: markReceived,
		},
		Lost: resend,
		Decorate: func(_ feature.Client, st *framing.Element) {
			if st.Is(framing.NSClient, "message") && st.Attr("type") != "groupchat" && st.Child(framing.NSClient, "body") != nil {
				st.Add(framing.New(NS, "request"))
			}
		},
	}
}

// acknowledge sends a receipt once, and only to contacts who may see our presence: a receipt tells
// that we are online. A message of our absence is acknowledged when it comes from the
// archive (XEP-0184 §5.5), to all clients of its sender.
func acknowledge(c feature.Client, st *feature.Stanza) {
	if st.ID == "" || st.By.Mine || st.Conv.Kind() != state.Direct || !c.State().Contact(st.From).SeesUs() {
		return
	}
	to := st.From
	switch {
	case st.Source == feature.Live:
	case st.Page == nil || st.Page.Past || isStored(c, st):
		return
	default:
		to = to.Bare()
	}
	_ = c.Send(framing.New(framing.NSClient, "message").
		Set("type", st.Type).Set("to", to.String()).Set("id", c.NewID()).
		Add(framing.New(NS, "received").Set("id", st.ID)))
}

// isStored reports whether the conversation has the message already.
func isStored(c feature.Client, st *feature.Stanza) bool {
	chat := c.State().Chat(st.Conv)
	return chat != nil && chat.Timeline.ByID(st.By.JID, st.ID) != nil
}

// resend retries a receipt that may have been lost with the stream. A second receipt does no
// harm. It is not sent if the contact may no longer see our presence.
func resend(c feature.Client, st *framing.Element, err error) {
	if err == nil && st.Is(framing.NSClient, "message") && st.Child(NS, "received") != nil && c.State().Contact(jid.JID(st.Attr("to"))).SeesUs() {
		_ = c.Send(st)
	}
}

// markReceived marks our message as delivered, in the conversation with the sender of the receipt
// only: nobody can acknowledge messages to somebody else. A receipt from the archive counts
// too.
func markReceived(c feature.Client, st *feature.Stanza) {
	id := st.Only(NS, "received").Attr("id")
	if id == "" || st.By.Mine || st.Conv.Kind() != state.Direct {
		return
	}
	st.Then(func() { c.Emit(st.Says(state.Receipt, c.State().Account(), id, "")) })
}
