// Package dnstest is a name server for tests.
package dnstest

import (
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// Serve answers for the records of zone, one a line as in a zone file, over UDP and TCP until
// the test ends. It returns its address. A name without records does not exist.
func Serve(t testing.TB, zone string) string {
	t.Helper()
	var records []dns.RR
	parser := dns.NewZoneParser(strings.NewReader("$TTL 60\n"+zone), ".", "")
	for r, ok := parser.Next(); ok; r, ok = parser.Next() {
		records = append(records, r)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	stream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp", stream.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	answer := dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		m := new(dns.Msg).SetReply(question)
		m.Rcode = dns.RcodeNameError
		for _, q := range question.Question {
			for _, r := range records {
				if !strings.EqualFold(r.Header().Name, q.Name) {
					continue
				}
				m.Rcode = dns.RcodeSuccess
				if r.Header().Rrtype == q.Qtype {
					m.Answer = append(m.Answer, r)
				}
			}
		}
		_ = w.WriteMsg(m)
	})
	for _, s := range []*dns.Server{{Listener: stream, Handler: answer}, {PacketConn: packets, Handler: answer}} {
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go func() { _ = s.ActivateAndServe() }()
		<-ready
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return stream.Addr().String()
}
