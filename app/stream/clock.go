package stream

import "time"

// Clock is where a Stream gets its time from. Tests inject one they can turn.
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

// timer is one timer of the loop. Its function runs on the loop, unless the timer
// has been cleared or set again in the meantime.
type timer struct {
	stop  func()
	token *byte
}

// set calls f after d. It tells f how late that is by the clock on the wall: much
// later means that the machine or the page was asleep, and then nothing can be
// concluded from the time that has passed.
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

// asleep is how late a timer is when it was not just the load. Browsers hold back
// the timers of a hidden page too; to look once more than needed does no harm.
const asleep = 15 * time.Second

// passed returns how long ago t was, by the clock on the wall or by the one that
// stands still while the machine sleeps, whichever says more.
func passed(now, t time.Time) time.Duration {
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}
