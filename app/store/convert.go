package store

import (
	"slices"
	"time"

	"natter/app/jid"
	"natter/app/state"
)

// deliveries are the words for state.Delivery on disk. A word of a newer build reads
// as OnServer: such a message is in no outbox and claims nothing of its recipient.
var deliveries = map[state.Delivery]string{
	state.Received:  "",
	state.Queued:    "queued",
	state.OnServer:  "server",
	state.Delivered: "delivered",
	state.Failed:    "failed",
}

var fromWord = func() map[string]state.Delivery {
	m := map[string]state.Delivery{}
	for d, word := range deliveries {
		m[word] = d
	}
	return m
}()

// Changes returns what has to be written for a store that holds before to hold
// after; all there is if before is nil. It costs what changed, given that before is
// an ancestor of after: a signed-out state has none, and asks for Delete.
//
// Nobody's typing, the connection and what is being loaded are not kept. Stream
// and Settings are the caller's to add.
func Changes(before, after *state.State) *Batch {
	b := &Batch{}
	if account := accountRow(after); before == nil || account != accountRow(before) {
		b.Account = &account
	}
	if before == nil || !after.SameContacts(before) {
		b.addContacts(before, after)
	}
	if before == nil || !after.SameChats(before) {
		b.addChats(before, after)
	}
	if before == nil || !after.SameCoverage(before) {
		b.addCoverage(before, after)
	}
	return b
}

func accountRow(s *state.State) Account {
	return Account{
		Me: s.Me, Presence: presenceRow(s.OwnPresence), Roster: s.RosterLoaded,
		CaughtUp: s.CaughtUp, Discreet: s.Discreet,
	}
}

func (b *Batch) addCoverage(before, after *state.State) {
	for c := range after.Coverages {
		if before != nil {
			old := before.Coverage(c.Part)
			if old.Open.Equal(c.Open) && old.Cut == c.Cut && old.Settled == c.Settled && slices.Equal(old.Ranges, c.Ranges) {
				continue
			}
		}
		b.Coverage = append(b.Coverage, coverageRow(c))
	}
}

func (b *Batch) addContacts(before, after *state.State) {
	if before != nil {
		if changed, ok := after.ContactsSince(before.Rev); ok {
			for _, j := range changed {
				b.addContact(j, before.Contact(j), after.Contact(j))
			}
			return
		}
	}
	for c := range after.Contacts {
		var old *state.Contact
		if before != nil {
			old = before.Contact(c.JID)
		}
		b.addContact(c.JID, old, c)
	}
	if before == nil {
		return
	}
	for c := range before.Contacts {
		if after.Contact(c.JID) == nil {
			b.addContact(c.JID, c, nil)
		}
	}
}

func (b *Batch) addContact(j jid.JID, old, c *state.Contact) {
	switch {
	case old == c:
	case c == nil:
		b.RemovedContacts = append(b.RemovedContacts, j)
	default:
		b.Contacts = append(b.Contacts, contactRow(c))
	}
}

func (b *Batch) addChats(before, after *state.State) {
	if before != nil {
		if changed, ok := after.ChatsSince(before.Rev); ok {
			for _, peer := range changed {
				b.addChat(before, after.Chat(peer))
			}
			return
		}
	}
	for c := range after.Chats {
		b.addChat(before, c)
	}
}

func (b *Batch) addChat(before *state.State, c *state.Chat) {
	var old *state.Chat
	var changed []*state.Message
	if before != nil {
		old = before.Chat(c.Peer)
	}
	switch {
	case old == c:
		return
	case before == nil:
		changed = c.Timeline.Newest(c.Timeline.Len())
	default:
		changed = c.Timeline.Changed(before.Rev)
	}
	for _, m := range changed {
		row := messageRow(c.Peer, m)
		b.Strict = b.Strict || row.Out != 0
		b.Messages = append(b.Messages, row)
	}
	if before != nil && old != nil && c.Floored > before.Rev {
		b.Forget = append(b.Forget, Forget{c.Peer, Key(c.Floor)})
	}
	if before != nil {
		for _, k := range c.Timeline.Removed(before.Rev) {
			b.RemovedMessages = append(b.RemovedMessages, Place{c.Peer, Key(k)})
		}
	}
	if old == nil && c.Draft != "" || old != nil && c.Draft != old.Draft {
		b.Drafts = append(b.Drafts, Draft{c.Peer, c.Draft})
	}
	row := chatRow(c)
	if old != nil && row == chatRow(old) && c.Timeline.Last() == old.Timeline.Last() {
		return
	}
	if last := c.Timeline.Last(); last != nil {
		m := messageRow(c.Peer, last)
		row.Last = &m
	}
	b.Chats = append(b.Chats, row)
}

