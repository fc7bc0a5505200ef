// Package store keeps an account over the end of the page: the interface of a Store, what it
// reads and writes, and Memory. The rows are those of package state. The Store of the browser is
// in wasm/browser; storetest is the contract of both.
//
// A Commit is one transaction. The promises of the client stand on this: a message is in the
// outbox before it is written to the socket, and a received one is in its table before it is
// acknowledged (XEP-0198), together with the count that says so.
//
// The store is a cache of the server's archive but for four things: the outbox, failed messages,
// the drafts and the settings. Losing the rest costs time. There is one database for each
// account, so that no question about one finds anything of another.
package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"

	"natter/app/jid"
	"natter/app/state"
)

// Store keeps the tables of one account. Its methods may be called on any goroutine,
// and they wait. They fail with what Explain knows, or with the error of ctx; a
// Commit that was given up this way may have happened or not.
type Store interface {
	// Load returns what a start needs.
	Load(context.Context, Window) (*Snapshot, error)

	// Messages returns up to n messages before a place in a conversation, oldest
	// first. The zero Key means the end.
	Messages(ctx context.Context, conv state.ConvID, before state.Key, n int) ([]state.MessageRow, error)

	// After is Messages for those after a place. The zero Key means the beginning.
	After(ctx context.Context, conv state.ConvID, after state.Key, n int) ([]state.MessageRow, error)

	// Count returns how many messages of a conversation are between two places.
	Count(ctx context.Context, conv state.ConvID, after, before state.Key) (int, error)

	// Ends returns the newest n messages, oldest first, of each of some conversations, in
	// one read and in the order given.
	Ends(ctx context.Context, convs []state.ConvID, n int) ([][]state.MessageRow, error)

	// Nth returns the nth message of a conversation counted from the newest, which is the
	// first; nil if there are not so many.
	Nth(ctx context.Context, conv state.ConvID, n int) (*state.MessageRow, error)

	// Find returns the messages of a conversation that may be the wanted ones, oldest
	// first, each once. An id that was used several times finds the newest; state.Same
	// tells whether it is the same message.
	Find(ctx context.Context, conv state.ConvID, wanted []Wanted) ([]state.MessageRow, error)

	// Search looks at the newest n messages of all conversations before a time, or before
	// the end if it is 0, and at those that are as old as the last of them. It returns the
	// ones in which state.Has finds all the words, the newest first, and the time to go on
	// before, 0 when there is nothing older.
	Search(ctx context.Context, words []string, before int64, n int) (found []state.MessageRow, next int64, err error)

	// Lead makes this the one that may Commit, of all that are open on the account: one
	// that led before fails with ErrTaken from now on. A tab that another has taken over
	// from writes nothing more, however late it hears of that. One that never led may
	// Commit too; it has to know that it is alone.
	Lead(context.Context) error

	// Commit writes all of the batch or nothing.
	Commit(context.Context, *Batch) error

	// Gone is closed when the database was taken away: deleted or upgraded by another
	// tab, or lost to the browser's clearing up. The state can be written to a new one:
	// state.Changes(nil).
	Gone() <-chan struct{}

	// Delete removes every trace of the account and closes the store, here and in all
	// other tabs.
	Delete(context.Context) error

	// Close ends the use of the store. The rows stay.
	Close() error
}

// Window is how much Load reads.
type Window struct {
	Open     state.ConvID // the conversation on screen, "" if none
	Chats    int          // and this many others, those with the newest messages
	Messages int          // how many messages of each of them
}

// Wanted is a message that may be there: by our archive's id, or by its author and the
// author's id for it.
type Wanted struct {
	Archive string  `json:"archive,omitempty"`
	Author  jid.JID `json:"author,omitempty"`
	ID      string  `json:"id,omitempty"`
}

// Batch is what one transaction writes.
type Batch struct {
	// Strict waits until the rows are on the disk itself, not only with the operating
	// system. Without it they survive the end of the browser, but not a power cut.
	Strict bool

	// Rows replace those with the same key, or are removed. A state.Filed about a message that is
	// here goes into the row of that, as Waiting. A state.Floor removes what comes
	// before it in its conversation, except for what state.Message.Stays: the caller
	// narrows the coverage in the same batch. Removals happen before rows are written.
	Rows     []state.Row
	Stream   *Stream
	Settings map[string]string // one that is "" is removed
}

// Changes is the batch after which a store that holds before holds after; all there is if
// before is nil. A message in the outbox has to be on the disk itself.
func Changes(before, after *state.State) *Batch {
	b := &Batch{Rows: after.Changes(before)}
	for _, r := range b.Rows {
		if m, ok := r.Value.(*state.MessageRow); ok && m.Out != 0 {
			b.Strict = true
		}
	}
	return b
}

// Empty reports whether there is nothing to write.
func (b *Batch) Empty() bool { return len(b.Rows)+len(b.Settings) == 0 && b.Stream == nil }

// Snapshot is what Load returns.
type Snapshot struct {
	Rows     []state.Row           // of all tables but that of the messages
	Ends     map[state.ConvID]Page // of those the Window names, and of those in the outbox
	Stream   *Stream
	Settings map[string]string
}

// Page is the end of a conversation, without a gap and with all that is in the outbox.
type Page struct {
	Messages []state.MessageRow `json:"messages"` // oldest first
	Earlier  bool               `json:"earlier"`  // there may be more before them
}

// Empty reports whether nothing was kept yet.
func (sn *Snapshot) Empty() bool {
	return !slices.ContainsFunc(sn.Rows, func(r state.Row) bool {
		_, ok := r.Value.(*state.Account)
		return ok
	})
}

