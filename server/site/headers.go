package site

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The directives that hold wherever the page is served from. Nothing inline but what
// the build has put there (Inline), nothing foreign, and no string becomes code:
// 'wasm-unsafe-eval' allows WebAssembly and only that, and the one Trusted Types policy
// knows one address (web/trusted.js).
const (
	policyMedia = "; img-src 'self' blob: data:; media-src 'self' blob:; font-src 'self'; connect-src 'self'"
	policyRest  = "; manifest-src 'self'; worker-src 'self'; frame-src 'none'; object-src 'none'; " +
		"base-uri 'none'; form-action 'none'"
	policyFrame = "; frame-ancestors 'none'" // ignored in a <meta>
	policyTypes = "; require-trusted-types-for 'script'; trusted-types default"

	workerPolicy = "default-src 'none'; connect-src 'self'; script-src 'self'"
	filePolicy   = "default-src 'none'"

	permissions = "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), " +
		"magnetometer=(), microphone=(), midi=(), payment=(), usb=(), serial=(), hid=()"
)

// loopbackSources are the plain connections a page on this machine may make.
// Policies know no IPv6 addresses.
var loopbackSources = []string{"http://localhost:*", "ws://localhost:*", "http://127.0.0.1:*", "ws://127.0.0.1:*"}

// start is how every policy of a page begins.
func (in Inline) start() string {
	scripts := append([]string{"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"}, in.Scripts...)
	styles := append([]string{"; style-src 'self'"}, in.Styles...)
	return strings.Join(scripts, " ") + strings.Join(styles, " ") + policyMedia
}

// MetaPolicy is the policy inside index.html, for hosts that send no headers. It
// holds together with the one in the header, so it allows whatever one of those
// may allow.
func MetaPolicy(in Inline) string {
	return in.start() + " https: wss: " + strings.Join(loopbackSources, " ") + policyRest + policyTypes
}

// policy is the Content-Security-Policy of the document.
func (c *Config) policy(in Inline) string {
	p := in.start()
	for _, source := range c.sources() {
		p += " " + source
	}
	p += policyRest + policyFrame + policyTypes
	// On plain http this would turn ws://localhost into wss, where nobody listens.
	if c.https() {
		p += "; upgrade-insecure-requests"
	}
	return p
}

// sources are where the page may connect beside its own origin. With listed
// domains that is their endpoints and nothing else, so that a script that should
// not be there has nowhere to send what it found.
func (c *Config) sources() []string {
	var list []string
	if c.AnyServer {
		list = append(list, "https:", "wss:")
		if !c.https() && Loopback(c.Listen) {
			list = append(list, loopbackSources...)
		}
	}
	add := func(source string) {
		scheme, _, _ := strings.Cut(source, "//")
		if !slices.Contains(list, source) && !slices.Contains(list, scheme) {
			list = append(list, source)
		}
	}
	for _, d := range c.Domains {
		add("https://" + d.Name) // host-meta
		u, err := url.Parse(d.WebSocket)
		switch {
		case err != nil || d.WebSocket == "":
		case u.Host != "":
			add(u.Scheme + "://" + u.Host)
		case c.https():
			public, _ := url.Parse(c.PublicURL) // 'self' did not cover wss in older Safari
			add("wss://" + public.Host)
		}
		for _, origin := range d.Connect {
			add(origin)
		}
	}
	return list
}

func (c *Config) https() bool { return strings.HasPrefix(c.PublicURL, "https:") }

// everywhere sets what every answer carries, an error included.
func (c *Config) everywhere(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	// RFC 6797 §7.2: never over plain http, so only where https was promised.
	if c.HSTS {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// document sets what the page carries beside that.
func (c *Config) document(h http.Header, in Inline) {
	h.Set("Content-Security-Policy", c.policy(in))
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Origin-Agent-Cluster", "?1")
	h.Set("Permissions-Policy", permissions)
}
