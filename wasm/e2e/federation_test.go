//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"natter/app/connect/discover"
	"natter/app/xmpptest"
	"natter/server/gateway"
)

// wellKnown is the host-meta of domains that are in no DNS: where their WebSockets for
// servers are.
type wellKnown map[string]string

func (k wellKnown) Fetch(_ context.Context, url, _ string, _ int) (*discover.Document, error) {
	domain, _, _ := strings.Cut(strings.TrimPrefix(url, "https://"), "/")
	if k[domain] == "" || !strings.HasSuffix(url, ".json") {
		return &discover.Document{URL: url, Status: 404}, nil
	}
	body := fmt.Sprintf(`{"links":[{"rel":%q,"href":%q}]}`, discover.RelServers, k[domain])
	return &discover.Document{URL: url, Status: 200, Body: []byte(body)}, nil
}

// Two servers reach each other through two gateways alone, over wss (XEP-0468). Somebody of
// one talks with somebody of the other, each in a browser.
func TestW03_PagesOfTwoServers(t *testing.T) {
	if testing.Short() {
		t.Skip("real servers take their time, and this is -short")
	}
	t.Parallel()
	module, err := os.ReadFile("../../server/deploy/mod_s2s_natter.lua")
	if err != nil {
		t.Fatal(err)
	}
	known := wellKnown{}
	town := func(kind xmpptest.Kind, domain string) (s *xmpptest.Server, page string) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		s, err = xmpptest.StartFederated(kind, t.TempDir(), xmpptest.Federation{
			Domain: domain, Outgoing: l.Addr().String(), Modules: map[string]string{"s2s_natter": string(module)},
		})
		var missing *xmpptest.NotInstalledError
		if errors.As(err, &missing) && os.Getenv("CI") != "true" {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Kill)
		f, err := gateway.NewFederation(gateway.FederationConfig{
			Domains: []gateway.Domain{{Name: domain, Backends: []gateway.Backend{{Address: s.Servers}}}},
			Find:    &discover.Finder{Fetch: known, Rel: discover.RelServers},
			Roots:   xmpptest.Ours().Pool(),
		})
		if err != nil {
			t.Fatal(err)
		}
		web := httptest.NewUnstartedServer(http.Handler(f))
		web.TLS = xmpptest.Ours().ServerTLS(domain)
		web.StartTLS()
		t.Cleanup(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = f.Drain(ctx, 0)
			web.CloseClientConnections()
			web.Close()
		})
		known[domain] = fmt.Sprintf("wss://localhost:%d/s2s", web.Listener.Addr().(*net.TCPAddr).Port)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go f.Carry(c)
			}
		}()
		addr := strings.Replace(xmpptest.FreeAddress(t), "127.0.0.1", "localhost", 1)
		page = natter(t, "-config", configFile(t, map[string]any{
			"domains": []map[string]any{{"name": domain, "websocket": "/ws", "backends": []map[string]any{{"address": s.TCP}}}},
		}), "-addr", addr)
		return s, page
	}
	one, first := town(xmpptest.KindProsody, "one.test")
	two, second := town(xmpptest.KindProsody13, "two.test")
	ada, grace := one.Account(t, "ada", password), two.Account(t, "grace", password)
	a, g := visit(t, first), visit(t, second)
	a.signIn(string(ada), password)
	g.signIn(string(grace), password)
	a.in()
	g.in()
	a.startChat(string(grace))
	a.say("hello over there")
	g.chat(ada.Local())
	g.reads(ada.Local(), "hello over there")
	g.say("hello")
	a.reads(grace.Local(), "hello")
	if want := []string{"hello over there", "hello"}; !slices.Equal(a.bodies(), want) || !slices.Equal(g.bodies(), want) {
		t.Errorf("%q and %q", a.bodies(), g.bodies())
	}
}
