package state

import (
	"slices"
	"time"

	"natter/app/jid"
)

// Part is an archive (XEP-0313), or its messages with one address.
type Part struct {
	Archive jid.JID `json:"archive"` // our own account, or a room
	With    jid.JID `json:"with"`    // "" for all of it
}

// Coverage says which messages of a Part are in the store. It grows only by pages of the archive, by
// the ids on these pages. A live message does not count: nobody knows what came before it, and its
// stanza-id can be forged (XEP-0359 §5).
type Coverage struct {
	Part
	Ranges Ranges `json:"-"` // CoverageRow has this and the other fields as JSON
	// Open is when the first catch-up after the last complete one began, by our clock. While it is
	// set, there is a gap after the last range, of all of the archive or of the conversation. A complete
	// catch-up sets it to zero.
	Open time.Time `json:"-"`
	// Settled is the last settled message, never after the end of the last range. It has no ID if only its
	// time is known.
	Settled Edge `json:"-"`
	// Cut is set for one conversation if this device has pruned the messages before it. Before
	// Cut only these Ranges count, and not those of the whole archive.
	Cut  Edge `json:"-"`
	Fill Fill `json:"-"`
}

// generation goes up together with a feature that understands more of what archives have. Then all that
// older builds have read counts as not settled, so that a review (NewReview) reads it once more, in
// the background, and over several sessions if it is much.
const generation = 1 // reactions, corrections, retractions and replies

// Fill says how far the filling of a gap is.
type Fill struct {
	After   string // the gap: Gap.After.ID
	Loading bool
	Loaded  int    // messages so far
	Failed  string // one sentence if it was given up
}

// Edge is a result of an archive, as a rule one at which a range begins or ends.
type Edge struct {
	ID   string // the archive's id
	At   time.Time
	Gone bool // the archive has forgotten the id, so it cannot be asked from here
}

// Range is a part of an archive that the store has without a gap, From and To included. An empty
// archive has one Range, with Start and no ends.
type Range struct {
	From, To Edge
	Start    bool // the archive has nothing before it
}

// Ranges are sorted, oldest first, with a gap between each two. A Ranges never changes; With returns
// a new one.
type Ranges []Range

// end returns the last message of the last range.
func (rs Ranges) end() Edge {
	if len(rs) == 0 {
		return Edge{}
	}
	return rs[len(rs)-1].To
}

// Reading is what a page proves about an archive: the store has everything from From to To.
type Reading struct {
	From, To Edge
	IDs      []string // of the results of the page, in order; may be empty
	// After and Before are the ids after or before which the page was asked for. It adjoins the
	// ranges that end or begin there.
	After, Before string
	Start         bool // the archive has nothing before From
	End           bool // the archive has nothing after To

	owners map[string]ConvID // the conversation of a message, by its archive id
}

func (r *Reading) has(id string) bool { return id != "" && slices.Contains(r.IDs, id) }

// With returns the ranges with one more page. Two ranges become one only if the ids of the archive
// show that nothing is between them. Times only decide the position of a range that adjoins no other.
func (rs Ranges) With(r Reading) Ranges { return rs.with(r, r.has) }

// with is With, where has reports whether an id is on the page. For a page of one conversation it
// reports false, because ranges may end at messages of other conversations.
func (rs Ranges) with(r Reading, has func(string) bool) Ranges {
	if r.From.ID == "" && r.To.ID == "" {
		if len(rs) == 0 && r.Start && r.End {
			return Ranges{{Start: true}}
		}
		return rs
	}
	if r.From.ID == "" {
		r.From = r.To
	}
	if r.To.ID == "" {
		r.To = r.From
	}
	low, high := len(rs), -1 // the ranges that the page adjoins
	for i, o := range rs {
		if adjoins(o, &r, has) {
			low, high = min(low, i), max(high, i)
		}
	}
	n := Range{From: r.From, To: r.To, Start: r.Start}
	switch {
	case high >= 0:
		if o := rs[low]; o.To.ID != "" && (has(o.To.ID) || r.After == o.To.ID) && !has(o.From.ID) {
			n.From, n.Start = o.From, o.Start
		}
		if o := rs[high]; o.From.ID != "" && (has(o.From.ID) || r.Before == o.From.ID) && !has(o.To.ID) {
			n.To = o.To
		}
	case r.End:
		low, high = len(rs), len(rs)-1
	default:
		low = 0
		for low < len(rs) && rs[low].From.At.Before(r.To.At) { // of the same second it is the older one
			low++
		}
		high = low - 1
	}
	if r.Start {
		// The archive has forgotten all that came before the page: nothing more of it can
		// be had, so there is no gap.
		if low > 0 && rs[0].From.ID != "" {
			n.From = rs[0].From
		}
		low, n.Start = 0, true
	}
	return slices.Concat(rs[:low], Ranges{n}, rs[high+1:])
}

