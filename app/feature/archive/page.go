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
	NS    = "urn:xmpp:mam:2"
	nsRSM = "http://jabber.org/protocol/rsm"
)

// errBroken says that an answer contradicts itself or repeats an earlier page.
var errBroken = errors.New("archive: the page is not whole")

// query collects the results of a page that is on its way.
type query struct {
	part    state.Part
	edges   []state.Edge
	results []*feature.Stanza

	// only is not nil if the query collects no messages. Then found is the last result for which only
	// returned true.
	only  func(result *framing.Element) bool
	found *framing.Element
}

// element returns the <query/> for a page of a part of an archive (XEP-0313 §4).
func element(k state.Ask, part state.Part, id string) *framing.Element {
	q := framing.New(NS, "query").Set("queryid", id)
	fields := []state.Filled{feature.Field("FORM_TYPE", NS)}
	if part.With != "" {
		fields = append(fields, feature.Field("with", part.With.String()))
	}
	if !k.Start.IsZero() {
		fields = append(fields, feature.Field("start", stamp(k.Start)))
	}
	if !k.End.IsZero() {
		fields = append(fields, feature.Field("end", stamp(k.End)))
	}
	if len(fields) > 1 {
		q.Add(feature.Submit(fields...))
	}
	set := framing.New(nsRSM, "set").Add(framing.New(nsRSM, "max").AddText(strconv.Itoa(k.Max)))
	switch {
	case k.Backward:
		set.Add(framing.New(nsRSM, "before").AddText(k.Before))
	case k.After != "":
		set.Add(framing.New(nsRSM, "after").AddText(k.After))
	}
	return q.Add(set)
}

// stamp returns a time in the format of XEP-0082, in whole seconds, because some servers store no more.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05Z") }

// request sends a query for a page, and calls done with the answer, which comes after all results, or with an
// error.
func (a *archive) request(c feature.Client, q *query, k state.Ask, done func(reply *framing.Element, err error)) {
	id := c.NewID()
	a.open[id] = q
	iq := framing.New(framing.NSClient, "iq").Set("type", "set")
	if q.part.Archive != c.State().Account() {
		iq.Set("to", q.part.Archive.String())
	}
	c.Request(iq.Add(element(k, q.part, id)), func(reply *framing.Element, err error) {
		delete(a.open, id)
		done(reply, err)
	})
}

// ask requests a page, and calls done when all of it has come, or with an error.
func (r *reading) ask(k state.Ask, done func(*feature.Page, state.Page, error)) {
	q := &query{part: r.plan.Part}
	r.a.request(r.c, q, k, func(reply *framing.Element, err error) {
		if !r.counts() {
			return
		}
		p := &feature.Page{Past: r.plan.Past}
		if err != nil {
			var refused *framing.StanzaError
			done(p, state.Page{Unknown: errors.As(err, &refused) && refused.Condition == "item-not-found"}, err)
			return
		}
		for _, st := range q.results {
			st.Page = p
			r.c.Dispatch(st)
		}
		page := state.Page{Results: q.edges, Messages: p.Messages}
		finish(&page, reply.Child(NS, "fin"), k)
		done(p, page, nil)
	})
}

// finish reads <fin/>, the end of a page (XEP-0313 §4.2, XEP-0059), and sets Broken if it contradicts the
// results that have come. Servers may leave out most of it.
func finish(p *state.Page, fin *framing.Element, k state.Ask) {
	if fin == nil {
		p.Broken = true
		return
	}
	set := fin.Child(nsRSM, "set")
	first, last := set.Child(nsRSM, "first").Text(), set.Child(nsRSM, "last").Text()
	n := len(p.Results)
	if n == 0 {
		p.Complete = true // Prosody may leave out complete here
		p.Broken = first != "" || last != ""
		return
	}
	if first != "" && first != p.Results[0].ID || last != "" && last != p.Results[n-1].ID ||
		slices.ContainsFunc(p.Results, func(e state.Edge) bool { return e.ID == "" }) {
		p.Broken = true
		return
	}
	p.Complete = fin.Attr("complete") == "true" || fin.Attr("complete") == "1"
	index, err := strconv.Atoi(set.Child(nsRSM, "first").Attr("index"))
	if err != nil {
		return
	}
	count, err := strconv.Atoi(set.Child(nsRSM, "count").Text())
	if k.Backward && index > 0 || !k.Backward && err == nil && index+n < count {
		p.Complete = false // index and count of the server say that there are more
	}
}

// result handles one result of a page. It takes the result only while the query with this queryid is
// open, and only from the archive that was asked (CVE-2019-16237, CVE-2020-26547).
func (a *archive) result(c feature.Client, st *feature.Stanza) {
	result := st.Only(NS, "result")
	q := a.open[result.Attr("queryid")]
	if q == nil || st.Source != feature.Live || st.From != q.part.Archive {
		return
	}
	message, at := feature.Forwarded(result)
	id := strings.Clone(result.Attr("id"))
	if q.only != nil && q.only(result) {
		q.found = result
	}
	q.edges = append(q.edges, state.Edge{ID: id, At: at}) // a time of the archive's clock, not of ours
	if q.only != nil || message == nil || at.IsZero() || message.Attr("from") == "" {
		return
	}
	now := c.Now()
	if q.part.Archive == c.State().Account() && at.After(now) {
		c.Emit(state.TimeTold{At: at})
		now = at
	}
	inner := c.Inner(message, feature.Archived, state.Clamp(at, now))
	if (inner.Conv.Kind() == state.Groupchat) != (q.part.Archive != c.State().Account()) {
		return // our archive may not have messages of rooms, the archive of a room no others
	}
	if q.part.With != "" && inner.Conv.JID() != q.part.With {
		return
	}
	if q.part.Archive != c.State().Account() && inner.From.Bare() != q.part.Archive {
		return // the archive of a room may not have messages of another room
	}
	inner.ArchiveID = id
	q.results = append(q.results, inner)
}
