//go:build linux

package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
	"natter/framing"
)

// device is a browser that remembers somebody: a disk and a network that outlive its
// pages.
type device struct {
	store.Memory
	t       testing.TB
	place   *place
	account jid.JID
	network *tunnel

	bus        bus  // where its pages meet
	apart      bool // but they do not
	build      int64
	mu         sync.Mutex
	credential *connect.Credential
	noted      bool  // whose device it is
	out        bool  // noted that the person signs out
	broken     error // what it says when it is to keep or to give a credential
	dropped    int
	forgotten  bool
	ours       []string // what was written here, as it reached the disk
	sockets    map[*counted]bool
	peak       int // of how many were open at a time
}

// remembering returns a device with a page whose person has just signed in.
func (p *place) remembering(t testing.TB) (*device, *page) {
	t.Helper()
	d := &device{t: t, place: p, account: p.account(t), network: dig(t, p)}
	first := d.page()
	first.here()
	return d, first
}

// page is one life of the page on a device. It is its client's Keeper.
type page struct {
	*person
	*device
	connector *connect.Connector
	gate      chan struct{} // dialing waits until it is closed, nil for not at all
	deaf      atomic.Bool   // a connection breaks where the server says that it is satisfied
	missed    atomic.Int32  // how many did
	slow      atomic.Bool   // the server takes its time to close a connection

	mu    sync.Mutex
	dead  bool
	cut   func(b *store.Batch) moment // asked at each commit
	blind bool                        // what is on disk cannot be searched
	gone  chan struct{}               // closed when it is dead
}

// moment is when a page dies at a commit.
type moment int

const (
	never moment = iota
	beforeIt
	afterIt // but before anything that follows from it
)

