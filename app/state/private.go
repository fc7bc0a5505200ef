package state

import (
	"strings"

	"natter/app/jid"
	"natter/app/legible"
)

// Title is how a conversation is called, safe to show: one with an occupant by their nick and the
// room, so that it is never taken for one with somebody's own address.
func (s *State) Title(conv ConvID) string {
	if conv.Kind() != Private {
		return s.Name(conv.JID())
	}
	nick := legible.Name(conv.JID().Resource())
	if nick == "" {
		nick = "Somebody"
	}
	return nick + " (" + s.Name(conv.JID().Bare()) + ")"
}

// Partner returns who has the nick of a private conversation now, nil if nobody has, or if we are not in
// the room. With other it is somebody else than whom it was last held with.
func (s *State) Partner(conv ConvID) (o *Occupant, other bool) {
	r := s.Room(conv.JID())
	if conv.Kind() != Private || !r.In() {
		return nil, false
	}
	o, _ = r.Occupants.Get(conv.JID().Resource())
	c := s.Chat(conv)
	return o, o != nil && c != nil && o.ID != "" && c.With != "" && o.ID != c.With
}

// Privates returns the private conversations with those who are or were in a room.
func (s *State) Privates(room jid.JID) (all []ConvID) {
	prefix := Groupchat.With(room) // no nick is empty
	it := s.chats.Iterator()
	for it.Seek(prefix + "\x00"); !it.Done(); {
		conv, _, _ := it.Next()
		if !strings.HasPrefix(string(conv), string(prefix)) {
			break
		}
		all = append(all, conv)
	}
	return all
}

// occupantID is the occupant-id in the address of an author, "" if there is none.
func occupantID(author jid.JID) string {
	if id, ok := strings.CutPrefix(author.Resource(), idMark); ok {
		return id
	}
	return ""
}

// goOn notes with whom a private conversation goes on: the author of a message of theirs, or who is
// there when we write.
func (s *State) goOn(c *Chat, m *Message) {
	if c.Conv.Kind() != Private {
		return
	}
	id := occupantID(m.Author)
	if m.Mine {
		if o, _ := s.Partner(c.Conv); o != nil {
			id = o.ID
		}
	}
	if id != "" {
		c.With = strings.Clone(id)
	}
}
