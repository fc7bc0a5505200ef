package state

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"natter/app/jid"
	"natter/app/state/tree"
)

// FactKind is what a fact says. The words stay as they are: they are on the disk.
type FactKind string

const (
	Acked    FactKind = "server"    // our server has it (XEP-0198)
	GaveUp   FactKind = "failed"    // it could not be sent; Text says why
	Bounced  FactKind = "bounced"   // it came back as an error; Text says why (RFC 6121 §8.5)
	Receipt  FactKind = "received"  // a client of the addressee has it (XEP-0184)
	Markable FactKind = "markable"  // its author would like to be told when it is read (XEP-0333)
	ReadMark FactKind = "displayed" // somebody has read up to it (XEP-0333)

	Reacted   FactKind = "reacted"   // Text: these emoji, with spaces between; "" takes all back (XEP-0444)
	Corrected FactKind = "corrected" // Text: the new text by its author (XEP-0308)
	Retracted FactKind = "retracted" // its author has taken it back (XEP-0424)
	Moderated FactKind = "moderated" // its room has removed its text (XEP-0425); Text says why
	Replies   FactKind = "replies"   // it replies to another message; Text: the Reference of that (XEP-0461)
	Refused   FactKind = "refused"   // our fact about it, sent in Stanza, came back as an error; Text: see Refusal
)

// folded are the kinds that become fields of Message. All other kinds stay in Message.Facts, also those
// that only a newer build knows.
var folded = []FactKind{Acked, GaveUp, Bounced, Receipt, Markable, ReadMark}

// Fact is what somebody says about a message.
type Fact struct {
	Kind FactKind `json:"kind"`
	By   jid.JID  `json:"by"` // Author.JID of who says it
	At   int64    `json:"at"` // when, in µs since 1970
	Text string   `json:"text,omitempty"`
	Nick string   `json:"nick,omitempty"` // Author.Nick of who says it
	// Stanza is the id of the stanza that said it. A Corrected that comes twice is recognised by it,
	// and a Refused names by it the fact that was refused.
	Stanza string `json:"stanza,omitempty"`
	// Archive is the id that a room gave to the stanza of a Corrected, "" if it is unknown.
	Archive string `json:"archive,omitempty"`
}

// Target names the message that a fact is about, as the stanza of the fact names it.
type Target struct {
	Conv   ConvID  `json:"peer"`
	Author jid.JID `json:"author"` // "" if the stanza does not say
	// ID is the id that the author gave to the message; if several messages have it, the newest is
	// meant. In a room, without an Author, it is the id that the room gave to it
	// (XEP-0444 §4.2, XEP-0461 §3.1).
	ID string `json:"id"`
}

// Filed: somebody has said something about a message. If the message is in memory, the fact is applied
// to it now. Else the fact waits as a row until the message comes into memory, live or from
// an archive. If the store has the message, it moves the fact into the row of the message
// (see MessageRow.Attach). So no message is read from the store for a fact.
type Filed struct {
	Target
	Fact
	// Me is our account, set by apply if a Target in a conversation of two has no Author. The author
	// is either Me or the peer then.
	Me jid.JID `json:"me,omitempty"`
}

// mostFiled bounds the facts of a conversation that wait in memory for their messages. If there are
// more, the oldest go, because somebody may send facts about messages that do not exist.
const mostFiled = 500

// apply drops a fact by somebody who does not take part in the conversation.
func (ev Filed) apply(s *State) {
	if ev.Conv.Kind() != Direct && s.Chat(ev.Conv) == nil {
		return // nobody is in that room
	}
	if ev.Kind == Moderated && (ev.Conv.Kind() != Groupchat || ev.By != ev.Conv.JID()) {
		return // only the room itself says it
	}
	if c := s.Chat(ev.Conv); c != nil && ev.Kind == Reacted {
		ev.Target = c.original(ev.Target, s.Account())
	}
	if ev.ID != "" && (ev.By == s.Account() || ev.By.Bare() == ev.Conv.JID().Bare()) {
		if ev.Author == "" && ev.Conv.Kind() != Groupchat {
			ev.Me = s.Account()
		}
		ev.put(s)
	}
}

// Of returns the Target by which facts name a message of a conversation. Its ID is "" if others know
// no id of the message.
func (c *Chat) Of(m *Message) Target {
	if c.Conv.Kind() == Groupchat {
		return Target{Conv: c.Conv, ID: m.ArchiveID}
	}
	return Target{c.Conv, m.Author, m.ID}
}

