package gateway

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"natter/app/xmpptest"
	"natter/framing"
)

// record is a log that can be asked.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) says(part string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(r.b.String(), part)
}

// scripted starts a gateway in front of a scripted server, and returns its log.
func scripted(t *testing.T, script func(p *peer), change ...func(*Config)) (url string, log *record) {
	t.Helper()
	c := config(newBackend(t, script).addr)
	log = &record{}
	c.Log = slog.New(slog.NewTextHandler(log, nil))
	for _, f := range change {
		f(&c)
	}
	_, url = start(t, c)
	return url, log
}

// V02, V07: what the server declares once, each message declares, and nothing is offered
// that is not the stream's.
func TestV07_FeaturesThroughTheGateway(t *testing.T) {
	url, _ := scripted(t, func(p *peer) {
		h := p.header(7)
		if h.To != "h.test" || h.From != "ada@h.test" || h.Lang != "de" || h.Version != "1.0" || h.ID != "" {
			t.Errorf("the server got %+v", h)
		}
		p.send(someFeatures)
		p.stay()
	})
	w := dial(t, url, nil)
	w.write(framing.Open{To: "h.test", From: "ada@h.test", Lang: "de", Version: "1.0"}.Element(framing.NSFraming).String())
	if got, want := w.expect("open").String(), `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" from="h.test" id="7" version="1.0" xml:lang="en"/>`; got != want {
		t.Errorf("got %s", got)
	}
	// Mechanisms are passed on as they are, those that cannot work here too (XEP-0474).
	if got, want := w.expect("features").String(), `<features xmlns="http://etherx.jabber.org/streams"><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl">`+
		`<mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>PLAIN</mechanism></mechanisms></features>`; got != want {
		t.Errorf("got %s", got)
	}
}

// Stanzas go both ways as one message each, keepalives of the server as none.
func TestV02_V10_V15_Relay(t *testing.T) {
	url, _ := scripted(t, func(p *peer) {
		p.login()
		p.send(" \n ")
		for {
			e := p.next()
			if e == nil {
				return
			}
			p.send(e.Set("from", "h.test").String()[:10])
			p.send(" "[:0], e.String()[10:], "\n")
		}
	})
	w := dial(t, url, nil)
	w.login()
	const doc = `<message xmlns="jabber:client" to="a@h.test" xml:lang="de"><body>&lt;a/&gt; ]]&gt; 😀</body><x xmlns="u"><y xmlns=""/></x></message>`
	for range 3 {
		w.write(doc)
		if got, want := w.expect("message").String(), strings.Replace(doc, ` xml:lang="de">`, ` xml:lang="de" from="h.test">`, 1); got != want {
			t.Errorf("%s became\n%s", want, got)
		}
	}
	// Who has signed in may say more at once than a stranger.
	long := `<message xmlns="jabber:client"><body>` + strings.Repeat("x", DefaultLimits.BytesAfter-100) + `</body></message>`
	w.write(long)
	if got := w.expect("message").Child(framing.NSClient, "body").Text(); len(got) != DefaultLimits.BytesAfter-100 {
		t.Errorf("of a long message %d bytes arrived", len(got))
	}
}

