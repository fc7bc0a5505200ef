package state

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"natter/app/jid"
)

// Intent is something a person wants. The view hands intents to the client, and the features
// that know one carry it out, in the tab that leads.
type Intent interface{ traits() Trait }

// Trait says how the tabs of one browser deal with an intent.
type Trait uint8

const (
	// Told intents are told to the tab that leads, again and again until it has confirmed
	// them. It may happen twice: what is wanted a second time changes nothing.
	Told Trait = iota
	// Fleeting intents are told once: they are worth nothing a second later.
	Fleeting
	// Own intents no other tab hears of. A password is in one of these.
	Own
)

// Is reports whether an intent has a trait.
func Is(in Intent, t Trait) bool { return in.traits() == t }

// Shown returns what the person sees at once of what they want, in the tab where they want it.
// It follows from the state alone; what else has to be done the features find out.
func Shown(in Intent, s *State) []Event {
	if in, ok := in.(interface{ shown(*State) []Event }); ok {
		return in.shown(s)
	}
	return nil
}

// intents are all that there are, by name: an intent has its line here, and tabs and stories can
// say it.
var intents = func() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, in := range []Intent{
		SignIn{}, Return{}, GivePassword{}, SignInAgain{}, SignOut{}, Reconnect{},
		StartChat{}, SendMessage{}, KeepDraft{}, KeepAim{}, RetryMessage{}, DeleteMessage{}, Typing{}, ReadChat{}, LoadOlder{}, Look{}, LoadMissing{},
		React{}, Correct{}, Retract{}, LetBe{}, Seek{},
		JoinRoom{}, LeaveRoom{}, SetNotify{}, BrowseRooms{}, DeclineInvitations{},
		ChangeSubject{}, ChangeNick{}, Invite{}, ChangeRole{}, ChangeAffiliation{},
		ReadRoomForm{}, ConfigureRoom{}, DestroyRoom{},
		AddContact{}, RenameContact{}, RemoveContact{}, AcceptContact{}, DeclineContacts{}, DismissRefusal{}, SetPresence{}, SetDiscreet{},
	} {
		types[reflect.TypeOf(in).Name()] = reflect.TypeOf(in)
	}
	return types
}()

// Said is an Intent as one tab tells it to another, and as a story says it.
type Said struct {
	Kind string
	What json.RawMessage
}

// Tell puts an intent into words. It fails for those that no other tab may hear.
func Tell(in Intent) (Said, error) {
	kind := reflect.TypeOf(in).Name()
	if intents[kind] == nil || Is(in, Own) {
		return Said{}, fmt.Errorf("state: %s is not for other tabs", kind)
	}
	what, err := json.Marshal(in)
	return Said{kind, what}, err
}

// Intent returns what was told.
func (w Said) Intent() (Intent, error) {
	kind := intents[w.Kind]
	if kind == nil {
		return nil, fmt.Errorf("state: what is %q?", w.Kind)
	}
	in := reflect.New(kind)
	if err := json.Unmarshal(w.What, in.Interface()); err != nil {
		return nil, err
	}
	told := in.Elem().Interface().(Intent)
	if Is(told, Own) {
		return nil, fmt.Errorf("state: %s is a tab's own", w.Kind)
	}
	return told, nil
}

// SignIn connects an account. Address is what was typed; Server is the WebSocket
// the person entered under Advanced, "" to find it. With Remember the account, its
// messages and what signs in to it, but never the password, stay on this device.
type SignIn struct {
	Address, Password, Server string
	Remember                  bool
	// As is the account that the person has decided to be, if the server says that the
	// address stands for another: see Problem.Account.
	As jid.JID
}

// Return comes back to an account that is remembered on this device: what was kept of
// it is on screen first, the connection follows.
type Return struct {
	Account jid.JID
	Open    ConvID // the conversation that was on screen, "" if none
	Out     bool   // the person has signed out, and not all of it is done yet
}

// GivePassword goes on with a new password where the old one, or what was kept instead, no
// longer does: Connection.Problem is about the field "password".
type GivePassword struct{ Password string }

// SignInAgain goes back to the sign-in form. What is on this device stays, and is there
// again after the sign-in.
type SignInAgain struct{}

// SignOut ends the session and forgets the account.
type SignOut struct{}

// Reconnect tries again now instead of at Connection.RetryAt.
type Reconnect struct{}

// StartChat opens a conversation with an address.
type StartChat struct{ Conv ConvID }

// SendMessage writes to a peer. Empty and blank bodies are ignored, and so is a message
// that is there already: what a tab wants is done again if the one that did it dies.
type SendMessage struct {
	Conv ConvID
	Body string
	ID   string    // chosen by the client if ""
	At   time.Time // when it was written; now if zero
	To   Target    // the message that it replies to, if it does
}