// chatRow leaves out Last, so that two rows can be compared.
func chatRow(c *state.Chat) Chat {
	low, high := c.Timeline.Seqs()
	return Chat{
		Peer: c.Peer, Resource: c.Resource, Unread: c.Unread, Read: Key(c.ReadTo), Seen: Key(c.SeenTo),
		Low: low, High: high, Seam: Key(c.Seam),
	}
}

func coverageRow(c *state.Coverage) Coverage {
	row := Coverage{Archive: c.Part.Archive, With: c.Part.With, Ranges: []Range{}, Open: micro(c.Open),
		Cut: c.Cut.ID, CutTime: micro(c.Cut.At), CutGone: c.Cut.Gone,
		Settled: c.Settled.ID, SettledTime: micro(c.Settled.At)}
	for _, r := range c.Ranges {
		row.Ranges = append(row.Ranges, Range{
			From: r.From.ID, FromTime: micro(r.From.At), FromGone: r.From.Gone,
			To: r.To.ID, ToTime: micro(r.To.At), ToGone: r.To.Gone, Start: r.Start,
		})
	}
	return row
}

// micro is a time as rows have it, 0 for none.
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

func (row *Coverage) state() state.Coverage {
	c := state.Coverage{Part: state.Part{Archive: row.Archive, With: row.With}, Open: fromMicro(row.Open),
		Cut:     state.Edge{ID: row.Cut, At: fromMicro(row.CutTime), Gone: row.CutGone},
		Settled: state.Edge{ID: row.Settled, At: fromMicro(row.SettledTime)}}
	for _, r := range row.Ranges {
		c.Ranges = append(c.Ranges, state.Range{
			From:  state.Edge{ID: r.From, At: fromMicro(r.FromTime), Gone: r.FromGone},
			To:    state.Edge{ID: r.To, At: fromMicro(r.ToTime), Gone: r.ToGone},
			Start: r.Start,
		})
	}
	return c
}

func messageRow(peer jid.JID, m *state.Message) Message {
	row := Message{
		Peer: peer, Key: Key(m.Key), ID: m.ID, Archive: m.ArchiveID, Author: m.Author, Mine: m.Mine,
		Subject: m.Subject, Body: m.Body, Notice: m.Notice, At: m.At.UnixMicro(), Delivery: deliveries[m.Delivery], Problem: m.Problem, Bounced: m.Bounced, Late: m.Late, Asks: m.Asks,
	}
	if m.Delivery == state.Queued {
		row.Out = max(m.Key.Time, 1)
	}
	return row
}

func contactRow(c *state.Contact) Contact {
	row := Contact{
		JID: c.JID, Name: c.Name, Groups: c.Groups, InRoster: c.InRoster,
		Subscription: string(c.Subscription), Asked: c.Asked, AsksUs: c.AsksUs, AskText: c.AskText,
		Edit: string(c.Pending.Edit), EditName: c.Pending.Name, Ask: c.Pending.Ask, Answer: string(c.Pending.Answer), Refused: c.Refused,
	}
	for resource, p := range c.Presences() {
		if row.Presences == nil {
			row.Presences = map[string]Presence{}
		}
		row.Presences[resource] = presenceRow(p)
	}
	return row
}

func presenceRow(p state.Presence) Presence {
	return Presence{Show: string(p.Show), Status: p.Status, Priority: p.Priority}
}

// State returns the message as the rest of the client knows it.
func (m *Message) State() state.Message {
	delivery, known := fromWord[m.Delivery]
	if !known {
		delivery = state.OnServer
	}
	return state.Message{
		Key: state.Key(m.Key), ID: m.ID, ArchiveID: m.Archive, Author: m.Author, Mine: m.Mine,
		Subject: m.Subject, Body: m.Body, Notice: m.Notice, At: time.UnixMicro(m.At).UTC(), Delivery: delivery, Problem: m.Problem, Bounced: m.Bounced, Late: m.Late, Asks: m.Asks,
	}
}

