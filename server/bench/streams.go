//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"

	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
)

// crowd is who comes to a front.
type crowd struct {
	idle, active int
	span         time.Duration // how long the active ones talk: each asks once a second
}

// front is one way to reach Prosody.
type front struct {
	name string
	url  string // "" for TCP

	ownMemory, allMemory float64 // KB for each idle client: of the front, and with Prosody's
	ownCPU, allCPU       float64 // µs for each stanza
	p50, p99             time.Duration
}

// streams measures the gateway beside Prosody's own mod_websocket, nginx in front of that, and
// xmpp-proxy, all over TLS, in front of one Prosody that is started anew for each.
func streams(ctx context.Context, c crowd, dir, binary, proxy string) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	c.idle = min(c.idle, int(limit.Cur)/2-c.active-200) // a front has two connections for each client
	if err := os.Mkdir(filepath.Join(dir, "prosody"), 0o755); err != nil {
		return err
	}
	prosody, err := xmpptest.Start(xmpptest.KindProsody13, filepath.Join(dir, "prosody"))
	if err != nil {
		return err
	}
	defer prosody.Kill()
	cert, key := xmpptest.Ours().Issue(xmpptest.HostAnonymous)
	b := &bench{crowd: c, dir: dir, prosody: prosody}
	for name, text := range map[string]string{"cert.pem": string(cert), "key.pem": string(key)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	direct := &front{name: "TCP, no front"}
	all := []*front{direct, {name: "natter"}, {name: "mod_websocket", url: prosody.WSS}, {name: "nginx, mod_websocket"}}
	if _, err := os.Stat(proxy); err == nil {
		all = append(all, &front{name: "xmpp-proxy"})
	} else {
		fmt.Fprintf(os.Stderr, "bench: xmpp-proxy is left out: %v\n", err)
	}
	for _, f := range all {
		var config string
		var command []string
		at, err := free()
		if err != nil {
			return err
		}
		switch f.name {
		case "natter":
			config, command = b.natter(at), []string{binary, "-config", "CONFIG"}
		case "nginx, mod_websocket":
			config, command = b.nginx(at), []string{"nginx", "-c", "CONFIG", "-e", "DIR/log"}
		case "xmpp-proxy":
			config, command = b.xmppProxy(at), []string{proxy, "CONFIG"}
		}
		if command != nil {
			_, port, _ := net.SplitHostPort(at)
			f.url = "wss://localhost:" + port + "/xmpp-websocket"
		}
		if err := b.measure(ctx, f, config, command); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s is measured\n", f.name)
	}

	machine()
	fmt.Printf("%d idle clients and %d that ask once a second for %v, in front of %s\n\n", c.idle, c.active, c.span, prosody.Name)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "front\tKB an idle client\tand Prosody's more than by TCP\tadded to a stanza, p50\tp99\tstanzas/s and core\tand Prosody's more")
	for _, f := range all {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%v\t%v\t%s\t%s\n", f.name, f.ownMemory, f.allMemory-direct.allMemory,
			((f.p50 - direct.p50) / 2).Round(time.Microsecond), ((f.p99 - direct.p99) / 2).Round(time.Microsecond),
			rateOf(f.ownCPU), rateOf(f.allCPU-direct.allCPU))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nA question to Prosody by TCP takes %v (p99 %v), %.0f KB of Prosody for a client and %.0f µs for a stanza.\n",
		direct.p50.Round(time.Microsecond), direct.p99.Round(time.Microsecond), direct.allMemory, direct.allCPU)
	return nil
}

func rateOf(µs float64) string {
	if µs <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f", 1e6/µs)
}

type bench struct {
	crowd
	dir     string
	prosody *xmpptest.Server
}

func (b *bench) natter(at string) string {
	_, port, _ := net.SplitHostPort(at)
	text, _ := json.Marshal(map[string]any{
		"listen": at, "publicURL": "https://localhost:" + port,
		"tls":     map[string]any{"files": []any{map[string]any{"cert": b.dir + "/cert.pem", "key": b.dir + "/key.pem"}}},
		"gateway": map[string]any{"nativeClients": true}, "log": map[string]any{"level": "warn"},
		"domains": []any{map[string]any{"name": xmpptest.HostAnonymous, "websocket": "/xmpp-websocket", "backends": []any{map[string]any{"address": b.prosody.TCP}}}},
	})
	return string(text)
}

