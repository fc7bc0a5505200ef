//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/input"

	"natter/app/xmpptest"
	"natter/framing"
)

// Five thousand messages at once do not freeze the page, and none is lost.
func TestBurst(t *testing.T) {
	t.Parallel()
	const messages = 5000
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		c.Login("SCRAM-SHA-256", "ada", "analytical")
		c.Wait(func(e *framing.Element) bool { return e.Child(framing.NSClient, "body") != nil })
		for i := range messages {
			c.Sendf(`<message xmlns='jabber:client' type='chat' id='m%d' from='grace@peer.test/a' to='%s'><body>message %d</body></message>`, i, c.JID, i)
		}
		c.Live()
	})
	p := visit(t, natter(t))
	p.signIn("ada@peer.test", "analytical", peer.URL)
	p.in()
	p.startChat("grace@peer.test")
	p.eval(`() => {
		window.frames_ = { count: 0, longest: 0, last: performance.now() };
		const frame = (now) => {
			frames_.count++;
			frames_.longest = Math.max(frames_.longest, now - frames_.last);
			frames_.last = now;
			requestAnimationFrame(frame);
		};
		requestAnimationFrame(frame);
	}`)
	began := time.Now()
	p.fill("Message", "Go!")
	p.keys(input.Enter) // it is soon out of sight
	t.Log("while they arrive, somebody types")
	p.write("still here")
	newest := func() string {
		if all := p.bodies(); len(all) > 0 {
			return all[len(all)-1]
		}
		return ""
	}
	for before, late := "", time.Now().Add(patience); newest() != fmt.Sprintf("message %d", messages-1); time.Sleep(time.Second / 2) {
		if now := newest(); now != before {
			before, late = now, time.Now().Add(patience)
		} else if time.Now().After(late) {
			t.Fatalf("nothing comes after %q", now)
		}
	}
	took := time.Since(began)
	if got := p.holds("Message"); got != "still here" {
		t.Errorf("the person typed %q", got)
	}
	var frames struct{ Count, Longest float64 }
	p.must(p.eval(`() => frames_`).Unmarshal(&frames))
	t.Logf("%d messages in %v, %v frames drawn meanwhile, the longest pause %v ms", messages, took.Round(time.Millisecond), frames.Count, frames.Longest)
	if frames.Count < 10 {
		t.Errorf("the page drew %v frames", frames.Count)
	}
	if rows := len(p.bodies()); rows > 150 {
		t.Errorf("%d rows are on the page", rows)
	}
	t.Log("scrolled back, all of them are there")
	seen := map[string]bool{}
	for {
		var now struct {
			Bodies []string
			Top    bool
		}
		p.must(p.eval(`async () => {
			const log = document.querySelector("[role=log]");
			const bodies = e2e.bodies();
			for (let i = 0; i < 60 && bodies[0] === e2e.bodies()[0]; i++) {
				log.scrollTop = 0;
				await new Promise(requestAnimationFrame);
			}
			return { bodies, top: bodies[0] === e2e.bodies()[0] };
		}`).Unmarshal(&now))
		for _, b := range now.Bodies {
			seen[b] = true
		}
		if now.Top {
			break
		}
	}
	for i := range messages {
		if !seen[fmt.Sprintf("message %d", i)] {
			t.Fatalf("message %d is not there; %d are, such as %s", i, len(seen), strings.Join(p.bodies()[:1], ""))
		}
	}
}
