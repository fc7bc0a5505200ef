// Package creation makes what is wanted of rooms that our entering has made (XEP-0045 §10.1): a group of
// few people, or a room for all. Package rooms enters them.
//
// A group is for members alone, who see each other's addresses; it is in no list, and stays with what was
// said when all have left it. A room for all stays as well. Fields that the form of a server does not have
// are left, but for the one that keeps others out of a group: without it there is none.
//
// Until a group is made it is State.Room(…).Group, which is on the disk: whoever enters the room as its owner
// goes on, from the beginning. Nothing of that does harm when it is done twice.
package creation

import (
	"errors"
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// Namespaces of XEP-0045, XEP-0004 and XEP-0249.
const (
	nsOwner  = "http://jabber.org/protocol/muc#owner"
	nsAdmin  = "http://jabber.org/protocol/muc#admin"
	nsConfig = "http://jabber.org/protocol/muc#roomconfig"
	nsForm   = "jabber:x:data"
	nsInvite = "jabber:x:conference"
)

// most is how many people are chosen for a group at once.
const most = 100

// Fields of the form of a room. Prosody and ejabberd have an archive each under its own name.
const (
	name       = "muc#roomconfig_roomname"
	members    = "muc#roomconfig_membersonly"
	persistent = "muc#roomconfig_persistentroom"
	public     = "muc#roomconfig_publicroom"
	listed     = "public_list"
	whois      = "muc#roomconfig_whois"
	archive    = "muc#roomconfig_enablearchiving"
	mam        = "mam"
	mamToo     = "muc#roomconfig_mam"
)

// New returns the feature.
func New() *feature.Feature {
	m := making{}
	return &feature.Feature{
		Name:  "creation of rooms (XEP-0045)",
		Start: func(feature.Client) { clear(m) },
		Observe: func(c feature.Client, ev state.Event) {
			switch ev := ev.(type) {
			case state.RoomEntered:
				switch room := c.State().Room(ev.Room); {
				case room.Group != nil:
					m.group(c, room)
				case ev.Made:
					open(c, room.JID)
				}
			case state.RoomLeft:
				delete(m, ev.Room)
			}
		},
	}
}

// making has the groups that are being made.
type making map[jid.JID]bool

// group makes a group of the room in which we are.
func (m making) group(c feature.Client, room *state.Room) {
	if m[room.JID] {
		return
	}
	if me := room.Myself(); me == nil || me.Affiliation != state.Owner {
		m.fails(c, room.JID, errTaken)
		return
	}
	m[room.JID] = true
	values := map[string]string{
		name: room.Group.Name, members: "1", persistent: "1", public: "0", listed: "0", whois: "anyone", archive: "1", mam: "1", mamToo: "1",
	}
	configure(c, room.JID, values, members, func(err error) {
		now := c.State().Room(room.JID)
		switch {
		case !m[room.JID] || errors.Is(err, stream.ErrDisconnected):
		case err != nil:
			m.fails(c, room.JID, err)
		case now.In() && now.Group != nil:
			m.admit(c, now)
		}
	})
}

var (
	errTaken = &framing.StanzaError{Condition: "conflict"}                // the room is somebody else's
	errOpen  = &framing.StanzaError{Condition: "feature-not-implemented"} // it cannot be for members alone
)

func (m making) fails(c feature.Client, room jid.JID, err error) {
	delete(m, room)
	feature.AnswerRoom(c, room, state.NewGroup, err, "The group was not made.", map[string]string{
		"conflict":                "There is a room of somebody else at its address. Try once more.",
		"feature-not-implemented": "This server cannot keep others out of a room. Create a room for all instead.",
		"forbidden":               "This server does not let you decide about the room. Ask who runs it.",
		"not-allowed":             "This server does not let you decide about the room. Ask who runs it.",
		"not-acceptable":          "The server does not accept what a group is to be. Ask who runs it.",
		"bad-request":             "The server does not accept what a group is to be. Ask who runs it.",
	})
}

// admit makes members of those who were chosen, and invites each who is one.
func (m making) admit(c feature.Client, room *state.Room) {
	who := room.Group.Who[:min(len(room.Group.Who), most)]
	left, failed := len(who)+1, []string(nil)
	over := func() {
		left--
		if left > 0 || !m[room.JID] {
			return
		}
		delete(m, room.JID)
		c.Emit(state.RoomMade{Room: room.JID})
		var problem *state.Problem
		if len(failed) > 0 {
			problem = &state.Problem{Text: "The group is there, but not everybody could be added.",
				Advice: "Invite them once more: " + strings.Join(failed, ", ") + "."}
		}
		c.Emit(state.RoomAnswered{Room: room.JID, To: state.NewGroup, Problem: problem})
	}
	for _, j := range who {
		if j = j.Bare(); j == c.State().Account() {
			left--
			continue
		}
		item := framing.New(nsAdmin, "item").Set("jid", string(j)).Set("affiliation", "member")
		c.Request(iq(room.JID, "set", framing.New(nsAdmin, "query").Add(item)), func(_ *framing.Element, err error) {
			switch {
			case errors.Is(err, stream.ErrDisconnected) || !m[room.JID]:
				return // the next stream begins anew
			case err != nil:
				failed = append(failed, j.Shown())
			default:
				_ = c.Send(framing.New(framing.NSClient, "message").Set("id", c.NewID()).Set("to", string(j)).
					Add(framing.New(nsInvite, "x").Set("jid", string(room.JID))))
			}
			over()
		})
	}
	over()
}

// open opens a room for all, which is locked until then (XEP-0045 §10.1.2). One that cannot be configured is
// as its server has it.
func open(c feature.Client, room jid.JID) {
	made := func(err error) {
		if !errors.Is(err, stream.ErrDisconnected) {
			c.Emit(state.RoomMade{Room: room})
		}
	}
	configure(c, room, map[string]string{members: "0", persistent: "1", public: "1", listed: "1", archive: "1", mam: "1", mamToo: "1"}, "", func(err error) {
		if err == nil || errors.Is(err, stream.ErrDisconnected) {
			made(err)
			return
		}
		c.Request(iq(room, "set", submit()), func(_ *framing.Element, err error) { made(err) })
	})
}

// configure asks for the form of a room and sends it back with these values, as far as it has fields for
// them. It fails if it has none for the one that is needed.
func configure(c feature.Client, room jid.JID, values map[string]string, needed string, done func(error)) {
	c.Request(iq(room, "get", framing.New(nsOwner, "query")), func(reply *framing.Element, err error) {
		if err != nil {
			done(err)
			return
		}
		var fields []*framing.Element
		has := needed == ""
		for _, el := range reply.Child(nsOwner, "query").Child(nsForm, "x").Elements() {
			v := el.Attr("var")
			value, wanted := values[v]
			if !wanted || !el.Is(nsForm, "field") || !takes(el, value) {
				continue
			}
			delete(values, v) // a field counts once
			has = has || v == needed
			fields = append(fields, framing.New(nsForm, "field").Set("var", strings.Clone(v)).Add(framing.New(nsForm, "value").AddText(value)))
		}
		if !has {
			done(errOpen)
			return
		}
		c.Request(iq(room, "set", submit(fields...)), func(_ *framing.Element, err error) { done(err) })
	})
}

// takes reports whether a field can have a value: one with options has one of these.
func takes(field *framing.Element, value string) bool {
	options := 0
	for _, el := range field.Elements() {
		if el.Is(nsForm, "option") {
			if options++; el.Child(nsForm, "value").Text() == value {
				return true
			}
		}
	}
	return options == 0
}

// submit is a form with these fields; without any it takes what the server has (XEP-0045 §10.1.2).
func submit(fields ...*framing.Element) *framing.Element {
	x := framing.New(nsForm, "x").Set("type", "submit")
	if len(fields) > 0 {
		x.Add(framing.New(nsForm, "field").Set("var", "FORM_TYPE").Set("type", "hidden").Add(framing.New(nsForm, "value").AddText(nsConfig)))
	}
	return framing.New(nsOwner, "query").Add(x.Add(fields...))
}

func iq(room jid.JID, typ string, payload *framing.Element) *framing.Element {
	return framing.New(framing.NSClient, "iq").Set("type", typ).Set("to", string(room)).Add(payload)
}
