//go:build linux

package client_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/store/storetest"
	"natter/framing"
)

// eventually waits until ok returns true, for what is in no state.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("waited in vain:", what)
		}
	}
}

// by returns the texts of one author in a conversation: ours if mine is true, else those of the peer.
func (p *person) by(peer jid.JID, mine bool) (all []string) {
	c := p.State().Chat(state.Direct.With(peer))
	if c == nil {
		return nil
	}
	for _, m := range c.Timeline.Newest(10_000) {
		if m.Mine == mine {
			all = append(all, m.Body)
		}
	}
	return all
}

// A draft survives the death of the page, without a network too. It is deleted when the message is sent, or
// the account signed out.
func TestADraftOutlivesThePage(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		drafts := func() (all []string) {
			for _, draft := range storetest.Of[*state.Draft](d.kept().Rows) {
				all = append(all, string(draft.Conv)+": "+draft.Text)
			}
			return all
		}
		for _, text := range []string{"Dear", "Dear Grace,"} {
			ada.Do(state.KeepDraft{Conv: grace.conv(), Text: text})
		}
		ada.Do(state.KeepDraft{Conv: "somebody@else.example", Text: "Dear you"})
		eventually(t, "the drafts are on the disk", func() bool { return len(drafts()) == 2 })
		ada.die()
		ada = d.page()
		ada.Do(state.Return{Account: d.account})
		s := ada.until("no network", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		if c := s.Chat(grace.conv()); c == nil || c.Draft != "Dear Grace," {
			t.Fatalf("the conversation is %+v", c)
		}
		if sent := grace.wire.received(0); count(sent, "Dear") != 0 {
			t.Error("a draft was sent")
		}
		ada.mu.Lock()
		ada.cut = func(b *store.Batch) moment {
			if len(storetest.Of[*state.MessageRow](b.Rows)) > 0 {
				return afterIt
			}
			return never
		}
		ada.mu.Unlock()
		ada.says(grace, "Dear Grace, hello")
		<-ada.gone
		if got := drafts(); len(got) != 1 || len(d.kept().Outbox()) != 1 {
			t.Errorf("after the first commit with the message, drafts %q, outbox %v", got, d.kept().Outbox())
		}
		ada = ada.reload().back()
		grace.hears(ada.person, "Dear Grace, hello")
		if c := ada.State().Chat(grace.conv()); c.Draft != "" {
			t.Errorf("what was sent is still a draft: %q", c.Draft)
		}
		ada.Do(state.SignOut{})
		ada.until("signed out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut })
		eventually(t, "no drafts", func() bool { return len(drafts()) == 0 })
	})
}

// After a crash, and without a network, the number of unread messages is the same, and so is the place up to
// which the person has read. Look finds that place, although it is not in memory.
func TestReadPositionsOutliveThePage(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		const n = 120
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		grace.says(ada.person, "seen")
		ada.hears(grace, "seen")
		ada.Do(state.ReadChat{Conv: grace.conv()})
		ada.until("read", func(s *state.State) bool { return s.Chat(grace.conv()).Unread == 0 })
		for i := range n {
			grace.says(ada.person, fmt.Sprint("unseen ", i))
		}
		ada.hears(grace, fmt.Sprint("unseen ", n-1))
		was := ada.State().Chat(grace.conv())
		d.unread(n)
		check := func(when string) {
			t.Helper()
			c := ada.State().Chat(grace.conv())
			if c.Unread != n || c.ReadTo != was.ReadTo {
				t.Errorf("%s: %d unread, read up to %v; was %d, %v", when, c.Unread, c.ReadTo, n, was.ReadTo)
			}
		}
		ada.die()
		ada = d.page()
		ada.Do(state.Return{Account: d.account})
		ada.until("no network", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		check("offline")
		if n := ada.State().Chat(grace.conv()).Timeline.Len(); n != 50 {
			t.Errorf("%d messages are in memory", n)
		}
		ada.Do(state.Look{Conv: grace.conv(), Unread: true})
		ada.until("where reading stopped", func(s *state.State) bool {
			m := s.Chat(grace.conv()).Timeline.Get(was.ReadTo)
			return m != nil && m.Body == "seen"
		})
		check("with all in memory")
		d.network.mend()
		ada = ada.reload().back()
		check("online again")
		ada.Do(state.ReadChat{Conv: grace.conv()})
		ada.until("read", func(s *state.State) bool { return s.Chat(grace.conv()).Unread == 0 })
		d.unread(0)
		ada = ada.reload().back()
		if c := ada.State().Chat(grace.conv()); c.Unread != 0 || c.ReadTo != c.Timeline.Last().Key {
			t.Errorf("what was read is unread: %d, %v", c.Unread, c.ReadTo)
		}
	})
}

