package state

import "natter/app/jid"

// Outcome is the last answer of a room to a wish of the person.
type Outcome struct {
	N       int      `json:"n,omitempty"`       // the number of the answer, so that two equal ones differ
	To      Wish     `json:"to,omitempty"`      // the wish
	Problem *Problem `json:"problem,omitempty"` // why it was not done, nil if it was
}

// Wish is a kind of change that the person may want in a room.
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
	NewGroup         Wish = "group"
	Registration     Wish = "registration"
	NewPicture       Wish = "picture"
	Voice            Wish = "voice"
	Removal          Wish = "removal" // of a message
)

// RoomAnswered: a room has done what the person wanted, or has not. Problem says why not, nil if it has.
type RoomAnswered struct {
	Room    jid.JID
	To      Wish
	Problem *Problem
}

func (ev RoomAnswered) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) {
		r.Outcome = Outcome{r.Outcome.N + 1, ev.To, ev.Problem}
		r.VoiceAsked = r.VoiceAsked && ev.To != Voice
	})
}

// Myself returns the person's own occupant in the room, nil if they are not in it.
func (r *Room) Myself() *Occupant {
	if !r.In() {
		return nil
	}
	me, _ := r.Occupants.Get(r.Nick)
	return me
}

// MayChangeSubject reports whether the person may change the subject of the room (XEP-0045 §8.1).
func (r *Room) MayChangeSubject() bool {
	me := r.Myself()
	return me != nil && (me.Role == Moderator || me.Role == Participant && r.OpenSubject)
}

// MayRemove reports whether the person may have the room remove messages of others (XEP-0425 §3).
func (r *Room) MayRemove() bool {
	me := r.Myself()
	return me != nil && me.Role == Moderator && r.Moderates != ""
}

// MayInvite reports whether people whom the person invites may enter the room (XEP-0045 §7.8.2).
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

// outranks reports whether an occupant may kick another one, or take their voice: the other must have no higher
// affiliation, and no equal one if it is admin or owner (XEP-0045 §8.2, §8.4, §9.7).
func (me *Occupant) outranks(o *Occupant) bool {
	return o.Affiliation < me.Affiliation || o.Affiliation == me.Affiliation && o.Affiliation < Admin
}

// MayGive reports whether the person may give an occupant this role; NoRole means to kick them
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

// MayMake reports whether the person may give an occupant this affiliation; Outcast means to ban them
// (XEP-0045 §5.2.1). An affiliation belongs to an address, so the room must show theirs.
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
