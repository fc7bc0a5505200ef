//go:build linux

package gallery

import (
	"testing"

	"github.com/go-rod/rod/lib/input"
)

// What a message offers: its menu, the emoji, what was written instead of a message of its own, and
// what is known of it.
func TestLiving(t *testing.T) {
	address, b, axe := serve(t), browser(t), install(t)
	for _, size := range []struct {
		name          string
		width, height int
	}{{"wide", 1280, 800}, {"narrow", 390, 844}} {
		for _, dark := range []bool{false, true} {
			name := size.name
			if dark {
				name += "-dark"
			}
			t.Run(name, func(t *testing.T) {
				page := visit(t, b, address, "living", size.width, size.height, dark)
				look := func(what string) {
					t.Helper()
					settled(page)
					axe.audit(t, page, dark)
					picture(t, page, "living-"+what+"-"+name)
				}
				menu := func(text string) {
					t.Helper()
					page.MustEval(`(text) => { [...document.querySelectorAll(".msg")].find((m) => m.querySelector(".text").textContent.includes(text)).querySelector(".msg-more").click() }`, text)
					page.MustElement("[role=menu]:popover-open")
				}
				press := func(item string) {
					t.Helper()
					page.MustElementR("[role=menuitem]", "^"+item+"$").MustClick()
					settled(page)
				}
				menu("I wonder")
				look("menu")
				press("React")
				look("emoji")
				page.Keyboard.MustType(input.Escape)
				settled(page)
				menu("I wonder")
				press("Details")
				look("about")
				page.MustElementR("button", "^Show XML$").MustClick()
				page.MustElement("#original-xml").MustScrollIntoView()
				look("xml")
				page.Keyboard.MustType(input.Escape)
				settled(page)
				menu("Ferns")
				press("Reply")
				look("reply")
				page.Keyboard.MustType(input.Escape)
				settled(page)
				page.MustElement(".quoted").MustClick()
				settled(page)
				look("back")
				menu("I wonder")
				press("Edit")
				look("edit")
				menu("I wonder")
				press("Retract")
				look("retract")
				page.Keyboard.MustType(input.Escape)
				settled(page)
				menu("I wonder")
				press("Select")
				page.MustElementR(".msg .text", "Ferns").MustClick()
				settled(page)
				look("select")
				page.Keyboard.MustType(input.Escape)
				settled(page)
				page.MustElement(".chat-date").MustClick()
				settled(page)
				look("date")
			})
		}
	}
}
