package state

import "natter/app/jid"

// Group is what a new room of the person will be: a room that only these people may enter. A Group never changes.
type Group struct {
	Name string    `json:"name"`
	Who  []jid.JID `json:"who"`
}

func (in MakeGroup) shown(s *State) []Event {
	if r := s.Room(in.Room); r.In() && r.Group == nil {
		return nil // the group is made already
	}
	return []Event{RoomWanted{Room: in.Room}, GroupPlanned(in)}
}

// GroupPlanned: the room that the person is making will be a group.
type GroupPlanned struct {
	Room jid.JID
	Name string
	Who  []jid.JID
}

func (ev GroupPlanned) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) { r.Group, r.Name = &Group{ev.Name, ev.Who}, ev.Name })
}

// RoomMade: a room that we have created is configured, and others may enter.
type RoomMade struct{ Room jid.JID }

func (ev RoomMade) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) { r.Group, r.Locked = nil, false })
}
