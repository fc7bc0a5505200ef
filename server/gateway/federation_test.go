package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/dns/dnsmessage"

	"natter/app/connect/discover"
	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
)

// names is the host-meta of a test: where the WebSockets of domains are.
type names map[string]string

func (n names) Fetch(_ context.Context, url, _ string, _ int) (*discover.Document, error) {
	domain, _, _ := strings.Cut(strings.TrimPrefix(url, "https://"), "/")
	if n[domain] == "" || !strings.HasSuffix(url, ".json") {
		return &discover.Document{URL: url, Status: 404}, nil
	}
	body := fmt.Sprintf(`{"xmpp":{"ttl":60},"links":[{"rel":%q,"href":%q,"priority":1,"weight":1}]}`, discover.RelServers, n[domain])
	return &discover.Document{URL: url, Status: 200, Body: []byte(body)}, nil
}

// federated is a gateway between servers for one domain.
type federated struct {
	*Federation
	wss string // for other servers
	tcp string // for the domain's own
	log *record
}

func federate(t testing.TB, domain, server string, known names, change ...func(*FederationConfig)) *federated {
	t.Helper()
	return federateAt(t, listenHere(t), domain, server, known, change...)
}

func listenHere(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// federateAt lets the domain's server come by l.
func federateAt(t testing.TB, l net.Listener, domain, server string, known names, change ...func(*FederationConfig)) *federated {
	t.Helper()
	own, err := tls.X509KeyPair(xmpptest.Ours().Issue(domain))
	if err != nil {
		t.Fatal(err)
	}
	log := &record{}
	c := FederationConfig{
		Domains: []Domain{{Name: domain, Backends: []Backend{{Address: server}}}},
		Find:    &discover.Finder{Fetch: known, Rel: discover.RelServers},
		Roots:   xmpptest.Ours().Pool(),
		Log:     slog.New(slog.NewTextHandler(log, nil)),
	}
	for _, f := range change {
		f(&c)
	}
	f, err := NewFederation(c)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(f)
	web.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert}
	web.StartTLS()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go f.Carry(conn)
		}
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = f.Drain(ctx, 0)
		web.CloseClientConnections()
		web.Close()
	})
	wss := "wss://localhost:" + portOf(web.Listener.Addr()) + "/s2s"
	known[domain] = wss
	return &federated{f, wss, l.Addr().String(), log}
}

func portOf(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// withCertificate lets a gateway sign in with a certificate for its domain.
func withCertificate(names ...string) func(*FederationConfig) {
	cert, err := tls.X509KeyPair(xmpptest.Ours().Issue(names...))
	if err != nil {
		panic(err)
	}
	return func(c *FederationConfig) { c.Certificate = func(string) *tls.Certificate { return &cert } }
}

const headerBetween = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' from='%s' to='%s' id='%s' version='1.0'>"

const featuresBetween = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><bidi xmlns='urn:xmpp:features:bidi'/>" +
	"<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><sm xmlns='urn:xmpp:sm:3'/></stream:features>"

// receives is the receiving server of a stream, up to its features.
func (p *peer) receives(id string) framing.Open {
	h, ok := framing.ReadHeader(p.next())
	if !ok || p.in.Space() != framing.NSServer {
		p.t.Errorf("no header between servers: %+v", h)
	}
	p.send(fmt.Sprintf(headerBetween, h.To, h.From, id), featuresBetween)
	return h
}

// say answers a dialback.
func (p *peer) say(e *framing.Element, verdict string) {
	p.send(string(dialback(e, verdict).AppendWithin(nil, framing.NSServer)))
}

// initiate is the initiating server of a stream through its own gateway, up to the features.
func initiate(t *testing.T, address, from, to string) (*peer, framing.Open, *framing.Element) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	p := &peer{t, conn, framing.NewStreamReader(conn, framing.Limits{})}
	p.send(strings.Replace(fmt.Sprintf(headerBetween, from, to, ""), " id=''", "", 1))
	h, ok := framing.ReadHeader(p.next())
	if !ok {
		t.Fatal("no header")
	}
	return p, h, p.next()
}

// wants reads an element with this name.
func (p *peer) wants(space, local string) *framing.Element {
	p.t.Helper()
	e, err := p.in.Next()
	if !e.Is(space, local) {
		p.t.Fatalf("instead of <%s>: %s, %v", local, e, err)
	}
	return e
}

// Dialback goes through two gateways as it is, and stanzas after it.
func TestW02_W03_DialbackThroughTwoGateways(t *testing.T) {
	known := names{}
	heard := make(chan *framing.Element, 10)
	b := newBackend(t, func(p *peer) {
		if h := p.receives("b7"); h.From != "a.test" || h.To != "b.test" {
			t.Errorf("the receiving server got %+v", h)
		}
		for e := p.next(); e != nil; e = p.next() {
			heard <- e
			if e.Is(framing.NSDialback, "result") {
				p.say(e, "valid")
			}
		}
	})
	a := federate(t, "a.test", "127.0.0.1:1", known)
	far := federate(t, "b.test", b.addr, known)
	p, h, offered := initiate(t, a.tcp, "a.test", "b.test")
	if h.ID != "b7" || h.From != "b.test" || h.To != "a.test" {
		t.Errorf("the header of the receiving server became %+v", h)
	}
	if got, want := offered.String(), `<features xmlns="http://etherx.jabber.org/streams"><dialback xmlns="urn:xmpp:features:dialback"><errors/></dialback><sm xmlns="urn:xmpp:sm:3"/></features>`; got != want {
		t.Errorf("offered %s", got)
	}
	p.send("<db:result from='a.test' to='b.test'>key</db:result>")
	if e := <-heard; e.Text() != "key" {
		t.Errorf("the key became %s", e)
	}
	if e := p.wants(framing.NSDialback, "result"); e.Attr("type") != "valid" || e.Attr("from") != "b.test" {
		t.Errorf("the verdict became %s", e)
	}
	p.send("<message from='ada@a.test/x' to='bob@b.test' xml:lang='de'><body>hello</body></message>")
	if got, want := (<-heard).String(), `<message xmlns="jabber:server" from="ada@a.test/x" to="bob@b.test" xml:lang="de"><body>hello</body></message>`; got != want {
		t.Errorf("the message became %s", got)
	}
	p.send(framing.StreamEnd)
	if _, err := p.in.Next(); err != framing.ErrClosed {
		t.Errorf("the end is %v", err)
	}
	for _, f := range []*federated{a, far} {
		eventually(t, "the streams are over", func() bool { return f.Streams() == 0 })
		if !f.log.says("by=dialback") {
			t.Error("the log does not say how the stream was authenticated")
		}
	}
}