func (b *bench) nginx(at string) string {
	_, port, _ := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(b.prosody.WS, "ws://"), "/xmpp-websocket"))
	return "worker_processes auto; worker_rlimit_nofile 20000; daemon off; pid DIR/nginx.pid; error_log DIR/log; events { worker_connections 20000; } http { access_log off;" +
		"client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;" +
		"server { listen " + at + " ssl; ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem; location / { proxy_pass http://127.0.0.1:" + port + "; proxy_http_version 1.1;" +
		"proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_set_header X-Forwarded-Proto https; proxy_buffering off; proxy_read_timeout 900s; } } }"
}

func (b *bench) xmppProxy(at string) string {
	return fmt.Sprintf("incoming_listen = [ %q ]\nquic_listen = []\noutgoing_listen = []\nc2s_target = %q\ns2s_target = %[2]q\nproxy = false\n"+
		"max_stanza_size_bytes = 262_144\ntls_key = \"DIR/key.pem\"\ntls_cert = \"DIR/cert.pem\"\nlog_level = \"error\"\n", at, b.prosody.TCP)
}

// measure starts a front and Prosody, and lets the crowd come to it.
func (b *bench) measure(ctx context.Context, f *front, config string, command []string) error {
	b.prosody.Stop()
	if err := b.prosody.Start(); err != nil {
		return err
	}
	own := func() []int { return nil }
	if command != nil {
		file := filepath.Join(b.dir, "front.conf")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(config, "DIR", b.dir)), 0o644); err != nil {
			return err
		}
		for i := range command {
			command[i] = strings.NewReplacer("CONFIG", file, "DIR", b.dir).Replace(command[i])
		}
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			return err
		}
		defer func() {
			_ = cmd.Process.Signal(syscall.SIGKILL)
			_ = cmd.Wait()
		}()
		own = func() []int { return family(cmd.Process.Pid) }
	}
	var first line
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var err error
		if first, err = b.signIn(ctx, f); err == nil {
			break
		}
		if time.Now().After(end) {
			return err
		}
	}
	defer first.close()
	time.Sleep(time.Second)

	front0, all0 := memory(own()), memory(append(own(), b.prosody.PID()))
	idle, err := b.gather(ctx, f, b.idle)
	defer func() {
		for _, l := range idle {
			l.close()
		}
	}()
	if err != nil {
		return err
	}
	time.Sleep(10 * time.Second)
	front1, all1 := memory(own()), memory(append(own(), b.prosody.PID()))
	f.ownMemory, f.allMemory = float64(front1-front0)/float64(b.idle), float64(all1-all0)/float64(b.idle)

	active, err := b.gather(ctx, f, b.active)
	defer func() {
		for _, l := range active {
			l.close()
		}
	}()
	if err != nil {
		return err
	}
	frontCPU, allCPU := cpu(own()), cpu(append(own(), b.prosody.PID()))
	took, err := talk(ctx, active, b.span)
	if err != nil {
		return err
	}
	stanzas := float64(2 * len(took))
	f.ownCPU = float64((cpu(own()) - frontCPU).Microseconds()) / stanzas
	f.allCPU = float64((cpu(append(own(), b.prosody.PID())) - allCPU).Microseconds()) / stanzas
	slices.Sort(took)
	f.p50, f.p99 = took[len(took)/2], took[len(took)*99/100]
	return nil
}

// gather lets n clients sign in, fifty at a time.
func (b *bench) gather(ctx context.Context, f *front, n int) (all []line, err error) {
	var mu sync.Mutex
	var crowd sync.WaitGroup
	var next atomic.Int64
	for range 50 {
		crowd.Go(func() {
			for next.Add(1) <= int64(n) {
				l, problem := b.signIn(ctx, f)
				mu.Lock()
				if problem != nil {
					err = problem
					next.Store(int64(n))
				} else {
					all = append(all, l)
				}
				mu.Unlock()
			}
		})
	}
	crowd.Wait()
	return all, err
}

