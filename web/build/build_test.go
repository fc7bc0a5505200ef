package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"natter/server/site"
)

// sample returns options for the real page with a stand-in for the program.
func sample(t *testing.T) options {
	return options{
		out:      t.TempDir(),
		source:   "..",
		wasm:     []byte("\x00asm\x01\x00\x00\x00" + strings.Repeat("compressible ", 1000)),
		wasmExec: []byte(`"use strict"; globalThis.Go = class {};`),
		best:     true,
	}
}

func mustBuild(t *testing.T, o options) *site.Bundle {
	t.Helper()
	bundle, err := build(o)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// contents returns all files below dir.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Sec44: who builds the same gets the same.
func TestSec44_Deterministic(t *testing.T) {
	one, two := sample(t), sample(t)
	a, b := mustBuild(t, one), mustBuild(t, two)
	if a.Version != b.Version {
		t.Errorf("versions %s and %s", a.Version, b.Version)
	}
	first, second := contents(t, one.out), contents(t, two.out)
	for name := range first {
		if first[name] != second[name] {
			t.Errorf("%s differs", name)
		}
	}
	if len(first) != len(second) {
		t.Errorf("%d and %d files", len(first), len(second))
	}
}

func TestVersion(t *testing.T) {
	o := sample(t)
	before := mustBuild(t, o).Version
	o.wasm = append(o.wasm, '!')
	if mustBuild(t, o).Version == before {
		t.Error("another program, the same version")
	}
}

func TestNames(t *testing.T) {
	o := sample(t)
	for _, asset := range mustBuild(t, o).Assets {
		fixed := slices.Contains([]string{"index.html", "worker.js", "manifest.webmanifest", "config.json"}, asset.Path)
		parts := strings.Split(asset.Path, ".")
		hashed := len(parts) == 3 && parts[1] == asset.SHA256[:8]
		if fixed == asset.Immutable || hashed != asset.Immutable {
			t.Errorf("%s: immutable %v", asset.Path, asset.Immutable)
		}
	}
}

func TestCompressed(t *testing.T) {
	o := sample(t)
	forms := 0
	for _, asset := range mustBuild(t, o).Assets {
		want, err := os.ReadFile(filepath.Join(o.out, asset.Path))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(asset.Path, ".png") && asset.Encoded != nil {
			t.Errorf("%s is compressed already", asset.Path)
		}
		for coding := range asset.Encoded {
			forms++
			f, err := os.Open(filepath.Join(o.out, asset.Path+site.Suffix[coding]))
			if err != nil {
				t.Fatal(err)
			}
			if got := decode(t, coding, f); !bytes.Equal(got, want) {
				t.Errorf("%s in %s is another file", asset.Path, coding)
			}
			f.Close()
		}
	}
	if forms < 20 {
		t.Errorf("only %d compressed forms", forms)
	}
}

func decode(t *testing.T, coding string, r io.Reader) []byte {
	t.Helper()
	var err error
	switch coding {
	case "br":
		r = brotli.NewReader(r)
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		// RFC 9659: what a browser accepts at most.
		r, err = zstd.NewReader(r, zstd.WithDecoderMaxWindow(8<<20))
	default:
		t.Fatalf("unknown coding %s", coding)
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A new build leaves nothing of the old one, and nothing else alone.
func TestRebuild(t *testing.T) {
	o := sample(t)
	mustBuild(t, o)
	foreign := filepath.Join(o.out, ".keep")
	if err := os.WriteFile(foreign, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	o.wasm = append(o.wasm, '!')
	o.best = false
	bundle := mustBuild(t, o)
	listed := map[string]bool{site.BundleIndex: true, ".keep": true}
	for _, asset := range bundle.Assets {
		listed[asset.Path] = true
		for coding := range asset.Encoded {
			listed[asset.Path+site.Suffix[coding]] = true
		}
	}
	files := contents(t, o.out)
	for name := range files {
		if !listed[name] {
			t.Errorf("%s is left over", name)
		}
	}
	if _, ok := files[".keep"]; !ok {
		t.Error("a file that was not ours is gone")
	}
}

func TestRebuild_StaysInside(t *testing.T) {
	o := sample(t)
	victim := filepath.Join(filepath.Dir(o.out), "victim")
	if err := os.WriteFile(victim, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(site.Bundle{Assets: []site.Asset{{Path: "../victim"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.out, site.BundleIndex), list, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := build(o); err == nil {
		t.Error("a list may name files anywhere")
	}
	if _, err := os.Stat(victim); err != nil {
		t.Error(err)
	}
}

// Below a path of a plain static host every reference leads to a file.
func TestStaticHostBelowPath(t *testing.T) {
	o := sample(t)
	mustBuild(t, o)
	host := httptest.NewServer(http.StripPrefix("/chat/", http.FileServer(http.Dir(o.out))))
	defer host.Close()
	base, err := url.Parse(host.URL + "/chat/")
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(reference string) (string, string) {
		t.Helper()
		u, err := base.Parse(reference)
		if err != nil || !strings.HasPrefix(u.Path, "/chat/") || u.Host != base.Host {
			t.Fatalf("%s leads out of the path", reference)
		}
		r, err := http.Get(u.String())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		data, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != 200 {
			t.Fatalf("%s: %d, %v", u, r.StatusCode, err)
		}
		return string(data), r.Header.Get("Content-Type")
	}

	page, _ := fetch("")
	references := regexp.MustCompile(`(?:src|href|data-wasm|data-styles)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(references) < 10 {
		t.Fatalf("only %d references in the page", len(references))
	}
	for _, match := range references {
		fetch(match[1])
	}
	var manifest struct {
		Start string `json:"start_url"`
		Scope string `json:"scope"`
		Icons []struct {
			Src string `json:"src"`
		} `json:"icons"`
	}
	text, _ := fetch("manifest.webmanifest")
	if err := json.Unmarshal([]byte(text), &manifest); err != nil || len(manifest.Icons) != 4 {
		t.Fatal(err, text)
	}
	fetch(manifest.Start)
	fetch(manifest.Scope)
	for _, icon := range manifest.Icons {
		fetch(icon.Src)
	}

	// The worker's list: each file is there and has the hash that was written.
	worker, _ := fetch("worker.js")
	list := regexp.MustCompile(`const build = (\{.*\});`).FindStringSubmatch(worker)
	var build struct {
		Version string            `json:"version"`
		Files   map[string]string `json:"files"`
	}
	if list == nil || json.Unmarshal([]byte(list[1]), &build) != nil || build.Version == "" || build.Files["./"] == "" {
		t.Fatalf("no list in the worker: %.200s", worker)
	}
	for path, hash := range build.Files {
		if text, _ := fetch(path); site.Hash([]byte(text)) != hash {
			t.Errorf("%s is not what the worker expects", path)
		}
	}
	var config map[string]any
	text, _ = fetch("config.json")
	if err := json.Unmarshal([]byte(text), &config); err != nil || config["anyServer"] != true {
		t.Errorf("config.json: %v %s", err, text)
	}
}

// The policy allows nothing foreign, and nothing inline but what the build has put there:
// the page has that and no more. The policy in the page and the one of the server say the
// same of it.
func TestPageFitsPolicy(t *testing.T) {
	o := sample(t)
	bundle := mustBuild(t, o)
	page := contents(t, o.out)["index.html"]
	for _, pattern := range []string{` style=`, ` on[a-z]+=`, `(src|href)="(https?:)?//`, `javascript:`} {
		if found := regexp.MustCompile(pattern).FindString(markup(page)); found != "" {
			t.Errorf("the page contains %q", found)
		}
	}
	if i := strings.Index(page, "<body>"); !strings.HasPrefix(strings.TrimSpace(page[i+len("<body>"):]), `<div id="app">`) {
		t.Error("go-app takes the body's first element, which must be #app")
	}
	if policy, script := strings.Index(page, "Content-Security-Policy"), strings.Index(page, "<script"); policy > script {
		t.Error("a script runs before the policy holds")
	}
	if types, other := strings.Index(page, "createPolicy"), strings.Index(page, "natterStart"); types < 0 || types > other {
		t.Error("a script runs before there is a Trusted Types policy")
	}

	s, err := site.New(os.DirFS(o.out), &site.Config{Listen: "localhost:80", AnyServer: true})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/", nil))
	meta := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)
	if meta == nil {
		t.Fatal("the page has no policy")
	}
	for where, policy := range map[string]string{"the page": html.UnescapeString(meta[1]), "the server": w.Header().Get("Content-Security-Policy")} {
		for tag, directive := range map[string]string{"script": "script-src", "style": "style-src"} {
			var has, may []string
			for _, match := range regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1) {
				sum := sha256.Sum256([]byte(match[1]))
				has = append(has, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
			}
			for _, source := range strings.Fields(regexp.MustCompile(directive + ` ([^;]*)`).FindString(policy)) {
				if strings.HasPrefix(source, "'sha256-") {
					may = append(may, source)
				}
			}
			slices.Sort(has)
			slices.Sort(may)
			if len(has) == 0 || !slices.Equal(has, may) {
				t.Errorf("%s allows %s %v, the page has %v", where, tag, may, has)
			}
		}
	}
	if len(bundle.Inline.Scripts) != 4 || len(bundle.Inline.Styles) != 2 {
		t.Errorf("the list says %v", bundle.Inline)
	}
}

// markup is a page without what its scripts and styles say.
func markup(page string) string {
	return regexp.MustCompile(`(?s)<(script|style)>.*?</(script|style)>`).ReplaceAllString(page, "")
}

// What a parser would end early, or changes before it hashes, does not get into the page.
func TestInlineIsWhole(t *testing.T) {
	for _, text := range []string{"a </script>", "a </SCRIPT >", "<!-- a", "a\r\nb", "a\x00"} {
		if _, err := new(builder).element("a.js", text); err == nil {
			t.Errorf("%q may stand in a page", text)
		}
	}
	if got, err := new(builder).element("a.js", "a < b"); err != nil || got != "<script>a < b</script>" {
		t.Errorf("%s, %v", got, err)
	}
}

// What is for readers of a script or a style is not sent, and its lines stay where they are.
func TestBare(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"a.js": {
			"// a\n\"use strict\";\n\n  // b\n\tf(); // c\n":                            "\n\"use strict\";\n\n\nf();\n",
			"f(\"a // b\"); // c\ng('d', \"e // f\");\nh(); // it's i":                  "f(\"a // b\");\ng('d', \"e // f\");\nh(); // it's i",
			"  f(`a ${b}`, \"//\");":                                                    "f(`a ${b}`, \"//\");",
			"/** @type {A} */\nf(/** @type {B} */ (c));\n/**\n * d\n */\ng(a /* e */);": "\nf((c));\n\n\n\ng(a /* e */);",
			"f(`a\n  // b`)": "",
			"f('a \\\n  b')": "",
		},
		"a.css": {
			"/* a */\na {\n  b: c; /* d\n  e */\n}\n/* f */ g {}": "\na {\nb: c;\n\n}\ng {}",
		},
		"a.svg": {"  // a": "  // a"},
	} {
		for source, want := range files {
			file := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := readBare(file); string(got) != want || (err != nil) != (want == "") {
				t.Errorf("%s: %q is %q, want %q; %v", name, source, got, want, err)
			}
		}
	}
}

// The number alone makes another build: sources that went back must not look like
// the build of before to a browser that keeps it.
func TestNumber(t *testing.T) {
	versions := map[string]bool{}
	for _, number := range []int64{0, 1, 1700000000} {
		o := sample(t)
		o.best, o.number = false, number
		bundle := mustBuild(t, o)
		versions[bundle.Version] = true
		files := contents(t, o.out)
		worker, page := files["worker.js"], files["index.html"]
		if bundle.Number != number || !strings.Contains(worker, fmt.Sprintf(`"number":%d,`, number)) {
			t.Errorf("%d: the list says %d, the worker %.200s", number, bundle.Number, worker)
		}
		if !strings.Contains(page, fmt.Sprintf(`data-build="%d"`, number)) {
			t.Errorf("%d: the page says %.100s", number, page)
		}
	}
	if len(versions) != 3 {
		t.Errorf("three builds have %d versions", len(versions))
	}
}

// A script or style that is added to the folder reaches the page by itself.
func TestAddedFiles(t *testing.T) {
	o := sample(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(o.source)); err != nil {
		t.Fatal(err)
	}
	o.source = dir
	for name, text := range map[string]string{"zebra.js": "zebra()", "zebra.css": "zebra {}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mustBuild(t, o)
	page := contents(t, o.out)["index.html"]
	if !regexp.MustCompile(`data-styles="app\.[0-9a-f]{8}\.css zebra\.[0-9a-f]{8}\.css"`).MatchString(page) {
		t.Error("the style is not in the page")
	}
	script := regexp.MustCompile(`<script defer src="zebra\.[0-9a-f]{8}\.js">`).FindStringIndex(page)
	if script == nil || script[0] > strings.Index(page, `src="boot.`) {
		t.Error("the script is not in the page before boot.js, which starts the program")
	}
	if err := os.Remove(filepath.Join(dir, "shell.css")); err != nil {
		t.Fatal(err)
	}
	if _, err := build(o); err == nil || !strings.Contains(err.Error(), "shell.css") {
		t.Errorf("a file that is named and missing: %v", err)
	}
}

// What is built is what the server serves.
func TestServed(t *testing.T) {
	o := sample(t)
	bundle := mustBuild(t, o)
	s, err := site.New(os.DirFS(o.out), &site.Config{Listen: "localhost:80", AnyServer: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, asset := range bundle.Assets {
		r := httptest.NewRequest("GET", "http://localhost/"+asset.Path, nil)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 200 || w.Header().Get("Content-Type") != asset.Type {
			t.Errorf("%s: %d %s", asset.Path, w.Code, w.Header().Get("Content-Type"))
		}
	}
}

// Nobody waits long for the list of emoji, which the worker keeps like all else, so that it is there
// offline. The page knows where it is, and does not ask for it before it is wanted.
func TestEmoji_60kB(t *testing.T) {
	o := sample(t)
	for _, a := range mustBuild(t, o).Assets {
		if !strings.HasPrefix(a.Path, "emoji/") {
			continue
		}
		if size := a.Encoded["br"].Size; size == 0 || size > 60_000 || !a.Immutable {
			t.Errorf("%s: %d bytes of %d, for ever: %t", a.Path, size, a.Size, a.Immutable)
		}
		for file, want := range map[string]string{"worker.js": `"` + a.Path + `":"` + a.SHA256 + `"`, "index.html": `data-emoji="` + a.Path + `"`} {
			data, err := os.ReadFile(filepath.Join(o.out, file))
			if err != nil || strings.Count(string(data), a.Path) != 1 || !strings.Contains(string(data), want) {
				t.Errorf("%s does not name it: %v", file, err)
			}
		}
		return
	}
	t.Error("there is none")
}
