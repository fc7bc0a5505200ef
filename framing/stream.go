package framing

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// StreamReader cuts the bytes of a TCP stream (RFC 6120) into the elements that
// Parse would read from messages, with the same strictness and limits. What the
// stream header declares is part of the names of what follows, so each element
// written by Append is a document of its own (RFC 7395 §3.3.3).
//
// What surprises:
//
//   - A header is returned as the element stream without children. Another one may
//     follow at any time, as it does after a restart (RFC 6120 §4.3.3): whether
//     it was due is for the caller to say.
//   - Whitespace between elements is skipped; it only shows that the peer lives.
//   - An element is judged when it is complete, or cannot become so. One that never
//     ends costs Limits.Bytes at most.
type StreamReader struct {
	src io.Reader
	lim Limits
	err error // what Next returns from now on

	buf   []byte // unread bytes begin at start
	start int
	scan  scanner

	size    int  // bytes of the latest item
	begun   bool // something has been read, if only whitespace
	declare bool // an XML declaration stands before what is at start
	header  *header
}

// header is what a stream header means for all that comes after it.
type header struct {
	tag   string // as written, to match the end tag
	space string // default namespace
	ns    []binding
}

// NewStreamReader returns a reader of what src yields. It reads ahead.
func NewStreamReader(src io.Reader, lim Limits) *StreamReader {
	return &StreamReader{src: src, lim: lim.orDefault()}
}

// Space returns the default namespace of the latest header: that of stanzas.
func (r *StreamReader) Space() string {
	if r.header == nil {
		return ""
	}
	return r.header.space
}

// Size returns how many bytes the latest element had.
func (r *StreamReader) Size() int { return r.size }

// Buffered returns how many bytes have been read from the source and not been
// returned as elements.
func (r *StreamReader) Buffered() int { return len(r.buf) - r.start }

// Next returns the next header or first-level element. It fails with ErrClosed at
// the end tag of the stream, *SyntaxError when the peer broke the rules, and with
// the error of the source otherwise: io.ErrUnexpectedEOF if that ended within an
// element, io.EOF if it ended between two, which is no end of a stream either.
// The error is the same however often Next is called.
func (r *StreamReader) Next() (*Element, error) {
	for r.err == nil {
		e, err := r.next()
		if err != nil {
			r.err = err
			r.buf = nil
			break
		}
		if e != nil {
			return e, nil
		}
	}
	return nil, r.err
}

// next returns nil if what it found is nothing to return.
func (r *StreamReader) next() (*Element, error) {
	kind, err := r.cut()
	if err != nil {
		return nil, err
	}
	doc := string(r.buf[r.start : r.start+r.scan.pos])
	if kind == itemHead && !r.opensStream(doc) {
		r.scan.resume()
		return nil, nil // an element of another kind, which goes on
	}
	if kind == itemDeclaration {
		p := parser{doc: doc, lim: r.lim}
		if !utf8.ValidString(doc) {
			return nil, p.bad("not UTF-8")
		}
		if err := p.declaration(); err != nil {
			return nil, err
		}
		if p.pos != len(doc) || r.declare || r.header == nil && r.begun {
			return nil, p.restricted("comments, processing instructions and declarations are not allowed")
		}
		r.declare = true
		r.skip()
		return nil, nil
	}

	var e *Element
	var bad *SyntaxError
	switch {
	case kind == itemHead:
		e, bad = r.readHeader(doc)
	case kind == itemEnd && r.header != nil && !r.declare:
		bad = r.readEnd(doc)
		if bad == nil {
			return nil, ErrClosed
		}
	default:
		e, bad = r.readElement(doc)
	}
	if bad != nil {
		return nil, bad
	}
	r.declare = false
	r.skip()
	return e, nil
}

// skip forgets the item that has just been read.
func (r *StreamReader) skip() {
	r.begun = true
	r.size = r.scan.pos
	r.start += r.size
	r.scan = scanner{}
	if r.start == len(r.buf) {
		r.start, r.buf = 0, r.buf[:0]
		if cap(r.buf) > mostIdle {
			r.buf = nil
		}
	}
}

const (
	leastRead = 2 << 10
	mostRead  = 32 << 10
	mostIdle  = 16 << 10 // of buffer kept while nothing is in it
)

