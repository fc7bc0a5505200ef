package state

import (
	"math"
	"slices"
	"time"
)

// append adds a live message at the end. Its Key.Time is later than that of the message before it, so
// that a message that turns out to have come between the two has a place.
func (t Timeline) append(m Message) Timeline {
	m.Key.Time = m.At.UnixMicro()
	if last := t.Last(); last != nil && m.Key.Time <= last.Key.Time {
		m.Key.Time = last.Key.Time + 1
	}
	t.high += spacing
	m.Key.Seq = t.high
	return t.put(&m)
}

// insert adds a page of the archive: all messages of the archive from the first on it to the last. The
// order of the page counts: a new message gets a place between the known messages that are before and
// after it on the page, as near to its time as they allow. Messages of ours do not count for this: they
// got their place when they were written, before an archive had them. Of a message that the archive has twice, the first
// copy counts if nothing known is between the two: ejabberd files a message of a dead session again, before the place
// at which it was delivered, and behind that copy those that were not delivered.
//
// after and before are the places of the messages that the archive has before the page and after it,
// zero if unknown. With apart there may be more between after and the page. final is the connection over which
// the page came if the archive has nothing after it, else 0. insert returns how many messages are new, not
// ours, and later than read, and how many of these name the person.
func (t Timeline) insert(page []Message, after, before Key, older, apart bool, final heard, read Key, rev uint64) (_ Timeline, unseen, named int) {
	known, firm := make([]*Message, len(page)), make([]bool, len(page))
	on := map[Key]bool{}
	for i := range page {
		if old := t.Find(&page[i]); old != nil {
			firm[i] = !old.Mine && !copied(old, &page[i])
			t = t.merge(old, &page[i], true, rev)
			known[i], on[old.Key] = t.Get(old.Key), true
		}
	}
	for i, right := len(page)-1, -1; i >= 0; i-- {
		if !firm[i] && right >= 0 && known[i] != nil && known[i].Key == known[right].Key {
			firm[i], firm[right] = true, false
		}
		if firm[i] {
			right = i
		}
	}
	last := page[len(page)-1].At
	next := make([]Key, len(page)+1) // for each, the place of the next message that is known and not ours
	if next[len(page)] = before; before == (Key{}) {
		next[len(page)] = Highest
	}
	for i := len(page) - 1; i >= 0; i-- {
		if next[i] = next[i+1]; firm[i] {
			next[i] = known[i].Key
		}
	}
	for i, begins := 0, true; i < len(page); {
		if old := known[i]; old != nil {
			begins = begins && !firm[i]
			if firm[i] || after.Before(old.Key) && old.Key.Before(next[i]) {
				after = old.Key
			}
			i++
			continue
		}
		end := i + 1
		for end < len(page) && known[end] == nil {
			end++
		}
		to := next[end]
		if begins && !apart && !after.Before(to) {
			// If only the first known message stands before the end of the last page, that page has ended between two
			// copies of it. If all do, the message at the end was delivered late.
			if k := slices.Index(firm[end:], true); k >= 0 && after.Before(next[end+k+1]) && next[end+k+1] != Highest {
				to = next[end+k+1]
			}
		}
		right := !begins || !apart && after.Before(to) // page[i] comes right after that place
		slack := lag
		if to == Highest {
			earliest := last
			if !right && !older {
				earliest = last.Add(time.Microsecond)
			}
			if final == 0 {
				slack = 0
			}
			to = t.below(after, earliest, on, final)
		}
		floors := make([]Key, end-i)
		switch {
		case !right:
			floors = t.floors(to, page[i:end], last.Add(slack), on)
			if !after.Before(to) {
				after = floors[0]
			}
		case !after.Before(to):
			to = t.next(after) // the message at after was delivered late, and stands behind later ones
		}
		for i < end {
			n, upto := 1, to // messages with the same floor get their places together
			for i+n < end && floors[n] == floors[0] {
				n++
			}
			if after.Before(floors[0]) {
				after = floors[0]
			}
			if i+n < end {
				if next := t.below(after, time.Time{}, on, 0); next.Before(to) {
					upto = next
				}
			}
			var keys []Key
			t, keys = t.between(after, upto, page[i:i+n], older)
			for n, key := range keys {
				m := page[i+n]
				if old := t.Find(&m); old != nil { // it is on the page twice
					t = t.merge(old, &m, true, rev)
					continue
				}
				m.Key, m.Rev = key, rev
				if !m.Mine && read.Before(key) {
					unseen++
					if m.Named {
						named++
					}
				}
				t, after = t.yield(m.ArchiveID, key, rev).put(&m), key
			}
			i, floors = i+n, floors[n:]
		}
		begins = false
	}
	return t, unseen, named
}