// Event puts what was kept in the place of a state. A conversation of which Load did not
// read the messages has only its last one.
func (sn *Snapshot) Event() state.Applied {
	ev := state.Applied{All: true, Rows: sn.Rows}
	for _, r := range sn.Rows {
		c, ok := r.Value.(*state.ChatRow)
		if !ok {
			continue
		}
		page, read := sn.Ends[c.Conv]
		if !read && c.Last != nil {
			page = Page{[]state.MessageRow{*c.Last}, true}
		}
		ev.Read = append(ev.Read, state.HistoryRead{Conv: c.Conv, Messages: state.States(page.Messages), Earlier: page.Earlier})
	}
	return ev
}

// Outbox returns what waits to be sent, of all conversations, in the order in which it was
// put there.
func (sn *Snapshot) Outbox() (rows []state.MessageRow) {
	for _, page := range sn.Ends {
		for _, m := range page.Messages {
			if m.Out != 0 {
				rows = append(rows, m)
			}
		}
	}
	sort.Slice(rows, func(i, j int) bool {
		a, b := &rows[i], &rows[j]
		return cmp.Or(cmp.Compare(a.Out, b.Out), cmp.Compare(a.Conv, b.Conv), compare(a.Message.Key, b.Message.Key)) < 0
	})
	return rows
}

func compare(a, b state.Key) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Seq, b.Seq))
}

// Stream is what takes a stream up again (XEP-0198). Its id is a credential: it goes
// when the person signs out, as everything does.
type Stream struct {
	ID    string  `json:"id"`
	JID   jid.JID `json:"jid"`
	H     uint32  `json:"h"`
	Acked uint32  `json:"acked"`
	// Order has the numbers of the stanzas of ours after Acked, first and last of each run:
	// the outbox has those of them that are messages.
	Order    [][2]uint64 `json:"order,omitempty"`
	Unsent   int         `json:"unsent,omitempty"` // stream.Snapshot.Unsent
	Max      int64       `json:"max,omitempty"`    // µs, 0 if the server did not say
	Lost     int64       `json:"lost,omitempty"`   // 0 if it was not known to be
	Features string      `json:"features,omitempty"`
	Server   string      `json:"server,omitempty"` // where it is best taken up, "" for anywhere
	MaxBytes int         `json:"maxBytes,omitempty"`
	Idle     int64       `json:"idle,omitempty"` // µs, 0 if the server did not say

	// Builds before the outbox had a table wrote all stanzas after Acked here, and when they
	// were queued.
	Unacked []string `json:"unacked,omitempty"`
	Since   []int64  `json:"since,omitempty"`
}

// Errors of a store.
var (
	// ErrQuota: the browser gives us no more room. Nothing of the batch was written;
	// the same batch can be committed once there is.
	ErrQuota = errors.New("no room left")
	// ErrClosed: the store was closed, or is Gone.
	ErrClosed = errors.New("closed")
	// ErrTaken: another tab leads now. It is an ErrClosed.
	ErrTaken = fmt.Errorf("%w: another tab has taken over", ErrClosed)
	// ErrNewer: a newer build has been here. Its data is left alone.
	ErrNewer = errors.New("written by a newer version")
	// ErrBlocked: another tab holds the database and does not let go of it.
	ErrBlocked = errors.New("held by another tab")
	// ErrSilent: the browser has not answered for so long that it may never do. It is an
	// ErrBlocked.
	ErrSilent = fmt.Errorf("%w, or by the browser, which does not answer", ErrBlocked)
	// ErrUnavailable: this browser keeps nothing, or not in this mode.
	ErrUnavailable = errors.New("nothing can be kept here")
)

// Explain says in words what it means that the store failed.
func Explain(err error) state.Problem {
	p := state.Problem{
		Kind:   "storage",
		Text:   "Your messages could not be saved on this device.",
		Advice: "They are still on your server. Reload the page to try again.",
		Detail: err.Error(),
	}
	switch {
	case errors.Is(err, ErrQuota):
		p.Kind = "storage-full"
		p.Text = "This device has no room left to save your messages."
		p.Advice = "The oldest ones are being removed from it; your server keeps them. If this stays, free some space. Until then keep this page open: what you write is sent, but not saved."
	case errors.Is(err, ErrClosed):
		p.Kind = "storage-closed"
		p.Text = "What was saved on this device was removed or taken over by another tab."
		p.Advice = "Reload the page."
	case errors.Is(err, ErrNewer):
		p.Kind = "storage-newer"
		p.Text = "A newer version of Natter has been used on this device."
		p.Advice = "Reload the page to get it. Until then nothing is saved."
	case errors.Is(err, ErrSilent):
		p.Kind = "storage-silent"
		p.Text = "Your browser does not answer when it is asked for what is saved on this device."
		p.Advice = "Close Natter's other tabs, or restart the browser. Until then nothing is saved."
	case errors.Is(err, ErrBlocked):
		p.Kind = "storage-blocked"
		p.Text = "Another tab with an older version of Natter is in the way."
		p.Advice = "Close or reload Natter's other tabs. Until then nothing is saved."
	case errors.Is(err, ErrUnavailable):
		p.Kind = "storage-unavailable"
		p.Text = "Your browser saves nothing here. It may be in private mode."
		p.Advice = "Keep this page open: what you have not sent is lost with it."
	}
	return p
}

// Name is what the database of an account is called.
func Name(account jid.JID) string { return "natter." + Hash(string(account.Bare())) }

// Hash stands for an address in the names of what is kept in a browser: the next person at
// this computer should not read there who was here.
func Hash(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:16])
}
