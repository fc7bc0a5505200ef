package trial

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"natter/framing"
)

func TestV13_From(t *testing.T) {
	for _, tc := range []struct{ name, from string }{
		{"none", ""}, {"bare", "ada@localhost"}, {"full", "ada@localhost/a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := demo(t)
			ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
			ada.send(`<message xmlns='jabber:client' type='chat' from='` + tc.from + `' to='grace@localhost'><body>hi</body></message>`)
			ada.all()
			if e := grace.all()[0]; e.Attr("from") != "ada@localhost/a" {
				t.Error(e)
			}
		})
	}
	t.Run("somebody else's", func(t *testing.T) {
		f := demo(t)
		ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
		ada.send(`<message xmlns='jabber:client' from='echo@localhost' to='grace@localhost'><body>hi</body></message>`)
		ada.wantFailure(framing.InvalidFrom)
		grace.wantBodies()
	})
	t.Run("the server's answers", func(t *testing.T) {
		ada := demo(t).bound(t, "ada", "a")
		ada.send(`<iq xmlns='jabber:client' type='get' id='1' to='localhost'><query xmlns='jabber:iq:version'/></iq>`)
		ada.want("from='localhost'")
		ada.send(`<iq xmlns='jabber:client' type='get' id='2'><query xmlns='jabber:iq:roster'/></iq>`)
		if e := ada.next(); e.Attr("from") != "" && e.Attr("from") != "ada@localhost" {
			t.Error(e)
		}
	})
}

func TestV14_IQ(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, iq, want string }{
		{"unknown to the account", `type='get'><x xmlns='urn:x'/>`, "<service-unavailable"},
		{"unknown to the server", `type='get' to='localhost'><x xmlns='urn:x'/>`, "<service-unavailable"},
		{"set where get is known", `type='set' to='localhost'><ping xmlns='urn:xmpp:ping'/>`, "<service-unavailable"},
		{"no child", `type='get' to='localhost'>`, "<bad-request"},
		{"two children", `type='get' to='localhost'><ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/>`, "<bad-request"},
		{"two children to somebody", `type='get' to='echo@localhost/echo'><ping xmlns='urn:xmpp:ping'/><x xmlns='urn:x'/>`, "<bad-request"},
		{"unknown type", `type='ask' to='localhost'><ping xmlns='urn:xmpp:ping'/>`, "<bad-request"},
		{"ping the server", `type='get' to='localhost'><ping xmlns='urn:xmpp:ping'/>`, "type='result'"},
		{"ping the account", `type='get'><ping xmlns='urn:xmpp:ping'/>`, "type='result'"},
		{"ping a client that is known", `type='get' to='echo@localhost/echo'><ping xmlns='urn:xmpp:ping'/>`, "type='result'"},
		{"version", `type='get' to='localhost'><query xmlns='jabber:iq:version'/>`, "<name>Natter"},
		{"time", `type='get' to='localhost'><time xmlns='urn:xmpp:time'/>`, "<utc>2026-01-02T03:04:05.000Z"},
		{"server's features", `type='get' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/>`, "urn:xmpp:carbons:2"},
		{"account's features", `type='get' to='ada@localhost'><query xmlns='http://jabber.org/protocol/disco#info'/>`, "urn:xmpp:mam:2"},
		{"contact's features", `type='get' to='grace@localhost'><query xmlns='http://jabber.org/protocol/disco#info'/>`, "registered"},
		{"echo's features", `type='get' to='echo@localhost/echo'><query xmlns='http://jabber.org/protocol/disco#info'/>`, "type='bot'"},
		{"unknown to echo", `type='get' to='echo@localhost/echo'><x xmlns='urn:x'/>`, "<service-unavailable"},
		{"items", `type='get' to='localhost'><query xmlns='http://jabber.org/protocol/disco#items'/>`, "type='result'"},
		{"unknown node", `type='get' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info' node='x'/>`, "<item-not-found"},
		{"archive of somebody else", `type='set' to='grace@localhost'><query xmlns='urn:xmpp:mam:2'/>`, "<service-unavailable"},
		{"roster of somebody else", `type='get' to='grace@localhost'><query xmlns='jabber:iq:roster'/>`, "<service-unavailable"},
		{"sec 99 nobody", `type='get' to='nobody@localhost'><query xmlns='http://jabber.org/protocol/disco#info'/>`, "<service-unavailable"},
		{"sec 99 a stranger", `type='get' to='bob@localhost'><query xmlns='http://jabber.org/protocol/disco#info'/>`, "<service-unavailable"},
		{"sec 99 a stranger's client", `type='get' to='bob@localhost/b'><ping xmlns='urn:xmpp:ping'/>`, "<service-unavailable"},
		{"no such client", `type='get' to='grace@localhost/none'><ping xmlns='urn:xmpp:ping'/>`, "<service-unavailable"},
		{"elsewhere", `type='get' to='example.org'><ping xmlns='urn:xmpp:ping'/>`, "<remote-server-not-found"},
		{"no address", `type='get' to='@'><ping xmlns='urn:xmpp:ping'/>`, "<jid-malformed"},
		{"old session", `type='set'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>`, "type='result'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := demo(t)
			f.account(t, "bob")
			f.online(t, "bob", "b")
			ada := f.bound(t, "ada", "a")
			ada.send(`<iq xmlns='jabber:client' id='q' ` + tc.iq + `</iq>`)
			if e := ada.want(tc.want); e.Attr("id") != "q" {
				t.Error(e)
			}
		})
	}
	t.Run("between clients, answer included", func(t *testing.T) {
		f := demo(t)
		ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
		ada.all()
		ada.send(`<iq xmlns='jabber:client' id='q' type='get' to='grace@localhost/g'><x xmlns='urn:x'/></iq>`)
		ada.all()
		if e := grace.all()[0]; e.Child("urn:x", "x") == nil || e.Attr("from") != ada.jid {
			t.Error(e)
		}
		grace.send(`<iq xmlns='jabber:client' id='q' type='result' to='ada@localhost/a'/>`)
		grace.all()
		if e := ada.all()[0]; e.Attr("id") != "q" || e.Attr("from") != grace.jid {
			t.Error(e)
		}
	})
}

