package trial

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"natter/framing/native"
)

// ServeHTTP opens a WebSocket at whatever path it is mounted on.
//
// A browser page must come from this very host or from loopback: any other page
// somebody has open could otherwise reach into the machine of its visitor
// (cross-site WebSocket hijacking, CVE-2023-2848). Native clients send no Origin
// and are let in. The proxy is stricter and refuses a missing Origin, for it
// lends out its network position; here there is nothing to reach but accounts in
// memory, behind their passwords.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		remote = r.RemoteAddr
	}
	switch {
	case !s.o.Public && (!isLoopback(remote) || forwarded(r)):
		http.Error(w, "the trial server answers this machine only", http.StatusForbidden)
		return
	case !allowedOrigin(r):
		http.Error(w, "this page is not from here", http.StatusForbidden)
		return
	case s.full():
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	// Twice what is allowed is read, so that too much gets its stream error; more
	// than that ends in the WebSocket's own 1009.
	socket, err := native.Accept(w, r, native.Options{
		ReadLimit: 2 * int64(s.lim.BytesAfter),
		Origins:   []string{"*"}, // checked above
	})
	if err != nil {
		return // Accept has answered
	}
	err = s.serve(context.WithoutCancel(r.Context()), socket, remote)
	s.log.Debug("a trial connection ended", "error", errorKind(err))
}

// forwarded reports whether a proxy on this machine brings somebody else.
func forwarded(r *http.Request) bool {
	return r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != ""
}

// full reports whether a connection would be turned away. It is called without
// the mutex.
func (s *Server) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing || len(s.conns) >= s.lim.Connections
}

// allowedOrigin compares scheme and port as a browser does: by the host header,
// whole, never by prefix or suffix.
func allowedOrigin(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	u, err := url.Parse(origins[0])
	if err != nil || len(origins) > 1 || u.Scheme != "http" && u.Scheme != "https" ||
		u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return strings.EqualFold(u.Host, r.Host) || isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
