package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"natter/app/connect"
	"natter/app/jid"
	"natter/framing"
)

const (
	me       = jid.JID("ada@example.org/desk")
	endpoint = "wss://example.org/ws"
)

// world is a Stream, and all that a test controls around it: the time of the synctest bubble, the calls of
// Connect, and the server's end of each socket.
type world struct {
	t      *testing.T
	s      *Stream
	tries  chan *try
	seen   chan string // events, in words
	busy   bool        // the owner commits only what handle says
	stored []Queued    // our stanzas, as an owner stores them
	done   uint64      // see handle
	last   uint64      // the last stanza received
	asleep *atomic.Int64
	stop   context.CancelFunc
	ran    chan error
	ids    int
}

// try is one call of Connect.
type try struct {
	w              *world
	resume         *connect.Resume
	redirect, from string // what the server said, and where
	result         chan any
}

// server is the other end of a session.
type server struct {
	w      *world
	socket framing.Socket
	unread []string // what read returns first
}

// sleepy is a clock that can be put ahead, as after the machine has slept.
type sleepy struct {
	Clock
	by *atomic.Int64
}

func (c sleepy) Now() time.Time { return c.Clock.Now().Add(time.Duration(c.by.Load())) }

// bubble runs a test in a synctest bubble, where time passes only while all goroutines wait.
func bubble(t *testing.T, config Config, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t:      t,
			tries:  make(chan *try, 100),
			seen:   make(chan string, 100_000),
			asleep: new(atomic.Int64),
			ran:    make(chan error, 1),
		}
		config.Clock = sleepy{RealClock, w.asleep}
		if config.Random == nil {
			config.Random = func() float64 { return 0.5 }
		}
		config.NewID = func() string { w.ids++; return fmt.Sprintf("id%d", w.ids) }
		config.Connect = w.connect
		w.s = New(config)
		ctx, stop := context.WithCancel(t.Context())
		w.stop = stop
		go func() { w.ran <- w.s.Run(ctx) }()
		go w.own(ctx)
		f(t, w)
		stop()
		synctest.Wait() // a goroutine that has not ended fails the test
	})
}

// again goes on with a new Stream, restored from sn.
func (w *world) again(sn *Snapshot) {
	config := w.s.config
	config.Restore = sn
	w.s = New(config)
	ctx, stop := context.WithCancel(w.t.Context())
	w.stop = stop
	go func() { w.ran <- w.s.Run(ctx) }()
	go w.own(ctx)
}

