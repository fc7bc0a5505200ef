//go:build linux

package client_test

import (
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/server/trial"
)

// circle are contacts and strangers of somebody, one for each change that can be made.
type circle struct {
	renamed, removed, added, accepted, declined *person
}

func (p *place) circle(t *testing.T, ada *person) *circle {
	t.Helper()
	c := &circle{p.person(t).here(), p.person(t).here(), p.person(t).here(), p.person(t).here(), p.person(t).here()}
	befriend(ada, c.renamed)
	befriend(ada, c.removed)
	for _, who := range []*person{c.accepted, c.declined} {
		who.Do(state.AddContact{JID: ada.account})
		ada.until("the request", func(s *state.State) bool { return asks(s, who.account) })
	}
	return c
}

// change makes all the changes.
func (c *circle) change(ada *person) {
	ada.Do(state.RenameContact{JID: c.renamed.account, Name: "First"})
	ada.Do(state.RenameContact{JID: c.renamed.account, Name: "Amazing"})
	ada.Do(state.RemoveContact{JID: c.removed.account})
	ada.Do(state.AddContact{JID: c.added.account, Name: "Added"})
	ada.Do(state.AcceptContact{JID: c.accepted.account})
	ada.Do(state.DeclineContacts{JIDs: []jid.JID{c.declined.account}})
}

// pends waits until all the changes are shown as pending.
func (c *circle) pends(who *person) {
	who.t.Helper()
	who.until("what was done is shown", func(s *state.State) bool {
		return s.Unsaved() == 5 && s.Name(c.renamed.account) == "Amazing" && s.Contact(c.added.account).Listed() && s.Requests() == 0
	})
}

// done waits until all the changes have happened, for these people and for those of the circle.
func (c *circle) done(who ...*person) {
	c.added.t.Helper()
	for _, ada := range who {
		ada.until("all is done", func(s *state.State) bool {
			added, accepted := s.Contact(c.added.account), s.Contact(c.accepted.account)
			return s.Unsaved() == 0 && s.Requests() == 0 && s.Refusals() == 0 &&
				s.Name(c.renamed.account) == "Amazing" && friend(s, c.renamed.account) && s.Contact(c.removed.account) == nil &&
				added != nil && added.InRoster && added.Asked && added.Name == "Added" &&
				accepted.SeesUs() && accepted.Asked && s.Contact(c.declined.account) == nil
		})
	}
	ada := who[0].account
	c.added.until("the request", func(s *state.State) bool { return asks(s, ada) })
	c.accepted.until("the answer, and hers", func(s *state.State) bool {
		return s.Contact(ada).Subscription == state.SubscriptionTo && asks(s, ada)
	})
	c.declined.until("the answer", func(s *state.State) bool {
		return !s.Contact(ada).Asked && s.Contact(ada).Subscription == state.SubscriptionNone
	})
	c.removed.until("the end", func(s *state.State) bool { return s.Contact(ada).Subscription == state.SubscriptionNone })
}

// once fails unless each change was sent once.
func (c *circle) once(t *testing.T, sent []string) {
	t.Helper()
	n := func(all ...string) (n int) {
		for _, doc := range sent {
			has := true
			for _, part := range all {
				has = has && strings.Contains(doc, part)
			}
			if has {
				n++
			}
		}
		return n
	}
	for what, n := range map[string]int{
		"renamed":       n("<item ", `"Amazing"`),
		"removed":       n("<item ", `"remove"`, string(c.removed.account)),
		"added":         n("<item ", `"Added"`),
		"asked":         n("<presence", `"subscribe"`, string(c.added.account)),
		"accepted":      n("<presence", `"subscribed"`, string(c.accepted.account)),
		"asked in turn": n("<presence", `"subscribe"`, string(c.accepted.account)),
		"declined":      n("<presence", `"unsubscribed"`, string(c.declined.account)),
	} {
		if n != 1 {
			t.Errorf("%s %d times", what, n)
		}
	}
	if n("<item ", `"First"`) != 0 {
		t.Error("what was changed again before it could leave has left")
	}
}

// Changes of contacts without a connection are made once when there is one.
func TestContacts_ChangedOffline(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		for _, restarted := range []bool{false, true} {
			name := "resumed"
			if restarted {
				if name = "a new stream"; !p.lossless {
					continue // after its restart this server has no rosters
				}
			}
			t.Run(name, func(t *testing.T) {
				ada := p.person(t)
				network := dig(t, p)
				ada.server = network.wss
				ada.here()
				c := p.circle(t, ada)
				network.cut()
				ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
				since := ada.wire.now()
				c.change(ada)
				c.pends(ada)
				if restarted {
					p.stop()
					p.start()
				}
				network.mend()
				ada.Do(state.Reconnect{})
				for _, who := range []*person{c.renamed, c.removed, c.added, c.accepted, c.declined} {
					who.Do(state.Reconnect{})
				}
				c.done(ada)
				c.once(t, ada.wire.sent(since))
				c.done(ada, p.device(t, ada.account).here()) // the new device requests the roster
			})
		}
	})
}

