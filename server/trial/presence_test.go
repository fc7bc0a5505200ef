package trial

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"natter/framing"
)

// The nine states of RFC 6121 §A.1.
var states = map[string]subscription{
	"none":        {},
	"none+out":    {pendingOut: true},
	"none+in":     {pendingIn: true},
	"none+out+in": {pendingOut: true, pendingIn: true},
	"to":          {to: true},
	"to+in":       {to: true, pendingIn: true},
	"from":        {from: true},
	"from+out":    {from: true, pendingOut: true},
	"both":        {to: true, from: true},
}

// The tables of RFC 6121 §A.2: for every state in this order the new state, with
// an exclamation mark when the stanza is passed on.
func TestSubscriptionOutbound(t *testing.T) {
	before := strings.Fields("none none+out none+in none+out+in to to+in from from+out both")
	for kind, row := range map[string]string{
		"subscribe":    "none+out! none+out! none+out+in! none+out+in! to! to+in! from+out! from+out! both!",
		"unsubscribe":  "none! none! none+in! none+in! none! none+in! from! from! from!",
		"subscribed":   "none none+out from! from+out! to both! from from+out both",
		"unsubscribed": "none none+out none! none+out! to to! none! none+out! to!",
	} {
		for i, want := range strings.Fields(row) {
			next, route := states[before[i]].outbound(kind)
			if next != states[strings.TrimSuffix(want, "!")] || route != strings.HasSuffix(want, "!") {
				t.Errorf("%s in %s: %+v %v, want %s", kind, before[i], next, route, want)
			}
		}
	}
}

// The tables of RFC 6121 §A.3, with a question mark for an answer on our behalf.
func TestSubscriptionInbound(t *testing.T) {
	before := strings.Fields("none none+out none+in none+out+in to to+in from from+out both")
	for kind, row := range map[string]string{
		"subscribe":    "none+in! none+out+in! none+in none+out+in to+in! to+in from? from+out? both?",
		"unsubscribe":  "none none+out none!? none+out!? to to!? none!? none+out!? to!?",
		"subscribed":   "none to! none+in to+in! to to+in from both! both",
		"unsubscribed": "none none! none+in none+in! none! none+in! from from! from!",
	} {
		for i, want := range strings.Fields(row) {
			next, deliver, answer := states[before[i]].inbound(kind)
			if next != states[strings.TrimRight(want, "!?")] || deliver != strings.Contains(want, "!") ||
				(answer != "") != strings.Contains(want, "?") {
				t.Errorf("%s in %s: %+v %v %q, want %s", kind, before[i], next, deliver, answer, want)
			}
		}
	}
}

// summary is what happened, in words that can be compared.
func summary(elements []*framing.Element) []string {
	var s []string
	for _, e := range elements {
		kind := e.Attr("type")
		if kind == "" {
			kind = "available"
		}
		switch item := e.Child(nsRoster, "query").Child(nsRoster, "item"); {
		case e.Name.Local == "presence":
			s = append(s, fmt.Sprintf("%s from %s", kind, e.Attr("from")))
		case item != nil && e.Attr("type") == "set":
			s = append(s, strings.TrimSuffix(fmt.Sprintf("push %s %s %s", item.Attr("jid"), item.Attr("subscription"), item.Attr("ask")), " "))
		case e.Name.Local == "iq":
			s = append(s, kind)
		}
	}
	return s
}