// cut scans until an item is complete, reading as needed. The item is then the
// first r.scan.pos bytes from r.start.
func (r *StreamReader) cut() (item, error) {
	for {
		if r.scan.pos == 0 {
			n := 0
			for _, c := range r.buf[r.start:] {
				if class[c]&isSpace == 0 {
					break
				}
				n++
			}
			r.start += n
			r.begun = r.begun || n > 0
			r.scan.head = r.header == nil || r.declare
		}
		pending := r.buf[r.start:]
		over := len(pending) > r.lim.Bytes
		if over {
			pending = pending[:r.lim.Bytes]
		}
		kind := r.scan.run(pending)
		switch {
		case kind == itemBad:
			// The parser says what is wrong: it may be something further to the front.
			kind = itemElement
			fallthrough
		case kind != itemNone:
			return kind, nil
		case over:
			return 0, &SyntaxError{Condition: PolicyViolation, Offset: r.lim.Bytes, Msg: "document too long"}
		}
		if err := r.fill(); err != nil {
			if err == io.EOF && r.start < len(r.buf) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
}

// fill reads more bytes from the source.
func (r *StreamReader) fill() error {
	if cap(r.buf)-len(r.buf) < leastRead/2 {
		pending := r.buf[r.start:]
		if r.start < leastRead {
			r.buf = make([]byte, 0, len(pending)+max(leastRead, len(pending)))
		}
		r.buf = append(r.buf[:0], pending...)
		r.start = 0
	}
	for range 100 {
		n, err := r.src.Read(r.buf[len(r.buf):min(cap(r.buf), len(r.buf)+mostRead)])
		r.buf = r.buf[:len(r.buf)+n]
		if n > 0 {
			return nil // a source that also failed says so again
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// parse lends f a parser that stands within the stream.
func (r *StreamReader) parse(doc string, f func(p *parser) *SyntaxError) *SyntaxError {
	s := scratches.Get().(*scratch)
	defer func() {
		*s = scratch{} // or it would keep doc alive
		scratches.Put(s)
	}()
	p := parser{doc: doc, lim: r.lim, open: s.open[:0], nodes: s.nodes[:0], attrs: s.attrs[:0], ns: s.ns[:0]}
	if !utf8.ValidString(doc) {
		return p.bad("not UTF-8")
	}
	return f(&p)
}

// opensStream reports whether a start tag is a stream header. A header declares
// what it uses, for nothing is in scope before it.
func (r *StreamReader) opensStream(doc string) bool {
	return r.header == nil || r.declare || r.parse(doc, func(p *parser) *SyntaxError {
		if _, err := p.startTag(); err != nil {
			return err
		}
		if len(p.open) != 1 || !p.open[0].element.Is(NSStream, "stream") {
			return p.bad("not a stream header")
		}
		return nil
	}) == nil
}

func (r *StreamReader) readHeader(doc string) (e *Element, err *SyntaxError) {
	err = r.parse(doc, func(p *parser) *SyntaxError {
		if p.peek() != '<' {
			return p.bad("a document starts with <")
		}
		if isRestricted(doc) {
			return p.restricted("comments, processing instructions and declarations are not allowed")
		}
		if _, err := p.startTag(); err != nil {
			return err
		}
		switch {
		case len(p.open) != 1 || p.pos != len(doc):
			return p.bad("the stream header is not a start tag")
		case p.open[0].element.Name.Space != NSStream:
			return &SyntaxError{Condition: InvalidNamespace, Msg: "the stream header is in another namespace"}
		case p.open[0].element.Name.Local != "stream":
			return &SyntaxError{Condition: BadFormat, Msg: "a stream header was expected"}
		}
		f := p.open[0]
		e = f.element
		r.header = &header{tag: f.tag, space: f.space, ns: append([]binding(nil), p.ns...)}
		return nil
	})
	return e, err
}

// readElement reads an element as the child that it is of the stream.
func (r *StreamReader) readElement(doc string) (e *Element, err *SyntaxError) {
	if r.header == nil || r.declare {
		return r.readHeader(doc)
	}
	err = r.parse(doc, func(p *parser) *SyntaxError {
		p.lim.Depth++ // the stream does not count
		p.ns = append(p.ns, r.header.ns...)
		p.open = append(p.open, frame{element: new(Element), tag: r.header.tag, space: r.header.space})
		if p.peek() != '<' {
			return p.bad("text between elements")
		}
		for {
			switch rest := p.rest(); {
			case strings.HasPrefix(rest, "</"):
				if len(p.open) == 1 {
					return p.bad("the end tag does not match the start tag")
				}
				if _, err := p.endTag(); err != nil {
					return err
				}
			case isRestricted(rest):
				return p.restricted("comments, processing instructions and declarations are not allowed")
			case strings.HasPrefix(rest, "<!"):
				return p.bad("unknown markup")
			default:
				if _, err := p.startTag(); err != nil {
					return err
				}
			}
			if len(p.open) == 1 {
				break
			}
			if err := p.text(); err != nil {
				return err
			}
		}
		if p.pos != len(doc) {
			return p.bad("something follows the element")
		}
		e = p.nodes[0].Element
		if e.Is(NSStream, "stream") {
			return &SyntaxError{Condition: BadFormat, Msg: "a stream within the stream"}
		}
		return nil
	})
	return e, err
}

// readEnd reads the end tag of the stream.
func (r *StreamReader) readEnd(doc string) *SyntaxError {
	return r.parse(doc, func(p *parser) *SyntaxError {
		p.open = append(p.open, frame{element: new(Element), tag: r.header.tag})
		if _, err := p.endTag(); err != nil {
			return err
		}
		if p.pos != len(doc) {
			return p.bad("the end tag does not match the start tag")
		}
		return nil
	})
}

// item is what begins at the first level of a stream.
type item uint8

const (
	itemNone        item = iota // not complete
	itemElement                 // with everything in it
	itemHead                    // a start tag that may be a stream header
	itemEnd                     // an end tag
	itemDeclaration             // <?xml … ?>
	itemBad                     // no way to go on
)

// scanner finds where an item ends without looking at what it says. It goes over
// each byte once, however they arrive, and whatever it takes for complete must be
// so to the parser too. Of broken XML it need not find the end.
type scanner struct {
	pos   int // bytes looked at
	from  int // where the markup being looked at begins
	depth int // open elements
	state scanState
	quote byte // within a tag, 0 outside values
	head  bool // a header is due: any tag at the first level is judged by itself
}

type scanState uint8

const (
	inText scanState = iota
	inMarkup
	inTag
	inEndTag
	inCDATA
	inDeclaration
)

// resume goes on behind a start tag that is no header.
func (s *scanner) resume() {
	s.depth, s.state = 1, inText
}

// run looks at the rest of b, whose beginning it knows, and returns what b begins
// with once that is complete, its end in s.pos.
func (s *scanner) run(b []byte) item {
	for s.pos < len(b) {
		switch s.state {
		case inText:
			if s.depth == 0 && b[s.pos] != '<' {
				s.pos++
				return itemBad
			}
			n := bytes.IndexByte(b[s.pos:], '<')
			if n < 0 {
				s.pos = len(b)
				return itemNone
			}
			s.from = s.pos + n
			s.pos = s.from + 1
			s.state = inMarkup
		case inMarkup: // what kind is it?
			switch c := b[s.pos]; {
			case c == '/':
				s.state = inEndTag
			case c == '?' && s.depth == 0:
				s.state = inDeclaration
			case c == '!':
				markup := b[s.from:min(len(b), s.from+len(cdata))]
				s.pos = s.from + len(markup)
				if !strings.HasPrefix(cdata, string(markup)) || s.depth == 0 && len(markup) == len(cdata) {
					// As much as it takes to see what it is.
					s.pos = min(s.pos, s.from+3)
					return itemBad
				}
				if len(markup) < len(cdata) {
					s.pos = s.from + 1 // look at it again
					return itemNone
				}
				s.state = inCDATA
				continue
			case c == '?':
				s.pos++
				return itemBad
			default:
				s.state = inTag
				continue
			}
			s.pos++
		case inTag:
			if kind := s.tag(b); kind != itemNone {
				return kind
			}
		case inEndTag:
			n := bytes.IndexByte(b[s.pos:], '>')
			if n < 0 {
				s.pos = len(b)
				return itemNone
			}
			s.pos += n + 1
			s.state = inText
			if s.depth == 0 {
				return itemEnd
			}
			if s.depth--; s.depth == 0 {
				return itemElement
			}
		case inCDATA:
			from := max(s.from+len(cdata), s.pos-2)
			n := bytes.Index(b[from:], []byte("]]>"))
			if n < 0 {
				s.pos = len(b)
				return itemNone
			}
			s.pos = from + n + 3
			s.state = inText
		case inDeclaration:
			const begin = "<?xml"
			if seen := b[:min(len(b), len(begin))]; !strings.HasPrefix(begin, string(seen)) {
				s.pos = 2
				return itemBad
			} else if len(seen) < len(begin) {
				return itemNone
			}
			from := max(2, s.pos-1)
			n := bytes.Index(b[from:], []byte("?>"))
			if n < 0 {
				s.pos = len(b)
				return itemNone
			}
			s.pos = from + n + 2
			return itemDeclaration
		}
	}
	return itemNone
}

// tag goes on in a start tag.
func (s *scanner) tag(b []byte) item {
	for s.pos < len(b) {
		c := b[s.pos]
		s.pos++
		switch {
		case c == '<':
			return itemBad // nowhere in a tag
		case s.quote != 0:
			if c == s.quote {
				s.quote = 0
			}
		case c == '"' || c == '\'':
			s.quote = c
		case c == '>':
			s.state = inText
			if b[s.pos-2] == '/' {
				if s.depth == 0 {
					return itemElement
				}
				return itemNone
			}
			if s.depth == 0 && (s.head || namesStream(b[s.from+1:s.pos])) {
				return itemHead
			}
			s.depth++
			return itemNone
		}
	}
	return itemNone
}

// namesStream reports whether the local name at the beginning of a tag is stream.
func namesStream(tag []byte) bool {
	n := bytes.IndexAny(tag, " \t\r\n/>")
	name := tag[:n]
	return bytes.HasSuffix(name, []byte("stream")) && (len(name) == 6 || name[len(name)-7] == ':')
}

// AppendWithin appends the element as it stands in a stream whose header AppendHeader made
// with the default namespace space, which it then need not declare. All else is as with
// Append, but that features, stream errors and dialback have the prefixes that the header
// declares: ejabberd knows them by these alone.
func (e *Element) AppendWithin(dst []byte, space string) []byte {
	prefix := ""
	switch {
	case e != nil && e.Name.Space == NSStream:
		prefix = "stream:"
	case e != nil && e.Name.Space == NSDialback && space == NSServer:
		prefix = "db:"
	}
	if prefix == "" || !isName(e.Name.Local) {
		return e.append(dst, space)
	}
	dst = append(append(append(dst, '<'), prefix...), e.Name.Local...)
	dst = append(e.appendAttrs(dst), '>')
	for _, n := range e.Children {
		if n.Element != nil {
			dst = n.Element.append(dst, space)
			continue
		}
		dst = appendEscaped(dst, n.Text, false)
	}
	dst = append(append(append(dst, "</"...), prefix...), e.Name.Local...)
	return append(dst, '>')
}

// StreamEnd ends a stream of bytes.
const StreamEnd = "</stream:stream>"

// AppendHeader appends the header of a stream of bytes whose stanzas are in the
// namespace space, after an XML declaration. One between servers says that dialback is
// understood (XEP-0220 §2.1).
func (o Open) AppendHeader(dst []byte, space string) []byte {
	dst = append(dst, `<?xml version="1.0"?><stream:stream xmlns="`...)
	dst = appendEscaped(dst, space, true)
	dst = append(dst, `" xmlns:stream="`+NSStream+`"`...)
	if space == NSServer {
		dst = append(dst, ` xmlns:db="`+NSDialback+`"`...)
	}
	dst = o.Element(space).appendAttrs(dst)
	return append(dst, '>')
}

// ReadHeader reads a header that StreamReader returned, which is in the place of
// an open. It returns false if e is something else.
func ReadHeader(e *Element) (Open, bool) {
	if !e.Is(NSStream, "stream") {
		return Open{}, false
	}
	return Open{To: e.Attr("to"), From: e.Attr("from"), ID: e.Attr("id"), Lang: e.Lang(), Version: e.Attr("version")}, true
}
