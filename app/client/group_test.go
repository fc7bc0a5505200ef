//go:build linux

package client_test

import (
	"testing"

	"natter/app/jid"
	"natter/app/state"
)

// J17, J36: a group is for members alone, who see each other's addresses, and has an archive where its
// server has one for rooms; whoever was chosen is invited, and nobody else comes in. A room for all has an
// archive as well.
func TestJ17_J36_Group(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		accounts := []jid.JID{p.account(t), p.account(t), p.account(t)}
		ada, grace, stranger := p.device(t, accounts[0]).here(), p.device(t, accounts[1]).here(), p.device(t, accounts[2]).here()
		service := "rooms." + p.domain
		if p.server != nil {
			service = p.server.Rooms
		}
		made, public := jid.JID("group@"+service), jid.JID("open@"+service)
		ada.Do(state.MakeGroup{Room: made, Name: "Tea", Who: []jid.JID{accounts[1]}})
		now := ada.until("a group", func(s *state.State) bool {
			r := s.Room(made)
			return r.In() && r.Group == nil && r.MembersOnly
		}).Room(made)
		if !now.ShowsAddresses || !now.Archive || now.Name != "Tea" || now.Outcome.Problem != nil {
			t.Errorf("the group is %+v, with %+v", now.RoomInfo, now.Outcome)
		}
		grace.until("an invitation", func(s *state.State) bool { return s.Invitation(made) != nil })
		grace.Do(state.JoinRoom{Room: made, Seen: true})
		grace.until("in the group", func(s *state.State) bool { return s.Room(made).In() })
		if me := grace.State().Room(made).Myself(); me == nil || me.Affiliation != state.Member {
			t.Errorf("grace is %+v", me)
		}
		stranger.Do(state.JoinRoom{Room: made, Seen: true})
		stranger.until("kept out", func(s *state.State) bool {
			r := s.Room(made)
			return r != nil && r.Problem != nil && r.Problem.Kind == "members-only"
		})
		ada.Do(state.JoinRoom{Room: public, Create: true})
		ada.until("a room for all, with an archive", func(s *state.State) bool {
			r := s.Room(public)
			return r.In() && r.Archive && !r.MembersOnly
		})
		stranger.Do(state.JoinRoom{Room: public, Seen: true})
		stranger.until("in the room for all", func(s *state.State) bool { return s.Room(public).In() })
	})
}
