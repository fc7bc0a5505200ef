// Package version answers with the name of this software (XEP-0092), to contacts who may
// see our presence. Version and system are not disclosed, because they help attackers.
package version

import (
	"natter/app/feature"
	"natter/framing"
)

// NS is the namespace of XEP-0092.
const NS = "jabber:iq:version"

// New returns the feature.
func New() *feature.Feature {
	return &feature.Feature{
		Name:  "software version (XEP-0092)",
		Disco: []string{NS},
		Requests: map[framing.Name]feature.Handler{
			{Space: NS, Local: "query"}: answer,
		},
	}
}

func answer(c feature.Client, st *feature.Stanza) {
	if st.Type != "get" {
		c.Refuse(st, "cancel", "not-allowed")
		return
	}
	c.Reply(st, framing.New(NS, "query").Add(framing.New(NS, "name").AddText("Natter")))
}
