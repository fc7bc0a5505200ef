//go:build linux

package client_test

import (
	"slices"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/store/storetest"
)

// J17, J36: a group is for members only, who see each other's addresses. It has an archive if the server has one for
// rooms. The chosen people are invited, and nobody else can enter. A room for all has an archive too.
func TestJ17_J36_Group(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		accounts := []jid.JID{p.account(t), p.account(t), p.account(t)}
		ada, grace, stranger := p.device(t, accounts[0]).here(), p.device(t, accounts[1]).here(), p.device(t, accounts[2]).here()
		made, public := p.room("group"), p.room("open")
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

// J37: a room shows its owner who is banned and who is a member. When a ban is lifted in the list, the person who was
// banned can enter again.
func TestJ37_People(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		accounts := []jid.JID{p.account(t), p.account(t)}
		ada, grace := p.device(t, accounts[0]).here(), p.device(t, accounts[1]).here()
		room := p.room("people")
		ada.Do(state.JoinRoom{Room: room, Create: true})
		ada.until("a room", func(s *state.State) bool { r := s.Room(room); return r.In() && r.Archive })
		makes := func(what state.Affiliation, reason string) {
			t.Helper()
			n := ada.State().Room(room).Outcome.N
			ada.Do(state.ChangeAffiliation{Room: room, Who: accounts[1], Affiliation: what, Reason: reason})
			ada.until("an answer", func(s *state.State) bool { return s.Room(room).Outcome.N > n })
		}
		list := func(of state.Affiliation) []state.Person {
			t.Helper()
			before := ada.State().Room(room).People
			ada.Do(state.ReadPeople{Room: room, Of: of})
			p := ada.until("a list", func(s *state.State) bool {
				p := s.Room(room).People
				return p != before && p.Of == of && !p.Loading
			}).Room(room).People
			if p.Problem != nil {
				t.Errorf("the list is not told: %+v", p.Problem)
			}
			return p.Persons
		}
		holds := func(of state.Affiliation, want ...jid.JID) {
			t.Helper()
			var got []jid.JID
			for _, p := range list(of) {
				got = append(got, p.JID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("of %d there are %q, want %q", of, got, want)
			}
		}
		holds(state.Owner, accounts[0])
		holds(state.Outcast)
		makes(state.Outcast, "spam")
		holds(state.Outcast, accounts[1])
		t.Logf("the list of those who are banned: %+v", list(state.Outcast))
		grace.Do(state.JoinRoom{Room: room, Seen: true})
		grace.until("banned", func(s *state.State) bool {
			r := s.Room(room)
			return r != nil && r.Problem != nil && r.Problem.Kind == "banned"
		})
		makes(state.NoAffiliation, "")
		if p := ada.State().Room(room).People; len(p.Persons) != 0 {
			t.Errorf("in the list is %+v", p.Persons)
		}
		holds(state.Outcast)
		grace.Do(state.JoinRoom{Room: room, Seen: true})
		grace.until("in the room", func(s *state.State) bool { return s.Room(room).In() })
		makes(state.Member, "")
		holds(state.Member, accounts[1])
	})
}

// J38: after the person has registered a nick in a room, they enter under it the next time, and nobody else can have it
// until the registration ends.
func TestJ38_Register(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		accounts := []jid.JID{p.account(t), p.account(t), p.account(t)}
		ada, grace, alan := p.device(t, accounts[0]).here(), p.device(t, accounts[1]).here(), p.device(t, accounts[2]).here()
		room := p.room("register")
		inside := func(s *state.State) bool { return s.Room(room).In() }
		ada.Do(state.JoinRoom{Room: room, Create: true})
		ada.until("a room", func(s *state.State) bool { r := s.Room(room); return r.In() && r.Archive })
		grace.Do(state.JoinRoom{Room: room, Seen: true})
		r := grace.until("in the room", inside).Room(room)
		if !r.Registers {
			t.Log("rooms of this server do not keep nicks, and do not say so")
			return
		}
		n := ada.State().Room(room).Outcome.N
		ada.Do(state.ChangeAffiliation{Room: room, Who: accounts[1], Affiliation: state.Member}) // Prosody registers nicks of members only
		ada.until("an answer", func(s *state.State) bool { return s.Room(room).Outcome.N > n })
		registers := func(nick string) {
			t.Helper()
			n := grace.State().Room(room).Outcome.N
			grace.Do(state.RegisterNick{Room: room, Nick: nick})
			now := grace.until("an answer", func(s *state.State) bool { return s.Room(room).Outcome.N > n }).Room(room)
			if now.Outcome.Problem != nil || now.Reserved != nick {
				t.Errorf("kept is %q: %+v", now.Reserved, now.Outcome.Problem)
			}
		}
		registers("countess")
		grace.Do(state.LeaveRoom{Room: room})
		grace.until("out", func(s *state.State) bool { return s.Room(room) == nil })
		alan.Do(state.JoinRoom{Room: room, Nick: "countess", Seen: true})
		alan.until("refused", func(s *state.State) bool {
			r := s.Room(room)
			return r != nil && r.Problem != nil && r.Problem.Kind == "nick-taken"
		})
		grace.Do(state.JoinRoom{Room: room, Seen: true})
		if r := grace.until("in the room again", inside).Room(room); r.Nick != "countess" {
			t.Errorf("grace is called %q", r.Nick)
		}
		registers("")
	})
}

