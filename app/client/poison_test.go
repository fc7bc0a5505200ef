//go:build linux

package client_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"natter/app/client"
	"natter/app/feature"
	"natter/app/state"
	"natter/framing"
)

// crashLog is a client.CrashLog that outlives the pages.
type crashLog struct {
	mu       sync.Mutex
	handling uint64
	poison   []uint64
}

func (l *crashLog) Begin(hash uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handling = hash
}

func (l *crashLog) End() { l.Begin(0) }

func (l *crashLog) Poison() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.poison)
}

// dies kills a page while it handles a stanza.
func (l *crashLog) dies(pg *page) {
	l.mu.Lock()
	l.poison = append(l.poison, l.handling)
	l.mu.Unlock()
	pg.mu.Lock()
	defer pg.mu.Unlock()
	pg.kill()
}

// A stanza that has crashed a page is left out by the next one, and still counted as handled. A stanza that
// makes a feature panic does not end the page.
func TestSec18_M15_PoisonIsMetOnce(t *testing.T) {
	const test = "natter:test"
	everywhere(t, func(t *testing.T, p *place) {
		var died, panicked atomic.Int32
		var notes crashLog
		d := &device{t: t, place: p, account: p.account(t), network: dig(t, p)}
		d.change = func(pg *page, c *client.Config) {
			c.CrashLog = &notes
			c.Log = func(format string, args ...any) { t.Logf(format, args...) }
			c.Features = and(&feature.Feature{Name: "test", Messages: map[framing.Name]feature.Handler{
				{Space: test, Local: "panic"}: func(feature.Client, *feature.Stanza) {
					panicked.Add(1)
					panic("a mistake")
				},
				{Space: test, Local: "poison"}: func(feature.Client, *feature.Stanza) {
					died.Add(1)
					notes.dies(pg)
				},
			}})
		}
		ada, grace := d.page().here(), p.person(t).here()
		send := func(name string) {
			grace.Send(framing.New(framing.NSClient, "message").Set("type", "chat").Set("id", name).
				Set("to", ada.State().Me.String()).Add(framing.New(test, name)))
		}
		send("panic")
		grace.says(ada.person, "before")
		ada.hears(grace, "before")
		// When that is on the disk, the server does not send the stanzas before it again.
		eventually(t, "it is on the disk", func() bool { return slices.Contains(d.said(grace), "before") })
		send("poison")
		grace.says(ada.person, "after")
		eventually(t, "it is dead", ada.isDead)

		ada = ada.reload().back()
		ada.hears(grace, "after")
		ada.wants(grace.account, "before", "after")
		if !strings.Contains(strings.Join(ada.wire.received(0), ""), test) {
			t.Error("the server has not sent it again")
		}
		ada.says(grace, "heard")
		grace.hears(ada.person, "heard")
		ada.onDisk("heard")
		ada = ada.reload().back()
		resumed(t, ada.wire.sent(0))
		grace.says(ada.person, "the last one")
		ada.hears(grace, "the last one")
		if strings.Contains(strings.Join(ada.wire.received(0), ""), test) {
			t.Error("the server sends it still")
		}
		if got := fmt.Sprint(died.Load(), panicked.Load()); got != "1 1" {
			t.Errorf("died and panicked: %s times", got)
		}
		if s := ada.State(); s.Connection.Phase != state.Online {
			t.Errorf("it is %+v", s.Connection)
		}
	})
}

// An answer that has crashed a page is left out too; the request ends with an error.
func TestSec18_M15_PoisonousAnswer(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		var answered, leftOut atomic.Int32
		var notes crashLog
		d := &device{t: t, place: p, account: p.account(t), network: dig(t, p)}
		d.change = func(pg *page, c *client.Config) {
			c.CrashLog = &notes
			c.Log = func(format string, args ...any) { t.Logf(format, args...) }
			c.Features = and(&feature.Feature{Name: "test", Start: func(c feature.Client) {
				iq := framing.New(framing.NSClient, "iq").Set("type", "get").Set("to", d.account.Domain()).
					Add(framing.New("http://jabber.org/protocol/disco#info", "query"))
				c.Request(iq, func(_ *framing.Element, err error) {
					if err != nil {
						leftOut.Add(1)
						return
					}
					answered.Add(1)
					notes.dies(pg)
				})
			}})
		}
		ada := d.page()
		ada.Do(state.SignIn{Address: string(d.account), Password: password, Server: ada.server, Remember: true})
		eventually(t, "it is dead", ada.isDead)
		ada = ada.reload()
		ada.here()
		eventually(t, "the answer is left out", func() bool { return leftOut.Load() == 1 })
		if n := answered.Load(); n != 1 {
			t.Errorf("answered %d times", n)
		}
	})
}

// and returns all features and one more.
func and(more *feature.Feature) func() []*feature.Feature {
	return func() []*feature.Feature { return append(client.All(), more) }
}
