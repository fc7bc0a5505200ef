package view

import (
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/legible"
	"natter/app/state"
	"natter/app/text"
)

// said draws what somebody wrote: the only way from a body to elements. What has no styling is text
// and links, and no element more.
type said struct {
	key   string   // of the message
	nick  string   // the person's, where it is to be seen that the message names them
	lead  []app.UI // what stands before the first line
	codes int      // how many blocks of code have been drawn
}

// message draws the blocks of a message.
func (d *said) message(blocks []text.Block) []app.UI {
	if len(blocks) == 0 || len(blocks) == 1 && blocks[0].Kind == text.Lines {
		return d.blocks(blocks)
	}
	var out []app.UI
	if d.lead != nil && blocks[0].Kind != text.Lines {
		out = append(out, app.Div().Class("lines").Body(d.lines(nil)...))
	}
	return append(out, d.blocks(blocks)...)
}

func (d *said) blocks(blocks []text.Block) []app.UI {
	switch {
	case len(blocks) == 0:
		return d.lines(nil)
	case len(blocks) == 1 && blocks[0].Kind == text.Lines:
		return d.lines(blocks[0].Runs)
	}
	var out []app.UI
	for _, b := range blocks {
		switch b.Kind {
		case text.Quote:
			out = append(out, app.Blockquote().Class("quote").Dir("auto").Body(d.blocks(b.Blocks)...))
		case text.Code:
			d.codes++
			out = append(out, app.Div().Class("code").Body(
				app.Span().Class("code-label").Text(legible.Name(b.Label)),
				iconButton("copy", "Copy code", doCopyCode).DataSet("text", d.key).DataSet("number", strconv.Itoa(d.codes)),
				app.Pre().Dir("ltr").Body(app.Code().Text(legible.Body(b.Code)))))
		default:
			out = append(out, app.Div().Class("lines").Body(d.lines(b.Runs)...))
		}
	}
	return out
}

func (d *said) lines(runs []text.Run) []app.UI {
	out := linked(runs, d.nick)
	if d.lead != nil {
		d.lead, out = nil, append(d.lead, out...)
	}
	return out
}

// codeOf returns the block of code with a number, counted from 1 as they are drawn.
func codeOf(blocks []text.Block, number *int) string {
	for _, b := range blocks {
		if b.Kind == text.Code {
			if *number--; *number == 0 {
				return b.Code
			}
		}
		if code := codeOf(b.Blocks, number); *number <= 0 {
			return code
		}
	}
	return ""
}

// copyCode copies a block of code of a message, also what is folded away of it.
func (d *desk) copyCode(sig Signal) {
	k, ok := parseKey(sig.Text)
	c := d.s.Chat(d.open)
	if !ok || c == nil || c.Timeline.Get(k) == nil {
		return
	}
	w := reading(d.s, c.Timeline.Get(k))
	blocks, _ := text.Parse(w.Body, w.By)
	d.platform.Copy(legible.Body(codeOf(blocks, &sig.Number)))
}

// wording is what there is to read of a message, and how.
type wording struct {
	Subject, Body string
	Actor         string // who does what an action says (XEP-0245 §2)
	By            text.Rules
}

func reading(s *state.State, m *state.Message) (w wording) {
	w.Subject, w.Body = m.Said()
	f, gone := m.Gone()
	if gone {
		w.Body = retracted(f)
	}
	w.By.Plain = m.Notice || m.Unstyled || gone
	if m.Notice || gone {
		return w
	}
	if w.Body, w.By.Action = text.Action(w.Body); w.By.Action {
		w.Actor = authorName(s, m)
	}
	return w
}

// How much of a message is looked at for a line that shows its beginning, in bytes, and how much
// the list shows of it, in characters.
const (
	lineRead  = 4096
	lineShown = 200
)

