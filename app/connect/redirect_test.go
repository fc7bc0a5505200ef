package connect

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"natter/app/connect/discover"
	"natter/framing"
)

// Every attack has a twin beside it that must work.
func TestR02_Redirects(t *testing.T) {
	const wss = "wss://chat.example.com/ws"
	for _, tc := range []struct {
		from, to string
		want     Reason
	}{
		{wss, "wss://b.example.com/ws", ""},
		{wss, "ws://b.example.com/ws", Unencrypted},
		{wss, "wss://chat.example.com:444/ws", ""},
		{wss, "http://chat.example.com:444/ws", Unencrypted},
		{wss, "https://b.example.com/bind", NotWebSocket}, // R07
		{wss, "https://b.example.com/?wss://b.example.com", NotWebSocket},

		// Only the scheme is the scheme.
		{wss, "wss://b.example.com/?ws:", ""},
		{wss, "ws://evil.example/?wss:", Unencrypted},
		{wss, "ws://evil.example/#wss:", Unencrypted},
		{wss, "ws://wss:443/", Unencrypted},
		{wss, "ws://evil.example/wss://b.example.com", Unencrypted},
		{wss, "WSS://b.example.com/ws", ""},
		{wss, "WS://b.example.com/ws", Unencrypted},
		{wss, "wsss://b.example.com/ws", NotAnAddress},
		{wss, "wss", NotAnAddress},
		{wss, "javascript:alert(1)", NotAnAddress},
		{wss, "javascript://b.example.com/%0aalert(1)", NotAnAddress},
		{wss, "data:text/html,wss://b.example.com", NotAnAddress},
		{wss, "xmpp:b.example.com", NotAnAddress},

		// No address at all, or not a whole one.
		{wss, "", NotAnAddress},
		{wss, "/ws2", NotAnAddress},
		{wss, "//b.example.com/ws", NotAnAddress},
		{wss, "b.example.com", NotAnAddress},
		{wss, "b.example.com:443", NotAnAddress},
		{wss, "wss:", NotAnAddress},
		{wss, "wss:///ws", NotAnAddress},
		{wss, "wss:b.example.com", NotAnAddress},
		{wss, "wss:/b.example.com/ws", NotAnAddress},
		{wss, `wss:\\b.example.com\ws`, NotAnAddress},
		{wss, " wss://b.example.com/ws", NotAnAddress},
		{wss, "wss://b.example.com/ws\n", NotAnAddress},
		{wss, "wss://b.exa\tmple.com/ws", NotAnAddress},
		{wss, "wss://b.example.com:0/ws", NotAnAddress},
		{wss, "wss://b.example.com:65535/ws", ""},
		{wss, "wss://b.example.com:65536/ws", NotAnAddress},
		{wss, "wss://b.example.com:https/ws", NotAnAddress},
		{wss, "wss://b.example.com/ws#part", NotAnAddress}, // RFC 6455 §3
		{wss, "wss://b.example.com/ws?node=3", ""},

		// Names that browsers and Go would read differently.
		{wss, "wss://user:pw@b.example.com/ws", WithUserinfo},
		{wss, "wss://chat.example.com@evil.example/ws", WithUserinfo},
		{wss, "wss://@evil.example/ws", WithUserinfo},
		{wss, `wss://chat.example.com\@evil.example/ws`, NotAnAddress},
		{wss, `wss://evil.example\.example.com/ws`, NotAnAddress},
		{wss, "wss://xn--mller-kva.example/ws", ""},
		{wss, "wss://müller.example/ws", NotAnAddress},
		{wss, "wss://ｌocalhost/ws", NotAnAddress},
		{wss, "wss://%6cocalhost/ws", NotAnAddress},
		{wss, "wss://b..example.com/ws", NotAnAddress},
		{wss, "wss://b.example.com./ws", ""},

		// Inwards.
		{wss, "wss://localhost/ws", Inwards},
		{wss, "wss://LOCALHOST./ws", Inwards},
		{wss, "wss://foo.localhost/ws", Inwards},
		{wss, "wss://localhost.example.com/ws", ""},
		{wss, "wss://printer.local/ws", Inwards},
		{wss, "wss://local.example.com/ws", ""},
		{wss, "wss://box.fritz.lan/ws", Inwards},
		{wss, "wss://nas.home.arpa/ws", Inwards},
		{wss, "wss://vault.internal/ws", Inwards},
		{wss, "wss://router/ws", Inwards},
		{wss, "wss://127.0.0.1/ws", IPLiteral},
		{wss, "wss://127.0.0.1./ws", IPLiteral},
		{wss, "wss://10.0.0.1/ws", IPLiteral},
		{wss, "wss://203.0.113.7/ws", IPLiteral},
		{wss, "wss://[::1]/ws", IPLiteral},
		{wss, "wss://[fe80::1%25eth0]/ws", IPLiteral},
		{wss, "wss://[2001:db8::1]/ws", IPLiteral},
		{wss, "wss://2130706433/ws", NotAnAddress},
		{wss, "wss://0x7f.1/ws", NotAnAddress},
		{wss, "wss://0177.0.0.1/ws", NotAnAddress},
		{wss, "wss://127.1/ws", NotAnAddress},
		{wss, "wss://a.0x7f000001/ws", NotAnAddress},
		{wss, "wss://7f000001.example.com/ws", ""},
		{wss, "ws://localhost/ws", Unencrypted},

		// Addresses that are refused wherever they come from.
		{"wss://8.8.8.8/ws", "wss://8.8.4.4/ws", ""},
		{"wss://8.8.8.8/ws", "wss://192.168.0.1/ws", Inwards},
		{"wss://8.8.8.8/ws", "wss://169.254.169.254/ws", Inwards},
		{"wss://8.8.8.8/ws", "wss://100.64.0.1/ws", Inwards},
		{"wss://8.8.8.8/ws", "wss://0.0.0.0/ws", Inwards},
		{"wss://8.8.8.8/ws", "wss://0.1.2.3/ws", Inwards},
		{"wss://8.8.8.8/ws", "wss://255.255.255.255/ws", Inwards},
		{"wss://8.8.8.8/ws", "wss://[::ffff:127.0.0.1]/ws", Inwards},
		{"wss://8.8.8.8/ws", "wss://[64:ff9b::7f00:1]/ws", Inwards},
		{"wss://8.8.8.8/ws", "wss://[2002:7f00:1::]/ws", Inwards},
		{"wss://8.8.8.8/ws", "wss://[fd00::1]/ws", Inwards},
		{"wss://8.8.8.8/ws", "wss://[2a00:1450::1]/ws", ""},
		{"wss://chat.local/ws", "wss://192.168.0.7/ws", ""},
		{"wss://chat.local/ws", "wss://chat2.local/ws", ""},
		{"wss://chat.local/ws", "wss://chat.example.com/ws", ""},
		{"wss://chat.local/ws", "wss://localhost/ws", Inwards},
		{"wss://localhost:5281/ws", "wss://localhost:5282/ws", ""},
		{"wss://localhost:5281/ws", "ws://localhost:5280/ws", Unencrypted},
		{"wss://localhost:5281/ws", "ws://localhost:5280/?wss:", Unencrypted},
		{"ws://localhost:5280/ws", "ws://127.0.0.1:5281/ws", ""},
		{"ws://localhost:5280/ws", "wss://localhost:5281/ws", ""},
		{"ws://localhost:5280/ws", "wss://chat.example.com/ws", ""},
		{"ws://localhost:5280/ws", "ws://chat.example.com/ws", Unencrypted},
		{"ws://localhost:5280/ws", "ws://192.168.0.7/ws", Unencrypted},

		// Loops.
		{wss, wss, Loop},
		{wss, "wss://CHAT.example.com.:443/ws", Loop},
		{wss, "wss://chat.example.com/ws2", ""},
	} {
		t.Run(fmt.Sprintf("%s to %q", tc.from, tc.to), func(t *testing.T) {
			r := NewRoute(tc.from)
			if r == nil {
				t.Fatal("does not even begin")
			}
			err := r.Follow(tc.to)
			var refused *RedirectError
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want == "" && r.at.String() == tc.from:
				t.Error("followed, but still there")
			case tc.want == "":
			case !errors.As(err, &refused):
				t.Fatalf("followed to %s, expected: %s", r.at, tc.want)
			case refused.Reason != tc.want || refused.From != tc.from || refused.To != tc.to || r.at.String() != tc.from:
				t.Errorf("%+v at %s, expected: %s", refused, r.at, tc.want)
			}
		})
	}
}

