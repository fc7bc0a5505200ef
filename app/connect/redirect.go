package connect

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// maxHops is the largest number of redirects in a row (RFC 6120 §4.9.3.19).
const maxHops = 5

// RedirectError reports a redirect that was not followed. No connection to To was made.
type RedirectError struct {
	From   string // the endpoint that redirected
	To     string // the target, as the server wrote it
	Reason Reason
}

func (e *RedirectError) Error() string {
	return "not following the redirect to " + shorten(e.To) + ": " + string(e.Reason)
}

// Reason says why a redirect is refused, as the end of a sentence.
type Reason string

const (
	NotAnAddress Reason = "it is not a WebSocket address"
	NotWebSocket Reason = "it leads to HTTP (BOSH), which Natter does not speak"
	Unencrypted  Reason = "it leads away from the encrypted connection"
	WithUserinfo Reason = "it contains a user name"
	Inwards      Reason = "it leads into a private network"
	IPLiteral    Reason = "it leads to a bare IP address"
	Loop         Reason = "it leads back to where the connection came from"
	TooMany      Reason = "the server redirects too often"
)

// Route is the chain of redirects from the first endpoint. Each redirect is checked
// against the first endpoint too: a chain of redirects may not reach more than a single
// one may.
type Route struct {
	first   *url.URL
	at      *url.URL
	visited map[string]bool
	hops    int
}

// NewRoute returns the route that starts at an endpoint, nil if the endpoint is neither
// wss nor ws on this machine (RFC 7395 §3.9).
func NewRoute(endpoint string) *Route {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "wss" && (u.Scheme != "ws" || !isLoopback(u)) {
		return nil
	}
	return &Route{first: u, at: u, visited: map[string]bool{canonical(u): true}}
}

// At returns the current endpoint.
func (r *Route) At() string { return r.at.String() }

// Follow makes the target of a redirect the current endpoint. If the redirect is refused
// it returns a *RedirectError and changes nothing.
func (r *Route) Follow(to string) error {
	if err := r.check(to); err != nil {
		return err
	}
	u, err := url.Parse(to)
	if err != nil {
		return err // never: check has parsed it
	}
	r.hops++
	r.at = u
	r.visited[canonical(u)] = true
	return nil
}

// check returns a *RedirectError if a redirect must not be followed. It looks at the
// parsed address only: a search for "wss:" would accept ws://evil.example/?wss:
// (RFC 7395 §3.6.1, §6; the class of CVE-2022-22787).
func (r *Route) check(to string) error {
	reason := NotAnAddress
	if u, err := url.Parse(to); err == nil {
		reason = r.reasonAgainst(u)
	}
	if reason != "" {
		return &RedirectError{From: r.at.String(), To: to, Reason: reason}
	}
	return nil
}

func (r *Route) reasonAgainst(u *url.URL) Reason {
	if reason := addressFault(u); reason != "" {
		return reason
	}
	switch {
	case r.at.Scheme == "wss" && u.Scheme != "wss":
		return Unencrypted
	case isIP(u.Hostname()) && !isIP(r.first.Hostname()) && reachOf(r.first.Hostname()) == public:
		return IPLiteral
	case reachOf(u.Hostname()) > reachOf(r.first.Hostname()):
		return Inwards
	case r.visited[canonical(u)]:
		return Loop
	case r.hops >= maxHops:
		return TooMany
	}
	return ""
}

// CheckTarget returns *RedirectError if no client of ours would follow a redirect to
// this address, wherever it comes from: for who sends redirects.
func CheckTarget(to string) error {
	reason := NotAnAddress
	if u, err := url.Parse(to); err == nil {
		reason = addressFault(u)
	}
	if reason != "" {
		return &RedirectError{To: to, Reason: reason}
	}
	return nil
}

// addressFault returns why no redirect may lead to this address, wherever it comes from;
// "" if it may.
func addressFault(u *url.URL) Reason {
	switch u.Scheme {
	case "wss", "ws":
	case "https":
		return NotWebSocket
	case "http":
		return Unencrypted
	default:
		return NotAnAddress
	}
	switch {
	case u.User != nil:
		return WithUserinfo
	case u.Opaque != "", !goodHost(u.Hostname()), !goodPort(u.Port()):
		return NotAnAddress
	case u.Scheme == "ws" && !isLoopback(u):
		return Unencrypted
	case u.Fragment != "": // RFC 6455 §3
		return NotAnAddress
	}
	return ""
}

