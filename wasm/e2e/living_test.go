//go:build linux

package e2e

import (
	"testing"

	"github.com/go-rod/rod/lib/input"

	"natter/app/state"
)

// menu opens the menu of the message with this text, as a right click does.
func (p *person) menu(text string) {
	p.t.Helper()
	p.until(`(text) => { const a = e2e.all("article", "").find((a) => a.querySelector(".text")?.textContent === text);
		if (a) a.querySelector(".bubble").dispatchEvent(new MouseEvent("contextmenu", { bubbles: true, cancelable: true, clientX: 500, clientY: 300 })); return a }`, text)
	p.find("menu", "Message")
}

// offers returns what is in the menu that is open.
func (p *person) offers() (items []string) {
	p.t.Helper()
	for _, item := range p.eval(`() => e2e.all("menuitem", "").map(e2e.name)`).Arr() {
		items = append(items, item.Str())
	}
	return items
}

// What is said about messages afterwards, by two people in two browsers.
func TestLiving(t *testing.T) {
	t.Parallel()
	address := natter(t)
	ada, grace := visit(t, address), visit(t, address)
	ada.signIn("ada@localhost", "analytical")
	grace.signIn("grace@localhost", "compiler")
	ada.in()
	grace.in()
	ada.chat("Grace")
	ada.say("Shall we begin?")
	grace.chat("Ada")
	grace.reads("Ada", "Shall we begin?")

	t.Log("the menu, by pointer and by keys")
	grace.menu("Shall we begin?")
	same(t, "the menu offers", grace.offers(), []string{"React", "Copy", "Details"})
	grace.keys(escape)
	grace.gone("menu", "Message")
	grace.until(`() => { document.querySelector("#log").focus(); return true }`)
	grace.keys(input.ArrowUp)
	grace.keys(input.Period)
	grace.find("menu", "Message")
	grace.keys(input.ArrowDown, input.ArrowDown, input.Enter)
	grace.find("dialog", "About this message")
	grace.keys(escape)
	grace.gone("dialog", "")

	t.Log("reactions, and back")
	grace.menu("Shall we begin?")
	grace.click("menuitem", "React")
	grace.find("dialog", "Emoji")
	grace.press("🎉")
	grace.find("button", "🎉 1")
	ada.press("🎉 1")
	ada.find("button", "🎉 2")
	grace.press("🎉 2")
	ada.until(`() => { const b = e2e.all("button", "🎉 1")[0]; return b && b.getAttribute("aria-pressed") === "true" && b.title === "You" }`)
	grace.until(`() => { const b = e2e.all("button", "🎉 1")[0]; return b && b.getAttribute("aria-pressed") === "false" && b.title === "Ada" }`)
	grace.menu("Shall we begin?")
	grace.click("menuitem", "React")
	grace.fill("Another emoji", "no emoji")
	grace.keys(input.Enter)
	grace.find("alert", "Type one emoji.")
	grace.fill("Another emoji", "🫶")
	grace.keys(input.Enter)
	ada.find("button", "🫶 1")

	t.Log("a device that was not there reads it from the archive")
	later := talk(t, trialSocket(address), "ada@localhost", "analytical")
	later.until("to know of the reactions", func(s *state.State) bool {
		c := s.Chat(state.Direct.With("grace@localhost"))
		return c != nil && c.Timeline.Last() != nil && c.Timeline.Last().Reaction("grace@localhost") == "🫶" && c.Timeline.Last().Reaction("ada@localhost") == "🎉"
	})
}
