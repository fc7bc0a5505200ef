package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/store/storetest"
)

const (
	ada   = "ada@localhost"
	grace = "grace@localhost"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestMemory(t *testing.T) { storetest.Test(t, new(store.Memory).Open) }

func TestMemoryFails(t *testing.T) {
	disk := new(store.Memory)
	s, err := disk.Open(t.Context(), ada)
	if err != nil {
		t.Fatal(err)
	}
	b := &store.Batch{Rows: storetest.Rows(&state.Contact{JID: grace})}
	disk.Fail(store.ErrQuota)
	if err := s.Commit(t.Context(), b); !errors.Is(err, store.ErrQuota) {
		t.Errorf("a full disk takes rows: %v", err)
	}
	disk.Fail(nil)
	sn, err := s.Load(t.Context(), store.Window{})
	if err != nil || len(sn.Rows) > 0 {
		t.Errorf("what failed was written: %v, %v", sn, err)
	}
	if err := s.Commit(t.Context(), b); err != nil {
		t.Errorf("with capacity again: %v", err)
	}
}

func TestMemoryHasCapacity(t *testing.T) {
	disk := new(store.Memory)
	s, err := disk.Open(t.Context(), ada)
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int64) state.Value {
		return &state.MessageRow{Conv: grace, Message: state.Message{Key: state.Key{Time: i}}}
	}
	before := func(i int64) state.Value { return &state.Floor{Conv: grace, Before: state.Key{Time: i}} }
	disk.Capacity(2)
	save(t, s, &store.Batch{Rows: storetest.Rows(at(1), at(2))})
	save(t, s, &store.Batch{Rows: storetest.Rows(at(2))})
	if err := s.Commit(t.Context(), &store.Batch{Rows: storetest.Rows(at(3))}); !errors.Is(err, store.ErrQuota) {
		t.Errorf("a third: %v", err)
	}
	save(t, s, &store.Batch{Rows: storetest.Rows(before(2), at(3))})
	disk.Capacity(1)
	save(t, s, &store.Batch{Rows: storetest.Rows(before(3))})
}

func TestSec54_NamesSayNoAddress(t *testing.T) {
	name := store.Name("ada@localhost/tab")
	if name != store.Name(ada) || name == store.Name(grace) || strings.Contains(name, "ada") || len(name) < 32 {
		t.Errorf("name %q", name)
	}
}

func TestExplain(t *testing.T) {
	kinds := map[string]bool{}
	for _, err := range []error{
		store.ErrQuota, store.ErrClosed, store.ErrNewer, store.ErrBlocked, store.ErrSilent, store.ErrUnavailable, errors.New("disk on fire"),
	} {
		p := store.Explain(fmt.Errorf("store: commit: %w", err))
		if kinds[p.Kind] || p.Text == "" || p.Advice == "" || !strings.Contains(p.Detail, err.Error()) {
			t.Errorf("%v: %+v", err, p)
		}
		kinds[p.Kind] = true
	}
}

var whole = state.Part{Archive: ada}

