package connect

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"natter/app/connect/discover"
	"natter/framing"
)

const (
	defaultStep = 10 * time.Second

	// closeTimeout is how long the next attempt waits until the stream of a failed one is
	// closed. After that the closing goes on in the background.
	closeTimeout = time.Second
)

// Connect finds the endpoints of the account's domain and makes a session on the
// first that works; the place that the last session was redirected to comes before them. After a failure the next endpoint is tried, unless the error is about
// the account: another endpoint would say the same, and a wrong password must not be
// tried twice. The error is the *Error of the last endpoint; those before it are in its
// Attempts.
func (c *Connector) Connect(ctx context.Context, req Request) (*Session, error) {
	if err := c.check(req); err != nil {
		return nil, err
	}
	var failed []*Error
	if req.Redirect != nil {
		s, err := c.connectRedirected(ctx, req)
		if err == nil {
			return s, nil
		}
		if failed = append(failed, err); ctx.Err() != nil || err.Phase == Redirected || noOtherEndpoint(err) {
			return nil, err
		}
	}
	domain := req.Account.Domain()
	endpoints, failure := c.find(ctx, domain, req.Server)
	if failure != nil {
		failure.Attempts = failed
		return nil, failure
	}
	if req.Resume != nil {
		prefer(endpoints, req.Resume.At)
	}
	for _, endpoint := range endpoints {
		s, err := c.connectFrom(ctx, req, endpoint)
		if err == nil {
			return s, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil || noOtherEndpoint(err) {
			break
		}
	}
	last := failed[len(failed)-1]
	last.Attempts = failed[:len(failed)-1]
	if !noOtherEndpoint(last) && ctx.Err() == nil {
		c.Find.Forget(domain) // the cached endpoints may be out of date
	}
	return nil, last
}

// prefer puts the endpoints at a host, or host:port, first (XEP-0198 §3).
func prefer(endpoints []string, at string) {
	if at == "" {
		return
	}
	rank := func(endpoint string) int {
		u, err := url.Parse(endpoint)
		if err != nil {
			return 1
		}
		for _, name := range []string{u.Hostname(), u.Host, u.Host + ":443"} {
			if strings.EqualFold(name, at) {
				return 0
			}
		}
		return 1
	}
	slices.SortStableFunc(endpoints, func(a, b string) int { return rank(a) - rank(b) })
}

// find returns the endpoints of a domain, at least one.
func (c *Connector) find(ctx context.Context, domain, own string) ([]string, *Error) {
	found, err := c.Find.Find(ctx, domain, own)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		e := &Error{Phase: Discovery, Err: err}
		var none *discover.Error
		if errors.As(err, &none) && none.Kind == discover.Timeout {
			e.Condition = Timeout
		}
		return nil, e
	}
	var endpoints []string
	for _, e := range found.Endpoints {
		endpoints = append(endpoints, e.URL)
	}
	return endpoints, nil
}

// noOtherEndpoint reports whether a failure is about the account or about this client, so
// that every other endpoint would fail too.
func noOtherEndpoint(err *Error) bool {
	return (err.Phase == Authenticate || err.Phase == Binding) && !Retry(err)
}

// connectRedirected follows the redirect that ended an established session.
func (c *Connector) connectRedirected(ctx context.Context, req Request) (*Session, *Error) {
	from := ""
	var e *Error
	if errors.As(req.Redirect, &e) {
		from = e.Endpoint
	}
	r := NewRoute(from)
	if r == nil {
		return nil, insecure(from)
	}
	to, _ := c.redirectTarget(ctx, r, req.Redirect)
	if err := r.Follow(to); err != nil {
		return nil, &Error{Phase: Redirected, Endpoint: from, Err: err}
	}
	return c.connectVia(ctx, req, r)
}

// connectFrom makes a session at one endpoint, or where that endpoint redirects to.
func (c *Connector) connectFrom(ctx context.Context, req Request, endpoint string) (*Session, *Error) {
	r := NewRoute(endpoint)
	if r == nil {
		return nil, insecure(endpoint)
	}
	return c.connectVia(ctx, req, r)
}

// connectVia makes a session at the current endpoint of a route and follows redirects
// from there. The negotiation with each endpoint starts from the beginning, for the same
// domain and by the same rules (RFC 7395 §3.6.1).
func (c *Connector) connectVia(ctx context.Context, req Request, r *Route) (*Session, *Error) {
	for {
		s, err := c.connectTo(ctx, req, r.at)
		if err == nil {
			return s, nil
		}
		from := r.at.String()
		to, ok := c.redirectTarget(ctx, r, err)
		if !ok {
			return nil, err
		}
		if err := r.Follow(to); err != nil {
			return nil, &Error{Phase: Redirected, Endpoint: from, Err: err}
		}
	}
}

