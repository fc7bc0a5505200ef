// Package gateway lets clients that speak WebSocket (RFC 7395) reach servers that
// speak TCP (RFC 6120). One WebSocket is one TCP connection, and nothing outlives
// either, so any number of gateways may stand side by side.
//
// What surprises:
//
//   - It parses what it passes on, both ways, and writes it anew: neither side meets
//     XML that the other could read differently (CVE-2022-22784).
//   - It takes STARTTLS and compression out of the features, which are about the
//     connection that ends here (RFC 7395 §3.9). Mechanisms it leaves alone, since
//     the client may have them under a signature (XEP-0474).
//   - A connection that is lost is lost on the other side too, without a <close/> or
//     an end of the stream: only so can the session be resumed (XEP-0198).
//   - Nothing is queued. Who does not read is not read from on the other side.
package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"natter/framing"
	"natter/framing/native"
)

// Config says whom the gateway lets in, and to where.
type Config struct {
	Domains []Domain

	// Origins are those of the pages that may connect: scheme, host and, if it is not
	// the usual, port. Another page that somebody has open must not use their place in
	// the network (CVE-2023-2848).
	Origins []string

	// NativeClients lets those in that send no Origin: whatever is not a browser.
	NativeClients bool

	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix

	Limits Limits
	Roots  *x509.CertPool // for backends and other endpoints; the system's if nil
	Log    *slog.Logger   // never gets an address of a person; slog.Default() if nil
	Meter  Meter          // may be nil

	// LogOf returns the log of a request, which names it; Log if nil.
	LogOf func(*http.Request) *slog.Logger
}

// Domain is an XMPP domain that is served.
type Domain struct {
	Name     string    // in ASCII form
	Backends []Backend // tried in turn

	// Elsewhere lists other endpoints of the same service, as wss: addresses: where
	// clients are sent when this one has enough of them or is drained.
	Elsewhere []string
}

// Backend is a server of the domain.
type Backend struct {
	Address  string   // host:port, or the path of a Unix socket
	Security Security // Plain only on this machine
	Proxy    int      // version of the PROXY protocol that tells the client's address, 0 for none

	// Dial, if there is one, connects to a server in this program; Address then only names it.
	Dial func() net.Conn
}

// Security is how a connection to a backend is protected.
type Security string

const (
	Plain     Security = ""         // not at all
	DirectTLS Security = "tls"      // from the first byte (XEP-0368)
	STARTTLS  Security = "starttls" // RFC 6120 §5; one that does not offer it is not used
)

// Limits are bounds of what clients may cost. A zero field means that of
// DefaultLimits.
type Limits struct {
	Streams       int // at once
	PerAddress    int // at once of one address (IPv6: one /64), loopback not counted
	RedirectAbove int // streams beyond which newcomers are sent elsewhere

	BytesBefore int // of a message before authentication
	BytesAfter  int // and after
	BytesDown   int // of an element from the server

	Handshake time.Duration // from the WebSocket to the stream header
	Login     time.Duration // and to authentication
	Dial      time.Duration // for one backend to answer with its header
	Ping      time.Duration // how often a client is asked for a sign of life
	Pong      time.Duration // for it to answer
	Write     time.Duration // for a message to be taken, and a bit for each byte
	Close     time.Duration // for <close/> and the end of a stream to be answered
	KeepAlive time.Duration // silence after which a backend gets a space
}

// DefaultLimits suit a server of its own.
var DefaultLimits = Limits{
	Streams: 20_000, PerAddress: 20, RedirectAbove: 20_000,
	BytesBefore: 64 << 10, BytesAfter: 256 << 10, BytesDown: 10 << 20,
	Handshake: 10 * time.Second, Login: 30 * time.Second, Dial: 10 * time.Second,
	Ping: 30 * time.Second, Pong: 20 * time.Second, Write: 20 * time.Second,
	Close: 5 * time.Second, KeepAlive: time.Minute,
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits
	for _, f := range []struct{ have, want *int }{
		{&l.Streams, &d.Streams}, {&l.PerAddress, &d.PerAddress}, {&l.RedirectAbove, &d.RedirectAbove},
		{&l.BytesBefore, &d.BytesBefore}, {&l.BytesAfter, &d.BytesAfter}, {&l.BytesDown, &d.BytesDown},
	} {
		if *f.have == 0 {
			*f.have = *f.want
		}
	}
	for _, f := range []struct{ have, want *time.Duration }{
		{&l.Handshake, &d.Handshake}, {&l.Login, &d.Login}, {&l.Dial, &d.Dial}, {&l.Ping, &d.Ping},
		{&l.Pong, &d.Pong}, {&l.Write, &d.Write}, {&l.Close, &d.Close}, {&l.KeepAlive, &d.KeepAlive},
	} {
		if *f.have == 0 {
			*f.have = *f.want
		}
	}
	return l
}

