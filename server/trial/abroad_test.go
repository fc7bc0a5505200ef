package trial

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"natter/framing"
)

// world connects servers as gateways do: whom a stream is for is in its header.
type world struct {
	mu      sync.Mutex
	servers map[string]*fixture
	lines   []net.Conn
}

func (w *world) others() net.Conn {
	near, far := net.Pipe()
	go w.connect(far)
	return near
}

func (w *world) connect(far net.Conn) {
	var head bytes.Buffer
	e, err := framing.NewStreamReader(io.TeeReader(far, &head), framing.Limits{}).Next()
	h, _ := framing.ReadHeader(e)
	w.mu.Lock()
	called := w.servers[h.To]
	w.mu.Unlock()
	if err != nil || called == nil {
		failed := &framing.StreamError{Condition: framing.RemoteConnectionFailed, Text: h.To + " is nowhere",
			App: framing.New(framing.NSStanzaError, "remote-server-not-found")}
		_, _ = far.Write(failed.Element().AppendWithin(framing.Open{From: h.To, To: h.From, Version: "1.0"}.AppendHeader(nil, framing.NSServer), framing.NSServer))
		_ = far.Close()
		return
	}
	to := called.Servers()
	w.mu.Lock()
	w.lines = append(w.lines, far, to)
	w.mu.Unlock()
	go func() { _, _ = io.Copy(far, to); _ = far.Close() }()
	_, _ = to.Write(head.Bytes())
	_, _ = io.Copy(to, far)
	_ = to.Close()
}

// cut loses all streams there are, and waits until a server has noticed.
func (w *world) cut(f *fixture) {
	w.mu.Lock()
	for _, c := range w.lines {
		_ = c.Close()
	}
	w.lines = nil
	w.mu.Unlock()
	for left := 1; left > 0; time.Sleep(time.Millisecond) {
		f.do(func() { left = len(f.outgoing) })
	}
}

// found adds a server with an account.
func (w *world) found(t *testing.T, domain, local string, lim Limits) *fixture {
	t.Helper()
	f := start(t, Options{Domain: domain, Others: w.others, Limits: lim})
	f.account(t, local)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[domain] = f
	return f
}

// two are servers of two domains with a person each, ada@a.test and bob@b.test.
func two(t *testing.T) (w *world, a, b *fixture) {
	w = &world{servers: map[string]*fixture{}}
	return w, w.found(t, "a.test", "ada", Limits{}), w.found(t, "b.test", "bob", Limits{})
}

// until reads on to an element that has this in it.
func (c *client) until(part string) *framing.Element {
	c.t.Helper()
	for {
		e, err := c.read()
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", part, err)
		}
		if has(e, part) {
			return e
		}
	}
}

func asking(to, kind string) string {
	return fmt.Sprintf(`<presence xmlns='jabber:client' to='%s' type='%s'/>`, to, kind)
}

// befriend lets both see each other.
func befriend(ada, bob *client) {
	ada.send(asking("bob@b.test", "subscribe"))
	bob.until("type='subscribe'")
	bob.send(asking("ada@a.test", "subscribed"))
	ada.until("type='subscribed'")
	ada.until("from='bob@b.test/b'")
	bob.send(asking("ada@a.test", "subscribe"))
	ada.until("type='subscribe'")
	ada.send(asking("bob@b.test", "subscribed"))
	bob.until("type='subscribed'")
	bob.until("from='ada@a.test/a'")
}

