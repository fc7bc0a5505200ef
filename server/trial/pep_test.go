package trial

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"natter/framing"
)

const whitelist = "<field var='pubsub#persist_items'><value>true</value></field><field var='pubsub#max_items'><value>max</value></field>" +
	"<field var='pubsub#send_last_published_item'><value>never</value></field><field var='pubsub#access_model'><value>whitelist</value></field>"

// iq sends a request and returns what comes up to its answer, which is the last.
func (c *client) iq(kind, to, payload string) []*framing.Element {
	c.t.Helper()
	id := fmt.Sprintf("iq-%d", pings.Add(1))
	if to != "" {
		to = ` to='` + to + `'`
	}
	c.send(`<iq xmlns='jabber:client' type='` + kind + `' id='` + id + `'` + to + `>` + payload + `</iq>`)
	var got []*framing.Element
	for {
		got = append(got, c.next())
		if got[len(got)-1].Attr("id") == id {
			return got
		}
	}
}

func (c *client) answer(kind, to, payload string) *framing.Element {
	c.t.Helper()
	got := c.iq(kind, to, payload)
	return got[len(got)-1]
}

func pubsub(payload string) string {
	return `<pubsub xmlns='http://jabber.org/protocol/pubsub'>` + payload + `</pubsub>`
}

func publish(node, id, payload, options string) string {
	if options != "" {
		options = `<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>` + options + `</x></publish-options>`
	}
	return pubsub(`<publish node='` + node + `'><item id='` + id + `'>` + payload + `</item></publish>` + options)
}

// interested is a client online that says that it wants to hear of a node. The server has
// heard it when the client's next all returns.
func (f *fixture) interested(t *testing.T, user, resource, node string) *client {
	t.Helper()
	c := f.online(t, user, resource)
	c.send(`<presence xmlns='jabber:client'><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x' ver='` + resource + `'/></presence>`)
	for _, e := range c.all() {
		if e.Child(nsInfo, "query").Attr("node") == "urn:x#"+resource {
			c.send(`<iq xmlns='jabber:client' type='result' id='` + e.Attr("id") + `' to='` + e.Attr("from") + `'><query xmlns='http://jabber.org/protocol/disco#info'>` +
				`<feature var='` + node + `+notify'/></query></iq>`)
		}
	}
	return c
}

func events(all []*framing.Element) (got []string) {
	for _, e := range all {
		if p := e.Child(nsEvent, "event").First(); p != nil {
			got = append(got, e.Attr("from")+" "+p.Attr("node")+" "+p.First().Name.Local+" "+p.First().Attr("id"))
		}
	}
	return got
}

func ids(answer *framing.Element) string {
	var got []string
	for _, e := range answer.Child(nsPubSub, "pubsub").Child(nsPubSub, "items").Elements() {
		got = append(got, e.Attr("id"))
	}
	return strings.Join(got, " ")
}

func TestBookmarks(t *testing.T) {
	f := demo(t)
	ada, other := f.interested(t, "ada", "a", nsBookmarks), f.interested(t, "ada", "b", nsBookmarks)
	grace := f.interested(t, "grace", "g", nsBookmarks)
	for _, c := range []*client{ada, other, grace} {
		c.all()
	}
	items := pubsub(`<items node='urn:xmpp:bookmarks:1'/>`)
	if e := ada.answer("get", "", items); ids(e) != lounge || !has(e, "autojoin='true'") {
		t.Error(e)
	}
	const room = `<conference xmlns='urn:xmpp:bookmarks:1' name='Tea'/>`
	if e := ada.answer("set", "", publish(nsBookmarks, "tea@rooms.localhost", room, whitelist)); !has(e, "id='tea@rooms.localhost'") {
		t.Error(e)
	}
	want := []string{"ada@localhost urn:xmpp:bookmarks:1 item tea@rooms.localhost"}
	if got := events(other.all()); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := events(ada.all()); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if e := other.answer("set", "", pubsub(`<retract node='urn:xmpp:bookmarks:1' notify='true'><item id='`+lounge+`'/></retract>`)); e.Attr("type") != "result" {
		t.Error(e)
	}
	if got := events(ada.all()); !slices.Equal(got, []string{"ada@localhost urn:xmpp:bookmarks:1 retract " + lounge}) {
		t.Errorf("got %q", got)
	}
	if e := ada.answer("get", "", items); ids(e) != "tea@rooms.localhost" {
		t.Error(e)
	}
	t.Run("are nobody else's", func(t *testing.T) {
		if got := events(grace.all()); got != nil {
			t.Errorf("got %q", got)
		}
		if e := grace.answer("get", "ada@localhost", items); !has(e, "<forbidden") {
			t.Error(e)
		}
		if e := grace.answer("set", "ada@localhost", publish(nsBookmarks, "x", room, "")); !has(e, "<service-unavailable") {
			t.Error(e)
		}
		if e := grace.answer("get", "ada@localhost", `<query xmlns='http://jabber.org/protocol/disco#items'/>`); has(e, "bookmarks") {
			t.Error(e)
		}
	})
}

