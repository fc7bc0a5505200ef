//go:build linux

package e2e

import (
	"slices"
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
	same(t, "the menu offers", grace.offers(), []string{"Reply", "React", "Copy", "Details"})
	grace.keys(escape)
	grace.gone("menu", "Message")
	grace.until(`() => { document.querySelector("#log").focus(); return true }`)
	grace.keys(input.ArrowUp)
	grace.keys(input.Period)
	grace.find("menu", "Message")
	grace.keys(input.End, input.Enter)
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
	grace.fill("Search emoji", "no such emoji")
	grace.keys(input.Enter)
	grace.find("status", "No emoji is called that.")
	grace.fill("Search emoji", "🫶")
	grace.keys(input.Enter)
	ada.find("button", "🫶 1")

	t.Log("a correction, of the last and of any, and the way out of it")
	ada.fill("Message", "Or latter?")
	ada.keys(input.Enter)
	ada.reads("You", "Or latter?")
	ada.until(`() => !document.querySelector("#message").value && (document.querySelector("#message").focus(), true)`)
	ada.keys(input.ArrowUp)
	ada.until(`() => document.querySelector("#message").value === "Or latter?"`)
	ada.fill("Message", "Or later?")
	ada.keys(input.Enter)
	ada.reads("You", "Or later?")
	grace.reads("Ada", "Or later?")
	grace.press("edited")
	grace.find("dialog", "About this message")
	grace.until(`() => [...document.querySelectorAll(".version")].map((v) => v.textContent).join() === "Or latter?,Or later?"`)
	grace.keys(escape)
	grace.gone("dialog", "")
	grace.find("button", "Ada, Online.…Or later?…")
	ada.fill("Message", "half a sentence")
	ada.menu("Shall we begin?")
	same(t, "of the person's own the menu offers", ada.offers(), []string{"Reply", "React", "Edit", "Copy", "Retract", "Details"})
	ada.click("menuitem", "Edit")
	ada.until(`() => document.querySelector("#message").value === "Shall we begin?"`)
	ada.keys(escape)
	ada.until(`() => document.querySelector("#message").value === "half a sentence"`)

	t.Log("a reply, and back from its message")
	grace.menu("Shall we begin?")
	grace.click("menuitem", "Reply")
	grace.find("button", "Cancel reply")
	grace.fill("Message", "Yes")
	grace.keys(input.Enter)
	ada.reads("Grace", "Yes")
	ada.press("In reply to You Shall we begin?")
	ada.until(`() => document.activeElement.id === "found" && document.activeElement.textContent.includes("Shall we begin?")`)
	ada.press("Back to where you were")
	ada.gone("button", "Back to where you were")

	t.Log("taken back")
	ada.menu("Or later?")
	ada.click("menuitem", "Retract")
	ada.find("dialog", "Retract this message?")
	ada.press("Retract")
	ada.gone("dialog", "")
	ada.reads("You", "Message retracted")
	grace.reads("Ada", "Message retracted")
	grace.gone("button", "edited")
	grace.fill("Search conversations and messages", "begin")
	grace.find("button", "Ada.…Shall we…")
	grace.fill("Search conversations and messages", "later")
	grace.until(`() => document.body.innerText.includes("no message on this device has these words")`)
	grace.fill("Search conversations and messages", "")

	t.Log("a device that was not there reads it from the archive")
	later := talk(t, trialSocket(address), "ada@localhost", "analytical")
	later.until("to know of the reactions", func(s *state.State) bool {
		c := s.Chat(state.Direct.With("grace@localhost"))
		return c != nil && is(c, "Shall we begin?", "Message retracted", "Yes ↑ Shall we begin?") && c.Timeline.First().Reaction("grace@localhost") == "🫶" && c.Timeline.First().Reaction("ada@localhost") == "🎉"
	})
}

// is reports whether a conversation is this: what its messages say, and what they reply to.
func is(c *state.Chat, want ...string) bool {
	var got []string
	for m := range c.Timeline.All {
		line := m.Words()
		if _, gone := m.Gone(); gone {
			line = "Message retracted"
		}
		if to, ok := c.Reply(m); ok {
			for of := range c.Timeline.All {
				if of.ID == to.ID && of.Author == to.Author {
					line += " ↑ " + of.Words()
				}
			}
		}
		got = append(got, line)
	}
	return slices.Equal(got, want)
}
