package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"natter/app/steps"
)

// segment is a part of a line that has one style.
type segment struct {
	to    int // where it ends, in the body
	style Style
	mark  bool
}

// directives are what begins and ends spans (§6.2).
const directives = "*_~`"

var styles = [len(directives)]Style{Strong, Emphasis, Strike, Pre}

// spans reads the spans of a line, in one pass: each directive is looked at a few times at most,
// because where a search for its end has got to it goes on.
type spans struct {
	body string
	line line
	ends [len(directives)]int // the first valid end of each span that has not been passed
	out  []segment
}

// read cuts a line into segments.
func read(body string, l line) []segment {
	steps.Add(l.to - l.from)
	if !strings.ContainsAny(body[l.from:l.to], directives) {
		return []segment{{to: l.to}}
	}
	s := spans{body: body, line: l}
	s.within(l.from, l.to, 0)
	return s.out
}

// within reads a part of the line that is all of the line, or all that is inside of a span.
func (s *spans) within(from, to int, style Style) {
	opens := true // at the beginning of the parent, after white space or after another directive
	at := from
	for at < to {
		steps.Add(1)
		kind := strings.IndexByte(directives, s.body[at])
		if kind < 0 {
			r, size := utf8.DecodeRuneInString(s.body[at:to])
			opens = white(r)
			at += size
			continue
		}
		end := -1
		if opens && at+1 < to && s.body[at+1] != s.body[at] && !white(s.after(at)) {
			end = s.end(kind, at+2)
		}
		switch {
		case end >= 0 && end < to:
			inner := style | styles[kind]
			s.add(at, style, false)
			s.add(at+1, inner, true)
			if styles[kind] == Pre {
				s.add(end, inner, false)
			} else {
				s.within(at+1, end, inner)
			}
			s.add(end+1, inner, true)
			at = end + 1
		case at+1 < to && s.body[at+1] == s.body[at]:
			at += 2 // nothing is between the two, so neither counts
		default:
			at++
		}
		opens = false
	}
	s.add(to, style, false)
}

func (s *spans) after(at int) rune {
	r, _ := utf8.DecodeRuneInString(s.body[at+1 : s.line.to])
	return r
}

// end returns where the first directive of this kind is, at a place or after it, that may end a
// span, or the end of the line.
func (s *spans) end(kind, from int) int {
	for s.ends[kind] = max(s.ends[kind], from); s.ends[kind] < s.line.to; s.ends[kind]++ {
		steps.Add(1)
		at := s.ends[kind]
		if s.body[at] == directives[kind] {
			if r, _ := utf8.DecodeLastRuneInString(s.body[s.line.from:at]); !white(r) {
				return at
			}
		}
	}
	return s.line.to
}

func (s *spans) add(to int, style Style, mark bool) {
	from := s.line.from
	if n := len(s.out); n > 0 {
		from = s.out[n-1].to
	}
	if to > from {
		s.out = append(s.out, segment{to, style, mark})
	}
}

// white reports whether r is a white space character (§4).
func white(r rune) bool { return unicode.Is(unicode.White_Space, r) || unicode.Is(unicode.Z, r) }

// space returns how long the white space character is that a text begins with.
func space(text string) int {
	if r, size := utf8.DecodeRuneInString(text); size > 0 && white(r) {
		return size
	}
	return 0
}

// plain adds a block of lines to others: their spans, and the links in these. With closed something
// follows, and so the last line has no end.
func (p *parser) plain(out []Block, lines []line, styled, closed bool) []Block {
	if len(lines) == 0 {
		return out
	}
	w := writer{p: p}
	for i, l := range lines {
		segments := []segment{{to: l.to}}
		if styled {
			segments = read(p.body, l)
		}
		w.line(l, segments)
		if l.to < len(p.body) && !(closed && i == len(lines)-1) {
			w.write(l.to, l.to+1, segment{})
		}
	}
	return append(out, Block{Runs: w.runs})
}

// writer makes runs of segments.
type writer struct {
	p    *parser
	runs []Run
	end  int // where the last run ends, if more may be added to it
}

// line writes a line. A link is one run, in the style that it begins with.
func (w *writer) line(l line, segments []segment) {
	at := l.from
	text := func(to int) { // up to there is no link
		for at < to {
			for segments[0].to <= at {
				segments = segments[1:]
			}
			next := min(segments[0].to, to)
			w.write(at, next, segments[0])
			at = next
		}
	}
	find(w.p.body, l, segments, func(from, to int, link Run) {
		text(from)
		for segments[0].to <= at {
			segments = segments[1:]
		}
		if at < w.p.size {
			link.Style = segments[0].style
			w.runs, w.end = append(w.runs, link), -1
			w.p.shown = max(w.p.shown, to)
		}
		at = to
	})
	text(l.to)
}

// write writes what is no link. What looks the same and was beside it becomes one run.
func (w *writer) write(from, to int, s segment) {
	if to = min(to, w.p.size); from >= to {
		return
	}
	if n := len(w.runs); n > 0 && w.end == from && w.runs[n-1].Style == s.style && !w.runs[n-1].Mark && !s.mark {
		begin := from - len(w.runs[n-1].Text)
		w.runs[n-1].Text, w.end = w.p.body[begin:to], to
		return
	}
	w.runs, w.end = append(w.runs, Run{Text: w.p.body[from:to], Style: s.style, Mark: s.mark}), to
}
