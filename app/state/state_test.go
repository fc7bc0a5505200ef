package state

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"natter/app/jid"
)

const (
	ada   = "ada@localhost"
	grace = "grace@localhost"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func signedIn() *State { return New().With(SessionStarted{Me: "ada@localhost/tab"}) }

func from(id, body string, after time.Duration) Message {
	return Message{ID: id, Author: grace, Body: body, At: noon.Add(after)}
}

func mine(id, body string, after time.Duration) Message {
	return Message{ID: id, Author: ada, Mine: true, Body: body, At: noon.Add(after), Delivery: Queued}
}

func bodies(s *State) (all []string) {
	c := s.Chat(grace)
	if c == nil {
		return nil
	}
	for _, m := range c.Timeline.Newest(1000) {
		all = append(all, m.Body)
	}
	return all
}

func expect(t *testing.T, s *State, want ...string) {
	t.Helper()
	if got := bodies(s); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("timeline\n got %q\nwant %q", got, want)
	}
}

func TestPublishedStatesNeverChange(t *testing.T) {
	before := signedIn().With(MessageAdded{Conv: grace, Message: from("1", "one", 0)})
	chat, rev := before.Chat(grace), before.Rev
	after := before.
		With(MessageAdded{Conv: grace, Message: from("2", "two", time.Second)}).
		With(ChatRead{Conv: grace}).
		With(ContactChanged{RosterItem{JID: grace, Name: "Grace"}}).
		With(PresenceChanged{From: grace + "/phone", Presence: Presence{Show: Away}}).
		With(ArchivePage{Conv: grace, Messages: []Message{from("0", "zero", -time.Hour)}, Older: true})
	expect(t, before, "one")
	expect(t, after, "zero", "one", "two")
	if before.Chat(grace) != chat || before.Rev != rev || chat.Unread != 1 || before.Contact(grace) != nil {
		t.Error("an event changed a state that was published before it")
	}
}

// Messages before an answer that the person wrote on another device count as read, however they come.
func TestUnread(t *testing.T) {
	at := func(m Message, id string) Message {
		m.ArchiveID = id
		return m
	}
	elsewhere := at(mine("4", "answer", 4*time.Second), "a4")
	elsewhere.Delivery = OnServer
	story := []Message{
		at(from("3", "three", 3*time.Second), "a3"), elsewhere, at(from("5", "five", 5*time.Second), "a5"), at(from("6", "six", 6*time.Second), "a6"),
	}
	start := signedIn().
		With(ArchivePage{Conv: grace, Older: true, Messages: []Message{at(from("1", "one", 0), "a1"), at(from("2", "two", time.Second), "a2")}})
	check := func(how string, s *State, unread int, read string) {
		t.Helper()
		c := s.Chat(grace)
		if m := c.Timeline.Get(c.ReadTo); c.Unread != unread || m == nil || m.Body != read {
			t.Errorf("%s: %d unread, read up to %+v", how, c.Unread, m)
		}
	}
	check("the first page", start, 0, "two")
	live := start
	for _, m := range story {
		live = live.With(MessageAdded{Conv: grace, Message: m})
	}
	check("live", live, 2, "answer")
	check("missed", start.With(ArchivePage{Conv: grace, Unread: true, Messages: story}), 2, "answer")
	check("missed, in two pages", start.
		With(ArchivePage{Conv: grace, Unread: true, Messages: story[:2]}).
		With(ArchivePage{Conv: grace, Unread: true, Messages: story[2:]}), 2, "answer")
	check("missed what was live", live.With(ArchivePage{Conv: grace, Unread: true, Messages: story}), 2, "answer")
	check("only theirs", start.With(ArchivePage{Conv: grace, Unread: true, Messages: story[2:]}), 2, "two")
	queued := start.With(MessageAdded{Conv: grace, Message: mine("7", "on its way", 2*time.Second)})
	check("ours, on its way", queued.With(ArchivePage{Conv: grace, Unread: true, Messages: story[2:]}), 2, "on its way")
}