func adjoins(o Range, r *Reading, has func(string) bool) bool {
	if o.To.ID == "" {
		return r.Start // the archive was empty when o was read
	}
	return r.After == o.To.ID || r.Before == o.From.ID || has(o.From.ID) || has(o.To.ID)
}

// Forget returns the ranges with each end Gone that has this id.
func (rs Ranges) Forget(id string) Ranges {
	rs = slices.Clone(rs)
	for i := range rs {
		for _, e := range []*Edge{&rs[i].From, &rs[i].To} {
			e.Gone = e.Gone || id != "" && e.ID == id
		}
	}
	return rs
}

// follow returns the ranges of one conversation (rs) after a page of the whole archive has changed the
// ranges of that from old to now. If an end of rs was also an end of old, it moves to the end of now,
// so that the two still adjoin. A range that lies within now is dropped.
func (rs Ranges) follow(old, now Ranges, r Reading) Ranges {
	// A range of the conversation ends where one of the whole archive begins, and the other way round.
	begins := func(o Range, id string) bool { return o.From.ID == id }
	ends := func(o Range, id string) bool { return o.To.ID == id }
	within := func(id string, end func(Range, string) bool) bool {
		is := func(o Range) bool { return end(o, id) }
		return r.has(id) || id != "" && slices.ContainsFunc(old, is) && !slices.ContainsFunc(now, is)
	}
	var grown Range
	for _, o := range now {
		if !slices.Contains(old, o) {
			grown = o
		}
	}
	var kept Ranges
	for _, s := range rs {
		none := s.From.ID == s.To.ID // it may only say that nothing comes before this message
		switch from, to := within(s.From.ID, ends), within(s.To.ID, begins); {
		case to && none:
			s.From, s.To = grown.From, grown.From
		case from && to:
			continue
		case from:
			s.From = grown.To
		case to:
			s.To = grown.From
		}
		if s.To.ID != grown.From.ID || !grown.Start {
			kept = append(kept, s)
		}
	}
	return kept
}

// Gap is where messages of a conversation may be missing.
type Gap struct {
	After  Edge // the last covered message before it; zero at the beginning of the archive
	Before Edge // the first covered message after it; zero at the end
	// Own is true if Before is a message of the conversation, so that the archive can be asked for
	// the messages of the conversation before this id.
	Own bool
	// Open is true if the last catch-up did not come to its end. Then Before has no ID, only the
	// time at which that catch-up began, by our clock.
	Open bool
	Fill Fill
}

// Gaps returns the gaps of a conversation, oldest first. A message is covered if the ranges of the
// whole archive have it, or those of the conversation.
func (s *State) Gaps(id ConvID) []Gap {
	peer := id.JID()
	whole, own := s.Coverage(Part{Archive: s.Account()}), s.Coverage(Part{s.Account(), peer})
	if id.Kind() == Groupchat {
		whole, own = s.Coverage(Part{Archive: peer}), Coverage{}
		if room := s.Room(peer); whole.Ranges == nil && (room == nil || !room.Archive) {
			return nil // the room has no archive
		}
	}
	runs := make([]run, 0, len(whole.Ranges)+len(own.Ranges))
	for _, o := range whole.Ranges {
		r := run{Range: o, own: own.Part.With == ""}
		if own.Cut.ID != "" && o.From.At.Before(own.Cut.At) {
			if !o.reaches(own.Cut) {
				continue
			}
			r.From, r.Start, r.own = own.Cut, false, true
		}
		runs = append(runs, r)
	}
	for _, o := range own.Ranges {
		runs = join(runs, o, own.Cut.ID != "")
	}
	var gaps []Gap
	add := func(g Gap) {
		for _, f := range []Fill{whole.Fill, own.Fill} {
			if f.After == g.After.ID && (f.Loading || f.Failed != "") && !g.Fill.Loading {
				g.Fill = f
			}
		}
		gaps = append(gaps, g)
	}
	if len(runs) == 0 {
		add(Gap{Before: own.Cut, Own: own.Cut.ID != ""})
		return gaps
	}
	if !runs[0].Start {
		add(Gap{Before: runs[0].From, Own: runs[0].own})
	}
	for i := 1; i < len(runs); i++ {
		add(Gap{After: runs[i-1].To, Before: runs[i].From, Own: runs[i].own})
	}
	if !whole.Open.IsZero() && (s.CaughtUp || s.Connection.Phase != Online) {
		add(Gap{After: runs[len(runs)-1].To, Before: Edge{At: whole.Open}, Open: true})
	}
	return gaps
}

