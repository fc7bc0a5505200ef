//go:build linux

package client_test

import (
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest"
	"natter/framing"
)

const (
	me        = jid.JID("ada@peer.test")
	friendly  = jid.JID("grace@peer.test")
	mechanism = "SCRAM-SHA-256"
)

// alone returns ada, whose server is a script.
func alone(t *testing.T, peer *xmpptest.Peer) *person {
	t.Helper()
	ada := newPerson(t, me, nil)
	ada.server = peer.URL
	return ada
}

// welcome signs ada in, whose contact is grace. It returns when it has answered the query to her archive,
// the last request of a start.
func welcome(c *xmpptest.PeerConn) {
	c.Login(mechanism, "ada", password)
	settle(c)
}

// welcomeBack is welcome after a resume that fails.
func welcomeBack(c *xmpptest.PeerConn) {
	forgotten(c)
	settle(c)
}

// forgotten signs ada in after a resume that fails.
func forgotten(c *xmpptest.PeerConn) {
	c.Open(xmpptest.Mechanisms(mechanism))
	c.Authenticate(mechanism, "ada", password)
	c.Open(xmpptest.BoundFeatures)
	c.Expect("<resume ")
	c.Send(`<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`)
	c.Bind("ada")
}

func settle(c *xmpptest.PeerConn) {
	c.Wait(func(e *framing.Element) bool {
		if e.Child("jabber:iq:roster", "query") != nil && e.Attr("type") == "get" {
			c.Sendf(`<iq xmlns='jabber:client' type='result' id='%s'><query xmlns='jabber:iq:roster'>`+
				`<item jid='%s' name='Grace' subscription='both'/></query></iq>`, e.Attr("id"), friendly)
			return false
		}
		archive := e.Child("urn:xmpp:mam:2", "query") != nil
		if archive {
			c.Answer(e)
		}
		return archive
	})
}

// fence sends an honest message. When it is shown, everything that was sent before it has been handled.
func fence(c *xmpptest.PeerConn) {
	c.Sendf(`<message xmlns='jabber:client' type='chat' from='%s/desk' to='%s' id='fence'><body>fence</body></message>`, friendly, c.JID)
}

func (p *person) fenced() *state.State {
	p.t.Helper()
	return p.until("the honest message", func(s *state.State) bool {
		m := last(s, friendly)
		return m != nil && m.Body == "fence"
	})
}

func TestE05_StreamErrors(t *testing.T) {
	for _, tc := range []struct {
		condition, kind string
		phase           state.Phase
		resumes         bool
	}{
		{"conflict", "signed-in-elsewhere", state.Stopped, false},
		{"policy-violation", "policy-violation", state.Stopped, false},
		{"not-authorized", "not-authorized", state.Stopped, false},
		{"host-gone", "host-gone", state.Stopped, false},
		{"system-shutdown", "system-shutdown", state.Waiting, true},
		{"reset", "server-reset", state.Waiting, true},
		{"made-up", "server-ended", state.Waiting, false},
	} {
		t.Run("E01 E04 "+tc.condition, func(t *testing.T) {
			again := make(chan struct{})
			peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
				if c.N == 0 {
					welcome(c)
					fence(c)
					c.StreamError(tc.condition, "words of the server")
					return
				}
				<-again
				if tc.resumes {
					welcomeBack(c)
				} else {
					welcome(c)
				}
				c.Live()
			})
			ada := alone(t, peer)
			ada.Do(state.SignIn{Address: string(me), Password: password, Server: peer.URL})
			s := ada.until("the end", func(s *state.State) bool {
				return s.Connection.Problem != nil
			})
			if c := s.Connection; c.Phase != tc.phase || c.Problem.Kind != tc.kind || strings.Contains(c.Problem.Text, "words of the server") {
				t.Errorf("%+v %+v", c, c.Problem)
			}
			if s := ada.State(); s.Chat(state.Direct.With(friendly)) == nil || s.Contact(friendly) == nil {
				t.Error("what was there is gone from the screen")
			}
			if tc.phase == state.Stopped && peer.Connections() != 1 {
				t.Error("it came back by itself")
			}
			close(again)
			ada.Do(state.Reconnect{})
			ada.until("back", settled)
			if n := peer.Connections(); n != 2 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func TestR_SeeOtherURIInMidSession(t *testing.T) {
	aside(t)
	there := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		welcomeBack(c)
		fence(c)
		c.Live()
	})
	t.Run("followed, signed in afresh", func(t *testing.T) {
		here := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
			welcome(c)
			c.RedirectNow(there.URL)
		})
		ada := alone(t, here)
		ada.Do(state.SignIn{Address: string(me), Password: password, Server: here.URL})
		s := ada.fenced()
		if c := s.Connection; c.Phase != state.Online || c.Endpoint != there.URL || here.Connections() != 1 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("refused where it leads out of the machine unprotected", func(t *testing.T) {
		here := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
			welcome(c)
			c.RedirectNow("ws://elsewhere.test/ws")
		})
		ada := alone(t, here)
		ada.Do(state.SignIn{Address: string(me), Password: password, Server: here.URL})
		s := ada.until("the refusal", func(s *state.State) bool {
			return s.Connection.Phase == state.Stopped && s.Connection.Problem != nil
		})
		if s.Connection.Problem.Kind != "redirect-refused" {
			t.Errorf("%+v", s.Connection.Problem)
		}
	})
}

