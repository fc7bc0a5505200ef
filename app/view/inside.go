package view

import (
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/legible"
	"natter/app/state"
)

// askInside puts a dialog about a room in front in which the person is.
func (d *desk) askInside(kind Command, room jid.JID, focus string) {
	if !d.s.Room(room).In() {
		return
	}
	d.ask(dialog{kind: string(kind), peer: room})
	d.settling.Focus = focus
}

// inside is a command that puts a dialog about a room in front.
func inside(focus string) func(*desk, Signal) {
	return func(d *desk, sig Signal) { d.askInside(sig.Do, sig.JID, focus) }
}

// want has the room of the dialog do something. The dialog waits for what becomes of it.
func (d *desk) want(wish state.Wish, in state.Intent) {
	d.rev++
	r := d.s.Room(d.dialog.peer)
	if r == nil || d.dialog.wish != "" {
		return
	}
	d.dialog.wish, d.dialog.since, d.dialog.fault = wish, r.Outcome.N, ""
	d.model.Do(in)
}

// heed ends a dialog once the room has done what it is about, or says in it why the room has not.
func (d *desk) heed() {
	r := d.s.Room(d.dialog.peer)
	if d.dialog.wish == state.Destruction && r == nil {
		d.dialog = dialog{}
		d.leave()
		return
	}
	if d.dialog.wish == "" || d.dialog.wish == state.NewGroup || r == nil || r.Outcome.N == d.dialog.since || r.Outcome.To != d.dialog.wish {
		return
	}
	d.rev++
	p := r.Outcome.Problem
	switch {
	case p == nil && d.dialog.kind == string(doPeople):
		d.dialog.wish, d.dialog.done = "", d.dialog.done+1 // there may be more to do
		return
	case p == nil:
		d.dialog = dialog{}
		return
	}
	d.dialog.wish, d.dialog.fault = "", p.Text+" "+p.Advice
	d.heeded(Signal{JID: r.JID})
}

// heeded notes that the person has read what a room has not done.
func (d *desk) heeded(sig Signal) {
	if d.outcomes == nil {
		d.outcomes = map[jid.JID]int{}
	}
	if r := d.s.Room(sig.JID); r != nil {
		d.outcomes[r.JID] = r.Outcome.N
	}
	d.rev++
}

// outcome says above the messages what the open room has not done.
func (d *desk) outcome() app.UI {
	r := d.room()
	if r == nil || r.Outcome.Problem == nil || d.outcomes[r.JID] == r.Outcome.N || d.dialog.wish == r.Outcome.To {
		return app.Div().Attr("hidden", "true")
	}
	return app.Div().Class("status room-status").DataSet("phase", "waiting").Attr("role", "alert").Body(
		icon("alert"), app.Span().Class("status-text").Text(r.Outcome.Problem.Text),
		app.Button().Type("button").Class("status-retry").DataSet("do", string(doHeeded)).DataSet("jid", string(r.JID)).Text("Dismiss"),
		app.Span().Class("status-why").Text(r.Outcome.Problem.Advice))
}

// asks says above the messages what others ask of the open room, one at a time, or that the person can only listen.
func (d *desk) asks() app.UI {
	r := d.room()
	all, me := r.OpenAppeals(), r.Myself()
	line := app.Div().Class("status room-status").DataSet("phase", "waiting").Attr("role", "status")
	button := func(do Command, word, text string) app.UI {
		return app.Button().Type("button").Class("status-retry").DataSet("do", string(do)).DataSet("jid", string(r.JID)).DataSet("text", text).Text(word)
	}
	switch {
	case len(all) > 0:
		ask := all[0]
		what := " asks to speak here."
		if ask.Type == state.MemberAppeal {
			what = " asks to become a member."
		}
		body := []app.UI{icon("person"), app.Span().Class("status-text").Body(app.Elem("bdi").Text(memberName(ask.Nick)), app.Text(what)),
			button(doApprove, "Approve", ask.Type+" "+ask.Nick), button(doDeny, "Deny", ask.Type+" "+ask.Nick)}
		if ask.JID != "" {
			body = append(body, app.Span().Class("status-why").Body(app.Elem("bdi").Text(ask.JID.Shown())))
		}
		if n := len(all) - 1; n > 0 {
			body = append(body, app.Span().Class("status-why").Text(strconv.Itoa(n)+" more after this."))
		}
		return line.Body(body...)
	case me != nil && me.Role == state.Visitor && r.VoiceAsked:
		return line.Body(icon("person"), app.Span().Class("status-text").Text("You have asked to speak here."))
	case me != nil && me.Role == state.Visitor:
		return line.Body(icon("person"), app.Span().Class("status-text").Text("You can only listen in this room."), button(doAskVoice, "Ask to speak", ""))
	}
	return app.Div().Attr("hidden", "true")
}

// answerAppeal decides about what somebody asks of a room.
func answerAppeal(allow bool) func(*desk, Signal) {
	return func(d *desk, sig Signal) {
		typ, nick, _ := strings.Cut(sig.Text, " ")
		d.model.Do(state.AnswerAppeal{Room: sig.JID, Type: typ, Nick: nick, Allow: allow})
		d.rev++
	}
}

