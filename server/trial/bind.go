package trial

import (
	"natter/app/jid"
	"natter/framing"
)

// bindPhase is a stream that is authenticated and has no session: it may bind a
// resource or resume a stream. Other stanzas are not for it (RFC 6120 §7.1).
func (c *conn) bindPhase(e *framing.Element) {
	b := e.Child(nsBind, "bind")
	switch {
	case e.Is(framing.NSClient, "iq") && e.Attr("type") == "set" && b != nil:
		c.bind(e, b.Child(nsBind, "resource").Text())
	case e.Is(nsSM, "resume"):
		c.resume(e)
	case e.Name.Space == nsSM:
		c.send(smFailed("unexpected-request")) // enabling comes after binding (XEP-0198 §3)
	default:
		c.refuse(e)
	}
}

// bind answers a request for a resource, "" if any will do (RFC 6120 §7.6, §7.7).
func (c *conn) bind(iq *framing.Element, resource string) {
	x, condition := c.begin(resource)
	if condition != "" {
		c.send(errorReply(iq, condition))
		c.bindings++
		if c.bindings > c.s.lim.BindRetries {
			c.fail(framing.PolicyViolation, "too many attempts to bind")
		}
		return
	}
	c.send(result(iq).Add(framing.New(nsBind, "bind").Add(
		framing.New(nsBind, "jid").AddText(x.jid.String()))))
}

// begin makes the session of this connection. It returns the condition of a
// stanza error instead when there can be none.
func (c *conn) begin(resource string) (*session, string) {
	if resource == "" {
		resource = c.s.o.NewID()
	}
	full, err := jid.Parse(c.account.jid.WithResource(resource).String())
	if err != nil {
		return nil, "bad-request"
	}
	if c.account.sessions[full.Resource()] != nil {
		switch c.s.o.Conflict {
		case RenameNew:
			full = c.account.jid.WithResource(c.s.o.NewID())
		case RefuseNew:
			return nil, "conflict"
		case ReplaceOld:
			c.s.replace(c.account.sessions[full.Resource()])
		}
	}
	if !c.s.makeRoom(c.account) {
		return nil, "resource-constraint"
	}
	x := &session{
		s:        c.s,
		account:  c.account,
		jid:      full,
		conn:     c,
		client:   c.client,
		directed: make(map[jid.JID]struct{}),
		rooms:    make(map[jid.JID]struct{}),
	}
	c.account.sessions[full.Resource()] = x
	c.session = x
	c.phase = bound
	return x, ""
}

// replace ends a session because another takes its place.
func (s *Server) replace(x *session) {
	if x.conn != nil {
		x.conn.fail(framing.Conflict, "")
	}
	s.end(x)
}

// makeRoom reports whether the account can have one more session. One that is
// only waiting to be resumed gives way: a page that was reloaded a few times has
// left several behind.
func (s *Server) makeRoom(a *account) bool {
	if len(a.sessions) < s.lim.Sessions {
		return true
	}
	var oldest *session
	for _, x := range a.sessions {
		if x.conn == nil && x.bot == nil && (oldest == nil || x.lost.Before(oldest.lost)) {
			oldest = x
		}
	}
	if oldest == nil {
		return false
	}
	s.end(oldest)
	return true
}

// bind2 carries out a <bind/> of XEP-0386 and returns its <bound/>, or nil when
// there is no room for a session. Earlier sessions of the same installation end,
// and waiting messages are dropped: they are in the archive.
func (c *conn) bind2(b *framing.Element) *framing.Element {
	if c.client != "" {
		for _, x := range c.account.sessions {
			if x.client == c.client {
				c.s.replace(x)
			}
		}
	}
	resource := c.s.o.NewID()
	if tag := b.Child(nsBind2, "tag").Text(); tag != "" {
		if _, err := jid.Parse(c.account.jid.WithResource(tag + "/" + resource).String()); err == nil {
			resource = tag + "/" + resource
		}
	}
	x, condition := c.begin(resource)
	if condition != "" {
		return nil
	}
	c.account.offline = nil
	answer := framing.New(nsBind2, "bound").Add(c.account.archive.metadata())
	if b.Child(nsCarbons, "enable") != nil {
		x.carbons = true
	}
	if e := b.Child(nsSM, "enable"); e != nil {
		answer.Add(x.enable(e))
	}
	return answer
}
