//go:build linux

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/proto"
)

// visible makes a page one that can be seen, or one that cannot.
func (p *person) visible(is bool) {
	p.t.Helper()
	p.eval(`(state) => {
		Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
		Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
		document.dispatchEvent(new Event("visibilitychange"));
	}`, map[bool]string{true: "visible", false: "hidden"}[is])
}

// Two tabs that cannot be seen: the titles count, and one of the tabs tells, by way of the
// worker, from whom there is something and, as chosen, not what. A click opens the conversation.
// What is read in one tab is taken back.
func TestNotifications(t *testing.T) {
	one, two := trialAccounts(t)
	w := lay(t, one.server)
	c := &crowd{device: newDevice(t), address: natter(t), wire: w}
	other := talk(t, two.server, string(two.jid), two.password)
	first := c.visit(c.address)
	first.remember(string(one.jid), one.password, w.URL)
	first.startChat(string(two.jid))
	first.say("hello")
	first.marked("Sent")
	c.tabs = []*person{first}
	name := string(two.jid.Local())
	second := c.open(name)
	both := []*person{first, second}
	for _, p := range both {
		p.must(proto.BrowserGrantPermissions{
			Permissions:      []proto.BrowserPermissionType{proto.BrowserPermissionTypeNotifications},
			BrowserContextID: p.page.Browser().BrowserContextID,
		}.Call(p.page.Browser()))
		p.until(`() => navigator.serviceWorker.getRegistration().then((r) => Boolean(r && r.active))`)
		p.eval(`() => {
			window.shown = [];
			const { prototype } = ServiceWorkerRegistration;
			const { showNotification } = prototype;
			prototype.showNotification = function (title, options) {
				shown.push([title, options.body].join(": "));
				return showNotification.call(this, title, options);
			};
		}`)
	}
	first.press("Your account,…")
	first.press("Without text")
	first.keys(escape)
	for _, p := range both {
		p.keys(escape)
		p.until(`() => e2e.all("log", "").length === 0`)
		p.visible(false)
	}
	told := func() (n int) {
		for _, p := range both {
			n += p.eval(`() => shown.length`).Int()
		}
		return n
	}

	other.say(one.jid, "secret")
	for _, p := range both {
		p.until(`() => document.title.startsWith("(1) ")`)
	}
	first.until(`() => navigator.serviceWorker.getRegistration().then((r) => r.getNotifications()).then((all) => all.length === 1)`)
	got := first.eval(`() => navigator.serviceWorker.getRegistration().then((r) => r.getNotifications()).then(([n]) => [n.title, n.body, n.data.conv].join("|"))`).Str()
	if want := name + "|New message|" + string(two.jid); got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	if n := told(); n != 1 {
		t.Errorf("told %d times", n)
	}

	t.Log("it is clicked; the worker shows the conversation in a tab")
	targets, err := proto.TargetGetTargets{}.Call(first.page.Browser())
	first.must(err)
	clicked := false
	for _, target := range targets.TargetInfos {
		if target.Type != "service_worker" || !strings.HasPrefix(target.URL, c.address) {
			continue
		}
		worker, err := proto.TargetAttachToTarget{TargetID: target.TargetID, Flatten: true}.Call(first.page.Browser())
		first.must(err)
		_, err = first.page.Browser().Call(t.Context(), string(worker.SessionID), "Runtime.evaluate", proto.RuntimeEvaluate{
			AwaitPromise: true,
			// Only a real click lets the worker bring the tab to the front.
			Expression: `registration.getNotifications().then(([n]) => { n.close(); return showChat(n.data).catch(() => {}); })`,
		})
		first.must(err)
		clicked = true
	}
	if !clicked {
		t.Error("there is no worker")
	}

	open := func(p *person) bool { return p.eval(`() => e2e.all("log", "").length > 0`).Bool() }
	for late := time.Now().Add(patience); !open(first) && !open(second); {
		if time.Now().After(late) {
			t.Fatal("no tab has opened it")
		}
	}

	t.Log("it is looked at in one of them: nothing is unread anywhere")
	second.visible(true)
	second.chat(name)
	for _, p := range both {
		p.until(`() => !document.title.startsWith("(")`)
	}
	first.until(`() => navigator.serviceWorker.getRegistration().then((r) => r.getNotifications()).then((all) => all.length === 0)`)
	other.say(one.jid, "in sight of one")
	second.reads(name, "in sight of one")
	if n := told(); n != 1 {
		t.Errorf("told %d times although somebody looks", n)
	}
}
