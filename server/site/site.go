// Package site serves the page: the files of a bundle, config.json and
// host-meta, to GET and HEAD, with the headers that make the page hard to abuse.
//
// What surprises: there is no file system behind it. New reads every listed file
// into memory once, and a request is a look-up in a map by its exact path, so
// traversal, dotfiles, symbolic links and directory listings are not prevented
// but absent. Nothing is compressed while somebody waits; the build did that.
// A path never becomes part of a redirect, because there are no redirects.
package site

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Site answers for a bundle as a Config says. It is an http.Handler.
type Site struct {
	config *Config
	inline Inline
	hosts  map[string]bool // nil: all
	pages  map[string]*page
	mounts map[string]http.Handler
}

// page is what is served at a path.
type page struct {
	header   http.Header
	identity variant
	encoded  map[string]variant // by content coding
}

// variant is one form of a page.
type variant struct {
	body []byte
	etag string
}

// newVariant makes the ETag of headers and body: a browser that is told "not
// modified" keeps the old policy with the page (Chromium updates no header whose
// name begins with Content-).
func newVariant(h http.Header, body []byte, suffix string) variant {
	var all bytes.Buffer
	h.Write(&all)
	all.Write(body)
	return variant{body, `"` + Hash(all.Bytes())[:20] + suffix + `"`}
}

// New returns a Site for the bundle in files. It fails with ErrNoBundle if there
// is none, with a *ConfigError if c is wrong, and if a file is not what the
// bundle's list says.
func New(files fs.FS, c *Config) (*Site, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	bundle, err := ReadBundle(files)
	if err != nil {
		return nil, err
	}
	s := &Site{config: c, inline: bundle.Inline, hosts: c.Hosts(), pages: map[string]*page{}, mounts: map[string]http.Handler{}}
	for _, asset := range bundle.Assets {
		p, err := s.file(files, asset, bundle.Version)
		if err != nil {
			return nil, err
		}
		s.pages["/"+asset.Path] = p
	}
	if s.pages["/"] = s.pages["/index.html"]; s.pages["/"] == nil {
		return nil, ErrNoBundle
	}
	logo, err := c.Branding.readLogo()
	if err != nil {
		return nil, err
	}
	if logo != nil {
		s.pages["/"+logo.path] = s.generated(logo.kind, logo.body)
	}
	s.pages["/config.json"] = s.generated("application/json", c.page())
	s.addHostMeta()
	return s, nil
}

// Mount lets h answer at exactly path, for the host names the page has, without
// the limits of an answer: it may take the connection over. Call it before
// serving.
func (s *Site) Mount(path string, h http.Handler) { s.mounts[path] = h }

func (s *Site) file(files fs.FS, asset Asset, version string) (*page, error) {
	body, err := read(files, asset.Path, asset.SHA256)
	if err != nil {
		return nil, err
	}
	if changed := s.adapt(asset.Path, body, version); changed != nil {
		return s.generated(asset.Type, changed), nil
	}
	p := s.generated(asset.Type, body)
	p.encoded = map[string]variant{}
	for coding, e := range asset.Encoded {
		body, err := read(files, asset.Path+Suffix[coding], e.SHA256)
		if err != nil {
			return nil, err
		}
		p.encoded[coding] = newVariant(p.header, body, "-"+coding)
	}
	if len(p.encoded) > 0 {
		p.header.Set("Vary", "Accept-Encoding")
	}
	if asset.Immutable {
		p.header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	return p, nil
}

// adapt returns what body becomes under this configuration, or nil if it stays.
func (s *Site) adapt(path string, body []byte, version string) []byte {
	switch {
	case path == "worker.js":
		// The worker keeps the page with its headers. A header that changed must
		// replace what it keeps, so it counts as a new build.
		h := http.Header{}
		s.config.everywhere(h)
		s.config.document(h, s.inline)
		var all bytes.Buffer
		h.Write(&all)
		all.Write(s.config.page())
		return bytes.Replace(body, []byte(version), []byte(version+"-"+Hash(all.Bytes())[:8]), 1)
	case path == "manifest.webmanifest":
		return s.config.Branding.manifest(body)
	}
	return nil
}

// generated returns a page that may change with the next start of the server.
func (s *Site) generated(contentType string, body []byte) *page {
	h := http.Header{}
	s.config.everywhere(h)
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-cache")
	switch {
	case strings.HasPrefix(contentType, "text/html"):
		s.config.document(h, s.inline)
	case strings.HasPrefix(contentType, "text/javascript"):
		// Only a worker is ruled by the policy of its own file, and the only
		// worker is ours.
		h.Set("Content-Security-Policy", workerPolicy)
	default:
		h.Set("Content-Security-Policy", filePolicy)
	}
	return &page{header: h, identity: newVariant(h, body, "")}
}

// page returns config.json: what the page needs to know.
func (c *Config) page() []byte {
	type domain struct {
		Name      string `json:"name"`
		WebSocket string `json:"websocket,omitempty"`
	}
	type account struct {
		Address  string `json:"address"`
		Password string `json:"password"`
	}
	out := struct {
		Name      string    `json:"name,omitempty"`
		Welcome   string    `json:"welcome,omitempty"`
		Logo      string    `json:"logo,omitempty"`
		Hue       *int      `json:"hue,omitempty"`
		AnyServer bool      `json:"anyServer"`
		Domains   []domain  `json:"domains"`
		Demo      []account `json:"demo,omitempty"`
		Kill      bool      `json:"kill,omitempty"`
	}{Name: c.Branding.Name, Welcome: c.Branding.Welcome, AnyServer: c.AnyServer, Domains: []domain{}, Kill: c.Kill}
	out.Hue, _ = c.Branding.hue() // it has been checked
	if logo, _ := c.Branding.readLogo(); logo != nil {
		out.Logo = logo.path
	}
	for _, d := range c.Domains {
		out.Domains = append(out.Domains, domain{d.Name, d.WebSocket})
	}
	for _, a := range c.Demo {
		out.Demo = append(out.Demo, account(a))
	}
	return encode(out)
}

// encode writes v as JSON without escaping what only matters inside HTML.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	enc.Encode(v) // maps and structs of texts: cannot fail
	return b.Bytes()
}

