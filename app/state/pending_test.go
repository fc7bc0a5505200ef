package state

import (
	"testing"

	"natter/app/jid"
)

func TestPending_Settles(t *testing.T) {
	start := signedIn().With(RosterLoaded{Items: []RosterItem{{JID: grace, Name: "Grace", Subscription: SubscriptionFrom}}})
	const other = "other@localhost"
	for name, tc := range map[string]struct {
		pending Pending
		of      string
		then    Event
		want    Pending
		called  string
	}{
		"renamed":                       {Pending{Edit: Rename, Name: "Amazing"}, "grace", ContactChanged{RosterItem{JID: grace, Name: "Amazing"}}, Pending{}, "Amazing"},
		"renamed to nothing":            {Pending{Edit: Rename}, "grace", ContactChanged{RosterItem{JID: grace}}, Pending{}, ""},
		"another name":                  {Pending{Edit: Rename, Name: "Amazing"}, "grace", ContactChanged{RosterItem{JID: grace, Name: "G."}}, Pending{Edit: Rename, Name: "Amazing"}, "Amazing"},
		"removed elsewhere":             {Pending{Edit: Rename, Name: "Amazing"}, "grace", RosterLoaded{}, Pending{}, ""},
		"removed":                       {Pending{Edit: Remove}, "grace", RosterLoaded{}, Pending{}, ""},
		"still there":                   {Pending{Edit: Remove}, "grace", ContactChanged{RosterItem{JID: grace, Name: "Grace"}}, Pending{Edit: Remove}, "Grace"},
		"not added yet":                 {Pending{Edit: Add, Name: "O", Ask: true}, other, RosterLoaded{}, Pending{Edit: Add, Name: "O", Ask: true}, "O"},
		"added":                         {Pending{Edit: Add, Name: "O", Ask: true}, other, ContactChanged{RosterItem{JID: other, Name: "O"}}, Pending{Ask: true}, "O"},
		"added without a name":          {Pending{Edit: Add}, other, ContactChanged{RosterItem{JID: other, Name: "Theirs"}}, Pending{}, "Theirs"},
		"asked":                         {Pending{Ask: true}, other, ContactChanged{RosterItem{JID: other, Asked: true}}, Pending{}, ""},
		"seen":                          {Pending{Ask: true}, other, RosterLoaded{Items: []RosterItem{{JID: other, Subscription: SubscriptionTo}}}, Pending{}, ""},
		"accepted":                      {Pending{Answer: Accept}, other, RosterLoaded{Items: []RosterItem{{JID: other, Subscription: SubscriptionBoth}}}, Pending{}, ""},
		"declined here, accepted there": {Pending{Answer: Decline}, other, RosterLoaded{Items: []RosterItem{{JID: other, Subscription: SubscriptionFrom}}}, Pending{}, ""},
		"withdrawn":                     {Pending{Answer: Decline, Edit: Add}, other, SubscriptionWithdrawn{other}, Pending{Edit: Add}, ""},
		"added again after a removal":   {Pending{Edit: Add, Name: "Grace"}, "grace", ContactRemoved{grace}, Pending{Edit: Add, Name: "Grace"}, "Grace"},
		"refused":                       {Pending{Edit: Add, Name: "O", Ask: true}, other, ContactRefused{other, Pending{Edit: Add}, "no"}, Pending{}, ""},
		"the request was refused":       {Pending{Ask: true, Answer: Accept}, other, ContactRefused{other, Pending{Ask: true}, "no"}, Pending{Answer: Accept}, ""},
	} {
		j := jid.JID(grace)
		if tc.of == other {
			j = other
		}
		s := start.With(ContactPending{j, tc.pending}).With(tc.then)
		var got Pending
		if c := s.Contact(j); c != nil {
			got = c.Pending
		}
		if got != tc.want || s.Called(j) != tc.called {
			t.Errorf("%s: left %+v, called %q", name, got, s.Called(j))
		}
	}
}

// A refusal is kept until the person has read it; then nothing of it is left.
func TestRefused_LeavesNothing(t *testing.T) {
	s := signedIn().With(ContactPending{"other@localhost", Pending{Edit: Add, Name: "O"}}).
		With(ContactRefused{"other@localhost", Pending{Edit: Add}, "could not be added."})
	if c := s.Contact("other@localhost"); c == nil || c.Refused == "" || c.Listed() {
		t.Errorf("%+v", c)
	}
	if s = s.With(RefusalRead{"other@localhost"}); s.Contact("other@localhost") != nil || s.Refusals() != 0 {
		t.Error("it stays")
	}
}
