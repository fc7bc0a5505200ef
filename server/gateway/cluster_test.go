//go:build linux

package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"natter/app/state"
	"natter/app/xmpptest"
)

// node is a gateway as HAProxy sees a natter.
type node struct {
	*Gateway
	web *httptest.Server
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/xmpp-websocket":
		n.Gateway.ServeHTTP(w, r)
	case n.isDraining():
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// Ten times one box, small: HAProxy as in deploy/haproxy-many.cfg, three gateways, and two ejabberd
// that are one. A gateway is drained while people talk, and a server ends: everybody stays in
// touch, and nothing is lost.
func TestCluster(t *testing.T) {
	servers := xmpptest.Cluster(t, xmpptest.WebSocket)
	public, plain := haproxy(t)
	var nodes [3]*node
	for i, name := range []string{"one", "two", "three"} {
		n := &node{}
		n.web = httptest.NewUnstartedServer(n)
		n.web.Listener.Close()
		l, err := net.Listen("tcp", plain[i])
		if err != nil {
			t.Fatal(err)
		}
		n.web.Listener = l
		d := Domain{Name: servers[0].Domain, Backends: []Backend{{Address: servers[i%2].TCP}, {Address: servers[1-i%2].TCP}}}
		for _, other := range []string{"one", "two", "three"} {
			if other != name {
				d.Elsewhere = append(d.Elsewhere, public+"?at="+other)
			}
		}
		n.Gateway, err = New(Config{Domains: []Domain{d}, NativeClients: true, Roots: xmpptest.Ours().Pool()})
		if err != nil {
			t.Fatal(err)
		}
		n.web.Start()
		nodes[i] = n
		t.Cleanup(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = n.Drain(ctx, 0)
			n.web.Close()
		})
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: clientTLS()}}
	defer c.CloseIdleConnections()
	eventually(t, "HAProxy leads to natter", func() bool {
		r, err := c.Get(strings.Replace(public, "wss:", "https:", 1))
		if err == nil {
			_ = r.Body.Close()
		}
		return err == nil && r.StatusCode < 500
	})

	all := make([]*person, 12)
	for i := range all {
		all[i] = signIn(t, public, servers[0].Account(t, "", password))
	}
	for i, n := range nodes {
		if n.Streams() == 0 {
			t.Errorf("nobody came to gateway %d", i)
		}
	}
	everybody := func() {
		t.Helper()
		for _, p := range all {
			p.until(t, "online again", online)
		}
	}

	k := talking(t, all)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	moved := nodes[0].Streams()
	if err := nodes[0].Drain(ctx, time.Second); err != nil {
		t.Error(err)
	}
	everybody()
	total, lost, doubled := k.end()
	// Who came by gateway one was with the first server, and resumed through the second too.
	resumed := 0
	for _, s := range servers {
		log, err := os.ReadFile(s.Log)
		if err != nil {
			t.Fatal(err)
		}
		resumed += strings.Count(string(log), " Resumed session for ")
	}
	t.Logf("%d people, %d sent elsewhere, %d resumed; %d messages: %d lost, %d doubled", len(all), moved, resumed, total, lost, doubled)
	if moved == 0 || resumed < moved || lost > 0 || nodes[0].Streams() > 0 {
		t.Fail()
	}

	servers[1].Stop()
	for i, p := range all {
		p.say(all[i^1].jid, "is anybody left?")
	}
	for _, p := range all {
		p.Do(state.Reconnect{}) // or they would wait longer and longer
	}
	for i, p := range all {
		p.hears(t, all[i^1].jid, "is anybody left?")
	}
	everybody()
}

// haproxy runs deploy/haproxy-many.cfg, and returns the address of the service and those where it
// looks for natters.
func haproxy(t *testing.T) (service string, natters []string) {
	t.Helper()
	path, err := exec.LookPath("/usr/sbin/haproxy")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("needs haproxy: .ci/install as root on Debian")
	}
	example, err2 := os.ReadFile("../deploy/haproxy-many.cfg")
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	dir := t.TempDir()
	cert, key := xmpptest.Ours().Issue()
	pem, file := filepath.Join(dir, "both.pem"), filepath.Join(dir, "haproxy.cfg")
	at := xmpptest.FreeAddress(t)
	change := []string{":443 ", at + " ", "/etc/haproxy/certs/", pem, "maxconn 100000", "maxconn 1000"}
	for _, there := range []string{"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"} {
		natters = append(natters, xmpptest.FreeAddress(t))
		change = append(change, there, natters[len(natters)-1])
	}
	for name, text := range map[string]string{pem: string(cert) + string(key), file: strings.NewReplacer(change...).Replace(string(example))} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path, "-db", "-f", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	_, port, _ := net.SplitHostPort(at)
	return "wss://localhost:" + port + "/xmpp-websocket", slices.Clip(natters)
}

// chatter is what people say to each other, two and two: who hears the other's latest message says
// the next.
type chatter struct {
	t    *testing.T
	all  []*person
	over sync.WaitGroup

	mu   sync.Mutex
	said []int // by each
	last int   // that everybody says; more than a page of the timeline could not be counted
}

func talking(t *testing.T, all []*person) *chatter {
	k := &chatter{t: t, all: all, said: make([]int, len(all)), last: 200}
	t.Cleanup(func() { k.end() }) // also where the test has failed meanwhile
	for i, p := range all {
		other := all[i^1]
		k.over.Go(func() {
			for n := 1; k.says(i, n); n++ {
				p.say(other.jid, fmt.Sprintf("%d from %d", n, i))
				want := fmt.Sprintf("%d from %d", n, i^1)
				p.until(t, want, func(s *state.State) bool { return p.heard(s, other.jid, want) })
			}
		})
	}
	return k
}

func (k *chatter) says(i, n int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n > k.last {
		return false
	}
	k.said[i] = n
	return true
}

// end lets them fall silent, all at the same number, and says how many messages there were, and of
// them how many did not arrive or more than once.
func (k *chatter) end() (total, lost, doubled int) {
	k.mu.Lock()
	k.last = slices.Max(k.said)
	k.mu.Unlock()
	k.over.Wait()
	for i, p := range k.all {
		other := k.all[i^1]
		for n := range k.last {
			total++
			switch p.count(p.State(), other.jid, fmt.Sprintf("%d from %d", n+1, i^1)) {
			case 0:
				lost++
			case 1:
			default:
				doubled++
			}
		}
	}
	return total, lost, doubled
}
