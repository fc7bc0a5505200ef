//go:build linux

package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"slices"
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
	"natter/app/store/storetest"
	"natter/app/stream"
	"natter/framing"
)

// device is a browser that remembers an account: a disk and a network, which outlive its pages.
type device struct {
	store.Memory
	t       testing.TB
	place   *place
	account jid.JID
	network *tunnel

	bus        bus  // connects its pages
	apart      bool // its pages cannot meet
	build      int64
	change     func(*page, *client.Config) // nil for none
	mu         sync.Mutex
	credential *connect.Credential
	others     map[jid.JID]*connect.Credential // those of other accounts
	noted      bool                            // it has a note of the account
	out        bool                            // it has a note that the person signs out
	broken     error                           // the error of Keep and Renew, nil if they work
	dropped    int
	forgotten  bool
	ours       []string // the messages that were written here, in the order in which they came to the disk
	sockets    map[*counted]bool
	peak       int // the most sockets that were open at the same time
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
	gate      chan struct{} // dialing waits until it is closed; nil if it does not wait
	deaf      atomic.Bool   // a connection breaks when the server sends <success/>
	missed    atomic.Int32  // how many connections broke then
	slow      atomic.Bool   // a connection closes slowly
	hung      atomic.Bool   // the tables cannot be deleted, because another tab has them open
	swallowed atomic.Bool   // the network does not answer

	mu     sync.Mutex
	dead   bool
	writes func()                      // called before each commit
	cut    func(b *store.Batch) moment // says whether the page dies at a commit
	blind  bool                        // Search of the store fails
	unread bool                        // Load of the store fails
	gone   chan struct{}               // closed when the page is dead
}

// moment is when a page dies at a commit.
type moment int

const (
	never moment = iota
	beforeIt
	afterIt // the page does not learn that the commit has succeeded
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
			if pg.swallowed.Load() {
				<-ctx.Done()
				return nil, ctx.Err()
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
		if d.change != nil {
			d.change(pg, c)
		}
	})
	pg.server = d.network.wss
	return pg
}

// counted is a socket that the device counts.
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
		time.Sleep(6 * time.Second) // longer than a mirror waits for a leader in these tests, see hurried
	}
	return c.Socket.Close(code, reason)
}

var errDead = errors.New("the page is gone")

// hurried is a clock with three shorter waits: before a failed commit is tried again, before a mirror asks
// for the leader, and before a stream is given up whose stanzas cannot be committed.
type hurried struct{ stream.Clock }

func (c hurried) AfterFunc(d time.Duration, f func()) func() {
	switch d {
	case 5 * time.Second:
		d = 50 * time.Millisecond
	case 3 * time.Second, 15 * time.Second:
		d = time.Second
	}
	return c.Clock.AfterFunc(d, f)
}

func (pg *page) isDead() bool {
	pg.mu.Lock()
	defer pg.mu.Unlock()
	return pg.dead
}

// here signs in with Remember.
func (pg *page) here() *page {
	pg.t().Helper()
	pg.Do(state.SignIn{Address: string(pg.person.account), Password: password, Server: pg.server, Remember: true})
	pg.until("signed in", settled)
	return pg
}

func (pg *page) t() testing.TB { return pg.device.t }

// die ends the page as a browser does that is killed: nothing more is sent to the server or written to the
// disk.
func (pg *page) die() {
	pg.mu.Lock()
	pg.kill()
	pg.mu.Unlock()
	pg.leave()
}

// kill is die without the end of the client. The caller holds mu.
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

// reload ends the page, mends the network, and returns the next page.
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

// table is the store of one page, which fails when the page is dead.
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

func (tb table) Load(ctx context.Context, w store.Window) (*store.Snapshot, error) {
	tb.page.mu.Lock()
	defer tb.page.mu.Unlock()
	if tb.page.unread {
		return nil, store.ErrClosed
	}
	return tb.Store.Load(ctx, w)
}

func (tb table) Commit(ctx context.Context, b *store.Batch) error {
	tb.page.mu.Lock()
	writes := tb.page.writes
	tb.page.mu.Unlock()
	if writes != nil {
		writes()
	}
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

func (tb table) Search(ctx context.Context, words []string, before int64, n int) ([]state.MessageRow, int64, error) {
	tb.page.mu.Lock()
	defer tb.page.mu.Unlock()
	if tb.page.blind {
		return nil, 0, store.ErrClosed
	}
	return tb.Store.Search(ctx, words, before, n)
}

func (tb table) Delete(ctx context.Context) error {
	if tb.page.hung.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return tb.Store.Delete(ctx)
}

func (d *device) wrote(b *store.Batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range storetest.Of[*state.MessageRow](b.Rows) {
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
	if request.Account != pg.device.account {
		request.Credential = pg.others[request.Account]
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
	if c.Account != pg.device.account {
		pg.others = map[jid.JID]*connect.Credential{c.Account: c}
		return nil
	}
	if pg.broken == nil {
		pg.credential, pg.noted, pg.out = c, true, false
	}
	return pg.broken
}

// Knows implements client.Keeper.
func (pg *page) Knows(context.Context, jid.JID) bool {
	pg.device.mu.Lock()
	defer pg.device.mu.Unlock()
	return pg.noted || pg.out || pg.Memory.Exists(pg.device.account)
}

// SignOut implements client.Keeper.
func (pg *page) SignOut(ctx context.Context, _ jid.JID) {
	if pg.isDead() || ctx.Err() != nil {
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
func (pg *page) Forget(ctx context.Context, request connect.Request, gone bool) {
	request.Password = ""
	if err := pg.Renew(ctx, &request); err != nil {
		pg.t().Error(err)
	}
	pg.device.mu.Lock()
	if pg.credential = nil; gone {
		pg.noted, pg.out = false, false
	}
	pg.device.mu.Unlock()
	if err := pg.connector.Invalidate(ctx, request); err != nil && !pg.swallowed.Load() {
		pg.t().Error(err)
	}
	pg.device.mu.Lock()
	defer pg.device.mu.Unlock()
	pg.forgotten = true
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

// unread waits until the disk has n unread messages in the only conversation.
func (d *device) unread(n int) {
	d.t.Helper()
	eventually(d.t, "it is on the disk", func() bool {
		chats := storetest.Of[*state.ChatRow](d.kept().Rows)
		return len(chats) > 0 && chats[0].Unread == n
	})
}

// empty fails if anything is on the disk.
func (d *device) empty() {
	d.t.Helper()
	sn := d.kept()
	if sn.Stream != nil || len(sn.Rows)+len(sn.Ends)+len(sn.Settings) != 0 {
		d.t.Errorf("kept %+v", sn)
	}
}

// tamper changes the stream that is on the disk, and deletes the stanzas of the outbox for which f returns
// false.
func (d *device) tamper(f func(*store.Stream, *state.Outgoing) (stays bool)) {
	d.t.Helper()
	kept := d.kept()
	b := &store.Batch{Stream: kept.Stream}
	for _, r := range kept.Rows {
		if o, ok := r.Value.(*state.Outgoing); ok && !f(kept.Stream, o) {
			b.Rows = append(b.Rows, state.Row{Value: o, Gone: true})
		}
	}
	s, err := d.Memory.Open(d.t.Context(), d.account)
	if err == nil {
		err = s.Commit(d.t.Context(), b)
	}
	if err != nil {
		d.t.Fatal(err)
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

// conv returns the conversation with the owner of the device.
func (d *device) conv() state.ConvID { return state.Direct.With(d.account) }
