package framing

import (
	"strings"
	"unicode/utf8"
)

// Classes of bytes for the scanner. Bytes of 0x80 and above belong to characters
// that are looked at whole where it matters.
const (
	isSpace     = 1 << iota // XML whitespace
	isNameStart             // may begin a name
	isNamePart              // may go on in one
	stopsText               // text cannot be taken over as it is from here on
	stopsValue              // the same for attribute values
)

var class = func() (t [256]uint8) {
	for c := range 0x20 {
		t[c] |= stopsText | stopsValue // forbidden, or to be normalised
	}
	t['\t'] = isSpace | stopsValue
	t['\n'] = isSpace | stopsValue
	t['\r'] = isSpace | stopsText | stopsValue
	t[' '] = isSpace
	for c := 'a'; c <= 'z'; c++ {
		t[c] = isNameStart | isNamePart
		t[c-'a'+'A'] = isNameStart | isNamePart
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = isNamePart
	}
	t['_'] = isNameStart | isNamePart
	t['-'] = isNamePart
	t['.'] = isNamePart
	t['<'] = stopsText | stopsValue
	t['&'] = stopsText | stopsValue
	t[']'] = stopsText // ]]> is forbidden
	t['"'] = stopsValue
	t['\''] = stopsValue
	t[0xEF] |= stopsText | stopsValue // U+FFFE and U+FFFF are EF BF BE and EF BF BF
	return t
}()

// isChar is the production Char of XML 1.0.
func isChar(r rune) bool {
	return r >= 0x20 && r <= 0xD7FF || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// nameRunes are the characters above ASCII that may begin a name (XML 1.0, fifth
// edition, NameStartChar).
var nameRunes = [...][2]rune{
	{0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x2FF}, {0x370, 0x37D}, {0x37F, 0x1FFF},
	{0x200C, 0x200D}, {0x2070, 0x218F}, {0x2C00, 0x2FEF}, {0x3001, 0xD7FF},
	{0xF900, 0xFDCF}, {0xFDF0, 0xFFFD}, {0x10000, 0xEFFFF},
}

func startsName(r rune) bool {
	if r < utf8.RuneSelf {
		return class[r]&isNameStart != 0
	}
	for _, in := range nameRunes {
		if r >= in[0] && r <= in[1] {
			return true
		}
	}
	return false
}

func continuesName(r rune) bool {
	if r < utf8.RuneSelf {
		return class[r]&isNamePart != 0
	}
	return startsName(r) || r == 0xB7 || r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040
}

// isName reports whether s is a name without a colon (NCName).
func isName(s string) bool {
	for i, r := range s {
		if i == 0 && !startsName(r) || !continuesName(r) {
			return false
		}
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return false // invalid UTF-8, not the character itself
		}
	}
	return s != ""
}

// name reads a name with at most one colon, and returns where that is, -1 if
// there is none.
func (p *parser) name() (name string, colon int, err *SyntaxError) {
	start, colon := p.pos, -1
	first := true // the next character begins the name or its local part
	i := start
	for i < len(p.doc) {
		c := p.doc[i]
		want := uint8(isNamePart)
		if first {
			want = isNameStart
		}
		switch {
		case class[c]&want != 0:
			i++
		case c == ':' && !first && colon < 0:
			colon = i - start
			i++
			first = true
			continue
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(p.doc[i:])
			if first && !startsName(r) || !continuesName(r) {
				return "", 0, p.bad("not a name")
			}
			i += n
		default:
			if first || c == ':' {
				return "", 0, p.bad("not a name")
			}
			return p.named(start, i, colon)
		}
		first = false
	}
	return "", 0, p.bad("the document ends too early")
}

func (p *parser) named(start, end, colon int) (string, int, *SyntaxError) {
	if end-start > p.lim.Name {
		return "", 0, p.tooMuch("a name is too long")
	}
	p.pos = end
	return p.doc[start:end], colon, nil
}

