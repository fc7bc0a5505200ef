// Package e2e drives a real Chromium against the real program and real XMPP servers.
//
// Its tests act as people do: they find fields, buttons and messages by their role
// and name, type, press keys and read. Each person has a browser of their own, in
// the sense that nothing is shared with the others' cookies, storage or workers.
// Whatever a test is about, it also fails if the page ever violated its policy, wrote
// an error to the console or asked a foreign host for anything.
//
// The browser resolves no name: whatever ends in .test is at a port of ours, which
// passes each connection on to the server meant by its name, and everything else does
// not exist. It trusts one authority, that of the servers of xmpptest.
//
// Without chromium the tests are skipped, and with CI=true they fail; .ci/install
// brings it. E2E_SHOTS names a folder for a picture of each page at the end of its
// test.
package e2e
