package trial

import (
	"slices"
	"strconv"
	"strings"

	"natter/app/jid"
	"natter/framing"
)

// pubsubFeatures are what an account offers of XEP-0060.
var pubsubFeatures = []string{
	"access-open", "access-presence", "access-whitelist", "auto-create", "config-node", "config-node-max",
	"create-nodes", "delete-items", "delete-nodes", "filtered-notifications", "item-ids", "last-published",
	"multi-items", "persistent-items", "publish", "publish-options", "purge-nodes", "retract-items", "retrieve-items",
}

// node is what an account publishes under one name (XEP-0163), oldest first.
type node struct {
	nodeConfig
	items []item
}

type item struct {
	id   string
	e    *framing.Element
	size int
}

// nodeConfig says how a node is kept and for whom.
type nodeConfig struct {
	persist bool
	max     int    // items; older ones give way
	access  string // open, presence or whitelist: here the first two are for the contacts, the last for the account
	last    string // when its last item is sent to those who come: never, or with their presence
}

var accessModels = []string{"open", "presence", "whitelist"}

// with returns the configuration with these fields of a form changed, and whether that
// can be.
func (c nodeConfig) with(fields map[string][]string, most int) (nodeConfig, bool) {
	for name, values := range fields {
		if len(values) != 1 {
			return c, false
		}
		value, ok := values[0], true
		switch name {
		case "FORM_TYPE":
		case "pubsub#persist_items":
			c.persist, ok = boolean(value)
		case "pubsub#max_items":
			n, err := strconv.Atoi(value)
			if value == "max" {
				n, err = most, nil
			}
			c.max, ok = n, err == nil && n > 0 && n <= most
		case "pubsub#access_model":
			c.access, ok = value, slices.Contains(accessModels, value)
		case "pubsub#send_last_published_item":
			c.last, ok = value, slices.Contains([]string{"never", "on_sub", "on_sub_and_presence"}, value)
		default:
			ok = false // XEP-0060 §7.1.5: unknown fields are refused
		}
		if !ok {
			return c, false
		}
	}
	return c, true
}

func (c nodeConfig) form() *framing.Element {
	return form("form", nsPubSub+"#node_config",
		flag("pubsub#persist_items", c.persist),
		field("pubsub#max_items", "text-single", strconv.Itoa(c.max)),
		choice("pubsub#access_model", c.access, accessModels...),
		choice("pubsub#send_last_published_item", c.last, "never", "on_sub_and_presence"),
	)
}

// shares reports whether an account lets another one see a node of it.
func (a *account) shares(n *node, with jid.JID) bool {
	return with.Bare() == a.jid || n.access != "whitelist" && a.sharesWith(with)
}

// pubsub answers <pubsub xmlns='http://jabber.org/protocol/pubsub'/> of the account
// itself.
func (s *Server) pubsub(x *session, iq, q *framing.Element) {
	do := q.First()
	if iq.Attr("type") == "get" {
		s.nodeItems(x, iq, q)
		return
	}
	switch a := x.account; {
	case do.Is(nsPubSub, "publish"):
		s.publish(x, iq, do, q.Child(nsPubSub, "publish-options"))
	case do.Is(nsPubSub, "retract"):
		s.retract(x, iq, do)
	case do.Is(nsPubSub, "create"):
		name := do.Attr("node")
		c, condition := s.newNode(a, name, readForm(q.Child(nsPubSub, "configure").Child(nsForm, "x")))
		if a.nodes[name] != nil {
			condition = "conflict"
		}
		if condition != "" {
			x.refuse(iq, condition)
			return
		}
		a.nodes[name] = c
		x.send(result(iq))
	default:
		x.refuse(iq, "feature-not-implemented")
	}
}

// newNode makes a node that is not there yet, or returns why it cannot be.
func (s *Server) newNode(a *account, name string, options map[string][]string) (*node, string) {
	c, ok := nodeConfig{persist: true, max: 1, access: "presence", last: "on_sub_and_presence"}.with(options, s.lim.Items)
	switch {
	case name == "" || len(name) > s.lim.Note:
		return nil, "bad-request"
	case !ok:
		return nil, "not-acceptable"
	case len(a.nodes) >= s.lim.Nodes:
		return nil, "resource-constraint"
	}
	return &node{nodeConfig: c}, ""
}

