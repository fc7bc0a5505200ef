package client

import (
	"encoding/json"
	"fmt"
	"testing"

	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// BenchmarkOutbox measures the commit of one more message while n wait in the outbox.
func BenchmarkOutbox(b *testing.B) {
	message := func(id string) *framing.Element {
		return framing.New(framing.NSClient, "message").Set("id", id).Set("to", "grace@example.org").
			Add(framing.New(framing.NSClient, "body").AddText("A message of some forty characters, more or less."))
	}
	for _, n := range []int{0, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := newLoop(New(Config{}))
			l.stream = stream.New(stream.Config{Hold: true})
			l.change(state.SessionStarted{Me: "ada@example.org/tab"})
			for i := range n {
				if err := l.Send(message(fmt.Sprint("waits", i))); err != nil {
					b.Fatal(err)
				}
			}
			l.kept = l.state
			b.ReportAllocs()
			bytes := 0
			for b.Loop() {
				st := message("one more")
				if err := l.Send(st); err != nil {
					b.Fatal(err)
				}
				batch := l.batch()
				batch.Stream = pack(l.stream.Snapshot(0))
				text, err := json.Marshal(batch)
				if err != nil {
					b.Fatal(err)
				}
				bytes = len(text)
				l.unqueue(st)
			}
			b.ReportMetric(float64(bytes), "B/commit")
		})
	}
}
