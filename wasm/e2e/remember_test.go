//go:build linux

package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/input"

	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/xmpptest"
	"natter/server/trial"
)

// account is one at a server, and how it is signed in to.
type account struct {
	jid      jid.JID
	password string
	server   string // the endpoint
}

// remembering runs f with two accounts at the trial server, at a server that has
// tokens, and at one where SCRAM's keys have to do.
func remembering(t *testing.T, f func(t *testing.T, one, two account, tokens bool)) {
	t.Run("trial", func(t *testing.T) {
		t.Parallel()
		one, two := trialAccounts(t)
		f(t, one, two, true)
	})
	for _, kind := range []xmpptest.Kind{xmpptest.KindProsody13, xmpptest.KindProsody} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := xmpptest.Get(t, kind)
			one, two := s.Account(t, "", password), s.Account(t, "", password)
			f(t, account{one, password, s.WS}, account{two, password, s.WS}, kind == xmpptest.KindProsody13)
		})
	}
}

// trialAccounts are two at a trial server of their own that is in no hurry.
func trialAccounts(t testing.TB) (one, two account) {
	t.Helper()
	return trialAt(t, "trial.test")
}

func trialAt(t testing.TB, domain string) (one, two account) {
	t.Helper()
	s := trial.New(trial.Options{Domain: domain, Limits: trial.Limits{
		Stanzas: 1e6, StanzaBurst: 1e6, Bytes: 1e9, ByteBurst: 1e9, Fanout: 1e6, FanoutBurst: 1e6,
		Failures: 1e6, Archived: 1e6, Offline: 1e6, Queue: 1e6, Outbox: 1e6,
	}})
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	t.Cleanup(web.CloseClientConnections)
	both := [2]account{}
	for i, name := range []string{"ada", "grace"} {
		if err := s.AddAccount(name, password); err != nil {
			t.Fatal(err)
		}
		both[i] = account{jid.JID(name + "@" + domain), password, "ws" + strings.TrimPrefix(web.URL, "http") + "/ws"}
	}
	return both[0], both[1]
}

// resumed waits until the page is online, with the stream it had, and without having
// asked who is there.
func (p *person) resumed(tokens bool) {
	p.t.Helper()
	p.in()
	p.unasked()
	if !p.got("<resumed") {
		p.t.Error("the stream was not resumed")
	}
	if tokens != p.sent("HT-SHA-256-NONE") {
		p.t.Errorf("signed in with a token: %t, want %t", !tokens, tokens)
	}
}

// A page that is loaded again is there again, from the disk and with the stream it
// had, and misses nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	remembering(t, func(t *testing.T, one, two account, tokens bool) {
		p := visit(t, natter(t))
		p.watchForm()
		p.remember(string(one.jid), one.password, one.server)
		p.startChat(string(two.jid))
		other := talk(t, two.server, string(two.jid), two.password)
		var want []string
		hear := func(text string) { want = append(want, text); other.say(one.jid, text) }
		say := func(text string) { want = append(want, text); p.say(text) }
		say("hello")
		p.marked("Sent")
		hear("good morning")
		p.until(`() => e2e.bodies().includes("good morning")`)

		t.Log("as it comes")
		p.reload()
		p.resumed(tokens)
		p.find("textbox", "Message") // the conversation is open again
		same(t, "after a reload there is", p.bodies(), want)

		t.Log("in the middle of a conversation")
		for i := range 20 {
			hear(fmt.Sprintf("number %d", i))
		}
		p.fill("Message", "written just before")
		p.keys(input.Enter)
		want = append(want, "written just before")
		p.reads("You", "written just before")
		p.reload()
		p.resumed(tokens)
		say("written just after")
		p.marked("Sent")
		p.until(`() => e2e.bodies().includes("number 19")`)
		other.until("to have the last one", func(*state.State) bool { return slices.Contains(other.heard(one.jid), "written just after") })
		bodies, heard := p.bodies(), other.heard(one.jid)
		byAuthor := func(list []string, mine bool) (some []string) {
			for _, b := range list {
				if (b == "hello" || strings.HasPrefix(b, "written")) == mine {
					some = append(some, b)
				}
			}
			return some
		}
		same(t, "of the other's there is", byAuthor(bodies, false), byAuthor(want, false))
		same(t, "of one's own there is", byAuthor(bodies, true), byAuthor(want, true))
		same(t, "the other has heard", heard, byAuthor(want, true))
	})
}

