//go:build linux

package e2e

import (
	"testing"
	"time"

	"github.com/go-rod/rod/lib/input"
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
