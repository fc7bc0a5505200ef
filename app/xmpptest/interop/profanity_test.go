//go:build linux

package interop

import (
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest"
)

// TestProfanity exchanges with profanity, in a terminal, what both know of messages, both ways: corrections,
// between two and in a room, and there the subject and a nick. What profanity knows nothing of it shows by
// the words that are there for that.
func TestProfanity(t *testing.T) {
	if testing.Short() {
		t.Skip("profanity takes its time, and this is -short")
	}
	for _, tool := range []string{"profanity", "script"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("%s is not installed: run .ci/install", tool)
		}
	}
	for name, start := range map[string]func(testing.TB) *xmpptest.Server{"prosody13": xmpptest.Prosody13, "ejabberd24": xmpptest.Ejabberd24} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			first, other := s.Account(t, "", password), s.Account(t, "", password)
			ada, room := person(t, s.WS, first), jid.JID("profanity@"+s.Rooms)
			ada.Do(state.JoinRoom{Room: room, Nick: "ada", Create: true})
			ada.until(t, "in the room", func(s *state.State) bool { r := s.Room(room); return r != nil && r.Step == state.Inside })
			prof := terminal(t, s.TCP, other)
			prof.types("/correction on")
			prof.types("/join " + string(room) + " nick prof")
			prof.shows(t, "You have joined the room as prof")
			plain(t, ada, prof, "groupchat", state.Groupchat.With(room))
			prof.types("/subject set Tea")
			prof.types("/nick profanity")
			ada.until(t, "the subject and the nick", func(s *state.State) bool {
				_, there := s.Room(room).Occupants.Get("profanity")
				// In a room of Prosody's only moderators change the subject.
				return there && (name == "prosody13" || s.Room(room).Subject == "Tea")
			})
			prof.types("/win 1") // in that of a room /msg takes a nick
			prof.types("/msg " + string(first) + " good day")
			ada.hears(t, state.Direct.With(other), "good day")
			plain(t, ada, prof, "chat", state.Direct.With(other))
		})
	}
}

// plain exchanges what a client without replies, reactions and retractions knows. profanity has the
// conversation open.
func plain(t *testing.T, ada *us, prof *screen, kind string, conv state.ConvID) {
	t.Helper()
	find := func(what string, ok func(m *state.Message) bool) (of state.Target, id string) {
		t.Helper()
		ada.until(t, kind+": "+what, func(s *state.State) bool {
			c := s.Chat(conv)
			if c == nil {
				return false
			}
			for _, m := range c.Timeline.Newest(100) {
				if of = c.Of(m); ok(m) && of.ID != "" {
					id = m.ID
					return true
				}
			}
			return false
		})
		return of, id
	}
	prof.types("frist of " + kind)
	find("a message", func(m *state.Message) bool { return !m.Mine && m.Words() == "frist of "+kind })
	prof.types("/correct first of " + kind)
	answer, _ := find("a correction", func(m *state.Message) bool {
		return !m.Mine && m.Words() == "first of "+kind && len(m.Versions()) == 1
	})
	ada.Do(state.SendMessage{Conv: conv, Body: "replied-" + kind, To: answer})
	prof.shows(t, "replied-"+kind)
	mistake := strings.Repeat("x", len("second-"+kind)) // only letters that change are drawn again
	ada.Do(state.SendMessage{Conv: conv, Body: mistake})
	prof.shows(t, mistake)
	of, id := find("ours", func(m *state.Message) bool { return m.Mine && m.Body == mistake })
	ada.Do(state.Correct{Of: state.Target{Conv: conv, Author: ada.State().Account(), ID: id}, Body: "second-" + kind, ID: kind + "-correction", At: time.Now()})
	prof.shows(t, "second-"+kind)
	ada.Do(state.React{Of: of, Emoji: "👍", At: time.Now()})
	before := strings.Count(prof.read(), "retracted a previous message")
	ada.Do(state.Retract{Of: of, ID: kind + "-retraction", At: time.Now()})
	prof.until(t, "the words for a retraction", func(s string) bool { return strings.Count(s, "retracted a previous message") > before })
}

// screen is profanity in a terminal.
type screen struct {
	keys  io.Writer
	mu    sync.Mutex
	shown strings.Builder
	more  chan struct{}
}

// escapes is what moves the cursor and gives colours.
var escapes = regexp.MustCompile(`\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])|[\x0e\x0f]`)

// terminal starts profanity and returns when it is online.
func terminal(t *testing.T, address string, account jid.JID) *screen {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.Command("script", "-qfec", "stty rows 50 cols 200 && exec profanity", "/dev/null")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home, "TERM=xterm", "LANG=C.UTF-8"}
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &screen{keys: keys, more: make(chan struct{}, 1)}
	cmd.Stdout = p
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("profanity shows:\n%s", p.read())
		}
		p.types("/quit")
		late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		late.Stop()
	})
	p.shows(t, "Profanity")
	p.types("/connect " + string(account) + " server " + host + " port " + port + " tls disable")
	p.shows(t, "password")
	p.types(password)
	p.shows(t, "logged in successfully")
	return p
}

// Write takes what profanity draws.
func (p *screen) Write(b []byte) (int, error) {
	p.mu.Lock()
	p.shown.Write(b)
	p.mu.Unlock()
	select {
	case p.more <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (p *screen) types(line string) { _, _ = io.WriteString(p.keys, line+"\r") }

// read returns all that was ever drawn.
func (p *screen) read() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return escapes.ReplaceAllString(p.shown.String(), "")
}

func (p *screen) shows(t *testing.T, text string) {
	t.Helper()
	p.until(t, text, func(s string) bool { return strings.Contains(s, text) })
}

func (p *screen) until(t *testing.T, what string, ok func(string) bool) {
	t.Helper()
	late := time.After(20 * time.Second)
	for !ok(p.read()) {
		select {
		case <-p.more:
		case <-late:
			t.Fatalf("profanity does not show %q", what)
		}
	}
}
