package view

import (
	"fmt"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/legible"
	"natter/app/state"
)

// originalOf asks for the XML of a message of the open conversation.
func (d *desk) originalOf(m *state.Message) state.ReadOriginal {
	return state.ReadOriginal{Conv: d.open, Author: m.Author, ID: m.ID, ArchiveID: m.ArchiveID}
}

// drawOriginal is the XML of a message for whoever is curious, as text alone.
func (d *desk) drawOriginal(m *state.Message) app.UI {
	o := d.s.Original
	button := func(do Command, text string) app.UI {
		return app.Button().Type("button").ID(string(do)).Class("button-quiet button-small").DataSet("do", string(do)).DataSet("text", keyText(m.Key)).Text(text)
	}
	whose := "your server"
	if d.open.Kind() == state.Groupchat {
		whose = "the room"
	}
	switch {
	case d.s.Connection.Elsewhere():
		return app.Div()
	case o == nil || o.ReadOriginal != d.originalOf(m):
		return app.Div().Class("original").Body(button(doOriginal, "Show XML"))
	case o.Loading:
		return app.Div().Class("original").Body(app.P().Class("dialog-doing").Attr("role", "status").Text("Asking the archive of " + whose + "…"))
	case o.Problem != "":
		return app.Div().Class("original").Body(app.P().Class("field-fault").Attr("role", "alert").Text(o.Problem), button(doOriginal, "Try again"))
	}
	hint := "As the archive of " + whose + " has it. Natter keeps no copy; lines and prefixes are its own."
	if o.Cut {
		hint += " This is the beginning only."
	}
	return app.Div().Class("original").Body(
		app.Div().Class("original-head").Body(app.Span().Class("details-label").Text("XML"), button(doCopyOriginal, "Copy")),
		app.P().Class("details-hint").Text(hint),
		app.Pre().ID("original-xml").Class("original-xml").Attr("role", "region").Aria("label", "XML").TabIndex(0).Dir("ltr").Text(visible(o.XML)))
}

// readOriginal asks for the XML of a message.
func (d *desk) readOriginal(m *state.Message) { d.model.Do(d.originalOf(m)) }

// copyOriginal copies the XML of a message.
func (d *desk) copyOriginal(Signal) {
	if o := d.s.Original; o != nil {
		d.platform.Copy(o.XML)
	}
}

// visible returns an XML text with references for the characters that are drawn as nothing or reorder
// what is around them.
func visible(xml string) string {
	var b strings.Builder
	for _, r := range xml {
		if legible.Unseen(r) {
			fmt.Fprintf(&b, "&#x%X;", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
