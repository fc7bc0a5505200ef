//go:build linux

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"natter/app/xmpptest"
	"natter/wasm/e2e/chrome"
)

// What is tested: the program, and the folder with the page in it.
var binary, bundle string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "natter-e2e-")
	if err == nil {
		err = build(dir)
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

// build makes the page and the program that holds it, as the Makefile does, but
// leaves the working tree alone: other packages' tests are built at the same time.
func build(dir string) error {
	bundle, binary = filepath.Join(dir, "bundle"), filepath.Join(dir, "natter")
	if err := chrome.Go("run", "./web/build", "-out", bundle, "-level", "fast"); err != nil {
		return err
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	inTree := filepath.Join(root, "web", "bundle")
	replace := map[string]string{}
	walk := func(from string, note func(path, name string)) error {
		return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				note(path, strings.TrimPrefix(path, from))
			}
			return err
		})
	}
	err = errors.Join(
		walk(inTree, func(path, _ string) { replace[path] = "" }),
		walk(bundle, func(path, name string) { replace[inTree+name] = path }))
	if err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return err
	}
	return chrome.Go("build", "-overlay", file, "-o", binary, "./server")
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
	cmd := exec.Command(binary, append([]string{"-addr", "localhost:0"}, args...)...)
	cmd.Env = []string{}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for address == "" && lines.Scan() {
		if _, at, ok := strings.Cut(lines.Text(), "Natter is at "); ok {
			address = at
		}
	}
	ended := make(chan error, 1)
	go func() {
		for lines.Scan() {
		}
		ended <- cmd.Wait()
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(os.Interrupt)
		if err := <-ended; err != nil {
			t.Errorf("natter ended with %v", err)
		}
	}
	t.Cleanup(stop)
	if address == "" {
		t.Fatal("natter did not say where it is")
	}
	return address, stop
}
