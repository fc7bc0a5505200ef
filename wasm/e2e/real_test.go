//go:build linux

package e2e

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"natter/app/xmpptest"
)

const password = "correct horse battery"

// named makes a server's domain resolve.
func named(t *testing.T, s *xmpptest.Server) {
	t.Helper()
	u, err := url.Parse(s.Web)
	if err != nil {
		t.Fatal(err)
	}
	nameAt(t, s.Domain, "127.0.0.1:"+u.Port())
}

// Two people who were never told where their server is find it by host-meta, become
// contacts and chat.
func TestHostMeta(t *testing.T) {
	t.Parallel()
	address := natter(t)
	for _, kind := range xmpptest.Kinds {
		t.Run(string(kind)+" D03 D08 T02", func(t *testing.T) {
			t.Parallel()
			s := xmpptest.Get(t, kind)
			named(t, s)
			one, two := s.Account(t, "", password), s.Account(t, "", password)
			a, b := visit(t, address), visit(t, address)
			a.forgives(failedFetch) // one of the two forms of host-meta may be missing
			b.forgives(failedFetch)
			a.signIn(string(one), password)
			b.signIn(string(two), password)
			a.in()
			b.in()
			if !a.asked("https://" + s.Domain + "/.well-known/host-meta") {
				t.Error("host-meta was not asked for at the domain")
			}
			if !a.asked("wss://") || a.asked("ws://") {
				t.Error("the connection is not encrypted")
			}
			if a.sent(password) {
				t.Error("the password went over the wire")
			}
			if s.SASL2 == s.Domain {
				if !a.sent("urn:xmpp:sasl:2") || !a.sent("urn:xmpp:bind:0") {
					t.Error("SASL2 and Bind 2 were not used")
				}
			}
			a.startChat(string(two))
			a.say("Are you there?")
			accept := func(p *person, name string) {
				t.Helper()
				p.press("Contact requests…")
				p.press("Accept " + name)
				p.gone("dialog", "")
			}
			accept(b, one.Local())
			b.chat(one.Local())
			b.reads(one.Local(), "Are you there?")
			a.find("button", two.Local()+", Online.…")
			accept(a, two.Local())
			b.find("button", one.Local()+", Online.…")
			b.say("I am!")
			a.reads(two.Local(), "I am!")
			b.marked("Read")
		})
	}
}

// configured writes a configuration and returns natter's address with it.
func configured(t *testing.T, config map[string]any) (address string) {
	t.Helper()
	return natter(t, "-config", configFile(t, config))
}

func configFile(t *testing.T, config map[string]any) (file string) {
	t.Helper()
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "natter.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The operator has said where the domain is, and the page may connect nowhere else.
func TestFixedEndpoint(t *testing.T) {
	t.Parallel()
	s := xmpptest.Prosody(t)
	account := s.Account(t, "", password)
	logo, err := filepath.Abs("../../web/icons/icon-192.png")
	if err != nil {
		t.Fatal(err)
	}
	p := visit(t, configured(t, map[string]any{
		"branding": map[string]any{"name": "Prosody chat", "welcome": "Hello.", "logo": logo, "colour": "#b00020"},
		"domains":  []map[string]any{{"name": s.Domain, "websocket": s.WSS}},
	}))
	p.find("heading", "Prosody chat")
	if look := p.eval(`async () => {
		const logo = document.getElementById("signin-logo");
		await logo.decode();
		return [document.getElementById("signin-lead").textContent, logo.naturalWidth, logo.src.endsWith("/logo.png"),
			getComputedStyle(document.getElementById("signin-button")).backgroundColor].join(" ")
	}`).Str(); !strings.HasPrefix(look, "Hello. 192 true oklch(0.5 0.12 2") {
		t.Errorf("the page looks like %q", look)
	}
	if p.there("button", "Advanced") {
		t.Error("a page that may connect nowhere else offers another server")
	}
	p.signIn(string(account), password)
	p.in()
	if p.asked("https://") {
		t.Error("host-meta was asked for although the operator has fixed the endpoint")
	}
	t.Run("the policy holds elsewhere", func(t *testing.T) {
		q := visit(t, p.eval(`() => location.href`).Str())
		refused := q.eval(`() => fetch("https://elsewhere.test/").then(() => "", (e) => String(e))`).Str()
		if refused == "" {
			t.Error("the page may fetch from any host")
		}
		q.forgives("elsewhere.test")
		q.eval(`() => { e2e.violations.length = 0 }`)
	})
}

// What the person enters under Advanced comes before everything else.
func TestOwnEndpoint(t *testing.T) {
	t.Parallel()
	s := xmpptest.Prosody(t)
	account := s.Account(t, "", password)
	p := visit(t, natter(t))
	p.signIn(string(account), password, s.WSS)
	p.in()
	if p.asked("https://") || !p.asked(s.WSS) {
		t.Error("another endpoint was looked for than the one entered")
	}
	p.find("status", "Connected to "+s.Domain+" through localhost:…")
}
