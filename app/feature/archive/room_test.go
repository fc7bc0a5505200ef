//go:build linux

package archive_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/feature"
	"natter/app/feature/archive"
	"natter/app/feature/chat"
	"natter/app/feature/creation"
	"natter/app/feature/presence"
	"natter/app/feature/rooms"
	"natter/app/feature/roster"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
)

func TestMain(m *testing.M) { os.Exit(xmpptest.Main(m)) }

const patience = time.Minute

// occupant is somebody in a room, with a client.
type occupant struct {
	*client.Client
	t       *testing.T
	changed chan struct{}

	mu     sync.Mutex
	socket framing.Socket
	away   bool   // the occupant has no network
	heard  string // the last message in the room
}

var previd = regexp.MustCompile(`previd=['"][^'"]*['"]`)

// forgetful is a socket on which no stream is resumed.
type forgetful struct{ framing.Socket }

func (f forgetful) Write(ctx context.Context, doc string) error {
	return f.Socket.Write(ctx, previd.ReplaceAllString(doc, `previd="nonsense"`))
}

// enter signs in at an endpoint, and enters the room.
func enter(t *testing.T, account jid.JID, endpoint string, room jid.JID) *occupant {
	t.Helper()
	o := &occupant{t: t, changed: make(chan struct{}, 1)}
	change := func() {
		select {
		case o.changed <- struct{}{}:
		default:
		}
	}
	listener := &feature.Feature{
		Name: "listener",
		Messages: map[framing.Name]feature.Handler{
			{Space: framing.NSClient, Local: "body"}: func(_ feature.Client, st *feature.Stanza) {
				if st.Type == "groupchat" && st.Source == feature.Live {
					o.mu.Lock()
					o.heard = st.Child(framing.NSClient, "body").Text()
					o.mu.Unlock()
					change()
				}
			},
		},
	}
	o.Client = client.New(client.Config{
		Connector: &connect.Connector{
			Find: &discover.Finder{AllowLoopback: true},
			Dial: func(ctx context.Context, url string) (framing.Socket, error) {
				o.mu.Lock()
				defer o.mu.Unlock()
				if o.away {
					return nil, errors.New("no network")
				}
				s, err := native.Dial(ctx, url, native.Options{CloseTimeout: 100 * time.Millisecond})
				if err != nil {
					return nil, err
				}
				o.socket = s
				return forgetful{s}, nil
			},
			Crypto: sasl.Standard{},
			Pins:   noPins{},
			NewID:  rand.Text,

			StepTimeout: patience, // a busy machine must not fail the test
		},
		Features: func() []*feature.Feature {
			return []*feature.Feature{roster.New(), chat.New(), presence.New(), rooms.New(), creation.New(), archive.New(), listener}
		},
		Random: func() float64 { return 0.05 },
		Log:    func(format string, args ...any) { t.Errorf(format, args...) },
	})
	o.Watch(change)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { _ = o.Run(ctx); close(over) }()
	t.Cleanup(func() { cancel(); <-over })
	o.Do(state.SignIn{Address: string(account), Password: "secret", Server: endpoint})
	o.until("online", func(s *state.State) bool { return s.Connection.Phase == state.Online })
	o.Do(state.JoinRoom{Room: room, Create: true, Seen: true})
	return o
}

type noPins struct{}

func (noPins) SCRAMSeen(jid.JID) bool { return false }
func (noPins) SetSCRAMSeen(jid.JID)   {}

func (o *occupant) until(what string, ok func(*state.State) bool) *state.State {
	o.t.Helper()
	late := time.After(patience)
	for {
		s := o.State()
		if ok(s) {
			return s
		}
		select {
		case <-o.changed:
		case <-late:
			for c := range s.Coverages {
				o.t.Logf("%+v", *c)
			}
			for c := range s.Chats {
				o.t.Logf("%s: %d messages, gaps %+v", c.Conv, c.Timeline.Len(), s.Gaps(c.Conv))
			}
			o.t.Fatalf("%s waited in vain: %s: %+v", s.Me, what, s.Connection)
		}
	}
}

