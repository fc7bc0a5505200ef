package state

import (
	"iter"
	"maps"
	"slices"

	"natter/app/jid"
	"natter/app/state/tree"
)

// Kept is what of a State outlives the page.
type Kept struct {
	Me           jid.JID
	OwnPresence  Presence
	RosterLoaded bool
	CaughtUp     bool
	Discreet     bool
	Contacts     []KeptContact
	Chats        []KeptChat
	Coverage     []Coverage
}

// KeptContact is a contact with the presences of its resources, which a stream that
// is resumed does not tell again.
type KeptContact struct {
	Contact   Contact
	Presences map[string]Presence
}

// KeptChat is a conversation whose newest messages are Messages; the Timeline of Chat
// is not looked at. Low and High are what Timeline.Seqs returned: they also count the
// messages that are not here.
type KeptChat struct {
	Chat      Chat
	Messages  []Message
	Low, High int64
}

// Restore returns the state that was kept, not connected. Its revision is 0, and so
// is that of all in it: nothing has changed since.
func Restore(k Kept) *State {
	s := New()
	s.know(&k)
	contacts := tree.New[jid.JID, *Contact](order)
	for _, kc := range k.Contacts {
		c := kc.contact()
		contacts = contacts.Set(c.JID, c)
	}
	s.setContacts(contacts)
	chats := tree.New[jid.JID, *Chat](order)
	for _, kc := range k.Chats {
		c := kc.Chat
		c.Rev, c.Typing = 0, false
		c.Timeline = newTimeline().read(kc.Messages)
		c.Timeline.low, c.Timeline.high = min(c.Timeline.low, kc.Low), max(c.Timeline.high, kc.High)
		chats = chats.Set(c.Peer, &c)
	}
	s.chats = chats
	for _, c := range k.Coverage {
		c.Fill = Fill{}
		s.setCoverage(c)
	}
	return s
}

// know takes what is kept of the account as a whole.
func (s *State) know(k *Kept) {
	s.Me, s.OwnPresence, s.RosterLoaded = k.Me, k.OwnPresence, k.RosterLoaded
	s.CaughtUp, s.Discreet = k.CaughtUp, k.Discreet
}

func (kc *KeptContact) contact() *Contact {
	c := kc.Contact
	c.Rev = 0
	if len(kc.Presences) > 0 {
		c.presences = maps.Clone(kc.Presences)
	}
	return &c
}

// HistoryRead: messages that were kept on disk are in memory now. They have the keys
// they were kept with; one that is here already stays as it is.
type HistoryRead struct {
	Peer     jid.JID
	Messages []Message
	Earlier  bool // there are more before these
}

func (ev HistoryRead) apply(s *State) {
	c := s.chat(ev.Peer)
	c.Timeline = c.Timeline.read(ev.Messages)
	c.Earlier = ev.Earlier
	s.setChat(c)
}

// read adds messages under the keys they have had before. They do not count as
// changed: the disk knows them.
func (t Timeline) read(messages []Message) Timeline {
	for _, m := range messages {
		t.low, t.high = min(t.low, m.Key.Seq), max(t.high, m.Key.Seq)
		if t.Get(m.Key) != nil {
			continue
		}
		m.Rev = 0
		t = t.place(&m)
	}
	return t
}

// Mirrored: another tab, the one with the connection, has changed what is kept. What is
// here already is replaced, so that hearing it twice does no harm.
type Mirrored struct {
	Account         *Kept // nil if nothing of it has changed; its tables are not looked at
	Contacts        []KeptContact
	RemovedContacts []jid.JID
	Chats           []KeptChat // their Messages are not looked at
	Messages        map[jid.JID][]Message
	Removed         map[jid.JID][]Key // messages
	Floors          map[jid.JID]Key
	Drafts          map[jid.JID]string
	Coverage        []Coverage // their Fill is not looked at
	Moments         []Moment
	Fills           []Filling
}

// Moment is what is true of a conversation just now, and not kept.
type Moment struct {
	Peer   jid.JID
	Typing bool
}

// Filling is what is true of a part of an archive just now, and not kept.
type Filling struct {
	Part Part
	Fill Fill
}

// Moment returns what is true of the conversation just now.
func (c *Chat) Moment() Moment {
	return Moment{c.Peer, c.Typing}
}

// Filling returns what is true of it just now.
func (c *Coverage) Filling() Filling { return Filling{c.Part, c.Fill} }

