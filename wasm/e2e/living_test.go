//go:build linux

package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/input"
	"github.com/go-rod/rod/lib/proto"

	"natter/app/state"
)

// menu opens the menu of the message with this text, by a right click, once more if a redraw has
// moved it away meanwhile.
func (p *person) menu(text string) {
	p.t.Helper()
	for late := time.Now().Add(patience); ; {
		if p.there("menu", "") {
			p.keys(escape) // that of another message, or one that came late; without one, Esc leaves the conversation
			p.gone("menu", "")
		}
		var at proto.Point
		p.must(p.until(`(text) => {
			const words = e2e.all("article", "").map((a) => a.querySelector(".text")).find((e) => e && e.textContent === text);
			if (!words) return null;
			words.scrollIntoView({ block: "nearest" });
			const { x, y } = words.getClientRects()[0];
			return document.elementFromPoint(x + 5, y + 5) === words && { x: x + 5, y: y + 5 };
		}`, text).Unmarshal(&at))
		mouse := p.page.Timeout(patience).Mouse
		p.must(mouse.MoveTo(at))
		p.must(mouse.Click(proto.InputMouseButtonRight, 1))
		opened := p.eval(`async (text) => {
			const of = () => { const m = document.querySelector("[data-at]:popover-open"); return m && document.querySelector('[data-key="' + m.dataset.at + '"] .text')?.textContent };
			for (let i = 0; i < 100 && !of(); i++) await new Promise((resolve) => setTimeout(resolve, 20));
			return of() === text;
		}`, text).Bool()
		if opened {
			return
		}
		if time.Now().After(late) {
			p.t.Fatalf("there is no menu of %q", text)
		}
	}
}

// offers returns what is in the menu that is open.
func (p *person) offers() (items []string) {
	p.t.Helper()
	for _, item := range p.eval(`() => e2e.all("menuitem", "").map(e2e.name)`).Arr() {
		items = append(items, item.Str())
	}
	return items
}

// touch has a finger go from the message with this text to its right, or rest on it.
func (p *person) touch(text string, right int) {
	p.t.Helper()
	p.until(`async (text, right) => {
		const row = e2e.all("article", "").find((a) => a.querySelector(".text")?.textContent === text);
		if (!row) return null;
		const finger = (kind, x) => row.dispatchEvent(new TouchEvent(kind, { bubbles: true, cancelable: true,
			touches: kind === "touchend" ? [] : [new Touch({ identifier: 1, target: row, clientX: 100 + x, clientY: 100 })] }));
		finger("touchstart", 0);
		if (right) for (let x = 0; x <= right; x += 10) finger("touchmove", x);
		else await new Promise((resolve) => setTimeout(resolve, 700));
		finger("touchend", right);
		return true;
	}`, text, right)
}

// On a phone a message is drawn aside to answer it, and pressed long for its menu.
func TestLiving_Touch(t *testing.T) {
	t.Parallel()
	ada := visit(t, natter(t))
	ada.page.MustSetViewport(390, 844, 1, true)
	ada.signIn("ada@localhost", "analytical")
	ada.in()
	ada.chat("Echo")
	ada.say("hello there")
	ada.reads("Echo", "hello there")
	ada.touch("hello there", 30)
	ada.touch("hello there", 80)
	ada.press("Cancel reply")
	ada.gone("button", "Cancel reply")
	ada.touch("hello there", 0)
	ada.find("menu", "Message")
	ada.click("menuitem", "Details")
	ada.find("dialog", "About this message")
}

// What is said about messages afterwards, by two people in two browsers.
func TestLiving(t *testing.T) {
	t.Parallel()
	address := natter(t)
	ada, grace := bothIn(t, address, false)
	ada.chat("Grace")
	ada.say("Shall we begin?")
	grace.chat("Ada")
	grace.reads("Ada", "Shall we begin?")

	t.Log("the menu, by pointer and by keys")
	grace.menu("Shall we begin?")
	same(t, "the menu offers", grace.offers(), []string{"Reply", "React", "Copy", "Select", "Details"})
	grace.keys(escape)
	grace.gone("menu", "Message")
	grace.until(`() => { document.querySelector("#log").focus(); return true }`)
	grace.keys(input.ArrowUp)
	grace.keys(input.Period)
	grace.find("menu", "Message")
	grace.keys(input.End, input.Enter)
	grace.find("dialog", "About this message")
	grace.press("Show XML")
	grace.until(`() => document.getElementById("original-xml")?.textContent.includes("<body>Shall we begin?</body>")`)
	grace.keys(escape)
	grace.gone("dialog", "")
	grace.until(`() => document.activeElement.closest("#log [data-key]")`) // where the menu was opened

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
	same(t, "of the person's own the menu offers", ada.offers(), []string{"Reply", "React", "Edit", "Copy", "Retract", "Select", "Details"})
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

	t.Log("several are selected, by pointer and by keys")
	ada.menu("Yes")
	ada.click("menuitem", "Select")
	ada.find("toolbar", "Selected messages")
	ada.until(`() => { const row = e2e.all("article", "").find((a) => a.textContent.includes("Shall we begin?") && !a.textContent.includes("Yes")); row.querySelector(".text").click(); return true }`)
	ada.until(`() => document.querySelector(".selection-count").textContent === "2 messages selected"`)
	ada.until(`() => { document.querySelector("#log").focus(); return true }`)
	ada.keys(input.ArrowUp, input.Space)
	ada.until(`() => document.querySelector(".selection-count").textContent !== "2 messages selected"`)
	ada.keys(escape)
	ada.gone("toolbar", "Selected messages")

	t.Log("a day")
	ada.until(`() => { document.querySelector("#log").focus(); return true }`)
	ada.keys(input.KeyG)
	ada.find("dialog", "Go to a day")
	ada.until(`() => { document.querySelector("#date").value = "2020-02-29"; return true }`)
	ada.press("Go")
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
