package view

import (
	"crypto/rand"
	"slices"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/state"
)

// newRoom is the local part of an address that no room has and nobody guesses.
func newRoom() string { return strings.ToLower(rand.Text()) }

// askGroup puts the dialog in front that asks for the name of a group.
func (d *desk) askGroup(Signal) {
	d.ask(dialog{kind: string(doGroup)})
	d.settling.Focus = "group-name"
	d.model.Do(state.BrowseRooms{}) // which says where rooms are made
}

// backToGroup goes from the people back to the name.
func (d *desk) backToGroup(Signal) {
	d.dialog.kind, d.dialog.fault = string(doGroup), ""
	d.settling.Focus = "group-name"
	d.rev++
}

// nameGroup goes from the name to the people.
func (d *desk) nameGroup(sig Signal) {
	d.rev++
	d.dialog.text, d.dialog.typed, d.dialog.fault = strings.TrimSpace(sig.Text), "", ""
	if d.dialog.text == "" {
		d.dialog.fault = "Enter a name for the group."
		d.settling.Focus = "group-name"
		return
	}
	d.dialog.kind = string(doNameGroup)
	d.settling.Focus = "guest"
}

// makeGroup makes the group of those who are chosen. If nobody is, it is the one with the address that was
// typed.
func (d *desk) makeGroup(sig Signal) {
	d.rev++
	if to, err := jid.Typed(sig.Text); len(d.dialog.guests) == 0 && err == nil && to.Peer.Local() != "" {
		d.dialog.guests = []jid.JID{to.Peer.Bare()}
	}
	switch {
	case d.dialog.wish != "":
		return
	case len(d.dialog.guests) == 0:
		d.dialog.fault = "Choose who is to be in it."
		d.settling.Focus = "guest"
		return
	}
	d.dialog.wish, d.dialog.fault, d.dialog.peer = state.NewGroup, "", ""
	if at := d.s.Directory; d.s.Connection.Phase == state.Online && (at == nil || at.Service == "") {
		d.model.Do(state.BrowseRooms{})
	}
	d.grouped()
}

// grouped goes on with the group that is being made: it shows the room that has become of it, or says why
// none has.
func (d *desk) grouped() {
	if d.dialog.wish != state.NewGroup {
		return
	}
	if d.dialog.peer == "" {
		switch at := d.s.Directory; {
		case d.s.Connection.Phase != state.Online:
			d.ungrouped("You are offline. Try again when you are back.")
		case at == nil || at.Service == "" && at.Loading:
		case at.Service == "":
			d.ungrouped("There is no place for rooms on this server. Ask who runs it.")
		default:
			d.dialog.peer = jid.JID(d.newRoom() + "@" + string(at.Service))
			d.model.Do(state.MakeGroup{Room: d.dialog.peer, Name: d.dialog.text, Who: d.dialog.guests})
		}
		return
	}
	switch r := d.s.Room(d.dialog.peer); {
	case r == nil: // the tab that leads has not heard of it yet
	case r.In() && r.Group == nil:
		d.show(state.Groupchat.With(r.JID))
	case r.Problem != nil && !r.In():
		switch r.Problem.Kind {
		case "not-allowed", "banned":
			d.ungrouped("This server does not let you make rooms. Ask who runs it.")
		default:
			d.ungrouped("The group was not made. " + r.Problem.Text + " " + r.Problem.Advice)
		}
	case r.Outcome.To == state.NewGroup && r.Outcome.Problem != nil:
		d.ungrouped(r.Outcome.Problem.Text + " " + r.Outcome.Problem.Advice)
	}
}

// ungrouped says why there is no group. The next try makes another room.
func (d *desk) ungrouped(why string) {
	d.leaveGroup()
	d.dialog.wish, d.dialog.fault, d.dialog.peer = "", why, ""
	d.rev++
}

// leaveGroup gives up the room that was to become a group.
func (d *desk) leaveGroup() {
	if d.dialog.wish == state.NewGroup && d.dialog.peer != "" {
		d.model.Do(state.LeaveRoom{Room: d.dialog.peer})
	}
}

// groupName is the first step to a group.
func (m *modal) groupName() app.UI {
	d := m.Desk
	input := app.Input().Type("text").ID("group-name").Class("field-input").Name("text").AutoComplete(false).MaxLength(100).Dir("auto")
	if d.dialog.text != "" {
		input = input.Attr("value", d.dialog.text)
	}
	alert := app.P().ID("group-fault").Class("field-fault").Attr("role", "alert").Text(d.dialog.fault)
	if d.dialog.fault != "" {
		input = input.Aria("invalid", "true").Aria("describedby", "group-fault")
	}
	return app.Form().DataSet("form", string(doNameGroup)).Attr("novalidate", "true").Body(
		app.P().Class("dialog-lead").Text("Only those whom you choose can enter it. They see each other's addresses."),
		app.Label().Class("field-label").For("group-name").Text("Name of the group"),
		input, alert,
		app.Div().Class("dialog-actions").Body(
			app.Button().Type("button").Class("button-quiet").DataSet("do", string(doClose)).Text("Cancel"),
			app.Button().Type("submit").Class("button-primary").Text("Next")))
}

// groupPeople is the second step.
func (m *modal) groupPeople() app.UI {
	d := m.Desk
	alert := app.P().ID("group-fault").Class("field-fault").Attr("role", "alert").Text(d.dialog.fault)
	doing := app.P().Class("dialog-doing").Attr("role", "status")
	if d.dialog.wish != "" {
		doing = doing.Text("Making the group…")
	}
	return app.Form().DataSet("form", string(doMakeGroup)).Attr("novalidate", "true").Body(
		guestField(), m.guestList(nil, "People for the group"), alert, doing,
		app.Div().Class("dialog-actions").Body(
			app.Button().Type("button").Class("button-quiet").DataSet("do", string(doBackToGroup)).Disabled(d.dialog.wish != "").Text("Back"),
			app.Button().Type("submit").Class("button-primary").Disabled(d.dialog.wish != "").Text("Create group")))
}

// otherwise is the button of a dialog that goes to the one for a group.
func otherwise() app.UI {
	return app.Button().Type("button").Class("dialog-other").DataSet("do", string(doGroup)).Body(
		icon("room"), app.Span().Text("New group"))
}

// chosen reports whether somebody is among those whom the dialog invites.
func (d *desk) chosen(who jid.JID) bool { return slices.Contains(d.dialog.guests, who) }
