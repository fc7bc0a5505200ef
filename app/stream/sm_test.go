package stream

import (
	"math"
	"strings"
	"testing"
	"time"

	"natter/app/connect"
	"natter/framing"
)

func TestM01_Enable(t *testing.T) {
	t.Run("M01 once and before anything else", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.send("early")
			sv := w.next().fresh(featuresSM)
			w.send("m1")
			sv.got(enable, written("early"), written("m1"))
		})
	})
	t.Run("M01 not where it is not offered", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.plain()
			w.send("m1")
			sv.got(written("m1"))
		})
	})
	t.Run("M01 not when Bind 2 has done it", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.next().succeed(func(s *connect.Session) {
				s.Features, s.SM = parse(t, featuresSM), parse(t, enabled)
			})
			w.send("m1")
			w.pass(time.Second)
			sv.got(written("m1"), r)
			sv.cut()
			w.pass(10 * time.Second)
			if c := w.next(); c.resume == nil || c.resume.ID != "stream1" {
				t.Fatalf("resume %v", c.resume)
			}
		})
	})
	t.Run("M01 not on a resumed stream", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.managed().cut()
			w.pass(10 * time.Second)
			sv := w.next().resumed(0)
			w.send("m1")
			sv.got(written("m1"))
		})
	})
	t.Run("M01 refused", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.next().fresh(featuresSM)
			w.send("m1")
			sv.got(enable, written("m1"))
			sv.say(`<failed xmlns="urn:xmpp:sm:3"><unexpected-request xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`)
			w.pass(time.Second)
			sv.got(ping("id1"))
			sv.say(pong("id1"))
			w.happened("trying", "online", "acknowledged m1")
			sv.cut()
			w.pass(10 * time.Second)
			if c := w.next(); c.resume != nil {
				t.Fatalf("resume %v", c.resume)
			}
		})
	})
}

func TestM02_Counting(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.next().fresh(featuresSM)
		w.send("m1") // counts: it follows <enable/>
		sv.say(`<message xmlns="jabber:client" id="before"/>`)
		sv.say(enabled)
		sv.say(
			`<message xmlns="jabber:client" id="in1"/>`,
			`<presence xmlns="jabber:client" id="in2"/>`,
			`<iq xmlns="jabber:client" type="get" id="in3"><ping xmlns="urn:xmpp:ping"/></iq>`,
			`<iq xmlns="jabber:client" type="result" id="nobody-asked"/>`,
			`<active xmlns="urn:example"/>`,
			`<message xmlns="urn:example"/>`,
			a(1),
		)
		w.happened("trying", "online", "received before", "received in1", "received in2", "received in3", "received nobody-asked", "acknowledged m1")
		sv.read()
		sv.say(r)
		sv.got(a(4))
	})
}

func TestM03_Answer(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.next().fresh(featuresSM)
		sv.got(enable)
		sv.say(r)
		sv.got(a(0))
		sv.say(enabled, `<message xmlns="jabber:client" id="in1"/>`)
		sv.say(r)
		sv.got(a(1))
	})
	t.Run("M03 not without Stream Management", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.plain()
			sv.say(r)
			sv.got()
		})
	})
}

func TestM04_Wrap(t *testing.T) {
	restore := &Snapshot{ID: "stream1", JID: me, H: math.MaxUint32, Acked: math.MaxUint32 - 1}
	bubble(t, Config{Restore: restore}, func(t *testing.T, w *world) {
		c := w.next()
		if c.resume.H != math.MaxUint32 {
			t.Fatalf("h %d", c.resume.H)
		}
		sv := c.resumed(math.MaxUint32 - 1)
		w.send("m1")
		w.send("m2")
		w.send("m3")
		sv.got(written("m1"), written("m2"), written("m3"))
		sv.say(a(math.MaxUint32))
		sv.say(a(1))
		w.happened("trying", "resumed", "redelivered", "acknowledged m1", "acknowledged m2 m3")
		sv.say(`<message xmlns="jabber:client" id="in1"/>`)
		sv.say(r)
		sv.got(a(0))
	})
	for _, yes := range []string{"true", "1"} {
		t.Run("M04 resume="+yes, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *world) {
				sv := w.next().fresh(featuresSM)
				sv.say(strings.Replace(enabled, "true", yes, 1))
				sv.cut()
				w.pass(10 * time.Second)
				if w.next().resume == nil {
					t.Fatal("not resumed")
				}
			})
		})
	}
	for _, no := range []string{"false", "0"} {
		t.Run("M04 resume="+no, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *world) {
				sv := w.next().fresh(featuresSM)
				sv.say(strings.Replace(enabled, "true", no, 1))
				sv.cut()
				w.pass(10 * time.Second)
				if w.next().resume != nil {
					t.Fatal("resumed")
				}
			})
		})
	}
}

