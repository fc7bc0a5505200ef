package connect

import (
	"context"
	"strings"
	"sync"
	"testing"

	"natter/app/connect/sasl"
	"natter/framing"
)

// The example of RFC 7677 §3, wrapped as RFC 6120 §6 and RFC 7395 say.
const (
	scramFirst     = "biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8="
	scramChallenge = "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY="
	scramResponse  = "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ=="
	scramFinal     = "dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ=="
)

func TestSASL1(t *testing.T) {
	t.Run("O01 O02 O03 O04 O12 N01 N03 N07 N08 A03 A08 B01 B02 golden dialogue", func(t *testing.T) {
		s, _ := play(t, account, func(w *wire) {
			w.want(openFrom)
			w.send(openAnswer, features(sasl1Offer("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER")))
			w.want(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="SCRAM-SHA-256">` + scramFirst + `</auth>`)
			w.send(`<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + scramChallenge + `</challenge>`)
			w.want(`<response xmlns="urn:ietf:params:xml:ns:xmpp-sasl">` + scramResponse + `</response>`)
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + scramFinal + `</success>`)
			w.want(openFrom)
			w.send(openAnswer2, features(bindOffer, smOffer))
			w.want(`<iq xmlns="jabber:client" type="set" id="id-1"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`)
			w.send(`<iq xmlns='jabber:client' type='result' id='id-1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>user@example.com/made-up</jid></bind></iq>`)
			w.closed()
		})
		if s.JID != "user@example.com/made-up" || s.Mechanism != "SCRAM-SHA-256" || s.Endpoint != endpoint || s.Delegated || s.Resumed {
			t.Errorf("the session is %+v", s)
		}
		if s.Features.Child(nsSM, "sm") == nil {
			t.Error("the features are not those after authentication")
		}
		if s.RoundTrips != 5 { // open, auth, response, open, bind
			t.Errorf("%d round trips", s.RoundTrips)
		}
	})
	t.Run("A05 signature as a challenge, empty success", func(t *testing.T) {
		play(t, account, func(w *wire) {
			w.hello(sasl1Offer("SCRAM-SHA-256"))
			w.expect("<auth")
			w.send(`<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + scramChallenge + `</challenge>`)
			w.expect(scramResponse)
			w.send(`<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + scramFinal + `</challenge>`)
			w.want(`<response xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`)
			w.want(openFrom)
			w.send(openAnswer2, features(bindOffer))
			w.bind("user@example.com/r")
			w.closed()
		})
	})
	t.Run("A05 anonymous has an initial response that is empty", func(t *testing.T) {
		s, _ := play(t, Request{Account: "example.com", Anonymous: true}, func(w *wire) {
			w.want(`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="example.com" version="1.0" xml:lang="en"/>`)
			w.send(openAnswer, features(sasl1Offer("PLAIN", "ANONYMOUS", "SCRAM-SHA-1")))
			w.want(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS">=</auth>`)
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</success>`)
			w.expect("<open")
			w.send(openAnswer2, features(bindOffer))
			w.bind("guest-1@example.com/r")
			w.closed()
		})
		if s.JID != "guest-1@example.com/r" {
			t.Errorf("bound as %s", s.JID)
		}
	})
	t.Run("A01 A02 strongest first", func(t *testing.T) {
		err, _ := fail(t, account, func(w *wire) {
			w.hello(sasl1Offer("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-512", "SCRAM-SHA-256"))
			w.expect(`mechanism="SCRAM-SHA-512"`)
			w.send(`<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>`)
			w.closed()
		})
		if err.Condition != "not-authorized" {
			t.Error(err)
		}
	})
	t.Run("T03 PLAIN where it is the last resort and protected", func(t *testing.T) {
		s, _ := play(t, account, func(w *wire) {
			w.hello(sasl1Offer("PLAIN"))
			w.want(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="PLAIN">AHVzZXIAcGVuY2ls</auth>`)
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`)
			w.want(openFrom)
			w.send(openAnswer2, features(bindOffer))
			w.bind("user@example.com/r")
			w.closed()
		})
		if s.Mechanism != sasl.Plain {
			t.Errorf("by %s", s.Mechanism)
		}
	})
	t.Run("N10 legacy session only when it is not optional", func(t *testing.T) {
		play(t, account, func(w *wire) {
			w.login(bindOffer, `<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>`)
			w.bind("user@example.com/r")
			w.want(`<iq xmlns="jabber:client" type="set" id="id-2"><session xmlns="urn:ietf:params:xml:ns:xmpp-session"/></iq>`)
			w.send(`<iq xmlns='jabber:client' type='result' id='id-2'/>`)
			w.closed()
		})
		play(t, account, func(w *wire) {
			w.login(bindOffer, `<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>`)
			w.bind("user@example.com/r")
			w.closed()
		})
	})
	t.Run("N09 features in any order, repeated and unknown", func(t *testing.T) {
		s, _ := play(t, account, func(w *wire) {
			w.hello(`<register xmlns='http://jabber.org/features/iq-register'/>`, `<x xmlns='urn:new:thing'><y/></x>`,
				sasl1Offer("SCRAM-SHA-256"), `<register xmlns='urn:xmpp:invite'/>`)
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + w.scram(nsSASL) + `</success>`)
			w.want(openFrom)
			w.send(openAnswer2, features(`<sm xmlns='urn:xmpp:sm:2'><optional/></sm>`, `<sm xmlns='urn:xmpp:sm:3'><optional/></sm>`,
				`<sm xmlns='urn:xmpp:sm:3'><optional/></sm>`, `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><required/></bind>`))
			w.bind("user@example.com/r")
			w.closed()
		})
		if s.JID == "" {
			t.Error("not bound")
		}
	})
	t.Run("N05 STARTTLS is ignored, required or not", func(t *testing.T) {
		play(t, account, func(w *wire) {
			w.hello(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>`, sasl1Offer("SCRAM-SHA-256"))
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + w.scram(nsSASL) + `</success>`)
			w.want(openFrom)
			w.send(openAnswer2, features(bindOffer))
			w.bind("user@example.com/r")
			w.closed()
		})
	})
	t.Run("P14 P15 channel bindings on offer are part of the hash", func(t *testing.T) {
		offer := []string{"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN"}
		play(t, account, func(w *wire) {
			w.hello(sasl1Offer(offer...))
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + w.scram(nsSASL, offer...) + `</success>`)
			w.want(openFrom)
			w.send(openAnswer2, features(bindOffer))
			w.bind("user@example.com/r")
			w.closed()
		})
		err, _ := fail(t, account, func(w *wire) {
			w.hello(sasl1Offer("SCRAM-SHA-256", "PLAIN")) // somebody has removed one
			w.scram(nsSASL, offer...)
		})
		if k := kind(err); k != "tampered" {
			t.Errorf("a list that was changed is %q: %v", k, err)
		}
	})
}

