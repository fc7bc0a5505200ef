package view

import (
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
)

// A group is a name and people; it is shown once it is made. What stands in the way is said with what was
// typed, and the next try makes another room.
func TestGroup(t *testing.T) {
	b := sit(t)
	b.newRoom = func() string { return "x1" }
	b.sig("new", "", "")
	b.says(t, "New group")
	b.sig("group", "", "")
	b.wants(t, "BrowseRooms{}")
	b.sig("name-group", "", " ")
	b.says(t, "Enter a name for the group.")
	b.sig("name-group", "", " Tea ")
	b.says(t, "People in “Tea”")
	b.sig("make-group", "", "al")
	b.says(t, "Choose who is to be in it.")
	b.wants(t)
	b.sig("guest", grace, "")
	b.sig("guest-text", "", "hedy@example.org")
	b.sig("guest", "hedy@example.org", "")
	b.sig("back-to-group", "", "")
	b.says(t, `value="Tea"`)
	b.sig("name-group", "", "Tea")
	if got := strings.Join(dataJIDs(b.html(), doGuest), " "); got != grace+" hedy@example.org "+alan || len(b.dialog.guests) != 2 {
		t.Errorf("offered %q, chosen are %q", got, b.dialog.guests)
	}

	b.sig("make-group", "", "")
	b.wants(t, "BrowseRooms{}")
	b.says(t, "Making the group…")
	b.play(state.DirectoryRead{Directory: &state.Directory{Loading: true}})
	b.wants(t)
	b.play(state.DirectoryRead{Directory: &state.Directory{}})
	b.says(t, "There is no place for rooms on this server.")
	b.play(state.DirectoryRead{Directory: &state.Directory{Service: "rooms.example.org", Loading: true}})
	b.sig("make-group", "", "")
	b.wants(t, "MakeGroup{Room:x1@rooms.example.org Name:Tea Who:[grace@example.org hedy@example.org]}")
	b.sig("make-group", "", "") // the second time it waits already
	b.wants(t)

	room := jid.JID("x1@rooms.example.org")
	b.play(state.RoomWanted{Room: room}, state.GroupPlanned{Room: room, Name: "Tea"},
		state.RoomClosed{Room: room, Problem: &state.Problem{Kind: "not-allowed", Text: "No.", Advice: "Never."}})
	b.says(t, "This server does not let you make rooms. Ask who runs it.")
	b.wants(t, "LeaveRoom{Room:x1@rooms.example.org}")

	b.newRoom = func() string { return "x2" }
	room = "x2@rooms.example.org"
	b.sig("make-group", "", "")
	b.wants(t, "MakeGroup{Room:x2@rooms.example.org Name:Tea Who:[grace@example.org hedy@example.org]}")
	entered := state.RoomEntered{Room: room, Nick: "ada", Occupants: []state.Occupant{{Nick: "ada"}}, Made: true}
	b.play(state.RoomWanted{Room: room}, state.GroupPlanned{Room: room, Name: "Tea"}, entered)
	b.says(t, "Making the group…")
	b.play(state.RoomAnswered{Room: room, To: state.NewGroup, Problem: &state.Problem{Text: "The group was not made.", Advice: "So it is."}})
	b.says(t, "The group was not made. So it is.")
	b.wants(t, "LeaveRoom{Room:x2@rooms.example.org}")
	b.play(state.RoomLeft{Room: room})

	b.sig("make-group", "", "")
	b.did = nil
	b.play(state.RoomWanted{Room: room}, state.GroupPlanned{Room: room, Name: "Tea"}, entered,
		state.RoomMade{Room: room}, state.RoomAnswered{Room: room, To: state.NewGroup})
	if b.dialog.kind != "" || b.open != state.Groupchat.With(room) {
		t.Errorf("open is %q, with %+v", b.open, b.dialog)
	}
	b.wants(t)
}

// Whoever closes the dialog gives up the group, and nobody makes one without a connection.
func TestGroup_GivenUp(t *testing.T) {
	b := sit(t)
	b.newRoom = func() string { return "x1" }
	b.play(state.DirectoryRead{Directory: &state.Directory{Service: "rooms.example.org"}},
		state.ConnectionChanged{Connection: state.Connection{Phase: state.Connecting}})
	b.sig("group", "", "")
	b.sig("name-group", "", "Tea")
	b.did = nil
	b.sig("make-group", "", "hedy@example.org")
	b.says(t, "You are offline. Try again when you are back.")
	b.wants(t)
	b.play(state.ConnectionChanged{Connection: state.Connection{Phase: state.Online}})
	b.sig("make-group", "", "")
	b.wants(t, "MakeGroup{Room:x1@rooms.example.org Name:Tea Who:[hedy@example.org]}")
	b.sig("close", "", "")
	b.wants(t, "LeaveRoom{Room:x1@rooms.example.org}")
	b.sig("group", "", "")
	b.did = nil
	b.sig("close", "", "")
	b.wants(t)
}
