package text

import (
	"strings"
	"testing"
)

func BenchmarkParse(b *testing.B) {
	for _, bc := range []struct{ name, body string }{
		{"plain", "I found out why the relay stuck this morning, and it is not what you think."},
		{"styled", "*Strong*, _stressed_ and `pre`, see https://example.org/a"},
		{"long", strings.Repeat("The engine might act upon other things besides number.\n", 40)},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Parse(bc.body, Rules{})
			}
		})
	}
}
