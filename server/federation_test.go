package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// neighbour is a domain's server: it takes whom the authoritative server vouches for, which it
// asks through its own natter, and hands on what they say.
type neighbour struct {
	t      *testing.T
	domain string
	natter string // where its natter listens
	heard  chan *framing.Element
}

func (n *neighbour) listen() (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go n.receive(c)
		}
	}()
	return l.Addr().String()
}

func (n *neighbour) receive(c net.Conn) {
	defer c.Close()
	in := framing.NewStreamReader(c, framing.Limits{})
	e, err := in.Next()
	if err != nil {
		return
	}
	h, _ := framing.ReadHeader(e)
	features := framing.New(framing.NSStream, "features").Add(framing.New("urn:xmpp:features:dialback", "dialback"))
	id := c.RemoteAddr().String()
	_, _ = c.Write(features.AppendWithin(framing.Open{From: n.domain, To: h.From, ID: id, Version: "1.0"}.AppendHeader(nil, framing.NSServer), framing.NSServer))
	for {
		e, err := in.Next()
		if err != nil {
			_, _ = c.Write([]byte(framing.StreamEnd))
			return
		}
		if !e.Is(framing.NSDialback, "result") {
			n.heard <- e
			continue
		}
		verify := framing.New(framing.NSDialback, "verify").Set("from", n.domain).Set("to", e.Attr("from")).Set("id", id).AddText(e.Text())
		verdict := n.call(e.Attr("from"), verify).Attr("type")
		result := framing.New(framing.NSDialback, "result").Set("from", n.domain).Set("to", e.Attr("from")).Set("type", verdict)
		_, _ = c.Write(result.AppendWithin(nil, framing.NSServer))
	}
}

// call opens a stream to another domain, says the first and, when that is answered, the rest.
// It returns the answer.
func (n *neighbour) call(to string, first *framing.Element, rest ...*framing.Element) *framing.Element {
	c, err := net.Dial("tcp", n.natter)
	if err != nil {
		return nil
	}
	n.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = c.Write(first.AppendWithin(framing.Open{From: n.domain, To: to, Version: "1.0"}.AppendHeader(nil, framing.NSServer), framing.NSServer))
	in := framing.NewStreamReader(c, framing.Limits{})
	for {
		e, err := in.Next()
		if err != nil || e.Name.Space == framing.NSDialback {
			for _, r := range rest {
				_, _ = c.Write(r.AppendWithin(nil, framing.NSServer))
			}
			return e
		}
	}
}

// W01, W03: two natters, each a program of its own with a configuration like anybody's, find
// each other by host-meta and sign in by certificate.
func TestW01_W03_TwoNatters(t *testing.T) {
	ca := xmpptest.NewAuthority()
	dir := t.TempDir()
	bundle := filepath.Join(dir, "bundle")
	if err := os.CopyFS(bundle, tiny(t)); err != nil {
		t.Fatal(err)
	}
	f := &files{t: t}
	f.write(filepath.Join(dir, "ca.pem"), string(ca.CertPEM))
	at := map[string]string{} // where names lead
	var servers []*neighbour
	logs := map[string]*lines{}
	type program struct{ config, domain string }
	var programs []program
	for _, domain := range []string{"a.test", "b.test"} {
		listen := xmpptest.FreeAddress(t)
		at[domain+":443"], at["s2s."+domain+":443"] = listen, listen
		n := &neighbour{t, domain, xmpptest.FreeAddress(t), make(chan *framing.Element, 10)}
		servers = append(servers, n)
		cert, key := ca.Issue(domain, "chat."+domain, "s2s."+domain)
		certFile, keyFile, config := filepath.Join(dir, domain+".pem"), filepath.Join(dir, domain+".key"), filepath.Join(dir, domain+".json")
		f.write(certFile, string(cert))
		f.write(keyFile, string(key))
		data, err := json.Marshal(map[string]any{
			"listen": listen, "publicURL": "https://chat." + domain + "/", "hostMeta": true,
			"tls": map[string]any{"files": []any{map[string]any{"cert": certFile, "key": keyFile}}},
			"domains": []any{map[string]any{"name": domain, "websocket": "wss://chat." + domain + "/ws", "federation": map[string]any{
				"websocket": "wss://s2s." + domain + "/s2s", "servers": []any{map[string]any{"address": n.listen()}}}}},
			"federation": map[string]any{"listen": n.natter}, "gateway": map[string]any{"drainSeconds": 0},
		})
		if err != nil {
			t.Fatal(err)
		}
		f.write(config, string(data))
		programs = append(programs, program{config, domain})
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tunnel(w, r, at[r.Host]) }))
	defer web.Close()
	for _, p := range programs {
		cmd := exec.Command(os.Args[0], "-config", p.config)
		cmd.Env = append(os.Environ(), "NATTER_TEST_BUNDLE="+bundle, "SSL_CERT_FILE="+filepath.Join(dir, "ca.pem"), "HTTPS_PROXY="+web.URL)
		said := &lines{}
		logs[p.domain] = said
		cmd.Stdout, cmd.Stderr = said, said
		process := spawn(t, cmd)
		until(t, "it runs", func() bool {
			if process.over() {
				t.Fatal(said)
			}
			return strings.Contains(said.String(), "stops it.")
		})
	}
	a, b := servers[0], servers[1]
	result := framing.New(framing.NSDialback, "result").Set("from", "a.test").Set("to", "b.test").AddText("key")
	message := framing.New(framing.NSServer, "message").Set("from", "ada@a.test").Set("to", "bob@b.test").Add(framing.New(framing.NSServer, "body").AddText("hello"))
	if got := a.call("b.test", result, message); got.Attr("type") != "valid" {
		t.Fatalf("a.test is told %s\n%s\n%s", got, logs["a.test"], logs["b.test"])
	}
	select {
	case e := <-b.heard:
		if e.String() != message.String() {
			t.Errorf("b.test heard %s", e)
		}
	case <-time.After(time.Minute):
		t.Errorf("b.test heard nothing\n%s\n%s", logs["a.test"], logs["b.test"])
	}
	for domain, direction := range map[string]string{"a.test": "out", "b.test": "in"} {
		until(t, "the log of "+domain+" says how", func() bool {
			log := logs[domain].String()
			return strings.Contains(log, "direction="+direction) && strings.Contains(log, "by=external")
		})
	}
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
