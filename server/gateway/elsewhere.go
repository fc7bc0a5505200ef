package gateway

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"natter/app/connect"
	"natter/framing"
	"natter/framing/native"
)

// sentHere marks an address that a gateway sends a client to. Who comes with it is
// taken in if there is any room, or gateways that are all busy would send their
// clients round in circles until these give up (RFC 6120 §4.9.3.19: after 2 to 5).
const sentHere = "sent"

// endpoint reads an address that clients are sent to. It has to pass what Natter asks
// of any redirect: wss, no user name, a plain host (RFC 7395 §3.6.1, §6).
func endpoint(address string) (*url.URL, error) {
	if err := connect.CheckTarget(address); err != nil {
		return nil, err
	}
	return url.Parse(address)
}

// place is another endpoint of the service and what is known of it.
type place struct {
	url *url.URL

	mu      sync.Mutex
	asked   time.Time // when it was last asked
	answers bool      // whether it opened a stream then
}

// fresh is how long an answer counts.
const fresh = 30 * time.Second

// ask opens a stream there, unless that was done lately, and notes whether it could. A
// place that is down, or being drained itself, is none to send anybody to.
func (p *place) ask(ctx context.Context, g *Gateway, domain string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.asked) < fresh {
		return p.answers
	}
	ctx, cancel := context.WithTimeout(ctx, g.lim.Dial)
	defer cancel()
	p.answers = opens(ctx, p.url.String(), domain, native.Options{
		TLSConfig: &tls.Config{RootCAs: g.c.Roots, MinVersion: tls.VersionTLS12},
		Header:    g.ownOrigin(),
	})
	p.asked = time.Now()
	if !p.answers {
		g.log.Warn("endpoint does not answer: nobody is sent there", "domain", domain, "endpoint", p.url.String())
	}
	return p.answers
}

// ownOrigin is for endpoints that let in no others.
func (g *Gateway) ownOrigin() http.Header {
	if len(g.c.Origins) == 0 {
		return nil
	}
	return http.Header{"Origin": {g.c.Origins[0]}}
}

// opens reports whether a stream for the domain can be opened at an endpoint.
func opens(ctx context.Context, address, domain string, o native.Options) bool {
	socket, err := native.Dial(ctx, address, o)
	if err != nil {
		return false
	}
	c := framing.NewConn(socket, framing.ConnOptions{})
	defer func() { _ = c.Close(ctx) }()
	if c.Write(ctx, framing.Open{To: domain, Version: "1.0"}.Element(framing.NSFraming)) != nil {
		return false
	}
	e, err := c.Read(ctx)
	return err == nil && e.Is(framing.NSFraming, "open")
}

// another returns where to send the next client of the domain, "" if there is no such
// place. From a protected connection none leads to an unprotected one.
func (s *session) another(ctx context.Context) string {
	d := s.domain
	d.mu.Lock()
	first := d.next
	d.next++
	d.mu.Unlock()
	for i := range d.elsewhere {
		p := d.elsewhere[(first+i)%len(d.elsewhere)]
		if p.url.Scheme != "wss" && s.secure || !p.ask(ctx, s.g, d.Name) {
			continue
		}
		u := *p.url
		q := u.Query()
		q.Set(sentHere, "1")
		u.RawQuery = q.Encode()
		return u.String()
	}
	return ""
}

// sendsOn reports whether a newcomer is sent elsewhere instead of being let in.
func (g *Gateway) sendsOn(s *session) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining || len(g.sessions) > g.lim.RedirectAbove && !s.sentHere && len(s.domain.elsewhere) > 0
}

// redirectNewcomer answers the client's header with the place to go to, before it has
// shown any credential. It returns false if there is none and the client may stay.
func (s *session) redirectNewcomer(ctx context.Context) bool {
	to := s.another(ctx)
	switch {
	case to != "":
		s.note("sent-elsewhere")
		s.g.c.Meter.SentElsewhere(s.domain.Name)
		_ = s.conn.Redirect(ctx, to)
		return true
	case s.g.isDraining():
		s.fail(framing.SystemShutdown, "this gateway is stopping", "stopping")
		return true
	}
	return false
}

func (g *Gateway) isDraining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// anyElsewhere is called with the mutex.
func (g *Gateway) anyElsewhere() bool {
	for _, d := range g.domains {
		if len(d.elsewhere) > 0 {
			return true
		}
	}
	return false
}

// Drain takes no new streams from here on, and sends those that are open elsewhere,
// spread over a while so that nobody is overrun. It returns when all are gone. When
// ctx ends first, the rest is dropped without a word, which leaves their sessions to
// be resumed, and the context's error is returned.
func (g *Gateway) Drain(ctx context.Context, over time.Duration) error {
	empty := make(chan struct{})
	g.mu.Lock()
	g.draining = true
	var all []*session
	for s := range g.sessions {
		all = append(all, s)
	}
	if len(all) == 0 {
		close(empty)
	} else {
		g.empty = empty
	}
	g.mu.Unlock()
	g.log.Info("draining", "streams", len(all))
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return moveAll(ctx, over, all, empty)
}

// moveAll moves streams away, spread over a while, and returns when empty is closed. When ctx
// ends first the rest is dropped, and the context's error is returned.
func moveAll[S interface {
	move(context.Context)
	drop()
}](ctx context.Context, over time.Duration, all []S, empty <-chan struct{}) error {
	pause := time.NewTicker(max(1, over/time.Duration(max(1, len(all)))))
	defer pause.Stop()
	for _, s := range all {
		go s.move(ctx)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	for _, s := range all {
		s.drop()
	}
	return ctx.Err()
}

// move sends the client elsewhere in the middle of its session.
//
// Where Stream Management is on, the session stays with the backend and is resumed
// through the other place: what was on its way is sent again from there. Otherwise the
// backend ends the session first, and what it still has to say reaches the client.
func (s *session) move(ctx context.Context) {
	select {
	case <-s.ready:
	case <-s.over: // a newcomer, who was sent on by open
		return
	case <-ctx.Done():
		return
	}
	u := s.up.Load()
	to := s.another(ctx)
	if to != "" {
		s.g.c.Meter.SentElsewhere(s.domain.Name)
	}
	s.note("drained")
	if !s.resumable.Load() {
		s.mu.Lock()
		s.goTo = to
		s.mu.Unlock()
		_ = u.end() // fromBackend does the rest
		return
	}
	s.mu.Lock()
	s.moved = true
	s.mu.Unlock()
	if to == "" {
		_ = s.socket.Close(1012, "this gateway is stopping; come again")
		return
	}
	_ = s.conn.Redirect(ctx, to)
}

// drop ends the session without a word.
func (s *session) drop() {
	select {
	case <-s.ready:
		s.conn.Drop()
	case <-s.over:
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.conn != nil {
			go s.conn.Drop()
		}
	}
}
