// Package archive reads the account's message archive (XEP-0313): what was missed
// when a stream starts, and older pages when somebody scrolls back.
//
// A result is believed only while the query it names is open and only from our own
// account (CVE-2019-16237, CVE-2020-26547). Where to go on is always an id that the
// archive itself gave for a page: ids on live messages can be forged, and a forged
// one would make every later query fail.
package archive

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// Namespaces of XEP-0313 and XEP-0059.
const (
	NS    = "urn:xmpp:mam:2"
	nsRSM = "http://jabber.org/protocol/rsm"
)

// pageSize is small enough to arrive at once over a phone, and more than a screen.
const pageSize = 50

// New returns the feature.
func New() *feature.Feature {
	a := newArchive()
	return &feature.Feature{
		Name: "message archive (XEP-0313)",
		Messages: map[framing.Name]feature.Handler{
			{Space: NS, Local: "result"}: a.result,
		},
		Start: a.catchUp,
		Do: func(c feature.Client, in state.Intent) bool {
			older, ok := in.(state.LoadOlder)
			if ok {
				a.loadOlder(c, older.Peer.Bare())
			}
			return ok
		},
		Observe: func(_ feature.Client, ev state.Event) {
			if _, ok := ev.(state.Cleared); ok {
				*a = *newArchive()
			}
		},
	}
}

type archive struct {
	open map[string]*query // by queryid
}

func newArchive() *archive {
	return &archive{open: map[string]*query{}}
}

// query is a page on its way.
type query struct {
	with    jid.JID // "" for the whole account
	results []*feature.Stanza
}

// page is one that arrived.
type page struct {
	*feature.Page
	first, last string
	complete    bool
}

// ask requests a page and calls done with it when all of it is there.
func (a *archive) ask(c feature.Client, with jid.JID, bound *framing.Element, done func(page, error)) {
	id := c.NewID()
	q := &query{with: with}
	a.open[id] = q
	el := framing.New(NS, "query").Set("queryid", id)
	if with != "" {
		el.Add(framing.New("jabber:x:data", "x").Set("type", "submit").
			Add(field("FORM_TYPE", NS).Set("type", "hidden"), field("with", with.String())))
	}
	el.Add(framing.New(nsRSM, "set").
		Add(framing.New(nsRSM, "max").AddText(strconv.Itoa(pageSize)), bound))
	c.Request(framing.New(framing.NSClient, "iq").Set("type", "set").Add(el),
		func(reply *framing.Element, err error) {
			delete(a.open, id)
			if err != nil {
				done(page{}, err)
				return
			}
			fin := reply.Child(NS, "fin")
			set := fin.Child(nsRSM, "set")
			p := page{
				Page:     &feature.Page{},
				first:    strings.Clone(set.Child(nsRSM, "first").Text()),
				last:     strings.Clone(set.Child(nsRSM, "last").Text()),
				complete: fin.Attr("complete") == "true" || fin.Attr("complete") == "1" || len(q.results) == 0,
			}
			for _, st := range q.results {
				st.Page = p.Page
				c.Dispatch(st)
			}
			done(p, nil)
		})
}

func field(name, value string) *framing.Element {
	return framing.New("jabber:x:data", "field").Set("var", name).
		Add(framing.New("jabber:x:data", "value").AddText(value))
}

func before(id string) *framing.Element { return framing.New(nsRSM, "before").AddText(id) }

func after(id string) *framing.Element { return framing.New(nsRSM, "after").AddText(id) }

func (a *archive) result(c feature.Client, st *feature.Stanza) {
	result := st.Only(NS, "result")
	q := a.open[result.Attr("queryid")]
	if q == nil || st.Source != feature.Live || st.From != c.State().Account() {
		return
	}
	message, at := feature.Forwarded(result)
	if message == nil || at.IsZero() || message.Attr("from") == "" {
		return
	}
	inner := feature.Inner(message, feature.Archived, state.Clamp(at, c.Now()))
	if inner.To == "" {
		inner.To = c.State().Account()
	}
	if q.with != "" && inner.Peer(c).Bare() != q.with {
		return
	}
	inner.ArchiveID = result.Attr("id")
	q.results = append(q.results, inner)
}

// catchUp brings in what happened since the last page, or, the first time, the
// newest page of the whole account.
func (a *archive) catchUp(c feature.Client) {
	if c.State().Reached == "" {
		a.ask(c, "", before(""), func(p page, err error) {
			if err == nil {
				a.add(c, p, true)
			}
			if !errors.Is(err, stream.ErrDisconnected) {
				c.Emit(state.CaughtUp{})
			}
		})
		return
	}
	from := c.State().Reached
	a.ask(c, "", after(from), func(p page, err error) {
		var refused *stream.StanzaError
		switch {
		case errors.As(err, &refused) && refused.Condition == "item-not-found":
			// The archive has forgotten where we were: begin anew. What is there
			// already is recognised.
			c.Emit(state.ArchiveReached{})
			a.catchUp(c)
		case errors.Is(err, stream.ErrDisconnected):
		case err != nil:
			c.Emit(state.CaughtUp{})
		default:
			a.add(c, p, false)
			if p.complete || p.last == "" || p.last == from {
				c.Emit(state.CaughtUp{})
				return
			}
			a.catchUp(c)
		}
	})
}

// add puts a page of the whole account into the conversations it belongs to.
func (a *archive) add(c feature.Client, p page, first bool) {
	peers := make([]jid.JID, 0, len(p.Messages))
	for peer := range p.Messages {
		peers = append(peers, peer)
	}
	slices.Sort(peers)
	for _, peer := range peers {
		c.Emit(state.ArchivePage{
			Peer: peer, Messages: p.Messages[peer], Older: first, Unread: !first, Partial: true,
		})
	}
	if p.last != "" {
		c.Emit(state.ArchiveReached{ID: p.last})
	}
	p.Added()
}

func (a *archive) loadOlder(c feature.Client, peer jid.JID) {
	var oldest string
	if chat := c.State().Chat(peer); chat != nil {
		if chat.Archive.Loading || chat.Archive.Complete {
			return
		}
		oldest = chat.Archive.Oldest
	}
	c.Emit(state.ArchiveAsked{Peer: peer})
	a.ask(c, peer, before(oldest), func(p page, err error) {
		if err != nil {
			c.Emit(state.ArchiveFailed{Peer: peer, Text: "Older messages could not be loaded."})
			return
		}
		c.Emit(state.ArchivePage{
			Peer: peer, Messages: p.Messages[peer], Older: true, Oldest: p.first, Complete: p.complete,
		})
		p.Added()
	})
}
