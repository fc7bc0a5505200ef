package stream

import (
	"fmt"
	"testing"
)

// An owner with a store relies on this: a message is written only after Release, so a stored
// Snapshot has it, and the Snapshot counts as handled what its commit contains (security rows 59, 61).
func TestHold_UntilRelease(t *testing.T) {
	bubble(t, Config{Hold: true}, func(t *testing.T, w *world) {
		sv := w.managed()
		w.send("m1")
		sv.got()
		sn := w.s.Snapshot(0)
		if len(sn.Unacked) != 1 || sn.Sent != 0 {
			t.Fatalf("%+v", sn)
		}
		w.send("m2") // while the owner writes down what the Snapshot says
		w.s.Release(sn.Upto)
		sv.got(written("m1"))
		w.s.Release(w.s.Snapshot(0).Upto)
		sv.got(written("m2"))
		w.send("m3")
		w.s.ReleaseAll()
		sv.got(written("m3"))
	})
	t.Run("what nobody would miss leaves at once, and in order", func(t *testing.T) {
		bubble(t, Config{Hold: true}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.typing("t1")
			sv.got(typing("t1"))
			w.send("m1")
			w.typing("t2")
			sv.got()
			w.s.Release(w.s.Snapshot(0).Upto)
			sv.got(written("m1"), typing("t2"))
		})
	})
	t.Run("but not more of it than a later page could tell", func(t *testing.T) {
		bubble(t, Config{Hold: true, AckEvery: 1000}, func(t *testing.T, w *world) {
			sv := w.managed()
			var all []string
			for i := range maxUnrecorded + 1 {
				id := fmt.Sprint("t", i)
				w.typing(id)
				all = append(all, typing(id))
			}
			sv.got(all[:maxUnrecorded]...)
			w.s.Release(w.s.Snapshot(0).Upto)
			sv.got(all[maxUnrecorded:]...)
		})
	})
	t.Run("a stream that ends holds nothing back", func(t *testing.T) {
		bubble(t, Config{Hold: true}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.send("m1")
			go w.s.Close(t.Context())
			if docs := sv.read(); len(docs) < 2 || docs[0] != written("m1") {
				t.Fatal(docs)
			}
		})
	})
	t.Run("what management needs is not held", func(t *testing.T) {
		bubble(t, Config{Hold: true}, func(t *testing.T, w *world) {
			sv := w.managed()
			sv.say(r)
			sv.got(a(0))
		})
	})
}

func TestSnapshot_CountsWhatIsAboutToBeHandled(t *testing.T) {
	l := newLoop(New(Config{}))
	l.h = 7
	l.inbound = []*mark{
		{counted: true},
		{counted: true, handled: true}, // an answer that nobody asked for
		{counted: true},
		{},
		{counted: true},
	}
	for handled, want := range map[int]uint32{0: 7, 1: 9, 2: 10, 3: 10, 4: 11} {
		if got := l.snapshot(handled).H; got != want {
			t.Errorf("with %d handled: %d, want %d", handled, got, want)
		}
	}
}
