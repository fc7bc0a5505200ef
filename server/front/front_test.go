package front

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"natter/server/config"
)

// figures returns what /metrics says.
func figures(t *testing.T, f *Front) string {
	t.Helper()
	w := httptest.NewRecorder()
	f.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			t.Errorf("not there: %s\n%s", line, text)
		}
	}
}

// Whoever probes names no host and learns no reason; the operator's own listener tells it.
func TestProbes(t *testing.T) {
	f := New(slog.New(slog.DiscardHandler))
	var broken error
	f.Require("backend", func() error { return broken })
	outside := f.Handler(http.NotFoundHandler())
	ask := func(h http.Handler, path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	for _, tc := range []struct {
		broken             error
		drain              bool
		health, ready      int
		outside, operators string
	}{
		{nil, false, 200, 200, "ok\n", "ok\n"},
		{errors.New("it does not answer"), false, 200, 503, "not ready\n", "backend: it does not answer\n"},
		{nil, true, 200, 503, "not ready\n", "stopping\n"},
	} {
		broken = tc.broken
		if tc.drain {
			f.Drain()
		}
		for h, want := range map[*http.Handler]string{&outside: tc.outside, ptr(f.Metrics()): tc.operators} {
			if code, _ := ask(*h, "/healthz"); code != tc.health {
				t.Errorf("%v: healthz %d", tc, code)
			}
			if code, text := ask(*h, "/readyz"); code != tc.ready || text != want {
				t.Errorf("%v: readyz %d %s", tc, code, text)
			}
		}
	}
	if code, _ := ask(outside, "/metrics"); code != 404 {
		t.Errorf("strangers are told figures: %d", code)
	}
	has(t, figures(t, f), "natter_draining 1")
}

func ptr[T any](v T) *T { return &v }

// Each request and each stream is counted, and named in the log by its id.
func TestCounts(t *testing.T) {
	var log bytes.Buffer
	f := New(slog.New(slog.NewTextHandler(&log, nil)))
	f.Requests.Store(true)
	during := make(chan string, 1)
	handler := f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Log(r.Context()).Info("by the handler")
		switch r.URL.Path {
		case "/ws":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			during <- figures(t, f)
			conn.Close()
		case "/page":
			io.WriteString(w, "12345")
		default:
			http.NotFound(w, r)
		}
	}))
	var all sync.WaitGroup
	all.Add(3)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer all.Done()
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	for _, path := range []string{"/page", "/romeo@example.net", "/ws"} {
		if r, err := http.Get(server.URL + path + "?token=hunter2"); err == nil {
			r.Body.Close()
		}
	}
	has(t, <-during, "natter_streams 1", "natter_streams_total 1")
	all.Wait()
	has(t, figures(t, f), "natter_streams 0", "natter_streams_total 1", "natter_http_response_bytes_total 24",
		`natter_http_requests_total{code="200",http="1"} 1`, `natter_http_requests_total{code="404",http="1"} 1`,
		`natter_http_requests_total{code="101",http="1"} 1`, "natter_http_request_duration_seconds_count 2")
	for _, want := range []string{`msg="by the handler" request=`, `path=/page status=200 bytes=5`, `msg="a stream begins" request=`, `msg="a stream ended" request=`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("not logged: %s\n%s", want, log.String())
		}
	}
	for _, never := range []string{"romeo", "hunter2"} {
		if strings.Contains(log.String(), never) {
			t.Errorf("logged: %s\n%s", never, log.String())
		}
	}
}

// Sec85: no address of a person and no secret comes out of the log, whoever wrote
// it there. This machine's own addresses and file names do.
func TestSec85_LogTaint(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log, _ := NewLog(config.Log{Level: "debug", Format: format}, &out)
		log.Info("http: TLS handshake error from 203.0.113.7:51234: EOF")
		log.With("peer", "[2001:db8::7]:443").Warn("from ::ffff:203.0.113.7.", "error", errors.New("dial tcp 203.0.113.7:5222: refused for juliet@example.org/balcony"))
		log.WithGroup("sasl").Error("no", "password", "hunter2", "Authorization", "Bearer abc", slog.Group("x", "jid", "romeo"))
		log.Info("listening", "at", "127.0.0.1:8080", "and", "[::]:443", "file", "/etc/natter/chat.example.org.pem", "took", 5, "version", "1.2.3")
		text := out.String()
		for _, never := range []string{"203.0.113", "2001:db8", "juliet", "balcony", "romeo", "hunter2", "Bearer"} {
			if strings.Contains(text, never) {
				t.Errorf("%s: %s is logged\n%s", format, never, text)
			}
		}
		for _, want := range []string{"127.0.0.1:8080", "[::]:443", "/etc/natter/chat.example.org.pem", "1.2.3", "handshake error from (address): EOF", "refused for (address)"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %s is lost\n%s", format, want, text)
			}
		}
	}
}

