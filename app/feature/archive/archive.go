// Package archive reads message archives (XEP-0313): what was missed when a stream
// starts, older pages when somebody scrolls back, and what is missing in between.
//
// What of an archive is here is state.Coverage, and it grows by whole pages only, by
// the ids that the archive itself gave for them: ids on live messages can be forged,
// and a forged one would make every later query fail. Whatever else happens, a page
// that is lost, an answer that makes no sense, an archive that has forgotten where we
// were, leaves a gap that the person sees and can have filled.
//
// A catch-up reads forward from where we were. If that is far back it reads the newest
// page next, so that there is something to look at, and then closes the gap between,
// from its newer end. Of each archive one page is asked for at a time.
//
// An archive may file a message before others that have been read: ejabberd gives it its
// id, a time, when it is routed, and files it when the session it goes to has taken it. So
// the newest half hour of an archive is read and shown, but is no part of the coverage: the
// next catch-up reads it again. If it has very many messages, those at its end have to do
// for that; from Coverage.Settled on all of it is read again when a connection has lasted.
// That is also done after a resume: ejabberd 23 does not deliver, but only files, what was
// on its way to the broken socket.
package archive

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"natter/app/feature"
	"natter/app/jid"
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
	// overlap makes up for clocks that are set, when an archive is asked by time.
	overlap = 10 * time.Second
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

// pauses are how long it is until a catch-up that has failed is tried again, the first
// time and after that: messages may wait to hear whether they have arrived.
var pauses = []time.Duration{5 * time.Second, 20 * time.Second, time.Minute}

// New returns the feature.
func New() *feature.Feature { return newArchive().feature() }

func (a *archive) feature() *feature.Feature {
	return &feature.Feature{
		Name: "message archive (XEP-0313)",
		Messages: map[framing.Name]feature.Handler{
			{Space: NS, Local: "result"}: a.result,
		},
		Start: func(c feature.Client) { a.catchUp(c, state.Part{Archive: c.State().Account()}) },
		Do:    a.do,
		Observe: func(c feature.Client, ev state.Event) {
			switch ev := ev.(type) {
			case state.Cleared:
				a.wait()
				a.retry()
				*a = *newArchive()
			case state.Mirrored, state.Returned:
				a.retry() // that is for the tab that leads now
				a.busy = false
			case state.ConnectionChanged:
				a.wait()
				if ev.Connection.Phase == state.Online {
					a.wait = c.After(soon, func() { a.again(c, lasted-soon) })
				}
			}
		},
	}
}

type archive struct {
	open map[string]*query    // by queryid
	last map[jid.JID]*reading // the newest catch-up of each archive
	wait func()               // stops the timer of again
	// Of the catch-up with our own archive:
	busy  bool   // it is under way
	retry func() // stops the timer of the next try
}

func newArchive() *archive {
	return &archive{open: map[string]*query{}, last: map[jid.JID]*reading{}, wait: func() {}, retry: func() {}}
}

func (a *archive) do(c feature.Client, in state.Intent) bool {
	switch in := in.(type) {
	case state.LoadOlder:
		if gap := c.State().Older(in.Peer); gap != nil {
			a.fill(c, in.Peer.Bare(), gap.After.ID, 1)
		}
	case state.LoadMissing:
		a.fill(c, in.Peer.Bare(), in.After, most)
	default:
		return false
	}
	return true
}

// reading is a row of pages, each asked for when the one before has come.
type reading struct {
	a      *archive
	c      feature.Client
	part   state.Part
	after  string // the gap that is filled: the id of the message before it
	peer   jid.JID
	past   bool // what comes has been read long ago
	brief  bool // gaps are left to others
	pages  int
	news   int             // pages with something that was not here
	seen   map[string]bool // where pages began and ended
	probed bool
	// cursor is where the next page ends while pages, asked for by time, have only brought
	// what comes after the gap.
	cursor string
	// fresh is what pages have brought after the last range, and is too new to be part of it.
	fresh run
	// sure is set when the reading began where the archive is settled, and tail is what has
	// come since then and is not.
	sure bool
	tail run
	// Where a page stands in each conversation: the last message before the gap and the
	// first after it.
	tails, heads map[jid.JID]string
	// ends are the last messages of others on the pages that came forward, up to here.
	ends map[jid.JID]string
	// over is called at the end, with what went wrong if something did.
	over func(error)
}

