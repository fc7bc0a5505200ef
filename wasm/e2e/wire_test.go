//go:build linux

package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"natter/framing"
	"natter/framing/native"
)

// wire lies between pages and a server, carries whole messages, and can be cut. The
// functions are called with the message, of one connection at a time; what they return
// is passed on.
type wire struct {
	URL    string
	target string
	up     func(string) string
	down   func(string) string

	mu      sync.Mutex
	cut     bool
	sockets map[framing.Socket]bool
	pages   int // connections from pages
	most    int // at a time
	all     sync.WaitGroup
}

// lay lays a wire to an endpoint. It is there as long as the test.
func lay(t testing.TB, target string) *wire {
	t.Helper()
	w := &wire{target: target, sockets: map[framing.Socket]bool{}}
	w.up = func(doc string) string { return doc }
	w.down = w.up
	s := httptest.NewServer(http.HandlerFunc(w.serve))
	w.URL = "ws" + strings.TrimPrefix(s.URL, "http") + "/ws"
	t.Cleanup(func() {
		w.broken(true)
		w.all.Wait()
		s.Close()
	})
	return w
}

// broken cuts the wire, or mends it.
func (w *wire) broken(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for s := range w.sockets {
		if cut {
			go s.Close(1000, "")
		}
	}
}

func (w *wire) note(s framing.Socket, open bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !open {
		delete(w.sockets, s)
		return false
	}
	if !w.cut {
		w.sockets[s] = true
	}
	return !w.cut
}

func (w *wire) serve(rw http.ResponseWriter, r *http.Request) {
	w.all.Add(1)
	defer w.all.Done()
	ctx, end := context.WithCancel(context.Background())
	defer end()
	if w.isCut() {
		http.Error(rw, "cut", http.StatusBadGateway)
		return
	}
	page, err := native.Accept(rw, r, native.Options{Origins: []string{"*"}})
	if err != nil {
		return
	}
	defer page.Close(1000, "")
	w.count(1)
	gone := sync.OnceFunc(func() { w.count(-1) })
	defer gone()
	server, err := dialing()(ctx, w.target)
	if err != nil {
		return
	}
	defer server.Close(1000, "")
	for _, s := range []framing.Socket{page, server} {
		if !w.note(s, true) {
			return
		}
		defer w.note(s, false)
	}
	var one sync.Mutex
	pass := func(from, to framing.Socket, change *func(string) string) {
		defer end()
		for {
			doc, err := from.Read(ctx)
			if err != nil {
				return
			}
			one.Lock()
			doc = (*change)(doc)
			one.Unlock()
			if to.Write(ctx, doc) != nil {
				return
			}
		}
	}
	go func() {
		pass(page, server, &w.up)
		gone()
	}()
	pass(server, page, &w.down)
}

func (w *wire) count(more int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages += more
	w.most = max(w.most, w.pages)
}

// connected is how many pages have a connection.
func (w *wire) connected() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pages
}

// peak is how many pages had a connection at a time.
func (w *wire) peak() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}

func (w *wire) isCut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut
}