func (c *client) wantSummary(want ...string) {
	c.t.Helper()
	got := summary(c.all())
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.t.Errorf("%s sees\n\t%s\nwant\n\t%s", c.jid, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func presence(kind, to string) string {
	return `<presence xmlns='jabber:client' type='` + kind + `' to='` + to + `'/>`
}

func TestSubscriptionStory(t *testing.T) {
	f := start(t, Options{})
	f.account(t, "ann")
	f.account(t, "bob")
	ann, bob := f.online(t, "ann", "a"), f.online(t, "bob", "b")

	ann.send(presence("subscribe", "bob@localhost/b"))
	ann.wantSummary("push bob@localhost none subscribe")
	bob.wantSummary("subscribe from ann@localhost")

	ann.send(presence("subscribe", "bob@localhost"))
	ann.wantSummary()
	bob.wantSummary() // asked already

	late := f.online(t, "bob", "late") // is asked too, see below
	bob.all()
	late.send(`<presence xmlns='jabber:client' type='unavailable'/>`)
	late.send(`<presence xmlns='jabber:client'/>`)
	late.wantSummary("available from bob@localhost/b", "available from bob@localhost/late", "subscribe from ann@localhost")
	late.conn.Close(t.Context())
	<-late.served
	bob.all()

	bob.send(presence("subscribed", "ann@localhost"))
	bob.wantSummary("push ann@localhost from")
	ann.wantSummary("push bob@localhost to", "subscribed from bob@localhost", "available from bob@localhost/b")

	bob.send(presence("subscribe", "ann@localhost"))
	bob.wantSummary("push ann@localhost from subscribe")
	ann.wantSummary("subscribe from bob@localhost")
	ann.send(presence("subscribed", "bob@localhost"))
	ann.wantSummary("push bob@localhost both")
	bob.wantSummary("push ann@localhost both", "subscribed from ann@localhost", "available from ann@localhost/a")

	ann.send(presence("unsubscribe", "bob@localhost"))
	ann.wantSummary("push bob@localhost from", "unavailable from bob@localhost/b")
	bob.wantSummary("push ann@localhost to", "unsubscribe from ann@localhost")

	ann.send(presence("unsubscribed", "bob@localhost"))
	ann.wantSummary("push bob@localhost none")
	bob.wantSummary("push ann@localhost none", "unsubscribed from ann@localhost", "unavailable from ann@localhost/a")
}

func TestSubscriptionDeclined(t *testing.T) {
	f := start(t, Options{})
	f.account(t, "ann")
	f.account(t, "bob")
	ann, bob := f.online(t, "ann", "a"), f.online(t, "bob", "b")
	ann.send(presence("subscribe", "bob@localhost"))
	ann.all()
	bob.all()
	bob.send(presence("unsubscribed", "ann@localhost"))
	bob.wantSummary()
	ann.wantSummary("push bob@localhost none", "unsubscribed from bob@localhost")
	bob.send(`<iq xmlns='jabber:client' type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>`)
	if e := bob.next(); e.Child(nsRoster, "query").First() != nil {
		t.Errorf("a stranger is in the roster: %s", e)
	}
	t.Run("sec 99 asking nobody looks the same", func(t *testing.T) {
		ann.send(presence("subscribe", "nobody@localhost"))
		ann.wantSummary("push nobody@localhost none subscribe")
	})
}

func TestRoster(t *testing.T) {
	set := func(item string) string {
		return `<iq xmlns='jabber:client' type='set' id='s'><query xmlns='jabber:iq:roster'>` + item + `</query></iq>`
	}
	t.Run("demo", func(t *testing.T) {
		ada := demo(t).bound(t, "ada", "a")
		ada.send(`<iq xmlns='jabber:client' type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>`)
		var got []string
		for _, i := range ada.next().Child(nsRoster, "query").Elements() {
			got = append(got, i.Attr("jid")+" "+i.Attr("name")+" "+i.Attr("subscription"))
		}
		if want := []string{"echo@localhost Echo both", "grace@localhost Grace both"}; !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("push to those who asked", func(t *testing.T) {
		f := demo(t)
		a, b, deaf := f.online(t, "ada", "a"), f.online(t, "ada", "b"), f.bound(t, "ada", "deaf")
		a.all()
		a.send(set(`<item jid='Bob@localhost' name='Bob' subscription='both'><group>Friends</group></item>`))
		a.wantSummary("result", "push bob@localhost none")
		if e := b.all()[0]; e.Attr("from") != "" || e.Attr("to") != b.jid || !has(e, "<group>Friends") || !has(e, "name='Bob'") {
			t.Error(e)
		}
		deaf.wantSummary()
	})
	t.Run("removal ends both subscriptions", func(t *testing.T) {
		f := demo(t)
		ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
		ada.all()
		ada.send(set(`<item jid='grace@localhost' subscription='remove'/>`))
		ada.wantSummary("result", "push grace@localhost remove", "unavailable from grace@localhost/g")
		grace.wantSummary("unsubscribe from ada@localhost", "push ada@localhost to",
			"unsubscribed from ada@localhost", "push ada@localhost none", "unavailable from ada@localhost/a")
	})
	for _, tc := range []struct{ name, item, want string }{
		{"none", ``, "<bad-request"},
		{"two", `<item jid='a@localhost'/><item jid='b@localhost'/>`, "<bad-request"},
		{"no address", `<item name='x'/>`, "<bad-request"},
		{"empty group", `<item jid='a@localhost'><group/></item>`, "<not-acceptable"},
		{"group twice", `<item jid='a@localhost'><group>x</group><group>x</group></item>`, "<bad-request"},
		{"remove a stranger", `<item jid='a@localhost' subscription='remove'/>`, "<item-not-found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ada := demo(t).bound(t, "ada", "a")
			ada.send(set(tc.item))
			ada.want(tc.want)
		})
	}
	t.Run("sec 96 too many", func(t *testing.T) {
		ada := start(t, Options{Demo: true, Limits: Limits{Roster: 3}}).bound(t, "ada", "a")
		ada.send(set(`<item jid='a@localhost'/>`))
		ada.want("type='result'")
		ada.send(set(`<item jid='b@localhost'/>`))
		ada.want("<resource-constraint")
	})
}

func TestPresence(t *testing.T) {
	t.Run("who is there and who is not", func(t *testing.T) {
		f := demo(t)
		ada := f.bound(t, "ada", "a")
		ada.send(`<presence xmlns='jabber:client'/>`)
		ada.wantSummary("available from ada@localhost/a", "available from echo@localhost/echo", "unavailable from grace@localhost")
	})
	t.Run("content arrives, updates do not repeat the others", func(t *testing.T) {
		f := demo(t)
		ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
		ada.all()
		ada.send(`<presence xmlns='jabber:client'><show>away</show><status xml:lang='de'>weg</status></presence>`)
		ada.wantSummary("available from ada@localhost/a")
		if e := grace.all()[0]; !has(e, "<show>away") || !has(e, "xml:lang='de'") || e.Attr("to") != "grace@localhost" {
			t.Error(e)
		}
	})
	t.Run("probe", func(t *testing.T) {
		f := demo(t)
		f.account(t, "bob")
		bob, ada := f.online(t, "bob", "b"), f.online(t, "ada", "a")
		ada.send(presence("probe", "echo@localhost"))
		ada.wantSummary("available from echo@localhost/echo")
		bob.send(presence("probe", "ada@localhost"))
		bob.wantSummary()
	})
	t.Run("directed, and taken back with the connection", func(t *testing.T) {
		f := demo(t)
		f.account(t, "bob")
		bob, ada := f.online(t, "bob", "b"), f.online(t, "ada", "a")
		ada.send(`<presence xmlns='jabber:client' to='bob@localhost/b'/>`)
		ada.all()
		bob.wantSummary("available from ada@localhost/a")
		bob.send(`<iq xmlns='jabber:client' type='get' id='q' to='ada@localhost/a'><x xmlns='urn:x'/></iq>`)
		bob.all()
		if e := ada.all()[0]; e.Child("urn:x", "x") == nil {
			t.Errorf("who was sent presence may ask: %s", e)
		}
		ada.lose()
		bob.wantSummary("unavailable from ada@localhost/a")
	})
	t.Run("bad type", func(t *testing.T) {
		ada := demo(t).bound(t, "ada", "a")
		ada.send(`<presence xmlns='jabber:client' type='invisible'/>`)
		ada.want("<bad-request")
	})
	for value, want := range map[string]int{"5": 5, " -7 ": -7, "128": 0, "x": 0, "": 0} {
		p := framing.New(framing.NSClient, "presence").Add(framing.New(framing.NSClient, "priority").AddText(value))
		if got := priority(p); got != want {
			t.Errorf("priority %q is %d, want %d", value, got, want)
		}
	}
}

// A crowd is online without anybody signing in, and takes what it is sent in silence.
func TestCrowd(t *testing.T) {
	f := start(t, Options{Demo: true, Crowd: 2})
	ada := f.bound(t, "ada", "a")
	ada.send(`<presence xmlns='jabber:client'/>`)
	ada.wantSummary("available from ada@localhost/a", "available from echo@localhost/echo",
		"available from friend1@localhost/friend", "available from friend2@localhost/friend", "unavailable from grace@localhost")
	ada.send(chat("friend1@localhost", "hello"))
	ada.wantBodies()
}
