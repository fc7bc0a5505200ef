package archive

import (
	"errors"
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// mostNewest bounds the newest messages among which a message is looked for whose archive id is not known.
// Messages of ours in a conversation of two have no archive id until the next catch-up.
const mostNewest = 50

// original asks the archive for one message, to show its XML. An archive need not support a query for an id
// (XEP-0313 §4.1), but it has pages: the last message before the one after the wanted message is the wanted one.
func (a *archive) original(c feature.Client, in state.ReadOriginal) {
	a.showing = in
	tell := func(o state.Original) {
		if o.ReadOriginal = in; a.showing == in {
			c.Emit(state.OriginalRead{Original: &o})
		}
	}
	fail := func(err error) {
		var refused *framing.StanzaError
		if err == nil || errors.As(err, &refused) && refused.Condition == "item-not-found" {
			tell(state.Original{Problem: "The archive does not have this message, or no longer."})
			return
		}
		tell(state.Original{Problem: "It could not be looked up. " + reason(err)})
	}
	switch {
	case in == (state.ReadOriginal{}):
		c.Emit(state.OriginalRead{})
		return
	case c.State().Connection.Phase != state.Online:
		tell(state.Original{Problem: "You are offline. It can be looked up when you are online."})
		return
	}
	tell(state.Original{Loading: true})
	part := state.NewFill(c.State(), in.Conv, "", 0).Part
	read := func(before string, most int) {
		q := &query{part: part, only: func(result *framing.Element) bool { return is(result, in) }}
		a.request(c, q, state.Ask{Backward: true, Before: before, Max: most}, func(_ *framing.Element, err error) {
			if err != nil || q.found == nil {
				fail(err)
				return
			}
			xml := indented(q.found, "\n").String()
			tell(state.Original{XML: strings.Clone(strings.ToValidUTF8(xml[:min(len(xml), state.MostOriginal)], "")), Cut: len(xml) > state.MostOriginal})
		})
	}
	if in.ArchiveID == "" {
		read("", mostNewest)
		return
	}
	q := &query{part: part, only: func(*framing.Element) bool { return false }}
	a.request(c, q, state.Ask{After: in.ArchiveID, Max: 1}, func(_ *framing.Element, err error) {
		switch {
		case err != nil:
			fail(err)
		case len(q.edges) > 0:
			read(q.edges[0].ID, 1)
		default:
			read("", mostNewest) // it was the newest, but others may have come meanwhile
		}
	})
}

// is reports whether a result of an archive has the wanted message.
func is(result *framing.Element, in state.ReadOriginal) bool {
	if in.ArchiveID != "" {
		return result.Attr("id") == in.ArchiveID
	}
	message, _ := feature.Forwarded(result)
	return in.ID != "" && message.Attr("id") == in.ID && (in.Conv.Kind() == state.Groupchat || jid.JID(message.Attr("from")).Bare() == in.Author.Bare())
}

// deepest is the depth up to which elements are indented.
const deepest = 16

// indented returns a copy of an element with each element in it on a line of its own. An element with text stays
// as it is.
func indented(e *framing.Element, line string) *framing.Element {
	c := &framing.Element{Name: e.Name, Attrs: e.Attrs}
	for _, n := range e.Children {
		if n.Element == nil && strings.TrimSpace(n.Text) != "" || len(line) > 2*deepest {
			c.Children = e.Children
			return c
		}
	}
	for _, n := range e.Children {
		if n.Element != nil {
			c.AddText(line + "  ").Add(indented(n.Element, line+"  "))
		}
	}
	if len(c.Children) > 0 {
		c.AddText(line)
	}
	return c
}
