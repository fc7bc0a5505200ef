package state

import (
	"strings"
	"time"

	"natter/app/jid"
	"natter/app/state/tree"
)

// Delivery is how far a message of ours has come.
type Delivery int

const (
	Received  Delivery = iota // not ours
	Queued                    // accepted by the client, not yet known to have reached the server
	OnServer                  // acknowledged by the server (XEP-0198) or seen in its archive
	Delivered                 // acknowledged by the recipient's client (XEP-0184)
	Failed                    // refused or given up; Problem says why
)

// Key is the place of a message in its conversation. It is given once and never
// changes, so that what is on screen does not move.
type Key struct {
	Time int64 `json:"time"` // µs since 1970: when the message was sent, never before its live predecessor
	Seq  int64 `json:"seq"`  // order among equals; archives with stamps of whole seconds need it
}

// Before reports whether k comes earlier in the conversation than o.
func (k Key) Before(o Key) bool {
	return k.Time < o.Time || k.Time == o.Time && k.Seq < o.Seq
}

// Message is one message of a conversation.
type Message struct {
	Rev       uint64    `json:"-"`
	Key                 // its place
	ID        string    `json:"id,omitempty"`      // the sender's id for it; ours are also the origin-id (XEP-0359)
	ArchiveID string    `json:"archive,omitempty"` // the id our own archive gave it, "" if not known
	Author    jid.JID   `json:"author"`            // Author.JID of who wrote it
	Nick      string    `json:"nick,omitempty"`    // Author.Nick
	Mine      bool      `json:"mine,omitempty"`
	Subject   string    `json:"subject,omitempty"`
	Body      string    `json:"body"`
	Notice    bool      `json:"notice,omitempty"`   // Body says, in our words, what has come and cannot be read here
	Unstyled  bool      `json:"unstyled,omitempty"` // Body is to be shown as it is (XEP-0393 §7)
	At        time.Time `json:"-"`                  // see MessageRow
	Delivery  Delivery  `json:"-"`
	Problem   string    `json:"problem,omitempty"` // with Failed: one sentence
	Bounced   bool      `json:"bounced,omitempty"` // with Failed: it was sent back, wherever it has been
	Late      bool      `json:"late,omitempty"`    // ours: whoever wrote it, or has it sent again, knew that it would be late
	Asks      bool      `json:"asks,omitempty"`    // its author would like to be told when it is read (XEP-0333)
	Facts     *Facts    `json:"facts,omitempty"`   // what else is said about it

	heard   heard
	waiting *Facts // of one that is just read: what was said about it while it was not in memory
}

// heard is how a message has come live, as far as this page knows: the number of the
// connection, a bit for each of the ways, and a bit for a message that came not long after
// an earlier connection was lost. Zero is no way.
type heard uint64

const (
	direct heard = 1 << iota
	carbon
	afterLoss
	ways = direct | carbon
)

// repeats is for how long after a loss ejabberd delivers again what lost connections may have
// had: each of them is given up five minutes after it was lost, and they wait for each other.
const repeats = 30 * time.Minute

// over returns a way over the connection with this number.
func over(connection, way heard) heard { return connection<<3 | way }

func (h heard) connection() heard { return h >> 3 }

// both reports whether two stanzas have come the same way over one connection. They are
// two messages then, whatever they say: a server does not repeat itself on a stream that
// has not been interrupted. But see refiled.
func (h heard) both(o heard) bool {
	return h&o&ways != 0 && h.connection() == o.connection()
}

// Words are what a message says in one text, to look for something in it and to show a part
// of it.
func (m *Message) Words() string { return Both(m.Said()) }

// Both is a subject and a body as one text.
func Both(subject, body string) string {
	if subject == "" {
		return body
	}
	return subject + "\n" + body
}

// Stays reports whether a message stays on this device where it is pruned: the archive does
// not have it, or has it in another place, because it was late.
func (m *Message) Stays() bool {
	return m.Mine && (m.Delivery == Queued || m.Delivery == Failed || m.Late)
}

