package state

import (
	"slices"
	"sort"

	"natter/app/jid"
)

// People are those who have one affiliation with a room, whether they are in it or not. A People never changes.
type People struct {
	Of      Affiliation `json:"of"`
	Persons []Person    `json:"persons,omitempty"` // by address
	More    int         `json:"more,omitempty"`    // how many were left out, see MostPeople
	Loading bool        `json:"loading,omitempty"`
	Problem *Problem    `json:"problem,omitempty"` // why there is no list
}

// Person is one of the People of a room.
type Person struct {
	JID    jid.JID `json:"jid"`
	Reason string  `json:"reason,omitempty"` // "" if the room gives none
}

// MostPeople bounds the Persons of a People.
const MostPeople = 2000

// PeopleRead: a room has answered who has an affiliation with it, or the answer is loading, or was refused.
type PeopleRead struct {
	Room   jid.JID
	People *People
}

func (ev PeopleRead) apply(s *State) { s.changeRoom(ev.Room, func(r *Room) { r.People = ev.People }) }

// AffiliationGiven: a room has given somebody an affiliation, as the person wanted.
type AffiliationGiven struct {
	Room        jid.JID
	Who         jid.JID
	Affiliation Affiliation
	Reason      string
}

func (ev AffiliationGiven) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) {
		if r.People == nil || r.People.Loading {
			return
		}
		at, there := slices.BinarySearchFunc(r.People.Persons, ev.Who, func(p Person, who jid.JID) int { return order(p.JID, who) })
		if there == (r.People.Of == ev.Affiliation) {
			return
		}
		now := *r.People
		now.Persons = slices.Clone(now.Persons)
		if there {
			now.Persons = slices.Delete(now.Persons, at, at+1)
		} else {
			now.Persons = slices.Insert(now.Persons, at, Person{ev.Who, ev.Reason})
		}
		r.People = &now
	})
}

// Sorted sorts people by address, as People.Persons. Of several with one address it keeps the first.
func Sorted(all []Person) []Person {
	sort.SliceStable(all, func(i, j int) bool { return order(all[i].JID, all[j].JID) < 0 })
	return slices.CompactFunc(all, func(a, b Person) bool { return a.JID == b.JID })
}

// MaySee reports whether the room shows the person who has this affiliation (XEP-0045 §9.2, §9.5, §10.5, §10.8).
// Owners see all, admins see bans and members. Members see the members of a room for members only that shows
// addresses.
func (r *Room) MaySee(a Affiliation) bool {
	me := r.Myself()
	switch {
	case me == nil || a == NoAffiliation:
		return false
	case me.Affiliation == Owner:
		return true
	case me.Affiliation == Admin:
		return a < Admin
	}
	return a == Member && me.Affiliation == Member && r.MembersOnly && r.ShowsAddresses
}
