package front

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"

	"natter/server/config"
)

// headerTimeout is how long a proxy may take to say whose a connection is.
const headerTimeout = 5 * time.Second

// Gate bounds how many connections there are, in all and from one address (Sec83).
// One too many is closed at once. It is made by NewGate, and one Gate may hold several
// listeners.
type Gate struct {
	front *Front

	mu      sync.Mutex
	limits  config.Limits
	proxies []netip.Prefix // who connect for others
	open    int
	from    map[netip.Prefix]int
}

// NewGate returns a Gate that counts in f and lets nobody in before Limit was called.
func (f *Front) NewGate() *Gate {
	g := &Gate{front: f, from: map[netip.Prefix]int{}}
	f.Set.NewGauge("natter_connections", func() float64 {
		g.mu.Lock()
		defer g.mu.Unlock()
		return float64(g.open)
	})
	return g
}

// Limit sets the limits, and whose connections are those of many people: of this machine and of
// proxies. Connections there are stay.
func (g *Gate) Limit(limits config.Limits, proxies []netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limits, g.proxies = limits, proxies
}

// Listener returns l behind the gate.
func (g *Gate) Listener(l net.Listener) net.Listener { return &listener{l, g} }

// Proxied is Listener for proxies that say at the start of each connection whose it is (PROXY
// protocol 1 or 2): RemoteAddr is that of the client then. A proxy that does not say it is not
// listened to, and who is no proxy says nothing of the kind.
func (g *Gate) Proxied(l net.Listener) net.Listener {
	return &proxyproto.Listener{
		Listener: g.Listener(l), ReadHeaderTimeout: headerTimeout,
		ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			if tcp, ok := o.Upstream.(*net.TCPAddr); ok && g.proxy(tcp.AddrPort().Addr().Unmap()) {
				return proxyproto.REQUIRE, nil
			}
			return proxyproto.SKIP, nil
		},
	}
}

type listener struct {
	net.Listener
	gate *Gate
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, reason := l.gate.enter(c.RemoteAddr())
		if reason != "" {
			l.gate.front.Set.GetOrCreateCounter(fmt.Sprintf("natter_connections_refused_total{reason=%q}", reason)).Inc()
			_ = c.Close()
			continue
		}
		l.gate.front.Set.GetOrCreateCounter("natter_connections_total").Inc()
		return &conn{Conn: c, leave: sync.OnceFunc(func() { l.gate.leave(from) })}, nil
	}
}

type conn struct {
	net.Conn
	leave func()
}

func (c *conn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// source returns what one customer of a provider has: an IPv4 address or 64 bits of IPv6. It
// is the zero Prefix for who connects for others. The caller holds g.mu.
func (g *Gate) source(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip, _ := netip.AddrFromSlice(tcp.IP)
	ip = ip.Unmap()
	if ip.IsLoopback() || g.proxy(ip) {
		return netip.Prefix{}
	}
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // the zero Prefix for what is no address
	return p
}

// proxy reports whether ip connects for others. The caller holds g.mu.
func (g *Gate) proxy(ip netip.Addr) bool {
	return slices.ContainsFunc(g.proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// enter returns as whose a connection counts, and why it is one too many, "" if it is not.
func (g *Gate) enter(a net.Addr) (from netip.Prefix, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	from = g.source(a)
	switch {
	case g.open >= g.limits.Connections:
		return from, "all"
	case from.IsValid() && g.from[from] >= g.limits.PerAddress:
		return from, "address"
	}
	g.open++
	if from.IsValid() {
		g.from[from]++
	}
	return from, ""
}

func (g *Gate) leave(from netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if !from.IsValid() {
		return
	}
	if g.from[from]--; g.from[from] == 0 {
		delete(g.from, from)
	}
}
