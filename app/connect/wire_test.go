package connect

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/framing"
)

// patience is how long a script waits for the client before it fails the test.
const patience = 10 * time.Second

// network is where the test's endpoints are: one script for each, run on a goroutine
// of its own for every dial.
type network struct {
	t       *testing.T
	scripts map[string]func(*wire)

	mu     sync.Mutex
	dialed []string // in order
	said   []string // what the client sent, anywhere
	wg     sync.WaitGroup
}

func newNetwork(t *testing.T, scripts map[string]func(*wire)) *network {
	n := &network{t: t, scripts: scripts}
	t.Cleanup(n.wg.Wait)
	return n
}

var errRefused = errors.New("connection refused")

func (n *network) dial(ctx context.Context, url string) (framing.Socket, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, url)
	n.mu.Unlock()
	script := n.scripts[url]
	if script == nil {
		return nil, errRefused
	}
	client, server := framing.Pipe()
	n.wg.Go(func() {
		w := &wire{n: n, socket: server}
		defer server.Close(1000, "")
		defer func() {
			if p := recover(); p != nil && p != errGone {
				panic(p)
			}
		}()
		script(w)
	})
	return client, nil
}

// connector is one that calls this network. Its endpoints are what the finder of
// find_test.go is told.
func (n *network) connector() *Connector {
	id := 0
	return &Connector{
		Dial:        n.dial,
		Crypto:      sasl.Standard{},
		UserAgent:   UserAgent{ID: "d4565fa7-4d72-4749-b3d3-740edbf87770", Software: "Natter", Device: "Test"},
		StepTimeout: patience,
		NewID:       func() string { id++; return fmt.Sprintf("id-%d", id) },
		nonce:       func() string { return "rOprNGfwEbeRWgbNEkqO" },
	}
}

func (n *network) hosts() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.dialed...)
}

// heard reports whether the client has sent this anywhere.
func (n *network) heard(part string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, doc := range n.said {
		if strings.Contains(doc, part) {
			return true
		}
	}
	return false
}

// wire is the server's end of one connection.
type wire struct {
	n      *network
	socket framing.Socket
}

// errGone ends a script whose client has hung up where it need not have.
var errGone = errors.New("the client is gone")

// read returns the client's next message, or ends the script.
func (w *wire) read() string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	doc, err := w.socket.Read(ctx)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			w.n.t.Error("the client neither spoke nor hung up")
		}
		panic(errGone)
	}
	w.n.mu.Lock()
	w.n.said = append(w.n.said, doc)
	w.n.mu.Unlock()
	return doc
}

// want reads the client's next message, which must be exactly this.
func (w *wire) want(doc string) {
	w.n.t.Helper()
	if got := w.read(); got != doc {
		w.n.t.Errorf("the client sent\n\t%s\nexpected\n\t%s", got, doc)
		panic(errGone)
	}
}

// expect reads the client's next message, which must contain all parts.
func (w *wire) expect(parts ...string) *framing.Element {
	w.n.t.Helper()
	doc := w.read()
	for _, part := range parts {
		if !strings.Contains(doc, part) {
			w.n.t.Errorf("the client sent\n\t%s\nexpected %q in it", doc, part)
			panic(errGone)
		}
	}
	e, err := framing.Parse(doc, framing.Limits{})
	if err != nil {
		w.n.t.Errorf("the client sent %s: %v", doc, err)
		panic(errGone)
	}
	return e
}

func (w *wire) send(docs ...string) {
	for _, doc := range docs {
		if w.socket.Write(context.Background(), doc) != nil {
			panic(errGone)
		}
	}
}

// mute takes in what the client still has to say and answers nothing.
func (w *wire) mute() {
	for {
		w.read()
	}
}

// gone takes in what the client still has to say, answers its <close/>, and waits
// for the end.
func (w *wire) gone() {
	for {
		if strings.HasPrefix(w.read(), "<close") {
			w.send(`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`)
		}
	}
}

// closed is gone when nothing but <close/> may come.
func (w *wire) closed() {
	w.n.t.Helper()
	w.expect("<close")
	w.send(`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`)
	w.mute()
}

const (
	openFrom    = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="example.com" from="user@example.com" version="1.0" xml:lang="en"/>`
	openAnswer  = `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='example.com' id='one' version='1.0' xml:lang='en'/>`
	openAnswer2 = `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='example.com' id='two' version='1.0' xml:lang='en'/>`
	endpoint    = "wss://chat.example.com/ws"
)

// features returns <stream:features/> with this inside.
func features(inside ...string) string {
	return `<stream:features xmlns:stream='http://etherx.jabber.org/streams'>` + strings.Join(inside, "") + `</stream:features>`
}

func sasl1Offer(names ...string) string {
	return `<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + listed(names) + `</mechanisms>`
}

// sasl2Offer is an offer of SASL2 with this in <inline/>.
func sasl2Offer(inline string, names ...string) string {
	return `<authentication xmlns='urn:xmpp:sasl:2'>` + listed(names) + `<inline>` + inline + `</inline></authentication>`
}

func listed(names []string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(`<mechanism>` + name + `</mechanism>`)
	}
	return b.String()
}

