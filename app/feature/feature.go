// Package feature says what an extension is: a struct of optional functions.
//
// All of them run on the client's loop, one at a time, and none may wait. To ask
// the server something, call Client.Request and go on in its callback, which runs
// on the loop again. Features do not know each other; they meet in state.
package feature

import (
	"time"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// Feature is one XEP or a tight cluster of them. Its folder has New, which
// returns it; client/features.go has its one line.
type Feature struct {
	Name  string   // "receipts (XEP-0184)"
	Disco []string // features advertised by XEP-0030

	// Messages and Presences are called for what comes in by the name of a payload,
	// or by the stanza's own name for all of its kind. Several features may handle
	// the same name. A payload means nothing in a stanza of another kind: a body in a
	// presence is not a message (CVE-2024-46957 was such a confusion).
	Messages, Presences map[framing.Name]Handler

	// Requests are called for IQs of type get and set, by the name of their payload.
	// Each answers once, with Reply or Refuse; a request that nobody handles is
	// refused by the client.
	Requests map[framing.Name]Handler

	// Decorate adds to a chat message or a presence that is about to leave.
	Decorate func(Client, *framing.Element)

	// Start is called when a new stream is ready, not after a resume. The requests
	// of all features leave in one flight, in the order of client/features.go.
	Start func(Client)

	// Resumed is called when a stream goes on that was lost, or that another page has left.
	Resumed func(Client)

	// Acknowledged is called when the server has a stanza of ours.
	Acknowledged func(Client, *framing.Element)

	// Lost is called for a stanza of which it is not known whether the server has it.
	// With an error the server will not take it, and it must not be sent again.
	Lost func(Client, *framing.Element, error)

	// Observe is called after an event has become part of the state. It may be how
	// one feature waits for what another one brings about.
	Observe func(Client, state.Event)

	// Do carries out an intent and reports whether it knew it. Several features may
	// know the same intent.
	Do func(Client, state.Intent) bool
}

// Handler deals with one stanza. What it returns does not matter to the stream:
// no stanza can end it.
type Handler func(Client, *Stanza)

// Client is what a feature may do.
type Client interface {
	State() *state.State
	Emit(state.Event)

	// Send queues a stanza. It is sent when there is a connection.
	Send(*framing.Element) error

	// Settle sends again, in this order, what was Lost and has to be. Messages sent since
	// have waited for it.
	Settle(again []stream.Again)

	// Request queues an IQ get or set and calls done on the loop with the answer.
	// err is a *framing.StanzaError when the answer is an error.
	Request(iq *framing.Element, done func(reply *framing.Element, err error))

	// Reply answers an IQ with these payloads; Refuse with this stanza error
	// condition (RFC 6120 §8.3.3). An IQ is answered once.
	Reply(to *Stanza, payload ...*framing.Element)
	Refuse(to *Stanza, typ, condition string)

	// Dispatch handles a stanza that came inside another one: a carbon or a result
	// of the archive. The caller has checked that the outer sender may say so.
	Dispatch(*Stanza)

	// After calls f on the loop when d has passed, unless the returned function is
	// called before.
	After(d time.Duration, f func()) (stop func())

	Now() time.Time
	NewID() string

	// Supports reports whether the server offered a stream feature after login.
	Supports(space, local string) bool
	// Carbons reports whether Bind 2 has turned carbons on already.
	Carbons() bool
	// Disco lists what this client advertises: all features' Disco, sorted.
	Disco() []string
	// Decorate lets all features add to an outgoing chat message or presence.
	Decorate(*framing.Element)
}

// Source is how a stanza came to us.
type Source int

const (
	Live           Source = iota
	CarbonReceived        // sent to another client of ours (XEP-0280)
	CarbonSent            // sent by another client of ours (XEP-0280)
	Archived              // a result of a query of ours (XEP-0313)
)

// Stanza is a message, presence or iq. From and To are never empty: what the
// server leaves out is filled in as RFC 6120 §8.1 says.
type Stanza struct {
	*framing.Element
	From, To jid.JID
	ID, Type string
	Source   Source

	// At is when it was sent: now, or the time our own server or archive stamped it
	// with (XEP-0203), never later than a minute from now.
	At time.Time

	// ArchiveID is the id our own archive gave it, "" if unknown. It comes from the
	// archive's result, or from the only stanza-id of our own account on a live
	// message (XEP-0359 §5).
	ArchiveID string

	// Page, with Archived, is the page of the archive the stanza belongs to. Messages
	// go there and not into the state: a page is added as a whole.
	Page *Page
}

// Page collects what a page of the archive says.
type Page struct {
	Messages map[jid.JID][]state.Message // by peer, in the archive's order
	Past     bool                        // what is on it has not come while we were away, but long ago
	later    []func()
}

// Add puts a message of the conversation with peer on the page.
func (p *Page) Add(peer jid.JID, m state.Message) {
	if p.Messages == nil {
		p.Messages = map[jid.JID][]state.Message{}
	}
	p.Messages[peer.Bare()] = append(p.Messages[peer.Bare()], m)
}

// Added calls what was kept with Then: the page's messages are in the state.
func (p *Page) Added() {
	for _, f := range p.later {
		f()
	}
}

// Then calls f when the messages that came before st are in the state: now, unless
// st belongs to a page.
func (st *Stanza) Then(f func()) {
	if st.Page == nil {
		f()
		return
	}
	st.Page.later = append(st.Page.later, f)
}

// Mine reports whether this account sent the stanza.
func (st *Stanza) Mine(c Client) bool { return st.From.Bare() == c.State().Account() }

// Peer is the other side: the sender, or the addressee of what we sent.
func (st *Stanza) Peer(c Client) jid.JID {
	if st.Mine(c) {
		return st.To
	}
	return st.From
}
