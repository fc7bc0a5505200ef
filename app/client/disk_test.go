package client

import (
	"context"
	"fmt"
	"testing"
	"time"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
	"natter/framing"
)

// A server that delivers again, an hour later, what has long been on the disk shows
// nobody anything twice; what is new is shown, however late.
func TestADeliveryThatIsOnTheDisk(t *testing.T) {
	const ada, grace = "ada@localhost", "grace@localhost"
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	message := func(id, body string, at time.Time) state.Message {
		return state.Message{ID: id, Author: grace, Body: body, At: at}
	}
	const old = "f7c3a0a2b1d94a6e" // as clients make them up
	all := state.New().With(state.SessionStarted{Me: ada + "/tab"}).
		With(state.MessageAdded{Conv: grace, Message: message(old, "hello", now.Add(-time.Hour))}).
		With(state.MessageAdded{Conv: grace, Message: message("1", "ok", now.Add(-50*time.Minute))}).
		With(state.MessageAdded{Conv: grace, Message: message("new", "again", now.Add(-time.Minute))})
	var disk store.Memory
	s, err := disk.Open(t.Context(), ada)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), store.Changes(nil, all)); err != nil {
		t.Fatal(err)
	}
	kept, err := s.Load(t.Context(), store.Window{Chats: 1, Messages: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		state.Message
		shown int
	}{
		"the same":            {message(old, "hello", now.Add(-time.Hour)), 1},
		"with later stamp":    {message(old, "hello", now.Add(-30*time.Minute)), 1},
		"sent again just now": {message(old, "hello", now), 1},
		"another one":         {message("other", "hello", now.Add(-time.Hour)), 2},
		"the id used again":   {message(old, "something else", now.Add(-time.Hour)), 2},
		"what is in memory":   {message("new", "again", now.Add(-time.Minute)), 1},
		"something just said": {message("just", "now", now), 2},
		"a bot's, as of then": {message("1", "ok", now.Add(-50*time.Minute)), 1},
		"a bot's next one":    {message("1", "ok", now), 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(New(Config{Clock: fixed{stream.RealClock, now}}))
			l.store, l.state = s, state.New().With(kept.Event())
			l.Emit(state.MessageAdded{Conv: grace, Message: tc.Message})
			if n := l.state.Chat(grace).Timeline.Len(); n != tc.shown {
				t.Errorf("%d messages are in memory, want %d", n, tc.shown)
			}
		})
	}
}

// What the archive has of messages that came live without its ids, and are on the disk by
// now, is not shown again. What they do not account for is shown, however much alike it is.
func TestAPageOfWhatIsOnTheDisk(t *testing.T) {
	const ada, grace = "ada@localhost", "grace@localhost"
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	ok := func(n int) state.Message {
		return state.Message{ID: "1", Author: grace, Body: "ok", At: now.Add(time.Duration(n) * time.Minute)}
	}
	all := state.New().With(state.SessionStarted{Me: ada + "/tab"})
	for i := range 2 {
		all = all.With(state.MessageAdded{Conv: grace, Message: ok(i)})
	}
	for i := range 60 { // stamped by a clock that was behind
		m := state.Message{ID: fmt.Sprint("m", i), Author: grace, Body: fmt.Sprint(i), At: now}
		all = all.With(state.MessageAdded{Conv: grace, Message: m})
	}
	var disk store.Memory
	s, err := disk.Open(t.Context(), ada)
	if err == nil {
		err = s.Commit(t.Context(), store.Changes(nil, all))
	}
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(New(Config{Clock: fixed{stream.RealClock, now}}))
	l.store = s
	l.load()
	page := state.ArchivePage{Conv: grace, Unread: true}
	for i := range 3 {
		m := ok(2 + i)
		m.ArchiveID = fmt.Sprint("a", i)
		page.Messages = append(page.Messages, m)
	}
	for range 2 {
		l.Emit(page)
		var ids []string
		for _, m := range l.state.Chat(grace).Timeline.Newest(100) {
			if m.Body == "ok" {
				ids = append(ids, m.ArchiveID)
			}
		}
		if len(ids) != 3 {
			t.Errorf("three messages of a bot are there as %q", ids)
		}
	}
}