const (
	bindOffer  = `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>`
	smOffer    = `<sm xmlns='urn:xmpp:sm:3'/>`
	bind2Offer = `<bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:csi:0'/><feature var='urn:xmpp:sm:3'/></inline></bind>`
)

// hello reads <open/> and answers it and these features.
func (w *wire) hello(inside ...string) {
	w.n.t.Helper()
	w.expect(`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="example.com"`)
	w.send(openAnswer, features(inside...))
}

// scram plays the server's side of SCRAM-SHA-256 for user and pencil in the wrapping
// of ns until it is ready to say success, and returns what goes with it.
func (w *wire) scram(ns string, offered ...string) (final string) {
	w.n.t.Helper()
	creds, err := sasl.NewCredentials(sasl.SHA256, "pencil", []byte("0123456789abcdef"), 4096)
	if err != nil {
		w.n.t.Fatal(err)
	}
	x := (&sasl.Server{
		Hash: sasl.SHA256, Domain: "example.com", Offered: offered, Iterations: 4096, Secret: make([]byte, 16),
		Lookup: func(user string) (sasl.Credentials, bool) { return creds, user == "user" },
	}).Exchange()
	first := w.read()
	e, err := framing.Parse(first, framing.Limits{})
	if err != nil || e.Attr("mechanism") != sasl.SCRAMSHA256 || e.Name.Space != ns {
		w.n.t.Errorf("the client began the authentication with %s", first)
		panic(errGone)
	}
	text := e.Text()
	if ns == nsSASL2 {
		text = e.Child(nsSASL2, "initial-response").Text()
	}
	for {
		message, err := sasl.Decode(text)
		if err != nil {
			w.n.t.Errorf("the client sent %q: %v", text, err)
			panic(errGone)
		}
		answer, done, err := x.Next(message)
		var failure *sasl.FailureError
		if errors.As(err, &failure) {
			w.send(`<failure xmlns='` + ns + `'><` + failure.Condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>`)
			w.closed()
		}
		if done {
			return sasl.Encode(answer)
		}
		w.send(`<challenge xmlns='` + ns + `'>` + sasl.Encode(answer) + `</challenge>`)
		e := w.expect(`xmlns="` + ns + `"`)
		if e.Is(ns, "abort") {
			w.closed()
		}
		text = e.Text()
	}
}

// login plays everything up to the features after authentication by old SASL.
func (w *wire) login(after ...string) {
	w.n.t.Helper()
	w.hello(sasl1Offer("SCRAM-SHA-256", "PLAIN"))
	w.send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + w.scram(nsSASL) + `</success>`)
	w.want(openFrom)
	w.send(openAnswer2, features(after...))
}

// bind answers the request for a resource.
func (w *wire) bind(full string) {
	w.n.t.Helper()
	id := w.expect(`<iq xmlns="jabber:client" type="set"`, `<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/>`).Attr("id")
	w.send(`<iq xmlns='jabber:client' type='result' id='` + id + `'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>` + full + `</jid></bind></iq>`)
}

// serve plays a server that works, and waits until the client has gone.
func serve(w *wire) {
	w.login(bindOffer)
	w.bind("user@example.com/made-up")
	w.closed()
}

var account = Request{Account: "user@example.com", Password: "pencil"}

// pins is Pins in memory.
type pins map[jid.JID]bool

func (p pins) SCRAMSeen(account jid.JID) bool { return p[account] }
func (p pins) SetSCRAMSeen(account jid.JID)   { p[account] = true }

// connect makes a session at an endpoint of the network and ends it.
func connect(t *testing.T, c *Connector, endpoint string, req Request) (*Session, *Error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	s, err := c.connectFrom(ctx, req, endpoint)
	if err != nil {
		return nil, err
	}
	if err := s.Conn.Close(ctx); err != nil {
		t.Errorf("closing the session: %v", err)
	}
	return s, nil
}

// play is connect with one server, which must work.
func play(t *testing.T, req Request, script func(*wire)) (*Session, *network) {
	t.Helper()
	n := newNetwork(t, map[string]func(*wire){endpoint: script})
	s, err := connect(t, n.connector(), endpoint, req)
	if err != nil {
		t.Fatal(err)
	}
	return s, n
}

// fail is connect with one server, with which it must not work.
func fail(t *testing.T, req Request, script func(*wire)) (*Error, *network) {
	t.Helper()
	n := newNetwork(t, map[string]func(*wire){endpoint: script})
	s, err := connect(t, n.connector(), endpoint, req)
	if err == nil {
		t.Fatalf("there is a session for %s", s.JID)
	}
	return err, n
}

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "16") // those that are parallel wait for silent servers, and need no processor for it
	code := runTests(m)
	if left := leaked(); len(left) > 0 && code == 0 {
		fmt.Printf("%d goroutines are left of the tests:\n%s\n", len(left), strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// leaked waits for our goroutines to end, which nothing announces, and returns the
// stacks of those that have not when patience runs out.
func leaked() []string {
	var left []string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
		left = slices.DeleteFunc(all[1:], func(stack string) bool { return !strings.Contains(stack, "natter/") })
		if len(left) == 0 {
			break
		}
	}
	return left
}