// story returns a state with a row in each table.
func story() *state.State {
	archived := func(id, body string) state.Message {
		return state.Message{ID: id, ArchiveID: "a" + id, Author: grace, Body: body, At: noon}
	}
	return state.New().
		With(state.SessionStarted{Me: ada + "/tab"}).
		With(state.OwnPresenceChanged{Presence: state.Presence{Show: state.Away, Status: "tea"}}).
		With(state.RosterLoaded{Items: []state.RosterItem{
			{JID: grace, Name: "Grace", Groups: []string{"navy"}, Subscription: state.SubscriptionBoth},
			{JID: "edith@localhost", Subscription: state.SubscriptionTo, Asked: true}}}).
		With(state.SubscriptionAsked{From: "mallory@localhost", Text: "let me in"}).
		With(state.PresenceChanged{From: grace + "/phone", Presence: state.Presence{Show: state.DND, Status: "busy", Priority: 7}}).
		With(state.ArchivePage{Conv: grace, Older: true,
			Messages: []state.Message{archived("1", "one"), archived("2", "two")}}).
		With(state.CatchUpStarted{Part: whole, At: noon}).
		With(state.ArchiveRead{Part: whole, Page: state.Reading{
			From: state.Edge{ID: "a1", At: noon}, To: state.Edge{ID: "a2", At: noon.Add(time.Microsecond)}, IDs: []string{"a1", "a2"}, Start: true}}).
		With(state.ArchiveForgot{Part: whole, ID: "a1"}).
		With(state.CatchUpStarted{Part: whole, At: noon}).
		With(state.MessageAdded{Conv: grace, Resource: "phone", Message: state.Message{ID: "3", Author: grace, Body: "three", At: noon}}).
		With(state.MessageAdded{Conv: grace, Message: state.Message{
			ID: "4", Author: ada, Mine: true, Body: "four", At: noon.Add(time.Second), Delivery: state.Queued}}).
		With(state.MessageAdded{Conv: "edith@localhost", Message: state.Message{ID: "5", Author: "edith@localhost", Body: "five", At: noon}}).
		With(state.DraftChanged{Conv: "new@localhost", Text: "how do I"}).
		With(state.CaughtUp{})
}