func TestV15_PassedOnUnchanged(t *testing.T) {
	f := demo(t)
	ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
	ada.send(`<message xmlns='jabber:client' xml:lang='de' to='Grace@LOCALHOST' type='chat'><body xml:lang='fr'>a<!-- --></body></message>`)
	ada.wantFailure(framing.RestrictedXML) // comments are not allowed, RFC 6120 §11.1
	ada = f.online(t, "ada", "a")
	grace.all()
	ada.send(`<message xmlns='jabber:client' xml:lang='de' to='Grace@LOCALHOST' type='chat'><body xml:lang='fr'>&lt;b&gt; ☃</body><x xmlns='urn:x' y:z='1' xmlns:y='urn:y'><deep>down</deep></x></message>`)
	ada.all()
	got := grace.all()[0]
	x := got.Child("urn:x", "x")
	z, _ := x.Lookup(framing.Name{Space: "urn:y", Local: "z"})
	body := got.Child(framing.NSClient, "body")
	if got.Lang() != "de" || got.Attr("to") != "Grace@LOCALHOST" || body.Lang() != "fr" || body.Text() != "<b> ☃" ||
		x.Child("urn:x", "deep").Text() != "down" || z != "1" {
		t.Error(got)
	}
}

func TestSec101_Forged(t *testing.T) {
	f := demo(t)
	ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
	ada.send(`<message xmlns='jabber:client' xmlns:e='urn:evil' e:from='grace@localhost' to='grace@localhost' type='chat'><body>hi</body>` +
		`<stanza-id xmlns='urn:xmpp:sid:0' by='grace@localhost' id='forged'/><stanza-id xmlns='urn:xmpp:sid:0' by='room@example.org' id='theirs'/>` +
		`<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/><delay xmlns='urn:xmpp:delay' from='localhost' stamp='2001-01-01T00:00:00Z'/></message>`)
	ada.all()
	got := grace.all()[0]
	if has(got, "forged") || has(got, "urn:evil") || has(got, "2001") {
		t.Errorf("forged parts were passed on: %s", got)
	}
	if !has(got, "id='theirs'") || !has(got, "by='grace@localhost'") || got.Child(framing.NSClient, "body").Text() != "hi" {
		t.Errorf("honest parts are missing: %s", got)
	}
}

