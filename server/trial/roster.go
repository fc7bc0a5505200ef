package trial

import (
	"slices"
	"strings"

	"natter/app/jid"
	"natter/framing"
)

// contact is an entry of a roster (RFC 6121 §2).
type contact struct {
	jid     jid.JID
	name    string
	groups  []string
	sub     subscription
	listed  bool             // the client sees it; a mere request by a stranger is not listed
	request *framing.Element // the request that is open, nil if none
}

// contacts returns the roster in a stable order.
func (a *account) contacts() []*contact {
	all := make([]*contact, 0, len(a.roster))
	for _, i := range a.roster {
		all = append(all, i)
	}
	slices.SortFunc(all, func(x, y *contact) int { return strings.Compare(x.jid.String(), y.jid.String()) })
	return all
}

// put keeps a contact, or forgets it when there is nothing to be kept.
func (a *account) put(i *contact) {
	if !i.listed && i.sub == (subscription{}) {
		delete(a.roster, i.jid)
		return
	}
	a.roster[i.jid] = i
}

// strangers counts the people who have asked and whom the account does not know.
func (a *account) strangers() (n int) {
	for _, i := range a.roster {
		if !i.listed {
			n++
		}
	}
	return n
}

func (i *contact) item() *framing.Element {
	e := framing.New(nsRoster, "item").Set("jid", i.jid.String()).Set("name", i.name).
		Set("subscription", i.sub.String())
	if i.sub.pendingOut {
		e.Set("ask", "subscribe")
	}
	for _, g := range i.groups {
		e.Add(framing.New(nsRoster, "group").AddText(g))
	}
	return e
}

// push tells the clients that have asked for the roster of a change. It has no
// sender: it comes from the account itself (RFC 6121 §2.1.6).
func (s *Server) push(a *account, i *contact) { s.pushItem(a, i.item()) }

func (s *Server) pushItem(a *account, item *framing.Element) {
	for _, x := range a.sessions {
		if x.interested {
			x.send(framing.New(framing.NSClient, "iq").Set("type", "set").Set("id", s.o.NewID()).
				Set("to", x.jid.String()).Add(framing.New(nsRoster, "query").Add(item)))
		}
	}
}

// rosterQuery answers <query xmlns='jabber:iq:roster'/>.
func (s *Server) rosterQuery(x *session, iq, q *framing.Element) {
	if iq.Attr("type") == "get" {
		x.interested = true
		answer := framing.New(nsRoster, "query")
		for _, i := range x.account.contacts() {
			if i.listed {
				answer.Add(i.item())
			}
		}
		x.send(result(iq).Add(answer))
		return
	}
	item := q.Only(nsRoster, "item")
	if item == nil {
		x.refuse(iq, "bad-request") // RFC 6121 §2.3.3: exactly one
		return
	}
	address, err := jid.Parse(item.Attr("jid"))
	if err != nil || address.Local() == "" && address.Domain() == s.domain.String() {
		x.refuse(iq, "bad-request")
		return
	}
	address = address.Bare()
	if item.Attr("subscription") == "remove" {
		s.remove(x, iq, address)
		return
	}
	s.rename(x, iq, item, address)
}

// rename adds a contact, or changes its name and groups. The subscription is not
// the client's to set this way.
func (s *Server) rename(x *session, iq, item *framing.Element, address jid.JID) {
	var groups []string
	for _, g := range item.Elements() {
		if !g.Is(nsRoster, "group") {
			continue
		}
		switch {
		case g.Text() == "":
			x.refuse(iq, "not-acceptable")
			return
		case slices.Contains(groups, g.Text()):
			x.refuse(iq, "bad-request")
			return
		}
		groups = append(groups, g.Text())
	}
	i := x.account.roster[address]
	if i == nil {
		if len(x.account.roster) >= s.lim.Roster {
			x.refuse(iq, "resource-constraint")
			return
		}
		i = &contact{jid: address}
	}
	i.name, i.groups, i.listed = item.Attr("name"), groups, true
	x.account.put(i)
	x.send(result(iq))
	s.push(x.account, i)
}

// remove forgets a contact and ends the subscriptions both ways (RFC 6121 §2.5).
func (s *Server) remove(x *session, iq *framing.Element, address jid.JID) {
	i := x.account.roster[address]
	if i == nil || !i.listed {
		x.refuse(iq, "item-not-found")
		return
	}
	i.listed = false // what follows is told in one push, as removed
	for _, kind := range []string{"unsubscribe", "unsubscribed"} {
		if next, _ := i.sub.outbound(kind); next != i.sub {
			s.subscription(x.account, kind, framing.New(framing.NSClient, "presence").Set("type", kind), address)
		}
	}
	x.account.put(i)
	x.send(result(iq))
	s.pushItem(x.account, framing.New(nsRoster, "item").Set("jid", address.String()).Set("subscription", "remove"))
}
