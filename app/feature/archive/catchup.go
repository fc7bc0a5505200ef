package archive

import (
	"errors"
	"slices"
	"time"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// pauses are the times before a failed catch-up is tried again. They are short, because messages of ours
// may wait until the archive shows whether the server has them.
var pauses = []time.Duration{5 * time.Second, 20 * time.Second, time.Minute}

// reviews are the times, after a connection began, at which our archive is reviewed. Most is filed by the first. ejabberd
// keeps a dead session for five minutes, in case it is resumed, and then gives what was for it to all others, of
// which some may be dead too: after a hundred losses in two minutes, messages were filed 20 minutes later.
var reviews = []time.Duration{20 * time.Second, 20 * time.Minute, 40 * time.Minute}

// catchUp reads what is new since the last catch-up or, the first time, the newest page.
func (a *archive) catchUp(c feature.Client, part state.Part) { a.try(c, part, 0) }

// try begins a catch-up; failed is how many tries before it have failed.
func (a *archive) try(c feature.Client, part state.Part, failed int) {
	own := part.Archive == c.State().Account()
	if own {
		a.retry()
		a.busy = true
	}
	c.Emit(state.CatchUpStarted{Part: part, At: c.Now()})
	r := a.begin(c, state.NewCatchUp(c.State(), part))
	r.over = func(err error) {
		if own {
			a.busy = false
		}
		if errors.Is(err, stream.ErrDisconnected) {
			return // the next stream begins a catch-up again
		}
		if !own && err != nil && !none(err) && failed < len(pauses) {
			c.After(pauses[failed], func() { a.tryRoom(c, r, failed+1) })
			return
		}
		if !own {
			a.read(c, part.Archive)
			return
		}
		ev := state.CaughtUp{Failed: err != nil && !none(err)}
		ev.GaveUp = ev.Failed && failed == len(pauses)
		if ev.Failed && !ev.GaveUp {
			a.later(c, part, failed)
		} else if !ev.Failed {
			a.review(c)
		}
		c.Emit(ev)
	}
	r.next()
}

// roomsAtOnce is how many archives of rooms are read at the same time.
const roomsAtOnce = 4

// enter lets a room that we are in wait for a catch-up with its archive, if it has one.
func (a *archive) enter(c feature.Client, room jid.JID) {
	if now := c.State().Room(room); !now.In() || !now.Archive {
		return
	}
	if !slices.Contains(a.rooms, room) {
		a.rooms = append(a.rooms, room)
	}
	a.nextRooms(c)
}

func (a *archive) nextRooms(c feature.Client) {
	for len(a.rooms) > 0 && len(a.reading) < roomsAtOnce {
		room := a.rooms[0]
		a.rooms = a.rooms[1:]
		if c.State().Room(room).In() {
			a.reading[room] = true
			a.catchUp(c, state.Part{Archive: room})
		}
	}
}

// tryRoom tries a catch-up with the archive of a room again, unless we are no longer there or
// another one has begun.
func (a *archive) tryRoom(c feature.Client, before *reading, failed int) {
	part := before.plan.Part
	switch {
	case !before.counts():
	case c.State().Room(part.Archive).In() && c.State().Connection.Phase == state.Online:
		a.try(c, part, failed)
	default:
		a.read(c, part.Archive)
	}
}

// read ends the catch-up with the archive of a room, whether it failed or not, and begins the next.
func (a *archive) read(c feature.Client, room jid.JID) {
	delete(a.reading, room)
	if now := c.State().Room(room); now != nil && now.Step == state.Arriving {
		c.Emit(state.RoomInside{Room: room})
	}
	a.nextRooms(c)
}

// begin returns a reading that replaces the last one of this archive.
func (a *archive) begin(c feature.Client, plan *state.Plan) *reading {
	r := &reading{a: a, c: c, plan: plan}
	r.counts = func() bool { return a.last[plan.Part.Archive] == r }
	a.last[plan.Part.Archive] = r
	return r
}

// later sets a timer to try a catch-up with our archive again. Without a connection then, it waits
// once more.
func (a *archive) later(c feature.Client, part state.Part, failed int) {
	a.retry = c.After(pauses[failed], func() {
		if c.State().Connection.Phase != state.Online {
			a.later(c, part, failed)
			return
		}
		a.try(c, part, failed+1)
	})
}

// none reports whether the error says that there is no archive for us. Then no other try is made.
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

// review sets the timer of the first review of our archive, from which the others follow. They run after a resume
// too, because ejabberd 23 files the messages that it had sent to the lost socket, but does not deliver them.
func (a *archive) review(c feature.Client) {
	a.wait()
	a.wait = c.After(reviews[0], func() { a.again(c, 0, 0) })
}

// again reviews our archive: it reads the messages again that were not settled. nth says which of reviews
// it is, failed how many tries of this one have failed.
func (a *archive) again(c feature.Client, nth, failed int) {
	part := state.Part{Archive: c.State().Account()}
	if a.busy || !c.State().CaughtUp || c.State().Coverage(part).Fill.Loading {
		a.wait = c.After(reviews[0], func() { a.again(c, nth, failed) })
		return
	}
	plan := state.NewReview(c.State(), part)
	if plan == nil {
		return
	}
	r := a.begin(c, plan)
	r.quiet = true
	r.over = func(err error) {
		switch {
		case errors.Is(err, stream.ErrDisconnected) || none(err): // the next connection begins again
		case err != nil && failed < len(pauses):
			a.wait = c.After(pauses[failed], func() { a.again(c, nth, failed+1) })
		case nth+1 < len(reviews):
			a.wait = c.After(reviews[nth+1]-reviews[nth], func() { a.again(c, nth+1, 0) })
		}
	}
	r.next()
}

// note notes what is the newest message of each room that we are in, when a connection is lost.
func (a *archive) note(c feature.Client) {
	for room := range c.State().Rooms {
		if _, noted := a.newest[room.JID]; noted || room.Step != state.Inside || !room.Archive {
			continue
		}
		a.newest[room.JID] = ""
		if chat := c.State().Chat(state.Groupchat.With(room.JID)); chat != nil {
			for _, m := range slices.Backward(chat.Timeline.Newest(state.PageSize)) {
				if m.ArchiveID != "" {
					a.newest[room.JID] = m.ArchiveID
					break
				}
			}
		}
	}
}

// soonLookBack sets the timer of lookBack, after a resume. If another connection is lost before it is over, it begins
// later, and from the same messages.
func (a *archive) soonLookBack(c feature.Client) {
	a.back()
	a.back = c.After(reviews[0], func() { a.lookBack(c) })
}

// lookBack reads what came to rooms since the connection was lost, one room after the other (see state.NewLookBack).
func (a *archive) lookBack(c feature.Client) {
	for room := range a.newest {
		part := state.Part{Archive: room}
		now, plan := c.State().Room(room), state.NewLookBack(c.State(), part, a.newest[room])
		switch {
		case now == nil || now.Step != state.Inside || a.reading[room] || plan == nil: // a catch-up reads it
			delete(a.newest, room)
			continue
		case c.State().Coverage(part).Fill.Loading:
			a.soonLookBack(c)
			return
		}
		r := &reading{a: a, c: c, plan: plan, quiet: true, counts: func() bool { return true }}
		r.over = func(err error) {
			if !errors.Is(err, stream.ErrDisconnected) {
				delete(a.newest, room)
				a.lookBack(c)
			}
		}
		r.next()
		return
	}
}