// Without any network the app opens, shows what there was, finds something in it, and
// takes what is written; the browser may be killed meanwhile. Then all of it is sent.
func TestAirplane(t *testing.T) {
	t.Parallel()
	remembering(t, func(t *testing.T, one, two account, tokens bool) {
		page, stop := program(t)
		w := lay(t, one.server)
		d := newDevice(t)
		p := d.visit(page)
		p.remember(string(one.jid), one.password, w.URL)
		toOther := lay(t, two.server)
		var arrived []string // written in the air, as the other's server passes it on
		toOther.down = func(doc string) string {
			if strings.Contains(doc, "in the air") && !strings.Contains(doc, "<forwarded") {
				arrived = append(arrived, doc)
			}
			return doc
		}
		other := talk(t, toOther.URL, string(two.jid), two.password)
		const before, lisbon = 120, 17
		body := func(i int) string {
			if i == lisbon {
				return fmt.Sprintf("message %d: the suitcase is in Lisbon", i)
			}
			return fmt.Sprintf("message %d", i)
		}
		for i := range before {
			other.say(one.jid, body(i))
		}
		p.find("button", fmt.Sprintf("…%d unread", before))
		p.stored(before)
		p.installed()

		t.Log("the network goes, the browser dies")
		w.broken(true)
		d.kill()
		stop()
		name := string(two.jid.Local())
		open := func() *person {
			d.start()
			p := d.sit()
			p.forgives(failedFetch, failedSocket, "^warning: natter: no offline use")
			p.offline(true)
			p.open(page)
			p.find("navigation", "Conversations")
			p.find("status", "Offline…This device is not connected to the internet.")
			p.chat(name)
			return p
		}
		p = open()
		p.newest()
		for last := follow(t, p.bodies(), before, body); last > 0; {
			var seen struct{ Bodies []string }
			p.must(p.eval(stepUp, 2000).Unmarshal(&seen))
			last = follow(t, seen.Bodies, last, body)
		}
		p.fill("Search conversations and messages", "suitcase lisbon")
		p.click("button", name+".…"+body(lisbon)+"…")
		p.until(`(body) => document.activeElement.id === "found" && document.activeElement.querySelector(".text").textContent === body`, body(lisbon))
		p.newest()
		var written []string
		for i := range 3 {
			written = append(written, fmt.Sprintf("written in the air %d", i))
			p.say(written[i])
		}
		p.marked("Waiting to be sent")
		times := p.times(written)
		p.kept(len(written))

		t.Log("the browser dies again")
		d.kill()
		p = open()
		p.reads("You", written[2])
		p.marked("Waiting to be sent")
		same(t, "after a restart their times are", p.times(written), times)

		t.Log("back on the ground")
		p.offline(false)
		w.broken(false)
		p.retry()
		p.in()
		p.until(`() => document.querySelectorAll("[role=log] .msg.mine .mark-clock").length === 0`)
		if tokens != p.sent("HT-SHA-256-NONE") {
			t.Errorf("signed in with a token: %t, want %t", !tokens, tokens)
		}
		other.until("to have all messages", func(*state.State) bool { return len(other.heard(one.jid)) >= len(written) })
		p.say("and one more") // whatever might come twice has come before it
		other.until("to have the last one", func(*state.State) bool { return slices.Contains(other.heard(one.jid), "and one more") })
		same(t, "the other has", other.heard(one.jid), append(slices.Clone(written), "and one more"))
		var there []string
		for _, doc := range arrived {
			if m := stampPattern.FindStringSubmatch(doc); m != nil {
				there = append(there, m[1]+"Z")
			}
		}
		same(t, "the other is told the times", there, times)
		same(t, "one's own are", p.times(written), times)
	})
}

// times returns when messages with these bodies were written, as the page has it.
func (p *person) times(bodies []string) (times []string) {
	p.t.Helper()
	for _, body := range bodies {
		times = append(times, p.until(`(body) => {
			const m = [...document.querySelectorAll("[role=log] .msg")].find((m) => m.querySelector(".text").textContent === body);
			return m && m.querySelector("time").dateTime;
		}`, body).Str())
	}
	return times
}

