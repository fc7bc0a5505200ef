// Package carbons shows messages that other clients of the account send and receive
// (XEP-0280).
//
// A carbon counts only if it comes from our own bare address and has exactly one forwarded
// message, from or to this account. Everything else may be a forged message in the name of
// a contact (CVE-2017-5589, CVE-2019-16235, CVE-2020-26547).
package carbons

import (
	"natter/app/feature"
	"natter/app/state"
	"natter/framing"
)

// NS is the namespace of XEP-0280.
const NS = "urn:xmpp:carbons:2"

// New returns the feature.
func New() *feature.Feature {
	return &feature.Feature{
		Name: "message carbons (XEP-0280)",
		Messages: map[framing.Name]feature.Handler{
			{Space: NS, Local: "received"}: unwrap,
			{Space: NS, Local: "sent"}:     unwrap,
		},
		Start: func(c feature.Client) {
			if c.Carbons() {
				return
			}
			// An error means that the server has no carbons; nothing depends on it.
			c.Request(framing.New(framing.NSClient, "iq").Set("type", "set").
				Add(framing.New(NS, "enable")), func(*framing.Element, error) {})
		},
	}
}

func unwrap(c feature.Client, st *feature.Stanza) {
	if st.Source != feature.Live || st.From != c.State().Account() || st.Conv.Kind() != state.Direct {
		return
	}
	sent, received := st.Only(NS, "sent"), st.Only(NS, "received")
	wrapper, source := received, feature.CarbonReceived
	if sent != nil {
		wrapper, source = sent, feature.CarbonSent
	}
	if (sent == nil) == (received == nil) {
		return
	}
	message, at := feature.Forwarded(wrapper)
	if message == nil || message.Attr("from") == "" || message.Attr("to") == "" {
		return
	}
	now := c.State().Now(c.Now())
	if at.IsZero() {
		at = now
	}
	inner := c.Inner(message, source, state.Clamp(at, now))
	if inner.By.Mine != (source == feature.CarbonSent) || inner.Conv.Kind() == state.Groupchat {
		return
	}
	if source == feature.CarbonReceived && inner.To.Bare() != c.State().Account() {
		return
	}
	c.Dispatch(inner)
}