// resumed fails the test if the stream was not resumed, or if a request was sent again whose answer is known
// (XEP-0198 §5).
func resumed(t *testing.T, sent []string) {
	t.Helper()
	if count(sent, "<resume ") != 1 {
		t.Error("not resumed")
	}
	for _, doc := range sent {
		if strings.HasPrefix(doc, "<authenticate ") {
			continue // it also has what is for a stream that cannot be resumed
		}
		for _, what := range []string{"jabber:iq:roster", "<presence", "urn:xmpp:mam:2", "urn:xmpp:carbons:2", "xmpp-bind", "disco#"} {
			if strings.Contains(doc, what) {
				t.Errorf("sent %s", doc)
			}
		}
	}
}

func TestM07_M11_AReloadedPageResumes(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		befriend(ada.person, grace)
		ada.says(grace, "before")
		grace.hears(ada.person, "before")
		ada.sees(grace.account, "before", state.Delivered)
		me := ada.State().Me

		ada.die()
		left := d.kept().Stream
		if !p.lossless && (left.MaxBytes == 0 || left.Idle == 0) {
			t.Errorf("the limits that the server has named are not kept: %+v", left)
		}
		if left.Lost != 0 {
			t.Errorf("nobody knows that the connection was lost: %+v", left)
		}
		for _, body := range []string{"one", "two", "three"} {
			grace.says(ada.person, body)
			grace.sees(d.account, body, state.OnServer)
		}
		d.network.mend()
		ada = d.page()
		ada.gate = make(chan struct{})
		ada.Do(state.Return{Account: d.account})
		s := ada.until("what was kept", func(s *state.State) bool { return s.Chat(grace.conv()) != nil })
		if s.Connection.Phase != state.Connecting || s.Me != me || !friend(s, grace.account) || !s.RosterLoaded ||
			!slices.Equal(ada.bodies(grace.account), []string{"before"}) || ada.wire.Dials() != 0 {
			t.Errorf("before there is a network: %s", ada.describe())
		}
		close(ada.gate)
		ada.hears(grace, "three")
		grace.says(ada.person, "after")
		ada.hears(grace, "after")
		ada.says(grace, "me too")
		ada.sees(grace.account, "me too", state.Delivered)

		ada.wants(grace.account, "before", "one", "two", "three", "after", "me too")
		grace.wants(d.account, "before", "one", "two", "three", "after", "me too")
		if s := ada.State(); s.Me != me || !friend(s, grace.account) {
			t.Errorf("%s is bound: %s", s.Me, ada.describe())
		}
		resumed(t, ada.wire.sent(0))
		if now := d.kept().Stream; now.MaxBytes != left.MaxBytes || now.Idle != left.Idle {
			t.Errorf("the limits were %d bytes, %d µs and are %d, %d", left.MaxBytes, left.Idle, now.MaxBytes, now.Idle)
		}
	})
}

