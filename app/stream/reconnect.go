package stream

import (
	"context"
	"errors"
	"time"

	"natter/app/connect"
	"natter/framing"
)

const (
	firstWait       = time.Second      // limit of the first wait, which doubles with each failure
	closedWait      = 10 * time.Second // the same if the server has closed the stream, probably of all clients at once
	redirectsAtOnce = 5                // redirects that are followed without a wait, after a stable session (RFC 6120 §4.9.3.19): gateways may stop one after the other
	longWait        = 60 * time.Second // the highest limit
	stable          = 60 * time.Second // a session of this length resets the failures
	wakeInterval    = 5 * time.Second
	rivalTime       = 30 * time.Second // an attempt to resume that was given up may arrive that late; ejabberd then reports a conflict
	handledTimeout  = 15 * time.Second // how long a resume waits until everything received is committed
	lossCode        = 1006             // close code of a socket that was lost, not closed
	tooBigCode      = 1009             // close code: a frame was too large for the server (RFC 6455 §7.4.1)
)

// connect makes a session as soon as connectIfReady allows it.
func (l *loop) connect() {
	l.retry.clear()
	l.phase, l.connectDue = waiting, true
	l.connectIfReady()
}

// connectIfReady calls Config.Connect if it is due and two conditions hold. The last
// socket is closed: servers end the older session when a second one comes. And everything
// received on a stream to resume has been committed: <resume/> contains our count, and the
// server sends the rest again. If that takes longer than handledTimeout, for example
// because the disk is full, a new stream is made instead.
func (l *loop) connectIfReady() {
	if !l.connectDue || l.link != nil {
		return
	}
	resume := l.resume()
	if resume != nil && l.behind() > 0 {
		if !l.handledTimer.running() {
			l.handledTimer.set(l, handledTimeout, func(time.Duration) {
				l.emitUnsent(l.startNewStream())
				l.connectIfReady()
			})
		}
		return
	}
	l.handledTimer.clear()
	l.connectDue, l.phase = false, connecting
	redirect := l.redirect
	if l.follows++; l.follows == redirectsAtOnce {
		l.redirect = nil
	}
	l.emit(Trying{})
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		sess, err := l.config.Connect(l.ctx, resume, redirect)
		l.s.box.post(func(l *loop) { l.connected(sess, err, resume) })
	}()
}

// resume returns the stream to resume, nil if there is none or the server no longer has it.
func (l *loop) resume() *connect.Resume {
	if l.sm.id == "" {
		return nil
	}
	if l.sm.max > 0 && elapsed(l.now(), l.lostAt) > l.sm.max {
		l.emitUnsent(l.startNewStream())
		return nil
	}
	return &connect.Resume{ID: l.sm.id, H: l.h(l.committed), JID: l.me, At: l.sm.location}
}

func (l *loop) connected(sess *connect.Session, err error, tried *connect.Resume) {
	switch {
	case l.phase == ended && err == nil && l.s.closed.Load():
		_ = sess.Conn.Close(context.Background()) // the stream was closed
	case l.phase == ended && err == nil:
		sess.Conn.Drop() // a later Stream may resume it from a Snapshot
	case l.phase == ended:
	case err != nil:
		l.failures++
		if e := new(connect.Error); errors.As(err, &e) && e.Phase == connect.Redirected {
			l.redirect = nil // it leads to an address that we do not accept
		}
		l.offline(err, connect.Retry(err), l.wait())
	default:
		l.online(sess, tried)
	}
}

// readEnded handles the end of reading.
func (l *loop) readEnded(cause error) {
	if l.phase == closing {
		l.finishAfterEvents()
		return
	}
	l.endSession(cause, nil)
}

// fail ends a session for a reason of ours.
func (l *loop) fail(farewell *framing.StreamError, cause error) { l.endSession(cause, farewell) }

