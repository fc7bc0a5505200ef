package state

import (
	"strconv"
	"strings"
	"time"

	"natter/app/jid"
	"natter/app/state/tree"
)

// Room is a room (XEP-0045) that the person is in or wants to be in.
type Room struct {
	Rev      uint64   `json:"-"`
	JID      jid.JID  `json:"jid"`                // bare
	Nick     string   `json:"nick"`               // ours there, or the one that we request
	Password string   `json:"password,omitempty"` // of the room
	Self     string   `json:"self,omitempty"`     // our own occupant-id there (XEP-0421), "" if unknown
	Kept     bool     `json:"kept,omitempty"`     // it is in the list: we have been in it, or it is bookmarked
	Saved    bool     `json:"saved,omitempty"`    // its bookmark is on the server (XEP-0402)
	Left     bool     `json:"left,omitempty"`     // the person has left it, but its bookmark must still be removed
	Label    string   `json:"label,omitempty"`    // the name that the person has given it
	Subject  string   `json:"subject,omitempty"`
	Notify   Notify   `json:"notify,omitempty"`   // what the person has chosen, "" if nothing
	Synced   Notify   `json:"synced,omitempty"`   // Notify in its bookmark
	Group    *Group   `json:"group,omitempty"`    // what it will be when it is configured, nil if it is
	Locked   bool     `json:"locked,omitempty"`   // we have created it, and nobody else may enter until it is configured (XEP-0045 §10.1)
	Reserved string   `json:"reserved,omitempty"` // the nick that is registered for us there, "" if none is known
	Picture  Picture  `json:"picture,omitzero"`
	Readers  *Readers `json:"readers,omitempty"` // nil if nobody has sent a read mark
	RoomInfo
	Stay      `json:"-"`                   // see the table stays
	Occupants *tree.Map[string, *Occupant] `json:"-"` // by nick; see the table occupants
}

// RoomInfo is what a room says about itself (XEP-0045 §6.4).
type RoomInfo struct {
	Name           string `json:"name,omitempty"`
	Archive        bool   `json:"archive,omitempty"`     // it has an archive (XEP-0313)
	OccupantIDs    bool   `json:"occupants,omitempty"`   // it adds an occupant-id to each message (XEP-0421)
	StanzaIDs      bool   `json:"stanzaIDs,omitempty"`   // its stanza-ids can be trusted (XEP-0359)
	StableIDs      bool   `json:"stable,omitempty"`      // it does not change the ids of messages
	ShowsAddresses bool   `json:"addresses,omitempty"`   // all occupants see our address
	MembersOnly    bool   `json:"membersOnly,omitempty"` // only members may enter
	OpenSubject    bool   `json:"openSubject,omitempty"` // participants may change the subject
	Hats           bool   `json:"hats,omitempty"`        // its hats can be trusted (XEP-0317)
	Pictures       string `json:"pictures,omitempty"`    // the hashes of its picture, with spaces between, one for each format (XEP-0486)
	Reactions      string `json:"reactions,omitempty"`   // the emoji with which alone one may react, with spaces between, "" for all (XEP-0444)
	MostReactions  int    `json:"most,omitempty"`        // with how many one may react to a message, 0 if the room does not say
	OpenInvites    bool   `json:"openInvites,omitempty"` // members may invite others, even with MembersOnly
	Moderates      string `json:"moderates,omitempty"`   // the namespace in which moderators remove messages, "" if the room removes none (XEP-0425)
	Registers      bool   `json:"registers,omitempty"`   // nicks can be registered there (XEP-0045 §7.10)
}

// Picture is the picture of a room (XEP-0486).
type Picture struct {
	Hash string `json:"hash,omitempty"` // SHA-1 in hex, of the picture that the room had when it was asked for
	URL  string `json:"url,omitempty"`  // the picture, as data:, "" if it may not be drawn
	Told bool   `json:"told,omitempty"` // the room tells the hash in a presence, and not with what it is
}

