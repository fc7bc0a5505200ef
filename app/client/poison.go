package client

import (
	"errors"
	"slices"

	"natter/framing"
)

// CrashLog remembers, beyond the life of the program, which stanza the program was handling when it
// died. Go cannot recover from a stack overflow, nor from some exceptions of the page. Begin and End
// are called for each stanza, so they take less than a microsecond.
type CrashLog interface {
	// Begin notes the hash of the stanza whose handling begins. End notes that it has ended.
	Begin(hash uint64)
	End()
	// Poison returns the hashes of the stanzas that have crashed the program on this page.
	Poison() []uint64
}

var errPoison = errors.New("the page has stopped over this answer before")

// handle calls f for a stanza and reports true. If the stanza has crashed the program before, it
// reports false: the server sends it again when the stream is resumed, and it would crash each time.
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

// fingerprint returns a hash that is the same when a server sends the stanza again. So it leaves out
// the delay, the queryid, the to, and the id of an answer, which may differ then. It has 53
// bits, as many as a number in JavaScript holds exactly.
func fingerprint(st *framing.Element) uint64 {
	h := basis
	answer := st.Name.Local == "iq"
	var add func(e *framing.Element)
	add = func(e *framing.Element) {
		h.add(e.Name.Space, e.Name.Local)
		var attrs fnv // a sum, because Prosody writes attributes in any order
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

// fnv is a 64-bit FNV-1a hash, in which the end of each string counts too.
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
