package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"

	"natter/framing"
)

// dialogue keeps what two servers may say to each other. The initiating one asks and
// sends stanzas, the receiving one answers: a stream carries stanzas one way. So an answer
// that nobody asked for has no place on it (XEP-0220 §3.1), nor a stanza of a domain that
// has not shown who it is (RFC 6120 §8.1.2.2).
type dialogue struct {
	mu        sync.Mutex
	asked     map[domainPair]bool // <db:result/> without an answer
	verifying map[verify]bool     // <db:verify/> without an answer
	valid     map[domainPair]bool // who may send stanzas to whom
}

// domainPair is two domains: of the initiating server and of the receiving one.
type domainPair struct{ from, to string }

type verify struct {
	domainPair
	id string
}

// maxPairs bounds what a stream is asked to remember.
const maxPairs = 500

func newDialogue() *dialogue {
	return &dialogue{asked: map[domainPair]bool{}, verifying: map[verify]bool{}, valid: map[domainPair]bool{}}
}

// initiates takes in what the initiating server says. It returns why that must not be
// said, nil if it may be.
func (d *dialogue) initiates(e *framing.Element) *framing.StreamError {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := domainPair{domainOf(e.Attr("from")), domainOf(e.Attr("to"))}
	id := e.Attr("id")
	dialback, stanza := e.Name.Space == framing.NSDialback, isStanza(e)
	switch {
	case strings.HasPrefix(e.Name.Space, "urn:xmpp:sm:"):
		return nil
	case !dialback && !stanza:
		return &framing.StreamError{Condition: framing.UnsupportedStanzaType}
	case p.from == "" || p.to == "" || len(p.from)+len(p.to)+len(id) > 4096 && dialback:
		return &framing.StreamError{Condition: framing.ImproperAddressing, Text: "from and to are needed between servers"}
	case dialback && e.Attr("type") != "":
		return unsolicited
	case dialback && len(d.asked)+len(d.verifying)+len(d.valid) >= maxPairs:
		return &framing.StreamError{Condition: framing.ResourceConstraint, Text: "too many domains on one stream"}
	case e.Is(framing.NSDialback, "result"):
		d.asked[p] = true
	case e.Is(framing.NSDialback, "verify"):
		d.verifying[verify{p, id}] = true
	case dialback:
		return &framing.StreamError{Condition: framing.UnsupportedStanzaType}
	case len(d.valid) == 0:
		return &framing.StreamError{Condition: framing.NotAuthorized, Text: "stanzas come after dialback or SASL"}
	case !d.valid[p]:
		return &framing.StreamError{Condition: framing.InvalidFrom, Text: "this stream is not for stanzas from there to there"}
	}
	return nil
}

// answers is initiates for the receiving server.
func (d *dialogue) answers(e *framing.Element) *framing.StreamError {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := domainPair{domainOf(e.Attr("to")), domainOf(e.Attr("from"))}
	v := verify{p, e.Attr("id")}
	switch {
	case strings.HasPrefix(e.Name.Space, "urn:xmpp:sm:"):
	case e.Is(framing.NSDialback, "result") && e.Attr("type") != "" && d.asked[p]:
		delete(d.asked, p)
		if e.Attr("type") == "valid" {
			d.valid[p] = true
		}
	case e.Is(framing.NSDialback, "verify") && e.Attr("type") != "" && d.verifying[v]:
		delete(d.verifying, v)
	case e.Name.Space == framing.NSDialback:
		return unsolicited
	default:
		return &framing.StreamError{Condition: framing.UnsupportedStanzaType, Text: "stanzas go the other way on this stream"}
	}
	return nil
}

var unsolicited = &framing.StreamError{Condition: framing.PolicyViolation, Text: "a dialback that nobody asked for"}

// allow lets one pair send stanzas that has shown otherwise who it is.
func (d *dialogue) allow(p domainPair) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.valid[p] = true
}

// inUse reports whether the stream has served for something.
func (d *dialogue) inUse() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.valid) > 0 || len(d.verifying) > 0
}

func isStanza(e *framing.Element) bool {
	return e.Is(framing.NSServer, "message") || e.Is(framing.NSServer, "presence") || e.Is(framing.NSServer, "iq")
}

// domainOf returns the domain of an address.
func domainOf(address string) string {
	bare, _, _ := strings.Cut(address, "/")
	if _, domain, ok := strings.Cut(bare, "@"); ok {
		bare = domain
	}
	return lower(bare)
}

// key is what natter itself says in a dialback, in the place of a server that has shown by
// certificate who it is. It can be told from those of others without being remembered
// (XEP-0185), so any gateway with the same secret answers for it.
func (f *Federation) key(receiving, originating, id string) string {
	mac := hmac.New(sha256.New, f.secret)
	mac.Write([]byte("natter " + receiving + " " + originating + " " + id))
	return hex.EncodeToString(mac.Sum(nil))
}

// isOurs reports whether a <db:verify/> of our server is about a key of ours.
func (f *Federation) isOurs(e *framing.Element) bool {
	want := f.key(e.Attr("from"), e.Attr("to"), e.Attr("id"))
	return e.Is(framing.NSDialback, "verify") && hmac.Equal([]byte(strings.TrimSpace(e.Text())), []byte(want))
}

// dialback returns the answer to a <db:result/> or <db:verify/>.
func dialback(e *framing.Element, verdict string) *framing.Element {
	return framing.New(framing.NSDialback, e.Name.Local).
		Set("from", e.Attr("to")).Set("to", e.Attr("from")).Set("id", e.Attr("id")).Set("type", verdict)
}
