//go:build linux

package chaos

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
	"natter/framing"
	"natter/framing/native"
)

const password = "correct horse"

// patience is how long nothing may happen at all.
const patience = 30 * time.Second

// person is an account on one device: a disk, and the page that is open.
type person struct {
	t       testing.TB
	account jid.JID
	service string
	proxy   *Proxy
	dial    func(context.Context, string) (framing.Socket, error) // by the proxy, if nil
	clock   stream.Clock
	random  float64 // of reconnects; nearly no wait if 0, for it is not what is tested
	agent   string
	amnesia bool // no stream is ever resumed
	ledger  *Ledger
	room    jid.JID // where they write to each other, "" if it is to each other's account
	peer    jid.JID // who else is in the room
	to      deliveries
	changed chan struct{} // shared: something happened to somebody

	disk store.Memory
	mu   sync.Mutex
	cred *connect.Credential
	seen bool // SCRAM was used

	*tab
	typed   []string // the last things written
	reloads int
}

// tab is a page. Once it is killed it touches neither the disk nor the network.
type tab struct {
	*client.Client
	p      *person
	cancel context.CancelFunc
	over   chan struct{}

	mu   sync.Mutex // held while the disk is written
	dead bool
}

var errKilled = errors.New("the page was killed")

// open opens a page; nobody is signed in on it.
func (p *person) open() {
	tb := &tab{p: p, over: make(chan struct{})}
	tb.Client = client.New(client.Config{
		Connector: &connector{tb, &connect.Connector{
			Find:      &discover.Finder{AllowLoopback: true},
			Dial:      tb.dial,
			Crypto:    sasl.Standard{},
			Pins:      p,
			UserAgent: connect.UserAgent{ID: p.agent, Software: "Natter", Device: "Chaos"},
			NewID:     rand.Text,
		}},
		Keeper: tb,
		Clock:  p.clock,
		Random: func() float64 { return max(p.random, 0.0005) },
		Log:    func(format string, args ...any) { p.t.Errorf(format, args...) },
	})
	tb.Watch(p.tell)
	var ctx context.Context
	ctx, tb.cancel = context.WithCancel(context.Background())
	go func() { _ = tb.Run(ctx); close(tb.over) }()
	p.t.Cleanup(func() { tb.kill(); <-tb.over })
	p.tab = tb
}

// kill ends the page as a crash would: nothing more is written anywhere.
func (tb *tab) kill() {
	tb.mu.Lock()
	tb.dead = true
	tb.mu.Unlock()
	if tb.p.proxy != nil {
		tb.p.proxy.Hang() // as the system does for a process that is gone
	}
	tb.cancel()
}

// conv is where somebody writes to another.
func (p *person) conv(peer jid.JID) state.ConvID {
	if p.room != "" {
		return state.Groupchat.With(p.room)
	}
	return state.Direct.With(peer)
}

// author is the account of who wrote a message.
func (p *person) author(m *state.Message) jid.JID {
	switch {
	case p.room == "":
		return m.Author
	case m.Mine:
		return p.account
	case m.Nick == p.peer.Local():
		return p.peer
	}
	return m.Author
}

// reload kills the page and opens another, which goes on from the disk. What was typed
// and had not come to the disk is typed again, as somebody would who sees it missing.
func (p *person) reload(peer jid.JID) {
	p.kill()
	p.open()
	p.reloads++
	kept := map[string]bool{}
	for _, r := range p.stored(peer, 200) {
		kept[r.Body] = true
	}
	p.Do(state.Return{Account: p.account})
	for _, body := range p.typed {
		if !kept[body] {
			p.Do(state.SendMessage{Conv: p.conv(peer), Body: body})
		}
	}
}

func (p *person) write(l *Ledger, to jid.JID) {
	body := l.Write(p.account, to)
	p.typed = append(p.typed[max(0, len(p.typed)-39):], body)
	p.Do(state.SendMessage{Conv: p.conv(to), Body: body})
}

// shown is what is in memory of a conversation.
func (p *person) shown(peer jid.JID, n int) (rows []*state.Message) {
	if c := p.State().Chat(p.conv(peer)); c != nil {
		rows = c.Timeline.Newest(n)
	}
	return rows
}

// remembered reports whether a page that is opened now finds its way to the server.
func (p *person) remembered() bool {
	s, err := p.disk.Open(context.Background(), p.account)
	if err != nil {
		p.t.Fatal(err)
	}
	defer s.Close()
	snapshot, err := s.Load(context.Background(), store.Window{})
	return err == nil && snapshot.Settings["server"] != ""
}

