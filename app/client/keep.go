package client

import (
	"context"
	"slices"
	"time"

	"natter/app/connect"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
	"natter/framing"
)

// Keeper keeps accounts on this device: their tables and their credentials. Its methods may be
// called on any goroutine.
type Keeper interface {
	// Meet joins the tabs of this browser that show the account. hear is called, on one
	// goroutine, with what the others say. It is nil if tabs cannot meet here.
	Meet(account jid.JID, hear func(message string)) Link

	// Open opens the tables of an account. Other tabs may have them open too.
	Open(ctx context.Context, account jid.JID) (store.Store, error)

	// Renew gives the request the Credential that is kept for its account, unless it has
	// a password or there is none. An error means that it cannot be read now.
	Renew(ctx context.Context, request *connect.Request) error

	// Keep keeps a Credential in the place of the one before. After an error that one is
	// still there, if there was one.
	Keep(ctx context.Context, credential *connect.Credential) error

	// Drop removes a Credential that will never work again. The tables stay.
	Drop(ctx context.Context, account jid.JID)

	// Knows reports whether anything of the account is kept on this device.
	Knows(ctx context.Context, account jid.JID) bool

	// SignOut notes, before anything is removed, that the person signs out of the
	// account: whatever ends the tabs meanwhile, it is carried out by the next one that
	// leads. The note goes with the name, or when a new Credential is kept.
	SignOut(ctx context.Context, account jid.JID)

	// SignedOut reports whether that is noted.
	SignedOut(ctx context.Context, account jid.JID) bool

	// Forget removes the Credential and, once the tables are gone, the name of the account.
	// Then it makes the Credential worthless where the server can do that.
	Forget(ctx context.Context, request connect.Request, gone bool)
}

// keeping is the part of the loop that keeps an account on this device.
type keeping struct {
	committing     // see commit.go
	store          store.Store
	request        connect.Request
	looking        state.Look   // where the person looks
	released       *state.State // when releaseAll was done last
	unwatch        func()       // see watch
	forgetOnSignIn bool         // see letGo: this sign-in is without Remember, and something is kept
	createdTables  bool         // by this sign-in
	onScreen       state.ConvID // the conversation to show first
}

// serverSetting is where the endpoint that the person typed is kept.
const serverSetting = "server"

// window is how much a start reads: the last messages of so many conversations, both more than
// fit on a screen. The conversation on screen is read first; the others are read after the list
// is drawn, which needs only the copy of the last message in each ChatRow. Messages in the outbox
// are always read.
var window = store.Window{Chats: 30, Messages: 50}

// retryAfter is the wait after a commit that failed.
const retryAfter = 5 * time.Second

// open opens the tables of the account, to write to if this tab leads, and puts what
// they hold in place of the state. Without them the session goes on in memory, and the
// person is told.
func (l *loop) open() *store.Snapshot {
	ctx := context.Background()
	if l.store == nil {
		s, err := l.c.config.Keeper.Open(ctx, l.request.Account)
		if err != nil {
			l.trouble(err)
			return nil
		}
		l.store = s
		l.watch(s)
	}
	if l.leads {
		if err := l.store.Lead(ctx); err != nil {
			l.lose(err)
			return nil
		}
	}
	return l.load()
}

// lose goes on without the store.
func (l *loop) lose(err error) {
	l.giveUp()
	_ = l.store.Close()
	l.store = nil
	l.trouble(err)
}

// load puts what the tables hold in place of the state, of each conversation as much as
// is in memory. It is nil if they cannot be read.
func (l *loop) load() *store.Snapshot {
	ctx := context.Background()
	snapshot, err := l.store.Load(ctx, store.Window{Open: l.onScreen, Messages: window.Messages})
	if err != nil {
		l.lose(err)
		return nil
	}
	l.server = snapshot.Settings[serverSetting]
	if snapshot.Empty() {
		return snapshot
	}
	before := l.state
	l.Emit(snapshot.Event())
	l.kept, l.released = l.state, l.state
	if before.Me == "" {
		l.c.publish(l.state) // the list is on screen before more is read
	}
	l.readEnds()
	l.lookAt(l.looking)
	return snapshot
}

func (l *loop) trouble(err error) {
	p := store.Explain(err)
	l.Emit(state.StorageChanged{Problem: &p})
}

// notRemembered: the credential could not be kept.
var notRemembered = state.Problem{
	Kind:   "not-remembered",
	Text:   "This device could not save what signs you in again.",
	Advice: "You may need your password the next time. Sign out to remove what is saved here.",
}

