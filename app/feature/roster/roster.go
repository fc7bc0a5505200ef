// Package roster keeps the contact list (RFC 6121 §2).
//
// Changes by the person are pending in the state until the server confirms them. They are
// requested when there is a connection, one change per contact at a time. A change that is
// pending when a stream starts, or that another page has requested, may have been made
// already. Then the whole roster is requested, and after that the changes that it does not have.
package roster

import (
	"errors"
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// NS is the namespace of RFC 6121 §2.
const NS = "jabber:iq:roster"

// New returns the feature.
func New() *feature.Feature {
	l := &list{nothing()}
	return &feature.Feature{
		Name: "roster (RFC 6121)",
		Requests: map[framing.Name]feature.Handler{
			{Space: NS, Local: "query"}: push,
		},
		Start:   load,
		Resumed: l.resumed,
		Observe: l.observe,
		Do:      l.do,
	}
}

func load(c feature.Client) {
	get := framing.New(framing.NSClient, "iq").Set("type", "get").Add(framing.New(NS, "query"))
	c.Request(get, func(reply *framing.Element, err error) {
		if err != nil {
			return // the stream is lost, or the server has no roster: the next Start retries
		}
		var loaded state.RosterLoaded
		for _, el := range reply.Child(NS, "query").Elements() {
			if item, ok := read(el); ok && el.Attr("subscription") != "remove" {
				loaded.Items = append(loaded.Items, item)
			}
		}
		c.Emit(loaded)
	})
}

// push applies a change that the server sends. It must come from our own account: otherwise
// anybody could edit the contact list (RFC 6121 §2.1.6, CVE-2015-8688, CVE-2016-9928,
// CVE-2019-16236).
func push(c feature.Client, st *feature.Stanza) {
	if st.Type != "set" || st.From != c.State().Account() {
		c.Refuse(st, "cancel", "service-unavailable")
		return
	}
	els := st.First().Elements()
	if len(els) != 1 {
		c.Refuse(st, "modify", "bad-request")
		return
	}
	c.Reply(st)
	item, ok := read(els[0])
	switch {
	case !ok:
	case els[0].Attr("subscription") == "remove":
		c.Emit(state.ContactRemoved{JID: item.JID})
	default:
		c.Emit(state.ContactChanged{Item: item})
	}
}

// read reads one item; an item without an address is none.
func read(el *framing.Element) (item state.RosterItem, ok bool) {
	item = state.RosterItem{
		JID:          jid.JID(strings.Clone(el.Attr("jid"))).Bare(),
		Name:         strings.Clone(el.Attr("name")),
		Subscription: state.Subscription(strings.Clone(el.Attr("subscription"))),
		Asked:        el.Attr("ask") == "subscribe",
	}
	switch item.Subscription {
	case state.SubscriptionTo, state.SubscriptionFrom, state.SubscriptionBoth:
	default:
		item.Subscription = state.SubscriptionNone
	}
	for _, g := range el.Elements() {
		if g.Is(NS, "group") && g.Text() != "" {
			item.Groups = append(item.Groups, strings.Clone(g.Text()))
		}
	}
	return item, el.Is(NS, "item") && item.JID != ""
}

// list has the contacts whose change has been requested and not answered.
type list struct{ under *way }

type way struct{ contacts map[jid.JID]bool }

func nothing() *way { return &way{map[jid.JID]bool{}} }

func (l *list) observe(c feature.Client, ev state.Event) {
	switch ev := ev.(type) {
	case state.RosterLoaded:
		if c.State().Unsaved() == 0 {
			return
		}
		for contact := range c.State().Contacts {
			l.save(c, contact.JID)
		}
	case state.ContactPending:
		l.save(c, ev.JID)
	}
}

// resumed fetches the roster if a change is pending that this page has not requested.
func (l *list) resumed(c feature.Client, _ bool) {
	if c.State().Unsaved() == 0 {
		return
	}
	for contact := range c.State().Contacts {
		if contact.Pending != (state.Pending{}) && !l.under.contacts[contact.JID] {
			load(c)
			return
		}
	}
}

func (l *list) do(c feature.Client, in state.Intent) bool {
	switch in := in.(type) {
	case state.AddContact:
		feature.Emit(c, c.State().Edited(in.JID, state.Add, in.Name))
	case state.RenameContact, state.RemoveContact, state.DismissRefusal:
		feature.Emit(c, state.Shown(in, c.State()))
	default:
		return false
	}
	return true
}

// save requests the pending change of a contact (RFC 6121 §2.3, §2.5). If an earlier change
// has no answer yet, this one follows after it.
func (l *list) save(c feature.Client, j jid.JID) {
	contact := c.State().Contact(j)
	if contact == nil || contact.Pending.Edit == "" || c.State().Connection.Phase != state.Online || l.under.contacts[j] {
		return
	}
	p := contact.Pending
	item := framing.New(NS, "item").Set("jid", j.String())
	if p.Edit == state.Remove {
		if !contact.InRoster {
			c.Emit(state.ContactRemoved{JID: j})
			return
		}
		item.Set("subscription", "remove")
	} else {
		if contact.InRoster && (p.Name == contact.Name || p.Name == "" && p.Edit == state.Add) {
			c.Emit(state.ContactSaved{JID: j, Name: contact.Name})
			return
		}
		item.Set("name", p.Name)
		for _, g := range contact.Groups {
			item.Add(framing.New(NS, "group").AddText(g))
		}
	}
	under := l.under
	under.contacts[j] = true
	c.Request(framing.New(framing.NSClient, "iq").Set("type", "set").Add(framing.New(NS, "query").Add(item)),
		func(_ *framing.Element, err error) {
			if under != l.under {
				return
			}
			delete(under.contacts, j)
			l.saved(c, j, p, err)
		})
}

// saved handles the answer to a change, and requests the next change of that contact, if
// any.
func (l *list) saved(c feature.Client, j jid.JID, p state.Pending, err error) {
	var refused *framing.StanzaError
	gone := errors.As(err, &refused) && refused.Condition == "item-not-found"
	contact := c.State().Contact(j)
	switch {
	case err == nil && p.Edit != state.Remove:
		c.Emit(state.ContactSaved{JID: j, Name: p.Name})
	case err == nil, gone && p.Edit == state.Remove:
		c.Emit(state.ContactRemoved{JID: j})
	default:
		why := feature.Refusal(err)
		if why == "" {
			return // the result is unknown until the next roster
		}
		if contact != nil && contact.Pending.Edit == p.Edit && contact.Pending.Name == p.Name {
			c.Emit(state.ContactRefused{JID: j, Of: state.Pending{Edit: p.Edit}, Why: undone[p.Edit] + why})
		}
	}
	l.save(c, j)
}

var undone = map[state.Edit]string{
	state.Add:    "could not be added to your contacts. ",
	state.Rename: "could not be renamed. ",
	state.Remove: "could not be removed from your contacts. ",
}
