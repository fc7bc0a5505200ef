package site

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var update = flag.Bool("update", false, "rewrite testdata")

// bundle returns a small built page.
func bundle(t testing.TB) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	list := Bundle{Version: "0123456789abcdef", Inline: sample}
	add := func(path, kind, body string, immutable bool, codings ...string) {
		files[path] = &fstest.MapFile{Data: []byte(body)}
		asset := Asset{Path: path, Type: kind, SHA256: Hash([]byte(body)), Size: len(body), Immutable: immutable, Encoded: map[string]Encoded{}}
		for _, coding := range codings {
			form := []byte(coding + " of " + path)
			files[path+Suffix[coding]] = &fstest.MapFile{Data: form}
			asset.Encoded[coding] = Encoded{SHA256: Hash(form), Size: len(form)}
		}
		list.Assets = append(list.Assets, asset)
	}
	add("index.html", "text/html; charset=utf-8", "<!DOCTYPE html>the page", false, "br", "gzip", "zstd")
	add("app.00000000.wasm", "application/wasm", strings.Repeat("wasm", 50_000), true, "br", "gzip", "zstd")
	add("boot.11111111.js", "text/javascript; charset=utf-8", "the loader", true, "br", "gzip")
	add("icons/icon-192.22222222.png", "image/png", "\x89PNG", true)
	add("worker.js", "text/javascript; charset=utf-8", `const build = {"version":"0123456789abcdef"};`, false, "br")
	add("manifest.webmanifest", "application/manifest+json", `{"name":"Natter","short_name":"Natter","start_url":"./"}`, false)
	add("config.json", "application/json", `{"anyServer":true}`, false, "br")
	data, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	files[BundleIndex] = &fstest.MapFile{Data: data}
	files[".env"] = &fstest.MapFile{Data: []byte("SECRET")}
	return files
}

// trial is what natter alone uses; public is a real deployment.
func trial() *Config {
	return &Config{Listen: "localhost:8080", AnyServer: true, Domains: []Domain{{Name: "localhost", WebSocket: "/xmpp-websocket"}}}
}

func public() *Config {
	return &Config{
		Listen: ":443", PublicURL: "https://chat.example.org/", HostMeta: true, HSTS: true,
		Domains: []Domain{{Name: "example.org", WebSocket: "wss://xmpp.example.org:5281/ws", Connect: []string{"https://upload.example.org"}}},
	}
}

func newSite(t testing.TB, c *Config) *Site {
	t.Helper()
	s, err := New(bundle(t), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// get asks s; headers come in pairs.
func get(s http.Handler, method, target, host string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, "/", nil)
	path, query, _ := strings.Cut(target, "?")
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path, path, query
	r.RequestURI, r.Host = target, host
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Every header of every kind of answer, as a file to be reviewed.
func TestG01_HeadersGolden(t *testing.T) {
	var out bytes.Buffer
	show := func(title string, s *Site, method, path, host string, headers ...string) {
		r := get(s, method, path, host, headers...)
		fmt.Fprintf(&out, "== %s: %s %s %v\n%d\n", title, method, path, headers, r.StatusCode)
		var names []string
		for name := range r.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			fmt.Fprintf(&out, "%s: %s\n", name, strings.Join(r.Header[name], " | "))
		}
		fmt.Fprintf(&out, "(%d bytes)\n\n", len(body(t, r)))
	}
	p, tr := newSite(t, public()), newSite(t, trial())
	const host = "chat.example.org"
	show("public", p, "GET", "/", host)
	show("public", p, "GET", "/", host, "Accept-Encoding", "gzip, br")
	show("public", p, "HEAD", "/", host, "Accept-Encoding", "gzip, br")
	show("trial", tr, "GET", "/", "localhost:8080")
	for _, path := range []string{"/app.00000000.wasm", "/boot.11111111.js", "/icons/icon-192.22222222.png", "/worker.js", "/manifest.webmanifest", "/config.json"} {
		for _, accept := range []string{"", "gzip", "zstd, gzip", "br, zstd, gzip"} {
			etag := get(p, "GET", path, host, "Accept-Encoding", accept).Header.Get("ETag")
			show("public", p, "GET", path, host, "Accept-Encoding", accept)
			show("public", p, "GET", path, host, "Accept-Encoding", accept, "If-None-Match", etag)
		}
	}
	show("public", p, "GET", "/app.00000000.wasm", host, "Range", "bytes=0-3", "Accept-Encoding", "br")
	show("public", p, "GET", "/nothing", host)
	show("public", p, "POST", "/", host)
	show("public", p, "GET", "/", "evil.example")
	show("public", p, "GET", "/.well-known/host-meta", "example.org")
	show("public", p, "GET", "/.well-known/host-meta.json", "example.org")

	const golden = "testdata/headers.txt"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("the headers changed; go test -update and review the difference\n%s", out.Bytes())
	}
}

