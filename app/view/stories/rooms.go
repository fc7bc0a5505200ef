package stories

import (
	"fmt"
	"time"

	"natter/app/jid"
	"natter/app/state"
)

const lounge = "lounge@rooms.example.org"

// heard is something that an occupant has said in the lounge.
func heard(now time.Time, ago time.Duration, id, nick, body string) state.Event {
	return state.MessageAdded{Conv: lounge + "/", Message: state.Message{
		ID: fmt.Sprint("r", ago), Author: jid.JID(lounge).WithResource("\x01" + id), Nick: nick, Body: body, At: now.Add(-ago),
	}}
}

func room(now time.Time) *state.State {
	return play(typical(now),
		state.RoomWanted{Room: lounge},
		state.RoomDescribed{Room: lounge, Info: state.RoomInfo{Name: "The Lounge", Archive: true, OccupantIDs: true}},
		state.RoomEntered{Room: lounge, Nick: "ada", Self: "a1", Occupants: []state.Occupant{
			{Nick: "ada", ID: "a1", Role: state.Participant, Affiliation: state.Member, Show: state.Available},
			{Nick: "Grace", ID: "g1", Role: state.Moderator, Affiliation: state.Owner, Show: state.Available},
			{Nick: "Emmy", ID: "e1", JID: emmy, Role: state.Participant, Affiliation: state.Member, Show: state.Away},
			{Nick: "محمد", ID: "m1", Role: state.Participant, Show: state.DND},
			{Nick: "a visitor with a long name, who only listens to what others say", ID: "v1", Role: state.Visitor, Show: state.Available},
		}},
		state.SubjectChanged{Room: lounge, Subject: "Engines, and what to drink beside them. Thursday at four: moths."},
		state.RoomInside{Room: lounge},
		heard(now, 50*minute, "g1", "Grace", "Who brings the tea on Thursday?"),
		heard(now, 49*minute, "e1", "Emmy", "I can. Green or black?"),
		heard(now, 48*minute, "e1", "Emmy", "Or both, by symmetry."),
		heard(now, 47*minute, "m1", "محمد", "الشاي الأخضر من فضلك"),
		state.MessageAdded{Conv: lounge + "/", Message: state.Message{ID: "r-mine", Author: me, Mine: true, Delivery: state.OnServer, Body: "Both, then. I bring cake.", At: now.Add(-40 * minute)}},
		heard(now, 4*minute, "g1", "Grace", "Then I bring the moth."),
	)
}

// counted is a list with rooms of which one counts what names us, one everything and one nothing.
func counted(now time.Time) *state.State {
	s := room(now)
	for i, name := range []string{"Kitchen", "Announcements", "Engine room", "Weather"} {
		at := jid.JID(fmt.Sprintf("room%d@rooms.example.org", i))
		s = play(s, state.RoomWanted{Room: at}, state.RoomDescribed{Room: at, Info: state.RoomInfo{Name: name, MembersOnly: i == 2}},
			state.RoomEntered{Room: at, Nick: "ada", Self: "a", Occupants: []state.Occupant{{Nick: "ada", ID: "a"}, {Nick: "Grace", ID: "g"}}})
		for n, body := range []string{"Is there any coal left?", "Ask Ada.", "She knows."} {
			s = s.With(state.MessageAdded{Conv: state.Groupchat.With(at), Message: state.Message{
				ID: fmt.Sprint(i, n), Author: at.WithResource("\x01g"), Nick: "Grace", Body: body, At: now.Add(-3 * minute), Named: n == 1 && i != 3}})
		}
	}
	return s.With(state.NotifyChanged{Room: "room1@rooms.example.org", Notify: state.NotifyNone})
}

