package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/framing"
	"natter/framing/native"
)

// call reads the header of our server and opens a stream with the one it names. It returns
// false if there is none, and ours has been told why.
func (l *link) call(ctx context.Context, conn net.Conn) bool {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	l.near = &upstream{conn: conn, space: framing.NSServer, within: l.f.lim.Write,
		in: framing.NewStreamReader(conn, framing.Limits{Bytes: l.f.lim.BytesDown})}
	ok := l.introduce(ctx)
	if !ok {
		_ = conn.Close()
	}
	return ok && stop()
}

func (l *link) introduce(ctx context.Context) bool {
	_ = l.near.conn.SetReadDeadline(time.Now().Add(l.f.lim.Handshake))
	e, err := l.near.in.Next()
	open, isHeader := framing.ReadHeader(e)
	if err != nil || !isHeader || l.near.in.Space() != framing.NSServer {
		l.note("no-header")
		l.log.Warn("what came to the listener for our servers is no stream between servers", "error", err)
		return false
	}
	_ = l.near.conn.SetReadDeadline(time.Time{})
	l.pair = domainPair{lower(open.From), lower(open.To)}
	l.domain = l.f.ours(open.From)
	own := framing.Open{From: open.To, To: open.From, ID: fmt.Sprint(l.id), Version: "1.0"}
	switch {
	case open.From == "" || open.To == "":
		l.refuseNear(own, &framing.StreamError{Condition: framing.ImproperAddressing, Text: "the header does not say from which domain to which"}, "no-domain")
		return false
	case l.domain == nil:
		l.refuseNear(own, &framing.StreamError{Condition: framing.InvalidFrom, Text: "natter does not speak for " + open.From}, framing.InvalidFrom)
		return false
	}
	l.log = l.log.With("domain", l.domain.Name)
	header, offered, err := l.reach(ctx, framing.Open{From: open.From, To: open.To, Lang: open.Lang, Version: "1.0"})
	result := "reached"
	if err != nil {
		result = "unreachable"
	}
	l.f.c.Meter.Found(result)
	if err != nil {
		l.refuseNear(own, unreachable(err), result)
		return false
	}
	header.From, header.To = open.To, open.From
	out := serverFeatures(offered)
	if l.sasl == couldSignIn && out.Child(nsDialbackFeature, "dialback") == nil {
		// Our server shows who it is as ever; natter answers in the place of the other.
		out.Add(framing.New(nsDialbackFeature, "dialback").Add(framing.New(nsDialbackFeature, "errors")))
	}
	if err := l.near.writeHeader(header); err != nil {
		l.note("backend-lost")
		return false
	}
	if _, err := l.near.write(out); err != nil {
		l.note("backend-lost")
		return false
	}
	return true
}

// refuseNear answers the header of our server with an error.
func (l *link) refuseNear(own framing.Open, wrong *framing.StreamError, reason string) {
	if l.near.writeHeader(own) == nil {
		l.failNear(wrong, reason)
	}
}

// unreachable says why there is no stream with another server. A domain that was not found at
// all is told from one that did not answer by the stanza error in it (RFC 6120 §8.3.3.16).
func unreachable(err error) *framing.StreamError {
	wrong := &framing.StreamError{Condition: framing.RemoteConnectionFailed, Text: err.Error()}
	var unknown *discover.Error
	if errors.As(err, &unknown) && unknown.Kind != discover.Timeout {
		wrong.App = framing.New(framing.NSStanzaError, "remote-server-not-found")
	}
	return wrong
}

// reach opens a stream with one of the WebSockets of the other domain: the first that
// opens one. It returns its header and features.
func (l *link) reach(ctx context.Context, open framing.Open) (framing.Open, *framing.Element, error) {
	found, err := l.f.c.Find.Find(ctx, open.To, "")
	if err != nil {
		return framing.Open{}, nil, fmt.Errorf("%s has no WebSocket for servers: %w", open.To, err)
	}
	for _, at := range found.Endpoints {
		one, cancel := context.WithTimeout(ctx, l.f.lim.Dial)
		header, offered, failed := l.follow(one, at, open)
		cancel()
		if failed == nil {
			return header, offered, nil
		}
		l.log.Warn("WebSocket of another server failed", "peer", l.peer(), "endpoint", at.URL, "error", failed)
		err = failed
	}
	l.f.c.Find.Forget(open.To)
	return framing.Open{}, nil, fmt.Errorf("%s could not be reached: %w", open.To, err)
}

// follow opens a stream at an endpoint, or where that sends us (RFC 7395 §3.6.1).
func (l *link) follow(ctx context.Context, at discover.Endpoint, open framing.Open) (framing.Open, *framing.Element, error) {
	route := connect.NewRoute(at.URL)
	if route == nil {
		return framing.Open{}, nil, errors.New("it is not a wss address")
	}
	for {
		header, offered, err := l.knock(ctx, at, open)
		var sent *framing.RedirectError
		if !errors.As(err, &sent) {
			return header, offered, err
		}
		if err := route.Follow(sent.URI); err != nil {
			return framing.Open{}, nil, err
		}
		at = discover.Endpoint{URL: route.At()}
	}
}

