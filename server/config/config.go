// Package config reads natter's configuration file.
//
// A file is JSON, and it is refused whole or taken whole: a key that is unknown, repeated
// or of the wrong type is an *Error that names the key and its line, since what an operator
// wrote and we ignored is a trap. What the keys mean stands once, at the types below: the
// decoder, natter.schema.json and its descriptions are made of them.
package config

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"

	"natter/server/site"
)

// Schema is the JSON Schema of a File.
//
//go:embed natter.schema.json
var Schema []byte

// File is the configuration of natter serve.
type File struct {
	// Address of the JSON Schema of this file, for editors. It has no other effect.
	Schema string `json:"$schema"`

	// Address to listen on, host:port. The default is 127.0.0.1:8080.
	Listen string `json:"listen"`

	// Whether gateway.trustedProxies say at the start of each connection, by the PROXY protocol
	// (version 1 or 2), whose it is: a proxy in TCP mode, which leaves TLS to natter.
	ProxyProtocol bool `json:"proxyProtocol"`

	Site

	// Pages for several domains, each under its own publicURL. With it the keys of a
	// single site (publicURL, domains, anyServer, hostMeta, hsts, kill, branding) stay
	// out of the top level.
	Sites []Site `json:"sites"`

	// How natter speaks TLS by itself. Without it natter speaks plain HTTP, for a proxy
	// in front of it.
	TLS *TLS `json:"tls"`

	// How many connections there may be.
	Limits Limits `json:"limits"`

	// How natter is the WebSocket of domains that have backends.
	Gateway Gateway `json:"gateway"`

	// How servers of domains that have federation reach others.
	Federation Federation `json:"federation"`

	// Figures for Prometheus.
	Metrics *Metrics `json:"metrics"`

	// What is written to standard error.
	Log Log `json:"log"`

	name  string         // of the file
	lines map[string]int // where each key stands
}

// Site is one page.
type Site struct {
	// Address at which people find the page. With https:// it turns on HSTS and the upgrade
	// of insecure requests. Its host joins those that are answered.
	PublicURL string `json:"publicURL"`

	// XMPP domains the page is for.
	Domains []Domain `json:"domains"`

	// Let people sign in to domains that are not listed. The page may then connect
	// anywhere, so its policy no longer keeps stolen data in.
	AnyServer bool `json:"anyServer"`

	// Answer /.well-known/host-meta for the domains.
	HostMeta bool `json:"hostMeta"`

	// Tell browsers to insist on https for this host for a year. The default is true if
	// publicURL begins with https://.
	HSTS *bool `json:"hsts"`

	// Make every page drop its service worker and the files kept for use offline, and load
	// again from the network: the way out if those are broken or were tampered with.
	// Messages stay.
	Kill bool `json:"kill"`

	// How the page looks and calls itself.
	Branding Branding `json:"branding"`
}

// Domain is an XMPP domain.
type Domain struct {
	// The domain in ASCII form (xn--…), as in people's addresses.
	Name string `json:"name" jsonschema:"required"`

	// The domain's WebSocket: a wss:// address, ws:// on this machine, or a path on this
	// server. It may be left out only with anyServer; then host-meta tells.
	WebSocket string `json:"websocket"`

	// Further origins the page may talk to for this domain: an upload service, the target
	// of redirects.
	Connect []string `json:"connect"`

	// Servers of the domain, tried in turn: natter is its WebSocket then and speaks TCP to
	// them. The websocket is a path on this server or, with hostMeta, the wss:// address of
	// one.
	Backends []Backend `json:"backends"`

	// Other endpoints of the same service, wss:// addresses. Clients are sent there when
	// natter stops, or has more of them than gateway.redirectAbove.
	Elsewhere []string `json:"elsewhere"`

	// How the domain's server and others reach each other over WebSocket.
	Federation *Federated `json:"federation"`

	// The domain's server is a small one within natter, to try things out: it keeps all in
	// memory and loses it when natter stops. The websocket is a path on this server or, with
	// hostMeta, the wss:// address of one.
	Trial *Trial `json:"trial"`
}

// Trial is a small XMPP server within natter.
type Trial struct {
	// Who has an account. Nobody can make one.
	Accounts []Account `json:"accounts" jsonschema:"required"`

	// Let people of other machines sign in, and those whom a proxy brings. The default is this
	// machine alone.
	Public bool `json:"public"`
}

// Account is one of a trial server.
type Account struct {
	// What comes before the @ of the address.
	Name string `json:"name" jsonschema:"required"`

	// The password.
	Password string `json:"password" jsonschema:"required"`
}

