package client

import (
	"errors"
	"slices"

	"natter/framing"
)

// CrashLog outlives the program, and knows which stanza it was handling when it died: a stack
// that overflows, or an exception of the page in the wrong place, cannot be recovered from. Both
// methods that are called for each stanza take less than a microsecond.
type CrashLog interface {
	// Begin notes the hash of the stanza that is handled from now on, End that none is.
	Begin(hash uint64)
	End()
	// Poison returns the hashes of the stanzas that programs on this page have died of.
	Poison() []uint64
}

var errPoison = errors.New("the page has stopped over this answer before")

// handle calls f for a stanza and reports true, unless the program has died of the stanza before:
// the server sends it to every program that resumes the stream, and all would die.
func (l *loop) handle(st *framing.Element, f func()) bool {
	log := l.c.config.CrashLog
	if log == nil {
		f()
		return true
	}
	hash := fingerprint(st)
	if slices.Contains(l.poison, hash) {
		l.c.config.Log("left out, since the page has stopped over it: %s from %q", st.Name.Local, st.Attr("from"))
		return false
	}
	log.Begin(hash)
	f()
	log.End()
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