// Sec78: what is not listed is not there, however it is written.
func TestSec78_Traversal(t *testing.T) {
	s := newSite(t, trial())
	for _, path := range []string{
		"/.env", "/%2eenv", "/assets.json", "/app.00000000.wasm.br", "/icons", "/icons/", "/icons/..", "/..", "/../etc/passwd",
		"/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "/..%5c..%5cwindows", `/..\..\windows`, "/./", "//", "//index.html",
		"/index.html/", "/index.html%00", "/index.html%00.png", "/index.html;x", "/INDEX.HTML", "/index.html.", "/index.html ", "/index.html::$DATA",
		"/%69ndex.html", "/boot.11111111.js/../.env", "/\u2025/.env", "/%c0%ae%c0%ae/.env", "/%252e%252e/.env", "/worker.js~", "", "*", "index.html",
		"/.git/config", "/.well-known/", "/.well-known/host-meta", "/.well-known/host-meta.json", "/.well-known/../.env",
	} {
		if r := get(s, "GET", path, "localhost"); r.StatusCode != 404 {
			t.Errorf("%q: %d", path, r.StatusCode)
		}
	}
	for _, path := range []string{"/", "/index.html", "/?room=a", "/worker.js"} {
		if r := get(s, "GET", path, "localhost"); r.StatusCode != 200 {
			t.Errorf("%q: %d", path, r.StatusCode)
		}
	}
}

// Sec79: methods, names and redirects.
func TestSec79_Methods(t *testing.T) {
	s := newSite(t, trial())
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "PROPFIND", "get"} {
		for _, path := range []string{"/", "/nothing", "*"} {
			r := get(s, method, path, "localhost")
			if r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow %q", method, path, r.StatusCode, r.Header.Get("Allow"))
			}
		}
	}
}

func TestSec79_NoRedirects(t *testing.T) {
	s := newSite(t, trial())
	for _, path := range []string{"//evil.com/..", "//evil.com/%2e%2e", "/\\evil.com", "/icons", "/%0d%0aLocation:%20x"} {
		if r := get(s, "GET", path, "localhost"); r.StatusCode/100 == 3 || r.Header.Get("Location") != "" {
			t.Errorf("%q: %d to %q", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
}

func TestSec79_Hosts(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config *Config
		host   string
		status int
	}{
		{"loopback by name", trial(), "localhost:8080", 200},
		{"loopback by address", trial(), "127.0.0.1:8080", 200},
		{"loopback by IPv6 address", trial(), "[::1]:8080", 200},
		{"case", trial(), "LocalHost", 200},
		{"rebinding", trial(), "evil.example:8080", 421},
		{"suffix", trial(), "localhost.evil.example", 421},
		{"none", trial(), "", 421},
		{"public", public(), "chat.example.org", 200},
		{"domain of host-meta", public(), "example.org", 200},
		{"health check", public(), "localhost", 200},
		{"other name", public(), "other.example.org", 421},
		{"no name configured", &Config{Listen: ":80", AnyServer: true}, "anything.example", 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if r := get(newSite(t, tc.config), "GET", "/", tc.host); r.StatusCode != tc.status {
				t.Errorf("%d, want %d", r.StatusCode, tc.status)
			}
		})
	}
}

func TestNegotiate(t *testing.T) {
	all := map[string]variant{"br": {}, "zstd": {}, "gzip": {}}
	for _, tc := range []struct{ accept, want string }{
		{"", ""},
		{"identity", ""},
		{"gzip", "gzip"},
		{"gzip, deflate, br, zstd", "br"},
		{"gzip, zstd", "zstd"},
		{"GZIP", "gzip"},
		{"br;q=0.5, gzip;q=0.8", "gzip"},
		{"br; q=0.5, gzip; q=0.5", "br"},
		{"br;q=0, gzip;q=0", ""},
		{"*", "br"},
		{"br;q=0, *", "zstd"},
		{"*;q=0", ""},
		{"identity, br;q=0.1", ""},
		{"identity;q=0", ""},
		{"br;q=nonsense, gzip", "gzip"},
		{"compress", ""},
		{"xbr, brx", ""},
	} {
		if got := negotiate([]string{tc.accept}, all); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.accept, got, tc.want)
		}
	}
	if got := negotiate([]string{"gzip", "br"}, all); got != "br" {
		t.Errorf("two fields: %q", got)
	}
}

func TestSec80_Conditional(t *testing.T) {
	s := newSite(t, trial())
	const path = "/app.00000000.wasm"
	br := get(s, "GET", path, "localhost", "Accept-Encoding", "br").Header.Get("ETag")
	plain := get(s, "GET", path, "localhost").Header.Get("ETag")
	if br == plain || strings.HasPrefix(br, "W/") {
		t.Fatalf("ETags %s and %s: must be strong and differ", br, plain)
	}
	for _, tc := range []struct {
		accept, match string
		status        int
	}{
		{"br", br, 304},
		{"br", "W/" + br, 304},
		{"br", `"other", ` + br, 304},
		{"br", "*", 304},
		{"br", plain, 200},
		{"", plain, 304},
		{"", br, 200},
		{"br", `"other"`, 200},
	} {
		r := get(s, "GET", path, "localhost", "Accept-Encoding", tc.accept, "If-None-Match", tc.match)
		if r.StatusCode != tc.status {
			t.Errorf("%q, If-None-Match %s: %d, want %d", tc.accept, tc.match, r.StatusCode, tc.status)
		}
	}
	// The ETag of one path says nothing about another.
	if r := get(s, "GET", "/nothing", "localhost", "If-None-Match", br); r.StatusCode != 404 {
		t.Errorf("an unknown path with a known ETag: %d", r.StatusCode)
	}
}

