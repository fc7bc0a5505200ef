package feature

import (
	"errors"

	"natter/framing"
)

// Namespaces of XEP-0030, XEP-0004 and XEP-0060.
const (
	nsInfo    = "http://jabber.org/protocol/disco#info"
	nsPubSub  = "http://jabber.org/protocol/pubsub"
	nsErrors  = nsPubSub + "#errors"
	nsOwner   = nsPubSub + "#owner"
	nsConfig  = nsPubSub + "#node_config"
	nsOptions = nsPubSub + "#publish-options"
)

// Account asks our own account what it can do (XEP-0030 §3), and calls done on the loop with the names
// of its features. There are none if the request fails. Private is one of them if nobody else has to see
// what we publish.
func Account(c Client, done func(has map[string]bool)) {
	iq := framing.New(framing.NSClient, "iq").Set("type", "get").Set("to", string(c.State().Account())).Add(framing.New(nsInfo, "query"))
	c.Request(iq, func(reply *framing.Element, err error) {
		has := map[string]bool{}
		if err == nil {
			for _, el := range reply.Child(nsInfo, "query").Elements() {
				if el.Is(nsInfo, "feature") {
					has[el.Attr("var")] = true
				}
			}
		}
		done(has)
	})
}

// Private is the feature of an account that can publish items which nobody else may read
// (XEP-0223 §5).
const Private = nsOptions

// Items requests all items of a node of our own account. done is called on the loop with <items/>, nil
// with an error.
func Items(c Client, node string, done func(items *framing.Element, err error)) {
	get := framing.New(framing.NSClient, "iq").Set("type", "get").
		Add(framing.New(nsPubSub, "pubsub").Add(framing.New(nsPubSub, "items").Set("node", node)))
	c.Request(get, func(reply *framing.Element, err error) {
		done(reply.Child(nsPubSub, "pubsub").Child(nsPubSub, "items"), err)
	})
}

// Publish publishes an item that nobody else may read; the account must have Private. If others may
// read the node, it first configures the node, and then publishes once more (XEP-0060 §7.1.5).
func Publish(c Client, node, id string, payload *framing.Element, done func(error)) {
	publish(c, node, id, payload, func(err error) {
		var refused *framing.StanzaError
		if !errors.As(err, &refused) || !refused.App.Is(nsErrors, "precondition-not-met") {
			done(err)
			return
		}
		configure := framing.New(nsOwner, "pubsub").Add(framing.New(nsOwner, "configure").Set("node", node).Add(kept(nsConfig)))
		c.Request(framing.New(framing.NSClient, "iq").Set("type", "set").Add(configure), func(_ *framing.Element, err error) {
			if err != nil {
				done(err)
				return
			}
			publish(c, node, id, payload, done)
		})
	})
}

func publish(c Client, node, id string, payload *framing.Element, done func(error)) {
	c.Request(framing.New(framing.NSClient, "iq").Set("type", "set").Add(framing.New(nsPubSub, "pubsub").Add(
		framing.New(nsPubSub, "publish").Set("node", node).Add(framing.New(nsPubSub, "item").Set("id", id).Add(payload)),
		framing.New(nsPubSub, "publish-options").Add(kept(nsOptions)))),
		func(_ *framing.Element, err error) { done(err) })
}

// kept returns the form of this type that makes a node keep all its items, and lets nobody else read
// them (XEP-0223 §4).
func kept(kind string) *framing.Element {
	return Submit(
		Field("FORM_TYPE", kind), Field("pubsub#persist_items", "true"), Field("pubsub#max_items", "max"),
		Field("pubsub#send_last_published_item", "never"), Field("pubsub#access_model", "whitelist"))
}