// Stay says how far we are in a room, and what has happened there since.
type Stay struct {
	Step       Step     `json:"step,omitempty"`
	Problem    *Problem `json:"problem,omitempty"` // why we are not in it, nil if nothing went wrong
	Moved      jid.JID  `json:"moved,omitempty"`   // where the room is now
	Outcome    Outcome  `json:"outcome,omitzero"`
	Form       *Form    `json:"form,omitempty"`       // how it can be configured, nil if that is not known
	People     *People  `json:"people,omitempty"`     // those of one affiliation, nil if nobody has asked
	Appeals    *Appeals `json:"appeals,omitempty"`    // nil if nobody has asked for anything
	VoiceAsked bool     `json:"voiceAsked,omitempty"` // the person has asked to speak
}

// MembersOnly is the Problem.Kind of a room that only members may enter, and the person is none.
const MembersOnly = "members-only"

// Step is a step on the way into a room.
type Step int

const (
	Outside  Step = iota
	Entering      // the person wants to be in it, and it has not let us in yet
	Arriving      // we are in, and the messages from before are on their way
	Inside        // we are in, and have the messages from before
)

// In reports whether we are in the room. If we are not, stanzas of the room are ignored.
func (r *Room) In() bool { return r != nil && r.Step >= Arriving }

// Occupant is somebody in a room.
type Occupant struct {
	Nick        string      `json:"nick"`
	ID          string      `json:"id,omitempty"`  // XEP-0421
	JID         jid.JID     `json:"jid,omitempty"` // the real one, bare, if the room tells
	Role        Role        `json:"role,omitempty"`
	Affiliation Affiliation `json:"affiliation,omitempty"`
	Show        Show        `json:"show,omitempty"`
	Hats        string      `json:"hats,omitempty"` // titles that the room gives, such as "Presenter, Host" (XEP-0317)
	Tenure                  // in a room without occupant-ids
}

// Tenure is the time for which a nick belongs to one person, in a room without occupant-ids: from when they
// come until they leave.
type Tenure struct {
	Since int64 `json:"since,omitempty"` // live messages of the nick with this Key.Time or a later one are theirs; 0 if unknown
	Again bool  `json:"again,omitempty"` // the nick was in use before, perhaps by somebody else
}

// Wrote reports whether a is the author of a message, in a room without occupant-ids: the message came
// live from the same nick, in the tenure of a.
func (a Author) Wrote(m *Message) bool {
	return m != nil && a.Since != 0 && m.Author == a.JID && m.heard&direct != 0 && m.Key.Time >= a.Since
}

// Whose returns the Fact.By of what a says about a message. If a has a tenure, it is part of the result, so that
// two people who have the same nick, one after the other, differ.
func (a Author) Whose() jid.JID {
	if a.Since == 0 {
		return a.JID
	}
	return a.JID.WithResource(tenureMark + strconv.FormatInt(a.Since, 36) + tenureMark + a.Nick)
}

// tenureOf returns the Tenure.Since in an address that Author.Whose has returned.
func tenureOf(by jid.JID) (since int64, ok bool) {
	rest, ok := strings.CutPrefix(by.Resource(), tenureMark)
	if !ok {
		return 0, false
	}
	since, err := strconv.ParseInt(rest[:max(0, strings.Index(rest, tenureMark))], 36, 64)
	return since, err == nil
}

// Begins returns the Tenure.Since of an occupant who comes now. It is later than all messages of the room,
// and later than former, the Since of the last tenure of the nick.
func (s *State) Begins(room jid.JID, now time.Time, former int64) int64 {
	since := max(now.UnixMicro(), former+1)
	if c := s.Chat(Groupchat.With(room)); c != nil && c.Timeline.Last() != nil {
		since = max(since, c.Timeline.Last().Key.Time+1)
	}
	return since
}

// Role is what an occupant may do now (XEP-0045 §5.1).
type Role uint8

const (
	NoRole Role = iota
	Visitor
	Participant
	Moderator
)

// Affiliation is how somebody is connected with a room (XEP-0045 §5.2).
type Affiliation uint8

const (
	NoAffiliation Affiliation = iota
	Outcast
	Member
	Admin
	Owner
)

// idMark stands before an occupant-id in the resource of an Author.JID, where else the nick stands. No nick
// has it, because XML forbids it.
const idMark = "\x01"