// stored waits until so many messages are on the disk: what is on the screen may be ahead of
// it, and until it is there the server keeps it.
func (p *person) stored(n int) {
	p.t.Helper()
	p.until(`async (n) => (await e2e.rows("messages")).length >= n`, n)
}

// kept waits until so many messages are in the outbox on the disk.
func (p *person) kept(n int) {
	p.t.Helper()
	p.until(`async (n) => (await e2e.rows("messages")).filter((m) => m.out).length >= n`, n)
}

// Who signs out leaves nothing behind, on the device or at the server, nor in the
// other tabs.
func TestSignOutLeavesNothing(t *testing.T) {
	t.Parallel()
	remembering(t, func(t *testing.T, one, two account, tokens bool) {
		p := visit(t, natter(t))
		p.remember(string(one.jid), one.password, one.server)
		p.startChat(string(two.jid))
		const secret = "only between us"
		p.say(secret)
		p.marked("Sent")
		p.installed()
		traces := []string{one.jid.String(), two.jid.String(), one.server, one.password, secret}
		p.until(`async (text) => (await e2e.stored()).includes(text)`, secret)
		for _, trace := range []string{one.jid.String(), two.jid.String(), one.server} {
			if !p.eval(`async (text) => (await e2e.stored()).includes(text)`, trace).Bool() {
				t.Errorf("%s is not stored: the test cannot fail", trace)
			}
		}
		if p.eval(`async (text) => (await e2e.stored()).includes(text)`, one.password).Bool() {
			t.Error("the password is stored")
		}
		token, agent := "", ""
		if tokens {
			token, agent = p.token()
		}
		p.signOut()
		for _, trace := range traces {
			p.until(`async (text) => !(await e2e.stored()).includes(text)`, trace)
		}
		p.until(`async () => (await e2e.rows("secrets")).length === 0`)
		if tokens {
			worthless(t, one, token, agent) // SCRAM's keys are good until the password changes
		}
		p.reload()
		p.find("button", "Sign in")
		if address := p.holds("XMPP address"); address != "" {
			t.Errorf("the form still knows %q", address)
		}
	})
}

// Where a server is found may name a person. It is kept for those who are remembered, and
// as long as one of them is.
func TestSec52_WhereTheServerIs(t *testing.T) {
	t.Parallel()
	const domain = "smith.test"
	one, two := trialAt(t, domain)
	meta := hostMeta(`{"links": [{"rel": "urn:xmpp:alt-connections:websocket", "href": "wss://` + domain + `/ws"}]}`)
	server := passTo(t, strings.TrimSuffix("http"+strings.TrimPrefix(one.server, "ws"), "/ws"))
	site(t, xmpptest.Ours(), domain, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			meta(w, r)
			return
		}
		server(w, r)
	})
	address, d := natter(t), newDevice(t)
	ada, grace := d.visit(address), d.visit(address)
	for _, p := range []*person{ada, grace} {
		p.forgives(failedFetch)
		p.find("button", "Sign in")
	}
	const names = `async (domain) => (await e2e.stored()).includes(domain)`

	t.Log("she does not want to be remembered")
	ada.signIn(string(one.jid), one.password)
	ada.in()
	if ada.eval(names, domain).Bool() {
		t.Error("it is kept")
	}
	ada.signOut()
	if ada.eval(names, domain).Bool() {
		t.Error("it is kept after that")
	}

	t.Log("both do")
	ada.remember(string(one.jid), one.password)
	grace.remember(string(two.jid), two.password)
	const kept = `() => Object.keys(localStorage).filter((key) => key.startsWith("natter.endpoints."))`
	if keys := ada.until(`() => { const keys = (` + kept + `)(); return keys.length > 0 && keys }`).Arr(); len(keys) != 1 || strings.Contains(keys[0].Str(), domain) {
		t.Errorf("kept as %v", keys)
	}
	ada.reload()
	ada.in()
	ada.signOut()
	grace.until(`async (name) => !(await e2e.stored()).includes(name)`, store.Name(one.jid))
	if n := len(grace.eval(kept).Arr()); n != 1 {
		t.Errorf("%d are kept for grace", n)
	}
	grace.signOut()
	grace.until(`async (domain) => !(await e2e.stored()).includes(domain)`, domain)
	if n := len(grace.eval(kept).Arr()); n != 0 {
		t.Errorf("%d are kept for nobody", n)
	}
}

