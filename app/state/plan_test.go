package state

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"natter/app/jid"
)

// mam is an archive that forgets, files late and is cut off, and a client that reads it by its
// plans. Several messages share a second.
type mam struct {
	random *rand.Rand
	silent bool // what it does not know it answers with nothing, as Prosody 13 does
	filed  []Message
	late   []Message // they will be filed before others
	next   int
	now    time.Time
	asks   int
	s      *State
}

// come has something said to the account, of which the archive gets some only later.
func (m *mam) come(n int) {
	for range n {
		if m.random.IntN(3) == 0 {
			m.pass(time.Duration(m.random.IntN(300)) * time.Second)
		}
		m.next++
		id := fmt.Sprintf("a%06d", m.next)
		said := Message{ID: "m" + id, ArchiveID: id, Author: jid.JID([]string{mia, "leo@localhost", ""}[m.random.IntN(3)]), At: m.now, Body: id}
		if m.random.IntN(10) == 0 {
			m.late = append(m.late, said)
			continue
		}
		m.filed = append(m.filed, said)
	}
}

// pass is time that passes. What is late is filed in time.
func (m *mam) pass(d time.Duration) {
	m.now = m.now.Add(d)
	m.file(func(said Message) bool { return m.now.Sub(said.At) >= settling/2 })
}

// file puts some of what is late in its place.
func (m *mam) file(which func(Message) bool) {
	m.late = slices.DeleteFunc(m.late, func(said Message) bool {
		if !which(said) {
			return false
		}
		m.filed = append(m.filed, said)
		return true
	})
	slices.SortStableFunc(m.filed, func(a, b Message) int { return a.At.Compare(b.At)*1e6 + compareIDs(a, b) })
}

func (m *mam) some(Message) bool { return m.random.IntN(2) == 0 }

func compareIDs(a, b Message) int {
	if a.ArchiveID < b.ArchiveID {
		return -1
	}
	return 1
}

// answer is what the archive says to an Ask for a part of it.
func (m *mam) answer(part Part, k Ask) Page {
	m.asks++
	page := Page{Messages: map[ConvID][]Message{}}
	from, to := 0, len(m.filed)
	for _, id := range []string{k.Before, k.After} {
		at := slices.IndexFunc(m.filed, func(said Message) bool { return said.ArchiveID == id })
		switch {
		case id == "":
		case at < 0 && m.silent:
			page.Complete = true
			return page
		case at < 0:
			page.Unknown = true
			return page
		case id == k.Before:
			to = at
		default:
			from = at + 1
		}
	}
	var fits []Message
	for _, said := range m.filed[min(from, to):to] {
		if (part.With == "" || said.Author == part.With) && (k.Start.IsZero() || !said.At.Before(k.Start)) && (k.End.IsZero() || !said.At.After(k.End)) {
			fits = append(fits, said)
		}
	}
	size := min(k.Max, 5) // servers may give less than they are asked for
	page.Complete = len(fits) <= size
	if n := len(fits); !page.Complete && k.Backward {
		fits = fits[n-size:]
	} else if !page.Complete {
		fits = fits[:size]
	}
	for _, said := range fits {
		page.Results = append(page.Results, Edge{ID: said.ArchiveID, At: said.At})
		if said.Author != "" {
			id := ConvID(said.Author)
			page.Messages[id] = append(page.Messages[id], said)
		}
	}
	return page
}

// carry carries out a plan, to its end or until the connection is lost. Meanwhile the archive
// goes on.
func (m *mam) carry(t *testing.T, p *Plan, calm bool) (over bool) {
	t.Helper()
	for range 10 * (len(m.filed) + 10) {
		k, more := p.Next(m.s)
		if !more {
			return true
		}
		if !calm && m.random.IntN(12) == 0 {
			return false
		}
		events, whole := p.Learn(m.s, k, m.answer(p.Part, k))
		for _, ev := range events {
			m.s = m.s.With(ev)
		}
		if !whole {
			return false
		}
		if !calm && m.random.IntN(4) == 0 {
			m.come(m.random.IntN(4))
			m.file(m.some)
		}
	}
	t.Fatalf("a plan does not come to an end: %+v", *p)
	return false
}

