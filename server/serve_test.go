package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"natter/app/xmpptest"
	"natter/server/dnstest"
	"natter/server/doctor"
)

// files are a configuration with the certificate it names.
type files struct {
	t          *testing.T
	dir        string
	config     string // path
	ca         *xmpptest.Authority
	cert, key  string
	metrics    string // where figures are, once natter runs
	mainListen string
}

const sites = `{
  "listen": "%s",
  "sites": [
    {"publicURL": "https://chat.example.org/", "branding": {"name": "%s"},
     "domains": [{"name": "example.org", "websocket": "wss://example.org/ws"}]},
    {"publicURL": "https://chat.example.net/", "branding": {"name": "Klatsch"}, "hostMeta": true,
     "domains": [{"name": "example.net", "websocket": "wss://example.net/ws"}]}
  ],
  "tls": {"files": [{"cert": "%s", "key": "%s"}]},
  "metrics": {"listen": "%s"}
}`

func newFiles(t *testing.T) *files {
	f := &files{t: t, dir: t.TempDir(), ca: xmpptest.NewAuthority(), metrics: xmpptest.FreeAddress(t), mainListen: xmpptest.FreeAddress(t)}
	f.config, f.cert, f.key = filepath.Join(f.dir, "natter.json"), filepath.Join(f.dir, "cert.pem"), filepath.Join(f.dir, "key.pem")
	cert, key := f.ca.Issue("chat.example.org", "chat.example.net", "example.net")
	f.write(f.cert, string(cert))
	f.write(f.key, string(key))
	f.name("Example chat")
	return f
}

func (f *files) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// name writes the configuration in which the first page has that name.
func (f *files) name(name string) {
	f.t.Helper()
	f.write(f.config, fmt.Sprintf(sites, f.mainListen, name, f.cert, f.key, f.metrics))
}

// client finds every host where natter listens.
func (f *files) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: f.ca.Pool()},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", f.mainListen)
		},
	}}
}

// get returns an answer and its text.
func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(text)
}

// until waits for a state.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// Each domain has its own page, by the name that was asked for, over HTTP/2.
func TestServe_Sites(t *testing.T) {
	f := newFiles(t)
	n := started(t, tiny(t), "-config", f.config)
	if n.base != "https://chat.example.org/" {
		t.Errorf("it says it is at %s", n.base)
	}
	c := f.client()
	for host, name := range map[string]string{"chat.example.org": "Example chat", "chat.example.net": "Klatsch"} {
		r, text := get(t, c, "https://"+host+"/config.json")
		if r.ProtoMajor != 2 || r.StatusCode != 200 || !strings.Contains(text, name) || r.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: %s %s %v\n%s", host, r.Proto, r.Status, r.Header, text)
		}
	}
	if r, text := get(t, c, "https://example.net/.well-known/host-meta.json"); r.StatusCode != 200 || !strings.Contains(text, "wss://example.net/ws") {
		t.Errorf("host-meta: %s %s", r.Status, text)
	}
	if _, err := c.Get("https://evil.example/"); err == nil {
		t.Error("a certificate for anybody")
	}
	if r, text := get(t, http.DefaultClient, "http://"+f.metrics+"/readyz"); r.StatusCode != 200 {
		t.Errorf("%s %s", r.Status, text)
	}
	_, text := get(t, http.DefaultClient, "http://"+f.metrics+"/metrics")
	for _, want := range []string{`natter_tls_handshakes_total{version="TLS 1.3"}`, `natter_http_requests_total{code="200",http="2"} 3`, "natter_certificate_not_after_seconds{name=\"" + f.cert, "natter_build_info{version=", "natter_connections "} {
		if !strings.Contains(text, want) {
			t.Errorf("not among the figures: %s\n%s", want, text)
		}
	}
	if code := n.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// SIGHUP: what is right holds from then on, what is wrong changes nothing and is named;
