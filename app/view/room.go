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

// room is the room that is open, nil if something else is.
func (d *desk) room() *state.Room {
	if d.open.Kind() != state.Groupchat {
		return nil
	}
	return d.s.Room(d.open.JID())
}

// authorName is how somebody is called who has written a message, safe to show.
func authorName(s *state.State, m *state.Message) string {
	switch name := plain(m.Nick); {
	case m.Nick == "":
		return s.Name(m.Author)
	case name == "":
		return "Somebody"
	default:
		return name
	}
}

// askRoom puts the dialog in front that joins a room; text is an address that is known already.
func (d *desk) askRoom(text string) {
	d.ask(dialog{kind: "join-room", text: text})
	d.settling.Focus = "join-address"
	d.model.Do(state.BrowseRooms{})
}

// join enters the room with the address that somebody typed.
func (d *desk) join(sig Signal) {
	d.settling.Focus = "join-address"
	d.dialog.fault = ""
	if at := d.s.Directory; at != nil && at.Service != "" && !blank(sig.Text) && !strings.ContainsAny(sig.Text, "@:.") {
		sig.Text += "@" + string(at.Service) // a name is one of a room there
	}
	to, err := jid.Typed(sig.Text)
	switch fault := (*jid.Fault)(nil); {
	case errors.As(err, &fault) && fault.Kind == jid.Empty:
		d.dialog.fault = "Enter the address of the room."
	case errors.As(err, &fault):
		d.dialog.fault = "This is no address of a room: it looks like room@rooms.example.org."
	case to.Peer.Local() == "":
		d.dialog.fault = "This is the address of a server. A room's looks like room@rooms.example.org."
	}
	if d.dialog.fault != "" {
		return
	}
	room := to.Peer.Bare()
	in := state.JoinRoom{Room: room, Nick: to.Peer.Resource(), Seen: d.dialog.seen == room}
	if r := d.s.Room(room); r != nil && r.Problem != nil && sig.Also != "" {
		switch r.Problem.Field {
		case "password":
			in.Password = sig.Also
		case "nick":
			in.Nick = sig.Also
		}
	}
	d.enter(in)
}

// enter goes into a room, and shows it as soon as we are in it.
func (d *desk) enter(in state.JoinRoom) {
	d.rev++
	if d.dialog.kind == "join-room" {
		if old := d.dialog.peer; old != "" && old != in.Room {
			d.giveUp()
		}
		d.dialog.peer = in.Room
	}
	d.settling.Focus = ""
	d.model.Do(in)
	d.arrive()
}

// arrive shows the room that was being joined, once we are in it.
func (d *desk) arrive() {
	if d.dialog.kind == "join-room" && d.dialog.peer != "" && d.s.Room(d.dialog.peer).In() {
		d.show(state.Groupchat.With(d.dialog.peer))
	}
}

// giveUp takes back that the room of the dialog is to be joined, if it never was, or made.
func (d *desk) giveUp() {
	d.leaveGroup()
	if r := d.s.Room(d.dialog.peer); d.dialog.kind == "join-room" && r != nil && !r.Kept {
		d.model.Do(state.LeaveRoom{Room: r.JID})
	}
}

// close takes the dialog away.
func (d *desk) close(Signal) {
	d.giveUp()
	d.dialog = dialog{}
	d.rev++
}

// leaveRoom leaves the open room.
func (d *desk) leaveRoom(sig Signal) {
	d.dialog = dialog{}
	d.leave()
	d.model.Do(state.LeaveRoom{Room: sig.JID})
}

