package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coder/websocket"

	"natter/app/connect/discover"
	"natter/framing"
)

const (
	relServers = "urn:xmpp:alt-connections:s2s-websocket" // XEP-0487
	maxMeta    = 64 << 10
	maxTried   = 4 // endpoints
)

// pages goes the way of a page: host-meta, WebSocket, stream.
func (v *visit) pages(ctx context.Context) {
	if v.Endpoint != "" {
		v.report.Pages = v.endpoint(ctx, "page", v.Endpoint)
		return
	}
	if !v.names(ctx, "page", v.domain) {
		return
	}
	secured := v.step(ctx, "page", "open the domain with https", v.domain+":443, by TLS", func(ctx context.Context, s *Step) {
		if c := v.secured(ctx, s, v.domain+":443", v.domain, "h2", "http/1.1"); c != nil {
			c.Close()
		}
	})
	if secured.Verdict == Bad {
		return
	}
	var found []string
	var servers []string
	for _, form := range []struct{ path, accept string }{
		{"/.well-known/host-meta.json", "application/json"},
		{"/.well-known/host-meta", "application/xrd+xml"},
	} {
		endpoints, links := v.hostMeta(ctx, form.path, form.accept)
		for _, e := range endpoints {
			if !slices.Contains(found, e) {
				found = append(found, e)
			}
		}
		for _, l := range links {
			if !slices.Contains(servers, l) {
				servers = append(servers, l)
			}
		}
	}
	// One form is enough, so that the other is missing keeps nobody out.
	if len(found) > 0 {
		for i, s := range v.report.Steps {
			if s.Verdict == Bad && strings.Contains(s.Asked, "host-meta") {
				v.report.Steps[i].Verdict = Note
			}
		}
	}
	for _, e := range found[:min(len(found), maxTried)] {
		if v.endpoint(ctx, "page", e) {
			v.report.Pages = true
		}
	}
	for _, e := range servers[:min(len(servers), maxTried)] {
		if v.endpoint(ctx, "server", e) {
			v.report.Servers = true
		}
	}
}

// hostMeta fetches one form of it and returns the WebSockets it names for clients, and those
// for servers. What a page would make of it, discover says, which is in the page too.
func (v *visit) hostMeta(ctx context.Context, path, accept string) (endpoints, links []string) {
	address := "https://" + v.domain + path
	v.step(ctx, "page", "ask where the WebSocket is", "GET "+address, func(ctx context.Context, s *Step) {
		r, body, err := v.fetch(ctx, address, accept)
		if err != nil {
			s.fail(reason(err), hostMetaChanges(v.domain)...)
			return
		}
		s.Got = fmt.Sprintf("%d %s", r.StatusCode, r.Header.Get("Content-Type"))
		if r.Request.URL.String() != address {
			s.Got += ", after a redirect to " + r.Request.URL.String()
		}
		finder := discover.Finder{Fetch: answered{path, &discover.Document{
			URL: r.Request.URL.String(), Status: r.StatusCode, Type: r.Header.Get("Content-Type"), Body: body,
		}}}
		result, err := finder.Find(ctx, v.domain, "")
		links = serverLinks(body)
		var why *discover.Error
		if errors.As(err, &why) {
			s.fail(s.Got+": "+string(why.Kind), hostMetaChanges(v.domain)...)
			return
		}
		for _, e := range result.Endpoints {
			endpoints = append(endpoints, e.URL)
		}
		s.Got += ": " + strings.Join(endpoints, ", ")
		if len(links) > 0 {
			s.Got += "; for servers " + strings.Join(links, ", ")
		}
		if origin := r.Header.Get("Access-Control-Allow-Origin"); origin != "*" && origin != v.Origin {
			s.fail(s.Got+", but without Access-Control-Allow-Origin: pages of other hosts may not read it", corsChanges...)
			if strings.HasPrefix(address, v.Origin+"/") {
				s.Verdict = Note
			}
		}
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); !strings.Contains(kind, "json") && !strings.Contains(kind, "xml") {
			s.note(Change{"", "send it as application/json and application/xrd+xml: some clients look at the type"})
		}
	})
	return endpoints, links
}

