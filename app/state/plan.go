package state

import (
	"cmp"
	"slices"
	"time"
)

// PageSize is how many messages a page of an archive has: few enough to arrive at once over a
// phone, and more than a screen.
const PageSize = 50

const (
	// few is how many pages with something new come forward before the newest one.
	few = 3
	// known is how many pages may come before that which have nothing new.
	known = 20
	// mostPages is how many pages a catch-up reads by itself: messages of months. What is
	// left is a gap, and the next stream goes on with it.
	mostPages = 100
	// settling is for how long an archive may file messages before those it has: ejabberd
	// files them when the session that they go to takes them. While connections come and
	// go, each session waits for the one before it, for minutes: 16 were seen.
	settling = 30 * time.Minute
	// unsettled is how many messages of that time a catch-up reads again at most.
	unsettled = 2 * PageSize
	// overlap makes up for clocks that are set, when an archive is asked by time.
	overlap = 10 * time.Second
)

// Ask is a page to ask an archive for (XEP-0313 §4).
type Ask struct {
	Backward      bool   // the last messages before an id, not the first after one
	Before, After string // ids of the archive, "" for the end and the beginning
	Start, End    time.Time
	Max           int
	Fills         bool   // it is one of those that fill a gap,
	Gap           string // that after the message with this id: Gap.After.ID
}

// Page is what an archive has answered to an Ask.
type Page struct {
	Results  []Edge // all in the archive's order, also those that are no message to us
	Messages map[ConvID][]Message
	Complete bool // there is nothing beyond them, in the direction of reading
	Unknown  bool // the archive does not know the id of the Ask (item-not-found), and says nothing else
	Broken   bool // the answer contradicts itself
}

// Plan says how an archive is read: Next which page comes next, and Learn what it means. It
// asks nobody itself, and all it goes by is the coverage, so that it can be given up at any
// time. One for a part of an archive is under way at a time.
//
// A catch-up reads forward from where we were. If that is far back it reads the newest
// page next, so that there is something to look at, and then closes the gap between,
// from its newer end.
//
// An archive may file a message before others that have been read: ejabberd gives it its
// id, a time, when it is routed, and files it when the session it goes to has taken it. So
// the newest half hour of an archive is read and shown, but is no part of the coverage: the
// next catch-up reads it again. If it has very many messages, those at its end have to do
// for that; from Coverage.Settled on all of it is read again by a Review.
type Plan struct {
	Part Part
	Past bool // what comes next has been read long ago

	step  step
	from  string    // the id to confirm, or to review from; "" to review
	since time.Time // from here
	gap   string    // what is filled, or comes into being if this ends early: Gap.After.ID
	conv  ConvID    // whose gap it is, "" for one of the whole archive
	now   Gap       // the same as it was when the page was asked for
	brief bool      // gaps are left to others
	left  int       // pages that may be read of the gap
	pages int
	news  int             // pages with something that was not here
	seen  map[string]bool // where pages began and ended
	// probe is set when it is to be looked whether the archive still has the message before
	// the gap, and probed when it has been.
	probe, probed bool
	// cursor is where the next page ends while pages, asked for by time, have only brought
	// what comes after the gap.
	cursor string
	// fresh is what pages have brought after the last range, and is too new to be part of it.
	fresh  []Edge
	owners map[string]ConvID // the conversations of those that came forward
	// sure is set when the reading began where the archive is settled, and tail is what has
	// come since then and is not.
	sure bool
	tail []Edge
	// Where a page stands in each conversation: the last message before the gap and the
	// first after it.
	tails, heads map[ConvID]string
	// ends are the last messages of others on the pages that came forward, up to here.
	ends map[ConvID]string
}

// step is what a Plan is at.
type step int

const (
	done     step = iota
	forward       // from the last range on, and from what was too new for it
	confirm       // whether the archive has nothing more, or has forgotten where we were
	newest        // the last page: if it does not adjoin what is here there is a gap
	closing       // which gap is to be filled, the newest first
	backward      // a gap, from its newer end
	probing       // whether the archive has forgotten the message that the gap comes after
	review        // once more, what had not settled when it was read
	around        // what comes before a place in a gap,
	beyond        // and what comes after that
)

