package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"natter/app/connect"
	"natter/app/feature"
	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
	"natter/framing"
)

// signIn begins to sign in with what the person typed. The form stays on screen until the server has
// answered.
func (l *loop) signIn(in state.SignIn) {
	account, p := connect.TypedAddress(in.Address)
	if p != nil {
		l.Emit(state.ConnectionChanged{Connection: state.Connection{Problem: (*state.Problem)(p)}})
		return
	}
	user := ""
	if in.As != "" {
		user, account = account.Local(), in.As.Bare()
	}
	l.leave()
	l.close()
	l.Emit(state.Cleared{})
	l.Emit(state.ConnectionChanged{Connection: state.Connection{Phase: state.SigningIn}})
	l.request = connect.Request{
		Account: account, User: user, Password: in.Password, Server: in.Server,
		Remember: in.Remember && l.c.config.Keeper != nil,
	}
	if !l.request.Remember {
		if l.forgetOnSignIn = l.knows(account); !l.forgetOnSignIn {
			l.run(l.request, nil)
			return
		}
	}
	l.meet(account, l.begun)
	if l.link == nil {
		l.begun()
		return
	}
	l.requestLead(IfNone, func() {
		l.signing = true
		l.requestLead(InTurn, nil)
		l.send(message{Kind: yield})
		l.stopLook = l.After(takeLead, func() { l.requestLead(Now, nil) })
	})
}

// begun goes on with a sign-in when this tab leads. It is for an account that is to be remembered, or
// was until now.
func (l *loop) begun() {
	request := l.request
	l.begin()
	l.createdTables = !l.knows(request.Account)
	sn := l.resumable(l.open()) // sends the kept outbox
	if sn != nil {
		sn.ID = "" // but does not resume: the server has to check the password
	}
	l.run(request, sn)
}

// run starts the stream for a request. With restore it goes on with that stream and its queue.
func (l *loop) run(request connect.Request, restore *stream.Snapshot) {
	l.request, l.restored = request, time.Time{}
	if restore != nil {
		l.restored = l.Now()
	}
	ctx, end := context.WithCancel(context.Background())
	l.end = end
	fence, kept := l.fence, false
	given := new(atomic.Pointer[string])
	l.given = given
	l.stream = stream.New(stream.Config{
		Connect: func(ctx context.Context, resume *connect.Resume, away error) (*connect.Session, error) {
			if password := given.Swap(nil); password != nil {
				request.Password, kept = *password, false
			}
			r := request
			r.Resume, r.Redirect = resume, away
			if r.Remember {
				if kept {
					// From now on it uses the token. With the password the server would
					// replace a token that was not used, and the new one might not
					// arrive here (XEP-0484 §5.1).
					r.Password = ""
				}
				if err := l.c.config.Keeper.Renew(ctx, &r); err != nil {
					return nil, &connect.Error{Phase: connect.Authenticate, Err: fmt.Errorf("%w: %w", connect.ErrUnread, err)}
				}
				r.Password = request.Password
				if r.Credential != nil {
					request.User = r.Credential.User // for a password that is given later
				}
				if r.Credential == nil && r.Password == "" {
					return nil, &connect.Error{Phase: connect.Authenticate, Err: &connect.CredentialError{Reason: connect.Missing}}
				}
			}
			s, err := l.c.config.Connector.Connect(ctx, r)
			var unusable *connect.CredentialError
			if errors.As(err, &unusable) && request.Password != "" {
				r.Credential = nil
				s, err = l.c.config.Connector.Connect(ctx, r)
			}
			if err == nil && fence != nil && fence.Load() {
				s.Conn.Drop()
				return nil, &connect.Error{Phase: connect.Established, Err: store.ErrTaken}
			}
			if err == nil && s.Credential != nil {
				// It is kept before the session is used: the token that it replaces does
				// not work any more (XEP-0484 §3.4).
				failed := l.c.config.Keeper.Keep(ctx, s.Credential)
				kept = kept || failed == nil
				l.c.post(func() {
					if l.leads && ctx.Err() == nil {
						l.remembered(failed)
					}
				})
			}
			return s, err
		},
		Clock:   l.c.config.Clock,
		Random:  l.c.config.Random,
		NewID:   l.c.config.NewID,
		Restore: restore,
		Hold:    l.store != nil,
	})
	l.tellHidden()
	l.After(tidyAfter, l.tidy)
	l.loss, l.received, l.stored, l.doubtful = 0, 0, 0, map[string]bool{}
	s, ran := l.stream, make(chan struct{})
	l.ran = ran
	go func() {
		defer close(ran)
		_ = s.Run(ctx) // the error only says that end was called
	}()
}

