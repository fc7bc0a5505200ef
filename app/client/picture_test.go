//go:build linux

package client_test

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/png"
	"strings"
	"testing"

	"natter/app/state"
)

// J46: an owner sets the picture of a room, and everybody in it has it, and somebody who comes later. Where the
// server keeps no pictures of rooms, the owner reads that.
func TestJ46_PictureOfARoom(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace := p.person(t).here(), p.person(t).here()
		room := p.room("pictured")
		in := func(s *state.State) bool { r := s.Room(room); return r.In() && r.Step == state.Inside }
		ada.Do(state.JoinRoom{Room: room, Create: true, Nick: "ada"})
		ada.until("in the room", in)
		eventually(t, "the room is open, and asked what it is once more", func() bool {
			asked := 0
			for _, doc := range ada.wire.sent(0) {
				if strings.Contains(doc, `to="`+string(room)+`"`) && strings.Contains(doc, "disco#info") {
					asked++
				}
			}
			return asked > 1
		})
		grace.Do(state.JoinRoom{Room: room, Nick: "grace"})
		grace.until("in the room", in)
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 96, 96))); err != nil {
			t.Fatal(err)
		}
		url := "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())
		ada.Do(state.ChangePicture{Room: room, URL: url})
		s := ada.until("an answer", func(s *state.State) bool { return s.Room(room).Outcome.To == state.NewPicture })
		if problem := s.Room(room).Outcome.Problem; problem != nil {
			if s.Room(room).Picture.URL != "" || problem.Advice != "This server keeps no pictures of rooms." {
				t.Errorf("%+v", *problem)
			}
			t.Log(problem.Advice)
			return
		}
		pictured := func(s *state.State) bool { r := s.Room(room); return r != nil && r.Picture.URL == url }
		grace.until("the picture", pictured)
		ada.until("the picture", pictured)
		later := p.person(t).here()
		later.Do(state.JoinRoom{Room: room, Nick: "alan"})
		later.until("the picture", pictured)
		if p.domain == "prosody13.test" {
			return // it goes on saying the hash of the picture that is gone
		}
		ada.Do(state.ChangePicture{Room: room})
		grace.until("no picture", func(s *state.State) bool { return s.Room(room).Picture.URL == "" })
	})
}
