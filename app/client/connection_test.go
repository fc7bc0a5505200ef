//go:build linux

package client_test

import (
	"crypto/tls"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"natter/app/client"
	"natter/app/state"
)

func TestM07_ResumeOverALostConnection(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace := p.person(t), p.person(t).here()
		network := dig(t, p)
		ada.server = network.wss
		ada.here()
		befriend(ada, grace)
		ada.says(grace, "before")
		grace.hears(ada, "before")
		ada.sees(grace.account, "before", state.Delivered)
		me := ada.State().Me
		var forgot atomic.Bool
		stop := ada.Watch(func() {
			if s := ada.State(); !s.CaughtUp || !s.RosterLoaded || s.Me != me {
				forgot.Store(true)
			}
		})
		since := ada.wire.now()

		network.cut()
		ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		if c := ada.State().Connection; c.Problem == nil || c.RetryAt.IsZero() {
			t.Errorf("the person is told %+v", c)
		}
		grace.says(ada, "into the void 1")
		grace.says(ada, "into the void 2")
		ada.says(grace, "from the void 1")
		ada.says(grace, "from the void 2")
		ada.until("waiting", func(s *state.State) bool { return last(s, grace.account).Delivery == state.Queued })
		network.mend()
		ada.Do(state.Reconnect{})

		ada.until("online", func(s *state.State) bool { return s.Connection.Phase == state.Online })
		grace.hears(ada, "from the void 2")
		ada.until("hers", func(s *state.State) bool { return s.Chat(grace.conv()).Timeline.Len() == 5 })
		grace.says(ada, "after")
		ada.hears(grace, "after")
		ada.says(grace, "me too")
		ada.sees(grace.account, "me too", state.Delivered)

		grace.wants(ada.account, "before", "into the void 1", "into the void 2", "from the void 1", "from the void 2", "after", "me too")
		ada.wants(grace.account, "before", "from the void 1", "from the void 2", "into the void 1", "into the void 2", "after", "me too")
		for _, m := range ada.State().Chat(grace.conv()).Timeline.Newest(10) {
			if m.Mine && m.Delivery != state.Delivered {
				t.Errorf("%q is %v", m.Body, m.Delivery)
			}
		}
		stop()
		sent := ada.wire.sent(since)
		if count(sent, "<resume ") != 1 {
			t.Error("not resumed")
		}
		sent = slices.DeleteFunc(sent, func(doc string) bool {
			return strings.HasPrefix(doc, "<authenticate ") // it also has what is for a stream that cannot be resumed
		})
		if count(sent, "jabber:iq:roster") != 0 || count(sent, "<presence") != 0 ||
			count(sent, "urn:xmpp:mam:2") != 0 || count(sent, "urn:xmpp:carbons:2") != 0 || count(sent, "xmpp-bind") != 0 {
			t.Errorf("sent %q", sent)
		}
		if forgot.Load() {
			t.Error("in between it forgot what it knew")
		}
		if !friend(ada.State(), grace.account) {
			t.Error("the friend is gone")
		}
	})
}

// If the browser reports that there is no network, a failure is explained by that, at the form and later.
func TestOfflineIsSaidAsOffline(t *testing.T) {
	p := trialPlace(t)
	network := dig(t, p)
	var offline atomic.Bool
	account := p.account(t)
	ada := newPerson(t, account, &tls.Config{RootCAs: p.ca}, func(c *client.Config) { c.Offline = offline.Load })
	ada.server = network.wss
	for kind, is := range map[string]bool{"no-connection": false, "no-network": true} {
		network.cut()
		offline.Store(is)
		if got := ada.refused(state.SignIn{Address: string(account), Password: password, Server: ada.server}); got.Kind != kind {
			t.Errorf("offline %t: the form says %+v", is, got)
		}
		offline.Store(false)
		network.mend()
		ada.here()
		offline.Store(is)
		network.cut()
		ada.until(kind, func(s *state.State) bool {
			c := s.Connection
			return c.Phase == state.Waiting && c.Problem != nil && c.Problem.Kind == kind
		})
		ada.Do(state.SignOut{})
		ada.until("out", func(s *state.State) bool { return s.Connection == state.Connection{} })
	}
}

// The server forgets the stream while the client is cut off. The messages of both sides from that
// time arrive, and nothing twice.
func TestM08_M09_NewSessionAfterARestart(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace := p.person(t), p.person(t).here()
		network := dig(t, p)
		ada.server = network.wss
		ada.here()
		befriend(ada, grace)
		grace.says(ada, "before")
		ada.hears(grace, "before")
		ada.says(grace, "before 2")
		ada.sees(grace.account, "before 2", state.Delivered)

		network.cut()
		ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		ada.says(grace, "unsent")
		p.stop()
		grace.until("the loss", func(s *state.State) bool { return s.Connection.Phase != state.Online })
		p.start()
		grace.Do(state.Reconnect{})
		grace.until("back", settled)
		grace.says(ada, "while you were away")
		grace.sees(ada.account, "while you were away", state.OnServer)
		since := ada.wire.now()
		network.mend()
		ada.Do(state.Reconnect{})
		ada.until("back", settled)

		grace.hears(ada, "unsent")
		ada.until("hers", func(s *state.State) bool { return s.Chat(grace.conv()).Timeline.Len() == 4 })
		grace.says(ada, "after")
		ada.hears(grace, "after")
		ada.wants(grace.account, "before", "before 2", "unsent", "while you were away", "after")
		grace.wants(ada.account, "before", "before 2", "while you were away", "unsent", "after")
		if m := last(grace.State(), ada.account); m.Body != "after" || grace.State().Chat(ada.conv()).Unread != 0 {
			t.Errorf("after her own words %d are unread", grace.State().Chat(ada.conv()).Unread)
		}
		sent := ada.wire.sent(since)
		if count(sent, ">unsent<") != 1 || count(sent, "jabber:iq:roster") != 1 || count(sent, "urn:xmpp:mam:2") == 0 {
			t.Errorf("sent %q", sent)
		}
		if p.lossless {
			for _, pair := range [][2]*person{{ada, grace}, {grace, ada}} {
				pair[0].until("the friend is back", func(s *state.State) bool { return friend(s, pair[1].account) })
			}
		}
	})
}

// C05: if the stream is lost with the connection, the archive is read before a message is sent again that
// was on its way.
func TestM09_DoubtIsSettledByTheArchive(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		if !p.lossless {
			return // after its restart this server has no archive to read
		}
		ada, grace := p.person(t), p.person(t).here()
		network := dig(t, p)
		ada.server = network.wss
		ada.here()
		befriend(ada, grace)
		ada.says(grace, "in doubt")
		grace.hears(ada, "in doubt")
		network.cut()
		ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		p.stop()
		p.start()
		grace.Do(state.Reconnect{})
		network.mend()
		ada.Do(state.Reconnect{})
		for _, who := range []*person{ada, grace} {
			who.until("back", settled)
		}
		ada.says(grace, "no doubt")
		grace.hears(ada, "no doubt")
		ada.wants(grace.account, "in doubt", "no doubt")
		grace.wants(ada.account, "in doubt", "no doubt")
	})
}
