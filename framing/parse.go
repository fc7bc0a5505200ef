package framing

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// Limits bound what Parse builds. A zero field means that of DefaultLimits.
type Limits struct {
	Bytes    int // of the whole document
	Depth    int // of nested elements
	Children int // of one element, text runs included
	Attrs    int // of one element; also how many prefixes may be declared at one place
	Name     int // bytes of one name with its prefix
	Nodes    int // elements, text runs and attributes of the whole document
}

// DefaultLimits is generous to every honest server, and keeps a hostile document
// from costing more than a small multiple of its size.
var DefaultLimits = Limits{Bytes: 10 << 20, Depth: 64, Children: 20_000, Attrs: 64, Name: 1 << 10, Nodes: 400_000}

func (l Limits) orDefault() Limits {
	d := DefaultLimits
	for _, f := range []struct{ have, want *int }{
		{&l.Bytes, &d.Bytes}, {&l.Depth, &d.Depth}, {&l.Children, &d.Children},
		{&l.Attrs, &d.Attrs}, {&l.Name, &d.Name}, {&l.Nodes, &d.Nodes},
	} {
		if *f.have == 0 {
			*f.have = *f.want
		}
	}
	return l
}

// Parse reads a document that holds exactly one element. An XML declaration and
// whitespace around the element are accepted, as RFC 7395 §3.3.3 only advises
// against them. Everything else that XML 1.0, Namespaces in XML and the
// restrictions of RFC 6120 §11.1 forbid is a *SyntaxError whose Condition is
// what the peer should be told; so is a document beyond lim.
//
// The strings of the result share the memory of doc.
//
// One thing is forgiven: Prosody 13.0.1 sends <stream:error> without declaring
// the prefix. A root with exactly that name is read as the stream error it is.
func Parse(doc string, lim Limits) (*Element, error) {
	s := scratches.Get().(*scratch)
	defer func() {
		*s = scratch{} // or it would keep doc alive
		scratches.Put(s)
	}()
	p := parser{doc: doc, lim: lim.orDefault(), open: s.open[:0], nodes: s.nodes[:0], attrs: s.attrs[:0], ns: s.ns[:0]}
	if len(doc) > p.lim.Bytes {
		return nil, p.tooMuch("document too long")
	}
	if !utf8.ValidString(doc) {
		return nil, p.bad("not UTF-8")
	}
	root, err := p.document()
	if err != nil {
		return nil, err
	}
	return root, nil
}

