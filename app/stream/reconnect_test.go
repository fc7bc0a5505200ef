package stream

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"natter/app/connect"
	"natter/framing"
)

func TestE05_Conditions(t *testing.T) {
	again := map[string]bool{
		framing.ConnectionTimeout: true, framing.InternalServerError: true,
		framing.RemoteConnectionFailed: true, framing.Reset: true,
		framing.ResourceConstraint: true, framing.SystemShutdown: true,
		framing.UndefinedCondition: true,
	}
	for _, condition := range framing.Conditions {
		if condition == framing.SeeOtherHost {
			continue // TestE06_SeeOtherHost
		}
		t.Run("E05 "+condition, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *world) {
				w.managed().fails(condition)
				if again[condition] {
					w.happened("offline " + condition)
					w.pass(longWait)
					w.next()
					return
				}
				w.happened("offline " + condition + " for good")
				w.pass(time.Hour)
				w.s.Wake(NetworkBack)
				w.s.Wake(Visible)
				w.s.Wake(Awake)
				w.noTry()
			})
		})
	}
}

// B04: two clients with the same resource would end each other's sessions for ever. Only the person can decide
// which one stays.
func TestB04_Conflict(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.managed()
		w.send("m1")
		w.s.Request(get("q1", "example.org"), func(*framing.Element, error) {})
		sv.read()
		sv.fails("conflict")
		w.happened("offline conflict for good", "replied  "+ErrDisconnected.Error(), "unsent m1")
		w.s.Request(get("q2", "example.org"), func(*framing.Element, error) {})
		w.happened("replied  " + ErrDisconnected.Error())
		w.send("m2")
		w.s.Decide(1, nil)
		w.pass(24 * time.Hour)
		w.noTry()
		w.s.Wake(Manual)
		sv = w.next().fresh(featuresNoSM)
		sv.got(written("m2"))
	})
	t.Run("B04 and E05 while connecting", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.next().fail(&connect.Error{Phase: connect.Opening, Condition: "host-unknown",
				Err: &framing.StreamError{Condition: framing.HostUnknown}})
			w.happened("trying", "offline host-unknown for good")
			w.pass(time.Hour)
			w.noTry()
		})
	})
}

func TestE06_SeeOtherHost(t *testing.T) {
	// Package connect decides what is a host and where it leads.
	for _, host := range []string{"other.example.org", " 2001:db8::1", "a/b", ""} {
		t.Run("E06 "+host, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *world) {
				sv := w.managed()
				sv.say(`<error xmlns="http://etherx.jabber.org/streams"><see-other-host xmlns="urn:ietf:params:xml:ns:xmpp-streams">`+
					host+`</see-other-host></error>`, peersClose)
				sv.hangUp(1000)
				if c := w.next(); c.redirect != host || c.from != endpoint {
					t.Fatalf("sent to %q from %q", c.redirect, c.from)
				}
			})
		})
	}
	t.Run("E06 R05 see-other-uri, at once but not for ever", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			away := func() {
				sv.say(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" see-other-uri="wss://b.example.org/ws"/>`)
				sv.got(closed)
				sv.hangUp(1000)
			}
			sv.read()
			away()
			for range redirectsAtOnce {
				c := w.next()
				if c.redirect != "wss://b.example.org/ws" || c.from != endpoint || c.resume == nil {
					t.Fatalf("%+v", c)
				}
				sv = c.resumed(0)
				away()
			}
			w.noTry()
			w.pass(longWait)
			c := w.next()
			if c.redirect == "" {
				t.Fatal("not redirected")
			}
			for range redirectsAtOnce - 1 {
				c.fail(&connect.Error{Phase: connect.Dial})
				w.pass(longWait)
				if c = w.next(); c.redirect == "" {
					t.Fatal("the place that the server named is forgotten after one failure")
				}
			}
			c.fail(&connect.Error{Phase: connect.Dial})
			w.pass(longWait)
			if c = w.next(); c.redirect != "" {
				t.Fatal("a redirect that leads nowhere is followed for ever")
			}
		})
	})
}

