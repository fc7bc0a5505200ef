package stream

import "time"

// Clock is the source of time of a Stream. Tests have one that they can set.
type Clock interface {
	Now() time.Time

	// AfterFunc calls f on a goroutine of its own when d has passed, unless stop is
	// called before.
	AfterFunc(d time.Duration, f func()) (stop func())
}

// RealClock is the time of the machine.
var RealClock Clock = realClock{}

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

func (realClock) AfterFunc(d time.Duration, f func()) (stop func()) {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// timer is a timer of the loop. Its function runs on the loop, unless the timer has been
// cleared or set again before.
type timer struct {
	stop  func()
	token *byte
}

// set calls f after d. The argument of f is how late the call is by the wall clock: if it
// is very late, the machine or the page was asleep, and the time that has passed proves
// nothing.
func (t *timer) set(l *loop, d time.Duration, f func(late time.Duration)) {
	t.clear()
	token := new(byte)
	due := l.now().Round(0).Add(d)
	t.token = token
	t.stop = l.config.Clock.AfterFunc(d, func() {
		l.s.box.post(func(l *loop) {
			if t.token != token {
				return
			}
			t.token = nil
			f(l.now().Round(0).Sub(due))
		})
	})
}

func (t *timer) clear() {
	if t.token != nil {
		t.stop()
		t.token = nil
	}
}

func (t *timer) running() bool { return t.token != nil }

// asleepAfter is the lateness of a timer above which the machine counts as having slept.
// Browsers also delay the timers of a hidden page; one check too many does no harm.
const asleepAfter = 15 * time.Second

// elapsed returns the time since t, by the wall clock or by the monotonic clock, which
// stops while the machine sleeps: the longer of the two.
func elapsed(now, t time.Time) time.Duration {
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}
