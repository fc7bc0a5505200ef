//go:build linux

package xmpptest

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
)

// Prosody launches Prosody 0.12 for this test. Where the package's TestMain calls
// Main, all its tests share one, which is running again for each test that asks; the accounts of
// others are then still there.
//
// Without the server on this machine the test is skipped, or fails with CI=true.
// The server's log is shown if the test fails.
func Prosody(t testing.TB) *Server { t.Helper(); return Get(t, KindProsody) }

// Ejabberd is Prosody for ejabberd 23.
func Ejabberd(t testing.TB) *Server { t.Helper(); return Get(t, KindEjabberd) }

// Prosody13 is Prosody for Prosody 13, which lives in a root folder of its own.
func Prosody13(t testing.TB) *Server { t.Helper(); return Get(t, KindProsody13) }

// Ejabberd24 is Prosody for ejabberd 24, which lives in a root folder of its own.
func Ejabberd24(t testing.TB) *Server { t.Helper(); return Get(t, KindEjabberd24) }

// All runs f as a subtest against each server, named by its Kind.
func All(t *testing.T, f func(t *testing.T, s *Server)) {
	t.Helper()
	for _, kind := range Kinds {
		t.Run(string(kind), func(t *testing.T) { f(t, Get(t, kind)) })
	}
}

// Main runs the tests of a package with shared servers, started when first asked
// for and stopped at the end:
//
//	func TestMain(m *testing.M) { os.Exit(xmpptest.Main(m)) }
func Main(m *testing.M, off ...Off) int {
	shared.on, shared.off = true, off
	defer func() {
		for _, s := range shared.kinds {
			if s.Server != nil {
				s.Kill()
				_ = os.RemoveAll(s.dir)
			}
		}
	}()
	return m.Run()
}

var shared struct {
	on    bool // set before the first test
	off   []Off
	mu    sync.Mutex
	kinds map[Kind]*one
}

// one is the server of a kind that tests share.
type one struct {
	mu sync.Mutex // held while it starts, which takes ejabberd seconds
	*Server
}

// Get returns the server of a Kind. With -short the test is skipped: it is left to make test.
func Get(t testing.TB, kind Kind) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("a real server takes its time, and this is -short")
	}
	s, err := start(t, kind)
	var missing *NotInstalledError
	if errors.As(err, &missing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	from := size(s.Log)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", s.Name, s.logTail(from))
		}
	})
	return s
}

func start(t testing.TB, kind Kind) (*Server, error) {
	if !shared.on {
		s, err := Start(kind, t.TempDir())
		if err == nil {
			t.Cleanup(s.Kill)
		}
		return s, err
	}
	s := its(kind)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Server != nil {
		return s.Server, s.Start()
	}
	dir, err := os.MkdirTemp("", "natter-"+string(kind)+"-")
	if err != nil {
		return nil, err
	}
	if s.Server, err = Start(kind, dir, shared.off...); err != nil {
		_ = os.RemoveAll(dir)
	}
	return s.Server, err
}

func its(kind Kind) *one {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.kinds == nil {
		shared.kinds = map[Kind]*one{}
	}
	if shared.kinds[kind] == nil {
		shared.kinds[kind] = &one{}
	}
	return shared.kinds[kind]
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

func size(path string) int64 {
	if info, err := os.Stat(path); err == nil {
		return info.Size()
	}
	return 0
}
