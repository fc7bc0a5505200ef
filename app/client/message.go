package client

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
)

// pendingIntent is an intent with its number.
type pendingIntent struct {
	n  uint64
	in state.Intent
}

// mirror is what the leader knows of another tab.
type mirror struct {
	hidden    bool
	applied   uint64 // which of its requests were carried out
	committed uint64 // and need not be again, by whoever leads next
	acked     uint64 // and which it knows of
}

// request is an intent as one tab tells another. N is 0 if it is not worth a
// second try.
type request struct {
	N  uint64     `json:"n"`
	In state.Said `json:"in"`
}

// message goes from one tab to another. From is the term of the tab that leads, or the name of
// a mirror.
type message struct {
	Build int64  `json:"build"`
	Kind  string `json:"kind"`
	From  string `json:"from"`
	To    string `json:"to,omitempty"`

	// To the leader.
	Requests []request   `json:"requests,omitempty"`
	Before   uint64      `json:"before,omitempty"` // hello: the number of the last that needs nobody any more
	Hidden   bool        `json:"hidden,omitempty"`
	All      bool        `json:"all,omitempty"` // the store cannot be read here
	Wake     stream.Wake `json:"wake,omitempty"`

	// From the leader.
	Seq       uint64            `json:"seq,omitempty"`
	Rows      []state.Row       `json:"rows,omitempty"`
	Committed map[string]uint64 `json:"committed,omitempty"` // by tab: its newest request that is
	Problem   *state.Problem    `json:"problem,omitempty"`
}

// Kinds of messages: first those to the leader, then those from it.
const (
	hello = "hello" // by one that is new, or has lost the leader: tell me all
	want  = "want"
	hide  = "hide"
	wake  = "wake"
	ask   = "ask"   // are you there?
	await = "await" // by one at the sign-in form: has the server let you in?
	yield = "yield" // by one where somebody signs in
	bye   = "bye"   // with what was not confirmed

	lead    = "lead"    // it is me from now on
	welcome = "welcome" // what the store does not say
	news    = "news"    // what has changed
	here    = "here"
	online  = "online"
	yielded = "yielded"
	over    = "over" // signed out
)

// A mirror that is looked at, or waits for something, asks whether the leader is there.
// A tab that was killed leads no more; one that does not answer so many times
// is suspended, or hangs.
const (
	lookEvery = 3 * time.Second
	patience  = 3
)

func (l *loop) send(msg message) {
	if l.link == nil {
		return
	}
	msg.Build, msg.From = l.c.config.Build, l.tab
	if l.leads {
		msg.From = l.term
	}
	text, err := json.Marshal(msg)
	if err != nil {
		l.c.config.Log("tabs: %v", err)
		return
	}
	l.link.Send(string(text))
}

func (l *loop) hear(text string) {
	var msg message
	switch err := json.Unmarshal([]byte(text), &msg); {
	case err != nil:
		l.c.config.Log("tabs: %v", err)
	case msg.Kind == over:
		l.ended(msg.Problem)
	case msg.Build > l.c.config.Build:
		l.outdated()
	case msg.Build < l.c.config.Build:
		l.send(message{Kind: here}) // so that it knows
	case l.leads:
		l.hearMirror(msg)
	case l.awaiting:
		l.hearSignIn(msg)
	default:
		l.hearLeader(msg)
	}
}

// ---- The one that leads. ----

func (l *loop) hearMirror(msg message) {
	m := l.mirrors[msg.From]
	switch msg.Kind {
	case hello:
		l.greet[msg.From] = msg
	case want:
		if m != nil && msg.To == l.term {
			l.grant(m, msg.Requests, l.perform)
		}
	case hide:
		if m != nil {
			m.hidden = msg.Hidden
			l.tellHidden()
		}
	case wake:
		if l.stream != nil {
			l.stream.Wake(msg.Wake)
		}
	case ask:
		l.send(message{Kind: here, Seq: l.seq})
	case await:
		l.awaited = true
	case yield:
		l.yield(msg.From)
	case bye:
		if l.greet[msg.From] = msg; len(msg.Requests) > 0 {
			l.attend()
		}
		if !l.leads {
			return
		}
		delete(l.mirrors, msg.From)
		delete(l.greet, msg.From)
		l.tellHidden()
	}
}

