package nicks

import (
	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// Namespaces of XEP-0077, XEP-0004 and XEP-0045 §15.5.
const (
	nsRegister = "jabber:iq:register"
	formType   = "http://jabber.org/protocol/muc#register"
	roomNick   = "muc#register_roomnick"
)

// registerWhy has the sentences for the stanza errors with which a room answers a registration.
var registerWhy = map[string]string{
	"conflict":                "It is kept for somebody else. Choose another one.",
	"registration-required":   "Only members of this room can register one. Ask one of its admins to make you a member.",
	"not-allowed":             "This room does not let you register.",
	"forbidden":               "This room does not let you register.",
	"not-acceptable":          "This room does not keep this nickname.",
	"bad-request":             "This room wants to know more than a nickname.",
	"jid-malformed":           "Nobody can be called that in a room. Choose another one.",
	"service-unavailable":     "This room does not keep nicknames.",
	"feature-not-implemented": "This room does not keep nicknames.",
}

// register registers a nick in a room; with "" it ends the registration (XEP-0045 §7.10).
func register(c feature.Client, room *state.Room, nick string) {
	if !room.In() {
		return
	}
	done := func(err error) {
		if err == nil {
			c.Emit(state.NickReserved{Room: room.JID, Nick: nick})
		}
		what := "The nickname was not registered."
		if nick == "" {
			what = "The nickname is still kept for you."
		}
		feature.AnswerRoom(c, room.JID, state.Registration, err, what, registerWhy)
	}
	if nick == "" {
		c.Request(query(room.JID, "set", framing.New(nsRegister, "remove")), func(_ *framing.Element, err error) { done(err) })
		return
	}
	to, err := jid.Parse(string(room.JID) + "/" + nick)
	if err != nil || len(nick) > longest {
		done(&framing.StanzaError{Condition: "jid-malformed"})
		return
	}
	nick = to.Resource()
	fill(c, room.JID, nick, func(bool) bool { return true }, done)
}

func query(room jid.JID, typ string, payload ...*framing.Element) *framing.Element {
	return framing.New(framing.NSClient, "iq").Set("type", typ).Set("to", string(room)).Add(framing.New(nsRegister, "query").Add(payload...))
}

// fill requests the form of a room, and sends it back with a nick if goOn returns true, which hears whether the
// person is registered there.
func fill(c feature.Client, room jid.JID, nick string, goOn func(registered bool) bool, done func(error)) {
	c.Request(query(room, "get"), func(reply *framing.Element, err error) {
		asked := reply.Child(nsRegister, "query")
		switch {
		case err != nil:
			done(err)
		case !goOn(asked.Child(nsRegister, "registered") != nil):
		case wantsMore(asked.Child(feature.NSForm, "x")):
			done(&framing.StanzaError{Condition: "bad-request"})
		default:
			x := feature.Submit(feature.Field("FORM_TYPE", formType), feature.Field(roomNick, nick))
			c.Request(query(room, "set", x), func(_ *framing.Element, err error) { done(err) })
		}
	})
}

// wantsMore reports whether a form has a required field other than the nick.
func wantsMore(x *framing.Element) bool {
	for _, el := range x.Elements() {
		if v := el.Attr("var"); el.Is(feature.NSForm, "field") && el.Child(feature.NSForm, "required") != nil && v != roomNick && v != "FORM_TYPE" {
			return true
		}
	}
	return false
}
