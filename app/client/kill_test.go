//go:build linux

package client_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"natter/app/state"
	"natter/app/store"
)

// Pages are killed at any moment: before or after a commit, with or without a network, and twice in a row.
// Each message that was on the disk when the page was killed is delivered once.
func TestSec61_Sec63_KilledAtAnyMoment(t *testing.T) {
	p := trialPlace(t)
	d, ada := p.remembering(t)
	grace := p.person(t).here()
	befriend(ada.person, grace)
	n := 0
	say := func() {
		n++
		ada.Do(state.SendMessage{Conv: grace.conv(), Body: fmt.Sprintf("message %d.", n)})
	}
	moments := func(most int) { time.Sleep(time.Duration(rand.IntN(most)) * time.Millisecond) }
	maybe := func(f func()) {
		if rand.IntN(3) == 0 {
			f()
		}
	}
	for range 25 {
		commits := rand.IntN(6)
		ada.mu.Lock()
		ada.cut = func(*store.Batch) moment {
			if commits--; commits < 0 {
				return moment(rand.IntN(3))
			}
			return never
		}
		ada.mu.Unlock()
		for range 1 + rand.IntN(4) {
			say()
			maybe(func() { grace.Do(state.SendMessage{Conv: ada.person.conv(), Body: "an answer"}) })
			maybe(func() { ada.Do(state.Typing{Conv: grace.conv(), Typing: true}) })
			moments(12)
		}
		maybe(func() {
			ada.network.cut()
			say()
			moments(20)
		})
		ada.die()
		maybe(func() { // a second page is killed too, which finds no network
			ada = d.page()
			ada.Do(state.Return{Account: d.account})
			moments(50)
			say()
			moments(30)
			ada.die()
		})
		d.network.mend()
		ada = d.page().back()
	}
	ada.says(grace, "the last.")
	grace.hears(ada.person, "the last.")
	ada.until("all has left", func(s *state.State) bool { return s.Unsent() == 0 })
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ours) < 25 {
		t.Errorf("only %d messages of %d were on the disk", len(d.ours), n)
	}
	received := grace.wire.received(0)
	for _, body := range d.ours {
		times := 0
		for _, doc := range received {
			if strings.HasPrefix(doc, "<message") && strings.Contains(doc, ">"+body+"<") {
				times++
			}
		}
		if times != 1 {
			t.Errorf("%q was delivered %d times", body, times)
		}
	}
}
