//go:build linux

package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The bundle works on a static host below a path, and offline after that.
func TestStaticHost(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("/some/where/", http.StripPrefix("/some/where/", http.FileServer(http.Dir(bundle))))
	mux.Handle("/xmpp-websocket", passTo(t, natter(t)))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	host := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)

	p := visit(t, host+"/some/where/")
	p.signIn("ada@localhost", "analytical", "ws"+strings.TrimPrefix(host, "http")+"/xmpp-websocket")
	p.in()
	p.chat("Echo")
	p.say("from below")
	p.reads("Echo", "from below")
	for _, address := range p.requests {
		if strings.HasPrefix(address, "http") && !strings.HasPrefix(address, host+"/some/where/") {
			t.Errorf("the page asked for %s", address)
		}
	}

	scope := p.eval(`() => navigator.serviceWorker.ready.then((r) => r.scope)`).Str()
	if scope != host+"/some/where/" {
		t.Errorf("the worker's scope is %s", scope)
	}
	t.Log("the host is gone; the page opens all the same")
	s.CloseClientConnections()
	s.Listener.Close()
	p.forgives(failedFetch, failedSocket)
	p.page.Timeout(patience).MustReload().CancelTimeout()
	p.find("textbox", "XMPP address")
	p.until(`() => window.natter && window.natter.onSignIn`)
	p.signIn("ada@localhost", "analytical", "ws"+strings.TrimPrefix(host, "http")+"/xmpp-websocket")
	p.refused("The connection could not be opened.", "ada@localhost", "analytical")
}