// The table of RFC 6121 §8.5.4. Grace's clients are a word each: a minus is a
// negative priority, a plus a higher one, x has sent no presence.
func TestRouting(t *testing.T) {
	t.Parallel()
	const bare, full, gone = "grace@localhost", "grace@localhost/one", "grace@localhost/none"
	for _, tc := range []struct{ clients, to, kind, want string }{
		{"", "nobody@localhost", "chat", "error"},
		{"", "nobody@localhost", "headline", ""},
		{"", "nobody@localhost", "error", ""},
		{"", bare, "normal", "stored"},
		{"", bare, "chat", "stored"},
		{"", bare, "groupchat", "error"},
		{"", bare, "headline", ""},
		{"", bare, "error", ""},
		{"", gone, "normal", "error"},
		{"", gone, "chat", "stored"},
		{"", gone, "groupchat", "error"},
		{"", gone, "headline", ""},
		{"", gone, "error", ""},
		{"-one", bare, "chat", "stored"},
		{"-one", bare, "normal", "stored"},
		{"-one", bare, "headline", ""},
		{"-one", full, "chat", "one"},
		{"-one", full, "headline", "one"},
		{"-one", gone, "chat", "stored"},
		{"xone", bare, "chat", "stored"},
		{"xone", full, "chat", "one"},
		{"one", bare, "chat", "one"},
		{"one", bare, "normal", "one"},
		{"one", bare, "headline", "one"},
		{"one", bare, "groupchat", "error"},
		{"one", bare, "error", ""},
		{"one", full, "groupchat", "one"},
		{"one", full, "error", "one"},
		{"one", gone, "normal", "error"},
		{"one", gone, "chat", "one"},
		{"one two", bare, "chat", "one two"},
		{"one +two", bare, "chat", "two"},
		{"one +two", bare, "normal", "two"},
		{"one +two -three", bare, "headline", "one two"},
		{"one +two", full, "chat", "one"},
		{"one +two", gone, "chat", "two"},
		{"", "localhost", "chat", ""},
		{"", "echo@example.org", "chat", "error"},
	} {
		t.Run(fmt.Sprintf("%s to %s with %s", tc.kind, tc.to, tc.clients), func(t *testing.T) {
			f := demo(t)
			var graces []*client
			var names []string
			for _, name := range strings.Fields(tc.clients) {
				resource := strings.TrimLeft(name, "-+x")
				c := f.bound(t, "grace", resource)
				switch name[0] {
				case '-':
					c.send(`<presence xmlns='jabber:client'><priority>-1</priority></presence>`)
				case '+':
					c.send(`<presence xmlns='jabber:client'><priority>5</priority></presence>`)
				case 'x':
				default:
					c.send(`<presence xmlns='jabber:client'/>`)
				}
				c.all()
				graces, names = append(graces, c), append(names, resource)
			}
			f.mu.Lock()
			f.accounts["grace"].offline = nil // echo's greeting
			f.mu.Unlock()
			ada := f.bound(t, "ada", "a")
			ada.send(`<message xmlns='jabber:client' id='m' to='` + tc.to + `' type='` + tc.kind + `'><body>hi</body></message>`)
			var got []string
			for _, e := range ada.all() {
				if e.Attr("type") == "error" && e.Attr("id") == "m" {
					got = append(got, "error")
				}
			}
			for i, c := range graces {
				if len(c.bodies()) > 0 {
					got = append(got, names[i])
				}
			}
			f.mu.Lock()
			if len(f.accounts["grace"].offline) > 0 {
				got = append(got, "stored")
			}
			f.mu.Unlock()
			if s := strings.Join(got, " "); s != tc.want {
				t.Errorf("got %q, want %q", s, tc.want)
			}
		})
	}
}

