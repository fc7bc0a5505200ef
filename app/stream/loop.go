package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"natter/app/connect"
	"natter/app/jid"
	"natter/framing"
)

// phase is where the loop stands.
type phase int

const (
	waiting    phase = iota // for the moment of the next try
	connecting              // Connect runs
	online                  // there is a session
	stopped                 // a final failure; only Wake(Manual) goes on
	closing                 // Close was called during a session
	ended                   // Run returns
)

// loop is what Run's goroutine owns: all of the stream's state. Everybody else
// sends it jobs through the mailbox. It never waits for anything but the next
// thing to happen.
type loop struct {
	s      *Stream
	config *Config
	ctx    context.Context
	wg     sync.WaitGroup // all that Run started

	phase  phase
	link   *link   // the socket; after a loss until it is closed
	events []Event // for the owner
	hidden bool

	me       jid.JID
	features *framing.Element
	idle     time.Duration // after which silence of ours the server hangs up, 0 if it did not say
	requests map[string]*request
	asked    int // requests ever

	// manage.go: what both sides have sent and handled.
	queue     []entry // our stanzas that are not confirmed
	number    uint64  // of the entry queued last
	recorded  uint64  // of the last one that the owner has written down
	unknown   int     // how many more than we know of may have been sent before a restore
	sent      int     // how many of the queue were written on the current stream
	acked     uint32  // our stanzas confirmed before the queue, mod 2^32
	sm        management
	inbound   []*mark // received and not handled
	h         uint32  // handled, mod 2^32
	owed      bool    // the server asked while inbound was not empty
	suspects  map[string]bool
	losses    int  // how often the owner was told Unsent
	unsettled bool // and has not settled it

	control []*framing.Element // what manages the stream leaves before the queue
	pace    timer              // runs while the socket is full

	// alive.go: whether the server is there and what it has.
	question     question
	unasked      int       // stanzas written since
	bytes        int       // written and not known to have arrived
	quiet        timer     // until the question, when nothing more is written
	tick         timer     // until the next look at the silence
	heard, wrote time.Time // the last word from and to the server

	// reconnect.go
	failures  int           // tries and short-lived sessions since the last stable one
	base      time.Duration // what the wait doubles from
	redirects int           // followed at once since the last stable session
	since     time.Time     // the session began
	resumed   bool          // by resuming the stream
	answered  bool          // and the server has answered what we asked it since
	lost      time.Time     // the session ended
	woken     time.Time     // the last Wake that had an effect
	retry     timer
	stuck     timer // runs while what was received keeps the stream from being resumed
	parting   timer // from the end of a closed stream to that of Run
	due       bool  // connect as soon as nothing is in the way
	away      error // why the server sent us elsewhere
}

func newLoop(s *Stream) *loop {
	l := &loop{s: s, config: &s.config, requests: map[string]*request{}, base: firstWait}
	if r := s.config.Restore; r != nil {
		l.restore(r)
	}
	return l
}

func (l *loop) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.ctx = ctx
	l.connect()
	for l.phase != ended {
		l.step()
	}
	cause := ctx.Err()
	cancel()
	l.retry.clear()
	l.stuck.clear()
	l.parting.clear()
	l.hush()
	if l.link != nil {
		l.drop(nil)
	}
	l.wg.Wait()
	for _, job := range l.s.box.take() {
		job(l) // among them a session that was made too late
	}
	close(l.s.over)
	return cause
}

// step waits for the next thing to happen and deals with it.
func (l *loop) step() {
	var in chan received
	var out chan writing
	var next writing
	if l.talking() {
		if !l.behind() || l.phase == closing {
			in = l.link.in
		}
		if w, ok := l.next(); ok {
			out, next = l.link.out, w
		}
	}
	var events chan Event
	var first Event
	if len(l.events) > 0 {
		events, first = l.s.events, l.events[0]
	}
	select {
	case <-l.s.box.ready:
		for _, job := range l.s.box.take() {
			job(l)
		}
	case r := <-in:
		l.received(r)
	case out <- next:
		l.written(next)
	case events <- first:
		l.delivered()
	case <-l.ctx.Done():
		l.phase = ended
	}
}