// tenureMark stands around the time of a Tenure, before the nick.
const tenureMark = "\x02"

// Author returns the author of a stanza from a nick in the room. id is the occupant-id of the stanza, ""
// if it has none. With an id, the author stays the same under another nick, and somebody else who takes
// the nick is another author. Without an id, a nick can be ours only in live stanzas. Stanzas without a
// nick come from the room itself.
func (r *Room) Author(account jid.JID, nick, id string, live bool) Author {
	a := Author{JID: r.JID, Nick: nick}
	known := id != "" && r.OccupantIDs
	switch {
	case nick == "":
		return a
	case known && r.Self != "":
		a.Mine = id == r.Self
	case live:
		a.Mine = r.Me(nick)
	}
	switch {
	case a.Mine:
		a.JID = account
	case known:
		a.JID = r.JID.WithResource(idMark + id)
	default:
		a.JID = r.JID.WithResource(nick)
		if o := r.occupant(nick); live && o != nil {
			a.Tenure = o.Tenure
		}
	}
	return a
}

func (r *Room) occupant(nick string) *Occupant {
	o, _ := r.Occupants.Get(nick)
	return o
}

// Lasting reports whether the JID of an author stays with one person. A nick without an occupant-id may
// belong to somebody else later (XEP-0308 §4, XEP-0424 §5).
func (a Author) Lasting() bool {
	return a.Mine && !a.Likely || a.Nick == "" || strings.HasPrefix(a.JID.Resource(), idMark)
}

// Me reports whether we are in the room under this nick.
func (r *Room) Me(nick string) bool { return r.In() && nick == r.Nick }

// Room returns the room with this address, nil if the person is not in it and does not want to be.
func (s *State) Room(j jid.JID) *Room {
	if r, _ := s.rooms.Get(j.Bare()); r != nil && !r.Left {
		return r
	}
	return nil
}

// Rooms calls yield for each room, by address.
func (s *State) Rooms(yield func(*Room) bool) {
	for it := s.rooms.Iterator(); !it.Done(); {
		if _, r, _ := it.Next(); !r.Left && !yield(r) {
			return
		}
	}
}

// Left calls yield for each room that the person has left, but whose bookmark must still be removed.
func (s *State) Left(yield func(jid.JID) bool) {
	for it := s.rooms.Iterator(); !it.Done(); {
		if _, r, _ := it.Next(); r.Left && !yield(r.JID) {
			return
		}
	}
}

// RoomsSince returns the addresses of the rooms that are new, different or gone since an earlier state.
func (s *State) RoomsSince(o *State) (changed []jid.JID) {
	tree.Diff(o.rooms, s.rooms, func(j jid.JID, _, _ *Room) { changed = append(changed, j) })
	return changed
}

// OccupantsSince calls yield for each occupant who has come, left or changed since o, an earlier state of
// the room. was is nil for one who has come, is for one who has left. Its cost is in proportion to the
// differences.
func (r *Room) OccupantsSince(o *Room, yield func(was, is *Occupant)) {
	tree.Diff(o.Occupants, r.Occupants, func(_ string, was, is *Occupant) { yield(was, is) })
}

// All calls yield for each occupant, by nick.
func (r *Room) All(yield func(*Occupant) bool) {
	for it := r.Occupants.Iterator(); !it.Done(); {
		if _, o, _ := it.Next(); !yield(o) {
			return
		}
	}
}

const (
	MostRooms     = 1000   // rooms of an account; more are ignored
	mostOccupants = 50_000 // occupants of a room that are remembered
)

func (s *State) setRoom(r *Room) {
	r.Rev = s.Rev
	s.rooms = s.rooms.Set(r.JID, r)
}

// changeRoom calls change with a copy of the room, if there is such a room, and keeps the copy if it
// differs.
func (s *State) changeRoom(j jid.JID, change func(*Room)) {
	if r := s.Room(j); r != nil {
		next := *r
		change(&next)
		if next != *r {
			s.setRoom(&next)
		}
	}
}

func newOccupants() *tree.Map[string, *Occupant] { return occupants(nil) }

