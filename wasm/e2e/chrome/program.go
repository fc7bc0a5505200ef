//go:build linux

package chrome

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Program makes the page and the program that holds it in dir, as the Makefile does, but
// leaves the working tree alone: other packages' tests are built at the same time.
func Program(dir string) (binary, bundle string, err error) {
	bundle, binary = filepath.Join(dir, "bundle"), filepath.Join(dir, "natter")
	if err := Go("run", "./web/build", "-out", bundle, "-level", "fast"); err != nil {
		return "", "", err
	}
	p, err := place()
	if err != nil {
		return "", "", err
	}
	inTree := filepath.Join(p.module, "web", "bundle")
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
		return "", "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", "", err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return "", "", err
	}
	return binary, bundle, Go("build", "-overlay", file, "-o", binary, "./server")
}

// Natter starts the program on a free port and returns the address it prints. It is
// stopped with the test, if not before; stop may be called twice.
func Natter(t testing.TB, binary string, args ...string) (address string, stop func()) {
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
