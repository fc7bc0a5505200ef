package trial

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"natter/app/jid"
	"natter/framing"
)

const lounge = "lounge@rooms.localhost"

// join goes into a room and returns all that this brings.
func (c *client) join(room, nick string) []*framing.Element {
	c.t.Helper()
	c.send(entering(room, nick, ""))
	return c.all()
}

func entering(room, nick, wanted string) string {
	return `<presence xmlns='jabber:client' to='` + room + `/` + nick + `'><x xmlns='http://jabber.org/protocol/muc'>` + wanted + `</x></presence>`
}

func groupchat(room, body string) string {
	return `<message xmlns='jabber:client' type='groupchat' id='m' to='` + room + `'><body>` + body + `</body></message>`
}

// brief is what a room says in a word or two.
func brief(e *framing.Element) string {
	nick := strings.TrimPrefix(e.Attr("from"), lounge+"/")
	switch {
	case e.Child(framing.NSClient, "error") != nil:
		return e.Child(framing.NSClient, "error").First().Name.Local
	case e.Child(framing.NSClient, "subject") != nil:
		return nick + " subject " + e.Child(framing.NSClient, "subject").Text()
	case e.Child(framing.NSClient, "body") != nil:
		return nick + ": " + e.Child(framing.NSClient, "body").Text()
	case e.Name.Local != "presence":
		return e.String()
	}
	x := e.Child(nsUser, "x")
	item := x.Child(nsUser, "item")
	said := []string{nick, item.Attr("affiliation"), item.Attr("role")}
	if t := e.Attr("type"); t != "" {
		said = append(said, t)
	}
	for _, p := range x.Elements() {
		if p.Is(nsUser, "status") {
			said = append(said, p.Attr("code"))
		}
	}
	return strings.Join(said, " ")
}

func briefly(all []*framing.Element) (said []string) {
	for _, e := range all {
		said = append(said, brief(e))
	}
	return said
}

func (c *client) wantBriefly(want ...string) {
	c.t.Helper()
	if got := briefly(c.all()); !slices.Equal(got, want) {
		c.t.Fatalf("%s got %q, want %q", c.jid, got, want)
	}
}

func TestRoom(t *testing.T) {
	f := demo(t)
	f.account(t, "bob")
	ada, bob := f.online(t, "ada", "a"), f.online(t, "bob", "b")

	t.Run("a newcomer sees who is there, itself, what was said, the subject", func(t *testing.T) {
		want := []string{"echo member participant", "ada owner moderator 110 170", "echo: " + welcome, "echo subject Everybody is welcome"}
		if got := briefly(ada.join(lounge, "ada")); !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		want = []string{"echo member participant", "ada owner moderator", "bob none participant 110 170", "echo: " + welcome, "echo subject Everybody is welcome"}
		got := briefly(bob.join(lounge, "bob"))
		slices.Sort(got[:2])
		slices.Sort(want[:2])
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		ada.wantBriefly("bob none participant")
	})
	t.Run("all see what is said, its author too", func(t *testing.T) {
		bob.send(groupchat(lounge, "hello"))
		bob.all()
		e := ada.next()
		if e.Attr("from") != lounge+"/bob" || e.Attr("to") != "ada@localhost/a" || e.Attr("id") != "m" || e.Attr("type") != "groupchat" ||
			e.Child(nsStanzaID, "stanza-id").Attr("by") != lounge || e.Child(nsOccupant, "occupant-id").Attr("id") == "" {
			t.Error(e)
		}
		bob.send(groupchat(lounge, "again"))
		bob.wantBriefly("bob: again")
	})
	t.Run("moderators see addresses, others do not", func(t *testing.T) {
		ada.all()
		bob.send(`<presence xmlns='jabber:client' to='` + lounge + `/bob'><show>away</show></presence>`)
		bob.all()
		if e := ada.next(); !has(e, "bob@localhost/b") || !has(e, "<show>away") {
			t.Error(e)
		}
		ada.send(`<presence xmlns='jabber:client' to='` + lounge + `/ada'><show>away</show></presence>`)
		ada.all()
		if e := bob.next(); has(e, "ada@localhost/a'/>") || has(e, "110") {
			t.Error(e)
		}
	})
	t.Run("who leaves is gone for all", func(t *testing.T) {
		bob.send(`<presence xmlns='jabber:client' to='` + lounge + `/bob' type='unavailable'><status>bye</status></presence>`)
		bob.wantBriefly("bob none none unavailable 110")
		if e := ada.next(); brief(e) != "bob none none unavailable" || !has(e, "<status>bye") {
			t.Error(e)
		}
		bob.send(groupchat(lounge, "ghost"))
		bob.wantBriefly("not-acceptable")
		ada.wantBriefly()
	})
	t.Run("who is lost leaves too", func(t *testing.T) {
		bob.join(lounge, "bob")
		ada.all()
		bob.lose()
		ada.wantBriefly("bob none none unavailable")
		f.mu.Lock()
		defer f.mu.Unlock()
		if r := f.rooms[lounge]; len(r.clients) != 2 || len(r.occupants) != 2 {
			t.Errorf("there are %d clients of %d occupants", len(r.clients), len(r.occupants))
		}
	})
}

