package view

import (
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/state"
)

// slashes are the commands of the composer, by name: what stands behind a slash at the beginning.
var slashes = map[string]func(d *desk, conv state.ConvID, text string){
	"me": func(d *desk, conv state.ConvID, text string) { d.sendText(conv, text) }, // it is text (XEP-0245)
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

// refuse gives an unknown command back to the person and says that there is none of that name: what
// was meant for Natter is not told to others.
func (d *desk) refuse(conv state.ConvID, text string) {
	if d.giveBack(conv, text); d.elsewhere(conv) {
		return
	}
	d.post(func() { d.refusing = text })
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

// commandFault says that a command is unknown. It stands above the composer until what is in it changes.
func (d *desk) commandFault() app.UI {
	if d.refusing == "" {
		return app.Div().Attr("hidden", "true")
	}
	return app.Div().Class("composer-fault").Attr("role", "alert").Body(
		app.Span().Body(app.Text("There is no command "), app.Elem("bdi").Text("/"+slash(d.refusing)), app.Text(".")),
		app.Button().Type("button").Class("button-quiet button-small").DataSet("do", string(doSendText)).Text("Send as text"))
}
