package trial

// subscription is how two people stand, from the side of one of them: the nine
// states of RFC 6121 appendix A.1. Pre-approval is not offered.
type subscription struct {
	to         bool // we see the contact's presence
	from       bool // the contact sees ours
	pendingOut bool // we have asked
	pendingIn  bool // we have been asked
}

// String returns the value of the roster's attribute subscription.
func (u subscription) String() string {
	switch {
	case u.to && u.from:
		return "both"
	case u.to:
		return "to"
	case u.from:
		return "from"
	}
	return "none"
}

// shown returns the part of it that the roster shows.
func (u subscription) shown() subscription {
	u.pendingIn = false
	return u
}

// outbound applies what we send to the contact (RFC 6121 §A.2) and reports
// whether it is passed on.
func (u subscription) outbound(kind string) (next subscription, route bool) {
	switch kind {
	case "subscribe":
		u.pendingOut = u.pendingOut || !u.to
		return u, true
	case "unsubscribe":
		u.to, u.pendingOut = false, false
		return u, true
	case "subscribed":
		if !u.pendingIn {
			return u, false
		}
		u.from, u.pendingIn = true, false
		return u, true
	case "unsubscribed":
		route = u.from || u.pendingIn
		u.from, u.pendingIn = false, false
		return u, route
	}
	return u, false
}

// inbound applies what the contact sends to us (RFC 6121 §A.3). It reports
// whether it is delivered, and what is answered on our behalf, "" for nothing.
func (u subscription) inbound(kind string) (next subscription, deliver bool, answer string) {
	switch kind {
	case "subscribe":
		if u.from {
			return u, false, "subscribed"
		}
		deliver = !u.pendingIn
		u.pendingIn = true
		return u, deliver, ""
	case "unsubscribe":
		if !u.from && !u.pendingIn {
			return u, false, ""
		}
		u.from, u.pendingIn = false, false
		return u, true, "unsubscribed"
	case "subscribed":
		if !u.pendingOut {
			return u, false, ""
		}
		u.to, u.pendingOut = true, false
		return u, true, ""
	case "unsubscribed":
		deliver = u.to || u.pendingOut
		u.to, u.pendingOut = false, false
		return u, deliver, ""
	}
	return u, false, ""
}