// server is a WebSocket of a server's, one document at a time.
func (f *federated) server(t *testing.T) *wire {
	t.Helper()
	s, err := native.Dial(t.Context(), f.wss, native.Options{TLSConfig: trusting()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(1000, "") })
	return &wire{t, s}
}

const openBetween = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing-server" to="b.test" from="a.test" version="1.0"/>`

// receiving is a gateway in front of a server that believes everybody.
func receiving(t *testing.T, change ...func(*FederationConfig)) (*federated, chan *framing.Element) {
	t.Helper()
	heard := make(chan *framing.Element, 100)
	b := newBackend(t, func(p *peer) {
		p.receives("b7")
		for e := p.next(); e != nil; e = p.next() {
			heard <- e
			if e.Name.Space == framing.NSDialback && e.Attr("type") == "" {
				p.say(e, "valid")
			}
		}
		p.send(framing.StreamEnd)
	})
	return federate(t, "b.test", b.addr, names{}, change...), heard
}

// join signs in by dialback.
func (w *wire) join() {
	w.t.Helper()
	w.write(openBetween)
	w.expect("open")
	w.expect("features")
	w.write(`<db:result xmlns:db="jabber:server:dialback" from="a.test" to="b.test">key</db:result>`)
	w.expect("result")
}

// broken reads a stream error on a stream between servers.
func (w *wire) broken(condition string) {
	w.t.Helper()
	if got := framing.ReadStreamError(w.expect("error")); got.Condition != condition {
		w.t.Errorf("the stream failed with %v instead of %s", got, condition)
	}
	if e := w.expect("close"); e.Name.Space != framing.NSFramingServer {
		w.t.Errorf("closed in %s", e.Name.Space)
	}
}

// W04, Sec97: what a server may not say ends its stream with a condition of its own, and
// its honest neighbour notices nothing.
func TestW04_StanzasBetweenServers(t *testing.T) {
	f, heard := receiving(t)
	honest := f.server(t)
	honest.join()
	<-heard
	const stanza = `<message xmlns="jabber:server" from="%s" to="%s"><body>x</body></message>`
	for name, tc := range map[string]struct{ doc, condition string }{
		"no from":          {`<message xmlns="jabber:server" to="bob@b.test"/>`, framing.ImproperAddressing},
		"no to":            {`<message xmlns="jabber:server" from="ada@a.test"/>`, framing.ImproperAddressing},
		"another's from":   {fmt.Sprintf(stanza, "ada@evil.test", "bob@b.test"), framing.InvalidFrom},
		"a domain of ours": {fmt.Sprintf(stanza, "ada@b.test", "bob@b.test"), framing.InvalidFrom},
		"below the domain": {fmt.Sprintf(stanza, "x.a.test", "bob@b.test"), framing.InvalidFrom},
		"from in a name":   {fmt.Sprintf(stanza, "evil.test/a.test", "bob@b.test"), framing.InvalidFrom},
		"to another":       {fmt.Sprintf(stanza, "ada@a.test", "bob@c.test"), framing.InvalidFrom},
		"a client's":       {`<message xmlns="jabber:client" from="ada@a.test" to="bob@b.test"/>`, framing.InvalidNamespace},
		"unsolicited":      {`<result xmlns="jabber:server:dialback" from="a.test" to="b.test" type="valid"/>`, framing.PolicyViolation},
		"unsolicited too":  {`<verify xmlns="jabber:server:dialback" from="a.test" to="b.test" id="1" type="valid"/>`, framing.PolicyViolation},
		"as one of ours":   {`<result xmlns="jabber:server:dialback" from="b.test" to="b.test">key</result>`, framing.InvalidFrom},
		"for another":      {`<result xmlns="jabber:server:dialback" from="a.test" to="c.test">key</result>`, framing.HostUnknown},
		"starttls":         {`<starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>`, framing.UnsupportedStanzaType},
		"no XML":           {`<message xmlns="jabber:server"`, framing.NotWellFormed},
	} {
		t.Run(name, func(t *testing.T) {
			w := f.server(t)
			w.join()
			<-heard
			w.write(tc.doc)
			w.broken(tc.condition)
		})
	}
	select {
	case e := <-heard:
		t.Errorf("our server heard %s", e)
	default:
	}
	honest.write(fmt.Sprintf(stanza, "ada@a.test/x@y", "bob@b.test/z/@q"))
	if e := <-heard; e.Attr("from") != "ada@a.test/x@y" {
		t.Errorf("our server heard %s", e)
	}
}

// Before it has shown who it is a server says nothing to anybody.
func TestW04_StanzaBeforeDialback(t *testing.T) {
	f, _ := receiving(t)
	w := f.server(t)
	w.write(openBetween)
	w.expect("open")
	w.expect("features")
	w.write(`<message xmlns="jabber:server" from="ada@a.test" to="bob@b.test"/>`)
	w.broken(framing.NotAuthorized)
}

