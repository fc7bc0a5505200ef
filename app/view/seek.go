package view

import (
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/state"
)

// quest is a place that the person goes to: it may be on the disk only, or in the archive.
type quest struct {
	on    bool
	to    state.Seek
	stale *state.Sought // of an earlier one: what is Sought then says nothing of this
	fault string        // one sentence once it could not be found
	back  place         // where they came from
}

// place is where the person was before they went to another message.
type place struct {
	on, end bool
	key     state.Key
}

// toQuoted shows the message that one replies to.
func (d *desk) toQuoted(m *state.Message) {
	c := d.s.Chat(d.open)
	to, ok := c.Reply(m)
	if !ok {
		return
	}
	d.from(m.Key)
	if of := d.s.About(to); of != nil {
		d.seekTo(c, of.Key)
		return
	}
	d.pursue(state.Seek{Conv: d.open, Of: to})
	d.model.Do(state.Look{Conv: d.open, Of: to}) // on the disk; who does not find it there asks the archive
}

// askDate asks for a day to go to.
func (d *desk) askDate(Signal) {
	if c := d.s.Chat(d.open); c != nil && c.Timeline.Len() > 0 {
		d.ask(dialog{kind: "date"})
		d.settling.Focus = "date"
	}
}

// toDate shows what was said first on a day, or after it.
func (d *desk) toDate(sig Signal) {
	c := d.s.Chat(d.open)
	day, err := time.Parse(time.DateOnly, sig.Text)
	d.rev++
	if err != nil || c == nil {
		d.dialog.fault, d.settling.Focus = "Choose a day.", "date"
		return
	}
	d.dialog, d.settling.Focus = dialog{}, "log"
	at := d.zone.instant(day).UnixMicro()
	d.from(d.window.from)
	if d.s.Holds(d.open, at) == nil {
		d.quest = quest{back: d.quest.back}
		d.seekDay(c, at)
		return
	}
	d.pursue(state.Seek{Conv: d.open, At: at})
	d.model.Do(d.quest.to)
}

// from notes where the person is, unless they are on their way already.
func (d *desk) from(key state.Key) {
	if k, ok := parseKey(d.sight); ok && d.window.from == key {
		key = k
	}
	if d.quest.back == (place{}) {
		d.quest.back = place{on: true, key: key, end: d.window.atEnd}
	}
}

func (d *desk) pursue(to state.Seek) {
	d.quest = quest{on: true, to: to, stale: d.s.Sought, back: d.quest.back}
}

// hunt goes on to the place that was looked for once it is known.
func (d *desk) hunt() {
	c, q, sought := d.s.Chat(d.open), &d.quest, d.s.Sought
	if !q.on || c == nil {
		return
	}
	if of := d.s.About(q.to.Of); q.to.Of.ID != "" && of != nil {
		q.on = false
		d.seekTo(c, of.Key)
		return
	}
	switch {
	case sought == nil || sought == q.stale || sought.Seek != q.to:
	case sought.Problem != "":
		d.quest = quest{fault: sought.Problem}
		d.news = sought.Problem
		d.rev++
	case !sought.Loading:
		q.on = false
		if q.to.At != 0 {
			d.seekDay(c, q.to.At)
		} else {
			d.seekTo(c, sought.Key)
		}
	default:
		d.news = "Looking in the archive"
		d.rev++
	}
}

// endQuest has the place no longer looked for.
func (d *desk) endQuest() {
	if d.quest.on {
		d.model.Do(state.Seek{})
	}
	d.quest = quest{}
	d.rev++
}

// goBack leads back to where the person was.
func (d *desk) goBack(Signal) {
	c, to := d.s.Chat(d.open), d.quest.back
	d.endQuest()
	switch {
	case c == nil || !to.on:
	case to.end:
		d.showNewest(Signal{})
	default:
		d.seekTo(c, to.key)
	}
}

// drawBack says how going to a place goes, and is the way back.
func (d *desk) drawBack() app.UI {
	q, sought := d.quest, d.s.Sought
	row := app.Div().Class("back-row")
	note := func(text string, button string) app.UI {
		return row.Body(app.Div().Class("pill pill-back").Body(app.Span().Text(text),
			app.Button().Type("button").Class("msg-retry").DataSet("do", string(doGiveUp)).Text(button)))
	}
	switch {
	case q.on && sought != nil && sought.Seek == q.to && sought.Loading:
		return note("Looking in the archive…", "Stop")
	case q.fault != "":
		return note(q.fault, "Close")
	case q.back.on && !q.on:
		return row.Body(app.Button().Type("button").Class("pill pill-back").DataSet("do", string(doReturn)).
			Body(icon("back"), app.Span().Text("Back to where you were")))
	}
	return row
}

// date asks for a day.
func (m *modal) date() app.UI {
	d := m.Desk
	input := app.Input().Type("date").ID("date").Class("field-input").Name("text").Max(d.zone.local(d.now()).Format(time.DateOnly))
	alert := app.P().ID("date-fault").Class("field-fault").Attr("role", "alert")
	if fault := d.dialog.fault; fault != "" {
		input = input.Aria("invalid", "true").Aria("describedby", "date-fault")
		alert = alert.Text(fault)
	}
	return app.Form().DataSet("form", string(doToDate)).Attr("novalidate", "true").Body(
		app.Label().Class("field-label").For("date").Text("Day"), input, alert,
		app.Div().Class("dialog-actions").Body(
			app.Button().Type("button").Class("button-quiet").DataSet("do", string(doClose)).Text("Cancel"),
			app.Button().Type("submit").Class("button-primary").Text("Go")))
}
