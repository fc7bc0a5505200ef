// Package creation configures rooms that we have created by entering them (XEP-0045 §10.1): as a group of a few people,
// or as a room for all. Package rooms enters them.
//
// A group is for members only, who see each other's addresses. It is in no list, has an archive, and stays when all have
// left it. A room for all stays too. Fields that the form of a server does not have are left out. Only the field that
// keeps others out of a group must be there: without it no group is made.
//
// State.Room(…).Group is set until the group is made, and Locked until a room for all is configured; both are kept on the
// disk. So the next stream or page that enters the room goes on, from the beginning: a room of ejabberd that was not
// configured is gone, with its archive, when all are out for a moment. Each step may be done twice without harm.
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
	nsInvite = "jabber:x:conference"
)

// most bounds the people who are added to a new group.
const most = 100

// Names of fields in the form of a room. The archive has another name on each of Prosody and ejabberd.
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
				case room.Locked:
					open(c, room.JID)
				}
			case state.RoomLeft:
				delete(m, ev.Room)
			}
		},
	}
}

// making has the rooms of the groups that are being made.
type making map[jid.JID]bool

// group begins to make a group of a room that we are in.
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
	errTaken = &framing.StanzaError{Condition: "conflict"}                // we are not the owner of the room
	errOpen  = &framing.StanzaError{Condition: "feature-not-implemented"} // the room cannot be for members only
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

// admit makes the chosen people members, and invites each of them after that.
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
				return // the next stream begins again
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

// open configures a room for all, which is locked until then (XEP-0045 §10.1.2). If that fails, it accepts the
// configuration of the server.
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
		c.Request(iq(room, "set", query()), func(_ *framing.Element, err error) { made(err) })
	})
}

// configure requests the form of a room, and sends it back with those of the values for which it has fields. It fails if
// there is no field for needed, unless that is "".
func configure(c feature.Client, room jid.JID, values map[string]string, needed string, done func(error)) {
	c.Request(iq(room, "get", framing.New(nsOwner, "query")), func(reply *framing.Element, err error) {
		if err != nil {
			done(err)
			return
		}
		var fields []state.Filled
		has := needed == ""
		for _, el := range reply.Child(nsOwner, "query").Child(feature.NSForm, "x").Elements() {
			v := el.Attr("var")
			value, wanted := values[v]
			if !wanted || !el.Is(feature.NSForm, "field") || !takes(el, value) {
				continue
			}
			delete(values, v) // a field counts once
			has = has || v == needed
			fields = append(fields, feature.Field(strings.Clone(v), value))
		}
		if !has {
			done(errOpen)
			return
		}
		c.Request(iq(room, "set", query(fields...)), func(_ *framing.Element, err error) { done(err) })
	})
}

// takes reports whether a field can have a value. If the field has options, the value must be one of them.
func takes(field *framing.Element, value string) bool {
	options := 0
	for _, el := range field.Elements() {
		if el.Is(feature.NSForm, "option") {
			if options++; el.Child(feature.NSForm, "value").Text() == value {
				return true
			}
		}
	}
	return options == 0
}

// query returns the payload that configures a room. Without fields it accepts the configuration of the server
// (XEP-0045 §10.1.2).
func query(fields ...state.Filled) *framing.Element {
	if len(fields) > 0 {
		fields = append([]state.Filled{feature.Field("FORM_TYPE", nsConfig)}, fields...)
	}
	return framing.New(nsOwner, "query").Add(feature.Submit(fields...))
}

func iq(room jid.JID, typ string, payload *framing.Element) *framing.Element {
	return framing.New(framing.NSClient, "iq").Set("type", typ).Set("to", string(room)).Add(payload)
}
