package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"natter/server/config"
	"natter/server/front"
	"natter/server/gateway"
	"natter/server/site"
)

// gateways are all that carry streams: those of the configuration that holds, and those of
// earlier ones until their clients are gone.
type gateways struct {
	mu  sync.Mutex
	all []*gateway.Gateway
}

// mount makes the gateways of a site and lets them answer at their paths.
func (r *running) mount(page *site.Site, paths map[string]gateway.Config) ([]*gateway.Gateway, error) {
	var made []*gateway.Gateway
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

// use adds the gateways of a configuration and forgets those that nobody uses any more.
func (v *gateways) use(made []*gateway.Gateway) {
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

// drain sends all clients elsewhere.
func (v *gateways) drain(ctx context.Context, f *config.File) error {
	v.mu.Lock()
	all := v.all
	v.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, g := range all {
		wg.Go(func() { errs[i] = g.Drain(ctx, time.Duration(f.Gateway.DrainSeconds)*time.Second) })
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
