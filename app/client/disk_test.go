package client

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
	"natter/framing"
)

// If a server delivers a message again that is only on the disk, it is not shown twice. A new message is
// shown, however late it comes.
func TestADeliveryThatIsOnTheDisk(t *testing.T) {
	const ada, grace = "ada@localhost", "grace@localhost"
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	message := func(id, body string, at time.Time) state.Message {
		return state.Message{ID: id, Author: grace, Body: body, At: at}
	}
	const old = "f7c3a0a2b1d94a6e" // a random id, as clients make them
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

// A live message is looked for on the disk only if memory does not have all messages that it may repeat.
func TestALiveMessage_ReadsNothing(t *testing.T) {
	const ada, grace = "ada@localhost", "grace@localhost"
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		last  time.Duration // how old the only message in memory is
		mine  bool
		reads int
	}{
		"a day and more is in memory": {26 * time.Hour, false, 0},
		"an hour is":                  {time.Hour, false, 10},
		"written on another device":   {26 * time.Hour, true, 10},
	} {
		t.Run(name, func(t *testing.T) {
			all := state.New().With(state.SessionStarted{Me: ada + "/tab"}).
				With(state.MessageAdded{Conv: grace, Message: state.Message{ID: "1", Author: grace, Body: "one", At: now.Add(-30 * time.Hour)}}).
				With(state.MessageAdded{Conv: grace, Message: state.Message{ID: "2", Author: grace, Body: "two", At: now.Add(-tc.last)}})
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
			l := newLoop(New(Config{Clock: fixed{stream.RealClock, now}}))
			counts := &reads{Store: s}
			l.store, l.state = counts, state.New().With(kept.Event())
			author := jid.JID(grace)
			if tc.mine {
				author = ada
			}
			for i := range 10 {
				l.Emit(state.MessageAdded{Conv: grace, Message: state.Message{
					ID: fmt.Sprint("live", i), Author: author, Mine: tc.mine, Delivery: state.OnServer, Body: fmt.Sprint("live ", i), At: now,
				}})
			}
			if counts.n != tc.reads {
				t.Errorf("%d look-ups, want %d", counts.n, tc.reads)
			}
			if n := l.state.Chat(grace).Timeline.Len(); n != 11 {
				t.Errorf("%d messages are in memory", n)
			}
		})
	}
}

// reads counts the calls of Find.
type reads struct {
	store.Store
	n int
}

func (r *reads) Find(ctx context.Context, conv state.ConvID, wanted []store.Wanted) ([]state.MessageRow, error) {
	r.n++
	return r.Store.Find(ctx, conv, wanted)
}

// Messages that came live without an archive id, and are only on the disk now, are not shown again when the
// archive has them. Other messages are shown, even if they look the same.
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
	for i := range 60 { // with the times of a clock that was slow
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

// A start reads twice, however many conversations there are: first the list with the conversation on
// screen, then the ends of the others. No end has a hole in it.
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
		if got := chat.Timeline.Len(); got != want || !chat.Earlier() {
			t.Errorf("of %s there are %d messages, want %d; more before them: %v", peer(i), got, want, chat.Earlier())
		}
		n := 60 - want
		for _, m := range chat.Timeline.Newest(want) {
			if m.Body != fmt.Sprint(n) {
				t.Fatalf("%s has a hole before %s", peer(i), m.Body)
			}
			n++
		}
	}
	l.do(state.LoadOlder{Conv: conv(9)})
	if n := l.state.Chat(conv(9)).Timeline.Newest(100); len(n) != 60 {
		t.Errorf("with what comes before that there are %d", len(n))
	}
}

// A fact reaches its message in memory and on the disk. Nothing is read to find the message: one on the disk
// has the fact when it is read. A forged fact changes nothing there either.
func TestAWordAboutWhatIsOnTheDisk(t *testing.T) { aWordAbout(t, 400, "") }

func TestAWordAboutOneOf50000(t *testing.T) { aWordAbout(t, 50_000, "for an old one") }

