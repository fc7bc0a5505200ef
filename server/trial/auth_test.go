package trial

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"natter/app/connect/sasl"
	"natter/framing"
)

func TestAuthentication(t *testing.T) {
	for _, mechanism := range mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			c := demo(t).opened(t)
			if e := c.sasl1(mechanism, "ada", "analytical"); !e.Is(nsSASL, "success") {
				t.Error(e)
			}
		})
	}
	t.Run("SCRAM-SHA-1 only on this machine", func(t *testing.T) {
		f := start(t, Options{Demo: true, Public: true})
		for _, offer := range f.dial(t).open().Elements() {
			if slices.Contains(mechanismsOf(offer), sasl.SCRAMSHA1) {
				t.Errorf("offered: %s", offer)
			}
		}
		c := f.opened(t)
		c.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'/>`)
		c.want("<invalid-mechanism")
	})
	t.Run("wrong password, then the right one", func(t *testing.T) {
		c := demo(t).opened(t)
		if e := c.sasl1(sasl.SCRAMSHA256, "ada", "wrong"); e.Child(nsSASL, "not-authorized") == nil {
			t.Error(e)
		}
		if e := c.sasl1(sasl.SCRAMSHA256, "ada", "analytical"); !e.Is(nsSASL, "success") {
			t.Error(e)
		}
	})
	t.Run("name in another spelling", func(t *testing.T) {
		c := demo(t).opened(t)
		if e := c.sasl1(sasl.SCRAMSHA256, "Ada", "analytical"); !e.Is(nsSASL, "success") {
			t.Error(e)
		}
	})
	t.Run("echo has no password", func(t *testing.T) {
		c := demo(t).opened(t)
		if e := c.sasl1(sasl.SCRAMSHA256, "echo", "echo"); e.Child(nsSASL, "not-authorized") == nil {
			t.Error(e)
		}
	})
}

func mechanismsOf(offer *framing.Element) (names []string) {
	for _, m := range offer.Elements() {
		names = append(names, m.Text())
	}
	return names
}

