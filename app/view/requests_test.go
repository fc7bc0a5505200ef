package view

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"natter/app/jid"
	"natter/app/state"
)

func (b *bench) flood(n int) {
	for i := range n {
		b.state = b.state.With(state.SubscriptionAsked{From: jid.JID(fmt.Sprintf("nobody%04d@flood.example", i)), Text: "Let me in"})
	}
	b.refresh()
}

// Whatever happens, the list is as if it had been made anew.
func TestItems_FollowWhatChanges(t *testing.T) {
	b := sit(t)
	r := rand.New(rand.NewPCG(8, 10))
	someone := func() jid.JID { return jid.JID(fmt.Sprintf("p%d@example.org", r.IntN(40))) }
	kept := 0
	for i := range 3000 {
		for range 1 + r.IntN(3) {
			j := someone()
			switch n := r.IntN(100); {
			case n < 30:
				b.receive(j, "hi")
			case n < 50:
				b.play(state.PresenceChanged{From: j + "/x", Presence: state.Presence{Show: state.Away, Status: fmt.Sprint(i)}})
			case n < 70:
				b.play(state.ContactChanged{Item: state.RosterItem{JID: j, Name: fmt.Sprint("Name ", r.IntN(9))}})
			case n < 80:
				b.play(state.ContactRemoved{JID: j})
			case n < 90:
				b.play(state.SubscriptionAsked{From: j})
			case n < 97:
				b.play(state.ChatStarted{Conv: state.Direct.With(j)})
			case n < 99:
				b.play(state.RosterLoaded{Items: []state.RosterItem{{JID: j, Name: "Zed"}, {JID: someone()}}})
			default:
				b.play(state.Applied{All: true, Rows: []state.Row{{Value: &state.Account{Self: state.Self{Me: ada + "/natter"}}}}})
			}
		}
		typed := []string{"", "", "p1", "NAME 2"}[r.IntN(4)]
		before := b.listed.s
		got := slices.Clone(b.items(typed))
		if before != nil && before.Rev != b.s.Rev {
			if len(b.s.ContactsSince(before)) <= fewChanges {
				kept++
			}
		}
		fresh := &desk{now: b.now, s: b.s}
		if want := fresh.items(typed); !slices.Equal(got, want) {
			t.Fatalf("step %d, %q\n got %v\nwant %v", i, typed, got, want)
		}
	}
	if kept < 1000 {
		t.Errorf("the list was followed %d times", kept)
	}
}

func TestRequests_TakeOneRow(t *testing.T) {
	elements := func(n int) int {
		b := sit(t)
		b.flood(n)
		return strings.Count(b.html(), "<")
	}
	one := elements(1)
	for _, n := range []int{2, 100, 10_000} {
		if got := elements(n); got != one {
			t.Errorf("%d requests are %d tags, one is %d", n, got, one)
		}
	}
	b := sit(t)
	if strings.Contains(b.html(), "Contact requests") {
		t.Error("nobody asks, and there is a row for it")
	}
	if b.flood(1); !strings.Contains(b.html(), "One person waits") {
		t.Error("one request is not shown")
	}
	if b.flood(10_000); !strings.Contains(b.html(), "1,000+ people wait") {
		t.Error("many are not counted")
	}
}

