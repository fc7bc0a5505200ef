//go:build linux && prove

package chaos

import (
	"fmt"
	"testing"

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
		q.judge(fmt.Sprintf("P-17 (%d kills)", kills))
	})
}