func TestM05_Prefix(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.managed()
		for _, id := range []string{"m1", "m2", "m3"} {
			w.send(id)
		}
		sv.read()
		sv.say(a(1))
		w.happened("acknowledged m1")
		sv.say(a(1), `<a xmlns="urn:xmpp:sm:3" h="-1"/>`, `<a xmlns="urn:xmpp:sm:3"/>`)
		w.happened()
		sv.say(a(3))
		w.happened("acknowledged m2 m3")
	})
}

func TestM06_TooHigh(t *testing.T) {
	const failure = `<error xmlns="http://etherx.jabber.org/streams">` +
		`<undefined-condition xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>` +
		`<handled-count-too-high xmlns="urn:xmpp:sm:3" h="2" send-count="1"/></error>`
	t.Run("M06 in an answer", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.send("m1")
			sv.got(written("m1"))
			sv.say(a(2))
			sv.got(failure, closed)
			w.happened("offline", "unsent m1")
			w.pass(10 * time.Second)
			if c := w.next(); c.resume != nil {
				t.Fatal("a stream with wrong counts is resumed")
			}
		})
	})
	t.Run("M06 when resumed", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.send("m1")
			sv.cut()
			w.pass(10 * time.Second)
			sv = w.next().mute(2)
			sv.got(failure, closed)
		})
	})
	t.Run("M06 said by the server", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.send("m1")
			sv.read()
			sv.fails("undefined-condition")
			w.happened("offline undefined-condition", "unsent m1")
			w.pass(20 * time.Second)
			if c := w.next(); c.resume != nil {
				t.Fatal("a stream with wrong counts is resumed")
			}
		})
	})
}

// M07.
func TestM07_Resume(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.managed()
		sv.say(`<message xmlns="jabber:client" id="in1"/>`)
		w.send("m1")
		w.send("m2")
		w.send("m3")
		sv.got(written("m1"), written("m2"), written("m3"))
		sv.cut()
		w.send("m4")
		w.happened("received in1", "offline")
		w.pass(10 * time.Second)
		c := w.next()
		if *c.resume != (connect.Resume{ID: "stream1", H: 1, JID: me}) {
			t.Fatalf("resume %+v", *c.resume)
		}
		w.send("m5")
		sv = c.resumed(1)
		w.happened("trying", "resumed", "acknowledged m1", "redelivered")
		sv.got(written("m2"), written("m3"), written("m4"), written("m5"))
		sv.say(a(5))
		w.happened("acknowledged m2 m3 m4 m5")
		sv.say(`<message xmlns="jabber:client" id="in2"/>`)
		sv.say(r)
		sv.got(a(2))
	})
	t.Run("M07 over and over", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.send("m1")
			for range 5 {
				sv.cut()
				w.pass(time.Minute)
				sv = w.next().resumed(0)
				sv.got(written("m1"))
			}
			sv.say(a(1))
			w.forget()
			if n := len(w.s.Snapshot(0).Order); n != 0 {
				t.Fatalf("%d stanzas are left", n)
			}
		})
	})
	t.Run("sec 62 what is not handled yet is not counted, nor received twice", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.busy = true
			sv := w.managed()
			sv.say(`<message xmlns="jabber:client" id="in1"/>`, `<message xmlns="jabber:client" id="in2"/>`)
			sv.cut()
			w.pass(10 * time.Second)
			w.handle()
			w.noTry()
			w.handle()
			if c := w.next(); c.resume.H != 2 {
				t.Fatalf("h %d", c.resume.H)
			}
		})
	})
}

