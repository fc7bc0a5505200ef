package stream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"natter/app/connect"
	"natter/app/jid"
	"natter/framing"
)

// phase is the state of the loop.
type phase int

const (
	waiting    phase = iota // for the time of the next attempt
	connecting              // Config.Connect runs
	online                  // there is a session
	stopped                 // after a final failure; only Wake(Manual) continues
	closing                 // Close was called during a session
	ended                   // Run returns
)

// loop has all state of a stream and belongs to Run's goroutine. Other goroutines post jobs
// to its mailbox. It waits in step only.
type loop struct {
	s      *Stream
	config *Config
	ctx    context.Context
	wg     sync.WaitGroup // goroutines of Run

	phase  phase
	link   *link   // the socket; after a loss until it is closed
	events []Event // for the owner
	hidden bool

	me           jid.JID
	features     *framing.Element
	featuresXML  string
	idle         time.Duration // silence of ours after which the server disconnects, 0 if unknown
	requests     map[string]*request
	requestCount int // of all time

	// manage.go: the stanzas of both sides.
	queue      []entry // our stanzas that are not confirmed
	order      []Run   // their numbers; nil after they were reordered
	number     uint64  // of the entry queued last
	reorders   uint64  // how many times the queue was reordered
	recorded   uint64  // number of the last entry that the owner has committed
	current    uint64  // the last of the reorders that it has committed
	unrecorded int     // how many stanzas after the queue may have been sent before a restore
	sent       int     // how many of the queue were written on the current stream
	acked      uint32  // our stanzas confirmed before the queue, mod 2^32
	sm         smState
	received   uint64 // stanzas of the server so far
	committed  uint64 // the last of them that the owner has committed
	uncounted  uint64 // the last of them before Stream Management was on
	ackOwed    bool   // the server asked for our count while not all was committed
	suspects   map[string]bool
	losses     int  // Unsent events so far
	undecided  bool // the owner has not called Decide for the last of them

	control     []*framing.Element // elements of the stream itself, which leave before the queue
	bufferTimer timer              // runs while the socket is full

	// alive.go: whether the server answers.
	question              question
	unasked               int       // stanzas written since the last question
	bytes                 int       // written and not known to have arrived
	askTimer              timer     // until the next question, if nothing more is written
	silenceTimer          timer     // until the next look at the silence
	lastRead, lastWritten time.Time // when something came from, or went to, the server

	// reconnect.go
	failures     int           // failed attempts and short sessions since the last stable one
	waitBase     time.Duration // the first limit of wait; the limit doubles with each failure
	redirects    int           // followed at once since the last stable session
	sessionStart time.Time     // of the current or last session
	resumed      bool          // the session has resumed the stream
	answered     bool          // the server has answered a question in this session
	lostAt       time.Time     // when the last session ended
	lastWake     time.Time     // the last Wake that had an effect
	retry        timer
	handledTimer timer // runs while stanzas that are not committed prevent a resume
	finishTimer  timer // from the end of a closed stream to the end of Run
	connectDue   bool  // connect as soon as possible
	redirect     error // the end of the session whose server redirected us last; nil after redirectsAtOnce attempts in vain
	follows      int   // attempts that followed redirect since the last session
}

func newLoop(s *Stream) *loop {
	l := &loop{s: s, config: &s.config, requests: map[string]*request{}, waitBase: firstWait}
	if r := s.config.Restore; r != nil {
		l.restore(r)
	}
	l.publish()
	return l
}

func (l *loop) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.ctx = ctx
	l.connect()
	for l.phase != ended {
		l.step()
		l.publish()
	}
	cause := ctx.Err()
	cancel()
	l.retry.clear()
	l.handledTimer.clear()
	l.finishTimer.clear()
	l.stopTimers()
	if l.link != nil {
		l.drop(nil)
	}
	l.wg.Wait()
	for _, job := range l.s.box.take() {
		job(l) // among them a session that was made too late
	}
	l.publish()
	close(l.s.over)
	return cause
}

