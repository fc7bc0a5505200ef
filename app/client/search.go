package client

import (
	"context"
	"slices"
	"sort"

	"natter/app/state"
	"natter/app/store"
)

// searchSlice is how many messages Search looks at between two calls of Yield. In Chromium so many
// from the disk take a few milliseconds.
const searchSlice = 250

// Search looks for the newest n messages that have all the typed words, in memory first, then on the
// disk. It calls tell, on another goroutine, whenever there are more hits, and at the end with Done;
// stop ends it early. It changes no state, because other tabs need not know of it.
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
	at   map[place]bool // the places of all hits so far, also of those that were cut
	news bool           // there are hits that tell was not called for
}

// place is the key of a message, and its conversation.
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
		newer := 0 // hits that no later slice can replace
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

// cut keeps the newest n hits, and one more as a sign that there are more. To sort and count all would
// cost more with each slice.
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

// report calls tell with the newest n hits, if there are new ones or the search is done.
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

// lend gives the store of the loop to Search, or takes it away when the loop has none.
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
