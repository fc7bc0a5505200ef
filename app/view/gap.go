package view

import (
	"strconv"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/state"
)

// gapRows says between which messages there are gaps. It is told of one message after
// the other.
type gapRows struct {
	gaps []state.Gap // oldest first
	last *state.Message
}

// next returns the gaps that stand between the message before and m. A gap with messages
// in it, which came live and prove nothing about what came before them, stands before
// the first of them and after the last.
func (g *gapRows) next(m *state.Message) (here []state.Gap) {
	if g.last != nil {
		for _, gap := range g.gaps {
			opens := g.last.Key.Time <= gap.After.At.UnixMicro() && m.Key.Time > gap.After.At.UnixMicro()
			closes := g.last.Key.Time < gap.Before.At.UnixMicro() && m.Key.Time >= gap.Before.At.UnixMicro()
			if opens || closes {
				here = append(here, gap)
			}
		}
	}
	g.last = m
	return here
}

// end returns the gaps after the last message.
func (g *gapRows) end() (here []state.Gap) {
	for _, gap := range g.gaps {
		if g.last != nil && !gap.Before.At.IsZero() && g.last.Key.Time < gap.Before.At.UnixMicro() {
			here = append(here, gap)
		}
	}
	return here
}

// gap is where messages may be missing. Its button stays in its place, so that it keeps
// the focus while it works.
func (c *chat) gap(g state.Gap) app.UI {
	row := app.Div().Class("gap").Attr("role", "group").Aria("label", "Messages may be missing here")
	text := app.Span().Class("gap-text")
	button := app.Button().Type("button").Class("button-quiet button-small").DataSet("do", string(doLoadMissing)).DataSet("text", g.After.ID)
	switch f := g.Fill; {
	case f.Loading:
		words := "Loading missing messages…"
		if f.Loaded > 0 {
			words = "Loading missing messages… " + strconv.Itoa(f.Loaded) + " so far"
		}
		return row.Body(text.Attr("role", "status").Text(words), button.Aria("disabled", "true").Text("Loading…"))
	case c.Phase != state.Online:
		return row.Body(text.Text("Messages may be missing here. They can be loaded when you are online."))
	case f.Failed != "":
		return row.Class("gap-failed").Body(text.Attr("role", "alert").Text("Missing messages could not be loaded. "+f.Failed), button.Text("Retry"))
	}
	return row.Body(text.Text("Messages may be missing here"), button.Text("Load missing"))
}
