package state

import (
	"maps"
	"slices"
	"strings"
	"time"

	"natter/app/jid"
	"natter/app/state/tree"
)

// Event is something that happened. The client and its features emit events; nothing else changes the
// State.
type Event interface{ apply(*State) }

// ConnectionChanged: the connection went up, down, or failed.
type ConnectionChanged struct{ Connection Connection }

func (ev ConnectionChanged) apply(s *State) {
	if ev.Connection.Phase == Online && s.Connection.Phase != Online {
		s.sockets++
	}
	if ev.Connection.Phase != Online && s.Connection.Phase == Online {
		for c := range s.Chats {
			if c.Typing {
				quiet := *c
				quiet.Typing, quiet.Writers = false, ""
				s.setChat(&quiet)
			}
		}
	}
	s.Connection = ev.Connection
}

// SessionStarted: a new stream is bound to this address. Presences and rooms of the stream before no
// longer hold (RFC 6121 §4.5.2). A resumed stream does not start.
type SessionStarted struct{ Me jid.JID }

func (ev SessionStarted) apply(s *State) {
	s.Me, s.CaughtUp = ev.Me, false
	for c := range s.Contacts {
		if len(c.Presences) > 0 {
			silent := *c
			silent.Presences = nil
			s.setContact(&silent)
		}
	}
	for r := range s.Rooms {
		RoomClosed{Room: r.JID}.apply(s)
	}
	for c := range s.Chats {
		if c.Resource != "" {
			unlocked := *c
			unlocked.Resource = ""
			s.setChat(&unlocked)
		}
	}
}

// Cleared: the account was signed out, and nothing of it may stay.
type Cleared struct{}

func (Cleared) apply(s *State) {
	rev, connection := s.Rev, s.Connection
	*s = *New()
	s.Rev, s.Connection = rev, connection
}

// StanzaQueued: a stanza of ours is in the outbox. It replaces one with the same ID.
type StanzaQueued struct{ Outgoing }

func (ev StanzaQueued) apply(s *State) { ev.Outgoing.put(s) }

// StanzaLeft: a stanza is no longer in the outbox.
type StanzaLeft struct{ ID string }

func (ev StanzaLeft) apply(s *State) { s.outbox = s.outbox.Delete(ev.ID) }

// RosterItem is a contact as the roster has it.
type RosterItem struct {
	JID          jid.JID
	Name         string
	Groups       []string
	Subscription Subscription
	Asked        bool
}

// RosterLoaded: the whole roster arrived.
type RosterLoaded struct{ Items []RosterItem }

func (ev RosterLoaded) apply(s *State) {
	s.RosterLoaded = true
	all := tree.New[jid.JID, *Contact](order)
	for c := range s.Contacts {
		left := &Contact{
			Rev: s.Rev, JID: c.JID, Subscription: SubscriptionNone,
			AsksUs: c.AsksUs, AskText: c.AskText, Pending: c.Pending, Refused: c.Refused,
		}
		if left.settle(); left.stays() {
			all = all.Set(c.JID, left)
		}
	}
	for _, item := range ev.Items {
		old := s.Contact(item.JID)
		if old != nil && item.is(old) {
			all = all.Set(item.JID, old) // it has not changed, so it is neither stored nor drawn again
			continue
		}
		c := &Contact{JID: item.JID}
		if old != nil {
			*c = *old
		}
		c.Rev = s.Rev
		item.fill(c)
		all = all.Set(c.JID, c)
	}
	s.setContacts(all)
}

// is reports whether the contact is as the item says.
func (item RosterItem) is(c *Contact) bool {
	return c.InRoster && c.Name == item.Name && c.Subscription == item.Subscription && c.Asked == item.Asked &&
		slices.Equal(c.Groups, item.Groups) && !(c.AsksUs && c.SeesUs()) && c.Pending == (Pending{})
}

func (item RosterItem) fill(c *Contact) {
	c.InRoster = true
	c.Name, c.Groups = item.Name, item.Groups
	c.Subscription, c.Asked = item.Subscription, item.Asked
	c.settle()
}

// ContactChanged: the roster has a new or different item.
type ContactChanged struct{ Item RosterItem }

func (ev ContactChanged) apply(s *State) {
	c := s.contact(ev.Item.JID)
	ev.Item.fill(c)
	s.setContact(c)
}

// ContactRemoved: the roster no longer has this item.
type ContactRemoved struct{ JID jid.JID }

