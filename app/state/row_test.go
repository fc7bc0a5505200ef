package state

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
)

// restored returns the state after a start: from the kept rows of s, with the newest messages of each
// conversation in memory.
func restored(t *testing.T, s *State, newest int) *State {
	t.Helper()
	ev := Applied{All: true, Rows: mirrored(t, slices.DeleteFunc(s.Changes(nil), func(r Row) bool {
		_, message := r.Value.(*MessageRow)
		return message
	}))}
	for c := range s.Chats {
		read := HistoryRead{Conv: c.Conv, Earlier: c.Timeline.Len() > newest}
		for _, m := range c.Timeline.Newest(newest) {
			read.Messages = append(read.Messages, m.row(c.Conv).State())
		}
		ev.Read = append(ev.Read, read)
	}
	return New().With(ev)
}

// mirrored returns rows as another tab gets them.
func mirrored(t *testing.T, rows []Row) (others []Row) {
	t.Helper()
	text, err := json.Marshal(rows)
	if err == nil {
		err = json.Unmarshal(text, &others)
	}
	if err != nil {
		t.Fatal(err)
	}
	return others
}

// changed returns the ids of the messages that differ between two states.
func changed(before, after *State) (ids []string) {
	for _, r := range after.Changes(before) {
		if m, ok := r.Value.(*MessageRow); ok && !r.Gone {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

func archived(m Message, id string) Message {
	m.ArchiveID = id
	return m
}

func remembered() *State {
	return signedIn().
		With(RosterLoaded{Items: []RosterItem{{JID: grace, Name: "Grace", Groups: []string{"navy"}, Subscription: SubscriptionBoth}}}).
		With(PresenceChanged{From: grace + "/phone", Presence: Presence{Show: Away, Status: "out", Priority: 3}}).
		With(OwnPresenceChanged{Presence{Show: Available}}).
		With(ArchivePage{Conv: grace, Older: true,
			Messages: []Message{archived(from("1", "one", 0), "a"), archived(from("2", "two", 0), "b")}}).
		With(ArchiveRead{Part: Part{Archive: ada}, Page: page("a", "b")}).
		With(CatchUpStarted{Part: Part{Archive: ada}, At: noon}).
		With(ArchiveAsked{Part: Part{Archive: ada}}).
		With(MessageAdded{Conv: grace, Resource: "phone", Message: from("3", "three", time.Minute)}).
		With(MessageAdded{Conv: grace, Message: mine("4", "four", 2*time.Minute)}).
		With(TypingChanged{Conv: grace, Typing: true}).
		With(CaughtUp{})
}

func TestRestore(t *testing.T) {
	old := remembered()
	s := restored(t, old, 100)
	if s.Me != old.Me || !s.RosterLoaded || !s.CaughtUp || s.OwnPresence != old.OwnPresence {
		t.Errorf("got %+v", s)
	}
	expect(t, s, "one", "two", "three", "four")
	c, was := s.Chat(grace), old.Chat(grace)
	if c.Typing {
		t.Error("nobody writes who wrote before the restart")
	}
	if c.Resource != "phone" || c.ReadTo != was.ReadTo {
		t.Errorf("got %+v", c)
	}
	if got, was := s.Coverage(Part{Archive: ada}), old.Coverage(Part{Archive: ada}); len(was.Ranges) != 1 ||
		!reflect.DeepEqual(got.Ranges, was.Ranges) || got.Open != was.Open || got.Fill != (Fill{}) {
		t.Errorf("coverage %+v, was %+v", got, was)
	}
	for i, m := range c.Timeline.Newest(10) {
		want := *was.Timeline.Newest(10)[i]
		if want.Rev, want.heard = 0, 0; *m != want {
			t.Errorf("got %+v, want %+v", *m, want)
		}
	}
	if p := s.Contact(grace).Resource("phone"); p != (Presence{Away, "out", 3}) {
		t.Errorf("presence %+v", p)
	}
	if contact, was := *s.Contact(grace), *old.Contact(grace); !reflect.DeepEqual(contact.Groups, was.Groups) {
		t.Errorf("got %+v", contact)
	}
	if rows := s.With(CaughtUp{}).Changes(s); len(rows) > 0 {
		t.Errorf("changed by being read: %+v", rows)
	}
	t.Run("a second copy is still known", func(t *testing.T) {
		again := s.With(ArchivePage{Conv: grace, Messages: []Message{archived(from("3", "three", time.Minute), "c")}})
		expect(t, again, "one", "two", "three", "four")
	})
}

// After a restart no message gets the place of one that is only on the disk.
func TestRestoredSeqsGoOn(t *testing.T) {
	old := remembered()
	s := restored(t, old, 1)
	before := s
	expect(t, s, "four")
	s = s.With(ArchivePage{Conv: grace, Older: true, Messages: []Message{archived(from("0", "zero", 0), "z")}})
	s = s.With(MessageAdded{Conv: grace, Message: from("5", "five", 2*time.Minute)})
	for _, id := range changed(before, s) {
		if m := s.Chat(grace).Timeline.ByID(grace, id); old.Chat(grace).Timeline.Get(m.Key) != nil {
			t.Errorf("%q has the place of an older message", m.Body)
		}
	}
	var all []Message
	for _, m := range old.Chat(grace).Timeline.Newest(10) {
		all = append(all, *m)
	}
	s = s.With(HistoryRead{Conv: grace, Messages: all[:3], Earlier: true})
	expect(t, s, "one", "two", "three", "four", "five")
	if !s.Chat(grace).Earlier() {
		t.Error("there is more on disk")
	}
	s = s.With(HistoryRead{Conv: grace, To: all[0].Key})
	expect(t, s, "zero", "one", "two", "three", "four", "five")
	if s.Chat(grace).Earlier() {
		t.Error("there is nothing more on disk")
	}
}

func TestHistoryReadChangesNothingKnown(t *testing.T) {
	s := remembered()
	stale := *s.Chat(grace).Timeline.Last()
	s = s.With(about("4", Receipt))
	before := s
	s = s.With(HistoryRead{Conv: grace, Messages: []Message{stale,
		{Key: Key{Time: 1, Seq: 0}, ID: "3", Author: grace, Body: "an id used twice"}}})
	if got := s.Chat(grace).Timeline.Last().Delivery; got != Delivered {
		t.Errorf("the disk's older copy won: %v", got)
	}
	if got := s.Chat(grace).Timeline.ByID(grace, "3").Body; got != "three" {
		t.Errorf("the newest with the id is %q", got)
	}
	if ids := changed(before, s); len(ids) > 0 {
		t.Errorf("changed by being read: %v", ids)
	}
}

func TestChanged(t *testing.T) {
	s := signedIn()
	for i := range 20 {
		s = s.With(MessageAdded{Conv: grace, Message: mine(fmt.Sprint(i), "words", time.Duration(i)*time.Second)})
	}
	before := s
	for _, fact := range []Filed{about("7", Acked), about("3", Acked), about("7", Receipt)} {
		s = s.With(fact)
	}
	if got := fmt.Sprint(changed(before, s)); got != "[3 7]" {
		t.Errorf("since then %v", got)
	}
	if got := changed(nil, s); len(got) != 20 {
		t.Errorf("since the beginning %d", len(got))
	}
	for i := range 2000 {
		s = s.With(MessageAdded{Conv: grace, Message: from(fmt.Sprint("x", i), "words", time.Hour)})
	}
	if got := changed(before, s); len(got) != 2002 || got[0] != "3" {
		t.Errorf("%d changes, first %v", len(got), got[0])
	}
	if got := fmt.Sprint(changed(s, s.With(about("0", Receipt)))); got != "[0]" {
		t.Errorf("after that %v", got)
	}
}

// If a message is read from the disk and deleted between two commits, it is deleted on the disk.
func TestRemovedAsSoonAsRead(t *testing.T) {
	s := signedIn().With(MessageAdded{Conv: grace, Message: from("new", "new", time.Hour)})
	failed := mine("old", "not sent", 0)
	failed.Key, failed.Delivery = Key{Time: 7, Seq: -3}, Failed
	after := s.With(HistoryRead{Conv: grace, Messages: []Message{failed}}).With(MessageRemoved{Conv: grace, ID: "old"})
	rows := after.Changes(s)
	if gone, ok := rows[0].Value.(*MessageRow); !ok || !rows[0].Gone || gone.Message.Key != failed.Key {
		t.Errorf("got %+v", rows)
	}
	if rows := after.With(TypingChanged{Conv: grace, Typing: true}).Changes(after); len(rows) > 0 {
		t.Errorf("it goes again: %+v", rows)
	}
}

// A mirror gets the rows of fleeting too; the disk does not.
func TestMomentsAreMirrored(t *testing.T) {
	before := remembered()
	problem := &Problem{Kind: "storage"}
	s := before.With(ConnectionChanged{Connection{Phase: Online, Endpoint: "wss://a.example"}}).
		With(TypingChanged{Conv: grace, Typing: false}).
		With(ArchiveAsked{Part: Part{ada, grace}, After: "a"}).
		With(StorageChanged{problem})
	if rows := s.Changes(before); len(rows) > 0 {
		t.Errorf("kept: %+v", rows)
	}
	mirror := New().With(Applied{Rows: mirrored(t, append(before.Changes(nil), before.Moments(nil)...))})
	if !mirror.Chat(grace).Typing || mirror.Connection != before.Connection {
		t.Errorf("at first %+v", mirror.Connection)
	}
	for range 2 {
		mirror = mirror.With(Applied{Rows: mirrored(t, s.Moments(before))})
		if mirror.Connection != s.Connection || *mirror.Storage != *problem || mirror.Chat(grace).Typing ||
			mirror.Coverage(Part{ada, grace}).Fill != (Fill{After: "a", Loading: true}) {
			t.Errorf("got %+v, %+v", mirror.Connection, mirror.Coverage(Part{ada, grace}))
		}
	}
}

// A row that is applied to another state shares nothing with it that may change.
func TestAppliedRowsAreNotShared(t *testing.T) {
	s := remembered()
	contact, chat := *s.Contact(grace), *s.Chat(grace)
	other := New().With(CaughtUp{}).With(Applied{Rows: s.Changes(nil)}).With(ContactChanged{RosterItem{JID: grace, Name: "G."}})
	if !reflect.DeepEqual(*s.Contact(grace), contact) || *s.Chat(grace) != chat {
		t.Error("it has changed")
	}
	if other.Contact(grace).Name != "G." {
		t.Error("nothing has been applied")
	}
}

func TestRow_OfNoTable(t *testing.T) {
	var rows []Row
	if err := json.Unmarshal([]byte(`[{"t":"reactions","r":{}}]`), &rows); err == nil {
		t.Errorf("a row of a table that is not there: %+v", rows)
	}
	if rows, err := Rows("reactions", []byte(`[{"of":"what"}]`)); err != nil || len(rows) > 0 {
		t.Errorf("rows of a table that a newer build has made: %+v, %v", rows, err)
	}
	if _, err := Rows("contacts", []byte(`{`)); err == nil {
		t.Error("what is no list was read")
	}
}

func TestSameTables(t *testing.T) {
	s := remembered()
	quiet := s.With(CaughtUp{})
	if !quiet.SameContacts(s) || !quiet.SameChats(s) {
		t.Error("nothing happened to either")
	}
	if away := s.With(PresenceChanged{From: grace + "/desk", Presence: Presence{Show: Away}}); away.SameContacts(s) {
		t.Error("a contact changed")
	}
	if told := s.With(MessageAdded{Conv: grace, Message: from("5", "five", time.Hour)}); told.SameChats(s) {
		t.Error("a conversation changed")
	}
}

func TestSame(t *testing.T) {
	for _, tc := range []struct {
		name string
		a, b Message
		want bool
	}{
		{"the archive's id", archived(from("1", "hi", 0), "x"), archived(from("2", "ho", 0), "x"), true},
		{"our own id, made by us", mine("ZHKQ2NSW6ODYX4JMPHE7QEJW5R", "hi", 0), mine("ZHKQ2NSW6ODYX4JMPHE7QEJW5R", "", time.Hour), true},
		{"our own id, used again for other words", mine("1", "hi", 0), mine("1", "ho", time.Hour), false},
		{"sender, id and words", from("1", "hi", 0), from("1", "hi", time.Minute), true},
		{"an id used again for other words", from("1", "hi", 0), from("1", "ho", 0), false},
		{"somebody else's id", from("1", "hi", 0), Message{ID: "1", Author: "mallory@localhost", Body: "hi", At: noon}, false},
		{"no ids, at the same time", from("", "hi", 0), archived(from("", "hi", time.Minute), "x"), true},
		{"no ids, and an hour between", from("", "hi", 0), archived(from("", "hi", time.Hour), "x"), false},
		{"two of the archive's ids", archived(from("1", "hi", 0), "x"), archived(from("1", "hi", 0), "y"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Same(&tc.a, &tc.b); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestAConversationIsWholeOnlyInMemory(t *testing.T) {
	s := signedIn().With(ArchiveRead{Part{Archive: ada}, start(end(page("a")))})
	if !s.Whole(grace) {
		t.Error("the archive is here to its beginning")
	}
	s = s.With(HistoryRead{Conv: grace, Earlier: true})
	if s.Whole(grace) {
		t.Error("there is more on disk")
	}
}
