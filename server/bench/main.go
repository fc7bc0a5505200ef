//go:build linux

// Command bench measures natter beside others on this machine (make bench-server): the page beside
// nginx and Caddy, requests a second with wrk, for index.html and for app.wasm, as gzip and as
// brotli; and the gateway beside what else leads WebSockets to Prosody (streams).
//
// Files: all serve the same files, compressed beforehand, over plain HTTP with 32 connections. The
// rounds go around, so that what else the machine does meets all alike, and of each the best
// counts. nginx of Debian has no brotli.
package main

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"natter/server/site"
	"natter/web"
)

func main() {
	rounds := flag.Int("rounds", 3, "measure files so often; the best counts")
	span := flag.Duration("time", 3*time.Second, "let each measurement of files take this long")
	only := flag.String("only", "files streams", "measure these")
	var c crowd
	flag.IntVar(&c.idle, "idle", 10_000, "clients that say nothing; fewer if a process may not have as many connections")
	flag.IntVar(&c.active, "active", 1000, "clients that ask once a second")
	flag.DurationVar(&c.span, "talk", 30*time.Second, "let these talk for so long")
	cache, _ := os.UserCacheDir()
	proxy := flag.String("xmpp-proxy", filepath.Join(cache, "natter-test/xmpp-proxy/bin/xmpp-proxy"), "where xmpp-proxy is; doc/scale.md says how it gets there")
	flag.Parse()
	if err := run(context.Background(), *rounds, *span, *only, c, *proxy); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run makes a folder and the server, and measures in it.
func run(ctx context.Context, rounds int, span time.Duration, only string, c crowd, proxy string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // nginx serves as nobody
		return err
	}
	binary := filepath.Join(dir, "natter")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", binary, "./server").CombinedOutput(); err != nil {
		return fmt.Errorf("%w %s", err, out)
	}
	if strings.Contains(only, "files") {
		if err := measureFiles(ctx, rounds, span, dir, binary); err != nil {
			return err
		}
	}
	if strings.Contains(only, "streams") {
		return streams(ctx, c, dir, binary, proxy)
	}
	return nil
}

// server is one of those that are compared.
type server struct {
	name    string
	codings []string
	listen  string
	cmd     *exec.Cmd
	best    map[string]result
}

// result is what wrk says.
type result struct {
	rate     float64
	p50, p99 string
}

// measureFiles prints the table of files.
func measureFiles(ctx context.Context, rounds int, span time.Duration, dir, binary string) error {
	bundle, err := site.ReadBundle(web.Bundle())
	if err != nil {
		return err
	}
	wasm := ""
	for _, a := range bundle.Assets {
		if strings.HasSuffix(a.Path, ".wasm") {
			wasm = a.Path
		}
	}
	if err := copyFiles(filepath.Join(dir, "www")); err != nil {
		return err
	}
	servers, err := start(dir, binary)
	defer func() {
		for _, s := range servers {
			_ = s.cmd.Process.Signal(syscall.SIGTERM)
			_ = s.cmd.Wait()
		}
	}()
	if err != nil {
		return err
	}
	for range rounds {
		for _, path := range []string{"index.html", wasm} {
			for _, coding := range []string{"gzip", "br"} {
				for _, s := range servers {
					if !strings.Contains(strings.Join(s.codings, " "), coding) {
						continue
					}
					r, err := wrk(ctx, "http://"+s.listen+"/"+path, coding, span)
					if err != nil {
						return fmt.Errorf("%s: %w", s.name, err)
					}
					if key := path + " " + coding; r.rate > s.best[key].rate {
						s.best[key] = r
					}
				}
			}
		}
	}
	machine()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "file\tcoding\tserver\trequests/s\tp50\tp99")
	for _, path := range []string{"index.html", wasm} {
		for _, coding := range []string{"gzip", "br"} {
			for _, s := range servers {
				if r, ok := s.best[path+" "+coding]; ok {
					fmt.Fprintf(w, "%s\t%s\t%s\t%.0f\t%s\t%s\n", path, coding, s.name, r.rate, r.p50, r.p99)
				}
			}
		}
	}
	return w.Flush()
}