// Two people who want to be remembered in two tabs of one browser have nothing to do with
// each other: each tab stays whose it is, and who signs out takes along what is theirs.
func TestSec52_TwoAccounts(t *testing.T) {
	t.Parallel()
	one, two := trialAccounts(t)
	address, d := natter(t), newDevice(t)
	ada, grace := d.visit(address), d.visit(address)
	ada.find("button", "Sign in")
	grace.find("button", "Sign in")
	ada.remember(string(one.jid), one.password, one.server)
	grace.remember(string(two.jid), two.password, two.server)
	token, agent := grace.token()
	back := func(p *person, who account) {
		t.Helper()
		p.reload()
		p.in()
		p.unasked()
		p.until(`(who) => document.getElementById("menu").textContent.includes(who)`, string(who.jid))
	}
	gone := func(p *person, who account) {
		t.Helper()
		p.until(`async (name) => !(await e2e.stored()).includes(name)`, store.Name(who.jid))
		if n := p.eval(`async () => (await e2e.rows("secrets")).filter(({ look }) => !look).length`).Int(); n != 2 {
			t.Errorf("%d rows are in the vault, want the other's credential and note", n)
		}
	}
	back(ada, one)
	back(grace, two)
	back(ada, one)
	ada.startChat(string(two.jid))
	ada.say("hello")
	ada.marked("Sent")

	t.Log("grace signs out")
	grace.signOut()
	gone(ada, two)
	worthless(t, two, token, agent)
	back(ada, one)
	ada.reads("You", "hello")

	t.Log("ada signs out, and her tab dies at once")
	grace.remember(string(two.jid), two.password, two.server)
	ada.open("about:blank")
	grace.eval(`async (name, note) => natterVault.mark(name, note)`, store.Name(one.jid), fmt.Sprintf(`{"account":%q,"out":true}`, one.jid))
	back(grace, two)
	gone(grace, one)
	back(grace, two)
}

// Whoever was remembered and signs in without the tick leaves nothing but the open tab.
func TestSec52_NoLongerRemembered(t *testing.T) {
	t.Parallel()
	one, two := trialAccounts(t)
	address, d := natter(t), newDevice(t)
	beside := d.visit(address)
	beside.installed() // it has found nobody to be remembered
	p := d.visit(address)
	p.remember(string(one.jid), one.password, one.server)
	p.startChat(string(two.jid))
	p.say("hello")
	p.marked("Sent")
	opened := func(p *person) string {
		return p.eval(`() => localStorage.getItem("natter.open") || ""`).Str()
	}
	if got := opened(p); got != string(two.jid) {
		t.Errorf("the open conversation is %q", got)
	}
	token, agent := p.token()

	t.Log("somebody else, who is not remembered")
	const untick = `() => { const box = document.querySelector("input[type=checkbox]"); if (box.checked) box.click(); return !box.checked }`
	beside.page.MustActivate() // a click in a tab that is covered takes seconds
	beside.until(untick)
	beside.signIn(string(two.jid), two.password, two.server)
	beside.in()
	beside.startChat("somebody@trial.test")
	if got := opened(p); got == "somebody@trial.test" {
		t.Error("their open conversation is kept")
	}
	beside.signOut()
	if n := p.eval(`async () => (await e2e.rows("secrets")).filter(({ look }) => !look).length`).Int(); n != 2 {
		t.Errorf("%d rows are in the vault after somebody else has signed out", n)
	}
	p.reload()
	p.in()

	t.Log("the password is needed")
	if err := invalidate(one, token, agent); err != nil {
		t.Fatal(err)
	}
	p.reload()
	p.until(`() => document.getElementById("signin-notice").checkVisibility()`)
	p.until(untick)
	p.signIn(string(one.jid), one.password, one.server)
	p.in()
	p.chat(string(two.jid.Local()))
	p.reads("You", "hello")
	p.until(`async (name) => !(await e2e.stored()).includes(name) && (await e2e.rows("secrets")).length === 0`, store.Name(one.jid))
	for _, who := range []account{one, two} {
		if p.eval(`(who) => JSON.stringify({...localStorage}).includes(who)`, string(who.jid)).Bool() {
			t.Errorf("%s is kept", who.jid)
		}
	}
	p.reload()
	p.find("button", "Sign in")
	if got := p.holds("XMPP address"); got != "" {
		t.Errorf("the form still knows %q", got)
	}
}