// attend carries out, in the turn they come, the requests of those who say hello.
func (l *loop) attend() {
	if l.state.Connection.Phase == state.SigningIn {
		return // nobody has shown yet that the account is theirs
	}
	for tab, msg := range l.greet {
		m := l.mirrors[tab]
		if m == nil {
			m = &mirror{}
			l.mirrors[tab] = m
		}
		m.hidden, m.applied = msg.Hidden, max(m.applied, msg.Before)
		l.grant(m, msg.Requests, l.again)
		if !l.leads {
			return
		}
	}
	if len(l.greet) > 0 {
		l.tellHidden()
	}
}

// grant has the requests carried out that were not yet, in order: if one has not arrived,
// it comes again, with those after it.
func (l *loop) grant(m *mirror, requests []request, carryOut func(state.Intent)) {
	for _, w := range requests {
		if w.N != 0 && w.N != m.applied+1 {
			continue
		}
		in, err := w.In.Intent()
		if err != nil {
			l.c.config.Log("tabs: %v", err)
		} else {
			carryOut(in)
		}
		if !l.leads {
			return // it was to sign out
		}
		m.applied = max(m.applied, w.N)
	}
}

// again carries out what may have been carried out before by a tab that died: then a
// message is here already, or on disk.
func (l *loop) again(in state.Intent) {
	if m, ok := in.(state.SendMessage); ok && l.store != nil {
		rows, err := l.store.Find(context.Background(), m.Conv, []store.Wanted{{Author: l.state.Account(), ID: m.ID}})
		if err == nil && len(rows) > 0 {
			return
		}
	}
	l.perform(in)
}

// granted is which requests have been carried out: the last one of the person here, and those
// of other tabs.
type granted struct {
	here   uint64
	others map[*mirror]uint64
}

func (l *loop) granted() granted {
	g := granted{here: l.last, others: map[*mirror]uint64{}}
	for _, m := range l.mirrors {
		g.others[m] = m.applied
	}
	return g
}

// tell tells the others, as the one that leads, what is committed now, or could not be;
// what has then not left either they keep themselves.
func (l *loop) tell(now *state.State, g granted) {
	if l.retry == nil || now.Unsent()+now.Unsaved() == 0 {
		l.pending = slices.DeleteFunc(l.pending, func(w pendingIntent) bool { return w.n <= g.here })
		for m, done := range g.others {
			m.committed = max(m.committed, done)
		}
	}
	if l.awaited && now.Connection.Phase == state.Online {
		l.awaited = false
		l.send(message{Kind: online})
	}
	if l.mirrored != nil {
		l.tellNews(now)
	}
	for tab, greeted := range l.greet {
		m := l.mirrors[tab]
		if m == nil {
			continue
		}
		kept := l.kept
		if greeted.All {
			kept = nil
		}
		l.send(message{
			Kind: welcome, To: tab, Seq: l.seq, All: greeted.All, Committed: map[string]uint64{tab: m.committed},
			Rows: slices.Concat(now.Changes(kept), now.Moments(nil)),
		})
		m.acked = m.committed
		delete(l.greet, tab)
	}
	l.mirrored = nil
	if len(l.mirrors) > 0 {
		l.mirrored = now
	}
}

// tellNews tells what has changed, if anything has.
func (l *loop) tellNews(now *state.State) {
	msg := message{Kind: news, Committed: map[string]uint64{}, Rows: slices.Concat(now.Changes(l.mirrored), now.Moments(l.mirrored))}
	for tab, m := range l.mirrors {
		if m.acked < m.committed {
			m.acked = m.committed
			msg.Committed[tab] = m.committed
		}
	}
	if len(msg.Rows)+len(msg.Committed) == 0 {
		return
	}
	l.seq++
	msg.Seq = l.seq
	l.send(msg)
}

// tellHidden lets the connection know whether any of the tabs can be seen.
func (l *loop) tellHidden() {
	if l.stream != nil {
		l.stream.Hide(l.unseen())
	}
}

// unseen reports whether none of the tabs can be seen, as far as the one that has the
// connection knows.
func (l *loop) unseen() bool {
	for _, m := range l.mirrors {
		if !m.hidden {
			return false
		}
	}
	return l.hidden
}

// ---- A mirror. ----

// follow makes this tab a mirror, of whoever leads.
func (l *loop) follow() {
	l.leader = ""
	l.hello()
	l.lookAround()
}

func (l *loop) hello() {
	l.send(message{
		Kind: hello, Hidden: l.hidden, All: l.store == nil, Requests: l.pendingRequests(), Before: l.confirmed(),
	})
}

