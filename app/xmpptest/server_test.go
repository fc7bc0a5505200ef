//go:build linux

package xmpptest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"natter/app/jid"
	"natter/framing"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv("XMPPTEST_CHILD"); kind != "" {
		child(Kind(kind), os.Getenv("XMPPTEST_DIR"))
	}
	os.Exit(Main(m))
}

// features opens a stream to host and returns the features.
func features(t *testing.T, s *Server, url, host string) (dialer, *framing.Element) {
	t.Helper()
	client := s.HTTPClient()
	t.Cleanup(client.CloseIdleConnections)
	d := dial(t, url, client)
	// ejabberd keeps SASL2 from those who do not say who they are.
	d.send(`<open xmlns='%s' from='user@%s' to='%[2]s' version='1.0'/>`, framing.NSFraming, host)
	d.expect("<open", host)
	e, err := parse(d.expect("features"))
	if err != nil {
		t.Fatal(err)
	}
	return d, e
}

// signIn tries a password and returns the stream after the restart, ok false if
// the server said no.
func signIn(t *testing.T, s *Server, url string, account jid.JID, password string) (d dialer, ok bool) {
	t.Helper()
	d, _ = features(t, s, url, account.Domain())
	d.send(`<auth xmlns='%s' mechanism='PLAIN'>%s</auth>`, nsSASL,
		base64.StdEncoding.EncodeToString([]byte("\x00"+account.Local()+"\x00"+password)))
	if answer := d.expect(); !strings.HasPrefix(answer, "<success") {
		return d, false
	}
	d.send(`<open xmlns='%s' to='%s' version='1.0'/>`, framing.NSFraming, account.Domain())
	d.expect("<open")
	d.expect("features", nsBind, nsSM)
	d.send(`<iq xmlns='jabber:client' id='bind' type='set'><bind xmlns='%s'/></iq>`, nsBind)
	d.expect("id='bind'", string(account)+"/")
	return d, true
}

func TestMechanisms(t *testing.T) {
	all := func(names ...string) []string { return names }
	hosts := map[string][]string{
		"":            all("PLAIN", "SCRAM-SHA-256"),
		HostEvery:     all("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"),
		HostSHA1:      all("PLAIN", "SCRAM-SHA-1"),
		HostPlain:     all("PLAIN"),
		HostAnonymous: all("ANONYMOUS"),
	}
	All(t, func(t *testing.T, s *Server) {
		for host, want := range hosts {
			if host == "" {
				host = s.Domain
			}
			for _, url := range []string{s.WS, s.WSS} {
				d, e := features(t, s, url, host)
				if d.Subprotocol() != "xmpp" {
					t.Errorf("%s: subprotocol %q", url, d.Subprotocol())
				}
				var got []string
				for _, m := range e.Child(nsSASL, "mechanisms").Elements() {
					// What ejabberd adds to ANONYMOUS and plain passwords, and
					// Prosody 13 to everything, is not what the host is for.
					name := m.Text()
					odd := name == "OAUTHBEARER" || strings.HasSuffix(name, "-PLUS") ||
						host == HostAnonymous && name == "PLAIN" || host == HostEvery && name == "SCRAM-SHA-512"
					if !odd {
						got = append(got, name)
					}
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%s at %s: %v, want %v", host, url, got, want)
				}
			}
		}
	})
}

func TestSASL2(t *testing.T) {
	All(t, func(t *testing.T, s *Server) {
		if s.SASL2 == "" {
			if _, e := features(t, s, s.WS, s.Domain); e.Child(nsSASL2, "authentication") != nil {
				t.Error("the server has SASL2 after all")
			}
			return
		}
		urls := []string{s.WS, s.WSS}
		if s.Kind == KindProsody {
			urls = urls[:1]
		}
		for _, url := range urls {
			_, e := features(t, s, url, s.SASL2)
			inline := e.Child(nsSASL2, "authentication").Child(nsSASL2, "inline")
			if inline.Child(nsBind2, "bind") == nil {
				t.Errorf("%s: no SASL2 with Bind 2", url)
			}
			if s.Kind != KindProsody && inline.Child("urn:xmpp:fast:0", "fast") == nil {
				t.Errorf("%s: no FAST", url)
			}
		}
	})
}