// fetch gets a small document as a page elsewhere does.
func (v *visit) fetch(ctx context.Context, address, accept string) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("Origin", v.Origin)
	r, err := v.client(func(next *http.Request, via []*http.Request) error {
		if next.URL.Scheme != "https" || len(via) > 5 {
			return errors.New("it redirects to " + next.URL.String())
		}
		return nil
	}).Do(request)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return nil, nil, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMeta+1))
	return r, body, err
}

func (v *visit) client(redirect func(*http.Request, []*http.Request) error) *http.Client {
	v.certificateAsked.Store(false)
	config := &tls.Config{RootCAs: v.Roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		v.certificateAsked.Store(true)
		return new(tls.Certificate), nil
	}}
	return &http.Client{CheckRedirect: redirect, Transport: &http.Transport{
		DialContext: v.dial, TLSClientConfig: config, DisableKeepAlives: true,
	}}
}

// answered is a discover.Fetcher that has one document.
type answered struct {
	path string
	doc  *discover.Document
}

func (a answered) Fetch(_ context.Context, address, _ string, _ int) (*discover.Document, error) {
	if u, err := url.Parse(address); err == nil && u.Path == a.path {
		return a.doc, nil
	}
	return &discover.Document{URL: address, Status: http.StatusNotFound}, nil
}

// serverLinks returns the WebSockets for servers in either form of host-meta.
func serverLinks(body []byte) (found []string) {
	var jrd struct {
		Links []struct{ Rel, Href string } `json:"links"`
	}
	if json.Unmarshal(body, &jrd) == nil {
		for _, l := range jrd.Links {
			if l.Rel == relServers {
				found = append(found, l.Href)
			}
		}
	}
	if root, err := framing.Parse(strings.TrimSpace(string(body)), framing.DefaultLimits); err == nil {
		for _, e := range root.Elements() {
			if e.Name.Local == "Link" && e.Attr("rel") == relServers {
				found = append(found, e.Attr("href"))
			}
		}
	}
	return found
}

// endpoint goes through one WebSocket; who is page or server. It reports whether they get in.
func (v *visit) endpoint(ctx context.Context, who, address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return false
	}
	if u.Hostname() != v.domain && !v.names(ctx, who, u.Hostname()) {
		return false
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), map[string]string{"wss": "443"}[u.Scheme]+map[string]string{"ws": "80"}[u.Scheme])
	}
	if u.Scheme == "wss" && host != v.domain+":443" {
		secured := v.step(ctx, who, "open the WebSocket's host with TLS", host, func(ctx context.Context, s *Step) {
			if c := v.secured(ctx, s, host, u.Hostname(), "http/1.1"); c != nil {
				c.Close()
			}
		})
		if secured.Verdict == Bad {
			return false
		}
	}
	var conn *websocket.Conn
	v.step(ctx, who, "open the WebSocket", address+", subprotocol xmpp", func(ctx context.Context, s *Step) {
		if conn = v.upgrade(ctx, s, who, address, u); conn == nil || who != "server" {
			return
		}
		s.Got += "; a certificate is asked for: servers can sign in with theirs (EXTERNAL)"
		if !v.certificateAsked.Load() {
			s.Got = "101; no certificate is asked for, as where a proxy ends TLS: servers come in by dialback alone"
		}
	})
	if conn == nil {
		return false
	}
	defer conn.CloseNow()
	ns := framing.NSFraming
	if who == "server" {
		ns = framing.NSFramingServer
	}
	asked := "<open to='" + v.domain + "'/>"
	if who == "server" {
		asked = "<open from='" + nobody + "' to='" + v.domain + "'/>"
	}
	opened := v.step(ctx, who, "open the stream", asked, func(ctx context.Context, s *Step) {
		v.talk(ctx, s, who, ns, conn)
	})
	_ = conn.Write(ctx, websocket.MessageText, []byte(framing.Close(ns, "").String()))
	_ = conn.Close(websocket.StatusNormalClosure, "")
	return opened.Verdict != Bad
}

