package framing

import (
	"strconv"
	"unicode/utf8"
)

// String returns the element as a document, see Append.
func (e *Element) String() string {
	var most [512]byte // of what stanzas are; a longer one moves to the heap
	return string(e.Append(most[:0]))
}

// Append appends the element as a document of its own: it begins with <, has no
// XML declaration, declares the namespaces it needs, and whatever the strings of
// the tree hold it is well-formed (RFC 6120 §11.1, §11.3). Elements are never
// prefixed; attributes in a namespace get a generated prefix, or xml: (§8.1.5).
//
// Characters that XML forbids and bytes that are no UTF-8 become U+FFFD. An
// element whose name is not an XML name is left out with everything in it, so a
// name can never become markup; if it is the root nothing is appended. The same
// goes for attributes, for one that would read as a namespace declaration, and
// for the second of two with the same name.
func (e *Element) Append(dst []byte) []byte {
	return e.append(dst, "")
}

// append writes e where space is the default namespace in scope.
func (e *Element) append(dst []byte, space string) []byte {
	if e == nil || !isName(e.Name.Local) || e.Name.Space == nsXMLNS {
		return dst
	}
	prefix := ""
	if e.Name.Space == NSXML { // never the default namespace; its prefix is always there
		prefix = "xml:"
	}
	dst = append(dst, '<')
	dst = append(dst, prefix...)
	dst = append(dst, e.Name.Local...)
	if prefix == "" && e.Name.Space != space {
		space = e.Name.Space
		dst = append(dst, ` xmlns="`...)
		dst = appendEscaped(dst, space, true)
		dst = append(dst, '"')
	}
	dst = e.appendAttrs(dst)

	begin := len(dst)
	dst = append(dst, '>')
	for _, n := range e.Children {
		if n.Element != nil {
			dst = n.Element.append(dst, space)
			continue
		}
		dst = appendEscaped(dst, n.Text, false)
	}
	if len(dst) == begin+1 {
		if e.Is(NSFraming, "close") && len(e.Attrs) == 0 {
			// Strophe compares this message as text.
			return append(dst[:begin], " />"...)
		}
		return append(dst[:begin], "/>"...)
	}
	dst = append(dst, "</"...)
	dst = append(dst, prefix...)
	dst = append(dst, e.Name.Local...)
	return append(dst, '>')
}

func (e *Element) appendAttrs(dst []byte) []byte {
	for i, a := range e.Attrs {
		if !writable(e.Attrs[:i], a.Name) {
			continue
		}
		dst = append(dst, ' ')
		switch a.Name.Space {
		case "":
		case NSXML:
			dst = append(dst, "xml:"...)
		default:
			n, first := e.prefix(i)
			if first {
				dst = append(dst, "xmlns:ns"...)
				dst = strconv.AppendInt(dst, int64(n), 10)
				dst = append(dst, `="`...)
				dst = appendEscaped(dst, a.Name.Space, true)
				dst = append(dst, `" `...)
			}
			dst = append(dst, "ns"...)
			dst = strconv.AppendInt(dst, int64(n), 10)
			dst = append(dst, ':')
		}
		dst = append(dst, a.Name.Local...)
		dst = append(dst, `="`...)
		dst = appendEscaped(dst, a.Value, true)
		dst = append(dst, '"')
	}
	return dst
}

// writable reports whether an attribute may follow those before it.
func writable(before []Attr, name Name) bool {
	if !isName(name.Local) || name.Space == nsXMLNS || name == (Name{"", "xmlns"}) {
		return false
	}
	for _, b := range before {
		if sameName(b.Name, name) {
			return false
		}
	}
	return true
}

// sameName compares names as they will be written: two namespaces may differ
// only in what becomes U+FFFD.
func sameName(a, b Name) bool {
	return a.Local == b.Local && (a.Space == b.Space ||
		a.Space != "" && b.Space != "" && string(appendEscaped(nil, a.Space, true)) == string(appendEscaped(nil, b.Space, true)))
}

// prefix returns the number of the generated prefix of the attribute i, and
// whether that attribute is the first to use it and so has to declare it.
func (e *Element) prefix(i int) (n int, first bool) {
	for j, a := range e.Attrs[:i] {
		if a.Name.Space == e.Attrs[i].Name.Space && writable(e.Attrs[:j], a.Name) {
			return j, false
		}
	}
	return i, true
}

// appendEscaped appends s as text, or as the inside of a double-quoted attribute
// value. Whitespace that a parser would normalise goes as a reference.
func appendEscaped(dst []byte, s string, attr bool) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			escape := ""
			switch c {
			case '&':
				escape = "&amp;"
			case '<':
				escape = "&lt;"
			case '>':
				escape = "&gt;"
			case '\r':
				escape = "&#xD;"
			case '"':
				if attr {
					escape = "&quot;"
				}
			case '\t':
				if attr {
					escape = "&#x9;"
				}
			case '\n':
				if attr {
					escape = "&#xA;"
				}
			default:
				if c < 0x20 {
					escape = "\uFFFD"
				}
			}
			if escape != "" {
				dst = append(dst, s[start:i]...)
				dst = append(dst, escape...)
				start = i + 1
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !isChar(r) {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\uFFFD"...)
			start = i + n
		}
		i += n
	}
	return append(dst, s[start:]...)
}
