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

// Each turn of the loop ends with a commit: the rows that differ, and the counts of the stream.
// One commit is under way at a time. The loop goes on meanwhile, and its changes are in the next
// one. Only after a commit the stanzas in it are acknowledged to the server, the messages in it
// leave, and the other tabs get its rows (security rows 59 and 61).

// pace is the least time between the beginnings of two commits: a frame. A message of the person
// does not wait for it. If only the counts of the stream have changed, as by a chat state, the
// commit waits for lull, unless there is something else to write before.
const (
	pace = 16 * time.Millisecond
	lull = time.Second
	// headStart is how long drawing waits for the commit of a message of ours, so that the
	// message leaves first: drawing would hold up the answer of the disk for a frame. Most
	// answers come in a fraction of this.
	headStart = 5 * time.Millisecond
)

// committing is the part of the loop that commits.
type committing struct {
	kept        *state.State // what the store holds
	server      string       // and the endpoint of the person's own it holds
	under       *commit      // the one under way, nil if none is
	began       time.Time    // the last one
	urgent      bool         // the person waits for the next one
	meant       bool         // the stream has something that may not wait for lull
	streamDirty bool         // the stream went on since the last commit
	due         time.Time    // when the next look is, zero if none is set
	look        func()       // gives that up
	retry       func()       // gives up the next try of a commit that failed
}

// commit is one that is under way.
type commit struct {
	store    store.Store
	stream   *stream.Stream
	state    *state.State // what the store holds when it is done
	server   string
	snapshot *stream.Snapshot // nil if the stream has not gone on
	received uint64           // the last stanza that is in it
	requests granted
	sends    bool // the person waits for it
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
		return // the next turn ends no later than it does
	case l.state.Me == "" || l.state.Connection.Phase == state.SigningIn:
		l.uncommitted() // nobody has shown yet that the account is theirs
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
		l.kept = l.state // in what is written they are the same
		if l.link != nil {
			l.tell(l.state, l.granted())
		}
		if !l.streamDirty {
			l.urgent, l.meant = false, false
			return
		}
	}
	if wait := lull - now.Sub(l.began); onlyCounts(b) && !l.meant && !l.urgent && wait > 0 && wait <= lull {
		l.lookIn(wait)
		return
	}
	l.start(b)
}

// onlyCounts reports whether a batch says no more than the counts of the stream do: that the
// server has stanzas of the outbox.
func onlyCounts(b *store.Batch) bool {
	return len(b.Settings) == 0 && !slices.ContainsFunc(b.Rows, func(r state.Row) bool {
		_, out := r.Value.(*state.Outgoing)
		return !out || !r.Gone
	})
}

// lookIn has the loop look again whether a commit is due.
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

// batch is what has to be written but for the stream.
func (l *loop) batch() *store.Batch {
	b := &store.Batch{}
	if l.state != l.kept {
		b = store.Changes(l.kept, l.state)
	}
	if l.request.Server != l.server {
		b.Settings = map[string]string{serverSetting: l.request.Server}
	}
	return b
}

// start begins a commit.
func (l *loop) start(b *store.Batch) {
	c := &commit{
		store: l.store, stream: l.stream, state: l.state, server: l.request.Server,
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

// leavesFirst reports whether what is new may wait until a message of ours is on the disk.
func (l *loop) leavesFirst() bool {
	took := l.Now().Sub(l.began)
	return l.under != nil && l.under.sends && took >= 0 && took < headStart
}

// committed takes how a commit has ended, and waits for that if it has not.
func (l *loop) committed(c *commit) {
	if l.under != c {
		return // it was waited for, or is of a store that is no longer ours
	}
	err := <-c.done
	l.under = nil
	switch {
	case err == nil:
		l.kept, l.server = c.state, c.server
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
// yet. While the store fails, received stanzas stay unacknowledged, so that the server keeps
// them. Messages leave all the same: the person has been warned.
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

// save writes down all there is, waits for it, and reports whether this tab still leads.
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

// giveUp forgets the commit that is under way and those to come: the store is no longer ours
// to write to.
func (l *loop) giveUp() {
	for _, stop := range []func(){l.retry, l.look} {
		if stop != nil {
			stop()
		}
	}
	l.under, l.retry, l.look = nil, nil, nil
}