func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	plain := w
	w = &slowWriter{ResponseWriter: w, deadline: http.NewResponseController(w).SetWriteDeadline, now: time.Now}
	host := Hostname(r.Host)
	if s.hosts != nil && !s.hosts[host] {
		// A page elsewhere whose name suddenly points here (DNS rebinding).
		s.refuse(w, http.StatusMisdirectedRequest, "This server does not answer for that name.\n")
		return
	}
	if h := s.mounts[r.URL.EscapedPath()]; h != nil {
		h.ServeHTTP(plain, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		s.refuse(w, http.StatusMethodNotAllowed, "Only GET and HEAD are possible here.\n")
		return
	}
	p := s.find(r, host)
	if p == nil {
		s.refuse(w, http.StatusNotFound, "There is nothing here.\n")
		return
	}
	p.serve(w, r)
}

// find looks the path up as it was written: a path in other clothes (%2e, //,
// a backslash) is another path.
func (s *Site) find(r *http.Request, host string) *page {
	path := r.URL.EscapedPath()
	if strings.HasPrefix(path, wellKnown) {
		return s.hostMeta(r, path, host)
	}
	return s.pages[path]
}

func (p *page) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for name, values := range p.header {
		h[name] = values
	}
	// A part of a file is a part of the file itself, not of its compressed form.
	coding := ""
	if r.Header.Get("Range") == "" {
		coding = negotiate(r.Header.Values("Accept-Encoding"), p.encoded)
	}
	v := p.identity
	if coding != "" {
		v = p.encoded[coding]
		h.Set("Content-Encoding", coding)
	}
	h.Set("ETag", v.etag)
	if coding == "" {
		// Handles If-None-Match, Range and If-Range, from the ETag set above.
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(v.body))
		return
	}
	if matches(r.Header.Values("If-None-Match"), v.etag) {
		h.Del("Content-Type")
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(v.body)))
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return
	}
	w.Write(v.body)
}

func (s *Site) refuse(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	s.config.everywhere(h)
	h.Set("Content-Security-Policy", filePolicy)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	w.Write([]byte(text))
}

// matches reports whether an If-None-Match names etag. The comparison is the
// weak one (RFC 9110 §13.1.2).
func matches(fields []string, etag string) bool {
	for _, tag := range strings.Split(strings.Join(fields, ","), ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

// preferred orders the content codings when the client likes them equally.
var preferred = []string{"br", "zstd", "gzip"}

// negotiate returns the content coding to answer with, "" for none: the one with
// the highest weight in Accept-Encoding (RFC 9110 §12.5.3), and if several have
// it, the smallest. Who refuses everything gets the plain file.
func negotiate(fields []string, encoded map[string]variant) string {
	weights := map[string]float64{}
	for _, item := range strings.Split(strings.Join(fields, ","), ",") {
		name, param, _ := strings.Cut(strings.ToLower(item), ";")
		q := 1.0
		if value, ok := strings.CutPrefix(strings.TrimSpace(param), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(strings.TrimSpace(value), 64); err != nil {
				q = 0
			}
		}
		weights[strings.TrimSpace(name)] = q
	}
	weight := func(coding string) float64 {
		if q, ok := weights[coding]; ok {
			return q
		}
		return weights["*"]
	}
	codings := slices.DeleteFunc(slices.Clone(preferred), func(coding string) bool {
		_, have := encoded[coding]
		return !have || weight(coding) <= 0
	})
	if len(codings) == 0 {
		return ""
	}
	best := slices.MaxFunc(codings, func(a, b string) int { return cmp.Compare(weight(a), weight(b)) })
	if weights["identity"] > weight(best) {
		return ""
	}
	return best
}

// Hostname returns the name in a Host header, in lower case.
func Hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
