package client

import (
	"slices"
	"testing"

	"natter/app/feature"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// doubting returns a loop with three messages in the outbox, and f as its only feature, which wants to retry
// all but m0. retried has the ids for which Retry was called, lost those that are not sent again.
func doubting(t *testing.T, f *feature.Feature) (l *loop, retried, lost *[]string) {
	retried, lost = new([]string), new([]string)
	f.Retry = func(_ feature.Client, st *framing.Element) bool {
		*retried = append(*retried, st.Attr("id"))
		return st.Attr("id") != "m0"
	}
	f.Lost = func(_ feature.Client, st *framing.Element, err error) {
		if err != nil {
			*lost = append(*lost, st.Attr("id"))
		}
	}
	l, lines := logged(f)
	t.Cleanup(func() {
		if len(*lines) > 0 {
			t.Error(*lines)
		}
	})
	l.stream, l.doubtful = stream.New(stream.Config{Hold: true, Clock: new(stopped)}), map[string]bool{}
	for _, id := range []string{"m0", "m1", "m2"} {
		if err := l.Send(framing.New(framing.NSClient, "message").Set("id", id)); err != nil {
			t.Fatal(err)
		}
	}
	return l, retried, lost
}

func (l *loop) waiting() (ids []string) {
	for _, o := range l.state.Outbox() {
		ids = append(ids, o.ID)
	}
	return ids
}

func unsent(l *loop, loss int, ids ...string) {
	ev := stream.Unsent{Loss: loss}
	for _, id := range ids {
		ev.Stanzas = append(ev.Stanzas, framing.New(framing.NSClient, "message").Set("id", id))
	}
	l.happened(ev)
}

// If streams are lost twice before the archive was read, there are two Unsent events with the same messages.
// Each message is retried once, in order.
func TestSec63_DoubtIsToldTwice(t *testing.T) {
	l, retried, lost := doubting(t, &feature.Feature{})
	unsent(l, 1, "m0", "m1")
	unsent(l, 2, "m0", "m1")
	if len(*retried) != 0 {
		t.Errorf("before the archive was read: %q", *retried)
	}
	l.Emit(state.CaughtUp{Failed: true})
	if len(*retried) != 0 || len(*lost) != 0 {
		t.Errorf("while it cannot be: %q, %q", *retried, *lost)
	}
	before := l.state.Outgoing("m1").N
	l.Emit(state.CaughtUp{})
	if !slices.Equal(*retried, []string{"m0", "m1"}) || !slices.Equal(l.waiting(), []string{"m1", "m2"}) {
		t.Errorf("retried %q, in the outbox is %q", *retried, l.waiting())
	}
	if l.state.Outgoing("m1").N == before {
		t.Error("it is not in the queue again")
	}
	if l.Emit(state.CaughtUp{}); len(*retried) != 2 || len(l.waiting()) != 2 {
		t.Errorf("and once more: %q", *retried)
	}
}

// If the archive cannot be read, messages do not wait for ever: they fail, and the person decides.
func TestSec63_TheArchiveGivesUp(t *testing.T) {
	l, retried, lost := doubting(t, &feature.Feature{})
	unsent(l, 1, "m0", "m1")
	l.Emit(state.CaughtUp{Failed: true, GaveUp: true})
	if len(*retried) != 0 || !slices.Equal(*lost, []string{"m0", "m1"}) || !slices.Equal(l.waiting(), []string{"m2"}) {
		t.Errorf("retried %q, lost %q, in the outbox is %q", *retried, *lost, l.waiting())
	}
}

// When the account is left, or another tab leads, the features are made again: the new ones remember nothing,
// and no timer of the old ones runs.
func TestFeatures_AreMadeAnew(t *testing.T) {
	for name, end := range map[string]func(*loop){
		"the account is left": func(l *loop) { l.Emit(state.Cleared{}) },
		"another tab leads":   func(l *loop) { l.drop() },
	} {
		t.Run(name, func(t *testing.T) {
			made, fired := 0, 0
			l := New(Config{Features: func() []*feature.Feature {
				made++
				return []*feature.Feature{{
					Name: "waits",
					Do: func(c feature.Client, _ state.Intent) bool {
						c.After(0, func() { fired++ })
						return true
					},
				}}
			}}).l
			do := func() {
				l.feature(state.Reconnect{})
				<-l.c.commands.ready
			}
			do()
			end(l)
			if l.c.commands.take()(); made != 2 || fired != 0 {
				t.Errorf("made %d times, a timer of before has called %d times", made, fired)
			}
			do() // a timer of the new features runs
			if l.c.commands.take()(); fired != 1 {
				t.Errorf("a timer has called %d times", fired)
			}
		})
	}
}
