// Package moderation changes what people may do in rooms (XEP-0045 §8 and §9): roles, which occupants have while they are
// in the room, and affiliations, which people keep. Package rooms reads both. It also has rooms remove messages
// (XEP-0425); package retractions reads which are removed.
//
// A room makes a change and sends it to all, or answers with an error; then nothing has changed.
package moderation

import (
	"errors"
	"strings"
	"unicode/utf8"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

const ns = "http://jabber.org/protocol/muc#admin"

// Namespaces of XEP-0425 and XEP-0424, and of their earlier versions with XEP-0422, which many rooms know alone.
const (
	nsModerate = "urn:xmpp:message-moderate:1"
	nsRetract  = "urn:xmpp:message-retract:1"
	nsFasten   = "urn:xmpp:fasten:0"
	nsRetract0 = "urn:xmpp:message-retract:0"
)

// New returns the feature.
func New() *feature.Feature {
	return &feature.Feature{Name: "moderation of rooms (XEP-0045, XEP-0425)", Do: do}
}

var roles = map[state.Role]string{
	state.NoRole: "none", state.Visitor: "visitor", state.Participant: "participant", state.Moderator: "moderator",
}

var affiliations = map[state.Affiliation]string{
	state.NoAffiliation: "none", state.Outcast: "outcast", state.Member: "member", state.Admin: "admin", state.Owner: "owner",
}

func do(c feature.Client, in state.Intent) bool {
	switch in := in.(type) {
	case state.ChangeRole:
		what := "The role was not changed."
		if in.Role == state.NoRole {
			what = "Nobody was kicked."
		}
		change(c, c.State().Room(in.Room), state.NewRole, what, in.Reason,
			framing.New(ns, "item").Set("nick", in.Nick).Set("role", roles[in.Role]), func() {})
	case state.ChangeAffiliation:
		what := "The rights were not changed."
		if in.Affiliation == state.Outcast {
			what = "Nobody was banned."
		}
		change(c, c.State().Room(in.Room), state.NewAffiliation, what, in.Reason,
			framing.New(ns, "item").Set("jid", string(in.Who.Bare())).Set("affiliation", affiliations[in.Affiliation]), func() {
				in.Who = in.Who.Bare()
				c.Emit(state.AffiliationGiven(in))
			})
	case state.Moderate:
		remove(c, c.State().Room(in.Of.Conv.JID()), in)
	case state.ReadPeople:
		list(c, c.State().Room(in.Room), in.Of)
	default:
		return false
	}
	return true
}

// change requests a change from a room, and emits the answer. It calls done if the room has made the change.
func change(c feature.Client, room *state.Room, to state.Wish, what, reason string, item *framing.Element, done func()) {
	if !room.In() {
		return
	}
	because(item, reason)
	c.Request(set(room, framing.New(ns, "query").Add(item)), func(_ *framing.Element, err error) {
		if err == nil {
			done()
		}
		feature.AnswerRoom(c, room.JID, to, err, what, map[string]string{
			"not-allowed":    "They have rights here that you may not change.",
			"conflict":       "You cannot do that to yourself.",
			"item-not-found": "They are not in the room any more.",
			"not-acceptable": "They are not in the room any more.",
		})
	})
}

// because adds a reason to what is requested, if there is one.
func because(el *framing.Element, reason string) {
	if reason != "" {
		el.Add(framing.New(el.Name.Space, "reason").AddText(reason))
	}
}

func set(room *state.Room, payload *framing.Element) *framing.Element {
	return framing.New(framing.NSClient, "iq").Set("type", "set").Set("to", string(room.JID)).Add(payload)
}

// remove has a room remove a message, in the words of the version that it knows (XEP-0425 §3).
func remove(c feature.Client, room *state.Room, in state.Moderate) {
	if !room.In() || room.Moderates == "" || in.Of.ID == "" {
		return
	}
	moderate := framing.New(room.Moderates, "moderate")
	payload := moderate
	if room.Moderates == nsModerate {
		moderate.Set("id", in.Of.ID).Add(framing.New(nsRetract, "retract"))
	} else {
		moderate.Add(framing.New(nsRetract0, "retract"))
		payload = framing.New(nsFasten, "apply-to").Set("id", in.Of.ID).Add(moderate)
	}
	because(moderate, in.Reason)
	c.Request(set(room, payload), func(_ *framing.Element, err error) {
		feature.AnswerRoom(c, room.JID, state.Removal, err, "The message was not removed.", map[string]string{
			"forbidden":      "Only moderators may do that in this room.",
			"item-not-found": "The room does not have it any more.",
		})
	})
}

// longest is how many bytes of a reason are kept.
const longest = 300

// list requests the people with an affiliation from a room (XEP-0045 §9.2, §9.5, §10.5, §10.8).
func list(c feature.Client, room *state.Room, of state.Affiliation) {
	if !room.In() || of == state.NoAffiliation {
		return
	}
	loading := &state.People{Of: of, Loading: true}
	c.Emit(state.PeopleRead{Room: room.JID, People: loading})
	query := framing.New(ns, "query").Add(framing.New(ns, "item").Set("affiliation", affiliations[of]))
	c.Request(framing.New(framing.NSClient, "iq").Set("type", "get").Set("to", string(room.JID)).Add(query), func(reply *framing.Element, err error) {
		if now := c.State().Room(room.JID); errors.Is(err, stream.ErrDisconnected) || now == nil || now.People != loading {
			return // the person has requested another list since
		}
		people := &state.People{Of: of}
		if err != nil {
			people.Problem = &state.Problem{Text: "The room does not tell who they are.", Advice: feature.WhyNot(err, nil)}
		}
		for _, el := range reply.Child(ns, "query").Elements() {
			who, wrong := jid.Parse(el.Attr("jid"))
			switch {
			case !el.Is(ns, "item") || wrong != nil || el.Attr("affiliation") != affiliations[of]:
			case len(people.Persons) == state.MostPeople:
				people.More++
			default:
				people.Persons = append(people.Persons, state.Person{
					JID: jid.JID(strings.Clone(string(who.Bare()))), Reason: short(el.Child(ns, "reason").Text())})
			}
		}
		people.Persons = state.Sorted(people.Persons)
		c.Emit(state.PeopleRead{Room: room.JID, People: people})
	})
}

// short returns a copy of the first bytes of a reason, longest at most.
func short(text string) string {
	if most := longest; len(text) > most {
		for !utf8.RuneStart(text[most]) {
			most--
		}
		text = text[:most]
	}
	return strings.Clone(text)
}