// After a redirect, the new address is used again after a loss there. So a gateway that was stopped for good does
// not keep the person offline.
func TestR05_ALossAtTheOtherPlace(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.managed()
		sv.read()
		sv.say(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" see-other-uri="wss://b.example.org/ws"/>`)
		sv.got(closed)
		sv.hangUp(1000)
		w.next().resumed(0).cut()
		w.pass(longWait)
		if c := w.next(); c.redirect != "wss://b.example.org/ws" || c.from != endpoint {
			t.Fatalf("sent to %q from %q", c.redirect, c.from)
		}
	})
}

// C05: if a socket closes without <close/>, the stream can be resumed.
func TestC05_Implicit(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		w.managed().hangUp(1000)
		w.pass(closedWait * 2)
		if c := w.next(); c.resume == nil {
			t.Fatal("not resumed")
		}
	})
	t.Run("C05 without Stream Management", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.plain().cut()
			w.pass(closedWait * 2)
			if c := w.next(); c.resume != nil {
				t.Fatal("resumed")
			}
		})
	})
}

// K06, Sec72.
func TestK06_Backoff(t *testing.T) {
	failed := &connect.Error{Phase: connect.Dial, Err: errors.New("refused")}
	t.Run("K06 doubles up to a minute", func(t *testing.T) {
		bubble(t, Config{Random: func() float64 { return math.Nextafter(1, 0) }}, func(t *testing.T, w *world) {
			for _, limit := range []time.Duration{2, 4, 8, 16, 32, 60, 60} {
				w.next().fail(failed)
				w.pass(limit*time.Second - time.Millisecond)
				w.noTry()
				w.pass(time.Millisecond)
			}
			w.next()
		})
	})
	t.Run("K06 full jitter", func(t *testing.T) {
		bubble(t, Config{Random: func() float64 { return 0 }}, func(t *testing.T, w *world) {
			for range 10 {
				w.next().fail(failed)
			}
		})
	})
	t.Run("sec 72 only a stable session makes good", func(t *testing.T) {
		bubble(t, Config{Random: func() float64 { return math.Nextafter(1, 0) }}, func(t *testing.T, w *world) {
			for range 4 {
				w.next().fail(failed)
				w.pass(longWait)
			}
			sv := w.next().fresh(featuresSM)
			sv.say(enabled)
			w.pass(25 * time.Second)
			sv.say(a(0))
			w.pass(25 * time.Second)
			sv.hangUp(1000)
			w.pass(longWait - time.Millisecond)
			w.noTry()
			w.pass(time.Millisecond)
			sv = w.next().resumed(0)
			for range 4 {
				w.pass(20 * time.Second)
				sv.say(a(0))
			}
			sv.hangUp(1000)
			w.pass(closedWait)
			w.next()
		})
	})
	t.Run("sec 72 a lost socket is soon tried again", func(t *testing.T) {
		bubble(t, Config{Random: func() float64 { return math.Nextafter(1, 0) }}, func(t *testing.T, w *world) {
			sv := w.managed()
			for range 4 {
				w.pass(20 * time.Second)
				sv.say(a(0))
			}
			w.s.Wake(Manual)
			w.pass(10 * time.Second)
			w.happened("offline timeout")
			w.pass(firstWait)
			w.happened("trying")
		})
	})
}

func TestSec72_Wake(t *testing.T) {
	failed := &connect.Error{Phase: connect.Dial, Err: errors.New("refused")}
	for _, reason := range []Wake{NetworkBack, Visible, Awake} {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			for range 10 {
				w.next().fail(failed)
				w.pass(longWait)
			}
			w.next().fail(failed)
			w.s.Wake(reason)
			w.next().fail(failed)
			w.s.Wake(reason)
			w.noTry()
			w.pass(wakeInterval)
			w.s.Wake(reason)
			w.next().fail(failed)
			w.s.Wake(Manual)
			w.next().fail(failed)
			w.s.Wake(Manual)
			w.next()
			w.s.Wake(Manual) // an attempt is under way
			w.noTry()
		})
	}
}

// K07: the last socket is closed before the next one opens, because servers end the older of two sessions.
func TestK07_NeverTwoSockets(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.managed()
		sv.say(peersClose) // and the server leaves the socket open
		w.s.Wake(Manual)
		w.noTry()
		if sv.gone() {
			t.Fatal("the peer was not given its time to close")
		}
		w.pass(3 * time.Second)
		if !sv.gone() {
			t.Fatal("the socket is still open")
		}
		w.next()
	})
}

