package client

import (
	"time"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/steps"
	"natter/framing"
)

const (
	nsDelay      = "urn:xmpp:delay"
	nsStanzaID   = "urn:xmpp:sid:0"
	nsOccupantID = "urn:xmpp:occupant-id:0"
	nsRoomUser   = "http://jabber.org/protocol/muc#user"
)

// receive finds the sender and the conversation of a stanza, and passes it to the features. No stanza
// can end the session: one that makes no sense is dropped or refused.
func (l *loop) receive(el *framing.Element) {
	st := l.read(el)
	switch {
	case el.Is(framing.NSClient, "iq"):
		l.receiveIQ(st)
	case el.Is(framing.NSClient, "message"), el.Is(framing.NSClient, "presence"):
		l.Dispatch(st)
	}
}

// read makes a feature.Stanza of an element from the stream. A missing to is our full address, a missing
// from is our account (RFC 6120 §8.1.1.1, §8.1.2.1).
func (l *loop) read(el *framing.Element) *feature.Stanza {
	st := l.stanza(el, l.state.Me, feature.Live, l.state.Now(l.Now()))
	if el.Name.Local != "message" {
		return st
	}
	if st.Conv.Kind() == state.Groupchat {
		l.inRoom(st)
		return st
	}
	if at, ok := l.delayed(el); ok {
		st.At = late(at, l.state.Now(l.Now()))
	}
	st.ArchiveID = idBy(el, l.state.Account())
	return st
}

// Inner implements feature.Client. A missing to is our account.
func (l *loop) Inner(message *framing.Element, source feature.Source, at time.Time) *feature.Stanza {
	return l.stanza(message, l.state.Account(), source, at)
}

// stanza reads the sender, the addressee and the conversation. The conversation is with the sender,
// or with the addressee if this account is the sender.
func (l *loop) stanza(el *framing.Element, to jid.JID, source feature.Source, at time.Time) *feature.Stanza {
	st := &feature.Stanza{
		Element: el, Source: source, From: jid.JID(el.Attr("from")), To: jid.JID(el.Attr("to")), ID: el.Attr("id"), Type: el.Attr("type"), At: at,
	}
	if st.From == "" {
		st.From = l.state.Account()
	}
	if st.To == "" {
		st.To = to
	}
	st.By = state.Author{JID: st.From.Bare(), Mine: l.own(st.From.Bare())}
	if el.Name.Local != "message" {
		return st
	}
	switch room := l.state.Room(st.From); {
	case st.Type == "groupchat":
		l.occupant(st, room)
	case st.By.Mine && !st.To.IsBare() && (l.state.Room(st.To) != nil || el.Only(nsRoomUser, "x") != nil):
		st.Conv = state.Private.With(st.To)
	case st.By.Mine:
		st.Conv = state.Direct.With(st.To)
	case !st.From.IsBare() && (room != nil || private(el) && l.state.Contact(st.From) == nil):
		l.aside(st, room)
	case room != nil:
		st.Conv = state.Groupchat.With(st.From)
	default:
		st.Conv = state.Direct.With(st.From)
	}
	return st
}

// private reports whether a message is marked as one to or from an occupant (XEP-0045 §7.5). The mark is
// needed because an archive may be read before we know which rooms there are. Such a message gets a
// conversation with the occupant, which is not shown until the room is known. The mark does not count
// from a contact, because a contact is no room.
func private(el *framing.Element) bool {
	x := el.Only(nsRoomUser, "x")
	return x != nil && x.Child(nsRoomUser, "invite") == nil && x.Child(nsRoomUser, "decline") == nil
}

// aside reads the author of a private message in a room. If the room has occupant-ids (XEP-0421), the
// next owner of the nick is another author. The author is never a real address.
func (l *loop) aside(st *feature.Stanza, room *state.Room) {
	st.Conv = state.Private.With(st.From)
	st.By = state.Author{JID: st.From, Nick: st.From.Resource()}
	if id := st.Only(nsOccupantID, "occupant-id").Attr("id"); room != nil && len(id) <= longestID {
		st.By = room.Author(l.state.Account(), st.From.Resource(), id, false)
	}
}

// occupant reads the author of a message to all in a room.
func (l *loop) occupant(st *feature.Stanza, room *state.Room) {
	st.Conv, st.By.JID = state.Groupchat.With(st.From), st.From
	if room == nil {
		return
	}
	id := st.Only(nsOccupantID, "occupant-id").Attr("id")
	if len(id) > longestID {
		id = ""
	}
	live := st.Source == feature.Live && !(room.Step == state.Arriving && delayedBy(st.Element, room.JID) != nil)
	st.By = room.Author(l.state.Account(), st.From.Resource(), id, live)
	if id == "" && st.By.Nick != "" && st.Source == feature.Archived && real(st) == l.state.Account() {
		st.By.JID, st.By.Mine = l.state.Account(), true
	}
	if !st.By.Mine && st.By.JID == st.From && st.By.Nick == room.Nick && l.resembles(st) {
		st.By.JID, st.By.Mine, st.By.Likely = l.state.Account(), true, true
	}
}

// real returns the bare address of the author that the archive of a room has added to a message, "" if there is
// none. The archive removes an address that somebody else has added (XEP-0313 §6.1.2).
func real(st *feature.Stanza) jid.JID {
	return jid.JID(st.Only(nsRoomUser, "x").Only(nsRoomUser, "item").Attr("jid")).Bare()
}

