//go:build linux

package gallery

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/input"
	"github.com/go-rod/rod/lib/proto"
)

// sight is the log as the person sees it.
type sight struct {
	Key      string // the message at the middle
	Bottom   float64
	Messages int
	Left     float64 // px to the end
	Last     string
}

func look(t *testing.T, page *rod.Page) sight {
	t.Helper()
	var s sight
	err := page.MustEval(`() => {
		const log = document.querySelector("[role=log]");
		const middle = log.getBoundingClientRect().top + log.clientHeight / 2;
		const rows = [...log.querySelectorAll("[data-key]")];
		const row = rows.find((r) => r.getBoundingClientRect().bottom > middle) || rows.at(-1);
		return { Key: row.dataset.key, Bottom: row.getBoundingClientRect().bottom, Messages: rows.length,
			Left: log.scrollHeight - log.clientHeight - log.scrollTop, Last: rows.at(-1).querySelector(".text").textContent };
	}`).Unmarshal(&s)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bottom returns where a message ends, NaN if it is not on the page. What comes before
// it decides how much room is left above it.
func bottom(page *rod.Page, key string) float64 {
	v := page.MustEval(`(key) => { const r = document.querySelector('[data-key="' + key + '"]'); return r ? r.getBoundingClientRect().bottom : null }`, key)
	if v.Nil() {
		return math.NaN()
	}
	return v.Num()
}

func scroll(page *rod.Page, by int) {
	page.MustEval(`(by) => { document.querySelector("[role=log]").scrollTop += by }`, by)
	settled(page)
}

func TestScrollback_NothingJumps(t *testing.T) {
	page := visit(t, browser(t), serve(t), "history", 1000, 700, false)
	if s := look(t, page); s.Left > 1 || !strings.HasPrefix(s.Last, "Message 9999.") {
		t.Fatalf("does not begin at the end: %+v", s)
	}
	for step := range 40 {
		before := look(t, page)
		scroll(page, -500)
		if moved := bottom(page, before.Key) - before.Bottom; math.Abs(moved-500) > 1.5 {
			t.Fatalf("step %d: scrolled by 500, moved by %f", step, moved)
		}
		if s := look(t, page); s.Messages > 150 {
			t.Fatalf("%d messages are on the page", s.Messages)
		}
	}

	t.Run("a new message moves nothing", func(t *testing.T) {
		before := look(t, page)
		page.MustEval(`() => receive("fresh from the wire")`)
		settled(page)
		if moved := bottom(page, before.Key) - before.Bottom; math.Abs(moved) > 1.5 {
			t.Errorf("moved by %f", moved)
		}
		pill := page.MustElement(".pill")
		if name := pill.MustAttribute("aria-label"); name == nil || !strings.Contains(*name, "1 unread") {
			t.Errorf("the pill says %v", name)
		}
		if news := page.MustElement(".sr[role=status]").MustText(); news != "Grace Hopper: fresh from the wire" {
			t.Errorf("screen readers hear %q", news)
		}
	})
	t.Run("nor does another width", func(t *testing.T) {
		before := page.MustEval(`() => { const log = document.querySelector("[role=log]"); const y = log.getBoundingClientRect().top;
			const r = [...log.querySelectorAll("[data-key]")].find((r) => r.getBoundingClientRect().bottom > y); return r.dataset.key }`).Str()
		at := bottom(page, before)
		page.MustSetViewport(760, 700, 1, false)
		settled(page)
		if moved := bottom(page, before) - at; math.Abs(moved) > 1.5 {
			t.Errorf("moved by %f", moved)
		}
		page.MustSetViewport(1000, 700, 1, false)
		settled(page)
	})
	t.Run("the pill leads to the end", func(t *testing.T) {
		page.MustElement(".pill").MustClick()
		settled(page)
		if s := look(t, page); s.Left > 1 || s.Last != "fresh from the wire" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("at the end new messages keep it there", func(t *testing.T) {
		page.MustEval(`() => { for (let i = 0; i < 200; i++) receive("burst " + i) }`)
		settled(page)
		if s := look(t, page); s.Left > 1 || s.Last != "burst 199" || s.Messages > 150 {
			t.Errorf("%+v", s)
		}
	})
}

// The person presses Load missing with the keyboard, with the message after the gap in
// sight. It stays where it is, whatever comes between.
func TestGap_IsFilledAndNothingJumps(t *testing.T) {
	page := visit(t, browser(t), serve(t), "gap", 900, 300, false)
	page.MustEval(`() => {
		const log = document.querySelector("[role=log]");
		log.scrollTop += document.querySelector(".gap").getBoundingClientRect().top - log.getBoundingClientRect().top - 10;
	}`)
	settled(page)
	page.MustEval(`() => document.querySelector("[role=log]").focus()`)
	focused := func() string { return page.MustEval(`() => document.activeElement.dataset.do || ""`).Str() }
	for range 5 {
		if focused() != "load-missing" {
			page.Keyboard.MustType(input.Tab)
		}
	}
	if focused() != "load-missing" {
		t.Fatal("the keyboard does not lead to the button")
	}
	button := page.MustElement(".gap button")
	page.Keyboard.MustType(input.Enter)
	settled(page)
	if name := page.MustElement(".gap [role=status]").MustText(); !strings.HasPrefix(name, "Loading missing messages") {
		t.Errorf("told %q", name)
	}
	if focused() != "load-missing" || *button.MustAttribute("aria-disabled") != "true" {
		t.Error("the button does not keep the focus while it works")
	}
	before := page.MustEval(`() => {
		const y = document.querySelector(".gap").getBoundingClientRect().bottom;
		const r = [...document.querySelectorAll("[data-key]")].find((r) => r.getBoundingClientRect().top > y);
		return { key: r.dataset.key, bottom: r.getBoundingClientRect().bottom };
	}`)
	key, at := before.Get("key").Str(), before.Get("bottom").Num()
	for i, fill := range []struct {
		n    int
		last bool
	}{{20, false}, {50, false}, {50, false}, {50, false}, {50, true}} {
		page.MustEval(`(n, last) => fill(n, last)`, fill.n, fill.last)
		settled(page)
		if moved := bottom(page, key) - at; !(math.Abs(moved) <= 1.5) {
			t.Fatalf("page %d: what was read moved by %f", i, moved)
		}
		if s := look(t, page); s.Messages > 150 {
			t.Fatalf("%d messages are on the page", s.Messages)
		}
	}
	for range 40 {
		scroll(page, -2000)
	}
	if page.MustHas(".gap") {
		t.Error("it is filled and still there")
	}
	if n := page.MustEval(`() => document.querySelectorAll(".log-begin").length`).Int(); n != 1 {
		t.Error("the beginning is not reached")
	}
}

// Between the moments before and after a change the person may have gone on with the
// keyboard, and an element may have come to show another row.
func TestFocus_StaysWithTheRow(t *testing.T) {
	page := visit(t, browser(t), serve(t), "conversation", 1280, 800, false)
	for name, tc := range map[string]struct{ meanwhile, want string }{
		"moved on":              {`(one, other) => other.focus()`, "other"},
		"shown by it":           {`(one, other) => [one.id, other.id] = [other.id, one.id]`, "other"},
		"left for the composer": {`() => document.getElementById("message").focus()`, "message"},
	} {
		t.Run(name, func(t *testing.T) {
			page.MustEval(`() => {
				[window.one, window.other] = document.querySelectorAll("#rows .row");
				one.focus();
				natterPage.hold();
			}`)
			page.MustEval(`() => { (` + tc.meanwhile + `)(one, other) }`)
			got := page.MustEval(`() => {
				natterPage.settle({ scroll: "", focus: "", enter: false, unfilter: false });
				return document.activeElement === other ? "other" : document.activeElement.id;
			}`).Str()
			if got != tc.want {
				t.Errorf("the focus is at %q, want %q", got, tc.want)
			}
		})
	}
}

func TestCompose(t *testing.T) {
	page := visit(t, browser(t), serve(t), "conversation", 1280, 800, false)
	box := page.MustElement(`textarea[aria-label="Message"]`)
	if !page.MustEval(`() => document.activeElement.id === "message"`).Bool() {
		t.Error("the composer does not have the focus")
	}
	low := box.MustShape().Box().Height
	box.MustInput("two")
	page.Keyboard.Press(input.ShiftLeft)
	page.Keyboard.MustType(input.Enter)
	page.Keyboard.Release(input.ShiftLeft)
	box.MustInput("lines")
	settled(page)
	if text := box.MustProperty("value").Str(); text != "two\nlines" {
		t.Errorf("Shift+Enter: %q", text)
	}
	if box.MustShape().Box().Height <= low {
		t.Error("the composer does not grow")
	}
	page.Keyboard.MustType(input.Enter)
	settled(page)
	if s := look(t, page); s.Last != "two\nlines" || s.Left > 1 {
		t.Errorf("%+v", s)
	}
	if text := box.MustProperty("value").Str(); text != "" {
		t.Errorf("left in the composer: %q", text)
	}
	if did := intents(page); !slices.Contains(did, "state.Typing") || !slices.Contains(did, "state.SendMessage") {
		t.Errorf("did %v", did)
	}
	inOrder(t, page)
}

func intents(page *rod.Page) []string {
	var out []string
	for _, v := range page.MustEval(`() => did`).Arr() {
		out = append(out, v.Str())
	}
	return out
}

func TestKeys(t *testing.T) {
	page := visit(t, browser(t), serve(t), "conversation", 1280, 800, false)
	open := func() string { return page.MustElement("[role=log]").MustProperty("ariaLabel").Str() }
	press := func(mod, key input.Key) {
		page.Keyboard.Press(mod)
		page.Keyboard.MustType(key)
		page.Keyboard.Release(mod)
		settled(page)
	}
	press(input.AltLeft, input.ArrowDown)
	if open() != "Margaret Hamilton" {
		t.Errorf("Alt+Down opens %s", open())
	}
	press(input.ControlLeft, input.KeyK)
	page.MustElement("#switch-text").MustInput("grace")
	settled(page)
	page.Keyboard.MustType(input.Enter)
	settled(page)
	if open() != "Grace Hopper" {
		t.Errorf("the switcher opens %s", open())
	}
	if page.MustHas("dialog") {
		t.Error("the switcher stays")
	}
	page.Keyboard.MustType(input.Escape)
	settled(page)
	if page.MustHas("[role=log]") {
		t.Error("Esc does not close the conversation")
	}
	if on := page.MustEval(`() => document.activeElement.dataset.conv`).Str(); on != "grace@example.org" {
		t.Errorf("the focus is on %q", on)
	}
	page.Keyboard.MustType(input.ArrowDown, input.ArrowDown, input.ArrowUp, input.Enter)
	settled(page)
	if open() != "Margaret Hamilton" {
		t.Errorf("arrow keys lead to %s", open())
	}
	if n := page.MustEval(`() => document.querySelectorAll('#rows .row[tabindex="0"]').length`).Int(); n != 1 {
		t.Errorf("the list has %d tab stops", n)
	}
	page.MustElement("#me").MustFocus()
	page.Keyboard.MustType('?')
	settled(page)
	if !page.MustHas("dialog .keys") {
		t.Error("? does not show the keys")
	}
	page.Keyboard.MustType(input.Escape)
	settled(page)
	if page.MustHas("dialog") {
		t.Error("Esc does not close the dialog")
	}
}

func TestPhone_BackLeads(t *testing.T) {
	page := visit(t, browser(t), serve(t), "list", 390, 844, false)
	address := page.MustInfo().URL
	page.MustElement(`.row[data-conv="grace@example.org"]`).MustClick()
	settled(page)
	if !page.MustElement("[role=log]").MustVisible() || page.MustElement("nav").MustVisible() {
		t.Fatal("not one pane")
	}
	if page.MustInfo().URL != address {
		t.Error("the conversation shows in the page's address")
	}
	page.MustEval(`() => history.back()`)
	page.MustWait(`() => !document.querySelector("[role=log]")`)
	if !page.MustElement("nav").MustVisible() {
		t.Error("Back does not lead to the list")
	}
}

func TestPhone_TargetsFitFingers(t *testing.T) {
	b, address := browser(t), serve(t)
	for _, story := range []string{"list", "conversation", "details", "failed", "offline", "requests", "new-chat"} {
		page := visit(t, b, address, story, 390, 844, false)
		page.MustSetViewport(390, 844, 1, true)
		if err := (proto.EmulationSetTouchEmulationEnabled{Enabled: true}).Call(page); err != nil {
			t.Fatal(err)
		}
		page.MustWait(`() => matchMedia("(pointer: coarse)").matches`)
		small := page.MustEval(`() => [...document.querySelectorAll("button")]
			.map((e) => [e, e.getBoundingClientRect()])
			.filter(([e, r]) => r.height > 0 && r.height < 43.9 && e.id !== "me")
			.map(([e, r]) => e.textContent + (e.ariaLabel || "") + " " + r.height).join("; ")`).Str()
		if small != "" {
			t.Errorf("%s: small targets: %s", story, small)
		}
	}
}

func TestThousandContacts(t *testing.T) {
	page := visit(t, browser(t), serve(t), "thousand", 1280, 800, false)
	for range 30 {
		page.MustEval(`() => { document.querySelector("#rows").scrollTop += 2000 }`)
		settled(page)
		inOrder(t, page)
		inSight := page.MustEval(`() => { const b = document.querySelector("#rows").getBoundingClientRect();
			return [...document.querySelectorAll("#rows .row")].filter((r) => r.getBoundingClientRect().bottom > b.top && r.getBoundingClientRect().top < b.bottom).length }`).Int()
		if inSight < 8 {
			t.Fatalf("only %d rows are in sight", inSight)
		}
	}
	page.MustElement("#filter").MustInput("person 99")
	settled(page)
	if n := len(page.MustElements("#rows .row")); n != 11 {
		t.Errorf("found %d", n)
	}
}

func TestMenu(t *testing.T) {
	page := visit(t, browser(t), serve(t), "conversation", 1280, 800, true)
	page.MustElement("#me").MustClick()
	settled(page)
	picture(t, page, "menu-wide-dark")
	page.MustElement(`#menu [data-do="theme"][data-text="light"]`).MustClick()
	settled(page)
	if scheme := page.MustEval(`() => getComputedStyle(document.documentElement).colorScheme`).Str(); scheme != "light" {
		t.Errorf("light is %s", scheme)
	}
	picture(t, page, "menu-wide-light")
	page.MustElement(`#menu [data-do="presence"][data-text="away"]`).MustClick()
	page.MustElement(`#menu [data-do="leaving"]`).MustClick()
	settled(page)
	page.MustElement(`dialog [data-do="sign-out"]`).MustClick()
	page.MustWait(`() => !document.querySelector("nav")`)
	if did := intents(page); !slices.Contains(did, "state.SetPresence") || !slices.Contains(did, "state.SignOut") {
		t.Errorf("did %v", did)
	}
}

func TestRightToLeft(t *testing.T) {
	page := visit(t, browser(t), serve(t), "conversation", 1000, 700, false)
	page.MustEval(`() => { document.documentElement.dir = "rtl" }`)
	settled(page)
	picture(t, page, "conversation-mirrored")
	inOrder(t, page)
	if list := page.MustElement("nav").MustShape().Box(); list.X < 500 {
		t.Errorf("the list begins at %f", list.X)
	}
}

// Each line of a message stands on the side of its own direction, whatever the others
// are, and what is first in a line does not turn the others round.
func TestRightToLeft_EachLine(t *testing.T) {
	b, address := browser(t), serve(t)
	for _, dir := range []string{"ltr", "rtl"} {
		page := visit(t, b, address, "conversation", 1000, 700, false)
		page.MustEval(`(dir) => { document.documentElement.dir = dir }`, dir)
		for _, text := range []string{
			"a line that makes the bubble as wide as it is\nשלום\nshort\nمرحبا hello\nhello مرحبا\n10:30 שלום\nend",
			"שלום\na line that makes the bubble as wide as it is\nשורה\nend",
		} {
			page.MustEval(`(text) => receive(text)`, text)
			page.MustWait(`(text) => [...document.querySelectorAll(".text")].at(-1).textContent === text`, text)
			settled(page)
			sides := page.MustEval(`() => {
				const text = [...document.querySelectorAll(".text")].at(-1);
				const style = getComputedStyle(text.parentElement);
				const box = text.parentElement.getBoundingClientRect();
				const left = box.left + parseFloat(style.paddingLeft), right = box.right - parseFloat(style.paddingRight);
				const lines = new Map();
				const range = document.createRange();
				range.selectNodeContents(text);
				for (const r of range.getClientRects()) {
					if (!r.width) continue;
					const line = lines.get(Math.round(r.bottom)) || { left: r.left, right: r.right };
					lines.set(Math.round(r.bottom), { left: Math.min(line.left, r.left), right: Math.max(line.right, r.right) });
				}
				return [...lines.entries()].sort(([a], [b]) => a - b).map(([, l]) =>
					"|" + (Math.abs(l.left - left) < 2 ? "l" : "") + (Math.abs(l.right - right) < 2 ? "r" : "")).join(" ");
			}`).Str()
			want := map[string]string{"a": "l r l r l r l", "\xd7": "r l r l"}[text[:1]]
			got := strings.Fields(sides)
			if len(got) != len(strings.Fields(want)) {
				t.Fatalf("%s: %q has lines at %q", dir, text, sides)
			}
			for i, side := range strings.Fields(want) {
				if last := i == len(got)-1; !strings.Contains(got[i], side) && !last { // the time may be beside the last
					t.Errorf("%s: line %d of %q is at %q of %q, want %q", dir, i, text, got[i], sides, want)
				}
			}
		}
	}
}

func TestSearch_OpensInTheMiddle(t *testing.T) {
	page := visit(t, browser(t), serve(t), "history", 1280, 800, true)
	page.MustElement("#me").MustFocus()
	page.Keyboard.MustType('/')
	page.MustElement("#filter").MustInput("message 4321")
	page.MustWait(`() => Boolean(document.getElementById("hit:1"))`)
	settled(page)
	page.Keyboard.MustType(input.ArrowDown, input.Enter)
	page.MustWait(`() => document.activeElement.id === "found"`)
	settled(page)
	inOrder(t, page)
	picture(t, page, "found-wide-dark")
	text := func() string { return page.MustEval(`() => document.querySelector("#found .text").textContent`).Str() }
	if !strings.HasPrefix(text(), "Message 4321.") {
		t.Errorf("opened at %q", text())
	}
	key := page.MustEval(`() => document.querySelector("#found").dataset.key`).Str()
	at := bottom(page, key)
	if s := look(t, page); s.Messages > 150 || s.Left < 100 || at < 60 || at > 600 {
		t.Errorf("it stands at %f: %+v", at, s)
	}
	for range 4 {
		before := look(t, page).Key
		for late := time.Now().Add(20 * time.Second); look(t, page).Key == before; {
			if scroll(page, 2500); time.Now().After(late) {
				t.Fatal("down from there is nothing")
			}
		}
	}
	page.Keyboard.MustType(input.Escape)
	settled(page)
	page.Keyboard.MustType(input.Enter)
	page.MustWait(`() => document.activeElement.id === "found"`)
	settled(page)
	if again := bottom(page, key); math.Abs(again-at) > 2 {
		t.Errorf("the second time it stands at %f, not %f", again, at)
	}
	page.Keyboard.MustType(input.Escape)
	page.MustWait(`() => document.activeElement.id === "hit:1"`)
	page.Keyboard.MustType(input.Escape)
	settled(page)
	if on := page.MustEval(`() => document.activeElement.id + document.activeElement.value`).Str(); on != "filter" {
		t.Errorf("after Esc and Esc the focus is on %q", on)
	}
	page.MustElement("#filter").MustInput("fill a line")
	page.MustElement(".rows-more").MustClick()
	page.MustWait(`() => document.querySelectorAll(".row-hit").length === 60`)
	page.MustElement(".chat-who").MustFocus()
	page.Keyboard.MustType(input.Escape)
	settled(page)
	if typed := page.MustElement("#filter").MustProperty("value").Str(); typed != "" {
		t.Errorf("the search ended, and %q is still in the field", typed)
	}
}

func TestSearch_OnAPhone(t *testing.T) {
	page := visit(t, browser(t), serve(t), "history", 390, 844, false)
	page.MustEval(`() => history.back()`)
	page.MustWait(`() => !document.querySelector("[role=log]")`)
	page.MustElement("#filter").MustInput("message 4321")
	page.MustWait(`() => Boolean(document.getElementById("hit:1"))`)
	page.MustEval(`() => document.getElementById("hit:1").click()`)
	page.MustWait(`() => document.activeElement.id === "found"`)
	settled(page)
	inOrder(t, page)
	picture(t, page, "found-narrow")
	page.MustEval(`() => history.back()`)
	page.MustWait(`() => document.activeElement.id === "hit:1"`)
	if !page.MustElement("nav").MustVisible() || page.MustElement("#filter").MustProperty("value").Str() != "message 4321" {
		t.Error("Back does not lead to what was found")
	}
}

// A message that is longer than a screen is folded, whatever is in it: what is not shown
// is not on the page. More of it comes where it was asked for, and the page stays there.
func TestFold_ShowMore(t *testing.T) {
	b, address := browser(t), serve(t)
	page := visit(t, b, address, "folded", 1000, 700, false)
	for _, text := range []string{`"http://a" + ")".repeat(200000)`, `"http://:".repeat(30000)`, `"xmpp:@".repeat(30000)`, `"http://a ".repeat(22000)`} {
		page.MustEval(`() => receive(` + text + `)`)
	}
	page.MustEval(`() => receive("and a short one")`)
	page.MustWait(`() => [...document.querySelectorAll("[data-key]")].at(-1).textContent.includes("and a short one")`)
	settled(page)
	seen := page.MustEval(`() => [...document.querySelectorAll("[data-key]")].slice(-5).map((row) => [row.querySelectorAll("*").length, row.textContent.length])`)
	for i, row := range seen.Arr() {
		if elements, length := row.Get("0").Int(), row.Get("1").Int(); elements > 300 || length > 5000 {
			t.Errorf("message %d has %d elements and %d characters on the page", i, elements, length)
		}
	}
	if text := page.MustElement(".sr[role=status]").MustText(); !strings.HasSuffix(text, "and a short one") {
		t.Errorf("screen readers hear %.60q", text)
	}

	page = visit(t, b, address, "folded", 1000, 700, false)
	page.MustEval(`() => {
		const log = document.querySelector("[role=log]");
		log.scrollTop += document.querySelector(".more").getBoundingClientRect().top - log.getBoundingClientRect().top - 300;
		document.querySelector(".more").focus({ preventScroll: true });
	}`)
	settled(page)
	page.MustEval(`() => { document.querySelector(".more").closest("[data-key]").classList.add("watched") }`)
	state := func() (top, height float64) {
		v := page.MustEval(`() => { const r = document.querySelector(".watched").getBoundingClientRect(); return [r.top, r.height] }`)
		return v.Get("0").Num(), v.Get("1").Num()
	}
	top, height := state()
	page.Keyboard.MustType(input.Enter)
	page.MustWait(`() => !document.querySelector(".more")`)
	settled(page)
	if moved, grown := state(); math.Abs(moved-top) > 1.5 || grown < height*2 {
		t.Errorf("the message went from %f to %f and grew from %f to %f", top, moved, height, grown)
	}
	if on := page.MustEval(`() => document.activeElement.id`).Str(); on != "log" {
		t.Errorf("the focus is on %q", on)
	}
	inOrder(t, page)
}

// A line that is all styled, quoted or an action has the side of its own direction too, and what is a
// block of a message stays within its bubble.
func TestStyled_EachLine(t *testing.T) {
	b, address := browser(t), serve(t)
	for _, dir := range []string{"ltr", "rtl"} {
		page := visit(t, b, address, "conversation", 1000, 700, false)
		page.MustEval(`(dir) => { document.documentElement.dir = dir }`, dir)
		page.MustEval(`() => receive("a line that makes the bubble as wide as it is\n*שלום*\n_short_\n> *مرحبا*\n> short\n~שלום~ hello\n\n\n> a\n` + "```\\nשלום\\n```" + `\nend")`)
		page.MustWait(`() => [...document.querySelectorAll(".text")].at(-1).textContent.endsWith("end")`)
		settled(page)
		got := page.MustEval(`() => {
			const text = [...document.querySelectorAll(".text")].at(-1);
			const bubble = text.parentElement.getBoundingClientRect();
			const side = (element) => {
				const r = element.getBoundingClientRect();
				if (r.left < bubble.left || r.right > bubble.right) return "out";
				return Math.abs(r.left - bubble.left) < Math.abs(r.right - bubble.right) ? "l" : "r";
			};
			const range = document.createRange();
			const quoted = text.querySelector(".quote").lastChild;
			range.setStart(quoted, 1); // behind the end of the line above
			range.setEnd(quoted, quoted.length);
			return ["strong", "em", ".quote strong", "s"].map((s) => side(text.querySelector(s))).concat(side(range), side(text.querySelector("pre code"))).join(" ");
		}`).Str()
		if want := "r l r r l l"; got != want {
			t.Errorf("%s: the lines stand at %q, want %q", dir, got, want)
		}
	}
}

// The list of emoji is asked for when the first is wanted. What is chosen is where the caret was.
func TestEmoji(t *testing.T) {
	page := visit(t, browser(t), serve(t), "conversation", 1280, 800, false)
	loaded := func() int {
		return page.MustEval(`() => performance.getEntriesByType("resource").filter((e) => e.name.includes("/emoji/")).length`).Int()
	}
	value := func() string { return page.MustEval(`() => document.getElementById("message").value`).Str() }
	until := func(what, js string) {
		t.Helper()
		if err := rod.Try(func() { page.Timeout(10 * time.Second).MustWait(js) }); err != nil {
			t.Fatalf("%s: not so; the composer has %q", what, value())
		}
	}
	const (
		listed   = `() => document.querySelectorAll("#completions [role=option]").length > 1`
		unlisted = `() => !document.getElementById("completions")`
	)
	if n := loaded(); n != 0 {
		t.Errorf("the list was loaded %d times before it was wanted", n)
	}
	page.MustElement("#message").MustInput("one  two")
	for range len(" two") {
		page.Keyboard.MustType(input.ArrowLeft)
	}
	page.MustElement(`button[aria-label="Emoji"]`).MustClick()
	until("the dialog has emoji", `() => document.querySelectorAll(".emoji-grid button").length > 100`)
	if name := page.MustEval(`() => document.getElementById(document.querySelector("dialog[open]").getAttribute("aria-labelledby")).textContent`).Str(); name != "Emoji" {
		t.Errorf("the dialog is called %q", name)
	}
	page.MustElement("#emoji-text").MustInput("butterfly")
	until("it is found", `() => Boolean(document.querySelector('.emoji-grid button[aria-label="butterfly"]'))`)
	page.Keyboard.MustType(input.Enter)
	until("it is at the caret", `() => document.getElementById("message").value === "one 🦋 two" && !document.querySelector("dialog")`)
	if on := page.MustEval(`() => document.activeElement.id`).Str(); on != "message" {
		t.Errorf("the focus is on %q", on)
	}

	page.MustElement(`button[aria-label="Emoji"]`).MustClick()
	until("what was chosen last comes first", `() => document.querySelector(".emoji-grid button").getAttribute("aria-label") === "butterfly"`)
	page.MustElement(`button[aria-label="Medium skin tone"]`).MustClick()
	page.MustElement(`button[aria-label="People & Body"]`).MustClick()
	until("people are shown", `() => Boolean(document.querySelector('.emoji-grid button[aria-label="waving hand"]'))`)
	page.MustElement("#emoji-text").MustFocus()
	page.Keyboard.MustType(input.ArrowDown, input.ArrowRight, input.ArrowLeft, input.Enter)
	until("by the arrow keys, in a skin tone", `() => document.getElementById("message").value === "one 🦋👋🏽 two"`)

	page.MustEval(`() => { const m = document.getElementById("message"); m.value = ""; m.dispatchEvent(new Event("input", { bubbles: true })) }`)
	page.MustElement("#message").MustInput("so :thumbs")
	until("emoji are offered", listed)
	page.Keyboard.MustType(input.ArrowDown)
	until("the second is chosen", `() => document.getElementById("message").getAttribute("aria-activedescendant") === "completion-1" && document.getElementById("completion-1").ariaSelected === "true"`)
	page.Keyboard.MustType(input.ArrowUp)
	until("the first is chosen", `() => document.getElementById("message").getAttribute("aria-activedescendant") === "completion-0"`)
	page.Keyboard.MustType(input.Enter)
	until("it is completed and not sent", `() => document.getElementById("message").value === "so 👍🏽" && !document.getElementById("completions")`)
	page.MustElement("#message").MustInput(" :butterf")
	until("emoji are offered", `() => Boolean(document.getElementById("completions"))`)
	page.Keyboard.MustType(input.Escape)
	until("they go", unlisted)
	page.Keyboard.MustType(input.Enter)
	until("it is sent as it is", `() => document.getElementById("message").value === "" && [...document.querySelectorAll(".text")].at(-1).textContent === "so 👍🏽 :butterf"`)
	page.MustElement("#message").MustInput("at 10:30 :) :D https://a.example :x")
	settled(page)
	if !page.MustEval(unlisted).Bool() {
		t.Error("emoji are offered for what is none")
	}
	if n := loaded(); n != 1 {
		t.Errorf("the list was loaded %d times", n)
	}
}

// A slash at the beginning offers commands, and nowhere else. One that was chosen waits for its words.
func TestCommands(t *testing.T) {
	page := visit(t, browser(t), serve(t), "room-list", 1280, 800, false)
	page.MustElementR(".row", "Lounge").MustClick()
	page.MustElement("#message").MustInput("/")
	page.MustWait(`() => document.querySelector('#completions[aria-label="Commands"] [role=option]:nth-child(2)')?.textContent.startsWith("/nick nickname Change your nickname")`)
	page.Keyboard.MustType(input.ArrowDown, input.Tab)
	page.MustWait(`() => document.getElementById("message").value === "/nick " && !document.getElementById("completions")`)
	for _, text := range []string{"countess", "\nor /", " https://a.example/ /"} {
		page.MustElement("#message").MustInput(text)
		settled(page)
		if page.MustHas("#completions") {
			t.Errorf("commands are offered after %q", text)
		}
	}
}

// A command that nobody knows stays with the person.
func TestUnknownCommand(t *testing.T) {
	page := visit(t, browser(t), serve(t), "conversation", 1280, 800, false)
	last := func() string { return look(t, page).Last }
	before := last()
	page.MustElement("#message").MustInput("/kick grace")
	page.Keyboard.MustType(input.Enter)
	page.MustWait(`() => document.querySelector(".composer-fault[role=alert]")?.textContent.startsWith("There is no command /kick.")`)
	settled(page)
	if got := page.MustEval(`() => document.getElementById("message").value`).Str(); got != "/kick grace" || last() != before {
		t.Errorf("the composer has %q, and %q was sent", got, last())
	}
	page.MustElementR("button", "Send as text").MustClick()
	page.MustWait(`() => document.getElementById("message").value === "" && !document.querySelector(".composer-fault")`)
	settled(page)
	if last() != "/kick grace" {
		t.Errorf("%q was sent", last())
	}
	page.MustElement("#message").MustInput("/me waves")
	page.Keyboard.MustType(input.Enter)
	page.MustWait(`() => [...document.querySelectorAll(".text")].at(-1).textContent === "* ada waves"`)
}
