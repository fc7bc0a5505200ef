package trial

import (
	"context"
	"testing"

	"natter/framing"
)

// BenchmarkJoin is how long it takes until a newcomer has read all of a room of ten
// thousand, and they have been told.
func BenchmarkJoin(b *testing.B) {
	const n = 10_000
	s := New(Options{Demo: true, Occupants: n, Limits: Limits{Occupants: 2 * n, Outbox: 2 * n, Fanout: 1e9, FanoutBurst: 1e9}})
	ada := s.accounts["ada"]
	got := 0
	x := s.stand(ada, "bench")
	x.bot = func(*framing.Element) { got++ }
	come := framing.New(framing.NSClient, "presence").Set("from", x.jid.String()).Set("to", "lounge@rooms.localhost/ada").
		Add(framing.New(nsMUC, "x"))
	leave := framing.New(framing.NSClient, "presence").Set("from", x.jid.String()).Set("to", "lounge@rooms.localhost/ada").
		Set("type", "unavailable")
	b.ReportAllocs()
	for b.Loop() {
		got = 0
		s.do(func() { s.route(x, come) })
		if got < n {
			b.Fatalf("%d stanzas", got)
		}
		s.do(func() { s.route(x, leave) })
	}
	_ = s.Shutdown(context.Background())
}
