// Package state is the language the whole client shares: State is what is true,
// an Event is what happened, an Intent is what somebody wants.
//
// All of it is plain data, and State.With is a pure function from a State and an Event to a new State. A
// published State never changes, so it may be read on any goroutine and for any time. The large tables are
// persistent maps (app/state/tree): a new State shares with the old one what did not change. So the cost of
// an event hardly depends on how many messages a conversation has.
package state

import (
	"cmp"
	"sort"
	"strings"
	"time"

	"natter/app/jid"
	"natter/app/legible"
	"natter/app/state/tree"
)

// State is one moment of one account.
type State struct {
	Rev        uint64 // grows with every event
	Connection Connection
	Self

	// Storage says why not everything is kept on this device, nil if it is.
	Storage *Problem

	told        time.Time // see TimeTold
	contacts    *tree.Map[jid.JID, *Contact]
	chats       *tree.Map[ConvID, *Chat]
	coverage    *tree.Map[string, *Coverage] // by Part.key
	filed       *tree.Map[string, *Filed]    // facts whose messages are not in memory
	outbox      *tree.Map[string, *Outgoing] // by ID
	rooms       *tree.Map[jid.JID, *Room]
	invitations *tree.Map[jid.JID, *Invitation] // by Room

	// Directory has the rooms of the server, nil if the person has not asked for them.
	Directory *Directory
	Sought    *Sought   // nil if the person looks for nothing
	Original  *Original // nil if the person looks at the XML of no message
	requests  int       // contacts that wait for an answer
	unsaved   int       // contacts with a change that is pending
	refused   int       // contacts with a change that was refused
	sockets   heard     // how many connections this page has had
}

// Self is what is true of the account as a whole.
type Self struct {
	// Me is the full address the server bound last, "" before the first sign-in.
	Me jid.JID `json:"me"`

	// OwnPresence is the presence that contacts see.
	OwnPresence Presence `json:"presence"`

	// RosterLoaded is true when the contact list has arrived; it may be empty.
	RosterLoaded bool `json:"roster,omitempty"`

	// CaughtUp is true when the first catch-up of the stream has ended.
	CaughtUp bool `json:"caughtUp,omitempty"`

	// Discreet is true if nobody is to be told what has been read here.
	Discreet bool `json:"discreet,omitempty"`
}

// New returns the state when nobody is signed in.
func New() *State {
	return &State{
		contacts:    tree.New[jid.JID, *Contact](order),
		chats:       tree.New[ConvID, *Chat](order),
		coverage:    tree.New[string, *Coverage](strings.Compare),
		filed:       tree.New[string, *Filed](strings.Compare),
		outbox:      tree.New[string, *Outgoing](strings.Compare),
		rooms:       tree.New[jid.JID, *Room](order),
		invitations: tree.New[jid.JID, *Invitation](order),
	}
}

// With returns the state after ev. s itself does not change.
func (s *State) With(ev Event) *State {
	next := *s
	next.Rev++
	ev.apply(&next)
	return &next
}

// Account returns the bare address that is signed in, "" if none is.
func (s *State) Account() jid.JID { return s.Me.Bare() }

// Now returns the time of clock, the clock of this device. If our archive has later messages, that clock is
// slow, and Now returns the time of the newest of these.
func (s *State) Now(clock time.Time) time.Time {
	latest := s.told
	if ranges := s.Coverage(Part{Archive: s.Account()}).Ranges; len(ranges) > 0 && ranges[len(ranges)-1].To.At.After(latest) {
		latest = ranges[len(ranges)-1].To.At
	}
	if clock.Before(latest) {
		return latest
	}
	return clock
}

// Contact returns the contact with this address, nil if there is none.
func (s *State) Contact(j jid.JID) *Contact {
	c, _ := s.contacts.Get(j.Bare())
	return c
}

// Contacts calls yield for each contact, by address.
func (s *State) Contacts(yield func(*Contact) bool) {
	for it := s.contacts.Iterator(); !it.Done(); {
		if _, c, _ := it.Next(); !yield(c) {
			return
		}
	}
}

// Chat returns a conversation, nil if there is none.
func (s *State) Chat(id ConvID) *Chat {
	c, _ := s.chats.Get(id)
	return c
}

// Chats calls yield for each conversation, in no order.
func (s *State) Chats(yield func(*Chat) bool) {
	for it := s.chats.Iterator(); !it.Done(); {
		if _, c, _ := it.Next(); !yield(c) {
			return
		}
	}
}

// Outgoing returns the stanza of the outbox with this id, nil if there is none.
func (s *State) Outgoing(id string) *Outgoing {
	o, _ := s.outbox.Get(id)
	return o
}

// Outbox returns the stanzas that wait for the server, in the order in which they were queued.
func (s *State) Outbox() (all []*Outgoing) {
	for it := s.outbox.Iterator(); !it.Done(); {
		_, o, _ := it.Next()
		all = append(all, o)
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return a.Since < b.Since || a.Since == b.Since && a.N < b.N
	})
	return all
}

// Unsent returns how many messages of ours wait to be sent, among the newest hundred of each conversation.
func (s *State) Unsent() (n int) {
	for c := range s.Chats {
		for _, m := range c.Timeline.Newest(100) {
			if m.Delivery == Queued {
				n++
			}
		}
	}
	return n
}

