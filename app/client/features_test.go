package client

import (
	"slices"
	"testing"

	"natter/app/feature"
)

// Disco#info has the features that others must know of before they send us what belongs to them.
func TestAdvertised(t *testing.T) {
	for rule, features := range map[string][]string{
		"Y06": {"urn:xmpp:styling:0"},
		"L16": {"urn:xmpp:message-correct:0", "urn:xmpp:message-retract:1", "urn:xmpp:reactions:0", "urn:xmpp:reply:0"},
		"J50": {"http://jabber.org/protocol/muc", "jabber:x:conference"},
		"J51": {"urn:xmpp:bookmarks:1+notify", "urn:xmpp:mds:displayed:0+notify"},
	} {
		for _, feat := range features {
			t.Run(rule+" "+feat, func(t *testing.T) {
				if !slices.ContainsFunc(All(), func(f *feature.Feature) bool { return slices.Contains(f.Disco, feat) }) {
					t.Error("no feature says so")
				}
			})
		}
	}
}
