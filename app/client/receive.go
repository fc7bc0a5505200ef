package client

import (
	"slices"
	"time"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/steps"
	"natter/framing"
)

const (
	nsDelay    = "urn:xmpp:delay"
	nsStanzaID = "urn:xmpp:sid:0"
)

// receive finds out who says it and what about, and hands it to the features. No
// stanza can end the session: what makes no sense is dropped or refused.
func (l *loop) receive(el *framing.Element) {
	st := l.read(el)
	switch {
	case el.Is(framing.NSClient, "iq"):
		l.receiveIQ(st)
	case el.Is(framing.NSClient, "message"), el.Is(framing.NSClient, "presence"):
		l.Dispatch(st)
	}
}

// read fills in what a server may leave out: no to is our full address, no from
// our own account (RFC 6120 §8.1.1.1, §8.1.2.1).
func (l *loop) read(el *framing.Element) *feature.Stanza {
	st := l.stanza(el, l.state.Me, l.state.Now(l.Now()))
	if el.Name.Local != "message" {
		return st
	}
	if at, ok := l.delayed(el); ok {
		st.At = late(at, l.state.Now(l.Now()))
	}
	st.ArchiveID = l.archiveID(el)
	return st
}

// Inner implements feature.Client. What does not say to whom it goes goes to our account.
func (l *loop) Inner(message *framing.Element, source feature.Source, at time.Time) *feature.Stanza {
	st := l.stanza(message, l.state.Account(), at)
	st.Source = source
	return st
}

// stanza reads who says something, to whom, and in which conversation: that with the other
// side, the sender or the addressee of what this account has sent.
func (l *loop) stanza(el *framing.Element, to jid.JID, at time.Time) *feature.Stanza {
	st := &feature.Stanza{
		Element: el, From: jid.JID(el.Attr("from")), To: jid.JID(el.Attr("to")), ID: el.Attr("id"), Type: el.Attr("type"), At: at,
	}
	if st.From == "" {
		st.From = l.state.Account()
	}
	if st.To == "" {
		st.To = to
	}
	st.By = state.Author{JID: st.From.Bare(), Mine: l.own(st.From.Bare())}
	kind, other := state.Direct, st.From
	if st.Type == "groupchat" {
		kind, st.By.JID = state.Groupchat, st.From
	}
	if st.By.Mine {
		other = st.To
	}
	st.Conv = kind.With(other)
	return st
}

// delayed is when a message was sent that our server has kept (XEP-0203). A date is believed
// only when the server must have added it itself: to what was stored for an absent client,
// which comes before the archive has told all, and to what is delivered again after a
// resume. At any other time it is the sender's, whoever it names, for no server takes it
// away. Of several the last is the server's own: it adds it behind what is there. Some add
// none then, so one of before we were away is not believed either.
func (l *loop) delayed(el *framing.Element) (at time.Time, ok bool) {
	if !l.redelivers && l.state.CaughtUp {
		return at, false
	}
	for _, n := range el.Children {
		if !n.Element.Is(nsDelay, "delay") {
			continue
		}
		if by := jid.JID(n.Element.Attr("from")); by == l.state.Account() || by == jid.JID(l.state.Me.Domain()) {
			at, ok = feature.Stamp(n.Element)
		}
	}
	if ranges := l.state.Coverage(state.Part{Archive: l.state.Account()}).Ranges; len(ranges) > 0 && at.Before(ranges[len(ranges)-1].To.At) {
		return at, false
	}
	return at, ok && (!l.redelivers || at.After(l.lost.Add(-unnoticed)))
}

// unnoticed is for how long a connection may have been lost before it is noticed, and how
// far two clocks may be apart.
const unnoticed = 10 * time.Minute

// late is when a message was said that came with its server's word for that. In whole
// seconds it is the end of the one: Prosody 13 says so where a stream is resumed, and tells
// parts of a second in the archive, where earlier messages may be that never came.
func late(stamp, now time.Time) time.Time {
	if end := stamp.Add(time.Second - time.Microsecond); stamp.Nanosecond() == 0 && stamp.Before(now) {
		if stamp = end; end.After(now) {
			stamp = now
		}
	}
	return state.Clamp(stamp, now)
}

