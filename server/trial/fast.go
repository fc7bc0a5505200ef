package trial

import (
	"time"

	"natter/app/connect/sasl"
	"natter/framing"
)

// device is what one installation of one account can sign in with instead of the
// password (XEP-0484). There are two places, as §5.1 has it: a new token waits in
// next until it is used, so that one which gets lost on the way costs nothing.
type device struct{ current, next *token }

type token struct {
	hash           sasl.HashedToken
	issued, expiry time.Time
}

// offersTokens reports whether tokens are for this stream: the client has to say who
// it is (XEP-0484 §4.1).
func (c *conn) offersTokens() bool { return c.from != "" }

// redeem handles <authenticate/> with a token instead of a password. The token is
// good for one account, one installation and one mechanism; that is how it is looked
// for.
func (c *conn) redeem(l *login, initial string) {
	fast := l.request.Child(nsFAST, "fast")
	client := l.request.Child(nsSASL2, "user-agent").Attr("id")
	if fast == nil || client == "" || !c.offersTokens() {
		c.reject(sasl.MalformedRequest)
		return
	}
	message, err := sasl.Decode(initial)
	if err != nil {
		c.reject(sasl.IncorrectEncoding)
		return
	}
	user, proof, err := sasl.ReadHashedToken(message)
	if err != nil {
		c.reject(sasl.MalformedRequest)
		return
	}
	a := c.s.named(user)
	d := a.device(client)
	t, answer := d.find(proof)
	switch now := c.s.o.Now(); {
	case t == nil:
		c.reject(sasl.NotAuthorized)
		return
	case !now.Before(t.expiry):
		d.forget(t)
		c.reject(sasl.CredentialsExpired)
		return
	case yes(fast.Attr("invalidate")):
		delete(a.devices, client) // the successor too, which nobody may have received
	default:
		d.current = t // and what came before it is no longer good
		if d.next == t {
			d.next = nil
		}
		l.renew = now.Sub(t.issued) >= c.s.lim.Rotation
	}
	c.login = nil
	c.account = a
	l.profile.succeed(c, l, answer)
}

// device returns the one with this id, nil if nothing is known of it.
func (a *account) device(client string) *device {
	if a == nil {
		return nil
	}
	return a.devices[client]
}

// find returns the token a proof was made with, and what goes with success.
func (d *device) find(proof []byte) (t *token, answer []byte) {
	if d == nil {
		return nil, nil
	}
	for _, t := range []*token{d.next, d.current} {
		if t == nil {
			continue
		}
		if answer, ok := t.hash.Check(proof); ok {
			return t, answer
		}
	}
	return nil, nil
}

func (d *device) forget(t *token) {
	if d.next == t {
		d.next = nil
	}
	if d.current == t {
		d.current = nil
	}
}

// newToken returns the <token/> that goes with success, nil if there is no reason for
// one: the client has asked, or the one it has used is getting old.
func (c *conn) newToken(l *login) *framing.Element {
	request := l.request.Child(nsFAST, "request-token")
	asked := request.Attr("mechanism") == sasl.HTSHA256None
	if !asked && !l.renew || c.client == "" || !c.offersTokens() {
		return nil
	}
	now := c.s.o.Now()
	secret := "secret-token:natter-" + c.s.o.NewID() // RFC 8959: so that it is noticed where it leaks
	t := &token{sasl.HashToken(secret), now, now.Add(c.s.lim.Token).Truncate(time.Second)}
	d := c.account.devices[c.client]
	if d == nil {
		c.s.makeRoomForDevice(c.account)
		d = new(device)
		c.account.devices[c.client] = d
	}
	d.next = t
	return framing.New(nsFAST, "token").Set("token", secret).Set("expiry", t.expiry.UTC().Format(time.RFC3339))
}

// makeRoomForDevice forgets the device that would be forgotten first anyway when an
// account has too many.
func (s *Server) makeRoomForDevice(a *account) {
	for len(a.devices) >= s.lim.Devices {
		var oldest string
		var first time.Time
		for id, d := range a.devices {
			if e := d.expiry(); oldest == "" || e.Before(first) {
				oldest, first = id, e
			}
		}
		delete(a.devices, oldest)
	}
}

// expiry is when the last of the tokens expires.
func (d *device) expiry() time.Time {
	var last time.Time
	for _, t := range []*token{d.next, d.current} {
		if t != nil && t.expiry.After(last) {
			last = t.expiry
		}
	}
	return last
}

// yes reads a boolean of XML Schema.
func yes(value string) bool { return value == "true" || value == "1" }