// A start reads twice, however many conversations there are: the list with the conversation
// that is on screen, then the ends of all others. Each of them is there without a hole.
func TestAStartReadsTwice(t *testing.T) {
	const ada = "ada@localhost"
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	all := state.New().With(state.SessionStarted{Me: ada + "/tab"})
	peer := func(i int) jid.JID { return jid.JID(fmt.Sprintf("peer%d@localhost", i)) }
	conv := func(i int) state.ConvID { return state.Direct.With(peer(i)) }
	for i := range window.Chats + 5 {
		for n := range 60 {
			m := state.Message{ID: fmt.Sprint("m", n), Author: peer(i), Body: fmt.Sprint(n), At: now.Add(time.Duration(i*100+n) * time.Second)}
			all = all.With(state.MessageAdded{Conv: conv(i), Message: m})
		}
	}
	var disk store.Memory
	s, err := disk.Open(t.Context(), ada)
	if err == nil {
		err = s.Commit(t.Context(), store.Changes(nil, all))
	}
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{Clock: fixed{stream.RealClock, now}})
	l, read := newLoop(c), &counting{Store: s}
	l.store, l.onScreen = read, conv(0) // the oldest of them all
	first := 0
	c.Watch(func() {
		if first == 0 {
			first = c.State().Chat(conv(0)).Timeline.Len()
		}
	})
	l.load()
	if first != window.Messages {
		t.Errorf("with the list there were %d messages of the conversation on screen", first)
	}
	if read.pages != 0 || read.ends != 1 {
		t.Errorf("%d pages were read one by one, and %d times many at once", read.pages, read.ends)
	}
	for i := range window.Chats + 5 {
		want := window.Messages
		if i > 0 && i < 5 {
			want = 1 // said long ago
		}
		chat := l.state.Chat(conv(i))
		if got := chat.Timeline.Len(); got != want || !chat.Earlier {
			t.Errorf("of %s there are %d messages, want %d; more before them: %v", peer(i), got, want, chat.Earlier)
		}
		n := 60 - want
		for _, m := range chat.Timeline.Newest(want) {
			if m.Body != fmt.Sprint(n) {
				t.Fatalf("%s has a hole before %s", peer(i), m.Body)
			}
			n++
		}
	}
	if n, err := l.readPage(conv(9), window.Messages); n != 10 || err != nil || l.state.Chat(conv(9)).Timeline.Len() != 60 {
		t.Errorf("before that there are %d, %v", n, err)
	}
}

