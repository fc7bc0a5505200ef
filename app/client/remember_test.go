//go:build linux

package client_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"natter/app/connect"
	"natter/app/state"
)

func TestSec52_Promise16_SignOutForgets(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		for _, tc := range []struct {
			name         string
			other, apart bool // other: there is a second tab; apart: the tabs cannot meet
			there        bool // the person signs out in the second tab
		}{
			{name: "one tab"},
			{name: "in the tab that leads", other: true},
			{name: "in a mirror", other: true, there: true},
			{name: "after a tab that cannot be met has taken over", other: true, apart: true},
		} {
			t.Run(tc.name, func(t *testing.T) {
				d, ada := p.remembering(t)
				d.apart = tc.apart
				if d.apart {
					ada = ada.reload().back()
				}
				grace := p.person(t).here()
				ada.says(grace, "secret")
				grace.hears(ada.person, "secret")
				ada.onDisk("secret")
				other := ada
				if tc.other {
					other = d.page()
					other.Do(state.Return{Account: d.account})
					other.until("the message", func(s *state.State) bool { return s.Connection.Phase == state.Online && last(s, grace.account) != nil })
				}
				if tc.apart {
					ada.until("taken", func(s *state.State) bool { return s.Connection.Phase == state.Stopped })
				}
				d.mu.Lock()
				old := *d.credential
				d.mu.Unlock()
				if tc.there {
					ada, other = other, ada
				}
				ada.Do(state.SignOut{})
				s := ada.until("signed out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut })
				blank(t, s)
				if !tc.apart {
					blank(t, other.until("signed out too", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut }))
				}
				eventually(t, "forgotten", func() bool {
					d.mu.Lock()
					defer d.mu.Unlock()
					return d.forgotten
				})
				if d.credential != nil {
					t.Error("the credential is still here")
				}
				d.empty()
				if old.Token == "" {
					return // keys stay valid until the password is changed
				}
				_, err := ada.connector.Connect(t.Context(), connect.Request{Account: d.account, Credential: &old, Server: d.network.wss})
				var unusable *connect.CredentialError
				if !errors.As(err, &unusable) || unusable.Reason != connect.Refused {
					t.Errorf("the old token: %v", err)
				}
			})
		}
	})
}

// If the tables cannot be deleted, because another tab has them open, and the network does not answer, the
// next page carries out the sign-out.
func TestSec52_SignOutIsNotLost(t *testing.T) {
	aside(t)
	p := trialPlace(t)
	d, ada := p.remembering(t)
	grace := p.person(t).here()
	ada.says(grace, "secret")
	ada.onDisk("secret")
	ada.hung.Store(true)
	ada.swallowed.Store(true)
	ada.Do(state.SignOut{})
	left := func(what string, ok func() bool) {
		t.Helper()
		eventually(t, what, func() bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			return ok()
		})
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.out || !d.Memory.Exists(d.account) {
			t.Errorf("%s: noted %t, with tables %t", what, d.out, d.Memory.Exists(d.account))
		}
	}
	left("the credential is gone", func() bool { return d.credential == nil })
	left("the server has not answered", func() bool { return d.forgotten })
	d.mu.Lock()
	d.forgotten = false
	d.mu.Unlock()
	ada.reload().Do(state.Return{Account: d.account, Out: true})
	d.wiped(t)
}

// expires reloads the page with an unsent message, and with a credential that does not work any more. It
// returns the new page, which shows the form.
func (pg *page) expires(to *person, unsent string) *page {
	t, d := pg.t(), pg.device
	t.Helper()
	d.network.cut()
	pg.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
	pg.says(to, unsent)
	pg.onDisk(unsent)
	pg = pg.reload()
	if d.credential.Token == "" {
		d.credential = worthless(*d.credential)
	} else if err := pg.connector.Invalidate(t.Context(), connect.Request{
		Account: d.account, Credential: d.credential, Server: d.network.wss,
	}); err != nil {
		t.Fatal(err)
	}
	pg.atTheForm()
	return pg
}

// worthless returns a credential with keys that the server refuses, as after a change of the password.
func worthless(k connect.Credential) *connect.Credential {
	keys := *k.Keys
	keys.ClientKey = make([]byte, len(keys.ClientKey))
	k.Keys = &keys
	return &k
}

// atTheForm returns to the account, and waits for the form, because the password is needed.
func (pg *page) atTheForm() {
	pg.t().Helper()
	pg.Do(state.Return{Account: pg.person.account})
	blank(pg.t(), pg.until("the form", func(s *state.State) bool {
		return s.Connection.Phase == state.SignedOut && s.Connection.Problem != nil
	}))
}