// A larger demo has rooms that ada is to join, and in the lounge a history of a message each minute.
func TestRoomsOfALargerDemo(t *testing.T) {
	f := start(t, Options{Demo: true, Rooms: 2, History: 3})
	f.mu.Lock()
	n, past := f.accounts["ada"].nodes[nsBookmarks], f.rooms[lounge].archive.entries
	if len(n.items) != 3 || len(f.rooms) != 3 || len(f.rooms["room2@rooms.localhost"].archive.entries) == 0 {
		t.Errorf("%d bookmarks of %d rooms", len(n.items), len(f.rooms))
	}
	if took := past[2].at.Sub(past[0].at); took != 2*time.Minute {
		t.Errorf("the third message came %v after the first", took)
	}
	f.mu.Unlock()
	ada := f.online(t, "ada", "a")
	want := []string{"echo member participant", "ada owner moderator 110 170", "grace: message 0", "grace: message 1", "grace: message 2", "echo: " + welcome, "echo subject Everybody is welcome"}
	if got := briefly(ada.join(lounge, "ada")); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestRoomEcho(t *testing.T) {
	f := demo(t)
	ada := f.online(t, "ada", "a")
	ada.join(lounge, "ada")
	for _, text := range []string{"echoes", "nobody"} {
		ada.send(groupchat(lounge, text))
		ada.wantBriefly("ada: " + text)
	}
	ada.send(groupchat(lounge, "hi Echo!"))
	got := ada.all()
	if len(got) != 3 || brief(got[0]) != "ada: hi Echo!" || got[1].Child(nsStates, "composing") == nil || brief(got[2]) != "echo: ada: hi Echo!" {
		t.Fatalf("got %q", got)
	}
	if r := got[2].Child(nsReply, "reply"); r.Attr("id") != got[0].Child(nsStanzaID, "stanza-id").Attr("id") || r.Attr("to") != lounge+"/ada" {
		t.Error(got[2])
	}
}

func TestRoomPresence(t *testing.T) {
	for _, tc := range []struct{ name, doc, want string }{
		{"no nick", `<presence xmlns='jabber:client' to='` + lounge + `'><x xmlns='http://jabber.org/protocol/muc'/></presence>`, "jid-malformed"},
		{"a nick that is taken", entering(lounge, "echo", ""), "conflict"},
		{"who is not in, and does not ask to be let in", `<presence xmlns='jabber:client' to='` + lounge + `/ada'/>`, "not-acceptable"},
		{"too long", entering(lounge, "ada", strings.Repeat("x", 5000)), "not-acceptable"},
		{"without room", entering("rooms.localhost", "ada", ""), "not-allowed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ada := demo(t).online(t, "ada", "a")
			ada.send(tc.doc)
			got := ada.all()
			if len(got) != 1 || brief(got[0]) != tc.want || got[0].Child(nsMUC, "x") == nil {
				t.Errorf("got %q", got)
			}
		})
	}
	t.Run("a nick is normal", func(t *testing.T) {
		ada := demo(t).online(t, "ada", "a")
		got := briefly(ada.join(lounge, "A\u030ada")) // Å in two code points
		if got[1] != "\u00c5da owner moderator 110 170 210" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("coming in again shows all again, to nobody else twice", func(t *testing.T) {
		f := demo(t)
		grace, ada := f.online(t, "grace", "g"), f.online(t, "ada", "a")
		grace.all()
		first := briefly(ada.join(lounge, "ada"))
		grace.join(lounge, "grace")
		ada.all()
		again := briefly(ada.join(lounge, "ada"))
		if len(again) != len(first)+1 || again[2] != first[1] {
			t.Errorf("first %q, then %q", first, again)
		}
		grace.wantBriefly("ada owner moderator")
	})
	t.Run("unavailable to all leaves the rooms", func(t *testing.T) {
		f := demo(t)
		ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
		ada.join(lounge, "ada")
		grace.join(lounge, "grace")
		ada.all()
		grace.send(`<presence xmlns='jabber:client' type='unavailable'/>`)
		grace.all()
		if got := briefly(ada.all()); !slices.Contains(got, "grace admin none unavailable") {
			t.Errorf("got %q", got)
		}
	})
}

// A person with two devices is one occupant, whom the others see come and go once.
func TestRoomTwoClients(t *testing.T) {
	f := demo(t)
	ada, grace, other := f.online(t, "ada", "a"), f.online(t, "grace", "g"), f.online(t, "grace", "h")
	ada.join(lounge, "ada")
	grace.join(lounge, "grace")
	ada.wantBriefly("grace admin moderator")
	grace.all()
	other.join(lounge, "grace")
	grace.wantBriefly("grace admin moderator 110")
	ada.all()
	ada.send(groupchat(lounge, "both of you"))
	ada.all()
	grace.wantBriefly("ada: both of you")
	other.wantBriefly("ada: both of you")
	grace.send(`<presence xmlns='jabber:client' to='` + lounge + `/grace' type='unavailable'/>`)
	grace.wantBriefly("grace admin none unavailable 110")
	ada.wantBriefly()
	other.send(`<presence xmlns='jabber:client' to='` + lounge + `/grace' type='unavailable'/>`)
	other.wantBriefly("grace admin none unavailable 110")
	ada.wantBriefly("grace admin none unavailable")
}

// An occupant's id stays with the person, and is another in another room.
func TestRoomOccupantID(t *testing.T) {
	f := demo(t)
	ada := f.online(t, "ada", "a")
	id := func(room, nick string) string {
		t.Helper()
		ada.join(room, nick)
		ada.send(groupchat(room, "hi"))
		e := ada.all()[0]
		ada.send(`<presence xmlns='jabber:client' to='` + room + `/` + nick + `' type='unavailable'/>`)
		ada.all()
		return e.Child(nsOccupant, "occupant-id").Attr("id")
	}
	first, again, elsewhere := id(lounge, "ada"), id(lounge, "countess"), id("mine@rooms.localhost", "ada")
	if first == "" || first != again || first == elsewhere {
		t.Errorf("%q, %q, elsewhere %q", first, again, elsewhere)
	}
}

func TestSec101_RoomForged(t *testing.T) {
	f := demo(t)
	ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
	ada.join(lounge, "ada")
	grace.join(lounge, "grace")
	ada.all()
	for name, forged := range map[string]string{
		"occupant id": `<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/>`,
		"stanza id":   `<stanza-id xmlns='urn:xmpp:sid:0' by='` + lounge + `' id='forged'/>`,
		"delay":       `<delay xmlns='urn:xmpp:delay' from='` + lounge + `' stamp='forged'/>`,
		"item":        `<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='forged'/><status code='forged'/></x>`,
		"hat":         `<hats xmlns='urn:xmpp:hats:0'><hat title='forged'/></hats>`,
	} {
		t.Run(name, func(t *testing.T) {
			grace.send(`<message xmlns='jabber:client' type='groupchat' to='` + lounge + `'><body>hi</body>` + forged + `<own xmlns='urn:x'/></message>`)
			grace.send(`<presence xmlns='jabber:client' to='` + lounge + `/grace'>` + forged + `<own xmlns='urn:x'/></presence>`)
			grace.all()
			f.do(func() { // as it may come from another server, which has its own stanza-ids and times
				m, err := framing.Parse(`<message xmlns='jabber:client' type='groupchat' from='grace@localhost/g' to='`+lounge+`'><body>hi</body>`+
					forged+`<own xmlns='urn:x'/></message>`, framing.Limits{})
				if err == nil && name != "delay" && name != "stanza id" {
					f.muc(m, lounge)
				}
			})
			for _, e := range ada.all() {
				if has(e, "forged") || !has(e, "<own ") {
					t.Error(e)
				}
			}
		})
	}
}

func TestRoomSubject(t *testing.T) {
	f := demo(t)
	f.account(t, "bob")
	bob := f.online(t, "bob", "b")
	bob.join(lounge, "bob")
	subject := func(text string) string {
		return `<message xmlns='jabber:client' type='groupchat' to='` + lounge + `'><subject>` + text + `</subject></message>`
	}
	bob.send(subject("Tea"))
	bob.wantBriefly("bob subject Tea")
	bob.send(subject(strings.Repeat("x", 5000)))
	bob.wantBriefly("not-acceptable")
	f.mu.Lock()
	f.rooms[lounge].openSubject = false
	f.mu.Unlock()
	bob.send(subject("Coffee"))
	bob.wantBriefly("forbidden")
	ada := f.online(t, "ada", "a")
	got := ada.join(lounge, "ada")
	if last := got[len(got)-1]; brief(last) != "bob subject Tea" || last.Child(nsDelay, "delay") == nil {
		t.Error(last)
	}
	ada.send(subject("Coffee"))
	ada.wantBriefly("ada subject Coffee")
}

func TestRoomHistory(t *testing.T) {
	f := demo(t)
	ada := f.online(t, "ada", "a")
	ada.join(lounge, "ada")
	for i := range 9 {
		f.clock.add(time.Minute)
		ada.send(groupchat(lounge, fmt.Sprint(i)))
		ada.all()
	}
	for _, tc := range []struct{ name, history, want string }{
		{"all there is", ``, welcome + " 0 1 2 3 4 5 6 7 8"},
		{"so many", `<history maxstanzas='2'/>`, "7 8"},
		{"none", `<history maxstanzas='0'/>`, ""},
		{"so much", `<history maxchars='800'/>`, "7 8"},
		{"nothing of it", `<history maxchars='0'/>`, ""},
		{"since a while", `<history seconds='130'/>`, "6 7 8"},
		{"since then", `<history since='2026-01-02T03:12:05Z'/>`, "7 8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ada.send(entering(lounge, "ada", tc.history))
			var texts []string
			for _, e := range ada.all() {
				if b := e.Child(framing.NSClient, "body"); b != nil {
					texts = append(texts, b.Text())
					if e.Child(nsDelay, "delay").Attr("from") != lounge || e.Child(nsStanzaID, "stanza-id") == nil || e.Child(nsOccupant, "occupant-id") == nil {
						t.Error(e)
					}
				}
			}
			if got := strings.Join(texts, " "); got != tc.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestRoomArchive(t *testing.T) {
	f := demo(t)
	f.account(t, "bob")
	ada, bob := f.online(t, "ada", "a"), f.online(t, "bob", "b")
	bob.join(lounge, "bob")
	bob.send(groupchat(lounge, "one"))
	live := bob.all()[0].Child(nsStanzaID, "stanza-id").Attr("id")
	bob.send(groupchat(lounge, "two"))
	bob.send(`<message xmlns='jabber:client' type='groupchat' to='` + lounge + `'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`)
	bob.all()
	ask := func(c *client, form, set string) []*framing.Element {
		c.send(`<iq xmlns='jabber:client' type='set' id='mam' to='` + lounge + `'><query xmlns='urn:xmpp:mam:2' queryid='q1'>` +
			form + `<set xmlns='http://jabber.org/protocol/rsm'>` + set + `</set></query></iq>`)
		return c.all()
	}
	t.Run("a page", func(t *testing.T) {
		got := ask(bob, "", "<max>2</max><before/>")
		if len(got) != 3 || got[0].Attr("from") != lounge || got[2].Child(nsArchive, "fin").Child(nsPaging, "set").Child(nsPaging, "count").Text() != "4" {
			t.Fatalf("got %q", got)
		}
		m := got[0].Child(nsArchive, "result").Child(nsForward, "forwarded").Child(framing.NSClient, "message")
		if got[0].Child(nsArchive, "result").Attr("id") != live || brief(m) != "bob: one" || m.Attr("to") != "" || has(m, "bob@localhost") || m.Child(nsOccupant, "occupant-id") == nil {
			t.Error(m)
		}
	})
	with := `<x xmlns='jabber:x:data' type='submit'>` + filter("with", "bob@localhost") + `</x>`
	t.Run("who wrote is for those who may know", func(t *testing.T) {
		if got := ask(ada, with, ""); len(got) != 3 || !has(got[0], "jid='bob@localhost/b'") {
			t.Errorf("got %q", got)
		}
		if got := ask(bob, with, ""); len(got) != 1 || !has(got[0], "<forbidden") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("not for those who may not come in", func(t *testing.T) {
		f.mu.Lock()
		f.rooms[lounge].affiliations["grace@localhost"] = outcast
		f.mu.Unlock()
		if got := ask(f.online(t, "grace", "g"), "", ""); len(got) != 1 || !has(got[0], "<forbidden") {
			t.Errorf("got %q", got)
		}
	})
}

func TestConference(t *testing.T) {
	f := demo(t)
	ada := f.online(t, "ada", "a")
	f.mu.Lock()
	for i := range 120 {
		f.newRoom(jid.JID(fmt.Sprintf("room%03d@rooms.localhost", i)), "ada@localhost")
	}
	f.newRoom("hidden@rooms.localhost", "ada@localhost").public = false
	f.mu.Unlock()
	ask := func(to, payload string) *framing.Element {
		ada.send(`<iq xmlns='jabber:client' type='get' id='1' to='` + to + `'>` + payload + `</iq>`)
		return ada.all()[0]
	}
	items := func(set string) string {
		return `<query xmlns='http://jabber.org/protocol/disco#items'>` + set + `</query>`
	}
	rsm := func(s string) string { return `<set xmlns='http://jabber.org/protocol/rsm'>` + s + `</set>` }
	const info = `<query xmlns='http://jabber.org/protocol/disco#info'/>`
	for _, tc := range []struct{ name, to, payload, want string }{
		{"the server names it", "localhost", items(""), "jid='rooms.localhost'"},
		{"what it is", "rooms.localhost", info, "category='conference' type='text'"},
		{"what a room is", lounge, info, "name='Lounge'"},
		{"how a room is", lounge, info, "muc_semianonymous"},
		{"and its archive", lounge, info, "urn:xmpp:mam:2"},
		{"and what is told of it", lounge, info, "Where ada, grace and echo meet"},
		{"no such room", "none@rooms.localhost", info, "<item-not-found"},
		{"bad paging", "rooms.localhost", items(rsm("<max>x</max>")), "<bad-request"},
		{"after nothing", "rooms.localhost", items(rsm("<after>x</after>")), "<item-not-found"},
		{"occupants are for occupants", lounge, items(""), "<query xmlns='http://jabber.org/protocol/disco#items'/>"},
		{"nothing else", "rooms.localhost", `<x xmlns='urn:x'/>`, "<service-unavailable"},
		{"self-ping in a room that is gone", "none@rooms.localhost/ada", `<ping xmlns='urn:xmpp:ping'/>`, "<not-acceptable"},
		{"self-ping from outside", lounge + "/ada", `<ping xmlns='urn:xmpp:ping'/>`, "<not-acceptable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if e := ask(tc.to, tc.payload); !has(e, tc.want) {
				t.Error(e)
			}
		})
	}
	t.Run("all rooms, a page at a time", func(t *testing.T) {
		var names []string
		for after := ""; ; {
			q := ask("rooms.localhost", items(rsm("<max>50</max>"+after))).Child(nsItems, "query")
			for _, e := range q.Elements() {
				if e.Is(nsItems, "item") {
					names = append(names, e.Attr("jid"))
				}
			}
			set := q.Child(nsPaging, "set")
			if set.Child(nsPaging, "count").Text() != "121" {
				t.Fatal(set)
			}
			if len(q.Elements()) == 1 {
				break
			}
			after = "<after>" + set.Child(nsPaging, "last").Text() + "</after>"
		}
		if len(names) != 121 || !slices.IsSorted(names) || slices.Contains(names, "hidden@rooms.localhost") {
			t.Errorf("%d rooms: %q", len(names), names)
		}
	})
	t.Run("XEP-0410 self-ping", func(t *testing.T) {
		ada.join(lounge, "ada")
		const ping = `<ping xmlns='urn:xmpp:ping'/>`
		if e := ask(lounge+"/ada", ping); e.Attr("type") != "result" {
			t.Error(e)
		}
		if e := ask(lounge+"/echo", ping); !has(e, "<service-unavailable") {
			t.Error(e)
		}
	})
}

// A join to n occupants is n stanzas to them, n to the newcomer, and no more.
func TestRoomCost(t *testing.T) {
	const n = 20
	f := start(t, Options{Demo: true, Limits: Limits{Fanout: 1e6, FanoutBurst: 1e6}})
	var in []*client
	for i := range n {
		name := fmt.Sprint("user", i)
		f.account(t, name)
		c := f.bound(t, name, "x")
		c.join(lounge, name)
		in = append(in, c)
	}
	for _, c := range in {
		c.all()
	}
	ada := f.online(t, "ada", "a")
	if got := ada.join(lounge, "ada"); len(got) != n+1+3 { // echo, itself, one message and the subject too
		t.Errorf("the newcomer got %d stanzas", len(got))
	}
	for _, c := range in {
		c.wantBriefly("ada owner moderator")
	}
}

func TestSec96_Rooms(t *testing.T) {
	t.Run("clients in a room, rooms of somebody", func(t *testing.T) {
		f := start(t, Options{Demo: true, Limits: Limits{Occupants: 2, Joined: 2, Made: 1, Rooms: 2}})
		ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
		ada.join(lounge, "ada")
		if got := briefly(grace.join(lounge, "grace")); !slices.Equal(got, []string{"service-unavailable"}) {
			t.Errorf("the third: %q", got)
		}
		if got := briefly(ada.join("mine@rooms.localhost", "ada")); !strings.HasSuffix(got[0], "owner moderator 110 201 170") {
			t.Errorf("made %q", got)
		}
		if got := briefly(ada.join("more@rooms.localhost", "ada")); !slices.Equal(got, []string{"resource-constraint"}) {
			t.Errorf("made %q", got)
		}
	})
	t.Run("people a room knows", func(t *testing.T) {
		f := start(t, Options{Demo: true, Limits: Limits{Affiliations: 3}})
		ada := f.online(t, "ada", "a") // the lounge knows ada, grace and echo
		if e := ada.answer("set", lounge, admins(`<item jid='x@localhost' affiliation='member'/>`)); brief(e) != "resource-constraint" {
			t.Error(e)
		}
		if e := ada.answer("set", lounge, admins(`<item jid='grace@localhost' affiliation='none'/>`)); e.Attr("type") != "result" {
			t.Error(e)
		}
		if e := ada.answer("set", lounge, admins(`<item jid='x@localhost' affiliation='member'/>`)); e.Attr("type") != "result" {
			t.Error(e)
		}
	})
	t.Run("rooms a client is in", func(t *testing.T) {
		f := start(t, Options{Demo: true, Limits: Limits{Joined: 1}})
		ada := f.online(t, "ada", "a")
		ada.join(lounge, "ada")
		if got := briefly(ada.join("mine@rooms.localhost", "ada")); !slices.Equal(got, []string{"resource-constraint"}) {
			t.Errorf("got %q", got)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.rooms["mine@rooms.localhost"] != nil {
			t.Error("a room without anybody is left")
		}
	})
}

// What is kept takes the memory that is counted, however much came with it.
func TestSec96_KeptIsCounted(t *testing.T) {
	f := demo(t)
	ada := f.online(t, "ada", "a")
	ada.join(lounge, "ada")
	padded := strings.Replace(groupchat(lounge, "small"), "type", strings.Repeat(" ", 200<<10)+"type", 1)
	before := heap()
	for range 100 {
		ada.send(strings.Clone(padded))
		ada.all() // the pipe keeps what is behind what nobody has read
	}
	if more := heap() - before; more > 2<<20 {
		t.Errorf("a hundred small messages take %d bytes", more)
	}
}

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
