//go:build linux

package firefox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"natter/wasm/e2e/chrome"
)

const program = "/usr/bin/firefox-esr"

// prefs keep the browser from asking its maker for anything.
const prefs = `user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.safebrowsing.downloads.remote.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
`

// browser is a running Firefox with a session of WebDriver BiDi.
type browser struct {
	t    testing.TB
	conn *websocket.Conn

	mu     sync.Mutex
	last   int
	asked  map[int]chan answer
	gone   error
	logged []string // errors, as the pages or Firefox itself have logged them
}

// answer is what comes back for a command, or by itself.
type answer struct {
	Type    string // success, error, event
	ID      int
	Result  json.RawMessage
	Error   string
	Message string
	Method  string
	Params  struct{ Level, Text string } // of log.entryAdded, the one event asked for
}

func start(t testing.TB) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes its time, and this is -short")
	}
	if _, err := os.Stat(program); err != nil && os.Getenv("CI") != "true" {
		t.Skip("firefox-esr is not installed: run .ci/install")
	}
	profile := t.TempDir()
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(prefs), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+profile, "MOZ_CRASHREPORTER_DISABLE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	free, err := chrome.Guard(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		free()
	})
	address := ""
	lines := bufio.NewScanner(out)
	for address == "" && lines.Scan() {
		_, address, _ = strings.Cut(lines.Text(), "WebDriver BiDi listening on ")
	}
	if address == "" {
		t.Fatal("Firefox did not say where it listens")
	}
	go func() {
		for lines.Scan() {
		}
	}()

	ctx, cancel := context.WithTimeout(context.Background(), chrome.Patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, address+"/session", nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	b := &browser{t: t, conn: conn, asked: map[int]chan answer{}}
	go b.listen()
	t.Cleanup(func() { _ = conn.CloseNow() })
	b.do("session.new", object{"capabilities": object{}}, nil)
	b.do("session.subscribe", object{"events": []string{"log.entryAdded"}}, nil)
	return b
}

type object = map[string]any

func (b *browser) listen() {
	for {
		var a answer
		err := wsjson.Read(context.Background(), b.conn, &a)
		b.mu.Lock()
		switch {
		case err != nil:
			b.gone = err
			for _, waits := range b.asked {
				close(waits)
			}
			b.mu.Unlock()
			return
		case a.Type == "event":
			if a.Params.Level == "error" {
				b.logged = append(b.logged, a.Params.Text)
			}
		case b.asked[a.ID] != nil:
			b.asked[a.ID] <- a
			delete(b.asked, a.ID)
		}
		b.mu.Unlock()
	}
}

// try sends a command and decodes what it results in.
func (b *browser) try(method string, params, result any) error {
	b.mu.Lock()
	b.last++
	id, waits := b.last, make(chan answer, 1)
	b.asked[id] = waits
	gone := b.gone
	b.mu.Unlock()
	if gone != nil {
		return gone
	}
	// What waits in a page gives up before.
	ctx, cancel := context.WithTimeout(context.Background(), 2*chrome.Patience)
	defer cancel()
	if err := wsjson.Write(ctx, b.conn, object{"id": id, "method": method, "params": params}); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	case a, ok := <-waits:
		switch {
		case !ok:
			return errors.New("Firefox is gone")
		case a.Type == "error":
			return fmt.Errorf("%s: %s: %s", method, a.Error, a.Message)
		case result == nil:
			return nil
		}
		return json.Unmarshal(a.Result, result)
	}
}

func (b *browser) do(method string, params, result any) {
	b.t.Helper()
	if err := b.try(method, params, result); err != nil {
		b.t.Fatal(err)
	}
}

// user makes somebody whose tabs share nothing with those of others.
func (b *browser) user() (id string) {
	b.t.Helper()
	var made struct{ UserContext string }
	b.do("browser.createUserContext", object{}, &made)
	return made.UserContext
}

// tab is a tab of somebody's.
type tab struct {
	*browser
	id     string
	closed bool
}

func (b *browser) tab(user string) *tab {
	b.t.Helper()
	var made struct{ Context string }
	b.do("browsingContext.create", object{"type": "tab", "userContext": user}, &made)
	t := &tab{browser: b, id: made.Context}
	b.t.Cleanup(t.leave)
	return t
}

