//go:build linux

package client_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/store/storetest"
	"natter/server/trial"
)

// tab opens one more tab of a device that remembers its account, and waits until it shows that it is online,
// by itself or through the leader.
func (d *device) tab() *page {
	d.t.Helper()
	return d.page().back()
}

// shown returns all of a state that a person can see.
func shown(s *state.State) string {
	var lines []string
	for c := range s.Contacts {
		plain := *c
		plain.Rev = 0
		lines = append(lines, fmt.Sprintf("contact %+v", plain))
	}
	for c := range s.Chats {
		lines = append(lines, fmt.Sprint("chat ", c.Conv, c.Resource, c.Unread, c.ReadTo, c.Seam, c.Typing, s.Gaps(c.Conv)))
		for _, m := range c.Timeline.Newest(10_000) {
			lines = append(lines, fmt.Sprint(c.Conv, m.Key, m.ID, m.ArchiveID, m.Author, m.Mine, m.Body, m.At.UnixMicro(), m.Delivery, m.Problem))
		}
	}
	slices.Sort(lines)
	c := s.Connection
	return fmt.Sprintf("%s %+v %v %v %v %s\n%s", s.Me, s.OwnPresence, s.RosterLoaded, s.CaughtUp, c.Phase, c.Endpoint,
		strings.Join(lines, "\n"))
}

// agree waits until all tabs show the same.
func agree(t *testing.T, tabs ...*page) {
	t.Helper()
	late := time.Now().Add(patience)
	for {
		want := shown(tabs[0].State())
		if !slices.ContainsFunc(tabs, func(pg *page) bool { return shown(pg.State()) != want }) {
			return
		}
		if time.Now().After(late) {
			for i, pg := range tabs {
				t.Errorf("tab %d shows %s", i, shown(pg.State()))
			}
			t.FailNow()
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestPromise16_AMirrorDoesEverything(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		befriend(ada.person, grace)
		mirror, third := d.tab(), d.tab()
		agree(t, ada, mirror, third)

		mirror.says(grace, "from the mirror")
		grace.hears(mirror.person, "from the mirror")
		mirror.sees(grace.account, "from the mirror", state.Delivered)
		grace.says(mirror.person, "to all")
		for _, pg := range []*page{ada, mirror, third} {
			pg.hears(grace, "to all")
		}
		third.Do(state.ReadChat{Conv: grace.conv()})
		ada.until("read there", func(s *state.State) bool { return s.Chat(grace.conv()).Unread == 0 })
		agree(t, ada, mirror, third)

		mirror.Do(state.SetPresence{Presence: state.Presence{Show: state.DND, Status: "in the mirror"}})
		grace.until("her presence", func(s *state.State) bool {
			return s.Contact(d.account).Presence().Status == "in the mirror"
		})
		mirror.Do(state.RenameContact{JID: grace.account, Name: "Amazing"})
		for _, pg := range []*page{ada, mirror, third} {
			pg.until("the name", func(s *state.State) bool { return s.Name(grace.account) == "Amazing" })
		}
		grace.Do(state.Typing{Conv: d.conv(), Typing: true})
		third.until("she types", func(s *state.State) bool { return s.Chat(grace.conv()).Typing })
		third.Do(state.Typing{Conv: grace.conv(), Typing: true})
		grace.until("we type", func(s *state.State) bool { return s.Chat(d.conv()).Typing })
		agree(t, ada, mirror, third)

		d.network.cut()
		mirror.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		mirror.says(grace, "in the tunnel")
		third.until("queued", func(s *state.State) bool {
			m := last(s, grace.account)
			return m.Body == "in the tunnel" && m.Delivery == state.Queued
		})
		d.network.mend()
		mirror.Do(state.Reconnect{})
		grace.hears(mirror.person, "in the tunnel")
		third.sees(grace.account, "in the tunnel", state.Delivered)
		agree(t, ada, mirror, third)
		if mirror.wire.Dials()+third.wire.Dials() != 0 {
			t.Error("a mirror has dialed")
		}
		ada.wants(grace.account, "from the mirror", "to all", "in the tunnel")
		grace.wants(d.account, "from the mirror", "to all", "in the tunnel")
	})
}

// While the leader cannot commit, because the disk is full, a mirror keeps its requests.
func TestPromise16_Promise13_AMirrorBesideAFullDisk(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		mirror := d.tab()
		agree(t, ada, mirror)
		d.network.cut()
		mirror.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		d.Fail(store.ErrQuota)
		mirror.says(grace, "kept nowhere")
		ada.until("heard and not kept", func(s *state.State) bool { return s.Storage != nil && last(s, grace.account) != nil })
		agree(t, ada, mirror)
		ada.die()
		d.Fail(nil)
		mirror.onDisk("kept nowhere")
		d.network.mend()
		mirror.Do(state.Reconnect{})
		grace.hears(mirror.person, "kept nowhere")
		mirror.sees(grace.account, "kept nowhere", state.OnServer)
		grace.wants(d.account, "kept nowhere")
	})
}