// value reads a quoted attribute value, normalised as XML 1.0 §3.3.3 has it:
// whitespace is a space, unless written as a character reference.
func (p *parser) value() (string, *SyntaxError) {
	quote := p.peek()
	if quote != '"' && quote != '\'' {
		return "", p.bad("an attribute value without quotes")
	}
	p.pos++
	start := p.pos
	i := start
	for i < len(p.doc) && class[p.doc[i]]&stopsValue == 0 {
		i++
	}
	if i < len(p.doc) && p.doc[i] == quote {
		p.pos = i + 1
		return p.doc[start:i], nil
	}

	var b strings.Builder
	p.pos = i
	for p.pos < len(p.doc) {
		c := p.doc[p.pos]
		if class[c]&stopsValue == 0 {
			p.pos++
			continue
		}
		switch c {
		case quote:
			b.WriteString(p.doc[start:p.pos])
			p.pos++
			return b.String(), nil
		case '"', '\'':
			p.pos++
		case '<':
			return "", p.bad("< in an attribute value")
		case '&':
			b.WriteString(p.doc[start:p.pos])
			if err := p.reference(&b); err != nil {
				return "", err
			}
			start = p.pos
		case '\t', '\n', '\r':
			b.WriteString(p.doc[start:p.pos])
			b.WriteByte(' ')
			p.pos++
			if c == '\r' && p.peek() == '\n' {
				p.pos++
			}
			start = p.pos
		default:
			if err := p.character(); err != nil {
				return "", err
			}
		}
	}
	return "", p.bad("the document ends too early")
}

const cdata = "<![CDATA["

// text reads the text up to the next tag and adds it to the innermost element.
// CDATA sections are text like any other; neighbours become one run.
func (p *parser) text() *SyntaxError {
	doc, start := p.doc, p.pos
	i := start
	for i < len(doc) && class[doc[i]]&stopsText == 0 {
		i++
	}
	p.pos = i
	run := doc[start:i]
	if i == len(doc) || doc[i] != '<' || strings.HasPrefix(doc[i:], cdata) {
		var err *SyntaxError
		if run, err = p.mixedText(start); err != nil {
			return err
		}
	}
	if run == "" {
		return nil
	}
	if err := p.count(1); err != nil {
		return err
	}
	return p.child(Node{Text: run})
}

// mixedText reads text that has to be decoded. What is between start and the
// position is known to be plain.
func (p *parser) mixedText(start int) (string, *SyntaxError) {
	var b strings.Builder
	flush := func() { b.WriteString(p.doc[start:p.pos]) }
	for p.pos < len(p.doc) {
		c := p.doc[p.pos]
		if class[c]&stopsText == 0 {
			p.pos++
			continue
		}
		switch c {
		case '<':
			if !strings.HasPrefix(p.rest(), cdata) {
				if b.Len() == 0 {
					return p.doc[start:p.pos], nil
				}
				flush()
				return b.String(), nil
			}
			flush()
			p.pos += len(cdata)
			if err := p.cdata(&b); err != nil {
				return "", err
			}
			start = p.pos
		case '&':
			flush()
			if err := p.reference(&b); err != nil {
				return "", err
			}
			start = p.pos
		case '\r':
			flush()
			p.lineEnd(&b)
			start = p.pos
		case ']':
			if strings.HasPrefix(p.rest(), "]]>") {
				return "", p.bad("]]> in text")
			}
			p.pos++
		default:
			if err := p.character(); err != nil {
				return "", err
			}
		}
	}
	return "", p.bad("the document ends too early")
}

// cdata reads the rest of a CDATA section.
func (p *parser) cdata(b *strings.Builder) *SyntaxError {
	n := strings.Index(p.rest(), "]]>")
	if n < 0 {
		return p.bad("the document ends too early")
	}
	start, end := p.pos, p.pos+n
	for p.pos < end {
		switch c := p.doc[p.pos]; {
		case c == '\r':
			b.WriteString(p.doc[start:p.pos])
			p.lineEnd(b)
			start = p.pos
		case c < 0x20 || c == 0xEF:
			if err := p.character(); err != nil {
				return err
			}
		default:
			p.pos++
		}
	}
	b.WriteString(p.doc[start:end])
	p.pos = end + len("]]>")
	return nil
}