func TestPEP(t *testing.T) {
	const payload = `<x xmlns='urn:x'/>`
	access := func(model string) string { return filter("pubsub#access_model", model) }
	t.Run("contacts hear of it, now and when they come", func(t *testing.T) {
		f := demo(t)
		ada, grace := f.interested(t, "ada", "a", "urn:tune"), f.interested(t, "grace", "g", "urn:tune")
		grace.all()
		ada.answer("set", "", publish("urn:tune", "1", payload, access("presence")))
		want := []string{"ada@localhost urn:tune item 1"}
		if got := events(grace.all()); !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		late := f.interested(t, "grace", "h", "urn:tune")
		if got := events(late.all()); !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		if e := grace.answer("get", "ada@localhost", pubsub(`<items node='urn:tune'/>`)); ids(e) != "1" {
			t.Error(e)
		}
		if got := events(f.interested(t, "grace", "i", "urn:other").all()); got != nil {
			t.Errorf("got %q", got)
		}
	})
	t.Run("strangers do not", func(t *testing.T) {
		f := demo(t)
		f.account(t, "bob")
		ada, bob := f.online(t, "ada", "a"), f.interested(t, "bob", "b", "urn:tune")
		bob.all()
		ada.answer("set", "", publish("urn:tune", "1", payload, access("presence")))
		if got := events(bob.all()); got != nil {
			t.Errorf("got %q", got)
		}
		if e := bob.answer("get", "ada@localhost", pubsub(`<items node='urn:tune'/>`)); !has(e, "<service-unavailable") {
			t.Error(e)
		}
	})
	t.Run("newer items take the place of older ones", func(t *testing.T) {
		ada := demo(t).online(t, "ada", "a")
		for _, id := range []string{"1", "2", "3", "2"} {
			ada.answer("set", "", publish("urn:tune", id, payload, filter("pubsub#max_items", "2")))
		}
		for _, tc := range []struct{ items, want string }{
			{`<items node='urn:tune'/>`, "3 2"},
			{`<items node='urn:tune' max_items='1'/>`, "2"},
			{`<items node='urn:tune'><item id='3'/></items>`, "3"},
			{`<items node='urn:tune'><item id='9'/></items>`, ""},
		} {
			if e := ada.answer("get", "", pubsub(tc.items)); ids(e) != tc.want {
				t.Errorf("%s: %s", tc.items, e)
			}
		}
	})
	t.Run("not as the node is", func(t *testing.T) {
		ada := demo(t).online(t, "ada", "a")
		if e := ada.answer("set", "", publish(nsBookmarks, "x", payload, access("open"))); !has(e, "<conflict") || !has(e, "<precondition-not-met") {
			t.Error(e)
		}
		const configure = `<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='urn:xmpp:bookmarks:1'>`
		if e := ada.answer("get", "", configure+`</configure></pubsub>`); !has(e, "<value>whitelist</value>") {
			t.Error(e)
		}
		if e := ada.answer("set", "", configure+`<x xmlns='jabber:x:data' type='submit'>`+access("open")+`</x></configure></pubsub>`); e.Attr("type") != "result" {
			t.Error(e)
		}
		if e := ada.answer("set", "", publish(nsBookmarks, "x", payload, access("open"))); e.Attr("type") != "result" {
			t.Error(e)
		}
	})
	const owner = `<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>`
	for _, tc := range []struct{ name, kind, payload, want string }{
		{"two items", "set", pubsub(`<publish node='n'><item><x/></item><item><x/></item></publish>`), "<bad-request"},
		{"two payloads", "set", publish("n", "1", payload+payload, ""), "<bad-request"},
		{"nothing in it", "set", publish("n", "1", "", ""), "<bad-request"},
		{"no node", "set", publish("", "1", payload, ""), "<bad-request"},
		{"unknown option", "set", publish("n", "1", payload, filter("pubsub#x", "1")), "<not-acceptable"},
		{"unknown access", "set", publish("n", "1", payload, access("roster")), "<not-acceptable"},
		{"too many", "set", publish("n", "1", payload, filter("pubsub#max_items", "1001")), "<not-acceptable"},
		{"no such node", "get", pubsub(`<items node='n'/>`), "<item-not-found"},
		{"no such item", "set", pubsub(`<retract node='` + nsBookmarks + `'><item id='1'/></retract>`), "<item-not-found"},
		{"retract nothing", "set", pubsub(`<retract node='` + nsBookmarks + `'/>`), "<bad-request"},
		{"create", "set", pubsub(`<create node='n'/>`), "type='result'"},
		{"create again", "set", pubsub(`<create node='` + nsBookmarks + `'/>`), "<conflict"},
		{"subscribe", "set", pubsub(`<subscribe node='` + nsBookmarks + `' jid='ada@localhost'/>`), "<feature-not-implemented"},
		{"delete", "set", owner + `<delete node='` + nsBookmarks + `'/></pubsub>`, "type='result'"},
		{"purge", "set", owner + `<purge node='` + nsBookmarks + `'/></pubsub>`, "type='result'"},
		{"delete nothing", "set", owner + `<delete node='n'/></pubsub>`, "<item-not-found"},
		{"features", "get", `<query xmlns='http://jabber.org/protocol/disco#info'/>`, "type='pep'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if e := demo(t).online(t, "ada", "a").answer(tc.kind, "", tc.payload); !has(e, tc.want) {
				t.Error(e)
			}
		})
	}
	t.Run("sec 96 so much and no more", func(t *testing.T) {
		f := start(t, Options{Demo: true, Limits: Limits{Nodes: 2, Published: 1000}})
		ada := f.online(t, "ada", "a")
		if e := ada.answer("set", "", publish("n", "1", `<x xmlns='urn:x'>`+strings.Repeat("x", 900)+`</x>`, "")); !has(e, "<resource-constraint") {
			t.Error(e)
		}
		ada.answer("set", "", publish("n", "1", payload, ""))
		if e := ada.answer("set", "", publish("m", "1", payload, "")); !has(e, "<resource-constraint") {
			t.Error(e)
		}
		ada.answer("set", "", owner+`<delete node='n'/></pubsub>`)
		ada.answer("set", "", owner+`<delete node='`+nsBookmarks+`'/></pubsub>`)
		f.mu.Lock()
		defer f.mu.Unlock()
		if n := f.accounts["ada"].published; n != 0 {
			t.Errorf("%d bytes are published in no node", n)
		}
	})
}
