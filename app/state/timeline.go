package state

import (
	"strings"

	"natter/app/jid"
	"natter/app/state/tree"
)

// Key is the place of a message in its conversation. It is given once and never
// changes, so that what is on screen does not move.
type Key struct {
	Time int64 `json:"time"` // µs since 1970: when the message was sent; of a live one always later than the message before it
	Seq  int64 `json:"seq"`  // the order of messages with one Time: some archives stamp in whole seconds
}

// Before reports whether k comes earlier in the conversation than o.
func (k Key) Before(o Key) bool {
	return k.Time < o.Time || k.Time == o.Time && k.Seq < o.Seq
}

// Chat is one conversation.
type Chat struct {
	Rev      uint64   `json:"-"`
	Conv     ConvID   `json:"peer"`
	With     string   `json:"with,omitempty"`     // in a private one: the occupant-id that the peer had last
	Resource string   `json:"resource,omitempty"` // the resource of the peer that messages go to, "" for the bare address (RFC 6121 §5.1)
	Timeline Timeline `json:"-"`
	Unread   int      `json:"unread,omitempty"`
	Named    int      `json:"named,omitempty"` // how many unread messages name the person
	ReadTo   Key      `json:"read"`            // the person has read up to this place
	SeenTo   Key      `json:"seen"`            // the peer says that they have read up to this message of ours (XEP-0333)
	Typing   bool     `json:"-"`               // somebody is writing right now; see the table typing
	Writers  string   `json:"-"`               // in a room: the nicks of those who are writing, one on each line
	Draft    string   `json:"-"`               // text that was not sent yet; see the table drafts
	Aim      Aim      `json:"-"`               // of the draft
	Seam     Key      `json:"seam"`            // the last message that is covered (see Coverage); later ones came live
	// Floor is the place before which this device has pruned the conversation, zero if it has not.
	// Before it there are only messages that Stay, and messages that were read from the archive again.
	Floor   Key    `json:"-"`
	Floored uint64 `json:"-"` // State.Rev when Floor was last set
}

// Seen reports whether a message of ours has arrived and the peer has seen it.
func (c *Chat) Seen(m *Message) bool {
	return m.Mine && (m.Delivery == OnServer || m.Delivery == Delivered) && !c.SeenTo.Before(m.Key)
}

// Timeline is the ordered messages of one conversation that are in memory. The zero value is not
// usable; a Chat always has one.
type Timeline struct {
	rows  *tree.Map[Key, *Message]
	holes *tree.Map[Key, *Key] // the place where each hole begins, by the place where it ends; see span.go
	ids   *tree.Map[string, *Message]
	low   int64 // the lowest Seq given to older pages
	high  int64 // the highest Seq given

	// removed are the messages that were deleted, the last one first; there are few. Changes needs it:
	// a message that was read from the disk and deleted between two states is in neither of them.
	removed *removal
}

type removal struct {
	key    Key
	rev    uint64
	before *removal
}

func newTimeline() Timeline {
	return Timeline{
		rows: tree.New[Key, *Message](Key.compare), holes: newHoles(),
		ids: tree.New[string, *Message](strings.Compare),
	}
}

// Len returns how many messages are in memory.
func (t Timeline) Len() int { return t.rows.Len() }

// Last returns the newest message, nil if there is none.
func (t Timeline) Last() *Message {
	it := t.rows.Iterator()
	if it.Last(); it.Done() {
		return nil
	}
	_, m, _ := it.Prev()
	return m
}

// First returns the oldest message, nil if there is none.
func (t Timeline) First() *Message {
	it := t.rows.Iterator()
	if it.First(); it.Done() {
		return nil
	}
	_, m, _ := it.Next()
	return m
}

// Get returns the message at this place, nil if there is none.
func (t Timeline) Get(k Key) *Message {
	m, _ := t.rows.Get(k)
	return m
}

// Before returns the last n messages before k, oldest first, or fewer: it stops at a hole.
func (t Timeline) Before(k Key, n int) []*Message {
	from, _, here := t.Span(k)
	if !here {
		return nil
	}
	it := t.rows.Iterator()
	it.Seek(k)
	if it.Done() {
		it.Last()
	}
	var page []*Message
	for !it.Done() && len(page) < n {
		at, m, ok := it.Prev()
		if !ok || at.Before(from) {
			break
		}
		if at.Before(k) {
			page = append(page, m)
		}
	}
	for i, j := 0, len(page)-1; i < j; i, j = i+1, j-1 {
		page[i], page[j] = page[j], page[i]
	}
	return page
}

