//go:build linux

package chaos

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"natter/app/jid"
	"natter/framing"
)

// deliveries are the messages on a stream, over all its sockets, that the client has not
// yet acknowledged (XEP-0198 §4). The lines of a red run are made from came, which has all that has come.
type deliveries struct {
	mu     sync.Mutex
	n      int // stanzas on the stream
	resume int // what the client says it has, when it resumes
	open   []delivery
	pages  int // that archives have brought
	came   []string
}

type delivery struct {
	n    int
	from jid.JID
	body string
}

func (d *deliveries) read(p *person, doc string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case strings.HasPrefix(doc, "<message"):
		d.n++
		if el, err := framing.Parse(doc, framing.DefaultLimits); err == nil {
			if result := el.Child("urn:xmpp:mam:2", "result"); result != nil {
				message := result.Child("urn:xmpp:forward:0", "forwarded").Child(framing.NSClient, "message")
				d.came = append(d.came, "from the archive "+message.Child(framing.NSClient, "body").Text())
				break
			}
			if carbon := el.Child("urn:xmpp:carbons:2", "received"); carbon != nil {
				el = carbon.Child("urn:xmpp:forward:0", "forwarded").Child(framing.NSClient, "message")
			}
			from, body := jid.JID(el.Attr("from")), el.Child(framing.NSClient, "body").Text()
			if p.room != "" && from.Bare() == p.room {
				if from.Resource() != p.peer.Local() {
					break // it comes back to who wrote it
				}
				from = p.peer
			}
			p.ledger.Arrived(p.account, from, p.account, body)
			d.came = append(d.came, "delivered "+body)
			d.open = append(d.open, delivery{d.n, from, body})
		}
	case strings.HasPrefix(doc, "<iq"), strings.HasPrefix(doc, "<presence"):
		d.n++
		if strings.Contains(doc, "<fin ") {
			d.pages++
		}
	case strings.Contains(doc, "<resumed "):
		d.n, d.open = d.resume, nil
		d.came = append(d.came, "resumed")
		p.ledger.Resumed(p.account)
	case strings.Contains(doc, "<enabled "):
		d.n, d.open = 0, nil
		d.came = append(d.came, "a new stream")
	}
}

// around returns what came before and after each time that a message came.
func (d *deliveries) around(body string) (lines []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	printed := 0
	for i, what := range d.came {
		if !strings.HasSuffix(what, " "+body) {
			continue
		}
		for k := max(printed, i-30); k < min(len(d.came), i+10); k++ {
			lines = append(lines, fmt.Sprintf("%d: %.60q", k, d.came[k]))
			printed = k + 1
		}
	}
	return lines
}

// brought returns how many pages of archives have come.
func (d *deliveries) brought() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pages
}

var (
	answer = regexp.MustCompile(`^<a [^>]*\bh="(\d+)"`)
	resume = regexp.MustCompile(`<resume [^>]*\bh="(\d+)"`)
)

func (d *deliveries) wrote(p *person, doc string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := answer.FindStringSubmatch(doc)
	if h == nil && !strings.HasPrefix(doc, "<message") {
		if h = resume.FindStringSubmatch(doc); h != nil {
			d.resume, _ = strconv.Atoi(h[1])
		}
	}
	if h == nil {
		return
	}
	n, _ := strconv.Atoi(h[1])
	for len(d.open) > 0 && d.open[0].n <= n {
		p.ledger.Taken(p.account, d.open[0].from, p.account, d.open[0].body)
		d.open = d.open[1:]
	}
}

// What a socket brings is counted like a client does (XEP-0198 §4).
func TestDeliveries(t *testing.T) {
	const ada, grace = "ada@test", "grace@test"
	p := &person{account: grace, ledger: NewLedger(1)}
	d := &p.to
	var bodies []string
	for range 3 {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(p.ledger.Write(ada, grace)))
		bodies = append(bodies, "<body>"+b.String()+"</body>")
	}
	live := func(i int) string {
		return `<message xmlns="jabber:client" from="ada@test/x">` + bodies[i] + `</message>`
	}
	carbon := `<message xmlns="jabber:client" from="grace@test"><received xmlns="urn:xmpp:carbons:2"><forwarded xmlns="urn:xmpp:forward:0">` +
		live(1) + `</forwarded></received></message>`
	d.read(p, `<iq xmlns="jabber:client"/>`)
	d.read(p, `<enabled xmlns="urn:xmpp:sm:3"/>`)
	d.read(p, `<presence xmlns="jabber:client"/>`)
	d.read(p, live(2))
	d.read(p, carbon)
	if n := p.ledger.Late(); n != 1 {
		t.Errorf("%d came late", n)
	}
	d.wrote(p, `<a xmlns="urn:xmpp:sm:3" h="2"/>`)
	taken := func() int { return len(p.ledger.taken) }
	if taken() != 1 {
		t.Errorf("%d are acknowledged, want one", taken())
	}
	d.wrote(p, `<resume xmlns="urn:xmpp:sm:3" previd="x" h="2"/>`)
	d.read(p, `<resumed xmlns="urn:xmpp:sm:3" previd="x"/>`)
	d.read(p, live(0))
	if n := p.ledger.Late(); n != 2 {
		t.Errorf("%d came late", n)
	}
	d.read(p, carbon)
	d.wrote(p, `<a xmlns="urn:xmpp:sm:3" h="3"/>`)
	if taken() != 2 {
		t.Errorf("%d are acknowledged, want two", taken())
	}
	d.read(p, `<message xmlns="jabber:client" from="grace@test"><result xmlns="urn:xmpp:mam:2"><forwarded xmlns="urn:xmpp:forward:0">`+live(2)+`</forwarded></result></message>`)
	el, err := framing.Parse("<message xmlns='jabber:client'>"+bodies[2]+"</message>", framing.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	lines := d.around(el.Child(framing.NSClient, "body").Text())
	if n := len(d.came); len(lines) != n || !strings.Contains(lines[0], "a new stream") || !strings.Contains(lines[1], "delivered") || !strings.Contains(lines[n-1], "from the archive") {
		t.Errorf("%q of %q", lines, d.came)
	}
}
