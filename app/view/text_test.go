package view

import (
	"math"
	"strings"
	"testing"

	"natter/app/text"
)

func TestFolded(t *testing.T) {
	line := strings.Repeat("x", 71) + "\n"
	for _, tc := range []struct {
		name, body string
		screens    int
		want       int // bytes that are shown
	}{
		{"a word", "hello", 1, 5},
		{"nothing", "", 1, 0},
		{"a screen", strings.Repeat(line, 30), 1, 30 * 72},
		{"hardly more", strings.Repeat(line, 39), 1, 39 * 72},
		{"more", strings.Repeat(line, 50), 1, 30 * 72},
		{"more of it", strings.Repeat(line, 50), 11, 50 * 72},
		{"short lines", strings.Repeat("a\n", 1000), 1, 60},
		{"no lines", strings.Repeat("a", 200_000), 1, 30 * 72},
		{"words", strings.Repeat("word ", 40_000), 1, 30 * 72},
		{"no character in two", strings.Repeat("ä", 10_000), 1, 2 * 30 * 72},
		{"a link across", strings.Repeat("word ", 410) + "https://a.example/" + strings.Repeat("a", 4000), 1, 410*5 + 2048},
		{"a link after", strings.Repeat("word ", 430) + "https://a.example/" + strings.Repeat("a", 4000), 1, 430 * 5},
		{"a link at the end", strings.Repeat("word ", 410) + "https://a.example/" + strings.Repeat("a", 1000), 1, 410*5 + 1018},
	} {
		blocks, more := folded(tc.body, tc.screens, text.Rules{Plain: true})
		got := ""
		for _, b := range blocks {
			for _, r := range b.Runs {
				got += r.Text
			}
		}
		if len(got) != tc.want || more != (tc.want < len(tc.body)) || !strings.HasPrefix(tc.body, got) {
			t.Errorf("%s: %d bytes of %d, more: %t; want %d", tc.name, len(got), len(tc.body), more, tc.want)
		}
	}
	if blocks, more := folded("\u200b \u2800", 1, text.Rules{}); blocks[0].Runs[0].Text != "Empty message" || more {
		t.Errorf("got %+v", blocks)
	}
}

func TestHue_XEP0392(t *testing.T) {
	for _, tc := range []struct {
		identity string
		want     float64
	}{
		{"Romeo", 327.255249},
		{"juliet@capulet.lit", 209.410400},
		{"😺", 331.199341},
		{"council", 359.994507},
	} {
		if got := hue(tc.identity); math.Abs(got-tc.want) > 1e-5 {
			t.Errorf("%s: got %f, want %f", tc.identity, got, tc.want)
		}
	}
	if got := hueClass("council"); got != "tinted hue-0" {
		t.Errorf("a hue next to 360 is not next to 0: %s", got)
	}
}

func TestOnlyEmoji(t *testing.T) {
	for body, want := range map[string]bool{
		"🦋": true, "👩‍🚀 ": true, "👍🏽👍🏽": true, "🇩🇪": true, "❤️": true,
		"": false, "a": false, "🦋!": false, "1": false, "🦋🦋🦋🦋🦋🦋🦋": false,
	} {
		if got := onlyEmoji(body); got != want {
			t.Errorf("%q: got %t", body, got)
		}
	}
}

func TestInitial(t *testing.T) {
	for name, want := range map[string]string{"— grace": "G", "…": "#", "محمد": "م", "7of9": "7"} {
		if got := initial(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