// aside is a conversation with one occupant, whose nick somebody else has taken since.
func aside(now time.Time) *state.State {
	conv := state.Private.With(jid.JID(lounge).WithResource("Grace"))
	say := func(ago time.Duration, id, nick, body string) state.Event {
		m := state.Message{ID: fmt.Sprint("p", ago), Author: jid.JID(lounge).WithResource("\x01" + id), Nick: nick, Body: body, At: now.Add(-ago)}
		if nick == "" {
			m.Author, m.Mine, m.Delivery = me, true, state.OnServer
		}
		return state.MessageAdded{Conv: conv, Message: m}
	}
	return play(room(now),
		say(30*minute, "g1", "Grace", "Between us: is the cake for Thursday?"),
		say(29*minute, "", "", "It is. Tell nobody."),
		say(28*minute, "g1", "Grace", "My lips are sealed."),
		say(9*minute, "x1", "Grace", "Hi! Who are you?"),
	)
}

// written is the lounge while two write.
func written(now time.Time) *state.State {
	return play(room(now), state.TypingChanged{Conv: lounge + "/", Nick: "Grace", Typing: true}, state.TypingChanged{Conv: lounge + "/", Nick: "Emmy", Typing: true})
}

// parted is aside after whoever had the nick has left.
func parted(now time.Time) *state.State {
	return aside(now).With(state.OccupantLeft{Room: lounge, Nick: "Grace"})
}

func roomClosed(problem state.Problem, moved jid.JID) func(time.Time) *state.State {
	return func(now time.Time) *state.State {
		return room(now).With(state.RoomClosed{Room: lounge, Problem: &problem, Moved: moved})
	}
}

func joining(problem *state.Problem) func(time.Time) *state.State {
	return func(now time.Time) *state.State {
		s := play(typical(now), state.RoomWanted{Room: lounge})
		if problem != nil {
			s = s.With(state.RoomClosed{Room: lounge, Problem: problem})
		}
		return s
	}
}

// browsing is a server with many rooms.
func browsing(now time.Time) *state.State {
	list := &state.Directory{Service: "rooms.example.org"}
	for i, name := range []string{"The Lounge", "Kitchen", "Announcements", "Mathematics, and whatever else is true for a longer time than a week", "شاي", "Music"} {
		list.Rooms = append(list.Rooms, state.Listed{JID: jid.JID(fmt.Sprintf("room%d@rooms.example.org", i)), Name: name})
	}
	for i := range 300 {
		list.Rooms = append(list.Rooms, state.Listed{JID: jid.JID(fmt.Sprintf("project-%d@rooms.example.org", i))})
	}
	return typical(now).With(state.DirectoryRead{Directory: list})
}

// readers is a room in which each says what they have read.
func readers(now time.Time) *state.State {
	s := room(now).With(state.RoomDescribed{Room: lounge, Info: state.RoomInfo{Name: "The Lounge", Archive: true, OccupantIDs: true, ShowsAddresses: true}})
	say := func(ago time.Duration, id string, m state.Message) {
		m.ID, m.ArchiveID, m.At = id, id, now.Add(-ago)
		s = s.With(state.MessageAdded{Conv: lounge + "/", Message: m})
	}
	say(3*minute, "q1", state.Message{Author: me, Mine: true, Delivery: state.OnServer, Body: "Half past three, so that the water boils at four?"})
	say(2*minute, "q2", state.Message{Author: lounge + "/\x01g1", Nick: "Grace", Body: "Half past three it is."})
	for _, by := range [][3]string{{"Emmy", "e1", "q1"}, {"محمد", "m1", "q2"}, {"a visitor with a long name, who only listens to what others say", "v1", "q2"}} {
		s = s.With(state.RoomReadTo{Room: lounge, Nick: by[0], By: lounge + "/\x01" + jid.JID(by[1]), ID: by[2]})
	}
	return s.With(state.ChatRead{Conv: lounge + "/"})
}

// registered is a room that keeps a nick for the person.
func registered(now time.Time) *state.State {
	return play(room(now), state.RoomDescribed{Room: lounge, Info: state.RoomInfo{Name: "The Lounge", Archive: true, OccupantIDs: true, Registers: true}},
		state.NickReserved{Room: lounge, Nick: "countess"})
}

