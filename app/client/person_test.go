//go:build linux

package client_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/app/connect/discover/httpfetch"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
	"natter/framing/native"
)

// patience is how long a state may take to come. It is long, because only a test that fails waits that long.
const patience = 45 * time.Second

// person is somebody with a client, which is made of all that the page is made of, except the browser.
type person struct {
	*client.Client
	t       testing.TB
	account jid.JID
	server  string // SignIn.Server
	changed chan struct{}
	wire    *wire
	pins    pins
	leave   func() // ends the client, which closes the stream if it can
}

// person returns somebody with an account of their own.
func (p *place) person(t testing.TB) *person {
	t.Helper()
	return p.device(t, p.account(t))
}

// device returns one more client of an account. It is not signed in.
func (p *place) device(t testing.TB, account jid.JID) *person {
	t.Helper()
	return newPerson(t, account, &tls.Config{RootCAs: p.ca})
}

func newPerson(t testing.TB, account jid.JID, trust *tls.Config, change ...func(*client.Config)) *person {
	t.Helper()
	p := &person{t: t, account: account, changed: make(chan struct{}, 1), wire: &wire{}, pins: pins{}}
	config := client.Config{
		Connector: &connect.Connector{
			Find: &discover.Finder{Fetch: httpfetch.New(trust), Timeout: patience, AllowLoopback: true},
			Dial: func(ctx context.Context, url string) (framing.Socket, error) {
				s, err := native.Dial(ctx, url, native.Options{TLSConfig: trust})
				if err != nil {
					return nil, err
				}
				p.wire.dialed()
				return tapped{s, p.wire}, nil
			},
			Crypto:    sasl.Standard{},
			Pins:      p.pins,
			UserAgent: connect.UserAgent{ID: uuid(), Software: "Natter", Device: "Test"},
			NewID:     rand.Text,
		},
		Random: func() float64 { return 0.05 }, // short waits between attempts to connect
		Log:    func(format string, args ...any) { t.Errorf("%s: "+format, append([]any{account}, args...)...) },
	}
	for _, f := range change {
		f(&config)
	}
	p.Client = client.New(config)
	p.Watch(func() {
		select {
		case p.changed <- struct{}{}:
		default:
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { _ = p.Run(ctx); close(over) }()
	p.leave = func() { cancel(); <-over }
	t.Cleanup(func() {
		p.leave()
		if t.Failed() {
			t.Logf("%s: %+v\n%s", account, p.State().Connection, p.wire)
		}
	})
	return p
}

// uuid returns an id for a client: servers make its resource of it, so that two clients differ.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// here signs in, and returns when the roster and the archive have been read.
func (p *person) here() *person {
	p.t.Helper()
	before := p.State().Connection.Problem
	p.Do(state.SignIn{Address: string(p.account), Password: password, Server: p.server})
	p.until("signed in, with roster and archive", func(s *state.State) bool {
		c := s.Connection
		return settled(s) && s.Account() == p.account || c.Phase == state.SignedOut && c.Problem != nil && c.Problem != before
	})
	if problem := p.State().Connection.Problem; problem != nil {
		p.t.Fatalf("%s: %s %s\n%s", p.account, problem.Kind, problem.Text, problem.Detail)
	}
	return p
}

func settled(s *state.State) bool {
	return s.Connection.Phase == state.Online && s.RosterLoaded && s.CaughtUp
}

// until waits for a state for which ok returns true, and returns it.
func (p *person) until(what string, ok func(*state.State) bool) *state.State {
	p.t.Helper()
	late := time.After(patience)
	for {
		s := p.State()
		if ok(s) {
			return s
		}
		select {
		case <-p.changed:
		case <-late:
			p.t.Fatalf("%s waited in vain: %s\n%s", p.account, what, p.describe())
		}
	}
}

func (p *person) describe() string {
	var b strings.Builder
	s := p.State()
	fmt.Fprintf(&b, "%+v roster %v caught up %v\n", s.Connection, s.RosterLoaded, s.CaughtUp)
	for c := range s.Contacts {
		fmt.Fprintf(&b, "contact %s %+v\n", c.JID, *c)
	}
	for c := range s.Chats {
		fmt.Fprintf(&b, "chat %s %d rows, gaps %+v\n", c.Conv, c.Timeline.Len(), s.Gaps(c.Conv))
		for _, m := range c.Timeline.Newest(10) {
			fmt.Fprintf(&b, "  %.60q mine %v delivery %v %s\n", m.Body, m.Mine, m.Delivery, m.Problem)
		}
	}
	return b.String()
}

// says sends a message.
func (p *person) says(to *person, body string) {
	p.Do(state.SendMessage{Conv: to.conv(), Body: body})
}

// hears waits until a message is the newest in the conversation with somebody.
func (p *person) hears(from *person, body string) {
	p.t.Helper()
	p.until("the message "+body, func(s *state.State) bool {
		m := last(s, from.account)
		return m != nil && !m.Mine && m.Body == body
	})
}

// sees waits until the newest message is this one of ours, with this Delivery or a later one.
func (p *person) sees(peer jid.JID, body string, d state.Delivery) *state.Message {
	p.t.Helper()
	s := p.until(fmt.Sprintf("%.40q is %v", body, d), func(s *state.State) bool {
		m := last(s, peer)
		return m != nil && m.Mine && m.Body == body &&
			(m.Delivery == d || m.Delivery > d && m.Delivery != state.Failed)
	})
	return last(s, peer)
}

func last(s *state.State, peer jid.JID) *state.Message {
	c := s.Chat(state.Direct.With(peer))
	if c == nil {
		return nil
	}
	return c.Timeline.Last()
}

// bodies returns the texts of the messages of a conversation, oldest first.
func (p *person) bodies(peer jid.JID) (all []string) {
	c := p.State().Chat(state.Direct.With(peer))
	if c == nil {
		return nil
	}
	for _, m := range c.Timeline.Newest(10_000) {
		all = append(all, m.Body)
	}
	return all
}

// wants waits until a conversation has as many messages as these, and fails the test unless they are these.
func (p *person) wants(peer jid.JID, bodies ...string) {
	p.t.Helper()
	p.until("as many messages as said", func(*state.State) bool { return len(p.bodies(peer)) >= len(bodies) })
	if got := p.bodies(peer); !slices.Equal(got, bodies) {
		p.t.Errorf("%s has with %s\n%q, want\n%q", p.account, peer, got, bodies)
	}
}

// befriend makes two people contacts who see each other's presence.
func befriend(a, b *person) {
	a.t.Helper()
	a.Do(state.AddContact{JID: b.account})
	b.until("a request", func(s *state.State) bool { c := s.Contact(a.account); return c != nil && c.AsksUs })
	b.Do(state.AcceptContact{JID: a.account})
	a.until("their request", func(s *state.State) bool { c := s.Contact(b.account); return c != nil && c.AsksUs })
	a.Do(state.AcceptContact{JID: b.account})
	for _, pair := range [][2]*person{{a, b}, {b, a}} {
		pair[0].until("a friend", func(s *state.State) bool {
			c := s.Contact(pair[1].account)
			return c != nil && c.Subscription == state.SubscriptionBoth && !c.AsksUs && c.Presence().Show != state.Unavailable
		})
	}
}

type pins map[jid.JID]bool

func (p pins) SCRAMSeen(account jid.JID) bool { return p[account] }
func (p pins) SetSCRAMSeen(account jid.JID)   { p[account] = true }

// wire has all documents that went over the sockets of a person.
type wire struct {
	mu    sync.Mutex
	dials int
	lines []line
}

type line struct {
	out bool
	doc string
}

func (w *wire) dialed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials++
}

func (w *wire) Dials() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials
}

func (w *wire) add(out bool, doc string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, line{out, doc})
}

