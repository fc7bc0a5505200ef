package stream

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"natter/app/connect"
	"natter/framing"
)

const noise = `<message xmlns="jabber:client" id="noise"/>`

// K01, K02, K03.
func TestK02_Keepalive(t *testing.T) {
	t.Run("K02 K03 the count when visible", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			for range 5 {
				w.pass(29 * time.Second)
				sv.got()
				w.pass(time.Second)
				sv.got(r)
				sv.say(a(0))
			}
			w.happened()
		})
	})
	t.Run("K02 a ping without Stream Management", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.plain()
			w.pass(30 * time.Second)
			sv.got(ping("id1"))
			sv.say(pong("id1"))
			w.pass(30 * time.Second)
			sv.got(ping("id2"))
			sv.say(strings.Replace(pong("id2"), "result", "error", 1)) // the server does not know pings, but it is there
			w.pass(20 * time.Second)
			sv.got()
			w.happened()
		})
	})
	t.Run("K03 not while the server talks", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			for range 20 {
				w.pass(20 * time.Second)
				sv.say(noise)
			}
			sv.got()
		})
	})
	t.Run("K03 seldom when hidden", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.s.Hide(true)
			sv.got(inactiveCSI)
			w.pass(139 * time.Second)
			sv.got()
			w.pass(time.Second)
			sv.got(r)
		})
	})
	t.Run("K03 N11 as the server wants", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.s.Hide(true)
			sv := w.next().succeed(func(s *connect.Session) {
				s.Features, s.Idle = parse(t, featuresNoSM), 300*time.Second
			})
			w.pass(40 * time.Second)
			sv.say(noise) // only our silence counts for the server
			sv.got()
			w.pass(5 * time.Second)
			sv.got(ping("id1"))
		})
	})
	t.Run("K03 N11 as the server wanted before the stream was resumed", func(t *testing.T) {
		var sn *Snapshot
		asks := func(w *world, sv *server) {
			w.s.Hide(true)
			sv.got(inactiveCSI)
			w.pass(45 * time.Second)
			sv.got(r)
		}
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.next().succeed(func(s *connect.Session) {
				s.Features, s.Idle = parse(t, featuresSM), 120*time.Second
			})
			sv.say(enabled)
			sv.cut()
			sn = w.kept()
			w.pass(10 * time.Second)
			asks(w, w.next().resumed(0))
		})
		sn.Lost = time.Time{} // the next bubble has its own time
		bubble(t, Config{Restore: sn}, func(t *testing.T, w *world) { asks(w, w.next().resumed(0)) })
	})
	t.Run("K01 no whitespace", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			for range 100 {
				w.pass(10 * time.Second)
				for _, doc := range sv.read() {
					if strings.TrimSpace(doc) == "" {
						t.Fatal("whitespace")
					}
					sv.say(a(0))
				}
			}
			w.happened()
		})
	})
}

// K05.
func TestK05_Dead(t *testing.T) {
	t.Run("K05 with Stream Management it is just dropped", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.pass(40 * time.Second)
			w.happened("offline timeout")
			sv.got(r)
			if !sv.gone() {
				t.Fatal("the socket is still open")
			}
			w.pass(10 * time.Second)
			if c := w.next(); c.resume == nil {
				t.Fatal("not resumed")
			}
		})
	})
	t.Run("K05 without it is told", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.plain()
			w.pass(40 * time.Second)
			w.happened("offline timeout")
			sv.got(ping("id1"),
				`<error xmlns="http://etherx.jabber.org/streams"><connection-timeout xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></error>`,
				closed)
		})
	})
	t.Run("K05 a server that never says enabled", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.next().fresh(featuresSM)
			w.pass(10 * time.Second)
			w.happened("trying", "online", "offline timeout")
			sv.read()
		})
	})
	t.Run("K05 one that talks is not dead", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.pass(35 * time.Second)
			sv.say(noise)
			w.pass(10 * time.Second)
			sv.say(a(0))
			w.pass(20 * time.Second)
			w.happened("received noise")
		})
	})
	t.Run("sec 71 much that was written takes its time", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			st := message("m1").Add(framing.New(framing.NSClient, "body").AddText(strings.Repeat("x", 200_000)))
			w.sendAll(st)
			w.pass(29 * time.Second)
			w.happened()
			sv.say(a(1))
			w.happened("acknowledged m1")
			w.s.Wake(Manual)
			w.pass(11 * time.Second)
			w.forget()
			sv.read()
			if !sv.gone() {
				t.Fatal("what has arrived still counts")
			}
		})
	})
	t.Run("sec 71 a socket that gets rid of it is alive", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			mine, theirs := framing.Pipe()
			slow := &slowSocket{Socket: mine}
			slow.buffered.Store(100_000)
			w.next().result <- &connect.Session{
				Conn: framing.NewConn(slow, framing.ConnOptions{}), JID: me, Features: parse(t, featuresNoSM),
			}
			w.happened("trying", "online")
			w.s.Wake(Manual)
			for range 3 {
				w.pass(9 * time.Second)
				slow.buffered.Add(-10_000)
			}
			w.happened()
			w.pass(20 * time.Second)
			w.forget()
			if !(&server{w: w, socket: theirs}).gone() {
				t.Fatal("a full socket that does not move is not noticed")
			}
		})
	})
	t.Run("sec 74 nothing is put into a full socket", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			mine, theirs := framing.Pipe()
			slow := &slowSocket{Socket: mine}
			slow.buffered.Store(maxBuffered + 1)
			w.next().result <- &connect.Session{
				Conn: framing.NewConn(slow, framing.ConnOptions{}), JID: me, Features: parse(t, featuresNoSM),
			}
			sv := &server{w: w, socket: theirs}
			w.send("m1")
			w.pass(time.Second)
			sv.got()
			slow.buffered.Store(0)
			w.pass(bufferPoll)
			sv.got(written("m1"))
		})
	})
}