// NewCatchUp plans to bring in what happened since the last page or, the first time, the newest
// page.
func NewCatchUp(s *State, part Part) *Plan {
	p, cover := newPlan(part), s.Coverage(part)
	last := cover.Ranges.end()
	p.sure = len(cover.Ranges) == 0 || cover.Settled.ID == last.ID
	p.step = forward
	if len(cover.Ranges) == 0 || last.Gone {
		p.step = newest
	}
	return p
}

// NewFill plans to read up to so many pages of a gap of a conversation.
func NewFill(s *State, id ConvID, after string, pages int) *Plan {
	p := newPlan(Part{s.Account(), id.JID()})
	if id.Kind() == Groupchat {
		p.Part = Part{Archive: id.JID()}
	}
	p.step, p.conv, p.gap, p.left, p.Past = backward, id, after, pages, after == ""
	return p
}

// NewAround plans to read what an archive has around a place in a gap of a conversation: that of the
// message to which the archive gave an id, or of a time if that is "".
func NewAround(s *State, id ConvID, gap Gap, archived string, at time.Time) *Plan {
	p := NewFill(s, id, gap.After.ID, 0)
	p.step, p.now, p.from, p.since = around, gap, archived, at
	return p
}

// NewReview plans to read once more what was not settled in an archive, and to settle what can
// be by now. It is nil if there is nothing to go on from.
func NewReview(s *State, part Part) *Plan {
	cover := s.Coverage(part)
	if len(cover.Ranges) == 0 || cover.Ranges.end().Gone || !cover.Open.IsZero() {
		return nil
	}
	p := newPlan(part)
	p.step, p.from, p.brief = review, cover.Settled.ID, true
	if first := cover.Ranges[0]; p.from == "" && !first.Start {
		p.since = first.From.At
	}
	return p
}

func newPlan(part Part) *Plan {
	return &Plan{Part: part, seen: map[string]bool{}, owners: map[string]ConvID{}, heads: map[ConvID]string{}, ends: map[ConvID]string{}}
}

// Gap returns Gap.After.ID of the gap that is filled, or left if the plan is given up now.
func (p *Plan) Gap() string { return p.gap }

// Next returns which page to ask for, false when all has been read.
func (p *Plan) Next(s *State) (Ask, bool) {
	for {
		ranges := s.Coverage(p.Part).Ranges
		switch p.step {
		case forward:
			last := ranges.end()
			p.gap = last.ID
			if n := len(p.fresh); n > 0 {
				last = p.fresh[n-1]
			}
			return Ask{After: last.ID, Max: PageSize}, true
		case confirm:
			return Ask{Backward: true, Max: 1}, true
		case newest:
			p.brief, p.Past = false, len(ranges) == 0
			if !p.Past {
				p.gap = ranges.end().ID
			}
			return Ask{Backward: true, Max: PageSize}, true
		case review:
			if p.from != ranges.end().ID {
				return Ask{After: p.from, Start: p.since, Max: PageSize}, true
			}
			p.step, p.sure, p.news, p.pages = forward, true, 0, 0
			p.seen, p.ends = map[string]bool{}, map[ConvID]string{}
		case closing:
			if len(ranges) < 2 || p.brief {
				return Ask{}, false
			}
			if after := ranges[len(ranges)-2].To.ID; after != p.gap {
				p.gap, p.tails, p.heads = after, nil, map[ConvID]string{}
			}
			p.step, p.left = backward, mostPages-p.pages
		case backward:
			gap := p.find(s)
			switch {
			case gap == nil && p.conv == "":
				p.step = closing
				continue
			case gap != nil && p.probe && !p.probed && gap.After.ID != "" && gap.Before.At.Before(gap.After.At.Add(-overlap)):
				p.step, p.probed = probing, true
				continue
			case gap == nil || p.left <= 0:
				return Ask{}, false
			}
			p.now = *gap
			return p.fill(gap), true
		case around:
			return Ask{Backward: true, Before: p.from, End: p.since, Max: PageSize, Fills: true, Gap: p.gap}, true
		case beyond:
			return Ask{After: p.cursor, Max: PageSize, Fills: true, Gap: p.gap}, true
		case probing:
			return Ask{After: p.gap, Max: 1, Fills: true, Gap: p.gap}, true
		default:
			return Ask{}, false
		}
	}
}

