package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"natter/server/gateway"
)

// Gateways returns the gateways of each site, by their path, in the order of Configs.
func (f *File) Gateways() []map[string]gateway.Config {
	var all []map[string]gateway.Config
	for _, s := range f.sites() {
		paths := map[string]gateway.Config{}
		for _, d := range s.Domains {
			if len(d.Backends) == 0 {
				continue
			}
			path, _ := s.path(d) // it has been checked
			c, ok := paths[path]
			if !ok {
				c = f.gateway(s)
			}
			c.Domains = append(c.Domains, d.gateway())
			paths[path] = c
		}
		all = append(all, paths)
	}
	return all
}

// sites returns the sites; the one of the top level comes alone.
func (f *File) sites() []*Site {
	if len(f.Sites) == 0 {
		return []*Site{&f.Site}
	}
	var all []*Site
	for i := range f.Sites {
		all = append(all, &f.Sites[i])
	}
	return all
}

func (d Domain) gateway() gateway.Domain {
	return gateway.Domain{Name: d.Name, Elsewhere: d.Elsewhere, Backends: backends(d.Backends)}
}

func backends(of []Backend) (all []gateway.Backend) {
	for _, b := range of {
		all = append(all, gateway.Backend{Address: b.Address, Security: gateway.Security(b.Security), Proxy: b.ProxyProtocol})
	}
	return all
}

// connect adds to what the page may talk to the places it may be sent to.
func (d Domain) connect() []string {
	all := d.Connect
	for _, place := range d.Elsewhere {
		if u, err := url.Parse(place); err == nil && u.Host != "" && !slices.Contains(all, u.Scheme+"://"+u.Host) {
			all = append(slices.Clip(all), u.Scheme+"://"+u.Host)
		}
	}
	return all
}

// gateway is that of a site, without its domains.
func (f *File) gateway(s *Site) gateway.Config {
	c := gateway.Config{
		NativeClients: f.Gateway.NativeClients, Origins: slices.Clone(f.Gateway.Origins),
		Limits: gateway.Limits{RedirectAbove: f.Gateway.RedirectAbove, PerAddress: f.Limits.PerAddress, Streams: f.Limits.Connections},
	}
	if u, err := url.Parse(s.PublicURL); err == nil && u.Host != "" {
		c.Origins = append(c.Origins, u.Scheme+"://"+u.Host)
	} else if _, port, err := net.SplitHostPort(f.Listen); err == nil {
		for _, host := range []string{"localhost", "127.0.0.1", "[::1]"} {
			c.Origins = append(c.Origins, "http://"+host+":"+port)
		}
	}
	c.TrustedProxies = f.Proxies()
	return c
}

// Proxies returns the networks of those who connect for others.
func (f *File) Proxies() []netip.Prefix {
	var all []netip.Prefix
	for _, p := range f.Gateway.TrustedProxies {
		if network, err := prefix(p); err == nil { // it has been checked
			all = append(all, network)
		}
	}
	return all
}

// path returns where a domain's WebSocket is on this server.
func (s *Site) path(d Domain) (string, error) {
	if strings.HasPrefix(d.WebSocket, "/") {
		return d.WebSocket, nil
	}
	u, err := url.Parse(d.WebSocket)
	page, _ := url.Parse(s.PublicURL)
	if err != nil || d.WebSocket == "" || page == nil || page.Host == "" || u.Host != page.Host || u.Path == "" {
		return "", errors.New("with backends it is a path on this server, such as /xmpp-websocket, or that with wss:// and the host of publicURL")
	}
	return u.Path, nil
}

// prefix reads an address or a network.
func prefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

func (f *File) gatewayProblem() (key, problem string) {
	for i, p := range f.Gateway.TrustedProxies {
		if _, err := prefix(p); err != nil {
			return fmt.Sprintf("gateway.trustedProxies[%d]", i), fmt.Sprintf("%q is no address or network, such as 127.0.0.1 or 10.0.0.0/8", p)
		}
	}
	switch {
	case f.Gateway.RedirectAbove < 1:
		return "gateway.redirectAbove", "must be at least 1"
	case f.Gateway.DrainSeconds < 0 || f.Gateway.DrainSeconds > 600:
		return "gateway.drainSeconds", "must be between 0 and 600"
	}
	for i, s := range f.sites() {
		in := ""
		if len(f.Sites) > 0 {
			in = fmt.Sprintf("sites[%d].", i)
		}
		for j, d := range s.Domains {
			at := fmt.Sprintf("%sdomains[%d].", in, j)
			if len(d.Backends) == 0 {
				if len(d.Elsewhere) > 0 {
					return at + "elsewhere", "needs backends: without them natter is not the domain's WebSocket and sends nobody"
				}
				continue
			}
			if _, err := s.path(d); err != nil {
				return at + "websocket", err.Error()
			}
			c := f.gateway(s)
			c.Domains = []gateway.Domain{d.gateway()}
			if _, err := gateway.New(c); err != nil {
				return at + "backends", err.Error()
			}
		}
	}
	return "", ""
}
