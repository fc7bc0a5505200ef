//go:build linux

package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
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

// Servers have no WebSocket of their own here: whoever gets in came through a gateway.
func TestMain(m *testing.M) { os.Exit(xmpptest.Main(m, xmpptest.WebSocket)) }

const password = "correct horse"

// start runs a gateway and returns its address.
func start(t testing.TB, c Config) (g *Gateway, url string) {
	t.Helper()
	c.NativeClients = true
	c.Roots = xmpptest.Ours().Pool()
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(g)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = g.Drain(ctx, 0)
		web.CloseClientConnections()
		web.Close()
	})
	return g, "ws" + strings.TrimPrefix(web.URL, "http") + "/ws"
}

// to is a configuration for one server, reached in one way.
func to(s *xmpptest.Server, b Backend) Config {
	var domains []Domain
	for _, name := range []string{s.Domain, s.SASL2, xmpptest.HostAnonymous} {
		if name != "" && (len(domains) == 0 || name != domains[0].Name) {
			domains = append(domains, Domain{Name: name, Backends: []Backend{b}})
		}
	}
	return Config{Domains: domains}
}

// clientTLS trusts our servers.
func clientTLS() *tls.Config { return &tls.Config{RootCAs: xmpptest.Ours().Pool()} }

// person is Natter's core, signed in.
type person struct {
	*client.Client
	jid     jid.JID
	changed chan struct{}
}