func (d *device) page() *page {
	d.t.Helper()
	pg := &page{device: d, gone: make(chan struct{})}
	pg.person = newPerson(d.t, d.account, &tls.Config{RootCAs: d.place.ca}, func(c *client.Config) {
		pg.connector = c.Connector.(*connect.Connector)
		dial := pg.connector.Dial
		pg.connector.Dial = func(ctx context.Context, url string) (framing.Socket, error) {
			if pg.gate != nil {
				select {
				case <-pg.gate:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			if pg.isDead() {
				return nil, errDead
			}
			s, err := dial(ctx, url)
			if err == nil && pg.isDead() {
				_ = s.Close(1000, "")
				return nil, errDead
			}
			if err != nil {
				return nil, err
			}
			return pg.count(s), nil
		}
		c.Keeper, c.Build = pg, d.build
		c.Clock = hurried{stream.RealClock}
	})
	pg.server = d.network.wss
	return pg
}

// counted is a socket that the device knows of.
type counted struct {
	framing.Socket
	page *page
}

func (pg *page) count(s framing.Socket) framing.Socket {
	c := &counted{s, pg}
	d := pg.device
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sockets == nil {
		d.sockets = map[*counted]bool{}
	}
	d.sockets[c] = true
	d.peak = max(d.peak, len(d.sockets))
	return c
}

func (c *counted) Read(ctx context.Context) (string, error) {
	doc, err := c.Socket.Read(ctx)
	if err == nil && c.page.deaf.Load() && strings.HasPrefix(doc, "<success") {
		c.page.missed.Add(1)
		doc, err = "", net.ErrClosed
	}
	if err != nil {
		c.page.device.mu.Lock()
		defer c.page.device.mu.Unlock()
		delete(c.page.device.sockets, c)
	}
	return doc, err
}

func (c *counted) Close(code int, reason string) error {
	c.page.device.mu.Lock()
	delete(c.page.device.sockets, c)
	c.page.device.mu.Unlock()
	if c.page.slow.Load() {
		time.Sleep(6 * time.Second) // longer than a mirror waits here, see hurried
	}
	return c.Socket.Close(code, reason)
}

var errDead = errors.New("the page is gone")

// hurried tries a commit again, and looks for another tab, sooner than people need it.
type hurried struct{ stream.Clock }

func (c hurried) AfterFunc(d time.Duration, f func()) func() {
	switch d {
	case 5 * time.Second:
		d = 50 * time.Millisecond
	case 3 * time.Second:
		d = time.Second
	}
	return c.Clock.AfterFunc(d, f)
}

func (pg *page) isDead() bool {
	pg.mu.Lock()
	defer pg.mu.Unlock()
	return pg.dead
}

// here signs in and wants to be remembered.
func (pg *page) here() *page {
	pg.t().Helper()
	pg.Do(state.SignIn{Address: string(pg.person.account), Password: password, Server: pg.server, Remember: true})
	pg.until("signed in", settled)
	return pg
}

func (pg *page) t() testing.TB { return pg.device.t }

// die ends the page as browsers do: from one moment to the next, with nothing said to
// the server and nothing written to the disk.
func (pg *page) die() {
	pg.mu.Lock()
	pg.kill()
	pg.mu.Unlock()
	pg.leave()
}

// kill is called with mu.
func (pg *page) kill() {
	if !pg.dead {
		pg.dead = true
		pg.network.cut()
		close(pg.gone)
		d := pg.device
		d.mu.Lock()
		maps.DeleteFunc(d.sockets, func(c *counted, _ bool) bool { return c.page == pg })
		d.mu.Unlock()
		d.bus.gone(pg)
	}
}

// reload ends the page and returns the next one, with the network that it finds.
func (pg *page) reload() *page {
	pg.die()
	pg.network.mend()
	return pg.device.page()
}

// back returns to the account.
func (pg *page) back() *page {
	pg.t().Helper()
	pg.Do(state.Return{Account: pg.person.account})
	pg.until("back", settled)
	return pg
}

// table is the store as one page has it.
type table struct {
	store.Store
	page *page
}

func (tb table) Lead(ctx context.Context) error {
	tb.page.mu.Lock()
	defer tb.page.mu.Unlock()
	if tb.page.dead {
		return store.ErrClosed
	}
	return tb.Store.Lead(ctx)
}

func (tb table) Commit(ctx context.Context, b *store.Batch) error {
	tb.page.mu.Lock()
	defer tb.page.mu.Unlock()
	if tb.page.dead {
		return store.ErrClosed
	}
	at := never
	if tb.page.cut != nil {
		at = tb.page.cut(b)
	}
	if at == beforeIt {
		tb.page.kill()
		return store.ErrClosed
	}
	err := tb.Store.Commit(ctx, b)
	if err == nil {
		tb.page.device.wrote(b)
	}
	if at == afterIt {
		tb.page.kill()
		return store.ErrClosed
	}
	return err
}

func (tb table) Search(ctx context.Context, words []string, before int64, n int) ([]store.Message, int64, error) {
	tb.page.mu.Lock()
	defer tb.page.mu.Unlock()
	if tb.page.blind {
		return nil, 0, store.ErrClosed
	}
	return tb.Store.Search(ctx, words, before, n)
}

func (d *device) wrote(b *store.Batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range b.Messages {
		if m.Mine && !slices.Contains(d.ours, m.Body) {
			d.ours = append(d.ours, m.Body)
		}
	}
}

// Open implements client.Keeper.
func (pg *page) Open(ctx context.Context, account jid.JID) (store.Store, error) {
	s, err := pg.device.Memory.Open(ctx, account)
	if err != nil {
		return nil, err
	}
	return table{s, pg}, nil
}

// Meet implements client.Keeper.
func (pg *page) Meet(_ jid.JID, hear func(string)) client.Link {
	if pg.device.apart {
		return nil
	}
	return pg.device.bus.meet(pg, hear)
}

// Renew implements client.Keeper.
func (pg *page) Renew(_ context.Context, request *connect.Request) error {
	pg.device.mu.Lock()
	defer pg.device.mu.Unlock()
	if request.Password != "" {
		return nil
	}
	if pg.broken == nil {
		request.Credential = pg.credential
	}
	return pg.broken
}

// Keep implements client.Keeper.
func (pg *page) Keep(_ context.Context, c *connect.Credential) error {
	if pg.isDead() {
		return errDead
	}
	pg.device.mu.Lock()
	defer pg.device.mu.Unlock()
	if pg.broken == nil {
		pg.credential, pg.noted, pg.out = c, true, false
	}
	return pg.broken
}

// Knows implements client.Keeper.
func (pg *page) Knows(context.Context, jid.JID) bool {
	pg.device.mu.Lock()
	defer pg.device.mu.Unlock()
	return pg.noted || pg.out
}

// SignOut implements client.Keeper.
func (pg *page) SignOut(context.Context, jid.JID) {
	if pg.isDead() {
		return
	}
	pg.device.mu.Lock()
	defer pg.device.mu.Unlock()
	pg.out = true
}

// SignedOut implements client.Keeper.
func (pg *page) SignedOut(context.Context, jid.JID) bool {
	pg.device.mu.Lock()
	defer pg.device.mu.Unlock()
	return pg.out
}

// Drop implements client.Keeper.
func (pg *page) Drop(context.Context, jid.JID) {
	pg.device.mu.Lock()
	defer pg.device.mu.Unlock()
	pg.credential = nil
	pg.dropped++
}

// Forget implements client.Keeper.
func (pg *page) Forget(ctx context.Context, request connect.Request) {
	request.Password = ""
	if err := pg.Renew(ctx, &request); err != nil {
		pg.t().Error(err)
	}
	if err := pg.connector.Invalidate(ctx, request); err != nil {
		pg.t().Error(err)
	}
	pg.device.mu.Lock()
	defer pg.device.mu.Unlock()
	pg.credential, pg.forgotten, pg.noted, pg.out = nil, true, false, false
}

// kept reads all that is on the disk.
func (d *device) kept() *store.Snapshot {
	d.t.Helper()
	s, err := d.Memory.Open(d.t.Context(), d.account)
	if err != nil {
		d.t.Fatal(err)
	}
	defer s.Close()
	sn, err := s.Load(d.t.Context(), store.Window{Chats: 100, Messages: 1000})
	if err != nil {
		d.t.Fatal(err)
	}
	return sn
}

// empty fails if anything is on the disk.
func (d *device) empty() {
	d.t.Helper()
	sn := d.kept()
	if sn.Account != nil || sn.Stream != nil || len(sn.Contacts)+len(sn.Chats)+len(sn.Newest)+len(sn.Outbox)+len(sn.Drafts)+len(sn.Settings) != 0 {
		d.t.Errorf("kept %+v", sn)
	}
}

// tamper changes what is on the disk about the stream.
func (d *device) tamper(f func(*store.Stream)) {
	d.t.Helper()
	row := d.kept().Stream
	f(row)
	s, err := d.Memory.Open(d.t.Context(), d.account)
	if err == nil {
		err = s.Commit(d.t.Context(), &store.Batch{Stream: row})
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// eventually waits for what no state tells.
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

// onDisk waits until a message of ours is on the disk.
func (pg *page) onDisk(body string) {
	pg.t().Helper()
	eventually(pg.t(), body+" is on the disk", func() bool {
		pg.device.mu.Lock()
		defer pg.device.mu.Unlock()
		return slices.Contains(pg.ours, body)
	})
}

// by returns what one of two has said in their conversation.
func (p *person) by(peer jid.JID, mine bool) (all []string) {
	c := p.State().Chat(peer)
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

// What was written and not sent is there after the page has died, without a network
// too, and goes with the message or with the account.
func TestADraftOutlivesThePage(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		drafts := func() (all []string) {
			for _, draft := range d.kept().Drafts {
				all = append(all, string(draft.Peer)+": "+draft.Text)
			}
			return all
		}
		for _, text := range []string{"Dear", "Dear Grace,"} {
			ada.Do(state.KeepDraft{Peer: grace.account, Text: text})
		}
		ada.Do(state.KeepDraft{Peer: "somebody@else.example", Text: "Dear you"})
		eventually(t, "the drafts are on the disk", func() bool { return len(drafts()) == 2 })
		ada.die()
		ada = d.page()
		ada.Do(state.Return{Account: d.account})
		s := ada.until("no network", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		if c := s.Chat(grace.account); c == nil || c.Draft != "Dear Grace," {
			t.Fatalf("the conversation is %+v", c)
		}
		if sent := grace.wire.received(0); count(sent, "Dear") != 0 {
			t.Error("a draft was sent")
		}
		ada.mu.Lock()
		ada.cut = func(b *store.Batch) moment {
			if len(b.Messages) > 0 {
				return afterIt
			}
			return never
		}
		ada.mu.Unlock()
		ada.says(grace, "Dear Grace, hello")
		<-ada.gone
		if got := drafts(); len(got) != 1 || len(d.kept().Outbox) != 1 {
			t.Errorf("after the first commit with the message, drafts %q, outbox %v", got, d.kept().Outbox)
		}
		ada = ada.reload().back()
		grace.hears(ada.person, "Dear Grace, hello")
		if c := ada.State().Chat(grace.account); c.Draft != "" {
			t.Errorf("what was sent is still a draft: %q", c.Draft)
		}
		ada.Do(state.SignOut{})
		ada.until("signed out", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut })
		eventually(t, "no drafts", func() bool { return len(drafts()) == 0 })
	})
}

// How much has been read is the same after a crash and without a network, and where
// reading stopped is found though it is not what memory begins with.
func TestReadPositionsOutliveThePage(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		const n = 120
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		grace.says(ada.person, "seen")
		ada.hears(grace, "seen")
		ada.Do(state.ReadChat{Peer: grace.account})
		ada.until("read", func(s *state.State) bool { return s.Chat(grace.account).Unread == 0 })
		for i := range n {
			grace.says(ada.person, fmt.Sprint("unseen ", i))
		}
		ada.hears(grace, fmt.Sprint("unseen ", n-1))
		was := ada.State().Chat(grace.account)
		eventually(t, "it is on the disk", func() bool { return d.kept().Chats[0].Unread == n })
		check := func(when string) {
			t.Helper()
			c := ada.State().Chat(grace.account)
			if c.Unread != n || c.ReadTo != was.ReadTo {
				t.Errorf("%s: %d unread, read up to %v; was %d, %v", when, c.Unread, c.ReadTo, n, was.ReadTo)
			}
		}
		ada.die()
		ada = d.page()
		ada.Do(state.Return{Account: d.account})
		ada.until("no network", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		check("offline")
		if n := ada.State().Chat(grace.account).Timeline.Len(); n != 50 {
			t.Errorf("%d messages are in memory", n)
		}
		ada.Do(state.LoadBack{Peer: grace.account, To: was.ReadTo})
		ada.until("where reading stopped", func(s *state.State) bool {
			m := s.Chat(grace.account).Timeline.Get(was.ReadTo)
			return m != nil && m.Body == "seen"
		})
		check("with all in memory")
		d.network.mend()
		ada = ada.reload().back()
		check("online again")
		ada.Do(state.ReadChat{Peer: grace.account})
		ada.until("read", func(s *state.State) bool { return s.Chat(grace.account).Unread == 0 })
		eventually(t, "it is on the disk", func() bool { return d.kept().Chats[0].Unread == 0 })
		ada = ada.reload().back()
		if c := ada.State().Chat(grace.account); c.Unread != 0 || c.ReadTo != c.Timeline.Last().Key {
			t.Errorf("what was read is unread: %d, %v", c.Unread, c.ReadTo)
		}
	})
}

// resumed fails the test if the stream was not gone on with, or anything was asked
// again that is known (XEP-0198 §5).
func resumed(t *testing.T, sent []string) {
	t.Helper()
	if count(sent, "<resume ") != 1 {
		t.Error("not resumed")
	}
	for _, doc := range sent {
		if strings.HasPrefix(doc, "<authenticate ") {
			continue // which also says what if it cannot be resumed
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
			t.Errorf("nobody knows that the connection was lost: %+v", left) // and when, after an hour without a word
		}
		for _, body := range []string{"one", "two", "three"} {
			grace.says(ada.person, body)
			grace.sees(d.account, body, state.OnServer)
		}
		d.network.mend()
		ada = d.page()
		ada.gate = make(chan struct{})
		ada.Do(state.Return{Account: d.account})
		s := ada.until("what was kept", func(s *state.State) bool { return s.Chat(grace.account) != nil })
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
		if s := ada.State(); len(ada.bodies(grace.account)) != n || last(s, grace.account).Delivery != state.Queued {
			t.Fatalf("in the outbox: %s", ada.describe())
		}
		d.network.mend()
		ada.Do(state.Reconnect{})
		ada.sees(grace.account, all[n-1], state.OnServer)
		grace.hears(ada.person, all[n-1])
		grace.wants(d.account, all...)
		ada.wants(grace.account, all...)
		received := grace.wire.received(since)
		for _, m := range ada.State().Chat(grace.account).Timeline.Newest(n) {
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

// The stream is gone when the page returns. Of what it had on its way, one message has
// arrived, one has not, and one the stream itself no longer knew of.
func TestSec63_M09_TheArchiveSettlesTheOutbox(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		befriend(ada.person, grace)
		ada.mu.Lock()
		ada.cut = func(b *store.Batch) moment {
			for _, m := range b.Messages {
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
		d.tamper(func(row *store.Stream) {
			row.ID = "gone"
			row.Unacked = slices.DeleteFunc(row.Unacked, func(doc string) bool { return strings.Contains(doc, "lost 1") })
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
			for _, m := range s.Chat(grace.account).Timeline.Newest(10) {
				if m.Mine && m.Delivery != state.OnServer && m.Delivery != state.Delivered {
					return false
				}
			}
			return s.Chat(grace.account).Timeline.Len() == 5
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

// highest is the highest count in what was acknowledged.
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
			for i := range 8 { // enough for any server to ask how many we have
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
			// The server has asked in between and is answered now, or asks for more.
			for i := range 8 {
				say(grace, ada.person, fmt.Sprintf("hers after %d %d", round, i))
			}
			eventually(t, "all of it is acknowledged", func() bool { return highest(ada.wire.sent(since)) >= now })
		}
		ada = ada.reload().back()
		ada.until("all of it", func(s *state.State) bool { return last(s, grace.account).Body == all[len(all)-1] })
		ada.Do(state.LoadOlder{Peer: grace.account})
		ada.wants(grace.account, all...)
		resumed(t, ada.wire.sent(0))
	})
}

// A page that dies at any commit, just before or just after it, loses nothing that was
// on the disk or had been received, and doubles nothing.
func TestSec59_Sec61_Promise3_DyingAnywhere(t *testing.T) {
	t.Run("trial", func(t *testing.T) {
		p := trialPlace(t)
		const deaths = 30
		const seed = 1
		random := rand.New(rand.NewPCG(seed, seed))
		desk, grace := p.person(t).here(), p.person(t).here()
		// An archive that is not empty at first tells where to go on.
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
		// Where the stream could not be gone on with, the order is another.
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
			for ada.State().Chat(grace.account).Earlier {
				n := len(ada.bodies(grace.account))
				ada.Do(state.LoadOlder{Peer: grace.account})
				ada.until("older ones", func(s *state.State) bool {
					c := s.Chat(grace.account)
					return !c.Earlier || c.Timeline.Len() > n
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

func TestSec52_Promise16_SignOutForgets(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		for _, tc := range []struct {
			name         string
			other, apart bool // there is another tab, and they cannot meet
			there        bool // it is there that the person signs out
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
					return // keys are good until the password changes
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

// expires reloads the page with something written that was not sent, and with a
// credential that no longer works: it comes back to the form.
func (pg *page) expires(to *person, unsent string) *page {
	t, d := pg.t(), pg.device
	t.Helper()
	d.network.cut()
	pg.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
	pg.says(to, unsent)
	pg.onDisk(unsent)
	pg = pg.reload()
	if d.credential.Token == "" {
		spent := *d.credential
		spent.Expiry = time.Now().Add(-time.Hour)
		d.credential = &spent
	} else if err := pg.connector.Invalidate(t.Context(), connect.Request{
		Account: d.account, Credential: d.credential, Server: d.network.wss,
	}); err != nil {
		t.Fatal(err)
	}
	pg.atTheForm()
	return pg
}

// atTheForm returns to the account, whose password is needed.
func (pg *page) atTheForm() {
	pg.t().Helper()
	pg.Do(state.Return{Account: pg.person.account})
	blank(pg.t(), pg.until("the form", func(s *state.State) bool {
		return s.Connection.Phase == state.SignedOut && s.Connection.Problem != nil
	}))
}

// Whoever was remembered and signs in without wanting to be any more leaves nothing on
// the device, and loses nothing that was not sent.
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
				if sn := d.kept(); len(sn.Outbox) != 1 || !d.noted || d.forgotten {
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

// It is the same where another tab is signed in: there the account is signed out.
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
		if len(d.kept().Outbox) != 1 {
			t.Error("the outbox is gone")
		}
		t.Run("a wrong password changes nothing", func(t *testing.T) {
			before := ada.State().Connection.Problem
			ada.Do(state.SignIn{Address: string(d.account), Password: "battery staple", Server: ada.server, Remember: true})
			s := ada.until("an answer", func(s *state.State) bool {
				return s.Connection.Phase == state.SignedOut && s.Connection.Problem != nil && s.Connection.Problem != before
			})
			blank(t, s)
			if sn := d.kept(); len(sn.Outbox) != 1 || len(sn.Newest[grace.account].Messages) != 2 {
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

// breaks says what the device fails with from now on when it is to keep a credential or
// to give it.
func (d *device) breaks(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = err
}

// What cannot be read for a moment is not gone.
func TestSec52_ACredentialThatCannotBeRead(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		grace := p.person(t).here()
		grace.says(ada.person, "history")
		ada.hears(grace, "history")
		eventually(t, "it is kept", func() bool { return len(d.kept().Newest[grace.account].Messages) == 1 })
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

// Whoever wants to be remembered and is not is told, for as long as it is so.
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

// A server forgets a token that nobody has used when it issues another (XEP-0484 §5.1). If
// that one is lost on its way, what is kept has to go on being good.
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
		eventually(t, "the outbox is empty", func() bool { return len(d.kept().Outbox) == 0 })
		ada = ada.reload().back()
		if got := ada.bodies(grace.account); !slices.Equal(got, all[len(all)-50:]) {
			t.Fatalf("at first %q", got)
		}
		since := ada.wire.now()
		for shown := 50; shown < onDisk; {
			ada.Do(state.LoadOlder{Peer: grace.account})
			shown = min(shown+50, onDisk)
			ada.until("a page from the disk", func(s *state.State) bool { return s.Chat(grace.account).Timeline.Len() >= shown })
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

// Where tabs cannot meet, the one that comes later has it all.
func TestM11_TakenByAnotherTab(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		d, ada := p.remembering(t)
		d.apart = true
		ada = ada.reload().back()
		grace := p.person(t).here()
		befriend(ada.person, grace)
		me := ada.State().Me
		stop := grace.Watch(func() {
			if !friend(grace.State(), d.account) {
				t.Error("she saw her leave")
			}
		})
		defer stop()
		said := []string{}
		// The other tab takes it, the first takes it back, and so on.
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
			// What the other had shown and not yet kept comes once more, after what is new.
			got := slices.Sorted(slices.Values(taker.bodies(grace.account)))
			if !slices.Equal(got, slices.Sorted(slices.Values(said))) {
				t.Errorf("it has %q, want %q", got, said)
			}
		}
		grace.wants(d.account, said...)
	})
}
