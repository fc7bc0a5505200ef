// Package presence tells contacts that we are there, shows whether they are, and
// deals with who may see whom (RFC 6121 §3, §4).
//
// Requests and answers are pending in the state until the server has them, see package roster.
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
		Start: func(c feature.Client) {
			p := c.State().OwnPresence
			if p.Show == state.Unavailable {
				p.Show = state.Available
			}
			tell(c, p)
		},
		Acknowledged: func(c feature.Client, st *framing.Element) { subs.arrived(c, st) },
		Lost:         subs.lost,
		Resumed:      subs.resumed,
		Observe:      subs.observe,
		Do:           do,
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
			c.Emit(state.SubscriptionWithdrawn{From: st.From.Bare()})
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

// bounced deals with a request of ours that did not get to who is asked.
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
		tell(c, in.Presence)
	case state.AddContact:
		pend(c, in.JID, state.Pending{Ask: true})
	case state.AcceptContact:
		if contact := c.State().Contact(in.JID); contact != nil && contact.AsksUs {
			pend(c, in.JID, state.Pending{Answer: state.Accept, Ask: contact.Subscription == state.SubscriptionNone})
		}
	case state.DeclineContacts:
		for _, j := range in.JIDs {
			if contact := c.State().Contact(j); contact != nil && contact.AsksUs {
				pend(c, j, state.Pending{Answer: state.Decline})
			}
		}
	default:
		return false
	}
	return true
}

// pend notes what the person has done to a contact. Who was asked already is not asked again.
func pend(c feature.Client, j jid.JID, more state.Pending) {
	var p state.Pending
	asked := false
	if contact := c.State().Contact(j); contact != nil {
		p = contact.Pending
		asked = contact.Asked || contact.Subscription == state.SubscriptionTo || contact.Subscription == state.SubscriptionBoth
	}
	p.Ask = p.Ask || more.Ask && !asked
	if more.Answer != "" {
		p.Answer = more.Answer
	}
	c.Emit(state.ContactPending{JID: j.Bare(), Pending: p})
}

// subscriptions knows what has been sent of what is pending.
type subscriptions struct {
	sent  map[leaving]bool
	doubt map[jid.JID]bool // whose another page may have sent: the roster will tell
}

type leaving struct {
	to  jid.JID
	typ string
}

func (s *subscriptions) observe(c feature.Client, ev state.Event) {
	switch ev := ev.(type) {
	case state.Cleared, state.Returned: // what another page has sent is told again
		s.sent, s.doubt = map[leaving]bool{}, nil
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
	case state.ContactSaved: // what this page has asked for
		delete(s.doubt, ev.JID)
		s.send(c, ev.JID)
	case state.ContactChanged:
		s.send(c, ev.Item.JID)
	}
}

// resumed waits for the roster, which is asked for what is pending then, see package roster.
func (s *subscriptions) resumed(c feature.Client) {
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

// send sends what is pending to a contact. Who is to be in the roster is asked when they are,
// under the name they are given there.
func (s *subscriptions) send(c feature.Client, j jid.JID) {
	contact := c.State().Contact(j)
	if contact == nil || c.State().Connection.Phase != state.Online || s.doubt[j] {
		return
	}
	switch contact.Pending.Answer {
	case state.Accept:
		s.leave(c, leaving{j, "subscribed"})
	case state.Decline:
		s.leave(c, leaving{j, "unsubscribed"})
	}
	if contact.Pending.Ask && contact.Pending.Edit == "" {
		s.leave(c, leaving{j, "subscribe"})
	}
}

func (s *subscriptions) leave(c feature.Client, what leaving) {
	if !s.sent[what] {
		s.sent[what] = true
		send(c, what.to, what.typ)
	}
}

// arrived: the server has it.
func (s *subscriptions) arrived(c feature.Client, st *framing.Element) {
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

// lost: whether the server has it is not known, or with an error that it never will.
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