// knock opens a stream at an endpoint, and sees whether natter could sign in with a
// certificate.
func (l *link) knock(ctx context.Context, at discover.Endpoint, open framing.Open) (header framing.Open, offered *framing.Element, err error) {
	var own *tls.Certificate
	if l.f.c.Certificate != nil {
		own = l.f.c.Certificate(open.From)
	}
	asked := false
	config := &tls.Config{RootCAs: l.f.c.Roots, MinVersion: tls.VersionTLS12}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked = true
		if own == nil {
			return new(tls.Certificate), nil
		}
		return own, nil
	}
	if at.SNI != "" {
		l.delegated(config, at.SNI)
	}
	socket, err := native.Dial(ctx, at.URL, native.Options{
		TLSConfig: config, Dial: dialerFor(at), ReadLimit: 2 * int64(l.f.lim.BytesAfter), ReadAhead: l.f.lim.BytesAfter,
		CloseTimeout: l.f.lim.Close, Ping: l.f.lim.Ping, Pong: l.f.lim.Pong,
	})
	if err != nil {
		return header, nil, err
	}
	far := l.attach(socket)
	defer func() {
		if err != nil {
			far.Drop()
		}
	}()
	header, offered, err = l.openFar(ctx, far, open)
	if err != nil {
		return header, nil, err
	}
	offers := false
	for _, m := range offered.Child(nsSASL, "mechanisms").Elements() {
		offers = offers || m.Is(nsSASL, "mechanism") && m.Text() == "EXTERNAL"
	}
	why := ""
	switch {
	case !offers:
		why = "it is not offered"
	case own == nil:
		why = "natter has no certificate for " + open.From
	case !asked:
		why = "no certificate was asked for"
	case l.f.refused.lately(l.pair, time.Now()):
		why = "it was refused lately"
	}
	if why != "" {
		l.log.Info("SASL EXTERNAL is not used: dialback it is", "peer", l.peer(), "why", why)
		return header, offered, nil
	}
	l.sasl = couldSignIn
	return header, offered, nil
}

// delegated lets a WebSocket show a certificate for the name that host-meta says is to be
// sent, or for the domain itself: either way the domain has said so over https (XEP-0487 §2.2).
func (l *link) delegated(config *tls.Config, name string) {
	config.ServerName = name
	config.InsecureSkipVerify = true // it is done here
	config.VerifyConnection = func(s tls.ConnectionState) (err error) {
		between := x509.NewCertPool()
		for _, above := range s.PeerCertificates[1:] {
			between.AddCert(above)
		}
		domain, err := discover.Host(l.pair.to)
		if err != nil {
			return err
		}
		for _, name := range []string{name, domain} {
			_, err = s.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: name, Roots: l.f.c.Roots, Intermediates: between})
			if err == nil {
				return nil
			}
		}
		return err
	}
}

// dialerFor returns what connects to the addresses that host-meta names, in turn, instead of
// asking DNS; nil if it names none (XEP-0487 §2.1).
func dialerFor(at discover.Endpoint) func(ctx context.Context, network, address string) (net.Conn, error) {
	u, err := url.Parse(at.URL)
	if err != nil || len(at.IPs) == 0 {
		return nil
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		d := new(net.Dialer)
		if address != net.JoinHostPort(u.Hostname(), port) { // a proxy on the way
			return d.DialContext(ctx, network, address)
		}
		var failed []error
		for i, ip := range at.IPs {
			one, cancel := ctx, context.CancelFunc(func() {})
			if end, ok := ctx.Deadline(); ok { // each has its share of the time
				one, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(len(at.IPs)-i))
			}
			conn, err := d.DialContext(one, network, net.JoinHostPort(ip, port))
			cancel()
			if err == nil {
				return conn, nil
			}
			failed = append(failed, err)
		}
		return nil, errors.Join(failed...)
	}
}

// openFar sends a header and reads the one that answers it, and the features.
func (l *link) openFar(ctx context.Context, far *framing.Conn, open framing.Open) (header framing.Open, offered *framing.Element, err error) {
	if err := far.Write(ctx, open.Element(framing.NSFramingServer)); err != nil {
		return header, nil, err
	}
	e, err := far.Read(ctx)
	if err != nil {
		return header, nil, err
	}
	if header, err = framing.ReadOpen(e, framing.NSFramingServer); err != nil {
		return header, nil, err
	}
	if header.From != "" && lower(header.From) != l.pair.to {
		return header, nil, fmt.Errorf("%q answers instead", header.From)
	}
	if offered, err = far.Read(ctx); err != nil {
		return header, nil, err
	}
	if !offered.Is(framing.NSStream, "features") {
		return header, nil, fmt.Errorf("<%s> instead of features", offered.Name.Local)
	}
	return header, offered, nil
}