// Meter hears what happens, for metrics. Its methods are called from many goroutines
// and must not block.
type Meter interface {
	Opened()                           // a WebSocket
	Closed(reason string)              // the same; reason is one of a few words
	Refused(reason string)             // a request that became no WebSocket
	Relayed(up bool, bytes int)        // one element, up: to the server
	Dialled(address string, err error) // a backend
	Authenticated(after time.Duration) // a stream, since its WebSocket
	SentElsewhere(domain string)       // a client, by see-other-uri
}

// Gateway is an http.Handler for the path of the WebSocket.
type Gateway struct {
	domains map[string]*domain
	origins map[string]bool
	c       Config
	lim     Limits
	log     *slog.Logger
	ids     atomic.Uint64

	mu       sync.Mutex
	sessions map[*session]struct{}
	places   map[netip.Prefix]int // streams by address
	draining bool
	empty    chan struct{} // closed when draining has left nobody
}

// domain is a Domain with what has been learned about its backends.
type domain struct {
	Domain
	elsewhere []*place

	mu   sync.Mutex
	down map[string]time.Time // when backends last failed
	next int                  // of elsewhere
}

// New returns a gateway, or what is wrong with its configuration.
func New(c Config) (*Gateway, error) {
	g := &Gateway{
		domains: map[string]*domain{}, origins: map[string]bool{},
		c: c, lim: c.Limits.orDefault(), log: c.Log,
		sessions: map[*session]struct{}{}, places: map[netip.Prefix]int{},
	}
	if g.log == nil {
		g.log = slog.Default()
	}
	if g.c.Meter == nil {
		g.c.Meter = deaf{}
	}
	for _, o := range c.Origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+u.Host != o || strings.ToLower(o) != o {
			return nil, fmt.Errorf("origin %q: write it as https://chat.example.org, in lower case", o)
		}
		g.origins[o] = true
	}
	if len(c.Origins) == 0 && !c.NativeClients {
		return nil, errors.New("nobody may connect: name the origins of pages, or let native clients in")
	}
	if len(c.Domains) == 0 {
		return nil, errors.New("no domain is served")
	}
	for _, d := range c.Domains {
		if err := g.add(d); err != nil {
			return nil, fmt.Errorf("domain %q: %w", d.Name, err)
		}
	}
	return g, nil
}

func (g *Gateway) add(c Domain) error {
	d, err := newDomain(c)
	if err != nil {
		return err
	}
	if g.domains[c.Name] != nil {
		return errors.New("it is listed twice")
	}
	g.domains[c.Name] = d
	return nil
}

// newDomain returns a domain, or what is wrong with it.
func newDomain(c Domain) (*domain, error) {
	d := &domain{Domain: c, down: map[string]time.Time{}}
	switch {
	case c.Name == "" || strings.ToLower(c.Name) != c.Name:
		return nil, errors.New("write the name in lower case")
	case len(c.Backends) == 0:
		return nil, errors.New("it has no backend")
	}
	for _, b := range c.Backends {
		if err := b.check(); err != nil {
			return nil, fmt.Errorf("backend %q: %w", b.Address, err)
		}
	}
	for _, address := range c.Elsewhere {
		u, err := endpoint(address)
		if err != nil {
			return nil, fmt.Errorf("elsewhere %q: %w", address, err)
		}
		d.elsewhere = append(d.elsewhere, &place{url: u})
	}
	return d, nil
}

// Streams returns how many there are.
func (g *Gateway) Streams() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sessions)
}

