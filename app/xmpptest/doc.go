// Package xmpptest gives tests something to talk to: Peer, a server that plays a
// script and may misbehave, and launchers for real servers (Prosody, Ejabberd,
// Prosody13, Ejabberd24) with accounts, certificates and ports of their own.
//
// Natively only. .ci/install puts the real servers on the machine; without them
// tests are skipped with a sentence that says so, and with CI=true they fail.
package xmpptest
