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

// Link connects the tabs of one browser that show the same account. Its methods do not wait and
// may be called on any goroutine. The functions that it calls may wait.
type Link interface {
	// Send sends a message to all other tabs. Messages of one tab arrive in order.
	Send(message string)

	// Lead requests the lead for this tab; never more than one tab has it. The Link calls
	// won(true) when this tab has the lead, won(false) if when is IfNone and another tab has
	// it, and lost when another tab has taken the lead away. A second call replaces the first.
	Lead(when When, won func(bool), lost func())

	// Close disconnects this tab from the others, and gives up the lead or the request for it.
	Close()
}

// When says how long a tab waits for the lead.
type When int

const (
	IfNone When = iota // not at all: it leads at once or not
	InTurn             // until all tabs that asked before it have given up the lead or died
	Now                // not at all: it takes the lead away from the tab that has it
)

// tabs is the part of the loop that meets other tabs. One tab leads: it holds the socket and
// commits to the store. The others are its mirrors: they read the store, get the rows of each
// commit, and send the intents of their person to the leader as requests. When the leader dies
// the next tab takes over the same stream. doc/tabs.md has the states and the messages.
//
// A tab that has lost the lead may learn it late. The store refuses its commits (store.ErrTaken),
// and it acknowledges and sends nothing before a commit. A request is confirmed after its commit;
// until then the mirror sends it to each next leader.
type tabs struct {
	link   Link   // nil if tabs cannot meet; then this one leads
	tab    string // the name of this tab
	leads  bool
	onLead func()       // called when this tab gets the lead
	asked  *atomic.Bool // the fence of the last call of Link.Lead
	fence  *atomic.Bool // true when another tab has taken the lead away

	pending []pendingIntent // of the person in this tab, not confirmed
	last    uint64          // the number of the newest intent
	seq     uint64          // the number of the last news that was sent or heard

	// lastRequests are the bye messages of tabs that have left with requests. A mirror keeps them
	// until the leader has answered an ask that was sent after them (probed is true): messages
	// arrive in order, so the leader has heard them too.
	lastRequests []message
	probed       bool

	// Of the leader:
	term     string       // its name as long as it leads
	mirrored *state.State // the state that the mirrors have
	mirrors  map[string]*mirror
	greet    map[string]message // the hello messages that are not answered yet, by tab
	awaited  bool               // a tab has sent await

	// Of a mirror:
	leader        string // the term of the leader, "" while none is known
	signing       bool   // a sign-in waits until the leader gives up the lead
	signedOutHere bool   // the person has signed out in this tab, and the leader has not done it yet
	awaiting      bool   // nobody is signed in here, see await
	unanswered    int    // how often the leader was asked since it was last heard
	stopLook      func() // stops the timer of lookAround, or of takeLead
}

// takeLead is how long a sign-in waits until the leader gives up the lead.
const takeLead = 10 * time.Second

// meet joins the other tabs that show the account. onLead is called when this tab gets the lead.
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

// requestLead requests the lead, and calls onLead when this tab has it. It calls refused if when is
// IfNone and another tab leads.
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
	l.onLead = l.inherit // if it loses the lead and gets it again
	l.send(message{Kind: lead})
}

// takeOver goes on with the stream of a leader that is gone, or of a browser that was closed. It
// starts from the store: all that is in memory came from there, or was never committed.
func (l *loop) takeOver() {
	if l.ran != nil {
		<-l.ran // the stream of this tab's last term has ended
	}
	l.begin()
	if l.signedOutHere {
		l.signOut()
		return
	}
	l.Emit(state.ConnectionChanged{Connection: state.Connection{Phase: state.Connecting}})
	snapshot := l.open()
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

// inherit takes over from a leader that this tab has mirrored. The person may have signed out in
// another tab since then, which the Keeper has noted.
func (l *loop) inherit() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	l.signedOutHere = l.signedOutHere || l.c.config.Keeper.SignedOut(ctx, l.request.Account)
	l.takeOver()
}

// drop ends the lead of this tab. It drops the socket and does not close the stream, because the
// next leader resumes it.
func (l *loop) drop() {
	if l.stream != nil {
		l.end()
		l.stream, l.end, l.session = nil, nil, nil
	}
	l.giveUp()
	l.renew()
	l.leads = false
}

// yield gives up the lead for a tab in which somebody signs in.
func (l *loop) yield(to string) {
	if !l.save() {
		return // another tab leads already
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
				l.lookAround() // not before: until yielded is sent, nobody leads
			}
		})
	})
}

// stolen makes this tab a mirror, because another tab has taken the lead away.
func (l *loop) stolen() {
	if l.leads {
		l.drop()
	}
	if l.link != nil {
		l.follow()
		l.requestLead(InTurn, nil)
		return
	}
	// The tabs cannot meet. The other one leads the store now, so this one must stop.
	request := l.request
	l.close()
	l.request = request
	l.stop(anotherTab)
}

// outdated stops this tab, because another tab runs a newer build: this one may not understand its
// messages. If this tab leads, it commits first, and the other tab can get the lead.
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

// ended handles over: the account was signed out in another tab, or, with a Problem, needs its
// password again.
func (l *loop) ended(p *state.Problem) {
	switch {
	case l.signing:
		return // this tab gets the lead next
	case p != nil && (l.signedOutHere || l.awaiting):
		return // signedOutHere: this tab signs out when it leads; awaiting: it still waits
	}
	out, account := l.signedOutHere || l.awaiting, l.request.Account
	l.awaits = ""
	l.leave()
	l.close()
	if out {
		return // the form is on screen already
	}
	l.Emit(state.Cleared{})
	l.Emit(state.ConnectionChanged{Connection: state.Connection{Problem: p}})
	if p != nil {
		l.await(account)
	}
}

// await waits, at the sign-in form, until somebody signs in to the account in another tab. All tabs
// needed the password, and one sign-in is enough for all.
func (l *loop) await(account jid.JID) {
	if l.awaits = account; account == "" {
		return
	}
	l.meet(account, nil)
	if l.awaiting = l.link != nil; l.awaiting {
		l.send(message{Kind: await}) // a sign-in may have begun before this tab listened
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
