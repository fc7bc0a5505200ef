package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	servers, resolver := free(t), free(t)
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
