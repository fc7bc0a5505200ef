package view

import (
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/state"
)

// slashes are the commands of the composer, by name: what stands behind a slash at the beginning.
var slashes = map[string]func(d *desk, conv state.ConvID, text string){
	"me":     func(d *desk, conv state.ConvID, text string) { d.sendText(conv, text) }, // it is text (XEP-0245)
	"topic":  inRoom((*desk).topic),
	"nick":   inRoom((*desk).rename),
	"invite": inRoom((*desk).inviteBy),
	"kick":   inRoom(doTo("kick")),
	"ban":    inRoom(doTo("ban")),
}

// inRoom is a command that rooms have; elsewhere there is none of that name. It says in a sentence why
// it was not carried out, "" if it was.
func inRoom(does func(d *desk, r *state.Room, words string) string) func(*desk, state.ConvID, string) {
	return func(d *desk, conv state.ConvID, text string) {
		if conv.Kind() != state.Groupchat {
			d.refuse(conv, text, "")
			return
		}
		d.post(func() {
			r, why := d.s.Room(conv.JID()), "You are not in this room now."
			if r.In() {
				_, words, _ := strings.Cut(strings.ReplaceAll(text, "\n", " "), " ")
				why = does(d, r, strings.TrimSpace(words))
			}
			if why != "" {
				d.refuse(conv, text, why)
				return
			}
			d.stopTyping()
			d.note(conv, "")
			d.refusing = ""
			d.rev++
		})
	}
}

func (d *desk) topic(r *state.Room, subject string) string {
	switch {
	case !r.MayChangeSubject():
		return "Only moderators may change the subject of this room."
	case subject == "":
		d.askInside(doSubject, r.JID, "subject")
	default:
		d.model.Do(state.ChangeSubject{Room: r.JID, Subject: subject})
	}
	return ""
}

func (d *desk) rename(r *state.Room, nick string) string {
	if nick == "" {
		d.askInside(doNick, r.JID, "nick")
	} else {
		d.model.Do(state.ChangeNick{Room: r.JID, Nick: nick})
	}
	return ""
}

// slash returns the name of the command that a text begins with, "" if it begins with none: a slash
// and letters alone. A path is none.
func slash(text string) string {
	name, ok := strings.CutPrefix(text, "/")
	if end := strings.IndexAny(name, " \n"); end >= 0 {
		name = name[:end]
	}
	if !ok || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return ""
	}
	return name
}

// refuse gives a command back to the person and says why, or that there is none of that name: what was
// meant for Natter is not told to others.
func (d *desk) refuse(conv state.ConvID, text, why string) {
	if !d.elsewhere(conv) {
		d.post(func() { d.refusing, d.refusal = text, why })
	}
	d.giveBack(conv, text) // which draws
}

// giveBack puts a text that is not sent into the composer once more.
func (d *desk) giveBack(conv state.ConvID, text string) {
	if d.note(conv, text); d.elsewhere(conv) {
		return
	}
	d.post(func() {
		d.settling.Focus, d.settling.Fill, d.settling.Words = "message", true, text
		d.rev++
	})
}

// commandFault says why a command was not carried out. It stands above the composer until what is in it changes.
func (d *desk) commandFault() app.UI {
	if d.refusing == "" {
		return app.Div().Attr("hidden", "true")
	}
	if d.refusal != "" {
		return app.Div().Class("composer-fault").Attr("role", "alert").Body(app.Span().Text(d.refusal))
	}
	return app.Div().Class("composer-fault").Attr("role", "alert").Body(
		app.Span().Body(app.Text("There is no command "), app.Elem("bdi").Text("/"+slash(d.refusing)), app.Text(".")),
		app.Button().Type("button").Class("button-quiet button-small").DataSet("do", string(doSendText)).Text("Send as text"))
}