func TestOpen(t *testing.T) {
	good := func(open string) func(*wire) {
		return func(w *wire) {
			w.want(openFrom)
			w.send(open, features(sasl1Offer("SCRAM-SHA-256")))
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + w.scram(nsSASL) + `</success>`)
			w.want(openFrom)
			w.send(open, features(bindOffer))
			w.bind("user@example.com/r")
			w.closed()
		}
	}
	for name, attrs := range map[string]string{
		"O06 without from and to": `id='1' version='1.0'`,
		"O07 from another host":   `id='1' version='1.0' from='node3.example.net'`,
		"O08 version 1.1":         `id='1' version='1.1'`,
		"O08 version 01.0":        `id='1' version='01.0'`,
	} {
		t.Run(name, func(t *testing.T) {
			play(t, account, good(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' `+attrs+`/>`))
		})
	}
	for name, tc := range map[string]struct{ answer, condition string }{
		"O08 no version":         {`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' id='1'/>`, "unsupported-version"},
		"O08 version 2.0":        {`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' id='1' version='2.0'/>`, "unsupported-version"},
		"O10 no id":              {`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0'/>`, "bad-format"},
		"O10 empty id":           {`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' id='' version='1.0'/>`, "bad-format"},
		"N01 features first":     {features(sasl1Offer("PLAIN")), "bad-format"},
		"N01 a stanza first":     {`<message xmlns='jabber:client'/>`, "bad-format"},
		"N02 unknown, mandatory": {openAnswer + features(`<x xmlns='urn:x'><required/></x>`, sasl1Offer("PLAIN")), "unsupported-feature"},
	} {
		t.Run(name, func(t *testing.T) {
			err, n := fail(t, account, func(w *wire) {
				w.want(openFrom)
				for _, doc := range strings.SplitAfterN(tc.answer, "en'/>", 2) {
					if doc != "" {
						w.send(doc)
					}
				}
				w.expect("error", "<"+tc.condition)
				w.expect("<close")
			})
			if err.Phase != Opening || err.Condition != tc.condition {
				t.Error(err)
			}
			if n.heard("<auth") {
				t.Error("went on to authenticate")
			}
		})
	}
	t.Run("N02 a feature that is only optional does not matter", func(t *testing.T) {
		play(t, account, func(w *wire) {
			w.login(bindOffer, `<x xmlns='urn:x'><optional/></x>`, `<x xmlns='urn:y'><required xmlns='urn:z'/></x>`)
			w.bind("user@example.com/r")
			w.closed()
		})
	})
	t.Run("O04 no from where others could read it", func(t *testing.T) {
		n := &negotiation{Connector: &Connector{}, req: account}
		for _, protected := range []bool{true, false} {
			client, server := framing.Pipe()
			n.conn, n.protected = framing.NewConn(client, framing.ConnOptions{}), protected
			ctx, cancel := context.WithCancel(context.Background())
			go n.open(ctx, ToOpen, ToFeatures)
			doc, err := server.Read(context.Background())
			cancel()
			if err != nil || strings.Contains(doc, "user@") != protected {
				t.Errorf("protected %v: %s", protected, doc)
			}
		}
	})
	t.Run("N11 S18 limits before and after login", func(t *testing.T) {
		limits := func(bytes, idle string) string {
			return `<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>` + bytes + `</max-bytes><idle-seconds>` + idle + `</idle-seconds></limits>`
		}
		s, _ := play(t, account, func(w *wire) {
			w.hello(sasl1Offer("SCRAM-SHA-256"), limits("10000", "840"))
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + w.scram(nsSASL) + `</success>`)
			w.want(openFrom)
			w.send(openAnswer2, features(bindOffer, limits("262144", "900")))
			w.bind("user@example.com/r")
			w.closed()
		})
		if s.MaxBytes != 262144 || s.Idle.Seconds() != 900 {
			t.Errorf("%d bytes, %v", s.MaxBytes, s.Idle)
		}
		s, _ = play(t, account, func(w *wire) {
			w.login(bindOffer, limits("9", "-4"))
			w.bind("user@example.com/r")
			w.closed()
		})
		if s.MaxBytes != 0 || s.Idle != 0 {
			t.Errorf("nonsense was taken for %d bytes, %v", s.MaxBytes, s.Idle)
		}
	})
	t.Run("N11 a stanza above the limit is not sent", func(t *testing.T) {
		n := newNetwork(t, map[string]func(*wire){endpoint: func(w *wire) {
			w.login(bindOffer, `<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>`)
			w.bind("user@example.com/r")
			w.expect("short enough")
			w.closed()
		}})
		s, failure := n.connector().connectFrom(context.Background(), account, endpoint)
		if failure != nil {
			t.Fatal(failure)
		}
		message := func(body string) *framing.Element {
			return framing.New(framing.NSClient, "message").Add(framing.New(framing.NSClient, "body").AddText(body))
		}
		if err := s.Conn.Write(context.Background(), message(strings.Repeat("x", 10000))); err == nil {
			t.Error("sent 10,000 bytes and more")
		}
		if err := s.Conn.Write(context.Background(), message("short enough")); err != nil {
			t.Error(err)
		}
		_ = s.Conn.Close(context.Background())
	})
}

