package state

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The state remembers a few of those who write in a room, until they stop or send a message. Mirrors get them, the
// disk does not. When we leave the room, nobody is writing.
func TestWriters(t *testing.T) {
	conv := Groupchat.With(lounge)
	s := inRoom()
	types := func(nick string, now bool) { s = s.With(TypingChanged{conv, nick, now}) }
	writers := func(want ...string) {
		t.Helper()
		c := s.Chat(conv)
		if got := strings.Join(want, "\n"); c.Writers != got || c.Typing != (len(want) > 0) {
			t.Errorf("%q write, want %q", c.Writers, want)
		}
	}
	before := s
	types("grace", true)
	types("grace", true)
	types("emmy", true)
	types("a\nb", true)
	types("", true)
	writers("grace", "emmy")
	if other := before.With(Applied{Rows: mirrored(t, s.Moments(before))}); other.Chat(conv).Writers != s.Chat(conv).Writers {
		t.Error("another tab does not know it")
	}
	if rows := s.Changes(before); len(rows) > 0 {
		t.Errorf("it is stored: %+v", rows)
	}
	s = s.With(MessageAdded{Conv: conv, Message: Message{ID: "1", Author: lounge + "/\x01g1", Nick: "grace", Body: "there", At: noon}})
	writers("emmy")
	types("nobody", false)
	types("emmy", false)
	writers()
	for i := range 1000 {
		types("visitor "+strconv.Itoa(i), true)
	}
	if n := strings.Count(s.Chat(conv).Writers, "\n") + 1; n != MostWriters {
		t.Errorf("%d are known", n)
	}
	if !s.Chat(conv).Writes("visitor 0") || slices.Contains(strings.Split(s.Chat(conv).Writers, "\n"), "visitor 999") {
		t.Error("the first are not those who are known")
	}
	s = s.With(WritersGone{lounge})
	writers()
}