func (w *world) connect(ctx context.Context, resume *connect.Resume, away error) (*connect.Session, error) {
	c := &try{w: w, resume: resume, result: make(chan any, 1)}
	var e *connect.Error
	var uri *framing.RedirectError
	var host *framing.StreamError
	if errors.As(away, &e) {
		c.from = e.Endpoint
	}
	switch {
	case errors.As(away, &uri):
		c.redirect = uri.URI
	case errors.As(away, &host):
		c.redirect = host.SeeOtherHost
	}
	w.tries <- c
	select {
	case r := <-c.result:
		if err, ok := r.(error); ok {
			return nil, err
		}
		return r.(*connect.Session), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *world) own(ctx context.Context) {
	for {
		select {
		case ev := <-w.s.Events():
			w.seen <- describe(ev)
			switch ev := ev.(type) {
			case Received:
				w.last = ev.N
				if !w.busy {
					w.s.Commit(w.s.Snapshot(ev.N))
				}
			case Replied:
				ev.Done(ev.Reply, ev.Err)
				if ev.Reply != nil && !w.busy {
					w.s.Commit(w.s.Snapshot(ev.N))
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// handle commits the next stanza of a busy owner.
func (w *world) handle() {
	w.done++
	w.commit()
}

// commit stores a Snapshot, as an owner with a store does.
func (w *world) commit() { w.s.Commit(w.s.Snapshot(w.done)) }

// kept returns the Snapshot that a later page finds in the store, after all received stanzas.
func (w *world) kept() *Snapshot {
	synctest.Wait()
	sn := w.s.Snapshot(w.last)
	for _, q := range w.stored {
		if slices.ContainsFunc(sn.Order, func(r Run) bool { return r.From <= q.N && q.N <= r.To }) {
			sn.Queue = append(sn.Queue, q)
		}
	}
	return sn
}

func describe(ev Event) string {
	names := func(stanzas []*framing.Element) string {
		var s strings.Builder
		for _, st := range stanzas {
			s.WriteString(" " + st.Attr("id"))
		}
		return s.String()
	}
	switch ev := ev.(type) {
	case Online:
		if ev.Lost {
			return "resumed with a loss"
		}
		if ev.Resumed {
			return "resumed"
		}
		return "online"
	case Received:
		return "received " + ev.Stanza.Attr("id")
	case Replied:
		return fmt.Sprintf("replied %s %v", ev.Reply.Attr("id"), ev.Err)
	case Acknowledged:
		return "acknowledged" + names(ev.Stanzas)
	case Unsent:
		if ev.Err != nil {
			return "refused" + names(ev.Stanzas)
		}
		return "unsent" + names(ev.Stanzas)
	case Offline:
		word := "offline"
		var e *connect.Error
		if errors.As(ev.Err, &e) && e.Condition != "" {
			word += " " + e.Condition
		}
		if ev.RetryAt.IsZero() {
			word += " for good"
		}
		return word
	case Trying:
		return "trying"
	case Reordered:
		return "reordered"
	case Redelivered:
		return "redelivered"
	}
	return fmt.Sprintf("%T", ev)
}

// happened compares the events since the last call with these.
func (w *world) happened(want ...string) {
	w.t.Helper()
	synctest.Wait()
	var got []string
	for len(w.seen) > 0 {
		got = append(got, <-w.seen)
	}
	if !slices.Equal(got, want) {
		w.t.Fatalf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// forget drops the events so far.
func (w *world) forget() {
	synctest.Wait()
	for len(w.seen) > 0 {
		<-w.seen
	}
}

// next returns the call of Connect that waits for an answer.
func (w *world) next() *try {
	w.t.Helper()
	synctest.Wait()
	select {
	case c := <-w.tries:
		return c
	default:
		w.t.Fatal("nobody tries to connect")
		return nil
	}
}

func (w *world) noTry() {
	w.t.Helper()
	synctest.Wait()
	if len(w.tries) > 0 {
		w.t.Fatal("somebody tries to connect")
	}
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) send(id string) { w.t.Helper(); w.sendAll(message(id)) }

// decide calls Decide with stanzas that were sent just now.
func (w *world) decide(loss int, stanzas ...*framing.Element) {
	var again []Again
	for _, st := range stanzas {
		again = append(again, Again{st, w.s.config.Clock.Now()})
	}
	w.stored = append(w.stored, w.s.Decide(loss, again)...)
}

func (w *world) sendAll(stanzas ...*framing.Element) {
	w.t.Helper()
	for _, st := range stanzas {
		q, err := w.s.Send(st)
		if err != nil {
			w.t.Fatal(err)
		}
		if !Fleeting(st) {
			w.stored = append(w.stored, q)
		}
	}
}

// written is the document of message(id).
func written(id string) string { return message(id).String() }

func message(id string) *framing.Element {
	return framing.New(framing.NSClient, "message").Set("id", id).Set("to", "grace@example.org")
}

// typing is the document of a message that no server stores.
func typing(id string) string { return chatState(id).String() }

func (w *world) typing(id string) { w.t.Helper(); w.sendAll(chatState(id)) }

func chatState(id string) *framing.Element {
	return message(id).Add(framing.New(nsHints, "no-store"))
}

func get(id, to string) *framing.Element {
	return framing.New(framing.NSClient, "iq").Set("type", "get").Set("id", id).Set("to", to).
		Add(framing.New("urn:example", "query"))
}

const (
	featuresSM    = `<features xmlns="http://etherx.jabber.org/streams"><sm xmlns="urn:xmpp:sm:3"/><csi xmlns="urn:xmpp:csi:0"/></features>`
	featuresNoSM  = `<features xmlns="http://etherx.jabber.org/streams"/>`
	enable        = `<enable xmlns="urn:xmpp:sm:3" resume="true"/>`
	enabled       = `<enabled xmlns="urn:xmpp:sm:3" id="stream1" resume="true" max="300"/>`
	r             = `<r xmlns="urn:xmpp:sm:3"/>`
	closed        = `<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" />`
	peersClose    = `<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`
	activeCSI     = `<active xmlns="urn:xmpp:csi:0"/>`
	inactiveCSI   = `<inactive xmlns="urn:xmpp:csi:0"/>`
	streamFailure = `<error xmlns="http://etherx.jabber.org/streams"><%s xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></error>`
)

func a(h uint32) string { return fmt.Sprintf(`<a xmlns="urn:xmpp:sm:3" h="%d"/>`, h) }

func pong(id string) string {
	return `<iq xmlns="jabber:client" type="result" from="example.org" id="` + id + `"/>`
}

func ping(id string) string {
	return `<iq xmlns="jabber:client" type="get" id="` + id + `" to="example.org"><ping xmlns="urn:xmpp:ping"/></iq>`
}

// succeed answers a call of Connect with a session, which change may change, and returns the server's end.
func (c *try) succeed(change func(*connect.Session)) *server {
	c.w.t.Helper()
	mine, theirs := framing.Pipe()
	conn := framing.NewConn(lossy{mine}, framing.ConnOptions{})
	// The negotiation is over, so the stream header of the client is read here.
	if err := conn.Write(context.Background(), framing.Open{To: "example.org", Version: "1.0"}.Element(framing.NSFraming)); err != nil {
		c.w.t.Fatal(err)
	}
	sess := &connect.Session{Conn: conn, JID: me, Endpoint: endpoint}
	change(sess)
	c.result <- sess
	sv := &server{w: c.w, socket: theirs}
	synctest.Wait()
	if _, err := theirs.Read(context.Background()); err != nil {
		c.w.t.Fatal(err)
	}
	return sv
}

func parse(t *testing.T, doc string) *framing.Element {
	t.Helper()
	e, err := framing.Parse(doc, framing.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// fresh answers with a new stream.
func (c *try) fresh(features string) *server {
	c.w.t.Helper()
	return c.succeed(func(s *connect.Session) { s.Features = parse(c.w.t, features) })
}

// resumed answers with the old stream, of which the server has handled h stanzas, and answers the first <r/>.
func (c *try) resumed(h uint32) *server {
	c.w.t.Helper()
	sv := c.mute(h)
	sent := sv.read()
	i := slices.Index(sent, r)
	if i < 0 {
		c.w.t.Fatalf("after resuming it is not asked what it has: %q", sent)
	}
	sv.unread = slices.Delete(sent, i, i+1)
	sv.say(fmt.Sprintf(`<a xmlns="urn:xmpp:sm:3" h="%d"/>`, h))
	return sv
}

// mute is resumed by a server that does not answer.
func (c *try) mute(h uint32) *server {
	c.w.t.Helper()
	if c.resume == nil {
		c.w.t.Fatal("nothing to resume")
	}
	return c.succeed(func(s *connect.Session) { s.Resumed, s.ResumedH = true, h })
}

func (c *try) fail(err error) {
	c.result <- err
	synctest.Wait()
}

// managed answers with a first session that has Stream Management.
func (w *world) managed() *server {
	w.t.Helper()
	sv := w.next().fresh(featuresSM)
	sv.got(enable)
	sv.say(enabled)
	w.happened("trying", "online")
	return sv
}

// plain answers with a first session without Stream Management.
func (w *world) plain() *server {
	w.t.Helper()
	sv := w.next().fresh(featuresNoSM)
	w.happened("trying", "online")
	return sv
}

func (sv *server) say(docs ...string) {
	sv.w.t.Helper()
	synctest.Wait()
	for _, doc := range docs {
		if err := sv.socket.Write(context.Background(), doc); err != nil {
			sv.w.t.Fatal(err)
		}
	}
	synctest.Wait()
}

// got compares the documents that the server has received since the last call with these.
func (sv *server) got(want ...string) {
	sv.w.t.Helper()
	got := sv.read()
	if !slices.Equal(got, want) {
		sv.w.t.Fatalf("sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (sv *server) read() (docs []string) {
	synctest.Wait()
	docs, sv.unread = sv.unread, nil
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		doc, err := sv.socket.Read(ctx) // what is there comes before the context
		if err != nil {
			return docs
		}
		docs = append(docs, doc)
	}
}

// gone reports whether the socket has been closed.
func (sv *server) gone() bool {
	sv.read()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := sv.socket.Read(ctx)
	var closed *framing.CloseError
	return errors.As(err, &closed)
}

// cut ends the socket, as a lost network does.
func (sv *server) cut() { sv.hangUp(cutCode) }

// cutCode stands for the close code 1006, which only a WebSocket itself can set: lossy changes it.
const cutCode = 3006

type lossy struct{ framing.Socket }

func (s lossy) Read(ctx context.Context) (string, error) {
	doc, err := s.Socket.Read(ctx)
	var closed *framing.CloseError
	if errors.As(err, &closed) && closed.Code >= 3000 {
		err = &framing.CloseError{Code: closed.Code - 2000}
	}
	return doc, err
}

func (sv *server) hangUp(code int) {
	sv.w.t.Helper()
	synctest.Wait()
	if err := sv.socket.Close(code, ""); err != nil {
		sv.w.t.Fatal(err)
	}
	synctest.Wait()
}

// fails ends the stream with a stream error, as servers do.
func (sv *server) fails(condition string) {
	sv.say(fmt.Sprintf(streamFailure, condition), peersClose)
	sv.hangUp(1000)
}
