package view

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/legible"
	"natter/app/state"
)

// can is what the person may do with a message.
type can struct{ reply, react, edit, retract, remove, copy bool }

func (d *desk) can(m *state.Message) (c can) {
	chat := d.s.Chat(d.open)
	if chat == nil {
		return c
	}
	_, gone := m.Gone()
	known := !gone && m.Delivery != state.Failed && chat.Of(m).ID != "" && !d.s.Connection.Elsewhere()
	c.reply, c.react = known, known
	c.retract = known && m.Mine
	c.remove = known && !m.Mine && d.room() != nil && d.room().MayRemove()
	c.edit = known && m.Mine && m.ID != "" && !m.Notice
	c.copy = m.Words() != ""
	return c
}

// at returns the message of the open conversation in a place, as the page names it.
func (d *desk) at(key string) *state.Message {
	k, ok := parseKey(key)
	if c := d.s.Chat(d.open); c != nil && ok {
		return c.Timeline.Get(k)
	}
	return nil
}

// on is a command that is about a message: it does nothing if that is no longer there.
func on(f func(*desk, *state.Message)) func(*desk, Signal) {
	return func(d *desk, sig Signal) {
		d.menu = ""
		d.rev++
		if m := d.at(sig.Text); m != nil {
			f(d, m)
		}
	}
}

// openMenu shows the menu of a message.
func (d *desk) openMenu(sig Signal) {
	if d.at(sig.Text) != nil {
		d.menu = sig.Text
		d.rev++
	}
}

// closeMenu is told when it has been closed without a choice.
func (d *desk) closeMenu(sig Signal) {
	if d.menu == sig.Text {
		d.menu = ""
		d.rev++
	}
	if d.members.menu == sig.Text {
		d.members.menu = ""
		d.rev++
	}
}

func (d *desk) drawMenu(rev uint64) app.UI {
	if d.menu == "" {
		return app.Div().Class("no-menu").Attr("hidden", "true")
	}
	return &actionMenu{Rev: rev, Desk: d, Key: d.menu}
}

// actionMenu is the menu of a message. There is one at a time: the rows have nothing of it but the
// button that opens it.
type actionMenu struct {
	app.Compo

	Rev  uint64
	Desk *desk
	Key  string
}

// CompoID implements app.DismountEnforcer: the page opens each menu once.
func (a *actionMenu) CompoID() string { return a.Key }

// Render implements app.Composer.
func (a *actionMenu) Render() app.UI {
	d := a.Desk
	menu := app.Div().Class("menu actions").Attr("role", "menu").Attr("popover", "manual").Aria("label", "Message").DataSet("at", a.Key)
	m := d.at(a.Key)
	if m == nil {
		return menu
	}
	var items []app.UI
	can := d.can(m)
	for _, it := range []struct {
		may        bool
		do         Command
		icon, text string
	}{
		{can.reply, doReply, "reply", "Reply"},
		{can.react, doReact, "smile", "React"},
		{can.edit, doEdit, "new", "Edit"},
		{can.copy, doCopyMessage, "copy", "Copy"},
		{can.retract, doRetracting, "remove", "Retract"},
		{can.remove, doModerating, "remove", "Remove"},
		{can.copy, doSelect, "check", "Select"},
		{true, doAbout, "panel", "Details"},
	} {
		if it.may {
			items = append(items, app.Button().Type("button").Class("menu-item").Attr("role", "menuitem").TabIndex(-1).
				DataSet("do", string(it.do)).DataSet("text", a.Key).Body(icon(it.icon), app.Text(it.text)))
		}
	}
	return menu.Body(items...)
}

// copyMessage copies what a message says.
func (d *desk) copyMessage(m *state.Message) { d.platform.Copy(m.Words()) }

// firstEmoji are those that are offered to react with.
var firstEmoji = []string{"👍", "❤️", "😂", "😮", "😢", "🎉"}

// askEmoji asks with what the person reacts to a message.
func (d *desk) askEmoji(m *state.Message) {
	if d.can(m).react {
		d.openEmoji(keyText(m.Key))
	}
}