func (ev ContactRemoved) apply(s *State) {
	if old := s.Contact(ev.JID); old != nil {
		c := &Contact{
			JID: old.JID, Subscription: SubscriptionNone,
			AsksUs: old.AsksUs, AskText: old.AskText, Pending: old.Pending, Refused: old.Refused,
		}
		c.settle()
		s.setContact(c)
	}
}

// ContactPending: the person has changed a contact. Pending has all their changes that the server has not
// confirmed.
type ContactPending struct {
	JID     jid.JID
	Pending Pending
}

func (ev ContactPending) apply(s *State) {
	c := s.contact(ev.JID)
	c.Pending, c.Refused = ev.Pending, ""
	s.setContact(c)
}

// ContactSaved: the server has put a contact into the roster under this name. The server also sends the
// contact to all clients, which is a ContactChanged.
type ContactSaved struct {
	JID  jid.JID
	Name string
}

func (ev ContactSaved) apply(s *State) {
	c := s.contact(ev.JID)
	c.InRoster, c.Name = true, ev.Name
	c.settle()
	s.setContact(c)
}

// ContactRefused: the server has refused a change of a contact, which is undone.
type ContactRefused struct {
	JID jid.JID
	Of  Pending // the refused change; all other fields are zero
	Why string  // the text that the person reads after the contact's name
}

func (ev ContactRefused) apply(s *State) {
	c := s.contact(ev.JID)
	if ev.Of.Edit != "" {
		c.Pending.Edit, c.Pending.Name = "", ""
	}
	if ev.Of.Ask || ev.Of.Edit == Add {
		c.Pending.Ask = false
	}
	if ev.Of.Answer != "" {
		c.Pending.Answer = ""
	}
	c.Refused = ev.Why
	s.setContact(c)
}

// RefusalRead: the person has read why a change of a contact was refused.
type RefusalRead struct{ JID jid.JID }

func (ev RefusalRead) apply(s *State) {
	c := s.contact(ev.JID)
	c.Refused = ""
	s.setContact(c)
}

// SubscriptionSent: the server has our request to see a contact's presence, or, with an
// Answer, our answer to theirs.
type SubscriptionSent struct {
	To     jid.JID
	Answer Answer
}

func (ev SubscriptionSent) apply(s *State) {
	c := s.contact(ev.To)
	if ev.Answer == "" {
		c.Pending.Ask = false
	} else {
		c.Pending.Answer, c.AsksUs, c.AskText = "", false, ""
	}
	s.setContact(c)
}

// SubscriptionAsked: somebody wants to see our presence. It changes nothing if that is known, or if there
// are MostRequests.
type SubscriptionAsked struct {
	From jid.JID
	Text string
}

// MostRequests is how many contacts may have a request without an answer. The server keeps further
// requests, and delivers them when a new stream starts (RFC 6121 §3.1.3).
const MostRequests = 1000

func (ev SubscriptionAsked) apply(s *State) {
	c := s.contact(ev.From)
	if c.AsksUs && c.AskText == ev.Text || !c.AsksUs && s.requests >= MostRequests {
		return
	}
	c.AsksUs, c.AskText = true, ev.Text
	s.setContact(c)
}

// SubscriptionWithdrawn: somebody no longer wants to see our presence.
type SubscriptionWithdrawn struct{ From jid.JID }

func (ev SubscriptionWithdrawn) apply(s *State) {
	c := s.contact(ev.From)
	c.AsksUs, c.AskText, c.Pending.Answer = false, "", ""
	s.setContact(c)
}

// PresenceChanged: a resource of a contact has another presence, or the bare address has, because
// gateways have no resources. If the bare address is unavailable, no resource is there
// (RFC 6121 §4.3.2).
type PresenceChanged struct {
	From     jid.JID
	Presence Presence
}

// mostResources is how many resources of a contact are remembered: its server may make up any number of
// them.
const mostResources = 100

func (ev PresenceChanged) apply(s *State) {
	c, resource := s.contact(ev.From), ev.From.Resource()
	old, known := c.Presences[resource]
	switch {
	case ev.Presence.Show == Unavailable && resource == "":
		if len(c.Presences) > 0 {
			c.Presences = nil
			s.setContact(c)
		}
	case ev.Presence.Show == Unavailable && known:
		c.Presences = maps.Clone(c.Presences)
		delete(c.Presences, resource)
		s.setContact(c)
	case ev.Presence.Show != Unavailable && old != ev.Presence && (known || len(c.Presences) < mostResources):
		others := c.Presences
		c.Presences = make(map[string]Presence, len(others)+1)
		maps.Copy(c.Presences, others)
		c.Presences[resource] = ev.Presence
		s.setContact(c)
	}
	if chat := s.Chat(Direct.With(ev.From)); chat != nil && chat.Resource != "" {
		// Any change of presence unlocks the resource (RFC 6121 §5.1).
		unlocked := *chat
		unlocked.Resource = ""
		s.setChat(&unlocked)
	}
}

