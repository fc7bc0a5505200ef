package trial

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"natter/framing"
)

func TestV16_Size(t *testing.T) {
	message := func(size int) string {
		empty := chat("grace@localhost", "")
		return chat("grace@localhost", strings.Repeat("x", size-len(empty)))
	}
	for _, size := range []int{10_000, 100 << 10, 256 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			f := demo(t)
			ada, grace := f.online(t, "ada", "a"), f.online(t, "grace", "g")
			ada.send(message(size))
			ada.all()
			if got := grace.bodies(); len(got) != 1 {
				t.Errorf("%d messages arrived", len(got))
			}
		})
	}
	t.Run("a byte more", func(t *testing.T) {
		ada := adaBound(demo(t), t)
		ada.send(message(256<<10 + 1))
		ada.wantFailure(framing.PolicyViolation)
	})
	auth := func(size int) string {
		const a, b = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>`, `</auth>`
		return a + strings.Repeat("A", size-len(a)-len(b)) + b
	}
	t.Run("before authentication", func(t *testing.T) {
		c := demo(t).opened(t)
		c.send(auth(64 << 10))
		c.want("<failure")
		c.send(auth(64<<10 + 1))
		c.wantFailure(framing.PolicyViolation)
	})
	t.Run("sec 96 depth", func(t *testing.T) {
		f := demo(t)
		ada := adaBound(f, t)
		nested := func(n int) string {
			return `<message xmlns='jabber:client'>` + strings.Repeat("<x>", n-1) + strings.Repeat("</x>", n-1) + `</message>`
		}
		ada.send(nested(64))
		ada.all()
		ada.send(nested(65))
		ada.wantFailure(framing.PolicyViolation)
	})
}

func TestSec96_Accounts(t *testing.T) {
	s := New(Options{Limits: Limits{Accounts: 2, Iterations: 1}})
	for _, tc := range []struct {
		local string
		ok    bool
	}{{"a", true}, {"a", false}, {"A", false}, {"", false}, {"x@y", false}, {"x/y", false}, {"b", true}, {"c", false}} {
		if err := s.AddAccount(tc.local, "password"); (err == nil) != tc.ok || err != nil && !errors.Is(err, ErrAccount) {
			t.Errorf("%q: %v", tc.local, err)
		}
	}
	if err := New(Options{}).AddAccount("a", ""); !errors.Is(err, ErrAccount) {
		t.Errorf("no password: %v", err)
	}
}

func TestSec96_Connections(t *testing.T) {
	f := start(t, Options{Demo: true, Limits: Limits{Connections: 2}})
	a, b := f.opened(t), f.opened(t)
	_, theirs := framing.Pipe()
	if err := f.Serve(t.Context(), theirs); !errors.Is(err, ErrBusy) {
		t.Errorf("the third: %v", err)
	}
	a.lose()
	f.opened(t)
	b.sasl1(mechanisms[0], "ada", "analytical")
}

func TestSec96_Archive(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limits Limits
	}{{"messages", Limits{Archived: 3}}, {"bytes", Limits{Stored: 6 * 390}}} { // both sides keep a copy
		t.Run(tc.name, func(t *testing.T) {
			f := start(t, Options{Demo: true, Limits: tc.limits})
			ada := f.bound(t, "ada", "a")
			for i := range 20 {
				ada.send(chat("grace@localhost", fmt.Sprint("message ", i)))
			}
			ada.all()
			f.mu.Lock()
			defer f.mu.Unlock()
			total := 0
			for _, a := range f.accounts {
				for _, e := range a.archive.entries {
					total += e.size
				}
			}
			for _, r := range f.rooms {
				for _, e := range r.archive.entries {
					total += e.size
				}
			}
			if total != f.stored || f.stored > f.lim.Stored {
				t.Errorf("%d bytes are stored, %d counted", total, f.stored)
			}
			kept := f.accounts["ada"].archive.entries
			if len(kept) == 0 || len(kept) > 3 || !has(kept[len(kept)-1].m, "message 19") {
				t.Errorf("%d messages are kept", len(kept))
			}
		})
	}
}

func TestSec96_ClientThatDoesNotRead(t *testing.T) {
	f := start(t, Options{Demo: true, Limits: Limits{Outbox: 20}})
	ours, theirs := framing.Pipe()
	served := make(chan error, 1)
	go func() { served <- f.Serve(context.Background(), deaf{theirs}) }()
	if err := ours.Write(t.Context(), open); err != nil {
		t.Fatal(err)
	}
	f.waitForConns(t, 1)
	waitFor(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for c := range f.conns {
			for range 30 {
				c.send(framing.New(framing.NSClient, "message"))
			}
		}
		return len(f.conns) == 0
	})
	<-served
	f.online(t, "ada", "a").all()
}

func TestSilence(t *testing.T) {
	limits := Limits{Idle: 2 * time.Second}
	t.Run("is asked about, then given up", func(t *testing.T) {
		t.Parallel()
		f := start(t, Options{Demo: true, Limits: limits})
		ada := f.bound(t, "ada", "a")
		ada.want("<ping")
		if err := <-ada.served; !errors.Is(err, errIdle) {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("can be resumed", func(t *testing.T) {
		t.Parallel()
		f := start(t, Options{Demo: true, Limits: limits})
		old := f.authenticated(t, "ada", "analytical")
		old.bind("a")
		old.send(enable)
		id := old.want("<enabled").Attr("id")
		<-old.served
		again := adaUnbound(f, t)
		again.send(resume(id, 0))
		again.want("<resumed")
	})
}

func TestSec98_Buckets(t *testing.T) {
	now := time.Unix(0, 0)
	b := newBucket(10, 20, now)
	for _, tc := range []struct {
		after time.Duration
		take  float64
		wait  time.Duration
	}{
		{0, 20, 0},
		{0, 10, time.Second},
		{time.Second, 0, 0},
		{time.Hour, 20, 0}, // no more than the burst is saved up
		{0, 1, 100 * time.Millisecond},
	} {
		now = now.Add(tc.after)
		if got := b.take(now, tc.take); got != tc.wait {
			t.Errorf("%+v: waits %v", tc, got)
		}
	}
}

func TestSec98_Rates(t *testing.T) {
	slept := func(f *fixture) time.Duration {
		f.clock.mu.Lock()
		defer f.clock.mu.Unlock()
		var sum time.Duration
		for _, d := range f.clock.slept {
			sum += d
		}
		return sum
	}
	t.Run("an ordinary start is not slowed down", func(t *testing.T) {
		f := demo(t)
		f.online(t, "ada", "a").all()
		if d := slept(f); d != 0 {
			t.Errorf("waited %v", d)
		}
	})
	for _, tc := range []struct {
		name   string
		limits Limits
		doc    string
	}{
		{"stanzas", Limits{Stanzas: 10, StanzaBurst: 20}, `<presence xmlns='jabber:client' to='nobody@localhost'/>`},
		{"bytes", Limits{Bytes: 5_000, ByteBurst: 20_000}, chat("nobody@localhost", strings.Repeat("x", 1000))},
		{"fanout", Limits{Fanout: 10, FanoutBurst: 10}, `<presence xmlns='jabber:client'/>`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.limits.Outbox = 10_000
			f := start(t, Options{Demo: true, Limits: tc.limits})
			grace := f.online(t, "grace", "g")
			ada := f.online(t, "ada", "a")
			before := slept(f)
			for range 100 {
				ada.send(tc.doc)
			}
			ada.all()
			if d := slept(f) - before; d < 5*time.Second {
				t.Errorf("a hundred waited for %v", d)
			}
			grace.all() // and is served all the same
		})
	}
}
