// Package featuretest plays the stories of a feature: XML in, XML out, and the events. A story is a txtar file in
// the testdata folder of the feature. Its first lines say which rule it shows. Its files are steps, in order:
//
//	-- recv --     stanzas from the server, one on each line
//	-- archive id1 -- the answer to the archive query id1, in the short form of archive.go
//	-- acked --    the server has all that the client has sent (XEP-0198)
//	-- do --       intents, one on each line: SendMessage {"Conv":"grace@localhost","Body":"hi"}
//	-- wait --     a time that passes: 60s
//	-- sent --     the stanzas that the client has sent since the last step sent or asked
//	-- asked --    the same, with archive queries in short form
//	-- events --   the events since the last step events
//	-- restart --  the connection is lost, and a minute later there is a new stream
//	-- resume --   the connection is lost, and a minute later the stream goes on
//	-- timeline -- the conversation with grace, or the one that is named: each line is a message as it is now,
//	               or … for a gap
//
// At the beginning of a story ada@localhost/tab has just signed in, at noon on 2 January 2026. Ids count up: id1,
// id2, …
//
// With -update the test writes what happens into the stories; a reviewer reads the diff.
package featuretest

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/feature"
	"natter/app/state"
	"natter/framing"
)

var update = flag.Bool("update", false, "write what happens into the stories")

// Noon is when stories begin.
var Noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// Run plays all stories in testdata. The features of with are there too, before the new one, for example for stories
// that need a roster.
func Run(t *testing.T, newFeature func() *feature.Feature, with ...func() *feature.Feature) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no stories in testdata")
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			play(t, path, append(with, newFeature))
		})
	}
}