// Name returns a name for an address that is safe to show: the name of the contact, of the room or of the
// occupant, else the local part. If nothing of the name can be seen, it returns the address.
func (s *State) Name(j jid.JID) string {
	name := jid.Unescape(j.Local())
	if r := s.Room(j); r != nil {
		if name = cmp.Or(r.Label, r.Name, name); !j.IsBare() {
			name = j.Resource()
		}
	}
	if called := s.Called(j); called != "" && (j.IsBare() || s.Room(j) == nil) {
		name = called
	}
	if name = legible.Name(name); name != "" {
		return name
	}
	return j.Shown()
}

// Called returns the name that the person has given to a contact, "" if there is none.
func (s *State) Called(j jid.JID) string { return s.Contact(j).name() }

// Requests returns how many people ask to see our presence and have no answer yet.
func (s *State) Requests() int { return s.requests }

// Unsaved returns how many contacts have a pending change.
func (s *State) Unsaved() int { return s.unsaved }

// Refusals returns how many contacts have something Refused.
func (s *State) Refusals() int { return s.refused }

// count adds a contact to requests, unsaved and refused (by is 1), or takes it out (by is -1).
func (s *State) count(c *Contact, by int) {
	if c.Asks() {
		s.requests += by
	}
	if c.Pending != (Pending{}) {
		s.unsaved += by
	}
	if c.Refused != "" {
		s.refused += by
	}
}

// setContact keeps a contact, or deletes it if it does not stay.
func (s *State) setContact(c *Contact) {
	if !c.stays() {
		s.removeContact(c.JID)
		return
	}
	if old := s.Contact(c.JID); old != nil {
		s.count(old, -1)
	}
	s.count(c, 1)
	c.Rev = s.Rev
	s.contacts = s.contacts.Set(c.JID, c)
}

func (s *State) removeContact(j jid.JID) {
	old := s.Contact(j)
	if old == nil {
		return
	}
	s.count(old, -1)
	s.contacts = s.contacts.Delete(old.JID)
}

// setContacts replaces all contacts.
func (s *State) setContacts(all *tree.Map[jid.JID, *Contact]) {
	s.contacts = all
	s.requests, s.unsaved, s.refused = 0, 0, 0
	for c := range s.Contacts {
		s.count(c, 1)
	}
}

func (s *State) setChat(c *Chat) {
	c.Rev = s.Rev
	s.chats = s.chats.Set(c.Conv, c)
}

// chat returns a copy of the conversation to write to, a new one if there is none.
func (s *State) chat(id ConvID) *Chat {
	if c := s.Chat(id); c != nil {
		copied := *c
		return &copied
	}
	return &Chat{Conv: id, Timeline: newTimeline()}
}

// contact returns a copy of the contact to write to, a new one if there is none.
func (s *State) contact(j jid.JID) *Contact {
	if c := s.Contact(j); c != nil {
		copied := *c
		return &copied
	}
	return &Contact{JID: j.Bare(), Subscription: SubscriptionNone}
}

// Phase says how far the connection is.
type Phase int

const (
	SignedOut  Phase = iota // nobody is signed in: the form is on screen
	SigningIn               // the first connection after the form is being made
	Connecting              // any other connection is being made
	Online
	Waiting // there is no connection; the next attempt is at RetryAt
	Stopped // there is no connection, and no other attempt before the person wants it
)

// Connection says what the person should know of the connection.
type Connection struct {
	Phase    Phase
	Problem  *Problem  // why it is not online, nil if nothing went wrong
	RetryAt  time.Time // with Waiting
	Endpoint string    // the WebSocket in use, "" if none
	// Delegated is true if the host of the endpoint is neither the domain of the account nor below
	// it (RFC 7395 §6). Then the person is shown the host.
	Delegated bool
	Lost      time.Time // when the connection before this one was lost, zero if there was none
}

// Elsewhere reports whether another tab has stopped this one. Nothing is kept of what the person does here.
func (c Connection) Elsewhere() bool {
	return c.Phase == Stopped && c.Problem != nil && (c.Problem.Kind == "another-tab" || c.Problem.Kind == "another-build")
}

// Problem is a failure in words a person understands.
type Problem struct {
	Kind   string // stable, for tests and for drawing: "wrong-password", "no-websocket", …
	Text   string // what happened
	Advice string // what to try
	Detail string // for those who ask: phase, condition, the server's own text
	Field  string // the form field it is about: "address", "password", "server" or ""

	// Account is the account that the server has named, with the kind "another-account".
	Account jid.JID
}

// SameContacts reports whether both states share their contacts. If it returns true, they are equal; they
// may be equal too if it returns false.
func (s *State) SameContacts(o *State) bool { return s.contacts == o.contacts }

// SameChats is SameContacts for the conversations.
func (s *State) SameChats(o *State) bool { return s.chats == o.chats }

// ContactsSince returns the addresses of the contacts that are new, different or gone since another state.
// Its cost is in proportion to the differences.
func (s *State) ContactsSince(o *State) (changed []jid.JID) {
	tree.Diff(o.contacts, s.contacts, func(j jid.JID, _, _ *Contact) { changed = append(changed, j) })
	return changed
}

// ChatsSince is ContactsSince for the conversations.
func (s *State) ChatsSince(o *State) (changed []ConvID) {
	tree.Diff(o.chats, s.chats, func(id ConvID, _, _ *Chat) { changed = append(changed, id) })
	return changed
}

// order compares two addresses or conversations, as the tables are ordered.
func order[Key ~string](a, b Key) int { return strings.Compare(string(a), string(b)) }
