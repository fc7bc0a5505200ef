package site

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
)

const (
	wellKnown = "/.well-known/host-meta"

	relClients = "urn:xmpp:alt-connections:websocket"
	relServers = "urn:xmpp:alt-connections:s2s-websocket" // XEP-0487 §2.1
)

// link is a line of host-meta. All but the first two are XEP-0487's; xmpp-proxy takes no
// host-meta in which a link for servers lacks them.
type link struct {
	Rel      string   `json:"rel"`
	Href     string   `json:"href"`
	IPs      []string `json:"ips,omitempty"`
	Priority int      `json:"priority,omitempty"`
	Weight   int      `json:"weight,omitempty"`
	SNI      string   `json:"sni,omitempty"`
}

// addHostMeta adds the two forms of host-meta for each domain, under the domain
// and the path (RFC 6415 §2 and §3, XEP-0156 §3). What is further a domain's has a
// WebSocket for servers alone.
func (s *Site) addHostMeta() {
	if !s.config.HostMeta {
		return
	}
	for _, d := range s.config.Domains {
		var servers []link
		if d.Servers != "" {
			servers = []link{{Rel: relServers, Href: d.Servers}}
			if u, err := url.Parse(d.Servers); err == nil && len(d.IPs) > 0 {
				servers[0].IPs, servers[0].Priority, servers[0].Weight, servers[0].SNI = d.IPs, 1, 1, u.Hostname()
			}
		}
		s.add(d.Name, append([]link{{Rel: relClients, Href: d.WebSocket}}, servers...))
		for _, service := range d.Services {
			s.add(service, servers)
		}
	}
}

func (s *Site) add(name string, links []link) {
	s.pages[name+wellKnown] = s.metadata("application/xrd+xml", xrd(links))
	s.pages[name+wellKnown+".json"] = s.metadata("application/json", encode(map[string][]link{"links": links}))
}

// metadata is public by nature: the only pages other sites may read.
func (s *Site) metadata(contentType string, body []byte) *page {
	p := s.generated(contentType, body)
	p.header.Set("Access-Control-Allow-Origin", "*")
	p.header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	p.header.Set("Cache-Control", "public, max-age=600")
	p.header.Set("Vary", "Accept")
	return p
}

// hostMeta returns the host-meta of the domain that was asked, nil for any other.
// Without .json in the path, Accept chooses the form (RFC 6415 §3).
func (s *Site) hostMeta(r *http.Request, path, host string) *page {
	if path == wellKnown && wantsJSON(r.Header.Values("Accept")) {
		path += ".json"
	}
	return s.pages[host+path]
}

// wantsJSON reports whether Accept names JSON and not XRD. Who names both or
// neither gets XRD, the form that every reader knows.
func wantsJSON(fields []string) bool {
	accept := strings.ToLower(strings.Join(fields, ","))
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "application/xrd+xml")
}

func xrd(links []link) []byte {
	var b strings.Builder
	b.WriteString(xml.Header + `<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">`)
	for _, l := range links {
		b.WriteString(`<Link rel="` + l.Rel + `" href="`)
		xml.EscapeText(&b, []byte(l.Href))
		b.WriteString(`"/>`)
	}
	b.WriteString("</XRD>\n")
	return []byte(b.String())
}
