package legible_test

import (
	"strings"
	"testing"

	"natter/app/legible"
)

func TestEmoji(t *testing.T) {
	for _, s := range []string{
		"👍", "❤", "❤️", "🎉", "😂", "🇩🇪", "🏴󠁧󠁢󠁷󠁬󠁳󠁿", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "⛹🏿‍♀️", "1️⃣", "#⃣", "©️", "↔️", "⌚", "⭐", "🫩",
	} {
		if !legible.Emoji(s) {
			t.Errorf("%q is an emoji", s)
		}
	}
	for _, s := range []string{
		"", " ", "a", "1", "ok", "👍👍", "👍 ", "👍a", "\u200d", "👍\u200d", "\ufe0f", "🇩", "🇩🇪🇫", "©", "<b>", "\u202e👍", "\xff", "é", "中", "1️", "\U000e0067",
		strings.Repeat("👍\u200d", 30) + "👍",
	} {
		if legible.Emoji(s) {
			t.Errorf("%q is no emoji", s)
		}
	}
}
