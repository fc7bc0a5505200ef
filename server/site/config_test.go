package site

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
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
	want := &Config{
		Listen: ":443", PublicURL: "https://chat.example.org/", HostMeta: true, HSTS: true, Name: "Chatter",
		Domains: []Domain{
			{Name: "example.org", WebSocket: "wss://xmpp.example.org/ws", Connect: []string{"https://upload.example.org"}},
			{Name: "xn--mller-kva.example", WebSocket: "wss://[2001:db8::1]:5281/ws"},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// The configuration that the README shows is one.
func TestParse_README(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := bytes.Cut(text, []byte("./natter -config natter.json\n\n"))
	text, _, end := bytes.Cut(text, []byte("\n\nThe comments"))
	if !found || !end {
		t.Fatal("the README shows no configuration")
	}
	if _, err := Parse(text); err != nil {
		t.Error(err)
	}
}

func TestParse_Defaults(t *testing.T) {
	c, err := Parse([]byte(`{"anyServer": true}`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || c.HSTS {
		t.Errorf("%+v", c)
	}
	c, err = Parse([]byte(`{"anyServer": true, "publicURL": "https://c.example", "hsts": false}`))
	if err != nil || c.HSTS {
		t.Errorf("hsts can be declined: %+v, %v", c, err)
	}
	c, err = Parse([]byte(`{"anyServer": true, "kill": true}`))
	if err != nil || !c.Kill || !strings.Contains(string(c.page()), `"kill": true`) {
		t.Errorf("pages are not told to drop their workers: %+v, %v", c, err)
	}
	c, err = Parse([]byte(`{"anyServer": true}`))
	if err != nil || c.Kill || strings.Contains(string(c.page()), "kill") {
		t.Errorf("pages are told to drop their workers: %+v, %v", c, err)
	}
}

// Each error names the key, so that nobody has to search.
func TestG03_ConfigErrors(t *testing.T) {
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
		{`{"domains": [{}]}`, "domains[0].name", "empty"},
		{`{"domains": [{"name": "a", "color": 1}]}`, "domains[0].color", "no such key"},
		{`{"domains": [{"name": "Example.org"}]}`, "domains[0].name", "lower case"},
		{`{"domains": [{"name": "müller.example"}]}`, "domains[0].name", "xn--"},
		{`{"domains": [{"name": "a.example; script-src *"}]}`, "domains[0].name", "not a host name"},
		{`{"domains": [{"name": "-a.example"}]}`, "domains[0].name", "not a host name"},
		{`{"domains": [{"name": "a.example"}]}`, "domains[0].websocket", "anyServer"},
		{domain(`"websocket": "ws://a.example/ws"`), "domains[0].websocket", "wss://"},
		{domain(`"websocket": "https://a.example/ws"`), "domains[0].websocket", "wss://"},
		{domain(`"websocket": "//a.example/ws"`), "domains[0].websocket", "wss://"},
		{domain(`"websocket": "wss://u:p@a.example/ws"`), "domains[0].websocket", "no user"},
		{domain(`"websocket": "wss://a.example/ws?token=1"`), "domains[0].websocket", "query"},
		{domain(`"websocket": "wss://a.example;b/ws"`), "domains[0].websocket", "not a host name"},
		{domain(`"websocket": "wss://*/ws"`), "domains[0].websocket", "not a host name"},
		{domain(`"websocket": "wss://a.example/ws", "connect": "https://b.example"`), "domains[0].connect", "list of texts"},
		{domain(`"websocket": "wss://a.example/ws", "connect": ["https:"]`), "domains[0].connect[0]", "not an address"},
		{domain(`"websocket": "wss://a.example/ws", "connect": ["http://b.example"]`), "domains[0].connect[0]", "origin"},
		{domain(`"websocket": "wss://a.example/ws", "connect": ["https://b.example/x"]`), "domains[0].connect[0]", "origin"},
		{`{"domains": [{"name": "a.example", "websocket": "wss://a.example/"}, {"name": "a.example", "websocket": "wss://a.example/"}]}`, "domains[1].name", "twice"},
		{`{"anyServer": true, "publicURL": "http://c.example"}`, "publicURL", "https://"},
		{`{"anyServer": true, "publicURL": "c.example"}`, "publicURL", "not an address"},
		{`{"anyServer": true, "hsts": true}`, "hsts", "publicURL"},
		{`{"anyServer": true, "hostMeta": true}`, "hostMeta", "no domains"},
		{`{"anyServer": true, "branding": "Chatter"}`, "branding", "object"},
		{`{"anyServer": true, "branding": {"logo": "x"}}`, "branding.logo", "no such key"},
		// RFC 7395 §6, G03: host-meta names wss and nothing else.
		{`{"hostMeta": true, "domains": [{"name": "localhost", "websocket": "ws://localhost:5280/ws"}]}`, "domains[0].websocket", "wss://"},
		{`{"hostMeta": true, "domains": [{"name": "a.example", "websocket": "/ws"}]}`, "domains[0].websocket", "wss://"},
		{`{"hostMeta": true, "anyServer": true, "domains": [{"name": "a.example"}]}`, "domains[0].websocket", "host-meta"},
	} {
		_, err := Parse([]byte(tc.in))
		var wrong *ConfigError
		if !errors.As(err, &wrong) || wrong.Key != tc.key || !strings.Contains(wrong.Problem, tc.says) {
			t.Errorf("%s\n\tgot  %v\n\twant %s: …%s…", tc.in, err, tc.key, tc.says)
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
	if _, err := ReadFile(name); err == nil || !strings.Contains(err.Error(), "natter.json: configuration: listen: ") {
		t.Errorf("wrong: %v", err)
	}
}