// redirectTarget returns where the server redirects to, if err is a redirect.
func (c *Connector) redirectTarget(ctx context.Context, r *Route, err error) (to string, ok bool) {
	var away *framing.RedirectError
	var broken *framing.StreamError
	switch {
	case errors.As(err, &away):
		return away.URI, true
	case errors.As(err, &broken) && broken.Condition == framing.SeeOtherHost:
		return c.resolve(ctx, r, broken.SeeOtherHost), true
	}
	return "", false
}

// resolve turns the host of see-other-host into an endpoint. A host with a port is
// used with the path of the current endpoint. A host without a port is resolved again
// (RFC 6120 §4.9.3.19), which over WebSocket means to fetch its host-meta; that is done
// only if a redirect to this host is allowed.
func (c *Connector) resolve(ctx context.Context, r *Route, host string) string {
	same := seeOtherHost(r.at, host)
	u, err := url.Parse(same)
	if err != nil || u.Port() != "" || r.check(same) != nil {
		return same
	}
	found, failure := c.find(ctx, u.Hostname(), "")
	if failure != nil {
		return same
	}
	for _, endpoint := range found {
		if r.check(endpoint) == nil {
			return endpoint
		}
	}
	return same
}

// connectTo makes a session at one endpoint. It tries once more over a new socket in two
// cases: the kept offer was out of date, so pipelining failed; or the server binds only
// inside <authenticate/>, and bind was left out there because of a stream that could not
// be resumed after all.
func (c *Connector) connectTo(ctx context.Context, req Request, at *url.URL) (*Session, *Error) {
	s, pipelined, err := c.attempt(ctx, req, at)
	if err != nil && pipelined && ctx.Err() == nil && pipeliningFailed(err) {
		k := *req.Credential
		k.Seen = Seen{Wait: !errors.Is(err, errNotOfferedAnymore)}
		req.Credential = &k
		s, _, err = c.attempt(ctx, req, at)
	}
	if err != nil && req.Resume != nil && errors.Is(err, errNoBinding) {
		req.Resume = nil
		s, _, err = c.attempt(ctx, req, at)
	}
	return s, err
}

// attempt makes a session over one socket and reports whether the sign-in was pipelined.
// If it fails, the stream is closed as the protocol says.
func (c *Connector) attempt(ctx context.Context, req Request, at *url.URL) (s *Session, pipelined bool, err *Error) {
	endpoint := at.String()
	socket, err := c.dial(ctx, endpoint)
	if err != nil {
		return nil, false, err
	}
	n := &negotiation{
		Connector: c,
		req:       req,
		wantID:    req.wantedID(),
		endpoint:  endpoint,
		protected: at.Scheme == "wss" || isLoopback(at),
		conn:      framing.NewConn(socket, framing.ConnOptions{Trace: c.tracer()}),
	}
	pipelined = n.canPipeline()
	if s, err = n.run(ctx); err != nil {
		n.closeFailed(ctx, err)
	}
	return s, pipelined, err
}

func (c *Connector) dial(ctx context.Context, endpoint string) (framing.Socket, *Error) {
	step, cancel := context.WithTimeout(ctx, c.stepTimeout())
	defer cancel()
	socket, err := c.Dial(step, endpoint)
	if err == nil {
		return socket, nil
	}
	e := &Error{Phase: Dial, Endpoint: endpoint, Err: err}
	switch {
	case ctx.Err() != nil:
		e.Err = ctx.Err()
	case step.Err() != nil:
		e.Condition, e.Err = Timeout, &TimeoutError{ToDial}
	}
	return nil, e
}

// insecure is the Error for an endpoint that is neither wss nor on this machine.
// Discovery never returns one; this check is the second line of defence.
func insecure(endpoint string) *Error {
	return &Error{Phase: Dial, Endpoint: endpoint, Condition: "encryption-required", Err: ErrUnprotected}
}

// ErrUnprotected reports an endpoint without TLS that is not on this machine.
var ErrUnprotected = errors.New("the endpoint is not encrypted")

func (c *Connector) stepTimeout() time.Duration {
	if c.StepTimeout > 0 {
		return c.StepTimeout
	}
	return defaultStep
}

func (c *Connector) tracer() func(bool, string) {
	if c.Trace == nil {
		return nil
	}
	return func(out bool, doc string) { c.Trace(out, blank(doc)) }
}

// closeFailed ends the stream of a failed attempt: with Error.streamError if it is set,
// else with <close/>. An authentication that is under way is aborted first (RFC 6120
// §6.4.4). It does not wait for a server that has just let a whole step time out.
func (n *negotiation) closeFailed(ctx context.Context, err *Error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		if n.inSASL != "" && !errors.Is(err, framing.ErrClosed) {
			_ = n.conn.Write(ctx, framing.New(n.inSASL, "abort")) // Close shows whether it is gone
		}
		if err.streamError != "" {
			_ = n.conn.Fail(ctx, &framing.StreamError{Condition: err.streamError})
			return
		}
		_ = n.conn.Close(ctx) // in vain if the stream is broken
	}()
	if err.Condition == Timeout {
		return
	}
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