func TestSec61_Promise5_TheOutboxOutlivesThePage(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		const n = 50
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		since := grace.wire.now()
		var all []string
		for i := range n {
			if i == 0 || i == n/3 || i == 2*n/3 {
				ada.die()
				ada = d.page()
				ada.Do(state.Return{Account: d.account})
				ada.until("no network", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
			}
			all = append(all, fmt.Sprintf("from the train %d", i))
			ada.says(grace, all[i])
			ada.onDisk(all[i])
		}
		ada.until("all in the outbox", func(s *state.State) bool {
			c := s.Chat(grace.conv())
			return c != nil && c.Timeline.Len() == n && last(s, grace.account).Delivery == state.Queued
		})
		d.network.mend()
		ada.Do(state.Reconnect{})
		ada.sees(grace.account, all[n-1], state.OnServer)
		grace.hears(ada.person, all[n-1])
		grace.wants(d.account, all...)
		ada.wants(grace.account, all...)
		received := grace.wire.received(since)
		for _, m := range ada.State().Chat(grace.conv()).Timeline.Newest(n) {
			if m.Delivery != state.OnServer && m.Delivery != state.Delivered {
				t.Errorf("%q is %v", m.Body, m.Delivery)
			}
			stamp := m.At.UTC().Format("2006-01-02T15:04:05.000Z")
			if count(received, ">"+m.Body+"<") != 1 || !slices.ContainsFunc(received, func(doc string) bool {
				return strings.Contains(doc, ">"+m.Body+"<") && strings.Contains(doc, stamp)
			}) {
				t.Errorf("%q did not arrive once, as of %s", m.Body, stamp)
			}
		}
	})
}

// The stream is gone when the page returns. Of the messages that were on their way, one has arrived, two
// have not, and one is not in the outbox of the stream any more.
func TestSec63_M09_TheArchiveSettlesTheOutbox(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		befriend(ada.person, grace)
		ada.mu.Lock()
		ada.cut = func(b *store.Batch) moment {
			for _, m := range storetest.Of[*state.MessageRow](b.Rows) {
				if m.Body == "arrived" && m.Out == 0 {
					return beforeIt // the page never learns that the server has it
				}
			}
			return never
		}
		ada.mu.Unlock()
		ada.says(grace, "arrived")
		grace.hears(ada.person, "arrived")
		<-ada.gone
		ada.die()
		ada = d.page()
		ada.Do(state.Return{Account: d.account})
		ada.until("no network", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		for _, body := range []string{"lost 1", "lost 2", "lost 3"} {
			ada.says(grace, body)
			ada.onDisk(body)
		}
		ada.die()
		d.tamper(func(row *store.Stream, o *state.Outgoing) bool {
			row.ID = "gone"
			return !strings.Contains(o.XML, "lost 1")
		})
		if p.lossless {
			p.stop()
			p.start()
			grace.Do(state.Reconnect{})
			grace.until("back", settled)
		}
		grace.says(ada.person, "meanwhile")
		grace.sees(d.account, "meanwhile", state.OnServer)
		d.network.mend()
		ada = d.page().back()
		grace.hears(ada.person, "lost 3")
		ada.until("all is sent", func(s *state.State) bool {
			for _, m := range s.Chat(grace.conv()).Timeline.Newest(10) {
				if m.Mine && m.Delivery != state.OnServer && m.Delivery != state.Delivered {
					return false
				}
			}
			return s.Chat(grace.conv()).Timeline.Len() == 5
		})
		grace.wants(d.account, "arrived", "meanwhile", "lost 1", "lost 2", "lost 3")
		if got := ada.by(grace.account, true); !slices.Equal(got, []string{"arrived", "lost 1", "lost 2", "lost 3"}) {
			t.Errorf("ours: %q", got)
		}
		if got := ada.by(grace.account, false); !slices.Equal(got, []string{"meanwhile"}) {
			t.Errorf("theirs: %q", got)
		}
		if sent := ada.wire.sent(0); count(sent, ">arrived<") != 0 || count(sent, "jabber:iq:roster") != 1 {
			t.Errorf("sent %q", sent)
		}
	})
}

// highest returns the highest count that was acknowledged to the server.
func highest(sent []string) (h uint64) {
	for _, doc := range sent {
		if e, err := framing.Parse(doc, framing.Limits{}); err == nil && e.Is("urn:xmpp:sm:3", "a") {
			n, _ := strconv.ParseUint(e.Attr("h"), 10, 32)
			h = max(h, n)
		}
	}
	return h
}

