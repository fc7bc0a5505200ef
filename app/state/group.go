package state

import "natter/app/jid"

// Group is what a room is to become that the person makes: one that only those enter whom they have
// chosen. It does not change.
type Group struct {
	Name string    `json:"name"`
	Who  []jid.JID `json:"who"`
}

func (in MakeGroup) shown(s *State) []Event {
	if r := s.Room(in.Room); r.In() && r.Group == nil {
		return nil // it is made
	}
	return []Event{RoomWanted{Room: in.Room}, GroupPlanned(in)}
}

// GroupPlanned: a room in which the person wants to be is to become a group.
type GroupPlanned struct {
	Room jid.JID
	Name string
	Who  []jid.JID
}

func (ev GroupPlanned) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) { r.Group, r.Name = &Group{ev.Name, ev.Who}, ev.Name })
}

// RoomMade: a room that was made by our entering is as it is to be, and open.
type RoomMade struct{ Room jid.JID }

func (ev RoomMade) apply(s *State) { s.changeRoom(ev.Room, func(r *Room) { r.Group = nil }) }