// upgrade opens the WebSocket, as a page or as a server, which has no origin. It returns nil if that
// fails.
func (v *visit) upgrade(ctx context.Context, s *Step, who, address string, u *url.URL) *websocket.Conn {
	header, got, path := http.Header{}, "101", u.Path
	if who == "page" {
		header.Set("Origin", v.Origin)
	}
	dial := func() (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(ctx, address, &websocket.DialOptions{
			HTTPClient:   v.client(func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }),
			HTTPHeader:   header,
			Subprotocols: []string{"xmpp"},
		})
	}
	conn, r, err := dial()
	if own := "https://" + u.Host; who == "page" && v.guesses && err != nil && r != nil && r.StatusCode == http.StatusForbidden && own != v.Origin {
		header.Set("Origin", own)
		got = "101 for pages of " + own + ", while those of " + v.Origin + " are refused"
		if conn, r, err = dial(); err != nil {
			s.Asked += ", for pages of " + v.Origin + " and of " + own
		}
	}
	if err != nil && r != nil && r.StatusCode != http.StatusSwitchingProtocols {
		s.fail(fmt.Sprintf("%d %s instead of 101", r.StatusCode, http.StatusText(r.StatusCode)), upgradeChanges(r.StatusCode, path)...)
		return nil
	}
	if err != nil {
		s.fail(reason(err), upgradeChanges(0, path)...)
		return nil
	}
	s.Got = got
	if conn.Subprotocol() != "xmpp" {
		s.fail("101, but without Sec-WebSocket-Protocol: xmpp; a browser closes such a connection (RFC 7395 §3.1)",
			Change{"", "something else answers at this path: lead it to the WebSocket of the XMPP server"},
			Change{"nginx", "do not remove Sec-WebSocket-Protocol from requests or answers"})
		_ = conn.CloseNow()
		return nil
	}
	return conn
}

// nobody is the domain of a server that only looks (RFC 6761 §6.4). A stream between servers
// says from which one it is.
const nobody = "doctor.invalid"

// talk opens the stream and reads what the server offers.
func (v *visit) talk(ctx context.Context, s *Step, who, ns string, conn *websocket.Conn) {
	header := framing.Open{To: v.domain, Version: "1.0", Lang: "en"}
	if who == "server" {
		header.From = nobody
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte(header.Element(ns).String())); err != nil {
		s.fail(reason(err))
		return
	}
	for {
		kind, data, err := conn.Read(ctx)
		if err != nil {
			s.fail("the stream ends before it offers anything: "+reason(err), silentChanges...)
			return
		}
		e, err := framing.Parse(string(data), framing.DefaultLimits)
		switch {
		case kind != websocket.MessageText || err != nil:
			s.fail("this is not XMPP: " + fmt.Sprint(err))
			return
		case e.Is(ns, "open"):
		case e.Is(framing.NSStream, "features"):
			offers(s, who, e)
			return
		case e.Is(framing.NSStream, "error"):
			refused(s, framing.ReadStreamError(e).Condition, v.domain)
			return
		case e.Is(ns, "close"):
			s.fail("the server closes the stream at once", silentChanges...)
			if to := e.Attr("see-other-uri"); to != "" {
				s.fail("the server sends everybody to " + to)
			}
			return
		default:
			s.fail("the server answers with <" + e.Name.Local + "> where its features belong")
			return
		}
	}
}

// offers says what features mean for who comes.
func offers(s *Step, who string, features *framing.Element) {
	var named []string
	for _, e := range features.Elements() {
		named = append(named, e.Name.Local)
	}
	mechanisms := listed(features.Child("urn:ietf:params:xml:ns:xmpp-sasl", "mechanisms"))
	mechanisms = append(mechanisms, listed(features.Child("urn:xmpp:sasl:2", "authentication"))...)
	slices.Sort(mechanisms)
	mechanisms = slices.Compact(mechanisms)
	s.Got = "features: " + strings.Join(named, ", ")
	if len(mechanisms) > 0 {
		s.Got += "; mechanisms " + strings.Join(mechanisms, ", ")
	}
	scram := slices.ContainsFunc(mechanisms, func(m string) bool { return strings.HasPrefix(m, "SCRAM-") })
	switch {
	case who == "server" && features.Child("urn:xmpp:features:dialback", "dialback") == nil && !slices.Contains(mechanisms, "EXTERNAL"):
		s.fail(s.Got+"; neither dialback nor EXTERNAL, so no server can say who it is",
			Change{"Prosody", `modules_enabled: "dialback"`}, Change{"ejabberd", "modules: mod_s2s_dialback: {}"})
	case who == "server":
	case len(mechanisms) == 0:
		s.fail(s.Got+"; no way to sign in",
			Change{"Prosody", "consider_websocket_secure = true: it does not see that TLS ends at the proxy before it, and offers nothing without TLS"},
			Change{"ejabberd", "auth_method, and starttls_required only on the listeners for TCP"})
	case !scram && slices.Contains(mechanisms, "PLAIN"):
		s.note(Change{"Prosody", `authentication = "internal_hashed", so that SCRAM is offered and the server never sees a password`},
			Change{"ejabberd", "auth_password_format: scram"})
	}
}

