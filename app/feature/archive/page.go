package archive

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"natter/app/feature"
	"natter/app/state"
	"natter/framing"
)

// Namespaces of XEP-0313 and those it builds on.
const (
	NS     = "urn:xmpp:mam:2"
	nsRSM  = "http://jabber.org/protocol/rsm"
	nsForm = "jabber:x:data"
)

// pageSize is small enough to arrive at once over a phone, and more than a screen.
const pageSize = 50

// errBroken: an answer contradicts itself, or says again what was said before.
var errBroken = errors.New("archive: the page is not whole")

// query is a page on its way.
type query struct {
	run
	part    state.Part
	results []*feature.Stanza
}

// run is what an archive has in a row.
type run struct {
	ids    []string // of all results, also of those that are no message to us
	stamps []time.Time
}

// page is one that arrived.
type page struct {
	run
	*feature.Page
	complete bool // nothing comes beyond it, in the direction of reading
}

// reading is what it says of the archive by itself.
func (u run) reading() (r state.Reading) {
	if n := len(u.ids); n > 0 {
		r.From = state.Edge{ID: u.ids[0], At: u.stamps[0]}
		r.To = state.Edge{ID: u.ids[n-1], At: u.stamps[n-1]}
		r.IDs = u.ids
	}
	return r
}

// settled returns how many come before the newest minutes, by the archive's clock.
func (u run) settled() int {
	if len(u.ids) == 0 {
		return 0
	}
	newest := slices.MaxFunc(u.stamps, time.Time.Compare)
	return slices.IndexFunc(u.stamps, func(at time.Time) bool { return at.Add(settling).After(newest) })
}

func (u run) first(n int) run { return run{u.ids[:n], u.stamps[:n]} }

func (u run) from(n int) run { return run{u.ids[n:], u.stamps[n:]} }

func (u run) and(o run) run {
	return run{slices.Concat(u.ids, o.ids), slices.Concat(u.stamps, o.stamps)}
}

// ask is what page is asked for.
type ask struct {
	backward      bool   // the end of what there is before an id, not the beginning of what is after it
	before, after string // ids, "" for the end and the beginning
	start, end    time.Time
	max           int // pageSize if 0
}

// query is the ask as a query of a part of an archive (XEP-0313 §4).
func (k ask) query(part state.Part, id string) *framing.Element {
	q := framing.New(NS, "query").Set("queryid", id)
	form := framing.New(nsForm, "x").Set("type", "submit").Add(field("FORM_TYPE", NS).Set("type", "hidden"))
	fields := len(form.Children)
	if part.With != "" {
		form.Add(field("with", part.With.String()))
	}
	if !k.start.IsZero() {
		form.Add(field("start", stamp(k.start)))
	}
	if !k.end.IsZero() {
		form.Add(field("end", stamp(k.end)))
	}
	if len(form.Children) > fields {
		q.Add(form)
	}
	most := pageSize
	if k.max > 0 {
		most = k.max
	}
	set := framing.New(nsRSM, "set").Add(framing.New(nsRSM, "max").AddText(strconv.Itoa(most)))
	switch {
	case k.backward:
		set.Add(framing.New(nsRSM, "before").AddText(k.before))
	case k.after != "":
		set.Add(framing.New(nsRSM, "after").AddText(k.after))
	}
	return q.Add(set)
}

func field(name, value string) *framing.Element {
	return framing.New(nsForm, "field").Set("var", name).
		Add(framing.New(nsForm, "value").AddText(value))
}

// stamp is a time as XEP-0082 writes it, in whole seconds: some servers keep no more.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05Z") }

// ask requests a page and calls done with it when all of it is there. The messages of a
// page that is not whole are delivered; what it says of the archive is not believed.
func (r *reading) ask(k ask, done func(*page, error)) {
	id := r.c.NewID()
	q := &query{part: r.part}
	r.a.open[id] = q
	iq := framing.New(framing.NSClient, "iq").Set("type", "set")
	if r.part.Archive != r.c.State().Account() {
		iq.Set("to", r.part.Archive.String())
	}
	r.c.Request(iq.Add(k.query(r.part, id)), func(reply *framing.Element, err error) {
		delete(r.a.open, id)
		if r.conv == "" && !r.counts() {
			return
		}
		if err != nil {
			done(nil, err)
			return
		}
		r.pages++
		p := &page{run: q.run, Page: &feature.Page{Past: r.past}}
		for _, st := range q.results {
			st.Page = p.Page
			r.c.Dispatch(st)
		}
		if !p.read(reply.Child(NS, "fin"), k) || r.again(p, k) {
			r.deliver(p, true, false)
			p.Added()
			done(nil, errBroken)
			return
		}
		done(p, nil)
	})
}

// read takes what the end of a page says of it (XEP-0313 §4.2, XEP-0059), and reports
// whether it agrees with what has come. Much of it may be missing.
func (p *page) read(fin *framing.Element, k ask) bool {
	if fin == nil {
		return false
	}
	set := fin.Child(nsRSM, "set")
	first, last := set.Child(nsRSM, "first").Text(), set.Child(nsRSM, "last").Text()
	n := len(p.ids)
	if n == 0 {
		p.complete = true // Prosody may not say so
		return first == "" && last == ""
	}
	if first != "" && first != p.ids[0] || last != "" && last != p.ids[n-1] || slices.Contains(p.ids, "") {
		return false
	}
	p.complete = fin.Attr("complete") == "true" || fin.Attr("complete") == "1"
	index, err := strconv.Atoi(set.Child(nsRSM, "first").Attr("index"))
	if err != nil {
		return true
	}
	count, err := strconv.Atoi(set.Child(nsRSM, "count").Text())
	switch {
	case k.backward && index > 0, !k.backward && err == nil && index+n < count:
		p.complete = false // there are more by its own count
	}
	return true
}

// again reports whether a page brings what has come before: the one it was to come
// before or after, or an end of another.
func (r *reading) again(p *page, k ask) bool {
	if len(p.ids) == 0 || k.max > 0 {
		return false
	}
	end := "to " + p.ids[len(p.ids)-1]
	if k.backward {
		end = "from " + p.ids[0]
	}
	if r.seen[end] || k.before != "" && slices.Contains(p.ids, k.before) || k.after != "" && slices.Contains(p.ids, k.after) {
		return true
	}
	r.seen[end] = true
	return false
}

// result is one message of a page. It is believed only while the query it names is
// open, and only from the archive that was asked (CVE-2019-16237, CVE-2020-26547).
func (a *archive) result(c feature.Client, st *feature.Stanza) {
	result := st.Only(NS, "result")
	q := a.open[result.Attr("queryid")]
	if q == nil || st.Source != feature.Live || st.From != q.part.Archive {
		return
	}
	message, at := feature.Forwarded(result)
	id := strings.Clone(result.Attr("id"))
	q.ids, q.stamps = append(q.ids, id), append(q.stamps, at) // by the archive's clock, whatever ours says
	if message == nil || at.IsZero() || message.Attr("from") == "" {
		return
	}
	now := c.Now()
	if q.part.Archive == c.State().Account() && at.After(now) {
		c.Emit(state.TimeTold{At: at})
		now = at
	}
	inner := c.Inner(message, feature.Archived, state.Clamp(at, now))
	if q.part.With != "" && inner.Conv.JID() != q.part.With {
		return
	}
	if q.part.Archive != c.State().Account() && inner.From.Bare() != q.part.Archive {
		return // a room has nothing to tell of others
	}
	inner.ArchiveID = id
	q.results = append(q.results, inner)
}
