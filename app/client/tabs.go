package client

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"natter/app/connect"
	"natter/app/jid"
	"natter/app/state"
)

// Link is how the tabs of one browser that show the same account meet. Its functions do
// not wait and may be called on any goroutine; what it calls may wait.
type Link interface {
	// Send sends a message to all other tabs. Messages of one tab arrive in order.
	Send(message string)

	// Lead asks that this tab be the one that leads: there is never more than one. won
	// is called with true once it is, or, with IfNone, with false if another tab is. lost
	// is called when another tab has taken it away. A tab that asks again has not asked
	// before.
	Lead(when When, won func(bool), lost func())

	// Close leaves the others. If this tab leads or waits to, it no longer does.
	Close()
}

// When is how patient a tab is that wants to lead.
type When int

const (
	IfNone When = iota // at once, or not at all
	InTurn             // after those that lead, or have asked before; also when they die
	Now                // at once, from whoever leads
)

// tabs is the part of the loop that meets other tabs. One tab leads: it holds the socket and
// commits to the store. The others are its mirrors: they read the store, get the rows of each
// commit, and send the intents of their person to the leader as requests. When the leader dies
// the next tab takes over the same stream.
//
// A tab need not notice in time that it no longer leads: the store takes nothing from it
// (store.ErrTaken), and nothing is acknowledged or sent before a commit. A request is confirmed
// after its commit; until then the mirror sends it to each next leader.
type tabs struct {
	link   Link   // nil if there is no way to meet other tabs; then this one leads
	tab    string // this tab, for the others
	leads  bool
	onLead func()       // begins to lead
	asked  *atomic.Bool // the fence of what was asked for last
	fence  *atomic.Bool // set when another tab has taken the lead away

	pending []pendingIntent // by the person here, and not confirmed
	last    uint64          // the number of the newest
	seq     uint64          // of the last news, said or heard

	// lastRequests are those that tabs have left behind. They are kept until the leader has
	// answered a question that was asked after them, probed: then it has heard them too.
	lastRequests []message
	probed       bool

	// Of the one that leads:
	term     string       // its name while it does
	mirrored *state.State // what the mirrors have
	mirrors  map[string]*mirror
	greet    map[string]message // those who have said hello
	awaited  bool               // somebody has said await

	// Of a mirror:
	leader        string // the term it follows, "" while it knows of none
	signing       bool   // a sign-in waits for the leader to give up the lead
	signedOutHere bool   // the person has signed out here, the leader has yet to
	awaiting      bool   // nobody is signed in here, see await
	unanswered    int    // looks for the leader since it was heard
	stopLook      func()
}

// takeLead is how long somebody who signs in waits for the leader to give up the lead.
const takeLead = 10 * time.Second

// meet joins the other tabs that show the account. onLead is called when this tab is to
// lead.
func (l *loop) meet(account jid.JID, onLead func()) {
	l.tabs = tabs{tab: l.NewID(), onLead: onLead}
	met := make(chan Link, 1)
	l.link = l.c.config.Keeper.Meet(account, func(message string) {
		link := <-met
		met <- link
		l.c.post(func() {
			if l.link == link {
				l.hear(message)
			}
		})
	})
	met <- l.link
}

// requestLead asks to lead. refused is for IfNone.
func (l *loop) requestLead(when When, refused func()) {
	link, fence := l.link, new(atomic.Bool)
	l.asked, l.fence = fence, nil
	link.Lead(when, func(won bool) {
		l.c.post(func() {
			switch {
			case l.link != link || l.asked != fence:
			case !won:
				refused()
			default:
				l.fence = fence
				l.onLead()
			}
		})
	}, func() {
		fence.Store(true)
		l.c.post(func() {
			if l.link == link && l.fence == fence {
				l.stolen()
			}
		})
	})
}

// part leaves the other tabs.
func (l *loop) part() {
	if l.stopLook != nil {
		l.stopLook()
	}
	if l.link != nil {
		l.leaveTabs()
		l.link.Close()
	}
	l.tabs = tabs{}
}

// begin makes this tab the one that leads.
func (l *loop) begin() {
	if l.stopLook != nil {
		l.stopLook()
	}
	l.leads, l.term, l.seq, l.mirrored = true, l.NewID(), 0, nil
	l.mirrors, l.greet, l.awaited = map[string]*mirror{}, map[string]message{}, false
	l.leader, l.signing = "", false
	l.onLead = l.inherit // should this tab ever have to again
	l.send(message{Kind: lead})
}