// A failed message that only a mirror has in memory can be retried or deleted there.
func TestPromise16_AMirrorReadsFurtherBack(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		// tabs returns two tabs, of which only the mirror shows a message that could not be sent.
		tabs := func(t *testing.T) (d *device, grace *person, ada, mirror *page) {
			d, ada = p.remembering(t)
			grace = p.person(t).here()
			for i := range 60 {
				grace.says(ada.person, fmt.Sprint("hers ", i))
			}
			ada.hears(grace, "hers 59")
			eventually(t, "it is kept", func() bool { return len(d.rows(grace)) == 60 })
			ada.die()
			d.failed(grace, "long ago")
			d.network.mend()
			ada = d.page().back()
			mirror = d.tab()
			mirror.Do(state.LoadOlder{Conv: grace.conv()})
			mirror.until("the page before", func(*state.State) bool { return len(mirror.bodies(grace.account)) == 61 })
			if len(ada.bodies(grace.account)) != 50 {
				t.Fatal("the leader has read it too: the test cannot fail")
			}
			return d, grace, ada, mirror
		}
		t.Run("sent again", func(t *testing.T) {
			aside(t)
			d, grace, ada, mirror := tabs(t)
			mirror.Do(state.RetryMessage{Conv: grace.conv(), ID: "long ago"})
			grace.hears(mirror.person, "long ago")
			eventually(t, "the disk says so", func() bool { return d.rows(grace)[0].Delivery == "server" })
			agree(t, ada, mirror)
			if got := grace.by(d.account, false); !slices.Equal(got, []string{"long ago"}) {
				t.Errorf("she has %q", got)
			}
		})
		t.Run("deleted", func(t *testing.T) {
			aside(t)
			d, grace, ada, mirror := tabs(t)
			mirror.Do(state.DeleteMessage{Conv: grace.conv(), ID: "long ago"})
			eventually(t, "it is not on the disk", func() bool { return len(d.rows(grace)) == 60 })
			agree(t, ada, mirror)
			if slices.Contains(append(d.said(grace), ada.bodies(grace.account)...), "long ago") {
				t.Error("it is still there")
			}
		})
	})
}

// failed writes to the disk, before all other messages, one that could not be sent. Its id is its text.
func (d *device) failed(to *person, body string) {
	d.t.Helper()
	s, err := d.Memory.Open(d.t.Context(), d.account)
	if err != nil {
		d.t.Fatal(err)
	}
	defer s.Close()
	at := d.rows(to)[0].Time - 1
	if err := s.Commit(d.t.Context(), &store.Batch{Rows: storetest.Rows(&state.MessageRow{
		Conv: to.conv(), At: at, Delivery: "failed", Message: state.Message{
			Key: state.Key{Time: at, Seq: -1000}, ID: body, Author: d.account, Mine: true, Body: body, Problem: "There is no connection.",
		},
	})}); err != nil {
		d.t.Fatal(err)
	}
}

// If a mirror takes over and cannot read the disk, it sends its own requests that no leader has confirmed.
func TestPromise16_TakesOverWithoutTheDisk(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		mirror := d.tab()
		agree(t, ada, mirror)
		mirror.mu.Lock()
		mirror.unread = true
		mirror.mu.Unlock()
		d.bus.suspend()
		mirror.says(grace, "only here")
		mirror.sees(grace.account, "only here", state.Queued)
		ada.vanish()
		grace.hears(mirror.person, "only here")
		mirror.sees(grace.account, "only here", state.OnServer)
		mirror.says(grace, "after that")
		grace.hears(mirror.person, "after that")
		mirror.wants(grace.account, "only here", "after that")
		mirror.once(grace, "only here")
	})
}

