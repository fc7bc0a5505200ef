//go:build linux

package client_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest"
	"natter/framing"
)

// Sec8, Sec9, Sec10: an occupant sends a thousand reactions, a huge subject, and corrections and retractions
// of messages of somebody else, under a nick that looks the same. That changes only what the occupant may
// change, and its cost is bounded. The honest stanzas of the same kinds work.
func TestSec8_Sec9_Sec10_HostileOccupant(t *testing.T) {
	const room, all = jid.JID("lounge@rooms.peer.test"), state.ConvID("lounge@rooms.peer.test/")
	// The third letter is from another script, and the last character has no width.
	const lookAlike = "gr\u0430ce\u200b"
	enter, then := make(chan struct{}), make(chan struct{})
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		welcome(c)
		<-enter
		c.Wait(func(e *framing.Element) bool {
			if jid.JID(e.Attr("to")).Bare() != room {
				return false
			}
			if e.Name.Local != "iq" {
				return true
			}
			var junk strings.Builder
			for i := range 1000 {
				fmt.Fprintf(&junk, `<feature var='urn:junk:%d'/><identity category='conference' type='text' name='junk %d'/>`, i, i)
			}
			junk.WriteString(`<x xmlns='jabber:x:data' type='result'>`)
			for i := range 1000 {
				fmt.Fprintf(&junk, `<field var='muc#roominfo_%d' type='list-multi' label='%[1]d'><option><value>x</value></option><value>muc_nonanonymous</value></field>`, i)
			}
			c.Sendf(`<iq xmlns='jabber:client' type='result' id='%s' from='%s' to='%s'><query xmlns='http://jabber.org/protocol/disco#info'>`+
				`<identity category='conference' type='text' name='The Lounge'/><feature var='http://jabber.org/protocol/muc'/><feature var='urn:xmpp:occupant-id:0'/>`+
				`<feature var='urn:xmpp:sid:0'/>%s</x></query></iq>`, e.Attr("id"), room, c.JID, junk.String())
			return false
		})
		n := 0
		say := func(nick, id, inner string) {
			n++
			c.Sendf(`<message xmlns='jabber:client' type='groupchat' from='%s/%s' to='%s' id='m%d'>%s<occupant-id xmlns='urn:xmpp:occupant-id:0' id='%s'/>`+
				`<stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='s%[4]d'/></message>`, room, nick, c.JID, n, inner, id, room)
		}
		for nick, id := range map[string]string{"grace": "g1", lookAlike: "x1"} {
			c.Sendf(`<presence xmlns='jabber:client' from='%s/%s' to='%s'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant'/></x><occupant-id xmlns='urn:xmpp:occupant-id:0' id='%s'/></presence>`, room, nick, c.JID, id)
		}
		c.Sendf(`<presence xmlns='jabber:client' from='%s/ada' to='%s'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant'/><status code='110'/></x><occupant-id xmlns='urn:xmpp:occupant-id:0' id='a1'/></presence>`, room, c.JID)
		c.Sendf(`<message xmlns='jabber:client' type='groupchat' from='%s' to='%s'><subject>Tea</subject></message>`, room, c.JID)
		say("grace", "g1", "<body>first</body>")  // s1
		say("grace", "g1", "<body>second</body>") // s2
		react := func(of string, emoji ...string) string {
			return `<reactions xmlns='urn:xmpp:reactions:0' id='` + of + `'><reaction>` + strings.Join(emoji, "</reaction><reaction>") + `</reaction></reactions>`
		}
		var many []string
		for i := range 1000 {
			many = append(many, string(rune(0x1F600+i%64)))
			say(lookAlike, "x1", react("s1", many[i]))
		}
		say(lookAlike, "x1", react("s1", many...))
		say(lookAlike, "x1", `<body>forged</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/>`)
		say(lookAlike, "x1", `<retract xmlns='urn:xmpp:message-retract:1' id='s2'/>`)
		say(lookAlike, "x1", "<subject>"+strings.Repeat("Tea, more tea ", 70_000)+"</subject>")
		say("grace", "g1", react("s1", "🎉"))
		say("grace", "g1", `<body>second, corrected</body><replace xmlns='urn:xmpp:message-correct:0' id='m2'/>`)
		say("grace", "g1", "<body>the end</body>")
		<-then
		c.Live()
	})
	ada := alone(t, peer).here()
	close(enter)
	ada.Do(state.JoinRoom{Room: room, Nick: "ada"})
	s := ada.until("the end", func(s *state.State) bool {
		c := s.Chat(all)
		return c != nil && c.Timeline.Len() > 0 && c.Timeline.Last().Body == "the end"
	})
	close(then)
	r := s.Room(room)
	if s.Connection.Phase != state.Online || ada.wire.Dials() != 1 || r.Name != "The Lounge" || r.ShowsAddresses || len(r.Subject) > 5000 || !strings.HasPrefix(r.Subject, "Tea, more") {
		t.Errorf("%+v, %d dials, %q, shows addresses %v, a subject of %d bytes", s.Connection, ada.wire.Dials(), r.Name, r.ShowsAddresses, len(r.Subject))
	}
	first, second := s.About(state.Target{Conv: all, ID: "s1"}), s.About(state.Target{Conv: all, ID: "s2"})
	if _, gone := second.Gone(); gone || second.Words() != "second, corrected" || first.Words() != "first" || len(first.Versions()) != 0 {
		t.Errorf("she says %q and %q, gone %v", first.Words(), second.Words(), gone)
	}
	by, n := map[jid.JID]int{}, 0
	for _, reaction := range first.Reactions() {
		for _, f := range reaction.By {
			by[f.By]++
		}
		n++
	}
	row, err := json.Marshal(first)
	if err != nil || len(by) != 2 || by[room.WithResource("\x01g1")] != 1 || n > 21 || len(row) > 2000 {
		t.Errorf("%d kinds of reactions by %v in a row of %d bytes, %v", n, by, len(row), err)
	}
	for _, m := range s.Chat(all).Timeline.Newest(10) {
		if m.Body == "forged" && m.Author == first.Author {
			t.Errorf("who looks like her is her: %+v", *m)
		}
	}
}
