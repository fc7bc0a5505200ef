// Package replies notes to which message another one replies (XEP-0461).
package replies

import (
	"slices"
	"strconv"
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// NS is the namespace of XEP-0461.
const NS = "urn:xmpp:reply:0"

const (
	nsFallback = "urn:xmpp:fallback:0"
	nsReplace  = "urn:xmpp:message-correct:0"
	nsRoomUser = "http://jabber.org/protocol/muc#user"
)

// longest is how many bytes of a message are quoted for clients that do not know replies.
const longest = 300

// New returns the feature.
func New() *feature.Feature {
	return &feature.Feature{
		Name:  "replies (XEP-0461), their fallback (XEP-0428)",
		Disco: []string{NS},
		First: map[framing.Name]func(feature.Client, *feature.Stanza) bool{
			{Space: NS, Local: "reply"}: unquote,
		},
		Messages: map[framing.Name]feature.Handler{
			{Space: NS, Local: "reply"}: replies,
		},
		Decorate: quote,
	}
}

// unquote removes the quotation from the body, which is for clients that do not know replies. The view shows our own
// copy of the message instead, because a quotation can say anything (Sec10).
func unquote(_ feature.Client, st *feature.Stanza) bool {
	f := fallback(st.Element)
	if f == nil || st.Only(NS, "reply") == nil {
		return false
	}
	stripped := *st.Element
	stripped.Children = slices.Clone(st.Children)
	for i, n := range stripped.Children {
		if !n.Element.Is(framing.NSClient, "body") {
			continue
		}
		rest := cut(n.Element.Text(), f)
		if strings.TrimSpace(rest) == "" {
			return false // nothing would be left
		}
		body := framing.New(framing.NSClient, "body").AddText(rest)
		body.Attrs = n.Element.Attrs
		stripped.Children[i].Element = body
	}
	st.Element = &stripped
	return false
}

// fallback returns the element that marks the fallback for replies, nil if there is none or several.
func fallback(st *framing.Element) (found *framing.Element) {
	for _, el := range st.Elements() {
		if el.Is(nsFallback, "fallback") && el.Attr("for") == NS {
			if found != nil {
				return nil
			}
			found = el
		}
	}
	return found
}

// cut returns a body without the part that is a fallback. The fallback counts in Unicode characters (XEP-0426). If it
// does not fit into the body, nothing is cut.
func cut(body string, fallback *framing.Element) string {
	part := fallback.Child(nsFallback, "body")
	start, err := strconv.Atoi(part.Attr("start"))
	end, err2 := strconv.Atoi(part.Attr("end"))
	if err != nil || err2 != nil || start < 0 || end < start {
		return body
	}
	n, from, to := 0, -1, -1
	for i := range body {
		if n == start {
			from = i
		}
		if n == end {
			to = i
		}
		n++
	}
	if n == end {
		to = len(body)
	}
	if from < 0 || to < 0 {
		return body
	}
	return body[:from] + body[to:]
}

// replies notes to which message a message replies.
func replies(c feature.Client, st *feature.Stanza) {
	r := st.Only(NS, "reply")
	to := state.Target{ID: r.Attr("id")}
	if to.ID == "" || st.ID == "" {
		return
	}
	if author := jid.JID(r.Attr("to")).Bare(); st.Conv.Kind() == state.Direct && (author == st.Conv.JID() || author == c.State().Account()) {
		to.Author = author
	}
	f := st.Says(state.Replies, st.By.JID, st.ID, to.Reference())
	st.Then(func() {
		if chat := c.State().Chat(st.Conv); chat != nil && chat.Timeline.ByID(f.Author, f.Target.ID) != nil {
			c.Emit(f)
		}
	})
}

// quote adds to a message of ours that is about to leave, or to its correction, to which message it replies, and quotes
// that message for clients that do not know replies.
func quote(c feature.Client, st *framing.Element) {
	body := st.Child(framing.NSClient, "body")
	if !st.Is(framing.NSClient, "message") || body == nil {
		return
	}
	id := st.Child(nsReplace, "replace").Attr("id")
	if id == "" {
		id = st.Attr("id")
	}
	to := jid.JID(st.Attr("to"))
	conv := state.Direct.With(to)
	switch {
	case st.Attr("type") == "groupchat":
		conv = state.Groupchat.With(to)
	case st.Child(nsRoomUser, "x") != nil:
		conv = state.Private.With(to)
	}
	chat := c.State().Chat(conv)
	if chat == nil {
		return
	}
	m := chat.Timeline.ByID(c.State().Account(), id)
	if m == nil {
		return
	}
	answered, ok := chat.Reply(m)
	if !ok {
		return
	}
	reply := framing.New(NS, "reply").Set("id", answered.ID)
	st.Add(reply)
	of := c.State().About(answered)
	if of == nil {
		return
	}
	author := of.Author
	if of.Nick != "" {
		author = conv.JID().WithResource(of.Nick)
	}
	reply.Set("to", author.String())
	quoted, length := quotation(of.Words())
	if quoted == "" || strings.HasPrefix(body.Text(), "> ") { // the person has quoted the message
		return
	}
	st.Add(framing.New(nsFallback, "fallback").Set("for", NS).
		Add(framing.New(nsFallback, "body").Set("start", "0").Set("end", strconv.Itoa(length))))
	body.Children = append([]framing.Node{{Text: quoted}}, body.Children...)
}

// quotation returns the beginning of a message as a quotation, and how many characters that is.
func quotation(words string) (quoted string, length int) {
	words = strings.ToValidUTF8(words[:min(len(words), longest)], "")
	if strings.TrimSpace(words) == "" {
		return "", 0
	}
	quoted = "> " + strings.ReplaceAll(strings.TrimRight(words, "\n"), "\n", "\n> ") + "\n"
	return quoted, len([]rune(quoted))
}
