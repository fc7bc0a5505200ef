package client

import (
	"testing"
	"time"

	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
)

// A server that delivers again, an hour later, what has long been on the disk shows
// nobody anything twice; what is new is shown, however late.
func TestADeliveryThatIsOnTheDisk(t *testing.T) {
	const ada, grace = "ada@localhost", "grace@localhost"
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	message := func(id, body string, at time.Time) state.Message {
		return state.Message{ID: id, Author: grace, Body: body, At: at}
	}
	all := state.New().With(state.SessionStarted{Me: ada + "/tab"}).
		With(state.MessageAdded{Peer: grace, Message: message("old", "hello", now.Add(-time.Hour))}).
		With(state.MessageAdded{Peer: grace, Message: message("new", "again", now.Add(-time.Minute))})
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
		"the same":            {message("old", "hello", now.Add(-time.Hour)), 1},
		"with later stamp":    {message("old", "hello", now.Add(-30*time.Minute)), 1},
		"sent again just now": {message("old", "hello", now), 1},
		"another one":         {message("other", "hello", now.Add(-time.Hour)), 2},
		"the id used again":   {message("old", "something else", now.Add(-time.Hour)), 2},
		"what is in memory":   {message("new", "again", now.Add(-time.Minute)), 1},
		"something just said": {message("just", "now", now), 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(New(Config{Clock: fixed{stream.RealClock, now}}))
			l.store, l.state = s, kept.State()
			l.Emit(state.MessageAdded{Peer: grace, Message: tc.Message})
			if n := l.state.Chat(grace).Timeline.Len(); n != tc.shown {
				t.Errorf("%d messages are in memory, want %d", n, tc.shown)
			}
		})
	}
}

// fixed is a clock that stands still.
type fixed struct {
	stream.Clock
	now time.Time
}

func (f fixed) Now() time.Time { return f.now }
