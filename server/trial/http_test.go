package trial

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"natter/framing"
	"natter/framing/native"
)

func TestHTTP(t *testing.T) {
	f := demo(t)
	mux := http.NewServeMux()
	mux.Handle("/xmpp-websocket", f)
	web := httptest.NewServer(mux)
	defer web.Close()
	url := "ws" + strings.TrimPrefix(web.URL, "http") + "/xmpp-websocket"

	t.Run("a session over a real WebSocket", func(t *testing.T) {
		socket, err := native.Dial(t.Context(), url, native.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c := &client{t: t, socket: socket, domain: "localhost", conn: framing.NewConn(socket, framing.ConnOptions{})}
		c.open()
		c.sasl2("ada", "analytical", `<bind xmlns='urn:xmpp:bind:0'/>`)
		c.want("features")
		c.send(`<presence xmlns='jabber:client'/>`)
		c.send(chat("echo@localhost", "Hello?"))
		c.wantBodies("Hello?")
		if err := c.conn.Close(t.Context()); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	t.Run("V16 a message far too long", func(t *testing.T) {
		socket, err := native.Dial(t.Context(), url, native.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c := &client{t: t, socket: socket, domain: "localhost", conn: framing.NewConn(socket, framing.ConnOptions{})}
		c.open()
		_ = socket.Write(t.Context(), strings.Repeat("x", 1<<20)) // may fail: it is not read to the end
		for err == nil {
			_, err = c.read()
		}
	})
	t.Run("V01 the subprotocol", func(t *testing.T) {
		for _, protocols := range [][]string{{"xmpp"}, {"chat", "xmpp"}, {"chat"}, nil} {
			ws, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: protocols})
			asked := len(protocols) > 0 && protocols[len(protocols)-1] == "xmpp"
			if (err == nil) != asked {
				t.Errorf("%q: %v", protocols, err)
			}
			if err == nil {
				if ws.Subprotocol() != "xmpp" {
					t.Errorf("%q: answered %q", protocols, ws.Subprotocol())
				}
				ws.CloseNow()
			}
		}
	})
	t.Run("sec 87 origins", func(t *testing.T) {
		for origin, want := range map[string]bool{
			"":                             true, // a native client
			web.URL:                        true,
			"http://localhost:3000":        true,
			"http://127.0.0.1":             true,
			"https://[::1]:8443":           true,
			"null":                         false,
			"http://evil.example":          false,
			"http://localhost.evil.test":   false,
			"http://evil.test/localhost":   false,
			"http://evil.test#localhost":   false,
			"http://localhost@evil.test":   false,
			"http://127.0.0.1.evil.test":   false,
			"http://notlocalhost":          false,
			"file://localhost":             false,
			"ftp://127.0.0.1":              false,
			"http://192.168.0.1":           false,
			"http://localhost:3000, http:": false,
		} {
			h := http.Header{}
			if origin != "" {
				h.Set("Origin", origin)
			}
			ws, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"xmpp"}, HTTPHeader: h})
			if (err == nil) != want {
				t.Errorf("origin %q: %v", origin, err)
			}
			if err == nil {
				ws.CloseNow()
			}
		}
	})
}

func TestSec94_OnlyThisMachine(t *testing.T) {
	for _, tc := range []struct {
		remote string
		public bool
		want   int // 400 is what a request that is no WebSocket gets from whoever may ask
	}{
		{"127.0.0.1:5000", false, http.StatusBadRequest},
		{"[::1]:5000", false, http.StatusBadRequest},
		{"[::ffff:127.0.0.1]:5000", false, http.StatusBadRequest},
		{"192.168.0.7:5000", false, http.StatusForbidden},
		{"[2001:db8::1]:5000", false, http.StatusForbidden},
		{"not an address", false, http.StatusForbidden},
		{"192.168.0.7:5000", true, http.StatusBadRequest},
		{"127.0.0.1:5000 for 192.168.0.7", false, http.StatusForbidden},
		{"127.0.0.1:5000 for 192.168.0.7", true, http.StatusBadRequest},
	} {
		s := New(Options{Public: tc.public})
		r := httptest.NewRequest("GET", "/", nil)
		remote, whose, proxied := strings.Cut(tc.remote, " for ")
		r.RemoteAddr = remote
		if proxied {
			r.Header.Set("X-Forwarded-For", whose)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != tc.want {
			t.Errorf("%s, public %v: %d, want %d", tc.remote, tc.public, w.Code, tc.want)
		}
	}
}

func TestSec96_TooManyOverHTTP(t *testing.T) {
	f := start(t, Options{Limits: Limits{Connections: 1}})
	ours, theirs := framing.Pipe()
	served := make(chan error, 1)
	go func() { served <- f.Serve(context.Background(), theirs) }()
	f.waitForConns(t, 1)
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	ours.Close(3000, "")
	<-served
}
