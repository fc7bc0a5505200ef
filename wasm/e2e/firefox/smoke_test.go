//go:build linux

package firefox

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"natter/app/xmpptest/chaos"
	"natter/server/trial"
	"natter/wasm/e2e/chrome"
)

const password = "correct horse battery"

// Ada and Grace each have a Firefox of their own, in the sense that their tabs share nothing.
func TestSmoke(t *testing.T) {
	b := start(t)
	dir := t.TempDir()
	binary, _, err := chrome.Program(dir)
	if err != nil {
		t.Fatal(err)
	}
	site, siteGoes := chrome.Natter(t, binary)
	network := server(t)
	personJS, err := os.ReadFile("../testdata/person.js")
	if err != nil {
		t.Fatal(err)
	}
	b.do("script.addPreloadScript", object{"functionDeclaration": "() => {" + string(personJS) + "}"}, nil)
	t.Cleanup(func() {
		for _, line := range b.errors() {
			if !expected.MatchString(line) {
				t.Errorf("an error was logged: %s", line)
			}
		}
	})

	home := b.user()
	ada, grace := b.tab(home), b.tab(b.user())
	for name, p := range map[string]*tab{"ada": ada, "grace": grace} {
		p.open(site)
		p.click("checkbox", "Remember me")
		p.until(`() => document.querySelector("input[type=checkbox]").checked`)
		p.fill("XMPP address", name+"@trial.test")
		p.fill("Password", password)
		p.click("button", "Advanced")
		p.fill("Server address", "ws://"+network.Address()+"/ws")
		p.click("button", "Sign in")
		p.online()
	}

	t.Log("they chat")
	ada.click("button", "New chat")
	ada.fill("XMPP address", "grace@trial.test")
	ada.click("button", "Start chat")
	ada.say("Are you there? Ünïcödé")
	grace.click("button", "Contact requests…")
	grace.click("button", "Accept ada")
	grace.until(`() => e2e.all("dialog", "").length === 0`)
	grace.click("button", "ada,…")
	grace.reads("Are you there? Ünïcödé")
	grace.say("I am!")
	ada.reads("I am!")
	ada.until(`() => e2e.name([...document.querySelectorAll("[role=log] .msg.mine")].pop().querySelector(".meta [role=img]")) === "Read"`)

	t.Log("she reloads")
	ada.reload()
	ada.online()
	ada.reads("I am!")
	ada.say("said after a reload")
	grace.reads("said after a reload")

	t.Log("she has two tabs")
	second := b.tab(home)
	second.open(site)
	second.online()
	second.click("button", "grace,…")
	second.reads("said after a reload")
	grace.say("in both of them")
	ada.reads("in both of them")
	second.reads("in both of them")
	second.say("from the second")
	grace.reads("from the second")
	ada.reads("from the second")
	ada.close() // the one with the connection
	second.say("the first is gone")
	grace.reads("the first is gone")

	t.Log("she starts without a network")
	second.until(`() => navigator.serviceWorker.ready.then(() => true)`)
	network.Down(true)
	siteGoes()
	second.reload()
	second.until(`() => e2e.all("status", "Offline…")[0]`)
	second.reads("the first is gone")
	second.say("written in the air")
	second.until(`async () => (await e2e.rows("messages")).some((m) => m.out && m.body === "written in the air")`)
	network.Down(false)
	second.until(`() => { const b = e2e.all("button", "Retry now")[0]; if (b) b.click(); return e2e.all("status", "Connected…")[0] }`)
	grace.reads("written in the air")
}

// expected are errors that the test brings about itself.
var expected = regexp.MustCompile(`can.t establish a connection|NetworkError|interrupted while the page was loading`)

// server runs a trial server and returns the network in front of it.
func server(t *testing.T) *chaos.Proxy {
	t.Helper()
	s := trial.New(trial.Options{Domain: "trial.test"})
	for _, local := range []string{"ada", "grace"} {
		if err := s.AddAccount(local, password); err != nil {
			t.Fatal(err)
		}
	}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	network, err := chaos.NewProxy(strings.TrimPrefix(web.URL, "http://"), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	return network
}

func (p *tab) online() {
	p.t.Helper()
	p.until(`() => e2e.all("navigation", "Conversations")[0] && e2e.all("status", "Connected…")[0]`)
}

// say writes in the open conversation and waits until it stands there.
func (p *tab) say(text string) {
	p.t.Helper()
	p.click("textbox", "Message")
	p.keys(text + enter)
	p.reads(text)
}

// reads waits until a message with this text is in the open conversation.
func (p *tab) reads(text string) {
	p.t.Helper()
	p.until(`(text) => e2e.bodies().includes(text)`, text)
}
