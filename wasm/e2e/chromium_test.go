//go:build linux

package e2e

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/launcher"

	"natter/app/xmpptest"
)

const chromiumPath = "/usr/bin/chromium"

// chromium is the one browser of all tests, started when first asked for.
var chromium browser

type browser struct {
	start sync.Once
	rod   *rod.Browser
	run   *launcher.Launcher
	err   error
	names names
}

func (b *browser) get(t testing.TB) *rod.Browser {
	t.Helper()
	if _, err := os.Stat(chromiumPath); err != nil && os.Getenv("CI") != "true" {
		t.Skip("chromium is not installed: run .ci/install")
	}
	b.start.Do(func() { b.err = b.launch() })
	if b.err != nil {
		t.Fatal("chromium: ", b.err)
	}
	return b.rod
}

func (b *browser) launch() error {
	block, _ := pem.Decode(xmpptest.Ours().CertPEM)
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	key := sha256.Sum256(authority.RawSubjectPublicKeyInfo)
	port, err := b.names.listen()
	if err != nil {
		return err
	}
	b.run = launcher.New().Bin(chromiumPath).NoSandbox(true).Leakless(false).
		Set("headless", "new").Set("disable-gpu").Set("disable-quic").Set("disable-component-update").
		Set("disable-background-networking").Set("disable-sync").Set("no-first-run").
		Set("force-device-scale-factor", "1").Set("lang", "en-GB").
		Set("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:])).
		Set("host-resolver-rules", fmt.Sprintf("MAP *.test:443 127.0.0.1:%d, MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1", port))
	control, err := b.run.Launch()
	if err != nil {
		return err
	}
	b.rod = rod.New().ControlURL(control)
	return b.rod.Connect()
}

func (b *browser) stop() {
	if b.rod != nil {
		_ = b.rod.Close()
	}
	if b.run != nil {
		b.run.Kill()
		b.run.Cleanup()
	}
	b.names.close()
}

// names leads connections to port 443 of names ending in .test to where tests want
// them, by the name in the TLS handshake.
type names struct {
	listener net.Listener
	mu       sync.Mutex
	at       map[string]string
}

// nameAt makes name resolve: its port 443 is at address, host:port.
func nameAt(t testing.TB, name, address string) {
	n := &chromium.names
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.at == nil {
		n.at = map[string]string{}
	}
	if old := n.at[name]; old != "" && old != address {
		t.Fatalf("%s is at %s already", name, old)
	}
	n.at[name] = address
}

func (n *names) listen() (port int, err error) {
	n.listener, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	go func() {
		for {
			conn, err := n.listener.Accept()
			if err != nil {
				return
			}
			go n.pass(conn)
		}
	}()
	return n.listener.Addr().(*net.TCPAddr).Port, nil
}

func (n *names) close() {
	if n.listener != nil {
		_ = n.listener.Close()
	}
}

func (n *names) pass(from net.Conn) {
	defer from.Close()
	_ = from.SetReadDeadline(time.Now().Add(patience))
	hello, name, err := clientHello(from)
	if err != nil {
		return
	}
	_ = from.SetReadDeadline(time.Time{})
	n.mu.Lock()
	address := n.at[name]
	n.mu.Unlock()
	if address == "" {
		return // nobody is there
	}
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	if _, err := to.Write(hello); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	<-done
}

// clientHello reads the first TLS record and the server name in it (RFC 6066 §3).
func clientHello(r io.Reader) (record []byte, name string, err error) {
	short := errors.New("not a ClientHello")
	record = make([]byte, 5)
	if _, err := io.ReadFull(r, record); err != nil {
		return nil, "", err
	}
	if record[0] != 22 {
		return nil, "", short
	}
	length := int(record[3])<<8 | int(record[4])
	record = append(record, make([]byte, length)...)
	if _, err := io.ReadFull(r, record[5:]); err != nil {
		return nil, "", err
	}
	b := record[5:]
	skip := func(n int) bool {
		if n > len(b) {
			b = nil
			return false
		}
		b = b[n:]
		return true
	}
	number := func(size int) (n int) {
		if len(b) < size {
			b = nil
			return 0
		}
		for _, c := range b[:size] {
			n = n<<8 | int(c)
		}
		b = b[size:]
		return n
	}
	if !skip(4 + 2 + 32) { // handshake header, version, random
		return nil, "", short
	}
	for _, size := range []int{1, 2, 1} { // session, cipher suites, compression
		if !skip(number(size)) {
			return nil, "", short
		}
	}
	number(2)
	for len(b) > 4 {
		kind, size := number(2), number(2)
		if kind == 0 && size > 5 && size <= len(b) {
			return record, strings.ToLower(string(b[5:size])), nil
		}
		skip(size)
	}
	return nil, "", short
}
