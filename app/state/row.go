package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"natter/app/jid"
	"natter/app/state/tree"
)

// Row is one row of a table. Changes returns the rows that differ between two states. The store writes
// them, and Applied puts them into a state, in another tab or after a start.
type Row struct {
	Value
	Gone bool // the row was deleted; only Where of the Value counts
}

// Value is a struct that is its own row. The tags of its fields are their names on the disk, and never
// change. The zero value of a new field means what was true before the field existed. Times are in µs
// since 1970.
type Value interface {
	// Where returns the name of the table, and a key that no other row of the table has.
	Where() (table, key string)
	// put adds the row to a state that is not published yet, and drop removes it. The state keeps a copy
	// of the Value.
	put(*State)
	drop(*State)
}

// table is a part of the State that is made of rows.
type table struct {
	value Value // any row of the table, to know its type and name
	// changes calls put and drop for the rows that differ. Its cost is in proportion to their number.
	changes func(d *difference, put, drop func(Value))
}

// difference is two states that are compared. If nothing is stored yet, before is New(), and all rows
// differ.
type difference struct {
	before, after *State
	chats         []changedChat // see eachChat
}

type changedChat struct{ was, is *Chat }

// kept are the tables that are on the disk, and mirrored to other tabs. A new table has a line here, and
// a step of the schema in web/store.js.
var kept = []table{
	{new(Account), changedAccount},
	{new(Contact), changedContacts},
	{new(Floor), changedFloors}, // before the messages: it deletes older ones
	{new(MessageRow), changedMessages},
	{new(Filed), changedFacts},
	{new(Draft), changedDrafts},
	{new(ChatRow), changedChats},
	{new(CoverageRow), changedCoverage},
	{new(Outgoing), changedOutbox},
	{new(Room), changedRooms},
	{new(Invitation), changedInvitations},
}

// fleeting are the tables that are mirrored and never stored, because their rows are true only now.
var fleeting = []table{
	{new(connected), changedConnection},
	{new(typing), changedTyping},
	{new(filling), changedFills},
	{new(staying), changedStays},
	{new(seating), changedOccupants},
	{new(listing), changedDirectory},
	{new(seeking), changedSought},
	{new(original), changedOriginal},
}

// Changes returns the rows of kept that differ between before and s. If before is nil, it returns all
// rows of s.
func (s *State) Changes(before *State) []Row { return changes(kept, before, s) }

// Moments is Changes for the rows of fleeting.
func (s *State) Moments(before *State) []Row { return changes(fleeting, before, s) }

func changes(tables []table, before, after *State) (rows []Row) {
	if before == nil {
		before = New()
	}
	d := &difference{before: before, after: after}
	for _, t := range tables {
		t.changes(d,
			func(v Value) { rows = append(rows, Row{v, false}) },
			func(v Value) { rows = append(rows, Row{v, true}) })
	}
	return rows
}

// rowOf returns the type of the rows of a table, nil if there is no such table.
func rowOf(name string) reflect.Type {
	for _, tables := range [][]table{kept, fleeting} {
		for _, t := range tables {
			if of, _ := t.value.Where(); of == name {
				return reflect.TypeOf(t.value).Elem()
			}
		}
	}
	return nil
}

// said is a Row as one tab sends it to another.
type said struct {
	Table string `json:"t"`
	Gone  bool   `json:"gone,omitempty"`
	Value any    `json:"r"`
}

func (r Row) MarshalJSON() ([]byte, error) {
	table, _ := r.Where()
	return json.Marshal(said{table, r.Gone, r.Value})
}

// UnmarshalJSON reads what MarshalJSON has written, which begins with the table.
func (r *Row) UnmarshalJSON(text []byte) error {
	rest, _ := bytes.CutPrefix(text, []byte(`{"t":"`))
	name, _, _ := bytes.Cut(rest, []byte(`"`))
	of := rowOf(string(name))
	if of == nil {
		return fmt.Errorf("state: there is no table %q", name)
	}
	value := reflect.New(of).Interface().(Value)
	heard := said{Value: value}
	if err := json.Unmarshal(text, &heard); err != nil {
		return err
	}
	*r = Row{value, heard.Gone}
	return nil
}

