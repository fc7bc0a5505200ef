package view

import (
	"slices"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/legible"
	"natter/app/state"
	"natter/app/text"
)

// aim is what is being written to a conversation, if it is no message of its own.
func (d *desk) aim(conv state.ConvID) state.Aim {
	if aim, ok := d.aims[conv]; ok {
		return aim
	}
	if c := d.s.Chat(conv); c != nil {
		return c.Aim
	}
	return state.Aim{}
}

func (d *desk) setAim(conv state.ConvID, aim state.Aim) {
	d.aims[conv] = aim
	d.model.Do(state.KeepAim{Conv: conv, Aim: aim})
	d.rev++
	d.settling.Focus = "message"
}

// put has the composer hold a text.
func (d *desk) put(words string) {
	d.note(d.open, words)
	d.settling.Fill, d.settling.Words = true, words
}

// reply writes an answer to a message.
func (d *desk) reply(m *state.Message) {
	if !d.can(m).reply {
		return
	}
	d.unaim(Signal{})
	d.setAim(d.open, state.Aim{Of: d.s.Chat(d.open).Of(m)})
}

// mostQuoted is how much of what was selected is quoted, in bytes.
const mostQuoted = 2000

// replySignal writes an answer to a message: to the part of it that was selected, which then is quoted
// before the draft.
func (d *desk) replySignal(sig Signal) {
	on((*desk).reply)(d, sig)
	part := strings.TrimSpace(sig.Also[:min(len(sig.Also), mostQuoted)])
	m := d.at(sig.Text)
	if part == "" || m == nil || d.aim(d.open).Of != d.s.Chat(d.open).Of(m) {
		return
	}
	part = legible.Body(strings.ToValidUTF8(part, ""))
	d.put("> " + strings.ReplaceAll(part, "\n", "\n> ") + "\n" + d.draft(d.open))
}

// edit has the composer hold what a message says, to be corrected. The draft is put aside until then.
func (d *desk) edit(m *state.Message) {
	if !d.can(m).edit {
		return
	}
	if d.aim(d.open).Edit {
		d.unaim(Signal{})
	}
	d.setAim(d.open, state.Aim{Of: state.Target{Conv: d.open, Author: m.Author, ID: m.ID}, Edit: true,
		Before: d.draft(d.open), BeforeOf: d.aim(d.open).Of})
	d.put(m.Words())
	d.keep() // with the aim: neither is right without the other
}

// editLast edits the last message of the person's own. If the room has not sent that one back yet, it
// edits none: no older one is meant.
func (d *desk) editLast(Signal) {
	c := d.s.Chat(d.open)
	if c == nil {
		return
	}
	for _, m := range slices.Backward(c.Timeline.Newest(fresh)) {
		if d.can(m).edit {
			d.edit(m)
			return
		}
		if m.Mine && m.Delivery == state.Queued {
			return
		}
	}
}

// unaim goes back to writing a message of its own, or to the draft of before an edit.
func (d *desk) unaim(Signal) {
	switch aim := d.aim(d.open); {
	case aim == (state.Aim{}):
	case aim.Edit:
		d.setAim(d.open, state.Aim{Of: aim.BeforeOf})
		d.put(aim.Before)
		d.keep()
	default:
		d.setAim(d.open, state.Aim{})
	}
}

// sent carries out what was written to a conversation.
func (d *desk) sent(conv state.ConvID, words string) {
	aim := d.aim(conv)
	d.drafts[conv] = ""
	if aim != (state.Aim{}) {
		d.aims[conv] = state.Aim{}
	}
	of := d.s.About(aim.Of)
	switch same := of != nil && of.Words() == words; {
	case !aim.Edit:
		d.model.Do(state.SendMessage{Conv: conv, Body: words, To: aim.Of})
	case same: // nothing to correct
		d.setAim(conv, state.Aim{})
		d.model.Do(state.KeepDraft{Conv: conv})
	default:
		d.model.Do(state.Correct{Of: aim.Of, Body: words})
	}
	if aim.BeforeOf != (state.Target{}) {
		d.setAim(conv, state.Aim{Of: aim.BeforeOf})
	}
	if aim.Before != "" {
		d.model.Do(state.KeepDraft{Conv: conv, Text: aim.Before})
		d.giveBack(conv, aim.Before)
	}
}

// drawAim says above the composer what is being written.
func (d *desk) drawAim() app.UI {
	aim := d.aim(d.open)
	if aim == (state.Aim{}) {
		return app.Div().Class("aim").Attr("hidden", "true")
	}
	q := d.quote(aim.Of)
	label, sign := "Reply to "+q.Name, "reply"
	if aim.Edit {
		label, sign = "Edit message", "new"
	}
	return app.Div().Class("aim").Body(
		icon(sign),
		app.Span().Class("aim-text").Body(
			app.Strong().Body(app.Elem("bdi").Text(label)), app.Span().Class("aim-line").Body(app.Elem("bdi").Text(q.Line))),
		iconButton("close", "Cancel "+map[bool]string{true: "edit", false: "reply"}[aim.Edit], doUnaim))
}

// quote is a message that another one replies to, as it is shown with that.
type quote struct {
	Name, Line string
	Hue        string
}

// quoteShown is how much of a message is shown with one that replies to it, in characters.
const quoteShown = 120

func (d *desk) quote(to state.Target) quote {
	m := d.s.About(to)
	if m == nil {
		return quote{Name: "an earlier message", Line: "It is not on this page."}
	}
	q := quote{Name: authorName(d.s, m), Line: text.String(reading(d.s, m).line(quoteShown)), Hue: hueClass(identity(m))}
	if m.Mine {
		q.Name = "You"
	}
	return q
}

// drawQuote leads from a reply to its message.
func (d *desk) drawQuote(q quote, key string) app.UI {
	return app.Button().Type("button").Class("quoted").DataSet("do", string(doQuote)).DataSet("text", key).Body(
		app.Span().Class("sr").Text("In reply to "), app.Strong().Class(q.Hue).Body(app.Elem("bdi").Text(q.Name)), app.Text(" "),
		app.Span().Class("quoted-line").Body(app.Elem("bdi").Text(q.Line)))
}
