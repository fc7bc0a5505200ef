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

// pauses are how long it is until a catch-up that has failed is tried again, the first
// time and after that: messages may wait to hear whether they have arrived.
var pauses = []time.Duration{5 * time.Second, 20 * time.Second, time.Minute}

const (
	// lasted is how long after the last of them everything is filed: a session that is dead
	// is kept for the five minutes in which it could be resumed, and so are those that were
	// to take its place: 13 minutes were seen.
	lasted = 20 * time.Minute
	// soon is when most of them are there.
	soon = 20 * time.Second
)

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
	c.Emit(state.CatchUpStarted{Part: part, At: c.Now()})
	r := a.begin(c, state.NewCatchUp(c.State(), part))
	r.over = func(err error) {
		if own {
			a.busy = false
		}
		if errors.Is(err, stream.ErrDisconnected) {
			return // the next stream begins anew
		}
		if !own {
			a.read(c, part.Archive)
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
	r.next()
}

// roomsAtOnce is how many archives of rooms are read at the same time.
const roomsAtOnce = 4

// enter reads the archive of a room that we are in, when it is its turn.
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

// read notes that the archive of a room has told what was said before we came, or will not.
func (a *archive) read(c feature.Client, room jid.JID) {
	delete(a.reading, room)
	if now := c.State().Room(room); now != nil && now.Step == state.Arriving {
		c.Emit(state.RoomSettled{Room: room})
	}
	a.nextRooms(c)
}

// begin makes the reading that counts from now on.
func (a *archive) begin(c feature.Client, plan *state.Plan) *reading {
	r := &reading{a: a, c: c, plan: plan}
	r.counts = func() bool { return a.last[plan.Part.Archive] == r }
	a.last[plan.Part.Archive] = r
	return r
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

// again reads once more what was not settled in our archive. That is also done after a resume:
// ejabberd 23 does not deliver, but only files, what was on its way to the broken socket.
// Nobody waits for it. After that time it is done for the last time.
func (a *archive) again(c feature.Client, then time.Duration) {
	part := state.Part{Archive: c.State().Account()}
	if a.busy || !c.State().CaughtUp || c.State().Coverage(part).Fill.Loading {
		a.wait = c.After(soon, func() { a.again(c, then) })
		return
	}
	plan := state.NewReview(c.State(), part)
	if plan == nil {
		return
	}
	r := a.begin(c, plan)
	r.quiet = true
	r.over = func(err error) {
		if err == nil && then > 0 {
			a.wait = c.After(then, func() { a.again(c, 0) })
		}
	}
	r.next()
}
