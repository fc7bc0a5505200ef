package archive

import (
	"errors"
	"time"

	"natter/app/feature"
	"natter/app/state"
	"natter/app/stream"
)

// overlap makes up for clocks that are set, when an archive is asked by time.
const overlap = 10 * time.Second

// fill loads what is missing in a gap of a conversation, up to so many pages.
func (a *archive) fill(c feature.Client, conv state.ConvID, after string, pages int) {
	part := part(c, conv)
	r := &reading{a: a, c: c, part: part, after: after, conv: conv, past: after == "", seen: map[string]bool{}, heads: map[state.ConvID]string{}}
	gap := r.gap()
	if gap == nil || gap.Fill.Loading || c.State().Coverage(part).Fill.Loading {
		return
	}
	if gap.Open {
		if c.State().CaughtUp && c.State().Connection.Phase == state.Online {
			a.catchUp(c, state.Part{Archive: part.Archive})
		}
		return // or the next stream does
	}
	r.over = func(err error) {
		c.Emit(state.ArchiveFilled{Part: part, After: after, Text: reason(err)})
	}
	c.Emit(state.ArchiveAsked{Part: part, After: after})
	r.backward(pages)
}

// close fills the gaps that there are, the newest first.
func (r *reading) close() {
	ranges := r.ranges()
	if len(ranges) < 2 || r.brief {
		r.over(nil)
		return
	}
	if after := ranges[len(ranges)-2].To.ID; after != r.after {
		r.after, r.tails, r.heads = after, nil, map[state.ConvID]string{}
	}
	over := r.over
	r.c.Emit(state.ArchiveAsked{Part: r.part, After: r.after})
	r.over = func(err error) {
		r.over = over
		if errors.Is(err, stream.ErrDisconnected) {
			r.c.Emit(state.ArchiveFilled{Part: r.part, After: r.after, Text: reason(err)})
		}
		if err != nil {
			over(err)
			return
		}
		r.c.Emit(state.ArchiveFilled{Part: r.part, After: r.after})
		if r.gap() == nil {
			r.close()
			return
		}
		over(nil) // there is more than a catch-up reads
	}
	r.backward(most - r.pages)
}

// gap returns the one that is filled, nil when it is no longer there.
func (r *reading) gap() *state.Gap {
	if r.conv != "" {
		gaps := r.c.State().Gaps(r.conv)
		for i := range gaps {
			if gaps[i].After.ID == r.after {
				return &gaps[i]
			}
		}
		return nil
	}
	ranges := r.ranges()
	for i := 1; i < len(ranges); i++ {
		if ranges[i-1].To.ID == r.after {
			return &state.Gap{After: ranges[i-1].To, Before: ranges[i].From, Own: true}
		}
	}
	return nil
}

// backward reads up to so many pages of the gap, from its newer end.
func (r *reading) backward(pages int) {
	gap := r.gap()
	if gap == nil || pages <= 0 {
		r.over(nil)
		return
	}
	ask := ask{backward: true, before: r.cursor}
	switch {
	case r.cursor != "" || gap.Before.ID == "":
	case gap.Own && !gap.Before.Gone:
		ask.before = gap.Before.ID
	default:
		ask.end = gap.Before.At.Add(overlap)
	}
	byTime := r.cursor != "" || !ask.end.IsZero()
	if !gap.After.At.IsZero() && (r.part.With != "" || gap.After.Gone) {
		ask.start = gap.After.At.Add(-overlap)
	}
	r.ask(ask, func(p *page, err error) {
		switch {
		case ask.before != "" && ask.before == gap.Before.ID && (forgotten(err) || err == nil && len(p.ids) == 0):
			// An empty page may mean that too: by time there is no doubt.
			r.c.Emit(state.ArchiveForgot{Part: r.part, ID: ask.before})
			r.backward(pages)
			return
		case err != nil:
			r.over(err)
			return
		case r.cursor != "" && len(p.ids) == 0:
			r.over(errBroken) // it has come with the page before
			return
		}
		if byTime && !p.complete && !p.stamps[0].Before(gap.Before.At) {
			r.deliver(p, true, false)
			p.Added()
			r.cursor = p.ids[0]
			r.backward(pages)
			return
		}
		r.cursor = ""
		read := p.reading()
		read.Before = gap.Before.ID
		if read.Before != "" {
			read.To = gap.Before
		}
		switch {
		case p.complete && ask.start.IsZero():
			read.Start = true
		case p.complete:
			read.From, read.After = gap.After, gap.After.ID
		}
		r.add(p, read, true)
		if left := r.gap(); left != nil && !r.probed && ask.start.IsZero() && gap.After.ID != "" &&
			left.Before.At.Before(gap.After.At.Add(-overlap)) {
			r.probe(gap.After.ID, pages-1)
			return
		}
		r.backward(pages - 1)
	})
}

// probe finds out whether the archive has forgotten the message that the gap comes
// after, when pages of before that time come.
func (r *reading) probe(id string, pages int) {
	r.probed = true
	r.ask(ask{after: id, max: 1}, func(p *page, err error) {
		switch {
		case forgotten(err), err == nil && len(p.ids) == 0:
			r.c.Emit(state.ArchiveForgot{Part: r.part, ID: id})
		case err != nil:
			r.over(err)
			return
		}
		r.backward(pages)
	})
}