// M08, M09, Sec63.
func TestM08_ResumeFails(t *testing.T) {
	for _, tc := range []struct {
		name string
		h    *uint32
		want []string
	}{
		{"M08 M09 with the count", new(uint32(1)), []string{"trying", "acknowledged m1", "online", "unsent m2 p1 room1"}},
		{"M08 M09 without", nil, []string{"trying", "online", "unsent m1 m2 p1 room1"}},
		{"M08 with nonsense", new(uint32(77)), []string{"trying", "online", "unsent m1 m2 p1 room1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *world) {
				sv := w.managed()
				presence := message("p1")
				presence.Name.Local = "presence"
				answer := get("answer", "grace@example.org").Set("type", "result")
				w.sendAll(message("m1"), message("m2"), presence, answer)
				sv.say(`<message xmlns="jabber:client" id="in1"/>`)
				sv.cut()
				w.sendAll(message("room1").Set("type", "groupchat")) // never written, and the new stream is in no room
				w.send("m3")                                         // never written: it simply waits
				w.sendAll(get("stale", "grace@example.org").Set("type", "result"))
				w.pass(10 * time.Second)
				w.forget()
				c := w.next()
				w.seen <- "trying"
				sv = c.succeed(func(s *connect.Session) {
					s.Features, s.FailedH = parse(t, featuresSM), tc.h
				})
				w.happened(tc.want...)
				// A message that was sent later must not leave before them; other stanzas may.
				w.sendAll(get("q1", "example.org"))
				sv.got(enable, get("q1", "example.org").String())
				w.s.Decide(0, nil)
				sv.got()
				w.decide(1, message("m2"))
				sv.got(written("m2"), written("m3"))
				sv.say(strings.Replace(enabled, "stream1", "stream2", 1), r)
				sv.got(a(0))
				sv.say(a(3))
				w.happened("acknowledged q1 m2 m3")
				if id := w.s.Snapshot(0).ID; id != "stream2" {
					t.Fatalf("the old stream is still there: %s", id)
				}
			})
		})
	}
}

// M09, J07: a message to a room that was never written is in doubt like those that were, so a later one does not leave
// before it.
func TestM09_LaterMessagesWaitForOnesToRooms(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		room := func(id string) *framing.Element { return message(id).Set("type", "groupchat") }
		sv := w.managed()
		sv.cut()
		w.sendAll(room("room1"))
		w.pass(10 * time.Second)
		w.forget()
		sv = w.next().succeed(func(s *connect.Session) { s.Features = parse(t, featuresSM) })
		w.happened("online", "unsent room1")
		w.sendAll(room("room2"))
		sv.got(enable)
		w.decide(1, room("room1"))
		sv.got(room("room1").String(), room("room2").String())
	})
}

// Stanzas that the lost socket had not delivered come before the server's first count.
func TestM07_Redelivered(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.managed()
		sv.cut()
		w.pass(longWait)
		sv = w.next().mute(0)
		sv.got(r)
		w.forget()
		sv.say(`<message xmlns="jabber:client" id="in1"/>`, a(0), `<message xmlns="jabber:client" id="in2"/>`, a(0))
		w.happened("received in1", "redelivered", "received in2")
	})
}

// M10, M14, C01 to C04.
// A stream error on a resumed stream may be about an earlier socket, so it is no reason to
// stop.
func TestM08_ResumedAndMistaken(t *testing.T) {
	for name, end := range map[string]func(*world, *server){
		"another of us": func(w *world, sv *server) {
			w.pass(time.Second)
			sv.say(a(1))
			w.pass(rivalTime - time.Second - 1)
			sv.fails("conflict")
		},
		"a stream error":                    func(_ *world, sv *server) { sv.fails("not-well-formed") },
		"a WebSocket closed over a frame":   func(_ *world, sv *server) { sv.hangUp(3002) },
		"a WebSocket closed over a payload": func(_ *world, sv *server) { sv.hangUp(3007) },
		"silence":                           func(w *world, _ *server) { w.pass(5 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *world) {
				sv := w.managed()
				w.send("m1")
				sv.read()
				sv.cut()
				w.pass(longWait)
				sv = w.next().mute(0)
				sv.got(r, written("m1"))
				end(w, sv)
				w.pass(longWait)
				c := w.next()
				if c.resume != nil {
					t.Fatalf("resumes once more: %+v", *c.resume)
				}
				w.forget()
				c.fresh(featuresSM).fails("not-well-formed")
				w.happened("online", "offline not-well-formed for good") // twin: on a new stream it is about us
			})
		})
	}
	t.Run("a cut is not that", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			for range 3 {
				sv.cut()
				w.pass(longWait)
				sv = w.next().resumed(0)
			}
		})
	})
	t.Run("another of us, later", func(t *testing.T) { // twin: as final as any other
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			sv.cut()
			w.pass(longWait)
			sv = w.next().resumed(0)
			w.pass(rivalTime)
			w.forget()
			sv.fails("conflict")
			w.happened("offline conflict for good")
		})
	})
}

