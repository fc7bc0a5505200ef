package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/framing"
)

const (
	token1 = "secret-token:one"
	token2 = "secret-token:two"
	device = "11111111-2222-4333-8444-555555555555" // the installation that token1 was given to

	fastOffer = `<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism><mechanism>HT-SHA-256-NONE</mechanism></fast>`
	sm2Offer  = `<sm xmlns='urn:xmpp:sm:3'/>`
)

// everything is <inline/> of a server that can do all we know of.
const everything = sm2Offer + bind2Offer + fastOffer

var (
	today = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	full  = Inline{Token: true, Resume: true, Bind: true, Carbons: true, Manage: true}
)

// today's connector of a network.
func (n *network) now() *Connector {
	c := n.connector()
	c.Now = func() time.Time { return today }
	return c
}

func withToken(seen Seen) Request {
	return Request{Account: "user@example.com", Credential: &Credential{
		Account: "user@example.com", UserAgent: device, Mechanism: "HT-SHA-256-NONE",
		Token: token1, Expiry: today.Add(time.Hour), Seen: seen,
	}}
}

// seen is a request with a token for an endpoint that has been seen.
func seen() Request { return withToken(Seen{Endpoint: endpoint, Inline: full}) }

// proofOf is the initial response for a token, as the mechanism's draft has it; the
// vectors in package sasl show that it is right.
func proofOf(t *testing.T, token string) string {
	m, err := sasl.New(sasl.HTSHA256None, sasl.Login{User: "user", Token: token}, sasl.Standard{})
	if err != nil {
		t.Fatal(err)
	}
	initial, err := m.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return sasl.Encode(initial)
}

// redeem reads a sign-in with this token, and returns what the server says to it with
// this inside.
func (w *wire) redeem(token string, inside ...string) (request *framing.Element, success string) {
	w.n.t.Helper()
	e := w.expect(`<authenticate xmlns="urn:xmpp:sasl:2" mechanism="HT-SHA-256-NONE">`, `<fast xmlns="urn:xmpp:fast:0"`)
	message, err := sasl.Decode(e.Child(nsSASL2, "initial-response").Text())
	if err != nil {
		w.n.t.Error(err)
		panic(errGone)
	}
	user, proof, err := sasl.ReadHashedToken(message)
	answer, ok := sasl.HashToken(token).Check(proof)
	if err != nil || user != "user" || !ok {
		w.n.t.Errorf("%q does not sign in with %s: %v", user, token, err)
		panic(errGone)
	}
	return e, success2(sasl.Encode(answer), inside...)
}

func success2(data string, inside ...string) string {
	return `<success xmlns='urn:xmpp:sasl:2'><additional-data>` + data + `</additional-data>` + strings.Join(inside, "") +
		`<authorization-identifier>user@example.com/Natter.1</authorization-identifier></success>`
}

func failure2(condition string) string {
	return `<failure xmlns='urn:xmpp:sasl:2'><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>`
}

func tokenGiven(token string, expiry time.Time) string {
	return `<token xmlns='urn:xmpp:fast:0' token='` + token + `' expiry='` + expiry.Format("2006-01-02T15:04:05.000000Z") + `'/>`
}

const boundAll = `<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='sm-2' resume='true'/></bound>`

// online connects at endpoint, today.
func online(t *testing.T, req Request, script func(*wire)) (*Session, *network) {
	t.Helper()
	n := newNetwork(t, map[string]func(*wire){endpoint: script})
	s, err := connect(t, n.now(), endpoint, req)
	if err != nil {
		t.Fatal(err)
	}
	return s, n
}

// barred does too, and must not get in.
func barred(t *testing.T, req Request, script func(*wire)) (*Error, *network) {
	t.Helper()
	n := newNetwork(t, map[string]func(*wire){endpoint: script})
	s, err := connect(t, n.now(), endpoint, req)
	if err == nil {
		t.Fatalf("there is a session for %s", s.JID)
	}
	return err, n
}

// turns has one script for each connection, in order.
func turns(scripts ...func(*wire)) func(*wire) {
	var mu sync.Mutex
	return func(w *wire) {
		mu.Lock()
		if len(scripts) == 0 {
			mu.Unlock()
			w.n.t.Error("one connection too many")
			return
		}
		next := scripts[0]
		scripts = scripts[1:]
		mu.Unlock()
		next(w)
	}
}

