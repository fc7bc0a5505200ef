package configuration_test

import (
	"fmt"
	"strings"
	"testing"

	"natter/app/feature/configuration"
	"natter/app/feature/featuretest"
	"natter/app/feature/rooms"
	"natter/app/state"
	"natter/framing"
)

func TestStories(t *testing.T) { featuretest.Run(t, configuration.New, rooms.New) }

// A form of a thousand fields costs what those cost that are shown.
func TestForm_IsBounded(t *testing.T) {
	var doc strings.Builder
	doc.WriteString(`<x xmlns="jabber:x:data" type="form">`)
	for i := range 1000 {
		fmt.Fprintf(&doc, `<field var="f%d" type="text-single"><value>%d</value></field>`, i, i)
	}
	doc.WriteString(`</x>`)
	x, err := framing.Parse(doc.String(), framing.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	form := configuration.Form(x)
	if len(form.Fields) != state.MostFields || form.More != 1000-state.MostFields || form.Fields[199].Values[0] != "199" {
		t.Errorf("%d fields and %d more", len(form.Fields), form.More)
	}
}