// once reloads a page, with a disk that can be read, and fails unless a message has come to somebody exactly
// once after that.
func (pg *page) once(to *person, body string) {
	pg.t().Helper()
	next := pg.reload().back()
	next.says(to, "after the reload")
	to.hears(next.person, "after the reload")
	if n := count(to.wire.received(0), ">"+body+"<"); n != 1 {
		pg.t().Errorf("%q came %d times", body, n)
	}
}

// If a mirror takes over and cannot read the disk, only the archive shows whether a queued message has
// arrived.
func TestPromise16_M09_TakesOverInDoubtWithoutTheDisk(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		mirror := d.tab()
		agree(t, ada, mirror)
		mirror.mu.Lock()
		mirror.unread = true
		mirror.mu.Unlock()
		ada.mu.Lock()
		ada.cut = func(b *store.Batch) moment {
			for _, m := range storetest.Of[*state.MessageRow](b.Rows) {
				if m.Body == "arrived" && m.Out == 0 {
					return beforeIt // no tab learns that the server has it
				}
			}
			return never
		}
		ada.mu.Unlock()
		mirror.says(grace, "arrived")
		grace.hears(mirror.person, "arrived")
		<-ada.gone
		d.network.mend()
		mirror.Do(state.Reconnect{})
		mirror.sees(grace.account, "arrived", state.OnServer)
		mirror.says(grace, "after that")
		grace.hears(mirror.person, "after that")
		grace.wants(d.account, "arrived", "after that")
		mirror.wants(grace.account, "arrived", "after that")
		mirror.once(grace, "arrived")
	})
}

// If the leader dies before it has confirmed an invitation and the change of a subject, each leaves once: the next leader
// sends what is in the outbox, or carries out the request itself.
func TestPromise16_J22_J24_OnceForAll(t *testing.T) {
	for name, when := range map[string]moment{"before the commit": beforeIt, "after the commit": afterIt} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, p *place) {
				d, ada := p.remembering(t)
				grace, alan := p.person(t).here(), p.person(t).here()
				room := p.room(d.account.Local())
				in := func(s *state.State) bool { r := s.Room(room); return r != nil && r.Step == state.Inside && !r.Locked }
				ada.Do(state.JoinRoom{Room: room, Nick: "ada", Create: true})
				ada.until("in the room", in)
				alan.Do(state.JoinRoom{Room: room, Nick: "alan", Seen: true})
				alan.until("in the room", in)
				mirror := d.tab()
				mirror.until("the room", in)
				for _, wanted := range []struct {
					in   state.Intent
					sent string
				}{
					{state.ChangeSubject{Room: room, Subject: "Tea"}, "<subject>Tea</subject>"},
					{state.Invite{Room: room, Who: []jid.JID{grace.account}}, "jabber:x:conference"},
				} {
					leader := d.bus.leader()
					leader.mu.Lock()
					leader.cut = func(b *store.Batch) moment {
						for _, o := range storetest.Of[*state.Outgoing](b.Rows) {
							if strings.Contains(o.XML, wanted.sent) {
								return when
							}
						}
						return never
					}
					leader.mu.Unlock()
					mirror.Do(wanted.in)
					<-leader.gone
					d.network.mend()
					mirror.Do(state.Reconnect{})
					mirror.until("in the room", in)
					mirror = d.tab()
					mirror.until("the room", in)
				}
				alan.until("the subject", func(s *state.State) bool { return s.Room(room).Subject == "Tea" })
				grace.until("the invitation", func(s *state.State) bool { return s.Invitation(room) != nil })
				mirror.says(grace, "the last")
				grace.hears(mirror.person, "the last")
				if n := count(grace.wire.received(0), "jabber:x:conference"); n != 1 {
					t.Errorf("%d invitations have come", n)
				}
				mirror.Do(state.SendMessage{Conv: state.Groupchat.With(room), Body: "the last"})
				alan.until("the last", func(s *state.State) bool {
					m := s.Chat(state.Groupchat.With(room)).Timeline.Last()
					return m != nil && m.Body == "the last"
				})
				if n := count(alan.wire.received(0), "<subject>Tea</subject>"); n != 1 {
					t.Errorf("the subject has come %d times", n)
				}
			})
		})
	}
}

