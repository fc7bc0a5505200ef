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

// wanted is an intent with its number.
type wanted struct {
	n  uint64
	in state.Intent
}

// mirror is what the leader knows of another tab.
type mirror struct {
	hidden bool
	done   uint64 // which of its wishes were carried out
	sure   uint64 // and need not be again, by whoever comes next
	told   uint64 // and which it knows of
}

// wish is what somebody wants as one tab tells another. N is 0 if it is not worth a
// second try.
type wish struct {
	N  uint64     `json:"n"`
	In state.Said `json:"in"`
}

// speech is what tabs say to each other. Who leads is named by its term, who does not
// by its tab.
type speech struct {
	Build int64  `json:"build"`
	Kind  string `json:"kind"`
	From  string `json:"from"`
	To    string `json:"to,omitempty"`

	// To the leader.
	Wishes []wish      `json:"wishes,omitempty"`
	Before uint64      `json:"before,omitempty"` // hello: the number of the last that needs nobody any more
	Hidden bool        `json:"hidden,omitempty"`
	All    bool        `json:"all,omitempty"` // the store cannot be read here
	Wake   stream.Wake `json:"wake,omitempty"`

	// From the leader.
	Seq     uint64            `json:"seq,omitempty"`
	Rows    []state.Row       `json:"rows,omitempty"`
	Done    map[string]uint64 `json:"done,omitempty"` // by tab: the newest wish carried out
	Problem *state.Problem    `json:"problem,omitempty"`
}

// What tabs say, first to the leader, then as the leader.
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
// A tab that was killed has made room already; one that does not answer so many times
// is suspended, or hangs.
const (
	lookEvery = 3 * time.Second
	patience  = 3
)

func (l *loop) say(sp speech) {
	if l.link == nil {
		return
	}
	sp.Build, sp.From = l.c.config.Build, l.tab
	if l.leads {
		sp.From = l.term
	}
	message, err := json.Marshal(sp)
	if err != nil {
		l.c.config.Log("tabs: %v", err)
		return
	}
	l.link.Send(string(message))
}

func (l *loop) hear(message string) {
	var sp speech
	switch err := json.Unmarshal([]byte(message), &sp); {
	case err != nil:
		l.c.config.Log("tabs: %v", err)
	case sp.Kind == over:
		l.ended(sp.Problem)
	case sp.Build > l.c.config.Build:
		l.outdated()
	case sp.Build < l.c.config.Build:
		l.say(speech{Kind: here}) // so that it knows
	case l.leads:
		l.hearMirror(sp)
	case l.awaiting:
		l.hearSignIn(sp)
	default:
		l.hearLeader(sp)
	}
}

// ---- The one that leads. ----

func (l *loop) hearMirror(sp speech) {
	m := l.mirrors[sp.From]
	switch sp.Kind {
	case hello:
		l.greet[sp.From] = sp
	case want:
		if m != nil && sp.To == l.term {
			l.grant(m, sp.Wishes, l.perform)
		}
	case hide:
		if m != nil {
			m.hidden = sp.Hidden
			l.tellHidden()
		}
	case wake:
		if l.stream != nil {
			l.stream.Wake(sp.Wake)
		}
	case ask:
		l.say(speech{Kind: here, Seq: l.seq})
	case await:
		l.awaited = true
	case yield:
		l.yield(sp.From)
	case bye:
		if l.greet[sp.From] = sp; len(sp.Wishes) > 0 {
			l.attend()
		}
		if !l.leads {
			return
		}
		delete(l.mirrors, sp.From)
		delete(l.greet, sp.From)
		l.tellHidden()
	}
}

// attend carries out, in the turn they come, the wishes of those who say hello.
func (l *loop) attend() {
	if l.state.Connection.Phase == state.SigningIn {
		return // nobody has shown yet that the account is theirs
	}
	for tab, sp := range l.greet {
		m := l.mirrors[tab]
		if m == nil {
			m = &mirror{}
			l.mirrors[tab] = m
		}
		m.hidden, m.done = sp.Hidden, max(m.done, sp.Before)
		l.grant(m, sp.Wishes, l.again)
		if !l.leads {
			return
		}
	}
	if len(l.greet) > 0 {
		l.tellHidden()
	}
}

