package stream

import (
	"context"
	"crypto/rand"
	mrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"natter/app/connect"
	"natter/app/jid"
	"natter/framing"
)

// Config says how a Stream connects and how long it waits. Zero values mean the defaults
// named with the fields.
type Config struct {
	// Connect makes one session. It is called again after each loss, never twice at the
	// same time, and only after the socket of the last session is closed. The arguments
	// are for connect.Request.
	Connect func(ctx context.Context, resume *connect.Resume, redirect error) (*connect.Session, error)

	Clock  Clock          // RealClock
	Random func() float64 // in [0,1), for jitter; math/rand/v2
	NewID  func() string  // for IQs without an id, on any goroutine; 128 random bits

	Restore *Snapshot // the stream to resume, nil for a new one

	// Hold keeps messages of ours in the queue until Commit, so that the owner can first
	// store them and the Snapshot with their places. Fleeting stanzas leave at once, but only
	// a few of them before the next Commit.
	Hold bool

	RequestTimeout time.Duration // how long a Request waits for its answer while online: 30 s
	Backlog        int           // with more stanzas not yet committed, reading pauses: 2000
	AckEvery       int           // stanzas after which the server is asked for its count: 5
	AckQuiet       time.Duration // time after the last stanza when it is asked anyway: 250 ms
	Silence        time.Duration // silence of the server after which it is asked, page visible: 30 s
	HiddenSilence  time.Duration // the same when the page is hidden: 140 s
	Answer         time.Duration // how long its answer may take: 10 s, more if much was sent
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

// Wake is a reason to check the connection now.
type Wake int

const (
	NetworkBack Wake = iota // the browser says it is online again
	Visible                 // the page has become visible
	Awake                   // the machine or the page was asleep
	Manual                  // the person asked for it; never delayed
	NetworkGone             // the browser says it is offline; never connects
)

// Snapshot has what must outlive the page to resume a stream, except the stanzas of ours, which the owner
// stores once each, as Queued.
type Snapshot struct {
	ID       string        // the SM-ID, "" if the stream cannot be resumed
	JID      jid.JID       // the full address the stream is bound to
	At       string        // connect.Resume.At
	H        uint32        // stanzas of the server handled by us
	Acked    uint32        // stanzas of ours handled by the server
	Order    []Run         // the stanzas after those, in the order in which they leave
	Max      time.Duration // how long the server keeps a lost stream, 0 if unknown
	Lost     time.Time     // when the last session ended; zero during a session
	Features string        // the server's features as XML, which it does not repeat after a resume
	MaxBytes int           // largest stanza it accepts, 0 if unknown; not repeated either
	Idle     time.Duration // silence after which it disconnects, 0 if unknown; not repeated either

	// Unsent is how many stanzas at the end of Order have certainly not been written: those that were
	// queued after a restore and before the first session. All others may have been written. After
	// those the server may have stanzas that an earlier page wrote and did not store.
	Unsent int

	// Queue has, for Config.Restore, the stanzas of ours that were stored and not confirmed.
	// Without an ID they are queued in this order, and may all have been written.
	Queue []Queued

	// For Commit: the last stanza received, the last of ours, and the number of times the
	// queue has been reordered.
	received, number, reordered uint64
}

// Run stands for stanzas of ours with consecutive numbers.
type Run struct{ From, To uint64 }

// Queued is a stanza of ours in the queue.
type Queued struct {
	N      uint64 // its number
	Stanza *framing.Element
	XML    string    // the stanza as it leaves
	Since  time.Time // when it was first queued
}

// defaultLimit is the largest stanza for a server that does not state its limit
// (XEP-0478): the default of Prosody and ejabberd, 256 KiB, less a margin.
const defaultLimit = 255 << 10

// Stream is a bound stream that survives its sockets. Its methods may be called on any
// goroutine; only Run and Close wait. Elements passed to it must not be changed
// afterwards.
type Stream struct {
	config Config
	box    mailbox
	events chan Event
	over   chan struct{} // Run has returned
	closed atomic.Bool   // Close was called
	limit  atomic.Int64  // bytes of a stanza
	l      *loop         // owned by Run while it runs

	mu     sync.Mutex
	number uint64    // of the stanza of ours that was queued last
	last   time.Time // the last moment
	now    committed // what publish prepared after the last step of the loop
}

// eventBuffer is the capacity of the channel of events: large enough that the owner can
// read a burst in one turn. Further events wait in the loop.
const eventBuffer = 64

// New returns a Stream that does nothing before Run is called.
func New(config Config) *Stream {
	config.defaults()
	s := &Stream{
		config: config,
		box:    mailbox{ready: make(chan struct{}, 1)},
		events: make(chan Event, eventBuffer),
		over:   make(chan struct{}),
	}
	s.limit.Store(defaultLimit)
	s.l = newLoop(s)
	return s
}

// Run connects and keeps the stream going until Close, then it returns nil; or until ctx
// ends, then it returns its error. In the second case the socket is dropped and the stream
// is not closed, so that a Snapshot can resume it. When Run returns, everything it started
// has ended. It is called once.
func (s *Stream) Run(ctx context.Context) error { return s.l.run(ctx) }

// Events returns the channel of events. It is never closed. While nobody reads it, no
// event is lost and the stream goes on, but after Config.Backlog stanzas no more are read
// from the socket. After Close it need not be read.
func (s *Stream) Events() <-chan Event { return s.events }

// Send queues a stanza. If it has not been written when the session is lost, it waits for
// the next session; answers to IQs are dropped, because nobody waits for them then. Send
// fails only if the stanza can never be sent: with *TooLargeError, framing.ErrName, or
// ErrClosed after Close.
func (s *Stream) Send(st *framing.Element) (Queued, error) {
	en, err := s.entry(st)
	if err != nil {
		return Queued{}, err
	}
	return s.post(en, func(l *loop, en entry) { l.enqueue(en) }), nil
}

// post gives an entry its number, and posts a job with it to the loop. The jobs are in the order of the
// numbers.
func (s *Stream) post(en entry, job func(*loop, entry)) Queued {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	en.number = s.number
	s.box.post(func(l *loop) {
		l.number = en.number
		job(l, en)
	})
	return Queued{N: en.number, Stanza: en.st, XML: en.doc, Since: en.since}
}

// Again is a stanza to retry.
type Again struct {
	Stanza *framing.Element
	Since  time.Time // when it was first queued
}

// Decide retries stanzas of the Unsent event with this Loss, in the given order and before
// everything queued since, and ends the wait of the messages after them. It returns those that
// are in the queue again. Stanzas that can never be sent come back as Unsent with an Err. The
// wait goes on if there has been another loss since.
func (s *Stream) Decide(loss int, again []Again) (queued []Queued) {
	var entries []entry
	for _, a := range again {
		en, err := s.entry(a.Stanza)
		if err != nil {
			s.box.post(func(l *loop) { l.emit(Unsent{Stanzas: []*framing.Element{a.Stanza}, Err: err}) })
			continue
		}
		en.since = a.Since
		queued = append(queued, s.post(en, func(_ *loop, en entry) { entries = append(entries, en) }))
	}
	s.box.post(func(l *loop) { l.decide(loss, entries) })
	return queued
}

// Request queues an IQ get or set; the answer arrives as a Replied event. An id is set if
// there is none. The error may be a *framing.StanzaError, ErrDisconnected,
// context.DeadlineExceeded, or one of Send. Time without a connection does not count for
// the deadline, and the answer may still come after a resume. After cancel, done is not
// called.
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
	if err != nil {
		s.box.post(func(l *loop) { l.emit(Replied{Err: err, Done: r.done}) })
	} else {
		s.post(en, func(l *loop, en entry) { l.addRequest(en) })
	}
	return func() {
		cancelled.Store(true)
		s.box.post(func(l *loop) { l.dropRequest(r) })
	}
}

