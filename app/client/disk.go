package client

import (
	"context"

	"natter/app/state"
	"natter/app/store"
)

// news leaves out of a page of the archive what is on disk and not in memory, where the
// timeline cannot recognise it.
func (l *loop) news(page state.ArchivePage) state.ArchivePage {
	chat := l.state.Chat(page.Peer)
	if l.store == nil || chat == nil || !chat.Earlier {
		return page
	}
	var wanted []store.Wanted
	for i := range page.Messages {
		if m := &page.Messages[i]; chat.Timeline.Find(m) == nil {
			wanted = append(wanted, store.Wanted{Archive: m.ArchiveID}, store.Wanted{Author: m.Author, ID: m.ID})
		}
	}
	rows, err := l.store.Find(context.Background(), page.Peer, wanted)
	if err != nil || len(rows) == 0 {
		return page
	}
	known := store.States(rows)
	fresh := make([]state.Message, 0, len(page.Messages))
messages:
	for i := range page.Messages {
		for k := range known {
			if state.Same(&known[k], &page.Messages[i]) {
				continue messages
			}
		}
		fresh = append(fresh, page.Messages[i])
	}
	page.Messages = fresh
	return page
}
