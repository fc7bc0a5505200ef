//go:build linux

package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"natter/app/xmpptest"
	"natter/framing/sockettest"
)

const pageOfTests = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Tests</title><link rel="icon" href="data:,"></head><body>
<script src="/wasm_exec.js"></script><script src="/run.js"></script></body></html>`

const runTests = `"use strict";
window.result = null;
const go = new Go();
go.argv = ["browser.test", "-test.v"];
go.env = Object.fromEntries(new URLSearchParams(location.search));
go.exit = (code) => (window.result = code);
WebAssembly.instantiateStreaming(fetch("/browser.wasm"), go.importObject).then(({ instance }) => go.run(instance)).then(() => (window.result ??= 0));`

// What only a browser can show of package browser: its own tests, run in a page.
// Each of them is one here.
func TestBrowserPackage(t *testing.T) {
	t.Parallel()
	wasm := filepath.Join(t.TempDir(), "browser.wasm")
	build := exec.Command("go", "test", "-c", "-o", wasm, "../browser")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	peer := sockettest.Peer()
	mux := http.NewServeMux()
	mux.Handle("/", peer)
	file := func(path, kind, name string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			http.ServeFile(w, r, name)
		})
	}
	text := func(path, kind, body string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write([]byte(body))
		})
	}
	file("/browser.wasm", "application/wasm", wasm)
	file("/wasm_exec.js", "text/javascript", filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	text("/run.js", "text/javascript", runTests)
	text("/{$}", "text/html; charset=utf-8", pageOfTests)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	documents(t)

	p := arrive(t)
	p.forgives(failedFetch, failedSocket, `^javascript: Mixed Content`, `^security: Mixed Content`)
	p.open("https://documents.test/cookie") // a cookie that must not travel
	p.open(s.URL + "/?WS=" + "ws" + strings.TrimPrefix(s.URL, "http") + "&HTTPS=https://documents.test&FOREIGN=https://others.test")
	for late := time.Now().Add(5 * time.Minute); p.eval(`() => window.result`).Nil(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the tests did not end: ", p.log())
		}
	}
	retold(t, p.log())
	if code := p.eval(`() => window.result`).Int(); code != 0 {
		t.Errorf("the tests ended with %d:\n%s", code, p.log())
	}
}

// log is what the page has written to the console.
func (p *person) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.logged, "\n")
}

// retold makes a subtest of every line that says how a test went.
func retold(t *testing.T, log string) {
	t.Helper()
	tests := 0
	for _, line := range strings.Split(log, "\n") {
		result, name, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "--- "), ": ")
		if !ok || result != "PASS" && result != "FAIL" && result != "SKIP" {
			continue
		}
		tests++
		name, _, _ = strings.Cut(name, " (")
		t.Run(strings.ReplaceAll(name, "_", " "), func(t *testing.T) {
			if result != "PASS" {
				t.Errorf("%s in the page", result)
			}
		})
	}
	if tests == 0 {
		t.Error("no test has run in the page")
	}
}

// documents are the two web servers that package browser fetches from.
func documents(t *testing.T) {
	t.Helper()
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	site(t, xmpptest.Ours(), "documents.test", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		switch r.URL.Path {
		case "/cookie":
			http.SetCookie(w, &http.Cookie{Name: "secret", Value: "1", SameSite: http.SameSiteNoneMode, Secure: true})
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(`<!DOCTYPE html><link rel="icon" href="data:,"><title>Cookie</title>`))
		case "/cookies":
			_, _ = w.Write([]byte(r.Header.Get("Cookie")))
		case "/document":
			answers(200, "application/json", `{"links":[]}`)(w, r)
		case "/limit":
			_, _ = w.Write(make([]byte, 64<<10))
		case "/over":
			_, _ = w.Write(make([]byte, 64<<10+1))
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4<<10)); err != nil {
					return
				}
			}
		case "/hang":
			select {
			case <-done:
			case <-r.Context().Done():
			}
		case "/redirect":
			http.Redirect(w, r, "/document", http.StatusFound)
		case "/redirect-http":
			http.Redirect(w, r, "http://documents.test/document", http.StatusFound)
		}
	})
	site(t, xmpptest.Ours(), "others.test", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/open":
			answers(200, "application/json", "{}")(w, r)
		case "/missing":
			answers(404, "text/plain", "")(w, r)
		default:
			_, _ = w.Write([]byte("{}"))
		}
	})
}
