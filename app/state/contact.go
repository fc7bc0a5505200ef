package state

import (
	"maps"
	"slices"

	"natter/app/jid"
	"natter/app/state/tree"
)

// Show is RFC 6121 §4.7.2.1, with Available and Unavailable made explicit.
type Show string

const (
	Unavailable Show = ""
	Available   Show = "available"
	ChatShow    Show = "chat"
	Away        Show = "away"
	XA          Show = "xa"
	DND         Show = "dnd"
)

// Presence is what one resource says about itself.
type Presence struct {
	Show     Show   `json:"show,omitempty"`
	Status   string `json:"status,omitempty"`
	Priority int8   `json:"priority,omitempty"`
}

// Subscription is RFC 6121 §2.1.2.5.
type Subscription string

const (
	SubscriptionNone Subscription = "none"
	SubscriptionTo   Subscription = "to"
	SubscriptionFrom Subscription = "from"
	SubscriptionBoth Subscription = "both"
)

// Contact is a roster item, somebody who asks to become one, or somebody the person wants to
// become one.
type Contact struct {
	Rev          uint64       `json:"-"`
	JID          jid.JID      `json:"jid"` // bare
	Name         string       `json:"name,omitempty"`
	Groups       []string     `json:"groups,omitempty"`
	InRoster     bool         `json:"roster,omitempty"`
	Subscription Subscription `json:"subscription,omitempty"`
	Asked        bool         `json:"asked,omitempty"` // we asked for their presence and wait for an answer
	AsksUs       bool         `json:"asks,omitempty"`  // they ask for ours and wait for our answer
	AskText      string       `json:"text,omitempty"`
	// Presences are by resource, "" for the bare address. The map is replaced, never written to.
	Presences map[string]Presence `json:"presences,omitempty"`
	Pending                       // changes by the person that the server has not confirmed
	Refused   string              `json:"refused,omitempty"` // which change the server has refused and why, until the person has read it
}

// Pending are changes of a contact by the person that the server has not confirmed. The other fields of a
// Contact are as the server has them.
type Pending struct {
	Edit   Edit   `json:"edit,omitempty"`
	Name   string `json:"editName,omitempty"` // with Add and Rename
	Ask    bool   `json:"ask,omitempty"`      // to see their presence
	Answer Answer `json:"answer,omitempty"`   // to their request to see ours
}

// Edit is a change of the roster.
type Edit string

const (
	Add    Edit = "add"
	Rename Edit = "rename"
	Remove Edit = "remove"
)

// Answer is the answer to somebody who asks to see our presence.
type Answer string

const (
	Accept  Answer = "accept"
	Decline Answer = "decline"
)

// Listed reports whether the contact is in the roster, or is being added.
func (c *Contact) Listed() bool { return c != nil && (c.InRoster || c.Pending.Edit == Add) }

// name returns the name that the person has given to the contact.
func (c *Contact) name() string {
	switch {
	case c == nil:
		return ""
	case c.Pending.Edit == Add && c.Pending.Name != "", c.Pending.Edit == Rename:
		return c.Pending.Name
	}
	return c.Name
}

// Asks reports whether the contact waits for the person's answer.
func (c *Contact) Asks() bool { return c != nil && c.AsksUs && c.Pending.Answer == "" }

// stays reports whether the contact must be kept.
func (c *Contact) stays() bool {
	return c.InRoster || c.AsksUs || c.Pending != (Pending{}) || c.Refused != ""
}

// confirm removes the pending changes that the server has.
func (c *Contact) confirm() {
	p := &c.Pending
	switch {
	case c.InRoster && (p.Edit == Add && p.Name == "" || p.Edit != Remove && p.Name == c.Name):
		p.Edit, p.Name = "", ""
	case !c.InRoster && p.Edit != Add:
		p.Edit, p.Name = "", ""
	}
	p.Ask = p.Ask && !c.Asked && c.Subscription != SubscriptionTo && c.Subscription != SubscriptionBoth
	if c.SeesUs() {
		p.Answer, c.AsksUs, c.AskText = "", false, ""
	}
}

