package view

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"natter/app/state"
)

// outline is the log in short: the words of messages, and where gaps are.
func outline(html string) string {
	_, html, _ = strings.Cut(html, `role="log"`)
	var words []string
	for html != "" {
		gap, text := strings.Index(html, `class="gap`), strings.Index(html, `class="text"`)
		switch {
		case gap < 0 && text < 0:
			return strings.Join(words, " ")
		case text < 0 || gap >= 0 && gap < text:
			html = html[gap+len(`class="gap`):]
			if strings.HasPrefix(html, `"`) || strings.HasPrefix(html, " ") {
				words = append(words, "GAP")
			}
		default:
			_, html, _ = strings.Cut(html[text:], ">")
			word, _, _ := strings.Cut(html, "<")
			words = append(words, strings.TrimSpace(word))
		}
	}
	return strings.Join(words, " ")
}

func TestGapRows(t *testing.T) {
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute-600) * time.Minute) }
	edge := func(minute int) state.Edge { return state.Edge{ID: fmt.Sprint("e", minute), At: at(minute)} }
	whole, part := state.Part{Archive: ada}, state.Part{Archive: ada, With: grace}
	said := func(minutes ...int) state.Event {
		page := state.ArchivePage{Conv: grace, Older: true}
		for _, m := range minutes {
			id := fmt.Sprint("m", m)
			page.Messages = append(page.Messages, state.Message{ID: id, ArchiveID: id, Author: grace, Body: id, At: at(m)})
		}
		return page
	}
	read := func(from, to int, start bool) state.Event {
		return state.ArchiveRead{Part: whole, Page: state.Reading{
			From: edge(from), To: edge(to), IDs: []string{edge(from).ID, edge(to).ID}, Start: start, End: true}}
	}
	hole := []state.Event{read(0, 100, true), read(200, 300, false)}
	failed := state.CatchUpStarted{Part: whole, At: at(350)}
	for _, tc := range []struct {
		name   string
		events []state.Event
		want   string
	}{
		{"between messages", append(hole, said(50, 250)), "m50 GAP m250"},
		{"at their very edges", append(hole, said(100, 200)), "m100 GAP m200"},
		{"with messages in it, which came live", append(hole, said(50, 120, 150, 250)), "m50 GAP m120 m150 GAP m250"},
		{"after the last message", append(hole, said(50)), "m50 GAP"},
		{"before the first one, where scrolling up loads it", append(hole, said(250)), "m250"},
		{"filled for this conversation", append(hole, said(50, 250), state.ArchiveRead{Part: part, Page: state.Reading{
			From: edge(100), To: edge(200), After: edge(100).ID, Before: edge(200).ID}}), "m50 m250"},
		{"filled in part", append(hole, said(50, 180, 250), state.ArchiveRead{Part: part, Page: state.Reading{
			From: edge(180), To: edge(200), Before: edge(200).ID, IDs: []string{"m180"}}}), "m50 GAP m180 m250"},
		{"what was missed could not be loaded", []state.Event{read(0, 100, true), failed, state.CaughtUp{}, said(50, 400)}, "m50 GAP m400"},
		{"and nothing has come since", []state.Event{read(0, 100, true), failed, state.CaughtUp{}, said(50)}, "m50 GAP"},
		{"it is being loaded", []state.Event{read(0, 100, true), failed, said(50, 400)}, "m50 m400"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := sit(t)
			b.state = state.New()
			b.play(state.SessionStarted{Me: ada + "/natter"}, state.ConnectionChanged{Connection: state.Connection{Phase: state.Online}})
			b.play(tc.events...)
			b.sig("open", grace, "")
			if got := outline(b.html()); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestGapRow(t *testing.T) {
	whole, part := state.Part{Archive: ada}, state.Part{Archive: ada, With: grace}
	b := sit(t)
	b.state = state.New()
	edge := func(id string, at time.Duration) state.Edge { return state.Edge{ID: id, At: noon.Add(at)} }
	b.play(state.SessionStarted{Me: ada + "/natter"}, state.ConnectionChanged{Connection: state.Connection{Phase: state.Online}},
		state.ArchiveRead{Part: whole, Page: state.Reading{From: edge("a", 0), To: edge("b", 1), IDs: []string{"a", "b"}, Start: true}},
		state.ArchiveRead{Part: whole, Page: state.Reading{From: edge("x", time.Hour), To: edge("y", 2*time.Hour), IDs: []string{"x", "y"}, End: true}},
		state.ArchivePage{Conv: grace, Messages: []state.Message{
			{ID: "1", Author: grace, Body: "one", At: noon}, {ID: "2", Author: grace, Body: "two", At: noon.Add(time.Hour)}}})
	b.sig("open", grace, "")
	b.did = nil
	shows := func(want ...string) {
		t.Helper()
		html := b.html()
		for _, w := range want {
			if !strings.Contains(html, w) {
				t.Errorf("%q is missing", w)
			}
		}
	}
	shows("Messages may be missing here", `data-do="load-missing"`, `data-text="b"`, "Load missing", `role="group"`)
	b.sig("load-missing", "", "b")
	b.wants(t, "LoadMissing{Conv:grace@example.org After:b}")
	b.play(state.ArchiveAsked{Part: part, After: "b"})
	shows("Loading missing messages…", `role="status"`, `aria-disabled`)
	b.play(state.ArchiveRead{Part: part, Page: state.Reading{From: edge("k", time.Minute), To: edge("x", time.Hour), IDs: []string{"k", "l"}, Before: "x"}})
	shows("2 so far")
	b.play(state.ArchiveFilled{Part: part, After: "b", Text: "The server did not answer."})
	shows("Missing messages could not be loaded. The server did not answer.", "Retry", `role="alert"`)
	b.play(state.ConnectionChanged{Connection: state.Connection{Phase: state.Waiting}})
	shows("They can be loaded when you are online.")
	if strings.Contains(b.html(), "load-missing") {
		t.Error("a button that can do nothing")
	}
}

// Messages that arrive in a gap above do not move the text that is being read.
func TestWindow_KeepsWhatIsInSight(t *testing.T) {
	b := sit(t)
	page := func(from, to int) state.Event {
		page := state.ArchivePage{Conv: grace, Older: true}
		for i := from; i < to; i++ {
			page.Messages = append(page.Messages, state.Message{ID: fmt.Sprint(i), Author: grace, Body: fmt.Sprint(i), At: noon.Add(time.Duration(i) * time.Minute)})
		}
		return page
	}
	b.play(page(0, 10), page(1000, 1020))
	b.sig("open", grace, "")
	b.edgeAt("", false)
	c := func() *state.Chat { return b.s.Chat(grace) }
	read := c().Timeline.Newest(20)[0]
	b.sight = keyText(read.Key)
	for from := 950; from > 450; from -= 50 {
		b.play(page(from, from+50))
		rows, _ := b.window.rows(c())
		if len(rows) > most || !slices.Contains(rows, read) {
			t.Fatalf("with what came from %d on, it is not on the page of %d", from, len(rows))
		}
		if n := c().Timeline.Len(); len(rows) < min(n, most) {
			t.Errorf("the page shrank to %d", len(rows))
		}
	}
	// The same above the gap.
	first := c().Timeline.First()
	b.sight = keyText(first.Key)
	b.window.from = first.Key
	b.play(page(400, 450))
	if b.window.from != first.Key {
		t.Error("it moved")
	}
}

// However fast older pages come, and whatever the person scrolls meanwhile, a screenful
// from what is in sight stays on the page: a browser cannot scroll to where nothing is.
func TestWindow_KeepsAScreenful(t *testing.T) {
	b := sit(t)
	page := func(from int) state.Event {
		page := state.ArchivePage{Conv: grace, Older: true}
		for i := from; i < from+50; i++ {
			page.Messages = append(page.Messages, state.Message{ID: fmt.Sprint(i), Author: grace, Body: fmt.Sprint(i), At: noon.Add(time.Duration(i) * time.Minute)})
		}
		return page
	}
	b.play(page(950))
	b.sig("open", grace, "")
	c := func() *state.Chat { return b.s.Chat(grace) }
	check := func(when string, read *state.Message) {
		t.Helper()
		rows, _ := b.window.rows(c())
		at := slices.Index(rows, read)
		if at < 0 || len(rows)-at < len(c().Timeline.From(read.Key, most/2)) || len(rows) > most {
			t.Fatalf("%s: of %d messages on the page, what is in sight is number %d", when, len(rows), at)
		}
	}
	read := c().Timeline.Newest(25)[0]
	b.sight = keyText(read.Key)
	b.edgeAt("top", false)
	for from := 900; from >= 500; from -= 50 {
		b.play(page(from))
		check(fmt.Sprint("a page from ", from), read)
		b.edgeAt("top", false)
		check(fmt.Sprint("the top after ", from), read)
	}
	scroll := func(way string, at int) {
		rows, _ := b.window.rows(c())
		read := rows[(at+len(rows))%len(rows)]
		b.sight = keyText(read.Key)
		b.edgeAt(way, false)
		check(way+" at "+read.Body, read)
	}
	for b.window.from != c().Timeline.First().Key {
		scroll("top", 10)
	}
	for end := false; !end; _, end = b.window.rows(c()) {
		scroll("bottom", -80)
	}
}
