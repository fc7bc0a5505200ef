package site

import (
	"net/http"
	"time"
)

const (
	// A client that reads nothing for this long is cut off …
	writeIdle = 30 * time.Second

	// … but one that reads this much in that time may take as long as it needs:
	// seven megabytes over a slow phone are not an attack.
	writeChunk = 64 << 10
)

// NewServer returns a server for h that slow or greedy clients cannot occupy. The
// zero http.Server waits for ever. A connection that becomes a WebSocket leaves
// these limits, since hijacking clears its deadlines.
func NewServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:                         addr,
		Handler:                      h,
		ReadHeaderTimeout:            5 * time.Second,
		ReadTimeout:                  15 * time.Second,
		IdleTimeout:                  120 * time.Second,
		MaxHeaderBytes:               16 << 10,
		DisableGeneralOptionsHandler: true,
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: 100}, // Sec83
	}
}

// slowWriter gives each chunk of an answer its own deadline, where WriteTimeout
// would give the whole answer one.
type slowWriter struct {
	http.ResponseWriter
	deadline func(time.Time) error
	now      func() time.Time
}

// WriteHeader sets a deadline too, since an answer may have no body, and that of
// the previous answer on this connection may have passed.
func (w *slowWriter) WriteHeader(status int) {
	w.deadline(w.now().Add(writeIdle))
	w.ResponseWriter.WriteHeader(status)
}

func (w *slowWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		chunk := p[:min(len(p), writeChunk)]
		w.deadline(w.now().Add(writeIdle)) // fails only where there is no connection: in tests
		m, err := w.ResponseWriter.Write(chunk)
		n += m
		if err != nil {
			return n, err
		}
		p = p[m:]
	}
	return n, nil
}
