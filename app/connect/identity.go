package connect

import (
	"strings"

	"natter/app/jid"
	"natter/framing"
)

// IdentityError reports a server that says we are somebody else than the session was
// asked for. Nothing but the negotiation was sent in that name, and nothing was kept.
type IdentityError struct {
	Want jid.JID // bare; only the domain if it was to be anybody there
	Said jid.JID // bare
}

func (e *IdentityError) Error() string {
	return "the server says we are " + shorten(string(e.Said)) + ", not " + string(e.Want)
}

// user is the name that we sign in with.
func (r *Request) user() string {
	switch k := r.Credential; {
	case k != nil && k.User != "":
		return k.User
	case r.User != "":
		return r.User
	}
	return r.Account.Local()
}

// want returns who the session must be: the account that was asked for, with Anonymous
// whose stream it was, or anybody of the domain.
func (r *Request) want() jid.JID {
	if r.Anonymous && r.Resume != nil {
		return r.Resume.JID.Bare()
	}
	return r.Account.Bare()
}

// whom checks who the server says we are, as it does with <bind/> and in SASL2's
// authorization-identifier. A name on the server may stand for an account that is called
// something else (RFC 6120 §6.3.8), so it is not ours to say that this is wrong: but whose
// messages are shown, kept and sent here is for the person to decide.
func (n *negotiation) whom(said string) (jid.JID, *Error) {
	said = strings.TrimSpace(said)
	me, err := jid.Parse(said)
	if err != nil || me.Local() == "" {
		e := n.broken(framing.BadFormat, "")
		e.Err = errNoAddress
		return "", e
	}
	if me.Bare() != n.want && (n.want.Local() != "" || me.Domain() != n.want.Domain()) {
		return "", &Error{Phase: n.phase, Endpoint: n.endpoint, Err: &IdentityError{Want: n.want, Said: me.Bare()}}
	}
	_, resource, _ := strings.Cut(said, "/")
	return me.Bare().WithResource(strings.Clone(resource)), nil
}

// bound is whom for an address that stanzas can be sent from.
func (n *negotiation) bound(said string) (jid.JID, *Error) {
	me, err := n.whom(said)
	if err == nil && me.IsBare() {
		err = n.broken(framing.BadFormat, "")
		err.Err = errNoAddress
	}
	return me, err
}

var errNoAddress = &ProtocolError{"the server bound no full address"}
