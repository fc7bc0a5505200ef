// Package browser is the only place that touches JavaScript. Each file implements
// one small interface that another package declares: a WebSocket (framing.Socket),
// fetch (discover.Fetcher), WebCrypto (sasl.Crypto), IndexedDB (store.Store), the page's
// life (visible, online, asleep) and its sign-in form.
//
// Three things surprise. A callback from JavaScript must not wait: it runs on the
// page's only thread, and what it waits for would never come. Exceptions arrive as
// panics of type js.Error; whatever can throw is called through try. And nothing
// here yields to the page by itself: runtime.Gosched does not, Yield does.
package browser