// Changes that were sent over a dead connection, before the loss was noticed, are made later.
func TestContacts_ChangedOnADeadStream(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada := p.person(t)
		network := dig(t, p)
		ada.server = network.wss
		ada.here()
		c := p.circle(t, ada)
		network.cut()
		c.change(ada)
		ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		network.mend()
		ada.Do(state.Reconnect{})
		c.done(ada)
		c.done(ada, p.device(t, ada.account).here())
	})
}

// The same changes survive the end of the page, and work in a tab without a connection of its own.
func TestContacts_ChangesOutliveThePage(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		t.Run("reloaded", func(t *testing.T) {
			d, ada := p.remembering(t)
			c := p.circle(t, ada.person)
			d.network.cut()
			ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
			c.change(ada.person)
			c.pends(ada.person)
			d.pends()
			ada.die()
			again := d.page()
			again.Do(state.Return{Account: d.account})
			c.pends(again.person)
			d.network.mend()
			again.Do(state.Reconnect{})
			c.done(again.person)
			c.done(again.person, p.device(t, d.account).here())
			c.once(t, again.wire.sent(0))
		})
		t.Run("done in a mirror", func(t *testing.T) {
			d, ada := p.remembering(t)
			c := p.circle(t, ada.person)
			mirror := d.tab()
			agree(t, ada, mirror)
			d.network.cut()
			mirror.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
			c.change(mirror.person)
			c.pends(mirror.person)
			c.pends(ada.person)
			agree(t, ada, mirror)
			d.network.mend()
			mirror.Do(state.Reconnect{})
			c.done(ada.person, mirror.person)
			c.done(ada.person, mirror.person, p.device(t, d.account).here())
			c.once(t, ada.wire.sent(0))
			agree(t, ada, mirror)
		})
		t.Run("the one that leads dies of it", func(t *testing.T) {
			d, ada := p.remembering(t)
			c := p.circle(t, ada.person)
			mirror := d.tab()
			agree(t, ada, mirror)
			d.network.cut()
			c.change(mirror.person)
			d.pends()
			ada.die()
			d.network.mend()
			mirror.Do(state.Reconnect{})
			c.done(mirror.person)
			c.done(mirror.person, p.device(t, d.account).here())
		})
	})
}

// pends waits until all the changes are on the disk.
func (d *device) pends() {
	d.t.Helper()
	eventually(d.t, "what was done is on the disk", func() bool { return state.New().With(d.kept().Event()).Unsaved() == 5 })
}

// A change that the server refuses is undone in all tabs, which say so until somebody has read it.
func TestContacts_Refused(t *testing.T) {
	p := trialPlace(t, func(l *trial.Limits) { l.Roster = 1 })
	d, ada := p.remembering(t)
	grace, emmy := p.person(t).here(), p.person(t).here()
	mirror := d.tab()
	mirror.Do(state.AddContact{JID: grace.account, Name: "Grace"})
	grace.until("the request", func(s *state.State) bool { return asks(s, d.account) })
	mirror.Do(state.AddContact{JID: emmy.account, Name: "Emmy"})
	for _, tab := range []*page{ada, mirror} {
		s := tab.until("the refusal", func(s *state.State) bool { return s.Refusals() == 1 && s.Unsaved() == 0 })
		if c := s.Contact(emmy.account); c.Listed() || !strings.HasPrefix(c.Refused, "could not be added to your contacts. ") || s.Called(emmy.account) != "" {
			t.Errorf("%+v", c)
		}
		if c := s.Contact(grace.account); !c.InRoster || c.Name != "Grace" {
			t.Errorf("the honest one is %+v", c)
		}
	}
	mirror.Do(state.DismissRefusal{JID: emmy.account})
	for _, tab := range []*page{ada, mirror} {
		tab.until("it is read", func(s *state.State) bool { return s.Refusals() == 0 && s.Contact(emmy.account) == nil })
	}
	mirror.Do(state.RemoveContact{JID: grace.account})
	ada.until("there is room", func(s *state.State) bool { return s.Contact(grace.account) == nil })
	mirror.Do(state.AddContact{JID: emmy.account, Name: "Emmy"})
	emmy.until("the request", func(s *state.State) bool { return asks(s, d.account) })
}
