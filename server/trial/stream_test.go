package trial

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"natter/app/connect/sasl"
	"natter/framing"
)

const open = `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>`

func TestOpen(t *testing.T) {
	for _, tc := range []struct {
		name, open string
		want       string // in the answer
		condition  string // then the stream error, "" for features
	}{
		{"V03 header answered", open, "from='localhost'", ""},
		{"V03 version and language", open, "version='1.0' xml:lang='en'", ""},
		{"V04 to is who says who they are", `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='ada@localhost/x' to='localhost' version='1.0'/>`, "to='ada@localhost'", ""},
		{"V05 namespace", `<open xmlns='urn:example' to='localhost' version='1.0'/>`, "<open", framing.InvalidNamespace},
		{"V06 unknown host", `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>`, "from='localhost'", framing.HostUnknown},
		{"V06 no host", `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0'/>`, "from='localhost'", framing.HostUnknown},
		{"V06 host in another spelling", `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='LOCALHOST' version='1.0'/>`, "from='localhost'", ""},
		{"V03 no version", `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost'/>`, "version='1.0'", framing.UnsupportedVersion},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := demo(t).dial(t)
			c.send(tc.open)
			answer := c.want(tc.want)
			if tc.condition == "" {
				if answer.Attr("id") == "" {
					t.Errorf("no id in %s", answer)
				}
				c.want("<features")
				return
			}
			c.wantFailure(tc.condition)
		})
	}
}

func TestV04_NoToWithoutFrom(t *testing.T) {
	c := demo(t).dial(t)
	c.send(open)
	if e := c.next(); e.Attr("to") != "" {
		t.Errorf("the header says who we are before we did: %s", e)
	}
}

func TestFeatures(t *testing.T) {
	f := demo(t)
	before := f.dial(t)
	features := before.open()
	t.Run("V07 no STARTTLS", func(t *testing.T) {
		if features.Child("urn:ietf:params:xml:ns:xmpp-tls", "starttls") != nil {
			t.Error(features)
		}
	})
	t.Run("V08 nothing of a session before authentication", func(t *testing.T) {
		if features.Child(nsBind, "bind") != nil || features.Child(nsSM, "sm") != nil {
			t.Error(features)
		}
	})
	t.Run("V16 limit before", func(t *testing.T) {
		if got := features.Child(nsLimits, "limits").Child(nsLimits, "max-bytes").Text(); got != "65536" {
			t.Error(got)
		}
	})
	if e := before.sasl1(sasl.SCRAMSHA512, "ada", "analytical"); e.Name.Local != "success" {
		t.Fatal(e)
	}
	features = before.open()
	t.Run("V08 V10 binding after it", func(t *testing.T) {
		if features.Child(nsBind, "bind") == nil || features.Child(nsSM, "sm") == nil || features.Child(nsSASL, "mechanisms") != nil {
			t.Error(features)
		}
	})
	t.Run("V16 limit after", func(t *testing.T) {
		if got := features.Child(nsLimits, "limits").Child(nsLimits, "max-bytes").Text(); got != "262144" {
			t.Error(got)
		}
	})
}

func TestV10_NewIDAfterAuthentication(t *testing.T) {
	c := demo(t).dial(t)
	c.send(open)
	first := c.want("<open").Attr("id")
	c.want("features")
	c.sasl1(sasl.SCRAMSHA256, "ada", "analytical")
	c.send(open)
	if second := c.want("<open").Attr("id"); second == first {
		t.Errorf("both streams have the id %s", first)
	}
}

func TestOutOfTurn(t *testing.T) {
	message := chat("grace@localhost", "too early")
	for _, tc := range []struct {
		name, doc, condition string
		ready                func(*fixture, *testing.T) *client
	}{
		{"V12 stanza before authentication", message, framing.NotAuthorized, (*fixture).opened},
		{"V12 stanza before bind", message, framing.NotAuthorized, adaUnbound},
		{"V12 bind before authentication", `<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>`, framing.NotAuthorized, (*fixture).opened},
		{"unknown element before authentication", `<x xmlns='urn:x'/>`, framing.UnsupportedStanzaType, (*fixture).opened},
		{"second header before authentication", open, framing.UnsupportedStanzaType, (*fixture).opened},
		{"unknown element in a session", `<x xmlns='urn:x'/>`, framing.UnsupportedStanzaType, adaBound},
		{"authentication in a session", `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'/>`, framing.UnsupportedStanzaType, adaBound},
		{"stanza in another namespace", `<message xmlns='urn:x'/>`, framing.InvalidNamespace, adaBound},
		{"V02 two documents", `<presence xmlns='jabber:client'/><presence xmlns='jabber:client'/>`, framing.NotWellFormed, adaBound},
		{"V02 whitespace", ` `, framing.NotWellFormed, adaBound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := demo(t)
			grace := f.online(t, "grace", "g")
			c := tc.ready(f, t)
			c.send(tc.doc)
			c.wantFailure(tc.condition)
			grace.wantBodies()
		})
	}
}

func adaUnbound(f *fixture, t *testing.T) *client { return f.authenticated(t, "ada", "analytical") }
func adaBound(f *fixture, t *testing.T) *client   { return f.bound(t, "ada", "a") }

