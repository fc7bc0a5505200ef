// Package cert has the certificates with which natter speaks TLS: from files, which it reads
// again when they change, and from an authority that speaks ACME (RFC 8555).
//
// A handshake for a name that is not ours fails before anything is asked of anybody: else
// strangers would spend what an authority allows us (Sec82). A file that is
// damaged while the program runs leaves the certificate before it in use.
//
// The library (autocert) speaks http-01 and tls-alpn-01. It has no DNS-01, so no wildcards,
// and asks neither for profiles nor for renewal hints (ARI); it renews when a third of the
// lifetime is left, at most 30 days.
package cert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"natter/server/config"
	"natter/server/site"
)

// fresh is how long files are taken to be unchanged.
const fresh = 10 * time.Second

// Source has the certificates. It is made by New.
type Source struct {
	log   *slog.Logger
	now   func() time.Time
	acme  *autocert.Manager // nil without
	asked []string          // the names that are obtained before somebody asks

	mu     sync.Mutex
	pairs  []*pair
	names  map[string]bool // that ACME is asked for
	seen   map[string]*x509.Certificate
	looked time.Time
}

// pair is a certificate in files.
type pair struct {
	config.CertFile
	changed [2]time.Time
	current *tls.Certificate
}

// ErrName is why a handshake fails for a name that is not ours.
var ErrName = errors.New("no certificate is for that name")

// New reads the files of f, which has TLS. It fails if one cannot be used.
func New(f *config.File, log *slog.Logger) (*Source, error) {
	s := &Source{log: log, now: time.Now, seen: map[string]*x509.Certificate{}}
	if err := s.Configure(f); err != nil {
		return nil, err
	}
	if f.TLS.ACME == nil {
		return s, nil
	}
	client, err := client(f.TLS.ACME)
	if err != nil {
		return nil, err
	}
	s.acme = &autocert.Manager{
		Prompt:     autocert.AcceptTOS, // the configuration must say agreeTerms
		Cache:      autocert.DirCache(f.TLS.ACME.Cache),
		HostPolicy: s.policy,
		Client:     client,
		Email:      f.TLS.ACME.Email,
	}
	return s, nil
}

func client(a *config.ACME) (*acme.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if a.CA != "" {
		pem, err := os.ReadFile(a.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.acme.ca: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.acme.ca: %s has no certificate", a.CA)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &acme.Client{
		DirectoryURL: a.Directory, // Let's Encrypt if empty
		HTTPClient:   &http.Client{Transport: transport, Timeout: 30 * time.Second},
		UserAgent:    "natter",
	}, nil
}

// Prepare makes the folder of the cache, and fails if nothing can be kept in it: then every
// start would ask for new certificates, until the authority gives none any more.
func (s *Source) Prepare() error {
	if s.acme == nil {
		return nil
	}
	dir := string(s.acme.Cache.(autocert.DirCache))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("tls.acme.cache: %w", err)
	}
	probe, err := os.CreateTemp(dir, "probe")
	if err != nil {
		return fmt.Errorf("tls.acme.cache: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// Configure takes new files and names. Those before stay if it fails.
func (s *Source) Configure(f *config.File) error {
	var pairs []*pair
	for i, file := range f.TLS.Files {
		p := &pair{CertFile: file}
		if err := p.load(); err != nil {
			return fmt.Errorf("tls.files[%d]: %w", i, err)
		}
		pairs = append(pairs, p)
	}
	pages, domains := f.Names()
	for _, name := range pages {
		covers := func(p *pair) bool { return p.current.Leaf.VerifyHostname(name) == nil }
		if f.TLS.ACME == nil && !slices.ContainsFunc(pairs, covers) {
			return fmt.Errorf("tls.files: no certificate is for %s", name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pairs, s.looked, s.names = pairs, s.now(), map[string]bool{}
	before := s.seen
	s.seen = map[string]*x509.Certificate{}
	for _, p := range pairs {
		s.seen[p.Cert] = p.current.Leaf
	}
	if f.TLS.ACME == nil {
		return nil
	}
	for _, name := range append(slices.Clone(pages), domains...) {
		s.names[name] = true
		if leaf := before[name]; leaf != nil {
			s.seen[name] = leaf
		}
	}
	s.asked = pages
	return nil
}

// load reads the files if they are not those that were read before.
func (p *pair) load() error {
	var changed [2]time.Time
	for i, name := range []string{p.Cert, p.Key} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		changed[i] = info.ModTime()
	}
	if p.current != nil && changed == p.changed {
		return nil
	}
	c, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", p.Cert, p.Key, err)
	}
	p.current, p.changed = &c, changed
	return nil
}

// refresh reads again what changed, at most every ten seconds. The caller holds s.mu.
func (s *Source) refresh() {
	if s.now().Sub(s.looked) < fresh {
		return
	}
	s.looked = s.now()
	for _, p := range s.pairs {
		before := p.current
		if err := p.load(); err != nil {
			s.log.Error("a certificate cannot be read; the one before stays in use", "error", err)
		}
		if p.current != before {
			s.seen[p.Cert] = p.current.Leaf
			s.log.Info("a certificate was read again", "file", p.Cert, "until", p.current.Leaf.NotAfter)
		}
	}
}

// Config returns the TLS configuration of the listener.
func (s *Source) Config() *tls.Config {
	c := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: s.Get,
		NextProtos:     []string{"h2", "http/1.1"},
	}
	if s.acme != nil {
		c.NextProtos = append(c.NextProtos, acme.ALPNProto)
	}
	return c
}

// Get returns the certificate for a handshake. Who names no host gets the first file.
func (s *Source) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	s.mu.Lock()
	s.refresh()
	for _, p := range s.pairs {
		if name == "" || p.current.Leaf.VerifyHostname(name) == nil && hello.SupportsCertificate(p.current) == nil {
			c := p.current
			s.mu.Unlock()
			return c, nil
		}
	}
	known := s.names[name]
	s.mu.Unlock()
	if s.acme == nil || !known {
		return nil, ErrName
	}
	c, err := s.acme.GetCertificate(hello)
	if err != nil {
		s.log.Error("no certificate could be obtained", "name", name, "error", err)
		return nil, err
	}
	if c.Leaf != nil && !slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
		s.mu.Lock()
		before := s.seen[name]
		s.seen[name] = c.Leaf
		s.mu.Unlock()
		if before == nil || !before.Equal(c.Leaf) {
			s.log.Info("a certificate is there", "name", name, "until", c.Leaf.NotAfter)
		}
	}
	return c, nil
}

// For returns the certificate with which natter itself connects in the name of a domain,
// nil if there is none.
func (s *Source) For(domain string) *tls.Certificate {
	hello := modern(domain)
	hello.SignatureSchemes = append(hello.SignatureSchemes, tls.PSSWithSHA256, tls.Ed25519)
	c, err := s.Get(hello)
	if err != nil {
		return nil
	}
	return c
}

// policy is asked with the Host header of http-01 too, which may have a port.
func (s *Source) policy(_ context.Context, host string) error {
	host = site.Hostname(host)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.names[host] {
		return ErrName
	}
	return nil
}

// Obtain asks for the certificates of the pages that no file has, so that nobody has to wait
// for it, and returns when all are there or have failed.
func (s *Source) Obtain() {
	if s.acme == nil {
		return
	}
	s.mu.Lock()
	asked := s.asked
	s.mu.Unlock()
	for _, name := range asked {
		_, _ = s.Get(modern(name)) // Get has logged why
	}
}

// modern is how a browser begins: it can use a key on a curve.
func modern(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13},
		CipherSuites:     []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		SupportedCurves:  []tls.CurveID{tls.CurveP256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedPoints:  []uint8{0},
	}
}

