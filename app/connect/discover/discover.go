// Package discover finds the WebSocket endpoints of a domain (XEP-0156).
//
// Finder takes the first of these: the endpoint that the person entered, the endpoints
// that the operator of the page has set, the cache, and the domain's host-meta over
// https, of which both forms are fetched at the same time. DNS is not used: a page cannot
// query it, and the TXT records that were once used for this let an attacker in the
// network choose the server (CVE-2022-24968).
//
// A page cannot find out why a fetch failed: no answer, an untrusted certificate and a
// missing CORS header look the same. All three are Unreachable.
package discover

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// Finder finds endpoints. Its fields are set before the first call of Find and
// not changed after.
type Finder struct {
	Fetch Fetcher

	// Cache stores the results of host-meta. Nil means that every Find fetches it.
	Cache Cache

	// Fixed are the operator's endpoints by domain (A-labels, lower case). No host-meta is
	// fetched for these domains.
	Fixed map[string][]string

	// AllowLoopback allows http for host-meta and ws for the endpoint if the domain is this
	// machine.
	AllowLoopback bool

	// Rel is the relation of the links that count; that for clients if empty.
	Rel string

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// Timeout bounds one Find; zero means 5 seconds.
	Timeout time.Duration

	grace time.Duration // how long a useful XRD waits for the JRD, see Find
	rand  func(n int) int
}

// Fetcher gets small documents. It follows redirects, only to https unless the first
// address was http. It sends no cookies or other credentials. A body longer than limit
// is ErrTooLong.
type Fetcher interface {
	Fetch(ctx context.Context, url, accept string, limit int) (*Document, error)
}

// Document is what a Fetcher got, whatever its status.
type Document struct {
	URL    string // after redirects
	Status int
	Type   string // media type of the header, for logs only; the body decides
	Body   []byte
}

// Errors of a Fetcher; any other counts as Unreachable.
var (
	ErrTooLong  = errors.New("the document is too long")
	ErrInsecure = errors.New("the redirect leaves the encrypted connection")
)

// Cache stores results by domain between visits. Load returns false if it fails.
type Cache interface {
	Load(domain string) (Result, bool)
	Save(domain string, r Result)
}

// Result is where a domain can be reached.
type Result struct {
	Endpoints []Endpoint // to be tried in this order; at least one
	Expires   time.Time  // zero for what a person or the operator fixed
}

// Endpoint is one WebSocket address.
type Endpoint struct {
	URL      string
	Source   Source
	Priority int // smaller first (XEP-0487)
	Weight   int // share among those with the same priority

	// IPs are where to connect instead of what DNS says, and SNI the name for TLS. Only links for
	// servers have them: a page has no say in either.
	IPs []string
	SNI string
}

// RelServers is the relation of the links for other servers (XEP-0487 §2.1).
const RelServers = "urn:xmpp:alt-connections:s2s-websocket"

// Source says where an endpoint comes from. With HostMeta and Cached the domain has
// delegated to it over https, so its host may be any other (RFC 7395 §6).
type Source string

const (
	Own      Source = "own"
	Operator Source = "operator"
	Cached   Source = "cache"
	HostMeta Source = "host-meta"
)

const (
	maxBody      = 64 << 10
	maxEndpoints = 8
	timeout      = 5 * time.Second
	grace        = 300 * time.Millisecond
	defaultTTL   = 24 * time.Hour
	maxTTL       = 7 * 24 * time.Hour // XEP-0487 §5
)