func TestSec56_Sec59_Promise13_FullDisk(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		befriend(ada.person, grace)
		var all []string
		say := func(from, to *person, body string) {
			t.Helper()
			all = append(all, body)
			from.says(to, body)
			to.hears(from, body)
		}
		for round := range 5 {
			d.Fail(store.ErrQuota)
			since, stored := ada.wire.now(), uint64(d.kept().Stream.H)
			for i := range 8 { // after so many stanzas each server asks for our count
				say(grace, ada.person, fmt.Sprintf("hers %d %d", round, i))
			}
			say(ada.person, grace, fmt.Sprintf("ours %d", round))
			s := ada.until("the person is told", func(s *state.State) bool { return s.Storage != nil })
			if s.Storage.Kind != "storage-full" {
				t.Errorf("told %+v", s.Storage)
			}
			if got := highest(ada.wire.sent(since)); got > stored {
				t.Errorf("acknowledged %d, stored %d", got, stored)
			}
			if got := uint64(d.kept().Stream.H); got != stored {
				t.Fatalf("a full disk went from %d to %d", stored, got)
			}
			d.Fail(nil)
			ada.until("it works again", func(s *state.State) bool { return s.Storage == nil })
			now := uint64(d.kept().Stream.H)
			if now < stored+8 {
				t.Errorf("stored %d, was %d", now, stored)
			}
			ada.sees(grace.account, fmt.Sprintf("ours %d", round), state.Delivered)
			// The server has asked for the count meanwhile and gets it now, or asks again after these.
			for i := range 8 {
				say(grace, ada.person, fmt.Sprintf("hers after %d %d", round, i))
			}
			eventually(t, "all of it is acknowledged", func() bool { return highest(ada.wire.sent(since)) >= now })
		}

		t.Log("a connection that is lost meanwhile")
		d.Fail(store.ErrQuota)
		say(grace, ada.person, "hers before the loss")
		d.network.cut()
		ada.until("offline", func(s *state.State) bool { return s.Connection.Phase != state.Online })
		d.network.mend()
		ada.until("online", settled)
		say(grace, ada.person, "hers after the loss")
		say(ada.person, grace, "ours after the loss")
		d.Fail(nil)
		ada.until("it works again", func(s *state.State) bool { return s.Storage == nil })
		say(ada.person, grace, "the last one")
		ada.onDisk("the last one")

		ada = ada.reload().back()
		ada.until("all of it", func(s *state.State) bool { return last(s, grace.account).Body == all[len(all)-1] })
		ada.Do(state.LoadOlder{Conv: grace.conv()})
		ada.wants(grace.account, all...)
		resumed(t, ada.wire.sent(0))
	})
}

// A page may die before or after any commit. No message that was on the disk or was received is lost or
// doubled.
func TestSec59_Sec61_Promise3_DyingAnywhere(t *testing.T) {
	t.Run("trial", func(t *testing.T) {
		p := trialPlace(t)
		const deaths = 30
		const seed = 1
		random := rand.New(rand.NewPCG(seed, seed))
		desk, grace := p.person(t).here(), p.person(t).here()
		// The archive is not empty at first, so that the first catch-up has an id to go on from.
		hers := []string{"hers, the first"}
		grace.says(desk, hers[0])
		desk.hears(grace, hers[0])
		desk.leave()
		d := &device{t: t, place: p, account: desk.account, network: dig(t, p)}
		ada := d.page().here()
		for i := range deaths {
			commits, at := random.IntN(8)+1, beforeIt
			if random.IntN(2) == 1 {
				at = afterIt
			}
			ada.mu.Lock()
			ada.cut = func(*store.Batch) moment {
				if commits--; commits == 0 {
					return at
				}
				return never
			}
			ada.mu.Unlock()
			for k := 0; !ada.isDead(); k++ {
				hers = append(hers, fmt.Sprintf("hers %d.%d", i, k))
				grace.says(ada.person, hers[len(hers)-1])
				ours := fmt.Sprintf("ours %d.%d", i, k)
				ada.says(grace, ours)
				eventually(t, "it is on disk or the page dead", func() bool {
					if ada.isDead() {
						return true
					}
					d.mu.Lock()
					defer d.mu.Unlock()
					return slices.Contains(d.ours, ours)
				})
			}
			ada = ada.reload()
			ada.Do(state.Return{Account: d.account})
		}
		ada.until("back", settled)
		ada.says(grace, "ours, the last")
		grace.hears(ada.person, "ours, the last")
		hers = append(hers, "hers, the last")
		grace.says(ada.person, "hers, the last")
		// If the stream could not be resumed, the order may be another.
		same := func(what string, got, want []string) {
			t.Helper()
			if got, want := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
				t.Errorf("%s\n%q, want\n%q", what, got, want)
			}
		}
		check := func() {
			t.Helper()
			ada.until("the last of hers", func(s *state.State) bool {
				theirs := ada.by(grace.account, false)
				return len(theirs) > 0 && theirs[len(theirs)-1] == "hers, the last"
			})
			for ada.State().Chat(grace.conv()).Earlier() {
				n := len(ada.bodies(grace.account))
				ada.Do(state.LoadOlder{Conv: grace.conv()})
				ada.until("older ones", func(s *state.State) bool {
					c := s.Chat(grace.conv())
					return !c.Earlier() || c.Timeline.Len() > n
				})
			}
			same("of hers there is", ada.by(grace.account, false), hers)
			same("of ours there is", ada.by(grace.account, true), d.ours)
		}
		check()
		grace.until("all of ours", func(*state.State) bool { return len(grace.by(d.account, false)) >= len(d.ours) })
		same("she has", grace.by(d.account, false), d.ours)
		ada = ada.reload().back()
		check()
	})
}