// A read mark of the peer counts for messages that have arrived, and never goes back. What the person has read on
// another device is read here too.
func TestDisplayed(t *testing.T) {
	s := signedIn()
	for i, m := range []Message{mine("1", "one", 0), mine("2", "two", time.Second), mine("3", "failed", 2*time.Second), mine("4", "queued", 3*time.Second)} {
		s = s.With(MessageAdded{Conv: grace, Message: m})
		if kind := []FactKind{Acked, Receipt, Bounced, ""}[i]; kind != "" {
			s = s.With(about(m.ID, kind))
		}
	}
	seen := func(s *State) (all string) {
		c := s.Chat(grace)
		for _, m := range c.Timeline.Newest(10) {
			if c.Seen(m) {
				all += m.ID
			}
		}
		return all
	}
	for _, tc := range []struct{ id, want string }{{"2", "12"}, {"1", "1"}, {"4", "12"}, {"no", ""}} {
		if got := seen(s.With(about(tc.id, ReadMark))); got != tc.want {
			t.Errorf("up to %s: seen are %q, not %q", tc.id, got, tc.want)
		}
	}
	if got := seen(s.With(about("2", ReadMark)).With(about("1", ReadMark))); got != "12" {
		t.Errorf("it went back to %q", got)
	}

	s = s.With(MessageAdded{Conv: grace, Message: from("1", "theirs", 4*time.Second)}).
		With(MessageAdded{Conv: grace, Message: from("5", "five", 5*time.Second)}).
		With(MessageAdded{Conv: grace, Message: from("6", "six", 6*time.Second)})
	if got := seen(s.With(about("5", ReadMark))); got != "" {
		t.Errorf("a peer who has read their own message has seen %q", got)
	}
	for _, tc := range []struct {
		id     string
		unread int
	}{{"1", 2}, {"5", 1}, {"6", 0}, {"no", 3}, {"2", 3}} {
		if got := s.With(readHere(tc.id)).Chat(grace).Unread; got != tc.unread {
			t.Errorf("with %s read elsewhere %d are unread, not %d", tc.id, got, tc.unread)
		}
	}
	if got := s.With(ChatRead{Conv: grace}).With(readHere("5")).Chat(grace); got.Unread != 0 || got.ReadTo != got.Timeline.Last().Key {
		t.Error("what was read is unread again")
	}
	if s.With(Filed{Target: Target{"mallory@example.org", ada, "1"}, Fact: Fact{Kind: ReadMark, By: "mallory@example.org"}}).Chat("mallory@example.org") != nil {
		t.Error("a marker began a conversation")
	}
}

func TestRemoved_OnlyWhatFailed(t *testing.T) {
	failed := about("2", GaveUp)
	s := signedIn().
		With(MessageAdded{Conv: grace, Message: from("2", "hers, by the same id", 0)}).
		With(MessageAdded{Conv: grace, Message: mine("1", "one", 0)}).
		With(MessageAdded{Conv: grace, Message: mine("2", "two", time.Second)}).
		With(MessageAdded{Conv: grace, Message: mine("3", "three", 2*time.Second)})
	expect(t, s.With(MessageRemoved{Conv: grace, ID: "2"}), "hers, by the same id", "one", "two", "three")
	before := s.With(failed)
	after := before.With(MessageRemoved{Conv: grace, ID: "2"})
	expect(t, after, "hers, by the same id", "one", "three")
	expect(t, before, "hers, by the same id", "one", "two", "three")
	if rows := after.Changes(before); len(rows) != 1 || !rows[0].Gone || rows[0].Value.(*MessageRow).Message.Key != before.Chat(grace).Timeline.ByID(ada, "2").Key {
		t.Errorf("removed %+v", rows)
	}
	if ids := changed(s, after); len(ids) > 0 {
		t.Errorf("changed %v", ids)
	}
	// The message had arrived, because the archive has it.
	late := mine("2", "two", time.Second)
	late.ArchiveID, late.Delivery = "a2", OnServer
	expect(t, after.With(ArchivePage{Conv: grace, Unread: true, Messages: []Message{late}}), "hers, by the same id", "one", "two", "three")
	expect(t, after.With(MessageRemoved{Conv: "nobody@localhost", ID: "2"}), "hers, by the same id", "one", "three")
}