func TestLog_Level(t *testing.T) {
	var out bytes.Buffer
	log, level := NewLog(config.Log{Level: "warn"}, &out)
	log.Info("one")
	level.Set(slog.LevelInfo)
	log.Info("two")
	if text := out.String(); strings.Contains(text, "one") || !strings.Contains(text, "two") {
		t.Error(text)
	}
}

// Sec102: a handler that panics ends its connection and nothing else; it is counted.
func TestSec102_Panic(t *testing.T) {
	var log bytes.Buffer
	l, _ := NewLog(config.Log{}, &log)
	f := New(l)
	server := httptest.NewUnstartedServer(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("for juliet@example.org")
		}
	})))
	server.Config.ErrorLog = f.ErrorLog()
	server.Start()
	if _, err := http.Get(server.URL + "/panic"); err == nil {
		t.Error("it answered")
	}
	r, err := http.Get(server.URL)
	if err != nil || r.StatusCode != 200 {
		t.Errorf("after it: %v %v", r, err)
	}
	server.Close()
	has(t, figures(t, f), "natter_panics_total 1")
	if !strings.Contains(log.String(), "front_test.go") || strings.Contains(log.String(), "juliet") {
		t.Errorf("%s", log.String())
	}
}

// fake is a listener that takes connections from anywhere.
type fake struct {
	net.Listener
	conns chan net.Conn
}

func (f fake) Accept() (net.Conn, error) {
	if c, ok := <-f.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

type from struct {
	net.Conn
	ip     string
	closed *bool
}

func (f from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.ip), Port: 1} }
func (f from) Close() error         { *f.closed = true; return nil }

// Sec83: so many connections in all, so many from one address or network; a proxy
// on this machine speaks for many.
func TestSec83_Gate(t *testing.T) {
	f := New(slog.New(slog.DiscardHandler))
	g := f.NewGate()
	g.Limit(config.Limits{Connections: 8, PerAddress: 2}, []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")})
	l := fake{conns: make(chan net.Conn, 20)}
	gated := g.Listener(l)
	var taken []net.Conn
	dial := func(ip string) bool {
		t.Helper()
		closed, sentinel := false, false
		l.conns <- from{ip: ip, closed: &closed}
		l.conns <- from{ip: "127.0.0.1", closed: &sentinel} // Accept returns with this one at the latest
		c, err := gated.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if c.RemoteAddr().(*net.TCPAddr).IP.String() == ip {
			<-l.conns
			taken = append(taken, c)
			return true
		}
		c.Close()
		if !closed {
			t.Errorf("%s is neither taken nor closed", ip)
		}
		return false
	}
	for _, tc := range []struct {
		ip   string
		want bool
	}{
		{"203.0.113.7", true}, {"203.0.113.7", true}, {"203.0.113.7", false}, {"203.0.113.8", true},
		{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3", false},
		{"198.51.100.1", true}, {"198.51.100.1", true}, // a proxy
	} {
		if got := dial(tc.ip); got != tc.want {
			t.Errorf("%s: %v", tc.ip, got)
		}
	}
	taken[5].Close()
	taken[6].Close()
	if !dial("198.51.100.1") {
		t.Error("a proxy has a limit of its own")
	}
	taken[7].Close()
	taken[0].Close()
	taken[0].Close() // twice is once
	if !dial("203.0.113.7") {
		t.Error("a place that became free is not given")
	}
	has(t, figures(t, f), "natter_connections 5", `natter_connections_refused_total{reason="address"} 2`)
	g.Limit(config.Limits{Connections: 5, PerAddress: 2}, nil)
	closed := false
	l.conns <- from{ip: "127.0.0.1", closed: &closed}
	close(l.conns)
	if _, err := gated.Accept(); !errors.Is(err, net.ErrClosed) || !closed {
		t.Errorf("one above all: %v, closed %v", err, closed)
	}
	has(t, figures(t, f), `natter_connections_refused_total{reason="all"} 1`)
}

// A proxy says whose a connection is, and nobody else may.
func TestSec83_Proxied(t *testing.T) {
	g := New(slog.New(slog.DiscardHandler)).NewGate()
	g.Limit(config.Limits{Connections: 8, PerAddress: 8}, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "you are "+r.RemoteAddr)
	})}
	go server.Serve(g.Proxied(l))
	t.Cleanup(func() { server.Close() })
	const request = "GET / HTTP/1.0\r\n\r\n"
	for _, tc := range []struct{ from, says, want string }{
		{"127.0.0.1", "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n" + request, "you are 203.0.113.7:4711"},
		{"127.0.0.1", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x01\x12\x67\x01\xbb" + request, "you are 203.0.113.7:4711"},
		{"127.0.0.1", request, ""},
		{"127.0.0.2", request, "you are 127.0.0.2:"},
		{"127.0.0.2", "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n" + request, "400 Bad Request"},
	} {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(tc.from)}}).Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, tc.says)
		got, _ := io.ReadAll(c)
		c.Close()
		if !strings.Contains(string(got), tc.want) || tc.want == "" && len(got) > 0 {
			t.Errorf("%s, %q: %q, want %q", tc.from, tc.says, got, tc.want)
		}
	}
}
