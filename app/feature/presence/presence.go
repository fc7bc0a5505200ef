// Package presence sends our presence, shows that of contacts, and manages subscriptions
// (RFC 6121 §3, §4).
//
// Subscription requests and answers are pending in the state until the server has them, see
// package roster.
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
	subs := &subscriptions{sent: map[leaving]bool{}}
	return &feature.Feature{
		Name: "presence and subscriptions (RFC 6121)",
		Presences: map[framing.Name]feature.Handler{
			{Space: framing.NSClient, Local: "presence"}: receive,
			{Space: framing.NSClient, Local: "error"}:    bounced,
		},
		Start:        announce,
		Acknowledged: func(c feature.Client, st *framing.Element) { subs.confirmed(c, st) },
		Lost:         subs.lost,
		Resumed:      subs.resumed,
		Observe:      subs.observe,
		Do:           do,
	}
}

// announce sends our presence.
func announce(c feature.Client) {
	p := c.State().OwnPresence
	if p.Show == state.Unavailable {
		p.Show = state.Available
	}
	sendPresence(c, p)
}

func receive(c feature.Client, st *feature.Stanza) {
	if st.By.Mine {
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
			send(c, st.From, "subscribed") // the person has accepted before (RFC 6121 §3.1.3)
			return
		}
		text := shortCopy(st.Only(framing.NSClient, "status").Text())
		known := contact != nil && contact.AsksUs
		if known && contact.AskText == text || !known && c.State().Requests() >= state.MostRequests {
			return // a repetition, or one of too many: no event
		}
		c.Emit(state.SubscriptionAsked{From: jid.JID(strings.Clone(string(st.By.JID))), Text: text})
	case "unsubscribe":
		if contact != nil && contact.AsksUs {
			c.Emit(state.SubscriptionWithdrawn{From: st.By.JID})
		}
	}
	// subscribed and unsubscribed are ignored: a roster push says the same.
}

func read(st *feature.Stanza) state.Presence {
	if st.Type == "unavailable" {
		return state.Presence{}
	}
	p := state.Presence{
		Show:   state.Available,
		Status: shortCopy(st.Child(framing.NSClient, "status").Text()),
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

// shortCopy returns the first kilobyte of a status text, as a copy, because the stanza it is
// from may be large.
func shortCopy(text string) string {
	if end := 1024; len(text) > end {
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	return strings.Clone(text)
}

// bounced handles the error for a subscription request of ours.
func bounced(c feature.Client, st *feature.Stanza) {
	contact := c.State().Contact(st.From)
	if st.From.Resource() != "" || contact == nil || !contact.Asked && !contact.Pending.Ask {
		return
	}
	why := "was not reached by your request. " + feature.Refusal(framing.ReadStanzaError(st.Element))
	if why != contact.Refused {
		c.Emit(state.ContactRefused{JID: contact.JID, Of: state.Pending{Ask: true}, Why: why})
	}
}

func do(c feature.Client, in state.Intent) bool {
	switch in := in.(type) {
	case state.SetPresence:
		sendPresence(c, in.Presence)
	case state.AddContact:
		feature.Emit(c, c.State().Wanted(in.JID, state.Pending{Ask: true}))
	case state.AcceptContact, state.DeclineContacts:
		feature.Emit(c, state.Shown(in, c.State()))
	default:
		return false
	}
	return true
}

// subscriptions has the pending requests and answers that have been sent.
type subscriptions struct {
	sent  map[leaving]bool
	doubt map[jid.JID]bool // contacts for whom another page may have sent it; the roster decides
}

type leaving struct {
	to  jid.JID
	typ string
}

func (s *subscriptions) observe(c feature.Client, ev state.Event) {
	switch ev := ev.(type) {
	case state.RosterLoaded:
		s.doubt = nil
		if c.State().Unsaved() == 0 {
			return
		}
		for contact := range c.State().Contacts {
			s.send(c, contact.JID)
		}
	case state.ContactPending:
		delete(s.doubt, ev.JID)
		s.send(c, ev.JID)
	case state.ContactSaved: // a change that this page has requested
		delete(s.doubt, ev.JID)
		s.send(c, ev.JID)
	case state.ContactChanged:
		s.send(c, ev.Item.JID)
	}
}

// resumed waits for the roster, which package roster requests if something is pending.
func (s *subscriptions) resumed(c feature.Client, lost bool) {
	if lost {
		announce(c)
	}
	s.doubt = map[jid.JID]bool{}
	if c.State().Unsaved() == 0 {
		return
	}
	for contact := range c.State().Contacts {
		if contact.Pending != (state.Pending{}) {
			s.doubt[contact.JID] = true
		}
	}
}

// send sends what is pending for a contact. A subscription request waits until the contact is
// in the roster, because it carries the name given there.
func (s *subscriptions) send(c feature.Client, j jid.JID) {
	contact := c.State().Contact(j)
	if contact == nil || c.State().Connection.Phase != state.Online || s.doubt[j] {
		return
	}
	switch contact.Pending.Answer {
	case state.Accept:
		s.sendOnce(c, leaving{j, "subscribed"})
	case state.Decline:
		s.sendOnce(c, leaving{j, "unsubscribed"})
	}
	if contact.Pending.Ask && contact.Pending.Edit == "" {
		s.sendOnce(c, leaving{j, "subscribe"})
	}
}

func (s *subscriptions) sendOnce(c feature.Client, what leaving) {
	if !s.sent[what] {
		s.sent[what] = true
		send(c, what.to, what.typ)
	}
}

// confirmed ends what is pending: the server has it.
func (s *subscriptions) confirmed(c feature.Client, st *framing.Element) {
	to, typ := jid.JID(st.Attr("to")), st.Attr("type")
	delete(s.sent, leaving{to, typ})
	contact := c.State().Contact(to)
	if !st.Is(framing.NSClient, "presence") || contact == nil {
		return
	}
	switch p := contact.Pending; {
	case typ == "subscribe" && p.Ask:
		c.Emit(state.SubscriptionSent{To: to})
	case typ == "subscribed" && p.Answer == state.Accept:
		c.Emit(state.SubscriptionSent{To: to, Answer: state.Accept})
	case typ == "unsubscribed" && p.Answer == state.Decline:
		c.Emit(state.SubscriptionSent{To: to, Answer: state.Decline})
	}
}

// lost handles a stanza of which nobody knows whether the server has it, or, with an error,
// that can never be sent.
func (s *subscriptions) lost(c feature.Client, st *framing.Element, err error) {
	to, typ := jid.JID(st.Attr("to")), st.Attr("type")
	if !st.Is(framing.NSClient, "presence") || !s.sent[leaving{to, typ}] {
		return
	}
	delete(s.sent, leaving{to, typ})
	contact := c.State().Contact(to)
	if why := feature.Refusal(err); why != "" && contact != nil {
		c.Emit(state.ContactRefused{JID: to, Of: state.Pending{Ask: typ == "subscribe", Answer: answers[typ]},
			Why: "was not told. " + why})
	}
}

var answers = map[string]state.Answer{"subscribed": state.Accept, "unsubscribed": state.Decline}

// sendPresence sends our presence to the server, which forwards it to contacts who may see it.
func sendPresence(c feature.Client, p state.Presence) {
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
