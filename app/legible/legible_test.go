//go:build !js

package legible

import (
	"strings"
	"testing"

	"natter/app/steps"
)

func TestShort(t *testing.T) {
	for _, tc := range []struct{ name, want string }{
		{"Grace Hopper", "Grace Hopper"},
		{"محمد بن موسى", "محمد بن موسى"},
		{"a\u202eb\u2066c\u200bd\ufeff", "abcd"},
		{" a\n\tb\x00c ", "a b c"},
		{strings.Repeat("x", 300), strings.Repeat("x", 100) + "…"},
		{strings.Repeat("x", 100), strings.Repeat("x", 100)},
		{strings.Repeat("é", 100) + "\u200b ", strings.Repeat("é", 100)},
		{strings.Repeat("é", 99) + " é", strings.Repeat("é", 99) + "…"},
		{strings.Repeat("\u200b", 1000) + "Ada", "Ada"},
		{"Jo\u00adhn", "John"},
		{"\xff", "\ufffd"},

		// Drawn as nothing.
		{"", ""}, {" \t\u00a0\u3000", ""}, {"\u200b", ""}, {"\u3164", ""}, {"\u2800\u2800", ""}, {"\u00ad", ""}, {"\u180e", ""},
		{"\U000e0041\U000e007f", ""}, {"\u200d", ""}, {"\ufe0f", ""}, {"\u115f\u1160", ""}, {"\uffa0", ""}, {"\u034f", ""}, {"\u0301", ""},
		{"\u2060\u2061\u2064", ""}, {"\U000e0100", ""}, {"\u17b4", ""}, {"\x00\x1f", ""},

		// What emoji are made of.
		{"👩\u200d🚀 Ada", "👩\u200d🚀 Ada"},
		{"❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥"},
		{"🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"},
		{"Ada\U000e0067\U000e007f", "Ada"},
		{"Ada" + strings.Repeat("\ufe0f", 3), "Ada\ufe0f"},
		{"a \u200d", "a"},
		{"Zoe\u0308", "Zoe\u0308"},
		{"ᄀ ⠓⠑⠇⠇⠕⠀⠺", "ᄀ ⠓⠑⠇⠇⠕ ⠺"},
	} {
		got := Name(tc.name)
		if got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.name, got, tc.want)
		}
		if again := Name(got); again != got && !strings.HasSuffix(got, "…") {
			t.Errorf("%q is cleaned to %q, and that to %q", tc.name, got, again)
		}
	}
	if address := strings.Repeat("x", 300) + "@evil.example"; Line(address) != address {
		t.Error("an address lost its end")
	}
}

func TestBody(t *testing.T) {
	if got := Body("safe\u202egpj.exe \u200fשלום\n"); got != "safegpj.exe \u200fשלום\n" {
		t.Errorf("got %q", got)
	}
}

func FuzzLinear(f *testing.F) {
	for _, piece := range []string{"a", " ", " a", "\u200d", "\ufe0f", "\u200b", "\u0301", "\U000e0067", "é", "\xff", "\u202e"} {
		f.Add("🏴", piece, uint16(20_000))
	}
	f.Fuzz(func(t *testing.T, head, piece string, times uint16) {
		text := head + strings.Repeat(piece, int(times)/max(1, len(piece)))
		for name, do := range map[string]func(string) string{"Name": Name, "Line": Line, "Body": Body} {
			var got string
			if n := steps.Of(func() { got = do(text) }); n > 2*len(text) {
				t.Errorf("%s: %d steps for %d bytes of %.40q", name, n, len(text), text)
			}
			if name == "Name" && len([]rune(got)) > 101 {
				t.Errorf("a name of %d characters", len([]rune(got)))
			}
		}
	})
}
