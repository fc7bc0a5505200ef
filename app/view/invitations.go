package view

import (
	"cmp"
	"slices"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/legible"
	"natter/app/state"
)

// invitations are those to rooms, the newest first: by people whom the person knows, and by
// strangers.
func (d *desk) invitations() (known, strange []*state.Invitation) {
	for i := range d.s.Invitations {
		if i.Known(d.s) {
			known = append(known, i)
		} else {
			strange = append(strange, i)
		}
	}
	for _, all := range [][]*state.Invitation{known, strange} {
		slices.SortFunc(all, func(a, b *state.Invitation) int { return -cmp.Compare(a.At, b.At) })
	}
	return known, strange
}

// invitationRow is the row of the list that leads to the invitations. Those by strangers do not count.
func (d *desk) invitationRow() app.UI {
	known, strange := d.invitations()
	text, badge := "", app.UI(app.Span())
	switch {
	case len(known)+len(strange) == 0:
		return nil
	case len(known) == 0:
		text = "From people you do not know"
	case len(known) == 1:
		text = d.s.Name(known[0].From) + " invites you to a room."
	default:
		text = count(len(known)) + " rooms wait for your answer."
	}
	if len(known) > 0 {
		badge = app.Span().Class("badge").Aria("hidden", "true").Text(count(len(known)))
	}
	return app.Button().Type("button").Class("request-row").ID("invitations").DataSet("do", string(doInvitations)).Body(
		app.Span().Class("request-mark").Body(icon("room")),
		app.Span().Class("request-words").Body(
			app.Strong().Class("request-name").Text("Invitations to rooms"),
			app.Span().Class("request-text").Body(app.Elem("bdi").Text(text))),
		badge)
}

// declineStrangers declines all invitations by strangers, who do not hear of it.
func (d *desk) declineStrangers(Signal) {
	_, strange := d.invitations()
	var rooms []jid.JID
	for _, i := range strange {
		rooms = append(rooms, i.Room)
	}
	d.model.Do(state.DeclineInvitations{Rooms: rooms})
	d.rev++
}

// accept enters a room to which somebody has invited.
func (d *desk) accept(sig Signal) {
	i := d.s.Invitation(sig.JID)
	if i == nil {
		return
	}
	d.askRoom(string(i.Room))
	d.enter(state.JoinRoom{Room: i.Room, Password: i.Password})
}

// invitationsInSight is how many of the invitations by strangers are on the page.
const invitationsInSight = 20

// invited is the dialog with the invitations.
func (m *modal) invited() app.UI {
	known, strange := m.Desk.invitations()
	var body []app.UI
	if len(known)+len(strange) == 0 {
		return app.Div().Body(app.P().Class("dialog-lead").Text("All invitations are answered."))
	}
	list := func(label string, all []*state.Invitation) app.UI {
		var rows []app.UI
		for _, i := range all {
			rows = append(rows, m.invitation(i))
		}
		return app.Div().Class("invitations").Attr("role", "list").Aria("label", label).Body(rows...)
	}
	if len(known) > 0 {
		body = append(body, list("Invitations", known))
	}
	if len(strange) > 0 {
		shown := strange[:min(len(strange), invitationsInSight)]
		body = append(body,
			app.H3().Class("invitations-title").Text("From people you do not know"),
			app.P().Class("details-hint").Text("Whoever you do not join hears nothing from you."),
			list("Invitations from strangers", shown),
			app.Div().Class("dialog-actions").Body(
				app.Button().Type("button").Class("button-quiet").DataSet("do", string(doDeclineStrangers)).Text("Decline all "+count(len(strange)))))
	}
	return app.Div().Body(body...)
}

func (m *modal) invitation(i *state.Invitation) app.UI {
	reason := legible.Short(i.Reason, 200)
	return app.Div().Class("invitation").Attr("role", "listitem").Body(
		avatar(string(i.Room), i.Room.Shown(), "avatar-m avatar-room", nil),
		app.Span().Class("listed-names").Body(
			app.Span().Class("listed-name").Body(app.Elem("bdi").Text(i.Room.Shown())),
			app.Span().Class("listed-address").Body(app.Text("From "), app.Elem("bdi").Text(i.From.Shown())),
			app.If(reason != "", func() app.UI { return app.Span().Class("listed-address").Body(app.Elem("bdi").Text(reason)) })),
		app.Span().Class("invitation-actions").Body(
			app.Button().Type("button").Class("button-quiet button-small").DataSet("do", string(doDeclineRoom)).DataSet("jid", string(i.Room)).
				Aria("label", "Decline "+i.Room.Shown()).Text("Decline"),
			app.Button().Type("button").Class("button-primary button-small").DataSet("do", string(doAcceptRoom)).DataSet("jid", string(i.Room)).
				Aria("label", "Join "+i.Room.Shown()).Text("Join")))
}
