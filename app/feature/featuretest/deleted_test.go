package featuretest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"natter/app/client"
	"natter/app/feature"
	"natter/app/state"
	"natter/framing"
)

// Each feature can be deleted. The client without it plays the stories of all features. After each story messages still
// come and leave, also after a loss.
func TestADeletedFeatureLeavesAClientThatWorks(t *testing.T) {
	paths, err := filepath.Glob("../*/testdata/*.txtar")
	if err != nil || len(paths) < 50 {
		t.Fatalf("%d stories, %v", len(paths), err)
	}
	var stories []*txtar.Archive
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		stories = append(stories, txtar.Parse(raw))
	}
	for deleted := -1; deleted < len(client.All()); deleted++ {
		name := "none"
		if deleted >= 0 {
			name = client.All()[deleted].Name
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, story := range stories {
				features := client.All
				if deleted >= 0 {
					features = func() []*feature.Feature { return slices.Delete(client.All(), deleted, deleted+1) }
				}
				var unknown atomic.Int32
				s := newStage(t, false, features, func(format string, args ...any) {
					if deleted >= 0 && strings.HasPrefix(format, "no feature knows") {
						unknown.Add(1) // only the deleted feature knows it
						return
					}
					t.Errorf(paths[i]+": "+format, args...)
				})
				s.goThrough(t, story)
				if !strings.HasPrefix(name, "chat (") {
					s.talks(t, paths[i])
				}
				s.leave()
			}
		})
	}
}

// goThrough plays the stanzas and the intents of a story, and does not check the results.
func (s *stage) goThrough(t *testing.T, story *txtar.Archive) {
	s.answerAll()
	for _, step := range story.Files {
		name, query, _ := strings.Cut(step.Name, " ")
		for _, line := range lines(step.Data) {
			switch name {
			case "recv":
				s.recv(line)
			case "archive":
				s.recv(longAnswer(t, query, line))
			case "do":
				s.do(line)
			case "wait":
				if d, _ := time.ParseDuration(line); d < 20*time.Second {
					s.wait(line)
				} else {
					s.restart() // the story acknowledges nothing, so the connection would be lost
				}
			}
		}
		if name == "restart" || name == "resume" {
			s.restart()
		}
		s.settle()
	}
}

// talks fails unless messages come and leave, also those that a lost connection has left in doubt.
func (s *stage) talks(t *testing.T, where string) {
	t.Helper()
	s.answerAll()
	s.wait("10s") // without an archive, that is how long it takes to decide about what the story has left in doubt
	s.takeSent()
	const last = "you@localhost"
	s.recv(`<message xmlns="jabber:client" from="you@localhost/phone" type="chat" id="still there"><body>still there?</body></message>`)
	s.settle()
	s.do(`SendMessage {"Conv": "you@localhost", "Body": "yes", "ID": "yes of course I am"}`)
	left := func() (n int) {
		for _, doc := range s.takeSent() {
			if strings.Contains(doc, "<body>yes</body>") {
				n++
			}
		}
		return n
	}
	s.settle()
	if n := left(); n != 1 {
		t.Errorf("%s: the message has left %d times", where, n)
	}
	s.restart()
	s.answerAll()
	s.wait("10s")
	if n := left(); n != 1 {
		t.Errorf("%s: after a loss the message has left %d times", where, n)
	}
	var got []string
	for _, m := range s.client.State().Chat(last).Timeline.Newest(10) {
		got = append(got, fmt.Sprint(m.Body, m.Delivery))
	}
	if want := []string{fmt.Sprint("still there?", state.Received), fmt.Sprint("yes", state.Queued)}; !slices.Equal(got, want) {
		t.Errorf("%s: there is %q, want %q", where, got, want)
	}
}

// answerAll answers the requests of the client, as a server that only has a roster.
func (s *stage) answerAll() {
	seen := map[string]bool{}
	for more := true; more; {
		more = false
		s.settle()
		for _, doc := range s.sent {
			el, err := framing.Parse(doc, framing.DefaultLimits)
			if err != nil {
				s.t.Fatal(err)
			}
			id, typ := el.Attr("id"), el.Attr("type")
			if el.Name.Local != "iq" || seen[id] || typ != "get" && typ != "set" {
				continue
			}
			seen[id], more = true, true
			answer := `<iq xmlns="jabber:client" type="error" id="%s"><error type="cancel"><service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`
			if el.Child("jabber:iq:roster", "query") != nil && typ == "get" {
				answer = `<iq xmlns="jabber:client" type="result" id="%s"><query xmlns="jabber:iq:roster"><item jid="grace@localhost" subscription="both"/></query></iq>`
			}
			s.recv(fmt.Sprintf(answer, id))
		}
	}
}
