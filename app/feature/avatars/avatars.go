// Package avatars reads and sets the pictures of rooms (XEP-0486): a room says the hash of its picture with what it
// says of itself, or as older servers do in a presence (XEP-0153), and its vCard (XEP-0054) has the picture.
//
// A picture is drawn only if it has this hash, is a PNG or JPEG that does not move, and is small in bytes and
// in pixels: who owns a room chooses it. It is asked for once, whatever comes.
package avatars

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

const (
	nsCard   = "vcard-temp"
	nsUpdate = "vcard-temp:x:update"
)

const (
	// mostBytes is the largest picture, in bytes, and mostPixels the widest and the highest.
	mostBytes, mostPixels = 32 << 10, 512
	// mostPictures is how many rooms have pictures here. They are read from the disk at each start.
	mostPictures = 50
	// mostPhotos is how many of a vCard are looked at: each is the same picture in another format.
	mostPhotos = 4
)

// New returns the feature.
func New() *feature.Feature {
	a := avatars{}
	return &feature.Feature{
		Name:      "pictures of rooms (XEP-0486)",
		Start:     func(feature.Client) { clear(a) },
		Presences: map[framing.Name]feature.Handler{{Space: nsUpdate, Local: "x"}: a.told},
		Observe: func(c feature.Client, ev state.Event) {
			if ev, ok := ev.(state.RoomDescribed); ok {
				a.described(c, ev.Room)
			}
		},
		Do: do,
	}
}

// avatars has the rooms that have been asked for their pictures, and have not answered.
type avatars map[jid.JID]bool

// do sets the picture of a room: the vCard of the room has nothing else.
func do(c feature.Client, in state.Intent) bool {
	want, ok := in.(state.ChangePicture)
	if !ok {
		return false
	}
	card, picture := framing.New(nsCard, "vCard"), state.Picture{}
	if want.URL != "" {
		kind, text, _ := strings.Cut(strings.TrimPrefix(want.URL, "data:"), ";base64,")
		data, err := base64.StdEncoding.DecodeString(text)
		if is, wide, high := look(data); err != nil || is != kind || len(data) > mostBytes || !drawn(wide, high) {
			c.Emit(state.RoomAnswered{Room: want.Room, To: state.NewPicture, Problem: &state.Problem{
				Text: "The picture was not changed.", Advice: "This is no picture that can be read here. Choose a PNG or a JPEG.",
			}})
			return true
		}
		hash := sha1.Sum(data)
		picture = state.Picture{Hash: hex.EncodeToString(hash[:]), URL: want.URL}
		card.Add(framing.New(nsCard, "PHOTO").Add(
			framing.New(nsCard, "TYPE").AddText(kind), framing.New(nsCard, "BINVAL").AddText(text)))
	}
	iq := framing.New(framing.NSClient, "iq").Set("type", "set").Set("to", string(want.Room)).Add(card)
	c.Request(iq, func(_ *framing.Element, err error) {
		if err == nil {
			c.Emit(state.RoomPictured{Room: want.Room, Picture: picture})
		}
		feature.AnswerRoom(c, want.Room, state.NewPicture, err, "The picture was not changed.", map[string]string{
			"forbidden":               "Only owners may change it.",
			"not-allowed":             "Only owners may change it.",
			"service-unavailable":     "This server keeps no pictures of rooms.",
			"feature-not-implemented": "This server keeps no pictures of rooms.",
		})
	})
	return true
}

// drawn reports whether a picture of this size may be drawn.
func drawn(wide, high int) bool {
	return 0 < wide && wide <= mostPixels && 0 < high && high <= mostPixels
}

// described follows what a room has said of itself.
func (a avatars) described(c feature.Client, j jid.JID) {
	switch room := c.State().Room(j); {
	case room == nil:
	case room.Picture.Told && slices.Contains(strings.Fields(room.Pictures), room.Picture.Hash):
		c.Emit(state.RoomPictured{Room: j, Picture: state.Picture{Hash: room.Picture.Hash, URL: room.Picture.URL}})
	case room.Pictures != "":
		a.ask(c, room, strings.Fields(room.Pictures), false)
	case !room.Picture.Told && room.Picture != (state.Picture{}):
		c.Emit(state.RoomPictured{Room: j})
	}
}

// told follows the presence of a room. It counts if the room says nothing of pictures elsewhere.
func (a avatars) told(c feature.Client, st *feature.Stanza) {
	room, photo := c.State().Room(st.From), st.Only(nsUpdate, "x").Only(nsUpdate, "photo")
	if !st.From.IsBare() || room == nil || room.Step == state.Outside || photo == nil || room.Pictures != "" {
		return
	}
	switch hash := strings.ToLower(photo.Text()); {
	case hash != "" && hash == room.Picture.Hash:
		if !room.Picture.Told {
			c.Emit(state.RoomPictured{Room: room.JID, Picture: state.Picture{Hash: hash, URL: room.Picture.URL, Told: true}})
		}
	case len(hash) == 2*sha1.Size:
		a.ask(c, room, []string{hash}, true)
	case hash == "" && room.Picture.Told:
		c.Emit(state.RoomPictured{Room: room.JID})
	}
}

// ask asks a room for its picture, unless it is known.
func (a avatars) ask(c feature.Client, room *state.Room, hashes []string, told bool) {
	j := room.JID
	if a[j] || slices.Contains(hashes, room.Picture.Hash) || crowded(c.State(), room) {
		return
	}
	a[j] = true
	iq := framing.New(framing.NSClient, "iq").Set("type", "get").Set("to", string(j)).Add(framing.New(nsCard, "vCard"))
	c.Request(iq, func(reply *framing.Element, err error) {
		delete(a, j)
		if room := c.State().Room(j); err == nil && room != nil {
			p := picture(reply.Child(nsCard, "vCard"), hashes)
			p.Told = told && room.Pictures == "" // it may have said so meanwhile
			c.Emit(state.RoomPictured{Room: j, Picture: p})
		}
	})
}

// crowded reports whether as many other rooms have pictures as may.
func crowded(s *state.State, room *state.Room) bool {
	n := 0
	for r := range s.Rooms {
		if r.Picture.URL != "" && r.JID != room.JID {
			n++
		}
	}
	return n >= mostPictures
}

// picture returns the first picture of a vCard that has one of the hashes and may be drawn. If there is
// none, the picture has no URL, and a hash, so that it is not asked for again.
func picture(card *framing.Element, hashes []string) state.Picture {
	photos := 0
	for _, photo := range card.Elements() {
		if !photo.Is(nsCard, "PHOTO") {
			continue
		}
		if photos++; photos > mostPhotos {
			break
		}
		text := strings.Map(func(r rune) rune {
			if r <= ' ' {
				return -1
			}
			return r
		}, photo.Child(nsCard, "BINVAL").Text())
		if len(text) > base64.StdEncoding.EncodedLen(mostBytes) {
			continue
		}
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			continue
		}
		hash := sha1.Sum(data)
		kind, wide, high := look(data)
		if is := hex.EncodeToString(hash[:]); slices.Contains(hashes, is) && drawn(wide, high) {
			return state.Picture{Hash: is, URL: "data:" + kind + ";base64," + text}
		}
	}
	return state.Picture{Hash: hashes[0]}
}
