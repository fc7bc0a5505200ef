package view

import (
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/legible"
	"natter/app/state"
)

// lists are the lists of those who have an affiliation with a room.
var lists = []struct {
	of, then state.Affiliation // then is that of whoever is taken out
	name     string
	add      string // the button that adds somebody
	take     string // the button that takes somebody out
	none     string // what is said if there is nobody
}{
	{state.Member, state.NoAffiliation, "Members", "Make member", "Take membership away", "This room has no members."},
	{state.Admin, state.Member, "Admins", "Make admin", "Make a member", "This room has no admins but its owners."},
	{state.Owner, state.Member, "Owners", "Make owner", "Make a member", "This room has no owners."},
	{state.Outcast, state.NoAffiliation, "Banned", "Ban", "Lift the ban", "Nobody is banned."},
}

// mostReason is how many characters of a reason are shown.
const mostReason = 200

// maySeePeople reports whether the person may see any of the lists of a room.
func maySeePeople(r *state.Room) bool {
	for _, l := range lists {
		if r.MaySee(l.of) {
			return true
		}
	}
	return false
}

// askPeople puts the dialog in front that has the lists of a room.
func (d *desk) askPeople(sig Signal) {
	r := d.s.Room(sig.JID)
	for i, l := range lists {
		if r.MaySee(l.of) {
			d.askInside(doPeople, r.JID, "")
			d.readPeople(Signal{JID: r.JID, Text: strconv.Itoa(i)})
			return
		}
	}
}

// readPeople shows another list.
func (d *desk) readPeople(sig Signal) {
	n, err := strconv.Atoi(sig.Text)
	if err != nil || n < 0 || n >= len(lists) || d.dialog.wish != "" {
		return
	}
	d.dialog.chosen, d.dialog.first, d.dialog.fault = n, 0, ""
	d.rev++
	d.model.Do(state.ReadPeople{Room: d.dialog.peer, Of: lists[n].of})
}

// addPerson gives somebody the affiliation of the list.
func (d *desk) addPerson(sig Signal) {
	d.rev++
	d.settling.Focus = "person"
	to, err := jid.Typed(sig.Text)
	if err != nil || to.Peer.Local() == "" {
		d.dialog.fault = "Enter an address. It looks like name@example.org."
		return
	}
	d.affiliate(to.Peer.Bare(), lists[d.dialog.chosen].of, strings.TrimSpace(sig.Also))
}

// takePerson takes somebody out of the list.
func (d *desk) takePerson(sig Signal) {
	d.settling.Focus = "people"
	d.affiliate(sig.JID, lists[d.dialog.chosen].then, "")
}

func (d *desk) affiliate(who jid.JID, to state.Affiliation, reason string) {
	d.want(state.NewAffiliation, state.ChangeAffiliation{Room: d.dialog.peer, Who: who, Affiliation: to, Reason: reason})
}

// people is the dialog that has the lists of a room.
func (m *modal) people() app.UI {
	d := m.Desk
	r := d.s.Room(d.dialog.peer)
	if r == nil {
		return app.Div()
	}
	list := lists[d.dialog.chosen]
	var tabs [][2]string
	for i, l := range lists {
		if r.MaySee(l.of) {
			tabs = append(tabs, [2]string{strconv.Itoa(i), l.name})
		}
	}
	doing := app.P().Class("dialog-doing").Attr("role", "status")
	if d.dialog.wish != "" {
		doing = doing.Text("Waiting for the room…")
	}
	return app.Div().Class("people").Body(
		choices("List", doReadPeople, strconv.Itoa(d.dialog.chosen), tabs),
		m.adding(r, list.of, list.add),
		app.P().ID("inside-fault").Class("field-fault").Attr("role", "alert").Text(d.dialog.fault), doing,
		app.Div().Class("listed-frame").Body(m.persons(r)))
}

