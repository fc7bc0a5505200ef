package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	jrdURL = "https://example.org/.well-known/host-meta.json"
	xrdURL = "https://example.org/.well-known/host-meta"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// web is a Fetcher that answers from a map; what is not in it is 404.
type web struct {
	pages map[string]page
	mu    sync.Mutex
	asked []string

	// meet, if set, lets neither of two questions be answered before both have been
	// asked.
	meet chan struct{}
}

type page struct {
	body   string
	status int    // 0 is 200
	final  string // after redirects, "" for none
	err    error
	hang   bool            // until the context is done
	after  <-chan struct{} // answer only then
}

func (w *web) Fetch(ctx context.Context, url, accept string, limit int) (*Document, error) {
	w.mu.Lock()
	w.asked = append(w.asked, url)
	p, ok := w.pages[url]
	w.mu.Unlock()
	if !ok {
		p.status = 404
	}
	if w.meet != nil {
		select {
		case w.meet <- struct{}{}:
		case <-w.meet:
		}
	}
	if p.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if p.after != nil {
		select {
		case <-p.after:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	if p.status == 0 {
		p.status = 200
	}
	if p.final == "" {
		p.final = url
	}
	return &Document{URL: p.final, Status: p.status, Body: []byte(p.body)}, nil
}

// questions returns what has been fetched, sorted.
func (w *web) questions() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(slices.Values(w.asked))
}

type memory map[string]Result

func (m memory) Load(domain string) (Result, bool) { r, ok := m[domain]; return r, ok }
func (m memory) Save(domain string, r Result)      { m[domain] = r }

func jrd(links ...string) string {
	var l []string
	for _, href := range links {
		l = append(l, `{"rel":"`+relWebSocket+`","href":"`+href+`"}`)
	}
	return `{"links":[` + strings.Join(l, ",") + `]}`
}

func xrd(links ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version='1.0' encoding='utf-8'?><XRD xmlns='` + nsXRD + `'>`)
	for _, href := range links {
		b.WriteString(`<Link rel='` + relWebSocket + `' href='` + href + `'/>`)
	}
	return b.String() + "</XRD>"
}

func finder(pages map[string]page) (*Finder, *web) {
	w := &web{pages: pages}
	return &Finder{Fetch: w, Now: func() time.Time { return start }, grace: time.Hour, rand: func(int) int { return 0 }}, w
}

func urls(r Result) string {
	var s []string
	for _, e := range r.Endpoints {
		s = append(s, e.URL)
	}
	return strings.Join(s, " ")
}

func kind(err error) Kind {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

func TestD08_D10_HostMeta(t *testing.T) {
	const a, b = "wss://a.example/ws", "wss://b.example/ws"
	for _, tc := range []struct {
		rule  string
		pages map[string]page
		want  string
		kind  Kind
	}{
		{"D04 both", map[string]page{jrdURL: {body: jrd(a)}, xrdURL: {body: xrd(a)}}, a, ""},
		{"D04 only JRD", map[string]page{jrdURL: {body: jrd(a)}}, a, ""},
		{"D04 only XRD", map[string]page{xrdURL: {body: xrd(a)}}, a, ""},
		{"D04 contradictory, JRD counts", map[string]page{jrdURL: {body: jrd(a)}, xrdURL: {body: xrd(b)}}, a, ""},
		{"D04 the first success lacks the link", map[string]page{jrdURL: {body: `{"links":[]}`}, xrdURL: {body: xrd(b)}}, b, ""},
		{"D04 the first success is insecure", map[string]page{jrdURL: {body: jrd("ws://a.example/")}, xrdURL: {body: xrd(b)}}, b, ""},
		{"D04 XRD at the address of JRD", map[string]page{jrdURL: {body: xrd(a)}}, a, ""},
		{"D04 JRD at the address of XRD", map[string]page{xrdURL: {body: jrd(a)}}, a, ""},
		{"D04 one hangs", map[string]page{jrdURL: {body: jrd(a)}, xrdURL: {hang: true}}, a, ""},
		{"D05 several links", map[string]page{jrdURL: {body: jrd(a, b, a)}}, a + " " + b, ""},
		{"D05 one link is no use", map[string]page{jrdURL: {body: jrd("nonsense", b)}}, b, ""},

		{"D01 D07 redirect to https", map[string]page{jrdURL: {body: jrd(a), final: "https://www.example.net/hm"}}, a, ""},
		{"D01 sec22 redirect to http", map[string]page{jrdURL: {body: jrd(a), final: "http://example.org/hm"}}, "", Insecure},
		{"D01 redirect to http, refused by the Fetcher", map[string]page{jrdURL: {err: ErrInsecure}}, "", Insecure},
		{"D01 the Fetcher does not say where it ended", map[string]page{jrdURL: {body: jrd(a), final: "?"}}, "", Insecure},
		{"D02 sec22 ws only", map[string]page{jrdURL: {body: jrd("ws://a.example/ws")}, xrdURL: {body: xrd("ws://a.example/ws")}}, "", Insecure},
		{"D02 ws beside wss", map[string]page{jrdURL: {body: jrd("ws://a.example/ws", a)}}, a, ""},
		{"D02 ws to loopback", map[string]page{jrdURL: {body: jrd("ws://localhost/ws")}}, "", Insecure},
		{"D02 http", map[string]page{jrdURL: {body: jrd("http://a.example/ws", "https://a.example/ws")}}, "", NoWebSocket},
		{"sec22 credentials in the link", map[string]page{jrdURL: {body: jrd("wss://u:p@a.example/ws")}}, "", NoWebSocket},
		{"D06 a template", map[string]page{jrdURL: {body: `{"links":[{"rel":"` + relWebSocket + `","template":"wss://a.example/{uri}"}]}`}}, "", NoWebSocket},
		{"D06 a template beside href", map[string]page{
			jrdURL: {body: `{"links":[{"rel":"` + relWebSocket + `","template":"x","href":"` + a + `"}]}`},
			xrdURL: {body: strings.Replace(xrd(a), "href=", "template='x' href=", 1)}}, "", NoWebSocket},
		{"D06 lrdd", map[string]page{jrdURL: {body: `{"links":[{"rel":"lrdd","href":"` + a + `"}]}`}}, "", NoWebSocket},
		{"D07 410", map[string]page{jrdURL: {status: 410, body: jrd(a)}}, "", NoHostMeta},
		{"W03 sec22 the relation of servers", map[string]page{
			jrdURL: {body: strings.Replace(jrd(a), ":websocket", ":s2s-websocket", 1)},
			xrdURL: {body: strings.Replace(xrd(a), ":websocket", ":s2s-websocket", 1)}}, "", NoWebSocket},
		{"sec22 the relation is exact", map[string]page{jrdURL: {body: strings.Replace(jrd(a), ":websocket", ":WebSocket", 1)}}, "", NoWebSocket},
		{"sec22 names of JSON are exact", map[string]page{jrdURL: {body: strings.Replace(jrd(a), "href", "HREF", 1)}}, "", NoWebSocket},
		{"sec22 an element of another namespace", map[string]page{xrdURL: {body: strings.Replace(xrd(a), "<Link", "<Link xmlns='x'", 1)}}, "", NoWebSocket},

		{"D10 nothing there", nil, "", NoHostMeta},
		{"D10 no answer, or no CORS", map[string]page{jrdURL: {err: errors.New("Failed to fetch")}, xrdURL: {err: errors.New("Failed to fetch")}}, "", Unreachable},
		{"D10 the server is ill", map[string]page{jrdURL: {status: 503}, xrdURL: {status: 500}}, "", BadStatus},
		{"D10 a web page for everything", map[string]page{jrdURL: {body: "<!DOCTYPE html><html>"}, xrdURL: {body: "\n<HTML><body>"}}, "", WebPage},
		{"D10 WebFinger's host-meta", map[string]page{jrdURL: {body: webfingerJRD}, xrdURL: {body: webfingerXRD}}, "", NoWebSocket},
		{"D10 a comma too many", map[string]page{jrdURL: {body: strings.Replace(jrd(a), "}]", "},]", 1)}}, "", Malformed},
		{"D10 something after the JSON", map[string]page{jrdURL: {body: jrd(a) + "}"}}, "", Malformed},
		{"D10 empty", map[string]page{jrdURL: {body: ""}}, "", Malformed},
		{"D10 null", map[string]page{jrdURL: {body: "null"}}, "", Malformed},
		{"D10 a JSON array", map[string]page{jrdURL: {body: "[" + jrd(a) + "]"}}, "", Malformed},
		{"D10 links is an object", map[string]page{jrdURL: {body: `{"links":{"rel":"` + relWebSocket + `","href":"` + a + `"}}`}}, "", Malformed},
		{"D10 a link that is none", map[string]page{jrdURL: {body: strings.Replace(jrd(a), "[", `[null,7,"x",[],{"rel":7},{"href":{}},`, 1)}}, a, ""},
		{"D10 XML cut off", map[string]page{xrdURL: {body: strings.TrimSuffix(xrd(a), "</XRD>")}}, "", Malformed},
		{"D10 some other XML", map[string]page{xrdURL: {body: "<feed xmlns='http://www.w3.org/2005/Atom'/>"}}, "", Malformed},
		{"D10 over 64 KiB", map[string]page{jrdURL: {body: jrd(a) + strings.Repeat(" ", maxBody)}}, "", TooLong},
		{"D10 over 64 KiB, refused by the Fetcher", map[string]page{jrdURL: {err: ErrTooLong}}, "", TooLong},
		{"D10 just 64 KiB", map[string]page{jrdURL: {body: jrd(a) + strings.Repeat(" ", maxBody-len(jrd(a)))}}, a, ""},
		{"D10 a byte order mark", map[string]page{jrdURL: {body: "\ufeff" + jrd(a)}, xrdURL: {body: "\ufeff" + xrd(a)}}, a, ""},
		{"D10 a comment in the XRD", map[string]page{xrdURL: {body: strings.Replace(xrd(b, a), "<Link", "<!-- <Link/> & <!-- --><Link", 1)}}, b + " " + a, ""},
		{"D10 a comment that does not end", map[string]page{xrdURL: {body: xrd(a) + "<!--"}}, "", Malformed},
		{"sec22 an entity bomb", map[string]page{xrdURL: {body: "<!DOCTYPE XRD [<!ENTITY a 'wss://a.example/'>]>" + xrd("&a;")}}, "", Malformed},
		{"sec22 an entity without its declaration", map[string]page{xrdURL: {body: xrd("&a;")}}, "", Malformed},
		{"sec22 a doctype hidden in comments", map[string]page{xrdURL: {body: "<!DOC<!-- -->TYPE XRD [<!ENTITY a 'x'>]>" + xrd(a)}}, "", Malformed},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			f, _ := finder(tc.pages)
			r, err := f.Find(context.Background(), "example.org", "")
			if urls(r) != tc.want || kind(err) != tc.kind {
				t.Errorf("Find = %q, %v; want %q, %q", urls(r), err, tc.want, tc.kind)
			}
			for _, e := range r.Endpoints {
				if e.Source != HostMeta { // D08: delegated over https
					t.Errorf("D08 source %q", e.Source)
				}
			}
		})
	}
}

const (
	webfingerJRD = `{"links":[{"rel":"lrdd","type":"application/xrd+xml","template":"https://example.org/.well-known/webfinger?resource={uri}"}]}`
	webfingerXRD = `<?xml version="1.0" encoding="UTF-8"?><XRD xmlns="` + nsXRD + `"><Link rel="lrdd" template="https://example.org/.well-known/webfinger?resource={uri}"/></XRD>`
)

// XEP-0487 §2.1: links for servers say where to connect and with which name, as far as that can
// be one; those for pages are left alone.
func TestW03_AddressesAndName(t *testing.T) {
	doc := func(rel string) []byte {
		return []byte(`{"xmpp":{"ttl":60},"links":[
			{"rel":"` + rel + `","href":"wss://a.example/","sni":"B.example","ips":["192.0.2.1","2001:db8::1","c.example",7,"fe80::1%eth0"]},
			{"rel":"` + rel + `","href":"wss://b.example/","sni":"192.0.2.1","ips":"192.0.2.1"},
			{"rel":"` + rel + `","href":"wss://c.example/","sni":"a b","ips":["1.1.1.1","1.1.1.1","1.1.1.1","1.1.1.1","1.1.1.1","1.1.1.1","1.1.1.1","1.1.1.1","1.1.1.1"]}]}`)
	}
	m, _, err := parse(doc(RelServers), RelServers)
	if err != nil || len(m.links) != 3 {
		t.Fatal(m, err)
	}
	for i, want := range []string{"b.example [192.0.2.1 2001:db8::1]", " []", " [" + strings.TrimSpace(strings.Repeat("1.1.1.1 ", 8)) + "]"} {
		if got := fmt.Sprint(m.links[i].sni, " ", m.links[i].ips); got != want {
			t.Errorf("link %d is at %s instead of %s", i, got, want)
		}
	}
	if m, _, err := parse(doc(relWebSocket), relWebSocket); err != nil || m.links[0].sni != "" || m.links[0].ips != nil {
		t.Errorf("a page is told %+v, %v", m, err)
	}
}

// As Prosody 0.12, Prosody 13 and ejabberd write it.
func TestHostMetaOfRealServers(t *testing.T) {
	for _, body := range []string{
		`<?xml version="1.0" encoding="utf-8"?>
<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">
<Link rel="urn:xmpp:alt-connections:xbosh" href="https://localhost:12281/http-bind"/>
<Link rel="urn:xmpp:alt-connections:websocket" href="wss://localhost:12281/xmpp-websocket"/>
</XRD>
`,
		`<?xml version='1.0' encoding='utf-8'?>
<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'><Link rel='urn:xmpp:alt-connections:xbosh' href='https://localhost:12281/http-bind'/><Link rel='urn:xmpp:alt-connections:websocket' href='wss://localhost:12281/xmpp-websocket'/></XRD>`,
		`{"links":[{"rel":"urn:xmpp:alt-connections:xbosh","href":"https://localhost:12281/http-bind"},{"rel":"urn:xmpp:alt-connections:websocket","href":"wss://localhost:12281/xmpp-websocket"}]}`,
	} {
		m, _, err := parse([]byte(body), relWebSocket)
		if err != nil || len(m.links) != 1 || m.links[0].href != "wss://localhost:12281/xmpp-websocket" {
			t.Errorf("%.20q…: %+v, %v", body, m, err)
		}
	}
}

func TestD03_Questions(t *testing.T) {
	for domain, host := range map[string]string{
		"example.org": "example.org", "Example.ORG": "example.org", "example.org.": "example.org", "bücher.example": "xn--bcher-kva.example",
		"xn--bcher-kva.example": "xn--bcher-kva.example", "192.0.2.1": "192.0.2.1", "[2001:db8::1]": "[2001:db8::1]", "localhost": "localhost",
	} {
		f, w := finder(nil)
		if _, err := f.Find(context.Background(), domain, ""); kind(err) != NoHostMeta {
			t.Errorf("%s: %v", domain, err)
		}
		// These two and nothing else: no DNS (D11, D15), no port, no http (D01).
		want := []string{"https://" + host + "/.well-known/host-meta", "https://" + host + "/.well-known/host-meta.json"}
		if got := w.questions(); !slices.Equal(got, want) {
			t.Errorf("D03 D11 D15 %s: asked %q, want %q", domain, got, want)
		}
	}
	for _, bad := range []string{"", ".", "a..b", ".example.org", "example.org/x", "example.org:443", "u@example.org", "example.org?x", "example.org#x", "exa mple.org",
		"example.org\n", "::1", "[::1", "[fe80::1%25eth0]", "[192.0.2.1]", "%65xample.org", "xn--\u00fc", strings.Repeat("a.", 200) + "org"} {
		f, w := finder(nil)
		if _, err := f.Find(context.Background(), bad, ""); kind(err) != BadDomain || len(w.questions()) > 0 {
			t.Errorf("D03 %q: error %v, asked %q", bad, err, w.questions())
		}
	}
}

func TestD04_XRDWaitsForJRD(t *testing.T) {
	xrdPage := page{body: xrd("wss://xrd.example/")}
	t.Run("D04 a JRD that comes a little later counts", func(t *testing.T) {
		f, w := finder(map[string]page{xrdURL: xrdPage})
		seen := make(chan struct{})
		w.pages[jrdURL] = page{body: jrd("wss://jrd.example/"), after: seen}
		f.Fetch = fetcher(func(ctx context.Context, url, accept string, limit int) (*Document, error) {
			if url == xrdURL {
				defer close(seen)
			}
			return w.Fetch(ctx, url, accept, limit)
		})
		r, err := f.Find(context.Background(), "example.org", "")
		if urls(r) != "wss://jrd.example/" {
			t.Errorf("%q, %v", urls(r), err)
		}
	})
	t.Run("D04 one that hangs does not", func(t *testing.T) {
		f, _ := finder(map[string]page{xrdURL: xrdPage, jrdURL: {hang: true}})
		f.grace = time.Millisecond
		r, err := f.Find(context.Background(), "example.org", "")
		if urls(r) != "wss://xrd.example/" {
			t.Errorf("%q, %v", urls(r), err)
		}
	})
	t.Run("D04 the deadline comes before the end of its grace", func(t *testing.T) {
		f, _ := finder(map[string]page{xrdURL: xrdPage, jrdURL: {hang: true}})
		f.Timeout = 50 * time.Millisecond
		r, err := f.Find(context.Background(), "example.org", "")
		if urls(r) != "wss://xrd.example/" && kind(err) != Timeout {
			t.Errorf("%q, %v", urls(r), err)
		}
	})
}

type fetcher func(ctx context.Context, url, accept string, limit int) (*Document, error)

func (f fetcher) Fetch(ctx context.Context, url, accept string, limit int) (*Document, error) {
	return f(ctx, url, accept, limit)
}

func TestD12_LimitsAreAskedFor(t *testing.T) {
	f, _ := finder(nil)
	var mu sync.Mutex
	accepts := map[string]string{}
	f.Fetch = fetcher(func(ctx context.Context, url, accept string, limit int) (*Document, error) {
		mu.Lock()
		defer mu.Unlock()
		accepts[url] = accept
		deadline, ok := ctx.Deadline()
		if limit != 64<<10 || !ok || time.Until(deadline) > 5*time.Second {
			t.Errorf("limit %d, deadline %v %v", limit, deadline, ok)
		}
		return nil, errors.New("no")
	})
	f.Find(context.Background(), "example.org", "")
	if !strings.Contains(accepts[jrdURL], "json") || !strings.Contains(accepts[xrdURL], "xml") {
		t.Errorf("accepts %q", accepts)
	}
}

func TestSec22_Hang(t *testing.T) {
	f, _ := finder(map[string]page{jrdURL: {hang: true}, xrdURL: {hang: true}})
	f.Timeout = time.Millisecond
	_, err := f.Find(context.Background(), "example.org", "")
	if kind(err) != Timeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	f, _ = finder(f.Fetch.(*web).pages)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Find(ctx, "example.org", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	f, _ = finder(nil)
	f.Fetch = fetcher(func(context.Context, string, string, int) (*Document, error) { select {} }) // does not even look at ctx
	if _, err := f.Find(ctx, "example.org", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestOrderOfSources(t *testing.T) {
	f, w := finder(map[string]page{jrdURL: {body: jrd("wss://meta.example/")}})
	f.Cache = memory{"example.org": {Endpoints: []Endpoint{{URL: "wss://cache.example/"}}, Expires: start.Add(time.Hour)}}
	f.Fixed = map[string][]string{"example.org": {"wss://fixed.example", "wss://fixed2.example/ws"}, "broken.example": {"http://x"}}
	for _, tc := range []struct {
		domain, own, want string
		source            Source
	}{
		{"example.org", "own.example/ws", "wss://own.example/ws", Own},
		{"Example.org", "", "wss://fixed.example/ wss://fixed2.example/ws", Operator},
	} {
		r, err := f.Find(context.Background(), tc.domain, tc.own)
		if err != nil || urls(r) != tc.want || r.Endpoints[0].Source != tc.source || !r.Expires.IsZero() {
			t.Errorf("%s: %+v, %v; want %s", tc.source, r, err, tc.want)
		}
	}
	if _, err := f.Find(context.Background(), "example.org", "ws://evil.example/"); kind(err) != BadEntry {
		t.Errorf("own entry: %v", err)
	}
	if _, err := f.Find(context.Background(), "broken.example", ""); kind(err) != BadEntry {
		t.Errorf("operator's entry: %v", err)
	}
	f.Fixed = nil
	if r, err := f.Find(context.Background(), "example.org", ""); err != nil || urls(r) != "wss://cache.example/" || r.Endpoints[0].Source != Cached {
		t.Errorf("cache: %+v, %v", r, err)
	}
	if got := w.questions(); len(got) > 0 {
		t.Errorf("asked %q for what was known", got)
	}
	f.Cache = nil
	if r, err := f.Find(context.Background(), "example.org", ""); err != nil || urls(r) != "wss://meta.example/" {
		t.Errorf("host-meta: %+v, %v", r, err)
	}
}

func TestD14_K09_Cache(t *testing.T) {
	f, w := finder(map[string]page{jrdURL: {body: `{"xmpp":{"ttl":600},` + jrd("wss://one.example/")[1:]}})
	w.meet = make(chan struct{})
	now := start
	f.Now = func() time.Time { return now }
	cache := memory{}
	f.Cache = cache
	find := func(want string, source Source, questions int) {
		t.Helper()
		w.asked = nil
		r, err := f.Find(context.Background(), "Example.org", "")
		if err != nil || urls(r) != want || r.Endpoints[0].Source != source || len(w.questions()) != questions {
			t.Fatalf("D14 found %+v, %v with %d questions; want %s from %s with %d", r, err, len(w.questions()), want, source, questions)
		}
		stored, err := json.Marshal(cache["example.org"]) // as a page keeps it
		if err != nil {
			t.Fatal(err)
		}
		var loaded Result
		if err := json.Unmarshal(stored, &loaded); err != nil {
			t.Fatal(err)
		}
		cache["example.org"] = loaded
	}
	find("wss://one.example/", HostMeta, 2)
	find("wss://one.example/", Cached, 0)
	now = now.Add(599 * time.Second)
	find("wss://one.example/", Cached, 0)

	w.pages[jrdURL] = page{body: jrd("wss://two.example/")}
	now = now.Add(2 * time.Second) // past the ttl
	find("wss://two.example/", HostMeta, 2)
	now = now.Add(defaultTTL - time.Second)
	find("wss://two.example/", Cached, 0)

	w.pages[jrdURL] = page{body: jrd("wss://three.example/")}
	f.Forget("example.org") // no endpoint could be reached
	find("wss://three.example/", HostMeta, 2)

	f.Forget("example.org")
	w.pages[jrdURL] = page{err: errors.New("offline")}
	w.pages[xrdURL] = page{err: errors.New("offline")}
	find("wss://three.example/", Cached, 2) // D13: out of date is better than nothing

	w.pages = nil // the domain says there is nothing any more
	if r, err := f.Find(context.Background(), "example.org", ""); kind(err) != NoHostMeta {
		t.Errorf("D14 %+v, %v", r, err)
	}

	f.Forget("other.example")
	f.Forget("not a domain")
	if len(cache) != 1 {
		t.Errorf("forgetting adds to the cache: %v", cache)
	}
	(&Finder{}).Forget("example.org")
}

func TestD14_CacheIsNotTrusted(t *testing.T) {
	f, _ := finder(map[string]page{jrdURL: {body: jrd("wss://meta.example/")}})
	f.rand = nil
	far := start.Add(100 * 365 * 24 * time.Hour)
	f.Cache = memory{"example.org": {Expires: far, Endpoints: []Endpoint{{URL: "ws://evil.example/"}, {URL: "javascript:alert(1)"}, {URL: ""}}}}
	if r, err := f.Find(context.Background(), "example.org", ""); urls(r) != "wss://meta.example/" {
		t.Errorf("%+v, %v", r, err)
	}
	f.Cache = memory{"example.org": {Expires: far, Endpoints: []Endpoint{{URL: "wss://a.example/", Weight: -5}, {URL: "wss://b.example/", Weight: 1 << 62}, {URL: "wss://c.example/", Weight: 1 << 62}}}}
	r, err := f.Find(context.Background(), "example.org", "")
	if err != nil || len(r.Endpoints) != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	if r.Expires != start.Add(maxTTL) {
		t.Errorf("it lives until %v", r.Expires)
	}
}

func TestD13_HostMeta2(t *testing.T) {
	link := func(host string, more string) string {
		return `{"rel":"` + relWebSocket + `","href":"wss://` + host + `.example/"` + more + `}`
	}
	for _, tc := range []struct {
		rule, body, want string
		ttl              time.Duration
	}{
		{"D13 priority", `{"xmpp":{"ttl":3000},"links":[` + link("b", `,"priority":15,"weight":50`) + "," + link("a", `,"priority":5,"weight":50`) + `]}`,
			"wss://a.example/ wss://b.example/", 3000 * time.Second},
		{"D13 without the xmpp object there is no order", `{"links":[` + link("b", `,"priority":15`) + "," + link("a", `,"priority":5`) + `]}`,
			"wss://b.example/ wss://a.example/", defaultTTL},
		{"D13 xmpp is not an object", `{"xmpp":true,"links":[` + link("b", `,"priority":15`) + "," + link("a", `,"priority":5`) + `]}`,
			"wss://b.example/ wss://a.example/", defaultTTL},
		{"D13 without a priority at the end", `{"xmpp":{"ttl":0},"links":[` + link("b", "") + "," + link("c", `,"priority":"1"`) + "," + link("a", `,"priority":65535`) + `]}`,
			"wss://a.example/ wss://b.example/ wss://c.example/", 0},
		{"D13 at most a week", `{"xmpp":{"ttl":1e18},"links":[` + link("a", "") + `]}`, "wss://a.example/", maxTTL},
		{"D13 a ttl that makes no sense", `{"xmpp":{"ttl":-1},"links":[` + link("a", `,"priority":1.5,"weight":-3`) + `]}`, "wss://a.example/", defaultTTL},
		{"D13 a ttl that is null", `{"xmpp":{"ttl":null},"links":[` + link("a", "") + `]}`, "wss://a.example/", defaultTTL},
		{"D13 the example of XEP-0487", xep0487, "wss://other.example.org/xmpp-websocket", 3000 * time.Second},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			f, _ := finder(map[string]page{jrdURL: {body: tc.body}})
			r, err := f.Find(context.Background(), "example.org", "")
			if err != nil || urls(r) != tc.want || r.Expires != start.Add(tc.ttl) {
				t.Errorf("%+v, %v; want %s for %v", r, err, tc.want, tc.ttl)
			}
		})
	}
}

const xep0487 = `{"xmpp":{"ttl":3000,"public-key-pins-sha-256":["4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ="]},
"links":[
{"rel":"urn:xmpp:alt-connections:websocket","href":"wss://other.example.org/xmpp-websocket","ips":["1.2.3.4","fd00:feed:dad:beef::1"],"priority":15,"weight":50,"sni":"example.org","ech":"eG1wcC1jbGllbnQ="},
{"rel":"urn:xmpp:alt-connections:tls","port":443,"ips":["1.2.3.4"],"priority":10,"weight":50,"sni":"example.org"},
{"rel":"urn:xmpp:alt-connections:s2s-websocket","href":"wss://other.example.org/s2s-xmpp-websocket","ips":["1.2.3.4"],"priority":15,"weight":50,"sni":"example.org"},
{"rel":"urn:xmpp:alt-connections:xbosh","href":"https://web.example.com:5280/bosh"}]}`

func TestD13_Weight(t *testing.T) {
	f, _ := finder(nil)
	endpoints := []Endpoint{{URL: "zero", Weight: 0}, {URL: "ten", Weight: 10}, {URL: "ninety", Weight: 90}, {URL: "later", Priority: 1, Weight: 1000}}
	for draw, want := range map[int]string{0: "ten ninety zero later", 9: "ten ninety zero later", 10: "ninety ten zero later", 99: "ninety ten zero later"} {
		first := true
		f.rand = func(n int) int {
			if first && n != 100 {
				t.Errorf("drawn from %d, want 100", n)
			}
			first = false
			return min(draw, n-1)
		}
		if got := urls(Result{Endpoints: f.order(endpoints)}); got != want {
			t.Errorf("draw %d: %s, want %s", draw, got, want)
		}
	}
	if endpoints[0].URL != "zero" {
		t.Error("the list of the cache has been changed")
	}
}

func TestD05_ManyLinks(t *testing.T) {
	var links []string
	for i := range 300 {
		links = append(links, fmt.Sprintf("wss://h%d.example/", i))
	}
	f, _ := finder(map[string]page{jrdURL: {body: jrd(links...)}})
	r, err := f.Find(context.Background(), "example.org", "")
	if err != nil || len(r.Endpoints) != maxEndpoints {
		t.Errorf("%d endpoints, %v", len(r.Endpoints), err)
	}
}

func TestLoopback(t *testing.T) {
	const httpJRD, ws = "http://localhost/.well-known/host-meta.json", "ws://localhost:8080/ws"
	for _, tc := range []struct {
		name, domain string
		allow        bool
		pages        map[string]page
		want         string
		kind         Kind
	}{
		{"http and ws for this machine", "localhost", true, map[string]page{httpJRD: {body: jrd(ws)}}, ws, ""},
		{"by number", "127.0.0.1", true, map[string]page{"http://127.0.0.1/.well-known/host-meta.json": {body: jrd(ws)}}, ws, ""},
		{"by number in brackets", "[::1]", true, map[string]page{"http://[::1]/.well-known/host-meta.json": {body: jrd("ws://[::1]:8080/ws")}}, "ws://[::1]:8080/ws", ""},
		{"T01 not unless allowed", "localhost", false, map[string]page{httpJRD: {body: jrd(ws)}}, "", NoHostMeta},
		{"T01 ws not unless allowed", "localhost", false, map[string]page{"https://localhost/.well-known/host-meta.json": {body: jrd(ws)}}, "", Insecure},
		{"T01 not to another machine", "localhost", true, map[string]page{httpJRD: {body: jrd("ws://a.example/ws")}}, "", Insecure},
		{"T01 not from another machine", "example.org", true, map[string]page{jrdURL: {body: jrd(ws)}}, "", Insecure},
		{"D01 not by http from another machine", "localhost", true, map[string]page{httpJRD: {body: jrd(ws), final: "http://a.example/"}}, "", Insecure},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, _ := finder(tc.pages)
			f.AllowLoopback = tc.allow
			r, err := f.Find(context.Background(), tc.domain, "")
			if urls(r) != tc.want || kind(err) != tc.kind {
				t.Errorf("Find = %q, %v; want %q, %q", urls(r), err, tc.want, tc.kind)
			}
		})
	}
}

