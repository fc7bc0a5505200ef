package stream

import (
	"context"
	"crypto/rand"
	mrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"natter/app/connect"
	"natter/app/jid"
	"natter/framing"
)

// Config says how a Stream connects and how patient it is. Zero values stand for
// the defaults named with the fields.
type Config struct {
	// Connect makes one session; it is called again after each loss, never twice at
	// the same time, and not before the socket of the last session is closed. See
	// connect.Request for resume and away.
	Connect func(ctx context.Context, resume *connect.Resume, away error) (*connect.Session, error)

	Clock  Clock          // RealClock
	Random func() float64 // in [0,1), for jitter; math/rand/v2
	NewID  func() string  // for IQs without an id, on any goroutine; 128 random bits

	Restore *Snapshot // a stream to take up again, nil for a new one

	// Hold keeps messages of ours back until Release, so that the owner can first
	// write down what a Snapshot says of them. What is Fleeting leaves at once, but no
	// more than a few stanzas before the owner has written down the next Snapshot.
	Hold bool

	RequestTimeout time.Duration // how long a Request waits for its answer while online: 30 s
	Backlog        int           // stanzas not yet Handled from which on nothing more is read: 2000
	AckEvery       int           // stanzas after which the server is asked for its count: 5
	AckQuiet       time.Duration // or this long after the last of fewer: 250 ms
	Silence        time.Duration // without a word from the server until it is asked, page visible: 30 s
	HiddenSilence  time.Duration // the same when the page is hidden: 140 s
	Answer         time.Duration // how long it may then take: 10 s, more if much was sent
}

func (c *Config) defaults() {
	if c.Clock == nil {
		c.Clock = RealClock
	}
	if c.Random == nil {
		c.Random = mrand.Float64
	}
	if c.NewID == nil {
		c.NewID = rand.Text
	}
	if c.Backlog == 0 {
		c.Backlog = 2000
	}
	if c.AckEvery == 0 {
		c.AckEvery = 5
	}
	for d, def := range map[*time.Duration]time.Duration{
		&c.RequestTimeout: 30 * time.Second,
		&c.AckQuiet:       250 * time.Millisecond,
		&c.Silence:        30 * time.Second,
		&c.HiddenSilence:  140 * time.Second,
		&c.Answer:         10 * time.Second,
	} {
		if *d == 0 {
			*d = def
		}
	}
}

// Wake is why somebody believes that now is a good moment to look at the network.
type Wake int

const (
	NetworkBack Wake = iota // the browser says it is online again
	Visible                 // the page has come to the front
	Awake                   // the machine or the page was asleep
	Manual                  // the person wants it; never held back
	NetworkGone             // the browser says it is offline; starts nothing
)

// Snapshot is what must outlive the page to take a stream up again.
type Snapshot struct {
	ID       string             // the SM-ID, "" if the stream cannot be resumed
	JID      jid.JID            // the full address the stream is bound to
	At       string             // connect.Resume.At
	H        uint32             // stanzas of the server handled by us
	Acked    uint32             // stanzas of ours handled by the server
	Unacked  []*framing.Element // stanzas of ours the server has not confirmed, in order
	Since    []time.Time        // when we were given them
	Upto     uint64             // for Release: what the Snapshot knows of
	Sent     int                // how many of them have been written
	Max      time.Duration      // for how long the server keeps a lost stream, 0 if it did not say
	Lost     time.Time          // when the last session ended; zero if there was one
	Features *framing.Element   // what the server offered; a resumed stream does not hear it again
	MaxBytes int                // nor how large a stanza may be, 0 if that is not known,
	Idle     time.Duration      // nor after which silence the server hangs up, 0 if it did not say
}

// defaultLimit is what a stanza may have where the server does not say (XEP-0478):
// 256 KiB is the default of Prosody and ejabberd, less a margin.
const defaultLimit = 255 << 10

// Stream is a bound stream that survives its sockets. Its methods may be called on
// any goroutine and, but for Run, Close and Snapshot, do not wait. Elements handed
// over are not changed after.
type Stream struct {
	config Config
	box    mailbox
	events chan Event
	over   chan struct{} // Run has returned
	closed atomic.Bool   // Close was called
	limit  atomic.Int64  // bytes of a stanza
	l      *loop         // Run's; of nobody before and after
}

// handOver is how many events wait for an owner that is busy before they wait in the
// loop: enough that a burst is read in one turn of the owner's.
const handOver = 64

// New returns a Stream that does nothing before Run is called.
func New(config Config) *Stream {
	config.defaults()
	s := &Stream{
		config: config,
		box:    mailbox{ready: make(chan struct{}, 1)},
		events: make(chan Event, handOver),
		over:   make(chan struct{}),
	}
	s.limit.Store(defaultLimit)
	s.l = newLoop(s)
	return s
}

// Run connects and keeps the stream going until Close, when it returns nil, or
// until ctx ends, when it returns its error. In the second case the socket is
// dropped and the stream stays unfinished, so that a Snapshot can resume it. When
// Run returns everything it started has ended. It is called once.
func (s *Stream) Run(ctx context.Context) error { return s.l.run(ctx) }

// Events returns the channel of what happens. It is never closed, and nothing is
// lost or holds up the stream while nobody reads it, except that eventually no more
// is taken from the socket. After Close it need not be read.
func (s *Stream) Events() <-chan Event { return s.events }

