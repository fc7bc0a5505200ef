package state

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"natter/app/jid"
)

// Intent is something that the person wants. The view passes intents to the client. In the tab that leads,
// the client or the features that know an intent carry it out.
type Intent interface{ traits() Trait }

// Trait says how the tabs of one browser deal with an intent.
type Trait uint8

const (
	// Told intents are sent to the tab that leads, until it has confirmed them. They may be carried out
	// twice, so a second time must change nothing; the client leaves it out for SendMessage and those of Once.
	Told Trait = iota
	// Fleeting intents are sent to the leader once, because a second later they mean nothing.
	Fleeting
	// Own intents are never sent to another tab. The password of a sign-in is in one.
	Own
)

// Is reports whether an intent has a trait.
func Is(in Intent, t Trait) bool { return in.traits() == t }

// Once returns the ID of an intent that others would see if it were carried out twice, "" for any other intent.
// The client notes it together with what the intent sends, and the next leader leaves it out. SendMessage is not
// among them, because its message is on the disk.
func Once(in Intent) string {
	switch in := in.(type) {
	case ChangeSubject:
		return in.ID
	case Invite:
		return in.ID
	}
	return ""
}

// Shown returns the events of an intent that follow from the state alone. A mirror applies them at once,
// before the leader has carried out the intent.
func Shown(in Intent, s *State) []Event {
	if in, ok := in.(interface{ shown(*State) []Event }); ok {
		return in.shown(s)
	}
	return nil
}

// intents has the type of each intent, by its name. Tabs and stories can only read those that are here.
var intents = func() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, in := range []Intent{
		SignIn{}, Return{}, GivePassword{}, SignInAgain{}, SignOut{}, Reconnect{},
		StartChat{}, SendMessage{}, KeepDraft{}, KeepAim{}, RetryMessage{}, DeleteMessage{}, Typing{}, ReadChat{}, LoadOlder{}, Look{}, LoadMissing{},
		React{}, Correct{}, Retract{}, Moderate{}, LetBe{}, Seek{}, ReadOriginal{},
		JoinRoom{}, LeaveRoom{}, SetNotify{}, BrowseRooms{}, DeclineInvitations{},
		ChangeSubject{}, ChangePicture{}, ChangeNick{}, Invite{}, ChangeRole{}, ChangeAffiliation{},
		ReadNick{}, RegisterNick{}, AskMembership{}, AskVoice{}, AnswerAppeal{}, MakeGroup{}, ReadPeople{}, ReadRoomForm{}, ConfigureRoom{}, DestroyRoom{},
		AddContact{}, RenameContact{}, RemoveContact{}, AcceptContact{}, DeclineContacts{}, DismissRefusal{}, SetPresence{}, SetDiscreet{},
	} {
		types[reflect.TypeOf(in).Name()] = reflect.TypeOf(in)
	}
	return types
}()

// Said is an Intent as one tab sends it to another, and as a story has it.
type Said struct {
	Kind string
	What json.RawMessage
}

// Tell returns an intent as Said. It fails for an Own intent.
func Tell(in Intent) (Said, error) {
	kind := reflect.TypeOf(in).Name()
	if intents[kind] == nil || Is(in, Own) {
		return Said{}, fmt.Errorf("state: %s is not for other tabs", kind)
	}
	what, err := json.Marshal(in)
	return Said{kind, what}, err
}

// Intent returns the intent of a Said. It fails for an unknown or an Own one.
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
	// As is the account that the server has named for this address (Problem.Account), if the person
	// agrees to it.
	As jid.JID
}

// Return comes back to an account that is remembered on this device. What was kept is shown first, then the
// client connects.
type Return struct {
	Account jid.JID
	Open    ConvID // the conversation that was on screen, "" if none
	Out     bool   // the person has signed out, and that must still be carried out
}

// GivePassword answers a Connection.Problem about the field "password": the client connects with this one.
type GivePassword struct{ Password string }

// SignInAgain goes back to the sign-in form. What is kept on this device stays, and is shown again after the
// sign-in.
type SignInAgain struct{}

// SignOut closes the stream, and deletes what is kept of the account.
type SignOut struct{}

// Reconnect connects now instead of at Connection.RetryAt.
type Reconnect struct{}

// StartChat opens a conversation with an address.
type StartChat struct{ Conv ConvID }

// SendMessage sends a message to a conversation. It is ignored if nothing of the body can be seen, or if
// there is a message with this ID already, because a mirror may send the intent twice.
type SendMessage struct {
	Conv ConvID
	Body string
	ID   string    // chosen by the client if ""
	At   time.Time // when it was written; now if zero
	To   Target    // the message that it replies to, if it does
}

// KeepAim sets the Aim of the draft of a conversation.
type KeepAim struct {
	Conv ConvID
	Aim  Aim
}

// KeepDraft sets the draft of a conversation, "" for none. SendMessage deletes the draft by itself.
type KeepDraft struct {
	Conv ConvID
	Text string
}

// RetryMessage sends a failed message again.
type RetryMessage struct {
	Conv ConvID
	ID   string
}

// DeleteMessage deletes a failed message of ours on this device.
type DeleteMessage struct {
	Conv ConvID
	ID   string
}

// React sets the emoji with which the person reacts to a message, with spaces between them; "" takes all
// back.
type React struct {
	Of    Target
	Emoji string
	At    time.Time
}

// Correct gives a message of ours another text.
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

