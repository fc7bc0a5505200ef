//go:build linux

package chaos

import (
	"cmp"
	"encoding/xml"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"natter/app/jid"
	"natter/framing"
)

// deliveries are the messages on a stream, over all its sockets, that the client has not
// yet acknowledged (XEP-0198 §4).
type deliveries struct {
	mu     sync.Mutex
	n      int // stanzas on the stream
	resume int // what the client says it has, when it resumes
	open   []delivery
	asked  map[string]*page // by the id of the query
	pages  []*page          // that have come
}

type delivery struct {
	n    int
	from jid.JID
	body string
}

// page is one of an archive whose ids count up, as ejabberd's do.
type page struct {
	query     string
	low, high int // nothing but ids is between them, 0 for the first and the last of these
	ids       []int
}

// leftOut reports whether a message was not on a page that says it has all of where it
// belongs: the archive has filed it later.
func (d *deliveries) leftOut(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := strconv.Atoi(id)
	return err == nil && slices.ContainsFunc(d.pages, func(p *page) bool {
		low, high := cmp.Or(p.low, p.ids[0]), cmp.Or(p.high, p.ids[len(p.ids)-1])
		return low < n && n < high && !slices.Contains(p.ids, n)
	})
}

func (d *deliveries) read(p *person, doc string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case strings.HasPrefix(doc, "<message"):
		d.n++
		if el, err := framing.Parse(doc, framing.DefaultLimits); err == nil {
			if result := el.Child(nsArchive, "result"); result != nil && d.asked[result.Attr("queryid")] != nil {
				p := d.asked[result.Attr("queryid")]
				n, _ := strconv.Atoi(result.Attr("id"))
				p.ids = append(p.ids, n)
			}
			if carbon := el.Child("urn:xmpp:carbons:2", "received"); carbon != nil {
				el = carbon.Child("urn:xmpp:forward:0", "forwarded").Child(framing.NSClient, "message")
			}
			from, body := jid.JID(el.Attr("from")), el.Child(framing.NSClient, "body").Text()
			p.ledger.Arrived(p.account, from, p.account, body)
			d.open = append(d.open, delivery{d.n, from, body})
		}
	case strings.HasPrefix(doc, "<iq"), strings.HasPrefix(doc, "<presence"):
		d.n++
		if el, err := framing.Parse(doc, framing.DefaultLimits); err == nil && el.Child(nsArchive, "fin") != nil {
			for _, p := range d.asked {
				if p.query == el.Attr("id") && len(p.ids) > 0 {
					d.pages = append(d.pages, p)
				}
			}
			d.asked = nil
		}
	case strings.Contains(doc, "<resumed "):
		d.n, d.open = d.resume, nil
		p.ledger.Resumed(p.account)
	case strings.Contains(doc, "<enabled "):
		d.n, d.open = 0, nil
	}
}

const nsArchive = "urn:xmpp:mam:2"

var (
	answer = regexp.MustCompile(`^<a [^>]*\bh="(\d+)"`)
	resume = regexp.MustCompile(`<resume [^>]*\bh="(\d+)"`)
)

func (d *deliveries) wrote(p *person, doc string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if strings.HasPrefix(doc, "<iq") && strings.Contains(doc, nsArchive) {
		if el, err := framing.Parse(doc, framing.DefaultLimits); err == nil {
			const nsRSM = "http://jabber.org/protocol/rsm"
			query := el.Child(nsArchive, "query")
			set := query.Child(nsRSM, "set")
			p := &page{query: el.Attr("id")}
			p.low, _ = strconv.Atoi(set.Child(nsRSM, "after").Text())
			p.high, _ = strconv.Atoi(set.Child(nsRSM, "before").Text())
			if query.Child("jabber:x:data", "x") == nil {
				d.asked = map[string]*page{query.Attr("queryid"): p} // one at a time
			}
		}
	}
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

// What a socket brings is counted like a client does (XEP-0198 §4), and a page of an archive
// that left something out is remembered.
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

	d.wrote(p, `<iq xmlns="jabber:client" id="i"><query xmlns="urn:xmpp:mam:2" queryid="q"><set xmlns="http://jabber.org/protocol/rsm"><after>10</after></set></query></iq>`)
	for _, id := range []string{"12", "14"} {
		d.read(p, `<message xmlns="jabber:client"><result xmlns="urn:xmpp:mam:2" queryid="q" id="`+id+`"/></message>`)
	}
	if d.leftOut("13") {
		t.Error("a page that has not come to its end left something out")
	}
	d.read(p, `<iq xmlns="jabber:client" id="i"><fin xmlns="urn:xmpp:mam:2"/></iq>`)
	for id, want := range map[string]bool{"9": false, "10": false, "11": true, "12": false, "13": true, "14": false, "15": false, "x13": false} {
		if d.leftOut(id) != want {
			t.Errorf("left out %s: %v", id, !want)
		}
	}
}
