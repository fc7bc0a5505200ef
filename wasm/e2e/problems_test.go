//go:build linux

package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"natter/app/xmpptest"
)

// refused waits for a sentence in the form and looks whether everything that was
// typed is still there.
func (p *person) refused(sentence, address, typed string, server ...string) {
	p.t.Helper()
	p.find("alert", sentence+"…")
	if got := p.holds("XMPP address"); got != address {
		p.t.Errorf("the address is now %q", got)
	}
	if got := p.holds("Password"); got != typed {
		p.t.Errorf("the password is now %q", got)
	}
	for _, s := range server {
		if got := p.holds("Server address"); got != s {
			p.t.Errorf("the server address is now %q", got)
		}
	}
	if p.there("button", "Signing in…") {
		p.t.Error("the form still waits")
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	p := visit(t, natter(t))
	p.signIn("ada@localhost", "analytic")
	p.refused("The server did not accept this password.", "ada@localhost", "analytic")
	if focused := p.eval(`() => document.activeElement.id`).Str(); focused != "password" {
		t.Errorf("the focus is on %q", focused)
	}
	t.Log("who is to be remembered is not, and leaves nothing")
	p.click("checkbox", "Remember me")
	p.signIn("ada@localhost", "analytic")
	p.refused("The server did not accept this password.", "ada@localhost", "analytic")
	p.until(`async () => !(await indexedDB.databases()).some(({ name }) => /^natter[.][0-9a-f]+$/.test(name))`)
	p.signIn("ada@localhost", "analytical")
	p.in()
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	p := visit(t, natter(t))
	for _, c := range []struct{ address, sentence string }{
		{"ada", "This address has no server: the part from the @ on is missing."},
		{"ada@", "There is nothing after the @ in this address."},
		{"@localhost", "There is nothing before the @ in this address."},
		{"a da@localhost", "This address has a character that XMPP addresses cannot have."},
		{"a\u200bda@localhost", "This address has a character that XMPP addresses cannot have. There is an invisible character (U+200B) after “a”."},
	} {
		p.signIn(c.address, "secret")
		p.refused(c.sentence, c.address, "secret")
	}
	p.signIn("", "secret")
	p.refused("Type your XMPP address, such as you@example.org.", "", "secret")
	p.signIn("ada@localhost", "")
	p.refused("Type your password.", "ada@localhost", "")
	p.signIn("ada@localhost", "analytical", "ftp://localhost")
	p.refused("The server address under Advanced is not the address of a WebSocket.", "ada@localhost", "analytical", "ftp://localhost")
	p.signIn("\u200bxmpp:%61da@LOCALHOST?message ", "analytical", "") // as it comes from a web page
	p.in()
}

// site is a web server at name, with a certificate of an authority.
func site(t *testing.T, by *xmpptest.Authority, name string, h http.HandlerFunc) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = by.ServerTLS(name)
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	nameAt(t, name, s.Listener.Addr().String())
}

func answers(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(strings.ReplaceAll(body, "JSON", r.URL.Path)))
	}
}

func hostMeta(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".json") {
			answers(200, "application/json", body)(w, r)
			return
		}
		answers(404, "text/plain", "")(w, r)
	}
}

