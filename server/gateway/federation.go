package gateway

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"natter/app/connect/discover"
	"natter/framing"
	"natter/framing/native"
)

// FederationConfig says whose servers reach others, and where they are.
type FederationConfig struct {
	// Domains are those whose servers these are, their subdomains included. Backends are
	// where a server listens for other servers.
	Domains []Domain

	// Find finds the WebSockets of other domains.
	Find *discover.Finder

	// Certificate returns the certificate with which natter shows that it speaks for a
	// domain, nil if it has none. Nil means that it has none at all.
	Certificate func(domain string) *tls.Certificate

	// Secret is what makes natter's own keys known to it. Gateways that stand beside each
	// other have the same. A random one is taken if there is none.
	Secret []byte

	TrustedProxies []netip.Prefix
	Limits         Limits
	Roots          *x509.CertPool // for the certificates of others; the system's if nil
	Log            *slog.Logger   // slog.Default() if nil
	LogOf          func(*http.Request) *slog.Logger
	Meter          FederationMeter // may be nil

	// Trace sees the messages of all WebSockets, keys included: for tests.
	Trace func(peer string, out bool, doc string)
}

// FederationMeter hears what happens between servers. Its methods are called from many
// goroutines and must not block. A direction is in or out, as who opened the stream sees it
// from our server.
type FederationMeter interface {
	Refused(reason string)               // a request that became no stream
	Opened(direction string)             // a stream
	Closed(direction, reason string)     // the same; reason is one of a few words
	Authenticated(direction, how string) // how is dialback or external
	Relayed(up bool, bytes int)          // one element, up: to the other server
	Found(result string)                 // whether another domain was reached
	Tolerated(exception string)          // a deviation of another implementation
	Dialled(address string, err error)   // a backend
}

// Federation lets servers reach others and be reached over WebSocket (XEP-0468). It is the
// http.Handler for the path that other servers know, and carries the connections on which
// our own servers send what is for others.
//
// What surprises:
//
//   - Dialback goes through as it is, each server judging the other: where TLS ends at a
//     host's proxy no certificate of a client arrives. Where one does, and is for the
//     domain, natter signs in by SASL EXTERNAL and speaks dialback with its own server
//     alone, which so needs no certificates, nor to know of any of this.
//   - A stream carries stanzas one way, and no domain joins one that was opened by
//     certificate.
//   - Nothing is sent before the other side's wss was verified; plain ws is never used.
type Federation struct {
	domains map[string]*domain
	c       FederationConfig
	lim     Limits
	log     *slog.Logger
	secret  []byte
	ids     atomic.Uint64

	refused refusals

	mu       sync.Mutex
	links    map[*link]struct{}
	places   map[netip.Prefix]int // incoming streams by address
	draining bool
	empty    chan struct{} // closed when draining has left nothing
}

// NewFederation returns a federation, or what is wrong with its configuration.
func NewFederation(c FederationConfig) (*Federation, error) {
	f := &Federation{
		domains: map[string]*domain{}, c: c, lim: c.Limits.orDefault(), log: c.Log, secret: c.Secret,
		links: map[*link]struct{}{}, places: map[netip.Prefix]int{},
	}
	if f.log == nil {
		f.log = slog.Default()
	}
	if f.c.Meter == nil {
		f.c.Meter = deafToServers{}
	}
	if len(f.secret) == 0 {
		f.secret = []byte(rand.Text())
	}
	if len(c.Domains) == 0 {
		return nil, errors.New("no domain is served")
	}
	for _, one := range c.Domains {
		d, err := newDomain(one)
		if err == nil && f.domains[one.Name] != nil {
			err = errors.New("it is listed twice")
		}
		if err != nil {
			return nil, fmt.Errorf("domain %q: %w", one.Name, err)
		}
		f.domains[one.Name] = d
	}
	return f, nil
}

// ours returns the domain of ours that name is, or is below; nil if there is none.
func (f *Federation) ours(name string) *domain {
	host, err := discover.Host(name)
	for err == nil && host != "" {
		if d := f.domains[host]; d != nil {
			return d
		}
		_, host, _ = strings.Cut(host, ".")
	}
	return nil
}

// serves reports whether name is one of the domains, and not only below one: there others
// may have a server.
func (f *Federation) serves(name string) bool {
	host, err := discover.Host(name)
	return err == nil && f.domains[host] != nil
}

// Streams returns how many there are.
func (f *Federation) Streams() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.links)
}

