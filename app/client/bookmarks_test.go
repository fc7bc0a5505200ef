//go:build linux

package client_test

import (
	"testing"

	"natter/app/state"
)

// J09, J12, J21: a room that is entered or left on one device is entered or left on the other, and on one
// that signs in later, wherever the server stores the bookmarks.
func TestJ09_J12_J21_RoomsOfAllDevices(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		account := p.account(t)
		desk, phone := p.device(t, account).here(), p.device(t, account).here()
		// Before the server has heard of a device what it wants to be told, it tells it nothing. It has when it has a later stanza.
		phone.Do(state.SendMessage{Conv: phone.conv(), Body: "a note"})
		phone.sees(account, "a note", state.OnServer)
		room := p.room("bookmarked")
		inside := func(s *state.State) bool { r := s.Room(room); return r.In() && r.Saved }
		desk.Do(state.JoinRoom{Room: room, Create: true})
		desk.until("in the room, which is bookmarked", inside)
		phone.until("in the room, too", inside)
		p.device(t, account).here().until("in the room as well", inside)
		phone.Do(state.LeaveRoom{Room: room})
		desk.until("out of the room", func(s *state.State) bool { return s.Room(room) == nil })
	})
}
