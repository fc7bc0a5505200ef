package view

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/state"
	"natter/app/text"
)

const (
	// searchPause is how long somebody has to stop typing for messages to be searched.
	searchPause = 150 * time.Millisecond
	// hitsAtOnce is how many messages are shown at first, and how many more each time.
	hitsAtOnce = 30
)

// search is what is looked for in messages, by the words in the field above the list,
// and what was found.
type search struct {
	number int // tells a late answer that it is late
	limit  int
	words  []string // those of found
	found  state.Found
	began  bool // of these words nothing was heard yet
	opened int  // the hit that is open, counted from 1
	stop   func()
}

// filtered takes what is in the field now.
func (d *desk) filtered(text string) {
	d.filter, d.firstRow = text, 0
	d.rev++
	old := d.search
	d.endSearch()
	if !worthASearch(text) {
		return
	}
	d.search.words, d.search.found, d.search.began = old.words, old.found, true
	number := d.search.number
	d.later(searchPause, func() {
		if d.search.number == number {
			d.look(hitsAtOnce)
		}
	})
}

// worthASearch reports whether somebody means a word: two letters, or one of a script
// in which that is a word.
func worthASearch(text string) bool {
	text = strings.TrimSpace(text)
	return len(text) > 1 || utf8.RuneCountInString(text) > 1
}

// look searches for messages, up to so many.
func (d *desk) look(limit int) {
	d.search.limit = limit
	if d.search.stop != nil {
		d.search.stop()
	}
	d.search.number++
	number, words := d.search.number, state.Words(d.filter)
	d.search.stop = d.model.Search(d.filter, limit, func(f state.Found) {
		d.post(func() {
			if d.search.number == number {
				d.search.words, d.search.found, d.search.began = words, f, false
				d.rev++
			}
		})
	})
}

// endSearch forgets what was found.
func (d *desk) endSearch() {
	if d.search.stop != nil {
		d.search.stop()
	}
	d.search = search{number: d.search.number + 1}
}

// openHit opens a conversation at a message that was found.
func (d *desk) openHit(conv state.ConvID, key string, number int) {
	k, ok := parseKey(key)
	if !ok {
		return
	}
	d.search.opened = number
	d.show(conv)
	d.details = false
	if c := d.s.Chat(conv); c != nil {
		d.settling.Focus = ""
		d.seekTo(c, k)
	}
}

// keyText and parseKey turn the place of a message into a word of the page and back.
func keyText(k state.Key) string {
	return strconv.FormatInt(k.Time, 36) + "." + strconv.FormatInt(k.Seq, 36)
}

func parseKey(text string) (k state.Key, ok bool) {
	at, seq, _ := strings.Cut(text, ".")
	var err, err2 error
	k.Time, err = strconv.ParseInt(at, 36, 64)
	k.Seq, err2 = strconv.ParseInt(seq, 36, 64)
	return k, err == nil && err2 == nil
}

// escape steps back from what was found: from a message to the results, from the
// results to the conversations. It reports whether there was a step to take.
func (d *desk) escape(inList bool) bool {
	fromHit := !inList && d.search.opened > 0 && d.open != ""
	switch {
	case d.filter == "" || fromHit && d.platform.Narrow():
		return false
	case fromHit:
		d.settling.Focus = "hit:" + strconv.Itoa(d.search.opened)
		d.search.opened = 0
	default:
		d.filtered("")
		d.settling.Unfilter = true
		if inList {
			d.settling.Focus = "filter"
		}
	}
	return true
}

// messages is the part of the list with the messages that were found.
func (l *list) messages(people int) app.UI {
	d := l.Desk
	s := &d.search
	if !worthASearch(d.filter) {
		return nil
	}
	says := "Searching…"
	switch n := len(s.found.Hits); {
	case s.found.Failed:
		says = "Messages saved on this device could not be searched."
	case s.found.Done && !s.began && n == 0 && people == 0:
		says = "" // the list says it
	case s.found.Done && !s.began && n == 0:
		says = "No message has these words."
	case s.found.Done && !s.began && s.found.More:
		says = "The newest " + strconv.Itoa(n) + " messages"
	case s.found.Done && !s.began && n == 1:
		says = "1 message"
	case s.found.Done && !s.began:
		says = strconv.Itoa(n) + " messages"
	}
	if says == "" {
		return nil
	}
	body := []app.UI{
		app.Div().Class("rows-title").Body(
			app.H2().Text("Messages"),
			app.P().Class("rows-count").Attr("role", "status").Text(says)),
	}
	var rows []app.UI
	for i, h := range s.found.Hits {
		m := h.Message
		rows = append(rows, &hit{
			Number: i + 1, Conv: h.Conv, Key: keyText(m.Key), Name: d.s.Title(h.Conv),
			Mine: m.Mine, Said: reading(d.s, &h.Message), Words: s.words, When: d.ago(m.At), Count: len(s.found.Hits),
			Open: h.Conv == d.open && m.Key == d.window.found,
		})
	}
	if len(rows) > 0 {
		body = append(body, app.Div().Class("rows-list").Attr("role", "list").Aria("label", "Messages").Body(rows...))
	}
	if s.found.More {
		body = append(body, app.Button().Type("button").Class("button-quiet rows-more").DataSet("do", string(doMoreHits)).Text("Show more"))
	}
	return app.Section().Class("hits").Aria("label", "Messages").Body(body...)
}

