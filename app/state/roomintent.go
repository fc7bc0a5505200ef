package state

import (
	"time"

	"natter/app/jid"
)

// JoinRoom enters a room. Room.Problem says why that is not possible yet; the person answers it with another
// JoinRoom, with a Nick, a Password, Create or Seen.
type JoinRoom struct {
	Room           jid.JID
	Nick, Password string // "" for those of before
	Create         bool   // a room that does not exist is created
	Seen           bool   // the person has read that all in the room see their address
}

// LeaveRoom leaves a room, or gives up entering it.
type LeaveRoom struct{ Room jid.JID }

// SetNotify sets of which messages of a room the person is notified.
type SetNotify struct {
	Room   jid.JID
	Notify Notify
}

// DeclineInvitations refuses invitations to rooms. JoinRoom accepts one.
type DeclineInvitations struct{ Rooms []jid.JID }

// BrowseRooms requests the list of the rooms of the server, which becomes State.Directory.
type BrowseRooms struct{}

// ChangeSubject sets the subject of a room. The answer of the room to this, and to the intents below, is
// Room.Outcome.
type ChangeSubject struct {
	Room    jid.JID
	Subject string
	ID      string // of the stanza; chosen by the client
}

// ChangePicture sets the picture of a room, or removes it.
type ChangePicture struct {
	Room jid.JID
	URL  string // a data: URL of a PNG or JPEG, "" to remove the picture
}

// ChangeNick gives the person another nick in a room.
type ChangeNick struct {
	Room jid.JID
	Nick string
}

// Invite invites people to a room.
type Invite struct {
	Room   jid.JID
	Who    []jid.JID
	Reason string
	ID     string // see Once; chosen by the client
}

// ChangeRole gives an occupant of a room another role; NoRole kicks them. It is Fleeting, because later
// somebody else may have the nick.
type ChangeRole struct {
	Room   jid.JID
	Nick   string
	Role   Role
	Reason string
}

// ChangeAffiliation gives somebody another affiliation with a room; Outcast bans them.
type ChangeAffiliation struct {
	Room        jid.JID
	Who         jid.JID
	Affiliation Affiliation
	Reason      string
}

// ReadNick requests the nick that is registered for the person in a room, which becomes Room.Reserved.
type ReadNick struct{ Room jid.JID }

// RegisterNick registers a nick for the person in a room; with "" it ends the registration.
type RegisterNick struct {
	Room jid.JID
	Nick string
}

// AskMembership asks to become a member of a room whose Problem is MembersOnly. The answer is another Problem.
type AskMembership struct{ Room jid.JID }

// AskVoice asks to speak in a room in which the person can only listen.
type AskVoice struct{ Room jid.JID }

// AnswerAppeal decides about an Appeal.
type AnswerAppeal struct {
	Room       jid.JID
	Type, Nick string // of the Appeal
	Allow      bool
}

// ReadPeople requests the list of those who have an affiliation with a room, which becomes Room.People.
type ReadPeople struct {
	Room jid.JID
	Of   Affiliation
}

// MakeGroup creates a room that only these people may enter, at an address that no room has, and invites them. It
// is done when Room.Group is nil. If it fails, Room.Problem or Room.Outcome says why, and the room is left; the
// person tries again with another address.
type MakeGroup struct {
	Room jid.JID
	Name string
	Who  []jid.JID
}

// ReadRoomForm requests the form to configure a room, which becomes Room.Form.
type ReadRoomForm struct{ Room jid.JID }

// ConfigureRoom sends the filled Room.Form to the room. Fields that are not given stay as they are.
type ConfigureRoom struct {
	Room   jid.JID
	Fields []Filled
}

// DestroyRoom ends a room for all.
type DestroyRoom struct {
	Room   jid.JID
	Reason string
}

func (JoinRoom) traits() Trait           { return Told }
func (LeaveRoom) traits() Trait          { return Told }
func (SetNotify) traits() Trait          { return Told }
func (BrowseRooms) traits() Trait        { return Fleeting }
func (DeclineInvitations) traits() Trait { return Told }
func (ChangeSubject) traits() Trait      { return Told }
func (ChangePicture) traits() Trait      { return Told }
func (ChangeNick) traits() Trait         { return Told }
func (Invite) traits() Trait             { return Told }
func (ChangeRole) traits() Trait         { return Fleeting }
func (ChangeAffiliation) traits() Trait  { return Told }
func (MakeGroup) traits() Trait          { return Told }
func (ReadNick) traits() Trait           { return Fleeting }
func (RegisterNick) traits() Trait       { return Told }
func (AskMembership) traits() Trait      { return Told }
func (AskVoice) traits() Trait           { return Fleeting }
func (AnswerAppeal) traits() Trait       { return Told }
func (ReadPeople) traits() Trait         { return Fleeting }
func (ReadRoomForm) traits() Trait       { return Fleeting }
func (ConfigureRoom) traits() Trait      { return Fleeting }
func (DestroyRoom) traits() Trait        { return Told }

func (in JoinRoom) shown(*State) []Event {
	return []Event{RoomWanted{Room: in.Room, Nick: in.Nick, Password: in.Password}}
}

func (in LeaveRoom) shown(*State) []Event { return []Event{RoomLeft(in)} }

func (in SetNotify) shown(*State) []Event { return []Event{NotifyChanged(in)} }

func (in DeclineInvitations) shown(*State) (events []Event) {
	for _, room := range in.Rooms {
		events = append(events, InvitationGone{room})
	}
	return events
}

func (in ChangeSubject) stamped(id string, _ time.Time) Intent {
	in.ID = id
	return in
}

func (in Invite) stamped(id string, _ time.Time) Intent {
	in.ID = id
	return in
}
