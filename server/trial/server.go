// Package trial is a small XMPP server that lives in memory: what `natter`
// without configuration signs in to, and the clean partner of the tests. It
// speaks RFC 7395, RFC 6120 and RFC 6121 with SCRAM, SASL2, Bind 2, tokens
// (XEP-0484), rosters, carbons, archives, personal events (XEP-0163), rooms (XEP-0045) and Stream
// Management, for one domain, over WebSocket only. With Options.Others its people reach other
// domains and are reached by them, through the gateway, by dialback (XEP-0220) and with Stream
// Management where both have it; rooms and personal events stay here.
//
// It is meant for trying things out on one machine. Everything is lost when it
// stops; there is no registration and no upload. It answers loopback addresses only unless
// told otherwise. Misbehaviour is not its business either: what a client must survive is
// played by the scripted peer of the tests.
//
// One mutex guards all of it. A connection's reading goroutine takes the mutex,
// carries one element to its end, and lets go; whatever is to be sent is queued on
// the connections it is for and written by their own goroutines. So stanzas from
// one sender arrive in order, nothing waits for a slow reader, and no code below
// needs to think about two things happening at once. Functions whose comment does
// not say otherwise are called with the mutex held.
package trial

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/framing"
)

// Conflict is what happens when a resource is asked for that is in use
// (RFC 6120 §7.7.2.2).
type Conflict int

const (
	ReplaceOld Conflict = iota // end the older session, as Prosody and ejabberd do
	RenameNew                  // give the newcomer another resource
	RefuseNew                  // answer the newcomer with the stanza error conflict
)

// Options configure a Server. The zero value is a server for localhost without
// accounts.
type Options struct {
	Domain    string // "localhost" if empty
	Demo      bool   // with the accounts ada, grace and echo, and the room lounge
	Crowd     int    // with Demo: so many contacts more of ada's, online and silent
	Occupants int    // with Demo: so many more in the lounge, silent
	History   int    // with Demo: so many messages more in the lounge's archive, one of each minute
	Rooms     int    // with Demo: so many rooms more, with a few messages, that ada joins when she signs in
	Public    bool   // serve addresses that are not loopback too, and those not with SCRAM-SHA-1
	Conflict  Conflict
	Limits    Limits

	// Others opens a stream to another server, as RFC 6120 has it on TCP: who is called is in
	// the header that comes. It must not return nil. Without it nothing leaves this server.
	Others func() net.Conn

	// EchoPause is how long echo lets its correspondent see it type.
	EchoPause time.Duration

	Now   func() time.Time
	NewID func() string // at least 128 random bits
	Sleep func(ctx context.Context, d time.Duration) error
	Log   *slog.Logger // never sees addresses, content or credentials
}

// Server is the trial server. It is an http.Handler, made by New.
type Server struct {
	domain     jid.JID
	conference jid.JID // the service that has the rooms
	o          Options
	lim        Limits
	log        *slog.Logger

	mechanisms []string
	secret     []byte // makes the salts of accounts that do not exist, and occupant ids
	keys       []byte // makes those of dialback

	ctx     context.Context // ends when nobody is left
	stop    context.CancelFunc
	between sync.WaitGroup // what carries streams between servers

	mu       sync.Mutex
	accounts map[string]*account // by local part
	rooms    map[jid.JID]*room
	graves   map[jid.JID]grave // of rooms that have moved
	conns    map[*conn]struct{}
	streams  map[string]*session  // those that can be resumed, by SM-ID
	outgoing map[string]*outgoing // to other servers, by domain
	incoming map[*incoming]struct{}
	failures map[string]*bucket // failed logins by remote address
	stored   int                // bytes of all archives
	fanout   int                // deliveries to others caused by the current element
	later    []func()           // runs when the current element is done with
	answers  []*framing.Element // echo's, not given yet
	closing  bool
	empty    chan struct{} // closed when closing and the last connection is gone
}

// account is a person, or echo.
type account struct {
	jid       jid.JID     // bare
	login     credentials // nil for echo, who cannot sign in
	roster    map[jid.JID]*contact
	sessions  map[string]*session // by resource
	archive   archive
	offline   []*framing.Element
	nodes     map[string]*node   // what it publishes (XEP-0163)
	published int                // bytes of it
	expired   map[string]uint32  // counts of streams that can no longer be resumed, by SM-ID
	devices   map[string]*device // tokens, by the installation they are for
}

