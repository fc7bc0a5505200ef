package state

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// edge returns the Edge with this id. The archive of these tests has a message for each letter, one a second.
func edge(id string) Edge {
	if id == "" {
		return Edge{}
	}
	return Edge{ID: id, At: noon.Add(time.Duration(id[0]) * time.Second)}
}

func page(ids ...string) (r Reading) {
	if len(ids) > 0 {
		r.From, r.To, r.IDs = edge(ids[0]), edge(ids[len(ids)-1]), ids
	}
	return r
}

// asked returns a page that was requested after an id or before one.
func asked(after, before string, ids ...string) Reading {
	r := page(ids...)
	r.After, r.Before = after, before
	if after != "" {
		r.From = edge(after)
	}
	if before != "" {
		r.To = edge(before)
	}
	return r
}

func start(r Reading) Reading { r.Start = true; return r }
func end(r Reading) Reading   { r.End = true; return r }

// ranges reads Ranges from a text such as "|a-c e-f", with | for Start.
func ranges(text string) (rs Ranges) {
	for word := range strings.FieldsSeq(text) {
		var r Range
		word, r.Start = strings.CutPrefix(word, "|")
		from, to, _ := strings.Cut(word, "-")
		r.From, r.To = edge(from), edge(to)
		rs = append(rs, r)
	}
	return rs
}

