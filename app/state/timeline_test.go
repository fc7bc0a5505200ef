package state

import (
	"fmt"
	"testing"
	"time"
)

// Wherever a page of the archive begins and ends, its messages do not stand behind what came later by more
// than a client may receive a message late.
func TestPromise6_OrderOfLiveMessagesAndPages(t *testing.T) {
	online := func(s *State) *State {
		return s.With(ConnectionChanged{Connection{Phase: Waiting}}).With(ConnectionChanged{Connection{Phase: Online}})
	}
	live := func(s *State, id string, at time.Duration) *State {
		return s.With(MessageAdded{Conv: grace, Message: archived(from(id, id, at), "id of "+id)})
	}
	in := func(id string, at time.Duration) Message { return archived(from(id, id, at), "id of "+id) }
	t.Run("the newest page has what was lost behind messages that came late", func(t *testing.T) {
		s := online(live(live(online(signedIn()), "3", 33*time.Second), "4", 33*time.Second)).
			With(ArchivePage{Conv: grace, Apart: true, Last: true, Messages: []Message{in("5", 22*time.Second), in("6", 32*time.Second)}}).
			With(ArchivePage{Conv: grace, Older: true, Before: "id of 5", Messages: []Message{in("1", -48*time.Hour), in("2", time.Second), in("3", 2*time.Second), in("4", 3*time.Second)}})
		expect(t, s, "1", "2", "3", "4", "5", "6")
	})
	t.Run("the newest page, broken, has them", func(t *testing.T) {
		s := online(live(online(signedIn()), "1", 33*time.Second)).
			With(ArchivePage{Conv: grace, Older: true, Last: true, Messages: []Message{in("2", 22*time.Second), in("3", 32*time.Second)}})
		expect(t, s, "1", "2", "3")
	})
	t.Run("what has come since stays behind the newest page", func(t *testing.T) {
		s := live(online(live(online(signedIn()), "1", 33*time.Second)), "4", 34*time.Second).
			With(ArchivePage{Conv: grace, Apart: true, Last: true, Messages: []Message{in("2", 22*time.Second), in("3", 32*time.Second)}})
		expect(t, s, "1", "2", "3", "4")
	})
	t.Run("a page goes on where another one ended, although live messages came between", func(t *testing.T) {
		s := online(live(online(signedIn()), "2", 2*time.Hour)).
			With(ArchivePage{Conv: grace, Apart: true, Last: true, Messages: []Message{in("3", 3*time.Hour), in("4", 4*time.Hour)}})
		expect(t, s, "2", "3", "4")
	})
	t.Run("a live message that no archive has does not push older ones behind it", func(t *testing.T) {
		s := online(live(online(signedIn()), "3", 0)).
			With(ArchivePage{Conv: grace, Apart: true, Last: true, Messages: []Message{in("5", 2*time.Hour)}}).
			With(ArchivePage{Conv: grace, Older: true, Before: "id of 5", Messages: []Message{
				in("1", -48*time.Hour), in("2", -24*time.Hour), in("4", time.Hour),
			}})
		expect(t, s, "1", "2", "3", "4", "5")
	})
	t.Run("a live message that no archive has does not push messages of the newest page behind it", func(t *testing.T) {
		s := online(live(online(signedIn()), "3", 0)).
			With(ArchivePage{Conv: grace, Apart: true, Last: true, Messages: []Message{
				in("1", -48*time.Hour), in("2", -24*time.Hour), in("4", time.Hour),
			}})
		expect(t, s, "1", "2", "3", "4")
	})
	t.Run("messages of one time on both sides of it stay in order", func(t *testing.T) {
		s := online(live(online(signedIn()), "4", 0)).
			With(ArchivePage{Conv: grace, Apart: true, Last: true, Messages: []Message{
				in("1", -48*time.Hour), in("2", -48*time.Hour), in("3", -48*time.Hour), in("5", time.Hour), in("6", time.Hour),
			}}).
			With(ArchivePage{Conv: grace, Older: true, Before: "id of 1", Messages: []Message{in("-1", -48*time.Hour), in("0", -48*time.Hour)}})
		expect(t, s, "-1", "0", "1", "2", "3", "4", "5", "6")
	})
}