// J39: in a group each member sees who has read the last message.
func TestJ39_Readers(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		room := p.room("readers")
		conv := state.Groupchat.With(room)
		ada.Do(state.MakeGroup{Room: room, Name: "Readers", Who: []jid.JID{grace.account}})
		ada.until("a group", func(s *state.State) bool { r := s.Room(room); return r.In() && r.Group == nil && r.ShowsAddresses })
		grace.until("an invitation", func(s *state.State) bool { return s.Invitation(room) != nil })
		grace.Do(state.JoinRoom{Room: room, Seen: true})
		grace.until("in the group", func(s *state.State) bool { r := s.Room(room); return r != nil && r.Step == state.Inside })
		ada.until("grace in the group", func(s *state.State) bool { return s.Room(room).Occupants.Len() == 2 })
		ada.Do(state.SendMessage{Conv: conv, Body: "have you read this?"})
		grace.until("the message", func(s *state.State) bool { return s.Chat(conv) != nil && s.Chat(conv).Unread > 0 })
		grace.Do(state.ReadChat{Conv: conv})
		now := ada.until("grace has read", func(s *state.State) bool { all := s.Room(room).Readers; return all != nil && len(all.All) == 1 })
		if by := now.Room(room).Readers.All[0]; by.To != now.Chat(conv).Timeline.Last().Key || by.Nick != grace.account.Local() {
			t.Errorf("who has read is %+v", by)
		}
		eventually(t, "it is on the disk", func() bool {
			return slices.ContainsFunc(storetest.Of[*state.Room](d.kept().Rows), func(r *state.Room) bool { return r.JID == room && r.Readers != nil })
		})
		ada = ada.reload().back()
		ada.until("grace has still read", func(s *state.State) bool {
			r := s.Room(room)
			return r.In() && r.TellsReaders() && r.Readers != nil && len(r.Readers.All) == 1 && r.Readers.All[0] == now.Room(room).Readers.All[0]
		})
	})
}

// L18: a moderator has the room remove a message of somebody else, in the words of the version that the room knows. All see
// that it is gone, and who comes later does not read it. The room refuses that to others.
func TestL18_Remove(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace, alan := p.person(t).here(), p.person(t).here(), p.person(t).here()
		room := p.room("remove")
		conv := state.Groupchat.With(room)
		ada.Do(state.JoinRoom{Room: room, Create: true})
		ada.until("a room", func(s *state.State) bool { r := s.Room(room); return r.In() && r.Archive })
		grace.Do(state.JoinRoom{Room: room, Seen: true})
		grace.until("in the room", func(s *state.State) bool { r := s.Room(room); return r != nil && r.Step == state.Inside })
		if ada.State().Room(room).Moderates == "" {
			t.Log("rooms of this server remove no messages, and do not say so")
			return
		}
		grace.Do(state.SendMessage{Conv: conv, Body: "buy my potions"})
		grace.Do(state.SendMessage{Conv: conv, Body: "good day"})
		find := func(s *state.State, body string) *state.Message {
			if s.Chat(conv) != nil {
				for m := range s.Chat(conv).Timeline.All {
					if m.Words() == body {
						return m
					}
				}
			}
			return nil
		}
		ada.until("both messages", func(s *state.State) bool { return find(s, "buy my potions") != nil && find(s, "good day") != nil })
		of := func(body string) state.Target { return ada.State().Chat(conv).Of(find(ada.State(), body)) }
		asks := func(who *person, body, reason string) *state.Problem {
			t.Helper()
			n := who.State().Room(room).Outcome.N
			who.Do(state.Moderate{Of: of(body), Reason: reason})
			return who.until("an answer", func(s *state.State) bool { return s.Room(room).Outcome.N > n }).Room(room).Outcome.Problem
		}
		if problem := asks(grace, "good day", ""); problem == nil {
			t.Error("somebody who is no moderator removes a message")
		}
		if !ada.State().Room(room).MayRemove() || grace.State().Room(room).MayRemove() {
			t.Error("it is not offered to moderators alone")
		}
		if problem := asks(ada, "buy my potions", "no magic"); problem != nil {
			t.Fatalf("the message is not removed: %+v", problem)
		}
		for _, who := range []*person{ada, grace} {
			s := who.until("it is gone", func(s *state.State) bool { return find(s, "buy my potions") == nil })
			gone := 0
			for m := range s.Chat(conv).Timeline.All {
				if f, is := m.Gone(); is {
					gone++
					if f.Kind != state.Moderated || f.Text != "no magic" {
						t.Errorf("%s reads %+v", who.account, f)
					}
				}
			}
			if gone != 1 || find(s, "good day") == nil {
				t.Errorf("%s has lost %d messages", who.account, gone)
			}
		}
		alan.Do(state.JoinRoom{Room: room, Seen: true})
		s := alan.until("what was said before", func(s *state.State) bool { return find(s, "good day") != nil })
		if find(s, "buy my potions") != nil {
			t.Error("who comes later reads what was removed")
		}
		t.Logf("who comes later sees %d messages", s.Chat(conv).Timeline.Len())
	})
}