// joinRoom is the dialog that joins a room. What stands in the way is said in it.
func (m *modal) joinRoom() app.UI {
	d := m.Desk
	room := d.s.Room(d.dialog.peer)
	if d.dialog.peer == "" {
		room = nil
	}
	address := app.Input().Type("text").ID("join-address").Class("field-input").Name("text").Placeholder("room@rooms.example.org").
		AutoComplete(false).Attr("inputmode", "email").Attr("autocapitalize", "none").Attr("spellcheck", "false").Dir("auto").
		DataSet("input", string(doJoinText))
	if d.dialog.text != "" {
		address = address.Attr("value", d.dialog.text)
	}
	alert := app.P().ID("join-fault").Class("field-fault").Attr("role", "alert")
	body := []app.UI{app.Label().Class("field-label").For("join-address").Text("Room address")}
	var more []app.UI
	var doing app.UI = app.Span()
	switch {
	case d.dialog.fault != "":
		address = address.Aria("invalid", "true").Aria("describedby", "join-fault")
		alert = alert.Text(d.dialog.fault)
	case room != nil && room.Problem != nil:
		address = address.Aria("describedby", "join-fault")
		alert = alert.Text(room.Problem.Text + " " + room.Problem.Advice)
		more = d.wayOut(room)
	case room != nil && !room.In():
		text := "Joining…"
		if d.s.Connection.Phase != state.Online {
			text = "You are offline. The room is joined when you are back."
		}
		doing = app.P().Class("dialog-doing").Attr("role", "status").Text(text)
	}
	body = append(body, address)
	if room != nil && room.Problem != nil && d.dialog.fault == "" {
		switch room.Problem.Field {
		case "password":
			body = append(body, app.Label().Class("field-label field-next").For("join-also").Text("Password of the room"),
				app.Input().Type("password").ID("join-also").Class("field-input").Name("also").Attr("autocomplete", "off"))
		case "nick":
			body = append(body, app.Label().Class("field-label field-next").For("join-also").Text("Nickname"),
				app.Input().Type("text").ID("join-also").Class("field-input").Name("also").AutoComplete(false).MaxLength(100).
					Attr("value", nextNick(room)).Dir("auto"))
		}
	}
	body = append(body, alert, doing, otherwise(), app.Div().Class("listed-frame").Body(m.listed()), app.Div().Class("dialog-actions").Body(append(
		append([]app.UI{app.Button().Type("button").Class("button-quiet").DataSet("do", string(doClose)).Text("Cancel")}, more...),
		app.Button().Type("submit").Class("button-primary").Text("Join"))...))
	return app.Form().DataSet("form", string(doJoin)).Attr("novalidate", "true").Body(body...)
}

// nextNick is the nick to join with where another one was refused: the one that the room keeps for us, or one
// like that.
func nextNick(r *state.Room) string {
	if r.Reserved != "" && r.Reserved != r.Nick {
		return r.Reserved
	}
	return state.FreeNick(r.Nick)
}

// wayOut are the buttons that answer what stands in the way into a room.
func (d *desk) wayOut(r *state.Room) []app.UI {
	button := func(do Command, room jid.JID, text string) []app.UI {
		return []app.UI{app.Button().Type("button").Class("button-quiet").DataSet("do", string(do)).DataSet("jid", string(room)).Text(text)}
	}
	switch {
	case r.Moved != "":
		return button(doRejoin, r.Moved, "Join "+r.Moved.Shown())
	case r.Problem.Kind == "no-room":
		return button(doCreateRoom, r.JID, "Create room")
	case r.Problem.Kind == "shows-addresses":
		return button(doJoinSeen, r.JID, "Join anyway")
	case r.Problem.Kind == state.MembersOnly:
		return button(doAskMembership, r.JID, "Ask to become a member")
	}
	return nil
}

// roomStatus says why the open room is not to be heard, and what to do next.
func roomStatus(d *desk) app.UI {
	r := d.room()
	if r == nil || r.In() || d.s.Connection.Phase != state.Online {
		return app.Div().Class("room-status").Attr("hidden", "true")
	}
	line := app.Div().Class("status room-status").DataSet("phase", "waiting")
	if r.Problem == nil {
		return line.Attr("role", "status").Body(app.Span().Class("status-dot"), app.Span().Class("status-text").Text("Joining the room…"))
	}
	do, to, word := doRejoin, r.JID, "Join again"
	switch {
	case r.Moved != "":
		to, word = r.Moved, "Join "+r.Moved.Shown()
	case r.Problem.Field != "":
		do, word = doAnswerRoom, "Join…"
	case r.Problem.Kind == "no-room":
		do, word = doCreateRoom, "Create room"
	}
	body := []app.UI{icon("alert"), app.Span().Class("status-text").Text(r.Problem.Text)}
	button := func(do Command, to jid.JID, word string) {
		body = append(body, app.Button().Type("button").Class("status-retry").DataSet("do", string(do)).DataSet("jid", string(to)).Text(word))
	}
	button(do, to, word)
	if r.Problem.Advice != "" {
		body = append(body, app.Span().Class("status-why").Text(r.Problem.Advice))
	}
	if r.Problem.Kind == state.MembersOnly {
		button(doAskMembership, r.JID, "Ask to become a member")
	}
	if why := legible.Short(r.Problem.Detail, 300); why != "" {
		body = append(body, app.Details().Class("status-details").Body(app.Summary().Text("Details"), app.P().Text(why)))
	}
	return line.Attr("role", "alert").Body(body...)
}

