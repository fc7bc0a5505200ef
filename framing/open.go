package framing

import (
	"fmt"
	"strconv"
	"strings"
)

// Open is the stream header of RFC 7395 §3.4. Empty fields are not sent.
type Open struct {
	To, From string
	ID       string // set by the receiving entity only, RFC 6120 §4.7.3
	Lang     string
	Version  string // "1.0"; empty when the peer left it out, which means 0.9
}

// Element returns the header in the framing namespace ns.
func (o Open) Element(ns string) *Element {
	e := New(ns, "open").Set("to", o.To).Set("from", o.From).Set("id", o.ID).Set("version", o.Version)
	if o.Lang != "" {
		e.Attrs = append(e.Attrs, Attr{Name{NSXML, "lang"}, o.Lang})
	}
	return e
}

// ReadOpen reads a header. It fails with *SyntaxError, condition
// invalid-namespace, when e is an open in another namespace than ns (RFC 7395
// §3.3.2), and condition not-well-formed when e is no open at all.
func ReadOpen(e *Element, ns string) (Open, error) {
	if e == nil || e.Name.Local != "open" {
		return Open{}, &SyntaxError{Condition: NotWellFormed, Msg: "a stream header was expected"}
	}
	if e.Name.Space != ns {
		return Open{}, &SyntaxError{Condition: InvalidNamespace, Msg: fmt.Sprintf("the stream header is in the namespace %q", e.Name.Space)}
	}
	return Open{
		To:      e.Attr("to"),
		From:    e.Attr("from"),
		ID:      e.Attr("id"),
		Lang:    e.Lang(),
		Version: e.Attr("version"),
	}, nil
}

// Close returns the element that ends a stream in the framing namespace ns. With
// a URI it also tells the peer where to go instead (RFC 7395 §3.6.1).
func Close(ns, seeOtherURI string) *Element {
	return New(ns, "close").Set("see-other-uri", seeOtherURI)
}

// MajorVersion returns the number before the dot of a stream version: 1 for
// "1.0", "1.1" and "01.0"; 0 when the version is missing, which RFC 6120 §4.7.5
// reads as 0.9. Versions are compared as numbers, so "1.10" is above "1.9"; what
// is not a version at all counts as missing.
func MajorVersion(version string) int {
	major, minor, ok := strings.Cut(version, ".")
	if !ok || !digits(major) || !digits(minor) {
		return 0
	}
	n, err := strconv.Atoi(major)
	if err != nil {
		return 0
	}
	return n
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
