package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
	"natter/server/dnstest"
)

func TestMain(m *testing.M) { os.Exit(xmpptest.Main(m)) }

// world is where a domain stands: its names, and where its ports are here.
type world struct {
	ca    *xmpptest.Authority
	zone  string
	ports map[string]string
	asks  tls.ClientAuthType // for certificates of those who connect
}

func newWorld() *world {
	return &world{ca: xmpptest.NewAuthority(), zone: "example.org. A 192.0.2.1\nxmpp.example.org. A 192.0.2.2\n", ports: map[string]string{}}
}

// options dials nothing but this machine.
func (w *world) options(t *testing.T) Options {
	server := dnstest.Serve(t, w.zone)
	return Options{
		Roots: w.ca.Pool(),
		Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server)
		}},
		Redirect: func(address string) string {
			if to := w.ports[address]; to != "" {
				return to
			}
			return "127.0.0.1:1" // nobody
		},
	}
}

// web serves h with a certificate for names as what stands at address.
func (w *world) web(t *testing.T, address string, h http.Handler, names ...string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = w.ca.ServerTLS(names...)
	s.TLS.ClientAuth = w.asks
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	w.ports[address] = s.Listener.Addr().String()
}

// tcp lets f speak to each who comes to address.
func (w *world) tcp(t *testing.T, address string, f func(net.Conn)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); f(c) }()
		}
	}()
	w.ports[address] = l.Addr().String()
}

const (
	jrd = `{"links":[{"rel":"urn:xmpp:alt-connections:websocket","href":"wss://example.org/ws"},
		{"rel":"urn:xmpp:alt-connections:s2s-websocket","href":"wss://example.org/s2s"}]}`
	scram    = `<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>`
	plain    = `<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>`
	nothing  = `<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>`
	dialback = `<stream:features xmlns:stream='http://etherx.jabber.org/streams'><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>`
	unknown  = `<stream:error xmlns:stream='http://etherx.jabber.org/streams'><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`
)

// meta answers host-meta with CORS.
func meta(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Content-Type", kind)
		io.WriteString(w, body)
	}
}

// socket is a WebSocket that answers an open in the namespace ns.
func socket(ns, answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := native.Accept(w, r, native.Options{Origins: []string{"*"}})
		if err != nil {
			return
		}
		ctx := context.Background()
		if _, err := s.Read(ctx); err == nil {
			_ = s.Write(ctx, framing.Open{From: "example.org", ID: "1", Version: "1.0"}.Element(ns).String())
			_ = s.Write(ctx, answer)
			_, _ = s.Read(ctx)
		}
		_ = s.Close(1000, "")
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) }
}

// good is a domain that pages and servers find and enter.
func good() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"/.well-known/host-meta.json": meta("application/json", jrd),
		"/.well-known/host-meta":      status(404),
		"/ws":                         socket(framing.NSFraming, scram),
		"/s2s":                        socket(framing.NSFramingServer, dialback),
	}
}

func mux(handlers map[string]http.HandlerFunc) http.Handler {
	m := http.NewServeMux()
	for path, h := range handlers {
		m.Handle(path, h)
	}
	return m
}

func examine(t *testing.T, o Options) *Report {
	t.Helper()
	r, err := Examine(t.Context(), "example.org", o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// text is a report as one can search it.
func text(r *Report) string {
	var b strings.Builder
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "%s %s: %s: %s → %s\n", s.Verdict, s.Who, s.What, s.Asked, s.Got)
		for _, c := range s.Change {
			fmt.Fprintf(&b, "\t%s: %s\n", c.In, c.Do)
		}
	}
	return b.String()
}

