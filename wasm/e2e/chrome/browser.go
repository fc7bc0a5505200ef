//go:build linux

package chrome

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/launcher"
)

const path = "/usr/bin/chromium"

// Patience is how long a test waits for anything before it fails: long enough for a
// loaded machine. What is broken is still broken after it.
const Patience = time.Minute

// Options is how a browser is started. The zero value is one with a profile of its own.
type Options struct {
	Profile string // a folder that outlives the browser
	Trust   []byte // a certificate in PEM; what it has signed is believed
	Hosts   string // where names lead to, as --host-resolver-rules takes it
}

// Browser is a running Chromium.
type Browser struct {
	*rod.Browser
	run  *launcher.Launcher
	own  bool // the profile goes with the browser
	once sync.Once
}

// Needed skips the test if there is no browser. With CI=true that is no excuse.
func Needed(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(path); err != nil && os.Getenv("CI") != "true" {
		t.Skip("chromium is not installed: run .ci/install")
	}
}

// Open starts a browser for a test, which ends it.
func Open(t testing.TB, o Options) *Browser {
	t.Helper()
	Needed(t)
	b, err := Start(o)
	if err != nil {
		t.Fatal("chromium: ", err)
	}
	t.Cleanup(b.Kill)
	return b
}

// Start starts a browser. Somebody has to Kill it.
func Start(o Options) (*Browser, error) {
	b := &Browser{own: o.Profile == ""}
	b.run = launcher.New().Bin(path).NoSandbox(true).Leakless(false).
		Set("headless", "new").Set("disable-gpu").Set("disable-quic").Set("disable-component-update").
		Set("force-device-scale-factor", "1").Set("lang", "en-GB")
	if !b.own {
		b.run.UserDataDir(o.Profile)
	}
	if o.Hosts != "" {
		b.run.Set("host-resolver-rules", o.Hosts)
	}
	if o.Trust != nil {
		pin, err := pin(o.Trust)
		if err != nil {
			return nil, err
		}
		b.run.Set("ignore-certificate-errors-spki-list", pin)
	}
	address, err := b.run.Launch()
	if err != nil {
		return nil, err
	}
	b.Browser = rod.New().ControlURL(address)
	if err := b.Connect(); err != nil {
		b.Kill()
		return nil, err
	}
	return b, nil
}

func pin(certificate []byte) (string, error) {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return "", errors.New("no certificate")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

// Kill ends the browser and all its processes as a crash would, and returns when they
// are no more. A browser that is started on the profile before that may find it in
// use, and begin a new database.
func (b *Browser) Kill() {
	b.once.Do(func() {
		group := b.run.PID()
		for alive(group) {
			_ = syscall.Kill(-group, syscall.SIGKILL)
			time.Sleep(time.Millisecond)
		}
		if b.own {
			b.run.Cleanup()
		}
	})
}

// alive reports whether a thread of a group of processes still runs. One that is dead
// may stay listed for seconds, until init comes to it; and the first thread of a process
// may be dead while the others still write files (proc(5), /proc/pid/stat).
func alive(group int) bool {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		if of, _ := stat(process); of != group {
			continue
		}
		threads, _ := filepath.Glob(process + "/task/*")
		for _, thread := range threads {
			if of, state := stat(thread); of == group && state != "Z" && state != "X" {
				return true
			}
		}
	}
	return false
}

// stat returns the group of a process or thread, 0 if it is gone, and its state.
func stat(path string) (group int, state string) {
	line, err := os.ReadFile(path + "/stat")
	if err != nil {
		return 0, ""
	}
	_, rest, _ := bytes.Cut(line, []byte(") ")) // after the name
	parent := 0
	if _, err := fmt.Sscan(string(rest), &state, &parent, &group); err != nil {
		return 0, ""
	}
	return group, state
}