// People of two domains subscribe to each other, see each other, talk, and ask each other's
// clients.
func TestFederation(t *testing.T) {
	_, a, b := two(t)
	ada, bob := a.online(t, "ada", "a"), b.online(t, "bob", "b")
	befriend(ada, bob)
	ada.send(chat("bob@b.test", "hello"))
	m := bob.until("<body>hello</body>")
	if m.Attr("from") != "ada@a.test/a" || m.Child(framing.NSClient, "body") == nil || m.Child(nsStanzaID, "stanza-id").Attr("by") != "bob@b.test" {
		t.Errorf("bob got %s", m)
	}
	bob.send(chat("ada@a.test/a", "hello yourself"))
	ada.until("<body>hello yourself</body>")
	ada.send(`<iq xmlns='jabber:client' type='get' id='1' to='b.test'><query xmlns='jabber:iq:version'/></iq>`)
	if e := ada.until("id='1'"); e.Attr("type") != "result" || e.Attr("from") != "b.test" {
		t.Errorf("b.test answers %s", e)
	}
	ada.send(`<iq xmlns='jabber:client' type='set' id='2' to='b.test'><enable xmlns='urn:xmpp:carbons:2'/></iq>`)
	if e := ada.until("id='2'"); e.Attr("type") != "error" {
		t.Errorf("b.test does for a stranger what is for its people: %s", e)
	}
	ada.send(`<iq xmlns='jabber:client' type='get' id='3' to='bob@b.test/b'><x xmlns='urn:x'/></iq>`)
	q := bob.until("urn:x")
	bob.send(`<iq xmlns='jabber:client' type='result' id='3' to='` + q.Attr("from") + `'><x xmlns='urn:x'>answer</x></iq>`)
	ada.until("answer")

	bob.send(`<presence xmlns='jabber:client' type='unavailable'/>`)
	ada.until("type='unavailable'")
	bob.send(`<presence xmlns='jabber:client'><show>away</show></presence>`)
	ada.until("<show>away</show>")
	bob.until("from='ada@a.test/a'") // the answer to a probe

	ada.send(asking("bob@b.test", "unsubscribe"))
	ada.send(asking("bob@b.test", "unsubscribed"))
	bob.until("type='unsubscribe'")
	bob.until("type='unavailable'")
	ada.until("type='unavailable'")
}

// A server that has forgotten says so when it is asked, and whoever asks anew is let in.
func TestFederation_Forgotten(t *testing.T) {
	w, a, b := two(t)
	ada := a.online(t, "ada", "a")
	befriend(ada, b.online(t, "bob", "b"))
	b = w.found(t, "b.test", "bob", Limits{})
	w.cut(a)
	ada.send(`<presence xmlns='jabber:client' type='unavailable'/>`)
	ada.send(`<presence xmlns='jabber:client'/>`)
	ada.until("type='unsubscribed'")
	bob := b.online(t, "bob", "b")
	bob.send(asking("ada@a.test", "subscribe"))
	bob.until("type='subscribed'")
	bob.until("from='ada@a.test/a'")
}

// What cannot be delivered comes back to its author with a reason, but for answers.
func TestFederation_Bounces(t *testing.T) {
	w, a, _ := two(t)
	ada := a.online(t, "ada", "a")
	for _, tc := range []struct{ doc, id string }{
		{chat("x@nowhere.test", "hello"), "m"},
		{`<iq xmlns='jabber:client' type='get' id='q' to='nowhere.test'><ping xmlns='urn:xmpp:ping'/></iq>`, "q"},
		{`<presence xmlns='jabber:client' type='subscribe' id='p' to='x@nowhere.test'/>`, "p"},
	} {
		ada.send(tc.doc)
		e := ada.until("id='" + tc.id + "'")
		failed := framing.ReadStanzaError(e)
		if failed == nil || failed.Condition != "remote-server-not-found" || failed.Text != "nowhere.test is nowhere" {
			t.Errorf("%s came back as %s", tc.doc, e)
		}
	}
	for _, doc := range []string{
		`<iq xmlns='jabber:client' type='result' id='r' to='nowhere.test'/>`,
		`<message xmlns='jabber:client' type='error' id='r' to='nowhere.test'/>`,
		`<presence xmlns='jabber:client' type='unavailable' id='r' to='x@nowhere.test'/>`,
	} {
		ada.send(doc)
	}
	ada.send(chat("x@nowhere.test", "hello"))
	if e := ada.until("type='error'"); e.Attr("id") != "m" {
		t.Errorf("an answer was answered: %s", e)
	}
	ada.send(chat("nobody@b.test", "hello"))
	if failed := framing.ReadStanzaError(ada.until("type='error'")); failed.Condition != "service-unavailable" {
		t.Errorf("b.test gives back with %v", failed)
	}
	w.mu.Lock()
	w.servers["b.test"] = nil
	w.mu.Unlock()
	w.cut(a)
	ada.send(chat("bob@b.test", "are you there?"))
	ada.until("remote-server-not-found")
}

// scripted is a server for a test to speak for.
func scripted(t *testing.T, f *fixture, from string) (net.Conn, *framing.StreamReader, string) {
	t.Helper()
	conn := f.Servers()
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	in := framing.NewStreamReader(conn, framing.Limits{})
	_, _ = conn.Write(framing.Open{From: from, To: f.domain.String(), Version: "1.0"}.AppendHeader(nil, framing.NSServer))
	e, _ := in.Next()
	h, _ := framing.ReadHeader(e)
	if e, _ := in.Next(); e.Child(nsDialbackFeature, "dialback") == nil || e.Child(nsSM, "sm") == nil {
		t.Fatalf("offered %s", e)
	}
	return conn, in, h.ID
}