// Rows reads a JSON list of rows of one table, as the disk has them. It returns none if it does not know
// the table.
func Rows(table string, list []byte) (rows []Row, err error) {
	of := rowOf(table)
	if of == nil {
		return nil, nil
	}
	values := reflect.New(reflect.SliceOf(of))
	if err := json.Unmarshal(list, values.Interface()); err != nil {
		return nil, err
	}
	for i := range values.Elem().Len() {
		rows = append(rows, Row{values.Elem().Index(i).Addr().Interface().(Value), false})
	}
	return rows, nil
}

// Applied: these rows were read from the disk, or have changed in the tab that leads. They replace rows
// with the same keys, so it does no harm to apply them twice.
type Applied struct {
	All  bool // the state before is dropped first, but for the connection
	Rows []Row
	Read []HistoryRead // messages, oldest first, that do not count as changed
}

func (ev Applied) apply(s *State) {
	if ev.All {
		rev, connection, sockets := s.Rev, s.Connection, s.sockets
		*s = *New()
		s.Rev, s.Connection, s.sockets = rev, connection, sockets
	}
	for _, r := range ev.Rows {
		if r.Gone {
			r.drop(s)
		} else {
			r.put(s)
		}
	}
	for _, read := range ev.Read {
		read.apply(s)
	}
}

// Account is Self as a row.
type Account struct{ Self }

func (*Account) Where() (table, key string) { return "account", "" }
func (a *Account) put(s *State)             { s.Self = a.Self }
func (*Account) drop(s *State)              { s.Self = Self{} }

func changedAccount(d *difference, put, _ func(Value)) {
	if d.before.Rev == 0 || d.before.Self != d.after.Self {
		put(&Account{d.after.Self})
	}
}

func (c *Contact) Where() (table, key string) { return "contacts", string(c.JID) }

func (c *Contact) put(s *State) {
	copied := *c // the row may be of another state
	s.setContact(&copied)
}

func (c *Contact) drop(s *State) { s.removeContact(c.JID) }

func changedContacts(d *difference, put, drop func(Value)) {
	tree.Diff(d.before.contacts, d.after.contacts, func(j jid.JID, was, is *Contact) {
		if is == nil {
			drop(&Contact{JID: j})
			return
		}
		put(is)
	})
}

// ChatRow is a conversation as a row.
type ChatRow struct {
	Chat
	Low  int64       `json:"low"` // of Timeline, as High: messages that are not in memory count too
	High int64       `json:"high"`
	Last *MessageRow `json:"last,omitempty"` // a copy of the newest message: the list needs no other table
}

func (c *ChatRow) Where() (table, key string) { return "chats", string(c.Conv) }
func (*ChatRow) drop(*State)                  {}

func (c *ChatRow) put(s *State) {
	chat, old := c.Chat, s.chat(c.Conv)
	chat.Timeline, chat.Typing, chat.Writers, chat.Draft, chat.Aim = old.Timeline, old.Typing, old.Writers, old.Draft, old.Aim
	chat.Floor, chat.Floored = old.Floor, old.Floored
	if chat.SeenTo.Before(old.SeenTo) {
		chat.SeenTo = old.SeenTo // the other tab does not have the message in memory
	}
	chat.Timeline.low, chat.Timeline.high = min(old.Timeline.low, c.Low), max(old.Timeline.high, c.High)
	s.setChat(&chat)
}

// row returns the conversation without Last, so that two can be compared.
func (c *Chat) row() ChatRow {
	kept := *c
	kept.Rev, kept.Timeline, kept.Typing, kept.Writers, kept.Draft, kept.Aim = 0, Timeline{}, false, "", "", Aim{}
	kept.Floor, kept.Floored = Key{}, 0
	return ChatRow{Chat: kept, Low: c.Timeline.low, High: c.Timeline.high}
}

// eachChat calls f for each conversation that differs. was is empty if the conversation is new.
// Conversations are never deleted.
func (d *difference) eachChat(f func(was, is *Chat)) {
	if d.chats == nil {
		d.chats = []changedChat{}
		tree.Diff(d.before.chats, d.after.chats, func(_ ConvID, was, is *Chat) {
			if was == nil {
				was = &Chat{Timeline: newTimeline()}
			}
			if is != nil {
				d.chats = append(d.chats, changedChat{was, is})
			}
		})
	}
	for _, c := range d.chats {
		f(c.was, c.is)
	}
}

