//go:build !js

package view

import (
	"strings"
	"testing"

	"natter/app/legible"
	"natter/app/state"
	"natter/app/steps"
	"natter/app/text"
)

// linear shows that what f does grows with the text and not with its square: no more
// steps than so many for each byte. What a stranger sends is a piece many times.
func linear(f *testing.F, each int, do func(text string)) {
	for _, seed := range [][2]string{
		{"http://a", ")"}, {"http://a", "))]"}, {"", "http://:"}, {"", "xmpp:@"}, {"", "xmpp:a@b.example "}, {"", "https://a.example/(("},
		{"https://", "_"}, {"_https://a.example/", "_"}, {"https://@", "@:"}, {"", "tel:"}, {"", "mailto:a "}, {"", "h"}, {"", "a\n"}, {"", " "},
		{"", "\u200d"}, {"🏴", "\U000e0067"}, {"a", "\ufe0f\u0301"}, {"", "🦋"}, {"https://", "ä"}, {"", "ß"}, {"", "\xff"}, {"https://xn--", "a"}, {"https://", "а."},
	} {
		f.Add(seed[0], seed[1], uint16(20_000))
	}
	f.Fuzz(func(t *testing.T, head, piece string, times uint16) {
		text := head + strings.Repeat(piece, int(times)*len("xmpp:@")/max(len(piece), 6))
		if n := steps.Of(func() { do(text) }); n > each*len(text)+1000 {
			t.Errorf("%d steps for %d bytes of %.40q", n, len(text), text)
		}
	})
}

func FuzzLinear_folded(f *testing.F) {
	linear(f, 2, func(body string) { folded(body, 1, text.Rules{}) })
}

func FuzzLinear_snippet(f *testing.F) {
	linear(f, 24, func(text string) { snippet(legible.Line(text), state.Words("aa http ss")) })
}

func FuzzLinear_onlyEmoji(f *testing.F) { linear(f, 1, func(text string) { onlyEmoji(text) }) }
func FuzzLinear_initial(f *testing.F)   { linear(f, 1, func(text string) { initial(text) }) }