// V18: who closes first, and what the server still has to say.
func TestV18_CloseThroughTheGateway(t *testing.T) {
	t.Run("client", func(t *testing.T) {
		ended := make(chan error, 1)
		url, _ := scripted(t, func(p *peer) {
			p.login()
			_, err := p.stay()
			p.send("<message><body>last</body></message>", framing.StreamEnd)
			ended <- err
		})
		w := dial(t, url, nil)
		w.login()
		w.write(framing.Close(framing.NSFraming, "").String())
		w.expect("message")
		w.expect("close")
		w.ends(1000)
		if err := <-ended; err != framing.ErrClosed {
			t.Errorf("the server saw %v", err)
		}
	})
	t.Run("server", func(t *testing.T) {
		ended := make(chan error, 1)
		url, _ := scripted(t, func(p *peer) {
			p.login()
			p.send("<message><body>last</body></message>", framing.StreamEnd)
			_, err := p.stay()
			ended <- err
		})
		w := dial(t, url, nil)
		w.login()
		w.expect("message")
		w.expect("close")
		w.write(framing.Close(framing.NSFraming, "").String())
		w.ends(1000)
		if err := <-ended; err != framing.ErrClosed {
			t.Errorf("the server saw %v", err)
		}
	})
	t.Run("server, with an error", func(t *testing.T) {
		url, _ := scripted(t, func(p *peer) {
			p.login()
			p.send("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>Replaced</text></stream:error>")
		})
		w := dial(t, url, nil)
		w.login()
		if got := framing.ReadStreamError(w.expect("error")); got.Condition != framing.Conflict || got.Text != "Replaced" {
			t.Errorf("got %v", got)
		}
		w.expect("close")
		w.write(framing.Close(framing.NSFraming, "").String())
		w.ends(1000)
	})
	t.Run("client, with an error", func(t *testing.T) {
		said := make(chan []string, 1)
		url, _ := scripted(t, func(p *peer) {
			p.login()
			all, _ := p.stay()
			said <- all
		})
		w := dial(t, url, nil)
		w.login()
		w.write((&framing.StreamError{Condition: framing.PolicyViolation}).Element().String())
		w.expect("close")
		if all := <-said; len(all) != 1 || !strings.Contains(all[0], framing.PolicyViolation) {
			t.Errorf("the server got %q", all)
		}
	})
}

// Sec92: what was lost is lost without a word, so that the session can be resumed, and
// all that came before it has arrived.
func TestSec92_LostIsLost(t *testing.T) {
	t.Run("server", func(t *testing.T) {
		url, _ := scripted(t, func(p *peer) {
			p.login()
			p.send(strings.Repeat("<message/>", 50))
		})
		w := dial(t, url, nil)
		w.login()
		for range 50 {
			w.expect("message")
		}
		w.ends(1013)
	})
	t.Run("client", func(t *testing.T) {
		ended := make(chan error, 1)
		url, _ := scripted(t, func(p *peer) {
			p.login()
			_, err := p.stay()
			ended <- err
		})
		w := dial(t, url, nil)
		w.login()
		_ = w.socket.Close(1000, "")
		if err := <-ended; err != io.EOF && !errors.Is(err, net.ErrClosed) && !strings.Contains(fmt.Sprint(err), "reset") {
			t.Errorf("the server saw %v", err)
		}
	})
}

