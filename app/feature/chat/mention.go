package chat

import (
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
)

const (
	nsReference = "urn:xmpp:reference:0"
	nsMention   = "urn:xmpp:mentions:0"
	nsReply     = "urn:xmpp:reply:0"
)

// named reports whether a message of a room names the person: its text has their nick as a word, a payload mentions
// them (XEP-0372 §3.2, XEP-0513 §3.1), or it replies to them (XEP-0492 §3). Anybody can do that; it only decides
// whether the person is notified.
func named(c feature.Client, st *feature.Stanza, body string) bool {
	room := c.State().Room(st.Conv.JID())
	if room == nil {
		return false
	}
	if _, _, ok := state.Names(body, room.Nick); ok {
		return true
	}
	us := func(j jid.JID) bool { return j == c.State().Account() || j == room.JID.WithResource(room.Nick) }
	for _, el := range st.Elements() {
		switch {
		case el.Is(nsReference, "reference") && el.Attr("type") == "mention":
			uri, _ := strings.CutPrefix(el.Attr("uri"), "xmpp:")
			address, ok := jid.Decode(uri)
			if ok && us(jid.JID(address)) {
				return true
			}
		case el.Is(nsMention, "mention") && el.Attr("mentions") == "":
			if id := el.Attr("occupantid"); id != "" && id == room.Self || us(jid.JID(el.Attr("jid"))) {
				return true
			}
		case el.Is(nsReply, "reply"):
			of := c.State().About(state.Target{Conv: st.Conv, ID: el.Attr("id")})
			if of != nil && of.Mine || of == nil && us(jid.JID(el.Attr("to"))) {
				return true
			}
		}
	}
	return false
}
