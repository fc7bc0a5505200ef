package trial

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"natter/framing"
)

// ask queries the archive and returns the texts, their ids and <fin/>.
func (c *client) ask(form, set string) (texts, ids []string, fin *framing.Element) {
	c.t.Helper()
	if form != "" {
		form = `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>` + form + `</x>`
	}
	c.send(`<iq xmlns='jabber:client' type='set' id='mam'><query xmlns='urn:xmpp:mam:2' queryid='q1'>` + form +
		`<set xmlns='http://jabber.org/protocol/rsm'>` + set + `</set></query></iq>`)
	for {
		e := c.next()
		if e.Attr("id") == "mam" {
			if e.Attr("type") == "error" {
				return nil, nil, e
			}
			return texts, ids, e.Child(nsArchive, "fin")
		}
		r := e.Child(nsArchive, "result")
		if r == nil || r.Attr("queryid") != "q1" || e.Attr("from") != "ada@localhost" {
			c.t.Fatalf("in the middle of a query: %s", e)
		}
		m := r.Child(nsForward, "forwarded").Child(framing.NSClient, "message")
		if m.Child(nsStanzaID, "stanza-id").Attr("id") != r.Attr("id") {
			c.t.Errorf("two ids: %s", e)
		}
		texts = append(texts, m.Child(framing.NSClient, "body").Text())
		ids = append(ids, r.Attr("id"))
	}
}

func filter(name, value string) string {
	return `<field var='` + name + `'><value>` + value + `</value></field>`
}