// N07: nothing is sent before there is a session.
func TestN07_Queue(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		w.send("m1")
		w.s.Hide(true)
		w.s.Wake(Manual)
		w.s.Request(get("q1", "example.org"), func(*framing.Element, error) {})
		w.pass(time.Hour)
		w.happened("trying")
		sv := w.next().fresh(featuresNoSM)
		sv.got(written("m1"), get("q1", "example.org").String())
	})
}

// Sec64.
func TestSec64_TooLarge(t *testing.T) {
	large := func(n int) *framing.Element {
		st := message("large")
		return st.Add(framing.New(framing.NSClient, "body").AddText(strings.Repeat("x", n)))
	}
	t.Run("S18 sec 64 above the usual limit", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			var size *TooLargeError
			if _, err := w.s.Send(large(300_000)); !errors.As(err, &size) || size.Max != defaultLimit {
				t.Fatal(err)
			}
			var got error
			w.s.Request(large(300_000), func(_ *framing.Element, err error) { got = err })
			synctest.Wait()
			if !errors.As(got, &size) {
				t.Fatal(got)
			}
			w.sendAll(large(50_000))
			if n := len(sv.read()); n != 1 {
				t.Fatalf("%d stanzas", n)
			}
		})
	})
	t.Run("N11 above what the server says", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.sendAll(large(20_000))
			sv := w.next().succeed(func(s *connect.Session) {
				s.Features, s.MaxBytes = parse(t, featuresSM), 10_000
			})
			w.happened("trying", "online", "refused large")
			sv.got(enable)
			var size *TooLargeError
			if _, err := w.s.Send(large(10_000)); !errors.As(err, &size) || size.Max != 10_000 {
				t.Fatal(err)
			}
			w.send("m1")
			sv.got(written("m1"))
		})
	})
	t.Run("sec 64 refused by the connection", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.next().succeed(func(s *connect.Session) {
				s.Features = parse(t, featuresSM)
				s.Conn.SetMaxWrite(1000)
			})
			sv.say(enabled)
			w.sendAll(message("m1"), large(2000), message("m2"))
			sv.got(enable, written("m1"), written("m2"))
			sv.say(a(2))
			w.happened("trying", "online", "refused large", "acknowledged m1 m2")
			w.sendAll(message("m3"))
			w.s.Request(large(2000).Set("id", "q1"), func(*framing.Element, error) {})
			sv.got(written("m3"))
			sv.say(a(3))
			w.happened("replied  "+(&TooLargeError{Size: len(large(2000).Set("id", "q1").String()), Max: 1000}).Error(), "acknowledged m3")
		})
	})
	t.Run("sec 64 what has ended two streams is given up", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.sendAll(message("good"), message("bad"), message("after"))
			sv.read()
			sv.say(a(1))
			sv.fails("policy-violation")
			w.happened("acknowledged good", "offline policy-violation for good", "unsent bad after")
			// The owner sends them once more, the person tries again.
			w.decide(1, message("other"), message("bad"), message("after"))
			w.s.Wake(Manual)
			sv = w.next().fresh(featuresSM)
			sv.read()
			sv.fails("policy-violation")
			w.happened("trying", "online", "refused bad", "unsent other after", "offline policy-violation for good")
		})
	})
	for name, again := range map[string]func(*world) *server{
		"resumed":  func(w *world) *server { return w.next().resumed(1) },
		"restored": nil,
	} {
		t.Run("N11 sec 64 what the server takes holds when "+name, func(t *testing.T) {
			var sn *Snapshot
			refuses := func(w *world, sv *server) {
				var size *TooLargeError
				if _, err := w.s.Send(large(20_000)); !errors.As(err, &size) || size.Max != 10_000 {
					w.t.Fatal(err)
				}
				w.send("m2") // twin
				sv.got(written("m2"))
			}
			bubble(t, Config{}, func(t *testing.T, w *world) {
				sv := w.next().succeed(func(s *connect.Session) {
					s.Features, s.MaxBytes = parse(t, featuresSM), 10_000
				})
				sv.say(enabled)
				w.send("m1")
				sv.got(enable, written("m1"))
				sv.say(a(1))
				sn = w.kept()
				if again != nil {
					sv.cut()
					w.pass(10 * time.Second)
					refuses(w, again(w))
				}
			})
			if again == nil {
				bubble(t, Config{Restore: sn}, func(t *testing.T, w *world) { refuses(w, w.next().resumed(1)) })
			}
		})
	}
	for name, again := range map[string]func(*try) (*server, int){
		"resumed": func(c *try) (*server, int) { return c.resumed(1), 0 },
		"not resumed": func(c *try) (*server, int) {
			sv := c.fresh(featuresSM)
			c.w.decide(1, message("small"), large(50_000), message("after"))
			sv.say(enabled)
			return sv, 1
		},
	} {
		// This is how Prosody answers a frame that is too long.
		t.Run("sec 64 a WebSocket closed twice over the size of a frame, "+name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *world) {
				sv := w.managed()
				w.sendAll(message("good"), message("small"), large(50_000), message("after"))
				sv.read()
				sv.say(a(1))
				sv.hangUp(3009)
				w.happened("acknowledged good", "offline")
				w.pass(longWait)
				sv, losses := again(w.next())
				w.forget()
				sv.read()
				sv.hangUp(3009)
				w.happened("refused large", "unsent small after", "offline")
				w.pass(longWait)
				sv = w.next().fresh(featuresSM)
				sv.say(enabled)
				w.decide(losses+1, message("small"), message("after"))
				sv.got(enable, written("small"), written("after"))
				sv.say(a(2))
				w.happened("trying", "online", "acknowledged small after")
			})
		})
	}
	t.Run("sec 64 other ends do not count", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			for i := range 5 {
				w.decide(i, message("m1"))
				sv.read()
				sv.fails("undefined-condition")
				w.happened("offline undefined-condition", "unsent m1")
				w.pass(longWait)
				sv = w.next().fresh(featuresSM)
				sv.say(enabled)
				w.happened("trying", "online")
			}
		})
	})
}

