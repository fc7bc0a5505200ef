//go:build linux

package storetest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
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

const html = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Store</title><link rel="icon" href="data:,">
<script src="/web/trusted.js"></script></head><body>
<script src="/web/store.js"></script><script src="/wasm_exec.js"></script><script src="/page.js"></script></body></html>`

// patience is how long all that a page does may take.
const patience = 3 * chrome.Patience

// place is where the page is served, and what the page has said to it.
type place struct {
	address  string
	progress chan int   // what the page said last
	mu       sync.Mutex // one progress at a time
	room     float64    // how much storage there is for a page at first, 0 for what there is
	page     *rod.Page  // the newest
}

var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "storetest")
	if err != nil {
		return "", err
	}
	return chrome.Build(filepath.Join(dir, "page.wasm"), "test", "-c", ".")
})

func TestMain(m *testing.M) {
	code := m.Run()
	if wasm, err := built(); err == nil {
		os.RemoveAll(filepath.Dir(wasm))
	}
	os.Exit(code)
}

func serve(t *testing.T) *place {
	t.Helper()
	wasm, err := built()
	if err != nil {
		t.Fatal(err)
	}
	mux, err := chrome.Serve(html, site.MetaPolicy(site.Inline{}), wasm)
	if err != nil {
		t.Fatal(err)
	}
	p := &place{progress: make(chan int, 1)}
	mux.Handle("GET /testdata/", http.FileServer(http.Dir(".")))
	mux.HandleFunc("POST /progress", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("n"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		select { // requests may overtake each other
		case old := <-p.progress:
			n = max(n, old)
		default:
		}
		p.progress <- n
	})
	// As much room as there is again.
	mux.HandleFunc("POST /quota", func(w http.ResponseWriter, r *http.Request) {
		override := proto.StorageOverrideQuotaForOrigin{Origin: p.address}
		if err := override.Call(p.page); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	// What the browser does when it wants the space back.
	mux.HandleFunc("POST /clear", func(w http.ResponseWriter, r *http.Request) {
		if err := (proto.StorageClearDataForOrigin{Origin: p.address, StorageTypes: "indexeddb"}).Call(p.page); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	// An origin whose storage may be asked to persist has to be one by name.
	p.address = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return p
}

func start(t *testing.T, profile string) *chrome.Browser {
	t.Helper()
	return chrome.Open(t, chrome.Options{Profile: profile})
}

// visit opens the page with arguments for the program in it.
func (p *place) visit(t *testing.T, c *chrome.Browser, args ...string) *rod.Page {
	t.Helper()
	page, err := c.Page(proto.TargetCreateTarget{})
	if err != nil {
		t.Fatal(err)
	}
	page = page.Timeout(patience)
	p.page = page
	if p.room > 0 {
		override := proto.StorageOverrideQuotaForOrigin{Origin: p.address, QuotaSize: &p.room}
		if err := override.Call(page); err != nil {
			t.Fatal(err)
		}
	}
	if err := page.Navigate(p.address + "/?" + url.Values{"arg": args}.Encode()); err != nil {
		t.Fatal(err)
	}
	return page
}

// ended waits for the program of a page and returns what it has printed.
func ended(t *testing.T, page *rod.Page) (lines []string, code int) {
	t.Helper()
	if err := page.Wait(rod.Eval(`() => typeof exited !== "undefined" && exited !== null`)); err != nil {
		result, _ := page.Timeout(time.Second).Eval(`() => lines.join("\n")`)
		t.Fatalf("the page does not come to its end: %v\n%v", err, result)
	}
	var seen struct {
		Lines, Violations []string
		Exited            int
	}
	result, err := page.Eval(`() => ({ Lines: lines, Violations: violations, Exited: exited })`)
	if err == nil {
		err = result.Value.Unmarshal(&seen)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(seen.Violations) > 0 {
		t.Errorf("the policy was violated: %q", seen.Violations)
	}
	return seen.Lines, seen.Exited
}

// said plays a part to its end and returns what was printed.
func (p *place) said(t *testing.T, c *chrome.Browser, part string) string {
	t.Helper()
	lines, code := ended(t, p.visit(t, c, "part", part))
	if code != 0 {
		t.Fatalf("%s: %s", part, strings.Join(lines, "\n"))
	}
	return strings.Join(lines, "\n")
}

var verdict = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+)`)

