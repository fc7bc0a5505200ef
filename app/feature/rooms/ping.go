package rooms

import (
	"errors"
	"time"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

const (
	nsPing = "urn:xmpp:ping"
	// silence is the time without a stanza from a room after which it is asked whether we are still in it.
	silence = 15 * time.Minute
	// doubted is the wait before it is asked once more, after an answer that does not show that.
	doubted = 2 * time.Minute
)

// watch asks rooms that are silent whether we are still in them.
func (r *rooms) watch(c feature.Client) {
	r.stop()
	r.stop = c.After(silence, func() {
		for room, v := range r.visits {
			if c.Now().Sub(v.heard) >= silence {
				r.ping(c, room)
			}
		}
		r.watch(c)
	})
}

// pingAll asks all rooms in which we are.
func (r *rooms) pingAll(c feature.Client) {
	for room := range r.visits {
		r.ping(c, room)
	}
}

// ping asks a room whether we are still in it, by a ping to ourselves (XEP-0410), because a room on another server may
// have lost us without an error. If we are not in it, it is entered again.
func (r *rooms) ping(c feature.Client, room jid.JID) {
	v := r.visits[room]
	if v == nil || v.pinged || !c.State().Room(room).In() {
		return
	}
	v.pinged = true
	iq := framing.New(framing.NSClient, "iq").Set("type", "get").Set("to", string(room.WithResource(v.nick))).Add(framing.New(nsPing, "ping"))
	c.Request(iq, func(_ *framing.Element, err error) {
		v.pinged = false
		var refused *framing.StanzaError
		if r.visits[room] != v || !errors.As(err, &refused) || !c.State().Room(room).In() {
			return
		}
		switch refused.Condition {
		case "service-unavailable", "feature-not-implemented", "item-not-found":
			return // another client of ours has answered, or our nick has just changed
		case "remote-server-not-found", "remote-server-timeout":
			c.After(doubted, func() {
				if r.visits[room] == v {
					r.ping(c, room)
				}
			})
			return
		}
		c.Emit(state.RoomClosed{Room: room})
		c.Emit(state.RoomWanted{Room: room})
		r.describe(c, room, func(error) {})
		r.enter(c, room, v)
	})
}

// bounced asks a room that has sent a message back whether we are still in it.
func (r *rooms) bounced(c feature.Client, st *feature.Stanza) {
	if feature.Outside(st) {
		r.ping(c, st.Conv.JID())
	}
}
