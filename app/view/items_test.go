package view

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"natter/app/jid"
	"natter/app/state"
)

// A date in the future, by a clock that was ahead, does not keep a conversation on top; dates that
// only seem to be in the future, because our clock is behind, keep their order.
func TestItems_AWrongClockPinsNothing(t *testing.T) {
	order := func(b *bench) (convs []state.ConvID) {
		for _, it := range b.items("") {
			convs = append(convs, it.conv)
		}
		return convs
	}
	said := func(b *bench, peer jid.JID, at time.Time) {
		b.messages++
		b.play(state.MessageAdded{Conv: state.Direct.With(peer), Message: state.Message{ID: fmt.Sprint(b.messages), Author: peer, Body: "hello", At: at}})
	}
	t.Run("ahead", func(t *testing.T) {
		b := sit(t)
		said(b, grace, noon.Add(-time.Hour))
		said(b, grace, noon.AddDate(0, 0, 3))
		said(b, alan, noon.Add(-time.Minute))
		if got := order(b); !slices.Equal(got, []state.ConvID{alan, grace}) {
			t.Errorf("%v", got)
		}
		said(b, grace, noon)
		if got := order(b); !slices.Equal(got, []state.ConvID{grace, alan}) {
			t.Errorf("after a message to the other: %v", got)
		}
	})
	t.Run("behind", func(t *testing.T) {
		b := sit(t)
		said(b, grace, noon.AddDate(0, 0, 3))
		said(b, alan, noon.AddDate(0, 0, 2))
		b.play(state.TimeTold{At: noon.AddDate(0, 0, 3)})
		if got := order(b); !slices.Equal(got, []state.ConvID{grace, alan}) {
			t.Errorf("%v", got)
		}
	})
}
