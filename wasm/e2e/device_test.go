//go:build linux

package e2e

import (
	"testing"
	"time"

	"github.com/go-rod/rod/lib/proto"

	"natter/wasm/e2e/chrome"
)

// device is somebody's computer: a profile that outlives the browser.
type device struct {
	t       testing.TB
	profile string
	browser *chrome.Browser
	people  []*person
	torn    int // how often a kill left a journal that Chromium cannot go on with
}

func newDevice(t testing.TB) *device {
	t.Helper()
	chrome.Needed(t)
	d := &device{t: t, profile: t.TempDir()}
	d.start()
	t.Cleanup(func() { d.kill() })
	return d
}

func (d *device) start() {
	d.t.Helper()
	b, err := launch(d.profile)
	if err != nil {
		d.t.Fatal("chromium: ", err)
	}
	d.browser = b
}

// kill ends the browser as a crash would. What its pages have said until then is
// judged all the same. What Chromium makes of half a record in its own journal is not:
// see chrome.Mend and TestTheBrowserLosesEverything.
func (d *device) kill() {
	d.t.Helper()
	d.crash()
	torn, err := chrome.Mend(d.profile)
	if err != nil {
		d.t.Fatal(err)
	}
	d.torn += torn
}

// crash is kill with nothing mended.
func (d *device) crash() {
	d.t.Helper()
	for _, p := range d.people {
		if d.t.Failed() {
			result, err := p.page.Timeout(time.Second).Eval(`() => location.href + "\n" + document.body.innerText`)
			if err == nil {
				d.t.Logf("the page says:\n%s", result.Value.Str())
			}
		}
	}
	d.browser.Kill()
	for _, p := range d.people {
		p.judge()
	}
	d.people = nil
}

// sit is somebody in front of a new, empty tab.
func (d *device) sit() *person {
	d.t.Helper()
	p := sit(d.t, d.browser.Browser)
	p.watchForm()
	d.people = append(d.people, p)
	return p
}

// visit opens an address in a new tab.
func (d *device) visit(address string) *person {
	d.t.Helper()
	p := d.sit()
	p.open(address)
	return p
}

// watchForm looks, before anything is ever painted, whether the sign-in form can be
// seen.
func (p *person) watchForm() {
	p.page.MustEvalOnNewDocument(`(() => {
		window.formSeen = false;
		const look = () => {
			const form = document.getElementById("signin-form");
			if (form && form.checkVisibility()) window.formSeen = true;
			requestAnimationFrame(look);
		};
		requestAnimationFrame(look);
	})()`)
}

// unasked fails if the page has shown the sign-in form since it was loaded.
func (p *person) unasked() {
	p.t.Helper()
	if p.eval(`() => window.formSeen`).Bool() {
		p.t.Error("the sign-in form was to be seen")
	}
}

// reload loads the page again. What was heard of it before no longer counts.
func (p *person) reload() {
	p.t.Helper()
	p.forget()
	p.page.Timeout(patience).MustReload().CancelTimeout()
}

// forget lets what was sent, received and asked for so far not count any more.
func (p *person) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames, p.received, p.requests = nil, nil, nil
}

// offline takes the network away from the page, or gives it back.
func (p *person) offline(is bool) {
	p.t.Helper()
	p.must(proto.NetworkEmulateNetworkConditions{Offline: is, DownloadThroughput: -1, UploadThroughput: -1}.Call(p.page))
}

// remember ticks Remember me, unless the page has, and signs in.
func (p *person) remember(address, password string, server ...string) {
	p.t.Helper()
	const ticked = `() => document.querySelector("input[type=checkbox]").checked`
	p.find("checkbox", "Remember me")
	if !p.eval(ticked).Bool() {
		p.click("checkbox", "Remember me")
		p.until(ticked)
	}
	p.signIn(address, password, server...)
	p.in()
}

// installed waits until a service worker serves the page the next time.
func (p *person) installed() {
	p.t.Helper()
	p.eval(`() => navigator.serviceWorker.ready.then(() => true)`)
}
