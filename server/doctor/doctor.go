// Package doctor goes the way into a domain, step by step, as a page, another client and
// another server do, and says of each step what was asked, what came back, how long that
// took and what to change.
//
// It signs in to nothing: it stops where a password would be needed.
package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"natter/app/connect/discover"
)

// Verdict is what a step means for those who come this way.
type Verdict string

const (
	Good Verdict = "good" // as it should be
	Note Verdict = "note" // they get in; something could be better, or is another's business
	Bad  Verdict = "bad"  // they do not get in this way
)

// Step is one question and its answer.
type Step struct {
	Who     string   // page, client or server
	What    string   // the step in a few words
	Asked   string   // what was asked, and of whom
	Got     string   // what came back
	Took    int64    // milliseconds
	Verdict Verdict  //
	Change  []Change // what to change, for each program that may be in use
}

// MarshalJSON keeps the names of the members small and the list of changes there.
func (s Step) MarshalJSON() ([]byte, error) {
	changes := s.Change
	if changes == nil {
		changes = []Change{}
	}
	return json.Marshal(struct {
		Who     string   `json:"who"`
		What    string   `json:"step"`
		Asked   string   `json:"asked"`
		Got     string   `json:"got"`
		Took    int64    `json:"milliseconds"`
		Verdict Verdict  `json:"verdict"`
		Change  []Change `json:"change"`
	}{s.Who, s.What, s.Asked, s.Got, s.Took, s.Verdict, changes})
}

// Change is what to do in one program.
type Change struct {
	In string `json:"in"` // Prosody, ejabberd, nginx, Caddy, natter, DNS or "" for any
	Do string `json:"do"`
}

// Report is all of it.
type Report struct {
	Domain  string `json:"domain"`
	Pages   bool   `json:"pages"`   // a page gets as far as the password
	Clients bool   `json:"clients"` // so does another client
	Servers bool   `json:"servers"` // another server gets as far as saying who it is
	Steps   []Step `json:"steps"`
}

// Options say how to look. The zero value asks as everybody does.
type Options struct {
	Resolver *net.Resolver  // nil for the system's
	Roots    *x509.CertPool // nil for the system's
	Endpoint string         // a WebSocket to try instead of those the domain names

	// Redirect changes the host:port that is dialled, for a domain that is not there yet.
	Redirect func(address string) string

	// Origin is the page that would connect. If it is empty, that is https:// and the domain, and
	// where such a page is refused, https:// and the host of the WebSocket: a server may admit its
	// own pages alone, and natter's gateway does.
	Origin string

	// Timeout of each step; 10 seconds if zero.
	Timeout time.Duration

	// Each is called after each step.
	Each func(Step)
}

// visit is one examination.
type visit struct {
	Options
	domain  string // A-labels
	guesses bool   // nobody said which page would connect
	report  *Report

	certificateAsked atomic.Bool // by what was connected to last
}

// Examine goes all ways into domain. It fails if that is not a domain.
func Examine(ctx context.Context, domain string, o Options) (*Report, error) {
	host, err := discover.Host(domain)
	if err != nil || host == "" {
		return nil, fmt.Errorf("%q is not a domain", domain)
	}
	if o.Endpoint != "" {
		if o.Endpoint, err = discover.ParseEndpoint(o.Endpoint); err != nil {
			return nil, err
		}
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	v := &visit{Options: o, domain: host, guesses: o.Origin == "", report: &Report{Domain: host}}
	if v.guesses {
		v.Origin = "https://" + host
	}
	v.pages(ctx)
	v.streams(ctx, clients)
	v.streams(ctx, servers)
	return v.report, nil
}

// step asks one question. ask fills in what is not known before.
func (v *visit) step(ctx context.Context, who, what, asked string, ask func(ctx context.Context, s *Step)) Step {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	s := Step{Who: who, What: what, Asked: asked, Verdict: Good}
	start := time.Now()
	ask(ctx, &s)
	s.Took = time.Since(start).Milliseconds()
	v.report.Steps = append(v.report.Steps, s)
	if v.Each != nil {
		v.Each(s)
	}
	return s
}

// fail is what a step says that came to nothing.
func (s *Step) fail(got string, changes ...Change) {
	s.Verdict, s.Got, s.Change = Bad, got, changes
}

func (s *Step) note(changes ...Change) {
	if s.Verdict == Good {
		s.Verdict = Note
	}
	s.Change = append(s.Change, changes...)
}

// names resolves host.
func (v *visit) names(ctx context.Context, who, host string) bool {
	if net.ParseIP(strings.Trim(host, "[]")) != nil {
		return true
	}
	return v.step(ctx, who, "find the machine", "A and AAAA of "+host, func(ctx context.Context, s *Step) {
		addresses, err := v.Resolver.LookupHost(ctx, host)
		if err != nil {
			s.fail(reason(err), Change{"DNS", "add A and AAAA records for " + host})
			if v.Redirect != nil && v.Redirect(host+":443") != host+":443" {
				s.Verdict = Note
			}
			return
		}
		s.Got = strings.Join(addresses, ", ")
	}).Verdict != Bad
}

// dial connects to host:port, wherever that is to be sought.
func (v *visit) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if v.Redirect != nil {
		address = v.Redirect(address)
	}
	return (&net.Dialer{Resolver: v.Resolver}).DialContext(ctx, network, address)
}

