package connect

import (
	"strings"

	"natter/app/jid"
	"natter/framing"
)

// IdentityError reports a server that gave the session to another account than the one
// requested. Only the negotiation was sent in that name, and nothing was stored.
type IdentityError struct {
	Want jid.JID // bare; only the domain if any account there would do
	Said jid.JID // bare; the account, as the server says
}

func (e *IdentityError) Error() string {
	return "the server says we are " + shorten(string(e.Said)) + ", not " + string(e.Want)
}

// user returns the name to sign in with.
func (r *Request) user() string {
	switch k := r.Credential; {
	case k != nil && k.User != "":
		return k.User
	case r.User != "":
		return r.User
	}
	return r.Account.Local()
}

// wantedID returns the account the session must be of: the requested one. With Anonymous
// it is the one of the stream to resume, or any account of the domain.
func (r *Request) wantedID() jid.JID {
	if r.Anonymous && r.Resume != nil {
		return r.Resume.JID.Bare()
	}
	return r.Account.Bare()
}

// identity checks the address that the server gives us, with <bind/> and in SASL2's
// authorization-identifier. A server may map a name to an account with another name
// (RFC 6120 §6.3.8), so this is no protocol error. But the person decides whose messages
// are shown, stored and sent here, so it is an IdentityError.
func (n *negotiation) identity(said string) (jid.JID, *Error) {
	said = strings.TrimSpace(said)
	me, err := jid.Parse(said)
	if err != nil || me.Local() == "" {
		e := n.protocolError(framing.BadFormat, "")
		e.Err = errNoAddress
		return "", e
	}
	if me.Bare() != n.wantID && (n.wantID.Local() != "" || me.Domain() != n.wantID.Domain()) {
		return "", &Error{Phase: n.phase, Endpoint: n.endpoint, Err: &IdentityError{Want: n.wantID, Said: me.Bare()}}
	}
	_, resource, _ := strings.Cut(said, "/")
	return me.Bare().WithResource(strings.Clone(resource)), nil
}

// boundAddress is identity for a full address, from which stanzas can be sent.
func (n *negotiation) boundAddress(said string) (jid.JID, *Error) {
	me, err := n.identity(said)
	if err == nil && me.IsBare() {
		err = n.protocolError(framing.BadFormat, "")
		err.Err = errNoAddress
	}
	return me, err
}

var errNoAddress = &ProtocolError{"the server bound no full address"}
