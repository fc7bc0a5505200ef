package state

import (
	"slices"
	"strconv"

	"natter/app/jid"
	"natter/app/state/tree"
)

// FactKind is what a fact says. The words stay as they are: they are on the disk.
type FactKind string

const (
	Acked    FactKind = "server"    // our server has it (XEP-0198)
	GaveUp   FactKind = "failed"    // it could not be sent; Text says why
	Bounced  FactKind = "bounced"   // it was sent back; Text says why (RFC 6121 §8.5)
	Receipt  FactKind = "received"  // a client of the addressee has it (XEP-0184)
	Markable FactKind = "markable"  // its author would like to be told when it is read (XEP-0333)
	ReadMark FactKind = "displayed" // somebody has read up to it (XEP-0333)
)

// folded are the kinds that Message has fields for. All others stay with it as they are, also
// those that only a newer build knows.
var folded = []FactKind{Acked, GaveUp, Bounced, Receipt, Markable, ReadMark}

// Fact is what somebody says about a message.
type Fact struct {
	Kind FactKind `json:"kind"`
	By   jid.JID  `json:"by"` // Author.JID of who says it
	At   int64    `json:"at"` // when, in µs since 1970
	Text string   `json:"text,omitempty"`
}

// Target is the message that a fact is about, as whoever says it knows it.
type Target struct {
	Conv   ConvID  `json:"peer"`
	Author jid.JID `json:"author"`
	ID     string  `json:"id"` // the author's; of several with it the newest is meant
}

// Filed: somebody has said something about a message. Where that is in memory it knows it from
// now on. Else the fact is filed under it, as a row, until it comes into memory: from an archive
// that is read backwards, or live. The store puts it into the row of a message that it has (see
// Facts.And), from where it comes with the message. Nothing is read to find it.
type Filed struct {
	Target
	Fact
}

// mostFiled is how many facts of a conversation wait in memory for their messages. Of more the
// oldest go: somebody may speak of messages that there are not.
const mostFiled = 500

// apply leaves out what is said by somebody who does not take part in the conversation.
func (ev Filed) apply(s *State) {
	if ev.ID != "" && (ev.By == s.Account() || ev.By.Bare() == ev.Conv.JID()) {
		ev.put(s)
	}
}

// With returns the message as it is with a fact about it. It is m itself if the fact changes
// nothing, or is not for that person to say. In whichever order facts come, the message is the
// same with all of them.
func (m *Message) With(f Fact) *Message {
	next := *m
	failed := func() bool { return m.Delivery == Failed && f.Text <= m.Problem } // and that is why
	switch ours, theirs := m.Mine && f.By == m.Author, m.Mine && f.By != m.Author; {
	case f.Kind == Acked && ours && (m.Delivery == Queued || m.Delivery == Failed && !m.Bounced):
		next.Delivery, next.Problem = OnServer, ""
	case f.Kind == GaveUp && ours && (m.Delivery == Queued || m.Delivery == Failed && !m.Bounced && !failed()):
		next.Delivery, next.Problem = Failed, f.Text
	case f.Kind == Bounced && theirs && m.Delivery != Delivered && !(m.Bounced && failed()):
		next.Delivery, next.Problem, next.Bounced = Failed, f.Text, true
	case f.Kind == Receipt && theirs:
		next.Delivery, next.Problem, next.Bounced = Delivered, "", false
	case f.Kind == Markable && f.By == m.Author && !m.Notice: // what cannot be read is never read
		next.Asks = true
	case !slices.Contains(folded, f.Kind):
		next.Facts = m.Facts.with(f)
	}
	if next == *m {
		return m
	}
	return &next
}

// Facts are what is said about a message: the last of each kind by each who says it. They do not
// change; nil are none.
type Facts []Fact

func (fs *Facts) with(f Fact) *Facts {
	next := Facts{}
	if fs != nil {
		next = slices.Clone(*fs)
	}
	at := slices.IndexFunc(next, func(o Fact) bool { return o.Kind == f.Kind && o.By == f.By })
	switch {
	case at < 0:
		next = append(next, f)
	case next[at].At < f.At || next[at].At == f.At && next[at].Text < f.Text:
		next[at] = f
	default:
		return fs
	}
	return &next
}

// And returns the facts with one more that waits, as a store keeps them: the last four of each
// kind by each who says it.
func (fs Facts) And(f Fact) Facts {
	same, next := 0, append(slices.Clone(fs), f)
	for i, o := range slices.Backward(next) {
		if o.Kind != f.Kind || o.By != f.By {
			continue
		}
		if same++; same > 4 {
			return slices.Delete(next, i, i+1)
		}
	}
	return next
}

// fold lets a message in memory know a fact, and the conversation how far it was read. It reports
// whether that changes anything.
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

// readTo notes that the peer has read up to a message of ours, or the person elsewhere up to one
// of theirs. It never goes back.
func (c *Chat) readTo(m *Message) bool {
	if m.Mine {
		further := c.SeenTo.Before(m.Key)
		if further {
			c.SeenTo = m.Key
		}
		return further
	}
	if !c.ReadTo.Before(m.Key) {
		return false
	}
	if left, from, to := c.Timeline.Later(m.Key); from == to {
		c.Unread = min(c.Unread, left)
	}
	c.ReadTo = m.Key
	return true
}

// bring lets messages that have come into memory know what was filed under them.
func (s *State) bring(c *Chat, messages ...Message) {
	for i := range messages {
		under := Target{c.Conv, messages[i].Author, messages[i].ID}
		if waiting := messages[i].waiting; waiting != nil {
			for _, f := range *waiting {
				if m := c.Timeline.Get(messages[i].Key); m != nil {
					c.fold(m, f, s.Rev)
				}
			}
		}
		if s.filed.Len() == 0 {
			continue
		}
		for f := range s.filedFrom(under.key()) {
			m := c.Timeline.ByID(under.Author, under.ID)
			if f.Target != under || m == nil {
				break
			}
			c.fold(m, f.Fact, s.Rev)
			f.drop(s)
		}
	}
}

// filedFrom calls yield for the facts that wait, by their keys from one on.
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
		if m := c.Timeline.ByID(f.Author, f.ID); m != nil {
			if c = s.chat(f.Conv); c.fold(m, f.Fact, s.Rev) {
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
	for o := range s.filedFrom(string(f.Conv) + "\x00") {
		if o.Conv != f.Conv {
			break
		}
		if n++; o.At < oldest.At {
			oldest = o
		}
	}
	if n > mostFiled {
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
