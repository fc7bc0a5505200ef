package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
	"natter/server/config"
	"natter/server/dnstest"
	"natter/server/doctor"
)

// program returns where one is that an example is for. Where CI=true it must be there.
func program(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("talks to a real server")
	}
	for _, dir := range []string{"/usr/sbin/", "/usr/bin/"} {
		if _, err := os.Stat(dir + name); err == nil {
			return dir + name
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed: .ci/install", name)
	}
	t.Skipf("needs %s: .ci/install as root on Debian", name)
	return ""
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// xmpp is a WebSocket that lets a stream open, for the page of one origin.
func xmpp(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/xmpp-websocket" || r.Header.Get("X-Forwarded-Proto") != "https" {
			http.Error(w, "no WebSocket is here", http.StatusNotFound)
			return
		}
		socket, err := native.Accept(w, r, native.Options{Origins: []string{"*"}})
		if err != nil {
			return
		}
		ctx := context.Background()
		if _, err := socket.Read(ctx); err == nil {
			_ = socket.Write(ctx, framing.Open{From: "example.org", ID: "1", Version: "1.0"}.Element(framing.NSFraming).String())
			_ = socket.Write(ctx, `<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism></mechanisms></stream:features>`)
			_, _ = socket.Read(ctx)
		}
		_ = socket.Close(1000, "")
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// Each example leads pages in: its program runs it, with other ports and certificates, in front
// of natter as natter.json says, and the doctor goes the whole way.
func TestDeploy_Proxies(t *testing.T) {
	f := newFiles(t)
	cert, key := f.ca.Issue("chat.example.org", "example.org")
	f.write(f.cert, string(cert))
	f.write(f.key, string(key))
	both := filepath.Join(f.dir, "both.pem")
	f.write(both, string(cert)+string(key))
	f.write(f.config, strings.NewReplacer("127.0.0.1:8080", f.mainListen, "127.0.0.1:9090", f.metrics).Replace(read(t, "deploy/natter.json")))
	started(t, tiny(t), "-config", f.config)
	backend := xmpp(t)
	names := dnstest.Serve(t, "example.org. A 192.0.2.1\nchat.example.org. A 192.0.2.1\n")

	for _, tc := range []struct {
		name, program, example string
		replace                []string // PLAIN and SECURE are ports, DIR a folder
		around                 string   // EXAMPLE is the example in the whole configuration
		args                   []string
		redirects              bool
	}{
		{
			"nginx", "nginx", "nginx.conf",
			[]string{"listen 80;", "listen 127.0.0.1:PLAIN;", "listen 443 ssl", "listen 127.0.0.1:SECURE ssl"},
			"user root; worker_processes 1; daemon off; pid DIR/pid; error_log DIR/log; events {} http { access_log off;" +
				"client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;\nEXAMPLE}",
			[]string{"-c", "CONFIG", "-e", "DIR/log"}, true,
		}, {
			"Caddy", "caddy", "Caddyfile",
			[]string{"\nchat.example.org {", "\nhttps://chat.example.org:SECURE {\ntls CERT KEY", "\nexample.org {", "\nhttps://example.org:SECURE {\ntls CERT KEY"},
			"{\nadmin off\nauto_https off\ndefault_bind 127.0.0.1\n}\nEXAMPLE",
			[]string{"run", "--adapter", "caddyfile", "--config", "CONFIG"}, false,
		}, {
			"Apache", "apache2", "apache.conf",
			[]string{"*:80>", "*:PLAIN>", "*:443>", "*:SECURE>"},
			"ServerRoot DIR\nPidFile DIR/pid\nErrorLog DIR/log\nUser www-data\nGroup www-data\nServerName localhost\nListen 127.0.0.1:PLAIN\nListen 127.0.0.1:SECURE\n" +
				modules("mpm_event", "authz_core", "alias", "headers", "ssl", "socache_shmcb", "http2", "proxy", "proxy_http") + "EXAMPLE",
			[]string{"-DFOREGROUND", "-f", "CONFIG"}, true,
		}, {
			"HAProxy", "haproxy", "haproxy.cfg",
			[]string{"bind :80", "bind 127.0.0.1:PLAIN", "bind :443", "bind 127.0.0.1:SECURE", "/etc/haproxy/certs/", both},
			"EXAMPLE", []string{"-db", "-f", "CONFIG"}, true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, dir, plain, secure := program(t, tc.program), t.TempDir(), xmpptest.FreeAddress(t), xmpptest.FreeAddress(t)
			_, plainPort, _ := net.SplitHostPort(plain)
			_, securePort, _ := net.SplitHostPort(secure)
			whole := strings.Replace(tc.around, "EXAMPLE", strings.NewReplacer(tc.replace...).Replace(read(t, "deploy/"+tc.example)), 1)
			whole = regexp.MustCompile(`/etc/letsencrypt/live/\S+/fullchain.pem`).ReplaceAllString(whole, f.cert)
			whole = regexp.MustCompile(`/etc/letsencrypt/live/\S+/privkey.pem`).ReplaceAllString(whole, f.key)
			file := filepath.Join(dir, "config")
			f.write(file, strings.NewReplacer("PLAIN", plainPort, "SECURE", securePort, "DIR", dir, "CERT", f.cert, "KEY", f.key,
				"127.0.0.1:8080", f.mainListen, "127.0.0.1:5280", backend).Replace(whole))
			cmd := exec.Command(path)
			for _, arg := range tc.args {
				cmd.Args = append(cmd.Args, strings.NewReplacer("CONFIG", file, "DIR", dir).Replace(arg))
			}
			cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
			said := &lines{}
			cmd.Stdout, cmd.Stderr = said, said
			run := spawn(t, cmd)
			until(t, "it listens", func() bool {
				if run.over() {
					log, _ := os.ReadFile(filepath.Join(dir, "log"))
					t.Fatalf("%s%s", said, log)
				}
				c, err := net.Dial("tcp", secure)
				if err == nil {
					c.Close()
				}
				return err == nil
			})

			at := func(address string) string {
				switch _, port, _ := net.SplitHostPort(address); port {
				case "443":
					return secure
				case "80":
					return plain
				}
				return "127.0.0.1:1"
			}
			dial := func(ctx context.Context, network, address string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, at(address))
			}
			// HAProxy has asked natter whether it is ready when it answers.
			c := &http.Client{
				Transport:     &http.Transport{DialContext: dial, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: f.ca.Pool()}},
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			}
			until(t, "the page", func() bool {
				r, err := c.Get("https://chat.example.org/")
				if err == nil {
					r.Body.Close()
				}
				return err == nil && r.StatusCode == 200
			})
			r, text := get(t, c, "https://chat.example.org/")
			if r.ProtoMajor != 2 || !strings.Contains(text, "<!DOCTYPE html>") || !strings.Contains(r.Header.Get("Content-Security-Policy"), "trusted-types") {
				t.Errorf("%s %v\n%s", r.Proto, r.Header, text)
			}
			if tc.redirects {
				if r, _ := get(t, c, "http://chat.example.org/"); r.StatusCode != 308 || r.Header.Get("Location") != "https://chat.example.org/" {
					t.Errorf("by http: %s %v", r.Status, r.Header)
				}
			}
			report, err := doctor.Examine(t.Context(), "example.org", doctor.Options{
				Roots: f.ca.Pool(), Redirect: at, Origin: "https://chat.example.org",
				Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, names)
				}},
			})
			if err != nil || !report.Pages {
				t.Errorf("%v %+v", err, report)
			}
		})
	}
}

