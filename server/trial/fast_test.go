package trial

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"natter/app/connect/sasl"
	"natter/framing"
)

const (
	laptop = "d4565fa7-4d72-4749-b3d3-740edbf87770"
	phone  = "11111111-2222-4333-8444-555555555555"

	requestToken = `<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>`
	useToken     = `<fast xmlns='urn:xmpp:fast:0'/>`
)

func agent(id string) string { return `<user-agent id='` + id + `'/>` }

// named is a client that has said who it is, as those who want tokens must.
func (f *fixture) named(t *testing.T) *client {
	t.Helper()
	c := f.dial(t)
	c.send(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' from='ada@localhost' version='1.0'/>`)
	c.want("<open ")
	c.want("<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast>")
	return c
}

// issued signs ada in by password and returns her token.
func (f *fixture) issued(t *testing.T, id string) string {
	t.Helper()
	c := f.named(t)
	e := c.sasl2("ada", "analytical", agent(id)+requestToken)
	c.want("features")
	return tokenIn(t, f, e)
}

func tokenIn(t *testing.T, f *fixture, e *framing.Element) string {
	t.Helper()
	given := e.Child(nsFAST, "token")
	expiry, err := time.Parse(time.RFC3339, given.Attr("expiry"))
	if err != nil || !expiry.Equal(f.clock.Now().Add(14*24*time.Hour)) || len(given.Attr("token")) < 22 {
		t.Fatalf("the token is %s, %v", given, err)
	}
	return given.Attr("token")
}

// byToken is <authenticate/> with a token.
func byToken(t *testing.T, mechanism, user, token, inline string) string {
	t.Helper()
	m, err := sasl.New(sasl.HTSHA256None, sasl.Login{User: user, Token: token}, sasl.Standard{})
	if err != nil {
		t.Fatal(err)
	}
	initial, err := m.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`<authenticate xmlns='%s' mechanism='%s'><initial-response>%s</initial-response>%s</authenticate>`,
		nsSASL2, mechanism, sasl.Encode(initial), inline)
}

// use signs ada in by token and returns what the server says.
func (f *fixture) use(t *testing.T, token, inline string) *framing.Element {
	t.Helper()
	c := f.named(t)
	c.send(byToken(t, sasl.HTSHA256None, "ada", token, inline))
	return c.next()
}

func (f *fixture) accepts(t *testing.T, token, id string) *framing.Element {
	t.Helper()
	e := f.use(t, token, agent(id)+useToken)
	if !e.Is(nsSASL2, "success") {
		t.Fatalf("a good token is refused: %s", e)
	}
	return e
}

func (f *fixture) refuses(t *testing.T, token, inline, condition string) {
	t.Helper()
	if e := f.use(t, token, inline); !e.Is(nsSASL2, "failure") || e.Child(nsSASL, condition) == nil {
		t.Errorf("got %s, want %s", e, condition)
	}
}

