//go:build linux

package interop

import (
	"context"
	"crypto/sha512"
	_ "embed"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/proto"

	"natter/app/jid"
	"natter/app/xmpptest"
	"natter/wasm/e2e/chrome"
)

// TestConverse exchanges with Converse.js, in Chromium, all that both know of messages, both ways: replies,
// reactions, corrections and retractions, between two and in a room.
func TestConverse(t *testing.T) {
	browser := chrome.Open(t, chrome.Options{})
	page := httptest.NewServer(conversePage(t))
	t.Cleanup(page.Close)
	for name, start := range map[string]func(testing.TB) *xmpptest.Server{"prosody13": xmpptest.Prosody13, "ejabberd24": xmpptest.Ejabberd24} {
		t.Run(name, func(t *testing.T) {
			converseAll(t, start(t), "converse", name == "prosody13", func(t *testing.T, s *xmpptest.Server, room, account jid.JID) *heard {
				return visit(t, browser, page.URL, s, room, account)
			})
		})
	}
}

// visit opens Converse.js, and returns when it is in the room.
func visit(t *testing.T, browser *chrome.Browser, address string, s *xmpptest.Server, room, account jid.JID) *heard {
	t.Helper()
	context, err := browser.Incognito()
	if err != nil {
		t.Fatal(err)
	}
	page, err := context.Page(proto.TargetCreateTarget{URL: "about:blank"})
	if err != nil {
		t.Fatal(err)
	}
	// In a room a retraction is by the id of the room (XEP-0424 §5.1), which it neither sends nor knows.
	lacks := map[string]bool{"groupchat retraction": true, "groupchat message_retract": true}
	if s.Kind == xmpptest.KindEjabberd24 {
		// It takes the first body anywhere for that of the message. ejabberd puts that of a reply behind
		// the one of its fallback, which is empty.
		lacks["chat message_reply"], lacks["groupchat message_reply"] = true, true
	}
	h := &heard{who: "Converse.js", lacks: lacks, more: make(chan struct{}, 1)}
	var logged []string
	wait := page.EachEvent(func(e *proto.RuntimeConsoleAPICalled) {
		var words []string
		for _, arg := range e.Args {
			words = append(words, arg.Value.Str())
		}
		line := strings.Join(words, " ")
		if line, ours := strings.CutPrefix(line, "peer: "); ours {
			h.add(line)
			return
		}
		h.mu.Lock()
		logged = append(logged, line)
		h.mu.Unlock()
	}, func(e *proto.NetworkWebSocketFrameSent) {
		h.mu.Lock()
		logged = append(logged, "-> "+e.Response.PayloadData)
		h.mu.Unlock()
	}, func(e *proto.NetworkWebSocketFrameReceived) {
		h.mu.Lock()
		logged = append(logged, "<- "+e.Response.PayloadData)
		h.mu.Unlock()
	})
	go wait()
	t.Cleanup(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if t.Failed() {
			t.Logf("Converse.js has logged:\n%s", strings.Join(logged, "\n"))
		}
		_ = context.Close()
	})
	who := url.Values{"account": {string(account)}, "password": {password}, "room": {string(room)}, "service": {s.WS}}
	if err := page.Navigate(address + "/?" + who.Encode()); err != nil {
		t.Fatal(err)
	}
	h.hears(t, "online")
	return h
}

//go:embed converse.html
var converseHTML []byte

//go:embed converse.mjs
var converseScript []byte

// conversePage serves Converse.js and the page around it. It is fetched if it is not there: the package
// has all that it needs in dist.
func conversePage(t *testing.T) http.Handler {
	t.Helper()
	const version, hash = "14.0.0", "LFUg030jDalV47vI/vyVPqYPZfJYXFbubq8v0cFDe2zXNeeGEk3Up0Fj/WTzT6t+6do+cAIToy73eAj7RNDj2Q=="
	file := filepath.Join(".converse", "converse.js-"+version+".tgz")
	if _, err := os.Stat(".converse/package/dist"); err != nil {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if err := os.MkdirAll(".converse", 0o777); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(ctx, "npm", "pack", "--silent", "--pack-destination", ".converse", "converse.js@"+version).CombinedOutput(); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("npm pack: %v\n%s", err, out)
			}
			t.Skipf("Converse.js cannot be fetched here: npm pack: %v\n%s", err, out)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha512.Sum512(raw); base64.StdEncoding.EncodeToString(sum[:]) != hash {
			t.Fatalf("%s is not what it was", file)
		}
		if out, err := exec.CommandContext(ctx, "tar", "-xzf", file, "-C", ".converse", "package/dist").CombinedOutput(); err != nil {
			t.Fatalf("tar: %v\n%s", err, out)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/dist/", http.StripPrefix("/dist/", http.FileServer(http.Dir(".converse/package/dist"))))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(converseHTML)
	})
	mux.Handle("/", http.FileServer(http.Dir(".converse/package/dist"))) // a module of it looks beside the page
	mux.HandleFunc("/converse.mjs", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(converseScript)
	})
	return mux
}