// Presence returns the presence to show: that of the resource with the highest priority, the most available
// one if several have it.
func (c *Contact) Presence() Presence {
	var best Presence
	if c == nil {
		return best
	}
	for _, p := range c.Presences {
		if best.Show == Unavailable || p.Priority > best.Priority ||
			p.Priority == best.Priority && rank(p.Show) > rank(best.Show) {
			best = p
		}
	}
	return best
}

// SeesUs reports whether a contact may see our presence. A receipt or a marker for anybody
// else would tell them that we are there.
func (c *Contact) SeesUs() bool {
	return c != nil && (c.Subscription == SubscriptionFrom || c.Subscription == SubscriptionBoth)
}

// Resource returns the presence of one resource, Unavailable if it is not there.
func (c *Contact) Resource(resource string) Presence {
	if c == nil {
		return Presence{}
	}
	return c.Presences[resource]
}

func rank(s Show) int {
	switch s {
	case ChatShow:
		return 5
	case Available:
		return 4
	case DND:
		return 3
	case Away:
		return 2
	case XA:
		return 1
	}
	return 0
}

// RosterItem is a contact as the roster has it.
type RosterItem struct {
	JID          jid.JID
	Name         string
	Groups       []string
	Subscription Subscription
	Asked        bool
}

// RosterLoaded: the whole roster arrived.
type RosterLoaded struct{ Items []RosterItem }

func (ev RosterLoaded) apply(s *State) {
	s.RosterLoaded = true
	all := tree.New[jid.JID, *Contact](order)
	for c := range s.Contacts {
		left := &Contact{
			Rev: s.Rev, JID: c.JID, Subscription: SubscriptionNone,
			AsksUs: c.AsksUs, AskText: c.AskText, Pending: c.Pending, Refused: c.Refused,
		}
		if left.confirm(); left.stays() {
			all = all.Set(c.JID, left)
		}
	}
	for _, item := range ev.Items {
		old := s.Contact(item.JID)
		if old != nil && item.is(old) {
			all = all.Set(item.JID, old) // it has not changed, so it is neither stored nor drawn again
			continue
		}
		c := &Contact{JID: item.JID}
		if old != nil {
			*c = *old
		}
		c.Rev = s.Rev
		item.fill(c)
		all = all.Set(c.JID, c)
	}
	s.setContacts(all)
}

// is reports whether the contact is as the item says.
func (item RosterItem) is(c *Contact) bool {
	return c.InRoster && c.Name == item.Name && c.Subscription == item.Subscription && c.Asked == item.Asked &&
		slices.Equal(c.Groups, item.Groups) && !(c.AsksUs && c.SeesUs()) && c.Pending == (Pending{})
}

func (item RosterItem) fill(c *Contact) {
	c.InRoster = true
	c.Name, c.Groups = item.Name, item.Groups
	c.Subscription, c.Asked = item.Subscription, item.Asked
	c.confirm()
}

// ContactChanged: the roster has a new or different item.
type ContactChanged struct{ Item RosterItem }

func (ev ContactChanged) apply(s *State) {
	c := s.contact(ev.Item.JID)
	ev.Item.fill(c)
	s.setContact(c)
}

// ContactRemoved: the roster no longer has this item.
type ContactRemoved struct{ JID jid.JID }

func (ev ContactRemoved) apply(s *State) {
	if old := s.Contact(ev.JID); old != nil {
		c := &Contact{
			JID: old.JID, Subscription: SubscriptionNone,
			AsksUs: old.AsksUs, AskText: old.AskText, Pending: old.Pending, Refused: old.Refused,
		}
		c.confirm()
		s.setContact(c)
	}
}

// ContactPending: the person has changed a contact. Pending has all their changes that the server has not
// confirmed.
type ContactPending struct {
	JID     jid.JID
	Pending Pending
}

func (ev ContactPending) apply(s *State) {
	c := s.contact(ev.JID)
	c.Pending, c.Refused = ev.Pending, ""
	s.setContact(c)
}

// ContactSaved: the server has put a contact into the roster under this name. The server also sends the
// contact to all clients, which is a ContactChanged.
type ContactSaved struct {
	JID  jid.JID
	Name string
}

func (ev ContactSaved) apply(s *State) {
	c := s.contact(ev.JID)
	c.InRoster, c.Name = true, ev.Name
	c.confirm()
	s.setContact(c)
}

