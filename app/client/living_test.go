//go:build linux

package client_test

import (
	"slices"
	"testing"

	"natter/app/state"
)

// Reactions, corrections, retractions and replies go both ways over real servers, in a carbon to the other
// device, and from the archive to a device that signs in later.
func TestLiving(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace := p.person(t).here(), p.person(t).here()
		desk := p.device(t, grace.account).here()
		befriend(ada, grace)
		ada.says(grace, "one")
		grace.hears(ada, "one")
		ada.says(grace, "two")
		grace.hears(ada, "two")
		of := func(who *person, body string) (to state.Target) {
			t.Helper()
			who.until("the message "+body, func(s *state.State) bool {
				c := s.Chat(state.Direct.With(other(who, ada, grace).account))
				for m := range c.Timeline.All {
					if _, said := m.Said(); said == body {
						to = c.Of(m)
						return true
					}
				}
				return false
			})
			return to
		}
		picture := func(who *person, want ...string) {
			t.Helper()
			who.until("the picture", func(s *state.State) bool {
				c := s.Chat(state.Direct.With(other(who, ada, grace).account))
				return c != nil && slices.Equal(drawn(s, c), want)
			})
		}
		grace.Do(state.React{Of: of(grace, "one"), Emoji: "👍 🎉"})
		picture(ada, "one 👍 🎉", "two")
		grace.Do(state.React{Of: of(grace, "one"), Emoji: "🎉"})
		ada.Do(state.Correct{Of: of(ada, "two"), Body: "three"})
		picture(grace, "one 🎉", "three")
		grace.Do(state.SendMessage{Conv: ada.conv(), Body: "four", To: of(grace, "three")})
		picture(ada, "one 🎉", "three", "four ↑ three")
		ada.Do(state.Correct{Of: of(ada, "three"), Body: "five"})
		grace.Do(state.Retract{Of: of(grace, "four")})
		ada.Do(state.SendMessage{Conv: grace.conv(), Body: "six", To: of(ada, "five")})
		want := []string{"one 🎉", "five", "retracted", "six ↑ five"}
		picture(ada, want...)
		picture(grace, want...)
		picture(desk, want...)
		// An archive may have deleted a message that was retracted: ejabberd 24 has, and has no tombstone.
		left := slices.DeleteFunc(slices.Clone(want), func(line string) bool { return line == string(state.Retracted) })
		p.device(t, ada.account).here().until("the picture", func(s *state.State) bool {
			c := s.Chat(grace.conv())
			return c != nil && (slices.Equal(drawn(s, c), want) || slices.Equal(drawn(s, c), left))
		})
	})
}

func other(who, a, b *person) *person {
	if who.account == a.account {
		return b
	}
	return a
}

// drawn returns a line for each message of a conversation: its text, what it replies to, and its reactions.
func drawn(s *state.State, c *state.Chat) (lines []string) {
	for m := range c.Timeline.All {
		line := m.Words()
		if f, gone := m.Gone(); gone {
			line = string(f.Kind)
		}
		if to, ok := c.Reply(m); ok && line != string(state.Retracted) {
			line += " ↑ "
			if of := s.About(to); of != nil {
				line += of.Words()
			}
		}
		for _, r := range m.Reactions() {
			line += " " + r.Emoji
		}
		lines = append(lines, line)
	}
	return lines
}
