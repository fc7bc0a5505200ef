package text

import (
	"strings"

	"natter/app/legible"
)

// Line is the beginning of a text on one line, of so many characters, cleaned as by legible.Short:
// runs without the directives of their spans, and without links. With answer, quotations are left
// out if there is anything else.
func Line(blocks []Block, most int, answer bool) []Run {
	l := liner{short: legible.Shortener{Most: most}, answer: answer}
	l.blocks(blocks)
	if len(l.runs) == 0 && answer {
		l.answer = false
		l.blocks(blocks)
	}
	text := l.text.String()
	from := 0
	for i, end := range l.ends {
		l.runs[i].Text, from = text[from:end], end
	}
	return l.runs
}

// String is what runs say.
func String(runs []Run) string {
	if len(runs) == 1 {
		return runs[0].Text
	}
	var b strings.Builder
	for _, r := range runs {
		b.WriteString(r.Text)
	}
	return b.String()
}

type liner struct {
	short  legible.Shortener
	answer bool
	text   strings.Builder
	runs   []Run
	ends   []int // where each ends in text
}

func (l *liner) blocks(blocks []Block) {
	for _, b := range blocks {
		l.add(" ", 0)
		switch {
		case b.Kind == Code:
			l.add(b.Code, Pre)
		case b.Kind == Lines:
			for _, r := range b.Runs {
				if !r.Mark {
					l.add(r.Text, r.Style)
				}
			}
		case !l.answer:
			l.blocks(b.Blocks)
		}
	}
}

func (l *liner) add(text string, style Style) {
	if text = l.short.Add(text); text == "" {
		return
	}
	if text[0] == ' ' && style != 0 { // it is before the span
		l.write(" ", 0)
		text = text[1:]
	}
	l.write(text, style)
}

func (l *liner) write(text string, style Style) {
	l.text.WriteString(text)
	if n := len(l.runs); n == 0 || l.runs[n-1].Style != style {
		l.runs, l.ends = append(l.runs, Run{Style: style}), append(l.ends, 0)
	}
	l.ends[len(l.ends)-1] = l.text.Len()
}
