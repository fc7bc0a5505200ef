//go:build !js

package gallery

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/launcher"
	"github.com/go-rod/rod/lib/proto"

	"natter/app/view/stories"
)

const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types default"

const html = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Gallery</title>
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<link rel="icon" href="/web/icons/icon.svg">
<link rel="stylesheet" href="/web/tokens.css"><link rel="stylesheet" href="/web/shell.css"><link rel="stylesheet" href="/web/app.css">
</head><body><div id="app"></div>
<script src="/web/natter.js"></script><script src="/wasm_exec.js"></script><script src="/start.js"></script></body></html>`

const start = `"use strict";
window.did = [];
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI + " " + e.sourceFile + ":" + e.lineNumber));
window.goappGetenv = () => "";
const go = new Go();
WebAssembly.instantiateStreaming(fetch("/gallery.wasm"), go.importObject).then(({ instance }) => go.run(instance));`

// serve builds the program and returns the address of its page.
func serve(t *testing.T) string {
	t.Helper()
	wasm := filepath.Join(t.TempDir(), "gallery.wasm")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", wasm, "./page")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	file := func(path, name string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
	}
	file("/gallery.wasm", wasm)
	file("/wasm_exec.js", filepath.Join(strings.TrimSpace(string(goroot)), "lib", "wasm", "wasm_exec.js"))
	mux.Handle("/web/", http.StripPrefix("/web/", http.FileServer(http.Dir("../../../web"))))
	mux.HandleFunc("/start.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, start)
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		fmt.Fprint(w, html)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func browser(t *testing.T) *rod.Browser {
	t.Helper()
	l := launcher.New().Bin("/usr/bin/chromium").NoSandbox(true).Leakless(false).
		Set("disable-gpu").Set("force-device-scale-factor", "1")
	t.Cleanup(l.Cleanup)
	t.Cleanup(l.Kill)
	b := rod.New().ControlURL(l.MustLaunch()).MustConnect()
	t.Cleanup(func() { b.Close() })
	return b
}

// visit opens a story and waits until it is drawn.
func visit(t *testing.T, b *rod.Browser, address, story string, width, height int, dark bool) *rod.Page {
	t.Helper()
	page := b.MustPage()
	t.Cleanup(func() { page.Close() })
	go page.EachEvent(func(e *proto.RuntimeConsoleAPICalled) {
		t.Log(page.MustObjectsToJSON(e.Args))
	}, func(e *proto.RuntimeExceptionThrown) {
		t.Errorf("exception: %s", e.ExceptionDetails.Exception.Description)
	})()
	page = page.Timeout(30 * time.Second)
	page.MustSetViewport(width, height, 1, false)
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	err := proto.EmulationSetEmulatedMedia{Features: []*proto.EmulationMediaFeature{
		{Name: "prefers-color-scheme", Value: scheme},
		{Name: "prefers-reduced-motion", Value: "reduce"},
	}}.Call(page)
	if err != nil {
		t.Fatal(err)
	}
	page.MustNavigate(address + "/?story=" + story)
	page.MustWait(`() => Boolean(document.querySelector("#app.natter"))`)
	settled(page)
	return page
}

// settled waits until nothing in the page has changed for four frames.
func settled(page *rod.Page) {
	page.MustEval(`() => new Promise((done) => {
		let quiet = 0;
		const seen = new MutationObserver(() => { quiet = 0; });
		seen.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
		const next = () => (++quiet > 8 ? (seen.disconnect(), done()) : requestAnimationFrame(next));
		next();
	})`)
}

func TestGallery(t *testing.T) {
	address, b := serve(t), browser(t)
	sizes := []struct {
		name          string
		width, height int
	}{{"wide", 1280, 800}, {"narrow", 390, 844}, {"tiny", 320, 256}}
	for _, story := range stories.All {
		for _, size := range sizes {
			for _, dark := range []bool{false, true} {
				if size.name == "tiny" && dark {
					continue
				}
				name := story.Name + "-" + size.name
				if dark {
					name += "-dark"
				}
				t.Run(name, func(t *testing.T) {
					page := visit(t, b, address, story.Name, size.width, size.height, dark)
					inOrder(t, page)
					picture(t, page, name)
				})
			}
		}
	}
}

// inOrder checks what is true of every story.
func inOrder(t *testing.T, page *rod.Page) {
	t.Helper()
	var seen struct {
		Violations []string
		Wider      bool
		Messages   int
		Rows       int
		Nameless   []string
		Nav        int
		Named      bool
	}
	err := page.MustEval(`() => {
		const name = (e) => e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.textContent.trim() || (e.labels && e.labels.length);
		const log = document.querySelector("[role=log]");
		return {
			Violations: violations,
			Wider: document.documentElement.scrollWidth > innerWidth ||
				[...document.querySelectorAll(".bubble, .chat-head, .row, .composer-box")].some((e) => {
					const r = e.getBoundingClientRect();
					return r.width > 0 && (r.right > innerWidth + 1 || r.left < -1);
				}),
			Messages: document.querySelectorAll("[data-key]").length,
			Rows: document.querySelectorAll("#rows .row").length,
			Nameless: [...document.querySelectorAll("button, input, textarea")].filter((e) => !name(e)).map((e) => e.outerHTML),
			Nav: document.querySelectorAll('nav[aria-label="Conversations"]').length,
			Named: !log || Boolean(log.getAttribute("aria-label") && document.querySelector('textarea[aria-label="Message"]')),
		};
	}`).Unmarshal(&seen)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen.Violations) > 0 {
		t.Errorf("the policy was violated: %q", seen.Violations)
	}
	if seen.Wider {
		t.Error("the page scrolls sideways")
	}
	if seen.Messages > 150 || seen.Rows > 60 {
		t.Errorf("%d messages and %d rows are on the page", seen.Messages, seen.Rows)
	}
	if len(seen.Nameless) > 0 {
		t.Errorf("without a name: %q", seen.Nameless)
	}
	if seen.Nav != 1 || !seen.Named {
		t.Errorf("nav: %d, log and textbox named: %t", seen.Nav, seen.Named)
	}
}

// picture writes what is on screen into the folder that GALLERY names.
func picture(t *testing.T, page *rod.Page, name string) {
	t.Helper()
	if folder := os.Getenv("GALLERY"); folder != "" {
		page.MustScreenshot(filepath.Join(folder, name+".png"))
	}
}