// From returns the first n messages from k on, k included, or fewer: it stops at a hole.
func (t Timeline) From(k Key, n int) []*Message {
	_, to, here := t.Span(k)
	if !here {
		return nil
	}
	it := t.rows.Iterator()
	it.Seek(k)
	var page []*Message
	for !it.Done() && len(page) < n {
		at, m, _ := it.Next()
		if to.Before(at) {
			break
		}
		page = append(page, m)
	}
	return page
}

// Newest returns the newest n messages, oldest first, or fewer: it stops at a hole.
func (t Timeline) Newest(n int) []*Message {
	last := t.Last()
	if last == nil {
		return nil
	}
	return append(t.Before(last.Key, n-1), last)
}

// Find returns the message in memory of which m is a copy, nil if there is none. A message of the same
// author with the same archive id is one. Else Same decides about messages of that author with the same
// id, or without an id as m; of several Find takes the one that is nearest in time. An id alone proves
// nothing: senders choose it, and bots and bridges use it again (XEP-0359 §5).
func (t Timeline) Find(m *Message) *Message {
	if m.ArchiveID != "" {
		if old := t.Archived(m.ArchiveID); old != nil && old.Author == m.Author {
			return old // with another author the archive id is forged, and m may be new
		}
	}
	newest := t.ByID(m.Author, m.ID)
	if newest != nil && !t.reused(m.Author, m.ID) {
		if !Same(newest, m) {
			return nil
		}
		return newest
	}
	if newest == nil && m.ID != "" {
		return nil
	}
	if near := t.nearest(m); near != nil {
		return near
	}
	if newest != nil && Same(newest, m) {
		return newest
	}
	return nil
}

// nearest returns the message for which Same reports true and which is nearest to m in time, nil if there
// is none. It looks at near messages on either side of that time.
func (t Timeline) nearest(m *Message) (found *Message) {
	look := func(it *tree.Iterator[Key, *Message], next func() (Key, *Message, bool)) {
		for range near {
			_, old, ok := next()
			if !ok {
				return
			}
			if Same(old, m) {
				if found == nil || apart(old.At, m.At) < apart(found.At, m.At) {
					found = old
				}
				return
			}
		}
	}
	at := Key{Time: m.At.UnixMicro()}
	back, on := t.rows.Iterator(), t.rows.Iterator()
	if back.Seek(at); back.Done() {
		back.Last()
	}
	look(back, back.Prev)
	on.Seek(at)
	look(on, on.Next)
	return found
}

// near bounds the messages that are looked at on either side of a place.
const near = 100

// ByID returns the newest message with this author and id, nil if there is none.
func (t Timeline) ByID(author jid.JID, id string) *Message {
	if id == "" {
		return nil
	}
	m, _ := t.ids.Get(idKey(author, id))
	return m
}

// reused reports whether an author has used an id for several messages.
func (t Timeline) reused(author jid.JID, id string) bool {
	_, ok := t.ids.Get(reusedKey(author, id))
	return ok
}

// Archived returns the message with this archive id, nil if it is not in memory.
func (t Timeline) Archived(id string) *Message {
	m, _ := t.ids.Get(archiveKey(id))
	return m
}

// merge adds to a known message (old) what a second copy of it (m) says. archived is true if the copy
// comes from an archive.
func (t Timeline) merge(old, m *Message, archived bool, rev uint64) Timeline {
	if archived {
		t = t.yield(m.ArchiveID, old.Key, rev)
	}
	learned := *old
	if learned.ArchiveID == "" {
		learned.ArchiveID = m.ArchiveID
	}
	if m.heard.connection() == learned.heard.connection() {
		learned.heard |= m.heard
	} else if m.heard != 0 {
		learned.heard = m.heard
	}
	if learned.Mine && m.ArchiveID != "" && (learned.Delivery == Queued || learned.Delivery == Failed && !learned.Bounced) {
		learned.Delivery, learned.Problem = OnServer, ""
	}
	if archived && Misdated(old, m) {
		learned.At = m.At
	}
	if learned == *old {
		return t
	}
	learned.Rev = rev
	return t.put(&learned)
}

