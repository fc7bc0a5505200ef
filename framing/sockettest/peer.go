//go:build !js

package sockettest

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/coder/websocket"
)

// Peer returns the server's half. The paths ending in a promise (echo, burst,
// binary, plain, stall, deaf) are sockets that count; asked, ended and none
// answer with one message about them. One Peer serves one Test at a time.
func Peer() http.Handler {
	p := &peer{ended: make(map[string]string), changed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", p.counted(p.accepted(echo)))
	mux.HandleFunc("/burst", p.counted(p.accepted(burst)))
	mux.HandleFunc("/binary", p.counted(p.accepted(binary)))
	mux.HandleFunc("/plain", p.counted(plain))
	mux.HandleFunc("/stall", p.counted(stall))
	mux.HandleFunc("/deaf", p.counted(deaf))
	mux.HandleFunc("/asked", answer(func(_ context.Context, r *http.Request) string {
		return r.Header.Get("Sec-WebSocket-Protocol")
	}))
	mux.HandleFunc("/ended", answer(p.awaitEnd))
	mux.HandleFunc("/none", answer(p.awaitNone))
	return mux
}

type peer struct {
	mu      sync.Mutex
	open    int
	ended   map[string]string // by id: close code and reason
	changed chan struct{}     // closed and replaced at every change
}

func (p *peer) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// await waits until ready, asked under the lock, or the asker has lost patience.
func (p *peer) await(ctx context.Context, ready func() bool) {
	for {
		p.mu.Lock()
		ok, changed := ready(), p.changed
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (p *peer) awaitEnd(ctx context.Context, r *http.Request) (end string) {
	p.await(ctx, func() (ok bool) {
		end, ok = p.ended[r.FormValue("id")]
		return ok
	})
	return end
}

func (p *peer) awaitNone(ctx context.Context, _ *http.Request) string {
	open := 0
	p.await(ctx, func() bool { open = p.open; return open == 0 })
	if open == 0 {
		return "none"
	}
	return strconv.Itoa(open)
}

func (p *peer) counted(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("uncounted") == "" {
			p.change(func() { p.open++ })
			defer p.change(func() { p.open-- })
		}
		h(w, r)
	}
}

// accepted upgrades, plays the part and notes how the socket ended.
func (p *peer) accepted(play func(context.Context, *websocket.Conn, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := accept(w, r, "xmpp")
		if err != nil {
			return // answered
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		err = play(context.Background(), c, r)
		end := "lost"
		var code websocket.CloseError
		if errors.As(err, &code) {
			end = fmt.Sprintf("%d %s", code.Code, code.Reason)
		}
		p.change(func() { p.ended[r.FormValue("id")] = end })
	}
}

func accept(w http.ResponseWriter, r *http.Request, subprotocols ...string) (*websocket.Conn, error) {
	return websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: subprotocols, InsecureSkipVerify: true})
}

func answer(f func(context.Context, *http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := accept(w, r, "xmpp")
		if err != nil {
			return // answered
		}
		defer c.CloseNow()
		ctx, cancel := context.WithTimeout(context.Background(), patience/2)
		defer cancel()
		_ = c.Write(ctx, websocket.MessageText, []byte(f(ctx, r)))
		_, _, _ = c.Read(ctx) // the asker closes
	}
}

func echo(ctx context.Context, c *websocket.Conn, _ *http.Request) error {
	for {
		kind, data, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, kind, data); err != nil {
			return err
		}
	}
}

func burst(ctx context.Context, c *websocket.Conn, r *http.Request) error {
	n, _ := strconv.Atoi(r.FormValue("n"))
	code, _ := strconv.Atoi(r.FormValue("code"))
	for i := range n {
		if err := c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "message %d", i)); err != nil {
			return err
		}
	}
	return c.Close(websocket.StatusCode(code), r.FormValue("reason"))
}

func binary(ctx context.Context, c *websocket.Conn, _ *http.Request) error {
	if err := c.Write(ctx, websocket.MessageText, []byte("before")); err != nil {
		return err
	}
	if err := c.Write(ctx, websocket.MessageBinary, []byte("<binary/>")); err != nil {
		return err
	}
	_, _, err := c.Read(ctx)
	return err
}

// plain does not name the subprotocol.
func plain(w http.ResponseWriter, r *http.Request) {
	c, err := accept(w, r)
	if err != nil {
		return // answered
	}
	defer c.CloseNow()
	_, _, _ = c.Read(context.Background())
}

// stall never answers the handshake.
func stall(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// deaf completes the handshake and then takes everything without a word, closes
// included, until the connection is gone.
func deaf(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	key := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n", base64.StdEncoding.EncodeToString(key[:]))
	_, _ = io.Copy(io.Discard, buffered)
}
