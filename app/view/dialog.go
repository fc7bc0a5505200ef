package view

import (
	"errors"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/legible"
	"natter/app/state"
)

// dialog is what asks for attention in front of everything else.
type dialog struct {
	kind string // "", "new", "join-room", "switch", "keys", "leaving", "removing", "requests", "declining", "somebody-else", "password"
	peer jid.JID
	// seen is the room that the person wants to join although it shows addresses: Join is not asked twice.
	seen jid.JID
	// message is the data-key of the one that it is about.
	message string
	text    string // what was typed in the switcher, or to find an emoji
	group   int    // of emoji
	typed   string // into the field that joins a room
	chosen  int    // the row of the switcher that Enter opens
	fault   string
	first   int // the first of the requests that are shown
	// The wish whose Outcome is waited for, "" if none is, and the number of the Outcome before.
	wish  state.Wish
	since int
	done  int // how many wishes the room has fulfilled
	// Who is to be invited.
	guests []jid.JID
	// The form of an earlier time, which is asked for once more, and whether the new one has come.
	stale  *state.Form
	filled bool
	// What is wrong with the fields of a form, by their vars.
	faults map[string]string
	// The nick of whom it is about.
	nick string
	// The request that was answered and is still shown, and the one that gets the focus next.
	answered, next jid.JID
}

// ask puts a dialog in front; the focus is put where its answer is typed.
func (d *desk) ask(what dialog) {
	d.dialog = what
	d.rev++
	switch what.kind {
	case "new":
		d.settling.Focus = "new-address"
	case "password":
		d.settling.Focus = "password-again"
	case "switch":
		d.settling.Focus = "switch-text"
	case "emoji":
		if !d.platform.Narrow() { // the keyboard of a phone would cover it
			d.settling.Focus = "emoji-text"
		}
	}
}

// askSignal puts the dialog in front that has the name of the command.
func (d *desk) askSignal(sig Signal) {
	d.ask(dialog{kind: string(sig.Do), peer: sig.JID})
	d.rev++
}

// turnPage shows another page of requests.
func (d *desk) turnPage(sig Signal) {
	d.dialog.first = sig.Number
	if page, _ := d.page(); len(page) > 0 {
		d.settling.Focus = "accept:" + string(page[0].JID)
	}
	d.rev++
}

// declineAll declines all requests.
func (d *desk) declineAll(Signal) {
	var all []jid.JID
	for _, c := range d.requests() {
		all = append(all, c.JID)
	}
	d.model.Do(state.DeclineContacts{JIDs: all})
	d.dialog = dialog{}
	d.rev++
}

// moveSwitcher chooses another row of the switcher.
func (d *desk) moveSwitcher(sig Signal) {
	if n := len(d.found()); n > 0 {
		d.dialog.chosen = (d.dialog.chosen + sig.Number + n) % n
	}
	d.rev++
}

// switchTo opens the chosen row of the switcher.
func (d *desk) switchTo(Signal) {
	if found := d.found(); d.dialog.chosen < len(found) {
		d.show(found[d.dialog.chosen].conv)
	}
	d.rev++
}

// remove removes a contact.
func (d *desk) remove(sig Signal) {
	d.model.Do(state.RemoveContact{JID: sig.JID})
	d.dialog, d.details = dialog{}, false
	d.rev++
}

// givePassword passes on the password, if there is one.
func (d *desk) givePassword(sig Signal) {
	d.rev++
	if sig.Text == "" {
		d.settling.Focus = "password-again"
		d.dialog.fault = "Type the password."
		return
	}
	d.dialog, d.settling.Focus = dialog{}, ""
	d.model.Do(state.GivePassword{Password: sig.Text})
}

// start opens a conversation with an address somebody typed.
func (d *desk) start(sig Signal) {
	d.settling.Focus = "new-address"
	to, err := jid.Typed(sig.Text)
	if err == nil && to.Action == "join" {
		d.askRoom(string(to.Peer))
		return
	}
	if err == nil {
		d.dialog.fault = d.noChat(to)
	} else if fault := (*jid.Fault)(nil); errors.As(err, &fault) {
		d.dialog.fault = noAddress(fault)
	}
	if d.dialog.fault != "" {
		return
	}
	d.settling.Focus = ""
	peer := to.Peer.Bare()
	if c := d.s.Contact(peer); sig.On && peer != d.s.Account() && !c.Listed() {
		d.model.Do(state.AddContact{JID: peer})
	}
	d.turnTo(to)
}

