//go:build linux

package client_test

import (
	"testing"

	"natter/app/jid"
	"natter/app/state"
)

func TestRoster(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace, mallory := p.person(t).here(), p.person(t).here(), p.person(t).here()
		phone := p.device(t, ada.account).here()

		t.Run("S11 add, and both her clients know", func(t *testing.T) {
			ada.Do(state.AddContact{JID: grace.account, Name: "Grace"})
			for _, mine := range []*person{ada, phone} {
				mine.until("asked", func(s *state.State) bool {
					c := s.Contact(grace.account)
					return c != nil && c.InRoster && c.Asked && c.Name == "Grace"
				})
			}
			grace.until("the request", func(s *state.State) bool { return asks(s, ada.account) })
		})
		t.Run("accept, both ways", func(t *testing.T) {
			grace.Do(state.AcceptContact{JID: ada.account})
			ada.until("the request in turn", func(s *state.State) bool { return asks(s, grace.account) })
			ada.Do(state.AcceptContact{JID: grace.account})
			for _, who := range []*person{ada, phone} {
				who.until("friends", func(s *state.State) bool { return friend(s, grace.account) })
			}
			grace.until("friends", func(s *state.State) bool { return friend(s, ada.account) })
		})
		t.Run("presence", func(t *testing.T) {
			grace.Do(state.SetPresence{Presence: state.Presence{Show: state.DND, Status: "compiling"}})
			ada.until("do not disturb", func(s *state.State) bool {
				return s.Contact(grace.account).Presence() == state.Presence{Show: state.DND, Status: "compiling"}
			})
			grace.Do(state.SetPresence{Presence: state.Presence{Show: state.Available}})
			ada.until("back", func(s *state.State) bool {
				return s.Contact(grace.account).Presence() == state.Presence{Show: state.Available}
			})
		})
		t.Run("decline", func(t *testing.T) {
			mallory.Do(state.AddContact{JID: ada.account})
			ada.until("the request", func(s *state.State) bool { return asks(s, mallory.account) })
			ada.Do(state.DeclineContacts{JIDs: []jid.JID{mallory.account}})
			if c := ada.until("answered", func(s *state.State) bool { return !asks(s, mallory.account) }).Contact(mallory.account); c != nil {
				t.Errorf("she stays as %+v", c)
			}
			mallory.until("the answer", func(s *state.State) bool {
				c := s.Contact(ada.account)
				return c != nil && !c.Asked && c.Subscription == state.SubscriptionNone
			})
		})
		t.Run("S10 rename, pushed to the other client", func(t *testing.T) {
			ada.Do(state.RenameContact{JID: grace.account, Name: "Admiral <&> Hopper"})
			for _, mine := range []*person{ada, phone} {
				mine.until("the name", func(s *state.State) bool { return s.Name(grace.account) == "Admiral <&> Hopper" })
				if !friend(mine.State(), grace.account) {
					t.Errorf("the rest of it has changed: %+v", mine.State().Contact(grace.account))
				}
			}
		})
		t.Run("S12 there at the next sign-in", func(t *testing.T) {
			late := p.device(t, ada.account).here()
			late.until("her presence too", func(s *state.State) bool {
				c := s.Contact(grace.account)
				return c.Name == "Admiral <&> Hopper" && c.Presence().Show == state.Available
			})
		})
		t.Run("gone and back", func(t *testing.T) {
			grace.Do(state.SignOut{})
			ada.until("gone", func(s *state.State) bool {
				return s.Contact(grace.account).Presence().Show == state.Unavailable
			})
			grace.here()
			ada.until("back", func(s *state.State) bool {
				return s.Contact(grace.account).Presence().Show == state.Available
			})
		})
		t.Run("remove", func(t *testing.T) {
			ada.Do(state.RemoveContact{JID: grace.account})
			for _, mine := range []*person{ada, phone} {
				mine.until("gone", func(s *state.State) bool { return s.Contact(grace.account) == nil })
			}
			grace.until("neither sees the other", func(s *state.State) bool {
				c := s.Contact(ada.account) // nil until grace has her roster again
				return c != nil && c.Subscription == state.SubscriptionNone && c.Presence().Show == state.Unavailable
			})
		})
	})
}

func asks(s *state.State, j jid.JID) bool {
	c := s.Contact(j)
	return c != nil && c.AsksUs
}

func friend(s *state.State, j jid.JID) bool {
	c := s.Contact(j)
	return c != nil && c.Subscription == state.SubscriptionBoth && c.Presence().Show != state.Unavailable
}
