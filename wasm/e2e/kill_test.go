//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/input"

	"natter/app/state"
	"natter/wasm/e2e/chrome"
)

// count is how many of something there are: few with all other tests, many in make
// prove.
func count(short, long int) int {
	if os.Getenv("PROVE") == "full" {
		return long
	}
	return short
}

// killed is how often the browser is killed: KILLS says so, for a machine that is slow.
func killed() int {
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil {
		return n
	}
	return count(4, 200)
}

// counted looks at a wire to see what the page has acknowledged (XEP-0198) of the
// messages "n 1", "n 2", …, live or from the archive: the server may forget those.
type counted struct {
	mu      sync.Mutex
	on      bool
	streams int
	stanzas []int // of the stream, in order: the number of a message, or 0
	sent    int   // the highest number
	acked   map[int]bool
}

var (
	numberPattern = regexp.MustCompile(`<body>n (\d+)</body>`)
	hPattern      = regexp.MustCompile(`<(?:a|resume) [^>]*h=['"](\d+)['"]`)
)

func (c *counted) down(doc string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case strings.Contains(doc, "<enabled"):
		c.on, c.stanzas = true, nil
		c.streams++
		return doc
	case !c.on || !strings.HasPrefix(doc, "<message") && !strings.HasPrefix(doc, "<presence") && !strings.HasPrefix(doc, "<iq"):
		return doc
	}
	number := 0
	if m := numberPattern.FindStringSubmatch(doc); m != nil {
		number, _ = strconv.Atoi(m[1])
	}
	c.stanzas = append(c.stanzas, number)
	c.sent = max(c.sent, number)
	return doc
}

func (c *counted) up(doc string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := hPattern.FindStringSubmatch(doc)
	if m == nil {
		return doc
	}
	h, _ := strconv.Atoi(m[1])
	h = min(h, len(c.stanzas))
	for _, number := range c.stanzas[:h] {
		if number > 0 {
			c.acked[number] = true
		}
	}
	if strings.Contains(doc, "<resume ") {
		c.stanzas = c.stanzas[:h] // the rest comes again
	}
	return doc
}

// now returns the highest number sent, how many are acknowledged, and over how many streams.
func (c *counted) now() (sent, acked, streams int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent, len(c.acked), c.streams
}

// without returns what is acknowledged and not among these.
func (c *counted) without(numbers []int) (missing []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range c.acked {
		if _, found := slices.BinarySearch(numbers, n); !found {
			missing = append(missing, n)
		}
	}
	slices.Sort(missing)
	return missing
}

// storedNumbers returns the numbers of all messages that are stored.
const storedNumbers = `async () => {
	const result = (request) => new Promise((resolve, reject) => { request.onsuccess = () => resolve(request.result); request.onerror = () => reject(request.error) });
	const { name } = (await indexedDB.databases()).find(({ name }) => /^natter[.][0-9a-f]+$/.test(name));
	const db = await result(indexedDB.open(name));
	const rows = await result(db.transaction("messages").objectStore("messages").getAll());
	db.close();
	return rows.map(({ body }) => Number(body.slice(2)));
}`

// holes tells where numbers are missing before the highest.
func holes(numbers []int) (s []string) {
	next := 1
	for _, n := range numbers {
		if n > next {
			s = append(s, fmt.Sprintf("%d to %d", next, n-1))
		}
		next = n + 1
	}
	return s
}

// P-3: whatever the page has told the server it has, it has, also when the browser is
// killed in the middle of 200 messages a second.
func TestPromise3_KilledWhileReceiving(t *testing.T) {
	t.Parallel()
	began := time.Now()
	page := natter(t)
	one, two := trialAccounts(t)
	w := lay(t, one.server)
	c := &counted{acked: map[int]bool{}}
	w.up, w.down = c.up, c.down
	other := talk(t, two.server, string(two.jid), two.password)
	d := newDevice(t)
	p := d.visit(page)
	p.remember(string(one.jid), one.password, w.URL)
	written, ahead := 0, 0
	kills := killed()
	for round := range kills {
		// Ten at a time, so that some are always on their way when the browser dies.
		moment := 1 + rand.IntN(15)
		for i := range moment + 2 {
			for range 10 {
				written++
				other.say(one.jid, fmt.Sprintf("n %d", written))
			}
			if i == moment {
				time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
				d.kill()
			}
			time.Sleep(50 * time.Millisecond)
		}
		sent, acked, streams := c.now()

		d.start()
		p = d.sit()
		p.open(page + "/config.json") // of the same origin, and nothing of ours runs in it
		var stored []int
		p.must(p.eval(storedNumbers).Unmarshal(&stored))
		slices.Sort(stored)
		if missing := c.without(stored); len(missing) > 0 {
			t.Fatalf("kill %d: of %d messages sent %d were acknowledged; %v of them are not stored", round, sent, acked, missing)
		}
		if gaps := holes(stored); streams == 1 && len(gaps) > 0 {
			t.Fatalf("kill %d, on the first stream: %v are not stored", round, gaps) // later ones have an archive to read
		}
		if sent > acked {
			ahead++
		}
		p.open(page)
		p.in()
	}
	// What a resumed stream brings once more, and the archive, is still being read.
	var stored []int
	for before, late := -1, time.Now().Add(patience); len(stored) < written && time.Now().Before(late); time.Sleep(time.Second) {
		p.must(p.eval(storedNumbers).Unmarshal(&stored))
		if len(stored) > before {
			before, late = len(stored), time.Now().Add(patience)
		}
	}
	p.find("button", "…"+fmt.Sprintf("n %d", written)+"…")
	slices.Sort(stored)
	if gaps := holes(stored); len(stored) != written || len(gaps) > 0 {
		t.Errorf("%d messages are stored, %d were sent; %v are missing", len(stored), written, gaps)
	}
	_, acked, streams := c.now()
	if acked == 0 || ahead == 0 {
		t.Errorf("nothing was acknowledged (%d), or nothing on its way (%d kills): the test cannot fail", acked, ahead)
	}
	t.Logf("P-3 chromium: %d of %d kills: what was acknowledged is stored (%d messages, %d kills with some on their way, %d streams, %d journals of Chromium mended) in %s",
		kills, kills, written, ahead, streams, d.torn, time.Since(began).Round(time.Second))
}