// What clients do wrong ends their stream with its own error, and a line in the log;
// another client notices nothing.
func TestSec89_BadClients(t *testing.T) {
	url, log := scripted(t, func(p *peer) {
		p.login()
		for e := p.next(); e != nil; e = p.next() {
			p.send(e.String())
		}
	}, func(c *Config) { c.Limits = Limits{BytesBefore: 2000, BytesAfter: 4000} })
	honest := dial(t, url, nil)
	honest.login()
	open := framing.Open{To: "h.test", Version: "1.0"}
	for name, tc := range map[string]struct {
		do        func(w *wire)
		condition string
		log       string
	}{
		"V05 another namespace": {func(w *wire) { w.write("<open xmlns='jabber:client' to='h.test' version='1.0'/>"); w.expect("open") }, framing.InvalidNamespace, "reason=invalid-namespace"},
		"V06 unknown domain": {func(w *wire) {
			w.write(framing.Open{To: "evil.test", Version: "1.0"}.Element(framing.NSFraming).String())
			w.expect("open")
		}, framing.HostUnknown, "reason=unknown-domain"},
		"no domain": {func(w *wire) {
			w.write(framing.Open{Version: "1.0"}.Element(framing.NSFraming).String())
			w.expect("open")
		}, framing.ImproperAddressing, "reason=no-domain"},
		"an old version": {func(w *wire) {
			w.write(framing.Open{To: "h.test"}.Element(framing.NSFraming).String())
			w.expect("open")
		}, framing.UnsupportedVersion, "reason=old-version"},
		"a stanza first":   {func(w *wire) { w.write("<iq xmlns='jabber:client'/>"); w.expect("open") }, framing.NotAuthorized, "reason=not-authorized"},
		"features first":   {func(w *wire) { w.write("<features xmlns='" + framing.NSStream + "'/>"); w.expect("open") }, framing.NotAuthorized, "reason=no-header"},
		"a draft's header": {func(w *wire) { w.write("<stream:stream xmlns:stream='" + framing.NSStream + "'>"); w.expect("open") }, framing.NotWellFormed, "reason=not-well-formed"},
		"two streams": {func(w *wire) {
			w.open("h.test")
			w.expect("features")
			w.write(open.Element(framing.NSFraming).String())
		}, framing.PolicyViolation, "reason=second-header"},
		"another domain": {func(w *wire) {
			w.open("h.test")
			w.expect("features")
			w.write("<auth xmlns='" + nsSASL + "'/>")
			w.expect("success")
			w.write(framing.Open{To: "evil.test", Version: "1.0"}.Element(framing.NSFraming).String())
		}, framing.PolicyViolation, "reason=other-domain"},
		"two elements":         {func(w *wire) { w.login(); w.write("<a xmlns='jabber:client'/><b xmlns='jabber:client'/>") }, framing.NotWellFormed, "reason=not-well-formed"},
		"whitespace":           {func(w *wire) { w.login(); w.write(" ") }, framing.NotWellFormed, "reason=not-well-formed"},
		"a DTD":                {func(w *wire) { w.login(); w.write("<!DOCTYPE a><a/>") }, framing.RestrictedXML, "reason=restricted-xml"},
		"a server's namespace": {func(w *wire) { w.login(); w.write("<message xmlns='jabber:server'/>") }, framing.InvalidNamespace, "reason=invalid-namespace"},
		"an end of the stream": {func(w *wire) { w.login(); w.write("</stream:stream>") }, framing.NotWellFormed, "reason=not-well-formed"},
		"V16 too large, before": {func(w *wire) {
			w.open("h.test")
			w.expect("features")
			w.write("<auth xmlns='" + nsSASL + "'>" + strings.Repeat("a", 2000) + "</auth>")
		}, framing.PolicyViolation, "reason=too-large"},
		"V16 too large, after": {func(w *wire) {
			w.login()
			w.write("<message xmlns='jabber:client'>" + strings.Repeat("a", 4000) + "</message>")
		}, framing.PolicyViolation, "reason=policy-violation"},
	} {
		t.Run(name, func(t *testing.T) {
			w := dial(t, url, nil)
			tc.do(&wire{t, w.socket})
			(&wire{t, w.socket}).fails(tc.condition)
			eventually(t, "a line in the log: "+tc.log, func() bool { return log.says(tc.log) })
			honest.write("<iq xmlns='jabber:client'/>")
			honest.expect("iq")
		})
	}
	t.Run("binary", func(t *testing.T) {
		c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"xmpp"}})
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Write(t.Context(), websocket.MessageBinary, []byte("<a/>"))
		if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusUnsupportedData {
			t.Errorf("closed with %v", err)
		}
		eventually(t, "a line in the log", func() bool { return log.says("reason=binary") })
	})
	t.Run("nothing at all", func(t *testing.T) {
		url, log := scripted(t, func(p *peer) {}, func(c *Config) { c.Limits.Handshake = time.Millisecond })
		w := dial(t, url, nil)
		w.expect("open")
		w.fails(framing.ConnectionTimeout)
		eventually(t, "a line in the log", func() bool { return log.says("reason=slow-header") })
	})
	t.Run("never signs in", func(t *testing.T) {
		url, log := scripted(t, func(p *peer) { p.login() }, func(c *Config) { c.Limits.Login = 100 * time.Millisecond })
		w := dial(t, url, nil)
		w.open("h.test")
		w.expect("features")
		w.fails(framing.ConnectionTimeout)
		eventually(t, "a line in the log", func() bool { return log.says("reason=slow-login") })
	})
}

