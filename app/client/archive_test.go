//go:build linux

package client_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/state"
	"natter/app/xmpptest"
	"natter/framing"
)

// garbled is a socket that writes nonsense into the queries to the archive while on is true.
type garbled struct {
	framing.Socket
	on *atomic.Bool
}

var (
	previd = regexp.MustCompile(`previd="[^"]*"`)
	after  = regexp.MustCompile(`<after>[^<]*</after>`)
	before = regexp.MustCompile(`<before>[^<]+</before>`)
)

func (g garbled) Write(ctx context.Context, doc string) error {
	doc = previd.ReplaceAllString(doc, `previd="nonsense"`) // no stream can be resumed
	if g.on.Load() {
		doc = after.ReplaceAllString(doc, "<after>nonsense</after>")
		if strings.Contains(doc, `var="start"`) || before.MatchString(doc) {
			doc = strings.ReplaceAll(doc, `<query xmlns="urn:xmpp:mam:2"`, `<query xmlns="urn:xmpp:nonsense"`)
		}
	}
	return g.Socket.Write(ctx, doc)
}

// A catch-up that goes wrong leaves a gap, and LoadMissing fills it. Servers answer differently if they are
// asked for what comes after an unknown id: Prosody 0.12 and the trial server with item-not-found,
// Prosody 13 with an empty page, ejabberd with the first page.
func TestSec66_GapIsLeftAndFilled(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		desk, grace := p.person(t).here(), p.person(t).here()
		all := []string{"hello"}
		desk.says(grace, "hello")
		grace.hears(desk, "hello")

		var bad atomic.Bool
		network := dig(t, p)
		ada := newPerson(t, desk.account, &tls.Config{RootCAs: p.ca}, func(c *client.Config) {
			connector := c.Connector.(*connect.Connector)
			dial := connector.Dial
			connector.Dial = func(ctx context.Context, url string) (framing.Socket, error) {
				s, err := dial(ctx, url)
				if err != nil {
					return nil, err
				}
				return garbled{s, &bad}, nil
			}
		})
		ada.server = network.wss
		ada.here()
		ada.wants(grace.account, all...)

		network.cut()
		time.Sleep(2 * time.Second) // so that the next messages are later, though Prosody 0.12 stamps in whole seconds
		ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase != state.Online })
		for i := range 120 {
			all = append(all, fmt.Sprintf("message %d", i))
			desk.says(grace, all[len(all)-1])
			if i%10 == 9 {
				grace.hears(desk, all[len(all)-1])
			}
		}
		desk.sees(grace.account, all[len(all)-1], state.OnServer)
		bad.Store(true)
		network.mend()
		ada.Do(state.Reconnect{})
		s := ada.until("what could be had", func(s *state.State) bool {
			return settled(s)
		})
		gaps := s.Gaps(grace.conv())
		i := slices.IndexFunc(gaps, func(g state.Gap) bool { return g.Fill.Failed != "" })
		if i < 0 {
			t.Fatalf("no gap is shown: %+v", gaps)
		}
		got := ada.bodies(grace.account)
		if len(got) == len(all) {
			t.Error("nothing is missing")
		}

		bad.Store(false)
		ada.Do(state.LoadMissing{Conv: grace.conv(), After: gaps[i].After.ID})
		ada.until("the gap is gone", func(s *state.State) bool {
			return !slices.ContainsFunc(s.Gaps(grace.conv()), func(g state.Gap) bool { return g.After.ID == gaps[i].After.ID })
		})
		ada.wants(grace.account, all...)
		ada.scrollBack(grace.account)
		ada.wants(grace.account, all...)
	})
}

// A catch-up of thousands of messages calls Config.Yield between any two pages, so that the page can handle
// its own events.
func TestPromise6_SlicesOfACatchUp(t *testing.T) {
	const n, size = 5000, 50
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		if c.N == 0 {
			c.Login(mechanism, "ada", password)
		} else {
			c.Open(xmpptest.Mechanisms(mechanism))
			c.Authenticate(mechanism, "ada", password)
			c.Open(xmpptest.BoundFeatures)
			c.Expect("<resume ")
			c.Send(`<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`)
			c.Bind("ada")
		}
		from := 0
		c.Wait(func(e *framing.Element) bool {
			q := e.Child("urn:xmpp:mam:2", "query")
			if q == nil {
				return e.Is(framing.NSFraming, "close")
			}
			if c.N == 0 { // the archive is still empty
				c.Answer(e)
				c.Drop()
				return true
			}
			// Each page comes at once, as from a server near by, so only the requests take time.
			low, high := from, from+size
			if q.Child("http://jabber.org/protocol/rsm", "set").Child("http://jabber.org/protocol/rsm", "before") != nil {
				low, high = n-size, n
				if id := q.Child("http://jabber.org/protocol/rsm", "set").Child("http://jabber.org/protocol/rsm", "before").Text(); id != "" {
					fmt.Sscanf(id, "a%d", &high)
					low = max(0, high-size)
				}
			} else {
				from = high
			}
			for i := low; i < high; i++ {
				c.Sendf(`<message xmlns='jabber:client'><result xmlns='urn:xmpp:mam:2' queryid='%s' id='a%d'><forwarded xmlns='urn:xmpp:forward:0'>`+
					`<delay xmlns='urn:xmpp:delay' stamp='2020-01-01T%02d:%02d:%02dZ'/><message xmlns='jabber:client' from='%s/x' to='%s' type='chat' id='m%d'><body>%d</body></message></forwarded></result></message>`,
					q.Attr("queryid"), i, i/3600, i/60%60, i%60, friendly, me, i, i)
			}
			c.Sendf(`<iq xmlns='jabber:client' type='result' id='%s'><fin xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><first>a%d</first><last>a%d</last></set></fin></iq>`,
				e.Attr("id"), low, high-1)
			return false
		})
		if c.N > 0 {
			c.CloseStream()
		}
	})
	yields, pages, most := 0, 0, 0
	read := 0
	var ada *person
	ada = newPerson(t, me, nil, func(c *client.Config) {
		c.Yield = func() {
			yields++
			now := 0
			if c := ada.State().Chat(state.Direct.With(friendly)); c != nil {
				now = c.Timeline.Len()
			}
			most = max(most, now-read)
			if now > read {
				pages++
			}
			read = now
		}
	})
	ada.server = peer.URL
	ada.Do(state.SignIn{Address: string(me), Password: password, Server: peer.URL})
	ada.until("all of it", func(s *state.State) bool {
		c := s.Chat(state.Direct.With(friendly))
		return c != nil && c.Timeline.Len() == n && s.CaughtUp
	})
	ada.leave()
	if most > size || pages < n/size {
		t.Errorf("%d messages came in %d slices, up to %d at a time, between %d breaths", n, pages, most, yields)
	}
}