// J41: whom a room keeps out because only members may enter asks it to become one. They read that they have asked, or
// that the room or its server takes no such requests; then an owner makes them a member.
func TestJ41_AskMembership(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace := p.person(t).here(), p.person(t).here()
		room := p.room("ask")
		ada.Do(state.MakeGroup{Room: room, Name: "Members"})
		ada.until("a group", func(s *state.State) bool { r := s.Room(room); return r.In() && r.Group == nil && r.MembersOnly })
		kind := func(s *state.State) string {
			if r := s.Room(room); r != nil && r.Problem != nil {
				return r.Problem.Kind
			}
			return ""
		}
		grace.Do(state.JoinRoom{Room: room, Seen: true})
		grace.until("kept out", func(s *state.State) bool { return kind(s) == state.MembersOnly })
		grace.Do(state.AskMembership{Room: room})
		s := grace.until("an answer", func(s *state.State) bool { return kind(s) == "asked" || kind(s) == "not-asked" })
		t.Logf("the room says: %+v", s.Room(room).Problem)
		if p.server == nil { // it alone sends the form of §9.9
			all := ada.until("asked", func(s *state.State) bool { return len(s.Room(room).OpenAppeals()) == 1 }).Room(room).OpenAppeals()
			if all[0].Type != state.MemberAppeal || all[0].JID != grace.account || kind(s) != "asked" {
				t.Errorf("ada is asked %+v, and grace reads %q", all[0], kind(s))
			}
			ada.Do(state.AnswerAppeal{Room: room, Type: all[0].Type, Nick: all[0].Nick, Allow: true})
			ada.until("nothing to decide", func(s *state.State) bool { return len(s.Room(room).OpenAppeals()) == 0 })
			grace.Do(state.JoinRoom{Room: room, Seen: true})
			grace.until("in the group", func(s *state.State) bool { return s.Room(room).In() })
			return
		}
		n := ada.State().Room(room).Outcome.N
		ada.Do(state.ChangeAffiliation{Room: room, Who: grace.account, Affiliation: state.Member})
		ada.until("an answer", func(s *state.State) bool { return s.Room(room).Outcome.N > n })
		grace.Do(state.JoinRoom{Room: room, Seen: true})
		grace.until("in the group", func(s *state.State) bool { return s.Room(room).In() })
	})
}

// J43: who can only listen asks to speak; a moderator is asked, agrees, and then they may speak.
func TestJ43_Voice(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace := p.person(t).here(), p.person(t).here()
		room := p.room("voice")
		ada.Do(state.JoinRoom{Room: room, Create: true})
		ada.until("a room", func(s *state.State) bool { r := s.Room(room); return r.In() && r.Archive })
		grace.Do(state.JoinRoom{Room: room, Seen: true})
		grace.until("in the room", func(s *state.State) bool { return s.Room(room).In() })
		nick := grace.State().Room(room).Nick
		ada.until("grace in the room", func(s *state.State) bool { return s.Room(room).Occupants.Len() == 2 })
		role := func(is state.Role) func(*state.State) bool {
			return func(s *state.State) bool { return s.Room(room).Myself().Role == is }
		}
		ada.Do(state.ChangeRole{Room: room, Nick: nick, Role: state.Visitor})
		grace.until("silent", role(state.Visitor))
		grace.Do(state.AskVoice{Room: room})
		all := ada.until("asked", func(s *state.State) bool { return len(s.Room(room).OpenAppeals()) == 1 }).Room(room).OpenAppeals()
		if all[0].Nick != nick || all[0].Type != state.VoiceAppeal || all[0].JID != grace.account {
			t.Errorf("ada is asked %+v", all[0])
		}
		ada.Do(state.AnswerAppeal{Room: room, Type: all[0].Type, Nick: nick, Allow: true})
		grace.until("may speak", role(state.Participant))
		ada.until("nothing to decide", func(s *state.State) bool { return len(s.Room(room).OpenAppeals()) == 0 })
	})
}
