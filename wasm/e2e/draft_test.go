//go:build linux

package e2e

import (
	"testing"
	"time"

	"github.com/go-rod/rod/lib/input"
	"github.com/go-rod/rod/lib/proto"
)

// Somebody who is remembered reloads the page in the middle of a word. Nothing waits
// for a pause in their typing.
func TestADraftSurvivesTheReload(t *testing.T) {
	t.Parallel()
	p := visit(t, natter(t))
	p.must(p.find("checkbox", "Remember me").Focus())
	p.keys(input.Space)
	p.signIn("ada@localhost", "analytical")
	p.in()
	p.chat("Echo")
	p.until(`() => localStorage.getItem("natter.remembered")`)
	p.must(p.find("textbox", "Message").Focus())
	p.write("half a sen")
	for late := time.Now().Add(patience); !p.sent("composing") && time.Now().Before(late); {
		time.Sleep(10 * time.Millisecond)
	}
	p.page.MustReload()
	p.in()
	p.find("textbox", "Message") // the conversation is open again
	if got := p.holds("Message"); got != "half a sen" {
		t.Errorf("the composer holds %q", got)
	}
	p.say("half a sentence")
	p.reads("Echo", "half a sentence")
	p.page.MustReload()
	p.in()
	p.find("textbox", "Message")
	if got := p.holds("Message"); got != "" {
		t.Errorf("what was sent is still being written: %q", got)
	}
	p.must(p.find("textbox", "Message").Focus())
	p.write("never said")
	p.signOut()
	p.until(`() => {
		indexedDB.databases().then((all) => { window.kept = all.filter(({ name }) => /^natter[.][0-9a-f]+$/.test(name)).length });
		return window.kept === 0;
	}`)
}

// A draft that was put aside for an edit is there once more after it, also if the page was reloaded meanwhile.
func TestTheDraftBeforeAnEditSurvivesTheReload(t *testing.T) {
	t.Parallel()
	p := visit(t, natter(t))
	p.must(p.find("checkbox", "Remember me").Focus())
	p.keys(input.Space)
	p.signIn("ada@localhost", "analytical")
	p.in()
	p.chat("Echo")
	p.until(`() => localStorage.getItem("natter.remembered")`)
	p.say("helo")
	p.reads("Echo", "helo")
	holds := func(want string) {
		t.Helper()
		p.until(`(want) => document.getElementById("message")?.value === want`, want)
	}
	p.must(p.find("textbox", "Message").Focus())
	p.write("half a sen")
	p.menu("helo")
	p.click("menuitem", "Edit")
	holds("helo")
	p.page.MustReload()
	p.in()
	p.find("button", "Cancel edit")
	holds("helo")
	p.fill("Message", "hello")
	p.keys(input.Enter)
	holds("half a sen")
	p.reads("You", "hello")
	p.page.MustReload()
	p.in()
	holds("half a sen")
}

// Whoever is not remembered has their messages in the tab only: it does not close over
// some that have not left, and signing out says so too.
func TestUnsentMessagesAreNotDroppedInSilence(t *testing.T) {
	t.Parallel()
	one, two := trialAccounts(t)
	w := lay(t, one.server)
	p := visit(t, natter(t))
	p.forgives(failedSocket)
	p.signIn(string(one.jid), one.password, w.URL)
	p.in()
	p.startChat(string(two.jid))
	w.broken(true)
	p.find("button", "Retry now")
	p.say("by the next train")
	p.until(`() => natter.unsent() === 1`)
	const other = "natter.remembered" // somebody else is, on this device
	p.eval(`(key) => localStorage.setItem(key, JSON.stringify({ account: "bob@trial.test" }))`, other)

	page := p.page.Timeout(patience)
	wait, answer := page.HandleDialog()
	p.must(proto.PageReload{}.Call(page))
	if asked := wait(); asked.Type != proto.PageDialogTypeBeforeunload {
		t.Errorf("the page asked %+v", asked)
	}
	p.must(answer(&proto.PageHandleJavaScriptDialog{Accept: false}))
	p.find("article", "You,…")
	p.press("Your account,…")
	p.press("Sign out")
	p.find("alert", "")
	p.until(`() => document.querySelector("dialog [role=alert]").textContent.startsWith("One message has not been sent")`)
	p.press("Cancel")
	p.eval(`(key) => localStorage.removeItem(key)`, other)

	w.broken(false)
	p.retry()
	p.until(`() => natter.unsent() === 0`)
	p.reload()
	p.find("button", "Sign in") // nothing was asked
}
