// Package archive reads message archives (XEP-0313): what was missed when a stream
// starts, older pages when somebody scrolls back, and what is missing in between.
//
// state.Plan says which page is asked for and what it means; this package asks, and passes the
// answer on. What of an archive is here is state.Coverage, and it grows by whole pages only, by
// the ids that the archive itself gave for them: ids on live messages can be forged,
// and a forged one would make every later query fail. Whatever else happens, a page
// that is lost, an answer that makes no sense, an archive that has forgotten where we
// were, leaves a gap that the person sees and can have filled.
//
// catchup.go says when an archive is read, seek.go how a place in it is found; page.go asks for a page
// and reads it.
package archive

import (
	"errors"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// New returns the feature.
func New() *feature.Feature { return newArchive().feature() }

func (a *archive) feature() *feature.Feature {
	return &feature.Feature{
		Name:      "message archive (XEP-0313)",
		CatchesUp: true,
		Messages: map[framing.Name]feature.Handler{
			{Space: NS, Local: "result"}: a.result,
		},
		Start: func(c feature.Client) {
			a.rooms, a.reading = nil, map[jid.JID]bool{}
			if sought := c.State().Sought; sought != nil && sought.Loading {
				c.Emit(state.SoughtChanged{}) // by who led before
			}
			a.catchUp(c, state.Part{Archive: c.State().Account()})
		},
		Do: a.do,
		Observe: func(c feature.Client, ev state.Event) {
			switch ev := ev.(type) {
			case state.ConnectionChanged:
				a.wait()
				if ev.Connection.Phase == state.Online {
					a.wait = c.After(soon, func() { a.again(c, lasted-soon) })
				}
			case state.RoomEntered:
				a.enter(c, ev.Room)
			case state.RoomDescribed:
				if len(c.State().Coverage(state.Part{Archive: ev.Room}).Ranges) == 0 {
					a.enter(c, ev.Room) // it was not known to have an archive
				}
			}
		},
	}
}

type archive struct {
	open map[string]*query    // by queryid
	last map[jid.JID]*reading // the newest catch-up of each archive
	// Of rooms: those that wait for a catch-up, and those that have one under way.
	rooms   []jid.JID
	reading map[jid.JID]bool
	wait    func() // stops the timer of again
	// Of the catch-up with our own archive:
	busy  bool   // it is under way
	retry func() // stops the timer of the next try

	seeking state.Seek // what the person looks for
}

func newArchive() *archive {
	return &archive{open: map[string]*query{}, last: map[jid.JID]*reading{}, reading: map[jid.JID]bool{}, wait: func() {}, retry: func() {}}
}

// mostPages is how many pages of a gap are loaded when somebody asks for what is missing.
const mostPages = 100

func (a *archive) do(c feature.Client, in state.Intent) bool {
	switch in := in.(type) {
	case state.LoadOlder:
		if gap := c.State().Older(in.Conv); gap != nil {
			a.fill(c, in.Conv, gap.After.ID, 1)
		}
	case state.LoadMissing:
		a.fill(c, in.Conv, in.After, mostPages)
	case state.Seek:
		a.seeking = in
		if in.Conv == "" {
			c.Emit(state.SoughtChanged{})
		} else {
			c.Emit(state.SoughtChanged{Sought: &state.Sought{Seek: in, Loading: true}})
			a.seek(c, in, "")
		}
	default:
		return false
	}
	return true
}

// fill loads what is missing in a gap of a conversation, up to so many pages.
func (a *archive) fill(c feature.Client, conv state.ConvID, after string, pages int) {
	plan, s := state.NewFill(c.State(), conv, after, pages), c.State()
	for _, gap := range s.Gaps(conv) {
		if gap.After.ID != after || gap.Fill.Loading || s.Coverage(plan.Part).Fill.Loading {
			continue
		}
		if gap.Open {
			if s.CaughtUp && s.Connection.Phase == state.Online {
				a.catchUp(c, state.Part{Archive: plan.Part.Archive})
			}
			return // or the next stream does
		}
		r := &reading{a: a, c: c, plan: plan, counts: func() bool { return true }, over: func(error) {}}
		r.next()
		return
	}
}

// reading is a Plan that is carried out: each page is asked for when the one before has come.
type reading struct {
	a      *archive
	c      feature.Client
	plan   *state.Plan
	filled *string     // Gap.After.ID of the gap that is being filled, nil if none is
	quiet  bool        // nobody waits for it
	until  func() bool // true when it has brought what it was begun for; nil if it is to read all
	counts func() bool // false when another has begun in its place, as with another stream
	over   func(error) // called at the end, with what went wrong if something did
}

// next asks for the next page.
func (r *reading) next() {
	k, more := r.plan.Next(r.c.State())
	more = more && !(r.until != nil && r.until())
	if r.filled != nil && (!more || !k.Fills || k.Gap != *r.filled) {
		r.c.Emit(state.ArchiveFilled{Part: r.plan.Part, After: *r.filled})
		r.filled = nil
	}
	if !more {
		r.over(nil)
		return
	}
	if k.Fills && r.filled == nil {
		r.filled = &k.Gap
		r.c.Emit(state.ArchiveAsked{Part: r.plan.Part, After: k.Gap})
	}
	r.ask(k, func(p *feature.Page, page state.Page, err error) {
		if err != nil && !page.Unknown {
			r.fail(err)
			return
		}
		events, whole := r.plan.Learn(r.c.State(), k, page)
		feature.Emit(r.c, events)
		p.Added()
		switch {
		case whole:
			r.next()
		case err != nil:
			r.fail(err)
		default:
			r.fail(errBroken)
		}
	})
}

// fail ends the reading. The person sees where messages may be missing, and why; after the end
// of a connection the next stream goes on.
func (r *reading) fail(err error) {
	if r.filled != nil || !r.quiet && !errors.Is(err, stream.ErrDisconnected) {
		r.c.Emit(state.ArchiveFilled{Part: r.plan.Part, After: r.plan.Gap(), Text: reason(err)})
	}
	r.over(err)
}

// reason says what the person reads.
func reason(err error) string {
	var refused *framing.StanzaError
	switch {
	case errors.Is(err, stream.ErrDisconnected):
		return "The connection was lost before they came."
	case errors.Is(err, errBroken):
		return "The server's answer was not complete."
	case errors.As(err, &refused):
		return "The server refused to look them up."
	}
	return "The server did not answer."
}
