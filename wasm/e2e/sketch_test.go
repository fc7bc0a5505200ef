//go:build linux

package e2e

import (
	"strings"
	"testing"
)

// heldJS keeps the program from starting for as long as the page's session storage says so,
// and notes what moves.
const heldJS = `window.shifted = 0;
new PerformanceObserver((list) => { for (const { value } of list.getEntries()) shifted += value; }).observe({ type: "layout-shift", buffered: true });
if (sessionStorage.getItem("hold")) {
	const real = WebAssembly.instantiate;
	const free = new Promise((resolve) => { window.start = resolve; });
	WebAssembly.instantiate = (...args) => free.then(() => real(...args));
}`

// sketches returns how many are kept, and whether one says all of these texts.
const sketches = `async (...texts) => {
	const looks = (await e2e.rows("secrets")).map(({ look }) => look).filter(Boolean);
	return looks.length + " " + looks.some((look) => texts.every((text) => look.includes(text)));
}`

// Somebody who is remembered sees their list before the program is there. It takes the
// place of what was seen without anything moving.
func TestSketch(t *testing.T) {
	t.Parallel()
	p := arrive(t)
	p.page.MustEvalOnNewDocument(heldJS)
	address := natter(t)
	p.open(address)
	p.remember("ada@localhost", "analytical")
	p.chat("Grace")
	other := talk(t, trialSocket(address), "grace@localhost", "compiler")
	p.say("to be seen again")
	other.say("ada@localhost", "the last thing said")
	p.until(`() => e2e.bodies().includes("the last thing said")`)
	p.until(`async (text) => (`+sketches+`)(text).then((found) => found === "1 true")`, "the last thing said")
	p.until(`async () => (await e2e.rows("secrets")).every(({ look }) => !look || !look.includes("row-unread"))`) // it was seen

	const place = `(root) => JSON.stringify([...document.querySelectorAll(root + " .list > :not([popover]) :is(.me, .list-title, .status-dot, .row, .avatar, .row-when, .row bdi)")].map((e) => {
		const { left, top, width, height } = e.getBoundingClientRect();
		return [e.className, e.matches("bdi") ? e.textContent : "", left, top, width, height];
	}))`
	p.eval(`() => sessionStorage.setItem("hold", "on")`)
	p.reload()
	p.until(`() => document.querySelector("[inert] .row")`)
	if said := p.eval(`() => document.querySelector("[inert]").innerText`).Str(); !strings.Contains(said, "the last thing said") || !strings.Contains(said, "Connecting…") {
		t.Errorf("what is seen says: %s", said)
	}
	if p.eval(`() => Boolean(natter.onSignIn)`).Bool() {
		t.Fatal("the program is there already: this test shows nothing")
	}
	if p.there("button", "Sign in") {
		t.Error("the form is there too")
	}
	before := p.eval(place, "[inert]").Str()
	p.eval(`() => { sessionStorage.removeItem("hold"); start(); }`)
	p.in()
	if n := p.eval(`() => document.querySelectorAll("[inert], .list").length`).Int(); n != 1 {
		t.Errorf("there are %d lists", n)
	}
	if after := p.eval(place, "#app").Str(); after != before || strings.Count(before, `"row"`) < 2 {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	if moved := p.eval(`() => shifted`).Num(); moved != 0 {
		t.Errorf("the page has moved by %v", moved)
	}

	t.Log("a sign-out that is noted and has not been carried out")
	p.forgives(failedSocket, "^error: dial") // its token is made worthless while the site goes away
	p.eval(`async () => {
		const { name, note } = (await e2e.rows("secrets")).find(({ note }) => note);
		sessionStorage.setItem("hold", "on");
		await natterVault.mark(name.slice(5), JSON.stringify({ ...JSON.parse(note), out: true }));
	}`)
	p.reload()
	p.until(`() => window.start`)
	if found := p.eval(`() => document.body.textContent.includes("the last thing said")`).Bool(); found {
		t.Error("it is shown to whoever comes next")
	}
	if kept := p.eval(sketches).Str(); kept != "0 false" {
		t.Errorf("kept are %s", kept)
	}
	p.eval(`() => { sessionStorage.removeItem("hold"); start(); }`)
	p.find("button", "Sign in")
}

// Nothing is kept of somebody who is not remembered, and of whoever has signed out.
func TestSketch_Gone(t *testing.T) {
	t.Parallel()
	one, two := trialAccounts(t)
	p := visit(t, natter(t))
	p.signIn(string(one.jid), one.password, one.server)
	p.in()
	p.signOut()
	p.remember(string(two.jid), two.password, two.server)
	p.until(`async () => (` + sketches + `)().then((found) => found === "1 true")`) // and no other
	p.signOut()
	p.until(`async () => (await e2e.rows("secrets")).length === 0`)
	p.remember(string(two.jid), two.password, two.server) // and sees the same
	p.until(`async () => (` + sketches + `)().then((found) => found === "1 true")`)
}
