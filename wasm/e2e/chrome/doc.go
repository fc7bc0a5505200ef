// Package chrome starts a real Chromium for tests, and serves it small pages with a
// Go program in them. It needs Linux; .ci/install brings the browser.
package chrome