// leave takes the network away, until back.
func (o *occupant) leave() {
	o.mu.Lock()
	o.away = true
	s := o.socket
	o.mu.Unlock()
	_ = s.Close(1000, "")
	o.until("offline", func(s *state.State) bool { return s.Connection.Phase != state.Online })
}

func (o *occupant) back() {
	o.mu.Lock()
	o.away = false
	o.mu.Unlock()
	o.Do(state.Reconnect{})
}

// has fails the test unless a conversation has exactly the messages from from up to to, to excluded.
func (o *occupant) has(conv state.ConvID, from, to int) {
	o.t.Helper()
	var got, want []string
	if c := o.State().Chat(conv); c != nil {
		for _, m := range c.Timeline.Newest(c.Timeline.Len()) {
			got = append(got, m.Body)
		}
	}
	for i := range to - from {
		want = append(want, words(from+i))
	}
	if !slices.Equal(got, want) {
		o.t.Errorf("with %s there is\n%q, want\n%q", conv, got, want)
	}
}

func words(i int) string { return fmt.Sprintf("message %d", i) }

func (o *occupant) write(typ string, to jid.JID, body string) {
	o.Send(framing.New(framing.NSClient, "message").Set("type", typ).Set("to", string(to)).Set("id", rand.Text()).
		Add(framing.New(framing.NSClient, "body").AddText(body)))
}

// says writes messages to the room, and returns when the room has sent back the last one.
func (o *occupant) says(room jid.JID, from, to int) {
	o.t.Helper()
	for i := from; i < to; i++ {
		o.write("groupchat", room, words(i))
	}
	o.until("the room has passed it on", func(*state.State) bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.heard == words(to-1)
	})
}

// The archive of a room is read at the same time as our own: its newest page, forward after a time without a
// network, and backward to its beginning.
func TestSec66_Room(t *testing.T) {
	xmpptest.All(t, func(t *testing.T, s *xmpptest.Server) {
		room := jid.JID(strings.ToLower(rand.Text()) + "@" + s.Rooms)
		friend, account := s.Account(t, "", "secret"), s.Account(t, "", "secret")
		grace := enter(t, friend, s.WS, room)
		grace.until("the room", func(s *state.State) bool { return caughtUp(s, room) })
		grace.says(room, 0, 70)

		ada := enter(t, account, s.WS, room)
		settled := func(n int) func(*state.State) bool {
			return func(s *state.State) bool {
				c := s.Chat(state.Groupchat.With(room))
				return s.CaughtUp && caughtUp(s, account) && caughtUp(s, room) && c != nil && c.Timeline.Len() >= n
			}
		}
		ada.until("the newest page", settled(50))
		ada.has(state.Groupchat.With(room), 20, 70)

		ada.leave()
		for i := range 120 { // several pages of our own archive too
			grace.write("chat", account, words(i))
		}
		grace.says(room, 70, 190)
		ada.back()
		ada.until("what was missed", settled(170))
		ada.until("what was said to her alone", func(s *state.State) bool { // a busy ejabberd files these later
			c := s.Chat(state.Direct.With(friend))
			return c != nil && c.Timeline.Len() >= 120
		})
		ada.has(state.Groupchat.With(room), 20, 190)
		ada.has(state.Direct.With(friend), 0, 120)

		for n := 170; !ada.State().Whole(state.Groupchat.With(room)); n = ada.State().Chat(state.Groupchat.With(room)).Timeline.Len() {
			ada.Do(state.LoadOlder{Conv: state.Groupchat.With(room)})
			ada.until("an older page", func(s *state.State) bool {
				return settled(n+1)(s) || s.Whole(state.Groupchat.With(room))
			})
		}
		ada.has(state.Groupchat.With(room), 0, 190)
		if gaps := ada.State().Gaps(state.Groupchat.With(room)); len(gaps) > 0 {
			t.Errorf("there are gaps left: %+v", gaps)
		}
		if ranges := ada.State().Coverage(state.Part{Archive: room}).Ranges; len(ranges) != 1 || !ranges[0].Start {
			t.Errorf("of the archive there is %+v", ranges)
		}
	})
}

