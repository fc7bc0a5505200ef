package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
)

// serverBackend is a domain's server that answers each stream of another with its header
// and features.
func serverBackend(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := framing.NewStreamReader(c, framing.Limits{})
				if _, err := in.Next(); err != nil {
					return
				}
				features := framing.New(framing.NSStream, "features").Add(framing.New("urn:xmpp:features:dialback", "dialback"))
				_, _ = c.Write(features.AppendWithin(framing.Open{From: "example.org", ID: "1", Version: "1.0"}.AppendHeader(nil, framing.NSServer), framing.NSServer))
				for {
					if _, err := in.Next(); err != nil {
						_, _ = c.Write([]byte(framing.StreamEnd))
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// A domain with federation has its WebSocket for servers here, and host-meta says so; its own
// server is heard, and told why another cannot be reached; the figures count both.
func TestW03_ServeFederation(t *testing.T) {
	f := newFiles(t)
	cert, key := f.ca.Issue("chat.example.org", "s2s.example.org", "example.org", "rooms.example.org")
	f.write(f.cert, string(cert))
	f.write(f.key, string(key))
	servers, resolver := xmpptest.FreeAddress(t), xmpptest.FreeAddress(t)
	c := map[string]any{
		"listen": f.mainListen, "publicURL": "https://chat.example.org/", "hostMeta": true,
		"tls":     map[string]any{"files": []any{map[string]any{"cert": f.cert, "key": f.key}}},
		"metrics": map[string]any{"listen": f.metrics},
		"domains": []any{map[string]any{"name": "example.org", "websocket": "wss://chat.example.org/ws",
			"federation": map[string]any{"websocket": "wss://s2s.example.org/s2s", "services": []string{"rooms.example.org"},
				"servers": []any{map[string]any{"address": serverBackend(t)}}}}},
		"federation": map[string]any{"listen": servers, "names": resolver},
		"gateway":    map[string]any{"drainSeconds": 0},
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "natter.json")
	f.write(name, string(data))
	n := started(t, tiny(t), "-config", name)

	for _, host := range []string{"example.org", "rooms.example.org"} {
		if _, text := get(t, f.client(), "https://"+host+"/.well-known/host-meta.json"); !strings.Contains(text, "wss://s2s.example.org/s2s") {
			t.Errorf("%s: %s", host, text)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	asked := map[string]bool{}
	for _, host := range []string{"s2s.example.org", "chat.example.org"} {
		config := &tls.Config{RootCAs: f.ca.Pool(), ServerName: host, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked[host] = true
			return new(tls.Certificate), nil
		}}
		conn, err := tls.Dial("tcp", f.mainListen, config)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Handshake()
		_ = conn.Close()
	}
	if !asked["s2s.example.org"] || asked["chat.example.org"] {
		t.Errorf("certificates are asked for at %v", asked)
	}
	socket, err := native.Dial(ctx, "wss://"+f.mainListen+"/s2s", native.Options{
		TLSConfig: &tls.Config{RootCAs: f.ca.Pool(), ServerName: "s2s.example.org"}, Header: http.Header{"Host": {"s2s.example.org"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	far := framing.NewConn(socket, framing.ConnOptions{Namespace: framing.NSFramingServer})
	if err := far.Write(ctx, framing.Open{From: "other.test", To: "rooms.example.org", Version: "1.0"}.Element(framing.NSFramingServer)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"open", "features"} {
		if e, err := far.Read(ctx); err != nil || e.Name.Local != want {
			t.Fatalf("instead of %s: %v, %v", want, e, err)
		}
	}

	conn, err := net.Dial("tcp", servers)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(framing.Open{From: "example.org", To: "nowhere.invalid", Version: "1.0"}.AppendHeader(nil, framing.NSServer)); err != nil {
		t.Fatal(err)
	}
	in := framing.NewStreamReader(conn, framing.Limits{})
	if _, err := in.Next(); err != nil {
		t.Fatal(err)
	}
	e, _ := in.Next()
	if failed := framing.ReadStreamError(e); failed == nil || failed.Condition != framing.RemoteConnectionFailed || !strings.Contains(failed.Text, "nowhere.invalid") {
		t.Errorf("our server is told %s", e)
	}
	_, text := get(t, http.DefaultClient, "http://"+f.metrics+"/metrics")
	for _, want := range []string{`natter_federation_streams_opened_total{direction="in"} 1`, `natter_federation_streams_opened_total{direction="out"} 1`, `natter_federation_calls_total{result="unreachable"} 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("not among the figures: %s\n%s", want, text)
		}
	}
	stopped := make(chan int, 1)
	go func() { stopped <- n.stop() }()
	if _, err := far.Read(ctx); err != framing.ErrClosed {
		t.Errorf("when natter stops the other server hears %v", err)
	}
	if code := <-stopped; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// city is natter as a program of its own with a trial server for a domain, configured like
// anybody's.
type city struct {
	t              *testing.T
	domain, listen string
	config         string
	env            []string
	ca             *xmpptest.Authority
	log            *lines
	process        *spawned
}

// start starts it, with nothing of what it knew before.
func (c *city) start() {
	c.t.Helper()
	cmd := exec.Command(os.Args[0], "-config", c.config)
	cmd.Env = append(os.Environ(), c.env...)
	c.log = &lines{}
	cmd.Stdout, cmd.Stderr = c.log, c.log
	c.process = spawn(c.t, cmd)
	until(c.t, "it runs", func() bool {
		if c.process.over() {
			c.t.Fatal(c.log)
		}
		return strings.Contains(c.log.String(), "stops it.")
	})
}

// cities are two whose names lead to each other, and host-meta to their WebSockets.
func cities(t *testing.T) (a, b *city) {
	ca := xmpptest.NewAuthority()
	dir := t.TempDir()
	bundle := filepath.Join(dir, "bundle")
	if err := os.CopyFS(bundle, tiny(t)); err != nil {
		t.Fatal(err)
	}
	f := &files{t: t}
	f.write(filepath.Join(dir, "ca.pem"), string(ca.CertPEM))
	at := map[string]string{} // where names lead
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tunnel(w, r, at[r.Host]) }))
	t.Cleanup(web.Close)
	found := func(domain, name string) *city {
		c := &city{t: t, domain: domain, listen: xmpptest.FreeAddress(t), config: filepath.Join(dir, domain+".json"), ca: ca,
			env: []string{"NATTER_TEST_BUNDLE=" + bundle, "SSL_CERT_FILE=" + filepath.Join(dir, "ca.pem"), "HTTPS_PROXY=" + web.URL}}
		at[domain+":443"], at["s2s."+domain+":443"] = c.listen, c.listen
		cert, key := ca.Issue(domain, "chat."+domain, "s2s."+domain)
		certFile, keyFile := filepath.Join(dir, domain+".pem"), filepath.Join(dir, domain+".key")
		f.write(certFile, string(cert))
		f.write(keyFile, string(key))
		data, err := json.Marshal(map[string]any{
			"listen": c.listen, "publicURL": "https://chat." + domain + "/", "hostMeta": true,
			"tls": map[string]any{"files": []any{map[string]any{"cert": certFile, "key": keyFile}}},
			"domains": []any{map[string]any{"name": domain, "websocket": "wss://chat." + domain + "/ws",
				"trial":      map[string]any{"accounts": []any{map[string]any{"name": name, "password": password}}},
				"federation": map[string]any{"websocket": "wss://s2s." + domain + "/s2s"}}},
			"gateway": map[string]any{"drainSeconds": 0},
		})
		if err != nil {
			t.Fatal(err)
		}
		f.write(c.config, string(data))
		return c
	}
	a, b = found("a.test", "ada"), found("b.test", "bob")
	a.start()
	b.start()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("a.test:\n%s\nb.test:\n%s", a.log, b.log)
		}
	})
	return a, b
}

const password = "correct horse"

// citizen is Natter's core, signed in.
type citizen struct {
	*client.Client
	t       *testing.T
	jid     jid.JID
	changed chan struct{}
}

func (c *city) signIn(name string) *citizen {
	c.t.Helper()
	p := &citizen{t: c.t, jid: jid.JID(name + "@" + c.domain), changed: make(chan struct{}, 1)}
	host := "chat." + c.domain
	p.Client = client.New(client.Config{
		Connector: &connect.Connector{
			Find: &discover.Finder{},
			Dial: func(ctx context.Context, _ string) (framing.Socket, error) {
				return native.Dial(ctx, "wss://"+c.listen+"/ws", native.Options{
					TLSConfig: &tls.Config{RootCAs: c.ca.Pool(), ServerName: host}, Header: http.Header{"Host": {host}},
				})
			},
			Crypto: sasl.Standard{},
			Pins:   pins{},
			NewID:  rand.Text,
		},
	})
	p.Watch(func() {
		select {
		case p.changed <- struct{}{}:
		default:
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { _ = p.Run(ctx); close(over) }()
	c.t.Cleanup(func() { cancel(); <-over })
	p.Do(state.SignIn{Address: string(p.jid), Password: password, Server: "wss://" + host + "/ws"})
	p.until("signed in", func(s *state.State) bool { return s.Connection.Phase == state.Online && s.CaughtUp })
	return p
}

type pins map[jid.JID]bool

func (p pins) SCRAMSeen(account jid.JID) bool { return p[account] }
func (p pins) SetSCRAMSeen(account jid.JID)   { p[account] = true }

// until waits for a state.
func (p *citizen) until(what string, ok func(*state.State) bool) {
	p.t.Helper()
	late := time.After(time.Minute)
	for !ok(p.State()) {
		select {
		case <-p.changed:
		case <-time.After(50 * time.Millisecond):
		case <-late:
			p.t.Fatalf("%s waited in vain: %s; %+v", p.jid, what, p.State().Connection)
		}
	}
}

func (p *citizen) say(to jid.JID, text string) {
	p.Do(state.SendMessage{Conv: state.Direct.With(to), Body: text})
}

// finds waits for a message of a conversation.
func (p *citizen) finds(with jid.JID, what string, ok func(*state.Message) bool) {
	p.t.Helper()
	p.until(what, func(s *state.State) bool {
		c := s.Chat(state.Direct.With(with))
		return c != nil && slices.ContainsFunc(c.Timeline.Newest(40), ok)
	})
}

func (p *citizen) hears(from jid.JID, text string) {
	p.t.Helper()
	p.finds(from, text, func(m *state.Message) bool { return !m.Mine && m.Body == text })
}

func (p *citizen) sees(other jid.JID, there bool) {
	p.t.Helper()
	p.until(fmt.Sprintf("%s is there: %v", other, there), func(s *state.State) bool {
		c := s.Contact(other)
		return c != nil && (c.Presence().Show != "") == there
	})
}

// W01, W03: two natters with a trial server each find each other by host-meta and sign in by
// certificate. Their people ask for each other's presence, see it, and talk; when one is
// stopped, what is sent there comes back with a reason, and when it is back all is as before.
func TestW01_W03_TwoNatters(t *testing.T) {
	a, b := cities(t)
	ada, bob := a.signIn("ada"), b.signIn("bob")
	befriend := func() {
		t.Helper()
		ada.Do(state.AddContact{JID: bob.jid})
		bob.until("asked", func(s *state.State) bool { return s.Contact(ada.jid).Asks() })
		bob.Do(state.AcceptContact{JID: ada.jid})
		ada.until("asked", func(s *state.State) bool {
			c := s.Contact(bob.jid)
			return c.Asks() || c.Subscription == state.SubscriptionBoth
		})
		ada.Do(state.AcceptContact{JID: bob.jid})
		ada.sees(bob.jid, true)
		bob.sees(ada.jid, true)
	}
	befriend()
	ada.say(bob.jid, "hello from a.test")
	bob.hears(ada.jid, "hello from a.test")
	bob.say(ada.jid, "hello from b.test")
	ada.hears(bob.jid, "hello from b.test")
	for _, c := range []*city{a, b} {
		for _, direction := range []string{"in", "out"} {
			until(t, "the log of "+c.domain+" says how", func() bool {
				return strings.Contains(c.log.String(), "direction="+direction+" peer="+map[string]string{"a.test": "b.test", "b.test": "a.test"}[c.domain]+" by=external")
			})
		}
	}

	b.process.stop()
	ada.sees(bob.jid, false)
	ada.say(bob.jid, "are you there?")
	ada.finds(bob.jid, "it came back", func(m *state.Message) bool { return m.Body == "are you there?" && m.Bounced })
	ada.say("x@nowhere.test", "and you?")
	ada.finds("x@nowhere.test", "it came back", func(m *state.Message) bool { return m.Bounced })

	b.start()
	bob = b.signIn("bob")
	ada.say(bob.jid, "there you are")
	bob.hears(ada.jid, "there you are")
	bob.say(ada.jid, "here I am")
	ada.hears(bob.jid, "here I am")
	bob.Do(state.AddContact{JID: ada.jid})
	bob.sees(ada.jid, true)
}

// tunnel lets a CONNECT through to an address.
func tunnel(w http.ResponseWriter, r *http.Request, address string) {
	to, err := net.Dial("tcp", address)
	if r.Method != http.MethodConnect || err != nil {
		http.NotFound(w, r)
		return
	}
	defer to.Close()
	from, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(to, buf) }()
	_, _ = io.Copy(from, to)
}
