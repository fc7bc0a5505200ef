package trial

import (
	"slices"
	"sort"
	"strings"
	"time"

	"natter/app/jid"
	"natter/framing"
)

// archive is what an account has sent and received, or what was said in a room,
// oldest first (XEP-0313).
type archive struct{ entries []entry }

type entry struct {
	id   string
	at   time.Time
	with jid.JID // the other side; in a room the author's own address
	m    *framing.Element
	size int
}

// record keeps a message in an archive, that of owner, and returns its <stanza-id/>
// (XEP-0359). The archive's oldest messages give way.
func (s *Server) record(r *archive, owner jid.JID, m *framing.Element, peer jid.JID) *framing.Element {
	return s.recordAt(s.o.Now(), r, owner, m, peer)
}

// recordAt does what record does for a message of that time.
func (s *Server) recordAt(at time.Time, r *archive, owner jid.JID, m *framing.Element, peer jid.JID) *framing.Element {
	id := s.stanzaID(owner)
	text := with(m, id).String()
	e := entry{id: id.Attr("id"), at: at, with: jid.JID(strings.Clone(peer.String())), m: ownMemory(text), size: len(text)}
	r.entries = append(r.entries, e)
	s.stored += e.size
	drop := 0
	for len(r.entries)-drop > s.lim.Archived || s.stored > s.lim.Stored && drop < len(r.entries) {
		s.stored -= r.entries[drop].size
		drop++
	}
	clear(r.entries[:drop]) // the array lives on
	r.entries = r.entries[drop:]
	return id
}

func (s *Server) stanzaID(by jid.JID) *framing.Element {
	return framing.New(nsStanzaID, "stanza-id").Set("by", by.String()).Set("id", s.o.NewID())
}

// dropBefore forgets what is older than t and returns the bytes that gives back.
func (r *archive) dropBefore(t time.Time) int {
	n := sort.Search(len(r.entries), func(i int) bool { return !r.entries[i].at.Before(t) })
	bytes := 0
	for _, e := range r.entries[:n] {
		bytes += e.size
	}
	clear(r.entries[:n])
	r.entries = r.entries[n:]
	return bytes
}

// metadata says from where to where the archive reaches (XEP-0386 §3.2).
func (r *archive) metadata() *framing.Element {
	e := framing.New(nsArchive, "metadata")
	if len(r.entries) == 0 {
		return e
	}
	end := func(local string, at entry) *framing.Element {
		return framing.New(nsArchive, local).Set("id", at.id).Set("timestamp", stamp(at.at))
	}
	return e.Add(end("start", r.entries[0]), end("end", r.entries[len(r.entries)-1]))
}

// history answers a query of the account's archive.
func (s *Server) history(x *session, iq, q *framing.Element) {
	answer, condition := s.pages(&x.account.archive, iq, q, x.account.jid, func(e entry) *framing.Element { return e.m })
	if condition != "" {
		x.refuse(iq, condition)
		return
	}
	x.archived = x.archived || iq.Attr("type") == "set"
	x.send(result(iq).Add(answer))
}

// pages sends what a query of an archive asks for, a page at a time, each message as
// shown has it, and returns what is to be answered then (XEP-0313 §4). Else it
// returns the condition to refuse the query with.
func (s *Server) pages(r *archive, iq, q *framing.Element, owner jid.JID, shown func(entry) *framing.Element) (*framing.Element, string) {
	if iq.Attr("type") == "get" {
		return framing.New(nsArchive, "query").Add(queryForm()), ""
	}
	wanted, condition := readQuery(q)
	if condition != "" {
		return nil, condition
	}
	between, ok := wanted.within(r.entries)
	if !ok {
		return nil, "item-not-found"
	}
	var all []entry
	for _, e := range between {
		if wanted.matches(e) {
			all = append(all, e)
		}
	}
	id := func(i int) string { return all[i].id }
	p, ok := wanted.cut(len(all), s.lim.Page, id)
	if !ok {
		return nil, "item-not-found"
	}
	fin := framing.New(nsArchive, "fin").Add(p.set(len(all), id))
	if p.complete {
		fin.Set("complete", "true")
	}
	found := all[p.from:p.to]
	if q.Child(nsArchive, "flip-page") != nil {
		slices.Reverse(found)
	}
	for _, e := range found {
		one := framing.New(nsArchive, "result").Set("id", e.id).Set("queryid", q.Attr("queryid")).
			Add(framing.New(nsForward, "forwarded").Add(
				framing.New(nsDelay, "delay").Set("stamp", stamp(e.at)), shown(e)))
		s.post(framing.New(framing.NSClient, "message").
			Set("from", owner.String()).Set("to", iq.Attr("from")).Add(one))
	}
	return fin, ""
}

// query is what part of the archive is asked for.
type query struct {
	with              jid.JID
	start, end        time.Time
	beforeID, afterID string
	ids               map[string]bool // nil for all of them
	paging
}

// readQuery reads a query, or returns the condition to refuse it with.
func readQuery(q *framing.Element) (query, string) {
	var w query
	for _, f := range q.Child(nsForm, "x").Elements() {
		value := f.Child(nsForm, "value").Text()
		var err error
		switch f.Attr("var") {
		case "FORM_TYPE":
		case "with":
			w.with, err = jid.Parse(value)
		case "start":
			w.start, err = time.Parse(time.RFC3339, value)
		case "end":
			w.end, err = time.Parse(time.RFC3339, value)
		case "before-id":
			w.beforeID = value
		case "after-id":
			w.afterID = value
		case "ids":
			w.ids = make(map[string]bool)
			for _, v := range f.Elements() {
				w.ids[v.Text()] = true
			}
		default:
			return w, "feature-not-implemented" // XEP-0313 §4.1.5
		}
		if err != nil {
			return w, "bad-request"
		}
	}
	var ok bool
	if w.paging, ok = readPaging(q.Child(nsPaging, "set")); !ok {
		return w, "bad-request"
	}
	return w, ""
}

// within returns what of an archive is between the ids of the query. It fails if one of
// the ids it names is not there (XEP-0313 §4.1.3).
func (w query) within(all []entry) ([]entry, bool) {
	from, to, seen := 0, len(all), 0
	for i, e := range all {
		if e.id == w.afterID {
			from = i + 1
		}
		if e.id == w.beforeID {
			to = i
		}
		if w.ids[e.id] {
			seen++
		}
	}
	ok := seen == len(w.ids) && (w.afterID == "" || from > 0) && (w.beforeID == "" || to < len(all))
	return all[min(from, to):to], ok
}

func (w query) matches(e entry) bool {
	other := e.with
	if w.with.IsBare() {
		other = other.Bare()
	}
	return (w.ids == nil || w.ids[e.id]) && (w.with == "" || w.with == other) &&
		(w.start.IsZero() || !e.at.Before(w.start)) &&
		(w.end.IsZero() || !e.at.After(w.end))
}

func queryForm() *framing.Element {
	return form("form", nsArchive,
		field("with", "jid-single", ""),
		field("start", "text-single", ""),
		field("end", "text-single", ""),
		field("before-id", "text-single", ""),
		field("after-id", "text-single", ""),
		field("ids", "list-multi", "").Add(framing.New(nsValidate, "validate").Set("datatype", "xs:string").
			Add(framing.New(nsValidate, "open"))),
	)
}