func TestV09_Failures(t *testing.T) {
	auth := func(mechanism, text string) string {
		return fmt.Sprintf(`<auth xmlns='%s' mechanism='%s'>%s</auth>`, nsSASL, mechanism, text)
	}
	for _, tc := range []struct{ name, doc, condition string }{
		{"base64", auth("SCRAM-SHA-256", "%%%"), "incorrect-encoding"},
		{"base64 bits", auth("SCRAM-SHA-256", "biwsbj1hZGEscj1hYmN="), "incorrect-encoding"},
		{"empty message", auth("SCRAM-SHA-256", "="), "malformed-request"},
		{"unknown mechanism", auth("X-NONE", ""), "invalid-mechanism"},
		{"sec 100 no PLAIN", auth("PLAIN", "AGFkYQBhbmFseXRpY2Fs"), "invalid-mechanism"},
		{"sec 100 no PLUS", auth("SCRAM-SHA-256-PLUS", ""), "invalid-mechanism"},
		{"sec 97 foreign authzid", auth("SCRAM-SHA-256", sasl.Encode([]byte("n,a=grace@localhost,n=ada,r=abc"))), "invalid-authzid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := demo(t).opened(t)
			c.send(tc.doc)
			if e := c.next(); !e.Is(nsSASL, "failure") || e.Child(nsSASL, tc.condition) == nil {
				t.Errorf("got %s, want %s", e, tc.condition)
			}
		})
	}
	t.Run("abort", func(t *testing.T) {
		c := demo(t).opened(t)
		c.send(auth("SCRAM-SHA-256", ""))
		c.want("<challenge")
		c.send(`<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`)
		c.want("<aborted")
	})
	t.Run("without initial response", func(t *testing.T) {
		c := demo(t).opened(t)
		c.send(auth("SCRAM-SHA-256", ""))
		if e := c.want("<challenge"); e.Text() != "" {
			t.Error(e)
		}
		c.send(`<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + sasl.Encode([]byte("n,,n=ada,r=abc")) + `</response>`)
		if e := c.want("<challenge"); e.Text() == "" {
			t.Error(e)
		}
	})
	t.Run("three may fail, the fourth is too many", func(t *testing.T) {
		c := demo(t).opened(t)
		for range 4 {
			if e := c.sasl1(sasl.SCRAMSHA256, "ada", "wrong"); e.Name.Local != "failure" {
				t.Fatal(e)
			}
		}
		c.wantFailure(framing.PolicyViolation)
	})
}

func TestV24_HashOfTheOffer(t *testing.T) {
	c := demo(t).opened(t)
	c.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>` + sasl.Encode([]byte("n,,n=ada,r=abc")) + `</auth>`)
	challenge, err := sasl.Decode(c.want("<challenge").Text())
	// SHA-256 over SCRAM-SHA-1, 0x1E, SCRAM-SHA-256, 0x1E, SCRAM-SHA-512.
	const want = ",h=jnW1H1nADyRTNNU08dA3M5HzQV8F1Km9zJk1NipExRY="
	if err != nil || !strings.HasSuffix(string(challenge), want) {
		t.Errorf("%s, %v, want %s", challenge, err, want)
	}
}

func TestSASL2(t *testing.T) {
	authenticate := func(mechanism string) string {
		return fmt.Sprintf(`<authenticate xmlns='%s' mechanism='%s'/>`, nsSASL2, mechanism)
	}
	t.Run("V21 offered with what can be done inline", func(t *testing.T) {
		e := demo(t).dial(t).open().Child(nsSASL2, "authentication")
		inline := e.Child(nsSASL2, "inline")
		if e.Child(nsSASL2, "mechanism") == nil || inline.Child(nsBind2, "bind") == nil || inline.Child(nsSM, "sm") == nil {
			t.Error(e)
		}
	})
	t.Run("V21 unknown mechanism", func(t *testing.T) {
		c := demo(t).opened(t)
		c.send(authenticate("X-NONE"))
		if e := c.next(); !e.Is(nsSASL2, "failure") || e.Child(nsSASL, "invalid-mechanism") == nil {
			t.Error(e)
		}
	})
	t.Run("V21 foreign traffic in between", func(t *testing.T) {
		c := demo(t).opened(t)
		c.send(authenticate("SCRAM-SHA-256"))
		c.want("<challenge")
		c.send(`<presence xmlns='jabber:client'/>`)
		c.wantFailure(framing.NotAuthorized)
	})
	t.Run("V21 no restart, features at once", func(t *testing.T) {
		c := demo(t).opened(t)
		e := c.sasl2("ada", "analytical", "")
		if got := e.Child(nsSASL2, "authorization-identifier").Text(); got != "ada@localhost" {
			t.Error(e)
		}
		if e := c.next(); e.Child(nsBind, "bind") == nil {
			t.Error(e)
		}
		c.bind("here")
		if c.jid != "ada@localhost/here" {
			t.Error(c.jid)
		}
	})
	t.Run("V22 bound", func(t *testing.T) {
		c := demo(t).opened(t)
		e := c.sasl2("ada", "analytical", `<bind xmlns='urn:xmpp:bind:0'><tag>Natter</tag><enable xmlns='urn:xmpp:carbons:2'/><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>`)
		name := e.Child(nsSASL2, "authorization-identifier").Text()
		b := e.Child(nsBind2, "bound")
		if !strings.HasPrefix(name, "ada@localhost/Natter/") {
			t.Errorf("bound as %s", name)
		}
		if b.Child(nsSM, "enabled").Attr("id") == "" || b.Child(nsArchive, "metadata").Child(nsArchive, "end") == nil {
			t.Error(b)
		}
		if e := c.want("features"); e.Child(nsBind, "bind") != nil {
			t.Errorf("binding is offered again: %s", e)
		}
	})
	t.Run("V22 the same installation again", func(t *testing.T) {
		f := demo(t)
		inline := `<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/><bind xmlns='urn:xmpp:bind:0'/>`
		first, second := f.opened(t), f.opened(t)
		first.sasl2("ada", "analytical", inline)
		second.sasl2("ada", "analytical", inline)
		first.wantFailure(framing.Conflict)
		second.want("features")
		second.all()
	})
	t.Run("V22 nothing inline without authentication", func(t *testing.T) {
		f := demo(t)
		c := f.opened(t)
		if e := c.sasl2("ada", "wrong", `<bind xmlns='urn:xmpp:bind:0'/>`); e.Child(nsBind2, "bound") != nil || !e.Is(nsSASL2, "failure") {
			t.Error(e)
		}
	})
}

// A name nobody has is treated as one with a wrong password is, message by
// message, and the same each time.
func TestSec99_NobodyLearnsWhoHasAnAccount(t *testing.T) {
	f := start(t, Options{Demo: true, Limits: Limits{Failures: 1 << 20}})
	challenge := func(user string) string {
		c := f.opened(t)
		c.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>` + sasl.Encode([]byte("n,,n="+user+",r=abc")) + `</auth>`)
		text, err := sasl.Decode(c.want("<challenge").Text())
		if err != nil {
			t.Fatal(err)
		}
		_, text2, _ := strings.Cut(string(text), ",") // without the nonce
		return text2
	}
	if a, b := challenge("nobody"), challenge("nobody"); a != b {
		t.Errorf("the salt of a name changes: %s, %s", a, b)
	}
	if a, b := challenge("nobody"), challenge("nobody2"); a == b {
		t.Errorf("two names have one salt: %s", a)
	}
	if a, b := challenge("nobody"), challenge("ada"); len(a) != len(b) {
		t.Errorf("%s and %s differ in form", a, b)
	}
	fail := func(user string) string {
		return f.opened(t).sasl1(sasl.SCRAMSHA512, user, "wrong").String()
	}
	if a, b := fail("nobody"), fail("ada"); a != b {
		t.Errorf("%s and %s", a, b)
	}
}

func TestSec98_Failures(t *testing.T) {
	f := start(t, Options{Demo: true, Limits: Limits{Failures: 2}})
	for range 2 {
		if e := f.opened(t).sasl1(sasl.SCRAMSHA256, "ada", "wrong"); e.Child(nsSASL, "not-authorized") == nil {
			t.Fatal(e)
		}
	}
	c := f.opened(t)
	if e := c.sasl1(sasl.SCRAMSHA256, "ada", "analytical"); e.Child(nsSASL, "temporary-auth-failure") == nil {
		t.Errorf("after too many failures: %s", e)
	}
	f.clock.add(5 * time.Minute)
	if e := f.opened(t).sasl1(sasl.SCRAMSHA256, "ada", "analytical"); !e.Is(nsSASL, "success") {
		t.Errorf("a while later: %s", e)
	}
}

func TestSec100_NoSecretsInLogs(t *testing.T) {
	var out strings.Builder
	f := start(t, Options{Demo: true, Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	c := f.online(t, "ada", "a")
	c.send(chat("grace@localhost", "between us"))
	c.all()
	f.opened(t).sasl1(sasl.SCRAMSHA256, "ada", "wrong")
	f.do(func() { panic("for ada: analytical") })
	if !strings.Contains(out.String(), "panic") {
		t.Fatal("the panic was not logged")
	}
	for _, secret := range []string{"analytical", "between us", "ada@", "biws"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, &out)
		}
	}
}