// Seek finds a message that is only in the archive: in a room by the archive id, with the messages around it and
// a gap after them; in a conversation of two by the id of the author. A message that is in no archive is not
// found.
func TestS20_Sought(t *testing.T) {
	xmpptest.All(t, func(t *testing.T, s *xmpptest.Server) {
		room := jid.JID(strings.ToLower(rand.Text()) + "@" + s.Rooms)
		lounge := state.Groupchat.With(room)
		friend, account := s.Account(t, "", "secret"), s.Account(t, "", "secret")
		grace := enter(t, friend, s.WS, room)
		grace.until("the room", func(s *state.State) bool { return caughtUp(s, room) })
		grace.says(room, 0, 190)
		id, early := "", rand.Text()
		for m := range grace.State().Chat(lounge).Timeline.All {
			if m.Body == words(20) {
				id = m.ArchiveID
			}
		}
		grace.Send(framing.New(framing.NSClient, "message").Set("type", "chat").Set("to", string(account)).Set("id", early).
			Add(framing.New(framing.NSClient, "body").AddText("early")))
		for i := range 120 {
			grace.write("chat", account, words(i))
		}
		grace.says(room, 190, 191) // when the room has this one, our archive has the messages before it

		ada := enter(t, account, s.WS, room)
		ada.until("the newest pages", func(s *state.State) bool {
			c := s.Chat(state.Direct.With(friend))
			return s.CaughtUp && caughtUp(s, account) && caughtUp(s, room) && c != nil && c.Timeline.Len() > 0
		})
		seek := func(to state.Seek) *state.State {
			t.Helper()
			ada.Do(to)
			return ada.until("an answer", func(s *state.State) bool { return s.Sought != nil && s.Sought.Seek == to && !s.Sought.Loading })
		}
		now := seek(state.Seek{Conv: lounge, Of: state.Target{Conv: lounge, ID: id}})
		if m := now.About(state.Target{Conv: lounge, ID: id}); m == nil || m.Body != words(20) || m.Key != now.Sought.Key {
			t.Errorf("found is %+v, %+v", m, now.Sought)
		}
		var around []string
		for m := range now.Chat(lounge).Timeline.All {
			if len(around) < 24 {
				around = append(around, m.Body)
			}
		}
		if gaps := now.Gaps(lounge); len(around) < 24 || around[0] != words(0) || around[23] != words(23) || len(gaps) != 1 || gaps[0].After.ID == "" {
			t.Errorf("around it is %q, with gaps %+v", around, gaps)
		}
		if now = seek(state.Seek{Conv: lounge, Of: state.Target{Conv: lounge, ID: "1234567890123456"}}); now.Sought.Problem == "" {
			t.Errorf("found is %+v", now.Sought)
		}
		with := state.Direct.With(friend)
		now = seek(state.Seek{Conv: with, Of: state.Target{Conv: with, Author: friend, ID: early}})
		if m := now.About(state.Target{Conv: with, Author: friend, ID: early}); m == nil || m.Body != "early" {
			t.Errorf("found is %+v, %+v", m, now.Sought)
		}

		// The XML of a message: by its archive id, and by its own while the archive id is not known.
		mine := rand.Text()
		ada.Do(state.SendMessage{Conv: with, ID: mine, Body: "of mine", At: time.Now()})
		ada.until("the server has it", func(s *state.State) bool {
			m := s.About(state.Target{Conv: with, Author: account, ID: mine})
			return m != nil && m.Delivery >= state.OnServer
		})
		first := now.About(state.Target{Conv: with, Author: friend, ID: early})
		for in, want := range map[state.ReadOriginal]string{
			{Conv: lounge, ID: "any", ArchiveID: id}:                               "<body>" + words(20) + "</body>",
			{Conv: with, Author: friend, ID: early, ArchiveID: first.ArchiveID}:    "<body>early</body>",
			{Conv: with, Author: account, ID: mine}:                                "<body>of mine</body>",
			{Conv: with, Author: friend, ID: early, ArchiveID: "1234567890123456"}: "",
		} {
			for late := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) { // a busy ejabberd files it later
				ada.Do(in)
				s := ada.until("an answer", func(s *state.State) bool {
					return s.Original != nil && s.Original.ReadOriginal == in && !s.Original.Loading
				})
				o := s.Original
				if strings.Contains(o.XML, want) && (want == "") == (o.Problem != "") {
					break
				}
				if time.Now().After(late) {
					t.Errorf("of %+v there is %q, %q", in, o.XML, o.Problem)
					break
				}
			}
		}
	})
}

