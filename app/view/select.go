package view

import (
	"slices"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/legible"
	"natter/app/state"
)

// selection is which messages of the open conversation the person has selected; nil while they do not
// select.
type selection map[state.Key]bool

// mostSelected is how many messages are selected at most.
const mostSelected = 200

// selected are those messages, in their order. What has left memory or is gone is not among them.
func (d *desk) selected() (all []*state.Message) {
	c := d.s.Chat(d.open)
	if c == nil {
		return nil
	}
	for k := range d.selection {
		if m := c.Timeline.Get(k); m != nil {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *state.Message) int {
		if a.Key.Before(b.Key) {
			return -1
		}
		return 1
	})
	return all
}

// selectMessage begins a selection with a message, or adds it to one, or takes it out.
func (d *desk) selectMessage(m *state.Message) {
	if d.selection == nil {
		d.selection = selection{}
	}
	switch {
	case d.selection[m.Key]:
		delete(d.selection, m.Key)
	case len(d.selection) == mostSelected:
		d.news = "No more than " + strconv.Itoa(mostSelected) + " messages can be selected"
		return
	default:
		d.selection[m.Key] = true
	}
	d.news = countSelected(len(d.selected()))
}

func countSelected(n int) string {
	if n == 1 {
		return "1 message selected"
	}
	return strconv.Itoa(n) + " messages selected"
}

// endSelection goes back to reading and writing.
func (d *desk) endSelection() {
	d.selection, d.settling.Focus = nil, "log"
	d.rev++
}

// copySelected copies what the selected messages say, each with who said it and when.
func (d *desk) copySelected(Signal) {
	var out strings.Builder
	for _, m := range d.selected() {
		by, w := authorName(d.s, m), reading(d.s, m)
		out.WriteString("[" + d.zone.local(m.At).Format("2006-01-02 15:04") + "] " + by + ": ")
		if w.By.Action {
			out.WriteString("* " + w.Actor + " ")
		}
		out.WriteString(legible.Body(state.Both(w.Subject, w.Body)) + "\n")
	}
	if out.Len() > 0 {
		d.platform.Copy(out.String())
		d.endSelection()
		d.news = "Copied"
	}
}

// retractable reports whether all of some messages can be taken back.
func (d *desk) retractable(all []*state.Message) bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(m *state.Message) bool { return !d.can(m).retract })
}

// retractSelected takes the selected messages back, which are all the person's own.
func (d *desk) retractSelected(Signal) {
	d.dialog = dialog{}
	all := d.selected()
	if d.retractable(all) {
		for _, m := range all {
			d.model.Do(state.Retract{Of: d.s.Chat(d.open).Of(m)})
		}
	}
	d.endSelection()
}

func (m *modal) retractingSelected() app.UI {
	return app.Div().Body(
		app.P().Text("They are taken off this conversation. Others may have read them already, and some apps go on showing them."),
		actions(doRetractAll, "Retract "+strconv.Itoa(len(m.Desk.selected())), "", "button-danger-solid"))
}

// drawSelection is what can be done with the selected messages. It stands where the composer is
// otherwise.
func (d *desk) drawSelection() app.UI {
	if d.selection == nil {
		return app.Div().Class("selection").Attr("hidden", "true")
	}
	all := d.selected()
	button := func(do Command, sign, label string, off bool) app.UI {
		return app.Button().Type("button").Class("button-quiet button-small").DataSet("do", string(do)).Disabled(off).Body(icon(sign), app.Text(label))
	}
	return app.Div().Class("selection").Attr("role", "toolbar").Aria("label", "Selected messages").Body(
		app.Span().Class("selection-count").Text(countSelected(len(all))),
		button(doCopySelected, "copy", "Copy", len(all) == 0),
		button(doRetractingSelected, "remove", "Retract", !d.retractable(all)),
		iconButton("close", "End selection", doEndSelection))
}

// drawSelected says of a message whether it is selected; nil while nothing is.
func (d *desk) drawSelected(key state.Key, mark selectedMark) app.UI {
	if mark == notSelecting {
		return nil
	}
	return app.Button().Type("button").Class("msg-select").Attr("role", "checkbox").Aria("checked", strconv.FormatBool(mark == isSelected)).
		Aria("label", "Select").TabIndex(-1).DataSet("do", string(doSelect)).DataSet("text", keyText(key)).Body(icon("check"))
}

// selectedMark is how the row of a message stands to the selection.
type selectedMark int

const (
	notSelecting selectedMark = iota
	notSelected
	isSelected
)

func (d *desk) mark(k state.Key) selectedMark {
	switch {
	case d.selection == nil:
		return notSelecting
	case d.selection[k]:
		return isSelected
	}
	return notSelected
}
