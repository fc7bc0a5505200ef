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

// notify returns of which messages of a room the person wants to be told, as its bookmark has it: ""
// if it says nothing that we know. What it says for a client like us counts most (XEP-0492 §3).
func notify(conference *framing.Element) state.Notify {
	return inForce(settings(conference.Child(NS, "extensions"))).choice()
}

// settings returns what extensions have of notifications, nil if nothing.
func settings(extensions *framing.Element) *framing.Element {
	if el := extensions.Child(nsNotify, "notify"); el != nil {
		return el
	}
	return extensions.Child(nsNotifyBefore, "notify")
}

// setting is a choice, and for whom it is: the higher the more it is meant for us, 0 for nobody.
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

// known returns a choice that a word stands for, "" for none.
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

// inForce returns the choice that counts for us; of several like that the first.
func inForce(notify *framing.Element) (most setting) {
	for _, el := range notify.Elements() {
		if r := rank(el); r > most.rank {
			most = setting{el, r}
		}
	}
	return most
}

// notifying returns extensions with a choice in them: what it replaces is the choice that counts for
// us, and all that is for others stays (XEP-0492 §3). It is nil if there are none and nothing was chosen.
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
		choice.Children = now.Children // what only others know
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
