package doctor

import (
	"context"
	"fmt"
	"net"
	"strings"

	"natter/framing"
)

// side is who comes over TCP (RFC 6120).
type side struct {
	who, space, service string
	port                uint16
}

var (
	clients = side{"client", "jabber:client", "client", 5222}
	servers = side{"server", "jabber:server", "server", 5269}
)

// target is where a service is.
type target struct {
	host   string
	port   uint16
	direct bool // TLS from the first byte (XEP-0368)
}

// streams goes the way of those who need no WebSocket. That it is closed is no fault if
// there is another.
func (v *visit) streams(ctx context.Context, who side) {
	already := v.report.Servers && who == servers
	var targets []target
	v.step(ctx, who.who, "ask where TCP leads", fmt.Sprintf("SRV of _xmpps-%s._tcp and _xmpp-%s._tcp.%s", who.service, who.service, v.domain), func(ctx context.Context, s *Step) {
		var got []string
		silent := false
		for _, scheme := range []string{"xmpps", "xmpp"} {
			_, records, err := v.Resolver.LookupSRV(ctx, scheme+"-"+who.service, "tcp", v.domain)
			if err != nil && reason(err) != "no such name or record" {
				got, silent = append(got, scheme+": "+reason(err)), true
			}
			for _, r := range records {
				if r.Target == "." {
					got = append(got, scheme+": not offered")
					continue
				}
				host := strings.TrimSuffix(r.Target, ".")
				got = append(got, fmt.Sprintf("%s: %s:%d", scheme, host, r.Port))
				targets = append(targets, target{host, r.Port, scheme == "xmpps"})
			}
		}
		s.Got = strings.Join(got, ", ")
		if silent {
			s.fail(s.Got, Change{"DNS", "let its name servers answer for SRV too, with no such name if there is none"})
		}
		if len(targets) == 0 && (silent || len(got) == 0) {
			targets = []target{{v.domain, who.port, false}}
		}
		if len(got) == 0 {
			s.Got = fmt.Sprintf("none, so it is %s:%d", v.domain, who.port)
			s.note(Change{"DNS", fmt.Sprintf("_xmpp-%s._tcp.%s. SRV 0 5 %d HOST., if the server is on another machine", who.service, v.domain, who.port)})
		}
	})
	in, asked := false, len(v.report.Steps)-1
	for _, t := range targets[:min(len(targets), maxTried)] {
		from := len(v.report.Steps)
		reached := v.stream(ctx, who, t)
		in = in || reached
		if !reached && (in || already) {
			for i := range v.report.Steps[from:] {
				v.report.Steps[from+i].soften()
			}
		}
	}
	if in { // others may be more patient with the name server, or ask another
		v.report.Steps[asked].soften()
	}
	if who == servers {
		v.report.Servers = v.report.Servers || in
	} else {
		v.report.Clients = in
	}
}

func (s *Step) soften() {
	if s.Verdict == Bad {
		s.Verdict = Note
	}
}

// stream goes to one target as far as its features under TLS.
func (v *visit) stream(ctx context.Context, who side, t target) bool {
	if t.host != v.domain && !v.names(ctx, who.who, t.host) {
		return false
	}
	address := net.JoinHostPort(t.host, fmt.Sprint(t.port))
	var conn net.Conn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	if t.direct {
		v.step(ctx, who.who, "open TLS", address+" for "+v.domain, func(ctx context.Context, s *Step) {
			conn = v.secured(ctx, s, address, v.domain, "xmpp-"+who.service)
		})
	} else {
		v.step(ctx, who.who, "open TLS", address+", STARTTLS for "+v.domain, func(ctx context.Context, s *Step) {
			conn = v.startTLS(ctx, s, who, address)
		})
	}
	if conn == nil {
		return false
	}
	return v.step(ctx, who.who, "open the stream", "<stream to='"+v.domain+"'>", func(ctx context.Context, s *Step) {
		if features := v.features(ctx, s, who, conn); features != nil {
			offers(s, who.who, features)
		}
	}).Verdict != Bad
}

// features opens a stream and returns what is offered, nil if the step failed.
func (v *visit) features(ctx context.Context, s *Step, who side, conn net.Conn) *framing.Element {
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end) // read and write fail otherwise
	}
	header := framing.Open{To: v.domain, Version: "1.0", Lang: "en"}.AppendHeader(nil, who.space)
	if _, err := conn.Write(header); err != nil {
		s.fail(reason(err))
		return nil
	}
	// A reader for each stream: the server is silent between its features and our next word.
	r := framing.NewStreamReader(conn, framing.DefaultLimits)
	for {
		e, err := r.Next()
		switch {
		case err != nil:
			s.fail("the stream ends before it offers anything: "+reason(err), silentChanges...)
			return nil
		case e.Is(framing.NSStream, "stream"):
		case e.Is(framing.NSStream, "features"):
			return e
		case e.Is(framing.NSStream, "error"):
			refused(s, framing.ReadStreamError(e).Condition, v.domain)
			return nil
		default:
			s.fail("the server answers with <" + e.Name.Local + "> where its features belong")
			return nil
		}
	}
}

const nsTLS = "urn:ietf:params:xml:ns:xmpp-tls"

func (v *visit) startTLS(ctx context.Context, s *Step, who side, address string) net.Conn {
	conn, err := v.dial(ctx, "tcp", address)
	if err != nil {
		s.fail(reason(err), Change{"", "let the server listen on " + address + ", and the firewall let it through"})
		return nil
	}
	features := v.features(ctx, s, who, conn)
	if features == nil {
		conn.Close()
		return nil
	}
	if features.Child(nsTLS, "starttls") == nil {
		s.fail("no STARTTLS is offered", Change{"Prosody", "a certificate for " + v.domain + ", and tls among modules_enabled"},
			Change{"ejabberd", "starttls: true on this listener, with certfiles"})
		conn.Close()
		return nil
	}
	if _, err := conn.Write([]byte(framing.New(nsTLS, "starttls").String())); err != nil {
		s.fail(reason(err))
		conn.Close()
		return nil
	}
	// What answers is the end of what is in the clear, so that not a byte of TLS is read.
	answer := make([]byte, 0, 256)
	for len(answer) < cap(answer) && !strings.HasSuffix(string(answer), ">") {
		var b [1]byte
		if _, err := conn.Read(b[:]); err != nil {
			s.fail(reason(err))
			conn.Close()
			return nil
		}
		answer = append(answer, b[0])
	}
	if !strings.Contains(string(answer), "<proceed") {
		s.fail("STARTTLS is offered and refused: " + string(answer))
		conn.Close()
		return nil
	}
	return v.handshake(ctx, s, conn, v.domain)
}