func aWordAbout(t *testing.T, many int, only string) {
	const ada, grace = "ada@localhost", "grace@localhost"
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	head := state.New().With(state.SessionStarted{Me: ada + "/tab"}).With(state.ChatStarted{Conv: grace})
	b := store.Changes(nil, head)
	for i := range many {
		key := state.Key{Time: now.UnixMicro() + int64(i), Seq: int64(i)}
		m := &state.MessageRow{Conv: grace, At: key.Time, Delivery: "server", Message: state.Message{Key: key, ID: fmt.Sprint("m", i), Author: ada, Mine: true, Body: "hello"}}
		switch {
		case i%2 == 1:
			m.Author, m.Mine, m.Delivery = grace, false, ""
		case i == many-210:
			m.Delivery, m.Problem = "failed", "old"
		case i == many-212:
			m.Delivery = "delivered"
		}
		if i == many-1 {
			c := *head.Chat(grace)
			b.Rows = append(b.Rows, state.Row{Value: &state.ChatRow{Chat: state.Chat{Conv: c.Conv}, High: int64(many), Last: m}})
		}
		b.Rows = append(b.Rows, state.Row{Value: m})
	}
	const bounce = `<message xmlns='jabber:client' from='%s' type='error' id='%s'><error type='cancel'>` +
		`<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`
	const receipt = `<message xmlns='jabber:client' from='%s' id='r'><received xmlns='urn:xmpp:receipts' id='%s'/></message>`
	const marker = `<message xmlns='jabber:client' from='%s' type='chat' id='d'><displayed xmlns='urn:xmpp:chat-markers:0' id='%s'/></message>`
	is := func(d state.Delivery, problem string) func(*state.Chat, *state.Message) bool {
		return func(_ *state.Chat, m *state.Message) bool { return m.Delivery == d && m.Problem == problem }
	}
	seen := func(yes bool) func(*state.Chat, *state.Message) bool {
		return func(c *state.Chat, m *state.Message) bool { return c.Seen(m) == yes }
	}
	const gone = "There is nobody at this address."
	id := func(back int) string { return fmt.Sprint("m", many-back) }
	for name, tc := range map[string]struct {
		says, from, id string
		here           bool // in memory
		want           func(*state.Chat, *state.Message) bool
	}{
		"a receipt":                     {receipt, grace, id(20), true, is(state.Delivered, "")},
		"a receipt for an old one":      {receipt, grace, id(300), false, is(state.Delivered, "")},
		"a receipt for a failed one":    {receipt, grace, id(210), false, is(state.Delivered, "")},
		"a second receipt":              {receipt, grace, id(212), false, is(state.Delivered, "")},
		"a receipt by somebody else":    {receipt, "mallory@localhost", id(300), false, is(state.OnServer, "")},
		"a bounce for an old one":       {bounce, grace, id(300), false, is(state.Failed, gone)},
		"a bounce by somebody else":     {bounce, "mallory@localhost", id(300), false, is(state.OnServer, "")},
		"a bounce of theirs":            {bounce, grace, id(299), false, is(state.Received, "")},
		"a bounce of what has arrived":  {bounce, grace, id(212), false, is(state.Delivered, "")},
		"a marker for an old one":       {marker, grace, id(300), false, seen(true)},
		"a marker on an earlier one":    {marker, grace, id(302), false, seen(true)},
		"a marker by somebody else":     {marker, "mallory@localhost", id(300), false, seen(false)},
		"a marker by them on their own": {marker, grace, id(299), false, seen(false)},
	} {
		if !strings.HasSuffix(name, only) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			var disk store.Memory
			s, err := disk.Open(t.Context(), ada)
			if err == nil {
				err = s.Commit(t.Context(), b)
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
			*read = counting{Store: s}
			for range 2 {
				el, err := framing.Parse(fmt.Sprintf(tc.says, tc.from, tc.id), framing.DefaultLimits)
				if err != nil {
					t.Fatal(err)
				}
				l.receive(el)
			}
			l.save()
			if n := read.pages + read.ends + read.ones; n != 0 {
				t.Errorf("it was read %d times: %+v", n, read)
			}
			if after := l.state.Chat(grace); (after != before) != tc.here {
				t.Errorf("in memory something has changed: %v", after != before)
			}
			check := func(c *state.Chat) {
				t.Helper()
				m := c.Timeline.ByID(ada, tc.id)
				if m == nil {
					m = c.Timeline.ByID(grace, tc.id)
				}
				if m == nil || !tc.want(c, m) {
					t.Errorf("it is %+v, seen to %v", m, c.SeenTo)
				}
			}
			for range 2 {
				l.do(state.LoadOlder{Conv: grace})
			}
			check(l.state.Chat(grace))
			l.save()
			kept, err := s.Load(t.Context(), store.Window{Chats: 1, Messages: 350})
			if err != nil {
				t.Fatal(err)
			}
			check(state.New().With(kept.Event()).Chat(grace))
		})
	}
}

// When the person has read up to a message on another device, the messages after it are counted, however far
// back it is, and they are not read for that.
func TestReadElsewhereUpToWhatIsOnTheDisk(t *testing.T) {
	const ada, grace = "ada@localhost", "grace@localhost"
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	all := state.New().With(state.SessionStarted{Me: ada + "/tab"})
	said := func(s *state.State, i int) *state.State {
		return s.With(state.MessageAdded{Conv: grace, Message: state.Message{ID: fmt.Sprint("m", i), Author: grace, Body: "hello", At: now}})
	}
	for i := range 80 {
		all = said(all, i)
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
	l.state = said(l.state, 80) // not on the disk yet
	mark := func(id string) {
		l.Emit(state.Filed{Target: state.Target{Conv: grace, Author: grace, ID: id}, Fact: state.Fact{Kind: state.ReadMark, By: ada}})
	}
	for _, tc := range []struct {
		id   string
		want int
	}{{"m9", 71}, {"m5", 71}, {"m25", 55}, {"made up", 55}, {"m70", 10}, {"m9", 10}} {
		if mark(tc.id); l.state.Chat(grace).Unread != tc.want {
			t.Errorf("read to %s: %d are unread, want %d", tc.id, l.state.Chat(grace).Unread, tc.want)
		}
	}
	if n := l.state.Chat(grace).Timeline.Len(); n != window.Messages+1 {
		t.Errorf("%d messages are in memory", n)
	}
}

// counting counts the reads of a store: pages, ends and single messages.
type counting struct {
	store.Store
	pages, ends, ones int
}

func (c *counting) Find(ctx context.Context, conv state.ConvID, wanted []store.Wanted) ([]state.MessageRow, error) {
	c.ones++
	return c.Store.Find(ctx, conv, wanted)
}

func (c *counting) Nth(ctx context.Context, conv state.ConvID, n int) (*state.MessageRow, error) {
	c.ones++
	return c.Store.Nth(ctx, conv, n)
}

func (c *counting) Ends(ctx context.Context, convs []state.ConvID, n int) ([][]state.MessageRow, error) {
	c.ends++
	return c.Store.Ends(ctx, convs, n)
}

func (c *counting) After(ctx context.Context, conv state.ConvID, after state.Key, n int) ([]state.MessageRow, error) {
	c.pages++
	return c.Store.After(ctx, conv, after, n)
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
