//go:build linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/input"
	"github.com/go-rod/rod/lib/proto"

	"natter/app/state"
	hosting "natter/server/site"
	"natter/wasm/e2e/chrome"
)

// crowd is the tabs of a device. One of them has the socket.
type crowd struct {
	*device
	address string
	wire    *wire
	tabs    []*person
}

// open opens one more tab, in the conversation with somebody.
func (c *crowd) open(name string) *person {
	c.t.Helper()
	p := c.visit(c.address)
	p.find("navigation", "Conversations")
	p.unasked()
	p.chat(name)
	c.tabs = append(c.tabs, p)
	return p
}

// leader waits until a tab has the socket that is not among others.
func (c *crowd) leader(others ...*person) *person {
	c.t.Helper()
	for late := time.Now().Add(2 * patience); time.Now().Before(late); time.Sleep(5 * time.Millisecond) {
		for _, p := range c.tabs {
			if p.asked(c.wire.URL) && !slices.Contains(others, p) {
				return p
			}
		}
	}
	c.t.Fatal("no tab has opened a socket")
	return nil
}

// kill ends a tab: it is closed, or what draws it crashes.
func (c *crowd) kill(p *person, crash bool) {
	c.t.Helper()
	c.tabs = slices.DeleteFunc(c.tabs, func(o *person) bool { return o == p })
	if crash {
		// Nobody is left to answer.
		_ = proto.PageCrash{}.Call(p.page.Timeout(time.Second))
		return
	}
	_, err := proto.TargetCloseTarget{TargetID: p.page.TargetID}.Call(c.browser)
	p.must(err)
}

// hang stops a tab in the middle of what it does, until wake is called. It keeps its
// socket and its lock.
func (c *crowd) hang(p *person) (wake func()) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	events := p.page.Context(ctx).Event()
	_, err := proto.DebuggerEnable{}.Call(p.page)
	p.must(err)
	p.must(proto.DebuggerPause{}.Call(p.page))
	for e := range events {
		if e.Load(&proto.DebuggerPaused{}) {
			return func() { p.must(proto.DebuggerDisable{}.Call(p.page)) }
		}
	}
	c.t.Fatal("the tab does not stop")
	return nil
}

// P-16: five tabs of a real browser, in which somebody writes now here, now there, and
// the one that has the connection is closed or crashes all the time.
func TestPromise16_Tabs(t *testing.T) {
	deaths := count(5, 100)
	one, two := trialAccounts(t)
	w := lay(t, one.server)
	c := &crowd{device: newDevice(t), address: natter(t), wire: w}
	other := talk(t, two.server, string(two.jid), two.password)
	first := c.visit(c.address)
	first.remember(string(one.jid), one.password, w.URL)
	first.startChat(string(two.jid))
	first.say("ours, the first")
	first.marked("Sent")
	c.tabs = []*person{first}
	name := string(two.jid.Local())
	for range 4 {
		c.open(name)
	}

	random := rand.New(rand.NewPCG(16, 16))
	ours, hers := []string{"ours, the first"}, []string{}
	for i := range deaths {
		leader := c.leader()
		mirrors := slices.DeleteFunc(slices.Clone(c.tabs), func(p *person) bool { return p == leader })
		for k := range 3 {
			hers = append(hers, fmt.Sprintf("hers %d.%d", i, k))
			other.say(one.jid, hers[len(hers)-1])
			ours = append(ours, fmt.Sprintf("ours %d.%d", i, k))
			mirrors[random.IntN(len(mirrors))].say(ours[len(ours)-1])
		}
		time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond) // at any moment
		c.kill(leader, i%2 == 1)
		c.open(name)
	}
	last := c.tabs[len(c.tabs)-1]
	last.say("ours, the last")
	ours = append(ours, "ours, the last")
	last.marked("Sent")
	other.until("to have all", func(*state.State) bool { return len(other.heard(one.jid)) >= len(ours) })
	other.say(one.jid, "hers, the last")
	hers = append(hers, "hers, the last")
	for _, p := range c.tabs {
		p.until(`() => e2e.bodies().includes("hers, the last")`)
		p.in()
		p.unasked()
	}
	compare := func() {
		t.Helper()
		same(t, "the other has heard", slices.Sorted(slices.Values(other.heard(one.jid))), slices.Sorted(slices.Values(ours)))
		same(t, "on the disk there is", slices.Sorted(slices.Values(stored(last))), slices.Sorted(slices.Values(slices.Concat(ours, hers))))
	}
	compare()
	most := w.peak()
	if most != 1 {
		t.Errorf("%d sockets were open at a time", most)
	}
	if !t.Failed() {
		t.Logf("P-16 chromium: 5 tabs, %d leaders killed, %d messages out, %d in; 0 lost, 0 doubled, %d socket at a time, 0 sign-in forms",
			deaths, len(ours), len(hers), most)
	}

	t.Run("the leader hangs", func(t *testing.T) {
		hung := c.leader()
		wake := c.hang(hung)
		mirrors := slices.DeleteFunc(slices.Clone(c.tabs), func(p *person) bool { return p == hung })
		ours, hers = append(ours, "ours, beside it", "ours, in it"), append(hers, "hers, beside it")
		mirrors[0].say("ours, beside it")
		other.say(one.jid, "hers, beside it")
		c.leader(hung)
		for _, p := range mirrors {
			p.until(`() => e2e.bodies().includes("hers, beside it")`)
		}
		wake()
		hung.until(`() => e2e.bodies().includes("ours, beside it") && e2e.bodies().includes("hers, beside it")`)
		hung.in()
		hung.say("ours, in it")
		hung.marked("Sent")
		other.until("to have all", func(*state.State) bool { return len(other.heard(one.jid)) >= len(ours) })
		compare()
		for _, p := range c.tabs {
			p.unasked()
		}
		if n := w.connected(); n != 1 {
			t.Errorf("%d tabs are connected", n)
		}
		hung.forget() // its socket is gone
	})

	t.Run("signing out in one signs out all", func(t *testing.T) {
		leader := c.leader()
		for _, p := range c.tabs {
			if p != leader {
				p.signOut()
				break
			}
		}
		for _, p := range c.tabs {
			p.find("button", "Sign in")
		}
	})
}

