package client

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"natter/app/connect"
	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
	"natter/framing"
)

// loop is what the one goroutine owns.
type loop struct {
	c        *Client
	era      *era
	features []*feature.Feature
	first    []first
	messages handlers
	presence handlers
	requests handlers
	disco    []string

	state  *state.State
	stream *stream.Stream
	end    context.CancelFunc      // ends the stream
	given  *atomic.Pointer[string] // a password that the stream has not used yet
	ran    chan struct{}           // closed when the stream has ended
	loss   int                     // the number of the last loss, see stream.Unsent
	// received is the number of the last stanza that was handled, and stored that of the last one
	// that may be acknowledged.
	received, stored uint64
	doubtful         map[string]bool // ids in the outbox of messages that the server may have or not, see decide
	session          *connect.Session
	hidden           bool
	// redelivers is true after a resume, because the server delivers again what it had sent to the
	// lost socket. It stays true until the next loss: nothing shows when the last of these messages
	// has come, and ejabberd may deliver some half an hour later (see state.repeats). Until then a
	// sender can give a live message a time in the past, but not one earlier than unnoticed before the
	// loss, or within the part of the archive that was read. The time of the archive replaces it later.
	redelivers bool
	lost       time.Time      // when the connection was last lost
	restored   time.Time      // when the stream of an earlier page was restored, zero if none was
	gotPage    bool           // a page of an archive has come in this turn
	leaving    sync.WaitGroup // what is being closed in the background; Run waits for it

	keeping                  // see keep.go
	tabs                     // see tabs.go
	awaits     jid.JID       // the account that await waits for
	unobserved []state.Event // the events that Observe must see; it sees the first now
	poison     []uint64      // see CrashLog
	spokenAt   time.Time     // At of the last message that was dispatched
	spoken     int64         // Nth of that message
}

func newLoop(c *Client) *loop {
	l := &loop{c: c, state: c.State()}
	l.renew()
	if c.config.CrashLog != nil {
		l.poison = c.config.CrashLog.Poison()
	}
	return l
}

// era is the feature.Client of one call of Config.Features. It ends with the account or the lead; then
// features are made again, and what the old ones remember is forgotten.
type era struct{ *loop }

// After implements feature.Client. It does not call f when the era is over.
func (e *era) After(d time.Duration, f func()) (stop func()) {
	return e.loop.After(d, func() {
		if e.loop.era == e {
			f()
		}
	})
}

// renew begins an era.
func (l *loop) renew() {
	l.era, l.features = &era{l}, l.c.config.Features()
	l.messages, l.presence, l.requests, l.disco = handlers{}, handlers{}, handlers{}, nil
	l.first = nil
	for _, f := range l.features {
		for name, handler := range f.First {
			l.first = append(l.first, first{name, handler})
		}
		l.messages.add(f.Messages)
		l.presence.add(f.Presences)
		l.requests.add(f.Requests)
		l.disco = append(l.disco, f.Disco...)
	}
	slices.Sort(l.disco)
	l.disco = slices.Compact(l.disco)
}

// handlers are those of all features.
type handlers map[framing.Name][]feature.Handler

func (h handlers) add(more map[framing.Name]feature.Handler) {
	for name, f := range more {
		h[name] = append(h[name], f)
	}
}

func (l *loop) events() <-chan stream.Event {
	if l.stream == nil {
		return nil
	}
	return l.stream.Events()
}

func (l *loop) do(in state.Intent) {
	switch wanted := in.(type) {
	case state.LoadOlder:
		if at := l.earliest(wanted.Conv); at != state.Lowest {
			l.lookAt(state.Look{Conv: wanted.Conv, At: at})
			return
		}
	case state.SendMessage:
		if l.link != nil && wanted.ID == "" {
			wanted.ID, wanted.At = l.NewID(), l.state.Now(l.Now()) // the method again recognises it by its ID
			in = wanted
		}
	default:
		in = state.Stamped(in, l.NewID, l.state.Now(l.Now()))
	}
	if l.link != nil && !state.Is(in, state.Own) {
		if l.submit(in); !l.leads {
			return
		}
	}
	l.perform(in)
}

