package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const federatedFile = `{
	"listen": ":443",
	"publicURL": "https://chat.example.org/",
	"hostMeta": true,
	"domains": [{
		"name": "example.org", "websocket": "wss://chat.example.org/ws", "backends": [{"address": "127.0.0.1:5222"}],
		"federation": {
			"websocket": "wss://s2s.example.org/s2s", "servers": [{"address": "127.0.0.1:5269"}],
			"ips": ["192.0.2.1"], "services": ["rooms.example.org"], "elsewhere": ["wss://two.example.org/s2s"]
		}
	}],
	"federation": {"listen": "127.0.0.1:5270", "names": "127.0.0.1:5353"}
}`

func TestParse_Federation(t *testing.T) {
	f, err := Parse([]byte(federatedFile))
	if err != nil {
		t.Fatal(err)
	}
	if !valid(t, federatedFile) {
		t.Error("the schema refuses it")
	}
	c, paths, err := f.Federated()
	if err != nil || !slices.Equal(paths, []string{"/s2s"}) || len(c.Domains) != 1 || c.Domains[0].Backends[0].Address != "127.0.0.1:5269" {
		t.Errorf("%+v, %v, %v", c, paths, err)
	}
	pages, domains := f.Names()
	if !slices.Equal(pages, []string{"chat.example.org", "s2s.example.org"}) || !slices.Equal(domains, []string{"example.org", "rooms.example.org"}) {
		t.Errorf("certificates are for %v and %v", pages, domains)
	}
	for host, want := range map[string]bool{"s2s.example.org": true, "chat.example.org": false, "example.org": false} {
		if got := f.Certified(host); got != want {
			t.Errorf("%s is asked for certificates: %v", host, got)
		}
	}
}

// Each mistake is refused by its key.
func TestParse_FederationMistakes(t *testing.T) {
	for _, tc := range []struct{ old, new, key string }{
		{`"listen": "127.0.0.1:5270"`, `"listen": "0.0.0.0:5270"`, "federation.listen"},
		{`"listen": "127.0.0.1:5270", `, ``, "federation.listen"},
		{`127.0.0.1:5353`, `0.0.0.0:53`, "federation.names"},
		{`wss://s2s.example.org/s2s`, `ws://s2s.example.org/s2s`, "domains[0].federation.websocket"},
		{`wss://s2s.example.org/s2s`, `/s2s`, "domains[0].federation.websocket"},
		{`wss://s2s.example.org/s2s`, `wss://chat.example.org/ws`, "domains[0].federation.websocket"},
		{`wss://s2s.example.org/s2s`, ``, "domains[0].federation.websocket"},
		{`127.0.0.1:5269`, `192.0.2.1:5269`, "domains[0].federation.servers"},
		{`[{"address": "127.0.0.1:5269"}]`, `[]`, "domains[0].federation.servers"},
		{`192.0.2.1`, `example.org`, "domains[0].federation.ips[0]"},
		{`rooms.example.org`, `Rooms`, "domains[0].federation.services[0]"},
		{`wss://two.example.org/s2s`, `ws://127.0.0.1/s2s`, "domains[0].federation.elsewhere[0]"},
		{`"services"`, `"service"`, "domains[0].federation.service"},
	} {
		if !strings.Contains(federatedFile, tc.old) {
			t.Fatalf("%s is not in the file", tc.old)
		}
		_, err := Parse([]byte(strings.Replace(federatedFile, tc.old, tc.new, 1)))
		var e *Error
		if !errors.As(err, &e) || e.Key != tc.key {
			t.Errorf("%s: %v", tc.new, err)
		}
	}
}

// A secret that anybody could guess is none.
func TestFederated_Secret(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	f, err := Parse([]byte(strings.Replace(federatedFile, `"listen": "127.0.0.1:5270"`, `"listen": "127.0.0.1:5270", "secret": "`+name+`"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for content, good := range map[string]bool{"": false, "short": false, strings.Repeat("x", 32): true} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, _, err := f.Federated(); (err == nil) != good || good && string(c.Secret) != content {
			t.Errorf("%q: %v", content, err)
		}
	}
}

const trialFile = `{
	"listen": ":443",
	"publicURL": "https://chat.example.org/",
	"hostMeta": true,
	"domains": [{
		"name": "example.org", "websocket": "wss://chat.example.org/ws",
		"trial": {"accounts": [{"name": "ada", "password": "analytical"}, {"name": "bob", "password": "compiler"}]},
		"federation": {"websocket": "wss://s2s.example.org/s2s"}
	}]
}`

func TestParse_Trial(t *testing.T) {
	f, err := Parse([]byte(trialFile))
	if err != nil {
		t.Fatal(err)
	}
	if !valid(t, trialFile) {
		t.Error("the schema refuses it")
	}
	if got := f.TrialPaths(); len(got) != 1 || got[0]["/ws"] != "example.org" {
		t.Errorf("people come in at %v", got)
	}
	c, paths, err := f.Federated()
	if err != nil || !slices.Equal(paths, []string{"/s2s"}) || len(c.Domains) != 1 || len(c.Domains[0].Backends) != 0 {
		t.Errorf("%+v, %v, %v", c, paths, err)
	}
	for _, tc := range []struct{ old, new, key string }{
		{`"trial":`, `"backends": [{"address": "127.0.0.1:5222"}], "trial":`, "domains[0].trial"},
		{`wss://chat.example.org/ws`, `wss://elsewhere.example.org/ws`, "domains[0].websocket"},
		{`wss://s2s.example.org/s2s`, `wss://chat.example.org/ws`, "domains[0].federation.websocket"},
		{`"federation": {`, `"federation": {"servers": [{"address": "127.0.0.1:5269"}], `, "domains[0].federation.servers"},
		{`"hostMeta": true`, `"hostMeta": true, "federation": {"listen": "127.0.0.1:5270"}`, "federation.listen"},
		{`[{"name": "ada", "password": "analytical"}, {"name": "bob", "password": "compiler"}]`, `[]`, "domains[0].trial.accounts"},
		{`"name": "bob"`, `"name": "Ada"`, "domains[0].trial.accounts[1].name"},
		{`"name": "bob"`, `"name": "b@b"`, "domains[0].trial.accounts[1].name"},
		{`"compiler"`, `""`, "domains[0].trial.accounts[1].password"},
		{`"name": "example.org",`, `"name": "example.net", "websocket": "wss://chat.example.org/ws", "backends": [{"address": "127.0.0.1:5222"}]}, {"name": "example.org",`, "domains[1].websocket"},
	} {
		if !strings.Contains(trialFile, tc.old) {
			t.Fatalf("%s is not in the file", tc.old)
		}
		_, err := Parse([]byte(strings.Replace(trialFile, tc.old, tc.new, 1)))
		var e *Error
		if !errors.As(err, &e) || e.Key != tc.key {
			t.Errorf("%s: %v", tc.new, err)
		}
	}
	for change, key := range map[string]string{
		`"name": "carol"`: "domains", // an account
		`"name": "bob"`:   "",
	} {
		next, err := Parse([]byte(strings.Replace(trialFile, `"name": "bob"`, change, 1)))
		if err != nil {
			t.Fatal(err)
		}
		var e *Error
		if err := next.Restart(f); (err != nil) != (key != "") || err != nil && (!errors.As(err, &e) || e.Key != key) {
			t.Errorf("%s: %v", change, err)
		}
	}
}