func (ev Mirrored) apply(s *State) {
	if k := ev.Account; k != nil {
		s.know(k)
	}
	for _, j := range ev.RemovedContacts {
		s.removeContact(j)
	}
	for _, kc := range ev.Contacts {
		s.setContact(kc.contact())
	}
	for _, kc := range ev.Chats {
		old, c := s.chat(kc.Chat.Peer), kc.Chat
		c.Timeline, c.Earlier, c.Typing, c.Draft = old.Timeline, old.Earlier, old.Typing, old.Draft
		c.Timeline.low, c.Timeline.high = min(c.Timeline.low, kc.Low), max(c.Timeline.high, kc.High)
		s.setChat(&c)
	}
	for peer, messages := range ev.Messages {
		c := s.chat(peer)
		c.Timeline = c.Timeline.mirror(messages, c.Earlier, s.Rev)
		s.setChat(c)
	}
	for peer, before := range ev.Floors {
		c := s.chat(peer)
		c.forget(before, s.Rev)
		s.setChat(c)
	}
	for peer, keys := range ev.Removed {
		c := s.chat(peer)
		for _, k := range keys {
			c.Timeline = c.Timeline.remove(k, s.Rev)
		}
		s.setChat(c)
	}
	for peer, text := range ev.Drafts {
		DraftChanged{peer, text}.apply(s)
	}
	for _, m := range ev.Moments {
		c := s.chat(m.Peer)
		c.Typing = m.Typing
		s.setChat(c)
	}
	for _, c := range ev.Coverage {
		c.Fill = s.Coverage(c.Part).Fill
		s.setCoverage(c)
	}
	for _, f := range ev.Fills {
		c := s.Coverage(f.Part)
		c.Fill = f.Fill
		s.setCoverage(c)
	}
}

// mirror puts messages in the places another tab has given them. What comes before all
// that is in memory is left to the disk if there is more of it there: between the two
// would be a hole.
func (t Timeline) mirror(messages []Message, earlier bool, rev uint64) Timeline {
	first := t.First()
	for _, m := range messages {
		if earlier && first != nil && m.Key.Before(first.Key) {
			continue
		}
		if shown := t.ByID(m.Author, m.ID); shown != nil && shown.Mine && shown.Key != m.Key && shown.Delivery == Queued {
			// It was shown here before the other tab had said where it belongs.
			t = t.displace(shown)
		}
		t.low, t.high = min(t.low, m.Key.Seq), max(t.high, m.Key.Seq)
		m.Rev = rev
		t = t.put(&m)
	}
	return t
}

// Presences yields what each resource of the contact says, in no order.
func (c *Contact) Presences() iter.Seq2[string, Presence] { return maps.All(c.presences) }

// SameContacts reports whether both states have the very same contacts. It may miss
// that they are equal, never that they differ.
func (s *State) SameContacts(o *State) bool { return s.contacts == o.contacts }

// SameChats is SameContacts for the conversations.
func (s *State) SameChats(o *State) bool { return s.chats == o.chats }

// SameCoverage is SameContacts for what is here of archives.
func (s *State) SameCoverage(o *State) bool { return s.coverage == o.coverage }

// Seqs returns the lowest Seq given to a message of an older page and the highest
// given to any other, so that later ones go on from there.
func (t Timeline) Seqs() (low, high int64) { return t.low, t.high }

// change is one entry of a journal.
type change struct {
	key    Key
	rev    uint64
	length int // of the journal that ends here
	before *change
}

// journalLength is how many changes are remembered. More than that between two
// looks are found by reading the whole timeline.
const journalLength = 512

// note writes into the journal that m was put.
func (t Timeline) note(m *Message) Timeline {
	length := 1
	if t.journal != nil {
		length += t.journal.length
		if length > journalLength {
			t.dropped = t.journal.rev
			t.journal, length = nil, 1
		}
	}
	t.journal = &change{m.Key, m.Rev, length, t.journal}
	return t
}

// Changed returns the messages that are new or different since this revision, oldest
// first. It costs what changed, not what there is.
func (t Timeline) Changed(since uint64) []*Message {
	var changed []*Message
	if since < t.dropped {
		for it := t.rows.Iterator(); !it.Done(); {
			if _, m, _ := it.Next(); m.Rev > since {
				changed = append(changed, m)
			}
		}
		return changed
	}
	for ch := t.journal; ch != nil && ch.rev > since; ch = ch.before {
		if m := t.Get(ch.key); m != nil {
			changed = append(changed, m)
		}
	}
	slices.SortFunc(changed, func(a, b *Message) int { return a.Key.compare(b.Key) })
	return slices.Compact(changed)
}

// Removed returns the places of the messages that were removed since this revision.
func (t Timeline) Removed(since uint64) (keys []Key) {
	for ch := t.removed; ch != nil && ch.rev > since; ch = ch.before {
		keys = append(keys, ch.key)
	}
	return keys
}