// ServeHTTP carries the stream of another server to its end.
func (f *Federation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l := f.newLink("in")
	if f.c.LogOf != nil {
		l.log = f.c.LogOf(r).With("stream", l.id)
	}
	l.client = clientOf(r, f.c.TrustedProxies)
	l.tls = r.TLS
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		l.local = local
	}
	problem := f.admit(l)
	if problem == nil && !noPage(r) {
		f.release(l)
		problem = &refusal{http.StatusForbidden, "origin", "this is for servers, not for pages"}
	}
	if problem != nil {
		f.c.Meter.Refused(problem.reason)
		l.log.Info("WebSocket of a server refused", "reason", problem.reason)
		if problem.status != http.StatusForbidden {
			w.Header().Set("Retry-After", "30")
		}
		http.Error(w, problem.words, problem.status)
		return
	}
	defer f.release(l)
	socket, err := native.Accept(w, r, native.Options{
		ReadLimit: 2 * int64(f.lim.BytesAfter), ReadAhead: f.lim.BytesAfter, CloseTimeout: f.lim.Close,
		Origins: []string{"*"}, // checked by noPage
		Ping:    f.lim.Ping, Pong: f.lim.Pong,
	})
	if err != nil {
		reason := "no-websocket"
		if errors.Is(err, framing.ErrSubprotocol) {
			reason = "no-subprotocol"
		}
		f.c.Meter.Refused(reason)
		l.log.Info("WebSocket of a server refused", "reason", reason)
		return // Accept has answered
	}
	l.carry(context.WithoutCancel(r.Context()), func(ctx context.Context) bool { return l.accept(ctx, socket) })
}

// Carry carries a stream that one of our servers opens to another, to its end.
func (f *Federation) Carry(conn net.Conn) {
	l := f.newLink("out")
	if problem := f.admit(l); problem != nil {
		f.c.Meter.Refused(problem.reason)
		l.log.Info("stream of our server refused", "reason", problem.reason)
		_ = conn.Close()
		return
	}
	defer f.release(l)
	l.carry(context.Background(), func(ctx context.Context) bool { return l.call(ctx, conn) })
}

// noPage reports whether a request may be a server's. xmpp-proxy sends an Origin: that of the
// place it connects to.
func noPage(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return r.Header.Get("Sec-Fetch-Site") == ""
	}
	return len(origins) == 1 && origins[0] == "https://"+r.Host
}

func (f *Federation) newLink(direction string) *link {
	id := f.ids.Add(1)
	return &link{
		f: f, direction: direction, id: id, log: f.log.With("stream", id), said: newDialogue(),
		ready: make(chan struct{}), tail: make(chan struct{}),
	}
}

func (f *Federation) admit(l *link) *refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	place, far := placeOf(l.client.Addr()), l.direction == "in" && !l.client.Addr().IsLoopback()
	switch {
	case f.draining:
		return &refusal{http.StatusServiceUnavailable, "stopping", "this gateway is stopping"}
	case len(f.links) >= f.lim.Streams:
		return &refusal{http.StatusServiceUnavailable, "full", "too many connections"}
	case far && f.places[place] >= f.lim.PerAddress:
		return &refusal{http.StatusTooManyRequests, "too-many-of-one", "too many connections from this address"}
	}
	if far {
		l.place = place
		f.places[place]++
	}
	f.links[l] = struct{}{}
	return nil
}

func (f *Federation) release(l *link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.links, l)
	if l.place.IsValid() {
		if f.places[l.place]--; f.places[l.place] == 0 {
			delete(f.places, l.place)
		}
	}
	if f.draining && len(f.links) == 0 && f.empty != nil {
		close(f.empty)
		f.empty = nil
	}
}

// Drain takes no new streams from here on and ends those that are open, in good order,
// spread over a while. It returns when all are gone. When ctx ends first the rest is
// dropped, and the context's error is returned.
func (f *Federation) Drain(ctx context.Context, over time.Duration) error {
	empty := make(chan struct{})
	f.mu.Lock()
	f.draining = true
	var all []*link
	for l := range f.links {
		all = append(all, l)
	}
	if len(all) == 0 {
		close(empty)
	} else {
		f.empty = empty
	}
	f.mu.Unlock()
	return moveAll(ctx, over, all, empty)
}

// deafToServers is a FederationMeter for nobody.
type deafToServers struct{}

func (deafToServers) Refused(string)               {}
func (deafToServers) Opened(string)                {}
func (deafToServers) Closed(string, string)        {}
func (deafToServers) Authenticated(string, string) {}
func (deafToServers) Relayed(bool, int)            {}
func (deafToServers) Found(string)                 {}
func (deafToServers) Tolerated(string)             {}
func (deafToServers) Dialled(string, error)        {}
