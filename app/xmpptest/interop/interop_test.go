//go:build linux

package interop

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
	"natter/server/gateway"
	"natter/server/trial"
)

const password = "correct horse"

// libraries are the scripts, and the words each adds to what it hears.
var libraries = map[string]string{
	"stanza.mjs":  ", says stanza",
	"strophe.mjs": ", says strophe.js",
	"xmppjs.mjs":  ", says @xmpp/client",
}

func TestLibraries(t *testing.T) {
	install(t)
	t.Run("trial", func(t *testing.T) {
		const domain = "trial.test"
		// As natter runs it: @xmpp/client knows nothing newer than SCRAM-SHA-1.
		server := trial.New(trial.Options{Domain: domain})
		web := httptest.NewServer(server)
		t.Cleanup(func() {
			web.CloseClientConnections()
			web.Close()
		})
		made := 0
		talk(t, "ws"+strings.TrimPrefix(web.URL, "http"), "rooms."+domain, func() jid.JID {
			made++
			local := "user" + string(rune('0'+made))
			if err := server.AddAccount(local, password); err != nil {
				t.Fatal(err)
			}
			return jid.JID(local + "@" + domain)
		})
	})
	t.Run("prosody", func(t *testing.T) {
		s := xmpptest.Prosody(t)
		talk(t, s.WS, s.Rooms, func() jid.JID { return s.Account(t, "", password) })
	})
	t.Run("gateway", func(t *testing.T) {
		s := xmpptest.Prosody(t)
		g, err := gateway.New(gateway.Config{
			NativeClients: true,
			Domains:       []gateway.Domain{{Name: s.Domain, Backends: []gateway.Backend{{Address: s.TCP}}}},
			Log:           slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		web := httptest.NewServer(g)
		t.Cleanup(web.Close)
		talk(t, "ws"+strings.TrimPrefix(web.URL, "http"), s.Rooms, func() jid.JID { return s.Account(t, "", password) })
	})
}

// install gets the libraries if they are not there.
func install(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("the libraries of npm take their time, and this is -short")
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("%s is not installed: the libraries of npm cannot be tried", tool)
		}
	}
	if _, err := os.Stat("node_modules/.package-lock.json"); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

func talk(t *testing.T, service, rooms string, account func() jid.JID) {
	ada := person(t, service, account())
	room := jid.JID(strings.ToLower(filepath.Base(t.Name())) + "@" + rooms)
	ada.Do(state.JoinRoom{Room: room, Nick: "ada", Create: true})
	ada.until(t, "in the room", func(s *state.State) bool { r := s.Room(room); return r != nil && r.In() && r.OccupantIDs })
	for script, words := range libraries {
		t.Run(strings.TrimSuffix(script, ".mjs"), func(t *testing.T) {
			other := account()
			run(t, script, service, room, other)
			// First to the account, then to the very resource that has answered.
			for _, text := range []string{"hello", "<&> \"'\n 😀"} {
				ada.Do(state.SendMessage{Conv: state.Direct.With(other), Body: text})
				ada.hears(t, state.Direct.With(other), text+words)
			}
			ada.Do(state.SendMessage{Conv: state.Groupchat.With(room), Body: "hello to " + script})
			ada.hears(t, state.Groupchat.With(room), "hello to "+script+words)
			ada.until(t, "the server has all of it", func(s *state.State) bool {
				for _, m := range s.Chat(state.Direct.With(other)).Timeline.Newest(10) {
					if m.Mine && m.Delivery < state.OnServer {
						return false
					}
				}
				return true
			})
			if n := ada.State().Chat(state.Direct.With(other)).Timeline.Len(); n != 4 {
				t.Errorf("%d messages", n)
			}
		})
	}
}

// run starts a library and returns when it is online.
func run(t *testing.T, script, service string, room, account jid.JID) {
	t.Helper()
	cmd := exec.Command("node", script)
	cmd.Env = append(os.Environ(), "SERVICE="+service, "DOMAIN="+account.Domain(), "LOCAL="+account.Local(), "PASSWORD="+password, "ROOM="+room.String())
	var said strings.Builder
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() {
		_ = stdin.Close()
		err := cmd.Wait()
		late.Stop()
		if err != nil || t.Failed() {
			t.Errorf("%s: %v\n%s", script, err, said.String())
		}
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if lines.Text() == "online" {
			return
		}
	}
	t.Fatalf("%s did not come online", script)
}

// us is Natter's core.
type us struct {
	*client.Client
	changed chan struct{}
}

func person(t *testing.T, service string, account jid.JID) *us {
	t.Helper()
	u := &us{changed: make(chan struct{}, 1)}
	u.Client = client.New(client.Config{
		Connector: &connect.Connector{
			Find: &discover.Finder{},
			Dial: func(ctx context.Context, url string) (framing.Socket, error) {
				return native.Dial(ctx, url, native.Options{})
			},
			Crypto: sasl.Standard{},
			Pins:   pins{},
			NewID:  rand.Text,
		},
	})
	u.Watch(func() {
		select {
		case u.changed <- struct{}{}:
		default:
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { _ = u.Run(ctx); close(over) }()
	t.Cleanup(func() { cancel(); <-over })
	u.Do(state.SignIn{Address: string(account), Password: password, Server: service})
	u.until(t, "signed in", func(s *state.State) bool { return s.Connection.Phase == state.Online && s.CaughtUp })
	return u
}

func (u *us) hears(t *testing.T, in state.ConvID, body string) {
	t.Helper()
	u.until(t, body, func(s *state.State) bool {
		c := s.Chat(in)
		return c != nil && c.Timeline.Len() > 0 && !c.Timeline.Last().Mine && c.Timeline.Last().Body == body
	})
}

func (u *us) until(t *testing.T, what string, ok func(*state.State) bool) {
	t.Helper()
	late := time.After(20 * time.Second)
	for !ok(u.State()) {
		select {
		case <-u.changed:
		case <-late:
			t.Fatalf("waited in vain: %s; %+v", what, u.State().Connection)
		}
	}
}

type pins map[jid.JID]bool

func (p pins) SCRAMSeen(account jid.JID) bool { return p[account] }
func (p pins) SetSCRAMSeen(account jid.JID)   { p[account] = true }
