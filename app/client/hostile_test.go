//go:build linux

package client_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest"
	"natter/framing"
)

// forgeries are stanzas that a stranger sends. The text "forged" must never be seen, "honest" must arrive.
// MALLORY is the sender, ADA the account, ME her full address, GRACE her friend.
var forgeries = []string{
	// S13: carbons, CVE-2017-5589 and similar.
	carbon("received", "", `<message xmlns='jabber:client' type='chat' from='GRACE/desk' to='ME'><body>forged</body></message>`),
	carbon("sent", "", `<message xmlns='jabber:client' type='chat' from='ADA/desk' to='GRACE'><body>forged</body></message>`),
	carbon("received", "<body>honest</body>", `<message xmlns='jabber:client' type='chat' from='GRACE/desk' to='ME'><body>forged</body></message>`),
	`<message xmlns='jabber:client' to='ME' type='chat'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='chat' from='GRACE' to='ADA'><body>forged</body></message></forwarded></message>`,
	`<message xmlns='jabber:client' to='ME' type='headline'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='GRACE' to='ADA'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='GRACE' to='ADA'><body>forged</body></message></forwarded></received></message></forwarded></received></message>`,
	// S13: results of an archive that nobody has asked, CVE-2019-16237.
	`<message xmlns='jabber:client' to='ME'><result xmlns='urn:xmpp:mam:2' id='28482-98726-73623'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/><message xmlns='jabber:client' type='chat' from='GRACE' to='ADA'><body>forged</body></message></forwarded></result></message>`,
	`<message xmlns='jabber:client' to='ME'><result xmlns='urn:xmpp:mam:2' queryid='x' id='28482'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/><message xmlns='jabber:client' type='chat' from='GRACE' to='ADA'><body>forged</body></message></forwarded></result></message>`,
	// S10: roster pushes, CVE-2015-8688, CVE-2016-9928, CVE-2019-16236.
	`<iq xmlns='jabber:client' to='ME' type='set' id='push1'><query xmlns='jabber:iq:roster'><item jid='forged@evil.test' subscription='both'/></query></iq>`,
	`<iq xmlns='jabber:client' to='ME' type='set' id='push2'><query xmlns='jabber:iq:roster'><item jid='GRACE' subscription='remove'/></query></iq>`,
	`<iq xmlns='jabber:client' to='ME' type='result' id='push3'><query xmlns='jabber:iq:roster'><item jid='forged@evil.test' subscription='both'/></query></iq>`,
	// An attribute or element of another namespace does not count; two bodies in one language do not either.
	`<message xmlns='jabber:client' xmlns:x='urn:x' to='ME' x:from='GRACE/desk' x:type='error' type='chat' id='ns1'><x:body>forged</x:body><body>honest</body></message>`,
	`<message xmlns='jabber:client' to='ME' type='chat' id='ns2'><body xmlns='urn:x'>forged</body></message>`,
	`<message xmlns='jabber:client' to='ME' type='chat' id='ns3'><body>forged</body><body>forged too</body></message>`,
	// The body in an error is no message.
	`<message xmlns='jabber:client' to='ME' type='error' id='e1'><body>forged</body><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`,
	// S04: requests that are not valid.
	`<iq xmlns='jabber:client' to='ME' type='get' id='q1'/>`,
	`<iq xmlns='jabber:client' to='ME' type='set' id='q2'>forged</iq>`,
	`<iq xmlns='jabber:client' to='ME' type='get' id='q3'><ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/></iq>`,
	`<iq xmlns='jabber:client' to='ME' type='error' id='q4'/>`,
	`<iq xmlns='jabber:client' to='ME' type='result' id='q5'> </iq>`,
	"<iq xmlns='jabber:client' to='ME' type='get' id='q6'>\n  <query xmlns='urn:never:heard:of'>\n  </query>\n</iq>",
	// Whitespace between children.
	"<message xmlns='jabber:client' to='ME' type='chat' id='w1'>\n <received xmlns='urn:xmpp:carbons:2'>\n </received>\n</message>",
	"<message xmlns='jabber:client' to='ME' type='chat' id='w2'>\n <result xmlns='urn:xmpp:mam:2'>\n </result>\n <received xmlns='urn:xmpp:receipts'/> </message>",
	"<presence xmlns='jabber:client' to='ADA' type='subscribed'> \n </presence>",
	// A time that cannot be read.
	`<message xmlns='jabber:client' to='ME' type='chat' id='d1'><body>honest</body><delay xmlns='urn:xmpp:delay' from='GRACE' stamp='forged'/></message>`,
	// CVE-2024-46957: the payload of one kind of stanza in another.
	`<presence xmlns='jabber:client' to='ME'><body>forged</body></presence>`,
	`<iq xmlns='jabber:client' to='ME' type='set' id='k1'><body>forged</body></iq>`,
	`<iq xmlns='jabber:client' to='ME' type='get' id='k2'><request xmlns='urn:xmpp:receipts'/></iq>`,
	// S17: a message of type groupchat that is of no room, and one without anything in it.
	`<message xmlns='jabber:client' to='ME' type='groupchat' id='t1'><body>forged</body></message>`,
	`<message xmlns='jabber:client' to='ME' type='chat' id='t2'/>`,
}

