package state

import (
	"slices"

	"natter/app/jid"
)

// Readers are the occupants of a small room who have said how far they have read. It does not change.
type Readers struct {
	N   int      `json:"n"` // another one for other readers
	All []Reader `json:"all,omitempty"`
}

// Reader is one of the Readers.
type Reader struct {
	Nick string  `json:"nick"`
	By   jid.JID `json:"by"` // as messages of theirs have it as their Author
	To   Key     `json:"to"` // the newest message that they have read
}

// mostReaders is how many people are in a room at most in which they tell each other what they have read.
const mostReaders = 20

// TellsReaders reports whether those in a room tell each other what they have read: they are few, and know
// each other (XEP-0333 §4.3, §7).
func (r *Room) TellsReaders() bool {
	return r.In() && r.ShowsAddresses && r.Occupants.Len() <= mostReaders
}

// RoomReadTo: an occupant of a room has read up to the message with this id of the room.
type RoomReadTo struct {
	Room jid.JID
	Nick string
	By   jid.JID
	ID   string
}

func (ev RoomReadTo) apply(s *State) {
	c, room := s.Chat(Groupchat.With(ev.Room)), s.Room(ev.Room)
	if c == nil || !room.In() || room.occupant(ev.Nick) == nil {
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
			return // it only goes forward
		case at < 0 && len(now.All) >= mostReaders:
			return
		case at < 0:
			now.All = append(slices.Clone(now.All), Reader{ev.Nick, ev.By, m.Key})
		default:
			now.All = slices.Clone(now.All)
			now.All[at] = Reader{ev.Nick, ev.By, m.Key}
		}
		now.N++
		r.Readers = &now
	})
}

// unread takes away what a nick has read: somebody else may have it next.
func (r *Room) unread(nick string) {
	if r.Readers == nil {
		return
	}
	if at := slices.IndexFunc(r.Readers.All, func(o Reader) bool { return o.Nick == nick }); at >= 0 {
		r.Readers = &Readers{r.Readers.N + 1, slices.Delete(slices.Clone(r.Readers.All), at, at+1)}
	}
}
