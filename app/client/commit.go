package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
)

// Each turn of the loop ends with a commit of the rows that differ, and of the counts of the stream.
// One commit is under way at a time. The loop goes on meanwhile, and its changes are in the next
// commit. The stanzas in a commit are acknowledged to the server, the messages in it leave, and the
// other tabs get its rows, only when it has succeeded (Sec59 and Sec61 in doc/rules.md).

const (
	// pace is the least time between the beginnings of two commits: three frames, so that no
	// frame has two. A message of the person does not wait for it.
	pace = 50 * time.Millisecond
	// lull is the same if only the counts of the stream have changed, for example by a chat state.
	lull = time.Second
	// crowd is the number of stanzas that do not wait for lull, for example the presences of a large
	// room: the stream stops reading if too many are not committed (stream.Config.Backlog).
	crowd = 500
	// headStart is how long drawing waits at most for the commit of a message of ours, so that the
	// message leaves first: drawing would delay the answer of the disk by a frame.
	headStart = 5 * time.Millisecond
)

// committing is the part of the loop that commits.
type committing struct {
	kept        *state.State // the state that the store holds
	server      string       // the endpoint typed by the person, as the store holds it
	onces       string       // the ids of the newest intents that were carried out (state.Once), with spaces between
	noted       string       // onces as the store holds it
	under       *commit      // the commit under way, nil if there is none
	began       time.Time    // when the last commit began
	urgent      bool         // the next commit must not wait for pace
	meant       bool         // the next commit must not wait for lull
	streamDirty bool         // the stream has changed since the last commit
	due         time.Time    // when lookIn looks next
	look        func()       // stops the timer of lookIn, nil if none is set
	retry       func()       // stops the timer after a commit that failed, nil if none did
}

// commit is a commit that is under way.
type commit struct {
	store    store.Store
	stream   *stream.Stream
	state    *state.State // what the store will hold
	server   string
	onces    string
	snapshot *stream.Snapshot // nil if the stream has not changed
	received uint64           // the number of the last received stanza in the snapshot
	requests granted
	sends    bool // it was urgent
	done     chan error
}

// commit ends a turn of the loop.
func (l *loop) commit() {
	switch {
	case l.link != nil && !l.leads:
		return // a mirror writes nothing
	case l.store == nil || l.retry != nil:
		l.uncommitted()
		return
	case l.under != nil:
		return // committed begins a turn, which commits again
	case l.state.Me == "" || l.state.Connection.Phase == state.SigningIn:
		l.uncommitted() // the server has not accepted the password yet
		return
	case l.state == l.kept && !l.streamDirty && l.request.Server == l.server:
		if l.link != nil {
			l.tell(l.state, l.granted())
		}
		return
	}
	now := l.Now()
	if wait := pace - now.Sub(l.began); wait > 0 && wait <= pace && !l.urgent {
		l.lookIn(wait)
		return
	}
	b := l.batch()
	if b.Empty() {
		l.kept = l.state // they differ only in what is never written
		if l.link != nil {
			l.tell(l.state, l.granted())
		}
		if !l.streamDirty {
			l.urgent, l.meant = false, false
			return
		}
	}
	quiet := onlyCounts(b) && !l.meant && !l.urgent && l.received-l.stored < crowd
	if wait := lull - now.Sub(l.began); quiet && wait > 0 && wait <= lull {
		l.lookIn(wait)
		return
	}
	l.start(b)
}

// onlyCounts reports whether a batch does nothing but remove stanzas from the outbox. The server has
// these, and the counts of the stream say so too.
func onlyCounts(b *store.Batch) bool {
	return len(b.Settings) == 0 && !slices.ContainsFunc(b.Rows, func(r state.Row) bool {
		_, out := r.Value.(*state.Outgoing)
		return !out || !r.Gone
	})
}

// lookIn sets a timer for a turn of the loop, which looks again whether to commit.
func (l *loop) lookIn(wait time.Duration) {
	at := l.Now().Add(wait)
	if l.look != nil {
		if !at.Before(l.due) {
			return
		}
		l.look()
	}
	l.due = at
	l.look = l.After(wait, func() { l.look = nil }) // the end of that turn is the look
}