func changedChats(d *difference, put, _ func(Value)) {
	d.eachChat(func(was, is *Chat) {
		row, last := is.row(), is.Timeline.Last()
		if row == was.row() && last == was.Timeline.Last() {
			return
		}
		if last != nil {
			row.Last = last.row(is.Conv)
		}
		put(&row)
	})
}

// MessageRow is a message as a row.
type MessageRow struct {
	Conv ConvID `json:"peer"`
	Message
	At       int64  `json:"at"`
	Delivery string `json:"delivery,omitempty"` // "" for one that was received
	// Waiting are the facts about the message that came while it was not in memory.
	Waiting Facts `json:"waiting,omitempty"`
	// Out is when the message was written, while it waits to be sent; else 0. It has an index.
	Out int64 `json:"out,omitempty"`
}

// deliveries are the words for Delivery on the disk. An unknown word is read as OnServer, which neither
// sends the message again nor says that anybody has received it.
var deliveries = []string{Received: "", Queued: "queued", OnServer: "server", Delivered: "delivered", Failed: "failed"}

func (m *Message) row(conv ConvID) *MessageRow {
	row := &MessageRow{Conv: conv, Message: *m, At: m.At.UnixMicro(), Delivery: deliveries[m.Delivery]}
	if m.Delivery == Queued {
		row.Out = max(m.Time, 1)
	}
	return row
}

// State returns the message as the rest of the client knows it.
func (m *MessageRow) State() Message {
	plain := m.Message
	plain.Rev, plain.heard = 0, 0
	if len(m.Waiting) > 0 {
		plain.waiting = &m.Waiting
	}
	plain.At, plain.Delivery = time.UnixMicro(m.At).UTC(), OnServer
	for d, word := range deliveries {
		if word == m.Delivery {
			plain.Delivery = Delivery(d)
		}
	}
	return plain
}

// States returns the messages of rows, for HistoryRead.
func States(rows []MessageRow) []Message {
	all := make([]Message, len(rows))
	for i := range rows {
		all[i] = rows[i].State()
	}
	return all
}

func (m *MessageRow) Where() (table, key string) {
	return "messages", fmt.Sprint(m.Conv, " ", m.Time, " ", m.Seq)
}

// put adds a message at the place that the leader has given it. If that place is in a hole, only the disk
// has the message.
func (m *MessageRow) put(s *State) {
	c, plain := s.chat(m.Conv), m.State()
	if _, _, here := c.Timeline.Span(m.Message.Key); !here {
		return
	}
	if shown := c.Timeline.ByID(m.Author, m.ID); shown != nil && shown.Mine && shown.Key != m.Message.Key && shown.Delivery == Queued {
		// This tab showed it before the leader gave it a place.
		c.Timeline = c.Timeline.displace(shown)
	}
	c.Timeline.low, c.Timeline.high = min(c.Timeline.low, m.Seq), max(c.Timeline.high, m.Seq)
	plain.Rev = s.Rev
	c.Timeline = c.Timeline.put(&plain)
	s.bring(c, plain)
	s.setChat(c)
}

func (m *MessageRow) drop(s *State) {
	c := s.chat(m.Conv)
	if old := c.Timeline.Get(m.Message.Key); old != nil {
		c.Timeline = c.Timeline.remove(old, s.Rev)
		s.setChat(c)
	}
}

// changedMessages leaves out the messages that were read from the disk, and those that a Floor deletes.
func changedMessages(d *difference, put, drop func(Value)) {
	d.eachChat(func(was, is *Chat) {
		tree.Diff(was.Timeline.rows, is.Timeline.rows, func(_ Key, _, m *Message) {
			if m != nil && (m.Rev > d.before.Rev || d.before.Rev == 0) {
				put(m.row(is.Conv))
			}
		})
		for r := is.Timeline.removed; r != nil && r.rev > d.before.Rev; r = r.before {
			if is.Timeline.Get(r.key) == nil {
				drop(&MessageRow{Conv: is.Conv, Message: Message{Key: r.key}})
			}
		}
	})
}

