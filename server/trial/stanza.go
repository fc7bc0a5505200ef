package trial

import (
	"slices"

	"natter/app/jid"
	"natter/framing"
)

// stanza handles one element of a bound stream.
func (c *conn) stanza(e *framing.Element) {
	if e.Name.Space == nsSM {
		c.manage(e)
		return
	}
	if !isStanza(e) {
		c.refuse(e)
		return
	}
	x := c.session
	from := jid.JID(e.Attr("from"))
	if from != "" && from != x.jid && from != x.account.jid {
		c.fail(framing.InvalidFrom, "") // RFC 6120 §8.1.2.1
		return
	}
	if x.sm != nil {
		x.sm.in++
	}
	x.s.route(x, clean(e, x))
}

// clean returns the stanza as others may see it: from its true sender, without
// attributes of foreign namespaces, and without what only this server may say.
// Everything else is passed on as it came, unknown content and xml:lang included.
func clean(e *framing.Element, x *session) *framing.Element {
	st := &framing.Element{Name: e.Name}
	for _, a := range e.Attrs {
		if a.Name.Space == "" || a.Name.Space == framing.NSXML {
			st.Attrs = append(st.Attrs, a)
		}
	}
	for _, n := range e.Children {
		if n.Element == nil || !forged(n.Element, x) {
			st.Children = append(st.Children, n)
		}
	}
	return st.Set("from", x.jid.String())
}

// forged reports whether a payload claims to come from this server: its ids
// (XEP-0359 §5), its times (XEP-0203 §5) or its names for the occupants of rooms
// (XEP-0421 §4).
func forged(p *framing.Element, x *session) bool {
	ours := func(address string) bool {
		domain := jid.JID(jid.JID(address).Domain())
		return domain == x.s.domain || domain == x.s.conference
	}
	switch {
	case p.Is(nsStanzaID, "stanza-id"):
		return ours(p.Attr("by"))
	case p.Is(nsDelay, "delay"):
		return ours(p.Attr("from"))
	}
	return p.Is(nsOccupant, "occupant-id") && !x.s.foreign(x.jid)
}

// route carries a stanza of a session to where it belongs.
func (s *Server) route(x *session, st *framing.Element) {
	to := jid.JID(st.Attr("to"))
	if to != "" {
		normal, err := jid.Parse(to.String())
		if err != nil {
			x.refuse(st, "jid-malformed")
			return
		}
		to = normal
	}
	if jid.JID(to.Domain()) == s.conference {
		s.muc(st, to)
		return
	}
	switch st.Name.Local {
	case "message":
		s.message(x, st, to)
	case "presence":
		s.presence(x, st, to)
	case "iq":
		s.iq(x, st, to)
	}
}

// errorTypes say what the sender can do about a condition (RFC 6120 §8.3.3).
var errorTypes = map[string]string{
	"bad-request":             "modify",
	"conflict":                "cancel",
	"feature-not-implemented": "cancel",
	"forbidden":               "auth",
	"gone":                    "cancel",
	"internal-server-error":   "cancel",
	"item-not-found":          "cancel",
	"jid-malformed":           "modify",
	"not-acceptable":          "modify",
	"not-allowed":             "cancel",
	"not-authorized":          "auth",
	"registration-required":   "auth",
	"remote-server-not-found": "cancel",
	"remote-server-timeout":   "wait",
	"resource-constraint":     "wait",
	"service-unavailable":     "cancel",
}

// refuse answers a stanza with an error, unless it is an answer itself: errors
// are never answered (RFC 6120 §8.3.1).
func (x *session) refuse(st *framing.Element, condition string) {
	if t := st.Attr("type"); t == "error" || st.Name.Local == "iq" && t == "result" {
		return
	}
	x.send(errorReply(st, condition))
}

func errorReply(st *framing.Element, condition string) *framing.Element {
	e := framing.New(framing.NSClient, "error").Set("type", errorTypes[condition])
	return reply(st, "error").Add(e.Add(framing.New(framing.NSStanzaError, condition)))
}

// result is the answer to an iq that was carried out.
func result(iq *framing.Element) *framing.Element { return reply(iq, "result") }

func reply(st *framing.Element, kind string) *framing.Element {
	return framing.New(framing.NSClient, st.Name.Local).Set("type", kind).Set("id", st.Attr("id")).
		Set("from", st.Attr("to")).Set("to", st.Attr("from"))
}

// with returns a copy of the stanza that has one more payload; stanzas are shared
// between queues and never changed.
func with(st, p *framing.Element) *framing.Element {
	return &framing.Element{
		Name:     st.Name,
		Attrs:    slices.Clip(st.Attrs),
		Children: append(slices.Clip(st.Children), framing.Node{Element: p}),
	}
}

// addressed returns a copy of the stanza with these addresses.
func addressed(st *framing.Element, from, to jid.JID) *framing.Element {
	copied := &framing.Element{Name: st.Name, Attrs: slices.Clone(st.Attrs), Children: slices.Clip(st.Children)}
	return copied.Set("from", from.String()).Set("to", to.String())
}

// ownMemory returns an element that has been written before. What is parsed shares the
// memory of its whole message, however much more that was; so this is for what is kept
// and counted.
func ownMemory(written string) *framing.Element {
	n := len(written)
	e, err := framing.Parse(written, framing.Limits{Bytes: n, Depth: n, Children: n, Attrs: n, Name: n, Nodes: n})
	if err != nil {
		panic(err) // it was parsed before
	}
	return e
}
