//go:build linux

package e2e

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"natter/app/xmpptest"
	"natter/wasm/e2e/chrome"
)

// What is tested: the program, and the folder with the page in it.
var binary, bundle string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "natter-e2e-")
	if err == nil {
		binary, bundle, err = chrome.Program(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	_ = flag.Set("test.parallel", "4") // pages wait for servers, and some for silent ones
	code := xmpptest.Main(m)
	stop()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// natter starts the program on a free port and returns the address it prints. It is
// stopped with the test.
func natter(t testing.TB, args ...string) (address string) {
	t.Helper()
	address, _ = program(t, args...)
	return address
}

// program is natter for tests that stop it themselves; stop may be called twice.
func program(t testing.TB, args ...string) (address string, stop func()) {
	t.Helper()
	return chrome.Natter(t, binary, args...)
}
