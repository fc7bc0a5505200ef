package state

import (
	"cmp"
	"sort"
	"strings"

	"natter/app/jid"
)

// RoomWanted: the person wants to be in a room.
type RoomWanted struct {
	Room           jid.JID
	Nick, Password string // as before if ""
}

func (ev RoomWanted) apply(s *State) {
	if s.Room(ev.Room) == nil {
		if s.rooms.Len() >= MostRooms {
			return
		}
		s.setRoom(&Room{JID: ev.Room.Bare(), Nick: jid.Unescape(s.Account().Local()), Occupants: newOccupants()})
	}
	InvitationGone{ev.Room}.apply(s)
	s.changeRoom(ev.Room, func(r *Room) {
		if ev.Nick != "" {
			r.Nick = ev.Nick
		}
		if ev.Password != "" {
			r.Password = ev.Password
		}
		r.Problem, r.Moved = nil, ""
		if !r.In() {
			r.Step = Entering
		}
	})
}

// RoomDescribed: a room has answered what it is and can do.
type RoomDescribed struct {
	Room jid.JID
	Info RoomInfo
}

func (ev RoomDescribed) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) { r.RoomInfo = ev.Info })
}

// RoomPictured: a room has another picture now, or none.
type RoomPictured struct {
	Room    jid.JID
	Picture Picture
}

func (ev RoomPictured) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) { r.Picture = ev.Picture })
}

// RoomEntered: we are in a room under this nick, with these occupants.
type RoomEntered struct {
	Room       jid.JID
	Nick, Self string
	Occupants  []Occupant
	Made       bool // we have created it by entering, so it must be configured
}

func (ev RoomEntered) apply(s *State) {
	nick := func(i int) string { return ev.Occupants[i].Nick }
	order := make([]int, len(ev.Occupants))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(i, j int) bool {
		a, b := order[i], order[j]
		return cmp.Or(strings.Compare(nick(a), nick(b)), a-b) < 0
	})
	sorted := make([]*Occupant, 0, len(order))
	for i, at := range order {
		if i+1 == len(order) || nick(order[i+1]) != nick(at) { // of two with one nick the last one counts
			sorted = append(sorted, &ev.Occupants[at])
		}
	}
	all := occupants(sorted[:min(len(sorted), mostOccupants)])
	s.changeRoom(ev.Room, func(r *Room) {
		r.Nick, r.Self, r.Kept, r.Locked, r.Occupants = ev.Nick, ev.Self, true, r.Locked || ev.Made, all
		r.Readers = r.Readers.still(all)
		r.Stay = Stay{Step: Arriving, Outcome: r.Outcome}
	})
	ChatStarted{Groupchat.With(ev.Room)}.apply(s)
}

// RoomInside: the messages of a room from before we came have arrived, or could not be read.
type RoomInside struct{ Room jid.JID }

func (ev RoomInside) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) {
		if r.Step == Arriving {
			r.Step = Inside
		}
	})
}

// RoomDoubted: a room has not sent a message of ours back. Its archive is read again, and until then nothing more is
// sent to it, so that our messages stay in order. RoomInside follows.
type RoomDoubted struct{ Room jid.JID }

func (ev RoomDoubted) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) {
		if r.Step == Inside {
			r.Step = Arriving
		}
	})
}

// RoomClosed: we are not in a room any more, or could not enter it. Problem is nil if nothing went wrong.
type RoomClosed struct {
	Room    jid.JID
	Problem *Problem
	Moved   jid.JID
}

func (ev RoomClosed) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) {
		r.Stay, r.Occupants = Stay{Problem: ev.Problem, Moved: ev.Moved, Outcome: r.Outcome}, newOccupants()
		if ev.Problem != nil && !r.Kept {
			r.Group = nil // until the person wants it once more
		}
	})
}

// RoomLeft: the person does not want to be in a room any more.
type RoomLeft struct{ Room jid.JID }

func (ev RoomLeft) apply(s *State) {
	r := s.Room(ev.Room)
	switch {
	case r == nil:
	case r.Saved:
		s.setRoom(&Room{JID: r.JID, Left: true, Occupants: newOccupants()})
	default:
		s.rooms = s.rooms.Delete(r.JID)
	}
}

// RoomBookmarked: a bookmark of the account says that we are to be in a room.
type RoomBookmarked struct {
	Room                  jid.JID
	Label, Nick, Password string
	Notify                Notify
}

func (ev RoomBookmarked) apply(s *State) {
	if r := s.Room(ev.Room); r == nil {
		RoomWanted{Room: ev.Room, Nick: ev.Nick, Password: ev.Password}.apply(s)
	}
	s.changeRoom(ev.Room, func(r *Room) {
		r.Label, r.Kept, r.Saved = ev.Label, true, true
		if r.Notify == r.Synced { // else the bookmark does not have the choice of the person yet
			r.Notify, r.Synced = ev.Notify, ev.Notify
		}
	})
	if s.Room(ev.Room) != nil {
		ChatStarted{Groupchat.With(ev.Room)}.apply(s)
	}
}

// RoomSaved: the bookmark of a room is on the server, with this Notify.
type RoomSaved struct {
	Room   jid.JID
	Notify Notify
}

func (ev RoomSaved) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) { r.Saved, r.Synced = true, ev.Notify })
}

// RoomForgotten: a room that was left has no bookmark any more.
type RoomForgotten struct{ Room jid.JID }

func (ev RoomForgotten) apply(s *State) {
	if s.Room(ev.Room) == nil {
		s.rooms = s.rooms.Delete(ev.Room.Bare())
	}
}

// OccupantChanged: somebody has come into a room, or an occupant has changed.
type OccupantChanged struct {
	Room     jid.JID
	Occupant Occupant
}

func (ev OccupantChanged) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) {
		if _, known := r.Occupants.Get(ev.Occupant.Nick); r.In() && (known || r.Occupants.Len() < mostOccupants) {
			r.Occupants = r.Occupants.Set(ev.Occupant.Nick, &ev.Occupant)
			if ev.Occupant.Role > Visitor {
				r.answered(VoiceAppeal, ev.Occupant.Nick)
				r.VoiceAsked = r.VoiceAsked && !r.Me(ev.Occupant.Nick)
			}
		}
	})
}

// OccupantLeft: nobody in a room has this nick any more.
type OccupantLeft struct {
	Room jid.JID
	Nick string
}

func (ev OccupantLeft) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) {
		if _, there := r.Occupants.Get(ev.Nick); there {
			r.Occupants = r.Occupants.Delete(ev.Nick)
			r.answered(VoiceAppeal, ev.Nick)
			r.unread(ev.Nick)
		}
	})
}

// NickChanged: we have another nick in a room now.
type NickChanged struct {
	Room jid.JID
	Nick string
}

func (ev NickChanged) apply(s *State) { s.changeRoom(ev.Room, func(r *Room) { r.Nick = ev.Nick }) }

// NickReserved: this nick is registered for us in a room, none if it is "".
type NickReserved struct {
	Room jid.JID
	Nick string
}

func (ev NickReserved) apply(s *State) { s.changeRoom(ev.Room, func(r *Room) { r.Reserved = ev.Nick }) }

// SubjectChanged: a room has another subject now.
type SubjectChanged struct {
	Room    jid.JID
	Subject string
}

func (ev SubjectChanged) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) { r.Subject = ev.Subject })
}