// fill asks for what is missing in a gap.
func (p *Plan) fill(gap *Gap) Ask {
	k := Ask{Backward: true, Before: p.cursor, Max: PageSize, Fills: true, Gap: p.gap}
	switch {
	case p.cursor != "" || gap.Before.ID == "":
	case gap.Own && !gap.Before.Gone:
		k.Before = gap.Before.ID
	default:
		k.End = gap.Before.At.Add(overlap)
	}
	if !gap.After.At.IsZero() && (p.Part.With != "" || gap.After.Gone) {
		k.Start = gap.After.At.Add(-overlap)
	}
	return k
}

// find returns the gap that is filled, nil when it is no longer there.
func (p *Plan) find(s *State) *Gap {
	if p.conv != "" {
		gaps := s.Gaps(p.conv)
		for i := range gaps {
			if gaps[i].After.ID == p.gap {
				return &gaps[i]
			}
		}
		return nil
	}
	ranges := s.Coverage(p.Part).Ranges
	for i := 1; i < len(ranges); i++ {
		if ranges[i-1].To.ID == p.gap {
			return &Gap{After: ranges[i-1].To, Before: ranges[i].From, Own: true}
		}
	}
	return nil
}

// Learn returns what a page brings. It is false if the page is not whole, or says again what
// was said before: its messages are taken, and what it says of the archive is not believed.
func (p *Plan) Learn(s *State, k Ask, page Page) (_ []Event, whole bool) {
	if !page.Unknown {
		p.pages++
		if page.Broken || p.again(k, page) {
			return p.deliver(s, page, true, false), false
		}
	}
	none := page.Unknown || len(page.Results) == 0
	switch p.step {
	case forward:
		switch {
		case page.Unknown && k.After != "":
			p.step = newest
			return []Event{ArchiveForgot{p.Part, k.After}}, true
		case page.Unknown:
			return nil, false
		case none && k.After != "":
			p.step, p.from = confirm, k.After // Prosody 13 gives the same answer to both
			return nil, true
		}
		return p.onward(s, page), true
	case confirm:
		switch {
		case page.Unknown:
			return nil, false
		case len(page.Results) == 1 && page.Results[0].ID == p.from:
			p.step = closing
			last := s.Coverage(p.Part).Ranges.end()
			return p.add(s, page, Reading{After: last.ID, From: last, End: true}, false), true
		}
		p.step = newest
		return nil, true
	case newest:
		if page.Unknown {
			return nil, false
		}
		return p.last(s, page), true
	case backward:
		if none && k.Before != "" && k.Before == p.now.Before.ID {
			// An empty page may mean that too: by time there is no doubt.
			return []Event{ArchiveForgot{p.Part, k.Before}}, true
		}
		if page.Unknown || none && p.cursor != "" {
			return nil, false // that has come with the page before
		}
		return p.before(s, k, page), true
	case around, beyond:
		return p.beside(s, page), true
	case probing:
		p.step, p.probe = backward, false
		if none {
			return []Event{ArchiveForgot{p.Part, k.After}}, true
		}
		return nil, true
	}
	return p.over(s, page), true
}

// onward takes a page that comes after the last range.
func (p *Plan) onward(s *State, page Page) []Event {
	last, all := s.Coverage(p.Part).Ranges.end(), slices.Concat(p.fresh, page.Results)
	n := max(settled(all), len(all)-unsettled)
	page.owners(p.owners)
	read := reading(all[:n], p.owners)
	read.After, read.Start, read.End = last.ID, last.ID == "", page.Complete
	if last.ID != "" {
		read.From = last
	}
	p.fresh = all[n:]
	events := p.add(s, page, read, false)
	if p.sure {
		events = append(events, p.settle(page.Results)...)
	}
	switch {
	case read.End:
		p.step = closing
	case p.news >= few || p.pages >= known:
		p.step = newest
	}
	return events
}

