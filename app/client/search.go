package client

import (
	"context"
	"slices"
	"sort"

	"natter/app/state"
	"natter/app/store"
)

// searchSlice is how many messages are looked at before the page gets to breathe: in
// Chromium one such slice from the disk takes a few milliseconds.
const searchSlice = 250

// Search looks for the newest n messages that have all the words that were typed: in
// memory first, then on the disk. It calls tell, on any goroutine, when there is more
// to show than before, and at last with Done; stop gives it up. It changes no state:
// what one tab looks for is nobody else's business.
func (c *Client) Search(typed string, n int, tell func(state.Found)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &search{client: c, words: state.Words(typed), n: n, at: map[place]bool{}, tell: tell}
	go s.run(ctx)
	return cancel
}

type search struct {
	client *Client
	words  []string
	n      int
	tell   func(state.Found)

	hits []state.Hit
	at   map[place]bool // where hits are, or have been
	news bool           // there are hits that nobody was told of
}

// place is the key of a message among those of all conversations.
type place struct {
	conv string
	key  state.Key
}

func (s *search) run(ctx context.Context) {
	failed := false
	if len(s.words) > 0 {
		s.inMemory(ctx, s.client.State())
		s.report(ctx, state.Found{})
		if disk := s.client.disk.Load(); disk != nil {
			failed = s.onDisk(ctx, *disk) != nil
		}
	}
	s.report(ctx, state.Found{Done: true, Failed: failed})
}

func (s *search) inMemory(ctx context.Context, from *state.State) {
	for c := range from.Chats {
		found := 0
		for page := c.Timeline.Newest(searchSlice); len(page) > 0 && found <= s.n; page = c.Timeline.Before(page[0].Key, searchSlice) {
			for _, m := range slices.Backward(page) {
				if state.Has(m.Words(), s.words) {
					s.add(state.Hit{Conv: c.Conv, Message: *m})
					found++
				}
			}
			if len(s.hits) > 2*s.n+searchSlice {
				s.cut()
			}
			if len(page) == searchSlice {
				s.client.config.Yield()
			}
			if ctx.Err() != nil {
				return
			}
		}
	}
}

func (s *search) onDisk(ctx context.Context, disk store.Store) error {
	var before int64
	for {
		rows, next, err := disk.Search(ctx, s.words, before, searchSlice)
		if err != nil {
			return err
		}
		for i := range rows {
			s.add(state.Hit{Conv: rows[i].Conv, Message: rows[i].Whole()})
		}
		s.report(ctx, state.Found{})
		newer := 0 // than what has not been looked at
		for _, h := range s.hits {
			if h.Message.Key.Time >= next {
				newer++
			}
		}
		if next == 0 || newer > s.n {
			return nil
		}
		before = next
		s.client.config.Yield()
	}
}

func (s *search) add(h state.Hit) {
	at := place{string(h.Conv), h.Message.Key}
	if s.at[at] {
		return
	}
	s.at[at], s.news = true, true
	s.hits = append(s.hits, h)
}

// cut keeps the newest of what was found, and one to tell that there are more: sorting
// and counting what nobody will see costs more with each slice.
func (s *search) cut() {
	sort.Slice(s.hits, func(i, j int) bool {
		a, b := &s.hits[i], &s.hits[j]
		if a.Message.Key != b.Message.Key {
			return b.Message.Key.Before(a.Message.Key)
		}
		return a.Conv < b.Conv
	})
	s.hits = s.hits[:min(s.n+1, len(s.hits))]
}

// report tells the newest of what was found, if that is news.
func (s *search) report(ctx context.Context, f state.Found) {
	if ctx.Err() != nil || !f.Done && !s.news {
		return
	}
	s.news = false
	s.cut()
	f.Hits = slices.Clone(s.hits[:min(s.n, len(s.hits))])
	f.More = len(s.hits) > s.n
	s.tell(f)
}

// lend lets searches read what the loop keeps.
func (l *loop) lend() {
	lent := l.c.disk.Load()
	switch {
	case l.store == nil && lent != nil:
		l.c.disk.Store(nil)
	case l.store != nil && (lent == nil || *lent != l.store):
		s := l.store
		l.c.disk.Store(&s)
	}
}
