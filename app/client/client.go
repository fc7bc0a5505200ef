// Package client is the loop: one goroutine that owns the state.
//
// The loop finds the sender and the conversation of each stanza that the stream receives, and passes it
// to the features. Of the events that they emit it makes a new State. Intents go the other way.
// Nothing on the loop needs a mutex or waits for the network; the loop waits only for what is on this
// device, such as the store. A reader on another goroutine sees only published States, which never
// change.
//
// The features are listed in features.go, their only registration.
package client

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"natter/app/connect"
	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
	"natter/framing"
)

// Connector makes sessions; *connect.Connector is one.
type Connector interface {
	Connect(context.Context, connect.Request) (*connect.Session, error)
}

// Config is what a Client is made of.
type Config struct {
	Connector Connector
	Features  func() []*feature.Feature // called again when another account begins or this tab loses the lead; All if nil
	Clock     stream.Clock              // the real one if nil
	Keeper    Keeper                    // what is kept on this device; nil keeps nothing
	CrashLog  CrashLog                  // nil for none
	Random    func() float64            // jitter of reconnects; random if nil
	NewID     func() string             // ids of stanzas; 128 random bits if nil
	// Offline reports whether the browser says that there is no network; nil if it cannot say.
	Offline func() bool
	// Build is larger in newer builds of the client. If two tabs have different builds, the
	// older one stops.
	Build int64
	// Yield is called after each turn of the loop, and by Search. It may block for a moment, so that
	// the page can handle its own events.
	Yield func()
	// Log writes what a programmer should see, such as a handler that panicked.
	Log func(format string, args ...any)
}

// Client has the state of one account, or of none, and does what the person wants of it.
type Client struct {
	config   Config
	commands mailbox
	state    atomic.Pointer[state.State]
	watchers atomic.Pointer[[]*func()]
	disk     atomic.Pointer[store.Store] // the store of the loop, for Search
	l        *loop
}

// New returns a Client that is signed out. Nothing happens until Run is called.
func New(config Config) *Client {
	if config.Features == nil {
		config.Features = All
	}
	if config.Clock == nil {
		config.Clock = stream.RealClock
	}
	if config.NewID == nil {
		config.NewID = rand.Text
	}
	if config.Yield == nil {
		config.Yield = func() {}
	}
	if config.Log == nil {
		config.Log = func(string, ...any) {}
	}
	c := &Client{config: config, commands: mailbox{ready: make(chan struct{}, 1)}}
	c.state.Store(state.New())
	c.watchers.Store(new([]*func()))
	c.l = newLoop(c)
	return c
}

// State returns the newest published state.
func (c *Client) State() *state.State { return c.state.Load() }

// Do passes an intent to the loop. It may be called on any goroutine and does not wait.
func (c *Client) Do(in state.Intent) {
	c.post(func() { c.l.do(in) })
}

// Wake tells the stream, or the leader, to check the connection now or to try to connect again, for this reason.
func (c *Client) Wake(reason stream.Wake) {
	c.post(func() {
		switch {
		case c.l.stream != nil:
			c.l.stream.Wake(reason)
		case !c.l.leads:
			c.l.send(message{Kind: wake, Wake: reason})
			c.l.send(message{Kind: ask})
		}
	})
}

// Hide tells the stream, or the leader, whether the page is hidden.
func (c *Client) Hide(hidden bool) {
	c.post(func() {
		c.l.hidden, c.l.urgent = hidden, true // commit now: a hidden page may never run again
		if c.l.tellHidden(); !c.l.leads {
			c.l.send(message{Kind: hide, Hidden: hidden})
		}
	})
}

// Unseen reports whether all tabs of the account are hidden; it is false in a tab without a stream.
// Only a function that Watch calls may call it, because it runs on the loop.
func (c *Client) Unseen() bool { return c.l.stream != nil && c.l.unseen() }

