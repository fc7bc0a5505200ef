package state

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"natter/app/jid"
)

// mam is an archive, and a client that reads it with Plans. The archive forgets messages, files some late, and
// may not be reached. Several messages share a second.
type mam struct {
	random *rand.Rand
	silent bool // it answers an unknown id with an empty page, as Prosody 13 does
	filed  []Message
	late   []Message // messages that are still to be filed, before others
	next   int
	now    time.Time
	asks   int
	s      *State

	loose  bool               // the server delivers in any order
	newest map[jid.JID]string // the newest message of each author that the client has
	online bool               // messages are delivered live too
	dead   bool               // the connection is lost, and nobody has noticed
	missed []Message          // messages that were not delivered; the server may do so at the next sign-in
	clock  time.Duration      // how far our clock is ahead of the archive's
	places map[string]Key     // the places that messages have had
	apart  time.Duration      // the least time between two messages
	order  time.Duration      // how near in time messages may stand in another order than the archive's
}

func newMam(seed uint64) *mam {
	return &mam{
		random: rand.New(rand.NewPCG(seed, 9)), now: noon, s: signedIn(),
		newest: map[jid.JID]string{}, places: map[string]Key{}, order: time.Second,
	}
}

// come sends n messages to the account. The archive files some of them late.
func (m *mam) come(n int) {
	for range n {
		if m.random.IntN(3) == 0 {
			m.pass(time.Duration(m.random.IntN(300)) * time.Second)
		}
		m.pass(m.apart)
		m.next++
		id := fmt.Sprintf("a%06d", m.next)
		said := Message{ID: "a message, " + id, ArchiveID: id, Author: jid.JID([]string{mia, "leo@localhost", ""}[m.random.IntN(3)]), At: m.now, Body: id}
		if m.random.IntN(10) == 0 {
			m.late = append(m.late, said)
			continue
		}
		m.filed = append(m.filed, said)
		if m.dead = m.dead || m.random.IntN(20) == 0; !m.online || m.dead {
			m.missed = append(m.missed, said)
			continue
		}
		said.At = said.At.Add(m.clock + time.Duration(m.random.IntN(100))*time.Millisecond)
		m.deliver(said)
		if m.random.IntN(10) == 0 { // no archive has this one
			said.ID, said.ArchiveID = "unfiled, "+id, ""
			said.Body += "u"
			m.deliver(said)
		}
	}
}

// deliver delivers a message live. Most servers deliver in order: then a message does not come if the client has
// a newer one. Some servers add the archive id.
func (m *mam) deliver(said Message) {
	if said.Author == "" {
		return
	}
	if c := m.s.Chat(ConvID(said.Author)); c != nil && (c.Timeline.Find(&said) != nil || !m.loose && said.Body < m.newest[said.Author]) {
		return
	}
	if m.silent {
		said.ArchiveID = ""
	}
	m.add(said)
	m.s = m.s.With(MessageAdded{Conv: ConvID(said.Author), Message: said})
}

// add notes that the client has a message.
func (m *mam) add(said Message) { m.newest[said.Author] = max(m.newest[said.Author], said.Body) }

// signIn begins a new stream, over which the server may deliver the missed messages with their old times.
func (m *mam) signIn() {
	m.s = m.s.With(ConnectionChanged{Connection{Phase: Waiting}}).With(ConnectionChanged{Connection{Phase: Online}})
	m.online, m.dead = m.random.IntN(4) > 0, false
	if m.random.IntN(3) == 0 {
		for _, said := range m.missed {
			m.deliver(said)
		}
	}
	m.missed = nil
}

// check fails the test if a message is not in the order of the archive, is there twice, has gone or has moved.
// The order of messages in one second may differ, or in a minute if our clock is wrong.
func (m *mam) check(t *testing.T) {
	t.Helper()
	n := 0
	for c := range m.s.Chats {
		var last *Message
		for said := range c.Timeline.All {
			n++
			if last != nil && said.Body < last.Body && !m.loose && apart(said.At, last.At) > m.order {
				for said := range c.Timeline.All {
					t.Log(said.Body, said.Key, said.At.UnixMicro(), said.ArchiveID)
				}
				t.Fatalf("%s stands behind %s", said.Body, last.Body)
			}
			if at, ok := m.places[said.Body]; ok && at != said.Key {
				t.Fatalf("%s has moved", said.Body)
			}
			if m.places[said.Body] = said.Key; last == nil || last.Body < said.Body {
				last = said
			}
		}
	}
	if n != len(m.places) {
		t.Fatalf("of %d messages %d are there", len(m.places), n)
	}
}

