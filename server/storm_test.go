package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"natter/app/connect"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
)

// upgrade asks for a WebSocket and reads the head of the answer. It reports whether there is one.
func upgrade(c net.Conn) bool {
	_, err := io.WriteString(c, "GET "+endpoint+" HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n")
	head := make([]byte, 1)
	for said := ""; err == nil; said += string(head) {
		if strings.HasSuffix(said, "\r\n\r\n") {
			return strings.HasPrefix(said, "HTTP/1.1 101")
		}
		_, err = io.ReadFull(c, head)
	}
	return false
}

// frame is the head of a text message of n bytes (RFC 6455 §5.2), masked with nothing.
func frame(n uint64) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, n), 0, 0, 0, 0)
}

func message(c net.Conn, text string) error {
	_, err := c.Write(append(frame(uint64(len(text))), text...))
	return err
}

var header = framing.Open{To: "localhost", Version: "1.0"}.Element(framing.NSFraming).String()

// opener opens stream after stream on one WebSocket, and leaves without a word.
func opener(_ context.Context, c net.Conn) {
	if !upgrade(c) {
		return
	}
	for range 5 {
		if message(c, header) != nil {
			return
		}
	}
	_, _ = io.CopyN(io.Discard, c, 200)
}

// waiter has a WebSocket and says nothing.
func waiter(ctx context.Context, c net.Conn) {
	if upgrade(c) {
		silent(ctx, c)
	}
}

// babbler says what is no XMPP.
func babbler(ctx context.Context, c net.Conn) {
	if !upgrade(c) {
		return
	}
	for _, text := range []string{
		header, strings.Repeat("<a>", 20_000), "<!DOCTYPE x [<!ENTITY a 'b'>]>", "\x00\xff", strings.Repeat("<b c='", 1000),
		"<iq xmlns='jabber:client' type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>", // before signing in
	} {
		if message(c, text) != nil {
			return
		}
	}
	silent(ctx, c)
}

// giant sends a message that is too long, and then one that says it never ends.
func giant(ctx context.Context, c net.Conn) {
	if !upgrade(c) {
		return
	}
	if message(c, "<message xmlns='jabber:client'><body>"+strings.Repeat("x", 2<<20)) != nil {
		return
	}
	if _, err := c.Write(frame(1 << 62)); err == nil {
		silent(ctx, c)
	}
}