// A backend that cannot be used is passed over, and if there is no other the client
// hears of it in a way that it can act on.
func TestSec93_Backends(t *testing.T) {
	ca := xmpptest.Ours()
	good := newBackend(t, func(p *peer) { p.login(); p.stay() }).addr
	closed := newBackend(t, func(p *peer) {}).addr
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	withTLS := func(names ...string) string {
		certificate := ca.ServerTLS(names...)
		return newBackend(t, func(p *peer) {
			p.conn = tls.Server(p.conn, certificate)
			p.in = framing.NewStreamReader(p.conn, framing.Limits{})
			p.login()
			p.stay()
		}).addr
	}
	startTLS := func(script func(p *peer), names ...string) string {
		certificate := ca.ServerTLS(names...)
		return newBackend(t, func(p *peer) {
			p.header(1)
			p.send(someFeatures)
			if !p.next().Is(nsTLS, "starttls") {
				return
			}
			p.send("<proceed xmlns='" + nsTLS + "'/>")
			p.conn = tls.Server(p.conn, certificate)
			p.in = framing.NewStreamReader(p.conn, framing.Limits{})
			script(p)
		}).addr
	}
	unix := filepath.Join(t.TempDir(), "xmpp")
	ul, err := net.Listen("unix", unix)
	if err != nil {
		t.Fatal(err)
	}
	defer ul.Close()
	go func() {
		for {
			conn, err := ul.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				p := &peer{t, conn, framing.NewStreamReader(conn, framing.Limits{})}
				p.login()
				_, _ = p.stay()
			}()
		}
	}()
	for name, tc := range map[string]struct {
		backend Backend
		works   bool
		log     string
	}{
		"plain":           {Backend{Address: good}, true, ""},
		"Unix socket":     {Backend{Address: unix}, true, ""},
		"TLS":             {Backend{Address: withTLS("h.test"), Security: DirectTLS}, true, ""},
		"STARTTLS":        {Backend{Address: startTLS(func(p *peer) { p.login(); p.stay() }, "h.test"), Security: STARTTLS}, true, ""},
		"nobody listens":  {Backend{Address: nobody}, false, "connection refused"},
		"it hangs up":     {Backend{Address: closed}, false, "no stream header"},
		"it says nothing": {Backend{Address: newBackend(t, func(p *peer) { p.stay() }).addr}, false, "backend failed"},
		"it speaks HTTP":  {Backend{Address: strings.TrimPrefix(httptest.NewServer(http.NotFoundHandler()).URL, "http://")}, false, "no XMPP server"},
		"it is for servers": {Backend{Address: newBackend(t, func(p *peer) {
			p.next()
			p.send(strings.Replace(fmt.Sprintf(serverHeader, 1), "jabber:client", "jabber:server", 1))
		}).addr}, false, "jabber:server"},
		"Sec93 another's name":    {Backend{Address: withTLS("evil.test"), Security: DirectTLS}, false, "TLS as h.test"},
		"Sec93 STARTTLS the same": {Backend{Address: startTLS(func(p *peer) { p.login() }, "evil.test"), Security: STARTTLS}, false, "TLS as h.test"},
		"Sec93 STARTTLS missing":  {Backend{Address: newBackend(t, func(p *peer) { p.header(1); p.send("<stream:features/>"); p.stay() }).addr, Security: STARTTLS}, false, "STARTTLS is not offered"},
		"words before TLS": {Backend{Address: newBackend(t, func(p *peer) {
			p.header(1)
			p.send(someFeatures)
			p.next()
			p.send("<proceed xmlns='" + nsTLS + "'/><a/>")
			p.stay()
		}).addr, Security: STARTTLS}, false, "before TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			log := &record{}
			c := config()
			c.Domains[0].Backends = []Backend{tc.backend}
			c.Log = slog.New(slog.NewTextHandler(log, nil))
			c.Limits.Dial = 10 * time.Second
			if name == "it says nothing" {
				c.Limits.Dial = 100 * time.Millisecond
			}
			_, url := start(t, c)
			w := dial(t, url, nil)
			w.open("h.test")
			if tc.works {
				w.expect("features")
				return
			}
			w.fails(framing.RemoteConnectionFailed)
			eventually(t, "a line in the log", func() bool { return log.says(tc.log) && log.says("reason=backend-unreachable") })
			// With another one beside it nobody notices.
			c.Domains[0].Backends = append(c.Domains[0].Backends, Backend{Address: good})
			_, url = start(t, c)
			dial(t, url, nil).login()
		})
	}
}

// What a backend does wrong in the middle of a stream ends that stream.
func TestBadBackends(t *testing.T) {
	for name, says := range map[string]string{
		"no XML":            "<message",
		"a DTD":             "<!DOCTYPE a>",
		"an early header":   fmt.Sprintf(serverHeader, 3),
		"another namespace": "<x:a/>",
		"too large":         "<a>" + strings.Repeat("x", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			url, log := scripted(t, func(p *peer) { p.login(); p.send(says, "<\x00>"); p.stay() }, func(c *Config) { c.Limits.BytesDown = 10_000 })
			w := dial(t, url, nil)
			w.login()
			w.fails(framing.InternalServerError)
			eventually(t, "a line in the log", func() bool { return log.says("the backend broke the rules") })
		})
	}
}

