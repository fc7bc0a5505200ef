package state

import (
	"cmp"
	"slices"
	"time"
)

// NewReview plans to read once more the messages of an archive that were not settled, and to find how
// far it is settled now. It returns nil if nothing was read yet, if the archive has forgotten the last
// message, or while a catch-up has not come to its end.
func NewReview(s *State, part Part) *Plan {
	cover := s.Coverage(part)
	if len(cover.Ranges) == 0 || cover.Ranges.end().Gone || !cover.Open.IsZero() {
		return nil
	}
	p := newPlan(part)
	p.step, p.from, p.brief = review, cover.Settled.ID, true
	switch first := cover.Ranges[0]; {
	case p.from != "":
	case !cover.Settled.At.IsZero():
		p.since = cover.Settled.At.Add(-overlap)
	case !first.Start:
		p.since = first.From.At
	}
	return p
}

// NewLookBack plans to read once more what a room's archive has after the message with the id from, which was the newest
// when a connection was lost; "" if it had none. It returns nil in the cases of NewReview.
//
// A server may lose messages although the stream was resumed. ejabberd 24 does if a socket dies while it writes
// to it: it hands the session to the new socket 15 seconds later, and without what rooms have sent meanwhile.
func NewLookBack(s *State, part Part, from string) *Plan {
	p := NewReview(s, part)
	if p != nil {
		p.from, p.since, p.aside = cmp.Or(from, s.Coverage(part).Ranges.end().ID), time.Time{}, true
	}
	return p
}

// over learns from a page of a review.
func (p *Plan) over(s *State, page Page) []Event {
	ranges := s.Coverage(p.Part).Ranges
	last := ranges.end()
	none := page.Unknown || len(page.Results) == 0
	switch by := s.Coverage(p.Part).Settled.At; {
	case none && p.aside:
		p.step = done
		return nil
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
	if first := ranges[0].From; page.Results[0].At.Before(first.At) {
		page.Messages = s.outsideGaps(page.Messages)
		if p.pages == mostPages && page.Results[n-1].At.Before(first.At) {
			p.from = first.ID
		}
	}
	for i, o := range ranges {
		if at := slices.IndexFunc(page.Results, func(e Edge) bool { return e.ID == o.To.ID }); at >= 0 {
			n, p.from = at+1, o.To.ID
			if i+1 < len(ranges) {
				p.from = ranges[i+1].From.ID // a review fills no gap
			}
		}
	}
	if p.from == end && p.from != last.ID && page.Complete {
		p.step = done // it has forgotten the end of the range
	}
	events := p.deliver(s, page, false, true)
	if !p.aside {
		events = append(events, p.settle(page.Results[:n])...)
	}
	return events
}

// outsideGaps returns these messages without those that are, or may be, in a gap of their conversation. Before the
// first range a stranger may have sent many that nobody has asked for.
func (s *State) outsideGaps(all map[ConvID][]Message) map[ConvID][]Message {
	outside := map[ConvID][]Message{}
	for id, messages := range all {
		gaps := s.Gaps(id)
		for i := range messages {
			if !within(gaps, messages[i].At) {
				outside[id] = append(outside[id], messages[i])
			}
		}
	}
	return outside
}

func within(gaps []Gap, at time.Time) bool {
	for i := range gaps {
		if g := &gaps[i]; !at.Before(g.After.At) && (!at.After(g.Before.At) || g.Before.At.IsZero()) {
			return true
		}
	}
	return false
}

// settle adds results to p.tail, and returns the event that says how far the archive is settled now.
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
