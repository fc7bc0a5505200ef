package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"natter/server/site"
)

func TestParse(t *testing.T) {
	got, err := Parse([]byte(`{
		"listen": ":443",
		"publicURL": "https://chat.example.org/",
		"domains": [
			{"name": "example.org", "websocket": "wss://xmpp.example.org/ws", "connect": ["https://upload.example.org"]},
			{"name": "xn--mller-kva.example", "websocket": "wss://[2001:db8::1]:5281/ws"}
		],
		"hostMeta": true,
		"branding": {"name": "Chatter"}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &site.Config{
		Listen: ":443", PublicURL: "https://chat.example.org/", HostMeta: true, HSTS: true, Branding: site.Branding{Name: "Chatter"},
		Domains: []site.Domain{
			{Name: "example.org", WebSocket: "wss://xmpp.example.org/ws", Connect: []string{"https://upload.example.org"}},
			{Name: "xn--mller-kva.example", WebSocket: "wss://[2001:db8::1]:5281/ws"},
		},
	}
	if all := got.Configs(); len(all) != 1 || !reflect.DeepEqual(all[0], want) {
		t.Errorf("got  %+v\nwant %+v", all[0], want)
	}
}

// The configuration that the README shows is that of server/deploy.
func TestParse_README(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := bytes.Cut(text, []byte("That file is for a proxy that speaks TLS:\n\n"))
	text, _, end := bytes.Cut(text, []byte("\n\nBeside it in `server/deploy`"))
	if !found || !end {
		t.Fatal("the README shows no configuration")
	}
	deployed, err := os.ReadFile("../deploy/natter.json")
	if err != nil {
		t.Fatal(err)
	}
	if shown := strings.ReplaceAll(string(text), "\n    ", "\n"); strings.TrimSpace(shown) != strings.TrimSpace(string(deployed)) {
		t.Errorf("the README shows\n%s", shown)
	}
	if _, err := Parse(text); err != nil {
		t.Error(err)
	}
	if !valid(t, string(text)) {
		t.Error("the schema refuses it")
	}
}

func TestParse_Defaults(t *testing.T) {
	only := func(file string) *site.Config {
		t.Helper()
		f, err := Parse([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		return f.Configs()[0]
	}
	if c := only(`{"anyServer": true}`); c.Listen != "127.0.0.1:8080" || c.HSTS || c.Kill {
		t.Errorf("%+v", c)
	}
	if c := only(`{"anyServer": true, "publicURL": "https://c.example", "hsts": false}`); c.HSTS {
		t.Errorf("hsts can be declined: %+v", c)
	}
	if c := only(`{"anyServer": true, "kill": true}`); !c.Kill {
		t.Errorf("pages are not told to drop their workers: %+v", c)
	}
}

// Every domain may have a page of its own, with its own name.
func TestParse_Sites(t *testing.T) {
	f, err := Parse([]byte(several))
	if err != nil {
		t.Fatal(err)
	}
	all := f.Configs()
	if len(all) != 2 || all[0].Branding.Name != "Example chat" || all[1].Branding.Name != "Klatsch" || all[1].Listen != ":443" {
		t.Errorf("%+v", all)
	}
	pages, domains := f.Names()
	if !slices.Equal(pages, []string{"chat.example.org", "chat.example.net"}) || !slices.Equal(domains, []string{"example.net"}) {
		t.Errorf("certificates for %v and %v", pages, domains)
	}
}

const several = `{
	"listen": ":443",
	"sites": [
		{
			"publicURL": "https://chat.example.org/",
			"domains": [{"name": "example.org", "websocket": "wss://example.org/ws"}],
			"branding": {"name": "Example chat"}
		},
		{
			"publicURL": "https://chat.example.net/",
			"domains": [{"name": "example.net", "websocket": "wss://example.net/ws"}],
			"hostMeta": true,
			"branding": {"name": "Klatsch"}
		}
	],
	"tls": {
		"http": ":80",
		"acme": {"agreeTerms": true, "cache": "/var/lib/natter/acme", "email": "ops@example.org"}
	},
	"limits": {"connections": 5000, "perAddress": 50},
	"metrics": {"listen": "127.0.0.1:9090"},
	"log": {"level": "warn", "format": "json", "requests": true}
}`

// A domain with backends has its WebSocket here, for the page of its site.
func TestParse_Gateways(t *testing.T) {
	f, err := Parse([]byte(`{
		"publicURL": "https://chat.example.org/",
		"hostMeta": true,
		"domains": [
			{"name": "a.example", "websocket": "wss://chat.example.org/ws", "backends": [{"address": "127.0.0.1:5222", "proxyProtocol": 2}],
				"elsewhere": ["wss://two.example.org/ws"]},
			{"name": "b.example", "websocket": "wss://chat.example.org/ws", "backends": [{"address": "b.example:5223", "security": "tls"}]},
			{"name": "c.example", "websocket": "wss://c.example/ws"}
		],
		"gateway": {"trustedProxies": ["127.0.0.1", "10.0.0.0/8"]}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	all := f.Gateways()
	g := all[0]["/ws"]
	if len(all) != 1 || len(all[0]) != 1 || len(g.Domains) != 2 || g.Domains[0].Backends[0].Proxy != 2 || g.Domains[1].Backends[0].Security != "tls" ||
		!slices.Equal(g.Origins, []string{"https://chat.example.org"}) || g.NativeClients || len(g.TrustedProxies) != 2 {
		t.Errorf("%+v", all)
	}
	// The page may follow where it is sent.
	if c := f.Configs()[0].Domains[0].Connect; !slices.Equal(c, []string{"wss://two.example.org"}) {
		t.Errorf("the page may connect to %v", c)
	}
}

// Each error names the key, so that nobody has to search.
func TestG03_ConfigErrors(t *testing.T) {
	tls := func(value string) string {
		return `{"publicURL": "https://c.example", "anyServer": true, "tls": ` + value + `}`
	}
	domain := func(members string) string { return `{"domains": [{"name": "a.example", ` + members + `}]}` }
	for _, tc := range []struct{ in, key, says string }{
		{``, "", "too early"},
		{`[]`, "", "must be an object"},
		{`{"anyServer": true`, "", "too early"},
		{`{"anyServer": true} x`, "", "something follows"},
		{`{"anyServer": true, "colour": "red"}`, "colour", "no such key"},
		{`{"AnyServer": true}`, "AnyServer", "no such key"},
		{`{"anyServer": true, "anyServer": false}`, "anyServer", "twice"},
		{`{"anyServer": "yes"}`, "anyServer", "must be true or false"},
		{`{"anyServer": null}`, "anyServer", "null"},
		{`{"listen": 8080}`, "listen", "must be text in quotes"},
		{`{"listen": "8080", "anyServer": true}`, "listen", "host:port"},
		{`{}`, "domains", "at least one"},
		{`{"domains": {}}`, "domains", "list"},
		{`{"domains": ["a.example"]}`, "domains[0]", "object"},
		{`{"domains": [{}]}`, "domains[0].name", "missing"},
		{`{"domains": [{"name": "a", "color": 1}]}`, "domains[0].color", "no such key"},
		{`{"domains": [{"name": "Example.org"}]}`, "domains[0].name", "lower case"},
		{`{"domains": [{"name": "müller.example"}]}`, "domains[0].name", "xn--"},
		{`{"domains": [{"name": "a.example; script-src *"}]}`, "domains[0].name", "not a host name"},
		{`{"domains": [{"name": "-a.example"}]}`, "domains[0].name", "not a host name"},
		{domain(`"websocket": "/ws", "elsewhere": ["wss://b.example/ws"]`), "domains[0].elsewhere", "needs backends"},
		{domain(`"websocket": "/ws", "backends": [{}]`), "domains[0].backends[0].address", "missing"},
		{domain(`"websocket": "/ws", "backends": [{"address": "xmpp.a.example:5222"}]`), "domains[0].backends", "another machine"},
		{domain(`"websocket": "/ws", "backends": [{"address": "localhost:5222", "security": "ssl"}]`), "domains[0].backends[0].security", "tls"},
		{domain(`"websocket": "/ws", "backends": [{"address": "localhost:5222", "proxyProtocol": 3}]`), "domains[0].backends", "no version 3"},
		{domain(`"websocket": "/ws", "backends": [{"address": "localhost:5222"}], "elsewhere": ["ws://b.example/ws"]`), "domains[0].connect[0]", "origin"},
		{domain(`"websocket": "/ws", "backends": [{"address": "localhost:5222"}], "elsewhere": ["wss://me@b.example/ws"]`), "domains[0].backends", "user name"},
		{domain(`"websocket": "wss://b.example/ws", "backends": [{"address": "localhost:5222"}]`), "domains[0].websocket", "path on this server"},
		{`{"anyServer": true, "gateway": {"redirectAbove": 0}}`, "gateway.redirectAbove", "at least 1"},
		{`{"anyServer": true, "gateway": {"drainSeconds": -1}}`, "gateway.drainSeconds", "between"},
		{`{"anyServer": true, "gateway": {"trustedProxies": ["me"]}}`, "gateway.trustedProxies[0]", "no address or network"},
		{`{"domains": [{"name": "a.example"}]}`, "domains[0].websocket", "anyServer"},
		{domain(`"websocket": "ws://a.example/ws"`), "domains[0].websocket", "wss://"},
		{domain(`"websocket": "https://a.example/ws"`), "domains[0].websocket", "wss://"},
		{domain(`"websocket": "//a.example/ws"`), "domains[0].websocket", "wss://"},
		{domain(`"websocket": "wss://u:p@a.example/ws"`), "domains[0].websocket", "no user"},
		{domain(`"websocket": "wss://a.example/ws?token=1"`), "domains[0].websocket", "query"},
		{domain(`"websocket": "wss://a.example;b/ws"`), "domains[0].websocket", "not a host name"},
		{domain(`"websocket": "wss://*/ws"`), "domains[0].websocket", "not a host name"},
		{domain(`"websocket": "wss://a.example/ws", "connect": "https://b.example"`), "domains[0].connect", "must be a list"},
		{domain(`"websocket": "wss://a.example/ws", "connect": ["https:"]`), "domains[0].connect[0]", "not an address"},
		{domain(`"websocket": "wss://a.example/ws", "connect": ["http://b.example"]`), "domains[0].connect[0]", "origin"},
		{domain(`"websocket": "wss://a.example/ws", "connect": ["https://b.example/x"]`), "domains[0].connect[0]", "origin"},
		{`{"domains": [{"name": "a.example", "websocket": "wss://a.example/"}, {"name": "a.example", "websocket": "wss://a.example/"}]}`, "domains[1].name", "twice"},
		{`{"anyServer": true, "publicURL": "http://c.example"}`, "publicURL", "https://"},
		{`{"anyServer": true, "publicURL": "c.example"}`, "publicURL", "not an address"},
		{`{"anyServer": true, "hsts": true}`, "hsts", "publicURL"},
		{`{"anyServer": true, "hostMeta": true}`, "hostMeta", "no domains"},
		{`{"anyServer": true, "branding": "Chatter"}`, "branding", "object"},
		{`{"anyServer": true, "branding": {"motto": "x"}}`, "branding.motto", "no such key"},
		{`{"anyServer": true, "branding": {"logo": "no/such.svg"}}`, "branding.logo", "no such file"},
		{`{"anyServer": true, "branding": {"logo": "config.go"}}`, "branding.logo", "an SVG or a PNG"},
		{`{"anyServer": true, "branding": {"colour": "red"}}`, "branding.colour", "#rrggbb"},
		{`{"anyServer": true, "branding": {"colour": "#808080"}}`, "branding.colour", "grey"},
		{`{"sites": [{"anyServer": true, "branding": {"colour": "#12"}}]}`, "sites[0].branding.colour", "#rrggbb"},
		// RFC 7395 §6, G03: host-meta names wss and nothing else.
		{`{"hostMeta": true, "domains": [{"name": "localhost", "websocket": "ws://localhost:5280/ws"}]}`, "domains[0].websocket", "wss://"},
		{`{"hostMeta": true, "domains": [{"name": "a.example", "websocket": "/ws"}]}`, "domains[0].websocket", "wss://"},
		{`{"hostMeta": true, "anyServer": true, "domains": [{"name": "a.example"}]}`, "domains[0].websocket", "host-meta"},
		{`{"anyServer": true, "proxyProtocol": true}`, "proxyProtocol", "trustedProxies"},
		{`{"anyServer": true, "listen": null}`, "listen", "null"},
		{`{"domains": [{"name": "a.example", "websocket": "wss://a.example/", "connect": [1]}]}`, "domains[0].connect[0]", "must be text in quotes, not the number 1"},
		{`{"sites": [{"anyServer": true}, {"anyServer": true, "publicURL": "https://b.example"}]}`, "sites[0].publicURL", "several sites"},
		{`{"sites": [{"anyServer": true, "publicURL": "https://b.example"}, {"anyServer": true, "publicURL": "https://b.example/x"}]}`, "sites[1].publicURL", "answered by sites[0]"},
		{`{"sites": [{"domains": [{"name": "A.example"}]}]}`, "sites[0].domains[0].name", "lower case"},
		{`{"kill": true, "sites": [{"anyServer": true}]}`, "kill", "belongs into one of the sites"},
		{`{"anyServer": true, "tls": {"acme": {"agreeTerms": true, "cache": "a"}}}`, "publicURL", "https://"},
		{tls(`{}`), "tls", "files or acme"},
		{tls(`{"http": ":80"}`), "tls", "files or acme"},
		{tls(`{"files": [{"cert": "a.pem"}]}`), "tls.files[0].key", "missing"},
		{tls(`{"files": [{"cert": "", "key": "b"}]}`), "tls.files[0].cert", "empty"},
		{tls(`{"acme": {"cache": "a"}}`), "tls.acme.agreeTerms", "missing"},
		{tls(`{"acme": {"agreeTerms": false, "cache": "a"}}`), "tls.acme.agreeTerms", "must be true"},
		{tls(`{"acme": {"agreeTerms": true, "cache": ""}}`), "tls.acme.cache", "folder"},
		{tls(`{"acme": {"agreeTerms": true, "cache": "a", "directory": "http://ca.example"}}`), "tls.acme.directory", "https://"},
		{tls(`{"http": "80", "acme": {"agreeTerms": true, "cache": "a"}}`), "tls.http", "host:port"},
		{`{"anyServer": true, "limits": {"connections": 0}}`, "limits.connections", "at least 1"},
		{`{"anyServer": true, "limits": {"perAddress": "many"}}`, "limits.perAddress", "must be a whole number, not text"},
		{`{"anyServer": true, "limits": {"perAddress": 1.5}}`, "limits.perAddress", "must be a whole number, not the number 1.5"},
		{`{"anyServer": true, "metrics": {"listen": ":9090"}}`, "metrics.listen", "this machine only"},
		{`{"anyServer": true, "metrics": {}}`, "metrics.listen", "missing"},
		{`{"anyServer": true, "log": {"level": "loud"}}`, "log.level", `debug, info, warn, error, not "loud"`},
	} {
		_, err := Parse([]byte(tc.in))
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Key != tc.key || !strings.Contains(wrong.Problem, tc.says) {
			t.Errorf("%s\n\tgot  %v\n\twant %s: …%s…", tc.in, err, tc.key, tc.says)
		}
	}
}

// … and the line, also of what is missing or what only the whole shows to be wrong.
func TestErrors_Line(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		line     int
	}{
		{`"listen"`, `"lisn"`, 2},
		{`"listen": ":443",`, `"listen": ":443"`, 3},
		{`"Klatsch"`, `7`, 13},
		{`"perAddress"`, `"perPerson"`, 20},
		{`chat.example.net`, `chat.example.org`, 10},
		{`wss://example.net`, `https://example.net`, 11},
		{`"agreeTerms": true, `, ``, 18},
		{`"warn"`, `"loud"`, 22},
	} {
		_, err := Parse([]byte(strings.Replace(several, tc.from, tc.to, 1)))
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Line != tc.line {
			t.Errorf("%s for %s: %v, want line %d", tc.to, tc.from, err, tc.line)
		}
	}
}

// What an editor says by the schema is what the program says.
func TestSchema_Agrees(t *testing.T) {
	for _, tc := range []struct {
		file string
		want bool
	}{
		{several, true},
		{`{"anyServer": true, "$schema": "natter.schema.json"}`, true},
		{`{"anyServer": true, "colour": "red"}`, false},
		{`{"anyServer": "yes"}`, false},
		{`{"anyServer": true, "domains": [{}]}`, false},
		{`{"anyServer": true, "log": {"level": "loud"}}`, false},
		{`{"anyServer": true, "limits": {"perAddress": 1.5}}`, false},
	} {
		_, err := Parse([]byte(tc.file))
		if got := valid(t, tc.file); got != tc.want || got != (err == nil) {
			t.Errorf("%s: by the schema %v, by the program %v", tc.file, got, err)
		}
	}
}

func TestReadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "natter.json")
	if _, err := ReadFile(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if err := os.WriteFile(name, []byte(`{"listen": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(name); err == nil || !strings.Contains(err.Error(), "natter.json:1: listen: ") {
		t.Errorf("wrong: %v", err)
	}
}