// OwnPresenceChanged: contacts see another presence of us.
type OwnPresenceChanged struct{ Presence Presence }

func (ev OwnPresenceChanged) apply(s *State) { s.OwnPresence = ev.Presence }

// ChatStarted: there is such a conversation now, maybe an empty one.
type ChatStarted struct{ Conv ConvID }

func (ev ChatStarted) apply(s *State) {
	if s.Chat(ev.Conv) == nil {
		c := s.chat(ev.Conv)
		s.goOn(c, &Message{Mine: true})
		s.setChat(c)
	}
}

// MessageAdded: a message was written here, or has come live. If it is known already, it only adds what
// the second copy says.
type MessageAdded struct {
	Conv     ConvID
	Resource string // the peer's, if answers are to go there; else ""
	Message  Message
	Carbon   bool // it came in a carbon, or from before we were in the room
}

func (ev MessageAdded) apply(s *State) {
	c := s.chat(ev.Conv)
	ev.Message = s.Heard(ev)
	if !ev.Message.Mine {
		c.typing(ev.Message.Nick, false)
		if ev.Resource != "" {
			c.Resource = ev.Resource
		}
	}
	if old := c.Timeline.Find(&ev.Message); old != nil {
		c.Timeline = c.Timeline.merge(old, &ev.Message, false, s.Rev)
		s.setChat(c)
		return
	}
	ev.Message.Rev = s.Rev
	c.Timeline = c.Timeline.append(ev.Message)
	s.goOn(c, &ev.Message)
	if ev.Message.Mine {
		c.Unread, c.Named, c.ReadTo = 0, 0, c.Timeline.Last().Key
	} else {
		c.Unread++
		if ev.Message.Named {
			c.Named++
		}
	}
	s.bring(c, ev.Message)
	s.setChat(c)
}

// Heard returns the message of an event with the way it has come, which Same needs.
func (s *State) Heard(ev MessageAdded) Message {
	m := ev.Message
	switch {
	case m.Delivery == Queued: // it was written here
	case ev.Carbon:
		m.heard = over(s.sockets, carbon)
	default:
		m.heard = over(s.sockets, direct)
	}
	if lost := s.Connection.Lost; m.heard != 0 && !lost.IsZero() && m.At.Sub(lost) < repeats {
		m.heard |= afterLoss
	}
	return m
}

// MessageRetried: a failed message of ours is queued once more.
type MessageRetried struct {
	Conv ConvID
	ID   string
}

func (ev MessageRetried) apply(s *State) {
	c := s.chat(ev.Conv)
	old := c.Timeline.ByID(s.Account(), ev.ID)
	if old == nil || !old.Mine || old.Delivery != Failed {
		return
	}
	m := *old
	m.Rev, m.Delivery, m.Problem, m.Bounced, m.Late = s.Rev, Queued, "", false, true
	c.Timeline = c.Timeline.put(&m)
	s.setChat(c)
}

// MessageRemoved: the person has deleted a failed message of theirs.
type MessageRemoved struct {
	Conv ConvID
	ID   string
}

func (ev MessageRemoved) apply(s *State) {
	c := s.chat(ev.Conv)
	m := c.Timeline.ByID(s.Account(), ev.ID)
	if m == nil || !m.Mine || m.Delivery != Failed {
		return
	}
	c.Timeline = c.Timeline.remove(m, s.Rev)
	s.setChat(c)
}

// ChatRead: the person has seen the conversation to its end.
type ChatRead struct{ Conv ConvID }

func (ev ChatRead) apply(s *State) {
	c := s.Chat(ev.Conv)
	if c == nil || c.Timeline.Len() == 0 {
		return
	}
	last := c.Timeline.Last().Key
	if c.Unread == 0 && c.ReadTo == last {
		return
	}
	read := *c
	read.Unread, read.Named, read.ReadTo = 0, 0, last
	s.setChat(&read)
}

