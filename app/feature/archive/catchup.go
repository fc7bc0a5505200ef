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

const (
	// lasted is how long after a connection began the last review reads: by then the archive has filed all.
	// ejabberd keeps a dead session for five minutes, in case it is resumed, and then
	// the one that was to replace it: 13 minutes were seen.
	lasted = 20 * time.Minute
	// soon is how long after a connection began the first review reads: most is filed by then.
	soon = 20 * time.Second
)

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
			a.reviews(c)
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

// reviews sets the timer of the first review of our archive. The last one follows when the connection has lasted.
// They run after a resume too, because ejabberd 23 files the messages that it had sent to the lost socket, but
// does not deliver them.
func (a *archive) reviews(c feature.Client) {
	a.wait()
	a.wait = c.After(soon, func() { a.again(c, lasted-soon, 0) })
}

// again reviews our archive: it reads the messages again that were not settled, now and, if then is not 0,
// once more when then has passed. failed is how many tries before this one have failed.
func (a *archive) again(c feature.Client, then time.Duration, failed int) {
	part := state.Part{Archive: c.State().Account()}
	if a.busy || !c.State().CaughtUp || c.State().Coverage(part).Fill.Loading {
		a.wait = c.After(soon, func() { a.again(c, then, failed) })
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
			a.wait = c.After(pauses[failed], func() { a.again(c, then, failed+1) })
		case then > 0:
			a.wait = c.After(then, func() { a.again(c, 0, 0) })
		}
	}
	r.next()
}