// noAddress says why something is no address.
func noAddress(fault *jid.Fault) string {
	text := "This is not an XMPP address"
	switch {
	case fault.Kind == jid.Empty:
		return "Enter the address of the person you want to write to."
	case fault.Where != "":
		text += ": " + fault.Where
	}
	return text + ". It looks like an e-mail address: name@example.org."
}

// noChat says why there is no conversation to be had at an address, "" if there is.
// The address of a server needs a dot, or somebody's first name would be one.
func (d *desk) noChat(to jid.Link) string {
	domain := to.Peer.Domain()
	switch {
	case to.Peer.Local() == "" && !strings.ContainsAny(domain, ".:") && domain != d.s.Account().Domain():
		return noAddress(&jid.Fault{Kind: jid.Characters, Where: "the part from the @ on is missing"})
	}
	return ""
}

// turnTo opens the conversation that an address or link leads to. The words that come
// with it are put into the composer if that is empty; sending them is the person's to do.
func (d *desk) turnTo(to jid.Link) {
	conv := state.Direct.With(to.Peer)
	if conv != d.open && blank(d.draft(conv)) && !blank(to.Body) {
		d.note(conv, legible.Body(to.Body))
	}
	d.show(conv)
}

// openLink opens what a link in a message leads to.
func (d *desk) openLink(text string) {
	to, ok := jid.ParseLink(text)
	if !ok {
		return
	}
	if to.Action == "join" {
		d.askRoom(string(to.Peer))
		return
	}
	if fault := d.noChat(to); fault != "" {
		d.ask(dialog{kind: "new", fault: fault})
		return
	}
	d.turnTo(to)
}

// found are the first rows that match what was typed in the switcher.
func (d *desk) found() []item {
	items := d.items(d.dialog.text)
	return items[:min(8, len(items))]
}

func (d *desk) drawDialog(rev uint64) app.UI {
	if d.dialog.kind == "" {
		return app.Div().Class("no-dialog").Attr("hidden", "true")
	}
	return &modal{Rev: rev, Desk: d, Kind: d.dialog.kind}
}

// modal is the dialog in front.
type modal struct {
	app.Compo

	Rev  uint64
	Desk *desk
	Kind string
}

// CompoID implements app.DismountEnforcer.
func (m *modal) CompoID() string { return m.Kind }

// Render implements app.Composer.
func (m *modal) Render() app.UI {
	d := m.Desk
	switch m.Kind {
	case "new":
		return m.frame("New chat", m.newChat())
	case "invitations":
		return m.frame("Invitations to rooms", m.invited())
	case "join-room":
		return m.frame("Join a room", m.joinRoom())
	case "switch":
		return app.Elem("dialog").Class("dialog switcher").DataSet("modal", "true").Aria("label", "Go to conversation").Body(m.switcher()...)
	case "emoji":
		return m.frame("Emoji", m.emoji())
	case "retracting":
		return m.frame("Retract this message?", m.retracting())
	case string(doRetractingSelected):
		return m.frame("Retract "+strings.TrimSuffix(countSelected(len(d.selected())), " selected")+"?", m.retractingSelected())
	case "date":
		return m.frame("Go to a day", m.date())
	case "about":
		return m.frame("About this message", m.about())
	case string(doModerating):
		return m.frame("Remove this message for everyone?", m.moderating())
	case "subject":
		return m.frame("Change the subject", m.subject())
	case "configure":
		return m.frame("Room settings", m.configure())
	case "destroy":
		return m.frame("Destroy this room?", m.destroy())
	case "deed":
		return m.frame(deedNamed(d.dialog.text).item+": "+memberName(d.dialog.nick), m.deed())
	case "invite":
		return m.frame("Invite people", m.invite())
	case string(doRegister):
		return m.frame("Register a nickname", m.register())
	case string(doPeople):
		return m.frame("People of this room", m.people())
	case string(doGroup):
		return m.frame("New group", m.groupName())
	case string(doNameGroup):
		return m.frame("People in “"+plain(d.dialog.text)+"”", m.groupPeople())
	case "nick":
		return m.frame("Change your nickname", m.nick())
	case "keys":
		return m.frame("Keyboard shortcuts", keys(d.mod()))
	case "leaving":
		return m.frame("Sign out?",
			app.Div().Body(
				app.P().Text("Messages and the password are forgotten on this device. Your conversations stay on your server if it keeps an archive."),
				unsent(d.s.Unsent()),
				app.If(d.s.Unsaved() > 0, func() app.UI {
					return app.P().Class("field-fault").Attr("role", "alert").Text("What you did to contacts has not been saved yet and will be lost.")
				}),
				actions(doSignOut, "Sign out", "", "button-primary")))
	case "requests":
		return m.frame("Contact requests", m.asked())
	case "declining":
		return m.frame("Decline all?",
			app.Div().Body(
				app.P().Text("All "+count(d.s.Requests())+" who ask are told no, without a reason. They can ask again."),
				actions(doDeclineAll, "Decline all", "", "button-danger-solid")))
	case "password":
		return m.frame("Enter the password", m.password())
	case "somebody-else":
		return m.frame("Sign in again?", m.somebodyElse())
	case "removing":
		name := d.s.Name(d.dialog.peer)
		return m.frame("Remove "+name+"?",
			app.Div().Body(
				app.P().Body(app.Elem("bdi").Text(d.dialog.peer.Shown()), app.Text(" leaves your contacts, and neither of you sees any more when the other is online. You can still write to each other.")),
				actions(doRemove, "Remove", string(d.dialog.peer), "button-danger-solid")))
	}
	return app.Div()
}