// peopled is the room of an owner with many who are banned, or none because of a problem.
func peopled(problem *state.Problem) func(now time.Time) *state.State {
	return func(now time.Time) *state.State {
		banned := &state.People{Of: state.Outcast, Problem: problem, More: 7}
		for i := range 300 {
			banned.Persons = append(banned.Persons, state.Person{JID: jid.JID(fmt.Sprintf("spam%03d@casino.example", i)), Reason: "Sold moths, and did not stop when asked, though everybody did ask"})
		}
		banned.Persons[1].Reason = ""
		return moderated(now).With(state.PeopleRead{Room: lounge, People: banned})
	}
}

// groupOffline is browsing after the connection was lost.
func groupOffline(now time.Time) *state.State {
	return browsing(now).With(state.ConnectionChanged{Connection: state.Connection{Phase: state.Connecting}})
}

func invited(now time.Time) *state.State {
	s := typical(now)
	for i, in := range []state.Invitation{
		{Room: "harbour@rooms.example.org", From: grace, Reason: "The moth is on show, and there is tea"},
		{Room: "a-room-whose-name-does-not-end-before-the-line-does@rooms.a-rather-long-domain.example", From: emmy},
		{Room: "prizes@casino.example", From: "winner@casino.example", Reason: "You have won", Mediated: true},
		{Room: "coins@casino.example", From: "friend@casino.example", Mediated: true},
	} {
		in.At = now.Add(-time.Duration(i) * hour).UnixMicro()
		s = s.With(state.Invited{Invitation: in})
	}
	return s
}

// appealed is the room with what others ask of it.
func appealed(now time.Time) *state.State {
	return moderated(now).With(state.Appealed{Room: lounge, Appeal: state.Appeal{Type: state.VoiceAppeal, Nick: "محمد", JID: rtl}}).
		With(state.Appealed{Room: lounge, Appeal: state.Appeal{Type: state.MemberAppeal, Nick: "Hedy"}})
}

// listening is the room with the person as somebody who can only listen.
func listening(now time.Time) *state.State {
	return room(now).With(state.OccupantChanged{Room: lounge, Occupant: state.Occupant{Nick: "ada", ID: "a1", Role: state.Visitor, Show: state.Available}})
}

// moderated is the room with the person as its owner.
func moderated(now time.Time) *state.State {
	return room(now).With(state.OccupantChanged{Room: lounge, Occupant: state.Occupant{Nick: "ada", ID: "a1", Role: state.Moderator, Affiliation: state.Owner, Show: state.Available}})
}

// unheeded is a room that has not done what the person wanted.
func unheeded(now time.Time) *state.State {
	return room(now).With(state.RoomAnswered{Room: lounge, To: state.NewNick, Problem: &state.Problem{
		Text: "Your nickname was not changed.", Advice: "Somebody in this room has this nickname. Choose another one."}})
}

// configuring is a room with a form of its settings.
func configuring(now time.Time) *state.State {
	return moderated(now).With(state.RoomFormRead{Room: lounge, Form: &state.Form{Instructions: "How the lounge is to be.", More: 800, Fields: []state.Field{
		{Var: "FORM_TYPE", Type: "hidden"},
		{Var: "name", Type: "text-single", Label: "Name", Required: true},
		{Var: "about", Type: "text-multi", Label: "Description", Values: []string{"Engines", "and tea"}},
		{Type: "fixed", Values: []string{"Who may come in"}},
		{Var: "members", Type: "boolean", Label: "For members only", Values: []string{"1"}},
		{Var: "secret", Type: "text-private", Label: "Password", Values: []string{"tea"}},
		{Var: "whois", Type: "list-single", Label: "Who sees addresses", Values: []string{"moderators"}, Options: []state.Option{{Value: "moderators", Label: "Moderators"}, {Value: "anyone", Label: "Everybody"}}},
		{Var: "pm", Type: "list-multi", Label: "Who may write to one person", Values: []string{"b"}, Options: []state.Option{{Value: "a", Label: "Visitors"}, {Value: "b", Label: "Participants"}}},
		{Var: "owners", Type: "jid-multi", Label: "Owners", Values: []string{me}, About: "One address a line."},
	}}})
}