// publish puts an item into a node, which it makes if it is not there, and tells those
// who want to know (XEP-0163 §3, XEP-0060 §7.1).
func (s *Server) publish(x *session, iq, p, options *framing.Element) {
	a, name := x.account, p.Attr("node")
	put := p.Only(nsPubSub, "item")
	if put == nil || len(put.Elements()) != 1 || len(put.Attr("id")) > s.lim.Note {
		x.refuse(iq, "bad-request")
		return
	}
	n, condition := a.nodes[name], ""
	wanted := readForm(options.Child(nsForm, "x"))
	if n == nil {
		n, condition = s.newNode(a, name, wanted)
	} else if c, ok := n.with(wanted, s.lim.Items); !ok || c != n.nodeConfig {
		x.send(withCause(errorReply(iq, "conflict"), "precondition-not-met"))
		return
	}
	if condition != "" {
		x.refuse(iq, condition)
		return
	}
	id := put.Attr("id")
	if id == "" {
		id = s.o.NewID()
	}
	i := newItem(id, put.First())
	if a.published+i.size > s.lim.Published {
		x.refuse(iq, "resource-constraint")
		return
	}
	a.nodes[name] = n
	if n.persist {
		a.drop(n, id)
		if len(n.items) >= n.max {
			a.drop(n, n.items[0].id)
		}
		n.items = append(n.items, i)
		a.published += i.size
	}
	x.send(result(iq).Add(framing.New(nsPubSub, "pubsub").Add(
		framing.New(nsPubSub, "publish").Set("node", name).Add(framing.New(nsPubSub, "item").Set("id", id)))))
	s.notify(x, n, name, i.event(name))
}

// newItem makes an item that shares no memory with the stanza it came in.
func newItem(id string, payload *framing.Element) item {
	text := framing.New(nsPubSub, "item").Set("id", id).Add(payload).String()
	return item{id: strings.Clone(id), e: ownMemory(text), size: len(text)}
}

// drop forgets an item and reports whether there was one.
func (a *account) drop(n *node, id string) bool {
	i := slices.IndexFunc(n.items, func(i item) bool { return i.id == id })
	if i < 0 {
		return false
	}
	a.published -= n.items[i].size
	n.items = slices.Delete(n.items, i, i+1)
	return true
}

// event is how others are told of an item.
func (i item) event(name string) *framing.Element {
	shown := *i.e
	shown.Name.Space = nsEvent
	return framing.New(nsEvent, "items").Set("node", name).Add(&shown)
}

// retract takes an item back (XEP-0060 §7.2).
func (s *Server) retract(x *session, iq, p *framing.Element) {
	name := p.Attr("node")
	id := p.Only(nsPubSub, "item").Attr("id")
	n := x.account.nodes[name]
	switch {
	case id == "":
		x.refuse(iq, "bad-request")
		return
	case n == nil || !x.account.drop(n, id):
		x.refuse(iq, "item-not-found")
		return
	}
	x.send(result(iq))
	if loud, _ := boolean(p.Attr("notify")); loud {
		s.notify(x, n, name, framing.New(nsEvent, "items").Set("node", name).
			Add(framing.New(nsEvent, "retract").Set("id", id)))
	}
}

// notify sends an event to the clients of the account and of its contacts that have
// said in their capabilities that they want it (XEP-0163 §4.3.2).
func (s *Server) notify(x *session, n *node, name string, event *framing.Element) {
	tell := func(b *account) {
		for _, other := range b.sessions {
			if other.available() && other.wants(name) {
				s.count(x, b)
				other.send(x.account.event(other, s.o.NewID(), event))
			}
		}
	}
	tell(x.account)
	for _, i := range x.account.contacts() {
		if b := s.find(i.jid); b != nil && b != x.account && x.account.shares(n, i.jid) {
			tell(b)
		}
	}
}

// event is the message that carries an event of an account to a client.
func (a *account) event(to *session, id string, event *framing.Element) *framing.Element {
	return framing.New(framing.NSClient, "message").Set("type", "headline").Set("id", id).
		Set("from", a.jid.String()).Set("to", to.jid.String()).Add(framing.New(nsEvent, "event").Add(event))
}

// nodeItems answers a request for the items of a node, all of them, the last ones or
// some by their ids (XEP-0060 §6.5). It is somebody else's if it is addressed to them.
func (s *Server) nodeItems(x *session, iq, q *framing.Element) {
	a := x.account
	if other := s.find(jid.JID(iq.Attr("to"))); other != nil {
		a = other
	}
	p := q.First()
	n := a.nodes[p.Attr("node")]
	switch {
	case !p.Is(nsPubSub, "items"):
		x.refuse(iq, "feature-not-implemented")
		return
	case n == nil:
		x.refuse(iq, "item-not-found")
		return
	case !a.shares(n, x.jid):
		x.refuse(iq, "forbidden")
		return
	}
	items := n.items
	if most, err := strconv.Atoi(p.Attr("max_items")); err == nil && most >= 0 && most < len(items) {
		items = items[len(items)-most:]
	}
	ids := make(map[string]struct{})
	for _, i := range p.Elements() {
		ids[i.Attr("id")] = struct{}{}
	}
	answer := framing.New(nsPubSub, "items").Set("node", p.Attr("node"))
	for _, i := range items {
		if _, ok := ids[i.id]; ok || len(ids) == 0 {
			answer.Add(i.e)
		}
	}
	x.send(result(iq).Add(framing.New(nsPubSub, "pubsub").Add(answer)))
}