func play(t *testing.T, path string, makers []func() *feature.Feature) {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	story := txtar.Parse(raw)
	resumable := slices.ContainsFunc(story.Files, func(step txtar.File) bool { return step.Name == "resume" })
	s := newStage(t, resumable, func() (all []*feature.Feature) {
		for _, f := range makers {
			all = append(all, f())
		}
		return all
	}, t.Errorf)
	for i, step := range story.Files {
		got, judged := "", true
		name, of, _ := strings.Cut(step.Name, " ")
		switch name {
		case "recv":
			judged = false
			for _, line := range lines(step.Data) {
				s.recv(line)
			}
			s.settle()
		case "archive":
			judged = false
			for _, line := range lines(step.Data) {
				s.recv(longAnswer(t, of, line))
			}
			s.settle()
		case "acked":
			judged = false
			s.settle()
			s.recv(fmt.Sprintf(`<a xmlns="urn:xmpp:sm:3" h="%d"/>`, s.read))
			s.settle()
		case "do":
			judged = false
			for _, line := range lines(step.Data) {
				s.do(line)
			}
			s.settle() // the requests of the intents have left before the story answers them
		case "wait":
			judged = false
			s.wait(strings.TrimSpace(string(step.Data)))
		case "sent":
			s.settle()
			got = join(s.takeSent())
		case "asked":
			s.settle()
			var asked []string
			for _, doc := range s.takeSent() {
				asked = append(asked, shortQuery(doc))
			}
			got = join(asked)
		case "events":
			s.settle()
			got = s.takeEvents()
		case "restart":
			judged = false
			s.restart()
		case "resume":
			judged = false
			s.settle()
			s.resumes = true
			s.restart()
			s.resumes = false
		case "timeline":
			s.settle()
			got = s.timeline(state.ConvID(cmp.Or(of, "grace@localhost")))
		default:
			t.Fatalf("%s: no step is called %q", path, step.Name)
		}
		if !judged {
			continue
		}
		if want := string(step.Data); got != want && !*update {
			t.Errorf("step %d, %s\n--- got\n%s--- want\n%s", i+1, step.Name, got, want)
		}
		story.Files[i].Data = []byte(got)
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(story), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func lines(data []byte) (all []string) {
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// stage is a client whose server is the story.
type stage struct {
	t      *testing.T
	client *client.Client
	server framing.Socket
	clock  *clock
	did    chan struct{} // gets a value when an intent has been carried out
	settl  int
	read   int // stanzas of this stream
	// resumable is whether the stream can be resumed, and resumes whether the next connection does so.
	resumable, resumes bool
	leave              func() // ends the client

	mu     sync.Mutex
	events []state.Event
	sent   []string
}

func newStage(t *testing.T, resumable bool, features func() []*feature.Feature, log func(format string, args ...any)) *stage {
	s := &stage{t: t, resumable: resumable, clock: &clock{now: Noon}, did: make(chan struct{}, 1)}
	recorder := &feature.Feature{
		Name:    "recorder",
		Observe: s.record,
		Do: func(_ feature.Client, in state.Intent) bool {
			s.did <- struct{}{}
			return in == nothing
		},
	}
	ids := 0
	s.client = client.New(client.Config{
		Connector: s,
		Features:  func() []*feature.Feature { return append(features(), recorder) },
		Clock:     s.clock,
		Random:    func() float64 { return 0.5 },
		NewID:     func() string { ids++; return fmt.Sprintf("id%d", ids) },
		Log:       log,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.client.Run(ctx) })
	s.leave = sync.OnceFunc(func() {
		running.Go(s.part)
		cancel()
		running.Wait()
	})
	t.Cleanup(s.leave)
	online := make(chan struct{}, 1)
	stop := s.client.Watch(func() {
		if s.client.State().Connection.Phase == state.Online {
			select {
			case online <- struct{}{}:
			default:
			}
		}
	})
	s.client.Do(state.SignIn{Address: "ada@localhost", Password: "analytical"})
	<-online
	stop()
	s.settle() // the requests of a start have left before the story answers them
	return s
}

// Connect implements client.Connector: it returns a session that is bound already, whose server is the story.
func (s *stage) Connect(context.Context, connect.Request) (*connect.Session, error) {
	ours, theirs := framing.Pipe()
	s.server = theirs
	session := &connect.Session{
		Conn:     framing.NewConn(ours, framing.ConnOptions{}),
		JID:      "ada@localhost/tab",
		Endpoint: "ws://localhost/ws",
	}
	if s.resumes {
		session.Resumed, session.ResumedH = true, uint32(s.read)
		return session, nil
	}
	s.read = 0
	session.Features = framing.New(framing.NSStream, "features")
	session.SM = framing.New("urn:xmpp:sm:3", "enabled")
	if s.resumable {
		session.SM.Set("id", "stage").Set("resume", "true")
	}
	return session, nil
}

// restart ends the stream and waits for the next one, and for what the features do then.
func (s *stage) restart() {
	s.until(func(p state.Phase) bool { return p != state.Online }, func() { _ = s.server.Close(1000, "") })
	s.until(func(p state.Phase) bool { return p == state.Online }, func() { s.clock.turn(time.Minute) })
	s.settle()
}

// until does something and waits for a phase of the connection.
func (s *stage) until(ok func(state.Phase) bool, do func()) {
	there := make(chan struct{})
	var once sync.Once
	stop := s.client.Watch(func() {
		if ok(s.client.State().Connection.Phase) {
			once.Do(func() { close(there) })
		}
	})
	do()
	<-there
	stop()
}

// timeline returns a conversation in short form.
func (s *stage) timeline(conv state.ConvID) string {
	var rows []string
	now := s.client.State()
	gaps := now.Gaps(conv)
	if c := now.Chat(conv); c != nil {
		for _, m := range c.Timeline.Newest(c.Timeline.Len()) {
			for len(gaps) > 0 && gaps[0].Before.ID != "" && !m.At.Before(gaps[0].Before.At) {
				rows, gaps = append(rows, "…"), gaps[1:]
			}
			line := short(m)
			if to, ok := c.Reply(m); ok && now.About(to) != nil {
				line += " ↑ " + short(now.About(to))
			} else if ok {
				line += " ↑ ?"
			}
			rows = append(rows, line)
		}
	}
	for range gaps {
		rows = append(rows, "…")
	}
	return join(rows)
}

// short returns a message in one line: its text, and the facts about it.
func short(m *state.Message) string {
	line := m.Words()
	if f, gone := m.Gone(); gone {
		line = strings.TrimSpace(string(f.Kind) + " " + f.Text)
	}
	if len(m.Versions()) > 0 {
		line += " (edited)"
	}
	for _, r := range m.Reactions() {
		line += " " + r.Emoji
		for _, by := range r.By {
			line += " " + by.By.Local() + by.Nick
		}
	}
	if r, ok := m.Refusal(); ok {
		line += " ! " + string(r.Kind) + ": " + r.Why
	}
	return line
}

func (s *stage) record(_ feature.Client, ev state.Event) {
	switch ev.(type) {
	case state.ConnectionChanged, state.SessionStarted, state.Cleared:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, ev)
}

func (s *stage) recv(doc string) {
	s.t.Helper()
	if _, err := framing.Parse(doc, framing.DefaultLimits); err != nil {
		s.t.Fatalf("the story sends %s: %v", doc, err)
	}
	if err := s.server.Write(context.Background(), doc); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) do(line string) {
	s.t.Helper()
	name, args, _ := strings.Cut(line, " ")
	in, err := state.Said{Kind: name, What: []byte(args)}.Intent()
	if err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	s.client.Do(in)
	<-s.did
}

// nothing is an intent that has no effect.
var nothing = state.LoadMissing{Conv: "nobody@localhost"}

func (s *stage) wait(d string) {
	s.t.Helper()
	passed, err := time.ParseDuration(d)
	if err != nil {
		s.t.Fatal(err)
	}
	s.clock.turn(passed)
	// An intent without effect comes after the events of the timers; then their stanzas have left
	// before the story answers them.
	s.client.Do(nothing)
	<-s.did
	s.settle()
}

// settle waits until the client has handled all it was sent: it sends a request that no
// feature handles, whose answer comes after everything else.
func (s *stage) settle() {
	s.t.Helper()
	s.settl++
	id := fmt.Sprintf("settle%d", s.settl)
	s.recv(fmt.Sprintf(`<iq xmlns="jabber:client" type="get" id="%s"><settled xmlns="urn:natter:test"/></iq>`, id))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		doc, err := s.server.Read(ctx)
		if err != nil {
			s.t.Fatalf("waiting for the client to settle: %v", err)
		}
		el, err := framing.Parse(doc, framing.DefaultLimits)
		if err != nil {
			s.t.Fatalf("the client sent %s: %v", doc, err)
		}
		if el.Name.Space == framing.NSClient {
			s.read++
		}
		switch {
		case s.resumable && el.Is("urn:xmpp:sm:3", "r"): // without an answer a resumed stream would be lost again
			s.recv(fmt.Sprintf(`<a xmlns="urn:xmpp:sm:3" h="%d"/>`, s.read))
		case el.Attr("id") == id:
			return
		case el.Name.Space == framing.NSClient: // Stream Management is not the features' business
			s.sent = append(s.sent, doc)
		}
	}
}

// part answers the client's <close/>.
func (s *stage) part() {
	for {
		doc, err := s.server.Read(context.Background())
		if err != nil {
			return
		}
		if el, err := framing.Parse(doc, framing.DefaultLimits); err == nil && el.Is(framing.NSFraming, "close") {
			s.server.Write(context.Background(), framing.Close(framing.NSFraming, "").String())
		}
	}
}

func (s *stage) takeSent() (all []string) {
	all, s.sent = s.sent, nil
	return all
}

func (s *stage) takeEvents() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, ev := range s.events {
		args, err := json.Marshal(bare(reflect.ValueOf(ev)))
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, reflect.TypeOf(ev).Name()+" "+string(args))
	}
	s.events = nil
	return join(all)
}

// bare leaves out zero fields, so that a line shows only the others.
func bare(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Struct:
		if at, ok := v.Interface().(time.Time); ok {
			return at.UTC().Format(time.RFC3339Nano)
		}
		fields := map[string]any{}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
				fields[f.Name] = bare(v.Field(i))
			}
		}
		return fields
	case reflect.Slice:
		items := make([]any, v.Len())
		for i := range items {
			items[i] = bare(v.Index(i))
		}
		return items
	}
	return v.Interface()
}

func join(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return strings.Join(all, "\n") + "\n"
}

// clock is a clock that stands still until the story moves it on.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*timer
}

type timer struct {
	at time.Time
	f  func()
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) AfterFunc(d time.Duration, f func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := &timer{c.now.Add(d), f}
	c.timers = append(c.timers, timer)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		timer.f = nil
	}
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []func()
	var later []*timer
	for _, t := range c.timers {
		switch {
		case t.f == nil:
		case t.at.After(c.now):
			later = append(later, t)
		default:
			due = append(due, t.f)
		}
	}
	c.timers = later
	c.mu.Unlock()
	for _, f := range due {
		f()
	}
}
