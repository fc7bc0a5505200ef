//go:build linux

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-rod/rod/lib/proto"

	"natter/framing"
)

// injected throws, once, where Go cannot catch it, while the program deals with a stanza.
const injected = `(() => {
	let seen = false, journal;
	window.WebSocket = class extends WebSocket {
		constructor(...args) {
			super(...args);
			this.addEventListener("message", ({ data }) => { if (String(data).includes("natter:poison")) seen = true });
		}
	};
	Object.defineProperty(Object.prototype, "handling", {
		get: () => journal,
		set(array) {
			journal = new Proxy(array, {
				set(target, index, print) {
					target[index] = print;
					if (!print || !seen || sessionStorage.getItem("injected")) return true;
					sessionStorage.setItem("injected", "yes");
					throw new Error("injected");
				},
			});
		},
	});
})()`

// A stanza that the program dies of: the page says so and comes back, and leaves it out.
func TestSec18_Sec43_PoisonIsMetOnce(t *testing.T) {
	t.Parallel()
	one, two := trialAccounts(t)
	p := arrive(t)
	p.page.MustEvalOnNewDocument(injected)
	p.open(natter(t))
	p.remember(string(one.jid), one.password, one.server)
	other := talk(t, two.server, string(two.jid), two.password)
	other.say(one.jid, "before")
	p.chat("grace")
	p.reads("grace", "before")

	loaded := p.page.Timeout(patience).WaitEvent(&proto.PageLoadEventFired{})
	p.forgives("injected", "left out", "Go program has already exited")
	other.client.Send(framing.New(framing.NSClient, "message").Set("type", "chat").Set("to", string(one.jid)).
		Add(framing.New(framing.NSClient, "body").AddText("poison"), framing.New("natter:poison", "x")))
	p.until(`() => sessionStorage.getItem("natter.poison")`)
	p.until(`() => !document.getElementById("stopped").hidden`)
	loaded() // by itself
	p.in()
	other.say(one.jid, "after")
	p.reads("grace", "after")
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.ContainsFunc(p.logged, func(s string) bool { return strings.HasPrefix(s, "left out, ") }) {
		t.Error("it has been dealt with")
	}
}