func TestHostMeta(t *testing.T) {
	All(t, func(t *testing.T, s *Server) {
		client := s.HTTPClient()
		defer client.CloseIdleConnections()
		for _, name := range []string{"host-meta", "host-meta.json"} {
			req, err := http.NewRequest(http.MethodGet, "https://"+s.Domain+"/.well-known/"+name, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Origin", "https://chat.test")
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != http.StatusOK || !bytes.Contains(bytes.ReplaceAll(body, []byte(`\/`), []byte("/")), []byte(s.WSS)) {
				t.Errorf("%s: %s %s", name, resp.Status, body)
			}
			if cors := resp.Header.Get("Access-Control-Allow-Origin"); cors != "*" && cors != "https://chat.test" {
				t.Errorf("%s: Access-Control-Allow-Origin %q", name, cors)
			}
		}
	})
}

func TestAccounts(t *testing.T) {
	All(t, func(t *testing.T, s *Server) {
		for _, host := range []string{s.Domain, HostEvery, HostSHA1, HostPlain} {
			account := s.AccountAt(t, host, "", "pass word")
			if _, ok := signIn(t, s, s.WSS, account, "pass word"); !ok {
				t.Errorf("%s cannot sign in", account)
			}
			if _, ok := signIn(t, s, s.WS, account, "other"); ok {
				t.Errorf("%s signs in with any password", account)
			}
		}
		account := s.Account(t, "ada", "old")
		if again := s.Account(t, "ada", "new"); again != account || account != jid.JID("ada@"+s.Domain) {
			t.Errorf("%s, then %s", account, again)
		}
		if _, ok := signIn(t, s, s.WS, account, "new"); !ok {
			t.Error("the password did not change")
		}
		if s.Disable(t, account) {
			if _, ok := signIn(t, s, s.WS, account, "new"); ok {
				t.Error("a disabled account signs in")
			}
		}
	})
}

func TestServices(t *testing.T) {
	All(t, func(t *testing.T, s *Server) {
		d, ok := signIn(t, s, s.WS, s.Account(t, "", "pw"), "pw")
		if !ok {
			t.Fatal("cannot sign in")
		}
		for service, feature := range map[string]string{
			s.Domain: "urn:xmpp:carbons:2",
			s.Rooms:  "http://jabber.org/protocol/muc",
			s.Upload: "urn:xmpp:http:upload:0",
		} {
			d.send(`<iq xmlns='jabber:client' id='%s' to='%[1]s' type='get'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`, service)
			if answer := d.expect(); !strings.Contains(answer, feature) {
				t.Errorf("%s: no %s in %s", service, feature, answer)
			}
		}
		d.send(`<iq xmlns='jabber:client' id='mam' type='get'><prefs xmlns='urn:xmpp:mam:2'/></iq>`)
		d.expect("id='mam'", "default='always'")
	})
}

func TestGoneAndBack(t *testing.T) {
	All(t, func(t *testing.T, s *Server) {
		account := s.Account(t, "", "pw")
		for _, end := range []func(){s.Stop, s.Kill, s.Stop, s.Kill} {
			d, ok := signIn(t, s, s.WSS, account, "pw")
			if !ok {
				t.Fatal("cannot sign in")
			}
			end()
			for err := error(nil); err == nil; { // its last words, then nothing
				_, _, err = d.Read(context.Background())
			}
			if ws, _, err := websocket.Dial(context.Background(), s.WS, nil); err == nil {
				_ = ws.CloseNow()
				t.Error("the server still answers")
			}
			// Erlang's helper sees that its parent is gone when the system lets it run.
			waitFor(t, "the end of all processes", func() bool { return len(marked(s.dir)) == 0 })
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
		}
		if _, ok := signIn(t, s, s.WSS, account, "pw"); !ok {
			t.Error("the account is gone")
		}
	})
}

// TestCleanLog shows that the configuration says nothing a server does not know.
func TestCleanLog(t *testing.T) {
	All(t, func(t *testing.T, s *Server) {
		for line := range strings.Lines(string(s.logTail(0))) {
			if strings.Contains(line, " error\t") || strings.Contains(line, "[error]") || strings.Contains(line, "[critical]") {
				t.Error(line)
			}
		}
	})
}

// TestKilled shows that a test binary that is killed takes its server along.
func TestKilled(t *testing.T) {
	All(t, func(t *testing.T, s *Server) {
		dir := t.TempDir()
		cmd := exec.Command(must(os.Executable()))
		cmd.Env = append(os.Environ(), "XMPPTEST_CHILD="+string(s.Kind), "XMPPTEST_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || line != "up\n" {
			t.Errorf("the child said %q, %v", line, err)
		}
		if len(marked(dir)) == 0 {
			t.Error("the server of the child is not there")
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		waitFor(t, "the server's end", func() bool { return len(marked(dir)) == 0 })
	})
}

// child is the binary TestKilled kills.
func child(kind Kind, dir string) {
	if _, err := Start(kind, dir); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("up")
	select {}
}

func TestNotInstalled(t *testing.T) {
	t.Setenv("NATTER_TRIXIE", t.TempDir())
	_, err := Start(KindProsody13, t.TempDir())
	var missing *NotInstalledError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), ".ci/install") {
		t.Errorf("got %v", err)
	}
}

// marked returns the command lines of the processes that carry this folder's mark.
func marked(dir string) []string {
	var found []string
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range processes {
		env, err := os.ReadFile(p + "/environ")
		if err == nil && slices.Contains(strings.Split(string(env), "\x00"), "XMPPTEST="+dir) {
			line, _ := os.ReadFile(p + "/cmdline")
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}
