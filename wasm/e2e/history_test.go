//go:build linux

package e2e

import (
	"fmt"
	"testing"
	"time"

	"natter/app/xmpptest"
)

// stepUp scrolls a little towards the beginning and waits until the page has done
// what it does about that. It returns how far, in pixels, what the person was looking
// at has moved at the worst moment, and the bodies that are on the page then.
const stepUp = `(by) => new Promise((done) => {
	const log = document.querySelector("[role=log]");
	log.scrollTop -= by;
	const edge = () => log.getBoundingClientRect().top;
	const rows = [...log.querySelectorAll("[data-key]")];
	const row = rows.find((r) => r.getBoundingClientRect().bottom > edge());
	const key = row.dataset.key;
	const from = row.getBoundingClientRect().bottom - edge();
	const moved = [];
	let quiet = 0;
	let written = 0; // rows, by one drawing
	const changes = new MutationObserver((all) => {
		quiet = 0;
		written = Math.max(written, new Set(all.map(({ target }) => (target.closest ? target : target.parentElement)?.closest("[data-key]")).filter(Boolean)).size);
	});
	changes.observe(log, { childList: true, subtree: true, characterData: true, attributeFilter: ["data-key"] });
	// After a frame has been painted, what can be measured is what was seen.
	const look = () => requestAnimationFrame(() => setTimeout(() => {
		const now = log.querySelector('[data-key="' + key + '"]');
		moved.push(now ? Math.abs(now.getBoundingClientRect().bottom - edge() - from) : Infinity);
		const loading = log.scrollTop < 900 && !log.querySelector(".log-begin");
		if (++quiet < (loading ? 40 : 4)) return look();
		changes.disconnect();
		done({
			moved: Math.max(...moved), written, rows: log.querySelectorAll("[data-key]").length, bodies: e2e.bodies(),
			begin: Boolean(log.querySelector(".log-begin")) && log.scrollTop <= 0,
		});
	}));
	look();
})`

// A thousand messages are scrolled back through, to the first. The page never holds
// many of them, nothing ever jumps, and each is there once and in order.
func TestHistory(t *testing.T) {
	t.Parallel()
	const messages = 1000
	s := xmpptest.Prosody(t)
	one, two := s.Account(t, "", password), s.Account(t, "", password)
	writer := talk(t, s.WS, string(one), password)
	talk(t, s.WS, string(two), password) // who takes them as they come: they are history later
	body := func(i int) string {
		switch i % 10 {
		case 3:
			return fmt.Sprintf("message %d\nin two lines", i)
		case 7:
			return fmt.Sprintf("message %d %s", i, words)
		}
		return fmt.Sprintf("message %d", i)
	}
	for i := range messages {
		writer.say(two, body(i))
	}
	writer.sent(two, messages)

	p := visit(t, natter(t))
	p.signIn(string(two), password, s.WSS)
	p.in()
	p.chat(one.Local())
	p.gone("status", "Updating…")
	p.newest()
	p.reads(one.Local(), body(messages-1))
	deadline := time.Now().Add(5 * time.Minute)
	last := messages // the first message seen so far
	most := 0        // rows written anew by one drawing
	for steps := 0; ; steps++ {
		var seen struct {
			Moved  float64
			Rows   int
			Bodies []string
			Begin  bool

			Written int
		}
		p.must(p.eval(stepUp, 600).Unmarshal(&seen))
		if seen.Moved > 2 {
			t.Errorf("step %d: what was in sight moved by %g pixels", steps, seen.Moved)
		}
		if seen.Rows > 150 {
			t.Errorf("step %d: %d rows are on the page", steps, seen.Rows)
		}
		if seen.Written > 60 {
			t.Errorf("step %d: %d rows are written anew where 50 are new", steps, seen.Written)
		}
		most = max(most, seen.Written)
		last = follow(t, seen.Bodies, last, body)
		if seen.Begin || t.Failed() {
			break
		}
		if steps > messages/2 || time.Now().After(deadline) {
			t.Fatalf("the beginning never came; the first message seen is %d", last)
		}
	}
	if last != 0 {
		t.Errorf("the first message seen is %d", last)
	}
	if most < 40 {
		t.Errorf("%d rows at most were written: the window never moved", most)
	}
	t.Log("the pill leads back to the newest")
	p.press("To the newest message…")
	p.reads(one.Local(), body(messages-1))
}

// newest leads to the end of the conversation: where there is something unread it
// begins there. Still for twenty frames means that nothing is under way.
func (p *person) newest() {
	p.t.Helper()
	p.eval(`async () => {
		const log = document.querySelector("[role=log]");
		for (let still = 0; still < 20; still++) {
			if (!log.querySelector("[data-key]")) still = 0; // where to begin is still looked for
			if (log.scrollHeight - log.clientHeight - log.scrollTop > 2) {
				document.querySelector('[data-do="newest"]').click();
				still = 0;
			}
			await new Promise(requestAnimationFrame);
		}
	}`)
}

const words = "which is long enough to need several lines on most of the screens that people have in front of them, " +
	"and longer still, so that heights differ and no row can be guessed from the others; that is what makes scrolling hard"

// follow checks that bodies are a part of the conversation without gap or repetition
// which reaches the part known so far, and returns where it begins.
func follow(t *testing.T, bodies []string, known int, body func(int) string) int {
	t.Helper()
	var first int
	if _, err := fmt.Sscanf(bodies[0], "message %d", &first); err != nil {
		t.Fatalf("%q: %v", bodies[0], err)
	}
	for i, b := range bodies {
		if b != body(first+i) {
			t.Fatalf("after %q comes %q", body(first+i-1), b)
		}
	}
	if end := first + len(bodies); end < known {
		t.Errorf("messages %d to %d were never seen", end, known)
	}
	return min(first, known)
}
