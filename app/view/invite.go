package view

import (
	"slices"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/state"
)

// invitable is how many of those who can be invited are on the page: whoever is none of these is found by
// their name.
const invitable = 30

// guests are those who can be invited to a room, nil if there is none yet, and match what was typed: first those who are chosen
// already, then contacts who are not in the room, by name, and then whoever has the address that was typed.
func (d *desk) guests(r *state.Room) []jid.JID {
	there := map[jid.JID]bool{d.s.Account(): true}
	if r != nil {
		for o := range r.All {
			there[o.JID] = true
		}
	}
	wanted := strings.ToLower(strings.TrimSpace(d.dialog.typed))
	var found []jid.JID
	for c := range d.s.Contacts {
		if c.Listed() && !there[c.JID] && !d.chosen(c.JID) &&
			strings.Contains(strings.ToLower(d.s.Name(c.JID)+" "+string(c.JID)), wanted) {
			found = append(found, c.JID)
		}
	}
	slices.SortFunc(found, func(a, b jid.JID) int {
		return strings.Compare(strings.ToLower(d.s.Name(a)), strings.ToLower(d.s.Name(b)))
	})
	found = append(slices.Clone(d.dialog.guests), found[:min(len(found), invitable)]...)
	if to, err := jid.Typed(d.dialog.typed); err == nil && to.Peer.Local() != "" {
		if who := to.Peer.Bare(); !there[who] && !slices.Contains(found, who) {
			found = append(found, who)
		}
	}
	return found
}

// invite is the dialog that invites to a room.
func (m *modal) invite() app.UI {
	d := m.Desk
	r := d.s.Room(d.dialog.peer)
	if r == nil {
		return app.Div()
	}
	action := "Send invitation"
	if n := len(d.dialog.guests); n > 1 {
		action = "Send " + count(n) + " invitations"
	}
	return m.answerable(doSetGuests, action, "button-primary",
		guestField(), m.guestList(r, "People to invite"),
		app.Label().Class("field-label field-next").For("guest-why").Text("Message (optional)"),
		app.Input().Type("text").ID("guest-why").Class("field-input").Name("also").AutoComplete(false).MaxLength(300).Dir("auto"))
}

// guestField is where the name or the address of whom to invite is typed.
func guestField() app.UI {
	return app.Div().Body(
		app.Label().Class("field-label").For("guest").Text("Name or address"),
		app.Input().Type("text").ID("guest").Class("field-input").Name("text").AutoComplete(false).Attr("autocapitalize", "none").
			Attr("spellcheck", "false").Dir("auto").DataSet("input", string(doGuestText)))
}

// guestList are those who can be invited, each a button that is pressed if they are chosen.
func (m *modal) guestList(r *state.Room, label string) app.UI {
	d := m.Desk
	var rows []app.UI
	for _, who := range d.guests(r) {
		name := d.s.Name(who)
		rows = append(rows, app.Div().Class("listed-item").Attr("role", "listitem").Body(
			app.Button().Type("button").Class("listed-room guest").DataSet("do", string(doGuest)).DataSet("jid", string(who)).
				Aria("pressed", strconv.FormatBool(d.chosen(who))).Body(
				avatar(string(who), name, "avatar-m", nil),
				app.Span().Class("listed-names").Body(
					app.Span().Class("listed-name").Body(app.Elem("bdi").Text(name)),
					app.Span().Class("listed-address").Body(app.Elem("bdi").Text(who.Shown()))),
				icon("check"))))
	}
	if len(rows) == 0 {
		return app.Div().Class("listed guests").Body(app.P().Class("details-hint").Attr("role", "status").Text("Nobody is called that. An address can be invited, too."))
	}
	return app.Div().Class("listed guests").Attr("role", "list").Aria("label", label).Body(rows...)
}

// guest chooses whom to invite, or no longer.
func (d *desk) guest(sig Signal) {
	if at := slices.Index(d.dialog.guests, sig.JID); at >= 0 {
		d.dialog.guests = slices.Delete(slices.Clone(d.dialog.guests), at, at+1)
	} else {
		d.dialog.guests = append(slices.Clone(d.dialog.guests), sig.JID)
	}
	d.dialog.fault = ""
	d.rev++
}

// setGuests invites those who are chosen. If nobody is, it is the one with the address that was typed.
func (d *desk) setGuests(sig Signal) {
	who := d.dialog.guests
	if to, err := jid.Typed(sig.Text); len(who) == 0 && err == nil && to.Peer.Local() != "" {
		who = []jid.JID{to.Peer.Bare()}
	}
	if len(who) == 0 {
		d.dialog.fault = "Choose whom to invite."
		d.settling.Focus = "guest"
		d.rev++
		return
	}
	d.want(state.NewMember, state.Invite{Room: sig.JID, Who: who, Reason: strings.TrimSpace(sig.Also)})
}

// inviteBy is the command that invites somebody: an address or the name of a contact, and why.
func (d *desk) inviteBy(r *state.Room, words string) string {
	if !r.MayInvite() {
		return "You may not invite anybody to this room."
	}
	if words == "" {
		d.askInside(doInvite, r.JID, "guest")
		return ""
	}
	for c := range d.s.Contacts {
		if name := d.s.Name(c.JID); c.Listed() && strings.EqualFold(name, words) {
			d.model.Do(state.Invite{Room: r.JID, Who: []jid.JID{c.JID}})
			return ""
		}
	}
	address, why, _ := strings.Cut(words, " ")
	to, err := jid.Typed(address)
	if err != nil || to.Peer.Local() == "" {
		return "Say whom: /invite name@example.org, or the name of a contact."
	}
	d.model.Do(state.Invite{Room: r.JID, Who: []jid.JID{to.Peer.Bare()}, Reason: strings.TrimSpace(why)})
	return ""
}