func TestSASL2(t *testing.T) {
	const success = `<additional-data>` + scramFinal + `</additional-data>`
	offer := sasl2Offer(bind2Offer+smOffer, "SCRAM-SHA-256", "PLAIN")
	t.Run("N04 P01 P02 P03 P05 P06 P07 P08 golden dialogue", func(t *testing.T) {
		s, n := play(t, account, func(w *wire) {
			w.want(openFrom)
			w.send(openAnswer, features(offer, sasl1Offer("SCRAM-SHA-256", "PLAIN")))
			w.want(`<authenticate xmlns="urn:xmpp:sasl:2" mechanism="SCRAM-SHA-256"><initial-response>` + scramFirst + `</initial-response>` +
				`<user-agent id="d4565fa7-4d72-4749-b3d3-740edbf87770"><software>Natter</software><device>Test</device></user-agent>` +
				`<bind xmlns="urn:xmpp:bind:0"><tag>Natter</tag><enable xmlns="urn:xmpp:carbons:2"/><enable xmlns="urn:xmpp:sm:3" resume="true"/></bind></authenticate>`)
			w.send(`<challenge xmlns='urn:xmpp:sasl:2'>` + scramChallenge + `</challenge>`)
			w.want(`<response xmlns="urn:xmpp:sasl:2">` + scramResponse + `</response>`)
			w.send(`<success xmlns='urn:xmpp:sasl:2'>` + success +
				`<bound xmlns='urn:xmpp:bind:0'><metadata xmlns='urn:xmpp:mam:2'><end id='z'/></metadata><enabled max='300' xmlns='urn:xmpp:sm:3' resume='1' id='8g'/><enabled xmlns='urn:xmpp:carbons:2'/></bound>` +
				`<authorization-identifier>user@example.com/Natter~Uk5h</authorization-identifier></success>`)
			// As Prosody 0.12 does, with legacy bind once more (N09).
			w.send(features(`<sm xmlns='urn:xmpp:sm:3'/>`, `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><required/></bind>`, `<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>`))
			w.closed()
		})
		if s.JID != "user@example.com/Natter~Uk5h" || !s.Carbons || s.SM.Attr("id") != "8g" || s.Features == nil {
			t.Errorf("the session is %+v", s)
		}
		if s.Bound.Child("urn:xmpp:mam:2", "metadata") == nil {
			t.Error("P10: what the server says about the archive is lost")
		}
		if s.RoundTrips != 3 { // open, authenticate, response
			t.Errorf("%d round trips", s.RoundTrips)
		}
		if n.heard("<iq") {
			t.Error("bound twice")
		}
	})
	t.Run("P08 success as ejabberd 24 words it", func(t *testing.T) {
		s, _ := play(t, account, func(w *wire) {
			w.hello(offer)
			final := w.scram(nsSASL2)
			w.send(`<success xmlns='urn:xmpp:sasl:2'><token token='t' expiry='2026-12-20T16:24:57Z' xmlns='urn:xmpp:fast:0'/><bound xmlns='urn:xmpp:bind:0'><enabled resume='true' max='300' id='g2' xmlns='urn:xmpp:sm:3'/></bound><authorization-identifier>user@example.com/bed.1</authorization-identifier><additional-data>`+final+`</additional-data></success>`,
				features())
			w.closed()
		})
		if s.SM.Attr("id") != "g2" || !s.Carbons {
			t.Errorf("the session is %+v", s)
		}
	})
	t.Run("P07 only what is offered is asked for", func(t *testing.T) {
		for _, tc := range []struct{ inline, want string }{
			{`<bind xmlns='urn:xmpp:bind:0'/>`, `<bind xmlns="urn:xmpp:bind:0"><tag>Natter</tag></bind></authenticate>`},
			{`<bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/></inline></bind>`, `<tag>Natter</tag><enable xmlns="urn:xmpp:carbons:2"/></bind>`},
			{`<bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/><feature var='urn:xmpp:sm:3'/></inline></bind>`, `<tag>Natter</tag><enable xmlns="urn:xmpp:sm:3" resume="true"/></bind>`},
			{``, `</user-agent></authenticate>`},
		} {
			fail(t, account, func(w *wire) {
				w.hello(sasl2Offer(tc.inline, "SCRAM-SHA-256"))
				w.expect(tc.want)
				w.send(`<failure xmlns='urn:xmpp:sasl:2'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>`)
				w.closed()
			})
		}
	})
	t.Run("P08 nothing is on that was not asked for", func(t *testing.T) {
		s, _ := play(t, account, func(w *wire) {
			w.hello(sasl2Offer(`<bind xmlns='urn:xmpp:bind:0'/>`, "SCRAM-SHA-256"))
			final := w.scram(nsSASL2)
			w.send(`<success xmlns='urn:xmpp:sasl:2'><additional-data>`+final+`</additional-data><bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='x'/><enabled xmlns='urn:xmpp:carbons:2'/></bound><authorization-identifier>user@example.com/r</authorization-identifier></success>`, features())
			w.closed()
		})
		if s.SM != nil || s.Carbons {
			t.Errorf("the session is %+v", s)
		}
	})
	t.Run("B01 SASL2 without Bind 2 binds as ever, without a restart", func(t *testing.T) {
		s, _ := play(t, account, func(w *wire) {
			w.hello(sasl2Offer("", "SCRAM-SHA-256"))
			final := w.scram(nsSASL2)
			w.send(`<success xmlns='urn:xmpp:sasl:2'><additional-data>`+final+`</additional-data><authorization-identifier>user@example.com</authorization-identifier></success>`, features(bindOffer))
			w.bind("user@example.com/r")
			w.closed()
		})
		if s.JID != "user@example.com/r" {
			t.Errorf("bound as %s", s.JID)
		}
	})
	t.Run("P03 an empty initial response is there", func(t *testing.T) {
		play(t, Request{Account: "example.com", Anonymous: true}, func(w *wire) {
			w.hello(sasl2Offer("", "ANONYMOUS"))
			w.expect(`mechanism="ANONYMOUS"><initial-response/>`)
			w.send(`<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>guest@example.com</authorization-identifier></success>`, features(bindOffer))
			w.bind("guest@example.com/r")
			w.closed()
		})
	})
	t.Run("P04 continue ends in good order", func(t *testing.T) {
		err, _ := fail(t, account, func(w *wire) {
			w.hello(offer)
			final := w.scram(nsSASL2)
			w.send(`<continue xmlns='urn:xmpp:sasl:2'><additional-data>` + final + `</additional-data><tasks><task>TOTP-EXAMPLE</task></tasks></continue>`)
			w.want(`<abort xmlns="urn:xmpp:sasl:2"/>`)
			w.closed()
		})
		if k := kind(err); k != "second-factor" || !strings.Contains(err.Error(), "TOTP-EXAMPLE") {
			t.Errorf("%q: %v", k, err)
		}
	})
	t.Run("P01 not without protection", func(t *testing.T) {
		n := &negotiation{Connector: &Connector{}, req: account}
		e, err := framing.Parse(features(offer, sasl1Offer("SCRAM-SHA-1")), framing.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			protected bool
			ns, name  string
		}{{true, nsSASL2, "SCRAM-SHA-256"}, {false, nsSASL, "SCRAM-SHA-1"}} {
			n.protected = tc.protected
			if p, name, err := n.choose(e); p.ns != tc.ns || name != tc.name || err != nil {
				t.Errorf("protected %v: %s by %s, %v", tc.protected, name, p.ns, err)
			}
		}
	})
	t.Run("T03 SCRAM in the old profile before PLAIN in the new", func(t *testing.T) {
		play(t, account, func(w *wire) {
			w.hello(sasl2Offer("", "PLAIN"), sasl1Offer("SCRAM-SHA-256", "PLAIN"))
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + w.scram(nsSASL) + `</success>`)
			w.want(openFrom)
			w.send(openAnswer2, features(bindOffer))
			w.bind("user@example.com/r")
			w.closed()
		})
	})
}

