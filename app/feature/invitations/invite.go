package invitations

import (
	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// inviting has, by the ids of our latest invitations through rooms in this stream, these rooms.
type inviting map[string]jid.JID

// most is how many invitations are remembered, and how many people are invited at once.
const most = 100

func (i inviting) invite(c feature.Client, in state.Intent) bool {
	want, ok := in.(state.Invite)
	if !ok {
		return false
	}
	room := c.State().Room(want.Room) // after a take-over we may not be in it yet
	if room == nil {
		return true
	}
	for _, who := range want.Who[:min(len(want.Who), most)] {
		st := framing.New(framing.NSClient, "message").Set("id", c.NewID())
		if room.MembersOnly {
			if len(i) >= most {
				clear(i)
			}
			i[st.Attr("id")] = room.JID
			invite := framing.New(nsUser, "invite").Set("to", string(who.Bare()))
			if want.Reason != "" {
				invite.Add(framing.New(nsUser, "reason").AddText(want.Reason))
			}
			st.Set("to", string(room.JID)).Add(framing.New(nsUser, "x").Add(invite))
		} else {
			x := framing.New(NS, "x").Set("jid", string(room.JID))
			if want.Reason != "" {
				x.Set("reason", want.Reason)
			}
			if room.Password != "" {
				x.Set("password", room.Password)
			}
			st.Set("to", string(who.Bare())).Add(x)
		}
		_ = c.Send(st) // without a connection it waits for the next one
	}
	feature.AnswerRoom(c, room.JID, state.NewMember, nil, "", nil)
	return true
}

// refused handles the error of a room for an invitation of ours.
func (i inviting) refused(c feature.Client, st *feature.Stanza) {
	room, ours := i[st.ID]
	if !ours || st.From != room || st.Source != feature.Live {
		return
	}
	delete(i, st.ID)
	feature.AnswerRoom(c, room, state.NewMember, framing.ReadStanzaError(st.Element), "The invitation did not leave the room.", map[string]string{
		"forbidden":      "You may not invite anybody to it.",
		"not-acceptable": "The room does not accept it.",
		"jid-malformed":  "That is no address of a person.",
	})
}
