package stream

import (
	"time"

	"natter/framing"
)

const (
	nsCSI  = "urn:xmpp:csi:0"
	nsPing = "urn:xmpp:ping"
)

// question is a request for the server's count: an <r/> or, without Stream Management, a
// ping after the stanzas to confirm. Only one is open at a time, so that a burst is
// confirmed as fast as the server reads.
type question struct {
	asked  bool
	ping   string // id of the ping, "" for <r/> and <enable/>
	upto   int    // entries at the front of the queue that the answer to the ping confirms
	bytes  int    // written before it
	since  time.Time
	timer  timer
	armed  time.Time // when the timer was set
	buffer int       // bytes the socket held then
}

// slowestRead is how many bytes a server reads in a second at least. Prosody by default
// limits a client to 10 KB/s, and what waits in the network cannot be seen.
const slowestRead = 10_000

// answerOffline is how long an answer may take when the browser says it is offline.
const answerOffline = 2 * time.Second

// countWritten counts a written stanza for the next question.
func (l *loop) countWritten(en entry) {
	l.bytes += len(en.doc)
	if en.st.Name.Local == "iq" && !l.sm.counting && !l.sm.enabling {
		return // it has an answer of its own
	}
	l.unasked++
	l.askSoon()
}

// askSoon asks for the server's count: after Config.AckEvery stanzas, or Config.AckQuiet
// after the last one (XEP-0198 §8.2).
func (l *loop) askSoon() {
	switch {
	case l.question.asked || l.unasked == 0 || l.phase != online:
	case l.unasked >= l.config.AckEvery:
		l.probe()
	default:
		l.askTimer.set(l, l.config.AckQuiet, func(time.Duration) { l.probe() })
	}
}

// probe asks the server for its count, which also shows whether the server is there.
func (l *loop) probe() {
	if l.question.asked || l.phase != online {
		return
	}
	l.askTimer.clear()
	l.unasked = 0
	if l.sm.counting {
		l.control = append(l.control, framing.New(nsSM, "r"))
	} else {
		l.question.ping, l.question.upto = l.config.NewID(), l.sent
		l.control = append(l.control, framing.New(framing.NSClient, "iq").
			Set("type", "get").Set("id", l.question.ping).Set("to", l.me.Domain()).
			Add(framing.New(nsPing, "ping")))
	}
	l.startAnswerTimer()
}

// probeBriefly is probe with a short wait, for when the browser says it is offline. The
// browser may be wrong, for example about a server on this machine.
func (l *loop) probeBriefly() {
	if l.phase != online {
		return
	}
	l.probe()
	if left := l.answerTime() - elapsed(l.now(), l.question.armed); left > answerOffline {
		l.question.timer.set(l, answerOffline, l.unanswered)
	}
}

// startAnswerTimer starts a question, which the server has to answer in time.
func (l *loop) startAnswerTimer() {
	q := &l.question
	if q.asked {
		return
	}
	q.asked, q.since, q.bytes = true, l.now(), l.bytes
	l.setAnswerTimer()
}

// setAnswerTimer sets the timer of the open question.
func (l *loop) setAnswerTimer() {
	q := &l.question
	q.armed, q.buffer = l.now(), l.link.session.Conn.Buffered()
	q.timer.set(l, l.answerTime(), l.unanswered)
}

func (l *loop) answerTime() time.Duration {
	return l.config.Answer + time.Duration(l.question.bytes)*time.Second/slowestRead
}

// unanswered decides whether the server is gone. It is not gone if the machine slept, if
// reading was paused, if something was received, or if the socket could still write. But
// this may only go on for six times the answer time.
func (l *loop) unanswered(late time.Duration) {
	q := &l.question
	switch {
	case late > asleepAfter:
		q.since = l.now()
	case l.backlogFull():
		q.since = l.now()
	case elapsed(l.now(), q.since) > 6*l.answerTime():
		l.serverSilent()
		return
	case l.lastRead.After(q.armed), l.link.session.Conn.Buffered() < q.buffer:
	default:
		l.serverSilent()
		return
	}
	l.setAnswerTimer()
}

// questionAnswered ends the question.
func (l *loop) questionAnswered() {
	l.bytes = max(0, l.bytes-l.question.bytes)
	l.question.timer.clear()
	l.question = question{}
}

// serverSilent ends a session whose server does not answer. With Stream Management the
// socket is dropped without a stream error, which would end the stream to be resumed.
func (l *loop) serverSilent() {
	if l.sm.id != "" {
		l.fail(nil, ErrSilent)
		return
	}
	l.fail(&framing.StreamError{Condition: framing.ConnectionTimeout}, ErrSilent)
}

// watchSilence probes the server when it has been silent for too long. It runs at least
// every 30 s, to notice that the machine was asleep.
func (l *loop) watchSilence() {
	const look = 30 * time.Second
	wait := min(look, l.silenceLeft())
	l.silenceTimer.set(l, max(wait, time.Second), func(late time.Duration) {
		if late > asleepAfter || l.silenceLeft() <= 0 {
			l.probe()
		}
		l.watchSilence()
	})
}

// silenceLeft returns how much longer the server, or we, may be silent. Some servers
// announce after which silence of ours they disconnect (XEP-0478).
func (l *loop) silenceLeft() time.Duration {
	limit := l.config.Silence
	if l.hidden {
		limit = l.config.HiddenSilence
	}
	now := l.now()
	left := limit - elapsed(now, l.lastRead)
	if l.idle > 0 {
		keep := min(l.idle*3/4, 45*time.Second)
		left = min(left, keep-elapsed(now, l.lastRead), keep-elapsed(now, l.lastWritten))
	}
	return left
}

// hide notes whether the page is hidden, and informs the server.
func (l *loop) hide(hidden bool) {
	if l.hidden == hidden {
		return
	}
	l.hidden = hidden
	if l.phase == online {
		l.sendCSI()
		l.watchSilence()
	}
}

func (l *loop) sendCSI() {
	if l.features.Child(nsCSI, "csi") == nil {
		return
	}
	word := "active"
	if l.hidden {
		word = "inactive"
	}
	l.control = append(l.control, framing.New(nsCSI, word))
}

// stopTimers clears the timers that run only during a session.
func (l *loop) stopTimers() {
	for _, t := range []*timer{&l.askTimer, &l.silenceTimer, &l.bufferTimer} {
		t.clear()
	}
	l.questionAnswered()
	for _, r := range l.requests {
		r.timer.clear()
	}
}