// answerable is the form of a dialog that waits for the answer of a room.
func (m *modal) answerable(do Command, action, class string, body ...app.UI) app.UI {
	d := m.Desk
	alert := app.P().ID("inside-fault").Class("field-fault").Attr("role", "alert").Text(d.dialog.fault)
	doing := app.P().Class("dialog-doing").Attr("role", "status")
	if d.dialog.wish != "" {
		doing = doing.Text("Waiting for the room…")
	}
	return app.Form().DataSet("form", string(do)).DataSet("jid", string(d.dialog.peer)).Attr("novalidate", "true").Body(
		append(body, alert, doing, app.Div().Class("dialog-actions").Body(
			app.Button().Type("button").Class("button-quiet").DataSet("do", string(doClose)).Text("Cancel"),
			app.Button().Type("submit").Class(class).Disabled(d.dialog.wish != "").Text(action)))...)
}

// whyField is where a reason is typed that others read.
func whyField() app.UI {
	return app.Div().Body(app.Label().Class("field-label field-next").For("why").Text("Reason (optional)"),
		app.Input().Type("text").ID("why").Class("field-input").Name("text").AutoComplete(false).MaxLength(300).Dir("auto"))
}

// subject is the dialog that changes what a room is about.
func (m *modal) subject() app.UI {
	r := m.Desk.s.Room(m.Desk.dialog.peer)
	if r == nil {
		return app.Div()
	}
	return m.answerable(doSetSubject, "Change", "button-primary",
		app.Label().Class("field-label").For("subject").Text("Subject"),
		app.Textarea().ID("subject").Class("field-input field-long").Name("text").Rows(4).MaxLength(mostSubject).Dir("auto").Text(legible.Body(r.Subject)))
}

// mostSubject is how many characters of a subject can be typed.
const mostSubject = 1000

// setSubject changes the subject of a room.
func (d *desk) setSubject(sig Signal) {
	if r := d.s.Room(sig.JID); r == nil || r.Subject == strings.TrimSpace(sig.Text) {
		d.dialog = dialog{}
		d.rev++
		return
	}
	d.want(state.NewSubject, state.ChangeSubject{Room: sig.JID, Subject: strings.TrimSpace(sig.Text)})
}

// nick is the dialog that changes what the person is called in a room.
func (m *modal) nick() app.UI {
	r := m.Desk.s.Room(m.Desk.dialog.peer)
	if r == nil {
		return app.Div()
	}
	return m.answerable(doSetNick, "Change", "button-primary",
		app.Label().Class("field-label").For("nick").Text("Nickname"),
		app.Input().Type("text").ID("nick").Class("field-input").Name("text").AutoComplete(false).MaxLength(100).Attr("value", r.Nick).Dir("auto"),
		app.P().Class("details-hint").Text("Everybody in the room hears of the change."))
}

// setNick changes what the person is called in a room.
func (d *desk) setNick(sig Signal) {
	nick := strings.TrimSpace(sig.Text)
	switch r := d.s.Room(sig.JID); {
	case nick == "":
		d.dialog.fault = "Enter a nickname."
		d.settling.Focus = "nick"
		d.rev++
	case r == nil || r.Nick == nick:
		d.dialog = dialog{}
		d.rev++
	default:
		d.want(state.NewNick, state.ChangeNick{Room: sig.JID, Nick: nick})
	}
}

// askRegister puts the dialog in front that has a room keep a nick.
func (d *desk) askRegister(sig Signal) {
	d.askInside(doRegister, sig.JID, "nick")
	if d.dialog.kind == string(doRegister) {
		d.model.Do(state.ReadNick{Room: sig.JID})
	}
}

// register is the dialog that has a room keep a nick.
func (m *modal) register() app.UI {
	r := m.Desk.s.Room(m.Desk.dialog.peer)
	if r == nil {
		return app.Div()
	}
	body := []app.UI{
		app.P().Class("dialog-lead").Text("The room keeps it for you, so that nobody else here has it, also while you are away. In some rooms you become a member by that."),
		app.Label().Class("field-label").For("nick").Text("Nickname"),
		app.Input().Type("text").ID("nick").Class("field-input").Name("text").AutoComplete(false).MaxLength(100).Attr("value", r.Nick).Dir("auto"),
	}
	if kept := plain(r.Reserved); kept != "" {
		body = append(body, app.P().Class("details-hint").Body(app.Text("Kept for you now: "), app.Elem("bdi").Text(kept), app.Text(". ")),
			app.Button().Type("button").Class("button-quiet button-small").DataSet("do", string(doUnregister)).DataSet("jid", string(r.JID)).
				Disabled(m.Desk.dialog.wish != "").Text("Give it up"))
	}
	return m.answerable(doSetRegister, "Register", "button-primary", body...)
}

// setRegister has a room keep a nick.
func (d *desk) setRegister(sig Signal) {
	nick := strings.TrimSpace(sig.Text)
	if nick == "" {
		d.dialog.fault = "Enter a nickname."
		d.settling.Focus = "nick"
		d.rev++
		return
	}
	d.want(state.Registration, state.RegisterNick{Room: sig.JID, Nick: nick})
}
