package site

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An operator's page has its own name, words, logo and hue, all from its own origin.
func TestBranding(t *testing.T) {
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]struct{ body, kind string }{
		"logo.svg": {`<svg xmlns="http://www.w3.org/2000/svg"/>`, "image/svg+xml"},
		"logo.png": {picture.String(), "image/png"},
	} {
		c := trial()
		c.Branding = Branding{Name: "Klatsch", Welcome: "Hello, <b>neighbour</b>.", Logo: filepath.Join(t.TempDir(), "ours"+filepath.Ext(name)), Colour: "#b00020"}
		if err := os.WriteFile(c.Branding.Logo, []byte(file.body), 0o600); err != nil {
			t.Fatal(err)
		}
		s := newSite(t, c)
		var told struct {
			Name, Welcome, Logo string
			Hue                 int
		}
		if err := json.Unmarshal([]byte(body(t, get(s, "GET", "/config.json", "localhost"))), &told); err != nil {
			t.Fatal(err)
		}
		if told.Name != "Klatsch" || told.Welcome != "Hello, <b>neighbour</b>." || told.Logo != name || told.Hue < 20 || told.Hue > 30 {
			t.Errorf("%+v", told)
		}
		r := get(s, "GET", "/"+name, "localhost")
		if got := body(t, r); got != file.body || r.Header.Get("Content-Type") != file.kind || r.Header.Get("Content-Security-Policy") != filePolicy {
			t.Errorf("%s: %q %v", name, got, r.Header)
		}
		manifest := body(t, get(s, "GET", "/manifest.webmanifest", "localhost"))
		for _, want := range []string{`"name": "Klatsch"`, `"theme_color": "#b00020"`, `"src": "` + name + `"`, `"start_url": "./"`} {
			if !strings.Contains(manifest, want) {
				t.Errorf("no %s in %s", want, manifest)
			}
		}
	}
	if r := get(newSite(t, trial()), "GET", "/logo.svg", "localhost"); r.StatusCode != 404 {
		t.Error("a logo that nobody has named:", r.Status)
	}
}

// The hues are those that browsers have for the named colours (CSS Color 4).
func TestBranding_Hue(t *testing.T) {
	for colour, want := range map[string]int{"#ff0000": 29, "#00ff00": 142, "#0000ff": 264, "#0a7670": 188, "#ff00ff": 328} {
		got, err := Branding{Colour: colour}.hue()
		if err != nil || *got < want-1 || *got > want+1 {
			t.Errorf("%s: %v, %v; want %d", colour, *got, err, want)
		}
	}
}

func TestBranding_Problems(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{
		"page.html": "<svg>", "false.png": "<svg>", "false.svg": "\x89PNG", "large.svg": "<svg>" + strings.Repeat(" ", logoLimit),
	} {
		c := trial()
		c.Branding.Logo = filepath.Join(dir, name)
		if err := os.WriteFile(c.Branding.Logo, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(bundle(t), c); err == nil || !strings.Contains(err.Error(), "branding.logo") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
