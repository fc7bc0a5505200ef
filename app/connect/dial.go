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

	// farewell is how long a failed attempt holds up what comes next for the sake of
	// closing its stream in good order. The rest happens in the background.
	farewell = time.Second
)

// Connect finds the endpoints of the account's domain and makes a session on the
// first that works. A candidate that fails gives way to the next unless its server
// has judged the account: another endpoint would say the same, and a wrong password
// must not be tried twice. The error is an *Error, that of the last candidate; the
// others are in its Attempts.
func (c *Connector) Connect(ctx context.Context, req Request) (*Session, error) {
	if err := c.check(req); err != nil {
		return nil, err
	}
	if req.Away != nil {
		return result(c.continueAt(ctx, req))
	}
	domain := req.Account.Domain()
	endpoints, failure := c.find(ctx, domain, req.Server)
	if failure != nil {
		return nil, failure
	}
	if req.Resume != nil {
		prefer(endpoints, req.Resume.At)
	}
	var failed []*Error
	for _, endpoint := range endpoints {
		s, err := c.try(ctx, req, endpoint)
		if err == nil {
			return s, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil || final(err) {
			break
		}
	}
	last := failed[len(failed)-1]
	last.Attempts = failed[:len(failed)-1]
	if !final(last) && ctx.Err() == nil {
		c.Find.Forget(domain) // what was found may be out of date
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

// result keeps a nil *Error from becoming an error.
func result(s *Session, err *Error) (*Session, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// final reports whether a failure says something about the account or about this
// client, so that no other endpoint could do better.
func final(err *Error) bool {
	return (err.Phase == Authenticate || err.Phase == Binding) && !Retry(err)
}

// continueAt follows a redirect that ended an established session.
func (c *Connector) continueAt(ctx context.Context, req Request) (*Session, *Error) {
	from := ""
	var e *Error
	if errors.As(req.Away, &e) {
		from = e.Endpoint
	}
	r := begin(from)
	if r == nil {
		return nil, insecure(from)
	}
	to, _ := c.elsewhere(ctx, r, req.Away)
	if err := r.follow(to); err != nil {
		return nil, &Error{Phase: Redirected, Endpoint: from, Err: err}
	}
	return c.travel(ctx, req, r)
}

// try makes a session that starts out at one endpoint.
func (c *Connector) try(ctx context.Context, req Request, endpoint string) (*Session, *Error) {
	r := begin(endpoint)
	if r == nil {
		return nil, insecure(endpoint)
	}
	return c.travel(ctx, req, r)
}

// travel makes a session at the end of a route that redirects may make longer. Each
// endpoint is negotiated with from the beginning, with the same domain and under the
// same rules (RFC 7395 §3.6.1).
func (c *Connector) travel(ctx context.Context, req Request, r *route) (*Session, *Error) {
	for {
		s, err := c.session(ctx, req, r.at)
		if err == nil {
			return s, nil
		}
		from := r.at.String()
		to, ok := c.elsewhere(ctx, r, err)
		if !ok {
			return nil, err
		}
		if err := r.follow(to); err != nil {
			return nil, &Error{Phase: Redirected, Endpoint: from, Err: err}
		}
	}
}

// elsewhere returns where the server sent us, if that is why an attempt failed.
func (c *Connector) elsewhere(ctx context.Context, r *route, err error) (to string, ok bool) {
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
// taken at the path we are at; one without is resolved again (RFC 6120 §4.9.3.19),
// which over WebSocket means to ask that host for its host-meta. A host we would not
// follow to is not asked either.
func (c *Connector) resolve(ctx context.Context, r *route, host string) string {
	same := seeOtherHost(r.at, host)
	u, err := url.Parse(same)
	if err != nil || u.Port() != "" || r.judge(same) != nil {
		return same
	}
	found, failure := c.find(ctx, u.Hostname(), "")
	if failure != nil {
		return same
	}
	for _, endpoint := range found {
		if r.judge(endpoint) == nil {
			return endpoint
		}
	}
	return same
}

// session makes a session at one endpoint. What was kept of it may be out of date;
// then it is asked anew over another socket. The same goes for a server that binds only
// along with the authentication, where that was left out to resume a stream it has lost.
func (c *Connector) session(ctx context.Context, req Request, at *url.URL) (*Session, *Error) {
	s, rushed, err := c.attempt(ctx, req, at)
	if err != nil && rushed && ctx.Err() == nil && hasty(err) {
		k := *req.Credential
		k.Seen = Seen{Wait: !errors.Is(err, errUnseen)}
		req.Credential = &k
		s, _, err = c.attempt(ctx, req, at)
	}
	if err != nil && req.Resume != nil && errors.Is(err, errNoBinding) {
		req.Resume = nil
		s, _, err = c.attempt(ctx, req, at)
	}
	return s, err
}

// attempt makes a session over one socket, and says whether it did so without waiting
// for what the server offers. When it fails the stream is closed as the protocol says.
func (c *Connector) attempt(ctx context.Context, req Request, at *url.URL) (s *Session, rushed bool, err *Error) {
	endpoint := at.String()
	socket, err := c.dial(ctx, endpoint)
	if err != nil {
		return nil, false, err
	}
	n := &negotiation{
		Connector: c,
		req:       req,
		want:      req.want(),
		endpoint:  endpoint,
		protected: at.Scheme == "wss" || isLoopback(at),
		conn:      framing.NewConn(socket, framing.ConnOptions{Trace: c.tracer()}),
	}
	rushed = n.rush()
	if s, err = n.run(ctx); err != nil {
		n.leave(ctx, err)
	}
	return s, rushed, err
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

// insecure refuses an endpoint that is neither wss nor on this machine. Discovery
// returns none; this is what a mistake there would run into.
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

// leave ends the stream of a failed attempt: with the stream error the server is to
// be told, else with <close/>; a cancelled authentication is aborted first (RFC
// 6120 §6.4.4). A server that has just been silent for a whole step is not waited
// for.
func (n *negotiation) leave(ctx context.Context, err *Error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		if n.exchange != "" && !errors.Is(err, framing.ErrClosed) {
			_ = n.conn.Write(ctx, framing.New(n.exchange, "abort")) // Close shows whether it is gone
		}
		if err.tell != "" {
			_ = n.conn.Fail(ctx, &framing.StreamError{Condition: err.tell})
			return
		}
		_ = n.conn.Close(ctx) // in vain if the stream is broken
	}()
	if err.Condition == Timeout {
		return
	}
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
