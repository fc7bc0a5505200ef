package state

import (
	"strings"
	"time"

	"natter/app/jid"
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

// Message is one message of a conversation.
type Message struct {
	Rev       uint64    `json:"-"`
	Key                 // its place
	ID        string    `json:"id,omitempty"`      // the sender's id for it; ours are also the origin-id (XEP-0359)
	ArchiveID string    `json:"archive,omitempty"` // the id our own archive gave it, "" if not known
	Author    jid.JID   `json:"author"`            // Author.JID of who wrote it
	Nick      string    `json:"nick,omitempty"`    // Author.Nick
	Tenure    int64     `json:"tenure,omitempty"`  // Tenure.Since of an author with Tenure.Again
	Mine      bool      `json:"mine,omitempty"`
	Subject   string    `json:"subject,omitempty"`
	Body      string    `json:"body"`
	Notice    bool      `json:"notice,omitempty"`   // Body says, in our words, what has come and cannot be read here
	Named     bool      `json:"named,omitempty"`    // in a room: it names the person, or answers them
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

// Misdated reports whether the archive, which has m, tells another time of a message than
// is known. It has the clock that all devices go by: ours may have been wrong, and a
// message that came live may have said of itself when it was sent. Only of what we wrote
// without a connection it knows no more than when it came.
func Misdated(old, m *Message) bool {
	return (old.ArchiveID == "" || old.ArchiveID == m.ArchiveID) && !(old.Mine && old.Late) && apart(old.At, m.At) >= time.Second
}

func apart(a, b time.Time) time.Duration { return a.Sub(b).Abs() }
