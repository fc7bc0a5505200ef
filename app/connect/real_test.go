//go:build !js

package connect

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
)

// real returns a connector that trusts a server's certificate and finds its domains
// where they are.
func real(s *xmpptest.Server) *Connector {
	return &Connector{
		Find: &discover.Finder{Fetch: web{s.HTTPClient()}, Timeout: 20 * time.Second},
		Dial: func(ctx context.Context, endpoint string) (framing.Socket, error) {
			config := &tls.Config{RootCAs: s.CA}
			if u, err := url.Parse(endpoint); err == nil && strings.HasSuffix(u.Hostname(), ".test") {
				// No resolver knows the name. The certificate still has to be for it.
				config.ServerName = u.Hostname()
				u.Host = "localhost:" + u.Port()
				endpoint = u.String()
			}
			return native.Dial(ctx, endpoint, native.Options{TLSConfig: config})
		},
		Crypto:    sasl.Standard{},
		Pins:      pins{},
		UserAgent: UserAgent{ID: "d4565fa7-4d72-4749-b3d3-740edbf87770", Software: "Natter", Device: "Test"},
		NewID:     rand.Text,
	}
}

// web is a discover.Fetcher.
type web struct{ client *http.Client }

func (w web) Fetch(ctx context.Context, address, accept string, limit int) (*discover.Document, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	response, err := w.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer w.client.CloseIdleConnections()
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)))
	if err != nil {
		return nil, err
	}
	return &discover.Document{URL: response.Request.URL.String(), Status: response.StatusCode, Body: body}, nil
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// usable checks that stanzas flow both ways, and closes the stream.
func usable(t *testing.T, s *Session) {
	t.Helper()
	ctx := deadline(t)
	ping(t, s)
	// A server that is slow to answer has had its time.
	if err := s.Conn.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
}

func ping(t *testing.T, s *Session) {
	t.Helper()
	ctx := deadline(t)
	iq := framing.New(framing.NSClient, "iq").Set("type", "get").Set("id", rand.Text()).Set("to", s.JID.Domain()).
		Add(framing.New("urn:xmpp:ping", "ping"))
	if err := s.Conn.Write(ctx, iq); err != nil {
		t.Fatal(err)
	}
	for {
		e, err := s.Conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if e.Attr("id") == iq.Attr("id") {
			if e.Attr("type") != "result" || e.Attr("to") != s.JID.String() {
				t.Errorf("the answer is %s", e)
			}
			return
		}
	}
}

