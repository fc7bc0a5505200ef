package client

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
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

// mirror is what the leader knows about another tab. The numbers are those of its newest request
// that …
type mirror struct {
	hidden    bool
	applied   uint64 // … was carried out
	committed uint64 // … was carried out and committed, so that no leader has to do it again
	acked     uint64 // … was confirmed to the tab
}

// request is an intent in a message. N is its number, 0 if it must not be sent a second time
// (state.Fleeting).
type request struct {
	N  uint64     `json:"n"`
	In state.Said `json:"in"`
}

// message goes from one tab to all others. From is the term of the leader, or the name of any other
// tab; To is the only tab that it is for, "" for all.
type message struct {
	Build int64  `json:"build"`
	Kind  string `json:"kind"`
	From  string `json:"from"`
	To    string `json:"to,omitempty"`

	// To the leader.
	Requests []request   `json:"requests,omitempty"`
	Before   uint64      `json:"before,omitempty"` // hello and bye: the number of the last confirmed request
	Hidden   bool        `json:"hidden,omitempty"`
	All      bool        `json:"all,omitempty"` // hello: send all rows, the store cannot be read here; welcome: these are all
	Wake     stream.Wake `json:"wake,omitempty"`

	// From the leader.
	Seq       uint64            `json:"seq,omitempty"`
	Rows      []state.Row       `json:"rows,omitempty"`
	Committed map[string]uint64 `json:"committed,omitempty"` // by tab: the number of its newest committed request
	Problem   *state.Problem    `json:"problem,omitempty"`
}

// The kinds of messages; doc/tabs.md says more about each.
const (
	// To the leader:
	hello = "hello" // from a tab without a leader: requests all rows that it lacks
	want  = "want"  // requests of the person in the mirror
	hide  = "hide"  // the page is hidden, or visible again
	wake  = "wake"  // Client.Wake
	ask   = "ask"   // is the leader there?
	await = "await" // from the sign-in form: requests online
	yield = "yield" // from a tab in which somebody signs in: requests the lead
	bye   = "bye"   // the tab leaves; these requests are not confirmed

	// From the leader:
	lead    = "lead"    // a new term begins
	welcome = "welcome" // answers hello: the rows that are not in the store
	news    = "news"    // the rows that have changed
	here    = "here"    // answers ask
	online  = "online"  // answers await: the server has accepted the sign-in
	yielded = "yielded" // answers yield: the stream is dropped
	over    = "over"    // signed out, or the password is needed
)

// A mirror that is visible, or has requests that are not confirmed, sends ask every lookEvery. The
// browser gives away the lock of a tab that was killed, but not of one that is suspended or hangs.
// So after patience asks without an answer the mirror takes the lead.
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
		l.send(message{Kind: here}) // the older tab learns of this build, and stops
	case l.leads:
		l.hearMirror(msg)
	case l.awaiting:
		l.hearSignIn(msg)
	default:
		l.hearLeader(msg)
	}
}

// ---- The leader. ----

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

// attend carries out the requests that came with hello and bye.
func (l *loop) attend() {
	if l.state.Connection.Phase == state.SigningIn {
		return // the server has not accepted the password yet
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

// grant calls carryOut for those of the requests that were not carried out yet, in order. If the
// number of one is too high, one before it was lost: the mirror will send both again.
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
			return // the request was SignOut
		}
		m.applied = max(m.applied, w.N)
	}
}

// again carries out an intent that a leader may have carried out before it died. A message that is on
// the disk was sent by that leader, or leaves from the outbox; so did, or does, what an intent sends that has
// its id in onces. Other intents can be carried out twice without harm.
func (l *loop) again(in state.Intent) {
	if id := state.Once(in); id != "" && slices.Contains(strings.Fields(l.onces), id) {
		return
	}
	if m, ok := in.(state.SendMessage); ok && l.store != nil {
		rows, err := l.store.Find(context.Background(), m.Conv, []store.Wanted{{Author: l.state.Account(), ID: m.ID}})
		if err == nil && len(rows) > 0 {
			return
		}
	}
	l.perform(in)
}

// mostOnces is how many ids are in onces. A request that is not confirmed is among the newest.
const mostOnces = 32

// note adds an intent that is carried out to onces. The commit that has what it sends has its id too.
func (l *loop) note(in state.Intent) {
	if id := state.Once(in); id != "" && l.link != nil {
		ids := append(strings.Fields(l.onces), id)
		l.onces = strings.Join(ids[max(0, len(ids)-mostOnces):], " ")
	}
}

// granted says which requests were carried out, by the number of the last one of each tab.
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

// tell sends the mirrors the rows that have changed, and confirms the granted requests. While commits
// fail and messages wait to be sent or saved, it confirms none, so that the mirrors keep theirs.
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

// tellNews sends news, if anything has changed since the last.
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

// tellHidden tells the stream whether all tabs are hidden.
func (l *loop) tellHidden() {
	if l.stream != nil {
		l.stream.Hide(l.unseen())
	}
}

// unseen reports whether all tabs are hidden, as far as the leader knows.
func (l *loop) unseen() bool {
	for _, m := range l.mirrors {
		if !m.hidden {
			return false
		}
	}
	return l.hidden
}

// ---- A mirror. ----

// follow makes this tab a mirror of the tab that leads.
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

// lookAround begins to ask whether the leader is there, every lookEvery.
func (l *loop) lookAround() {
	if l.stopLook != nil {
		l.stopLook()
	}
	l.unanswered = 0
	var look func()
	look = func() {
		l.stopLook = l.After(lookEvery, look)
		if l.hidden && len(l.pending)+len(l.lastRequests) == 0 {
			l.unanswered = 0 // nobody would notice that the leader is gone
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

// join begins to mirror the leader that has sent welcome: it loads the store, which has all that the
// leader had committed by then, and applies the rows of the message.
func (l *loop) join(msg message) {
	l.leader, l.seq = msg.From, msg.Seq
	if !l.signedOutHere && !msg.All && l.store != nil && l.load() == nil {
		l.leader = ""
		l.hello() // the store is closed now, so this requests all rows
		return
	}
	l.mirror(msg)
	if len(l.pending) == 0 {
		return
	}
	for _, w := range l.pending { // the rows may be older than these
		l.show(w.in)
	}
	l.send(message{Kind: want, To: l.leader, Requests: l.pendingRequests()})
}

// mirror applies the rows of welcome or news, and removes the confirmed requests from pending.
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

// leaveTabs tells the leader that this mirror leaves.
func (l *loop) leaveTabs() {
	if !l.leads && !l.awaiting {
		l.send(message{Kind: bye, Requests: l.pendingRequests(), Before: l.confirmed()})
	}
}

// confirmed returns the number of the last confirmed request.
func (l *loop) confirmed() uint64 { return l.last - uint64(len(l.pending)) }

// pendingRequests returns the requests that are not confirmed.
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

// submit keeps an intent until it is confirmed. In a mirror it sends it to the leader and shows it.
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

// show applies to the state of a mirror, at once, what the person sees of an intent. The leader does
// the rest.
func (l *loop) show(in state.Intent) {
	switch in.(type) {
	case state.SignOut:
		l.noteOut() // first: this tab may die before the leader hears of it
		l.signedOutHere = true
		l.Emit(state.Cleared{})
		l.Emit(state.ConnectionChanged{})
	default:
		for _, ev := range state.Shown(in, l.state) {
			l.change(ev)
		}
	}
}
