//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"natter/app/xmpptest"
	"natter/wasm/e2e/chrome"
)

// chromium is the one browser of all tests, started when first asked for. Those that
// kill theirs start another with launch.
var chromium struct {
	start sync.Once
	*chrome.Browser
	err   error
	names names
}

func browser(t testing.TB) *chrome.Browser {
	t.Helper()
	chrome.Needed(t)
	chromium.start.Do(func() { chromium.Browser, chromium.err = launch("") })
	if chromium.err != nil {
		t.Fatal("chromium: ", chromium.err)
	}
	return chromium.Browser
}

// launch starts a browser on a profile, "" for one of its own.
func launch(profile string) (*chrome.Browser, error) {
	port, err := chromium.names.listen()
	if err != nil {
		return nil, err
	}
	return chrome.Start(chrome.Options{
		Profile: profile,
		Trust:   xmpptest.Ours().CertPEM,
		Hosts:   fmt.Sprintf("MAP *.test:443 127.0.0.1:%d, MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1", port),
	})
}

func stop() {
	if chromium.Browser != nil {
		chromium.Kill()
	}
	chromium.names.close()
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
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listener != nil {
		return n.listener.Addr().(*net.TCPAddr).Port, nil
	}
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
