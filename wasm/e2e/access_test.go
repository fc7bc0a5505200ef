//go:build linux

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/input"
	"github.com/go-rod/rod/lib/proto"
)

func prefers(p *person, name, value string) {
	p.t.Helper()
	p.must(proto.EmulationSetEmulatedMedia{Features: []*proto.EmulationMediaFeature{{Name: name, Value: value}}}.Call(p.page))
}

// usable are the roles of what one can use or go to.
var usable = []string{"button", "textbox", "searchbox", "combobox", "checkbox", "link", "option", "log", "dialog", "DisclosureTriangle", "article", "navigation"}

// tree returns what the browser tells assistive technology, role and name.
func tree(p *person) (nodes []string) {
	p.t.Helper()
	tree, err := proto.AccessibilityGetFullAXTree{}.Call(p.page)
	p.must(err)
	for _, node := range tree.Nodes {
		if node.Ignored || node.Role == nil {
			continue
		}
		name := ""
		if node.Name != nil {
			name = node.Name.Value.Str()
		}
		nodes = append(nodes, node.Role.Value.Str()+" "+name)
	}
	return nodes
}

func all(list, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(list, w) })
}

// What assistive technology is told, asked of the browser's own accessibility tree:
// each thing one can use has a name, and the landmarks are there.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	p := visit(t, natter(t))
	has := func(where string, wanted ...string) {
		t.Helper()
		var found []string
		for late := time.Now().Add(patience); !all(found, wanted) && time.Now().Before(late); {
			found = tree(p)
		}
		for _, w := range wanted {
			if !slices.Contains(found, w) {
				t.Errorf("%s: there is no %s in\n%q", where, w, found)
			}
		}
		for _, f := range found {
			if role, name, _ := strings.Cut(f, " "); name == "" && slices.Contains(usable, role) {
				t.Errorf("%s: a %s has no name", where, role)
			}
		}
	}
	has("the form", "textbox XMPP address", "textbox Password", "button Sign in", "heading Natter")
	p.signIn("ada@localhost", "analytical")
	p.in()
	has("the list", "navigation Conversations", "button New chat", "searchbox Search conversations and messages")
	p.chat("Echo")
	p.say("hello https://example.org/")
	p.reads("Echo", "hello https://example.org/")
	has("the conversation", "log Echo", "textbox Message", "button Send", "link https://example.org/")
	p.press("Details")
	has("the details", "heading Details", "textbox Name")
	p.press("Close details")
	p.press("New chat")
	has("the dialog", "dialog New chat", "textbox XMPP address", "button Start chat")
	p.keys(input.Escape)
	p.gone("dialog", "")

	t.Log("an error is announced, and names its field")
	p.signOut()
	p.signIn("ada@localhost", "wrong")
	p.find("alert", "The server did not accept this password.…")
	if p.eval(`() => { const f = document.querySelector("[aria-invalid=true]"); return f ? f.getAttribute("aria-errormessage") : "" }`).Str() != "signin-error" {
		t.Error("the field does not point to its error")
	}

	t.Log("whatever Tab reaches shows that it has the focus")
	for range 6 {
		p.keys(input.Tab)
		p.until(`() => {
			const e = document.activeElement;
			if (!e || e === document.body) return true;
			const boxes = [e, e.closest(".field, .search, label")].filter(Boolean).map((b) => getComputedStyle(b));
			return boxes.some((s) => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1 || s.boxShadow !== "none");
		}`)
	}
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	p := visit(t, natter(t))
	p.find("button", "Sign in")
	const background = `() => getComputedStyle(document.documentElement).backgroundColor`
	p.until(`() => getComputedStyle(document.documentElement).backgroundColor !== "rgba(0, 0, 0, 0)"`) // the style is here
	prefers(p, "prefers-color-scheme", "light")
	light := p.eval(background).Str()
	prefers(p, "prefers-color-scheme", "dark")
	if dark := p.eval(background).Str(); dark == light {
		t.Errorf("light and dark are both %s", dark)
	}
	prefers(p, "prefers-reduced-motion", "reduce")
	p.signIn("ada@localhost", "analytical")
	p.in()
	p.chat("Echo")
	p.say("hello")
	p.reads("Echo", "hello")
	p.until(`() => document.getAnimations().filter((a) => a.playState === "running" && a.effect.getComputedTiming().duration > 10).length === 0`)
	t.Log("the person's own choice outlasts the page")
	p.press("Your account,…")
	p.press("Light")
	if now := p.eval(background).Str(); now != light {
		t.Errorf("light is %s, chosen light %s", light, now)
	}
	p.page.Timeout(patience).MustReload().CancelTimeout()
	p.find("button", "Sign in")
	if theme := p.until(`() => document.documentElement.dataset.theme`).Str(); theme != "light" {
		t.Errorf("after a reload the theme is %q", theme)
	}
}