// scratch is what a usual stanza needs while it is read. It is used again, so that
// only the result costs memory; larger documents outgrow it.
type scratch struct {
	open  [12]frame
	nodes [32]Node
	attrs [16]rawAttr
	ns    [4]binding
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

type parser struct {
	doc string
	pos int
	lim Limits

	open  []frame   // elements not yet ended, outermost first
	nodes []Node    // children of open elements so far, those of the innermost last
	attrs []rawAttr // of the tag being read
	ns    []binding // prefixes in scope, the latest last
	total int       // elements, text runs and attributes so far

	// Slabs that results are cut from.
	elementSlab []Element
	nodeSlab    []Node
	attrSlab    []Attr
}

type frame struct {
	element *Element
	tag     string // name as written, to match the end tag
	space   string // default namespace in scope
	nodes   int    // len(parser.nodes) at the start tag
	ns      int    // len(parser.ns) before the start tag
}

type rawAttr struct{ prefix, local, value string }

type binding struct{ prefix, space string }

const nsXMLNS = "http://www.w3.org/2000/xmlns/"

func (p *parser) bad(msg string) *SyntaxError {
	return &SyntaxError{Condition: NotWellFormed, Offset: p.pos, Msg: msg}
}

func (p *parser) restricted(msg string) *SyntaxError {
	return &SyntaxError{Condition: RestrictedXML, Offset: p.pos, Msg: msg}
}

func (p *parser) tooMuch(msg string) *SyntaxError {
	return &SyntaxError{Condition: PolicyViolation, Offset: p.pos, Msg: msg}
}

func (p *parser) rest() string { return p.doc[p.pos:] }

// peek returns the byte at the position, 0 at the end. A 0 in the document is
// not allowed anywhere, so nobody mistakes one for the other.
func (p *parser) peek() byte {
	if p.pos < len(p.doc) {
		return p.doc[p.pos]
	}
	return 0
}

// space skips whitespace and reports whether there was any.
func (p *parser) space() bool {
	start := p.pos
	for p.pos < len(p.doc) && class[p.doc[p.pos]]&isSpace != 0 {
		p.pos++
	}
	return p.pos > start
}

func (p *parser) document() (*Element, *SyntaxError) {
	if err := p.declaration(); err != nil {
		return nil, err
	}
	p.space()
	root, err := p.tree()
	if err != nil {
		return nil, err
	}
	p.space()
	switch {
	case p.pos == len(p.doc):
		return root, nil
	case isRestricted(p.rest()):
		return nil, p.restricted("comments, processing instructions and declarations are not allowed")
	}
	return nil, p.bad("something follows the element")
}

// isRestricted reports whether a comment, processing instruction or DTD begins
// here, or what would be part of one (RFC 6120 §11.1).
func isRestricted(s string) bool {
	if len(s) < 2 || s[0] != '<' {
		return false
	}
	if s[1] == '?' {
		return true
	}
	return s[1] == '!' && len(s) > 2 && s[2] != '['
}

// tree reads the root element with all in it, without recursion.
func (p *parser) tree() (*Element, *SyntaxError) {
	if p.peek() != '<' {
		return nil, p.bad("a document starts with <")
	}
	for {
		var next byte
		if p.pos+1 < len(p.doc) {
			next = p.doc[p.pos+1]
		}
		switch {
		case next == '/':
			root, err := p.endTag()
			if err != nil || root != nil {
				return root, err
			}
		case next == '!' || next == '?':
			// CDATA sections never come here: text reads them.
			if isRestricted(p.rest()) {
				return nil, p.restricted("comments, processing instructions and declarations are not allowed")
			}
			return nil, p.bad("unknown markup")
		default:
			root, err := p.startTag()
			if err != nil || root != nil {
				return root, err
			}
		}
		if err := p.text(); err != nil {
			return nil, err
		}
	}
}

// startTag reads a start tag or an empty element, and returns the latter if it
// is the root.
func (p *parser) startTag() (*Element, *SyntaxError) {
	start := p.pos
	p.pos++ // <
	if len(p.open) == p.lim.Depth {
		return nil, p.tooMuch("elements nested too deeply")
	}
	tag, colon, err := p.name()
	if err != nil {
		return nil, err
	}
	f := frame{tag: tag, nodes: len(p.nodes), ns: len(p.ns)}
	if n := len(p.open); n > 0 {
		f.space = p.open[n-1].space
	}
	if err := p.attributes(&f); err != nil {
		return nil, err
	}

	name := Name{f.space, tag}
	if colon >= 0 {
		space, ok := p.lookup(tag[:colon])
		if !ok && len(p.open) == 0 && tag == "stream:error" {
			space, ok = NSStream, true // Prosody 13.0.1, see Parse
		}
		if !ok {
			p.pos = start
			return nil, p.bad("the prefix of the element is not declared")
		}
		name = Name{space, tag[colon+1:]}
	}
	if err := p.count(1 + len(p.attrs)); err != nil {
		return nil, err
	}
	e := p.newElement()
	e.Name = name
	if e.Attrs, err = p.resolve(); err != nil {
		return nil, err
	}
	if n := len(p.open); n > 0 {
		if err := p.child(Node{Element: e}); err != nil {
			return nil, err
		}
		f.nodes = len(p.nodes)
	}

	if p.peek() == '>' {
		p.pos++
		f.element = e
		p.open = append(p.open, f)
		return nil, nil
	}
	if p.peek() != '/' || p.pos+1 >= len(p.doc) || p.doc[p.pos+1] != '>' {
		return nil, p.bad("the tag does not end")
	}
	p.pos += 2
	p.ns = p.ns[:f.ns]
	if len(p.open) == 0 {
		return e, nil
	}
	return nil, nil
}

// endTag ends the innermost element and returns it if it is the root.
func (p *parser) endTag() (*Element, *SyntaxError) {
	if len(p.open) == 0 {
		return nil, p.bad("an end tag without its start tag")
	}
	f := &p.open[len(p.open)-1]
	name := p.doc[p.pos+2:]
	if !strings.HasPrefix(name, f.tag) {
		return nil, p.bad("the end tag does not match the start tag")
	}
	p.pos += 2 + len(f.tag)
	if p.peek() != '>' { // also where the name goes on
		p.space()
		if p.peek() != '>' {
			return nil, p.bad("the end tag does not match the start tag")
		}
	}
	p.pos++

	e := f.element
	e.Children = p.cutNodes(p.nodes[f.nodes:])
	p.nodes = p.nodes[:f.nodes]
	p.ns = p.ns[:f.ns]
	p.open = p.open[:len(p.open)-1]
	if len(p.open) == 0 {
		return e, nil
	}
	return nil, nil
}

// attributes reads the attributes of a tag into p.attrs, and its namespace
// declarations into p.ns and f.
func (p *parser) attributes(f *frame) *SyntaxError {
	p.attrs = p.attrs[:0]
	hasDefault := false
	for {
		spaced := p.space()
		if c := p.peek(); c == '>' || c == '/' {
			return nil
		}
		if !spaced {
			return p.bad("a space is missing")
		}
		start := p.pos
		name, colon, err := p.name()
		if err != nil {
			return err
		}
		p.space()
		if p.peek() != '=' {
			return p.bad("an attribute without a value")
		}
		p.pos++
		p.space()
		value, err := p.value()
		if err != nil {
			return err
		}

		switch {
		case name == "xmlns":
			if hasDefault {
				return p.bad("xmlns twice")
			}
			if value == NSXML || value == nsXMLNS {
				return p.bad("a reserved namespace cannot be the default")
			}
			hasDefault = true
			f.space = value
		case colon == 5 && name[:5] == "xmlns":
			if err := p.declare(f, name[6:], value); err != nil {
				err.Offset = start
				return err
			}
		default:
			if len(p.attrs) == p.lim.Attrs {
				return p.tooMuch("too many attributes")
			}
			a := rawAttr{local: name, value: value}
			if colon >= 0 {
				a.prefix, a.local = name[:colon], name[colon+1:]
			}
			p.attrs = append(p.attrs, a)
		}
	}
}

// declare binds a prefix for the element of f.
func (p *parser) declare(f *frame, prefix, space string) *SyntaxError {
	switch {
	case prefix == "xmlns":
		return p.bad("the prefix xmlns cannot be declared")
	case (prefix == "xml") != (space == NSXML), space == nsXMLNS:
		return p.bad("a reserved namespace or prefix is bound anew")
	case space == "":
		return p.bad("a prefix cannot be undeclared")
	case len(p.ns) == p.lim.Attrs:
		return p.tooMuch("too many prefixes")
	}
	for _, b := range p.ns[f.ns:] {
		if b.prefix == prefix {
			return p.bad("a prefix is declared twice")
		}
	}
	p.ns = append(p.ns, binding{prefix, space})
	return nil
}

func (p *parser) lookup(prefix string) (space string, ok bool) {
	for i := len(p.ns) - 1; i >= 0; i-- {
		if p.ns[i].prefix == prefix {
			return p.ns[i].space, true
		}
	}
	if prefix == "xml" {
		return NSXML, true
	}
	return "", false // xmlns too: it names declarations, never an element
}

// resolve turns p.attrs into the attributes of an element, all different.
func (p *parser) resolve() ([]Attr, *SyntaxError) {
	if len(p.attrs) == 0 {
		return nil, nil
	}
	attrs := p.cutAttrs(len(p.attrs))
	for i, raw := range p.attrs {
		name := Name{"", raw.local}
		if raw.prefix != "" {
			space, ok := p.lookup(raw.prefix)
			if !ok {
				return nil, p.bad("the prefix of an attribute is not declared")
			}
			name.Space = space
		}
		for _, a := range attrs[:i] {
			if a.Name == name {
				return nil, p.bad("an attribute twice")
			}
		}
		attrs[i] = Attr{name, raw.value}
	}
	return attrs, nil
}

// child adds a node to the innermost element.
func (p *parser) child(n Node) *SyntaxError {
	if len(p.nodes)-p.open[len(p.open)-1].nodes == p.lim.Children {
		return p.tooMuch("too many children")
	}
	p.nodes = append(p.nodes, n)
	return nil
}

func (p *parser) count(n int) *SyntaxError {
	p.total += n
	if p.total > p.lim.Nodes {
		return p.tooMuch("too many nodes")
	}
	return nil
}

// Slabs are sized by what a stanza of this length usually holds, and never
// large: a hostile document pays for them as it goes.

func slabSize(have, bytes int) int {
	return max(have, min(4+bytes, 256))
}

func (p *parser) newElement() *Element {
	n := len(p.elementSlab)
	if n == cap(p.elementSlab) {
		p.elementSlab = make([]Element, 0, slabSize(1, (len(p.doc)-p.pos)/64))
		n = 0
	}
	p.elementSlab = p.elementSlab[:n+1]
	return &p.elementSlab[n]
}

func (p *parser) cutNodes(nodes []Node) []Node {
	if len(nodes) == 0 {
		return nil
	}
	if len(p.nodeSlab)+len(nodes) > cap(p.nodeSlab) {
		p.nodeSlab = make([]Node, 0, slabSize(len(nodes), len(p.doc)/64))
	}
	n := len(p.nodeSlab)
	p.nodeSlab = append(p.nodeSlab, nodes...)
	return p.nodeSlab[n:len(p.nodeSlab):len(p.nodeSlab)]
}

func (p *parser) cutAttrs(n int) []Attr {
	have := len(p.attrSlab)
	if have+n > cap(p.attrSlab) {
		p.attrSlab = make([]Attr, 0, slabSize(n, (len(p.doc)-p.pos)/48))
		have = 0
	}
	p.attrSlab = p.attrSlab[:have+n]
	return p.attrSlab[have : have+n : have+n]
}
