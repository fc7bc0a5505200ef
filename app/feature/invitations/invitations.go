// Package invitations notes who invites the person to a room, directly (XEP-0249) or through the room
// (XEP-0045 §7.8.2), and declines invitations. It invites others in the same two ways.
//
// To a room for members only, people are invited through the room, which makes members of those who have no
// affiliation. If we did that, an admin whom we invite would become a member. To any other room people are invited
// directly, so that they know who has invited them.
//
// Nobody learns that the person has got an invitation before it is answered, and there is no sound. In an invitation
// through a room, the room says who invites: see state.Invitation.Known.
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

// direct handles an invitation that its author has sent to us.
func direct(c feature.Client, st *feature.Stanza) {
	x := st.Only(NS, "x")
	if st.Conv.Kind() == state.Groupchat || st.Only(nsUser, "x").Child(nsUser, "invite") != nil {
		return // it is to all in a room, or a second form of a mediated invitation
	}
	invited(c, st, state.Invitation{
		Room: jid.JID(x.Attr("jid")), From: st.By.JID, Reason: x.Attr("reason"), Password: x.Attr("password"),
	})
}

// mediated handles an invitation that a room passes on.
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
		// Strangers do not learn that somebody has read their invitation.
		if i := c.State().Invitation(room); i != nil && i.Mediated && i.Known(c.State()) {
			_ = c.Send(framing.New(framing.NSClient, "message").Set("to", string(room)).Set("id", c.NewID()).
				Add(framing.New(nsUser, "x").Add(framing.New(nsUser, "decline").Set("to", string(i.From)))))
		}
	}
	feature.Emit(c, state.Shown(in, c.State()))
	return true
}