func TestP11_TokenRequested(t *testing.T) {
	remembered := Request{Account: "user@example.com", Password: "pencil", Remember: true}
	signIn := func(request bool, inline, given string) func(*wire) {
		return func(w *wire) {
			w.hello(sasl2Offer(inline, "SCRAM-SHA-256"))
			final := w.scram(nsSASL2)
			w.n.mu.Lock()
			for _, doc := range w.n.said {
				if asked := strings.Contains(doc, `<request-token xmlns="urn:xmpp:fast:0" mechanism="HT-SHA-256-NONE"/>`); strings.HasPrefix(doc, "<authenticate") && asked != request {
					w.n.t.Errorf("the client sent %s", doc)
				}
			}
			w.n.mu.Unlock()
			w.send(success2(final, boundAll, given), features())
			w.closed()
		}
	}
	t.Run("P11 asked for and kept", func(t *testing.T) {
		s, _ := online(t, remembered, signIn(true, everything, tokenGiven(token1, today.Add(72*time.Hour))))
		k := s.Credential
		if k == nil || k.Account != "user@example.com" || k.UserAgent != "d4565fa7-4d72-4749-b3d3-740edbf87770" || k.Mechanism != "HT-SHA-256-NONE" ||
			k.Token != token1 || !k.Expiry.Equal(today.Add(72*time.Hour)) || k.Previous != "" || k.Keys != nil || k.Seen != (Seen{Endpoint: endpoint, Inline: full}) {
			t.Errorf("kept is %+v with %+v", k, k.Seen)
		}
		if string(k.Binding()) != "user@example.com|d4565fa7-4d72-4749-b3d3-740edbf87770|HT-SHA-256-NONE" {
			t.Errorf("bound to %s", k.Binding())
		}
	})
	t.Run("sec51 used for 14 days at most", func(t *testing.T) {
		s, _ := online(t, remembered, signIn(true, everything, tokenGiven(token1, today.Add(365*24*time.Hour))))
		if !s.Credential.Expiry.Equal(today.Add(14 * 24 * time.Hour)) {
			t.Errorf("expires %v", s.Credential.Expiry)
		}
	})
	t.Run("what the server has just made is not old: our clock is ahead", func(t *testing.T) {
		s, _ := online(t, remembered, signIn(true, everything, tokenGiven(token1, today.Add(-time.Hour))))
		if k := s.Credential; k == nil || k.Token != token1 || !k.Expiry.Equal(today.Add(14*24*time.Hour)) {
			t.Errorf("kept is %+v", k)
		}
	})
	t.Run("sec53 nothing is kept unless wanted", func(t *testing.T) {
		s, _ := online(t, account, signIn(false, everything, tokenGiven(token1, today.Add(time.Hour))))
		if s.Credential != nil {
			t.Errorf("kept is %v", s.Credential)
		}
	})
	for name, given := range map[string]string{
		"none given": "",
		"no expiry":  `<token xmlns='urn:xmpp:fast:0' token='x'/>`,
		"no time":    `<token xmlns='urn:xmpp:fast:0' token='x' expiry='tomorrow'/>`,
		"no token":   tokenGiven("", today.Add(time.Hour)),
		"not FAST's": strings.Replace(tokenGiven(token1, today.Add(time.Hour)), "urn:xmpp:fast:0", "urn:x", 1),
	} {
		t.Run("P11 keys instead: "+name, func(t *testing.T) {
			s, _ := online(t, remembered, signIn(true, everything, given))
			if k := s.Credential; k == nil || k.Token != "" || k.Mechanism != "SCRAM-SHA-256" || k.Keys == nil {
				t.Errorf("kept is %v", k)
			}
		})
	}
	t.Run("P11 only a mechanism the server has listed", func(t *testing.T) {
		offer := sm2Offer + bind2Offer + strings.Replace(fastOffer, "HT-SHA-256-NONE", "HT-SHA-256-UNIQ", 1)
		s, _ := online(t, remembered, signIn(false, offer, tokenGiven(token1, today.Add(time.Hour))))
		if s.Credential == nil || s.Credential.Token != "" {
			t.Errorf("a token that nobody asked for is kept: %v", s.Credential)
		}
	})
	t.Run("A18 PLAIN leaves nothing to keep", func(t *testing.T) {
		s, _ := online(t, remembered, func(w *wire) {
			w.hello(sasl2Offer(bind2Offer, "PLAIN"))
			w.expect(`mechanism="PLAIN"`)
			w.send(`<success xmlns='urn:xmpp:sasl:2'>`+boundAll+`<authorization-identifier>user@example.com/Natter.1</authorization-identifier></success>`, features())
			w.closed()
		})
		if s.Credential != nil {
			t.Errorf("kept is %v", s.Credential)
		}
	})
}