// pubsubOwner configures, empties and deletes nodes (XEP-0060 §8).
func (s *Server) pubsubOwner(x *session, iq, q *framing.Element) {
	do := q.First()
	name := do.Attr("node")
	n := x.account.nodes[name]
	kind := iq.Attr("type")
	switch {
	case n == nil:
		x.refuse(iq, "item-not-found")
	case do.Is(nsPubSubOwner, "configure") && kind == "get":
		x.send(result(iq).Add(framing.New(nsPubSubOwner, "pubsub").Add(
			framing.New(nsPubSubOwner, "configure").Set("node", name).Add(n.form()))))
	case do.Is(nsPubSubOwner, "configure"):
		c, ok := n.with(readForm(do.Child(nsForm, "x")), s.lim.Items)
		if !ok {
			x.refuse(iq, "not-acceptable")
			return
		}
		n.nodeConfig = c
		for len(n.items) > c.max {
			x.account.drop(n, n.items[0].id)
		}
		x.send(result(iq))
	case kind == "set" && (do.Is(nsPubSubOwner, "purge") || do.Is(nsPubSubOwner, "delete")):
		for _, i := range n.items {
			x.account.published -= i.size
		}
		n.items = nil
		if do.Name.Local == "delete" {
			delete(x.account.nodes, name)
		}
		x.send(result(iq))
		s.notify(x, n, name, framing.New(nsEvent, do.Name.Local).Set("node", name))
	default:
		x.refuse(iq, "feature-not-implemented")
	}
}

// capabilities are what a client has said in its presence that it can do (XEP-0115).
type capabilities struct {
	ver   string // the name of the answer, as it says
	asked string // the id of the request, until it is answered
	wants map[string]struct{}
}

func (x *session) wants(node string) bool {
	_, ok := x.caps.wants[node]
	return ok
}

// askCaps asks a client what it can do if its presence names something new. It is
// asked itself, since nobody else can be believed.
func (s *Server) askCaps(x *session, p *framing.Element) {
	c := p.Child(nsCaps, "c")
	ver := c.Attr("node") + "#" + c.Attr("ver")
	if c == nil || ver == x.caps.ver || len(ver) > s.lim.Note {
		return
	}
	x.caps.ver, x.caps.asked = ver, s.o.NewID()
	x.send(framing.New(framing.NSClient, "iq").Set("type", "get").Set("id", x.caps.asked).
		Set("from", x.account.jid.String()).Set("to", x.jid.String()).
		Add(framing.New(nsInfo, "query").Set("node", ver)))
}

// learnCaps takes the answer, and sends the last items of what the client wants to
// know, of the account and of its contacts (XEP-0163 §4.3.4). It reports whether this
// was the answer.
func (s *Server) learnCaps(x *session, iq *framing.Element) bool {
	if x.caps.asked == "" || iq.Attr("id") != x.caps.asked {
		return false
	}
	before := x.caps.wants
	x.caps.asked, x.caps.wants = "", make(map[string]struct{})
	for _, f := range iq.Child(nsInfo, "query").Elements() {
		name, ok := strings.CutSuffix(f.Attr("var"), "+notify")
		if ok && len(x.caps.wants) < s.lim.Nodes {
			x.caps.wants[strings.Clone(name)] = struct{}{}
		}
	}
	fresh := func(a *account) {
		for name := range x.caps.wants {
			n := a.nodes[name]
			if _, old := before[name]; old || n == nil || len(n.items) == 0 || n.last != "on_sub_and_presence" || !a.shares(n, x.jid) {
				continue
			}
			x.send(a.event(x, s.o.NewID(), n.items[len(n.items)-1].event(name)))
		}
	}
	fresh(x.account)
	for _, i := range x.account.contacts() {
		if a := s.find(i.jid); a != nil && a != x.account && i.sub.to {
			fresh(a)
		}
	}
	return true
}

// withCause adds to an error what of XEP-0060 it is about.
func withCause(reply *framing.Element, cause string) *framing.Element {
	reply.Child(framing.NSClient, "error").Add(framing.New(nsPubSub+"#errors", cause))
	return reply
}