func signIn(t testing.TB, service string, account jid.JID) *person {
	t.Helper()
	p := &person{jid: account, changed: make(chan struct{}, 1)}
	p.Client = client.New(client.Config{
		Connector: &connect.Connector{
			Find: &discover.Finder{},
			Dial: func(ctx context.Context, url string) (framing.Socket, error) {
				return native.Dial(ctx, url, native.Options{TLSConfig: clientTLS()})
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
	t.Cleanup(func() { cancel(); <-over })
	p.Do(state.SignIn{Address: string(account), Password: password, Server: service})
	p.until(t, "signed in", online)
	return p
}

func online(s *state.State) bool { return s.Connection.Phase == state.Online && s.CaughtUp }

// until waits for a state.
func (p *person) until(t testing.TB, what string, ok func(*state.State) bool) {
	t.Helper()
	late := time.After(time.Minute)
	for !ok(p.State()) {
		select {
		case <-p.changed:
		case <-time.After(50 * time.Millisecond): // another who waits may have had the word
		case <-late:
			t.Fatalf("%s waited in vain: %s; %+v", p.jid, what, p.State().Connection)
		}
	}
}

func (p *person) say(to jid.JID, text string) {
	p.Do(state.SendMessage{Conv: state.Direct.With(to), Body: text})
}

func (p *person) hears(t testing.TB, from jid.JID, text string) {
	t.Helper()
	p.until(t, text, func(s *state.State) bool { return p.count(s, from, text) > 0 })
	if n := p.count(p.State(), from, text); n != 1 {
		t.Errorf("%s has %q %d times", p.jid, text, n)
	}
}

// heard reports whether the other has said it lately.
func (p *person) heard(s *state.State, from jid.JID, text string) bool {
	c := s.Chat(state.Direct.With(from))
	if c == nil {
		return false
	}
	for _, m := range c.Timeline.Newest(40) {
		if !m.Mine && m.Body == text {
			return true
		}
	}
	return false
}

// count returns how often the other has said it.
func (p *person) count(s *state.State, from jid.JID, text string) (n int) {
	c := s.Chat(state.Direct.With(from))
	if c == nil {
		return 0
	}
	for _, m := range c.Timeline.Newest(1000) {
		if !m.Mine && m.Body == text {
			n++
		}
	}
	return n
}

type pins map[jid.JID]bool

func (p pins) SCRAMSeen(account jid.JID) bool { return p[account] }
func (p pins) SetSCRAMSeen(account jid.JID)   { p[account] = true }

// Two people of a server talk through the gateway, whichever way it reaches the
// server, and the server knows where they are.
func TestRealServers(t *testing.T) {
	xmpptest.All(t, func(t *testing.T, s *xmpptest.Server) {
		for name, b := range map[string]Backend{
			"plain":    {Address: s.TCP},
			"tls":      {Address: s.TLS, Security: DirectTLS},
			"starttls": {Address: s.TCP, Security: STARTTLS},
			"proxy 1":  {Address: s.Proxied, Proxy: 1},
			"proxy 2":  {Address: s.Proxied, Proxy: 2},
		} {
			if b.Address == "" {
				continue // Debian 12's Prosody has no mod_net_proxy
			}
			t.Run(name, func(t *testing.T) {
				c := to(s, b)
				c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				_, url := start(t, c)
				ada := signIn(t, url, s.Account(t, "", password))
				grace := signIn(t, url, s.Account(t, "", password))
				for i, text := range []string{"hello", "<&> ]]> \"'\n 😀", strings.Repeat("long ", 20_000)} {
					ada.say(grace.jid, fmt.Sprint(i, text))
					grace.hears(t, ada.jid, fmt.Sprint(i, text))
					grace.say(ada.jid, fmt.Sprint(i, "yes ", text))
					ada.hears(t, grace.jid, fmt.Sprint(i, "yes ", text))
				}
				if b.Proxy > 0 && strings.HasPrefix(string(s.Kind), "ejabberd") {
					const far = "2001:db8::7"
					knock(t, url, s.Domain, far)
					eventually(t, "the server knows the address of the client", func() bool {
						log, _ := os.ReadFile(s.Log)
						return bytes.Contains(log, []byte(far))
					})
				}
			})
		}
	})
}

// knock opens a stream as a client behind a proxy.
func knock(t *testing.T, url, domain, from string) {
	t.Helper()
	c := dial(t, url, http.Header{"X-Forwarded-For": {"203.0.113.1, " + from}})
	c.open(domain)
	c.expect("features")
	c.write("<close xmlns='" + framing.NSFraming + "'/>")
	c.expect("close")
}

// A server that is restarted is found again, and what was said meanwhile arrives once.
func TestServerRestarts(t *testing.T) {
	xmpptest.All(t, func(t *testing.T, s *xmpptest.Server) {
		_, url := start(t, to(s, Backend{Address: s.TCP}))
		ada := signIn(t, url, s.Account(t, "", password))
		grace := signIn(t, url, s.Account(t, "", password))
		ada.say(grace.jid, "before")
		grace.hears(t, ada.jid, "before")
		s.Stop()
		ada.until(t, "cut off", func(st *state.State) bool { return st.Connection.Phase != state.Online })
		ada.say(grace.jid, "meanwhile")
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		ada.Do(state.Reconnect{})
		grace.Do(state.Reconnect{})
		ada.until(t, "back", online)
		grace.until(t, "back", online)
		grace.hears(t, ada.jid, "meanwhile")
	})
}

// A socket that is lost leaves the session with the server, and it is resumed
// (XEP-0198 §5), with what was said in between.
func TestResume(t *testing.T) {
	xmpptest.All(t, func(t *testing.T, s *xmpptest.Server) {
		g, url := start(t, to(s, Backend{Address: s.TCP}))
		ada := signIn(t, url, s.Account(t, "", password))
		grace := signIn(t, url, s.Account(t, "", password))
		g.mu.Lock()
		for s := range g.sessions {
			s.drop()
		}
		g.mu.Unlock()
		ada.until(t, "cut off", func(st *state.State) bool { return st.Connection.Phase != state.Online })
		ada.say(grace.jid, "anybody?")
		ada.Do(state.Reconnect{})
		grace.Do(state.Reconnect{})
		grace.hears(t, ada.jid, "anybody?")
	})
}