func TestOrder(t *testing.T) {
	t.Run("a clock that runs behind does not move a live message up", func(t *testing.T) {
		s := signedIn().
			With(MessageAdded{Conv: grace, Message: from("1", "question", 24*time.Hour)}).
			With(MessageAdded{Conv: grace, Message: mine("2", "answer", 0)})
		expect(t, s, "question", "answer")
		if at := s.Chat(grace).Timeline.Last().At; !at.Equal(noon) {
			t.Errorf("the time shown is %v, not the one it was written at", at)
		}
	})
	t.Run("pages with the same second keep the archive's order", func(t *testing.T) {
		s := signedIn().
			With(ArchivePage{Conv: grace, Older: true, Messages: []Message{from("3", "c", 0), from("4", "d", 0)}}).
			With(ArchivePage{Conv: grace, Older: true, Messages: []Message{from("1", "a", 0), from("2", "b", 0)}}).
			With(ArchivePage{Conv: grace, Messages: []Message{from("5", "e", 0), from("6", "f", 0)}})
		expect(t, s, "a", "b", "c", "d", "e", "f")
	})
	t.Run("missed messages go before what is newer", func(t *testing.T) {
		s := signedIn().
			With(MessageAdded{Conv: grace, Message: from("1", "first", 0)}).
			With(MessageAdded{Conv: grace, Message: from("3", "third", 2*time.Minute)}).
			With(ArchivePage{Conv: grace, Messages: []Message{from("2", "second", time.Minute)}})
		expect(t, s, "first", "second", "third")
	})
	for name, ahead := range map[string]time.Duration{
		"clocks agree":                        0,
		"our clock is ahead of the archive's": time.Hour,
		"our clock is behind the archive's":   -time.Hour,
	} {
		t.Run("what was missed among live messages, "+name, func(t *testing.T) {
			s := signedIn().
				With(MessageAdded{Conv: grace, Message: from("1", "first", ahead+10*time.Millisecond)}).
				With(MessageAdded{Conv: grace, Message: from("4", "fourth", ahead+20*time.Millisecond)}).
				With(ArchivePage{Conv: grace, Messages: []Message{
					archived(from("1", "first", 0), "a"), archived(from("2", "second", 0), "b"),
					archived(from("3", "third", 0), "c"), archived(from("4", "fourth", 0), "d"),
				}}).
				With(ArchivePage{Conv: grace, After: "d", Messages: []Message{archived(from("5", "fifth", 0), "e")}})
			expect(t, s, "first", "second", "third", "fourth", "fifth")
		})
	}
	t.Run("what was missed among live messages that were stamped late", func(t *testing.T) {
		s := signedIn().
			With(MessageAdded{Conv: grace, Message: from("1", "first", time.Minute)}).
			With(ArchivePage{Conv: grace, Messages: []Message{archived(from("1", "first", 0), "a")}}).
			With(MessageAdded{Conv: grace, Message: from("3", "third", 0)}).
			With(ArchivePage{Conv: grace, Messages: []Message{
				archived(from("2", "second", 0), "b"), archived(from("3", "third", 0), "c"),
			}})
		expect(t, s, "first", "second", "third")
	})
	t.Run("what the archive has among messages that the server delivered in another order", func(t *testing.T) {
		s := signedIn().
			With(MessageAdded{Conv: grace, Message: archived(from("1", "first", time.Minute), "a")}).
			With(MessageAdded{Conv: grace, Message: archived(from("4", "fourth", 4*time.Minute), "d")}).
			With(MessageAdded{Conv: grace, Message: archived(from("6", "sixth", 6*time.Minute), "f")}).
			With(MessageAdded{Conv: grace, Message: archived(from("2", "second", 2*time.Minute), "b")}).
			With(ArchivePage{Conv: grace, Messages: []Message{
				archived(from("1", "first", time.Minute), "a"), archived(from("2", "second", 2*time.Minute), "b"),
				archived(from("3", "third", 3*time.Minute), "c"), archived(from("4", "fourth", 4*time.Minute), "d"),
				archived(from("5", "fifth", 5*time.Minute), "e"), archived(from("6", "sixth", 6*time.Minute), "f"),
			}})
		expect(t, s, "first", "fourth", "fifth", "sixth", "second", "third")
	})
	t.Run("what an archive filed late", func(t *testing.T) {
		s := signedIn().
			With(ArchivePage{Conv: grace, Messages: []Message{
				archived(from("1", "first", time.Minute), "a"), archived(from("3", "third", 3*time.Minute), "c"),
			}}).
			With(ArchivePage{Conv: grace, Messages: []Message{
				archived(from("2", "second", 2*time.Minute), "b"), archived(from("3", "third", 3*time.Minute), "c"),
				archived(from("4", "fourth", 4*time.Minute), "d"),
			}})
		expect(t, s, "first", "second", "third", "fourth")
	})
	t.Run("what an archive filed late, by a clock that is behind ours", func(t *testing.T) {
		s := signedIn().
			With(MessageAdded{Conv: grace, Message: archived(from("1", "first", 2*time.Minute), "a")}).
			With(MessageAdded{Conv: grace, Message: archived(from("3", "third", 3*time.Minute), "c")}).
			With(ArchivePage{Conv: grace, Messages: []Message{
				archived(from("1", "first", 0), "a"), archived(from("3", "third", time.Minute), "c"),
			}}).
			With(ArchivePage{Conv: grace, Messages: []Message{
				archived(from("2", "second", 30*time.Second), "b"), archived(from("3", "third", time.Minute), "c"),
				archived(from("4", "fourth", 70*time.Second), "d"),
			}})
		expect(t, s, "first", "second", "third", "fourth")
	})
	t.Run("what an archive filed late, before a page that begins with it and goes on with what was delivered late", func(t *testing.T) {
		s := signedIn().
			With(MessageAdded{Conv: grace, Message: archived(from("1", "first", time.Minute), "a")}).
			With(MessageAdded{Conv: grace, Message: archived(from("5", "fifth", 5*time.Minute), "e")}).
			With(MessageAdded{Conv: grace, Message: archived(from("4", "fourth", 6*time.Minute), "d")}).
			With(ArchivePage{Conv: grace, Messages: []Message{archived(from("5", "fifth", 5*time.Minute), "e")}}).
			With(ArchivePage{Conv: grace, After: "a", Messages: []Message{
				archived(from("2", "second", 0), "b"), archived(from("3", "third", 3*time.Minute), "c"),
				archived(from("4", "fourth", 4*time.Minute), "d"), archived(from("6", "sixth", 7*time.Minute), "f"),
			}})
		expect(t, s, "first", "second", "third", "fifth", "fourth", "sixth")
	})
	t.Run("a page of what came after messages that were delivered late, and the page before it", func(t *testing.T) {
		s := signedIn().With(MessageAdded{Conv: grace, Message: mine("0", "ours", time.Minute)})
		for i := range 3 { // as of then, after a loss: their place is that of now
			s = s.With(MessageAdded{Conv: grace, Message: from(fmt.Sprint(i), fmt.Sprint(i), time.Duration(i)*time.Second)})
		}
		s = s.
			With(ArchivePage{Conv: grace, Older: true, Messages: []Message{
				archived(from("4", "4", 4*time.Second), "e"), archived(mine("0", "ours", time.Minute), "m"),
			}}).
			With(ArchivePage{Conv: grace, Older: true, Before: "e", Messages: []Message{
				archived(from("1", "1", time.Second), "b"), archived(from("2", "2", 2*time.Second), "c"), archived(from("3", "3", 3*time.Second), "d"),
			}})
		expect(t, s, "ours", "0", "1", "2", "3", "4")
	})
	t.Run("a page that begins with ours, of what came after messages that were delivered late", func(t *testing.T) {
		s := signedIn().With(MessageAdded{Conv: grace, Message: mine("0", "ours", time.Minute)})
		for i := range 3 {
			s = s.With(MessageAdded{Conv: grace, Message: from(fmt.Sprint(i), fmt.Sprint(i), time.Duration(i)*time.Second)})
		}
		s = s.With(ArchivePage{Conv: grace, Older: true, Messages: []Message{
			archived(mine("0", "ours", time.Minute), "m"), archived(from("4", "4", 4*time.Second), "e"),
		}})
		expect(t, s, "ours", "0", "1", "2", "4")
	})
	t.Run("what comes after messages that were delivered late and have been read since", func(t *testing.T) {
		s := signedIn().With(MessageAdded{Conv: grace, Message: mine("0", "ours", time.Minute)})
		for i := range 3 {
			s = s.With(MessageAdded{Conv: grace, Message: from(fmt.Sprint(i), fmt.Sprint(i), time.Duration(i)*time.Second)})
		}
		page := []Message{
			archived(from("0", "0", 0), "a"), archived(from("1", "1", time.Second), "b"), archived(from("2", "2", 2*time.Second), "c"),
			archived(mine("0", "ours", time.Minute), "d"),
		}
		read := Reading{Start: true, owners: map[string]ConvID{}}
		for _, m := range page {
			read.IDs, read.owners[m.ArchiveID] = append(read.IDs, m.ArchiveID), grace
		}
		s = s.With(ArchivePage{Conv: grace, Messages: page}).
			With(ArchiveRead{Part{Archive: ada}, read}).
			With(ArchivePage{Conv: grace, Messages: []Message{archived(from("3", "3", 3*time.Second), "e")}})
		expect(t, s, "ours", "0", "1", "2", "3")
	})
	t.Run("whatever was filed late among messages of one time", func(t *testing.T) {
		all := []Message{archived(from("0", "00", 0), "0"), archived(from("99", "99", 0), "99")}
		s := signedIn().With(ArchivePage{Conv: grace, Older: true, Messages: all})
		for i := 1; i < 20; i++ { // each right behind the first
			id := fmt.Sprintf("%02d", 99-i)
			all = slices.Insert(all, 1, archived(from(id, id, 0), id))
			s = s.With(ArchivePage{Conv: grace, Apart: true, Messages: all})
		}
		var want []string
		for _, m := range all {
			want = append(want, m.Body)
		}
		expect(t, s, want...)
	})
	t.Run("where a build before left no space nothing is lost", func(t *testing.T) {
		first, third := archived(from("1", "first", 0), "a"), archived(from("3", "third", 0), "c")
		first.Key, third.Key = Key{noon.UnixMicro(), 1}, Key{noon.UnixMicro(), 2}
		s := signedIn().
			With(HistoryRead{Conv: grace, Messages: []Message{first, third}}).
			With(ArchivePage{Conv: grace, Messages: []Message{first, archived(from("2", "second", 0), "b"), third}})
		expect(t, s, "first", "third", "second")
	})
	t.Run("our own keep the place where they were written", func(t *testing.T) {
		s := signedIn().
			With(MessageAdded{Conv: grace, Message: mine("2", "written offline", 0)}).
			With(ArchivePage{Conv: grace, Messages: []Message{
				archived(from("1", "sent meanwhile", time.Minute), "a"), archived(mine("2", "written offline", time.Hour), "b"),
			}})
		expect(t, s, "written offline", "sent meanwhile")
	})
}

