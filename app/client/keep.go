package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"natter/app/connect"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
	"natter/framing"
)

// Keeper keeps on this device what somebody who is remembered comes back to. Its
// methods may be called on any goroutine.
type Keeper interface {
	// Open opens the tables of an account. taken is called, on any goroutine but the one
	// that has called Open, when another tab wants them. It returns when this tab has let
	// go of them and of the stream; if Open there waits for that, nothing is written or
	// acknowledged that it has not read.
	Open(ctx context.Context, account jid.JID, taken func()) (store.Store, error)

	// Renew gives the request the Credential that is kept for its account, unless it has
	// a password or there is none.
	Renew(ctx context.Context, request *connect.Request)

	// Keep keeps a Credential in the place of the one before. What cannot be kept is
	// asked for again next time.
	Keep(ctx context.Context, credential *connect.Credential)

	// Drop removes a Credential that will never work again. The tables stay.
	Drop(ctx context.Context, account jid.JID)

	// Forget removes the Credential and the name of the account, after making it
	// worthless where the server can do that.
	Forget(ctx context.Context, request connect.Request)
}

// keeping is the loop's part of it. Each turn of the loop ends with one commit: what
// the turn meant, together with how far the stream is. Only then the server hears that
// we have what it sent, and only then what we send leaves (security rows 59 and 61).
type keeping struct {
	store     store.Store
	kept      *state.State // what the store holds
	server    string       // and the endpoint of the person's own it holds
	request   connect.Request
	edges     map[jid.JID]store.Key // the first message read of each conversation; what was missed may come before it
	moved     bool                  // the stream went on since the last commit
	unhandled int                   // stanzas dealt with that the stream has not been told of
	again     func()                // gives up the next try of a commit that failed
	gone      chan struct{}         // closed when the store was let go of
}

// serverSetting is where the endpoint that the person typed is kept.
const serverSetting = "server"

// window is what a start reads: more conversations than fit on a screen, and more of
// each than fit on one.
var window = store.Window{Chats: 30, Messages: 50}

// retryAfter is the wait after a commit that failed.
const retryAfter = 5 * time.Second

// open opens the tables of the account and puts what they hold in place of the state.
// Without them the session goes on in memory, and the person is told.
func (l *loop) open(account jid.JID) *store.Snapshot {
	ctx := context.Background()
	gone := make(chan struct{})
	l.gone = gone
	s, err := l.c.config.Keeper.Open(ctx, account, func() {
		l.c.commands <- func() {
			if l.gone == gone {
				l.yield()
			}
		}
		<-gone
	})
	if err != nil {
		l.trouble(err)
		return nil
	}
	snapshot, err := s.Load(ctx, window)
	if err != nil {
		s.Close()
		l.trouble(err)
		return nil
	}
	l.store, l.server = s, snapshot.Settings[serverSetting]
	if snapshot.Account != nil {
		l.Emit(state.Returned{State: snapshot.State()})
		l.kept = l.state
		l.edges = map[jid.JID]store.Key{}
		for c := range l.state.Chats {
			if first := c.Timeline.First(); first != nil {
				l.edges[c.Peer] = store.Key(first.Key)
			}
		}
	}
	return snapshot
}

func (l *loop) trouble(err error) {
	p := store.Explain(err)
	l.Emit(state.StorageChanged{Problem: &p})
}

// comeBack shows what was kept and goes on with the stream that was left.
func (l *loop) comeBack(account jid.JID) {
	if l.c.config.Keeper == nil || l.stream != nil {
		return
	}
	l.Emit(state.ConnectionChanged{Connection: state.Connection{Phase: state.Connecting}})
	snapshot := l.open(account)
	if l.state.Me == "" {
		// Nothing was kept, or it cannot be read: the server knows the rest.
		l.Emit(state.SessionStarted{Me: account})
	}
	l.c.publish(l.state) // on screen before anything is asked of the network
	l.run(connect.Request{Account: account, Server: l.server, Remember: true}, l.left(snapshot))
}

// left is the stream that was left. Nobody waits any more for what it asked: if the
// roster or the archive had not arrived, it is not taken up, but what it had to send
// is. The same goes if the outbox has what the stream does not: messages of which the
// archive was to say whether they had arrived.
func (l *loop) left(kept *store.Snapshot) *stream.Snapshot {
	if kept == nil {
		return nil
	}
	sn := unpack(kept.Stream)
	if sn == nil {
		sn = &stream.Snapshot{}
	}
	if !l.state.RosterLoaded || !l.state.CaughtUp {
		sn.ID = ""
	}
	queued, place := map[string]bool{}, map[string]int{}
	for _, st := range sn.Unacked {
		queued[st.Attr("id")] = true
	}
	doubtful := false
	for i, row := range kept.Outbox {
		place[row.ID] = i
		if queued[row.ID] {
			continue
		}
		st := framing.New(framing.NSClient, "message").
			Set("type", "chat").Set("to", row.Peer.String()).Set("id", row.ID).
			Add(framing.New(framing.NSClient, "body").AddText(row.Body),
				framing.New(nsStanzaID, "origin-id").Set("id", row.ID))
		l.Decorate(st)
		sn.Unacked = append(sn.Unacked, st)
		doubtful = true
	}
	if doubtful {
		sn.ID = ""
		slices.SortStableFunc(sn.Unacked, func(a, b *framing.Element) int {
			return place[a.Attr("id")] - place[b.Attr("id")]
		})
	}
	sn.Sent = len(sn.Unacked) // what was released after the commit may have left
	return sn
}

