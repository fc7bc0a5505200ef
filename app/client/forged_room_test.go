//go:build linux

package client_test

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/state"
	"natter/framing"
)

// forging puts what an occupant must not say into the messages that it sends.
type forging struct {
	framing.Socket
	forged string
}

func (s forging) Write(ctx context.Context, doc string) error {
	return s.Socket.Write(ctx, strings.Replace(doc, "<body>forged</body>", "<body>forged</body>"+s.forged, 1))
}

// Sec8, Sec11, J35: somebody in a room puts the address of somebody else into a message, where archives
// tell whose message it is. A device that reads the message from the archive of a real server later does
// not take it for a message of theirs. A message of their own is theirs.
func TestSec8_Sec11_J35_ForgedAddressInTheArchiveOfARoom(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada := p.person(t).here()
		room := p.room("forged")
		conv := state.Groupchat.With(room)
		whose := func(s *state.State, body string) (m *state.Message) {
			if c := s.Chat(conv); c != nil {
				for each := range c.Timeline.All {
					if each.Body == body {
						m = each
					}
				}
			}
			return m
		}
		in := func(s *state.State) bool { return s.Room(room).In() && s.Room(room).Step == state.Inside }
		ada.Do(state.JoinRoom{Room: room, Create: true, Nick: "ada"})
		ada.until("in the room", in)
		ada.Do(state.SendMessage{Conv: conv, Body: "honest"})
		ada.until("reflected", func(s *state.State) bool { m := whose(s, "honest"); return m != nil && m.Delivery == state.OnServer })

		mallory := newPerson(t, p.account(t), &tls.Config{RootCAs: p.ca}, func(c *client.Config) {
			connector := c.Connector.(*connect.Connector)
			dial := connector.Dial
			connector.Dial = func(ctx context.Context, url string) (framing.Socket, error) {
				s, err := dial(ctx, url)
				if err != nil {
					return nil, err
				}
				return forging{s, `<x xmlns="http://jabber.org/protocol/muc#user"><item jid="` + string(ada.account) + `"/></x>`}, nil
			}
		}).here()
		mallory.Do(state.JoinRoom{Room: room, Nick: "mallory"})
		mallory.until("in the room", in)
		mallory.Do(state.SendMessage{Conv: conv, Body: "forged"})
		ada.until("the forged message", func(s *state.State) bool { return whose(s, "forged") != nil })

		later := p.device(t, ada.account).here()
		later.Do(state.JoinRoom{Room: room, Nick: "ada"})
		s := later.until("what the archive has", func(s *state.State) bool {
			return in(s) && whose(s, "honest") != nil && whose(s, "forged") != nil
		})
		if m := whose(s, "honest"); !m.Mine {
			t.Errorf("not hers: %+v", m)
		}
		if m := whose(s, "forged"); m.Mine || m.Author == ada.account {
			t.Errorf("taken for hers: %+v", m)
		}
		if m := whose(ada.State(), "forged"); m.Mine || m.Author == ada.account {
			t.Errorf("taken for hers live: %+v", m)
		}
	})
}