// enable turns Stream Management on and returns what resuming needs.
func enable(t *testing.T, s *Session) *Resume {
	t.Helper()
	ctx := deadline(t)
	enabled := s.SM
	if enabled == nil {
		if err := s.Conn.Write(ctx, framing.New(nsSM, "enable").Set("resume", "true")); err != nil {
			t.Fatal(err)
		}
		for !enabled.Is(nsSM, "enabled") {
			var err error
			if enabled, err = s.Conn.Read(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if enabled.Attr("id") == "" {
		t.Fatalf("not resumable: %s", enabled)
	}
	return &Resume{ID: strings.Clone(enabled.Attr("id")), JID: s.JID}
}

// losing is a connector whose sockets can be lost.
func losing(c *Connector) (lose func()) {
	dial := c.Dial
	var last *lost
	c.Dial = func(ctx context.Context, endpoint string) (framing.Socket, error) {
		s, err := dial(ctx, endpoint)
		if err != nil {
			return nil, err
		}
		last = &lost{Socket: s}
		return last, nil
	}
	return func() { _ = last.Close(4000, "") }
}

type lost struct{ framing.Socket }

func TestReal(t *testing.T) {
	xmpptest.All(t, func(t *testing.T, s *xmpptest.Server) {
		account := s.Account(t, "", "correct horse")
		request := func(server string) Request {
			return Request{Account: account, Password: "correct horse", Server: server}
		}
		for name, server := range map[string]string{"ws": s.WS, "wss": s.WSS} {
			t.Run("O01 N03 B01 sign in over "+name, func(t *testing.T) {
				session, err := real(s).Connect(deadline(t), request(server))
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%s: %s by %s in %d round trips, %d bytes, idle %v", s.Name, session.JID, session.Mechanism, session.RoundTrips, session.MaxBytes, session.Idle)
				if session.JID.Bare() != account || session.JID.Resource() == "" || session.Mechanism != "SCRAM-SHA-256" || session.Features == nil {
					t.Errorf("the session is %+v", session)
				}
				usable(t, session)
			})
		}
		t.Run("D01 T02 found by host-meta over https", func(t *testing.T) {
			session, err := real(s).Connect(deadline(t), request(""))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(session.Endpoint, "wss://") {
				t.Errorf("at %s", session.Endpoint)
			}
			usable(t, session)
		})
		t.Run("M07 resume over a lost socket", func(t *testing.T) {
			c := real(s)
			lose := losing(c)
			session, err := c.Connect(deadline(t), request(s.WSS))
			if err != nil {
				t.Fatal(err)
			}
			again := request(s.WSS)
			again.Resume = enable(t, session)
			lose()
			session, err = c.Connect(deadline(t), again)
			if err != nil {
				t.Fatal(err)
			}
			if !session.Resumed || session.JID != again.Resume.JID || session.Features != nil {
				t.Errorf("the session is %+v", session)
			}
			usable(t, session)
		})
		t.Run("M08 resume of what the server does not know", func(t *testing.T) {
			again := request(s.WSS)
			again.Resume = &Resume{ID: "bm9wZQ==", H: 5, JID: account.WithResource("old")}
			session, err := real(s).Connect(deadline(t), again)
			if err != nil {
				t.Fatal(err)
			}
			if session.Resumed || session.JID.Bare() != account || session.JID.Resource() == "" {
				t.Errorf("the session is %+v", session)
			}
			usable(t, session)
		})
		t.Run("A12 wrong password", func(t *testing.T) {
			wrong := request(s.WSS)
			wrong.Password = "battery staple"
			_, err := real(s).Connect(deadline(t), wrong)
			if Explain(err).Kind != "wrong-password" || Retry(err) {
				t.Errorf("%+v", Explain(err))
			}
		})
		t.Run("A12 no such account", func(t *testing.T) {
			wrong := request(s.WSS)
			wrong.Account = jid.JID("nobody@" + s.Domain)
			if _, err := real(s).Connect(deadline(t), wrong); Explain(err).Kind != "wrong-password" {
				t.Errorf("%+v", Explain(err))
			}
		})
		t.Run("E03 unknown host", func(t *testing.T) {
			wrong := request(s.WSS)
			wrong.Account = "user@unknown.test"
			_, err := real(s).Connect(deadline(t), wrong)
			var e *Error
			if !errors.As(err, &e) || e.Phase != Opening || e.Condition != "host-unknown" || Explain(err).Kind != "unknown-host" || Retry(err) {
				t.Errorf("%+v", err)
			}
		})
		t.Run("T02 a certificate nobody vouches for", func(t *testing.T) {
			c := real(s)
			c.Dial = func(ctx context.Context, endpoint string) (framing.Socket, error) {
				return native.Dial(ctx, endpoint, native.Options{})
			}
			_, err := c.Connect(deadline(t), request(s.WSS))
			if Explain(err).Kind != "no-connection" {
				t.Errorf("%+v", Explain(err))
			}
		})
		t.Run("A14 disabled account", func(t *testing.T) {
			barred := request(s.WSS)
			barred.Account = s.Account(t, "", "correct horse")
			if !s.Disable(t, barred.Account) {
				t.Logf("%s cannot disable accounts", s.Name)
				return
			}
			_, err := real(s).Connect(deadline(t), barred)
			t.Logf("%s: %v", s.Name, err)
			if k := Explain(err).Kind; k != "account-disabled" && k != "wrong-password" || Retry(err) {
				t.Errorf("%+v", Explain(err))
			}
		})
		if s.SASL2 == "" {
			return
		}
		t.Run("P01 P07 SASL2 and Bind 2", func(t *testing.T) {
			account := s.AccountAt(t, s.SASL2, "", "correct horse")
			server := s.WSS
			if s.Kind == xmpptest.KindProsody {
				server = s.WS
			}
			c := real(s)
			session, err := c.Connect(deadline(t), Request{Account: account, Password: "correct horse", Server: server})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %s in %d round trips, inline: carbons %v, Stream Management %v", s.Name, session.JID, session.RoundTrips, session.Carbons, session.SM != nil)
			if session.JID.Bare() != account || session.Bound == nil || !session.Carbons {
				t.Errorf("the session is %+v", session)
			}
			usable(t, session)
		})
		t.Run("P09 M01 M07 M08 SASL2 and resume", func(t *testing.T) {
			// Prosody 0.12 knows no Stream Management inline: the stream is resumed, or bound,
			// after the authentication.
			server, inline := s.WSS, s.Kind != xmpptest.KindProsody
			if !inline {
				server = s.WS
			}
			again := Request{Account: s.AccountAt(t, s.SASL2, "", "correct horse"), Password: "correct horse", Server: server}
			c := real(s)
			lose := losing(c)
			session, err := c.Connect(deadline(t), again)
			if err != nil {
				t.Fatal(err)
			}
			if session.Bound == nil || inline != (session.SM != nil) {
				t.Errorf("the first session is %+v", session)
			}
			again.Resume = enable(t, session)
			lose()
			session, err = c.Connect(deadline(t), again)
			if err != nil {
				t.Fatal(err)
			}
			trips := 3 // open, authenticate, response
			if !inline {
				trips++
			}
			if !session.Resumed || session.JID != again.Resume.JID || session.RoundTrips != trips {
				t.Errorf("the session is %+v", session)
			}
			usable(t, session)
			again.Resume = &Resume{ID: "bm9wZQ==", H: 5, JID: again.Resume.JID}
			session, err = c.Connect(deadline(t), again)
			if err != nil {
				t.Fatal(err)
			}
			if session.Resumed || session.JID.Bare() != again.Account || inline != (session.Bound != nil) {
				t.Errorf("the session is %+v", session)
			}
			usable(t, session)
		})
	})
}

// H01-H08: what a server may do with the WebSocket under the stream.
func TestSocket(t *testing.T) {
	peer := func(t *testing.T, script func(*xmpptest.PeerConn)) (*Session, *Error) {
		p := xmpptest.NewPeer(t, script)
		n := newNetwork(t, nil)
		c := n.connector()
		c.Dial = func(ctx context.Context, endpoint string) (framing.Socket, error) {
			return native.Dial(ctx, endpoint, native.Options{})
		}
		return connect(t, c, p.URL, Request{Account: "ada@peer.test", Password: "analytical"})
	}
	t.Run("H01 subprotocol xmpp", func(t *testing.T) {
		s, err := peer(t, func(c *xmpptest.PeerConn) {
			if got := c.Request.Header.Get("Sec-WebSocket-Protocol"); got != "xmpp" {
				t.Errorf("asked for %q", got)
			}
			c.Login("SCRAM-SHA-1", "ada", "analytical")
			c.Live()
		})
		if err != nil || s.JID != "ada@peer.test/peer" {
			t.Error(s, err)
		}
	})
	t.Run("P05 SASL2", func(t *testing.T) {
		s, err := peer(t, func(c *xmpptest.PeerConn) {
			c.LoginSASL2("SCRAM-SHA-512", "ada", "analytical")
			c.Live()
		})
		if err != nil || s.JID != "ada@peer.test/Natter.1" || s.SM == nil || !s.Carbons {
			t.Error(s, err)
		}
	})
	for name, tc := range map[string]struct {
		script func(*xmpptest.PeerConn)
		kind   string
	}{
		"H02 no subprotocol": {func(c *xmpptest.PeerConn) { c.Accept(""); c.ExpectGone() }, "not-xmpp"},
		"R09 HTTP redirect":  {func(c *xmpptest.PeerConn) { c.Refuse(302, "ws://127.0.0.1:1/ws") }, "no-connection"},
		"H04 binary message": {func(c *xmpptest.PeerConn) { c.Expect("<open"); c.SendBinary("<x/>"); c.ExpectGone() }, "bad-data"},
		"C05 connection cut": {func(c *xmpptest.PeerConn) { c.Expect("<open"); c.Drop() }, "connection-lost"},
		"E07 the error before the close": {func(c *xmpptest.PeerConn) {
			c.Open()
			c.StreamError("host-gone", "moved")
		}, "host-gone"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := peer(t, tc.script)
			if err == nil || kind(err) != tc.kind {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("H06 a challenge of 40 kB is read", func(t *testing.T) {
		_, err := peer(t, func(c *xmpptest.PeerConn) {
			c.Open(xmpptest.Mechanisms(append([]string{"SCRAM-SHA-1"}, strings.Split(strings.Repeat("NONE ", 8000), " ")...)...))
			c.Expect("<auth")
			c.StreamError("system-shutdown", "")
		})
		if err == nil || kind(err) != "system-shutdown" {
			t.Errorf("%v", err)
		}
	})
}