func carbon(kind, more, inner string) string {
	return `<message xmlns='jabber:client' to='ME' type='chat' id='c'>` + more + `<` + kind + ` xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>` +
		inner + `</forwarded></` + kind + `></message>`
}

// The stanzas that a second account can send through real servers.
func TestHostileAccount(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace, mallory := p.person(t).here(), p.person(t).here(), p.person(t).here()
		befriend(ada, grace)
		grace.says(ada, "hello")
		ada.hears(grace, "hello")
		address := strings.NewReplacer("ADA", string(ada.account), "ME", string(ada.State().Me), "GRACE", string(grace.account))
		for _, raw := range forgeries {
			e, err := framing.Parse(address.Replace(raw), framing.Limits{})
			if err != nil {
				t.Fatalf("%v: %s", err, raw)
			}
			mallory.Send(e)
		}
		// S05 S06: replies to her requests by somebody else, with the right ids.
		since := ada.wire.now()
		ada.Do(state.LoadOlder{Conv: grace.conv()})
		ada.until("the page", func(s *state.State) bool {
			return s.Whole(grace.conv())
		})
		for _, doc := range ada.wire.sent(since) {
			if e, err := framing.Parse(doc, framing.Limits{}); err == nil && e.Name.Local == "iq" {
				mallory.Send(framing.New(framing.NSClient, "iq").Set("type", "result").Set("id", e.Attr("id")).Set("to", ada.State().Me.String()))
			}
		}
		mallory.says(ada, "honest")
		mallory.says(ada, "the last")
		ada.hears(mallory, "the last")
		grace.says(ada, "are you well?")
		ada.hears(grace, "are you well?")
		ada.says(grace, "very")
		grace.hears(ada, "very")

		unharmed(t, ada, grace.account, mallory.account)
		ada.wants(grace.account, "hello", "are you well?", "very")
		if n := len(ada.bodies(mallory.account)); n < 3 {
			t.Errorf("of the honest words only %q came", ada.bodies(mallory.account))
		}
		for _, doc := range ada.wire.sent(0) {
			if strings.Contains(doc, "presence") && strings.Contains(doc, string(mallory.account)) {
				t.Errorf("mallory was told %s", doc)
			}
		}
	})
}

// unharmed checks that nothing forged has arrived anywhere.
func unharmed(t *testing.T, ada *person, friend, stranger jid.JID) {
	t.Helper()
	s := ada.State()
	if s.Connection.Phase != state.Online || ada.wire.Dials() != 1 {
		t.Errorf("the connection: %+v after %d dials", s.Connection, ada.wire.Dials())
	}
	for c := range s.Contacts {
		if c.JID != friend || c.Subscription != state.SubscriptionBoth {
			t.Errorf("the contact %+v", c)
		}
	}
	for c := range s.Chats {
		if c.Conv.JID() != friend && c.Conv.JID() != stranger {
			t.Errorf("a conversation with %q", c.Conv)
		}
		for _, m := range c.Timeline.Newest(10_000) {
			if strings.Contains(m.Body, "forged") {
				t.Errorf("from %s: %+v", c.Conv, *m)
			}
		}
	}
}

