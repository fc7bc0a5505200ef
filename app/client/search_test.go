//go:build linux

package client_test

import (
	"fmt"
	"slices"
	"testing"

	"natter/app/state"
	"natter/app/store"
	"natter/app/store/storetest"
)

// search calls Search, and returns all results until the one that is Done.
func (p *person) search(typed string, n int) (all []state.Found) {
	p.t.Helper()
	told := make(chan state.Found, 1000)
	defer p.Search(typed, n, func(f state.Found) { told <- f })()
	for {
		f := <-told
		all = append(all, f)
		if f.Done {
			return all
		}
	}
}

func (p *person) found(typed string, n int) (found []string) {
	p.t.Helper()
	all := p.search(typed, n)
	for _, h := range all[len(all)-1].Hits {
		found = append(found, h.Message.Body)
	}
	return found
}

// All messages on the device are found without a network, in memory and on the disk. Look reads the messages
// around a hit.
func TestSearch_Offline(t *testing.T) {
	d, ada := trialPlace(t).remembering(t)
	var rows []state.MessageRow
	for i := range int64(3000) {
		peer := d.account
		rows = append(rows, state.MessageRow{Conv: state.Direct.With(peer), At: 1e15 + i*1e6, Message: state.Message{
			Key: state.Key{Time: 1e15 + i*1e6, Seq: i}, ID: fmt.Sprint("old", i), Author: peer, Body: fmt.Sprint("Brief number ", i),
		}})
	}
	rows[1234].Body = "Ein Café in Paris"
	ada.die()
	s, err := d.Memory.Open(t.Context(), d.account)
	if err == nil {
		err = s.Commit(t.Context(), &store.Batch{Rows: append(storetest.Messages(rows...),
			state.Row{Value: &state.ChatRow{Chat: state.Chat{Conv: d.conv()}, High: 3000, Last: &rows[2999]}})})
	}
	if err != nil {
		t.Fatal(err)
	}
	ada = d.page()
	ada.Do(state.Return{Account: d.account})
	ada.until("no network", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
	if n := ada.State().Chat(d.conv()).Timeline.Len(); n > 100 {
		t.Fatalf("%d messages are in memory", n)
	}
	if got := ada.found("paris CAFE", 10); !slices.Equal(got, []string{"Ein Café in Paris"}) {
		t.Errorf("found %q", got)
	}
	if got := ada.found("brief 29", 5); !slices.Equal(got, []string{"Brief number 2999", "Brief number 2998", "Brief number 2997", "Brief number 2996", "Brief number 2995"}) {
		t.Errorf("the newest are %q", got)
	}
	all := ada.search("brief", 4000)
	if last := all[len(all)-1]; len(last.Hits) != 2999 || last.More || last.Failed || len(all) < 5 {
		t.Errorf("%d hits in %d steps, %+v", len(last.Hits), len(all), last.More)
	}
	if last := slices.MaxFunc(ada.search("brief", 30), func(a, b state.Found) int { return len(a.Hits) - len(b.Hits) }); len(last.Hits) != 30 || !last.More {
		t.Errorf("%d hits, more is %t", len(last.Hits), last.More)
	}
	if got := ada.found("nothing of that", 10); len(got) != 0 {
		t.Errorf("found %q", got)
	}

	hit := ada.search("paris", 1)
	h := hit[len(hit)-1].Hits[0]
	ada.Do(state.Look{Conv: h.Conv, At: h.Message.Key})
	ada.until("it is in memory", func(s *state.State) bool {
		c := s.Chat(h.Conv)
		return c.Timeline.Get(h.Message.Key) != nil && len(c.Timeline.Before(h.Message.Key, 30)) == 30
	})
	c := ada.State().Chat(h.Conv)
	for i, m := range c.Timeline.From(h.Message.Key, 3000) {
		if m.ID != fmt.Sprint("old", 1234+i) {
			t.Fatalf("%d after it is %s", i, m.ID)
		}
	}
	if first := c.Timeline.First(); first.Key.Seq < 900 {
		t.Errorf("read back to %d", first.Key.Seq)
	}

	t.Run("without a disk", func(t *testing.T) {
		ada.mu.Lock()
		ada.blind = true
		ada.mu.Unlock()
		all := ada.search("brief 2999", 10)
		if last := all[len(all)-1]; len(last.Hits) != 1 || !last.Failed {
			t.Errorf("told %+v", last)
		}
	})
}

// Without a store, a search looks at the messages in memory.
func TestSearch_NotRemembered(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace := p.person(t).here(), p.person(t).here()
		ada.says(grace, "Is it a moth?")
		grace.hears(ada, "Is it a moth?")
		grace.says(ada, "A Möth, yes")
		ada.hears(grace, "A Möth, yes")
		if got := ada.found("moth", 10); !slices.Equal(got, []string{"A Möth, yes", "Is it a moth?"}) {
			t.Errorf("found %q", got)
		}
		all := ada.search("moth", 1)
		if last := all[len(all)-1]; len(last.Hits) != 1 || !last.More || last.Hits[0].Conv != grace.conv() {
			t.Errorf("told %+v", last)
		}
		if got := ada.found("  ", 10); len(got) != 0 {
			t.Errorf("nothing finds %q", got)
		}
	})
}
