package store_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
)

// BenchmarkContacts measures a thousand contacts: the roster when it is new and when it has not changed, and the
// presence of one contact.
func BenchmarkContacts(b *testing.B) {
	var roster state.RosterLoaded
	for i := range 1000 {
		roster.Items = append(roster.Items, state.RosterItem{
			JID: jid.JID(fmt.Sprintf("person%d@example.org", i)), Name: fmt.Sprint("Person ", i), Groups: []string{"People"}, Subscription: state.SubscriptionBoth})
	}
	empty := state.New().With(state.SessionStarted{Me: ada + "/tab"})
	full := empty.With(roster)
	presence := func(i int) state.Event {
		return state.PresenceChanged{From: roster.Items[i%1000].JID + "/x", Presence: state.Presence{Show: state.Away, Status: fmt.Sprint(i)}}
	}
	kept := func(b *testing.B, before, after *state.State) {
		if _, err := json.Marshal(store.Changes(before, after)); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("the roster arrives", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			empty.With(roster)
		}
	})
	b.Run("and is kept", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			kept(b, empty, full)
		}
	})
	b.Run("it arrives again, unchanged", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			kept(b, full, full.With(roster))
		}
	})
	b.Run("one presence", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			kept(b, full, full.With(presence(i)))
		}
	})
	b.Run("a thousand presences, one by one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s := full
			for i := range 1000 {
				next := s.With(presence(i))
				kept(b, s, next)
				s = next
			}
		}
	})
}
