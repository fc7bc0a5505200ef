// Package presence tells contacts that we are there, shows whether they are, and
// deals with who may see whom (RFC 6121 §3, §4).
package presence

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// New returns the feature.
func New() *feature.Feature {
	return &feature.Feature{
		Name: "presence and subscriptions (RFC 6121)",
		Presences: map[framing.Name]feature.Handler{
			{Space: framing.NSClient, Local: "presence"}: receive,
		},
		Start: func(c feature.Client) {
			p := c.State().OwnPresence
			if p.Show == state.Unavailable {
				p.Show = state.Available
			}
			tell(c, p)
		},
		Do: do,
	}
}

func receive(c feature.Client, st *feature.Stanza) {
	if st.From.Bare() == c.State().Account() {
		return // another client of ours
	}
	contact := c.State().Contact(st.From)
	switch st.Type {
	case "", "unavailable":
		if contact != nil && contact.InRoster {
			c.Emit(state.PresenceChanged{From: jid.JID(strings.Clone(st.From.String())), Presence: read(st)})
		}
	case "subscribe":
		if contact.SeesUs() {
			send(c, st.From, "subscribed") // they have our word already (RFC 6121 §3.1.3)
			return
		}
		text := short(st.Only(framing.NSClient, "status").Text())
		known := contact != nil && contact.AsksUs
		if known && contact.AskText == text || !known && c.State().Requests() >= state.MostRequests {
			return // nothing new, or more than anybody answers: not even an event
		}
		c.Emit(state.SubscriptionAsked{From: jid.JID(strings.Clone(st.From.Bare().String())), Text: text})
	case "unsubscribe":
		if contact != nil && contact.AsksUs {
			c.Emit(state.SubscriptionAnswered{From: st.From.Bare()})
		}
	}
	// subscribed and unsubscribed come with a roster push that says the same.
}

func read(st *feature.Stanza) state.Presence {
	if st.Type == "unavailable" {
		return state.Presence{}
	}
	p := state.Presence{
		Show:   state.Available,
		Status: short(st.Child(framing.NSClient, "status").Text()),
	}
	switch show := st.Only(framing.NSClient, "show").Text(); state.Show(show) {
	case state.ChatShow, state.Away, state.XA, state.DND:
		p.Show = state.Show(strings.Clone(show))
	}
	if n, err := strconv.ParseInt(st.Only(framing.NSClient, "priority").Text(), 10, 8); err == nil {
		p.Priority = int8(n)
	}
	return p
}

// short is as much of a text as is kept of what somebody says about themselves: 1 kB. It is a
// copy, for what it comes from may be large.
func short(text string) string {
	if end := 1024; len(text) > end {
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	return strings.Clone(text)
}

func do(c feature.Client, in state.Intent) bool {
	switch in := in.(type) {
	case state.SetPresence:
		tell(c, in.Presence)
	case state.AddContact:
		send(c, in.JID, "subscribe")
	case state.AcceptContact:
		send(c, in.JID, "subscribed")
		if contact := c.State().Contact(in.JID); contact == nil || contact.Subscription == state.SubscriptionNone {
			send(c, in.JID, "subscribe")
		}
		c.Emit(state.SubscriptionAnswered{From: in.JID})
	case state.DeclineContacts:
		for _, j := range in.JIDs {
			send(c, j, "unsubscribed")
			c.Emit(state.SubscriptionAnswered{From: j})
		}
	default:
		return false
	}
	return true
}

// tell sends our presence to the server, which passes it on to those who may see
// it.
func tell(c feature.Client, p state.Presence) {
	st := framing.New(framing.NSClient, "presence")
	switch p.Show {
	case state.Unavailable:
		st.Set("type", "unavailable")
	case state.Available:
	default:
		st.Add(framing.New(framing.NSClient, "show").AddText(string(p.Show)))
	}
	if p.Status != "" {
		st.Add(framing.New(framing.NSClient, "status").AddText(p.Status))
	}
	c.Decorate(st)
	c.Send(st)
	c.Emit(state.OwnPresenceChanged{Presence: p})
}

func send(c feature.Client, to jid.JID, typ string) {
	c.Send(framing.New(framing.NSClient, "presence").Set("type", typ).Set("to", to.Bare().String()))
}