// What keeps a page out is found at its step, and each program's cure is named there.
func TestPages(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(h map[string]http.HandlerFunc)
		in     bool
		at     string // the step that is bad, or the note
		says   string
		cures  []string
	}{
		{"as it should be", func(map[string]http.HandlerFunc) {}, true, "open the stream", "SCRAM-SHA-256", nil},
		{"no host-meta", func(h map[string]http.HandlerFunc) { delete(h, "/.well-known/host-meta.json") }, false, "ask where the WebSocket is", "404", []string{"Prosody", "ejabberd", "nginx", "Caddy", "natter"}},
		{"a web page", func(h map[string]http.HandlerFunc) {
			h["/.well-known/host-meta.json"] = meta("text/html", "<!DOCTYPE html><html></html>")
		}, false, "ask where the WebSocket is", string("web page"), []string{"nginx"}},
		{"no CORS", func(h map[string]http.HandlerFunc) {
			h["/.well-known/host-meta.json"] = func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, jrd) }
		}, true, "ask where the WebSocket is", "Access-Control-Allow-Origin", []string{"nginx", "Caddy", "Prosody"}},
		{"only ws://", func(h map[string]http.HandlerFunc) {
			h["/.well-known/host-meta.json"] = meta("application/json", strings.Replace(jrd, "wss://example.org/ws", "ws://example.org/ws", 1))
		}, false, "ask where the WebSocket is", "unencrypted", nil},
		{"nobody at the path", func(h map[string]http.HandlerFunc) { delete(h, "/ws") }, false, "open the WebSocket", "404", []string{"Prosody", "ejabberd", "nginx", "Caddy"}},
		{"a proxy without its server", func(h map[string]http.HandlerFunc) { h["/ws"] = status(502) }, false, "open the WebSocket", "502", []string{""}},
		{"a proxy that does not upgrade", func(h map[string]http.HandlerFunc) { h["/ws"] = status(200) }, false, "open the WebSocket", "200 OK instead of 101", []string{"nginx"}},
		{"another origin", func(h map[string]http.HandlerFunc) { h["/ws"] = status(403) }, false, "open the WebSocket", "403", []string{"natter", "ejabberd"}},
		{"not this domain", func(h map[string]http.HandlerFunc) { h["/ws"] = socket(framing.NSFraming, unknown) }, false, "open the stream", "host-unknown", []string{"Prosody", "ejabberd"}},
		{"no mechanisms", func(h map[string]http.HandlerFunc) { h["/ws"] = socket(framing.NSFraming, nothing) }, false, "open the stream", "no way to sign in", []string{"Prosody"}},
		{"PLAIN alone", func(h map[string]http.HandlerFunc) { h["/ws"] = socket(framing.NSFraming, plain) }, true, "open the stream", "PLAIN", []string{"Prosody", "ejabberd"}},
		{"the other namespace", func(h map[string]http.HandlerFunc) { h["/ws"] = socket(framing.NSFramingServer, scram) }, false, "open the stream", "<open>", nil},
		{"not XMPP", func(h map[string]http.HandlerFunc) { h["/ws"] = socket(framing.NSFraming, "hello") }, false, "open the stream", "not XMPP", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, handlers := newWorld(), good()
			tc.change(handlers)
			w.web(t, "example.org:443", mux(handlers), "example.org")
			r := examine(t, w.options(t))
			if r.Pages != tc.in {
				t.Errorf("pages get in: %v\n%s", r.Pages, text(r))
			}
			i := slices.IndexFunc(r.Steps, func(s Step) bool {
				return s.Who == "page" && s.What == tc.at && strings.Contains(s.Got, tc.says)
			})
			if i < 0 {
				t.Fatalf("no step says %s\n%s", tc.says, text(r))
			}
			for _, cure := range tc.cures {
				if !slices.ContainsFunc(r.Steps[i].Change, func(c Change) bool { return c.In == cure }) {
					t.Errorf("nothing to change in %q\n%s", cure, text(r))
				}
			}
			if bad := r.Steps[i].Verdict == Bad; bad == tc.in {
				t.Errorf("the verdict is %s\n%s", r.Steps[i].Verdict, text(r))
			}
		})
	}
}

// A certificate for another name, of nobody or for the domain: each is told apart.
func TestCertificates(t *testing.T) {
	w := newWorld()
	w.web(t, "example.org:443", mux(good()), "example.net")
	if r := examine(t, w.options(t)); r.Pages || !strings.Contains(text(r), "another name: TLS 1.3, a certificate for localhost, example.net") {
		t.Errorf("%s", text(r))
	}
	w = newWorld()
	w.web(t, "example.org:443", mux(good()), "example.org")
	w.ca = xmpptest.NewAuthority()
	if r := examine(t, w.options(t)); r.Pages || !strings.Contains(text(r), "not trusted") {
		t.Errorf("%s", text(r))
	}
	w = newWorld()
	w.tcp(t, "example.org:443", func(c net.Conn) { io.WriteString(c, "HTTP/1.0 400 Bad Request\r\n\r\n") })
	if r := examine(t, w.options(t)); r.Pages || !strings.Contains(text(r), "no TLS") || !strings.Contains(text(r), "certbot") {
		t.Errorf("%s", text(r))
	}
	w = newWorld()
	w.zone = "example.net. A 192.0.2.1\n"
	if r := examine(t, w.options(t)); r.Pages || r.Servers || !strings.Contains(text(r), "no such name") {
		t.Errorf("%s", text(r))
	}
}

