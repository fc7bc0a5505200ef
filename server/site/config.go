package site

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// Config is what the operator decides about one page; package config reads it from a
// file. The zero value serves nothing useful.
type Config struct {
	// Listen is the address to listen on, host:port.
	Listen string

	// PublicURL is where people find the page, if not at Listen: behind a
	// reverse proxy, say. With https it turns on HSTS and the upgrade of
	// insecure requests; its host joins those that are answered.
	PublicURL string

	// Domains are the XMPP domains the page is for, with their endpoints.
	Domains []Domain

	// AnyServer lets people sign in to domains that are not listed. The page
	// may then connect anywhere, so the policy no longer keeps stolen data in.
	AnyServer bool

	// HostMeta answers /.well-known/host-meta for the Domains.
	HostMeta bool

	// HSTS tells browsers to insist on https for this host for a year.
	HSTS bool

	Branding Branding

	// Kill makes every page remove its service worker and all files kept for
	// use offline, and load again from the network: the way out if those are
	// broken or were tampered with. Messages stay. Without it they come back.
	Kill bool

	// Demo are the accounts of the trial server, offered on the sign-in page.
	// No configuration file can set them.
	Demo []Account
}

// Domain is an XMPP domain.
type Domain struct {
	// Name is the domain in ASCII form, as in the people's addresses.
	Name string

	// WebSocket is its endpoint: a wss: address, ws: on loopback, or a path on
	// this server. Empty means that host-meta tells.
	WebSocket string

	// Connect lists further origins the page may talk to for this domain:
	// an upload service, the target of redirects.
	Connect []string

	// Servers is the WebSocket for other servers (XEP-0468), a wss: address of this
	// server; "" if there is none. IPs are the addresses of its host, for those who insist
	// on XEP-0487. Services are further names that it is for, such as that of rooms.
	Servers  string
	IPs      []string
	Services []string
}

// Account is a demonstration account.
type Account struct{ Address, Password string }

// ConfigError is a mistake in a configuration, at Key.
type ConfigError struct {
	Key     string
	Problem string
}

func (e *ConfigError) Error() string {
	if e.Key == "" {
		return "configuration: " + e.Problem
	}
	return "configuration: " + e.Key + ": " + e.Problem
}

// Check returns a *ConfigError for the first thing that is wrong with c.
func (c *Config) Check() error {
	if _, port, err := net.SplitHostPort(c.Listen); err != nil || port == "" {
		return &ConfigError{"listen", fmt.Sprintf("%q is not host:port", c.Listen)}
	}
	if c.PublicURL != "" {
		u, err := parseURL(c.PublicURL)
		switch {
		case err != nil:
			return &ConfigError{"publicURL", err.Error()}
		case u.Scheme != "https" && (u.Scheme != "http" || !loopbackName(u.Hostname())):
			return &ConfigError{"publicURL", "must begin with https:// (http:// only for this machine)"}
		}
	}
	if c.HSTS && !strings.HasPrefix(c.PublicURL, "https:") {
		return &ConfigError{"hsts", "needs a publicURL that begins with https://"}
	}
	if len(c.Domains) == 0 && !c.AnyServer {
		return &ConfigError{"domains", "name at least one, or set anyServer"}
	}
	if len(c.Domains) == 0 && c.HostMeta {
		return &ConfigError{"hostMeta", "there are no domains to answer for"}
	}
	if err := c.Branding.check(); err != nil {
		return err
	}
	for i, d := range c.Domains {
		key := fmt.Sprintf("domains[%d].", i)
		if problem := checkHost(d.Name); problem != "" {
			return &ConfigError{key + "name", problem}
		}
		if slices.ContainsFunc(c.Domains[:i], func(o Domain) bool { return o.Name == d.Name }) {
			return &ConfigError{key + "name", d.Name + " is listed twice"}
		}
		if err := c.checkWebSocket(d.WebSocket); err != nil {
			return &ConfigError{key + "websocket", err.Error()}
		}
		if u, err := parseURL(d.Servers); d.Servers != "" && (err != nil || u.Scheme != "wss" || u.Path == "") {
			return &ConfigError{key + "federation.websocket", "must look like wss://xmpp.example.org/xmpp-websocket-s2s: between servers there is nothing but wss"}
		}
		for j, ip := range d.IPs {
			if net.ParseIP(ip) == nil {
				return &ConfigError{fmt.Sprintf("%sfederation.ips[%d]", key, j), fmt.Sprintf("%q is no IP address", ip)}
			}
		}
		for j, service := range d.Services {
			if problem := checkHost(service); problem != "" {
				return &ConfigError{fmt.Sprintf("%sfederation.services[%d]", key, j), problem}
			}
		}
		for j, origin := range d.Connect {
			u, err := parseURL(origin)
			local := err == nil && u.Scheme == "ws" && loopbackName(u.Hostname()) // another natter on this machine
			if err == nil && (u.Scheme != "https" && u.Scheme != "wss" && !local || u.Path != "") {
				err = errors.New("must be an origin such as https://upload.example.org")
			}
			if err != nil {
				return &ConfigError{fmt.Sprintf("%sconnect[%d]", key, j), err.Error()}
			}
		}
	}
	return nil
}

