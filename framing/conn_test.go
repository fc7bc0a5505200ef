package framing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// dialogue is a Conn whose peer is played by the test, message by message.
type dialogue struct {
	t    *testing.T
	conn *Conn
	peer Socket
}

func talk(t *testing.T, o ConnOptions) *dialogue {
	ours, theirs := Pipe()
	if o.Server {
		ours, theirs = theirs, ours
	}
	return &dialogue{t, NewConn(ours, o), theirs}
}

// open exchanges headers.
func (d *dialogue) open() *dialogue {
	d.t.Helper()
	d.write(Open{To: "example.org", Version: "1.0"}.Element(d.conn.Namespace()))
	d.hears("<open")
	d.says(Open{ID: "1", Version: "1.0"}.Element(d.conn.Namespace()).String())
	if e := d.read(); e.Name.Local != "open" {
		d.t.Fatalf("read %s", e)
	}
	return d
}

func (d *dialogue) says(doc string) {
	d.t.Helper()
	if err := d.peer.Write(d.t.Context(), doc); err != nil {
		d.t.Fatalf("the peer cannot say %s: %v", doc, err)
	}
}

// hears reads what the Conn sent and checks how it begins.
func (d *dialogue) hears(begin string) *Element {
	d.t.Helper()
	doc, err := d.peer.Read(d.t.Context())
	if err != nil {
		d.t.Fatalf("the peer waits for %s: %v", begin, err)
	}
	if !strings.HasPrefix(doc, begin) {
		d.t.Fatalf("the peer got %s, want %s", doc, begin)
	}
	return must(d.t, doc)
}

// hearsEnd fails unless the socket was closed with 1000 and no message before.
func (d *dialogue) hearsEnd() {
	d.t.Helper()
	doc, err := d.peer.Read(d.t.Context())
	var end *CloseError
	if !errors.As(err, &end) || end.Code != 1000 {
		d.t.Fatalf("the peer got %s, %v, want the end of the socket", doc, err)
	}
}

func (d *dialogue) read() *Element {
	d.t.Helper()
	e, err := d.conn.Read(d.t.Context())
	if err != nil {
		d.t.Fatalf("read: %v", err)
	}
	return e
}

// readsEnd returns the error that ended the stream, the same every time.
func (d *dialogue) readsEnd() error {
	d.t.Helper()
	e, err := d.conn.Read(d.t.Context())
	if err == nil {
		d.t.Fatalf("read %s, want the end", e)
	}
	if _, again := d.conn.Read(d.t.Context()); again != err {
		d.t.Errorf("read: first %v, then %v", err, again)
	}
	return err
}

func (d *dialogue) write(e *Element) {
	d.t.Helper()
	if err := d.conn.Write(d.t.Context(), e); err != nil {
		d.t.Fatalf("write: %v", err)
	}
}

