//go:build !js

// Package httpfetch fetches host-meta with net/http. The page has fetch instead,
// and must not carry net/http around.
package httpfetch

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"

	"natter/app/connect/discover"
)

const maxRedirects = 5

var errRedirects = errors.New("too many redirects")

// Fetcher is a discover.Fetcher.
type Fetcher struct{ client *http.Client }

// New returns a Fetcher that trusts the certificates config says, those of the
// system if it is nil. It keeps no connections and no cookies.
func New(config *tls.Config) *Fetcher {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	transport.DisableKeepAlives = true
	return &Fetcher{&http.Client{Transport: transport, CheckRedirect: checkRedirect}}
}

// checkRedirect keeps to https once there (RFC 6415 §2, XEP-0156 §4). Names and
// passwords in a URL would be sent as credentials.
func checkRedirect(next *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return errRedirects
	case next.URL.User != nil, next.URL.Scheme != "https" && next.URL.Scheme != via[len(via)-1].URL.Scheme:
		return discover.ErrInsecure
	}
	return nil
}

// Fetch implements discover.Fetcher.
func (f *Fetcher) Fetch(ctx context.Context, url, accept string, limit int) (*discover.Document, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(body) > limit {
		return nil, discover.ErrTooLong
	}
	return &discover.Document{
		URL:    response.Request.URL.String(),
		Status: response.StatusCode,
		Type:   response.Header.Get("Content-Type"),
		Body:   body,
	}, nil
}
