package site

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
)

const endpoint = "wss://xmpp.example.org:5281/ws"

// readHostMeta returns the endpoint that either form names.
func readHostMeta(t *testing.T, contentType, text string) string {
	t.Helper()
	type link struct {
		Rel  string `xml:"rel,attr" json:"rel"`
		Href string `xml:"href,attr" json:"href"`
	}
	var doc struct {
		XMLName xml.Name `xml:"http://docs.oasis-open.org/ns/xri/xrd-1.0 XRD" json:"-"`
		Links   []link   `xml:"Link" json:"links"`
	}
	err := json.Unmarshal([]byte(text), &doc)
	if contentType == "application/xrd+xml" {
		err = xml.Unmarshal([]byte(text), &doc)
	}
	if err != nil || len(doc.Links) != 1 || doc.Links[0].Rel != "urn:xmpp:alt-connections:websocket" {
		t.Fatalf("%s: %v %+v", contentType, err, doc)
	}
	return doc.Links[0].Href
}

func TestG02_HostMeta(t *testing.T) {
	s := newSite(t, public())
	const xrd, jrd = "application/xrd+xml", "application/json"
	for _, tc := range []struct{ path, accept, want string }{
		{"/.well-known/host-meta", "", xrd},
		{"/.well-known/host-meta", "*/*", xrd},
		{"/.well-known/host-meta", "application/json", jrd},
		{"/.well-known/host-meta", "application/xrd+xml, application/json", xrd},
		{"/.well-known/host-meta.json", "", jrd},
		{"/.well-known/host-meta.json", "application/xrd+xml", jrd},
	} {
		r := get(s, "GET", tc.path, "example.org", "Accept", tc.accept)
		if got := r.Header.Get("Content-Type"); r.StatusCode != 200 || got != tc.want {
			t.Errorf("%s, Accept %q: %d %s, want %s", tc.path, tc.accept, r.StatusCode, got, tc.want)
			continue
		}
		if got := readHostMeta(t, tc.want, body(t, r)); got != endpoint {
			t.Errorf("%s names %s", tc.path, got)
		}
	}
}

// G02, D09, Sec86: any site may read host-meta, and nothing else.
func TestD09_CORS(t *testing.T) {
	s := newSite(t, public())
	for path, want := range map[string]string{
		"/.well-known/host-meta":      "*",
		"/.well-known/host-meta.json": "*",
		"/":                           "",
		"/config.json":                "",
		"/nothing":                    "",
		"/.well-known/host-meta.xml":  "",
	} {
		r := get(s, "GET", path, "example.org", "Origin", "https://elsewhere.example")
		if got := r.Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s: Access-Control-Allow-Origin %q, want %q", path, got, want)
		}
	}
}

func TestG02_OnlyConfiguredDomains(t *testing.T) {
	c := public()
	for _, tc := range []struct {
		hostMeta bool
		host     string
		status   int
	}{
		{true, "example.org", 200},
		{true, "example.org:443", 200},
		{true, "chat.example.org", 404}, // the page lives there, no XMPP domain does
		{true, "localhost", 404},
		{true, "other.example", 421},
		{false, "chat.example.org", 404},
	} {
		c.HostMeta = tc.hostMeta
		if r := get(newSite(t, c), "GET", "/.well-known/host-meta", tc.host); r.StatusCode != tc.status {
			t.Errorf("hostMeta %v, %s: %d, want %d", tc.hostMeta, tc.host, r.StatusCode, tc.status)
		}
	}
}

// W03: a domain names its WebSocket for servers beside that for clients, and what is further
// its own names that alone.
func TestW03_HostMetaForServers(t *testing.T) {
	c := public()
	c.Domains[0].Servers, c.Domains[0].Services = "wss://s2s.example.org/s2s", []string{"rooms.example.org"}
	s := newSite(t, c)
	const servers = `{"rel":"urn:xmpp:alt-connections:s2s-websocket","href":"wss://s2s.example.org/s2s"}`
	for host, want := range map[string]string{
		"example.org":       `{"links":[{"rel":"urn:xmpp:alt-connections:websocket","href":"` + endpoint + `"},` + servers + `]}`,
		"rooms.example.org": `{"links":[` + servers + `]}`,
	} {
		if got := strings.Join(strings.Fields(body(t, get(s, "GET", "/.well-known/host-meta.json", host))), ""); got != want {
			t.Errorf("%s: %s", host, got)
		}
	}
	c.Domains[0].IPs = []string{"192.0.2.1"} // XEP-0487
	const complete = `,"ips":["192.0.2.1"],"priority":1,"weight":1,"sni":"s2s.example.org"}]}`
	if got := strings.Join(strings.Fields(body(t, get(newSite(t, c), "GET", "/.well-known/host-meta.json", "rooms.example.org"))), ""); !strings.HasSuffix(got, complete) {
		t.Errorf("with addresses: %s", got)
	}
	if got := body(t, get(s, "GET", "/.well-known/host-meta", "rooms.example.org")); !strings.Contains(got, `<Link rel="`+relServers+`" href="wss://s2s.example.org/s2s"/></XRD>`) {
		t.Errorf("XRD: %s", got)
	}
}

// An address with characters that XML gives a meaning arrives as it was written.
func TestG02_Escaped(t *testing.T) {
	const address = "wss://a.example/ws&<x>"
	if got := readHostMeta(t, "application/xrd+xml", string(xrd([]link{{Rel: relClients, Href: address}}))); got != address {
		t.Errorf("XRD: %s", got)
	}
}