// nobody who is connected notices.
func TestServe_Reload(t *testing.T) {
	f := newFiles(t)
	n := started(t, tiny(t), "-config", f.config)
	var dials int
	c := f.client()
	c.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		dials++
		return new(net.Dialer).DialContext(ctx, "tcp", f.mainListen)
	}
	page := func() string {
		_, text := get(t, c, "https://chat.example.org/config.json")
		return text
	}
	if !strings.Contains(page(), "Example chat") {
		t.Fatal("not the page")
	}
	reload := func(says string) {
		t.Helper()
		before := strings.Count(n.problems.String(), says)
		n.reload <- syscall.SIGHUP
		until(t, says+"\n"+n.problems.String(), func() bool { return strings.Count(n.problems.String(), says) > before })
	}
	f.name("Renamed")
	reload("was read again")
	if !strings.Contains(page(), "Renamed") {
		t.Error("the new name does not hold")
	}
	for _, tc := range []struct{ from, to, says string }{
		{`"name": "Klatsch"`, `"nome": "Klatsch"`, "natter.json:6: sites[1].branding.nome: there is no such key"},
		{f.mainListen, "127.0.0.1:1", "natter.json:2: listen: this changes with a restart only"},
		{f.metrics, "127.0.0.1:1", "metrics: this changes with a restart only"},
		{f.cert, "/missing.pem", "tls.files[0]: stat /missing.pem"},
	} {
		data, err := os.ReadFile(f.config)
		if err != nil {
			t.Fatal(err)
		}
		f.write(f.config, strings.Replace(strings.Replace(string(data), tc.from, tc.to, 1), "Renamed", "Wrong", 1))
		reload(tc.says)
		if !strings.Contains(page(), "Renamed") {
			t.Errorf("%s: what was there does not hold any more", tc.says)
		}
		f.write(f.config, string(data))
	}
	if dials != 1 {
		t.Errorf("%d connections: reading the configuration ended some", dials-1)
	}
	_, text := get(t, http.DefaultClient, "http://"+f.metrics+"/metrics")
	for _, want := range []string{`natter_config_reloads_total{result="taken"} 1`, `natter_config_reloads_total{result="refused"} 4`} {
		if !strings.Contains(text, want) {
			t.Errorf("not among the figures: %s", want)
		}
	}
}

