// Package roster keeps the contact list (RFC 6121 §2).
package roster

import (
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
	return &feature.Feature{
		Name: "roster (RFC 6121)",
		Requests: map[framing.Name]feature.Handler{
			{Space: NS, Local: "query"}: push,
		},
		Start: load,
		Do:    do,
	}
}

func load(c feature.Client) {
	get := framing.New(framing.NSClient, "iq").Set("type", "get").Add(framing.New(NS, "query"))
	c.Request(get, func(reply *framing.Element, err error) {
		if err != nil {
			return // the stream is gone, or the server has no roster: the next start asks again
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

// push deals with a change the server tells of. Only our own account may: a push
// from anybody else would let them edit the contact list (RFC 6121 §2.1.6,
// CVE-2015-8688, CVE-2016-9928, CVE-2019-16236).
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

func do(c feature.Client, in state.Intent) bool {
	switch in := in.(type) {
	case state.AddContact:
		set(c, in.JID, in.Name, nil)
	case state.RenameContact:
		var groups []string
		if contact := c.State().Contact(in.JID); contact != nil {
			groups = contact.Groups
		}
		set(c, in.JID, in.Name, groups)
	case state.RemoveContact:
		request(c, framing.New(NS, "item").
			Set("jid", in.JID.Bare().String()).Set("subscription", "remove"))
	default:
		return false
	}
	return true
}

// set asks for one item (RFC 6121 §2.3). The state changes when the server pushes it.
func set(c feature.Client, j jid.JID, name string, groups []string) {
	item := framing.New(NS, "item").Set("jid", j.Bare().String()).Set("name", name)
	for _, g := range groups {
		item.Add(framing.New(NS, "group").AddText(g))
	}
	request(c, item)
}

func request(c feature.Client, item *framing.Element) {
	c.Request(framing.New(framing.NSClient, "iq").Set("type", "set").
		Add(framing.New(NS, "query").Add(item)), func(*framing.Element, error) {})
}
