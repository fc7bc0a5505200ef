package framing

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

const clientHeader = `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='h.test' id='i1' version='1.0' xml:lang='en'>`

// pieces reads as a network does that cuts the bytes at the given lengths, over
// and over.
type pieces struct {
	rest string
	cuts []byte
	n    int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.rest == "" {
		return 0, io.EOF
	}
	most := 1
	if len(p.cuts) > 0 {
		most += int(p.cuts[p.n%len(p.cuts)])
		p.n++
	}
	n := copy(b[:min(len(b), most)], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func readStream(src io.Reader, lim Limits) (all []*Element, err error) {
	r := NewStreamReader(src, lim)
	for {
		e, err := r.Next()
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
}

// A stream as Prosody sends one, with a restart and its end.
func TestStreamReader(t *testing.T) {
	doc := clientHeader +
		"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>" +
		" \n<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>" + clientHeader +
		"<message from='a@h.test'><body>&lt;![CDATA[ <![CDATA[</message>]]]]></body><x:stream xmlns:x='u'>'>'</x:stream></message>" +
		"<iq a='>' b=\"'/>\"/></stream:stream >"
	for name, src := range map[string]io.Reader{"at once": strings.NewReader(doc), "by bytes": iotest.OneByteReader(strings.NewReader(doc))} {
		all, err := readStream(src, Limits{})
		if err != ErrClosed {
			t.Fatalf("%s: %v after %d elements", name, err, len(all))
		}
		var got []string
		for _, e := range all {
			got = append(got, e.String())
		}
		header := `<stream xmlns="http://etherx.jabber.org/streams" from="h.test" id="i1" version="1.0" xml:lang="en"/>`
		want := []string{
			header,
			`<features xmlns="http://etherx.jabber.org/streams"><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>PLAIN</mechanism></mechanisms></features>`,
			`<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`,
			header,
			`<message xmlns="jabber:client" from="a@h.test"><body>&lt;![CDATA[ &lt;/message&gt;]]</body><stream xmlns="u">'&gt;'</stream></message>`,
			`<iq xmlns="jabber:client" a="&gt;" b="'/&gt;"/>`,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, want)
		}
	}
}

// TestStreamReaderRefuses: the condition, and how many elements came before it.
func TestStreamReaderRefuses(t *testing.T) {
	open := `<s:stream xmlns:s='` + NSStream + `' xmlns='u'>`
	for _, tc := range []struct {
		doc, want string
		before    int
	}{
		{"", "EOF", 0},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", NotWellFormed, 0},
		{" <?xml version='1.0'?>", RestrictedXML, 0},
		{"<?xml version='1.0'?><?xml version='1.0'?>", RestrictedXML, 0},
		{"<?xml version='1.1'?>", NotWellFormed, 0},
		{"<?xml version='1.0' encoding='latin-1'?>", UnsupportedEncoding, 0},
		{"<!DOCTYPE a>", RestrictedXML, 0},
		{"<stream:stream>", NotWellFormed, 0}, // undeclared
		{"<stream>", InvalidNamespace, 0},
		{"<open xmlns='" + NSFraming + "'/>", NotWellFormed, 0},
		{"<a xmlns='" + NSStream + "'>", BadFormat, 0},
		{"<stream xmlns='" + NSStream + "'/>", NotWellFormed, 0},
		{"</stream:stream>", NotWellFormed, 0},
		{open, "EOF", 1},
		{open + "<a><b/>", "unexpected EOF", 1},
		{open + "<a><b></a>", "unexpected EOF", 1},
		{open + "<a/>text<b/>", NotWellFormed, 2},
		{open + "<a/><![CDATA[x]]>", NotWellFormed, 2},
		{open + "<a/><!--x--><b/>", RestrictedXML, 2},
		{open + "<a/><b><?php?></b>", RestrictedXML, 2},
		{open + "<a/><?xml version='1.0'?><b>", InvalidNamespace, 2},
		{open + "<a></b>", NotWellFormed, 1},
		{open + "<p:a/>", NotWellFormed, 1},
		{open + "<a<b", NotWellFormed, 1},
		{open + "<a b='<", NotWellFormed, 1},
		{open + "<s:stream></s:stream>", BadFormat, 1},
		{open + "<s:stream/>", BadFormat, 1},
		{open + "<stream:error/>", NotWellFormed, 1},
		{open + "<a>\xff</a>", NotWellFormed, 1},
		{open + "<a>&lol;</a>", RestrictedXML, 1},
		{open + "</stream>", NotWellFormed, 1},
		{open + "</s:stream>", ErrClosed.Error(), 1},
		{open + "</s:stream><a/>", ErrClosed.Error(), 1},
		{open + "<a>" + strings.Repeat("x", 994) + "</a>", PolicyViolation, 1},
		{open + "<a>" + strings.Repeat("x", 993) + "</a>", "EOF", 2},
		{open + "<a>" + strings.Repeat("x", 99999), PolicyViolation, 1},
		{open + strings.Repeat(" ", 99999) + "<a/>", "EOF", 2},
		{open + strings.Repeat("<a>", 64) + strings.Repeat("</a>", 64), "EOF", 2},
		{open + strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65), PolicyViolation, 1},
	} {
		all, err := readStream(&pieces{rest: tc.doc, cuts: []byte{200}}, Limits{Bytes: 1000})
		got := fmt.Sprint(err)
		var bad *SyntaxError
		if errors.As(err, &bad) {
			got = bad.Condition
		}
		if got != tc.want || len(all) != tc.before {
			t.Errorf("%.60q: %d elements, %v; want %d, %s", tc.doc, len(all), err, tc.before, tc.want)
		}
	}
}

// streamSeeds are whole streams; those of the message parser are put into one.
func streamSeeds() (all []string) {
	for _, s := range seeds {
		all = append(all, clientHeader+s+"</stream:stream>")
	}
	return append(all, clientHeader+clientHeader+"<a/>\n<stream/>", clientHeader+"<stream:stream/>", "<a", "<?xml?>", "<??>", "<!", clientHeader+"<a><![CDATA[]]]]>", clientHeader+"<a><![CDX")
}

// Any split of any bytes gives what one read gives, and what is given stands alone.
func FuzzStreamSplits(f *testing.F) {
	for _, s := range streamSeeds() {
		f.Add(s, []byte{})
		f.Add(s, []byte{3, 0, 14})
	}
	f.Fuzz(func(t *testing.T, doc string, cuts []byte) {
		for _, lim := range []Limits{{}, {Bytes: 100, Depth: 3, Children: 4, Attrs: 4, Name: 12, Nodes: 10}} {
			want, wantErr := readStream(strings.NewReader(doc), lim)
			got, err := readStream(&pieces{rest: doc, cuts: cuts}, lim)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q in pieces:\n%q, %v\nat once:\n%q, %v", doc, got, err, want, wantErr)
			}
			for _, e := range got {
				again, err := Parse(e.String(), Limits{Attrs: 1 << 10, Bytes: 1 << 30})
				if err != nil || !reflect.DeepEqual(again, e) {
					t.Fatalf("%q does not stand alone: %v", e, err)
				}
			}
		}
	})
}

