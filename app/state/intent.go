package state

import "natter/app/jid"

// Intent is something a person wants. The view hands intents to the client; the
// first feature that knows one carries it out.
type Intent interface{ intent() }

// SignIn connects an account. Address is what was typed; Server is the WebSocket
// the person entered under Advanced, "" to find it. With Remember the account, its
// messages and what signs in to it, but never the password, stay on this device.
type SignIn struct {
	Address, Password, Server string
	Remember                  bool
}

// Return comes back to an account that is remembered on this device: what was kept of
// it is on screen first, the connection follows.
type Return struct{ Account jid.JID }

// SignOut ends the session and forgets the account.
type SignOut struct{}

// Reconnect tries again now instead of at Connection.RetryAt.
type Reconnect struct{}

// StartChat opens a conversation with an address.
type StartChat struct{ Peer jid.JID }

// SendMessage writes to a peer. Empty and blank bodies are ignored.
type SendMessage struct {
	Peer jid.JID
	Body string
}

// RetryMessage sends a failed message again.
type RetryMessage struct {
	Peer jid.JID
	ID   string
}

// Typing tells the peer that the person writes, or stopped (XEP-0085).
type Typing struct {
	Peer   jid.JID
	Typing bool
}

// ReadChat says that the conversation is in front of the person's eyes.
type ReadChat struct{ Peer jid.JID }

// LoadOlder asks for the page of the archive before what is held.
type LoadOlder struct{ Peer jid.JID }

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

// DeclineContact refuses somebody who asked.
type DeclineContact struct{ JID jid.JID }

// SetPresence changes what contacts are told.
type SetPresence struct{ Presence Presence }

func (SignIn) intent()         {}
func (Return) intent()         {}
func (SignOut) intent()        {}
func (Reconnect) intent()      {}
func (StartChat) intent()      {}
func (SendMessage) intent()    {}
func (RetryMessage) intent()   {}
func (Typing) intent()         {}
func (ReadChat) intent()       {}
func (LoadOlder) intent()      {}
func (AddContact) intent()     {}
func (RenameContact) intent()  {}
func (RemoveContact) intent()  {}
func (AcceptContact) intent()  {}
func (DeclineContact) intent() {}
func (SetPresence) intent()    {}