// Each domain that cannot be reached says so in its own way.
func TestDomains(t *testing.T) {
	t.Parallel()
	address := natter(t)
	ours, theirs := xmpptest.Ours(), xmpptest.NewAuthority()
	hung := make(chan struct{})
	for _, c := range []struct {
		id, domain string
		by         *xmpptest.Authority
		serve      http.HandlerFunc
		sentence   string
	}{
		{"no such domain", "nowhere.test", nil, nil, "The server of this address could not be reached."},
		{"D10 without XMPP", "web.test", ours, answers(404, "text/plain", "no"), "The server of this address does not say where web clients can connect to it."},
		{"D10 without CORS", "closed.test", ours, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"links":[{"rel":"urn:xmpp:alt-connections:websocket","href":"wss://closed.test/ws"}]}`))
		}, "The server of this address could not be reached."},
		{"D10 a page for everything", "page.test", ours, answers(200, "text/html", "<!DOCTYPE html><title>Hello</title>"), "The server of this address answered with a web page"},
		{"D10 without WebSocket", "bosh.test", ours, hostMeta(`{"links":[{"rel":"urn:xmpp:alt-connections:xbosh","href":"https://bosh.test/bosh"}]}`), "The server of this address can be reached, but offers no way in for web clients"},
		{"D02 ws only", "plainws.test", ours, hostMeta(`{"links":[{"rel":"urn:xmpp:alt-connections:websocket","href":"ws://plainws.test/ws"}]}`), "The server of this address offers web clients only a connection that is not encrypted."},
		{"T02 certificate fails", "untrusted.test", theirs, answers(404, "text/plain", ""), "The server of this address could not be reached."},
		{"D12 never answers", "hung.test", ours, func(w http.ResponseWriter, r *http.Request) { <-hung }, "The server of this address takes too long to say where to connect."},
	} {
		t.Run(c.id, func(t *testing.T) {
			t.Parallel()
			if c.serve != nil {
				site(t, c.by, c.domain, c.serve)
			}
			if c.id == "D12 never answers" {
				t.Cleanup(func() { close(hung) })
			}
			p := visit(t, address)
			p.forgives(failedFetch)
			p.signIn("ada@"+c.domain, "analytical")
			p.refused(c.sentence, "ada@"+c.domain, "analytical")
			if p.asked("ws") {
				t.Error("a WebSocket was opened")
			}
		})
	}
}

// Servers that are there and are not what they should be.
func TestServers(t *testing.T) {
	t.Parallel()
	address := natter(t)
	for _, c := range []struct {
		id       string
		script   func(*xmpptest.PeerConn)
		sentence string
	}{
		{"O11 never answers the call", func(c *xmpptest.PeerConn) { c.Stall() }, "The server did not answer when it was called."},
		{"O11 never says hello", func(c *xmpptest.PeerConn) { c.Expect("<open"); c.Stall() }, "The connection was made, but the server never said hello."},
		{"never says how to sign in", func(c *xmpptest.PeerConn) { c.Open(); c.Stall() }, "The server greeted but never said how to sign in."},
		{"never answers the password", func(c *xmpptest.PeerConn) {
			c.Open(xmpptest.Mechanisms("SCRAM-SHA-256"))
			c.Stall()
		}, "The server did not answer while the password was being checked."},
		{"no way to sign in", func(c *xmpptest.PeerConn) {
			c.Open(xmpptest.Mechanisms("GSSAPI"))
			c.ExpectGone()
		}, "The server offers no way to sign in that Natter knows."},
		{"disabled account", func(c *xmpptest.PeerConn) {
			c.Open(xmpptest.Mechanisms("SCRAM-SHA-256"))
			c.Expect("<auth")
			c.Send(`<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/><text>no rent</text></failure>`)
			c.ExpectGone()
		}, "This account has been disabled."},
		{"overloaded", func(c *xmpptest.PeerConn) {
			c.Expect("<open")
			c.Sendf(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='peer.test' id='1' version='1.0'/>`)
			c.StreamError("resource-constraint", "")
		}, "The server is too busy to go on."},
		{"unknown domain", func(c *xmpptest.PeerConn) {
			c.Expect("<open")
			c.Sendf(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='other.test' id='1' version='1.0'/>`)
			c.StreamError("host-unknown", "")
		}, "The server that answered does not know this address's domain."},
	} {
		t.Run(c.id, func(t *testing.T) {
			t.Parallel()
			peer := xmpptest.NewPeer(t, c.script)
			p := visit(t, address)
			p.forgives(failedSocket)
			p.signIn("ada@peer.test", "analytical", peer.URL)
			p.refused(c.sentence, "ada@peer.test", "analytical", peer.URL)
		})
	}
	t.Run("T02 certificate fails", func(t *testing.T) {
		t.Parallel()
		peer := xmpptest.NewTLSPeer(t, func(c *xmpptest.PeerConn) { c.Open() }) // of an authority of its own
		p := visit(t, address)
		p.forgives(failedSocket)
		p.signIn("ada@peer.test", "analytical", peer.URL)
		p.refused("The connection could not be opened. The server may be down, or its certificate may not be accepted", "ada@peer.test", "analytical", peer.URL)
		if peer.Connections() != 0 {
			t.Error("something was sent to a server with a bad certificate")
		}
	})
}

// A server that used SCRAM and now wants the password itself does not get it.
func TestA10_PlainAfterSCRAM(t *testing.T) {
	t.Parallel()
	address := natter(t)
	for name, meanwhile := range map[string]string{
		"of this build": `() => {}`,
		"of a build before December 2026": `() => {
			const key = Object.keys(localStorage).find((key) => key.startsWith("natter.scram."));
			localStorage.setItem(key.slice(0, -16), localStorage.getItem(key));
			localStorage.removeItem(key);
		}`,
	} {
		t.Run(name, func(t *testing.T) {
			peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
				switch c.N {
				case 0, 2:
					c.Login("SCRAM-SHA-256", "ada", "analytical")
					c.Live()
				default:
					c.Open(xmpptest.Mechanisms("PLAIN"))
					c.ExpectGone()
				}
			})
			p := visit(t, address)
			p.signIn("ada@peer.test", "analytical", peer.URL)
			p.in()
			p.signOut()
			p.eval(meanwhile)
			p.signIn("ada@peer.test", "analytical", peer.URL)
			p.refused("This server used to check the password without seeing it, and now asks for the password itself.", "ada@peer.test", "analytical", peer.URL)
			if p.sent(`mechanism="PLAIN"`) {
				t.Error("the password was sent")
			}
			// Twin: with SCRAM it goes on.
			p.press("Sign in")
			p.in()
		})
	}
}

// Both ejabberds bar accounts, each in its own words.
func TestDisabledAccount(t *testing.T) {
	t.Parallel()
	address := natter(t)
	for _, kind := range []xmpptest.Kind{xmpptest.KindEjabberd, xmpptest.KindEjabberd24} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := xmpptest.Get(t, kind)
			account := s.Account(t, "", password)
			if !s.Disable(t, account) {
				t.Fatal("the server cannot disable an account")
			}
			p := visit(t, address)
			p.signIn(string(account), password, s.WSS)
			// ejabberd replaces the password of a banned account, or says so.
			p.until(`() => e2e.all("alert", "This account has been disabled.…")[0] || e2e.all("alert", "The server did not accept this password.…")[0]`)
			if got := p.holds("Password"); got != password {
				t.Errorf("the password is now %q", got)
			}
		})
	}
}
