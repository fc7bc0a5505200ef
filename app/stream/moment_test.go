package stream

import "testing"

// Sec63: stanzas that are queued one after the other have one order by the wall clock, in a browser too, whose wall clock
// has a tick of a millisecond.
func TestSec63_EachMomentIsLater(t *testing.T) {
	s := New(Config{Clock: RealClock})
	for last, i := int64(0), 0; i < 10_000; i++ {
		now := s.moment().UnixMicro()
		if now <= last {
			t.Fatalf("moment %d is %d, the one before it %d", i, now, last)
		}
		last = now
	}
}
