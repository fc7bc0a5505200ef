// Package store keeps the rows of an account longer than the page lives. It has the interface of a Store,
// the types that a Store reads and writes, and Memory, a Store for tests. The rows are those of package
// state. The Store of the browser is in wasm/browser; storetest is the contract of both.
//
// A Commit is one transaction. The promises of the client depend on this. A message of ours is in the outbox before
// it is written to the socket. A received message is in its table before it is acknowledged (XEP-0198), together with
// the count that acknowledges it.
//
// The store is a cache of the server, except for four things: the outbox, failed messages, drafts and
// settings. If the rest is lost, it is only read again. Each account has a database of its own, so that
// no read for one account can find anything of another.
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

// Store keeps the tables of one account. Its methods may be called on any goroutine, and they wait for the
// disk. They fail with one of the errors below, or with the error of ctx; then a Commit may have happened
// or not.
type Store interface {
	// Load returns all rows except most messages, as a start needs them.
	Load(context.Context, Window) (*Snapshot, error)

	// Messages returns the last n messages before a place in a conversation, oldest first. The zero Key
	// means the end. There are fewer only if the store has no more.
	Messages(ctx context.Context, conv state.ConvID, before state.Key, n int) ([]state.MessageRow, error)

	// After returns the first n messages after a place, oldest first. The zero Key means the beginning.
	After(ctx context.Context, conv state.ConvID, after state.Key, n int) ([]state.MessageRow, error)

	// Count returns how many messages of a conversation are between two places, both excluded.
	Count(ctx context.Context, conv state.ConvID, after, before state.Key) (int, error)

	// Ends returns the newest n messages, oldest first, of each of some conversations, in
	// one read and in the order given.
	Ends(ctx context.Context, convs []state.ConvID, n int) ([][]state.MessageRow, error)

	// Nth returns the nth message of a conversation counted from the newest, which is the
	// first; nil if there are not so many.
	Nth(ctx context.Context, conv state.ConvID, n int) (*state.MessageRow, error)

	// Find returns the messages of a conversation that have one of the wanted ids, oldest first, each
	// once. Of several messages with one id it returns the newest; state.Same says whether that is the
	// wanted message.
	Find(ctx context.Context, conv state.ConvID, wanted []Wanted) ([]state.MessageRow, error)

	// Search looks at the newest n messages of all conversations before a time (µs since 1970; 0 is the
	// end), and at all others with the same time as the last of these. It returns the messages in which
	// state.Has finds all the words, the newest first. next is the time for the next call, 0 if there is
	// nothing older.
	Search(ctx context.Context, words []string, before int64, n int) (found []state.MessageRow, next int64, err error)

	// Lead makes this Store the only one of the account that may Commit. A Store that led before fails
	// with ErrTaken from now on, even if its tab does not know yet that it has lost the lead. A Store may
	// Commit without Lead if its tab is the only one.
	Lead(context.Context) error

	// Commit writes all of the batch or nothing.
	Commit(context.Context, *Batch) error

	// Gone returns a channel that is closed when the database is gone: another tab has deleted or
	// upgraded it, or the browser has deleted it. state.Changes(nil) has all rows for a new one.
	Gone() <-chan struct{}

	// Delete deletes the database of the account, and closes the store in all tabs.
	Delete(context.Context) error

	// Close ends the use of the store. The rows stay.
	Close() error
}

// Window says how many messages Load reads.
type Window struct {
	Open     state.ConvID // the conversation on screen, "" if none
	Chats    int          // how many other conversations: those with the newest messages
	Messages int          // how many messages of each of these conversations
}

// Wanted names a message by its archive id, or by its author and the id that the author gave it.
type Wanted struct {
	Archive string  `json:"archive,omitempty"`
	Author  jid.JID `json:"author,omitempty"`
	ID      string  `json:"id,omitempty"`
}

