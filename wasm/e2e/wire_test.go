//go:build linux

package e2e

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
	pages   map[int]bool // connections from pages
	last    int          // the number of the newest
	most    int          // at a time
	looks   sync.WaitGroup
	all     sync.WaitGroup
}

// lay lays a wire to an endpoint. It is there as long as the test.
func lay(t testing.TB, target string) *wire {
	t.Helper()
	w := &wire{target: target, sockets: map[framing.Socket]bool{}, pages: map[int]bool{}}
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
	gone := w.count()
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

// dying is how long the socket of a tab that is dead may still seem to be there: its
// browser gives the lock to the next tab at the same moment.
const dying = 5 * time.Second

// count counts one more connection, until gone is called.
func (w *wire) count() (gone func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last++
	me := w.last
	w.pages[me] = true
	w.most = max(w.most, 1)
	if together := slices.Collect(maps.Keys(w.pages)); len(together) > 1 {
		w.looks.Add(1)
		time.AfterFunc(dying, func() {
			defer w.looks.Done()
			w.mu.Lock()
			defer w.mu.Unlock()
			w.most = max(w.most, len(slices.DeleteFunc(together, func(n int) bool { return !w.pages[n] })))
		})
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.pages, me)
	}
}

// connected is how many pages have a connection.
func (w *wire) connected() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pages)
}

// peak is how many pages had a connection at a time, for longer than a dead one takes.
func (w *wire) peak() int {
	w.looks.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}

func (w *wire) isCut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut
}