// W04, Sec97: a server speaks for the domains that it has shown, and for nobody here.
func TestSec97_ServerSpeaksForItsDomains(t *testing.T) {
	_, a, b := two(t)
	bob := b.online(t, "bob", "b")
	const stanza = `<message from='%s' to='%s' type='chat'><body>x</body></message>`
	for name, tc := range map[string]struct{ key, doc, condition string }{
		"honest":        {"", fmt.Sprintf(stanza, "ada@a.test/a", "bob@b.test"), ""},
		"another's":     {"", fmt.Sprintf(stanza, "ada@c.test", "bob@b.test"), framing.InvalidFrom},
		"one of ours":   {"", fmt.Sprintf(stanza, "bob@b.test", "bob@b.test"), framing.InvalidFrom},
		"below":         {"", fmt.Sprintf(stanza, "x.a.test", "bob@b.test"), framing.InvalidFrom},
		"in a resource": {"", fmt.Sprintf(stanza, "c.test/a.test", "bob@b.test"), framing.InvalidFrom},
		"no from":       {"", `<message to='bob@b.test'/>`, framing.ImproperAddressing},
		"for another":   {"", fmt.Sprintf(stanza, "ada@a.test", "bob@c.test"), framing.HostUnknown},
		"unsolicited":   {"", `<db:result from='a.test' to='b.test' type='valid'/>`, framing.PolicyViolation},
		"a client's":    {"", `<message xmlns='jabber:client' from='ada@a.test' to='bob@b.test'/>`, framing.UnsupportedStanzaType},
		"no XML":        {"", `<message from='ada@a.test'<`, framing.NotWellFormed},
		"guessed key":   {"guessed", fmt.Sprintf(stanza, "ada@a.test", "bob@b.test"), "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, in, id := scripted(t, b, "a.test")
			key := tc.key
			if key == "" {
				key = a.key("b.test", "a.test", id)
			}
			fmt.Fprintf(conn, `<db:result from='a.test' to='b.test'>%s</db:result>`, key)
			e, err := in.Next()
			if tc.condition == "invalid" {
				if _, over := in.Next(); e.Attr("type") != "invalid" || over != framing.ErrClosed {
					t.Errorf("answered with %s, then %v", e, over)
				}
				return
			}
			if e.Attr("type") != "valid" {
				t.Fatalf("answered with %s, %v", e, err)
			}
			_, _ = io.WriteString(conn, tc.doc)
			if tc.condition == "" {
				bob.until("<body>x</body>")
				return
			}
			e, _ = in.Next()
			if failed := framing.ReadStreamError(e); failed == nil || failed.Condition != tc.condition {
				t.Errorf("answered with %s", e)
			}
			bob.wantBodies()
		})
	}
	t.Run("before it has shown anything", func(t *testing.T) {
		conn, in, _ := scripted(t, b, "a.test")
		fmt.Fprintf(conn, stanza, "ada@a.test", "bob@b.test")
		if e, _ := in.Next(); framing.ReadStreamError(e) == nil {
			t.Errorf("answered with %s", e)
		}
		bob.wantBodies()
	})
	t.Run("as one of ours", func(t *testing.T) {
		conn, in, _ := scripted(t, b, "a.test")
		fmt.Fprint(conn, `<db:result from='b.test' to='b.test'>key</db:result>`)
		if e, _ := in.Next(); e.Attr("type") != "error" {
			t.Errorf("answered with %s", e)
		}
	})
	t.Run("a key for another stream", func(t *testing.T) {
		conn, in, id := scripted(t, a, "b.test")
		for key, want := range map[string]string{a.key("b.test", "a.test", id): "invalid", a.key("b.test", "a.test", "7"): "valid"} {
			fmt.Fprintf(conn, `<db:verify from='b.test' to='a.test' id='7'>%s</db:verify>`, key)
			if e, _ := in.Next(); e.Attr("type") != want {
				t.Errorf("answered with %s instead of %s", e, want)
			}
		}
	})
}