// Find returns the endpoints of domain. own is what the person entered, "" for
// nothing. Errors are of type *Error.
//
// JRD and XRD are fetched at the same time, and the first that names an endpoint
// is used. The JRD alone has priorities and a lifetime (XEP-0487), so an XRD that
// is first waits a moment for it.
func (f *Finder) Find(ctx context.Context, domain, own string) (Result, error) {
	if own != "" {
		endpoint, err := ParseEndpoint(own)
		if err != nil {
			return Result{}, &Error{domain, BadEntry, err}
		}
		return Result{Endpoints: []Endpoint{{URL: endpoint, Source: Own}}}, nil
	}
	host, err := Host(domain)
	if err != nil {
		return Result{}, &Error{domain, BadDomain, err}
	}
	if fixed := f.Fixed[host]; len(fixed) > 0 {
		return fixedResult(domain, fixed)
	}
	old, known := f.load(host)
	if known && f.now().Before(old.Expires) {
		old.Endpoints = f.order(old.Endpoints)
		return old, nil
	}

	found, failure := f.hostMeta(ctx, host)
	if failure != nil {
		// An expired result is better than none (XEP-0487 §3.2), unless the domain has
		// answered with something newer.
		if known && (failure.Kind == Unreachable || failure.Kind == Timeout || failure.Kind == BadStatus) {
			old.Endpoints = f.order(old.Endpoints)
			return old, nil
		}
		failure.Domain = domain
		return Result{}, failure
	}
	if f.Cache != nil {
		f.Cache.Save(host, found)
	}
	found.Endpoints = f.order(found.Endpoints)
	return found, nil
}

// Forget makes the next Find ask the domain again. It is called when no endpoint
// could be reached: the domain may have moved.
func (f *Finder) Forget(domain string) {
	host, err := Host(domain)
	if err != nil {
		return
	}
	if old, ok := f.load(host); ok {
		old.Expires = time.Time{}
		f.Cache.Save(host, old)
	}
}

// load returns the endpoints in the cache, expired or not, that are valid.
func (f *Finder) load(host string) (Result, bool) {
	if f.Cache == nil {
		return Result{}, false
	}
	r, ok := f.Cache.Load(host)
	if !ok {
		return Result{}, false
	}
	var usable []Endpoint
	for _, e := range r.Endpoints {
		if u, ok := f.endpoint(host, e.URL); ok {
			e.URL, e.Source, e.Weight = u, Cached, max(0, min(e.Weight, largest))
			usable = append(usable, e)
		}
	}
	if latest := f.now().Add(maxTTL); r.Expires.After(latest) {
		r.Expires = latest // the clock was wrong when it was saved
	}
	r.Endpoints = usable
	return r, len(usable) > 0
}

func fixedResult(domain string, fixed []string) (Result, error) {
	var r Result
	for _, s := range fixed {
		endpoint, err := ParseEndpoint(s)
		if err != nil {
			return Result{}, &Error{domain, BadEntry, err}
		}
		r.Endpoints = append(r.Endpoints, Endpoint{URL: endpoint, Source: Operator})
	}
	return r, nil
}

