//go:build linux

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/input"

	"natter/app/xmpptest"
	"natter/framing"
)

// Ten thousand people ask to see our presence. The page has one row for them, and what comes
// afterwards costs what it costs without them; answered they are on a page of their own.
func TestRequests_Flood(t *testing.T) {
	t.Parallel()
	const strangers = 10_000
	answers := make(chan string, strangers)
	flood := make(chan bool)
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		c.Login("SCRAM-SHA-256", "ada", "analytical")
		said := func(body string) {
			c.Wait(func(e *framing.Element) bool { return e.Child(framing.NSClient, "body").Text() == body })
		}
		tell := func(id, body string) {
			c.Sendf(`<message xmlns='jabber:client' type='chat' id='%s' from='grace@peer.test/a' to='%s'><body>%s</body></message>`, id, c.JID, body)
		}
		said("Go!")
		tell("one", "quiet")
		<-flood
		words := strings.Repeat("Let me in. ", 200)
		for i := range strangers {
			c.Sendf(`<presence xmlns='jabber:client' type='subscribe' from='nobody%04d@flood.test' to='%s'><status>%s</status></presence>`, i, c.JID, words)
		}
		tell("two", "flooded")
		<-flood
		tell("three", "afterwards")
		left := 2 + 1 + 998
		c.Wait(func(e *framing.Element) bool {
			if e.Is(framing.NSClient, "presence") && e.Attr("to") != "" {
				answers <- e.Attr("type") + " " + e.Attr("to")
				left--
			}
			return left == 0
		})
		c.Live()
	})
	p := visit(t, natter(t))
	p.signIn("ada@peer.test", "analytical", peer.URL)
	p.in()
	p.startChat("grace@peer.test")
	// work is what the page's document has gone through, and what it holds.
	p.eval(`() => {
		window.work = { records: 0, added: 0 };
		new MutationObserver((records) => {
			work.records += records.length;
			for (const r of records) work.added += r.addedNodes.length;
		}).observe(document.getElementById("app"), { subtree: true, childList: true, attributes: true, characterData: true });
	}`)
	var seen struct{ Records, Added, Elements int }
	look := func() {
		t.Helper()
		p.must(p.eval(`() => {
			const now = { ...work, elements: document.querySelectorAll("#app *").length };
			work.records = work.added = 0;
			return now;
		}`).Unmarshal(&seen))
	}
	p.say("Go!")
	p.reads("grace", "quiet")
	look()
	before := seen.Elements
	began := time.Now()
	flood <- true
	p.reads("grace", "flooded")
	t.Logf("%d requests in %v", strangers, time.Since(began).Round(time.Millisecond))
	p.find("button", "Contact requests 1,000+ people…")
	look()
	if seen.Elements > before+60 {
		t.Errorf("%d elements are on the page, %d were before", seen.Elements, before)
	}
	if seen.Records > 3*strangers {
		t.Errorf("the page has changed %d times", seen.Records)
	}
	flood <- true
	p.reads("grace", "afterwards")
	look()
	if seen.Records > 200 || seen.Added > 60 {
		t.Errorf("one message later: %d changes, %d nodes", seen.Records, seen.Added)
	}

	t.Log("one accepted, one declined, from a page that holds twenty")
	p.press("Contact requests 1,000+ people…")
	p.find("dialog", "Contact requests")
	look()
	if n := p.eval(`() => document.querySelectorAll("dialog .request").length`).Int(); n != 20 || seen.Elements > before+500 {
		t.Errorf("%d requests and %d elements are on the page", n, seen.Elements)
	}
	if n := p.eval(`() => Math.max(...[...document.querySelectorAll(".request-quote")].map((q) => q.textContent.length))`).Int(); n > 101 {
		t.Errorf("their words are %d long", n)
	}
	wants := func(want ...string) {
		t.Helper()
		for _, w := range want {
			if got := <-answers; got != w {
				t.Errorf("sent %s, want %s", got, w)
			}
		}
	}
	p.find("button", "Accept nobody0000").MustFocus()
	p.keys(input.Enter)
	p.gone("button", "Accept nobody0000")
	wants("subscribed nobody0000@flood.test", "subscribe nobody0000@flood.test")
	if on := p.eval(`() => document.activeElement.id`).Str(); on != "accept:nobody0001@flood.test" {
		t.Errorf("the focus is on %q", on)
	}
	p.press("Next")
	p.find("button", "Accept nobody0021")
	p.press("Decline nobody0021")
	p.gone("button", "Accept nobody0021")
	wants("unsubscribed nobody0021@flood.test")

	t.Log("and all the others at once")
	p.press("Decline all 998")
	p.find("dialog", "Decline all?")
	p.press("Decline all")
	p.gone("dialog", "")
	p.gone("button", "Contact requests…")
	declined := map[string]bool{}
	for range 998 {
		declined[<-answers] = true
	}
	if len(declined) != 998 || !declined["unsubscribed nobody0999@flood.test"] || declined["unsubscribed nobody0000@flood.test"] {
		t.Errorf("%d were declined", len(declined))
	}
	p.say("still here")
}
