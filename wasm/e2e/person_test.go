//go:build linux

package e2e

import (
	_ "embed"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/input"
	"github.com/go-rod/rod/lib/proto"
	"github.com/ysmood/gson"

	"natter/wasm/e2e/chrome"
)

// patience is how long a person waits for anything.
const patience = chrome.Patience

//go:embed testdata/person.js
var personJS string

// person is somebody in front of a page.
type person struct {
	t    testing.TB
	page *rod.Page

	mu       sync.Mutex
	console  []string // errors
	logged   []string // and everything else, where Go writes its last words
	requests []string // addresses, WebSockets included
	frames   []string // what the page sent through its WebSockets
	received []string // and what came
	seen     chan struct{}
	forgiven []*regexp.Regexp
	lounge   bool // the account has a room of the trial server, and enters it
}

// visit opens address in a browser window of its own.
func visit(t testing.TB, address string) *person {
	t.Helper()
	p := arrive(t)
	p.open(address)
	return p
}

// arrive is somebody who has not opened a page yet.
func arrive(t testing.TB) *person {
	t.Helper()
	context, err := browser(t).Incognito()
	if err != nil {
		t.Fatal(err)
	}
	p := sit(t, context)
	t.Cleanup(func() {
		p.leave()
		_ = context.Close()
	})
	return p
}

// sit is somebody in front of a new, empty tab.
func sit(t testing.TB, context *rod.Browser) *person {
	t.Helper()
	page, err := context.Page(proto.TargetCreateTarget{URL: "about:blank"})
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, seen: make(chan struct{}), page: page.WithPanic(func(problem any) {
		t.Helper()
		t.Fatal(problem)
	})}
	p.page.MustEvalOnNewDocument(personJS)
	p.page.MustSetViewport(1280, 800, 1, false)
	// Several windows cannot all have the focus; people can.
	p.must(proto.EmulationSetFocusEmulationEnabled{Enabled: true}.Call(page))
	p.listen()
	return p
}

func (p *person) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

const farewell = "e2e: the test is over"

// listen collects what a test must not cause.
func (p *person) listen() {
	note := func(list *[]string, format string, args ...any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		*list = append(*list, fmt.Sprintf(format, args...))
	}
	wait := p.page.EachEvent(
		func(e *proto.RuntimeConsoleAPICalled) (stop bool) {
			var words []string
			for _, arg := range e.Args {
				words = append(words, said(arg))
			}
			text := strings.Join(words, " ")
			if strings.HasPrefix(text, farewell) {
				close(p.seen)
				return true
			}
			note(&p.logged, "%s", text)
			switch e.Type {
			case proto.RuntimeConsoleAPICalledTypeError, proto.RuntimeConsoleAPICalledTypeWarning, proto.RuntimeConsoleAPICalledTypeAssert:
				note(&p.console, "%s: %s", e.Type, text)
			}
			return false
		},
		func(e *proto.RuntimeExceptionThrown) {
			note(&p.console, "exception: %s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
		},
		func(e *proto.LogEntryAdded) {
			if e.Entry.Level == proto.LogLogEntryLevelError || e.Entry.Source == proto.LogLogEntrySourceSecurity {
				note(&p.console, "%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
			}
		},
		func(e *proto.NetworkRequestWillBeSent) { note(&p.requests, "%s", e.Request.URL) },
		func(e *proto.NetworkWebSocketCreated) { note(&p.requests, "%s", e.URL) },
		func(e *proto.NetworkWebSocketFrameSent) { note(&p.frames, "%s", e.Response.PayloadData) },
		func(e *proto.NetworkWebSocketFrameReceived) { note(&p.received, "%s", e.Response.PayloadData) },
	)
	go wait()
}

// forgives lets console errors pass that a test brings about, such as a connection
// that fails.
func (p *person) forgives(patterns ...string) {
	for _, pattern := range patterns {
		p.forgiven = append(p.forgiven, regexp.MustCompile(pattern))
	}
}

// What Chromium itself writes to the console when a fetch or a WebSocket fails.
const (
	failedFetch  = `^network: Failed to load resource|^network: Access to fetch|^javascript: Access to fetch`
	failedSocket = `^network: WebSocket connection to|^javascript: WebSocket connection to`
)

// leave checks what is true of every test.
func (p *person) leave() {
	t := p.t
	t.Helper()
	page := p.page.Timeout(patience)
	if shots := os.Getenv("E2E_SHOTS"); shots != "" {
		if png, err := page.Screenshot(false, nil); err == nil {
			_ = os.WriteFile(filepath.Join(shots, strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())+fmt.Sprintf("-%p.png", p)), png, 0o644)
		}
	}
	violations, err := page.Eval(`(text) => { console.debug(text); return e2e.violations }`, farewell)
	if err != nil {
		t.Errorf("the page is dead: %v", err)
		return
	}
	select {
	case <-p.seen:
	case <-time.After(patience):
		t.Error("the page's events stopped")
	}
	if list := violations.Value.Arr(); len(list) > 0 {
		t.Errorf("the policy was violated: %v", list)
	}
	p.judge()
	if t.Failed() {
		text, _ := page.Eval(`() => document.body.innerText`)
		if text != nil {
			t.Logf("the page says:\n%s", text.Value.Str())
		}
	}
}

// judge checks what was heard of the page.
func (p *person) judge() {
	t := p.t
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.console {
		if !p.forgivable(line) {
			t.Errorf("on the console: %s", line)
		}
	}
	for _, address := range p.requests {
		if foreign(address) {
			t.Errorf("a foreign host was asked: %s", address)
		}
	}
	if t.Failed() {
		t.Logf("it has logged:\n%s", strings.Join(p.logged, "\n"))
		t.Logf("it has sent:\n%s", strings.Join(p.frames, "\n"))
		t.Logf("it has received:\n%s", strings.Join(p.received, "\n"))
	}
}

func (p *person) forgivable(line string) bool {
	for _, pattern := range p.forgiven {
		if pattern.MatchString(line) {
			return true
		}
	}
	return false
}

// foreign reports whether an address leads away from this machine and its servers.
func foreign(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return true
	}
	switch u.Scheme {
	case "data", "blob", "about":
		return false
	}
	host := u.Hostname()
	return host != "localhost" && host != "127.0.0.1" && !strings.HasSuffix(host, ".test")
}

