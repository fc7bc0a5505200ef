//go:build linux

package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"natter/app/xmpptest"
)

// Three gateways of one service are drained and started again, one after the other,
// while people talk through them. Nothing is lost or doubled.
func TestDrainUnderLoad(t *testing.T) {
	for kind, people := range map[xmpptest.Kind]int{xmpptest.KindProsody13: 50, xmpptest.KindEjabberd24: 10} {
		t.Run(string(kind), func(t *testing.T) { drainUnderLoad(t, xmpptest.Get(t, kind), people) })
	}
}

// service is a gateway that can be started again at the same address.
type service struct {
	url     string
	gateway atomic.Pointer[Gateway]
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.gateway.Load().ServeHTTP(w, r)
}

func drainUnderLoad(t *testing.T, server *xmpptest.Server, people int) {
	var services [3]*service
	for i := range services {
		s := &service{}
		web := httptest.NewServer(s)
		s.url = "ws" + strings.TrimPrefix(web.URL, "http") + "/ws"
		services[i] = s
		t.Cleanup(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = s.gateway.Load().Drain(ctx, 0)
			web.Close()
		})
	}
	begin := func(i int) {
		c := to(server, Backend{Address: server.TCP})
		c.NativeClients = true
		for d := range c.Domains {
			for j := range services {
				if j != i {
					c.Domains[d].Elsewhere = append(c.Domains[d].Elsewhere, services[j].url)
				}
			}
		}
		g, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		services[i].gateway.Store(g)
	}
	for i := range services {
		begin(i)
	}

	all := make([]*person, people)
	for i := range all {
		all[i] = signIn(t, services[i%len(services)].url, server.Account(t, "", password))
	}
	// Two and two talk: each says something a second, if the other's has arrived.
	stop := make(chan struct{})
	over := sync.OnceFunc(func() { close(stop) })
	said := make([]int, people)
	var talk sync.WaitGroup
	defer talk.Wait()
	defer over()
	for i, p := range all {
		other := all[i^1]
		talk.Go(func() {
			pace := time.NewTicker(time.Second)
			defer pace.Stop()
			for n := 0; ; n++ {
				p.say(other.jid, fmt.Sprintf("%d from %d", n, i))
				said[i] = n + 1
				want := fmt.Sprintf("%d from %d", n, i^1)
				for !p.heard(p.State(), other.jid, want) {
					select {
					case <-p.changed:
					case <-stop:
						return
					}
				}
				select {
				case <-stop:
					return
				case <-pace.C:
				}
			}
		})
	}

	moved := 0
	for i, s := range services {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		g := s.gateway.Load()
		streams := g.Streams()
		if err := g.Drain(ctx, 3*time.Second); err != nil {
			t.Errorf("gateway %d: %v", i, err)
		}
		cancel()
		moved += streams
		begin(i)
		for _, p := range all {
			eventually(t, string(p.jid)+" is online again", func() bool { return online(p.State()) })
		}
	}
	over()
	talk.Wait()

	total, lost, doubled := 0, 0, 0
	for i, p := range all {
		other := all[i^1]
		for n := range said[i^1] {
			total++
			text := fmt.Sprintf("%d from %d", n, i^1)
			for late := time.Now().Add(20 * time.Second); p.count(p.State(), other.jid, text) == 0 && time.Now().Before(late); {
				time.Sleep(10 * time.Millisecond) // what was said last is on its way
			}
			switch p.count(p.State(), other.jid, text) {
			case 0:
				lost++
			case 1:
			default:
				doubled++
			}
		}
	}
	t.Logf("%s: %d people, %d moves, %d messages: %d lost, %d doubled", server.Name, people, moved, total, lost, doubled)
	// ejabberd files again, under another id of the archive, what it had for a connection
	// that ended; whether a client shows it once is not the gateway's doing.
	ours := server.Kind == xmpptest.KindProsody13
	if lost > 0 || doubled > 0 && ours || moved < people {
		t.Fail()
	}
}
