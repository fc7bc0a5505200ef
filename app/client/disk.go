package client

import (
	"context"
	"slices"
	"sort"
	"time"

	"natter/app/state"
	"natter/app/store"
)

// news leaves out of a page of the archive what is on disk and not in memory, where the
// timeline cannot recognise it.
func (l *loop) news(page state.ArchivePage) state.ArchivePage {
	chat := l.deepen(page)
	if l.store == nil || chat == nil || !chat.Earlier {
		return page
	}
	var wanted []store.Wanted
	for i := range page.Messages {
		if m := &page.Messages[i]; chat.Timeline.Find(m) == nil {
			wanted = append(wanted, store.Wanted{Archive: m.ArchiveID}, store.Wanted{Author: m.Author, ID: m.ID})
		}
	}
	rows, err := l.store.Find(context.Background(), page.Conv, wanted)
	if err != nil || len(rows) == 0 {
		return page
	}
	known := state.States(rows)
	page.Messages = slices.DeleteFunc(slices.Clone(page.Messages), func(m state.Message) bool {
		for k := range known {
			if !state.Same(&known[k], &m) {
				continue
			}
			if known[k].ArchiveID != "" && !state.Misdated(&known[k], &m) {
				return true
			}
			// One of the page is the archive's copy of it, and no other: in memory it learns
			// which, and when it was sent.
			l.readTo(page.Conv, known[k].Key)
		}
		return false
	})
	return page
}

// readTo reads back to a place, and reports whether that is in memory then.
func (l *loop) readTo(conv state.ConvID, at state.Key) bool {
	for at.Before(l.edges[conv]) {
		n, err := l.readPage(conv, backPage)
		if err != nil {
			l.trouble(err)
		}
		if n == 0 {
			return false
		}
	}
	return true
}

// known reports whether a message that comes live is on disk and not in memory. Servers
// deliver again what a stream that has ended had not acknowledged, and take again what
// somebody sends again, however old it is.
func (l *loop) known(ev state.MessageAdded) bool {
	heard, chat := l.state.Heard(ev), l.state.Chat(ev.Conv)
	m := &heard
	if l.store == nil || chat == nil || !chat.Earlier || m.Delivery == state.Queued || chat.Timeline.Find(m) != nil {
		return false
	}
	if first := chat.Timeline.First(); !m.Mine && first != nil && m.At.UnixMicro()-first.Key.Time > repeated.Microseconds() {
		return false // all that it could repeat is in memory
	}
	rows, err := l.store.Find(context.Background(), ev.Conv,
		[]store.Wanted{{Archive: m.ArchiveID}, {Author: m.Author, ID: m.ID}})
	if err != nil {
		return false
	}
	return slices.ContainsFunc(state.States(rows), func(old state.Message) bool { return state.Same(&old, m) })
}

// repeated is the longest time between a message of somebody else and its repetition, see
// state.Same, with some more for clocks that differ.
const repeated = 25 * time.Hour

// deepen reads back to where a page of the archive begins, if that is before what is in
// memory: what is only on the disk would be a hole between the two, which nobody sees. It
// returns the conversation.
func (l *loop) deepen(page state.ArchivePage) *state.Chat {
	for {
		chat := l.state.Chat(page.Conv)
		if chat == nil || !chat.Earlier || len(page.Messages) == 0 {
			return chat
		}
		first := chat.Timeline.First()
		if first != nil && first.Key.Time < page.Messages[0].At.UnixMicro() {
			return chat
		}
		if n, err := l.readPage(page.Conv, backPage); n == 0 || err != nil {
			return l.state.Chat(page.Conv)
		}
	}
}

// recall reads back to a message of ours that the person has seen in another tab, and wants to
// send once more or to delete.
func (l *loop) recall(conv state.ConvID, id string) {
	if chat := l.state.Chat(conv); l.store == nil || chat == nil || !chat.Earlier || chat.Timeline.ByID(l.state.Account(), id) != nil {
		return
	}
	rows, err := l.store.Find(context.Background(), conv, []store.Wanted{{Author: l.state.Account(), ID: id}})
	if err != nil {
		l.trouble(err)
		return
	}
	if len(rows) > 0 {
		l.readTo(conv, rows[0].Message.Key)
	}
}