// P-4: a message is delivered once, or it is there to see that it was not; also when
// the browser is killed just after Enter, with a network and without.
func TestPromise4_KilledAfterEnter(t *testing.T) {
	t.Parallel()
	began := time.Now()
	page := natter(t)
	one, two := trialAccounts(t)
	w := lay(t, one.server)
	other := talk(t, two.server, string(two.jid), two.password)
	d := newDevice(t)
	p := d.visit(page)
	p.remember(string(one.jid), one.password, w.URL)
	p.startChat(string(two.jid))
	var written []string
	drafts := 0
	kills := killed()
	for round := range kills {
		text := fmt.Sprintf("message %d", round)
		written = append(written, text)
		p.must(p.find("textbox", "Message").Focus())
		p.write(text)
		p.until(`async (text) => (await e2e.rows("drafts")).some((d) => d.text === text)`, text)
		p.keys(input.Enter)
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		d.kill()

		w.broken(round%2 == 0)
		d.start()
		p = d.sit()
		p.forgives(failedSocket)
		p.open(page)
		p.chat(string(two.jid.Local()))
		switch p.until(`(text) => {
			const row = e2e.bodies().includes(text), draft = e2e.all("textbox", "Message")[0].value === text;
			return row && draft ? "both" : row ? "row" : draft ? "draft" : "";
		}`, text).Str() {
		case "both":
			t.Fatalf("kill %d: %q was sent and is still being written", round, text)
		case "draft":
			drafts++
			p.must(p.find("textbox", "Message").Focus())
			p.keys(input.Enter) // somebody who finds it there sends it
			p.reads("You", text)
			p.until(`async (text) => (await e2e.rows("messages")).some((m) => m.body === text)`, text)
		}
	}
	w.broken(false)
	p.until(`() => {
		for (const name of ["Retry", "Retry now"]) e2e.all("button", name).forEach((b) => b.click());
		return document.querySelectorAll("[role=log] .mark-clock, [role=log] .msg.failed").length === 0;
	}`)
	p.say("the last")
	other.until("to have the last message", func(*state.State) bool { return slices.Contains(other.heard(one.jid), "the last") })
	same(t, "the other has", other.heard(one.jid), append(slices.Clone(written), "the last"))
	var mine []string
	for _, row := range p.eval(`() => e2e.rows("messages")`).Arr() {
		mine = append(mine, row.Get("body").Str())
	}
	same(t, "stored is", mine, append(written, "the last"))
	t.Logf("P-4 chromium: %d of %d kills: delivered once, none silent (%d came back as a draft, %d journals of Chromium mended) in %s",
		kills, kills, drafts, d.torn, time.Since(began).Round(time.Second))
}

// A kill in the middle of writing may leave half a record, over which Chromium removes
// all that Natter has kept (see chrome.Mend). The person signs in again, and what the
// server has is there again.
func TestTheBrowserLosesEverything(t *testing.T) {
	t.Parallel()
	page := natter(t)
	one, two := trialAccounts(t)
	other := talk(t, two.server, string(two.jid), two.password)
	d := newDevice(t)
	p := d.visit(page)
	p.remember(string(one.jid), one.password, one.server)
	p.startChat(string(two.jid))
	var want []string
	converse := func(n int) {
		for i := range n {
			want = append(want, fmt.Sprintf("hers %d", len(want)), fmt.Sprintf("ours %d", len(want)))
			other.say(one.jid, want[len(want)-2])
			p.until(`(body) => e2e.bodies().includes(body)`, want[len(want)-2])
			p.say(want[len(want)-1])
			if p.marked("Sent"); i == n-1 {
				p.until(`async (n) => (await e2e.rows("messages")).length === n`, len(want))
			}
		}
	}
	back := func() {
		d.start()
		p = d.visit(page)
	}
	converse(4)
	d.crash()
	if err := chrome.Tear(d.profile); err != nil {
		t.Fatal(err)
	}
	back()
	p.in()
	p.chat(string(two.jid.Local()))
	converse(4)
	d.crash()

	back()
	lost := p.until(`async () => e2e.all("navigation", "Conversations")[0] ? "kept" : e2e.all("button", "Sign in")[0] && (await e2e.rows("secrets").catch(() => [0])).length === 0 && "lost"`).Str()
	t.Logf("Chromium has %s what was on the disk", lost)
	if lost == "lost" {
		p.remember(string(one.jid), one.password, one.server)
	}
	p.in()
	p.chat(string(two.jid.Local()))
	p.until(`(n) => e2e.bodies().length >= n`, len(want))
	same(t, "there is", p.bodies(), want)
	converse(1)
	other.until("to have all of them", func(*state.State) bool { return len(other.heard(one.jid)) >= len(mine(want)) })
	same(t, "the other has", other.heard(one.jid), mine(want))
}

// mine are those of our messages.
func mine(bodies []string) (ours []string) {
	for _, b := range bodies {
		if strings.HasPrefix(b, "ours") {
			ours = append(ours, b)
		}
	}
	return ours
}
