package client

import (
	"context"
	"math"
	"slices"
	"sort"
	"time"

	"natter/app/state"
	"natter/app/store"
)

const (
	// backPage is how many messages are read on either side of a place.
	backPage = 200
	// mostRead bounds the messages that are read to fill a range, or all that are unread.
	mostRead = 1000
	// lookedAt bounds the messages in memory of the conversation that the person looks at, and
	// others those of each other conversation. If there are more, release takes them out.
	lookedAt, others = 1500, 200
)

// lookAt reads into memory the messages around the place where the person looks, and releases those
// around the place where they looked before. If the person looks for one message (in.Of), and neither
// memory nor the store has it, the archive is asked for it (state.Seek).
func (l *loop) lookAt(in state.Look) {
	if in.Of.ID != "" {
		if l.find(in.Of); l.state.About(in.Of) == nil {
			l.do(state.Seek{Conv: in.Conv, Of: in.Of})
		}
		return
	}
	before := l.looking
	l.looking = in
	if in.Conv != before.Conv {
		l.release(before.Conv)
	}
	chat := l.state.Chat(in.Conv)
	if l.store == nil || chat == nil || !chat.Timeline.Holes() {
		return
	}
	switch tail := chat.Timeline.Tail(); {
	case in.At != (state.Key{}):
		l.readAround(in.Conv, in.At, in.At, backPage)
	case in.Unread && chat.ReadTo == (state.Key{}):
		l.readBefore(in.Conv, tail, min(chat.Unread+backPage, mostRead))
	case in.Unread:
		l.looking.At = chat.ReadTo
		l.readAround(in.Conv, chat.ReadTo, chat.ReadTo, backPage)
	case len(chat.Timeline.Newest(window.Messages)) < window.Messages:
		l.readBefore(in.Conv, tail, window.Messages)
	}
	l.release(in.Conv)
}

// earliest returns where the span begins in which the person looks. It returns Lowest if the store has
// nothing before that span.
func (l *loop) earliest(conv state.ConvID) state.Key {
	chat := l.state.Chat(conv)
	if l.store == nil || chat == nil {
		return state.Lowest
	}
	if at := l.looking.At; l.looking.Conv == conv && at != (state.Key{}) {
		if from, _, here := chat.Timeline.Span(at); here {
			return from
		}
	}
	return chat.Timeline.Tail()
}

// readAround reads into memory the messages from one place to another, and n more on either side. It
// does not read again what is in memory, and stops after about mostRead messages.
func (l *loop) readAround(conv state.ConvID, from, to state.Key, n int) {
	t := l.state.Chat(conv).Timeline
	if above := t.Before(from, n); len(above) < n {
		if low, _, here := t.Span(from); !here {
			l.readBefore(conv, from, n)
		} else if low != state.Lowest {
			l.readBefore(conv, low, n-len(above))
		}
	}
	for read := 0; read < mostRead; read += n {
		t = l.state.Chat(conv).Timeline
		_, high, here := t.Span(from)
		if !here {
			return // it could not be read
		}
		if high == state.Highest || to.Before(high) && len(t.From(to, n)) == n {
			return
		}
		if !l.readAfter(conv, high, n) {
			return
		}
		from = high
	}
}

// readBefore reads into memory the last n messages of the store that are at a place or before it. It
// reports whether they could be read.
func (l *loop) readBefore(conv state.ConvID, to state.Key, n int) bool {
	rows, err := l.store.Messages(context.Background(), conv, state.Key{Time: to.Time, Seq: to.Seq + 1}, n)
	if err != nil {
		l.trouble(err)
		return false
	}
	l.Emit(state.HistoryRead{Conv: conv, Messages: state.States(rows), Earlier: len(rows) == n, To: to})
	return true
}

// readAfter is readBefore for the first n messages after a place that is in memory.
func (l *loop) readAfter(conv state.ConvID, from state.Key, n int) bool {
	rows, err := l.store.After(context.Background(), conv, from, n)
	if err != nil {
		l.trouble(err)
		return false
	}
	ev := state.HistoryRead{Conv: conv, Messages: state.States(rows), From: from}
	if len(rows) == n {
		ev.To = rows[n-1].Message.Key
	}
	l.Emit(ev)
	return true
}

// recognise reads into memory those messages of a page of an archive that the store has, and their
// neighbours. Then the timeline sees which messages are new, and between which others they stand.
func (l *loop) recognise(page state.ArchivePage) {
	chat := l.state.Chat(page.Conv)
	if l.store == nil || chat == nil || !chat.Timeline.Holes() || len(page.Messages) == 0 {
		return
	}
	first, last := page.Messages[0].At.UnixMicro(), page.Messages[len(page.Messages)-1].At.UnixMicro()
	if from, to := (state.Key{Time: first}), (state.Key{Time: max(first, last)}); !chat.Timeline.Whole(from, to) || !chat.Timeline.Above(from) {
		l.readAround(page.Conv, from, to, backPage)
	}
	t := l.state.Chat(page.Conv).Timeline
	var wanted []store.Wanted
	for i := range page.Messages {
		if m := &page.Messages[i]; t.Find(m) == nil {
			wanted = append(wanted, store.Wanted{Archive: m.ArchiveID}, store.Wanted{Author: m.Author, ID: m.ID})
		}
	}
	rows, err := l.store.Find(context.Background(), page.Conv, wanted)
	if err != nil || len(rows) == 0 {
		return
	}
	l.Emit(state.HistoryRead{Conv: page.Conv, Messages: state.States(rows), Alone: true})
	for _, m := range rows {
		if m.ArchiveID == "" {
			// Several like it may be here (see state.Same), and the timeline needs all to choose.
			l.readAround(page.Conv, m.Message.Key, m.Message.Key, backPage)
		}
	}
}