func TestParseEndpoint(t *testing.T) {
	for in, want := range map[string]string{
		"wss://a.example/ws":       "wss://a.example/ws",
		" wss://a.example/ws\n":    "wss://a.example/ws",
		"a.example/ws":             "wss://a.example/ws",
		"a.example":                "wss://a.example/",
		"a.example:5281/ws":        "wss://a.example:5281/ws",
		"WSS://A.Example/WS":       "wss://a.example/WS",
		"wss://a.example/ws?x=y":   "wss://a.example/ws?x=y",
		"bücher.example/ws":        "wss://xn--bcher-kva.example/ws",
		"wss://192.0.2.1/ws":       "wss://192.0.2.1/ws",
		"wss://[2001:db8::1]:1/ws": "wss://[2001:db8::1]:1/ws",
		"ws://localhost:5280/ws":   "ws://localhost:5280/ws",
		"ws://127.0.0.1/ws":        "ws://127.0.0.1/ws",
		"ws://[::1]:5280/":         "ws://[::1]:5280/",
	} {
		if got, err := ParseEndpoint(in); got != want || err != nil {
			t.Errorf("ParseEndpoint(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for in, want := range map[string]error{
		"": errEmpty, "  ": errEmpty,
		"ws://a.example/ws": errPlainWS, "ws://localhost.a.example/": errPlainWS, "ws://127.0.0.1.a.example/": errPlainWS, "ws://192.168.0.1/": errPlainWS,
		"https://a.example/ws": errScheme, "http://localhost/": errScheme, "xmpp://a.example": errScheme, "javascript://a.example/%0aalert(1)": errScheme,
		"wss://u:secret@a.example/": errUserinfo, "u@a.example/ws": errUserinfo, "http://u:secret@a.example/": errUserinfo,
		"wss://a.example/#x": errFragment, "wss://a.example/#": errFragment,
		"wss:///ws": errHost, "wss://a..b/": errHost, "wss://a_b.example/": errHost, "wss://:443/": errHost, "wss://[fe80::1%25eth0]/": errHost,
		"wss://a.example:0/": errPort, "wss://a.example:65536/": errPort, "wss://a.example:x/": errPort, "wss://a.example:/": errPort, "javascript:alert(1)": errPort,
		"wss://a b.example/": errNotURL, "wss://a.example/\x00": errNotURL, "://": errNotURL, "wss://a.example/%zz": errNotURL, "a.example/" + strings.Repeat("x", maxURL): errNotURL,
	} {
		got, err := ParseEndpoint(in)
		if got != "" || err != want {
			t.Errorf("ParseEndpoint(%.40q) = %q, %v; want %v", in, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Error("the error repeats a password")
		}
	}
}

func TestErrorsAreSentences(t *testing.T) {
	err := error(&Error{"example.org", NoHostMeta, nil})
	if got := err.Error(); got != "discover example.org: "+string(NoHostMeta) {
		t.Error(got)
	}
	if !errors.Is(&Error{"example.org", BadEntry, errPort}, errPort) {
		t.Error("the cause is lost")
	}
}

// The page pays for every package; net/http alone is more than a third of it.
func TestNoHTTPHere(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "\n\t\"net/"+"http\"") {
			t.Errorf("%s imports net/http", file)
		}
	}
}

func FuzzHostMeta(f *testing.F) {
	for _, body := range []string{jrd("wss://a.example/"), xrd("wss://a.example/"), xep0487, webfingerJRD, webfingerXRD, "", "<!--", "{", "<!DOCTYPE html>",
		`{"xmpp":{"ttl":1e99},"links":[{"rel":"` + relWebSocket + `","href":"wss://a.example","weight":1e99,"priority":-1}]}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fi, _ := finder(map[string]page{jrdURL: {body: string(body)}})
		fi.rand = nil
		r, err := fi.Find(context.Background(), "example.org", "")
		if (err == nil) != (len(r.Endpoints) > 0) {
			t.Fatalf("%+v beside %v", r, err)
		}
		if err == nil && r.Expires.Sub(start) > maxTTL {
			t.Errorf("expires %v", r.Expires)
		}
		for _, e := range r.Endpoints {
			if again, err := ParseEndpoint(e.URL); err != nil || again != e.URL || !strings.HasPrefix(e.URL, "wss://") {
				t.Errorf("endpoint %q, read again %q, %v", e.URL, again, err)
			}
		}
	})
}
