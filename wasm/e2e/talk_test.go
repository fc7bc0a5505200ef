//go:build linux

package e2e

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"log"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/input"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
)

var (
	escape     = input.Escape
	controlKey = input.ControlLeft
)

var quiet = log.New(io.Discard, "", 0)

func contains(s, part string) bool { return strings.Contains(s, part) }

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s %q, want %q", what, got, want)
	}
}

// trialSocket is where the trial server of a natter is.
func trialSocket(address string) string {
	return "ws" + strings.TrimPrefix(address, "http") + "/xmpp-websocket"
}

// talker is somebody whose client is the same but for the page.
type talker struct {
	t      testing.TB
	client *client.Client
}

// talk signs in natively, at an endpoint.
func talk(t testing.TB, endpoint, account, password string) talker {
	t.Helper()
	c := client.New(client.Config{
		Connector: &connect.Connector{
			Find:      &discover.Finder{AllowLoopback: true},
			Dial:      dialing(),
			Crypto:    sasl.Standard{},
			Pins:      noPins{},
			NewID:     rand.Text,
			UserAgent: connect.UserAgent{ID: "1b4e28ba-2fa1-41d2-883f-0016d3cca427", Software: "Natter", Device: t.Name()},
		},
		Log: t.Logf,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	who := talker{t, c}
	c.Do(state.SignIn{Address: account, Password: password, Server: endpoint})
	who.until("to be online", func(s *state.State) bool {
		if p := s.Connection.Problem; p != nil {
			t.Fatalf("%s: %s\n%s", account, p.Text, p.Detail)
		}
		return s.Connection.Phase == state.Online && s.CaughtUp
	})
	return who
}

// dialing dials natively and trusts our servers.
func dialing() func(context.Context, string) (framing.Socket, error) {
	return func(ctx context.Context, url string) (framing.Socket, error) {
		return native.Dial(ctx, url, native.Options{TLSConfig: &tls.Config{RootCAs: xmpptest.Ours().Pool()}})
	}
}

type noPins struct{}

func (noPins) SCRAMSeen(jid.JID) bool { return false }
func (noPins) SetSCRAMSeen(jid.JID)   {}

// until waits for a state.
func (w talker) until(what string, ok func(*state.State) bool) {
	w.t.Helper()
	changed := make(chan struct{}, 1)
	stop := w.client.Watch(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer stop()
	late := time.After(5 * patience)
	for !ok(w.client.State()) {
		select {
		case <-changed:
		case <-late:
			w.t.Fatalf("waited in vain for the talker %s", what)
		}
	}
}

// say sends a message and does not wait for anything.
func (w talker) say(to jid.JID, text string) {
	w.client.Do(state.SendMessage{Conv: state.Direct.With(to), Body: text})
}

// sent waits until the server has everything said to an address.
func (w talker) sent(to jid.JID, n int) {
	w.t.Helper()
	w.until("to have sent everything", func(s *state.State) bool {
		c := s.Chat(state.Direct.With(to))
		if c == nil {
			return false
		}
		done := 0
		for _, m := range c.Timeline.Newest(n) {
			if m.Mine && (m.Delivery == state.OnServer || m.Delivery == state.Delivered) {
				done++
			}
		}
		return done == n
	})
}

// heard returns what somebody has said to the talker, oldest first.
func (w talker) heard(from jid.JID) (bodies []string) {
	c := w.client.State().Chat(state.Direct.With(from))
	if c == nil {
		return nil
	}
	for _, m := range c.Timeline.Newest(c.Timeline.Len()) {
		if !m.Mine {
			bodies = append(bodies, m.Body)
		}
	}
	return bodies
}
