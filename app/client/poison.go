package client

import (
	"errors"
	"slices"

	"natter/framing"
)

// Journal is told what is being dealt with, by something that outlives this program
// should it die of it: a stack that overflows, or an exception of the page in the
// wrong place, cannot be recovered from.
type Journal interface {
	// Handling takes the print of what the server has sent, 0 when it is done with. It
	// is called for each stanza.
	Handling(print uint64)
	// Poison returns the prints of what programs on this page have died of.
	Poison() []uint64
}

var errPoison = errors.New("the page has stopped over this answer before")

// handle deals with what the server has sent, unless the program has died of it before.
// The server would send it to every program that takes up the stream, and all would.
func (l *loop) handle(st *framing.Element, f func()) bool {
	j := l.c.config.Journal
	if j == nil {
		f()
		return true
	}
	p := fingerprint(st)
	if slices.Contains(l.poison, p) {
		l.c.config.Log("left out, since the page has stopped over it: %s from %q", st.Name.Local, st.Attr("from"))
		return false
	}
	j.Handling(p)
	f()
	j.Handling(0)
	return true
}

// fingerprint tells a stanza from others, and is the same when a server sends it again:
// by then it may have another delay, and the answer to the same question another id. It
// has 53 bits, which is what JavaScript can hold.
func fingerprint(st *framing.Element) uint64 {
	h := basis
	answer := st.Name.Local == "iq"
	var add func(e *framing.Element)
	add = func(e *framing.Element) {
		h.add(e.Name.Space, e.Name.Local)
		var attrs fnv // in any order: Prosody has none
		for _, a := range e.Attrs {
			switch local := a.Name.Local; {
			case local == "queryid", e == st && (local == "to" || answer && local == "id"):
			default:
				one := basis
				one.add(a.Name.Space, local, a.Value)
				attrs += one
			}
		}
		h = (h ^ attrs) * prime
		for _, n := range e.Children {
			switch {
			case n.Element == nil:
				h.add(n.Text)
			case !n.Element.Is(nsDelay, "delay"):
				add(n.Element)
			}
		}
		h.add("")
	}
	add(st)
	return uint64(h >> 11)
}

// fnv is FNV-1a of 64 bits, with the end of each string counted.
type fnv uint64

const (
	basis fnv = 14695981039346656037
	prime fnv = 1099511628211
)

func (h *fnv) add(all ...string) {
	for _, s := range all {
		for i := range len(s) {
			*h = (*h ^ fnv(s[i])) * prime
		}
		*h = (*h ^ 0xff) * prime
	}
}
