package view

import (
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
)

// Below the newest message that occupants have read stand their names, but not of whoever has written since. Who
// is discreet sees none.
func TestReaders(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Participant}, state.Occupant{Nick: "grace", Role: state.Participant}, state.Occupant{Nick: "bob", Role: state.Participant})
	b.play(state.RoomDescribed{Room: lounge, Info: state.RoomInfo{ShowsAddresses: true}})
	for _, m := range [][2]string{{"grace", "s1"}, {"bob", "s2"}} {
		b.play(state.MessageAdded{Conv: lounge + "/", Message: state.Message{ID: m[1], ArchiveID: m[1], Author: "lounge@rooms.example/" + jid.JID(m[0]), Nick: m[0], Body: m[1], At: noon}})
	}
	read := func(nick, id string) {
		b.play(state.RoomReadTo{Room: lounge, Nick: nick, By: "lounge@rooms.example/" + jid.JID(nick), ID: id})
	}
	read("grace", "s2")
	read("bob", "s1")
	html := b.html()
	if at := strings.Index(html, "Read by grace<"); at < strings.Index(html, "s2") || strings.Contains(html, "bob</p>") {
		t.Errorf("read by grace stands at %d", at)
	}
	b.play(state.DiscretionChanged{On: true})
	b.saysNot(t, "Read by")
}
