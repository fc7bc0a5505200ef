package client

import (
	"slices"
	"testing"

	"natter/app/feature"
)

// Y06: disco#info has the feature of message styling (XEP-0393 §5).
func TestY06_StylingIsAdvertised(t *testing.T) {
	if !slices.ContainsFunc(All(), func(f *feature.Feature) bool { return slices.Contains(f.Disco, "urn:xmpp:styling:0") }) {
		t.Error("no feature says so")
	}
}