// open goes to an address.
func (p *tab) open(address string) {
	p.t.Helper()
	p.do("browsingContext.navigate", object{"context": p.id, "url": address, "wait": "complete"}, nil)
}

func (p *tab) reload() {
	p.t.Helper()
	p.do("browsingContext.reload", object{"context": p.id, "wait": "complete"}, nil)
}

// evaluate decodes what a function of JavaScript returns, or promises, as JSON.
func (p *tab) evaluate(js string, result any, args ...any) error {
	list := []object{}
	for _, a := range args {
		list = append(list, object{"type": "string", "value": fmt.Sprint(a)})
	}
	var got struct {
		Type             string
		Result           struct{ Value string }
		ExceptionDetails struct{ Text string }
	}
	err := p.try("script.callFunction", object{
		"functionDeclaration": "async (...args) => JSON.stringify(await (" + js + ")(...args)) ?? 'null'",
		"awaitPromise":        true, "arguments": list, "target": object{"context": p.id},
	}, &got)
	if err != nil {
		return err
	}
	if got.Type == "exception" {
		return fmt.Errorf("%.200s %q: %s", js, args, got.ExceptionDetails.Text)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal([]byte(got.Result.Value), result)
}

// until waits until a function of JavaScript returns something.
func (p *tab) until(js string, args ...any) { p.t.Helper(); p.wait(nil, js, args...) }

func (p *tab) wait(result any, js string, args ...any) {
	p.t.Helper()
	waits := fmt.Sprintf("(...args) => e2e.until(() => (%s)(...args), %d)", js, chrome.Patience.Milliseconds())
	if err := p.evaluate(waits, result, args...); err != nil {
		var text string
		_ = p.evaluate("() => document.body.innerText", &text)
		p.t.Fatalf("%v\nthe page says:\n%s\nlogged: %q", err, text, p.errors())
	}
}

func (b *browser) errors() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.logged...)
}

// act lets somebody use an input device.
func (p *tab) act(kind string, actions ...object) {
	p.t.Helper()
	p.do("input.performActions", object{"context": p.id, "actions": []object{{"type": kind, "id": kind, "actions": actions}}}, nil)
}

// click presses the mouse where something is, once it is there and nothing lies over it.
func (p *tab) click(role, name string) {
	p.t.Helper()
	for {
		var at struct{ X, Y float64 }
		p.wait(&at, `(role, name) => e2e.aim(role, name)`, role, name)
		p.act("pointer", object{"type": "pointerMove", "x": int(at.X), "y": int(at.Y)},
			object{"type": "pointerDown", "button": 0}, object{"type": "pointerUp", "button": 0})
		// A redraw in between may have moved it away.
		var missed bool
		if err := p.evaluate(`() => e2e.missed()`, &missed); err != nil {
			p.t.Fatal(err)
		}
		if !missed {
			return
		}
	}
}

const enter = "\uE007" // https://www.w3.org/TR/webdriver2/#keyboard-actions

// keys presses keys one after the other.
func (p *tab) keys(text string) {
	p.t.Helper()
	var actions []object
	for _, key := range text {
		actions = append(actions, object{"type": "keyDown", "value": string(key)}, object{"type": "keyUp", "value": string(key)})
	}
	p.act("key", actions...)
}

// fill writes into an empty field.
func (p *tab) fill(label, text string) {
	p.t.Helper()
	p.click("textbox", label)
	p.keys(text)
	p.until(`(label, text) => e2e.all("textbox", label)[0].value === text`, label, text)
}

// close closes the tab, whose page may not keep it from that.
func (p *tab) close() {
	p.t.Helper()
	p.leave()
	p.closed = true
	p.do("browsingContext.close", object{"context": p.id}, nil)
}

// leave checks what is true of every page.
func (p *tab) leave() {
	if p.closed {
		return
	}
	var violations []string
	if err := p.evaluate(`() => e2e.violations`, &violations); err != nil {
		p.t.Errorf("the page is dead: %v", err)
	}
	if len(violations) > 0 {
		p.t.Errorf("the policy was violated: %q", violations)
	}
}