// A tab that opens while the leader hangs shows what is kept, and takes over after some asks without an answer.
// The tab that hung becomes a mirror.
func TestPromise16_ASuspendedLeader(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		grace.says(ada.person, "before")
		ada.hears(grace, "before")
		eventually(t, "it is kept", func() bool { return len(d.kept().Ends[grace.conv()].Messages) == 1 })
		resume := d.bus.suspend()
		mirror := d.page()
		mirror.Do(state.Return{Account: d.account})
		s := mirror.until("what is kept", func(s *state.State) bool { return s.Chat(grace.conv()) != nil })
		if s.Connection.Phase != state.Connecting {
			t.Errorf("it says %+v", s.Connection)
		}
		mirror.says(grace, "is nobody there?")
		grace.hears(mirror.person, "is nobody there?")
		if d.bus.leader() != mirror {
			t.Error("the mirror does not lead")
		}
		ada.says(grace, "from the suspended")
		grace.says(mirror.person, "after")
		mirror.until("after", func(s *state.State) bool { return slices.Contains(mirror.bodies(grace.account), "after") })
		resume()
		for _, pg := range []*page{ada, mirror} {
			pg.until("all of it", func(*state.State) bool { return len(pg.bodies(grace.account)) == 4 })
		}
		grace.hears(ada.person, "from the suspended")
		agree(t, ada, mirror)
		if count(mirror.wire.received(0), "<conflict")+count(ada.wire.sent(0), "<resume ") > 0 {
			t.Error("they fought over the stream")
		}
	})
}

// If a tab is closed while the leader hangs, the other tabs keep the requests of that tab: bye has them.
func TestPromise16_AWill(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		mirror, heir := d.tab(), d.tab()
		agree(t, ada, mirror, heir)
		d.bus.suspend()
		mirror.says(grace, "one")
		mirror.says(grace, "two")
		mirror.until("to have said it", func(s *state.State) bool { m := last(s, grace.account); return m != nil && m.Body == "two" })
		mirror.vanish()
		grace.hears(heir.person, "two")
		heir.sees(grace.account, "two", state.OnServer)
		grace.wants(d.account, "one", "two")
	})
}

// If messages between tabs are lost or come twice, no message of the person is lost or doubled, and the tabs
// agree.
func TestPromise16_ABadChannel(t *testing.T) {
	aside(t)
	p := trialPlace(t)
	d, ada := p.remembering(t)
	grace := p.person(t).here()
	befriend(ada.person, grace)
	mirror := d.tab()
	const seed = 3
	random := rand.New(rand.NewPCG(seed, seed))
	lost, doubled := 0, 0
	d.bus.mu.Lock()
	d.bus.copies = func(string) int {
		switch random.IntN(6) {
		case 0:
			lost++
			return 0
		case 1:
			doubled++
			return 2
		}
		return 1
	}
	d.bus.mu.Unlock()
	ours, hers := []string{}, []string{}
	for i := range 40 {
		ours, hers = append(ours, fmt.Sprint("ours ", i)), append(hers, fmt.Sprint("hers ", i))
		mirror.says(grace, ours[i])
		grace.says(mirror.person, hers[i])
		if i%10 == 9 {
			grace.until("ours", func(*state.State) bool { return len(grace.by(d.account, false)) == len(ours) })
		}
	}
	ada.until("all of hers", func(*state.State) bool { return len(ada.by(grace.account, false)) == len(hers) })
	if got := grace.by(d.account, false); !slices.Equal(got, ours) {
		t.Errorf("she has %q", got)
	}
	for _, pg := range []*page{ada, mirror} {
		eventually(t, "all of hers and ours, in memory or from the disk", func() bool {
			if pg.State().Chat(grace.conv()).Earlier() { // older messages have left memory, or were not loaded again
				pg.Do(state.LoadOlder{Conv: grace.conv()})
				time.Sleep(50 * time.Millisecond)
			}
			return slices.Equal(pg.by(grace.account, false), hers) && slices.Equal(pg.by(grace.account, true), ours)
		})
	}
	agree(t, ada, mirror)
	d.bus.mu.Lock()
	defer d.bus.mu.Unlock()
	if lost < 5 || doubled < 5 {
		t.Errorf("only %d lost and %d doubled", lost, doubled)
	}
}