// takeOver goes on with the stream that was left, by a tab that is gone or by the
// browser that was closed. Everything starts from what the store holds: what is in
// memory here came from there, or was never committed.
func (l *loop) takeOver() {
	if l.ran != nil {
		<-l.ran // the stream of when this tab has led before
	}
	l.begin()
	if l.signedOutHere {
		l.signOut()
		return
	}
	l.Emit(state.ConnectionChanged{Connection: state.Connection{Phase: state.Connecting}})
	snapshot := l.open()
	if snapshot == nil {
		l.Emit(state.Applied{}) // what this tab has shown it has not asked for
	}
	if l.state.Me == "" {
		// Nothing was kept, or it cannot be read: the server knows the rest.
		l.Emit(state.SessionStarted{Me: l.request.Account})
	}
	l.run(connect.Request{Account: l.request.Account, Server: l.server, Remember: true}, l.resumable(snapshot))
	for _, last := range l.lastRequests {
		l.hearMirror(last)
	}
	l.lastRequests = nil
	for _, w := range l.pending {
		l.again(w.in)
	}
}

// inherit takes over from a tab that has led while this one was there already.
func (l *loop) inherit() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	l.signedOutHere = l.signedOutHere || l.c.config.Keeper.SignedOut(ctx, l.request.Account)
	l.takeOver()
}

// drop ends the stream of a tab that no longer leads: another goes on with it.
func (l *loop) drop() {
	if l.stream != nil {
		l.end() // the socket is dropped, the stream not closed
		l.stream, l.end, l.session = nil, nil, nil
	}
	l.giveUp()
	l.renew()
	l.leads = false
}

// yield gives up the lead for a tab in which somebody signs in.
func (l *loop) yield(to string) {
	if !l.save() {
		return // somebody leads already
	}
	l.drop()
	link, ran, answer := l.link, l.ran, message{Kind: yielded, To: to, Build: l.c.config.Build, From: l.term}
	l.leader = ""
	l.hello()
	l.leaving.Go(func() {
		if ran != nil {
			<-ran
		}
		if message, err := json.Marshal(answer); err == nil {
			link.Send(string(message))
		}
		l.c.post(func() {
			if l.link == link && !l.leads {
				l.lookAround() // not before: until now there was nobody else to be found
			}
		})
	})
}

// stolen is called when another tab has taken the lead. This tab commits nothing any more.
func (l *loop) stolen() {
	if l.leads {
		l.drop()
	}
	if l.link != nil {
		l.follow()
		l.requestLead(InTurn, nil)
		return
	}
	// The tabs cannot meet. The other one has opened the store, and we can only stop.
	request := l.request
	l.close()
	l.request = request
	l.stop(anotherTab)
}

// outdated: another tab runs a newer build, which may say things this one does not know.
// It gets the lead and all the rest.
func (l *loop) outdated() {
	if l.awaiting {
		l.close()
		l.awaits = ""
		l.Emit(state.ConnectionChanged{Connection: state.Connection{Problem: &anotherBuild}})
		return
	}
	request, link, ran := l.request, l.link, l.ran
	if l.leads {
		l.save()
		l.drop()
	}
	l.link = nil
	l.close()
	l.leaving.Go(func() {
		if ran != nil {
			<-ran
		}
		link.Close()
	})
	l.request = request
	l.stop(anotherBuild)
}

var (
	anotherTab   = state.Problem{Kind: "another-tab", Text: "Natter is open in another tab.", Advice: "Go on there, or reconnect to go on here."}
	anotherBuild = state.Problem{Kind: "another-build", Text: "Natter was updated in another tab.", Advice: "Reload to go on here."}
)

func (l *loop) stop(p state.Problem) {
	l.Emit(state.ConnectionChanged{Connection: state.Connection{Phase: state.Stopped, Problem: &p}})
}

// ended: the account was signed out in another tab, or its password is needed again.
func (l *loop) ended(p *state.Problem) {
	switch {
	case l.signing:
		return // whoever signs in has the lead next
	case p != nil && (l.signedOutHere || l.awaiting):
		return // nobody has signed out yet: this tab does when it has the lead; or waits on
	}
	out, account := l.signedOutHere || l.awaiting, l.request.Account
	l.awaits = ""
	l.leave()
	l.close()
	if out {
		return // here too, and the form is on screen
	}
	l.Emit(state.Cleared{})
	l.Emit(state.ConnectionChanged{Connection: state.Connection{Problem: p}})
	if p != nil {
		l.await(account)
	}
}

// await follows, from the sign-in form, whoever signs in to the account in another tab:
// the password was needed in all of them.
func (l *loop) await(account jid.JID) {
	if l.awaits = account; account == "" {
		return
	}
	l.meet(account, nil)
	if l.awaiting = l.link != nil; l.awaiting {
		l.send(message{Kind: await}) // it may be under way
	}
}

func (l *loop) hearSignIn(msg message) {
	switch msg.Kind {
	case lead:
		l.send(message{Kind: await})
	case online:
		account := l.awaits
		l.close()
		l.awaits = ""
		l.comeBack(state.Return{Account: account})
	}
}
