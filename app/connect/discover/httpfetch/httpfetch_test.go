//go:build !js

package httpfetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"natter/app/connect/discover"
)

const jrd = `{"links":[{"rel":"urn:xmpp:alt-connections:websocket","href":"wss://chat.example/ws"}]}`

// servers starts one web server with TLS and one without.
func servers(t *testing.T) (secure, plain *httptest.Server) {
	var handler http.ServeMux
	secure, plain = httptest.NewTLSServer(&handler), httptest.NewServer(&handler)
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	redirect := func(path, to string, status int) {
		handler.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, status) })
	}
	handler.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 || r.Header.Get("Authorization") != "" {
			t.Errorf("D12 credentials sent: %v", r.Header)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(jrd + r.Header.Get("X-None")))
	})
	handler.HandleFunc("/accept", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.Header.Get("Accept"))) })
	handler.HandleFunc("/cookie", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		http.Redirect(w, r, "/ok", http.StatusFound)
	})
	handler.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		for range 10 << 10 {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return // cut off, as it should be
			}
		}
	})
	handler.HandleFunc("/hang", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	handler.HandleFunc("/short", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write([]byte("{"))
	})
	redirect("/301", "/ok", 301)
	redirect("/302", "/ok", 302)
	redirect("/307", "/ok", 307)
	redirect("/308", "/ok", 308)
	redirect("/insecure", plain.URL+"/ok", 302)
	redirect("/twice", "/insecure", 302)
	redirect("/upgrade", secure.URL+"/ok", 302)
	redirect("/back", secure.URL+"/insecure", 302)
	redirect("/userinfo", strings.Replace(secure.URL, "https://", "https://u:p@", 1)+"/ok", 302)
	redirect("/loop", "/loop", 302)
	return secure, plain
}

func trusting(s *httptest.Server) *Fetcher {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return New(&tls.Config{RootCAs: roots})
}

func TestFetch(t *testing.T) {
	secure, plain := servers(t)
	f := trusting(secure)
	for _, tc := range []struct {
		rule, url, final string
		status           int
		err              error
	}{
		{"honest", secure.URL + "/ok", secure.URL + "/ok", 200, nil},
		{"D07 404", secure.URL + "/none", secure.URL + "/none", 404, nil},
		{"D07 301", secure.URL + "/301", secure.URL + "/ok", 200, nil},
		{"D07 302", secure.URL + "/302", secure.URL + "/ok", 200, nil},
		{"D07 307", secure.URL + "/307", secure.URL + "/ok", 200, nil},
		{"D07 308", secure.URL + "/308", secure.URL + "/ok", 200, nil},
		{"D12 a cookie is not kept", secure.URL + "/cookie", secure.URL + "/ok", 200, nil},
		{"D01 sec22 redirect to http", secure.URL + "/insecure", "", 0, discover.ErrInsecure},
		{"D01 at the second hop", secure.URL + "/twice", "", 0, discover.ErrInsecure},
		{"D12 name and password in a redirect", secure.URL + "/userinfo", "", 0, discover.ErrInsecure},
		{"D07 a loop", secure.URL + "/loop", "", 0, errRedirects},
		{"sec22 10 MB", secure.URL + "/big", "", 0, discover.ErrTooLong},
		{"http for this machine", plain.URL + "/ok", plain.URL + "/ok", 200, nil},
		{"http to http", plain.URL + "/301", plain.URL + "/ok", 200, nil},
		{"http to https", plain.URL + "/upgrade", secure.URL + "/ok", 200, nil},
		{"D01 http to https to http", plain.URL + "/back", "", 0, discover.ErrInsecure},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			doc, err := f.Fetch(context.Background(), tc.url, "application/json", 64<<10)
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if err == nil && (doc.URL != tc.final || doc.Status != tc.status) {
				t.Errorf("%d from %s, want %d from %s", doc.Status, doc.URL, tc.status, tc.final)
			}
			if err == nil && doc.Status == 200 && (string(doc.Body) != jrd || doc.Type != "application/json") {
				t.Errorf("%s %q", doc.Type, doc.Body)
			}
		})
	}
	if doc, err := f.Fetch(context.Background(), secure.URL+"/accept", "application/xrd+xml", 100); err != nil || string(doc.Body) != "application/xrd+xml" {
		t.Errorf("D04 %+v, %v", doc, err)
	}
	if _, err := f.Fetch(context.Background(), secure.URL+"/ok", "", len(jrd)); err != nil {
		t.Errorf("as long as allowed: %v", err)
	}
	if _, err := f.Fetch(context.Background(), secure.URL+"/ok", "", len(jrd)-1); !errors.Is(err, discover.ErrTooLong) {
		t.Errorf("a byte too long: %v", err)
	}
	if _, err := f.Fetch(context.Background(), secure.URL+"/short", "", 64<<10); err == nil {
		t.Error("a body that was cut off is accepted")
	}
	if _, err := f.Fetch(context.Background(), "https://a b/", "", 1); err == nil {
		t.Error("no URL is accepted")
	}
	if _, err := New(nil).Fetch(context.Background(), secure.URL+"/ok", "", 64<<10); err == nil {
		t.Error("T02 a certificate nobody trusts is accepted")
	}
}

func TestSec22_Hang(t *testing.T) {
	secure, _ := servers(t)
	ctx, cancel := context.WithTimeout(context.Background(), 1)
	defer cancel()
	if _, err := trusting(secure).Fetch(ctx, secure.URL+"/hang", "", 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want context.DeadlineExceeded", err)
	}
}

// The whole way: a domain, a server with TLS, an endpoint.
func TestFindOverTLS(t *testing.T) {
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "example.com" || r.URL.Path != "/.well-known/host-meta.json" {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte(jrd))
	}))
	site.StartTLS()
	t.Cleanup(site.Close)
	f := trusting(site)
	f.client.Transport = site.Client().Transport // trusts the same, and leads example.com to the server

	finder := &discover.Finder{Fetch: f}
	r, err := finder.Find(context.Background(), "example.com", "")
	if err != nil || len(r.Endpoints) != 1 || r.Endpoints[0].URL != "wss://chat.example/ws" {
		t.Errorf("%+v, %v", r, err)
	}
}