func TestM10_Close(t *testing.T) {
	t.Run("M10 M14 C01 C02 C03", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			sv.say(`<message xmlns="jabber:client" id="in1"/>`)
			w.send("m1")
			done := make(chan error)
			go func() { done <- w.s.Close(t.Context()) }()
			sv.got(written("m1"), a(1), closed)
			sv.say(a(1), `<message xmlns="jabber:client" id="in2"/>`, peersClose)
			w.happened("received in1", "acknowledged m1", "received in2")
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if err := <-w.ran; err != nil {
				t.Fatal(err)
			}
			sv.got()
			if !sv.gone() {
				t.Fatal("C03: the socket is still open")
			}
			if _, err := w.s.Send(message("late")); err != ErrClosed {
				t.Fatal(err)
			}
			if sn := w.s.Snapshot(0); sn.ID != "" {
				t.Fatalf("M14: %q could be resumed", sn.ID)
			}
		})
	})
	t.Run("C02 the peer does not answer", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			if err := w.s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !sv.gone() {
				t.Fatal("the socket is still open")
			}
		})
	})
	t.Run("C04 M14 the peer closes", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.send("m1")
			sv.read()
			sv.say(peersClose)
			sv.got(closed)
			sv.hangUp(1000)
			w.happened("offline", "unsent m1")
			w.pass(20 * time.Second)
			if c := w.next(); c.resume != nil {
				t.Fatal("M14: a stream closed in good order is resumed")
			}
		})
	})
	t.Run("while connecting", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.next()
			if err := w.s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("while waiting", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.managed().cut()
			if err := w.s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Hour)
			w.noTry()
		})
	})
}

func TestM12_Location(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.next().fresh(featuresSM)
		sv.say(strings.Replace(enabled, "max", `location="evil.example:443" max`, 1))
		sv.cut()
		w.pass(10 * time.Second)
		if c := w.next(); c.redirect != "" || c.resume == nil || c.resume.At != "evil.example:443" {
			t.Fatalf("%+v", c)
		}
	})
}

func TestM13_Max(t *testing.T) {
	for _, tc := range []struct {
		name   string
		offset time.Duration // slept, of which timers know nothing
		resume bool
	}{
		{"M13 in time", 200 * time.Second, true},
		{"M13 too late", 301 * time.Second, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *world) {
				sv := w.managed()
				w.send("m1")
				sv.cut()
				w.forget()
				w.asleep.Add(int64(tc.offset))
				w.s.Wake(Awake)
				if got := w.next().resume != nil; got != tc.resume {
					t.Fatalf("resume %v", got)
				}
				if tc.resume {
					w.happened("trying")
				} else {
					w.happened("unsent m1", "trying")
				}
			})
		})
	}
	t.Run("M13 restored", func(t *testing.T) {
		for _, tc := range []struct {
			name   string
			end    func(sv *server)
			resume bool
		}{
			{"M13 long after its connection was lost", (*server).cut, false},
			// Of a stream on which nothing was said for long that is all there is on disk.
			{"M13 long after the last word on it", func(*server) {}, true},
		} {
			t.Run(tc.name, func(t *testing.T) {
				bubble(t, Config{}, func(t *testing.T, w *world) {
					sv := w.managed()
					tc.end(sv)
					sn := w.kept()
					w.stop()
					<-w.ran
					w.pass(301 * time.Second)
					w.again(sn)
					c := w.next()
					if got := c.resume != nil; got != tc.resume {
						t.Fatalf("resume %v", got)
					}
					if c.resume == nil {
						return
					}
					c.fail(&connect.Error{Phase: connect.Dial})
					w.pass(longWait)
					c = w.next()
					c.resumed(0).cut() // from then on it counts anew
					w.asleep.Add(int64(200 * time.Second))
					w.s.Wake(Manual)
					if w.next().resume == nil {
						t.Fatal("not resumed in time")
					}
				})
			})
		}
	})
}