var resume = Request{Account: "user@example.com", Password: "pencil", Resume: &Resume{ID: "sm-1", H: 4294967295, JID: "user@example.com/old"}}

func TestResume(t *testing.T) {
	t.Run("M01 M07 before bind, and nothing else is asked", func(t *testing.T) {
		s, n := play(t, resume, func(w *wire) {
			w.login(bindOffer, smOffer, `<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>`)
			w.want(`<resume xmlns="urn:xmpp:sm:3" previd="sm-1" h="4294967295"/>`)
			w.send(`<resumed xmlns='urn:xmpp:sm:3' previd='sm-1' h='7'/>`, `<message xmlns='jabber:client' id='while-away'/>`)
			w.closed()
		})
		if !s.Resumed || s.ResumedH != 7 || s.JID != "user@example.com/old" || s.Features != nil || s.FailedH != nil {
			t.Errorf("the session is %+v", s)
		}
		if e, err := s.Conn.Read(context.Background()); err != nil || e.Attr("id") != "while-away" {
			t.Errorf("what the server sent meanwhile is lost: %v, %v", e, err)
		}
		if n.heard("<iq") {
			t.Error("bound although resumed")
		}
	})
	t.Run("M08 failed with h, then bind on the same stream", func(t *testing.T) {
		s, n := play(t, resume, func(w *wire) {
			w.login(bindOffer, smOffer)
			w.expect("<resume")
			w.send(`<failed xmlns='urn:xmpp:sm:3' h='5'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`)
			w.bind("user@example.com/new")
			w.closed()
		})
		if s.Resumed || s.FailedH == nil || *s.FailedH != 5 || s.JID != "user@example.com/new" || s.Features == nil {
			t.Errorf("the session is %+v", s)
		}
		if len(n.hosts()) != 1 {
			t.Error("connected again")
		}
	})
	t.Run("M08 failed without h", func(t *testing.T) {
		s, _ := play(t, resume, func(w *wire) {
			w.login(bindOffer, smOffer)
			w.expect("<resume")
			w.send(`<failed xmlns='urn:xmpp:sm:3'/>`)
			w.bind("user@example.com/new")
			w.closed()
		})
		if s.FailedH != nil {
			t.Errorf("h is %d", *s.FailedH)
		}
	})
	t.Run("M01 not where it is not offered", func(t *testing.T) {
		_, n := play(t, resume, func(w *wire) {
			w.login(bindOffer)
			w.bind("user@example.com/new")
			w.closed()
		})
		if n.heard("<resume") {
			t.Error("asked to resume")
		}
	})
	t.Run("M07 resumed, but another stream", func(t *testing.T) {
		err, _ := fail(t, resume, func(w *wire) {
			w.login(bindOffer, smOffer)
			w.expect("<resume")
			w.send(`<resumed xmlns='urn:xmpp:sm:3' previd='sm-2' h='7'/>`)
			w.expect("<bad-format")
			w.gone()
		})
		if err.Phase != Binding {
			t.Error(err)
		}
	})

	offer := sasl2Offer(bind2Offer+smOffer, "SCRAM-SHA-256")
	t.Run("P05 P09 inline, and no features follow", func(t *testing.T) {
		s, n := play(t, resume, func(w *wire) {
			w.hello(offer)
			final := w.scram(nsSASL2)
			w.send(`<success xmlns='urn:xmpp:sasl:2'><additional-data>`+final+`</additional-data><resumed h='0' xmlns='urn:xmpp:sm:3' previd='sm-1'/><authorization-identifier>user@example.com/old</authorization-identifier></success>`,
				`<message xmlns='jabber:client' id='while-away'/>`)
			w.closed()
		})
		if !s.Resumed || s.ResumedH != 0 || s.JID != "user@example.com/old" || s.SM != nil {
			t.Errorf("the session is %+v", s)
		}
		if !n.heard(`<resume xmlns="urn:xmpp:sm:3" previd="sm-1" h="4294967295"/><bind xmlns="urn:xmpp:bind:0">`) {
			t.Error("resume and bind were not asked for together")
		}
		if e, err := s.Conn.Read(context.Background()); err != nil || e.Attr("id") != "while-away" {
			t.Errorf("what the server sent meanwhile is lost: %v, %v", e, err)
		}
		if s.RoundTrips != 3 { // open, authenticate, response
			t.Errorf("%d round trips", s.RoundTrips)
		}
	})
	t.Run("P09 failed inline, bound instead", func(t *testing.T) {
		s, n := play(t, resume, func(w *wire) {
			w.hello(offer)
			final := w.scram(nsSASL2)
			w.send(`<success xmlns='urn:xmpp:sasl:2'><additional-data>`+final+`</additional-data><failed xmlns='urn:xmpp:sm:3' h='12'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed><bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='sm-2'/></bound><authorization-identifier>user@example.com/new</authorization-identifier></success>`,
				features(smOffer))
			w.closed()
		})
		if s.Resumed || s.FailedH == nil || *s.FailedH != 12 || s.JID != "user@example.com/new" || s.SM.Attr("id") != "sm-2" {
			t.Errorf("the session is %+v", s)
		}
		if n.heard(`<resume xmlns="urn:xmpp:sm:3" previd="sm-1" h="4294967295"/></`) {
			t.Error("asked twice")
		}
	})
	t.Run("P09 SASL2 without Bind 2: failed inline, legacy bind", func(t *testing.T) {
		s, _ := play(t, resume, func(w *wire) {
			w.hello(sasl2Offer(smOffer, "SCRAM-SHA-256"))
			final := w.scram(nsSASL2)
			w.send(`<success xmlns='urn:xmpp:sasl:2'><additional-data>`+final+`</additional-data><failed xmlns='urn:xmpp:sm:3'/><authorization-identifier>user@example.com</authorization-identifier></success>`,
				features(smOffer, bindOffer))
			w.bind("user@example.com/new") // and no second <resume/>
			w.closed()
		})
		if s.JID != "user@example.com/new" {
			t.Errorf("bound as %s", s.JID)
		}
	})

	// Bind 2 inline, Stream Management not: as Prosody 0.12 with its modules.
	signIn := func(w *wire) {
		w.hello(sasl2Offer(bind2Offer, "SCRAM-SHA-256"))
		w.send(success2(w.scram(nsSASL2)))
	}
	t.Run("M01 M07 SASL2 that resumes nothing inline: not bound before", func(t *testing.T) {
		s, n := play(t, resume, func(w *wire) {
			signIn(w)
			w.send(features(bindOffer, smOffer))
			w.want(`<resume xmlns="urn:xmpp:sm:3" previd="sm-1" h="4294967295"/>`)
			w.send(`<resumed xmlns='urn:xmpp:sm:3' previd='sm-1' h='7'/>`)
			w.closed()
		})
		if !s.Resumed || s.ResumedH != 7 || s.JID != "user@example.com/old" || n.heard("<bind") {
			t.Errorf("the session is %+v", s)
		}
	})
	t.Run("M08 SASL2 that resumes nothing inline: bound if the stream is gone", func(t *testing.T) {
		s, n := play(t, resume, func(w *wire) {
			signIn(w)
			w.send(features(bindOffer, smOffer))
			w.expect("<resume")
			w.send(`<failed xmlns='urn:xmpp:sm:3' h='5'/>`)
			w.bind("user@example.com/new")
			w.closed()
		})
		if s.Resumed || s.FailedH == nil || *s.FailedH != 5 || s.JID != "user@example.com/new" || len(n.hosts()) != 1 {
			t.Errorf("the session is %+v", s)
		}
	})
	t.Run("M08 B01 a server that binds only along with the authentication is asked anew", func(t *testing.T) {
		s, n := play(t, resume, turns(func(w *wire) {
			signIn(w)
			w.send(features(smOffer))
			w.expect("<resume")
			w.send(`<failed xmlns='urn:xmpp:sm:3'/>`)
			w.gone()
		}, func(w *wire) {
			w.hello(sasl2Offer(bind2Offer, "SCRAM-SHA-256"))
			w.send(success2(w.scram(nsSASL2), boundAll), features(smOffer))
			w.closed()
		}))
		if s.Resumed || s.JID != "user@example.com/Natter.1" || s.SM == nil || len(n.hosts()) != 2 {
			t.Errorf("the session is %+v", s)
		}
	})
	t.Run("P07 M01 bound along with the authentication where nothing is to be resumed", func(t *testing.T) {
		s, n := play(t, account, func(w *wire) {
			w.hello(sasl2Offer(bind2Offer, "SCRAM-SHA-256"))
			w.send(success2(w.scram(nsSASL2), boundAll), features(bindOffer, smOffer))
			w.closed()
		})
		if s.JID != "user@example.com/Natter.1" || s.RoundTrips != 3 || n.heard("<iq") {
			t.Errorf("the session is %+v", s)
		}
	})
}

