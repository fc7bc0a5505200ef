// Package feature says what an extension is: a struct of optional functions.
//
// A Feature lasts as long as one tab leads for one account. After that the client calls New again:
// the new Feature remembers nothing of the old one, and no timer of the old one runs any more.
//
// All functions run on the client's loop, one at a time, and must not wait. To request
// something from the server, call Client.Request and continue in its callback, which runs
// on the loop too. Features do not import each other; they share the state only.
package feature

import (
	"errors"
	"strings"
	"time"

	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// Feature implements one XEP, or a few that belong together. New in its folder returns it;
// one line in client/features.go registers it.
type Feature struct {
	Name  string   // "receipts (XEP-0184)"
	Disco []string // features advertised by XEP-0030

	// Messages and Presences handle incoming stanzas by the name of a payload, or by the
	// stanza's own name for all stanzas of its kind. Several features may handle the same
	// name. Payloads of messages and of presences are separate: a body in a presence is not
	// a message (CVE-2024-46957 was such a confusion).
	Messages, Presences map[framing.Name]Handler

	// First has the handlers that run before those of Messages, by the name of a payload. They run in
	// the order of client/features.go, and may change the Stanza for those after them. A handler
	// reports true if the message only says something about another message; then the handlers of
	// <message/> are not called.
	First map[framing.Name]func(Client, *Stanza) bool

	// Requests handle IQs of type get and set, by the name of their payload. The handler
	// answers once, with Reply or Refuse. The client refuses requests without a handler.
	Requests map[framing.Name]Handler

	// Decorate adds to a chat message or a presence that is about to leave.
	Decorate func(Client, *framing.Element)

	// Start is called when a new stream is ready, not after a resume. The requests of all
	// features are sent together, in the order of client/features.go.
	Start func(Client)

	// CatchesUp is true for the feature that emits state.CaughtUp some time after Start. If no feature
	// does, the client emits it a few seconds after Start, when the server has delivered what it had
	// stored for us (XEP-0160).
	CatchesUp bool

	// Resumed is called when a stream was resumed, of this page or of an earlier one. With lost, the
	// earlier page may have sent presences and IQs that have not arrived.
	Resumed func(c Client, lost bool)

	// Acknowledged is called when the server has a stanza of ours.
	Acknowledged func(Client, *framing.Element)

	// Lost is called for a stanza of which nobody knows whether the server has it. With an
	// error it is not sent again, and must not be retried.
	Lost func(Client, *framing.Element, error)

	// Retry is called for a message that was Lost, after the archive was read. It reports whether the
	// message has to be sent again, and may add to it. Messages that were sent later leave only after
	// this.
	Retry func(Client, *framing.Element) bool

	// Observe is called after an event has been applied to the state. An event that a feature emits
	// here is observed after all features have observed this one. A feature can wait here for events
	// of another feature.
	Observe func(Client, state.Event)

	// Do carries out an intent, and reports whether the feature knows this type of intent. Several
	// features may know it. Only the tab that leads calls Do; a mirror applies state.Shown.
	Do func(Client, state.Intent) bool
}

// ErrUnknown is the error of Lost when the archive cannot be read: nobody will know whether the server
// has the stanza.
var ErrUnknown = errors.New("the server does not say whether it has this")

// Handler handles one stanza. No stanza can end the stream.
type Handler func(Client, *Stanza)

// Client is the client as a feature sees it.
type Client interface {
	State() *state.State

	// Emit applies an event to the state, and calls Observe of all features with it.
	Emit(state.Event)

	// Send queues a stanza, and gives a message an id if it has none. The stanza is sent when there is
	// a connection. Send fails only if the stanza can never be sent, for example because it is too
	// large (see stream.Stream.Send), or if nobody is signed in (stream.ErrDisconnected).
	Send(*framing.Element) error

	// Request queues an IQ get or set and calls done on the loop with the answer.
	// err is a *framing.StanzaError when the answer is an error.
	Request(iq *framing.Element, done func(reply *framing.Element, err error))

	// Reply answers an IQ with these payloads; Refuse with this stanza error
	// condition (RFC 6120 §8.3.3). An IQ is answered once.
	Reply(to *Stanza, payload ...*framing.Element)
	Refuse(to *Stanza, typ, condition string)

	// Inner reads a message from inside another one: from a carbon, or from a result of an archive.
	// at is when it was sent. The caller has checked that the sender of the outer message may forward
	// it, and that the inner message has a from.
	Inner(message *framing.Element, source Source, at time.Time) *Stanza

	// Dispatch calls the handlers of all features for a stanza of Inner.
	Dispatch(*Stanza)

	// After calls f on the loop when d has passed, unless stop is called before, or the Feature does
	// not last that long.
	After(d time.Duration, f func()) (stop func())

	Now() time.Time
	NewID() string

	// Supports reports whether the server offered a stream feature after login.
	Supports(space, local string) bool
	// Carbons reports whether Bind 2 has turned carbons on already.
	Carbons() bool
	// Disco lists what this client advertises: all features' Disco, sorted.
	Disco() []string
	// Decorate calls Decorate of all features for an outgoing chat message or presence.
	Decorate(*framing.Element)
}

// Emit emits several events in turn.
func Emit(c Client, events []state.Event) {
	for _, ev := range events {
		c.Emit(ev)
	}
}

// Source says how a stanza arrived.
type Source int

const (
	Live           Source = iota
	CarbonReceived        // received by another client of this account (XEP-0280)
	CarbonSent            // sent by another client of this account (XEP-0280)
	Archived              // a result of a query of ours (XEP-0313)
)

// Stanza is a message, presence or iq. From and To are never empty: an address that the
// server leaves out is filled in (RFC 6120 §8.1).
type Stanza struct {
	*framing.Element
	From, To jid.JID
	ID, Type string
	Source   Source
	Conv     state.ConvID // of a message: the conversation it belongs to
	By       state.Author

	// At is when it was sent: now, or the time in a delay (XEP-0203) of our own server, of the room or
	// of the archive. It is at most a minute from now.
	At time.Time

	// Nth orders messages with the same At, because some servers stamp in whole seconds: it is how
	// many such messages were dispatched right before this one.
	Nth int64

	// Earlier is true for a message that was sent to a room before we came (XEP-0045 §7.2.14).
	Earlier bool

	// ArchiveID is the id that our own archive or that of the room gave to the message, "" if
	// unknown. It comes from the archive's result or, on a live message, from its only stanza-id by
	// our own account or by the room (XEP-0359 §5).
	ArchiveID string

	// Page is the page that has the stanza, nil if it is not Archived. Messages are added to the Page
	// and not to the state, because a page is applied as a whole.
	Page *Page
}

// Page collects the messages of one page of the archive.
type Page struct {
	Messages map[state.ConvID][]state.Message // in the archive's order
	Past     bool                             // its messages are older than our first catch-up, and count as read
	later    []func()
}

// Add puts a message of a conversation on the page.
func (p *Page) Add(conv state.ConvID, m state.Message) {
	if p.Messages == nil {
		p.Messages = map[state.ConvID][]state.Message{}
	}
	p.Messages[conv] = append(p.Messages[conv], m)
}

// Added calls the functions of Then, after the messages of the page are in the state.
func (p *Page) Added() {
	for _, f := range p.later {
		f()
	}
}

// Then calls f when the messages that came before st are in the state. That is at once, unless st
// belongs to a page.
func (st *Stanza) Then(f func()) {
	if st.Page == nil {
		f()
		return
	}
	st.Page.later = append(st.Page.later, f)
}

// longestNick is how much of a nick is kept, in bytes.
const longestNick = 256

// Says returns a fact of this kind that the sender of the stanza says about a message of the same
// conversation. author and id name that message as in state.Target: author is "" if the stanza does
// not say who wrote it.
func (st *Stanza) Says(kind state.FactKind, author jid.JID, id, text string) state.Filed {
	nick := ""
	if !st.By.Mine {
		nick = strings.ToValidUTF8(st.By.Nick[:min(len(st.By.Nick), longestNick)], "")
	}
	// A fact outlives the WebSocket message whose memory these strings share.
	return state.Filed{
		Target: state.Target{Conv: clone(st.Conv), Author: clone(author), ID: clone(id)},
		Fact:   state.Fact{Kind: kind, By: clone(st.By.JID), At: st.At.UnixMicro() + st.Nth, Text: clone(text), Nick: clone(nick)},
	}
}

// Text returns the text of the body or subject of a message; local is "body" or "subject". It returns
// "" if there is none. Of several in different languages it returns the one without a language, else
// the first. With two in the same language it returns false, because one of them may be forged
// (RFC 6121 §5.2.3).
func Text(message *framing.Element, local string) (string, bool) {
	var found *framing.Element
	langs := map[string]bool{}
	for _, n := range message.Children {
		if !n.Element.Is(framing.NSClient, local) {
			continue
		}
		lang := n.Element.Lang()
		if langs[lang] {
			return "", false
		}
		langs[lang] = true
		if found == nil || lang == "" {
			found = n.Element
		}
	}
	return found.Text(), true
}

// Delayed adds to a message the time at which it was written (XEP-0203), unless it has a delay already.
// The stream sends such a message at any age (see stream.ErrStale).
func Delayed(st *framing.Element, at time.Time) *framing.Element {
	if st.Child(nsDelay, "delay") != nil {
		return st
	}
	return st.Add(framing.New(nsDelay, "delay").Set("stamp", at.UTC().Format("2006-01-02T15:04:05.000Z")))
}

// About returns a message to a conversation; payload says something about one of the messages there.
func About(c Client, conv state.ConvID, payload ...*framing.Element) *framing.Element {
	typ := "chat"
	if conv.Kind() == state.Groupchat {
		typ = "groupchat"
	}
	st := framing.New(framing.NSClient, "message").
		Set("type", typ).Set("to", conv.JID().String()).Set("id", c.NewID()).Add(payload...)
	if conv.Kind() == state.Private {
		st.Add(framing.New(nsRoomUser, "x")) // XEP-0045 §7.5
	}
	return st
}

func clone[S ~string](s S) S { return S(strings.Clone(string(s))) }
