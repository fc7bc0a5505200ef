package archive

import (
	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// NewInRooms is New for who goes into rooms: to enter one is to catch up with its archive.
// What is said there live is not looked at, so that all there is has come by the archive.
func NewInRooms() *feature.Feature {
	a := newArchive()
	f := a.feature()
	f.Presences = map[framing.Name]feature.Handler{
		{Space: nsRoomUser, Local: "x"}: func(c feature.Client, st *feature.Stanza) {
			for _, el := range st.Child(nsRoomUser, "x").Elements() {
				if el.Name.Local == "status" && el.Attr("code") == "110" && st.Type == "" {
					a.catchUp(c, state.Part{Archive: st.From.Bare()})
				}
			}
		},
	}
	f.Messages[framing.Name{Space: framing.NSClient, Local: "body"}] = func(c feature.Client, st *feature.Stanza) {
		if st.Conv.Kind() == state.Groupchat && st.Page != nil {
			st.Page.Add(st.Conv, state.Message{
				ID: st.ID, ArchiveID: st.ArchiveID, Author: st.From, At: st.At, Body: st.Child(framing.NSClient, "body").Text(),
			})
		}
	}
	return f
}

const nsRoomUser = "http://jabber.org/protocol/muc#user"

// CaughtUp reports whether a catch-up with a room has come to its end.
func CaughtUp(s *state.State, room jid.JID) bool {
	c := s.Coverage(state.Part{Archive: room})
	return len(c.Ranges) > 0 && c.Open.IsZero() && !c.Fill.Loading
}
