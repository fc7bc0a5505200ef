//go:build linux && prove

package chaos

import (
	"fmt"
	"testing"

	"natter/app/state"
	"natter/app/xmpptest"
)

func TestP2_RefusedResume(t *testing.T) {
	everywhere(t, func(t *testing.T, where *place) {
		q := meet(t, where, func(p *person) { p.amnesia = true })
		q.talk(count(100, 10_000), count(10, 1000), count(2, 100), nil)
		q.rest()
		q.judge("P-2")
	})
}

// audit reads somebody's whole archive on a device that has never been used, and has
// the ledger know what the server has lost.
func (q *pair) audit(i int) {
	q.t.Helper()
	known := q.people[i]
	p := &person{
		t: q.t, account: known.account, service: known.service, proxy: known.proxy, changed: known.changed,
		ledger: NewLedger(0), clock: known.clock, agent: fmt.Sprintf("00000000-0000-4000-9000-%012x", i+1),
	}
	other := q.people[1-i].account
	p.open()
	p.Do(state.SignIn{Address: string(p.account), Password: password, Server: p.service})
	asked := false
	until(q.t, []*person{p}, func() bool {
		if !here(p) {
			return false
		}
		chat := p.State().Chat(other)
		if !asked || chat != nil && !chat.Archive.Loading && !chat.Whole() {
			asked = true
			p.Do(state.LoadOlder{Peer: other})
		}
		return chat != nil && chat.Whole()
	})
	var rows []Row
	for _, m := range p.shown(other, 1_000_000) {
		rows = append(rows, Row{m.Author, m.Body})
	}
	for _, w := range []way{{p.account, other}, {other, p.account}} {
		q.ledger.Kept(p.account, w.from, w.to, rows)
	}
}

func TestP17_ServerKilled(t *testing.T) {
	really(t, func(t *testing.T, where *place) {
		q := meet(t, where)
		kills := 0
		n, every := count(60, 2000), count(30, 20)
		q.talk(n, 0, count(1, 20), func(i int) {
			if i%every != every/2 {
				return
			}
			kills++
			if where.server.Kind == xmpptest.KindEjabberd {
				where.server.Stop()
			} else {
				where.server.Kill()
			}
			if err := where.server.Start(); err != nil {
				t.Fatal(err)
			}
		})
		q.rest()
		for i := range q.people {
			q.audit(i)
		}
		q.judge(fmt.Sprintf("P-17 (%d kills)", kills))
	})
}
