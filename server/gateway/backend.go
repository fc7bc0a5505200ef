package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"

	"natter/framing"
)

const (
	nsTLS      = "urn:ietf:params:xml:ns:xmpp-tls"
	nsCompress = "http://jabber.org/features/compress"
)

func (b Backend) unix() bool { return strings.HasPrefix(b.Address, "/") }

// check returns what is wrong with a backend. What is not on this machine needs TLS:
// passwords go there.
func (b Backend) check() error {
	if b.Dial != nil {
		return nil
	}
	if !b.unix() {
		host, port, err := net.SplitHostPort(b.Address)
		if err != nil || host == "" || port == "" {
			return errors.New("write it as host:port, or as the path of a Unix socket")
		}
		ip, err := netip.ParseAddr(host)
		if b.Security == Plain && host != "localhost" && (err != nil || !ip.IsLoopback()) {
			return errors.New("it is on another machine, so it needs tls or starttls")
		}
	}
	switch b.Security {
	case Plain, DirectTLS, STARTTLS:
	default:
		return fmt.Errorf("security is tls or starttls, not %q", b.Security)
	}
	if b.Proxy < 0 || b.Proxy > 2 {
		return fmt.Errorf("there is no version %d of the PROXY protocol", b.Proxy)
	}
	if b.Proxy > 0 && b.unix() {
		return errors.New("the PROXY protocol needs TCP")
	}
	return nil
}

// upstream is a connection to a backend with its stream open.
type upstream struct {
	conn   net.Conn
	space  string // of the stanzas
	in     *framing.StreamReader
	header framing.Open // the backend's
	within time.Duration
	waits  func() // called before in waits for the backend, if there is one

	mu      sync.Mutex // guards writing
	buf     []byte
	written time.Time
	until   time.Time // the deadline of writing
	ended   bool      // the end of the stream has been sent
}

// Read implements io.Reader for in.
func (u *upstream) Read(p []byte) (int, error) {
	if u.waits != nil {
		u.waits()
	}
	return u.conn.Read(p)
}

// step is how much is written with one deadline. A server that slows its clients down
// reads little at a time, but goes on reading.
const step = 16 << 10

// write sends an element. It fails after the end of the stream.
func (u *upstream) write(e *framing.Element) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return 0, framing.ErrClosed
	}
	return u.send(e.AppendWithin(u.buf[:0], u.space))
}

// writeHeader sends a header. It fails after the end of the stream.
func (u *upstream) writeHeader(o framing.Open) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return framing.ErrClosed
	}
	// The line end means nothing to XMPP, and makes a server of HTTP answer at once.
	_, err := u.send(append(o.AppendHeader(u.buf[:0], u.space), '\n'))
	return err
}

// end sends the end of the stream.
func (u *upstream) end() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return nil
	}
	u.ended = true
	_, err := u.send([]byte(framing.StreamEnd))
	return err
}

