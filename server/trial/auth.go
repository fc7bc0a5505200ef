package trial

import (
	"crypto/rand"
	"errors"
	"slices"

	"natter/app/connect/sasl"
	"natter/framing"
)

// mechanisms are what is on offer, over SASL and SASL2 alike. SCRAM-SHA-1 is for
// libraries that know nothing newer, such as @xmpp/client 0.14, and for this machine only.
var mechanisms = []string{sasl.SCRAMSHA512, sasl.SCRAMSHA256, sasl.SCRAMSHA1}

var hashes = map[string]sasl.Hash{
	sasl.SCRAMSHA1:   sasl.SHA1,
	sasl.SCRAMSHA512: sasl.SHA512,
	sasl.SCRAMSHA256: sasl.SHA256,
}

// credentials are what is kept of a password, by mechanism.
type credentials map[string]sasl.Credentials

func (s *Server) derive(password string) (credentials, error) {
	c := make(credentials)
	for _, name := range s.mechanisms {
		salt := make([]byte, 16)
		rand.Read(salt)
		var err error
		c[name], err = sasl.NewCredentials(hashes[name], password, salt, s.lim.Iterations)
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// login is one attempt to authenticate.
type login struct {
	profile  profile
	exchange *sasl.Exchange
	request  *framing.Element // SASL2's <authenticate/>, for what it wants to have done inline
	renew    bool             // the token that was used is due to be replaced
}

// profile is what differs between SASL (RFC 6120 §6) and SASL2 (XEP-0388).
type profile interface {
	challenge(message []byte) *framing.Element
	failure(condition string) *framing.Element
	succeed(c *conn, l *login, additional []byte)
}

// authenticate handles what may come before there is an account: an attempt to
// authenticate, and its messages. Anything else ends the stream (XEP-0388 §2.4).
func (c *conn) authenticate(e *framing.Element) {
	switch {
	case e.Is(nsSASL, "auth") && c.login == nil:
		c.attempt(&login{profile: sasl1{}}, e.Attr("mechanism"), e.Text(), true)
	case e.Is(nsSASL2, "authenticate") && c.login == nil:
		initial := e.Child(nsSASL2, "initial-response")
		c.attempt(&login{profile: sasl2{}, request: e}, e.Attr("mechanism"), initial.Text(), initial != nil)
	case c.login != nil && e.Is(c.login.space(), "response"):
		c.message(e.Text())
	case c.login != nil && e.Is(c.login.space(), "abort"):
		c.reject(sasl.Aborted)
	default:
		c.refuse(e)
	}
}

func (l *login) space() string {
	if l.request != nil {
		return nsSASL2
	}
	return nsSASL
}

// attempt starts an exchange. An address that has failed too often is told to
// come back later without a look at its proof: names are never locked, or one
// person could lock another one out.
func (c *conn) attempt(l *login, mechanism, initial string, present bool) {
	c.login = l
	byToken := mechanism == sasl.HTSHA256None && l.request != nil
	switch {
	case !byToken && !slices.Contains(c.s.mechanisms, mechanism):
		c.reject(sasl.InvalidMechanism)
		return
	case c.tooOften():
		c.reject(sasl.TemporaryAuthFailure)
		return
	case byToken:
		c.redeem(l, initial)
		return
	case l.request.Child(nsFAST, "fast") != nil: // a token is for its mechanism only (XEP-0484 §3.4)
		c.reject(sasl.MalformedRequest)
		return
	}
	verifier := &sasl.Server{
		Hash:   hashes[mechanism],
		Domain: c.s.domain.String(),
		Lookup: func(user string) (sasl.Credentials, bool) {
			a := c.s.named(user)
			if a == nil || a.login == nil {
				return sasl.Credentials{}, false
			}
			return a.login[mechanism], true
		},
		Secret:     c.s.secret,
		Iterations: c.s.lim.Iterations,
		Offered:    c.s.mechanisms,
	}
	l.exchange = verifier.Exchange()
	if !present || initial == "" && l.request == nil {
		c.send(l.profile.challenge(nil)) // RFC 6120 §6.3.5: the client speaks first, then
		return
	}
	c.message(initial)
}

// message takes one message of the client, in base64.
func (c *conn) message(text string) {
	m, _, err := sasl.DecodeOptional(text)
	if err != nil {
		c.reject(sasl.IncorrectEncoding)
		return
	}
	answer, done, err := c.login.exchange.Next(m)
	if err != nil {
		condition := sasl.NotAuthorized
		var failure *sasl.FailureError
		if errors.As(err, &failure) {
			condition = failure.Condition
		}
		c.reject(condition)
		return
	}
	if !done {
		c.send(c.login.profile.challenge(answer))
		return
	}
	l := c.login
	c.login = nil
	c.account = c.s.named(l.exchange.User())
	l.profile.succeed(c, l, answer)
}

// reject answers an attempt that has failed, and ends the stream when it was one
// too many (RFC 6120 §6.4.5).
func (c *conn) reject(condition string) {
	c.send(c.login.profile.failure(condition))
	c.login = nil
	c.failures++
	if b := c.s.failures[c.remote]; b != nil {
		b.take(c.s.o.Now(), 1)
	} else {
		perMinute := float64(c.s.lim.Failures)
		b = newBucket(perMinute/60, perMinute, c.s.o.Now())
		b.take(b.at, 1)
		c.s.failures[c.remote] = b
	}
	if c.failures > c.s.lim.LoginRetries {
		c.fail(framing.PolicyViolation, "too many attempts to sign in")
	}
}

func (c *conn) tooOften() bool {
	b := c.s.failures[c.remote]
	if b == nil {
		return false
	}
	b.fill(c.s.o.Now())
	return b.tokens < 1
}

type sasl1 struct{}

func (sasl1) challenge(m []byte) *framing.Element {
	return framing.New(nsSASL, "challenge").AddText(sasl.Encode(m))
}

func (sasl1) failure(condition string) *framing.Element {
	return framing.New(nsSASL, "failure").Add(framing.New(nsSASL, condition))
}

// succeed makes the client start over with a new header (RFC 6120 §6.4.6).
func (sasl1) succeed(c *conn, _ *login, additional []byte) {
	c.send(framing.New(nsSASL, "success").AddText(sasl.EncodeInitial(additional)))
	c.phase = restarting
}

type sasl2 struct{}

func (sasl2) challenge(m []byte) *framing.Element {
	return framing.New(nsSASL2, "challenge").AddText(sasl.Encode(m))
}

func (sasl2) failure(condition string) *framing.Element {
	return framing.New(nsSASL2, "failure").Add(framing.New(nsSASL, condition))
}

// succeed carries out what the request wants inline: a resume, else a binding
// (XEP-0198 §9.2, XEP-0386 §3.2). Features follow at once, unless a stream was
// resumed.
func (sasl2) succeed(c *conn, l *login, additional []byte) {
	success := framing.New(nsSASL2, "success")
	if len(additional) > 0 {
		success.Add(framing.New(nsSASL2, "additional-data").AddText(sasl.Encode(additional)))
	}
	name := framing.New(nsSASL2, "authorization-identifier")
	c.phase = binding
	c.client = l.request.Child(nsSASL2, "user-agent").Attr("id")
	success.Add(c.newToken(l))
	if r := l.request.Child(nsSM, "resume"); r != nil {
		x, failed := c.takeUp(r)
		if x != nil {
			if c.acked(x, r.Attr("h")) {
				resumed := smElement("resumed").Set("previd", x.sm.id).Set("h", count(x.sm.in))
				c.send(success.Add(name.AddText(x.jid.String()), resumed))
				c.repeat(x)
			}
			return
		}
		success.Add(failed)
	}
	if b := l.request.Child(nsBind2, "bind"); b != nil {
		success.Add(c.bind2(b))
	}
	address := c.account.jid
	if c.session != nil {
		address = c.session.jid
	}
	c.send(success.Add(name.AddText(address.String())))
	c.send(c.sessionFeatures())
}
