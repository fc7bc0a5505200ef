//go:build linux

package workertest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/proto"

	"natter/server/site"
	"natter/wasm/e2e/chrome"
)

const (
	patience = 3 * chrome.Patience // for all that a page does

	// standIn is a module with a memory and a function run that returns at once,
	// which is what Go's glue asks of a program.
	standIn = "\x00asm\x01\x00\x00\x00" + // magic, version
		"\x01\x06\x01\x60\x02\x7f\x7f\x00" + // type: (i32, i32)
		"\x03\x02\x01\x00" + // one function of it
		"\x05\x03\x01\x00\x01" + // a memory of one page
		"\x07\x0d\x02\x03mem\x02\x00\x03run\x00\x00" + // exports
		"\x0a\x04\x01\x02\x00\x0b" // code: end
)

var (
	browser struct {
		once sync.Once
		*chrome.Browser
		err error
	}
	builder string // web/build, compiled
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "workertest")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	builder = filepath.Join(dir, "build")
	if err := chrome.Go("build", "-o", builder, "./web/build"); err != nil {
		fmt.Println(err)
		return 1
	}
	defer func() {
		if browser.Browser != nil {
			browser.Kill()
		}
	}()
	return m.Run()
}

// build makes a bundle whose page and script both say name, and returns its folder. Its
// worker takes a network that is slow because the machine is busy for what it is.
func build(t *testing.T, name string, number int) string {
	t.Helper()
	return buildWith(t, name, number, 60_000)
}

