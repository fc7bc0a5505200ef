//go:build !js

package connect

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
	"natter/server/trial"
)

// tokenServer is a server that gives tokens. Prosody and the trial server are set to
// replace one whenever it is used.
type tokenServer struct {
	name      string
	connector *Connector
	lose      func() // drops the latest socket
	account   Request
}

// tokenServers runs a story with everybody who gives tokens: Prosody 13, ejabberd 24
// and the trial server.
func tokenServers(t *testing.T, story func(t *testing.T, s *tokenServer)) {
	for name, get := range map[string]func(testing.TB) *xmpptest.Server{"Prosody13": xmpptest.Prosody13, "Ejabberd24": xmpptest.Ejabberd24} {
		t.Run(name, func(t *testing.T) {
			s := get(t)
			c := real(s)
			story(t, &tokenServer{name, c, losing(c), Request{
				Account: s.AccountAt(t, s.SASL2, "", "correct horse"), Password: "correct horse", Server: s.WSS,
			}})
		})
	}
	t.Run("Trial", func(t *testing.T) {
		now := time.Now()
		server := trial.New(trial.Options{Limits: trial.Limits{Rotation: time.Nanosecond}, Now: func() time.Time {
			now = now.Add(time.Millisecond)
			return now
		}})
		if err := server.AddAccount("user", "correct horse"); err != nil {
			t.Fatal(err)
		}
		web := httptest.NewServer(server)
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := server.Shutdown(ctx); err != nil {
				t.Error(err)
			}
			web.Close()
		})
		c := newNetwork(t, nil).connector()
		c.nonce = nil
		c.Dial = func(ctx context.Context, endpoint string) (framing.Socket, error) {
			return native.Dial(ctx, endpoint, native.Options{})
		}
		c.Find = &discover.Finder{Fixed: map[string][]string{"localhost": {"ws" + strings.TrimPrefix(web.URL, "http")}}, AllowLoopback: true}
		story(t, &tokenServer{"Trial", c, losing(c), Request{Account: "user@localhost", Password: "correct horse"}})
	})
}

