package trial

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"natter/app/connect/sasl"
	"natter/framing"
)

// client is the other end of a connection, one XML document at a time.
type client struct {
	t      *testing.T
	socket framing.Socket
	conn   *framing.Conn
	domain string // of the server
	jid    string
	served chan error
}

// fixture is a server with a clock that stands still and ids that count.
type fixture struct {
	*Server
	clock *fakeClock
}

type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// sleep passes the time at once.
func (c *fakeClock) sleep(_ context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return nil
}

func start(t *testing.T, o Options) *fixture {
	t.Helper()
	c := &fakeClock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	var mu sync.Mutex
	n := 0
	o.Now, o.Sleep = c.Now, c.sleep
	o.Limits.Iterations = 4096
	o.NewID = func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprintf("id-%022d", n)
	}
	s := New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return &fixture{s, c}
}

func demo(t *testing.T) *fixture { return start(t, Options{Demo: true}) }

func (f *fixture) dial(t *testing.T) *client {
	t.Helper()
	ours, theirs := framing.Pipe()
	c := &client{t: t, socket: ours, domain: f.domain.String(), served: make(chan error, 1),
		conn: framing.NewConn(ours, framing.ConnOptions{CloseTimeout: time.Second})}
	go func() { c.served <- f.Serve(context.Background(), theirs) }()
	t.Cleanup(func() { ours.Close(1000, "") })
	return c
}

// opened is a client that has been shown what it can do to sign in.
func (f *fixture) opened(t *testing.T) *client {
	t.Helper()
	c := f.dial(t)
	c.open()
	return c
}

