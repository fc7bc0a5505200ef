// Package chrome starts a real Chromium for tests, serves it the program or small pages with a
// Go program in them. It needs Linux; .ci/install brings the browser.
package chrome
