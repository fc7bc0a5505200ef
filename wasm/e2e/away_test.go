//go:build linux

package e2e

import (
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"natter/app/state"
	"natter/app/xmpptest"
)

// ownServer starts a server that this test may stop.
func ownServer(t *testing.T, kind xmpptest.Kind) *xmpptest.Server {
	t.Helper()
	s, err := xmpptest.Start(kind, t.TempDir())
	var missing *xmpptest.NotInstalledError
	if errors.As(err, &missing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// The server goes and comes back, once with a word and once without. What was
// written meanwhile arrives, once and in order.
func TestServerGoneAndBack(t *testing.T) {
	t.Parallel()
	s := ownServer(t, xmpptest.KindProsody)
	one, two := s.Account(t, "one", password), s.Account(t, "two", password)
	p := visit(t, natter(t))
	p.forgives(failedSocket)
	p.signIn(string(one), password, s.WSS)
	p.in()
	p.startChat(string(two))
	p.say("before")
	p.marked("Sent")

	t.Log("the server says good-bye")
	s.Stop()
	p.find("status", "Offline…The connection…") // was lost, then could not be opened
	p.say("while it was down")
	p.marked("Waiting to be sent")
	p.press("Details")
	p.fill("Name", "Twofold")
	p.press("Save")
	p.find("status", "Will be renamed when you are online.")
	p.find("button", "Twofold,…Will be renamed when you are online…")
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	p.retry()
	p.find("status", "Connected…")
	p.marked("Sent")
	p.gone("status", "Will be renamed when you are online.")
	if !p.sent(`name="Twofold"`) {
		t.Error("the new name has not left")
	}
	p.find("button", "Twofold,…")
	p.press("Close details")

	t.Log("the server dies; the person does not wait")
	s.Kill()
	p.find("status", "Offline…")
	p.say("while it was dead 1")
	p.say("while it was dead 2")
	p.marked("Waiting to be sent")
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	p.retry()
	p.find("status", "Connected…")
	p.marked("Sent")
	p.say("after")
	p.marked("Sent")

	want := []string{"before", "while it was down", "while it was dead 1", "while it was dead 2", "after"}
	same(t, "the person sees", p.bodies(), want)
	other := talk(t, s.WSS, string(two), password)
	other.until("to have all messages", func(*state.State) bool { return slices.Contains(other.heard(one), "after") })
	same(t, "the other has", other.heard(one), want)
}

// retry presses Retry now for as long as it is there: an attempt that was under way
// may fail still.
func (p *person) retry() {
	p.t.Helper()
	p.until(`() => { const b = e2e.all("button", "Retry now")[0]; if (b) b.click(); return e2e.all("status", "Connected…")[0] }`)
}

// The server says why it goes. The person reads it, and is back without a hand.
func TestE05_ServerSaysWhy(t *testing.T) {
	t.Parallel()
	leave, back := make(chan struct{}), make(chan struct{})
	var handled atomic.Uint32
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		if c.N == 0 {
			c.Login("SCRAM-SHA-256", "ada", "analytical")
			c.LiveUntil(leave)
			handled.Store(c.Handled)
			c.StreamError("system-shutdown", "")
			return
		}
		<-back
		c.Open(xmpptest.Mechanisms("SCRAM-SHA-256"))
		c.Authenticate("SCRAM-SHA-256", "ada", "analytical")
		c.Open(xmpptest.BoundFeatures)
		c.Resume("ada@peer.test/peer", handled.Load())
		c.Live()
	})
	p := visit(t, natter(t))
	p.forgives(failedSocket)
	p.signIn("ada@peer.test", "analytical", peer.URL)
	p.in()
	close(leave)
	p.find("status", "…The server is shutting down.…")
	close(back)
	p.retry()
}
