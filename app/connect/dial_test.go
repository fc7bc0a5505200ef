package connect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/framing"
)

// at returns a connector for whose domain these endpoints are found, in this order,
// and what has been forgotten.
func at(n *network, endpoints ...string) (*Connector, *forgetting) {
	cache := &forgetting{r: discover.Result{Expires: time.Now().Add(time.Hour)}}
	for _, e := range endpoints {
		cache.r.Endpoints = append(cache.r.Endpoints, discover.Endpoint{URL: e})
	}
	c := n.connector()
	c.Find = &discover.Finder{Cache: cache, Fetch: nothing{}}
	return c, cache
}

// forgetting is a cache with one result.
type forgetting struct{ r discover.Result }

func (f *forgetting) Load(string) (discover.Result, bool)   { return f.r, true }
func (f *forgetting) Save(domain string, r discover.Result) { f.r = r }
func (f *forgetting) forgotten() bool                       { return f.r.Expires.IsZero() }
func refuse(condition string) func(*wire) {
	return func(w *wire) {
		w.hello(sasl1Offer("SCRAM-SHA-256"))
		w.expect("<auth")
		w.send(`<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><` + condition + `/><text xml:lang='en'>in its own words</text></failure>`)
		w.closed()
	}
}

const (
	first  = "wss://one.example.com/ws"
	second = "wss://two.example.com/ws"
	third  = "wss://three.example.com/ws"
)

func TestM12_Location(t *testing.T) {
	for _, tc := range []struct {
		at   string
		want []string
	}{
		{"", []string{first, second, third}},
		{"two.example.com", []string{second, first, third}},
		{"THREE.example.com:443", []string{third, first, second}},
		{"three.example.com:5222", []string{first, second, third}},
		{"evil.example:443", []string{first, second, third}},
		{"wss://two.example.com/ws", []string{first, second, third}},
	} {
		n := newNetwork(t, nil)
		c, _ := at(n, first, second, third)
		resume := account
		resume.Resume = &Resume{ID: "sm", JID: account.Account.WithResource("tab"), At: tc.at}
		if _, err := c.Connect(context.Background(), resume); err == nil {
			t.Fatal("connected")
		}
		if !slices.Equal(n.hosts(), tc.want) {
			t.Errorf("with %q dialed %v", tc.at, n.hosts())
		}
	}
}