// Reply returns the message to which m replies. ok is false if it is no reply.
func (c *Chat) Reply(m *Message) (to Target, ok bool) {
	for f := range m.Facts.all {
		if f.Kind == Replies && f.By == m.Author {
			id, author, _ := cutLast(f.Text, "\n")
			return Target{c.Conv, jid.JID(author), id}, id != ""
		}
	}
	return Target{}, false
}

// Reference returns the target as the Text of a fact of the kind Replies.
func (t Target) Reference() string { return t.ID + "\n" + string(t.Author) }

// cutLast is strings.Cut at the last separator: an id may contain it, an address never does.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// About returns the message of a target, nil if it is not in memory.
func (s *State) About(t Target) *Message {
	c := s.Chat(t.Conv)
	if c == nil {
		return nil
	}
	return c.about(t, s.Account())
}

func (c *Chat) about(t Target, me jid.JID) *Message {
	switch {
	case t.Author != "":
		return c.Timeline.ByID(t.Author, t.ID)
	case t.Conv.Kind() == Groupchat:
		m, _ := c.Timeline.ids.Get(archiveKey(t.ID))
		return m
	}
	theirs, ours := c.Timeline.ByID(t.Conv.JID(), t.ID), c.Timeline.ByID(me, t.ID)
	if theirs == nil && c.With != "" {
		theirs = c.Timeline.ByID(t.Conv.JID().WithResource(idMark+c.With), t.ID)
	}
	if theirs == nil || ours != nil && theirs.Key.Before(ours.Key) {
		return ours
	}
	return theirs
}

// original returns the Target of the message whose correction t names (XEP-0444 §4), or t itself if it names none.
func (c *Chat) original(t Target, me jid.JID) Target {
	if c.about(t, me) == nil {
		keys := []string{idKey(c.Conv.JID(), t.ID), idKey(c.Conv.JID().WithResource(idMark+c.With), t.ID), idKey(me, t.ID)}
		if c.Conv.Kind() == Groupchat {
			keys = []string{archiveKey(t.ID)}
		}
		for _, key := range keys {
			if m, _ := c.Timeline.ids.Get(version + key); m != nil {
				return c.Of(m)
			}
		}
	}
	return t
}

// With returns the message with one more fact applied. It returns m itself if the fact changes nothing,
// or if its sender may not say it. The order in which facts come makes no difference to the result.
func (m *Message) With(f Fact) *Message {
	next := *m
	// Of two reasons for a failure the greater string wins, so that their order makes no difference.
	failed := func() bool { return m.Delivery == Failed && f.Text <= m.Problem }
	switch ours, theirs := m.Mine && f.By == m.Author, m.Mine && f.By != m.Author; {
	case f.Kind == Acked && ours && (m.Delivery == Queued || m.Delivery == Failed && !m.Bounced):
		next.Delivery, next.Problem = OnServer, ""
	case f.Kind == GaveUp && ours && (m.Delivery == Queued || m.Delivery == Failed && !m.Bounced && !failed()):
		next.Delivery, next.Problem = Failed, f.Text
	case f.Kind == Bounced && theirs && m.Delivery != Delivered && !(m.Bounced && failed()):
		next.Delivery, next.Problem, next.Bounced = Failed, f.Text, true
	case f.Kind == Receipt && theirs:
		next.Delivery, next.Problem, next.Bounced = Delivered, "", false
	case f.Kind == Markable && f.By == m.Author && !m.Notice: // a Notice cannot be read, so no read mark is sent
		next.Asks = true
	case f.Kind == Corrected:
		if _, gone := m.Gone(); f.By == m.Author && !m.Notice && !gone {
			next.Facts = m.Facts.with(f)
		}
	case f.Kind == Retracted || f.Kind == Moderated:
		if takes(f, m.Author) && !m.Facts.refused(f.Stanza) {
			next.Subject, next.Body, next.Facts = "", "", m.Facts.without(Corrected, Refused).with(f)
		}
	case f.Kind == Refused && m.Mine != (f.By == m.Author): // only this client says it, in our name
	case f.Kind == Refused:
		r, _ := f.refusal()
		switch gone, is := m.Gone(); {
		case is && (r.Kind != Retracted || gone.Stanza != f.Stanza):
		case is && r.Text != "":
			next.Body, next.Facts = r.Text, m.Facts.without(Retracted).with(f)
		default:
			next.Facts = m.Facts.with(f)
		}
	case f.Kind == Replies && f.By != m.Author:
	case !slices.Contains(folded, f.Kind):
		next.Facts = m.Facts.with(f)
	}
	if next == *m {
		return m
	}
	return &next
}

// takes reports whether a fact removes the text of a message by this author. Filed.apply has checked that
// only the room itself says Moderated.
func takes(f Fact, author jid.JID) bool {
	return f.Kind == Retracted && f.By == author || f.Kind == Moderated
}