// The archive of a room is not believed about messages that are not of this room.
func TestS13_RoomOfOthers(t *testing.T) {
	const room, grace = "room@rooms.localhost", "grace@localhost"
	peer := xmpptest.NewPeer(t, func(c *xmpptest.PeerConn) {
		c.Login("SCRAM-SHA-256", "ada", "secret")
		c.Wait(func(e *framing.Element) bool {
			switch q := e.Child(archive.NS, "query"); {
			case e.Is(framing.NSFraming, "close"):
				return true
			case e.Attr("to") == room && q == nil:
				c.Sendf(`<iq xmlns='jabber:client' type='result' from='%s' id='%s'><query xmlns='http://jabber.org/protocol/disco#info'>`+
					`<identity category='conference' type='text'/><feature var='%s'/></query></iq>`, room, e.Attr("id"), archive.NS)
			case e.Attr("to") == room+"/ada":
				c.Sendf(`<presence xmlns='jabber:client' from='%s/ada' to='%s'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' role='participant'/><status code='110'/></x></presence>`, room, c.JID)
			case e.Attr("to") == room:
				for i, message := range []string{
					`type='groupchat' from='` + room + `/grace' id='m1'><body>to all</body>`,
					`type='chat' from='` + grace + `' id='m2'><body>forged</body>`,
					`type='chat' from='ada@localhost' to='` + grace + `' id='m3'><body>forged, too</body>`,
				} {
					c.Sendf(`<message xmlns='jabber:client' from='%s'><result xmlns='%s' queryid='%s' id='a%d'><forwarded xmlns='urn:xmpp:forward:0'>`+
						`<delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:0%dZ'/><message xmlns='jabber:client' %s</message></forwarded></result></message>`,
						room, archive.NS, q.Attr("queryid"), i, i, message)
				}
				c.Sendf(`<iq xmlns='jabber:client' type='result' from='%s' id='%s'><fin xmlns='%s' complete='true'/></iq>`, room, e.Attr("id"), archive.NS)
			case e.Is(framing.NSClient, "iq"):
				c.Answer(e)
			}
			return false
		})
	})
	ada := enter(t, "ada@localhost", peer.URL, room)
	s := ada.until("what the room has to say", func(s *state.State) bool { return caughtUp(s, room) })
	if c := s.Chat(state.Groupchat.With(room)); c == nil || c.Timeline.Len() != 1 || c.Timeline.Last().Body != "to all" {
		t.Errorf("in the room: %+v", c)
	}
	if c := s.Chat(grace); c != nil {
		t.Errorf("a room has spoken for somebody else: %+v", c.Timeline.Last())
	}
}

// caughtUp reports whether a catch-up with an archive has come to its end.
func caughtUp(s *state.State, archive jid.JID) bool {
	c := s.Coverage(state.Part{Archive: archive})
	return len(c.Ranges) > 0 && c.Open.IsZero() && !c.Fill.Loading
}
