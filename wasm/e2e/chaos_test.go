//go:build linux

package e2e

import (
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/input"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest/chaos"
)

// P-1 and P-2 with the real page: one of the two people sits in front of it, its
// network breaks all the time, and the ledger judges what it shows and has stored.
// What the figures mean says app/xmpptest/chaos.
func TestPromise1_ChromiumDrops(t *testing.T) {
	t.Parallel()
	dropping(t, "P-1", func(doc string) string { return doc })
}

// The same when no stream can ever be resumed.
func TestPromise2_ChromiumRefusedResume(t *testing.T) {
	t.Parallel()
	dropping(t, "P-2", func(doc string) string { return strings.Replace(doc, `previd="`, `previd="lost`, 1) })
}

func dropping(t *testing.T, name string, up func(string) string) {
	began := time.Now()
	seed := rand.Uint64()
	if s := os.Getenv("NATTER_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("NATTER_SEED=%d", seed)
		}
	})
	messages, drops := count(40, 1000), count(5, 100)
	one, two := trialAccounts(t)
	w := lay(t, one.server)
	w.up = up
	at, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	network, err := chaos.NewProxy(at.Host, seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	at.Host = network.Address()

	p := visit(t, natter(t))
	p.forgives(failedSocket)
	p.remember(string(one.jid), one.password, at.String())
	p.startChat(string(two.jid))
	other := talk(t, two.server, string(two.jid), two.password)
	// Nobody waits for a minute if a button says that they need not.
	p.eval(`() => { setInterval(() => ["Retry", "Retry now"].forEach((name) => e2e.all("button", name).forEach((b) => b.click())), 100) }`)

	ledger := chaos.NewLedger(seed)
	network.Plan(func(n int, random *rand.Rand) chaos.Fault {
		f := chaos.Fault{Break: chaos.Cut, Way: chaos.Way(random.IntN(2)), At: random.Int64N(15_000)}
		if random.IntN(4) == 0 {
			f.Break = chaos.HalfOpen
		}
		if n >= drops {
			f = chaos.Fault{}
		}
		return f
	})
	network.Break(chaos.Cut)
	p.must(p.find("textbox", "Message").Focus())
	for i := range messages {
		if i%2 == 0 {
			other.say(one.jid, ledger.Write(two.jid, one.jid))
			continue
		}
		p.write(ledger.Write(one.jid, two.jid))
		p.keys(input.Enter)
		if i%10 == 9 && network.Drops() < drops {
			network.Break(chaos.Cut)
		}
	}
	for network.Drops() < drops {
		p.find("status", "Connected…")
		network.Break(chaos.Cut)
	}
	network.Plan(nil)
	network.Break(chaos.Cut) // whatever fault was still to come

	last := ledger.Write(two.jid, one.jid)
	other.say(one.jid, last)
	p.until(`(last) => e2e.bodies().includes(last) && document.querySelectorAll("[role=log] .mark-clock").length === 0`, last)
	mine := ledger.Write(one.jid, two.jid)
	p.write(mine)
	p.keys(input.Enter)
	other.until("to have everything", func(*state.State) bool {
		heard := other.heard(one.jid)
		return len(heard) > 0 && heard[len(heard)-1] == mine
	})
	p.until(`async (last) => document.querySelectorAll("[role=log] .mark-clock").length === 0 && (await e2e.rows("messages")).some((m) => m.body === last && !m.out)`, mine)

	rows := func(js string) (rows []chaos.Row) {
		var seen []struct {
			Mine bool
			Body string
		}
		p.must(p.eval(js).Unmarshal(&seen))
		for _, m := range seen {
			author := two.jid
			if m.Mine {
				author = one.jid
			}
			rows = append(rows, chaos.Row{Author: author, Body: m.Body})
		}
		return rows
	}
	screen := rows(`() => [...document.querySelectorAll("[role=log] .msg:not(.writes)")].map((m) => ({ mine: m.matches(".mine"), body: m.querySelector(".text").textContent }))`)
	disk := rows(`async () => (await e2e.rows("messages")).map((m) => ({ mine: Boolean(m.mine), body: m.body }))`)
	var there []chaos.Row
	talked := other.client.State().Chat(state.Direct.With(one.jid)).Timeline
	for _, m := range talked.Newest(talked.Len()) {
		there = append(there, chaos.Row{Author: m.Author, Body: m.Body})
	}
	var sum chaos.Verdict
	for _, ways := range [][2]jid.JID{{one.jid, two.jid}, {two.jid, one.jid}} {
		for where, verdict := range map[string]chaos.Verdict{
			"on screen": ledger.Newest(one.jid, ways[0], ways[1], screen),
			"stored":    ledger.All(one.jid, ways[0], ways[1], disk),
			"the other": ledger.All(two.jid, ways[0], ways[1], there),
		} {
			if !verdict.Good() {
				t.Errorf("%s, of %s: %s", where, ways[0], verdict)
			}
			sum = sum.Add(verdict)
		}
	}
	t.Logf("%s chromium: %d messages, %d drops in %s: %s", name, messages+2, network.Drops(), time.Since(began).Round(time.Second), sum)
}
