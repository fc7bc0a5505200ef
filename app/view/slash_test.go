package view

import (
	"strings"
	"testing"

	"natter/app/state"
)

func TestSlash(t *testing.T) {
	for text, want := range map[string]string{
		"/me waves": "me", "/me": "me", "/join room": "join", "/Join\nx": "Join", "/": "", "//join": "", "/usr/bin": "", "/ join": "", " /join": "", "/1": "", "/é": "", "join": "", "/a-b": "", "": "",
	} {
		if got := slash(text); got != want {
			t.Errorf("%q is the command %q, want %q", text, got, want)
		}
	}
}

// A command that is unknown is not told to others; it is the person's again, who may send it as text.
func TestSlash_UnknownIsNotSent(t *testing.T) {
	b := sit(t)
	b.receive(grace, "hello")
	b.sig("open", grace, "")
	b.did, b.settling = nil, Settling{}
	b.sig("send", grace, "/kick grace")
	b.wants(t)
	if b.settling != (Settling{Focus: "message", Fill: true, Words: "/kick grace"}) {
		t.Errorf("%+v", b.settling)
	}
	if html := tight(b.html()); !strings.Contains(html, "There is no command<bdi>/kick</bdi>.") || !strings.Contains(b.html(), `data-do="send-text"`) {
		t.Errorf("it is not said: %s", html)
	}
	b.happened(Signal{Do: doMessage, Conv: grace, Text: "/kick grace"}) // it is in the composer again
	if html := b.html(); !strings.Contains(html, "There is no command") {
		t.Error("it is said no longer")
	}
	b.did = nil
	b.happened(Signal{Do: doSend, Conv: grace, Text: "/kick grace", Also: "text"})
	if len(b.did) != 1 || !strings.Contains(b.did[0], "Body:/kick grace") || strings.Contains(b.html(), "There is no command") {
		t.Errorf("wanted %q", b.did)
	}
	b.sig("send", grace, "/kick grace")
	b.happened(Signal{Do: doMessage, Conv: grace, Text: "/kic"})
	if html := b.html(); strings.Contains(html, "There is no command") {
		t.Error("it is said of something else")
	}
	b.did = nil
	for _, text := range []string{"/me waves", "/usr/bin/env", "/ a"} {
		b.sig("send", grace, text)
	}
	if got := strings.Join(b.did, "\n"); strings.Count(got, "SendMessage") != 3 {
		t.Errorf("wanted %s", got)
	}
}

// One that was sent from a page which no longer has its conversation open waits there as a draft.
func TestSlash_UnknownElsewhere(t *testing.T) {
	b := sit(t)
	b.receive(grace, "hello")
	b.receive(alan, "hello")
	b.sig("open", alan, "")
	b.did = nil
	b.sig("send", grace, "/kick alan")
	b.wants(t)
	if got := b.draft(grace); got != "/kick alan" {
		t.Errorf("the draft is %q", got)
	}
}

// A room is joined from anywhere; what stands in the way is said in the dialog.
func TestSlash_Join(t *testing.T) {
	b := sit(t)
	b.receive(grace, "hello")
	b.sig("open", grace, "")
	b.did = nil
	b.sig("send", grace, "/join")
	b.wants(t, "BrowseRooms{}")
	b.says(t, "Room address")
	b.sig("send", grace, "/join tea") // of which server is not known yet
	b.wants(t, "BrowseRooms{}")
	b.says(t, `value="tea"`)
	b.sig("send", grace, "/join example.org")
	if b.wants(t, "BrowseRooms{}"); !strings.Contains(b.dialog.fault, "address of a server") {
		t.Errorf("%+v", b.dialog)
	}
	b.says(t, `value="example.org"`)
	b.sig("send", grace, "/join lounge@rooms.example/countess")
	b.wants(t, "BrowseRooms{}", "JoinRoom{Room:lounge@rooms.example Nick:countess Password: Create:false Seen:false}")
	if got := b.draft(grace); got != "" {
		t.Errorf("%q stays behind", got)
	}
	b.play(state.RoomWanted{Room: lounge}, state.RoomEntered{Room: lounge, Nick: "countess"}, state.RoomInside{Room: lounge})
	if b.open != lounge+"/" || b.dialog.kind != "" {
		t.Errorf("%s is open, with %+v", b.open, b.dialog)
	}
	b.did = nil
	b.say("/join tea")
	b.wants(t, "BrowseRooms{}", "JoinRoom{Room:tea@rooms.example Nick: Password: Create:false Seen:false}")
}

// A room can be left in which the person is no longer.
func TestSlash_Leave(t *testing.T) {
	b := in(t, state.Occupant{})
	b.play(closed("kicked", ""))
	b.say("/leave")
	b.wants(t, "LeaveRoom{Room:lounge@rooms.example}")
	if b.open != "" || b.draft(lounge+"/") != "" {
		t.Errorf("%s is open, with %q", b.open, b.draft(lounge+"/"))
	}
}
