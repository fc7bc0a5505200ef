package cert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"natter/app/xmpptest"
	"natter/server/config"
)

// written puts a new certificate for names into dir.
func written(t *testing.T, ca *xmpptest.Authority, dir string, names ...string) config.CertFile {
	t.Helper()
	f := config.CertFile{Cert: filepath.Join(dir, names[0]+".pem"), Key: filepath.Join(dir, names[0]+".key")}
	cert, key := ca.Issue(names...)
	for name, data := range map[string][]byte{f.Cert: cert, f.Key: key} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func file(files ...config.CertFile) *config.File {
	f := config.Default()
	f.PublicURL = "https://chat.example.org"
	f.TLS = &config.TLS{Files: files}
	return f
}

// secured returns where s takes handshakes.
func secured(t *testing.T, s *Source) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", s.Config())
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l)
	return l.Addr().String()
}

func serve(t *testing.T, l net.Listener) {
	server := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

// shake returns the certificate that is shown to a client that asks for name.
func shake(addr, name string, roots *x509.CertPool) (*x509.Certificate, error) {
	c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, RootCAs: roots})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

// A file that changes is used by the next handshake; one that is damaged is not.
func TestFiles_Reload(t *testing.T) {
	ca, dir := xmpptest.NewAuthority(), t.TempDir()
	one := written(t, ca, dir, "chat.example.org")
	two := written(t, ca, dir, "chat.example.net")
	var log bytes.Buffer
	s, err := New(file(one, two), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s.now = func() time.Time { return now }
	addr := secured(t, s)
	see := func(name string) *x509.Certificate {
		t.Helper()
		c, err := shake(addr, name, ca.Pool())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, other := see("chat.example.org"), see("chat.example.net")
	if first.VerifyHostname("chat.example.org") != nil || other.VerifyHostname("chat.example.net") != nil {
		t.Error("a certificate for another name")
	}

	written(t, ca, dir, "chat.example.org")
	later := now.Add(time.Minute)
	for _, name := range []string{one.Cert, one.Key} {
		if err := os.Chtimes(name, later, later); err != nil {
			t.Fatal(err)
		}
	}
	if !see("chat.example.org").Equal(first) {
		t.Error("the files are looked at for every handshake")
	}
	now = now.Add(fresh)
	second := see("chat.example.org")
	if second.Equal(first) || !see("chat.example.net").Equal(other) {
		t.Error("the new certificate is not used, or not it alone")
	}

	if err := os.WriteFile(one.Cert, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(fresh)
	if !see("chat.example.org").Equal(second) || !strings.Contains(log.String(), "cannot be read") {
		t.Errorf("a damaged file: %s", log.String())
	}
	if until := s.Until(); !until[one.Cert].Equal(second.NotAfter) || len(until) != 2 {
		t.Errorf("%v", until)
	}
}

func TestFiles_Wrong(t *testing.T) {
	ca, dir := xmpptest.NewAuthority(), t.TempDir()
	a, b := written(t, ca, dir, "a.example"), written(t, ca, dir, "b.example")
	for _, tc := range []struct {
		file config.CertFile
		says string
	}{
		{config.CertFile{Cert: a.Cert, Key: "/does/not/exist"}, "tls.files[0]: stat /does/not/exist"},
		{config.CertFile{Cert: a.Cert, Key: b.Key}, "does not match"},
		{config.CertFile{Cert: a.Key, Key: a.Key}, "certificate"},
		{a, "tls.files: no certificate is for chat.example.org"},
	} {
		if _, err := New(file(tc.file), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%v: %v", tc.file, err)
		}
	}
}

// Sec82: who names another host gets no certificate, who names none the first.
func TestSec82_Names(t *testing.T) {
	ca := xmpptest.NewAuthority()
	s, err := New(file(written(t, ca, t.TempDir(), "chat.example.org")), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	addr := secured(t, s)
	for name, want := range map[string]bool{"chat.example.org": true, "127.0.0.1": true, "evil.example": false, "org": false, "x.chat.example.org": false} {
		c, err := shake(addr, name, ca.Pool())
		if (err == nil) != want {
			t.Errorf("%s: %v %v", name, c, err)
		}
	}
	if _, err := s.Get(&tls.ClientHelloInfo{ServerName: "evil.example"}); !errors.Is(err, ErrName) {
		t.Errorf("%v", err)
	}
	if c := s.Config(); c.MinVersion != tls.VersionTLS12 || !slices.Equal(c.NextProtos, []string{"h2", "http/1.1"}) {
		t.Errorf("%v %v", c.MinVersion, c.NextProtos)
	}
}

// Sec79 and Sec82: plain HTTP leads to the page and nowhere else.
func TestSec82_PlainHTTP(t *testing.T) {
	s := &Source{}
	h := s.HTTP(func(host string) string {
		return map[string]string{"chat.example.org": "https://chat.example.org:8443/"}[host]
	})
	for _, tc := range []struct {
		method, host, path string
		status             int
		location           string
	}{
		{"GET", "chat.example.org", "/", 308, "https://chat.example.org:8443/"},
		{"HEAD", "Chat.Example.org:80", "/a?b=c", 308, "https://chat.example.org:8443/"},
		{"GET", "chat.example.org", "//evil.example/..", 308, "https://chat.example.org:8443/"},
		{"POST", "chat.example.org", "/", 400, ""},
		{"GET", "evil.example", "/", 421, ""},
		{"GET", "[::1]:80", "/", 421, ""},
	} {
		r := httptest.NewRequestWithContext(context.Background(), tc.method, "/", nil)
		r.Host, r.URL.Path = tc.host, tc.path
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); w.Code != tc.status || got != tc.location {
			t.Errorf("%s %s%s: %d %s", tc.method, tc.host, tc.path, w.Code, got)
		}
	}
}