// grant has the wishes carried out that were not yet, in order: if one has not arrived,
// it comes again, with those after it.
func (l *loop) grant(m *mirror, wishes []wish, carryOut func(state.Intent)) {
	for _, w := range wishes {
		if w.N != 0 && w.N != m.done+1 {
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
		m.done = max(m.done, w.N)
	}
}

// again carries out what may have been carried out before by a tab that died: then a
// message is here already, or on disk.
func (l *loop) again(in state.Intent) {
	if m, ok := in.(state.SendMessage); ok && l.store != nil {
		rows, err := l.store.Find(context.Background(), m.Peer.Bare(), []store.Wanted{{Author: l.state.Account(), ID: m.ID}})
		if err == nil && len(rows) > 0 {
			return
		}
	}
	l.perform(in)
}

// granted is which wishes have been carried out: the last one of the person here, and those
// of other tabs.
type granted struct {
	here   uint64
	others map[*mirror]uint64
}

func (l *loop) granted() granted {
	g := granted{here: l.last, others: map[*mirror]uint64{}}
	for _, m := range l.mirrors {
		g.others[m] = m.done
	}
	return g
}

// tell tells the others, as the one that leads, what is committed now, or could not be;
// what has then not left either they keep themselves.
func (l *loop) tell(now *state.State, g granted) {
	if l.retry == nil || now.Unsent()+now.Unsaved() == 0 {
		l.wanted = slices.DeleteFunc(l.wanted, func(w wanted) bool { return w.n <= g.here })
		for m, done := range g.others {
			m.sure = max(m.sure, done)
		}
	}
	if l.awaited && now.Connection.Phase == state.Online {
		l.awaited = false
		l.say(speech{Kind: online})
	}
	if l.told != nil {
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
		l.say(speech{
			Kind: welcome, To: tab, Seq: l.seq, All: greeted.All, Done: map[string]uint64{tab: m.sure},
			Rows: slices.Concat(now.Changes(kept), now.Moments(nil)),
		})
		m.told = m.sure
		delete(l.greet, tab)
	}
	l.told = nil
	if len(l.mirrors) > 0 {
		l.told = now
	}
}

// tellNews tells what has changed, if anything has.
func (l *loop) tellNews(now *state.State) {
	sp := speech{Kind: news, Done: map[string]uint64{}, Rows: slices.Concat(now.Changes(l.told), now.Moments(l.told))}
	for tab, m := range l.mirrors {
		if m.told < m.sure {
			m.told = m.sure
			sp.Done[tab] = m.sure
		}
	}
	if len(sp.Rows)+len(sp.Done) == 0 {
		return
	}
	l.seq++
	sp.Seq = l.seq
	l.say(sp)
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
	l.say(speech{
		Kind: hello, Hidden: l.hidden, All: l.store == nil, Wishes: l.wishes(), Before: l.confirmed(),
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
		if l.hidden && len(l.wanted)+len(l.wills) == 0 {
			l.unanswered = 0 // nobody would notice
			return
		}
		if l.unanswered++; l.unanswered > patience {
			l.unanswered = 0
			l.bid(Now, nil)
			return
		}
		switch {
		case l.leader == "":
			l.hello()
		case len(l.wanted) > 0:
			l.say(speech{Kind: want, To: l.leader, Wishes: l.wishes()})
		}
		l.say(speech{Kind: ask})
		l.probed = true
	}
	l.stopLook = l.After(lookEvery, look)
}

func (l *loop) hearLeader(sp speech) {
	switch sp.Kind {
	case lead, welcome, news, here:
		l.unanswered = 0
	}
	switch {
	case sp.Kind == here && l.probed:
		l.wills = nil
	case sp.Kind == bye && len(sp.Wishes) > 0:
		l.wills, l.probed = append(l.wills, sp), false
	}
	switch {
	case l.signing:
		if sp.Kind == yielded && sp.To == l.tab {
			l.bid(Now, nil)
		}
	case sp.Kind == lead, sp.Kind == here && l.leader != "" && (sp.From != l.leader || sp.Seq > l.seq):
		l.leader = ""
		l.hello()
	case sp.Kind == welcome && sp.To == l.tab:
		l.join(sp)
	case sp.Kind == news && sp.From == l.leader && sp.Seq > l.seq:
		if sp.Seq > l.seq+1 {
			l.leader = ""
			l.hello()
			return
		}
		l.seq = sp.Seq
		l.mirror(sp)
	}
}

// join begins to follow a leader: the store has all it had committed when it said so.
func (l *loop) join(sp speech) {
	l.leader, l.seq = sp.From, sp.Seq
	if !l.out && !sp.All && l.store != nil && l.load() == nil {
		l.leader = ""
		l.hello() // it will have to tell all
		return
	}
	l.mirror(sp)
	if len(l.wanted) == 0 {
		return
	}
	for _, w := range l.wanted { // since the hello
		l.show(w.in)
	}
	l.say(speech{Kind: want, To: l.leader, Wishes: l.wishes()})
}

// mirror takes what the leader tells.
func (l *loop) mirror(sp speech) {
	if done := sp.Done[l.tab]; done > 0 {
		l.wanted = slices.DeleteFunc(l.wanted, func(w wanted) bool { return w.n <= done })
	}
	if l.out {
		return
	}
	l.Emit(state.Applied{Rows: sp.Rows})
}

// bye tells the one that leads that this tab, which does not, is no longer there.
func (l *loop) bye() {
	if !l.leads && !l.awaiting {
		l.say(speech{Kind: bye, Wishes: l.wishes(), Before: l.confirmed()})
	}
}

// confirmed is the number of the last wish that nobody has to carry out any more.
func (l *loop) confirmed() uint64 { return l.last - uint64(len(l.wanted)) }

// wishes are all that is not confirmed, in words.
func (l *loop) wishes() (all []wish) {
	for _, w := range l.wanted {
		all = append(all, l.words(w)...)
	}
	return all
}

func (l *loop) words(w wanted) []wish {
	told, err := state.Tell(w.in)
	if err != nil {
		l.c.config.Log("tabs: %v", err)
		return nil
	}
	return []wish{{w.n, told}}
}

// wish notes what the person wants, until that is confirmed, and tells the leader.
func (l *loop) wish(in state.Intent) {
	w := wanted{in: in}
	if !state.Is(in, state.Fleeting) {
		l.last++
		w.n = l.last
		l.wanted = append(l.wanted, w)
	}
	if l.leads {
		return
	}
	if l.leader != "" {
		l.say(speech{Kind: want, To: l.leader, Wishes: l.words(w)})
	}
	l.show(in)
}

// show lets the person see at once what they have done. What it means to others the
// leader finds out.
func (l *loop) show(in state.Intent) {
	switch in.(type) {
	case state.SignOut:
		l.noteOut() // whatever becomes of this tab
		l.out = true
		l.Emit(state.Cleared{})
		l.Emit(state.ConnectionChanged{})
	default:
		for _, ev := range state.Shown(in, l.state) {
			l.change(ev)
		}
	}
}