// ReadElsewhere: the person has read, on another device, up to a message, and what comes after that
// is not all in memory.
type ReadElsewhere struct {
	Conv   ConvID
	To     Key
	Unread int // how many messages of others come later
}

func (ev ReadElsewhere) apply(s *State) {
	if c := s.chat(ev.Conv); c.ReadTo.Before(ev.To) {
		c.ReadTo, c.Unread = ev.To, min(c.Unread, ev.Unread)
		c.Named = min(c.Named, c.Unread)
		s.setChat(c)
	}
}

// ReadUpTo: the person has read, on another device, up to the message with this archive id. It changes
// nothing if the message is not in memory.
type ReadUpTo struct {
	Conv      ConvID
	ArchiveID string
}

func (ev ReadUpTo) apply(s *State) {
	c := s.Chat(ev.Conv)
	if c == nil || c.Timeline.Archived(ev.ArchiveID) == nil {
		return
	}
	if read := *c; read.haveRead(c.Timeline.Archived(ev.ArchiveID).Key) {
		s.setChat(&read)
	}
}

// DiscretionChanged: with On, nobody is told from now on what has been read here; else contacts are told.
type DiscretionChanged struct{ On bool }

func (ev DiscretionChanged) apply(s *State) { s.Discreet = ev.On }

// DraftChanged: this is the text that was written in a conversation and not sent, "" if there is none.
type DraftChanged struct {
	Conv ConvID
	Text string
}

func (ev DraftChanged) apply(s *State) {
	if c := s.chat(ev.Conv); c.Draft != ev.Text {
		c.Draft = ev.Text
		s.setChat(c)
	}
}

// Aim says what a draft will be when it is sent. The zero Aim is a message of its own.
type Aim struct {
	Of   Target `json:"of"`             // a reply to this message
	Edit bool   `json:"edit,omitempty"` // its correction
	// Before is the draft that comes back after the edit, and BeforeOf the message that it replies to.
	Before   string `json:"before,omitempty"`
	BeforeOf Target `json:"beforeOf,omitzero"`
}

// AimChanged: the draft of a conversation has this Aim now.
type AimChanged struct {
	Conv ConvID
	Aim  Aim
}

func (ev AimChanged) apply(s *State) {
	if c := s.chat(ev.Conv); c.Aim != ev.Aim {
		c.Aim = ev.Aim
		s.setChat(c)
	}
}

// TypingChanged: the peer, or an occupant of a room, began or stopped writing (XEP-0085).
type TypingChanged struct {
	Conv   ConvID
	Nick   string // in a room
	Typing bool
}

func (ev TypingChanged) apply(s *State) {
	c := s.Chat(ev.Conv)
	if c == nil {
		return
	}
	changed := *c
	changed.typing(ev.Nick, ev.Typing)
	if changed.Typing != c.Typing || changed.Writers != c.Writers {
		s.setChat(&changed)
	}
}

// MostWriters is how many of those who write in a room at the same time are remembered. Nobody wants to
// read more names.
const MostWriters = 4

// typing notes that the peer, or somebody in a room, is writing now or has stopped.
func (c *Chat) typing(nick string, now bool) {
	if c.Conv.Kind() != Groupchat {
		c.Typing = now
		return
	}
	var all []string
	if c.Writers != "" {
		all = strings.Split(c.Writers, "\n")
	}
	switch at := slices.Index(all, nick); {
	case nick == "" || strings.Contains(nick, "\n"):
	case now && at < 0 && len(all) < MostWriters:
		all = append(all, nick)
	case !now && at >= 0:
		all = slices.Delete(all, at, at+1)
	}
	c.Writers = strings.Join(all, "\n")
	c.Typing = c.Writers != ""
}

// Writes reports whether somebody is known to write in a room.
func (c *Chat) Writes(nick string) bool { return slices.Contains(strings.Split(c.Writers, "\n"), nick) }

// WritersGone: nobody is known to write in a room any more.
type WritersGone struct{ Room jid.JID }

func (ev WritersGone) apply(s *State) {
	if c := s.Chat(Groupchat.With(ev.Room)); c != nil && c.Typing {
		quiet := *c
		quiet.Typing, quiet.Writers = false, ""
		s.setChat(&quiet)
	}
}

// CaughtUp: a catch-up with our archive has ended, or there is no archive. With Failed it has not read
// all. Then another catch-up follows, which ends with another CaughtUp, unless GaveUp is true.
type CaughtUp struct{ Failed, GaveUp bool }

func (CaughtUp) apply(s *State) { s.CaughtUp = true }

