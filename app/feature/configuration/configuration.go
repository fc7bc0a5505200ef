// Package configuration configures rooms by data forms (XEP-0004), and destroys them, if the person owns them
// (XEP-0045 §10.2, §10.9).
//
// The form of a room may have any size: state.MostFields fields are shown. The others are not sent back, so the room
// leaves them as they are (XEP-0045 §10.2).
package configuration

import (
	"strings"
	"unicode/utf8"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

const ns = "http://jabber.org/protocol/muc#owner"

// longest bounds the bytes of a text in a form, most the values and options of a field.
const longest, most = 2000, 100

// New returns the feature.
func New() *feature.Feature {
	return &feature.Feature{Name: "configuration of rooms (XEP-0045)", Do: do}
}

func do(c feature.Client, in state.Intent) bool {
	switch in := in.(type) {
	case state.ReadRoomForm:
		read(c, c.State().Room(in.Room))
	case state.ConfigureRoom:
		submit(c, c.State().Room(in.Room), in.Fields)
	case state.DestroyRoom:
		destroy(c, c.State().Room(in.Room), in.Reason)
	default:
		return false
	}
	return true
}

func iq(room jid.JID, typ string, payload ...*framing.Element) *framing.Element {
	return framing.New(framing.NSClient, "iq").Set("type", typ).Set("to", string(room)).Add(framing.New(ns, "query").Add(payload...))
}

var why = map[string]string{
	"forbidden":      "Only its owners may do that.",
	"not-allowed":    "Only its owners may do that.",
	"not-acceptable": "The room does not accept one of the values.",
	"bad-request":    "The room does not accept one of the values.",
}

// read requests the form of a room.
func read(c feature.Client, room *state.Room) {
	if !room.In() {
		return
	}
	c.Emit(state.RoomFormRead{Room: room.JID})
	c.Request(iq(room.JID, "get"), func(reply *framing.Element, err error) {
		form := form(reply.Child(ns, "query").Child(feature.NSForm, "x"))
		switch {
		case err != nil:
			feature.AnswerRoom(c, room.JID, state.NewForm, err, "The settings of this room cannot be read.", why)
		case form == nil:
			feature.AnswerRoom(c, room.JID, state.NewForm, &framing.StanzaError{Condition: "service-unavailable"}, "The settings of this room cannot be read.", why)
		default:
			c.Emit(state.RoomFormRead{Room: room.JID, Form: form})
		}
	})
}

// submit sends the filled fields of a form to the room.
func submit(c feature.Client, room *state.Room, fields []state.Filled) {
	if !room.In() || room.Form == nil {
		return
	}
	var hidden []state.Filled
	for _, f := range room.Form.Fields {
		if f.Type == "hidden" && f.Var != "" {
			hidden = append(hidden, state.Filled{Var: f.Var, Values: f.Values})
		}
	}
	c.Request(iq(room.JID, "set", feature.Submit(append(hidden, fields...)...)), func(_ *framing.Element, err error) {
		if err == nil {
			c.Emit(state.RoomFormRead{Room: room.JID})
		}
		feature.AnswerRoom(c, room.JID, state.NewConfiguration, err, "The settings were not changed.", why)
	})
}

func destroy(c feature.Client, room *state.Room, reason string) {
	if !room.In() {
		return
	}
	el := framing.New(ns, "destroy")
	if reason != "" {
		el.Add(framing.New(ns, "reason").AddText(reason))
	}
	c.Request(iq(room.JID, "set", el), func(_ *framing.Element, err error) {
		if err == nil {
			c.Emit(state.RoomLeft{Room: room.JID})
			return
		}
		feature.AnswerRoom(c, room.JID, state.Destruction, err, "The room was not destroyed.", why)
	})
}

var types = map[string]bool{
	"boolean": true, "fixed": true, "hidden": true, "jid-multi": true, "jid-single": true, "list-multi": true,
	"list-single": true, "text-multi": true, "text-private": true, "text-single": true,
}

// form reads a form. It returns nil if it cannot be filled in.
func form(x *framing.Element) *state.Form {
	if x == nil || x.Attr("type") != "form" {
		return nil
	}
	form := &state.Form{Title: short(x.Child(feature.NSForm, "title").Text()), Instructions: short(x.Child(feature.NSForm, "instructions").Text())}
	for _, el := range x.Elements() {
		if !el.Is(feature.NSForm, "field") {
			continue
		}
		if len(form.Fields) == state.MostFields {
			form.More++
			continue
		}
		f := state.Field{
			Var: strings.Clone(el.Attr("var")), Type: strings.Clone(el.Attr("type")), Label: short(el.Attr("label")),
			About: short(el.Child(feature.NSForm, "desc").Text()), Required: el.Child(feature.NSForm, "required") != nil,
		}
		if !types[f.Type] {
			f.Type = "text-single" // XEP-0004 §3.3
		}
		whole := len(f.Var) <= longest
		for _, child := range el.Elements() {
			switch {
			case child.Is(feature.NSForm, "value") && len(f.Values) < most:
				v := child.Text()
				whole = whole && len(v) <= longest
				f.Values = append(f.Values, strings.Clone(v))
			case child.Is(feature.NSForm, "option") && len(f.Options) < most:
				v := child.Child(feature.NSForm, "value").Text()
				whole = whole && len(v) <= longest
				f.Options = append(f.Options, state.Option{Value: strings.Clone(v), Label: short(child.Attr("label"))})
			case child.Is(feature.NSForm, "value"), child.Is(feature.NSForm, "option"):
				whole = false
			}
		}
		if !whole || f.Var == "" && f.Type != "fixed" {
			form.More++ // it would be sent back as something else
			continue
		}
		form.Fields = append(form.Fields, f)
	}
	return form
}

// short returns a copy of the first bytes of a text, longest at most.
func short(text string) string {
	if most := longest; len(text) > most {
		for !utf8.RuneStart(text[most]) {
			most--
		}
		text = text[:most]
	}
	return strings.Clone(text)
}
