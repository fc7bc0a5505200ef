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
//
// catchup.go reads what was missed, fill.go what is missing in between, review.go once more
// what may have been filed late; page.go asks for a page and reads it.
package archive

import (
	"cmp"
	"errors"
	"slices"

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
			case state.Applied:
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
		if gap := c.State().Older(in.Conv); gap != nil {
			a.fill(c, in.Conv, gap.After.ID, 1)
		}
	case state.LoadMissing:
		a.fill(c, in.Conv, in.After, most)
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
	conv   state.ConvID
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
	tails, heads map[state.ConvID]string
	// ends are the last messages of others on the pages that came forward, up to here.
	ends map[state.ConvID]string
	// over is called at the end, with what went wrong if something did.
	over func(error)
}

// part is where the messages of a conversation are asked for.
func part(c feature.Client, conv state.ConvID) state.Part {
	peer := conv.JID()
	if room := (state.Part{Archive: peer}); c.State().Coverage(room).Ranges != nil {
		return room
	}
	return state.Part{Archive: c.State().Account(), With: peer}
}

// reason says what the person reads.
func reason(err error) string {
	var refused *framing.StanzaError
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

// counts reports whether no other catch-up of the archive has begun, as with another stream.
func (r *reading) counts() bool { return r.a.last[r.part.Archive] == r }

func (r *reading) ranges() state.Ranges { return r.c.State().Coverage(r.part).Ranges }

func forgotten(err error) bool {
	var refused *framing.StanzaError
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
	convs := make([]state.ConvID, 0, len(p.Messages))
	for conv := range p.Messages {
		convs = append(convs, conv)
	}
	slices.Sort(convs)
	news := false
	for _, conv := range convs {
		messages, chat := p.Messages[conv], r.c.State().Chat(conv)
		for i := range messages {
			news = news || chat == nil || chat.Timeline.Find(&messages[i]) == nil
		}
		ev := state.ArchivePage{Conv: conv, Messages: messages, Older: older, Unread: !r.past}
		switch {
		case older && whole:
			ev.After, ev.Before = cmp.Or(r.tails[conv], r.after), r.heads[conv]
		case !older:
			ev.After = r.ends[conv]
			for _, m := range messages {
				if !m.Mine { // what we write has its place before any archive has it
					r.ends[conv] = m.ArchiveID
				}
			}
		}
		if whole {
			r.heads[conv] = messages[0].ArchiveID
		}
		r.c.Emit(ev)
	}
	if news {
		r.news++
	}
}