// stored is what is on disk of it.
func (p *person) stored(peer jid.JID, n int) []state.MessageRow {
	s, err := p.disk.Open(context.Background(), p.account)
	if err != nil {
		p.t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.Messages(context.Background(), p.conv(peer), state.Key{}, n)
	if err != nil {
		p.t.Fatal(err)
	}
	return rows
}

func (p *person) tell() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// until waits for something to be true of the two people. It gives up when nothing has
// happened for long.
func until(t testing.TB, people []*person, ok func() bool) bool {
	t.Helper()
	if wait(people, ok) {
		return true
	}
	for _, p := range people {
		c := p.State().Connection
		t.Errorf("%s: nothing happens any more: %+v, problem %+v", p.account, c, c.Problem)
	}
	return false
}

// wait is until for what need not come.
func wait(people []*person, ok func() bool) bool {
	for !ok() {
		late := time.NewTimer(patience)
		select {
		case <-people[0].changed:
			late.Stop()
		case <-late.C:
			return false
		}
	}
	return true
}

func (p *person) SCRAMSeen(jid.JID) bool { p.mu.Lock(); defer p.mu.Unlock(); return p.seen }
func (p *person) SetSCRAMSeen(jid.JID)   { p.mu.Lock(); defer p.mu.Unlock(); p.seen = true }

// connector forgets what can be resumed if it has to.
type connector struct {
	tab *tab
	*connect.Connector
}

func (c *connector) Connect(ctx context.Context, r connect.Request) (*connect.Session, error) {
	if r.Resume != nil && c.tab.p.amnesia {
		lost := *r.Resume
		lost.ID = "lost" + lost.ID
		r.Resume = &lost
	}
	return c.Connector.Connect(ctx, r)
}

func (tb *tab) dial(ctx context.Context, url string) (framing.Socket, error) {
	dial := tb.p.dial
	if dial == nil {
		dial = func(ctx context.Context, url string) (framing.Socket, error) {
			return native.Dial(ctx, url, native.Options{})
		}
	}
	s, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	s = watched{s, tb.p}
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.dead {
		_ = s.Close(1000, "")
		return nil, errKilled
	}
	return s, nil
}

// watched is a socket that tells the ledger what the server delivers.
type watched struct {
	framing.Socket
	p *person
}

func (w watched) Read(ctx context.Context) (string, error) {
	doc, err := w.Socket.Read(ctx)
	if err == nil {
		w.p.to.read(w.p, doc)
	}
	return doc, err
}

func (w watched) Write(ctx context.Context, doc string) error {
	w.p.to.wrote(w.p, doc)
	return w.Socket.Write(ctx, doc)
}

// The tab is its client's Keeper.

func (tb *tab) Meet(jid.JID, func(string)) client.Link { return nil }

func (tb *tab) Open(ctx context.Context, account jid.JID) (store.Store, error) {
	s, err := tb.p.disk.Open(ctx, account)
	return mortal{s, tb}, err
}

func (tb *tab) Renew(_ context.Context, r *connect.Request) error {
	tb.p.mu.Lock()
	defer tb.p.mu.Unlock()
	if r.Password == "" {
		r.Credential = tb.p.cred
	}
	return nil
}

func (tb *tab) Keep(_ context.Context, c *connect.Credential) error {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.dead {
		return errKilled
	}
	tb.p.mu.Lock()
	defer tb.p.mu.Unlock()
	tb.p.cred = c
	return nil
}

func (tb *tab) Drop(context.Context, jid.JID)                 { tb.p.t.Error("the credential was refused") }
func (tb *tab) Forget(context.Context, connect.Request, bool) {}
func (tb *tab) Knows(context.Context, jid.JID) bool           { return true }
func (tb *tab) SignOut(context.Context, jid.JID)              {}
func (tb *tab) SignedOut(context.Context, jid.JID) bool       { return false }

// mortal is a store that a killed page no longer leads, or writes to.
type mortal struct {
	store.Store
	tab *tab
}

func (m mortal) Lead(ctx context.Context) error {
	m.tab.mu.Lock()
	defer m.tab.mu.Unlock()
	if m.tab.dead {
		return nil // the page is gone; its loop, which ends a moment later, only thinks that it leads
	}
	return m.Store.Lead(ctx)
}

func (m mortal) Commit(ctx context.Context, b *store.Batch) error {
	m.tab.mu.Lock()
	defer m.tab.mu.Unlock()
	if m.tab.dead {
		return context.Canceled
	}
	err := m.Store.Commit(ctx, b)
	m.tab.p.tell()
	return err
}
