// Package directory lists the rooms of the account's own server (XEP-0045 §6.2, §6.3; XEP-0030,
// XEP-0059).
package directory

import (
	"errors"
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

const (
	nsInfo  = "http://jabber.org/protocol/disco#info"
	nsItems = "http://jabber.org/protocol/disco#items"
	nsRSM   = "http://jabber.org/protocol/rsm"
	nsRooms = "http://jabber.org/protocol/muc"
)

const (
	// mostServices is how many of the server's components are asked what they are.
	mostServices = 30
	// atOnce is how many rooms a page has.
	atOnce = "100"
	// longestName is how many bytes of the name of a room are kept.
	longestName = 256
)

// New returns the feature.
func New() *feature.Feature {
	d := &directory{}
	return &feature.Feature{
		Name:  "rooms of the server (XEP-0045)",
		Start: func(feature.Client) { *d = directory{} },
		Do:    d.do,
	}
}

// directory has the rooms that were read in this stream.
type directory struct {
	turn  int // the number of the newest reading; answers to earlier ones are dropped
	found state.Directory
}

func (d *directory) do(c feature.Client, in state.Intent) bool {
	if _, ok := in.(state.BrowseRooms); !ok {
		return false
	}
	d.turn++
	d.found = state.Directory{Loading: true}
	d.tell(c)
	d.services(c, d.turn)
	return true
}

// tell emits what has been found so far.
func (d *directory) tell(c feature.Client) {
	found := d.found
	c.Emit(state.DirectoryRead{Directory: &found})
}

func (d *directory) end(c feature.Client, problem string) {
	d.found.Loading, d.found.Problem = false, problem
	d.tell(c)
}

// ask sends a query, and calls done with the query in the answer, unless a newer reading has begun.
func (d *directory) ask(c feature.Client, turn int, to jid.JID, query *framing.Element, done func(*framing.Element, error)) {
	iq := framing.New(framing.NSClient, "iq").Set("type", "get").Set("to", string(to)).Add(query)
	c.Request(iq, func(reply *framing.Element, err error) {
		if turn == d.turn && !errors.Is(err, stream.ErrDisconnected) {
			done(reply.Child(query.Name.Space, "query"), err)
		}
	})
}

// services finds the components of the server that have rooms.
func (d *directory) services(c feature.Client, turn int) {
	domain := jid.JID(c.State().Account().Domain())
	d.ask(c, turn, domain, framing.New(nsItems, "query"), func(query *framing.Element, err error) {
		var all []jid.JID
		for _, el := range query.Elements() {
			if j, err := jid.Parse(el.Attr("jid")); err == nil && j.IsBare() && el.Attr("node") == "" && len(all) < mostServices {
				all = append(all, j)
			}
		}
		if err != nil || len(all) == 0 {
			d.end(c, "This server has no list of rooms.")
			return
		}
		left := len(all)
		for _, service := range all {
			d.ask(c, turn, service, framing.New(nsInfo, "query"), func(query *framing.Element, _ error) {
				left--
				if hasRooms(query) {
					if d.found.Service == "" {
						d.found.Service = service
					}
					left++
					d.rooms(c, turn, service, "", func() {
						left--
						d.over(c, &left)
					})
				}
				d.over(c, &left)
			})
		}
	})
}

// over ends the reading when the last answer has come.
func (d *directory) over(c feature.Client, left *int) {
	switch {
	case *left > 0:
	case d.found.Service == "":
		d.end(c, "This server has no list of rooms.")
	default:
		d.end(c, "")
	}
}

// hasRooms reports whether a component has rooms.
func hasRooms(query *framing.Element) bool {
	for _, el := range query.Elements() {
		if el.Is(nsInfo, "feature") && el.Attr("var") == nsRooms {
			return true
		}
	}
	return false
}

// rooms reads the rooms of a service after one, page by page.
func (d *directory) rooms(c feature.Client, turn int, service jid.JID, after string, done func()) {
	set := framing.New(nsRSM, "set").Add(framing.New(nsRSM, "max").AddText(atOnce))
	if after != "" {
		set.Add(framing.New(nsRSM, "after").AddText(after))
	}
	d.ask(c, turn, service, framing.New(nsItems, "query").Add(set), func(query *framing.Element, err error) {
		n := 0
		for _, el := range query.Elements() {
			room, err := jid.Parse(el.Attr("jid"))
			if !el.Is(nsItems, "item") || err != nil || !room.IsBare() || room.Domain() != string(service) || room.Local() == "" {
				continue
			}
			if len(d.found.Rooms) == state.MostListed {
				n = 0
				break
			}
			name := el.Attr("name")
			name = strings.ToValidUTF8(strings.Clone(name[:min(len(name), longestName)]), "")
			d.found.Rooms = append(d.found.Rooms[:len(d.found.Rooms):len(d.found.Rooms)], state.Listed{JID: room, Name: name})
			n++
		}
		d.tell(c)
		last := query.Child(nsRSM, "set").Child(nsRSM, "last").Text()
		if err != nil || n == 0 || last == "" || last == after {
			done()
			return
		}
		d.rooms(c, turn, service, last, done)
	})
}