// Seqs returns the lowest Seq that was given to a message of an older page, and the highest that was
// given to any other message.
func (t Timeline) Seqs() (low, high int64) { return t.low, t.high }

// Floor says that this device has no messages of a conversation before a place, except those that Stay.
type Floor struct {
	Conv   ConvID `json:"peer"`
	Before Key    `json:"before"`
}

func (f *Floor) Where() (table, key string) { return "floors", string(f.Conv) }
func (*Floor) drop(*State)                  {}

func (f *Floor) put(s *State) {
	c := s.chat(f.Conv)
	c.forget(f.Before, s.Rev)
	s.setChat(c)
}

func changedFloors(d *difference, put, _ func(Value)) {
	d.eachChat(func(was, is *Chat) {
		if is.Floored != was.Floored {
			put(&Floor{is.Conv, is.Floor})
		}
	})
}

// Draft is a text that was written in a conversation and not sent.
type Draft struct {
	Conv ConvID `json:"peer"`
	Text string `json:"text"`
	Aim  Aim    `json:"aim,omitzero"`
}

func (d *Draft) Where() (table, key string) { return "drafts", string(d.Conv) }
func (d *Draft) drop(s *State)              { (&Draft{Conv: d.Conv}).put(s) }

func (d *Draft) put(s *State) {
	DraftChanged{d.Conv, d.Text}.apply(s)
	AimChanged{d.Conv, d.Aim}.apply(s)
}

func changedDrafts(d *difference, put, drop func(Value)) {
	d.eachChat(func(was, is *Chat) {
		switch {
		case was.Draft == is.Draft && was.Aim == is.Aim:
		case is.Draft == "" && is.Aim == (Aim{}):
			drop(&Draft{Conv: is.Conv})
		default:
			put(&Draft{is.Conv, is.Draft, is.Aim})
		}
	})
}

// Outgoing is a stanza in the outbox. It stays there until the server has it, or it can never be sent.
type Outgoing struct {
	ID    string `json:"id"`    // of the stanza
	N     uint64 `json:"n"`     // its number in the stream
	Since int64  `json:"since"` // when it was queued for the first time
	XML   string `json:"xml"`   // the stanza as it leaves
}

func (o *Outgoing) Where() (table, key string) { return "outbox", o.ID }
func (o *Outgoing) put(s *State)               { s.outbox = s.outbox.Set(o.ID, new(*o)) }
func (o *Outgoing) drop(s *State)              { s.outbox = s.outbox.Delete(o.ID) }

func changedOutbox(d *difference, put, drop func(Value)) {
	tree.Diff(d.before.outbox, d.after.outbox, func(id string, _, is *Outgoing) {
		if is == nil {
			drop(&Outgoing{ID: id})
			return
		}
		put(is)
	})
}

// CoverageRow is a Coverage as a row.
type CoverageRow struct {
	Coverage
	Ranges      []RangeRow `json:"ranges"`         // oldest first, apart from each other
	Open        int64      `json:"open,omitempty"` // when a catch-up began that has not ended; 0 if it has
	Cut         string     `json:"cut,omitempty"`
	CutTime     int64      `json:"cutTime,omitempty"`
	CutGone     bool       `json:"cutGone,omitempty"`
	Settled     string     `json:"settled,omitempty"`
	SettledTime int64      `json:"settledTime,omitempty"`
	Generation  int        `json:"generation,omitempty"` // of the build that has read it
}

// RangeRow is a Range in a CoverageRow.
type RangeRow struct {
	From     string `json:"from"`
	To       string `json:"to"`
	FromTime int64  `json:"fromTime"`
	ToTime   int64  `json:"toTime"`
	FromGone bool   `json:"fromGone,omitempty"`
	ToGone   bool   `json:"toGone,omitempty"`
	Start    bool   `json:"start,omitempty"`
}

