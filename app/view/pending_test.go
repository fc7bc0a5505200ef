package view

import (
	"strings"
	"testing"

	"natter/app/state"
)

func TestPending_IsShown(t *testing.T) {
	b := sit(t)
	b.play(state.ConnectionChanged{Connection: state.Connection{Phase: state.Waiting}})
	if strings.Contains(b.html(), "when you are online") {
		t.Error("nothing was done, and something waits")
	}
	b.play(
		state.ContactPending{JID: "new@example.org", Pending: state.Pending{Edit: state.Add, Name: "Nina", Ask: true}},
		state.ContactPending{JID: grace, Pending: state.Pending{Edit: state.Rename, Name: "Amazing"}},
		state.ContactPending{JID: alan, Pending: state.Pending{Edit: state.Remove}})
	for _, want := range []string{
		">Nina<", "Will be added to your contacts when you are online", ">Amazing<", "Will be renamed when you are online",
		"Will be removed from your contacts when you are online", "What you did to 3 contacts is saved when you are online.",
	} {
		if !strings.Contains(b.html(), want) {
			t.Errorf("%q is not said", want)
		}
	}
	if strings.Contains(b.html(), ">Grace<") {
		t.Error("the old name is still there")
	}
	b.sig("open", "new@example.org", "")
	b.sig("details", "", "")
	if html := b.html(); !strings.Contains(html, `value="Nina"`) || strings.Contains(html, "Not in your contacts") {
		t.Error("the details do not know of it")
	}
	b.sig("leaving", "", "")
	if !strings.Contains(b.html(), "What you did to contacts has not been saved yet and will be lost.") {
		t.Error("nobody says that it is lost by signing out")
	}
	b.play(state.ConnectionChanged{Connection: state.Connection{Phase: state.Online}},
		state.ContactSaved{JID: "new@example.org", Name: "Nina"}, state.ContactSaved{JID: grace, Name: "Amazing"}, state.ContactRemoved{JID: alan},
		state.SubscriptionSent{To: "new@example.org"})
	b.sig("close", "", "")
	if html := b.html(); strings.Contains(html, "when you are online.") || strings.Contains(html, "Being ") || strings.Contains(html, ">Alan<") || !strings.Contains(html, ">Amazing<") {
		t.Errorf("it is done, and not shown so: %s", html)
	}
}

func TestRequests_AnsweredOffline(t *testing.T) {
	b := sit(t)
	b.flood(2)
	b.play(state.ConnectionChanged{Connection: state.Connection{Phase: state.Waiting}},
		state.ContactPending{JID: "nobody0000@flood.example", Pending: state.Pending{Answer: state.Decline}})
	if html := b.html(); !strings.Contains(html, "One person waits") || !strings.Contains(html, "What you did to a contact is saved when you are online.") {
		t.Error("an answer without a connection is not shown")
	}
	b.sig("requests", "", "")
	if html := b.html(); strings.Contains(html, "Accept nobody0000") || !strings.Contains(html, "Accept nobody0001") {
		t.Error("who was answered is asked for again")
	}
	b.play(state.ContactRefused{JID: "nobody0000@flood.example", Of: state.Pending{Answer: state.Decline}, Why: "was not told."})
	if html := b.html(); !strings.Contains(html, "Accept nobody0000") {
		t.Error("what was refused is not open again")
	}
}

func TestRefused_IsSaidUntilItIsRead(t *testing.T) {
	b := sit(t)
	b.play(state.ContactRefused{JID: "new@example.org", Of: state.Pending{Edit: state.Add}, Why: "could not be added."},
		state.ContactRefused{JID: "old@example.org", Of: state.Pending{Edit: state.Add}, Why: "could not be added."})
	if html := b.html(); !strings.Contains(html, "new@example.org") || strings.Contains(html, "old@example.org") {
		t.Error("not one at a time")
	}
	b.sig("dismiss", "new@example.org", "")
	b.wants(t, "DismissRefusal{JID:new@example.org}")
	b.play(state.RefusalRead{JID: "new@example.org"})
	if html := b.html(); strings.Contains(html, "new@example.org") || !strings.Contains(html, "old@example.org") {
		t.Error("the next one is not said")
	}
	b.play(state.RefusalRead{JID: "old@example.org"})
	if html := b.html(); strings.Contains(html, "could not be added") {
		t.Error("it is said for ever")
	}
}
