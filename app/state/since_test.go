package state

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"natter/app/jid"
)

// After any events, ContactsSince returns the contacts that have changed since any earlier state, and Requests is
// right.
func TestSince_NamesAllThatChanged(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 10))
	someone := func() jid.JID { return jid.JID(fmt.Sprintf("p%d@localhost", r.IntN(30))) }
	s := signedIn()
	past := []*State{s}
	for i := range 4000 {
		j := someone()
		var ev Event
		switch n := r.IntN(200); {
		case n < 60:
			ev = SubscriptionAsked{From: j, Text: fmt.Sprint(r.IntN(2))}
		case n < 65:
			ev = SubscriptionSent{Answer: Decline, To: j}
		case n < 72:
			ev = ContactPending{j, Pending{Edit: []Edit{"", Add, Rename, Remove}[r.IntN(4)], Name: fmt.Sprint(r.IntN(3)), Ask: r.IntN(2) == 0, Answer: []Answer{"", Accept, Decline}[r.IntN(3)]}}
		case n < 76:
			ev = []Event{ContactSaved{j, fmt.Sprint(r.IntN(3))}, ContactRefused{j, Pending{Edit: Add, Answer: Accept}, "no"}, RefusalRead{j}, SubscriptionWithdrawn{j}}[r.IntN(4)]
		case n < 80:
			ev = SubscriptionSent{Answer: []Answer{"", Accept}[r.IntN(2)], To: j}
		case n < 100:
			ev = ContactChanged{RosterItem{JID: j, Name: fmt.Sprint(r.IntN(3)), Subscription: SubscriptionBoth}}
		case n < 120:
			ev = ContactRemoved{JID: j}
		case n < 150:
			ev = PresenceChanged{From: j + "/x", Presence: Presence{Show: []Show{Away, Unavailable}[r.IntN(2)]}}
		case n < 160:
			ev = ChatStarted{Conv: Direct.With(j)}
		case n < 170:
			ev = DraftChanged{Direct.With(j), fmt.Sprint(r.IntN(2))}
		case n < 190:
			ev = MessageAdded{Conv: Direct.With(j), Message: Message{ID: fmt.Sprint(i), Author: j, Body: "hi", At: noon.Add(time.Duration(i) * time.Second)}}
		case n < 196:
			ev = Applied{Rows: []Row{{&Contact{JID: someone()}, true}, {&Contact{JID: j, AsksUs: n%2 == 0}, false}}}
		case n == 196:
			ev = RosterLoaded{Items: []RosterItem{{JID: j, Name: "1", Subscription: SubscriptionBoth}, {JID: someone()}}}
		case n == 197:
			ev = SessionStarted{Me: "ada@localhost/tab"}
		case n == 198:
			ev = Applied{All: true, Rows: signedIn().With(SubscriptionAsked{From: j}).Changes(nil)}
		default:
			ev = Cleared{}
		}
		s = s.With(ev)
		var counts [3]int
		for c := range s.Contacts {
			if c.AsksUs && c.Pending.Answer == "" {
				counts[0]++
			}
			if c.Pending != (Pending{}) {
				counts[1]++
			}
			if c.Refused != "" {
				counts[2]++
			}
			if !c.InRoster && !c.AsksUs && c.Pending == (Pending{}) && c.Refused == "" {
				t.Fatalf("after %T nothing is left of %+v", ev, c)
			}
		}
		if got := [3]int{s.Requests(), s.Unsaved(), s.Refusals()}; got != counts {
			t.Fatalf("after %T there are %v, and %v are counted", ev, counts, got)
		}
		before := past[r.IntN(len(past))]
		named := map[jid.JID]bool{}
		for _, j := range s.ContactsSince(before) {
			if named[j] {
				t.Fatalf("%s is named twice", j)
			}
			named[j] = true
		}
		for n := range 30 {
			if j := jid.JID(fmt.Sprintf("p%d@localhost", n)); named[j] != (s.Contact(j) != before.Contact(j)) {
				t.Fatalf("after %T: %s has changed since revision %d, unnoticed, or has not", ev, j, before.Rev)
			}
		}
		changed := map[ConvID]bool{}
		for _, conv := range s.ChatsSince(before) {
			changed[conv] = true
		}
		for n := range 30 {
			if j := ConvID(fmt.Sprintf("p%d@localhost", n)); changed[j] != (s.Chat(j) != before.Chat(j)) {
				t.Fatalf("after %T: the conversation with %s has changed, unnoticed, or has not", ev, j)
			}
		}
		past = append(past, s)
		if len(past) > 40 {
			past = past[r.IntN(20):]
		}
	}
}

// flooded returns a state in which n strangers have asked to see our presence.
func flooded(n int) *State {
	s := signedIn()
	for i := range n {
		s = s.With(SubscriptionAsked{From: jid.JID(fmt.Sprintf("nobody%d@flood.example", i)), Text: "let me in"})
	}
	return s
}

func TestRequests_AreBounded(t *testing.T) {
	s := flooded(3 * MostRequests)
	if s.Requests() != MostRequests {
		t.Errorf("%d requests are kept", s.Requests())
	}
	if s.Contact("nobody0@flood.example") == nil || s.Contact(jid.JID(fmt.Sprintf("nobody%d@flood.example", 2*MostRequests))) != nil {
		t.Error("it is not the first that are kept")
	}
	s = s.With(SubscriptionSent{Answer: Decline, To: "nobody0@flood.example"}).With(SubscriptionAsked{From: grace})
	if c := s.Contact(grace); c == nil || !c.AsksUs {
		t.Error("there is room again, and nobody gets in")
	}
	if again := s.With(SubscriptionAsked{From: grace}); !again.SameContacts(s) {
		t.Error("what is known has changed something")
	}
}

// The cost of an event must not depend on how many strangers have asked.
func TestCostDoesNotGrowWithRequests(t *testing.T) {
	cost := func(n int, ev Event) float64 {
		s := flooded(n).With(MessageAdded{Conv: grace, Message: from("1", "words", 0)})
		return testing.AllocsPerRun(20, func() {
			next := s.With(ev)
			next.Requests()
			next.ContactsSince(s)
			next.ChatsSince(s)
		})
	}
	for _, ev := range []Event{
		SubscriptionAsked{From: "one.more@flood.example", Text: "x"},
		MessageAdded{Conv: grace, Message: from("next", "words", time.Hour)},
		ContactChanged{RosterItem{JID: grace, Name: "Grace"}},
	} {
		if few, many := cost(10, ev), cost(10_000, ev); many > 2*few+10 {
			t.Errorf("%T: %v allocations beside 10 requests, %v beside 10,000", ev, few, many)
		}
	}
}

func BenchmarkRequests(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		s := flooded(n).With(MessageAdded{Conv: grace, Message: from("1", "words", 0)})
		b.Run(fmt.Sprint(n, " asked, one more asks"), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.With(SubscriptionAsked{From: jid.JID(fmt.Sprintf("more%d@flood.example", i)), Text: "x"})
			}
		})
		b.Run(fmt.Sprint(n, " asked, a message comes"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.With(MessageAdded{Conv: grace, Message: from("next", "words", time.Hour)})
			}
		})
	}
}
