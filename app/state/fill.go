package state

import "time"

// NewFill plans to read, from its newer end, up to pages pages of the gap of a conversation after the
// message with this archive id.
func NewFill(s *State, id ConvID, after string, pages int) *Plan {
	p := newPlan(Part{s.Account(), id.JID()})
	if id.Kind() == Groupchat {
		p.Part = Part{Archive: id.JID()}
	}
	p.step, p.conv, p.gap, p.left, p.Past = backward, id, after, pages, after == ""
	return p
}

// NewAround plans to read the two pages around a place in a gap of a conversation. The place is that
// of the message with the archive id archived, or the time at if the id is "".
func NewAround(s *State, id ConvID, gap Gap, archived string, at time.Time) *Plan {
	p := NewFill(s, id, gap.After.ID, 0)
	p.step, p.now, p.from, p.since = around, gap, archived, at
	return p
}

// fill returns the Ask for the newest missing page of a gap.
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

// find returns the gap that the plan fills, nil if it is closed.
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

// before learns from a page of a gap.
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
	// If pages are older than the message before the gap, the archive may have forgotten that
	// message: Next probes.
	p.probe = k.Start.IsZero()
	p.left--
	return p.add(s, page, read, true)
}

// beside learns from the page before a place (around), and then from the page after it (beyond). An
// archive that does not know the id answers so, or with an empty page. An empty page may
// also mean that the archive begins at the place.
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