// Sec72: a server that restarts gets its clients back one after the other.
func TestSec72_Herd(t *testing.T) {
	const clients, down = 1000, 5 * time.Second
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var mu sync.Mutex
		var sockets []framing.Socket
		var restart time.Time
		seconds := map[int]int{}
		seed := rand.New(rand.NewPCG(1, 2))
		random := func() float64 { mu.Lock(); defer mu.Unlock(); return seed.Float64() }

		var wg sync.WaitGroup
		for range clients {
			s := New(Config{Random: random, Connect: func(ctx context.Context, _ *connect.Resume, _ error) (*connect.Session, error) {
				mu.Lock()
				defer mu.Unlock()
				if !restart.IsZero() {
					since := time.Since(restart)
					seconds[int(since/time.Second)]++
					if since < down {
						return nil, &connect.Error{Phase: connect.Dial, Err: errors.New("refused")}
					}
				}
				mine, theirs := framing.Pipe()
				sockets = append(sockets, theirs)
				return &connect.Session{Conn: framing.NewConn(mine, framing.ConnOptions{}), JID: me}, nil
			}})
			wg.Go(func() { s.Run(ctx) })
			wg.Go(func() {
				for {
					select {
					case <-s.Events():
					case <-ctx.Done():
						return
					}
				}
			})
		}
		// After that all sessions are stable; the server answers their pings.
		synctest.Wait()
		mu.Lock()
		restart = time.Now().Add(70 * time.Second)
		old := sockets
		sockets = nil
		mu.Unlock()
		for range 7 {
			time.Sleep(10 * time.Second)
			for _, socket := range old {
				socket.Write(ctx, `<message xmlns="jabber:client"/>`)
			}
			synctest.Wait()
		}
		for _, socket := range old {
			socket.Write(ctx, `<error xmlns="http://etherx.jabber.org/streams"><system-shutdown xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></error>`)
			socket.Close(1000, "")
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		back := len(sockets)
		stop()
		wg.Wait()
		t.Logf("%d came back, tries by second: %v", back, seconds)
		if back < clients*8/10 {
			t.Errorf("only %d of %d came back", back, clients)
		}
		for second, n := range seconds {
			if n > clients*15/100 {
				t.Errorf("%d clients in second %d", n, second)
			}
		}
	})
}