// perform carries out an intent of this tab or, in the leader, of a mirror.
func (l *loop) perform(in state.Intent) {
	l.note(in)
	switch in := in.(type) {
	case state.SignIn:
		l.signIn(in)
	case state.Return:
		l.comeBack(in)
	case state.Look:
		l.lookAt(in)
	case state.GivePassword:
		if l.stream != nil {
			l.given.Store(&in.Password)
			l.stream.Wake(stream.Manual)
		}
	case state.SignInAgain:
		if p := l.state.Connection.Problem; p != nil && l.stream != nil {
			l.toForm(p)
		}
	case state.SignOut:
		l.signOut()
	case state.Reconnect:
		if l.stream != nil {
			l.stream.Wake(stream.Manual)
		} else if l.state.Connection.Phase == state.Stopped {
			l.comeBack(state.Return{Account: l.state.Account()}) // stolen or outdated had stopped this tab
		}
	case state.LoadOlder:
		if chat := l.state.Chat(in.Conv); l.store != nil && chat != nil && chat.Earlier() {
			l.readAfter(in.Conv, state.Key{}, 1) // the gap before the first message of the store is meant
		}
		l.feature(in)
	case state.SendMessage:
		l.urgent = true
		l.feature(in)
	case state.RetryMessage:
		l.urgent = true
		l.recall(in.Conv, in.ID)
		l.feature(in)
	case state.DeleteMessage:
		l.recall(in.Conv, in.ID)
		l.feature(in)
	default:
		l.feature(in)
	}
}

func (l *loop) feature(in state.Intent) {
	known := false
	for _, f := range l.features {
		if f.Do != nil {
			l.guard(f.Name, func() { known = f.Do(l.era, in) || known })
		}
	}
	if !known {
		l.c.config.Log("no feature knows what %T is", in)
	}
}

// happened handles an event of the stream.
func (l *loop) happened(ev stream.Event) {
	l.streamDirty = true
	switch ev := ev.(type) {
	case stream.Trying:
		l.trying()
	case stream.Online:
		l.meant = true
		l.online(ev)
	case stream.Offline:
		l.meant = true
		l.offline(ev)
	case stream.Reordered:
		l.meant = true
	case stream.Received:
		l.received = ev.N
		l.handle(ev.Stanza, func() { l.receive(ev.Stanza) })
	case stream.Replied:
		reply := func() { l.guard("reply", func() { ev.Done(ev.Reply, ev.Err) }) }
		if ev.Reply == nil {
			reply()
			break
		}
		l.received = ev.N
		if !l.handle(ev.Reply, reply) {
			ev.Reply, ev.Err = nil, errPoison
			reply()
		}
	case stream.Acknowledged:
		for _, st := range ev.Stanzas {
			l.unqueue(st)
			for _, f := range l.features {
				if f.Acknowledged != nil {
					l.guard(f.Name, func() { f.Acknowledged(l.era, st) })
				}
			}
		}
	case stream.Unsent:
		l.loss = max(l.loss, ev.Loss)
		for _, st := range ev.Stanzas {
			switch id := st.Attr("id"); {
			case ev.Err != nil:
				l.unqueue(st)
			case l.state.Outgoing(id) != nil:
				l.doubtful[id] = true
			}
		}
		for _, st := range ev.Stanzas {
			l.tellLost(st, ev.Err)
		}
	}
}

// tellLost tells the features that a stanza may be lost. With an error it is not sent again.
func (l *loop) tellLost(st *framing.Element, err error) {
	for _, f := range l.features {
		if f.Lost != nil {
			l.guard(f.Name, func() { f.Lost(l.era, st, err) })
		}
	}
}

// guard calls f, and logs a panic of f instead of letting it end the program.
func (l *loop) guard(name string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			l.c.config.Log("%s panicked: %v", name, p)
		}
	}()
	f()
}

func (l *loop) State() *state.State { return l.state }

func (l *loop) Emit(ev state.Event) {
	ev = l.change(ev)
	if ev == nil {
		return
	}
	l.unobserved = append(l.unobserved, ev)
	if len(l.unobserved) > 1 {
		return // the call of Emit that is under way handles it after the events before it
	}
	for ; len(l.unobserved) > 0; l.unobserved = l.unobserved[1:] {
		ev := l.unobserved[0]
		for _, f := range l.features {
			if f.Observe != nil {
				l.guard(f.Name, func() { f.Observe(l.era, ev) })
			}
		}
		if ev, ok := ev.(state.CaughtUp); ok {
			l.decide(ev)
		}
	}
}

// change applies an event to the state, and returns it. It returns nil and changes nothing if the event
// is a message that the store has already.
func (l *loop) change(ev state.Event) state.Event {
	switch m := ev.(type) {
	case state.Cleared:
		l.renew()
	case state.MessageAdded:
		if l.known(m) {
			return nil
		}
	case state.ArchivePage:
		l.recognise(m)
	case state.ArchiveRead:
		l.gotPage = true
	case state.Filed:
		if m.Kind == state.ReadMark && m.By == l.state.Account() {
			l.readElsewhere(m.Conv, l.state.About(m.Target), store.Wanted{Author: m.Author, ID: m.ID})
		}
	case state.ReadUpTo:
		if chat := l.state.Chat(m.Conv); chat != nil {
			l.readElsewhere(m.Conv, chat.Timeline.Archived(m.ArchiveID), store.Wanted{Archive: m.ArchiveID})
		}
	}
	l.state = l.state.With(ev)
	return ev
}

