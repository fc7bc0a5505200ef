// Package corrections sends and receives corrections of messages (XEP-0308).
package corrections

import (
	"slices"
	"strings"

	"natter/app/feature"
	"natter/app/state"
	"natter/framing"
)

// NS is the namespace of XEP-0308.
const NS = "urn:xmpp:message-correct:0"

// asking are the payloads by which a message requests an answer. Its correction does not have them.
var asking = []framing.Name{{Space: "urn:xmpp:receipts", Local: "request"}, {Space: "urn:xmpp:chat-markers:0", Local: "markable"}}

// New returns the feature.
func New() *feature.Feature {
	said := &feature.Said{}
	return &feature.Feature{
		Name:  "corrections (XEP-0308)",
		Disco: []string{NS},
		First: map[framing.Name]func(feature.Client, *feature.Stanza) bool{
			{Space: NS, Local: "replace"}: corrected,
		},
		Messages: map[framing.Name]feature.Handler{{Space: framing.NSClient, Local: "error"}: said.Bounced},
		Do: func(c feature.Client, in state.Intent) bool {
			correct, ok := in.(state.Correct)
			if ok {
				do(c, said, correct)
			}
			return ok
		},
		Lost: said.Lost(NS, "replace"),
		Retry: func(_ feature.Client, st *framing.Element) bool {
			return st.Child(NS, "replace") != nil // a second copy is recognised by its id
		},
	}
}

// corrected notes the new text of a message. It corrects only a message of its own author (CVE-2022-39835), and never
// the stanza itself (CVE-2021-41055). In a room without occupant-ids, the author must have had the nick since the
// message; otherwise the correction is shown as a message of its own.
func corrected(c feature.Client, st *feature.Stanza) bool {
	id := st.Only(NS, "replace").Attr("id")
	body, ok := feature.Text(st.Element, "body")
	if id == "" || id == st.ID || body == "" || !ok {
		return false
	}
	if of := c.State().About(state.Target{Conv: st.Conv, Author: st.By.JID, ID: id}); !st.By.Lasting() && !st.By.Wrote(of) {
		return of.HasVersion(st.ID, body) // it may be a copy from an archive
	}
	f := st.Says(state.Corrected, st.By.JID, id, body)
	f.Stanza = strings.Clone(st.ID)
	if st.Conv.Kind() == state.Groupchat {
		f.Archive = strings.Clone(st.ArchiveID)
	}
	st.Then(func() { c.Emit(f) })
	return true
}

// do sends a correction. It has the payloads of the message, except those of asking.
func do(c feature.Client, said *feature.Said, in state.Correct) {
	body := in.Text()
	if body == "" || in.Of.ID == "" {
		return
	}
	feature.Emit(c, state.Shown(in, c.State()))
	st := feature.About(c, in.Of.Conv, framing.New(framing.NSClient, "body").AddText(body),
		framing.New(NS, "replace").Set("id", in.Of.ID)).Set("id", in.ID)
	c.Decorate(st)
	st.Children = slices.DeleteFunc(st.Children, func(n framing.Node) bool {
		return n.Element != nil && slices.Contains(asking, n.Element.Name)
	})
	if c.State().Connection.Phase != state.Online {
		feature.Delayed(st, in.At)
	}
	said.Send(c, st, in.Of, state.Refusal{Kind: state.Corrected, Text: body}, func() bool {
		m := c.State().About(in.Of)
		if m == nil {
			return true
		}
		_, now := m.Said()
		return now == body
	})
}