// KeepAim keeps what the draft to a conversation is to be.
type KeepAim struct {
	Conv ConvID
	Aim  Aim
}

// KeepDraft keeps what was written to a peer and not sent; with "" there is nothing.
// SendMessage takes the draft away by itself.
type KeepDraft struct {
	Conv ConvID
	Text string
}

// RetryMessage sends a failed message again.
type RetryMessage struct {
	Conv ConvID
	ID   string
}

// DeleteMessage takes back a failed message: it was never sent, as far as anybody knows.
type DeleteMessage struct {
	Conv ConvID
	ID   string
}

// React puts all that the person reacts with to a message in the place of what they did before:
// emoji with a space between each, "" for none any more.
type React struct {
	Of    Target
	Emoji string
	At    time.Time
}

// Correct has a message of ours say something else.
type Correct struct {
	Of   Target
	Body string
	ID   string // of the correction; chosen by the client
	At   time.Time
}

// Retract takes a message of ours back.
type Retract struct {
	Of Target
	ID string // of the retraction; chosen by the client
	At time.Time
}

// LetBe says that the person has read that what they said about a message has not got through.
type LetBe struct {
	Of     Target
	Stanza string // Refusal.Stanza
	At     time.Time
}

// Typing tells the peer that the person writes, or stopped (XEP-0085).
type Typing struct {
	Conv   ConvID
	Typing bool
}

// SetDiscreet stops contacts from being told what has been read here, or lets them be told
// again.
type SetDiscreet struct{ On bool }

// ReadChat says that the conversation is in front of the person's eyes.
type ReadChat struct{ Conv ConvID }

// LoadOlder asks for the page of the archive before what is held.
type LoadOlder struct{ Conv ConvID }

// Look says which place of a conversation is in front of the person, the end if none is given,
// or, with Unread, the first message that has not been read. What this device has around it is to
// be in memory. With Of it is only to find a message, where this device has that. It is a tab's own.
type Look struct {
	Conv   ConvID
	At     Key
	Unread bool
	Of     Target
}

// Seek has the archive read for a place of a conversation that is not here: that of a message, or of
// a time. What comes of it is State.Sought. With the zero Seek the person looks for nothing more.
type Seek struct {
	Conv ConvID `json:"conv"`
	Of   Target `json:"of"`
	At   int64  `json:"at,omitempty"` // in µs since 1970, without an Of
}

// LoadMissing asks for what is missing in a gap of a conversation, page by page.
type LoadMissing struct {
	Conv  ConvID
	After string // Gap.After.ID
}

// JoinRoom enters a room. A nick and a password that are not given are those of before. What
// stands in the way is Room.Problem; Create and Seen answer it.
type JoinRoom struct {
	Room           jid.JID
	Nick, Password string
	Create         bool // the room if there is none
	Seen           bool // the person has read that all in the room see their address
}

// LeaveRoom leaves a room, or gives up entering it.
type LeaveRoom struct{ Room jid.JID }

// SetNotify says of which messages of a room the person wants to be told.
type SetNotify struct {
	Room   jid.JID
	Notify Notify
}

// DeclineInvitations refuses invitations to rooms. Who accepts one joins.
type DeclineInvitations struct{ Rooms []jid.JID }

// BrowseRooms asks for the rooms of the server: State.Directory.
type BrowseRooms struct{}

// ChangeSubject says what a room is about. What becomes of this, and of whatever else the person wants
// of a room in which they are, is Room.Outcome.
type ChangeSubject struct {
	Room    jid.JID
	Subject string
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
}

// ChangeRole gives an occupant of a room another role. Without one they are kicked. It is said once: later
// somebody else may have the nick.
type ChangeRole struct {
	Room   jid.JID
	Nick   string
	Role   Role
	Reason string
}

// ChangeAffiliation gives somebody another affiliation with a room. As an outcast they are banned.
type ChangeAffiliation struct {
	Room        jid.JID
	Who         jid.JID
	Affiliation Affiliation
	Reason      string
}

// ReadRoomForm asks how a room can be configured: Room.Form.
type ReadRoomForm struct{ Room jid.JID }

// ConfigureRoom sends Room.Form back, filled in. Fields that are not given stay as they are.
type ConfigureRoom struct {
	Room   jid.JID
	Fields []Filled
}

// DestroyRoom ends a room for all.
type DestroyRoom struct {
	Room   jid.JID
	Reason string
}

// AddContact puts an address on the roster and asks to see its presence.
type AddContact struct {
	JID  jid.JID
	Name string
}

