//go:build !js

package xmpptest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"mellium.im/sasl"
)

const open = `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='peer.test' version='1.0'/>`

// dialer is the smallest client: a WebSocket and the wish to fail loudly.
type dialer struct {
	t testing.TB
	*websocket.Conn
}

func dial(t testing.TB, url string, client *http.Client) dialer {
	t.Helper()
	ws, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{
		Subprotocols: []string{"xmpp"}, HTTPClient: client,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	ws.SetReadLimit(-1)
	return dialer{t, ws}
}

func (d dialer) send(format string, args ...any) {
	d.t.Helper()
	if err := d.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		d.t.Fatal(err)
	}
}

// expect reads the next message and returns it; parts must be in it.
func (d dialer) expect(parts ...string) string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, b, err := d.Read(ctx)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, part := range parts {
		if !strings.Contains(string(b), part) {
			d.t.Fatalf("got %s; expected %q in it", b, part)
		}
	}
	return string(b)
}

// gone returns the close code, -1 without one.
func (d dialer) gone() int {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, b, err := d.Read(ctx)
	if err == nil {
		d.t.Fatalf("got %q instead of the end", b)
	}
	if ctx.Err() != nil {
		d.t.Fatal("the peer did not end the connection")
	}
	return int(websocket.CloseStatus(err))
}

func trusting(s *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: s}}
}

func TestPeer(t *testing.T) {
	for _, tc := range []struct {
		name   string
		script func(*PeerConn)
		client func(dialer)
	}{
		{"subprotocol", func(c *PeerConn) { c.Accept("xmpp"); c.ExpectGone() },
			func(d dialer) {
				if d.Subprotocol() != "xmpp" {
					d.t.Errorf("subprotocol %q", d.Subprotocol())
				}
			}},
		{"H02 without subprotocol", func(c *PeerConn) { c.Accept(""); c.ExpectGone() },
			func(d dialer) {
				if d.Subprotocol() != "" {
					d.t.Errorf("subprotocol %q", d.Subprotocol())
				}
			}},
		{"open and features", func(c *PeerConn) { c.Open(Mechanisms("PLAIN")); c.ExpectGone() },
			func(d dialer) {
				d.send(open)
				d.expect("<open", "from='peer.test'", "id='stream-0-1'")
				d.expect("<mechanism>PLAIN</mechanism>")
			}},
		{"split", func(c *PeerConn) { c.SendSplit("<message>", "", "</mess", "age>"); c.ExpectGone() },
			func(d dialer) { d.expect("<message></message>") }},
		{"large", func(c *PeerConn) { c.SendSplit(strings.Repeat("a", 70000), strings.Repeat("b", 300)); c.ExpectGone() },
			func(d dialer) {
				if got := d.expect(); len(got) != 70300 {
					d.t.Errorf("%d bytes", len(got))
				}
			}},
		{"ping", func(c *PeerConn) { c.Ping(); c.Send("<x/>"); c.Expect("<y") },
			func(d dialer) { d.expect("<x/>"); d.send("<y/>") }},
		{"binary", func(c *PeerConn) { c.SendBinary("<x/>"); c.ExpectGone() },
			func(d dialer) {
				if kind, _, err := d.Read(context.Background()); err != nil || kind != websocket.MessageBinary {
					d.t.Errorf("kind %v, %v", kind, err)
				}
			}},
		{"close code", func(c *PeerConn) { c.Close(4321, "because") },
			func(d dialer) {
				if code := d.gone(); code != 4321 {
					d.t.Errorf("code %d", code)
				}
			}},
		{"close without code", func(c *PeerConn) { c.Close(0, "") },
			func(d dialer) {
				if code := d.gone(); code != int(websocket.StatusNoStatusRcvd) {
					d.t.Errorf("code %d", code)
				}
			}},
		{"drop", func(c *PeerConn) { c.Send("<x/>"); c.Drop() },
			func(d dialer) {
				d.expect("<x/>")
				if code := d.gone(); code != -1 {
					d.t.Errorf("code %d", code)
				}
			}},
		{"redirect", func(c *PeerConn) { c.Redirect("wss://other.test/ws?a=1&b=2") },
			func(d dialer) {
				d.send(open)
				d.expect("<close", "see-other-uri='wss://other.test/ws?a=1&amp;b=2'")
			}},
		{"stream error", func(c *PeerConn) { c.StreamError("conflict", "replaced") },
			func(d dialer) {
				d.expect("<conflict", "replaced")
				d.expect("<close")
			}},
		{"closing", func(c *PeerConn) { c.Live() },
			func(d dialer) {
				d.send(`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`)
				d.expect("<close")
				if err := d.Close(websocket.StatusNormalClosure, ""); err != nil {
					d.t.Errorf("the closing handshake: %v", err)
				}
			}},
		{"living", func(c *PeerConn) { c.JID = "a@b/c"; c.Live() },
			func(d dialer) {
				d.send(`<enable xmlns='urn:xmpp:sm:3' resume='true'/>`)
				d.expect("<enabled", "resume='true'")
				d.send(`<iq xmlns='jabber:client' id='1' type='get'><query xmlns='jabber:iq:roster'/></iq>`)
				d.expect("id='1'", "to='a@b/c'", "type='result'", "jabber:iq:roster")
				d.send(`<iq xmlns='jabber:client' id='2' to='x@y' type='get'><query xmlns='urn:example:nothing'/></iq>`)
				d.expect("id='2'", "from='x@y'", "service-unavailable")
				d.send(`<presence xmlns='jabber:client'/>`)
				d.send(`<r xmlns='urn:xmpp:sm:3'/>`)
				d.expect("<a ", "h='3'")
			}},
		{"M resume", func(c *PeerConn) { c.Resume("a@b/c", 7); c.Live() },
			func(d dialer) {
				d.send(`<resume xmlns='urn:xmpp:sm:3' previd='sm&amp;0' h='2'/>`)
				d.expect("<resumed", "previd='sm&amp;0'", "h='7'")
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := NewPeer(t, tc.script)
			d := dial(t, p.URL, nil)
			tc.client(d)
			_ = d.CloseNow()
		})
	}
}

