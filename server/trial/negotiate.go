package trial

import (
	"strconv"

	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/framing"
)

// phase is how far a connection has come. Each accepts little, and nothing but
// authentication leads past authenticating (CVE-2018-10847).
type phase int

const (
	opening        phase = iota // the first header is due
	authenticating              // features were sent
	restarting                  // SASL succeeded, a second header is due
	binding                     // a resource or a resume is due
	bound                       // there is a session
)

// step handles one element.
func (c *conn) step(e *framing.Element) {
	if c.account == nil && int(c.size.Load()) > c.s.lim.BytesBefore {
		c.fail(framing.PolicyViolation, "too long before authentication")
		return
	}
	switch c.phase {
	case opening, restarting:
		c.open(e)
	case authenticating:
		c.authenticate(e)
	case binding:
		c.bindPhase(e)
	case bound:
		c.stanza(e)
	}
}

// open answers a header and sends what is on offer (RFC 7395 §3.4). The host is
// the same for the life of a connection, for there is only one.
func (c *conn) open(e *framing.Element) {
	o, err := framing.ReadOpen(e, framing.NSFraming)
	if err != nil {
		c.refuse(e) // framing has checked the namespace: this is no header
		return
	}
	answer := framing.Open{From: c.s.domain.String(), ID: c.s.o.NewID(), Lang: "en", Version: "1.0"}
	if o.From != "" {
		c.from = jid.JID(o.From).Bare()
		answer.To = c.from.String()
	}
	c.send(answer.Element(framing.NSFraming))
	switch {
	case !sameHost(o.To, c.s.domain):
		c.fail(framing.HostUnknown, "")
	case framing.MajorVersion(o.Version) < 1:
		c.fail(framing.UnsupportedVersion, "")
	case c.phase == opening:
		c.phase = authenticating
		c.send(c.loginFeatures())
	default:
		c.phase = binding
		c.send(c.sessionFeatures())
	}
}

// refuse ends a stream on which something came out of turn.
func (c *conn) refuse(e *framing.Element) {
	switch {
	case isStanza(e) && c.phase != bound:
		c.fail(framing.NotAuthorized, "") // RFC 6120 §7.1
	case e.Name.Local == "message" || e.Name.Local == "presence" || e.Name.Local == "iq":
		c.fail(framing.InvalidNamespace, "")
	default:
		c.fail(framing.UnsupportedStanzaType, "")
	}
}

func sameHost(to string, domain jid.JID) bool {
	if to == domain.String() {
		return true
	}
	j, err := jid.Parse(to)
	return err == nil && j == domain
}

func isStanza(e *framing.Element) bool {
	if e.Name.Space != framing.NSClient {
		return false
	}
	switch e.Name.Local {
	case "message", "presence", "iq":
		return true
	}
	return false
}

// loginFeatures is what can be done before authentication. There is no STARTTLS
// over WebSocket (RFC 7395 §3.9), and no PLAIN: a trial server has no business
// seeing passwords.
func (c *conn) loginFeatures() *framing.Element {
	one := framing.New(nsSASL, "mechanisms")
	two := framing.New(nsSASL2, "authentication")
	for _, m := range c.s.mechanisms {
		one.Add(framing.New(nsSASL, "mechanism").AddText(m))
		two.Add(framing.New(nsSASL2, "mechanism").AddText(m))
	}
	inline := framing.New(nsSASL2, "inline").Add(
		framing.New(nsSM, "sm"),
		framing.New(nsBind2, "bind").Add(framing.New(nsBind2, "inline").Add(
			framing.New(nsBind2, "feature").Set("var", nsCarbons),
			framing.New(nsBind2, "feature").Set("var", nsSM),
		)),
	)
	if c.offersTokens() {
		inline.Add(framing.New(nsFAST, "fast").Add(framing.New(nsFAST, "mechanism").AddText(sasl.HTSHA256None)))
	}
	return framing.New(framing.NSStream, "features").Add(one, two.Add(inline), c.s.limits(c.s.lim.BytesBefore))
}

// sessionFeatures is what can be done after it. The session of RFC 3921 has no
// meaning; old clients look for it.
func (c *conn) sessionFeatures() *framing.Element {
	features := framing.New(framing.NSStream, "features")
	if c.phase == binding {
		features.Add(
			framing.New(nsBind, "bind").Add(framing.New(nsBind, "required")),
			framing.New(nsSession, "session").Add(framing.New(nsSession, "optional")))
	}
	return features.Add(
		framing.New(nsSM, "sm").Add(framing.New(nsSM, "optional")),
		c.s.limits(c.s.lim.BytesAfter),
	)
}

func (s *Server) limits(bytes int) *framing.Element {
	return framing.New(nsLimits, "limits").Add(
		framing.New(nsLimits, "max-bytes").AddText(strconv.Itoa(bytes)),
		framing.New(nsLimits, "idle-seconds").AddText(strconv.Itoa(int(s.lim.Idle.Seconds()))),
	)
}
