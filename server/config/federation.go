package config

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"natter/app/connect"
	"natter/server/gateway"
	"natter/server/site"
)

// Federated returns how servers reach each other through natter, and at which path of each
// site, in the order of Configs; nil if no domain has federation. A domain with a trial server
// has no backends yet. It fails if the secret cannot be read.
func (f *File) Federated() (c *gateway.FederationConfig, paths []string, err error) {
	c = &gateway.FederationConfig{
		TrustedProxies: f.Proxies(),
		Limits:         gateway.Limits{PerAddress: f.Limits.PerAddress, Streams: f.Limits.Connections, BytesAfter: 1 << 20},
	}
	for _, s := range f.sites() {
		path := ""
		for _, d := range s.Domains {
			if d.Federation == nil {
				continue
			}
			c.Domains = append(c.Domains, d.federated())
			if u, err := url.Parse(d.Federation.WebSocket); err == nil { // it has been checked
				path = u.Path
			}
		}
		paths = append(paths, path)
	}
	if len(c.Domains) == 0 {
		return nil, paths, nil
	}
	if f.Federation.Secret != "" {
		if c.Secret, err = os.ReadFile(f.Federation.Secret); err == nil && len(c.Secret) < 32 {
			err = fmt.Errorf("%s has fewer than 32 bytes", f.Federation.Secret)
		}
		if err != nil {
			key := "federation.secret"
			return nil, nil, &Error{File: f.name, Line: f.line(key), Key: key, Problem: err.Error()}
		}
	}
	return c, paths, nil
}

func (d Domain) federated() gateway.Domain {
	return gateway.Domain{Name: d.Name, Backends: backends(d.Federation.Servers), Elsewhere: d.Federation.Elsewhere}
}

// Certified reports whether other servers are asked for their certificates at a host: that
// of a WebSocket for servers, where no page is, for browsers would ask people.
func (f *File) Certified(host string) bool {
	found := false
	for _, s := range f.sites() {
		if u, err := url.Parse(s.PublicURL); err == nil && u.Hostname() == host {
			return false
		}
		for _, d := range s.Domains {
			if d.Federation == nil {
				continue
			}
			u, err := url.Parse(d.Federation.WebSocket)
			found = found || err == nil && u.Hostname() == host
		}
	}
	return found
}

func (f *File) federationProblem() (key, problem string) {
	var federated, served []string // the latter by a server that listens
	for i, s := range f.sites() {
		in, path := "", ""
		if len(f.Sites) > 0 {
			in = fmt.Sprintf("sites[%d].", i)
		}
		for j, d := range s.Domains {
			at := fmt.Sprintf("%sdomains[%d].federation", in, j)
			if d.Federation == nil {
				continue
			}
			u, err := url.Parse(d.Federation.WebSocket)
			switch {
			case d.Federation.WebSocket == "" || err != nil:
				return at + ".websocket", "needed: it is where other servers come in"
			case path != "" && u.Path != path:
				return at + ".websocket", "the domains of a site have one path for servers, which is " + path
			case slices.ContainsFunc(s.Domains, func(o Domain) bool {
				p, _ := s.path(o)
				return (len(o.Backends) > 0 || o.Trial != nil) && p == u.Path
			}):
				return at + ".websocket", u.Path + " is the path for clients"
			case slices.Contains(federated, d.Name):
				return at, d.Name + " is listed twice"
			}
			path, federated = u.Path, append(federated, d.Name)
			for k, place := range d.Federation.Elsewhere {
				if err := connect.CheckTarget(place); err != nil || !strings.HasPrefix(place, "wss:") {
					return fmt.Sprintf("%s.elsewhere[%d]", at, k), "must be a wss:// address"
				}
			}
			if d.Trial != nil {
				if len(d.Federation.Servers) > 0 {
					return at + ".servers", "with trial the domain's server is natter itself"
				}
				continue
			}
			served = append(served, d.Name)
			if _, err := gateway.NewFederation(gateway.FederationConfig{Domains: []gateway.Domain{d.federated()}}); err != nil {
				return at + ".servers", err.Error()
			}
		}
	}
	switch {
	case len(served) > 0 && f.Federation.Listen == "":
		return "federation.listen", "needed: it is where the servers of " + strings.Join(served, ", ") + " send what is for others"
	case f.Federation.Listen != "" && len(served) == 0:
		return "federation.listen", "no domain has federation with servers that would send something there"
	case f.Federation.Listen != "" && !site.Loopback(f.Federation.Listen):
		return "federation.listen", fmt.Sprintf("%q must be host:port of this machine only: whoever reaches it speaks for your domains", f.Federation.Listen)
	case f.Federation.Names != "" && (len(served) == 0 || !site.Loopback(f.Federation.Names)):
		return "federation.names", fmt.Sprintf("%q must be host:port of this machine only, beside federation.listen", f.Federation.Names)
	}
	return "", ""
}
