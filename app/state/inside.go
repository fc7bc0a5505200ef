package state

import "natter/app/jid"

// Outcome is what a room has said last to something that the person wanted of it.
type Outcome struct {
	N       int      `json:"n,omitempty"`       // another one for another answer
	To      Wish     `json:"to,omitempty"`      // what was wanted
	Problem *Problem `json:"problem,omitempty"` // why it was not done, nil if it was
}

// Wish is a kind of what a person wants of a room in which they are.
type Wish string

const (
	NewSubject       Wish = "subject"
	NewNick          Wish = "nick"
	NewMember        Wish = "invite"
	NewRole          Wish = "role"
	NewAffiliation   Wish = "affiliation"
	NewForm          Wish = "form"
	NewConfiguration Wish = "configuration"
	Destruction      Wish = "destruction"
)

// RoomAnswered: a room has done what the person wanted, or has not.
type RoomAnswered struct {
	Room    jid.JID
	To      Wish
	Problem *Problem
}

func (ev RoomAnswered) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) { r.Outcome = Outcome{r.Outcome.N + 1, ev.To, ev.Problem} })
}

// Myself returns the person's own occupant in the room, nil if they are not in it.
func (r *Room) Myself() *Occupant {
	if !r.In() {
		return nil
	}
	me, _ := r.Occupants.Get(r.Nick)
	return me
}

// MayChangeSubject reports whether the person may say what the room is about (XEP-0045 §8.1).
func (r *Room) MayChangeSubject() bool {
	me := r.Myself()
	return me != nil && (me.Role == Moderator || me.Role == Participant && r.OpenSubject)
}

// MayInvite reports whether those come in whom the person invites to the room (XEP-0045 §7.8.2).
func (r *Room) MayInvite() bool {
	me := r.Myself()
	switch {
	case me == nil || me.Role < Participant:
		return false
	case r.MembersOnly:
		return me.Affiliation >= Admin || me.Affiliation == Member && r.OpenInvites
	}
	return true
}

// outranks reports whether somebody else is below an occupant, so that these may be done to them:
// nobody does any of it to whoever has a higher affiliation, nor do admins and owners to their like
// (XEP-0045 §8.2, §8.4, §9.7).
func (me *Occupant) outranks(o *Occupant) bool {
	return o.Affiliation < me.Affiliation || o.Affiliation == me.Affiliation && o.Affiliation < Admin
}

// MayGive reports whether the person may give somebody in the room a role; NoRole is to kick them
// (XEP-0045 §5.1.1).
func (r *Room) MayGive(o *Occupant, role Role) bool {
	me := r.Myself()
	if me == nil || me.Role < Moderator || r.Me(o.Nick) || o.Role == role {
		return false
	}
	switch {
	case role == Moderator, o.Role == Moderator && role != NoRole:
		return me.Affiliation >= Admin && o.Affiliation < Admin
	case role == Participant:
		return true
	}
	return me.outranks(o)
}

// MayMake reports whether the person may give somebody in the room an affiliation; Outcast is to ban them
// (XEP-0045 §5.2.1). Affiliations are those of an address, which the room has to tell.
func (r *Room) MayMake(o *Occupant, a Affiliation) bool {
	me := r.Myself()
	switch {
	case me == nil || me.Affiliation < Admin || r.Me(o.Nick) || o.JID == "" || o.Affiliation == a:
		return false
	case me.Affiliation == Owner:
		return a != Outcast || o.Affiliation < Owner
	}
	return o.Affiliation < Admin && a < Admin
}
