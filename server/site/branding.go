package site

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"math"
	"os"
	"strconv"
	"strings"
)

// Branding is how an operator's page looks and calls itself. What is empty stays Natter's.
type Branding struct {
	Name    string // in titles and on the home screen
	Welcome string // the sentence under the name on the sign-in page
	Logo    string // file, .svg or .png
	Colour  string // #rrggbb
}

// logoLimit is how large a logo may be: everybody who signs in loads it.
const logoLimit = 256 << 10

// logo is a file that was read.
type logo struct {
	path string // on this server, relative
	kind string // Content-Type
	body []byte
}

// readLogo returns nil if there is none.
func (b Branding) readLogo() (*logo, error) {
	if b.Logo == "" {
		return nil, nil
	}
	body, err := os.ReadFile(b.Logo)
	switch {
	case err != nil:
		return nil, err
	case len(body) > logoLimit:
		return nil, fmt.Errorf("%s has %d bytes; %d are the most", b.Logo, len(body), logoLimit)
	case strings.HasSuffix(b.Logo, ".svg") && bytes.Contains(body, []byte("<svg")):
		return &logo{"logo.svg", "image/svg+xml", body}, nil
	case strings.HasSuffix(b.Logo, ".png"):
		if _, err := png.DecodeConfig(bytes.NewReader(body)); err != nil {
			return nil, fmt.Errorf("%s: %w", b.Logo, err)
		}
		return &logo{"logo.png", "image/png", body}, nil
	}
	return nil, fmt.Errorf("%s must be an SVG or a PNG, and be called so (.svg, .png)", b.Logo)
}

// hue returns that of the colour in OKLCH, in degrees, nil without a colour. The page takes the hue alone:
// how light and how strong it is depends on what it lies on (web/tokens.css).
func (b Branding) hue() (*int, error) {
	if b.Colour == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(b.Colour, "#"), 16, 32)
	if err != nil || len(b.Colour) != 7 || b.Colour[0] != '#' {
		return nil, fmt.Errorf("%q must be written as #rrggbb", b.Colour)
	}
	linear := func(v uint64) float64 {
		c := float64(v&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	red, green, blue := linear(n>>16), linear(n>>8), linear(n)
	// CSS Color 4 §9, sRGB to OKLab.
	l := math.Cbrt(0.4122214708*red + 0.5363325363*green + 0.0514459929*blue)
	m := math.Cbrt(0.2119034982*red + 0.6806995451*green + 0.1073969566*blue)
	s := math.Cbrt(0.0883024619*red + 0.2817188376*green + 0.6299787005*blue)
	x := 1.9779984951*l - 2.4285922050*m + 0.4505937099*s
	y := 0.0259040371*l + 0.7827717662*m - 0.8086757660*s
	if math.Hypot(x, y) < 0.02 {
		return nil, errors.New("a grey has no hue to take; name a colour")
	}
	h := (int(math.Round(math.Atan2(y, x)*180/math.Pi)) + 360) % 360
	return &h, nil
}

// check returns a *ConfigError for the first thing that is wrong with b.
func (b Branding) check() error {
	if _, err := b.readLogo(); err != nil {
		return &ConfigError{"branding.logo", err.Error()}
	}
	if _, err := b.hue(); err != nil {
		return &ConfigError{"branding.colour", err.Error()}
	}
	return nil
}

// manifest returns the one of the bundle with what b changes in it, nil if that is nothing.
func (b Branding) manifest(body []byte) []byte {
	var m map[string]any
	if b == (Branding{Welcome: b.Welcome}) || json.Unmarshal(body, &m) != nil {
		return nil
	}
	if b.Name != "" {
		m["name"], m["short_name"] = b.Name, b.Name
	}
	if b.Colour != "" {
		m["theme_color"] = b.Colour
	}
	if logo, _ := b.readLogo(); logo != nil {
		m["icons"] = []map[string]string{{"src": logo.path, "sizes": "any", "type": logo.kind}}
	}
	return encode(m)
}
