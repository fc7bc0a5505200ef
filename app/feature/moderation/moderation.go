// Package moderation changes what people may do in rooms (XEP-0045 §8 and §9): roles, which occupants have while they are
// in the room, and affiliations, which people keep. Package rooms reads both.
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

// New returns the feature.
func New() *feature.Feature {
	return &feature.Feature{Name: "moderation of rooms (XEP-0045)", Do: do}
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
	if reason != "" {
		item.Add(framing.New(ns, "reason").AddText(reason))
	}
	iq := framing.New(framing.NSClient, "iq").Set("type", "set").Set("to", string(room.JID)).Add(framing.New(ns, "query").Add(item))
	c.Request(iq, func(_ *framing.Element, err error) {
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