func TestO11_Candidates(t *testing.T) {
	hostUnknown := func(w *wire) {
		w.want(openFrom)
		w.send(openAnswer, `<stream:error xmlns:stream='http://etherx.jabber.org/streams'><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>nobody here</text></stream:error>`,
			`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`)
		w.expect("<close")
	}
	for name, tc := range map[string]struct {
		scripts map[string]func(*wire)
		dialed  []string
		kind    string // "" for a session
	}{
		"the first works":          {map[string]func(*wire){first: serve, second: serve}, []string{first}, ""},
		"one does not answer":      {map[string]func(*wire){second: serve}, []string{first, second}, ""},
		"one has the wrong host":   {map[string]func(*wire){first: hostUnknown, second: serve}, []string{first, second}, ""},
		"one redirects wrongly":    {map[string]func(*wire){first: to("ws://x.example"), second: serve}, []string{first, second}, ""},
		"one cannot check":         {map[string]func(*wire){first: refuse("temporary-auth-failure"), second: serve}, []string{first, second}, ""},
		"a password is wrong once": {map[string]func(*wire){first: refuse("not-authorized"), second: serve}, []string{first}, "wrong-password"},
		"an account is disabled":   {map[string]func(*wire){first: refuse("account-disabled"), second: serve}, []string{first}, "account-disabled"},
		"none works":               {map[string]func(*wire){first: hostUnknown}, []string{first, second, third}, "no-connection"},
		"the last has the say":     {map[string]func(*wire){third: hostUnknown}, []string{first, second, third}, "unknown-host"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, tc.scripts)
			c, cache := at(n, first, second, third)
			s, err := c.Connect(context.Background(), account)
			if err == nil {
				_ = s.Conn.Close(context.Background())
			}
			if !slices.Equal(n.hosts(), tc.dialed) {
				t.Errorf("dialed %v", n.hosts())
			}
			if tc.kind == "" {
				if err != nil || cache.forgotten() {
					t.Errorf("forgotten: %v, %v", cache.forgotten(), err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || Explain(err).Kind != tc.kind || len(e.Attempts) != len(tc.dialed)-1 {
				t.Fatalf("%+v", err)
			}
			if judged := len(tc.dialed) == 1; cache.forgotten() == judged {
				t.Errorf("forgotten: %v", cache.forgotten())
			}
			for _, endpoint := range tc.dialed {
				if !strings.Contains(Explain(err).Detail, endpoint) {
					t.Errorf("%s is not in the details: %s", endpoint, Explain(err).Detail)
				}
			}
		})
	}
	t.Run("nothing found", func(t *testing.T) {
		c := newNetwork(t, nil).connector()
		c.Find = &discover.Finder{Fetch: nothing{}}
		_, err := c.Connect(context.Background(), account)
		var e *Error
		if !errors.As(err, &e) || e.Phase != Discovery || Explain(err).Kind != "unreachable" || !Retry(err) {
			t.Error(err)
		}
	})
	t.Run("the person's own endpoint above all", func(t *testing.T) {
		n := newNetwork(t, map[string]func(*wire){second: serve})
		c, _ := at(n, first)
		req := account
		req.Server = second
		s, err := c.Connect(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Conn.Close(context.Background())
	})
}

// Each server falls silent at another step.
func TestO11_Silence(t *testing.T) {
	for step, script := range map[Step]func(*wire){
		ToOpen: func(w *wire) { w.want(openFrom) },
		ToFeatures: func(w *wire) {
			w.want(openFrom)
			w.send(openAnswer)
		},
		ToAuthenticate: func(w *wire) {
			w.hello(sasl1Offer("SCRAM-SHA-256"))
			w.expect("<auth")
		},
		ToReopen: func(w *wire) {
			w.hello(sasl1Offer("SCRAM-SHA-256"))
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + w.scram(nsSASL) + `</success>`)
			w.want(openFrom)
		},
		ToRefeatures: func(w *wire) {
			w.hello(sasl1Offer("SCRAM-SHA-256"))
			w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + w.scram(nsSASL) + `</success>`)
			w.want(openFrom)
			w.send(openAnswer2)
		},
		ToResume: func(w *wire) {
			w.login(smOffer, bindOffer)
			w.expect("<resume")
		},
		ToBind: func(w *wire) {
			w.login(bindOffer)
			w.expect("<bind")
			for { // stanzas for somebody else are no answer
				w.send(`<presence xmlns='jabber:client'/>`)
				time.Sleep(5 * time.Millisecond)
			}
		},
	} {
		t.Run("O11 "+string(step), func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, map[string]func(*wire){first: func(w *wire) {
				script(w)
				w.mute()
			}, second: serve})
			c, _ := at(n, first)
			c.StepTimeout = 3 * time.Second
			req := account
			if step == ToResume {
				req = resume
			}
			_, err := c.Connect(context.Background(), req)
			var silent *TimeoutError
			var e *Error
			if !errors.As(err, &e) || !errors.As(err, &silent) || silent.Step != step || e.Condition != Timeout {
				t.Fatalf("%+v", err)
			}
			if !Retry(err) || Explain(err).Kind != timeoutKinds[step] {
				t.Errorf("explained as %+v", Explain(err))
			}

			// The next candidate gets its turn.
			c, _ = at(n, first, second)
			c.StepTimeout = 3 * time.Second
			s, err := c.Connect(context.Background(), req)
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Conn.Close(context.Background())
		})
	}
	t.Run("O11 dial", func(t *testing.T) {
		c := newNetwork(t, nil).connector()
		c.StepTimeout = 10 * time.Millisecond
		c.Dial = func(ctx context.Context, url string) (framing.Socket, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("dial: %w", ctx.Err())
		}
		_, err := connect(t, c, endpoint, account)
		var silent *TimeoutError
		if !errors.As(err, &silent) || silent.Step != ToDial || err.Phase != Dial {
			t.Error(err)
		}
	})
}