// ServeHTTP carries one WebSocket to its end.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client := clientOf(r, g.c.TrustedProxies)
	s, problem := g.admit(r, client)
	if problem != nil {
		g.c.Meter.Refused(problem.reason)
		g.log.Info("WebSocket refused", "reason", problem.reason)
		if problem.status == http.StatusServiceUnavailable || problem.status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "30")
		}
		http.Error(w, problem.words, problem.status)
		return
	}
	defer g.release(s)
	socket, err := native.Accept(w, r, native.Options{
		// Twice what is allowed is read, so that too much gets its stream error. Strangers
		// are allowed little: a thousand of them must not cost what a thousand clients may.
		ReadLimit: 2 * int64(g.lim.BytesBefore), ReadAhead: g.lim.BytesBefore,
		CloseTimeout: g.lim.Close, Write: g.lim.Write,
		Origins: []string{"*"}, // checked by admit
		Ping:    g.lim.Ping, Pong: g.lim.Pong, Alive: s.alive,
	})
	if err != nil {
		reason := "no-websocket"
		if errors.Is(err, framing.ErrSubprotocol) {
			reason = "no-subprotocol"
		}
		g.c.Meter.Refused(reason)
		s.log.Info("WebSocket refused", "reason", reason)
		return // Accept has answered
	}
	g.c.Meter.Opened()
	reason := s.serve(context.WithoutCancel(r.Context()), socket)
	g.c.Meter.Closed(reason)
}

// refusal is why a request becomes no WebSocket.
type refusal struct {
	status int
	reason string // for logs and metrics
	words  string // for who asked
}

func (g *Gateway) admit(r *http.Request, client netip.AddrPort) (*session, *refusal) {
	if problem := g.checkOrigin(r.Header); problem != nil {
		return nil, problem
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	place := placeOf(client.Addr())
	switch {
	case g.draining && !g.anyElsewhere():
		return nil, &refusal{http.StatusServiceUnavailable, "stopping", "this gateway is stopping"}
	case len(g.sessions) >= g.lim.Streams:
		return nil, &refusal{http.StatusServiceUnavailable, "full", "too many connections"}
	case !client.Addr().IsLoopback() && g.places[place] >= g.lim.PerAddress:
		return nil, &refusal{http.StatusTooManyRequests, "too-many-of-one", "too many connections from this address"}
	}
	log := g.log
	if g.c.LogOf != nil {
		log = g.c.LogOf(r)
	}
	s := &session{
		g: g, client: client, place: place, host: r.Host, started: time.Now(),
		log:   log.With("stream", g.ids.Add(1)),
		ready: make(chan struct{}), tail: make(chan struct{}), over: make(chan struct{}),
		secure: r.TLS != nil || !client.Addr().IsLoopback(),
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		s.local = local
	}
	// A client that was sent here by another gateway is not sent on.
	s.sentHere = r.URL.Query().Has(sentHere)
	g.sessions[s] = struct{}{}
	g.places[place]++
	return s, nil
}

func (g *Gateway) release(s *session) {
	close(s.over)
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, s)
	if g.places[s.place]--; g.places[s.place] == 0 {
		delete(g.places, s.place)
	}
	if g.draining && len(g.sessions) == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// checkOrigin compares whole origins: never by prefix, suffix or without the port.
func (g *Gateway) checkOrigin(h http.Header) *refusal {
	origins := h.Values("Origin")
	switch {
	case len(origins) == 0 && h.Get("Sec-Fetch-Site") == "" && g.c.NativeClients:
		return nil
	case len(origins) == 0:
		return &refusal{http.StatusForbidden, "no-origin", "only pages may connect here"}
	case len(origins) == 1 && g.origins[origins[0]]:
		return nil
	}
	return &refusal{http.StatusForbidden, "origin", "this page may not connect here"}
}

// clientOf returns the address of the client: that of the connection or, if a trusted
// proxy is at its other end, the last in X-Forwarded-For that is none itself.
func clientOf(r *http.Request, trusted []netip.Prefix) netip.AddrPort {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	trusts := func(a netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	at = netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && trusts(at.Addr()); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		at = netip.AddrPortFrom(hop.Unmap().WithZone(""), 0)
	}
	return at
}

// placeOf returns what counts as one address: of IPv6 everybody has a /64.
func placeOf(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits) // zero for what is no address: these count together
	return p
}

// deaf is a Meter for nobody.
type deaf struct{}

func (deaf) Opened()                     {}
func (deaf) Closed(string)               {}
func (deaf) Refused(string)              {}
func (deaf) Relayed(bool, int)           {}
func (deaf) Dialled(string, error)       {}
func (deaf) Authenticated(time.Duration) {}
func (deaf) SentElsewhere(string)        {}
