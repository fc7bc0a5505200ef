package client

import (
	"context"
	"slices"
	"time"

	"natter/app/state"
	"natter/app/store"
)

// A prune deletes from this device only messages that the archive has and that have been read.
// Messages that were not sent stay.
var (
	// hugeChat is how many messages a conversation may have; if it has more, tidy keeps hugeKeeps.
	hugeChat  = 50_000
	hugeKeeps = 40_000
	// tidyAfter is how long after the start tidy runs.
	tidyAfter = time.Minute
)

// fullKeeps are the numbers of messages that each conversation keeps when the disk is full. prune
// tries one after the other until messages were deleted. If even the last deletes none, only the
// person can free capacity.
var fullKeeps = []int{10_000, 2_000, 500, 200}

// prune deletes old messages after a commit found the disk full. The changes of that commit are not
// lost: it is tried again.
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

// tidy deletes the oldest messages of conversations that have more than hugeChat.
func (l *loop) tidy() {
	if l.save() && l.store != nil && l.kept != nil && l.stream != nil {
		l.forgetOld(context.Background(), hugeChat, hugeKeeps)
	}
}

// forgetOld deletes all but about keep messages of each conversation that has more than most, and
// reports whether it has deleted any.
func (l *loop) forgetOld(ctx context.Context, most, keep int) bool {
	if len(l.kept.Coverage(state.Part{Archive: l.kept.Account()}).Ranges) == 0 {
		return false // there is no archive, so these are the only copies
	}
	var old []state.Forgotten
	for c := range l.kept.Chats {
		// Each message has a Seq of its own, so there are at most high-low+1.
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

// beyond returns the event that leaves about keep messages of a conversation, and all that are unread.
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
	// The first message that stays must have an archive id, because the archive is asked for the
	// messages before it. It must be in a later second than the message before it, because the archive
	// is asked by time too. If there is no such message, nothing is deleted.
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