// W02: headers that are for nobody here.
func TestW02_HeadersBetweenServers(t *testing.T) {
	f, _ := receiving(t)
	const ns = `urn:ietf:params:xml:ns:xmpp-framing-server`
	for name, tc := range map[string]struct{ doc, condition string }{
		"a client's":  {`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="b.test" from="a.test" version="1.0"/>`, framing.InvalidNamespace},
		"unknown":     {`<open xmlns="` + ns + `" to="c.test" from="a.test" version="1.0"/>`, framing.HostUnknown},
		"no from":     {`<open xmlns="` + ns + `" to="b.test" version="1.0"/>`, framing.ImproperAddressing},
		"as ourself":  {`<open xmlns="` + ns + `" to="b.test" from="b.test" version="1.0"/>`, framing.InvalidFrom},
		"old version": {`<open xmlns="` + ns + `" to="b.test" from="a.test"/>`, framing.UnsupportedVersion},
		"no header":   {`<message xmlns="jabber:server" from="a.test" to="b.test"/>`, framing.NotAuthorized},
	} {
		t.Run(name, func(t *testing.T) {
			w := f.server(t)
			w.write(tc.doc)
			w.expect("open")
			w.broken(tc.condition)
		})
	}
}

// Below a domain of ours others may have a server.
func TestW02_ServerBelowADomainOfOurs(t *testing.T) {
	f, _ := receiving(t)
	w := f.server(t)
	w.write(strings.Replace(openBetween, "a.test", "other.b.test", 1))
	w.expect("open")
	w.expect("features")
}

// W05: one WebSocket carries one stream.
func TestW05_SecondHeaderBetweenServers(t *testing.T) {
	f, _ := receiving(t)
	w := f.server(t)
	w.join()
	w.write(openBetween)
	w.broken(framing.UnsupportedStanzaType)
}

// What the two implementations before this one send is understood, by name, and answered as
// the XEP says.
func TestTolerated(t *testing.T) {
	for _, tc := range []struct {
		exception string
		docs      []string // after open and features
		header    string
	}{
		{headerOfTCP, []string{`<db:result xmlns:db="jabber:server:dialback" from="a.test" to="b.test">key</db:result>`},
			`<?xml version='1.0'?><stream:stream xmlns:db='jabber:server:dialback' xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' id='' xml:lang='en' from='a.test' version='1.0' to='b.test'>`},
		{prefixOfHeader, []string{`<db:result from='a.test' xmlns='jabber:server' to='b.test'>key</db:result>`}, openBetween},
		{prefixOfHeader, []string{`<db:verify to='b.test' id='8f945cd0' from='a.test'>key</db:verify>`}, openBetween},
		{withoutNamespace, []string{`<db:result xmlns:db="jabber:server:dialback" from="a.test" to="b.test">key</db:result>`,
			`<iq id='p1' from='a.test' type='get' to='b.test'><ping xmlns='urn:xmpp:ping'/></iq>`}, openBetween},
		{withoutNamespace, []string{`<db:result xmlns:db="jabber:server:dialback" from="a.test" to="b.test">key</db:result>`,
			`<message from='a.test' type='chat' to='b.test'><body>hello over websocket</body></message>`}, openBetween},
		{closeOfClients, nil, openBetween},
	} {
		t.Run(tc.exception, func(t *testing.T) {
			seen := &exceptions{}
			f, heard := receiving(t, func(c *FederationConfig) { c.Meter = seen })
			w := f.server(t)
			w.write(tc.header)
			if e := w.expect("open"); e.Name.Space != framing.NSFramingServer {
				t.Errorf("answered in %s", e.Name.Space)
			}
			w.expect("features")
			for _, doc := range tc.docs {
				w.write(doc)
				e := <-heard
				if e.Name.Space != framing.NSDialback && (e.Name.Space != framing.NSServer || e.First().Name.Space == "") {
					t.Errorf("%s became %s", doc, e)
				}
				if e.Name.Space == framing.NSDialback {
					w.expect(e.Name.Local)
				}
			}
			w.write(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`)
			if e := w.expect("close"); e.Name.Space != framing.NSFramingServer {
				t.Errorf("closed in %s", e.Name.Space)
			}
			if got := fmt.Sprint(seen.names()); got != fmt.Sprint(slices.Compact([]string{tc.exception, closeOfClients})) {
				t.Errorf("the exceptions were %s", got)
			}
		})
	}
}

// exceptions is a meter that keeps which were made.
type exceptions struct {
	deafToServers
	mu  sync.Mutex
	all []string
}

func (x *exceptions) Tolerated(exception string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, exception)
}

func (x *exceptions) names() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.all)
}

// Twins of what is tolerated: what comes close to it is not.
func TestToleratedNothingElse(t *testing.T) {
	for _, tc := range []struct {
		doc   string
		first bool
	}{
		{openBetween, true},
		{`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="b.test" from="a.test" version="1.0"/>`, true},
		{`<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='b.test' version='1.0'>`, true},
		{`<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' to='b.test' version='1.0'><message/>`, true},
		{`<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' to='b.test' version='1.0'>`, false},
		{`<stream:stream xmlns='jabber:server' to='b.test' version='1.0'>`, true},
		{`<message/>`, true},
		{`<open to="b.test" from="a.test"/>`, false},
		{`<close/>`, false},
		{`<x:result from='a.test' to='b.test'>key</x:result>`, false},
		{`<db:result from='a.test' to='b.test'>key</db:result><db:result from='a.test' to='b.test'>key</db:result>`, false},
		{`<message from='a.test' to='b.test'/><message from='a.test' to='b.test'/>`, false},
		{`<message from='a.test' to='b.test'/></stream:stream>`, false},
		{`<message from='a.test' to='b.test'>`, false},
		{`<message xmlns='jabber:client' from='a.test' to='b.test'/>`, false},
		{`<message xmlns='jabber:server' from='a.test' to='b.test'/>`, false},
		{`<auth mechanism='EXTERNAL'/>`, false},
		{`</stream:stream>`, false},
		{``, false},
	} {
		if better, exception := tolerate(tc.doc, tc.first); exception != "" {
			t.Errorf("%s became %s as %s", tc.doc, better, exception)
		}
	}
}

// Frames that are not masked are refused with 1002, and the log says whose they were.
func TestUnmaskedFramesBetweenServers(t *testing.T) {
	f, _ := receiving(t)
	conn, err := tls.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(f.wss, "wss://"), "/s2s"), trusting())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /s2s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: fVMdYqWbvAYrG0sf48ae5w==\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n")
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 101") {
		t.Fatalf("%v: %s", err, buf[:n])
	}
	if _, err := conn.Write(append([]byte{0x81, byte(len(openBetween))}, openBetween...)[:2+len(openBetween)]); err != nil {
		t.Fatal(err)
	}
	n, err = conn.Read(buf)
	if err != nil || n < 4 || buf[0] != 0x88 || int(buf[2])<<8|int(buf[3]) != 1002 {
		t.Errorf("answered with % x, %v", buf[:n], err)
	}
	eventually(t, "the log says why", func() bool { return f.log.says("does not mask its frames") && f.log.says("reason=unmasked") })
}