// fill loads what is missing in a gap of a conversation, up to so many pages.
func (a *archive) fill(c feature.Client, peer jid.JID, after string, pages int) {
	part := part(c, peer)
	r := &reading{a: a, c: c, part: part, after: after, peer: peer, past: after == "", seen: map[string]bool{}, heads: map[jid.JID]string{}}
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

// part is where the messages of a conversation are asked for.
func part(c feature.Client, peer jid.JID) state.Part {
	if room := (state.Part{Archive: peer}); c.State().Coverage(room).Ranges != nil {
		return room
	}
	return state.Part{Archive: c.State().Account(), With: peer}
}

// reason says what the person reads.
func reason(err error) string {
	var refused *stream.StanzaError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, stream.ErrDisconnected):
		return "The connection was lost before they came."
	case errors.Is(err, errBroken):
		return "The server's answer was not complete."
	case errors.As(err, &refused):
		return "The server refused to look them up."
	}
	return "The server did not answer."
}

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
	var refused *stream.StanzaError
	if !errors.As(err, &refused) || refused.Type == "wait" {
		return false
	}
	switch refused.Condition {
	case "feature-not-implemented", "service-unavailable", "item-not-found", "not-allowed", "forbidden":
		return true
	}
	return false
}

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

// begin makes the reading that counts from now on.
func (a *archive) begin(c feature.Client, part state.Part) *reading {
	r := &reading{a: a, c: c, part: part, seen: map[string]bool{}, heads: map[jid.JID]string{}, ends: map[jid.JID]string{}}
	cover := c.State().Coverage(part)
	n := len(cover.Ranges)
	r.sure = n == 0 || cover.Settled.ID == cover.Ranges[n-1].To.ID
	a.last[part.Archive] = r
	return r
}

// counts reports whether no other catch-up of the archive has begun, as with another stream.
func (r *reading) counts() bool { return r.a.last[r.part.Archive] == r }

func (r *reading) ranges() state.Ranges { return r.c.State().Coverage(r.part).Ranges }

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
	r.ask(ask{backward: true}, func(p *page, err error) {
		if err != nil {
			r.over(err)
			return
		}
		first := len(r.ranges()) == 0
		r.past, r.tails, r.heads = first, r.seams(), map[jid.JID]string{}
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
func (r *reading) seams() map[jid.JID]string {
	ids := map[jid.JID]string{}
	for chat := range r.c.State().Chats {
		if m := chat.Timeline.Get(chat.Seam); m != nil {
			ids[chat.Peer] = m.ArchiveID
		}
	}
	return ids
}

// close fills the gaps that there are, the newest first.
func (r *reading) close() {
	ranges := r.ranges()
	if len(ranges) < 2 || r.brief {
		r.over(nil)
		return
	}
	if after := ranges[len(ranges)-2].To.ID; after != r.after {
		r.after, r.tails, r.heads = after, nil, map[jid.JID]string{}
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
	if r.peer != "" {
		gaps := r.c.State().Gaps(r.peer)
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

func forgotten(err error) bool {
	var refused *stream.StanzaError
	return errors.As(err, &refused) && refused.Condition == "item-not-found"
}

// add puts a page into the conversations it belongs to, and then into the coverage.
func (r *reading) add(p *page, read state.Reading, older bool) {
	r.deliver(p, older, true)
	r.c.Emit(state.ArchiveRead{Part: r.part, Page: read})
	p.Added()
}

// deliver puts a page into the conversations. Only of one that is whole it is known
// where it stands among what is here.
func (r *reading) deliver(p *page, older, whole bool) {
	peers := make([]jid.JID, 0, len(p.Messages))
	for peer := range p.Messages {
		peers = append(peers, peer)
	}
	slices.Sort(peers)
	news := false
	for _, peer := range peers {
		messages, chat := p.Messages[peer], r.c.State().Chat(peer)
		for i := range messages {
			news = news || chat == nil || chat.Timeline.Find(&messages[i]) == nil
		}
		ev := state.ArchivePage{Peer: peer, Messages: messages, Older: older, Unread: !r.past}
		switch {
		case older && whole:
			ev.After, ev.Before = cmp.Or(r.tails[peer], r.after), r.heads[peer]
		case !older:
			ev.After = r.ends[peer]
			for _, m := range messages {
				if !m.Mine { // what we write has its place before any archive has it
					r.ends[peer] = m.ArchiveID
				}
			}
		}
		if whole {
			r.heads[peer] = messages[0].ArchiveID
		}
		r.c.Emit(ev)
	}
	if news {
		r.news++
	}
}