// States returns messages as state.HistoryRead takes them.
func States(rows []Message) []state.Message {
	all := make([]state.Message, len(rows))
	for i := range rows {
		all[i] = rows[i].State()
	}
	return all
}

func (p Presence) state() state.Presence {
	return state.Presence{Show: state.Show(p.Show), Status: p.Status, Priority: p.Priority}
}

// State returns the state that was kept, not connected. A conversation of which Load
// did not read the messages has only its last one.
func (sn *Snapshot) State() *state.State {
	var k state.Kept
	if sn.Account != nil {
		k = sn.Account.kept()
	}
	for _, row := range sn.Contacts {
		k.Contacts = append(k.Contacts, row.kept())
	}
	drafts := map[jid.JID]string{}
	for _, d := range sn.Drafts {
		drafts[d.Peer] = d.Text
	}
	for _, row := range sn.Chats {
		page, read := sn.Newest[row.Peer]
		if !read && row.Last != nil {
			page = Page{[]Message{*row.Last}, true}
		}
		kc := row.kept()
		kc.Messages, kc.Chat.Earlier = States(page.Messages), page.Earlier
		kc.Chat.Draft = drafts[row.Peer]
		k.Chats = append(k.Chats, kc)
	}
	for _, row := range sn.Coverage {
		k.Coverage = append(k.Coverage, row.state())
	}
	return state.Restore(k)
}

// Mirrored returns what a batch of Changes means to another tab.
func (b *Batch) Mirrored() state.Mirrored {
	ev := state.Mirrored{RemovedContacts: b.RemovedContacts, Messages: map[jid.JID][]state.Message{}}
	if b.Account != nil {
		ev.Account = new(b.Account.kept())
	}
	for _, row := range b.Contacts {
		ev.Contacts = append(ev.Contacts, row.kept())
	}
	for _, row := range b.Chats {
		ev.Chats = append(ev.Chats, row.kept())
	}
	for _, row := range b.Messages {
		ev.Messages[row.Peer] = append(ev.Messages[row.Peer], row.State())
	}
	for _, f := range b.Forget {
		if ev.Floors == nil {
			ev.Floors = map[jid.JID]state.Key{}
		}
		ev.Floors[f.Peer] = state.Key(f.Before)
	}
	for _, p := range b.RemovedMessages {
		if ev.Removed == nil {
			ev.Removed = map[jid.JID][]state.Key{}
		}
		ev.Removed[p.Peer] = append(ev.Removed[p.Peer], state.Key(p.Key))
	}
	for _, d := range b.Drafts {
		if ev.Drafts == nil {
			ev.Drafts = map[jid.JID]string{}
		}
		ev.Drafts[d.Peer] = d.Text
	}
	for _, row := range b.Coverage {
		ev.Coverage = append(ev.Coverage, row.state())
	}
	return ev
}

func (a *Account) kept() state.Kept {
	return state.Kept{
		Me: a.Me, OwnPresence: a.Presence.state(), RosterLoaded: a.Roster,
		CaughtUp: a.CaughtUp, Discreet: a.Discreet,
	}
}

func (row *Chat) kept() state.KeptChat {
	return state.KeptChat{
		Chat: state.Chat{
			Peer: row.Peer, Resource: row.Resource, Unread: row.Unread, ReadTo: state.Key(row.Read), SeenTo: state.Key(row.Seen),
			Seam: state.Key(row.Seam),
		},
		Low: row.Low, High: row.High,
	}
}

func (row *Contact) kept() state.KeptContact {
	kc := state.KeptContact{Contact: state.Contact{
		JID: row.JID, Name: row.Name, Groups: row.Groups, InRoster: row.InRoster,
		Subscription: state.Subscription(row.Subscription), Asked: row.Asked, AsksUs: row.AsksUs, AskText: row.AskText,
		Pending: state.Pending{Edit: state.Edit(row.Edit), Name: row.EditName, Ask: row.Ask, Answer: state.Answer(row.Answer)},
		Refused: row.Refused,
	}}
	for resource, p := range row.Presences {
		if kc.Presences == nil {
			kc.Presences = map[string]state.Presence{}
		}
		kc.Presences[resource] = p.state()
	}
	return kc
}