// The trial server's streams live through a reload that has nothing to read.
func TestServe_ReloadWithoutFile(t *testing.T) {
	n := started(t, tiny(t))
	ws, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(n.base, "http")+endpoint, &websocket.DialOptions{Subprotocols: []string{"xmpp"}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	n.reload <- syscall.SIGHUP
	until(t, "it says so", func() bool { return strings.Contains(n.problems.String(), "no configuration file") })
	if err := ws.Write(t.Context(), websocket.MessageText, []byte(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>`)); err != nil {
		t.Fatal(err)
	}
	if _, text, err := ws.Read(t.Context()); err != nil || !bytes.Contains(text, []byte("<open")) {
		t.Errorf("%s %v", text, err)
	}
}

// A server that cannot take all it is to listen on takes nothing.
func TestServe_AddressInUse(t *testing.T) {
	f := newFiles(t)
	l, err := net.Listen("tcp", f.metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := call{args: []string{"-config", f.config}, getenv: env(), out: io.Discard, problems: io.Discard}
	s, err := configure(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := serve(context.Background(), s, tiny(t), c); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("%v", err)
	}
	again, err := net.Listen("tcp", f.mainListen)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestConfigCheck(t *testing.T) {
	f := newFiles(t)
	check := func() (int, string, string) {
		var out, problems bytes.Buffer
		code := run(context.Background(), call{args: []string{"config", "check", f.config}, getenv: env(), out: &out, problems: &problems})
		return code, out.String(), problems.String()
	}
	code, out, problems := check()
	if code != 0 || problems != "" || !strings.Contains(out, "https://chat.example.net/ for example.net") || !strings.Contains(out, "cert.pem is for localhost, chat.example.org") {
		t.Errorf("%d %s %s", code, out, problems)
	}
	cert, key := f.ca.Issue("chat.example.org")
	f.write(f.cert, string(cert))
	f.write(f.key, string(key))
	if code, out, problems := check(); code != exitUsage || !strings.Contains(problems, "no certificate is for chat.example.net") {
		t.Errorf("%d %s %s", code, out, problems)
	}
	f.write(f.key, "nothing")
	if code, out, problems := check(); code != exitUsage || !strings.Contains(problems, "key.pem") {
		t.Errorf("%d %s %s", code, out, problems)
	}
}

func TestSchemaAndVersion(t *testing.T) {
	for words, want := range map[string]string{"config schema": `"$schema": "https://json-schema.org/draft/2020-12/schema"`, "version": "natter "} {
		var out bytes.Buffer
		if code := run(context.Background(), call{args: strings.Fields(words), getenv: env(), out: &out, problems: io.Discard}); code != 0 || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %d %s", words, code, out.String())
		}
	}
}

// natter's own page and host-meta, seen by its own doctor: the exit code and both forms.
func TestDoctor(t *testing.T) {
	f := newFiles(t)
	started(t, tiny(t), "-config", f.config)
	ca := filepath.Join(f.dir, "ca.pem")
	f.write(ca, string(f.ca.CertPEM))
	names := dnstest.Serve(t, "example.net. A 192.0.2.1\n")
	args := []string{"doctor", "example.net", "-ca", ca, "-dns", names, "-connect", "example.net:443=" + f.mainListen, "-timeout", "5s"}
	examine := func(more ...string) (int, string) {
		var out bytes.Buffer
		code := run(t.Context(), call{args: append(args, more...), getenv: env(), out: &out, problems: io.Discard})
		return code, out.String()
	}
	code, out := examine("-connect", "example.net:5222=127.0.0.1:1", "-connect", "example.net:5269=127.0.0.1:1")
	if code != exitFailed || !strings.Contains(out, "good  page    ask where the WebSocket is: GET https://example.net/.well-known/host-meta.json\n              200 application/json: wss://example.net/ws (") ||
		!strings.Contains(out, "BAD   page    open the WebSocket") || !strings.Contains(out, "→ nginx: location = /ws") || !strings.HasSuffix(out, "example.net: pages do not, other clients do not, servers do not.\n") {
		t.Errorf("%d %s", code, out)
	}
	code, out = examine("-json")
	var report doctor.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitFailed || report.Domain != "example.net" || len(report.Steps) < 5 {
		t.Errorf("%d %v %s", code, err, out)
	}
}

// Sec83: over HTTP/2 a hundred requests at a time are allowed, somebody who makes and
// takes back thousands (CVE-2023-44487) keeps nobody from the page, and WebSockets over it
// (RFC 8441), which the library cannot do, are not promised.
func TestSec83_RapidReset(t *testing.T) {
	f := newFiles(t)
	n := started(t, large(t), "-config", f.config)
	conn, err := tls.Dial("tcp", f.mainListen, &tls.Config{RootCAs: f.ca.Pool(), ServerName: "chat.example.org", NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	frames := http2.NewFramer(conn, conn)
	if err := frames.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	first, err := frames.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := first.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("%v", first)
	}
	if v, ok := settings.Value(http2.SettingMaxConcurrentStreams); !ok || v != 100 {
		t.Errorf("%d requests at a time", v)
	}
	if v, ok := settings.Value(http2.SettingEnableConnectProtocol); ok && v != 0 {
		t.Error("it promises WebSockets over HTTP/2")
	}
	go io.Copy(io.Discard, conn)
	var block bytes.Buffer
	head := hpack.NewEncoder(&block)
	sent := 0
	for id := uint32(1); sent < 5000; id, sent = id+2, sent+1 {
		block.Reset()
		for _, field := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "chat.example.org"}, {":path", "/app.wasm"}} {
			_ = head.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
		}
		if frames.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}) != nil ||
			frames.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			break // the server has had enough
		}
	}
	t.Logf("the connection took %d", sent)
	for range 20 {
		if r, text := get(t, f.client(), "https://chat.example.org/app.wasm"); r.StatusCode != 200 || len(text) != 512<<10 {
			t.Errorf("an honest request: %s, %d bytes", r.Status, len(text))
		}
	}
	if code := n.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Sec84: what is on its way when natter is told to stop arrives whole; nobody new is
// let in.
func TestSec84_DownloadsEnd(t *testing.T) {
	f := newFiles(t)
	const size = 24 << 20 // more than the system keeps on the way
	n := started(t, page(t, map[string]string{"index.html": "<!DOCTYPE html>", "app.wasm": strings.Repeat("wasm", size/4)}), "-config", f.config)
	var down []*http.Response
	for range 3 {
		c := f.client()
		c.Transport.(*http.Transport).ForceAttemptHTTP2 = false
		r, err := c.Get("https://chat.example.org/app.wasm")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if _, err := io.ReadFull(r.Body, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		down = append(down, r)
	}
	code := make(chan int)
	go func() { code <- n.stop() }()
	until(t, "it takes nobody new", func() bool {
		c, err := net.Dial("tcp", f.mainListen)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	for _, r := range down {
		if rest, err := io.Copy(io.Discard, r.Body); err != nil || rest != size-1 {
			t.Errorf("%d bytes, %v", rest, err)
		}
	}
	if code := <-code; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// What a gateway logs of a stream names the request it came by, and nobody.
func TestSec85_GatewayLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "natter.json")
	text := fmt.Sprintf(`{"listen": %q, "gateway": {"nativeClients": true}, "log": {"requests": true, "level": "debug"},
		"domains": [{"name": "example.org", "websocket": "/xmpp-websocket", "backends": [{"address": "127.0.0.1:1"}]}]}`, xmpptest.FreeAddress(t))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n := started(t, tiny(t), "-config", file)
	ws, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(n.base, "http")+"/xmpp-websocket", &websocket.DialOptions{Subprotocols: []string{"xmpp"}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if err := ws.Write(t.Context(), websocket.MessageText, []byte(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' from='juliet@example.org' version='1.0'/>`)); err != nil {
		t.Fatal(err)
	}
	for err == nil { // a stream error, for nobody is behind the gateway
		_, _, err = ws.Read(t.Context())
	}
	until(t, "the stream ended", func() bool { return strings.Contains(n.problems.String(), `msg="a stream ended"`) })
	said := n.problems.String()
	id := regexp.MustCompile(`msg="a stream begins" request=(\w+)`).FindStringSubmatch(said)
	if id == nil || !regexp.MustCompile(`request=`+id[1]+` stream=\d+`).MatchString(said) {
		t.Errorf("nothing leads from the stream to its request:\n%s", said)
	}
	if strings.Contains(said, "juliet") {
		t.Errorf("somebody is named:\n%s", said)
	}
}
