package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"natter/app/connect/discover"
	"natter/app/connect/discover/httpfetch"
	"natter/server/config"
	"natter/server/front"
	"natter/server/gateway"
	"natter/server/site"
)

// gateways are all that carry streams: those of the configuration that holds, and those of
// earlier ones until their streams are gone.
type gateways struct {
	mu  sync.Mutex
	all []carrier
}

// carrier is a gateway for clients or between servers.
type carrier interface {
	Streams() int
	Drain(ctx context.Context, over time.Duration) error
}

// mount makes the gateways of a site and lets them answer at their paths.
func (r *running) mount(page *site.Site, paths map[string]gateway.Config) ([]carrier, error) {
	var made []carrier
	for path, c := range paths {
		c.Log = r.log
		c.LogOf = func(request *http.Request) *slog.Logger { return front.Log(request.Context()) }
		c.Meter = r.meter
		g, err := gateway.New(c)
		if err != nil {
			return nil, err
		}
		page.Mount(path, g)
		made = append(made, g)
	}
	return made, nil
}

// federate makes what carries streams between servers, nil if no domain has that.
func (r *running) federate(c *gateway.FederationConfig) (*gateway.Federation, error) {
	if c == nil {
		return nil, nil
	}
	for i, d := range c.Domains {
		if x := r.trials[d.Name]; x != nil {
			c.Domains[i].Backends = []gateway.Backend{{Address: "trial", Dial: x.Servers}}
		}
	}
	c.Find = &discover.Finder{Fetch: httpfetch.New(nil), Rel: discover.RelServers, Cache: &endpoints{}}
	c.Log = r.log
	c.LogOf = func(request *http.Request) *slog.Logger { return front.Log(request.Context()) }
	c.Meter = serverMeter{r.meter.set}
	if len(c.Secret) == 0 {
		c.Secret = r.secret // what was begun before the configuration was read again goes on
	}
	if r.certs != nil {
		c.Certificate = r.certs.For
	}
	return gateway.NewFederation(*c)
}

// outgoing lets the federation that holds carry what comes to the listener of our servers.
func (r *running) outgoing(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // it was closed
		}
		if f := r.pages.Load().federation; f != nil {
			go f.Carry(conn)
			continue
		}
		_ = conn.Close()
	}
}

// call opens a stream of a trial server to another server.
func (r *running) call() net.Conn {
	near, far := net.Pipe()
	if f := r.pages.Load().federation; f != nil {
		go f.Carry(far)
	} else {
		_ = far.Close()
	}
	return near
}

// endpoints remembers where other domains are, for as long as they say.
type endpoints struct {
	mu    sync.Mutex
	known map[string]discover.Result
}

// mostKnown bounds how many domains are remembered: our people choose them.
const mostKnown = 10_000

func (e *endpoints) Load(domain string) (discover.Result, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, ok := e.known[domain]
	return r, ok
}

func (e *endpoints) Save(domain string, r discover.Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known == nil || len(e.known) >= mostKnown {
		e.known = map[string]discover.Result{}
	}
	e.known[domain] = r
}

// use adds the gateways of a configuration and forgets those that nobody uses any more.
func (v *gateways) use(made []carrier) {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := made
	for _, g := range v.all {
		if g.Streams() > 0 {
			all = append(all, g)
		}
	}
	v.all = all
}

// drain sends all clients elsewhere, and other servers when those of ours that are in this
// program have said that their people left.
func (v *gateways) drain(ctx context.Context, f *config.File, gone <-chan struct{}) error {
	v.mu.Lock()
	all := v.all
	v.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, g := range all {
		wg.Go(func() {
			if _, servers := g.(*gateway.Federation); servers {
				<-gone
			}
			errs[i] = g.Drain(ctx, time.Duration(f.Gateway.DrainSeconds)*time.Second)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// meter counts for Prometheus. What is counted for each element is looked up beforehand.
type meter struct {
	set      *metrics.Set
	up, down relayed
}

type relayed struct{ elements, bytes *metrics.Counter }

func newMeter(set *metrics.Set) meter {
	m := meter{set: set}
	for direction, r := range map[string]*relayed{"up": &m.up, "down": &m.down} {
		*r = relayed{m.count("elements_total{direction=%q}", direction), m.count("bytes_total{direction=%q}", direction)}
	}
	return m
}

func (m meter) count(format string, args ...any) *metrics.Counter {
	return m.set.GetOrCreateCounter(fmt.Sprintf("natter_gateway_"+format, args...))
}

func (m meter) Opened()               { m.count("streams_opened_total").Inc() }
func (m meter) Closed(reason string)  { m.count("streams_closed_total{reason=%q}", reason).Inc() }
func (m meter) Refused(reason string) { m.count("refused_total{reason=%q}", reason).Inc() }

func (m meter) Relayed(up bool, bytes int) {
	r := m.down
	if up {
		r = m.up
	}
	r.elements.Inc()
	r.bytes.Add(bytes)
}

func (m meter) Dialled(address string, err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.count("backend_dials_total{backend=%q,result=%q}", address, result).Inc()
}

func (m meter) Authenticated(after time.Duration) {
	m.set.GetOrCreatePrometheusHistogram("natter_gateway_sign_in_seconds").Update(after.Seconds())
}

func (m meter) SentElsewhere(domain string) {
	m.count("sent_elsewhere_total{domain=%q}", domain).Inc()
}

// serverMeter counts what happens between servers. Other domains are no labels: there is no
// end of them.
type serverMeter struct{ set *metrics.Set }

func (m serverMeter) inc(format string, args ...any) {
	m.set.GetOrCreateCounter(fmt.Sprintf("natter_federation_"+format, args...)).Inc()
}

func (m serverMeter) Refused(reason string)   { m.inc("refused_total{reason=%q}", reason) }
func (m serverMeter) Opened(direction string) { m.inc("streams_opened_total{direction=%q}", direction) }
func (m serverMeter) Found(result string)     { m.inc("calls_total{result=%q}", result) }
func (m serverMeter) Tolerated(what string)   { m.inc("tolerated_total{exception=%q}", what) }

func (m serverMeter) Closed(direction, reason string) {
	m.inc("streams_closed_total{direction=%q,reason=%q}", direction, reason)
}

func (m serverMeter) Authenticated(direction, how string) {
	m.inc("authenticated_total{direction=%q,by=%q}", direction, how)
}

func (m serverMeter) Relayed(up bool, bytes int) {
	direction := "down"
	if up {
		direction = "up"
	}
	m.inc("elements_total{direction=%q}", direction)
	m.set.GetOrCreateCounter(fmt.Sprintf("natter_federation_bytes_total{direction=%q}", direction)).Add(bytes)
}

func (m serverMeter) Dialled(address string, err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.inc("backend_dials_total{backend=%q,result=%q}", address, result)
}