// toggle reacts to a message with an emoji, or no longer.
func (d *desk) toggle(sig Signal) {
	key, emoji, _ := strings.Cut(sig.Text, " ")
	m, c := d.at(key), d.s.Chat(d.open)
	d.dialog = dialog{}
	d.rev++
	if m == nil || !d.can(m).react {
		return
	}
	own := strings.Fields(m.Reaction(d.s.Account()))
	if at := slices.Index(own, emoji); at >= 0 {
		own = slices.Delete(own, at, at+1)
	} else {
		own = append(own, emoji)
	}
	if r := d.s.Room(d.open.JID()); r != nil && r.MostReactions > 0 {
		own = own[max(0, len(own)-r.MostReactions):] // the one that was chosen now takes the place of the first
	}
	d.model.Do(state.React{Of: c.Of(m), Emoji: strings.Join(own, " ")})
}

// mostChips is how many different reactions are shown with a message.
const mostChips = 12

// chips are the reactions to a message.
func (d *desk) chips(m *state.Message) app.UI {
	var chips []app.UI
	us, all := d.s.Account(), m.Reactions()
	for i, r := range all {
		if i == mostChips {
			chips = append(chips, app.Button().Type("button").Class("chip").DataSet("do", string(doAbout)).DataSet("text", keyText(m.Key)).
				Text("+"+strconv.Itoa(len(all)-i)))
			break
		}
		chips = append(chips, app.Button().Type("button").Class("chip").DataSet("do", string(doToggle)).DataSet("text", keyText(m.Key)+" "+r.Emoji).
			Aria("pressed", strconv.FormatBool(slices.ContainsFunc(r.By, func(f state.Fact) bool { return f.By == us }))).Title(d.names(r)).Text(r.Emoji+" "+strconv.Itoa(len(r.By))))
	}
	return app.Div().Class("chips").Body(chips...)
}

// mostNames is how many names of those who react are said.
const mostNames = 20

// names are those who have reacted.
func (d *desk) names(r state.Reaction) string {
	var names []string
	for i, by := range r.By {
		switch {
		case i == mostNames:
			return strings.Join(names, ", ") + " and " + strconv.Itoa(len(r.By)-i) + " others"
		case by.By == d.s.Account():
			names = append(names, "You")
		default:
			names = append(names, authorName(d.s, &state.Message{Author: by.By, Nick: by.Nick}))
		}
	}
	return strings.Join(names, ", ")
}

// aboutMessage shows what is known of a message.
func (d *desk) aboutMessage(m *state.Message) {
	d.ask(dialog{kind: "about", message: keyText(m.Key)})
}

// about is what is known of a message.
func (m *modal) about() app.UI {
	d := m.Desk
	of, c := d.at(d.dialog.message), d.s.Chat(d.open)
	if of == nil {
		return app.Div()
	}
	var rows []app.UI
	row := func(label string, body ...app.UI) {
		rows = append(rows, app.Dt().Class("details-label").Text(label), app.Dd().Class("about-value").Body(body...))
	}
	from := authorName(d.s, of)
	if of.Nick == "" {
		from += " (" + of.Author.Shown() + ")"
	}
	row("From", app.Elem("bdi").Text(from))
	row("Sent", app.Text(d.moment(of.At)))
	if words, ok := marks[progress(c, of, d.s.Connection.Phase == state.Online)]; ok {
		row("State", app.Text(words[1]))
	}
	f, gone := of.Gone()
	if gone {
		row(retracted(f), app.Text(d.moment(time.UnixMicro(f.At))))
	}
	if versions := of.Versions(); len(versions) > 0 {
		row("At first", app.Div().Class("version").Dir("auto").Text(legible.Body(state.Both(of.Subject, of.Body))))
		for _, v := range versions {
			row("Edited "+d.moment(time.UnixMicro(v.At)), app.Div().Class("version").Dir("auto").Text(legible.Body(v.Text)))
		}
	}
	for _, r := range of.Reactions() {
		row(r.Emoji, app.Elem("bdi").Text(d.names(r)))
	}
	list := app.Dl().Class("about").Body(rows...)
	if gone {
		return list // some archives have it still
	}
	return app.Div().Body(list, d.drawOriginal(of))
}