// RenameContact changes the name on the roster.
type RenameContact struct {
	JID  jid.JID
	Name string
}

// RemoveContact takes an address off the roster, both subscriptions with it.
type RemoveContact struct{ JID jid.JID }

// AcceptContact lets somebody who asked see our presence, and asks for theirs.
type AcceptContact struct{ JID jid.JID }

// DeclineContacts refuses those who asked.
type DeclineContacts struct{ JIDs []jid.JID }

// DismissRefusal says that the person has read what a Contact has Refused.
type DismissRefusal struct{ JID jid.JID }

// SetPresence changes what contacts are told.
type SetPresence struct{ Presence Presence }

func (SignIn) traits() Trait             { return Own }
func (Return) traits() Trait             { return Own }
func (GivePassword) traits() Trait       { return Told }
func (SignInAgain) traits() Trait        { return Told }
func (SignOut) traits() Trait            { return Told }
func (Reconnect) traits() Trait          { return Told }
func (StartChat) traits() Trait          { return Told }
func (SendMessage) traits() Trait        { return Told }
func (KeepAim) traits() Trait            { return Told }
func (KeepDraft) traits() Trait          { return Told }
func (RetryMessage) traits() Trait       { return Told }
func (DeleteMessage) traits() Trait      { return Told }
func (React) traits() Trait              { return Told }
func (Correct) traits() Trait            { return Told }
func (Retract) traits() Trait            { return Told }
func (LetBe) traits() Trait              { return Told }
func (Typing) traits() Trait             { return Fleeting }
func (SetDiscreet) traits() Trait        { return Told }
func (ReadChat) traits() Trait           { return Told }
func (LoadOlder) traits() Trait          { return Told }
func (Look) traits() Trait               { return Own }
func (Seek) traits() Trait               { return Fleeting }
func (LoadMissing) traits() Trait        { return Told }
func (JoinRoom) traits() Trait           { return Told }
func (LeaveRoom) traits() Trait          { return Told }
func (SetNotify) traits() Trait          { return Told }
func (BrowseRooms) traits() Trait        { return Fleeting }
func (DeclineInvitations) traits() Trait { return Told }
func (ChangeSubject) traits() Trait      { return Told }
func (ChangeNick) traits() Trait         { return Told }
func (Invite) traits() Trait             { return Told }
func (ChangeRole) traits() Trait         { return Fleeting }
func (ChangeAffiliation) traits() Trait  { return Told }
func (ReadRoomForm) traits() Trait       { return Fleeting }
func (ConfigureRoom) traits() Trait      { return Fleeting }
func (DestroyRoom) traits() Trait        { return Told }
func (AddContact) traits() Trait         { return Told }
func (RenameContact) traits() Trait      { return Told }
func (RemoveContact) traits() Trait      { return Told }
func (AcceptContact) traits() Trait      { return Told }
func (DeclineContacts) traits() Trait    { return Told }
func (DismissRefusal) traits() Trait     { return Told }
func (SetPresence) traits() Trait        { return Told }

func (in StartChat) shown(*State) []Event { return []Event{ChatStarted(in)} }

func (in ReadChat) shown(*State) []Event { return []Event{ChatRead(in)} }

func (in KeepAim) shown(*State) []Event { return []Event{AimChanged(in)} }

func (in KeepDraft) shown(*State) []Event { return []Event{DraftChanged(in)} }

func (in SendMessage) shown(s *State) (events []Event) {
	body, chat := in.Text(), s.Chat(in.Conv)
	if body == "" {
		return nil
	}
	if chat == nil || chat.Timeline.ByID(s.Account(), in.ID) == nil {
		events = append(events, MessageAdded{Conv: in.Conv, Message: Message{
			ID: in.ID, Author: s.Account(), Mine: true, Body: body, At: in.At, Delivery: Queued, Late: s.Connection.Phase != Online,
		}})
		if in.To.ID != "" {
			events = append(events, s.said(Target{in.Conv, s.Account(), in.ID}, Replies, in.At, in.To.Reference())...)
		}
	}
	return append(events, s.written(in.Conv)...)
}

// Text is what is sent, "" if nothing of it can be seen.
func (in SendMessage) Text() string {
	text := strings.Map(printable, in.Body)
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return text
}

// printable drops what XML cannot carry, so that here and there the same is read.
func printable(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF {
		return -1
	}
	return r
}

func (in RetryMessage) shown(s *State) []Event {
	chat := s.Chat(in.Conv)
	if chat == nil {
		return nil
	}
	if m := chat.Timeline.ByID(s.Account(), in.ID); m == nil || m.Delivery != Failed {
		return nil
	}
	return []Event{MessageRetried(in)}
}

