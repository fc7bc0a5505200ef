package state

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"natter/app/jid"
)

// Intent is something a person wants. The view hands intents to the client; the
// first feature that knows one carries it out.
type Intent interface{ intent() }

// told are the intents that one tab tells another. It may happen twice: what is wanted
// a second time changes nothing. SignIn, Return and LoadBack are a tab's own.
var told = func() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, in := range []Intent{
		GivePassword{}, SignInAgain{}, SignOut{}, Reconnect{}, StartChat{}, SendMessage{}, KeepDraft{}, RetryMessage{}, DeleteMessage{}, Typing{}, ReadChat{}, LoadOlder{}, LoadMissing{},
		AddContact{}, RenameContact{}, RemoveContact{}, AcceptContact{}, DeclineContacts{}, DismissRefusal{}, SetPresence{}, SetDiscreet{},
	} {
		types[reflect.TypeOf(in).Name()] = reflect.TypeOf(in)
	}
	return types
}()

// Told is an Intent as one tab tells it to another.
type Told struct {
	Kind string
	What json.RawMessage
}

// Tell puts an intent into words. It fails for those that no other tab may hear.
func Tell(in Intent) (Told, error) {
	kind := reflect.TypeOf(in).Name()
	if told[kind] == nil {
		return Told{}, fmt.Errorf("state: %s is not for other tabs", kind)
	}
	what, err := json.Marshal(in)
	return Told{kind, what}, err
}

// Intent returns what was told.
func (t Told) Intent() (Intent, error) {
	kind := told[t.Kind]
	if kind == nil {
		return nil, fmt.Errorf("state: what is %q?", t.Kind)
	}
	in := reflect.New(kind)
	if err := json.Unmarshal(t.What, in.Interface()); err != nil {
		return nil, err
	}
	return in.Elem().Interface().(Intent), nil
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
	Open    jid.JID // the conversation that was on screen, "" if none
	Out     bool    // the person has signed out, and not all of it is done yet
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
type StartChat struct{ Peer jid.JID }

// SendMessage writes to a peer. Empty and blank bodies are ignored, and so is a message
// that is there already: what a tab wants is done again if the one that did it dies.
type SendMessage struct {
	Peer jid.JID
	Body string
	ID   string    // chosen by the client if ""
	At   time.Time // when it was written; now if zero
}

// KeepDraft keeps what was written to a peer and not sent; with "" there is nothing.
// SendMessage takes the draft away by itself.
type KeepDraft struct {
	Peer jid.JID
	Text string
}

// RetryMessage sends a failed message again.
type RetryMessage struct {
	Peer jid.JID
	ID   string
}

// DeleteMessage takes back a failed message: it was never sent, as far as anybody knows.
type DeleteMessage struct {
	Peer jid.JID
	ID   string
}

// Typing tells the peer that the person writes, or stopped (XEP-0085).
type Typing struct {
	Peer   jid.JID
	Typing bool
}

// SetDiscreet stops contacts from being told what has been read here, or lets them be told
// again.
type SetDiscreet struct{ On bool }

// ReadChat says that the conversation is in front of the person's eyes.
type ReadChat struct{ Peer jid.JID }

// LoadOlder asks for the page of the archive before what is held.
type LoadOlder struct{ Peer jid.JID }

// LoadBack asks for all that this device has of a conversation from a place on, and a
// little of what comes before. It is a tab's own.
type LoadBack struct {
	Peer jid.JID
	To   Key
}

// LoadMissing asks for what is missing in a gap of a conversation, page by page.
type LoadMissing struct {
	Peer  jid.JID
	After string // Gap.After.ID
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

func (SignIn) intent()          {}
func (Return) intent()          {}
func (GivePassword) intent()    {}
func (SignInAgain) intent()     {}
func (SignOut) intent()         {}
func (Reconnect) intent()       {}
func (StartChat) intent()       {}
func (SendMessage) intent()     {}
func (KeepDraft) intent()       {}
func (RetryMessage) intent()    {}
func (DeleteMessage) intent()   {}
func (Typing) intent()          {}
func (SetDiscreet) intent()     {}
func (ReadChat) intent()        {}
func (LoadOlder) intent()       {}
func (LoadBack) intent()        {}
func (LoadMissing) intent()     {}
func (AddContact) intent()      {}
func (RenameContact) intent()   {}
func (RemoveContact) intent()   {}
func (AcceptContact) intent()   {}
func (DeclineContacts) intent() {}
func (DismissRefusal) intent()  {}
func (SetPresence) intent()     {}
