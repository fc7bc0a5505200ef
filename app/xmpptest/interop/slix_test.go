//go:build linux

package interop

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest"
)

// TestSlixmpp exchanges with slixmpp all that both know of messages, both ways: replies, reactions,
// corrections and retractions, between two and in a room.
func TestSlixmpp(t *testing.T) {
	python := slixmpp(t)
	for name, start := range map[string]func(testing.TB) *xmpptest.Server{"prosody13": xmpptest.Prosody13, "ejabberd24": xmpptest.Ejabberd24} {
		t.Run(name, func(t *testing.T) {
			converseAll(t, start(t), "slixmpp", name == "prosody13", func(t *testing.T, s *xmpptest.Server, room, account jid.JID) *heard {
				return listen(t, python, s.TCP, room, account)
			})
		})
	}
}

// converseAll has Natter and another client meet on a server, and exchange all between two and in a room,
// where the other changes its nick to name, and the subject.
func converseAll(t *testing.T, s *xmpptest.Server, name string, prosody bool, start func(t *testing.T, s *xmpptest.Server, room, account jid.JID) *heard) {
	t.Helper()
	ada, other := person(t, s.WS, s.Account(t, "", password)), s.Account(t, "", password)
	room := jid.JID(name + "@" + s.Rooms)
	ada.Do(state.JoinRoom{Room: room, Nick: "ada", Create: true})
	ada.until(t, "in the room", func(s *state.State) bool { r := s.Room(room); return r != nil && r.Step == state.Inside })
	peer := start(t, s, room, other)
	for kind, conv := range map[string]state.ConvID{"chat": state.Direct.With(other), "groupchat": state.Groupchat.With(room)} {
		converse(t, ada, peer, kind, conv)
	}
	ada.until(t, "the subject and the nick", func(s *state.State) bool {
		_, there := s.Room(room).Occupants.Get(name)
		// In a room of Prosody's only moderators change the subject.
		return there && (prosody || s.Room(room).Subject == "Tea")
	})
}

func converse(t *testing.T, ada *us, peer *heard, kind string, conv state.ConvID) {
	t.Helper()
	message := func(ok func(c *state.Chat, m *state.Message) bool) func(*state.State) bool {
		return func(s *state.State) bool {
			c := s.Chat(conv)
			if c == nil {
				return false
			}
			for _, m := range c.Timeline.Newest(100) {
				if ok(c, m) {
					return true
				}
			}
			return false
		}
	}
	// say says something, and returns it when it has the name that others know.
	say := func(body string, to state.Target) (of state.Target) {
		ada.Do(state.SendMessage{Conv: conv, Body: body, To: to})
		ada.until(t, body, message(func(c *state.Chat, m *state.Message) bool {
			of = c.Of(m)
			return m.Mine && strings.HasSuffix(m.Body, body) && m.Delivery >= state.OnServer && of.ID != ""
		}))
		return of
	}
	hears := func(what, of string) {
		t.Helper()
		if !peer.lacks[kind+" "+what] {
			peer.hears(t, kind+" "+what+" "+of)
		}
	}
	say("hello", state.Target{})
	ada.until(t, kind+": a reaction", message(func(_ *state.Chat, m *state.Message) bool {
		return m.Mine && m.Body == "hello" && len(m.Reactions()) == 1 && m.Reactions()[0].Emoji == "🎉"
	}))
	var answer state.Target
	ada.until(t, kind+": a reply", message(func(c *state.Chat, m *state.Message) bool {
		to, ok := c.Reply(m)
		answer = c.Of(m)
		return ok && m.Body == "hello yourself" && ada.State().About(to) != nil && ada.State().About(to).Body == "hello"
	}))
	ada.until(t, kind+": a correction", message(func(_ *state.Chat, m *state.Message) bool {
		return !m.Mine && m.Words() == "first" && len(m.Versions()) == 1
	}))
	if !peer.lacks[kind+" retraction"] {
		ada.until(t, kind+": a retraction", message(func(_ *state.Chat, m *state.Message) bool {
			_, gone := m.Gone()
			return !m.Mine && gone
		}))
	}
	say("to that", answer)
	hears("message_reply", answer.ID)
	ada.Do(state.React{Of: answer, Emoji: "👍 😀", At: time.Now()})
	hears("reactions", "👍 😀")
	secnod := say("secnod", state.Target{})
	if conv.Kind() == state.Groupchat { // a correction has the author's id
		secnod = state.Target{Conv: conv, Author: ada.State().Account(), ID: ada.State().About(secnod).ID}
	}
	ada.Do(state.Correct{Of: secnod, Body: "second", ID: kind + "-correction", At: time.Now()})
	hears("message_correction", "second")
	mistake := say("mistake", state.Target{})
	ada.Do(state.Retract{Of: mistake, ID: kind + "-retraction", At: time.Now()})
	hears("message_retract", mistake.ID)
}

// slixmpp returns a Python that has it. It is installed if it is not there.
func slixmpp(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("slixmpp takes its time, and this is -short")
	}
	python, err := filepath.Abs(".venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(".venv/installed"); !errors.Is(err, fs.ErrNotExist) {
		return python
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, args := range [][]string{
		{"python3", "-m", "venv", ".venv"},
		{python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "-r", "requirements.txt"},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%v: %v\n%s", args, err, out)
			}
			t.Skipf("slixmpp cannot be installed here: %v: %v\n%s", args, err, out)
		}
	}
	if err := os.WriteFile(".venv/installed", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	return python
}

// heard is what another client has said that it was told.
type heard struct {
	who   string
	lacks map[string]bool // what it does not do, or not as the XEP says
	mu    sync.Mutex
	lines []string
	more  chan struct{}
}

func (h *heard) add(line string) {
	h.mu.Lock()
	h.lines = append(h.lines, line)
	h.mu.Unlock()
	select {
	case h.more <- struct{}{}:
	default:
	}
}

func (h *heard) hears(t *testing.T, line string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		h.mu.Lock()
		for _, l := range h.lines {
			if l == line {
				h.mu.Unlock()
				return
			}
		}
		lines := strings.Join(h.lines, "\n")
		h.mu.Unlock()
		select {
		case <-h.more:
		case <-late:
			t.Fatalf("%s was not told %q, but\n%s", h.who, line, lines)
		}
	}
}

// listen starts slixmpp, and returns when it is in the room.
func listen(t *testing.T, python, address string, room, account jid.JID) *heard {
	t.Helper()
	cmd := exec.Command(python, "slix.py")
	cmd.Env = append(os.Environ(), "ADDRESS="+address, "DOMAIN="+account.Domain(), "LOCAL="+account.Local(), "PASSWORD="+password, "ROOM="+room.String())
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
	h := &heard{who: "slixmpp", more: make(chan struct{}, 1)}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			h.add(lines.Text())
		}
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		<-over
		err := cmd.Wait()
		late.Stop()
		if err != nil || t.Failed() {
			t.Errorf("slixmpp: %v\n%s", err, said.String())
		}
	})
	h.hears(t, "online")
	return h
}
