package client

import (
	"context"
	"testing"
	"time"

	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
)

// A message of ours is drawn after it is on the disk, so that it leaves first: a page that draws gets the
// answer of the disk only after the frame. If the disk is slow, the message waits for it (Sec61), but the
// drawing does not.
func TestSec61_AMessageLeavesBeforeItIsDrawn(t *testing.T) {
	const ada, grace = "ada@localhost", "grace@localhost"
	for name, quick := range map[string]bool{"a quick disk": true, "a slow disk": false} {
		t.Run(name, func(t *testing.T) {
			clock := &stopped{now: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)}
			c := New(Config{Clock: clock, NewID: func() string { return "id" }})
			var disk store.Memory
			s, err := disk.Open(t.Context(), ada)
			if err != nil {
				t.Fatal(err)
			}
			slow := &held{Store: s, asked: make(chan bool, 1), answer: make(chan bool)}
			c.l.store, c.l.state = slow, state.New().With(state.SessionStarted{Me: ada + "/tab"}).
				With(state.ConnectionChanged{Connection: state.Connection{Phase: state.Online}})
			shown := func() bool { c := c.State().Chat(grace); return c != nil && c.Timeline.Len() == 1 }

			c.Do(state.SendMessage{Conv: grace, Body: "hello"})
			<-c.commands.ready
			c.turn(nil)
			<-slow.asked
			if shown() {
				t.Error("it is drawn before the disk has been asked for long")
			}
			if quick {
				close(slow.answer)
				<-c.commands.ready
			} else {
				clock.pass(headStart)
			}
			c.turn(nil)
			if !shown() {
				t.Error("it is not drawn")
			}
			if onDisk := c.l.kept != nil && c.l.kept.Chat(grace) != nil; onDisk != quick {
				t.Errorf("it counts as written down: %v", onDisk)
			}
			if !quick {
				close(slow.answer)
			}
		})
	}
}

// A commit that only has the counts of the stream waits for lull, unless crowd stanzas wait for it. Else the
// stream would stop reading (stream.Config.Backlog) while a large room is entered.
func TestCommit_ManyStanzasDoNotWait(t *testing.T) {
	for _, n := range []uint64{crowd - 1, crowd} {
		clock := &stopped{now: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)}
		c := New(Config{Clock: clock})
		var disk store.Memory
		s, err := disk.Open(t.Context(), "ada@localhost")
		if err != nil {
			t.Fatal(err)
		}
		l := c.l
		l.store, l.stream, l.state = s, stream.New(stream.Config{Hold: true}), state.New().With(state.SessionStarted{Me: "ada@localhost/tab"}).
			With(state.ConnectionChanged{Connection: state.Connection{Phase: state.Online}})
		l.kept, l.began = l.state, clock.now
		clock.pass(pace)
		l.received, l.streamDirty = n, true
		l.commit()
		if writes := l.under != nil; writes != (n == crowd) {
			t.Errorf("%d stanzas: they are written down at once: %v", n, writes)
		}
		if l.under != nil {
			l.committed(l.under)
		}
	}
}

// held is a store that answers a commit when the test lets it.
type held struct {
	store.Store
	asked, answer chan bool
}

func (h *held) Commit(ctx context.Context, b *store.Batch) error {
	h.asked <- true
	<-h.answer
	return h.Store.Commit(ctx, b)
}

// stopped is a clock that the test moves on with pass.
type stopped struct {
	now    time.Time
	timers []func()
}

func (s *stopped) Now() time.Time { return s.now }

func (s *stopped) AfterFunc(_ time.Duration, f func()) (stop func()) {
	s.timers = append(s.timers, f)
	return func() {}
}

func (s *stopped) pass(d time.Duration) {
	s.now = s.now.Add(d)
	for _, f := range s.timers {
		f()
	}
}
