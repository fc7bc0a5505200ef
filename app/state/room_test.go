package state

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"

	"natter/app/jid"
)

const lounge = jid.JID("lounge@rooms.example")

func inRoom(occupants ...Occupant) *State {
	return signedIn().With(RoomWanted{Room: lounge}).With(RoomDescribed{lounge, RoomInfo{OccupantIDs: true}}).
		With(RoomEntered{Room: lounge, Nick: "ada", Self: "a1", Occupants: occupants})
}

// The author of a stanza in a room follows from its occupant-id; only without one, from the nick.
func TestRoom_Author(t *testing.T) {
	account, alan := signedIn().Account(), Tenure{Since: 7, Again: true}
	for _, tc := range []struct {
		name     string
		info     RoomInfo
		self     string
		nick, id string
		live     bool
		want     Author
	}{
		{"by id", RoomInfo{OccupantIDs: true}, "a1", "grace", "g1", true, Author{JID: lounge + "/\x01g1", Nick: "grace"}},
		{"ours by id, under another nick", RoomInfo{OccupantIDs: true}, "a1", "admiral", "a1", false, Author{JID: account, Mine: true, Nick: "admiral"}},
		{"our nick, another id", RoomInfo{OccupantIDs: true}, "a1", "ada", "m1", true, Author{JID: lounge + "/\x01m1", Nick: "ada"}},
		{"our nick, live", RoomInfo{}, "", "ada", "", true, Author{JID: account, Mine: true, Nick: "ada"}},
		{"our nick, long ago", RoomInfo{}, "", "ada", "", false, Author{JID: lounge + "/ada", Nick: "ada"}},
		{"an id that the room does not vouch for", RoomInfo{}, "a1", "mallory", "a1", true, Author{JID: lounge + "/mallory", Nick: "mallory"}},
		{"a nick while somebody has it", RoomInfo{}, "", "alan", "", true, Author{JID: lounge + "/alan", Nick: "alan", Tenure: alan}},
		{"the same, long ago", RoomInfo{}, "", "alan", "", false, Author{JID: lounge + "/alan", Nick: "alan"}},
		{"the room itself", RoomInfo{OccupantIDs: true}, "a1", "", "a1", true, Author{JID: lounge}},
	} {
		r := &Room{JID: lounge, Nick: "ada", Self: tc.self, RoomInfo: tc.info, Stay: Stay{Step: Inside}, Occupants: newOccupants().Set("alan", &Occupant{Nick: "alan", Tenure: alan})}
		if got := r.Author(account, tc.nick, tc.id, tc.live); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// A mirror shows a room as the leader does, and gets only the rows that have changed.
func TestRoom_Mirrored(t *testing.T) {
	grace, zoe := Occupant{Nick: "grace", ID: "g1", JID: "grace@localhost", Role: Moderator, Affiliation: Owner, Show: Away}, Occupant{Nick: "zoe"}
	before := inRoom(grace, zoe)
	mirror := New().With(tell(t, before.Changes(nil), true)).With(tell(t, before.Moments(nil), false))
	same := func(s *State) {
		t.Helper()
		want, got := s.Room(lounge), mirror.Room(lounge)
		if got == nil || want.row() != got.row() || !reflect.DeepEqual(want.Stay, got.Stay) {
			t.Fatalf("%+v, want %+v", got, want)
		}
		has := map[string]Occupant{}
		for o := range got.All {
			has[o.Nick] = *o
		}
		for o := range want.All {
			if has[o.Nick] != *o {
				t.Errorf("%+v, want %+v", has[o.Nick], *o)
			}
			delete(has, o.Nick)
		}
		if len(has) > 0 {
			t.Errorf("there are also %v", has)
		}
	}
	same(before)
	grace.Show = Available
	after := before.With(OccupantChanged{lounge, grace}).With(OccupantLeft{lounge, "zoe"}).With(RoomInside{lounge})
	if n := len(after.Changes(before)); n > 0 {
		t.Errorf("who is in a room is written to the disk: %d rows", n)
	}
	mirror = mirror.With(tell(t, after.Moments(before), false))
	same(after)
	closed := after.With(RoomClosed{Room: lounge, Problem: &Problem{Kind: "kicked"}, Moved: "salon@rooms.example"})
	mirror = mirror.With(tell(t, closed.Changes(after), false)).With(tell(t, closed.Moments(after), false))
	same(closed)
	gone := closed.With(RoomLeft{lounge})
	if mirror = mirror.With(tell(t, gone.Changes(closed), false)); mirror.Room(lounge) != nil {
		t.Error("it has been left, and the other tab has it")
	}
}

// tell returns rows as another tab gets them.
func tell(t *testing.T, rows []Row, all bool) Applied {
	t.Helper()
	text, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	var heard []Row
	if err := json.Unmarshal(text, &heard); err != nil {
		t.Fatal(err)
	}
	return Applied{All: all, Rows: heard}
}

// A room that was left is remembered until its bookmark is removed, and then nothing of it is kept. There are never
// more than MostRooms.
func TestRoom_Left(t *testing.T) {
	s := inRoom().With(RoomSaved{Room: lounge}).With(RoomLeft{lounge})
	left := 0
	for range s.Left {
		left++
	}
	if s.Room(lounge) != nil || left != 1 {
		t.Errorf("%+v, %d left", s.Room(lounge), left)
	}
	if again := s.With(RoomWanted{Room: lounge}); again.Room(lounge) == nil || again.Room(lounge).Saved {
		t.Errorf("joined again it is %+v", again.Room(lounge))
	}
	if s = s.With(RoomForgotten{lounge}); s.rooms.Len() != 0 {
		t.Error("it is kept")
	}
	for i := range MostRooms + 10 {
		s = s.With(RoomWanted{Room: jid.JID(fmt.Sprintf("r%d@rooms.example", i))})
	}
	if s.rooms.Len() != MostRooms {
		t.Errorf("there are %d rooms", s.rooms.Len())
	}
}

// BenchmarkRoomEntered measures how a room of ten thousand is entered, whose occupants come in any order, and how
// much memory each takes.
func BenchmarkRoomEntered(b *testing.B) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, all := heap(), make([]Occupant, 10_000)
	for i, at := range rand.Perm(len(all)) {
		all[i] = Occupant{Nick: fmt.Sprintf("guest %04d", at), ID: fmt.Sprintf("%043d", at), Role: Participant, Show: Available}
	}
	var s *State
	b.ReportAllocs()
	for b.Loop() {
		s = inRoom(all...)
	}
	b.ReportMetric(float64(heap()-before)/float64(len(all)), "B/occupant")
	runtime.KeepAlive(s)
}

// BenchmarkRoom_Mirrored is what it costs to tell another tab who is in a room of ten thousand, and what
// it costs that tab to hear it.
func BenchmarkRoom_Mirrored(b *testing.B) {
	all := make([]Occupant, 10_000)
	for i := range all {
		all[i] = Occupant{Nick: fmt.Sprintf("guest %04d", i), ID: fmt.Sprintf("%043d", i), Role: Participant, Show: Available}
	}
	before, after := inRoom(), inRoom(all...)
	text, err := json.Marshal(after.Moments(before))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("tell", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(after.Moments(before))
		}
	})
	b.Run("hear", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var rows []Row
			if err := json.Unmarshal(text, &rows); err != nil {
				b.Fatal(err)
			}
			before.With(Applied{Rows: rows})
		}
	})
}