// Sec87, Sec88: who may connect at all.
func TestSec87_Origins(t *testing.T) {
	g, err := New(Config{Origins: []string{"https://chat.example.org", "http://localhost:8080"}, Domains: config("127.0.0.1:1").Domains})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(g)
	defer web.Close()
	for _, tc := range []struct {
		origins []string
		status  int
	}{
		{[]string{"https://chat.example.org"}, 101},
		{[]string{"http://localhost:8080"}, 101},
		{nil, 403},
		{[]string{"null"}, 403},
		{[]string{""}, 403},
		{[]string{"http://chat.example.org"}, 403},
		{[]string{"https://chat.example.org:444"}, 403},
		{[]string{"https://chat.example.org.evil.test"}, 403},
		{[]string{"https://evilchat.example.org"}, 403},
		{[]string{"https://CHAT.example.org"}, 403},
		{[]string{"https://chat.example.org/"}, 403},
		{[]string{"http://localhost"}, 403},
		{[]string{"http://localhost:80800"}, 403},
		{[]string{"https://chat.example.org", "https://chat.example.org"}, 403},
		{[]string{web.URL}, 403}, // its own host is no different
	} {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/ws", nil)
		r.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"xmpp"}}
		if tc.origins != nil {
			r.Header["Origin"] = tc.origins
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != tc.status {
			t.Errorf("origin %q: %s", tc.origins, resp.Status)
		}
	}
}

