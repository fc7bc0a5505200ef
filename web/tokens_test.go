package web

import (
	"fmt"
	"maps"
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
	own, _, _ := strings.Cut(tokens(t), "[data-branded]")
	return pairs(own, 0)
}

func tokens(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// pairs reads what css says, with --brand as hue.
func pairs(css string, hue float64) map[string][2]string {
	pairs := map[string][2]string{}
	const colour = `(#[0-9a-f]{6}|oklch\([0-9. ]+ var\(--brand\)\))`
	for _, m := range regexp.MustCompile(`--([a-z-]+): light-dark\(`+colour+`, `+colour+`\)`).FindAllStringSubmatch(css, -1) {
		pairs[m[1]] = [2]string{hex(m[2], hue), hex(m[3], hue)}
	}
	return pairs
}

// hex returns a colour as browsers show it: what sRGB lacks of an OKLCH colour is cut off
// (CSS Color 4 §9).
func hex(colour string, hue float64) string {
	var l, c float64
	if n, _ := fmt.Sscanf(colour, "oklch(%f %f", &l, &c); n < 2 {
		return colour
	}
	sin, cos := math.Sincos(hue * math.Pi / 180)
	a, b := c*cos, c*sin
	cube := func(x float64) float64 { return x * x * x }
	x, y, z := cube(l+0.3963377774*a+0.2158037573*b), cube(l-0.1055613458*a-0.0638541728*b), cube(l-0.0894841775*a-1.2914855480*b)
	part := func(linear float64) int {
		v := 12.92 * linear
		if linear > 0.0031308 {
			v = 1.055*math.Pow(linear, 1/2.4) - 0.055
		}
		return int(math.Round(255 * min(1, max(0, v))))
	}
	return fmt.Sprintf("#%02x%02x%02x", part(4.0767416621*x-3.3077115913*y+0.2309699292*z),
		part(-1.2684380046*x+2.6097574011*y-0.3413193965*z), part(-0.0041960863*x-0.7034186147*y+1.7076147010*z))
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
// means something 3:1, in both themes, and whichever hue an operator has chosen.
func TestContrast(t *testing.T) {
	contrasts(t, "ours", colours(t))
	_, branded, _ := strings.Cut(tokens(t), "[data-branded]")
	if len(pairs(branded, 0)) != 9 {
		t.Fatalf("%v", pairs(branded, 0))
	}
	for hue := range 360 {
		all := colours(t)
		maps.Copy(all, pairs(branded, float64(hue)))
		contrasts(t, fmt.Sprint("hue ", hue), all)
	}
}

func contrasts(t *testing.T, whose string, pairs map[string][2]string) {
	t.Helper()
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
						t.Errorf("%s, %s: --%s on --%s is %.2f:1, must be %.1f:1", whose, theme, front, back, got, tc.least)
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