// remembered tells the person whether they are, unless they have been told worse: that
// nothing is kept here.
func (l *loop) remembered(err error) {
	told := l.state.Storage
	switch {
	case err != nil && told == nil:
		p := notRemembered
		p.Detail = err.Error()
		l.Emit(state.StorageChanged{Problem: &p})
	case told != nil && told.Kind == notRemembered.Kind:
		l.Emit(state.StorageChanged{})
	}
}

// comeBack shows what was kept and goes on with the stream that was left, or follows the
// tab that did. If the person has signed out it sees to that.
func (l *loop) comeBack(in state.Return) {
	if l.c.config.Keeper == nil || l.stream != nil || l.link != nil {
		return
	}
	if !in.Out {
		l.Emit(state.ConnectionChanged{Connection: state.Connection{Phase: state.Connecting}})
	}
	l.request, l.onScreen = connect.Request{Account: in.Account, Remember: true}, in.Open
	l.meet(in.Account, l.takeOver)
	l.signedOutHere = in.Out
	if l.link == nil {
		l.takeOver()
		return
	}
	l.requestLead(IfNone, func() {
		l.onLead = l.inherit
		if l.signedOutHere {
			l.submit(state.SignOut{})
		} else {
			l.open()
			if l.state.Me == "" {
				l.Emit(state.SessionStarted{Me: in.Account})
			}
		}
		l.follow()
		l.requestLead(InTurn, nil)
	})
}

// resumable returns the stream that was left, with the outbox. It is not resumed if the roster or
// the archive had not arrived: nobody waits for these answers any more. Nor if a message of the
// outbox is not in its queue: the archive has to be read before that is sent.
//
// Without tables that can be read, kept is nil, and only messages of this tab that no leader has
// confirmed are sent. The others leave when the tables can be read again, maybe with the stream
// that is kept there: if they left from here too, they would arrive twice.
func (l *loop) resumable(kept *store.Snapshot) *stream.Snapshot {
	sn, queued := &stream.Snapshot{}, l.unconfirmed()
	if kept != nil {
		sn, queued = l.unpack(kept.Stream), kept.Outbox()
	} else if len(queued) == 0 {
		return nil
	}
	last := uint64(0) // of the numbers in use
	for _, run := range sn.Order {
		last = max(last, run.To)
	}
	before := l.state.Outbox()
	for _, o := range before {
		last = max(last, o.N)
	}
	for _, row := range queued {
		if l.state.Outgoing(row.ID) != nil || row.Conv.Kind() != state.Direct {
			continue // what waits for a room is sent there
		}
		st := framing.New(framing.NSClient, "message").
			Set("type", "chat").Set("to", string(row.Conv.JID())).Set("id", row.ID).
			Add(framing.New(framing.NSClient, "body").AddText(row.Body),
				framing.New(nsStanzaID, "origin-id").Set("id", row.ID))
		l.Decorate(st)
		last++
		l.queued(stream.Queued{N: last, Stanza: st, XML: st.String(), Since: row.State().At})
	}
	ordered := l.state.RosterLoaded && l.state.CaughtUp
	for _, o := range l.state.Outbox() {
		st, err := framing.Parse(o.XML, framing.DefaultLimits)
		switch {
		case kept == nil && slices.Contains(before, o):
			continue
		case err != nil: // not written by us
			l.change(state.StanzaLeft{ID: o.ID})
			continue
		}
		sn.Queue = append(sn.Queue, stream.Queued{N: o.N, Stanza: st, XML: o.XML, Since: time.UnixMicro(o.Since)})
		ordered = ordered && slices.ContainsFunc(sn.Order, func(run stream.Run) bool { return run.From <= o.N && o.N <= run.To })
	}
	if !ordered {
		sn.ID = ""
	}
	return sn
}

// unconfirmed are the messages sent in this tab of which no leader has said that they are
// on the disk.
func (l *loop) unconfirmed() (rows []state.MessageRow) {
	for _, w := range l.pending {
		var conv state.ConvID
		var id string
		switch in := w.in.(type) {
		case state.SendMessage:
			conv, id = in.Conv, in.ID
		case state.RetryMessage:
			conv, id = in.Conv, in.ID
		}
		chat := l.state.Chat(conv)
		if chat == nil {
			continue
		}
		if m := chat.Timeline.ByID(l.state.Account(), id); m != nil && m.Delivery == state.Queued {
			rows = append(rows, state.MessageRow{Conv: conv, Message: *m, At: m.At.UnixMicro()})
		}
	}
	return rows
}