// What is said about a message reaches it on the disk. Nothing is read back for what
// changes nothing, whoever says it.
func TestAWordAboutWhatIsOnTheDisk(t *testing.T) {
	const ada, grace = "ada@localhost", "grace@localhost"
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	all := state.New().With(state.SessionStarted{Me: ada + "/tab"})
	mark := func(id string, d state.Delivery) {
		all = all.With(state.MessageMarked{Conv: grace, ID: id, Delivery: d, Problem: map[bool]string{true: "old"}[d == state.Failed]})
	}
	for i := range 300 {
		m := state.Message{ID: fmt.Sprint("m", i), Author: ada, Mine: true, Body: "hello", At: now, Delivery: state.OnServer}
		if i%2 == 1 {
			m.Author, m.Mine, m.Delivery = grace, false, state.Received
		}
		all = all.With(state.MessageAdded{Conv: grace, Message: m})
	}
	mark("m10", state.Failed)
	mark("m12", state.Delivered)
	all = all.With(state.Displayed{Conv: grace, ID: "m20"})
	if n := all.Chat(grace).Unread; n != 1 {
		t.Fatalf("%d are unread", n)
	}
	ours := func(c *state.Chat, id string) (m state.Message) {
		if found := c.Timeline.ByID(ada, id); found != nil {
			m = *found
		}
		return m
	}
	const bounce = `<message xmlns='jabber:client' from='%s' type='error' id='%s'><error type='cancel'>` +
		`<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`
	const receipt = `<message xmlns='jabber:client' from='%s' id='r'><received xmlns='urn:xmpp:receipts' id='%s'/></message>`
	const marker = `<message xmlns='jabber:client' from='%s' type='chat' id='d'><displayed xmlns='urn:xmpp:chat-markers:0' id='%s'/></message>`
	for name, tc := range map[string]struct {
		says, from, id string
		reads          int
		want           func(*state.Chat) bool
	}{
		"a bounce": {bounce, grace, "m40", 2, func(c *state.Chat) bool {
			m := ours(c, "m40")
			return m.Delivery == state.Failed && m.Bounced && m.Problem == "There is nobody at this address."
		}},
		"a receipt":                      {receipt, grace, "m280", 0, func(c *state.Chat) bool { return ours(c, "m280").Delivery == state.Delivered }},
		"a receipt for an old one":       {receipt, grace, "m240", 1, func(c *state.Chat) bool { return ours(c, "m240").Delivery == state.Delivered }},
		"a receipt for a failed one":     {receipt, grace, "m10", 2, func(c *state.Chat) bool { return ours(c, "m10").Delivery == state.Delivered }},
		"a marker":                       {marker, grace, "m40", 2, func(c *state.Chat) bool { return c.SeenTo == ours(c, "m40").Key }},
		"a bounce of nothing":            {bounce, grace, "made up", 0, nil},
		"a bounce of theirs":             {bounce, grace, "m41", 0, nil},
		"a bounce by somebody else":      {bounce, "mallory@localhost", "m40", 0, nil},
		"a bounce of what has failed":    {bounce, grace, "m10", 0, nil},
		"a bounce of what has arrived":   {bounce, grace, "m12", 0, nil},
		"a second receipt":               {receipt, grace, "m12", 0, nil},
		"a marker where more is seen":    {marker, grace, "m18", 0, nil},
		"a marker by somebody else":      {marker, "mallory@localhost", "m40", 0, nil},
		"a marker on what they have not": {marker, grace, "made up", 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var disk store.Memory
			s, err := disk.Open(t.Context(), ada)
			if err == nil {
				err = s.Commit(t.Context(), store.Changes(nil, all))
			}
			if err != nil {
				t.Fatal(err)
			}
			l := newLoop(New(Config{Clock: fixed{stream.RealClock, now}}))
			read := &counting{Store: s}
			l.store = read
			l.load()
			before := l.state.Chat(grace)
			if n := before.Timeline.Len(); n != window.Messages {
				t.Fatalf("%d messages are in memory", n)
			}
			read.pages = 0
			for range 2 {
				el, err := framing.Parse(fmt.Sprintf(tc.says, tc.from, tc.id), framing.DefaultLimits)
				if err != nil {
					t.Fatal(err)
				}
				l.receive(el)
			}
			l.save()
			after := l.state.Chat(grace)
			if read.pages != tc.reads {
				t.Errorf("%d pages were read, want %d", read.pages, tc.reads)
			}
			if tc.want == nil {
				if after != before {
					t.Error("something has changed")
				}
				return
			}
			if !tc.want(after) {
				t.Error("it is not so in memory")
			}
			if n, want := after.Timeline.Len(), min(window.Messages+tc.reads*backPage, 300); n != want {
				t.Errorf("%d messages are in memory, want %d", n, want)
			}
			kept, err := s.Load(t.Context(), store.Window{Chats: 1, Messages: 300})
			if err != nil {
				t.Fatal(err)
			}
			if !tc.want(state.New().With(kept.Event()).Chat(grace)) {
				t.Error("it is not so on the disk")
			}
		})
	}
}

// What the person has read on another device is counted from there, however far back.
func TestReadElsewhereUpToWhatIsOnTheDisk(t *testing.T) {
	const ada, grace = "ada@localhost", "grace@localhost"
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	all := state.New().With(state.SessionStarted{Me: ada + "/tab"})
	for i := range 80 {
		all = all.With(state.MessageAdded{Conv: grace, Message: state.Message{ID: fmt.Sprint("m", i), Author: grace, Body: "hello", At: now}})
	}
	var disk store.Memory
	s, err := disk.Open(t.Context(), ada)
	if err == nil {
		err = s.Commit(t.Context(), store.Changes(nil, all))
	}
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(New(Config{Clock: fixed{stream.RealClock, now}}))
	l.store = s
	l.load()
	l.Emit(state.Displayed{Conv: grace, ID: "m9", Mine: true})
	if n := l.state.Chat(grace).Unread; n != 70 {
		t.Errorf("%d are unread, want 70", n)
	}
}

// counting counts the pages that are read.
type counting struct {
	store.Store
	pages, ends int
}

func (c *counting) Ends(ctx context.Context, convs []state.ConvID, n int) ([][]state.MessageRow, error) {
	c.ends++
	return c.Store.Ends(ctx, convs, n)
}

func (c *counting) Messages(ctx context.Context, conv state.ConvID, before state.Key, n int) ([]state.MessageRow, error) {
	c.pages++
	return c.Store.Messages(ctx, conv, before, n)
}

// fixed is a clock that stands still.
type fixed struct {
	stream.Clock
	now time.Time
}

func (f fixed) Now() time.Time { return f.now }
