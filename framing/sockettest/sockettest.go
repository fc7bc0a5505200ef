// Package sockettest holds implementations of framing.Socket to their contract.
//
// It has two halves, so that a page can be tested as well: Test is the client's
// and runs on any platform; Peer is the server it talks to, which misbehaves on
// demand and runs natively, in another process if need be. All that Test knows of
// the server it learns through the sockets themselves.
package sockettest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"natter/framing"
)

// Dial opens a socket the way under test.
type Dial func(ctx context.Context, url string) (framing.Socket, error)

// patience is how long anything may take before the test fails. Nothing waits
// for it while all is well.
const patience = 30 * time.Second

// Test runs the contract against a Peer at base, a URL like ws://127.0.0.1:1234
// without a path.
func Test(t *testing.T, base string, dial Dial) {
	c := contract{base: base, dialer: dial}
	t.Run("H01 subprotocol offered", c.offers)
	t.Run("H02 subprotocol missing", c.noSubprotocol)
	t.Run("H04 binary message", c.binary)
	t.Run("H06 big messages", c.big)
	t.Run("H08 close codes", c.closeCodes)
	t.Run("C07 peer never answers a close", c.deaf)
	t.Run("E07 messages before the close are not lost", c.tail)
	t.Run("K08 100 abandoned dials leave nothing", c.abandoned)
	t.Run("concurrent writers", c.writers)
	t.Run("ended contexts lose nothing", c.contexts)
	t.Run("closed sockets", c.closed)
}

type contract struct {
	base   string
	dialer Dial
}

func (c contract) dial(t *testing.T, path string) framing.Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := c.dialer(ctx, c.base+path)
	if err != nil {
		t.Fatalf("dial %s: %v", path, err)
	}
	t.Cleanup(func() { _ = s.Close(1000, "") })
	return s
}

// ask dials a path of the peer that answers with one message.
func (c contract) ask(t *testing.T, path string) string {
	t.Helper()
	s := c.dial(t, path)
	answer := read(t, s)
	if err := s.Close(1000, ""); err != nil {
		t.Errorf("close %s: %v", path, err)
	}
	return answer
}

func read(t *testing.T, s framing.Socket) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := s.Read(ctx)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return m
}

// readEnd fails unless the next thing to read is the end of the socket.
func readEnd(t *testing.T, s framing.Socket) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := s.Read(ctx)
	if err == nil {
		t.Fatalf("read %.40q after the end", m)
	}
	if ctx.Err() != nil {
		t.Fatal("the socket never ended")
	}
	return err
}

func write(t *testing.T, s framing.Socket, message string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Write(ctx, message); err != nil {
		t.Fatalf("write: %v", err)
	}
}

var (
	lastID   int
	lastIDMu sync.Mutex
	start    = time.Now().UnixNano() // several processes may share a peer
)

func newID() string {
	lastIDMu.Lock()
	defer lastIDMu.Unlock()
	lastID++
	return fmt.Sprintf("%d.%d", start, lastID)
}

func (c contract) offers(t *testing.T) {
	if got := c.ask(t, "/asked"); got != "xmpp" {
		t.Errorf("the server saw the subprotocols %q", got)
	}
}

func (c contract) noSubprotocol(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := c.dialer(ctx, c.base+"/plain")
	if err == nil {
		_ = s.Close(1000, "")
		t.Fatal("a server without the subprotocol passed for XMPP")
	}
	c.awaitNoSockets(t)
}

func (c contract) binary(t *testing.T) {
	s := c.dial(t, "/binary")
	if got := read(t, s); got != "before" {
		t.Errorf("read %q", got)
	}
	if err := readEnd(t, s); !errors.Is(err, framing.ErrBinary) {
		t.Errorf("read: %v, want ErrBinary", err)
	}
	c.awaitNoSockets(t)
}

func (c contract) big(t *testing.T) {
	s := c.dial(t, "/echo")
	for _, size := range []int{1, 125, 126, 32768, 32769, 65535, 65536, 1 << 20} {
		m := strings.Repeat("ü", size/2) + strings.Repeat("x", size%2)
		write(t, s, m)
		if got := read(t, s); got != m {
			t.Errorf("%d bytes came back as %d others", len(m), len(got))
		}
	}
}