func modules(names ...string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", name, name)
	}
	return b.String()
}

// spawned is a program that runs until the test ends.
type spawned struct {
	process *os.Process
	done    chan error
}

// stop ends it as a person would, and waits until it has ended.
func (s *spawned) stop() {
	_ = s.process.Signal(syscall.SIGTERM)
	s.done <- <-s.done
}

func (s *spawned) over() bool {
	select {
	case err := <-s.done:
		s.done <- err
		return true
	default:
		return false
	}
}

func spawn(t *testing.T, cmd *exec.Cmd) *spawned {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &spawned{cmd.Process, make(chan error, 1)}
	go func() { s.done <- cmd.Wait() }()
	t.Cleanup(s.stop)
	return s
}

// The examples of configurations are right.
func TestDeploy_Configurations(t *testing.T) {
	files, err := filepath.Glob("deploy/*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v %v", files, err)
	}
	for _, name := range files {
		if name == "deploy/grafana.json" {
			continue
		}
		if _, err := config.ReadFile(name); err != nil {
			t.Error(err)
		}
	}
	_, several, found := strings.Cut(read(t, "../doc/hosting.md"), "\n## Several domains\n")
	several, _, end := strings.Cut(several, "\n## ")
	logo := filepath.Join(t.TempDir(), "logo.svg")
	if err := os.WriteFile(logo, []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>`), 0o600); err != nil {
		t.Fatal(err)
	}
	var shown json.RawMessage // the rest is text
	if at := strings.Index(several, "{"); !found || !end || at < 0 || json.NewDecoder(strings.NewReader(several[at:])).Decode(&shown) != nil {
		t.Error("hosting.md shows no configuration of several domains")
	} else if f, err := config.Parse(bytes.Replace(shown, []byte("/etc/natter/klatsch.svg"), []byte(logo), 1)); err != nil || len(f.Configs()) != 2 {
		t.Errorf("that of hosting.md: %v", err)
	}
}

// Every figure the dashboard draws is one that natter tells, once all has happened that is
// counted.
func TestDeploy_Dashboard(t *testing.T) {
	f := newFiles(t)
	text := read(t, f.config)
	f.write(f.config, strings.TrimSuffix(strings.TrimSpace(text), "}")+`, "limits": {"connections": 1}}`)
	n := started(t, tiny(t), "-config", f.config)
	c := f.client()
	if r, _ := get(t, c, "https://chat.example.org/"); r.StatusCode != 200 {
		t.Error(r.Status)
	}
	if _, err := f.client().Get("https://chat.example.org/"); err == nil {
		t.Error("a connection above the limit")
	}
	c.CloseIdleConnections()
	until(t, "a handshake that fails", func() bool {
		conn, err := net.Dial("tcp", f.mainListen)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
		_, told := get(t, http.DefaultClient, "http://"+f.metrics+"/metrics")
		return strings.Contains(told, "natter_tls_handshakes_failed_total")
	})
	n.reload <- syscall.SIGHUP
	until(t, "a reload", func() bool { return strings.Contains(n.problems.String(), "was read again") })
	_, told := get(t, http.DefaultClient, "http://"+f.metrics+"/metrics")
	// A gateway tells the rest once it has clients.
	m := newMeter(metrics.NewSet())
	m.Opened()
	m.Closed("done")
	m.Refused("full")
	m.Relayed(true, 1)
	m.Dialled("127.0.0.1:5222", nil)
	m.Authenticated(time.Second)
	m.SentElsewhere("example.org")
	between := serverMeter{m.set}
	between.Opened("in")
	between.Closed("in", "done")
	between.Refused("full")
	between.Relayed(true, 1)
	between.Authenticated("in", "dialback")
	between.Found("reached")
	var more bytes.Buffer
	m.set.WritePrometheus(&more)
	told += more.String()
	told += "\nnatter_streams_total 1\nnatter_panics_total 1\n" // front tells these after a WebSocket and a fault
	drawn := regexp.MustCompile(`(natter|process)_[a-z_]+`).FindAllString(read(t, "deploy/grafana.json"), -1)
	if len(drawn) < 15 {
		t.Fatalf("it draws %v", drawn)
	}
	for _, name := range drawn {
		if !regexp.MustCompile(`(?m)^` + name + `[{ ]`).MatchString(told) {
			t.Errorf("nothing tells %s\n%s", name, told)
		}
	}
}

// systemd takes the unit, and counts it among the hardened ones.
func TestDeploy_Unit(t *testing.T) {
	path, dir := program(t, "systemd-analyze"), t.TempDir()
	unit := filepath.Join(dir, "natter.service")
	text := strings.ReplaceAll(read(t, "deploy/natter.service"), "/usr/local/bin/natter", "/bin/true")
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "verify", "--man=no", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "natter.service") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := exec.Command(path, "security", "--offline=true", "--threshold=15", "--no-pager", unit).CombinedOutput(); err != nil {
		t.Errorf("%v %s", err, out)
	}
}

// The container holds what it needs: what its last stage copies, run as its user in a folder of
// its own (chroot), since no container engine is here.
func TestDeploy_Container(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program of its own")
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("only root may chroot")
		}
		t.Skip("only root may chroot")
	}
	_, last, found := strings.Cut(read(t, "deploy/Dockerfile"), "\nFROM scratch\n")
	if !found || strings.Contains(last, "RUN") {
		t.Fatal("the last stage does not begin with nothing")
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(root, "natter.built")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for _, m := range regexp.MustCompile(`(?m)^COPY --from=build (\S+) (\S+)$`).FindAllStringSubmatch(last, -1) {
		from, to := m[1], filepath.Join(root, m[2])
		if from == "/src/natter" {
			from = binary
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	etc := filepath.Join(root, "etc/natter")
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	listen := xmpptest.FreeAddress(t)
	text := strings.NewReplacer("127.0.0.1:8080", listen, "127.0.0.1:9090", xmpptest.FreeAddress(t)).Replace(read(t, "deploy/natter.json"))
	if err := os.WriteFile(filepath.Join(etc, "natter.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}

	inside := func(args ...string) *exec.Cmd {
		cmd := exec.Command("/natter", args...)
		cmd.Env, cmd.Dir = []string{}, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		return cmd
	}
	if out, err := inside("config", "check", "/etc/natter/natter.json").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	command := regexp.MustCompile(`(?m)^CMD \["(.*)"\]$`).FindStringSubmatch(last)
	if command == nil {
		t.Fatal("it has no command")
	}
	cmd := inside(strings.Split(command[1], `", "`)...)
	said := &lines{}
	cmd.Stdout, cmd.Stderr = said, said
	run := spawn(t, cmd)
	until(t, "it answers", func() bool {
		if run.over() {
			// A checkout without the page has told so, and could do no more.
			if strings.Contains(said.String(), "make natter") {
				return true
			}
			t.Fatal(said)
		}
		r, err := http.Get("http://" + listen + "/readyz")
		if err == nil {
			r.Body.Close()
		}
		return err == nil && r.StatusCode == 200
	})
	if run.over() {
		return
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	err := <-run.done
	run.done <- err
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Errorf("told to stop: %v %s", err, said)
	}
}