// readElsewhere counts what is left unread where the person has read, on another device, up to a
// message that is on the disk and not in memory. What is between the two is counted and not read.
func (l *loop) readElsewhere(ev state.Filed) {
	chat := l.state.Chat(ev.Conv)
	if l.store == nil || ev.Kind != state.ReadMark || ev.By != l.state.Account() || chat == nil || !chat.Earlier ||
		chat.Unread == 0 || chat.Timeline.ByID(ev.Author, ev.ID) != nil {
		return
	}
	rows, err := l.store.Find(context.Background(), ev.Conv, []store.Wanted{{Author: ev.Author, ID: ev.ID}})
	first := chat.Timeline.First()
	if err != nil || len(rows) == 0 || first == nil || !chat.ReadTo.Before(rows[0].Message.Key) {
		return
	}
	unread := 0
	for _, m := range chat.Timeline.From(first.Key, chat.Timeline.Len()) {
		if !m.Mine {
			unread++
		}
	}
	// How many of the newest on the disk come after a place, up to most.
	after := func(k state.Key, most int) int {
		return sort.Search(most, func(n int) bool {
			m, err := l.store.Nth(context.Background(), ev.Conv, n+1)
			return err != nil || m == nil || !k.Before(m.Message.Key)
		})
	}
	unread += after(rows[0].Message.Key, chat.Timeline.Len()+chat.Unread) - after(first.Key, chat.Timeline.Len()) - 1
	l.state = l.state.With(state.ReadElsewhere{Conv: ev.Conv, To: rows[0].Message.Key, Unread: unread})
}

// readEnds reads the ends of the conversations in which something was said last. It
// does so in one turn of the loop: what the stream brings is about them.
func (l *loop) readEnds() {
	type end struct {
		chat *state.Chat
		last state.Key
	}
	var ends []end
	for c := range l.state.Chats {
		if last := c.Timeline.Last(); c.Earlier && last != nil && c.Timeline.Len() < window.Messages {
			ends = append(ends, end{c, last.Key})
		}
	}
	sort.Slice(ends, func(i, j int) bool { return ends[j].last.Before(ends[i].last) })
	ends = ends[:min(window.Chats, len(ends))]
	convs := make([]state.ConvID, len(ends))
	for i, e := range ends {
		convs[i] = e.chat.Conv
	}
	pages, err := l.store.Ends(context.Background(), convs, window.Messages)
	if err != nil {
		return // what fails here is tried again by who asks
	}
	for i, rows := range pages {
		ev := state.HistoryRead{Conv: convs[i], Messages: state.States(rows), Earlier: len(rows) == window.Messages}
		if len(rows) > 0 {
			l.edges[ev.Conv] = rows[0].Message.Key
		}
		l.Emit(ev)
	}
}

// readOlder reads the page before what is in memory from the store, if it has one.
func (l *loop) readOlder(conv state.ConvID) bool {
	n, _ := l.readPage(conv, window.Messages)
	return n > 0
}

// readPage reads up to n messages before what is in memory and returns how many there
// were.
func (l *loop) readPage(conv state.ConvID, n int) (int, error) {
	chat := l.state.Chat(conv)
	if l.store == nil || chat == nil || !chat.Earlier {
		return 0, nil
	}
	rows, err := l.store.Messages(context.Background(), conv, l.edges[conv], n)
	if err != nil {
		return 0, err
	}
	if len(rows) > 0 {
		l.edges[conv] = rows[0].Message.Key
	}
	l.Emit(state.HistoryRead{Conv: conv, Messages: state.States(rows), Earlier: len(rows) == n})
	return len(rows), nil
}

// What reach reads in one turn of the loop, and how much above the place it goes to.
const (
	backPage  = 200
	backAbove = 30
)

// reach reads until a place is in memory, a page in each turn. All that comes after
// it is in memory then too: a conversation has no hole.
func (l *loop) reach(conv state.ConvID, to state.Key) {
	chat := l.state.Chat(conv)
	if chat == nil || len(chat.Timeline.Before(to, backAbove)) == backAbove {
		return
	}
	n, err := l.readPage(conv, backPage)
	switch {
	case err != nil:
		l.trouble(err)
	case n > 0:
		l.After(0, func() { l.reach(conv, to) })
	}
}