func (c *Coverage) row() *CoverageRow {
	row := &CoverageRow{Coverage: *c, Ranges: []RangeRow{}, Open: micro(c.Open),
		Cut: c.Cut.ID, CutTime: micro(c.Cut.At), CutGone: c.Cut.Gone, Settled: c.Settled.ID, SettledTime: micro(c.Settled.At), Generation: generation}
	for _, r := range c.Ranges {
		row.Ranges = append(row.Ranges, RangeRow{
			From: r.From.ID, FromTime: micro(r.From.At), FromGone: r.From.Gone,
			To: r.To.ID, ToTime: micro(r.To.At), ToGone: r.To.Gone, Start: r.Start,
		})
	}
	return row
}

func (c *CoverageRow) Where() (table, key string) { return "coverage", c.Part.key() }
func (*CoverageRow) drop(*State)                  {}

func (c *CoverageRow) put(s *State) {
	now := c.Coverage
	now.Open, now.Fill = fromMicro(c.Open), s.Coverage(c.Part).Fill
	now.Cut = Edge{ID: c.Cut, At: fromMicro(c.CutTime), Gone: c.CutGone}
	now.Settled = Edge{ID: c.Settled, At: fromMicro(c.SettledTime)}
	now.Ranges = nil
	for _, r := range c.Ranges {
		now.Ranges = append(now.Ranges, Range{
			From:  Edge{ID: r.From, At: fromMicro(r.FromTime), Gone: r.FromGone},
			To:    Edge{ID: r.To, At: fromMicro(r.ToTime), Gone: r.ToGone},
			Start: r.Start,
		})
	}
	if c.Generation < generation {
		now.Settled = Edge{}
		if now.With != "" {
			now.Ranges = nil
		}
	}
	s.setCoverage(now)
}

// eachCoverage calls f for each Coverage that differs. was is empty if it is new.
func (d *difference) eachCoverage(f func(was, is *Coverage)) {
	tree.Diff(d.before.coverage, d.after.coverage, func(_ string, was, is *Coverage) {
		if was == nil {
			was = &Coverage{Part: is.Part}
		}
		f(was, is)
	})
}

func changedCoverage(d *difference, put, _ func(Value)) {
	d.eachCoverage(func(was, is *Coverage) {
		then, now := *was, *is
		then.Fill, now.Fill = Fill{}, Fill{}
		if !reflect.DeepEqual(then, now) {
			put(is.row())
		}
	})
}

// micro returns a time in µs since 1970, 0 for the zero time.
func micro(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}

func fromMicro(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMicro(at).UTC()
}

// connected has what mirrors show of the connection and of the storage of the leader.
type connected struct {
	Connection Connection
	Storage    *Problem
}

func (*connected) Where() (table, key string) { return "connection", "" }
func (*connected) drop(*State)                {}

func (c *connected) put(s *State) {
	ConnectionChanged{c.Connection}.apply(s)
	s.Storage = c.Storage
}

func changedConnection(d *difference, put, _ func(Value)) {
	if was, is := d.before, d.after; was.Rev == 0 || was.Connection != is.Connection || was.Storage != is.Storage {
		put(&connected{is.Connection, is.Storage})
	}
}

// typing says who in a conversation is writing.
type typing struct {
	Conv    ConvID
	Typing  bool
	Writers string
}

func (t *typing) Where() (table, key string) { return "typing", string(t.Conv) }
func (*typing) drop(*State)                  {}

func (t *typing) put(s *State) {
	c := s.chat(t.Conv)
	c.Typing, c.Writers = t.Typing, t.Writers
	s.setChat(c)
}

func changedTyping(d *difference, put, _ func(Value)) {
	d.eachChat(func(was, is *Chat) {
		if was.Typing != is.Typing || was.Writers != is.Writers {
			put(&typing{is.Conv, is.Typing, is.Writers})
		}
	})
}

// filling says which gap of a part of an archive is being filled.
type filling struct {
	Part
	Fill
}

func (f *filling) Where() (table, key string) { return "fills", f.Part.key() }
func (*filling) drop(*State)                  {}

func (f *filling) put(s *State) {
	c := s.Coverage(f.Part)
	c.Fill = f.Fill
	s.setCoverage(c)
}

func changedFills(d *difference, put, _ func(Value)) {
	d.eachCoverage(func(was, is *Coverage) {
		if was.Fill != is.Fill {
			put(&filling{is.Part, is.Fill})
		}
	})
}