// New returns a server. With Options.Demo it panics if the system has no
// randomness.
func New(o Options) *Server {
	if o.Domain == "" {
		o.Domain = "localhost"
	}
	if j, err := jid.Parse(o.Domain); err == nil {
		o.Domain = j.Domain() // an address has it like that, however it was written
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = rand.Text
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		domain:     jid.JID(o.Domain),
		conference: "rooms." + jid.JID(o.Domain),
		o:          o,
		lim:        o.Limits.withDefaults(),
		log:        o.Log,
		secret:     make([]byte, 32),
		keys:       make([]byte, 32),
		accounts:   make(map[string]*account),
		rooms:      make(map[jid.JID]*room),
		graves:     make(map[jid.JID]grave),
		conns:      make(map[*conn]struct{}),
		streams:    make(map[string]*session),
		outgoing:   make(map[string]*outgoing),
		incoming:   make(map[*incoming]struct{}),
		failures:   make(map[string]*bucket),
		empty:      make(chan struct{}),
	}
	rand.Read(s.secret)
	rand.Read(s.keys)
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.mechanisms = mechanisms
	if o.Public {
		s.mechanisms = slices.DeleteFunc(slices.Clone(mechanisms), func(m string) bool { return m == sasl.SCRAMSHA1 })
	}
	if o.Demo {
		s.demo()
	}
	return s
}

// ErrAccount reports an account that cannot be made: its name is no local part,
// is taken, or there are too many.
var ErrAccount = errors.New("no such account can be made")

// AddAccount makes an account. It takes a few milliseconds: the password is hashed
// and forgotten.
func (s *Server) AddAccount(local, password string) error {
	address, err := jid.Parse(local + "@" + s.domain.String())
	if err != nil || address.Local() == "" || !address.IsBare() {
		return fmt.Errorf("%w: %q is not a local part", ErrAccount, local)
	}
	login, err := s.derive(password)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAccount, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts[address.Local()] != nil {
		return fmt.Errorf("%w: %q exists", ErrAccount, local)
	}
	if len(s.accounts) >= s.lim.Accounts {
		return fmt.Errorf("%w: there are %d already", ErrAccount, len(s.accounts))
	}
	s.add(address, login)
	return nil
}

func (s *Server) add(address jid.JID, login credentials) *account {
	a := &account{
		jid:      address,
		login:    login,
		roster:   make(map[jid.JID]*contact),
		sessions: make(map[string]*session),
		expired:  make(map[string]uint32),
		devices:  make(map[string]*device),
		nodes:    make(map[string]*node),
	}
	s.accounts[address.Local()] = a
	return a
}

// find returns the account of an address, nil if there is none here.
func (s *Server) find(j jid.JID) *account {
	if j.Domain() != s.domain.String() || j.Local() == "" {
		return nil
	}
	return s.accounts[j.Local()]
}

// named returns the account a person signs in to with this name, nil if there is
// none.
func (s *Server) named(user string) *account {
	address, err := jid.Parse(user + "@" + s.domain.String())
	if err != nil {
		return nil
	}
	return s.find(address)
}

// Shutdown tells every client system-shutdown, so that it comes back later and
// not at once, closes the streams, then those with other servers, which so hear that the
// people here have left, and returns when all are closed. When ctx ends first the connections
// are dropped and its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.closing {
		s.closing = true
		for c := range s.conns {
			c.fail(framing.SystemShutdown, "")
		}
		if len(s.conns) == 0 {
			close(s.empty)
		}
	}
	s.mu.Unlock()
	select {
	case <-s.empty:
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.conns {
			c.drop(ctx.Err())
		}
		s.dropServers()
		return ctx.Err()
	}
	return s.leaveServers(ctx)
}

// leaveServers ends the streams with other servers after what still waits for them. It is
// called without the mutex, when nobody is left to say anything.
func (s *Server) leaveServers(ctx context.Context) error {
	gone := make(chan struct{})
	s.stop()
	s.do(func() {
		for _, r := range s.outgoing {
			r.ring()
		}
		for v := range s.incoming {
			_ = v.conn.SetReadDeadline(time.Unix(1, 0)) // it stops listening
		}
	})
	go func() {
		s.between.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	s.do(s.dropServers)
	return ctx.Err()
}

func (s *Server) dropServers() {
	s.stop()
	for _, r := range s.outgoing {
		if r.conn != nil {
			_ = r.conn.Close()
		}
	}
	for v := range s.incoming {
		_ = v.conn.Close()
	}
}

// stamp is a time in the form of XEP-0082.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
