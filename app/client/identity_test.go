//go:build linux

package client_test

import (
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/store/storetest"
	"natter/app/xmpptest"
)

const another = jid.JID("eve@peer.test")

// takenFor plays a sign-in of ada, which the server binds to an address of another account.
func takenFor(c *xmpptest.PeerConn, resumes bool, as jid.JID) {
	c.Open(xmpptest.Mechanisms(mechanism))
	c.Authenticate(mechanism, "ada", password)
	c.Open(xmpptest.BoundFeatures)
	if resumes {
		c.Expect("<resume ")
		c.Send(`<failed xmlns='urn:xmpp:sm:3'/>`)
	}
	c.Bind(as.Local())
}

// whoSheWouldBe waits for the problem that says which account the server has signed her in to.
func (p *person) whoSheWouldBe(phase state.Phase) state.Problem {
	p.t.Helper()
	s := p.until("told", func(s *state.State) bool {
		return s.Connection.Phase == phase && s.Connection.Problem != nil && s.Connection.Problem.Kind == "another-account"
	})
	problem := *s.Connection.Problem
	if problem.Account != another || !strings.Contains(problem.Text, string(another)) || !strings.Contains(problem.Text, string(me)) || problem.Advice == "" {
		p.t.Errorf("she is told %+v", problem)
	}
	return problem
}

// N08 A08: if a server signs us in to another account, nothing is sent before the person has agreed.
func TestN08_A08_AnotherAccount(t *testing.T) {
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		takenFor(c, false, another)
		if c.N == 0 {
			c.ExpectGone() // no stanza comes before that
			return
		}
		settle(c)
		c.Live()
	})
	ada := alone(t, peer)
	in := state.SignIn{Address: string(me), Password: password, Server: peer.URL}
	ada.Do(in)
	blank(t, func() *state.State { ada.whoSheWouldBe(state.SignedOut); return ada.State() }())
	if sent := ada.wire.sent(0); count(sent, "jabber:iq:roster") != 0 || count(sent, "<presence") != 0 {
		t.Errorf("sent %q", sent)
	}
	in.As = another
	ada.Do(in)
	if s := ada.until("signed in", settled); s.Account() != another {
		t.Errorf("she is %s", s.Account())
	}
}

// If the server names another account than the remembered one, each of the two has tables of its own, and
// the outbox of the one is not sent in the name of the other.
func TestN08_AnotherAccountThanRemembered(t *testing.T) {
	again := make(chan struct{})
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		switch c.N {
		case 0:
			welcome(c)
			<-again
			c.Drop()
		case 1:
			takenFor(c, true, another)
			c.ExpectGone()
		case 2:
			takenFor(c, false, another)
			settle(c)
			c.Live()
		default:
			t.Error("one connection too many")
		}
	})
	p := &place{wss: peer.URL, domain: "peer.test"}
	d := &device{t: t, place: p, account: me, network: dig(t, p)}
	ada := d.page()
	ada.here()
	grace := &person{t: t, account: friendly}
	ada.says(grace, "of ada")
	ada.onDisk("of ada")
	credential := d.credential
	close(again)
	ada.whoSheWouldBe(state.Stopped)
	ada.says(grace, "unsent")
	ada.onDisk("unsent")
	ada.wants(friendly, "of ada", "unsent")

	ada.Do(state.SignInAgain{})
	s := ada.until("the form", func(s *state.State) bool { return s.Connection.Phase == state.SignedOut })
	blank(t, s)
	if s.Connection.Problem == nil {
		t.Error("the form does not say why")
	}
	ada.Do(state.SignIn{Address: string(me), Password: password, Server: ada.server, Remember: true, As: another})
	if s = ada.until("signed in", settled); s.Account() != another || len(ada.bodies(friendly)) != 0 {
		t.Errorf("she is %s and has %q", s.Account(), ada.bodies(friendly))
	}
	if d.credential != credential || d.others[another] == nil || d.others[another].User != "ada" {
		t.Errorf("kept are %v and %v", d.credential, d.others)
	}
	if sn := d.kept(); len(sn.Outbox()) != 2 || sn.Empty() || storetest.Of[*state.Account](sn.Rows)[0].Me.Bare() != me {
		t.Errorf("of ada is kept %+v", sn)
	}
	if count(ada.wire.sent(0), ">unsent<") != 0 {
		t.Error("it left in the name of somebody else")
	}
}
