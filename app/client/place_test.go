//go:build linux

package client_test

import (
	"bufio"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"natter/app/jid"
	"natter/app/xmpptest"
	"natter/server/trial"
)

// TestMain starts a proxy that finds the names that end in .test, which no DNS has. The client uses the proxy
// because the environment names it, so its own code for host-meta and WebSockets runs unchanged.
func TestMain(m *testing.M) {
	proxy := httptest.NewServer(http.HandlerFunc(names.connect))
	os.Setenv("HTTPS_PROXY", proxy.URL)
	os.Setenv("NO_PROXY", "")
	_ = flag.Set("test.parallel", fmt.Sprint(1+len(xmpptest.Kinds))) // all places at a time, unless the command line says otherwise
	code := xmpptest.Main(m)
	proxy.CloseClientConnections()
	proxy.Close()
	os.Exit(code)
}

// names is the proxy of TestMain.
var names = &resolver{ports: map[string]string{}}

type resolver struct {
	mu    sync.Mutex
	ports map[string]string // of https, by domain
}

func (r *resolver) set(domain, port string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ports[domain] = port
}

func (r *resolver) connect(w http.ResponseWriter, req *http.Request) {
	host, port, _ := net.SplitHostPort(req.Host)
	r.mu.Lock()
	if port == "443" {
		port = r.ports[host]
	}
	r.mu.Unlock()
	if filepath.Ext(host) != ".test" || port == "" {
		http.Error(w, "no such host", http.StatusBadGateway)
		return
	}
	there, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	fmt.Fprint(here, "HTTP/1.1 200 OK\r\n\r\n")
	splice(bufferedConn{here, buffered.Reader}, there)
}

type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// splice joins two connections until one of them ends.
func splice(a, b net.Conn) {
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	both.Wait()
}

// place is a server that people sign in to.
type place struct {
	domain   string
	wss      string // its WebSocket as localhost, for those who do not ask host-meta
	ca       *x509.CertPool
	sasl2    bool
	account  func(t testing.TB) jid.JID // with the password below
	stop     func()                     // stops the server in order: it closes the streams
	start    func()
	disable  func(t testing.TB, account jid.JID) bool
	server   *xmpptest.Server // nil for the trial server
	lossless bool             // accounts, rosters and archives survive a restart
}

// room returns the address of a room of the server.
func (p *place) room(name string) jid.JID { return jid.JID(name + "@rooms." + p.domain) }

const password = "correct horse"

// everywhere runs f against the trial server and all real ones at the same time, because f mostly waits. No
// server has two tests at a time, so a test may stop it.
func everywhere(t *testing.T, f func(t *testing.T, p *place)) {
	t.Helper()
	aside(t)
	t.Run("trial", func(t *testing.T) { t.Parallel(); f(t, trialPlace(t)) })
	for _, kind := range xmpptest.Kinds {
		t.Run(string(kind), func(t *testing.T) { t.Parallel(); f(t, realPlace(xmpptest.Get(t, kind))) })
	}
}

// aside lets a test wait beside the others in -short, where each has a trial server of its own.
func aside(t *testing.T) {
	if testing.Short() {
		t.Parallel()
	}
}

func realPlace(s *xmpptest.Server) *place {
	u, _ := url.Parse(s.Web)
	names.set(s.Domain, u.Port())
	return &place{
		domain:   s.Domain,
		wss:      s.WSS,
		ca:       s.CA,
		sasl2:    s.SASL2 == s.Domain,
		account:  func(t testing.TB) jid.JID { t.Helper(); return s.Account(t, "", password) },
		stop:     s.Stop,
		start:    func() { _ = s.Start() },
		disable:  s.Disable,
		server:   s,
		lossless: true,
	}
}

// trials counts the trial servers, so that each has a domain of its own.
var trials atomic.Int32

