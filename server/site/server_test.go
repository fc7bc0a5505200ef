package site

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// connection counts what slowWriter does to it.
type connection struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
	largest   int
	failAt    int // the write that fails, 0 for none
	writes    int
}

func (c *connection) SetWriteDeadline(t time.Time) error {
	c.deadlines = append(c.deadlines, t)
	return nil
}

func (c *connection) Write(p []byte) (int, error) {
	c.writes++
	if c.writes == c.failAt {
		return 0, errors.New("too slow")
	}
	c.largest = max(c.largest, len(p))
	return c.ResponseRecorder.Write(p)
}

// Sec77: each 64 KB has its own 30 seconds.
func TestSec77_RollingDeadline(t *testing.T) {
	now := time.Unix(1000, 0)
	c := &connection{ResponseRecorder: httptest.NewRecorder()}
	w := &slowWriter{ResponseWriter: c, deadline: c.SetWriteDeadline, now: func() time.Time {
		now = now.Add(20 * time.Second) // a reader that is slow and goes on
		return now
	}}
	n, err := w.Write(make([]byte, 200<<10))
	if n != 200<<10 || err != nil {
		t.Fatal(n, err)
	}
	if len(c.deadlines) != 4 || c.largest != 64<<10 {
		t.Errorf("%d deadlines, %d bytes at once; want 4 and %d", len(c.deadlines), c.largest, 64<<10)
	}
	for i, d := range c.deadlines {
		if want := time.Unix(1000, 0).Add(time.Duration(20*(i+1)+30) * time.Second); !d.Equal(want) {
			t.Errorf("deadline %d: %v, want %v", i, d, want)
		}
	}
}

func TestSec77_StopsAtFailure(t *testing.T) {
	c := &connection{ResponseRecorder: httptest.NewRecorder(), failAt: 2}
	w := &slowWriter{ResponseWriter: c, deadline: c.SetWriteDeadline, now: time.Now}
	if n, err := w.Write(make([]byte, 200<<10)); n != 64<<10 || err == nil || c.writes != 2 {
		t.Errorf("%d bytes, %v, %d writes", n, err, c.writes)
	}
}

// A deadline that has passed must not end the next answer on a connection, even
// one without a body.
func TestSec77_DeadlineWithoutBody(t *testing.T) {
	s := newSite(t, trial())
	etag := get(s, "GET", "/", "localhost").Header.Get("ETag")
	for _, coding := range []string{"", "br"} {
		c := &connection{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest("GET", "http://localhost/", nil)
		r.Header.Set("If-None-Match", "*")
		r.Header.Set("Accept-Encoding", coding)
		s.ServeHTTP(c, r)
		if c.Code != 304 || len(c.deadlines) == 0 {
			t.Errorf("%s %q: %d with %d deadlines", etag, coding, c.Code, len(c.deadlines))
		}
	}
}

func TestSec77_Limits(t *testing.T) {
	s := NewServer("localhost:0", http.NotFoundHandler())
	got := fmt.Sprint(s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout, s.MaxHeaderBytes)
	if want := "5s 15s 0s 2m0s 16384"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Over a real connection: headers that are too large, and the answers to what is
// not quite HTTP.
func TestSec79_OnTheWire(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer("", newSite(t, trial()))
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })

	for _, tc := range []struct{ name, request, want string }{
		{"plain", "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "200"},
		{"absolute", "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "200"},
		{"absolute, elsewhere", "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "421"},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "405"},
		{"dots", "GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "404"},
		{"NUL", "GET /\x00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "400"},
		{"large header", "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 32<<10) + "\r\n\r\n", "431"},
		{"large header, allowed", "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + strings.Repeat("x", 12<<10) + "\r\n\r\n", "200"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, tc.request); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil || !strings.HasPrefix(line, "HTTP/1.1 "+tc.want) {
				t.Errorf("%q, %v; want %s", line, err, tc.want)
			}
		})
	}
}