// entry prepares a stanza for the queue.
func (s *Stream) entry(st *framing.Element) (entry, error) {
	en := entry{st: st, doc: st.String(), since: s.moment(), kept: !Fleeting(st)}
	limit := int(s.limit.Load())
	switch {
	case s.closed.Load():
		return en, ErrClosed
	case en.doc == "":
		return en, framing.ErrName
	case len(en.doc) > limit:
		return en, &TooLargeError{Size: len(en.doc), Max: limit}
	}
	return en, nil
}

// moment returns the time now. By the wall clock it is at least a microsecond later than the moment before, so that an
// outbox, which is sorted by it, keeps the order of stanzas that are queued in one tick of that clock (a browser's
// has a tick of a millisecond). A clock that was set back by a minute or more is believed.
func (s *Stream) moment() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Clock.Now()
	// Round(0) removes the monotonic reading, which would be compared else.
	if early := s.last.Round(0).Add(time.Microsecond).Sub(now.Round(0)); early > 0 && early < time.Minute {
		now = now.Add(early)
	}
	s.last = now
	return now
}

// Wake checks whether the connection is alive, or connects now if there is none. At most
// one Wake in 5 s has an effect, and none after a final failure, except for Manual.
func (s *Stream) Wake(reason Wake) { s.box.post(func(l *loop) { l.wake(reason) }) }

// Hide sets whether the page is hidden. A server with Client State Indication is informed
// (XEP-0352).
func (s *Stream) Hide(hidden bool) { s.box.post(func(l *loop) { l.hide(hidden) }) }

// Close sends what is queued, acknowledges what was handled, and closes the stream; it
// cannot be resumed after that. If ctx ends first, the rest is left out and the error of
// ctx returned. Close returns when Run does.
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

// Snapshot returns what the owner stores together with the effects of the stanzas that it has
// received up to this number, and with the stanzas of ours that it has queued.
func (s *Stream) Snapshot(received uint64) *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	sn := s.now.Snapshot
	sn.Order = slices.Clone(sn.Order)
	if s.number > sn.number { // these the loop has not seen yet: they come last
		sn.Order = append(sn.Order, Run{sn.number + 1, s.number})
		if s.now.restored {
			sn.Unsent += int(s.number - sn.number)
		}
	}
	sn.received, sn.number, sn.H = received, s.number, s.now.h(received)
	return &sn
}

// Commit says that a Snapshot is stored together with the effects of the received stanzas and with the
// stanzas of ours. Now the server's stanzas may be acknowledged, and ours may leave. An owner without a
// store calls it too.
func (s *Stream) Commit(sn *Snapshot) { s.box.post(func(l *loop) { l.commit(sn) }) }

// mailbox holds jobs for the loop. It has no bound: a caller must never wait for the
// loop, because the loop may be waiting for the caller.
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
