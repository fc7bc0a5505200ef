//go:build linux

package chaos

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// line is a connection through a proxy with one fault, and its far end.
func line(t *testing.T, f Fault) (p *Proxy, client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err = NewProxy(l.Addr().String(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	p.Plan(func(int, *rand.Rand) Fault { return f })
	client, err = net.Dial("tcp4", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{client, server} {
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(patience))
	}
	return p, client, server
}

func sends(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

func gets(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes arrived, %v; want %d", len(got), err, len(want))
	}
}

// over waits for the end of a connection.
func over(t *testing.T, c net.Conn) {
	t.Helper()
	n, err := c.Read(make([]byte, 1))
	var timeout net.Error
	if n > 0 || err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("%d bytes, %v; want the end", n, err)
	}
}

var much = bytes.Repeat([]byte("0123456789"), 5000)

func TestProxy_Carries(t *testing.T) {
	for name, f := range map[string]Fault{
		"as it is":                 {},
		"late":                     {Delay: time.Millisecond},
		"in small pieces":          {Piece: 7},
		"slowly":                   {Rate: 10e6, Piece: 1000},
		"with a pause":             {Break: Cut, At: 1 << 30, Stall: time.Millisecond},
		"until the other way ends": {Break: Cut, Way: Down, At: int64(len(much)) + 1},
	} {
		t.Run(name, func(t *testing.T) {
			p, client, server := line(t, f)
			go client.Write(much)
			gets(t, server, much)
			go server.Write(much)
			gets(t, client, much)
			if p.Drops() != 0 {
				t.Error("something was dropped")
			}
			client.Close()
			over(t, server)
		})
	}
}

func TestProxy_Cut(t *testing.T) {
	p, client, server := line(t, Fault{Break: Cut, Way: Up, At: 1234})
	sends(t, client, much)
	gets(t, server, much[:1234])
	over(t, server)
	over(t, client)
	if p.Drops() != 1 {
		t.Errorf("%d drops", p.Drops())
	}
}

// The server believes in the connection, and what it sends goes nowhere.
func TestProxy_HalfOpen(t *testing.T) {
	p, client, server := line(t, Fault{Break: HalfOpen, Way: Up, At: 100})
	sends(t, client, much[:200])
	gets(t, server, much[:100])
	over(t, client)
	sends(t, server, much[:50])
	for eaten, more := p.Swallowed(); eaten < 150; eaten, more = p.Swallowed() {
		<-more
	}
	if p.Drops() != 1 {
		t.Errorf("%d drops", p.Drops())
	}
}

// Nobody is told anything.
func TestProxy_Hole(t *testing.T) {
	p, client, server := line(t, Fault{})
	sends(t, client, []byte("a"))
	gets(t, server, []byte("a"))
	if n := p.Break(Hole); n != 1 {
		t.Fatalf("%d connections broke", n)
	}
	sends(t, client, []byte("bc"))
	sends(t, server, []byte("def"))
	for eaten, more := p.Swallowed(); eaten < 5; eaten, more = p.Swallowed() {
		<-more
	}
}

func TestProxy_Down(t *testing.T) {
	p, client, server := line(t, Fault{})
	p.Down(true)
	over(t, client)
	over(t, server)
	if c, err := net.Dial("tcp4", p.Address()); err == nil {
		c.SetDeadline(time.Now().Add(patience))
		over(t, c)
		c.Close()
	}
}
