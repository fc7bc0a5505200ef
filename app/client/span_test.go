package client

import (
	"context"
	"fmt"
	"testing"
	"time"

	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
)

// rowsRead counts the rows that a store returns.
type rowsRead struct {
	store.Store
	n int
}

func (c *rowsRead) Messages(ctx context.Context, conv state.ConvID, before state.Key, n int) ([]state.MessageRow, error) {
	rows, err := c.Store.Messages(ctx, conv, before, n)
	c.n += len(rows)
	return rows, err
}

func (c *rowsRead) After(ctx context.Context, conv state.ConvID, after state.Key, n int) ([]state.MessageRow, error) {
	rows, err := c.Store.After(ctx, conv, after, n)
	c.n += len(rows)
	return rows, err
}

func (c *rowsRead) Find(ctx context.Context, conv state.ConvID, wanted []store.Wanted) ([]state.MessageRow, error) {
	rows, err := c.Store.Find(ctx, conv, wanted)
	c.n += len(rows)
	return rows, err
}

// Of a conversation of 50,000 messages, memory has those where the person looks, and the end. That is so too
// after an old page of the archive has come once more, and however far somebody scrolls.
func TestMemoryHasWhatIsLookedAt(t *testing.T) {
	const ada, grace, all = "ada@localhost", "grace@localhost", 50_000
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	b := store.Changes(nil, state.New().With(state.SessionStarted{Me: ada + "/tab"}).With(state.ChatStarted{Conv: grace}))
	at := func(i int) time.Time { return now.Add(time.Duration(i-all) * time.Minute) }
	key := func(i int) state.Key { return state.Key{Time: at(i).UnixMicro(), Seq: int64(i)} }
	for i := range all {
		m := state.Message{Key: key(i), ID: fmt.Sprintf("message %10d", i), ArchiveID: fmt.Sprint("a", i), Author: ada, Mine: true, Body: "hello"}
		row := &state.MessageRow{Conv: grace, Message: m, At: at(i).UnixMicro(), Delivery: "server"}
		if i == all-1 {
			b.Rows = append(b.Rows, state.Row{Value: &state.ChatRow{Chat: state.Chat{Conv: grace}, High: all, Last: row}})
		}
		b.Rows = append(b.Rows, state.Row{Value: row})
	}
	var disk store.Memory
	s, err := disk.Open(t.Context(), ada)
	if err == nil {
		err = s.Commit(t.Context(), b)
	}
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(New(Config{Clock: fixed{stream.RealClock, now}}))
	read := &rowsRead{Store: s}
	l.store = read
	l.load()
	in := func() int { return l.state.Chat(grace).Timeline.Len() }
	did := func(what string, most int, do func()) {
		t.Helper()
		read.n = 0
		do()
		if read.n > most {
			t.Errorf("%s: %d of %d messages were read", what, read.n, all)
		}
	}
	did("an old page of the archive once more", 3*backPage, func() {
		page := state.ArchivePage{Conv: grace, Older: true}
		for i := 20_000; i < 20_050; i++ {
			page.Messages = append(page.Messages, state.Message{
				ID: fmt.Sprintf("message %10d", i), ArchiveID: fmt.Sprint("a", i), Author: ada, Mine: true, Body: "hello", At: at(i), Delivery: state.OnServer,
			})
		}
		n := l.state
		l.Emit(page)
		for _, r := range l.state.Changes(n) {
			if m, ok := r.Value.(*state.MessageRow); ok {
				t.Errorf("it has changed message %d", m.Seq)
			}
		}
	})
	did("a jump to a hit of long ago", 2*backPage+2, func() {
		l.do(state.Look{Conv: grace, At: key(100)})
		tl := l.state.Chat(grace).Timeline
		if len(tl.Before(key(100), backPage)) != 100 || len(tl.From(key(100), backPage)) != backPage {
			t.Error("what is around it is not in memory")
		}
	})
	for i := 100; i < 3000; i += 150 { // somebody scrolls
		l.do(state.Look{Conv: grace, At: key(i)})
		l.save()
		l.releaseAll()
		if n := in(); n > lookedAt+2*backPage {
			t.Fatalf("at message %d there are %d in memory", i, n)
		}
		if l.state.Chat(grace).Timeline.Get(key(i)) == nil {
			t.Fatalf("message %d is not there", i)
		}
	}
	l.do(state.Look{Conv: "edith@localhost"})
	if n := in(); n > others {
		t.Errorf("%d are in memory of what nobody looks at", n)
	}
	for i := range 3 * others {
		l.Emit(state.MessageAdded{Conv: grace, Message: state.Message{ID: fmt.Sprintf("something new %d", i), Author: grace, Body: "new", At: now}})
	}
	l.save()
	if n := in(); n > others {
		t.Errorf("%d are in memory after a day of messages", n)
	}
}