// If the clock of the device is a year ahead, the credential seems to have expired, and the password is
// needed. The credential is not deleted: with the right clock the device signs in by itself again.
func TestAClockThatIsAheadDeletesNoCredential(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		ada = ada.reload()
		ada.connector.Now = func() time.Time { return time.Now().AddDate(1, 0, 0) }
		ada.atTheForm()
		if kind := ada.State().Connection.Problem.Kind; kind != "away-too-long" || d.dropped != 0 {
			t.Errorf("told %s, dropped %d times", kind, d.dropped)
		}
		ada.reload().back()
	})
}

// A sign-in without Remember, to an account that was remembered, leaves nothing on the device. Messages that
// were not sent are sent.
func TestSec52_Promise16_NoLongerRemembered(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		for _, apart := range []bool{false, true} {
			t.Run(map[bool]string{false: "tabs meet", true: "tabs cannot meet"}[apart], func(t *testing.T) {
				d, ada := p.remembering(t)
				d.apart = apart
				grace := p.person(t).here()
				befriend(ada.person, grace)
				for i := range 60 { // more than a start reads
					grace.says(ada.person, fmt.Sprint("history ", i))
				}
				ada.hears(grace, "history 59")
				ada = ada.expires(grace, "unsent")
				other := d.page()
				other.atTheForm()

				signIn := state.SignIn{Address: string(d.account), Password: "battery staple", Server: ada.server}
				before := ada.State().Connection.Problem
				ada.Do(signIn)
				blank(t, ada.until("an answer", func(s *state.State) bool {
					return s.Connection.Phase == state.SignedOut && s.Connection.Problem != nil && s.Connection.Problem != before
				}))
				if sn := d.kept(); len(sn.Outbox()) != 1 || !d.noted || d.forgotten {
					t.Errorf("a wrong password leaves %+v", sn)
				}

				signIn.Password = password
				ada.Do(signIn)
				ada.until("signed in", settled)
				grace.hears(ada.person, "unsent")
				ada.sees(grace.account, "unsent", state.Delivered)
				d.wiped(t)
				grace.says(ada.person, "and now")
				ada.hears(grace, "and now")
				ada.scrollBack(grace.account)
				if got := ada.by(grace.account, false); len(got) != 61 {
					t.Errorf("she has said %q", got)
				}
				if got := grace.by(d.account, false); !slices.Equal(got, []string{"unsent"}) {
					t.Errorf("ours: %q", got)
				}
				if s := ada.State(); s.Storage != nil {
					t.Errorf("told %+v", s.Storage)
				}
				if s := other.State(); s.Connection.Phase != state.SignedOut {
					t.Errorf("the other tab is %+v", s.Connection)
				}
				ada.Do(state.SignOut{})
				blank(t, ada.until("signed out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut }))
				d.empty()
			})
		}
	})
}

// A sign-in without Remember also signs the account out in all other tabs.
func TestSec52_Promise16_NoLongerRememberedInAnyTab(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		mirror, next := d.tab(), d.page()
		mirror.says(grace, "before")
		grace.hears(mirror.person, "before")
		next.person.here()
		for _, pg := range []*page{ada, mirror} {
			blank(t, pg.until("signed out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut }))
		}
		d.wiped(t)
		next.says(grace, "after")
		grace.hears(next.person, "after")
		next.wants(grace.account, "before", "after")
		d.empty()
	})
}

// wiped waits until nothing is kept on the device.
func (d *device) wiped(t testing.TB) {
	t.Helper()
	eventually(t, "forgotten", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.forgotten
	})
	d.mu.Lock()
	if d.credential != nil || d.noted || d.out {
		t.Errorf("the credential is %v; noted %t, out %t", d.credential, d.noted, d.out)
	}
	d.mu.Unlock()
	d.empty()
}

// A sign-in that fails leaves on the device what was there before.
func TestSec52_AFailedSignIn(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d := &device{t: t, place: p, account: p.account(t), network: dig(t, p)}
		pg := d.page()
		fails := func() {
			t.Helper()
			before := pg.State().Connection.Problem
			pg.Do(state.SignIn{Address: string(d.account), Password: "wrong", Server: pg.server, Remember: true})
			pg.until("refused", func(s *state.State) bool {
				c := s.Connection
				return c.Phase == state.SignedOut && c.Problem != nil && c.Problem != before
			})
		}
		fails()
		eventually(t, "forgotten", func() bool { return !d.Memory.Exists(d.account) })
		pg.here()
		grace := p.person(t).here()
		pg.says(grace, "kept")
		grace.hears(pg.person, "kept")
		pg.onDisk("kept")
		fails()
		pg.onDisk("kept")
		pg.here()
		pg.wants(grace.account, "kept")
	})
}