// pass lets time pass. Late messages are filed before they are older than half of settling.
func (m *mam) pass(d time.Duration) {
	m.now = m.now.Add(d)
	m.file(func(said Message) bool { return m.now.Sub(said.At) >= settling/2 })
}

// file files the late messages for which which returns true, in their places.
func (m *mam) file(which func(Message) bool) {
	before := len(m.filed)
	m.late = slices.DeleteFunc(m.late, func(said Message) bool {
		if !which(said) {
			return false
		}
		m.filed = append(m.filed, said)
		return true
	})
	if len(m.filed) == before {
		return
	}
	slices.SortStableFunc(m.filed, func(a, b Message) int { return a.At.Compare(b.At)*1e6 + compareIDs(a, b) })
}

func (m *mam) some(Message) bool { return m.random.IntN(2) == 0 }

func compareIDs(a, b Message) int {
	if a.ArchiveID < b.ArchiveID {
		return -1
	}
	return 1
}

// answer returns the answer of the archive to an Ask for a part of it.
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
	size := min(k.Max, 5) // a server may return fewer messages than requested
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

// carry carries out a plan, to its end or until the connection is lost. More messages come meanwhile.
func (m *mam) carry(t *testing.T, p *Plan, calm bool) (over bool) {
	t.Helper()
	for range 10 * (len(m.filed) + 10) {
		k, more := p.Next(m.s)
		if !more {
			return true
		}
		if !calm && (m.dead || m.random.IntN(12) == 0) {
			return false
		}
		events, whole := p.Learn(m.s, k, m.answer(p.Part, k))
		for _, ev := range events {
			m.s = m.s.With(ev)
			if page, ok := ev.(ArchivePage); ok {
				for _, said := range page.Messages {
					m.add(said)
				}
			}
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

// missing returns the messages of the archive that the client neither has nor has in a gap.
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

// live reads an archive in several sessions, and in the end all of it.
func live(t *testing.T, seed uint64, sessions int) {
	m := newMam(seed)
	m.silent, m.loose, m.apart = seed%2 == 0, seed%5 == 4, time.Duration(seed%3*2)*time.Second
	m.clock = time.Duration(seed/2%3-1) * 300 * time.Millisecond
	switch {
	case m.loose:
		m.clock *= 10_000
	case seed%7 == 3:
		m.clock *= 60
		m.order = lag
	}
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	m.come(m.random.IntN(60))
	for range sessions {
		m.signIn()
		m.catchUp(t, false)
		m.check(t)
		switch m.random.IntN(6) {
		case 0: // the archive forgets
			m.filed = slices.Delete(m.filed, 0, m.random.IntN(1+len(m.filed)/2))
		case 1, 2: // somebody scrolls back, or has a gap filled
			conv := []ConvID{mia, "leo@localhost"}[m.random.IntN(2)]
			if gaps := m.s.Gaps(conv); len(gaps) > 0 {
				if g := gaps[m.random.IntN(len(gaps))]; !g.Open {
					m.carry(t, NewFill(m.s, conv, g.After.ID, 1+m.random.IntN(3)), false)
				}
			}
		case 3:
			if p := NewReview(m.s, Part{Archive: ada}); p != nil {
				m.carry(t, p, false)
			}
		case 4: // a stream was resumed
			from := []string{"", "unknown", m.newest[mia]}[m.random.IntN(3)]
			if n := len(m.filed); n > 0 && m.random.IntN(2) == 0 {
				from = m.filed[m.random.IntN(n)].ArchiveID
			}
			if p := NewLookBack(m.s, Part{Archive: ada}, from); p != nil {
				m.carry(t, p, false)
			}
		}
		m.check(t)
		m.come(m.random.IntN(30))
		m.online = false
		m.come(m.random.IntN(30))
		if m.random.IntN(4) == 0 {
			m.pass(time.Hour)
		}
		m.file(m.some)
	}
	m.file(func(Message) bool { return true })
	m.catchUp(t, true)
	for range 1 + m.next/(mostPages*5) { // each review reads a part
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
	m.check(t)
}

// In the end the client has all messages of an archive, or they are in a gap that can be filled, whatever the archive
// does.
func TestPromise6_PlansReadAllOfAnArchive(t *testing.T) {
	for seed := range uint64(500) {
		live(t, seed, 12)
	}
}

func FuzzPlan(f *testing.F) {
	f.Add(uint64(1), uint8(20))
	f.Fuzz(func(t *testing.T, seed uint64, sessions uint8) { live(t, seed, int(sessions%60)) })
}

// One review must read all messages that are not settled, however many. If it stopped earlier, nothing would be
// settled, and the next review would begin at the same place.
func TestReview_OfVeryMany(t *testing.T) {
	m := newMam(1)
	var late []Message
	for i := range 1200 { // 240 pages of this archive
		m.next++
		id := fmt.Sprintf("a%06d", m.next)
		said := Message{ID: "a message, " + id, ArchiveID: id, Author: mia, At: noon.Add(time.Duration(i) * time.Second), Body: id}
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

// After a resume, all that a server has lost meanwhile is found, on as many pages as it takes. What is settled stays as it
// is: nobody has looked before that.
func TestLookBack(t *testing.T) {
	for _, n := range []int{0, 1, 49, 50, 51, 300} {
		m := newMam(1)
		come := func(n int) {
			for range n {
				m.next++
				id := fmt.Sprintf("a%06d", m.next)
				m.now = m.now.Add(time.Second)
				m.filed = append(m.filed, Message{ID: "a message, " + id, ArchiveID: id, Author: mia, At: m.now, Body: id})
			}
		}
		come(20)
		if !m.catchUp(t, true) {
			t.Fatal("the archive cannot be read")
		}
		before := m.filed[19].ArchiveID
		come(n)
		m.deliver(m.filed[len(m.filed)-1]) // the others are lost
		settled := m.s.Coverage(Part{Archive: ada}).Settled
		if lost := m.missing(); len(lost) != max(0, n-1) {
			t.Fatalf("%d of %d are missing", len(lost), n)
		}
		m.asks = 0
		if !m.carry(t, NewLookBack(m.s, Part{Archive: ada}, before), true) || m.missing() != nil {
			t.Errorf("of %d messages these are not found: %q", n, m.missing())
		}
		if n == 0 && m.asks != 1 {
			t.Errorf("nothing was lost, and it asks for %d pages", m.asks)
		}
		if now := m.s.Coverage(Part{Archive: ada}).Settled; now != settled {
			t.Errorf("%d messages: %v is settled, and was %v", n, now, settled)
		}
		m.check(t)
	}
}

// A review on a new device reads what is before the first page too, if it is not settled: the person may have
// scrolled back to it. It does not read all of a flood.
func TestReview_BeforeTheFirstPage(t *testing.T) {
	for _, n := range []int{40, 2000} {
		m := newMam(1)
		for i := range n {
			id := fmt.Sprintf("a%06d", i)
			said := Message{ID: "a message, " + id, ArchiveID: id, Author: mia, At: noon.Add(time.Duration(i) * time.Millisecond), Body: id}
			if i == 20 {
				m.late = append(m.late, said)
			} else {
				m.filed = append(m.filed, said)
			}
		}
		if !m.catchUp(t, true) || !m.carry(t, NewFill(m.s, mia, "", 1000), true) {
			t.Fatal("the archive cannot be read")
		}
		m.file(func(Message) bool { return true })
		m.asks = 0
		if lost := m.missing(); len(lost) != 1 || !m.carry(t, NewReview(m.s, Part{Archive: ada}), true) || m.missing() != nil {
			t.Errorf("%d messages: not found: %q", n, m.missing())
		}
		if m.asks > mostPages+5 {
			t.Errorf("%d messages: a review asks for %d pages", n, m.asks)
		}
	}
}

// A review brings nothing into a gap, also if the gap ends in the midst of a second: the messages of that second would not
// get the places that they have in the archive.
func TestReview_BringsNothingIntoAGap(t *testing.T) {
	m := newMam(1)
	for i := range 40 {
		id := fmt.Sprintf("a%06d", i)
		m.filed = append(m.filed, Message{ID: "a message, " + id, ArchiveID: id, Author: mia, At: noon.Add(time.Duration(i/20) * time.Second), Body: id})
	}
	over := m.catchUp(t, true) && m.carry(t, NewFill(m.s, mia, "", 1), true)
	before := m.s.Chat(mia).Timeline.Len()
	if over = over && m.carry(t, NewReview(m.s, Part{Archive: ada}), true); m.s.Chat(mia).Timeline.Len() != before {
		t.Errorf("the review has brought %d messages", m.s.Chat(mia).Timeline.Len()-before)
	}
	over = over && m.carry(t, NewFill(m.s, mia, "", 100), true)
	var bodies []string
	for said := range m.s.Chat(mia).Timeline.All {
		bodies = append(bodies, said.Body)
	}
	if !over || len(bodies) != len(m.filed) || !slices.IsSorted(bodies) {
		t.Errorf("%v", bodies)
	}
}

// Many messages in one second are read backward, at first by time. They are in the order of the archive, wherever
// a page ends among them.
func TestFill_ManyInOneSecond(t *testing.T) {
	for burst := 3; burst < 120; burst++ {
		m := newMam(1)
		for i := range 300 {
			id := fmt.Sprintf("a%06d", i)
			m.filed = append(m.filed, Message{ID: "a message, " + id, ArchiveID: id, Author: mia, At: noon.Add(time.Duration((i+7)/burst) * time.Second), Body: id})
		}
		m.now = noon.Add(time.Hour)
		over := m.catchUp(t, true)
		for gaps := m.s.Gaps(mia); over && len(gaps) > 0; gaps = m.s.Gaps(mia) {
			over = m.carry(t, NewFill(m.s, mia, gaps[len(gaps)-1].After.ID, 1), true)
		}
		var bodies []string
		for said := range m.s.Chat(mia).Timeline.All {
			bodies = append(bodies, said.Body)
		}
		if len(bodies) != len(m.filed) || !slices.IsSorted(bodies) {
			t.Errorf("%d in a second: %d are there, in order: %v", burst, len(bodies), slices.IsSorted(bodies))
		}
	}
}

// muc is the archive of a room, and a client that reads it with Plans.
type muc struct {
	*mam
	t    *testing.T
	part Part
	conv ConvID
}

func newMuc(t *testing.T) *muc {
	const room = "room@rooms.example"
	l := &muc{newMam(1), t, Part{Archive: room}, Groupchat.With(room)}
	l.s = l.s.With(RoomWanted{Room: room}).With(RoomDescribed{room, RoomInfo{Archive: true}})
	return l
}

// message returns a message, one of each ten minutes.
func (l *muc) message(i int) Message {
	id := fmt.Sprintf("a%06d", i)
	return Message{ID: "a message, " + id, ArchiveID: id, Author: l.part.Archive + "/mia", At: noon.Add(time.Duration(i) * 10 * time.Minute), Body: id}
}

func (l *muc) archive(from, to int) {
	for i := from; i < to; i++ {
		l.filed = append(l.filed, l.message(i))
	}
}

// carry carries out a plan. Meanwhile it calls what comes between each request and its answer.
func (l *muc) carry(p *Plan, meanwhile func(asked int)) {
	l.t.Helper()
	for i := range 200 {
		k, more := p.Next(l.s)
		if !more {
			return
		}
		page := l.answer(l.part, k)
		page.Messages = map[ConvID][]Message{}
		for _, said := range l.filed {
			if slices.ContainsFunc(page.Results, func(e Edge) bool { return e.ID == said.ArchiveID }) {
				page.Messages[l.conv] = append(page.Messages[l.conv], said)
			}
		}
		meanwhile(i)
		events, whole := p.Learn(l.s, k, page)
		if !whole {
			l.t.Fatalf("the answer to %+v is not whole", k)
		}
		for _, ev := range events {
			l.s = l.s.With(ev)
		}
	}
	l.t.Fatal("a plan does not come to an end")
}

func (l *muc) fill() {
	l.t.Helper()
	for range 3 {
		if gaps := l.s.Gaps(l.conv); len(gaps) > 0 {
			l.carry(NewFill(l.s, l.conv, gaps[0].After.ID, 100), func(int) {})
		}
	}
}

// prune deletes all but the newest messages: half of them, or 30 if that is less.
func (l *muc) prune() {
	here := slices.Collect(l.s.Chat(l.conv).Timeline.All)
	first := here[len(here)-1-min(30, len(here)/2)]
	l.s = l.s.With(Forgotten{Conv: l.conv, Before: first.Key, ID: first.ArchiveID, At: first.At})
}

// verify fails the test if a message is neither there nor in a gap, or out of order.
func (l *muc) verify(when string) {
	l.t.Helper()
	timeline, gaps := l.s.Chat(l.conv).Timeline, l.s.Gaps(l.conv)
	for _, said := range l.filed {
		if timeline.Find(&said) == nil && !slices.ContainsFunc(gaps, func(g Gap) bool {
			return said.ArchiveID > g.After.ID && (g.Before.ID == "" || said.ArchiveID < g.Before.ID)
		}) {
			l.t.Errorf("%s: %s is neither here nor in a gap", when, said.ArchiveID)
			break
		}
	}
	var last string
	for said := range timeline.All {
		if said.Body < last {
			l.t.Errorf("%s: %s stands behind %s", when, said.Body, last)
			break
		}
		last = said.Body
	}
}

// A prune of a room takes the coverage away, also while a page is on its way. All that is missing is in a gap that can
// be filled.
func TestPlan_PrunedMeanwhile(t *testing.T) {
	for asked := range 8 { // which page is on its way
		for _, reads := range []string{"what is new", "a gap", "back"} {
			l := newMuc(t)
			l.archive(0, 60)
			l.carry(NewCatchUp(l.s, l.part), func(int) {})
			plan := NewFill(l.s, l.conv, "", 100)
			if reads != "a gap" {
				l.fill()
				l.archive(60, 80)
				plan = NewCatchUp(l.s, l.part)
			}
			if reads == "back" {
				plan = NewLookBack(l.s, l.part, l.filed[20].ArchiveID)
			}
			l.carry(plan, func(i int) {
				if i == asked {
					l.prune()
				}
			})
			when := fmt.Sprintf("page %d (reads %s)", asked, reads)
			l.verify(when)
			l.fill()
			if l.verify(when + ", filled"); l.s.Gaps(l.conv) != nil {
				t.Errorf("%s: left is %+v", when, l.s.Gaps(l.conv))
			}
		}
	}
}

// The first catch-up after a prune of a room brings what was missed, behind what has come live, and it is unread.
func TestCatchUp_AfterAPrune(t *testing.T) {
	l := newMuc(t)
	l.archive(0, 60)
	l.carry(NewCatchUp(l.s, l.part), func(int) {})
	l.fill()
	l.archive(60, 70)
	for i := range 10 {
		l.s = l.s.With(MessageAdded{Conv: l.conv, Message: l.message(60 + i)})
	}
	l.prune()
	l.s = l.s.With(ChatRead{l.conv})
	l.archive(70, 80)
	l.carry(NewCatchUp(l.s, l.part), func(int) {})
	if l.verify("after the prune"); l.s.Chat(l.conv).Unread != 5 {
		t.Errorf("%d count as unread, want the 5 of the page", l.s.Chat(l.conv).Unread)
	}
	l.fill()
	if l.verify("filled"); l.s.Gaps(l.conv) != nil {
		t.Errorf("left is %+v", l.s.Gaps(l.conv))
	}
}

// Messages that were read by a build of an older generation are read once more.
func TestCoverageOfAnOlderGeneration(t *testing.T) {
	m := newMam(1)
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
