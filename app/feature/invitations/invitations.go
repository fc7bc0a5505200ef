// Package invitations notes who invites the person to a room: directly (XEP-0249) or through the
// room (XEP-0045 §7.8.2), and declines. It invites others in the same ways.
//
// Into a room for members alone one invites through the room, which then makes a member of whoever is none.
// To say so ourselves would make a member of an admin, too. Into others one invites directly: a contact
// knows then who has.
//
// An invitation tells nobody anything until it is answered, and nothing sounds. One through a room
// says by itself who has sent it: see state.Invitation.Known.
package invitations

import (
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// Namespaces of XEP-0249 and XEP-0045.
const (
	NS     = "jabber:x:conference"
	nsUser = "http://jabber.org/protocol/muc#user"
)

// longest is how many bytes of a reason or a password are kept.
const longest = 500

// New returns the feature.
func New() *feature.Feature {
	i := inviting{}
	return &feature.Feature{
		Name:  "invitations (XEP-0249, XEP-0045)",
		Disco: []string{NS},
		Messages: map[framing.Name]feature.Handler{
			{Space: NS, Local: "x"}:                   direct,
			{Space: nsUser, Local: "x"}:               mediated,
			{Space: framing.NSClient, Local: "error"}: i.refused,
		},
		Start: func(feature.Client) { clear(i) },
		Do:    func(c feature.Client, in state.Intent) bool { return decline(c, in) || i.invite(c, in) },
	}
}

// direct is an invitation by somebody themselves.
func direct(c feature.Client, st *feature.Stanza) {
	x := st.Only(NS, "x")
	if st.Conv.Kind() == state.Groupchat || st.Only(nsUser, "x").Child(nsUser, "invite") != nil {
		return // to all, or the same in an older form
	}
	invited(c, st, state.Invitation{
		Room: jid.JID(x.Attr("jid")), From: st.By.JID, Reason: x.Attr("reason"), Password: x.Attr("password"),
	})
}

// mediated is an invitation that a room passes on.
func mediated(c feature.Client, st *feature.Stanza) {
	x := st.Only(nsUser, "x")
	invite := x.Only(nsUser, "invite")
	from, err := jid.Parse(invite.Attr("from"))
	if invite == nil || err != nil || !st.From.IsBare() {
		return
	}
	invited(c, st, state.Invitation{
		Room: st.From, From: from.Bare(), Mediated: true,
		Reason: invite.Child(nsUser, "reason").Text(), Password: x.Child(nsUser, "password").Text(),
	})
}

func invited(c feature.Client, st *feature.Stanza, in state.Invitation) {
	room, err := jid.Parse(string(in.Room))
	if err != nil || !room.IsBare() || room.Local() == "" || st.By.Mine || st.Page != nil && st.Page.Past {
		return
	}
	in.Room, in.At = jid.JID(strings.Clone(string(room))), st.At.UnixMicro()
	in.From = jid.JID(strings.Clone(string(in.From)))
	in.Reason, in.Password = short(in.Reason), short(in.Password)
	if c.State().Room(room) == nil {
		c.Emit(state.Invited{Invitation: in})
	}
}

func short(text string) string {
	return strings.ToValidUTF8(strings.Clone(text[:min(len(text), longest)]), "")
}

func decline(c feature.Client, in state.Intent) bool {
	decline, ok := in.(state.DeclineInvitations)
	if !ok {
		return false
	}
	for _, room := range decline.Rooms {
		// Strangers do not hear that anybody has read it.
		if i := c.State().Invitation(room); i != nil && i.Mediated && i.Known(c.State()) {
			_ = c.Send(framing.New(framing.NSClient, "message").Set("to", string(room)).Set("id", c.NewID()).
				Add(framing.New(nsUser, "x").Add(framing.New(nsUser, "decline").Set("to", string(i.From)))))
		}
	}
	feature.Emit(c, state.Shown(in, c.State()))
	return true
}
