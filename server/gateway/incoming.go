package gateway

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"natter/app/connect/discover"
	"natter/framing"
)

const nsDialbackFeature = "urn:xmpp:features:dialback"

// accept opens the stream of another server, and one with ours behind it. It returns
// false if there is none, and the other has been told why.
func (l *link) accept(ctx context.Context, socket framing.Socket) bool {
	far := l.attach(socket)
	first, cancel := context.WithTimeout(ctx, l.f.lim.Handshake)
	e, err := far.Read(first)
	cancel()
	if err != nil && first.Err() != nil && errors.Is(err, first.Err()) {
		l.fail(framing.ConnectionTimeout, "no stream header came", "slow-header")
		return false
	}
	if err != nil {
		l.farLeft(err)
		return false
	}
	open, err := framing.ReadOpen(e, framing.NSFramingServer)
	if err != nil {
		l.fail(framing.NotAuthorized, "a stream begins with its header", "no-header")
		return false
	}
	l.pair = domainPair{lower(open.From), lower(open.To)}
	l.domain = l.f.ours(open.To)
	switch {
	case open.To == "" || open.From == "" || len(open.From) > 1023:
		l.fail(framing.ImproperAddressing, "the header does not say from which domain to which", "no-domain")
		return false
	case l.domain == nil:
		l.fail(framing.HostUnknown, "", "unknown-domain")
		return false
	case l.f.serves(open.From):
		l.fail(framing.InvalidFrom, "that is a domain of ours", framing.InvalidFrom)
		return false
	case framing.MajorVersion(open.Version) < 1:
		l.fail(framing.UnsupportedVersion, "", "old-version")
		return false
	}
	l.log = l.log.With("domain", l.domain.Name)
	login := time.AfterFunc(l.f.lim.Login, func() {
		if !l.said.inUse() {
			l.fail(framing.ConnectionTimeout, "no server has shown who it is", "slow-login")
		}
	})
	context.AfterFunc(ctx, func() { login.Stop() })
	c := caller{framing.NSServer, l.client, l.local, l.f.lim, l.f.c.Roots, l.log, l.f.c.Meter.Dialled}
	near, err := c.reach(ctx, l.domain, framing.Open{To: open.To, From: open.From, Lang: open.Lang, Version: "1.0"})
	if err != nil {
		l.fail(framing.RemoteConnectionFailed, "the server of "+l.domain.Name+" cannot be reached at the moment", "backend-unreachable")
		return false
	}
	l.near = near
	if l.greet(ctx) {
		return true
	}
	_ = near.conn.Close()
	return false
}

// greet answers the header of the other server with that of ours and its features.
func (l *link) greet(ctx context.Context) bool {
	_ = l.near.conn.SetReadDeadline(time.Now().Add(l.f.lim.Dial))
	e, err := l.near.in.Next()
	if failed := framing.ReadStreamError(e); failed != nil {
		l.fail(failed.Condition, "", "error-by-server")
		return false
	}
	if err != nil || !e.Is(framing.NSStream, "features") {
		l.log.Error("our server answers without features: it must not be one from before XMPP 1.0", "error", err)
		l.fail(framing.InternalServerError, "", "backend-broken")
		return false
	}
	_ = l.near.conn.SetReadDeadline(time.Time{})
	header := l.near.header
	header.From, header.To = l.pair.to, l.pair.from
	if l.write(ctx, header.Element(framing.NSFramingServer), 0) != nil {
		return false
	}
	offered := serverFeatures(e)
	why := l.certified()
	if why != nil {
		l.log.Info("SASL EXTERNAL is not offered: dialback it is", "peer", l.peer(), "why", why)
		return l.write(ctx, offered, l.near.in.Size()) == nil
	}
	mechanisms := framing.New(nsSASL, "mechanisms").Add(framing.New(nsSASL, "mechanism").AddText("EXTERNAL"))
	withExternal := framing.New(framing.NSStream, "features").Add(mechanisms).Add(offered.Elements()...)
	if l.write(ctx, withExternal, l.near.in.Size()) != nil {
		return false
	}
	return l.maybeExternal(ctx, offered)
}

// serverFeatures leaves out what is about the connection that ends here, what natter does
// itself, and streams that carry stanzas both ways (XEP-0288).
func serverFeatures(e *framing.Element) *framing.Element {
	out := framing.New(e.Name.Space, e.Name.Local)
	for _, c := range features(e).Elements() {
		if !c.Is(nsSASL, "mechanisms") && !c.Is("urn:xmpp:features:bidi", "bidi") {
			out.Add(c)
		}
	}
	return out
}

// certified returns why the certificate that came does not speak for the domain in the
// header; nil if it does (RFC 6120 §13.7.2, RFC 9525).
func (l *link) certified() error {
	if l.tls == nil {
		return errors.New("TLS does not end here")
	}
	if len(l.tls.PeerCertificates) == 0 {
		return errors.New("no certificate came")
	}
	name, err := discover.Host(l.pair.from)
	if err != nil {
		return err
	}
	leaf, between := l.tls.PeerCertificates[0], x509.NewCertPool()
	for _, above := range l.tls.PeerCertificates[1:] {
		between.AddCert(above)
	}
	// Authorities issue certificates for servers, which open streams as well.
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: l.f.c.Roots, Intermediates: between, KeyUsages: usage})
	return err
}