func TestM15_Handled(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		w.busy = true
		sv := w.managed()
		sv.say(`<message xmlns="jabber:client" id="in1"/>`, `<message xmlns="jabber:client" id="in2"/>`, r)
		sv.got(a(0))
		w.handle()
		sv.say(r)
		sv.got(a(1))
		w.handle()
		sv.got(a(2)) // the server had asked before all was committed
		w.handle()
		sv.say(r)
		sv.got(a(2))
	})
	t.Run("M15 M08 nothing can be handled for a while", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.busy = true
			sv := w.managed()
			sv.say(`<message xmlns="jabber:client" id="in1"/>`)
			w.send("m1")
			w.pass(time.Second)
			sv.got(written("m1"), r)
			sv.cut()
			w.pass(longWait)
			w.happened("received in1", "offline", "unsent m1", "trying")
			c := w.next() // a new stream: the count of the old one could not be stored in time
			if c.resume != nil {
				t.Fatalf("resumes %+v", *c.resume)
			}
			sv = c.fresh(featuresSM)
			sv.got(enable)
			sv.say(enabled, `<message xmlns="jabber:client" id="in2"/>`, r)
			sv.got(a(0))
			w.handle() // a stanza of the old stream
			sv.say(r)
			sv.got(a(0))
			w.handle()
			sv.got(a(1))
		})
	})
	t.Run("M15 M08 only when that takes long", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.busy = true
			sv := w.managed()
			sv.say(`<message xmlns="jabber:client" id="in1"/>`)
			sv.cut()
			w.s.Wake(Manual)
			w.pass(handledTimeout - time.Millisecond)
			w.s.Wake(Manual)
			w.happened("received in1", "offline")
			w.handle()
			if c := w.next(); c.resume == nil || c.resume.H != 1 {
				t.Fatalf("resumes %+v", c.resume)
			}
		})
	})
	t.Run("M15 replies are handled by the owner too", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			w.busy = true
			sv := w.managed()
			w.s.Request(get("q1", "example.org"), func(*framing.Element, error) {})
			sv.read()
			sv.say(`<message xmlns="jabber:client" id="in1"/>`,
				`<iq xmlns="jabber:client" type="result" id="q1" from="example.org"/>`, r)
			w.happened("received in1", "replied q1 <nil>")
			sv.got(a(0))
			w.handle()
			sv.say(r)
			sv.got(a(1))
			w.handle()
			sv.got(a(2))
		})
	})
}

func TestM16_Batches(t *testing.T) {
	t.Run("M16 after five", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			var want []string
			for _, id := range []string{"m1", "m2", "m3", "m4", "m5"} {
				w.send(id)
				want = append(want, written(id))
			}
			sv.got(append(want, r)...)
		})
	})
	t.Run("M16 after a moment", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.send("m1")
			w.pass(200 * time.Millisecond)
			w.send("m2")
			w.pass(200 * time.Millisecond)
			sv.got(written("m1"), written("m2"))
			w.pass(100 * time.Millisecond)
			sv.got(r)
			w.send("m3")
			w.pass(time.Second)
			sv.got(written("m3")) // one question at a time
			sv.say(a(2))
			w.pass(time.Second)
			sv.got(r)
		})
	})
	t.Run("M16 no answer", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.send("m1")
			w.pass(time.Second)
			sv.got(written("m1"), r)
			w.pass(11 * time.Second)
			w.happened("offline timeout", "trying")
			if !sv.gone() {
				t.Fatal("the socket is still open")
			}
			sv = w.next().resumed(0)
			sv.got(written("m1"))
		})
	})
	t.Run("M16 a server that talks but never answers", func(t *testing.T) {
		bubble(t, Config{}, func(t *testing.T, w *world) {
			sv := w.managed()
			w.send("m1")
			for range 8 {
				w.pass(9 * time.Second)
				if sv.gone() {
					return
				}
				sv.say(`<message xmlns="jabber:client" id="in1"/>`)
			}
			t.Fatal("still waiting")
		})
	})
}

func TestM17_AnyMoment(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.next().fresh(featuresSM)
		w.send("m1")
		sv.got(enable, written("m1"))
		sv.say(r, a(1))
		sv.got(a(0))
		sv.say(enabled, enabled)
		sv.say(a(1))
		w.happened("trying", "online", "acknowledged m1")
		done := make(chan error)
		go func() { done <- w.s.Close(t.Context()) }()
		sv.got(a(0), closed)
		sv.say(r, a(1), peersClose)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		sv.got()
	})
}