// yield lets go of everything, for another tab to go on with.
func (l *loop) yield() {
	if l.stream == nil {
		return
	}
	l.save(context.Background())
	l.end() // the socket is dropped, the stream not closed
	request, gone, ran := l.request, l.gone, l.ran
	l.stream, l.end, l.session, l.gone = nil, nil, nil, nil
	l.close()
	l.leaving.Go(func() {
		<-ran
		close(gone)
	})
	l.request = request // for a sign-out that may still come
	l.Emit(state.ConnectionChanged{Connection: state.Connection{
		Phase: state.Stopped,
		Problem: &state.Problem{
			Kind:   "another-tab",
			Text:   "Natter is open in another tab.",
			Advice: "Go on there, or reconnect to go on here.",
		},
	}})
}

// forget removes every trace of the account from this device.
func (l *loop) forget() {
	s, request := l.store, l.request
	l.store = nil // Delete closes it
	l.close()
	if l.c.config.Keeper == nil || !request.Remember {
		return
	}
	l.leaving.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), forgetTimeout)
		defer cancel()
		if s == nil {
			// Another tab has it, or it failed.
			s, _ = l.c.config.Keeper.Open(ctx, request.Account, func() {})
		}
		if s != nil {
			_ = s.Delete(ctx) // what fails here has failed before, and was said
		}
		l.c.config.Keeper.Forget(ctx, request)
	})
}

// forgetTimeout is how long making a token worthless may take. Without network it
// stays good until it expires, but is no longer here.
const forgetTimeout = 15 * time.Second

// close ends the use of the store. What was committed stays.
func (l *loop) close() {
	if l.store != nil {
		s := l.store
		l.leaving.Go(func() { _ = s.Close() })
	}
	if l.again != nil {
		l.again()
	}
	if l.gone != nil {
		close(l.gone)
	}
	l.keeping = keeping{}
}

// commit ends a turn of the loop.
func (l *loop) commit(ctx context.Context) {
	if l.store != nil && l.again == nil && !l.save(ctx) {
		return
	}
	if l.stream == nil {
		l.unhandled, l.moved = 0, false
		return
	}
	if l.store == nil || l.again == nil {
		for range l.unhandled {
			l.stream.Handled()
		}
		l.unhandled = 0
	}
	l.stream.Release()
}

// save writes what the turn has changed and reports whether it could. While it
// cannot, what is received stays unacknowledged, so that the server keeps it; what
// is sent leaves all the same, and the person is told.
func (l *loop) save(ctx context.Context) bool {
	if l.state.Me == "" || l.state.Connection.Phase == state.SigningIn {
		return true // nobody has shown yet that the account is theirs
	}
	b := &store.Batch{}
	if l.state != l.kept {
		b = store.Changes(l.kept, l.state)
	}
	if l.moved && l.stream != nil {
		b.Stream = pack(l.stream.Snapshot(l.unhandled))
	}
	server := l.request.Server
	if server != l.server {
		b.Settings = map[string]string{serverSetting: server}
	}
	if b.Empty() {
		return true
	}
	now := l.state
	err := l.store.Commit(ctx, b)
	if err != nil && !errors.Is(err, context.Canceled) {
		l.trouble(err)
		l.c.publish(l.state)
		cancel := l.After(retryAfter, func() { l.again = nil })
		l.again = cancel
		return true
	}
	l.kept, l.server, l.moved = now, server, false
	if l.state.Storage != nil {
		l.Emit(state.StorageChanged{})
		l.c.publish(l.state)
	}
	return err == nil
}

// pack and unpack turn what a stream goes on from into a row and back.
func pack(sn *stream.Snapshot) *store.Stream {
	row := &store.Stream{ID: sn.ID, JID: sn.JID, H: sn.H, Acked: sn.Acked, Sent: sn.Sent}
	for _, st := range sn.Unacked {
		row.Unacked = append(row.Unacked, st.String())
	}
	if !sn.Until.IsZero() {
		row.Until = sn.Until.UnixMicro()
	}
	if sn.Features != nil {
		row.Features = sn.Features.String()
	}
	return row
}

func unpack(row *store.Stream) *stream.Snapshot {
	if row == nil {
		return nil
	}
	sn := &stream.Snapshot{ID: row.ID, JID: row.JID, H: row.H, Acked: row.Acked, Sent: row.Sent}
	for _, doc := range row.Unacked {
		st, err := framing.Parse(doc, framing.DefaultLimits)
		if err != nil {
			return nil // not written by us; the stream starts over
		}
		sn.Unacked = append(sn.Unacked, st)
	}
	if row.Until != 0 {
		sn.Until = time.UnixMicro(row.Until)
	}
	if row.Features != "" {
		sn.Features, _ = framing.Parse(row.Features, framing.DefaultLimits)
	}
	return sn
}
