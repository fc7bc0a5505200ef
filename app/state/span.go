package state

import (
	"math"

	"natter/app/state/tree"
)

// Memory has the end of a conversation, and the messages that were read around other places. A hole is
// where the store may have messages that are not in memory; a span is between two holes. The methods
// of Timeline that read on from a message stop at the end of its span. So two messages with a hole between
// them are never taken for neighbours.

// Lowest and Highest are the places before and after all messages.
var Lowest, Highest = Key{Time: math.MinInt64}, Key{Time: math.MaxInt64}

func newHoles() *tree.Map[Key, *Key] { return tree.New[Key, *Key](Key.compare) }

// Span returns the ends of the span in which a place is: between them memory has all messages of the
// store. ok is false if the place is in a hole; then from and to are the ends of the span before it.
func (t Timeline) Span(k Key) (from, to Key, ok bool) {
	from, to, ok = Lowest, Highest, true
	after := Key{k.Time, k.Seq + 1}
	it := t.holes.Iterator()
	if it.Seek(after); !it.Done() {
		_, begins, _ := it.Next()
		to, ok = *begins, !begins.Before(k)
	}
	if it.Seek(after); it.Done() {
		it.Last()
	} else {
		it.Prev()
	}
	if !it.Done() {
		from, _, _ = it.Prev()
	}
	return from, to, ok
}

// All calls yield for each message in memory, across holes too.
func (t Timeline) All(yield func(*Message) bool) {
	for it := t.rows.Iterator(); !it.Done(); {
		if _, m, _ := it.Next(); !yield(m) {
			return
		}
	}
}

// Queued calls yield for each message of ours that waits to be sent, the oldest first, across holes too:
// all of these are in memory (see Released).
func (t Timeline) Queued(yield func(*Message) bool) {
	for m := range t.All {
		if m.Mine && m.Delivery == Queued && !yield(m) {
			return
		}
	}
}

// Holes reports whether there is a hole.
func (t Timeline) Holes() bool { return t.holes.Len() > 0 }

// Whole reports whether there is no hole from one place to another.
func (t Timeline) Whole(from, to Key) bool {
	_, high, ok := t.Span(from)
	return ok && !high.Before(to)
}

// After reports whether there is no hole right after a place.
func (t Timeline) After(k Key) bool {
	_, to, ok := t.Span(k)
	return ok && k.Before(to)
}

// Above reports whether there is no hole right before a place.
func (t Timeline) Above(k Key) bool {
	from, _, ok := t.Span(k)
	return ok && from.Before(k)
}

// Earlier reports whether the store may have messages before the first in memory.
func (c *Chat) Earlier() bool { return !c.Timeline.After(Lowest) }

// Begins returns where the span of a place begins, Lowest if no hole comes before it.
func (t Timeline) Begins(k Key) Key {
	from, _, _ := t.Span(k)
	return from
}

// Tail returns where the span at the end of the conversation begins.
func (t Timeline) Tail() Key { return t.Begins(Highest) }

// Later returns how many messages of others come after a place. It counts those in the span of the place
// and in the last span. The store may have more of them between from and to, unless the two are equal.
func (t Timeline) Later(k Key) (n int, from, to Key) {
	later := t.From(Key{k.Time, k.Seq + 1}, t.Len())
	_, from, here := t.Span(k)
	switch {
	case !here:
		from, to = k, t.Tail()
	case from == Highest:
		from = Key{}
	default:
		to = t.Tail()
	}
	if from != to {
		later = append(later, t.From(to, t.Len())...)
	}
	for _, m := range later {
		if !m.Mine {
			n++
		}
	}
	return n, from, to
}

// named returns how many messages after a place, up to the end of its span, name the person.
func (t Timeline) named(k Key) (n int) {
	for _, m := range t.From(Key{k.Time, k.Seq + 1}, t.Len()) {
		if m.Named {
			n++
		}
	}
	return n
}

// filled returns the timeline without the holes, and the parts of holes, between two places.
func (t Timeline) filled(from, to Key) Timeline {
	it := t.holes.Iterator()
	for it.Seek(Key{from.Time, from.Seq + 1}); !it.Done(); {
		ends, begins, _ := it.Next()
		if !begins.Before(to) {
			break
		}
		t.holes = t.holes.Delete(ends)
		if begins.Before(from) {
			t.holes = t.holes.Set(from, begins)
		}
		if to.Before(ends) {
			t.holes = t.holes.Set(ends, &to)
		}
	}
	return t
}

