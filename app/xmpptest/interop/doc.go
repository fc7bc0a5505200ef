// Package interop lets other people's clients talk to Natter's core: stanza,
// strophe.js and @xmpp/client sign in to the trial server and to Prosody, and each
// answers a message, to itself and in a room. What only our own code understands would show here.
//
// The libraries come from npm, for this test alone; package-lock.json says exactly
// which. It has no addresses: the packages come from whatever registry npm is set
// up for, and their hashes are checked. slixmpp and Converse.js, with which all is
// exchanged that is said about messages, come the same way from PyPI, as requirements.txt says, and from
// npm. Converse.js runs in Chromium. profanity is the machine's own, and runs in a terminal.
package interop