// retracted says that nothing is left of a message, and on whose word.
func retracted(f state.Fact) string {
	switch why := legible.Short(f.Text, lineShown); {
	case f.Kind == state.Moderated && why != "":
		return "Message removed by a moderator: " + why
	case f.Kind == state.Moderated:
		return "Message removed by a moderator"
	}
	return "Message retracted"
}

// askRetract asks whether a message is to be taken back.
func (d *desk) askRetract(m *state.Message) {
	if d.can(m).retract {
		d.ask(dialog{kind: "retracting", message: keyText(m.Key)})
	}
}

func (m *modal) retracting() app.UI {
	return app.Div().Body(
		app.P().Text("It is taken off this conversation. Others may have read it already, and some apps go on showing it."),
		app.Div().Class("dialog-actions").Body(
			app.Button().Type("button").Class("button-quiet").DataSet("do", string(doClose)).Text("Cancel"),
			app.Button().Type("button").Class("button-danger-solid").DataSet("do", string(doRetract)).DataSet("text", m.Desk.dialog.message).Text("Retract")))
}

// retract takes a message of the person's back.
func (d *desk) retract(m *state.Message) {
	d.dialog = dialog{}
	if d.can(m).retract {
		d.model.Do(state.Retract{Of: d.s.Chat(d.open).Of(m)})
		d.answered()
	}
}

// askModerate asks whether the room is to remove a message of somebody else, and why.
func (d *desk) askModerate(m *state.Message) {
	if d.can(m).remove {
		d.ask(dialog{kind: string(doModerating), peer: d.open.JID(), message: keyText(m.Key)})
		d.settling.Focus = "why"
	}
}

// moderating is the dialog that has the room remove a message.
func (m *modal) moderating() app.UI {
	return m.answerable(doModerate, "Remove", "button-danger-solid",
		app.P().Class("dialog-lead").Text("It is taken off this room for all. Some may have read it already, and some apps go on showing it."), whyField())
}

// moderate has the room remove the message of the dialog.
func (d *desk) moderate(sig Signal) {
	m := d.at(d.dialog.message)
	if m == nil || d.open.JID() != d.dialog.peer || !d.can(m).remove {
		d.dialog.fault = "This is no longer possible."
		d.rev++
		return
	}
	d.want(state.Removal, state.Moderate{Of: d.s.Chat(d.open).Of(m), Reason: strings.TrimSpace(sig.Text)})
}

// refused says of each kind of what is said about a message that it has not got through.
var refused = map[state.FactKind]string{
	state.Reacted:   "Your reaction did not get through. ",
	state.Corrected: "Your edit did not get through. ",
	state.Retracted: "Others can still see this message. ",
}

func drawRefusal(f state.Refusal, key string) app.UI {
	button := func(do Command, label string) app.UI {
		return app.Button().Type("button").Class("msg-retry").DataSet("do", string(do)).DataSet("text", key).Text(label)
	}
	return app.Div().Class("msg-fault").Attr("role", "alert").Body(
		icon("alert"), app.Span().Text(refused[f.Kind]+f.Why), button(doSayAgain, "Try again"), button(doLetBe, "Dismiss"))
}

// sayAgain says once more about a message what has not got through.
func (d *desk) sayAgain(m *state.Message) {
	f, ok := m.Refusal()
	of := d.s.Chat(d.open).Of(m)
	switch {
	case !ok || of.ID == "":
		return
	case f.Kind == state.Reacted:
		d.model.Do(state.React{Of: of, Emoji: f.Text})
	case f.Kind == state.Corrected:
		d.model.Do(state.Correct{Of: state.Target{Conv: d.open, Author: m.Author, ID: m.ID}, Body: f.Text})
	case f.Kind == state.Retracted:
		d.model.Do(state.Retract{Of: of})
	}
	d.answered()
}

// letBe leaves it at that.
func (d *desk) letBe(m *state.Message) {
	if f, ok := m.Refusal(); ok {
		d.model.Do(state.LetBe{Of: d.s.Chat(d.open).Of(m), Stanza: f.Stanza})
		d.answered()
	}
}