func TestRequests_Page(t *testing.T) {
	b := sit(t)
	b.flood(45)
	b.sig("requests", "", "")
	shown := func() (names []string) {
		for _, part := range strings.Split(b.html(), `aria-label="Accept `)[1:] {
			name, _, _ := strings.Cut(part, `"`)
			names = append(names, name)
		}
		return names
	}
	if got := shown(); len(got) != requestsAtOnce || got[0] != "nobody0000" {
		t.Errorf("%d are shown: %v", len(got), got)
	}
	b.happened(Signal{Do: "turn", Number: 40})
	if got := shown(); len(got) != 5 || got[0] != "nobody0040" || b.settling.Focus != "accept:nobody0040@flood.example" {
		t.Errorf("the last page has %v, the focus is at %s", got, b.settling.Focus)
	}
	if !strings.Contains(b.html(), "41 to 45 of 45") {
		t.Error("it is not said where one is")
	}
	b.sig("accept", "nobody0041@flood.example", "")
	b.wants(t, "AcceptContact{JID:nobody0041@flood.example}")
	b.settling.Focus = ""
	b.play(state.SubscriptionAsked{From: "late@flood.example"})
	if b.settling.Focus != "" {
		t.Error("the focus moves before what was answered is gone")
	}
	b.play(state.SubscriptionWithdrawn{From: "late@flood.example"}, state.SubscriptionSent{Answer: state.Decline, To: "nobody0041@flood.example"})
	if b.settling.Focus != "accept:nobody0042@flood.example" {
		t.Errorf("the focus is at %s", b.settling.Focus)
	}
	b.sig("decline", "nobody0044@flood.example", "")
	b.wants(t, "DeclineContacts{JIDs:[nobody0044@flood.example]}")
	b.play(state.SubscriptionSent{Answer: state.Decline, To: "nobody0044@flood.example"})
	if b.settling.Focus != "accept:nobody0043@flood.example" {
		t.Errorf("after the last one the focus is at %s", b.settling.Focus)
	}
	for i := range 41 {
		b.play(state.SubscriptionSent{Answer: state.Decline, To: jid.JID(fmt.Sprintf("nobody%04d@flood.example", i))})
	}
	if got := shown(); len(got) != 2 {
		t.Errorf("what is left is %v", got)
	}
	b.sig("declining", "", "")
	if !strings.Contains(b.html(), "Decline all?") {
		t.Error("it is done without a question")
	}
	b.wants(t)
	b.sig("decline-all", "", "")
	b.wants(t, "DeclineContacts{JIDs:[nobody0042@flood.example nobody0043@flood.example]}")
	if b.dialog.kind != "" {
		t.Error("the dialog stays")
	}
	b.play(state.SubscriptionSent{Answer: state.Decline, To: "nobody0042@flood.example"})
	b.sig("requests", "", "")
	b.sig("accept", "nobody0043@flood.example", "")
	if b.dialog.kind != "" || b.settling.Focus == "" {
		t.Error("after the last answer the dialog stays, or the focus is lost")
	}
}

func TestRequests_MoreThanAreKept(t *testing.T) {
	b := sit(t)
	b.flood(3 * state.MostRequests)
	b.sig("requests", "", "")
	html := b.html()
	if !strings.Contains(html, "There are more than can be shown.") || !strings.Contains(html, "1 to 20 of 1,000+") {
		t.Error("nobody says that there are more")
	}
	if n := strings.Count(html, `aria-label="Accept `); n != requestsAtOnce {
		t.Errorf("%d are on the page", n)
	}
}

// BenchmarkEvent is what the list costs beside so many requests and contacts, after a message
// and after a presence.
func BenchmarkEvent(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		s := state.New().With(state.SessionStarted{Me: ada + "/natter"})
		var items []state.RosterItem
		for i := range n {
			items = append(items, state.RosterItem{JID: jid.JID(fmt.Sprintf("p%d@example.org", i)), Name: fmt.Sprint("Person ", i)})
		}
		s = s.With(state.RosterLoaded{Items: items})
		for i := range n {
			s = s.With(state.SubscriptionAsked{From: jid.JID(fmt.Sprintf("nobody%d@flood.example", i))})
		}
		for name, event := range map[string]func(i int) state.Event{
			"message": func(i int) state.Event {
				return state.MessageAdded{Conv: "p1@example.org", Message: state.Message{ID: fmt.Sprint(i), Author: "p1@example.org", Body: "hi", At: noon.Add(time.Duration(i) * time.Second)}}
			},
			"presence": func(i int) state.Event {
				return state.PresenceChanged{From: "p1@example.org/x", Presence: state.Presence{Show: state.Away, Status: fmt.Sprint(i)}}
			},
		} {
			b.Run(fmt.Sprint(n, " ", name), func(b *testing.B) {
				d := &desk{s: s, now: time.Now, drafts: map[state.ConvID]string{}}
				d.items("")
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					d.s = d.s.With(event(i))
					d.items("")
				}
			})
		}
	}
}
