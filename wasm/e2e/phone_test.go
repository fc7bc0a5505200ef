//go:build linux

package e2e

import "testing"

// On a phone there is room for one pane at a time, and Back leads from one to the
// other.
func TestPhone(t *testing.T) {
	t.Parallel()
	p := arrive(t)
	p.page.MustSetViewport(390, 844, 2, true)
	p.open(natter(t))
	fits := func(where string) {
		t.Helper()
		if p.eval(`() => document.documentElement.scrollWidth > innerWidth`).Bool() {
			t.Errorf("%s scrolls sideways", where)
		}
	}
	panes := func(list, chat bool) {
		t.Helper()
		p.until(`(list, chat) => (e2e.all("navigation", "Conversations").length > 0) === list && (e2e.all("log", "").length > 0) === chat`, list, chat)
	}
	fits("the form")
	p.signIn("ada@localhost", "analytical")
	p.in()
	panes(true, false)
	fits("the list")
	p.chat("Echo")
	panes(false, true)
	p.say("a rather long message without a single place to break: " + long)
	p.reads("Echo", "a rather long message without a single place to break: "+long)
	fits("the conversation")
	p.press("Back")
	panes(true, false)

	t.Log("the browser's own Back does the same")
	p.chat("Grace")
	panes(false, true)
	p.eval(`() => history.back()`)
	panes(true, false)
	p.chat("Echo")
	panes(false, true)
	p.reads("Echo", "a rather long message without a single place to break: "+long)

	t.Log("details have a pane too")
	p.press("Echo…")
	p.until(`() => e2e.all("heading", "Details")[0]`)
	fits("the details")
	p.press("Close details")
	panes(false, true)
}

const long = "https://example.org/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