// secured opens TLS to address for name, which the certificate must carry.
func (v *visit) secured(ctx context.Context, s *Step, address, name string, protocols ...string) net.Conn {
	conn, err := v.dial(ctx, "tcp", address)
	if err != nil {
		s.fail(reason(err), Change{"", "let the server listen on " + address + ", and the firewall let it through"})
		return nil
	}
	return v.handshake(ctx, s, conn, name, protocols...)
}

// handshake looks at the certificate itself, so that what is wrong with it can be told along
// with what is in it.
func (v *visit) handshake(ctx context.Context, s *Step, conn net.Conn, name string, protocols ...string) net.Conn {
	c := tls.Client(conn, &tls.Config{ServerName: name, NextProtos: protocols, InsecureSkipVerify: true}) // verified below
	if err := c.HandshakeContext(ctx); err != nil {
		conn.Close()
		s.fail("no TLS: "+reason(err), certificateChanges(name)...)
		return nil
	}
	state := c.ConnectionState()
	leaf := state.PeerCertificates[0]
	between := x509.NewCertPool()
	for _, above := range state.PeerCertificates[1:] {
		between.AddCert(above)
	}
	shown := fmt.Sprintf("%s, a certificate for %s until %s", tls.VersionName(state.Version), strings.Join(leaf.DNSNames, ", "), leaf.NotAfter.Format(time.DateOnly))
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: v.Roots, Intermediates: between})
	if err == nil {
		s.Got = shown
		if left := time.Until(leaf.NotAfter); left < 7*24*time.Hour && leaf.NotAfter.Sub(leaf.NotBefore) > 30*24*time.Hour {
			s.note(Change{"", "renew the certificate: it ends in " + fmt.Sprint(int(left.Hours()/24)) + " days"})
		}
		return c
	}
	conn.Close()
	var other x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &other):
		s.fail("the certificate is for another name: "+shown, certificateChanges(name)...)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		s.fail("the certificate has ended or has not begun: "+shown, certificateChanges(name)...)
	case errors.As(err, &unknown) && len(state.PeerCertificates) == 1 && leaf.Issuer.String() != leaf.Subject.String():
		s.fail("the server sends its own certificate alone, without those above it: "+shown,
			Change{"nginx", "ssl_certificate fullchain.pem, not cert.pem"},
			Change{"Prosody", "certificate = \"…/fullchain.pem\""},
			Change{"ejabberd", "certfiles: the fullchain.pem"})
	default:
		s.fail("the certificate is not trusted ("+reason(err)+"): "+shown, certificateChanges(name)...)
	}
	return nil
}

func certificateChanges(name string) []Change {
	return []Change{
		{"natter", "tls.acme in the configuration, with publicURL https://" + name + "/ or hostMeta for that domain"},
		{"nginx", "certbot --nginx -d " + name},
		{"Caddy", "name the site " + name + ": it obtains the certificate by itself"},
		{"Prosody", "prosodyctl --root cert import " + name + " /etc/letsencrypt/live"},
		{"ejabberd", "certfiles: with one for " + name + ", or acme: auto: true"},
	}
}

// reason is an error in few words: what was done is said elsewhere.
func reason(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such name or record"
	case errors.As(err, &dns):
		return "the name server does not answer: " + dns.Err
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.As(err, &op) && op.Op == "dial":
		return op.Err.Error()
	}
	return err.Error()
}