// password asks for the new password of the account. The name is there for password
// managers.
func (m *modal) password() app.UI {
	d := m.Desk
	why := ""
	if p := d.s.Connection.Problem; p != nil {
		why = p.Text
	}
	input := app.Input().Type("password").ID("password-again").Class("field-input").Name("text").
		Attr("autocomplete", "current-password").Attr("autocapitalize", "none").Attr("spellcheck", "false")
	alert := app.P().ID("password-fault").Class("field-fault").Attr("role", "alert")
	if fault := d.dialog.fault; fault != "" {
		input = input.Aria("invalid", "true").Aria("describedby", "password-fault")
		alert = alert.Text(fault)
	}
	return app.Form().DataSet("form", string(doGivePassword)).Attr("novalidate", "true").Body(
		app.P().Class("dialog-lead").Text(why+" What you have written here is kept."),
		app.Input().Type("text").Class("sr").Name("username").Attr("autocomplete", "username").Attr("readonly", "true").
			Value(string(d.s.Account())).TabIndex(-1).Aria("label", "Account"),
		app.Label().Class("field-label").For("password-again").Body(
			app.Text("Password of "), app.Elem("bdi").Text(d.s.Account().Shown())),
		input, alert,
		app.Div().Class("dialog-actions").Body(
			app.Button().Type("button").Class("button-quiet").DataSet("do", string(doClose)).Text("Cancel"),
			app.Button().Type("submit").Class("button-primary").Text("Sign in")))
}

// somebodyElse is for one whom the server takes for another account: here, what belongs
// to whom; whose it is to be next is decided at the sign-in form.
func (m *modal) somebodyElse() app.UI {
	s := m.Desk.s
	other := jid.JID("another account")
	if p := s.Connection.Problem; p != nil && p.Account != "" {
		other = p.Account
	}
	address := func(j jid.JID) app.UI { return app.Elem("bdi").Text(j.Shown()) }
	return app.Div().Body(
		app.P().Class("dialog-lead").Body(app.Text("With what signs you in here, the server now takes you for "), address(other), app.Text(".")),
		app.P().Body(app.Text("What is on screen belongs to "), address(s.Account()),
			app.Text(" and is not mixed with it. At the sign-in form you decide who to be. If you are not remembered on this device, what is not sent yet is lost.")),
		actions(doSignInAgain, "Sign in again", "", "button-primary"))
}

// unsent warns of messages that are nowhere but here.
func unsent(n int) app.UI {
	return app.If(n > 0, func() app.UI {
		text := strconv.Itoa(n) + " messages have not been sent yet and will be lost."
		if n == 1 {
			text = "One message has not been sent yet and will be lost."
		}
		return app.P().Class("field-fault").Attr("role", "alert").Text(text)
	})
}

func (m *modal) frame(title string, body app.UI) app.UI {
	return app.Elem("dialog").Class("dialog").DataSet("modal", "true").Aria("labelledby", "dialog-title").Body(
		app.Header().Class("dialog-head").Body(
			app.H2().ID("dialog-title").Class("dialog-title").Text(title),
			iconButton("close", "Close", doClose)),
		body)
}

