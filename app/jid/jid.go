// Package jid holds XMPP addresses (RFC 7622).
//
// There are two ways in. What a person types goes through Typed, which understands what
// people type and paste, and through Parse, which is strict and normalises. What arrives from the network is kept as the string the server
// sent: it is the identity key, and an address our Unicode tables do not know yet
// must never end a session (RFC 6120 §8.3.3.8).
package jid

import "strings"

// JID is an address: local@domain/resource, the first and last part optional.
// The zero value is "no address".
type JID string

// Parse validates and normalises an address a person typed.
func Parse(s string) (JID, error) {
	if len(s) > longest {
		return "", errLength // reading a label of ASCII costs the square of its length
	}
	return parse(strings.TrimSpace(s))
}

func (j JID) String() string { return string(j) }

// Bare returns the address without its resource.
func (j JID) Bare() JID {
	if i := strings.IndexByte(string(j), '/'); i >= 0 {
		return j[:i]
	}
	return j
}

// Resource returns what follows the first slash, "" for a bare address.
func (j JID) Resource() string {
	if i := strings.IndexByte(string(j), '/'); i >= 0 {
		return string(j[i+1:])
	}
	return ""
}

// Local returns what precedes the @, "" for the address of a server.
func (j JID) Local() string {
	b := string(j.Bare())
	if i := strings.IndexByte(b, '@'); i >= 0 {
		return b[:i]
	}
	return ""
}

// Domain returns the domain, the whole address if there is no @ and no slash.
func (j JID) Domain() string {
	b := string(j.Bare())
	if i := strings.IndexByte(b, '@'); i >= 0 {
		return b[i+1:]
	}
	return b
}

// IsBare reports whether j has no resource.
func (j JID) IsBare() bool { return !strings.Contains(string(j), "/") }

// WithResource returns the bare address with this resource.
func (j JID) WithResource(r string) JID {
	if r == "" {
		return j.Bare()
	}
	return j.Bare() + "/" + JID(r)
}
