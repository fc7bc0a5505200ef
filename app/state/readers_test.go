package state

import (
	"testing"
	"time"

	"natter/app/jid"
)

// The read mark of an occupant never goes back, counts only for known messages, and is removed with the occupant.
func TestRoomReadTo(t *testing.T) {
	const room = jid.JID("tea@rooms.example")
	s := New().With(RoomWanted{Room: room}).With(RoomDescribed{Room: room, Info: RoomInfo{ShowsAddresses: true}}).
		With(RoomEntered{Room: room, Nick: "ada", Occupants: []Occupant{{Nick: "ada"}, {Nick: "grace"}}})
	for _, id := range []string{"s1", "s2"} {
		s = s.With(MessageAdded{Conv: Groupchat.With(room), Message: Message{ID: id, ArchiveID: id, Author: room.WithResource("ada"), Body: id, At: time.Unix(1, 0)}})
	}
	read := func(nick, id string) string {
		s = s.With(RoomReadTo{Room: room, Nick: nick, By: room.WithResource(nick), ID: id})
		all := s.Room(room).Readers
		if all == nil || len(all.All) == 0 {
			return ""
		}
		m := s.Chat(Groupchat.With(room)).Timeline.Get(all.All[0].To)
		return all.All[0].Nick + " " + m.ArchiveID
	}
	for _, step := range [][3]string{
		{"mallory", "s1", ""}, {"grace", "s3", ""}, {"grace", "s1", "grace s1"}, {"grace", "s2", "grace s2"}, {"grace", "s1", "grace s2"},
	} {
		if got := read(step[0], step[1]); got != step[2] {
			t.Errorf("%s has read %s: %q, want %q", step[0], step[1], got, step[2])
		}
	}
	before := s.Room(room).Readers
	s = s.With(OccupantLeft{Room: room, Nick: "grace"}).With(OccupantChanged{Room: room, Occupant: Occupant{Nick: "grace"}})
	if all := s.Room(room).Readers; len(all.All) != 0 || len(before.All) != 1 || all.N == before.N {
		t.Errorf("who takes over the nick has read %+v", all)
	}
	crowd := s
	for i := range mostReaders {
		crowd = crowd.With(OccupantChanged{Room: room, Occupant: Occupant{Nick: string(rune('A' + i))}})
	}
	if !s.Room(room).TellsReaders() || crowd.Room(room).TellsReaders() ||
		s.With(RoomDescribed{Room: room}).Room(room).TellsReaders() || s.With(RoomClosed{Room: room}).Room(room).TellsReaders() {
		t.Error("only few who know each other tell what they have read")
	}
}

// After a loss the room has the read marks of those who are still there. Whoever has their nick but another address has
// read nothing.
func TestRoomReadToAfterALoss(t *testing.T) {
	const room = jid.JID("tea@rooms.example")
	enter := func(s *State, grace, alan jid.JID) *State {
		return s.With(RoomEntered{Room: room, Nick: "ada", Occupants: []Occupant{{Nick: "ada"}, {Nick: "grace", JID: grace}, {Nick: "alan", JID: alan}}})
	}
	s := enter(New().With(RoomWanted{Room: room}).With(RoomDescribed{Room: room, Info: RoomInfo{ShowsAddresses: true}}), "grace@example", "")
	s = s.With(MessageAdded{Conv: Groupchat.With(room), Message: Message{ID: "s1", ArchiveID: "s1", Author: room.WithResource("ada"), Body: "hello", At: time.Unix(1, 0)}})
	for _, nick := range []string{"grace", "alan"} {
		s = s.With(RoomReadTo{Room: room, Nick: nick, By: room.WithResource(nick), ID: "s1"})
	}
	before := s.Room(room).Readers
	s = s.With(SessionStarted{Me: "ada@example/tab"})
	if s.Room(room).TellsReaders() {
		t.Error("the read marks of a room in which we are not are shown")
	}
	again := enter(s, "grace@example", "").Room(room).Readers
	if len(again.All) != 1 || again.All[0] != before.All[0] || again.N == before.N {
		t.Errorf("after the loss %+v have read, before it %+v", again, before)
	}
	if all := enter(s, "mallory@example", "alan@example").Room(room).Readers; len(all.All) != 0 {
		t.Errorf("those who have the nicks now have read %+v", all)
	}
}