func TestOlderPagesComeFromTheDiskFirst(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		desk, grace := p.person(t).here(), p.person(t).here()
		var all []string
		talk := func(from *person, n int) {
			for range n {
				all = append(all, fmt.Sprintf("message %d", len(all)))
				from.says(grace, all[len(all)-1])
			}
			grace.hears(from, all[len(all)-1])
			from.sees(grace.account, all[len(all)-1], state.OnServer)
		}
		talk(desk, 60)
		d := &device{t: t, place: p, account: desk.account, network: dig(t, p)}
		ada := d.page().here()
		onDisk := len(ada.bodies(grace.account))
		talk(ada.person, 70)
		onDisk += 70
		eventually(t, "the outbox is empty", func() bool { return len(d.kept().Outbox()) == 0 })
		ada = ada.reload().back()
		if got := ada.bodies(grace.account); !slices.Equal(got, all[len(all)-50:]) {
			t.Fatalf("at first %q", got)
		}
		since := ada.wire.now()
		for shown := 50; shown < onDisk; {
			ada.Do(state.LoadOlder{Conv: grace.conv()})
			was := shown
			shown = ada.until("a page from the disk", func(s *state.State) bool { return s.Chat(grace.conv()).Timeline.Len() > was }).Chat(grace.conv()).Timeline.Len()
			if got := ada.bodies(grace.account); !slices.Equal(got, all[len(all)-shown:]) {
				t.Fatalf("then %q", got)
			}
		}
		if count(ada.wire.sent(since), "urn:xmpp:mam:2") != 0 {
			t.Error("the archive was asked for what is on the disk")
		}
		ada.scrollBack(grace.account)
		ada.wants(grace.account, all...)
		if count(ada.wire.sent(since), "urn:xmpp:mam:2") == 0 {
			t.Error("the archive was not asked")
		}
	})
}

// Receipts that come late reach messages that are only on the disk.
func TestReceiptsReachTheDisk(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		hers, grace := p.remembering(t)
		befriend(ada.person, grace.person)
		hers.network.cut()
		grace.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		var all []string
		for i := range 60 {
			all = append(all, fmt.Sprint("message ", i))
			ada.says(grace.person, all[i])
		}
		ada.sees(hers.account, all[59], state.OnServer)
		eventually(t, "the outbox is empty", func() bool { return len(d.rows(grace.person)) == 60 && len(d.kept().Outbox()) == 0 })
		ada = ada.reload().back()
		tail(t, "in memory", ada.bodies(hers.account), all, 50)
		if len(ada.bodies(hers.account)) == 60 {
			t.Fatal("all of it is in memory: the test cannot fail")
		}
		hers.network.mend()
		grace.Do(state.Reconnect{})
		eventually(t, "all are marked on the disk", func() bool {
			return !slices.ContainsFunc(d.rows(grace.person), func(m state.MessageRow) bool { return m.Delivery != "delivered" })
		})
		ada.Do(state.LoadOlder{Conv: state.Direct.With(hers.account)})
		ada.wants(hers.account, all...)
	})
}