// ejabberd may deliver a message of a dead session, and then file it again before that place, with others of the session
// that were not delivered. They stand behind it, and before what was delivered next, as they were written.
func TestOrder_FiledTwice(t *testing.T) {
	in := func(body string, at time.Duration) Message {
		stamp := noon.Add(at)
		return Message{ID: "a long random id, " + body, ArchiveID: fmt.Sprint(stamp.UnixMicro()), Author: grace, Body: body, At: stamp}
	}
	delivered := func(all ...Message) *State {
		s := signedIn().With(ConnectionChanged{Connection{Phase: Waiting}}).With(ConnectionChanged{Connection{Phase: Online}})
		for _, m := range all {
			s = s.With(MessageAdded{Conv: grace, Message: m})
		}
		return s
	}
	review := func(s *State, all ...Message) *State {
		return s.With(ArchivePage{Conv: grace, Apart: true, Messages: all})
	}
	again, at := 13*time.Second, 28*time.Second
	one, two, twice, five := in("1", 0), in("2", at), in("2", again), in("5", at+time.Second)
	three, four := in("3", again+time.Millisecond), in("4", again+2*time.Millisecond)
	t.Run("what is between the two comes after the first", func(t *testing.T) {
		expect(t, review(delivered(one, two, five), one, twice, three, four, two, five), "1", "2", "3", "4", "5")
	})
	t.Run("some are filed later still", func(t *testing.T) {
		s := review(delivered(one, two, five), one, twice, three, two, five)
		expect(t, review(s, one, twice, three, four, two, five), "1", "2", "3", "4", "5")
	})
	t.Run("the page begins with it", func(t *testing.T) {
		expect(t, review(delivered(one, two, five), twice, three, four, two, five), "1", "2", "3", "4", "5")
	})
	t.Run("a page ends between the two", func(t *testing.T) {
		s := delivered(one, two, five).With(ArchivePage{Conv: grace, Apart: true, Messages: []Message{one, twice, three}})
		expect(t, s.With(ArchivePage{Conv: grace, After: three.ArchiveID, Messages: []Message{four, two, five}}), "1", "2", "3", "4", "5")
	})
	t.Run("a page ends at one that came late, which stays behind", func(t *testing.T) {
		s := delivered(one, five, two).With(ArchivePage{Conv: grace, Apart: true, Messages: []Message{one, two}})
		expect(t, s.With(ArchivePage{Conv: grace, After: two.ArchiveID, Messages: []Message{in("4", at+time.Millisecond), five}}), "1", "4", "5", "2")
	})
	t.Run("what is known between the two counts more", func(t *testing.T) {
		expect(t, review(delivered(one, four, two, five), one, twice, three, four, two, five), "1", "3", "4", "2", "5")
	})
}

// A stanza-id that a room relays although an occupant has put it into their message (XEP-0359 §5) leads to the
// message whose id it is, whichever of the two comes first, and moves none.
func TestSec11_ForgedArchiveIDMovesNothing(t *testing.T) {
	const mallory, ours = "mallory@localhost", "id of 3"
	forged := func(at time.Duration) Event {
		m := archived(from("f", "forged", at), ours)
		m.Author = mallory
		return MessageAdded{Conv: grace, Message: m}
	}
	page := func(older bool, after string, all ...Message) Event {
		return ArchivePage{Conv: grace, Messages: all, Older: older, After: after}
	}
	in := func(id string, at time.Duration) Message { return archived(from(id, id, at), "id of "+id) }
	third := MessageAdded{Conv: grace, Message: in("3", 3*time.Hour)}
	unknown := MessageAdded{Conv: grace, Message: from("3", "3", 3*time.Hour)}
	fourth := page(false, ours, in("4", 4*time.Hour))
	for name, tc := range map[string]struct {
		events []Event
		want   []string
	}{
		"the honest one alone":                           {[]Event{third, fourth}, []string{"3", "4"}},
		"the honest one live, and then from the archive": {[]Event{unknown, page(false, "", in("3", 3*time.Hour)), fourth}, []string{"3", "4"}},
		"after a live message":                           {[]Event{third, forged(5 * time.Hour), fourth}, []string{"3", "4", "forged"}},
		"after one of the archive":                       {[]Event{page(false, "", in("3", 3*time.Hour)), forged(5 * time.Hour), fourth}, []string{"3", "4", "forged"}},
		"before it comes from the archive":               {[]Event{forged(5 * time.Hour), page(true, "", in("3", 3*time.Hour)), fourth}, []string{"3", "4", "forged"}},
		"before a live message whose id is not known":    {[]Event{forged(2 * time.Hour), unknown, page(false, "", in("3", 3*time.Hour)), fourth}, []string{"forged", "3", "4"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := signedIn()
			for _, ev := range tc.events {
				s = s.With(ev)
			}
			expect(t, s, tc.want...)
			if m := s.Chat(grace).Timeline.Archived(ours); m == nil || m.Body != "3" {
				t.Errorf("the id leads to %+v", m)
			}
			for m := range s.Chat(grace).Timeline.All {
				if m.Body == "forged" && m.ArchiveID != "" {
					t.Errorf("the forged message keeps the id %s", m.ArchiveID)
				}
			}
		})
	}
	t.Run("on a disk that has both", func(t *testing.T) {
		honest, copied := in("3", 3*time.Hour), archived(from("f", "forged", 5*time.Hour), ours)
		honest.Key, copied.Key, copied.Author = Key{Time: honest.At.UnixMicro()}, Key{Time: copied.At.UnixMicro()}, mallory
		for _, read := range [][]Message{{honest, copied}, {copied, honest}} {
			s := signedIn().With(HistoryRead{Conv: grace, Messages: read[:1], Alone: true}).With(HistoryRead{Conv: grace, Messages: read[1:], Alone: true})
			if m := s.Chat(grace).Timeline.Archived(ours); m == nil || m.Body != "3" {
				t.Errorf("the id leads to %+v", m)
			}
		}
	})
}