func (m *mam) catchUp(t *testing.T, calm bool) bool {
	t.Helper()
	part := Part{Archive: ada}
	m.s = m.s.With(CatchUpStarted{part, m.now})
	over := m.carry(t, NewCatchUp(m.s, part), calm)
	m.s = m.s.With(CaughtUp{Failed: !over})
	return over
}

// missing returns what the archive has and is neither here nor in a gap.
func (m *mam) missing() (lost []string) {
	for _, said := range m.filed {
		if said.Author == "" {
			continue
		}
		if c := m.s.Chat(ConvID(said.Author)); c != nil && c.Timeline.Find(&said) != nil {
			continue
		}
		if !slices.ContainsFunc(m.s.Gaps(ConvID(said.Author)), func(g Gap) bool {
			return said.ArchiveID > g.After.ID && (g.Before.ID == "" || said.ArchiveID < g.Before.ID) || said.At.Equal(g.Before.At)
		}) {
			lost = append(lost, said.ArchiveID)
		}
	}
	return lost
}

func (m *mam) gaps() (n int) {
	for _, conv := range []ConvID{mia, "leo@localhost"} {
		n += len(m.s.Gaps(conv))
	}
	return n
}

// live reads an archive through so many sessions, and in the end all of it.
func live(t *testing.T, seed uint64, sessions int) {
	m := &mam{random: rand.New(rand.NewPCG(seed, 9)), silent: seed%2 == 0, now: noon, s: signedIn()}
	m.come(m.random.IntN(60))
	for range sessions {
		m.catchUp(t, false)
		switch m.random.IntN(6) {
		case 0: // the archive forgets
			m.filed = slices.Delete(m.filed, 0, m.random.IntN(1+len(m.filed)/2))
		case 1, 2: // somebody scrolls back, or has a gap filled
			conv := []ConvID{mia, "leo@localhost"}[m.random.IntN(2)]
			if gaps := m.s.Gaps(conv); len(gaps) > 0 {
				// Nobody scrolls to before the first page as long as that is new.
				if g := gaps[m.random.IntN(len(gaps))]; !g.Open && m.now.Sub(g.Before.At) > settling && !g.Before.At.IsZero() {
					m.carry(t, NewFill(m.s, conv, g.After.ID, 1+m.random.IntN(3)), false)
				}
			}
		case 3:
			if p := NewReview(m.s, Part{Archive: ada}); p != nil {
				m.carry(t, p, false)
			}
		}
		m.come(m.random.IntN(30))
		if m.random.IntN(4) == 0 {
			m.pass(time.Hour)
		}
		m.file(m.some)
	}
	m.file(func(Message) bool { return true })
	m.catchUp(t, true)
	for range 1 + m.next/(mostPages*5) { // each reads a part of it
		if p := NewReview(m.s, Part{Archive: ada}); p != nil {
			m.carry(t, p, true)
		}
	}
	if lost := m.missing(); len(lost) > 0 {
		t.Fatalf("seed %d: neither here nor in a gap: %v\n%v\n%+v", seed, lost, m.s.Coverage(Part{Archive: ada}).Ranges, append(m.s.Gaps(mia), m.s.Gaps("leo@localhost")...))
	}
	for range 10 * (len(m.filed) + 10) {
		if m.gaps() == 0 {
			break
		}
		for _, conv := range []ConvID{mia, "leo@localhost"} {
			for _, g := range m.s.Gaps(conv) {
				m.carry(t, NewFill(m.s, conv, g.After.ID, 2), true)
			}
		}
	}
	if n := m.gaps(); n > 0 {
		t.Fatalf("seed %d: %d gaps cannot be filled: %v\n%+v\n%+v", seed, n, m.s.Coverage(Part{Archive: ada}).Ranges, m.s.Gaps(mia), m.s.Gaps("leo@localhost"))
	}
	if lost := m.missing(); len(lost) > 0 {
		t.Fatalf("seed %d: in the end %v are missing", seed, lost)
	}
}

