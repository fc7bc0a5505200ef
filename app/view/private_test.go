package view

import (
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
)

const aside = state.ConvID(lounge + "/grace")

// whisper is what an occupant with an id says to us alone under the nick grace.
func whisper(id, body string) state.Event {
	return state.MessageAdded{Conv: aside, Message: state.Message{ID: body, Author: lounge + "/\x01" + jid.JID(id), Nick: "grace", Body: body, At: noon}}
}

// A conversation with an occupant is begun from the list of members, says in its head and its composer
// who sees it, and is none with the owner of a real address; nobody is offered as a contact.
func TestPrivate(t *testing.T) {
	b := sit(t)
	b.play(state.RoomWanted{Room: lounge}, state.RoomDescribed{Room: lounge, Info: state.RoomInfo{Name: "The Lounge", OccupantIDs: true}}, entered(), state.RoomInside{Room: lounge})
	b.happened(Signal{Do: "open", Conv: lounge + "/"})
	b.sig("details", "", "")
	b.says(t, "More about grace")
	b.sig("member-menu", "", "grace")
	b.says(t, `data-conv="lounge@rooms.example/grace"`)
	b.sig("member-menu", "", "ada")
	if strings.Contains(b.html(), `data-conv="lounge@rooms.example/ada"`) {
		t.Error("one can write to oneself")
	}
	b.did = nil
	b.happened(Signal{Do: "open", Conv: aside})
	b.wants(t, "StartChat{Conv:lounge@rooms.example/grace}")
	b.play(state.ChatStarted{Conv: aside})
	b.says(t, "grace (The Lounge)")
	b.says(t, `placeholder="Only grace in The Lounge sees this"`)
	b.sig("details", "", "")
	if html := b.html(); strings.Contains(html, "Add to contacts") || !strings.Contains(html, "goes to whoever has this nickname in the room") {
		t.Error("the details are those of a person")
	}
	b.did = nil
	b.happened(Signal{Do: "send", Conv: aside, Text: "psst"})
	if len(b.did) != 1 {
		t.Errorf("did %v", b.did)
	}
}

// Whoever takes over a nick does not go on with the conversation of somebody else without a word, and
// nothing is written to who is not there.
func TestPrivate_SomebodyElse(t *testing.T) {
	b := sit(t)
	b.play(state.RoomWanted{Room: lounge}, state.RoomDescribed{Room: lounge, Info: state.RoomInfo{OccupantIDs: true}}, entered(), state.RoomInside{Room: lounge},
		whisper("g1", "good day"), whisper("g1", "are you there?"))
	b.happened(Signal{Do: "open", Conv: aside})
	const line = "From here on somebody else is called grace."
	lines := func(want int) {
		t.Helper()
		if n := strings.Count(b.html(), line); n != want {
			t.Errorf("it is said %d times, want %d", n, want)
		}
	}
	lines(0)
	b.play(state.OccupantLeft{Room: lounge, Nick: "grace"})
	b.says(t, "grace is not in lounge now.")
	b.did = nil
	b.happened(Signal{Do: "send", Conv: aside, Text: "where are you?"})
	for _, did := range b.did {
		if strings.HasPrefix(did, "SendMessage") {
			t.Error("it is sent")
		}
	}
	if b.settling.Words != "where are you?" {
		t.Errorf("the composer has %q", b.settling.Words)
	}
	b.play(state.OccupantChanged{Room: lounge, Occupant: state.Occupant{Nick: "grace", ID: "m1"}})
	lines(1)
	b.play(whisper("m1", "I am grace"))
	lines(1)
	b.play(state.MessageAdded{Conv: aside, Message: state.Message{ID: "mine", Author: ada, Mine: true, Body: "are you?", At: noon}}, whisper("m1", "yes"))
	lines(1)
	b.play(state.RoomClosed{Room: lounge})
	b.says(t, "You are not in lounge.")
	b.play(state.RoomLeft{Room: lounge})
	for _, it := range b.items("") {
		if it.conv == aside {
			t.Error("it is in the list without its room")
		}
	}
}
