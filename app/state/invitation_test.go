package state

import (
	"fmt"
	"testing"

	"natter/app/jid"
)

// Many invitations by strangers do not push out those by contacts. A room is believed that a contact invites only
// if it is on a server that may say so.
func TestInvitations(t *testing.T) {
	s := signedIn().With(RosterLoaded{Items: []RosterItem{{JID: "grace@friends.example", Subscription: SubscriptionBoth}}})
	for i := range 3 * mostInvitations {
		s = s.With(Invited{Invitation{Room: jid.JID(fmt.Sprintf("r%d@rooms.elsewhere.example", i)), From: "grace@friends.example", Mediated: true}})
	}
	for _, tc := range []struct {
		in    Invitation
		known bool
	}{
		{Invitation{Room: "tea@rooms.elsewhere.example", From: "grace@friends.example"}, true},
		{Invitation{Room: "tea@rooms.friends.example", From: "grace@friends.example", Mediated: true}, true},
		{Invitation{Room: "tea@notfriends.example", From: "grace@friends.example", Mediated: true}, false},
	} {
		s = s.With(Invited{tc.in})
		if got := s.Invitation(tc.in.Room); (got != nil) != tc.known || got != nil && !got.Known(s) {
			t.Errorf("%+v: %+v", tc.in, got)
		}
	}
	n := 0
	for range s.Invitations {
		n++
	}
	if n != mostInvitations {
		t.Errorf("there are %d", n)
	}
	s = s.With(Invited{Invitation{Room: "tea@rooms.friends.example", From: "mallory@elsewhere.example"}})
	if got := s.Invitation("tea@rooms.friends.example"); got.From != "grace@friends.example" {
		t.Errorf("a stranger stands in her place: %+v", got)
	}
}