// adding is the form that adds somebody to a list, if the person may.
func (m *modal) adding(r *state.Room, of state.Affiliation, action string) app.UI {
	d := m.Desk
	if !r.MayMake(&state.Occupant{JID: "somebody@example.org"}, of) {
		return app.Div().Attr("hidden", "true")
	}
	body := []app.UI{
		app.Label().Class("field-label").For("person").Text("Address"),
		&emptied{N: d.dialog.done, ID: "person"},
	}
	if of == state.Outcast {
		body = append(body, app.Label().Class("field-label field-next").For("person-why").Text("Reason (optional)"),
			app.Input().Type("text").ID("person-why").Class("field-input").Name("also").AutoComplete(false).MaxLength(300).Dir("auto"))
	}
	return app.Form().DataSet("form", string(doAddPerson)).DataSet("jid", string(r.JID)).Attr("novalidate", "true").Body(
		append(body, app.Div().Class("dialog-actions people-add").Body(
			app.Button().Type("submit").Class("button-quiet").Disabled(d.dialog.wish != "").Text(action)))...)
}

// emptied is a field for an address that is empty again with another N.
type emptied struct {
	app.Compo

	N  int
	ID string
}

// CompoID implements app.DismountEnforcer.
func (e *emptied) CompoID() string { return strconv.Itoa(e.N) }

// Render implements app.Composer.
func (e *emptied) Render() app.UI {
	return app.Input().Type("text").ID(e.ID).Class("field-input").Name("text").AutoComplete(false).Attr("inputmode", "email").
		Attr("autocapitalize", "none").Attr("spellcheck", "false").Placeholder("name@example.org").Dir("auto")
}

// persons are those of the list.
func (m *modal) persons(r *state.Room) app.UI {
	d := m.Desk
	list, all := lists[d.dialog.chosen], r.People
	said := func(text string) app.UI { return app.P().Class("dialog-doing").Attr("role", "status").Text(text) }
	switch {
	case all == nil || all.Of != list.of || all.Loading:
		return said("Asking the room…")
	case all.Problem != nil:
		return said(all.Problem.Text + " " + all.Problem.Advice)
	case len(all.Persons) == 0:
		return said(list.none)
	}
	first := min(max(0, d.dialog.first-10), max(0, len(all.Persons)-listedInSight))
	end := min(len(all.Persons), first+listedInSight)
	var rows []app.UI
	space := func(n int) {
		if n > 0 {
			rows = append(rows, app.Div().Class("spacer").Aria("hidden", "true").DataSet("rows", strconv.Itoa(n)))
		}
	}
	space(first)
	for i := first; i < end; i++ {
		rows = append(rows, m.person(r, all.Persons[i], i, len(all.Persons)))
	}
	space(len(all.Persons) - end)
	if all.More > 0 && end == len(all.Persons) {
		rows = append(rows, app.P().Class("details-hint").Text("There are "+strconv.Itoa(all.More)+" more, who are not shown."))
	}
	return app.Div().ID("people").Class("listed").Attr("role", "list").Aria("label", list.name).TabIndex(0).DataSet("window", string(doPeopleRows)).Body(rows...)
}

func (m *modal) person(r *state.Room, p state.Person, index, count int) app.UI {
	d := m.Desk
	name, what := d.s.Name(p.JID), p.JID.Shown()
	if p.JID == d.s.Account() {
		name = "You"
	}
	first := name
	if why := legible.Short(p.Reason, mostReason); why != "" {
		first, what = what, why
	}
	row := []app.UI{
		avatar(string(p.JID), name, "avatar-m", nil),
		app.Span().Class("listed-names").Body(
			app.Span().Class("listed-name").Body(app.Elem("bdi").Text(first)),
			app.Span().Class("listed-address").Title(what).Body(app.Elem("bdi").Text(what))),
	}
	list := lists[d.dialog.chosen]
	if p.JID != d.s.Account() && r.MayMake(&state.Occupant{JID: p.JID, Affiliation: list.of}, list.then) {
		row = append(row, iconButton("close", list.take+": "+name, doTakePerson).Class("person-take").DataSet("jid", string(p.JID)).
			Disabled(d.dialog.wish != ""))
	}
	return app.Div().Class("listed-item listed-room person").Attr("role", "listitem").
		Attr("aria-posinset", strconv.Itoa(index+1)).Attr("aria-setsize", strconv.Itoa(count)).Body(row...)
}
