//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"natter/wasm/e2e/chrome"
)

// refused is what a browser may refuse a page: the expression of what owns it and its name.
var refused = [][2]string{
	{"window", "localStorage"},
	{"window", "sessionStorage"},
	{"window", "indexedDB"},
	{"window", "caches"},
	{"window", "BroadcastChannel"},
	{"window", "MessageChannel"},
	{"navigator", "locks"},
	{"navigator", "serviceWorker"},
	{"navigator", "storage"},
	{"crypto", "subtle"},
}

// refusing makes functions that refuse something: missing, unread (to look at it throws),
// unused (whatever is called throws) and rejected (what is promised is not held).
const refusing = `
	const no = () => { throw new DOMException("refused", "SecurityError") };
	const give = (owner, name, value) => Object.defineProperty(owner, name, { value, configurable: true });
	const missing = (owner, name) => give(owner, name, undefined);
	const unread = (owner, name) => Object.defineProperty(owner, name, { get: no, configurable: true });
	const unused = (owner, name) => give(owner, name, new Proxy(owner[name], {
		construct: no, get: (real, name) => typeof real[name] === "function" ? no : real[name],
	}));
	const rejected = (owner, name) => give(owner, name, new Proxy(owner[name], {
		get: (real, name) => typeof real[name] !== "function" ? real[name] : (...args) => {
			const answer = real[name](...args);
			return answer instanceof Promise ? answer.then(no) : answer;
		},
	}));
`

// A browser that has not what others have, or does not give it to this page, is good enough
// to talk.
func TestARefusingBrowser(t *testing.T) {
	t.Parallel()
	page := natter(t)
	ways := map[string]string{}
	for _, r := range refused {
		for _, way := range []string{"missing", "unused"} {
			ways[r[1]+" "+way] = fmt.Sprintf("%s(%s, %q)", way, r[0], r[1])
		}
		for _, way := range []string{"unread", "rejected"} {
			ways["all "+way] += fmt.Sprintf("%s(%s, %q);", way, r[0], r[1])
		}
	}
	for name, js := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := trialAccounts(t)
			p := arrive(t)
			p.forgives("natter: no offline use", "^error: (vault|store): ", "SecurityError: refused")
			p.page.MustEvalOnNewDocument("{" + refusing + js + "}")
			p.open(page)
			p.remember(string(one.jid), one.password, one.server)
			p.startChat(string(two.jid))
			p.say("hello")
			p.marked("Sent")
		})
	}
}

// Site data is blocked in the settings of a browser: one can talk, is told that nothing is
// kept, and the page can be loaded again.
func TestSiteDataIsBlocked(t *testing.T) {
	t.Parallel()
	chrome.Needed(t)
	page := natter(t)
	one, two := trialAccounts(t)
	d := &device{t: t, profile: t.TempDir()}
	settings := filepath.Join(d.profile, "Default", "Preferences")
	if err := os.MkdirAll(filepath.Dir(settings), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(settings, []byte(`{"profile":{"default_content_setting_values":{"cookies":2}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start()
	t.Cleanup(d.kill)
	p := d.sit()
	p.forgives("natter: no offline use", "^error: (vault|store): ")
	p.open(page)
	p.until(`() => !(localStorage instanceof Storage)`) // it is blocked: the test can fail
	for i := range 2 {
		p.remember(string(one.jid), one.password, one.server)
		p.find("status", "…Your browser saves nothing here.…")
		p.startChat(string(two.jid))
		p.say(fmt.Sprint("hello ", i)) // the archive has the other
		p.marked("Sent")
		p.reload()
	}
	p.find("button", "Sign in")
}

// A database that never answers, here because another tab never lets go, costs seconds and
// not the session, and the person is told. Once it answers all is kept.
func TestASilentDatabase(t *testing.T) {
	t.Parallel()
	const says = "Your browser does not answer when it is asked for what is saved on this device.…"
	page := natter(t)
	one, two := trialAccounts(t)
	context, err := browser(t).Incognito()
	if err != nil {
		t.Fatal(err)
	}
	p, other := sit(t, context), sit(t, context)
	t.Cleanup(func() {
		p.leave()
		other.leave()
		_ = context.Close()
	})
	p.open(page)
	p.remember(string(one.jid), one.password, one.server)
	p.startChat(string(two.jid))
	p.say("before")
	p.marked("Sent")

	// A transaction lives as long as something is asked in it.
	other.open(page + "/config.json")
	other.eval(`async () => {
		const result = (request) => new Promise((resolve, reject) => { request.onsuccess = () => resolve(request.result); request.onerror = () => reject(request.error) });
		const { name } = (await indexedDB.databases()).find(({ name }) => /^natter[.][0-9a-f]+$/.test(name));
		const db = await result(indexedDB.open(name));
		const table = db.transaction([...db.objectStoreNames], "readwrite").objectStore("session");
		window.letGo = () => { window.over = true };
		const ask = () => { const r = table.get("nothing"); r.onsuccess = () => { if (window.over) return db.close(); ask() } };
		ask();
	}`)
	p.say("while nothing can be kept")
	p.find("status", says)
	p.marked("Sent")

	other.eval(`() => window.letGo()`)
	p.gone("status", says)
	p.until(`async () => (await e2e.rows("messages")).some(({ body }) => body === "while nothing can be kept")`)
}

// Whatever ends the program is said on the page.
func TestAProgramThatEnds(t *testing.T) {
	t.Parallel()
	page := natter(t)
	for name, js := range map[string]string{
		"as it starts": `Object.defineProperty(Document.prototype, "visibilityState", { get() { throw new DOMException("not to be seen", "SecurityError") } })`,
		"later": `addEventListener("load", () => setTimeout(async () => {
			await e2e.until(() => window.natter && natter.onSignIn, 60000);
			Object.defineProperty(Document.prototype, "visibilityState", { get() { throw new DOMException("not to be seen", "SecurityError") } });
			document.dispatchEvent(new Event("visibilitychange"));
		}))`,
		"in a panic": `addEventListener("load", () => setTimeout(async () => {
			await e2e.until(() => window.natter && natter.onSignIn, 60000);
			for (const f of ["signInBusy", "signInError", "showApp"]) natter[f] = () => { throw new Error("not to be seen") };
			natter.onSignIn({ address: "ada@nowhere.test", password: "secret", server: "", remember: false, as: "" });
		}))`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := arrive(t)
			p.forgives("not to be seen", "Go program has already exited")
			p.page.MustEvalOnNewDocument(js)
			p.open(page)
			p.find("alertdialog", "Natter has stopped")
			p.until(`() => document.getElementById("stopped-details").textContent.includes("not to be seen")`)
			if name == "in a panic" {
				// Whoever looks is not interrupted.
				p.eval(`() => document.querySelector("#stopped-more summary").click()`)
				p.until(`() => document.getElementById("stopped-text").textContent === "Reload the page to go on."`)
				// What ./web/build -where finds the lines of.
				p.until(`() => /^exit code 2, build \d+\n[^]*\nnatter\/wasm\/browser\.Form\.[A-Z].*\n\t\?:0 \+0x[0-9a-f]+\n/.test(document.getElementById("stopped-details").textContent)`)
			}
		})
	}
}