// A connection that ends while signing in ends the attempt: the form shows the reason, and no other attempt
// is made.
func TestO11_SignInEndsWithTheFormsError(t *testing.T) {
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		c.Open()
		c.StreamError("system-shutdown", "")
	})
	ada := alone(t, peer)
	got := ada.refused(state.SignIn{Address: string(me), Password: password, Server: peer.URL})
	if got.Kind != "system-shutdown" {
		t.Errorf("the form says %+v", got)
	}
	ada.refused(state.SignIn{Address: string(me), Password: password, Server: peer.URL})
	if n := peer.Connections(); n != 2 {
		t.Errorf("%d connections for two attempts", n)
	}
}

func TestM07_ResumedByThePeer(t *testing.T) {
	t.Run("M07 resumed: handled is counted, nothing is asked again", func(t *testing.T) {
		var handled uint32 // of the first connection
		peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
			if c.N == 0 {
				welcome(c)
				c.Sendf(`<message xmlns='jabber:client' type='chat' from='%s/desk' id='m1'><body>one</body></message>`, friendly)
				c.Wait(func(e *framing.Element) bool { return e.Is(framing.NSClient, "message") })
				handled = c.Handled - 1 // all but the message
				c.Drop()
				return
			}
			c.Open(xmpptest.Mechanisms(mechanism))
			c.Authenticate(mechanism, "ada", password)
			c.Open(xmpptest.BoundFeatures)
			if e := c.Resume(string(me)+"/peer", handled); e.Attr("previd") != "sm-0" {
				t.Errorf("previd is %q", e.Attr("previd"))
			}
			for {
				e := c.Next()
				switch {
				case e.Is(framing.NSClient, "message") && e.Child(framing.NSClient, "body") != nil:
					fence(c)
				case e.Attr("type") == "unavailable": // the end of the test
				case e.Is(framing.NSClient, "iq"), e.Is(framing.NSClient, "presence"):
					t.Errorf("sent again: %s", e)
				case e.Is(framing.NSFraming, "close"):
					c.CloseStream()
					return
				default:
					c.Answer(e)
				}
			}
		})
		ada := alone(t, peer).here()
		ada.until("one", func(s *state.State) bool { return last(s, friendly) != nil })
		ada.Do(state.SendMessage{Conv: state.Direct.With(friendly), Body: "in the gap"})
		ada.fenced()
		ada.wants(friendly, "one", "in the gap", "fence")
		if n := count(ada.wire.sent(0), ">in the gap<"); n != 2 {
			t.Errorf("sent %d times, want once lost and once more", n)
		}
	})
}

