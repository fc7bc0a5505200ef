// Package front stands before what natter serves: it bounds connections, gives each request
// an id, counts and logs them, and says whether the server is well.
//
// What surprises: a stream is any connection that was taken over (a WebSocket); it ends when
// its handler returns. Probes (/healthz, /readyz) are answered for any host name, since
// whoever probes knows none, and say no more than yes or no; why not is told on the metrics'
// own listener.
package front

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Front is made by New.
type Front struct {
	// Set are the figures. Others add theirs, with names that begin with natter_.
	Set *metrics.Set

	// Requests makes the log name each request and each stream.
	Requests atomic.Bool

	log      *slog.Logger
	draining atomic.Bool
	streams  atomic.Int64
	requests sync.Map // [2]int, status and version, to *metrics.Counter
	seconds  *metrics.PrometheusHistogram
	bytes    *metrics.Counter

	mu     sync.Mutex
	checks []check
	gauges []func(io.Writer)
}

// check is a condition of being ready.
type check struct {
	name string
	ask  func() error
}

// New returns a Front that logs to log.
func New(log *slog.Logger) *Front {
	f := &Front{Set: metrics.NewSet(), log: log}
	f.seconds = f.Set.NewPrometheusHistogramExt("natter_http_request_duration_seconds", []float64{.001, .005, .02, .1, .5, 2, 10, 60})
	f.bytes = f.Set.NewCounter("natter_http_response_bytes_total")
	f.Set.NewGauge("natter_streams", func() float64 { return float64(f.streams.Load()) })
	f.Set.NewGauge("natter_draining", func() float64 {
		if f.draining.Load() {
			return 1
		}
		return 0
	})
	return f
}

// Require makes the server ready only while ask returns nil.
func (f *Front) Require(name string, ask func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checks = append(f.checks, check{name, ask})
}

// Gauge lets write add figures whose labels are not known beforehand.
func (f *Front) Gauge(write func(io.Writer)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gauges = append(f.gauges, write)
}

// Drain says from now on that the server is not ready: it is about to stop.
func (f *Front) Drain() { f.draining.Store(true) }

// problems returns why the server is not ready.
func (f *Front) problems() (all []string) {
	if f.draining.Load() {
		return []string{"stopping"}
	}
	f.mu.Lock()
	checks := slices.Clone(f.checks)
	f.mu.Unlock()
	for _, c := range checks {
		if err := c.ask(); err != nil {
			all = append(all, c.name+": "+err.Error())
		}
	}
	return all
}

// probe answers /healthz and /readyz; it reports whether the request was one of them.
func (f *Front) probe(w http.ResponseWriter, r *http.Request, why bool) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	status, text := http.StatusOK, "ok\n"
	switch r.URL.Path {
	case "/healthz":
	case "/readyz":
		if problems := f.problems(); len(problems) > 0 {
			status, text = http.StatusServiceUnavailable, "not ready\n"
			if why {
				text = strings.Join(problems, "\n") + "\n"
			}
		}
	default:
		return false
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, text)
	return true
}

// Metrics answers /metrics, and probes with the reasons.
func (f *Front) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.probe(w, r, true) {
			return
		}
		if r.URL.Path != "/metrics" || r.Method != http.MethodGet {
			http.Error(w, "GET /metrics, /healthz or /readyz", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		f.Set.WritePrometheus(w)
		f.mu.Lock()
		gauges := slices.Clone(f.gauges)
		f.mu.Unlock()
		for _, write := range gauges {
			write(w)
		}
		metrics.WriteProcessMetrics(w)
	})
}

// TLS counts handshakes that succeed, by version. Those that fail are counted by ErrorLog.
func (f *Front) TLS(c *tls.Config) *tls.Config {
	c.VerifyConnection = func(state tls.ConnectionState) error {
		f.Set.GetOrCreateCounter(fmt.Sprintf("natter_tls_handshakes_total{version=%q}", tls.VersionName(state.Version))).Inc()
		return nil
	}
	return c
}

type answerKey struct{}

// Log returns the log of a request: its lines carry the request's id.
func Log(ctx context.Context) *slog.Logger {
	if a, ok := ctx.Value(answerKey{}).(*answer); ok {
		return a.log()
	}
	return slog.New(slog.DiscardHandler)
}

// Handler returns what answers before next.
func (f *Front) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.probe(w, r, false) {
			return
		}
		a := &answer{ResponseWriter: w, front: f, request: rand.Uint64(), start: time.Now()}
		defer a.done(r)
		next.ServeHTTP(a, r.WithContext(context.WithValue(r.Context(), answerKey{}, a)))
	})
}

// answer notes what became of a request.
type answer struct {
	http.ResponseWriter
	front   *Front
	request uint64 // names it in the log, nowhere else
	start   time.Time
	status  int
	bytes   int
	stream  bool // the connection was taken over
}

func (a *answer) log() *slog.Logger {
	return a.front.log.With("request", fmt.Sprintf("%016x", a.request))
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(p)
	a.bytes += n
	return n, err
}

// Hijack makes a stream of the request.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	a.status, a.stream = http.StatusSwitchingProtocols, true
	a.front.streams.Add(1)
	a.front.Set.GetOrCreateCounter("natter_streams_total").Inc()
	if a.front.Requests.Load() {
		a.log().Info("a stream begins")
	}
	return conn, rw, nil
}

// answered returns the counter of requests that got status over a version of HTTP.
func (f *Front) answered(status, version int) *metrics.Counter {
	key := [2]int{status, version}
	if c, ok := f.requests.Load(key); ok {
		return c.(*metrics.Counter)
	}
	c := f.Set.GetOrCreateCounter(fmt.Sprintf(`natter_http_requests_total{code="%d",http="%d"}`, status, version))
	f.requests.Store(key, c)
	return c
}

// done counts and logs. It also runs when the handler panicked, and lets the panic on.
func (a *answer) done(r *http.Request) {
	f := a.front
	if a.status == 0 {
		a.status = http.StatusOK
	}
	took := time.Since(a.start)
	f.answered(a.status, r.ProtoMajor).Inc()
	f.bytes.Add(a.bytes)
	if a.stream {
		f.streams.Add(-1)
	} else {
		f.seconds.Update(took.Seconds())
	}
	if !f.Requests.Load() {
		return
	}
	if a.stream {
		a.log().Info("a stream ended", "took", took)
		return
	}
	path := r.URL.EscapedPath()
	if a.status >= 400 {
		path = "" // what strangers asked for may hold anything
	}
	a.log().Info("answered", "method", r.Method, "path", path, "status", a.status, "bytes", a.bytes, "http", r.ProtoMajor, "took", took)
}