// ContactRefused: the server has refused a change of a contact, which is undone.
type ContactRefused struct {
	JID jid.JID
	Of  Pending // the refused change; all other fields are zero
	Why string  // the text that the person reads after the contact's name
}

func (ev ContactRefused) apply(s *State) {
	c := s.contact(ev.JID)
	if ev.Of.Edit != "" {
		c.Pending.Edit, c.Pending.Name = "", ""
	}
	if ev.Of.Ask || ev.Of.Edit == Add {
		c.Pending.Ask = false
	}
	if ev.Of.Answer != "" {
		c.Pending.Answer = ""
	}
	c.Refused = ev.Why
	s.setContact(c)
}

// RefusalRead: the person has read why a change of a contact was refused.
type RefusalRead struct{ JID jid.JID }

func (ev RefusalRead) apply(s *State) {
	c := s.contact(ev.JID)
	c.Refused = ""
	s.setContact(c)
}

// SubscriptionSent: the server has our request to see a contact's presence, or, with an
// Answer, our answer to theirs.
type SubscriptionSent struct {
	To     jid.JID
	Answer Answer
}

func (ev SubscriptionSent) apply(s *State) {
	c := s.contact(ev.To)
	if ev.Answer == "" {
		c.Pending.Ask = false
	} else {
		c.Pending.Answer, c.AsksUs, c.AskText = "", false, ""
	}
	s.setContact(c)
}

// SubscriptionAsked: somebody wants to see our presence. It changes nothing if that is known, or if there
// are MostRequests.
type SubscriptionAsked struct {
	From jid.JID
	Text string
}

// MostRequests is how many contacts may have a request without an answer. The server keeps further
// requests, and delivers them when a new stream starts (RFC 6121 §3.1.3).
const MostRequests = 1000

func (ev SubscriptionAsked) apply(s *State) {
	c := s.contact(ev.From)
	if c.AsksUs && c.AskText == ev.Text || !c.AsksUs && s.requests >= MostRequests {
		return
	}
	c.AsksUs, c.AskText = true, ev.Text
	s.setContact(c)
}

// SubscriptionWithdrawn: somebody no longer wants to see our presence.
type SubscriptionWithdrawn struct{ From jid.JID }

func (ev SubscriptionWithdrawn) apply(s *State) {
	c := s.contact(ev.From)
	c.AsksUs, c.AskText, c.Pending.Answer = false, "", ""
	s.setContact(c)
}

// PresenceChanged: a resource of a contact has another presence, or the bare address has, because
// gateways have no resources. If the bare address is unavailable, no resource is there
// (RFC 6121 §4.3.2).
type PresenceChanged struct {
	From     jid.JID
	Presence Presence
}

// mostResources is how many resources of a contact are remembered: its server may make up any number of
// them.
const mostResources = 100

func (ev PresenceChanged) apply(s *State) {
	c, resource := s.contact(ev.From), ev.From.Resource()
	old, known := c.Presences[resource]
	switch {
	case ev.Presence.Show == Unavailable && resource == "":
		if len(c.Presences) > 0 {
			c.Presences = nil
			s.setContact(c)
		}
	case ev.Presence.Show == Unavailable && known:
		c.Presences = maps.Clone(c.Presences)
		delete(c.Presences, resource)
		s.setContact(c)
	case ev.Presence.Show != Unavailable && old != ev.Presence && (known || len(c.Presences) < mostResources):
		others := c.Presences
		c.Presences = make(map[string]Presence, len(others)+1)
		maps.Copy(c.Presences, others)
		c.Presences[resource] = ev.Presence
		s.setContact(c)
	}
	if chat := s.Chat(Direct.With(ev.From)); chat != nil && chat.Resource != "" {
		// Any change of presence unlocks the resource (RFC 6121 §5.1).
		unlocked := *chat
		unlocked.Resource = ""
		s.setChat(&unlocked)
	}
}

// OwnPresenceChanged: contacts see another presence of us.
type OwnPresenceChanged struct{ Presence Presence }

func (ev OwnPresenceChanged) apply(s *State) { s.OwnPresence = ev.Presence }
