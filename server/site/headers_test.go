package site

import (
	"slices"
	"strings"
	"testing"
)

// directives takes a policy apart.
func directives(policy string) map[string][]string {
	m := map[string][]string{}
	for _, d := range strings.Split(policy, ";") {
		words := strings.Fields(d)
		m[words[0]] = words[1:]
	}
	return m
}

// sample stands for what is in a page.
var sample = Inline{Scripts: []string{"'sha256-a'", "'sha256-b'"}, Styles: []string{"'sha256-c'"}}

func TestG04_T06_ConnectSrc(t *testing.T) {
	one := func(d Domain) *Config { return &Config{Listen: ":80", Domains: []Domain{d}} }
	for _, tc := range []struct {
		name   string
		config *Config
		want   string
	}{
		{"one domain", public(), "'self' https://example.org wss://xmpp.example.org:5281 https://upload.example.org"},
		{"any server", &Config{Listen: ":80", AnyServer: true}, "'self' https: wss:"},
		{"any server, but public", &Config{Listen: "127.0.0.1:80", PublicURL: "https://c.example", AnyServer: true}, "'self' https: wss:"},
		{"trial", trial(), "'self' https: wss: http://localhost:* ws://localhost:* http://127.0.0.1:* ws://127.0.0.1:*"},
		{"any server and a listed one", &Config{Listen: ":80", AnyServer: true, Domains: []Domain{{Name: "a.example", WebSocket: "wss://b.example/ws"}}}, "'self' https: wss:"},
		{"this server", one(Domain{Name: "a.example", WebSocket: "/ws"}), "'self' https://a.example"},
		{"this server behind https", &Config{Listen: ":80", PublicURL: "https://c.example:444/", Domains: []Domain{{Name: "a.example", WebSocket: "/ws"}}}, "'self' https://a.example wss://c.example:444"},
		{"loopback endpoint", one(Domain{Name: "localhost", WebSocket: "ws://localhost:5280/xmpp-websocket"}), "'self' https://localhost ws://localhost:5280"},
		{"two domains, one endpoint", &Config{Listen: ":80", Domains: []Domain{{Name: "a.example", WebSocket: "wss://x.example/"}, {Name: "b.example", WebSocket: "wss://x.example/"}}}, "'self' https://a.example wss://x.example https://b.example"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.config.Check(); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(directives(tc.config.policy(Inline{}))["connect-src"], " "); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// Only https may be insisted on where https is served.
func TestPolicy_Upgrade(t *testing.T) {
	const upgrade = "upgrade-insecure-requests"
	if _, ok := directives(public().policy(sample))[upgrade]; !ok {
		t.Error("a public page on https does not upgrade")
	}
	if _, ok := directives(trial().policy(sample))[upgrade]; ok {
		t.Error("the trial would upgrade ws://localhost to wss")
	}
	if got := get(newSite(t, trial()), "GET", "/", "localhost").Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS on plain http: %s", got)
	}
}

// The policy in the page and the one in the header hold both, so the one in the
// page must allow all that a header may.
func TestPolicy_Meta(t *testing.T) {
	meta := directives(MetaPolicy(sample))
	for _, c := range []*Config{public(), trial()} {
		for name, sources := range directives(c.policy(sample)) {
			if name == "frame-ancestors" || name == "upgrade-insecure-requests" {
				continue
			}
			for _, source := range sources {
				scheme, _, _ := strings.Cut(source, "//")
				if !slices.Contains(meta[name], source) && !slices.Contains(meta[name], scheme) {
					t.Errorf("%s: the page forbids %s", name, source)
				}
			}
		}
	}
	if _, ok := meta["frame-ancestors"]; ok {
		t.Error("frame-ancestors means nothing in a page")
	}
}

func TestG04_Strict(t *testing.T) {
	d := directives(public().policy(sample))
	for name, want := range map[string]string{
		"default-src":               "'none'",
		"script-src":                "'self' 'wasm-unsafe-eval' 'sha256-a' 'sha256-b'",
		"style-src":                 "'self' 'sha256-c'",
		"object-src":                "'none'",
		"base-uri":                  "'none'",
		"form-action":               "'none'",
		"frame-ancestors":           "'none'",
		"require-trusted-types-for": "'script'",
		"trusted-types":             "default",
	} {
		if got := strings.Join(d[name], " "); got != want {
			t.Errorf("%s %s, want %s", name, got, want)
		}
	}
}
