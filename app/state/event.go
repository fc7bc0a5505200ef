package state

import (
	"slices"
	"strings"
	"time"

	"natter/app/jid"
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
	Last   bool // the archive has nothing after the page
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
	var final heard
	if ev.Last {
		final = s.sockets
	}
	var unseen, named int
	c.Timeline, unseen, named = c.Timeline.insert(ev.Messages, after, before, ev.Older, apart, final, read, s.Rev)
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