func TestBind(t *testing.T) {
	const conflict = `<error type='modify'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`
	refuse := func(w *wire, body string) {
		id := w.expect("<bind").Attr("id")
		w.send(`<iq xmlns='jabber:client' type='error' id='` + id + `'>` + body)
	}
	t.Run("B03 conflict: another resource on the same stream", func(t *testing.T) {
		s, n := play(t, account, func(w *wire) {
			w.login(bindOffer)
			refuse(w, conflict)
			id := w.expect(`<resource>Natter.id-2</resource>`).Attr("id")
			w.send(`<iq xmlns='jabber:client' type='result' id='` + id + `'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>user@example.com/yet-another</jid></bind></iq>`)
			w.closed()
		})
		if s.JID != "user@example.com/yet-another" || len(n.hosts()) != 1 {
			t.Errorf("bound as %s after %v", s.JID, n.hosts())
		}
	})
	t.Run("B03 B04 conflict without end", func(t *testing.T) {
		tries := 0
		err, _ := fail(t, account, func(w *wire) {
			w.login(bindOffer)
			for range maxConflicts + 1 {
				tries++
				refuse(w, conflict)
			}
			w.closed()
		})
		if err.Condition != "conflict" || err.Phase != Binding || Retry(err) || kind(err) != "bind-conflict" {
			t.Errorf("after %d: %v", tries, err)
		}
	})
	for condition, want := range map[string]struct {
		kind  string
		retry bool
	}{
		"resource-constraint":  {"too-many-sessions", true},
		"not-allowed":          {"bind-not-allowed", false},
		"bad-request":          {"bind-refused", false},
		"something-of-its-own": {"bind-refused", false},
	} {
		t.Run("B05 "+condition, func(t *testing.T) {
			err, _ := fail(t, account, func(w *wire) {
				w.login(bindOffer)
				refuse(w, `<error type='cancel'><`+condition+` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>so there</text></error></iq>`)
				w.closed()
			})
			if condition == "something-of-its-own" {
				condition = framing.UndefinedCondition
			}
			if err.Phase != Binding || err.Condition != condition || err.Text != "so there" || kind(err) != want.kind || Retry(err) != want.retry {
				t.Errorf("%q, retry %v: %v", kind(err), Retry(err), err)
			}
		})
	}
	t.Run("B06 other stanzas before the answer", func(t *testing.T) {
		s, _ := play(t, account, func(w *wire) {
			w.login(bindOffer)
			id := w.expect("<bind").Attr("id")
			answer := func(attrs, jid string) string {
				return `<iq xmlns='jabber:client' id='` + id + `' ` + attrs + `><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>` + jid + `</jid></bind></iq>`
			}
			w.send(`<presence xmlns='jabber:client' from='user@example.com/other'/>`,
				`<iq xmlns='jabber:client' type='result' id='another'/>`,
				`<message xmlns='jabber:client' type='result' id='`+id+`'/>`,
				answer(`type='set'`, "user@example.com/asked"),
				answer(`type='result' from='mallory@example.net'`, "mallory@example.net/x"),
				answer(`type='result' from='example.com'`, "user@example.com/right"))
			w.closed()
		})
		if s.JID != "user@example.com/right" {
			t.Errorf("bound as %s", s.JID)
		}
	})
	t.Run("B01 a server that offers no bind", func(t *testing.T) {
		err, _ := fail(t, account, func(w *wire) {
			w.login()
			w.expect("<unsupported-feature")
			w.gone()
		})
		if kind(err) != "no-binding" {
			t.Error(err)
		}
	})
}