// stored returns the bodies of all messages in the page's database.
func stored(p *person) (bodies []string) {
	p.t.Helper()
	list := p.eval(`async () => {
		const result = (request) => new Promise((resolve, reject) => { request.onsuccess = () => resolve(request.result); request.onerror = () => reject(request.error) });
		const { name } = (await indexedDB.databases()).find(({ name }) => /^natter[.][0-9a-f]+$/.test(name));
		const db = await result(indexedDB.open(name));
		const rows = await result(db.transaction("messages").objectStore("messages").getAll());
		db.close();
		return rows.map((row) => row.body);
	}`)
	for _, body := range list.Arr() {
		bodies = append(bodies, body.Str())
	}
	return bodies
}

// shut closes a tab.
func (c *crowd) shut(p *person) {
	c.t.Helper()
	c.people = slices.DeleteFunc(c.people, func(o *person) bool { return o == p })
	p.judge()
	c.kill(p, false)
}

// Somebody signs out in a tab and closes it while the one that leads hangs. The browser is
// killed, and started days later.
func TestPromise16_SignOutBesideALeaderThatHangs(t *testing.T) {
	t.Parallel()
	one, two := trialAccounts(t)
	c := &crowd{device: newDevice(t), address: natter(t), wire: lay(t, one.server)}
	first := c.visit(c.address)
	first.remember(string(one.jid), one.password, c.wire.URL)
	first.startChat(string(two.jid))
	first.say("only between us")
	first.marked("Sent")
	token, agent := first.token()
	c.tabs = []*person{first}
	mirror := c.open(string(two.jid.Local()))
	mirror.find("status", "Connected…")
	c.hang(first)
	mirror.signOut()
	c.shut(mirror)
	c.kill(first, true)
	c.device.kill()

	c.start()
	p := c.visit(c.address)
	p.find("button", "Sign in")
	for _, trace := range []string{string(one.jid), string(two.jid), "only between us"} {
		p.until(`async (text) => !(await e2e.stored()).includes(text)`, trace)
	}
	p.until(`async () => (await e2e.rows("secrets")).length === 0`)
	if p.there("navigation", "Conversations") {
		t.Error("the conversations are to be seen")
	}
	worthless(t, one, token, agent)
}