func listed(parent *framing.Element) (names []string) {
	if parent == nil {
		return nil
	}
	for _, e := range parent.Elements() {
		if e.Name.Local == "mechanism" {
			names = append(names, e.Text())
		}
	}
	return names
}

// refused says why a stream error came.
func refused(s *Step, condition, domain string) {
	changes := []Change(nil)
	if condition == framing.HostUnknown {
		changes = []Change{
			{"Prosody", `VirtualHost "` + domain + `", and enabled`},
			{"ejabberd", "hosts: - " + domain},
			{"natter", "name the domain in the configuration of the gateway"},
		}
	}
	s.fail("the server refuses the stream: "+condition, changes...)
}

func hostMetaChanges(domain string) []Change {
	return []Change{
		{"natter", "hostMeta: true, and lead https://" + domain + "/.well-known/host-meta* to it"},
		{"Prosody", `modules_enabled: "http_altconnect" (of prosody-modules), and lead https://` + domain + "/.well-known/host-meta* to port 5280"},
		{"ejabberd", `request_handlers: /.well-known/host-meta: mod_host_meta and /.well-known/host-meta.json: mod_host_meta; modules: mod_host_meta: websocket_url: wss://@HOST@/ws`},
		{"nginx", "location ~ ^/\\.well-known/host-meta(\\.json)?$ { proxy_pass http://127.0.0.1:8080; proxy_set_header Host $host; }"},
		{"Caddy", "reverse_proxy /.well-known/host-meta* 127.0.0.1:8080"},
	}
}

var corsChanges = []Change{
	{"nginx", `add_header Access-Control-Allow-Origin "*" always; in the location of host-meta`},
	{"Caddy", `header /.well-known/host-meta* Access-Control-Allow-Origin "*"`},
	{"Prosody", `http_cors_override = { http_files = { enabled = true } }, or use "http_altconnect"`},
	{"ejabberd", "use mod_host_meta, which sends it"},
}

var silentChanges = []Change{
	{"natter", "what the gateway leads to may be down: see natter_gateway_backend_dials_total among its figures"},
	{"Prosody", "prosodyctl check; the log says why"},
	{"ejabberd", "ejabberdctl status; the log says why"},
}

// upgradeChanges are for a status that is not 101; 0 is none at all.
func upgradeChanges(status int, path string) []Change {
	to := func(port string) []Change {
		return []Change{
			{"natter", "backends for the domain, and " + path + " as its websocket"},
			{"Prosody", `modules_enabled: "websocket"; it answers at /xmpp-websocket of port 5280, for the host that http_host or the VirtualHost names`},
			{"ejabberd", "listen: module: ejabberd_http, request_handlers: /ws: ejabberd_http_ws"},
			{"nginx", "location = " + path + " { proxy_pass http://127.0.0.1:" + port + "; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_set_header Host $host; proxy_read_timeout 900s; }"},
			{"Caddy", "reverse_proxy " + path + " 127.0.0.1:" + port},
		}
	}
	switch status {
	case http.StatusForbidden, http.StatusUnauthorized:
		return []Change{{"natter", "name the page's address as publicURL: its origin is refused"},
			{"Prosody", "cross_domain_websocket, in versions before 0.12"},
			{"ejabberd", "websocket_origin: leave it out, or name the page's origin"}}
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return []Change{{"", "what the proxy leads to does not answer: start it, and compare the ports"}}
	case http.StatusMisdirectedRequest:
		return []Change{{"natter", "no page of its configuration has this host"}}
	}
	return to("5280")
}
