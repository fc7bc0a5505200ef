// Package text reads what somebody wrote: from the body of a message to a small tree, which the
// view draws. It knows the blocks and spans of Message Styling (XEP-0393), exactly by its rules,
// /me (XEP-0245), and links by a list of schemes. What surprises:
//
//   - Nothing is left out but the > before a quotation, the lines of accents around code, and blank
//     lines beside these two: the directives of a span are in the tree, as Run.Mark.
//   - Texts are as they came. Whoever draws them asks package legible.
//   - It takes time in proportion to the text, whatever that is, and the tree is no deeper than
//     deepest.
package text

import (
	"strings"
	"unicode/utf8"

	"natter/app/jid"
	"natter/app/steps"
)

// Kind is a kind of Block.
type Kind uint8

const (
	Lines Kind = iota
	Quote      // XEP-0393 §6.1.3
	Code       // preformatted text, §6.1.2
)

// Block is a part of a body that has lines of its own.
type Block struct {
	Kind   Kind
	Runs   []Run   // of Lines, with the ends of lines between them
	Blocks []Block // of a Quote
	Code   string
	Label  string // of Code: what stands behind the accents, in most cases a language
}

// Style is how a Run is to look: any of these at once.
type Style uint8

const (
	Strong Style = 1 << iota
	Emphasis
	Strike
	Pre // a preformatted span
)

// Run is a piece of a line that looks the same from its beginning to its end.
type Run struct {
	Text  string
	Style Style
	Mark  bool    // it is the directive before or after a span
	Href  string  // of a link: https:, http:, mailto:, tel: or geo:, nothing else ever
	Peer  jid.JID // of an xmpp: link
	Host  string  // where a link really goes, when its text pretends otherwise
}

// Rules are how a body is read.
type Rules struct {
	Plain  bool // without blocks and spans: it is no message, or its author wants that (§7)
	Action bool // it is what follows /me, so its first line is never a block
	Size   int  // no more than so many bytes, but for a link across that; 0 for all
}

// deepest is how far quotations in quotations are told apart. Below that their > is text.
const deepest = 6

// fence begins and ends a block of code.
const fence = "```"

// Action returns what follows "/me " at the beginning of a body (XEP-0245 §2).
func Action(body string) (rest string, ok bool) { return strings.CutPrefix(body, "/me ") }

// Parse reads a body. more is set if that was not all of it.
func Parse(body string, by Rules) (blocks []Block, more bool) {
	size := len(body)
	if by.Size > 0 {
		size = min(size, by.Size)
	}
	for size > 0 && size < len(body) && !utf8.RuneStart(body[size]) {
		size--
	}
	p := parser{body: body[:min(len(body), size+longestLink)], size: size, shown: size}
	lines := p.lines()
	if by.Plain {
		return p.plain(nil, lines, false, false), p.shown < len(body)
	}
	return p.blocks(lines, 0, by.Action), p.shown < len(body)
}

// line is a part of the body without the end of the line.
type line struct{ from, to int }

type parser struct {
	body  string
	size  int // what begins from here on is left out
	shown int // where what is shown ends
}

// lines are those that begin within the size.
func (p *parser) lines() (all []line) {
	for from := 0; from < p.size; {
		to := len(p.body)
		if i := strings.IndexByte(p.body[from:], '\n'); i >= 0 {
			to = from + i
		}
		steps.Add(to - from + 1)
		all = append(all, line{from, to})
		from = to + 1
	}
	return all
}

func (p *parser) text(l line) string { return p.body[l.from:l.to] }

func (p *parser) isFence(l line) bool { return strings.HasPrefix(p.text(l), fence) }
func (p *parser) isQuote(l line, depth int) bool {
	return depth < deepest && l.from < l.to && p.body[l.from] == '>'
}

// blocks reads lines of one parent, the body or a quotation. With action the first is no block.
func (p *parser) blocks(lines []line, depth int, action bool) (out []Block) {
	special := func(i int) bool {
		return !(action && i == 0) && (p.isFence(lines[i]) || p.isQuote(lines[i], depth))
	}
	for at := 0; at < len(lines); {
		end := at + 1
		switch steps.Add(1); {
		case !special(at):
			for end < len(lines) && !special(end) {
				steps.Add(1)
				end++
			}
			own, last := lines[at:end], end == len(lines)
			for len(own) > 0 && !last && p.blank(own[len(own)-1]) {
				own = own[:len(own)-1]
			}
			for len(own) > 0 && at > 0 && p.blank(own[0]) {
				own = own[1:]
			}
			out = p.plain(out, own, true, !last || depth > 0)
			at = end
		case p.isFence(lines[at]):
			for end < len(lines) && p.text(lines[end]) != fence {
				steps.Add(1)
				end++
			}
			out = append(out, p.code(lines[at], lines[at+1:end]))
			at = min(end+1, len(lines))
		default:
			for end < len(lines) && p.isQuote(lines[end], depth) {
				end++
			}
			inner := make([]line, 0, end-at)
			for _, l := range lines[at:end] {
				steps.Add(1)
				inner = append(inner, line{l.from + 1 + space(p.body[l.from+1:l.to]), l.to})
			}
			out = append(out, Block{Kind: Quote, Blocks: p.blocks(inner, depth+1, false)})
			at = end
		}
	}
	return out
}

func (p *parser) blank(l line) bool {
	steps.Add(l.to - l.from)
	return strings.TrimSpace(p.text(l)) == ""
}

// code is a block of code between two lines of accents.
func (p *parser) code(first line, lines []line) Block {
	b := Block{Kind: Code, Label: strings.TrimSpace(p.body[first.from+len(fence) : min(first.to, max(p.size, first.from+len(fence)))])}
	var text strings.Builder
	for i, l := range lines {
		steps.Add(l.to - l.from)
		if i > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(p.body[l.from:min(l.to, max(l.from, p.size))])
	}
	b.Code = text.String()
	return b
}