// Whole reports whether memory has the beginning of a conversation, and no archive has more before it.
func (s *State) Whole(id ConvID) bool {
	c := s.Chat(id)
	return (c == nil || !c.Earlier()) && s.Older(id) == nil
}

// Older returns the gap before the first message in memory of a conversation, nil if there is none.
func (s *State) Older(id ConvID) *Gap {
	gaps := s.Gaps(id)
	var first *Message
	if c := s.Chat(id); c != nil {
		first = c.Timeline.First()
	}
	for i := len(gaps) - 1; i >= 0; i-- {
		if g := &gaps[i]; !g.Open && (first == nil || !g.After.At.After(first.At)) {
			return g
		}
	}
	return nil
}

// run is a Range made of adjoining ranges of the whole archive and of the conversation.
type run struct {
	Range
	own bool // From is a message of the conversation
}

// join adds a range of the conversation to the runs. cut is true if Coverage.Cut is set.
func join(runs []run, o Range, cut bool) []run {
	before, after := -1, -1
	for i, r := range runs {
		if o.To.ID != "" && r.From.ID == o.To.ID {
			before = i
		}
		if o.From.ID != "" && r.To.ID == o.From.ID {
			after = i
		}
	}
	n := run{Range: o, own: true}
	low, high := before, before
	switch {
	case before >= 0 && after >= 0 && after < before:
		low = after
		n.From, n.own, n.Start, n.To = runs[after].From, runs[after].own, n.Start || runs[after].Start, runs[before].To
	case before >= 0:
		n.To = runs[before].To
	case after >= 0:
		low, high = after, after
		n.From, n.own, n.Start = runs[after].From, runs[after].own, n.Start || runs[after].Start
	default:
		low = 0
		for low < len(runs) && !n.Start && runs[low].From.At.Before(o.To.At) {
			low++
		}
		high = low - 1
	}
	// A run within n is part of it. Only a cut can leave such a run.
	for cut && low > 0 && runs[low-1].From.At.After(n.From.At) && runs[low-1].To.At.Before(n.To.At) {
		low--
	}
	for cut && high+1 < len(runs) && runs[high+1].From.At.After(n.From.At) && runs[high+1].To.At.Before(n.To.At) {
		high++
	}
	if n.Start {
		low = 0
	}
	return slices.Concat(runs[:low], []run{n}, runs[high+1:])
}

// Coverage returns the coverage of a part of an archive.
func (s *State) Coverage(p Part) Coverage {
	if c, ok := s.coverage.Get(p.key()); ok {
		return *c
	}
	return Coverage{Part: p}
}

// Coverages calls yield for each part that has a Coverage, in no order.
func (s *State) Coverages(yield func(*Coverage) bool) {
	for it := s.coverage.Iterator(); !it.Done(); {
		if _, c, _ := it.Next(); !yield(c) {
			return
		}
	}
}

func (s *State) setCoverage(c Coverage) { s.coverage = s.coverage.Set(c.Part.key(), &c) }

func (p Part) key() string { return string(p.Archive) + "\x00" + string(p.With) }

// CatchUpStarted: a catch-up with an archive has begun.
type CatchUpStarted struct {
	Part Part
	At   time.Time
}