// Sec101: what only this server may say is taken away from what others send.
func TestSec101_ForgedByServers(t *testing.T) {
	_, a, b := two(t)
	bob := b.online(t, "bob", "b")
	conn, in, id := scripted(t, b, "a.test")
	fmt.Fprintf(conn, `<db:result from='a.test' to='b.test'>%s</db:result>`, a.key("b.test", "a.test", id))
	if e, _ := in.Next(); e.Attr("type") != "valid" {
		t.Fatal(e)
	}
	fmt.Fprint(conn, `<message from='ada@a.test' to='bob@b.test' type='chat'><body>x</body>`+
		`<stanza-id xmlns='urn:xmpp:sid:0' by='bob@b.test' id='forged'/><stanza-id xmlns='urn:xmpp:sid:0' by='a.test' id='theirs'/>`+
		`<delay xmlns='urn:xmpp:delay' from='b.test' stamp='2001-01-01T00:00:00Z'/></message>`)
	if e := bob.until("<body>x</body>"); has(e, "forged") || has(e, "2001") || !has(e, "theirs") {
		t.Errorf("bob got %s", e)
	}
}

// A lost stream gives back what the other server had not counted.
func TestFederation_Lost(t *testing.T) {
	_, a, _ := two(t)
	ada := a.online(t, "ada", "a")
	// A server that takes what it gets and never says so.
	heard := make(chan string, 10)
	a.o.Others = func() net.Conn {
		near, far := net.Pipe()
		go func() {
			in := framing.NewStreamReader(far, framing.Limits{})
			_, _ = in.Next()
			_, _ = far.Write(framing.Open{From: "c.test", To: "a.test", ID: "1", Version: "1.0"}.AppendHeader(nil, framing.NSServer))
			_, _ = io.WriteString(far, `<stream:features><sm xmlns='urn:xmpp:sm:3'/></stream:features>`)
			_, _ = in.Next()
			_, _ = io.WriteString(far, `<db:result from='c.test' to='a.test' type='valid'/>`)
			for {
				e, err := in.Next()
				switch {
				case err != nil:
					return
				case e.Is(nsSM, "enable"):
					_, _ = io.WriteString(far, `<enabled xmlns='urn:xmpp:sm:3'/>`)
				case has(e, "two"):
					_, _ = io.WriteString(far, `<a xmlns='urn:xmpp:sm:3' h='1'/>`)
					heard <- e.String()
				case has(e, "three"):
					_ = far.Close()
				}
			}
		}()
		return near
	}
	for _, text := range []string{"one", "two"} {
		ada.send(strings.Replace(chat("carol@c.test", text), "id='m'", "id='"+text+"'", 1))
	}
	<-heard
	ada.send(strings.Replace(chat("carol@c.test", "three"), "id='m'", "id='three'", 1))
	var back []string
	for len(back) < 2 {
		e := ada.until("type='error'")
		if failed := framing.ReadStanzaError(e); failed.Condition != "remote-server-timeout" {
			t.Errorf("came back as %s", e)
		}
		back = append(back, e.Attr("id"))
	}
	if fmt.Sprint(back) != "[two three]" {
		t.Errorf("came back: %s", back)
	}
}

// Sec96: what other servers make us remember is bounded.
func TestSec96_Servers(t *testing.T) {
	w := &world{servers: map[string]*fixture{}}
	a := w.found(t, "a.test", "ada", Limits{Servers: 2, Requests: 3})
	ada := a.online(t, "ada", "a")
	b := w.found(t, "b.test", "bob", Limits{})
	conn, in, id := scripted(t, a, "b.test")
	fmt.Fprintf(conn, `<db:result from='b.test' to='a.test'>%s</db:result>`, b.key("a.test", "b.test", id))
	if e, _ := in.Next(); e.Attr("type") != "valid" {
		t.Fatal(e)
	}
	for i := range 5 {
		fmt.Fprintf(conn, `<presence type='subscribe' from='x%d@b.test' to='ada@a.test'/>`, i)
	}
	fmt.Fprint(conn, `<message from='bob@b.test' to='ada@a.test' type='chat'><body>done</body></message>`)
	asked := 0
	for {
		e := ada.next()
		if has(e, "type='subscribe'") {
			asked++
		}
		if has(e, "<body>done</body>") {
			break
		}
	}
	if asked != 3 {
		t.Errorf("%d strangers asked", asked)
	}
	scripted(t, a, "c.test")
	late := a.Servers()
	if _, err := late.Read(make([]byte, 1)); err == nil {
		t.Error("a third stream was taken")
	}
}