func TestSec80_Range(t *testing.T) {
	s := newSite(t, trial())
	const path = "/app.00000000.wasm"
	r := get(s, "GET", path, "localhost", "Range", "bytes=2-5", "Accept-Encoding", "br")
	if got := body(t, r); r.StatusCode != 206 || got != "smwa" || r.Header.Get("Content-Encoding") != "" {
		t.Errorf("%d %q, encoding %q", r.StatusCode, got, r.Header.Get("Content-Encoding"))
	}
	if r := get(s, "GET", path, "localhost", "Range", "bytes=900000-"); r.StatusCode != 416 {
		t.Errorf("beyond the end: %d", r.StatusCode)
	}
	if r := get(s, "GET", path, "localhost", "Range", "bytes=0-1", "If-Range", `"old"`); r.StatusCode != 200 {
		t.Errorf("a part of another version: %d", r.StatusCode)
	}
}

// Sec40: what the worker keeps is replaced when a header changes.
func TestSec40_WorkerFollowsHeaders(t *testing.T) {
	worker := func(c *Config) string { return body(t, get(newSite(t, c), "GET", "/worker.js", "localhost")) }
	first, same := worker(public()), worker(public())
	if first != same {
		t.Error("the worker changes without a reason")
	}
	c := public()
	c.Domains[0].Connect = nil
	if worker(c) == first {
		t.Error("the policy changed and the worker did not")
	}
	if !strings.Contains(first, `"version":"0123456789abcdef-`) {
		t.Error(first)
	}
}

// A page that did not change under headers that did is another page.
func TestSec40_ETagFollowsHeaders(t *testing.T) {
	etag := func(c *Config) string { return get(newSite(t, c), "GET", "/", "localhost").Header.Get("ETag") }
	first, same := etag(public()), etag(public())
	if first != same {
		t.Error("the ETag changes without a reason")
	}
	c := public()
	c.Domains[0].Connect = nil
	if etag(c) == first {
		t.Error("a browser with the old policy would keep it")
	}
}

func TestConfigJSON(t *testing.T) {
	c := trial()
	c.Branding.Name = "Chatter & Co"
	c.Demo = []Account{{"ada@localhost", "analytical"}}
	s := newSite(t, c)
	got := body(t, get(s, "GET", "/config.json", "localhost"))
	want := `{
  "name": "Chatter & Co",
  "anyServer": true,
  "domains": [
    {
      "name": "localhost",
      "websocket": "/xmpp-websocket"
    }
  ],
  "demo": [
    {
      "address": "ada@localhost",
      "password": "analytical"
    }
  ]
}
`
	if got != want {
		t.Errorf("got %s", got)
	}
	manifest := body(t, get(s, "GET", "/manifest.webmanifest", "localhost"))
	if !strings.Contains(manifest, `"name": "Chatter & Co"`) || !strings.Contains(manifest, `"start_url": "./"`) {
		t.Errorf("manifest: %s", manifest)
	}
}

func TestNew_Problems(t *testing.T) {
	if _, err := New(fstest.MapFS{}, trial()); err != ErrNoBundle {
		t.Errorf("empty: %v", err)
	}
	damaged := bundle(t)
	damaged["index.html"] = &fstest.MapFile{Data: []byte("another page")}
	if _, err := New(damaged, trial()); err == nil || !strings.Contains(err.Error(), "index.html is not the file that was built") {
		t.Errorf("damaged: %v", err)
	}
	incomplete := bundle(t)
	delete(incomplete, "app.00000000.wasm.br")
	if _, err := New(incomplete, trial()); err == nil || !strings.Contains(err.Error(), "app.00000000.wasm.br") {
		t.Errorf("incomplete: %v", err)
	}
}

func TestMount(t *testing.T) {
	s := newSite(t, trial())
	s.Mount("/xmpp-websocket", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, tc := range []struct {
		method, path, host string
		status             int
	}{
		{"GET", "/xmpp-websocket", "localhost", http.StatusTeapot},
		{"CONNECT", "/xmpp-websocket", "localhost", http.StatusTeapot},
		{"GET", "/xmpp-websocket", "evil.example", http.StatusMisdirectedRequest},
		{"GET", "/xmpp-websocket/", "localhost", http.StatusNotFound},
		{"GET", "/%78mpp-websocket", "localhost", http.StatusNotFound},
	} {
		if r := get(s, tc.method, tc.path, tc.host); r.StatusCode != tc.status {
			t.Errorf("%s %s at %s: %d", tc.method, tc.path, tc.host, r.StatusCode)
		}
	}
}
