package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"natter/app/legible"
	"natter/server/doctor"
)

const doctorHelp = `Goes the way into an XMPP domain, step by step, as a page in a browser, another client and
another server do: names, certificate, host-meta, WebSocket, stream, features. It says of
each step what was asked, what came back, how long it took and what to change in Prosody,
ejabberd, nginx, Caddy or natter. It signs in to nothing.

The exit code is 0 if pages and servers get in (pages alone with -pages), 1 if they do
not, 2 if natter was called wrongly.
`

func runDoctor(ctx context.Context, c call) error {
	f := flags(c, "doctor", "DOMAIN", doctorHelp)
	asJSON := f.Bool("json", false, "print the report as JSON")
	pages := f.Bool("pages", false, "let the exit code say whether pages get in, whatever servers find")
	endpoint := f.String("endpoint", "", "try this WebSocket, a `wss:// address`, instead of those the domain names")
	origin := f.String("origin", "", "be a page of this `origin`, such as https://chat.example.org (default: the domain's, then that of the WebSocket's host)")
	timeout := f.Duration("timeout", 10*time.Second, "give each step this long")
	names := f.String("dns", "", "ask the name server at this `host:port`")
	ca := f.String("ca", "", "trust the certificates in this PEM `file` instead of the system's")
	redirects := map[string]string{}
	f.Func("connect", "dial host:port elsewhere, as in `host:port=host:port`; may be repeated", func(s string) error {
		from, to, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("must look like example.org:443=127.0.0.1:8443")
		}
		redirects[from] = to
		return nil
	})
	words, err := parse(f, c.args, "DOMAIN")
	if err != nil {
		return err
	}
	o := doctor.Options{Endpoint: *endpoint, Origin: strings.TrimSuffix(*origin, "/"), Timeout: *timeout}
	if *names != "" {
		o.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, *names)
		}}
	}
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		if err != nil {
			return usageError{err}
		}
		if o.Roots = x509.NewCertPool(); !o.Roots.AppendCertsFromPEM(pem) {
			return usageError{fmt.Errorf("%s has no certificate", *ca)}
		}
	}
	if len(redirects) > 0 {
		o.Redirect = func(address string) string {
			if to := redirects[address]; to != "" {
				return to
			}
			return address
		}
	}
	if !*asJSON {
		o.Each = func(s doctor.Step) { say(c.out, s) }
	}
	r, err := doctor.Examine(ctx, words[0], o)
	if err != nil {
		return usageError{err}
	}
	if *asJSON {
		enc := json.NewEncoder(c.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		fmt.Fprintf(c.out, "%s: %s, %s, %s.\n", r.Domain, getIn("pages", r.Pages), getIn("other clients", r.Clients), getIn("servers", r.Servers))
	}
	if err == nil && (!r.Pages || !r.Servers && !*pages) {
		return errSaid
	}
	return err
}

func getIn(who string, can bool) string {
	if can {
		return who + " get in"
	}
	return who + " do not"
}

// say prints a step: who and what, the answer, and the changes if there are any.
func say(w io.Writer, s doctor.Step) {
	fmt.Fprintf(w, "%-4s  %-6s  %s: %s\n", map[doctor.Verdict]string{doctor.Good: "good", doctor.Note: "note", doctor.Bad: "BAD"}[s.Verdict], s.Who, s.What, s.Asked)
	fmt.Fprintf(w, "              %s (%d ms)\n", legible.Short(s.Got, 500), s.Took)
	for _, change := range s.Change {
		if change.In == "" {
			fmt.Fprintf(w, "              → %s\n", change.Do)
			continue
		}
		fmt.Fprintf(w, "              → %s: %s\n", change.In, change.Do)
	}
	fmt.Fprintln(w)
}
