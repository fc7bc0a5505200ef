package framing

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

// must parses a document that has to be accepted.
func must(t testing.TB, doc string) *Element {
	t.Helper()
	e, err := Parse(doc, Limits{})
	if err != nil {
		t.Fatalf("parse %q: %v", doc, err)
	}
	return e
}

// refuses fails unless doc is refused with the condition.
func refuses(t *testing.T, doc, condition string) {
	t.Helper()
	e, err := Parse(doc, Limits{})
	var bad *SyntaxError
	if !errors.As(err, &bad) {
		t.Errorf("parse %.80q: %v, want %s (read as %s)", doc, err, condition, e)
		return
	}
	if bad.Condition != condition {
		t.Errorf("parse %.80q: %v, want %s", doc, err, condition)
	}
	if bad.Offset < 0 || bad.Offset > len(doc) {
		t.Errorf("parse %.80q: the offset %d is outside", doc, bad.Offset)
	}
}

func TestParseTree(t *testing.T) {
	got := must(t, `<message xmlns="jabber:client" from='a@b' xml:lang="de"><body>Hi <b xmlns="u:b">you</b>!</body><x xmlns="u:x" xmlns:p="u:p" p:a="1" a="2"/></message>`)
	want := &Element{
		Name:  Name{NSClient, "message"},
		Attrs: []Attr{{Name{"", "from"}, "a@b"}, {Name{NSXML, "lang"}, "de"}},
		Children: []Node{
			{Element: &Element{
				Name: Name{NSClient, "body"},
				Children: []Node{
					{Text: "Hi "},
					{Element: &Element{Name: Name{"u:b", "b"}, Children: []Node{{Text: "you"}}}},
					{Text: "!"},
				},
			}},
			{Element: &Element{Name: Name{"u:x", "x"}, Attrs: []Attr{{Name{"u:p", "a"}, "1"}, {Name{"", "a"}, "2"}}}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %s\nwant %s", got, want)
	}
}

func TestF05_OneElementPerMessage(t *testing.T) {
	for _, doc := range []string{
		"", " ", "\n", "text", "x<a/>", "&amp;<a/>", "\x00<a/>",
		"<a/><b/>", "<a></a><a></a>", "<a/>x", "<a/>&amp;", "<a/><", "<a/></a>", "<a/><![CDATA[]]>",
		"</a>", "<", "<a", "<a ", "<a b", "<a b=", "<a b='", "<a b='c'", "<a/", "<a>", "<a>x", "<a></", "<a></a", "<a><b></a>", "<a></b>", "<a></ab>", "<ab></a>", "<a><b/>",
		"<a><![CDATA[x", "<a><![CDATA[x]]", "<a>&amp", "<a>&", "<a b='&", "<a>]]", "<![CDATA[x]]>", "<a><![CDAT[x]]></a>",
		"< a/>", "<a / >", "<a/ >", "</ a>", "<a></ a>",
	} {
		refuses(t, doc, NotWellFormed)
	}
	must(t, "<a></a >")
	must(t, "<a\n\tb = 'c'\r\n/>")
}

func TestF06_DeclarationAndWhitespace(t *testing.T) {
	for _, doc := range []string{
		`<?xml version='1.0'?><a/>`,
		`<?xml version="1.0" encoding="UTF-8"?>` + "\n<a/>\n",
		`<?xml version="1.0" encoding='utf-8' standalone='yes' ?> <a/>`,
		"\r\n\t <a/>", "<a/>\r\n\t ",
	} {
		if e := must(t, doc); !e.Is("", "a") {
			t.Errorf("%q is read as %s", doc, e)
		}
	}
	pretty := must(t, "<features xmlns='http://etherx.jabber.org/streams'>\n  <bind xmlns='b'/>\n</features>\n")
	if pretty.Child("b", "bind") == nil || pretty.First() == nil {
		t.Errorf("pretty printing hides children: %s", pretty)
	}

	refuses(t, `<?xml version="1.0" encoding="UTF-16"?><a/>`, UnsupportedEncoding)
	refuses(t, `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, UnsupportedEncoding)
	for _, doc := range []string{
		`<?xml version="1.1"?><a/>`, `<?xml?><a/>`, `<?xml ?><a/>`, `<?xml encoding="UTF-8"?><a/>`,
		`<?xml version="1.0" version="1.0"?><a/>`, `<?xml encoding="UTF-8" version="1.0"?><a/>`,
		`<?xml version="1.0" standalone="maybe"?><a/>`, `<?xml version="1.0" x="y"?><a/>`, `<?xml version=1.0?><a/>`,
		`<?xml version="1.0" xmlns="x"?><a/>`, `<?xml version="1.0"/?><a/>`, `<?xml version="1.0"`,
	} {
		e, err := Parse(doc, Limits{})
		if err == nil {
			t.Errorf("%q is read as %s", doc, e)
		}
	}
	refuses(t, ` <?xml version="1.0"?><a/>`, RestrictedXML)
	refuses(t, `<?xml version="1.0"?><?xml version="1.0"?><a/>`, RestrictedXML)
}

func TestF10_NamespaceWellFormed(t *testing.T) {
	for _, doc := range []string{
		`<foo:bar/>`, `<a foo:b=''/>`, `<a><foo:b/></a>`, `<a><b xmlns:foo='u'/><foo:c/></a>`,
		`<xmlns:x/>`, `<a xmlns:xmlns='u'/>`, `<a xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>`,
		`<a xmlns:xml='u'/>`, `<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>`, `<a xmlns:p='http://www.w3.org/2000/xmlns/'/>`,
		`<a xmlns='http://www.w3.org/XML/1998/namespace'/>`, `<a xmlns='http://www.w3.org/2000/xmlns/'/>`,
		`<p:a xmlns:p=''/>`, `<a xmlns:=''/>`, `<a xmlns:p='u' xmlns:p='u'/>`, `<a xmlns='u' xmlns='u'/>`,
		`<a b='1' b='1'/>`, `<a xmlns:p='u' p:b='1' p:b='2'/>`, `<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>`,
		`<:a/>`, `<a:/>`, `<a:b:c xmlns:a='u'/>`, `<a :b='c'/>`, `<a b:='c'/>`, `<p:1 xmlns:p='u'/>`,
		`<1/>`, `<-a/>`, `<.a/>`, `<a 1='x'/>`, "<a\u00D7/>", "<\u0301a/>", `<a!/>`, `<a$b/>`,
		`<a b='1'c='2'/>`, `<a b=1/>`, `<a b/>`, `<a b='<'/>`, `<a 'b'/>`,
	} {
		refuses(t, doc, NotWellFormed)
	}
	// Twins.
	for doc, want := range map[string]Name{
		`<p:a xmlns:p='u'/>`: {"u", "a"},
		`<a xmlns='u'/>`:     {"u", "a"},
		`<xml:a/>`:           {NSXML, "a"},
		`<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>`: {"", "a"},
		`<a xmlns=''/>`: {"", "a"},
		`<p:a-b.c_1 xmlns='v' xmlns:p='&#117;' p:x='' x=''/>`:     {"u", "a-b.c_1"},
		"<\u00E4\u0301 xmlns:p='u' xmlns:q='v' p:b='1' q:b='2'/>": {"", "\u00E4\u0301"},
		`<xmlnsx xmlnsy='1'/>`:                                    {"", "xmlnsx"},
		`<q:a xmlns:q='w' xmlns='v' xmlnsp='u'></q:a>`:            {"w", "a"},
	} {
		if e := must(t, doc); e.Name != want {
			t.Errorf("%s is read as %v, want %v", doc, e.Name, want)
		}
	}
	inner := must(t, `<a xmlns='u' xmlns:p='v'><b xmlns='' xmlns:p='w'><p:c/></b><p:d/><e/></a>`)
	for i, want := range []Name{{"", "b"}, {"v", "d"}, {"u", "e"}} {
		if got := inner.Elements()[i].Name; got != want {
			t.Errorf("scopes: %v, want %v", got, want)
		}
	}
	if got := inner.First().First().Name; got != (Name{"w", "c"}) {
		t.Errorf("scopes: %v", got)
	}
}

// Prosody 13.0.1 does not declare the prefix of its stream errors.
func TestProsodyUndeclaredStreamError(t *testing.T) {
	e := must(t, `<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Replaced by new connection</text></stream:error>`)
	got := ReadStreamError(e)
	if got == nil || got.Condition != Conflict || got.Text != "Replaced by new connection" {
		t.Errorf("read %v", got)
	}
	for _, doc := range []string{
		`<stream:features/>`, `<stream:errors/>`, `<s:error/>`, `<Stream:error/>`,
		`<a><stream:error/></a>`, `<stream:error><stream:x/></stream:error>`, `<stream:error stream:a='b'/>`,
		`<stream:error><a stream:b='c'/></stream:error>`, `<stream:error/><stream:error/>`,
	} {
		refuses(t, doc, NotWellFormed)
	}
	// A declared prefix means what it says.
	if e := must(t, `<stream:error xmlns:stream='u'/>`); e.Name != (Name{"u", "error"}) {
		t.Errorf("read as %v", e.Name)
	}
}

func TestX02_Sec16_RestrictedXML(t *testing.T) {
	constructs := []string{
		"<!-- comment -->", "<!---->", "<!-", "<?pi?>", "<?pi x", "<?xml-stylesheet href='x'?>",
		"<!DOCTYPE a>", `<!DOCTYPE a [<!ENTITY b "c">]>`, "<!ENTITY b 'c'>", "<!ELEMENT a ANY>",
	}
	for _, c := range constructs {
		refuses(t, c+"<a/>", RestrictedXML)
		refuses(t, "<a/>"+c, RestrictedXML)
		for _, depth := range []int{1, 2, 63} {
			refuses(t, strings.Repeat("<a>", depth)+c+strings.Repeat("</a>", depth), RestrictedXML)
			refuses(t, strings.Repeat("<a>", depth)+"text"+c, RestrictedXML)
		}
	}
	for _, ref := range []string{"&lol;", "&nbsp;", "&AMP;"} {
		refuses(t, "<a>"+ref+"</a>", RestrictedXML)
		refuses(t, "<a b='"+ref+"'/>", RestrictedXML)
	}
	lol := `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">` + strings.Repeat(`<!ENTITY l "&lol;&lol;">`, 1000) + `]><lolz>&l;</lolz>`
	refuses(t, lol, RestrictedXML)
	if n := testing.AllocsPerRun(10, func() { _, _ = Parse(lol, Limits{}) }); n > 8 {
		t.Errorf("refusing the bomb allocates %v times", n)
	}
	// Twin: the same text, escaped or in a CDATA section.
	if got := must(t, "<a>&lt;!-- &#38;lol; --><![CDATA[<!DOCTYPE a>&lol;]]></a>").Text(); got != "<!-- &lol; --><!DOCTYPE a>&lol;" {
		t.Errorf("text %q", got)
	}
}

func TestX03_Sec15_Characters(t *testing.T) {
	for _, s := range []string{
		"\x00", "\x01", "\x08", "\x0B", "\x0C", "\x0E", "\x1F", "\uFFFE", "\uFFFF",
		"\xFF", "\xC0\x80", "\xED\xA0\x80", "\xED\xBF\xBF", "\xED\xA0\xBD\xED\xB8\x80", "\xF4\x90\x80\x80", "\xE2\x82",
		"&#0;", "&#x0;", "&#1;", "&#xB;", "&#xD800;", "&#xDFFF;", "&#xFFFE;", "&#xFFFF;", "&#x110000;", "&#99999999999999999999;",
		"&#;", "&#x;", "&#X41;", "&#xG;", "&#-1;", "&# 65;", "&;", "& ", "&amp", "& amp;", "&#65", "&&amp;",
	} {
		refuses(t, "<a>"+s+"</a>", NotWellFormed)
		refuses(t, "<a b='"+s+"'/>", NotWellFormed)
	}
	for _, s := range []string{"\x01", "\uFFFE", "\xFF"} {
		refuses(t, "<a><![CDATA["+s+"]]></a>", NotWellFormed)
		refuses(t, "<a"+s+"/>", NotWellFormed)
	}
	refuses(t, "<a>]]></a>", NotWellFormed)
	for s, want := range map[string]string{
		"&#65;&#x42;&#x00043;":          "ABC",
		"&lt;&gt;&amp;&quot;&apos;":     `<>&"'`,
		"\uFFFD\uFEFF\uE000\uFF0C":      "\uFFFD\uFEFF\uE000\uFF0C",
		"&#x1F600;\U0001F600\U0010FFFD": "\U0001F600\U0001F600\U0010FFFD",
		"\x7F\u0085\u2028":              "\x7F\u0085\u2028",
		"]] ]>":                         "]] ]>",
		"&amp;lt;&#38;#38;":             "&lt;&#38;",
	} {
		if got := must(t, "<a>"+s+"</a>").Text(); got != want {
			t.Errorf("%q is read as %q", s, got)
		}
		if got := must(t, `<a b="`+s+`"/>`).Attr("b"); got != want {
			t.Errorf("%q in an attribute is read as %q", s, got)
		}
	}
}

func TestX05_ByteOrderMark(t *testing.T) {
	refuses(t, "\uFEFF<a/>", NotWellFormed)
	refuses(t, "\uFEFF<?xml version='1.0'?><a/>", NotWellFormed)
	refuses(t, "<a/>\uFEFF", NotWellFormed)
	refuses(t, "\xFF\xFE<\x00a\x00/\x00>\x00", NotWellFormed)
	if got := must(t, "<a>\uFEFF</a>").Text(); got != "\uFEFF" {
		t.Errorf("U+FEFF inside is read as %q", got)
	}
}

func TestX06_AnyPrefix(t *testing.T) {
	e := must(t, `<c:message xmlns:c="jabber:client" from="a@b"><c:body>hi</c:body></c:message>`)
	if !e.Is(NSClient, "message") || e.Child(NSClient, "body").Text() != "hi" || e.Attr("from") != "a@b" {
		t.Errorf("read %s", e)
	}
}

func TestX09_Lang(t *testing.T) {
	e := must(t, `<a xml:lang="de" lang="fr" xmlns:x="u" x:lang="it"/>`)
	if e.Lang() != "de" {
		t.Errorf("lang %q", e.Lang())
	}
	if again := must(t, e.String()); again.Lang() != "de" || !strings.Contains(e.String(), ` xml:lang="de"`) {
		t.Errorf("written as %s", e)
	}
}

// An attribute in a foreign namespace is none of the core attributes, wherever
// it stands.
func TestSec15_ForeignAttributes(t *testing.T) {
	for _, attrs := range []string{`x:from="evil" from="good"`, `from="good" x:from="evil"`} {
		e := must(t, `<message xmlns="jabber:client" xmlns:x="jabber:client" `+attrs+`/>`)
		if e.Attr("from") != "good" {
			t.Errorf("%s: from is %q", attrs, e.Attr("from"))
		}
	}
	if e := must(t, `<message xmlns="jabber:client" xmlns:x="jabber:client" x:from="evil"/>`); e.Attr("from") != "" {
		t.Errorf("from is %q", e.Attr("from"))
	}
}

func TestNormalisation(t *testing.T) {
	if got := must(t, "<a>1\r\n2\r3\n4\r\r\n&#13;<![CDATA[5\r\n6\r]]>\t</a>").Text(); got != "1\n2\n3\n4\n\n\r5\n6\n\t" {
		t.Errorf("text %q", got)
	}
	if got := must(t, "<a b='1\r\n2\r3\n4\t5&#9;&#10;&#13;\"&quot;'/>").Attr("b"); got != "1 2 3 4 5\t\n\r\"\"" {
		t.Errorf("attribute %q", got)
	}
}

func TestCDATAIsText(t *testing.T) {
	for doc, want := range map[string]string{
		"<a><![CDATA[x]]></a>":                        "x",
		"<a>1<![CDATA[<b>&amp;]]>2<![CDATA[]]]]></a>": "1<b>&amp;2]]",
		"<a><![CDATA[]]></a>":                         "",
		"<a><![CDATA[]]]]><![CDATA[>]]></a>":          "]]>",
	} {
		e := must(t, doc)
		if e.Text() != want {
			t.Errorf("%s is read as %q", doc, e.Text())
		}
		if want == "" && len(e.Children) != 0 || want != "" && len(e.Children) != 1 {
			t.Errorf("%s has %d children", doc, len(e.Children))
		}
	}
}

func TestX10_Sec17_Limits(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	attrs := func(n int) string {
		var b strings.Builder
		b.WriteString("<a")
		for i := range n {
			fmt.Fprintf(&b, " a%d=''", i)
		}
		return b.String() + "/>"
	}
	prefixes := func(n int) string {
		var b strings.Builder
		b.WriteString("<a")
		for i := range n / 2 {
			fmt.Fprintf(&b, " xmlns:a%d='u'", i)
		}
		b.WriteString("><b")
		for i := range n - n/2 {
			fmt.Fprintf(&b, " xmlns:b%d='u'", i)
		}
		return b.String() + "/></a>"
	}
	for _, tc := range []struct {
		name string
		lim  Limits
		doc  func(n int) string
		at   int
	}{
		{"depth", Limits{}, nested, 64},
		{"own depth", Limits{Depth: 3}, nested, 3},
		{"children", Limits{}, func(n int) string { return "<a>" + strings.Repeat("<b/>", n) + "</a>" }, 20_000},
		{"text counts", Limits{Children: 4}, func(n int) string { return "<a>" + strings.Repeat("<b/>x", n/2) + strings.Repeat("<b/>", n%2) + "</a>" }, 4},
		{"attributes", Limits{}, attrs, 64},
		{"prefixes", Limits{}, prefixes, 64},
		{"name", Limits{}, func(n int) string { return "<" + strings.Repeat("n", n) + "/>" }, 1024},
		{"attribute name", Limits{Name: 5}, func(n int) string { return "<a " + strings.Repeat("n", n) + "=''/>" }, 5},
		{"bytes", Limits{}, func(n int) string { return "<a>" + strings.Repeat("x", n-7) + "</a>" }, 10 << 20},
		{"nodes", Limits{Nodes: 6}, func(n int) string { return "<a>" + strings.Repeat("<b/>", n-1) + "</a>" }, 6},
		{"nodes, attributes", Limits{Nodes: 6}, func(n int) string { return attrs(n - 1) }, 6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Parse(tc.doc(tc.at), tc.lim); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			_, err := Parse(tc.doc(tc.at+1), tc.lim)
			var bad *SyntaxError
			if !errors.As(err, &bad) || bad.Condition != PolicyViolation {
				t.Errorf("beyond the limit: %v, want policy-violation", err)
			}
		})
	}
	bomb := strings.Repeat("<a>", 1_000_000)
	if n := testing.AllocsPerRun(3, func() { _, _ = Parse(bomb, Limits{}) }); n > 30 {
		t.Errorf("a million tags allocate %v times before they are refused", n)
	}
}

// Memory is shared with the document where nothing had to be decoded.
func TestStringsShareTheDocument(t *testing.T) {
	doc := "<message xmlns='jabber:client' id='x'><body>héllo ] ，</body></message>"
	e := must(t, doc)
	inside := func(s string) bool {
		p, d := uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(unsafe.Pointer(unsafe.StringData(doc)))
		return p >= d && p < d+uintptr(len(doc))
	}
	for _, s := range []string{e.Name.Local, e.Name.Space, e.Attr("id"), e.First().Text()} {
		if !inside(s) {
			t.Errorf("%q was copied", s)
		}
	}
}

// Siblings and their parents do not share capacity: appending to one must not
// write into the next.
func TestAppendingToParsedElements(t *testing.T) {
	e := must(t, "<a><b x='1'><c/></b><d y='2'><e/></d></a>")
	e.Elements()[0].Set("z", "3").AddText("more")
	if got := e.Elements()[1].String(); got != `<d y="2"><e/></d>` {
		t.Errorf("the neighbour became %s", got)
	}
}

// readAll reads a document with encoding/xml into our tree, the reference for
// FuzzAgainstEncodingXML and for the benchmark.
func readAll(doc string) (*Element, error) {
	d := xml.NewDecoder(strings.NewReader(doc))
	var root *Element
	for {
		tok, err := d.Token()
		if err == io.EOF && root != nil {
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		if start, ok := tok.(xml.StartElement); ok {
			if root, err = readElement(d, start); err != nil {
				return nil, err
			}
		}
	}
}

// readElement reads on to the end of the element that start begins.
func readElement(d *xml.Decoder, start xml.StartElement) (*Element, error) {
	e := &Element{Name: Name(start.Name), Attrs: attrsOf(start)}
	open := []*Element{e}
	for len(open) > 0 {
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		p := open[len(open)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			child := &Element{Name: Name(tok.Name), Attrs: attrsOf(tok)}
			p.Add(child)
			open = append(open, child)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if n := len(p.Children); n > 0 && p.Children[n-1].Element == nil {
				p.Children[n-1].Text += string(tok)
			} else {
				p.AddText(string(tok))
			}
		}
	}
	return e, nil
}

func attrsOf(start xml.StartElement) (attrs []Attr) {
	for _, a := range start.Attr {
		if a.Name.Space != "xmlns" && a.Name != (xml.Name{Local: "xmlns"}) {
			attrs = append(attrs, Attr{Name(a.Name), a.Value})
		}
	}
	return attrs
}