// lineEnd reads CR or CR LF, which are LF to applications (XML 1.0 §2.11).
func (p *parser) lineEnd(b *strings.Builder) {
	b.WriteByte('\n')
	p.pos++
	if p.peek() == '\n' {
		p.pos++
	}
}

// character skips one character if XML allows it.
func (p *parser) character() *SyntaxError {
	r, n := utf8.DecodeRuneInString(p.rest())
	if !isChar(r) {
		return p.bad("a character that XML forbids")
	}
	p.pos += n
	return nil
}

// reference reads a character reference or one of the five entities.
func (p *parser) reference(b *strings.Builder) *SyntaxError {
	// The longest that makes sense is &#x0010FFFF;, and leading zeros are free.
	const longest = 64
	s := p.rest()
	end := strings.IndexByte(s[:min(len(s), longest)], ';')
	if end < 0 {
		return p.bad("& without a reference")
	}
	name := s[1:end]
	switch name {
	case "amp":
		b.WriteByte('&')
	case "lt":
		b.WriteByte('<')
	case "gt":
		b.WriteByte('>')
	case "quot":
		b.WriteByte('"')
	case "apos":
		b.WriteByte('\'')
	default:
		if !strings.HasPrefix(name, "#") {
			if isName(name) {
				return p.restricted("only the five predefined entities are allowed")
			}
			return p.bad("& without a reference")
		}
		r, ok := number(name[1:])
		if !ok || !isChar(r) {
			return p.bad("a reference to a character that XML forbids")
		}
		b.WriteRune(r)
	}
	p.pos += end + 1
	return nil
}

// number reads the number of a character reference, decimal or x and
// hexadecimal.
func number(s string) (r rune, ok bool) {
	base := rune(10)
	if strings.HasPrefix(s, "x") {
		base, s = 16, s[1:]
	}
	for _, c := range []byte(s) {
		d := rune(99)
		switch {
		case c >= '0' && c <= '9':
			d = rune(c - '0')
		case c >= 'a' && c <= 'f':
			d = rune(c-'a') + 10
		case c >= 'A' && c <= 'F':
			d = rune(c-'A') + 10
		}
		if d >= base {
			return 0, false
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, false
		}
	}
	return r, s != ""
}

// declaration reads an XML declaration if there is one. Only version 1.0 in
// UTF-8 is ours (RFC 6120 §11.5, §11.6).
func (p *parser) declaration() *SyntaxError {
	const begin = "<?xml"
	if !strings.HasPrefix(p.doc, begin) || len(p.doc) == len(begin) || class[p.doc[len(begin)]]&isSpace == 0 {
		return nil
	}
	end := strings.Index(p.doc, "?>")
	if end < 0 {
		return p.bad("the document ends too early")
	}
	// The rest has the form of attributes, so it is read as those of a tag.
	inner := parser{doc: p.doc[len(begin):end] + ">", lim: p.lim}
	err := inner.attributes(&frame{})
	if err != nil || inner.pos != len(inner.doc)-1 || strings.Contains(inner.doc, "xmlns") {
		return p.bad("the XML declaration is malformed")
	}
	step := 0
	for _, a := range inner.attrs {
		switch {
		case a.prefix == "" && a.local == "version" && step == 0:
			if a.value != "1.0" {
				return p.bad("only XML 1.0 is understood")
			}
			step = 1
		case a.prefix == "" && a.local == "encoding" && step == 1:
			if !strings.EqualFold(a.value, "utf-8") {
				return &SyntaxError{Condition: UnsupportedEncoding, Msg: "only UTF-8 is allowed"}
			}
			step = 2
		case a.prefix == "" && a.local == "standalone" && (step == 1 || step == 2):
			if a.value != "yes" && a.value != "no" {
				return p.bad("the XML declaration is malformed")
			}
			step = 3
		default:
			return p.bad("the XML declaration is malformed")
		}
	}
	if step == 0 {
		return p.bad("the XML declaration is malformed")
	}
	p.pos = end + 2
	return nil
}
