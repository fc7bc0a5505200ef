//go:build js && wasm

package browser

import (
	"context"
	"strings"
	"syscall/js"

	"natter/app/connect/discover"
)

// Fetch is the browser's fetch as a discover.Fetcher. It brings no cookies along and
// stays out of the HTTP cache: what a domain says is kept by the Finder.
type Fetch struct{}

// Fetch implements discover.Fetcher. Where a request fails (no network, a bad
// certificate, no CORS) the browser does not say why.
func (Fetch) Fetch(ctx context.Context, url, accept string, limit int) (*discover.Document, error) {
	abort := global.Get("AbortController").New()
	stop := context.AfterFunc(ctx, func() { abort.Call("abort") })
	defer stop()
	response, err := await(ctx, global.Call("fetch", url, map[string]any{
		"credentials":    "omit",
		"cache":          "no-store",
		"redirect":       "follow",
		"referrerPolicy": "no-referrer",
		"signal":         abort.Get("signal"),
		"headers":        map[string]any{"Accept": accept},
	}))
	if err != nil {
		return nil, err
	}
	doc := &discover.Document{
		URL:    response.Get("url").String(),
		Status: response.Get("status").Int(),
	}
	if t := response.Get("headers").Call("get", "Content-Type"); !t.IsNull() {
		doc.Type = t.String()
	}
	// A redirect may pass through http only to come back; the last address is what
	// a page gets to see, and mixed-content rules stop the rest.
	if strings.HasPrefix(url, "https:") && !strings.HasPrefix(doc.URL, "https:") {
		abort.Call("abort")
		return nil, discover.ErrInsecure
	}
	doc.Body, err = read(ctx, response.Get("body"), limit)
	if err != nil {
		abort.Call("abort")
	}
	return doc, err
}

// read takes a body chunk by chunk, so that one without end is noticed at limit.
func read(ctx context.Context, body js.Value, limit int) ([]byte, error) {
	if body.IsNull() {
		return nil, nil
	}
	reader := body.Call("getReader")
	var all []byte
	for {
		chunk, err := await(ctx, reader.Call("read"))
		if err != nil {
			return nil, err
		}
		if chunk.Get("done").Bool() {
			return all, nil
		}
		value := chunk.Get("value")
		if len(all)+value.Length() > limit {
			return nil, discover.ErrTooLong
		}
		part := make([]byte, value.Length())
		js.CopyBytesToGo(part, value)
		all = append(all, part...)
	}
}