func TestP12_Token(t *testing.T) {
	resume := &Resume{ID: "sm-1", H: 7, JID: "user@example.com/Natter.1"}
	t.Run("P12 P13 P05 M07 golden dialogue: one flight each way", func(t *testing.T) {
		req := seen()
		req.Resume = resume
		s, _ := online(t, req, func(w *wire) {
			w.want(openFrom)
			w.want(`<authenticate xmlns="urn:xmpp:sasl:2" mechanism="HT-SHA-256-NONE"><initial-response>` + proofOf(t, token1) + `</initial-response>` +
				`<user-agent id="` + device + `"><software>Natter</software><device>Test</device></user-agent>` +
				`<fast xmlns="urn:xmpp:fast:0"/><resume xmlns="urn:xmpp:sm:3" previd="sm-1" h="7"/>` +
				`<bind xmlns="urn:xmpp:bind:0"><tag>Natter</tag><enable xmlns="urn:xmpp:carbons:2"/><enable xmlns="urn:xmpp:sm:3" resume="true"/></bind></authenticate>`)
			answer, _ := sasl.HashToken(token1).Check(mustProof(t, token1))
			w.send(openAnswer, features(sasl2Offer(everything, "SCRAM-SHA-256")),
				success2(sasl.Encode(answer), `<resumed xmlns='urn:xmpp:sm:3' previd='sm-1' h='3'/>`))
			w.closed()
		})
		if !s.Resumed || s.ResumedH != 3 || s.JID != resume.JID || s.RoundTrips != 1 || s.Mechanism != "HT-SHA-256-NONE" || s.Credential != nil {
			t.Errorf("the session is %+v", s)
		}
	})
	t.Run("P12 P09 bound anew", func(t *testing.T) {
		req := seen()
		req.Resume = resume
		s, _ := online(t, req, func(w *wire) {
			w.want(openFrom)
			_, success := w.redeem(token1, `<failed xmlns='urn:xmpp:sm:3' h='5'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`, boundAll)
			w.send(openAnswer, features(sasl2Offer(everything, "SCRAM-SHA-256")), success, features(smOffer))
			w.closed()
		})
		if s.Resumed || s.FailedH == nil || *s.FailedH != 5 || s.JID != "user@example.com/Natter.1" || !s.Carbons || s.SM == nil || s.RoundTrips != 1 {
			t.Errorf("the session is %+v", s)
		}
	})
	patient := map[string]Request{
		"never seen":                withToken(Seen{}),
		"another endpoint":          withToken(Seen{Endpoint: "wss://other.example.com/ws", Inline: full}),
		"no tokens last time":       withToken(Seen{Endpoint: endpoint, Inline: Inline{Resume: true}}),
		"one that does not bear it": withToken(Seen{Endpoint: endpoint, Inline: full, Wait: true}),
	}
	t.Run("P12 M07 resumed after it where that is not done inline", func(t *testing.T) {
		req := withToken(Seen{Endpoint: endpoint, Inline: Inline{Token: true, Bind: true}})
		req.Resume = resume
		s, n := online(t, req, func(w *wire) {
			w.want(openFrom)
			_, success := w.redeem(token1)
			w.send(openAnswer, features(sasl2Offer(fastOffer+bind2Offer, "SCRAM-SHA-256")), success, features(bindOffer, smOffer))
			w.want(`<resume xmlns="urn:xmpp:sm:3" previd="sm-1" h="7"/>`)
			w.send(`<resumed xmlns='urn:xmpp:sm:3' previd='sm-1' h='3'/>`)
			w.closed()
		})
		if !s.Resumed || s.JID != resume.JID || s.RoundTrips != 2 || n.heard("<bind") {
			t.Errorf("the session is %+v", s)
		}
	})
	for name, req := range patient {
		t.Run("P12 O12 waits for the features: "+name, func(t *testing.T) {
			s, _ := online(t, req, func(w *wire) {
				w.want(openFrom)
				w.send(openAnswer) // nothing else comes before the features
				w.send(features(sasl2Offer(everything, "SCRAM-SHA-256")))
				_, success := w.redeem(token1, boundAll)
				w.send(success, features())
				w.closed()
			})
			now := Seen{Endpoint: endpoint, Inline: full, Wait: req.Credential.Seen.Wait}
			if s.RoundTrips != 2 {
				t.Errorf("%d round trips", s.RoundTrips)
			}
			if k := s.Credential; now == req.Credential.Seen && k != nil || now != req.Credential.Seen && (k == nil || k.Seen != now || k.Token != token1) {
				t.Errorf("kept is %v", k)
			}
		})
	}
	t.Run("P12 replaced by a newer one, which replaces it when it is used", func(t *testing.T) {
		s, _ := online(t, seen(), func(w *wire) {
			w.want(openFrom)
			_, success := w.redeem(token1, boundAll, tokenGiven(token2, today.Add(48*time.Hour)))
			w.send(openAnswer, features(sasl2Offer(everything, "SCRAM-SHA-256")), success, features())
			w.closed()
		})
		k := s.Credential
		if k == nil || k.Token != token2 || k.Previous != token1 || k.UserAgent != device || !k.Expiry.Equal(today.Add(48*time.Hour)) {
			t.Fatalf("kept is %+v", k)
		}
		req := seen()
		req.Credential = k
		s, _ = online(t, req, func(w *wire) {
			w.want(openFrom)
			_, success := w.redeem(token2, boundAll)
			w.send(openAnswer, features(sasl2Offer(everything, "SCRAM-SHA-256")), success, features())
			w.closed()
		})
		if s.Credential == nil || s.Credential.Token != token2 || s.Credential.Previous != "" || s.Credential.Expiry != k.Expiry {
			t.Errorf("kept is %+v", s.Credential)
		}
	})
	t.Run("P12 a token of another account or an expired one is not even shown", func(t *testing.T) {
		other := seen()
		other.Account = "mallory@example.com"
		old := seen()
		old.Credential.Expiry = today
		for reason, req := range map[Unusable]Request{Foreign: other, Expired: old} {
			n := newNetwork(t, nil)
			_, err := n.now().Connect(context.Background(), req)
			var unusable *CredentialError
			if !errors.As(err, &unusable) || unusable.Reason != reason || unusable.Gone() != (reason == Foreign) || Retry(err) || len(n.hosts()) > 0 {
				t.Errorf("%s: %v", reason, err)
			}
		}
	})
}

