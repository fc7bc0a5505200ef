package chat

import (
	"time"

	"natter/app/feature"
	"natter/app/state"
	"natter/framing"
)

// reflections has the messages of ours that rooms have not sent back to us: by id, a function that stops the timer.
type reflections struct{ waits map[string]func() }

// unreflected is how long a room may take to send a message back, once our server has it. Some
// gateways never do.
const unreflected = 30 * time.Second

func (r *reflections) forget() {
	for id, stop := range r.waits {
		stop()
		delete(r.waits, id)
	}
}

// await counts a message as sent if the room does not send it back.
func (r *reflections) await(c feature.Client, st *framing.Element) {
	conv, id := convOf(st), st.Attr("id")
	if m := ours(c, conv, id); m == nil || m.Delivery != state.Queued {
		return
	}
	r.waits[id] = c.After(unreflected, func() {
		delete(r.waits, id)
		if c.State().Room(conv.JID()).In() {
			say(c, conv, id, state.Acked, "")
		}
	})
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
	if stop := r.waits[id]; stop != nil {
		stop()
		delete(r.waits, id)
	}
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
// sent and have not come back. Messages in the outbox leave by themselves.
func sendWaiting(c feature.Client, conv state.ConvID) {
	chat := c.State().Chat(conv)
	if chat == nil {
		return
	}
	for m := range chat.Timeline.Queued {
		if c.State().Outgoing(m.ID) != nil {
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
