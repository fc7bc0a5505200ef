//go:build linux

package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// front stands in front of a natter and lets the test decide about each request
// before it is passed on: false means that it has been answered.
func front(t testing.TB, address string, decide func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	pass := passTo(t, address)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if decide(w, r) {
			pass(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

// passTo passes requests on, WebSockets too, and keeps their Host: it is what the
// page's origin is compared with.
func passTo(t testing.TB, address string) http.HandlerFunc {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ErrorLog: quiet,
	}
	return proxy.ServeHTTP
}

func isProgram(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, ".wasm") }

// While the program is still on its way the form can be filled in and sent.
func TestEarlySignIn(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	address := front(t, natter(t), func(_ http.ResponseWriter, r *http.Request) bool {
		if isProgram(r) {
			<-arrived
		}
		return true
	})
	p := visit(t, address)
	p.signIn("ada@localhost", "analytical")
	p.find("button", "Signing in…")
	if p.eval(`() => Boolean(natter.onSignIn)`).Bool() {
		t.Fatal("the program is there already: this test shows nothing")
	}
	close(arrived)
	p.in()
}

// What was typed before the program was there survives its start.
func TestEarlyTyping(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	address := front(t, natter(t), func(_ http.ResponseWriter, r *http.Request) bool {
		if isProgram(r) {
			<-arrived
		}
		return true
	})
	p := visit(t, address)
	p.fill("XMPP address", "ada@localhost")
	p.fill("Password", "analyt")
	p.find("status", "…oading…")
	close(arrived)
	p.until(`() => natter.onSignIn`)
	p.gone("status", "…oading…")
	p.write("ical") // the focus is where it was
	if got := p.holds("XMPP address"); got != "ada@localhost" {
		t.Errorf("the address is now %q", got)
	}
	if got := p.holds("Password"); got != "analytical" {
		t.Errorf("the password is now %q", got)
	}
	p.press("Sign in")
	p.in()
}

// A program that does not come is said, and asked for again by the next Sign in.
func TestProgramMissing(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	broken.Store(true)
	address := front(t, natter(t), func(w http.ResponseWriter, r *http.Request) bool {
		if isProgram(r) && broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return false
		}
		return true
	})
	p := visit(t, address)
	p.forgives(failedFetch, `^error: natter: Error: the server answered 503`)
	p.signIn("ada@localhost", "analytical")
	p.refused("Natter could not be loaded. Check your connection; what you typed stays here.", "ada@localhost", "analytical")
	broken.Store(false)
	p.press("Sign in")
	p.in()
}
