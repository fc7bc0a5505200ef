package stream

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A message is written only after the Commit of a Snapshot that has its place, and stanzas of the server are
// acknowledged only after the Commit of a Snapshot that counts them (Sec59 and Sec61).
func TestHold_UntilCommit(t *testing.T) {
	bubble(t, Config{Hold: true}, func(t *testing.T, w *world) {
		sv := w.managed()
		w.send("m1")
		sv.got()
		sn := w.s.Snapshot(0)
		if !slices.Equal(sn.Order, []Run{{1, 1}}) {
			t.Fatalf("%+v", sn)
		}
		w.send("m2") // while the owner stores the Snapshot
		w.s.Commit(sn)
		sv.got(written("m1"))
		w.commit()
		sv.got(written("m2"))
		w.send("m3")
		w.commit()
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
			w.commit()
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
			w.commit()
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

// If the place of a message has changed after the Commit, here because a request before it was cancelled, the
// message waits until its new place is stored. Else the count of the server would mean another message.
func TestHold_UntilItsPlaceIsStored(t *testing.T) {
	bubble(t, Config{Hold: true}, func(t *testing.T, w *world) {
		sv := w.managed()
		sv.cut()
		_, cancel := w.request("q1", "")
		w.send("m1")
		w.commit()
		cancel()
		w.happened("offline", "reordered")
		w.pass(longWait)
		sv = w.next().resumed(0)
		sv.got()
		w.commit()
		sv.got(written("m1"))
	})
}

// The count of a Snapshot has the stanzas up to the given number: no later ones, and none of the stream before.
func TestSnapshot_Counts(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		w.busy = true
		sv := w.next().fresh(featuresSM)
		sv.say(`<message xmlns="jabber:client" id="in1"/>`, enabled, // the first is not counted
			`<message xmlns="jabber:client" id="in2"/>`,
			`<iq xmlns="jabber:client" type="result" id="unasked"/>`,
			`<message xmlns="jabber:client" id="in3"/>`)
		for n, want := range []uint32{0, 0, 1, 2, 3} {
			if got := w.s.Snapshot(uint64(n)).H; got != want {
				t.Errorf("with %d: %d, want %d", n, got, want)
			}
		}
		w.happened("trying", "online", "received in1", "received in2", "received unasked", "received in3")
		for range 4 {
			w.handle()
		}
		sv.fails("undefined-condition")
		w.pass(longWait)
		sv = w.next().fresh(featuresSM)
		sv.say(enabled, `<message xmlns="jabber:client" id="in4"/>`)
		for n, want := range map[uint64]uint32{0: 0, 4: 0, 5: 1} {
			if got := w.s.Snapshot(n).H; got != want {
				t.Errorf("on the next stream, with %d: %d, want %d", n, got, want)
			}
		}
	})
}

// After a restore, a stanza that was not stored still counts, but is not written again. Stanzas after it have
// another place then, which must be stored first.
func TestRestore_WhatWasNotStored(t *testing.T) {
	var sn *Snapshot
	bubble(t, Config{}, func(t *testing.T, w *world) {
		w.managed()
		w.typing("t1")
		w.send("m1")
		w.typing("t2")
		w.send("m2")
		sn = w.kept()
	})
	sn.Lost = time.Time{}
	stored := sn.Queue
	if !slices.Equal(sn.Order, []Run{{1, 4}}) || len(stored) != 2 {
		t.Fatalf("%+v", sn.Order)
	}
	bubble(t, Config{Restore: sn, Hold: true}, func(t *testing.T, w *world) {
		before := w.s.Snapshot(0)
		sv := w.next().resumed(2)
		w.happened("trying", "resumed with a loss", "acknowledged m1", "reordered", "redelivered")
		w.s.Commit(before)
		sv.got()
		sn = w.kept()
		w.commit()
		sv.got(written("m2"))
	})
	if sn.Acked != 2 || !slices.Equal(sn.Order, []Run{{4, 4}}) {
		t.Fatalf("%+v", sn)
	}
	sn.Lost, sn.Queue = time.Time{}, stored[1:]
	bubble(t, Config{Restore: sn, Hold: true}, func(t *testing.T, w *world) {
		w.next().resumed(3) // the page died after it had written it
		w.happened("trying", "resumed", "acknowledged m2", "redelivered")
	})
}

// One page writes a chat state that is not stored; the next one never has a connection. The count of the server
// has the chat state, and not the message of the second page.
func TestSec61_RestoredTwice(t *testing.T) {
	var first, second, third *Snapshot
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.managed()
		w.send("m1")
		first = w.kept()
		w.typing("t1")
		sv.got(written("m1"), typing("t1"))
	})
	first.Lost = time.Time{}
	bubble(t, Config{Restore: first, Hold: true}, func(t *testing.T, w *world) {
		w.next()
		w.send("m2")
		second = w.kept()
		w.commit()
	})
	second.Lost, second.Queue = time.Time{}, append(first.Queue, second.Queue...)
	bubble(t, Config{Restore: second, Hold: true}, func(t *testing.T, w *world) {
		sv := w.next().resumed(2)
		w.happened("trying", "resumed", "acknowledged m1", "reordered", "redelivered")
		sv.got() // Snapshot.Unsent says that the message was not written
		third = w.kept()
		w.commit()
		sv.got(written("m2"))
	})
	third.Lost, third.Queue = time.Time{}, second.Queue[1:]
	bubble(t, Config{Restore: third, Hold: true}, func(t *testing.T, w *world) {
		w.next().resumed(3)
		w.happened("trying", "resumed", "acknowledged m2", "redelivered")
	})
}
