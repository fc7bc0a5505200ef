//go:build linux

package stream

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
)

func TestMain(m *testing.M) { os.Exit(xmpptest.Main(m)) }

// C06, M07: what is under way when the network goes arrives once, both ways.
func TestReal_M07_C06_Resume(t *testing.T) {
	xmpptest.All(t, func(t *testing.T, s *xmpptest.Server) {
		network := newNetwork(t, s.WS)
		ada, grace := signIn(t, s, network.url), signIn(t, s, s.WS)

		ada.send(grace.me, "one")
		grace.waitFor("received one")
		grace.send(ada.me, "two")
		ada.waitFor("received two")
		ada.waitFor("acknowledged one")

		for range 2 {
			network.stall()
			lost := []string{rand.Text(), rand.Text(), rand.Text()}
			for _, id := range lost {
				ada.send(grace.me, id)
				grace.send(ada.me, "to-ada-"+id)
			}
			// The server has taken these, and cannot pass them on.
			grace.waitFor("acknowledged to-ada-" + lost[2])
			s.Cut(1, &network.silence, network.cut)
			ada.waitFor("resumed")
			for _, id := range lost {
				grace.waitFor("received " + id)
				ada.waitFor("received to-ada-" + id)
				ada.waitFor("acknowledged " + id)
			}
		}
		ada.send(grace.me, "last")
		grace.waitFor("received last")
		grace.send(ada.me, "last")
		ada.waitFor("received last")
		for _, who := range []*person{ada, grace} {
			if twice := who.twice("received "); twice != "" {
				t.Errorf("%s twice", twice)
			}
			if i := slices.IndexFunc(who.all(), func(s string) bool { return strings.HasPrefix(s, "unsent") }); i >= 0 {
				t.Error(who.all()[i])
			}
		}
	})
}

// M08, M09: a server that has forgotten the stream.
func TestReal_M08_M09_Restart(t *testing.T) {
	xmpptest.All(t, func(t *testing.T, s *xmpptest.Server) {
		network := newNetwork(t, s.WS)
		ada := signIn(t, s, network.url)
		ada.send(ada.me, "arrives")
		ada.waitFor("acknowledged arrives")

		network.stall()
		ada.send(ada.me, "lost")
		ada.waitSent()
		s.Kill()
		network.cut()
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		ada.waitFor("online again")
		ada.waitFor("unsent lost")
		ada.send(ada.me, "more")
		ada.waitFor("acknowledged more")
	})
}

// A server that stops says so, and its clients come back.
func TestReal_E05_Shutdown(t *testing.T) {
	xmpptest.All(t, func(t *testing.T, s *xmpptest.Server) {
		ada := signIn(t, s, s.WS)
		s.Stop()
		ada.waitFor("offline")
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		ada.s.Wake(Manual)
		ada.waitFor("online again")
	})
}

// person is somebody with a Stream at a real server.
type person struct {
	t       *testing.T
	s       *Stream
	account jid.JID

	mu      sync.Mutex
	me      jid.JID
	events  []string
	changed chan struct{} // closed and replaced with every event
}

var connector = &connect.Connector{
	Find: &discover.Finder{AllowLoopback: true},
	Dial: func(ctx context.Context, url string) (framing.Socket, error) {
		return native.Dial(ctx, url, native.Options{CloseTimeout: 100 * time.Millisecond})
	},
	Crypto: sasl.Standard{},
	Pins:   noPins{},
	NewID:  rand.Text,
}

type noPins struct{}

func (noPins) SCRAMSeen(jid.JID) bool { return false }
func (noPins) SetSCRAMSeen(jid.JID)   {}

func signIn(t *testing.T, s *xmpptest.Server, endpoint string) *person {
	t.Helper()
	p := &person{t: t, account: s.Account(t, "", "secret"), changed: make(chan struct{})}
	p.s = New(Config{
		Random: func() float64 { return 0.1 },
		Connect: func(ctx context.Context, resume *connect.Resume, away error) (*connect.Session, error) {
			return connector.Connect(ctx, connect.Request{
				Account: p.account, Password: "secret", Server: endpoint,
				Resume: resume, Redirect: away,
			})
		},
	})
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.s.Run(ctx) })
	wg.Go(func() { p.own(ctx) })
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(strings.Join(p.all(), "\n"))
		}
		closing, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if err := p.s.Close(closing); err != nil {
			t.Error(err)
		}
		stop()
		wg.Wait()
	})
	p.waitFor("online")
	return p
}

