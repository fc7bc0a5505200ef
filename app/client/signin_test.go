//go:build linux

package client_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest"
)

// refused signs in, which must fail, and returns the problem that the form shows.
func (p *person) refused(in state.SignIn) state.Problem {
	p.t.Helper()
	before := p.State().Connection.Problem
	p.Do(in)
	s := p.until("an answer", func(s *state.State) bool {
		return s.Connection.Phase != state.SigningIn && s.Connection.Problem != nil && s.Connection.Problem != before
	})
	if s.Connection.Phase != state.SignedOut || s.Connection.Problem == nil || !s.Connection.RetryAt.IsZero() || s.Me != "" {
		p.t.Fatalf("the state is %+v, bound to %q", s.Connection, s.Me)
	}
	problem := *s.Connection.Problem
	if problem.Text == "" || problem.Advice == "" {
		p.t.Errorf("no words for it: %+v", problem)
	}
	return problem
}

func TestSignInRefused(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada := p.person(t)
		right := state.SignIn{Address: string(ada.account), Password: password, Server: p.wss}
		with := func(f func(*state.SignIn)) state.SignIn {
			in := right
			f(&in)
			return in
		}
		for _, tc := range []struct {
			name, kind, field string
			in                state.SignIn
		}{
			{"A12 wrong password", "wrong-password", "password", with(func(in *state.SignIn) { in.Password = "battery staple" })},
			{"A12 no such account", "wrong-password", "password", with(func(in *state.SignIn) { in.Address = "nobody@" + p.domain })},
			{"A12 no password", "bad-password", "password", with(func(in *state.SignIn) { in.Password = "" })},
			{"E05 a domain the server does not know", "unknown-host", "address", with(func(in *state.SignIn) { in.Address = "ada@unknown.test" })},
			{"D10 a domain that is not there", "unreachable", "address", with(func(in *state.SignIn) { in.Address, in.Server = "ada@nowhere.test", "" })},
			{"no domain", "address-no-at", "address", with(func(in *state.SignIn) { in.Address = "ada" })},
			{"a server that is none", "bad-server", "server", with(func(in *state.SignIn) { in.Server = "gopher://a.test" })},
		} {
			t.Run(tc.name, func(t *testing.T) {
				if got := ada.refused(tc.in); got.Kind != tc.kind || got.Field != tc.field {
					t.Errorf("the form says %+v", got)
				}
			})
		}
		t.Run("A14 disabled account", func(t *testing.T) {
			barred := p.account(t)
			if !p.disable(t, barred) {
				return // the trial server cannot disable an account
			}
			got := ada.refused(with(func(in *state.SignIn) { in.Address = string(barred) }))
			if got.Kind != "account-disabled" && got.Kind != "wrong-password" { // ejabberd 23 does not say why
				t.Errorf("the form says %+v", got)
			}
		})
		t.Run("and then it works", func(t *testing.T) { ada.here() })
	})
}

func TestA05_PlainOnly(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		if p.server == nil {
			return // the trial server does not offer PLAIN
		}
		account := p.server.AccountAt(t, xmpptest.HostPlain, "", password)
		t.Run("over wss, for an account that is new here", func(t *testing.T) {
			ada := p.device(t, account)
			ada.server = p.wss
			ada.here()
			if ada.pins[account] {
				t.Error("SCRAM is remembered that never was")
			}
		})
		t.Run("never for one that has used SCRAM", func(t *testing.T) {
			ada := p.device(t, account)
			ada.pins[account] = true
			got := ada.refused(state.SignIn{Address: string(account), Password: password, Server: p.wss})
			if got.Kind != "plain-after-scram" {
				t.Errorf("the form says %+v", got)
			}
			if count(ada.wire.sent(0), "<auth") != 0 {
				t.Error("it began to authenticate")
			}
		})
	})
}

func TestSignOut(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace := p.person(t).here(), p.person(t).here()
		befriend(ada, grace)
		grace.says(ada, "secret")
		ada.hears(grace, "secret")
		grace.Do(state.Typing{Conv: ada.conv(), Typing: true})
		ada.until("typing", func(s *state.State) bool { return s.Chat(grace.conv()).Typing })

		t.Run("leaves nothing behind", func(t *testing.T) {
			ada.Do(state.SignOut{})
			s := ada.until("signed out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut })
			blank(t, s)
			if s.Connection != (state.Connection{}) || s.Me != "" {
				t.Errorf("%q, %+v", s.Me, s.Connection)
			}
			grace.until("she is gone", func(s *state.State) bool {
				return s.Contact(ada.account).Presence().Show == state.Unavailable
			})
			ada.says(grace, "to nobody")
			ada.Do(state.Reconnect{})
		})
		t.Run("the next account begins with nothing", func(t *testing.T) {
			first := ada.account
			ada.account = p.account(t)
			ada.here()
			s := ada.State()
			for c := range s.Contacts {
				t.Errorf("the contact %+v", c)
			}
			for c := range s.Chats {
				t.Errorf("the conversation with %s", c.Conv)
			}
			grace.says(ada, "welcome")
			ada.hears(grace, "welcome")
			ada.wants(grace.account, "welcome")
			ada.account = first
			ada.here()
			ada.wants(grace.account, "secret")
			if !s.CaughtUp || s.Account() == first {
				t.Error("an old state has changed")
			}
		})
	})
}

func blank(t testing.TB, s *state.State) {
	t.Helper()
	for c := range s.Contacts {
		t.Errorf("the contact %+v", c)
	}
	for c := range s.Chats {
		t.Errorf("the conversation with %s", c.Conv)
	}
	if s.RosterLoaded || s.CaughtUp || s.OwnPresence != (state.Presence{}) {
		t.Errorf("%+v", s)
	}
}

// After each sign-out there are as few goroutines as before.
func TestSignOutEndsEverything(t *testing.T) {
	p := trialPlace(t)
	ada := p.person(t)
	rounds := func(n int) int {
		for range n {
			ada.here()
			ada.Do(state.SignOut{})
			ada.until("signed out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut })
		}
		return goroutines()
	}
	before := rounds(3)
	after := rounds(10)
	if after > before {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, then %d\n%s", before, after, buf[:runtime.Stack(buf, true)])
	}
}

// goroutines returns the least number of our goroutines within some seconds, because some take a while to end.
func goroutines() int {
	ours := func() int {
		buf := make([]byte, 4<<20)
		n := 0
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "natter/app/stream") || strings.Contains(g, "natter/app/client.") || strings.Contains(g, "natter/framing") {
				n++
			}
		}
		return n
	}
	least := ours()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline) && least > 2; time.Sleep(10 * time.Millisecond) {
		least = min(least, ours())
	}
	return least
}

func TestSignInAgainWhileSigningIn(t *testing.T) {
	p := trialPlace(t)
	ada, grace := p.account(t), p.account(t)
	silent := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) { c.Stall() })
	who := p.device(t, ada)
	who.Do(state.SignIn{Address: string(ada), Password: password, Server: silent.URL})
	who.until("signing in", func(s *state.State) bool { return s.Connection.Phase == state.SigningIn })
	who.account = grace
	who.here()
	if s := who.State(); s.Me.Bare() != grace {
		t.Errorf("bound to %s", s.Me)
	}
	who.Do(state.SignOut{})
	blank(t, who.until("signed out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut }))
	who.Do(state.SignIn{Address: string(ada), Password: password, Server: silent.URL})
	who.Do(state.SignOut{})
	who.until("given up", func(s *state.State) bool {
		return s.Connection == state.Connection{} && s.Account() == jid.JID("")
	})
}
