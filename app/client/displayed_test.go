//go:build linux

package client_test

import (
	"testing"

	"natter/app/state"
	"natter/app/xmpptest"
)

// J18, J19: messages that were read on one device are read on the other too, also those of a stranger, to
// whom no read mark is sent.
func TestJ18_J19_ReadOnAnotherDevice(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		account := p.account(t)
		desk, phone, grace := p.device(t, account).here(), p.device(t, account).here(), p.person(t).here()
		before := grace.wire.now()
		unread := func(n int) func(*state.State) bool {
			return func(s *state.State) bool {
				c := s.Chat(grace.conv())
				return c != nil && c.Timeline.Len() > 0 && c.Timeline.Last().ArchiveID != "" && c.Unread == n
			}
		}
		for _, body := range []string{"one", "two"} {
			grace.says(desk, body)
		}
		desk.until("two to read", unread(2))
		phone.until("two to read", unread(2))
		desk.Do(state.ReadChat{Conv: grace.conv()})
		if p.server != nil && p.server.Kind == xmpptest.KindEjabberd { // it knows no pubsub#max_items
			desk.until("refused, in silence", func(s *state.State) bool {
				return s.Chat(grace.conv()).Unread == 0 && count(desk.wire.received(0), "max_items") == 1
			})
			phone.until("two to read", unread(2))
			return
		}
		phone.until("read elsewhere", unread(0))
		grace.says(desk, "three")
		desk.until("one to read", unread(1))
		phone.until("one to read", unread(1))
		phone.Do(state.ReadChat{Conv: grace.conv()})
		desk.until("read elsewhere", unread(0))
		if n := count(grace.wire.received(before), "<displayed"); n != 0 {
			t.Errorf("she was told %d times", n)
		}
	})
}