func TestR02_FirstEndpointCounts(t *testing.T) {
	// From a private network out and back in: the first endpoint allows it; from
	// outside nothing on the way makes it allowed.
	r := NewRoute("wss://chat.local/ws")
	for _, to := range []string{"wss://chat.example.com/ws", "wss://10.0.0.1/ws"} {
		if err := r.Follow(to); err != nil {
			t.Error(err)
		}
	}
	r = NewRoute("ws://localhost/ws")
	if err := r.Follow("wss://chat.example.com/ws"); err != nil {
		t.Error(err)
	}
	if err := r.Follow("ws://localhost/ws2"); err == nil {
		t.Error("back to less security")
	}
	if err := r.Follow("wss://localhost/ws2"); err != nil {
		t.Error(err)
	}
}

func TestT01_Endpoints(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"wss://chat.example.com/ws":    true,
		"ws://localhost:5280/ws":       true,
		"ws://127.0.0.1/ws":            true,
		"ws://[::1]:5280/ws":           true,
		"ws://chat.example.com/ws":     false,
		"ws://192.168.0.1/ws":          false,
		"https://chat.example.com/":    false,
		"wss://u:p@chat.example.com/":  false,
		"wss://":                       false,
		"ws://localhost.example.com/":  false,
		"ws://127.0.0.1.example.com/":  false,
		"ws://chat.example.com/?wss:/": false,
	} {
		if got := NewRoute(endpoint) != nil; got != want {
			t.Errorf("%s: %v", endpoint, got)
		}
	}
	n := newNetwork(t, nil)
	_, err := connect(t, n.connector(), "ws://chat.example.com/ws", account)
	if err == nil || kind(err) != "unencrypted" || len(n.hosts()) != 0 {
		t.Errorf("%v after dialing %v", err, n.hosts())
	}
}