// people says how many are in a room.
func people(r *state.Room) string {
	if n := r.Occupants.Len(); n != 1 {
		return strconv.Itoa(n) + " people"
	}
	return "1 person"
}

// roomNow says in the head of a room what is true of it.
func (d *desk) roomNow(r *state.Room) string {
	switch about := oneLine(r.Subject); {
	case !r.In():
		return r.JID.Shown()
	case r.Locked:
		return "Nobody else can enter yet"
	case about != "":
		return people(r) + " · " + about
	default:
		return people(r)
	}
}

// seenOf is what the open conversation says of its room: another one is drawn anew. Presences that
// change nothing of it are not.
func (d *desk) seenOf(r *state.Room) string {
	if r == nil {
		return ""
	}
	seen := d.roomNow(r) + "\x00" + r.Picture.Hash + "\x00" + strconv.Itoa(int(r.Step)) + "\x00" + strconv.Itoa(r.Outcome.N)
	if r.Problem != nil {
		seen += "\x00" + r.Problem.Text + r.Problem.Advice
	}
	if r.Appeals != nil {
		seen += "\x00appeals" + strconv.Itoa(r.Appeals.N)
	}
	if me := r.Myself(); me != nil && me.Role == state.Visitor {
		seen += "\x00listens" + strconv.FormatBool(r.VoiceAsked)
	}
	if r.Readers != nil {
		seen += "\x00" + strconv.Itoa(r.Readers.N)
	}
	return seen
}

// room draws what the open room is.
func (p *details) room(r *state.Room) app.UI {
	d := p.Desk
	name := d.s.Name(r.JID)
	body := []app.UI{
		app.Header().Class("details-head").Body(
			app.H2().Class("details-title").Text("Details"),
			iconButton("close", "Close details", doLeave),
		),
		app.Div().Class("details-who").Body(
			pictured(r.Picture.URL, string(r.JID), name, "avatar-xl avatar-room", nil),
			app.P().Class("details-name").Body(app.Elem("bdi").Text(name)),
			app.P().Class("details-now").Text(people(r)),
		),
		app.Div().Class("details-address").Body(
			app.Span().Class("details-label").Text("Room address"),
			app.Elem("bdi").Class("details-jid").Text(r.JID.Shown()),
			iconButton("copy", "Copy address", doCopy).DataSet("text", string(r.JID)),
		),
	}
	if about := legible.Body(r.Subject); about != "" || r.MayChangeSubject() {
		part := []app.UI{app.Span().Class("details-label").Text("Subject")}
		if about != "" {
			part = append(part, app.P().Class("details-subject").Dir("auto").Text(about))
		}
		if r.MayChangeSubject() {
			part = append(part, insideButton(r, doSubject, "Change subject"))
		}
		body = append(body, app.Div().Class("details-part").Body(part...))
	}
	if r.MayInvite() {
		body = append(body, app.Div().Class("details-part").Body(
			app.Button().Type("button").Class("button-quiet").DataSet("do", string(doInvite)).DataSet("jid", string(r.JID)).Text("Invite")))
	}
	if r.In() {
		body = append(body, p.members(r))
	}
	if maySeePeople(r) {
		body = append(body, app.Div().Class("details-part").Body(insideButton(r, doPeople, "Members, admins and bans")))
	}
	body = append(body, app.Div().Class("details-part").Body(notifyChoices(r)), app.Div().Class("details-part").Body(
		app.Span().Class("details-label").Text("Your nickname"),
		app.P().Class("details-hint").Body(app.Elem("bdi").Text(plain(r.Nick))),
		app.If(r.In(), func() app.UI { return insideButton(r, doNick, "Change nickname") }),
		app.If(r.In() && r.Registers, func() app.UI { return insideButton(r, doRegister, "Register a nickname") })))
	if r.ShowsAddresses {
		body = append(body, app.P().Class("details-part details-hint").Text("Everybody in this room sees your address."))
	}
	body = append(body, ownership(r), app.Div().Class("details-part").Body(
		app.Button().Type("button").Class("button-danger").DataSet("do", string(doLeaveRoom)).DataSet("jid", string(r.JID)).Text("Leave room")))
	return app.Aside().Class("details").Aria("label", "Details").Body(body...)
}

