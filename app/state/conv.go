package state

import (
	"strings"

	"natter/app/jid"
)

// Kind is what a conversation is held with.
type Kind int

const (
	Direct    Kind = iota // a person, by their bare address
	Groupchat             // all who are in a room (XEP-0045), by the room's bare address
	Private               // one occupant of a room, by the room's address with their nick
)

// ConvID names a conversation of an account: in the state, on the disk and in the page. All but
// this file treat it as opaque. A direct one is written as the address, as builds before it did,
// and a room has a slash at its end, which no address has (RFC 7622 §3.1).
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

// Kind returns what the conversation is held with.
func (id ConvID) Kind() Kind {
	switch strings.IndexByte(string(id), '/') {
	case -1:
		return Direct
	case len(id) - 1:
		return Groupchat
	}
	return Private
}

// JID returns the address that the conversation is held with: what is sent goes there.
func (id ConvID) JID() jid.JID {
	if id.Kind() == Groupchat {
		return jid.JID(id[:len(id)-1])
	}
	return jid.JID(id)
}

// Author is who sent a stanza.
type Author struct {
	// JID is bare, but for the occupants of a room: see Room.Author.
	JID    jid.JID
	Mine   bool   // this account did, here or with another client
	Nick   string // in a room: how they were called then
	Tenure        // of who is known by their nick only
	// Likely is set with Mine if nobody says that we did, but a message of ours with that id: enough
	// to know that one again, and not to say anything about others.
	Likely bool
}
