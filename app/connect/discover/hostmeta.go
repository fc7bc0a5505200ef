package discover

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"natter/framing"
)

const (
	relWebSocket = "urn:xmpp:alt-connections:websocket"

	nsXRD = "http://docs.oasis-open.org/ns/xri/xrd-1.0"

	maxLinks     = 256
	maxIPs       = 8
	lastPriority = 1 << 16 // after all that have one
	largest      = 1 << 30 // of any number
)

// meta is the content of one host-meta document.
type meta struct {
	links     []link
	ttl       time.Duration
	endpoints []Endpoint // the links that are usable
}

// link is a link with the relation that is sought and without a template: templates
// are for resources, not for the host (RFC 6415 §4.1).
type link struct {
	href             string
	priority, weight int
	ips              []string
	sni              string
}

// parse reads both forms of host-meta, whichever was requested: servers that have only
// one of them send that.
func parse(body []byte, rel string) (*meta, Kind, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if isHTML(body) {
		return nil, WebPage, errors.New("HTML")
	}
	var (
		m   *meta
		err error
	)
	if bytes.HasPrefix(body, []byte("<")) {
		m, err = parseXRD(string(body), rel)
	} else {
		m, err = parseJRD(body, rel)
	}
	if err != nil {
		return nil, Malformed, err
	}
	return m, "", nil
}

func isHTML(body []byte) bool {
	start := strings.ToLower(string(body[:min(len(body), 16)]))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html")
}

var xrdLimits = framing.Limits{Bytes: maxBody, Depth: 16, Children: 1024, Attrs: 32, Name: 256, Nodes: 8192}

func parseXRD(doc, rel string) (*meta, error) {
	root, err := framing.Parse(withoutComments(doc), xrdLimits)
	if err != nil {
		return nil, err
	}
	if !root.Is(nsXRD, "XRD") {
		return nil, errors.New("not XRD")
	}
	m := &meta{ttl: defaultTTL}
	for _, e := range root.Elements() {
		_, template := e.Lookup(framing.Name{Local: "template"})
		if e.Is(nsXRD, "Link") && e.Attr("rel") == rel && !template && len(m.links) < maxLinks {
			m.links = append(m.links, link{href: e.Attr("href")})
		}
	}
	return m, nil
}

// withoutComments removes comments: the parser is for XMPP, which forbids them, but
// administrators write them into host-meta. "<!--" begins a comment everywhere except in
// CDATA, which host-meta does not need. A comment without an end stays, and the parser
// refuses it.
func withoutComments(doc string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(doc, "<!--")
		if !found {
			break
		}
		_, rest, ended := strings.Cut(after, "-->")
		if !ended {
			break
		}
		b.WriteString(before)
		doc = rest
	}
	b.WriteString(doc)
	return b.String()
}

// parseJRD compares names exactly: encoding/json by default would accept "HREF" as
// "href". Members of a wrong type are ignored, so that one bad link does not make the
// others unusable.
func parseJRD(body []byte, rel string) (*meta, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	if doc == nil {
		return nil, errors.New("not JRD")
	}
	var links []json.RawMessage
	if raw, ok := doc["links"]; ok {
		if err := json.Unmarshal(raw, &links); err != nil {
			return nil, err
		}
	}

	m := &meta{ttl: defaultTTL}
	xmpp, hasXMPP := object(doc["xmpp"])
	if seconds, ok := number(xmpp["ttl"]); ok {
		m.ttl = min(time.Duration(seconds)*time.Second, maxTTL)
	}
	for _, raw := range links {
		l, _ := object(raw)
		if _, template := l["template"]; template || text(l["rel"]) != rel || len(m.links) == maxLinks {
			continue
		}
		next := link{href: text(l["href"])}
		if hasXMPP { // otherwise XEP-0156 alone applies, which knows no order
			next.weight, _ = number(l["weight"])
			var ok bool
			if next.priority, ok = number(l["priority"]); !ok {
				next.priority = lastPriority
			}
			if rel == RelServers {
				next.ips, next.sni = addresses(l["ips"]), hostName(l["sni"])
			}
		}
		m.links = append(m.links, next)
	}
	return m, nil
}

func object(raw json.RawMessage) (members map[string]json.RawMessage, ok bool) {
	if len(raw) == 0 || json.Unmarshal(raw, &members) != nil {
		return nil, false
	}
	return members, members != nil
}

func text(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// addresses returns those of a list that are some, eight at most.
func addresses(raw json.RawMessage) (all []string) {
	var list []json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &list) != nil {
		return nil
	}
	for _, one := range list {
		if ip := text(one); isIP(ip) && len(all) < maxIPs {
			all = append(all, strings.Trim(ip, "[]"))
		}
	}
	return all
}

// hostName returns a name for TLS, "" if it is none.
func hostName(raw json.RawMessage) string {
	name, err := toASCII(text(raw))
	if err != nil || isIP(name) {
		return ""
	}
	return name
}

// number returns an integer from 0 to largest; larger ones become largest.
func number(raw json.RawMessage) (int, bool) {
	var f float64
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) || json.Unmarshal(raw, &f) != nil || f < 0 || f != float64(int64(f)) {
		return 0, false
	}
	return int(min(f, largest)), true
}