// Chat is one conversation.
type Chat struct {
	Rev      uint64   `json:"-"`
	Conv     ConvID   `json:"peer"`               // bare
	Resource string   `json:"resource,omitempty"` // the peer's resource replies go to, "" for the bare address (RFC 6121 §5.1)
	Timeline Timeline `json:"-"`
	Unread   int      `json:"unread,omitempty"`
	ReadTo   Key      `json:"read"` // the newest message that has been seen
	SeenTo   Key      `json:"seen"` // the newest message of ours that the peer says to have seen (XEP-0333)
	Typing   bool     `json:"-"`    // the peer is writing right now; see the table typing
	Draft    string   `json:"-"`    // what was written to the peer and not sent; see the table drafts
	Seam     Key      `json:"seam"` // the pages of catch-ups have come up to here
	// Floor is where what this device keeps of the conversation begins, if anything was
	// pruned. Before it are only messages that stay, each alone, and what has
	// come from the archive again.
	Floor   Key    `json:"-"`
	Floored uint64 `json:"-"` // the Rev at which that was last said
}

// Seen reports whether a message of ours has arrived and the peer has seen it.
func (c *Chat) Seen(m *Message) bool {
	return m.Mine && (m.Delivery == OnServer || m.Delivery == Delivered) && !c.SeenTo.Before(m.Key)
}

