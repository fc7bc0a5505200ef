package state

import (
	"strings"

	"natter/app/jid"
)

// Kind says with whom a conversation is held.
type Kind int

const (
	Direct    Kind = iota // a person, by their bare address
	Groupchat             // all who are in a room (XEP-0045), by the room's bare address
	Private               // one occupant of a room, by the room's address with their nick
)

// ConvID names a conversation of an account: in the state, on the disk and in the page. Only this file knows
// its format. A direct one is the address alone, as earlier builds wrote it. A room has a slash at the end,
// which no address has (RFC 7622 §3.1).
type ConvID string

// With returns the conversation of this kind with an address.
func (k Kind) With(j jid.JID) ConvID {
	switch k {
	case Groupchat:
		return ConvID(j.Bare() + "/")
	case Private:
		return ConvID(j)
	}
	return ConvID(j.Bare())
}

// Kind returns the kind of the conversation.
func (id ConvID) Kind() Kind {
	switch strings.IndexByte(string(id), '/') {
	case -1:
		return Direct
	case len(id) - 1:
		return Groupchat
	}
	return Private
}

// JID returns the address to which messages of the conversation are sent.
func (id ConvID) JID() jid.JID {
	if id.Kind() == Groupchat {
		return jid.JID(id[:len(id)-1])
	}
	return jid.JID(id)
}

// Author is who sent a stanza.
type Author struct {
	// JID is bare, except for the occupants of a room: see Room.Author.
	JID    jid.JID
	Mine   bool   // it is this account, with this client or another one
	Nick   string // in a room: the nick under which they sent it
	Tenure        // of an author who is known by the nick only
	// Likely is true, with Mine, if the room does not say that we are the author, but the stanza is like a
	// message of ours. That is enough to recognise that message, but not to say facts about others.
	Likely bool
}
