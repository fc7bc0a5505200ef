// Package approvals asks a room for voice (XEP-0045 §7.13), and has the person decide what others ask of it: to speak
// (§8.6), and to become a member (§9.9). Package nicks asks to become one.
//
// A room sends a form to those who decide, and gives what was asked for when one of them sends it back. It confirms
// nothing; a presence says what has changed.
package approvals

import (
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// mostFields and longest bound the fields of a form and the bytes of each of their values.
const mostFields, longest = 20, 1023

// allows has the name of the field that says whether it is allowed, by the type of the form.
var allows = map[string]string{state.VoiceAppeal: "muc#request_allow", state.MemberAppeal: "muc#register_allow"}

// New returns the feature.
func New() *feature.Feature {
	a := approvals{}
	return &feature.Feature{
		Name: "requests in rooms (XEP-0045)",
		Messages: map[framing.Name]feature.Handler{
			{Space: feature.NSForm, Local: "x"}:       asked,
			{Space: framing.NSClient, Local: "error"}: a.refused,
		},
		Do: a.do,
	}
}

// approvals has the ids of our requests for voice, by room.
type approvals map[jid.JID]string

func (a approvals) do(c feature.Client, in state.Intent) bool {
	switch in := in.(type) {
	case state.AskVoice:
		room := c.State().Room(in.Room)
		if me := room.Myself(); me != nil && me.Role == state.Visitor && !room.VoiceAsked {
			a[room.JID] = c.NewID()
			c.Emit(state.VoiceAsked{Room: room.JID})
			send(c, room.JID, a[room.JID], []state.Filled{{Var: "FORM_TYPE", Values: []string{state.VoiceAppeal}}, {Var: "muc#role", Values: []string{"participant"}}})
		}
	case state.AnswerAppeal:
		for _, ask := range c.State().Room(in.Room).OpenAppeals() {
			if ask.Type == in.Type && ask.Nick == in.Nick {
				c.Emit(state.AppealAnswered{Room: in.Room, Type: in.Type, Nick: in.Nick})
				allow := "0"
				if in.Allow {
					allow = "1"
				}
				send(c, in.Room, c.NewID(), append(ask.Fields[:len(ask.Fields):len(ask.Fields)], state.Filled{Var: allows[in.Type], Values: []string{allow}}))
			}
		}
	default:
		return false
	}
	return true
}

// send sends a filled form to a room.
func send(c feature.Client, room jid.JID, id string, fields []state.Filled) {
	_ = c.Send(framing.New(framing.NSClient, "message").Set("to", string(room)).Set("id", id).Add(feature.Submit(fields...))) // without a connection it waits for the next one
}

// asked notes that a room sends a form to decide about a request. Only the room itself does.
func asked(c feature.Client, st *feature.Stanza) {
	x := st.Only(feature.NSForm, "x")
	if room := c.State().Room(st.From); !room.In() || !st.From.IsBare() || st.Source != feature.Live || st.Type == "error" || x.Attr("type") != "form" {
		return
	}
	var ask state.Appeal
	for _, el := range x.Elements() {
		name, value := el.Attr("var"), el.Child(feature.NSForm, "value").Text()
		switch {
		case !el.Is(feature.NSForm, "field") || name == "" || name == "muc#request_allow" || name == "muc#register_allow":
			continue
		case len(ask.Fields) == mostFields || len(name) > longest || len(value) > longest:
			return
		case name == "FORM_TYPE":
			ask.Type = strings.Clone(value)
		case name == "muc#roomnick" || name == "muc#register_roomnick":
			ask.Nick = strings.Clone(value)
		case name == "muc#jid":
			ask.JID = jid.JID(strings.Clone(string(jid.JID(value).Bare())))
		}
		ask.Fields = append(ask.Fields, state.Filled{Var: strings.Clone(name), Values: []string{strings.Clone(value)}})
	}
	if allows[ask.Type] != "" && ask.Nick != "" {
		c.Emit(state.Appealed{Room: st.From, Appeal: ask})
	}
}

// refused handles the error for our request for voice.
func (a approvals) refused(c feature.Client, st *feature.Stanza) {
	if id := a[st.From.Bare()]; id != "" && id == st.ID && st.From.IsBare() {
		delete(a, st.From)
		feature.AnswerRoom(c, st.From, state.Voice, framing.ReadStanzaError(st.Element), "The room does not pass on that you want to speak.", map[string]string{
			"conflict": "You have asked before. Try again later.",
		})
	}
}
