//go:build !js

package native

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"natter/framing"
	"natter/framing/sockettest"
)

func wsURL(s *httptest.Server) string { return "ws" + strings.TrimPrefix(s.URL, "http") }

func TestContract(t *testing.T) {
	peer := httptest.NewServer(sockettest.Peer())
	defer peer.Close()
	sockettest.Test(t, wsURL(peer), func(ctx context.Context, url string) (framing.Socket, error) {
		return Dial(ctx, url, Options{CloseTimeout: 200 * time.Millisecond})
	})
}

// serve accepts sockets and hands each to the test.
func serve(t *testing.T, o Options) (url string, sockets <-chan framing.Socket) {
	accepted := make(chan framing.Socket, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, err := Accept(w, r, o); err == nil {
			accepted <- s
		}
	}))
	t.Cleanup(s.Close)
	return wsURL(s), accepted
}

func dial(t *testing.T, url string) framing.Socket {
	t.Helper()
	s, err := Dial(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(1000, "") })
	return s
}

func TestH02_ServerWithoutSubprotocol(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			_ = c.CloseNow()
		}
	}))
	defer s.Close()
	if _, err := Dial(t.Context(), wsURL(s), Options{}); !errors.Is(err, framing.ErrSubprotocol) {
		t.Errorf("dial: %v, want ErrSubprotocol", err)
	}
}

func TestH03_V01_ClientWithoutSubprotocol(t *testing.T) {
	url, sockets := serve(t, Options{})
	for _, protocols := range [][]string{nil, {"mqtt"}, {"xmppx", "notxmpp"}} {
		c, response, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: protocols})
		if err == nil {
			_ = c.CloseNow()
			t.Errorf("a client that offers %v was let in", protocols)
			continue
		}
		if response == nil || response.StatusCode != http.StatusBadRequest {
			t.Errorf("a client that offers %v got %v", protocols, response)
		}
	}
	// Twin: one that offers xmpp among others gets it.
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"mqtt", "xmpp"}})
	if err != nil || c.Subprotocol() != "xmpp" {
		t.Fatalf("dial: %v", err)
	}
	_ = c.CloseNow()
	_ = (<-sockets).Close(1000, "")
}

func TestR09_RedirectIsNotFollowed(t *testing.T) {
	url, _ := serve(t, Options{})
	s := httptest.NewServer(http.RedirectHandler("http"+strings.TrimPrefix(url, "ws"), http.StatusFound))
	defer s.Close()
	if _, err := Dial(t.Context(), wsURL(s), Options{}); err == nil {
		t.Error("followed an HTTP redirect")
	}
}

func TestH04_ServerClosesBinaryWith1003(t *testing.T) {
	url, sockets := serve(t, Options{})
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"xmpp"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(t.Context(), websocket.MessageBinary, []byte("<open/>")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusUnsupportedData {
		t.Errorf("the client saw %v, want the close code 1003", err)
	}
	if _, err := (<-sockets).Read(t.Context()); !errors.Is(err, framing.ErrBinary) {
		t.Errorf("read: %v, want ErrBinary", err)
	}
}

func TestH06_ReadLimit(t *testing.T) {
	url, sockets := serve(t, Options{ReadLimit: 100_000})
	s := dial(t, url)
	server := <-sockets
	for _, m := range []string{strings.Repeat("x", 100_000), strings.Repeat("x", 100_001)} {
		if err := s.Write(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := server.Read(t.Context()); err != nil || len(m) != 100_000 {
		t.Errorf("read %d bytes, %v", len(m), err)
	}
	var end *framing.CloseError
	if m, err := server.Read(t.Context()); !errors.As(err, &end) || end.Code != 1009 {
		t.Errorf("read %d bytes, %v, want the close 1009", len(m), err)
	}
}

func TestOriginsOfOtherHosts(t *testing.T) {
	url, sockets := serve(t, Options{Origins: []string{"chat.example"}})
	for origin, ok := range map[string]bool{"https://chat.example": true, "https://evil.example": false} {
		s, err := Dial(t.Context(), url, Options{Header: http.Header{"Origin": {origin}}})
		if (err == nil) != ok {
			t.Errorf("a page of %s: %v", origin, err)
		}
		if err == nil {
			go func() { _ = s.Close(1000, "") }()
			_ = (<-sockets).Close(1000, "")
		}
	}
}

// A peer that nobody reads from may send a megabyte and has to wait then; closing
// still works, and what had arrived can still be read.
func TestReadAheadIsBounded(t *testing.T) {
	url, sockets := serve(t, Options{})
	client, server := dial(t, url), <-sockets
	message := string(bytes.Repeat([]byte("x"), 1<<20))
	sent := make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		n := 0
		for ; n < 100; n++ {
			if server.Write(ctx, message) != nil {
				break
			}
		}
		sent <- n
	}()
	s := client.(*socket)
	s.mu.Lock()
	for s.size <= 1<<20 {
		if err := s.wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	held := s.size
	s.mu.Unlock()
	if held > 1<<20+len(message) {
		t.Errorf("read ahead %d bytes", held)
	}
	if err := client.Close(1000, ""); err != nil {
		t.Error(err)
	}
	if n := <-sent; n == 100 {
		t.Error("the server could send without bound")
	}
	if m, err := client.Read(t.Context()); err != nil || m != message {
		t.Errorf("read %d bytes, %v", len(m), err)
	}
}
