package archive

import (
	"slices"
	"time"

	"natter/app/feature"
	"natter/app/state"
)

const (
	// settling is for how long an archive may file messages before those it has: ejabberd
	// files them when the session that they go to takes them. While connections come and
	// go, each session waits for the one before it, for minutes: 16 were seen.
	settling = 30 * time.Minute
	// lasted is how long after the last of them everything is filed: a session that is dead
	// is kept for the five minutes in which it could be resumed, and so are those that were
	// to take its place: 13 minutes were seen.
	lasted = 20 * time.Minute
	// soon is when most of them are there.
	soon = 20 * time.Second
	// unsettled is how many messages of that time a catch-up reads again at most.
	unsettled = 2 * pageSize
)

// again reads once more what was not settled in our archive, and settles what can be by
// now. Nobody waits for it. After that time it is done for the last time.
func (a *archive) again(c feature.Client, then time.Duration) {
	part := state.Part{Archive: c.State().Account()}
	cover := c.State().Coverage(part)
	switch n := len(cover.Ranges); {
	case a.busy || !c.State().CaughtUp || cover.Fill.Loading:
		a.wait = c.After(soon, func() { a.again(c, then) })
		return
	case n == 0 || cover.Ranges[n-1].To.Gone || !cover.Open.IsZero():
		return // there is nothing to go on from
	}
	r := a.begin(c, part)
	r.brief = true
	r.over = func(err error) {
		if err == nil && r.counts() && then > 0 {
			a.wait = c.After(then, func() { a.again(c, 0) })
		}
	}
	r.review(cover.Settled.ID)
}

// review reads again, after a message, what had not settled when it was read, and goes on
// from the last range.
func (r *reading) review(after string) {
	ranges := r.ranges()
	last := ranges[len(ranges)-1].To
	if after == last.ID {
		r.sure, r.news, r.pages, r.seen = true, 0, 0, map[string]bool{}
		r.forward()
		return
	}
	r.ask(ask{after: after}, func(p *page, err error) {
		switch {
		case forgotten(err), err == nil && len(p.ids) == 0:
			r.c.Emit(state.ArchiveSettled{Part: r.part, To: last}) // there is no telling any more
			r.over(nil)
			return
		case err != nil:
			r.over(err)
			return
		}
		r.deliver(p, false, true)
		p.Added()
		n, next := len(p.ids), p.ids[len(p.ids)-1]
		for i, o := range ranges {
			if end := slices.Index(p.ids, o.To.ID); end >= 0 {
				n, next = end+1, o.To.ID
				if i+1 < len(ranges) {
					next = ranges[i+1].From.ID // a gap is not filled by the way
				}
			}
		}
		r.settle(p.first(n))
		if next != p.ids[len(p.ids)-1] || next == last.ID || !p.complete {
			r.review(next)
			return
		}
		r.over(nil) // it has forgotten the end of the range
	})
}

// settle notes how far the archive has settled with what comes after r.tail.
func (r *reading) settle(u run) {
	r.tail = r.tail.and(u)
	if n := r.tail.settled(); n > 0 {
		r.c.Emit(state.ArchiveSettled{Part: r.part, To: r.tail.first(n).reading().To})
		r.tail = r.tail.from(n)
	}
}
