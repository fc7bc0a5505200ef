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
	// mostRead is how many are read at most of what an archive's page is among.
	mostRead = 1000
	// lookedAt and others are how many messages of a conversation may be in memory before it
	// is released: of the one that the person looks at, and of all others.
	lookedAt, others = 1500, 200
)

// lookAt has in memory what is around the place that the person looks at, and lets go of what was
// around the one before.
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

// earliest returns where the span begins that the person looks at, Lowest if the store has nothing
// before it.
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

// readAround reads what the store has from one place to another, and so many messages on either side.
// It asks for nothing that is in memory.
func (l *loop) readAround(conv state.ConvID, from, to state.Key, beside int) {
	t := l.state.Chat(conv).Timeline
	if above := t.Before(from, beside); len(above) < beside {
		if low, _, here := t.Span(from); !here {
			l.readBefore(conv, from, beside)
		} else if low != state.Lowest {
			l.readBefore(conv, low, beside-len(above))
		}
	}
	for n := 0; n < mostRead; n += beside {
		t = l.state.Chat(conv).Timeline
		_, high, here := t.Span(from)
		if !here {
			return // it could not be read
		}
		if high == state.Highest || to.Before(high) && len(t.From(to, beside)) == beside {
			return
		}
		if !l.readAfter(conv, high, beside) {
			return
		}
		from = high
	}
}

// readBefore reads up to n messages, the last of them at a place or before it.
func (l *loop) readBefore(conv state.ConvID, to state.Key, n int) bool {
	rows, err := l.store.Messages(context.Background(), conv, state.Key{Time: to.Time, Seq: to.Seq + 1}, n)
	if err != nil {
		l.trouble(err)
		return false
	}
	l.Emit(state.HistoryRead{Conv: conv, Messages: state.States(rows), Earlier: len(rows) == n, To: to})
	return true
}

// readAfter reads up to n messages after a place that is in memory.
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

// recognise has in memory what the store has of a page of the archive, and what is around it.
// There the timeline recognises it, and knows where it stands.
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
			// Others that are much like it may be meant as well.
			l.readAround(page.Conv, m.Message.Key, m.Message.Key, backPage)
		}
	}
}

// known reports whether a message that comes live is on disk and not in memory. Servers
// deliver again what a stream that has ended had not acknowledged, and take again what
// somebody sends again, however old it is.
func (l *loop) known(ev state.MessageAdded) bool {
	heard, chat := l.state.Heard(ev), l.state.Chat(ev.Conv)
	m := &heard
	if l.store == nil || chat == nil || !chat.Timeline.Holes() || m.Delivery == state.Queued || chat.Timeline.Find(m) != nil {
		return false
	}
	if tail := chat.Timeline.Tail(); !m.Mine && m.At.UnixMicro()-tail.Time > repeated.Microseconds() {
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

// find has in memory the message of a target, if the store has it.
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

// recall has in memory a message of ours that the person has seen in another tab, and wants to send
// once more or to delete.
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

// readElsewhere counts what is left unread where the person has read, on another device, up to a
// message after which not all is in memory. What is between the two is counted and not read.
func (l *loop) readElsewhere(ev state.Filed) {
	chat := l.state.Chat(ev.Conv)
	if l.store == nil || ev.Kind != state.ReadMark || ev.By != l.state.Account() || chat == nil || !chat.Timeline.Holes() || chat.Unread == 0 {
		return
	}
	var at state.Key
	if m := chat.Timeline.ByID(ev.Author, ev.ID); m != nil {
		at = m.Key
	} else if rows, err := l.store.Find(context.Background(), ev.Conv, []store.Wanted{{Author: ev.Author, ID: ev.ID}}); err != nil || len(rows) == 0 {
		return
	} else {
		at = rows[0].Message.Key
	}
	unread, from, to := chat.Timeline.Later(at)
	if from == to || !chat.ReadTo.Before(at) {
		return
	}
	if kept, err := l.store.Count(context.Background(), ev.Conv, from, to); err == nil {
		l.state = l.state.With(state.ReadElsewhere{Conv: ev.Conv, To: at, Unread: unread + kept})
	}
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
		return // what fails here is tried again by who asks
	}
	for i, rows := range pages {
		l.Emit(state.HistoryRead{Conv: convs[i], Messages: state.States(rows), Earlier: len(rows) == window.Messages})
	}
}

// releaseAll lets go of what has been committed of conversations that have grown in memory.
func (l *loop) releaseAll() {
	if l.released == nil {
		l.released = state.New()
	}
	for _, conv := range l.state.ChatsSince(l.released) {
		l.release(conv)
	}
	l.released = l.state
}

// release lets go of what can be read again of a conversation, if there is much of it.
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
