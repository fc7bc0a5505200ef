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
	// Meet joins the tabs of this browser that show the account. It calls hear, on one
	// goroutine, with each message of another tab. The Link is nil if tabs cannot meet here.
	Meet(account jid.JID, hear func(message string)) Link

	// Open opens the tables of an account. Other tabs may have them open too.
	Open(ctx context.Context, account jid.JID) (store.Store, error)

	// Renew puts the kept Credential of the account into the request. It changes nothing if
	// the request has a password, or if none is kept. An error means that it cannot be read now.
	Renew(ctx context.Context, request *connect.Request) error

	// Keep replaces the kept Credential. After an error the old one is still kept, if there
	// was one.
	Keep(ctx context.Context, credential *connect.Credential) error

	// Drop removes a Credential that will never work again. The tables stay.
	Drop(ctx context.Context, account jid.JID)

	// Knows reports whether anything of the account is kept on this device.
	Knows(ctx context.Context, account jid.JID) bool

	// SignOut notes that the person signs out of the account. It is called before anything is
	// removed: if the tab dies then, the next one that leads signs out. Forget removes the
	// note together with the name, and Keep removes it.
	SignOut(ctx context.Context, account jid.JID)

	// SignedOut reports whether SignOut has left a note.
	SignedOut(ctx context.Context, account jid.JID) bool

	// Forget removes the Credential and, if the tables are gone, the name of the account.
	// Then it makes the Credential invalid on the server, if the server can do that.
	Forget(ctx context.Context, request connect.Request, gone bool)
}

// keeping is the part of the loop that keeps an account on this device.
type keeping struct {
	committing     // see commit.go
	store          store.Store
	request        connect.Request
	looking        state.Look   // where the person looks
	released       *state.State // the state at the last releaseAll
	unwatch        func()       // ends watch
	forgetOnSignIn bool         // this sign-in is without Remember, and something is kept: see letGo
	createdTables  bool         // this sign-in has created the tables
	onScreen       state.ConvID // the conversation to show first
}

// serverSetting is the name of the setting that keeps the endpoint typed by the person.
const serverSetting = "server"

// onceSetting is the name of the setting that keeps onces.
const onceSetting = "once"

// window bounds what a start reads: the newest conversations, and the last messages of each, both more
// than fit on a screen. The conversation on screen is read first. The others are read after the list
// is drawn, because the list needs only the copy of the last message in each ChatRow. Messages in the
// outbox are always read.
var window = store.Window{Chats: 30, Messages: 50}

// retryAfter is the wait after a commit that failed.
const retryAfter = 5 * time.Second

// open opens the tables of the account, for writing if this tab leads, and replaces the state by
// their content. If it fails, it returns nil, the session goes on in memory, and the person is told.
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

// lose closes a store that has failed, and tells the person. The session goes on in memory.
func (l *loop) lose(err error) {
	l.giveUp()
	_ = l.store.Close()
	l.store = nil
	l.trouble(err)
}

// load replaces the state by the content of the tables, with the newest messages of conversations
// (see window). It returns nil if the tables cannot be read.
func (l *loop) load() *store.Snapshot {
	ctx := context.Background()
	snapshot, err := l.store.Load(ctx, store.Window{Open: l.onScreen, Messages: window.Messages})
	if err != nil {
		l.lose(err)
		return nil
	}
	l.server, l.noted = snapshot.Settings[serverSetting], snapshot.Settings[onceSetting]
	l.onces = l.noted
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

// notRemembered says that the credential could not be kept.
var notRemembered = state.Problem{
	Kind:   "not-remembered",
	Text:   "This device could not save what signs you in again.",
	Advice: "You may need your password the next time. Sign out to remove what is saved here.",
}

// remembered handles the result of Keep: it shows or removes notRemembered. It leaves any other
// problem of the storage on screen.
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

// comeBack shows what was kept, and resumes the stream, or mirrors the tab that leads. If the person
// has signed out (in.Out), it signs out, or requests that from the leader.
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

// resumable returns the kept stream, with the outbox. It removes the ID of the stream, so that it is
// not resumed, in two cases. If the roster or the archive had not arrived, the answers would have no
// request in this page. If the stream has no place in its order for a message of the outbox, the
// archive has to be read before that message is sent.
//
// kept is nil if the tables cannot be read. Then only the messages of this tab that no leader has
// confirmed are sent. The others may be in the tables with a stream. They are sent when the
// tables can be read again; if they were sent now too, they would arrive twice.
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
			continue // it is in the outbox; or the feature chat sends it when we are in the room
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
		case err != nil: // not written by this client
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

// unconfirmed returns the messages that the person has sent in this tab and no leader has confirmed.
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

// forget removes all that is kept of the account from this device. No other tab can lead before that
// is done.
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
			<-ran // the stream might keep a credential until it has ended
		}
		err := l.remove(s, &request)
		ctx, cancel := context.WithTimeout(context.Background(), forgetTimeout)
		defer cancel()
		if err != nil {
			l.c.config.Keeper.SignOut(ctx, request.Account) // the next leader deletes the tables
		}
		l.c.config.Keeper.Forget(ctx, request, err == nil)
		if link != nil {
			link.Close()
		}
	})
}

// remove deletes the tables, and copies the kept endpoint into the request. It opens them if s is
// nil. It waits at most deleteTimeout for other tabs that hang.
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

// letGo ends a sign-in without Remember to an account that this device had remembered: the server has
// accepted the password now. It removes all that is kept, and signs out in the other tabs. This tab
// goes on in memory, with the outbox.
func (l *loop) letGo() {
	if !l.forgetOnSignIn {
		return
	}
	request := l.request
	l.request.Remember = true
	if l.attend(); !l.leads {
		return // another tab had requested to sign out
	}
	l.noteOut()
	l.send(message{Kind: over})
	for c := range l.state.Chats {
		if ev, ok := lost(c); ok {
			l.Emit(ev)
		}
	}
	l.ran = nil // forget must not wait: this stream goes on, and keeps no credential
	l.forget()
	l.request = request
	if l.state.Storage != nil {
		l.Emit(state.StorageChanged{})
	}
}

// deleteTimeout bounds how long the tables take to be deleted, forgetTimeout how long the credential
// takes after that. Without network a token stays valid until it expires, but is not here any more.
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

// pack makes a row of the snapshot of a stream.
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

// unpack makes a snapshot of the row of a stream. It puts the messages that an earlier build has left
// in the row into the outbox. Such a stream is not resumed, because the row does not say which of the
// messages were sent.
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
