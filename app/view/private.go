package view

import (
	"strconv"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/state"
)

// nickOf is the nick of whom a private conversation is with, safe to show.
func nickOf(conv state.ConvID) string {
	if nick := plain(conv.JID().Resource()); nick != "" {
		return nick
	}
	return "Somebody"
}

// unreachable says why nothing can be written in a conversation, "" if it can. Without a connection it
// can: it is seen once there is one whether the other is there.
func (d *desk) unreachable(conv state.ConvID) string {
	r := d.s.Room(conv.JID())
	switch {
	case conv.Kind() != state.Private:
	case r == nil || r.Step == state.Outside && d.s.Connection.Phase == state.Online:
		return "You are not in " + d.s.Name(conv.JID().Bare()) + ". You can write here when you are."
	case r.In():
		if o, _ := d.s.Partner(conv); o == nil {
			return nickOf(conv) + " is not in " + d.s.Name(r.JID) + " now. You can write here when they are back."
		}
	}
	return ""
}

// seenAside is all that is seen of an occupant in the private conversation with them: it is drawn again
// when that changes.
func (d *desk) seenAside(conv state.ConvID) string {
	if conv.Kind() != state.Private {
		return ""
	}
	_, other := d.s.Partner(conv)
	return d.unreachable(conv) + string(d.showIn(conv)) + strconv.FormatBool(other)
}

func unreachable(why string) app.UI {
	if why == "" {
		return app.Div().Attr("hidden", "true")
	}
	return app.P().Class("composer-note").Attr("role", "status").Text(why)
}

// invites is what stands in an empty composer: who is to read it, where that is not all.
func (d *desk) invites(conv state.ConvID) string {
	if conv.Kind() != state.Private {
		return "Message"
	}
	return d.privately(conv)
}

// privately says who sees what is said in a private conversation.
func (d *desk) privately(conv state.ConvID) string {
	return "Only " + nickOf(conv) + " in " + d.s.Name(conv.JID().Bare()) + " sees this"
}

// stranger finds the messages at which somebody else has the nick of a private conversation.
type stranger struct{ last jid.JID }

// is reports whether a message is by somebody else than the one before it that was not ours.
func (s *stranger) is(conv state.ConvID, m *state.Message) bool {
	if conv.Kind() != state.Private || m.Mine {
		return false
	}
	was := s.last
	s.last = m.Author
	return was != "" && was != m.Author
}

func somebodyElse(conv state.ConvID) app.UI {
	return app.P().Class("log-note").Attr("role", "note").Text("From here on somebody else is called " + nickOf(conv) + ".")
}

// private draws whom a private conversation is with.
func (p *details) private() app.UI {
	d := p.Desk
	room := p.Peer.Bare()
	now := "Not in the room now"
	if o, _ := d.s.Partner(p.Conv); o != nil {
		now = presenceWords(o.Show)
		if what := memberWords(o); what != "" {
			now += " · " + what
		}
	}
	return app.Aside().Class("details").Aria("label", "Details").Body(
		app.Header().Class("details-head").Body(
			app.H2().Class("details-title").Text("Details"),
			iconButton("close", "Close details", doLeave),
		),
		app.Div().Class("details-who").Body(
			avatar(string(p.Peer), nickOf(p.Conv), "avatar-xl", dot(d.showIn(p.Conv))),
			app.P().Class("details-name").Body(app.Elem("bdi").Text(nickOf(p.Conv))),
			app.P().Class("details-now").Text(now),
		),
		app.Div().Class("details-part").Body(
			app.Span().Class("details-label").Text("Room"),
			app.Button().Type("button").Class("button-quiet").DataSet("do", string(doOpen)).DataSet("conv", string(state.Groupchat.With(room))).Text(d.s.Name(room)),
			app.P().Class("details-hint").Text("What you say here goes to whoever has this nickname in the room, and to nobody else.")))
}