func TestACredentialThatNoLongerWorks(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		befriend(ada.person, grace)
		grace.says(ada.person, "history")
		ada.hears(grace, "history")
		ada = ada.expires(grace, "unsent")
		s := ada.State()
		if s.Connection.Problem.Kind != "sign-in-expired" || d.dropped != 1 {
			t.Errorf("dropped %d times, told %+v", d.dropped, s.Connection.Problem)
		}
		if len(d.kept().Outbox()) != 1 {
			t.Error("the outbox is gone")
		}
		t.Run("a wrong password changes nothing", func(t *testing.T) {
			before := ada.State().Connection.Problem
			ada.Do(state.SignIn{Address: string(d.account), Password: "battery staple", Server: ada.server, Remember: true})
			s := ada.until("an answer", func(s *state.State) bool {
				return s.Connection.Phase == state.SignedOut && s.Connection.Problem != nil && s.Connection.Problem != before
			})
			blank(t, s)
			if sn := d.kept(); len(sn.Outbox()) != 1 || len(sn.Ends[grace.conv()].Messages) != 2 {
				t.Errorf("kept %+v", sn)
			}
		})
		ada.here()
		grace.hears(ada.person, "unsent")
		ada.sees(grace.account, "unsent", state.Delivered)
		ada.wants(grace.account, "history", "unsent")
		grace.wants(d.account, "history", "unsent")
		if d.credential == nil {
			t.Error("no new credential is kept")
		}
	})
}

// breaks makes Keep and Renew fail with err from now on, or work again if it is nil.
func (d *device) breaks(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = err
}

// If a credential cannot be read, it is not deleted, and reading it is tried again.
func TestSec52_ACredentialThatCannotBeRead(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		grace.says(ada.person, "history")
		ada.hears(grace, "history")
		eventually(t, "it is kept", func() bool { return len(d.kept().Ends[grace.conv()].Messages) == 1 })
		ada = ada.reload()
		d.breaks(errors.New("the disk is busy"))
		ada.Do(state.Return{Account: d.account})
		s := ada.until("it is said", func(s *state.State) bool { return s.Connection.Problem != nil })
		if c := s.Connection; c.Phase != state.Waiting || c.RetryAt.IsZero() || c.Problem.Kind != "unread" {
			t.Errorf("it is %+v %+v", c, c.Problem)
		}
		ada.wants(grace.account, "history")
		d.breaks(nil)
		ada.until("back", settled)
		if d.dropped != 0 || d.credential == nil {
			t.Errorf("dropped %d times, the credential is %v", d.dropped, d.credential)
		}
	})
}

// If a credential cannot be kept, a problem is shown until it can.
func TestSec53_ACredentialThatCannotBeKept(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d := &device{t: t, place: p, account: p.account(t), network: dig(t, p)}
		d.breaks(errors.New("the disk is full"))
		ada, grace := d.page().here(), p.person(t).here()
		ada.says(grace, "before")
		ada.onDisk("before")
		s := ada.until("it is said", func(s *state.State) bool { return s.Storage != nil })
		if s.Storage.Kind != "not-remembered" || s.Storage.Text == "" || s.Storage.Advice == "" {
			t.Errorf("told %+v", s.Storage)
		}
		ada.says(grace, "after")
		ada.onDisk("after")
		grace.hears(ada.person, "after")
		ada.sees(grace.account, "after", state.OnServer)
		if ada.State().Storage == nil {
			t.Error("it is not said any more")
		}
		d.breaks(nil)
		d.network.cut()
		ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		d.network.mend()
		ada.Do(state.Reconnect{})
		ada.until("all is well", func(s *state.State) bool { return s.Connection.Phase == state.Online && s.Storage == nil })
		ada.reload().back()
	})
}

// A server forgets a token that was not used when it issues another one (XEP-0484 §5.1). If the new token is
// lost on its way, the token that is kept must still work.
func TestP12_ATokenIsLost(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		d.network.cut()
		ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		ada.deaf.Store(true)
		d.network.mend()
		ada.Do(state.Reconnect{})
		eventually(t, "another sign-in", func() bool { return ada.missed.Load() > 0 })
		ada = ada.reload()
		ada.Do(state.Return{Account: d.account})
		s := ada.until("back", func(s *state.State) bool {
			return settled(s) || s.Connection.Phase == state.SignedOut && s.Connection.Problem != nil
		})
		if !settled(s) || d.dropped > 0 {
			t.Errorf("dropped %d times, told %+v", d.dropped, s.Connection.Problem)
		}
	})
}