// hit is a message that was found.
type hit struct {
	app.Compo

	Number int
	Count  int
	Conv   state.ConvID
	Key    string
	Name   string
	Mine   bool
	Said   wording
	Words  []string
	When   string
	Open   bool
}

// Render implements app.Composer.
func (h *hit) Render() app.UI {
	line := []app.UI{}
	if h.Mine {
		line = append(line, you(h.Said)...)
	}
	runs := text.Line(h.Said.blocks(), len(h.Said.Subject)+len(h.Said.Body)+len(h.Said.Actor)+4, false)
	var said []app.UI
	for _, p := range snippet(text.String(runs), h.Words) {
		words := unlinked(p.of(runs))
		if p.found {
			words = []app.UI{app.Elem("mark").Body(words...)}
		}
		said = append(said, words...)
	}
	line = append(line, app.Elem("bdi").Body(said...))
	b := app.Button().Type("button").Class("row row-hit").ID("hit:"+strconv.Itoa(h.Number)).
		DataSet("do", string(doHit)).DataSet("conv", string(h.Conv)).DataSet("text", h.Key).DataSet("number", strconv.Itoa(h.Number)).
		Attr("tabindex", "-1")
	if h.Open {
		b = b.Aria("current", "true")
	}
	return app.Div().Class("row-item").Attr("role", "listitem").
		Attr("aria-posinset", strconv.Itoa(h.Number)).Attr("aria-setsize", strconv.Itoa(h.Count)).
		Body(b.Body(
			avatar(string(h.Conv.JID()), h.Name, "avatar-l", nil),
			app.Span().Class("row-text").Body(
				app.Span().Class("row-pair").Body(
					app.Span().Class("row-name").Body(app.Elem("bdi").Text(h.Name), app.Span().Class("sr").Text(". ")),
					app.Span().Class("row-when").Text(h.When)),
				app.Span().Class("row-said").Body(line...)),
		))
}

// piece is a part of a line, and whether it is what was looked for.
type piece struct {
	text  string
	found bool
	at    int // where in the line it begins; -1 if it says that something is left out
}

// of is the piece in the styles of the runs of its line.
func (p piece) of(runs []text.Run) (styled []text.Run) {
	if p.at < 0 {
		return []text.Run{{Text: p.text}}
	}
	begin := 0
	for _, r := range runs {
		if begin >= p.at+len(p.text) {
			break
		}
		from, to := max(p.at, begin), min(p.at+len(p.text), begin+len(r.Text))
		if from < to {
			styled = append(styled, text.Run{Text: r.Text[from-begin : to-begin], Style: r.Style})
		}
		begin += len(r.Text)
	}
	return styled
}

// How much of a message a hit shows, in bytes: before the first word and in all.
const (
	snippetBefore = 32
	snippetLength = 180
)

// snippet is the part of a line in which the first of the words is.
func snippet(line string, words []string) (out []piece) {
	spans := state.Spans(line, words)
	from, to := 0, len(line)
	if len(spans) > 0 && spans[0][0] > snippetBefore {
		from = spans[0][0] - snippetBefore
		if space := strings.IndexByte(line[from:spans[0][0]], ' '); space >= 0 {
			from += space + 1
		}
		for !utf8.RuneStart(line[from]) {
			from++
		}
		out = append(out, piece{"…", false, -1})
	}
	if to > from+snippetLength {
		to = from + snippetLength
		for !utf8.RuneStart(line[to]) {
			to--
		}
	}
	at := from
	for _, s := range spans {
		if s[0] >= to {
			break
		}
		if s[0] > at {
			out = append(out, piece{line[at:s[0]], false, at})
		}
		at = min(s[1], to)
		out = append(out, piece{line[s[0]:at], true, s[0]})
	}
	if at < to {
		out = append(out, piece{line[at:to], false, at})
	}
	if to < len(line) {
		out = append(out, piece{"…", false, -1})
	}
	return out
}
