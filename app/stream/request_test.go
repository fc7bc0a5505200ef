package stream

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"natter/framing"
)

// answer is the end of a request.
type answer struct {
	times int
	reply *framing.Element
	err   error
}

func (w *world) request(id, to string) (a *answer, cancel func()) {
	a = new(answer)
	cancel = w.s.Request(get(id, to), func(reply *framing.Element, err error) {
		a.times++
		a.reply, a.err = reply, err
	})
	synctest.Wait()
	return a, cancel
}

// S06, CVE-2013-6483, CVE-2014-0364, CVE-2024-46957.
func TestS06_Sender(t *testing.T) {
	const (
		friend = "grace@example.org/home"
		self   = "ada@example.org"
	)
	for _, tc := range []struct {
		to, from string
		ok       bool
	}{
		{"", "", true},
		{"", self, true},
		{"", "example.org", true},
		{"", "ada@example.org/desk", true},
		{"", "ada@example.org/phone", false},
		{"", friend, false},
		{"", "example.com", false},
		{"example.org", "example.org", true},
		{"example.org", "", true},
		{"example.org", "grace@example.org", false},
		{"Example.ORG", "example.org", true},
		{self, "", true},
		{self, self, true},
		{self, "ADA@example.org", true},
		{self, "grace@example.org", false},
		{self, "ada@example.org.evil.example", false},
		{friend, friend, true},
		{friend, "", false},
		{friend, self, false},
		{friend, "example.org", false},
		{friend, "grace@example.org", false},
		{friend, "grace@example.org/HOME", false},
		{"Grace@Example.org/home", friend, true},
		{"room@chat.example.org", "room@chat.example.org", true},
		{"room@chat.example.org", "room@chat.example.org/nick", false},
		{"room@chat.example.org", "chat.example.org", false},
	} {
		t.Run(fmt.Sprintf("S06 sec 5 to %q from %q", tc.to, tc.from), func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *world) {
				sv := w.managed()
				got, _ := w.request("q1", tc.to)
				sv.read()
				reply := framing.New(framing.NSClient, "iq").Set("type", "result").Set("id", "q1").Set("from", tc.from)
				sv.say(reply.String())
				if (got.times == 1) != tc.ok {
					t.Fatalf("answered %d times", got.times)
				}
				if !tc.ok { // the one who was asked can still answer
					sv.say(reply.Set("from", tc.to).String())
				}
				if got.times != 1 || got.err != nil {
					t.Fatalf("%+v", got)
				}
				sv.say(reply.String(), r)
				if got.times != 1 {
					t.Fatal("answered again")
				}
			})
		})
	}
	for _, doc := range []string{
		`<message xmlns="jabber:client" type="result" id="q1"/>`,
		`<presence xmlns="jabber:client" type="result" id="q1"/>`,
		`<message xmlns="jabber:client" type="error" id="q1"/>`,
		`<iq xmlns="jabber:client" type="get" id="q1"><a xmlns="urn:example"/></iq>`,
		`<iq xmlns="jabber:client" id="q1"/>`,
		`<iq xmlns="jabber:client" type="RESULT" id="q1"/>`,
		`<iq xmlns="jabber:client" type="result"/>`,
		`<iq xmlns="jabber:client" type="result" id="Q1"/>`,
		`<iq xmlns="urn:example" type="result" id="q1"/>`,
	} {
		t.Run("S06 sec 5 "+doc, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *world) {
				sv := w.managed()
				got, _ := w.request("q1", "")
				sv.read()
				sv.say(doc)
				if got.times != 0 {
					t.Fatal("taken for the answer")
				}
				sv.say(`<iq xmlns="jabber:client" type="result" id="q1"/>`)
				if got.times != 1 {
					t.Fatal("not answered")
				}
			})
		})
	}
	t.Run("S06 a stranger's pong confirms nothing", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.plain()
			w.send("m1")
			w.pass(time.Second)
			sv.got(written("m1"), ping("id1"))
			sv.say(`<iq xmlns="jabber:client" type="result" from="grace@example.org" id="id1"/>`)
			w.happened("received id1")
			sv.say(pong("id1"))
			w.happened("acknowledged m1")
		})
	})
}

