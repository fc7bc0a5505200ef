//go:build linux

package client_test

import (
	"context"
	"crypto/tls"
	"sync/atomic"
	"testing"
	"time"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// ahead is how far the clock of the receiver is ahead.
const ahead = 5 * time.Minute

type fast struct{ stream.Clock }

func (fast) Now() time.Time { return time.Now().Add(ahead) }

// renewing is a socket on which no stream can be resumed while on is true.
type renewing struct {
	framing.Socket
	on *atomic.Bool
}

func (r renewing) Write(ctx context.Context, doc string) error {
	if r.on.Load() {
		doc = previd.ReplaceAllString(doc, `previd="nonsense"`)
	}
	return r.Socket.Write(ctx, doc)
}

// A sender may put a delay into a message in the name of the receiver's server or account, and no server
// removes it. The client does not believe it: neither in a live message, nor in one that is delivered
// again after a resume, to which a server adds its own delay only if there is none. It believes a delay
// of the server and, in the end, the time of the archive.
//
// The receiver's clock is ahead, so that the test sees whose time a message has.
func TestSec11_WhoMayDateAMessage(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		var renew atomic.Bool
		network := dig(t, p)
		ada := newPerson(t, p.account(t), &tls.Config{RootCAs: p.ca}, func(c *client.Config) {
			c.Clock = fast{stream.RealClock}
			connector := c.Connector.(*connect.Connector)
			dial := connector.Dial
			connector.Dial = func(ctx context.Context, url string) (framing.Socket, error) {
				s, err := dial(ctx, url)
				if err != nil {
					return nil, err
				}
				return renewing{s, &renew}, nil
			}
		})
		ada.server = network.wss
		ada.here()
		grace := p.person(t).here()
		sends := func(body string, forged bool) {
			st := framing.New(framing.NSClient, "message").Set("type", "chat").Set("to", string(ada.account)).Set("id", body).
				Add(framing.New(framing.NSClient, "body").AddText(body))
			if forged {
				for _, by := range []string{ada.account.Domain(), string(ada.account), ada.account.Domain()} {
					st.Add(framing.New("urn:xmpp:delay", "delay").Set("from", by).Set("stamp", "2001-01-01T00:00:00Z"))
				}
			}
			grace.Send(st)
		}
		said := func(s *state.State, body string) *state.Message {
			c := s.Chat(grace.conv())
			if c == nil {
				return nil
			}
			return c.Timeline.ByID(grace.account, body)
		}
		began := time.Now()
		// dated fails unless a message has the time of now, by her clock or by that of the server.
		dated := func(body string, hers bool) {
			t.Helper()
			at := said(ada.until(body, func(s *state.State) bool { return said(s, body) != nil }), body).At
			from, to := began.Add(-time.Second), time.Now().Add(time.Second)
			if hers {
				from, to = from.Add(ahead), to.Add(ahead)
			}
			if at.Before(from) || at.After(to) {
				t.Errorf("%q is of %s, not of between %s and %s", body, at, from, to)
			}
		}
		sends("live and forged", true)
		dated("live and forged", true)
		sends("live", false)
		dated("live", true)

		network.cut()
		ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		sends("again and forged", true)
		sends("again", false)
		network.mend()
		ada.Do(state.Reconnect{})
		dated("again and forged", true)
		dated("again", p.server == nil) // the trial server adds no delay
		sends("after that and forged", true)
		dated("after that and forged", true)

		renew.Store(true)
		network.cut()
		ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
		network.mend()
		ada.Do(state.Reconnect{})
		ada.until("what the archive has", settled)
		for _, body := range []string{"live and forged", "live", "again and forged", "again", "after that and forged"} {
			dated(body, false)
		}
	})
}
