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
// shown as a message.
func bounced(c feature.Client, st *feature.Stanza) {
	if st.ID == "" || st.By.Mine || st.Source != feature.Live {
		return
	}
	why, known := reasons[framing.ReadStanzaError(st.Element).Condition]
	if !known {
		why = "It could not be delivered."
	}
	c.Emit(st.Says(state.Bounced, c.State().Account(), st.ID, why))
}

// reasons has the stanza errors (RFC 6120 §8.3.3) that help a person.
var reasons = map[string]string{
	"item-not-found":          "There is nobody at this address.",
	"gone":                    "This address no longer exists.",
	"remote-server-not-found": "The other server could not be found.",
	"remote-server-timeout":   "The other server does not answer.",
	"service-unavailable":     "The other side does not accept messages right now.",
	"recipient-unavailable":   "The other side is not there.",
	"forbidden":               "You are not allowed to write to this address.",
	"not-allowed":             "You are not allowed to write to this address.",
	"not-authorized":          "You are not allowed to write to this address.",
	"not-acceptable":          "The other side does not accept this message.",
	"policy-violation":        "The server refused this message.",
	"resource-constraint":     "The other side's mailbox is full, or its server is busy.",
	"jid-malformed":           "This is not a valid address.",
}
