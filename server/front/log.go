package front

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"

	"natter/server/config"
)

// NewLog returns a log whose level can be changed. Whatever is logged, an address of a person
// does not come out of it: those of the network, but for this machine's own, and whatever
// looks like name@domain are left out, and so is what is called a secret. Code should not log
// them in the first place; this is for what libraries and systems put into their errors.
func NewLog(c config.Log, w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	_ = level.UnmarshalText([]byte(c.Level)) // info if empty
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: clean}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), level
	}
	return slog.New(slog.NewTextHandler(w, o)), level
}

var secret = regexp.MustCompile(`(?i)password|secret|token|authorization|cookie|jid`)

func clean(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Clean(v.String()))
	case slog.KindAny:
		if _, level := v.Any().(slog.Level); !level {
			a.Value = slog.StringValue(Clean(fmt.Sprint(v.Any())))
		}
	}
	if secret.MatchString(a.Key) {
		a.Value = slog.StringValue("(left out)")
	}
	return a
}

var (
	person = regexp.MustCompile(`[^\s"'<>@/=,;()]+@[^\s"'<>@]+`)
	module = regexp.MustCompile(`@v\d+\.\d+\.\d+`)
	number = regexp.MustCompile(`[0-9A-Fa-f:.%\[\]]{3,}`)
)

// Clean returns s without addresses of persons.
func Clean(s string) string {
	s = person.ReplaceAllStringFunc(s, func(m string) string {
		if module.MatchString(m) { // a line of a stack
			return m
		}
		return "(address)"
	})
	return number.ReplaceAllStringFunc(s, func(m string) string {
		end := strings.TrimRight(m, ".:") // of a sentence
		ip, err := netip.ParseAddr(strings.Trim(end, "[]"))
		if err != nil {
			var both netip.AddrPort
			if both, err = netip.ParseAddrPort(end); err == nil {
				ip = both.Addr()
			}
		}
		if err != nil || ip.Unmap().IsLoopback() || ip.IsUnspecified() {
			return m
		}
		return "(address)" + m[len(end):]
	})
}

// ErrorLog is for http.Server, which writes whatever clients do wrong. A handshake that fails
// is everyday life, so it is counted and logged at level debug.
func (f *Front) ErrorLog() *log.Logger { return log.New(problems{f}, "", 0) }

type problems struct{ front *Front }

func (p problems) Write(line []byte) (int, error) {
	f := p.front
	text := string(bytes.TrimSpace(line))
	switch {
	case strings.Contains(text, "TLS handshake error"):
		f.Set.GetOrCreateCounter("natter_tls_handshakes_failed_total").Inc()
		f.log.Debug(text)
	case strings.Contains(text, "panic serving"):
		f.Set.GetOrCreateCounter("natter_panics_total").Inc()
		f.log.Error(text)
	default:
		f.log.Warn(text)
	}
	return len(line), nil
}