// talking reports whether the socket is one of a session.
func (l *loop) talking() bool { return l.phase == online || l.phase == closing }

// behind reports whether the owner has so much to do that reading on would only
// fill the memory: the server keeps the rest.
func (l *loop) behind() bool { return len(l.inbound) > l.config.Backlog }

func (l *loop) now() time.Time { return l.config.Clock.Now() }

func (l *loop) emit(ev Event) { l.events = append(l.events, ev) }

func (l *loop) delivered() {
	l.events[0] = nil
	l.events = l.events[1:]
	if l.parting.running() && len(l.events) == 0 {
		l.finish()
	}
}

// online begins a session.
func (l *loop) online(sess *connect.Session, tried *connect.Resume) {
	l.phase = online
	l.me, l.since, l.lost = sess.JID, l.now(), time.Time{}
	l.heard, l.wrote = l.since, l.since
	l.link = l.open(sess)
	l.control, l.unasked, l.bytes, l.owed = nil, 0, 0, false
	l.resumed, l.answered = sess.Resumed, false
	if sess.Features != nil {
		l.features = sess.Features
	}
	limit := sess.MaxBytes
	switch {
	case limit > 0:
	case sess.Resumed:
		limit = int(l.s.limit.Load()) // it has no features of its own; what was said holds
	default:
		limit = defaultLimit
	}
	l.s.limit.Store(int64(limit))
	if sess.Idle > 0 || !sess.Resumed {
		l.idle = sess.Idle
	}

	if sess.Resumed {
		l.emit(Online{Session: sess, Resumed: true})
		if !l.goOn(sess.ResumedH) {
			return
		}
	} else {
		if sess.FailedH != nil && tried != nil {
			l.catchUp(*sess.FailedH)
		}
		lost := l.startOver()
		l.emit(Online{Session: sess})
		l.lose(lost)
		l.shrink(limit)
		l.manage(sess)
	}
	if l.hidden {
		l.tellHidden()
	}
	for _, r := range l.pending() {
		l.await(r)
	}
	l.watch()
}

// received deals with what the link has read.
func (l *loop) received(r received) {
	if r.err != nil {
		l.hungUp(r.err)
		return
	}
	e := r.element
	l.heard = l.now()
	if e.Name.Space == nsSM {
		l.managed(e)
		return
	}
	if !isStanza(e) {
		return
	}
	m := &mark{counted: l.sm.counting}
	l.inbound = append(l.inbound, m)
	if e.Name.Local != "iq" || e.Attr("type") != "result" && e.Attr("type") != "error" {
		l.emit(Received{Stanza: e})
		return
	}
	if ours, ok := l.replied(e); ok {
		l.emit(ours)
		return
	}
	m.handled = true // nobody asked, or it was us
	l.advance()
}

func isStanza(e *framing.Element) bool {
	if e.Name.Space != framing.NSClient {
		return false
	}
	switch e.Name.Local {
	case "message", "presence", "iq":
		return true
	}
	return false
}

// next returns what is to be written next, if anything may be.
func (l *loop) next() (writing, bool) {
	if l.link.closing {
		return writing{}, false
	}
	if l.link.session.Conn.Buffered() > maxBuffered {
		if !l.pace.running() {
			l.pace.set(l, pacing, func(time.Duration) {})
		}
		return writing{}, false
	}
	switch {
	case len(l.control) > 0:
		return writing{element: l.control[0]}, true
	}
	if queued, leaves, ok := l.ready(); ok {
		return writing{element: leaves, stanza: queued}, true
	}
	switch {
	case l.phase != closing:
		return writing{}, false
	case l.sm.counting && !l.link.acked:
		// What we have, so that the server does not send it again (XEP-0198 §4).
		return writing{element: l.ack(), ack: true}, true
	}
	return writing{end: true}, true
}

