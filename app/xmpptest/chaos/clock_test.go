//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
	"natter/server/trial"
)

// bubble is two people at a trial server, with a time of their own (testing/synctest)
// in which nothing ever takes any: what passes is counted, and is the same each time.
type bubble struct {
	*pair
	ada, grace *person
	clock      *clock // ada's
	link       *link  // ada's newest
	patient    bool   // the server does not say after which silence it hangs up
	dials      int
	refuse     error // what dialling fails with
}

func inBubble(t *testing.T, patient bool, f func(t *testing.T, b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := trial.New(trial.Options{Domain: "trial.test"})
		b := &bubble{
			patient: patient,
			pair:    &pair{t: t, place: &place{name: "trial"}, ledger: NewLedger(1), began: time.Now()},
			clock:   &clock{Clock: stream.RealClock},
		}
		changed := make(chan struct{}, 1)
		var served sync.WaitGroup
		t.Cleanup(served.Wait)
		for i, name := range []string{"ada", "grace"} {
			if err := s.AddAccount(name, password); err != nil {
				t.Fatal(err)
			}
			p := &person{
				t: t, account: jid.JID(name + "@trial.test"), service: "ws://127.0.0.1/ws", changed: changed, ledger: b.ledger,
				clock: stream.RealClock, agent: fmt.Sprintf("00000000-0000-4000-8000-%012x", i+1),
			}
			if name == "ada" {
				p.clock, p.random = b.clock, 0.5
			}
			p.dial = func(context.Context, string) (framing.Socket, error) {
				if name == "ada" {
					if b.dials++; b.refuse != nil {
						return nil, b.refuse
					}
				}
				mine, theirs := framing.Pipe()
				l := &link{Socket: mine, patient: b.patient}
				if name == "ada" {
					b.link = l
				}
				t.Cleanup(func() { _ = theirs.Close(1000, "") })
				served.Go(func() { _ = s.Serve(context.Background(), theirs) })
				return l, nil
			}
			p.open()
			p.Do(state.SignIn{Address: string(p.account), Password: password, Server: p.service, Remember: true})
			b.people = append(b.people, p)
		}
		b.ada, b.grace = b.people[0], b.people[1]
		b.within(1, func() bool { return here(b.ada) && here(b.grace) })
		f(t, b)
	})
}

// within lets time pass until something is true, and returns after how many seconds.
func (b *bubble) within(most int, ok func() bool) (seconds int) {
	b.t.Helper()
	for n := range most + 1 {
		if synctest.Wait(); ok() {
			return n
		}
		time.Sleep(time.Second)
	}
	b.t.Fatalf("not within %d s; ada: %+v", most, b.ada.State().Connection)
	return 0
}

func (b *bubble) online() bool { return b.ada.State().Connection.Phase == state.Online }

// write has somebody write to the other and lets it arrive, if it can.
func (b *bubble) say(from, to *person) {
	from.write(b.ledger, to.account)
	synctest.Wait()
}

// link is a socket that can swallow what goes through it, in either direction, without
// a word to anybody.
type link struct {
	framing.Socket
	patient  bool
	up, down atomic.Bool
	written  atomic.Int32 // messages that the client has tried to send
}

func (l *link) Write(ctx context.Context, message string) error {
	l.written.Add(1)
	if l.up.Load() {
		return nil
	}
	return l.Socket.Write(ctx, message)
}

func (l *link) Read(ctx context.Context) (string, error) {
	for {
		message, err := l.Socket.Read(ctx)
		if l.patient {
			message = strings.Replace(message, "<idle-seconds>600</idle-seconds>", "", 1) // XEP-0478
		}
		if err != nil || !l.down.Load() {
			return message, err
		}
	}
}

func (l *link) Close(code int, reason string) error {
	if l.up.Load() {
		return nil // the server never hears of it
	}
	return l.Socket.Close(code, reason)
}