// run runs tests of the page and reports each as one of its own.
func (p *place) run(t *testing.T, c *chrome.Browser, args ...string) (passed int) {
	t.Helper()
	lines, code := ended(t, p.visit(t, c, args...))
	for _, line := range lines {
		if strings.HasPrefix(line, "Benchmark") {
			t.Log(line)
		}
		m := verdict.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		t.Run(m[2], func(t *testing.T) {
			if m[1] != "PASS" {
				t.Error(line)
			}
		})
		passed++
	}
	if code != 0 {
		t.Errorf("exit code %d\n%s", code, strings.Join(lines, "\n"))
	}
	return passed
}

func TestPage(t *testing.T) {
	p, c := serve(t), start(t, t.TempDir())
	grant := proto.BrowserGrantPermissions{Origin: p.address, Permissions: []proto.BrowserPermissionType{
		proto.BrowserPermissionTypeDurableStorage}}
	if err := grant.Call(c); err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.v", "-test.skip=Sec56_Quota"}
	if bench := os.Getenv("BENCH"); bench != "" {
		args = append(args, "-test.bench="+bench, "-test.benchtime=1s")
	}
	if passed := p.run(t, c, args...); passed < 20 {
		t.Errorf("only %d tests have passed", passed)
	}
}

func TestFullDisk(t *testing.T) {
	p, c := serve(t), start(t, t.TempDir())
	p.room = 4e6
	if passed := p.run(t, c, "-test.v", "-test.run=Sec56_Quota"); passed != 1 {
		t.Errorf("%d tests have passed", passed)
	}
}

func kills(t *testing.T) int {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil {
		return n
	}
	if os.Getenv("PROVE") == "full" {
		return 50
	}
	return 3
}

// reached waits until the page has said that it has come so far.
func (p *place) reached(t *testing.T, n int) (said int) {
	t.Helper()
	late := time.After(patience)
	for said < n {
		select {
		case said = <-p.progress:
		case <-late:
			result, err := p.page.Timeout(time.Second).Eval(`() => JSON.stringify({ at: location.href, lines, violations, exited })`)
			t.Fatalf("the page got to %d of %d: %v %v", said, n, result, err)
		}
	}
	return said
}

// kill ends the browser, and mends what Chromium does not.
func kill(t *testing.T, c *chrome.Browser, profile string) (torn int) {
	t.Helper()
	c.Kill()
	torn, err := chrome.Mend(profile)
	if err != nil {
		t.Fatal(err)
	}
	return torn
}

// What a commit has reported as kept is there after the browser was killed, with the
// count that belongs to it.
func TestSec59_KilledWhileWriting(t *testing.T) {
	p, profile, began := serve(t), t.TempDir(), time.Now()
	total, runs, torn := 0, kills(t), 0
	for round := range runs {
		c := start(t, profile)
		p.visit(t, c, "part", "write")
		said := p.reached(t, total+30+17*(round%7))
		torn += kill(t, c, profile)
		select { // what came in between counts too
		case said = <-p.progress:
		default:
		}
		c = start(t, profile)
		found, err := strconv.Atoi(p.said(t, c, "count"))
		torn += kill(t, c, profile)
		if err != nil || found < said {
			t.Fatalf("round %d: %d messages were said to be kept, %d are (%v)", round, said, found, err)
		}
		total = found
	}
	t.Logf("Sec59 chromium: %d of %d kills while writing: all that was said to be kept is (%d messages, %d journals of Chromium mended) in %s",
		runs, runs, total, torn, time.Since(began).Round(time.Second))
}

// A migration that was killed has not happened: the build of before opens what it
// wrote, and the next attempt succeeds.
func TestSec57_KilledWhileMigrating(t *testing.T) {
	p, profile, began := serve(t), t.TempDir(), time.Now()
	c := start(t, profile)
	p.said(t, c, "fill")
	runs, torn := kills(t), kill(t, c, profile)
	for round := range runs {
		c := start(t, profile)
		p.visit(t, c, "part", "migrate")
		p.reached(t, 20+100*(round%10))
		torn += kill(t, c, profile)
		c = start(t, profile)
		if got := p.said(t, c, "count"); got != "2000" {
			t.Fatalf("round %d: the old build finds %s", round, got)
		}
		torn += kill(t, c, profile)
	}
	c = start(t, profile)
	if got := p.said(t, c, "migrate"); got != "2000" {
		t.Errorf("the new build finds %s messages", got)
	}
	if got := p.said(t, c, "count"); got != "newer" {
		t.Errorf("the old build finds %s after the migration", got)
	}
	t.Logf("Sec57 chromium: %d of %d kills while migrating: the old build finds all 2000 messages, and so does the new one in the end (%d journals of Chromium mended) in %s",
		runs, runs, torn, time.Since(began).Round(time.Second))
}