// asked reports whether the page has asked for an address that begins so.
func (p *person) asked(prefix string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.requests, func(address string) bool { return strings.HasPrefix(address, prefix) })
}

// sent reports whether the page has sent a stanza with this in it.
func (p *person) sent(part string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.frames, func(frame string) bool { return strings.Contains(frame, part) })
}

// got reports whether the page has received a stanza with this in it.
func (p *person) got(part string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.received, func(frame string) bool { return strings.Contains(frame, part) })
}

func (p *person) open(address string) {
	p.t.Helper()
	p.page.Timeout(patience).MustNavigate(address).CancelTimeout()
}

// eval returns what a function of JavaScript returns.
func (p *person) eval(js string, args ...any) gson.JSON {
	p.t.Helper()
	result, err := p.page.Timeout(2 * patience).Evaluate(rod.Eval(js, args...).ByPromise())
	if err != nil {
		p.t.Fatalf("%s: %v", brief(js, args), err)
	}
	return result.Value
}

// evaluate is eval for what waits: if the page goes on to another document meanwhile, it
// waits in that one.
func (p *person) evaluate(options *rod.EvalOptions) (*proto.RuntimeRemoteObject, error) {
	page := p.page.Timeout(2 * patience)
	for {
		result, err := page.Evaluate(options)
		if !chrome.Navigated(err) {
			return result, err
		}
	}
}

// until waits until a function of JavaScript returns something, and returns that.
func (p *person) until(js string, args ...any) gson.JSON {
	p.t.Helper()
	waits := fmt.Sprintf(`(...args) => e2e.until(() => (%s)(...args), %d)`, js, patience.Milliseconds())
	result, err := p.evaluate(rod.Eval(waits, args...).ByPromise())
	if err != nil {
		p.t.Fatalf("%s: %v", brief(js, args), err)
	}
	return result.Value
}

func brief(js string, args []any) string {
	return fmt.Sprintf("%.300s %.200v", js, args)
}

// find waits for what has a role and a name, in which … stands for anything.
func (p *person) find(role, name string) *rod.Element {
	p.t.Helper()
	js := fmt.Sprintf(`(role, name) => e2e.until(() => e2e.all(role, name)[0], %d)`, patience.Milliseconds())
	object, err := p.evaluate(rod.Eval(js, role, name).ByPromise().ByObject())
	if err != nil {
		p.t.Fatalf("there is no %s %q: %v", role, name, err)
	}
	element, err := p.page.ElementFromObject(object)
	p.must(err)
	return element
}

// gone waits until nothing has that role and name.
func (p *person) gone(role, name string) {
	p.t.Helper()
	p.until(`(role, name) => e2e.all(role, name).length === 0`, role, name)
}

// there reports whether something has that role and name now.
func (p *person) there(role, name string) bool {
	p.t.Helper()
	return p.eval(`(role, name) => e2e.all(role, name).length > 0`, role, name).Bool()
}

// press clicks a button.
func (p *person) press(name string) { p.t.Helper(); p.click("button", name) }

// click presses the mouse where something is, once it is there and nothing lies over it.
func (p *person) click(role, name string) {
	p.t.Helper()
	for late := time.Now().Add(patience); ; {
		var at proto.Point
		p.must(p.until(`(role, name) => e2e.aim(role, name)`, role, name).Unmarshal(&at))
		mouse := p.page.Timeout(patience).Mouse
		p.must(mouse.MoveTo(at))
		p.must(mouse.Click(proto.InputMouseButtonLeft, 1))
		// A redraw in between may have moved it away.
		if !p.eval(`() => e2e.missed()`).Bool() {
			return
		}
		if time.Now().After(late) {
			p.t.Fatalf("%s %q cannot be clicked", role, name)
		}
	}
}