// clock is that of a machine whose hands somebody moves, or which sleeps.
type clock struct {
	stream.Clock
	hands atomic.Int64 // by how much the clock on the wall is wrong
	slept atomic.Int64 // for how long no timer has run
}

func (c *clock) Now() time.Time {
	t := c.Clock.Now().Add(time.Duration(c.slept.Load()))
	if hands := time.Duration(c.hands.Load()); hands != 0 {
		// Only the hands: the time also has in it what a clock without hands says
		// (package time, Monotonic Clocks), and there is no function to leave that alone.
		monotonic := (*[2]int64)(unsafe.Pointer(&t))[1]
		t = t.Add(hands)
		(*[2]int64)(unsafe.Pointer(&t))[1] = monotonic
	}
	return t
}

// A dead connection is noticed: in 40 s by a page that is seen, in 150 s by one that is
// not, and one that wakes up asks within 5 s.
func TestPromise11_DeadLink(t *testing.T) {
	runs, slowest, slowestHidden := 0, 0, 0
	for _, kind := range []struct {
		name              string
		up, down, patient bool
	}{
		{"hole", true, true, false}, {"hole, patient server", true, true, true},
		{"nothing arrives there", true, false, true}, {"nothing arrives here", false, true, true},
	} {
		for _, hidden := range []bool{false, true} {
			for _, after := range []int{0, 7, 29} { // s of silence
				t.Run(fmt.Sprintf("%s hidden=%t after %d s", kind.name, hidden, after), func(t *testing.T) {
					inBubble(t, kind.patient, func(t *testing.T, b *bubble) {
						b.ada.Hide(hidden)
						time.Sleep(time.Duration(after) * time.Second)
						dead := b.link
						dead.up.Store(kind.up)
						dead.down.Store(kind.down)
						most := 40
						if hidden {
							most = 150
						}
						n := b.within(most, func() bool { return !b.online() || b.link != dead })
						b.say(b.ada, b.grace)
						b.say(b.grace, b.ada)
						b.within(60, func() bool { return here(b.ada) })
						if b.link == dead {
							t.Error("there is no new connection")
						}
						b.rest()
						b.verdict(t.Errorf)
						runs++
						if hidden {
							slowestHidden = max(slowestHidden, n)
						} else {
							slowest = max(slowest, n)
						}
					})
				})
			}
		}
	}
	t.Logf("P-11 dead links: %d of %d noticed, in %d s at most when seen, %d s when hidden", runs, 24, slowest, slowestHidden)

	t.Run("a good one is left alone", func(t *testing.T) {
		inBubble(t, false, func(t *testing.T, b *bubble) {
			first := b.link
			for range 3600 {
				time.Sleep(time.Second)
				if !b.online() {
					t.Fatal("offline")
				}
			}
			if b.link != first || b.dials != 1 {
				t.Errorf("%d connections", b.dials)
			}
		})
	})
	for _, told := range []bool{true, false} {
		t.Run(fmt.Sprintf("after a sleep, told=%t", told), func(t *testing.T) {
			inBubble(t, false, func(t *testing.T, b *bubble) {
				b.link.up.Store(true)
				b.link.down.Store(true)
				before := b.link.written.Load()
				b.clock.slept.Store(int64(time.Hour))
				most := 30 // until the next timer, which is late
				if told {
					b.ada.Wake(stream.Awake)
					most = 5
				}
				asked := b.within(most, func() bool { return b.link.written.Load() > before })
				dead := b.link
				noticed := b.within(40, func() bool { return !b.online() || b.link != dead })
				b.within(60, func() bool { return here(b.ada) })
				t.Logf("P-11 asked after %d s, noticed %d s later", asked, noticed)
			})
		})
	}
}

// jumps are what happens to clocks: somebody sets them, or a battery is empty.
var jumps = map[string]func(now time.Time) time.Duration{
	"none":   func(time.Time) time.Duration { return 0 },
	"+1 h":   func(time.Time) time.Duration { return time.Hour },
	"-1 h":   func(time.Time) time.Duration { return -time.Hour },
	"+1 d":   func(time.Time) time.Duration { return 24 * time.Hour },
	"-1 d":   func(time.Time) time.Duration { return -24 * time.Hour },
	"1970":   func(now time.Time) time.Duration { return time.Unix(1, 0).Sub(now) },
	"a year": func(time.Time) time.Duration { return 365 * 24 * time.Hour },
}