// copyFiles writes the page, with its compressed forms, for servers that read files.
func copyFiles(to string) error {
	from := web.Bundle()
	return fs.WalkDir(from, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, path), 0o755)
		}
		data, err := fs.ReadFile(from, path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), data, 0o644)
	})
}

// start runs all three and waits until they answer. What it returns is running, also with an
// error.
func start(dir, binary string) (servers []*server, err error) {
	ports := [3]string{}
	for i := range ports {
		if ports[i], err = free(); err != nil {
			return nil, err
		}
	}
	files := map[string]string{
		"natter.json": `{"listen": "` + ports[0] + `", "anyServer": true}`,
		"nginx.conf": "worker_processes auto; daemon off; pid DIR/pid; error_log DIR/log; events { worker_connections 1024; } http { access_log off; sendfile on; tcp_nopush on; open_file_cache max=100;" +
			"client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;" +
			"types { text/html html; application/wasm wasm; } server { listen " + ports[1] + "; root DIR/www; gzip_static on; keepalive_requests 1000000000; } }",
		"Caddyfile": "{\nadmin off\nauto_https off\n}\nhttp://" + ports[2] + " {\nroot * DIR/www\nfile_server {\nprecompressed br gzip\n}\n}\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
			return nil, err
		}
	}
	for i, s := range []struct {
		name    string
		codings []string
		command []string
	}{
		{"natter", []string{"gzip", "br"}, []string{binary, "-config", "DIR/natter.json"}},
		{"nginx", []string{"gzip"}, []string{"nginx", "-c", "DIR/nginx.conf", "-e", "DIR/log"}},
		{"Caddy", []string{"gzip", "br"}, []string{"caddy", "run", "--adapter", "caddyfile", "--config", "DIR/Caddyfile"}},
	} {
		for j := range s.command {
			s.command[j] = strings.ReplaceAll(s.command[j], "DIR", dir)
		}
		cmd := exec.Command(s.command[0], s.command[1:]...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		if err := cmd.Start(); err != nil {
			return servers, err
		}
		servers = append(servers, &server{s.name, s.codings, ports[i], cmd, map[string]result{}})
	}
	for _, s := range servers {
		if err := answers(s); err != nil {
			return servers, err
		}
	}
	return servers, nil
}

func answers(s *server) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r, err := http.Get("http://" + s.listen + "/index.html")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("it answers %s", r.Status)
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
}

var (
	rate     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	middle   = regexp.MustCompile(`(?m)^\s+50%\s+(\S+)`)
	high     = regexp.MustCompile(`(?m)^\s+99%\s+(\S+)`)
	problems = regexp.MustCompile(`Non-2xx.*|Socket errors.*`)
)

func wrk(ctx context.Context, url, coding string, span time.Duration) (result, error) {
	out, err := exec.CommandContext(ctx, "wrk", "-t2", "-c32", "-d"+span.String(), "--timeout", "20s", "--latency", "-H", "Accept-Encoding: "+coding, url).CombinedOutput()
	if err != nil {
		return result{}, fmt.Errorf("wrk: %w %s", err, out)
	}
	if problem := problems.Find(out); problem != nil {
		return result{}, fmt.Errorf("wrk: %s", problem)
	}
	first := func(r *regexp.Regexp) string {
		if m := r.FindSubmatch(out); m != nil {
			return string(m[1])
		}
		return ""
	}
	n, err := strconv.ParseFloat(first(rate), 64)
	return result{n, first(middle), first(high)}, err
}

// machine prints what this ran on.
func machine() {
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("\n%d processors, %s, load %s\n\n", runtime.NumCPU(), processor(), strings.Join(strings.Fields(string(load))[:3], " "))
}

// free returns an address that nobody listens on.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// processor is the name of the machine's.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