// A gateway that admits the pages of its own host alone lets people in, and one that admits others does
// not; nor does it let pages in whose origin was named.
func TestOrigins(t *testing.T) {
	for _, tc := range []struct {
		admits, named string
		in            bool
		says          string
	}{
		{"https://chat.example.org", "", true, "101 for pages of https://chat.example.org, while those of https://example.org are refused"},
		{"https://example.org", "", true, "101"},
		{"https://example.net", "", false, "403"},
		{"https://chat.example.org", "https://example.org", false, "403"},
	} {
		w := newWorld()
		w.zone += "chat.example.org. A 192.0.2.3\n"
		w.web(t, "example.org:443", mux(map[string]http.HandlerFunc{
			"/.well-known/host-meta.json": meta("application/json", strings.Replace(jrd, "wss://example.org/ws", "wss://chat.example.org/ws", 1)),
		}), "example.org")
		w.web(t, "chat.example.org:443", mux(map[string]http.HandlerFunc{"/ws": func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Origin") != tc.admits {
				rw.WriteHeader(http.StatusForbidden)
				return
			}
			socket(framing.NSFraming, scram)(rw, r)
		}}), "chat.example.org")
		o := w.options(t)
		o.Origin = tc.named
		if r := examine(t, o); r.Pages != tc.in || !strings.Contains(text(r), "→ "+tc.says) {
			t.Errorf("it admits %s: pages get in: %v\n%s", tc.admits, r.Pages, text(r))
		}
	}
}

// A WebSocket on another host, and one that is named by hand.
func TestElsewhere(t *testing.T) {
	w := newWorld()
	w.web(t, "example.org:443", mux(map[string]http.HandlerFunc{
		"/.well-known/host-meta.json": meta("application/json", strings.Replace(jrd, "wss://example.org/ws", "wss://xmpp.example.org:5281/ws", 1)),
	}), "example.org")
	w.web(t, "xmpp.example.org:5281", mux(good()), "xmpp.example.org")
	if r := examine(t, w.options(t)); !r.Pages || !strings.Contains(text(r), "open the WebSocket's host with TLS: xmpp.example.org:5281") {
		t.Errorf("%s", text(r))
	}
	o := w.options(t)
	o.Endpoint = "wss://xmpp.example.org:5281/ws"
	if r := examine(t, o); !r.Pages || strings.Contains(text(r), "host-meta") {
		t.Errorf("%s", text(r))
	}
}

