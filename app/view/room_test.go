package view

import (
	"strings"
	"testing"

	"natter/app/state"
)

const lounge = "lounge@rooms.example"

// says fails if the page does not say something.
func (b *bench) says(t *testing.T, want string) {
	t.Helper()
	if !strings.Contains(b.html(), want) {
		t.Errorf("the page does not have %s", want)
	}
}

func entered() state.Event {
	return state.RoomEntered{Room: lounge, Nick: "ada", Self: "a1", Occupants: []state.Occupant{{Nick: "ada", ID: "a1"}, {Nick: "grace", ID: "g1"}}}
}

func closed(kind, field string) state.Event {
	return state.RoomClosed{Room: lounge, Problem: &state.Problem{Kind: kind, Text: "It is so.", Advice: "Do that.", Field: field}}
}

// A room is joined by its address, what stands in the way is said in the dialog, and we are in the
// room as soon as it lets us in.
func TestJoinRoom(t *testing.T) {
	b := sit(t)
	b.sig("join-room", "", "")
	for typed, fault := range map[string]string{"": "Enter the address", "rooms.example": "the address of a server", "a b@c": "no address"} {
		if b.sig("join", "", typed); !strings.Contains(b.dialog.fault, fault) {
			t.Errorf("%q: %q", typed, b.dialog.fault)
		}
	}
	b.wants(t)
	b.sig("join", "", "xmpp:Lounge@rooms.example?join")
	b.wants(t, "JoinRoom{Room:lounge@rooms.example Nick: Password: Create:false Seen:false}")
	b.play(state.RoomWanted{Room: lounge})
	b.says(t, "Joining…")
	b.play(closed("password", "password"))
	b.says(t, "It is so. Do that.")
	b.happened(Signal{Do: "join", Text: lounge, Also: "tea"})
	b.play(state.RoomWanted{Room: lounge}, closed("nick-taken", "nick"))
	b.says(t, `value="ada2"`)
	b.happened(Signal{Do: "join", Text: lounge, Also: "ada2"})
	b.wants(t, "JoinRoom{Room:lounge@rooms.example Nick: Password:tea Create:false Seen:false}",
		"JoinRoom{Room:lounge@rooms.example Nick:ada2 Password: Create:false Seen:false}")
	b.play(closed("no-room", ""))
	b.sig("create-room", lounge, "")
	b.play(closed("shows-addresses", ""))
	b.sig("join-seen", lounge, "")
	b.wants(t, "JoinRoom{Room:lounge@rooms.example Nick: Password: Create:true Seen:true}",
		"JoinRoom{Room:lounge@rooms.example Nick: Password: Create:false Seen:true}")
	b.play(entered())
	if b.dialog.kind != "" || b.open != lounge+"/" {
		t.Errorf("dialog %q, open %q", b.dialog.kind, b.open)
	}
	b.says(t, "2 people")

	t.Run("who gives up does not want it any more", func(t *testing.T) {
		b := sit(t)
		b.sig("join-room", "", "")
		b.sig("join", "", lounge)
		b.play(state.RoomWanted{Room: lounge}, closed("banned", ""))
		b.sig("close", "", "")
		b.wants(t, "JoinRoom{Room:lounge@rooms.example Nick: Password: Create:false Seen:false}", "LeaveRoom{Room:lounge@rooms.example}")
	})
}

// A room is in the list for as long as the person wants to be in it, with who has spoken last; and
// says why we are not in it.
func TestRoom(t *testing.T) {
	b := sit(t)
	b.play(state.RoomWanted{Room: lounge}, state.RoomDescribed{Room: lounge, Info: state.RoomInfo{Name: "The Lounge"}}, entered(),
		state.MessageAdded{Conv: lounge + "/", Message: state.Message{ID: "m1", Author: lounge + "/\x01g1", Nick: "grace", Body: "good day", At: noon}})
	if items := b.items(""); items[0].name != "The Lounge" {
		t.Errorf("%+v", items)
	}
	for _, want := range []string{"The Lounge", ", Room. ", "good day"} {
		b.says(t, want)
	}
	b.happened(Signal{Do: "open", Conv: lounge + "/"})
	b.says(t, `aria-label="grace, `)
	b.play(state.RoomClosed{Room: lounge, Problem: &state.Problem{Kind: "gone", Text: "This room has moved."}, Moved: "salon@rooms.example"})
	b.says(t, "Join salon@rooms.example")
	b.did = nil
	b.sig("rejoin", "salon@rooms.example", "")
	b.sig("leave-room", lounge, "")
	b.wants(t, "JoinRoom{Room:salon@rooms.example Nick: Password: Create:false Seen:false}", "LeaveRoom{Room:lounge@rooms.example}")
	b.play(state.RoomLeft{Room: lounge})
	for _, it := range b.items("") {
		if it.conv == lounge+"/" {
			t.Error("it is still in the list")
		}
	}
}