// Gone returns the fact that has removed the text of the message, if there is one.
func (m *Message) Gone() (f Fact, gone bool) {
	for f := range m.Facts.all {
		if takes(f, m.Author) {
			return f, true
		}
	}
	return Fact{}, false
}

// Versions returns the corrections of the message, which replace its Subject and Body, oldest first.
func (m *Message) Versions() (all []Fact) {
	for f := range m.Facts.all {
		if f.Kind == Corrected && f.By == m.Author && !m.Facts.refused(f.Stanza) {
			all = append(all, f)
		}
	}
	return all
}

// HasVersion reports whether the message was corrected by a stanza with this id and text.
func (m *Message) HasVersion(stanza, text string) bool {
	return m != nil && slices.ContainsFunc(m.Versions(), func(f Fact) bool { return f.Stanza == stanza && f.Text == text })
}

// Said returns the text of the message after its last correction.
func (m *Message) Said() (subject, body string) {
	if v := m.Versions(); len(v) > 0 {
		return "", v[len(v)-1].Text
	}
	return m.Subject, m.Body
}

// Refusal says that a fact of the person about a message came back as an error.
type Refusal struct {
	Stanza string
	Kind   FactKind // Reacted, Corrected or Retracted
	Why    string   // one sentence
	// Text is the Text of that fact, to try it again. For a Retracted it is the text of the message,
	// to show it again, "" if that is not known any more.
	Text string
}

// Fact returns the refusal as a fact.
func (r Refusal) Fact(by jid.JID, at time.Time) Fact {
	return Fact{Kind: Refused, By: by, At: at.UnixMicro(), Text: string(r.Kind) + "\n" + r.Why + "\n" + r.Text, Stanza: r.Stanza}
}

// refusal returns the Refusal of a fact. ok is false if the person has dismissed it.
func (f Fact) refusal() (r Refusal, ok bool) {
	kind, rest, ok := strings.Cut(f.Text, "\n")
	why, text, _ := strings.Cut(rest, "\n")
	return Refusal{f.Stanza, FactKind(kind), why, text}, ok
}

// Refusal returns the last refusal of the message. It leaves out those that the person has dismissed, and
// those after which the person has sent another fact of the same kind.
func (m *Message) Refusal() (last Refusal, ok bool) {
	var at int64
	for f := range m.Facts.all {
		if f.Kind != Refused || ok && f.At < at {
			continue
		}
		r, open := f.refusal()
		for o := range m.Facts.all {
			open = open && !(o.Kind == r.Kind && o.By == f.By && o.At > f.At)
		}
		if open {
			last, at, ok = r, f.At, true
		}
	}
	return last, ok
}

// Reaction is an emoji, with the facts of all who have reacted to a message with it.
type Reaction struct {
	Emoji string
	By    []Fact
}

// Reactions returns the reactions to the message, the oldest first.
func (m *Message) Reactions() (all []Reaction) {
	if m.Facts == nil {
		return nil
	}
	var reacted []Fact
	for f := range m.Facts.all {
		if f.Kind == Reacted && !m.Facts.repeats(f) {
			reacted = append(reacted, f)
		}
	}
	sort.SliceStable(reacted, func(i, j int) bool { return reacted[i].At < reacted[j].At })
	place := map[string]int{}
	for _, f := range reacted {
		for _, emoji := range strings.Fields(f.Text) {
			at, known := place[emoji]
			if !known {
				at = len(all)
				place[emoji], all = at, append(all, Reaction{Emoji: emoji})
			}
			all[at].By = append(all[at].By, f)
		}
	}
	return all
}

// repeats reports whether a reaction of a nick that came from an archive is a copy of a live one, which has
// the tenure of the nick (see Author.Whose).
func (fs *Facts) repeats(f Fact) bool {
	if f.Nick == "" || f.By.Resource() != f.Nick {
		return false
	}
	for o := range fs.all {
		if o.Kind != Reacted || o.Nick != f.Nick || o.By == f.By || o.By.Bare() != f.By.Bare() {
			continue
		}
		if since, ok := tenureOf(o.By); ok && (o.Text == f.Text || since <= f.At && f.At <= o.At+lag.Microseconds()) {
			return true
		}
	}
	return false
}

// Reaction returns the emoji with which somebody has reacted to the message, with spaces between them.
func (m *Message) Reaction(by jid.JID) string {
	for f := range m.Facts.all {
		if f.Kind == Reacted && f.By == by {
			return f.Text
		}
	}
	return ""
}

