package bookmarks

import (
	"natter/app/state"
	"natter/framing"
)

// nsNotify is the namespace of XEP-0492, and nsNotifyBefore the one that some clients still write.
const (
	nsNotify       = "urn:xmpp:notification-settings:1"
	nsNotifyBefore = "urn:xmpp:notification-settings:0"
)

// notify returns the Notify in the bookmark of a room, "" if it has none that we know. If there are several, the one
// for clients like ours counts (XEP-0492 §3).
func notify(conference *framing.Element) state.Notify {
	return inForce(settings(conference.Child(NS, "extensions"))).choice()
}

// settings returns the element for notifications in extensions, nil if there is none.
func settings(extensions *framing.Element) *framing.Element {
	if el := extensions.Child(nsNotify, "notify"); el != nil {
		return el
	}
	return extensions.Child(nsNotifyBefore, "notify")
}

// setting is a choice, and for which clients it is: the higher the number, the more it is for us; 0 is not for us.
type setting struct {
	*framing.Element
	rank int
}

func (s setting) choice() state.Notify {
	if s.Element == nil {
		return ""
	}
	return known(s.Name.Local)
}

// known returns the Notify for a word, "" if there is none.
func known(word string) state.Notify {
	for _, n := range []state.Notify{state.NotifyAll, state.NotifyNamed, state.NotifyNone} {
		if string(n) == word {
			return n
		}
	}
	return ""
}

func rank(el *framing.Element) int {
	switch category, typ := el.Attr("identity-category"), el.Attr("identity-type"); {
	case known(el.Name.Local) == "":
		return 0
	case category == "" && typ == "":
		return 1
	case category == "client" && typ == "":
		return 2
	case category == "client" && typ == "web":
		return 3
	}
	return 0
}

// inForce returns the setting that counts for us, the first of several equal ones.
func inForce(notify *framing.Element) (most setting) {
	for _, el := range notify.Elements() {
		if r := rank(el); r > most.rank {
			most = setting{el, r}
		}
	}
	return most
}

// notifying returns extensions with this choice. It replaces the setting that counts for us, and keeps those for other
// clients (XEP-0492 §3). It returns nil if there are no extensions and nothing was chosen.
func notifying(extensions *framing.Element, chosen state.Notify) *framing.Element {
	was := settings(extensions)
	now := inForce(was)
	if chosen == "" || now.choice() == chosen {
		return extensions
	}
	space := nsNotify
	if was != nil {
		space = was.Name.Space
	}
	notify, fallback := framing.New(space, "notify"), false
	for _, el := range was.Elements() {
		if r := rank(el); r != 3 && (r != 1 || now.rank > 1) {
			notify.Add(el)
			fallback = fallback || r == 1
		}
	}
	choice := framing.New(space, string(chosen))
	if now.Element != nil && now.rank != 2 {
		choice.Children = now.Children // extensions that only other clients know
	}
	if now.rank > 1 {
		choice.Set("identity-category", "client").Set("identity-type", "web")
	}
	notify.Add(choice)
	if now.rank > 1 && !fallback {
		notify.Add(framing.New(space, string(chosen)))
	}
	out := framing.New(NS, "extensions")
	for _, el := range extensions.Elements() {
		if el != was {
			out.Add(el)
		}
	}
	return out.Add(notify)
}
