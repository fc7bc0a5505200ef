package trial

import (
	"strconv"

	"natter/framing"
)

// paging is what part of a long answer is asked for (XEP-0059). The zero value but
// for max, which is then -1, asks for all.
type paging struct {
	before, after string // ids
	backwards     bool   // the page before an id, or the last one
	max           int    // -1 if not said
}

// readPaging reads a <set/>, nil if there is none, and reports whether it is one.
func readPaging(set *framing.Element) (paging, bool) {
	w := paging{max: -1, after: set.Child(nsPaging, "after").Text()}
	if m := set.Child(nsPaging, "max"); m != nil {
		n, err := strconv.Atoi(m.Text())
		if err != nil || n < 0 {
			return w, false
		}
		w.max = n
	}
	if b := set.Child(nsPaging, "before"); b != nil {
		w.backwards = true
		w.before = b.Text()
	}
	return w, true
}

// page is what one answer carries: some of what matches.
type page struct {
	from, to int  // what of all that matches, the end not included
	complete bool // there is nothing beyond, in the direction of reading
}

// cut finds the page in n things that have ids, most of them at once. It fails when
// an id is not there.
func (w paging) cut(n, most int, id func(int) string) (page, bool) {
	find := func(wanted string) int {
		for i := range n {
			if id(i) == wanted {
				return i
			}
		}
		return -1
	}
	from, to := 0, n
	if w.after != "" {
		i := find(w.after)
		if i < 0 {
			return page{}, false
		}
		from = i + 1
	}
	if w.before != "" {
		i := find(w.before)
		if i < 0 {
			return page{}, false
		}
		to = max(from, i)
	}
	if w.max >= 0 {
		most = min(most, w.max)
	}
	if to-from <= most {
		return page{from, to, true}, true
	}
	if w.backwards {
		return page{to - most, to, false}, true
	}
	return page{from, from + most, false}, true
}

// set describes the page of n things (XEP-0059 §2.1).
func (p page) set(n int, id func(int) string) *framing.Element {
	set := framing.New(nsPaging, "set")
	if p.from < p.to {
		set.Add(
			framing.New(nsPaging, "first").Set("index", strconv.Itoa(p.from)).AddText(id(p.from)),
			framing.New(nsPaging, "last").AddText(id(p.to-1)),
		)
	}
	return set.Add(framing.New(nsPaging, "count").AddText(strconv.Itoa(n)))
}