// Facts are the facts about a message that are no fields of it: the last one of each kind by each sender,
// and several of the kinds Corrected and Refused. They are sorted by kind, sender and time. A Facts
// never changes; nil means none.
type Facts []Fact

const (
	// mostVersions is how many corrections of a message are remembered.
	mostVersions = 20
	// mostFacts is how many facts a message remembers; if there are more, the oldest goes.
	mostFacts = 1000
)

func (fs *Facts) all(yield func(Fact) bool) {
	if fs == nil {
		return
	}
	for _, f := range *fs {
		if !yield(f) {
			return
		}
	}
}

// refused reports whether the stanza with this id came back as an error.
func (fs *Facts) refused(stanza string) bool {
	for f := range fs.all {
		if f.Kind == Refused && f.Stanza == stanza && stanza != "" {
			return true
		}
	}
	return false
}

func (fs *Facts) without(kinds ...FactKind) *Facts {
	next := Facts{}
	for f := range fs.all {
		if !slices.Contains(kinds, f.Kind) {
			next = append(next, f)
		}
	}
	return &next
}

func (fs *Facts) with(f Fact) *Facts {
	next := Facts{}
	if fs != nil {
		next = slices.Clone(*fs)
	}
	at := slices.IndexFunc(next, func(o Fact) bool {
		switch {
		case o.Kind != f.Kind || o.By != f.By:
			return false
		case f.Kind == Refused:
			return o.Stanza == f.Stanza
		}
		return f.Kind != Corrected || o.Stanza == f.Stanza && o.Text == f.Text
	})
	switch {
	case at < 0:
		next = append(next, f)
	case f.Kind == Corrected: // a copy, perhaps with the time at which it was really sent, or the id that the room gave to it
		whole := next[at]
		whole.At, whole.Archive = min(whole.At, f.At), max(whole.Archive, f.Archive)
		if whole == next[at] {
			return fs
		}
		next[at] = whole
	case next[at].At < f.At || next[at].At == f.At && next[at].Text < f.Text:
		next[at] = f
	default:
		return fs
	}
	sort.Slice(next, func(i, j int) bool {
		a, b := &next[i], &next[j]
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.By, b.By), cmp.Compare(a.At, b.At), cmp.Compare(a.Text, b.Text)) < 0
	})
	if f.Kind == Corrected || f.Kind == Refused {
		next = next.limit(mostVersions, func(o Fact) bool { return o.Kind == f.Kind && o.By == f.By })
	}
	next = next.limit(mostFacts, func(Fact) bool { return true })
	return &next
}

// limit removes the oldest fact for which of returns true, if there are more than most such facts.
func (fs Facts) limit(most int, of func(Fact) bool) Facts {
	n, oldest := 0, -1
	for i, f := range fs {
		if of(f) {
			if n++; oldest < 0 || f.At < fs[oldest].At {
				oldest = i
			}
		}
	}
	if n <= most {
		return fs
	}
	return slices.Delete(fs, oldest, oldest+1)
}

// And returns the facts that wait in a row, with one more: the last four of each kind by each sender.
func (fs Facts) And(f Fact) Facts {
	return append(slices.Clone(fs), f).limit(4, func(o Fact) bool { return o.Kind == f.Kind && o.By == f.By })
}

// Attach adds a fact to those that wait in the row of its message. If it takes the message back, the
// text leaves the disk at once.
func (m *MessageRow) Attach(f Fact) {
	m.Waiting = m.Waiting.And(f)
	if takes(f, m.Author) && !m.Facts.refused(f.Stanza) && !m.Waiting.refused(f.Stanza) {
		m.Subject, m.Body = "", ""
		m.Waiting = *(&m.Waiting).without(Corrected, Refused)
		if m.Facts != nil {
			m.Facts = m.Facts.without(Corrected, Refused)
		}
	}
}

// Whole returns the message with the waiting facts of its row applied.
func (m *MessageRow) Whole() Message {
	whole := m.State()
	next := &whole
	for _, f := range m.Waiting {
		next = next.With(f)
	}
	return *next
}

// fold applies a fact to a message in memory, or to the conversation if it says how far that was read.
// It reports whether anything has changed.
func (c *Chat) fold(m *Message, f Fact, rev uint64) bool {
	if f.Kind == ReadMark && f.By != m.Author {
		return c.readTo(m)
	}
	next := m.With(f)
	if next == m {
		return false
	}
	next.Rev = rev
	c.Timeline = c.Timeline.put(next)
	return true
}