// endSession ends a session. The stream may be resumed after that.
func (l *loop) endSession(cause error, farewell *framing.StreamError) {
	l.stopTimers()
	l.lostAt = l.now()
	l.failures++
	if elapsed(l.lostAt, l.sessionStart) >= stable {
		l.failures, l.redirects = 0, 0
	}
	e := &connect.Error{Phase: connect.Established, Endpoint: l.link.session.Endpoint, Err: cause}
	l.waitBase = firstWait
	again := true
	wait := time.Duration(-1)
	over := errors.Is(cause, ErrMiscounted) || l.sm.id == ""

	var stream *framing.StreamError
	var redirect *framing.RedirectError
	var closed *framing.CloseError
	switch {
	case errors.Is(cause, ErrSilent):
		e.Condition = "timeout"
		over = over || l.resumed && !l.answered // the server may misread the resumed stream, see staleErrors
	case errors.As(cause, &stream):
		e.Condition, e.Text = stream.Condition, stream.Text
		l.waitBase = closedWait
		again = connect.Retry(e)
		if stream.Condition == framing.SeeOtherHost {
			l.redirect, l.follows = e, 0
		}
		// Prosody and ejabberd send this condition when they believe that our count is
		// wrong.
		over = over || stream.Condition == framing.UndefinedCondition
		if l.resumed && (staleErrors[stream.Condition] || stream.Condition == framing.Conflict && elapsed(l.lostAt, l.sessionStart) < rivalTime) {
			again, over = true, true
		}
	case errors.As(cause, &redirect):
		l.waitBase = closedWait
		l.redirect, l.follows = e, 0
	case errors.Is(cause, framing.ErrClosed):
		l.waitBase = closedWait
		over = true // the server closed the stream, so it cannot be resumed
	case errors.As(cause, &closed):
		e.Text = closed.Reason
		if closed.Code != lossCode {
			l.waitBase = closedWait
		}
		over = over || l.resumed && staleCloseCodes[closed.Code]
	}
	if l.redirect != nil && l.redirects < redirectsAtOnce {
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
		l.emitUnsent(l.startNewStream())
	}
}

// staleErrors are stream errors that, on a resumed stream, may be about an earlier socket.
// Then this stream is lost, but a new one works.
//
// Prosody 0.12 misreads a resumed stream whose last socket was cut within a frame: it
// takes the first bytes of the new socket for the rest of that frame. See also rivalTime.
var staleErrors = map[string]bool{
	framing.BadFormat:       true,
	framing.InvalidXML:      true,
	framing.NotWellFormed:   true,
	framing.PolicyViolation: true,
	framing.RestrictedXML:   true,
}

// staleCloseCodes are the close codes with the same meaning: the server could not read a
// frame (RFC 6455 §7.4.1).
var staleCloseCodes = map[int]bool{1002: true, 1003: true, 1007: true}

// offline waits for the next attempt, or stops if retrying makes no sense.
func (l *loop) offline(err error, again bool, wait time.Duration) {
	if !again {
		l.phase = stopped
		l.emit(Offline{Err: err})
		l.emitUnsent(l.startNewStream())
		for _, r := range l.pendingRequests() {
			l.dropRequest(r)
			l.emit(Replied{Err: ErrDisconnected, Done: r.done})
		}
		return
	}
	l.phase = waiting
	l.emit(Offline{Err: err, RetryAt: l.now().Add(wait)})
	l.retry.set(l, wait, func(time.Duration) { l.connect() })
}

// wait returns a random time until the next attempt, below a limit that doubles, so that
// clients that lost the server together do not all come back together (RFC 6120 §3.3).
func (l *loop) wait() time.Duration {
	limit := l.waitBase
	for range l.failures {
		limit = min(2*limit, longWait)
	}
	return time.Duration(l.config.Random() * float64(limit))
}

func (l *loop) wake(reason Wake) {
	if reason == NetworkGone {
		l.probeBriefly()
		return
	}
	now := l.now()
	if reason != Manual && (l.phase == stopped || !l.lastWake.IsZero() && elapsed(now, l.lastWake) < wakeInterval) {
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
	l.lastWake = now
}