// More stanzas, and in any name, through a server that lets everything pass.
func TestHostilePeer(t *testing.T) {
	const stranger = jid.JID("mallory@evil.test")
	senders := []string{"MALLORY/x", "MALLORY", "GRACE", "GRACE/desk", "ADA/other", "peer.test", "evil.test", "ADA.evil.test", "ADA@", "xada@peer.test"}
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		// S06, CVE-2013-6483, CVE-2024-46957: somebody else answers for the server.
		c.Login(mechanism, "ada", password)
		address := strings.NewReplacer("ADA", string(me), "ME", c.JID, "GRACE", string(friendly), "MALLORY", string(stranger))
		c.Wait(func(e *framing.Element) bool {
			switch {
			case e.Child("jabber:iq:roster", "query") != nil:
				evil := `<query xmlns='jabber:iq:roster'><item jid='forged@evil.test' subscription='both'/></query>`
				for _, from := range senders[:4] {
					c.Sendf(`<iq xmlns='jabber:client' type='result' id='%s' from='%s'>%s</iq>`, e.Attr("id"), address.Replace(from), evil)
				}
				c.Sendf(`<message xmlns='jabber:client' type='result' id='%s'>%s</message>`, e.Attr("id"), evil)
				c.Sendf(`<presence xmlns='jabber:client' type='result' id='%s'>%s</presence>`, e.Attr("id"), evil)
				c.Sendf(`<iq xmlns='jabber:client' type='result' id='%s'><query xmlns='jabber:iq:roster'><item jid='%s' name='Grace' subscription='both'/></query></iq>`, e.Attr("id"), friendly)
				c.Sendf(`<iq xmlns='jabber:client' type='result' id='%s'>%s</iq>`, e.Attr("id"), evil) // a second answer does not count
			case e.Child("urn:xmpp:mam:2", "query") != nil:
				// S13: results with the right queryid, while the query is open.
				id := e.Child("urn:xmpp:mam:2", "query").Attr("queryid")
				result := func(from, queryid, archive, body string) {
					if from != "" {
						from = ` from='` + address.Replace(from) + `'`
					}
					c.Sendf(`<message xmlns='jabber:client'%s><result xmlns='urn:xmpp:mam:2' queryid='%s' id='%s'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>`+
						`<message xmlns='jabber:client' type='chat' from='%s/desk' to='%s' id='%s'><body>%s</body><stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='forged'/></message></forwarded></result></message>`,
						from, queryid, archive, friendly, me, archive, body, me)
				}
				for i, from := range senders {
					result(from, id, fmt.Sprint("a", i), "forged")
				}
				result("", "another", "a20", "forged")
				result("", id, "a21", "honest archive")           // S02: as Prosody does
				result(string(me), id, "a22", "honest archive 2") // as ejabberd does
				c.Sendf(`<iq xmlns='jabber:client' type='result' id='%s'><fin xmlns='urn:xmpp:mam:2' complete='true'><set xmlns='http://jabber.org/protocol/rsm'><first>a21</first><last>a22</last></set></fin></iq>`, e.Attr("id"))
				result("", id, "a23", "forged, and late")
				return true
			}
			return false // Wait answers this request too
		})
		for _, raw := range forgeries {
			for i, from := range senders {
				if strings.Contains(raw, ">honest<") && i > 0 {
					continue // only MALLORY may send the honest ones
				}
				c.Send(strings.Replace(address.Replace(raw), "xmlns='jabber:client'", "xmlns='jabber:client' from='"+address.Replace(from)+"'", 1))
			}
		}
		// S14: addresses that are not valid.
		for _, from := range []string{"", " ", "@", "/", "a@", "@b", "a@@b", "a b@c d/e f", "x@_host", "x@[::1]", "x@host:5222", strings.Repeat("a", 4000) + "@b",
			"\U0001FAE9@\U0001FAE9/\U0001FAE9", "a\u200db@c", "a@b/\u202egpj.exe", "&lt;&amp;@x"} {
			c.Sendf(`<message xmlns='jabber:client' from='%s' type='groupchat'><body>forged</body></message>`, from)
			c.Sendf(`<presence xmlns='jabber:client' from='%s'/>`, from)
			c.Sendf(`<presence xmlns='jabber:client' from='%s' type='unavailable'/>`, from)
			c.Sendf(`<iq xmlns='jabber:client' from='%s' type='get' id='malformed'><ping xmlns='urn:xmpp:ping'/></iq>`, from)
			c.Sendf(`<iq xmlns='jabber:client' type='set' id='item'><query xmlns='jabber:iq:roster'><item/></query></iq>`)
		}
		// The twins: the same stanzas from our own account or without a sender are believed.
		c.Sendf(`<message xmlns='jabber:client' from='%s' to='%s'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='chat' from='%s/desk' to='%s/other' id='h1'><body>honest carbon</body></message></forwarded></received></message>`, me, c.JID, friendly, me)
		c.Sendf(`<message xmlns='jabber:client'><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='chat' from='%s/other' to='%s' id='h2'><body>honest carbon 2</body></message></forwarded></sent></message>`, me, friendly)
		c.Sendf(`<iq xmlns='jabber:client' type='set' id='h3'><query xmlns='jabber:iq:roster'><item jid='%s' name='Honest' subscription='both'/></query></iq>`, friendly)
		c.Sendf("<message xmlns='jabber:client' type='chat' from='%s/desk' id='h4'>\n  <body>honest space</body>\n</message>", friendly)
		fence(c)
		c.Live()
	})
	ada := alone(t, peer).here()
	s := ada.fenced()
	if s.Name(friendly) != "Honest" {
		t.Errorf("the honest push was not taken: %+v", s.Contact(friendly))
	}
	unharmed(t, ada, friendly, stranger)
	ada.wants(friendly, "honest archive", "honest archive 2", "honest carbon", "honest carbon 2", "honest space", "fence")
	for _, m := range s.Chat(state.Direct.With(friendly)).Timeline.Newest(10) {
		if m.ArchiveID == "forged" {
			t.Errorf("a forged archive id was believed: %+v", *m)
		}
	}
	for _, m := range ada.bodies(stranger) {
		if m != "honest" {
			t.Errorf("mallory says %q", m)
		}
	}
}