// Moderate has a room remove a message of somebody else for all. The answer is Room.Outcome.
type Moderate struct {
	Of     Target
	Reason string
}

// LetBe dismisses a Refusal: the person has read it.
type LetBe struct {
	Of     Target
	Stanza string // Refusal.Stanza
	At     time.Time
}

// Typing tells the peer that the person is writing, or has stopped (XEP-0085).
type Typing struct {
	Conv   ConvID
	Typing bool
}

// SetDiscreet stops contacts from being told what has been read here, or lets them be told
// again.
type SetDiscreet struct{ On bool }

// ReadChat says that the person has read a conversation to its end.
type ReadChat struct{ Conv ConvID }

// LoadOlder requests the messages before those in memory: from the disk, or a page of the archive.
type LoadOlder struct{ Conv ConvID }

// Look says where in a conversation the person looks. The client reads the messages around it into memory.
type Look struct {
	Conv   ConvID
	At     Key    // the place; zero for the end
	Unread bool   // the place is that of the first unread message
	Of     Target // only this message is read; the archive is asked if this device does not have it
}

// Seek looks in the archive for a message, or for the messages around a time. The result is State.Sought.
// The zero Seek ends this.
type Seek struct {
	Conv ConvID `json:"conv"`
	Of   Target `json:"of"`
	At   int64  `json:"at,omitempty"` // in µs since 1970, without an Of
}

// LoadMissing requests the messages of a gap of a conversation, page by page.
type LoadMissing struct {
	Conv  ConvID
	After string // Gap.After.ID
}

// AddContact adds an address to the roster, and asks to see its presence.
type AddContact struct {
	JID  jid.JID
	Name string
}

// RenameContact changes the name of a contact in the roster.
type RenameContact struct {
	JID  jid.JID
	Name string
}

// RemoveContact removes an address from the roster, and with it both subscriptions.
type RemoveContact struct{ JID jid.JID }

// AcceptContact lets somebody who asked see our presence, and asks for theirs.
type AcceptContact struct{ JID jid.JID }

// DeclineContacts refuses the requests of these people to see our presence.
type DeclineContacts struct{ JIDs []jid.JID }

// DismissRefusal says that the person has read what a Contact has Refused.
type DismissRefusal struct{ JID jid.JID }

// SetPresence changes the presence that contacts see.
type SetPresence struct{ Presence Presence }

func (SignIn) traits() Trait          { return Own }
func (Return) traits() Trait          { return Own }
func (GivePassword) traits() Trait    { return Told }
func (SignInAgain) traits() Trait     { return Told }
func (SignOut) traits() Trait         { return Told }
func (Reconnect) traits() Trait       { return Told }
func (StartChat) traits() Trait       { return Told }
func (SendMessage) traits() Trait     { return Told }
func (KeepAim) traits() Trait         { return Told }
func (KeepDraft) traits() Trait       { return Told }
func (RetryMessage) traits() Trait    { return Told }
func (DeleteMessage) traits() Trait   { return Told }
func (React) traits() Trait           { return Told }
func (Correct) traits() Trait         { return Told }
func (Retract) traits() Trait         { return Told }
func (Moderate) traits() Trait        { return Told }
func (LetBe) traits() Trait           { return Told }
func (Typing) traits() Trait          { return Fleeting }
func (SetDiscreet) traits() Trait     { return Told }
func (ReadChat) traits() Trait        { return Told }
func (LoadOlder) traits() Trait       { return Told }
func (Look) traits() Trait            { return Own }
func (Seek) traits() Trait            { return Fleeting }
func (ReadOriginal) traits() Trait    { return Fleeting }
func (LoadMissing) traits() Trait     { return Told }
func (AddContact) traits() Trait      { return Told }
func (RenameContact) traits() Trait   { return Told }
func (RemoveContact) traits() Trait   { return Told }
func (AcceptContact) traits() Trait   { return Told }
func (DeclineContacts) traits() Trait { return Told }
func (DismissRefusal) traits() Trait  { return Told }
func (SetPresence) traits() Trait     { return Told }

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

// Text returns the text that is sent, "" if nothing of it can be seen.
func (in SendMessage) Text() string {
	text := strings.Map(printable, in.Body)
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return text
}

// printable drops the characters that XML forbids, so that both sides read the same.
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

// Text returns the text that is sent, "" if nothing of it can be seen.
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

// written returns the events that delete the draft of a conversation, after it was sent.
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

// said returns the event that the person says a fact about a message.
func (s *State) said(of Target, kind FactKind, at time.Time, text string) []Event {
	return []Event{Filed{Target: of, Fact: Fact{Kind: kind, By: s.Account(), At: at.UnixMicro(), Text: text}}}
}

// inStanza returns the event of said with the id of the stanza that says the fact.
func inStanza(events []Event, stanza string) []Event {
	f := events[0].(Filed)
	f.Stanza = stanza
	return []Event{f}
}

// Stamped returns an intent with a time and a new id, if it is of a type that has them. So both are the same
// if the intent is carried out once more.
func Stamped(in Intent, newID func() string, at time.Time) Intent {
	if in, ok := in.(interface {
		stamped(id string, at time.Time) Intent
	}); ok {
		return in.stamped(newID(), at)
	}
	return in
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

// Edited returns the events of a change of the roster: none if a contact is renamed who is not in it.
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

// Wanted returns the events if the person asks to see the presence of a contact, or answers their request.
// A contact who was asked already is not asked again.
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