// readTo notes that the peer has read up to a message of ours, or that the person has read, on another
// device, up to a message of somebody else. An earlier message than before changes nothing.
func (c *Chat) readTo(m *Message) bool {
	if m.Mine {
		further := c.SeenTo.Before(m.Key)
		if further {
			c.SeenTo = m.Key
		}
		return further
	}
	return c.haveRead(m.Key)
}

// haveRead notes that the person has read up to a place, and reports whether that is further than
// before.
func (c *Chat) haveRead(to Key) bool {
	if !c.ReadTo.Before(to) {
		return false
	}
	if left, from, end := c.Timeline.Later(to); from == end {
		c.Unread, c.Named = min(c.Unread, left), min(c.Named, c.Timeline.named(to))
	}
	c.ReadTo = to
	return true
}

// bring applies the facts that wait to messages that have come into memory.
func (s *State) bring(c *Chat, messages ...Message) {
	for i := range messages {
		m := &messages[i]
		if waiting := m.waiting; waiting != nil {
			for _, f := range *waiting {
				if m := c.Timeline.Get(m.Key); m != nil {
					c.fold(m, f, s.Rev)
				}
			}
		}
		if s.filed.Len() == 0 {
			continue
		}
		s.bringTo(c, Target{c.Conv, m.Author, m.ID})
		if c.Conv.Kind() == Groupchat {
			s.bringTo(c, Target{c.Conv, "", m.ArchiveID})
		} else {
			s.bringTo(c, Target{c.Conv, "", m.ID})
		}
		if m := c.Timeline.ByID(m.Author, m.ID); m != nil {
			s.bringVersions(c, m.Key)
		}
	}
}

// bringVersions applies the reactions that wait to a message whose corrections they name.
func (s *State) bringVersions(c *Chat, at Key) {
	for _, v := range c.Timeline.Get(at).Versions() {
		under := Target{c.Conv, "", v.Stanza}
		if c.Conv.Kind() == Groupchat {
			under.ID = v.Archive
		}
		for f := range s.filedFrom(under.key()) {
			if f.Target != under {
				break
			}
			if f.Kind == Reacted {
				c.fold(c.Timeline.Get(at), f.Fact, s.Rev)
				f.drop(s)
			}
		}
	}
}

func (s *State) bringTo(c *Chat, under Target) {
	for f := range s.filedFrom(under.key()) {
		m := c.about(under, s.Account())
		if f.Target != under || m == nil {
			break
		}
		c.fold(m, f.Fact, s.Rev)
		f.drop(s)
	}
}

// filedFrom returns a function that calls yield for the waiting facts, in the order of their keys, from key
// on.
func (s *State) filedFrom(key string) func(yield func(*Filed) bool) {
	it := s.filed.Iterator()
	return func(yield func(*Filed) bool) {
		for it.Seek(key); !it.Done(); {
			if _, f, _ := it.Next(); !yield(f) {
				return
			}
		}
	}
}

func (t Target) key() string {
	return string(t.Conv) + "\x00" + string(t.Author) + "\x00" + t.ID + "\x00"
}

func (f *Filed) Where() (table, key string) {
	return "facts", f.Target.key() + string(f.Kind) + "\x00" + string(f.By) + "\x00" + strconv.FormatInt(f.At, 10)
}

func (f *Filed) put(s *State) {
	if c := s.Chat(f.Conv); c != nil {
		if m := c.about(f.Target, s.Account()); m != nil {
			if c = s.chat(f.Conv); c.fold(m, f.Fact, s.Rev) {
				if f.Kind == Corrected {
					s.bringVersions(c, m.Key)
				}
				s.setChat(c)
			}
			return
		}
	}
	_, key := f.Where()
	if same, ok := s.filed.Get(key); ok && same.Text >= f.Text {
		return
	}
	waits := *f // f may be of another state
	s.filed = s.filed.Set(key, &waits)
	oldest, n := f, 0
	former, same := f, 0 // the oldest of this kind, by this author about the same message, and their number
	for o := range s.filedFrom(string(f.Conv) + "\x00") {
		if o.Conv != f.Conv {
			break
		}
		if n++; o.At < oldest.At {
			oldest = o
		}
		if o.Target == f.Target && o.Kind == f.Kind && o.By == f.By {
			if same++; o.At < former.At {
				former = o
			}
		}
	}
	switch {
	case same > mostVersions:
		former.drop(s)
	case n > mostFiled:
		oldest.drop(s)
	}
}

func (f *Filed) drop(s *State) {
	_, key := f.Where()
	s.filed = s.filed.Delete(key)
}

func changedFacts(d *difference, put, drop func(Value)) {
	tree.Diff(d.before.filed, d.after.filed, func(_ string, was, is *Filed) {
		if is == nil {
			drop(was)
			return
		}
		put(is)
	})
}
