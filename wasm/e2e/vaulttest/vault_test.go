//go:build linux

package vaulttest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/proto"

	"natter/server/site"
	"natter/wasm/e2e/chrome"
)

const (
	html = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Vault</title><link rel="icon" href="data:,">
<script src="/web/trusted.js"></script></head><body>
<script src="/web/vault.js"></script><script src="/wasm_exec.js"></script><script src="/page.js"></script></body></html>`

	secret = "secret-token:fast-p2tKGm-l90NbXG3_tLFE5E8ieE6RW8Mew98h"
	bound  = "ada@localhost|d4565fa7-4d72-4749-b3d3-740edbf87770|HT-SHA-256-NONE"

	patience = 3 * chrome.Patience // for all that a page does
)

func serve(t *testing.T) string {
	t.Helper()
	wasm, err := chrome.Build(filepath.Join(t.TempDir(), "page.wasm"), "build", "-ldflags=-s -w", "./page")
	if err != nil {
		t.Fatal(err)
	}
	mux, err := chrome.Serve(html, site.MetaPolicy(site.Inline{}), wasm)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// visitor is a page with the vault in it.
type visitor struct {
	t    *testing.T
	page *rod.Page
}

func start(t *testing.T, profile string) *chrome.Browser {
	t.Helper()
	return chrome.Open(t, chrome.Options{Profile: profile})
}

func visit(t *testing.T, b *chrome.Browser, address string) *visitor {
	t.Helper()
	page, err := b.Page(proto.TargetCreateTarget{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { page.Close() })
	v := &visitor{t, page.Timeout(patience)}
	if err := v.page.Navigate(address); err != nil {
		t.Fatal(err)
	}
	if err := v.page.Wait(rod.Eval(`() => Boolean(window.vault)`)); err != nil {
		t.Fatal(err)
	}
	return v
}

// ask evaluates an expression, waits for it and returns it as text. What it throws is
// "error: …".
func (v *visitor) ask(script string, args ...any) string {
	v.t.Helper()
	result, err := v.page.Eval(`async (...args) => {
		try {
			const value = await (`+script+`);
			return typeof value === "string" ? value : JSON.stringify(value);
		} catch (error) {
			return "error: " + error;
		}
	}`, args...)
	if err != nil {
		v.t.Fatalf("%s: %v", script, err)
	}
	return result.Value.Str()
}

func (v *visitor) save(name, bound, secret string) {
	v.t.Helper()
	if got := v.ask(`vault.save(...args)`, name, bound, secret, ""); got != "" {
		v.t.Fatalf("save: %s", got)
	}
}

// want loads and compares; an error is wanted by its kind.
func (v *visitor) want(name, bound, want string) {
	v.t.Helper()
	got := v.ask(`vault.load(...args)`, name, bound)
	if got != want && !(strings.HasPrefix(want, "error: ") && strings.HasPrefix(got, want)) {
		v.t.Errorf("loaded %q, want %q", got, want)
	}
}

// hidden checks that no form of a secret is in what somebody sees.
func hidden(t *testing.T, where string, seen []byte) {
	t.Helper()
	for _, part := range []string{secret, secret[13:30]} {
		utf16 := bytes.Join(bytes.Split([]byte(part), nil), []byte{0})
		for form, look := range map[string][]byte{
			"plain": []byte(part), "utf-16": utf16, "hex": []byte(hex.EncodeToString([]byte(part))),
			"base64": []byte(base64.RawStdEncoding.EncodeToString([]byte(part))),
		} {
			if bytes.Contains(seen, look) {
				t.Errorf("the secret is in %s, as %s", where, form)
			}
		}
	}
}

func TestSec51_Vault(t *testing.T) {
	address, b := serve(t), start(t, t.TempDir())
	v := visit(t, b, address)
	t.Cleanup(func() {
		if got := v.ask(`spy.violations`); got != "[]" {
			t.Errorf("the policy was violated: %s", got)
		}
	})
	v.save("account", bound, secret)
	t.Run("sec51 comes back, in another page too", func(t *testing.T) {
		v.want("account", bound, secret)
		visit(t, b, address).want("account", bound, secret)
	})
	t.Run("sec51 no script sees it, nor the key", func(t *testing.T) {
		seen := v.ask(`spy.seen()`)
		if !strings.Contains(seen, "name=account") {
			t.Fatalf("there is nothing to see: %q", seen)
		}
		hidden(t, "the storages", []byte(seen))
		if got := v.ask(`spy.keys()`); got != `["AES-GCM 256 false encrypt,decrypt "]` {
			t.Errorf("the key is %s", got)
		}
	})
	t.Run("sec51 the spy would find it", func(t *testing.T) {
		honest := v.ask(`(sessionStorage.setItem("x", args[0]), spy.seen())`, secret)
		v.ask(`(sessionStorage.clear(), "")`)
		if !strings.Contains(honest, secret) {
			t.Error("the test cannot fail")
		}
	})
	t.Run("sec51 bound to account, installation and mechanism", func(t *testing.T) {
		for _, other := range []string{
			strings.Replace(bound, "ada", "eve", 1), strings.Replace(bound, "d456", "0000", 1), strings.Replace(bound, "NONE", "EXPR", 1), "", bound + "|",
		} {
			v.want("account", other, "error: sealed")
		}
		v.want("account", bound, secret)
	})
	t.Run("sec51 none kept, none found", func(t *testing.T) {
		v.want("somebody else", bound, "error: none")
	})
	t.Run("sec51 replaced, key and all", func(t *testing.T) {
		before := v.ask(`spy.rows().then((rows) => rows.map((row) => row.iv.join()))`)
		v.save("account", bound, secret+"2")
		v.want("account", bound, secret+"2")
		after := v.ask(`spy.rows().then((rows) => rows.map((row) => row.iv.join()))`)
		if before == after || strings.Count(after, `"`) != 2 {
			t.Errorf("the nonces were %s and are %s", before, after)
		}
		v.save("other", bound, secret)
		v.ask(`spy.swap()`)
		v.want("account", bound, "error: sealed") // the keys are different ones
		v.save("account", bound, secret)
	})
	t.Run("sec51 damaged", func(t *testing.T) {
		v.ask(`spy.damage()`)
		v.want("account", bound, "error: sealed")
		v.save("account", bound, secret)
		v.want("account", bound, secret)
	})
	t.Run("sec51 an empty one and one of any bytes", func(t *testing.T) {
		v.save("empty", bound, "")
		v.want("empty", bound, "")
		v.save("text", "", "ключ \u0000 \U0001f511")
		v.want("text", "", "ключ \u0000 \U0001f511")
	})
	t.Run("sec51 the caller's array is overwritten", func(t *testing.T) {
		got := v.ask(`(async () => { const a = new Uint8Array([1, 2, 3]); await natterVault.save("x", new Uint8Array(), a, ""); return a.join(); })()`)
		if got != "0,0,0" {
			t.Errorf("it is %s", got)
		}
	})
	t.Run("sec52 deleted", func(t *testing.T) {
		for _, name := range []string{"account", "other", "empty", "text", "x", "never there"} {
			if got := v.ask(`vault.remove(...args)`, name); got != "" {
				t.Errorf("%s: %s", name, got)
			}
		}
		v.want("account", bound, "error: none")
		if got := v.ask(`spy.rows()`); got != "[]" {
			t.Errorf("left is %s", got)
		}
	})
	t.Run("sec52 a note goes with its secret", func(t *testing.T) {
		for _, step := range []struct{ what, note string }{
			{`vault.notes()`, ""},
			{`vault.save("ada", args[0], args[1], "ada is here")`, "ada is here"},
			{`vault.save("ada", args[0], args[1], "")`, "ada is here"},
			{`vault.save("ada", args[0], args[1], "ada is still")`, "ada is still"},
			{`vault.save("grace", args[0], args[1], "grace too")`, "grace too, ada is still"},
			{`vault.mark("ada", "ada leaves")`, "ada leaves, grace too"},
			{`vault.remove("grace")`, "ada leaves, grace too"},
			{`vault.forget("ada")`, "grace too"},
			{`vault.forget("ada")`, "grace too"},
			{`vault.forget("grace")`, ""},
		} {
			v.ask(step.what, bound, secret)
			if got := visit(t, b, address).ask(`vault.notes()`); got != step.note {
				t.Errorf("after %s the notes are %q, want %q", step.what, got, step.note)
			}
		}
		if got := v.ask(`spy.rows()`); got != "[]" {
			t.Errorf("left is %s", got)
		}
	})
	t.Run("sec52 a sketch is of somebody who is here", func(t *testing.T) {
		const (
			sketch = `natterVault.sketch("ada", "what ada sees").then(() => "")`
			here   = `vault.save("ada", args[0], args[1], '{"account":"ada"}')`
		)
		for _, step := range []struct {
			what string
			kept int
		}{
			{sketch, 0}, // nobody is remembered
			{here, 0}, {sketch, 1}, {sketch, 1},
			{`vault.mark("ada", '{"account":"ada","out":true}')`, 0}, {sketch, 0},
			{here, 0}, {sketch, 1},
			{`vault.remove("ada")`, 0}, {sketch, 1}, // the tables are here still
			{`vault.forget("ada")`, 0}, {sketch, 0},
		} {
			if got := v.ask(step.what, bound, secret); got != "" {
				t.Fatalf("%s: %s", step.what, got)
			}
			if got := v.ask(`spy.rows().then((rows) => String(rows.filter((row) => row.look === "what ada sees").length))`); got != fmt.Sprint(step.kept) {
				t.Errorf("after %s there are %s sketches, want %d", step.what, got, step.kept)
			}
		}
		if got := v.ask(`spy.rows()`); got != "[]" {
			t.Errorf("left is %s", got)
		}
	})
	t.Run("sec53 a browser that has none", func(t *testing.T) {
		for _, gone := range []string{`spy.without(crypto, "subtle")`, `spy.without(window, "indexedDB")`} {
			v := visit(t, b, address)
			v.ask(`(` + gone + `, "")`)
			if got := v.ask(`vault.save(...args)`, "account", bound, secret, ""); !strings.HasPrefix(got, "error: no vault") {
				t.Errorf("%s: %s", gone, got)
			}
			v.want("account", bound, "error: no vault")
		}
	})
}

// What is on disk opens again after the browser was restarted, and is not there in
// plain.
func TestSec51_Disk(t *testing.T) {
	address, profile := serve(t), t.TempDir()
	b := start(t, profile)
	visit(t, b, address).save("account", bound, secret)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(profile, "SingletonLock")
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Lstat(lock); err != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the browser does not end")
		}
	}
	b.Kill() // one of its processes may have the files open still
	files := 0
	err := filepath.WalkDir(profile, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // the browser is still tidying up
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		if strings.Contains(path, "IndexedDB") {
			files++
		}
		hidden(t, strings.TrimPrefix(path, profile), content)
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
	v := visit(t, start(t, profile), address)
	v.want("account", bound, secret)
}
