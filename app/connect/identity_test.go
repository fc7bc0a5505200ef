package connect

import (
	"errors"
	"strings"
	"testing"

	"natter/app/jid"
)

// binding is a server that lets user in, and says by every means there is that the session
// is somebody's.
func binding(means, said string) func(*wire) {
	return func(w *wire) {
		answer := func(inside string) {
			final := w.scram(nsSASL2)
			w.send(`<success xmlns='urn:xmpp:sasl:2'><additional-data>` + final + `</additional-data>` + inside +
				`<authorization-identifier>` + said + `</authorization-identifier></success>`)
		}
		switch means {
		case "bind":
			w.login(bindOffer)
			w.bind(said)
		case "bind2":
			w.hello(sasl2Offer(bind2Offer, "SCRAM-SHA-256"))
			answer(boundAll)
			w.send(features())
		case "identifier":
			w.hello(sasl2Offer("", "SCRAM-SHA-256"))
			answer("")
			w.send(features(bindOffer))
			if said == "user@example.com" {
				w.bind("user@example.com/r")
			}
		case "resumed":
			w.hello(sasl2Offer(smOffer+bind2Offer, "SCRAM-SHA-256"))
			answer(`<resumed xmlns='urn:xmpp:sm:3' previd='sm-1' h='0'/>`)
		case "not resumed":
			w.hello(sasl2Offer(smOffer+bind2Offer, "SCRAM-SHA-256"))
			answer(`<failed xmlns='urn:xmpp:sm:3'/>` + boundAll)
			w.send(features())
		}
		w.gone()
	}
}

// N08 P08 B02: whoever the server says we are, by whatever means, it is looked at.
func TestN08_P08_WhomTheServerSaysWeAre(t *testing.T) {
	requests := map[string]Request{"bind": account, "bind2": account, "identifier": account, "resumed": resume, "not resumed": resume}
	for _, tc := range []struct {
		said, kind string
		except     string // where this is as it should be
	}{
		{"", "no-address", "identifier resumed"}, // what is not said is not believed either
		{"example.com", "no-address", ""},
		{"example.com/r", "no-address", ""},
		{"user@example.com", "no-address", "identifier resumed"},
		{"user@example.com/", "no-address", ""},
		{"/r", "no-address", ""},
		{"@example.com/r", "no-address", ""},
		{"us er@example.com/r", "no-address", ""},
		{"user@exa mple.com/r", "no-address", ""},
		{"user@example.com/" + strings.Repeat("r", 1024), "no-address", ""},
		{"user@example.net/r", "another-domain", ""},
		{"user@sub.example.com/r", "another-domain", ""},
		{"renamed@example.com/r", "another-account", ""},
		{"user.@example.com/r", "another-account", ""},
	} {
		for means, req := range requests {
			if strings.Contains(" "+tc.except+" ", " "+means+" ") {
				continue
			}
			t.Run(means+" "+tc.said[:min(len(tc.said), 30)], func(t *testing.T) {
				err, n := fail(t, req, binding(means, tc.said))
				if kind(err) != tc.kind || err.Phase != Binding || Retry(err) || !noOtherEndpoint(err) || len(n.hosts()) != 1 {
					t.Errorf("%q, retry %v: %v", kind(err), Retry(err), err)
				}
				n.wg.Wait()
				if tc.kind == "no-address" && !n.heard("<bad-format") {
					t.Error("the server was not told")
				}
				p := Explain(err)
				if tc.kind == "another-account" && (p.Account != jid.JID(tc.said).Bare() || !strings.Contains(p.Text, string(p.Account)) || !strings.Contains(p.Text, "user@example.com")) {
					t.Errorf("the person is told %+v", p)
				}
			})
		}
	}
	for means, said := range map[string]string{
		"bind": "user@example.com/r", "bind2": "user@example.com/r", "identifier": "user@example.com",
		"resumed": "user@example.com/old", "not resumed": "user@example.com/r/with@more",
	} {
		t.Run(means+", as it should be", func(t *testing.T) {
			s, _ := play(t, requests[means], binding(means, said))
			if s.JID != jid.JID(said) && means != "identifier" {
				t.Errorf("the session is %s", s.JID)
			}
		})
	}
	t.Run("another spelling of the same account", func(t *testing.T) {
		s, _ := play(t, account, binding("bind", "User@EXAMPLE.com/r"))
		if s.JID != "user@example.com/r" {
			t.Errorf("the session is %s", s.JID)
		}
		req := Request{Account: "user@bücher.example", Password: "pencil"}
		if _, err := (&negotiation{wantID: req.wantedID()}).boundAddress("user@xn--bcher-kva.example/r"); err != nil {
			t.Error(err)
		}
	})
}

func TestN08_WhomAnonymously(t *testing.T) {
	anybody := Request{Account: "example.com", Anonymous: true}
	again := anybody
	again.Resume = &Resume{ID: "sm-1", JID: "guest-1@example.com/r"}
	as := func(said string) func(*wire) {
		return func(w *wire) {
			w.expect("<open")
			w.send(openAnswer, features(sasl1Offer("ANONYMOUS")))
			w.expect(`mechanism="ANONYMOUS"`)
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`)
			w.expect("<open")
			w.send(openAnswer2, features(bindOffer))
			w.bind(said)
			w.gone()
		}
	}
	for _, tc := range []struct {
		name, said string
		req        Request
		kind       string
	}{
		{"anybody of the domain", "guest-1@example.com/r", anybody, ""},
		{"who it was before", "guest-1@example.com/x", again, ""},
		{"another domain", "guest-1@example.net/r", anybody, "another-domain"},
		{"nobody", "example.com/r", anybody, "no-address"},
		{"somebody else than before", "guest-2@example.com/r", again, "another-account"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.kind == "" {
				if s, _ := play(t, tc.req, as(tc.said)); s.JID != jid.JID(tc.said) {
					t.Errorf("the session is %s", s.JID)
				}
				return
			}
			if err, _ := fail(t, tc.req, as(tc.said)); kind(err) != tc.kind {
				t.Error(err)
			}
		})
	}
}

// A08: whoever has decided to be the other account signs in with the name that stands for
// it, from then on without asking, and gets what is kept in the other account's name.
func TestA08_N08_AnotherNameForTheAccount(t *testing.T) {
	req := Request{Account: "renamed@example.com", User: "user", Password: "pencil", Remember: true}
	c := newNetwork(t, map[string]func(*wire){endpoint: turns(
		binding("bind2", "renamed@example.com/r"), binding("bind2", "renamed@example.com/r"), binding("bind2", "user@example.com/r"))})
	s, err := connect(t, c.connector(), endpoint, req)
	if err != nil {
		t.Fatal(err)
	}
	k := s.Credential
	if s.JID != "renamed@example.com/r" || k == nil || k.Account != "renamed@example.com" || k.User != "user" || !c.heard(`from="user@example.com"`) {
		t.Fatalf("the session is %+v, kept is %v", s, k)
	}
	req.Password, req.User, req.Credential = "", "", k
	if s, err = connect(t, c.connector(), endpoint, req); err != nil || s.JID != "renamed@example.com/r" {
		t.Errorf("%v, %v", s, err)
	}
	_, err = connect(t, c.connector(), endpoint, req)
	var other *IdentityError
	if !errors.As(err, &other) || other.Want != "renamed@example.com" || other.Said != "user@example.com" {
		t.Errorf("%v", err)
	}
}