// Sec70: without Stream Management a pong confirms what was sent before
// its ping.
func TestSec70_WithoutManagement(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *world) {
		sv := w.plain()
		w.send("m1")
		w.pass(time.Second)
		sv.got(written("m1"), ping("id1"))
		w.send("m2")
		sv.say(pong("id1"))
		w.happened("acknowledged m1")
		sv.cut()
		w.happened("offline", "unsent m2")
	})
}

// A message that was written online and leaves late gets a delay with its time. After an hour it is not sent
// without asking the person.
func TestSec63_NothingOldGoesOutUnasked(t *testing.T) {
	said := func(id string) *framing.Element {
		return message(id).Add(framing.New(framing.NSClient, "body").AddText(id))
	}
	const stamp = `<delay xmlns="urn:xmpp:delay" stamp="2000-01-01T00:00:00.000Z"/></message>`
	for _, age := range []time.Duration{30 * time.Second, 59 * time.Minute, 61 * time.Minute} {
		for name, back := range map[string]func(*world) *server{
			"held back behind a message in doubt": func(w *world) *server {
				sv := w.next().fresh(featuresSM)
				w.sendAll(message("m0"))
				sv.read()
				sv.say(peersClose)
				sv.hangUp(1000)
				w.pass(0)
				w.s.Wake(Manual)
				sv = w.next().fresh(featuresSM)
				sv.got(enable)
				sv.say(enabled)
				w.sendAll(said("m1"))
				w.asleep.Add(int64(age))
				w.forget()
				w.s.Decide(1, nil)
				return sv
			},
			"sent again on a resumed stream": func(w *world) *server {
				sv := w.next().fresh(featuresSM)
				sv.say(strings.Replace(enabled, "300", "10000", 1))
				w.sendAll(said("m1"))
				sv.cut()
				w.asleep.Add(int64(age))
				w.s.Wake(Manual)
				c := w.next()
				w.forget()
				return c.resumed(0)
			},
			"sent again on two streams": func(w *world) *server {
				sv := w.next().fresh(featuresSM)
				sv.say(strings.Replace(enabled, "300", "10000", 1))
				w.sendAll(said("m1"))
				sv.cut()
				w.asleep.Add(int64(age / 2))
				w.s.Wake(Manual)
				w.next().resumed(0).cut()
				w.asleep.Add(int64(age - age/2))
				w.s.Wake(Manual)
				c := w.next()
				w.forget()
				return c.resumed(0)
			},
			"settled, and then there was no connection": func(w *world) *server {
				sv := w.next().fresh(featuresSM)
				sv.say(strings.Replace(enabled, "300", "10000", 1))
				w.asleep.Add(int64(age / 2))
				sv.cut()
				w.s.Decide(0, []Again{{said("m1"), time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}})
				w.pass(0)
				w.asleep.Add(int64(age - age/2))
				w.s.Wake(Manual)
				c := w.next()
				w.forget()
				return c.resumed(0)
			},
			"sent again on a stream resumed after a reload": func(w *world) *server {
				sv := w.next().fresh(featuresSM)
				sv.say(strings.Replace(enabled, "300", "10000", 1))
				w.sendAll(said("m1"))
				sv.cut()
				sn := w.kept()
				w.stop()
				<-w.ran
				w.asleep.Add(int64(age))
				w.again(sn)
				c := w.next()
				w.forget()
				return c.resumed(0)
			},
		} {
			t.Run(name+" "+age.String(), func(t *testing.T) {
				bubble(t, Config{}, func(t *testing.T, w *world) {
					sv := back(w)
					want := said("m1").String()
					switch {
					case age > Stale:
						want = ""
					case age > time.Minute:
						want = strings.Replace(want, "</message>", stamp, 1)
					}
					late := said("m2").Add(framing.New(nsDelay, "delay").Set("stamp", "1999-01-01T00:00:00.000Z"))
					w.sendAll(late) // twin: that was written offline
					got := sv.read()
					if want != "" && (len(got) < 1 || got[0] != want) || got[len(got)-1] != late.String() || len(got) > 2 {
						t.Fatalf("sent %q, want %q", got, want)
					}
					sv.say(a(uint32(len(got))))
					w.pass(0)
					var told []string
					for len(w.seen) > 0 {
						told = append(told, <-w.seen)
					}
					all := strings.Join(told, ", ")
					if want == "" != strings.Contains(all, "refused m1") || !strings.Contains(all, "m2") {
						t.Fatal(all)
					}
				})
			})
		}
	}
}