// Sec18: no stanza ends the session, whatever is in it.
func TestHostileGenerated(t *testing.T) {
	const n = 5000
	rnd := rand.New(rand.NewPCG(1, 2))
	asked := map[string]bool{}
	var stanzas []string
	for i := range n {
		e := nonsense(rnd, 0)
		e.Set("id", fmt.Sprintf("n%d", i))
		if e.Name.Local == "iq" && e.Attr("type") != "result" && e.Attr("type") != "error" {
			asked[e.Attr("id")] = true
		}
		stanzas = append(stanzas, e.String())
	}
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		welcome(c)
		c.Send(stanzas...)
		c.Sendf(`<message xmlns='jabber:client' type='chat' from='honest@peer.test/x' id='fence'><body>fence</body></message>`)
		c.Live()
	})
	ada := alone(t, peer).here()
	ada.until("the honest message", func(s *state.State) bool { return last(s, "honest@peer.test") != nil })
	ada.Do(state.SendMessage{Conv: "honest@peer.test", Body: "still here"})
	ada.sees("honest@peer.test", "still here", state.OnServer)
	if ada.wire.Dials() != 1 {
		t.Errorf("%d connections", ada.wire.Dials())
	}
	answers := map[string]int{}
	for _, doc := range ada.wire.sent(0) {
		e, err := framing.Parse(doc, framing.Limits{})
		if err != nil {
			t.Fatalf("sent %s: %v", doc, err)
		}
		if e.Name.Local == "iq" && (e.Attr("type") == "result" || e.Attr("type") == "error") {
			answers[e.Attr("id")]++
		}
	}
	for id := range asked {
		if answers[id] != 1 {
			t.Errorf("S04: %s was answered %d times", id, answers[id])
		}
	}
	for id := range answers {
		if strings.HasPrefix(id, "n") && !asked[id] {
			t.Errorf("S04: %s was no question", id)
		}
	}
}