// maybeExternal lets a server whose certificate is right sign in with it (XEP-0178 §3). If
// it does something else instead, that is passed on like all the rest.
func (l *link) maybeExternal(ctx context.Context, offered *framing.Element) bool {
	limit, cancel := context.WithTimeout(ctx, l.f.lim.Login)
	defer cancel()
	for range 3 {
		e, err := l.far.Read(limit)
		if err != nil {
			l.farLeft(err)
			return false
		}
		if !e.Is(nsSASL, "auth") {
			return l.passFirst(e)
		}
		condition := "invalid-mechanism"
		if e.Attr("mechanism") == "EXTERNAL" {
			if condition = l.authorize(e.Text()); condition == "" {
				return l.restart(limit, offered)
			}
		}
		l.log.Warn("SASL EXTERNAL refused", "peer", l.peer(), "condition", condition)
		if l.write(ctx, framing.New(nsSASL, "failure").Add(framing.New(nsSASL, condition)), 0) != nil {
			return false
		}
	}
	l.fail(framing.PolicyViolation, "too many attempts to sign in", "too-many-attempts")
	return false
}

// passFirst passes on what the other server says instead of signing in.
func (l *link) passFirst(e *framing.Element) bool {
	if wrong := l.check(e, true); wrong != nil {
		l.fail(wrong.Condition, wrong.Text, wrong.Condition)
		return false
	}
	if _, err := l.near.write(e); err != nil {
		l.lost("backend-lost")
		return false
	}
	return true
}

// authorize makes our server let the domain in whose certificate was seen: natter vouches
// for it by a dialback key, which our server shows to natter again. It returns the
// condition of the failure, "" if there is none.
func (l *link) authorize(initial string) string {
	id, err := base64.StdEncoding.DecodeString(initial)
	switch {
	case initial != "" && initial != "=" && err != nil:
		return "incorrect-encoding"
	case initial != "" && initial != "=" && lower(string(id)) != l.pair.from:
		return "invalid-authzid"
	}
	err = l.vouch()
	if err != nil {
		l.log.Error("our server does not let in whom natter vouches for; its stanzas for others must go through natter", "peer", l.peer(), "error", err)
		return "temporary-auth-failure"
	}
	return ""
}

func (l *link) vouch() error {
	defer l.near.conn.SetReadDeadline(time.Time{})
	if err := l.near.conn.SetReadDeadline(time.Now().Add(l.f.lim.Login)); err != nil {
		return err
	}
	result := framing.New(framing.NSDialback, "result").Set("from", l.pair.from).Set("to", l.pair.to).
		AddText(l.f.key(l.pair.to, l.pair.from, l.near.header.ID))
	if _, err := l.near.write(result); err != nil {
		return err
	}
	e, err := l.near.in.Next()
	switch {
	case err != nil:
		return err
	case !e.Is(framing.NSDialback, "result"):
		return fmt.Errorf("<%s> instead of the result of dialback", e.Name.Local)
	case e.Attr("type") != "valid":
		return fmt.Errorf("the result of dialback is %q", e.Attr("type"))
	}
	return nil
}

// restart says that the other server has signed in, and answers the header that follows
// (RFC 6120 §6.4.6).
func (l *link) restart(ctx context.Context, offered *framing.Element) bool {
	if l.write(ctx, framing.New(nsSASL, "success"), 0) != nil {
		return false
	}
	e, err := l.far.Read(ctx)
	if err != nil {
		l.farLeft(err)
		return false
	}
	open, err := framing.ReadOpen(e, framing.NSFramingServer)
	if err != nil || (domainPair{lower(open.From), lower(open.To)}) != l.pair {
		l.fail(framing.PolicyViolation, "after SASL comes the same header again", "other-domain")
		return false
	}
	l.external = true
	l.said.allow(l.pair)
	l.authenticated("external")
	header := framing.Open{ID: rand.Text(), From: open.To, To: open.From, Lang: l.near.header.Lang, Version: "1.0"}
	if l.write(ctx, header.Element(framing.NSFramingServer), 0) != nil {
		return false
	}
	left := framing.New(framing.NSStream, "features")
	for _, c := range offered.Elements() {
		if !c.Is(nsDialbackFeature, "dialback") {
			left.Add(c)
		}
	}
	return l.write(ctx, left, 0) == nil
}

// farLeft notes how the other side ended before the stream was open.
func (l *link) farLeft(err error) {
	l.note(kindOf(err))
	if errors.Is(err, framing.ErrUnmasked) {
		l.log.Warn("a server does not mask its frames, and was dropped with 1002 (RFC 6455 5.1)", "peer", l.peer())
	}
}