// A01: on this machine the trial server offers SCRAM-SHA-1 too, which is the last to be taken.
func TestA01_TrialServer(t *testing.T) {
	server := trial.New(trial.Options{Demo: true})
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	endpoint := "ws" + strings.TrimPrefix(web.URL, "http")
	var offered string
	c := newNetwork(t, nil).connector()
	c.nonce = nil
	c.Find = &discover.Finder{AllowLoopback: true}
	c.Dial = func(ctx context.Context, endpoint string) (framing.Socket, error) {
		return native.Dial(ctx, endpoint, native.Options{})
	}
	c.Trace = func(out bool, doc string) {
		if !out && strings.Contains(doc, "<mechanism") {
			offered += doc
		}
	}
	session, err := c.Connect(deadline(t), Request{Account: "ada@localhost", Password: "analytical", Server: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	if session.Mechanism != sasl.SCRAMSHA512 || strings.Count(offered, ">"+sasl.SCRAMSHA1+"<") != 2 {
		t.Errorf("%s of %s", session.Mechanism, offered)
	}
	usable(t, session)
}

func (s *tokenServer) connect(t *testing.T, req Request) *Session {
	t.Helper()
	session, err := s.connector.Connect(deadline(t), req)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return session
}

// with is a request that signs in with this instead of the password.
func (s *tokenServer) with(k *Credential) Request {
	req := s.account
	req.Password, req.Credential = "", k
	return req
}

// issued signs in by password and returns the session and the token it came with.
func (s *tokenServer) issued(t *testing.T) (*Session, *Credential) {
	t.Helper()
	req := s.account
	req.Remember = true
	session := s.connect(t, req)
	k := session.Credential
	if k == nil || k.Mechanism != sasl.HTSHA256None || k.Token == "" || !k.Seen.Inline.Token || !k.Seen.Inline.Resume {
		t.Fatalf("%s: kept is %v", s.name, k)
	}
	if left := time.Until(k.Expiry); left < 24*time.Hour || left > 14*24*time.Hour+time.Minute {
		t.Errorf("%s: it expires in %v", s.name, left)
	}
	return session, k
}

func (s *tokenServer) refuses(t *testing.T, k *Credential) {
	t.Helper()
	_, err := s.connector.Connect(deadline(t), s.with(k))
	var unusable *CredentialError
	if !errors.As(err, &unusable) || unusable.Reason != Refused || !unusable.Gone() || Retry(err) || Explain(err).Kind != "sign-in-expired" {
		t.Errorf("%s: a token that should be worthless: %v", s.name, err)
	}
}

func TestP12_RealTokens(t *testing.T) {
	tokenServers(t, func(t *testing.T, s *tokenServer) {
		t.Run("P11 P12 V23 used again and again, behind open at once", func(t *testing.T) {
			session, k := s.issued(t)
			usable(t, session)
			for range 2 {
				session := s.connect(t, s.with(k))
				if session.RoundTrips != 1 || session.Mechanism != sasl.HTSHA256None || session.Bound == nil || session.JID.Bare() != s.account.Account {
					t.Errorf("%s: the session is %+v", s.name, session)
				}
				if session.Credential != nil {
					k = session.Credential
				}
				usable(t, session)
			}
			k2 := *k
			k2.Seen = Seen{}
			session = s.connect(t, s.with(&k2))
			if session.RoundTrips != 2 {
				t.Errorf("%s: %d round trips for one that waits", s.name, session.RoundTrips)
			}
			usable(t, session)
		})
		t.Run("P12 P09 M07 resumed in the same flight", func(t *testing.T) {
			session, k := s.issued(t)
			req := s.with(k)
			req.Resume = enable(t, session)
			s.lose()
			session = s.connect(t, req)
			if !session.Resumed || session.JID != req.Resume.JID || session.RoundTrips != 1 || session.Features != nil {
				t.Errorf("%s: the session is %+v", s.name, session)
			}
			usable(t, session)
		})
		t.Run("P12 M08 a stream that is gone", func(t *testing.T) {
			session, k := s.issued(t)
			usable(t, session)
			req := s.with(k)
			req.Resume = &Resume{ID: "bm9wZQ==", H: 5, JID: s.account.Account.WithResource("old")}
			session = s.connect(t, req)
			if session.Resumed || session.Bound == nil || session.RoundTrips != 1 {
				t.Errorf("%s: the session is %+v", s.name, session)
			}
			usable(t, session)
		})
		t.Run("P12 V23 rotated: the old one works until the new one is used", func(t *testing.T) {
			session, old := s.issued(t)
			usable(t, session)
			session = s.connect(t, s.with(old))
			usable(t, session)
			latest := session.Credential
			if latest != nil && latest.Previous != old.Token {
				t.Errorf("%s: the token before is not known", s.name)
			}
			if latest == nil { // ejabberd thinks of it a day later; asking has the same effect
				session, latest = s.issued(t)
				usable(t, session)
			}
			if latest.Token == old.Token {
				t.Fatalf("%s: no new token", s.name)
			}
			usable(t, s.connect(t, s.with(old)))
			// A newer token may have come with it; then only the last one counts.
			session = s.connect(t, s.with(old))
			if session.Credential != nil {
				latest = session.Credential
			}
			usable(t, session)
			usable(t, s.connect(t, s.with(latest)))
			s.refuses(t, old)
		})
		t.Run("P12 sec51 only for the installation it was given to", func(t *testing.T) {
			session, k := s.issued(t)
			usable(t, session)
			stolen := *k
			stolen.UserAgent = "99999999-2222-4333-8444-555555555555"
			s.refuses(t, &stolen)
			usable(t, s.connect(t, s.with(k)))
		})
		t.Run("P12 sec52 invalidated", func(t *testing.T) {
			session, k := s.issued(t)
			usable(t, s.connect(t, s.with(k)))
			if err := s.connector.Invalidate(deadline(t), s.with(k)); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			s.refuses(t, k)
			if err := s.connector.Invalidate(deadline(t), s.with(k)); err != nil {
				t.Errorf("%s: again: %v", s.name, err)
			}
			session.Conn.Drop()
		})
		t.Run("P12 sec52 invalidated with the one before it", func(t *testing.T) {
			session, first := s.issued(t)
			usable(t, session)
			session = s.connect(t, s.with(first)) // now it is the current one
			usable(t, session)
			_, second := s.issued(t) // by password: the server cannot know that first is not needed
			second.Previous = first.Token
			if err := s.connector.Invalidate(deadline(t), s.with(second)); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			s.refuses(t, first)
			s.refuses(t, second)
		})
	})
}

// A18: where there are no tokens, keys are kept.
func TestA18_RealKeys(t *testing.T) {
	xmpptest.All(t, func(t *testing.T, s *xmpptest.Server) {
		account := s.Account(t, "", "correct horse")
		c := real(s)
		c.UserAgent = UserAgent{} // without it nobody gives tokens
		session, err := c.Connect(deadline(t), Request{Account: account, Password: "correct horse", Server: s.WSS, Remember: true})
		if err != nil {
			t.Fatal(err)
		}
		k := session.Credential
		if k == nil || k.Keys == nil || k.Mechanism != "SCRAM-SHA-256" {
			t.Fatalf("%s: kept is %v", s.Name, k)
		}
		usable(t, session)
		if session, err = c.Connect(deadline(t), Request{Account: account, Credential: k, Server: s.WSS}); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		usable(t, session)
		s.AccountAt(t, s.Domain, account.Local(), "a new password")
		_, err = c.Connect(deadline(t), Request{Account: account, Credential: k, Server: s.WSS})
		var unusable *CredentialError
		if !errors.As(err, &unusable) || !unusable.Gone() || Retry(err) {
			t.Errorf("%s: after a new password: %v", s.Name, err)
		}
	})
}
