package state

import (
	"strings"

	"natter/app/jid"
	"natter/app/legible"
)

// Title returns the name of a conversation, safe to show. The name of one with an occupant is the nick and the
// room, so that it differs from one with a contact.
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

// Partner returns the occupant who has the nick of a private conversation now, nil if nobody has it, or if we
// are not in the room. other is true if that is not the one who had it before in this conversation.
func (s *State) Partner(conv ConvID) (o *Occupant, other bool) {
	r := s.Room(conv.JID())
	if conv.Kind() != Private || !r.In() {
		return nil, false
	}
	o, _ = r.Occupants.Get(conv.JID().Resource())
	c := s.Chat(conv)
	return o, o != nil && c != nil && o.ID != "" && c.With != "" && o.ID != c.With
}

// Privates returns the private conversations with present and former occupants of a room.
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

// occupantID returns the occupant-id in the JID of an author, "" if there is none.
func occupantID(author jid.JID) string {
	if id, ok := strings.CutPrefix(author.Resource(), idMark); ok {
		return id
	}
	return ""
}

// goOn sets Chat.With after a message of a private conversation: to its author or, if it is ours, to the
// occupant who has the nick now.
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