// batch returns all that has to be written, except the row of the stream.
func (l *loop) batch() *store.Batch {
	b := &store.Batch{}
	if l.state != l.kept {
		b = store.Changes(l.kept, l.state)
	}
	b.Settings = map[string]string{}
	if l.request.Server != l.server {
		b.Settings[serverSetting] = l.request.Server
	}
	if l.onces != l.noted {
		b.Settings[onceSetting] = l.onces
	}
	return b
}

// start begins a commit.
func (l *loop) start(b *store.Batch) {
	c := &commit{
		store: l.store, stream: l.stream, state: l.state, server: l.request.Server, onces: l.onces,
		requests: l.granted(), sends: l.urgent, done: make(chan error, 1),
	}
	if c.sends {
		l.After(headStart, func() {}) // the end of that turn publishes
	}
	if l.streamDirty && l.stream != nil {
		c.received, c.snapshot = l.received, l.stream.Snapshot(l.received)
		b.Stream = pack(c.snapshot)
	}
	l.under, l.began = c, l.Now()
	l.streamDirty, l.meant, l.urgent = false, false, false
	go func() {
		c.done <- c.store.Commit(context.Background(), b)
		l.c.post(func() { l.committed(c) })
	}()
}

// leavesFirst reports whether publishing has to wait (see headStart) for an urgent commit.
func (l *loop) leavesFirst() bool {
	took := l.Now().Sub(l.began)
	return l.under != nil && l.under.sends && took >= 0 && took < headStart
}

// committed waits for the end of a commit and handles its result.
func (l *loop) committed(c *commit) {
	if l.under != c {
		return // save has handled it already, or giveUp has forgotten it
	}
	err := <-c.done
	l.under = nil
	switch {
	case err == nil:
		l.kept, l.server, l.noted = c.state, c.server, c.onces
		l.releaseAll()
		if p := l.state.Storage; p != nil && p.Kind != notRemembered.Kind {
			l.Emit(state.StorageChanged{})
		}
		if c.snapshot != nil && c.stream == l.stream {
			l.stored = c.received
			c.stream.Commit(c.snapshot)
		}
		if l.link != nil {
			l.tell(c.state, c.requests)
		}
	case errors.Is(err, store.ErrTaken):
		l.stolen()
	default:
		l.streamDirty = true
		l.trouble(err)
		if errors.Is(err, store.ErrQuota) {
			l.prune(context.Background())
		}
		l.retry = l.After(retryAfter, func() { l.retry = nil })
	}
	l.c.publish(l.state)
}

// uncommitted ends a turn without a commit: there is no store, or it fails, or nobody is signed in
// yet. While the store fails, received stanzas are not acknowledged, so that the server keeps
// them. Messages are still sent: the person has been warned.
func (l *loop) uncommitted() {
	failing := l.store != nil && l.retry != nil
	if !failing {
		l.stored = l.received
	}
	if l.stream != nil {
		l.stream.Commit(l.stream.Snapshot(l.stored))
	}
	if l.link != nil {
		l.tell(l.state, l.granted())
	}
	if l.store == nil || failing {
		l.streamDirty, l.meant, l.urgent = failing, false, false
	}
}

// save commits all changes, waits for that, and reports whether this tab still leads.
func (l *loop) save() bool {
	if l.under != nil {
		l.committed(l.under)
	}
	if l.store == nil || l.retry != nil || l.link != nil && !l.leads {
		return l.link == nil || l.leads
	}
	if b := l.batch(); l.streamDirty || !b.Empty() {
		l.start(b)
		l.committed(l.under)
	}
	return l.link == nil || l.leads
}

// giveUp forgets the commit that is under way and stops the timers of the next, because this tab no
// longer writes to the store.
func (l *loop) giveUp() {
	for _, stop := range []func(){l.retry, l.look} {
		if stop != nil {
			stop()
		}
	}
	l.under, l.retry, l.look = nil, nil, nil
}