func (in DeleteMessage) shown(*State) []Event {
	return []Event{MessageRemoved(in)}
}

func (in React) shown(s *State) []Event { return s.said(in.Of, Reacted, in.At, in.Emoji) }

func (in React) stamped(_ string, at time.Time) Intent {
	in.At = at
	return in
}

func (in Correct) shown(s *State) (events []Event) {
	if text := in.Text(); text != "" {
		events = inStanza(s.said(in.Of, Corrected, in.At, text), in.ID)
	}
	return append(events, s.written(in.Of.Conv)...)
}

func (in Correct) stamped(id string, at time.Time) Intent {
	in.ID, in.At = id, at
	return in
}

// Text is what is sent, "" if nothing of it can be seen.
func (in Correct) Text() string { return SendMessage{Body: in.Body}.Text() }

func (in Retract) shown(s *State) []Event {
	return inStanza(s.said(in.Of, Retracted, in.At, ""), in.ID)
}

func (in Retract) stamped(id string, at time.Time) Intent {
	in.ID, in.At = id, at
	return in
}

func (in LetBe) shown(s *State) []Event {
	return inStanza(s.said(in.Of, Refused, in.At, ""), in.Stanza)
}

func (in LetBe) stamped(_ string, at time.Time) Intent {
	in.At = at
	return in
}

// written is that the draft of a conversation has been sent.
func (s *State) written(id ConvID) (events []Event) {
	c := s.Chat(id)
	if c != nil && c.Draft != "" {
		events = append(events, DraftChanged{Conv: id})
	}
	if c != nil && c.Aim != (Aim{}) {
		events = append(events, AimChanged{Conv: id})
	}
	return events
}

// said is that the person says something about a message.
func (s *State) said(of Target, kind FactKind, at time.Time, text string) []Event {
	return []Event{Filed{Target: of, Fact: Fact{Kind: kind, By: s.Account(), At: at.UnixMicro(), Text: text}}}
}

// inStanza is that they say it in the stanza with this id.
func inStanza(events []Event, stanza string) []Event {
	f := events[0].(Filed)
	f.Stanza = stanza
	return []Event{f}
}

// Stamped returns an intent with when it was wanted and an id, if it is one that needs these to be
// the same when it is carried out once more.
func Stamped(in Intent, newID func() string, at time.Time) Intent {
	if in, ok := in.(interface {
		stamped(id string, at time.Time) Intent
	}); ok {
		return in.stamped(newID(), at)
	}
	return in
}

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

func (in AddContact) shown(s *State) []Event {
	events := s.Edited(in.JID, Add, in.Name)
	return append(events, s.With(events[0]).Wanted(in.JID, Pending{Ask: true})...)
}

func (in RenameContact) shown(s *State) []Event { return s.Edited(in.JID, Rename, in.Name) }

func (in RemoveContact) shown(s *State) []Event { return s.Edited(in.JID, Remove, "") }

func (in AcceptContact) shown(s *State) []Event {
	c := s.Contact(in.JID)
	if c == nil || !c.AsksUs {
		return nil
	}
	return s.Wanted(in.JID, Pending{Answer: Accept, Ask: c.Subscription == SubscriptionNone})
}

func (in DeclineContacts) shown(s *State) (events []Event) {
	for _, j := range in.JIDs {
		if c := s.Contact(j); c != nil && c.AsksUs {
			events = append(events, s.Wanted(j, Pending{Answer: Decline})...)
		}
	}
	return events
}

func (in DismissRefusal) shown(*State) []Event { return []Event{RefusalRead(in)} }

// Edited is what it means that the person changes the roster: nothing where they rename somebody
// who is not in it.
func (s *State) Edited(j jid.JID, what Edit, name string) []Event {
	var p Pending
	c := s.Contact(j)
	if c != nil {
		p = c.Pending
	}
	switch {
	case what == Rename && p.Edit == Add:
		what = Add
	case what == Rename && (c == nil || !c.InRoster):
		return nil
	case what == Remove:
		p.Ask = false
	}
	p.Edit, p.Name = what, name
	return []Event{ContactPending{j.Bare(), p}}
}

// Wanted is what it means that the person asks to see a contact's presence, or answers them. Who
// was asked already is not asked again.
func (s *State) Wanted(j jid.JID, more Pending) []Event {
	var p Pending
	asked := false
	if c := s.Contact(j); c != nil {
		p = c.Pending
		asked = c.Asked || c.Subscription == SubscriptionTo || c.Subscription == SubscriptionBoth
	}
	p.Ask = p.Ask || more.Ask && !asked
	if more.Answer != "" {
		p.Answer = more.Answer
	}
	return []Event{ContactPending{j.Bare(), p}}
}