// signing is how far natter is with SASL EXTERNAL in the place of our server (XEP-0178 §3).
//
// It begins when our server says who it is, not before: a stream that only asks about a
// dialback needs no signing in, and two servers that sign in at each other's would wait for
// each other. So meanwhile our server is listened to, and what is for the other waits.
type signing int

const (
	noSignIn    signing = iota // not possible, or refused
	couldSignIn                // the other offers it, and was shown a certificate
	authSent                   // <auth/>
	restarting                 // <success/> came, another header was sent
	signedIn
)

// maxWaiting bounds what our server says while natter signs in.
const maxWaiting = 100

var errTooMuch = errors.New("too much came while natter was signing in")

// initiate passes on what our server says as the initiating one.
func (l *link) initiate(ctx context.Context, e *framing.Element) error {
	l.order.Lock()
	defer l.order.Unlock()
	switch {
	case l.f.isOurs(e):
		_, err := l.near.write(dialback(e, "valid"))
		return err
	case l.sasl == couldSignIn && isResult(e) && pairOf(e) == l.pair:
		l.sasl, l.waiting = authSent, append(l.waiting, e)
		return l.write(ctx, framing.New(nsSASL, "auth").Set("mechanism", "EXTERNAL").AddText("="), 0)
	case (l.sasl == authSent || l.sasl == restarting) && len(l.waiting) == maxWaiting:
		return errTooMuch
	case l.sasl == authSent || l.sasl == restarting:
		l.waiting = append(l.waiting, e)
		return nil
	}
	return l.pass(ctx, e)
}

// refusals remembers for whom SASL EXTERNAL was refused, so that the streams that follow begin
// with dialback at once. The other server may have another certificate for us one day.
type refusals struct {
	mu    sync.Mutex
	until map[domainPair]time.Time
}

const (
	remembered  = 10 * time.Minute
	mostRefused = 1000 // our people choose the domains
)

func (r *refusals) note(p domainPair, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil || len(r.until) >= mostRefused {
		r.until = map[domainPair]time.Time{}
	}
	r.until[p] = now.Add(remembered)
}

func (r *refusals) lately(p domainPair, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.until[p])
}

func isResult(e *framing.Element) bool {
	return e.Is(framing.NSDialback, "result") && e.Attr("type") == ""
}

// pass passes on what our server says. On a stream where natter has signed in it answers
// what the other need not be asked any more.
func (l *link) pass(ctx context.Context, e *framing.Element) error {
	if l.sasl == signedIn && isResult(e) {
		answer := oneDomainOnly(e)
		if pairOf(e) == l.pair {
			answer = dialback(e, "valid")
		}
		_, err := l.near.write(answer)
		return err
	}
	if wrong := l.check(e, l.direction == "out"); wrong != nil {
		l.failNear(wrong, wrong.Condition)
		return framing.ErrClosed
	}
	if err := l.write(ctx, e, l.near.in.Size()); err != nil {
		return err
	}
	l.f.c.Meter.Relayed(true, l.near.in.Size())
	return nil
}

// oneDomainOnly refuses a domain that would join a stream on which another has signed in.
// Its key is about the id that the stream had before that (RFC 6120 §4.3.3); on a stream of
// its own it can be verified (XEP-0220 §2.5).
func oneDomainOnly(e *framing.Element) *framing.Element {
	return dialback(e, "error").Add(framing.New(framing.NSServer, "error").Set("type", "cancel").
		Add(framing.New(framing.NSStanzaError, "resource-constraint")))
}

// signIn goes on with SASL when the other server has spoken. It reports whether e was part
// of that.
func (l *link) signIn(ctx context.Context, e *framing.Element) (part bool, err error) {
	l.order.Lock()
	defer l.order.Unlock()
	switch {
	case l.sasl == authSent && e.Is(nsSASL, "success"):
		l.sasl = restarting
		open := framing.Open{From: l.pair.from, To: l.pair.to, Version: "1.0"}
		return true, l.write(ctx, open.Element(framing.NSFramingServer), 0)
	case l.sasl == authSent && e.Is(nsSASL, "failure"):
		condition := "none"
		if c := e.First(); c != nil {
			condition = c.Name.Local
		}
		l.log.Warn("SASL EXTERNAL was refused: dialback it is", "peer", l.peer(), "condition", condition)
		l.sasl = noSignIn
		l.f.refused.note(l.pair, time.Now())
	case l.sasl == restarting && e.Is(framing.NSFramingServer, "open"):
		return true, nil
	case l.sasl == restarting && e.Is(framing.NSStream, "features"):
		l.sasl = signedIn
		l.said.allow(l.pair)
		l.authenticated("external")
	default:
		return false, nil
	}
	waiting := l.waiting
	l.waiting = nil
	for _, e := range waiting {
		if err := l.pass(ctx, e); err != nil {
			return true, err
		}
	}
	return true, nil
}