func mustProof(t *testing.T, token string) []byte {
	message, err := sasl.Decode(proofOf(t, token))
	if err != nil {
		t.Fatal(err)
	}
	_, proof, err := sasl.ReadHashedToken(message)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

func TestP12_TokenRefused(t *testing.T) {
	for _, tc := range []struct {
		condition string
		reason    Unusable // "" if it says nothing about the token
		gone      bool
		kind      string
		tries     int
	}{
		{"not-authorized", Refused, true, "sign-in-expired", 1},
		{"credentials-expired", Refused, true, "sign-in-expired", 1},
		{"invalid-mechanism", NotOffered, false, "not-remembered", 2},
		{"malformed-request", NotOffered, false, "not-remembered", 2},
		{"temporary-auth-failure", "", false, "temporary-failure", 1},
		{"account-disabled", "", false, "account-disabled", 1},
	} {
		t.Run("P12 sec51 "+tc.condition, func(t *testing.T) {
			req := seen()
			req.Password = "pencil" // must not be tried behind the person's back
			tries := 0
			err, n := barred(t, req, func(w *wire) {
				tries++
				w.want(openFrom)
				if tries == 1 {
					w.redeem(token1)
				}
				w.send(openAnswer, features(sasl1Offer("PLAIN"), sasl2Offer(everything, "PLAIN", "SCRAM-SHA-256")))
				if tries > 1 {
					w.redeem(token1)
				}
				w.send(failure2(tc.condition))
				w.closed()
			})
			var unusable *CredentialError
			if got := errors.As(err, &unusable); got != (tc.reason != "") || got && (unusable.Reason != tc.reason || unusable.Gone() != tc.gone) {
				t.Errorf("the error is %v", err)
			}
			if p := Explain(err); p.Kind != tc.kind || err.Condition != tc.condition || Retry(err) != (tc.condition == "temporary-auth-failure") {
				t.Errorf("explained as %+v, retry %v", p, Retry(err))
			}
			if len(n.hosts()) != tc.tries || n.heard("PLAIN") || n.heard("SCRAM") {
				t.Errorf("tried %v", n.hosts())
			}
		})
	}
	t.Run("A09 sec26 a server that does not know the token", func(t *testing.T) {
		for name, data := range map[string]string{"wrong": sasl.Encode(make([]byte, 32)), "none": ""} {
			err, n := barred(t, seen(), func(w *wire) {
				w.want(openFrom)
				w.redeem(token1)
				w.send(openAnswer, features(sasl2Offer(everything, "PLAIN")), success2(data, boundAll, tokenGiven("mallory", today.Add(time.Hour))), features())
				w.closed()
			})
			if kind(err) != "impostor" || Retry(err) || len(n.hosts()) != 1 {
				t.Errorf("%s: %v at %v", name, err, n.hosts())
			}
		}
	})
	t.Run("P12 tokens are no longer on offer", func(t *testing.T) {
		slow := func(w *wire) {
			w.want(openFrom)
			w.send(openAnswer, features(sasl1Offer("PLAIN", "SCRAM-SHA-256"), sasl2Offer(bind2Offer, "PLAIN", "SCRAM-SHA-256")))
			w.closed()
		}
		err, n := barred(t, seen(), turns(func(w *wire) {
			w.want(openFrom)
			w.redeem(token1)
			w.send(openAnswer, features(sasl1Offer("PLAIN", "SCRAM-SHA-256"), sasl2Offer(bind2Offer, "PLAIN", "SCRAM-SHA-256")))
			w.gone()
		}, slow))
		var unusable *CredentialError
		if !errors.As(err, &unusable) || unusable.Reason != NotOffered || unusable.Gone() || Retry(err) || kind(err) != "not-remembered" {
			t.Errorf("%v", err)
		}
		if len(n.hosts()) != 2 {
			t.Errorf("tried %v", n.hosts())
		}
	})
	t.Run("P12 the server offers less than before", func(t *testing.T) {
		less := sasl2Offer(bind2Offer+fastOffer, "SCRAM-SHA-256")
		req := seen()
		req.Resume = &Resume{ID: "sm-1", JID: "user@example.com/Natter.1"}
		s, _ := online(t, req, turns(func(w *wire) {
			w.want(openFrom)
			w.redeem(token1)
			w.send(openAnswer, features(less))
			w.gone()
		}, func(w *wire) {
			w.want(openFrom)
			w.send(openAnswer, features(less))
			request, success := w.redeem(token1)
			if request.Child(nsSM, "resume") != nil || request.Child(nsBind2, "bind") != nil {
				t.Errorf("asked for %s", request)
			}
			w.send(success, features(smOffer, bindOffer))
			w.want(`<resume xmlns="urn:xmpp:sm:3" previd="sm-1" h="0"/>`)
			w.send(`<resumed xmlns='urn:xmpp:sm:3' previd='sm-1' h='0'/>`)
			w.closed()
		}))
		want := Seen{Endpoint: endpoint, Inline: Inline{Token: true, Bind: true, Carbons: true, Manage: true}}
		if s.Credential == nil || s.Credential.Seen != want {
			t.Errorf("kept is %v", s.Credential)
		}
	})
}

func TestP12_ServersThatCannotBearIt(t *testing.T) {
	slow := func(w *wire) {
		w.want(openFrom)
		w.send(openAnswer, features(sasl2Offer(everything, "SCRAM-SHA-256")))
		_, success := w.redeem(token1, boundAll)
		w.send(success, features())
		w.closed()
	}
	t.Run("E04 a server that throws us out is not asked again", func(t *testing.T) {
		for _, condition := range []string{"conflict", "policy-violation", "system-shutdown", "host-gone"} {
			err, n := barred(t, seen(), func(w *wire) {
				w.want(openFrom)
				w.redeem(token1)
				w.send(openAnswer, `<stream:error xmlns:stream='http://etherx.jabber.org/streams'><`+condition+` xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`)
				w.expect("<close")
			})
			if err.Condition != condition || len(n.hosts()) != 1 {
				t.Errorf("%v at %v", err, n.hosts())
			}
		}
	})
	for name, first := range map[string]func(*wire){
		"a stream error": func(w *wire) {
			w.want(openFrom)
			w.redeem(token1)
			w.send(openAnswer, `<stream:error xmlns:stream='http://etherx.jabber.org/streams'><unsupported-stanza-type xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`)
			w.expect("<close")
		},
		"a close": func(w *wire) {
			w.want(openFrom)
			w.redeem(token1)
			w.send(openAnswer, `<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`)
			w.expect("<close")
		},
		"another order": func(w *wire) {
			w.want(openFrom)
			w.redeem(token1)
			w.send(failure2("invalid-mechanism"), openAnswer)
			w.gone()
		},
	} {
		t.Run("O12 "+name, func(t *testing.T) {
			s, n := online(t, seen(), turns(first, slow))
			if k := s.Credential; k == nil || !k.Seen.Wait || k.Token != token1 || s.RoundTrips != 2 {
				t.Errorf("kept is %v after %d round trips", k, s.RoundTrips)
			}
			if len(n.hosts()) != 2 {
				t.Errorf("tried %v", n.hosts())
			}
		})
	}
	t.Run("O11 O12 silence", func(t *testing.T) {
		n := newNetwork(t, map[string]func(*wire){endpoint: turns(func(w *wire) { w.mute() }, slow)})
		c := n.now()
		c.StepTimeout = 3 * time.Second
		s, err := connect(t, c, endpoint, seen())
		if err != nil || !s.Credential.Seen.Wait {
			t.Errorf("%v, %v", s, err)
		}
	})
	t.Run("R01 a redirect is followed, and its end is a stranger", func(t *testing.T) {
		n := newNetwork(t, map[string]func(*wire){
			endpoint: func(w *wire) {
				w.want(openFrom)
				w.redeem(token1)
				w.send(`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' see-other-uri='wss://two.example.com/ws'/>`)
				w.expect("<close")
			},
			"wss://two.example.com/ws": slow,
		})
		s, err := connect(t, n.now(), endpoint, seen())
		if err != nil || s.RoundTrips != 2 || s.Credential.Seen.Endpoint != "wss://two.example.com/ws" {
			t.Errorf("%v, %v", s, err)
		}
	})
	t.Run("C05 a lost connection is tried once", func(t *testing.T) {
		err, n := barred(t, seen(), func(w *wire) { w.want(openFrom) })
		if len(n.hosts()) != 1 || !Retry(err) {
			t.Errorf("%v at %v", err, n.hosts())
		}
	})
}

func TestA18_Keys(t *testing.T) {
	remembered := Request{Account: "user@example.com", Password: "pencil", Remember: true}
	first := map[string]func(*wire){
		"SASL": func(w *wire) {
			w.login(bindOffer)
			w.bind("user@example.com/r")
			w.closed()
		},
		"SASL2": func(w *wire) {
			w.hello(sasl2Offer(bind2Offer, "SCRAM-SHA-256"))
			w.send(success2(w.scram(nsSASL2), boundAll), features())
			w.closed()
		},
	}
	for profile, script := range first {
		t.Run("A18 sec51 kept and used over "+profile, func(t *testing.T) {
			s, _ := online(t, remembered, script)
			k := s.Credential
			if k == nil || k.Mechanism != "SCRAM-SHA-256" || k.Keys == nil || k.Token != "" || k.Account != "user@example.com" {
				t.Fatalf("kept is %+v", k)
			}
			for again, script := range first { // over the other profile just as well
				s, _ := online(t, Request{Account: "user@example.com", Credential: k}, script)
				if s.Credential != nil || s.Mechanism != "SCRAM-SHA-256" {
					t.Errorf("over %s, then kept is %v by %s", again, s.Credential, s.Mechanism)
				}
			}
		})
	}
	s, _ := online(t, remembered, first["SASL"])
	kept := Request{Account: "user@example.com", Credential: s.Credential}
	t.Run("P11 a token as soon as there is one", func(t *testing.T) {
		req := kept
		req.Remember = true
		s, _ := online(t, req, func(w *wire) {
			w.hello(sasl2Offer(everything, "SCRAM-SHA-256"))
			w.send(success2(w.scram(nsSASL2), boundAll, tokenGiven(token1, today.Add(time.Hour))), features())
			w.closed()
		})
		if s.Credential == nil || s.Credential.Token != token1 || s.Credential.Keys != nil {
			t.Errorf("kept is %+v", s.Credential)
		}
	})
	t.Run("sec51 good for 14 days, and for longer only when they are used", func(t *testing.T) {
		k := s.Credential
		if !k.Expiry.Equal(today.Add(14 * 24 * time.Hour)) {
			t.Errorf("expires %v", k.Expiry)
		}
		n := newNetwork(t, map[string]func(*wire){endpoint: first["SASL"]})
		c := n.connector()
		now := today.Add(13 * 24 * time.Hour)
		c.Now = func() time.Time { return now }
		s, err := connect(t, c, endpoint, kept)
		if err != nil || s.Credential == nil || s.Credential.Keys == nil || !s.Credential.Expiry.Equal(now.Add(14*24*time.Hour)) {
			t.Errorf("kept is %v, %v", s, err)
		}
		now = k.Expiry
		_, failure := c.Connect(context.Background(), kept)
		var unusable *CredentialError
		if !errors.As(failure, &unusable) || unusable.Reason != Expired {
			t.Errorf("%v", failure)
		}
	})
	t.Run("sec51 another salt proves nothing to anybody", func(t *testing.T) {
		err, n := barred(t, kept, func(w *wire) {
			w.hello(sasl1Offer("SCRAM-SHA-256", "PLAIN"))
			w.expect("<auth")
			w.send(`<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + scramChallenge + `</challenge>`)
			w.want(`<abort xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
			w.closed()
		})
		var unusable *CredentialError
		if !errors.As(err, &unusable) || unusable.Reason != Changed || !unusable.Gone() || kind(err) != "password-changed" || Retry(err) {
			t.Errorf("%v", err)
		}
		if n.heard("<response") {
			t.Error("a proof was sent")
		}
	})
	for name, offer := range map[string]string{
		"only PLAIN":     sasl1Offer("PLAIN"),
		"another hash":   sasl1Offer("SCRAM-SHA-512", "SCRAM-SHA-1", "PLAIN"),
		"SASL2 PLAIN":    sasl2Offer(everything, "PLAIN"),
		"nothing at all": "",
	} {
		t.Run("T03 P16 never instead: "+name, func(t *testing.T) {
			req := kept
			req.Password = "pencil"
			err, n := barred(t, req, func(w *wire) {
				w.hello(offer)
				w.closed()
			})
			var unusable *CredentialError
			if !errors.As(err, &unusable) || unusable.Reason != NotOffered || unusable.Gone() || n.heard("mechanism=") {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("A12 a new password with the old salt", func(t *testing.T) {
		old := *s.Credential
		keys := *old.Keys
		keys.ClientKey = make([]byte, 32)
		old.Keys = &keys
		err, _ := barred(t, Request{Account: "user@example.com", Credential: &old}, func(w *wire) {
			w.hello(sasl1Offer("SCRAM-SHA-256"))
			w.scram(nsSASL)
		})
		if kind(err) != "sign-in-expired" || Retry(err) {
			t.Errorf("%v", err)
		}
	})
	t.Run("what was stored is damaged", func(t *testing.T) {
		for name, k := range map[string]Credential{
			"no keys":      {Account: "user@example.com", Mechanism: "SCRAM-SHA-256", Expiry: today.Add(time.Hour), Keys: &sasl.Keys{}},
			"no token":     {Account: "user@example.com", Mechanism: "HT-SHA-256-NONE", Expiry: today.Add(time.Hour)},
			"no mechanism": {Account: "user@example.com", Expiry: today.Add(time.Hour)},
		} {
			err, _ := barred(t, Request{Account: "user@example.com", Credential: &k}, func(w *wire) {
				w.hello(sasl2Offer(everything, "SCRAM-SHA-256", "PLAIN"))
				w.closed()
			})
			var unusable *CredentialError
			if !errors.As(err, &unusable) || Retry(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestSec52_Invalidate(t *testing.T) {
	invalidate := func(t *testing.T, req Request, script func(*wire)) (*network, error) {
		n := newNetwork(t, map[string]func(*wire){endpoint: script})
		c := n.now()
		c.Find = &discover.Finder{Fixed: map[string][]string{"example.com": {endpoint}}, Fetch: nothing{}}
		ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
		defer cancel()
		return n, c.Invalidate(ctx, req)
	}
	works := func(token string) func(*wire) {
		return func(w *wire) {
			w.want(openFrom)
			request, success := w.redeem(token)
			if request.Child(nsFAST, "fast").Attr("invalidate") != "true" || request.Child(nsBind2, "bind") != nil || request.Child(nsSM, "resume") != nil || request.Child(nsFAST, "request-token") != nil {
				w.n.t.Errorf("the client asked for %s", request)
			}
			w.send(openAnswer, features(sasl2Offer(everything, "SCRAM-SHA-256")), success, features(bindOffer))
			w.closed()
		}
	}
	t.Run("P12 sec52 in a fresh sign-in", func(t *testing.T) {
		req := seen()
		req.Remember, req.Resume = true, &Resume{ID: "x"}
		if n, err := invalidate(t, req, turns(works(token1))); err != nil || len(n.hosts()) != 1 {
			t.Error(err)
		}
	})
	t.Run("sec52 the one before it too", func(t *testing.T) {
		req := seen()
		req.Credential.Token, req.Credential.Previous = token2, token1
		if n, err := invalidate(t, req, turns(works(token2), works(token1))); err != nil || len(n.hosts()) != 2 {
			t.Error(err)
		}
	})
	t.Run("refused is as good", func(t *testing.T) {
		_, err := invalidate(t, seen(), func(w *wire) {
			w.want(openFrom)
			w.redeem(token1)
			w.send(openAnswer, features(sasl2Offer(everything, "SCRAM-SHA-256")), failure2("credentials-expired"))
			w.closed()
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("a server that cannot say is not", func(t *testing.T) {
		_, err := invalidate(t, seen(), func(w *wire) {
			w.want(openFrom)
			w.redeem(token1)
			w.send(openAnswer, features(sasl2Offer(everything, "SCRAM-SHA-256")), failure2("temporary-auth-failure"))
			w.closed()
		})
		if !Retry(err) || err == nil {
			t.Error(err)
		}
	})
	t.Run("keys have nothing to invalidate", func(t *testing.T) {
		k := Credential{Account: "user@example.com", Mechanism: "SCRAM-SHA-256", Keys: &sasl.Keys{}}
		if n, err := invalidate(t, Request{Account: "user@example.com", Credential: &k}, nil); err != nil || len(n.hosts()) > 0 {
			t.Error(err)
		}
	})
}

// Sec27: whatever is written down by anybody shows none of the secrets.
func TestSec27_SecretsStayInside(t *testing.T) {
	var mu sync.Mutex
	var written strings.Builder
	note := func(args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(&written, args...)
	}
	signIn := func(req Request, script func(*wire)) *Session {
		n := newNetwork(t, map[string]func(*wire){endpoint: script})
		c := n.now()
		c.Trace = func(out bool, doc string) { note(out, doc) }
		s, err := connect(t, c, endpoint, req)
		if err != nil {
			note(err, err.Err, Explain(err), fmt.Sprintf("%+v %#v", err, err.Err))
			return nil
		}
		note(s.Credential, fmt.Sprintf("%v %+v %#v %s %v %+v %#v", s.Credential, s.Credential, s.Credential, s.Credential, *s.Credential, *s.Credential, *s.Credential))
		return s
	}
	keys := signIn(Request{Account: "user@example.com", Password: "pencil", Remember: true}, serve).Credential.Keys
	signIn(Request{Account: "user@example.com", Password: "pencil", Remember: true}, func(w *wire) {
		w.hello(sasl2Offer(everything, "SCRAM-SHA-256"))
		w.send(success2(w.scram(nsSASL2), boundAll, tokenGiven(token1, today.Add(time.Hour))), features())
		w.closed()
	})
	signIn(seen(), func(w *wire) {
		w.want(openFrom)
		_, success := w.redeem(token1, boundAll, tokenGiven(token2, today.Add(time.Hour)))
		w.send(openAnswer, features(sasl2Offer(everything, "SCRAM-SHA-256")), success, features())
		w.closed()
	})
	signIn(seen(), func(w *wire) {
		w.want(openFrom)
		w.redeem(token1)
		w.send(openAnswer, features(sasl2Offer(everything, "SCRAM-SHA-256")), failure2("not-authorized"))
		w.closed()
	})
	all := written.String()
	if !strings.Contains(all, "<authenticate") || !strings.Contains(all, "not-authorized") || !strings.Contains(all, "credential of user@example.com") {
		t.Fatalf("too little was written:\n%s", all)
	}
	proof := mustProof(t, token1)
	for name, secret := range map[string]string{
		"password": "pencil", "token": token1, "next token": token2, "message": proofOf(t, token1), "proof": sasl.Encode(proof), "proof in bytes": fmt.Sprint(proof),
		"client key": sasl.Encode(keys.ClientKey), "client key in bytes": fmt.Sprint(keys.ClientKey), "server key": sasl.Encode(keys.ServerKey),
	} {
		if strings.Contains(all, secret) {
			t.Errorf("the %s is in:\n%s", name, all)
		}
	}
}

func TestCredentialAsJSON(t *testing.T) {
	s, _ := online(t, Request{Account: "user@example.com", Password: "pencil", Remember: true}, serve)
	for _, k := range []*Credential{seen().Credential, s.Credential} {
		raw, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		var back Credential
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(back)
		if err != nil || string(again) != string(raw) || back.Token != k.Token || back.Seen != k.Seen || !back.Expiry.Equal(k.Expiry) {
			t.Errorf("%s comes back as %s, %v", raw, again, err)
		}
	}
}
