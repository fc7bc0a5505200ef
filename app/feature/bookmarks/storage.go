package bookmarks

import (
	"errors"

	"natter/app/feature"
	"natter/app/jid"
	"natter/framing"
)

// Namespaces of XEP-0048, which is also the name of a node (XEP-0411), and of XEP-0049.
const (
	nsStorage = "storage:bookmarks"
	nsPrivate = "jabber:iq:private"
)

// loadStorage requests the older bookmarks, and calls none if the server cannot store them.
func (b *bookmarks) loadStorage(c feature.Client, none func()) {
	get := framing.New(framing.NSClient, "iq").Set("type", "get").
		Add(framing.New(nsPrivate, "query").Add(framing.New(nsStorage, "storage")))
	c.Request(get, func(reply *framing.Element, err error) {
		var refused *framing.StanzaError
		storage := reply.Child(nsPrivate, "query").Child(nsStorage, "storage")
		switch {
		case err == nil && storage != nil:
			b.asked = false
			b.storage = storage
			if len(storage.Elements()) == 0 {
				b.publishAll(c) // nothing was ever stored, or all of it is lost
				return
			}
			b.loaded(c, items(storage))
		case err == nil || errors.As(err, &refused):
			none()
		}
	})
}

// stored handles older bookmarks that another client has stored (XEP-0411 §3).
func (b *bookmarks) stored(c feature.Client, storage *framing.Element) {
	if storage == nil || b.items == nil {
		return
	}
	before := b.items
	b.storage, b.items = storage, map[jid.JID]*framing.Element{}
	for _, item := range items(storage).Elements() {
		b.item(c, item)
	}
	for r := range c.State().Rooms {
		if _, was := before[r.JID]; was && r.Saved && !joins(b.items[r.JID]) {
			b.gone(c, r.JID)
		}
	}
}

// items returns older bookmarks in the form of those of XEP-0402.
func items(storage *framing.Element) *framing.Element {
	all := framing.New(nsPubSub, "items")
	for _, old := range storage.Elements() {
		if !old.Is(nsStorage, "conference") {
			continue // a bookmark of a web page
		}
		conference := framing.New(NS, "conference").Set("autojoin", old.Attr("autojoin"))
		if name := old.Attr("name"); name != "" {
			conference.Set("name", name)
		}
		all.Add(framing.New(nsPubSub, "item").Set("id", old.Attr("jid")).Add(conference.Add(renamed(old, nsStorage, NS)...)))
	}
	return all
}

// renamed returns the children of a bookmark; those in the namespace from are in to now.
func renamed(conference *framing.Element, from, to string) (all []*framing.Element) {
	for _, el := range conference.Elements() {
		if el.Name.Space == from && el.Name.Local != "extensions" {
			el = framing.New(to, el.Name.Local).AddText(el.Text())
		}
		all = append(all, el)
	}
	return all
}

// store stores all older bookmarks. conference replaces the one of this room; if it is nil, that one is left out.
func (b *bookmarks) store(c feature.Client, room jid.JID, conference *framing.Element, done func(error)) {
	storage := framing.New(nsStorage, "storage")
	for _, el := range b.storage.Elements() {
		if !el.Is(nsStorage, "conference") || jid.JID(el.Attr("jid")) != room {
			storage.Add(el)
		}
	}
	if conference != nil {
		old := framing.New(nsStorage, "conference").Set("jid", string(room)).Set("autojoin", conference.Attr("autojoin"))
		if name := conference.Attr("name"); name != "" {
			old.Set("name", name)
		}
		storage.Add(old.Add(renamed(conference, NS, nsStorage)...))
	}
	b.storage = storage
	c.Request(framing.New(framing.NSClient, "iq").Set("type", "set").Add(framing.New(nsPrivate, "query").Add(storage)),
		func(_ *framing.Element, err error) { done(err) })
}