// lookAround asks now and then whether the leader is there.
func (l *loop) lookAround() {
	if l.stopLook != nil {
		l.stopLook()
	}
	l.unanswered = 0
	var look func()
	look = func() {
		l.stopLook = l.After(lookEvery, look)
		if l.hidden && len(l.pending)+len(l.lastRequests) == 0 {
			l.unanswered = 0 // nobody would notice
			return
		}
		if l.unanswered++; l.unanswered > patience {
			l.unanswered = 0
			l.requestLead(Now, nil)
			return
		}
		switch {
		case l.leader == "":
			l.hello()
		case len(l.pending) > 0:
			l.send(message{Kind: want, To: l.leader, Requests: l.pendingRequests()})
		}
		l.send(message{Kind: ask})
		l.probed = true
	}
	l.stopLook = l.After(lookEvery, look)
}

func (l *loop) hearLeader(msg message) {
	switch msg.Kind {
	case lead, welcome, news, here:
		l.unanswered = 0
	}
	switch {
	case msg.Kind == here && l.probed:
		l.lastRequests = nil
	case msg.Kind == bye && len(msg.Requests) > 0:
		l.lastRequests, l.probed = append(l.lastRequests, msg), false
	}
	switch {
	case l.signing:
		if msg.Kind == yielded && msg.To == l.tab {
			l.requestLead(Now, nil)
		}
	case msg.Kind == lead, msg.Kind == here && l.leader != "" && (msg.From != l.leader || msg.Seq > l.seq):
		l.leader = ""
		l.hello()
	case msg.Kind == welcome && msg.To == l.tab:
		l.join(msg)
	case msg.Kind == news && msg.From == l.leader && msg.Seq > l.seq:
		if msg.Seq > l.seq+1 {
			l.leader = ""
			l.hello()
			return
		}
		l.seq = msg.Seq
		l.mirror(msg)
	}
}

// join begins to follow a leader: the store has all it had committed when it said so.
func (l *loop) join(msg message) {
	l.leader, l.seq = msg.From, msg.Seq
	if !l.signedOutHere && !msg.All && l.store != nil && l.load() == nil {
		l.leader = ""
		l.hello() // it will have to tell all
		return
	}
	l.mirror(msg)
	if len(l.pending) == 0 {
		return
	}
	for _, w := range l.pending { // since the hello
		l.show(w.in)
	}
	l.send(message{Kind: want, To: l.leader, Requests: l.pendingRequests()})
}

// mirror takes what the leader tells.
func (l *loop) mirror(msg message) {
	if done := msg.Committed[l.tab]; done > 0 {
		l.pending = slices.DeleteFunc(l.pending, func(w pendingIntent) bool { return w.n <= done })
	}
	if l.signedOutHere {
		return
	}
	l.Emit(state.Applied{Rows: msg.Rows})
	l.releaseAll()
}

// leaveTabs tells the one that leads that this tab, which does not, is no longer there.
func (l *loop) leaveTabs() {
	if !l.leads && !l.awaiting {
		l.send(message{Kind: bye, Requests: l.pendingRequests(), Before: l.confirmed()})
	}
}

// confirmed is the number of the last request that nobody has to carry out any more.
func (l *loop) confirmed() uint64 { return l.last - uint64(len(l.pending)) }

// pendingRequests are all that is not confirmed.
func (l *loop) pendingRequests() (all []request) {
	for _, w := range l.pending {
		all = append(all, l.requestOf(w)...)
	}
	return all
}

func (l *loop) requestOf(w pendingIntent) []request {
	told, err := state.Tell(w.in)
	if err != nil {
		l.c.config.Log("tabs: %v", err)
		return nil
	}
	return []request{{w.n, told}}
}

// submit notes what the person wants, until that is confirmed, and tells the leader.
func (l *loop) submit(in state.Intent) {
	w := pendingIntent{in: in}
	if !state.Is(in, state.Fleeting) {
		l.last++
		w.n = l.last
		l.pending = append(l.pending, w)
	}
	if l.leads {
		return
	}
	if l.leader != "" {
		l.send(message{Kind: want, To: l.leader, Requests: l.requestOf(w)})
	}
	l.show(in)
}

// show applies at once what the person sees of an intent. The rest is for the leader.
func (l *loop) show(in state.Intent) {
	switch in.(type) {
	case state.SignOut:
		l.noteOut() // whatever becomes of this tab
		l.signedOutHere = true
		l.Emit(state.Cleared{})
		l.Emit(state.ConnectionChanged{})
	default:
		for _, ev := range state.Shown(in, l.state) {
			l.change(ev)
		}
	}
}