// V01 and Sec88: no WebSocket without the subprotocol, and no other upgrade.
func TestV01_Sec88_Handshakes(t *testing.T) {
	url, log := scripted(t, func(p *peer) { t.Error("a backend was dialled") })
	web := "http" + strings.TrimPrefix(url, "ws")
	for name, h := range map[string]http.Header{
		"no subprotocol":      {"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}},
		"another subprotocol": {"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"mqtt"}},
		"h2c":                 {"Upgrade": {"h2c"}, "Connection": {"Upgrade"}, "Sec-Websocket-Protocol": {"xmpp"}},
		"a page":              {},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", web, nil)
		r.Header = h
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode < 400 || resp.StatusCode == http.StatusSwitchingProtocols {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	if !log.says("reason=no-subprotocol") || !log.says("WebSocket refused") {
		t.Errorf("the log: %s", log.b.String())
	}
}

// Sec90: more than a bound are told when to come again.
func TestSec90_Caps(t *testing.T) {
	url, _ := scripted(t, func(p *peer) { p.login(); p.stay() }, func(c *Config) {
		c.Limits = Limits{Streams: 3, PerAddress: 1}
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	try := func(from string) int {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http"+strings.TrimPrefix(url, "ws"), nil)
		r.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"xmpp"}, "X-Forwarded-For": {from}}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 101 && resp.Header.Get("Retry-After") == "" {
			t.Error("not told when to come again")
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp.StatusCode
	}
	for _, tc := range []struct {
		from string
		want int
	}{
		{"198.51.100.1", 101},
		{"198.51.100.1", 429},
		{"203.0.113.9, 198.51.100.1", 429}, // what a client says of itself does not count
		{"2001:db8::1", 101},
		{"2001:db8::2:1", 429}, // the same /64
		{"2001:db8:0:1::1", 101},
		{"198.51.100.2", 503},
	} {
		if got := try(tc.from); got != tc.want {
			t.Errorf("from %s: %d, not %d", tc.from, got, tc.want)
		}
	}
}

// G05: what stands between a client and a server passes on the subprotocol, holds nothing
// back, and asks for signs of life sooner than a proxy before it loses patience. Whose pages
// may connect, TestSec87_Origins shows.
func TestG05_BetweenClientAndServer(t *testing.T) {
	const patience = time.Minute // nginx' proxy_read_timeout and Apache's ProxyTimeout
	if l := DefaultLimits; l.Ping+l.Pong >= patience || l.KeepAlive > patience {
		t.Errorf("signs of life come too late: %+v", l)
	}
	url, _ := scripted(t, func(p *peer) {
		p.login()
		p.send("<message><body>alone</body></message>") // and then silence
		p.stay()
	})
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"mqtt", "xmpp"}})
	if err != nil || c.Subprotocol() != "xmpp" {
		t.Fatalf("%v, subprotocol %q", err, c.Subprotocol())
	}
	_ = c.CloseNow()
	w := dial(t, url, nil)
	w.login()
	w.expect("message")
}

// Sec91: who is no trusted proxy has no say in whose address it is.
func TestSec91_ForwardedFor(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tc := range []struct {
		remote string
		header []string
		want   string
	}{
		{"192.0.2.1:77", nil, "192.0.2.1:77"},
		{"192.0.2.1:77", []string{"203.0.113.5"}, "192.0.2.1:77"},
		{"10.0.0.1:77", []string{"203.0.113.5"}, "203.0.113.5:0"},
		{"[::ffff:10.0.0.1]:77", []string{"203.0.113.5"}, "203.0.113.5:0"},
		{"10.0.0.1:77", []string{"127.0.0.1, 203.0.113.5, 10.0.0.2"}, "203.0.113.5:0"},
		{"10.0.0.1:77", []string{"127.0.0.1", "203.0.113.5"}, "203.0.113.5:0"},
		{"10.0.0.1:77", []string{"nonsense"}, "10.0.0.1:77"},
		{"10.0.0.1:77", []string{"203.0.113.5, nonsense"}, "10.0.0.1:77"},
		{"10.0.0.1:77", nil, "10.0.0.1:77"},
		{"10.0.0.1:77", []string{"fe80::1%eth0"}, "[fe80::1]:0"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tc.remote
		r.Header["X-Forwarded-For"] = tc.header
		if got := clientOf(r, trusted).String(); got != tc.want {
			t.Errorf("%s, %q: %s, not %s", tc.remote, tc.header, got, tc.want)
		}
	}
}

// Sec90: a client that does not read stops its backend and is dropped; what is held for
// it has a bound.
func TestSec90_ClientThatNeverReads(t *testing.T) {
	sent := make(chan int, 1)
	url, log := scripted(t, func(p *peer) {
		p.login()
		n := 0
		stanza := []byte("<message><body>" + strings.Repeat("x", 10_000) + "</body></message>")
		for range 10_000 {
			m, err := p.conn.Write(stanza)
			if n += m; err != nil {
				break
			}
		}
		sent <- n
	}, func(c *Config) { c.Limits.Write = 200 * time.Millisecond })
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"xmpp"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	open := framing.Open{To: "h.test", Version: "1.0"}.Element(framing.NSFraming).String()
	for _, turn := range []struct {
		doc     string
		answers int
	}{{open, 2}, {"<auth xmlns='" + nsSASL + "' mechanism='PLAIN'/>", 1}, {open, 0}} {
		if err := c.Write(t.Context(), websocket.MessageText, []byte(turn.doc)); err != nil {
			t.Fatal(err)
		}
		for range turn.answers {
			if _, _, err := c.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	// What the kernel takes on both sides is some megabytes; the whole is a hundred.
	if n := <-sent; n > 40<<20 {
		t.Errorf("the backend could send %d bytes", n)
	}
	eventually(t, "a line in the log", func() bool { return log.says("reason=client-does-not-read") })
}

// Sec90: a backend that does not read stops its clients.
func TestSec90_BackendThatNeverReads(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	url, log := scripted(t, func(p *peer) { p.login(); <-hold }, func(c *Config) { c.Limits.Write = 200 * time.Millisecond })
	w := dial(t, url, nil)
	w.login()
	stanza := "<message xmlns='jabber:client'><body>" + strings.Repeat("x", 100_000) + "</body></message>"
	n := 0
	for ; n < 1000; n++ {
		if w.socket.Write(t.Context(), stanza) != nil {
			break
		}
	}
	if n == 1000 {
		t.Error("a hundred megabytes were taken")
	}
	eventually(t, "a line in the log", func() bool { return log.says("reason=backend-lost") })
}

// A client that answers pings is known to live on the other side too, and one that does
// not is dropped.
func TestKeepAlive(t *testing.T) {
	spaces := make(chan struct{})
	url, _ := scripted(t, func(p *peer) {
		p.login()
		b := make([]byte, 1)
		for n := 0; n < 3; {
			if _, err := p.conn.Read(b); err != nil || b[0] != ' ' {
				t.Errorf("%q, %v", b, err)
				return
			}
			n++
		}
		close(spaces)
		_, _ = p.stay()
	}, func(c *Config) { c.Limits.Ping, c.Limits.KeepAlive = 10*time.Millisecond, time.Millisecond })
	w := dial(t, url, nil)
	w.login()
	<-spaces

	url, log := scripted(t, func(p *peer) { p.login(); p.stay() }, func(c *Config) {
		c.Limits.Ping, c.Limits.Pong = 10*time.Millisecond, 10*time.Millisecond
	})
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"xmpp"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	eventually(t, "it is dropped", func() bool { return log.says("reason=lost") })
}

// Each mistake in a configuration has words of its own.
func TestConfigMistakes(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"nobody may connect":   func(c *Config) { c.NativeClients = false },
		"origin":               func(c *Config) { c.Origins = []string{"https://a.test/"} },
		"origin \"a.test":      func(c *Config) { c.Origins = []string{"a.test"} },
		"no domain":            func(c *Config) { c.Domains = nil },
		"lower case":           func(c *Config) { c.Domains[0].Name = "H.test" },
		"no backend":           func(c *Config) { c.Domains[0].Backends = nil },
		"listed twice":         func(c *Config) { c.Domains = append(c.Domains, c.Domains[0]) },
		"host:port":            func(c *Config) { c.Domains[0].Backends[0].Address = "localhost" },
		"another machine":      func(c *Config) { c.Domains[0].Backends[0].Address = "xmpp.test:5222" },
		"not \"ssl\"":          func(c *Config) { c.Domains[0].Backends[0].Security = "ssl" },
		"no version 3":         func(c *Config) { c.Domains[0].Backends[0].Proxy = 3 },
		"needs TCP":            func(c *Config) { c.Domains[0].Backends[0] = Backend{Address: "/run/x", Proxy: 1} },
		"encrypted connection": func(c *Config) { c.Domains[0].Elsewhere = []string{"ws://b.test/ws"} },
		"not a WebSocket":      func(c *Config) { c.Domains[0].Elsewhere = []string{"b.test"} },
		"HTTP (BOSH)":          func(c *Config) { c.Domains[0].Elsewhere = []string{"https://b.test/ws"} },
		"contains a user name": func(c *Config) { c.Domains[0].Elsewhere = []string{"wss://a@b.test/ws"} },
	} {
		c := config("127.0.0.1:5222")
		c.NativeClients = true
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; expected: %s", err, want)
		}
	}
}

// M12: the place that a server names to come back to is one for TCP. A client is told its own of
// this gateway instead, and nothing where the server names none.
func TestM12_LocationThroughTheGateway(t *testing.T) {
	for in, out := range map[string]string{
		`<enabled xmlns="urn:xmpp:sm:3" id="1" location="[fd00::7]:5222" resume="true"/>`:                                                        `<enabled xmlns="urn:xmpp:sm:3" id="1" location="HOST" resume="true"/>`,
		`<enabled xmlns="urn:xmpp:sm:3" id="1" resume="true"/>`:                                                                                  `<enabled xmlns="urn:xmpp:sm:3" id="1" resume="true"/>`,
		`<success xmlns="urn:xmpp:sasl:2"><bound xmlns="urn:xmpp:bind:0"><enabled xmlns="urn:xmpp:sm:3" location="10.0.0.7"/></bound></success>`: `<success xmlns="urn:xmpp:sasl:2"><bound xmlns="urn:xmpp:bind:0"><enabled xmlns="urn:xmpp:sm:3" location="HOST"/></bound></success>`,
		`<message xmlns="jabber:client" location="10.0.0.7"/>`:                                                                                   `<message xmlns="jabber:client" location="10.0.0.7"/>`,
	} {
		url, _ := scripted(t, func(p *peer) {
			p.login()
			p.send(in)
			p.stay()
		})
		w := dial(t, url, nil)
		w.login()
		want := strings.Replace(out, "HOST", strings.TrimSuffix(strings.TrimPrefix(url, "ws://"), "/ws"), 1)
		if got, err := w.read(); err != nil || got != want {
			t.Errorf("%s became\n%s (%v)", in, got, err)
		}
	}
}