// If tabs cannot meet, the one that comes later takes over the stream and the tables.
func TestM11_TakenByAnotherTab(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		d.apart = true
		ada = ada.reload().back()
		grace := p.person(t).here()
		befriend(ada.person, grace)
		eventually(t, "it is on the disk that they are friends", func() bool {
			s := state.New().With(d.kept().Event())
			return friend(s, grace.account) && s.Unsaved() == 0
		})
		me := ada.State().Me
		stop := grace.Watch(func() {
			if !friend(grace.State(), d.account) {
				t.Error("she saw her leave")
			}
		})
		defer stop()
		said := []string{}
		// The other tab takes the stream over, then the first takes it back, and so on.
		first, other := ada, d.page()
		for i, tabs := range [][2]*page{{first, other}, {other, first}, {first, other}} {
			loser, taker := tabs[0], tabs[1]
			since := taker.wire.now()
			if i == 0 {
				taker.Do(state.Return{Account: d.account})
			} else {
				taker.Do(state.Reconnect{})
			}
			s := loser.until("taken", func(s *state.State) bool {
				pr := s.Connection.Problem
				return pr != nil && pr.Kind == "another-tab"
			})
			if s.Connection.Phase != state.Stopped || s.Connection.Problem.Text == "" || s.Connection.Problem.Advice == "" {
				t.Errorf("told %+v", s.Connection)
			}
			s = taker.until("online", func(s *state.State) bool { return s.Connection.Phase == state.Online })
			if s.Me != me {
				t.Errorf("%s became %s", me, s.Me)
			}
			resumed(t, taker.wire.sent(since))
			said = append(said, fmt.Sprintf("ours %d", i), fmt.Sprintf("hers %d", i))
			taker.says(grace, said[2*i])
			grace.hears(taker.person, said[2*i])
			grace.says(taker.person, said[2*i+1])
			taker.hears(grace, said[2*i+1])
			// Messages that the other tab had shown and not committed come again, after the new ones. So
			// the order may be another.
			got := slices.Sorted(slices.Values(taker.bodies(grace.account)))
			if !slices.Equal(got, slices.Sorted(slices.Values(said))) {
				t.Errorf("it has %q, want %q", got, said)
			}
		}
		grace.wants(d.account, said...)
	})
}

// While a commit is slow, stanzas are handled and shown. No stanza is acknowledged, and no message leaves,
// before it is on the disk. All that came meanwhile is in one commit.
func TestSec59_Sec61_CommitsDoNotStopTheLoop(t *testing.T) {
	const n = 200
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		befriend(ada.person, grace)
		grace.says(ada.person, "first")
		ada.hears(grace, "first")
		eventually(t, "it is on the disk", func() bool { return slices.Contains(d.said(grace), "first") })

		var commits atomic.Int32
		disk := make(chan struct{})
		ada.mu.Lock()
		ada.writes = func() {
			commits.Add(1)
			<-disk
		}
		ada.mu.Unlock()
		grace.says(ada.person, "it hangs")
		ada.hears(grace, "it hangs")
		eventually(t, "the disk is asked", func() bool { return commits.Load() == 1 })
		since, stored := ada.wire.now(), uint64(d.kept().Stream.H)
		for i := range n {
			grace.says(ada.person, fmt.Sprint("message ", i))
		}
		ada.hears(grace, fmt.Sprint("message ", n-1))
		ada.says(grace, "an answer")
		ada.Do(state.Typing{Conv: grace.conv(), Typing: true})
		eventually(t, "it is shown", func() bool { return ada.State().Chat(grace.conv()).Timeline.Last().Body == "an answer" })
		if h := highest(ada.wire.sent(since)); h > stored {
			t.Errorf("%d are acknowledged, %d are on the disk", h, stored)
		}
		if count(ada.wire.sent(since), "an answer") != 0 {
			t.Error("a message has left that is not on the disk")
		}
		if commits.Load() != 1 {
			t.Errorf("%d commits at a time", commits.Load())
		}
		close(disk)
		grace.hears(ada.person, "an answer")
		if len(d.said(grace)) != n+3 {
			t.Errorf("%d messages are on the disk", len(d.said(grace)))
		}
		if commits.Load() > 4 {
			t.Errorf("%d commits for what came while one was under way", commits.Load())
		}
	})
}
