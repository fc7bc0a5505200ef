package store

import "natter/app/jid"

// The rows are what is on disk: their names stay, and new fields are ones whose zero
// value means what was true before there was the field. Times are µs since 1970.

// Key is the place of a message in its conversation; state.Key with names of its own.
type Key struct {
	Time int64 `json:"time"`
	Seq  int64 `json:"seq"`
}

// Message is one message. Its key is the conversation with its place in it.
type Message struct {
	Peer jid.JID `json:"peer"`
	Key
	ID       string  `json:"id,omitempty"`
	Archive  string  `json:"archive,omitempty"`
	Author   jid.JID `json:"author"`
	Mine     bool    `json:"mine,omitempty"`
	Subject  string  `json:"subject,omitempty"`
	Body     string  `json:"body"`
	Notice   bool    `json:"notice,omitempty"`
	At       int64   `json:"at"`
	Delivery string  `json:"delivery,omitempty"` // "" for one that was received
	Problem  string  `json:"problem,omitempty"`
	Bounced  bool    `json:"bounced,omitempty"`
	Late     bool    `json:"late,omitempty"`
	Asks     bool    `json:"asks,omitempty"`
	// Out is set while the message is in the outbox: when it was put there.
	Out int64 `json:"out,omitempty"`
}

// Chat is one conversation without its messages.
type Chat struct {
	Peer     jid.JID  `json:"peer"`
	Resource string   `json:"resource,omitempty"`
	Unread   int      `json:"unread,omitempty"`
	Read     Key      `json:"read"`
	Seen     Key      `json:"seen"` // state.Chat.SeenTo
	Low      int64    `json:"low"`
	High     int64    `json:"high"`
	Seam     Key      `json:"seam"`
	Last     *Message `json:"last,omitempty"` // a copy, so that a list needs no other table
}

// Contact is a roster item, or somebody who asks to become one.
type Contact struct {
	JID          jid.JID             `json:"jid"`
	Name         string              `json:"name,omitempty"`
	Groups       []string            `json:"groups,omitempty"`
	InRoster     bool                `json:"roster,omitempty"`
	Subscription string              `json:"subscription,omitempty"`
	Asked        bool                `json:"asked,omitempty"`
	AsksUs       bool                `json:"asks,omitempty"`
	AskText      string              `json:"text,omitempty"`
	Presences    map[string]Presence `json:"presences,omitempty"`
	// What is state.Contact.Pending, and Refused.
	Edit     string `json:"edit,omitempty"`
	EditName string `json:"editName,omitempty"`
	Ask      bool   `json:"ask,omitempty"`
	Answer   string `json:"answer,omitempty"`
	Refused  string `json:"refused,omitempty"`
}

// Presence is what one resource says about itself.
type Presence struct {
	Show     string `json:"show,omitempty"`
	Status   string `json:"status,omitempty"`
	Priority int8   `json:"priority,omitempty"`
}

// Account is what is true of the account as a whole.
type Account struct {
	Me       jid.JID  `json:"me"` // the full address that was bound last
	Presence Presence `json:"presence"`
	Roster   bool     `json:"roster,omitempty"` // it has arrived once
	Version  string   `json:"version,omitempty"`
	CaughtUp bool     `json:"caughtUp,omitempty"`
	Discreet bool     `json:"discreet,omitempty"`
}

// Stream is what takes a stream up again (XEP-0198). Its id is a credential: it goes
// when the person signs out, as everything does.
type Stream struct {
	ID       string   `json:"id"`
	JID      jid.JID  `json:"jid"`
	H        uint32   `json:"h"`
	Acked    uint32   `json:"acked"`
	Unacked  []string `json:"unacked,omitempty"` // stanzas as XML, in order
	Since    []int64  `json:"since,omitempty"`   // when they were written
	Sent     int      `json:"sent,omitempty"`
	Max      int64    `json:"max,omitempty"`  // µs, 0 if the server did not say
	Lost     int64    `json:"lost,omitempty"` // 0 if it was not known to be
	Features string   `json:"features,omitempty"`
	Server   string   `json:"server,omitempty"` // where it is best taken up, "" for anywhere
	MaxBytes int      `json:"maxBytes,omitempty"`
	Idle     int64    `json:"idle,omitempty"` // µs, 0 if the server did not say
}

// Coverage is which parts of an archive are here: of the account's own, With one peer
// or, if that is "", with all; or of a room's.
type Coverage struct {
	Archive     jid.JID `json:"archive"`
	With        jid.JID `json:"with"`
	Ranges      []Range `json:"ranges"`         // oldest first, apart from each other
	Open        int64   `json:"open,omitempty"` // when a catch-up began that has not ended; 0 if it has
	Cut         string  `json:"cut,omitempty"`  // state.Coverage.Cut
	CutTime     int64   `json:"cutTime,omitempty"`
	CutGone     bool    `json:"cutGone,omitempty"`
	Settled     string  `json:"settled,omitempty"` // state.Coverage.Settled
	SettledTime int64   `json:"settledTime,omitempty"`
}

// Range is a part of an archive without a gap, ends included. Both ends are "" if the
// archive was found empty.
type Range struct {
	From     string `json:"from"`
	To       string `json:"to"`
	FromTime int64  `json:"fromTime"`
	ToTime   int64  `json:"toTime"`
	// The archive has forgotten the id of the end.
	FromGone bool `json:"fromGone,omitempty"`
	ToGone   bool `json:"toGone,omitempty"`
	// Start is set when nothing comes before the range.
	Start bool `json:"start,omitempty"`
}

// Draft is what was written to somebody and not sent.
type Draft struct {
	Peer jid.JID `json:"peer"`
	Text string  `json:"text"`
}

// Avatar is a picture, by the hash that its owner tells.
type Avatar struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Bytes []byte `json:"bytes"`
}
