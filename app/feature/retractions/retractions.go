// Package retractions takes messages back (XEP-0424), and notes which messages a room has removed (XEP-0425).
package retractions

import (
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// NS is the namespace of XEP-0424.
const NS = "urn:xmpp:message-retract:1"

// Namespaces of XEP-0425, of older versions of both, which servers and clients still use, and of the XEPs that they
// build on.
const (
	nsOld       = "urn:xmpp:message-retract:0"
	nsFasten    = "urn:xmpp:fasten:0"
	nsModerate  = "urn:xmpp:message-moderate:1"
	nsModerate0 = "urn:xmpp:message-moderate:0"
	nsFallback  = "urn:xmpp:fallback:0"
	nsHints     = "urn:xmpp:hints"
)

// fallback is the body for clients that do not know retractions.
const fallback = "/me retracted a previous message, but this app cannot show that."

// longest is how many bytes of a moderator's reason are kept.
const longest = 500

// New returns the feature.
func New() *feature.Feature {
	said := &feature.Said{}
	return &feature.Feature{
		Name:  "retractions (XEP-0424, XEP-0425)",
		Disco: []string{NS},
		First: map[framing.Name]func(feature.Client, *feature.Stanza) bool{
			{Space: NS, Local: "retract"}:        retracted,
			{Space: nsFasten, Local: "apply-to"}: retracted,
			{Space: NS, Local: "retracted"}:      tombstone,

			{Space: nsModerate0, Local: "moderated"}: tombstone,
		},
		Messages: map[framing.Name]feature.Handler{{Space: framing.NSClient, Local: "error"}: said.Bounced},
		Do: func(c feature.Client, in state.Intent) bool {
			retract, ok := in.(state.Retract)
			if ok {
				do(c, said, retract)
			}
			return ok
		},
		Lost:  said.Lost(NS, "retract"),
		Retry: func(_ feature.Client, st *framing.Element) bool { return st.Child(NS, "retract") != nil },
	}
}

// retracted notes that the author of a message takes it back, or that a room has removed it. The latter must come from
// the room itself, and not from an occupant.
func retracted(c feature.Client, st *feature.Stanza) bool {
	r := st.Only(NS, "retract")
	moderated := r.Child(nsModerate, "moderated")
	why := r.Child(NS, "reason").Text() + r.Child(nsModerate, "reason").Text() // the latter is ejabberd's
	if apply := st.Only(nsFasten, "apply-to"); r == nil && apply != nil {
		r, moderated = apply, apply.Child(nsModerate0, "moderated")
		if moderated == nil && apply.Child(nsOld, "retract") == nil {
			return false // something else is attached to a message
		}
		why = moderated.Child(nsModerate0, "reason").Text()
	}
	id := r.Attr("id")
	if id == "" {
		return false
	}
	f := st.Says(state.Retracted, st.By.JID, id, "")
	f.Stanza = strings.Clone(st.ID)
	switch room := st.Conv.Kind() == state.Groupchat; {
	case moderated != nil && (!room || st.From != st.Conv.JID()):
		return false
	case moderated != nil:
		f.Kind, f.By, f.Author = state.Moderated, jid.JID(strings.Clone(string(st.From))), ""
		f.Text = strings.ToValidUTF8(strings.Clone(why[:min(len(why), longest)]), "")
	case !st.By.Lasting() && !st.By.Wrote(c.State().About(state.Target{Conv: st.Conv, ID: id})):
		return false // somebody else may have had the nick when the message was written
	case room:
		f.Author = "" // the room has given the id
	}
	st.Then(func() { c.Emit(f) })
	return true
}

// tombstone handles the element that an archive has instead of a message that was taken back. A reason is not read from
// it, because an occupant may have sent an element like it; the room says it in retracted.
func tombstone(c feature.Client, st *feature.Stanza) bool {
	t, old := st.Only(NS, "retracted"), st.Only(nsModerate0, "moderated")
	gone := t != nil || old.Child(nsOld, "retracted") != nil
	if !gone || st.Page == nil || st.Child(framing.NSClient, "body") != nil {
		return false
	}
	f := st.Says(state.Retracted, st.By.JID, st.ID, "").Fact
	if moderated := t == nil || t.Child(nsModerate, "moderated") != nil; moderated && st.Conv.Kind() == state.Groupchat {
		f.Kind, f.By = state.Moderated, st.Conv.JID()
	}
	m := state.Message{
		ID: st.ID, ArchiveID: st.ArchiveID, Author: jid.JID(strings.Clone(string(st.By.JID))), Mine: st.By.Mine, At: st.At, Facts: &state.Facts{f},
	}
	if m.Mine {
		m.Delivery = state.OnServer
	}
	st.Page.Add(state.ConvID(strings.Clone(string(st.Conv))), m)
	return true
}

// do takes a message of ours back.
func do(c feature.Client, said *feature.Said, in state.Retract) {
	if in.Of.ID == "" {
		return
	}
	words := ""
	if m := c.State().About(in.Of); m != nil {
		words = m.Words()
	}
	feature.Emit(c, state.Shown(in, c.State()))
	st := feature.About(c, in.Of.Conv,
		framing.New(NS, "retract").Set("id", in.Of.ID),
		framing.New(nsFallback, "fallback").Set("for", NS),
		framing.New(framing.NSClient, "body").AddText(fallback),
		framing.New(nsHints, "store")).Set("id", in.ID)
	if c.State().Connection.Phase != state.Online {
		feature.Delayed(st, in.At)
	}
	said.Send(c, st, in.Of, state.Refusal{Kind: state.Retracted, Text: words}, nil)
}
