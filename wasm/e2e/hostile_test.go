//go:build linux

package e2e

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"natter/app/xmpptest"
	"natter/framing"
)

// What people have tried to smuggle into chats, one per line; \n stands for a line
// break. All of it tries to call alert or to set window.owned.
//
//go:embed testdata/hostile.txt
var hostileTXT string

func hostile() (payloads []string) {
	for _, line := range strings.Split(strings.TrimSpace(hostileTXT), "\n") {
		payloads = append(payloads, strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\u202e`, "\u202e", `\u200b`, "\u200b").Replace(line))
	}
	return payloads
}

const disarmed = `window.owned = false; for (const f of ["alert", "confirm", "prompt", "print", "eval"]) { Object.defineProperty(window, f, { get() { window.owned = true; return () => {} } }) }`

// Sec 30 and 31: whatever strangers write stays text, wherever it is shown, and
// links lead only where links may.
func TestHostileContent(t *testing.T) {
	t.Parallel()
	payloads := hostile()
	if len(payloads) < 100 {
		t.Fatalf("only %d payloads", len(payloads))
	}
	esc := func(s string) string {
		return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;", "\n", "&#10;", "\t", "&#9;").Replace(s)
	}
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		c.Login("SCRAM-SHA-256", "ada", "analytical")
		c.Wait(func(e *framing.Element) bool { return e.Child(framing.NSClient, "body") != nil })
		for i, p := range payloads {
			// Names and states of contacts, a request with words, an error's text, a message.
			c.Sendf(`<iq xmlns='jabber:client' type='set' id='r%d' to='%s'><query xmlns='jabber:iq:roster'><item jid='c%d@peer.test' name='%s' subscription='both'/></query></iq>`, i, c.JID, i, esc(p))
			c.Sendf(`<presence xmlns='jabber:client' from='c%d@peer.test/a' to='%s'><status>%s</status></presence>`, i, c.JID, esc(p))
			if i < 10 {
				c.Sendf(`<presence xmlns='jabber:client' type='subscribe' from='s%d@peer.test' to='%s'><status>%s</status><nick xmlns='http://jabber.org/protocol/nick'>%s</nick></presence>`, i, c.JID, esc(p), esc(p))
			}
			c.Sendf(`<message xmlns='jabber:client' type='chat' id='h%d' from='grace@peer.test/a' to='%s'><body>%s</body><subject>%s</subject></message>`, i, c.JID, esc(p), esc(p))
		}
		c.Sendf(`<message xmlns='jabber:client' type='chat' id='end' from='grace@peer.test/a' to='%s'><body>the end</body></message>`, c.JID)
		c.Live()
	})
	p := arrive(t)
	p.page.MustEvalOnNewDocument(disarmed)
	p.open(natter(t))
	p.signIn("ada@peer.test", "analytical", peer.URL)
	p.in()
	p.startChat("grace@peer.test")
	p.say("Go!")
	p.reads("grace", "the end")

	t.Log("every message is there, as it was written")
	want := append(append([]string{"Go!"}, payloads...), "the end")
	// Of many that come at once the page has the newest only, until somebody scrolls up.
	p.until(`(n) => {
		const log = document.querySelector("[role=log]");
		const there = e2e.bodies().length >= n;
		if (!there) log.scrollTop = 0;
		return there;
	}`, 100)
	got := p.bodies()
	for i := range min(len(got), len(want)) {
		shown, wrote := got[len(got)-1-i], want[len(want)-1-i]
		if without(shown) != without(seen(wrote)) {
			t.Errorf("%q is shown as %q", wrote, shown)
		}
	}
	if len(got) < 100 {
		t.Errorf("only %d messages are on the page", len(got))
	}

	t.Log("nothing but text, links and their hosts came of it, and what XEP-0393 makes of it, with no attribute but ours")
	for _, e := range p.eval(`() => {
		const elements = "a.link[href], button.link[data-do=link], span.link-host, bdi, strong, em, s, code, span.sign, blockquote.quote, div.lines, div.code, span.code-label, pre, button[data-do=copy-code], button > svg.icon, svg.icon > path";
		const attributes = ["class", "href", "target", "rel", "type", "dir", "title", "aria-label", "aria-hidden", "data-do", "data-text", "data-number", "viewBox", "d", "xmlns"];
		const ours = (e) => e.matches(elements) && e.getAttributeNames().every((name) => attributes.includes(name)) && (!e.title || e.title === "Copy code");
		return [...document.querySelectorAll("[role=log] .text *")].filter((e) => !ours(e)).map((e) => e.outerHTML);
	}`).Arr() {
		t.Errorf("an element came of it: %s", e.Str())
	}
	links := p.eval(`() => [...document.querySelectorAll("#app a[href]")].map((a) => [a.protocol, a.rel, a.target, a.getAttribute("href")])`).Arr()
	if len(links) == 0 {
		t.Error("the honest links of the list are none either")
	}
	for _, l := range links {
		protocol, rel, target := l.Arr()[0].Str(), l.Arr()[1].Str(), l.Arr()[2].Str()
		if !strings.Contains(" https: http: mailto: tel: geo: ", " "+protocol+" ") {
			t.Errorf("a link leads to %s", l.Arr()[3].Str())
		}
		if !strings.Contains(rel, "noopener") || !strings.Contains(rel, "noreferrer") || target != "_blank" {
			t.Errorf("%s has rel %q and target %q", l.Arr()[3].Str(), rel, target)
		}
	}

	t.Log("who asks is shown with their words")
	p.press("Contact requests…")
	p.find("button", "Accept s0")
	for _, e := range p.eval(`() => [...document.querySelectorAll("dialog .request *")].filter((e) => !e.matches("span, div, strong, bdi, q, button")).map((e) => e.outerHTML)`).Arr() {
		t.Errorf("an element came of it: %s", e.Str())
	}
	p.press("Close")
	t.Log("the list, the details and the switcher show the names")
	for _, i := range []int{0, 1, len(payloads) / 2, len(payloads) - 1} {
		p.startChat(fmt.Sprintf("c%d@peer.test", i))
		p.eval(`() => e2e.all("button", "").find((b) => b.dataset.do === "details").click()`)
		p.find("heading", "Details")
		p.press("Close details")
	}
	p.chord('k', controlKey)
	p.find("dialog", "Go to conversation")
	for _, x := range []string{"<", "javascript", "\""} {
		p.fill("Go to conversation", x)
	}
	p.keys(escape)
	if p.eval(`() => window.owned`).Bool() {
		t.Error("a script of a stranger has run")
	}
}

// seen is what is on the page of a payload: XEP-0393 takes the signs of blocks away, and XEP-0245 has
// it said who does something.
func seen(payload string) string {
	if rest, ok := strings.CutPrefix(payload, "/me "); ok {
		return "* grace " + rest
	}
	var lines []string
	for _, line := range strings.Split(payload, "\n") {
		if line != "```" {
			lines = append(lines, strings.TrimPrefix(line, "> "))
		}
	}
	return strings.Join(lines, "\n")
}

// without is text as it is shown without the controls that would reorder it.
func without(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r == 0x202e || r == 0x200b {
			return -1
		}
		return r
	}, s)), " ")
}