func TestA15_Cancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	aborted := make(chan bool, 1)
	n := newNetwork(t, map[string]func(*wire){endpoint: func(w *wire) {
		w.hello(sasl1Offer("SCRAM-SHA-256"))
		w.expect("<auth")
		cancel()
		w.want(`<abort xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
		aborted <- true
		w.send(`<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><aborted/></failure>`)
		w.closed()
	}})
	c, cache := at(n, endpoint, second)
	_, err := c.Connect(ctx, account)
	if !errors.Is(err, context.Canceled) || Retry(err) || Explain(err).Kind != "cancelled" {
		t.Errorf("%+v", err)
	}
	select {
	case <-aborted:
	default:
		t.Error("not aborted")
	}
	if len(n.hosts()) != 1 {
		t.Errorf("went on to %v", n.hosts())
	}
	if cache.forgotten() {
		t.Error("what was found is forgotten though nothing is wrong with it")
	}
}

func TestA12_Failures(t *testing.T) {
	for condition, want := range map[string]struct {
		condition, kind string
		retry           bool
	}{
		"aborted":                {"aborted", "sign-in-aborted", false},
		"account-disabled":       {"account-disabled", "account-disabled", false},
		"credentials-expired":    {"credentials-expired", "credentials-expired", false},
		"encryption-required":    {"encryption-required", "encryption-required", false},
		"incorrect-encoding":     {"incorrect-encoding", "sign-in-rejected", false},
		"invalid-authzid":        {"invalid-authzid", "not-yourself", false},
		"invalid-mechanism":      {"invalid-mechanism", "mechanism-rejected", false},
		"malformed-request":      {"malformed-request", "sign-in-rejected", false},
		"mechanism-too-weak":     {"mechanism-too-weak", "mechanism-rejected", false},
		"not-authorized":         {"not-authorized", "wrong-password", false},
		"temporary-auth-failure": {"temporary-auth-failure", "temporary-failure", true},
		"bad-auth":               {"not-authorized", "wrong-password", false},
	} {
		for profile, offer := range map[string]string{
			"SASL":  sasl1Offer("SCRAM-SHA-256"),
			"SASL2": sasl2Offer("", "SCRAM-SHA-256"),
		} {
			t.Run("A12 A14 "+condition+" in "+profile, func(t *testing.T) {
				ns := nsSASL
				if profile == "SASL2" {
					ns = nsSASL2
				}
				err, _ := fail(t, account, func(w *wire) {
					w.hello(offer)
					w.read()
					w.send(`<failure xmlns='` + ns + `'><own xmlns='urn:own'/><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/><text xml:lang='en'>not-authorized, really</text></failure>`)
					w.closed() // A13: in good order, and without another try
				})
				if err.Phase != Authenticate || err.Condition != want.condition || err.Text != "not-authorized, really" {
					t.Errorf("%+v", err)
				}
				p := Explain(err)
				if p.Kind != want.kind || Retry(err) != want.retry || strings.Contains(p.Text+p.Advice, "really") || !strings.Contains(p.Detail, "really") {
					t.Errorf("retry %v, %+v", Retry(err), p)
				}
			})
		}
	}
	t.Run("T05 policy-violation after too many", func(t *testing.T) {
		err, _ := fail(t, account, func(w *wire) {
			w.hello(sasl1Offer("SCRAM-SHA-256"))
			w.expect("<auth")
			w.send(`<stream:error xmlns:stream='http://etherx.jabber.org/streams'><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`)
			w.expect("<close")
		})
		if err.Phase != Authenticate || err.Condition != "policy-violation" || Retry(err) || !noOtherEndpoint(err) {
			t.Error(err)
		}
	})
}

// A server that does not prove that it knows the password gets nowhere, in either
// profile.
func TestA16_Impostors(t *testing.T) {
	const wrong = "dj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE9"
	success := func(profile, data string) string {
		if profile == nsSASL {
			return `<success xmlns='` + nsSASL + `'>` + data + `</success>`
		}
		if data != "" {
			data = `<additional-data>` + data + `</additional-data>`
		}
		return `<success xmlns='` + nsSASL2 + `'>` + data + `<authorization-identifier>user@example.com/r</authorization-identifier><bound xmlns='urn:xmpp:bind:0'/></success>`
	}
	for _, ns := range []string{nsSASL, nsSASL2} {
		hello := func(w *wire) {
			if ns == nsSASL {
				w.hello(sasl1Offer("SCRAM-SHA-256", "PLAIN"))
			} else {
				w.hello(sasl2Offer(bind2Offer, "SCRAM-SHA-256", "PLAIN"))
			}
		}
		challenge := func(text string) string { return `<challenge xmlns='` + ns + `'>` + text + `</challenge>` }
		for name, tc := range map[string]struct {
			script func(*wire)
			kind   string
		}{
			"A16 success at once": {func(w *wire) {
				w.read()
				w.send(success(ns, ""))
			}, "impostor"},
			"A16 success instead of the challenge, with data": {func(w *wire) {
				w.read()
				w.send(success(ns, scramFinal))
			}, "impostor"},
			"A09 no signature": {func(w *wire) {
				w.read()
				w.send(challenge(scramChallenge))
				w.read()
				w.send(success(ns, ""))
			}, "impostor"},
			"A09 wrong signature": {func(w *wire) {
				w.read()
				w.send(challenge(scramChallenge))
				w.read()
				w.send(success(ns, wrong))
			}, "impostor"},
			"A04 no base64": {func(w *wire) {
				w.read()
				w.send(challenge("c j 1"))
			}, "bad-sign-in"},
			"A10 another nonce": {func(w *wire) {
				w.read()
				w.send(challenge(sasl.Encode([]byte("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))))
			}, "bad-sign-in"},
			"P02 something else in the middle": {func(w *wire) {
				w.read()
				w.send(`<message xmlns='jabber:client'/>`)
			}, "protocol"},
			"A06 features in the middle": {func(w *wire) {
				w.read()
				w.send(features(sasl1Offer("PLAIN")))
			}, "protocol"},
		} {
			t.Run(name+" in "+ns, func(t *testing.T) {
				seen := pins{}
				n := newNetwork(t, map[string]func(*wire){first: func(w *wire) {
					hello(w)
					tc.script(w)
					w.gone()
				}, second: serve})
				c, _ := at(n, first, second)
				c.Pins = seen
				s, err := c.Connect(context.Background(), account)
				if err == nil && tc.kind != "protocol" {
					t.Fatalf("a session for %s at %s", s.JID, s.Endpoint)
				}
				if err == nil { // a server that is merely broken gives way to the next
					_ = s.Conn.Close(context.Background())
					return
				}
				if k := Explain(err).Kind; k != tc.kind || Retry(err) || seen["user@example.com"] || n.heard("PLAIN") {
					t.Errorf("%q, pinned %v: %v", k, seen, err)
				}
			})
		}
	}
}

func TestP16_Pins(t *testing.T) {
	plain := func(w *wire) {
		w.hello(sasl1Offer("PLAIN"), sasl2Offer("", "PLAIN"))
		w.gone()
	}
	n := newNetwork(t, map[string]func(*wire){first: serve, second: plain})
	c := n.connector()
	seen := pins{}
	c.Pins = seen
	if _, err := connect(t, c, first, account); err != nil {
		t.Fatal(err)
	}
	if !seen["user@example.com"] {
		t.Fatal("P16: not remembered")
	}
	_, err := connect(t, c, second, account)
	if !errors.Is(err, sasl.ErrPlainAfterSCRAM) || Explain(err).Kind != "plain-after-scram" || Retry(err) || n.heard("AHVzZXI") {
		t.Errorf("T03 PLAIN after SCRAM: %v", err)
	}
	// The twin: another account, which never has.
	n = newNetwork(t, map[string]func(*wire){second: func(w *wire) {
		w.hello(sasl1Offer("PLAIN"))
		w.expect("<auth")
		w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`)
		w.want(strings.Replace(openFrom, "user@", "else@", 1))
		w.send(openAnswer2, features(bindOffer))
		w.bind("else@example.com/r")
		w.closed()
	}})
	c = n.connector()
	c.Pins = seen
	if _, err := connect(t, c, second, Request{Account: "else@example.com", Password: "x"}); err != nil {
		t.Error(err)
	}
	if seen["else@example.com"] {
		t.Error("PLAIN is remembered as SCRAM")
	}
}

