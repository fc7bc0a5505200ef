package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"natter/server/site"
	"natter/web"
)

func env(pairs ...string) func(string) string {
	return func(key string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == key {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestConfigure(t *testing.T) {
	file := filepath.Join(t.TempDir(), "natter.json")
	if err := os.WriteFile(file, []byte(`{"listen": "127.0.0.1:9000", "anyServer": true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		args   []string
		addr   string
		listen string
		trial  bool
	}{
		{"alone", nil, "", "localhost:8080", true},
		{"alone, ADDR", nil, "localhost:9999", "localhost:9999", true},
		{"-addr before ADDR", []string{"-addr", "127.0.0.1:1234"}, "localhost:9999", "127.0.0.1:1234", true},
		{"file", []string{"-config", file}, "", "127.0.0.1:9000", false},
		{"file, -addr", []string{"-config", file, "-addr", ":80"}, "", ":80", false},
		{"domain", []string{"-domain", "example.org", "-websocket", "wss://example.org/ws"}, "", "localhost:8080", false},
		{"public trial", []string{"-trial-public", "-addr", ":8080"}, "", ":8080", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := configure(call{args: tc.args, getenv: env("ADDR", tc.addr), problems: io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			if s.Listen != tc.listen || s.trial != tc.trial {
				t.Errorf("listens at %s, trial %v", s.Listen, s.trial)
			}
			if s.trial != (len(s.demo) > 0) {
				t.Errorf("trial %v, demo accounts %v", s.trial, s.demo)
			}
		})
	}
}

func TestConfigure_Problems(t *testing.T) {
	file := filepath.Join(t.TempDir(), "natter.json")
	if err := os.WriteFile(file, []byte(`{"colour": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		says string
	}{
		{"-nonsense", "-nonsense"},
		{"extra", `"extra" is not expected`},
		{"config", "natter config check FILE"},
		{"config check", "FILE is missing"},
		{"config check a b", `"b" is not expected`},
		{"config check /does/not/exist", "no such file"},
		{"config check " + file, "natter.json:1: colour: there is no such key"},
		{"serve -nonsense", "-nonsense"},
		{"version 2", `"2" is not expected`},
		{"doctor", "DOMAIN is missing"},
		{"doctor http://a.example", "is not a domain"},
		{"doctor a.example -connect nonsense", "must look like"},
		{"doctor -ca /does/not/exist a.example", "no such file"},
		{"doctor a.example -endpoint ws://a.example/", "wss://"},
		{"-config /does/not/exist", "no such file"},
		{"-config " + file, "natter.json:1: colour: there is no such key"},
		{"-config " + file + " -domain a.example", "leave out -domain"},
		{"-websocket wss://a.example/", "needs -domain"},
		{"-domain a.example", "websocket"},
		{"-domain a.example -websocket ws://a.example/", "wss://"},
		{"-domain a.example -websocket wss://a.example/ -trial-public", "no trial server"},
		{"-addr nonsense", "host:port"},
		// Sec94: never in public by accident.
		{"-addr 0.0.0.0:8080", "-trial-public"},
		{"-addr :8080", "-trial-public"},
		{"-addr example.org:8080", "-trial-public"},
	} {
		var problems bytes.Buffer
		code := run(context.Background(), call{args: strings.Fields(tc.args), getenv: env(), out: io.Discard, problems: &problems})
		if code != exitUsage || !strings.Contains(problems.String(), tc.says) {
			t.Errorf("%s: %d %s", tc.args, code, problems.String())
		}
	}
	for _, words := range []string{"-help", "-h", "serve -h", "config check -h", "config schema -h", "version -h", "doctor -h"} {
		var problems bytes.Buffer
		code := run(context.Background(), call{args: strings.Fields(words), getenv: env(), out: io.Discard, problems: &problems})
		if code != 0 || !strings.HasPrefix(problems.String(), "Usage: natter ") {
			t.Errorf("%s: %d %s", words, code, problems.String())
		}
	}
}

// natter is one that runs in a test.
type natter struct {
	base     string // where it is
	said     string
	problems *lines // what it logs
	reload   chan<- os.Signal
	stop     func() int // stops it; returns its exit code
}

// lines can be read while others write them.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// started runs natter with args until the test ends.
func started(t *testing.T, page fs.FS, args ...string) *natter {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan int, 1)
	reload := make(chan os.Signal, 1)
	n := &natter{problems: &lines{}, reload: reload, stop: func() int { cancel(); return <-done }}
	addr := "localhost:0"
	if slices.Contains(args, "-config") {
		addr = "" // the file says where
	}
	go func() {
		c := call{args, env("ADDR", addr), w, n.problems, reload, nil}
		s, err := configure(c)
		if err == nil {
			err = serve(ctx, s, page, c)
		}
		if err != nil {
			w.CloseWithError(err)
			done <- exitFailed
			return
		}
		w.Close()
		done <- 0
	}()
	var out strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(out.String(), "stops it.") {
		n, err := r.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			t.Fatalf("%s: %v", out.String(), err)
		}
	}
	go io.Copy(io.Discard, r)
	t.Cleanup(cancel)
	n.said = out.String()
	n.base = regexp.MustCompile(`https?://\S+`).FindString(n.said)
	return n
}

// tiny is the least that is a page.
func tiny(t *testing.T) fs.FS {
	t.Helper()
	return page(t, map[string]string{"index.html": "<!DOCTYPE html>"})
}

// large has a file of half a megabyte too.
func large(t *testing.T) fs.FS {
	t.Helper()
	return page(t, map[string]string{"index.html": "<!DOCTYPE html>", "app.wasm": strings.Repeat("wasm", 128<<10)})
}

func page(t *testing.T, files map[string]string) fs.FS {
	t.Helper()
	dir, bundle := t.TempDir(), site.Bundle{Version: "1"}
	for name, text := range files {
		bundle.Assets = append(bundle.Assets, site.Asset{Path: name, Type: "text/html", SHA256: site.Hash([]byte(text)), Size: len(text)})
	}
	list, err := json.Marshal(bundle)
	if err != nil {
		t.Fatal(err)
	}
	files[site.BundleIndex] = string(list)
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return os.DirFS(dir)
}

func status(t *testing.T, url string) int {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// Sec84: it stops when it is told, and says where it is until then.
func TestSec84_StartAndStop(t *testing.T) {
	n := started(t, tiny(t))
	for _, want := range []string{"ada@localhost", "analytical", "grace@localhost", "compiler", "echo@localhost", "Ctrl+C"} {
		if !strings.Contains(n.said, want) {
			t.Errorf("%s is not said:\n%s", want, n.said)
		}
	}
	if got := status(t, n.base); got != 200 {
		t.Errorf("the page: %d", got)
	}
	if got := status(t, n.base+endpoint); got == 404 || got == 200 {
		t.Errorf("the WebSocket, asked without an upgrade: %d", got)
	}
	if code := n.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := http.Get(n.base); err == nil {
		t.Error("it still answers")
	}
}

// Sec94: with a real domain there is no trial server.
func TestSec94_NoTrial(t *testing.T) {
	n := started(t, tiny(t), "-domain", "example.org", "-websocket", "wss://example.org/ws")
	if got := status(t, n.base+endpoint); got != 404 {
		t.Errorf("the trial server's WebSocket: %d", got)
	}
	if strings.Contains(n.said, "ada@localhost") {
		t.Error("accounts that do not exist are announced")
	}
	if code := n.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A checkout that was not built compiles and says what to do.
func TestNoBundle(t *testing.T) {
	c := call{getenv: env(), out: io.Discard, problems: io.Discard}
	s, err := configure(c)
	if err != nil {
		t.Fatal(err)
	}
	err = serve(context.Background(), s, os.DirFS(t.TempDir()), c)
	if err == nil || !strings.Contains(err.Error(), "make natter") {
		t.Errorf("%v", err)
	}
	if _, err := web.Bundle().Open("."); err != nil {
		t.Errorf("the embedded folder: %v", err)
	}
}