// Leave is called when the page goes away. With a store it commits now, and the next page resumes the
// stream. Without a store it closes the stream, so that contacts do not see us online for minutes. A
// mirror tells the leader that it leaves.
func (c *Client) Leave() {
	c.post(func() {
		switch {
		case c.l.link != nil && !c.l.leads:
			c.l.leaveTabs()
		case c.l.store == nil:
			c.l.leave()
		default:
			c.l.urgent = true // commit at the end of this turn
		}
	})
}

// Watch calls f after each published state, on the loop's goroutine, until stop is called. f must not
// wait. Several events may be published as one state.
func (c *Client) Watch(f func()) (stop func()) {
	entry := &f
	for {
		old := c.watchers.Load()
		next := append(append([]*func(){}, *old...), entry)
		if c.watchers.CompareAndSwap(old, &next) {
			break
		}
	}
	return func() {
		for {
			old := c.watchers.Load()
			var next []*func()
			for _, w := range *old {
				if w != entry {
					next = append(next, w)
				}
			}
			if c.watchers.CompareAndSwap(old, &next) {
				return
			}
		}
	}
}

func (c *Client) publish(s *state.State) {
	if c.state.Load() == s {
		return
	}
	c.state.Store(s)
	for _, f := range *c.watchers.Load() {
		(*f)()
	}
}

// mailbox holds the jobs for the loop, in order. It has no bound, because post must never wait for
// the loop: in a callback of the page nothing else runs until post returns. The person, the other
// tabs and timers fill it, no stranger.
type mailbox struct {
	mu    sync.Mutex
	jobs  []func()
	ready chan struct{}
}

// post lets the loop call f. It may be called on any goroutine and does not wait.
func (c *Client) post(f func()) {
	b := &c.commands
	b.mu.Lock()
	b.jobs = append(b.jobs, f)
	b.mu.Unlock()
	b.signal()
}

func (b *mailbox) signal() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// take returns the oldest job, nil if there is none.
func (b *mailbox) take() (f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.jobs) == 0 {
		return nil
	}
	f, b.jobs[0] = b.jobs[0], nil
	b.jobs = b.jobs[1:]
	return f
}

// sliceTime is the time after which a turn ends even if more waits: the page has to draw.
const sliceTime = 8 * time.Millisecond

// Run is the loop. When ctx ends, it closes the stream and returns the error of ctx.
func (c *Client) Run(ctx context.Context) error {
	for {
		var ev stream.Event
		select {
		case <-ctx.Done():
			c.l.leave()
			c.l.part()
			if c.l.unwatch != nil {
				c.l.unwatch()
			}
			c.l.leaving.Wait()
			return ctx.Err()
		case <-c.commands.ready:
		case ev = <-c.l.events():
		}
		c.turn(ev)
		c.config.Yield()
	}
}

// turn handles an event of the stream (nil if there is none) and all jobs and events that wait, so that
// many at once are published, drawn and committed once.
func (c *Client) turn(ev stream.Event) {
	began := c.config.Clock.Now()
	c.l.gotPage = false
	for more := true; more; {
		if more = ev != nil; more {
			c.l.happened(ev)
			ev = nil
		}
		if f := c.commands.take(); f != nil {
			more = true
			f()
		}
		// A page of an archive ends the turn: each page is work for one turn.
		if c.l.gotPage || c.config.Clock.Now().Sub(began) > sliceTime {
			c.commands.signal()
			break
		}
		select {
		case ev = <-c.l.events():
			more = true
		default:
		}
	}
	c.l.attend()
	c.l.commit()
	if !c.l.leavesFirst() {
		c.publish(c.l.state)
	}
	c.l.lend()
}

// Bound returns our address: the full one of the last stream, "" if nobody is signed in.
func (c *Client) Bound() jid.JID { return c.State().Me }

// Send queues a stanza; tests and tools use it.
func (c *Client) Send(st *framing.Element) {
	c.post(func() { c.l.Send(st) })
}
