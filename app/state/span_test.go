package state

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// shelf is a conversation on a disk, with some messages in memory.
type shelf struct {
	random *rand.Rand
	disk   []Message // all of it
	s      *State
	n      int
}

func (b *shelf) say() {
	b.n++
	m := from(fmt.Sprint("m", b.n), fmt.Sprint(b.n), time.Duration(b.n)*time.Second)
	b.s = b.s.With(MessageAdded{Conv: grace, Message: m})
	b.disk = append(b.disk, *b.s.Chat(grace).Timeline.Last())
}

// read reads what a store returns: up to n messages before a place or after it.
func (b *shelf) read() {
	n, at := 1+b.random.IntN(8), b.random.IntN(len(b.disk))
	switch b.random.IntN(4) {
	case 0:
		b.s = b.s.With(HistoryRead{Conv: grace, Messages: []Message{b.disk[at]}, Alone: true})
	case 1:
		first := max(0, at+1-n)
		b.s = b.s.With(HistoryRead{Conv: grace, Messages: b.disk[first : at+1], Earlier: at+1-first == n, To: b.disk[at].Key})
	case 2:
		ev := HistoryRead{Conv: grace, Messages: b.disk[at:min(len(b.disk), at+n)], From: b.disk[at].Key}
		if len(ev.Messages) == n {
			ev.To = ev.Messages[n-1].Key
		}
		b.s = b.s.With(ev)
	case 3:
		if b.random.IntN(8) == 0 {
			b.s = b.s.With(Released{Conv: grace, Upto: b.s.Rev})
		}
	}
}

// check fails if two messages are neighbours in memory that are not neighbours on the disk.
func (b *shelf) check(t *testing.T, what string) {
	t.Helper()
	tl := b.s.Chat(grace).Timeline
	in := 0
	for i, m := range b.disk {
		here := tl.Get(m.Key) != nil
		if here {
			in++
		}
		var before, after []string
		for _, m := range tl.Before(m.Key, 5) {
			before = append(before, m.Body)
		}
		for _, m := range tl.From(Key{m.Time, m.Seq + 1}, 5) {
			after = append(after, m.Body)
		}
		var were, are []string
		for _, m := range b.disk[max(0, i-len(before)):i] {
			were = append(were, m.Body)
		}
		for _, m := range b.disk[i+1 : min(len(b.disk), i+1+len(after))] {
			are = append(are, m.Body)
		}
		if !slices.Equal(before, were) || !slices.Equal(after, are) {
			t.Fatalf("%s: around %s there are %q and %q, on the disk %q and %q", what, m.Body, before, after, were, are)
		}
		if here && tl.After(m.Key) && i+1 < len(b.disk) && len(after) == 0 {
			t.Fatalf("%s: what comes after %s is said to be here", what, m.Body)
		}
		if here && tl.Above(m.Key) && i > 0 && len(before) == 0 {
			t.Fatalf("%s: what comes before %s is said to be here", what, m.Body)
		}
	}
	if in != tl.Len() {
		t.Fatalf("%s: %d of %d messages in memory are on the disk", what, in, tl.Len())
	}
	if tl.Last().Key != b.disk[len(b.disk)-1].Key {
		t.Fatalf("%s: the end is not in memory", what)
	}
	if !tl.Holes() && in < len(b.disk) {
		t.Fatalf("%s: %d are missing, and there is no hole", what, len(b.disk)-in)
	}
}

// Messages are read and released in any order. Two are never neighbours in memory if the disk has another one between
// them.
func TestSpansHideNoHole(t *testing.T) {
	spans := 0
	for seed := range uint64(200) {
		b := &shelf{random: rand.New(rand.NewPCG(seed, 3)), s: signedIn()}
		for range 60 + b.random.IntN(60) {
			b.say()
		}
		b.s = b.s.With(Released{Conv: grace, Upto: b.s.Rev})
		for i := range 60 {
			what := fmt.Sprintf("seed %d, step %d", seed, i)
			if b.random.IntN(4) == 0 {
				b.say()
			} else {
				b.read()
			}
			b.check(t, what)
		}
		spans += b.s.Chat(grace).Timeline.holes.Len()
		b.s = b.s.With(HistoryRead{Conv: grace, Messages: b.disk})
		if b.check(t, "all"); b.s.Chat(grace).Timeline.Holes() {
			t.Fatal("all of it has been read, and there is a hole")
		}
	}
	if spans < 200 {
		t.Errorf("there were %d holes in all", spans)
	}
}

// Messages that wait to be sent, or are not in the store yet, are not released.
func TestReleasedOnlyWhatCanBeRead(t *testing.T) {
	s := signedIn().With(MessageAdded{Conv: grace, Message: Message{ID: "waits", Author: ada, Mine: true, Body: "waits", Delivery: Queued, At: noon}})
	for i := range 3 * keptEnd {
		s = s.With(MessageAdded{Conv: grace, Message: from(fmt.Sprint("m", i), "hello", time.Duration(i)*time.Second)})
	}
	stored := s.Rev
	for i := range keptEnd {
		s = s.With(MessageAdded{Conv: grace, Message: from(fmt.Sprint("n", i), "new", time.Hour+time.Duration(i)*time.Second)})
	}
	was := s
	s = s.With(Released{Conv: grace, Upto: stored})
	tl := s.Chat(grace).Timeline
	if tl.Len() != keptEnd+1 || tl.ByID(ada, "waits") == nil || len(tl.Newest(1000)) != keptEnd {
		t.Errorf("%d are in memory, %d at the end", tl.Len(), len(tl.Newest(1000)))
	}
	if tl.ByID(grace, "m1") != nil || tl.ByID(grace, "n1") == nil {
		t.Error("ids lead to what has left memory, or not to what is there")
	}
	if rows := s.Changes(was); len(rows) > 0 {
		t.Errorf("%d rows have changed", len(rows))
	}
	s = s.With(Filed{Target: Target{grace, ada, "waits"}, Fact: Fact{Kind: Acked, By: ada}})
	if rows := s.Changes(was); len(rows) != 1 {
		t.Errorf("%d rows have changed", len(rows))
	}
	if again := s.With(Released{Conv: grace, Upto: 0}); again.Chat(grace).Timeline.Len() != keptEnd+1 {
		t.Error("what is not in the store has gone")
	}
}

// BenchmarkReleased measures how most of two thousand messages leave memory.
func BenchmarkReleased(b *testing.B) {
	s := signedIn()
	for i := range 2000 {
		m := from(fmt.Sprint("m", i), "hello", time.Duration(i)*time.Second)
		m.ArchiveID = fmt.Sprint("a", i)
		s = s.With(MessageAdded{Conv: grace, Message: m})
	}
	b.ReportAllocs()
	for b.Loop() {
		s.With(Released{Conv: grace, Upto: s.Rev})
	}
}
