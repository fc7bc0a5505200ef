package state

import (
	"strings"

	"natter/app/jid"
	"natter/app/state/tree"
)

// Invitation is somebody's wish that the person enters a room.
type Invitation struct {
	Room     jid.JID `json:"room"`
	From     jid.JID `json:"from"` // who invites; with Mediated the room says so
	Reason   string  `json:"reason,omitempty"`
	Password string  `json:"password,omitempty"`
	At       int64   `json:"at"`                 // in µs since 1970
	Mediated bool    `json:"mediated,omitempty"` // the room has sent it
}

// Known reports whether a contact invites. A Mediated invitation counts only if the room is on our own server
// or on that of the contact, because any other room may lie about who invites.
func (i *Invitation) Known(s *State) bool {
	if !s.Contact(i.From).Listed() {
		return false
	}
	of := func(domain string) bool {
		return i.Room.Domain() == domain || strings.HasSuffix(i.Room.Domain(), "."+domain)
	}
	return !i.Mediated || of(s.Account().Domain()) || of(i.From.Domain())
}

// mostInvitations bounds the invitations, because strangers may send any number.
const mostInvitations = 200

// Invitation returns the invitation to a room, nil if there is none.
func (s *State) Invitation(room jid.JID) *Invitation {
	i, _ := s.invitations.Get(room.Bare())
	return i
}

// Invitations calls yield for each invitation, by the rooms' addresses.
func (s *State) Invitations(yield func(*Invitation) bool) {
	for it := s.invitations.Iterator(); !it.Done(); {
		if _, i, _ := it.Next(); !yield(i) {
			return
		}
	}
}

// Invited: somebody invites the person to a room. A stranger's invitation does not replace one that is Known,
// and is dropped if there are too many; a Known one replaces a stranger's then.
type Invited struct{ Invitation }

func (ev Invited) apply(s *State) {
	old := s.Invitation(ev.Room)
	known := ev.Known(s)
	switch {
	case old != nil && old.Known(s) && !known:
		return
	case old == nil && s.invitations.Len() >= mostInvitations:
		if !known {
			return
		}
		for i := range s.Invitations {
			if !i.Known(s) {
				s.invitations = s.invitations.Delete(i.Room)
				break
			}
		}
		if s.invitations.Len() >= mostInvitations {
			return
		}
	}
	ev.Invitation.put(s)
}

// InvitationGone: an invitation was answered, or is no longer needed.
type InvitationGone struct{ Room jid.JID }

func (ev InvitationGone) apply(s *State) { s.invitations = s.invitations.Delete(ev.Room.Bare()) }

func (i *Invitation) Where() (table, key string) { return "invitations", string(i.Room) }
func (i *Invitation) put(s *State)               { s.invitations = s.invitations.Set(i.Room, new(*i)) }
func (i *Invitation) drop(s *State)              { s.invitations = s.invitations.Delete(i.Room) }

func changedInvitations(d *difference, put, drop func(Value)) {
	tree.Diff(d.before.invitations, d.after.invitations, func(room jid.JID, _, is *Invitation) {
		if is == nil {
			drop(&Invitation{Room: room})
			return
		}
		put(is)
	})
}