func TestS07_Errors(t *testing.T) {
	const ns = `xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"`
	for _, tc := range []struct {
		name, payload        string
		typ, condition, text string
		app                  bool
	}{
		{"plain", `<error type="wait"><item-not-found ` + ns + `/></error>`, "wait", "item-not-found", "", false},
		{"S07 text", `<error type="auth"><text ` + ns + `>No.</text><forbidden ` + ns + `/></error>`, "auth", "forbidden", "No.", false},
		{"S07 unknown condition", `<error type="cancel"><out-of-cheese ` + ns + `/></error>`, "cancel", "undefined-condition", "", false},
		{"S07 application", `<error type="modify"><gone ` + ns + `/><stale xmlns="urn:example"/></error>`, "modify", "gone", "", true},
		{"S07 condition of another namespace", `<error type="modify"><gone xmlns="urn:example"/></error>`, "modify", "undefined-condition", "", true},
		{"S07 unknown type", `<error type="maybe"><gone ` + ns + `/></error>`, "cancel", "gone", "", false},
		{"S07 empty", `<error/>`, "cancel", "undefined-condition", "", false},
		{"S07 two", `<error type="wait"><gone ` + ns + `/></error><error type="wait"><forbidden ` + ns + `/></error>`, "cancel", "undefined-condition", "", false},
		{"S07 none", ``, "cancel", "undefined-condition", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *world) {
				sv := w.managed()
				got, _ := w.request("q1", "")
				sv.read()
				sv.say(`<iq xmlns="jabber:client" type="error" id="q1">` + tc.payload + `</iq>`)
				var e *framing.StanzaError
				if !errors.As(got.err, &e) || got.reply == nil {
					t.Fatalf("%+v", got)
				}
				if e.Type != tc.typ || e.Condition != tc.condition || e.Text != tc.text || (e.App != nil) != tc.app {
					t.Fatalf("%+v", e)
				}
				sv.got() // an error is never answered
			})
		})
	}
}

func TestRequest_Ends(t *testing.T) {
	t.Run("id and deadline", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.managed()
			iq := get("", "example.org")
			var got error
			w.s.Request(iq, func(_ *framing.Element, err error) { got = err })
			if iq.Attr("id") != "id1" {
				t.Fatal(iq)
			}
			w.pass(29 * time.Second)
			if got != nil {
				t.Fatal(got)
			}
		})
	})
	t.Run("deadline", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			got, _ := w.request("q1", "grace@example.org/home")
			for range 3 {
				w.pass(10 * time.Second)
				sv.say(a(1))
			}
			if !errors.Is(got.err, context.DeadlineExceeded) || got.times != 1 {
				t.Fatalf("%+v", got)
			}
			sv.say(`<iq xmlns="jabber:client" type="result" id="q1" from="grace@example.org/home"/>`)
			if got.times != 1 {
				t.Fatal("answered too late")
			}
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			unwritten, cancelUnwritten := w.request("q0", "")
			cancelUnwritten()
			sv := w.managed()
			got, cancel := w.request("q1", "")
			sv.got(get("q1", "").String())
			cancel()
			sv.say(`<iq xmlns="jabber:client" type="result" id="q1"/>`)
			w.pass(time.Minute)
			if got.times+unwritten.times != 0 {
				t.Fatal("answered")
			}
		})
	})
	t.Run("lost with the stream", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.plain()
			got, _ := w.request("q1", "")
			sv.read()
			sv.cut()
			waits, _ := w.request("q2", "")
			w.pass(time.Minute)
			if got.err != ErrDisconnected || got.times != 1 || waits.times != 0 {
				t.Fatalf("%+v %+v", got, waits)
			}
			sv = w.next().fresh(featuresNoSM)
			sv.got(get("q2", "").String())
			sv.say(`<iq xmlns="jabber:client" type="result" id="q2"/>`)
			if waits.times != 1 || waits.err != nil {
				t.Fatalf("%+v", waits)
			}
		})
	})
	t.Run("survives a resume", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			acked, _ := w.request("q1", "")
			again, _ := w.request("q2", "")
			sv.read()
			sv.say(a(1))
			sv.cut()
			w.pass(2 * time.Minute)
			sv = w.next().resumed(1)
			sv.got(get("q2", "").String())
			sv.say(`<iq xmlns="jabber:client" type="result" id="q2"/>`, `<iq xmlns="jabber:client" type="result" id="q1"/>`)
			if acked.times != 1 || acked.err != nil || again.times != 1 || again.err != nil {
				t.Fatalf("%+v %+v", acked, again)
			}
		})
	})
	t.Run("lost when the resume fails", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			acked, _ := w.request("q1", "")
			unacked, _ := w.request("q2", "")
			sv.read()
			sv.say(a(1))
			sv.cut()
			w.pass(10 * time.Second)
			if acked.times+unacked.times != 0 {
				t.Fatal("given up too early")
			}
			w.next().fresh(featuresSM)
			if acked.err != ErrDisconnected || unacked.err != ErrDisconnected {
				t.Fatalf("%+v %+v", acked, unacked)
			}
		})
	})
}