// last takes the newest page.
func (p *Plan) last(s *State, page Page) []Event {
	first := p.Past
	p.tails, p.heads = s.seams(), map[ConvID]string{}
	n := settled(page.Results)
	settled := n
	ranges := s.Coverage(p.Part).Ranges
	for i, e := range page.Results {
		// It has to have something, and what adjoins a range has to stay.
		ends := func(o Range) bool { return o.From.ID == e.ID || o.To.ID == e.ID }
		if i == 0 || slices.ContainsFunc(ranges, ends) {
			n = max(n, i+1)
		}
	}
	if first && !page.Complete {
		settled = n // what comes before it will be read later than that
	}
	read := reading(page.Results[:n], page.owners(nil))
	read.Start, read.End = page.Complete, true
	events := p.add(s, page, read, first)
	// If all of this page is new, what comes before it will not have settled either when
	// it is read.
	if p.sure && settled > 0 {
		events = append(events, ArchiveSettled{p.Part, page.Results[settled-1]})
	}
	p.step, p.Past = closing, false
	return events
}

// before takes a page of a gap.
func (p *Plan) before(s *State, k Ask, page Page) []Event {
	gap := &p.now
	if byTime := p.cursor != "" || !k.End.IsZero(); byTime && !page.Complete && !page.Results[0].At.Before(gap.Before.At) {
		adjoins := p.cursor != ""
		p.cursor = page.Results[0].ID
		events := p.deliver(s, page, true, adjoins)
		p.begins(page)
		return events
	}
	p.cursor = ""
	read := reading(page.Results, page.owners(nil))
	read.Before = gap.Before.ID
	if read.Before != "" {
		read.To = gap.Before
	}
	switch {
	case page.Complete && k.Start.IsZero():
		read.Start = true
	case page.Complete:
		read.From, read.After = gap.After, gap.After.ID
	}
	// If pages come of before the time of the message that the gap comes after, the archive may
	// have forgotten that.
	p.probe = k.Start.IsZero()
	p.left--
	return p.add(s, page, read, true)
}

// beside takes a page of before a place, and then the one that comes after it. An archive that does
// not know the place says so, or has nothing before it: then it may be where the archive begins.
func (p *Plan) beside(s *State, page Page) []Event {
	back, gap := p.step == around, p.now
	if p.step++; !back || page.Unknown {
		p.step = done
	}
	n := len(page.Results)
	if page.Unknown || n == 0 {
		return nil
	}
	read := reading(page.Results, page.owners(nil))
	switch first := page.Results[0]; {
	case back && page.Complete:
		read.Start = true
	case back && first.At.Before(gap.After.At):
		read.From, read.After = gap.After, gap.After.ID
	case !back && p.cursor == "":
		read.Start = true
	case !back:
		read.From, read.After = p.tail[0], p.cursor
	}
	if last := page.Results[n-1]; back {
		p.cursor, p.tail = last.ID, []Edge{last}
	} else if gap.Before.ID != "" && (page.Complete || last.At.After(gap.Before.At)) {
		read.To, read.Before = gap.Before, gap.Before.ID
	}
	p.heads = map[ConvID]string{}
	events := p.add(s, page, read, true)
	p.heads, p.tails = map[ConvID]string{}, map[ConvID]string{}
	for id, messages := range page.Messages {
		for i := range messages {
			if m := &messages[i]; !m.Mine {
				p.tails[id] = m.ArchiveID
			}
		}
	}
	return events
}

// over takes a page of what had not settled.
func (p *Plan) over(s *State, page Page) []Event {
	ranges := s.Coverage(p.Part).Ranges
	last := ranges.end()
	none := page.Unknown || len(page.Results) == 0
	switch by := s.Coverage(p.Part).Settled.At; {
	case none && p.from != "" && !by.IsZero():
		p.from, p.since = "", by.Add(-overlap) // the archive has forgotten that message
		return nil
	case none:
		p.step = done
		return []Event{ArchiveSettled{p.Part, last}}
	}
	p.since = time.Time{}
	n := len(page.Results)
	end := page.Results[n-1].ID
	p.from = end
	for i, o := range ranges {
		if at := slices.IndexFunc(page.Results, func(e Edge) bool { return e.ID == o.To.ID }); at >= 0 {
			n, p.from = at+1, o.To.ID
			if i+1 < len(ranges) {
				p.from = ranges[i+1].From.ID // a gap is not filled by the way
			}
		}
	}
	if p.from == end && p.from != last.ID && page.Complete {
		p.step = done // it has forgotten the end of the range
	}
	return append(p.deliver(s, page, false, true), p.settle(page.Results[:n])...)
}

