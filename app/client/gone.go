package client

import (
	"context"
	"time"

	"natter/app/connect"
	"natter/app/state"
	"natter/app/store"
)

// watch calls rescue when the tables of the store are deleted, by the browser or by somebody.
func (l *loop) watch(s store.Store) {
	if l.unwatch != nil {
		l.unwatch()
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.unwatch = cancel
	l.leaving.Go(func() {
		select {
		case <-s.Gone():
			l.c.post(func() { l.rescue(s) })
		case <-ctx.Done():
		}
	})
}

// rescue opens new tables after the old ones were deleted, and the next commit writes the whole state
// to them. If the credential is gone too, somebody has signed out, and rescue opens none. Only the
// leader opens them. The person is warned in every tab.
func (l *loop) rescue(s store.Store) {
	if l.store != s {
		return
	}
	ctx := context.Background()
	l.lose(store.ErrClosed)
	request := connect.Request{Account: l.request.Account}
	if err := l.c.config.Keeper.Renew(ctx, &request); err != nil || request.Credential == nil || l.link == nil || !l.leads {
		return // if tabs cannot meet, the person may be signing out in another one
	}
	if l.c.config.Keeper.SignedOut(ctx, request.Account) {
		return
	}
	s, err := l.c.config.Keeper.Open(ctx, l.request.Account)
	if err == nil && l.leads {
		if err = s.Lead(ctx); err != nil {
			_ = s.Close()
		}
	}
	if err != nil {
		l.trouble(err)
		return
	}
	l.giveUp()
	for c := range l.state.Chats {
		if ev, ok := lost(c); ok {
			l.Emit(ev)
		}
	}
	l.store, l.kept, l.server, l.noted, l.streamDirty = s, nil, "", "", true
	l.watch(s)
}

// lost returns the event for a conversation whose messages before the last span were only in the
// tables. ok is false if memory has all its messages.
func lost(c *state.Chat) (ev state.Forgotten, ok bool) {
	first := c.Timeline.Get(c.Timeline.Tail())
	if first == nil {
		return ev, false
	}
	return state.Forgotten{
		Conv: c.Conv, Before: first.Key, ID: "gone", Gone: true,
		// An archive is asked in whole seconds: the rest of this one is read again.
		At: first.At.Truncate(time.Second).Add(time.Second),
	}, true
}