// The password is needed again in two tabs, and typed in one.
func TestPromise16_SignInForAll(t *testing.T) {
	t.Parallel()
	one, two := trialAccounts(t)
	c := &crowd{device: newDevice(t), address: natter(t), wire: lay(t, one.server)}
	first := c.visit(c.address)
	first.remember(string(one.jid), one.password, c.wire.URL)
	first.startChat(string(two.jid))
	first.say("before")
	first.marked("Sent")
	token, agent := first.token()
	first.reload() // without the password
	first.in()
	c.tabs = []*person{first}
	second := c.open(string(two.jid.Local()))
	if err := invalidate(one, token, agent); err != nil {
		t.Fatal(err)
	}
	for _, p := range c.tabs {
		p.forgives(failedSocket)
	}
	c.wire.broken(true)
	second.find("status", "Offline…")
	c.wire.broken(false)
	for _, p := range c.tabs {
		p.until(`() => { const b = e2e.all("button", "Retry now")[0]; if (b) b.click(); return e2e.all("button", "Enter password")[0] }`)
	}
	second.press("Enter password")
	second.until(`() => document.activeElement.id === "password-again"`)
	second.write(one.password)
	second.keys(input.Enter)
	for _, p := range c.tabs {
		p.in()
	}
	first.chat(string(two.jid.Local()))
	first.reads("You", "before")
	first.say("after")
	second.chat(string(two.jid.Local()))
	second.reads("You", "after")
}

// The server has a new build, and somebody opens a second tab: that one goes on with the
// stream, and the first says why it does not. What is written in it is not lost.
func TestPromise16_AnotherBuild(t *testing.T) {
	t.Parallel()
	one, two := trialAccounts(t)
	older, newer := t.TempDir(), t.TempDir()
	program, err := filepath.Glob(filepath.Join(bundle, "*.wasm"))
	if err != nil || len(program) != 1 {
		t.Fatal(program, err)
	}
	var sites []http.Handler
	web := httptest.NewUnstartedServer(nil)
	for number, dir := range []string{older, newer} {
		if err := chrome.Go("run", "./web/build", "-out", dir, "-level", "fast", "-wasm", program[0], "-build", fmt.Sprint(number+1)); err != nil {
			t.Fatal(err)
		}
		s, err := hosting.New(os.DirFS(dir), &hosting.Config{AnyServer: true, Listen: web.Listener.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		sites = append(sites, s)
	}
	var build atomic.Int32
	web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { sites[build.Load()].ServeHTTP(w, r) })
	web.Start()
	t.Cleanup(web.Close)
	t.Cleanup(web.CloseClientConnections)

	c := &crowd{device: newDevice(t), address: web.URL, wire: lay(t, one.server)}
	first := c.visit(c.address)
	first.remember(string(one.jid), one.password, c.wire.URL)
	first.startChat(string(two.jid))
	first.say("in the first build")
	first.marked("Sent")
	first.fill("Message", "half a sentence")
	first.until(`async () => (await e2e.rows("drafts")).some((d) => d.text === "half a sentence")`)

	build.Store(1)
	name := string(two.jid.Local())
	second := c.open(name)
	first.find("status", "…Natter was updated in another tab.…")
	first.until(`() => document.getElementById("message").readOnly`) // it would be kept nowhere
	first.keys(input.Enter)
	second.in()
	second.reads("You", "in the first build")
	if draft := second.holds("Message"); draft != "half a sentence" {
		t.Errorf("in the other tab there is %q", draft)
	}
	second.fill("Message", "")
	second.say("in the second build")
	second.marked("Sent")

	t.Log("a tab of the old build comes late")
	build.Store(0)
	late := c.visit(c.address)
	late.find("status", "…Natter was updated in another tab.…")
	second.say("and still there")
	second.marked("Sent")

	t.Log("the first is loaded again")
	build.Store(1)
	first.press("Reload")
	first.in()
	first.unasked()
	first.reads("You", "and still there") // the conversation is open again
	first.say("in both")
	second.reads("You", "in both")
	if n := c.wire.connected(); n != 1 {
		t.Errorf("%d tabs are connected", n)
	}
	same(t, "there is", first.bodies(), []string{"in the first build", "in the second build", "and still there", "in both"})
}
