package trial

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"

	"natter/app/jid"
	"natter/framing"
)

// mostCard is the largest vCard of a room, in bytes. It has a picture of 32 KiB, as base64.
const mostCard = 48 << 10

// roomCard shows the vCard of a room to everybody (XEP-0486 §3.4).
func roomCard(_ *Server, r *room, _, _ *framing.Element) (*framing.Element, string) {
	if r.card == nil {
		return framing.New(nsCard, "vCard"), ""
	}
	return r.card, ""
}

// setRoomCard lets an owner change the vCard, and tells all that the room is another one (XEP-0486 §3.2).
func setRoomCard(s *Server, r *room, iq, card *framing.Element) (*framing.Element, string) {
	switch {
	case r.affiliation(jid.JID(iq.Attr("from"))) < owner:
		return nil, "forbidden"
	case len(card.String()) > mostCard:
		return nil, "not-acceptable"
	}
	r.card = card
	s.tellChanged(r, "104")
	return nil, ""
}

// pictureHashes are the hashes of the pictures in the vCard of a room (XEP-0486 §3.3, XEP-0153 §3.1).
func (r *room) pictureHashes() (all []string) {
	if r.card == nil {
		return nil
	}
	for _, photo := range r.card.Elements() {
		if data, err := base64.StdEncoding.DecodeString(photo.Child(nsCard, "BINVAL").Text()); photo.Is(nsCard, "PHOTO") && err == nil && len(data) > 0 {
			hash := sha1.Sum(data)
			all = append(all, hex.EncodeToString(hash[:]))
		}
	}
	return all
}
