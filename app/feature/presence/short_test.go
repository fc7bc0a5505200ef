package presence

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestShort(t *testing.T) {
	for _, text := range []string{"", "words", strings.Repeat("x", 1024), strings.Repeat("x", 1025), strings.Repeat("é", 600),
		"x" + strings.Repeat("é", 600), "xy" + strings.Repeat("🦋", 300), strings.Repeat("a\u0301", 400)} {
		got := shortCopy(text)
		if len(got) > 1024 || !utf8.ValidString(got) || !strings.HasPrefix(text, got) {
			t.Errorf("%.20q… of %d bytes becomes %d", text, len(text), len(got))
		}
		if len(text) > 1024 && len(got) < 1021 || len(text) <= 1024 && got != text {
			t.Errorf("too much of %d bytes is gone: %d are left", len(text), len(got))
		}
	}
}
