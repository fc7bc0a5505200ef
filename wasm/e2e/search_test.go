//go:build linux

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/input"
)

// Without a network, after a crash, by keyboard alone: where reading stopped, and what
// was said long before what is in memory.
func TestSearchInTheAir(t *testing.T) {
	t.Parallel()
	one, two := trialAccounts(t)
	page, stop := program(t)
	w := lay(t, one.server)
	d := newDevice(t)
	p := d.visit(page)
	p.remember(string(one.jid), one.password, w.URL)
	other := talk(t, two.server, string(two.jid), two.password)
	const read, all = 100, 400
	name := string(two.jid.Local())
	body := func(i int) string {
		if i == 33 {
			return "Das Café in Straßburg, number 33"
		}
		return fmt.Sprintf("message %d", i)
	}
	for i := range read {
		other.say(one.jid, body(i))
	}
	p.find("button", fmt.Sprintf("…%d unread", read))
	p.chat(name)
	p.newest()
	p.until(`() => !document.querySelector(".badge")`)
	p.keys(input.Escape)
	p.until(`() => !document.querySelector("[role=log]")`)
	for i := read; i < all; i++ {
		other.say(one.jid, body(i))
	}
	p.find("button", fmt.Sprintf("…%d unread", all-read))
	p.stored(all)
	p.installed()

	t.Log("the network goes, the browser dies")
	w.broken(true)
	d.kill()
	stop()
	d.start()
	p = d.sit()
	p.forgives(failedFetch, failedSocket, "^warning: natter: no offline use")
	p.offline(true)
	p.open(page)
	p.find("navigation", "Conversations")

	t.Log("what was not read is still not read, and begins where it did")
	p.find("button", fmt.Sprintf("…%d unread", all-read))
	p.chat(name)
	p.until(`(next) => { const mark = document.getElementById("unread"); return mark && mark.parentElement.textContent.includes(next) && mark.nextElementSibling.querySelector(".text").textContent === next }`, body(read))
	p.keys(input.Escape)
	p.until(`() => !document.querySelector("[role=log]")`)

	t.Log("search")
	p.keys('/')
	p.write("CAFE strassb")
	p.find("button", name+".…Das Café in Straßb urg…")
	p.keys(input.ArrowDown, input.Enter)
	p.until(`(body) => { const a = document.activeElement; return a.id === "found" && a.querySelector(".text").textContent === body }`, body(33))
	inSight := `() => { const l = document.querySelector("[role=log]").getBoundingClientRect(), m = document.getElementById("found").getBoundingClientRect(); return m.top >= l.top && m.bottom <= l.bottom }`
	p.until(inSight)
	bodies := p.bodies()
	if len(bodies) < 65 || bodies[0] != body(33-25) {
		t.Errorf("the page has %q", bodies)
	}
	for i, b := range bodies {
		if b != body(33-25+i) {
			t.Fatalf("after %q comes %q", body(33-26+i), b)
		}
	}

	t.Log("and down from there, without a hole")
	down := `() => new Promise((done) => { const log = document.querySelector("[role=log]"); log.scrollTop += 3000; setTimeout(() => done([...e2e.bodies(), log.scrollHeight - log.clientHeight - log.scrollTop]), 100) })`
	late := time.Now().Add(patience)
	for next := 33 - 25 + len(bodies); next < all; {
		seen := p.eval(down).Arr()
		for _, b := range seen[:len(seen)-1] {
			if b.Str() == body(next) {
				next++
			}
		}
		if time.Now().After(late) {
			t.Fatalf("at the end, before %q", body(next))
		}
	}

	t.Log("Esc leads back to what was found, and then out of the search")
	p.keys(input.Escape)
	p.until(`() => document.activeElement.id === "hit:1"`)
	p.keys(input.Escape)
	p.until(`() => document.activeElement.id === "filter" && document.activeElement.value === ""`)
	p.gone("button", name+".…Das Café…")
	p.write("there is no such")
	p.find("status", "Nobody here is called that, and no message…")
}