// A page of another origin is no server.
func TestSec87_PageAsServer(t *testing.T) {
	f, _ := receiving(t)
	here := strings.TrimSuffix(strings.TrimPrefix(f.wss, "wss://"), "/s2s")
	for origin, good := range map[string]bool{
		"https://b.test": false, "null": false, "http://" + here: false, "https://localhost.evil.test": false,
		"https://localhost": false, "https://" + here: true,
	} {
		c, response, err := websocket.Dial(t.Context(), f.wss, &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: trusting()}},
			HTTPHeader: http.Header{"Origin": {origin}}, Subprotocols: []string{"xmpp"},
		})
		if err == nil {
			_ = c.CloseNow()
		}
		if (err == nil) != good || !good && response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

// A domain without a WebSocket, or with one that does not answer, is a stream error that
// the server can tell the author of.
func TestServerThatCannotBeReached(t *testing.T) {
	known := names{"dead.test": "wss://localhost:1/s2s", "plain.test": "ws://localhost:1/s2s"}
	a := federate(t, "a.test", "127.0.0.1:1", known)
	for _, to := range []string{"dead.test", "plain.test", "none.test"} {
		t.Run(to, func(t *testing.T) {
			_, _, e := initiate(t, a.tcp, "a.test", to)
			failed := framing.ReadStreamError(e)
			if failed == nil || failed.Condition != framing.RemoteConnectionFailed || !strings.Contains(failed.Text, to) {
				t.Fatalf("our server got %s", e)
			}
			if found := failed.App == nil; found != (to == "dead.test") {
				t.Errorf("whether %s was found at all: %s", to, e)
			}
		})
	}
	t.Run("not ours", func(t *testing.T) {
		_, _, e := initiate(t, a.tcp, "c.test", "dead.test")
		if failed := framing.ReadStreamError(e); failed == nil || failed.Condition != framing.InvalidFrom {
			t.Errorf("our server got %s", e)
		}
	})
}

// judge is a receiving server that asks the authoritative one, through its own gateway, as
// XEP-0220 §2.3 has it.
type judge struct {
	gate  string // where its gateway listens
	heard chan *framing.Element
}

func (j *judge) script(p *peer) {
	h := p.receives("id-of-" + p.conn.RemoteAddr().String())
	id := "id-of-" + p.conn.RemoteAddr().String()
	for e := p.next(); e != nil; e = p.next() {
		j.heard <- e
		switch {
		case e.Is(framing.NSDialback, "result") && e.Attr("type") == "":
			p.say(e, j.ask(p.t, h.To, e.Attr("from"), id, e.Text()))
		case e.Is(framing.NSDialback, "verify") && e.Attr("type") == "":
			verdict := "invalid"
			if e.Text() == "key of "+e.Attr("id") {
				verdict = "valid"
			}
			p.say(e, verdict)
		}
	}
}

func (j *judge) ask(t *testing.T, own, other, id, key string) (verdict string) {
	conn, err := net.Dial("tcp", j.gate)
	if err != nil {
		return "error"
	}
	defer conn.Close()
	p := &peer{t, conn, framing.NewStreamReader(conn, framing.Limits{})}
	p.send(fmt.Sprintf(headerBetween, own, other, "x"), fmt.Sprintf("<db:verify from='%s' to='%s' id='%s'>%s</db:verify>", own, other, id, key))
	for e := p.next(); e != nil; e = p.next() {
		if e.Is(framing.NSDialback, "verify") {
			return e.Attr("type")
		}
	}
	return "error"
}

// neighbours are two gateways with a server each that judges by dialback.
func neighbours(t *testing.T, change ...func(*FederationConfig)) (a, b *federated, heard chan *framing.Element) {
	t.Helper()
	known := names{}
	heard = make(chan *framing.Element, 100)
	of := func(domain string) *federated {
		j := &judge{heard: heard}
		f := federate(t, domain, newBackend(t, j.script).addr, known, change...)
		j.gate = f.tcp
		return f
	}
	return of("a.test"), of("b.test"), heard
}