// talk lets each client ask the server once a second, and returns how long the answers took.
func talk(ctx context.Context, all []line, span time.Duration) (took []time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, span+time.Minute)
	defer cancel()
	var mu sync.Mutex
	var crowd sync.WaitGroup
	for i, l := range all {
		crowd.Go(func() {
			time.Sleep(time.Second * time.Duration(i) / time.Duration(len(all)))
			var mine []time.Duration
			var problem error
			for n := range int(span / time.Second) {
				begun := time.Now()
				if problem = l.ask(ctx, n); problem != nil {
					break
				}
				mine = append(mine, time.Since(begun))
				time.Sleep(time.Until(begun.Add(time.Second)))
			}
			mu.Lock()
			defer mu.Unlock()
			took, err = append(took, mine...), errors.Join(err, problem)
		})
	}
	crowd.Wait()
	return took, err
}

// line is a client's stream, one document at a time.
type line struct {
	write func(ctx context.Context, doc string) error
	read  func(ctx context.Context) (string, error)
	close func()
	tcp   bool
}

func (l line) ask(ctx context.Context, n int) error {
	id := "ping" + strconv.Itoa(n)
	if err := l.write(ctx, `<iq xmlns="jabber:client" type="get" id="`+id+`" to="`+xmpptest.HostAnonymous+`"><ping xmlns="urn:xmpp:ping"/></iq>`); err != nil {
		return err
	}
	return l.until(ctx, id)
}

// until reads what has this word in it.
func (l line) until(ctx context.Context, word string) error {
	for {
		doc, err := l.read(ctx)
		if err != nil {
			return fmt.Errorf("instead of %s: %w", word, err)
		}
		if strings.Contains(doc, word) {
			return nil
		}
		if strings.Contains(doc, "failure") || strings.Contains(doc, "<error") {
			return fmt.Errorf("instead of %s: %s", word, doc)
		}
	}
}

func (b *bench) dial(ctx context.Context, f *front) (line, error) {
	if f.url != "" {
		s, err := native.Dial(ctx, f.url, native.Options{TLSConfig: &tls.Config{RootCAs: xmpptest.Ours().Pool()}, Header: http.Header{}})
		if err != nil {
			return line{}, err
		}
		return line{write: s.Write, read: s.Read, close: func() { go s.Close(1000, "") }}, nil
	}
	c, err := new(net.Dialer).DialContext(ctx, "tcp", b.prosody.TCP)
	if err != nil {
		return line{}, err
	}
	in := framing.NewStreamReader(c, framing.Limits{})
	return line{
		write: func(_ context.Context, doc string) error { _, err := io.WriteString(c, doc); return err },
		read: func(context.Context) (string, error) {
			e, err := in.Next()
			if err != nil {
				return "", err
			}
			return e.String(), nil
		},
		close: func() { c.Close() }, tcp: true,
	}, nil
}

// signIn opens a stream without a name and binds it.
func (b *bench) signIn(ctx context.Context, f *front) (_ line, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	l, err := b.dial(ctx, f)
	if err != nil {
		return l, err
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	open := framing.Open{To: xmpptest.HostAnonymous, Version: "1.0"}
	header := open.Element(framing.NSFraming).String()
	if l.tcp {
		header = string(open.AppendHeader(nil, framing.NSClient))
	}
	for _, step := range []struct{ say, word string }{
		{header, "mechanism>"},
		{`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`, "<success"},
		{header, "xmpp-bind"},
		{`<iq xmlns="jabber:client" type="set" id="bind"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`, "<jid"},
	} {
		if err := l.write(ctx, step.say); err != nil {
			return l, err
		}
		if err := l.until(ctx, step.word); err != nil {
			return l, err
		}
	}
	return l, nil
}

// family returns a process and its children.
func family(pid int) []int {
	all := []int{pid}
	processes, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range processes {
		text, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			all = append(all, child)
		}
	}
	return all
}

// memory returns what processes have in RAM, in KB, what they share divided.
func memory(pids []int) (kB int) {
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(text)) {
			var n int
			if got, _ := fmt.Sscanf(line, "Pss: %d kB", &n); got == 1 {
				kB += n
			}
		}
	}
	return kB
}

// cpu returns the time that processes have had.
func cpu(pids []int) (all time.Duration) {
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 12 {
			for _, field := range fields[11:13] { // utime and stime, in hundredths of a second
				n, _ := strconv.Atoi(field)
				all += time.Duration(n) * 10 * time.Millisecond
			}
		}
	}
	return all
}
