//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-rod/rod/lib/input"
	"github.com/go-rod/rod/lib/proto"

	"natter/app/jid"
	"natter/app/xmpptest"
)

// shot keeps what is seen now, wide and narrow, light and dark, in the folder that GALLERY names.
func (p *person) shot(server, step string) {
	folder := os.Getenv("GALLERY")
	if folder == "" {
		return
	}
	p.t.Helper()
	for name, width := range map[string]int{"wide": 1280, "narrow": 390} {
		p.page.MustSetViewport(width, 800, 1, false)
		for _, scheme := range []string{"light", "dark"} {
			p.must(proto.EmulationSetEmulatedMedia{Features: []*proto.EmulationMediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}.Call(p.page))
			p.eval(`() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 300))))`)
			png, err := p.page.Timeout(patience).Screenshot(false, nil)
			p.must(err)
			p.must(os.WriteFile(filepath.Join(folder, fmt.Sprintf("tour %s %s %s %s.png", server, step, name, scheme)), png, 0o644))
		}
	}
	p.page.MustSetViewport(1280, 800, 1, false)
}

// Two people spend a while in a room, with everything that can be said there: on the trial server
// and on real ones.
func TestTour(t *testing.T) {
	t.Parallel()
	address := natter(t)
	t.Run("trial", func(t *testing.T) {
		t.Parallel()
		tour(t, "trial", visit(t, address), visit(t, address), "ada@localhost", "grace@localhost", "analytical", "compiler", "rooms.localhost")
	})
	for _, kind := range xmpptest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := xmpptest.Get(t, kind)
			named(t, s)
			one, two := visit(t, address), visit(t, address)
			one.forgives(failedFetch) // one of the two forms of host-meta may be missing
			two.forgives(failedFetch)
			tour(t, string(kind), one, two, s.Account(t, "", password), s.Account(t, "", password), password, password, s.Rooms)
		})
	}
}

func tour(t *testing.T, server string, one, two *person, first, second jid.JID, firstPassword, secondPassword, rooms string) {
	one.signIn(string(first), firstPassword)
	two.signIn(string(second), secondPassword)
	one.in()
	two.in()
	room := "tour-of-" + first.Local() + "@" + rooms
	name := "tour-of-" + first.Local()

	t.Log("a room is made, and entered")
	one.joins(room)
	one.find("alert", "There is no room at this address. Check the address, or create the room.")
	one.shot(server, "1-no-room")
	one.press("Create room")
	one.find("log", name)
	one.until(`() => document.querySelector(".chat-now").textContent === "1 person"`) // until then the room is locked
	two.joins(room)
	two.find("log", name)
	one.press("Details")
	one.find("list", "Members")
	one.until(`(nick) => e2e.all("list", "Members")[0].textContent.includes(nick)`, second.Local())
	one.shot(server, "2-members")
	one.press("Details")

	t.Log("what is said is there for both, once")
	one.say("Shall we begin?")
	two.reads(first.Local(), "Shall we begin?")
	two.say("We shall")
	one.reads(second.Local(), "We shall")
	one.until(`() => e2e.bodies().filter((b) => b === "Shall we begin?").length === 1`)

	t.Log("a reaction, a reply, a correction")
	two.menu("Shall we begin?")
	two.click("menuitem", "React")
	two.find("dialog", "Emoji")
	two.shot(server, "3-emoji")
	two.press("🎉")
	one.find("button", "🎉 1")
	two.menu("Shall we begin?")
	two.click("menuitem", "Reply")
	two.fill("Message", "At five")
	two.keys(input.Enter)
	one.reads(second.Local(), "At five")
	one.find("button", "In reply to You Shall we begin?")
	two.marked("Sent") // what the room has not sent back cannot be edited yet
	two.until(`() => !document.querySelector("#message").value && (document.querySelector("#message").focus(), true)`)
	two.keys(input.ArrowUp)
	two.until(`() => document.querySelector("#message").value === "At five"`)
	two.fill("Message", "At six")
	two.keys(input.Enter)
	one.reads(second.Local(), "At six")
	one.find("button", "edited")
	one.shot(server, "4-living")

	t.Log("a name, and text with a form")
	two.until(`() => !document.querySelector("#message").value`)
	two.fill("Message", first.Local()+": *look* at `this`\n> quoted\n```\ncode\n```")
	two.keys(input.Enter)
	one.until(`() => e2e.all("article", "").some((a) => a.querySelector("pre")?.textContent.includes("code") && a.querySelector("strong"))`)
	one.shot(server, "5-text")

	t.Log("taken back")
	two.menu("At six")
	two.click("menuitem", "Retract")
	two.press("Retract")
	two.gone("dialog", "")
	one.reads(second.Local(), "Message retracted")
	one.shot(server, "6-retracted")

	t.Log("one leaves, and finds all of it when they come back")
	two.press("Details")
	two.press("Leave room")
	two.gone("button", name+", Room.…")
	two.joins(room)
	two.find("log", name)
	two.reads(first.Local(), "Shall we begin?")
	two.reads("You", "Message retracted")
	two.find("button", "🎉 1")
	two.gone("button", "edited")
	two.until(`() => e2e.all("article", "").length === 4`)
	two.shot(server, "7-back")
}