// settle says how far the archive has settled with what comes after p.tail.
func (p *Plan) settle(more []Edge) []Event {
	p.tail = slices.Concat(p.tail, more)
	n := settled(p.tail)
	if n == 0 {
		return nil
	}
	to := p.tail[n-1]
	p.tail = p.tail[n:]
	return []Event{ArchiveSettled{p.Part, to}}
}

// settled returns how many come before the newest minutes, by the archive's clock.
func settled(all []Edge) int {
	if len(all) == 0 {
		return 0
	}
	newest := slices.MaxFunc(all, func(a, b Edge) int { return a.At.Compare(b.At) }).At
	return slices.IndexFunc(all, func(e Edge) bool { return e.At.Add(settling).After(newest) })
}

// reading is what results in a row say of the archive by themselves.
func reading(all []Edge, owners map[string]ConvID) (r Reading) {
	r.owners = owners
	for _, e := range all {
		r.IDs = append(r.IDs, e.ID)
	}
	if n := len(all); n > 0 {
		r.From, r.To = all[0], all[n-1]
	}
	return r
}

// owners adds to which conversation each message of a page belongs, by its id.
func (page Page) owners(all map[string]ConvID) map[string]ConvID {
	if all == nil {
		all = map[string]ConvID{}
	}
	for conv, messages := range page.Messages {
		for i := range messages {
			all[messages[i].ArchiveID] = conv
		}
	}
	return all
}

// again reports whether a page brings what has come before: the one it was to come
// before or after, or an end of another.
func (p *Plan) again(k Ask, page Page) bool {
	n := len(page.Results)
	if n == 0 || k.Max < PageSize {
		return false
	}
	end := "to " + page.Results[n-1].ID
	if k.Backward {
		end = "from " + page.Results[0].ID
	}
	has := func(id string) bool {
		return id != "" && slices.ContainsFunc(page.Results, func(e Edge) bool { return e.ID == id })
	}
	if p.seen[end] || has(k.Before) || has(k.After) {
		return true
	}
	p.seen[end] = true
	return false
}

// add puts a page into the conversations it belongs to, and then into the coverage.
func (p *Plan) add(s *State, page Page, read Reading, older bool) []Event {
	return append(p.deliver(s, page, older, true), ArchiveRead{p.Part, read})
}

// begins notes where a page begins: the next one that is read backwards comes right before it.
// What we write has its place before any archive has it.
func (p *Plan) begins(page Page) {
	for id, messages := range page.Messages {
		if i := slices.IndexFunc(messages, func(m Message) bool { return !m.Mine }); i >= 0 {
			p.heads[id] = messages[i].ArchiveID
		}
	}
}

// deliver puts a page into the conversations. Only of one that is whole it is known
// where it stands among what is here.
func (p *Plan) deliver(s *State, page Page, older, whole bool) (events []Event) {
	ids := make([]ConvID, 0, len(page.Messages))
	for id := range page.Messages {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	news := false
	for _, id := range ids {
		messages, chat := page.Messages[id], s.Chat(id)
		for i := range messages {
			news = news || chat == nil || chat.Timeline.Find(&messages[i]) == nil
		}
		ev := ArchivePage{Conv: id, Messages: messages, Older: older, Unread: !p.Past}
		switch {
		case older && whole:
			ev.After, ev.Before = cmp.Or(p.tails[id], p.gap), p.heads[id]
			if ev.Before == "" && chat != nil {
				if m := chat.Timeline.Archived(p.now.Before.ID); m != nil && !m.Mine {
					ev.Before = m.ArchiveID
				}
			}
		case !older:
			ev.After = p.ends[id]
			ev.Apart = p.step == newest || p.step == review && ev.After == ""
		}
		for i := range messages {
			if m := &messages[i]; !older && !m.Mine {
				p.ends[id] = m.ArchiveID
			}
		}
		events = append(events, ev)
	}
	if news {
		p.news++
	}
	if whole {
		p.begins(page)
	}
	return events
}

// seams are the archive's ids of the messages up to which catch-ups have brought each
// conversation.
func (s *State) seams() map[ConvID]string {
	ids := map[ConvID]string{}
	for chat := range s.Chats {
		if m := chat.Timeline.Get(chat.Seam); m != nil {
			ids[chat.Conv] = m.ArchiveID
		}
	}
	return ids
}