func (ev CatchUpStarted) apply(s *State) {
	c := s.Coverage(ev.Part)
	if c.Open.IsZero() {
		c.Open = ev.At
	}
	c.Fill = Fill{}
	s.setCoverage(c)
}

// ArchiveAsked: pages are on their way that fill the gap after a message.
type ArchiveAsked struct {
	Part  Part
	After string // Gap.After.ID
}

func (ev ArchiveAsked) apply(s *State) {
	c := s.Coverage(ev.Part)
	c.Fill = Fill{After: ev.After, Loading: true}
	s.setCoverage(c)
}

// ArchiveRead: a page has come, and its messages are in the state.
type ArchiveRead struct {
	Part Part
	Page Reading
}

func (ev ArchiveRead) apply(s *State) {
	c := s.Coverage(ev.Part)
	old := c.Ranges
	if ev.Part.With == "" {
		c.Ranges = old.With(ev.Page)
	} else {
		page := ev.Page
		for _, o := range s.Coverage(Part{Archive: ev.Part.Archive}).Ranges {
			// Two ranges that meet in a range of one message stay two, or join would not see that it is between them.
			if page.After == o.To.ID && o.From.ID == o.To.ID {
				page.After = ""
			}
			if page.Before == o.From.ID && o.From.ID == o.To.ID {
				page.Before = ""
			}
		}
		c.Ranges = old.with(page, func(string) bool { return false })
	}
	if ev.Page.End {
		c.Open = time.Time{}
	}
	if c.Fill.Loading {
		c.Fill.Loaded += len(ev.Page.IDs)
	}
	s.setCoverage(c)
	if ev.Part.With != "" {
		return
	}
	for _, id := range ev.Page.IDs {
		if conv, ok := ev.Page.owners[id]; ok {
			if chat := s.chat(conv); chat.Seam.Before(chat.Timeline.placeOf(id, nil)) {
				chat.Seam = chat.Timeline.placeOf(id, nil)
				s.setChat(chat)
			}
		}
	}
	if slices.Equal(old, c.Ranges) {
		return
	}
	for part := range s.Coverages {
		if part.Part.Archive == ev.Part.Archive && part.Part.With != "" && len(part.Ranges) > 0 {
			if followed := part.Ranges.follow(old, c.Ranges, ev.Page); !slices.Equal(followed, part.Ranges) {
				changed := *part
				changed.Ranges = followed
				s.setCoverage(changed)
			}
		}
	}
}

// ArchiveForgot: an archive no longer knows an id at which a range ends.
type ArchiveForgot struct {
	Part Part
	ID   string
}

func (ev ArchiveForgot) apply(s *State) {
	c := s.Coverage(ev.Part)
	c.Ranges = c.Ranges.Forget(ev.ID)
	c.Cut.Gone = c.Cut.Gone || c.Cut.ID == ev.ID
	s.setCoverage(c)
}

// ArchiveSettled: the messages of an archive up to this one are settled.
type ArchiveSettled struct {
	Part Part
	To   Edge
}

func (ev ArchiveSettled) apply(s *State) {
	c := s.Coverage(ev.Part)
	c.Settled = ev.To
	s.setCoverage(c)
}

// ArchiveFilled: no more pages are on their way for a gap. If it is not filled, Text says in one
// sentence why.
type ArchiveFilled struct {
	Part  Part
	After string
	Text  string
}

func (ev ArchiveFilled) apply(s *State) {
	c := s.Coverage(ev.Part)
	c.Fill = Fill{}
	if ev.Text != "" {
		c.Fill = Fill{After: ev.After, Failed: ev.Text}
	}
	s.setCoverage(c)
}

// reaches reports whether a range that begins before a message goes up to it or beyond. If both times
// are the same, only the ids count.
func (r Range) reaches(e Edge) bool { return r.To.ID == e.ID || r.To.At.After(e.At) }

// cut returns the coverage of a conversation after this device has deleted the messages before at. The
// ranges of the conversation are dropped too, because they may adjoin ranges of the whole archive
// that do not count any more.
func (c Coverage) cut(at Edge) Coverage {
	c.Ranges = nil
	if c.Cut.At.Before(at.At) {
		c.Cut = at
	}
	return c
}