func TestT03_NoMechanism(t *testing.T) {
	for name, offer := range map[string]string{
		"P14 only what needs channel binding": sasl1Offer("SCRAM-SHA-256-PLUS", "OAUTHBEARER"),
		"none":                                "",
	} {
		t.Run(name, func(t *testing.T) {
			err, _ := fail(t, account, func(w *wire) {
				w.hello(offer)
				w.closed()
			})
			if kind(err) != "no-mechanism" || Retry(err) {
				t.Error(err)
			}
		})
	}
	t.Run("T03 PLAIN without protection", func(t *testing.T) {
		n := &negotiation{Connector: &Connector{}, req: account}
		e, err := framing.Parse(features(sasl1Offer("PLAIN")), framing.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := n.choose(e); !errors.Is(err, sasl.ErrPlainUnprotected) {
			t.Error(err)
		}
		n.protected = true
		if _, name, err := n.choose(e); name != sasl.Plain || err != nil {
			t.Error(name, err)
		}
	})
	t.Run("a password that cannot be one", func(t *testing.T) {
		err, n := fail(t, Request{Account: "user@example.com"}, func(w *wire) {
			w.hello(sasl1Offer("SCRAM-SHA-256"))
			w.closed()
		})
		if kind(err) != "bad-password" || n.heard("<auth") {
			t.Error(err)
		}
	})
}

// How a stream may end while it is being opened.
func TestE01_Ends(t *testing.T) {
	const host = `<stream:error xmlns:stream='http://etherx.jabber.org/streams'><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>This server does not serve it</text></stream:error>`
	for name, tc := range map[string]struct {
		script func(*wire)
		kind   string
		retry  bool
	}{
		"E01 E03 host-unknown": {func(w *wire) { w.send(openAnswer, host); w.expect("<close") }, "unknown-host", false},
		"E04 unknown condition": {func(w *wire) {
			w.send(openAnswer, strings.Replace(host, "host-unknown", "host-unknown-too", 1))
			w.expect("<close")
		}, "server-ended", true},
		"C04 O09 close instead of open": {func(w *wire) {
			w.send(`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`)
			w.expect("<close")
		}, "server-closed", true},
		"C05 the socket goes": {func(w *wire) {}, "connection-lost", true},
		"old draft": {func(w *wire) {
			w.send(`<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>`)
			w.gone()
		}, "old-draft", false},
		"E02 no XML": {func(w *wire) { w.send(`hello`); w.gone() }, "bad-data", true},
	} {
		t.Run(name, func(t *testing.T) {
			err, _ := fail(t, account, func(w *wire) {
				w.want(openFrom)
				tc.script(w)
			})
			if err.Phase != Opening || kind(err) != tc.kind || Retry(err) != tc.retry {
				t.Errorf("%q, retry %v: %v", kind(err), Retry(err), err)
			}
			if name == "E01 E03 host-unknown" && (err.Condition != "host-unknown" || err.Text != "This server does not serve it") {
				t.Errorf("%+v", err)
			}
		})
	}
}