// If a stream cannot be resumed, a receipt and a read mark that were on their way are sent again, in order.
// A message that came while we were away gets its receipt when the archive brings it. The receipt goes to
// the bare address, and only to a sender who sees our presence. Older messages get none.
func TestReceiptsAfterALoss(t *testing.T) {
	const stranger = jid.JID("mallory@peer.test")
	message := func(from jid.JID, id string) string {
		return `<message xmlns='jabber:client' type='chat' from='` + string(from) + `/desk' to='` + string(me) + `' id='` + id +
			`'><body>` + id + `</body><request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/></message>`
	}
	// told returns the next n receipts and read marks of hers, and answers all requests. archive has the
	// messages of the archive.
	told := func(c *xmpptest.PeerConn, n int, archive ...string) (all []string) {
		wanted := func(e *framing.Element) bool {
			query := e.Child("urn:xmpp:mam:2", "query")
			switch {
			case e.Child("jabber:iq:roster", "query") != nil:
				c.Sendf(`<iq xmlns='jabber:client' type='result' id='%s'><query xmlns='jabber:iq:roster'>`+
					`<item jid='%s' name='Grace' subscription='both'/></query></iq>`, e.Attr("id"), friendly)
			case query != nil:
				for i, m := range archive {
					c.Sendf(`<message xmlns='jabber:client'><result xmlns='urn:xmpp:mam:2' queryid='%s' id='%d-%d'><forwarded xmlns='urn:xmpp:forward:0'>`+
						`<delay xmlns='urn:xmpp:delay' stamp='2026-01-02T0%d:00:0%dZ'/>%s</forwarded></result></message>`, query.Attr("queryid"), c.N, i, c.N, i, m)
				}
				c.Sendf(`<iq xmlns='jabber:client' type='result' id='%s'><fin xmlns='urn:xmpp:mam:2' complete='true'/></iq>`, e.Attr("id"))
				if archive = nil; c.N == 0 {
					c.Send(message(friendly, "live"))
				}
			case e.Is(framing.NSClient, "message"):
				what := e.Child("urn:xmpp:receipts", "received")
				if what == nil {
					what = e.Child("urn:xmpp:chat-markers:0", "displayed")
				}
				all = append(all, what.Name.Local+" "+what.Attr("id")+" to "+e.Attr("to"))
			}
			return len(all) == n || e.Is("urn:xmpp:sm:3", "r") // nothing is acknowledged
		}
		for len(all) < n {
			c.Wait(wanted)
		}
		return all
	}
	first, second, read := make(chan []string, 1), make(chan []string, 1), make(chan struct{})
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		if c.N == 0 {
			c.Login(mechanism, "ada", password)
			all := told(c, 1, message(friendly, "long ago"))
			close(read)
			first <- append(all, told(c, 1)...)
			c.Drop()
			return
		}
		c.Open(xmpptest.Mechanisms(mechanism))
		c.Authenticate(mechanism, "ada", password)
		c.Open(xmpptest.BoundFeatures)
		c.Expect("<resume ")
		c.Send(`<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`)
		c.Bind("ada")
		second <- told(c, 3, message(friendly, "live"), message(stranger, "strange"), message(friendly, "missed"))
		c.Live()
	})
	ada := alone(t, peer)
	ada.Do(state.SignIn{Address: string(me), Password: password, Server: peer.URL})
	<-read
	ada.until("the message", func(s *state.State) bool { return s.Chat(state.Direct.With(friendly)) != nil })
	ada.Do(state.ReadChat{Conv: state.Direct.With(friendly)})
	for what, c := range map[string]chan []string{
		"received live to grace@peer.test/desk, displayed live to grace@peer.test":                                     first,
		"received live to grace@peer.test/desk, displayed live to grace@peer.test, received missed to grace@peer.test": second,
	} {
		if got := strings.Join(<-c, ", "); got != what {
			t.Errorf("she has told %s; want %s", got, what)
		}
	}
}