func TestT02_Delegated(t *testing.T) {
	for _, tc := range []struct {
		endpoint, domain string
		want             bool
	}{
		{"wss://example.com/ws", "example.com", false},
		{"wss://Chat.Example.com/ws", "example.com", false},
		{"wss://example.com./ws", "Example.com", false},
		{"wss://notexample.com/ws", "example.com", true},
		{"wss://example.com.evil.example/ws", "example.com", true},
		{"wss://xn--mller-kva.example/ws", "müller.example", false},
		{"wss://hosting.example.net/ws", "example.com", true},
	} {
		if got := delegated(tc.endpoint, tc.domain); got != tc.want {
			t.Errorf("%s for %s: %v", tc.endpoint, tc.domain, got)
		}
	}
}

const other = "wss://b.example.net/xmpp"

func closeTo(uri string) string {
	return `<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' see-other-uri='` + uri + `'/>`
}

func TestR01_R04_Moments(t *testing.T) {
	redirected := func(w *wire) {
		w.send(closeTo(other))
		w.want(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" />`)
	}
	for name, first := range map[string]func(*wire){
		"R01 before open": func(w *wire) {
			w.want(openFrom)
			redirected(w)
		},
		"R01 after open": func(w *wire) {
			w.want(openFrom)
			w.send(openAnswer)
			redirected(w)
		},
		"R01 after features": func(w *wire) {
			w.hello(sasl1Offer("SCRAM-SHA-256"))
			w.expect("<auth")
			redirected(w)
		},
		"R01 after authentication": func(w *wire) {
			w.login(bindOffer)
			w.expect("<bind")
			redirected(w)
		},
		"E06 see-other-host with port": func(w *wire) {
			w.want(openFrom)
			w.send(openAnswer, `<stream:error xmlns:stream='http://etherx.jabber.org/streams'><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>b.example.net:5443</see-other-host></stream:error>`)
			w.expect("<close")
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, map[string]func(*wire){
				endpoint:                        first,
				other:                           serve,
				"wss://b.example.net:5443/ws":   serve,
				"wss://chat.example.com/other/": nil,
			})
			s, err := connect(t, n.connector(), endpoint, account)
			if err != nil {
				t.Fatal(err)
			}
			// R04: the same domain, and everything afresh: serve checks both.
			if s.Endpoint == endpoint || s.JID != "user@example.com/made-up" || !s.Delegated {
				t.Errorf("the session is %+v", s)
			}
		})
	}
	t.Run("R01 R05 mid-session", func(t *testing.T) {
		n := newNetwork(t, map[string]func(*wire){other: serve})
		req := account
		req.Redirect = sentTo(other)
		s, err := n.connector().Connect(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Conn.Close(context.Background())
		if s.Endpoint != other || !slices.Equal(n.hosts(), []string{other}) {
			t.Errorf("at %s after %v", s.Endpoint, n.hosts())
		}
	})
	t.Run("R05 the other place does not answer", func(t *testing.T) {
		n := newNetwork(t, map[string]func(*wire){endpoint: serve})
		req := account
		req.Redirect, req.Server = sentTo(other), endpoint
		s, err := n.connector().Connect(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Conn.Close(context.Background())
		if s.Endpoint != endpoint || !slices.Equal(n.hosts(), []string{other, endpoint}) {
			t.Errorf("at %s after %v", s.Endpoint, n.hosts())
		}
	})
	t.Run("R02 mid-session downgrade", func(t *testing.T) {
		n := newNetwork(t, nil)
		req := account
		req.Redirect = sentTo("ws://evil.example/?wss:")
		_, err := n.connector().Connect(context.Background(), req)
		var refused *RedirectError
		if !errors.As(err, &refused) || refused.Reason != Unencrypted || len(n.hosts()) != 0 {
			t.Errorf("%v after dialing %v", err, n.hosts())
		}
	})
	t.Run("R08 resume goes along", func(t *testing.T) {
		n := newNetwork(t, map[string]func(*wire){other: func(w *wire) {
			w.login(bindOffer, smOffer)
			w.expect("<resume", `previd="sm-1"`)
			w.send(`<resumed xmlns='urn:xmpp:sm:3' previd='sm-1' h='1'/>`)
			w.closed()
		}})
		req := resume
		req.Redirect = sentTo(other)
		s, err := n.connector().Connect(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Conn.Close(context.Background())
		if !s.Resumed {
			t.Error("not resumed")
		}
	})
}

// sentTo is the end of a session at endpoint with a redirect.
func sentTo(uri string) error {
	return &Error{Phase: Established, Endpoint: endpoint, Err: &framing.RedirectError{URI: uri}}
}

func to(uri string) func(*wire) {
	return func(w *wire) {
		w.want(openFrom)
		w.send(closeTo(uri))
		w.expect("<close")
	}
}

func TestR03_RefusedIsVisible(t *testing.T) {
	for name, tc := range map[string]struct {
		script func(*wire)
		reason Reason
	}{
		"R02 T04 ws":         {to("ws://evil.example/?wss:"), Unencrypted},
		"R07 BOSH":           {to("https://b.example.net/bind"), NotWebSocket},
		"sec 23 private":     {to("wss://router.local/ws"), Inwards},
		"sec 23 userinfo":    {to("wss://chat.example.com@b.example.net/ws"), WithUserinfo},
		"sec 23 javascript":  {to("javascript:alert(1)"), NotAnAddress},
		"E06 see-other-host": {nil, Inwards},
	} {
		t.Run(name, func(t *testing.T) {
			script := tc.script
			if script == nil {
				script = func(w *wire) {
					w.want(openFrom)
					w.send(openAnswer, `<stream:error xmlns:stream='http://etherx.jabber.org/streams'><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>localhost</see-other-host></stream:error>`)
					w.expect("<close")
				}
			}
			err, n := fail(t, account, script)
			var refused *RedirectError
			if !errors.As(err, &refused) || refused.Reason != tc.reason || err.Phase != Redirected || refused.From != endpoint {
				t.Errorf("%v", err)
			}
			if Retry(err) || !strings.HasPrefix(Explain(err).Kind, "redirect-") || !strings.Contains(Explain(err).Detail, string(tc.reason)) {
				t.Errorf("explained as %+v", Explain(err))
			}
			if len(n.hosts()) != 1 || n.heard("<auth") {
				t.Errorf("dialed %v, said %v", n.hosts(), n.said)
			}
		})
	}
}

func TestR06_NotRemembered(t *testing.T) {
	n := newNetwork(t, map[string]func(*wire){endpoint: to(other), other: serve})
	c := n.connector()
	for range 2 {
		s, err := connect(t, c, endpoint, account)
		if err != nil {
			t.Fatal(err)
		}
		if !s.Delegated {
			t.Error("nobody is told that the host is another")
		}
	}
	if want := []string{endpoint, other, endpoint, other}; !slices.Equal(n.hosts(), want) {
		t.Errorf("dialed %v", n.hosts())
	}
}

func TestR05_Hops(t *testing.T) {
	at := func(i int) string { return fmt.Sprintf("wss://n%d.example.com/ws", i) }
	chain := func(last int) map[string]func(*wire) {
		scripts := map[string]func(*wire){endpoint: to(at(1)), at(last): serve}
		for i := 1; i < last; i++ {
			scripts[at(i)] = to(at(i + 1))
		}
		return scripts
	}
	t.Run("as many as allowed", func(t *testing.T) {
		n := newNetwork(t, chain(maxHops))
		if s, err := connect(t, n.connector(), endpoint, account); err != nil || s.Endpoint != at(maxHops) {
			t.Error(err)
		}
	})
	for name, tc := range map[string]struct {
		scripts map[string]func(*wire)
		reason  Reason
		dials   int
	}{
		"one more":    {chain(maxHops + 1), TooMany, maxHops + 1},
		"a to b to a": {map[string]func(*wire){endpoint: to(other), other: to(endpoint)}, Loop, 2},
		"a to a":      {map[string]func(*wire){endpoint: to("wss://chat.example.com:443/ws")}, Loop, 1},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, tc.scripts)
			_, err := connect(t, n.connector(), endpoint, account)
			var refused *RedirectError
			if !errors.As(err, &refused) || refused.Reason != tc.reason || len(n.hosts()) != tc.dials {
				t.Errorf("%v after %v", err, n.hosts())
			}
		})
	}
}

