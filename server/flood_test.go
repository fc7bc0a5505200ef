package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"natter/app/xmpptest"
)

// TestMain is natter itself where a test asks for a process of its own.
func TestMain(m *testing.M) {
	dir := os.Getenv("NATTER_TEST_BUNDLE")
	if dir == "" {
		os.Exit(m.Run())
	}
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	c := call{args: os.Args[1:], getenv: env(), out: os.Stdout, problems: os.Stderr}
	s, err := configure(c)
	if err == nil {
		err = serve(ctx, s, os.DirFS(dir), c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// memory is what a process has in RAM, in megabytes.
func memory(t *testing.T, pid int) int {
	t.Helper()
	for line := range strings.Lines(read(t, fmt.Sprintf("/proc/%d/status", pid))) {
		var kB int
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kB); n == 1 {
			return kB >> 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// crowd keeps n connections at an address that is up to no good, and counts those that the
// server ended.
type crowd struct {
	address string
	n       int
	what    func(ctx context.Context, c net.Conn) // returns when the connection is over
	begun   atomic.Int64
	ended   atomic.Int64
}

func (c *crowd) run(ctx context.Context, all *sync.WaitGroup) {
	for range c.n {
		all.Go(func() {
			for ctx.Err() == nil {
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.address)
				if err != nil {
					time.Sleep(50 * time.Millisecond) // the queue of the system is full
					continue
				}
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				c.begun.Add(1)
				c.what(ctx, conn)
				if ctx.Err() == nil {
					c.ended.Add(1)
				}
				stop()
				conn.Close()
				time.Sleep(20 * time.Millisecond) // the honest share this machine with the crowd
			}
		})
	}
}

// silent says nothing and waits.
func silent(_ context.Context, c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// dribble sends the head of a request byte by byte, and never its end.
func dribble(ctx context.Context, c net.Conn) {
	head := []byte("GET / HTTP/1.1\r\nHost: chat.example.org\r\nX-Filler: " + strings.Repeat("a", 100))
	gone := make(chan struct{})
	go func() { silent(ctx, c); close(gone) }()
	for _, b := range head {
		if _, err := c.Write([]byte{b}); err != nil {
			break
		}
		select {
		case <-gone:
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
	<-gone
}

// rubbish sends what is no protocol, then the head of a request that never ends.
func rubbish(ctx context.Context, c net.Conn) {
	for _, text := range []string{"\x00\xff\x16\x03\x01 garbage\r\n", "GET / HTTP/1.1\r\nX: ", strings.Repeat("b", 1<<20)} {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
	}
	silent(ctx, c)
}

// P-21 and Sec77 and Sec83: 5,000 connections that dribble, 1,000 handshakes that are
// never finished and some that send rubbish, while honest people load the page: none of them
// meets an error, and the memory stays small. PROVE=full tries the whole number for a minute; else
// it is a tenth of them for as long as it takes to see them cut off.
func TestPromise21_StaticServerStands(t *testing.T) {
	slow, open, odd, span := 500, 100, 20, time.Duration(0)
	if os.Getenv("PROVE") == "full" {
		slow, open, odd, span = 5000, 1000, 200, time.Minute
	} else if testing.Short() {
		t.Skip("takes ten seconds")
	}
	f := newFiles(t)
	plain := xmpptest.FreeAddress(t)
	f.write(f.config, strings.Replace(read(t, f.config), `"tls": {`, `"tls": {"http": "`+plain+`", `, 1))
	dir := t.TempDir()
	if err := os.CopyFS(dir, large(t)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-config", f.config)
	cmd.Env = append(os.Environ(), "NATTER_TEST_BUNDLE="+dir)
	said := &lines{}
	cmd.Stdout, cmd.Stderr = said, said
	process := spawn(t, cmd)
	until(t, "it runs", func() bool {
		if process.over() {
			t.Fatal(said)
		}
		return strings.Contains(said.String(), "stops it.")
	})
	alone := memory(t, cmd.Process.Pid)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	crowds := []*crowd{
		{address: plain, n: slow, what: dribble},
		{address: f.mainListen, n: open, what: silent},
		{address: f.mainListen, n: odd, what: rubbish},
		{address: plain, n: odd, what: rubbish},
	}
	for _, c := range crowds {
		c.run(ctx, &all)
	}
	full := func() bool {
		for _, c := range crowds {
			if c.begun.Load() < int64(c.n) {
				return false
			}
		}
		return true
	}
	for end := time.Now().Add(time.Minute); !full(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the crowd does not get together")
		}
	}

	var mu sync.Mutex
	var took []time.Duration
	var failed []string
	var people sync.WaitGroup
	done := make(chan struct{})
	for i := range 8 {
		people.Go(func() {
			c := f.client()
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				path := []string{"/", "/config.json", "/app.wasm"}[n%3]
				if n%10 == 9 && i%2 == 0 {
					c.CloseIdleConnections() // a newcomer
				}
				start := time.Now()
				r, err := c.Get("https://chat.example.org" + path)
				if err == nil {
					_, err = io.Copy(io.Discard, r.Body)
					r.Body.Close()
					if err == nil && r.StatusCode != 200 {
						err = fmt.Errorf("%s", r.Status)
					}
				}
				mu.Lock()
				took = append(took, time.Since(start))
				if err != nil {
					failed = append(failed, err.Error())
				}
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	start := time.Now()
	cut := func() bool { // each kind has been cut off, so each has met its limit
		for _, c := range crowds {
			if c.ended.Load() < int64(c.n)/2 {
				return false
			}
		}
		return time.Since(start) > span
	}
	for end := time.Now().Add(span + time.Minute); !cut(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			for _, c := range crowds {
				t.Errorf("of %d connections %d were ended", c.begun.Load(), c.ended.Load())
			}
			break
		}
	}
	close(done)
	people.Wait()
	peak := memory(t, cmd.Process.Pid)
	stop()
	all.Wait()

	slices.Sort(took)
	if len(failed) > 0 || len(took) == 0 {
		t.Errorf("of %d requests %d failed: %s", len(took), len(failed), slices.Compact(failed)[:min(3, len(failed))])
	}
	if peak >= 150 {
		t.Errorf("%d MB", peak)
	}
	if process.over() || strings.Contains(said.String(), "panic") {
		t.Errorf("it is over: %s", said)
	}
	if n := len(took); n > 0 {
		t.Logf("P-21: %d dribbling, %d silent, %d odd connections for %v: %d requests, %d failed, p50 %v, p99 %v; %d MB, %d MB before",
			slow, open, 2*odd, time.Since(start).Round(time.Second), n, len(failed), took[n/2].Round(time.Millisecond/10), took[n*99/100].Round(time.Millisecond/10), peak, alone)
	}
}