func actions(do Command, label, of, class string) app.UI {
	return app.Div().Class("dialog-actions").Body(
		app.Button().Type("button").Class("button-quiet").DataSet("do", string(doClose)).Text("Cancel"),
		app.Button().Type("button").Class(class).DataSet("do", string(do)).DataSet("jid", of).Text(label))
}

func (m *modal) newChat() app.UI {
	fault := m.Desk.dialog.fault
	input := app.Input().Type("text").ID("new-address").Class("field-input").Name("text").Placeholder("name@example.org").
		AutoComplete(false).Attr("inputmode", "email").Attr("autocapitalize", "none").Attr("spellcheck", "false").Dir("auto")
	alert := app.P().ID("new-fault").Class("field-fault").Attr("role", "alert")
	if fault != "" {
		input = input.Aria("invalid", "true").Aria("describedby", "new-fault")
		alert = alert.Text(fault)
	}
	return app.Form().DataSet("form", string(doStart)).Attr("novalidate", "true").Body(
		otherwise(), app.Label().Class("field-label").For("new-address").Text("XMPP address"),
		input, alert,
		app.Label().Class("check").Body(
			app.Input().Type("checkbox").Name("on").Attr("checked", "true"),
			app.Span().Text("Add to contacts, and ask to see when they are online")),
		app.Div().Class("dialog-actions").Body(
			app.Button().Type("button").Class("button-quiet").DataSet("do", string(doClose)).Text("Cancel"),
			app.Button().Type("submit").Class("button-primary").Text("Start chat")))
}

func (m *modal) switcher() []app.UI {
	d := m.Desk
	found := d.found()
	input := app.Input().Type("text").ID("switch-text").Class("switcher-text").Placeholder("Go to…").Aria("label", "Go to conversation").
		Attr("role", "combobox").Aria("expanded", "true").Aria("controls", "switch-list").
		DataSet("input", string(doSwitchText)).AutoComplete(false).Attr("spellcheck", "false")
	if len(found) > 0 {
		input = input.Aria("activedescendant", "switch-"+strconv.Itoa(d.dialog.chosen))
	}
	var rows []app.UI
	for i, it := range found {
		rows = append(rows, app.Div().ID("switch-"+strconv.Itoa(i)).Class("switcher-row").Attr("role", "option").
			Aria("selected", strconv.FormatBool(i == d.dialog.chosen)).DataSet("do", string(doOpen)).DataSet("conv", string(it.conv)).Body(
			pictured(d.picture(it.conv), string(it.jid()), it.name, size(it.conv, "avatar-m"), dot(d.showOf(contact(d.s, it.conv)))),
			app.Span().Class("switcher-name").Body(app.Elem("bdi").Text(it.name)),
			app.Span().Class("switcher-address").Body(app.Elem("bdi").Text(it.jid().Shown()))))
	}
	if len(found) == 0 {
		rows = append(rows, app.P().Class("none").Text("Nobody here is called that."))
	}
	return []app.UI{
		app.Div().Class("switcher-head").Body(icon("search"), input),
		app.Div().ID("switch-list").Class("switcher-list").Attr("role", "listbox").Aria("label", "Conversations").Body(rows...),
	}
}

func keys(mod string) app.UI {
	var rows []app.UI
	for _, k := range [][2]string{
		{mod + " K", "Go to a conversation"},
		{"/", "Search conversations and messages"},
		{"G", "Go to a day in the conversation"},
		{"Alt ↑", "Previous conversation"},
		{"Alt ↓", "Next conversation"},
		{"Enter", "Send"},
		{"Shift Enter", "New line"},
		{":", "Emoji, with the beginning of its name"},
		{"↑", "Edit your last message, from an empty field"},
		{". + R E", "On a message: menu, react, reply, edit"},
		{"Space", "Select a message, while some are selected"},
		{"Esc", "Step back"},
		{"?", "This list"},
	} {
		var caps []app.UI
		for _, cap := range strings.Fields(k[0]) {
			caps = append(caps, app.Elem("kbd").Text(cap))
		}
		rows = append(rows, app.Div().Class("keys-row").Body(app.Dt().Text(k[1]), app.Dd().Body(caps...)))
	}
	return app.Dl().Class("keys").Body(rows...)
}
