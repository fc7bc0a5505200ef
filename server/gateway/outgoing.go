package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"natter/app/connect"
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
		l.refuseNear(own, framing.ImproperAddressing, "the header does not say from which domain to which", "no-domain")
		return false
	case l.domain == nil:
		l.refuseNear(own, framing.InvalidFrom, "natter does not speak for "+open.From, framing.InvalidFrom)
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
		l.refuseNear(own, framing.RemoteConnectionFailed, err.Error(), result)
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
func (l *link) refuseNear(own framing.Open, condition, text, reason string) {
	if l.near.writeHeader(own) == nil {
		l.failNear(condition, text, reason)
	}
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
		header, offered, failed := l.follow(one, at.URL, open)
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
func (l *link) follow(ctx context.Context, endpoint string, open framing.Open) (framing.Open, *framing.Element, error) {
	route := connect.NewRoute(endpoint)
	if route == nil {
		return framing.Open{}, nil, errors.New("it is not a wss address")
	}
	for {
		header, offered, err := l.knock(ctx, route.At(), open)
		var sent *framing.RedirectError
		if !errors.As(err, &sent) {
			return header, offered, err
		}
		if err := route.Follow(sent.URI); err != nil {
			return framing.Open{}, nil, err
		}
	}
}

// knock opens a stream at an address, and sees whether natter could sign in with a
// certificate.
func (l *link) knock(ctx context.Context, address string, open framing.Open) (header framing.Open, offered *framing.Element, err error) {
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
	socket, err := native.Dial(ctx, address, native.Options{
		TLSConfig: config, ReadLimit: 2 * int64(l.f.lim.BytesAfter), ReadAhead: l.f.lim.BytesAfter,
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
	}
	if why != "" {
		l.log.Info("SASL EXTERNAL is not used: dialback it is", "peer", l.peer(), "why", why)
		return header, offered, nil
	}
	l.sasl = couldSignIn
	return header, offered, nil
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
		l.failNear(wrong.Condition, wrong.Text, wrong.Condition)
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