// moments are when a clock jumps. Each leads to its moment, calls jump, and returns how
// many seconds passed until all was well again.
var moments = map[string]func(b *bubble, jump func()) int{
	"online": func(b *bubble, jump func()) int {
		jump()
		b.say(b.ada, b.grace)
		b.say(b.grace, b.ada)
		return b.within(5, func() bool { return here(b.ada) })
	},
	"while the server is asked": func(b *bubble, jump func()) int {
		b.link.up.Store(true)
		b.link.down.Store(true)
		b.say(b.ada, b.grace)
		time.Sleep(2 * time.Second)
		jump()
		return b.within(60, func() bool { return !b.online() }) + b.within(60, func() bool { return here(b.ada) })
	},
	"in silence": func(b *bubble, jump func()) int {
		time.Sleep(10 * time.Second)
		jump()
		b.link.up.Store(true)
		b.link.down.Store(true)
		return b.within(60, func() bool { return !b.online() }) + b.within(60, func() bool { return here(b.ada) })
	},
	"while it waits to try again": func(b *bubble, jump func()) int {
		b.refuse = errors.New("no network")
		_ = b.link.Socket.Close(3000, "")
		b.within(60, func() bool { return b.dials > 3 })
		b.say(b.ada, b.grace)
		b.refuse = nil
		jump()
		return b.within(60, func() bool { return here(b.ada) })
	},
	"before the page is loaded again": func(b *bubble, jump func()) int {
		b.say(b.ada, b.grace)
		b.ada.kill()
		_ = b.link.Socket.Close(3000, "")
		jump()
		b.ada.reload(b.grace.account)
		b.say(b.ada, b.grace)
		return b.within(60, func() bool { return here(b.ada) })
	},
}

// A clock that jumps changes nothing: no connection is lost over it, timers run as they
// would have, and messages stay in their order.
func TestPromise14_ClockJumps(t *testing.T) {
	runs := 0
	for moment, play := range moments {
		usual := 0
		names := []string{"none"}
		for name := range jumps {
			if name != "none" {
				names = append(names, name)
			}
		}
		slices.Sort(names[1:])
		for _, name := range names {
			t.Run(moment+" "+name, func(t *testing.T) {
				inBubble(t, false, func(t *testing.T, b *bubble) {
					for range 3 {
						b.say(b.ada, b.grace)
						b.say(b.grace, b.ada)
					}
					seconds := play(b, func() { b.clock.hands.Store(int64(jumps[name](time.Now()))) })
					for range 3 {
						b.say(b.ada, b.grace)
						b.say(b.grace, b.ada)
					}
					b.rest()
					b.verdict(t.Errorf)
					first, dials := b.link, b.dials
					time.Sleep(10 * time.Minute)
					synctest.Wait()
					if !b.online() || b.link != first || b.dials != dials {
						t.Error("the connection was lost later")
					}
					var order []string
					for _, m := range b.ada.shown(b.grace.account, 100) {
						order = append(order, m.Body)
					}
					b.ada.reload(b.grace.account)
					b.within(60, func() bool { return here(b.ada) })
					var again []string
					for _, m := range b.ada.shown(b.grace.account, 100) {
						again = append(again, m.Body)
					}
					if !slices.Equal(order, again) {
						t.Errorf("the order was %q and is %q", order, again)
					}
					if name == "none" {
						usual = seconds
					}
					if seconds != usual {
						t.Errorf("it took %d s, without a jump %d", seconds, usual)
					}
					runs++
				})
			})
		}
	}
	t.Logf("P-14 clock jumps: %d of %d, order kept, timers unmoved", runs, len(moments)*len(jumps))
}