func (rs Ranges) String() string {
	var words []string
	for _, r := range rs {
		word := r.From.ID + "-" + r.To.ID
		if r.Start {
			word = "|" + word
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestRanges(t *testing.T) {
	for _, tc := range []struct {
		name, was string
		page      Reading
		want      string
	}{
		{"the first page", "", end(page("m", "n", "o")), "m-o"},
		{"the first page is all there is", "", start(end(page("m", "n"))), "|m-n"},
		{"an empty archive", "", start(end(page())), "|-"},
		{"nothing is said by nothing", "a-c", page(), "a-c"},
		{"what comes to an archive that was empty", "|-", start(page("a", "b")), "|a-b"},
		{"more than a page has come to it", "|-", end(page("m", "n")), "|- m-n"},
		{"and is filled to the beginning", "|- m-n", start(asked("", "m", "k", "l")), "|k-n"},

		{"a page forward", "a-c", asked("c", "", "d", "e"), "a-e"},
		{"a page forward brings nothing", "a-c", end(asked("c", "c")), "a-c"},
		{"a page forward from one message", "c-c", asked("c", "", "d"), "c-d"},
		{"a page forward closes a gap", "a-c f-g", asked("c", "", "d", "e", "f"), "a-g"},
		{"a page forward swallows a range", "a-c e-e h-i", asked("c", "", "d", "e", "f"), "a-f h-i"},
		{"a page forward swallows a range and closes a gap", "a-c e-e g-i", asked("c", "", "d", "e", "f", "g"), "a-i"},
		{"a page forward within a gap touches nothing else", "a-c f-g", asked("c", "", "d", "e"), "a-e f-g"},

		{"a page backward", "m-o", asked("", "m", "k", "l"), "k-o"},
		{"a page backward to the beginning", "m-o", start(asked("", "m", "k", "l")), "|k-o"},
		{"nothing is before", "m-o", start(asked("", "m")), "|m-o"},
		{"a page backward closes a gap", "a-c m-o", asked("", "m", "c", "l"), "a-o"},
		{"a page backward closes it with more than a message", "a-c m-o", asked("", "m", "b", "c", "l"), "a-o"},
		{"a page backward goes past a range", "b-c m-o", asked("", "m", "a", "b", "c", "l"), "a-o"},
		{"a page backward ends within the gap", "a-c m-o", asked("", "m", "k", "l"), "a-c k-o"},
		{"of several gaps the one is closed", "a-c f-g m-o", asked("", "m", "g", "l"), "a-c f-o"},
		{"the beginning comes before all ranges", "a-c m-o", start(asked("", "m", "k")), "|a-o"},

		{"the newest page adjoins", "a-c", end(page("c", "d", "e")), "a-e"},
		{"the newest page is within", "a-e", end(page("d", "e")), "a-e"},
		{"the newest page leaves a gap", "a-c", end(page("x", "y")), "a-c x-y"},
		{"the newest page is all there is now: the rest is forgotten", "a-c", start(end(page("x", "y"))), "|a-y"},
		{"the newest page swallows all", "b-c e-f", end(page("a", "b", "c", "d", "e", "f", "g")), "a-g"},

		{"a page by time closes a gap", "a-c m-o", Reading{From: edge("c"), To: edge("m"), IDs: []string{"k", "l"}, After: "c", Before: "m"}, "a-o"},
		{"a page of a conversation among others", "b-c m-o", page("e", "f"), "b-c e-f m-o"},
		{"of a conversation, up to a foreign end", "b-c", asked("", "m", "k"), "b-c k-m"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			was := ranges(tc.was)
			if got := was.With(tc.page).String(); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
			if was.String() != tc.was {
				t.Errorf("ranges changed to %q", was)
			}
			if again := was.With(tc.page).With(tc.page); again.String() != tc.want && tc.page.After+tc.page.Before == "" {
				t.Errorf("the same page again makes it %q", again)
			}
		})
	}
}

func TestForgottenEnds(t *testing.T) {
	rs := ranges("a-c m-o").Forget("c")
	if rs[0].From.Gone || !rs[0].To.Gone || rs[1].From.Gone {
		t.Errorf("%+v", rs)
	}
	if rs = rs.Forget(""); rs[0].From.Gone {
		t.Error("no id is no end")
	}
	if got := rs.With(asked("", "m", "b", "l")).String(); got != "a-c b-o" {
		t.Errorf("a range with no end to be found is %q", got)
	}
}

const mia = "mia@localhost"

// gaps returns the gaps of a conversation as a text: the ids after-before, with ! for Own and ? for Open.
func gaps(s *State, id ConvID) string {
	var words []string
	for _, g := range s.Gaps(id) {
		word := g.After.ID + "-" + g.Before.ID
		if g.Own {
			word += "!"
		}
		if g.Open {
			word += "?"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestGaps(t *testing.T) {
	whole, part := Part{Archive: ada}, Part{ada, mia}
	read := func(p Part, pages ...Reading) (all []Event) {
		for _, r := range pages {
			all = append(all, ArchiveRead{p, r})
		}
		return all
	}
	hole := []Event{ArchiveRead{whole, page("b", "c")}, ArchiveRead{whole, end(page("m", "n", "o"))}}
	for _, tc := range []struct {
		name   string
		events []Event
		want   string
	}{
		{"nothing is known", nil, "-"},
		{"all is known", read(whole, start(end(page("a")))), ""},
		{"what is older is not", read(whole, end(page("m", "n"))), "-m"},
		{"a hole", hole, "-b c-m"},
		{"the conversation's older messages", append(read(whole, end(page("m", "n"))), read(part, asked("", "m", "k"))...), "-k!"},
		{"all of them", append(read(whole, end(page("m", "n"))), read(part, start(asked("", "m", "k")))...), ""},
		{"nothing before", append(read(whole, end(page("m", "n"))), read(part, start(asked("", "m")))...), ""},
		{"in a hole", append(slices.Clone(hole), read(part, asked("", "m", "k"))...), "-b c-k!"},
		{"all of a hole", append(slices.Clone(hole), read(part, asked("", "m", "k"), asked("c", "k", "f", "h"))...), "-b"},
		{"a page of all goes on in it", append(slices.Clone(hole), append(read(part, asked("", "m", "k")), read(whole, asked("", "m", "l"))...)...), "-b c-k!"},
		{"and past it", append(slices.Clone(hole), append(read(part, asked("", "m", "k")), read(whole, asked("", "m", "j", "k", "l"))...)...), "-b c-j"},
		{"and from the other side", append(slices.Clone(hole), append(read(part, asked("", "m", "k"), asked("c", "k", "f")), read(whole, asked("c", "", "d", "e"))...)...), "-b"},
		{"and closes it", append(slices.Clone(hole), append(read(part, asked("", "m", "k")), read(whole, asked("", "m", "c", "d", "k", "l"))...)...), "-b"},
		{"the archive was not there at first", append(read(part, page("e", "f")), read(whole, end(page("m", "n")))...), "-e! f-m"},
		{"a catch-up that failed", append(slices.Clone(hole), CatchUpStarted{whole, noon}, CaughtUp{}), "-b c-m o-?"},
		{"one that is on", append(slices.Clone(hole), ConnectionChanged{Connection{Phase: Online}}, CatchUpStarted{whole, noon}), "-b c-m"},
		{"one that was cut", append(slices.Clone(hole), ConnectionChanged{Connection{Phase: Online}}, CatchUpStarted{whole, noon}, ConnectionChanged{Connection{Phase: Waiting}}), "-b c-m o-?"},
		{"the next one", append(slices.Clone(hole), CatchUpStarted{whole, noon}, CaughtUp{}, ArchiveRead{whole, end(asked("o", "", "p"))}), "-b c-m"},
		{"the first one", []Event{CatchUpStarted{whole, noon}, CaughtUp{}}, "-"},
		{"the first one, and what was loaded since", append([]Event{CatchUpStarted{whole, noon}, CaughtUp{}}, read(part, page("e", "f"))...), "-e! f-?"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := signedIn()
			for _, ev := range tc.events {
				s = s.With(ev)
			}
			if got := gaps(s, mia); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestFills(t *testing.T) {
	whole, part := Part{Archive: ada}, Part{ada, mia}
	s := signedIn().With(ArchiveRead{whole, page("b", "c")}).With(ArchiveRead{whole, end(page("m", "n"))})
	fill := func() Fill { return s.Gaps(mia)[1].Fill }
	step := func(want Fill, events ...Event) {
		t.Helper()
		for _, ev := range events {
			s = s.With(ev)
		}
		if got := fill(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if older := s.Gaps(mia)[0].Fill; older != (Fill{}) {
			t.Errorf("the other gap: %+v", older)
		}
	}
	step(Fill{})
	step(Fill{After: "c", Loading: true}, ArchiveAsked{part, "c"})
	step(Fill{After: "c", Loading: true, Loaded: 2}, ArchiveRead{part, asked("", "m", "k", "l")})
	step(Fill{After: "c", Failed: "Lost."}, ArchiveFilled{part, "c", "Lost."})
	step(Fill{After: "c", Loading: true}, ArchiveAsked{whole, "c"})
	step(Fill{After: "c", Failed: "Lost."}, ArchiveFilled{Part: whole, After: "c"})
	step(Fill{After: "c", Loading: true}, ArchiveAsked{part, "c"})
	step(Fill{}, ArchiveFilled{Part: part, After: "c"})
}

func TestOlder(t *testing.T) {
	whole := Part{Archive: ada}
	in := func(id string) Event {
		return ArchivePage{Conv: mia, Older: true, Messages: []Message{{ID: id, ArchiveID: id, Author: mia, At: edge(id).At}}}
	}
	for _, tc := range []struct {
		name   string
		events []Event
		want   string
	}{
		{"nothing is known", nil, "-"},
		{"below a hole", []Event{ArchiveRead{whole, page("b", "c")}, ArchiveRead{whole, end(page("m", "n"))}, in("n")}, "c-m"},
		{"above it", []Event{ArchiveRead{whole, page("b", "c")}, ArchiveRead{whole, end(page("m", "n"))}, in("n"), in("b")}, "-b"},
		{"in it", []Event{ArchiveRead{whole, page("b", "c")}, ArchiveRead{whole, end(page("m", "n"))}, in("f")}, "c-m"},
		{"no message is here", []Event{ArchiveRead{whole, page("b", "c")}, ArchiveRead{whole, end(page("m", "n"))}}, "c-m"},
		{"the beginning", []Event{ArchiveRead{whole, start(end(page("b", "c")))}, in("c")}, "none"},
		{"what is newer does not count", []Event{ArchiveRead{whole, start(page("b", "c"))}, CatchUpStarted{whole, noon}, CaughtUp{}, in("c")}, "none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := signedIn()
			for _, ev := range tc.events {
				s = s.With(ev)
			}
			got := "none"
			if g := s.Older(mia); g != nil {
				got = g.After.ID + "-" + g.Before.ID
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// world is an archive of messages with mia or with leo, and a client that reads pages of it. Several messages
// share a second, and the clock of a jumpy archive is sometimes set back. So only ids can be trusted.
type world struct {
	random *rand.Rand
	jumpy  bool
	// Of each message of the archive:
	with []bool // it is with mia
	at   []time.Time
	got  []bool // the client has read it
	here []bool // the client has read it and not pruned it

	forgets bool // the client prunes
	s       *State
}

func (w *world) grow(n int) {
	for range n {
		at := noon
		if k := len(w.at); k > 0 {
			at = w.at[k-1].Add(time.Duration(w.random.IntN(2)) * time.Second)
			if w.jumpy && w.random.IntN(20) == 0 {
				at = at.Add(-time.Minute)
			}
		}
		w.at, w.with, w.got = append(w.at, at), append(w.with, w.random.IntN(3) == 0), append(w.got, false)
		w.here = append(w.here, false)
	}
}

func (w *world) edge(i int) Edge { return Edge{ID: fmt.Sprint("m", i), At: w.at[i]} }

func (w *world) index(id string) int {
	n := -1
	fmt.Sscanf(id, "m%d", &n)
	return n
}

// read lets the client read a page with these messages, of the conversation with mia or of all. change can
// change the Reading.
func (w *world) read(part Part, indices []int, change func(*Reading)) {
	var r Reading
	for _, i := range indices {
		r.IDs = append(r.IDs, w.edge(i).ID)
		w.got[i], w.here[i] = true, true
	}
	if n := len(indices); n > 0 {
		r.From, r.To = w.edge(indices[0]), w.edge(indices[n-1])
	}
	change(&r)
	w.s = w.s.With(ArchiveRead{part, r})
}

// between returns up to n messages between two others, the newest of them if backward. whole is true if these
// are all.
func (w *world) between(part Part, after, before, n int, backward bool) (indices []int, whole bool) {
	for i := after + 1; i < before; i++ {
		if part.With == "" || w.with[i] {
			indices = append(indices, i)
		}
	}
	if len(indices) <= n {
		return indices, true
	}
	if backward {
		return indices[len(indices)-n:], false
	}
	return indices[:n], false
}

func (w *world) step() {
	whole, part := Part{Archive: ada}, Part{ada, mia}
	size := 1 + w.random.IntN(5)
	rs := w.s.Coverage(whole).Ranges
	if w.forgets && w.random.IntN(6) == 0 {
		w.forget(w.random.IntN(len(w.at) + 1))
		return
	}
	switch w.random.IntN(7) {
	case 0:
		w.grow(w.random.IntN(8))
	case 1: // the newest page
		ids, all := w.between(whole, -1, len(w.at), size, true)
		w.read(whole, ids, func(r *Reading) { r.End, r.Start = true, all })
	case 2: // forward from a range
		if len(rs) == 0 {
			return
		}
		o := rs[w.random.IntN(len(rs))]
		after := w.index(o.To.ID)
		if after < 0 && len(rs) > 1 {
			return
		}
		ids, all := w.between(whole, after, len(w.at), size, false)
		w.read(whole, ids, func(r *Reading) {
			r.After, r.End, r.Start = o.To.ID, all, after < 0
			if after >= 0 {
				r.From = o.To
			}
		})
	case 3: // backward from a range
		if len(rs) == 0 {
			return
		}
		o := rs[w.random.IntN(len(rs))]
		if o.From.ID == "" {
			return
		}
		ids, all := w.between(whole, -1, w.index(o.From.ID), size, true)
		w.read(whole, ids, func(r *Reading) {
			r.Before, r.To, r.Start = o.From.ID, o.From, all
		})
	default: // a gap of the conversation
		all := w.s.Gaps(mia)
		if len(all) == 0 {
			return
		}
		g := all[w.random.IntN(len(all))]
		before := len(w.at)
		if g.Before.ID != "" {
			before = w.index(g.Before.ID)
		}
		after := w.index(g.After.ID)
		ids, complete := w.between(part, after, before, size, true)
		w.read(part, ids, func(r *Reading) {
			r.Before = g.Before.ID
			if g.Before.ID != "" {
				r.To = g.Before
			}
			switch {
			case complete && after < 0:
				r.Start = true
			case complete:
				r.From, r.After = g.After, g.After.ID
			}
		})
	}
}

// forget prunes the messages with mia before one, if that one is in a later second than the message before it.
func (w *world) forget(i int) {
	if i == len(w.at) || !w.with[i] || !w.here[i] {
		return
	}
	before := i - 1
	for before >= 0 && !w.with[before] {
		before--
	}
	if before < 0 || !w.at[before].Before(w.at[i]) {
		return
	}
	w.s = w.s.With(Forgotten{Conv: mia, ID: w.edge(i).ID, At: w.at[i]})
	for k := range i {
		w.here[k] = w.here[k] && !w.with[k]
	}
}

// check fails if the client neither has a message nor has a gap there, in the whole archive or in the
// conversation with mia.
func (w *world) check(t *testing.T, step int) {
	t.Helper()
	in := func(i int, after, before Edge) bool {
		low, high := w.index(after.ID), len(w.at)
		if before.ID != "" {
			high = w.index(before.ID)
		}
		return i > low && i < high
	}
	rs := w.s.Coverage(Part{Archive: ada}).Ranges
	last := -1
	for k, o := range rs {
		from, to := w.index(o.From.ID), w.index(o.To.ID)
		if k > 0 && from <= last || to < from {
			t.Fatalf("step %d: ranges are not in order: %v", step, rs)
		}
		last = max(last, to)
		for i := from; i >= 0 && i <= to; i++ {
			if !w.got[i] {
				t.Fatalf("step %d: %v claims m%d", step, rs, i)
			}
		}
		if o.Start && from > 0 {
			t.Fatalf("step %d: %v claims that nothing is before m%d", step, rs, from)
		}
	}
	end := last
	gaps := w.s.Gaps(mia)
	for i, here := range w.here[:end+1] {
		if here || !w.with[i] {
			continue
		}
		if !slices.ContainsFunc(gaps, func(g Gap) bool { return in(i, g.After, g.Before) }) {
			t.Fatalf("step %d: m%d of mia's is neither here nor in a gap\n%v\n%v\n%+v", step, i, rs, w.s.Coverage(Part{ada, mia}).Ranges, gaps)
		}
	}
	if len(gaps) > 0 && reflect.DeepEqual(gaps[0], gaps[len(gaps)-1]) && len(gaps) > 1 {
		t.Fatalf("step %d: a gap twice", step)
	}
}

func wander(t *testing.T, seed uint64, steps int) {
	w := &world{random: rand.New(rand.NewPCG(seed, 4)), jumpy: seed%3 == 0, s: signedIn()}
	w.grow(w.random.IntN(30))
	for i := range steps {
		w.step()
		w.check(t, i)
	}
	// When the gaps that are left are filled, the client has everything.
	whole := Part{Archive: ada}
	for range 10 * len(w.at) {
		rs := w.s.Coverage(whole).Ranges
		if len(rs) == 1 && rs[0].Start && rs[0].To.ID == w.edge(len(w.at)-1).ID {
			break
		}
		if len(rs) == 0 || rs[len(rs)-1].To.ID != w.edge(len(w.at)-1).ID {
			ids, all := w.between(whole, -1, len(w.at), 3, true)
			w.read(whole, ids, func(r *Reading) { r.End, r.Start = true, all })
			continue
		}
		o := rs[len(rs)-1]
		ids, all := w.between(whole, -1, w.index(o.From.ID), 3, true)
		w.read(whole, ids, func(r *Reading) {
			r.Before, r.To, r.Start = o.From.ID, o.From, all
		})
	}
	if rs := w.s.Coverage(whole).Ranges; len(rs) > 1 || len(w.s.Gaps(mia)) > 0 || slices.Contains(w.got, false) {
		t.Fatalf("seed %d: in the end %v, gaps %+v", seed, rs, w.s.Gaps(mia))
	}
	if own := w.s.Coverage(Part{ada, mia}).Ranges; len(own) > 0 && !w.jumpy {
		t.Fatalf("what is covered twice is kept: %v", own)
	}
}

// Messages that were pruned are in a gap, which can be filled again.
func TestSec56_CoverageForgets(t *testing.T) {
	for seed := range uint64(3000) {
		w := &world{random: rand.New(rand.NewPCG(seed, 5)), forgets: true, s: signedIn()}
		w.grow(30 + w.random.IntN(30))
		ids, _ := w.between(Part{Archive: ada}, -1, len(w.at), 5, true)
		w.read(Part{Archive: ada}, ids, func(r *Reading) { r.End = true }) // the first catch-up
		for i := range 60 {
			w.step()
			w.check(t, i)
		}
		part := Part{ada, mia}
		for range 10 * len(w.at) {
			all := w.s.Gaps(mia)
			if len(all) == 0 {
				break
			}
			g := all[len(all)-1]
			before := len(w.at)
			if g.Before.ID != "" {
				before = w.index(g.Before.ID)
			}
			ids, complete := w.between(part, w.index(g.After.ID), before, 3, true)
			w.read(part, ids, func(r *Reading) {
				r.Before = g.Before.ID
				if g.Before.ID != "" {
					r.To = g.Before
				}
				switch {
				case complete && w.index(g.After.ID) < 0:
					r.Start = true
				case complete:
					r.From, r.After = g.After, g.After.ID
				}
			})
			w.check(t, -1)
		}
		if all := w.s.Gaps(mia); len(all) > 0 {
			t.Fatalf("seed %d: gaps are left: %+v", seed, all)
		}
	}
}

func TestPromise6_CoverageClaimsNothingThatIsNotHere(t *testing.T) {
	for seed := range uint64(3000) {
		wander(t, seed, 60)
	}
}

func FuzzCoverage(f *testing.F) {
	f.Add(uint64(1), uint16(100))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) { wander(t, seed, int(steps%500)) })
}

// The gaps of a room depend on the archive of the room only, and not on ours.
func TestGaps_Room(t *testing.T) {
	const room = "room@rooms.example"
	conv := Groupchat.With(room)
	s := signedIn().With(ArchiveRead{Part{Archive: ada}, end(page("m", "n"))}).With(RoomWanted{Room: room})
	if got := gaps(s, conv); got != "" {
		t.Errorf("without an archive %q", got)
	}
	s = s.With(RoomDescribed{room, RoomInfo{Archive: true}})
	if got := gaps(s, conv); got != "-" {
		t.Errorf("before it is read %q", got)
	}
	s = s.With(ArchiveRead{Part{Archive: room}, start(page("a", "b"))}).With(ArchiveRead{Part{Archive: room}, end(page("f"))})
	if got := gaps(s, conv); got != "b-f!" {
		t.Errorf("then %q", got)
	}
	if got := gaps(s, Direct.With(room)); got != "-m" {
		t.Errorf("in a direct conversation with its address %q", got)
	}
}

// If an archive stamps in whole seconds, a page from its middle stands before newer messages, also of the same
// second, and leaves a gap.
func TestCoverage_PageOfTheSameSecond(t *testing.T) {
	at := func(id string) Edge { return Edge{ID: id, At: noon} }
	newest := Ranges(nil).With(Reading{From: at("n1"), To: at("n9"), IDs: []string{"n1", "n9"}, End: true})
	for _, start := range []bool{false, true} {
		got := newest.With(Reading{From: at("a1"), To: at("a9"), IDs: []string{"a1", "a9"}, Start: start})
		if len(got) != 2 || got[0].To.ID != "a9" || got[0].Start != start || got[1] != newest[0] {
			t.Errorf("there is %+v", got)
		}
	}
}