func TestE06_SeeOtherHost(t *testing.T) {
	at, err := url.Parse("wss://chat.example.com:5443/xmpp%2Dws")
	if err != nil {
		t.Fatal(err)
	}
	for said, want := range map[string]string{
		"b.example.com":       "wss://b.example.com/xmpp%2Dws",
		" b.example.com\n":    "wss://b.example.com/xmpp%2Dws",
		"b.example.com:9443":  "wss://b.example.com:9443/xmpp%2Dws",
		"[2a00::1]:9443":      "wss://[2a00::1]:9443/xmpp%2Dws",
		"2a00::1":             "wss://[2a00::1]/xmpp%2Dws",
		"u@evil.example":      "u@evil.example",
		"evil.example/x":      "evil.example/x",
		"evil.example?x":      "evil.example?x",
		"evil.example#x":      "evil.example#x",
		"":                    "",
		"ws://evil.example/x": "ws://evil.example/x",
	} {
		if got := seeOtherHost(at, said); got != want {
			t.Errorf("%q becomes %q, expected %q", said, got, want)
		}
	}
	elsewhere := func(host string) func(*wire) {
		return func(w *wire) {
			w.want(openFrom)
			w.send(openAnswer, `<stream:error xmlns:stream='http://etherx.jabber.org/streams'><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>`+host+`</see-other-host></stream:error>`)
			w.expect("<close")
		}
	}
	for name, tc := range map[string]struct {
		fixed map[string][]string
		want  string
	}{
		"the host is asked again":               {map[string][]string{"b.example.net": {"ws://localhost/no", other}}, other},
		"a host that does not know: same path":  {map[string][]string{}, "wss://b.example.net/ws"},
		"a host that leads back: same path too": {map[string][]string{"b.example.net": {endpoint}}, "wss://b.example.net/ws"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, map[string]func(*wire){endpoint: elsewhere("b.example.net"), tc.want: serve})
			c := n.connector()
			c.Find = &discover.Finder{Fixed: tc.fixed, Fetch: nothing{}}
			if s, err := connect(t, c, endpoint, account); err != nil || s.Endpoint != tc.want {
				t.Errorf("%v after %v", err, n.hosts())
			}
			// It is the same in the middle of a session.
			for _, host := range []string{"b.example.net", " b.example.net\n"} {
				req := account
				req.Redirect = &Error{Phase: Established, Endpoint: endpoint, Err: &framing.StreamError{Condition: framing.SeeOtherHost, SeeOtherHost: host}}
				s, err := c.Connect(t.Context(), req)
				if err != nil || s.Endpoint != tc.want {
					t.Fatalf("%q in mid-session: %v", host, err)
				}
				_ = s.Conn.Close(t.Context())
			}
		})
	}
	for _, host := range []string{"", "a/b", "user@host", "a?b", "2a00::1"} {
		t.Run("mid-session refused: "+host, func(t *testing.T) {
			n := newNetwork(t, nil)
			req := account
			req.Redirect = &Error{Phase: Established, Endpoint: endpoint, Err: &framing.StreamError{Condition: framing.SeeOtherHost, SeeOtherHost: host}}
			_, err := n.connector().Connect(t.Context(), req)
			var refused *RedirectError
			if !errors.As(err, &refused) || Retry(err) || len(n.hosts()) != 0 || (refused.Reason == IPLiteral) != (host == "2a00::1") {
				t.Errorf("%v after %v", err, n.hosts())
			}
		})
	}
	t.Run("a host that must not be asked is not", func(t *testing.T) {
		n := newNetwork(t, map[string]func(*wire){endpoint: elsewhere("router.local")})
		c := n.connector()
		asked := 0
		c.Find = &discover.Finder{Fetch: counting{&asked}}
		if _, err := connect(t, c, endpoint, account); err == nil || asked != 0 {
			t.Errorf("%v after %d questions", err, asked)
		}
	})
}

// nothing is a web where nobody answers.
type nothing struct{}

func (nothing) Fetch(context.Context, string, string, int) (*discover.Document, error) {
	return nil, errRefused
}

// counting is nothing, and counts.
type counting struct{ n *int }

func (c counting) Fetch(ctx context.Context, url, accept string, limit int) (*discover.Document, error) {
	*c.n++
	return nothing{}.Fetch(ctx, url, accept, limit)
}
