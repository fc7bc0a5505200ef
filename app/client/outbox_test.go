//go:build linux

package client_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"natter/app/state"
	"natter/app/store"
	"natter/app/store/storetest"
	"natter/app/stream"
	"natter/framing"
)

// offline returns the next page of a device, without a network.
func (d *device) offline(last *page) *page {
	d.t.Helper()
	last.die()
	pg := d.page()
	pg.Do(state.Return{Account: d.account})
	pg.until("no network", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
	return pg
}

// Without a network each message is written to the disk once. The size of a commit does not depend on how
// many messages wait.
func TestOutbox_EachMessageIsWrittenOnce(t *testing.T) {
	p := trialPlace(t)
	d, ada := p.remembering(t)
	grace := p.person(t).here()
	ada = d.offline(ada)
	puts, sizes := map[string]int{}, []int{}
	ada.mu.Lock()
	ada.cut = func(b *store.Batch) moment {
		if b.Stream == nil {
			return never
		}
		row, err := json.Marshal(b.Stream)
		if err != nil {
			t.Error(err)
		}
		sizes = append(sizes, len(row))
		for _, o := range storetest.Of[*state.Outgoing](b.Rows) {
			puts[o.ID]++
		}
		return never
	}
	ada.mu.Unlock()
	const n = 100
	for i := range n {
		body := fmt.Sprint("message ", i)
		ada.says(grace, body)
		ada.onDisk(body)
	}
	ada.mu.Lock()
	defer ada.mu.Unlock()
	if len(puts) != n {
		t.Errorf("%d messages of %d are in the outbox", len(puts), n)
	}
	for id, times := range puts {
		if times != 1 {
			t.Errorf("%s was written %d times", id, times)
		}
	}
	// 60 bytes allow for longer numbers and for a request that waits, but not for a message.
	if first, largest := sizes[0], slices.Max(sizes); largest > first+60 {
		t.Errorf("the row of the stream had %d bytes and has %d", first, largest)
	}
}

// The outbox has exactly the bytes of each message that leaves.
func TestOutbox_HasWhatLeaves(t *testing.T) {
	p := trialPlace(t)
	d, ada := p.remembering(t)
	grace := p.person(t).here()
	befriend(ada.person, grace)
	kept := map[string]bool{}
	ada.mu.Lock()
	ada.cut = func(b *store.Batch) moment {
		for _, o := range storetest.Of[*state.Outgoing](b.Rows) {
			kept[o.XML] = true
		}
		return never
	}
	ada.mu.Unlock()
	ada.says(grace, "\"<one & two>\"\n\u2028 ☃")
	ada.sees(grace.account, "\"<one & two>\"\n\u2028 ☃", state.Delivered)
	grace.says(ada.person, "which asks for a receipt")
	ada.hears(grace, "which asks for a receipt")
	eventually(t, "nothing is left in the outbox", func() bool { return len(storetest.Of[*state.Outgoing](d.kept().Rows)) == 0 })
	ada.mu.Lock()
	defer ada.mu.Unlock()
	messages := 0
	for _, doc := range ada.wire.sent(0) {
		st, err := framing.Parse(doc, framing.DefaultLimits)
		if err != nil || st.Name.Local != "message" || stream.Fleeting(st) {
			continue
		}
		if messages++; !kept[doc] {
			t.Errorf("it was not written down: %s", doc)
		}
	}
	if messages < 2 {
		t.Errorf("%d messages were sent", messages)
	}
}

// Earlier builds kept the stanzas of ours in the row of the stream. They arrive once and in order.
func TestSec57_Sec61_TheStreamOfAnEarlierBuild(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		befriend(ada.person, grace)
		ada = d.offline(ada)
		said := []string{"one", "two", "three"}
		for _, body := range said {
			ada.says(grace, body)
			ada.onDisk(body)
		}
		ada.die()
		var all []*state.Outgoing
		d.tamper(func(row *store.Stream, o *state.Outgoing) bool {
			all = append(all, o)
			slices.SortFunc(all, func(a, b *state.Outgoing) int { return int(a.N) - int(b.N) })
			row.Order, row.Unacked, row.Since = nil, []string{`<presence xmlns="jabber:client"/>`}, []int64{o.Since}
			for _, o := range all {
				row.Unacked, row.Since = append(row.Unacked, o.XML), append(row.Since, o.Since)
			}
			return false
		})
		if len(all) != len(said) {
			t.Fatalf("%d messages were in the outbox", len(all))
		}
		d.network.mend()
		ada = d.page().back()
		grace.hears(ada.person, "three")
		grace.wants(d.account, said...)
		ada.wants(grace.account, said...)
		eventually(t, "all has left", func() bool {
			sn := d.kept()
			return len(storetest.Of[*state.Outgoing](sn.Rows)) == 0 && len(sn.Stream.Unacked) == 0
		})
	})
}

// A presence is not in the outbox. If it has not left when the page ends, the next page sends it, even if
// it resumes the stream.
func TestPresence_OutlivesThePage(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		befriend(ada.person, grace)
		shows := func(want state.Show) {
			t.Helper()
			grace.until(string(want), func(s *state.State) bool { return s.Contact(d.account).Presence().Show == want })
		}
		shows(state.Available)
		ada = d.offline(ada)
		ada.Do(state.SetPresence{Presence: state.Presence{Show: state.Away}})
		eventually(t, "it is on the disk", func() bool {
			return storetest.Of[*state.Account](d.kept().Rows)[0].OwnPresence.Show == state.Away && d.kept().Stream.Unsent == 1
		})
		ada.die()
		d.network.mend()
		ada = d.page().back()
		shows(state.Away)
		eventually(t, "the server has it all, and the next page can resume", func() bool {
			sn := d.kept()
			self := storetest.Of[*state.Account](sn.Rows)[0]
			return len(sn.Stream.Order) == 0 && self.RosterLoaded && self.CaughtUp
		})
		ada = ada.reload().back()
		ada.says(grace, "hello")
		grace.hears(ada.person, "hello")
		if n := count(ada.wire.sent(0), "<presence"); n != 0 {
			t.Errorf("nothing was lost, and %d presences were sent", n)
		}
	})
}