// buildWith is build, with how many milliseconds the worker waits for the network.
func buildWith(t *testing.T, name string, number, quiet int) string {
	t.Helper()
	dir := t.TempDir()
	source, out := filepath.Join(dir, "web"), filepath.Join(dir, "out")
	for _, pattern := range []string{"*.js", "*.css", "*.html", "*.webmanifest", "icons/*", "emoji/*.txt"} {
		names, err := filepath.Glob(filepath.Join("../../../web", pattern))
		if err != nil || len(names) == 0 {
			t.Fatal(pattern, err)
		}
		for _, name := range names {
			to := filepath.Join(source, filepath.Dir(pattern), filepath.Base(name))
			data, err := os.ReadFile(name)
			if err == nil {
				err = os.MkdirAll(filepath.Dir(to), 0o755)
			}
			if err == nil {
				err = os.WriteFile(to, data, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	page, err := os.ReadFile(filepath.Join(source, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	worker, err := os.ReadFile(filepath.Join(source, "worker.js"))
	if err != nil || bytes.Count(worker, []byte("3000")) != 1 {
		t.Fatal("the worker's patience is not where it was: ", err)
	}
	page = bytes.Replace(page, []byte("</head>"), []byte(`<meta name="made" content="`+name+`"></head>`), 1)
	for file, text := range map[string]string{
		"index.html": string(page),
		"worker.js":  strings.Replace(string(worker), "3000", strconv.Itoa(quiet), 1),
		"made.js":    fmt.Sprintf("window.made = %q;", name),
		"app.wasm":   standIn,
	} {
		if err := os.WriteFile(filepath.Join(source, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(builder, "-src", source, "-out", out, "-wasm", filepath.Join(source, "app.wasm"),
		"-level", "fast", "-build", strconv.Itoa(number))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// host serves what it is told to, and can be made to lie or to vanish.
type host struct {
	*httptest.Server
	address string // of the page

	mu      sync.Mutex
	handler http.Handler
	lies    map[string]string // by how the path begins
	down    bool
	quiet   chan struct{} // nothing is answered before it is closed
}

func newHost(t *testing.T, path string) *host {
	t.Helper()
	chrome.Needed(t)
	browser.once.Do(func() { browser.Browser, browser.err = chrome.Start(chrome.Options{}) })
	if browser.err != nil {
		t.Fatal(browser.err)
	}
	h := &host{lies: map[string]string{}}
	h.Server = httptest.NewServer(http.HandlerFunc(h.answer))
	t.Cleanup(h.Close)
	h.address = h.URL + path
	return h
}

func (h *host) answer(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	handler, down, quiet := h.handler, h.down, h.quiet
	lie := ""
	for path, text := range h.lies {
		if strings.HasPrefix(r.URL.Path, path) {
			lie = text
		}
	}
	h.mu.Unlock()
	if quiet != nil {
		<-quiet
	}
	switch {
	case down:
		panic(http.ErrAbortHandler)
	case lie != "":
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, lie)
	default:
		handler.ServeHTTP(w, r)
	}
}

// serve puts a bundle up as package site serves it.
func (h *host) serve(t *testing.T, dir string, c site.Config) {
	t.Helper()
	c.Listen = h.Listener.Addr().String()
	s, err := site.New(os.DirFS(dir), &c)
	if err != nil {
		t.Fatal(err)
	}
	h.set(func() { h.handler = s })
}

// static puts a bundle up as any web server does, below a path.
func (h *host) static(dir, path string) {
	h.set(func() {
		h.handler = http.StripPrefix(strings.TrimSuffix(path, "/"), http.FileServer(http.Dir(dir)))
	})
}

func (h *host) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// swallow answers nothing until the test is over, or until it is told to.
func (h *host) swallow(t *testing.T) (speak func()) {
	quiet := make(chan struct{})
	h.set(func() { h.quiet = quiet })
	speak = sync.OnceFunc(func() {
		h.set(func() { h.quiet = nil })
		close(quiet)
	})
	t.Cleanup(speak)
	return speak
}

func (h *host) offline(down bool) { h.set(func() { h.down = down }) }

var anyServer = site.Config{AnyServer: true}

// tab is a page of the browser.
type tab struct {
	t    *testing.T
	page *rod.Page
}

const noteViolations = `window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.effectiveDirective + " " + e.blockedURI));`

func (h *host) visit(t *testing.T) *tab {
	t.Helper()
	page, err := browser.Page(proto.TargetCreateTarget{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { page.Close() })
	page = page.Timeout(patience)
	if _, err := page.EvalOnNewDocument(noteViolations); err != nil {
		t.Fatal(err)
	}
	if err := page.Navigate(h.address); err != nil {
		t.Fatal(err)
	}
	return &tab{t, page}
}

// eval returns what a JavaScript function gives, as text.
func (p *tab) eval(js string, args ...any) string {
	p.t.Helper()
	result, err := p.page.Eval(js, args...)
	if err != nil {
		p.t.Fatalf("%s: %v", js, err)
	}
	return result.Value.Str()
}

// until waits for a JavaScript function to be true.
func (p *tab) until(js string, args ...any) {
	p.t.Helper()
	for {
		err := p.page.Wait(rod.Eval(js, args...).ByPromise())
		if err == nil {
			return
		}
		if !chrome.Navigated(err) {
			p.t.Fatalf("never came true: %s: %v", js, err)
		}
	}
}

func (p *tab) reload() {
	p.t.Helper()
	if err := p.page.Reload(); err != nil {
		p.t.Fatal(err)
	}
	p.until(`() => document.readyState === "complete"`)
}

// installed waits until a worker is at work and the page is served by it.
func (p *tab) installed() {
	p.t.Helper()
	p.until(`async () => !!(await navigator.serviceWorker.getRegistration())?.active &&
		(await navigator.serviceWorker.getRegistration()).active.state === "activated"`)
	p.reload()
	p.until(`() => !!navigator.serviceWorker.controller`)
}

// shows fails unless all of the page is of the named build.
func (p *tab) shows(name string) {
	p.t.Helper()
	p.until(`(name) => document.querySelector("meta[name=made]")?.content === name && window.made === name`, name)
	if violations := p.eval(`() => violations.join()`); violations != "" {
		p.t.Errorf("the policy was violated: %s", violations)
	}
}

// check looks for a new build and waits until that has ended: "installed" if it
// waits now, "redundant" if it was refused.
func (p *tab) check() string {
	p.t.Helper()
	return p.eval(`async () => {
		const registration = await navigator.serviceWorker.ready;
		let found;
		for (;;) { // a look that began before, and knows of nothing new, may have to end first
			await registration.update().catch(() => {});
			if ((found = registration.installing || registration.waiting)) break;
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
		return new Promise((resolve) => {
			const look = () => ["installed", "redundant"].includes(found.state) && resolve(found.state);
			found.addEventListener("statechange", look);
			look();
		});
	}`)
}

// caches returns the names of the caches there are.
func (p *tab) caches() string {
	p.t.Helper()
	return p.eval(`async () => (await caches.keys()).join()`)
}

const nothingLeft = `async () => !(await navigator.serviceWorker.getRegistrations()).length &&
	!(await caches.keys()).length && !navigator.serviceWorker.controller && document.readyState === "complete"`

func TestSec39_OnlyListedFilesAreKept(t *testing.T) {
	t.Parallel()
	h := newHost(t, "/")
	dir := build(t, "one", 1)
	h.serve(t, dir, anyServer)
	p := h.visit(t)
	p.installed()
	p.shows("one")
	p.eval(`async () => { await fetch("nothing-here.txt"); await fetch("assets.json"); await fetch("manifest.webmanifest"); return ""; }`)

	bundle, err := site.ReadBundle(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{h.address, h.address + "config.json"}
	for _, asset := range bundle.Assets {
		if asset.Immutable {
			want = append(want, h.address+asset.Path)
		}
	}
	slices.Sort(want)
	kept := p.eval(`async () => {
		const cache = await caches.open((await caches.keys())[0]);
		return (await cache.keys()).map((request) => request.url).sort().join("\n");
	}`)
	if got := strings.Split(kept, "\n"); !slices.Equal(got, want) {
		t.Errorf("kept:\n%s\nwant:\n%s", kept, strings.Join(want, "\n"))
	}
}

// One wrong file, and nothing is installed; the right one, and all is.
func TestSec39_WrongFileDoesNotInstall(t *testing.T) {
	t.Parallel()
	h := newHost(t, "/")
	h.serve(t, build(t, "one", 1), anyServer)
	h.set(func() { h.lies["/natter."] = "window.lied = true" })
	p := h.visit(t)
	p.until(`() => document.readyState === "complete"`)
	state := p.eval(`async () => {
		const { installing } = await navigator.serviceWorker.register("worker.js", { updateViaCache: "none" });
		return new Promise((resolve) => {
			const look = () => installing.state !== "installing" && resolve(installing.state);
			installing.addEventListener("statechange", look);
			look();
		});
	}`)
	if state != "redundant" {
		t.Errorf("a worker with a wrong file is %s", state)
	}
	p.until(`async () => !(await caches.keys()).length`)

	h.set(func() { clear(h.lies) })
	p.reload()
	p.installed()
	p.shows("one")
}

// Any script of the origin can write to the cache; what it writes is not served.
func TestSec39_PoisonedCache(t *testing.T) {
	t.Parallel()
	h := newHost(t, "/")
	h.serve(t, build(t, "one", 1), anyServer)
	p := h.visit(t)
	p.installed()
	poison := `async (url) => {
		const cache = await caches.open((await caches.keys())[0]);
		await cache.put(url, new Response("window.made = 'poison'", { headers: { "Content-Type": "text/javascript" } }));
		return "";
	}`
	script := p.eval(`() => document.querySelector("script[src^='made.']").src`)
	p.eval(poison, script)
	for _, read := range []string{"fetch", "caches.match"} { // what is served, and what is kept after that
		if text := p.eval(`async (url) => (await (await `+read+`(url)).text())`, script); text != `window.made = "one";` {
			t.Errorf("%s has %q", read, text)
		}
	}
	p.reload()
	p.shows("one")

	t.Log("without the network there is nothing right to show, so nothing is shown")
	h.offline(true)
	p.reload()
	p.shows("one")
	p.eval(poison, h.address)
	if err := p.page.Reload(); err == nil {
		p.until(`() => document.readyState === "complete"`)
	}
	if text := p.eval(`() => document.documentElement.textContent`); strings.Contains(text, "poison") {
		t.Errorf("the page is %q", text)
	}
	h.offline(false)
	if err := p.page.Navigate(h.address); err != nil {
		t.Fatal(err)
	}
	p.shows("one")
}

// The program is not checked on its way. Another one in its place is found by the page that
// runs it, one that does not start before anybody sees it; both are replaced.
func TestSec39_PoisonedProgram(t *testing.T) {
	t.Parallel()
	h := newHost(t, "/")
	h.serve(t, build(t, "one", 1), anyServer)
	p := h.visit(t)
	if _, err := p.page.EvalOnNewDocument(`const real = WebAssembly.instantiate;
		WebAssembly.instantiate = (...args) => real(...args).then((instance) => { window.runs = true; return instance; });`); err != nil {
		t.Fatal(err)
	}
	p.installed()
	p.until(`() => window.runs`)
	const (
		wasm    = `document.documentElement.dataset.wasm`
		crashes = `() => sessionStorage.getItem("natter.crashes") ? String(JSON.parse(sessionStorage.getItem("natter.crashes")).length) : "0"`
		kept    = `async () => { const found = await caches.match(` + wasm + `); return found ? String((await found.arrayBuffer()).byteLength) : "none"; }`
	)
	right := fmt.Sprint(len(standIn))
	poison := func(program string) {
		t.Helper()
		p.eval(`async (bytes) => {
			const cache = await caches.open((await caches.keys())[0]);
			await cache.put(`+wasm+`, new Response(Uint8Array.from(bytes, (c) => c.charCodeAt(0)), { headers: { "Content-Type": "application/wasm" } }));
			return "";
		}`, program)
		if p.eval(kept) == right {
			t.Fatal("it is not poisoned")
		}
	}

	t.Log("one that runs")
	poison(standIn + "\x00\x05\x04evil") // a section that means nothing
	p.reload()
	p.until(`async (crashes, kept, right) => (0, eval)(crashes)() === "1" && await (0, eval)(kept)() === right`, crashes, kept, right)
	p.until(`() => window.runs && document.getElementById("stopped").hidden`) // loaded again

	t.Log("one that does not")
	poison("not a program")
	p.reload()
	p.until(`() => window.runs`)
	if got := p.eval(kept); got != right {
		t.Errorf("%s bytes are kept, want %s", got, right)
	}
	if said := p.eval(`() => document.getElementById("signin-error").textContent`); said != "" {
		t.Errorf("the person was told: %s", said)
	}

	t.Log("one that does not, and no network")
	poison("not a program")
	h.offline(true)
	if err := (proto.NetworkClearBrowserCache{}).Call(p.page); err != nil { // it has the right one
		t.Fatal(err)
	}
	p.reload()
	p.until(`() => document.getElementById("signin-error").textContent.includes("could not be loaded")`)
	if got := p.eval(kept); got != "none" {
		t.Errorf("%s bytes are kept of what is wrong", got)
	}
	h.offline(false)
	p.reload()
	p.until(`() => window.runs`)
	if got := p.eval(crashes); got != "1" {
		t.Errorf("the program has stopped %s times", got)
	}
}

func TestSec39_UpdateWaitsForTheButton(t *testing.T) {
	t.Parallel()
	h := newHost(t, "/")
	h.serve(t, build(t, "one", 1), anyServer)
	p := h.visit(t)
	p.installed()
	p.shows("one")
	before := p.caches()
	if p.eval(`() => String(document.getElementById("update").hidden)`) != "true" {
		t.Error("an update is offered, and there is none")
	}

	// What a person has on screen, as far as the shell knows it.
	p.eval(`() => {
		document.documentElement.dataset.screen = "app";
		document.getElementById("signin").hidden = true;
		const app = document.body.firstElementChild;
		app.className = "natter";
		const text = document.createElement("textarea");
		text.value = "half a sen";
		app.append(text);
		window.session = "running";
		return "";
	}`)
	h.serve(t, build(t, "two", 2), anyServer)
	if state := p.check(); state != "installed" {
		t.Fatalf("the new build is %s", state)
	}
	p.until(`() => !document.getElementById("update").hidden`)
	p.shows("one")
	if both := p.caches(); !strings.Contains(both, before) || strings.Count(both, "natter ") != 2 {
		t.Errorf("while the new build waits the caches are %s", both)
	}
	p.until(`() => {
		const notice = document.getElementById("update").getBoundingClientRect();
		const app = document.body.firstElementChild.getBoundingClientRect();
		return notice.height > 0 && notice.bottom <= app.top + 1 && app.height > 200 && app.bottom <= innerHeight + 1;
	}`)

	press := `() => { document.getElementById("update-button").click(); return ""; }`
	t.Log("not while something is being written")
	p.eval(press)
	p.until(`() => document.getElementById("update-text").textContent.includes("what you are writing")`)
	p.eval(`() => { document.querySelector("textarea").value = ""; return ""; }`)

	t.Log("not under another tab")
	other := h.visit(t)
	other.shows("two") // from the network, all of it
	p.eval(press)
	p.until(`() => document.getElementById("update-text").textContent.includes("other tabs")`)
	if p.eval(`() => window.session + document.querySelector("textarea").value`) != "running" {
		t.Error("the page was loaded again")
	}
	if err := other.page.Close(); err != nil {
		t.Fatal(err)
	}

	t.Log("now")
	p.until(`() => { document.getElementById("update-button")?.click(); return !window.session; }`)
	p.shows("two")
	p.until(`async () => (await caches.keys()).length === 1 && !!navigator.serviceWorker.controller`)
	if after := p.caches(); after == before {
		t.Error("the old build is still kept")
	}
	p.until(`() => document.getElementById("update").hidden`)
	h.offline(true)
	p.reload()
	p.shows("two")
}

// Who opens the page after an update has the new build from the network. There is
// nothing to ask, and offline the page is of that build too.
func TestSec39_ThePageIsUpdatedAlready(t *testing.T) {
	t.Parallel()
	h := newHost(t, "/")
	h.serve(t, build(t, "one", 1), anyServer)
	p := h.visit(t)
	p.installed()
	before := p.caches()
	if _, err := p.page.EvalOnNewDocument(`new MutationObserver(() => {
		const update = document.getElementById("update");
		if (update && !update.hidden) window.offered = true;
	}).observe(document, { attributes: true, childList: true, subtree: true });`); err != nil {
		t.Fatal(err)
	}
	h.serve(t, build(t, "two", 2), anyServer)
	p.reload()
	p.shows("two")
	p.eval(`() => { window.session = "running"; return ""; }`)
	p.until(`async (before) => !(await caches.keys()).includes(before)`, before)
	if session := p.eval(`() => window.session + (window.offered ? ", and something was offered" : "")`); session != "running" {
		t.Errorf("the session is %s", session)
	}
	h.offline(true)
	p.reload()
	p.shows("two")
}

// CVE-2022-22786 is the same mistake in another program.
func TestSec39_OlderBuildIsRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t, "/")
	h.serve(t, build(t, "new", 1700000002), anyServer)
	p := h.visit(t)
	p.installed()
	p.shows("new")
	before := p.caches()

	h.serve(t, build(t, "old", 1700000001), anyServer)
	p.reload()
	p.shows("new")
	if state := p.check(); state != "redundant" {
		t.Errorf("an older build is %s", state)
	}
	p.until(`() => document.getElementById("update").hidden`)
	if after := p.caches(); after != before {
		t.Errorf("the caches were %s and are %s", before, after)
	}
	h.offline(true)
	p.reload()
	p.shows("new")
	h.offline(false)

	t.Log("the old sources with a new number are a new build")
	h.serve(t, build(t, "old", 1700000003), anyServer)
	if state := p.check(); state != "installed" {
		t.Errorf("a newer build is %s", state)
	}
	p.reload()
	p.shows("old")
}

// A network that swallows everything, as in trains, is none.
func TestOpensWhenTheNetworkIsQuiet(t *testing.T) {
	t.Parallel()
	h := newHost(t, "/")
	h.serve(t, buildWith(t, "one", 1, 3000), anyServer)
	p := h.visit(t)
	p.installed()
	speak := h.swallow(t)
	p.reload()
	p.shows("one")
	p.until(`() => !!window.natter.config`)

	speak()
	h.serve(t, build(t, "two", 2), anyServer)
	for range 20 { // a network that was quiet gets less time at first
		if p.reload(); p.eval(`() => window.made`) == "two" {
			break
		}
	}
	p.shows("two")
}

func TestSec39_KillSwitch(t *testing.T) {
	t.Parallel()
	dir := build(t, "one", 1)

	// The server's worker.js changes with its configuration, and the browser fetches
	// that past any worker: a page that was tampered with loses its worker all the same.
	t.Run("in a page that is open", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, "/")
		h.serve(t, dir, anyServer)
		p := h.visit(t)
		p.installed()
		h.serve(t, dir, site.Config{AnyServer: true, Kill: true})
		p.eval(`async () => { (await navigator.serviceWorker.ready).update().catch(() => {}); return ""; }`)
		p.until(nothingLeft)
		p.shows("one")

		h.serve(t, dir, anyServer)
		p.reload()
		p.installed()
		p.shows("one")
	})
	t.Run("on a static host", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, "/chat/")
		dir := build(t, "one", 1)
		file := filepath.Join(dir, "config.json")
		// Such a host tells copies of a file apart by the second they were made in.
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		h.static(dir, "/chat/")
		p := h.visit(t)
		p.installed()
		p.eval(`async () => { await caches.open("somebody else's"); return ""; }`)
		if err := os.WriteFile(file, []byte(`{"anyServer": true, "kill": true}`), 0o644); err != nil {
			t.Fatal(err)
		}
		p.reload()
		p.until(`async () => !(await navigator.serviceWorker.getRegistrations()).length &&
			(await caches.keys()).join() === "somebody else's" && !navigator.serviceWorker.controller`)
		p.shows("one")
	})
}

// Below a path, and with the host gone: the page and all its files are there.
func TestSec39_OfflineBelowPath(t *testing.T) {
	t.Parallel()
	h := newHost(t, "/some/where/")
	h.static(build(t, "one", 1), "/some/where/")
	p := h.visit(t)
	p.installed()
	if scope := p.eval(`async () => (await navigator.serviceWorker.ready).scope`); scope != h.address {
		t.Errorf("the worker's scope is %s", scope)
	}
	h.offline(true)
	p.reload()
	p.shows("one")
	missing := p.eval(`() => performance.getEntriesByType("resource")
		.filter((entry) => /\.[0-9a-f]{8}\./.test(entry.name) && entry.responseStatus !== 200).map((entry) => entry.name).join()`)
	if missing != "" {
		t.Errorf("missing offline: %s", missing)
	}
}

// A header that changed holds after one reload, and offline too once it is kept.
func TestSec40_NewPolicyAfterOneReload(t *testing.T) {
	t.Parallel()
	h := newHost(t, "/")
	dir := build(t, "one", 1)
	h.serve(t, dir, anyServer)
	p := h.visit(t)
	p.installed()
	elsewhere := `async () => {
		await fetch("https://elsewhere.invalid/").catch(() => {});
		await new Promise((resolve) => setTimeout(resolve)); // the event is a task of its own
		return violations.join();
	}`
	if blocked := p.eval(elsewhere); blocked != "" {
		t.Fatalf("blocked from the start: %s", blocked)
	}

	h.serve(t, dir, site.Config{Domains: []site.Domain{{Name: "example.org", WebSocket: "wss://example.org/ws"}}})
	p.reload()
	if blocked := p.eval(elsewhere); !strings.HasPrefix(blocked, "connect-src https://elsewhere.invalid") {
		t.Errorf("after one reload the old policy holds: %q", blocked)
	}
	p.until(`async () => {
		const registration = await navigator.serviceWorker.ready;
		await registration.update();
		while (registration.installing || registration.waiting) await new Promise((resolve) => setTimeout(resolve, 50));
		return true;
	}`)
	h.offline(true)
	p.reload()
	if blocked := p.eval(elsewhere); !strings.HasPrefix(blocked, "connect-src https://elsewhere.invalid") {
		t.Errorf("offline the old policy holds: %q", blocked)
	}
}

var address = regexp.MustCompile(`^(https?|wss?)://`)

// The first visit, with the installation, asks nobody but the host of the page.
func TestSec41_OwnOriginOnly(t *testing.T) {
	t.Parallel()
	h := newHost(t, "/")
	h.serve(t, build(t, "one", 1), anyServer)
	p := h.visit(t)
	p.installed()
	kept := p.eval(`async () => {
		const urls = performance.getEntriesByType("resource").map((entry) => entry.name);
		for (const name of await caches.keys()) urls.push(...(await (await caches.open(name)).keys()).map((request) => request.url));
		return urls.join("\n");
	}`)
	for _, url := range strings.Split(kept, "\n") {
		if address.MatchString(url) && !strings.HasPrefix(url, h.address) {
			t.Errorf("the page or its worker asked for %s", url)
		}
	}
}
