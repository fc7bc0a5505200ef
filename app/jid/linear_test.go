//go:build !js

package jid

import (
	"strings"
	"testing"

	"natter/app/steps"
)

func FuzzLinear(f *testing.F) {
	for _, seed := range [][2]string{
		{"", "a"}, {"", "@"}, {"", "a@b."}, {"", `\5c`}, {"", "'"}, {"xmpp:", "%41"}, {"xmpp:a@b.example?message", ";body=%20"}, {"", "\u200b"},
		{"xmpp:", "@"}, {"xmpp://", "/"}, {"xn--", "a"}, {"", "ä"}, {"a@", "ä."},
	} {
		f.Add(seed[0], seed[1], uint16(20_000))
	}
	f.Fuzz(func(t *testing.T, head, piece string, times uint16) {
		text := head + strings.Repeat(piece, int(times)/max(1, len(piece)))
		for name, do := range map[string]func(){
			"Typed":     func() { _, _ = Typed(text) },
			"ParseLink": func() { ParseLink(text) },
			"Shown":     func() { JID(text).Shown() },
		} {
			if n := steps.Of(do); n > 24*len(text)+100 {
				t.Errorf("%s: %d steps for %d bytes of %.40q", name, n, len(text), text)
			}
		}
	})
}
