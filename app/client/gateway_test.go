//go:build linux

package client_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"natter/app/client"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/stream"
	"natter/app/xmpptest"
	"natter/framing"
)

const (
	channel = jid.JID("%natter@irc.peer.test")
	there   = state.ConvID("%natter@irc.peer.test/")
)

// gateway plays a server with a gateway to IRC, like biboumi: it has no archive and no occupant-ids, and
// gives each message an id of its own. It calls history when somebody enters the channel, and said for each
// message to the channel. If said returns false, the connection ends.
func gateway(c *xmpptest.PeerConn, history func(), said func(st *framing.Element) bool) {
	for {
		st := c.Wait(func(e *framing.Element) bool {
			return jid.JID(e.Attr("to")).Bare() == channel || e.Is(framing.NSFraming, "close")
		})
		switch {
		case st.Is(framing.NSFraming, "close"):
			c.CloseStream()
			return
		case st.Is(framing.NSClient, "iq"):
			c.Sendf(`<iq xmlns='jabber:client' type='result' from='%s' to='%s' id='%s'><query xmlns='http://jabber.org/protocol/disco#info'>`+
				`<identity category='conference' type='irc'/><feature var='http://jabber.org/protocol/muc'/></query></iq>`, channel, c.JID, st.Attr("id"))
		case st.Is(framing.NSClient, "message"):
			if !said(st) {
				return
			}
		case st.Attr("type") == "":
			comes(c, "grace")
			comes(c, "ada")
			history()
			c.Sendf(`<message xmlns='jabber:client' type='groupchat' from='%s' to='%s'><subject>Tea</subject></message>`, channel, c.JID)
		}
	}
}

func nothing() {}

// comes sends the presence of somebody in the channel, as our own one if the nick is ours.
func comes(c *xmpptest.PeerConn, nick string) {
	status := ""
	if nick == "ada" {
		status = "<status code='110'/>"
	}
	c.Sendf(`<presence xmlns='jabber:client' from='%s/%s' to='%s'><x xmlns='http://jabber.org/protocol/muc#user'>`+
		`<item affiliation='none' role='participant'/>%s</x></presence>`, channel, nick, c.JID, status)
}

func inChannel(c *xmpptest.PeerConn, nick, id, inner string) {
	c.Sendf(`<message xmlns='jabber:client' type='groupchat' from='%s/%s' to='%s' id='%s'>%s</message>`, channel, nick, c.JID, id, inner)
}

// joins enters the channel.
func (p *person) joins() {
	p.t.Helper()
	p.here()
	p.Do(state.JoinRoom{Room: channel, Nick: "ada"})
	p.until("in the channel", func(s *state.State) bool { r := s.Room(channel); return r != nil && r.Step == state.Inside })
}

// reads waits for the last of these lines, and fails unless the channel has exactly these.
func (p *person) reads(lines ...string) {
	p.t.Helper()
	var got []string
	p.until("in the channel", func(s *state.State) bool {
		got = nil
		if c := s.Chat(there); c != nil {
			for _, m := range c.Timeline.Newest(100) {
				who := m.Nick
				if m.Mine {
					who = "ada, " + map[state.Delivery]string{state.Queued: "queued", state.OnServer: "sent", state.Failed: "failed"}[m.Delivery]
				}
				got = append(got, who+": "+m.Words())
			}
		}
		return len(got) >= len(lines) && got[len(got)-1] == lines[len(lines)-1]
	})
	if !slices.Equal(got, lines) {
		p.t.Errorf("the channel has %q, want %q", got, lines)
	}
}

// J07: a gateway that gives our messages its own ids gets each message once, even if two have the same text.
// A message that it has when we come back is not sent again.
func TestJ07_GatewayRewritesIDs(t *testing.T) {
	var log []string // what the channel has
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		if c.N == 0 {
			welcome(c)
			gateway(c, nothing, func(st *framing.Element) bool {
				body := st.Child(framing.NSClient, "body").Text()
				log = append(log, body)
				if body == "lost" {
					return false // the connection ends before the message has come back
				}
				inChannel(c, "ada", fmt.Sprint("irc", len(log)), "<body>"+body+"</body>")
				return true
			})
			return
		}
		forgotten(c)
		gateway(c, func() {
			inChannel(c, "ada", "irc-lost", "<body>lost</body><delay xmlns='urn:xmpp:delay' from='"+string(channel)+"' stamp='"+time.Now().UTC().Format(time.RFC3339)+"'/>")
		}, func(st *framing.Element) bool {
			log = append(log, st.Child(framing.NSClient, "body").Text())
			inChannel(c, "ada", "irc-last", "<body>last</body>")
			inChannel(c, "grace", "irc-end", "<body>end</body>")
			return true
		})
	})
	ada := alone(t, peer)
	ada.joins()
	for range 2 {
		ada.Do(state.SendMessage{Conv: there, Body: "hello"})
	}
	ada.reads("ada, sent: hello", "ada, sent: hello")
	ada.Do(state.SendMessage{Conv: there, Body: "lost"})
	ada.reads("ada, sent: hello", "ada, sent: hello", "ada, sent: lost")
	ada.Do(state.SendMessage{Conv: there, Body: "last"})
	ada.reads("ada, sent: hello", "ada, sent: hello", "ada, sent: lost", "ada, sent: last", "grace: end")
	if want := []string{"hello", "hello", "lost", "last"}; !slices.Equal(log, want) {
		t.Errorf("the channel has %q, want %q", log, want)
	}
}

// J07: a message to a gateway that sends nothing back counts as sent half a minute after the server has it.
// A message that the gateway refuses has failed.
func TestJ07_GatewayReflectsNothing(t *testing.T) {
	time30 := &patient{Clock: stream.RealClock, over: make(chan struct{})}
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		welcome(c)
		gateway(c, nothing, func(st *framing.Element) bool {
			if body := st.Child(framing.NSClient, "body").Text(); body == "refused" {
				c.Sendf(`<message xmlns='jabber:client' type='error' from='%s' to='%s' id='%s'><error type='cancel'>`+
					`<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`, channel, c.JID, st.Attr("id"))
			}
			return true
		})
	})
	ada := newPerson(t, me, nil, func(c *client.Config) { c.Clock = time30 })
	ada.server = peer.URL
	ada.joins()
	before := time30.waited()
	ada.Do(state.SendMessage{Conv: there, Body: "hello"})
	ada.until("the server has it", func(*state.State) bool { return time30.waited() > before })
	ada.reads("ada, queued: hello")
	close(time30.over)
	ada.until("it counts as sent", func(s *state.State) bool { return s.Chat(there).Timeline.Last().Delivery == state.OnServer })
	ada.Do(state.SendMessage{Conv: there, Body: "refused"})
	ada.until("it has failed", func(s *state.State) bool {
		m := s.Chat(there).Timeline.Last()
		return m.Body == "refused" && m.Delivery == state.Failed
	})
	ada.reads("ada, sent: hello", "ada, failed: refused")
}

// patient is a clock whose timers of half a minute end when over is closed.
type patient struct {
	stream.Clock
	mu   sync.Mutex
	n    int
	over chan struct{}
}

func (p *patient) AfterFunc(d time.Duration, f func()) func() {
	if d != 30*time.Second {
		return p.Clock.AfterFunc(d, f)
	}
	p.mu.Lock()
	p.n++
	p.mu.Unlock()
	stopped := make(chan struct{})
	go func() {
		select {
		case <-p.over:
			f()
		case <-stopped:
		}
	}()
	return sync.OnceFunc(func() { close(stopped) })
}

func (p *patient) waited() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}