const (
	maxBuffered = 256 << 10              // what the socket may hold; the rest waits here
	pacing      = 100 * time.Millisecond // until that is looked at again
)

// written: the link has taken it.
func (l *loop) written(w writing) {
	l.wrote = l.now()
	switch {
	case w.end:
		l.link.closing = true
	case w.ack:
		l.link.acked = true
	case w.stanza != nil:
		en := l.queue[l.sent]
		l.sent++
		if en.request != nil {
			en.request.written = true
		}
		l.wroteStanza(en)
	default:
		l.control = l.control[1:]
	}
}

// refused: the link could not write it.
func (l *loop) refused(k *link, w writing, err error) {
	if l.link != k || l.phase != online {
		return
	}
	var size *framing.SizeError
	if w.stanza == nil || !errors.As(err, &size) && !errors.Is(err, framing.ErrName) {
		// Why will be read; a silent end shows as an answer that does not come.
		l.doubt()
		return
	}
	if size != nil {
		err = &TooLargeError{Size: size.Size, Max: size.Max}
	}
	for i, en := range l.queue[:l.sent] {
		if en.st == w.stanza {
			l.sent--
			l.unqueue(i, err)
			return
		}
	}
}

// close ends the stream in good order.
func (l *loop) close() {
	switch l.phase {
	case online:
		l.phase = closing
		l.hush()
	case closing, ended:
	default:
		l.finish()
	}
}

// part ends Run when the owner has heard the last of it, if they still listen.
func (l *loop) part() {
	l.link.closing = true
	if len(l.events) == 0 {
		l.finish()
		return
	}
	l.parting.set(l, partingTime, func(time.Duration) { l.finish() })
}

const partingTime = 250 * time.Millisecond

// finish ends Run.
func (l *loop) finish() {
	l.sm = management{}
	l.phase = ended
}

// link is the socket of one session with the goroutines that read and write it.
type link struct {
	session *connect.Session
	in      chan received
	out     chan writing
	stop    context.CancelFunc
	wg      sync.WaitGroup
	acked   bool // the last <a/> has been handed over
	closing bool // and <close/>: nothing more is written
	dropped bool
}

type received struct {
	element *framing.Element
	err     error
}

type writing struct {
	element *framing.Element
	stanza  *framing.Element // as it is queued, nil for what manages the stream
	ack     bool             // the last but one
	end     bool             // the last: close the stream
}

func (l *loop) open(sess *connect.Session) *link {
	ctx, stop := context.WithCancel(context.Background())
	k := &link{session: sess, in: make(chan received), out: make(chan writing), stop: stop}
	k.wg.Add(2)
	go func() {
		defer k.wg.Done()
		for {
			e, err := sess.Conn.Read(ctx)
			select {
			case k.in <- received{e, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	go func() {
		defer k.wg.Done()
		for {
			select {
			case w := <-k.out:
				if w.end {
					_ = sess.Conn.Close(ctx) // however it goes, the reader sees the end
					return
				}
				if err := sess.Conn.Write(ctx, w.element); err != nil {
					l.s.box.post(func(l *loop) { l.refused(k, w, err) })
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return k
}

// drop closes the socket of a session that is over, after the farewell if there is
// one. Only then the next one may be opened.
func (l *loop) drop(farewell *framing.StreamError) {
	k := l.link
	if k.dropped {
		return
	}
	k.dropped = true
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		if farewell != nil {
			_ = k.session.Conn.Fail(context.Background(), farewell) // as much of it as the socket still takes
		}
		k.session.Conn.Drop()
		k.stop()
		k.wg.Wait()
		l.s.box.post(func(l *loop) {
			l.link = nil
			l.unblocked()
		})
	}()
}
