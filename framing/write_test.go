package framing

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestF03_F04_Write(t *testing.T) {
	for _, tc := range []struct {
		name string
		e    *Element
		want string
	}{
		{"F02 namespace declared", New(NSClient, "message").Set("to", "a@b").Add(New(NSClient, "body").AddText("hi")),
			`<message xmlns="jabber:client" to="a@b"><body>hi</body></message>`},
		{"F07 open", Open{To: "example.org", Version: "1.0", Lang: "de"}.Element(NSFraming),
			`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="example.org" version="1.0" xml:lang="de"/>`},
		{"F07 close, as Strophe compares it", Close(NSFraming, ""), `<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" />`},
		{"F07 close with a redirect", Close(NSFraming, "wss://b/?x&y"), `<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" see-other-uri="wss://b/?x&amp;y"/>`},
		{"F09 features unprefixed", New(NSStream, "features").Add(New("urn:b", "bind")),
			`<features xmlns="http://etherx.jabber.org/streams"><bind xmlns="urn:b"/></features>`},
		{"F09 error unprefixed", (&StreamError{Condition: Conflict}).Element(),
			`<error xmlns="http://etherx.jabber.org/streams"><conflict xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></error>`},
		{"no namespace inside one", New("u", "a").Add(New("", "b").Add(New("u", "c"))), `<a xmlns="u"><b xmlns=""><c xmlns="u"/></b></a>`},
		{"no namespace", New("", "a"), `<a/>`},
		{"X09 xml: needs no declaration", &Element{Name: Name{NSXML, "a"}, Attrs: []Attr{{Name{NSXML, "lang"}, "x"}}, Children: []Node{{Element: New("", "b")}}},
			`<xml:a xml:lang="x"><b/></xml:a>`},
		{"attributes in namespaces", &Element{Name: Name{"u", "a"}, Attrs: []Attr{{Name{"v", "x"}, "1"}, {Name{"", "x"}, "2"}, {Name{"v", "y"}, "3"}, {Name{"w", "x"}, "4"}}},
			`<a xmlns="u" xmlns:ns0="v" ns0:x="1" x="2" ns0:y="3" xmlns:ns3="w" ns3:x="4"/>`},
		{"X03 escapes", New("", "a").Set("b", "<>&\"'\t\r\n").AddText("<>&\"'\t\r\n]]>"),
			"<a b=\"&lt;&gt;&amp;&quot;'&#x9;&#xD;&#xA;\">&lt;&gt;&amp;\"'\t&#xD;\n]]&gt;</a>"},
		{"X03 forbidden characters", New("", "a").Set("b", "\x00\uFFFE").AddText("\x01é\x1F\uFFFF\U0001F600"), "<a b=\"\uFFFD\uFFFD\">\uFFFDé\uFFFD\uFFFD\U0001F600</a>"},
		{"H05 invalid UTF-8 and surrogates", New("", "a").AddText("x\xFFy\xED\xA0\x80z\xE2\x82"), "<a>x\uFFFDy\uFFFD\uFFFD\uFFFDz\uFFFD\uFFFD</a>"},
		{"X01 markup in text is text", New("", "a").AddText("<!--x--><?y?>&z;"), "<a>&lt;!--x--&gt;&lt;?y?&gt;&amp;z;</a>"},
		{"X01 markup in a namespace", New(`u" x="`, "a"), `<a xmlns="u&quot; x=&quot;"/>`},
		{"bad name", New("u", "a><evil/"), ""},
		{"bad name inside", New("u", "a").Add(New("u", "b c='d'"), New("u", ""), New("u", "x:y"), New("u", "e")), `<a xmlns="u"><e/></a>`},
		{"bad attribute names", &Element{Name: Name{"", "a"}, Attrs: []Attr{{Name{"", "b c"}, "1"}, {Name{"", "xmlns"}, "2"}, {Name{nsXMLNS, "p"}, "3"}, {Name{"", "xmlns:p"}, "4"}, {Name{"v", ""}, "5"}, {Name{"", "ok"}, "6"}}},
			`<a ok="6"/>`},
		{"the same attribute twice", &Element{Name: Name{"", "a"}, Attrs: []Attr{{Name{"", "b"}, "1"}, {Name{"", "b"}, "2"}, {Name{"v\x00", "b"}, "3"}, {Name{"v\x01", "b"}, "4"}}},
			"<a b=\"1\" xmlns:ns2=\"v\uFFFD\" ns2:b=\"3\"/>"},
		{"reserved namespace", New(nsXMLNS, "a"), ""},
		{"nothing", nil, ""},
		{"empty text", &Element{Name: Name{"", "a"}, Children: []Node{{}, {Text: ""}}}, "<a/>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := tc.e.String()
			if got != tc.want {
				t.Errorf("wrote %s\nwant  %s", got, tc.want)
			}
			if !utf8.ValidString(got) {
				t.Errorf("wrote invalid UTF-8: %q", got)
			}
			if got == "" {
				return
			}
			// F03, F04: begins with <, no declaration; and it is what we accept.
			if !strings.HasPrefix(got, "<") || strings.HasPrefix(got, "<?") {
				t.Errorf("begins with %.5q", got)
			}
			read := must(t, got)
			if again := must(t, read.String()); !reflect.DeepEqual(again, read) {
				t.Errorf("read, written and read again it is %s", again)
			}
		})
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	if got := string(New("", "a").Append([]byte("before"))); got != "before<a/>" {
		t.Errorf("appended to %q", got)
	}
}
