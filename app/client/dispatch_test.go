//go:build !js

package client

import (
	"slices"
	"strconv"
	"testing"

	"natter/app/feature"
	"natter/app/steps"
	"natter/framing"
)

// A stanza may have twenty thousand payloads, each with another name: each is looked at once. The handler of
// a payload is called once, even if the stanza has the payload several times.
func TestDispatch_ManyPayloads(t *testing.T) {
	var told []string
	hear := []feature.Handler{func(_ feature.Client, st *feature.Stanza) {}}
	names := handlers{{Space: framing.NSClient, Local: "message"}: hear}
	for _, local := range []string{"body", "received"} {
		name := framing.Name{Space: "urn:example", Local: local}
		names[name] = []feature.Handler{func(feature.Client, *feature.Stanza) { told = append(told, local) }}
	}
	el := framing.New(framing.NSClient, "message")
	for i := range 20_000 {
		el.Add(framing.New("urn:example", "a"+strconv.Itoa(i)))
		if i%1000 == 0 {
			el.Add(framing.New("urn:example", "received"), framing.New("urn:example", "body"))
		}
	}
	l := &loop{messages: names}
	n := steps.Of(func() { l.Dispatch(&feature.Stanza{Element: el, Type: "chat"}) })
	if n > 3*len(el.Children) {
		t.Errorf("%d steps for %d payloads", n, len(el.Children))
	}
	if !slices.Equal(told, []string{"received", "body"}) {
		t.Errorf("told of %v", told)
	}
}