func (p *person) own(ctx context.Context) {
	again := ""
	for {
		select {
		case ev := <-p.s.Events():
			word := describe(ev)
			switch ev := ev.(type) {
			case Online:
				p.mu.Lock()
				p.me = ev.Session.JID
				p.mu.Unlock()
				if !ev.Resumed {
					p.s.Send(framing.New(framing.NSClient, "presence"))
					word += again
					again = " again"
				}
			case Received:
				if ev.Stanza.Name.Local != "message" {
					word = ev.Stanza.Name.Local
				}
				p.s.Commit(p.s.Snapshot(ev.N))
			case Replied:
				ev.Done(ev.Reply, ev.Err)
				if ev.Reply != nil {
					p.s.Commit(p.s.Snapshot(ev.N))
				}
			case Unsent:
				p.s.Decide(ev.Loss, nil)
			}
			p.mu.Lock()
			if ids, ok := strings.CutPrefix(word, "acknowledged"); ok {
				for _, id := range strings.Fields(ids) {
					p.events = append(p.events, "acknowledged "+id)
				}
			} else {
				p.events = append(p.events, word)
			}
			close(p.changed)
			p.changed = make(chan struct{})
			p.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

func (p *person) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events)
}

// waitFor waits until something has happened, and takes it from the list unless it
// is something received.
func (p *person) waitFor(what string) {
	p.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		p.mu.Lock()
		changed := p.changed
		i := slices.IndexFunc(p.events, func(s string) bool { return s == what || what == "offline" && strings.HasPrefix(s, what) })
		if i >= 0 && !strings.HasPrefix(what, "received") {
			p.events = slices.Delete(p.events, i, i+1)
		}
		p.mu.Unlock()
		if i >= 0 {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			p.t.Fatalf("not %s, but\n%s", what, strings.Join(p.all(), "\n"))
		}
	}
}

// waitSent waits until all that was sent has been written.
func (p *person) waitSent() {
	p.t.Helper()
	for {
		sent := make(chan bool)
		p.s.box.post(func(l *loop) { sent <- l.sent == len(l.queue) })
		if <-sent {
			return
		}
	}
}

func (p *person) twice(prefix string) string {
	seen := map[string]bool{}
	for _, s := range p.all() {
		if strings.HasPrefix(s, prefix) && seen[s] {
			return s
		}
		seen[s] = true
	}
	return ""
}

func (p *person) send(to jid.JID, id string) {
	p.t.Helper()
	_, err := p.s.Send(framing.New(framing.NSClient, "message").
		Set("type", "chat").Set("id", id).Set("to", to.String()).
		Add(framing.New(framing.NSClient, "body").AddText(id)))
	if err != nil {
		p.t.Fatal(err)
	}
}

// network is a way to a server that can fail: stall lets nothing through and tells
// nobody, cut ends all connections, and new ones get through again.
type network struct {
	url string
	to  string

	silence xmpptest.Silence

	mu    sync.Mutex
	ways  []net.Conn
	stuck *bool
}

func newNetwork(t *testing.T, endpoint string) *network {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{to: u.Host, stuck: new(bool)}
	u.Host = listener.Addr().String()
	n.url = u.String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", n.to)
			if err != nil {
				client.Close()
				continue
			}
			n.mu.Lock()
			n.ways = append(n.ways, client, server)
			stuck := n.stuck
			n.mu.Unlock()
			wg.Go(func() { n.carry(client, server, stuck) })
			wg.Go(func() { n.carry(server, client, stuck) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		n.cut()
		wg.Wait()
	})
	return n
}

func (n *network) carry(from, to net.Conn, stuck *bool) {
	io.Copy(writer(func(b []byte) (int, error) {
		n.mu.Lock()
		lost := *stuck
		n.mu.Unlock()
		n.silence.Broken()
		if lost {
			return len(b), nil
		}
		return to.Write(b)
	}), from)
	n.mu.Lock()
	lost := *stuck
	n.mu.Unlock()
	if !lost {
		to.Close()
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func (n *network) stall() {
	n.mu.Lock()
	defer n.mu.Unlock()
	*n.stuck = true
}

func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.ways {
		c.Close()
	}
	n.ways, n.stuck = nil, new(bool)
}