// resembles reports whether a message under our nick, without an occupant-id, is like one of ours. It has the
// same id, or the same text as one of ours that the room has not sent back yet.
func (l *loop) resembles(st *feature.Stanza) bool {
	chat := l.state.Chat(st.Conv)
	if chat == nil {
		return false
	}
	if chat.Timeline.ByID(l.state.Account(), st.ID) != nil {
		return true
	}
	body := st.Child(framing.NSClient, "body").Text()
	for m := range chat.Timeline.Queued {
		if body != "" && m.Body == body {
			return true
		}
	}
	return false
}

// delayedBy returns the delay that the room itself has put into a message, nil if there is none.
func delayedBy(el *framing.Element, room jid.JID) *framing.Element {
	for _, n := range el.Children {
		if n.Element.Is(nsDelay, "delay") && jid.JID(n.Element.Attr("from")) == room {
			return n.Element
		}
	}
	return nil
}

// inRoom reads what a room adds to a live message: the delay, if the message is of before we came
// (XEP-0045 §7.2.14), and the id of its archive. An occupant may send a forged id, and the room
// adds its own: if there are two, neither counts (XEP-0359 §5).
func (l *loop) inRoom(st *feature.Stanza) {
	room := l.state.Room(st.From)
	if room == nil {
		return
	}
	for _, n := range st.Children {
		if !n.Element.Is(nsDelay, "delay") || jid.JID(n.Element.Attr("from")) != room.JID || room.Step != state.Arriving {
			continue
		}
		if at, ok := feature.Stamp(n.Element); ok {
			st.At, st.Earlier = state.Clamp(at, l.state.Now(l.Now())), true
		}
	}
	if room.StanzaIDs {
		st.ArchiveID = idBy(st.Element, room.JID)
	}
}

// counts reports whether a message of a room is taken: we are in the room, or the message is from its
// archive. A message of before we came is not taken if the room has an archive, which has it too.
// Any other message is taken.
func (l *loop) counts(st *feature.Stanza) bool {
	if st.Conv.Kind() != state.Groupchat || st.Source == feature.Archived {
		return true
	}
	room := l.state.Room(st.From)
	return st.Source == feature.Live && room.In() && !(st.Earlier && room.Archive) || st.Type == "error"
}

// longestID is how long an occupant-id may be, in bytes.
const longestID = 256

// delayed returns the time at which a message was sent that our server has stored (XEP-0203). A delay is
// believed only while the server may add one: before the end of the catch-up, and after a resume. At any
// other time the sender has added it, even if it names our server, because no server removes it. Of several
// delays the last one counts, because the server adds its own at the end. Some servers add none, so a time
// before we were away is never believed.
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

// unnoticed bounds the time until a lost connection is noticed, plus the difference of two clocks.
const unnoticed = 10 * time.Minute

// late returns the time of a message with a delay. A time in whole seconds becomes the end of
// that second. Prosody 13 writes whole seconds after a resume, but parts of a second in the
// archive. The message must not stand before messages of the same second that only the archive has.
func late(stamp, now time.Time) time.Time {
	if end := stamp.Add(time.Second - time.Microsecond); stamp.Nanosecond() == 0 && stamp.Before(now) {
		if stamp = end; end.After(now) {
			stamp = now
		}
	}
	return state.Clamp(stamp, now)
}

// idBy returns the id that an archive gave to a live message. Servers relay a forged stanza-id beside
// their own. So if two claim to be of the archive, neither counts (XEP-0359 §5).
func idBy(el *framing.Element, archive jid.JID) (id string) {
	for _, n := range el.Children {
		if n.Element.Is(nsStanzaID, "stanza-id") && jid.JID(n.Element.Attr("by")) == archive {
			if id != "" {
				return ""
			}
			id = n.Element.Attr("id")
		}
	}
	return id
}

// receiveIQ handles requests, and drops answers: the stream has matched answers to our requests already,
// so this one belongs to none.
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

// trusted reports whether requests from j are answered: from our own account and server, and from
// contacts who see our presence.
func (l *loop) trusted(j jid.JID) bool {
	if l.own(j.Bare()) || j == jid.JID(l.state.Me.Domain()) {
		return true
	}
	return l.state.Contact(j).SeesUs()
}

// Dispatch calls the handlers of a message or presence: those for the stanza itself and those for each
// payload, in the order of the features, each once. For a stanza of type error it calls only the
// handlers of errors, because its other payloads are a copy of what we sent, or forged.
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
		if !l.counts(st) {
			return
		}
	}
	if st.Type == "error" {
		l.call(handlers, st, framing.Name{Space: framing.NSClient, Local: "error"})
		return
	}
	if st.Name.Local != "message" || !l.firstly(st) {
		l.call(handlers, st, st.Name)
	}
	seen := make([]framing.Name, 0, 8) // no more names than there are handlers
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

// first is a handler of feature.First, and for which payload it is called.
type first struct {
	name    framing.Name
	handler func(feature.Client, *feature.Stanza) bool
}

// firstly calls the handlers of First for the payloads of a message, each once and in the order of
// client/features.go. It reports whether one of them has reported true.
func (l *loop) firstly(st *feature.Stanza) (about bool) {
	steps.Add(len(l.first))
	for _, f := range l.first {
		if st.Child(f.name.Space, f.name.Local) != nil {
			l.guard(f.name.Space, func() { about = f.handler(l.era, st) || about })
		}
	}
	return about
}

func (l *loop) call(handlers handlers, st *feature.Stanza, name framing.Name) {
	for _, h := range handlers[name] {
		l.guard(name.Space+" "+name.Local, func() { h(l.era, st) })
	}
}
