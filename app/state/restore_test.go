package state

import (
	"fmt"
	"maps"
	"reflect"
	"testing"
	"time"
)

// keep takes out of a state what Restore takes.
func keep(s *State, newest int) Kept {
	k := Kept{Me: s.Me, OwnPresence: s.OwnPresence, RosterLoaded: s.RosterLoaded, CaughtUp: s.CaughtUp}
	for c := range s.Contacts {
		k.Contacts = append(k.Contacts, KeptContact{*c, maps.Collect(c.Presences())})
	}
	for c := range s.Chats {
		kc := KeptChat{Chat: *c}
		kc.Low, kc.High = c.Timeline.Seqs()
		for _, m := range c.Timeline.Newest(newest) {
			kc.Messages = append(kc.Messages, *m)
		}
		k.Chats = append(k.Chats, kc)
	}
	for c := range s.Coverages {
		k.Coverage = append(k.Coverage, *c)
	}
	return k
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
		With(ArchivePage{Peer: grace, Older: true,
			Messages: []Message{archived(from("1", "one", 0), "a"), archived(from("2", "two", 0), "b")}}).
		With(ArchiveRead{Part: Part{Archive: ada}, Page: page("a", "b")}).
		With(CatchUpStarted{Part: Part{Archive: ada}, At: noon}).
		With(ArchiveAsked{Part: Part{Archive: ada}}).
		With(MessageAdded{Peer: grace + "/phone", Message: from("3", "three", time.Minute)}).
		With(MessageAdded{Peer: grace, Message: mine("4", "four", 2*time.Minute)}).
		With(TypingChanged{Peer: grace, Typing: true}).
		With(CaughtUp{})
}

func TestRestore(t *testing.T) {
	old := remembered()
	s := Restore(keep(old, 100))
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
		if want.Rev = 0; *m != want {
			t.Errorf("got %+v, want %+v", *m, want)
		}
	}
	if p := s.Contact(grace).Resource("phone"); p != (Presence{Away, "out", 3}) {
		t.Errorf("presence %+v", p)
	}
	if contact, was := *s.Contact(grace), *old.Contact(grace); !reflect.DeepEqual(contact.Groups, was.Groups) || contact.Rev != 0 {
		t.Errorf("got %+v", contact)
	}
	if n := len(c.Timeline.Changed(0)); n > 0 {
		t.Errorf("%d messages changed by being read", n)
	}
	t.Run("a second copy is still known", func(t *testing.T) {
		again := s.With(ArchivePage{Peer: grace, Messages: []Message{archived(from("3", "three", time.Minute), "c")}})
		expect(t, again, "one", "two", "three", "four")
	})
}

// The keys of what is not in memory are taken: places given after a restart must
// not be theirs.
func TestRestoredSeqsGoOn(t *testing.T) {
	old := remembered()
	s := Restore(keep(old, 1))
	expect(t, s, "four")
	s = s.With(ArchivePage{Peer: grace, Older: true, Messages: []Message{archived(from("0", "zero", 0), "z")}})
	s = s.With(MessageAdded{Peer: grace, Message: from("5", "five", 2*time.Minute)})
	for _, m := range s.Chat(grace).Timeline.Changed(0) {
		if old.Chat(grace).Timeline.Get(m.Key) != nil {
			t.Errorf("%q has the place of an older message", m.Body)
		}
	}
	var all []Message
	for _, m := range old.Chat(grace).Timeline.Newest(10) {
		all = append(all, *m)
	}
	s = s.With(HistoryRead{Peer: grace, Messages: all[:3], Earlier: true})
	expect(t, s, "zero", "one", "two", "three", "four", "five")
	if !s.Chat(grace).Earlier {
		t.Error("there is more on disk")
	}
}

func TestHistoryReadChangesNothingKnown(t *testing.T) {
	s := remembered()
	stale := *s.Chat(grace).Timeline.Last()
	s = s.With(MessageMarked{Peer: grace, ID: "4", Delivery: Delivered})
	rev := s.Rev
	s = s.With(HistoryRead{Peer: grace, Messages: []Message{stale,
		{Key: Key{Time: 1, Seq: 0}, ID: "3", Author: grace, Body: "an id used twice"}}})
	if got := s.Chat(grace).Timeline.Last().Delivery; got != Delivered {
		t.Errorf("the disk's older copy won: %v", got)
	}
	if got := s.Chat(grace).Timeline.ByID(grace, "3").Body; got != "three" {
		t.Errorf("the newest with the id is %q", got)
	}
	if changed := s.Chat(grace).Timeline.Changed(rev); len(changed) > 0 {
		t.Errorf("%d messages changed by being read", len(changed))
	}
}

func TestChanged(t *testing.T) {
	s := signedIn()
	for i := range 20 {
		s = s.With(MessageAdded{Peer: grace, Message: mine(fmt.Sprint(i), "words", time.Duration(i)*time.Second)})
	}
	before := s
	for _, id := range []string{"7", "3", "7"} {
		s = s.With(MessageMarked{Peer: grace, ID: id, Delivery: s.Chat(grace).Timeline.ByID(ada, id).Delivery + 1})
	}
	look := func(s *State, since uint64) (ids []string) {
		for _, m := range s.Chat(grace).Timeline.Changed(since) {
			ids = append(ids, m.ID)
		}
		return ids
	}
	if got := fmt.Sprint(look(s, before.Rev)); got != "[3 7]" {
		t.Errorf("since then %v", got)
	}
	if got := look(s, 0); len(got) != 20 {
		t.Errorf("since the beginning %d", len(got))
	}
	t.Run("more than the journal holds", func(t *testing.T) {
		for i := range 2*journalLength + 1 {
			s = s.With(MessageAdded{Peer: grace, Message: from(fmt.Sprint("x", i), "words", time.Hour)})
		}
		if got := look(s, before.Rev); len(got) != 2*journalLength+3 || got[0] != "3" {
			t.Errorf("%d changes, first %v", len(got), got[0])
		}
		last := s.With(MessageMarked{Peer: grace, ID: "0", Delivery: Delivered})
		if got := fmt.Sprint(look(last, s.Rev)); got != "[0]" {
			t.Errorf("after that %v", got)
		}
	})
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
	if told := s.With(MessageAdded{Peer: grace, Message: from("5", "five", time.Hour)}); told.SameChats(s) {
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
	s = s.With(HistoryRead{Peer: grace, Earlier: true})
	if s.Whole(grace) {
		t.Error("there is more on disk")
	}
}
