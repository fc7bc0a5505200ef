package gateway

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"natter/framing"
	"natter/framing/native"
)

// What a stanza there and its answer back cost, with TLS, client and server; and the same if the
// answer is fifty stanzas, as a page of an archive is.
func BenchmarkRelay(b *testing.B) {
	b.Run("one", func(b *testing.B) { benchmarkRelay(b, 1) })
	b.Run("fifty", func(b *testing.B) { benchmarkRelay(b, 50) })
}

func benchmarkRelay(b *testing.B, answers int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 4096)
		_, _ = c.Read(buf)
		_, _ = c.Write([]byte("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='h.test' id='1' version='1.0'><stream:features/>"))
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			_, _ = c.Write(bytes.Repeat(buf[:n], answers))
		}
	}()
	g, err := New(Config{NativeClients: true, Log: slog.New(slog.DiscardHandler), Domains: []Domain{{Name: "h.test", Backends: []Backend{{Address: l.Addr().String()}}}}})
	if err != nil {
		b.Fatal(err)
	}
	web := httptest.NewTLSServer(g)
	defer web.Close()
	s, err := native.Dial(b.Context(), strings.Replace(web.URL, "https", "wss", 1), native.Options{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close(1000, "")
	say := func(doc string, answers int) {
		if err := s.Write(b.Context(), doc); err != nil {
			b.Fatal(err)
		}
		for range answers {
			if _, err := s.Read(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	say(framing.Open{To: "h.test", Version: "1.0"}.Element(framing.NSFraming).String(), 2)
	b.ReportAllocs()
	for b.Loop() {
		say(`<message xmlns="jabber:client" to="ada@h.test" type="chat" id="1"><body>How are you?</body></message>`, answers)
	}
}
