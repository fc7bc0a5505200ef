// Package archive reads message archives (XEP-0313): the missed messages when a stream starts, older
// pages when the person scrolls back, and the messages of a gap.
//
// state.Plan decides which page to ask for and what the answer means; this package asks. What the store
// has of an archive is state.Coverage. It grows only by whole pages, by the ids on these pages. Ids
// on live messages can be forged, and a forged one would make every later query fail. If a page
// is lost, an answer makes no sense, or an archive has forgotten our last id, there is a gap, which the
// person sees and can ask to fill.
//
// catchup.go says when an archive is read, seek.go finds a place in it, original.go reads the XML of one
// message, page.go asks for a page and reads the answer.
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
			a.back()
			clear(a.newest) // all rooms are entered again
			if sought := c.State().Sought; sought != nil && sought.Loading {
				c.Emit(state.SoughtChanged{}) // the last leader had begun to look, and is gone
			}
			if o := c.State().Original; o != nil && o.Loading {
				c.Emit(state.OriginalRead{})
			}
			a.catchUp(c, state.Part{Archive: c.State().Account()})
		},
		Resumed: func(c feature.Client, _ bool) { a.soonLookBack(c) },
		Do:      a.do,
		Observe: func(c feature.Client, ev state.Event) {
			switch ev := ev.(type) {
			case state.ConnectionChanged:
				a.wait()
				if ev.Connection.Phase == state.Online {
					a.review(c)
				} else {
					a.note(c)
				}
			case state.RoomEntered:
				a.enter(c, ev.Room)
			case state.RoomDoubted:
				a.enter(c, ev.Room)
			case state.RoomDescribed:
				if len(c.State().Coverage(state.Part{Archive: ev.Room}).Ranges) == 0 {
					a.enter(c, ev.Room) // at RoomEntered we did not know that it has an archive
				}
			}
		},
	}
}

type archive struct {
	open    map[string]*query    // by queryid
	last    map[jid.JID]*reading // the newest catch-up or review of each archive
	rooms   []jid.JID            // rooms that wait for a catch-up
	reading map[jid.JID]bool     // rooms with a catch-up under way
	wait    func()               // stops the timer of again
	busy    bool                 // a catch-up with our own archive is under way
	retry   func()               // stops the timer of its next try
	// newest has the rooms to look back to (see lookBack), with the archive id of the newest message there when the
	// connection was lost.
	newest map[jid.JID]string
	back   func() // stops the timer of lookBack

	seeking state.Seek         // the place that the person looks for
	showing state.ReadOriginal // the message whose XML the person wants to see
}

func newArchive() *archive {
	return &archive{open: map[string]*query{}, last: map[jid.JID]*reading{}, reading: map[jid.JID]bool{}, wait: func() {}, retry: func() {},
		newest: map[jid.JID]string{}, back: func() {}}
}

// mostPages is how many pages of a gap LoadMissing loads at most.
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
	case state.ReadOriginal:
		a.original(c, in)
	default:
		return false
	}
	return true
}

// fill loads the gap of a conversation that comes after the message with this archive id, pages pages at most.
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
			return // offline: the catch-up of the next stream fills it
		}
		r := &reading{a: a, c: c, plan: plan, counts: func() bool { return true }, over: func(error) {}}
		r.next()
		return
	}
}

// reading carries out a Plan: it asks for each page when the one before has come.
type reading struct {
	a      *archive
	c      feature.Client
	plan   *state.Plan
	filled *string     // Gap.After.ID of the gap that is being filled, nil if none is
	quiet  bool        // the person sees no error, because nobody waits for the pages
	until  func() bool // reports true when it may end early; nil if it reads the whole Plan
	counts func() bool // reports false when a later reading has replaced this one
	over   func(error) // called at the end, with an error if it failed
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

// fail ends the reading. The person sees where messages may be missing, and why. After a lost
// connection they see it only in a gap that was being filled, because the next stream reads on.
func (r *reading) fail(err error) {
	if r.filled != nil || !r.quiet && !errors.Is(err, stream.ErrDisconnected) {
		r.c.Emit(state.ArchiveFilled{Part: r.plan.Part, After: r.plan.Gap(), Text: reason(err)})
	}
	r.over(err)
}

// reason returns the sentence for the person.
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