// A sign-in with the password takes the lead from another tab. If the password is wrong, the other tab leads
// again.
func TestPromise16_SignInBesideALeader(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		other := d.page()
		other.Do(state.SignIn{Address: string(d.account), Password: "battery staple", Server: other.server, Remember: true})
		s := other.until("an answer", func(s *state.State) bool { return s.Connection.Problem != nil })
		blank(t, s)
		ada.until("back", settled)
		ada.says(grace, "still here")
		grace.hears(ada.person, "still here")
		other.here()
		ada.until("back", settled)
		other.says(grace, "both")
		ada.sees(grace.account, "both", state.OnServer)
		grace.hears(ada.person, "both")
		agree(t, ada, other)
		if d.bus.leader() != other {
			t.Error("who signed in does not lead")
		}
	})
}

// A leader that yields may need longer to close its socket than a mirror waits for a leader. It does not take
// the lead back.
func TestPromise16_YieldsSlowly(t *testing.T) {
	aside(t)
	p := trialPlace(t)
	d, ada := p.remembering(t)
	grace := p.person(t).here()
	ada.slow.Store(true)
	other := d.page()
	other.here()
	ada.until("back", settled)
	other.says(grace, "here")
	ada.sees(grace.account, "here", state.OnServer)
	agree(t, ada, other)
	if d.bus.leader() != other {
		t.Error("who signed in does not lead")
	}
}

// spoil makes the kept credential invalid.
func (d *device) spoil(pg *page) {
	d.t.Helper()
	d.mu.Lock()
	old := *d.credential
	if old.Token == "" {
		d.credential = worthless(old)
	}
	d.mu.Unlock()
	if old.Token == "" {
		return
	}
	if err := pg.connector.Invalidate(d.t.Context(), connect.Request{Account: d.account, Credential: &old, Server: d.network.wss}); err != nil {
		d.t.Fatal(err)
	}
}

// If all tabs need the password, it is typed in one of them. The others go on too, after the server has
// accepted it.
func TestPromise16_SignInForAll(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		grace.says(ada.person, "before")
		ada.hears(grace, "before")
		ada = ada.reload().back() // without the password
		second, third := d.tab(), d.tab()
		tabs := []*page{ada, second, third}
		agree(t, tabs...)
		told := func(phase state.Phase) func(s *state.State) bool {
			return func(s *state.State) bool {
				c := s.Connection
				return c.Phase == phase && c.Problem != nil && c.Problem.Kind == "sign-in-expired" && c.Problem.Field == "password"
			}
		}
		expired := told(state.SignedOut)
		d.spoil(ada)
		d.network.cut()
		d.network.mend()
		for _, pg := range tabs {
			pg.until("asked in place", told(state.Stopped))
			pg.wants(grace.account, "before")
		}
		ada.die() // the next leader has had no session since it was opened, so all tabs show the form
		for _, pg := range tabs[1:] {
			blank(t, pg.until("the form", expired))
		}
		tabs[0] = d.page()
		d.network.mend()
		tabs[0].Do(state.Return{Account: d.account})
		blank(t, tabs[0].until("the form", expired))

		second.Do(state.SignIn{Address: string(d.account), Password: "battery staple", Server: second.server, Remember: true})
		second.until("refused", func(s *state.State) bool {
			return s.Connection.Problem != nil && s.Connection.Problem.Kind != "sign-in-expired"
		})
		for _, pg := range []*page{tabs[0], third} {
			if s := pg.State(); !expired(s) {
				t.Errorf("a wrong password elsewhere, and it is %+v", s.Connection)
			}
		}
		third.here()
		for _, pg := range tabs {
			pg.until("signed in", settled)
			pg.hears(grace, "before")
		}
		agree(t, tabs...)
		tabs[0].says(grace, "from one that followed")
		grace.hears(tabs[0].person, "from one that followed")
		if d.bus.leader() != third {
			t.Error("who signed in does not lead")
		}
		t.Run("but not who has signed out", func(t *testing.T) {
			tabs[0].Do(state.SignOut{})
			for _, pg := range tabs {
				blank(t, pg.until("out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut }))
			}
			second.here()
			second.says(grace, "alone")
			grace.hears(second.person, "alone")
			for _, pg := range []*page{tabs[0], third} {
				blank(t, pg.State())
			}
		})
	})
}