// forget removes every trace of the account from this device. Until that is done no
// other tab leads.
func (l *loop) forget() {
	if !l.request.Remember {
		l.close()
		return
	}
	s, request, link, ran := l.store, l.request, l.link, l.ran
	if request.Server == "" {
		request.Server = l.server
	}
	l.store, l.link = nil, nil // Delete closes it
	l.close()
	l.leaving.Go(func() {
		if ran != nil {
			<-ran // it might still keep a credential
		}
		err := l.remove(s, &request)
		ctx, cancel := context.WithTimeout(context.Background(), forgetTimeout)
		defer cancel()
		if err != nil {
			l.c.config.Keeper.SignOut(ctx, request.Account) // the tables are there still
		}
		l.c.config.Keeper.Forget(ctx, request, err == nil)
		if link != nil {
			link.Close()
		}
	})
}

// remove removes the tables, which s is if they were open, and tells the request what was
// in them. It waits for tabs that hang: not for longer than the rest can wait.
func (l *loop) remove(s store.Store, request *connect.Request) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), deleteTimeout)
	defer cancel()
	if s == nil {
		if s, err = l.c.config.Keeper.Open(ctx, request.Account); err != nil {
			return err
		}
		if request.Server == "" {
			if snapshot, err := s.Load(ctx, store.Window{}); err == nil {
				request.Server = snapshot.Settings[serverSetting]
			}
		}
	}
	return s.Delete(ctx)
}

// knows reports whether this device has kept anything of the account.
func (l *loop) knows(account jid.JID) bool {
	if l.c.config.Keeper == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return l.c.config.Keeper.Knows(ctx, account)
}

// letGo removes from this device what it has kept of somebody who is let in now and does
// not want to be remembered any more. In the other tabs the account is signed out. This
// one goes on in memory, with what waits to be sent.
func (l *loop) letGo() {
	if !l.forgetOnSignIn {
		return
	}
	request := l.request
	l.request.Remember = true
	if l.attend(); !l.leads {
		return // another tab was told to sign out
	}
	l.noteOut()
	l.send(message{Kind: over})
	for c := range l.state.Chats {
		if ev, ok := lost(c); ok {
			l.Emit(ev)
		}
	}
	l.ran = nil // it goes on, and keeps no credential
	l.forget()
	l.request = request
	if l.state.Storage != nil {
		l.Emit(state.StorageChanged{})
	}
}

// forgetTimeout is how long making a token worthless may take, after deleteTimeout for the
// tables. Without network it stays good until it expires, but is no longer here.
const forgetTimeout, deleteTimeout = 10 * time.Second, 5 * time.Second

// close closes the store and leaves the other tabs. The tables stay.
func (l *loop) close() {
	if l.store != nil {
		s := l.store
		l.leaving.Go(func() { _ = s.Close() })
	}
	l.giveUp()
	if l.unwatch != nil {
		l.unwatch()
	}
	l.part()
	l.keeping = keeping{}
}

// pack turns what a stream goes on from into a row.
func pack(sn *stream.Snapshot) *store.Stream {
	row := &store.Stream{
		ID: sn.ID, JID: sn.JID, Server: sn.At, H: sn.H, Acked: sn.Acked, Unsent: sn.Unsent, Features: sn.Features,
		MaxBytes: sn.MaxBytes, Idle: sn.Idle.Microseconds(), Max: sn.Max.Microseconds(),
	}
	for _, run := range sn.Order {
		row.Order = append(row.Order, [2]uint64{run.From, run.To})
	}
	if !sn.Lost.IsZero() {
		row.Lost = sn.Lost.UnixMicro()
	}
	return row
}

// unpack is the opposite of pack. The messages that an earlier build has left in the row come
// into the outbox. Such a stream is not resumed: the row does not say which of them may have
// been written.
func (l *loop) unpack(row *store.Stream) *stream.Snapshot {
	if row == nil {
		return &stream.Snapshot{}
	}
	sn := &stream.Snapshot{
		ID: row.ID, JID: row.JID, At: row.Server, H: row.H, Acked: row.Acked, Unsent: row.Unsent, Features: row.Features,
		MaxBytes: row.MaxBytes, Idle: time.Duration(row.Idle) * time.Microsecond, Max: time.Duration(row.Max) * time.Microsecond,
	}
	if row.Lost != 0 {
		sn.Lost = time.UnixMicro(row.Lost)
	}
	for _, run := range row.Order {
		sn.Order = append(sn.Order, stream.Run{From: run[0], To: run[1]})
	}
	for i, doc := range row.Unacked {
		st, err := framing.Parse(doc, framing.DefaultLimits)
		if err != nil {
			return &stream.Snapshot{} // not written by us; the stream starts over
		}
		q := stream.Queued{N: uint64(i) + 1, Stanza: st, XML: doc, Since: l.Now()}
		if i < len(row.Since) {
			q.Since = time.UnixMicro(row.Since[i])
		}
		if !stream.Fleeting(st) && st.Attr("id") != "" {
			l.queued(q)
		}
		sn.ID = ""
	}
	return sn
}