// Within a stream a document is what it is as a message.
func FuzzStreamAgainstParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		const begin, end = "<z_:stream xmlns:z_='" + NSStream + "'>", "</z_:stream>"
		if strings.Contains(doc, "z_") || strings.Contains(doc, NSStream) || strings.Contains(doc, "stream:error") {
			return
		}
		want, err := Parse(doc, Limits{})
		all, serr := readStream(strings.NewReader(begin+doc+end), Limits{})
		var bad *SyntaxError
		switch {
		case err == nil && strings.HasPrefix(doc, "<?xml"):
			if !errors.As(serr, &bad) {
				t.Fatalf("%q: a declaration within the stream passed", doc)
			}
		case err == nil && (serr != ErrClosed || len(all) != 2 || !reflect.DeepEqual(all[1], want)):
			t.Fatalf("%q is %q as a message, and %q, %v in a stream", doc, want, all, serr)
		case err != nil && serr == ErrClosed && len(all) == 2:
			t.Fatalf("%q is %q in a stream, and no message: %v", doc, all[1], err)
		}
	})
}

// What we accept encoding/xml reads as the same tree, differences as in
// FuzzAgainstEncodingXML.
func FuzzStreamAgainstEncodingXML(f *testing.F) {
	for _, s := range streamSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		ours, err := readStream(strings.NewReader(doc), Limits{})
		if err != ErrClosed || !asciiNames(New("", "a").Add(ours...)) {
			return
		}
		restarts := 0
		for i, e := range ours {
			if i > 0 && e.Is(NSStream, "stream") {
				restarts++
			}
		}
		// To encoding/xml a restart is an element within the stream that ends after it.
		d := xml.NewDecoder(strings.NewReader(doc))
		var theirs []*Element
		for len(theirs) < len(ours) {
			tok, err := d.Token()
			if err != nil {
				t.Fatalf("%q: encoding/xml: %v", doc, err)
			}
			start, ok := tok.(xml.StartElement)
			if !ok {
				continue
			}
			if ours[len(theirs)].Is(NSStream, "stream") {
				e := New(start.Name.Space, start.Name.Local)
				e.Attrs = attrsOf(start)
				theirs = append(theirs, e)
				continue
			}
			e, err := readElement(d, start)
			if err != nil {
				t.Fatalf("%q: encoding/xml: %v", doc, err)
			}
			theirs = append(theirs, e)
		}
		if restarts > 0 {
			return // what a header declared is still in scope to them after the next
		}
		for i := range ours {
			flattenSpace(ours[i])
			flattenSpace(theirs[i])
			if got, want := ours[i].String(), theirs[i].String(); got != want {
				t.Fatalf("%q:\nours   %q\ntheirs %q", doc, got, want)
			}
		}
	})
}