// Send queues a stanza. What has not been written when the session is lost waits
// for the next one, except for answers to IQs, which then concern nobody. Send
// fails only if the stanza can never be sent: with *TooLargeError, framing.ErrName,
// or ErrClosed after Close.
func (s *Stream) Send(st *framing.Element) error {
	en, err := s.entry(st)
	if err != nil {
		return err
	}
	s.box.post(func(l *loop) { l.enqueue(en) })
	return nil
}

// Again is a stanza that is to be sent again.
type Again struct {
	Stanza *framing.Element
	Since  time.Time // when it was first to be sent
}

// Settle ends the wait after an Unsent, named by its Loss: these of its stanzas are
// sent again, in this order and before everything queued since. Those that can never be
// sent come back as Unsent with an Err. Settling what was settled, or has been followed
// by another loss, only queues.
func (s *Stream) Settle(loss int, again []Again) {
	var entries []entry
	for _, a := range again {
		en, err := s.entry(a.Stanza)
		if err != nil {
			s.box.post(func(l *loop) { l.emit(Unsent{Stanzas: []*framing.Element{a.Stanza}, Err: err}) })
			continue
		}
		en.since = a.Since
		entries = append(entries, en)
	}
	s.box.post(func(l *loop) { l.settle(loss, entries) })
}

// Request queues an IQ get or set; the answer arrives as a Replied event. An id is
// set if there is none. The answer may be a *framing.StanzaError, ErrDisconnected,
// context.DeadlineExceeded, or what Send fails with. Time without a connection does
// not count against the deadline, and a resumed stream still answers. After cancel
// done is not called any more.
func (s *Stream) Request(iq *framing.Element, done func(reply *framing.Element, err error)) (cancel func()) {
	if iq.Attr("id") == "" {
		iq.Set("id", s.config.NewID())
	}
	var cancelled atomic.Bool
	r := &request{id: iq.Attr("id"), to: jid.JID(iq.Attr("to")), done: func(reply *framing.Element, err error) {
		if !cancelled.Load() {
			done(reply, err)
		}
	}}
	en, err := s.entry(iq)
	en.request = r
	s.box.post(func(l *loop) {
		if err != nil {
			l.emit(Replied{Err: err, Done: r.done})
			return
		}
		l.ask(en)
	})
	return func() {
		cancelled.Store(true)
		s.box.post(func(l *loop) { l.forget(r) })
	}
}

// entry readies a stanza for the queue.
func (s *Stream) entry(st *framing.Element) (entry, error) {
	en := entry{st: st, since: s.config.Clock.Now(), size: len(st.Append(nil))}
	limit := int(s.limit.Load())
	switch {
	case s.closed.Load():
		return en, ErrClosed
	case en.size == 0:
		return en, framing.ErrName
	case en.size > limit:
		return en, &TooLargeError{Size: en.size, Max: limit}
	}
	return en, nil
}

// Handled says that the oldest n Received or Replied not yet handled have been dealt with.
func (s *Stream) Handled(n int) {
	s.box.post(func(l *loop) {
		for range n {
			l.handled()
		}
	})
}

// Wake looks whether the connection is alive, or tries to connect again now. At
// most one Wake in 5 s has an effect, and none after a final failure, except for
// Manual.
func (s *Stream) Wake(reason Wake) { s.box.post(func(l *loop) { l.wake(reason) }) }

// Hide says whether the page can be seen. The server is told where it wants to know
// (XEP-0352).
func (s *Stream) Hide(hidden bool) { s.box.post(func(l *loop) { l.hide(hidden) }) }

// Close sends what is queued, says how far we have come, and ends the stream in
// good order; it cannot be resumed after. What cannot be done until ctx ends is
// left out, and its error returned. Close returns when Run does.
func (s *Stream) Close(ctx context.Context) error {
	s.closed.Store(true)
	s.box.post((*loop).close)
	select {
	case <-s.over:
		return nil
	case <-ctx.Done():
	}
	s.box.post((*loop).finish)
	<-s.over
	return ctx.Err()
}

// Snapshot returns what Config.Restore takes, as it will be once so many more of the
// stanzas received are Handled: the owner writes it down together with what they
// meant. It waits until Run has been called and can still be had after Run has
// returned.
func (s *Stream) Snapshot(handled int) *Snapshot {
	c := make(chan *Snapshot, 1)
	s.box.post(func(l *loop) { c <- l.snapshot(handled) })
	select {
	case sn := <-c:
		return sn
	case <-s.over:
		return s.l.snapshot(handled)
	}
}

// Release lets what a Snapshot knows of, by its Upto, onto the wire.
func (s *Stream) Release(upto uint64) { s.box.post(func(l *loop) { l.release(upto) }) }

// ReleaseAll lets all that Hold has kept back so far onto the wire, although nobody has
// written it down.
func (s *Stream) ReleaseAll() { s.box.post(func(l *loop) { l.release(l.number) }) }

// mailbox holds what the loop has yet to do. It has no bound: whoever posts must
// never wait for the loop, because the loop may be waiting for them.
type mailbox struct {
	mu    sync.Mutex
	jobs  []func(*loop)
	ready chan struct{}
}

func (b *mailbox) post(f func(*loop)) {
	b.mu.Lock()
	b.jobs = append(b.jobs, f)
	b.mu.Unlock()
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

func (b *mailbox) take() []func(*loop) {
	b.mu.Lock()
	defer b.mu.Unlock()
	jobs := b.jobs
	b.jobs = nil
	return jobs
}
