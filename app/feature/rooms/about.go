package rooms

import (
	"errors"
	"strconv"
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/legible"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// Namespaces of what rooms say of themselves and their occupants.
const (
	nsInfo         = "http://jabber.org/protocol/disco#info"
	nsID           = "urn:xmpp:occupant-id:0"
	nsArchive      = "urn:xmpp:mam:2"
	nsSID          = "urn:xmpp:sid:0"
	nsHats         = "urn:xmpp:hats:0"
	nsReg          = "jabber:iq:register"
	nsModerate     = "urn:xmpp:message-moderate:1"
	nsModerate0    = "urn:xmpp:message-moderate:0"
	nsRestrictions = "urn:xmpp:reactions:0:restrictions"
)

const (
	// mostHats is how many hats of an occupant are kept, and longestHat how many bytes of each.
	mostHats, longestHat = 5, 64
	// mostAllowed is how many of the emoji are kept with which one may react, and mostReactions how many
	// of them one may use at most.
	mostAllowed, mostReactions = 64, 20
	// mostHashes is how many hashes of a room's picture are kept.
	mostHashes = 4
)

// describe asks a room what it is.
func (r *rooms) describe(c feature.Client, room jid.JID, done func(error)) {
	iq := framing.New(framing.NSClient, "iq").Set("type", "get").Set("to", string(room)).Add(framing.New(nsInfo, "query"))
	c.Request(iq, func(reply *framing.Element, err error) {
		if errors.Is(err, stream.ErrDisconnected) {
			return // the next stream asks again
		}
		if err == nil && c.State().Room(room) != nil {
			c.Emit(state.RoomDescribed{Room: room, Info: info(reply.Child(nsInfo, "query"))})
		}
		done(err)
	})
}

// info reads the RoomInfo from the answer to describe.
func info(query *framing.Element) (i state.RoomInfo) {
	for _, el := range query.Elements() {
		switch v := el.Attr("var"); {
		case el.Is(nsInfo, "identity") && el.Attr("category") == "conference" && i.Name == "":
			i.Name = short(el.Attr("name"), longestNick)
		case !el.Is(nsInfo, "feature"):
		case v == nsArchive:
			i.Archive = true
		case v == nsReg:
			i.Registers = true
		case v == nsID:
			i.OccupantIDs = true
		case v == nsSID:
			i.StanzaIDs = true
		case v == nsHats:
			i.Hats = true
		case v == nsModerate:
			i.Moderates = nsModerate
		case v == nsModerate0 && i.Moderates == "":
			i.Moderates = nsModerate0
		case v == NS+"#stable_id":
			i.StableIDs = true
		case v == "muc_nonanonymous":
			i.ShowsAddresses = true
		case v == "muc_membersonly":
			i.MembersOnly = true
		}
	}
	for _, field := range about(query, NS+"#roominfo").Elements() {
		value := field.Child(feature.NSForm, "value").Text()
		on := value == "1" || value == "true"
		// A room has one of these names (XEP-0045 §15.5; ejabberd and Prosody use names of their own).
		switch field.Attr("var") {
		case "muc#roominfo_subjectmod", "muc#roominfo_changesubject", "muc#roomconfig_changesubject":
			i.OpenSubject = on
		case "muc#roominfo_avatarhash":
			i.Pictures = hashes(field)
		case "muc#roomconfig_allowinvites", "{http://prosody.im/protocol/muc}roomconfig_allowmemberinvites":
			i.OpenInvites = on
		}
	}
	for _, field := range about(query, nsRestrictions).Elements() {
		switch field.Attr("var") {
		case "allowlist":
			i.Reactions = emoji(field)
		case "max_reactions_per_user":
			n, err := strconv.Atoi(field.Child(feature.NSForm, "value").Text())
			if err == nil && n > 0 {
				i.MostReactions = min(n, mostReactions)
			}
		}
	}
	return i
}

// about returns the form of an answer that is about something (XEP-0128 §3), nil if there is none. A form that
// does not say what it is about is about the room.
func about(query *framing.Element, what string) *framing.Element {
	for _, form := range query.Elements() {
		if !form.Is(feature.NSForm, "x") {
			continue
		}
		is := NS + "#roominfo"
		for _, field := range form.Elements() {
			if field.Attr("var") == "FORM_TYPE" {
				is = field.Child(feature.NSForm, "value").Text()
			}
		}
		if is == what {
			return form
		}
	}
	return nil
}

// emoji reads the emoji with which alone one may react in a room (XEP-0444 §2.2).
func emoji(field *framing.Element) string {
	var all []string
	for _, value := range field.Elements() {
		if one := value.Text(); value.Is(feature.NSForm, "value") && legible.Emoji(one) && len(all) < mostAllowed {
			all = append(all, one)
		}
	}
	return strings.Join(all, " ")
}

// hashes reads the hashes of a room's picture (XEP-0486 §3.3).
func hashes(field *framing.Element) string {
	var all []string
	for _, value := range field.Elements() {
		if hash := strings.ToLower(value.Text()); value.Is(feature.NSForm, "value") && sha1Hex(hash) && len(all) < mostHashes {
			all = append(all, hash)
		}
	}
	return strings.Join(all, " ")
}

func sha1Hex(s string) bool { return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == "" }

// describeAgain asks a room what it is, until it has not changed while it was asked.
func (r *rooms) describeAgain(c feature.Client, room jid.JID, v *visit) {
	v.asking = true
	r.describe(c, room, func(error) {
		if v.asking = v.stale; v.stale {
			v.stale = false
			r.describeAgain(c, room, v)
		}
	})
}

// changed reports whether a status code says that a room is configured otherwise now (XEP-0045 §10.2.1).
func changed(code string) bool {
	switch code {
	case "104", "170", "171", "172", "173":
		return true
	}
	return false
}

// hats returns the titles that a room has given to an occupant (XEP-0317), "" if there are none. If the room does not
// say that it knows hats, the occupant may have sent them.
func hats(st *feature.Stanza) string {
	var titles []string
	for _, hat := range st.Only(nsHats, "hats").Elements() {
		if title := strings.TrimSpace(short(hat.Attr("title"), longestHat)); hat.Is(nsHats, "hat") && title != "" && len(titles) < mostHats {
			titles = append(titles, title)
		}
	}
	return strings.Join(titles, ", ")
}

// identity returns the occupant-id of a presence (XEP-0421), "" if there is none. If the room does not say that it
// adds them, the occupant may have sent it.
func identity(st *feature.Stanza) string {
	if id := st.Only(nsID, "occupant-id").Attr("id"); len(id) <= longestID {
		return strings.Clone(id)
	}
	return ""
}

// reserved asks a room which nick it keeps for us, by its name for that (XEP-0045 §7.12) or, where it has none,
// by what it says to those who register (§7.10). One that we could not have there is none.
func (r *rooms) reserved(c feature.Client, room jid.JID, done func()) {
	ask := func(query *framing.Element, then func(query *framing.Element, err error)) {
		iq := framing.New(framing.NSClient, "iq").Set("type", "get").Set("to", string(room)).Add(query)
		c.Request(iq, func(reply *framing.Element, err error) {
			if !errors.Is(err, stream.ErrDisconnected) { // else the next stream enters the room again
				then(reply.Child(query.Name.Space, "query"), err)
			}
		})
	}
	tell := func(nick string) {
		at, err := jid.Parse(string(room) + "/" + nick)
		if now := c.State().Room(room); now != nil && len(nick) <= longestNick && (nick == "" || err == nil) && now.Reserved != at.Resource() {
			c.Emit(state.NickReserved{Room: room, Nick: strings.Clone(at.Resource())})
		}
		done()
	}
	ask(framing.New(nsInfo, "query").Set("node", "x-roomuser-item"), func(query *framing.Element, err error) {
		if err != nil {
			ask(framing.New(nsReg, "query"), func(query *framing.Element, err error) {
				switch {
				case err != nil:
					done()
				case query.Child(nsReg, "registered") == nil:
					tell("")
				default:
					tell(registeredNick(query))
				}
			})
			return
		}
		tell(query.Child(nsInfo, "identity").Attr("name"))
	})
}

// registeredNick is the nick that a room says it keeps, or is in the form that it sends with that.
func registeredNick(query *framing.Element) string {
	if nick := query.Child(nsReg, "username").Text(); nick != "" {
		return nick
	}
	for _, field := range query.Child(feature.NSForm, "x").Elements() {
		if field.Attr("var") == "muc#register_roomnick" {
			return field.Child(feature.NSForm, "value").Text()
		}
	}
	return ""
}
