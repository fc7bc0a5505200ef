// Package disco publishes the features of this client: by service discovery (XEP-0030),
// and as a hash in each presence (XEP-0115), so that few clients have to request them.
//
// The hash is computed here and not by mellium.im/xmpp/disco: that package is tied
// to its Session, which would bring a TLS stack into the page.
package disco

import (
	"crypto/sha1"
	"encoding/base64"
	"strings"

	"natter/app/feature"
	"natter/framing"
)

// Namespaces of XEP-0030 and XEP-0115.
const (
	NSInfo  = "http://jabber.org/protocol/disco#info"
	NSItems = "http://jabber.org/protocol/disco#items"
	NSCaps  = "http://jabber.org/protocol/caps"
)

// node names the software in XEP-0115: a URI that is not looked up.
const node = "urn:natter"

// New returns the feature.
func New() *feature.Feature {
	return &feature.Feature{
		Name:  "service discovery (XEP-0030), entity capabilities (XEP-0115)",
		Disco: []string{NSInfo, NSItems, NSCaps},
		Requests: map[framing.Name]feature.Handler{
			{Space: NSInfo, Local: "query"}:  info,
			{Space: NSItems, Local: "query"}: items,
		},
		Decorate: func(c feature.Client, st *framing.Element) {
			if st.Is(framing.NSClient, "presence") && st.Attr("type") == "" {
				st.Add(framing.New(NSCaps, "c").
					Set("hash", "sha-1").Set("node", node).Set("ver", Hash(c.Disco())))
			}
		},
	}
}

func info(c feature.Client, st *feature.Stanza) {
	query := st.First()
	asked := query.Attr("node")
	switch {
	case st.Type != "get":
		c.Refuse(st, "cancel", "not-allowed")
		return
	case asked != "" && asked != node+"#"+Hash(c.Disco()):
		c.Refuse(st, "cancel", "item-not-found")
		return
	}
	answer := framing.New(NSInfo, "query").Set("node", asked).
		Add(framing.New(NSInfo, "identity").
			Set("category", "client").Set("type", "web").Set("name", "Natter"))
	for _, f := range c.Disco() {
		answer.Add(framing.New(NSInfo, "feature").Set("var", f))
	}
	c.Reply(st, answer)
}

func items(c feature.Client, st *feature.Stanza) {
	if st.Type != "get" {
		c.Refuse(st, "cancel", "not-allowed")
		return
	}
	c.Reply(st, framing.New(NSItems, "query").Set("node", st.First().Attr("node")))
}

// Hash returns the verification string of XEP-0115 §5.1 for our identity and these
// features, which must be sorted.
func Hash(features []string) string {
	var s strings.Builder
	s.WriteString("client/web//Natter<")
	for _, f := range features {
		s.WriteString(f)
		s.WriteByte('<')
	}
	sum := sha1.Sum([]byte(s.String()))
	return base64.StdEncoding.EncodeToString(sum[:])
}