// line is the beginning of it on one line of so many characters: for a row of the list, a
// notification, what screen readers are told. It is what was answered rather than what was quoted.
func (w wording) line(most int) []text.Run {
	w.By.Size = lineRead
	if runs := text.Line(w.blocks(), most, true); len(runs) > 0 {
		return runs
	}
	line := legible.Short(state.Both(w.Subject, w.Body), most)
	if line == "" && w.Subject+w.Body != "" {
		line = unseen
	}
	return []text.Run{{Text: line}}
}

// blocks are all of it: the subject, and who does it if it is an action, are lines of their own.
func (w wording) blocks() (blocks []text.Block) {
	if w.Subject != "" {
		blocks = append(blocks, text.Block{Runs: []text.Run{{Text: w.Subject}}})
	}
	if w.By.Action {
		blocks = append(blocks, text.Block{Runs: []text.Run{{Text: "* " + w.Actor}}})
	}
	body, _ := text.Parse(w.Body, w.By)
	return append(blocks, body...)
}

// heard is what screen readers are told of a new message.
func heard(s *state.State, m *state.Message) string {
	w := reading(s, m)
	line := text.String(w.line(500))
	if w.By.Action {
		return strings.TrimPrefix(line, "* ")
	}
	return authorName(s, m) + ": " + line
}

// unlinked draws the runs of a line, where a button is already.
func unlinked(runs []text.Run) []app.UI {
	return styled(runs, func(r text.Run) []app.UI { return []app.UI{app.Text(r.Text)} })
}

// linked draws the runs of a message: with the directives of their spans, and links. A nick that is not
// "" is marked.
func linked(runs []text.Run, nick string) []app.UI {
	return styled(runs, func(r text.Run) (out []app.UI) {
		said := legible.Body(r.Text)
		switch {
		case r.Mark:
			return []app.UI{app.Span().Class("sign").Aria("hidden", "true").Text(said)}
		case r.Peer != "":
			out = append(out, app.Button().Type("button").Class("link").DataSet("do", string(doLink)).DataSet("text", said).Text(said))
		case r.Href != "":
			out = append(out, app.A().Class("link").Href(r.Href).Target("_blank").Rel("noopener noreferrer nofollow").Text(said))
		default:
			out = marked(said, nick)
		}
		if r.Host != "" {
			out = append(out, app.Span().Class("link-host").Text(" (goes to "+r.Host+")"))
		}
		return out
	})
}

// marked draws a text in which a nick is marked.
func marked(said, nick string) (out []app.UI) {
	for {
		from, to, ok := state.Names(said, nick)
		if !ok {
			return append(out, app.Text(said))
		}
		if from > 0 {
			out = append(out, app.Text(said[:from]))
		}
		out = append(out, app.Mark().Class("nick").Text(said[from:to]))
		if said = said[to:]; said == "" {
			return out
		}
	}
}

// elements are those for styles, the outer ones first.
var elements = []struct {
	style text.Style
	begin func(...app.UI) app.UI
}{
	{text.Strong, func(body ...app.UI) app.UI { return app.Strong().Body(body...) }},
	{text.Emphasis, func(body ...app.UI) app.UI { return app.Em().Body(body...) }},
	{text.Strike, func(body ...app.UI) app.UI { return app.S().Body(body...) }},
	{text.Pre, func(body ...app.UI) app.UI { return app.Code().Body(body...) }},
}

// styled draws runs, each by itself, in the elements of their styles.
func styled(runs []text.Run, each func(text.Run) []app.UI) []app.UI { return within(runs, 0, each) }

// within draws runs in the elements from the outer one with this number on.
func within(runs []text.Run, outer int, each func(text.Run) []app.UI) (out []app.UI) {
	if outer == len(elements) {
		for _, r := range runs {
			out = append(out, each(r)...)
		}
		return out
	}
	e := elements[outer]
	for len(runs) > 0 {
		n, on := 1, runs[0].Style&e.style
		for n < len(runs) && runs[n].Style&e.style == on {
			n++
		}
		inner := within(runs[:n], outer+1, each)
		if runs = runs[n:]; on != 0 {
			inner = []app.UI{e.begin(inner...)}
		}
		if out == nil {
			out = inner
		} else {
			out = append(out, inner...)
		}
	}
	return out
}