// W01: where both ends of the wss are gateways, the one that calls signs in with its
// certificate, and neither server has to know: theirs is the dialback of ever.
func TestW01_ExternalThroughTwoGateways(t *testing.T) {
	a, b, heard := neighbours(t, withCertificate("a.test", "b.test"))
	p, h, offered := initiate(t, a.tcp, "a.test", "b.test")
	if h.ID == "" || offered.Child(nsDialbackFeature, "dialback") == nil || offered.Child("urn:xmpp:sm:3", "sm") == nil || offered.Child(nsSASL, "mechanisms") != nil {
		t.Errorf("our server is offered %s", offered)
	}
	p.send("<db:result from='a.test' to='b.test'>whatever</db:result>")
	if e := <-heard; !e.Is(framing.NSDialback, "result") || e.Attr("from") != "a.test" || e.Text() == "whatever" {
		t.Errorf("the other server got %s", e)
	}
	if e := p.wants(framing.NSDialback, "result"); e.Attr("type") != "valid" {
		t.Errorf("our server got %s", e)
	}
	p.send("<message from='ada@a.test' to='bob@b.test'><body>hello</body></message>")
	if e := <-heard; e.Child(framing.NSServer, "body").Text() != "hello" {
		t.Errorf("the other server got %s", e)
	}
	for _, f := range []*federated{a, b} {
		if !f.log.says("by=external") {
			t.Error("the log does not say how the stream was authenticated")
		}
	}
	// Another domain of the same server is told to come on a stream of its own.
	p.send("<db:result from='rooms.a.test' to='b.test'>key</db:result>")
	if e := p.wants(framing.NSDialback, "result"); e.Attr("type") != "error" || e.Attr("to") != "rooms.a.test" ||
		e.Child(framing.NSServer, "error").Child(framing.NSStanzaError, "resource-constraint") == nil {
		t.Errorf("our server got %s", e)
	}
	p.send("<message from='x@rooms.a.test' to='bob@b.test'/>")
	if failed := framing.ReadStreamError(p.next()); failed == nil || failed.Condition != framing.InvalidFrom {
		t.Errorf("our server got %v", failed)
	}
}

// W01: a certificate for another name, of another authority, or none at all: dialback it is, and the log
// says why.
func TestW01_CertificateOfAnother(t *testing.T) {
	stranger, err := tls.X509KeyPair(xmpptest.NewAuthority().Issue("a.test"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*FederationConfig)
		why    string
	}{
		"none":              {func(*FederationConfig) {}, "no certificate came"},
		"another name":      {withCertificate("c.test"), "not a.test"},
		"another authority": {func(c *FederationConfig) { c.Certificate = func(string) *tls.Certificate { return &stranger } }, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b, heard := neighbours(t, tc.change)
			p, h, _ := initiate(t, a.tcp, "a.test", "b.test")
			p.send("<db:result from='a.test' to='b.test'>key of " + h.ID + "</db:result>")
			if e := p.wants(framing.NSDialback, "result"); e.Attr("type") != "valid" {
				t.Errorf("our server got %s", e)
			}
			if e := <-heard; e.Text() != "key of "+h.ID {
				t.Errorf("the other server got %s", e)
			}
			if !b.log.says(tc.why) || b.log.says("by=external") || !b.log.says("by=dialback") {
				t.Error("the log does not say why, or by what")
			}
		})
	}
}

// A server whose key is not the authoritative one's speaks for nobody.
func TestSec97_DialbackWithAnotherKey(t *testing.T) {
	a, b, _ := neighbours(t)
	p, _, _ := initiate(t, a.tcp, "a.test", "b.test")
	p.send("<db:result from='a.test' to='b.test'>guessed</db:result>")
	if e := p.wants(framing.NSDialback, "result"); e.Attr("type") != "invalid" {
		t.Errorf("our server got %s", e)
	}
	p.send("<message from='ada@a.test' to='bob@b.test'/>")
	if failed := framing.ReadStreamError(p.next()); failed == nil || failed.Condition != framing.NotAuthorized {
		t.Errorf("our server got %v", failed)
	}
	if !b.log.says("dialback failed") {
		t.Error("the log does not say so")
	}
}

// afar is a WebSocket of another server that does what its script says.
func afar(t *testing.T, script func(c *framing.Conn), change ...func(*tls.Config)) (wss string) {
	t.Helper()
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := native.Accept(w, r, native.Options{})
		if err != nil {
			return
		}
		c := framing.NewConn(s, framing.ConnOptions{Server: true, Namespace: framing.NSFramingServer})
		defer c.Drop()
		script(c)
	}))
	web.TLS = xmpptest.Ours().ServerTLS()
	for _, f := range change {
		f(web.TLS)
	}
	web.StartTLS()
	t.Cleanup(web.Close)
	return "wss://localhost:" + portOf(web.Listener.Addr()) + "/s2s"
}

// asking asks those who come for a certificate.
func asking(c *tls.Config) { c.ClientAuth = tls.RequestClientCert }

// answer reads the header of a stream and answers it with features.
func answer(c *framing.Conn, more ...*framing.Element) error {
	e, err := c.Read(context.Background())
	if err != nil {
		return err
	}
	h, err := framing.ReadOpen(e, framing.NSFramingServer)
	if err != nil {
		return err
	}
	_ = c.Write(context.Background(), framing.Open{From: h.To, To: h.From, ID: "far1", Version: "1.0"}.Element(framing.NSFramingServer))
	return c.Write(context.Background(), framing.New(framing.NSStream, "features").Add(more...).Add(framing.New(nsDialbackFeature, "dialback")))
}

// W01: where EXTERNAL was refused once the streams that follow begin with dialback, and on
// each our server is told once what there is.
func TestW01_RefusedExternalIsRemembered(t *testing.T) {
	said := make(chan string, 10)
	external := framing.New(nsSASL, "mechanisms").Add(framing.New(nsSASL, "mechanism").AddText("EXTERNAL"))
	far := afar(t, func(c *framing.Conn) {
		if answer(c, external) != nil {
			return
		}
		for {
			e, err := c.Read(context.Background())
			if err != nil {
				return
			}
			said <- e.Name.Local
			if e.Name.Local == "auth" {
				_ = c.Write(context.Background(), framing.New(nsSASL, "failure").Add(framing.New(nsSASL, "not-authorized")))
				continue
			}
			_ = c.Write(context.Background(), dialback(e, "valid"))
		}
	}, asking)
	a := federate(t, "a.test", "127.0.0.1:1", names{"b.test": far}, withCertificate("a.test"))
	for _, want := range [][]string{{"auth", "result"}, {"result"}, {"result"}} {
		p, _, offered := initiate(t, a.tcp, "a.test", "b.test")
		if offered.Child(nsSASL, "mechanisms") != nil {
			t.Errorf("our server is offered %s", offered)
		}
		p.send("<db:result from='a.test' to='b.test'>key</db:result>")
		p.wants(framing.NSDialback, "result") // and no features in between
		for _, w := range want {
			if got := <-said; got != w {
				t.Errorf("the other got <%s> instead of <%s>", got, w)
			}
		}
	}
	r, now := &refusals{}, time.Now()
	for i := range 2 * mostRefused {
		r.note(domainPair{"a.test", fmt.Sprint(i)}, now)
	}
	last := domainPair{"a.test", fmt.Sprint(2*mostRefused - 1)}
	if len(r.until) > mostRefused || !r.lately(last, now) || r.lately(last, now.Add(remembered)) {
		t.Errorf("%d are remembered", len(r.until))
	}
}

