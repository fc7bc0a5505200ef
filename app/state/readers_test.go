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