// If the password is needed while tabs are open, each of them asks for it in place.
func TestPromise16_PasswordForAll(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		ada = ada.reload().back() // without the password
		second := d.tab()
		d.spoil(ada)
		d.network.cut()
		d.network.mend()
		asked := func(kind string) {
			t.Helper()
			for _, pg := range []*page{ada, second} {
				pg.until(kind, func(s *state.State) bool {
					c := s.Connection
					return c.Phase == state.Stopped && c.Problem != nil && c.Problem.Kind == kind
				})
			}
		}
		asked("sign-in-expired")
		second.says(grace, "unsent")
		second.Do(state.GivePassword{Password: "battery staple"})
		asked("wrong-password")
		second.Do(state.GivePassword{Password: password})
		for _, pg := range []*page{ada, second} {
			pg.until("signed in", settled)
		}
		grace.hears(second.person, "unsent")
		agree(t, ada, second)
		if d.bus.leader() != ada {
			t.Error("another tab leads")
		}
	})
}

// Somebody signs out in a mirror, and closes it, while the leader hangs. The next leader carries that out, even
// days later, or the tab that hung does.
func TestPromise16_SignOutBesideALeaderThatHangs(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		for _, tc := range []struct {
			name string
			next func(t *testing.T, d *device, leader, third *page, resume func())
		}{
			{"the browser is started again", func(t *testing.T, d *device, leader, third *page, _ func()) {
				third.vanish()
				leader.vanish()
				d.mu.Lock()
				out := d.out
				d.mu.Unlock()
				next := d.page()
				stop := next.Watch(func() {
					if s := next.State(); s.Connection.Phase != state.SignedOut || s.Me != "" {
						t.Errorf("it shows %s, %v", s.Me, s.Connection.Phase)
					}
				})
				defer stop()
				next.Do(state.Return{Account: d.account, Out: out})
				d.removed(t)
			}},
			{"another tab takes over", func(t *testing.T, d *device, leader, third *page, _ func()) {
				leader.vanish()
				d.removed(t)
				blank(t, third.until("out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut }))
			}},
			{"the one that hung goes on", func(t *testing.T, d *device, leader, third *page, resume func()) {
				third.vanish()
				resume()
				d.removed(t)
				blank(t, leader.until("out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut }))
			}},
		} {
			t.Run(tc.name, func(t *testing.T) {
				d, leader := p.remembering(t)
				grace := p.person(t).here()
				leader.says(grace, "secret")
				leader.onDisk("secret")
				third, mirror := d.tab(), d.tab()
				agree(t, leader, third, mirror)
				third.Hide(true) // a hidden tab does not take the lead from one that hangs
				resume := d.bus.suspend()
				mirror.Do(state.SignOut{})
				blank(t, mirror.until("out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut }))
				mirror.Leave()
				mirror.vanish()
				if d.kept().Empty() || d.credential == nil {
					t.Fatal("it is done already: the test cannot fail")
				}
				tc.next(t, d, leader, third, resume)
			})
		}
	})
}

// vanish is die without the end of the network.
func (pg *page) vanish() {
	pg.leave()
	pg.bus.gone(pg)
}

// removed waits until the device has nothing of the account any more.
func (d *device) removed(t *testing.T) {
	t.Helper()
	eventually(t, "nothing is left", func() bool {
		d.mu.Lock()
		forgotten, credential := d.forgotten, d.credential
		d.mu.Unlock()
		return forgotten && credential == nil && d.kept().Empty()
	})
}

func TestPromise16_AnotherBuild(t *testing.T) {
	p := trialPlace(t)
	d, old := p.remembering(t)
	grace := p.person(t).here()
	d.build = 1
	next := d.tab()
	s := old.until("the update", func(s *state.State) bool { return s.Connection.Phase == state.Stopped })
	if pr := s.Connection.Problem; pr == nil || pr.Kind != "another-build" || pr.Text == "" || pr.Advice == "" {
		t.Errorf("told %+v", pr)
	}
	resumed(t, next.wire.sent(0))
	next.says(grace, "hello")
	grace.hears(next.person, "hello")
	d.build = 0
	late := d.page()
	late.Do(state.Return{Account: d.account})
	late.until("the update", func(s *state.State) bool { return s.Connection.Phase == state.Stopped })
	next.says(grace, "still here")
	grace.hears(next.person, "still here")
	if d.bus.leader() != next {
		t.Error("the newer tab does not lead")
	}
	t.Run("and can sign out all the same", func(t *testing.T) {
		late.Do(state.SignOut{})
		blank(t, next.until("out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut }))
	})
}

// If the server ends the session because another client has taken the stream, no tab connects again by itself,
// and all tabs say why.
func TestPromise16_ConflictIsFinalForAllTabs(t *testing.T) {
	p := trialPlace(t)
	d, ada := p.remembering(t)
	mirror := d.tab()
	eventually(t, "the stream is kept", func() bool { return d.kept().Stream != nil })
	thief := &device{t: t, place: p, account: d.account, network: dig(t, p), credential: d.credential}
	s, err := thief.Memory.Open(t.Context(), d.account)
	if err == nil {
		err = s.Commit(t.Context(), &store.Batch{Rows: storetest.Rows(storetest.Of[*state.Account](d.kept().Rows)[0]), Stream: d.kept().Stream})
	}
	if err != nil {
		t.Fatal(err)
	}
	thief.tab()
	for _, pg := range []*page{ada, mirror} {
		s := pg.until("the end", func(s *state.State) bool { return s.Connection.Phase == state.Stopped })
		if s.Connection.Problem == nil || s.Connection.Problem.Kind != "signed-in-elsewhere" || s.Connection.Problem.Text == "" {
			t.Errorf("told %+v", s.Connection)
		}
	}
	if dials := ada.wire.Dials() + mirror.wire.Dials(); dials != 1 {
		t.Errorf("dialed %d times", dials)
	}
}

// crowd has the tabs of a device, some of which die.
type crowd struct {
	*device
	mu   sync.Mutex
	tabs []*page
}

func (c *crowd) open() *page {
	pg := c.page()
	pg.Do(state.Return{Account: c.account})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tabs = append(c.tabs, pg)
	return pg
}

// alive drops the tabs that are dead.
func (c *crowd) alive() []*page {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tabs = slices.DeleteFunc(c.tabs, (*page).isDead)
	return slices.Clone(c.tabs)
}

// Somebody writes in five tabs. The leader dies again and again: between two turns, or before or after a
// commit.
func TestPromise16_TheLeaderDies(t *testing.T) {
	deaths := 40
	if os.Getenv("PROVE") == "full" {
		deaths = 500
	}
	p := trialPlace(t, func(l *trial.Limits) { l.Rotation = 1 }) // each token works for one sign-in
	const seed = 16
	random := rand.New(rand.NewPCG(seed, seed))
	d, first := p.remembering(t)
	grace := p.person(t).here()
	first.says(grace, "ours, the first")
	grace.hears(first.person, "ours, the first")
	c := &crowd{device: d, tabs: []*page{first}}
	for range 4 {
		c.open()
	}
	ours, hers := []string{"ours, the first"}, []string{}
	typed := map[*page][]string{}
	for i := range deaths {
		leader := d.bus.leader()
		if leader == nil || leader.isDead() {
			eventually(t, "somebody leads", func() bool { l := d.bus.leader(); return l != nil && !l.isDead() })
			leader = d.bus.leader()
		}
		// The page is killed only after its messages are on the disk. Nothing is promised for a message
		// that is typed at the moment when the page dies.
		for _, body := range typed[leader] {
			leader.onDisk(body)
		}
		commits, at := random.IntN(6), beforeIt
		if random.IntN(2) == 1 {
			at = afterIt
		}
		leader.mu.Lock()
		leader.cut = func(*store.Batch) moment {
			if commits--; commits == 0 {
				return at
			}
			return never
		}
		leader.mu.Unlock()
		for k := range random.IntN(4) {
			mirrors := slices.DeleteFunc(c.alive(), func(pg *page) bool { return pg == leader })
			body := fmt.Sprintf("ours %d.%d", i, k)
			ours = append(ours, body)
			here := mirrors[random.IntN(len(mirrors))]
			typed[here] = append(typed[here], body)
			here.says(grace, body)
			hers = append(hers, fmt.Sprintf("hers %d.%d", i, k))
			grace.Do(state.SendMessage{Conv: d.conv(), Body: hers[len(hers)-1]})
		}
		leader.die()
		d.network.mend()
		c.open()
	}
	tabs := func() []*page { return c.alive() }()
	last := tabs[len(tabs)-1]
	last.says(grace, "ours, the last")
	ours = append(ours, "ours, the last")
	for late := time.After(patience); ; {
		if got := grace.by(d.account, false); len(got) >= len(ours) {
			break
		}
		select {
		case <-grace.changed:
			continue
		case <-late:
		}
		got, kept := grace.by(d.account, false), onDisk(t, d, grace.account, true)
		for _, body := range ours {
			if !slices.Contains(got, body) {
				t.Errorf("%q did not arrive; it is on disk: %v", body, slices.Contains(kept, body))
			}
		}
		t.Logf("%s\n%s", last.describe(), d.bus.leader().wire)
		t.FailNow()
	}
	grace.Do(state.SendMessage{Conv: d.conv(), Body: "hers, the last"})
	hers = append(hers, "hers, the last")
	for _, pg := range tabs {
		pg.until("the last of hers", func(s *state.State) bool {
			theirs := pg.by(grace.account, false)
			return settled(s) && len(theirs) > 0 && theirs[len(theirs)-1] == "hers, the last"
		})
	}
	agreeOnEnd(t, grace.account, tabs)
	lost, doubled := compare(grace.by(d.account, false), ours)
	lostHere, doubledHere := compare(onDisk(t, d, grace.account, false), hers)
	lostMine, doubledMine := compare(onDisk(t, d, grace.account, true), ours)
	if lost+lostHere+lostMine+doubled+doubledHere+doubledMine > 0 {
		t.Errorf("lost %d, %d and %d, doubled %d, %d and %d", lost, lostHere, lostMine, doubled, doubledHere, doubledMine)
	}
	d.mu.Lock()
	peak := d.peak
	d.mu.Unlock()
	if peak != 1 {
		t.Errorf("%d sockets at a time", peak)
	}
	for _, pg := range tabs {
		if pg.State().Connection.Phase == state.SignedOut {
			t.Error("a sign-in form")
		}
	}
	t.Logf("P-16 natively: 5 tabs, %d leaders killed, %d messages out, %d in; lost 0, doubled 0, at most %d socket at a time",
		deaths, len(ours), len(hers), peak)
}

// agreeOnEnd waits until all tabs show the same newest messages.
func agreeOnEnd(t *testing.T, peer jid.JID, tabs []*page) {
	t.Helper()
	newest := func(pg *page) string {
		var b strings.Builder
		for _, m := range pg.State().Chat(state.Direct.With(peer)).Timeline.Newest(20) {
			fmt.Fprintln(&b, m.Key, m.ID, m.ArchiveID, m.Body, m.Delivery)
		}
		return b.String()
	}
	eventually(t, "all tabs agree", func() bool {
		for _, pg := range tabs {
			if newest(pg) != newest(tabs[0]) {
				return false
			}
		}
		return true
	})
}

func onDisk(t *testing.T, d *device, peer jid.JID, mine bool) (bodies []string) {
	t.Helper()
	s, err := d.Memory.Open(t.Context(), d.account)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.Messages(t.Context(), state.Direct.With(peer), state.Key{}, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Mine == mine {
			bodies = append(bodies, r.Body)
		}
	}
	return bodies
}

func compare(got, want []string) (lost, doubled int) {
	seen := map[string]int{}
	for _, body := range got {
		seen[body]++
		if seen[body] > 1 {
			doubled++
		}
	}
	for _, body := range want {
		if seen[body] == 0 {
			lost++
		}
	}
	return lost, doubled
}

var _ client.Link = (*end)(nil)
