package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
)

// wire is a client, one document at a time.
type wire struct {
	t      *testing.T
	socket framing.Socket
}

func dial(t *testing.T, url string, h http.Header) *wire {
	t.Helper()
	s, err := native.Dial(t.Context(), url, native.Options{Header: h})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(1000, "") })
	return &wire{t, s}
}

func (w *wire) write(doc string) {
	w.t.Helper()
	if err := w.socket.Write(w.t.Context(), doc); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) read() (string, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	return w.socket.Read(ctx)
}

// expect reads a message, which must stand alone and have this name.
func (w *wire) expect(local string) *framing.Element {
	w.t.Helper()
	doc, err := w.read()
	if err != nil {
		w.t.Fatalf("instead of <%s>: %v", local, err)
	}
	e, err := framing.Parse(doc, framing.Limits{})
	if err != nil || e.Name.Local != local {
		w.t.Fatalf("instead of <%s>: %s (%v)", local, doc, err)
	}
	return e
}

func (w *wire) open(domain string) *framing.Element {
	w.t.Helper()
	w.write(framing.Open{To: domain, Version: "1.0"}.Element(framing.NSFraming).String())
	return w.expect("open")
}

// fails reads a stream error and the proper end after it.
func (w *wire) fails(condition string) {
	w.t.Helper()
	if got := framing.ReadStreamError(w.expect("error")); got.Condition != condition {
		w.t.Errorf("the stream failed with %v instead of %s", got, condition)
	}
	w.expect("close")
	w.ends(1000)
}

// ends expects the end of the socket with this code.
func (w *wire) ends(code int) {
	w.t.Helper()
	doc, err := w.read()
	var closed *framing.CloseError
	if !errors.As(err, &closed) || closed.Code != code {
		w.t.Errorf("instead of the end with %d: %q, %v", code, doc, err)
	}
}

// backend is a server that does what its script says, for each connection.
type backend struct {
	t    *testing.T
	addr string
}

type peer struct {
	t    *testing.T
	conn net.Conn
	in   *framing.StreamReader
}

func newBackend(t *testing.T, script func(p *peer)) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); _ = l.Close(); <-done })
	go func() {
		defer close(done)
		var running []chan struct{}
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			over := make(chan struct{})
			running = append(running, over)
			go func() {
				defer close(over)
				defer stop()
				defer conn.Close()
				script(&peer{t, conn, framing.NewStreamReader(conn, framing.Limits{})})
			}()
		}
		for _, over := range running {
			<-over
		}
	}()
	return &backend{t, l.Addr().String()}
}

const (
	serverHeader = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='h.test' id='%d' version='1.0' xml:lang='en'>"
	someFeatures = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" +
		"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>PLAIN</mechanism></mechanisms>" +
		"<compression xmlns='http://jabber.org/features/compress'><method>zlib</method></compression></stream:features>"
)

func (p *peer) send(docs ...string) {
	for _, d := range docs {
		if _, err := p.conn.Write([]byte(d)); err != nil {
			return
		}
	}
}

// next returns the next element, nil if there is none.
func (p *peer) next() *framing.Element {
	e, _ := p.in.Next()
	return e
}

// header answers a header.
func (p *peer) header(id int) framing.Open {
	h, ok := framing.ReadHeader(p.next())
	if ok {
		p.send(fmt.Sprintf(serverHeader, id))
	}
	return h
}

// login is a server that believes everybody, up to the features after it.
func (p *peer) login() framing.Open {
	h := p.header(1)
	p.send(someFeatures)
	if p.next() == nil {
		return h
	}
	p.send("<success xmlns='" + nsSASL + "'/>")
	p.header(2)
	p.send("<stream:features/>")
	return h
}

// stay reads until there is nothing to read any more.
func (p *peer) stay() (all []string, err error) {
	for {
		e, err := p.in.Next()
		if err != nil {
			return all, err
		}
		all = append(all, e.String())
	}
}

// login signs in.
func (w *wire) login() {
	w.t.Helper()
	w.open("h.test")
	w.expect("features")
	w.write("<auth xmlns='" + nsSASL + "' mechanism='PLAIN'/>")
	w.expect("success")
	w.open("h.test")
	w.expect("features")
}

func config(backends ...string) Config {
	c := Config{Domains: []Domain{{Name: "h.test"}}}
	for _, b := range backends {
		c.Domains[0].Backends = append(c.Domains[0].Backends, Backend{Address: b})
	}
	return c
}

// eventually waits for what no channel tells.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

func trusting() *tls.Config { return &tls.Config{RootCAs: xmpptest.Ours().Pool()} }
