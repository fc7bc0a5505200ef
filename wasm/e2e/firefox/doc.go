// Package firefox does with a real Firefox what people do first: sign in, chat, reload, open
// a second tab, start without a network. Everything else is shown in Chromium, by package
// e2e; what is here is what the two could differ in.
//
// The browser is driven over WebDriver BiDi (https://w3c.github.io/webdriver-bidi), which it
// speaks by itself. Without firefox-esr the test is skipped, and with CI=true it fails;
// .ci/install brings it.
package firefox