// Privates finds a private conversation by its room. The conversation goes on with the occupant who wrote last, and
// survives a restart. A fact about a message in it belongs to that occupant, and not to who has the nick later.
func TestPrivate(t *testing.T) {
	const grace, conv = lounge + "/grace", ConvID(lounge + "/grace")
	s := inRoom().With(ChatStarted{conv}).With(ChatStarted{Groupchat.With(lounge)}).With(ChatStarted{Groupchat.With(lounge + "s")})
	if all := s.Privates(lounge); len(all) != 1 || all[0] != conv {
		t.Errorf("private ones: %q", all)
	}
	if s.Title(conv) == s.Name(conv.JID()) {
		t.Error("it is called like a person")
	}
	s = s.With(OccupantChanged{lounge, Occupant{Nick: "grace", ID: "g1"}}).
		With(MessageAdded{Conv: conv, Message: Message{ID: "1", Author: lounge + "/\x01g1", Nick: "grace", Body: "one", At: noon}})
	if o, other := s.Partner(conv); o == nil || other {
		t.Errorf("%+v, another: %v", o, other)
	}
	s = s.With(OccupantChanged{lounge, Occupant{Nick: "grace", ID: "m1"}})
	for _, s := range []*State{s, restored(t, s, 10).With(RoomEntered{Room: lounge, Nick: "ada", Occupants: []Occupant{{Nick: "grace", ID: "m1"}}})} {
		if o, other := s.Partner(conv); o == nil || !other {
			t.Errorf("%+v, another: %v", o, other)
		}
	}
	says := func(by jid.JID) *Message {
		s := s.With(Filed{Target: Target{Conv: conv, Author: by, ID: "1"}, Fact: Fact{Kind: Corrected, By: by, At: 7, Text: "two"}})
		return s.Chat(conv).Timeline.ByID(lounge+"/\x01g1", "1")
	}
	if _, body := says(lounge + "/\x01m1").Said(); body != "one" {
		t.Error("who took over the nick corrects what another has said")
	}
	if _, body := says(lounge + "/\x01g1").Said(); body != "two" {
		t.Error("its author cannot correct it")
	}
	if m := s.About(Target{Conv: conv, ID: "1"}); m == nil {
		t.Error("what names no author does not find it")
	}
	s = s.With(MessageAdded{Conv: conv, Message: mine("2", "who are you?", 0)})
	if _, other := s.Partner(conv); other {
		t.Error("we have written to who is there now")
	}
	if gone, _ := s.With(OccupantLeft{lounge, "grace"}).Partner(conv); gone != nil {
		t.Errorf("there is %+v", gone)
	}
}
