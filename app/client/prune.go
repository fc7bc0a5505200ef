package client

import (
	"context"
	"slices"
	"time"

	"natter/app/state"
	"natter/app/store"
)

// A prune removes from this device only messages that the archive has and that have been read.
// Messages that were not sent stay.
var (
	// A conversation with more messages than this …
	hugeChat = 50_000
	// … keeps so many.
	hugeKeeps = 40_000
	// That is looked after when there is time, so long after the start.
	tidyAfter = time.Minute
)

// fullKeeps is how many messages each conversation keeps when the disk is full: the
// first of these that removes anything at all. Below the last nothing is removed; then
// only the person can free some.
var fullKeeps = []int{10_000, 2_000, 500, 200}

// prune removes old messages after a commit found the disk full. It does not wait
// for what the commit had to bring: that comes with the next try.
func (l *loop) prune(ctx context.Context) {
	if l.kept == nil {
		return
	}
	for _, keep := range fullKeeps {
		if l.forgetOld(ctx, keep, keep) {
			return
		}
	}
}

// tidy removes the oldest messages of conversations that have grown huge.
func (l *loop) tidy() {
	if l.save() && l.store != nil && l.kept != nil && l.stream != nil {
		l.forgetOld(context.Background(), hugeChat, hugeKeeps)
	}
}

// forgetOld keeps so many of each conversation that has more than most, and reports
// whether anything was removed.
func (l *loop) forgetOld(ctx context.Context, most, keep int) bool {
	if len(l.kept.Coverage(state.Part{Archive: l.kept.Account()}).Ranges) == 0 {
		return false // there is no archive: what is here is nowhere else
	}
	var old []state.Forgotten
	for c := range l.kept.Chats {
		// Each message has a number of its own, so there are no more than these.
		if low, high := c.Timeline.Seqs(); high-low < int64(most) {
			continue
		}
		if ev, ok := l.beyond(ctx, c, most, keep); ok {
			old = append(old, ev)
		}
	}
	if len(old) == 0 {
		return false
	}
	smaller := l.kept
	for _, ev := range old {
		smaller = smaller.With(ev)
	}
	if l.store.Commit(ctx, store.Changes(l.kept, smaller)) != nil {
		return false
	}
	for _, ev := range old {
		l.Emit(ev)
	}
	return true
}

// beyond returns what to forget of a conversation so that about so many messages stay.
func (l *loop) beyond(ctx context.Context, c *state.Chat, most, keep int) (ev state.Forgotten, ok bool) {
	if m, err := l.store.Nth(ctx, c.Conv, most+1); m == nil || err != nil {
		return ev, false
	}
	first, err := l.store.Nth(ctx, c.Conv, keep)
	if first == nil || err != nil {
		return ev, false
	}
	stays := first.Message.Key
	if c.Unread > 0 && c.ReadTo.Before(stays) {
		stays = c.ReadTo
	}
	// It has to be one from which the archive can be asked for what comes before, and that
	// can be told from that by time. Something has to go, or nothing is pruned.
	for before := (state.Key{Time: stays.Time, Seq: stays.Seq + 1}); ; {
		rows, err := l.store.Messages(ctx, c.Conv, before, backPage)
		if err != nil || len(rows) < 2 {
			return ev, false
		}
		goes := slices.DeleteFunc(state.States(rows), func(m state.Message) bool { return m.Stays() })
		for i := len(goes) - 1; i > 0; i-- {
			if m := goes[i]; m.ArchiveID != "" && m.At.Unix() > goes[i-1].At.Unix() {
				return state.Forgotten{Conv: c.Conv, Before: m.Key, ID: m.ArchiveID, At: m.At}, true
			}
		}
		before = rows[1].Message.Key
	}
}
