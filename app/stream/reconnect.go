package stream

import (
	"context"
	"errors"
	"time"

	"natter/app/connect"
	"natter/framing"
)

const (
	firstWait  = time.Second      // a wait is random between nothing and this, doubled with each failure
	herdWait   = 10 * time.Second // the same after the server has closed: it did so to everybody at once
	longWait   = 60 * time.Second // never more than this
	stable     = 60 * time.Second // a session that lasts so long makes good for all failures before
	wakeEvery  = 5 * time.Second
	rivalry    = 30 * time.Second // the attempt to resume that we gave up may come late, and look to ejabberd like a rival of the one that succeeded
	handling   = 15 * time.Second // how long a stream waits to be resumed for what has come on it to be handled
	normalLoss = 1006             // what a socket reports that was lost, not closed
	tooBig     = 1009             // a frame was longer than the server takes (RFC 6455 §7.4.1)
)

// connect makes a session as soon as nothing is in the way.
func (l *loop) connect() {
	l.retry.clear()
	l.phase, l.due = waiting, true
	l.unblocked()
}

// unblocked starts Connect if it is due. There are never two sockets: servers end
// the older session when a second one comes. And before a stream is resumed,
// everything received on it must have been handled: our count is part of the
// question, and what it leaves out is sent again. If that takes too long, because the
// disk is full, the stream is given up for one that begins with nothing.
func (l *loop) unblocked() {
	if !l.due || l.link != nil {
		return
	}
	resume := l.resume()
	if resume != nil && len(l.inbound) > 0 {
		if !l.stuck.running() {
			l.stuck.set(l, handling, func(time.Duration) {
				l.lose(l.startOver())
				l.unblocked()
			})
		}
		return
	}
	l.stuck.clear()
	l.due, l.phase = false, connecting
	away := l.away
	l.away = nil
	l.emit(Trying{})
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		sess, err := l.config.Connect(l.ctx, resume, away)
		l.s.box.post(func(l *loop) { l.connected(sess, err, resume) })
	}()
}

// resume returns what to resume with, nil if there is nothing or no longer.
func (l *loop) resume() *connect.Resume {
	if l.sm.id == "" {
		return nil
	}
	if l.sm.max > 0 && passed(l.now(), l.lost) > l.sm.max {
		l.lose(l.startOver())
		return nil
	}
	return &connect.Resume{ID: l.sm.id, H: l.h, JID: l.me, At: l.sm.location}
}

func (l *loop) connected(sess *connect.Session, err error, tried *connect.Resume) {
	switch {
	case l.phase == ended && err == nil && l.s.closed.Load():
		_ = sess.Conn.Close(context.Background()) // nobody wants it any more
	case l.phase == ended && err == nil:
		sess.Conn.Drop() // it may be resumed by whoever has the snapshot
	case l.phase == ended:
	case err != nil:
		l.failures++
		l.offline(err, connect.Retry(err), l.wait())
	default:
		l.online(sess, tried)
	}
}

// hungUp: reading has ended.
func (l *loop) hungUp(cause error) {
	if l.phase == closing {
		l.part()
		return
	}
	l.down(cause, nil)
}

// fail ends a session for a reason of ours.
func (l *loop) fail(farewell *framing.StreamError, cause error) { l.down(cause, farewell) }

// down ends a session. The stream may still be resumed after it.
func (l *loop) down(cause error, farewell *framing.StreamError) {
	l.hush()
	l.lost = l.now()
	l.failures++
	if passed(l.lost, l.since) >= stable {
		l.failures, l.redirects = 0, 0
	}
	e := &connect.Error{Phase: connect.Established, Endpoint: l.link.session.Endpoint, Err: cause}
	l.base = firstWait
	again := true
	wait := time.Duration(-1)
	over := errors.Is(cause, ErrMiscounted) || l.sm.id == ""

	var stream *framing.StreamError
	var redirect *framing.RedirectError
	var closed *framing.CloseError
	switch {
	case errors.Is(cause, ErrSilent):
		e.Condition = "timeout"
		over = over || l.resumed && !l.answered // see mistaken
	case errors.As(cause, &stream):
		e.Condition, e.Text = stream.Condition, stream.Text
		l.base = herdWait
		again = connect.Retry(e)
		if stream.Condition == framing.SeeOtherHost {
			l.away = e
		}
		// Both Prosody and ejabberd say so, without more, when they think that we
		// have miscounted.
		over = over || stream.Condition == framing.UndefinedCondition
		if l.resumed && (mistaken[stream.Condition] || stream.Condition == framing.Conflict && passed(l.lost, l.since) < rivalry) {
			again, over = true, true
		}
	case errors.As(cause, &redirect):
		l.base = herdWait
		l.away = e
	case errors.Is(cause, framing.ErrClosed):
		l.base = herdWait
		over = true // closed in good order, nothing is left to resume
	case errors.As(cause, &closed):
		e.Text = closed.Reason
		if closed.Code != normalLoss {
			l.base = herdWait
		}
		over = over || l.resumed && notUnderstood[closed.Code]
	}
	if l.away != nil && l.redirects == 0 {
		l.redirects++
		wait = 0
	}
	if wait < 0 {
		wait = l.wait()
	}
	l.drop(farewell)
	l.quarantine(cause)
	l.offline(e, again, wait)
	if over && again {
		l.lose(l.startOver())
	}
}

// mistaken are the stream errors that, on a session that has resumed the stream, need
// not be about us. The stream is lost then, but a new one is none the worse.
//
// Prosody 0.12 misreads what comes on a stream that was resumed after its socket had
// been cut within a frame: it still waits for the rest of that frame, and takes the
// first bytes of the new socket for it. And see rivalry.
var mistaken = map[string]bool{
	framing.BadFormat:       true,
	framing.InvalidXML:      true,
	framing.NotWellFormed:   true,
	framing.PolicyViolation: true,
	framing.RestrictedXML:   true,
}

// notUnderstood are the close codes that say of a frame what NotWellFormed does of XML (RFC 6455 §7.4.1).
var notUnderstood = map[int]bool{1002: true, 1003: true, 1007: true}

// offline waits for the next try, or stops if there is nothing to hope for.
func (l *loop) offline(err error, again bool, wait time.Duration) {
	if !again {
		l.phase = stopped
		l.emit(Offline{Err: err})
		l.lose(l.startOver())
		for _, r := range l.pending() {
			l.forget(r)
			l.emit(Replied{Err: ErrDisconnected, Done: r.done})
		}
		return
	}
	l.phase = waiting
	l.emit(Offline{Err: err, RetryAt: l.now().Add(wait)})
	l.retry.set(l, wait, func(time.Duration) { l.connect() })
}

// wait returns how long to wait before the next try: anything between nothing and
// a limit that doubles, so that clients who lost the server together do not all
// come back together (RFC 6120 §3.3).
func (l *loop) wait() time.Duration {
	limit := l.base
	for range l.failures {
		limit = min(2*limit, longWait)
	}
	return time.Duration(l.config.Random() * float64(limit))
}

func (l *loop) wake(reason Wake) {
	if reason == NetworkGone {
		l.probeOffline()
		return
	}
	now := l.now()
	if reason != Manual && (l.phase == stopped || !l.woken.IsZero() && passed(now, l.woken) < wakeEvery) {
		return
	}
	switch l.phase {
	case online:
		l.probe()
	case waiting, stopped:
		l.connect()
	default:
		return
	}
	l.woken = now
}