func TestPeerTLS(t *testing.T) {
	p := NewTLSPeer(t, func(c *PeerConn) { c.Send("<hello/>"); c.ExpectGone() }, "peer.test")
	dial(t, p.URL, trusting(&tls.Config{RootCAs: p.CA})).expect("<hello/>")
	dial(t, p.URL, trusting(&tls.Config{RootCAs: p.CA, ServerName: "peer.test"})).expect("<hello/>")
	if ws, _, err := websocket.Dial(context.Background(), p.URL, nil); err == nil {
		_ = ws.CloseNow()
		t.Error("a stranger to the authority got in")
	}
}

// TestPeerSubprotocol shows a peer that speaks something nobody asked for.
func TestPeerSubprotocol(t *testing.T) {
	p := NewPeer(t, func(c *PeerConn) { c.Accept("chat"); c.Drop() })
	ws, resp, err := websocket.Dial(context.Background(), p.URL, &websocket.DialOptions{Subprotocols: []string{"xmpp"}})
	if err == nil {
		_ = ws.CloseNow()
		t.Fatal("coder/websocket let it pass")
	}
	if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != "chat" {
		t.Errorf("subprotocol %q", got)
	}
}

func TestPeerRefuses(t *testing.T) {
	p := NewPeer(t, func(c *PeerConn) {
		if c.N == 0 {
			c.Refuse(http.StatusFound, "http://other.test/ws")
			return
		}
		c.Stall()
	})
	_, resp, err := websocket.Dial(context.Background(), p.URL, &websocket.DialOptions{HTTPClient: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err == nil || resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != "http://other.test/ws" {
		t.Errorf("refusal: %v, %v", resp, err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	stalled := make(chan error)
	go func() {
		_, _, err := websocket.Dial(ctx, p.URL, nil)
		stalled <- err
	}()
	waitFor(t, "the second connection", func() bool { return p.Connections() == 2 })
	cancel()
	if err := <-stalled; !errors.Is(err, context.Canceled) {
		t.Errorf("stall: %v", err)
	}
}

// TestPeerStallsClose shows a peer that never answers the client's close.
func TestPeerStallsClose(t *testing.T) {
	t.Parallel() // coder/websocket waits five seconds for the answer
	drained := make(chan struct{})
	p := NewPeer(t, func(c *PeerConn) { c.Send("<x/>"); c.Stall(); close(drained) })
	d := dial(t, p.URL, nil)
	d.expect("<x/>")
	if err := d.Close(websocket.StatusNormalClosure, ""); err == nil {
		t.Error("the close was answered")
	}
	<-drained
}

// TestPeerSCRAM plays the server's side against mellium.im/sasl.
func TestPeerSCRAM(t *testing.T) {
	for _, tc := range []struct {
		mechanism sasl.Mechanism
		password  string
		ok        bool
	}{
		{sasl.Plain, "pencil", true},
		{sasl.Plain, "wrong", false},
		{sasl.ScramSha1, "pencil", true},
		{sasl.ScramSha256, "pencil", true},
		{sasl.ScramSha256, "wrong", false},
	} {
		t.Run(fmt.Sprint(tc.mechanism.Name, tc.ok), func(t *testing.T) {
			watched := &failures{TB: t}
			p := NewPeer(t, func(c *PeerConn) {
				c.Login(tc.mechanism.Name, "us,er", "pencil")
				c.ExpectGone()
			})
			p.t = watched
			d := dial(t, p.URL, nil)
			ok := login(d, tc.mechanism, "us,er", tc.password)
			if ok != tc.ok {
				t.Errorf("logged in: %v", ok)
			}
			_ = d.CloseNow()
			waitFor(t, "the verdict", func() bool { return watched.any() != tc.ok })
		})
	}
}

// login plays a client; false if the peer hung up.
func login(d dialer, mechanism sasl.Mechanism, user, password string) bool {
	d.t.Helper()
	d.send(open)
	d.expect("<open")
	d.expect(mechanism.Name)
	client := sasl.NewClient(mechanism, sasl.Credentials(func() (u, p, id []byte) {
		return []byte(user), []byte(password), nil
	}))
	_, resp, err := client.Step(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.send(`<auth xmlns='%s' mechanism='%s'>%s</auth>`, nsSASL, mechanism.Name, base64.StdEncoding.EncodeToString(resp))
	for {
		_, b, err := d.Read(context.Background())
		if err != nil {
			return false
		}
		e, err := parse(string(b))
		if err != nil {
			d.t.Fatal(err)
		}
		data, err := base64.StdEncoding.DecodeString(e.Text())
		if err != nil {
			d.t.Fatal(err)
		}
		if e.Name.Local == "success" {
			if len(data) > 0 {
				if _, _, err := client.Step(data); err != nil {
					d.t.Fatalf("the server's signature: %v", err)
				}
			}
			break
		}
		_, resp, err := client.Step(data)
		if err != nil {
			d.t.Fatal(err)
		}
		d.send(`<response xmlns='%s'>%s</response>`, nsSASL, base64.StdEncoding.EncodeToString(resp))
	}
	d.send(open)
	d.expect("<open")
	d.expect("<bind")
	d.send(`<iq xmlns='jabber:client' id='b' type='set'><bind xmlns='%s'><resource>here</resource></bind></iq>`, nsBind)
	d.expect("id='b'", "<jid>us,er@peer.test/here</jid>")
	return true
}

func TestPeerSASL2(t *testing.T) {
	p := NewPeer(t, func(c *PeerConn) {
		c.LoginSASL2("PLAIN", "ada", "pw")
		c.Live()
	})
	d := dial(t, p.URL, nil)
	d.send(open)
	d.expect("<open")
	d.expect("urn:xmpp:sasl:2", "urn:xmpp:bind:0")
	d.send(`<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>%s</initial-response>`+
		`<bind xmlns='urn:xmpp:bind:0'><tag>Natter</tag><enable xmlns='urn:xmpp:sm:3'/></bind></authenticate>`,
		base64.StdEncoding.EncodeToString([]byte("\x00ada\x00pw")))
	d.expect("<success", "<authorization-identifier>ada@peer.test/Natter.1<", "<bound", "<enabled xmlns='urn:xmpp:sm:3'")
	d.expect("features")
	d.send(`<presence xmlns='jabber:client'/>`)
	d.send(`<r xmlns='urn:xmpp:sm:3'/>`)
	d.expect("h='1'")
}

// TestPeerJudges shows that a client that breaks the rules of a frame fails its test.
func TestPeerJudges(t *testing.T) {
	for _, tc := range []struct {
		message string
		ok      bool
	}{
		{`<message xmlns='jabber:client'/>`, true},
		{`<message/>`, false},
		{` <message xmlns='jabber:client'/>`, false},
		{`<?xml version='1.0'?><message xmlns='jabber:client'/>`, false},
		{`<message xmlns='jabber:client'/><message xmlns='jabber:client'/>`, false},
		{`<message xmlns='jabber:client'>`, false},
		{`<message xmlns='jabber:client'/> `, false},
		{``, false},
	} {
		watched := &failures{TB: t}
		finished := make(chan struct{})
		p := NewPeer(t, func(c *PeerConn) {
			defer close(finished)
			c.Next()
		})
		p.t = watched
		dial(t, p.URL, nil).send("%s", tc.message)
		<-finished
		if watched.any() == tc.ok {
			t.Errorf("%q: accepted %v", tc.message, !tc.ok)
		}
	}
}

// failures is a test that counts its failures instead of failing.
type failures struct {
	testing.TB
	mu sync.Mutex
	n  int
}

func (f *failures) Errorf(string, ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
}

func (f *failures) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n > 0
}