// renewed notes what the library has renewed since somebody asked.
func (s *Source) renewed() {
	s.mu.Lock()
	var obtained []string
	for name := range s.names {
		if s.seen[name] != nil {
			obtained = append(obtained, name)
		}
	}
	s.mu.Unlock()
	for _, name := range obtained {
		_, _ = s.Get(modern(name)) // from memory
	}
}

// HTTP returns the handler of the plain listener: it answers http-01 and sends everyone else
// to what page returns for the host that was named, "" for one that is not ours. Nothing of
// the request becomes part of that address (Sec79 and Sec82).
func (s *Source) HTTP(page func(host string) string) http.Handler {
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := page(site.Hostname(r.Host))
		switch {
		case to == "":
			http.Error(w, "This server does not answer for that name.", http.StatusMisdirectedRequest)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			http.Error(w, "Use https.", http.StatusBadRequest)
		default:
			w.Header().Set("Connection", "close")
			http.Redirect(w, r, to, http.StatusPermanentRedirect)
		}
	})
	if s.acme == nil {
		return next
	}
	return s.acme.HTTPHandler(next)
}

// Read returns the certificate in files, with which the key belongs.
func Read(file config.CertFile) (*x509.Certificate, error) {
	p := &pair{CertFile: file}
	if err := p.load(); err != nil {
		return nil, err
	}
	return p.current.Leaf, nil
}

// Ready returns nil when every certificate that is asked for is there and has not ended.
func (s *Source) Ready() error {
	s.renewed()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.asked {
		if s.seen[name] == nil && !slices.ContainsFunc(s.pairs, func(p *pair) bool { return p.current.Leaf.VerifyHostname(name) == nil }) {
			return fmt.Errorf("that of %s is not there yet", name)
		}
	}
	for name, leaf := range s.seen {
		if s.now().After(leaf.NotAfter) {
			return fmt.Errorf("%s ended on %s", name, leaf.NotAfter.Format(time.DateOnly))
		}
	}
	return nil
}

// Until returns when each certificate in use ends, by the name of its file or host.
func (s *Source) Until() map[string]time.Time {
	s.renewed()
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]time.Time{}
	for name, leaf := range s.seen {
		all[name] = leaf.NotAfter
	}
	return all
}