func (c contract) closeCodes(t *testing.T) {
	for _, code := range []int{1000, 3000, 4999} {
		id := newID()
		s := c.dial(t, "/echo?id="+id)
		if err := s.Close(code, "why"); err != nil {
			t.Errorf("close with %d: %v", code, err)
		}
		if got, want := c.ask(t, "/ended?id="+id), strconv.Itoa(code)+" why"; got != want {
			t.Errorf("closed with %d, the server saw %q", code, got)
		}
	}
	s := c.dial(t, "/echo")
	for _, code := range []int{0, 999, 1001, 1006, 2999, 5000} {
		if err := s.Close(code, ""); err == nil {
			t.Errorf("closed with %d", code)
		}
	}
	write(t, s, "still here")
	if got := read(t, s); got != "still here" {
		t.Errorf("read %q", got)
	}
}

func (c contract) deaf(t *testing.T) {
	path := "/deaf"
	if runtime.GOOS == "js" {
		path = "/deaf?uncounted=1" // a page can only stop listening; Chromium hangs up after a minute
	}
	s := c.dial(t, path)
	closed := make(chan error, 1)
	go func() { closed <- s.Close(1000, "") }()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("Close waits for a peer that will never answer")
	}
	readEnd(t, s)
	c.awaitNoSockets(t)
}

func (c contract) tail(t *testing.T) {
	for range 10 {
		id := newID()
		s := c.dial(t, "/burst?n=5&code=4001&reason=bye&id="+id)
		// Nobody reads until the close has been sent and answered.
		c.ask(t, "/ended?id="+id)
		for i := range 5 {
			if got, want := read(t, s), fmt.Sprintf("message %d", i); got != want {
				t.Fatalf("read %q, want %q", got, want)
			}
		}
		var end *framing.CloseError
		if err := readEnd(t, s); !errors.As(err, &end) || end.Code != 4001 || end.Reason != "bye" {
			t.Errorf("read: %v, want the close 4001 bye", err)
		}
	}
}

func (c contract) abandoned(t *testing.T) {
	for i := range 100 {
		path := "/stall"
		if i%2 == 1 {
			path = "/echo" // may win the race against the context
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		s, err := c.dialer(ctx, c.base+path)
		cancel()
		if err == nil {
			_ = s.Close(1000, "")
		}
	}
	c.awaitNoSockets(t)
}

// awaitNoSockets waits until the peer has no sockets but the one asked through.
func (c contract) awaitNoSockets(t *testing.T) {
	t.Helper()
	if got := c.ask(t, "/none"); got != "none" {
		t.Errorf("the server still has %s sockets", got)
	}
}

func (c contract) writers(t *testing.T) {
	const writers, messages = 8, 50
	s := c.dial(t, "/echo")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for w := range writers {
		go func() {
			for m := range messages {
				if err := s.Write(ctx, fmt.Sprintf("%d %d %s", w, m, strings.Repeat(".", 100*m))); err != nil {
					t.Errorf("write: %v", err)
					return
				}
			}
		}()
	}
	var next [writers]int
	for range writers * messages {
		var w, m int
		got := read(t, s)
		if _, err := fmt.Sscanf(got, "%d %d", &w, &m); err != nil || w >= writers || next[w] != m {
			t.Fatalf("read %.40q out of order", got)
		}
		next[w]++
	}
}

func (c contract) contexts(t *testing.T) {
	const messages = 200
	s := c.dial(t, fmt.Sprintf("/burst?n=%d&code=1000&reason=", messages))
	for i := 0; i < messages; {
		ctx, cancel := context.WithCancel(context.Background())
		if i%2 == 0 {
			cancel()
		}
		stop := time.AfterFunc(time.Millisecond, cancel)
		got, err := s.Read(ctx)
		stop.Stop()
		cancel()
		if errors.Is(err, context.Canceled) {
			// Only what waits is told of its context; let it wait.
			got, err = read(t, s), nil
		}
		if want := fmt.Sprintf("message %d", i); err != nil || got != want {
			t.Fatalf("read %q, %v, want %q", got, err, want)
		}
		i++
	}
	readEnd(t, s)
}

func (c contract) closed(t *testing.T) {
	s := c.dial(t, "/echo")
	if err := s.Close(1000, ""); err != nil {
		t.Errorf("close: %v", err)
	}
	_ = s.Close(1000, "") // must return
	var end *framing.CloseError
	if err := readEnd(t, s); !errors.As(err, &end) {
		t.Errorf("read: %v, want a CloseError", err)
	}
	if err := s.Write(context.Background(), "too late"); err == nil {
		t.Error("wrote to a closed socket")
	}
}
