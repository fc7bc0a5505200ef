package state

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"natter/app/jid"
)

// Notify says of which messages of a room the person is notified (XEP-0492). The words never change, because
// they are on the disk.
type Notify string

const (
	NotifyAll   Notify = "always"
	NotifyNamed Notify = "on-mention" // of those that name them
	NotifyNone  Notify = "never"
)

// Tells returns of which messages of a room the person is notified, as they have chosen. If they have not: of all
// in a room for members only, of those that name them in any other room (XEP-0492 §3).
func (r *Room) Tells() Notify {
	switch {
	case r.Notify != "":
		return r.Notify
	case r.MembersOnly:
		return NotifyAll
	}
	return NotifyNamed
}

// Counted returns of how many unread messages of a conversation the person is notified.
func (s *State) Counted(c *Chat) int {
	if c.Conv.Kind() == Direct {
		return c.Unread
	}
	switch r := s.Room(c.Conv.JID()); {
	case r == nil: // it is not in the list
		return 0
	case c.Conv.Kind() == Private:
		return c.Unread
	case r.Tells() == NotifyNone:
		return 0
	case r.Tells() == NotifyNamed:
		return c.Named
	}
	return c.Unread
}

// NotifyChanged: the person has chosen of which messages of a room they are notified.
type NotifyChanged struct {
	Room   jid.JID
	Notify Notify
}

func (ev NotifyChanged) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) { r.Notify = ev.Notify })
}

// Names returns where a text has a nick as a word, in upper or lower case: the offsets in bytes where it begins
// and ends. ok is false if the text does not have it.
func Names(text, nick string) (from, to int, ok bool) {
	low, nick := strings.ToLower(text), strings.ToLower(nick)
	if strings.TrimSpace(nick) == "" {
		return 0, 0, false
	}
	for at := 0; ; {
		i := strings.Index(low[at:], nick)
		if i < 0 {
			return 0, 0, false
		}
		begin := at + i
		end := begin + len(nick)
		before, _ := utf8.DecodeLastRuneInString(low[:begin])
		after, _ := utf8.DecodeRuneInString(low[end:])
		if !ofWord(before) && !ofWord(after) {
			from = bytesOf(text, utf8.RuneCountInString(low[:begin]))
			return from, from + bytesOf(text[from:], utf8.RuneCountInString(nick)), true
		}
		at = end
	}
}

func ofWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '_'
}

// bytesOf returns how many bytes the first runes of a text have. In lower case they may have more or less.
func bytesOf(text string, runes int) int {
	for i := range text {
		if runes == 0 {
			return i
		}
		runes--
	}
	return len(text)
}
