package chat_test

import (
	"slices"
	"testing"

	"natter/app/feature/chat"
	"natter/app/state"
)

// A tab that leads, follows another one and leads again has a stream twice, each of
// which tells what it leaves in doubt.
func TestSec63_DoubtIsToldTwice(t *testing.T) {
	for _, tc := range []struct {
		name   string
		stored bool
		second []int // what the second stream tells
		want   []string
	}{
		{"from the store", true, []int{0, 1}, []string{"m1", "m2"}},
		{"from the store, to which one had arrived", true, []int{1}, []string{"m2"}},
		{"without a store", false, []int{0, 1}, []string{"m1", "m2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := chat.New()
			c := &shaky{s: state.New().With(state.SessionStarted{Me: ada + "/tab"})}
			for _, id := range []string{"m1", "m2"} {
				f.Do(c, state.SendMessage{Conv: grace, Body: id, ID: id})
			}
			for _, st := range c.sent {
				f.Lost(c, st, nil)
			}
			if tc.stored {
				f.Observe(c, state.Applied{})
			}
			for _, i := range tc.second {
				f.Lost(c, c.sent[i], nil)
			}
			f.Observe(c, state.CaughtUp{})
			var got []string
			for _, st := range c.again {
				got = append(got, st.Stanza.Attr("id"))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("sent again: %q, want %q", got, tc.want)
			}
			if f.Observe(c, state.CaughtUp{}); len(c.again) != 0 {
				t.Errorf("and once more: %v", c.again)
			}
		})
	}
}