// Federated is how the domain's server and others reach each other over WebSocket
// (XEP-0468).
type Federated struct {
	// Where other servers find natter, a wss:// address. With hostMeta they are told. If its
	// host is none of publicURL natter asks for their certificates there (SASL EXTERNAL);
	// dialback is always there.
	WebSocket string `json:"websocket" jsonschema:"required"`

	// IP addresses of its host. They complete what host-meta tells by XEP-0487: xmpp-proxy
	// takes nothing less.
	IPs []string `json:"ips"`

	// Where the domain's server listens for other servers, tried in turn. It is left out with
	// trial, and needed otherwise.
	Servers []Backend `json:"servers"`

	// Further names that the server serves, such as rooms.example.org.
	Services []string `json:"services"`

	// Other endpoints of the same service, wss:// addresses. Servers are sent there when
	// natter stops.
	Elsewhere []string `json:"elsewhere"`
}

// Federation is how servers of domains that have federation reach others.
type Federation struct {
	// Loopback host:port to which those servers send what is for others.
	Listen string `json:"listen"`

	// Loopback host:port that answers questions of DNS over UDP: all servers are here, at
	// listen. It is for ejabberd, which has no other way to be told.
	Names string `json:"names"`

	// File with at least 32 secret bytes, for natters that stand beside each other: all have
	// the same, so that each answers for what another has said in a dialback. Without it
	// a random one is taken.
	Secret string `json:"secret"`
}

// Backend is an XMPP server behind natter.
type Backend struct {
	// Where it listens, host:port, or the path of a Unix socket.
	Address string `json:"address" jsonschema:"required"`

	// How the connection is protected; the certificate must be for the domain. It may be
	// left out for a server on this machine only.
	Security string `json:"security" jsonschema:"enum=tls,enum=starttls"`

	// Version of the PROXY protocol, 1 or 2, that tells the server the client's address.
	// The default, 0, is none: the server then believes that all clients are natter.
	ProxyProtocol int `json:"proxyProtocol"`
}

// Gateway is how natter is the WebSocket of domains that have backends.
type Gateway struct {
	// Let clients in that are no browsers. The page of publicURL may always connect.
	NativeClients bool `json:"nativeClients"`

	// Origins of further pages that may connect, such as https://chat.example.net.
	Origins []string `json:"origins"`

	// Addresses or networks of the proxies in front of natter. Their X-Forwarded-For
	// says who the client is, and limits.perAddress does not count their connections.
	TrustedProxies []string `json:"trustedProxies"`

	// Streams beyond which newcomers are sent elsewhere. The default is 20000.
	RedirectAbove int `json:"redirectAbove"`

	// Seconds over which clients are sent elsewhere when natter stops. The default is 10.
	DrainSeconds int `json:"drainSeconds"`
}

// Branding is how the page looks and calls itself.
type Branding struct {
	// Name that replaces Natter in titles and on the home screen.
	Name string `json:"name"`

	// Sentence under the name on the sign-in page.
	Welcome string `json:"welcome"`

	// File with a square logo, .svg or .png, 256 KiB at most: for the sign-in page, the tab
	// and the home screen. It is read at the start and at SIGHUP.
	Logo string `json:"logo"`

	// Colour of buttons, links and what is chosen, #rrggbb. The page takes its hue and makes
	// it as light or dark as it needs to be for people to read what lies on it.
	Colour string `json:"colour"`
}

// TLS is how natter speaks TLS by itself: from files, by ACME, or both; files come first.
type TLS struct {
	// Certificates in files. They are read again when they change.
	Files []CertFile `json:"files"`

	// Certificates from an authority that speaks ACME, such as Let's Encrypt.
	ACME *ACME `json:"acme"`

	// Listen on this host:port, usually :80, for plain HTTP: ACME's http-01 is answered,
	// everyone else is sent to https.
	HTTP string `json:"http"`
}

// CertFile is a certificate with its key.
type CertFile struct {
	// PEM file with the certificate and those above it.
	Cert string `json:"cert" jsonschema:"required"`

	// PEM file with the private key.
	Key string `json:"key" jsonschema:"required"`
}

// ACME is how certificates are obtained. They are for the host of each publicURL, and with
// hostMeta for the domains.
type ACME struct {
	// Whether you agree to the terms of service of the authority.
	AgreeTerms bool `json:"agreeTerms" jsonschema:"required"`

	// Folder that keeps the account key and the certificates.
	Cache string `json:"cache" jsonschema:"required"`

	// Address that the authority writes to if something is wrong.
	Email string `json:"email"`

	// Directory of the authority. The default is that of Let's Encrypt.
	Directory string `json:"directory"`

	// PEM file with the root to trust when talking to the authority, for one of your own.
	CA string `json:"ca"`
}

// Limits are how many connections there may be. Those of this machine and of
// gateway.trustedProxies count for the first alone.
type Limits struct {
	// Connections at a time. The default is 20000.
	Connections int `json:"connections"`

	// Connections at a time from one address, or one IPv6 network of 64 bits. The default
	// is 200.
	PerAddress int `json:"perAddress"`
}