// everyOne answers whoever comes: a server that lets all in and gives back what it is told.
func everyOne(t *testing.T) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := framing.NewStreamReader(c, framing.Limits{})
				for {
					e, err := in.Next()
					if err != nil {
						return
					}
					answer := e.AppendWithin(nil, framing.NSClient)
					switch e.Name.Local {
					case "stream":
						answer = append(framing.Open{From: "localhost", ID: "1", Version: "1.0"}.AppendHeader(nil, framing.NSClient), "<stream:features/>"...)
					case "auth":
						answer = []byte("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// person says something and hears it.
type person func(ctx context.Context, text string) error

// ear is a stream that is listened to.
type ear struct {
	*framing.Conn
	me    jid.JID
	heard int // stanzas
}

// hears reads until a message says this. One that was meant for others is an error.
func (l *ear) hears(ctx context.Context, text string) error {
	const nsSM = "urn:xmpp:sm:3"
	for {
		e, err := l.Read(ctx)
		if err != nil {
			return err
		}
		if e.Is(nsSM, "r") {
			if err := l.Write(ctx, framing.New(nsSM, "a").Set("h", strconv.Itoa(l.heard))); err != nil {
				return err
			}
			continue
		}
		if e.Name.Space == framing.NSClient {
			l.heard++
		}
		if to := jid.JID(e.Attr("to")); to != "" && to.Bare() != l.me {
			return fmt.Errorf("%s got what was for %s", l.me, to)
		}
		if body := e.Child(framing.NSClient, "body"); body != nil && body.Text() == text {
			return nil
		}
	}
}

// byTrial signs both trial accounts in: what one says the other hears.
func byTrial(ctx context.Context, url string) (person, error) {
	var both [2]*connect.Session
	c := connect.Connector{
		Dial: func(ctx context.Context, url string) (framing.Socket, error) {
			return native.Dial(ctx, url, native.Options{})
		},
		Crypto: sasl.Standard{}, Pins: noPins{},
	}
	for i, account := range []connect.Request{
		{Account: "ada@localhost", Password: "analytical", Server: url}, {Account: "grace@localhost", Password: "compiler", Server: url},
	} {
		s, err := c.Connect(ctx, account)
		if err != nil {
			return nil, err
		}
		both[i] = s
	}
	grace := &ear{Conn: both[1].Conn, me: "grace@localhost"}
	return func(ctx context.Context, text string) error {
		m := framing.New(framing.NSClient, "message").Set("to", string(both[1].JID)).Set("type", "chat").Set("id", rand.Text())
		m.Add(framing.New(framing.NSClient, "body").AddText(text))
		if err := both[0].Conn.Write(ctx, m); err != nil {
			return err
		}
		return grace.hears(ctx, text)
	}, nil
}

type noPins struct{}

func (noPins) SCRAMSeen(jid.JID) bool { return false }
func (noPins) SetSCRAMSeen(jid.JID)   {}

// byGateway signs in through the gateway to everyOne.
func byGateway(ctx context.Context, url string) (person, error) {
	s, err := native.Dial(ctx, url, native.Options{})
	if err != nil {
		return nil, err
	}
	c := framing.NewConn(s, framing.ConnOptions{})
	for _, step := range []struct {
		say   *framing.Element
		hears string
	}{
		{framing.Open{To: "localhost", Version: "1.0"}.Element(framing.NSFraming), "features"},
		{framing.New("urn:ietf:params:xml:ns:xmpp-sasl", "auth"), "success"},
		{framing.Open{To: "localhost", Version: "1.0"}.Element(framing.NSFraming), "features"},
	} {
		if err := c.Write(ctx, step.say); err != nil {
			return nil, err
		}
		for {
			e, err := c.Read(ctx)
			if err != nil {
				return nil, err
			}
			if e.Name.Local == step.hears {
				break
			}
		}
	}
	l := &ear{Conn: c}
	return func(ctx context.Context, text string) error {
		m := framing.New(framing.NSClient, "message")
		m.Add(framing.New(framing.NSClient, "body").AddText(text))
		if err := c.Write(ctx, m); err != nil {
			return err
		}
		return l.hears(ctx, text)
	}, nil
}

// P-22 and Sec96: floods of opens, silence, garbage and giant frames on WebSockets, of the
// trial server and of the gateway, while people talk: none of them meets an error or hears what was
// for others, newcomers get in afterwards, and the memory stays small. PROVE=full tries a thousand of
// each at the trial server, which has a bound of two hundred, and a thousand together at the gateway,
// which takes them all in, for a minute; else it is a tenth for as long as it takes to see them cut
// off.
func TestPromise22_WebSocketsStand(t *testing.T) {
	n, span := 100, time.Duration(0)
	if os.Getenv("PROVE") == "full" {
		n, span = 1000, time.Minute
	} else if testing.Short() {
		t.Skip("takes twenty seconds")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, tiny(t)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		config map[string]any // none for the trial server
		enter  func(context.Context, string) (person, error)
		people int
		n      int
	}{
		{"trial", nil, byTrial, 1, n},
		{"gateway", map[string]any{
			"gateway": map[string]any{"nativeClients": true},
			"domains": []any{map[string]any{"name": "localhost", "websocket": endpoint, "backends": []any{map[string]any{"address": everyOne(t)}}}},
		}, byGateway, 8, n / 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at := xmpptest.FreeAddress(t)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "NATTER_TEST_BUNDLE="+dir, "ADDR="+at)
			if tc.config != nil {
				tc.config["listen"] = at
				text, err := json.Marshal(tc.config)
				if err != nil {
					t.Fatal(err)
				}
				file := t.TempDir() + "/natter.json"
				if err := os.WriteFile(file, text, 0o600); err != nil {
					t.Fatal(err)
				}
				cmd.Args = append(cmd.Args, "-config", file)
			} else {
				cmd.Args = append(cmd.Args, "-addr", at)
			}
			said := &lines{}
			cmd.Stdout, cmd.Stderr = said, said
			process := spawn(t, cmd)
			until(t, "it runs", func() bool {
				if process.over() {
					t.Fatal(said)
				}
				return strings.Contains(said.String(), "stops it.")
			})
			url := "ws://" + at + endpoint
			var all []person
			for range tc.people {
				p, err := tc.enter(t.Context(), url)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, p)
			}

			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var attackers, people sync.WaitGroup
			crowds := map[string]*crowd{}
			for kind, what := range map[string]func(context.Context, net.Conn){"opens": opener, "silence": waiter, "garbage": babbler, "giants": giant} {
				crowds[kind] = &crowd{address: at, n: tc.n, what: what}
				crowds[kind].run(ctx, &attackers)
			}
			var mu sync.Mutex
			var took []time.Duration
			var failed error
			done := make(chan struct{})
			for i, p := range all {
				people.Go(func() {
					for n := 0; ; n++ {
						select {
						case <-done:
							return
						case <-time.After(50 * time.Millisecond): // the trial server takes thirty a second
						}
						start := time.Now()
						within, cancel := context.WithTimeout(t.Context(), time.Minute)
						err := p(within, fmt.Sprintf("%d from %d", n, i))
						cancel()
						mu.Lock()
						took, failed = append(took, time.Since(start)), errors.Join(failed, err)
						mu.Unlock()
						if err != nil {
							return
						}
					}
				})
			}
			start := time.Now()
			until := start.Add(span + time.Minute)
			for kind, c := range crowds { // each kind has been cut off, so each has met its limit
				for c.ended.Load() < int64(tc.n)/2 || time.Since(start) < span {
					if time.Now().After(until) {
						t.Errorf("%s: of %d connections %d were ended", kind, c.begun.Load(), c.ended.Load())
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
			}
			close(done)
			people.Wait()
			peak := memory(t, cmd.Process.Pid)
			stop()
			attackers.Wait()

			late, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if p, err := tc.enter(late, url); err != nil {
				t.Errorf("a newcomer afterwards: %v", err)
			} else if err := p(late, "hello"); err != nil {
				t.Errorf("a newcomer afterwards: %v", err)
			}
			slices.Sort(took)
			if failed != nil || len(took) == 0 {
				t.Errorf("%d messages, %v", len(took), failed)
			}
			if peak >= 256 {
				t.Errorf("%d MB", peak)
			}
			if process.over() || strings.Contains(said.String(), "panic") {
				t.Errorf("it is over: %s", said)
			}
			if m := len(took); m > 0 {
				t.Logf("P-22, %s: 4 x %d connections that are up to no good for %v: %d messages, p50 %v, p99 %v; %d MB",
					tc.name, tc.n, time.Since(start).Round(time.Second), m, took[m/2].Round(time.Millisecond/10), took[m*99/100].Round(time.Millisecond/10), peak)
			}
		})
	}
}
