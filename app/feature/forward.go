package feature

import (
	"time"

	"natter/framing"
)

const (
	nsForward = "urn:xmpp:forward:0"
	nsDelay   = "urn:xmpp:delay"

	nsRoomUser = "http://jabber.org/protocol/muc#user"
)

// Forwarded returns the message inside wrapper's only <forwarded/> (XEP-0297) and the time
// of its delay, zero if that cannot be read. It returns nil unless there is exactly one
// message in jabber:client: an ambiguous wrapper is an attack (CVE-2017-5589 and
// similar).
func Forwarded(wrapper *framing.Element) (message *framing.Element, at time.Time) {
	f := wrapper.Only(nsForward, "forwarded")
	message = f.Only(framing.NSClient, "message")
	at, _ = Stamp(f.Only(nsDelay, "delay"))
	return message, at
}

// Stamp reads the time of a <delay/> (XEP-0203).
func Stamp(delay *framing.Element) (at time.Time, ok bool) {
	if delay == nil {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, delay.Attr("stamp"))
	return at, err == nil
}