// trialPlace runs a trial server in this process, with a host-meta of its own.
func trialPlace(t testing.TB, change ...func(*trial.Limits)) *place {
	domain := fmt.Sprintf("trial%d.test", trials.Add(1))
	authority := xmpptest.NewAuthority()
	var running atomic.Pointer[trial.Server]
	web := httptest.NewUnstartedServer(nil)
	web.TLS = authority.ServerTLS(domain)
	web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/host-meta.json":
			fmt.Fprintf(w, `{"links":[{"rel":"urn:xmpp:alt-connections:websocket","href":"wss://%s:%s/xmpp"}]}`,
				domain, portOf(web.Listener.Addr().String()))
		case "/xmpp":
			running.Load().ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	})
	var locals []string
	start := func() {
		// The limits are for people; tests send much more.
		limits := trial.Limits{
			Stanzas: 1e6, StanzaBurst: 1e6, Bytes: 1e9, ByteBurst: 1e9, Fanout: 1e6, FanoutBurst: 1e6,
			Failures: 1000, Accounts: 1000, PerAddress: 1000, Connections: 1000, Queue: 1e6,
		}
		for _, f := range change {
			f(&limits)
		}
		s := trial.New(trial.Options{Domain: domain, Limits: limits})
		for _, local := range locals {
			if err := s.AddAccount(local, password); err != nil {
				t.Error(err)
			}
		}
		running.Store(s)
	}
	start()
	web.StartTLS()
	stop := func() { _ = running.Load().Shutdown(t.Context()) }
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	port := portOf(web.Listener.Addr().String())
	names.set(domain, port)
	return &place{
		domain: domain,
		wss:    "wss://localhost:" + port + "/xmpp",
		ca:     authority.Pool(),
		sasl2:  true,
		account: func(t testing.TB) jid.JID {
			t.Helper()
			local := fmt.Sprintf("user%d", len(locals)+1)
			locals = append(locals, local)
			if err := running.Load().AddAccount(local, password); err != nil {
				t.Fatal(err)
			}
			return jid.JID(local + "@" + domain)
		},
		stop:    stop,
		start:   start,
		disable: func(testing.TB, jid.JID) bool { return false },
	}
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// tunnel is a network that can fail: a TCP proxy to a place.
type tunnel struct {
	wss    string           // the endpoint of the place, through the tunnel
	server *xmpptest.Server // at the other end, nil for the trial server

	mu      sync.Mutex
	closed  bool
	conns   map[net.Conn]bool
	silence xmpptest.Silence // of the server
	none    sync.Cond        // signalled when a connection has ended
}

// dig makes a tunnel. It ends with the test.
func dig(t testing.TB, p *place) *tunnel {
	t.Helper()
	to, err := url.Parse(p.wss)
	if err != nil {
		t.Fatal(err)
	}
	target := "127.0.0.1:" + to.Port()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to.Host = "localhost:" + portOf(l.Addr().String())
	tun := &tunnel{wss: to.String(), server: p.server, conns: map[net.Conn]bool{}}
	tun.none.L = &tun.mu
	var all sync.WaitGroup
	all.Go(func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { tun.carry(here, target) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		tun.cut()
		all.Wait()
	})
	return tun
}

func (tun *tunnel) carry(here net.Conn, target string) {
	defer here.Close()
	tun.mu.Lock()
	closed := tun.closed
	tun.conns[here] = true
	tun.mu.Unlock()
	defer func() {
		tun.mu.Lock()
		delete(tun.conns, here)
		tun.none.Broadcast()
		tun.mu.Unlock()
	}()
	if closed {
		return
	}
	there, err := net.Dial("tcp4", target)
	if err != nil {
		return
	}
	splice(here, &heard{there, tun})
}

// heard is a connection to the server that notes when the server sends something.
type heard struct {
	net.Conn
	tun *tunnel
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.tun.silence.Broken()
	return n, err
}

// cut ends all connections, and refuses new ones until mend. When it returns, the server has noticed that.
func (tun *tunnel) cut() {
	tun.mu.Lock()
	n := len(tun.conns)
	tun.mu.Unlock()
	if tun.server == nil || n == 0 {
		tun.close()
		return
	}
	tun.server.Cut(n, &tun.silence, tun.close)
}

func (tun *tunnel) close() {
	tun.mu.Lock()
	defer tun.mu.Unlock()
	tun.closed = true
	for c := range tun.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	for len(tun.conns) > 0 {
		tun.none.Wait()
	}
}

func (tun *tunnel) mend() {
	tun.mu.Lock()
	defer tun.mu.Unlock()
	tun.closed = false
}