// known reports whether the store, but not memory, has a message that comes live. A server delivers a
// message once more if the last stream has not acknowledged it, or if its author has sent it once more.
// The message may be old then.
func (l *loop) known(ev state.MessageAdded) bool {
	heard, chat := l.state.Heard(ev), l.state.Chat(ev.Conv)
	m := &heard
	if l.store == nil || chat == nil || !chat.Timeline.Holes() || m.Delivery == state.Queued || chat.Timeline.Find(m) != nil {
		return false
	}
	if tail := chat.Timeline.Tail(); !m.Mine && m.At.UnixMicro()-tail.Time > repeated.Microseconds() {
		return false // a message that it repeats would be in memory
	}
	rows, err := l.store.Find(context.Background(), ev.Conv,
		[]store.Wanted{{Archive: m.ArchiveID}, {Author: m.Author, ID: m.ID}})
	if err != nil {
		return false
	}
	return slices.ContainsFunc(state.States(rows), func(old state.Message) bool { return state.Same(&old, m) })
}

// repeated is the longest time between a message of somebody else and its repetition: a day (see
// state.Same), and an hour for clocks that differ.
const repeated = 25 * time.Hour

// find reads into memory the message that a target names, if the store has it.
func (l *loop) find(of state.Target) {
	if l.store == nil || l.state.Chat(of.Conv) == nil || l.state.About(of) != nil {
		return
	}
	var wanted []store.Wanted
	switch {
	case of.Author != "":
		wanted = []store.Wanted{{Author: of.Author, ID: of.ID}}
	case of.Conv.Kind() == state.Groupchat:
		wanted = []store.Wanted{{Archive: of.ID}}
	default:
		wanted = []store.Wanted{{Author: of.Conv.JID(), ID: of.ID}, {Author: l.state.Account(), ID: of.ID}}
	}
	rows, err := l.store.Find(context.Background(), of.Conv, wanted)
	if err != nil {
		l.trouble(err)
		return
	}
	l.Emit(state.HistoryRead{Conv: of.Conv, Messages: state.States(rows), Alone: true})
}

// recall reads into memory a message of ours that the person wants to send again or to delete. They
// may have seen it in another tab, which has it in memory.
func (l *loop) recall(conv state.ConvID, id string) {
	if chat := l.state.Chat(conv); l.store == nil || chat == nil || !chat.Timeline.Holes() || chat.Timeline.ByID(l.state.Account(), id) != nil {
		return
	}
	rows, err := l.store.Find(context.Background(), conv, []store.Wanted{{Author: l.state.Account(), ID: id}})
	if err != nil {
		l.trouble(err)
		return
	}
	l.Emit(state.HistoryRead{Conv: conv, Messages: state.States(rows), Alone: true})
}

// readElsewhere counts the messages that are still unread after the person has read up to m on another
// device. m is nil if memory does not have that message; then wanted finds it in the store. It is only
// needed if the message is in a hole, or before one: it counts the messages in the hole without
// reading them.
func (l *loop) readElsewhere(conv state.ConvID, m *state.Message, wanted store.Wanted) {
	chat := l.state.Chat(conv)
	if l.store == nil || chat == nil || !chat.Timeline.Holes() || chat.Unread == 0 {
		return
	}
	var at state.Key
	if m != nil {
		at = m.Key
	} else if rows, err := l.store.Find(context.Background(), conv, []store.Wanted{wanted}); err != nil || len(rows) == 0 {
		return
	} else {
		at = rows[0].Message.Key
	}
	unread, from, to := chat.Timeline.Later(at)
	if from == to || !chat.ReadTo.Before(at) {
		return
	}
	if kept, err := l.store.Count(context.Background(), conv, from, to); err == nil {
		l.state = l.state.With(state.ReadElsewhere{Conv: conv, To: at, Unread: unread + kept})
	}
}

// readEnds reads the ends of the conversations with the newest messages. It does so in one turn of
// the loop, because the stream will soon bring messages for them.
func (l *loop) readEnds() {
	type end struct {
		chat *state.Chat
		last state.Key
	}
	var ends []end
	for c := range l.state.Chats {
		if last := c.Timeline.Last(); c.Timeline.Holes() && last != nil && c.Timeline.Len() < window.Messages {
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
		return // lookAt reads an end again when the person looks there
	}
	for i, rows := range pages {
		l.Emit(state.HistoryRead{Conv: convs[i], Messages: state.States(rows), Earlier: len(rows) == window.Messages})
	}
}

// releaseAll calls release for the conversations that have changed since it was last called.
func (l *loop) releaseAll() {
	if l.released == nil {
		l.released = state.New()
	}
	for _, conv := range l.state.ChatsSince(l.released) {
		l.release(conv)
	}
	l.released = l.state
}

// release takes messages of a conversation out of memory if it has too many. Only committed messages
// go, because they can be read again.
func (l *loop) release(conv state.ConvID) {
	chat, most, ev := l.state.Chat(conv), others, state.Released{Conv: conv}
	if conv == l.looking.Conv {
		most = lookedAt
	}
	if l.store == nil || chat == nil || chat.Timeline.Len() <= most {
		return
	}
	if conv == l.looking.Conv {
		if ev.At = l.looking.At; ev.At == (state.Key{}) {
			ev.At = chat.Timeline.Last().Key
		}
	}
	if ev.Upto = math.MaxUint64; l.link == nil || l.leads {
		if l.kept == nil {
			return
		}
		ev.Upto = l.kept.Rev
	}
	l.Emit(ev)
}
