//go:build linux

package e2e

import (
	"testing"

	"github.com/go-rod/rod/lib/input"

	"natter/app/xmpptest"
	"natter/framing"
)

// A08 N08: the server takes her for somebody else. She is told whom, decides to be that, and
// stays it.
func TestN08_SomebodyElse(t *testing.T) {
	t.Parallel()
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		c.Open(xmpptest.Mechanisms("SCRAM-SHA-256"))
		c.Authenticate("SCRAM-SHA-256", "ada", "analytical")
		// Nothing to resume: she is bound each time.
		c.Open(`<stream:features xmlns:stream='http://etherx.jabber.org/streams'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>`)
		c.Bind("augusta")
		c.Live()
	})
	p := visit(t, natter(t))
	const goOn = "Go on as augusta@peer.test"
	p.click("checkbox", "Remember me")
	p.signIn("ada@peer.test", "analytical", peer.URL)
	p.refused("The server knows you as augusta@peer.test, not as ada@peer.test.", "ada@peer.test", "analytical")
	if focused := p.eval(`() => document.activeElement.textContent`).Str(); focused != goOn {
		t.Errorf("the focus is on %q", focused)
	}
	t.Log("whoever corrects the address is not offered it any more")
	p.fill("XMPP address", "ada@peer.tes")
	if p.there("button", goOn) {
		t.Error("it is still offered")
	}
	p.signIn("ada@peer.test", "analytical", peer.URL)
	p.click("button", goOn)
	p.in()
	const she = `(who) => document.getElementById("menu").textContent.includes(who)`
	p.until(she, "augusta@peer.test")
	t.Log("and without the password")
	p.reload()
	p.in()
	p.until(she, "augusta@peer.test")
}

// A14: the password was changed elsewhere. It is asked for where she is, and what she was
// writing stays.
func TestA14_PasswordInPlace(t *testing.T) {
	t.Parallel()
	cut := make(chan struct{})
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		switch c.N {
		case 0:
			c.Login("SCRAM-SHA-256", "ada", "analytical")
			c.LiveUntil(cut)
			c.Drop()
		case 1:
			c.Open(xmpptest.Mechanisms("SCRAM-SHA-256"))
			c.Expect("<auth")
			c.Send(`<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>`)
			c.ExpectGone()
		default:
			c.Login("SCRAM-SHA-256", "ada", "a new password")
			c.Wait(func(e *framing.Element) bool { return e.Child(framing.NSClient, "body") != nil })
			c.Live()
		}
	})
	p := visit(t, natter(t))
	p.forgives(failedSocket)
	p.signIn("ada@peer.test", "analytical", peer.URL)
	p.in()
	p.startChat("grace@peer.test")
	p.find("textbox", "Message").MustFocus()
	p.write("half a sen")
	close(cut)
	p.find("status", "The server did not accept this password.…")
	p.click("button", "Enter password")
	p.until(`() => document.activeElement.id === "password-again"`)
	p.keys(input.Enter)
	p.find("alert", "Type the password.")
	p.write("a new password")
	p.keys(input.Enter)
	p.in()
	p.gone("dialog", "Enter the password")
	if got := p.holds("Message"); got != "half a sen" {
		t.Errorf("what she wrote is now %q", got)
	}
	p.say("half a sentence")
	p.reads("You", "half a sentence")
}