// archiveID is the id our archive gave a live message. Servers relay a forged
// stanza-id beside their own; two that claim to be ours therefore count as none
// (XEP-0359 §5).
func (l *loop) archiveID(el *framing.Element) (id string) {
	for _, n := range el.Children {
		if n.Element.Is(nsStanzaID, "stanza-id") && jid.JID(n.Element.Attr("by")) == l.state.Account() {
			if id != "" {
				return ""
			}
			id = n.Element.Attr("id")
		}
	}
	return id
}

// receiveIQ deals with requests; answers have found their request in the stream
// already, and those that did not are nobody's.
func (l *loop) receiveIQ(st *feature.Stanza) {
	switch st.Type {
	case "result", "error":
		return
	case "get", "set":
	default:
		l.Refuse(st, "modify", "bad-request")
		return
	}
	els := st.Elements()
	if len(els) != 1 || st.ID == "" {
		l.Refuse(st, "modify", "bad-request") // RFC 6120 §8.2.3
		return
	}
	handlers := l.requests[els[0].Name]
	if len(handlers) == 0 || !l.trusted(st.From) {
		// Strangers learn nothing about this client, not even what it knows.
		l.Refuse(st, "cancel", "service-unavailable")
		return
	}
	l.guard("iq handler", func() { handlers[0](l.era, st) })
}

// trusted reports whether requests from j are answered: our own account and
// server, and contacts who may see our presence anyway.
func (l *loop) trusted(j jid.JID) bool {
	if l.own(j.Bare()) || j == jid.JID(l.state.Me.Domain()) {
		return true
	}
	return l.state.Contact(j).SeesUs()
}

// Dispatch calls the handlers of a message or presence: those for the stanza
// itself and those for each payload, in the order of the features, each once. An
// error goes only to who asked for errors: its other payloads are our own words
// coming back, or somebody's forgery.
func (l *loop) Dispatch(st *feature.Stanza) {
	handlers := l.presence
	if st.Name.Local == "message" {
		handlers = l.messages
		switch st.Type {
		case "chat", "groupchat", "headline", "error", "normal":
		default:
			st.Type = "normal" // RFC 6121 §5.2.2
		}
		if st.At.Equal(l.spokenAt) {
			l.spoken++
		} else {
			l.spokenAt, l.spoken = st.At, 0
		}
		st.Nth = l.spoken
	}
	if st.Type == "error" {
		l.call(handlers, st, framing.Name{Space: framing.NSClient, Local: "error"})
		return
	}
	if st.Name.Local != "message" || !l.firstly(st) {
		l.call(handlers, st, st.Name)
	}
	seen := make([]framing.Name, 0, 8) // never more than we have handlers for
payloads:
	for _, n := range st.Children {
		if n.Element == nil || n.Element.Is(framing.NSClient, "error") || handlers[n.Element.Name] == nil {
			continue
		}
		for _, name := range seen {
			steps.Add(1)
			if name == n.Element.Name {
				continue payloads
			}
		}
		seen = append(seen, n.Element.Name)
		l.call(handlers, st, n.Element.Name)
	}
}

// firstly calls the handlers of First for the payloads of a message, each once, and reports whether
// it says something about another one.
func (l *loop) firstly(st *feature.Stanza) (about bool) {
	seen := make([]framing.Name, 0, 8)
	for _, n := range st.Children {
		if n.Element == nil || l.first[n.Element.Name] == nil || slices.Contains(seen, n.Element.Name) {
			continue
		}
		steps.Add(len(seen))
		seen = append(seen, n.Element.Name)
		for _, f := range l.first[n.Element.Name] {
			l.guard(n.Element.Name.Space, func() { about = f(l.era, st) || about })
		}
	}
	return about
}

func (l *loop) call(handlers handlers, st *feature.Stanza, name framing.Name) {
	for _, h := range handlers[name] {
		l.guard(name.Space+" "+name.Local, func() { h(l.era, st) })
	}
}
