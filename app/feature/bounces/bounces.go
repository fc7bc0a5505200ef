// Package bounces notes that messages of ours were sent back (RFC 6121 §8.5).
package bounces

import (
	"natter/app/feature"
	"natter/app/state"
	"natter/framing"
)

// New returns the feature.
func New() *feature.Feature {
	return &feature.Feature{
		Name:     "bounces (RFC 6121)",
		Messages: map[framing.Name]feature.Handler{{Space: framing.NSClient, Local: "error"}: bounced},
	}
}

// bounced handles an error for a message of ours, from its addressee. A text in the error is never
// shown as a message. If a room says that we are not in it, package chat decides what becomes of the message.
func bounced(c feature.Client, st *feature.Stanza) {
	if st.ID == "" || st.By.Mine || st.Source != feature.Live || feature.Outside(st) {
		return
	}
	c.Emit(st.Says(state.Bounced, c.State().Account(), st.ID, feature.Bounced(st)))
}