// body is a host-meta.
type body string

func (b body) Fetch(_ context.Context, url, _ string, _ int) (*discover.Document, error) {
	if !strings.HasSuffix(url, ".json") {
		return &discover.Document{URL: url, Status: 404}, nil
	}
	return &discover.Document{URL: url, Status: 200, Body: []byte(b)}, nil
}

// W03: natter connects to the addresses that host-meta names, in turn, sends the name that it
// names, and takes a certificate for that or for the domain (XEP-0487 §2.2).
func TestW03_AddressesOfHostMeta(t *testing.T) {
	for name, tc := range map[string]struct {
		cert string
		good bool
	}{
		"for the name":     {"s2s.b.test", true},
		"for the domain":   {"b.test", true},
		"for the host":     {"host.invalid", false}, // which was never asked for
		"for another name": {"evil.test", false},
	} {
		t.Run(name, func(t *testing.T) {
			cert, err := tls.X509KeyPair(xmpptest.Ours().Issue(tc.cert))
			if err != nil {
				t.Fatal(err)
			}
			asked := make(chan string, 10)
			far := afar(t, func(c *framing.Conn) {
				if answer(c) == nil {
					_, _ = c.Read(context.Background())
				}
			}, func(c *tls.Config) {
				c.Certificates = []tls.Certificate{cert}
				c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
					asked <- hello.ServerName
					return nil, nil
				}
			})
			meta := fmt.Sprintf(`{"xmpp":{"ttl":60},"links":[{"rel":%q,"href":%q,"priority":1,"weight":1,"sni":"s2s.b.test","ips":["127.0.0.9","127.0.0.1"]}]}`,
				discover.RelServers, strings.Replace(far, "localhost", "host.invalid", 1))
			a := federate(t, "a.test", "127.0.0.1:1", names{}, func(c *FederationConfig) {
				c.Find = &discover.Finder{Fetch: body(meta), Rel: discover.RelServers}
			})
			_, h, e := initiate(t, a.tcp, "a.test", "b.test")
			if failed := framing.ReadStreamError(e); (failed == nil) != tc.good || tc.good && h.ID != "far1" {
				t.Errorf("our server got %+v, %s", h, e)
			}
			if got := <-asked; got != "s2s.b.test" {
				t.Errorf("it asked for %q", got)
			}
		})
	}
}

// R01, R02, R05: a server that is sent elsewhere goes there, over wss alone, and not in circles.
func TestR01_R02_R05_ServerSentElsewhere(t *testing.T) {
	good := afar(t, func(c *framing.Conn) {
		if answer(c) == nil {
			_, _ = c.Read(context.Background())
		}
	})
	for name, tc := range map[string]struct {
		to   func(own string) string
		good bool
	}{
		"elsewhere": {func(string) string { return good }, true},
		"ws":        {func(string) string { return "ws" + strings.TrimPrefix(good, "wss") }, false},
		"hidden ws": {func(string) string { return "ws://evil.test/?wss:" }, false},
		"https":     {func(string) string { return "https" + strings.TrimPrefix(good, "wss") }, false},
		"itself":    {func(own string) string { return own }, false},
		"nonsense":  {func(string) string { return "elsewhere" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			own := ""
			own = afar(t, func(c *framing.Conn) {
				_, _ = c.Read(context.Background())
				_ = c.Redirect(context.Background(), tc.to(own))
			})
			a := federate(t, "a.test", "127.0.0.1:1", names{"b.test": own})
			_, h, e := initiate(t, a.tcp, "a.test", "b.test")
			if failed := framing.ReadStreamError(e); (failed == nil) != tc.good || tc.good && h.ID != "far1" {
				t.Errorf("our server got %+v, %s", h, e)
			}
		})
	}
}

// Sec97: what the other server says unasked ends the stream, and nothing of it reaches ours.
func TestSec97_UnsolicitedFromAfar(t *testing.T) {
	for name, doc := range map[string]*framing.Element{
		"result": framing.New(framing.NSDialback, "result").Set("from", "b.test").Set("to", "a.test").Set("type", "valid"),
		"verify": framing.New(framing.NSDialback, "verify").Set("from", "b.test").Set("to", "a.test").Set("id", "1").Set("type", "valid"),
		"key":    framing.New(framing.NSDialback, "result").Set("from", "b.test").Set("to", "a.test").AddText("key"),
		"stanza": framing.New(framing.NSServer, "message").Set("from", "x@b.test").Set("to", "ada@a.test"),
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			far := afar(t, func(c *framing.Conn) {
				if answer(c) != nil {
					return
				}
				_ = c.Write(context.Background(), doc)
				_, err := c.Read(context.Background())
				ended <- err
			})
			a := federate(t, "a.test", "127.0.0.1:1", names{"b.test": far})
			p, _, _ := initiate(t, a.tcp, "a.test", "b.test")
			if failed := framing.ReadStreamError(p.next()); failed == nil || failed.Condition != framing.RemoteConnectionFailed {
				t.Errorf("our server got %v", failed)
			}
			var failed *framing.StreamError
			if err := <-ended; !errors.As(err, &failed) {
				t.Errorf("the other got %v", err)
			}
		})
	}
}