// Metrics are figures for Prometheus.
type Metrics struct {
	// Loopback host:port that answers /metrics, /healthz and /readyz.
	Listen string `json:"listen" jsonschema:"required"`
}

// Log is what is written to standard error. It never holds an address of a person, neither
// XMPP's nor the network's, nor a secret.
type Log struct {
	// The least level that is written. The default is info.
	Level string `json:"level" jsonschema:"enum=debug,enum=info,enum=warn,enum=error"`

	// One line of text, or one JSON object, for each event. The default is text.
	Format string `json:"format" jsonschema:"enum=text,enum=json"`

	// Write a line for each request and each stream, at level info.
	Requests bool `json:"requests"`
}

// Error is a mistake in a configuration.
type Error struct {
	File    string // "" if it came from none
	Line    int    // 0 if unknown
	Key     string // as in domains[0].name; "" for the file as a whole
	Problem string
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ":")
		if e.Line > 0 {
			fmt.Fprintf(&b, "%d:", e.Line)
		}
		b.WriteString(" ")
	} else if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	return b.String() + e.Problem
}

// ReadFile parses the configuration in the named file.
func ReadFile(name string) (*File, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f, err := Parse(data)
	if e := (*Error)(nil); errors.As(err, &e) {
		e.File = name
	}
	if err != nil {
		return nil, err
	}
	f.name = name
	return f, nil
}

// Parse reads a configuration and checks it.
func Parse(data []byte) (*File, error) {
	f := Default()
	f.lines = map[string]int{}
	if err := decode(data, f, f.lines); err != nil {
		return nil, err
	}
	if err := f.Check(); err != nil {
		return nil, err
	}
	return f, nil
}

// Default returns the configuration of an empty file. It serves nothing yet.
func Default() *File {
	return &File{
		Listen: "127.0.0.1:8080",
		Limits: Limits{Connections: 20_000, PerAddress: 200},
		Log:    Log{Level: "info", Format: "text"},

		Gateway: Gateway{RedirectAbove: 20_000, DrainSeconds: 10},
	}
}

// Configs returns what each site is, in the order of the file. The single site of the
// top level comes alone.
func (f *File) Configs() []*site.Config {
	if len(f.Sites) == 0 {
		return []*site.Config{f.Site.config(f.Listen)}
	}
	var all []*site.Config
	for _, s := range f.Sites {
		all = append(all, s.config(f.Listen))
	}
	return all
}

func (s *Site) config(listen string) *site.Config {
	c := &site.Config{
		Listen: listen, PublicURL: s.PublicURL, AnyServer: s.AnyServer, HostMeta: s.HostMeta,
		Kill: s.Kill, Branding: site.Branding(s.Branding), HSTS: strings.HasPrefix(s.PublicURL, "https:"),
	}
	if s.HSTS != nil {
		c.HSTS = *s.HSTS
	}
	for _, d := range s.Domains {
		one := site.Domain{Name: d.Name, WebSocket: d.WebSocket, Connect: d.connect()}
		if d.Federation != nil {
			one.Servers, one.IPs, one.Services = d.Federation.WebSocket, d.Federation.IPs, d.Federation.Services
		}
		c.Domains = append(c.Domains, one)
	}
	return c
}

// Names returns the host names that certificates are for: those of each publicURL and of
// WebSockets for servers first, then the domains whose host-meta is answered here.
func (f *File) Names() (pages, domains []string) {
	add := func(address string) {
		if u, err := url.Parse(address); err == nil && u.Host != "" && !slices.Contains(pages, u.Hostname()) {
			pages = append(pages, u.Hostname())
		}
	}
	for _, c := range f.Configs() {
		add(c.PublicURL)
		for _, d := range c.Domains {
			add(d.Servers)
			if c.HostMeta {
				domains = append(append(domains, d.Name), d.Services...)
			}
		}
	}
	return pages, domains
}

// Page returns the address of the page that answers to host, "" for a host of others.
func (f *File) Page(host string) string {
	for _, c := range f.Configs() {
		if c.Hosts()[host] {
			return c.PublicURL
		}
	}
	return ""
}