func (t Timeline) put(m *Message) Timeline {
	// The tables outlive the WebSocket message whose memory these strings share.
	m.ID, m.ArchiveID = strings.Clone(m.ID), strings.Clone(m.ArchiveID)
	m.Subject, m.Body = strings.Clone(m.Subject), strings.Clone(m.Body)
	if other := t.Archived(m.ArchiveID); other != nil && other.Key != m.Key {
		m.ArchiveID = "" // it came live, and its sender has put the id of another message into it (XEP-0359 §5)
	}
	return t.place(m)
}

// yield takes an archive id away from a live message that has claimed it, because the archive says that
// the message at a place has this id.
func (t Timeline) yield(id string, at Key, rev uint64) Timeline {
	other := t.Archived(id)
	if other == nil || other.Key == at {
		return t
	}
	honest := *other
	honest.ArchiveID, honest.Rev = "", rev
	t.ids = t.ids.Delete(archiveKey(id))
	return t.put(&honest)
}

// place adds the message under its key and its ids. If an author has used an id for several messages, the
// id leads to the last of them. If several claim one archive id, it leads to the first: who forges an id
// has seen it before.
func (t Timeline) place(m *Message) Timeline {
	was, _ := t.rows.Get(m.Key)
	t.rows = t.rows.Set(m.Key, m)
	if t.Holes() {
		t = t.filled(m.Key, m.Key)
	}
	if m.ID != "" {
		newest := t.ByID(m.Author, m.ID)
		if newest != nil && newest.Key != m.Key {
			t.ids = t.ids.Set(reusedKey(m.Author, m.ID), newest)
		}
		if newest == nil || !m.Key.Before(newest.Key) {
			t.ids = t.ids.Set(idKey(m.Author, m.ID), m)
		}
	}
	if other := t.Archived(m.ArchiveID); m.ArchiveID != "" && (other == nil || !other.Key.Before(m.Key)) {
		t.ids = t.ids.Set(archiveKey(m.ArchiveID), m)
	}
	if was != nil {
		for _, id := range was.versionKeys() {
			t.ids = t.ids.Delete(id)
		}
	}
	for _, id := range m.versionKeys() {
		t.ids = t.ids.Set(id, m)
	}
	return t
}

// remove deletes a message, and notes that for Changes.
func (t Timeline) remove(m *Message, rev uint64) Timeline {
	t = t.displace(m)
	t.removed = &removal{m.Key, rev, t.removed}
	return t
}

// wasRemoved reports whether the message at this place was deleted. The disk may not know it yet.
func (t Timeline) wasRemoved(k Key) bool {
	for r := t.removed; r != nil; r = r.before {
		if r.key == k {
			return true
		}
	}
	return false
}

// displace undoes place.
func (t Timeline) displace(m *Message) Timeline {
	t.rows = t.rows.Delete(m.Key)
	for _, id := range append(m.versionKeys(), idKey(m.Author, m.ID), archiveKey(m.ArchiveID)) {
		if at, ok := t.ids.Get(id); ok && at.Key == m.Key {
			t.ids = t.ids.Delete(id)
		}
	}
	return t
}

// without undoes place for all messages for which gone returns true. Its cost is in proportion to all messages in
// memory.
func (t Timeline) without(gone func(*Message) bool) Timeline {
	t.rows = t.rows.Only(func(_ Key, m *Message) bool { return !gone(m) })
	t.ids = t.ids.Only(func(id string, m *Message) bool { return id[0] == reused || t.Get(m.Key) != nil })
	return t
}

// drop takes out the messages before a place, except those that Stay.
func (t Timeline) drop(before Key) Timeline {
	return t.without(func(m *Message) bool { return m.Key.Before(before) && !m.Stays() })
}

// reused begins the keys of ids that an author has used more than once. They stay when the messages leave memory.
const reused = 'r'

func idKey(author jid.JID, id string) string { return "i" + string(author) + "\x00" + id }

func reusedKey(author jid.JID, id string) string {
	return string(reused) + string(author) + "\x00" + id
}

// version begins the keys of ids that corrections have. The ids of messages come before those.
const version = "v"

// versionKeys returns the keys of the ids that the corrections of a message have.
func (m *Message) versionKeys() (keys []string) {
	for _, f := range m.Versions() {
		if f.Stanza != "" {
			keys = append(keys, version+idKey(m.Author, f.Stanza))
		}
		if f.Archive != "" {
			keys = append(keys, version+archiveKey(f.Archive))
		}
	}
	return keys
}

func archiveKey(id string) string { return "a" + id }

func (k Key) compare(o Key) int {
	if k.Before(o) {
		return -1
	}
	if o.Before(k) {
		return 1
	}
	return 0
}