// lag is how much later than the archive a client may receive a message.
const lag = time.Minute

// below returns the place of the first message of others that comes after a place, is not in on, and is
// not earlier than a time. It returns Highest if there is none near. If final is not 0, a message that did not
// come over this connection must be later by lag: it came before the last page of the archive and is not
// on it, so the archive has it further up.
func (t Timeline) below(after Key, earliest time.Time, on map[Key]bool, final heard) Key {
	from := Key{earliest.UnixMicro(), math.MinInt64}
	if from.Before(after) {
		from = Key{after.Time, after.Seq + 1}
	}
	it := t.rows.Iterator()
	it.Seek(from)
	for range near {
		k, m, ok := it.Next()
		if !ok {
			break
		}
		by := earliest
		if final > 0 && m.heard.connection() != final {
			by = by.Add(lag)
		}
		if !m.Mine && !on[k] && !m.At.Before(by) {
			return k
		}
	}
	return Highest
}

// floors returns, for each message of a part of a page that comes before a place, the place of the last message
// of others that stands before it. That one is not in on, not later than latest, and later than the message
// of the page by lag at most: a live message that the archive does not have must not push messages of other
// days behind it.
func (t Timeline) floors(to Key, page []Message, latest time.Time, on map[Key]bool) []Key {
	all, floor := make([]Key, len(page)), to
	for i := len(page) - 1; i >= 0; i-- {
		if by := page[i].At.Add(lag); by.Before(latest) {
			latest = by
		}
		if m := t.Get(floor); floor == to || m != nil && m.At.After(latest) {
			floor = t.above(floor, latest, on)
		}
		all[i] = floor
	}
	return all
}

// above returns the place of the last message of others that comes before a place, is not in on, and is
// not later than a time. It returns the zero Key if there is none near.
func (t Timeline) above(to Key, latest time.Time, on map[Key]bool) Key {
	it := t.rows.Iterator()
	if it.Seek(to); it.Done() {
		it.Last()
	}
	for range near {
		k, m, ok := it.Prev()
		if !ok {
			break
		}
		if k.Before(to) && !m.Mine && !on[k] && !m.At.After(latest) {
			return k
		}
	}
	return Key{}
}

// spacing is the difference of two Seqs that are given one after the other, so that a message that turns
// out to have come between two messages of one Time has a place.
const spacing = 1 << 20

// between returns places for messages that come between two places, in their order, each as near to its
// time as the two allow. With older they come before all messages of the same Time, else after them. No
// message in memory or on the disk has one of these places.
func (t Timeline) between(from, to Key, messages []Message, older bool) (Timeline, []Key) {
	keys, n := make([]Key, len(messages)), int64(len(messages))
	t.low -= n * spacing
	low, apart, at := t.low, int64(spacing), from.Time
	if from.Time == to.Time {
		last := t.prev(to)
		if last.Before(from) {
			last = from
		}
		if apart = (to.Seq - last.Seq) / (n + 1); apart == 0 || !t.Whole(last, to) {
			// There is no space between the Seqs of earlier builds, and any Seq may be taken in a
			// hole. A place further back is better than one that another message has.
			to, apart = Highest, spacing
		} else {
			low = last.Seq + apart
		}
	}
	for i := range messages {
		at = min(max(at, messages[i].At.UnixMicro()), to.Time)
		if at == to.Time || older && from.Time < at {
			keys[i] = Key{at, low + int64(i)*apart}
			continue
		}
		t.high += spacing
		keys[i] = Key{at, t.high}
	}
	return t, keys
}

// prev returns the place of the message in memory before a place, Lowest if there is none.
func (t Timeline) prev(k Key) Key {
	it := t.rows.Iterator()
	if it.Seek(k); it.Done() {
		it.Last()
	} else {
		it.Prev()
	}
	if at, _, ok := it.Prev(); ok {
		return at
	}
	return Lowest
}

// next returns the place of the message in memory after a place, Highest if there is none.
func (t Timeline) next(k Key) Key {
	it := t.rows.Iterator()
	it.Seek(Key{k.Time, k.Seq + 1})
	if at, _, ok := it.Next(); ok {
		return at
	}
	return Highest
}

// copied reports whether the archive has filed a message twice: m has another archive id than old.
func copied(old, m *Message) bool { return old.ArchiveID != "" && old.ArchiveID != m.ArchiveID }

// placeOf returns the place of the message with this archive id. It returns the zero Key if the message
// is not in memory, or is on the page.
func (t Timeline) placeOf(id string, page []Message) Key {
	for i := range page {
		if page[i].ArchiveID == id {
			return Key{}
		}
	}
	if m := t.Archived(id); m != nil {
		return m.Key
	}
	return Key{}
}