// goodHost reports whether a browser and Go parse this host in the same way. A browser
// reads ｌocalhost as localhost and 0x7f.1 as 127.0.0.1; a URI has no such spellings
// (RFC 3986 §3.2.2).
func goodHost(host string) bool {
	if strings.Contains(host, ":") {
		return isIP(host)
	}
	name := plainHost(host)
	odd := func(c rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-._", c) }
	if len(name) > 253 || strings.ContainsFunc(name, odd) {
		return false
	}
	labels := strings.Split(name, ".")
	if slices.Contains(labels, "") {
		return false
	}
	if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' { // browsers take it for a number
		return isIP(name)
	}
	return true
}

func goodPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.Atoi(port)
	return err == nil && n > 0 && n < 1<<16
}

// canonical returns one spelling for all spellings of an address, to recognise loops.
func canonical(u *url.URL) string {
	port := u.Port()
	if port == "" && u.Scheme == "wss" {
		port = "443"
	}
	if port == "" {
		port = "80"
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return u.Scheme + "://" + plainHost(u.Hostname()) + ":" + port + path + "?" + u.RawQuery
}

// reach says whether a host is in the public network, in a private one, or this machine.
type reach int

const (
	public reach = iota
	private
	loopback
)

// privateNames are the top-level domains of private networks: reserved ones (RFC 6762,
// RFC 8375, RFC 9476 and ICANN's internal) and those in common use.
var privateNames = []string{"local", "internal", "lan", "home", "corp", "private", "intranet", "home.arpa"}

// reachOf judges by the name alone, because a page cannot resolve names. With wss the
// certificate must also be valid for the name.
func reachOf(host string) reach {
	host = plainHost(host)
	if ip, err := netip.ParseAddr(host); err == nil {
		return reachOfIP(ip)
	}
	if under(host, "localhost") || under(host, "localdomain") {
		return loopback
	}
	if !strings.Contains(host, ".") {
		return private
	}
	for _, name := range privateNames {
		if under(host, name) {
			return private
		}
	}
	return public
}

var (
	global6  = netip.MustParsePrefix("2000::/3") // the only part of IPv6 in public use
	teredo   = netip.MustParsePrefix("2001::/32")
	sixToFor = netip.MustParsePrefix("2002::/16")
	shared4  = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	thisNet4 = netip.MustParsePrefix("0.0.0.0/8")
	beyond4  = netip.MustParsePrefix("224.0.0.0/3") // multicast, reserved, broadcast
)

func reachOfIP(ip netip.Addr) reach {
	ip = ip.Unmap()
	switch {
	case ip.IsLoopback(), ip.IsUnspecified(), ip.Is4() && thisNet4.Contains(ip):
		return loopback // 0.0.0.0 connects to this machine
	case ip.IsPrivate(), ip.IsLinkLocalUnicast(), ip.Zone() != "":
		return private
	case ip.Is4() && (shared4.Contains(ip) || beyond4.Contains(ip)):
		return private
	case ip.Is6() && (!global6.Contains(ip) || teredo.Contains(ip) || sixToFor.Contains(ip)):
		return private // this includes those that contain an IPv4 address
	}
	return public
}

// isLoopback reports whether the endpoint is on this machine, where a connection
// counts as protected without TLS.
func isLoopback(u *url.URL) bool { return reachOf(u.Hostname()) == loopback }

func isIP(host string) bool {
	_, err := netip.ParseAddr(plainHost(host))
	return err == nil
}

func plainHost(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

func under(host, name string) bool { return host == name || strings.HasSuffix(host, "."+name) }

// seeOtherHost turns the host of a see-other-host stream error into an address: the
// current endpoint with this host and port. RFC 6120 §4.9.3.19 has hosts only, so the
// path can only be the current one. A text that is not a host is returned as it is, and
// then refused by follow.
func seeOtherHost(at *url.URL, said string) string {
	said = strings.TrimSpace(said)
	host := said
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		host = "[" + host + "]"
	}
	u := &url.URL{Scheme: at.Scheme, Host: host, Path: at.Path, RawPath: at.RawPath}
	if back, err := url.Parse(u.String()); err != nil || host == "" || back.Host != host {
		return said
	}
	return u.String()
}

// delegated reports whether the endpoint's host is neither the domain nor below it. The
// person should then see the host (RFC 7395 §6).
func delegated(endpoint, domain string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return true
	}
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		domain = ascii
	}
	return !under(plainHost(u.Hostname()), plainHost(domain))
}

func shorten(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