// The trace must not contain secrets.
func TestTrace(t *testing.T) {
	for name, script := range map[string]func(*wire){
		"SASL": serve,
		"SASL2": func(w *wire) {
			w.hello(sasl2Offer(bind2Offer, "SCRAM-SHA-256"))
			final := w.scram(nsSASL2)
			w.send(`<success xmlns='urn:xmpp:sasl:2'><additional-data>`+final+`</additional-data><token xmlns='urn:xmpp:fast:0' token='c2VjcmV0'/><bound xmlns='urn:xmpp:bind:0'/><authorization-identifier>user@example.com/r</authorization-identifier></success>`, features())
			w.closed()
		},
		"PLAIN": func(w *wire) {
			w.hello(sasl1Offer("PLAIN"))
			w.expect("AHVzZXIAcGVuY2ls")
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`)
			w.want(openFrom)
			w.send(openAnswer2, features(bindOffer))
			w.bind("user@example.com/r")
			w.closed()
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, map[string]func(*wire){endpoint: script})
			c := n.connector()
			var mu sync.Mutex
			var traced []string
			c.Trace = func(out bool, doc string) {
				mu.Lock()
				defer mu.Unlock()
				traced = append(traced, doc)
			}
			if _, err := connect(t, c, endpoint, account); err != nil {
				t.Fatal(err)
			}
			all := strings.Join(traced, "\n")
			for _, secret := range []string{"AHVzZXI", "biws", "cj1", "c2VjcmV0", "dj0"} { // beginnings of what base64 holds
				if strings.Contains(all, secret) {
					t.Errorf("%s is in the trace:\n%s", secret, all)
				}
			}
			for _, plain := range []string{openFrom, "user@example.com/", "mechanism=", "***"} {
				if !strings.Contains(all, plain) {
					t.Errorf("%s is not in the trace:\n%s", plain, all)
				}
			}
		})
	}
	if got := blank(`<challenge xmlns='urn:xmpp:sasl:2'>c2Vj`); strings.Contains(got, "c2Vj") {
		t.Errorf("what cannot be parsed is traced as %s", got)
	}
	if got := blank(`<message  xmlns='jabber:client'/>`); got != `<message  xmlns='jabber:client'/>` {
		t.Errorf("what is no secret is traced as %s", got)
	}
}
