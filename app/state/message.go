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
	Queued                    // accepted by the client; nobody knows yet whether the server has it
	OnServer                  // acknowledged by the server (XEP-0198) or seen in its archive
	Delivered                 // acknowledged by the recipient's client (XEP-0184)
	Failed                    // refused or given up; Problem says why
)

// Message is one message of a conversation.
type Message struct {
	Rev       uint64    `json:"-"`
	Key                 // its place
	ID        string    `json:"id,omitempty"`      // the sender's id for it; ours are also the origin-id (XEP-0359)
	ArchiveID string    `json:"archive,omitempty"` // the id that our archive or the room gave it, "" if unknown
	Author    jid.JID   `json:"author"`            // Author.JID of who wrote it
	Nick      string    `json:"nick,omitempty"`    // Author.Nick
	Tenure    int64     `json:"tenure,omitempty"`  // Tenure.Since of an author with Tenure.Again
	Mine      bool      `json:"mine,omitempty"`
	Subject   string    `json:"subject,omitempty"`
	Body      string    `json:"body"`
	Notice    bool      `json:"notice,omitempty"`   // Body says, in our words, what has come and cannot be read here
	Named     bool      `json:"named,omitempty"`    // in a room: it names the person, or replies to them
	Unstyled  bool      `json:"unstyled,omitempty"` // Body is to be shown as it is (XEP-0393 §7)
	At        time.Time `json:"-"`                  // see MessageRow
	Delivery  Delivery  `json:"-"`
	Problem   string    `json:"problem,omitempty"` // with Failed: one sentence
	Bounced   bool      `json:"bounced,omitempty"` // with Failed: it came back as an error
	Late      bool      `json:"late,omitempty"`    // ours: it was written offline or sent again, so the person knew that it would be late
	Asks      bool      `json:"asks,omitempty"`    // its author would like to be told when it is read (XEP-0333)
	Facts     *Facts    `json:"facts,omitempty"`   // what else is said about it

	heard   heard
	waiting *Facts // the facts that waited in its row; set while it is read from the store
}

// heard says how a message came live to this page: over which connection, as itself or in a carbon, and
// whether that was soon after an earlier connection was lost. It is zero if the message did not come live.
type heard uint64

const (
	direct heard = 1 << iota
	carbon
	afterLoss
	ways = direct | carbon
)

// repeats is how long after a lost connection ejabberd may deliver messages again. It gives up each lost
// connection after five minutes, and if there are several, one waits for the other.
const repeats = 30 * time.Minute

// over returns the heard of a message that came this way over the connection with this number.
func over(connection, way heard) heard { return connection<<3 | way }

func (h heard) connection() heard { return h >> 3 }

// both reports whether two stanzas came the same way over one connection. Then they are two messages,
// even if they say the same, because a server does not deliver a stanza twice over one connection. The
// exception is refiled.
func (h heard) both(o heard) bool {
	return h&o&ways != 0 && h.connection() == o.connection()
}

// Words returns the subject and the body of a message, after its last correction, as one text.
func (m *Message) Words() string { return Both(m.Said()) }

// Both returns a subject and a body as one text.
func Both(subject, body string) string {
	if subject == "" {
		return body
	}
	return subject + "\n" + body
}

// Stays reports whether a message stays on this device when the conversation is pruned: the archive does
// not have it, or has it in another place, because it was late.
func (m *Message) Stays() bool {
	return m.Mine && (m.Delivery == Queued || m.Delivery == Failed || m.Late)
}

// Same reports whether m is a copy of old, a message that is known already.
//
// Two different archive ids mean two messages, except on ejabberd: it delivers the messages of a lost
// connection to the next one, and files them again. Two stanzas that came live mean two messages, unless
// a connection was lost between them. Same has to guess in two cases: if one of the two came live without
// an archive id, and if m was delivered again after a loss. Then author, id and text must be equal, and
// the times near each other. How near depends on whether the author may have used the id twice.
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
		return true // we have sent it again
	}
	if _, gone := old.Gone(); !gone && (old.Body != m.Body || old.Subject != m.Subject) || old.heard.both(m.heard) && !refiled(old, m) {
		return false
	}
	most := 24 * time.Hour
	switch {
	case old.ArchiveID != "" && m.ArchiveID != "":
		// ejabberd files it again five minutes after each loss, and on a journey by train there may
		// be losses for hours.
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

// refiled reports whether two stanzas of one connection may be one message. Each of several lost
// connections may have had the message. When ejabberd gives them up, it files the message again for each
// of them, and delivers it to this connection.
func refiled(old, m *Message) bool {
	if (old.heard|m.heard)&afterLoss == 0 || !random(m.ID) || old.ArchiveID == "" && m.ArchiveID == "" {
		return false
	}
	return (old.ArchiveID == "" || ejabberd(old.ArchiveID)) && (m.ArchiveID == "" || ejabberd(m.ArchiveID))
}

// random reports whether an id is so long that it must be random. Shorter ones may be counters, or
// constants of a program.
func random(id string) bool { return len(id) >= 16 }

// ejabberd reports whether an archive id has the form of ejabberd's: a time in microseconds.
func ejabberd(id string) bool {
	return len(id) == 16 && strings.Trim(id, "0123456789") == ""
}

// Misdated reports whether the archive, from which m comes, has another time for the message than old.
// The archive is believed: our clock may have been wrong, and the sender of a live message may have put a
// delay into it. But for a message that we wrote offline the archive only knows when it arrived.
func Misdated(old, m *Message) bool {
	return (old.ArchiveID == "" || old.ArchiveID == m.ArchiveID) && !(old.Mine && old.Late) && apart(old.At, m.At) >= time.Second
}

func apart(a, b time.Time) time.Duration { return a.Sub(b).Abs() }