// Restart returns an *Error for the first thing that differs from before and that only a
// start can change. All else may change while natter runs.
func (f *File) Restart(before *File) error {
	tls := func(f *File) (t TLS) {
		if f.TLS != nil {
			t = *f.TLS
		}
		return t
	}
	for _, part := range []struct {
		key  string
		a, b any
	}{
		{"listen", before.Listen, f.Listen},
		{"proxyProtocol", before.ProxyProtocol, f.ProxyProtocol},
		{"tls", before.TLS == nil, f.TLS == nil},
		{"tls.http", tls(before).HTTP, tls(f).HTTP},
		{"tls.acme", tls(before).ACME, tls(f).ACME},
		{"domains", before.trialsAt(), f.trialsAt()},
		{"federation.listen", before.Federation.Listen, f.Federation.Listen},
		{"federation.names", before.Federation.Names, f.Federation.Names},
		{"metrics", before.Metrics, f.Metrics},
		{"log.format", before.Log.Format, f.Log.Format},
	} {
		if !reflect.DeepEqual(part.a, part.b) {
			return &Error{File: f.name, Line: f.line(part.key), Key: part.key, Problem: "this changes with a restart only"}
		}
	}
	return nil
}

// Check returns an *Error for the first thing that is wrong with f.
func (f *File) Check() error {
	key, problem := f.problem()
	if problem == "" {
		return nil
	}
	return &Error{Line: f.line(key), Key: key, Problem: problem}
}

func (f *File) problem() (key, problem string) {
	if f.Listen == "" {
		return "listen", "must not be empty"
	}
	if len(f.Sites) > 0 {
		for _, k := range []string{"publicURL", "domains", "anyServer", "hostMeta", "hsts", "kill", "branding"} {
			if f.lines[k] > 0 {
				return k, "belongs into one of the sites when there are sites"
			}
		}
	}
	seen := map[string]string{}
	for i, c := range f.Configs() {
		in := ""
		if len(f.Sites) > 0 {
			in = fmt.Sprintf("sites[%d].", i)
		}
		if key, problem := checkSite(c, in); problem != "" {
			return key, problem
		}
		if len(f.Sites) > 1 && c.PublicURL == "" {
			return in + "publicURL", "needed when there are several sites: its host tells them apart"
		}
		if f.TLS != nil && !strings.HasPrefix(c.PublicURL, "https:") {
			return in + "publicURL", "must begin with https:// when natter speaks TLS by itself"
		}
		for name := range c.Hosts() {
			if other, taken := seen[name]; taken && !site.Loopback(net.JoinHostPort(name, "0")) {
				return in + "publicURL", name + " is answered by " + other + " already"
			}
			seen[name] = strings.TrimSuffix(in, ".")
		}
	}
	if key, problem := f.gatewayProblem(); problem != "" {
		return key, problem
	}
	if key, problem := f.trialProblem(); problem != "" {
		return key, problem
	}
	if key, problem := f.federationProblem(); problem != "" {
		return key, problem
	}
	if f.TLS != nil {
		if key, problem := f.TLS.problem(); problem != "" {
			return "tls" + key, problem
		}
	}
	switch {
	case f.ProxyProtocol && len(f.Gateway.TrustedProxies) == 0:
		return "proxyProtocol", "needs gateway.trustedProxies: from anybody else it would be a way to be anybody"
	case f.Limits.Connections < 1:
		return "limits.connections", "must be at least 1"
	case f.Limits.PerAddress < 1:
		return "limits.perAddress", "must be at least 1"
	case f.Metrics != nil && !site.Loopback(f.Metrics.Listen):
		return "metrics.listen", fmt.Sprintf("%q must be host:port of this machine only (127.0.0.1:9090): figures are not for strangers", f.Metrics.Listen)
	}
	return "", ""
}

// checkSite puts a mistake that site found in the place it has in the file.
func checkSite(c *site.Config, in string) (key, problem string) {
	err := c.Check()
	var e *site.ConfigError
	if !errors.As(err, &e) {
		return "", ""
	}
	if e.Key == "listen" {
		in = ""
	}
	return in + e.Key, e.Problem
}

func (t *TLS) problem() (key, problem string) {
	if len(t.Files) == 0 && t.ACME == nil {
		return "", "say where certificates come from: files or acme"
	}
	for i, file := range t.Files {
		switch {
		case file.Cert == "":
			return fmt.Sprintf(".files[%d].cert", i), "must not be empty"
		case file.Key == "":
			return fmt.Sprintf(".files[%d].key", i), "must not be empty"
		}
	}
	if t.HTTP != "" {
		if _, port, err := net.SplitHostPort(t.HTTP); err != nil || port == "" {
			return ".http", fmt.Sprintf("%q is not host:port", t.HTTP)
		}
	}
	if a := t.ACME; a != nil {
		switch {
		case !a.AgreeTerms:
			return ".acme.agreeTerms", "must be true: no authority gives certificates otherwise"
		case a.Cache == "":
			return ".acme.cache", "must name a folder: without one every start would ask for new certificates"
		case a.Directory != "" && !strings.HasPrefix(a.Directory, "https://"):
			return ".acme.directory", "must begin with https://"
		}
	}
	return "", ""
}

// line returns where key stands, or else what it is part of.
func (f *File) line(key string) int {
	for key != "" {
		if n := f.lines[key]; n > 0 {
			return n
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return 0
}