// fill replaces what a field holds.
func (p *person) fill(label, text string) {
	p.t.Helper()
	field := p.find("textbox", label)
	p.must(field.Focus())
	p.must(field.SelectAllText())
	if text == "" {
		p.keys(input.Backspace)
		return
	}
	p.must(field.Input(text))
}

// holds returns what a field holds.
func (p *person) holds(label string) string {
	p.t.Helper()
	return p.find("textbox", label).MustProperty("value").Str()
}

// keys presses keys one after the other.
func (p *person) keys(keys ...input.Key) {
	p.t.Helper()
	p.must(p.page.Keyboard.Type(keys...))
}

// chord presses key while the others are held down.
func (p *person) chord(key input.Key, held ...input.Key) {
	p.t.Helper()
	p.must(p.page.KeyActions().Press(held...).Type(key).Do())
}

// write types text where the focus is.
func (p *person) write(text string) {
	p.t.Helper()
	p.must(p.page.InsertText(text))
}

// signIn fills in the form and sends it; server is for Advanced.
func (p *person) signIn(address, password string, server ...string) {
	p.t.Helper()
	p.lounge = address == "ada@localhost" || address == "grace@localhost"
	p.fill("XMPP address", address)
	p.fill("Password", password)
	for _, s := range server {
		if !p.there("textbox", "Server address") {
			p.press("Advanced")
		}
		p.fill("Server address", s)
	}
	p.press("Sign in")
}

// in waits until the person is signed in and the list has all that it will have by itself, so
// that no row moves away from under a click.
func (p *person) in() {
	p.t.Helper()
	p.find("navigation", "Conversations")
	p.find("status", "Connected…")
	if p.lounge {
		p.until(`() => e2e.all("button", "Lounge,…").some((row) => row.textContent.includes(": "))`)
	}
}

// bothIn returns ada and grace, signed in to the trial server at address in a browser each; with remembered,
// ada's device remembers her.
func bothIn(t *testing.T, address string, remembered bool) (ada, grace *person) {
	t.Helper()
	ada, grace = visit(t, address), visit(t, address)
	if remembered {
		ada.remember("ada@localhost", "analytical")
	} else {
		ada.signIn("ada@localhost", "analytical")
	}
	grace.signIn("grace@localhost", "compiler")
	ada.in()
	grace.in()
	return ada, grace
}

// chat opens the conversation with somebody in the list, by the name shown.
func (p *person) chat(name string) {
	p.t.Helper()
	p.press(name + ",…")
	p.find("log", name)
}

// say writes in the open conversation and waits until it stands there.
func (p *person) say(text string) {
	p.t.Helper()
	p.fill("Message", text)
	p.keys(input.Enter)
	p.reads("You", text)
	p.until(`() => !document.querySelector("#message").value`) // it may have stood there before
}

// reads waits until a message with this text, by author ("You" for one's own), is in
// the open conversation.
func (p *person) reads(author, text string) {
	p.t.Helper()
	p.until(`(author, text) => e2e.all("article", author + ",…").some((a) => a.querySelector(".text").textContent === text)`, author, text)
}

// bodies returns the messages on the page, oldest first.
func (p *person) bodies() (bodies []string) {
	p.t.Helper()
	for _, b := range p.eval(`() => e2e.bodies()`).Arr() {
		bodies = append(bodies, b.Str())
	}
	return bodies
}

// marked waits until the last message of the person's own is marked so.
func (p *person) marked(mark string) {
	p.t.Helper()
	p.until(`(mark) => { const m = [...document.querySelectorAll("[role=log] .msg.mine")].pop(); const i = m && m.querySelector(".meta [role=img]"); return i && e2e.name(i) === mark }`, mark)
}

// startChat writes to an address.
func (p *person) startChat(address string) {
	p.t.Helper()
	p.press("New chat")
	p.fill("XMPP address", address)
	p.press("Start chat")
	p.gone("dialog", "")
	p.find("textbox", "Message")
}

// signOut leaves by the menu.
func (p *person) signOut() {
	p.t.Helper()
	p.press("Your account,…")
	p.press("Sign out")
	p.find("dialog", "Sign out?")
	p.until(`() => { const b = e2e.all("button", "Sign out").find((b) => b.closest("dialog")); if (b) b.click(); return b }`)
	p.find("button", "Sign in")
}

// said is an argument of console.log as text.
func said(arg *proto.RuntimeRemoteObject) string {
	if arg.Description != "" || arg.Value.Nil() {
		return arg.Description
	}
	return arg.Value.Str()
}