// occupants returns the map of these occupants, which are sorted by nick and all have different nicks.
func occupants(sorted []*Occupant) *tree.Map[string, *Occupant] {
	return tree.Of(strings.Compare, sorted, func(o *Occupant) string { return o.Nick })
}

func (r *Room) Where() (table, key string) { return "rooms", string(r.JID) }

func (r *Room) put(s *State) {
	row := *r
	row.Stay, row.Occupants = Stay{}, newOccupants()
	if old := s.Room(r.JID); old != nil && !r.Left {
		row.Stay, row.Occupants = old.Stay, old.Occupants
	}
	s.setRoom(&row)
}

func (r *Room) drop(s *State) { s.rooms = s.rooms.Delete(r.JID) }

// row returns the fields of a room that are stored, so that two can be compared.
func (r *Room) row() Room {
	kept := *r
	kept.Rev, kept.Stay, kept.Occupants = 0, Stay{}, nil
	return kept
}

// eachRoom calls f for each room that differs. was is empty if the room is new, is is nil if it is gone.
func (d *difference) eachRoom(f func(was, is *Room)) {
	tree.Diff(d.before.rooms, d.after.rooms, func(_ jid.JID, was, is *Room) {
		if was == nil {
			was = &Room{JID: is.JID, Occupants: newOccupants()}
		}
		f(was, is)
	})
}

func changedRooms(d *difference, put, drop func(Value)) {
	d.eachRoom(func(was, is *Room) {
		switch {
		case is == nil:
			drop(&Room{JID: was.JID})
		case was.row() != is.row() || was.Rev == 0:
			row := is.row()
			put(&row)
		}
	})
}

// staying is the Stay of a room as a row.
type staying struct {
	Room jid.JID
	Stay
}

func (st *staying) Where() (table, key string) { return "stays", string(st.Room) }
func (*staying) drop(*State)                   {}

func (st *staying) put(s *State) { s.changeRoom(st.Room, func(r *Room) { r.Stay = st.Stay }) }

func changedStays(d *difference, put, _ func(Value)) {
	d.eachRoom(func(was, is *Room) {
		if is != nil && was.Stay != is.Stay {
			put(&staying{is.JID, is.Stay})
		}
	})
}

// seating says how the occupants of a room have changed. It is one row for all of them, because ten
// thousand may come at once.
type seating struct {
	Room jid.JID    `json:"room"`
	Here []Occupant `json:"here,omitempty"` // the occupants who have come or changed, by nick
	Gone []string   `json:"gone,omitempty"` // the nicks of those who have left
}

func (o *seating) Where() (table, key string) { return "occupants", string(o.Room) }
func (*seating) drop(*State)                  {}

func (o *seating) put(s *State) {
	s.changeRoom(o.Room, func(r *Room) {
		for _, nick := range o.Gone {
			r.Occupants = r.Occupants.Delete(nick)
		}
		here := make([]*Occupant, len(o.Here))
		for i, one := range o.Here {
			here[i] = &one
		}
		if r.Occupants.Len() == 0 {
			r.Occupants = occupants(here)
			return
		}
		for _, one := range here {
			r.Occupants = r.Occupants.Set(one.Nick, one)
		}
	})
}

func changedOccupants(d *difference, put, _ func(Value)) {
	d.eachRoom(func(was, is *Room) {
		if is == nil {
			return // its occupants are gone with it
		}
		row := &seating{Room: is.JID}
		tree.Diff(was.Occupants, is.Occupants, func(nick string, _, o *Occupant) {
			if o == nil {
				row.Gone = append(row.Gone, nick)
			} else {
				row.Here = append(row.Here, *o)
			}
		})
		if len(row.Here)+len(row.Gone) > 0 {
			put(row)
		}
	})
}

// FreeNick returns a nick that is similar to one that somebody else has: with a number, or the next one.
func FreeNick(nick string) string {
	base := strings.TrimRight(nick, "0123456789")
	if n, err := strconv.Atoi(nick[len(base):]); err == nil && n < 1000 && base != "" {
		return base + strconv.Itoa(n+1)
	}
	return nick + "2"
}
