package archive

import (
	"errors"
	"slices"
	"time"

	"natter/app/feature"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

const (
	// few is how many pages with something new come forward before the newest one.
	few = 3
	// known is how many pages may come before that which have nothing new.
	known = 20
	// most is how many pages a catch-up reads by itself: messages of months. What is
	// left is a gap, and the next stream goes on with it.
	most = 100
)

// pauses are how long it is until a catch-up that has failed is tried again, the first
// time and after that: messages may wait to hear whether they have arrived.
var pauses = []time.Duration{5 * time.Second, 20 * time.Second, time.Minute}

// catchUp brings in what happened since the last page, or, the first time, the newest
// page.
func (a *archive) catchUp(c feature.Client, part state.Part) { a.try(c, part, 0) }

// try is a catch-up after so many that have failed.
func (a *archive) try(c feature.Client, part state.Part, failed int) {
	own := part.Archive == c.State().Account()
	if own {
		a.retry()
		a.busy = true
	}
	r := a.begin(c, part)
	r.over = func(err error) {
		if !r.counts() {
			return
		}
		if own {
			a.busy = false
		}
		if errors.Is(err, stream.ErrDisconnected) {
			return // the next stream begins anew
		}
		if err != nil {
			c.Emit(state.ArchiveFilled{Part: part, After: r.after, Text: reason(err)})
		}
		if !own {
			return
		}
		ev := state.CaughtUp{Failed: err != nil && !none(err)}
		ev.GaveUp = ev.Failed && failed == len(pauses)
		switch {
		case ev.Failed && !ev.GaveUp:
			a.later(c, part, failed)
		case failed > 0:
			a.wait = c.After(soon, func() { a.again(c, lasted-soon) })
		}
		c.Emit(ev)
	}
	c.Emit(state.CatchUpStarted{Part: part, At: c.Now()})
	ranges := r.ranges()
	if len(ranges) == 0 || ranges[len(ranges)-1].To.Gone {
		r.newest()
		return
	}
	r.forward()
}

// later tries a catch-up with our archive once more, when there is a connection.
func (a *archive) later(c feature.Client, part state.Part, failed int) {
	a.retry = c.After(pauses[failed], func() {
		if c.State().Connection.Phase != state.Online {
			a.later(c, part, failed)
			return
		}
		a.wait()
		a.try(c, part, failed+1)
	})
}

// none reports whether the server has said that there is no archive for us, which asking
// again does not change.
func none(err error) bool {
	var refused *framing.StanzaError
	if !errors.As(err, &refused) || refused.Type == "wait" {
		return false
	}
	switch refused.Condition {
	case "feature-not-implemented", "service-unavailable", "item-not-found", "not-allowed", "forbidden":
		return true
	}
	return false
}

// begin makes the reading that counts from now on.
func (a *archive) begin(c feature.Client, part state.Part) *reading {
	r := &reading{a: a, c: c, part: part, seen: map[string]bool{}, heads: map[state.ConvID]string{}, ends: map[state.ConvID]string{}}
	cover := c.State().Coverage(part)
	n := len(cover.Ranges)
	r.sure = n == 0 || cover.Settled.ID == cover.Ranges[n-1].To.ID
	a.last[part.Archive] = r
	return r
}

// forward reads on from the last range, and from what was too new for it.
func (r *reading) forward() {
	ranges := r.ranges()
	last := ranges[len(ranges)-1].To
	r.after = last.ID
	from := last.ID
	if n := len(r.fresh.ids); n > 0 {
		from = r.fresh.ids[n-1]
	}
	r.ask(ask{after: from}, func(p *page, err error) {
		switch {
		case forgotten(err) && from != "":
			r.c.Emit(state.ArchiveForgot{Part: r.part, ID: from})
			r.newest()
			return
		case err != nil:
			r.over(err)
			return
		}
		if len(p.ids) == 0 && from != "" {
			r.confirm(last, from)
			return
		}
		all := r.fresh.and(p.run)
		n := max(all.settled(), len(all.ids)-unsettled)
		read := all.first(n).reading()
		read.After, read.Start = last.ID, last.ID == ""
		read.End = p.complete
		if last.ID != "" {
			read.From = last
		}
		r.fresh = all.from(n)
		r.add(p, read, false)
		if r.sure {
			r.settle(p.run)
		}
		switch {
		case read.End:
			r.close()
		case r.news >= few || r.pages >= known:
			r.newest()
		default:
			r.forward()
		}
	})
}

// confirm finds out whether nothing has come after a message, or the archive has
// forgotten it: Prosody 13 gives the same answer to both.
func (r *reading) confirm(last state.Edge, id string) {
	r.ask(ask{backward: true, max: 1}, func(p *page, err error) {
		switch {
		case err != nil:
			r.over(err)
		case len(p.ids) == 1 && p.ids[0] == id:
			r.add(p, state.Reading{After: last.ID, From: last, End: true}, false)
			r.close()
		default:
			r.newest()
		}
	})
}

// newest reads the last page. If it does not adjoin what is here there is a gap now.
func (r *reading) newest() {
	r.brief = false
	if ranges := r.ranges(); len(ranges) > 0 {
		r.after = ranges[len(ranges)-1].To.ID
	}
	first := len(r.ranges()) == 0
	r.past = first
	r.ask(ask{backward: true}, func(p *page, err error) {
		if err != nil {
			r.over(err)
			return
		}
		r.tails, r.heads = r.seams(), map[state.ConvID]string{}
		n := p.settled()
		settled := n
		for i, id := range p.ids {
			// It has to have something, and what adjoins a range has to stay.
			if i == 0 || r.edge(id) {
				n = max(n, i+1)
			}
		}
		if first {
			settled = n
		}
		read := p.first(n).reading()
		read.Start, read.End = p.complete, true
		r.add(p, read, first)
		// If all of this page is new, what comes before it will not have settled either when
		// it is read.
		if r.sure && settled > 0 {
			r.c.Emit(state.ArchiveSettled{Part: r.part, To: p.first(settled).reading().To})
		}
		r.past = false
		r.close()
	})
}

// edge reports whether a range ends at a message.
func (r *reading) edge(id string) bool {
	return slices.ContainsFunc(r.ranges(), func(o state.Range) bool { return o.From.ID == id || o.To.ID == id })
}

// seams are the archive's ids of the messages up to which catch-ups have brought each
// conversation.
func (r *reading) seams() map[state.ConvID]string {
	ids := map[state.ConvID]string{}
	for chat := range r.c.State().Chats {
		if m := chat.Timeline.Get(chat.Seam); m != nil {
			ids[chat.Conv] = m.ArchiveID
		}
	}
	return ids
}