func TestCarbons(t *testing.T) {
	t.Parallel()
	const on = `<iq xmlns='jabber:client' type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>`
	for _, tc := range []struct {
		name, doc string
		sent      bool // ada's other client sees it
		received  bool // grace's other client sees it
	}{
		{"chat", chat("grace@localhost/one", "hi"), true, true},
		{"normal with body", `<message xmlns='jabber:client' to='grace@localhost/one'><body>hi</body></message>`, true, true},
		{"normal without", `<message xmlns='jabber:client' to='grace@localhost/one'><x xmlns='urn:x'/></message>`, false, false},
		{"receipt", `<message xmlns='jabber:client' type='chat' to='grace@localhost/one'><received xmlns='urn:xmpp:receipts' id='1'/></message>`, true, true},
		{"private", `<message xmlns='jabber:client' type='chat' to='grace@localhost/one'><body>hi</body><private xmlns='urn:xmpp:carbons:2'/></message>`, false, false},
		{"no-copy", `<message xmlns='jabber:client' type='chat' to='grace@localhost/one'><body>hi</body><no-copy xmlns='urn:xmpp:hints'/></message>`, false, false},
		{"groupchat", `<message xmlns='jabber:client' type='groupchat' to='grace@localhost/one'><body>hi</body></message>`, false, false},
		{"headline", `<message xmlns='jabber:client' type='headline' to='grace@localhost/one'><body>hi</body></message>`, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := demo(t)
			ada, other := f.online(t, "ada", "a"), f.online(t, "ada", "b")
			one, two := f.online(t, "grace", "one"), f.online(t, "grace", "two")
			for _, c := range []*client{other, two} {
				c.send(on)
			}
			for _, c := range []*client{ada, other, one, two} {
				c.all()
			}
			ada.send(tc.doc)
			if got := ada.all(); len(got) != 0 {
				t.Errorf("the sender got %v", got)
			}
			if got := one.all(); len(got) != 1 || got[0].Child(nsCarbons, "received") != nil {
				t.Errorf("the addressee got %v", got)
			}
			for _, side := range []struct {
				c         *client
				want      bool
				direction string
				from      string
			}{{other, tc.sent, "sent", "ada@localhost"}, {two, tc.received, "received", "grace@localhost"}} {
				got := side.c.all()
				if len(got) != 0 != side.want {
					t.Errorf("%s got %v, want one: %v", side.c.jid, got, side.want)
					continue
				}
				if side.want {
					m := got[0].Child(nsCarbons, side.direction).Child(nsForward, "forwarded").Child(framing.NSClient, "message")
					if got[0].Attr("from") != side.from || m.Attr("from") != ada.jid || m.Attr("to") != "grace@localhost/one" {
						t.Error(got[0])
					}
				}
			}
		})
	}
	t.Run("off again", func(t *testing.T) {
		f := demo(t)
		ada, other := f.online(t, "ada", "a"), f.online(t, "ada", "b")
		other.send(on)
		other.all()
		other.send(`<iq xmlns='jabber:client' type='set' id='c'><disable xmlns='urn:xmpp:carbons:2'/></iq>`)
		other.want("type='result'")
		ada.send(chat("grace@localhost", "hi"))
		ada.all()
		if got := other.all(); len(got) != 0 {
			t.Error(got)
		}
	})
}

func TestEcho(t *testing.T) {
	f := demo(t)
	ada := f.online(t, "ada", "a")
	ada.all()
	ada.send(`<message xmlns='jabber:client' type='chat' id='m1' to='echo@localhost'><body>Hello?</body><request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/></message>`)
	got := ada.all()
	if len(got) != 4 {
		t.Fatalf("got %v", got)
	}
	if got[0].Child(nsReceipts, "received").Attr("id") != "m1" ||
		got[1].Child(nsMarkers, "displayed").Attr("id") != "m1" ||
		got[2].Child(nsStates, "composing") == nil ||
		got[3].Child(framing.NSClient, "body").Text() != "Hello?" || got[3].Child(nsStates, "active") == nil {
		t.Errorf("got %v", got)
	}
	t.Run("takes its time", func(t *testing.T) {
		ada := start(t, Options{Demo: true, EchoPause: time.Millisecond}).bound(t, "ada", "a")
		ada.send(chat("echo@localhost", "Slowly."))
		ada.want("<composing")
		ada.want("<body>Slowly.")
	})
	t.Run("answers in order", func(t *testing.T) {
		ada := start(t, Options{Demo: true, EchoPause: time.Millisecond}).bound(t, "ada", "a")
		for i := range 20 {
			ada.send(chat("echo@localhost", fmt.Sprintf("message %d", i)))
		}
		for i := 0; i < 20; {
			body := ada.next().Child(framing.NSClient, "body")
			if body == nil {
				continue // typing
			}
			if want := fmt.Sprintf("message %d", i); body.Text() != want {
				t.Fatalf("answered %q, want %q", body.Text(), want)
			}
			i++
		}
	})
	t.Run("can be added", func(t *testing.T) {
		f.account(t, "bob")
		bob := f.online(t, "bob", "b")
		bob.send(`<presence xmlns='jabber:client' type='subscribe' to='echo@localhost'/>`)
		there := false
		for _, e := range bob.all() {
			there = there || e.Name.Local == "presence" && e.Attr("from") == "echo@localhost/echo" && e.Attr("type") == ""
		}
		if !there {
			t.Error("echo did not show itself")
		}
	})
	t.Run("greets", func(t *testing.T) {
		f := demo(t)
		grace := f.bound(t, "grace", "g")
		grace.send(`<presence xmlns='jabber:client'/>`)
		grace.wantBodies(greeting)
	})
}