func (l *loop) signOut() {
	if l.link == nil && l.request.Remember {
		l.meet(l.request.Account, nil) // outdated has closed the link; the others must hear over
	}
	if l.request.Remember {
		l.noteOut()
		l.send(message{Kind: over})
	}
	l.leave()
	l.forget()
	l.awaits = ""
	l.Emit(state.Cleared{})
	l.Emit(state.ConnectionChanged{})
}

// noteOut notes on this device that the person signs out (see Keeper.SignOut).
func (l *loop) noteOut() {
	if l.c.config.Keeper == nil || !l.request.Remember {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	l.c.config.Keeper.SignOut(ctx, l.request.Account)
}

// closeTimeout bounds how long a stream takes to close, and how long the loop waits for a note of the
// Keeper.
const closeTimeout = 2 * time.Second

// leave sends unavailable presence and closes the stream, in the background.
func (l *loop) leave() {
	if l.stream == nil {
		return
	}
	s, end := l.stream, l.end
	if l.session != nil {
		l.Send(framing.New(framing.NSClient, "presence").Set("type", "unavailable"))
	}
	l.stream, l.end, l.session = nil, nil, nil
	l.leaving.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		_ = s.Close(ctx) // an error changes nothing
		end()
	})
}

func (l *loop) trying() {
	c := l.state.Connection
	if c.Phase == state.SigningIn {
		return
	}
	c.Phase, c.RetryAt = state.Connecting, time.Time{}
	l.Emit(state.ConnectionChanged{Connection: c})
}

// offlineMessages is how long the server may take, after the first presence, to deliver the messages
// that it has stored for us (XEP-0160).
const offlineMessages = 5 * time.Second

func (l *loop) online(ev stream.Online) {
	if ev.Resumed && l.session != nil {
		// The features of the login still hold: a resumed stream does not repeat them.
		ev.Session.Features, ev.Session.Carbons = l.session.Features, l.session.Carbons
	}
	l.session, l.redelivers = ev.Session, ev.Resumed
	before := l.lost
	if before.IsZero() {
		before = l.restored
	}
	l.Emit(state.ConnectionChanged{Connection: state.Connection{
		Phase:     state.Online,
		Endpoint:  ev.Session.Endpoint,
		Delegated: ev.Session.Delegated,
		Lost:      before.Round(0),
	}})
	if ev.Resumed {
		for _, f := range l.features {
			if f.Resumed != nil {
				l.guard(f.Name, func() { f.Resumed(l.era, ev.Lost) })
			}
		}
		return
	}
	l.awaits = ""
	l.Emit(state.SessionStarted{Me: ev.Session.JID})
	for _, f := range l.features {
		if f.Start != nil {
			l.guard(f.Name, func() { f.Start(l.era) })
		}
	}
	if !slices.ContainsFunc(l.features, func(f *feature.Feature) bool { return f.CatchesUp }) {
		l.After(offlineMessages, func() {
			if l.session == ev.Session {
				l.Emit(state.CaughtUp{})
			}
		})
	}
	l.letGo()
}

// toForm shows the sign-in form in all tabs, with the problem. The tables stay for the next sign-in.
func (l *loop) toForm(p *state.Problem) {
	l.send(message{Kind: over, Problem: p})
	account := l.request.Account
	if !l.request.Remember {
		account = ""
	}
	l.leave()
	l.close()
	l.await(account)
	l.Emit(state.Cleared{})
	l.Emit(state.ConnectionChanged{Connection: state.Connection{Problem: p}})
}

// offline shows why there is no connection. A sign-in that has failed is not tried again: the form is
// shown with what the person typed.
func (l *loop) offline(ev stream.Offline) {
	if l.state.Connection.Phase == state.Online {
		l.lost = l.Now()
	}
	explain := connect.Explain
	if l.c.config.Offline != nil && l.c.config.Offline() {
		explain = connect.ExplainOffline
	}
	p := state.Problem(explain(ev.Err))
	c := state.Connection{Phase: state.Waiting, Problem: &p, RetryAt: ev.RetryAt}
	var unusable *connect.CredentialError
	switch {
	case l.state.Connection.Phase == state.SigningIn:
		l.leave()
		if l.createdTables {
			l.forget()
		} else {
			l.close()
		}
		l.await(l.awaits)
		l.Emit(state.Cleared{})
		c.Phase, c.RetryAt = state.SignedOut, time.Time{}
	case errors.As(ev.Err, &unusable):
		if unusable.Gone() {
			l.c.config.Keeper.Drop(context.Background(), l.request.Account)
		}
		if l.session == nil {
			l.toForm(&p) // the server has not accepted this person since the page was opened
			return
		}
		c.Phase = state.Stopped // the password is asked for in place
	case ev.RetryAt.IsZero():
		c.Phase = state.Stopped
	}
	l.Emit(state.ConnectionChanged{Connection: c})
}