// picture returns all of a state that must survive a restart.
func picture(s *state.State) string {
	var lines []string
	for c := range s.Contacts {
		plain := *c
		plain.Rev = 0
		lines = append(lines, fmt.Sprintf("contact %+v", plain))
	}
	for c := range s.Chats {
		low, high := c.Timeline.Seqs()
		lines = append(lines, fmt.Sprint("chat ", c.Conv, c.Resource, c.Unread, c.ReadTo, low, high, c.Draft))
		for i, m := range c.Timeline.Newest(1000) {
			plain := *m
			plain.Rev = 0
			row, _ := json.Marshal(plain) // without heard, which only this page has
			lines = append(lines, fmt.Sprintf("%s %d %s %v %v", c.Conv, i, row, plain.At, plain.Delivery))
		}
	}
	for c := range s.Coverages {
		lines = append(lines, fmt.Sprintf("coverage %v %+v %v %v", c.Part, c.Ranges, c.Open, c.Cut))
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s %+v %v %v\n%s", s.Me, s.OwnPresence, s.RosterLoaded, s.CaughtUp, strings.Join(lines, "\n"))
}

func save(t *testing.T, s store.Store, b *store.Batch) {
	t.Helper()
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, s store.Store, w store.Window) *state.State {
	t.Helper()
	sn, err := s.Load(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return state.New().With(sn.Event())
}

func open(t *testing.T) store.Store {
	t.Helper()
	s, err := new(store.Memory).Open(t.Context(), ada)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAStateComesBack(t *testing.T) {
	s, was := open(t), story()
	save(t, s, store.Changes(nil, was))
	got, want := picture(load(t, s, store.Window{Chats: 10, Messages: 100})), picture(was)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// After any events, a store with all the changes has the same as a store with all rows, and so has another tab that
// has got the changes, once or twice.
func TestPromise16_ChangesAddUp(t *testing.T) {
	s := open(t)
	now := state.New()
	save(t, s, store.Changes(nil, now))
	mirror := state.New()
	step := func(ev state.Event) {
		t.Helper()
		next := now.With(ev)
		b := store.Changes(now, next)
		save(t, s, b)
		now = next
		want := picture(now)
		if got := picture(load(t, s, store.Window{Chats: 10, Messages: 1000})); got != want {
			t.Fatalf("after %T\n got %s\nwant %s", ev, got, want)
		}
		said, err := json.Marshal(b.Rows)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			var heard []state.Row
			if err := json.Unmarshal(said, &heard); err != nil {
				t.Fatal(err)
			}
			mirror = mirror.With(state.Applied{Rows: heard})
			if got := picture(mirror); got != want {
				t.Fatalf("mirrored after %T\n got %s\nwant %s", ev, got, want)
			}
		}
	}
	message := func(id string) state.Message {
		return state.Message{ID: id, Author: grace, Body: id, At: noon}
	}
	for _, ev := range []state.Event{
		state.SessionStarted{Me: ada + "/tab"},
		state.RosterLoaded{Items: []state.RosterItem{{JID: grace, Name: "Grace", Subscription: state.SubscriptionBoth}, {JID: "x@y"}}},
		state.PresenceChanged{From: grace + "/phone", Presence: state.Presence{Show: state.Away}},
		state.MessageAdded{Conv: grace, Message: message("1")},
		state.MessageAdded{Conv: grace, Message: state.Message{ID: "2", Author: ada, Mine: true, Body: "2", At: noon, Delivery: state.Queued}},
		state.Filed{Target: state.Target{Conv: grace, Author: ada, ID: "2"}, Fact: state.Fact{Kind: state.Acked, By: ada}},
		state.Filed{Target: state.Target{Conv: grace, Author: ada, ID: "of long ago"}, Fact: state.Fact{Kind: state.Receipt, By: grace}},
		state.ArchivePage{Conv: grace, Older: true, Messages: []state.Message{message("0"), message("00")}},
		state.ArchiveRead{Part: whole, Page: state.Reading{Start: true, End: true}},
		state.ArchiveRead{Part: whole, Page: state.Reading{From: state.Edge{ID: "o", At: noon}, To: state.Edge{ID: "p"}, IDs: []string{"o", "p"}}},
		state.ArchiveRead{Part: state.Part{Archive: ada, With: grace}, Page: state.Reading{From: state.Edge{ID: "n"}, To: state.Edge{ID: "o", At: noon}, IDs: []string{"n"}, Before: "o"}},
		state.CatchUpStarted{Part: whole, At: noon},
		state.ArchiveForgot{Part: whole, ID: "p"},
		state.ArchiveRead{Part: whole, Page: state.Reading{From: state.Edge{ID: "n"}, To: state.Edge{ID: "o", At: noon}, IDs: []string{"n"}, Before: "o"}},
		state.ChatRead{Conv: grace},
		state.DraftChanged{Conv: grace, Text: "half a"},
		state.DraftChanged{Conv: "nobody@yet", Text: "dear"},
		state.DraftChanged{Conv: grace, Text: "half a sentence"},
		state.DraftChanged{Conv: grace},
		state.Filed{Target: state.Target{Conv: grace, Author: ada, ID: "2"}, Fact: state.Fact{Kind: state.Bounced, By: grace, Text: "gone"}},
		state.MessageRemoved{Conv: grace, ID: "1"}, // not ours
		state.MessageRemoved{Conv: grace, ID: "2"},
		state.Forgotten{Conv: grace, Before: state.Key{Time: noon.UnixMicro(), Seq: 0}, ID: "cut", At: noon},
		state.ContactRemoved{JID: "x@y"},
		state.PresenceChanged{From: grace + "/phone", Presence: state.Presence{}},
		state.OwnPresenceChanged{Presence: state.Presence{Show: state.DND}},
		state.RosterLoaded{Items: []state.RosterItem{{JID: "z@y"}}},
		state.SessionStarted{Me: ada + "/next"},
	} {
		step(ev)
	}
}

func TestChangesAreOnlyChanges(t *testing.T) {
	s := story()
	for _, tc := range []struct {
		name                      string
		ev                        state.Event
		contacts, chats, messages int
		strict                    bool
		drafts                    int
	}{
		{"typing", state.TypingChanged{Conv: grace, Typing: true}, 0, 0, 0, false, 0},
		{"loading", state.ArchiveAsked{Part: whole}, 0, 0, 0, false, 0},
		{"connection", state.ConnectionChanged{Connection: state.Connection{Phase: state.Online}}, 0, 0, 0, false, 0},
		{"message", state.MessageAdded{Conv: grace, Resource: "phone", Message: state.Message{ID: "9", Author: grace, At: noon}}, 0, 1, 1, false, 0},
		{"ours", state.MessageAdded{Conv: grace, Message: state.Message{ID: "9", Mine: true, Author: ada, At: noon, Delivery: state.Queued}}, 0, 1, 1, true, 0},
		{"mark", state.Filed{Target: state.Target{Conv: grace, Author: ada, ID: "4"}, Fact: state.Fact{Kind: state.Receipt, By: grace}}, 0, 1, 1, false, 0},
		{"read", state.ChatRead{Conv: "edith@localhost"}, 0, 1, 0, false, 0},
		{"contact", state.ContactChanged{Item: state.RosterItem{JID: grace, Name: "G."}}, 1, 0, 0, false, 0},
		{"draft", state.DraftChanged{Conv: grace, Text: "x"}, 0, 0, 0, false, 1},
		{"no draft", state.DraftChanged{Conv: grace}, 0, 0, 0, false, 0},
	} {
		b := store.Changes(s, s.With(tc.ev))
		contacts, chats, messages := len(storetest.Of[*state.Contact](b.Rows)), len(storetest.Of[*state.ChatRow](b.Rows)), len(storetest.Of[*state.MessageRow](b.Rows))
		drafts := len(storetest.Of[*state.Draft](b.Rows))
		if contacts != tc.contacts || chats != tc.chats || messages != tc.messages || b.Strict != tc.strict || drafts != tc.drafts {
			t.Errorf("%s: %d contacts, %d chats, %d messages, strict %v, %d drafts", tc.name, contacts, chats, messages, b.Strict, drafts)
		}
		if want := tc.contacts+tc.chats+tc.messages+tc.drafts == 0; b.Empty() != want {
			t.Errorf("%s: empty %v", tc.name, b.Empty())
		}
	}
}

func TestColdStartHasTheList(t *testing.T) {
	s, was := open(t), story()
	save(t, s, store.Changes(nil, was))
	now := load(t, s, store.Window{})
	edith := now.Chat("edith@localhost")
	if edith == nil || edith.Timeline.Len() != 1 || edith.Timeline.Last().Body != "five" || !edith.Earlier() || edith.Unread != 1 {
		t.Errorf("a conversation that was not read: %+v", edith)
	}
	if c := now.Chat(grace); c.Timeline.Len() != 1 || c.Timeline.Last().Delivery != state.Queued || !c.Earlier() {
		t.Errorf("the one with the outbox has %d messages", c.Timeline.Len())
	}
	older, err := s.Messages(t.Context(), grace, now.Chat(grace).Timeline.First().Key, 50)
	if err != nil {
		t.Fatal(err)
	}
	now = now.With(state.HistoryRead{Conv: grace, Messages: state.States(older), Earlier: len(older) == 50})
	if c := now.Chat(grace); c.Timeline.Len() != 4 || c.Timeline.First().Body != "one" || c.Earlier() {
		t.Errorf("after reading the rest: %d messages", c.Timeline.Len())
	}
}

func TestAWordOfANewerBuild(t *testing.T) {
	m := (&state.MessageRow{Message: state.Message{Mine: true}, Delivery: "reacted-to"}).State()
	if m.Delivery != state.OnServer {
		t.Errorf("delivery %v", m.Delivery)
	}
}

func BenchmarkChanges(b *testing.B) {
	s := story()
	for i := range 1000 {
		peer := jid.JID(fmt.Sprint("p", i, "@localhost"))
		s = s.With(state.ContactChanged{Item: state.RosterItem{JID: peer}}).
			With(state.MessageAdded{Conv: state.Direct.With(peer), Message: state.Message{ID: "1", Author: peer, At: noon}})
	}
	next := s.With(state.MessageAdded{Conv: grace, Message: state.Message{ID: "9", Author: grace, At: noon}})
	b.ReportAllocs()
	for b.Loop() {
		store.Changes(s, next)
	}
}
