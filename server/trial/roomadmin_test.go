package trial

import (
	"slices"
	"strings"
	"testing"

	"natter/framing"
)

const tea = "tea@rooms.localhost"

// tearoom is a room of ada's with grace and bob in it. All have been read.
func tearoom(t *testing.T, config string) (f *fixture, ada, grace, bob *client) {
	t.Helper()
	f = demo(t)
	f.account(t, "bob")
	ada, grace, bob = f.online(t, "ada", "a"), f.online(t, "grace", "g"), f.online(t, "bob", "b")
	if got := briefly(ada.join(tea, "ada")); !slices.Contains(got, "tea@rooms.localhost/ada owner moderator 110 201 170") {
		t.Fatalf("made %q", got)
	}
	if e := ada.answer("set", tea, configuring(config)); e.Attr("type") != "result" {
		t.Fatal(e)
	}
	grace.join(tea, "grace")
	bob.join(tea, "bob")
	ada.all()
	grace.all()
	return f, ada, grace, bob
}

func configuring(fields string) string {
	return `<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>` +
		`<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>` + fields + `</x></query>`
}

func admins(items string) string {
	return `<query xmlns='http://jabber.org/protocol/muc#admin'>` + items + `</query>`
}

// inTea shortens what the tea room says.
func inTea(all []*framing.Element) (said []string) {
	for _, s := range briefly(all) {
		said = append(said, strings.TrimPrefix(s, tea+"/"))
	}
	return said
}

