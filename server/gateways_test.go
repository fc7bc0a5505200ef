package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
)

// backend answers each client with a header and features, and goes with it.
func backend(t *testing.T) (addr string) {
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
				_, _ = c.Write(append(framing.Open{From: "example.org", ID: "1", Version: "1.0"}.AppendHeader(nil, framing.NSClient), "<stream:features/>"...))
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

// A domain with backends has its WebSocket here. Reading the configuration again leaves
// its clients alone, and SIGTERM sends them to another natter.
func TestServe_Gateway(t *testing.T) {
	first, second, figures := xmpptest.FreeAddress(t), xmpptest.FreeAddress(t), xmpptest.FreeAddress(t)
	server := backend(t)
	file := func(listen, metrics string, elsewhere ...string) string {
		f := &files{t: t}
		name := filepath.Join(t.TempDir(), "natter.json")
		c := map[string]any{
			"listen":  listen,
			"gateway": map[string]any{"origins": []string{"https://chat.example.org"}, "drainSeconds": 0},
			"domains": []any{map[string]any{"name": "example.org", "websocket": "/ws", "elsewhere": append([]string{}, elsewhere...),
				"backends": []any{map[string]any{"address": server}}}},
		}
		if metrics != "" {
			c["metrics"] = map[string]any{"listen": metrics}
		}
		data, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		f.write(name, string(data))
		return name
	}
	other := started(t, tiny(t), "-config", file(second, ""))
	n := started(t, tiny(t), "-config", file(first, figures, "ws://"+second+"/ws"))

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	socket, err := native.Dial(ctx, "ws://"+first+"/ws", native.Options{Header: http.Header{"Origin": {"https://chat.example.org"}}})
	if err != nil {
		t.Fatal(err)
	}
	c := framing.NewConn(socket, framing.ConnOptions{})
	if err := c.Write(ctx, framing.Open{To: "example.org", Version: "1.0"}.Element(framing.NSFraming)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"open", "features"} {
		if e, err := c.Read(ctx); err != nil || e.Name.Local != want {
			t.Fatalf("instead of %s: %v, %v", want, e, err)
		}
	}
	n.reload <- syscall.SIGHUP
	until(t, "the configuration was read again", func() bool { return strings.Contains(n.problems.String(), "read again") })
	_, text := get(t, http.DefaultClient, "http://"+figures+"/metrics")
	for _, want := range []string{"natter_gateway_streams_opened_total 1", `natter_gateway_elements_total{direction="down"} 1`, `natter_gateway_backend_dials_total{backend="` + server + `",result="ok"} 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("not among the figures: %s\n%s", want, text)
		}
	}
	stopped := make(chan int, 1)
	go func() { stopped <- n.stop() }()
	_, err = c.Read(ctx)
	if to, ok := err.(*framing.RedirectError); !ok || to.URI != "ws://"+second+"/ws?sent=1" {
		t.Errorf("the client hears %v", err)
	}
	if code := <-stopped; code != 0 {
		t.Errorf("exit code %d", code)
	}
	if code := other.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
