//go:build linux

package client_test

import (
	"strings"
	"testing"

	"natter/app/state"
)

// A message to our own account is shown once on each device, in order and as read, although servers deliver
// and archive it as sent and as received.
func TestNotesToOneself(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		desk := p.person(t).here()
		phone := p.device(t, desk.account).here()
		me := desk.account
		notes := []string{"milk", "eggs", "eggs", "bread", "end"}
		for i, body := range notes {
			who := desk
			if body == "bread" {
				who = phone
			}
			who.Do(state.SendMessage{Conv: state.Direct.With(me), Body: body})
			for _, d := range []*person{desk, phone} {
				d.wants(me, notes[:i+1]...)
			}
			if m := who.sees(me, body, state.OnServer); m.Author != me {
				t.Errorf("%s is by %s", body, m.Author)
			}
		}
		late := p.device(t, me).here()
		for name, d := range map[string]*person{"desk": desk, "phone": phone, "late": late} {
			d.wants(me, notes...)
			c := d.State().Chat(state.Direct.With(me))
			if c.Unread != 0 || c.Typing || c.Resource != "" {
				t.Errorf("%s: %d unread, typing %t, bound to %q", name, c.Unread, c.Typing, c.Resource)
			}
			for _, m := range c.Timeline.Newest(10) {
				if !m.Mine {
					t.Errorf("%s: %q is by somebody else: %s", name, m.Body, m.Author)
				}
			}
			for c := range d.State().Chats {
				if c.Conv.JID() != me {
					t.Errorf("%s has a conversation with %s", name, c.Conv)
				}
			}
		}
		for _, doc := range append(desk.wire.sent(0), phone.wire.sent(0)...) {
			if strings.Contains(doc, "<body>") && !strings.Contains(doc, `to="`+string(me)+`"`) {
				t.Errorf("sent to one device only: %s", doc)
			}
		}
		desk.until("all of it is on the server", func(s *state.State) bool {
			for _, m := range s.Chat(state.Direct.With(me)).Timeline.Newest(10) {
				if m.Delivery < state.OnServer {
					return false
				}
			}
			return true
		})
		if got := desk.State().Name(me); got != me.Local() {
			t.Errorf("one is called %q", got)
		}
	})
}
