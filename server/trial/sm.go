package trial

import (
	"strconv"

	"natter/framing"
)

// acks is the Stream Management of one session (XEP-0198). Counts are modulo 2³².
type acks struct {
	id      string // "" if the stream cannot be resumed
	in, out uint32 // stanzas handled, and sent
	unacked []*framing.Element
	most    int
	asked   bool // an <r/> of ours has not been answered
}

// sent counts a stanza and reports whether there was room to keep it.
func (m *acks) sent(st *framing.Element) bool {
	if len(m.unacked) >= m.most {
		return false
	}
	m.out++
	m.unacked = append(m.unacked, st)
	return true
}

// ack drops what the peer has handled and reports whether it can be true that it
// has handled h stanzas.
func (m *acks) ack(h uint32) bool {
	first := m.out - uint32(len(m.unacked)) // handled before
	n := h - first
	if n > uint32(len(m.unacked)) {
		return false
	}
	m.unacked = append([]*framing.Element(nil), m.unacked[n:]...)
	return true
}

func (x *session) resumable() bool { return x.sm != nil && x.sm.id != "" }

// manage handles the elements of Stream Management on a bound stream.
func (c *conn) manage(e *framing.Element) {
	x := c.session
	switch e.Name.Local {
	case "enable":
		c.send(x.enable(e))
	case "r":
		if x.sm == nil {
			c.send(smFailed("unexpected-request"))
			return
		}
		c.send(smElement("a").Set("h", count(x.sm.in)))
	case "a":
		if x.sm == nil {
			c.send(smFailed("unexpected-request"))
			return
		}
		x.sm.asked = false
		c.acked(x, e.Attr("h"))
	default:
		c.send(smFailed("unexpected-request"))
	}
}

// enable switches Stream Management on, once per session, and returns the answer.
func (x *session) enable(e *framing.Element) *framing.Element {
	if x.sm != nil {
		return smFailed("unexpected-request")
	}
	x.sm = &acks{most: x.s.lim.Queue}
	answer := smElement("enabled")
	if resume := e.Attr("resume"); resume == "true" || resume == "1" {
		x.sm.id = x.s.o.NewID()
		x.s.streams[x.sm.id] = x
		answer.Set("id", x.sm.id).Set("resume", "true").
			Set("max", strconv.Itoa(int(x.s.lim.Resume.Seconds())))
	}
	return answer
}

// acked takes a client's count, and ends the stream if it cannot be true.
func (c *conn) acked(x *session, h string) bool {
	n, ok := counted(h)
	if !ok {
		c.fail(framing.BadFormat, "h is not a count")
		return false
	}
	if !x.sm.ack(n) {
		c.out.end(&framing.StreamError{
			Condition: framing.UndefinedCondition,
			App:       smElement("handled-count-too-high").Set("h", h).Set("send-count", count(x.sm.out)),
		})
		return false
	}
	return true
}

// resume answers a request to go on with an earlier stream (XEP-0198 §5).
func (c *conn) resume(e *framing.Element) {
	x, failed := c.takeUp(e)
	if x == nil {
		c.send(failed)
		return
	}
	answer := smElement("resumed").Set("previd", x.sm.id).Set("h", count(x.sm.in))
	if c.acked(x, e.Attr("h")) {
		c.send(answer)
		c.repeat(x)
	}
}

// takeUp moves the session a <resume/> names to this connection. It returns
// <failed/> instead when there is none for this account; if there once was, it
// says how much of it had been handled.
func (c *conn) takeUp(e *framing.Element) (*session, *framing.Element) {
	previous := e.Attr("previd")
	x := c.s.streams[previous]
	if x == nil || x.account != c.account {
		failed := smFailed("item-not-found")
		if h, ok := c.account.expired[previous]; ok {
			failed.Set("h", count(h))
		}
		return nil, failed
	}
	if x.conn != nil {
		x.conn.fail(framing.Conflict, "the stream was resumed elsewhere")
	}
	x.conn = c
	c.session = x
	c.phase = bound
	return x, nil
}

// repeat sends everything the client has not acknowledged again, in order.
func (c *conn) repeat(x *session) {
	for _, st := range x.sm.unacked {
		c.send(st)
	}
	x.sm.asked = len(x.sm.unacked) > 0
	if x.sm.asked {
		c.send(smElement("r"))
	}
}

func smElement(local string) *framing.Element { return framing.New(nsSM, local) }

func smFailed(condition string) *framing.Element {
	return smElement("failed").Add(framing.New(framing.NSStanzaError, condition))
}

func count(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func counted(h string) (uint32, bool) {
	n, err := strconv.ParseUint(h, 10, 32)
	return uint32(n), err == nil
}
