package stream

import (
	"time"

	"natter/framing"
)

const (
	nsCSI  = "urn:xmpp:csi:0"
	nsPing = "urn:xmpp:ping"
)

// question is what the server has been asked: its count with <r/>, or, without
// Stream Management, to answer a ping sent behind what it should have by then. One
// is open at a time, so a burst is confirmed as fast as the server keeps up.
type question struct {
	asked  bool
	ping   string // id of the ping, "" for <r/> and <enable/>
	upto   int    // entries at the front of the queue that a pong confirms
	bytes  int    // written before it
	since  time.Time
	timer  timer
	armed  time.Time // when the timer was set
	buffer int       // what the socket held then
}

// slowest is what a server is trusted to read in a second. Prosody by default stops
// reading from a client above 10 KB/s, and what waits in between cannot be seen.
const slowest = 10_000

// answerOffline is how long a server may take that the browser says is out of reach.
const answerOffline = 2 * time.Second

// wroteStanza counts towards the next question.
func (l *loop) wroteStanza(en entry) {
	l.bytes += en.size
	if en.st.Name.Local == "iq" && !l.sm.counting && !l.sm.enabling {
		return // it has an answer of its own
	}
	l.unasked++
	l.askSoon()
}

// askSoon asks for what has been written: after a few stanzas, or after a moment
// without more of them (XEP-0198 §8.2).
func (l *loop) askSoon() {
	switch {
	case l.question.asked || l.unasked == 0 || l.phase != online:
	case l.unasked >= l.config.AckEvery:
		l.probe()
	default:
		l.quiet.set(l, l.config.AckQuiet, func(time.Duration) { l.probe() })
	}
}

// probe asks the server what it has, and so whether it is there.
func (l *loop) probe() {
	if l.question.asked || l.phase != online {
		return
	}
	l.quiet.clear()
	l.unasked = 0
	if l.sm.counting {
		l.control = append(l.control, framing.New(nsSM, "r"))
	} else {
		l.question.ping, l.question.upto = l.config.NewID(), l.sent
		l.control = append(l.control, framing.New(framing.NSClient, "iq").
			Set("type", "get").Set("id", l.question.ping).Set("to", l.me.Domain()).
			Add(framing.New(nsPing, "ping")))
	}
	l.doubt()
}

// probeOffline asks the server and waits for the answer only for a moment. The browser
// may be wrong, and to a server on this machine it usually is.
func (l *loop) probeOffline() {
	if l.phase != online {
		return
	}
	l.probe()
	if left := l.budget() - passed(l.now(), l.question.armed); left > answerOffline {
		l.question.timer.set(l, answerOffline, l.unanswered)
	}
}

// doubt gives the server its time to answer.
func (l *loop) doubt() {
	q := &l.question
	if q.asked {
		return
	}
	q.asked, q.since, q.bytes = true, l.now(), l.bytes
	l.patience()
}

// patience sets the timer of the question.
func (l *loop) patience() {
	q := &l.question
	q.armed, q.buffer = l.now(), l.link.session.Conn.Buffered()
	q.timer.set(l, l.budget(), l.unanswered)
}

func (l *loop) budget() time.Duration {
	return l.config.Answer + time.Duration(l.question.bytes)*time.Second/slowest
}

// unanswered decides whether the server is gone. It is not if we have been asleep
// or have not read, if it still says something, or if the socket still gets rid of
// what was written; but it must not go on like this for ever.
func (l *loop) unanswered(late time.Duration) {
	q := &l.question
	switch {
	case late > asleep:
		q.since = l.now()
	case l.behind():
		q.since = l.now()
	case passed(l.now(), q.since) > 6*l.budget():
		l.silent()
		return
	case l.heard.After(q.armed), l.link.session.Conn.Buffered() < q.buffer:
	default:
		l.silent()
		return
	}
	l.patience()
}

// settled: the question has been answered.
func (l *loop) settled() {
	l.bytes = max(0, l.bytes-l.question.bytes)
	l.question.timer.clear()
	l.question = question{}
}

// silent gives up a socket that leads nowhere. With Stream Management it is just
// dropped, because any last word would end the stream that is to be resumed.
func (l *loop) silent() {
	if l.sm.id != "" {
		l.fail(nil, ErrSilent)
		return
	}
	l.fail(&framing.StreamError{Condition: framing.ConnectionTimeout}, ErrSilent)
}

// watch looks again when the silence may have lasted too long. In between it looks
// often enough to notice that the machine was asleep.
func (l *loop) watch() {
	const look = 30 * time.Second
	wait := min(look, l.remaining())
	l.tick.set(l, max(wait, time.Second), func(late time.Duration) {
		if late > asleep || l.remaining() <= 0 {
			l.probe()
		}
		l.watch()
	})
}

// remaining returns for how much longer the silence is in order. Some servers say
// after which silence of ours they hang up (XEP-0478).
func (l *loop) remaining() time.Duration {
	limit := l.config.Silence
	if l.hidden {
		limit = l.config.HiddenSilence
	}
	now := l.now()
	left := limit - passed(now, l.heard)
	if l.idle > 0 {
		keep := min(l.idle*3/4, 45*time.Second)
		left = min(left, keep-passed(now, l.heard), keep-passed(now, l.wrote))
	}
	return left
}

// hide keeps in mind whether the page can be seen, and tells the server.
func (l *loop) hide(hidden bool) {
	if l.hidden == hidden {
		return
	}
	l.hidden = hidden
	if l.phase == online {
		l.tellHidden()
		l.watch()
	}
}

func (l *loop) tellHidden() {
	if l.features.Child(nsCSI, "csi") == nil {
		return
	}
	word := "active"
	if l.hidden {
		word = "inactive"
	}
	l.control = append(l.control, framing.New(nsCSI, word))
}

// hush stops what goes on only during a session.
func (l *loop) hush() {
	for _, t := range []*timer{&l.quiet, &l.tick, &l.pace} {
		t.clear()
	}
	l.settled()
	for _, r := range l.requests {
		r.timer.clear()
	}
}
