//go:build linux

package gallery

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/proto"

	"natter/app/view/stories"
	"natter/wasm/e2e/chrome"
)

const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types default"

const html = `<!DOCTYPE html><html lang="en" data-emoji="/web/emoji/en.txt"><head><meta charset="utf-8"><title>Gallery</title>
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<link rel="icon" href="/web/icons/icon.svg">
<link rel="stylesheet" href="/web/tokens.css"><link rel="stylesheet" href="/web/shell.css"><link rel="stylesheet" href="/web/app.css">
</head><body><div id="app"></div>
<script src="/web/natter.js"></script><script src="/wasm_exec.js"></script><script src="/page.js"></script></body></html>`

// program is what all tests open: built once, served once.
var program = sync.OnceValues(func() (*httptest.Server, error) {
	wasm, err := chrome.Build(filepath.Join(folder, "page.wasm"), "build", "-ldflags=-s -w", "./page")
	if err != nil {
		return nil, err
	}
	mux, err := chrome.Serve(html, policy, wasm)
	if err != nil {
		return nil, err
	}
	return httptest.NewServer(mux), nil
})

// chromium is the browser of all tests, running once one has asked for it.
var (
	running  *chrome.Browser
	chromium = sync.OnceValues(func() (b *chrome.Browser, err error) {
		b, err = chrome.Start(chrome.Options{})
		running = b
		return b, err
	})
)

// folder holds what is built.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "gallery"); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := m.Run()
	if running != nil {
		running.Kill()
	}
	os.RemoveAll(folder)
	os.Exit(code)
}

// serve returns the address of the page.
func serve(t *testing.T) string {
	t.Helper()
	server, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return server.URL
}

// browser returns somebody's part of the one browser: what its pages keep goes with the test.
func browser(t *testing.T) *rod.Browser {
	t.Helper()
	chrome.Needed(t)
	b, err := chromium()
	if err != nil {
		t.Fatal("chromium: ", err)
	}
	context, err := b.Incognito()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = context.Close() })
	return context
}

// visit opens a story and waits until it is drawn.
func visit(t *testing.T, b *rod.Browser, address, story string, width, height int, dark bool) *rod.Page {
	t.Helper()
	page := sit(t, b, width, height).Timeout(3 * chrome.Patience) // for all the test does
	prefer(t, page, dark)
	show(page, address, story)
	return page
}

// sit opens an empty page.
func sit(t *testing.T, b *rod.Browser, width, height int) *rod.Page {
	t.Helper()
	page := b.MustPage()
	t.Cleanup(func() { page.Close() })
	go page.EachEvent(func(e *proto.RuntimeConsoleAPICalled) {
		t.Log(page.MustObjectsToJSON(e.Args))
	}, func(e *proto.RuntimeExceptionThrown) {
		t.Errorf("exception: %s", e.ExceptionDetails.Exception.Description)
	})()
	page.MustSetViewport(width, height, 1, false)
	return page
}

func show(page *rod.Page, address, story string) {
	page.MustNavigate(address + "/?story=" + story)
	page.MustWait(`() => Boolean(document.querySelector("#app.natter"))`)
	if strings.HasPrefix(story, "emoji") {
		page.MustWait(`() => Boolean(document.querySelector(".emoji-grid button, .completions"))`) // what is loaded when it is wanted
	}
	settled(page)
}

// prefer says which colours the person likes, and that nothing shall move.
func prefer(t *testing.T, page *rod.Page, dark bool) {
	t.Helper()
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
	address, b, axe := serve(t), browser(t), install(t)
	sizes := []struct {
		name          string
		width, height int
	}{{"wide", 1280, 800}, {"narrow", 390, 844}, {"tiny", 320, 256}}
	for _, size := range sizes {
		// One page for all stories: the browser compiles the program once for it. Nothing that one of
		// them keeps is there for the next.
		page := sit(t, b, size.width, size.height)
		for _, story := range stories.All {
			name := story.Name + "-" + size.name
			t.Run(name, func(t *testing.T) {
				page := page.Timeout(3 * chrome.Patience)
				prefer(t, page, false)
				page.MustEval(`() => { try { sessionStorage.clear() } catch {} }`) // an empty page has none
				show(page, address, story.Name)
				inOrder(t, page)
				if size.name != "tiny" {
					axe.audit(t, page, false)
				}
				picture(t, page, name)
				if size.name == "tiny" {
					return
				}
				// The evening comes while the page is open: opened in the dark are others, see TestMenu.
				t.Run("dark", func(t *testing.T) {
					prefer(t, page, true)
					settled(page)
					inOrder(t, page)
					axe.audit(t, page, true)
					picture(t, page, name+"-dark")
				})
			})
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