// Timeline is the ordered messages of one conversation that are in memory. The zero value is not
// usable; a Chat always has one.
type Timeline struct {
	rows  *tree.Map[Key, *Message]
	holes *tree.Map[Key, *Key] // where each begins, by where it ends; see span.go
	ids   *tree.Map[string, *Message]
	low   int64 // the lowest Seq given to older pages
	high  int64 // the highest Seq given

	// removed is what was taken back, newest first; people do not take back much. It may have been
	// read from the disk and removed between two states, and then neither has it.
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

// Before returns up to n messages that come before k, oldest first, none from beyond a hole.
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

// From returns up to n messages from k on, k included, none from beyond a hole.
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

// Newest returns up to n messages, the newest last, none from beyond a hole.
func (t Timeline) Newest(n int) []*Message {
	last := t.Last()
	if last == nil {
		return nil
	}
	return append(t.Before(last.Key, n-1), last)
}

// Find returns the message that is m already, nil if m is new. The archive's id decides,
// and our own id for what we write. Else the same text that the same sender has sent under
// the same id, or both times under none, is one message if Same says so; of several the one
// that is nearest in time. An id alone proves nothing: senders choose it, and bots and
// bridges use it again (XEP-0359 §5).
func (t Timeline) Find(m *Message) *Message {
	if m.ArchiveID != "" {
		if old, ok := t.ids.Get(archiveKey(m.ArchiveID)); ok && old.Author == m.Author {
			// Who forges the id of somebody else's message on one of theirs must not
			// make it look known.
			return old
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

// nearest returns the message that is m by the rule of Same and is nearest to it in time, of
// some that stand around that time.
func (t Timeline) nearest(m *Message) (found *Message) {
	look := func(it *tree.Iterator[Key, *Message], next func() (Key, *Message, bool)) {
		for range around {
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

// around is how many messages on either side nearest looks at.
const around = 100

// Same reports whether m is a copy of old, that is here.
//
// Two archive ids are two messages, but for ejabberd: what it had for a connection that was
// lost it delivers to the next one, and files it again. Two stanzas that came live are two
// messages unless the connection was lost between them. All that is left to guess is which
// message of the archive is one that came live without the archive's id, and what has been
// delivered again after a loss. How far apart the two may be depends on whether the id can
// have been used twice.
func Same(old, m *Message) bool {
	if old.Author != m.Author || old.Mine != m.Mine {
		return false
	}
	if m.ArchiveID != "" && m.ArchiveID == old.ArchiveID {
		return true
	}
	if old.ID != m.ID {
		return false
	}
	if m.Mine && random(m.ID) {
		return true // it is we who have sent it again
	}
	if _, gone := old.Gone(); !gone && (old.Body != m.Body || old.Subject != m.Subject) || old.heard.both(m.heard) && !refiled(old, m) {
		return false
	}
	most := 24 * time.Hour
	switch {
	case old.ArchiveID != "" && m.ArchiveID != "":
		// It does so after five minutes, and five minutes after the next loss once more: a
		// journey by train takes hours.
		if !random(m.ID) || !ejabberd(old.ArchiveID) || !ejabberd(m.ArchiveID) {
			return false
		}
	case m.heard != 0 && !random(m.ID):
		most = 5 * time.Second
	case m.ID == "":
		most = 10 * time.Minute
	}
	return apart(old.At, m.At) <= most
}

// refiled reports whether two stanzas of one connection may be one message: each of the
// connections that ejabberd has lost may have had it, and when it gives them up it files the
// message again for each and gives it to this one.
func refiled(old, m *Message) bool {
	if (old.heard|m.heard)&afterLoss == 0 || !random(m.ID) || old.ArchiveID == "" && m.ArchiveID == "" {
		return false
	}
	return (old.ArchiveID == "" || ejabberd(old.ArchiveID)) && (m.ArchiveID == "" || ejabberd(m.ArchiveID))
}

// random reports whether an id is none that is counted up or written into a program.
func random(id string) bool { return len(id) >= 16 }

// ejabberd reports whether an archive's id is one of ejabberd's: the time in microseconds.
func ejabberd(id string) bool {
	return len(id) == 16 && strings.Trim(id, "0123456789") == ""
}

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

// append adds a message that happens now: it goes to the end. Its time differs from that
// of the message before it, so that what turns out to have come between them has a place.
func (t Timeline) append(m Message) Timeline {
	m.Key.Time = m.At.UnixMicro()
	if last := t.Last(); last != nil && m.Key.Time <= last.Key.Time {
		m.Key.Time = last.Key.Time + 1
	}
	t.high++
	m.Key.Seq = t.high
	return t.put(&m)
}

// insert adds a page of the archive. Its stamps say where, but stamps are the
// server's and those of what came live are our own clock's: among what is on the page
// the archive's order counts. floor is a place that comes before the page, and before
// the archive's id of a message that comes after it, as far as they are known; after is
// set if what comes right before the page has a place before floor. Older pages are given
// a Seq below all that is there, newer ones above. insert returns how many of the page
// were new, not ours, and come later than read, and the floor of the next page.
//
// What is new goes behind the message that the archive has before it, also where that was
// delivered late and stands behind later ones.
func (t Timeline) insert(page []Message, floor, after Key, before string, older bool, read Key, rev uint64) (_ Timeline, unseen int, _ Key) {
	known := make([]*Message, len(page), len(page)+1)
	copies := make([]bool, len(page))
	for i := range page {
		if old := t.Find(&page[i]); old != nil {
			copies[i] = copied(old, &page[i])
			t = t.merge(old, &page[i], true, rev) // one that is here is only one of the page
			known[i] = t.Get(old.Key)
		}
	}
	seam := floor
	// A newer page may begin before its floor: some of it has come again. If it is not known
	// behind what, what is new there goes right before the first that is not.
	var again *Message
	if after != (Key{}) && after.Before(floor) {
		floor = after
	}
	for i, m := range known {
		if m != nil && !m.Mine && !copies[i] {
			if !older && floor == seam && !floor.Before(m.Key) {
				again, floor = m, Key{}
			}
			break
		}
	}
	if m, ok := t.ids.Get(archiveKey(before)); ok {
		known = append(known, m)
	}
	seq := t.high
	if older {
		t.low -= int64(len(page))
		seq = t.low - 1
	} else {
		t.high += int64(len(page))
	}
	for i := range page {
		seq++
		old := known[i]
		if old == nil {
			if old = t.Find(&page[i]); old != nil { // on the page twice
				copies[i] = copied(old, &page[i])
				t = t.merge(old, &page[i], true, rev)
			}
		}
		if old != nil {
			if again != nil && old.Key == again.Key {
				again = nil
			}
			if !old.Mine && !copies[i] || floor.Before(old.Key) {
				floor = old.Key
			}
			if seam.Before(floor) {
				seam = floor
			}
			continue
		}
		m := page[i]
		m.Rev = rev
		m.Key = Key{m.At.UnixMicro(), seq}
		next := theirs(known[i+1:])
		if again != nil {
			next = again
			for _, k := range known[i+1:] {
				// Among what is ours, what another client of ours has written.
				if k == again || k != nil && m.Mine && m.Key.Before(k.Key) && k.Key.Before(again.Key) {
					next = k
					break
				}
			}
			m.Key = next.Key
		}
		if next != nil && !m.Key.Before(next.Key) && floor.Time < next.Key.Time {
			t.high++
			m.Key = Key{next.Key.Time - 1, t.high}
		}
		if !floor.Before(m.Key) {
			t.high++
			m.Key = Key{floor.Time, t.high}
		}
		floor = m.Key
		if seam.Before(floor) {
			seam = floor
		}
		if !m.Mine && read.Before(m.Key) {
			unseen++
		}
		t = t.put(&m)
	}
	return t, unseen, seam
}

// copied reports whether the archive has filed a message twice, and m is not the one that
// is here.
func copied(old, m *Message) bool { return old.ArchiveID != "" && old.ArchiveID != m.ArchiveID }

// placeOf returns the place of the message with this id of the archive, the zero Key if
// it is not here or on the page itself.
func (t Timeline) placeOf(id string, page []Message) Key {
	for i := range page {
		if page[i].ArchiveID == id {
			return Key{}
		}
	}
	if m, ok := t.ids.Get(archiveKey(id)); ok {
		return m.Key
	}
	return Key{}
}

// theirs returns the first message that is not ours, nil if there is none. What we
// write has its place before any archive has it.
func theirs(messages []*Message) *Message {
	for _, m := range messages {
		if m != nil && !m.Mine {
			return m
		}
	}
	return nil
}

// merge lets a known message learn what a second copy of it tells, which the archive may
// have told.
func (t Timeline) merge(old, m *Message, archived bool, rev uint64) Timeline {
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

// Misdated reports whether the archive, which has m, tells another time of a message than
// is known. It has the clock that all devices go by: ours may have been wrong, and a
// message that came live may have said of itself when it was sent. Only of what we wrote
// without a connection it knows no more than when it came.
func Misdated(old, m *Message) bool {
	return (old.ArchiveID == "" || old.ArchiveID == m.ArchiveID) && !(old.Mine && old.Late) && apart(old.At, m.At) >= time.Second
}

func (t Timeline) put(m *Message) Timeline {
	// The tables outlive the WebSocket message whose memory these strings share.
	m.ID, m.ArchiveID = strings.Clone(m.ID), strings.Clone(m.ArchiveID)
	m.Subject, m.Body = strings.Clone(m.Subject), strings.Clone(m.Body)
	return t.place(m)
}

// place files the message under its key and its ids, under that of its author only if no
// later one has it.
func (t Timeline) place(m *Message) Timeline {
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
	if m.ArchiveID != "" {
		t.ids = t.ids.Set(archiveKey(m.ArchiveID), m)
	}
	return t
}

// remove takes a message back.
func (t Timeline) remove(m *Message, rev uint64) Timeline {
	t = t.displace(m)
	t.removed = &removal{m.Key, rev, t.removed}
	return t
}

// wasRemoved reports whether a message was taken back, which the disk may not know yet.
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
	for _, id := range []string{idKey(m.Author, m.ID), archiveKey(m.ArchiveID)} {
		if at, ok := t.ids.Get(id); ok && at.Key == m.Key {
			t.ids = t.ids.Delete(id)
		}
	}
	return t
}

// drop takes out all that comes before a place and does not stay.
func (t Timeline) drop(before Key) Timeline {
	for it := t.rows.Iterator(); !it.Done(); {
		k, m, _ := it.Next()
		if !k.Before(before) {
			break
		}
		if !m.Stays() {
			t = t.displace(m)
		}
	}
	return t
}

func idKey(author jid.JID, id string) string { return "i" + string(author) + "\x00" + id }

func reusedKey(author jid.JID, id string) string { return "r" + string(author) + "\x00" + id }

func archiveKey(id string) string { return "a" + id }

func apart(a, b time.Time) time.Duration { return a.Sub(b).Abs() }

func (k Key) compare(o Key) int {
	if k.Before(o) {
		return -1
	}
	if o.Before(k) {
		return 1
	}
	return 0
}
