// Package reactions sends and receives emoji about messages (XEP-0444).
package reactions

import (
	"slices"
	"strings"

	"natter/app/feature"
	"natter/app/legible"
	"natter/app/state"
	"natter/framing"
)

// NS is the namespace of XEP-0444.
const NS = "urn:xmpp:reactions:0"

const (
	nsHints    = "urn:xmpp:hints"
	nsFallback = "urn:xmpp:fallback:0"
)

// most is how many emoji one person's reaction may have; more are left out.
const most = 20

// New returns the feature.
func New() *feature.Feature {
	said := &feature.Said{}
	return &feature.Feature{
		Name:  "reactions (XEP-0444)",
		Disco: []string{NS},
		First: map[framing.Name]func(feature.Client, *feature.Stanza) bool{
			{Space: NS, Local: "reactions"}: reacted,
		},
		Messages: map[framing.Name]feature.Handler{
			{Space: framing.NSClient, Local: "error"}: said.Bounced,
		},
		Do: func(c feature.Client, in state.Intent) bool {
			react, ok := in.(state.React)
			if ok {
				do(c, said, react)
			}
			return ok
		},
		Lost: said.Lost(NS, "reactions"),
		Retry: func(_ feature.Client, st *framing.Element) bool {
			return st.Child(NS, "reactions") != nil // later ones are sent again too, and the last one counts
		},
	}
}

// reacted notes the emoji with which somebody reacts. A stanza must have one set of reactions (XEP-0444 §4), of which
// only emoji count. A body beside it is a message of its own, unless it is marked as a fallback for clients that do not
// know reactions (XEP-0428).
func reacted(c feature.Client, st *feature.Stanza) bool {
	r := st.Only(NS, "reactions")
	if id := r.Attr("id"); id != "" && !st.By.Likely {
		f := st.Says(state.Reacted, "", id, set(r))
		f.By = st.By.Whose()
		st.Then(func() { c.Emit(f) })
	}
	return st.Child(framing.NSClient, "body") == nil || st.Child(nsFallback, "fallback").Attr("for") == NS
}

// set returns the emoji of a reaction, each once.
func set(r *framing.Element) string {
	var all []string
	for _, el := range r.Elements() {
		emoji := strings.TrimSpace(el.Text())
		if len(all) < most && el.Is(NS, "reaction") && legible.Emoji(emoji) && !slices.Contains(all, emoji) {
			all = append(all, emoji)
		}
	}
	return strings.Join(all, " ")
}

// do sends the reaction of the person to a message.
func do(c feature.Client, said *feature.Said, in state.React) {
	r := framing.New(NS, "reactions").Set("id", in.Of.ID)
	for _, emoji := range strings.Fields(in.Emoji) {
		r.Add(framing.New(NS, "reaction").AddText(emoji))
	}
	if in.Emoji = set(r); in.Of.ID == "" || len(strings.Fields(in.Emoji)) != len(r.Children) {
		return // there is no emoji in it
	}
	before := reaction(c, in.Of)
	feature.Emit(c, state.Shown(in, c.State()))
	st := feature.About(c, in.Of.Conv, r, framing.New(nsHints, "store"))
	said.Send(c, st, in.Of, state.Refusal{Kind: state.Reacted, Text: in.Emoji}, func() bool {
		last := reaction(c, in.Of) == in.Emoji
		if last {
			feature.Emit(c, state.Shown(state.React{Of: in.Of, Emoji: before, At: c.Now()}, c.State()))
		}
		return last
	})
}

// reaction returns our reaction to a message in memory, "" if there is none.
func reaction(c feature.Client, of state.Target) string {
	m := c.State().About(of)
	if m == nil {
		return ""
	}
	return m.Reaction(c.State().Account())
}
