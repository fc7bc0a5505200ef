package state

import (
	"slices"
	"time"
)

// NewCatchUp plans to read what is new since the last catch-up or, the first time, the newest page.
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

// onward learns from a page that comes after the last range.
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

// last learns from the newest page.
func (p *Plan) last(s *State, page Page) []Event {
	first := p.Past
	p.tails, p.heads = s.seams(), map[ConvID]string{}
	n := settled(page.Results)
	settled := n
	ranges := s.Coverage(p.Part).Ranges
	for i, e := range page.Results {
		// The range needs at least one message, and any message at which another range ends.
		ends := func(o Range) bool { return o.From.ID == e.ID || o.To.ID == e.ID }
		if i == 0 || slices.ContainsFunc(ranges, ends) {
			n = max(n, i+1)
		}
	}
	read := reading(page.Results[:n], page.owners(nil))
	read.Start, read.End = page.Complete, true
	events := p.add(s, page, read, first)
	// If no message of this page is settled, those before it may not be either. The person may have scrolled
	// back to them, and even before the first catch-up came to its end.
	switch {
	case p.sure && settled > 0:
		events = append(events, ArchiveSettled{p.Part, page.Results[settled-1]})
	case first && !page.Complete:
		at := newestOf(page.Results)
		for c := range s.Coverages {
			if end := c.Ranges.end(); c.Archive == p.Part.Archive && end.ID != "" && end.At.Before(at) {
				at = end.At
			}
		}
		events = append(events, ArchiveSettled{p.Part, Edge{At: at.Add(-settling)}})
	}
	p.step, p.Past = closing, false
	return events
}

// seams returns, for each conversation, the archive id of the last message that a catch-up has brought
// (Chat.Seam).
func (s *State) seams() map[ConvID]string {
	ids := map[ConvID]string{}
	for chat := range s.Chats {
		if m := chat.Timeline.Get(chat.Seam); m != nil {
			ids[chat.Conv] = m.ArchiveID
		}
	}
	return ids
}

// settled returns how many results are settled: those before the first that is newer than settling
// before the newest one, by the archive's clock.
func settled(all []Edge) int {
	if len(all) == 0 {
		return 0
	}
	newest := newestOf(all)
	return slices.IndexFunc(all, func(e Edge) bool { return e.At.Add(settling).After(newest) })
}

// newestOf returns the time of the newest of these results, of which there is at least one.
func newestOf(all []Edge) time.Time {
	return slices.MaxFunc(all, func(a, b Edge) int { return a.At.Compare(b.At) }).At
}