// notifyChoices is of which messages of a room the person wants to be told.
func notifyChoices(r *state.Room) app.UI {
	return choices("Notify me of", doNotify, string(r.Tells()), [][2]string{
		{string(state.NotifyAll), "All messages"}, {string(state.NotifyNamed), "Mentions"}, {string(state.NotifyNone), "Nothing"}})
}

// named is the nick by which a message of the open room names the person, "" if it does not.
func (d *desk) named(m *state.Message) string {
	if r := d.room(); r != nil && m.Named {
		return r.Nick
	}
	return ""
}

// writing says that somebody writes in a conversation: in a room who, if they are few.
func writing(c *state.Chat) string {
	if c.Conv.Kind() != state.Groupchat {
		return "typing"
	}
	var names []string
	for nick := range strings.SplitSeq(c.Writers, "\n") {
		if name := oneLine(plain(nick)); name != "" {
			names = append(names, name)
		}
	}
	switch n := len(names); {
	case n == 0:
		return "Somebody is typing"
	case n == state.MostWriters:
		return "Several people are typing"
	case n == 1:
		return names[0] + " is typing"
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1] + " are typing"
	}
}

// muted reports whether a conversation is a room of which the person wants to be told nothing.
func (d *desk) muted(conv state.ConvID) bool {
	r := d.s.Room(conv.JID())
	return conv.Kind() == state.Groupchat && r != nil && r.Tells() == state.NotifyNone
}

// insideButton is a button of the details that asks something about a room.
func insideButton(r *state.Room, do Command, label string) app.UI {
	return app.Div().Body(app.Button().Type("button").Class("button-quiet button-small").DataSet("do", string(do)).DataSet("jid", string(r.JID)).Text(label))
}

// listedInSight is how many rooms of the server are on the page.
const listedInSight = 40

// listed are the rooms of the server that have what was typed.
func (m *modal) listed() app.UI {
	d := m.Desk
	at := d.s.Directory
	switch {
	case at == nil:
		return app.Div().Class("listed").Attr("hidden", "true")
	case len(at.Rooms) == 0 && at.Loading:
		return app.P().Class("dialog-doing").Attr("role", "status").Text("Looking for rooms…")
	case len(at.Rooms) == 0:
		text := "There are no rooms on this server that everybody may see."
		if at.Problem != "" {
			text = at.Problem
		}
		return app.P().Class("dialog-doing").Attr("role", "status").Text(text)
	}
	wanted := strings.ToLower(strings.TrimSpace(d.dialog.typed))
	var found []state.Listed
	for _, r := range at.Rooms {
		if wanted == "" || strings.Contains(strings.ToLower(r.Name+" "+string(r.JID)), wanted) {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return app.P().Class("dialog-doing").Attr("role", "status").Text("No room of this server is called that.")
	}
	first := min(max(0, d.dialog.first-10), max(0, len(found)-listedInSight))
	end := min(len(found), first+listedInSight)
	var rows []app.UI
	space := func(n int) {
		if n > 0 {
			rows = append(rows, app.Div().Class("spacer").Aria("hidden", "true").DataSet("rows", strconv.Itoa(n)))
		}
	}
	space(first)
	for i := first; i < end; i++ {
		name := plain(found[i].Name)
		if name == "" {
			name = plain(jid.Unescape(found[i].JID.Local()))
		}
		rows = append(rows, app.Div().Class("listed-item").Attr("role", "listitem").
			Attr("aria-posinset", strconv.Itoa(i+1)).Attr("aria-setsize", strconv.Itoa(len(found))).Body(
			app.Button().Type("button").Class("listed-room").DataSet("do", string(doRejoin)).DataSet("jid", string(found[i].JID)).Body(
				avatar(string(found[i].JID), name, "avatar-m avatar-room", nil),
				app.Span().Class("listed-names").Body(
					app.Span().Class("listed-name").Body(app.Elem("bdi").Text(name)),
					app.Span().Class("listed-address").Body(app.Elem("bdi").Text(found[i].JID.Shown()))))))
	}
	space(len(found) - end)
	return app.Div().Class("listed").Attr("role", "list").Aria("label", "Rooms").DataSet("window", string(doListedRows)).Body(rows...)
}
