package state

import (
	"testing"

	"natter/app/jid"
)

// A ConvID has a kind and an address. Two conversations of different kinds with one address are different.
func TestConvID(t *testing.T) {
	seen := map[ConvID]bool{}
	for _, tc := range []struct {
		kind Kind
		with jid.JID
		want jid.JID
	}{
		{Direct, "grace@localhost/phone", "grace@localhost"},
		{Direct, "irc.localhost", "irc.localhost"},
		{Groupchat, "club@rooms.localhost/grace", "club@rooms.localhost"},
		{Direct, "club@rooms.localhost", "club@rooms.localhost"},
		{Private, "club@rooms.localhost/grace", "club@rooms.localhost/grace"},
		{Private, "club@rooms.localhost/a/", "club@rooms.localhost/a/"},
	} {
		id := tc.kind.With(tc.with)
		if id.Kind() != tc.kind || id.JID() != tc.want || seen[id] {
			t.Errorf("%v with %s is %q: %v with %s", tc.kind, tc.with, id, id.Kind(), id.JID())
		}
		seen[id] = true
	}
}