// later runs f beside the test and returns its result's channel.
func later(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func message(text string) *Element {
	return New(NSClient, "message").Add(New(NSClient, "body").AddText(text))
}

func TestF01_OneMessageEach(t *testing.T) {
	for _, size := range []int{1, 4095, 4096, 4097, 1 << 20} {
		d := talk(t, ConnOptions{}).open()
		d.write(message(strings.Repeat("x", size)))
		d.write(message("second"))
		if got := d.hears("<message"); len(got.First().Text()) != size {
			t.Errorf("%d bytes arrived as %d", size, len(got.First().Text()))
		}
		if got := d.hears("<message"); got.First().Text() != "second" {
			t.Errorf("the second message is %s", got)
		}
	}
}

func TestConcurrentWriters(t *testing.T) {
	d := talk(t, ConnOptions{}).open()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 50 {
				if err := d.conn.Write(t.Context(), message(fmt.Sprint(i, j))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for range 8 * 50 {
		d.hears("<message xmlns=")
	}
}

func TestE02_X02_X04_F05_IllFormedInput(t *testing.T) {
	for doc, condition := range map[string]string{
		"<a/><b/>":         NotWellFormed,
		"<message":         NotWellFormed,
		" ":                NotWellFormed,
		"<foo:bar/>":       NotWellFormed,
		"\uFEFF<a/>":       NotWellFormed,
		"<!-- x --><a/>":   RestrictedXML,
		"<a><?x?></a>":     RestrictedXML,
		"<!DOCTYPE a><a/>": RestrictedXML,
		"<a>&b;</a>":       RestrictedXML,
		"<?xml version='1.0' encoding='UTF-16'?><a/>": UnsupportedEncoding,
		strings.Repeat("<a>", 100):                    PolicyViolation,
	} {
		d := talk(t, ConnOptions{}).open()
		d.says(doc)
		var bad *SyntaxError
		if err := d.readsEnd(); !errors.As(err, &bad) || bad.Condition != condition {
			t.Errorf("%.40q: read %v, want %s", doc, err, condition)
		}
		if got := ReadStreamError(d.hears("<error")); got == nil || got.Condition != condition {
			t.Errorf("%.40q: the peer was told %v, want %s", doc, got, condition)
		}
		d.hears("<close")
		d.hearsEnd()
		if err := d.conn.Write(t.Context(), message("x")); err != ErrClosed {
			t.Errorf("write after the end: %v", err)
		}
	}
}

func TestE03_ErrorBeforeTheStreamIsOpen(t *testing.T) {
	d := talk(t, ConnOptions{Server: true})
	d.says(`<open xmlns="jabber:client" to="example.org"/>`)
	d.readsEnd()
	open, err := ReadOpen(d.hears("<open"), NSFraming)
	if err != nil || open.From != "example.org" || open.ID == "" || open.Version != "1.0" {
		t.Errorf("the header is %+v, %v", open, err)
	}
	if got := ReadStreamError(d.hears("<error")); got.Condition != InvalidNamespace {
		t.Errorf("the peer was told %v", got)
	}
	d.hears("<close")
	d.hearsEnd()

	d = talk(t, ConnOptions{Server: true})
	d.says("rubbish")
	d.readsEnd()
	d.hears("<open")
	d.hears("<error")
	d.hears("<close")
	d.hearsEnd()

	// Fail does the same: a host that is not ours.
	d = talk(t, ConnOptions{Server: true})
	d.says(Open{To: "other.example"}.Element(NSFraming).String())
	d.read()
	if err := d.conn.Fail(t.Context(), &StreamError{Condition: HostUnknown}); err != nil {
		t.Error(err)
	}
	if open := d.hears("<open"); open.Attr("from") != "other.example" {
		t.Errorf("the header is %s", open)
	}
	d.hears("<error")
	d.hears("<close")
	d.hearsEnd()
}

// A client that has not opened says nothing (O12), and leaves.
func TestO12_NothingBeforeOurHeader(t *testing.T) {
	d := talk(t, ConnOptions{})
	d.says("rubbish")
	d.readsEnd()
	d.hearsEnd()
}

func TestF08_X07_W02_Namespaces(t *testing.T) {
	for _, tc := range []struct {
		ns     string
		opened bool
		doc    string
		ok     bool
	}{
		{NSFraming, true, `<message xmlns="jabber:server"/>`, false},
		{NSFraming, true, `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing-server"/>`, false},
		{NSFraming, false, `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing-server"/>`, false},
		{NSFraming, false, `<close xmlns="urn:ietf:params:xml:ns:xmpp-framing-server"/>`, false},
		{NSFraming, false, `<open xmlns="jabber:client"/>`, false},
		{NSFraming, false, `<open/>`, false},
		{NSFramingServer, true, `<message xmlns="jabber:client"/>`, false},
		{NSFramingServer, true, `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`, false},
		{NSFramingServer, false, `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`, false},
		// Twins.
		{NSFraming, true, `<message xmlns="jabber:client"><x xmlns="jabber:server"/></message>`, true},
		{NSFraming, true, `<c:message xmlns:c="jabber:client"/>`, true},
		{NSFraming, true, `<unknown xmlns="urn:x"/>`, true},
		{NSFraming, true, `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`, true},
		{NSFraming, false, `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`, true},
		{NSFramingServer, true, `<message xmlns="jabber:server"/>`, true},
		{NSFramingServer, false, `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing-server"/>`, true},
	} {
		d := talk(t, ConnOptions{Namespace: tc.ns})
		if tc.opened {
			d.open()
		} else {
			d.write(Open{}.Element(tc.ns))
			d.hears("<open")
		}
		d.says(tc.doc)
		if tc.ok {
			d.read()
			continue
		}
		var bad *SyntaxError
		if err := d.readsEnd(); !errors.As(err, &bad) || bad.Condition != InvalidNamespace {
			t.Errorf("%s: read %v, want invalid-namespace", tc.doc, err)
		}
		if got := ReadStreamError(d.hears("<error")); got == nil || got.Condition != InvalidNamespace {
			t.Errorf("%s: the peer was told %v", tc.doc, got)
		}
		d.hears("<close")
		d.hearsEnd()
	}
}

func TestServerWantsAHeaderFirst(t *testing.T) {
	d := talk(t, ConnOptions{Server: true})
	d.says(message("let me in").String())
	var bad *SyntaxError
	if err := d.readsEnd(); !errors.As(err, &bad) || bad.Condition != NotAuthorized {
		t.Errorf("read %v, want not-authorized", err)
	}
}

func TestOldDraft(t *testing.T) {
	for _, doc := range []string{
		`<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>`,
		`<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams'>`,
	} {
		d := talk(t, ConnOptions{})
		d.write(Open{}.Element(NSFraming))
		d.says(doc)
		if err := d.readsEnd(); err != ErrOldDraft {
			t.Errorf("read %v, want ErrOldDraft", err)
		}
	}
	// Later it is just ill-formed.
	d := talk(t, ConnOptions{}).open()
	d.says(`<stream:stream>`)
	if err := d.readsEnd(); err == ErrOldDraft {
		t.Errorf("read %v after an RFC 7395 header", err)
	}
}

func TestE01_StreamErrorFromThePeer(t *testing.T) {
	for _, doc := range []string{
		`<stream:error xmlns:stream="http://etherx.jabber.org/streams"><conflict xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`,
		`<stream:error><conflict xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`,
	} {
		d := talk(t, ConnOptions{}).open()
		d.says(doc)
		d.says(Close(NSFraming, "").String())
		var failed *StreamError
		if err := d.readsEnd(); !errors.As(err, &failed) || failed.Condition != Conflict {
			t.Errorf("read %v, want conflict", err)
		}
		d.hears("<close")
		if err := d.peer.Close(1000, ""); err != nil {
			t.Error(err)
		}
		<-d.conn.dropped
	}
}

// A peer that goes silent after its error does not keep the socket.
func TestC07_PeerLeavesTheSocketOpen(t *testing.T) {
	d := talk(t, ConnOptions{CloseTimeout: time.Millisecond}).open()
	d.says(Close(NSFraming, "").String())
	if err := d.readsEnd(); err != ErrClosed {
		t.Errorf("read %v", err)
	}
	d.hears("<close")
	d.hearsEnd()
}

func TestC04_E08_PeerCloses(t *testing.T) {
	for _, server := range []bool{false, true} {
		d := talk(t, ConnOptions{Server: server}).open()
		d.says(message("last words").String())
		d.says(Close(NSFraming, "").String())
		d.read()
		if err := d.readsEnd(); err != ErrClosed {
			t.Errorf("read %v, want ErrClosed", err)
		}
		d.hears("<close")
		if err := d.conn.Write(t.Context(), message("x")); err != ErrClosed {
			t.Errorf("write: %v, want ErrClosed", err)
		}
		// Who closed the stream closes the socket (C03).
		if err := d.peer.Close(1000, ""); err != nil {
			t.Error(err)
		}
		if err := d.conn.Close(t.Context()); err != nil {
			t.Errorf("close after the end: %v", err)
		}
	}
}

func TestR01_Redirect(t *testing.T) {
	const uri = "wss://other.example/ws"
	for name, opened := range map[string]bool{"instead of open": false, "mid-session": true} {
		t.Run(name, func(t *testing.T) {
			d := talk(t, ConnOptions{})
			if opened {
				d.open()
			} else {
				d.write(Open{}.Element(NSFraming))
				d.hears("<open")
			}
			d.says(Close(NSFraming, uri).String())
			var redirect *RedirectError
			if err := d.readsEnd(); !errors.As(err, &redirect) || redirect.URI != uri {
				t.Errorf("read %v, want the redirect", err)
			}
			d.hears("<close")
		})
	}
	// A client cannot send a server away.
	d := talk(t, ConnOptions{Server: true}).open()
	d.says(Close(NSFraming, uri).String())
	if err := d.readsEnd(); err != ErrClosed {
		t.Errorf("the server read %v", err)
	}
	// The server's side of it, instead of its header (O09).
	d = talk(t, ConnOptions{Server: true})
	d.says(Open{To: "example.org"}.Element(NSFraming).String())
	d.read()
	done := later(func() error { return d.conn.Redirect(t.Context(), uri) })
	if got := d.hears("<close"); got.Attr("see-other-uri") != uri {
		t.Errorf("the client got %s", got)
	}
	d.says(Close(NSFraming, "").String())
	if err := <-done; err != nil {
		t.Error(err)
	}
	d.hearsEnd()
}

func TestC01_C02_C03_WeClose(t *testing.T) {
	d := talk(t, ConnOptions{}).open()
	done := later(func() error { return d.conn.Close(t.Context()) })
	d.hears("<close")
	if err := d.conn.Write(t.Context(), message("x")); err != ErrClosed {
		t.Errorf("write after close: %v, want ErrClosed", err)
	}
	d.says(message("one").String())
	d.says(message("two").String())
	d.says(Close(NSFraming, "").String())
	if err := <-done; err != nil {
		t.Errorf("close: %v", err)
	}
	d.hearsEnd() // no second <close/>, and 1000 from the side that closed
	for _, want := range []string{"one", "two"} {
		if got := d.read().First().Text(); got != want {
			t.Errorf("read %q after our close, want %q", got, want)
		}
	}
	if err := d.readsEnd(); err != ErrClosed {
		t.Errorf("read %v, want ErrClosed", err)
	}
	if err := d.conn.Close(t.Context()); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

// The goroutine that reads all the time goes on doing so while another closes.
func TestC02_CloseBesideAReader(t *testing.T) {
	d := talk(t, ConnOptions{}).open()
	var got []string
	reader := later(func() error {
		for {
			e, err := d.conn.Read(t.Context())
			if err != nil {
				return err
			}
			got = append(got, e.First().Text())
		}
	})
	closer := later(func() error { return d.conn.Close(t.Context()) })
	d.hears("<close")
	for i := range 20 {
		d.says(message(fmt.Sprint(i)).String())
	}
	d.says(Close(NSFraming, "").String())
	if err := <-closer; err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-reader; err != ErrClosed {
		t.Errorf("read %v, want ErrClosed", err)
	}
	for i := range 20 {
		if i >= len(got) || got[i] != fmt.Sprint(i) {
			t.Fatalf("read %v", got)
		}
	}
}

func TestC02_PeerNeverAnswersOurClose(t *testing.T) {
	d := talk(t, ConnOptions{CloseTimeout: time.Millisecond}).open()
	if err := d.conn.Close(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v, want the deadline", err)
	}
	d.hears("<close")
	d.hearsEnd()
	if err := d.readsEnd(); err != ErrClosed {
		t.Errorf("read %v, want ErrClosed", err)
	}
}

func TestC05_SocketGoneWithoutClose(t *testing.T) {
	d := talk(t, ConnOptions{}).open()
	d.says(message("last words").String())
	if err := d.peer.Close(4000, "bye"); err != nil {
		t.Error(err)
	}
	d.read()
	var end *CloseError
	if err := d.readsEnd(); !errors.As(err, &end) || end.Code != 4000 || end.Reason != "bye" {
		t.Errorf("read %v, want the close", err)
	}
	if err := d.conn.Write(t.Context(), message("x")); err == nil {
		t.Error("wrote to a stream that is gone")
	}
}

// A stream that is to be resumed is left without a <close/> (XEP-0198 §7).
func TestDropSaysNothing(t *testing.T) {
	d := talk(t, ConnOptions{}).open()
	d.conn.Drop()
	d.hearsEnd()
	var end *CloseError
	if err := d.readsEnd(); !errors.As(err, &end) || end.Code != 1006 {
		t.Errorf("read %v, want a lost connection", err)
	}
	d.conn.Drop() // must return
}

func TestH04_Binary(t *testing.T) {
	c := NewConn(binarySocket{}, ConnOptions{})
	if _, err := c.Read(t.Context()); !errors.Is(err, ErrBinary) {
		t.Errorf("read %v, want ErrBinary", err)
	}
	<-c.dropped
}

type binarySocket struct{ Socket }

func (binarySocket) Read(context.Context) (string, error) { return "", ErrBinary }
func (binarySocket) Close(int, string) error              { return nil }

func TestE02_FailBesideAReader(t *testing.T) {
	d := talk(t, ConnOptions{}).open()
	reader := later(func() error { _, err := d.conn.Read(t.Context()); return err })
	if err := d.conn.Fail(t.Context(), &StreamError{Condition: PolicyViolation, Text: "too much"}); err != nil {
		t.Error(err)
	}
	if got := ReadStreamError(d.hears("<error")); got.Condition != PolicyViolation || got.Text != "too much" {
		t.Errorf("the peer was told %v", got)
	}
	d.hears("<close")
	d.hearsEnd()
	if err := <-reader; err != ErrClosed {
		t.Errorf("read %v, want ErrClosed", err)
	}
	if err := d.conn.Fail(t.Context(), &StreamError{Condition: Conflict}); err != ErrClosed {
		t.Errorf("failed twice: %v", err)
	}
}

func TestS18_N11_MaxWrite(t *testing.T) {
	d := talk(t, ConnOptions{MaxWrite: 1 << 20}).open()
	e := message("hello")
	size := len(e.String())
	d.conn.SetMaxWrite(size)
	d.write(e)
	d.hears("<message")
	var big *SizeError
	if err := d.conn.Write(t.Context(), message("hello!")); !errors.As(err, &big) || *big != (SizeError{size + 1, size}) {
		t.Errorf("write: %v, want a SizeError", err)
	}
	d.conn.SetMaxWrite(0)
	d.write(message("hello!"))
	d.hears("<message")
	if err := d.conn.Write(t.Context(), New("", "not a name")); err != ErrName {
		t.Errorf("write: %v, want ErrName", err)
	}
}

func TestReadContext(t *testing.T) {
	d := talk(t, ConnOptions{}).open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.conn.Read(ctx); err != context.Canceled {
		t.Errorf("read: %v", err)
	}
	d.says(message("still here").String())
	d.read()
}

func TestTrace(t *testing.T) {
	var got []string
	d := talk(t, ConnOptions{Trace: func(out bool, doc string) { got = append(got, fmt.Sprint(out, " ", doc[:5])) }}).open()
	d.says("rubbish")
	d.readsEnd()
	if want := "[true <open false <open false rubbi true <erro true <clos]"; fmt.Sprint(got) != want {
		t.Errorf("traced %v, want %v", got, want)
	}
}
