package framing

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
)

// archiveResult is a result of an archive query in the shape Prosody sends them
// (XEP-0313), with a reply, a marker request and a delay.
const archiveResult = `<message to='juliet@example.test/yvLl5bFKMu1t' xmlns='jabber:client'><result id='PiQ2j2WY4ZixSkF4YknoxCn9' xmlns='urn:xmpp:mam:2' queryid='q1'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-11-20T15:33:30Z'/><message to='juliet@example.test/B3b108uD22sg' xmlns='jabber:client' type='chat' id='m-while-away' xml:lang='en' from='romeo@example.test/LJQvHeeMynRR'><body>What light through yonder window breaks? It&apos;s the east.</body><active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/><origin-id xmlns='urn:xmpp:sid:0' id='m-while-away'/><stanza-id xmlns='urn:xmpp:sid:0' by='juliet@example.test' id='PiQ2j2WY4ZixSkF4YknoxCn9'/></message></forwarded></result></message>`

// archivePage is a page of 50 as it arrives: one document per message.
func archivePage() []string {
	page := make([]string, 50)
	for i := range page {
		page[i] = strings.Replace(archiveResult, "yonder", fmt.Sprint("yonder ", i), 1)
	}
	return page
}

func BenchmarkArchivePage(b *testing.B) {
	page := archivePage()
	bytes := 0
	for _, doc := range page {
		bytes += len(doc)
	}
	run := func(name string, read func(doc string) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(bytes))
			for b.Loop() {
				for _, doc := range page {
					if err := read(doc); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.N*len(page))/b.Elapsed().Seconds(), "results/s")
		})
	}
	run("Parse", func(doc string) error {
		_, err := Parse(doc, Limits{})
		return err
	})
	stream := clientHeader + strings.Join(page, "")
	b.Run("StreamReader", func(b *testing.B) { // the same as bytes of one stream
		b.ReportAllocs()
		b.SetBytes(int64(bytes))
		for b.Loop() {
			r := NewStreamReader(strings.NewReader(stream), Limits{})
			for range 1 + len(page) {
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.N*len(page))/b.Elapsed().Seconds(), "results/s")
	})
	run("Tokens", func(doc string) error { // encoding/xml, tokens thrown away
		d := xml.NewDecoder(strings.NewReader(doc))
		for {
			if _, err := d.Token(); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
	run("Unmarshal", func(doc string) error { // encoding/xml, into what a client needs
		var m struct {
			Result struct {
				ID        string `xml:"id,attr"`
				Forwarded struct {
					Delay struct {
						Stamp string `xml:"stamp,attr"`
					} `xml:"urn:xmpp:delay delay"`
					Message struct {
						From string `xml:"from,attr"`
						ID   string `xml:"id,attr"`
						Body string `xml:"body"`
					} `xml:"jabber:client message"`
				} `xml:"urn:xmpp:forward:0 forwarded"`
			} `xml:"urn:xmpp:mam:2 result"`
		}
		return xml.Unmarshal([]byte(doc), &m)
	})
}

func BenchmarkAppend(b *testing.B) {
	e := must(b, archiveResult)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = e.Append(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}

// The promise of the package comment, in what does not depend on the machine.
func TestParseAllocatesAQuarter(t *testing.T) {
	ours := testing.AllocsPerRun(20, func() { must(t, archiveResult) })
	theirs := testing.AllocsPerRun(20, func() {
		d := xml.NewDecoder(strings.NewReader(archiveResult))
		for {
			if _, err := d.Token(); err != nil {
				return
			}
		}
	})
	if ours*4 > theirs {
		t.Errorf("Parse allocates %v times, encoding/xml %v", ours, theirs)
	}
}