// Same decides whether two copies are one message. If that is not certain, they are two: it is better to show a
// message twice than to lose one.
func TestDuplicates(t *testing.T) {
	at := func(m Message, id string) Message { m.ArchiveID = id; return m }
	live := func(m Message) Event { return MessageAdded{Conv: grace, Message: m} }
	copied := func(m Message) Event { return MessageAdded{Conv: grace, Message: m, Carbon: true} }
	page := func(all ...Message) Event { return ArchivePage{Conv: grace, Messages: all, Unread: true} }
	older := func(all ...Message) Event { return ArchivePage{Conv: grace, Messages: all, Older: true} }
	online := ConnectionChanged{Connection{Phase: Online}}
	lost := ConnectionChanged{Connection{Phase: Waiting}}
	again := ConnectionChanged{Connection{Phase: Online, Lost: from("", "", 0).At}}
	ok := func(minutes time.Duration) Message { return from("1", "ok", minutes*time.Minute) }
	sent := func(m Message) Message { m.Delivery = OnServer; return m }
	const uuid = "0f3f8a3e-77a5-4b61-a0a5-0c4f0c1a5b3d"
	for _, tc := range []struct {
		name   string
		want   int
		events []Event
	}{
		{"the same archive id", 1, []Event{live(at(from("1", "hi", 0), "x")), page(at(from("2", "hi", 0), "x"))}},
		{"live, then from the archive", 1, []Event{live(from("1", "hi", 0)), page(at(from("1", "hi", 0), "x"))}},
		{"from the archive, then live", 1, []Event{page(at(from("1", "hi", 0), "x")), live(from("1", "hi", time.Second))}},
		{"ours, then from the archive", 1, []Event{live(mine("1", "hi", 0)), page(at(mine("1", "hi", time.Minute), "x"))}},
		{"ours, filed twice as it was sent twice", 1, []Event{live(mine(uuid, "hi", 0)), page(at(mine(uuid, "hi", 0), "x"), at(mine(uuid, "hi", time.Hour), "y"))}},
		{"an id used again for other words", 2, []Event{live(from("1", "hi", 0)), lost, online, live(from("1", "ho", 0))}},
		{"an id used again days later", 2, []Event{live(from("1", "hi", 0)), page(at(from("1", "hi", 48*time.Hour), "x"))}},
		{"a stranger's copy of our id", 2, []Event{live(mine("1", "hi", 0)), live(from("1", "hi", 0))}},

		{"a bot, on one stream", 3, []Event{live(ok(0)), live(ok(0)), live(ok(0))}},
		{"a bot, on one stream, with archive ids", 3, []Event{live(at(ok(0), "x")), live(at(ok(0), "y")), live(at(ok(5), "z"))}},
		{"a bot without ids, on one stream", 3, []Event{live(from("", "ok", 0)), live(from("", "ok", 0)), live(from("", "ok", 0))}},
		{"a bot whose id looks random, on one stream", 2, []Event{live(from(uuid, "ok", 0)), live(from(uuid, "ok", 0))}},
		{"a bot, in the archive", 2, []Event{page(at(ok(0), "x"), at(ok(5), "y"))}},
		{"a bot, on two pages", 2, []Event{page(at(ok(0), "x")), page(at(ok(5), "y"))}},
		{"a bot, live and then all of it in the archive", 3, []Event{live(ok(0)), live(ok(5)), live(ok(10)), page(at(ok(0), "x"), at(ok(5), "y"), at(ok(10), "z"))}},
		{"a bot, of which one was live", 3, []Event{live(ok(10)), page(at(ok(0), "x"), at(ok(5), "y"), at(ok(10), "z"))}},
		{"a bot without ids, live and then all of it in the archive", 3, []Event{
			live(from("", "ok", 0)), live(from("", "ok", time.Minute)), live(from("", "ok", 2*time.Minute)),
			page(at(from("", "ok", 0), "x"), at(from("", "ok", time.Minute), "y"), at(from("", "ok", 2*time.Minute), "z"))}},
		{"a bot, read backwards", 3, []Event{live(ok(0)), live(ok(5)), live(ok(10)), older(at(ok(10), "z")), older(at(ok(0), "x"), at(ok(5), "y"))}},
		{"a bot, before and after a loss", 2, []Event{live(ok(0)), lost, online, live(ok(5))}},
		{"a bot of ours, by carbons", 3, []Event{copied(sent(mine("1", "ok", 0))), copied(sent(mine("1", "ok", 0))), copied(sent(mine("1", "not ok", 0)))}},
		{"a bot of ours, in the archive", 3, []Event{page(at(mine("1", "ok", 0), "x"), at(mine("1", "ok", 0), "y"), at(mine("1", "not ok", 0), "z"))}},

		{"a live message without any id and its copy in the archive", 1, []Event{live(from("", "hi", 0)), page(at(from("", "hi", 2*time.Second), "x"))}},
		{"the archive's copy of one without any id, and that live", 1, []Event{page(at(from("", "hi", 0), "x")), live(from("", "hi", time.Second))}},
		{"two messages without ids, the second in the archive only", 2, []Event{live(from("", "hi", 0)), page(at(from("", "hi", 0), "x"), at(from("", "hi", time.Hour), "y"))}},
		{"a message by carbon and directly", 1, []Event{copied(from("1", "hi", 0)), live(from("1", "hi", 0))}},
		{"what we write to ourselves", 1, []Event{live(mine("1", "note", 0)), live(sent(mine("1", "note", 0))), copied(sent(mine("1", "note", 0)))}},
		{"delivered again after a loss, as of then", 1, []Event{live(from("1", "hi", 0)), lost, online, live(from("1", "hi", 0))}},
		{"delivered again after a loss, as of now", 1, []Event{live(from(uuid, "hi", 0)), lost, online, live(from(uuid, "hi", time.Hour))}},
		{"delivered and filed again after a loss, by ejabberd", 1, []Event{live(at(from(uuid, "hi", 0), "1795877576088450")), lost, online, live(at(from(uuid, "hi", 12*time.Minute), "1795877590973046"))}},
		{"by carbon, and filed again when the connection that had it was over", 1, []Event{copied(at(from(uuid, "hi", 0), "1795877576088450")), live(at(from(uuid, "hi", time.Minute), "1795877590973046"))}},
		{"filed twice by ejabberd", 1, []Event{page(at(from(uuid, "hi", 0), "1795877576088450"), at(from(uuid, "hi", 12*time.Minute), "1795877590973046"))}},
		{"filed twice by ejabberd, read backwards", 1, []Event{older(at(from(uuid, "hi", 12*time.Minute), "1795877590973046")), older(at(from(uuid, "hi", 0), "1795877576088450"))}},
		{"on one stream of ejabberd", 2, []Event{live(at(from(uuid, "hi", 0), "1795877576088450")), live(at(from(uuid, "hi", 0), "1795877590973046"))}},
		{"filed again by ejabberd for each of the connections lost before", 1, []Event{
			live(at(from(uuid, "hi", 0), "1795877576088450")), lost, again,
			live(at(from(uuid, "hi", 5*time.Minute), "1795877590973046")), live(at(from(uuid, "hi", 6*time.Minute), "1795877590973047"))}},
		{"heard for the first time after a loss, and filed again by ejabberd for another", 1, []Event{lost, again,
			live(at(from(uuid, "hi", time.Minute), "1795877576088450")), live(at(from(uuid, "hi", time.Minute), "1795877590973046"))}},
		{"the same, once without the archive's id", 1, []Event{lost, again,
			live(at(from(uuid, "hi", time.Minute), "1795877576088450")), live(from(uuid, "hi", 5*time.Minute))}},
		{"on a stream of ejabberd that has lasted since a loss", 2, []Event{lost, again,
			live(at(from(uuid, "hi", time.Hour), "1795877576088450")), live(at(from(uuid, "hi", time.Hour), "1795877590973046"))}},
		{"a bot on ejabberd, after a loss", 2, []Event{lost, again, live(at(ok(1), "1795877576088450")), live(at(ok(1), "1795877590973046"))}},
		{"another server, after a loss", 2, []Event{lost, again, live(at(from(uuid, "hi", 0), "x")), live(at(from(uuid, "hi", 0), "y"))}},
		{"filed again by ejabberd after an hour of losses", 1, []Event{page(at(from(uuid, "hi", 0), "1795877576088450"), at(from(uuid, "hi", time.Hour), "1795881176088450"))}},
		{"ejabberd and days between", 2, []Event{page(at(from(uuid, "hi", 0), "1795877576088450"), at(from(uuid, "hi", 48*time.Hour), "1796050376088450"))}},
		{"a bot on ejabberd", 2, []Event{page(at(ok(0), "1795877576088450"), at(ok(5), "1795877590973046"))}},
		{"filed twice by another server", 2, []Event{page(at(from(uuid, "hi", 0), "x"), at(from(uuid, "hi", 0), "y"))}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := signedIn().With(online)
			for _, ev := range tc.events {
				s = s.With(ev)
			}
			if got := s.Chat(grace).Timeline.Len(); got != tc.want {
				t.Errorf("%d messages, want %d: %q", got, tc.want, bodies(s))
			}
			for range 2 { // the second time nothing changes
				for _, ev := range tc.events {
					if _, ok := ev.(ArchivePage); ok {
						s = s.With(ev)
					}
				}
			}
			if got := s.Chat(grace).Timeline.Len(); got != tc.want {
				t.Errorf("%d messages after the pages have come again, want %d", got, tc.want)
			}
		})
	}
	t.Run("a second copy is not unread again", func(t *testing.T) {
		s := signedIn().
			With(MessageAdded{Conv: grace, Message: from("1", "hi", 0)}).
			With(ArchivePage{Conv: grace, Unread: true, Messages: []Message{
				archived(from("1", "hi", 0), "x"), archived(from("2", "ho", 0), "y")}})
		if got := s.Chat(grace).Unread; got != 2 {
			t.Errorf("unread %d, want 2", got)
		}
	})
}