// Everything that Run started has ended when it returns, in every phase.
func TestRun_LeavesNothing(t *testing.T) {
	for name, f := range map[string]func(w *world) *server{
		"connecting": func(w *world) *server { w.next(); return nil },
		"online":     func(w *world) *server { return w.managed() },
		"waiting":    func(w *world) *server { sv := w.managed(); sv.cut(); return sv },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *world) {
				sv := f(w)
				if sv != nil {
					sv.read()
				}
				w.stop()
				if err := <-w.ran; !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				// The bubble does not end while a goroutine is left in it.
				if sv != nil && !sv.gone() {
					t.Fatal("the socket is still open")
				}
			})
		})
	}
	t.Run("when Close has no time", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := w.s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			sv.got(a(0), closed)
			if !sv.gone() {
				t.Fatal("the socket is still open")
			}
		})
	})
	for name, tc := range map[string]struct {
		end  func(w *world)
		want []string
	}{
		"a session made too late is closed":   {func(w *world) { go w.s.Close(context.Background()) }, []string{closed}},
		"or left to whoever has the snapshot": {func(w *world) { w.stop() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mine, theirs := framing.Pipe()
				conn := framing.NewConn(mine, framing.ConnOptions{})
				if err := conn.Write(t.Context(), framing.Open{}.Element(framing.NSFraming)); err != nil {
					t.Fatal(err)
				}
				w := &world{t: t, ran: make(chan error, 1)}
				var ctx context.Context
				ctx, w.stop = context.WithCancel(t.Context())
				w.s = New(Config{Connect: func(ctx context.Context, _ *connect.Resume, _ error) (*connect.Session, error) {
					<-ctx.Done() // the session comes too late
					return &connect.Session{Conn: conn, JID: me}, nil
				}})
				go func() { w.ran <- w.s.Run(ctx) }()
				synctest.Wait()
				tc.end(w)
				<-w.ran
				sv := &server{w: w, socket: theirs}
				if docs := sv.read()[1:]; !slices.Equal(docs, tc.want) || !sv.gone() {
					t.Fatal(docs)
				}
				w.stop()
			})
		})
	}
	t.Run("C08 the stream is left unfinished", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.send("m1")
			sv.got(written("m1"))
			w.stop()
			<-w.ran
			sv.got() // no <close/>
			sn := w.s.Snapshot(0)
			if sn.ID != "stream1" || !slices.Equal(sn.Order, []Run{{1, 1}}) || sn.JID != me || sn.Max != 300*time.Second || !sn.Lost.IsZero() {
				t.Fatalf("%+v", sn)
			}
		})
	})
}

func TestSnapshot_Restore(t *testing.T) {
	var sn *Snapshot
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.managed()
		sv.say(`<message xmlns="jabber:client" id="in1"/>`)
		w.send("m1")
		w.send("m2")
		sv.read()
		sv.say(a(1))
		sv.cut()
		w.send("m3")
		sn = w.kept()
	})
	sn.Lost = time.Time{} // the next bubble has its own time
	sn.At = "near.example"
	bubble(t, Config{Restore: sn}, func(t *testing.T, w *world) {
		c := w.next()
		if *c.resume != (connect.Resume{ID: "stream1", H: 1, JID: me, At: "near.example"}) {
			t.Fatalf("%+v", c.resume)
		}
		sv := c.resumed(1)
		sv.got(written("m2"), written("m3"))
		w.s.Hide(true)
		sv.got(inactiveCSI)
	})
	t.Run("what left unrecorded is confirmed too", func(t *testing.T) {
		bubble(t, Config{Restore: sn}, func(t *testing.T, w *world) {
			sv := w.next().resumed(1 + 2 + maxUnrecorded) // m1, m2, m3 and the chat states after them
			w.happened("trying", "resumed", "acknowledged m2 m3", "redelivered")
			w.send("m4")
			sv.got(written("m4"))
			sv.say(a(1 + 2 + maxUnrecorded + 1))
			w.happened("acknowledged m4")
		})
	})
	t.Run("but no more than could", func(t *testing.T) {
		bubble(t, Config{Restore: sn}, func(t *testing.T, w *world) {
			w.next().mute(1 + 2 + maxUnrecorded + 1)
			w.pass(0)
			w.happened("trying", "resumed", "offline", "unsent m2 m3")
		})
	})
	t.Run("too late", func(t *testing.T) {
		bubble(t, Config{Restore: sn}, func(t *testing.T, w *world) {
			sv := w.next().fresh(featuresSM)
			sv.got(enable)
			w.happened("trying", "online", "unsent m2 m3")
			w.decide(1, message("m2"), message("m3"))
			sv.got(written("m2"), written("m3"))
		})
	})
}
