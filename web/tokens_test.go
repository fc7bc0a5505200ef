package web

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// colours reads the light-dark() pairs of tokens.css.
func colours(t *testing.T) map[string][2]string {
	t.Helper()
	data, err := os.ReadFile("tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[string][2]string{}
	for _, m := range regexp.MustCompile(`--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)`).FindAllStringSubmatch(string(data), -1) {
		pairs[m[1]] = [2]string{m[2], m[3]}
	}
	return pairs
}

// luminance is that of WCAG 2.2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(v uint64) float64 {
		c := float64(v&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Text reaches 4.5:1 on everything it may lie on, and what can be operated or
// means something 3:1, in both themes.
func TestContrast(t *testing.T) {
	pairs := colours(t)
	for _, tc := range []struct {
		front, back string
		least       float64
	}{
		{"text muted", "sunken canvas surface raised hover pressed selected bubble bubble-mine", 4.5},
		{"faint", "canvas surface raised bubble", 4.5},
		{"accent-text", "canvas surface raised selected hover", 4.5},
		{"on-accent", "accent accent-hover accent-pressed", 4.5},
		{"bubble-mine-muted", "bubble-mine", 4.5},
		{"ok", "surface raised ok-soft", 4.5},
		{"warn", "surface raised warn-soft", 4.5},
		{"danger", "surface raised danger-soft", 4.5},
		{"edge focus", "canvas surface raised", 3},
		{"online away busy offline", "surface", 3},
	} {
		for _, front := range strings.Fields(tc.front) {
			for _, back := range strings.Fields(tc.back) {
				f, fok := pairs[front]
				b, bok := pairs[back]
				if !fok || !bok {
					t.Fatalf("--%s or --%s is not in tokens.css", front, back)
				}
				for i, theme := range []string{"light", "dark"} {
					if got := contrast(t, f[i], b[i]); got < tc.least {
						t.Errorf("%s: --%s on --%s is %.2f:1, must be %.1f:1", theme, front, back, got, tc.least)
					}
				}
			}
		}
	}
}

// Styles speak in tokens: a colour written out would be right in one theme.
func TestNoRawColours(t *testing.T) {
	raw := regexp.MustCompile(`#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(|\boklch\(`)
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".css") || e.Name() == "tokens.css" {
			continue
		}
		data, err := os.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(data), "\n") {
			if found := raw.FindString(line); found != "" {
				t.Errorf("%s:%d: %s", e.Name(), i+1, found)
			}
		}
	}
}