// step waits for the next job, element, write or event, and handles it.
func (l *loop) step() {
	var in chan received
	var out chan writing
	var next writing
	if l.inSession() {
		if !l.backlogFull() || l.phase == closing {
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
		l.read(r)
	case out <- next:
		l.written(next)
	case events <- first:
		l.delivered()
	case <-l.ctx.Done():
		l.phase = ended
	}
}

// inSession reports whether there is a session.
func (l *loop) inSession() bool { return l.phase == online || l.phase == closing }

// behind returns how many stanzas the owner has not committed.
func (l *loop) behind() int { return int(l.received - l.committed) }

// backlogFull reports whether the owner has so many stanzas to handle that reading more
// would only fill memory.
func (l *loop) backlogFull() bool { return l.behind() > l.config.Backlog }

func (l *loop) now() time.Time { return l.config.Clock.Now() }

func (l *loop) emit(ev Event) { l.events = append(l.events, ev) }

func (l *loop) delivered() {
	l.events[0] = nil
	l.events = l.events[1:]
	if l.finishTimer.running() && len(l.events) == 0 {
		l.finish()
	}
}

// online starts a session.
func (l *loop) online(sess *connect.Session, tried *connect.Resume) {
	l.phase, l.follows = online, 0
	l.me, l.sessionStart, l.lostAt = sess.JID, l.now(), time.Time{}
	l.lastRead, l.lastWritten = l.sessionStart, l.sessionStart
	l.link = l.open(sess)
	l.control, l.unasked, l.bytes, l.ackOwed = nil, 0, 0, false
	l.resumed, l.answered = sess.Resumed, false
	if sess.Features != nil {
		l.features, l.featuresXML = sess.Features, sess.Features.String()
	}
	limit := sess.MaxBytes
	switch {
	case limit > 0:
	case sess.Resumed:
		limit = int(l.s.limit.Load()) // a resumed stream repeats no features, so the old limit holds
	default:
		limit = defaultLimit
	}
	l.s.limit.Store(int64(limit))
	if sess.Idle > 0 || !sess.Resumed {
		l.idle = sess.Idle
	}

	if sess.Resumed {
		arrived := min(int64(l.confirmedBy(sess.ResumedH)), int64(len(l.queue)))
		lost := slices.ContainsFunc(l.queue[arrived:], func(en entry) bool { return en.st == nil })
		l.emit(Online{Session: sess, Resumed: true, Lost: lost})
		if !l.afterResume(sess.ResumedH) {
			return
		}
	} else {
		if sess.FailedH != nil && tried != nil {
			l.confirmUpTo(*sess.FailedH)
		}
		lost := l.startNewStream()
		l.emit(Online{Session: sess})
		l.emitUnsent(lost)
		l.dropTooLarge(limit)
		l.enableSM(sess)
	}
	if l.hidden {
		l.sendCSI()
	}
	for _, r := range l.pendingRequests() {
		l.startDeadline(r)
	}
	l.watchSilence()
}

// read handles an element or error that the link has read.
func (l *loop) read(r received) {
	if r.err != nil {
		l.readEnded(r.err)
		return
	}
	e := r.element
	l.lastRead = l.now()
	if e.Name.Space == nsSM {
		l.receivedSM(e)
		return
	}
	if !isStanza(e) {
		return
	}
	if l.isPong(e) {
		return
	}
	l.received++
	if ours, ok := l.matchReply(e); ok {
		ours.N = l.received
		l.emit(ours)
		return
	}
	l.emit(Received{Stanza: e, N: l.received})
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

// next returns the next element to write, if one may be written.
func (l *loop) next() (writing, bool) {
	if l.link.closing {
		return writing{}, false
	}
	if l.link.session.Conn.Buffered() > maxBuffered {
		if !l.bufferTimer.running() {
			l.bufferTimer.set(l, bufferPoll, func(time.Duration) {})
		}
		return writing{}, false
	}
	switch {
	case len(l.control) > 0:
		return writing{element: l.control[0]}, true
	}
	if queued, leaves, ok := l.ready(); ok {
		return writing{doc: leaves, stanza: queued}, true
	}
	switch {
	case l.phase != closing:
		return writing{}, false
	case l.sm.counting && !l.link.acked:
		// The last acknowledgement, so that the server does not send these stanzas again
		// (XEP-0198 §4).
		return writing{element: l.ack(), ack: true}, true
	}
	return writing{end: true}, true
}

const (
	maxBuffered = 256 << 10              // bytes the socket may hold; the rest waits in the queue
	bufferPoll  = 100 * time.Millisecond // until that is looked at again
)

// written notes that the link has accepted an element.
func (l *loop) written(w writing) {
	l.lastWritten = l.now()
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
		l.countWritten(en)
	default:
		l.control = l.control[1:]
	}
}

// writeFailed handles an element that the link could not write.
func (l *loop) writeFailed(k *link, w writing, err error) {
	if l.link != k || l.phase != online {
		return
	}
	var size *framing.SizeError
	if w.stanza == nil || !errors.As(err, &size) && !errors.Is(err, framing.ErrName) {
		// The reader gets the reason. If it gets none, the missing answer ends the session.
		l.startAnswerTimer()
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

// close starts the closing of the stream.
func (l *loop) close() {
	switch l.phase {
	case online:
		l.phase = closing
		l.stopTimers()
	case closing, ended:
	default:
		l.finish()
	}
}

// finishAfterEvents ends Run when the owner has read all events, or after finishTimeout.
func (l *loop) finishAfterEvents() {
	l.link.closing = true
	if len(l.events) == 0 {
		l.finish()
		return
	}
	l.finishTimer.set(l, finishTimeout, func(time.Duration) { l.finish() })
}

const finishTimeout = 250 * time.Millisecond

// finish ends Run, and makes sure that the stream is not resumed.
func (l *loop) finish() {
	l.sm = smState{}
	l.phase = ended
}

// link is the socket of one session, with the goroutines that read and write it.
type link struct {
	session *connect.Session
	in      chan received
	out     chan writing
	stop    context.CancelFunc
	wg      sync.WaitGroup
	acked   bool // the last <a/> has been accepted
	closing bool // <close/> too: nothing more is written
	dropped bool
}

type received struct {
	element *framing.Element
	err     error
}

type writing struct {
	element *framing.Element // of the stream itself
	doc     string           // or a stanza
	stanza  *framing.Element // as it is in the queue
	ack     bool             // the <a/> before <close/>
	end     bool             // close the stream
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
					_ = sess.Conn.Close(ctx) // the reader sees the end in any case
					return
				}
				var err error
				if w.stanza != nil {
					err = sess.Conn.WriteStanza(ctx, w.doc)
				} else {
					err = sess.Conn.Write(ctx, w.element)
				}
				if err != nil {
					l.s.box.post(func(l *loop) { l.writeFailed(k, w, err) })
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return k
}

// drop closes the socket of a session that has ended, after the stream error farewell if
// that is not nil. The next socket may be opened only after that.
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
			_ = k.session.Conn.Fail(context.Background(), farewell) // in vain if the socket is broken
		}
		k.session.Conn.Drop()
		k.stop()
		k.wg.Wait()
		l.s.box.post(func(l *loop) {
			l.link = nil
			l.connectIfReady()
		})
	}()
}