func TestV23_Tokens(t *testing.T) {
	t.Run("V23 only for those who say who they are", func(t *testing.T) {
		f := demo(t)
		c := f.dial(t)
		if e := c.open(); has(e, "urn:xmpp:fast:0") {
			t.Errorf("offered to nobody: %s", e)
		}
		if e := c.sasl2("ada", "analytical", agent(laptop)+requestToken); e.Child(nsFAST, "token") != nil {
			t.Errorf("given to nobody: %s", e)
		}
	})
	t.Run("V23 given when asked for, to an installation, for a mechanism on offer", func(t *testing.T) {
		f := demo(t)
		f.issued(t, laptop)
		for name, inline := range map[string]string{
			"not asked":       agent(laptop),
			"no installation": requestToken,
			"mechanism":       agent(laptop) + strings.Replace(requestToken, "NONE", "EXPR", 1),
		} {
			if e := f.named(t).sasl2("ada", "analytical", inline); !e.Is(nsSASL2, "success") || e.Child(nsFAST, "token") != nil {
				t.Errorf("%s: %s", name, e)
			}
		}
		if e := f.named(t).sasl2("ada", "wrong", agent(laptop)+requestToken); !e.Is(nsSASL2, "failure") || e.Child(nsFAST, "token") != nil {
			t.Error(e)
		}
	})
	t.Run("V23 signs in, and the server proves that it knows it", func(t *testing.T) {
		f := demo(t)
		token := f.issued(t, laptop)
		e := f.accepts(t, token, laptop)
		final, err := sasl.Decode(e.Child(nsSASL2, "additional-data").Text())
		m, _ := sasl.New(sasl.HTSHA256None, sasl.Login{User: "ada", Token: token}, sasl.Standard{})
		m.Start(context.Background())
		if err != nil || m.Done(context.Background(), final, true) != nil {
			t.Errorf("the server has not proven itself: %s", e)
		}
		if e.Child(nsFAST, "token") != nil {
			t.Errorf("a new token already: %s", e)
		}
	})
	t.Run("V21 V22 V23 P12 resumed in one flight", func(t *testing.T) {
		f := demo(t)
		token := f.issued(t, laptop)
		c := f.named(t)
		e := c.sasl2("ada", "analytical", agent(laptop)+`<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>`)
		id := e.Child(nsBind2, "bound").Child(nsSM, "enabled").Attr("id")
		c.want("features")
		c.lose()
		c = f.dial(t)
		c.send(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' from='ada@localhost' version='1.0'/>`)
		c.send(byToken(t, sasl.HTSHA256None, "ada", token, agent(laptop)+useToken+`<resume xmlns='urn:xmpp:sm:3' previd='`+id+`' h='0'/>`))
		c.want("<open ")
		c.want("<fast xmlns='urn:xmpp:fast:0'>")
		if e := c.next(); e.Child(nsSM, "resumed").Attr("previd") != id {
			t.Error(e)
		}
	})
	t.Run("V23 for one account, installation and mechanism", func(t *testing.T) {
		f := demo(t)
		token := f.issued(t, laptop)
		f.refuses(t, token, agent(phone)+useToken, "not-authorized")
		f.refuses(t, token, useToken, "malformed-request")
		f.refuses(t, token, agent(laptop), "malformed-request")
		f.refuses(t, token+"x", agent(laptop)+useToken, "not-authorized")
		for mechanism, condition := range map[string]string{"HT-SHA-256-EXPR": "invalid-mechanism", "SCRAM-SHA-256": "malformed-request"} {
			c := f.named(t)
			c.send(byToken(t, mechanism, "ada", token, agent(laptop)+useToken))
			if e := c.next(); e.Child(nsSASL, condition) == nil {
				t.Errorf("%s: %s", mechanism, e)
			}
		}
		for _, user := range []string{"grace", "nobody", "echo"} {
			c := f.named(t)
			c.send(byToken(t, sasl.HTSHA256None, user, token, agent(laptop)+useToken))
			if e := c.next(); e.Child(nsSASL, "not-authorized") == nil {
				t.Errorf("%s: %s", user, e)
			}
		}
		c := f.named(t)
		c.send(strings.NewReplacer("authenticate", "auth", nsSASL2, nsSASL).Replace(byToken(t, sasl.HTSHA256None, "ada", token, "")))
		if e := c.next(); e.Child(nsSASL, "invalid-mechanism") == nil {
			t.Errorf("over old SASL: %s", e)
		}
	})
	t.Run("V09 V23 malformed", func(t *testing.T) {
		for text, condition := range map[string]string{"%%%": "incorrect-encoding", "YWRh": "malformed-request", "": "malformed-request"} {
			c := demo(t).named(t)
			c.send(fmt.Sprintf(`<authenticate xmlns='%s' mechanism='HT-SHA-256-NONE'><initial-response>%s</initial-response>%s</authenticate>`, nsSASL2, text, agent(laptop)+useToken))
			if e := c.next(); e.Child(nsSASL, condition) == nil {
				t.Errorf("%q: %s", text, e)
			}
		}
	})
	t.Run("V23 expires after 14 days", func(t *testing.T) {
		f := demo(t)
		token := f.issued(t, laptop)
		f.clock.add(14*24*time.Hour - time.Second)
		f.accepts(t, token, laptop)
		f.clock.add(time.Second)
		f.refuses(t, token, agent(laptop)+useToken, "credentials-expired")
		f.refuses(t, token, agent(laptop)+useToken, "not-authorized") // it is forgotten
	})
	t.Run("V23 rotated after a day, the old one good until the new one is used", func(t *testing.T) {
		f := demo(t)
		first := f.issued(t, laptop)
		f.clock.add(24 * time.Hour)
		second := tokenIn(t, f, f.accepts(t, first, laptop))
		third := tokenIn(t, f, f.accepts(t, first, laptop)) // second got lost on the way
		if first == second || second == third {
			t.Fatal("the same token again")
		}
		f.refuses(t, second, agent(laptop)+useToken, "not-authorized")
		f.accepts(t, first, laptop)
		// That gave a fourth, unread; the first still counts until one is used.
		fourth := tokenIn(t, f, f.accepts(t, first, laptop))
		if e := f.accepts(t, fourth, laptop); e.Child(nsFAST, "token") != nil {
			t.Errorf("a fresh token is replaced: %s", e)
		}
		f.refuses(t, first, agent(laptop)+useToken, "not-authorized")
		f.accepts(t, fourth, laptop)
	})
	t.Run("V23 sec52 invalidated", func(t *testing.T) {
		for _, yes := range []string{"true", "1"} {
			f := demo(t)
			mine, other := f.issued(t, laptop), f.issued(t, phone)
			invalidate := agent(laptop) + `<fast xmlns='urn:xmpp:fast:0' invalidate='` + yes + `'/>`
			f.clock.add(25 * time.Hour) // a new one would be due
			if e := f.use(t, mine, invalidate); !e.Is(nsSASL2, "success") || e.Child(nsFAST, "token") != nil {
				t.Errorf("invalidate: %s", e)
			}
			f.refuses(t, mine, agent(laptop)+useToken, "not-authorized")
			f.accepts(t, other, phone)
		}
		f := demo(t)
		f.clock.add(time.Hour)
		token := f.issued(t, laptop)
		f.accepts(t, token, laptop)
		if e := f.use(t, token, agent(laptop)+requestToken+`<fast xmlns='urn:xmpp:fast:0' invalidate='true'/>`); e.Child(nsFAST, "token") == nil {
			t.Errorf("a new one that was asked for is not given: %s", e)
		}
	})
	t.Run("V23 sec52 invalidated with what came after it", func(t *testing.T) {
		f := demo(t)
		first := f.issued(t, laptop)
		f.accepts(t, first, laptop)
		second := f.issued(t, laptop)
		f.use(t, first, agent(laptop)+`<fast xmlns='urn:xmpp:fast:0' invalidate='true'/>`)
		f.refuses(t, second, agent(laptop)+useToken, "not-authorized")
	})
	t.Run("sec96 V23 devices are limited", func(t *testing.T) {
		f := start(t, Options{Demo: true, Limits: Limits{Devices: 2}})
		first := f.issued(t, laptop)
		f.clock.add(time.Minute)
		second := f.issued(t, phone)
		f.clock.add(time.Minute)
		third := f.issued(t, "third")
		f.refuses(t, first, agent(laptop)+useToken, "not-authorized")
		f.accepts(t, second, phone)
		f.accepts(t, third, "third")
	})
	t.Run("sec98 guessing is slow", func(t *testing.T) {
		f := start(t, Options{Demo: true, Limits: Limits{Failures: 2}})
		token := f.issued(t, laptop)
		for range 2 {
			f.refuses(t, "guess", agent(laptop)+useToken, "not-authorized")
		}
		f.refuses(t, token, agent(laptop)+useToken, "temporary-auth-failure")
		f.clock.add(5 * time.Minute)
		f.accepts(t, token, laptop)
	})
}