// Whatever an archive does, what it has is here in the end or in a gap that can be filled.
func TestPromise6_PlansReadAllOfAnArchive(t *testing.T) {
	for seed := range uint64(500) {
		live(t, seed, 12)
	}
}

func FuzzPlan(f *testing.F) {
	f.Add(uint64(1), uint8(20))
	f.Fuzz(func(t *testing.T, seed uint64, sessions uint8) { live(t, seed, int(sessions%60)) })
}

// A review has to get to the end of what has not settled at once: nothing of half an hour has, and
// the next review begins where it began.
func TestReview_OfVeryMany(t *testing.T) {
	m := &mam{random: rand.New(rand.NewPCG(1, 1)), now: noon, s: signedIn()}
	var late []Message
	for i := range 1200 { // 240 pages of this archive
		m.next++
		id := fmt.Sprintf("a%06d", m.next)
		said := Message{ID: "m" + id, ArchiveID: id, Author: mia, At: noon.Add(time.Duration(i) * time.Second), Body: id}
		if i%100 == 50 {
			late = append(late, said)
		} else {
			m.filed = append(m.filed, said)
		}
		if i%20 == 19 && !m.catchUp(t, true) {
			t.Fatal("a catch-up does not come to its end")
		}
	}
	m.late = late
	m.file(func(Message) bool { return true })
	if got := len(m.missing()); got < 10 {
		t.Fatalf("only %d were filed late", got)
	}
	if !m.carry(t, NewReview(m.s, Part{Archive: ada}), true) {
		t.Fatal("the review does not come to its end")
	}
	if lost := m.missing(); lost != nil {
		t.Errorf("not found: %q", lost)
	}
}

// What a build has read that understood less is read once more.
func TestCoverageOfAnOlderGeneration(t *testing.T) {
	m := &mam{random: rand.New(rand.NewPCG(1, 1)), now: noon, s: signedIn()}
	for range 5 {
		m.come(20)
		m.pass(time.Hour)
		m.catchUp(t, true)
	}
	whole := Part{Archive: ada}
	read := m.s.Coverage(whole)
	row := read.row()
	row.Generation = generation - 1
	m.s = m.s.With(Applied{Rows: []Row{{row, false}}})
	if got := m.s.Coverage(whole); got.Settled != (Edge{}) || got.Ranges.String() != read.Ranges.String() {
		t.Fatalf("%+v", got)
	}
	p, seen := NewReview(m.s, whole), 0
	for k, more := p.Next(m.s); more; k, more = p.Next(m.s) {
		page := m.answer(whole, k)
		seen += len(page.Results)
		events, _ := p.Learn(m.s, k, page)
		for _, ev := range events {
			m.s = m.s.With(ev)
		}
	}
	if from := slices.IndexFunc(m.filed, func(said Message) bool { return said.ArchiveID == read.Ranges[0].From.ID }); seen < len(m.filed)-from {
		t.Errorf("%d of %d messages were read again", seen, len(m.filed)-from)
	}
	if got := m.s.Coverage(whole); got.Settled.ID == "" {
		t.Errorf("%+v", got)
	}
	if own := (&CoverageRow{Coverage: Coverage{Part: Part{ada, mia}}, Ranges: []RangeRow{{From: "a", To: "b"}}, Generation: generation - 1}); m.s.With(Applied{Rows: []Row{{own, false}}}).Coverage(own.Part).Ranges != nil {
		t.Error("what was read of one conversation counts as understood")
	}
}