func (l *loop) Send(st *framing.Element) error {
	if l.stream == nil {
		return stream.ErrDisconnected
	}
	fleeting := stream.Fleeting(st)
	if !fleeting && st.Attr("id") == "" {
		st.Set("id", l.NewID())
	}
	queued, err := l.stream.Send(st)
	if err != nil {
		return err
	}
	l.streamDirty = true
	if !fleeting {
		l.queued(queued)
	}
	return nil
}

// queued puts a stanza into the outbox.
func (l *loop) queued(q stream.Queued) {
	id := q.Stanza.Attr("id")
	delete(l.doubtful, id)
	l.meant = true
	l.change(state.StanzaQueued{Outgoing: state.Outgoing{ID: id, N: q.N, Since: q.Since.UnixMicro(), XML: q.XML}})
}

// unqueue takes a stanza out of the outbox.
func (l *loop) unqueue(st *framing.Element) {
	if id := st.Attr("id"); st.Name.Local == "message" && l.state.Outgoing(id) != nil {
		delete(l.doubtful, id)
		l.change(state.StanzaLeft{ID: id})
	}
}

// decide says what becomes of the doubtful messages when the archive has been read: a feature sends them
// again (Retry), or they leave the outbox. If the reading failed and will be tried again, it waits.
func (l *loop) decide(ev state.CaughtUp) {
	if l.stream == nil || ev.Failed && !ev.GaveUp && len(l.doubtful) > 0 {
		return
	}
	var again []stream.Again
	for _, o := range l.state.Outbox() {
		if !l.doubtful[o.ID] {
			continue
		}
		l.change(state.StanzaLeft{ID: o.ID})
		st, err := framing.Parse(o.XML, framing.DefaultLimits)
		switch {
		case err != nil: // not written by us
		case ev.Failed:
			l.tellLost(st, feature.ErrUnknown)
		case l.retries(st):
			again = append(again, stream.Again{Stanza: st, Since: time.UnixMicro(o.Since)})
		}
	}
	clear(l.doubtful)
	l.streamDirty, l.meant = true, true
	for _, q := range l.stream.Decide(l.loss, again) {
		l.queued(q)
	}
}

// retries reports whether a feature wants a doubtful stanza to be sent again.
func (l *loop) retries(st *framing.Element) (again bool) {
	for _, f := range l.features {
		if f.Retry != nil {
			l.guard(f.Name, func() { again = f.Retry(l.era, st) || again })
		}
	}
	return again
}

func (l *loop) Request(iq *framing.Element, done func(*framing.Element, error)) {
	if l.stream == nil {
		done(nil, stream.ErrDisconnected)
		return
	}
	if iq.Attr("id") == "" {
		iq.Set("id", l.NewID())
	}
	l.streamDirty = true
	l.stream.Request(iq, done)
}

func (l *loop) Reply(to *feature.Stanza, payload ...*framing.Element) {
	l.Send(framing.New(framing.NSClient, "iq").
		Set("type", "result").Set("to", to.Attr("from")).Set("id", to.ID).Add(payload...))
}

func (l *loop) Refuse(to *feature.Stanza, typ, condition string) {
	l.Send(framing.New(framing.NSClient, "iq").
		Set("type", "error").Set("to", to.Attr("from")).Set("id", to.ID).
		Add(framing.New(framing.NSClient, "error").Set("type", typ).
			Add(framing.New(framing.NSStanzaError, condition))))
}

func (l *loop) After(d time.Duration, f func()) (stop func()) {
	stopped := false
	cancel := l.c.config.Clock.AfterFunc(d, func() {
		l.c.post(func() {
			if !stopped {
				l.guard("timer", f)
			}
		})
	})
	return func() {
		stopped = true
		cancel()
	}
}

func (l *loop) Now() time.Time { return l.c.config.Clock.Now() }

func (l *loop) NewID() string { return l.c.config.NewID() }

func (l *loop) Supports(space, local string) bool {
	return l.session != nil && l.session.Features.Child(space, local) != nil
}

func (l *loop) Carbons() bool { return l.session != nil && l.session.Carbons }

func (l *loop) Disco() []string { return l.disco }

func (l *loop) Decorate(st *framing.Element) {
	for _, f := range l.features {
		if f.Decorate != nil {
			f.Decorate(l.era, st)
		}
	}
}

// own reports whether j is this account, or "", which means our account too (RFC 6120 §8.1.2.1).
func (l *loop) own(j jid.JID) bool { return j == "" || j == l.state.Account() }
