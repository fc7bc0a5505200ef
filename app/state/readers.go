package state

import (
	"slices"

	"natter/app/jid"
	"natter/app/state/tree"
)

// Readers are the occupants of a small room who have sent read marks. A Readers never changes.
type Readers struct {
	N   int      `json:"n"` // counts the changes, so that two Readers of a room differ
	All []Reader `json:"all,omitempty"`
}

// Reader is one of the Readers.
type Reader struct {
	Nick string  `json:"nick"`
	By   jid.JID `json:"by"`  // Message.Author of their messages
	JID  jid.JID `json:"jid"` // their real address
	To   Key     `json:"to"`  // the newest message that they have read
}

// mostReaders is how many occupants a room may have in which read marks are sent.
const mostReaders = 20

// TellsReaders reports whether the occupants of a room send each other read marks: they are few, and the room shows
// their addresses (XEP-0333 §4.3, §7).
func (r *Room) TellsReaders() bool {
	return r.In() && r.ShowsAddresses && r.Occupants.Len() <= mostReaders
}

// RoomReadTo: an occupant of a room has read up to the message with this archive id.
type RoomReadTo struct {
	Room jid.JID
	Nick string
	By   jid.JID
	ID   string
}

func (ev RoomReadTo) apply(s *State) {
	c, room := s.Chat(Groupchat.With(ev.Room)), s.Room(ev.Room)
	if c == nil || !room.In() {
		return
	}
	o := room.occupant(ev.Nick)
	if o == nil {
		return
	}
	m := c.Timeline.Archived(ev.ID)
	if m == nil {
		return
	}
	s.changeRoom(ev.Room, func(r *Room) {
		var now Readers
		if r.Readers != nil {
			now = *r.Readers
		}
		at := slices.IndexFunc(now.All, func(o Reader) bool { return o.Nick == ev.Nick })
		switch {
		case at >= 0 && now.All[at].By == ev.By && !now.All[at].To.Before(m.Key):
			return // a read mark never goes back
		case at < 0 && len(now.All) >= mostReaders:
			return
		case at < 0:
			now.All = append(slices.Clone(now.All), Reader{ev.Nick, ev.By, o.JID, m.Key})
		default:
			now.All = slices.Clone(now.All)
			now.All[at] = Reader{ev.Nick, ev.By, o.JID, m.Key}
		}
		now.N++
		r.Readers = &now
	})
}

// still returns the read marks of those who are among these occupants, under the same nick and with the same real
// address: after a loss, others may have these nicks.
func (all *Readers) still(now *tree.Map[string, *Occupant]) *Readers {
	if all == nil {
		return nil
	}
	return &Readers{all.N + 1, slices.DeleteFunc(slices.Clone(all.All), func(o Reader) bool {
		is, _ := now.Get(o.Nick)
		return is == nil || o.JID == "" || is.JID != o.JID
	})}
}

// unread removes the read mark of a nick, because somebody else may have the nick next.
func (r *Room) unread(nick string) {
	if r.Readers == nil {
		return
	}
	if at := slices.IndexFunc(r.Readers.All, func(o Reader) bool { return o.Nick == nick }); at >= 0 {
		r.Readers = &Readers{r.Readers.N + 1, slices.Delete(slices.Clone(r.Readers.All), at, at+1)}
	}
}