// Forgotten: this device no longer has the messages of a conversation that come before one message, except
// those that Stay. The archive has them.
type Forgotten struct {
	Conv   ConvID
	Before Key       // the place of that message
	ID     string    // its archive id
	At     time.Time // when it was sent, in a later second than the message before it
	// Gone is true if all that is not in memory is lost. Then ID is no id of the archive, which can
	// only be asked by At.
	Gone bool
}

func (ev Forgotten) apply(s *State) {
	c := s.chat(ev.Conv)
	c.forget(ev.Before, s.Rev)
	if ev.Gone {
		c.Timeline.holes = newHoles()
	}
	s.setChat(c)
	part := Part{s.Account(), c.Conv.JID()}
	if c.Conv.Kind() == Groupchat {
		part = Part{Archive: c.Conv.JID()}
	}
	s.setCoverage(s.Coverage(part).cut(Edge{ID: ev.ID, At: ev.At, Gone: ev.Gone}))
}

func (c *Chat) forget(before Key, rev uint64) {
	c.Floor, c.Floored = before, rev
	c.Timeline = c.Timeline.drop(before)
}

// StorageChanged: storing on this device fails, for this reason, or works again if Problem is nil.
type StorageChanged struct{ Problem *Problem }

func (ev StorageChanged) apply(s *State) { s.Storage = ev.Problem }

// ArchivePage: messages of one conversation that were on a page of an archive, oldest
// first.
type ArchivePage struct {
	Conv     ConvID
	Messages []Message
	// After and Before are the archive ids of known messages that come before the page and after it, ""
	// if unknown.
	After, Before string
	Older         bool // the page was read backward: known messages come after it
	// Apart is true if there may be more messages between After and the page. With Older there always
	// may be. Without Older, Apart and After, the page begins where the coverage ends.
	Apart  bool
	Unread bool // new messages on it count as unread; with Older, only those later than ReadTo
}

func (ev ArchivePage) apply(s *State) {
	c := s.chat(ev.Conv)
	answer := c.answer(ev.Messages)
	after, before := c.Timeline.placeOf(ev.After, ev.Messages), c.Timeline.placeOf(ev.Before, ev.Messages)
	if after == (Key{}) && !ev.Older && !ev.Apart {
		after = c.Seam
	}
	apart := ev.Older || ev.Apart || after == (Key{})
	var read Key
	if ev.Older {
		read = c.ReadTo
	}
	var unseen, named int
	c.Timeline, unseen, named = c.Timeline.insert(ev.Messages, after, before, ev.Older, apart, read, s.Rev)
	if ev.Unread {
		c.Unread, c.Named = c.Unread+unseen, c.Named+named
		c.readBy(answer)
	} else if last := c.Timeline.Last(); last != nil && c.Unread == 0 && c.ReadTo == (Key{}) {
		c.ReadTo = last.Key
	}
	if last := c.Timeline.Last(); last != nil && !last.Mine {
		s.goOn(c, last)
	}
	s.bring(c, ev.Messages...)
	s.setChat(c)
}

// answer returns the last message of a page that is ours and not known yet, nil if there
// is none: another client of ours has written it.
func (c *Chat) answer(page []Message) *Message {
	for i := range page {
		m := &page[len(page)-1-i]
		if m.Mine && c.Timeline.Find(m) == nil {
			return m
		}
	}
	return nil
}

// readBy notes that the person has read what comes before an answer of theirs. MessageAdded does the same
// for an answer that comes live.
func (c *Chat) readBy(answer *Message) {
	if answer == nil {
		return
	}
	at := c.Timeline.Find(answer).Key
	if !c.ReadTo.Before(at) {
		return
	}
	c.ReadTo = at
	if later, from, to := c.Timeline.Later(at); from == to {
		c.Unread, c.Named = later, c.Timeline.named(at)
	}
}

// TimeTold: our archive has a message of a time that is later than the clock of this device.
type TimeTold struct{ At time.Time }

func (ev TimeTold) apply(s *State) {
	if s.told.Before(ev.At) {
		s.told = ev.At
	}
}

// Clamp limits a time that a stranger chose to what can be true: not before 1970
// and not after a minute from now.
func Clamp(at, now time.Time) time.Time {
	if at.Before(time.Unix(0, 0)) {
		return time.Unix(0, 0).UTC()
	}
	if latest := now.Add(time.Minute); at.After(latest) {
		return latest
	}
	return at
}