func (c *Config) checkWebSocket(address string) error {
	switch {
	case address == "" && c.HostMeta:
		return errors.New("hostMeta needs it: it is what host-meta tells")
	case address == "" && !c.AnyServer:
		return errors.New("needed unless anyServer is set: the page may only connect to what is listed here")
	case address == "":
		return nil
	case strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//"):
		if c.HostMeta {
			return errors.New("hostMeta needs a full address that begins with wss://")
		}
		_, err := url.Parse(address)
		return err
	}
	u, err := parseURL(address)
	if err != nil {
		return err
	}
	if u.Scheme == "wss" {
		return nil
	}
	// RFC 7395 §6: what host-meta names is wss, without exception.
	if c.HostMeta || u.Scheme != "ws" || !loopbackName(u.Hostname()) {
		return errors.New("must begin with wss:// (ws:// only for this machine, and never with hostMeta)")
	}
	return nil
}

// parseURL accepts what may go into a policy: an address with a plain host and
// nothing that could end a directive.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is not an address", s)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("must have no user, query or fragment")
	}
	if net.ParseIP(u.Hostname()) == nil {
		if problem := checkHost(u.Hostname()); problem != "" {
			return nil, errors.New(problem)
		}
	}
	if strings.ContainsAny(u.Path, ";, \t\r\n'\"") {
		return nil, errors.New("must not have such characters in its path")
	}
	return u, nil
}

// checkHost returns what is wrong with a host name, or "".
func checkHost(name string) string {
	if name == "" {
		return "must not be empty"
	}
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Sprintf("%q is not a host name", name)
		}
		for _, r := range label {
			switch {
			case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			case r >= 'A' && r <= 'Z':
				return fmt.Sprintf("write %q in lower case", name)
			case r > 127:
				return fmt.Sprintf("write %q in its ASCII form (xn--…)", name)
			default:
				return fmt.Sprintf("%q is not a host name", name)
			}
		}
	}
	return ""
}

// Loopback reports whether addr, host:port, is reachable from this machine only.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && loopbackName(host)
}

func loopbackName(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Hosts returns the names this page answers to, or nil for all. Loopback
// names always count, so that a health check needs no name.
func (c *Config) Hosts() map[string]bool {
	if c.PublicURL == "" && !Loopback(c.Listen) {
		return nil
	}
	names := map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}
	if u, err := url.Parse(c.PublicURL); err == nil && u.Host != "" {
		names[u.Hostname()] = true
	}
	for _, d := range c.Domains {
		if u, err := url.Parse(d.Servers); err == nil && u.Host != "" {
			names[u.Hostname()] = true
		}
		if c.HostMeta {
			names[d.Name] = true
			for _, service := range d.Services {
				names[service] = true
			}
		}
	}
	return names
}