func TestV17_ErrorThenCloseThenSocket(t *testing.T) {
	c := demo(t).bound(t, "ada", "a")
	c.send(`<x xmlns='urn:x'/>`)
	for _, want := range []string{`<error `, `<close `} {
		doc, err := c.socket.Read(t.Context())
		e, parseErr := framing.Parse(doc, framing.Limits{})
		if err != nil || parseErr != nil || !has(e, want) {
			t.Fatalf("got %q, %v, %v, want %s", doc, err, parseErr, want)
		}
	}
	var closed *framing.CloseError
	if _, err := c.socket.Read(t.Context()); !errors.As(err, &closed) || closed.Code != 1000 {
		t.Errorf("then %v", err)
	}
}

func TestV18_CloseAnswered(t *testing.T) {
	f := demo(t)
	grace := f.online(t, "grace", "g")
	ada := f.online(t, "ada", "a")
	grace.all()
	if err := ada.conn.Close(t.Context()); err != nil {
		t.Errorf("closing: %v", err)
	}
	<-ada.served
	if got := grace.all(); len(got) != 1 || got[0].Attr("type") != "unavailable" || got[0].Attr("from") != ada.jid {
		t.Errorf("grace sees %v", got)
	}
}

func TestShutdown(t *testing.T) {
	t.Run("84 everybody is told", func(t *testing.T) {
		s := New(Options{Demo: true})
		f := &fixture{s, nil}
		a, b := f.bound(t, "ada", "a"), f.opened(t)
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(t.Context()) }()
		a.wantFailure(framing.SystemShutdown)
		b.wantFailure(framing.SystemShutdown)
		if err := <-done; err != nil {
			t.Error(err)
		}
		_, theirs := framing.Pipe()
		if err := s.Serve(t.Context(), theirs); !errors.Is(err, ErrBusy) {
			t.Errorf("a connection after it: %v", err)
		}
	})
	t.Run("84 the deadline", func(t *testing.T) {
		s := New(Options{Demo: true})
		_, theirs := framing.Pipe()
		served := make(chan error, 1)
		go func() { served <- s.Serve(context.Background(), deaf{theirs}) }()
		s.waitForConns(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Shutdown(ctx); err == nil {
			t.Error("a connection that cannot be told was no error")
		}
		<-served
	})
}

// deaf is a socket whose writes never finish.
type deaf struct{ framing.Socket }

func (deaf) Write(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s *Server) waitForConns(t *testing.T, n int) {
	t.Helper()
	waitFor(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.conns) == n
	})
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("it never came true")
		}
		time.Sleep(time.Millisecond)
	}
}

// Whatever comes before authentication, in whatever order, no session is made by
// it and nobody else hears of it.
func TestSec97_NothingLeadsPastAuthentication(t *testing.T) {
	f := start(t, Options{Demo: true, Limits: Limits{Failures: 1 << 20}})
	grace := f.online(t, "grace", "g")
	elements := []string{
		open,
		`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'/>`,
		`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>biwsbj1hZGEscj1hYmM=</auth>`,
		`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFkYQBhbmFseXRpY2Fs</auth>`,
		`<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-512'><initial-response>biwsbj1hZGEscj1hYmM=</initial-response><bind xmlns='urn:xmpp:bind:0'/></authenticate>`,
		`<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`,
		`<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Yz1iaXdzLHI9YWJjLHA9QUFBQQ==</response>`,
		`<response xmlns='urn:xmpp:sasl:2'>=</response>`,
		`<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`,
		`<abort xmlns='urn:xmpp:sasl:2'/>`,
		`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`,
		`<success xmlns='urn:xmpp:sasl:2'/>`,
		`<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>`,
		`<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>`,
		`<enable xmlns='urn:xmpp:sm:3' resume='true'/>`,
		`<presence xmlns='jabber:client' to='grace@localhost'/>`,
		chat("grace@localhost", "from nobody"),
	}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		ours, theirs := framing.Pipe()
		served := make(chan error, 1)
		go func() { served <- f.Serve(t.Context(), theirs) }()
		var sent []string
		if round%4 != 0 {
			sent = append(sent, open)
		}
		for range 12 {
			sent = append(sent, elements[random.IntN(len(elements))])
		}
		for _, doc := range sent {
			if ours.Write(t.Context(), doc) != nil {
				break // the server has had enough
			}
		}
		ours.Close(3000, "")
		<-served
		f.mu.Lock()
		n := len(f.accounts["ada"].sessions)
		f.mu.Unlock()
		if n != 0 {
			t.Fatalf("a session came out of %q", sent)
		}
	}
	if got := grace.all(); len(got) != 0 {
		t.Errorf("grace got %v", got)
	}
}

func TestSec96_LoginDeadline(t *testing.T) {
	f := start(t, Options{Demo: true, Limits: Limits{Login: 20 * time.Millisecond}})
	f.dial(t).wantFailureAfterOpen(t, framing.ConnectionTimeout)
	bound := start(t, Options{Demo: true, Limits: Limits{Login: 20 * time.Second}}).bound(t, "ada", "a")
	if got := bound.all(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func (c *client) wantFailureAfterOpen(t *testing.T, condition string) {
	t.Helper()
	c.send(open)
	c.wantFailure(condition)
}

func TestSec102_PanicEndsOneConnection(t *testing.T) {
	f := demo(t)
	ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
	ada.all()
	f.mu.Lock()
	f.accounts["echo"].sessions["echo"].bot = func(st *framing.Element) { panic(fmt.Sprint("on ", st.Name.Local)) }
	f.mu.Unlock()
	ada.send(chat("echo@localhost", "boo"))
	ada.wantFailure(framing.InternalServerError)
	grace.send(chat("grace@localhost", "still here"))
	grace.all()
}