// slowSocket is a socket that reports how much it has not written yet.
type slowSocket struct {
	framing.Socket
	buffered atomic.Int64
}

func (s *slowSocket) Buffered() int { return int(s.buffered.Load()) }

// If the browser says that there is no network, the stream checks that with a short wait.
func TestK05_NetworkGone(t *testing.T) {
	t.Run("K05 nobody answers", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.s.Wake(Visible)
			w.s.Wake(NetworkGone) // wakeInterval does not hold for it
			sv.got(r)
			w.pass(answerOffline - 1)
			w.happened()
			w.pass(1)
			w.happened("offline timeout")
			w.s.Wake(NetworkGone)
			if !sv.gone() {
				t.Fatal("the socket is still open")
			}
			w.pass(wakeInterval)
			w.s.Wake(NetworkBack)
			if c := w.next(); c.resume == nil {
				t.Fatal("not resumed")
			}
		})
	})
	t.Run("K05 asked already", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.send("m1")
			w.pass(9 * time.Second)
			sv.read()
			w.s.Wake(NetworkGone) // the wait that is left is shorter already
			w.pass(answerOffline - 100*time.Millisecond)
			w.happened("offline timeout")
		})
	})
	t.Run("K05 the browser is wrong", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.s.Wake(NetworkGone)
			sv.got(r)
			w.pass(answerOffline / 2)
			sv.say(a(0))
			w.pass(time.Minute / 2)
			w.happened()
		})
	})
	t.Run("K05 something is heard", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.s.Wake(NetworkGone)
			w.pass(answerOffline / 2)
			sv.say(noise)
			w.pass(answerOffline)
			w.happened("received noise")
		})
	})
}

// K07: the machine was asleep, so no timer has run.
func TestK07_Sleep(t *testing.T) {
	t.Run("K07 a timer that is much too late", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.s.Hide(true)
			sv := w.managedHidden()
			w.pass(10 * time.Second)
			w.asleep.Add(int64(time.Minute))
			w.pass(20 * time.Second)
			sv.got(r)
		})
	})
	t.Run("K07 the answer had no chance", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.s.Request(get("q1", "example.org"), func(*framing.Element, error) {})
			w.pass(time.Second)
			w.asleep.Add(int64(time.Hour))
			w.pass(15 * time.Second)
			w.happened()
			sv.say(a(1))
			w.pass(20 * time.Second)
			w.happened("acknowledged q1")
			sv.say(`<iq xmlns="jabber:client" type="result" id="q1" from="example.org"/>`)
			w.happened("replied q1 <nil>")
		})
	})
	t.Run("K07 a probe on wake", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			for _, reason := range []Wake{NetworkBack, Visible, Awake, Manual} {
				w.pass(wakeInterval)
				w.s.Wake(reason)
				sv.got(r)
				sv.say(a(0))
				w.s.Wake(NetworkBack)
				sv.got() // wakeInterval has not passed
			}
		})
	})
}

// managedHidden is managed with a hidden page.
func (w *world) managedHidden() *server {
	w.t.Helper()
	sv := w.next().fresh(featuresSM)
	sv.got(enable, inactiveCSI)
	sv.say(enabled)
	return sv
}

func TestK10_ClientState(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.managed()
		w.s.Hide(false)
		sv.got()
		w.s.Hide(true)
		w.s.Hide(true)
		sv.got(inactiveCSI)
		sv.cut()
		w.pass(10 * time.Second)
		sv = w.next().resumed(0)
		sv.got(inactiveCSI)
		w.s.Hide(false)
		sv.got(activeCSI)
		sv.cut()
		w.s.Hide(true)
		w.s.Hide(false)
		w.pass(10 * time.Second)
		sv = w.next().resumed(0)
		sv.got() // a new stream is active without <active/>
	})
	t.Run("K10 not where it is not offered", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.plain()
			w.s.Hide(true)
			sv.got()
		})
	})
}

// Sec74: if the owner is behind by more than Config.Backlog, no more is read from the server.
func TestSec74_Backlog(t *testing.T) {
	bubble(t, Config{Backlog: 10}, func(t *testing.T, w *world) {
		w.busy = true
		sv := w.managed()
		for range 100 {
			sv.say(noise)
		}
		w.s.Wake(Manual)
		w.pass(time.Hour) // the server is not taken for silent meanwhile
		if n := len(w.seen); n != 11 {
			t.Fatalf("%d stanzas were read", n)
		}
		w.forget()
		for range 100 {
			w.handle()
			synctest.Wait()
		}
		if n := len(w.seen); n != 89 {
			t.Fatalf("%d more stanzas were read", n)
		}
		sv.say(r)
		docs := sv.read()
		if last := docs[len(docs)-1]; last != a(100) {
			t.Fatal(last)
		}
	})
}