func (c *client) open() (features *framing.Element) {
	c.t.Helper()
	c.send(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='` + c.domain + `' version='1.0'/>`)
	c.want("<open ")
	return c.want("features")
}

// authenticated is a client that has an account and no session.
func (f *fixture) authenticated(t *testing.T, user, password string) *client {
	t.Helper()
	c := f.opened(t)
	if e := c.sasl1(sasl.SCRAMSHA256, user, password); e.Name.Local != "success" {
		t.Fatalf("authentication of %s: %s", user, e)
	}
	c.open()
	return c
}

// bound is a client with a session.
func (f *fixture) bound(t *testing.T, user, resource string) *client {
	t.Helper()
	c := f.authenticated(t, user, password(user))
	c.bind(resource)
	return c
}

func password(user string) string {
	if known := map[string]string{"ada": "analytical", "grace": "compiler"}[user]; known != "" {
		return known
	}
	return "secret of " + user
}

func (c *client) bind(resource string) {
	c.t.Helper()
	c.send(`<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>` + resource + `</resource></bind></iq>`)
	c.jid = c.want("type='result'").Child(nsBind, "bind").Child(nsBind, "jid").Text()
}

// online is a client that has sent presence, with whatever that brought read.
func (f *fixture) online(t *testing.T, user, resource string) *client {
	t.Helper()
	c := f.bound(t, user, resource)
	c.send(`<iq xmlns='jabber:client' type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>`)
	c.send(`<presence xmlns='jabber:client'/>`)
	c.all()
	return c
}

func (f *fixture) account(t *testing.T, local string) {
	t.Helper()
	if err := f.AddAccount(local, password(local)); err != nil {
		t.Fatal(err)
	}
}

// sasl1 runs an exchange and returns success or failure.
func (c *client) sasl1(mechanism, user, password string) *framing.Element {
	c.t.Helper()
	return c.exchange(mechanism, user, password,
		func(initial string) string {
			return fmt.Sprintf(`<auth xmlns='%s' mechanism='%s'>%s</auth>`, nsSASL, mechanism, initial)
		}, nsSASL)
}

// sasl2 does the same in one step with what is wanted inline.
func (c *client) sasl2(user, password, inline string) *framing.Element {
	c.t.Helper()
	return c.exchange(sasl.SCRAMSHA512, user, password, func(initial string) string {
		return fmt.Sprintf(`<authenticate xmlns='%s' mechanism='%s'><initial-response>%s</initial-response>%s</authenticate>`,
			nsSASL2, sasl.SCRAMSHA512, initial, inline)
	}, nsSASL2)
}

func (c *client) exchange(mechanism, user, password string, auth func(string) string, space string) *framing.Element {
	c.t.Helper()
	ctx := context.Background()
	m, err := sasl.New(mechanism, sasl.Login{User: user, Password: password, Offered: mechanisms}, remembering{})
	if err != nil {
		c.t.Fatal(err)
	}
	initial, err := m.Start(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(auth(sasl.Encode(initial)))
	for {
		e := c.next()
		if e.Name.Local != "challenge" {
			text := e.Text()
			if data := e.Child(nsSASL2, "additional-data"); data != nil {
				text = data.Text()
			}
			if e.Name.Local == "success" {
				data, err := sasl.Decode(text)
				if err == nil {
					err = m.Done(ctx, data, true)
				}
				if err != nil {
					c.t.Fatalf("the server has not proven itself: %v", err)
				}
			}
			return e
		}
		challenge, err := sasl.Decode(e.Text())
		if err != nil {
			c.t.Fatal(err)
		}
		response, err := m.Next(ctx, challenge)
		if err != nil {
			c.t.Fatal(err)
		}
		c.send(fmt.Sprintf(`<response xmlns='%s'>%s</response>`, space, sasl.Encode(response)))
	}
}

// remembering is the standard crypto for hundreds of sign-ins with the same few
// passwords; salts differ from server to server, yet not from login to login.
type remembering struct{ sasl.Standard }

var keys sync.Map

func (r remembering) PBKDF2(ctx context.Context, hash sasl.Hash, password, salt []byte, iterations, size int) ([]byte, error) {
	id := fmt.Sprint(hash, string(password), string(salt), iterations, size)
	if key, ok := keys.Load(id); ok {
		return slices.Clone(key.([]byte)), nil
	}
	key, err := r.Standard.PBKDF2(ctx, hash, password, salt, iterations, size)
	keys.Store(id, slices.Clone(key))
	return key, err
}

func (c *client) send(doc string) {
	c.t.Helper()
	if err := c.socket.Write(context.Background(), doc); err != nil {
		c.t.Fatalf("writing %s: %v", doc, err)
	}
}

func (c *client) read() (*framing.Element, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return c.conn.Read(ctx)
}

func (c *client) next() *framing.Element {
	c.t.Helper()
	e, err := c.read()
	if err != nil {
		c.t.Fatalf("reading: %v", err)
	}
	return e
}

// want reads the next element, which must have this in it.
func (c *client) want(part string) *framing.Element {
	c.t.Helper()
	e := c.next()
	if !has(e, part) {
		c.t.Fatalf("got %s, want %s", e, part)
	}
	return e
}

// has compares without regard to the quotes.
func has(e *framing.Element, part string) bool {
	return strings.Contains(strings.ReplaceAll(e.String(), `"`, `'`), part)
}

// all returns everything the server has sent: what comes before the answer to a
// ping. When another client's all has returned, all that it caused is here.
func (c *client) all() []*framing.Element {
	c.t.Helper()
	id := fmt.Sprintf("ping-%d", pings.Add(1))
	c.send(`<iq xmlns='jabber:client' type='get' to='` + c.domain + `' id='` + id + `'><ping xmlns='urn:xmpp:ping'/></iq>`)
	var got []*framing.Element
	for {
		e := c.next()
		if e.Attr("id") == id {
			return got
		}
		if !e.Is(nsSM, "r") {
			got = append(got, e)
		}
	}
}

var pings atomic.Int64

// bodies returns the texts of the messages among what the server has sent.
func (c *client) bodies() []string {
	c.t.Helper()
	var texts []string
	for _, e := range c.all() {
		if b := e.Child(framing.NSClient, "body"); b != nil {
			texts = append(texts, b.Text())
		}
	}
	return texts
}

// wantFailure reads on to the stream error and the end.
func (c *client) wantFailure(condition string) *framing.StreamError {
	c.t.Helper()
	for {
		_, err := c.read()
		if err == nil {
			continue
		}
		failed, ok := err.(*framing.StreamError)
		if !ok || failed.Condition != condition {
			c.t.Fatalf("the stream ended with %v, want the stream error %s", err, condition)
		}
		return failed
	}
}

// lose drops the socket as a lost network does, and waits until the server has
// noticed.
func (c *client) lose() {
	c.t.Helper()
	c.socket.Close(3000, "")
	<-c.served
}

func (c *client) wantBodies(want ...string) {
	c.t.Helper()
	if got := c.bodies(); !slices.Equal(got, want) {
		c.t.Fatalf("%s got the messages %q, want %q", c.jid, got, want)
	}
}

func chat(to, body string) string {
	return `<message xmlns='jabber:client' type='chat' id='m' to='` + to + `'><body>` + body + `</body></message>`
}
