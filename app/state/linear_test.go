//go:build !js

package state

import (
	"strings"
	"testing"

	"natter/app/steps"
)

// The cost of these functions is in proportion to the length of the text and of the words.
func FuzzLinear(f *testing.F) {
	for _, seed := range [][3]string{
		{"", "a", "aa"}, {"", "a", "aaab"}, {"", "ß", "ss s"}, {"", "a\u0301", "a aa aaa"}, {"a", "\u0301", "a"}, {"", "\xff", "\ufffd"},
		{"", "İ", "i"}, {"", "ab ", "ab a b ba"}, {"", "한", "한"},
	} {
		f.Add(seed[0], seed[1], seed[2], uint16(20_000))
	}
	f.Fuzz(func(t *testing.T, head, piece, typed string, times uint16) {
		text := head + strings.Repeat(piece, int(times)/max(1, len(piece)))
		for name, do := range map[string]func(){
			"Fold":  func() { Fold(text) },
			"Words": func() { Words(text) },
			"Has":   func() { Has(text, Words(typed)) },
			"Spans": func() { Spans(text, Words(typed)) },
		} {
			// A character may fold to four bytes, and there are up to eight words.
			if n := steps.Of(do); n > 64*(len(text)+len(typed))+100 {
				t.Errorf("%s: %d steps for %d bytes of %.40q and %q", name, n, len(text), text, typed)
			}
		}
	})
}