// When natter stops, servers are sent elsewhere after what ours still has to say.
func TestV18_FederationDrained(t *testing.T) {
	const two = "wss://two.b.test/s2s"
	f, heard := receiving(t, func(c *FederationConfig) { c.Domains[0].Elsewhere = []string{two} })
	w := f.server(t)
	w.join()
	<-heard
	drained := make(chan error, 1)
	go func() { drained <- f.Drain(t.Context(), 0) }()
	if e := w.expect("close"); e.Attr("see-other-uri") != two {
		t.Errorf("closed with %s", e)
	}
	w.write(framing.Close(framing.NSFramingServer, "").String())
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if _, response, err := websocket.Dial(t.Context(), f.wss, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: trusting()}}, Subprotocols: []string{"xmpp"},
	}); err == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a newcomer got %v", err)
	}
}

// A key that one gateway has made is known by another with the same secret, and by none with
// another.
func TestSec97_KeysOfGateways(t *testing.T) {
	made := func(secret string) *Federation {
		f, err := NewFederation(FederationConfig{Domains: []Domain{{Name: "a.test", Backends: []Backend{{Address: "127.0.0.1:1"}}}}, Secret: []byte(secret)})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	one, same, other := made("one secret"), made("one secret"), made("")
	verify := func(from, to, id string) *framing.Element {
		return framing.New(framing.NSDialback, "verify").Set("from", from).Set("to", to).Set("id", id).AddText(one.key("a.test", "b.test", "7"))
	}
	for _, tc := range []struct {
		f    *Federation
		e    *framing.Element
		ours bool
	}{
		{one, verify("a.test", "b.test", "7"), true},
		{same, verify("a.test", "b.test", "7"), true},
		{other, verify("a.test", "b.test", "7"), false},
		{one, verify("a.test", "b.test", "8"), false},
		{one, verify("a.test", "c.test", "7"), false},
		{one, verify("b.test", "a.test", "7"), false},
	} {
		if got := tc.f.isOurs(tc.e); got != tc.ours {
			t.Errorf("%s is ours: %v", tc.e, got)
		}
	}
}

// What a server is asked to remember has a bound, and so has what it may say before it has
// shown who it is.
func TestSec96_ServersAreBounded(t *testing.T) {
	t.Run("domains", func(t *testing.T) {
		d := newDialogue()
		for i := range maxPairs {
			e := framing.New(framing.NSDialback, "result").Set("from", fmt.Sprintf("%d.test", i)).Set("to", "b.test")
			if wrong := d.initiates(e); wrong != nil {
				t.Fatalf("%d: %v", i, wrong)
			}
		}
		e := framing.New(framing.NSDialback, "result").Set("from", "more.test").Set("to", "b.test")
		if wrong := d.initiates(e); wrong == nil || wrong.Condition != framing.ResourceConstraint {
			t.Errorf("one more: %v", wrong)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		f, _ := receiving(t, func(c *FederationConfig) { c.Limits.BytesBefore = 1000 })
		w := f.server(t)
		w.write(openBetween)
		w.expect("open")
		w.expect("features")
		w.write(`<result xmlns="jabber:server:dialback" from="a.test" to="b.test">` + strings.Repeat("k", 1000) + `</result>`)
		w.broken(framing.PolicyViolation)
	})
	t.Run("time", func(t *testing.T) {
		f, _ := receiving(t, func(c *FederationConfig) { c.Limits.Login = 50 * time.Millisecond })
		w := f.server(t)
		w.write(openBetween)
		w.expect("open")
		w.expect("features")
		w.broken(framing.ConnectionTimeout)
	})
	t.Run("streams", func(t *testing.T) {
		f, _ := receiving(t, func(c *FederationConfig) { c.Limits.Streams = 1 })
		f.server(t).join()
		if s, err := native.Dial(t.Context(), f.wss, native.Options{TLSConfig: trusting()}); err == nil {
			_ = s.Close(1000, "")
			t.Error("a second stream was let in")
		}
	})
}

// A socket that is lost is lost on the other side too.
func TestSec92_ServerLost(t *testing.T) {
	lost := make(chan struct{})
	b := newBackend(t, func(p *peer) {
		p.receives("b7")
		e := p.next()
		p.say(e, "valid")
		<-lost // and it is gone
	})
	f := federate(t, "b.test", b.addr, names{})
	w := f.server(t)
	w.join()
	close(lost)
	w.ends(1013)
	ended := make(chan error, 1)
	b = newBackend(t, func(p *peer) {
		p.receives("b7")
		_, err := p.stay()
		ended <- err
	})
	f = federate(t, "b.test", b.addr, names{})
	w = f.server(t)
	w.write(openBetween)
	w.expect("open")
	w.expect("features")
	_ = w.socket.Close(1000, "")
	if err := <-ended; err == framing.ErrClosed {
		t.Error("our server was told that the stream had ended in good order")
	}
}

// ejabberd is told that all servers are here.
func TestServeNames(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { _ = ServeNames(conn, netip.MustParseAddrPort("127.0.0.1:5270")) }()
	ask, err := net.Dial("udp", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer ask.Close()
	_ = ask.SetDeadline(time.Now().Add(time.Minute))
	for name, want := range map[string]string{"_XMPP-server._tcp.b.test.": "127.0.0.1.:5270", "_xmpps-server._tcp.b.test.": ""} {
		m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{
			{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeSRV, Class: dnsmessage.ClassINET}}}
		packed, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = ask.Write([]byte("nonsense")) // gets no answer
		_, _ = ask.Write(packed)
		buf := make([]byte, 512)
		n, err := ask.Read(buf)
		if err != nil || m.Unpack(buf[:n]) != nil || m.ID != 7 || !m.Response {
			t.Fatalf("%v: %+v", err, m)
		}
		got := ""
		for _, r := range m.Answers {
			srv := r.Body.(*dnsmessage.SRVResource)
			got += fmt.Sprintf("%s:%d", srv.Target, srv.Port)
		}
		if got != want || (m.RCode == dnsmessage.RCodeNameError) != (want == "") {
			t.Errorf("%s is at %q, %v", name, got, m.RCode)
		}
	}
}

// Messages stand alone, and have the prefixes by which servers that read no namespaces know
// them.
func TestW02_PrefixesBetweenServers(t *testing.T) {
	for _, tc := range []struct {
		e    *framing.Element
		want string
	}{
		{framing.New(framing.NSStream, "features").Add(framing.New(nsDialbackFeature, "dialback")),
			`<stream:features xmlns="jabber:server" xmlns:stream="http://etherx.jabber.org/streams"><dialback xmlns="urn:xmpp:features:dialback"/></stream:features>`},
		{framing.New(framing.NSDialback, "result").Set("to", "b.test").AddText("key"),
			`<db:result xmlns="jabber:server" xmlns:db="jabber:server:dialback" to="b.test">key</db:result>`},
		{framing.New(framing.NSStream, "features"), `<stream:features xmlns="jabber:server" xmlns:stream="http://etherx.jabber.org/streams"></stream:features>`},
		{framing.New(framing.NSServer, "iq"), `<iq xmlns="jabber:server"/>`},
		{framing.Close(framing.NSFramingServer, ""), `<close xmlns="urn:ietf:params:xml:ns:xmpp-framing-server"/>`},
	} {
		got := standalone(tc.e)
		if got != tc.want {
			t.Errorf("wrote %s", got)
		}
		if e, err := framing.Parse(got, framing.Limits{}); err != nil || e.String() != tc.e.String() {
			t.Errorf("read back %s, %v", e, err)
		}
	}
}

// The frames that xmpp-proxy 1.1.0 sends in front of Prosody 13, as they were seen (make
// federation PEER=xmpp-proxy): it replaces text, so that what its header declares for db is
// wrong, and ends with the <close/> of clients.
func TestW01_XMPPProxyFrames(t *testing.T) {
	a, _, heard := neighbours(t)
	cert, err := tls.X509KeyPair(xmpptest.Ours().Issue("b.test"))
	if err != nil {
		t.Fatal(err)
	}
	config := trusting()
	config.Certificates = []tls.Certificate{cert}
	s, err := native.Dial(t.Context(), a.wss, native.Options{TLSConfig: config, Header: http.Header{"Origin": {strings.TrimSuffix("https"+strings.TrimPrefix(a.wss, "wss"), "/s2s")}}})
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t, s}
	const open = `<open version='1.0' id='' xmlns:stream='http://etherx.jabber.org/streams' xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' to='a.test' xml:lang='en' from='b.test' xmlns:db='urn:ietf:params:xml:ns:xmpp-framing-server:dialback'/>`
	w.write(open)
	w.expect("open")
	if e := w.expect("features"); e.Child(nsSASL, "mechanisms") == nil {
		t.Fatalf("offered %s", e)
	}
	w.write(`<auth mechanism='EXTERNAL' xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Yi50ZXN0</auth>`)
	w.expect("success")
	if e := <-heard; !e.Is(framing.NSDialback, "result") || e.Attr("from") != "b.test" {
		t.Errorf("our server got %s", e)
	}
	w.write(open)
	w.expect("open")
	w.expect("features")
	w.write(`<message id='6WCH' to='ada@a.test/aFRw' xml:lang='en' from='grace@b.test/Natter' type='chat' xmlns='jabber:server'><body>hello from b.test</body></message>`)
	if e := <-heard; e.Child(framing.NSServer, "body").Text() != "hello from b.test" {
		t.Errorf("our server got %s", e)
	}
	w.write(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" />`)
	w.expect("close")
}

// Who shows a certificate for one domain does not sign in as another, nor by another way.
func TestW01_ExternalRefused(t *testing.T) {
	a, _, heard := neighbours(t)
	cert, err := tls.X509KeyPair(xmpptest.Ours().Issue("b.test"))
	if err != nil {
		t.Fatal(err)
	}
	config := trusting()
	config.Certificates = []tls.Certificate{cert}
	begin := func(t *testing.T) *wire {
		s, err := native.Dial(t.Context(), a.wss, native.Options{TLSConfig: config})
		if err != nil {
			t.Fatal(err)
		}
		w := &wire{t, s}
		w.write(`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing-server" to="a.test" from="b.test" version="1.0"/>`)
		w.expect("open")
		w.expect("features")
		return w
	}
	auth := func(mechanism, initial string) string {
		return framing.New(nsSASL, "auth").Set("mechanism", mechanism).AddText(initial).String()
	}
	for name, tc := range map[string]struct{ doc, condition string }{
		"another domain": {auth("EXTERNAL", "ZXZpbC50ZXN0"), "invalid-authzid"},
		"no base64":      {auth("EXTERNAL", "&&"), "incorrect-encoding"},
		"PLAIN":          {auth("PLAIN", "AGEAYg=="), "invalid-mechanism"},
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t)
			for range 3 {
				w.write(tc.doc)
				if e := w.expect("failure"); e.Child(nsSASL, tc.condition) == nil {
					t.Errorf("refused with %s", e)
				}
			}
			w.broken(framing.PolicyViolation)
		})
	}
	t.Run("another domain after it", func(t *testing.T) { // CVE-2018-10847
		w := begin(t)
		w.write(auth("EXTERNAL", "="))
		w.expect("success")
		<-heard
		w.write(`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing-server" to="a.test" from="evil.test" version="1.0"/>`)
		w.broken(framing.PolicyViolation)
	})
	t.Run("dialback instead", func(t *testing.T) {
		w := begin(t)
		w.write(`<db:verify xmlns:db="jabber:server:dialback" from="b.test" to="a.test" id="7">key of 7</db:verify>`)
		if e := w.expect("verify"); e.Attr("type") != "valid" {
			t.Errorf("answered with %s", e)
		}
		<-heard
	})
}