func TestArchive(t *testing.T) {
	f := start(t, Options{Demo: true})
	f.account(t, "bob")
	ada, bob := f.bound(t, "ada", "a"), f.bound(t, "bob", "b")
	for i := range 9 {
		f.clock.add(time.Minute)
		if i%3 == 0 {
			bob.send(chat("ada@localhost", fmt.Sprint(i)))
			bob.all()
			continue
		}
		ada.send(chat("grace@localhost/phone", fmt.Sprint(i)))
		ada.all()
	}
	_, ids, _ := ada.ask("", "") // echo's greeting is ids[0], message i is ids[i+1]
	for _, tc := range []struct {
		name, form, set, want string
		complete              bool
	}{
		{"everything", "", "", greeting + " 0 1 2 3 4 5 6 7 8", true},
		{"first page", "", "<max>3</max>", greeting + " 0 1", false},
		{"next page", "", "<max>3</max><after>" + ids[2] + "</after>", "2 3 4", false},
		{"page that ends it", "", "<max>3</max><after>" + ids[6] + "</after>", "6 7 8", true},
		{"page after the last", "", "<max>3</max><after>" + ids[9] + "</after>", "", true},
		{"last page", "", "<max>3</max><before/>", "6 7 8", false},
		{"page before", "", "<max>3</max><before>" + ids[7] + "</before>", "3 4 5", false},
		{"page before that begins it", "", "<max>3</max><before>" + ids[2] + "</before>", greeting + " 0", true},
		{"between two", "", "<after>" + ids[2] + "</after><before>" + ids[5] + "</before>", "2 3", true},
		{"count only", "", "<max>0</max>", "", false},
		{"with", filter("with", "bob@localhost"), "", "0 3 6", true},
		{"with, a page", filter("with", "bob@localhost"), "<max>2</max><before/>", "3 6", false},
		{"with a client", filter("with", "grace@localhost/phone"), "", "1 2 4 5 7 8", true},
		{"with another client", filter("with", "grace@localhost/desk"), "", "", true},
		{"after an id", filter("after-id", ids[6]), "", "6 7 8", true},
		{"before an id, a page", filter("before-id", ids[6]), "<max>2</max><before/>", "3 4", false},
		{"between two ids", filter("after-id", ids[2]) + filter("before-id", ids[5]), "", "2 3", true},
		{"between ids the wrong way round", filter("after-id", ids[5]) + filter("before-id", ids[2]), "", "", true},
		{"by ids", `<field var='ids'><value>` + ids[4] + `</value><value>` + ids[2] + `</value></field>`, "", "1 3", true},
		{"start", filter("start", "2026-01-02T03:11:05Z"), "", "6 7 8", true},
		{"end", filter("end", "2026-01-02T03:06:05.000Z"), "", greeting + " 0 1", true},
		{"start and end", filter("start", "2026-01-02T03:06:05Z") + filter("end", "2026-01-02T05:07:05+02:00"), "", "1 2", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			texts, got, fin := ada.ask(tc.form, tc.set)
			if strings.Join(texts, " ") != tc.want || (fin.Attr("complete") == "true") != tc.complete {
				t.Errorf("got %q and %s", texts, fin)
			}
			set := fin.Child(nsPaging, "set")
			if len(got) > 0 && (set.Child(nsPaging, "first").Text() != got[0] || set.Child(nsPaging, "last").Text() != got[len(got)-1]) {
				t.Errorf("%s does not describe %q", fin, got)
			}
		})
	}
	for _, tc := range []struct{ name, form, set, want string }{
		{"unknown id", "", "<after>nothing</after>", "<item-not-found"},
		{"unknown id before", "", "<before>nothing</before>", "<item-not-found"},
		{"unknown after-id", filter("after-id", "nothing"), "", "<item-not-found"},
		{"unknown before-id", filter("before-id", "nothing"), "", "<item-not-found"},
		{"one unknown of two ids", `<field var='ids'><value>` + ids[4] + `</value><value>nothing</value></field>`, "", "<item-not-found"},
		{"unknown field", filter("x", "y"), "", "<feature-not-implemented"},
		{"bad date", filter("start", "yesterday"), "", "<bad-request"},
		{"bad max", "", "<max>-1</max>", "<bad-request"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, _, e := ada.ask(tc.form, tc.set); !has(e, tc.want) {
				t.Errorf("got %s", e)
			}
		})
	}
	t.Run("a page that is flipped", func(t *testing.T) {
		got := ada.iq("set", "", `<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>2</max><before/></set><flip-page/></query>`)
		if len(got) != 3 || !has(got[0], "<body>8<") || !has(got[1], "<body>7<") || !has(got[2], "<last>"+ids[9]) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("metadata", func(t *testing.T) {
		if e := ada.answer("get", "", `<metadata xmlns='urn:xmpp:mam:2'/>`); !has(e, "<end id='"+ids[9]+"'") {
			t.Error(e)
		}
	})
	t.Run("form", func(t *testing.T) {
		ada.send(`<iq xmlns='jabber:client' type='get' id='1'><query xmlns='urn:xmpp:mam:2'/></iq>`)
		ada.want("var='with'")
	})
	t.Run("preferences", func(t *testing.T) {
		ada.send(`<iq xmlns='jabber:client' type='get' id='1'><prefs xmlns='urn:xmpp:mam:2'/></iq>`)
		ada.want("default='always'")
	})
	t.Run("sec 94 expiry", func(t *testing.T) {
		f.clock.add(24*time.Hour + 3*time.Minute - 9*time.Minute)
		if texts, _, _ := ada.ask("", ""); strings.Join(texts, " ") != "2 3 4 5 6 7 8" {
			t.Errorf("left are %q", texts)
		}
	})
}

func TestWhatIsArchived(t *testing.T) {
	for _, tc := range []struct {
		payload string
		want    bool
	}{
		{`<body>hi</body>`, true},
		{`<subject>hi</subject>`, true},
		{`<received xmlns='urn:xmpp:receipts' id='1'/>`, true},
		{`<composing xmlns='http://jabber.org/protocol/chatstates'/>`, false},
		{`<active xmlns='http://jabber.org/protocol/chatstates'/><thread>1</thread>`, false},
		{`<composing xmlns='http://jabber.org/protocol/chatstates'/><store xmlns='urn:xmpp:hints'/>`, true},
		{`<body>hi</body><no-store xmlns='urn:xmpp:hints'/>`, false},
		{`<body>hi</body><no-copy xmlns='urn:xmpp:hints'/>`, true},
	} {
		for kind, ever := range map[string]bool{"chat": true, "normal": true, "headline": false, "groupchat": false, "error": false} {
			m, err := framing.Parse(`<message xmlns='jabber:client' type='`+kind+`'>`+tc.payload+`</message>`, framing.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got := keep(m); got != (tc.want && ever) {
				t.Errorf("%s %s: %v", kind, tc.payload, got)
			}
		}
	}
}

func TestToOneself(t *testing.T) {
	f := demo(t)
	ada, other := f.online(t, "ada", "a"), f.online(t, "ada", "b")
	ada.all()
	ada.send(chat("ada@localhost", "note"))
	ada.wantBodies("note")
	other.wantBodies("note")
	if texts, _, _ := ada.ask("", ""); !slices.Equal(texts, []string{greeting, "note"}) {
		t.Errorf("archived are %q", texts)
	}
}

func TestOffline(t *testing.T) {
	leave := func(t *testing.T) *fixture {
		f := demo(t)
		grace := f.bound(t, "grace", "g")
		grace.send(chat("ada@localhost", "you were away"))
		grace.send(`<message xmlns='jabber:client' type='chat' to='ada@localhost'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`)
		grace.all()
		f.clock.add(time.Hour)
		return f
	}
	t.Run("delivered with the first presence, once", func(t *testing.T) {
		f := leave(t)
		ada := f.bound(t, "ada", "a")
		ada.send(`<presence xmlns='jabber:client'/>`)
		got := ada.all()
		m := got[len(got)-1]
		if m.Child(framing.NSClient, "body").Text() != "you were away" ||
			m.Child(nsDelay, "delay").Attr("stamp") != "2026-01-02T03:04:05.000Z" || m.Child(nsStanzaID, "stanza-id") == nil {
			t.Errorf("got %s", m)
		}
		f.online(t, "ada", "b").wantBodies()
	})
	t.Run("not to a negative priority", func(t *testing.T) {
		ada := leave(t).bound(t, "ada", "a")
		ada.send(`<presence xmlns='jabber:client'><priority>-1</priority></presence>`)
		ada.wantBodies()
		ada.send(`<presence xmlns='jabber:client'/>`)
		ada.wantBodies(greeting, "you were away")
	})
	t.Run("not after the archive was read", func(t *testing.T) {
		ada := leave(t).bound(t, "ada", "a")
		if texts, _, _ := ada.ask("", ""); len(texts) != 2 {
			t.Errorf("archived are %q", texts)
		}
		ada.send(`<presence xmlns='jabber:client'/>`)
		ada.wantBodies()
	})
	t.Run("V22 not with Bind 2", func(t *testing.T) {
		ada := leave(t).opened(t)
		ada.sasl2("ada", "analytical", `<bind xmlns='urn:xmpp:bind:0'/>`)
		ada.want("features")
		ada.send(`<presence xmlns='jabber:client'/>`)
		ada.wantBodies()
	})
	t.Run("sec 96 no more than there is room for", func(t *testing.T) {
		f := start(t, Options{Demo: true, Limits: Limits{Offline: 2}}) // one is echo's greeting
		grace := f.bound(t, "grace", "g")
		grace.send(chat("ada@localhost", "fits"))
		grace.send(chat("ada@localhost", "does not"))
		if got := grace.all(); len(got) != 1 || !has(got[0], "<resource-constraint") {
			t.Errorf("got %v", got)
		}
	})
}
