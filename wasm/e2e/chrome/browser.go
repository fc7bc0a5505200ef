//go:build linux

package chrome

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/cdp"
	"github.com/go-rod/rod/lib/launcher"
	"github.com/go-rod/rod/lib/proto"
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
	Zone    string // the time zone of the computer it runs on
}

// Browser is a running Chromium.
type Browser struct {
	*rod.Browser
	run  *launcher.Launcher
	own  bool // the profile goes with the browser
	free func()
	once sync.Once
}

// Needed skips the test if there is no browser. With CI=true that is no excuse. With -short
// the test is left to make test.
func Needed(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes its time, and this is -short")
	}
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
	if o.Zone != "" {
		b.run.Env(append(os.Environ(), "TZ="+o.Zone)...)
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
	if b.free, err = Guard(b.run.PID()); err != nil {
		b.Kill()
		return nil, err
	}
	b.Browser = rod.New().ControlURL(address)
	if err := b.Connect(); err != nil {
		b.Kill()
		return nil, err
	}
	return b, nil
}

// Guard kills a group of processes if ours ends before free is called, however it ends: a test
// that takes too long ends without another word, and a browser that it left behind would take
// the processor from the tests after it.
func Guard(group int) (free func(), err error) {
	guard := exec.Command("/bin/sh", "-c", `read -r _; kill -9 "-$0"`, strconv.Itoa(group))
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // not to be interrupted beside us
	ours, err := guard.StdinPipe()                          // closed when we end
	if err != nil {
		return nil, err
	}
	if err := guard.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = guard.Process.Kill()
		_ = guard.Wait()
		_ = ours.Close()
	}, nil
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

// Navigated reports whether err says that a page went on to another document before what
// was evaluated in it had ended.
func Navigated(err error) bool {
	var e *cdp.Error
	return errors.As(err, &e) && (e.Is(cdp.ErrCtxDestroyed) || e.Message == "Inspected target navigated or closed")
}

// Quit ends the browser as a person does, who lets it write down what it has.
func (b *Browser) Quit() {
	_ = proto.BrowserClose{}.Call(b) // it may be gone before it has answered
	for late := time.Now().Add(Patience); syscall.Kill(-b.run.PID(), 0) == nil && time.Now().Before(late); {
		time.Sleep(time.Millisecond)
	}
	b.Kill()
}

// Kill ends the browser and all its processes as a crash would, and returns when none is
// left, not even one that is dead and waits for init to come to it. A browser that is
// started on the profile earlier, which would save a second, may find it in use: it then
// begins a new database, or comes back with one that is minutes old (seen in P-3, in one
// of about fifty kills).
func (b *Browser) Kill() {
	b.once.Do(func() {
		for group := -b.run.PID(); syscall.Kill(group, syscall.SIGKILL) == nil; {
			time.Sleep(time.Millisecond)
		}
		if b.free != nil {
			b.free()
		}
		if b.own {
			b.run.Cleanup()
		}
	})
}