// xmpp is a server on TCP with STARTTLS.
func (w *world) xmpp(space, before, after string) func(net.Conn) {
	config := w.ca.ServerTLS("example.org")
	header := framing.Open{From: "example.org", ID: "1", Version: "1.0"}.AppendHeader(nil, space)
	return func(c net.Conn) {
		if _, err := framing.NewStreamReader(c, framing.DefaultLimits).Next(); err != nil {
			return
		}
		c.Write(header)
		io.WriteString(c, before)
		if !strings.Contains(before, "starttls") {
			return
		}
		if e, err := framing.NewStreamReader(io.MultiReader(strings.NewReader(string(header)), c), framing.DefaultLimits).Next(); err != nil || e == nil {
			return
		}
		buf := make([]byte, 200)
		c.Read(buf) // <starttls/>
		io.WriteString(c, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		secured := tls.Server(c, config)
		if _, err := framing.NewStreamReader(secured, framing.DefaultLimits).Next(); err != nil {
			return
		}
		secured.Write(header)
		io.WriteString(secured, after)
		secured.Read(buf)
	}
}

const starttls = `<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>`

// Servers and clients over TCP: by SRV or without, with STARTTLS.
func TestTCP(t *testing.T) {
	w := newWorld()
	w.zone += "_xmpp-server._tcp.example.org. SRV 0 5 5270 xmpp.example.org.\n"
	w.tcp(t, "xmpp.example.org:5270", w.xmpp("jabber:server", starttls, strings.Replace(dialback, " xmlns:stream='http://etherx.jabber.org/streams'", "", 1)))
	w.tcp(t, "example.org:5222", w.xmpp("jabber:client", starttls, strings.Replace(scram, " xmlns:stream='http://etherx.jabber.org/streams'", "", 1)))
	r := examine(t, w.options(t))
	if !r.Servers || !r.Clients || r.Pages {
		t.Errorf("servers %v, clients %v, pages %v\n%s", r.Servers, r.Clients, r.Pages, text(r))
	}
	for _, want := range []string{"xmpp: xmpp.example.org:5270", "none, so it is example.org:5222", "mechanisms PLAIN, SCRAM-SHA-256", "features: dialback"} {
		if !strings.Contains(text(r), want) {
			t.Errorf("not said: %s\n%s", want, text(r))
		}
	}

	w = newWorld()
	w.tcp(t, "example.org:5269", w.xmpp("jabber:server", "<stream:features/>", ""))
	if r := examine(t, w.options(t)); r.Servers || !strings.Contains(text(r), "no STARTTLS is offered") {
		t.Errorf("%s", text(r))
	}
	w = newWorld()
	w.tcp(t, "example.org:5269", func(c net.Conn) { io.WriteString(c, "220 mail.example.org ESMTP\r\n") })
	if r := examine(t, w.options(t)); r.Servers || !strings.Contains(text(r), "the stream ends before it offers anything") {
		t.Errorf("%s", text(r))
	}
	// With a WebSocket for servers the closed port is no fault. How they can show there who
	// they are depends on who ends TLS.
	for asked, want := range map[tls.ClientAuthType]string{
		tls.NoClientCert:      "servers come in by dialback alone",
		tls.RequestClientCert: "sign in with theirs (EXTERNAL)",
	} {
		w = newWorld()
		w.asks = asked
		w.web(t, "example.org:443", mux(good()), "example.org")
		if r := examine(t, w.options(t)); !r.Servers || strings.Contains(text(r), "bad server") || !strings.Contains(text(r), want) {
			t.Errorf("%s", text(r))
		}
	}
}

// Prosody and ejabberd themselves.
func TestReal(t *testing.T) {
	for _, s := range []*xmpptest.Server{xmpptest.Prosody(t), xmpptest.Ejabberd24(t)} {
		t.Run(s.Name, func(t *testing.T) {
			w := newWorld()
			w.zone = s.Domain + ". A 127.0.0.1\nlocalhost. A 127.0.0.1\n"
			o := w.options(t)
			o.Roots = s.CA
			web, err := url.Parse(s.Web)
			if err != nil {
				t.Fatal(err)
			}
			o.Redirect = func(address string) string {
				if address == s.Domain+":443" || address == web.Host {
					return web.Host
				}
				return "127.0.0.1:1"
			}
			r, err := Examine(t.Context(), s.Domain, o)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Pages || r.Servers || !strings.Contains(text(r), "SCRAM-SHA-256") {
				t.Errorf("pages %v, servers %v\n%s", r.Pages, r.Servers, text(r))
			}
			if r, err = Examine(t.Context(), "nobody.test", Options{Endpoint: s.WSS, Roots: s.CA, Resolver: o.Resolver}); err != nil || r.Pages {
				t.Errorf("%v\n%s", err, text(r))
			}
		})
	}
}

func TestExamine_Wrong(t *testing.T) {
	for _, domain := range []string{"", "a b", "http://example.org"} {
		if _, err := Examine(t.Context(), domain, Options{}); err == nil {
			t.Errorf("%q is a domain", domain)
		}
	}
	if _, err := Examine(t.Context(), "example.org", Options{Endpoint: "http://example.org"}); err == nil {
		t.Error("an address that is no WebSocket")
	}
}

// What programs read has no null where a list is.
func TestJSON(t *testing.T) {
	w := newWorld()
	w.web(t, "example.org:443", mux(good()), "example.org")
	data, err := json.Marshal(examine(t, w.options(t)))
	if err != nil || !strings.Contains(string(data), `"pages":true`) || strings.Contains(string(data), "null") || !strings.Contains(string(data), `"step":"open the stream"`) {
		t.Errorf("%v %s", err, data)
	}
}
