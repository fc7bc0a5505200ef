package cert

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"

	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"natter/server/config"
	"natter/server/dnstest"
)

func TestMain(m *testing.M) {
	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	os.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	os.Setenv("PEBBLE_AUTHZREUSE", "0")
	os.Exit(m.Run())
}

// authority is Let's Encrypt's own small ACME server.
type authority struct {
	config.ACME
	roots  *x509.CertPool // of the certificates it gives
	orders atomic.Int32
}

// pebble starts one that validates at the ports given and gives certificates that last for
// so many seconds.
func pebble(t *testing.T, plainPort, tlsPort int, seconds uint64) *authority {
	t.Helper()
	resolver := dnstest.Serve(t, "chat.example.org. A 127.0.0.1\nchat.example.net. A 127.0.0.1\n")
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: seconds}})
	front := wfe.New(quiet, store, va.New(quiet, plainPort, tlsPort, false, resolver, store), issuer, []string{"pebble.example"}, false, false, 0, 0)
	a := &authority{roots: x509.NewCertPool()}
	h := front.Handler()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/order-plz" {
			a.orders.Add(1)
		}
		h.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	a.roots.AppendCertsFromPEM(issuer.GetRootCert(0).PEM())
	root := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	a.ACME = config.ACME{AgreeTerms: true, Cache: filepath.Join(t.TempDir(), "acme"), Email: "ops@example.org", Directory: server.URL + wfe.DirectoryPath, CA: root}
	return a
}

func listen(t *testing.T) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, l.Addr().(*net.TCPAddr).Port
}

func source(t *testing.T, a *authority) (*Source, *bytes.Buffer) {
	t.Helper()
	f := file()
	f.TLS.ACME = &a.ACME
	var log bytes.Buffer
	s, err := New(f, slog.New(slog.NewTextHandler(&log, nil)))
	if err == nil {
		err = s.Prepare()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, &log
}

// A certificate is there before somebody asks, is kept, and a stranger's name asks for none.
func TestSec82_ACME(t *testing.T) {
	t.Parallel()
	l, port := listen(t)
	a := pebble(t, 1, port, 0)
	s, log := source(t, a)
	serve(t, tls.NewListener(l, s.Config()))
	if s.Ready() == nil {
		t.Error("ready without a certificate")
	}
	s.Obtain()
	if err := s.Ready(); err != nil || a.orders.Load() != 1 {
		t.Fatalf("%v, %d orders, %s", err, a.orders.Load(), log)
	}
	c, err := shake(l.Addr().String(), "chat.example.org", a.roots)
	if err != nil {
		t.Fatal(err)
	}
	if until := s.Until()["chat.example.org"]; !until.Equal(c.NotAfter) {
		t.Errorf("until %v, want %v", until, c.NotAfter)
	}
	for _, name := range []string{"evil.example", "chat.example.net", "x.chat.example.org"} {
		if c, err := shake(l.Addr().String(), name, a.roots); err == nil {
			t.Errorf("%s: %v", name, c.DNSNames)
		}
	}
	if n := a.orders.Load(); n != 1 {
		t.Errorf("strangers made %d orders", n-1)
	}
	if info, err := os.Stat(a.Cache); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the cache: %v %v", info.Mode(), err)
	}
	// The next start asks for nothing.
	again, _ := source(t, a)
	again.Obtain()
	if err := again.Ready(); err != nil || a.orders.Load() != 1 {
		t.Errorf("a second start: %v, %d orders", err, a.orders.Load())
	}
}

// Where 443 is not ours (a proxy has it), plain HTTP is enough.
func TestACME_HTTP01(t *testing.T) {
	t.Parallel()
	l, port := listen(t)
	a := pebble(t, port, 1, 0)
	s, log := source(t, a)
	server := &http.Server{Handler: s.HTTP(func(string) string { return "" })}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	s.Obtain()
	if err := s.Ready(); err != nil {
		t.Errorf("%v, %s", err, log)
	}
}

// What ends soon is renewed before it does.
func TestSec82_Renewal(t *testing.T) {
	t.Parallel()
	l, port := listen(t)
	a := pebble(t, 1, port, 6)
	s, log := source(t, a)
	serve(t, tls.NewListener(l, s.Config()))
	s.Obtain()
	first := s.Until()["chat.example.org"]
	for end := time.Now().Add(20 * time.Second); !s.Until()["chat.example.org"].After(first); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never, %s", log)
		}
	}
	if err := s.Ready(); err != nil {
		t.Error(err)
	}
}

// Without an authority that answers it says so, and goes on.
func TestACME_Unreachable(t *testing.T) {
	t.Parallel()
	a := pebble(t, 1, 1, 0)
	a.Directory = "https://127.0.0.1:1/dir"
	s, log := source(t, a)
	s.Obtain()
	if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "chat.example.org is not there yet") {
		t.Errorf("%v", err)
	}
	if !strings.Contains(log.String(), "no certificate could be obtained") {
		t.Errorf("%s", log)
	}
}

func TestACME_Cache(t *testing.T) {
	t.Parallel()
	a := pebble(t, 1, 1, 0)
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a.Cache = filepath.Join(blocked, "acme")
	f := file()
	f.TLS.ACME = &a.ACME
	s, err := New(f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(); err == nil || !strings.Contains(err.Error(), "tls.acme.cache") {
		t.Errorf("%v", err)
	}
}