func TestRoomCreate(t *testing.T) {
	f := demo(t)
	ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
	const info = `<query xmlns='http://jabber.org/protocol/disco#info'/>`
	ada.join(tea, "ada")
	t.Run("is closed until it is configured", func(t *testing.T) {
		if got := inTea(grace.join(tea, "grace")); !slices.Equal(got, []string{"item-not-found"}) {
			t.Errorf("got %q", got)
		}
		if e := grace.answer("get", tea, info); !has(e, "<item-not-found") {
			t.Error(e)
		}
		if e := ada.answer("get", tea, `<query xmlns='http://jabber.org/protocol/muc#owner'/>`); !has(e, "var='muc#roomconfig_membersonly' type='boolean' label='For members only'><value>0") {
			t.Error(e)
		}
		if e := grace.answer("set", tea, configuring("")); !has(e, "<forbidden") {
			t.Error(e)
		}
	})
	t.Run("instant", func(t *testing.T) {
		ada.answer("set", tea, configuring(""))
		if got := inTea(grace.join(tea, "grace")); !slices.Contains(got, "grace none participant 110 170") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("as its owner wants it", func(t *testing.T) {
		ada.all()
		e := ada.answer("set", tea, configuring(filter("muc#roomconfig_roomname", "Tea")+filter("muc#roomconfig_whois", "anyone")+
			filter("muc#roomconfig_persistentroom", "1")+filter("muc#roomconfig_enablearchiving", "false")))
		if e.Attr("type") != "result" && !has(e, "104") {
			t.Error(e)
		}
		got := grace.all()
		if m := got[len(got)-1]; !has(m, "code='104'") || !has(m, "code='172'") || !has(m, "code='171'") {
			t.Error(m)
		}
		e = grace.answer("get", tea, info)
		for _, want := range []string{"name='Tea'", "muc_nonanonymous", "muc_persistent", "muc_open"} {
			if !has(e, want) {
				t.Errorf("%s: not %s", e, want)
			}
		}
		if has(e, nsArchive) {
			t.Errorf("%s: an archive", e)
		}
	})
	t.Run("for members only puts others out", func(t *testing.T) {
		ada.all()
		ada.iq("set", tea, configuring(filter("muc#roomconfig_membersonly", "1")))
		if got := inTea(grace.all()); !slices.Contains(got, "grace none none unavailable 110 322") {
			t.Errorf("got %q", got)
		}
		if got := inTea(grace.join(tea, "grace")); !slices.Equal(got, []string{"registration-required"}) {
			t.Errorf("got %q", got)
		}
	})
	for _, tc := range []struct{ name, fields string }{
		{"no boolean", filter("muc#roomconfig_membersonly", "maybe")},
		{"no choice", filter("muc#roomconfig_whois", "nobody")},
		{"no number", filter("muc#roomconfig_maxusers", "many")},
		{"too many", filter("muc#roomconfig_maxusers", "100000")},
		{"no password", filter("muc#roomconfig_passwordprotectedroom", "1")},
		{"too long", filter("muc#roomconfig_roomname", strings.Repeat("x", 5000))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := ada.iq("set", tea, configuring(filter("muc#roomconfig_roomname", "x")+tc.fields)); !has(got[len(got)-1], "<not-acceptable") {
				t.Errorf("got %q", got)
			}
			if e := ada.answer("get", tea, info); !has(e, "name='Tea'") {
				t.Errorf("half of it was done: %s", e)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ada.join("no@rooms.localhost", "ada")
		ada.iq("set", "no@rooms.localhost", `<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='cancel'/></query>`)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.rooms["no@rooms.localhost"] != nil {
			t.Error("it is there")
		}
	})
}

func TestRoomPassword(t *testing.T) {
	f, _, grace, _ := tearoom(t, filter("muc#roomconfig_persistentroom", "1"))
	f.mu.Lock()
	f.rooms[tea].protected, f.rooms[tea].password = true, "milk"
	f.mu.Unlock()
	grace.send(`<presence xmlns='jabber:client' to='` + tea + `/grace' type='unavailable'/>`)
	grace.all()
	for password, want := range map[string]string{"": "not-authorized", "tea": "not-authorized", "milk": "grace none participant 110 170"} {
		grace.send(entering(tea, "grace", "<password>"+password+"</password>"))
		if got := inTea(grace.all()); !slices.Contains(got, want) {
			t.Errorf("%q: got %q", password, got)
		}
	}
}

func TestRoomNick(t *testing.T) {
	_, ada, grace, _ := tearoom(t, "")
	grace.send(`<presence xmlns='jabber:client' to='` + tea + `/hopper'/>`)
	if got := inTea(grace.all()); !slices.Equal(got, []string{"grace none participant unavailable 110 303", "hopper none participant 110"}) {
		t.Errorf("got %q", got)
	}
	got := ada.all()
	if said := inTea(got); !slices.Equal(said, []string{"grace none participant unavailable 303", "hopper none participant"}) || !has(got[0], "nick='hopper'") {
		t.Errorf("got %q", got)
	}
	grace.send(`<presence xmlns='jabber:client' to='` + tea + `/bob'/>`)
	if got := inTea(grace.all()); !slices.Equal(got, []string{"conflict"}) {
		t.Errorf("got %q", got)
	}
	grace.send(groupchat(tea, "it is me"))
	grace.all()
	if got := inTea(ada.all()); !slices.Equal(got, []string{"hopper: it is me"}) {
		t.Errorf("got %q", got)
	}
}

func TestRoomAdmin(t *testing.T) {
	because := func(item string) string {
		return strings.Replace(item, "/>", "><reason>because</reason></item>", 1)
	}
	for _, tc := range []struct {
		name string
		by   string // who does it
		item string
		want string // what bob sees of it, or who does it if that is an error
	}{
		{"kick", "ada", `<item nick='bob' role='none'/>`, "bob none none unavailable 110 307"},
		{"ban", "ada", `<item jid='bob@localhost' affiliation='outcast'/>`, "bob outcast none unavailable 110 301"},
		{"ban by a full address", "ada", `<item jid='bob@localhost/x' affiliation='outcast'/>`, "bob outcast none unavailable 110 301"},
		{"member", "ada", `<item jid='bob@localhost' affiliation='member'/>`, "bob member participant 110"},
		{"admin", "ada", `<item jid='bob@localhost' affiliation='admin'/>`, "bob admin moderator 110"},
		{"owner", "ada", `<item nick='bob' affiliation='owner'/>`, "bob owner moderator 110"},
		{"moderator", "ada", `<item nick='bob' role='moderator'/>`, "bob none moderator 110"},
		{"no voice", "ada", `<item nick='bob' role='visitor'/>`, "bob none visitor 110"},
		{"no such nick", "ada", `<item nick='carol' role='none'/>`, "item-not-found"},
		{"no such role", "ada", `<item nick='bob' role='king'/>`, "bad-request"},
		{"no such affiliation", "ada", `<item jid='bob@localhost' affiliation='king'/>`, "bad-request"},
		{"nobody", "ada", `<item affiliation='member'/>`, "bad-request"},
		{"the last owner leaves", "ada", `<item jid='ada@localhost' affiliation='none'/>`, "conflict"},
		{"ban oneself", "ada", `<item jid='ada@localhost' affiliation='outcast'/>`, "conflict"},
		{"an owner has voice", "ada", `<item nick='ada' role='visitor'/>`, "not-allowed"},
		{"kick by a participant", "grace", `<item nick='bob' role='none'/>`, "forbidden"},
		{"ban by a participant", "grace", `<item jid='bob@localhost' affiliation='outcast'/>`, "forbidden"},
		{"oneself up", "grace", `<item jid='grace@localhost' affiliation='owner'/>`, "forbidden"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, ada, grace, bob := tearoom(t, "")
			by := map[string]*client{"ada": ada, "grace": grace}[tc.by]
			got := by.iq("set", tea, admins(because(tc.item)))
			answer := got[len(got)-1]
			if answer.Attr("type") == "error" {
				if brief(answer) != tc.want {
					t.Errorf("got %s", answer)
				}
				if seen := bob.all(); len(seen) != 0 {
					t.Errorf("bob saw %q", seen)
				}
				return
			}
			seen := bob.all()
			if len(seen) != 1 || !slices.Equal(inTea(seen), []string{tc.want}) || !has(seen[0], "<actor nick='ada'/>") || !has(seen[0], "<reason>because</reason>") {
				t.Errorf("bob saw %q", seen)
			}
			if saw := inTea(grace.all()); !slices.Equal(saw, []string{strings.Replace(tc.want, " 110", "", 1)}) {
				t.Errorf("grace saw %q", saw)
			}
		})
	}
	t.Run("an admin is no owner", func(t *testing.T) {
		_, ada, grace, bob := tearoom(t, "")
		ada.iq("set", tea, admins(`<item jid='grace@localhost' affiliation='admin'/>`))
		for item, want := range map[string]string{
			`<item jid='ada@localhost' affiliation='outcast'/>`: "not-allowed",
			`<item jid='ada@localhost' affiliation='member'/>`:  "not-allowed",
			`<item jid='bob@localhost' affiliation='admin'/>`:   "forbidden",
			`<item jid='bob@localhost' affiliation='owner'/>`:   "forbidden",
			`<item nick='ada' role='none'/>`:                    "not-allowed",
			`<item nick='ada' role='participant'/>`:             "not-allowed",
		} {
			if e := grace.answer("set", tea, admins(item)); brief(e) != want {
				t.Errorf("%s: %s", item, e)
			}
		}
		bob.all()
		grace.iq("set", tea, admins(`<item nick='bob' role='none'/>`))
		if got := inTea(bob.all()); !slices.Equal(got, []string{"bob none none unavailable 110 307"}) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("who is banned stays out", func(t *testing.T) {
		_, ada, _, bob := tearoom(t, "")
		ada.iq("set", tea, admins(`<item jid='bob@localhost' affiliation='outcast'/>`))
		bob.all()
		if got := inTea(bob.join(tea, "bob")); !slices.Equal(got, []string{"forbidden"}) {
			t.Errorf("got %q", got)
		}
		ada.iq("set", tea, admins(`<item jid='bob@localhost' affiliation='none'/>`))
		if got := inTea(bob.join(tea, "bob")); !slices.Contains(got, "bob none participant 110 170") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("without voice", func(t *testing.T) {
		_, ada, _, bob := tearoom(t, "")
		ada.iq("set", tea, admins(`<item nick='bob' role='visitor'/>`))
		bob.all()
		bob.send(groupchat(tea, "hm"))
		if got := inTea(bob.all()); !slices.Equal(got, []string{"forbidden"}) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("lists", func(t *testing.T) {
		f, ada, grace, _ := tearoom(t, "")
		list := func(what string) string { return admins(`<item ` + what + `/>`) }
		if e := ada.answer("get", tea, list(`affiliation='owner'`)); !has(e, "<item affiliation='owner' jid='ada@localhost'/>") {
			t.Error(e)
		}
		if e := ada.answer("get", tea, list(`role='participant'`)); !has(e, "nick='grace'") || !has(e, "nick='bob'") {
			t.Error(e)
		}
		for _, what := range []string{`affiliation='owner'`, `affiliation='member'`, `role='moderator'`} {
			if e := grace.answer("get", tea, list(what)); brief(e) != "forbidden" {
				t.Errorf("%s: %s", what, e)
			}
		}
		f.mu.Lock()
		r := f.rooms[tea]
		r.membersOnly, r.nonAnonymous, r.affiliations["grace@localhost"] = true, true, member
		f.mu.Unlock()
		if e := grace.answer("get", tea, list(`affiliation='owner'`)); !has(e, "ada@localhost") {
			t.Error(e)
		}
	})
}

func TestRoomDestroy(t *testing.T) {
	f, ada, grace, bob := tearoom(t, "")
	end := func(jid string) string {
		return `<query xmlns='http://jabber.org/protocol/muc#owner'><destroy jid='` + jid + `'><reason>cold</reason></destroy></query>`
	}
	if e := grace.answer("set", tea, end(lounge)); brief(e) != "forbidden" {
		t.Error(e)
	}
	ada.iq("set", tea, end(lounge))
	for nick, c := range map[string]*client{"grace": grace, "bob": bob} {
		got := c.all()
		if !slices.Equal(inTea(got), []string{nick + " none none unavailable 110"}) || !has(got[0], "<destroy jid='"+lounge+"'><reason>cold") {
			t.Errorf("%s got %q", nick, got)
		}
	}
	if got := bob.join(tea, "bob"); len(got) != 1 || !has(got[0], "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:"+lounge+"?join</gone>") {
		t.Errorf("got %q", got)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rooms[tea] != nil {
		t.Error("it is there")
	}
	for name, a := range f.accounts {
		for _, x := range a.sessions {
			if _, in := x.rooms[tea]; in {
				t.Errorf("%s is in it", name)
			}
		}
	}
}

func TestRoomInvite(t *testing.T) {
	mediated := func(what, to string) string {
		return `<message xmlns='jabber:client' to='` + tea + `'><x xmlns='http://jabber.org/protocol/muc#user'><` + what + ` to='` + to + `'><reason>come</reason></` + what + `></x></message>`
	}
	leave := `<presence xmlns='jabber:client' to='` + tea + `/bob' type='unavailable'/>`
	f, ada, grace, bob := tearoom(t, filter("muc#roomconfig_membersonly", "0"))
	bob.send(leave)
	bob.all()
	grace.all()
	t.Run("and come", func(t *testing.T) {
		grace.send(mediated("invite", "bob@localhost"))
		grace.all()
		if e := bob.all()[0]; e.Attr("from") != tea || !has(e, "<invite from='grace@localhost'><reason>come</reason></invite>") || has(e, "<password") {
			t.Error(e)
		}
	})
	t.Run("and decline, once", func(t *testing.T) {
		bob.send(mediated("decline", "grace@localhost"))
		bob.all()
		if got := grace.all(); len(got) != 1 || !has(got[0], "<decline from='bob@localhost'><reason>come") {
			t.Errorf("got %q", got)
		}
		bob.send(mediated("decline", "ada@localhost"))
		if got := inTea(bob.all()); !slices.Equal(got, []string{"not-acceptable"}) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("not by those who are not in", func(t *testing.T) {
		bob.send(mediated("invite", "ada@localhost"))
		if got := inTea(bob.all()); !slices.Equal(got, []string{"not-acceptable"}) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("into a room for members makes one", func(t *testing.T) {
		f.mu.Lock()
		r := f.rooms[tea]
		r.membersOnly, r.affiliations["grace@localhost"] = true, member
		f.mu.Unlock()
		grace.send(mediated("invite", "bob@localhost"))
		if got := inTea(grace.all()); !slices.Equal(got, []string{"forbidden"}) {
			t.Errorf("got %q", got)
		}
		ada.send(mediated("invite", "bob@localhost"))
		ada.all()
		if got := bob.all(); len(got) != 1 {
			t.Errorf("got %q", got)
		}
		if got := inTea(bob.join(tea, "bob")); !slices.Contains(got, "bob member participant 110 170") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("direct, to somebody who is away", func(t *testing.T) {
		ada.send(`<message xmlns='jabber:client' to='bob@localhost'><x xmlns='jabber:x:conference' jid='` + tea + `'/></message>`)
		ada.all()
		if e := bob.all(); !has(e[len(e)-1], "<x xmlns='jabber:x:conference' jid='"+tea+"'/>") {
			t.Errorf("got %q", e)
		}
	})
}

func TestRoomWhisper(t *testing.T) {
	f, ada, grace, bob := tearoom(t, "")
	say := func(nick, body string) string {
		return `<message xmlns='jabber:client' type='chat' id='m' to='` + tea + `/` + nick + `'><body>` + body + `</body><x xmlns='http://jabber.org/protocol/muc#user'/></message>`
	}
	desk := f.online(t, "grace", "h")
	desk.send(`<iq xmlns='jabber:client' type='set' id='1'><enable xmlns='urn:xmpp:carbons:2'/></iq>`)
	desk.all()
	grace.all()
	grace.send(say("bob", "psst"))
	grace.wantBodies()
	e := bob.all()[0]
	if e.Attr("from") != tea+"/grace" || e.Attr("to") != "bob@localhost/b" || e.Child(nsUser, "x") == nil ||
		e.Child(nsOccupant, "occupant-id") == nil || e.Child(nsStanzaID, "stanza-id").Attr("by") != "bob@localhost" {
		t.Error(e)
	}
	ada.wantBodies()
	if got := desk.all(); len(got) != 1 || !has(got[0], "<sent xmlns='urn:xmpp:carbons:2'>") || !has(got[0], "to='"+tea+"/bob'") {
		t.Errorf("the other client got %q", got)
	}
	f.mu.Lock()
	if n := len(f.rooms[tea].archive.entries); n != 0 {
		t.Errorf("the room keeps %d", n)
	}
	if kept := f.accounts["bob"].archive.entries; len(kept) != 1 || kept[0].with != tea+"/grace" {
		t.Errorf("bob keeps %v", kept)
	}
	f.mu.Unlock()
	grace.send(say("carol", "psst"))
	if got := inTea(grace.all()); !slices.Equal(got, []string{"item-not-found"}) {
		t.Errorf("got %q", got)
	}
	desk.send(say("bob", "psst"))
	if got := inTea(desk.all()); !slices.Equal(got, []string{"not-acceptable"}) {
		t.Errorf("got %q", got)
	}
	ada.iq("set", tea, configuring(filter("muc#roomconfig_allowpm", "moderators")))
	grace.all()
	grace.send(say("ada", "psst"))
	if got := inTea(grace.all()); !slices.Equal(got, []string{"forbidden"}) {
		t.Errorf("got %q", got)
	}
	bob.all()
	ada.send(say("bob", "psst"))
	ada.all()
	bob.wantBodies("psst")
}

func TestRoomModerate(t *testing.T) {
	const v1 = `<moderate id='ID' xmlns='urn:xmpp:message-moderate:1'><retract xmlns='urn:xmpp:message-retract:1'/><reason>rude</reason></moderate>`
	const v0 = `<apply-to id='ID' xmlns='urn:xmpp:fasten:0'><moderate xmlns='urn:xmpp:message-moderate:0'><retract xmlns='urn:xmpp:message-retract:0'/><reason>rude</reason></moderate></apply-to>`
	for name, request := range map[string]string{"version 1": v1, "version 0": v0} {
		t.Run(name, func(t *testing.T) {
			f, ada, grace, bob := tearoom(t, "")
			bob.send(groupchat(tea, "milk is not tea"))
			id := bob.all()[0].Child(nsStanzaID, "stanza-id").Attr("id")
			request := strings.Replace(request, "ID", id, 1)
			grace.all()
			if e := grace.answer("set", tea, request); brief(e) != "forbidden" {
				t.Error(e)
			}
			if e := ada.answer("set", tea, strings.Replace(request, id, "none", 1)); brief(e) != "item-not-found" {
				t.Error(e)
			}
			if e := ada.answer("set", tea, request); e.Attr("type") != "result" {
				t.Error(e)
			}
			m := grace.all()[0]
			r := m.Child(nsRetract, "retract")
			if by := r.Child(nsModerate, "moderated"); m.Attr("from") != tea || r.Attr("id") != id || by.Attr("by") != tea+"/ada" ||
				by.Child(nsOccupant, "occupant-id") == nil || !has(r, "rude") || m.Child(nsFasten, "apply-to").Attr("id") != id {
				t.Error(m)
			}
			got := grace.iq("set", tea, `<query xmlns='urn:xmpp:mam:2'/>`)
			if len(got) != 3 || has(got[0], "milk") || !has(got[0], "<retracted ") || !has(got[0], "type='groupchat'") || !has(got[0], "from='"+tea+"/bob'") || !has(got[1], "<retract ") {
				t.Errorf("the archive has %q", got)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			total := 0
			for _, a := range f.accounts {
				for _, e := range a.archive.entries {
					total += e.size
				}
			}
			for _, r := range f.rooms {
				for _, e := range r.archive.entries {
					total += len(e.m.String())
				}
			}
			if total != f.stored {
				t.Errorf("%d bytes are stored, %d counted", total, f.stored)
			}
		})
	}
	t.Run("by somebody else than the room", func(t *testing.T) {
		_, ada, _, bob := tearoom(t, "")
		bob.send(`<message xmlns='jabber:client' type='groupchat' to='` + tea + `'><retract id='x' xmlns='urn:xmpp:message-retract:1'/></message>`)
		bob.all()
		if e := ada.all()[0]; e.Attr("from") != tea+"/bob" {
			t.Error(e)
		}
	})
}

func TestRoomRegister(t *testing.T) {
	const ask = `<query xmlns='jabber:iq:register'/>`
	const node = `<query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'/>`
	want := func(nick string) string {
		return `<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>` + filter("muc#register_roomnick", nick) + `</x></query>`
	}
	_, ada, grace, bob := tearoom(t, "")
	if e := bob.answer("get", tea, ask); !has(e, "var='muc#register_roomnick'") || has(e, "<registered") {
		t.Error(e)
	}
	for nick, condition := range map[string]string{"grace": "conflict", "": "bad-request"} {
		if e := bob.answer("set", tea, want(nick)); brief(e) != condition {
			t.Errorf("%q: %s", nick, e)
		}
	}
	if e := bob.answer("set", tea, want("robert")); e.Attr("type") != "result" {
		t.Error(e)
	}
	if e := bob.answer("get", tea, ask); !has(e, "<registered") || !has(e, "<username>robert") {
		t.Error(e)
	}
	if e := bob.answer("get", tea, node); !has(e, "name='robert'") {
		t.Error(e)
	}
	grace.send(`<presence xmlns='jabber:client' to='` + tea + `/robert'/>`)
	if got := inTea(grace.all()); !slices.Equal(got, []string{"conflict"}) {
		t.Errorf("got %q", got)
	}
	ada.iq("set", tea, admins(`<item nick='grace' role='none'/>`))
	grace.all()
	if got := inTea(grace.join(tea, "robert")); !slices.Equal(got, []string{"conflict"}) {
		t.Errorf("got %q", got)
	}
	bob.send(`<presence xmlns='jabber:client' to='` + tea + `/robert'/>`)
	if got := inTea(bob.all()); !slices.Contains(got, "robert none participant 110") {
		t.Errorf("got %q", got)
	}
	bob.iq("set", tea, `<query xmlns='jabber:iq:register'><remove/></query>`)
	if e := bob.answer("get", tea, node); has(e, "<identity") {
		t.Error(e)
	}
}

// A client that what the room sends does not reach is let out; one that dislikes a
// stanza is not.
func TestRoomBounce(t *testing.T) {
	_, ada, _, bob := tearoom(t, "")
	bounce := func(condition string) string {
		return `<message xmlns='jabber:client' type='error' to='` + tea + `'><error type='cancel'><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`
	}
	bob.send(bounce("not-acceptable"))
	bob.all()
	if got := inTea(ada.all()); got != nil {
		t.Errorf("got %q", got)
	}
	bob.send(bounce("recipient-unavailable"))
	bob.all()
	if got := inTea(ada.all()); !slices.Equal(got, []string{"bob none none unavailable 333"}) {
		t.Errorf("got %q", got)
	}
}

func TestRoomVoice(t *testing.T) {
	form := func(fields string) string {
		return `<message xmlns='jabber:client' to='` + tea + `'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#request</value></field>` + fields + `</x></message>`
	}
	ask := form(filter("muc#role", "participant"))
	give := form(filter("muc#role", "participant") + filter("muc#roomnick", "bob") + filter("muc#request_allow", "true"))
	_, ada, grace, bob := tearoom(t, filter("muc#roomconfig_moderatedroom", "1"))
	bob.all()
	bob.send(groupchat(tea, "hm"))
	bob.send(give)
	bob.send(strings.Replace(ask, "muc#request", "muc#other", 1))
	if got := inTea(bob.all()); !slices.Equal(got, []string{"forbidden", "forbidden", "bad-request"}) {
		t.Errorf("got %q", got)
	}
	bob.send(ask)
	bob.all()
	if got := ada.all(); len(got) != 1 || got[0].Attr("from") != tea || !has(got[0], "<value>bob</value>") || !has(got[0], "<value>bob@localhost/b</value>") {
		t.Errorf("got %q", got)
	}
	if got := grace.all(); len(got) != 0 {
		t.Errorf("grace, who is no moderator, got %q", got)
	}
	ada.send(give)
	ada.all()
	if got := inTea(bob.all()); !slices.Equal(got, []string{"bob none participant 110"}) {
		t.Errorf("got %q", got)
	}
	bob.send(ask)
	if got := inTea(bob.all()); !slices.Equal(got, []string{"not-allowed"}) {
		t.Errorf("got %q", got)
	}
}

// XEP-0045 §7.10, §9.9: whom a room keeps out because only members may enter asks to become one, and an admin decides.
func TestRoomRequests(t *testing.T) {
	ask := func(nick string) string {
		return `<iq xmlns='jabber:client' type='set' id='r' to='` + tea + `'><query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>` +
			`<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>` + filter("muc#register_roomnick", nick) + `</x></query></iq>`
	}
	answer := func(nick, allow string) string {
		return `<message xmlns='jabber:client' to='` + tea + `'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>` +
			filter("muc#register_roomnick", nick) + filter("muc#register_allow", allow) + `</x></message>`
	}
	f, ada, grace, bob := tearoom(t, "")
	f.do(func() {
		r := f.rooms[tea]
		r.membersOnly, r.affiliations["grace@localhost"] = true, member
		f.setAffiliation(r, "bob@localhost", member, change{})
		f.setAffiliation(r, "bob@localhost", none, change{})
	})
	ada.all()
	grace.all()
	bob.all()

	bob.send(ask("ada2"))
	bob.send(ask("bobby"))
	bob.all()
	if got := ada.all(); len(got) != 2 || got[1].Attr("from") != tea || !has(got[1], "<value>bobby</value>") || !has(got[1], "<value>bob@localhost</value>") {
		t.Errorf("ada, who owns the room, got %q", got)
	}
	if got := grace.all(); len(got) != 0 {
		t.Errorf("grace, who is no admin, got %q", got)
	}
	grace.send(answer("bobby", "1"))
	if got := inTea(grace.all()); !slices.Equal(got, []string{"forbidden"}) {
		t.Errorf("grace decides: %q", got)
	}
	ada.send(answer("ada2", "1")) // bob has asked anew since
	ada.send(answer("bobby", "perhaps"))
	if got := inTea(ada.all()); !slices.Equal(got, []string{"item-not-found", "bad-request"}) {
		t.Errorf("ada got %q", got)
	}
	ada.send(answer("bobby", "0"))
	ada.all()
	bob.send(entering(tea, "bobby", ""))
	if got := inTea(bob.all()); !slices.Equal(got, []string{"registration-required"}) {
		t.Errorf("after a refusal: %q", got)
	}
	bob.send(ask("bobby"))
	bob.all()
	ada.all()
	ada.send(answer("bobby", "1"))
	ada.all()
	bob.send(entering(tea, "bobby", ""))
	if got := inTea(bob.all()); !slices.Contains(got, "bobby member participant 110 170") {
		t.Errorf("after the approval: %q", got)
	}
	ada.send(answer("bobby", "1"))
	if got := inTea(ada.all()); len(got) == 0 || got[len(got)-1] != "item-not-found" {
		t.Errorf("a second time: %q", got)
	}
}
