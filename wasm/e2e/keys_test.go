//go:build linux

package e2e

import (
	"testing"

	"github.com/go-rod/rod/lib/input"
)

// Everything that is needed for chatting can be done without a mouse.
func TestKeyboardOnly(t *testing.T) {
	t.Parallel()
	p := visit(t, natter(t))
	focused := func(name string) {
		t.Helper()
		p.until(`(name) => document.activeElement && e2e.name(document.activeElement).startsWith(name)`, name)
	}
	focused("XMPP address")
	p.write("ada@localhost")
	p.keys(input.Tab)
	focused("Password")
	p.write("analytical")
	p.keys(input.Enter)
	p.in()

	t.Log("Ctrl+K goes to a conversation")
	p.chord(input.KeyK, input.ControlLeft)
	p.find("dialog", "Go to conversation")
	focused("Go to conversation")
	p.write("ech")
	p.until(`() => e2e.all("option", "").length === 1`)
	p.keys(input.Enter)
	p.find("log", "Echo")
	focused("Message")

	t.Log("Shift+Enter breaks the line, Enter sends")
	p.write("one")
	p.chord(input.Enter, input.ShiftLeft)
	p.write("two")
	p.keys(input.Enter)
	p.reads("You", "one\ntwo")
	p.reads("Echo", "one\ntwo")
	focused("Message")

	t.Log("what is typed right behind Enter is of the next message")
	p.until(`() => {
		const enter = () => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
		for (const text of ["quick", "er", ""]) {
			document.execCommand("insertText", false, text);
			enter();
			enter(); // there is nothing to send
		}
		return document.activeElement.value === "";
	}`)
	p.reads("Echo", "er")
	p.until(`() => e2e.all("article", "You, …").map((m) => m.querySelector(".text").textContent).join("|") === "one\ntwo|quick|er"`)

	t.Log("Alt and the arrows step through the list")
	p.chord(input.ArrowDown, input.AltLeft)
	p.find("log", "Lounge")
	p.chord(input.ArrowDown, input.AltLeft)
	p.find("log", "Grace")
	p.chord(input.ArrowUp, input.AltLeft)
	p.find("log", "Lounge")
	p.chord(input.ArrowUp, input.AltLeft)
	p.find("log", "Echo")

	t.Log("Esc steps back, the arrows choose, Enter opens")
	p.keys(input.Escape)
	p.gone("log", "")
	focused("Echo")
	p.keys(input.ArrowDown)
	focused("Lounge")
	p.keys(input.ArrowDown)
	focused("Grace")
	p.keys(input.Enter)
	p.find("log", "Grace")
	focused("Message")
	p.keys(input.Escape)
	p.gone("log", "")

	t.Log("? shows the keys, Esc hides them")
	p.keys('?')
	p.find("dialog", "Keyboard shortcuts")
	p.keys(input.Escape)
	p.until(`() => !document.querySelector("dialog")`) // not only closed: taken off the page

	t.Log("Ctrl+K again; Esc leaves it without going anywhere")
	p.chord(input.KeyK, input.ControlLeft)
	p.find("dialog", "Go to conversation")
	p.keys(input.Escape)
	p.until(`() => !document.querySelector("dialog")`) // not only closed: taken off the page
	if p.there("log", "") {
		t.Error("Esc opened a conversation")
	}
}
