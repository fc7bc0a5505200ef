package client

import (
	"fmt"
	"testing"

	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// BenchmarkJoin is what it costs to read ten thousand presences of a room, our own last, and to be in it.
func BenchmarkJoin(b *testing.B) {
	const room, n = "lounge@rooms.localhost", 10_000
	presence := func(nick, status string) string {
		return fmt.Sprintf(`<presence xmlns='jabber:client' from='%s/%s' to='ada@localhost/tab'><x xmlns='http://jabber.org/protocol/muc#user'>`+
			`<item affiliation='none' role='participant'/>%s</x><occupant-id xmlns='urn:xmpp:occupant-id:0' id='%043s'/></presence>`, room, nick, status, nick)
	}
	var docs []string
	for i := range n - 1 {
		docs = append(docs, presence(fmt.Sprint("guest", i), ""))
	}
	docs = append(docs, presence("ada", `<status code='110'/>`))
	b.ReportAllocs()
	for b.Loop() {
		l := newLoop(New(Config{}))
		l.stream = stream.New(stream.Config{})
		l.change(state.SessionStarted{Me: "ada@localhost/tab"})
		l.Emit(state.RoomBookmarked{Room: room, Nick: "ada"})
		for _, doc := range docs {
			el, err := framing.Parse(doc, framing.DefaultLimits)
			if err != nil {
				b.Fatal(err)
			}
			l.receive(el)
		}
		if r := l.state.Room(room); !r.In() || r.Occupants.Len() != n {
			b.Fatalf("%d are there", r.Occupants.Len())
		}
	}
}