func TestDelivery(t *testing.T) {
	mark := func(kind FactKind) Event { return about("1", kind) }
	bounced, again := mark(Bounced), MessageRetried{Conv: grace, ID: "1"}
	inArchive := mine("1", "hi", 0)
	inArchive.ArchiveID, inArchive.Delivery = "x", OnServer
	page := ArchivePage{Conv: grace, Messages: []Message{inArchive}}
	for _, tc := range []struct {
		events []Event
		want   Delivery
	}{
		{nil, Queued},
		{[]Event{mark(Acked)}, OnServer},
		{[]Event{mark(Receipt), mark(Acked)}, Delivered},
		{[]Event{mark(GaveUp)}, Failed},
		{[]Event{mark(GaveUp), again}, Queued},
		{[]Event{mark(GaveUp), mark(Receipt)}, Delivered},
		{[]Event{mark(Receipt), mark(GaveUp)}, Delivered},
		{[]Event{mark(Acked), mark(GaveUp)}, OnServer}, // the server has it, although we had given up
		{[]Event{mark(Acked), bounced}, Failed},
		{[]Event{mark(GaveUp), bounced, mark(Acked)}, Failed},
		{[]Event{mark(GaveUp), mark(Acked)}, OnServer},
		{[]Event{mark(GaveUp), page}, OnServer},
		{[]Event{bounced, mark(Acked)}, Failed}, // our server had it, and has sent it back
		{[]Event{bounced, page}, Failed},
		{[]Event{bounced, again, mark(Acked)}, OnServer},
		{[]Event{bounced, mark(Receipt)}, Delivered},
	} {
		s := signedIn().With(MessageAdded{Conv: grace, Message: mine("1", "hi", 0)})
		for _, ev := range tc.events {
			s = s.With(ev)
		}
		if got := s.Chat(grace).Timeline.Last().Delivery; got != tc.want {
			t.Errorf("after %v: %v, want %v", tc.events, got, tc.want)
		}
	}
	t.Run("nobody marks another's message", func(t *testing.T) {
		s := signedIn().With(MessageAdded{Conv: grace, Message: from("1", "hi", 0)})
		for _, kind := range []FactKind{Acked, GaveUp, Bounced, Receipt} {
			s = s.With(mark(kind)).With(Filed{Target: Target{grace, grace, "1"}, Fact: Fact{Kind: kind, By: ada}})
		}
		if s.Chat(grace).Timeline.Last().Delivery != Received {
			t.Error("a received message was marked")
		}
	})
	t.Run("the archive proves a message arrived", func(t *testing.T) {
		s := signedIn().With(MessageAdded{Conv: grace, Message: mine("1", "hi", 0)}).With(page)
		if got := s.Chat(grace).Timeline.Last(); got.Delivery != OnServer || got.ArchiveID != "x" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestPresence(t *testing.T) {
	s := signedIn().
		With(RosterLoaded{Items: []RosterItem{{JID: grace, Subscription: SubscriptionBoth}}}).
		With(PresenceChanged{From: grace + "/phone", Presence: Presence{Show: Away, Priority: 1}}).
		With(PresenceChanged{From: grace + "/desk", Presence: Presence{Show: Available, Priority: 1}})
	if got := s.Contact(grace).Presence().Show; got != Available {
		t.Errorf("of two equals the more available one is shown, got %q", got)
	}
	s = s.With(PresenceChanged{From: grace + "/phone", Presence: Presence{Show: DND, Priority: 5}})
	if got := s.Contact(grace).Presence().Show; got != DND {
		t.Errorf("the highest priority is shown, got %q", got)
	}
	again := s.With(SessionStarted{Me: "ada@localhost/other"})
	if got := again.Contact(grace).Presence().Show; got != Unavailable {
		t.Errorf("a new session begins knowing of nobody, got %q", got)
	}
}

func TestPresence_OfABareAddress(t *testing.T) {
	const gateway jid.JID = "irc.localhost"
	says := func(s *State, from jid.JID, show Show) *State {
		return s.With(PresenceChanged{From: from, Presence: Presence{Show: show}})
	}
	s := signedIn().With(RosterLoaded{Items: []RosterItem{{JID: grace, Subscription: SubscriptionBoth}, {JID: gateway, Subscription: SubscriptionTo}}})
	s = says(s, gateway, Away)
	if got := s.Contact(gateway).Presence().Show; got != Away {
		t.Errorf("a gateway is %q", got)
	}
	s = says(says(s, grace+"/phone", DND), grace+"/desk", Away)
	if s = says(s, grace+"/phone", Unavailable); s.Contact(grace).Presence().Show != Away {
		t.Error("one resource left, and took the others with it")
	}
	before := s
	if s = says(s, grace, Unavailable); s.Contact(grace).Presence().Show != Unavailable {
		t.Error("nobody is there, and one resource stays")
	}
	if before.Contact(grace).Presence().Show != Away {
		t.Error("a published state has changed")
	}
	if s = says(s, grace+"/desk", Available); s.Contact(grace).Presence().Show != Available {
		t.Error("it does not come back")
	}
	if s = says(says(s, gateway, Unavailable), gateway, Available); s.Contact(gateway).Presence().Show != Available {
		t.Error("a gateway does not come back")
	}
}

func TestPresence_ResourcesAreBounded(t *testing.T) {
	s := signedIn().With(RosterLoaded{Items: []RosterItem{{JID: grace, Subscription: SubscriptionBoth}}})
	for i := range 3 * mostResources {
		s = s.With(PresenceChanged{From: jid.JID(grace + "/" + fmt.Sprint(i)), Presence: Presence{Show: Away}})
	}
	if n := len(s.Contact(grace).Presences); n != mostResources {
		t.Errorf("%d resources are kept", n)
	}
	s = s.With(PresenceChanged{From: grace + "/0", Presence: Presence{Show: DND}})
	if got := s.Contact(grace).Presence().Show; got != DND {
		t.Errorf("those that are known no longer change: %q", got)
	}
}

func TestS16_ResourceIsLockedAndUnlocked(t *testing.T) {
	s := signedIn().
		With(RosterLoaded{Items: []RosterItem{{JID: grace, Subscription: SubscriptionBoth}}}).
		With(MessageAdded{Conv: grace, Resource: "phone", Message: from("1", "hi", 0)})
	if got := s.Chat(grace).Resource; got != "phone" {
		t.Errorf("after a message from /phone: %q", got)
	}
	s = s.With(PresenceChanged{From: grace + "/desk", Presence: Presence{Show: Available}})
	if got := s.Chat(grace).Resource; got != "" {
		t.Errorf("after a change of presence: %q", got)
	}
}

func TestRosterKeepsWhoAsks(t *testing.T) {
	s := signedIn().
		With(SubscriptionAsked{From: "mallory@elsewhere.example", Text: "let me in"}).
		With(RosterLoaded{Items: []RosterItem{{JID: grace, Name: "Grace", Subscription: SubscriptionTo}}})
	if c := s.Contact("mallory@elsewhere.example"); c == nil || !c.AsksUs || c.InRoster {
		t.Errorf("a request was lost with the roster: %+v", c)
	}
	s = s.With(SubscriptionSent{Answer: Decline, To: "mallory@elsewhere.example"})
	if c := s.Contact("mallory@elsewhere.example"); c != nil {
		t.Errorf("an answered stranger stays: %+v", c)
	}
	if s.Name(grace) != "Grace" || s.Name("x@y") != "x" || s.Name("y") != "y" {
		t.Error("names")
	}
}

func TestWindows(t *testing.T) {
	s := signedIn()
	for i := range 300 {
		s = s.With(MessageAdded{Conv: grace, Message: from(fmt.Sprint(i), fmt.Sprint(i), time.Duration(i)*time.Second)})
	}
	tl := s.Chat(grace).Timeline
	newest := tl.Newest(100)
	if len(newest) != 100 || newest[0].Body != "200" || newest[99].Body != "299" {
		t.Fatalf("newest: %d rows", len(newest))
	}
	before := tl.Before(newest[0].Key, 50)
	if len(before) != 50 || before[0].Body != "150" || before[49].Body != "199" {
		t.Fatalf("before: %d rows, %q to %q", len(before), before[0].Body, before[49].Body)
	}
	rest := tl.From(newest[98].Key, 50)
	if len(rest) != 2 || rest[0].Body != "298" {
		t.Fatalf("from: %d rows", len(rest))
	}
	if early := tl.Before(tl.First().Key, 10); len(early) != 0 {
		t.Fatalf("before the first: %d rows", len(early))
	}
	if past := tl.Before(Key{Time: 1 << 60}, 2); len(past) != 2 || past[1].Body != "299" {
		t.Fatalf("before the end of time: %v", past)
	}
}

func TestClamp(t *testing.T) {
	for _, tc := range []struct{ at, want time.Time }{
		{noon, noon},
		{noon.Add(time.Hour), noon.Add(time.Minute)},
		{time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, 0)},
	} {
		if got := Clamp(tc.at, noon); !got.Equal(tc.want) {
			t.Errorf("Clamp(%v) = %v, want %v", tc.at, got, tc.want)
		}
	}
}

// The cost of a message must not depend on how many messages the conversation has.
func TestCostDoesNotGrowWithTheChat(t *testing.T) {
	cost := func(length int, id func(int) string) float64 {
		s := signedIn()
		for i := range length {
			s = s.With(MessageAdded{Conv: grace, Message: from(id(i), "words", time.Duration(i)*time.Second)})
		}
		next := MessageAdded{Conv: grace, Message: from(id(length), "words", time.Duration(length)*time.Second)}
		return testing.AllocsPerRun(20, func() { s.With(next) })
	}
	for name, id := range map[string]func(int) string{
		"ids of their own": func(i int) string { return fmt.Sprint(i) },
		"one id for all":   func(int) string { return "1" },
		"no ids":           func(int) string { return "" },
	} {
		short, long := cost(100, id), cost(20_000, id)
		if long > 2*short {
			t.Errorf("%s: %v allocations in a chat of 100, %v in one of 20,000", name, short, long)
		}
	}
}

func BenchmarkMessageAdded(b *testing.B) {
	for _, length := range []int{100, 10_000} {
		b.Run(fmt.Sprint(length), func(b *testing.B) {
			s := signedIn()
			for i := range length {
				s = s.With(MessageAdded{Conv: grace, Message: from(fmt.Sprint(i), "words", time.Duration(i)*time.Second)})
			}
			next := MessageAdded{Conv: grace, Message: from("next", "words", time.Duration(length)*time.Second)}
			b.ReportAllocs()
			for b.Loop() {
				s.With(next)
			}
		})
	}
}

// about returns a fact about a message of ours, by an author who may say it.
func about(id string, kind FactKind) Filed {
	by := jid.JID(grace)
	if kind == Acked || kind == GaveUp {
		by = ada
	}
	return Filed{Target: Target{grace, ada, id}, Fact: Fact{Kind: kind, By: by, Text: map[FactKind]string{GaveUp: "why", Bounced: "why"}[kind]}}
}

// readHere returns the read mark of another client of ours about a message of the peer.
func readHere(id string) Filed {
	return Filed{Target: Target{grace, grace, id}, Fact: Fact{Kind: ReadMark, By: ada}}
}