// now marks a moment for sent and received.
func (w *wire) now() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.lines)
}

func (w *wire) since(moment int, out bool) (docs []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lines[moment:] {
		if l.out == out {
			docs = append(docs, l.doc)
		}
	}
	return docs
}

func (w *wire) sent(since int) []string     { return w.since(since, true) }
func (w *wire) received(since int) []string { return w.since(since, false) }

// count returns in how many documents a text occurs.
func count(docs []string, text string) (n int) {
	for _, d := range docs {
		if strings.Contains(d, text) {
			n++
		}
	}
	return n
}

// String returns the last documents.
func (w *wire) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, l := range w.lines[max(0, len(w.lines)-25):] {
		mark := "<- "
		if l.out {
			mark = "-> "
		}
		fmt.Fprintf(&b, "%s%.300s\n", mark, l.doc)
	}
	return b.String()
}

// tapped is a socket that notes in wire what is read and written.
type tapped struct {
	framing.Socket
	wire *wire
}

func (s tapped) Read(ctx context.Context) (string, error) {
	doc, err := s.Socket.Read(ctx)
	if err == nil {
		s.wire.add(false, doc)
	}
	return doc, err
}

func (s tapped) Write(ctx context.Context, doc string) error {
	s.wire.add(true, doc)
	return s.Socket.Write(ctx, doc)
}

// conv returns the conversation with this person.
func (p *person) conv() state.ConvID { return state.Direct.With(p.account) }