// hostMeta fetches host-meta from the domain.
func (f *Finder) hostMeta(ctx context.Context, host string) (Result, *Error) {
	limit := f.Timeout
	if limit == 0 {
		limit = timeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel() // also ends the other fetch

	base := "https://" + host + "/.well-known/host-meta"
	if f.loopback(host) {
		base = "http" + strings.TrimPrefix(base, "https")
	}
	type answer struct {
		meta *meta
		err  *Error
	}
	ask := func(url, accept string) chan answer {
		ch := make(chan answer, 1)
		go func() {
			m, err := f.fetch(ctx, host, url, accept)
			ch <- answer{m, err}
		}()
		return ch
	}
	jrd := ask(base+".json", "application/jrd+json, application/json")
	xrd := ask(base, "application/xrd+xml, application/xml;q=0.9")

	var (
		best  *meta // of the XRD
		worst *Error
		late  <-chan time.Time
	)
	for jrd != nil || xrd != nil {
		select {
		case a := <-jrd:
			if jrd = nil; a.err == nil {
				return f.result(a.meta), nil
			}
			worst = moreTelling(worst, a.err)
		case a := <-xrd:
			if xrd = nil; a.err == nil {
				best = a.meta
				late = time.After(f.graceTime())
			}
			worst = moreTelling(worst, a.err)
		case <-late:
			jrd = nil
		case <-ctx.Done(): // a Fetcher may be slow to notice
			jrd, xrd = nil, nil
			worst = moreTelling(worst, failed(ctx, host, ctx.Err()))
		}
	}
	if best != nil {
		return f.result(best), nil
	}
	return Result{}, worst
}

// fetch gets one form of host-meta. The error says why it has no endpoint.
func (f *Finder) fetch(ctx context.Context, host, address, accept string) (*meta, *Error) {
	doc, err := f.Fetch.Fetch(ctx, address, accept, maxBody)
	switch {
	case errors.Is(err, ErrTooLong), err == nil && len(doc.Body) > maxBody:
		return nil, &Error{host, TooLong, ErrTooLong}
	case errors.Is(err, ErrInsecure):
		return nil, &Error{host, Insecure, ErrInsecure}
	case err != nil:
		return nil, failed(ctx, host, err)
	}
	if final, err := url.Parse(doc.URL); err != nil ||
		final.Scheme != "https" && !(final.Scheme == "http" && f.loopback(host) && isLoopback(final.Hostname())) {
		return nil, &Error{host, Insecure, ErrInsecure}
	}
	switch doc.Status {
	case 200:
	case 404, 410: // RFC 6415 §4.2
		return nil, &Error{host, NoHostMeta, nil}
	default:
		return nil, &Error{host, BadStatus, nil}
	}

	rel := f.Rel
	if rel == "" {
		rel = relWebSocket
	}
	m, kind, err := parse(doc.Body, rel)
	if err != nil {
		return nil, &Error{host, kind, err}
	}
	insecure := false
	for _, l := range m.links {
		u, ok := f.endpoint(host, l.href)
		if !ok {
			insecure = insecure || isWS(l.href)
			continue
		}
		same := func(e Endpoint) bool { return e.URL == u }
		if len(m.endpoints) < maxEndpoints && !slices.ContainsFunc(m.endpoints, same) {
			m.endpoints = append(m.endpoints, Endpoint{URL: u, Source: HostMeta, Priority: l.priority, Weight: l.weight, IPs: l.ips, SNI: l.sni})
		}
	}
	switch {
	case len(m.endpoints) > 0:
		return m, nil
	case insecure:
		return nil, &Error{host, Insecure, nil}
	}
	return nil, &Error{host, NoWebSocket, nil}
}

func failed(ctx context.Context, host string, err error) *Error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{host, Timeout, err}
	}
	return &Error{host, Unreachable, err}
}

// endpoint checks an address that came from the network or the cache.
func (f *Finder) endpoint(host, href string) (string, bool) {
	u, err := parseWS(href)
	if err != nil || u.Scheme != "wss" && !(f.loopback(host) && isLoopback(u.Hostname())) {
		return "", false
	}
	return u.String(), true
}

func (f *Finder) result(m *meta) Result {
	return Result{Endpoints: m.endpoints, Expires: f.now().Add(m.ttl)}
}

// order sorts by priority, and at random by weight within one priority (RFC 2782).
func (f *Finder) order(endpoints []Endpoint) []Endpoint {
	draw := f.rand
	if draw == nil {
		draw = rand.IntN
	}
	rest := slices.Clone(endpoints)
	sort.SliceStable(rest, func(i, j int) bool { return rest[i].Priority < rest[j].Priority })
	var ordered []Endpoint
	for len(rest) > 0 {
		same, total := 0, 0
		for same < len(rest) && rest[same].Priority == rest[0].Priority {
			total += rest[same].Weight
			same++
		}
		pick := 0
		if total > 0 {
			for n := draw(total); n >= rest[pick].Weight; pick++ {
				n -= rest[pick].Weight
			}
		}
		ordered = append(ordered, rest[pick])
		rest = slices.Delete(rest, pick, pick+1)
	}
	return ordered
}

func (f *Finder) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

func (f *Finder) graceTime() time.Duration {
	if f.grace == 0 {
		return grace
	}
	return f.grace
}

func (f *Finder) loopback(host string) bool {
	return f.AllowLoopback && isLoopback(strings.Trim(host, "[]"))
}

// Host returns the domain as it stands in a URL, and in the Cache: A-labels, lower case.
func Host(domain string) (string, error) {
	domain = strings.TrimSuffix(domain, ".")
	if isIP(domain) && (domain[0] == '[' || !strings.Contains(domain, ":")) {
		return domain, nil
	}
	return toASCII(domain)
}

func toASCII(host string) (string, error) {
	ascii, err := idna.Lookup.ToASCII(host)
	if err == nil && (ascii == "" || len(ascii) > 253 || ascii[0] == '.' || strings.Contains(ascii, "..")) {
		err = errors.New("not a host name")
	}
	return ascii, err
}
