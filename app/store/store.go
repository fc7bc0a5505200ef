// Package store keeps what is known of an account over the end of the page: an
// interface, the rows it keeps, the way from a State to rows and back, and a version
// in memory. The one of the browser is in wasm/browser; storetest is the contract of
// both.
//
// A Commit is one transaction. That is what the promises of the client stand on: a
// message is in the outbox before the wire sees it, and what was received is in its
// table before the server hears that it was (XEP-0198), together with the count that
// says so.
//
// The store is a cache of the server's archive but for four things: the outbox, what has
// failed, the drafts and the settings. Losing the rest costs time. There is one database for each
// account, so that no question about one finds anything of another.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

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
	Messages(ctx context.Context, peer jid.JID, before Key, n int) ([]Message, error)

	// Ends returns the newest n messages, oldest first, of each of some conversations, in
	// one read and in the order of the peers.
	Ends(ctx context.Context, peers []jid.JID, n int) ([][]Message, error)

	// Nth returns the nth message of a conversation counted from the newest, which is the
	// first; nil if there are not so many.
	Nth(ctx context.Context, peer jid.JID, n int) (*Message, error)

	// Find returns the messages of a conversation that may be the wanted ones, oldest
	// first, each once. An id that was used several times finds the newest; state.Same
	// tells whether it is the same message.
	Find(ctx context.Context, peer jid.JID, wanted []Wanted) ([]Message, error)

	// Search looks at the newest n messages of all conversations before a time, or before
	// the end if it is 0, and at those that are as old as the last of them. It returns the
	// ones in which state.Has finds all the words, the newest first, and the time to go on
	// before, 0 when there is nothing older.
	Search(ctx context.Context, words []string, before int64, n int) (found []Message, next int64, err error)

	// Avatar returns the picture with this id, nil if it is not kept.
	Avatar(ctx context.Context, id string) (*Avatar, error)

	// Lead makes this the one that may Commit, of all that are open on the account: one
	// that led before fails with ErrTaken from now on. A tab that another has taken over
	// from writes nothing more, however late it hears of that. One that never led may
	// Commit too; it has to know that it is alone.
	Lead(context.Context) error

	// Commit writes all of the batch or nothing.
	Commit(context.Context, *Batch) error

	// Gone is closed when the database was taken away: deleted or upgraded by another
	// tab, or lost to the browser's clearing up. What is in memory can be written to
	// a new one: Changes(nil, …).
	Gone() <-chan struct{}

	// Delete removes every trace of the account and closes the store, here and in all
	// other tabs.
	Delete(context.Context) error

	// Close ends the use of the store. What was committed stays.
	Close() error
}

// Window is how much Load reads.
type Window struct {
	Open     jid.JID // the conversation on screen, "" if none
	Chats    int     // and this many others, those with the newest messages
	Messages int     // how many messages of each of them
}

// Wanted is a message that may be there: by our archive's id, or by its author and the
// author's id for it.
type Wanted struct {
	Archive string  `json:"archive,omitempty"`
	Author  jid.JID `json:"author,omitempty"`
	ID      string  `json:"id,omitempty"`
}

// Batch is what one transaction writes. Rows replace those with the same key.
type Batch struct {
	// Strict waits until the rows are on the disk itself, not only with the operating
	// system. Without it they survive the end of the browser, but not a power cut.
	Strict bool

	Account         *Account
	Stream          *Stream
	Contacts        []Contact
	RemovedContacts []jid.JID
	Chats           []Chat
	Messages        []Message
	RemovedMessages []Place
	Coverage        []Coverage
	Drafts          []Draft           // one without text is removed
	Avatars         []Avatar          // one without bytes is removed
	Settings        map[string]string // one that is "" is removed

	// Forget makes room: it removes what comes before a place in a conversation, except
	// for what state.Message.Stays. The caller narrows Coverage in the same batch.
	// Removals happen before rows are written.
	Forget []Forget
}

// Place is where a message is.
type Place struct {
	Peer jid.JID `json:"peer"`
	Key
}

// Forget is the conversation and its first message that stays.
type Forget struct {
	Peer   jid.JID
	Before Key
}

// Empty reports whether there is nothing to write.
func (b *Batch) Empty() bool {
	return b.Account == nil && b.Stream == nil &&
		len(b.Contacts)+len(b.RemovedContacts)+len(b.Chats)+len(b.Messages)+len(b.RemovedMessages)+len(b.Coverage)+
			len(b.Drafts)+len(b.Avatars)+len(b.Settings)+len(b.Forget) == 0
}

// Snapshot is what Load returns.
type Snapshot struct {
	Account  *Account          `json:"account"` // nil if nothing was kept yet
	Stream   *Stream           `json:"stream"`
	Contacts []Contact         `json:"contacts"`
	Chats    []Chat            `json:"chats"`
	Newest   map[jid.JID]Page  `json:"newest"` // of those the Window names, and of those in the outbox
	Outbox   []Message         `json:"outbox"` // of all conversations, in the order of Out
	Coverage []Coverage        `json:"coverage"`
	Drafts   []Draft           `json:"drafts"`
	Settings map[string]string `json:"settings"`
}

// Page is the end of a conversation, without a gap and with all that is in the outbox.
type Page struct {
	Messages []Message `json:"messages"` // oldest first
	Earlier  bool      `json:"earlier"`  // there may be more before them
}

// What a store fails with.
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
