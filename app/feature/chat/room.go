package chat

import (
	"strings"
	"time"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// reflections has the messages of ours that rooms have not sent back to us.
type reflections struct {
	waits map[string]func() // by id, a function that stops the timer
	again map[string]string // by id, of those that are sent to a room once more: what the person is told if that fails too
}

// unreflected is how long a room may take to send a message back, once our server has it. Some
// gateways never do.
const unreflected = 30 * time.Second

func (r *reflections) forget() {
	for id := range r.waits {
		r.stop(id)
	}
	clear(r.again)
}

// stop ends the wait for a message, if there is one.
func (r *reflections) stop(id string) {
	if stop := r.waits[id]; stop != nil {
		stop()
		delete(r.waits, id)
	}
}

// await waits for a message that our server has to come back from its room.
func (r *reflections) await(c feature.Client, st *framing.Element) {
	conv, id := convOf(st), st.Attr("id")
	if m := ours(c, conv, id); m != nil && m.Delivery == state.Queued && r.waits[id] == nil {
		r.waits[id] = c.After(unreflected, func() { r.overdue(c, conv, id) })
	}
}

// lost is what the person is told of a message that a room with an archive has neither there nor sent back.
const lost = "The room did not send it back, so perhaps nobody has it."

// overdue decides what becomes of a message that has not come back. Without an archive nobody knows more, and it counts
// as sent. Else the archive is read, and if the message is not there, it is sent once more, but only once.
func (r *reflections) overdue(c feature.Client, conv state.ConvID, id string) {
	delete(r.waits, id)
	room, m := c.State().Room(conv.JID()), ours(c, conv, id)
	switch {
	case m == nil || m.Delivery != state.Queued || !room.In(): // it is sent when we are in the room again
	case c.State().Connection.Phase != state.Online:
		r.waits[id] = c.After(unreflected, func() { r.overdue(c, conv, id) })
	case r.again[id] != "":
		say(c, conv, id, state.GaveUp, r.again[id])
	case !room.Archive:
		say(c, conv, id, state.Acked, "")
	default:
		r.again[id] = lost
		if room.Step == state.Inside {
			c.Emit(state.RoomDoubted{Room: room.JID})
		}
	}
}

// refused handles a message that its room has sent back because we are not in it, as a room says that has lost us
// (XEP-0045 §7.4). Package rooms asks it whether that is so, and enters it again; then the message is sent once
// more. If we are in it after all, or it refuses the message again, the message has failed.
func (r *reflections) refused(c feature.Client, st *feature.Stanza) {
	if !feature.Outside(st) || st.ID == "" || st.By.Mine || st.Source != feature.Live {
		return
	}
	r.stop(st.ID)
	m := ours(c, st.Conv, st.ID)
	if m == nil || m.Delivery != state.Queued || r.again[m.ID] != "" {
		c.Emit(st.Says(state.Bounced, c.State().Account(), st.ID, feature.Bounced(st)))
		return
	}
	conv, id := state.ConvID(strings.Clone(string(st.Conv))), m.ID
	r.again[id] = feature.Bounced(st)
	r.waits[id] = c.After(unreflected, func() { r.overdue(c, conv, id) })
}

// revisit ends the waits for what was sent before we entered a room: sendWaiting sends it again, unless it is found
// before that.
func (r *reflections) revisit(c feature.Client, room jid.JID) {
	if chat := c.State().Chat(state.Groupchat.With(room)); chat != nil {
		for m := range chat.Timeline.Queued {
			r.stop(m.ID)
		}
	}
}

// back returns our id of a message that a room has sent back. If the room does not promise to keep ids, it may have
// another one; then back returns that of our oldest queued message with the same text.
func (r *reflections) back(c feature.Client, conv state.ConvID, m *state.Message) string {
	id := m.ID
	if room := c.State().Room(conv.JID()); room != nil && !room.StableIDs && ours(c, conv, id) == nil {
		if chat := c.State().Chat(conv); chat != nil {
			for o := range chat.Timeline.Queued {
				if o.Body == m.Body {
					id = o.ID
					break
				}
			}
		}
	}
	r.stop(id)
	delete(r.again, id)
	return id
}

// waits reports whether messages of a conversation must wait until we are in its room.
func waits(c feature.Client, conv state.ConvID) bool {
	if conv.Kind() == state.Direct {
		return false
	}
	room := c.State().Room(conv.JID())
	return room == nil || room.Step != state.Inside
}

// sendWaiting sends the queued messages of a room: those that were written before we were in it, and those that were
// sent and have not come back. Messages in the outbox leave by themselves, and what has just left may still come back.
func (r *reflections) sendWaiting(c feature.Client, conv state.ConvID) {
	chat := c.State().Chat(conv)
	if chat == nil {
		return
	}
	for m := range chat.Timeline.Queued {
		if c.State().Outgoing(m.ID) != nil || r.waits[m.ID] != nil {
			continue
		}
		st := stanza(c, conv, m)
		switch o, other := c.State().Partner(conv); {
		case conv.Kind() == state.Private && other:
			markDelivery(c, st, state.GaveUp, "Not sent: somebody else has this nickname now.")
		case conv.Kind() == state.Private && o == nil:
			markDelivery(c, st, state.GaveUp, feature.Parted)
		case needsResend(c, st):
			send(c, st)
		}
	}
}
