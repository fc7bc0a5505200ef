//go:build linux

package client_test

import (
	"testing"

	"natter/app/state"
)

// When the password was changed elsewhere, the page asks for it in place. Messages that were written
// meanwhile are kept, and arrive.
func TestA14_PasswordChangedElsewhere(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		if p.server == nil {
			return // the trial server cannot change passwords
		}
		for _, tc := range []struct {
			name             string
			remembered, back bool // back: the page was reloaded, so it has no password in memory
		}{{name: "in memory"}, {name: "remembered", remembered: true}, {"remembered, after a reload", true, true}} {
			t.Run(tc.name, func(t *testing.T) {
				d := &device{t: t, place: p, account: p.account(t), network: dig(t, p)}
				ada, grace := d.page(), p.person(t).here()
				if tc.remembered {
					ada.here()
				} else {
					ada.person.here()
				}
				ada.says(grace, "before")
				grace.hears(ada.person, "before")
				if tc.back {
					ada.sees(grace.account, "before", state.OnServer)
					ada = ada.reload().back()
				}
				since := ada.wire.now()
				p.server.AccountAt(t, p.domain, d.account.Local(), "a new password")
				if tc.remembered && d.credential.Token != "" {
					d.spoil(ada) // a token stays valid when the password is changed
				}
				d.network.cut()
				ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
				ada.says(grace, "written before")
				d.network.mend()
				ada.Do(state.Reconnect{})
				asked := func(s *state.State) bool {
					return s.Connection.Phase == state.Stopped && s.Connection.Problem != nil
				}
				s := ada.until("asked", asked)
				if s.Connection.Problem.Field != "password" {
					t.Errorf("told %+v", s.Connection.Problem)
				}
				ada.says(grace, "written after")
				ada.wants(grace.account, "before", "written before", "written after")

				before := s.Connection.Problem
				ada.Do(state.GivePassword{Password: "battery staple"})
				s = ada.until("asked again", func(s *state.State) bool { return asked(s) && s.Connection.Problem != before })
				if s.Connection.Problem.Kind != "wrong-password" {
					t.Errorf("told %+v", s.Connection.Problem)
				}
				ada.Do(state.GivePassword{Password: "a new password"})
				ada.until("back", settled)
				grace.hears(ada.person, "written after")
				grace.wants(d.account, "before", "written before", "written after")
				ada.wants(grace.account, "before", "written before", "written after")
				if n := count(ada.wire.sent(since), "<auth"); n > 5 {
					t.Errorf("it tried %d times: that locks accounts", n)
				}
				if tc.remembered {
					ada.reload().back()
				}
			})
		}
	})
}
