// Package version tells which software this is (XEP-0092): its name, to those who
// may see our presence. The version and the system are nobody's business.
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