// send is called with the mutex.
func (u *upstream) send(b []byte) (int, error) {
	if cap(b) <= step {
		u.buf = b[:0]
	}
	for rest := b; len(rest) > 0; {
		u.written = time.Now()
		if needed := u.written.Add(u.within); u.until.Before(needed) { // not at each write
			u.until = needed.Add(u.within / 2)
			if err := u.conn.SetWriteDeadline(u.until); err != nil {
				return 0, err
			}
		}
		n, err := u.conn.Write(rest[:min(len(rest), step)])
		if err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(b), nil
}

// keepAlive sends a space if nothing has been sent for a while: the client lives, and
// the backend should know (RFC 6120 §4.6.1). It does not wait for that.
func (u *upstream) keepAlive(after time.Duration) {
	if !u.mu.TryLock() {
		return // something is being sent
	}
	if u.ended || time.Since(u.written) < after {
		u.mu.Unlock()
		return
	}
	go func() {
		defer u.mu.Unlock()
		_, _ = u.send([]byte(" ")) // a failure shows to who reads
	}()
}

// caller is who opens streams with backends, and for whom.
type caller struct {
	space   string         // of the stanzas: NSClient or NSServer
	client  netip.AddrPort // who is behind the stream
	local   net.Addr       // where they arrived
	lim     Limits
	roots   *x509.CertPool
	log     *slog.Logger
	dialled func(address string, err error)
}

// reach opens a stream with one of the domain's backends: the first that answers with
// a header. Those that failed lately are tried last.
func (c caller) reach(ctx context.Context, d *domain, open framing.Open) (*upstream, error) {
	var problems []error
	for _, b := range d.order() {
		one, cancel := context.WithTimeout(ctx, c.lim.Dial)
		u, err := c.dial(one, b, open)
		cancel()
		c.dialled(b.Address, err)
		d.note(b, err)
		if err == nil {
			return u, nil
		}
		c.log.Warn("backend failed", "backend", b.Address, "error", err)
		problems = append(problems, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(problems...)
}

// resting is how long a backend that failed is tried last.
const resting = 10 * time.Second

func (d *domain) order() (all []Backend) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var last []Backend
	for _, b := range d.Backends {
		if at, ok := d.down[b.Address]; ok && time.Since(at) < resting {
			last = append(last, b)
			continue
		}
		all = append(all, b)
	}
	return append(all, last...)
}

func (d *domain) note(b Backend, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.down, b.Address)
	if err != nil {
		d.down[b.Address] = time.Now()
	}
}

// dial opens a stream with a backend, whose certificate is for whom the stream is.
func (c caller) dial(ctx context.Context, b Backend, open framing.Open) (_ *upstream, err error) {
	conn, err := b.connect(ctx)
	if err != nil {
		return nil, err
	}
	u := &upstream{conn: conn, space: c.space, within: c.lim.Write}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = conn.Close()
		}
	}()

	if b.Proxy > 0 {
		if _, err := c.proxyHeader(b.Proxy, conn).WriteTo(conn); err != nil {
			return nil, err
		}
	}
	config := &tls.Config{ServerName: open.To, RootCAs: c.roots, MinVersion: tls.VersionTLS12}
	switch b.Security {
	case DirectTLS:
		config.NextProtos = []string{"xmpp-client"}
		if c.space == framing.NSServer {
			config.NextProtos = []string{"xmpp-server"}
		}
		u.conn = tls.Client(conn, config)
	case STARTTLS:
		first := framing.Open{To: open.To, Version: "1.0"}
		if c.space == framing.NSServer { // a person is not named without TLS
			first.From = open.From
		}
		if err := u.startTLS(first, c.limits()); err != nil {
			return nil, err
		}
		u.conn = tls.Client(conn, config)
	}
	if t, ok := u.conn.(*tls.Conn); ok {
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS as %s: %w", open.To, err)
		}
	}
	u.in = framing.NewStreamReader(u, c.limits())
	u.header, err = u.open(open)
	return u, err
}

func (b Backend) connect(ctx context.Context) (net.Conn, error) {
	network := "tcp"
	switch {
	case b.Dial != nil:
		return b.Dial(), nil
	case b.unix():
		network = "unix"
	}
	return new(net.Dialer).DialContext(ctx, network, b.Address)
}

func (c caller) limits() framing.Limits { return framing.Limits{Bytes: c.lim.BytesDown} }

// proxyHeader tells the backend who the client is. LOCAL says that we do not know.
func (c caller) proxyHeader(version int, conn net.Conn) *proxyproto.Header {
	var from, to net.Addr
	if c.client.IsValid() {
		from, to = net.TCPAddrFromAddrPort(c.client), conn.LocalAddr()
	}
	if c.local != nil {
		to = c.local
	}
	return proxyproto.HeaderProxyFromAddrs(byte(version), from, to)
}

var errNotXMPP = errors.New("what listens there is no XMPP server for those who ask")

// open sends a header and reads the one of the backend.
func (u *upstream) open(o framing.Open) (framing.Open, error) {
	if err := u.writeHeader(o); err != nil {
		return framing.Open{}, err
	}
	e, err := u.in.Next()
	var bad *framing.SyntaxError
	if errors.As(err, &bad) {
		return framing.Open{}, fmt.Errorf("%w: %w", errNotXMPP, err)
	}
	if err != nil {
		return framing.Open{}, fmt.Errorf("no stream header: %w", err)
	}
	header, ok := framing.ReadHeader(e)
	if !ok || u.in.Space() != u.space {
		return framing.Open{}, fmt.Errorf("%w: its stanzas are in %q", errNotXMPP, u.in.Space())
	}
	return header, nil
}

// startTLS asks for TLS. A backend that does not offer it is not used: whoever is in
// between may have taken the offer away.
func (u *upstream) startTLS(o framing.Open, lim framing.Limits) error {
	u.in = framing.NewStreamReader(u, lim)
	if _, err := u.open(o); err != nil {
		return err
	}
	e, err := u.in.Next()
	if err != nil {
		return fmt.Errorf("no features: %w", err)
	}
	if e.Child(nsTLS, "starttls") == nil {
		return errors.New("STARTTLS is not offered")
	}
	if _, err := u.write(framing.New(nsTLS, "starttls")); err != nil {
		return err
	}
	if e, err = u.in.Next(); err != nil {
		return fmt.Errorf("no answer to STARTTLS: %w", err)
	}
	if !e.Is(nsTLS, "proceed") {
		return errors.New("STARTTLS was refused")
	}
	if u.in.Buffered() > 0 {
		return errors.New("something came before TLS") // CVE-2011-0411 in the other direction
	}
	return nil
}
