//go:build linux

package e2e

import (
	"strings"
	"testing"

	"natter/app/xmpptest"
)

// secured puts TLS in front of a peer, at name and port 443.
func secured(t *testing.T, name string, peer *xmpptest.Peer) (endpoint string) {
	t.Helper()
	address := strings.TrimSuffix(strings.Replace(peer.URL, "ws://", "http://", 1), "/ws")
	site(t, xmpptest.Ours(), name, passTo(t, address))
	return "wss://" + name + "/ws"
}

// A server sends the connection to another before it says anything else.
func TestR02_RedirectFollowed(t *testing.T) {
	t.Parallel()
	second := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		c.Login("SCRAM-SHA-256", "ada", "analytical")
		if c.Domain != "shop.test" {
			t.Errorf("the stream is for %q now", c.Domain)
		}
		c.Live()
	})
	to := secured(t, "second.test", second)
	first := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) { c.Redirect(to) })
	from := secured(t, "first.test", first)
	p := visit(t, natter(t))
	p.signIn("ada@shop.test", "analytical", from)
	p.in()
	p.find("status", "Connected to shop.test through second.test")
	if first.Connections() != 1 || second.Connections() != 1 {
		t.Errorf("%d and %d connections", first.Connections(), second.Connections())
	}
}

// Redirects that would take security away are not followed, and the person is told.
func TestR03_Promise18_DowngradeRefused(t *testing.T) {
	t.Parallel()
	address := natter(t)
	listener := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) { c.ExpectGone() })
	for name, to := range map[string]string{
		"ws":          listener.URL,
		"ws by name":  strings.Replace(listener.URL, "127.0.0.1", "localhost", 1),
		"loopback":    strings.Replace(listener.URL, "ws://", "wss://", 1),
		"javascript":  "javascript:alert(1)//wss://a",
		"user name":   "wss://ada:secret@inner.test/ws",
		"ws in query": strings.Replace(listener.URL, "/ws", "/?wss://inner.test/", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) { c.Redirect(to) })
			from := secured(t, "redirect-"+strings.ReplaceAll(name, " ", "-")+".test", first)
			p := visit(t, address)
			p.signIn("ada@shop.test", "analytical", from)
			p.refused("The server sent the connection to another place that was not safe to follow.", "ada@shop.test", "analytical", from)
			if p.sent("<auth") {
				t.Error("something of a credential was sent")
			}
			if p.asked(to) {
				t.Error("the redirect was followed")
			}
		})
	}
	t.Cleanup(func() {
		if listener.Connections() != 0 {
			t.Error("a refused endpoint was connected to")
		}
	})
}

// The same in the middle of a session: the conversation stays, and so does the word
// about what happened.
func TestR05_DowngradeInSession(t *testing.T) {
	t.Parallel()
	listener := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) { c.ExpectGone() })
	redirect := make(chan struct{})
	first := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		if c.N > 0 {
			c.Stall()
			return
		}
		c.Login("SCRAM-SHA-256", "ada", "analytical")
		c.LiveUntil(redirect)
		c.RedirectNow(listener.URL)
	})
	from := secured(t, "session.test", first)
	p := visit(t, natter(t))
	p.signIn("ada@shop.test", "analytical", from)
	p.in()
	close(redirect)
	p.find("status", "…The server sent the connection to another place that was not safe to follow…")
	if listener.Connections() != 0 || p.asked(listener.URL) {
		t.Error("the redirect was followed")
	}
}
