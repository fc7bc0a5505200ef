package view

import (
	"strconv"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/state"
)

// details is who the open conversation is with.
type details struct {
	app.Compo

	Rev  uint64
	Desk *desk
	Conv state.ConvID
	Peer jid.JID
}

// CompoID implements app.DismountEnforcer.
func (p *details) CompoID() string { return string(p.Conv) }

// Render implements app.Composer.
func (p *details) Render() app.UI {
	d := p.Desk
	if r := d.room(); r != nil {
		return p.room(r)
	}
	if p.Conv.Kind() == state.Private {
		return p.private()
	}
	c := d.s.Contact(p.Peer)
	name, now := d.s.Name(p.Peer), d.presence(c)
	if p.Peer == d.s.Account() {
		now = "You"
	}
	body := []app.UI{
		app.Header().Class("details-head").Body(
			app.H2().Class("details-title").Text("Details"),
			iconButton("close", "Close details", doLeave),
		),
		app.Div().Class("details-who").Body(
			avatar(string(p.Peer), name, "avatar-xl", dot(d.showOf(c))),
			app.P().Class("details-name").Body(app.Elem("bdi").Text(name)),
			app.P().Class("details-now").Text(now),
		),
		app.Div().Class("details-address").Body(
			app.Span().Class("details-label").Text("XMPP address"),
			app.Elem("bdi").Class("details-jid").Text(p.Peer.Shown()),
			iconButton("copy", "Copy address", doCopy).DataSet("text", string(p.Peer)),
		),
	}
	if p.Peer == d.s.Account() {
		return app.Aside().Class("details").Aria("label", "Details").Body(append(body, app.Div().Class("details-part").Body(
			app.P().Class("details-hint").Text(ownNotes)))...)
	}
	if words := d.pending(c); words != "" && d.s.Connection.Phase != state.Online {
		body = append(body, app.P().Class("details-part details-hint").Attr("role", "status").Text(words+"."))
	}
	if c != nil && c.Refused != "" {
		body = append(body, app.P().Class("details-part field-fault").Attr("role", "alert").Text("This contact "+c.Refused))
	}
	if !c.Listed() {
		body = append(body, app.Div().Class("details-part").Body(
			app.P().Class("details-hint").Text("Not in your contacts. Add them to see when they are online."),
			app.Button().Type("button").Class("button-primary").DataSet("do", string(doAdd)).DataSet("jid", string(p.Peer)).Text("Add to contacts")))
		return app.Aside().Class("details").Aria("label", "Details").Body(body...)
	}
	body = append(body,
		app.Form().Class("details-part").DataSet("form", string(doRename)).DataSet("jid", string(p.Peer)).Body(
			app.Label().Class("details-label").For("rename").Text("Name"),
			app.Div().Class("details-rename").Body(
				app.Input().Type("text").ID("rename").Class("field-input").Name("text").AutoComplete(false).MaxLength(100).Attr("value", d.s.Called(p.Peer)).Placeholder(jid.Unescape(p.Peer.Local())),
				app.Button().Type("submit").Class("button-quiet").Text("Save")),
		),
		app.Div().Class("details-part").Body(
			app.Span().Class("details-label").Text("Who sees whom"),
			app.P().Class("details-hint").Text(subscription(c, name)),
		),
		app.Div().Class("details-part").Body(
			app.Button().Type("button").Class("button-danger").DataSet("do", string(doRemoving)).DataSet("jid", string(p.Peer)).Text("Remove from contacts")),
	)
	return app.Aside().Class("details").Aria("label", "Details").Body(body...)
}

// ownNotes is what a conversation with oneself is.
const ownNotes = "Notes to yourself. You find what you write here on all your devices."

// presence says what is known of a contact now: nothing without a connection.
func (d *desk) presence(c *state.Contact) string {
	if d.s.Connection.Phase != state.Online {
		return "You are offline"
	}
	p := c.Presence()
	text := presenceWords(p.Show)
	if s := plain(p.Status); s != "" {
		text += " · " + s
	}
	return text
}

// pending says what has been done to a contact and is not on the server, "" if nothing is.
func (d *desk) pending(c *state.Contact) string {
	if c == nil {
		return ""
	}
	what := ""
	switch p := c.Pending; {
	case p.Edit == state.Add:
		what = "added to your contacts"
	case p.Edit == state.Rename:
		what = "renamed"
	case p.Edit == state.Remove:
		what = "removed from your contacts"
	case p.Answer == state.Accept:
		what = "told that you accept"
	case p.Answer == state.Decline:
		what = "told that you decline"
	case p.Ask:
		what = "asked"
	default:
		return ""
	}
	if d.s.Connection.Phase == state.Online {
		return "Being " + what
	}
	return "Will be " + what + " when you are online"
}

// unsaved says how much of what was done to contacts waits for a connection.
func unsaved(n int) string {
	if n == 1 {
		return "What you did to a contact is saved when you are online."
	}
	return "What you did to " + strconv.Itoa(n) + " contacts is saved when you are online."
}

func subscription(c *state.Contact, name string) string {
	switch c.Subscription {
	case state.SubscriptionBoth:
		return "You see when " + name + " is online, and " + name + " sees when you are."
	case state.SubscriptionTo:
		return "You see when " + name + " is online. " + name + " does not see when you are."
	case state.SubscriptionFrom:
		return name + " sees when you are online. You do not see when " + name + " is."
	}
	if c.Asked {
		return "You asked to see when " + name + " is online. There is no answer yet."
	}
	return "Neither of you sees when the other is online."
}