var (
	nonsenseNames = []framing.Name{
		{Space: framing.NSClient, Local: "body"}, {Space: framing.NSClient, Local: "error"}, {Space: framing.NSClient, Local: "show"},
		{Space: framing.NSClient, Local: "status"}, {Space: framing.NSClient, Local: "priority"}, {Space: framing.NSClient, Local: "message"},
		{Space: framing.NSClient, Local: "thread"}, {Space: framing.NSClient, Local: "subject"},
		{Space: "jabber:iq:roster", Local: "query"}, {Space: "jabber:iq:roster", Local: "item"}, {Space: "jabber:iq:roster", Local: "group"},
		{Space: "jabber:iq:version", Local: "query"}, {Space: "urn:xmpp:ping", Local: "ping"},
		{Space: "http://jabber.org/protocol/disco#info", Local: "query"}, {Space: "http://jabber.org/protocol/disco#items", Local: "query"},
		{Space: "http://jabber.org/protocol/caps", Local: "c"},
		{Space: "urn:xmpp:mam:2", Local: "result"}, {Space: "urn:xmpp:mam:2", Local: "fin"}, {Space: "urn:xmpp:forward:0", Local: "forwarded"},
		{Space: "urn:xmpp:carbons:2", Local: "sent"}, {Space: "urn:xmpp:carbons:2", Local: "received"},
		{Space: "urn:xmpp:receipts", Local: "request"}, {Space: "urn:xmpp:receipts", Local: "received"},
		{Space: "http://jabber.org/protocol/chatstates", Local: "composing"}, {Space: "http://jabber.org/protocol/chatstates", Local: "gone"},
		{Space: "urn:xmpp:delay", Local: "delay"}, {Space: "urn:xmpp:sid:0", Local: "stanza-id"}, {Space: "urn:xmpp:sid:0", Local: "origin-id"},
		{Space: "urn:xmpp:sm:3", Local: "r"}, {Space: "urn:xmpp:sm:3", Local: "a"}, {Space: framing.NSStanzaError, Local: "gone"},
		{Space: framing.NSStream, Local: "error"}, {Space: framing.NSFraming, Local: "close"}, {Space: "urn:x", Local: "x"},
	}
	nonsenseValues = []string{"", " ", "0", "-1", "99999999999999999999", "true", "get", "set", "result", "error", "chat", "groupchat", "subscribe", "unavailable",
		"ada@peer.test", "ada@peer.test/peer", "peer.test", "grace@peer.test/desk", "@", "a b", "\U0001FAE9", "2026-01-01T00:00:00Z", "9999-99-99", "remove", "both"}
	nonsenseAttrs = []string{"from", "to", "type", "id", "jid", "subscription", "ask", "queryid", "by", "stamp", "node", "complete", "h", "see-other-uri"}
)

// nonsense returns a random element of known names and values, which no protocol allows.
func nonsense(rnd *rand.Rand, depth int) *framing.Element {
	pick := func(from []string) string { return from[rnd.IntN(len(from))] }
	name := nonsenseNames[rnd.IntN(len(nonsenseNames))]
	if depth == 0 {
		name = framing.Name{Space: framing.NSClient, Local: pick([]string{"message", "presence", "iq"})}
	}
	e := framing.New(name.Space, name.Local)
	for range rnd.IntN(4) {
		e.Set(pick(nonsenseAttrs), pick(nonsenseValues))
	}
	if depth == 0 && rnd.IntN(2) == 0 {
		e.Set("type", pick([]string{"get", "set", "chat", "error"}))
	}
	if rnd.IntN(4) == 0 {
		e.Attrs = append(e.Attrs, framing.Attr{Name: framing.Name{Space: "urn:x", Local: pick(nonsenseAttrs)}, Value: pick(nonsenseValues)})
	}
	for range rnd.IntN(4 - min(depth, 3)) {
		e.Add(nonsense(rnd, depth+1))
		if rnd.IntN(3) == 0 {
			e.AddText(pick([]string{"\n  ", " ", "text", "<&>"}))
		}
	}
	if len(e.Children) == 0 && rnd.IntN(2) == 0 {
		e.AddText(pick(nonsenseValues))
	}
	return e
}