// A vault that cannot be opened for a moment holds what it held: the page shows what there
// is, waits, and is back.
func TestSec52_TheVaultIsBusy(t *testing.T) {
	t.Parallel()
	one, two := trialAccounts(t)
	p := visit(t, natter(t))
	p.watchForm()
	p.remember(string(one.jid), one.password, one.server)
	p.startChat(string(two.jid))
	p.say("hello")
	p.marked("Sent")
	p.forgives("the disk is busy")
	p.page.MustEvalOnNewDocument(`(() => {
		const open = IDBFactory.prototype.open;
		window.busy = true;
		IDBFactory.prototype.open = function (name, ...rest) {
			if (window.busy && name === "natter-vault") throw new DOMException("the disk is busy", "UnknownError");
			return open.call(this, name, ...rest);
		};
	})()`)
	p.reload()
	p.find("status", "…cannot be read at the moment…")
	p.reads("You", "hello")
	p.eval(`() => { window.busy = false }`)
	p.retry()
	p.resumed(true)
}

// Some browsers ask the person whether the site may keep things for good, and answer only
// then: nothing waits for that, and it is asked when somebody has signed in to stay.
func TestNobodyWaitsForPersist(t *testing.T) {
	t.Parallel()
	one, two := trialAccounts(t)
	p := arrive(t)
	p.watchForm()
	p.page.MustEvalOnNewDocument(`(() => {
		window.asked = 0;
		navigator.storage.persist = () => { window.asked++; return new Promise(() => {}) };
	})()`)
	p.open(natter(t))
	p.remember(string(one.jid), one.password, one.server)
	p.until(`() => window.asked === 1`)
	p.startChat(string(two.jid))
	p.say("hello")
	p.marked("Sent")
	p.reload()
	p.resumed(true)
	if n := p.eval(`() => window.asked`).Int(); n != 0 {
		t.Errorf("asked %d times after a reload", n)
	}
}

var (
	stampPattern = regexp.MustCompile(`<delay [^>]*stamp=['"]([^.'"]+)\.`)
	tokenPattern = regexp.MustCompile(`<token [^>]*token=['"]([^'"]+)['"]`)
	agentPattern = regexp.MustCompile(`<user-agent [^>]*id=['"]([^'"]+)['"]`)
)

// token returns the last token that the page was given, and who it is to servers.
func (p *person) token() (token, agent string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, doc := range p.received {
		if m := tokenPattern.FindStringSubmatch(doc); m != nil {
			token = m[1]
		}
	}
	for _, doc := range p.frames {
		if m := agentPattern.FindStringSubmatch(doc); m != nil {
			agent = m[1]
		}
	}
	if token == "" || agent == "" {
		p.t.Fatal("there was no token")
	}
	return token, agent
}

// showing is a client that has a token.
func showing(who account, token, agent string) (*connect.Connector, connect.Request) {
	return &connect.Connector{
			Find: &discover.Finder{AllowLoopback: true}, Dial: dialing(), Crypto: sasl.Standard{}, Pins: noPins{}, NewID: rand.Text,
			UserAgent: connect.UserAgent{ID: agent, Software: "Natter"},
		}, connect.Request{Account: who.jid, Server: who.server, Remember: true, Credential: &connect.Credential{
			Account: who.jid, UserAgent: agent, Mechanism: sasl.HTSHA256None, Token: token, Expiry: time.Now().Add(time.Hour),
		}}
}

// invalidate makes a token worthless.
func invalidate(who account, token, agent string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, request := showing(who, token, agent)
	return c.Invalidate(ctx, request)
}

// redeem signs in with a token.
// worthless waits until a token is good for nothing any more: a page that signs out tells
// the server last.
func worthless(t testing.TB, who account, token, agent string) {
	t.Helper()
	var err error
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(100 * time.Millisecond) {
		var refused *connect.CredentialError
		if err = redeem(who, token, agent); errors.As(err, &refused) && refused.Reason == connect.Refused {
			return
		}
	}
	t.Fatalf("the token gives %v", err)
}

func redeem(who account, token, agent string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, request := showing(who, token, agent)
	s, err := c.Connect(ctx, request)
	if err == nil {
		_ = s.Conn.Close(ctx)
	}
	return err
}
