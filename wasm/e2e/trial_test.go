//go:build linux

package e2e

import (
	"testing"
	"time"
)

func TestTrialServer(t *testing.T) {
	t.Parallel()
	address := natter(t)
	ada := visit(t, address)
	ada.press("Use ada@localhost")
	ada.press("Sign in")
	ada.in()
	ada.chat("Echo")
	ada.say("hello there")
	ada.reads("You", "hello there")
	ada.reads("Echo", "hello there")
	if !ada.got("<composing ") {
		t.Error("Echo has answered without a sign of typing")
	}
	ada.marked("Read")
	ada.signOut()

	t.Run("S27 S29 nothing secret stays behind", func(t *testing.T) {
		kept := ada.eval(`() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state,
			[...document.querySelectorAll("input")].filter((i) => i.type === "password").map((i) => i.value)])`).Str()
		for _, secret := range []string{"analytical", "hello there"} {
			if contains(kept, secret) {
				t.Errorf("%q is still there: %s", secret, kept)
			}
		}
		if ada.sent("analytical") {
			t.Error("the password went over the wire")
		}
	})
	// Twin: the person signs in again.
	ada.signIn("ada@localhost", "analytical")
	ada.in()
	ada.chat("Echo")
	ada.reads("Echo", "hello there")
}

func TestTwoBrowsers(t *testing.T) {
	t.Parallel()
	ada, grace := bothIn(t, natter(t), false)
	ada.find("button", "Grace, Online.…")
	ada.chat("Grace")
	ada.say("Good morning")

	t.Log("grace, with no conversation open, has one unread message")
	grace.find("button", "Ada, Online.…Good morning…")
	grace.find("button", "…1 unread")
	grace.chat("Ada")
	grace.reads("Ada", "Good morning")
	grace.gone("button", "…1 unread")
	ada.marked("Read")

	t.Log("each sees the other typing, and stop")
	for late := time.Now().Add(patience); !ada.eval(`() => e2e.heard().includes("Grace is typing")`).Bool(); {
		grace.fill("Message", "And a good") // who stops for a while is not typing any more
		if time.Now().After(late) {
			t.Fatal("ada never sees it")
		}
	}
	grace.fill("Message", "")
	ada.until(`() => !e2e.heard().includes("Grace is typing")`)
	grace.say("And a good morning to you")
	ada.reads("Grace", "And a good morning to you")
	for i, text := range []string{"one", "two", "three"} {
		from, to, name := ada, grace, "Ada"
		if i%2 == 1 {
			from, to, name = grace, ada, "Grace"
		}
		from.say(text)
		to.reads(name, text)
	}
	want := []string{"Good morning", "And a good morning to you", "one", "two", "three"}
	same(t, "ada reads", ada.bodies(), want)
	same(t, "grace reads", grace.bodies(), want)

	t.Log("presence follows what grace chooses, and her leaving")
	grace.press("Your account,…")
	grace.press("Do not disturb")
	ada.find("button", "Grace, Do not disturb.…")
	grace.keys(escape)
	grace.signOut()
	ada.find("button", "Grace, Offline.…")
}

// Three messages while nobody looks are counted, in the list and in the title.
func TestUnread(t *testing.T) {
	t.Parallel()
	address := natter(t)
	ada := visit(t, address)
	ada.signIn("ada@localhost", "analytical")
	ada.in()
	grace := talk(t, trialSocket(address), "grace@localhost", "compiler")
	for _, text := range []string{"one", "two", "three"} {
		grace.say("ada@localhost", text)
	}
	ada.find("button", "…3 unread")
	ada.chat("Grace")
	ada.find("separator", "New messages")
	ada.gone("button", "…3 unread")
	same(t, "ada reads", ada.bodies(), []string{"one", "two", "three"})
}
