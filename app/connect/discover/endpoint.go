package discover

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Errors of ParseEndpoint, as sentences for the person who typed the address.
var (
	errEmpty    = errors.New("enter the address of the server, such as wss://chat.example.org/ws")
	errNotURL   = errors.New("this is not an address of a server; it looks like wss://chat.example.org/ws")
	errScheme   = errors.New("the address of the server begins with wss://")
	errPlainWS  = errors.New("ws:// is not encrypted; use wss://, or ws:// for a server on this computer only")
	errUserinfo = errors.New("leave name and password out of the address; they have their own fields")
	errFragment = errors.New("the address of a server has no # in it")
	errHost     = errors.New("the name of the server in this address is not valid")
	errPort     = errors.New("the port in this address is not a number from 1 to 65535")
)

const maxURL = 2048

// ParseEndpoint reads the address of a WebSocket as a person types it:
// wss://host[:port][/path]. Without a scheme wss:// is assumed; ws:// is allowed for this
// machine only. The error is a sentence for that person.
func ParseEndpoint(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", errEmpty
	}
	if !strings.Contains(s, "://") {
		s = "wss://" + s
	}
	u, err := parseWS(s)
	if err != nil {
		return "", err
	}
	if u.Scheme == "ws" && !isLoopback(u.Hostname()) {
		return "", errPlainWS
	}
	return u.String(), nil
}

// parseWS reads a WebSocket URL, of either scheme, and normalises it.
func parseWS(s string) (*url.URL, error) {
	if len(s) > maxURL {
		return nil, errNotURL
	}
	u, err := url.Parse(s)
	if err != nil {
		if e := (*url.Error)(nil); errors.As(err, &e) && strings.Contains(e.Err.Error(), "port") {
			return nil, errPort
		}
		return nil, errNotURL
	}
	switch {
	case u.User != nil: // first, so that no other sentence repeats a password
		return nil, errUserinfo
	case u.Scheme != "wss" && u.Scheme != "ws":
		return nil, errScheme
	case strings.Contains(s, "#"): // RFC 6455 §3
		return nil, errFragment
	}

	host, port := u.Hostname(), u.Port()
	if !isIP(host) {
		if host, err = toASCII(host); err != nil {
			return nil, errHost
		}
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if strings.HasSuffix(u.Host, ":") {
		return nil, errPort
	}
	if port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, errPort
		}
		host += ":" + port
	}
	u.Host = host
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// isWS reports whether href would be an endpoint if ws were good enough.
func isWS(href string) bool {
	u, err := parseWS(href)
	return err == nil && u.Scheme == "ws"
}

// isIP accepts IPv6 addresses with and without brackets, which they have in URLs and in
// the domain of an XMPP address, but without a zone.
func isIP(host string) bool {
	if strings.HasPrefix(host, "[") {
		ip, err := netip.ParseAddr(strings.TrimSuffix(host[1:], "]"))
		return err == nil && ip.Is6() && ip.Zone() == "" && strings.HasSuffix(host, "]")
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == ""
}

// isLoopback reports whether host, without brackets, is this very machine by
// name or number, with no resolver asked.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == "" && ip.IsLoopback()
}