// Each byte is looked at once however it arrives, and memory follows what is there.
func TestStreamReaderBufferFollows(t *testing.T) {
	large := "<a>" + strings.Repeat("x", 3<<20) + "</a>"
	r := NewStreamReader(io.MultiReader(strings.NewReader(clientHeader+large), strings.NewReader("<a/>")), Limits{})
	for range 3 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if most := 2*len(large) + 2*mostRead; cap(r.buf) > most {
			t.Fatalf("%d bytes of buffer", cap(r.buf))
		}
	}
	if cap(r.buf) > mostIdle {
		t.Errorf("%d bytes of buffer when all is read", cap(r.buf))
	}
}

// A header that is written is read back, and hostile strings stay strings.
func TestStreamHeader(t *testing.T) {
	want := Open{To: "h.test' <x>\"&", From: "a@h.test", ID: "1", Lang: "de", Version: "1.0"}
	doc := string(want.AppendHeader(nil, NSClient)) + string(New(NSClient, "iq").AppendWithin(nil, NSClient)) + StreamEnd
	if !strings.HasSuffix(doc, "><iq/></stream:stream>") {
		t.Errorf("wrote %s", doc)
	}
	r := NewStreamReader(strings.NewReader(doc), Limits{})
	e, err := r.Next()
	if got, ok := ReadHeader(e); err != nil || !ok || got != want || r.Space() != NSClient {
		t.Errorf("read %+v, %v in %q from %s", got, err, r.Space(), doc)
	}
	e, err = r.Next()
	if _, ok := ReadHeader(e); err != nil || ok || !e.Is(NSClient, "iq") {
		t.Errorf("read %v, %v", e, err)
	}
	if _, err := r.Next(); err != ErrClosed {
		t.Error(err)
	}
}

// What is written within a stream is read back as it was, and has the prefixes by which
// ejabberd knows it.
func TestAppendWithin(t *testing.T) {
	for _, tc := range []struct {
		space, want string
		e           *Element
	}{
		{NSServer, `<stream:features><dialback xmlns="urn:xmpp:features:dialback"/></stream:features>`,
			New(NSStream, "features").Add(New("urn:xmpp:features:dialback", "dialback"))},
		{NSClient, `<stream:error><reset xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`, (&StreamError{Condition: Reset}).Element()},
		{NSServer, `<db:result from="a&quot;&lt;" type="error">k&amp;<error><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></db:result>`,
			New(NSDialback, "result").Set("from", `a"<`).Set("type", "error").AddText("k&").Add(New(NSServer, "error").Add(New(NSStanzaError, "gone")))},
		{NSClient, `<result xmlns="jabber:server:dialback"/>`, New(NSDialback, "result")}, // not declared there
		{NSServer, `<message to="b"><body>x</body></message>`, New(NSServer, "message").Set("to", "b").Add(New(NSServer, "body").AddText("x"))},
		{NSServer, "", New(NSStream, "no name")},
	} {
		got := string(tc.e.AppendWithin(nil, tc.space))
		if got != tc.want {
			t.Errorf("wrote %s, not %s", got, tc.want)
		}
		if got == "" {
			continue
		}
		r := NewStreamReader(strings.NewReader(string(Open{}.AppendHeader(nil, tc.space))+got), Limits{})
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if e, err := r.Next(); err != nil || e.String() != tc.e.String() {
			t.Errorf("read back %s, %v", e, err)
		}
	}
}
