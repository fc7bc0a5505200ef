package framing

import "strings"

// Name is a namespace-exact name. Attributes without a prefix are in no
// namespace (Space is empty), never in that of their element.
type Name struct{ Space, Local string }

// Attr is one attribute. Namespace declarations are not attributes here; the
// parser consumes them and the writer makes its own.
type Attr struct {
	Name  Name
	Value string
}

// Node is a child of an element: another element, or a run of text when Element
// is nil.
type Node struct {
	Element *Element
	Text    string
}

// Element is an XML element with everything in it. One WebSocket message is one
// Element. All strings of a parsed tree may share the memory of the message:
// clone what is kept for long.
//
// The reading methods work on a nil Element and then report absence, so a chain
// of Child calls needs no checks in between.
type Element struct {
	Name     Name
	Attrs    []Attr
	Children []Node
}

// New returns an element without attributes or children.
func New(space, local string) *Element {
	return &Element{Name: Name{space, local}}
}

// Set sets the attribute that is in no namespace and returns e. An empty value
// removes the attribute: XMPP gives empty core attributes no meaning.
func (e *Element) Set(local, value string) *Element {
	for i, a := range e.Attrs {
		if a.Name == (Name{"", local}) {
			if value == "" {
				e.Attrs = append(e.Attrs[:i:i], e.Attrs[i+1:]...)
			} else {
				e.Attrs[i].Value = value
			}
			return e
		}
	}
	if value != "" {
		e.Attrs = append(e.Attrs, Attr{Name{"", local}, value})
	}
	return e
}

// Add appends child elements and returns e. Nil children are left out.
func (e *Element) Add(children ...*Element) *Element {
	for _, c := range children {
		if c != nil {
			e.Children = append(e.Children, Node{Element: c})
		}
	}
	return e
}

// AddText appends a run of text and returns e. Empty text adds nothing.
func (e *Element) AddText(text string) *Element {
	if text != "" {
		e.Children = append(e.Children, Node{Text: text})
	}
	return e
}

// Is reports whether e has this namespace and local name.
func (e *Element) Is(space, local string) bool {
	return e != nil && e.Name.Local == local && e.Name.Space == space
}

// Attr returns the value of the attribute that is in no namespace, "" if absent.
// It never sees x:from: whoever writes that cannot choose the sender.
func (e *Element) Attr(local string) string {
	v, _ := e.Lookup(Name{"", local})
	return v
}

// Lookup returns the value of the attribute and whether it is there.
func (e *Element) Lookup(name Name) (value string, ok bool) {
	if e == nil {
		return "", false
	}
	for _, a := range e.Attrs {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// Lang returns the xml:lang of e itself, "" if it has none.
func (e *Element) Lang() string {
	v, _ := e.Lookup(Name{NSXML, "lang"})
	return v
}

// Child returns the first child element with this name, nil if there is none.
func (e *Element) Child(space, local string) *Element {
	if e == nil {
		return nil
	}
	for _, n := range e.Children {
		if n.Element.Is(space, local) {
			return n.Element
		}
	}
	return nil
}

// Only returns the child element with this name if there is exactly one.
// Security-relevant singletons (forwarded, body, delay) are read with Only, so a
// second one smuggled in by a stranger makes the first disappear too.
func (e *Element) Only(space, local string) *Element {
	var only *Element
	if e == nil {
		return nil
	}
	for _, n := range e.Children {
		if n.Element.Is(space, local) {
			if only != nil {
				return nil
			}
			only = n.Element
		}
	}
	return only
}

// Elements returns the child elements in order, without the text between them.
func (e *Element) Elements() []*Element {
	if e == nil {
		return nil
	}
	els := make([]*Element, 0, len(e.Children))
	for _, n := range e.Children {
		if n.Element != nil {
			els = append(els, n.Element)
		}
	}
	return els
}

// First returns the first child element, nil if there is none.
func (e *Element) First() *Element {
	if e == nil {
		return nil
	}
	for _, n := range e.Children {
		if n.Element != nil {
			return n.Element
		}
	}
	return nil
}

// Text returns the text directly inside e, that of child elements left out.
func (e *Element) Text() string {
	if e == nil {
		return ""
	}
	if len(e.Children) == 1 {
		return e.Children[0].Text
	}
	var b strings.Builder
	for _, n := range e.Children {
		b.WriteString(n.Text)
	}
	return b.String()
}
