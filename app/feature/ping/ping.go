// Package ping answers pings (XEP-0199). The stream sends its own.
package ping

import (
	"natter/app/feature"
	"natter/framing"
)

// NS is the namespace of XEP-0199.
const NS = "urn:xmpp:ping"

// New returns the feature.
func New() *feature.Feature {
	return &feature.Feature{
		Name:  "ping (XEP-0199)",
		Disco: []string{NS},
		Requests: map[framing.Name]feature.Handler{
			{Space: NS, Local: "ping"}: answer,
		},
	}
}

func answer(c feature.Client, st *feature.Stanza) {
	if st.Type != "get" {
		c.Refuse(st, "modify", "bad-request")
		return
	}
	c.Reply(st)
}
