package state

import (
	"testing"
	"time"
)

// The time of a message is that of the archive, even if the message came live with another one, by our clock or
// by its sender. A second live copy changes nothing, and a copy with another archive id does not either. A
// message that was written offline keeps the time at which it was written.
func TestDates(t *testing.T) {
	live := func(m Message, archiveID string, at time.Time) Message {
		m.ArchiveID, m.At = archiveID, at
		return m
	}
	const random = "DMZJK2RPTQ6A4XNE"
	late := mine("m1", "one", 0)
	late.Late = true
	for _, tc := range []struct {
		name     string
		was, now Message
		live     bool // the second copy is not one of the archive
		want     time.Time
	}{
		{"a clock that was ahead", live(from("m1", "one", 0), "a1", noon.AddDate(0, 0, 1)), live(from("m1", "one", 0), "a1", noon), false, noon},
		{"a clock that was behind", live(from("m1", "one", 0), "a1", noon.AddDate(-1, 0, 0)), live(from("m1", "one", 0), "a1", noon), false, noon},
		{"without an archive's id", live(from("m1", "one", 0), "", noon.Add(-time.Hour)), live(from("m1", "one", 0), "a1", noon), false, noon},
		{"ours", mine("m1", "one", time.Hour), live(mine("m1", "one", 0), "a1", noon), false, noon},
		{"ours, written without a connection", late, live(late, "a1", noon.Add(time.Hour)), false, noon},
		{"less than a second", from("m1", "one", 0), live(from("m1", "one", 0), "a1", noon.Add(999*time.Millisecond)), false, noon},
		{"filed once more, by ejabberd", live(from(random, "one", 0), "1767355200000000", noon), live(from(random, "one", 0), "1767355260000000", noon.Add(time.Minute)), false, noon},
		{"live once more", live(from("m1", "one", 0), "a1", noon), live(from("m1", "one", 0), "a1", noon.Add(time.Hour)), true, noon},
	} {
		t.Run(tc.name, func(t *testing.T) {
			first := signedIn().With(MessageAdded{Conv: grace, Message: tc.was})
			then := first.With(ArchivePage{Conv: grace, Messages: []Message{tc.now}})
			if tc.live {
				then = first.With(MessageAdded{Conv: grace, Message: tc.now})
			}
			expect(t, then, "one")
			was, is := first.Chat(grace).Timeline.Last(), then.Chat(grace).Timeline.Last()
			if !is.At.Equal(tc.want) || is.Key != was.Key {
				t.Errorf("of %s at %v, was at %v", is.At, is.Key, was.Key)
			}
			if is.At != was.At && is.Rev == was.Rev {
				t.Error("what shows it does not hear of it")
			}
		})
	}
}

// State.Now is never earlier than the newest message of the archive.
func TestNow(t *testing.T) {
	s := signedIn()
	part := Part{Archive: ada}
	for _, ev := range []Event{
		TimeTold{noon}, TimeTold{noon.Add(-time.Hour)},
		ArchiveRead{part, Reading{IDs: []string{"a1"}, From: Edge{ID: "a1", At: noon.Add(-time.Hour)}, End: true}},
	} {
		s = s.With(ev)
	}
	for clock, want := range map[time.Time]time.Time{noon.AddDate(0, 0, -1): noon, noon: noon, noon.Add(time.Minute): noon.Add(time.Minute)} {
		if got := s.Now(clock); !got.Equal(want) {
			t.Errorf("it is %s by a clock that says %s", got, clock)
		}
	}
	read := signedIn().With(ArchiveRead{part, Reading{IDs: []string{"a1"}, From: Edge{ID: "a1", At: noon}, End: true}})
	if got := read.Now(noon.AddDate(0, 0, -1)); !got.Equal(noon) {
		t.Errorf("it is %s", got)
	}
}
