package trial

import (
	"sort"
	"strconv"
	"time"

	"natter/app/jid"
	"natter/framing"
)

// archive is what an account has sent and received, oldest first (XEP-0313).
type archive struct{ entries []entry }

type entry struct {
	id   string
	at   time.Time
	with jid.JID // the other side
	m    *framing.Element
	size int
}

// archive keeps a message for an account and returns its <stanza-id/> (XEP-0359).
// The account's oldest messages give way.
func (s *Server) archive(a *account, m *framing.Element, peer jid.JID) *framing.Element {
	id := framing.New(nsStanzaID, "stanza-id").Set("by", a.jid.String()).Set("id", s.o.NewID())
	e := entry{id: id.Attr("id"), at: s.o.Now(), with: peer, m: with(m, id)}
	e.size = len(e.m.String())
	r := &a.archive
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

// history answers a query of the archive, a page at a time (XEP-0313 §4,
// XEP-0059).
func (s *Server) history(x *session, iq, q *framing.Element) {
	if iq.Attr("type") == "get" {
		x.send(result(iq).Add(framing.New(nsArchive, "query").Add(queryForm())))
		return
	}
	wanted, condition := readQuery(q)
	if condition != "" {
		x.refuse(iq, condition)
		return
	}
	var all []entry
	for _, e := range x.account.archive.entries {
		if wanted.matches(e) {
			all = append(all, e)
		}
	}
	p, ok := wanted.page(all, s.lim.Page)
	if !ok {
		x.refuse(iq, "item-not-found")
		return
	}
	x.archived = true
	for _, e := range p.entries {
		found := framing.New(nsArchive, "result").Set("id", e.id).Set("queryid", q.Attr("queryid")).
			Add(framing.New(nsForward, "forwarded").Add(
				framing.New(nsDelay, "delay").Set("stamp", stamp(e.at)), e.m))
		x.send(framing.New(framing.NSClient, "message").
			Set("from", x.account.jid.String()).Set("to", x.jid.String()).Add(found))
	}
	fin := framing.New(nsArchive, "fin").Add(p.set(len(all)))
	if p.complete {
		fin.Set("complete", "true")
	}
	x.send(result(iq).Add(fin))
}

// query is what part of the archive is asked for.
type query struct {
	with          jid.JID
	start, end    time.Time
	before, after string // ids
	backwards     bool   // the page before an id, or the last one
	max           int    // -1 if not said
}

// readQuery reads a query, or returns the condition to refuse it with.
func readQuery(q *framing.Element) (query, string) {
	w := query{max: -1}
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
		default:
			return w, "feature-not-implemented" // XEP-0313 §4.1.5
		}
		if err != nil {
			return w, "bad-request"
		}
	}
	set := q.Child(nsPaging, "set")
	if m := set.Child(nsPaging, "max"); m != nil {
		n, err := strconv.Atoi(m.Text())
		if err != nil || n < 0 {
			return w, "bad-request"
		}
		w.max = n
	}
	w.after = set.Child(nsPaging, "after").Text()
	if b := set.Child(nsPaging, "before"); b != nil {
		w.backwards = true
		w.before = b.Text()
	}
	return w, ""
}

func (w query) matches(e entry) bool {
	other := e.with
	if w.with.IsBare() {
		other = other.Bare()
	}
	return (w.with == "" || w.with == other) &&
		(w.start.IsZero() || !e.at.Before(w.start)) &&
		(w.end.IsZero() || !e.at.After(w.end))
}

// page is what one answer carries.
type page struct {
	entries  []entry
	first    int  // index of the first of them in all that matches
	complete bool // there is nothing beyond, in the direction of reading
}

// page cuts the answer out of all that matches. It fails when an id is not there.
func (w query) page(all []entry, most int) (page, bool) {
	from, to := 0, len(all)
	if w.after != "" {
		i := index(all, w.after)
		if i < 0 {
			return page{}, false
		}
		from = i + 1
	}
	if w.before != "" {
		i := index(all, w.before)
		if i < 0 {
			return page{}, false
		}
		to = max(from, i)
	}
	n := most
	if w.max >= 0 {
		n = min(n, w.max)
	}
	if to-from <= n {
		return page{all[from:to], from, true}, true
	}
	if w.backwards {
		from = to - n
	}
	return page{all[from : from+n], from, false}, true
}

func index(all []entry, id string) int {
	for i, e := range all {
		if e.id == id {
			return i
		}
	}
	return -1
}

// set describes the page (XEP-0059 §2.1).
func (p page) set(total int) *framing.Element {
	set := framing.New(nsPaging, "set")
	if len(p.entries) > 0 {
		set.Add(
			framing.New(nsPaging, "first").Set("index", strconv.Itoa(p.first)).AddText(p.entries[0].id),
			framing.New(nsPaging, "last").AddText(p.entries[len(p.entries)-1].id),
		)
	}
	return set.Add(framing.New(nsPaging, "count").AddText(strconv.Itoa(total)))
}

func queryForm() *framing.Element {
	field := func(name, kind, value string) *framing.Element {
		f := framing.New(nsForm, "field").Set("var", name).Set("type", kind)
		if value != "" {
			f.Add(framing.New(nsForm, "value").AddText(value))
		}
		return f
	}
	return framing.New(nsForm, "x").Set("type", "form").Add(
		field("FORM_TYPE", "hidden", nsArchive),
		field("with", "jid-single", ""),
		field("start", "text-single", ""),
		field("end", "text-single", ""),
	)
}
