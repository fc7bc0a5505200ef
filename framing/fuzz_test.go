package framing

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// seeds are documents that show each way through the parser; a sample of what
// fuzzing reached beyond them is in testdata.
var seeds = []string{
	archiveResult,
	`<?xml version="1.0" encoding='utf-8'?> <a xmlns='u'><p:b xmlns:p="v" p:c='1' c="2" xml:lang='de'/>t&amp;&#x41;&#66;<![CDATA[<c>]]]]>u</a>` + "\n",
	"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
	"<a b='\t\r\n&#9;&quot;&apos;'>\r\n\r]] ></a >", "<é\u0301/>", "<a>\uFEFF\uFFFD，\U0001F600</a>",
	"<a/><b/>", "<a><!--x--></a>", "<a>&lol;</a>", "<a xmlns:p=''/>", "<xmlns:x/>", "<a b='1' b='2'/>", "<a>&#xD800;</a>", "<a>\xED\xA0\x80</a>", "<a>]]></a>",
	"<a xmlns='u'><b xmlns=''><c xmlns='u'/></b></a>", "<xml:a xml:b='c'/>",
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := Parse(doc, Limits{})
		if (e == nil) == (err == nil) {
			t.Fatalf("element %v and error %v", e, err)
		}
		if err == nil && !utf8.ValidString(e.String()) {
			t.Fatalf("wrote invalid UTF-8: %q", e.String())
		}
		// Tight limits hold whatever the input is.
		if e, err := Parse(doc, Limits{Bytes: 100, Depth: 3, Children: 4, Attrs: 2, Name: 8, Nodes: 10}); err == nil {
			if nodes := within(t, e, 1); nodes > 10 {
				t.Fatalf("%d nodes", nodes)
			}
		}
	})
}

// within fails when e is beyond the limits of FuzzParse, and counts its nodes.
func within(t *testing.T, e *Element, depth int) int {
	if depth > 3 || len(e.Children) > 4 || len(e.Attrs) > 2 || len(e.Name.Local) > 8 {
		t.Fatalf("beyond the limits: %s", e)
	}
	n := 1 + len(e.Attrs)
	for _, c := range e.Children {
		if c.Element == nil {
			n++
			continue
		}
		n += within(t, c.Element, depth+1)
	}
	return n
}

// What we read and write is read back equal; what anybody builds from any strings
// is a document, and holds no more elements than were put in.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range seeds {
		f.Add(s, "name", "u", "text")
	}
	f.Add("", "a b='c'><evil/", `u"><evil/>`, "</a><evil/>")
	f.Add("", "xmlns", nsXMLNS, "\xFF\uFFFE")
	f.Add("", "a", NSXML, "]]>&lt;")
	f.Fuzz(func(t *testing.T, doc, name, space, text string) {
		// Written out, prefixes and escapes are longer than they were.
		lim := Limits{Attrs: 1 << 10, Bytes: 1 << 30}
		if e, err := Parse(doc, Limits{}); err == nil {
			again, err := Parse(e.String(), lim)
			if err != nil || !reflect.DeepEqual(again, e) {
				t.Fatalf("%q became %q: %v", doc, e, err)
			}
		}

		e := New(space, name).AddText(text)
		e.Attrs = []Attr{{Name{"", name}, text}, {Name{space, name}, text}, {Name{text, name}, space}}
		root := New("u", "root").Add(e, New("u", "after"))
		root.Attrs = []Attr{{Name{space, "a"}, text}, {Name{text, "a"}, space}}
		again, err := Parse(root.String(), Limits{Name: 1 << 20})
		if err != nil {
			t.Fatalf("wrote what we do not read: %q: %v", root, err)
		}
		if all := again.Elements(); len(all) == 0 || len(all) > 2 || !all[len(all)-1].Is("u", "after") || len(all[len(all)-1].Children) > 0 {
			t.Fatalf("strings became markup: %q", root)
		}
		if got := again.First(); len(again.Children) == 2 && (len(got.Elements()) > 0 || got.Text() != legal(text)) {
			t.Fatalf("the text %q is read back as %q", text, got.Text())
		}
	})
}

// legal is what the writer promises to make of text.
func legal(s string) string {
	var b strings.Builder
	for _, r := range s { // invalid UTF-8 comes as U+FFFD
		if !isChar(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}

// What we accept encoding/xml reads as the same tree. Known differences: it has
// the shorter name tables of XML 1.0's fourth edition, does not normalise
// whitespace in attribute values, and knows nothing of Prosody's undeclared
// prefix.
func FuzzAgainstEncodingXML(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		ours, err := Parse(doc, Limits{})
		if err != nil || !asciiNames(ours) || strings.Contains(doc, "<stream:error") {
			return
		}
		theirs, err := readAll(doc)
		if err != nil {
			t.Fatalf("%q: encoding/xml: %v", doc, err)
		}
		flattenSpace(ours)
		flattenSpace(theirs)
		if got, want := ours.String(), theirs.String(); got != want {
			t.Fatalf("%q:\nours   %q\ntheirs %q", doc, got, want)
		}
	})
}

func asciiNames(e *Element) bool {
	plain := func(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 }
	if !plain(e.Name.Local) {
		return false
	}
	for _, a := range e.Attrs {
		if !plain(a.Name.Local) {
			return false
		}
	}
	for _, c := range e.Elements() {
		if !asciiNames(c) {
			return false
		}
	}
	return true
}

func flattenSpace(e *Element) {
	space := strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")
	e.Name.Space = space.Replace(e.Name.Space)
	for i, a := range e.Attrs {
		e.Attrs[i] = Attr{Name{space.Replace(a.Name.Space), a.Name.Local}, space.Replace(a.Value)}
	}
	for _, c := range e.Elements() {
		flattenSpace(c)
	}
}
