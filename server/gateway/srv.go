package gateway

import (
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// ServeNames answers questions of DNS: wherever another server is sought, it is here, at at.
// ejabberd has no option for another way than DNS, but for another name server. It returns
// when the connection is closed.
func ServeNames(conn net.PacketConn, at netip.AddrPort) error {
	buf := make([]byte, 512) // RFC 1035 §4.2.1
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		if answer := name(buf[:n], at); answer != nil {
			_, _ = conn.WriteTo(answer, from) // who hears nothing asks again
		}
	}
}

// name returns the answer to a question, nil if it is none. The target is the address itself:
// who asks for the address of a name that is one need not ask anybody, and localhost may be
// another.
func name(question []byte, at netip.AddrPort) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || m.Response || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	target, err := dnsmessage.NewName(at.Addr().String() + ".")
	if err != nil {
		return nil
	}
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionDesired: m.RecursionDesired, RecursionAvailable: true},
		Questions: m.Questions,
	}
	if q.Type == dnsmessage.TypeSRV && strings.HasPrefix(strings.ToLower(q.Name.String()), "_xmpp-server._tcp.") {
		answer.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.SRVResource{Port: at.Port(), Target: target},
		}}
	} else {
		answer.RCode = dnsmessage.RCodeNameError
	}
	packed, err := answer.Pack()
	if err != nil {
		return nil
	}
	return packed
}
