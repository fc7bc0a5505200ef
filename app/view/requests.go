package view

import (
	"slices"
	"strconv"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/state"
)

// requestRow is the row of the list that leads to who asks to see our presence. However many
// ask, it is one row.
func requestRow(n int) app.UI {
	text := count(n) + " people wait for your answer."
	if n == 1 {
		text = "One person waits for your answer."
	}
	return app.Button().Type("button").Class("request-row").ID("requests").DataSet("do", string(doRequests)).Body(
		app.Span().Class("request-mark").Body(icon("person")),
		app.Span().Class("request-words").Body(
			app.Strong().Class("request-name").Text("Contact requests"),
			app.Span().Class("request-text").Text(text)),
		app.Span().Class("badge").Aria("hidden", "true").Text(count(n)))
}

// count is a number of requests: from MostRequests on nobody has counted.
func count(n int) string {
	if n >= state.MostRequests {
		return "1,000+"
	}
	return strconv.Itoa(n)
}

// requests are those who ask to see our presence, by address. They are not to be changed.
func (d *desk) requests() []*state.Contact {
	a := &d.asking
	if a.s != nil && a.s.SameContacts(d.s) {
		return a.all
	}
	a.s, a.all = d.s, nil
	for c := range d.s.Contacts {
		if c.Asks() {
			a.all = append(a.all, c)
		}
	}
	return a.all
}

// asking is what requests has returned, and for what.
type asking struct {
	s   *state.State
	all []*state.Contact
}

// requestsAtOnce is how many of those who ask are on the page.
const requestsAtOnce = 20

// page are those of the requests that the dialog shows, and how many come before them.
func (d *desk) page() (page []*state.Contact, first int) {
	all := d.requests()
	first = max(0, min(d.dialog.first, (len(all)-1)/requestsAtOnce*requestsAtOnce))
	return all[first:min(len(all), first+requestsAtOnce)], first
}

// answer carries out what the person has answered to a request. With the last one the dialog
// goes.
func (d *desk) answer(in state.Intent, peer jid.JID) {
	d.model.Do(in)
	if d.dialog.kind != "requests" {
		return
	}
	all := d.requests()
	at := slices.IndexFunc(all, func(c *state.Contact) bool { return c.JID == peer })
	switch {
	case at >= 0 && at+1 < len(all):
		d.dialog.answered, d.dialog.next = peer, all[at+1].JID
	case at > 0:
		d.dialog.answered, d.dialog.next = peer, all[at-1].JID
	default:
		d.dialog = dialog{}
		d.settling.Focus = "me"
	}
	d.rev++
}

// goOn puts the focus on the next request when the one that was answered is off the page: no
// sooner, for the row that has it may show another request then.
func (d *desk) goOn() {
	if d.dialog.answered != "" && !d.s.Contact(d.dialog.answered).Asks() {
		d.settling.Focus = "accept:" + string(d.dialog.next)
		d.dialog.answered = ""
	}
}

// asked are those who ask, a page at a time.
func (m *modal) asked() app.UI {
	d := m.Desk
	page, first := d.page()
	all := len(d.requests())
	if all == 0 {
		return app.P().Attr("role", "status").Text("Nobody is waiting for an answer.")
	}
	var rows []app.UI
	for _, c := range page {
		rows = append(rows, request(d, c))
	}
	body := []app.UI{
		app.P().Class("details-hint").Text("They want to see when you are online. Whoever you accept is asked for the same."),
	}
	if all >= state.MostRequests {
		body = append(body, app.P().Class("details-hint").Attr("role", "status").Text(
			"There are more than can be shown. Your server keeps the others; they come once you have answered these and sign in again."))
	}
	body = append(body, app.Ul().Class("requests").Body(rows...))
	if all > len(page) {
		turn := func(word string, to int, possible bool) app.UI {
			return app.Button().Type("button").Class("button-quiet button-small").DataSet("do", string(doTurn)).
				DataSet("number", strconv.Itoa(to)).Disabled(!possible).Text(word)
		}
		body = append(body, app.Div().Class("request-pages").Body(
			turn("Previous", first-requestsAtOnce, first > 0),
			app.Span().Attr("role", "status").Text(strconv.Itoa(first+1)+" to "+strconv.Itoa(first+len(page))+" of "+count(all)),
			turn("Next", first+requestsAtOnce, first+len(page) < all)))
	}
	if all > 1 {
		body = append(body, app.Div().Class("dialog-actions").Body(
			app.Button().Type("button").Class("button-danger").DataSet("do", string(doDeclining)).Text("Decline all "+count(all))))
	}
	return app.Div().Body(body...)
}

// request is somebody who asks to see our presence. The address stands beside the
// name they chose, for names can be anything.
func request(d *desk, c *state.Contact) app.UI {
	name := d.s.Name(c.JID)
	text := []app.UI{
		app.Strong().Class("request-name").Body(app.Elem("bdi").Text(name)),
		app.Span().Class("request-address").Body(app.Elem("bdi").Text(c.JID.Shown())),
	}
	if why := plain(c.AskText); why != "" {
		text = append(text, app.Q().Class("request-quote").Dir("auto").Text(why))
	}
	peer := string(c.JID)
	return app.Li().Class("request").Body(
		avatar(peer, name, "avatar-l", nil),
		app.Div().Class("request-body").Body(
			app.Div().Class("request-words").Body(text...),
			app.Div().Class("request-actions").Body(
				app.Button().Type("button").Class("button-primary button-small").ID("accept:"+peer).DataSet("do", string(doAccept)).DataSet("jid", peer).
					Aria("label", "Accept "+name).Text("Accept"),
				app.Button().Type("button").Class("button-quiet button-small").DataSet("do", string(doDecline)).DataSet("jid", peer).
					Aria("label", "Decline "+name).Text("Decline"),
			),
		),
	)
}