// Batch is what one transaction writes.
type Batch struct {
	// Strict makes Commit wait until the rows are on the disk itself. Without it they may be with the
	// operating system only: they survive the end of the browser, but not a power cut.
	Strict bool

	// Rows replace rows with the same key or, if Gone, delete them. A state.Filed about a message that
	// the store has goes into the row of that message, as Waiting. A state.Floor deletes the messages
	// before it in its conversation, except those for which state.Message.Stays is true; the caller
	// cuts the coverage in the same batch. All deletions come before the writes.
	Rows     []state.Row
	Stream   *Stream
	Settings map[string]string // a setting that is "" is deleted
}

// Changes returns the batch that turns a store with the rows of before into one with the rows of after. If
// before is nil, it has all rows. It is Strict if it has a message that waits to be sent.
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
	Ends     map[state.ConvID]Page // of the conversations of the Window, and of those with a message to send
	Stream   *Stream
	Settings map[string]string
}

// Page is the end of a conversation: all messages of the store from one on. It has all that wait to be sent.
type Page struct {
	Messages []state.MessageRow `json:"messages"` // oldest first
	Earlier  bool               `json:"earlier"`  // the store may have messages before these
}

// Empty reports whether the store was new.
func (sn *Snapshot) Empty() bool {
	return !slices.ContainsFunc(sn.Rows, func(r state.Row) bool {
		_, ok := r.Value.(*state.Account)
		return ok
	})
}

// Event returns the event that replaces a state by what was kept. A conversation without a Page has only
// its newest message.
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

// Outbox returns the messages of all conversations that wait to be sent, in the order in which they were
// written.
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

// Stream is a stream.Snapshot as a row: what is needed to resume the stream (XEP-0198). Who knows its ID
// may resume it, so it is deleted when the person signs out.
type Stream struct {
	ID    string  `json:"id"`
	JID   jid.JID `json:"jid"`
	H     uint32  `json:"h"`
	Acked uint32  `json:"acked"`
	// Order has the numbers of the stanzas of ours after Acked, first and last of each run. The outbox
	// has the messages among them.
	Order    [][2]uint64 `json:"order,omitempty"`
	Unsent   int         `json:"unsent,omitempty"`
	Max      int64       `json:"max,omitempty"`  // µs, 0 if the server did not say
	Lost     int64       `json:"lost,omitempty"` // µs since 1970; 0 if the session had not ended
	Features string      `json:"features,omitempty"`
	Server   string      `json:"server,omitempty"` // Snapshot.At
	MaxBytes int         `json:"maxBytes,omitempty"`
	Idle     int64       `json:"idle,omitempty"` // µs, 0 if the server did not say

	// Builds before the outbox had a table wrote all stanzas after Acked here, and the times at which
	// they were queued (µs since 1970).
	Unacked []string `json:"unacked,omitempty"`
	Since   []int64  `json:"since,omitempty"`
}

// Errors of a store.
var (
	// ErrQuota: the device is full, or the browser gives us no more capacity. Nothing of the batch was
	// written. The same batch can be committed when there is more.
	ErrQuota = errors.New("no space left")
	// ErrClosed: the store was closed, or is Gone.
	ErrClosed = errors.New("closed")
	// ErrTaken: another tab leads now. It is an ErrClosed.
	ErrTaken = fmt.Errorf("%w: another tab has taken over", ErrClosed)
	// ErrNewer: a newer build has written the database, which stays as it is.
	ErrNewer = errors.New("written by a newer version")
	// ErrBlocked: another tab has the database open, and does not close it.
	ErrBlocked = errors.New("held by another tab")
	// ErrSilent: the browser has not answered for so long that it may never answer. It is an
	// ErrBlocked.
	ErrSilent = fmt.Errorf("%w, or by the browser, which does not answer", ErrBlocked)
	// ErrUnavailable: this browser stores nothing, at least not in this mode.
	ErrUnavailable = errors.New("nothing can be kept here")
)

// Explain returns the problem that a person reads when the store has failed with this error.
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
		p.Text = "This device has no space left to save your messages."
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

// Name returns the name of the database of an account.
func Name(account jid.JID) string { return "natter." + Hash(string(account.Bare())) }

// Hash returns a string that stands for an address in the names of databases and keys, because the next
// person at this computer should not read there who was here.
func Hash(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:16])
}