// release takes the messages between two places out of memory, except those for which stays is true,
// and leaves a hole there.
func (t Timeline) release(from, to Key, stays func(*Message) bool) Timeline {
	var left []*Message
	goes := false
	it := t.rows.Iterator()
	for it.Seek(Key{from.Time, from.Seq + 1}); !it.Done(); {
		k, m, _ := it.Next()
		if !k.Before(to) {
			break
		}
		if stays(m) {
			left = append(left, m)
		} else {
			goes = true
		}
	}
	if !goes {
		return t
	}
	old := t.holes.Iterator()
	for old.Seek(Key{from.Time, from.Seq + 1}); !old.Done(); {
		ends, _, _ := old.Next()
		if to.Before(ends) {
			break
		}
		t.holes = t.holes.Delete(ends)
	}
	t.holes = t.holes.Set(to, &from)
	t = t.without(func(m *Message) bool { return from.Before(m.Key) && m.Key.Before(to) && !stays(m) })
	for _, m := range left {
		t = t.filled(m.Key, m.Key)
	}
	return t
}

// HistoryRead: messages were read from the disk. They have the keys that they had there. A message that
// is in memory already stays as it is.
type HistoryRead struct {
	Conv     ConvID
	Messages []Message // oldest first
	// From and To are the places between which the store has no other messages, both included. A zero
	// From is the beginning, a zero To the end.
	From, To Key
	Earlier  bool // the first message, or To if there is none, stands for From
	Alone    bool // the messages are not neighbours: From and To say nothing
}

func (ev HistoryRead) apply(s *State) {
	c := s.chat(ev.Conv)
	if c.Timeline.Len() == 0 && (ev.Earlier || ev.Alone) {
		c.Timeline.holes = newHoles().Set(Highest, &Lowest)
	}
	from, to := ev.From, ev.To
	if to == (Key{}) {
		to = Highest
	}
	switch {
	case ev.Earlier && len(ev.Messages) > 0:
		from = ev.Messages[0].Key
	case ev.Earlier:
		from = to
	case from == (Key{}):
		from = Lowest
	}
	if !ev.Alone {
		c.Timeline = c.Timeline.filled(from, to)
	}
	c.Timeline = c.Timeline.read(ev.Messages)
	s.bring(c, ev.Messages...)
	s.setChat(c)
}

// read adds messages with their keys. They do not count as changed, because the disk has them.
func (t Timeline) read(messages []Message) Timeline {
	for _, m := range messages {
		t.low, t.high = min(t.low, m.Seq), max(t.high, m.Seq)
		if t.Get(m.Key) != nil || t.wasRemoved(m.Key) {
			continue
		}
		m.Rev, m.waiting = 0, nil
		t = t.place(&m)
	}
	return t
}

const (
	// keptEnd is how many messages of the end of a conversation stay in memory, and keptAround
	// how many on either side of where the person looks.
	keptEnd    = 50
	keptAround = 400
)

// Released: messages of a conversation leave memory, because they can be read again. Its end stays, and
// the messages around At.
type Released struct {
	Conv ConvID
	At   Key    // zero if the person looks elsewhere
	Upto uint64 // messages with a higher Rev are not in the store yet, and stay
}

func (ev Released) apply(s *State) {
	c := s.Chat(ev.Conv)
	if c == nil {
		return
	}
	changed := *c
	t := c.Timeline
	stays := func(m *Message) bool {
		return m.Rev > ev.Upto || m.Delivery == Queued || m.Key == c.Seam
	}
	newest := t.Newest(keptEnd)
	if len(newest) == 0 {
		return
	}
	tail := newest[0].Key
	low := tail
	if around := append(t.Before(ev.At, keptAround), t.From(ev.At, keptAround)...); ev.At != (Key{}) && len(around) > 0 {
		if last := around[len(around)-1].Key; last.Before(tail) {
			changed.Timeline = t.release(last, tail, stays)
		}
		if first := around[0].Key; first.Before(low) {
			low = first
		}
	}
	changed.Timeline = changed.Timeline.release(Lowest, low, stays)
	s.setChat(&changed)
}
